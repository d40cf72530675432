//! The fields of one record element.
//!
//! Takes elements, attributes and text as they come; gives the record to the judge when its element ends. A field is an element without
//! children (`<xm>…</xm>`), an attribute of the record (`<row xm="…"/>`), or an element that names its field (`<field name="xm">…</field>`,
//! `<field name="xm" value="…"/>`); elements around fields change nothing. Of several names of a field the first in the
//! catalogue that says anything is read; one name that stands twice is a reject.

use crate::decode::header::{Known, Meaning, Names, gives_way};
use crate::decode::judge::Judge;
use crate::decode::sent::Sent;
use crate::decode::{DecodeLimits, SEARCH_FACTOR, Unreadable};
use crate::reject::RejectCode;

/// Reads records; keeps what is the same from one to the next.
pub(super) struct Fields {
    names: Names,
    known: Known,
    limits: DecodeLimits,
    /// By place among the wanted fields.
    slots: Vec<Slot>,
    text: String,
    /// The wanted field whose element is open, the rank of its name, and where its text starts.
    open: Option<(usize, u8, usize)>,
    /// Bytes of the record's text, wanted or not.
    bytes: usize,
    /// What is wrong with the record as a whole.
    bad: Option<RejectCode>,
    line: u64,
}

#[derive(Clone, Copy)]
enum Slot {
    Missing,
    /// From and to this byte of the text, under a name of this rank.
    Text(usize, usize, u8),
    Twice(u8),
}

impl Fields {
    pub(super) fn new(names: Names, limits: DecodeLimits) -> Self {
        Self {
            slots: vec![Slot::Missing; names.places()],
            names,
            known: Known::default(),
            limits,
            text: String::new(),
            open: None,
            bytes: 0,
            bad: None,
            line: 1,
        }
    }

    pub(super) fn unknown_headers(&self) -> &[String] {
        self.names.unknown()
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// The names with what another reader of the same batch met besides.
    pub(super) fn learn(&mut self, names: Names) {
        self.names = names;
        self.known = Known::default();
    }

    /// A record element begins.
    pub(super) fn begin(&mut self, line: u64) {
        self.slots.fill(Slot::Missing);
        self.known.restart();
        self.text.clear();
        self.open = None;
        self.bytes = 0;
        self.bad = None;
        self.line = line;
    }

    /// An attribute of the record.
    pub(super) fn attribute(&mut self, name: &str, value: &str) {
        self.bytes += value.len();
        if let Meaning::Wanted(slot, rank) = self.known.meaning(&mut self.names, name) {
            let start = self.text.len();
            self.add_text(value);
            self.fill(slot, rank, start);
        }
    }

    /// An element inside the record begins; its name, and its attributes `name` and `value`.
    pub(super) fn open(&mut self, element: &str, named: Option<&str>, value: Option<&str>) {
        // The element around it has children and is no field.
        self.open = None;
        let meaning = match named {
            Some(name) if !self.names.knows(element) => self.known.meaning(&mut self.names, name),
            _ => self.known.meaning(&mut self.names, element),
        };
        if let Meaning::Wanted(slot, rank) = meaning {
            self.open = Some((slot, rank, self.text.len()));
            if let Some(value) = value.filter(|_| named.is_some()) {
                self.bytes += value.len();
                self.add_text(value);
            }
        }
    }

    /// Text inside the record.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Unreadable> {
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > self.limits.record_bytes_max.saturating_mul(SEARCH_FACTOR) {
            return Err(Unreadable::RecordTooLong { line: self.line });
        }
        if self.open.is_some() {
            self.add_text(text);
        }
        if self.bytes > self.limits.record_bytes_max {
            self.bad = Some(RejectCode::RecordTooLong);
        }
        Ok(())
    }

    /// Something inside the record that has no meaning there.
    pub(super) fn spoil(&mut self, code: RejectCode) {
        self.bad.get_or_insert(code);
    }

    /// An element inside the record ends.
    pub(super) fn close(&mut self) {
        if let Some((slot, rank, start)) = self.open.take() {
            self.fill(slot, rank, start);
        }
    }

    /// The record element ends.
    pub(super) fn end(&mut self, judge: &mut Judge) {
        if let Some(code) = self.bad {
            judge.reject(self.line, None, code);
            return;
        }
        let (slots, text) = (&self.slots, &self.text);
        judge.record(self.line, |slot| match slots.get(slot) {
            None | Some(Slot::Missing) => Sent::Missing,
            Some(Slot::Twice(_)) => Sent::Bad(RejectCode::DuplicateKey),
            Some(Slot::Text(start, end, _)) => Sent::Text(text.get(*start..*end).unwrap_or_default()),
        });
    }

    fn add_text(&mut self, text: &str) {
        if self.bytes > self.limits.record_bytes_max {
            self.bad = Some(RejectCode::RecordTooLong);
        } else {
            self.text.push_str(text);
        }
    }

    fn fill(&mut self, slot: usize, rank: u8, start: usize) {
        let filled = Slot::Text(start, self.text.len(), rank);
        let says = start < self.text.len();
        if let Some(place) = self.slots.get_mut(slot) {
            *place = match *place {
                Slot::Missing => filled,
                Slot::Text(.., read) | Slot::Twice(read) if rank == read => Slot::Twice(rank),
                Slot::Text(from, to, read) if rank < read && (says || from == to || !gives_way(rank)) => filled,
                Slot::Text(from, to, read) if rank > read && from == to && gives_way(read) => filled,
                Slot::Twice(read) if rank < read => filled,
                kept => kept,
            };
        }
    }
}
