//! Which header or JSON member is which field.
//!
//! Takes a name as sent; gives the field of the record type: first as the sender's mapping has it, then by English name, Chinese name or
//! alias, after ASCII case folding and removal of a leading `*` and of blanks; brackets count the same in either width. Known besides are the columns of the members of
//! an unfolded row, the secrecy mark, in a delta the operation, and what is never read. An unknown name is remembered for the sender and otherwise ignored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::place::Places;
use super::{Unreadable, row_id, secrecy};
use crate::catalogue::{Field, RecordType};
use crate::layout::{Header, Mapping};
use crate::operation;

/// The names of one record type, folded, each with the number of its field.
#[derive(Clone)]
pub(crate) struct Names {
    record: &'static RecordType,
    by_name: Arc<Folded>,
    /// The sender's own names, which go before those of the catalogue.
    mapping: Option<Arc<Mapping>>,
    places: Places,
    /// Field number → its name as it came first.
    sent: Vec<Option<String>>,
    unknown: Vec<String>,
}

/// Folded names with the number of what they name, see [`Places`].
type Folded = HashMap<String, usize>;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Something to read, by its place.
    Wanted(usize),
    /// Something that is known and not read, by its number.
    Other(usize),
    Unknown,
}

impl Names {
    pub(crate) fn new(
        record: &'static RecordType,
        wanted: &[&'static Field],
        mapping: Option<Arc<Mapping>>,
        operation: bool,
    ) -> Self {
        Self {
            record,
            by_name: folded(record),
            places: Places::new(record, wanted, operation, numbers_rows(mapping.as_ref())),
            mapping,
            sent: vec![None; record.fields.len()],
            unknown: Vec::new(),
        }
    }

    /// How many places a row is read into: those of the wanted fields first.
    pub(crate) fn places(&self) -> usize {
        self.places.count()
    }

    /// What this name stands for; an unknown one is remembered once.
    pub(crate) fn meaning(&mut self, sent: &str) -> Meaning {
        let folded = fold(sent);
        let number = match self.mapped(&folded) {
            Header::Field(operation::NAME) => Some(Places::number_of_operation(self.record)),
            Header::Field(row_id::NAME) => Some(Places::number_of_row_id(self.record)),
            Header::Field(name) => self.record.fields.iter().position(|field| field.name == name),
            // The deployment says that this column is something else than its name.
            Header::Unread => return Meaning::Unknown,
            Header::Unmapped => self.by_name.get(&folded).copied(),
        };
        // Outside of a delta nobody reads an operation, and the sender is told so.
        let number = number
            .filter(|number| *number != Places::number_of_operation(self.record) || self.places.of(*number).is_some());
        if let Some(number) = number {
            if let Some(first @ None) = self.sent.get_mut(number) {
                *first = Some(sent.chars().take(UNKNOWN_CHARS_MAX).collect());
            }
            return match self.places.of(number) {
                Some(place) => Meaning::Wanted(place),
                None => Meaning::Other(number),
            };
        }
        let shown: String = sent.chars().take(UNKNOWN_CHARS_MAX).collect();
        if self.unknown.len() < UNKNOWN_MAX && !self.unknown.contains(&shown) {
            self.unknown.push(shown);
        }
        Meaning::Unknown
    }

    /// The field whose values stand under this name, and whether it is the record's own and not that of a member of an unfolded row.
    pub(crate) fn field(&mut self, sent: &str) -> Option<(&'static Field, bool)> {
        let number = match self.meaning(sent) {
            Meaning::Wanted(place) => self.places.number(place)?,
            Meaning::Other(number) => number,
            Meaning::Unknown => return None,
        };
        Some((Places::field(self.record, number)?, number < self.record.fields.len()))
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

    /// The fields that a name stood for so far, each with that name as sent.
    pub(crate) fn recognised(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = self.record.fields.iter().zip(&self.sent);
        fields.filter_map(|(field, sent)| Some((field.name, sent.as_deref()?)))
    }

    /// The field whose values stand at each place: a wanted one, or that of a member of the row; none for the secrecy mark.
    pub(crate) fn fields(&self) -> Vec<Option<&'static Field>> {
        let number = |place| self.places.number(place);
        (0..self.places.count())
            .map(|place| Places::field(self.record, number(place)?))
            .collect()
    }

    /// The record type whose names these are.
    pub(crate) fn record(&self) -> &'static RecordType {
        self.record
    }

    pub(crate) fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// The column of each place, from the header row: `None` where nothing has that header.
    pub(crate) fn columns<'a>(
        &mut self,
        headers: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Option<usize>>, Unreadable> {
        let mut columns = vec![None; self.places.numbers()];
        let mut twice = Vec::new();
        for (column, header) in headers.enumerate() {
            let number = match self.meaning(header) {
                Meaning::Wanted(place) => self.places.number(place),
                Meaning::Other(number) => Some(number),
                Meaning::Unknown => None,
            };
            let Some((number, known)) = number.and_then(|number| Some((number, columns.get_mut(number)?))) else {
                continue;
            };
            match known {
                None => *known = Some(column),
                Some(_) => twice.push(self.called(number)),
            }
        }
        let mut read = vec![None; self.places.count()];
        for (number, column) in columns.iter().enumerate() {
            if let Some(place) = self.places.of(number).and_then(|place| read.get_mut(place)) {
                *place = *column;
            }
        }
        let missing = self.missing(&columns);
        if missing.is_empty() && twice.is_empty() {
            Ok(read)
        } else {
            Err(Unreadable::BadHeaderRow { missing, twice })
        }
    }

    /// What a number that stands twice is called.
    fn called(&self, number: usize) -> &'static str {
        match Places::field(self.record, number) {
            Some(field) => field.name,
            None if number == Places::number_of_operation(self.record) => operation::NAME,
            None if number == Places::number_of_row_id(self.record) => row_id::NAME,
            None => secrecy::COLUMN,
        }
    }

    /// The required wanted fields that no column holds, neither for the row nor for a member of it.
    fn missing(&self, columns: &[Option<usize>]) -> Vec<&'static str> {
        let held = |field: &Field| {
            columns.iter().enumerate().any(|(number, column)| {
                column.is_some() && Places::field(self.record, number).is_some_and(|other| other.name == field.name)
            })
        };
        let fields = self.record.fields.iter().enumerate();
        fields
            .filter(|(number, field)| field.required && self.places.is_wanted(*number) && !held(field))
            .map(|(_, field)| field.name)
            .collect()
    }
}

/// Whether the sender's layout names its own numbers of rows.
pub(crate) fn numbers_rows(mapping: Option<&Arc<Mapping>>) -> bool {
    mapping.is_some_and(|mapping| mapping.numbers_rows())
}

/// Names met so far, in the order of the first record that had them, and what they stand for: most records have the same members in the same
/// order.
#[derive(Default)]
pub(crate) struct Known {
    names: Vec<KnownName>,
    /// Which of them is likely to come next.
    likely: usize,
}

struct KnownName {
    name: String,
    /// The name as JSON writes it without a blank, up to the value: `"name":`. None when it needs escapes.
    written: Option<String>,
    meaning: Meaning,
}

impl Known {
    /// Another record begins.
    pub(crate) fn restart(&mut self) {
        self.likely = 0;
    }

    /// Takes the name that is likely to come next, when the text begins with it as JSON usually writes it; gives what it stands for and
    /// where its value begins.
    pub(crate) fn written(&mut self, text: &[u8]) -> Option<(Meaning, usize)> {
        let likely = self.names.get(self.likely)?;
        let written = likely.written.as_deref()?;
        if !text.starts_with(written.as_bytes()) {
            return None;
        }
        self.likely += 1;
        Some((likely.meaning, written.len()))
    }

    /// What a name stands for.
    pub(crate) fn meaning(&mut self, names: &mut Names, name: &str) -> Meaning {
        if let Some(likely) = self.names.get(self.likely)
            && likely.name == name
        {
            self.likely += 1;
            return likely.meaning;
        }
        // Members that a record leaves out are skipped over; those in another order are found from the start.
        let found = self.names.iter().position(|known| known.name == name);
        if let Some((at, known)) = found.and_then(|at| Some((at, self.names.get(at)?))) {
            self.likely = at + 1;
            return known.meaning;
        }
        let meaning = names.meaning(name);
        if name.len() <= NAME_BYTES_REMEMBERED && self.names.len() < NAMES_REMEMBERED {
            let escaped = |byte| matches!(byte, b'"' | b'\\' | 0..0x20);
            self.names.push(KnownName {
                name: name.to_owned(),
                written: (!name.bytes().any(escaped)).then(|| format!("\"{name}\":")),
                meaning,
            });
            self.likely = self.names.len();
        }
        meaning
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
    if let Some(unfold) = record.unfold {
        for number in 1..=unfold.most {
            for own in 0..unfold.own.len() {
                for header in unfold.headers(own, number) {
                    by_name
                        .entry(fold(&header))
                        .or_insert_with(|| Places::number_of_member(record, unfold, number, own));
                }
            }
        }
    }
    for header in secrecy::HEADERS {
        by_name
            .entry(fold(header))
            .or_insert_with(|| Places::number_of_mark(record));
    }
    for header in operation::HEADERS {
        by_name
            .entry(fold(header))
            .or_insert_with(|| Places::number_of_operation(record));
    }
    for header in record.unread {
        by_name
            .entry(fold(header))
            .or_insert_with(|| Places::number_unread(record));
    }
    let names = Arc::new(by_name);
    known.push((address, Arc::clone(&names)));
    names
}

/// Without blanks (ASCII and ideographic) and a leading `*`, ASCII letters in lower case, brackets in ASCII.
pub(crate) fn fold(name: &str) -> String {
    let blank = |letter: char| letter.is_whitespace() || letter == '\u{3000}' || letter == '\u{feff}';
    let mut folded: String = name
        .chars()
        .filter(|letter| !blank(*letter))
        .map(|letter| match letter {
            '（' => '(',
            '）' => ')',
            letter => letter.to_ascii_lowercase(),
        })
        .collect();
    if folded.starts_with('*') {
        folded.remove(0);
    }
    folded
}

/// Names remembered from record to record; searching among more would cost more than looking them up.
const NAMES_REMEMBERED: usize = 128;

/// Longer names are looked up anew each time.
const NAME_BYTES_REMEMBERED: usize = 128;

/// Unknown names remembered; the rest of a hostile header is only ignored.
const UNKNOWN_MAX: usize = 64;

/// Characters of an unknown name that are remembered.
const UNKNOWN_CHARS_MAX: usize = 64;
