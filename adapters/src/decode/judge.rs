//! One record at a time: its wanted fields, what crosses fields, repeats; then a row of the part, or a reject.
//!
//! Takes the values of a row as sent, by place; gives parts, rejects and counts. Nothing of a record reaches a column before all of it is
//! valid. The reject of a record names the first wanted field that fails; after all have passed, the rule between fields. A row that
//! holds several records is unfolded here, and a secrecy mark is noticed here: every form of file passes this place.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow_array::RecordBatch;

use super::place::{Places, Unfolding};
use super::{Counts, DecodeLimits, Unreadable, secrecy};
use crate::catalogue::{Field, RecordType};
use crate::columns::{Columns, Row};
use crate::layout::Mapping;
use crate::reject::{Reject, RejectCode};
use crate::rules::Rules;
use crate::value::{self, Scratch, Value};

/// What becomes of the records of a batch.
pub(crate) struct Judge {
    fields: Vec<&'static Field>,
    /// By place: what the sender's own codes stand for.
    codes: Vec<Option<BTreeMap<String, String>>>,
    row: Row,
    columns: Columns,
    parts: VecDeque<RecordBatch>,
    rejects: Vec<Reject>,
    rejects_kept: usize,
    counts: Counts,
    limits: DecodeLimits,
    today: i32,
    /// Where a value is brought into canonical form.
    scratch: Scratch,
    rules: Rules,
    /// How a row becomes several records, where it does.
    unfolding: Option<Arc<Unfolding>>,
    /// Place of the secrecy mark.
    mark: Option<usize>,
    /// Line of the first row that bears one.
    marked: Option<u64>,
}

/// A wanted field as it came.
#[derive(Clone, Copy)]
pub(crate) enum Sent<'a> {
    /// No such column or member, or JSON `null`.
    Missing,
    Text(&'a str),
    /// The form of the file already says that it is no value of any field.
    Bad(RejectCode),
    /// From this byte of the file on, it is no text.
    Undecodable(u64),
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

impl Judge {
    pub(crate) fn new(
        record: &'static RecordType,
        wanted: &[&'static str],
        mapping: Option<&Arc<Mapping>>,
        limits: DecodeLimits,
        today: i32,
    ) -> Self {
        let fields: Vec<_> = wanted.iter().filter_map(|name| record.field(name)).collect();
        let names: Vec<_> = fields.iter().map(|field| field.name).collect();
        let places = Places::new(record, &fields);
        Self {
            unfolding: Unfolding::new(record, &fields, &places).map(Arc::new),
            mark: places.of(Places::number_of_mark(record)),
            marked: None,
            columns: Columns::new(&fields, limits.part_rows.max(1)),
            codes: names
                .iter()
                .map(|name| mapping.and_then(|mapping| mapping.codes(name)).cloned())
                .collect(),
            fields,
            row: Row::default(),
            parts: VecDeque::new(),
            rejects: Vec::new(),
            rejects_kept: 0,
            counts: Counts::default(),
            limits,
            today,
            scratch: Scratch::default(),
            rules: Rules::new(record, &names, today),
        }
    }

    pub(crate) fn fields(&self) -> &[&'static Field] {
        &self.fields
    }

    /// One row that starts on `line`.
    pub(crate) fn record<'a>(&mut self, line: u64, sent: impl Fn(usize) -> Sent<'a>) {
        self.counts.rows += 1;
        if self.marked.is_none() && self.mark.is_some_and(|mark| secrecy::is_secret(sent(mark))) {
            self.marked = Some(line);
        }
        let Some(unfolding) = self.unfolding.clone() else {
            self.judge(line, sent);
            return;
        };
        for member in unfolding.members(&sent) {
            self.judge(line, |slot| member.place(slot).map_or(Sent::Missing, &sent));
        }
    }

    /// Whether a row bore a secrecy mark; the batch is then refused.
    pub(crate) fn unmarked(&self) -> Result<(), Unreadable> {
        match self.marked {
            Some(line) => Err(Unreadable::SecrecyMark { line }),
            None => Ok(()),
        }
    }

    fn judge<'a>(&mut self, line: u64, sent: impl Fn(usize) -> Sent<'a>) {
        match self.fill(sent) {
            Ok(()) => {
                self.counts.received += 1;
                if !self.columns.append(&self.row) {
                    self.counts.repeated += 1;
                    return;
                }
                self.counts.accepted += 1;
                if self.columns.is_full() {
                    self.parts.extend(self.columns.take());
                }
            }
            Err(fault) => self.out(line, fault),
        }
    }

    /// A row that is rejected without a look at its fields: it counts as one record.
    pub(crate) fn reject(&mut self, line: u64, field: Option<&'static str>, code: RejectCode) {
        self.reject_at(line, field, code, None);
    }

    /// The same, with the byte of the file at fault.
    pub(crate) fn reject_at(&mut self, line: u64, field: Option<&'static str>, code: RejectCode, offset: Option<u64>) {
        self.counts.rows += 1;
        self.out(line, Fault { field, code, offset });
    }

    fn out(&mut self, line: u64, Fault { field, code, offset }: Fault) {
        self.counts.received += 1;
        self.counts.rejected += 1;
        *self.counts.by_code.entry(code).or_default() += 1;
        *self.counts.by_field.entry((code, field)).or_default() += 1;
        if self.rejects_kept < self.limits.rejects_kept_max {
            self.rejects_kept += 1;
            self.rejects.push(Reject {
                row: self.counts.rows,
                line,
                field,
                code,
                offset,
            });
        }
    }

    /// Brings the wanted values into the row, in order.
    fn fill<'a>(&mut self, sent: impl Fn(usize) -> Sent<'a>) -> Result<(), Fault> {
        self.row.clear();
        for (slot, field) in self.fields.iter().enumerate() {
            let text = match sent(slot) {
                Sent::Missing => "",
                Sent::Text(text) => text,
                Sent::Bad(code) => return Err(Fault::of(field, code)),
                Sent::Undecodable(offset) => {
                    return Err(Fault {
                        offset: Some(offset),
                        ..Fault::of(field, RejectCode::BadEncoding)
                    });
                }
            };
            if text.len() > self.limits.field_bytes_max {
                return Err(Fault::of(field, RejectCode::FieldTooLong));
            }
            let text = match self.codes.get(slot) {
                Some(Some(codes)) => codes.get(value::trimmed(text)).map_or(text, String::as_str),
                _ => text,
            };
            let value =
                value::parse(field, text, &mut self.scratch, self.today).map_err(|code| Fault::of(field, code))?;
            self.rules.note(slot, &value);
            match value {
                Value::Missing => self.row.null(),
                Value::Text(text) => self.row.text(text),
                Value::Date(days) => self.row.date(days),
                Value::Instant(number) | Value::Integer(number) => self.row.number(number),
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

    /// Whether a row holds several records.
    pub(crate) fn unfolds(&self) -> bool {
        self.unfolding.is_some()
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

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }
}
