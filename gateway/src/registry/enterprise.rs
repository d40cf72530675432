//! The enterprise index: which units the registry knows and under which numbers. Filled in the transaction that writes the rows.
//!
//! A unit's identity is its organisation code where one is known: characters 9 to 17 of a credit code are that code (GB 32100), so a
//! row with the credit code and an older row with the organisation code alone meet. Else the registration number, else the taxpayer's.

use rusqlite::Connection;

use super::fault::{RegistryFault, Step};
use super::merge::Part;
use super::merge::rows::Rows;

/// The identity of the unit that a row is about; none when the row has no number of a unit.
pub(super) fn unit_key(rows: &Rows<'_>, row: usize) -> Option<String> {
    let text = |name: &str| {
        rows.column(name)
            .and_then(|column| column.text(row))
            .filter(|text| !text.is_empty())
    };
    let taxpayer = text("taxpayer_id").or_else(|| text("withholder_id"));
    // Since 2015 a taxpayer's number is its credit code; one of 18 characters that begins with 9 is nothing else.
    let credit_as_taxpayer = taxpayer.filter(|number| number.len() == 18 && number.starts_with('9'));
    if let Some(uscc) = text("uscc").or(credit_as_taxpayer) {
        return Some(uscc.get(8..17).unwrap_or(uscc).to_owned());
    }
    text("org_code")
        .map(str::to_owned)
        .or_else(|| text("reg_no").map(|number| format!("R{number}")))
        .or_else(|| taxpayer.map(|number| format!("T{number}")))
}

const INSERT: &str = "INSERT INTO enterprise (unit, uscc, org_code, reg_no, taxpayer_id, first_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
 ON CONFLICT (unit) DO UPDATE SET uscc = coalesce(uscc, excluded.uscc), org_code = coalesce(org_code, excluded.org_code),
 reg_no = coalesce(reg_no, excluded.reg_no), taxpayer_id = coalesce(taxpayer_id, excluded.taxpayer_id)
 WHERE (uscc IS NULL AND excluded.uscc IS NOT NULL) OR (org_code IS NULL AND excluded.org_code IS NOT NULL)
 OR (reg_no IS NULL AND excluded.reg_no IS NOT NULL) OR (taxpayer_id IS NULL AND excluded.taxpayer_id IS NOT NULL)";

/// Enters the units of the rows that were written; a number that was unknown is added, a known one stays.
pub(super) fn index(
    connection: &Connection,
    part: &Part,
    rows: &Rows<'_>,
    writes: &[usize],
) -> Result<(), RegistryFault> {
    let mut units: Vec<(&str, usize)> = writes
        .iter()
        .filter_map(|row| rows.unit(*row).map(|unit| (unit, *row)))
        .collect();
    if units.is_empty() {
        return Ok(());
    }
    units.sort_unstable();
    let mut statement = connection.prepare_cached(INSERT).step("prepare the enterprise index")?;
    for (unit, row) in units {
        let number = |name: &str| rows.column(name).and_then(|column| column.text(row));
        let taxpayer = number("taxpayer_id").or_else(|| number("withholder_id"));
        statement
            .execute((
                unit,
                number("uscc"),
                number("org_code"),
                number("reg_no"),
                taxpayer,
                part.received_us,
            ))
            .step("write the enterprise index")?;
    }
    Ok(())
}
