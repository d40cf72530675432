//! Rows above the header row of delimited text.
//!
//! Takes each row until one names a field; says whether it is a title. Refuses, as a bad header row, a file of which none of the first rows names
//! a field, by what its first row lacks. A file that is only the sentence that there is nothing has no header and no records.

use super::fields::Fields;
use crate::decode::envelope::says_nothing_found;
use crate::decode::header::Names;
use crate::decode::judge::Judge;
use crate::decode::{Unreadable, secrecy};

/// What was passed over so far.
#[derive(Default)]
pub(super) struct Titles {
    /// The fields of the first row: what the file is refused by when there is no header.
    first: Option<Vec<String>>,
    rows: usize,
}

impl Titles {
    /// Whether the row is a title: it names no field.
    pub(super) fn take(
        &mut self,
        row: &Fields<'_>,
        line: u64,
        names: &mut Names,
        judge: &mut Judge,
    ) -> Result<bool, Unreadable> {
        if names_a_field(row.iter(), names) {
            return Ok(false);
        }
        if secrecy::in_row(row.iter()) {
            judge.mark(line);
        }
        self.first
            .get_or_insert_with(|| row.iter().map(str::to_owned).collect());
        self.rows += 1;
        if self.rows >= TITLE_ROWS_MAX {
            return Err(no_header(self.first.as_deref().unwrap_or_default(), names));
        }
        Ok(true)
    }

    /// Nothing follows, and no header came.
    pub(super) fn end(&self, names: &mut Names) -> Result<(), Unreadable> {
        match self.first.as_deref() {
            None => Ok(()),
            Some([sentence]) if self.rows == 1 && says_nothing_found(sentence) => Ok(()),
            Some(first) => Err(no_header(first, names)),
        }
    }
}

/// Whether a row is the header row.
pub(super) fn names_a_field<'a>(mut row: impl Iterator<Item = &'a str>, names: &Names) -> bool {
    // `密级：` is a note with what follows it, not a header.
    let is_note = |name: &str| name.trim_end().ends_with([':', '：']);
    row.any(|name| names.knows(name) && !is_note(name))
}

/// What a row that names no field lacks.
fn no_header(row: &[String], names: &mut Names) -> Unreadable {
    match names.columns(row.iter().map(String::as_str)) {
        Err(unreadable) => unreadable,
        // Nothing is required of what is wanted.
        Ok(_) => Unreadable::BadHeaderRow {
            missing: Vec::new(),
            twice: Vec::new(),
        },
    }
}

/// Rows in which a header is looked for, as in a sheet.
const TITLE_ROWS_MAX: usize = 20;
