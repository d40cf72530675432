//! The agreements of a bundle as three sheets that people fill in: 协议, one row an agreement; 授权, one row a grant; 数据项, one row a field.
//!
//! Takes the texts of a bundle; gives sheets of texts, and from such sheets the agreement files again. What a sheet cannot hold is
//! refused, on the way out ([`Matrix::of`]) and on the way back ([`Matrix::texts`]), so that a bundle that went through a sheet means
//! what it meant. Comments are not carried; [`Matrix::comments`] counts them. What the file format of a sheet is, is not known here.

mod cell;
mod columns;
mod read;
mod word;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;

pub use columns::{AGREEMENTS, FIELDS, GRANTS};

/// The agreements of a bundle as sheets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// 协议: one row an agreement.
    pub agreements: Sheet,
    /// 授权: one row a grant.
    pub grants: Sheet,
    /// 数据项: one row a field of a grant's record type or dataset.
    pub fields: Sheet,
    /// Comments that stand in the files and not in the sheets.
    pub comments: usize,
}

/// One sheet. Each row has as many cells as there are columns; a cell without content is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Its name, e.g. `协议`.
    pub name: &'static str,
    /// Its columns, from the left.
    pub columns: &'static [Column],
    /// Its rows, without the two headings.
    pub rows: Vec<Vec<String>>,
}

/// One column of a sheet.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// The second heading: its place in the file, e.g. `basis.articles`.
    pub key: &'static str,
    /// The first heading.
    pub zh: &'static str,
    /// What its cells hold.
    pub form: Form,
}

/// What a cell holds, and how that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text as it is.
    Text,
    /// A whole number.
    Number,
    /// `是` or `否`.
    Flag,
    /// Texts with `、` between them.
    List,
    /// A moment, e.g. `2026-01-01T00:00:00+08:00`.
    Moment,
    /// A value as the files write it, e.g. `[{ field = "hukou_region", prefix = ["3207"] }]`.
    Value,
    /// An operator, e.g. `掩码(first = 1)`; empty: the field is not granted.
    Operator,
    /// For the reader only.
    Shown,
}

/// A cell that cannot be taken, or something that a sheet cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellFault {
    /// Name of the sheet.
    pub sheet: String,
    /// Row as the program shows it, from 1; 0 when it is about the sheet.
    pub row: usize,
    /// Column, from 0; none when it is about the row.
    pub column: Option<usize>,
    /// What is wrong, and what is expected.
    pub what: String,
}

impl fmt::Display for CellFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.sheet)?;
        match (self.row, self.column) {
            (0, _) => {}
            (row, None) => write!(out, "!{row}")?,
            (row, Some(column)) => write!(out, "!{}{row}", letters(column))?,
        }
        write!(out, ": {}", self.what)
    }
}

/// The letters over a column, `A` for 0.
fn letters(mut column: usize) -> String {
    let mut name = Vec::new();
    loop {
        name.push(char::from(b'A' + u8::try_from(column % 26).unwrap_or(0)));
        if column < 26 {
            return name.iter().rev().collect();
        }
        column = column / 26 - 1;
    }
}

/// Rows of headings above the data of each sheet.
pub const HEADINGS: usize = 2;

/// A sheet as somebody sent it: its name, and its rows with the headings.
pub type Sent = (String, Vec<Vec<String>>);
