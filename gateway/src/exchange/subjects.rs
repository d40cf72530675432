//! Whom a released part is about, as keyed tags: finding a person's exchanges without reading a person.
//!
//! Takes released columns that name a subject whole (the catalogue says which), or a number that an officer typed; gives tags: the first 16 bytes
//! of HMAC-SHA-256(index key of the year, `shuguan.index.v1\n` kind `\n` ‖ normalised number). A resident id of 15 digits counts as its 18; one
//! inside a longer number (a taxpayer's, a disability certificate's) counts as itself. Tags never leave the gateway and its journal.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use shuguan_adapters::catalogue::{Class, Field, FieldType, Subject};
use shuguan_adapters::value::{self, Scratch, Value, citizen_id, taxpayer_id};
use shuguan_policies::{Mode, Plan};

use super::index_keys::IndexKey;
use crate::journal::Tag;

/// Kind of a person's number.
const PERSON: &str = "citizen_id";
/// Kind of a unit's number.
const UNIT: &str = "uscc";
/// What an officer types is read as any document's number.
const TYPED: Field = Field::new(
    "subject",
    "身份号码或统一社会信用代码",
    FieldType::DocumentNo(40),
    Class::C3,
);
/// Shorter is no number.
const DIGITS_MIN: usize = 5;

/// The columns of a plan's output, or of the claims of a comparison, that name a subject.
#[derive(Debug)]
pub struct SubjectColumns(Vec<(usize, &'static str)>);

impl SubjectColumns {
    /// Those of a plan; none when it releases no subject whole.
    pub fn of(plan: &Plan) -> Option<Self> {
        let column = |subject: Subject| {
            let (name, kind) = match subject {
                Subject::Person(name) => (name, PERSON),
                Subject::Enterprise(name) => (name, UNIT),
            };
            let place = if plan.mode() == Mode::Compare {
                plan.require().iter().position(|claim| *claim == name)
            } else {
                plan.output().iter().position(|column| column.name == name)
            };
            place.map(|place| (place, kind))
        };
        let columns: Vec<_> = plan.subjects().into_iter().filter_map(column).collect();
        (!columns.is_empty()).then_some(Self(columns))
    }

    /// The tags of a released part, one for each subject of each row.
    pub fn tags(&self, key: &IndexKey, released: &RecordBatch) -> Vec<Tag> {
        let mut tags = Vec::with_capacity(self.0.len() * released.num_rows());
        let (mut scratch, mut message) = (Scratch::default(), Vec::with_capacity(64));
        for (place, kind) in &self.0 {
            let texts = released
                .columns()
                .get(*place)
                .and_then(|column| column.as_string_opt::<i32>());
            for text in texts.into_iter().flat_map(|texts| texts.iter().flatten()) {
                let (kind, number) = normalised(text, kind, &mut scratch);
                tags.push(key.tag(kind, number, &mut message));
            }
        }
        tags
    }
}

/// The number by which a subject is known everywhere, and its kind; a number that is neither id nor credit code keeps the kind of its column.
fn normalised<'a>(text: &'a str, kind: &'static str, scratch: &'a mut Scratch) -> (&'static str, &'a str) {
    if let Some(id) = taxpayer_id::citizen_id(text) {
        return (PERSON, id);
    }
    if let Some(code) = taxpayer_id::uscc(text) {
        return (UNIT, code);
    }
    if text.len() == 15
        && let Ok(id) = citizen_id::parse(text, scratch, i32::MAX)
    {
        return (PERSON, id);
    }
    (kind, text)
}

/// A number that an officer typed. Shows itself nowhere.
pub struct Number {
    text: String,
    /// None: neither an id nor a credit code, so that it may stand in a column of either kind.
    kind: Option<&'static str>,
}

impl std::fmt::Debug for Number {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Number")
    }
}

impl Number {
    /// Reads what was typed; none when it cannot be the number of a person or unit.
    pub fn read(typed: &str) -> Option<Self> {
        let (mut scratch, mut raised) = (Scratch::default(), Scratch::default());
        let Ok(Value::Text(text)) = value::parse(&TYPED, typed, &mut scratch, i32::MAX) else {
            return None;
        };
        let capitals = text.to_ascii_uppercase();
        let (kind, number) = normalised(&capitals, "", &mut raised);
        // Seventeen digits and one character more are an id or a credit code, or a slip of the pen.
        let slip = kind.is_empty() && number.len() == 18 && number.bytes().take(17).all(|byte| byte.is_ascii_digit());
        if slip {
            return None;
        }
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        (digits >= DIGITS_MIN).then(|| Self {
            text: number.to_owned(),
            kind: (!kind.is_empty()).then_some(kind),
        })
    }

    /// Its tags under the key of a year, one for each kind of column that it may stand in.
    pub(super) fn tags(&self, key: &IndexKey) -> Vec<Tag> {
        let tag = |kind| key.tag(kind, &self.text, &mut Vec::new());
        self.kinds().map(tag).collect()
    }

    fn kinds(&self) -> impl Iterator<Item = &'static str> {
        let all: &[&'static str] = &[PERSON, UNIT];
        let kind = self.kind;
        all.iter()
            .copied()
            .filter(move |one| kind.is_none_or(|kind| kind == *one))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use std::sync::Arc;

    use arrow_array::{ArrayRef, RecordBatch, StringArray};
    use arrow_schema::{DataType, Field, Schema};

    use super::{Number, PERSON, SubjectColumns, UNIT};
    use crate::exchange::index_keys::IndexKeys;
    use crate::journal::{IndexHistory, Tag};
    use crate::pki::period::PeriodKeys;

    /// 2026-11-23T09:00:00Z
    const NOW_US: i64 = 1_795_424_400_000_000;

    fn keys(folder: &tempfile::TempDir) -> IndexKeys {
        let keys = PeriodKeys::open(folder.path().join("index"), &[7; 32], IndexKeys::LABEL);
        IndexKeys::open(keys.unwrap(), IndexHistory::default()).unwrap()
    }

    fn tags(keys: &IndexKeys, kind: &'static str, values: &[Option<&str>]) -> Vec<Tag> {
        let schema = Schema::new(vec![Field::new("id", DataType::Utf8, true)]);
        let column: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        let batch = RecordBatch::try_new(Arc::new(schema), vec![column]).unwrap();
        SubjectColumns(vec![(0, kind)]).tags(&keys.current(NOW_US).unwrap(), &batch)
    }

    fn typed(keys: &IndexKeys, number: &str) -> Vec<Tag> {
        keys.search(&Number::read(number).unwrap()).unwrap().tags
    }

    #[test]
    fn a_person_has_one_tag_however_the_number_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(&folder);
        let id = crate::exchange::subjects::tests::raised("320706900101000");
        let forms = [id.as_str(), "320706900101000", &format!("{id}43"), &format!("{id}01")];
        let all = tags(&keys, PERSON, &forms.map(Some));
        assert!(all.iter().all(|tag| *tag == all[0]));
        assert_eq!(tags(&keys, UNIT, &[Some(&id)]), [all[0]], "a person who trades");
        for form in [id.as_str(), "320706900101000", &format!(" {} ", id.to_lowercase())] {
            assert_eq!(typed(&keys, form), [all[0]], "{form}");
        }
    }

    fn raised(short: &str) -> String {
        let mut scratch = shuguan_adapters::value::Scratch::default();
        let id = shuguan_adapters::value::citizen_id::parse(short, &mut scratch, i32::MAX);
        id.unwrap().to_owned()
    }

    #[test]
    fn another_document_is_found_in_a_column_of_either_kind_and_an_empty_one_is_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(&folder);
        let (person, unit) = (
            tags(&keys, PERSON, &[Some("H1234567800"), None]),
            tags(&keys, UNIT, &[Some("H1234567800")]),
        );
        assert_eq!((person.len(), unit.len()), (1, 1));
        assert_ne!(person, unit);
        assert_eq!(typed(&keys, "h1234567800"), [person, unit].concat());
        for nothing in ["", "  ", "无", "张三", "12", "null", "320706180101020001"] {
            assert!(Number::read(nothing).is_none(), "{nothing}");
        }
        assert_eq!(format!("{:?}", Number::read("H1234567800")), "Some(Number)");
    }

    #[test]
    fn searching_in_a_year_ends_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(&folder);
        let year_us = 366 * 86_400_000_000;
        keys.current(NOW_US - year_us).unwrap();
        let now = tags(&keys, PERSON, &[Some("H1234567800")]);
        assert_eq!(typed(&keys, "H1234567800").len(), 4, "two years, two kinds");
        assert_eq!(keys.ended_before(NOW_US).unwrap(), ["2025"]);
        keys.destroy(&keys.ended_before(NOW_US).unwrap()).unwrap();
        let left = typed(&keys, "H1234567800");
        assert_eq!(left.len(), 2);
        assert!(left.contains(&now[0]));
        assert!(keys.ended_before(NOW_US).unwrap().is_empty());
    }
}
