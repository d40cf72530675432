//! The person and the enterprise index on SQLite, written in the transaction that writes the rows.

use rusqlite::Connection;

use super::super::fault::{RegistryFault, Step};
use super::super::merge::Arrival;
use super::super::{enterprise, person};

/// Persons a statement.
const ROWS: usize = 100;

/// Enters the persons and units of the rows that were written; gives the persons who were there already.
pub(super) fn enter<'a>(
    connection: &Connection,
    arrival: &Arrival<'a>,
    writes: &[usize],
) -> Result<Vec<&'a str>, RegistryFault> {
    let persons = person::persons(arrival.table, &arrival.rows, writes);
    let known = enter_persons(connection, &persons, arrival.part.received_us)?;
    let units = enterprise::units(&arrival.rows, writes);
    enter_units(connection, &units, arrival.part.received_us)?;
    Ok(known)
}

fn enter_persons<'a>(
    connection: &Connection,
    ids: &[&'a str],
    received_us: i64,
) -> Result<Vec<&'a str>, RegistryFault> {
    let (many, rest) = ids.split_at(ids.len() - ids.len() % ROWS);
    let mut known = enter_by(connection, ROWS, many, received_us)?;
    known.extend(enter_by(connection, 1, rest, received_us)?);
    Ok(known)
}

/// Enters as many persons a statement.
fn enter_by<'a>(
    connection: &Connection,
    rows: usize,
    ids: &[&'a str],
    received_us: i64,
) -> Result<Vec<&'a str>, RegistryFault> {
    let mut known = Vec::new();
    if ids.is_empty() {
        return Ok(known);
    }
    let text = text(rows);
    for chunk in ids.chunks(rows) {
        // Ascending and each once, as the statement gives back who is new.
        let new = insert(connection, &text, chunk, received_us)?;
        let mut new = new.iter().map(String::as_str).peekable();
        known.extend(chunk.iter().filter(|id| new.next_if_eq(*id).is_none()));
    }
    Ok(known)
}

fn text(rows: usize) -> String {
    format!(
        "INSERT INTO person (citizen_id, first_us) VALUES {} ON CONFLICT (citizen_id) DO NOTHING RETURNING citizen_id",
        vec!["(?,?)"; rows].join(",")
    )
}

fn insert(connection: &Connection, text: &str, ids: &[&str], received_us: i64) -> Result<Vec<String>, RegistryFault> {
    let mut statement = connection.prepare_cached(text).step("prepare the person index")?;
    for (place, id) in ids.iter().enumerate() {
        statement.raw_bind_parameter(2 * place + 1, *id).step("bind a person")?;
        statement
            .raw_bind_parameter(2 * place + 2, received_us)
            .step("bind a person")?;
    }
    let mut rows = statement.raw_query();
    let mut new = Vec::new();
    while let Some(row) = rows.next().step("write the person index")? {
        new.push(row.get(0).step("write the person index")?);
    }
    new.sort_unstable();
    Ok(new)
}

const INSERT: &str = "INSERT INTO enterprise (unit, first_us) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

fn enter_units(connection: &Connection, units: &[&str], received_us: i64) -> Result<(), RegistryFault> {
    if units.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(INSERT).step("prepare the enterprise index")?;
    for unit in units {
        statement
            .execute((unit, received_us))
            .step("write the enterprise index")?;
    }
    Ok(())
}
