//! What the tests of this crate share: a small catalogue, a bundle over it, and batches.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::Schema;
use proptest::prelude::*;
use shuguan_adapters::catalogue::{Agency, Class, Field, FieldType, RecordType, Subject};

use crate::document::Fault;
use crate::key::KeyRing;
use crate::plan::Plan;
use crate::set::{Catalogue, PolicySet};

const fn field(name: &'static str, kind: FieldType, class: Class) -> Field {
    Field::new(name, "字段", kind, class)
}

/// A record type with a field of every column type.
pub(crate) static ADMISSION: RecordType = RecordType {
    schema: 3,
    fields: &[
        field("serial", FieldType::DocumentNo(20), Class::C1),
        field("citizen_id", FieldType::CitizenId, Class::C3),
        field("name", FieldType::Name, Class::C2),
        field("region", FieldType::Region, Class::C2),
        field("village_code", FieldType::Division(12), Class::C2),
        field("day", FieldType::Date, Class::C2),
        field("month", FieldType::Month, Class::C2),
        field("moment", FieldType::Instant, Class::C1),
        field("count", FieldType::Integer(1_000_000), Class::C1),
        field("amount", FieldType::Decimal(2), Class::C2),
        field("phone", FieldType::Phone, Class::C2),
        field("note", FieldType::Text(200), Class::C2),
        field("religion", FieldType::Text(20), Class::C4),
    ],
    keys: &[&["citizen_id", "day"], &["serial"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["op-8"],
    ..RecordType::new(Agency::Health, "health/admission", "试验")
};

pub(crate) const PURPOSES: &str = r#"
format = 1
purpose = [
  { code = "enrolment", zh = "全民参保登记", requestable = false },
  { code = "enrolment.registration", zh = "参保登记", bases = ["statutory-duty"], allow = ["push/feed", "pull/extract"] },
  { code = "enrolment.survey", zh = "入户调查", bases = ["statutory-duty"], allow = ["pull/extract"] },
]
"#;

pub(crate) const PARTNERS: &str = r#"
format = 1
trust_domain = "lyg.example"
[[partner]]
id = "health-city"
zh = "市卫健委"
agency = "health"
region = "320700"
spiffe = "spiffe://lyg.example/agency/health/city"
[[partner]]
id = "health-ganyu"
zh = "赣榆区卫健局"
spiffe = "spiffe://lyg.example/agency/health/ganyu"
[[partner]]
id = "tax-city"
zh = "市税务局"
spiffe = "spiffe://lyg.example/agency/tax/city"
[[partner]]
id = "information-centre"
zh = "信息中心"
spiffe = "spiffe://lyg.example/registry/information-centre"
"#;

pub(crate) const KEYS: &str = r#"
format = 1
[key]
pseudonym-father = { alg = "hmac-sha256", epoch = 1, partner = "information-centre", purpose = "enrolment.registration", domain = "person" }
pseudonym-other = { alg = "hmac-sha256", epoch = 1, partner = "information-centre", purpose = "enrolment.survey", domain = "person" }
"#;

pub(crate) const HEADER: &str = r#"
format = 1
agreement = "XY-1"
consumer = "information-centre"
impact_assessment = "PIA-1"
basis = { kind = "statutory-duty", articles = ["op-8"], document = "函1号" }
valid = { from = 2026-01-01T00:00:00+08:00, until = 2026-12-31T23:59:59+08:00 }
defaults = { schema = 3, purpose = "enrolment.registration", direction = "push", mode = "feed" }
"#;

/// Every operator once.
pub(crate) const GRANT: &str = r#"
[[grant]]
for = { record = "health/admission" }
necessity = "试验"
rows = [{ field = "region", prefix = ["3207"] }, { field = "count", in = [1, 2, 3] }]
keep = ["serial", "region", "count"]
reduce.name = { op = "mask", first = 1, char = "＊" }
reduce.day = { op = "date", to = "month" }
reduce.month = { op = "date", to = "year" }
reduce.moment = { op = "date", to = "day" }
reduce.village_code = { op = "region", to = "county" }
reduce.amount = { op = "bucket", edges = [0, 1000] }
reduce.citizen_id = { op = "pseudonym", key = "pseudonym-father" }
reduce.phone = { op = "exists" }
reduce.note = { op = "constant", value = "-" }
reduce.religion = { op = "drop", why = "无关" }
limits = { rows_per_push = 100, reject_percent = 20 }
"#;

pub(crate) fn texts(agreement: &str) -> Vec<(String, String)> {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    vec![
        file("purposes.toml", PURPOSES),
        file("partners.toml", PARTNERS),
        file("keys.toml", KEYS),
        file("agreements/one.toml", agreement),
    ]
}

pub(crate) fn build(texts: Vec<(String, String)>) -> Result<PolicySet, Vec<Fault>> {
    PolicySet::build(texts, Catalogue::of(&[&ADMISSION]))
}

pub(crate) fn set_of(grants: &str) -> PolicySet {
    match build(texts(&format!("{HEADER}{grants}"))) {
        Ok(set) => set,
        Err(faults) => {
            let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
            unreachable!("{}", shown.join("\n"))
        }
    }
}

pub(crate) fn plan_of(grants: &str) -> Arc<Plan> {
    Arc::clone(set_of(grants).plans().next().unwrap())
}

pub(crate) fn keys() -> KeyRing {
    let mut master = [0; 32];
    for (byte, value) in master.iter_mut().zip(0..) {
        *byte = value;
    }
    KeyRing::from_master(&master)
}

/// A cell of the oracle: text or number, by column type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Number(i64),
    Flag(bool),
}

impl Cell {
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn number(&self) -> Option<i64> {
        if let Self::Number(number) = self {
            Some(*number)
        } else {
            None
        }
    }
}

fn nullable(cell: impl Strategy<Value = Cell> + 'static) -> BoxedStrategy<Cell> {
    prop_oneof![1 => Just(Cell::Null), 4 => cell].boxed()
}

/// Values that a field can hold; region and count are often ones that the filters let pass.
fn cells(field: &Field) -> BoxedStrategy<Cell> {
    let text = |pattern: &'static str| nullable(proptest::string::string_regex(pattern).unwrap().prop_map(Cell::Text));
    match field.kind {
        FieldType::Date => nullable((-60_000_i64..30_000).prop_map(Cell::Number)),
        FieldType::Instant => nullable((-2_000_000_000_000_000_i64..4_000_000_000_000_000).prop_map(Cell::Number)),
        FieldType::Integer(_) => nullable((0_i64..5).prop_map(Cell::Number)),
        FieldType::Region => text("(3207|3301)[0-9]{2}"),
        FieldType::Division(_) => text("[0-9]{12}"),
        FieldType::CitizenId => text("[0-9]{14}000[0-9X]"),
        FieldType::Month => text("(18|20)[0-9]{2}(0[1-9]|1[0-2])"),
        FieldType::Decimal(_) => text("-?(0|[1-9][0-9]{0,4})\\.[0-9]{2}"),
        FieldType::Name => text("[张王𠮷·]{1,4}"),
        _ => text("[a-z甲乙]{0,6}"),
    }
}

/// Rows over the whole record type, in catalogue order.
pub(crate) fn rows() -> impl Strategy<Value = Vec<Vec<Cell>>> {
    let row: Vec<BoxedStrategy<Cell>> = ADMISSION.fields.iter().map(cells).collect();
    prop::collection::vec(row, 0..40)
}

/// The batch of the wanted columns of these rows.
pub(crate) fn batch(plan: &Plan, rows: &[Vec<Cell>]) -> RecordBatch {
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for name in plan.wanted() {
        let at = ADMISSION.fields.iter().position(|field| field.name == *name).unwrap();
        let field = ADMISSION.field(name).unwrap();
        let cells: Vec<&Cell> = rows.iter().map(|row| row.get(at).unwrap()).collect();
        let numbers = cells.iter().map(|cell| cell.number());
        fields.push(arrow_schema::Field::new(*name, field.kind.data_type(), true));
        columns.push(match field.kind {
            FieldType::Date => Arc::new(
                numbers
                    .map(|day| day.map(|day| i32::try_from(day).unwrap()))
                    .collect::<Date32Array>(),
            ),
            FieldType::Instant => Arc::new(numbers.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
            FieldType::Integer(_) => Arc::new(numbers.collect::<Int64Array>()),
            _ => Arc::new(cells.iter().map(|cell| cell.text()).collect::<StringArray>()),
        });
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}
