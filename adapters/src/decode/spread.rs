//! Fields whose value stands in several columns of a row: street, number and room of an address, the dates of moving out and in.
//!
//! Takes a row by place; gives for such a field the text of its parts, or the place of the column that counts, where its own column says nothing.
//! Where that would be less than the value or another's, a room without its street, the day of moving out of who moved in, it says so.

use std::collections::BTreeMap;

use super::place::Places;
use super::sent::Sent;
use crate::catalogue::{Field, FieldType, Gathered, RecordType};
use crate::code::CodeTable;
use crate::value;

/// The spread fields of a record type that are wanted.
pub(crate) struct Spreading {
    fields: Vec<Columns>,
}

/// Where the columns of one field lie.
struct Columns {
    /// Wanted slot of the field.
    slot: usize,
    /// Places of its columns.
    places: Vec<usize>,
    choice: Option<Choice>,
}

/// What says which column counts.
struct Choice {
    place: usize,
    table: &'static CodeTable,
    /// What the sender's own codes stand for.
    own: Option<BTreeMap<String, String>>,
    /// One for each column.
    codes: &'static [&'static str],
}

/// What a spread field is read from in the row at hand.
pub(crate) enum Found {
    Place(usize),
    Text(String),
    /// Something stands in its columns, and it is not the value: the field is missing.
    TooLittle,
}

impl Spreading {
    /// None where nothing wanted is spread. `own` gives what a sender's own codes of a field stand for.
    pub(crate) fn new(
        record: &'static RecordType,
        wanted: &[&'static Field],
        places: &Places,
        own: impl Fn(&str) -> Option<BTreeMap<String, String>>,
    ) -> Option<Self> {
        let mut fields = Vec::new();
        let mut part = 0;
        for spread in record.spread {
            let numbers = (part..part + spread.columns.len()).map(|part| Places::number_of_part(record, part));
            part += spread.columns.len();
            let columns: Vec<usize> = numbers.filter_map(|number| places.of(number)).collect();
            let slot = wanted.iter().position(|field| field.name == spread.field);
            let Some(slot) = slot.filter(|_| columns.len() == spread.columns.len()) else {
                continue;
            };
            let choice = match &spread.gathered {
                Gathered::Joined => None,
                Gathered::ChosenBy(by, codes) => match Choice::new(record, places, by, codes, &own) {
                    Some(choice) => Some(choice),
                    None => continue,
                },
            };
            fields.push(Columns {
                slot,
                places: columns,
                choice,
            });
        }
        (!fields.is_empty()).then_some(Self { fields })
    }

    /// Whether the field at that place may stand in several columns.
    pub(crate) fn spreads(&self, place: usize) -> bool {
        self.fields.iter().any(|columns| columns.slot == place)
    }

    /// What the spread fields of the row are read from, by slot; those are left out that have a column of their own or nothing at all.
    pub(crate) fn found<'a>(&self, sent: &dyn Fn(usize) -> Sent<'a>) -> Vec<(usize, Found)> {
        let lacks = |columns: &&Columns| says_nothing(sent(columns.slot));
        let fields = self.fields.iter().filter(lacks);
        fields
            .filter_map(|columns| Some((columns.slot, columns.found(sent)?)))
            .collect()
    }
}

impl Columns {
    fn found<'a>(&self, sent: &dyn Fn(usize) -> Sent<'a>) -> Option<Found> {
        let says = |place: &usize| !says_nothing(sent(*place));
        if !self.places.iter().any(says) {
            return None;
        }
        let found = match &self.choice {
            Some(choice) => choice
                .column(sent)
                .and_then(|column| self.places.get(column).copied())
                .filter(says)
                .map(Found::Place),
            None => self.joined(sent),
        };
        Some(found.unwrap_or(Found::TooLittle))
    }

    fn joined<'a>(&self, sent: &dyn Fn(usize) -> Sent<'a>) -> Option<Found> {
        let (first, rest) = self.places.split_first()?;
        let is_bad = |place: &&usize| matches!(sent(**place), Sent::Bad(_) | Sent::Undecodable(_));
        if let Some(bad) = self.places.iter().find(is_bad) {
            return Some(Found::Place(*bad));
        }
        let mut text = said(sent(*first))?.to_owned();
        if text.is_ascii() {
            return None;
        }
        for place in rest {
            text.push_str(said(sent(*place)).unwrap_or_default());
        }
        Some(Found::Text(text))
    }
}

impl Choice {
    fn new(
        record: &'static RecordType,
        places: &Places,
        by: &str,
        codes: &'static [&'static str],
        own: &impl Fn(&str) -> Option<BTreeMap<String, String>>,
    ) -> Option<Self> {
        let number = record.fields.iter().position(|field| field.name == by)?;
        let FieldType::Code(table) = record.fields.get(number)?.kind else {
            return None;
        };
        Some(Self {
            place: places.of(number)?,
            table,
            own: own(by),
            codes,
        })
    }

    /// The column that counts.
    fn column<'a>(&self, sent: &dyn Fn(usize) -> Sent<'a>) -> Option<usize> {
        let text = said(sent(self.place))?;
        let text = self
            .own
            .as_ref()
            .and_then(|own| own.get(text))
            .map_or(text, String::as_str);
        let code = self.table.canonical(text)?;
        self.codes.iter().position(|other| *other == code)
    }
}

/// What a column says, without the blanks around it.
fn said(sent: Sent<'_>) -> Option<&str> {
    match sent {
        Sent::Text(text) if !value::says_nothing(text) => Some(value::trimmed(text)),
        Sent::Text(_) | Sent::Missing | Sent::Bad(_) | Sent::Undecodable(_) => None,
    }
}

fn says_nothing(sent: Sent<'_>) -> bool {
    match sent {
        Sent::Missing => true,
        Sent::Text(text) => value::says_nothing(text),
        Sent::Bad(_) | Sent::Undecodable(_) => false,
    }
}
