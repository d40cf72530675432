//! Which header or JSON member is which field.
//!
//! Takes a name as sent; gives the field of the record type: first as the sender's mapping has it, then by English name, Chinese name or
//! alias, after ASCII case folding and removal of a leading `*` and of blanks. An unknown name is remembered for the sender and otherwise ignored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Unreadable;
use crate::catalogue::{Field, RecordType};
use crate::layout::{Header, Mapping};

/// The names of one record type, folded, each with the number of its field.
pub(crate) struct Names {
    record: &'static RecordType,
    by_name: Arc<Folded>,
    /// The sender's own names, which go before those of the catalogue.
    mapping: Option<Arc<Mapping>>,
    /// Field number → place among the wanted fields.
    slots: Vec<Option<usize>>,
    unknown: Vec<String>,
}

/// Folded names with the number of their field.
type Folded = HashMap<String, usize>;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A wanted field, by its place among the wanted.
    Wanted(usize),
    /// A field of the record type that is not wanted, by its number.
    Other(usize),
    Unknown,
}

impl Names {
    pub(crate) fn new(record: &'static RecordType, wanted: &[&'static Field], mapping: Option<Arc<Mapping>>) -> Self {
        let slots = record
            .fields
            .iter()
            .map(|field| wanted.iter().position(|other| other.name == field.name))
            .collect();
        Self {
            record,
            by_name: folded(record),
            mapping,
            slots,
            unknown: Vec::new(),
        }
    }

    /// What this name stands for; an unknown one is remembered once.
    pub(crate) fn meaning(&mut self, sent: &str) -> Meaning {
        let folded = fold(sent);
        let number = match self.mapped(&folded) {
            Header::Field(name) => self.record.fields.iter().position(|field| field.name == name),
            // The deployment says that this column is something else than its name.
            Header::Unread => return Meaning::Unknown,
            Header::Unmapped => self.by_name.get(&folded).copied(),
        };
        if let Some(number) = number {
            return match self.slots.get(number) {
                Some(Some(slot)) => Meaning::Wanted(*slot),
                _ => Meaning::Other(number),
            };
        }
        let shown: String = sent.chars().take(UNKNOWN_CHARS_MAX).collect();
        if self.unknown.len() < UNKNOWN_MAX && !self.unknown.contains(&shown) {
            self.unknown.push(shown);
        }
        Meaning::Unknown
    }

    /// Whether it is a name of the record type or of the sender; an unknown one is not remembered.
    pub(crate) fn knows(&self, sent: &str) -> bool {
        let folded = fold(sent);
        self.mapped(&folded) != Header::Unmapped || self.by_name.contains_key(&folded)
    }

    fn mapped(&self, folded: &str) -> Header {
        let mapping = self.mapping.as_ref();
        mapping.map_or(Header::Unmapped, |mapping| mapping.header(folded))
    }

    /// The record type whose names these are.
    pub(crate) fn record(&self) -> &'static RecordType {
        self.record
    }

    /// Wanted fields.
    pub(crate) fn wanted(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    pub(crate) fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// The column of each wanted field, from the header row: `None` where an optional field has no header.
    pub(crate) fn columns<'a>(
        &mut self,
        headers: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Option<usize>>, Unreadable> {
        let mut columns = vec![None; self.record.fields.len()];
        let mut twice = Vec::new();
        for (column, header) in headers.enumerate() {
            let number = match self.meaning(header) {
                Meaning::Wanted(slot) => self.slots.iter().position(|other| *other == Some(slot)),
                Meaning::Other(number) => Some(number),
                Meaning::Unknown => None,
            };
            let Some((number, place)) = number.and_then(|number| Some((number, columns.get_mut(number)?))) else {
                continue;
            };
            match place {
                None => *place = Some(column),
                Some(_) => twice.extend(self.record.fields.get(number).map(|field| field.name)),
            }
        }
        let mut wanted = vec![None; self.wanted()];
        let mut missing = Vec::new();
        for ((field, slot), column) in self.record.fields.iter().zip(&self.slots).zip(&columns) {
            let Some(place) = slot.and_then(|slot| wanted.get_mut(slot)) else {
                continue;
            };
            *place = *column;
            if field.required && column.is_none() {
                missing.push(field.name);
            }
        }
        if missing.is_empty() && twice.is_empty() {
            Ok(wanted)
        } else {
            Err(Unreadable::BadHeaderRow { missing, twice })
        }
    }
}

/// The folded names of a record type; made once for each, because folding them costs more than a small batch.
fn folded(record: &'static RecordType) -> Arc<Folded> {
    /// By the address of the record type: it is static, so nothing else comes to lie there.
    static KNOWN: Mutex<Vec<(usize, Arc<Folded>)>> = Mutex::new(Vec::new());
    let address = std::ptr::from_ref(record).addr();
    // A poisoned list is still a list: its entries are never half written.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, names)) = known.iter().find(|(other, _)| *other == address) {
        return Arc::clone(names);
    }
    let mut by_name = HashMap::new();
    for (number, field) in record.fields.iter().enumerate() {
        for name in [field.name, field.zh].iter().chain(field.aliases) {
            // The first field that claims a name keeps it; the catalogue's tests forbid a second claim.
            by_name.entry(fold(name)).or_insert(number);
        }
    }
    let names = Arc::new(by_name);
    known.push((address, Arc::clone(&names)));
    names
}

/// Without blanks (ASCII and ideographic) and a leading `*`, ASCII letters in lower case.
pub(crate) fn fold(name: &str) -> String {
    let blank = |letter: char| letter.is_whitespace() || letter == '\u{3000}' || letter == '\u{feff}';
    let mut folded: String = name
        .chars()
        .filter(|letter| !blank(*letter))
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    if folded.starts_with('*') {
        folded.remove(0);
    }
    folded
}

/// Unknown names remembered; the rest of a hostile header is only ignored.
const UNKNOWN_MAX: usize = 64;

/// Characters of an unknown name that are remembered.
const UNKNOWN_CHARS_MAX: usize = 64;
