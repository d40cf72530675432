//! Whom a part may have changed. Takes the rows that were written and the keys whose rows change; gives persons and units to be compared.
//!
//! A person who was not in the person index before this part is in no other source, so a first load compares nobody. Of a row that is there
//! already, the person and the unit are read before it is written: it may name others afterwards.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::enterprise::{self, WITHHOLDER};
use super::super::merge::rows::Rows;
use super::super::numbers;
use super::super::schema::TableSpec;
use super::rival::Rival;
use super::rules::About;

/// The subjects whose contradictions may have changed, and by what.
pub(in crate::registry) struct Touched<'r> {
    pub(in crate::registry) record: &'r str,
    /// When it was received, microseconds since the epoch.
    pub(in crate::registry) now_us: i64,
    pub(in crate::registry) exchange: Uuid,
    pub(in crate::registry) persons: BTreeSet<String>,
    pub(in crate::registry) units: BTreeSet<String>,
    /// Keys of rows that said or say which numbers are one subject's.
    pub(in crate::registry) keys: BTreeSet<String>,
    /// Those of the units whose numbers were joined or parted: rows of any source speak for another now, and whatever is compared of units may be otherwise.
    pub(in crate::registry) joined_units: BTreeSet<String>,
    /// The same of persons.
    pub(in crate::registry) joined_persons: BTreeSet<String>,
    /// Rows of one key that met, by whom they name.
    pub(in crate::registry) rivals: BTreeMap<String, Vec<Rival>>,
}

impl<'r> Touched<'r> {
    pub(in crate::registry) fn by(record: &'r str, now_us: i64, exchange: Uuid) -> Self {
        Self {
            record,
            now_us,
            exchange,
            persons: BTreeSet::new(),
            units: BTreeSet::new(),
            keys: BTreeSet::new(),
            joined_units: BTreeSet::new(),
            joined_persons: BTreeSet::new(),
            rivals: BTreeMap::new(),
        }
    }

    /// Whether numbers of such subjects were joined or parted.
    pub(super) fn joined(&self, about: About) -> bool {
        match about {
            About::Unit => !self.joined_units.is_empty(),
            About::Person => !self.joined_persons.is_empty(),
        }
    }

    pub(in crate::registry) fn is_empty(&self) -> bool {
        self.persons.is_empty() && self.units.is_empty() && self.keys.is_empty()
    }

    /// Adds what the part's rows name; `known` are the persons of them who were in the index before.
    pub(in crate::registry) fn rows(&mut self, table: &TableSpec, rows: &Rows<'_>, written: &[usize], known: &[&str]) {
        self.persons.extend(known.iter().map(|id| (*id).to_owned()));
        self.keys.extend(numbers::keys_that_join(table, rows, written));
        if names_units(table) {
            self.units
                .extend(written.iter().filter_map(|row| enterprise::unit_key(rows, *row)));
        }
    }

    /// Adds rows of one key that met; also of a person whom nobody knew before.
    pub(in crate::registry) fn met(&mut self, rivals: Vec<Rival>) {
        self.persons.extend(rivals.iter().map(|rival| rival.subject.clone()));
        for rival in rivals {
            self.rivals.entry(rival.subject.clone()).or_default().push(rival);
        }
    }

    /// Adds whom rows name that are there, where their keys say it; false where they have to be read.
    pub(in crate::registry) fn stood_by_key(&mut self, table: &TableSpec, keys: &[&str]) -> bool {
        if numbers::may_have_joined(table) {
            self.keys.extend(keys.iter().map(|key| (*key).to_owned()));
        }
        let says = table.keyed_by_person() && !names_units(table);
        if says {
            self.persons.extend(keys.iter().map(|key| (*key).to_owned()));
        }
        says || keys.is_empty()
    }

    /// Adds whom a row named that was there: the columns of [`standing`].
    pub(in crate::registry) fn stood(
        &mut self,
        person: Option<String>,
        unit: Option<String>,
        withholder: Option<&str>,
    ) {
        self.persons.extend(person);
        self.units.extend(unit);
        self.units.extend(withholder.and_then(enterprise::unit_of_taxpayer));
    }
}

/// Whether its rows are about units, or name the unit that withholds.
fn names_units(table: &TableSpec) -> bool {
    table.has_unit() || table.column(WITHHOLDER).is_some()
}

/// Selects whom rows of the table name, by their keys: person, unit, who withholds.
pub(in crate::registry) fn standing(table: &TableSpec, listed: &str) -> String {
    const NOBODY: &str = "CAST(NULL AS text)";
    let withholder = table.column(WITHHOLDER).map_or(NOBODY, |_| WITHHOLDER);
    let unit = if table.has_unit() { "_unit" } else { NOBODY };
    format!(
        "SELECT {}, {unit}, {withholder} FROM {} WHERE _key IN ({listed})",
        table.person_column().unwrap_or(NOBODY),
        table.name
    )
}
