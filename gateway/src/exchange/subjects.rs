//! Whom a released part is about, as keyed tags: finding a person's exchanges without reading a person.
//!
//! Takes released columns that name a subject whole (the catalogue says which: whom a record is about, and whatever holds a resident id), or a
//! number that an officer typed; gives tags: the first 16 bytes of HMAC-SHA-256(index key of the year, `shuguan.index.v1\n` kind `\n` ‖ normalised
//! number). A resident id of 15 digits counts as its 18; one inside a longer number (a taxpayer's, a disability certificate's) counts as itself.
//! Tags never leave the gateway and its journal.

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

/// Neither: a text that may hold a number.
const EITHER: &str = "";

/// The columns of a plan's output, or of the claims of a comparison, that name a subject, each with the kind of its numbers.
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
        let mut columns: Vec<_> = plan.subjects().into_iter().filter_map(column).collect();
        if plan.mode() != Mode::Compare {
            // Whoever else is named whole is to be found too: a head of a household, a guardian, whoever represents a unit or trades as one.
            for (place, column) in plan.output().iter().enumerate() {
                let field = column.kind.field;
                let is_new = !columns.iter().any(|(known, _)| *known == place);
                if is_new && field.holds_a_citizen_id() && plan.keeps(field.name) {
                    columns.push((place, kind_of(&field.kind)));
                }
            }
        }
        (!columns.is_empty()).then_some(Self(columns))
    }

    /// The tags of a released part, one for each subject of each row; of a text only where it is a number.
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
                if kind != EITHER {
                    tags.push(key.tag(kind, number, &mut message));
                }
            }
        }
        tags
    }
}

/// Whose a number is that is neither an id nor a credit code.
fn kind_of(kind: &FieldType) -> &'static str {
    match kind {
        FieldType::TaxpayerId => UNIT,
        FieldType::Text(_) => EITHER,
        _ => PERSON,
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
        let (kind, number) = normalised(&capitals, EITHER, &mut raised);
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

    /// `resident-id`, `credit-code`, or `other`: then it is looked for as the number of any other document or register, whatever was meant.
    pub fn kind(&self) -> &'static str {
        match self.kind {
            Some(PERSON) => "resident-id",
            Some(_) => "credit-code",
            None => "other",
        }
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

    use super::{EITHER, Number, PERSON, SubjectColumns, UNIT};
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

    fn named(record: &str, keep: &str) -> Vec<(&'static str, &'static str)> {
        let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let agency = record.split('/').next().unwrap();
        let head = "format = 1\nagreement = \"A\"\nconsumer = \"centre\"\nimpact_assessment = \"P\"\napplication = \"S\"\n\
            basis = { kind = \"b\", articles = [\"op-8\"], document = \"函\" }\n\
            valid = { from = 2026-01-01T00:00:00+08:00, until = 2026-12-31T23:59:59+08:00 }\n";
        let grant = format!(
            "{head}[[grant]]\nfor = {{ record = \"{record}\", purpose = \"p\", direction = \"push\", mode = \"feed\" }}\nschema = 1\nnecessity = \"n\"\nkeep = {keep}\n"
        );
        let partners = format!(
            "format = 1\ntrust_domain = \"lyg.example\"\n\
             [[partner]]\nid = \"centre\"\nzh = \"中心\"\nspiffe = \"spiffe://lyg.example/registry/centre\"\n\
             [[partner]]\nid = \"a\"\nzh = \"市局\"\nspiffe = \"spiffe://lyg.example/agency/{agency}/city\"\n"
        );
        let set = shuguan_policies::PolicySet::from_texts(vec![
            text(
                "purposes.toml",
                "format = 1\npurpose = [{ code = \"p\", zh = \"用途\", bases = [\"b\"], allow = [\"push/feed\"] }]\n",
            ),
            text("partners.toml", &partners),
            text("keys.toml", "format = 1\n"),
            text("agreements/a.toml", &grant),
        ])
        .unwrap();
        let plan = set.plans().next().unwrap();
        let columns = SubjectColumns::of(plan).map_or_else(Vec::new, |columns| columns.0);
        columns
            .into_iter()
            .map(|(place, kind)| (plan.output()[place].name, kind))
            .collect()
    }

    #[test]
    fn whoever_is_named_whole_is_indexed_whomever_the_record_is_about() {
        let tax = named(
            "tax/registration",
            r#"["tax_reg_seq", "taxpayer_id", "uscc", "legal_rep_id", "taxpayer_name"]"#,
        );
        assert_eq!(tax, [("uscc", UNIT), ("taxpayer_id", UNIT), ("legal_rep_id", PERSON)]);
        let aid = named(
            "civil-affairs/subsistence-allowance",
            r#"["dibao_no", "month", "head_id", "citizen_id"]"#,
        );
        assert_eq!(aid, [("citizen_id", PERSON), ("head_id", PERSON)]);
        let birth = named(
            "public-security/birth",
            r#"["citizen_id", "guardian1_id", "guardian2_id", "mother_id"]"#,
        );
        let persons = ["citizen_id", "guardian1_id", "guardian2_id", "mother_id"].map(|name| (name, PERSON));
        assert_eq!(birth, persons);
        let change = named("commerce/change", r#"["uscc", "item", "serial", "before"]"#);
        assert_eq!(change, [("uscc", UNIT), ("before", EITHER)]);
        assert_eq!(
            named("commerce/change", r#"["uscc", "item", "serial"]"#),
            [("uscc", UNIT)]
        );
    }

    #[test]
    fn a_text_is_indexed_only_where_it_is_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(&folder);
        let id = raised("320706900101000");
        let found = tags(
            &keys,
            EITHER,
            &[Some("海州区某路1号"), Some(&id), None, Some("H1234567800")],
        );
        assert_eq!(found, typed(&keys, &id));
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
