//! One JSON object → one record; what lines of JSON and a JSON document have in common.
//!
//! Takes the text of one object; gives its members to the judge. Strings are read where they lie; members that are not wanted are skipped
//! unread. Of several names of a wanted field the first in the catalogue that says anything is read; a truth value reads `true` or `false`, as in a workbook. A
//! record is a reject when it is no JSON object, nests deeper than 32, has one name of a wanted field twice (in whatever case or escape), or
//! holds in a wanted field a NUL, half a surrogate pair, an undecodable byte, a nested value or a number that does not survive as a double.

pub(super) mod document;
mod member;
mod quick;

use serde::de::DeserializeSeed;

use self::member::{Member, Record};
use super::header::{Known, Names, gives_way};
use super::judge::Judge;
use super::sent::Sent;
use crate::reject::RejectCode;

/// Reads objects; keeps what is the same from one to the next.
pub(super) struct Objects {
    names: Names,
    members: Members,
}

/// The members of the object at hand.
pub(super) struct Members {
    /// By place among the wanted fields, each with the rank of the name under which it came.
    slots: Vec<(Member, u8)>,
    /// Text that does not lie in the object as it is: unescaped strings, numbers.
    text: String,
    /// What the names met so far stand for.
    known: Known,
}

/// A place in the text of an object at which the file had no character; the text has U+FFFD there.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    /// Byte of the text.
    pub(super) at: usize,
    /// Byte of the file.
    pub(super) offset: u64,
}

impl Objects {
    pub(super) fn new(names: Names) -> Self {
        Self {
            members: Members {
                slots: vec![(Member::Missing, 0); names.places()],
                text: String::new(),
                known: Known::default(),
            },
            names,
        }
    }

    pub(super) fn unknown_headers(&self) -> &[String] {
        self.names.unknown()
    }

    pub(super) fn into_names(self) -> Names {
        self.names
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// One object, which starts on that line and has no blanks around it.
    pub(super) fn record(&mut self, text: &str, line: u64, marks: &[Mark], judge: &mut Judge) {
        if let Err(code) = self.read(text) {
            match marks.first() {
                Some(mark) => judge.reject_at(line, None, RejectCode::BadEncoding, Some(mark.offset)),
                None => judge.reject(line, None, code),
            }
            return;
        }
        let Members { slots, text: own, .. } = &self.members;
        judge.record(line, |slot| match slots.get(slot) {
            // Nearly every value.
            Some((Member::Line(start, end), _)) if marks.is_empty() => {
                Sent::Text(text.get(*start..*end).unwrap_or_default())
            }
            None | Some((Member::Missing | Member::Null, _)) => Sent::Missing,
            Some((member, _)) => match (sent(*member, text, own), marks.is_empty()) {
                (Sent::Text(sent), false) => undecodable(sent, text, marks).map_or(Sent::Text(sent), Sent::Undecodable),
                (sent, _) => sent,
            },
        });
    }

    /// One object that may not be meant as a record: it is one when it has a wanted field.
    pub(super) fn record_if_any(&mut self, text: &str, line: u64, judge: &mut Judge) {
        let wanted = |(slot, _): &(Member, u8)| *slot != Member::Missing;
        if self.read(text).is_ok() && self.members.slots.iter().any(wanted) {
            self.record(text, line, &[], judge);
        }
    }

    /// Reads the members of one object.
    fn read(&mut self, text: &str) -> Result<(), RejectCode> {
        self.members.restart();
        if quick::read(text, &mut self.names, &mut self.members) {
            return Ok(());
        }
        if member::nests_too_deep(text) {
            return Err(RejectCode::TooDeep);
        }
        self.members.restart();
        let mut reader = serde_json::Deserializer::from_str(text);
        let record = Record {
            line: text,
            names: &mut self.names,
            members: &mut self.members,
        };
        record
            .deserialize(&mut reader)
            .and_then(|()| reader.end())
            .map_err(|error| member::code_of(&error))
    }
}

impl Members {
    /// Ready for the next object.
    fn restart(&mut self) {
        self.slots.fill((Member::Missing, 0));
        self.text.clear();
        self.known.restart();
    }

    /// What a member of this meaning says: of several names of one field that of the lowest rank which says anything, and none of a name that came
    /// twice.
    #[inline]
    fn fill(&mut self, slot: usize, rank: u8, value: Member) {
        let Some(place) = self.slots.get_mut(slot) else {
            return;
        };
        *place = match *place {
            (Member::Missing, _) => (value, rank),
            (_, read) if rank == read => (Member::Bad(RejectCode::DuplicateKey), rank),
            (kept, read) if rank < read && (!value.is_blank() || kept.is_blank() || !gives_way(rank)) => (value, rank),
            (kept, read) if rank > read && kept.is_blank() && gives_way(read) => (value, rank),
            kept => kept,
        };
    }
}

/// What a member says; `own` is the text that does not lie in the object as it is.
#[inline(never)]
fn sent<'a>(member: Member, object: &'a str, own: &'a str) -> Sent<'a> {
    match member {
        Member::Missing | Member::Null => Sent::Missing,
        Member::Line(start, end) => Sent::Text(object.get(start..end).unwrap_or_default()),
        Member::Own(start, end) => Sent::Text(own.get(start..end).unwrap_or_default()),
        Member::Fraction(number) => member::exact_fraction(object, number),
        Member::Bad(code) => Sent::Bad(code),
    }
}

/// The byte of the file at which a value has no character.
fn undecodable(value: &str, object: &str, marks: &[Mark]) -> Option<u64> {
    if !value.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    let start = value.as_ptr().addr().wrapping_sub(object.as_ptr().addr());
    let mark = if start < object.len() {
        let here = start..start.saturating_add(value.len());
        marks.iter().find(|mark| here.contains(&mark.at))
    } else {
        // A value with escapes lies elsewhere: any of the places may be its own.
        marks.first()
    };
    mark.map(|mark| mark.offset)
}
