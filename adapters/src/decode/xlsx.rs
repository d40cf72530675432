//! XLSX (ECMA-376) in memory → sheets and their rows.
//!
//! `archive` judges the zip directory and unpacks, `xml` bounds what is read, `package` is the workbook without its cells, `rows` the cells of
//! one sheet. Nothing is written to disk, and of the cells one row is in memory.

mod archive;
mod package;
mod rows;
mod xml;

pub(crate) use self::package::Package;
pub(crate) use self::rows::{Rows, merges, merges_below};
