//! XLS (BIFF8, [MS-XLS]) in memory → sheets and their rows.
//!
//! `records` cuts the stream of the workbook into records, `text` reads its strings, `book` is the workbook without its cells, `rows` the cells
//! of one sheet. The compound file around the stream is read by `cfb`.

mod book;
mod records;
mod rows;
mod text;

pub(crate) use self::book::Book;
pub(crate) use self::rows::{Rows, merges, merges_below};

#[cfg(test)]
mod tests;
