//! Which header or JSON member is which field.
//!
//! Takes a name as sent; gives the field of the record type: first as the sender's mapping has it, then by English name, Chinese name or
//! alias, after ASCII case folding and removal of a leading `*` and of blanks; brackets count the same in either width. Known besides are the columns of the members of
//! an unfolded row, the secrecy mark, the operation, and what is never read. An unknown name is remembered for the sender and otherwise ignored.
//! A name with a word for the record's own subject before it (死者身份证号) goes before the bare one.
//! Where several names of one field stand beside each other (agencies send `SJTB_SJ` and `XGRQ`), the one that comes first in that order is read, and
//! the others only in rows in which it says nothing; they are remembered for the sender. A name that a layout gives, or that is told to be the record's
//! own, gives way to none. Refuses one name that stands twice, and two names of a
//! member's column or of what decides about the row: secrecy mark, operation, number. Refuses a person's number under a header that says no more
//! (身份证号) where somebody else's name stands before it, or a number that nobody knows whose it is beside it ([`HeaderDoubt`]).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::place::Places;
use super::whose::{self, Awaited};
use super::{HeaderDoubt, Unreadable, row_id, secrecy};
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
    /// Rows say what they are about, and are not only asked whether they delete.
    acts: bool,
    /// Field number → the name under which it is read, as sent, and how far behind that name stands among those of the field.
    sent: Vec<Option<(u8, String)>>,
    /// The names of the columns of members of an unfolded row, by their numbers.
    of_members: BTreeMap<usize, String>,
    /// Names of fields that are read under another.
    unread: Vec<(&'static str, String)>,
    unknown: Vec<String>,
    /// A person's number stands under an unknown name.
    unknown_number: bool,
    /// A header is that of a member beyond those that a row may have.
    beyond: bool,
}

/// Folded names with the number of what they name, see [`Places`], and how far behind each stands among the names of that.
type Folded = HashMap<String, (usize, u8)>;

/// A further name of a field, beside that under which it is read. As sent, at most 64 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadName<'a> {
    /// The field.
    pub field: &'static str,
    /// The further name.
    pub name: &'a str,
    /// The name that goes before it.
    pub read: &'a str,
    /// Whether it is read in rows in which that says nothing; what a layout names, and a name with a word for the record's own, gives way to none.
    pub fills_in: bool,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Something to read, by its place; of several names for it the one of the lowest rank is read.
    Wanted(usize, u8),
    /// Something that is known and not read, by its number.
    Other(usize),
    Unknown,
}

impl Names {
    pub(crate) fn new(
        record: &'static RecordType,
        wanted: &[&'static Field],
        mapping: Option<Arc<Mapping>>,
        acts: bool,
    ) -> Self {
        Self {
            record,
            by_name: folded(record),
            places: Places::new(record, wanted, numbers_rows(mapping.as_ref())),
            acts,
            mapping,
            sent: vec![None; record.fields.len()],
            of_members: BTreeMap::new(),
            unread: Vec::new(),
            unknown: Vec::new(),
            unknown_number: false,
            beyond: false,
        }
    }

    /// How many places a row is read into: those of the wanted fields first.
    pub(crate) fn places(&self) -> usize {
        self.places.count()
    }

    /// What this name stands for; an unknown one is remembered once.
    pub(crate) fn meaning(&mut self, sent: &str) -> Meaning {
        let Some((number, rank)) = self.ranked(sent) else {
            return Meaning::Unknown;
        };
        self.remember(number, rank, sent);
        match self.places.of(number) {
            Some(place) => Meaning::Wanted(place, rank),
            None => Meaning::Other(number),
        }
    }

    /// The number and the rank of a name; an unknown one is remembered once.
    fn ranked(&mut self, sent: &str) -> Option<(usize, u8)> {
        let folded = fold(sent);
        let own = |number| Some((number, 0));
        let known = match self.mapped(&folded) {
            Header::Field(operation::NAME) => own(Places::number_of_operation(self.record)),
            Header::Field(row_id::NAME) => own(Places::number_of_row_id(self.record)),
            Header::Field(name) => {
                let mut fields = self.record.fields.iter();
                fields.position(|field| field.name == name).and_then(own)
            }
            // The deployment says that this column is something else than its name.
            Header::Unread => return None,
            Header::Unmapped => self.by_name.get(&folded).copied(),
        };
        let operation = Places::number_of_operation(self.record);
        // Outside of a delta an operation is read for the deletes alone, and the sender is told so.
        let ignored = known.is_some_and(|(number, _)| number == operation) && !self.acts;
        if known.is_none() || ignored {
            self.unknown_number |= whose::is_number_of_a_person(&folded) && !whose::is_of_another(&folded);
            self.beyond |= self.record.unfold.is_some_and(|unfold| unfold.is_beyond(&folded));
            let shown = shown(sent);
            if self.unknown.len() < UNKNOWN_MAX && !self.unknown.contains(&shown) {
                self.unknown.push(shown);
            }
        }
        known
    }

    /// Refuses what was met so far where it may be somebody else's than the record's own.
    pub(crate) fn undoubted(&self) -> Result<(), Unreadable> {
        if let Some(unfold) = self.record.unfold.filter(|_| self.beyond) {
            return Err(HeaderDoubt::MemberBeyond { most: unfold.most }.into());
        }
        let bare = self.sent.iter().enumerate().find_map(|(number, sent)| {
            let (rank, name) = sent.as_ref()?;
            self.bare_number(number, *rank, name)
        });
        match bare {
            Some(field) if self.unknown_number => Err(HeaderDoubt::OtherNumber { field }.into()),
            _ => Ok(()),
        }
    }

    /// The field that is read under a header which says that some person's number stands there, and not whose.
    fn bare_number(&self, number: usize, rank: u8, sent: &str) -> Option<&'static str> {
        let field = self.record.fields.get(number)?;
        let is_bare = rank > OWN && whose::is_bare_number(&fold(sent));
        (is_bare && self.places.of(number).is_some()).then_some(field.name)
    }

    /// Remembers the name under which a field is read, and those of wanted fields that give way to it.
    fn remember(&mut self, number: usize, rank: u8, sent: &str) {
        if number >= self.record.fields.len() {
            if number < Places::number_of_part(self.record, 0) {
                self.of_members.entry(number).or_insert_with(|| shown(sent));
            } else {
                self.remember_part(number, sent);
            }
            return;
        }
        let wanted = self.places.is_wanted(number);
        let Some((place, field)) = self.sent.get_mut(number).zip(self.record.fields.get(number)) else {
            return;
        };
        let other = match place {
            None => {
                *place = Some((rank, shown(sent)));
                return;
            }
            Some((read, _)) if *read == rank => return,
            // Parts of the field, which count where its own column says nothing.
            Some(read) if read.0 == u8::MAX => {
                *read = (rank, shown(sent));
                return;
            }
            Some(read) if read.0 > rank => std::mem::replace(read, (rank, shown(sent))).1,
            Some(_) => shown(sent),
        };
        let other = (field.name, other);
        if wanted && self.unread.len() < UNKNOWN_MAX && !self.unread.contains(&other) {
            self.unread.push(other);
        }
    }

    /// Remembers the first column of those that only together are a field, unless the field has a name of its own.
    fn remember_part(&mut self, number: usize, sent: &str) {
        let is_part = (Places::number_of_part(self.record, 0)..Places::number_of_mark(self.record)).contains(&number);
        let field = Places::field(self.record, number).filter(|_| is_part);
        let field = field.and_then(|field| self.record.fields.iter().position(|other| other.name == field.name));
        if let Some(place @ None) = field.and_then(|field| self.sent.get_mut(field)) {
            *place = Some((u8::MAX, shown(sent)));
        }
    }

    /// The field whose values stand under this name, and whether it is the record's own and not that of a member of an unfolded row.
    pub(crate) fn field(&mut self, sent: &str) -> Option<(&'static Field, bool)> {
        let number = match self.meaning(sent) {
            Meaning::Wanted(place, _) => self.places.number(place)?,
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

    /// The fields that a name stood for so far, each with the name under which it is read, as sent.
    pub(crate) fn recognised(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = self.record.fields.iter().zip(&self.sent);
        fields.filter_map(|(field, sent)| Some((field.name, sent.as_ref()?.1.as_str())))
    }

    /// The fields that the sender's layout fills where nothing is sent.
    pub(crate) fn constant_fields(&self) -> impl Iterator<Item = &'static str> {
        self.mapping.iter().flat_map(|mapping| mapping.constant_fields())
    }

    /// The name under which that place is read, as sent.
    pub(crate) fn sent_at(&self, place: usize) -> Option<&str> {
        let number = self.places.number(place)?;
        let own = self.sent.get(number).and_then(Option::as_ref).map(|(_, sent)| sent);
        own.or_else(|| self.of_members.get(&number)).map(String::as_str)
    }

    /// Names of wanted fields that give way to another.
    pub(crate) fn unread(&self) -> impl Iterator<Item = UnreadName<'_>> {
        self.unread.iter().filter_map(|(field, name)| {
            let number = self.record.fields.iter().position(|other| other.name == *field)?;
            let (rank, read) = self.sent.get(number)?.as_ref()?;
            Some(UnreadName {
                field,
                name,
                read,
                fills_in: gives_way(*rank),
            })
        })
    }

    /// The field whose values stand at each place: a wanted one, or that of a member of the row; none for the secrecy mark.
    pub(crate) fn fields(&self) -> Vec<Option<&'static Field>> {
        let number = |place| self.places.number(place);
        (0..self.places.count())
            .map(|place| Places::field(self.record, number(place)?))
            .collect()
    }

    /// Where the secrecy mark stands.
    pub(crate) fn place_of_mark(&self) -> Option<usize> {
        self.places.of(Places::number_of_mark(self.record))
    }

    /// The record type whose names these are.
    pub(crate) fn record(&self) -> &'static RecordType {
        self.record
    }

    pub(crate) fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// The columns of each place, from the header row.
    pub(crate) fn columns<'a>(&mut self, headers: impl Iterator<Item = &'a str>) -> Result<Placed, Unreadable> {
        let mut columns: Vec<Vec<(u8, usize)>> = vec![Vec::new(); self.places.numbers()];
        let mut named = HashSet::new();
        let mut twice = Vec::new();
        let mut behind_another = Vec::new();
        let mut before = Awaited::Own;
        let headers: Vec<&str> = headers.collect();
        let ranked: Vec<_> = headers.iter().map(|header| self.ranked(header)).collect();
        let repeated = self.repeated(&ranked)?;
        for (column, (header, ranked)) in headers.into_iter().zip(ranked).enumerate() {
            let is_behind = before != Awaited::Own;
            before = whose::awaited(&fold(header), before);
            let Some((number, rank)) = ranked else {
                continue;
            };
            if is_behind && let Some(field) = self.bare_number(number, rank, header) {
                behind_another.push((number, rank, field));
            }
            let of_member = repeated.get(&column).map(|number| (*number, 0));
            let (number, rank) = of_member.unwrap_or((number, rank));
            let Some(known) = columns.get_mut(number) else {
                continue;
            };
            if !named.insert((number, rank)) {
                twice.push(self.called(number));
                continue;
            }
            known.push((rank, column));
            self.remember(number, rank, header);
        }
        for of_number in &mut columns {
            of_number.sort_unstable();
            // What a layout names, or a word for the record's own, is no name beside others.
            if of_number.first().is_some_and(|(rank, _)| !gives_way(*rank)) {
                of_number.truncate(1);
            }
        }
        self.undoubted()?;
        let is_read = |(number, rank, _): &&(usize, u8, _)| {
            let mut read = columns.get(*number).into_iter().flatten();
            read.any(|(other, _)| other == rank)
        };
        if let Some((.., field)) = behind_another.iter().find(is_read) {
            return Err(HeaderDoubt::BehindAnother { field }.into());
        }
        let missing = self.missing(&columns);
        if missing.is_empty() && twice.is_empty() {
            Ok(Placed::new(&self.places, columns))
        } else {
            Err(Unreadable::BadHeaderRow { missing, twice })
        }
    }

    /// The columns of members that follow each other without a number (姓名, 身份证号, 姓名, 身份证号), each with the number that it is read under:
    /// the first pair stays the row's own. None unless every pair has the same columns in the same order.
    fn repeated(&self, ranked: &[Option<(usize, u8)>]) -> Result<BTreeMap<usize, usize>, Unreadable> {
        let Some(unfold) = self.record.unfold else {
            return Ok(BTreeMap::new());
        };
        let own_of = |number: usize| {
            let name = self.record.fields.get(number)?.name;
            unfold.own.iter().position(|(own, _)| *own == name)
        };
        let mut pairs: Vec<Vec<(usize, usize)>> = Vec::new();
        for (column, ranked) in ranked.iter().enumerate() {
            let Some(own) = ranked.and_then(|(number, _)| own_of(number)) else {
                continue;
            };
            match pairs
                .last_mut()
                .filter(|pair| pair.iter().all(|(_, other)| *other != own))
            {
                Some(pair) => pair.push((column, own)),
                None => pairs.push(vec![(column, own)]),
            }
        }
        let owns = |pair: &[(usize, usize)]| -> Vec<usize> { pair.iter().map(|(_, own)| *own).collect() };
        let first = pairs.first().map(|pair| owns(pair)).unwrap_or_default();
        let names = |wanted: &str| {
            first
                .iter()
                .any(|own| unfold.own.get(*own).is_some_and(|(name, _)| *name == wanted))
        };
        if first.len() < 2 || !names(unfold.told_by) || pairs.iter().any(|pair| owns(pair) != first) {
            return Ok(BTreeMap::new());
        }
        if pairs.len() > unfold.most + 1 {
            return Err(HeaderDoubt::MemberBeyond { most: unfold.most }.into());
        }
        let members = (1..).zip(pairs.iter().skip(1));
        let columns = members.flat_map(|(member, pair)| pair.iter().map(move |(column, own)| (*column, member, *own)));
        Ok(columns
            .map(|(column, member, own)| (column, Places::number_of_member(self.record, unfold, member, own)))
            .collect())
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
    fn missing(&self, columns: &[Vec<(u8, usize)>]) -> Vec<&'static str> {
        let held = |field: &Field| {
            columns.iter().enumerate().any(|(number, columns)| {
                !columns.is_empty() && Places::field(self.record, number).is_some_and(|other| other.name == field.name)
            })
        };
        let fields = self.record.fields.iter().enumerate();
        fields
            .filter(|(number, field)| field.required && self.places.is_wanted(*number) && !held(field))
            .filter(|(_, field)| !self.constant_fields().any(|constant| constant == field.name))
            .map(|(_, field)| field.name)
            .collect()
    }
}

/// The columns of a file with a header: those that each place is read from.
#[derive(Clone, Default)]
pub(crate) struct Placed {
    /// By place: the column of its first name.
    first: Vec<Option<usize>>,
    /// By place, the same where no more is to be asked.
    sources: Vec<Source>,
    /// Places with several names, and their further columns in order.
    further: Vec<(usize, Vec<usize>)>,
}

/// Where a place is read from.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// No column has a name of it.
    Nothing,
    /// The only column that has one.
    Column(usize),
    /// Which of several, each row says.
    Several,
}

impl Placed {
    fn new(places: &Places, columns: Vec<Vec<(u8, usize)>>) -> Self {
        let mut placed = Self {
            first: vec![None; places.count()],
            ..Self::default()
        };
        for (number, columns) in columns.into_iter().enumerate() {
            let mut columns = columns.into_iter().map(|(_, column)| column);
            let Some(place) = places.of(number) else {
                continue;
            };
            if let Some(first) = placed.first.get_mut(place) {
                *first = columns.next();
            }
            let further: Vec<usize> = columns.collect();
            if !further.is_empty() {
                placed.further.push((place, further));
            }
        }
        let source = |column: &Option<usize>| column.map_or(Source::Nothing, Source::Column);
        placed.sources = placed.first.iter().map(source).collect();
        for (place, _) in &placed.further {
            if let Some(source) = placed.sources.get_mut(*place) {
                *source = Source::Several;
            }
        }
        placed
    }

    /// Where a place is read from, whatever a row says.
    #[inline]
    pub(crate) fn source(&self, place: usize) -> Source {
        self.sources.get(place).copied().unwrap_or(Source::Nothing)
    }

    /// The column of each place, that of its first name.
    pub(crate) fn first(&self) -> &[Option<usize>] {
        &self.first
    }

    /// Places with several columns, and all but the first of them.
    pub(crate) fn further(&self) -> &[(usize, Vec<usize>)] {
        &self.further
    }

    /// The column that a place is read from: the first of those with a name of it in which the row says anything.
    #[inline]
    pub(crate) fn of(&self, place: usize, says: impl Fn(usize) -> bool) -> Option<usize> {
        let first = self.first.get(place).copied().flatten()?;
        if self.further.is_empty() {
            return Some(first);
        }
        let further = self.further.iter().find(|(other, _)| *other == place);
        let further = further.map(|(_, columns)| columns.as_slice()).unwrap_or_default();
        if further.is_empty() || says(first) {
            return Some(first);
        }
        further.iter().copied().find(|column| says(*column)).or(Some(first))
    }
}

/// Whether a name of that rank gives way to another of its field where it says nothing.
pub(crate) fn gives_way(rank: u8) -> bool {
    rank > OWN
}

/// As much of a name as is remembered.
fn shown(sent: &str) -> String {
    sent.chars().take(UNKNOWN_CHARS_MAX).collect()
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
        // What a mapping names goes before them all, what is told to be the record's own after that.
        for (rank, name) in (OWN + 1..).zip([field.name, field.zh].iter().chain(field.aliases)) {
            // The first field that claims a name keeps it; the catalogue's tests forbid a second claim.
            by_name.entry(fold(name)).or_insert((number, rank));
        }
    }
    if let Some(unfold) = record.unfold {
        for number in 1..=unfold.most {
            for own in 0..unfold.own.len() {
                for header in unfold.headers(own, number) {
                    by_name
                        .entry(fold(&header))
                        .or_insert_with(|| (Places::number_of_member(record, unfold, number, own), 0));
                }
            }
        }
    }
    let parts = record.spread.iter().flat_map(|spread| spread.columns);
    for (part, headers) in parts.enumerate() {
        for (rank, header) in (OWN + 1..).zip(*headers) {
            let number = Places::number_of_part(record, part);
            by_name.entry(fold(header)).or_insert((number, rank));
        }
    }
    for (header, number) in own_headers(record) {
        by_name.entry(fold(&header)).or_insert((number, OWN));
    }
    for header in secrecy::HEADERS {
        by_name
            .entry(fold(header))
            .or_insert_with(|| (Places::number_of_mark(record), 0));
    }
    for header in operation::HEADERS {
        by_name
            .entry(fold(header))
            .or_insert_with(|| (Places::number_of_operation(record), 0));
    }
    for header in record.unread {
        by_name
            .entry(fold(header))
            .or_insert_with(|| (Places::number_unread(record), 0));
    }
    let names = Arc::new(by_name);
    known.push((address, Arc::clone(&names)));
    names
}

/// The headers that a word for the record's own subject makes of the Chinese names of its fields, each with the number of its field.
pub(crate) fn own_headers(record: &'static RecordType) -> impl Iterator<Item = (String, usize)> {
    let names = record.fields.iter().enumerate().flat_map(|(number, field)| {
        let names = std::iter::once(&field.zh).chain(field.aliases);
        names.filter(|name| !name.is_ascii()).map(move |name| (*name, number))
    });
    names.flat_map(|(name, number)| {
        let words = record.own.iter().filter(move |word| !name.starts_with(**word));
        words.map(move |word| (format!("{word}{name}"), number))
    })
}

/// How far behind a name with such a word stands: behind what a mapping names.
const OWN: u8 = 1;

/// Without blanks (ASCII and ideographic) and the marks of templates (`*`, `（必填）`, a colon behind it), ASCII letters in lower case, brackets in ASCII.
pub(crate) fn fold(name: &str) -> String {
    let blank = |letter: char| letter.is_whitespace() || matches!(letter, '\u{3000}' | '\u{feff}' | '\u{200b}');
    let folded: String = name
        .chars()
        .filter(|letter| !blank(*letter))
        .map(|letter| match letter {
            '（' => '(',
            '）' => ')',
            '０'..='９' => char::from_u32(u32::from(letter) - 0xFEE0).unwrap_or(letter),
            letter => letter.to_ascii_lowercase(),
        })
        .collect();
    let mut bare = folded.trim_matches(['*', '＊']);
    for mark in ["(必填)", "(选填)", "(必填项)"] {
        bare = bare.strip_suffix(mark).unwrap_or(bare);
    }
    bare.trim_matches(['*', '＊', ':', '：']).to_owned()
}

/// Names remembered from record to record; searching among more would cost more than looking them up.
const NAMES_REMEMBERED: usize = 128;

/// Longer names are looked up anew each time.
const NAME_BYTES_REMEMBERED: usize = 128;

/// Unknown names remembered; the rest of a hostile header is only ignored.
const UNKNOWN_MAX: usize = 64;

/// Characters of an unknown name that are remembered.
const UNKNOWN_CHARS_MAX: usize = 64;
