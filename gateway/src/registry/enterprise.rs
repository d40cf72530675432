//! The enterprise index: which units the registry knows and under which numbers. Filled in the transaction that writes the rows.
//!
//! A unit's identity is its organisation code where one is known: characters 9 to 17 of a credit code are that code (GB 32100), so a
//! row with the credit code and an older row with the organisation code alone meet. Else the registration number, else the taxpayer's.

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
    if let Some(uscc) = text("uscc").or(taxpayer.filter(|number| is_credit_code(number))) {
        return Some(unit_of(uscc).to_owned());
    }
    text("org_code")
        .map(str::to_owned)
        .or_else(|| text("reg_no").map(|number| format!("R{number}")))
        .or_else(|| taxpayer.and_then(unit_of_taxpayer))
}

/// The identity of a unit of which only the taxpayer's number is known.
pub(super) fn unit_of_taxpayer(number: &str) -> Option<String> {
    if number.is_empty() {
        return None;
    }
    Some(if is_credit_code(number) {
        unit_of(number).to_owned()
    } else {
        format!("T{number}")
    })
}

/// Since 2015 a taxpayer's number is its credit code; one of 18 characters that begins with 9 is nothing else.
fn is_credit_code(number: &str) -> bool {
    number.len() == 18 && number.starts_with('9')
}

/// The identity of the unit that has a credit code.
pub(super) fn unit_of(uscc: &str) -> &str {
    uscc.get(8..17).unwrap_or(uscc)
}

/// A unit with the numbers under which it is known: credit code, organisation code, registration number, taxpayer's number.
#[derive(Clone)]
pub(super) struct Unit<'a> {
    pub(super) id: &'a str,
    pub(super) numbers: [Option<&'a str>; 4],
    /// When it first appeared, microseconds since the epoch.
    pub(super) first_us: i64,
}

impl<'a> Unit<'a> {
    /// Takes over what is unknown here; a known number stays.
    pub(super) fn complete(&mut self, other: &Self) {
        for (known, number) in self.numbers.iter_mut().zip(other.numbers) {
            *known = known.or(number);
        }
    }

    fn of(id: &'a str, rows: &Rows<'a>, row: usize, first_us: i64) -> Self {
        let number = |name: &str| rows.column(name).and_then(|column| column.text(row));
        let taxpayer = number("taxpayer_id").or_else(|| number("withholder_id"));
        Self {
            id,
            numbers: [number("uscc"), number("org_code"), number("reg_no"), taxpayer],
            first_us,
        }
    }
}

/// The units of the rows that are written, each once, ascending.
pub(super) fn units<'a>(part: &Part, rows: &'a Rows<'_>, writes: &[usize]) -> Vec<Unit<'a>> {
    let mut found: Vec<(&str, usize)> = writes
        .iter()
        .filter_map(|row| rows.unit(*row).map(|unit| (unit, *row)))
        .collect();
    found.sort_unstable();
    let mut units: Vec<Unit<'a>> = Vec::with_capacity(found.len());
    for (name, row) in found {
        let unit = Unit::of(name, rows, row, part.received_us);
        match units.last_mut().filter(|last| last.id == name) {
            Some(last) => last.complete(&unit),
            None => units.push(unit),
        }
    }
    units
}
