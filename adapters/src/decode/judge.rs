//! One record at a time: its wanted fields, what crosses fields, repeats; then a row of the part, or a reject.
//!
//! Takes the values of a row as sent, by place; gives parts, rejects and counts. What of a record has reached the columns when it turns out
//! not to be valid is taken back. The reject of a record names the first wanted field that fails; after all have passed, the rule between fields. A row that
//! holds several records is unfolded here, a secrecy mark is noticed here, and what a row of a delta or snapshot is about is decided here:
//! every form of file passes this place.

mod bare;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow_array::RecordBatch;

use self::bare::Bare;
use super::card::Cards;
use super::form::PassedOver;
use super::header::numbers_rows;
use super::place::{Member, Places, Unfolding};
use super::sent::{Sends, Sent};
use super::spread::{Found, Spreading};
use super::stated::Stated;
use super::{Counts, DecodeLimits, Unreadable, row_id, secrecy, sheet};
use crate::catalogue::{Field, RecordType};
use crate::columns::Columns;
use crate::layout::Mapping;
use crate::operation::{self, Intent};
use crate::reject::{Reject, RejectCode};
use crate::rules::Rules;
use crate::value::{self, Scratch, Value};

/// What becomes of the records of a batch.
pub(crate) struct Judge {
    fields: Vec<&'static Field>,
    /// By place: what the sender's own codes stand for.
    codes: Vec<Option<BTreeMap<String, String>>>,
    /// What stands at each place where a record sends nothing; none where the sender has no such.
    constants: Option<Arc<[Option<String>]>>,
    /// What is stated of the file, and the first row that says something else.
    stated: Vec<Stated>,
    contradicted: Option<(&'static str, u64)>,
    columns: Columns,
    parts: VecDeque<RecordBatch>,
    rejects: Vec<Reject>,
    rejects_kept: usize,
    counts: Counts,
    limits: DecodeLimits,
    today: i32,
    /// Where a value is brought into canonical form.
    scratch: Scratch,
    cards: Cards,
    rules: Rules,
    /// How a row becomes several records, where it does.
    unfolding: Option<Arc<Unfolding>>,
    /// Fields whose value may stand in several columns.
    spreading: Option<Arc<Spreading>>,
    /// Rows with only a part of such a value, and those that are sums.
    passed_over: PassedOver,
    /// Places that a row is read into.
    places: usize,
    /// Place of the secrecy mark.
    mark: Option<usize>,
    /// Line of the first row that bears one.
    marked: Option<u64>,
    /// Places of wanted fields, with the code that says that the record is history.
    history: Vec<(usize, &'static str)>,
    intent: Intent,
    /// Place of the operation.
    operation: Option<usize>,
    /// Line of the first row that deletes, outside of a delta.
    deletes: Option<u64>,
    /// Place of the sender's own number of the row, where its layout names one.
    row_id: Option<usize>,
    operation_codes: Option<BTreeMap<String, String>>,
    /// Some row had an operation.
    operated: bool,
    bare: Bare,
}

fn history(record: &RecordType, wanted: &[&'static str]) -> Vec<(usize, &'static str)> {
    let place = |(field, code): &(&'static str, &'static str)| {
        let slot = wanted.iter().position(|wanted| wanted == field)?;
        Some((slot, *code))
    };
    record.history.iter().filter_map(place).collect()
}

/// Where a row stands: its line, and its number with the sender.
#[derive(Clone, Copy)]
struct Row<'a> {
    line: u64,
    id: Option<&'a str>,
    /// Where its fields are read from, where it is one of several records of a row.
    member: Option<&'a Member>,
}

/// Why a record is rejected.
struct Fault {
    field: Option<&'static str>,
    code: RejectCode,
    offset: Option<u64>,
}

impl Fault {
    fn of(field: &Field, code: RejectCode) -> Self {
        Self {
            field: Some(field.name),
            code,
            offset: None,
        }
    }
}

/// The text of a field of which none came that may be read, where it may lack.
#[inline(never)]
fn untold(field: &Field, sent: Sent<'_>) -> Result<&'static str, Fault> {
    match sent {
        Sent::Missing => Ok(""),
        Sent::Text(_) => Err(Fault::of(field, RejectCode::FieldTooLong)),
        Sent::Bad(code) => Err(Fault::of(field, code)),
        Sent::Undecodable(offset) => Err(Fault {
            offset: Some(offset),
            ..Fault::of(field, RejectCode::BadEncoding)
        }),
    }
}

/// By place, the constants of a sender; none when he has none that is read.
fn constants(record: &RecordType, places: &Places, mapping: &Mapping) -> Option<Arc<[Option<String>]>> {
    let mut of_each = vec![None; places.count()];
    for (number, field) in record.fields.iter().enumerate() {
        let place = places.of(number).and_then(|place| of_each.get_mut(place));
        if let (Some(place), Some(constant)) = (place, mapping.constant(field.name)) {
            *place = Some(constant.to_owned());
        }
    }
    of_each.iter().any(Option::is_some).then(|| of_each.into())
}

impl Judge {
    pub(crate) fn new(
        record: &'static RecordType,
        wanted: &[&'static str],
        mapping: Option<&Arc<Mapping>>,
        limits: DecodeLimits,
        today: i32,
        intent: Intent,
    ) -> Self {
        let fields: Vec<_> = wanted.iter().filter_map(|name| record.field(name)).collect();
        let names: Vec<_> = fields.iter().map(|field| field.name).collect();
        let places = Places::new(record, &fields, numbers_rows(mapping));
        let rules = Rules::new(record, &names, today);
        let mut columns = fields.clone();
        if intent != Intent::Upsert {
            columns.push(&operation::FIELD);
        }
        let own = |name: &str| mapping.and_then(|mapping| mapping.codes(name)).cloned();
        Self {
            unfolding: Unfolding::new(record, &fields, &places).map(Arc::new),
            spreading: Spreading::new(record, &fields, &places, own).map(Arc::new),
            passed_over: PassedOver::default(),
            places: places.count(),
            mark: places.of(Places::number_of_mark(record)),
            marked: None,
            operation: places.of(Places::number_of_operation(record)),
            row_id: places.of(Places::number_of_row_id(record)),
            operation_codes: mapping.and_then(|mapping| mapping.codes(operation::NAME)).cloned(),
            operated: false,
            deletes: None,
            history: history(record, &names),
            bare: Bare::new(record, &names, &intent),
            intent,
            columns: Columns::new(&columns, limits.part_rows.max(1)),
            codes: names
                .iter()
                .map(|name| mapping.and_then(|mapping| mapping.codes(name)).cloned())
                .collect(),
            constants: mapping.and_then(|mapping| constants(record, &places, mapping)),
            stated: mapping.map_or_else(Vec::new, |mapping| {
                Stated::of(record, mapping, today, |number| places.of(number))
            }),
            contradicted: None,
            cards: Cards::new(&fields, &rules, today),
            fields,
            parts: VecDeque::new(),
            rejects: Vec::new(),
            rejects_kept: 0,
            counts: Counts::default(),
            limits,
            today,
            scratch: Scratch::default(),
            rules,
        }
    }

    pub(crate) fn fields(&self) -> &[&'static Field] {
        &self.fields
    }

    /// One row that starts on `line`.
    pub(crate) fn record<'a>(&mut self, line: u64, sent: impl Fn(usize) -> Sent<'a>) {
        self.record_of(line, &sent);
    }

    /// The same of a row whose answer may be compiled into the one place that asks for all of its fields, [`Judge::fill`]; wherever else it is
    /// asked, for a field or two, it is asked through a pointer.
    pub(crate) fn record_of<'a>(&mut self, line: u64, row: &impl Sends<'a>) {
        self.counts.rows += 1;
        let sent = |place: usize| row.sent(place);
        if !self.prejudge(line, &sent) {
            return;
        }
        match self.constants.clone() {
            None => {
                let found = self.found(&sent);
                self.row(line, &found, row);
            }
            Some(constants) => self.with_constants(line, &constants, &sent),
        }
    }

    /// What is seen of a row before its fields are judged; `false` when it is a sum.
    fn prejudge<'a>(&mut self, line: u64, sent: &dyn Fn(usize) -> Sent<'a>) -> bool {
        if self.marked.is_none() && self.mark.is_some_and(|mark| secrecy::is_secret(sent(mark))) {
            self.marked = Some(line);
        }
        if self.is_sum(sent) {
            self.passed_over.footers += 1;
            self.counts.sums += 1;
            return false;
        }
        let today = self.today;
        let mut stated = self.stated.iter();
        if let Some(other) = stated.find(|stated| stated.is_contradicted(today, sent)) {
            self.contradicted.get_or_insert((other.field(), line));
        }
        true
    }

    /// A row whose empty places a sender's constants fill.
    fn with_constants<'a>(&mut self, line: u64, constants: &[Option<String>], sent: &dyn Fn(usize) -> Sent<'a>) {
        let filled = |place: usize| {
            let sent = sent(place);
            let is_empty = match sent {
                Sent::Missing => true,
                Sent::Text(text) => value::says_nothing(text),
                Sent::Bad(_) | Sent::Undecodable(_) => false,
            };
            let constant = constants.get(place).and_then(Option::as_deref).filter(|_| is_empty);
            constant.map_or(sent, Sent::Text)
        };
        let spreading = self.spreading.clone();
        // What stands in several columns is looked for there before a constant fills it.
        let found = self.found(&|place: usize| match &spreading {
            Some(spreading) if spreading.spreads(place) => sent(place),
            _ => filled(place),
        });
        self.row(line, &found, &filled);
    }

    /// What spread fields are read from in a row.
    fn found<'a>(&self, sent: &dyn Fn(usize) -> Sent<'a>) -> Vec<(usize, Found)> {
        let found = self.spreading.as_ref().map(|spreading| spreading.found(sent));
        found.unwrap_or_default()
    }

    fn row<'a>(&mut self, line: u64, found: &[(usize, Found)], of: &impl Sends<'a>) {
        let sent: &dyn Fn(usize) -> Sent<'a> = &|place| of.sent(place);
        let operation = self.operation.map(|place| self.operation_of(sent(place)));
        let operation = match (operation, &self.intent) {
            (Some(operation), Intent::Delta(_)) => operation.map(Some),
            (operation, _) => {
                if operation == Some(Ok(operation::DELETE)) {
                    self.deletes.get_or_insert(line);
                }
                Ok(None)
            }
        };
        let row = Row {
            line,
            id: self.row_id.and_then(|place| row_id::of(sent(place))),
            member: None,
        };
        if found.iter().any(|(_, found)| matches!(found, Found::TooLittle)) {
            self.passed_over.partial += 1;
        }
        if found.is_empty() {
            self.unfold(row, &operation, of);
            return;
        }
        self.unfold(
            row,
            &operation,
            &|slot: usize| match found.iter().find(|(other, _)| *other == slot) {
                None => sent(slot),
                Some((_, Found::Place(place))) => sent(*place),
                Some((_, Found::Text(text))) => Sent::Text(text),
                Some((_, Found::TooLittle)) => Sent::Missing,
            },
        );
    }

    /// Whether all that a row says is that it is a sum, and figures. It is counted among the rows, since a number of records that somebody states may
    /// hold it.
    fn is_sum<'a>(&self, sent: &dyn Fn(usize) -> Sent<'a>) -> bool {
        let mut sums = false;
        (0..self.places).all(|place| match sent(place) {
            Sent::Missing => true,
            Sent::Text(text) => {
                let is_sum = sheet::is_sum(text);
                sums |= is_sum;
                is_sum || value::says_nothing(text) || sheet::is_figure(text)
            }
            Sent::Bad(_) | Sent::Undecodable(_) => false,
        }) && sums
    }

    /// The records of a row.
    fn unfold<'a>(&mut self, row: Row<'_>, operation: &Result<Option<&'static str>, RejectCode>, of: &impl Sends<'a>) {
        let Some(unfolding) = self.unfolding.clone() else {
            self.judge(row, operation, of);
            return;
        };
        let sent: &dyn Fn(usize) -> Sent<'a> = &|place| of.sent(place);
        for member in unfolding.members(sent) {
            let row = Row {
                member: Some(member),
                ..row
            };
            self.judge(row, operation, &|slot: usize| {
                member.place(slot).map_or(Sent::Missing, sent)
            });
        }
    }

    /// Something around the records bears a secrecy mark.
    pub(crate) fn mark(&mut self, line: u64) {
        self.marked.get_or_insert(line);
    }

    /// Whether a row bore a secrecy mark; the batch is then refused.
    pub(crate) fn unmarked(&self) -> Result<(), Unreadable> {
        match self.marked {
            Some(line) => Err(Unreadable::SecrecyMark { line }),
            None => Ok(()),
        }
    }

    /// Whether a row deletes where nothing is deleted: the batch is then refused, since the row would be taken for a record like any other.
    pub(crate) fn undeleting(&self) -> Result<(), Unreadable> {
        match self.deletes {
            Some(line) => Err(Unreadable::DeleteOutsideDelta { line }),
            None => Ok(()),
        }
    }

    /// Whether a row says something else than was stated of the file; the batch is then refused, since one of the two is wrong.
    pub(crate) fn uncontradicted(&self) -> Result<(), Unreadable> {
        match self.contradicted {
            Some((field, line)) => Err(Unreadable::Contradicted { field, line }),
            None => Ok(()),
        }
    }

    /// Whether the rows of a delta say what they are about: when not one does, the column is lacking.
    pub(crate) fn operated(&self) -> Result<(), Unreadable> {
        if matches!(self.intent, Intent::Delta(_)) && !self.operated && self.counts.rows > 0 {
            return Err(Unreadable::NoOperation);
        }
        Ok(())
    }

    /// What a row is about.
    fn operation_of(&mut self, sent: Sent<'_>) -> Result<&'static str, RejectCode> {
        let text = match sent {
            Sent::Text(text) if !value::says_nothing(text) => text,
            Sent::Missing | Sent::Text(_) => return Err(RejectCode::MissingOperation),
            Sent::Bad(code) => return Err(code),
            Sent::Undecodable(_) => return Err(RejectCode::BadEncoding),
        };
        self.operated = true;
        let text = match &self.operation_codes {
            Some(codes) => codes.get(value::trimmed(text)).map_or(text, String::as_str),
            None => text,
        };
        operation::parse(text).ok_or(RejectCode::UnknownOperation)
    }

    fn judge<'a>(&mut self, row: Row<'_>, operation: &Result<Option<&'static str>, RejectCode>, of: &impl Sends<'a>) {
        let filled = match operation {
            Err(code) => Err(Fault {
                field: Some(operation::NAME),
                code: *code,
                offset: None,
            }),
            Ok(Some(operation::DELETE)) => self.fill_bare(&|place| of.sent(place), operation::DELETE),
            Ok(Some(operation)) => self.fill(of).map(|()| self.put_operation(operation)),
            Ok(None) => self.fill_within(of),
        };
        match filled {
            Ok(()) => {
                self.counts.received += 1;
                if self.is_history() {
                    // Taken back when the next row begins.
                    self.counts.history += 1;
                    return;
                }
                if !self.append() {
                    self.counts.repeated += 1;
                    return;
                }
                self.counts.accepted += 1;
            }
            Err(fault) => {
                let named = fault.code != RejectCode::OutOfScope;
                self.out(row, fault);
                // A snapshot that holds a bad record still holds it; one of history it does not.
                if named
                    && matches!(self.intent, Intent::Snapshot(..))
                    && self.fill_bare(&|place| of.sent(place), operation::NAMED).is_ok()
                    && !self.is_history()
                {
                    self.append();
                }
            }
        }
    }

    /// Whether the row at hand, which is valid, says that it is not the record as it is now.
    fn is_history(&self) -> bool {
        let says = |(slot, code): &(usize, &'static str)| self.columns.text_at(*slot) == Some(*code);
        self.history.iter().any(says)
    }

    /// The last column of a delta or snapshot.
    fn put_operation(&mut self, operation: &'static str) {
        self.columns.put(self.fields.len(), &Value::Text(operation));
    }

    /// False when the part has an equal row.
    fn append(&mut self) -> bool {
        let appended = self.columns.end();
        if appended && self.columns.is_full() {
            self.parts.extend(self.columns.take());
        }
        appended
    }

    /// A record of an upsert, or of a snapshot, which must lie within its scope.
    fn fill_within<'a>(&mut self, of: &impl Sends<'a>) -> Result<(), Fault> {
        self.fill(of)?;
        let Intent::Snapshot(scope, _) = &self.intent else {
            return Ok(());
        };
        // Where somebody lived before lies outside as often as not.
        if self.is_history() {
            return Ok(());
        }
        if let Some((field, codes)) = scope {
            let slot = self.fields.iter().position(|other| other.name == *field);
            let value = slot.and_then(|slot| self.columns.text_at(slot));
            if !value.is_some_and(|value| codes.iter().any(|code| code == value)) {
                return Err(Fault {
                    field: Some(field),
                    code: RejectCode::OutOfScope,
                    offset: None,
                });
            }
        }
        self.put_operation(operation::UPDATE);
        Ok(())
    }

    /// A record of which only the keys matter: the other fields are left out, apart from those that were asked for, which are left out when they
    /// are not as they should be.
    fn fill_bare<'a>(&mut self, sent: &dyn Fn(usize) -> Sent<'a>, operation: &'static str) -> Result<(), Fault> {
        self.columns.begin();
        for (slot, field) in self.fields.iter().enumerate() {
            let is = |flags: &[bool]| flags.get(slot).copied().unwrap_or_default();
            let (key, read) = (is(&self.bare.keys), is(&self.bare.read));
            let mut present = false;
            let text = match sent(slot) {
                Sent::Text(text) if read && text.len() <= self.limits.field_bytes_max => text,
                Sent::Bad(code) if key => return Err(Fault::of(field, code)),
                Sent::Text(_) if key => return Err(Fault::of(field, RejectCode::FieldTooLong)),
                Sent::Undecodable(offset) if key => {
                    return Err(Fault {
                        offset: Some(offset),
                        ..Fault::of(field, RejectCode::BadEncoding)
                    });
                }
                _ => "",
            };
            let text = match self.codes.get(slot) {
                Some(Some(codes)) => codes.get(value::trimmed(text)).map_or(text, String::as_str),
                _ => text,
            };
            match value::parse(field, text, &mut self.scratch, self.today) {
                Err(code) if key && code != RejectCode::Missing => return Err(Fault::of(field, code)),
                Err(_) | Ok(Value::Missing) => self.columns.put(slot, &Value::Missing),
                Ok(value) => {
                    present = true;
                    match self.cards.raised(slot, &value, sent, &self.codes) {
                        Some(number) => self.columns.put(slot, &Value::Text(number)),
                        None => self.columns.put(slot, &value),
                    }
                }
            }
            if let Some(noted) = self.bare.present.get_mut(slot) {
                *noted = present;
            }
        }
        if !self.bare.has_key() {
            return Err(Fault {
                field: None,
                code: RejectCode::NoKey,
                offset: None,
            });
        }
        self.put_operation(operation);
        Ok(())
    }

    /// A row that is rejected without a look at its fields: it counts as one record.
    pub(crate) fn reject(&mut self, line: u64, field: Option<&'static str>, code: RejectCode) {
        self.reject_at(line, field, code, None);
    }

    /// The same, with the byte of the file at fault.
    pub(crate) fn reject_at(&mut self, line: u64, field: Option<&'static str>, code: RejectCode, offset: Option<u64>) {
        self.counts.rows += 1;
        let row = Row {
            line,
            id: None,
            member: None,
        };
        self.out(row, Fault { field, code, offset });
    }

    fn out(&mut self, Row { line, id, member }: Row<'_>, Fault { field, code, offset }: Fault) {
        self.counts.received += 1;
        self.counts.rejected += 1;
        *self.counts.by_code.entry(code).or_default() += 1;
        *self.counts.by_field.entry((code, field)).or_default() += 1;
        if self.rejects_kept < self.limits.rejects_kept_max {
            self.rejects_kept += 1;
            let slot = self.fields.iter().position(|other| Some(other.name) == field);
            let place = slot.and_then(|slot| member.map_or(Some(slot), |member| member.place(slot)));
            self.rejects.push(Reject {
                row: self.counts.rows,
                line,
                field,
                code,
                offset,
                id: id.map(Into::into),
                place,
            });
        }
    }

    /// Brings the wanted values into the row, in order.
    fn fill<'a>(&mut self, of: &impl Sends<'a>) -> Result<(), Fault> {
        self.columns.begin();
        for (slot, field) in self.fields.iter().enumerate() {
            let text = match of.sent(slot) {
                Sent::Text(text) if text.len() <= self.limits.field_bytes_max => text,
                other => untold(field, other)?,
            };
            let text = match self.codes.get(slot) {
                Some(Some(codes)) => codes.get(value::trimmed(text)).map_or(text, String::as_str),
                _ => text,
            };
            // Lent, never moved: who copies what was written a moment ago in pieces waits until the processor has put them together.
            let closely;
            let usual = value::usual(field, text, self.today);
            let value = if let Some(value) = &usual {
                value
            } else {
                let read = value::parse_closely(field, text, &mut self.scratch, self.today);
                closely = read.map_err(|code| Fault::of(field, code))?;
                &closely
            };
            self.rules.note(slot, value);
            match self.cards.raised(slot, value, &|place| of.sent(place), &self.codes) {
                Some(number) => self.columns.put(slot, &Value::Text(number)),
                None => self.columns.put(slot, value),
            }
        }
        self.rules.verdict().map_err(|breach| {
            let field = breach.slot.and_then(|slot| self.fields.get(slot));
            Fault {
                field: field.map(|field| field.name),
                code: breach.code,
                offset: None,
            }
        })
    }

    /// Closes the last part.
    pub(crate) fn finish(&mut self) {
        self.parts.extend(self.columns.take());
    }

    /// Whether a part waits to be taken.
    pub(crate) fn has_part(&self) -> bool {
        !self.parts.is_empty()
    }

    pub(crate) fn next_part(&mut self) -> Option<RecordBatch> {
        self.parts.pop_front()
    }

    pub(crate) fn take_rejects(&mut self) -> Vec<Reject> {
        std::mem::take(&mut self.rejects)
    }

    /// What of rows was left out here, whatever the form of the file.
    pub(crate) fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }
}
