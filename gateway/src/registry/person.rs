//! The person index: which resident ids the registry knows, and since when. Filled in the transaction that writes the rows.
//!
//! The index only says who is there; what is known about a person stays in the record tables, and the dataset `population` joins
//! them by source order. So a field's precedence is decided in one place, and a corrected row corrects the person.

use adapters::catalogue::FieldType;
use shuguan_adapters as adapters;

use super::merge::rows::{Column, Rows};
use super::schema::TableSpec;

/// The persons of the rows that are written, each once, ascending.
pub(super) fn persons<'a>(table: &TableSpec, rows: &Rows<'a>, writes: &[usize]) -> Vec<&'a str> {
    let columns: Vec<Subjects<'_, 'a>> = table
        .person_columns()
        .filter_map(|name| rows.column(name).map(|column| Subjects::of(table, name, column)))
        .collect();
    if columns.is_empty() {
        return Vec::new();
    }
    let mut ids: Vec<&str> = writes
        .iter()
        .filter_map(|row| columns.iter().find_map(|column| column.person(*row)))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// A column that names a person.
struct Subjects<'c, 'a> {
    column: &'c Column<'a>,
    /// A field such as `id_no` also holds passports; only resident ids are persons here.
    any_document: bool,
}

impl<'c, 'a> Subjects<'c, 'a> {
    fn of(table: &TableSpec, name: &str, column: &'c Column<'a>) -> Self {
        let field = table.record.field(name);
        Self {
            column,
            any_document: field.is_some_and(|field| !matches!(field.kind, FieldType::CitizenId)),
        }
    }

    fn person(&self, row: usize) -> Option<&'a str> {
        self.column
            .text(row)
            .filter(|id| !id.is_empty() && (!self.any_document || has_resident_id_form(id)))
    }
}

fn has_resident_id_form(id: &str) -> bool {
    let bytes = id.as_bytes();
    bytes.len() == 18
        && bytes.iter().take(17).all(u8::is_ascii_digit)
        && bytes.last().is_some_and(|last| last.is_ascii_digit() || *last == b'X')
}
