//! A resident id of 15 digits in a field for documents of any type.
//!
//! Takes the number of a document in canonical form, and its type as it came; gives the number in its 18 characters where the type says resident
//! card, since only that form names a person further on. Gives everything else as it is: what is no resident id after all, the rules refuse.

use std::collections::BTreeMap;

use super::sent::Sent;
use crate::catalogue::Field;
use crate::rules::Rules;
use crate::value::{self, Scratch, Value, citizen_id};

/// The documents of a record whose types are known.
pub(super) struct Cards {
    /// By the place of a number: that of its type.
    types: Vec<Option<(usize, &'static Field)>>,
    of_type: Scratch,
    of_number: Scratch,
    today: i32,
}

impl Cards {
    pub(super) fn new(fields: &[&'static Field], rules: &Rules, today: i32) -> Self {
        let kind = |slot| {
            let kind = rules.type_of(slot)?;
            Some((kind, *fields.get(kind)?))
        };
        Self {
            types: (0..fields.len()).map(kind).collect(),
            of_type: Scratch::default(),
            of_number: Scratch::default(),
            today,
        }
    }

    /// The number at `slot` in its 18 characters, where it is a resident card's of 15; `codes` are the sender's own, by place.
    #[inline]
    pub(super) fn raised<'v, 's>(
        &'v mut self,
        slot: usize,
        value: &Value<'v>,
        sent: &dyn Fn(usize) -> Sent<'s>,
        codes: &[Option<BTreeMap<String, String>>],
    ) -> Option<&'v str> {
        match value {
            Value::Text(number) if number.len() == SHORT => self.of_card(slot, number, sent, codes),
            _ => None,
        }
    }

    #[inline(never)]
    fn of_card<'v, 's>(
        &'v mut self,
        slot: usize,
        number: &'v str,
        sent: &dyn Fn(usize) -> Sent<'s>,
        codes: &[Option<BTreeMap<String, String>>],
    ) -> Option<&'v str> {
        let (kind, field) = (*self.types.get(slot)?)?;
        let Sent::Text(text) = sent(kind) else {
            return None;
        };
        let text = match codes.get(kind) {
            Some(Some(codes)) => codes.get(value::trimmed(text)).map_or(text, String::as_str),
            _ => text,
        };
        match value::parse(field, text, &mut self.of_type, self.today) {
            Ok(Value::Text(code)) if Rules::is_resident_card(code) => {
                citizen_id::parse(number, &mut self.of_number, self.today).ok()
            }
            _ => None,
        }
    }
}

/// Digits of a resident id from before 1999.
const SHORT: usize = 15;
