//! The enterprise index: which units the registry knows. Filled in the transaction that writes the rows. It holds no numbers but the unit's name: what a
//! unit's numbers are is said by its open rows (`dataset.rs`), so none outlives the row that said it.
//!
//! A unit's identity is its organisation code where one is known: characters 9 to 17 of a credit code are that code (GB 32100), and characters 7
//! to 15 of a taxpayer's number of before 2015, so rows with any of them meet. Else the registration number, else the taxpayer's: those are loose, and
//! go to an organisation code when a row joins them (`numbers/units.rs`).

use adapters::value::taxpayer_id;
use shuguan_adapters as adapters;

use super::merge::rows::Rows;

/// The numbers of a unit that a row holds.
pub(super) struct Numbers<'a> {
    organisation: Option<&'a str>,
    registration: Option<&'a str>,
    /// The taxpayer's number, when no organisation code is in it.
    taxpayer: Option<&'a str>,
}

impl<'a> Numbers<'a> {
    pub(super) fn new(
        uscc: Option<&'a str>,
        org_code: Option<&'a str>,
        registration: Option<&'a str>,
        taxpayer: Option<&'a str>,
    ) -> Self {
        let said = |number: Option<&'a str>| number.filter(|number| !number.is_empty());
        let taxpayer = said(taxpayer);
        let in_taxpayer = taxpayer.and_then(taxpayer_id::org_code);
        let in_credit_code = taxpayer.and_then(taxpayer_id::uscc).map(unit_of);
        let credit_code = said(uscc).map(unit_of).or(in_credit_code);
        Self {
            organisation: credit_code.or(said(org_code)).or(in_taxpayer),
            registration: said(registration),
            taxpayer: taxpayer.filter(|_| in_taxpayer.is_none()),
        }
    }

    pub(super) fn of_row(rows: &Rows<'a>, row: usize) -> Self {
        let text = |name: &str| rows.column(name).and_then(|column| column.text(row));
        let taxpayer = text("taxpayer_id").or_else(|| text(WITHHOLDER));
        Self::new(text("uscc"), text("org_code"), text("reg_no"), taxpayer)
    }

    /// The organisation code.
    pub(super) fn organisation(&self) -> Option<&'a str> {
        self.organisation
    }

    /// The other number by its name in the index: no record type has two.
    pub(super) fn loose(&self) -> Option<String> {
        let taxpayer = || self.taxpayer.map(|number| format!("T{number}"));
        self.registration.map(|number| format!("R{number}")).or_else(taxpayer)
    }

    /// The identity of the unit, as far as this row alone says it.
    fn unit(&self) -> Option<String> {
        let own = self.organisation.map(str::to_owned);
        own.or_else(|| self.loose())
    }
}

/// A column that names a unit without being about it.
pub(super) const WITHHOLDER: &str = "withholder_id";

/// Whether a unit goes by a registration number or a taxpayer's; an organisation code has nine characters.
pub(super) fn is_loose_name(unit: &str) -> bool {
    unit.len() > 9 && unit.starts_with(['R', 'T'])
}

/// The identity of the unit that a row is about, as far as the row alone says it; none when it has no number of a unit.
pub(super) fn unit_key(rows: &Rows<'_>, row: usize) -> Option<String> {
    Numbers::of_row(rows, row).unit()
}

/// The identity of a unit of which only the taxpayer's number is known.
pub(super) fn unit_of_taxpayer(number: &str) -> Option<String> {
    Numbers::new(None, None, None, Some(number)).unit()
}

/// The identity of the unit that has a credit code.
pub(super) fn unit_of(uscc: &str) -> &str {
    uscc.get(8..17).unwrap_or(uscc)
}

/// The units of the rows that are written, each once, ascending.
pub(super) fn units<'a>(rows: &'a Rows<'_>, writes: &[usize]) -> Vec<&'a str> {
    let mut units: Vec<&str> = writes.iter().filter_map(|row| rows.unit(*row)).collect();
    units.sort_unstable();
    units.dedup();
    units
}

#[cfg(test)]
mod tests {
    use adapters::catalogue::{Subject, record_types};
    use shuguan_adapters as adapters;

    #[test]
    fn no_record_type_has_two_numbers_that_join_units() {
        let units = record_types().filter(|record| {
            record
                .subjects
                .iter()
                .any(|subject| matches!(subject, Subject::Enterprise(_)))
        });
        for record in units {
            let has = |name: &str| record.field(name).is_some();
            assert!(
                !(has("reg_no") && has("taxpayer_id")),
                "{}: `numbers/units.rs` joins by one",
                record.name
            );
        }
    }
}
