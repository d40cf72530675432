//! The person and the enterprise index on SQLite, written in the transaction that writes the rows.

use policies::dataset::Dataset;
use rusqlite::Connection;
use shuguan_policies as policies;

use super::super::dataset;
use super::super::fault::{RegistryFault, Step};
use super::super::merge::Arrival;
use super::super::{enterprise, person};

/// Persons a statement.
const ROWS: usize = 100;

/// What is noted of whoever is new, microseconds since the epoch.
#[derive(Clone, Copy)]
struct Times {
    first_us: i64,
    changed_us: i64,
    /// Where the second stands.
    mark: Option<&'static str>,
}

/// Enters the persons and units of the rows that were written; gives the persons who were there already.
pub(super) fn enter<'a>(
    connection: &Connection,
    arrival: &Arrival<'a>,
    writes: &[usize],
    changed_us: i64,
) -> Result<Vec<&'a str>, RegistryFault> {
    let times = Times {
        first_us: arrival.part.received_us,
        changed_us,
        mark: dataset::mark_of(Dataset::Population, arrival.table.record.name),
    };
    let persons = person::persons(arrival.table, &arrival.rows, writes);
    let known = enter_persons(connection, &persons, times)?;
    let units = enterprise::units(&arrival.rows, writes);
    enter_units(connection, &units, times.first_us)?;
    Ok(known)
}

fn enter_persons<'a>(connection: &Connection, ids: &[&'a str], times: Times) -> Result<Vec<&'a str>, RegistryFault> {
    let (many, rest) = ids.split_at(ids.len() - ids.len() % ROWS);
    let mut known = enter_by(connection, ROWS, many, times)?;
    known.extend(enter_by(connection, 1, rest, times)?);
    Ok(known)
}

/// Enters as many persons a statement.
fn enter_by<'a>(
    connection: &Connection,
    rows: usize,
    ids: &[&'a str],
    times: Times,
) -> Result<Vec<&'a str>, RegistryFault> {
    let mut known = Vec::new();
    if ids.is_empty() {
        return Ok(known);
    }
    let text = text(rows, times.mark);
    for chunk in ids.chunks(rows) {
        // Ascending and each once, as the statement gives back who is new.
        let new = insert(connection, &text, chunk, times)?;
        let mut new = new.iter().map(String::as_str).peekable();
        known.extend(chunk.iter().filter(|id| new.next_if_eq(*id).is_none()));
    }
    Ok(known)
}

fn text(rows: usize, mark: Option<&str>) -> String {
    let (column, place) = mark.map_or_else(Default::default, |mark| (format!(", {mark}"), ",?"));
    format!(
        "INSERT INTO person (citizen_id, first_us{column}) VALUES {} ON CONFLICT (citizen_id) DO NOTHING RETURNING citizen_id",
        vec![format!("(?,?{place})"); rows].join(",")
    )
}

fn insert(connection: &Connection, text: &str, ids: &[&str], times: Times) -> Result<Vec<String>, RegistryFault> {
    let mut statement = connection.prepare_cached(text).step("prepare the person index")?;
    let noted = [Some(times.first_us), times.mark.map(|_| times.changed_us)];
    let mut place = 1;
    for id in ids {
        statement.raw_bind_parameter(place, *id).step("bind a person")?;
        place += 1;
        for time in noted.into_iter().flatten() {
            statement.raw_bind_parameter(place, time).step("bind a person")?;
            place += 1;
        }
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

fn enter_units(connection: &Connection, units: &[&str], first_us: i64) -> Result<(), RegistryFault> {
    if units.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(INSERT).step("prepare the enterprise index")?;
    for unit in units {
        statement.execute((unit, first_us)).step("write the enterprise index")?;
    }
    Ok(())
}
