//! The person and the enterprise index on SQLite, written in the transaction that writes the rows.

use rusqlite::Connection;

use super::super::fault::{RegistryFault, Step};
use super::super::merge::Arrival;
use super::super::{enterprise, person};

/// Persons a statement.
const ROWS: usize = 100;

/// Enters the persons and units of the rows that were written.
pub(super) fn enter(connection: &Connection, arrival: &Arrival<'_>, writes: &[usize]) -> Result<(), RegistryFault> {
    let persons = person::persons(arrival.table, &arrival.rows, writes);
    enter_persons(connection, &persons, arrival.part.received_us)?;
    enter_units(connection, &enterprise::units(arrival.part, &arrival.rows, writes))
}

fn enter_persons(connection: &Connection, ids: &[&str], received_us: i64) -> Result<(), RegistryFault> {
    let (many, rest) = ids.split_at(ids.len() - ids.len() % ROWS);
    enter_by(connection, ROWS, many, received_us)?;
    enter_by(connection, 1, rest, received_us)
}

/// Enters as many persons a statement.
fn enter_by(connection: &Connection, rows: usize, ids: &[&str], received_us: i64) -> Result<(), RegistryFault> {
    if ids.is_empty() {
        return Ok(());
    }
    let text = text(rows);
    ids.chunks(rows)
        .try_for_each(|chunk| insert(connection, &text, chunk, received_us))
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

const INSERT: &str = "INSERT INTO enterprise (unit, uscc, org_code, reg_no, taxpayer_id, first_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
 ON CONFLICT (unit) DO UPDATE SET uscc = coalesce(uscc, excluded.uscc), org_code = coalesce(org_code, excluded.org_code),
 reg_no = coalesce(reg_no, excluded.reg_no), taxpayer_id = coalesce(taxpayer_id, excluded.taxpayer_id)
 WHERE (uscc IS NULL AND excluded.uscc IS NOT NULL) OR (org_code IS NULL AND excluded.org_code IS NOT NULL)
 OR (reg_no IS NULL AND excluded.reg_no IS NOT NULL) OR (taxpayer_id IS NULL AND excluded.taxpayer_id IS NOT NULL)";

/// A number that was unknown is added, a known one stays.
fn enter_units(connection: &Connection, units: &[enterprise::Unit<'_>]) -> Result<(), RegistryFault> {
    if units.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(INSERT).step("prepare the enterprise index")?;
    for unit in units {
        let [uscc, org_code, reg_no, taxpayer] = unit.numbers;
        statement
            .execute((unit.id, uscc, org_code, reg_no, taxpayer, unit.first_us))
            .step("write the enterprise index")?;
    }
    Ok(())
}
