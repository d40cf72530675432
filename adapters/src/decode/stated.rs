//! What a sender states of a whole file, against what its rows say.
//!
//! Takes the value stated of a field and what stands there in a row; says whether the row says something else. Blanks and other spellings of the same
//! value are no contradiction, and what cannot be read is none: it is rejected by itself.

use std::collections::BTreeMap;

use super::sent::Sent;
use crate::catalogue::{Field, RecordType};
use crate::layout::Mapping;
use crate::value::{self, Scratch, Value};

/// A value that is stated of every record of the file.
pub(super) struct Stated {
    field: &'static Field,
    /// Where a row has its own.
    place: usize,
    written: String,
    /// In canonical form; none where it has none, and then every record is rejected for it.
    canonical: Option<String>,
    codes: Option<BTreeMap<String, String>>,
}

impl Stated {
    /// Those of the file whose fields are read: `place` says where.
    pub(super) fn of(
        record: &'static RecordType,
        mapping: &Mapping,
        today: i32,
        place: impl Fn(usize) -> Option<usize>,
    ) -> Vec<Self> {
        let fields = record.fields.iter().enumerate();
        let stated = fields.filter_map(|(number, field)| {
            let written = mapping.stated(field.name)?;
            let mut stated = Self {
                field,
                place: place(number)?,
                written: written.to_owned(),
                canonical: None,
                codes: mapping.codes(field.name).cloned(),
            };
            stated.canonical = stated.read(written, today);
            Some(stated)
        });
        stated.collect()
    }

    pub(super) fn field(&self) -> &'static str {
        self.field.name
    }

    /// Whether a row says something else.
    pub(super) fn is_contradicted<'a>(&self, today: i32, sent: &dyn Fn(usize) -> Sent<'a>) -> bool {
        let Sent::Text(text) = sent(self.place) else {
            return false;
        };
        if value::says_nothing(text) || value::trimmed(text) == self.written {
            return false;
        }
        let said = self.read(text, today);
        said.is_some() && said != self.canonical
    }

    fn read(&self, text: &str, today: i32) -> Option<String> {
        let own = self.codes.as_ref().and_then(|codes| codes.get(value::trimmed(text)));
        let mut scratch = Scratch::default();
        match value::parse(self.field, own.map_or(text, String::as_str), &mut scratch, today) {
            Ok(Value::Text(text)) => Some(text.to_owned()),
            _ => None,
        }
    }
}
