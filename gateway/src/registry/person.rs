//! The person index: which resident ids the registry knows, and since when. Filled in the transaction that writes the rows.
//!
//! The index only says who is there; what is known about a person stays in the record tables, and the dataset `population` joins
//! them by source order. So a field's precedence is decided in one place, and a corrected row corrects the person.

use adapters::catalogue::FieldType;
use rusqlite::Connection;
use shuguan_adapters as adapters;

use super::fault::{RegistryFault, Step};
use super::merge::Part;
use super::merge::rows::{Column, Rows};
use super::schema::TableSpec;

/// Persons a statement.
const ROWS: usize = 100;

/// Enters the persons of the rows that were written.
pub(super) fn index(
    connection: &Connection,
    table: &TableSpec,
    part: &Part,
    rows: &Rows<'_>,
    writes: &[usize],
) -> Result<(), RegistryFault> {
    let columns: Vec<Subjects<'_, '_>> = table
        .person_columns()
        .filter_map(|name| rows.column(name).map(|column| Subjects::of(table, name, column)))
        .collect();
    if columns.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<&str> = writes
        .iter()
        .filter_map(|row| columns.iter().find_map(|column| column.person(*row)))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let chunks = ids.chunks_exact(ROWS);
    let rest = chunks.remainder();
    let many = text(ROWS);
    for chunk in chunks {
        insert(connection, &many, chunk, part.received_us)?;
    }
    let one = text(1);
    for id in rest {
        insert(connection, &one, &[id], part.received_us)?;
    }
    Ok(())
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

fn text(rows: usize) -> String {
    format!(
        "INSERT INTO person (citizen_id, first_us) VALUES {} ON CONFLICT (citizen_id) DO NOTHING",
        vec!["(?,?)"; rows].join(",")
    )
}

fn insert(connection: &Connection, text: &str, ids: &[&str], received_us: i64) -> Result<(), RegistryFault> {
    let mut statement = connection.prepare_cached(text).step("prepare the person index")?;
    for (place, id) in ids.iter().enumerate() {
        statement.raw_bind_parameter(2 * place + 1, *id).step("bind a person")?;
        statement
            .raw_bind_parameter(2 * place + 2, received_us)
            .step("bind a person")?;
    }
    statement.raw_execute().step("write the person index")?;
    Ok(())
}

fn has_resident_id_form(id: &str) -> bool {
    let bytes = id.as_bytes();
    bytes.len() == 18
        && bytes.iter().take(17).all(u8::is_ascii_digit)
        && bytes.last().is_some_and(|last| last.is_ascii_digit() || *last == b'X')
}
