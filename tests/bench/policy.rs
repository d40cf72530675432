//! How fast policy is: decisions, plans and single operators, beside a memcpy of the same columns in the same run.
//!
//! In this process, on one thread, its core time only. Parts are as the gateway has them, of invented people.

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::value::citizen_id::check_character;
use shuguan_policies::{Direction, KeyRing, Mode, Plan, PolicySet, Target};

use crate::Size;
use crate::table::{Aim, Line, Table};
use crate::timing::{Spread, rows_per_core_second};

/// Rows of a part, as the gateway has them.
const ROWS: usize = 8_192;

pub fn measure(size: Size, table: &mut Table) {
    decisions(size, table);
    releases(size, table);
}

fn header(agreement: &str) -> String {
    format!(
        "format = 1\nagreement = \"{agreement}\"\nconsumer = \"centre\"\nimpact_assessment = \"P\"\nbasis = {{ kind = \"b\", articles = [\"op-8\"], document = \"函\" }}\nvalid = {{ from = 2026-01-01T00:00:00+08:00, until = 2099-12-31T23:59:59+08:00 }}\n"
    )
}

/// A bundle with this many partners of one agency, each with a grant of its own for each of six record types.
fn bundle(partners: usize, grants: &str) -> PolicySet {
    let mut table = "format = 1\ntrust_domain = \"lyg.example\"\n[[partner]]\nid = \"centre\"\nzh = \"中心\"\nspiffe = \"spiffe://lyg.example/registry/centre\"\n".to_owned();
    for number in 0..partners {
        let _ = write!(
            table,
            "[[partner]]\nid = \"ps-{number}\"\nzh = \"公安\"\nspiffe = \"spiffe://lyg.example/agency/public-security/n{number}\"\n"
        );
    }
    let purposes = (0..6)
        .map(|at| format!("  {{ code = \"p{at}\", zh = \"用途\", bases = [\"b\"], allow = [\"push/feed\"] }},\n"));
    let keys = "format = 1\n[key]\nk = { alg = \"hmac-sha256\", epoch = 1, partner = \"centre\", purpose = \"p0\", domain = \"person\" }\nt = { alg = \"ff1-aes256-id18\", epoch = 1, partner = \"centre\", purpose = \"p0\", domain = \"person\" }\n";
    let text = |name: &str, text: String| (name.to_owned(), text);
    let texts = vec![
        text(
            "purposes.toml",
            format!("format = 1\npurpose = [\n{}]\n", purposes.collect::<String>()),
        ),
        text("partners.toml", table),
        text("keys.toml", keys.into()),
        text("agreements/a.toml", format!("{}{grants}", header("A"))),
    ];
    PolicySet::from_texts(texts).unwrap_or_else(|faults| {
        let shown: Vec<String> = faults.iter().take(3).map(ToString::to_string).collect();
        unreachable!("{}", shown.join("\n"))
    })
}

fn grant(partner: usize, purpose: usize, columns: &str) -> String {
    format!(
        "[[grant]]\nid = \"g-{partner}-{purpose}\"\nfor = {{ partner = \"ps-{partner}\", record = \"public-security/resident\", purpose = \"p{purpose}\", direction = \"push\", mode = \"feed\" }}\nschema = 1\nnecessity = \"n\"\n{columns}\n"
    )
}

fn decisions(size: Size, table: &mut Table) {
    let [few, many] = [1, 200].map(|partners| decision_ns(size, partners));
    table.add(Line {
        what: "decision with 1,200 grants".into(),
        unit: "ns",
        measured: many,
        peer: Some(("with 6 grants".into(), few)),
        aim: Aim::Below(200.0),
    });
}

fn decision_ns(size: Size, partners: usize) -> Spread {
    let grants: String = (0..partners)
        .flat_map(|partner| (0..6).map(move |purpose| grant(partner, purpose, "keep = [\"citizen_id\", \"name\"]")))
        .collect();
    let set = bundle(partners, &grants);
    let target: Target = set.target("public-security/resident").unwrap();
    let callers: Vec<_> = set.partners().iter().filter(|one| one.id != "centre").collect();
    let times = size.policy_decisions;
    let decide = || {
        let mut decided = 0;
        for at in 0..times {
            let caller = callers[usize::try_from(at).unwrap_or(0) * 7 % callers.len()];
            let plan = set.decide(caller, target, "p3", Direction::Push, Mode::Feed, 1_800_000_000_000_000);
            decided += u64::from(black_box(plan.is_ok()));
        }
        decided
    };
    decide();
    rows_per_core_second(size.turns.max(3), times, decide).map(|a_second| 1e9 / a_second)
}

const TEN: &str = "keep = [\"citizen_id\", \"sex\", \"birth_date\", \"household_no\", \"person_status\"]
reduce.name = { op = \"mask\", first = 1 }
reduce.mother_id = { op = \"pseudonym\", key = \"k\" }
reduce.village_code = { op = \"region\", to = \"town\" }
reduce.valid_from = { op = \"date\", to = \"month\" }
reduce.hukou_address = { op = \"exists\" }";
const MASK: &str = "keep = [\"citizen_id\", \"sex\", \"birth_date\", \"household_no\", \"person_status\", \"village_code\", \"hukou_address\"]
reduce.name = { op = \"mask\", first = 1 }";
const TOKEN: &str = "keep = [\"citizen_id\"]\nreduce.mother_id = { op = \"token\", kind = \"id18\", key = \"t\" }";
const PSEUDONYM: &str = "keep = [\"citizen_id\"]\nreduce.mother_id = { op = \"pseudonym\", key = \"k\" }";

fn releases(size: Size, table: &mut Table) {
    let (a_row, a_value) = ("rows/s/core", "ns a value");
    for (what, columns, unit, aim) in [
        ("ten columns, five operators, one HMAC", TEN, a_row, Aim::AtLeast(3e6)),
        (
            "projection to eight columns and a name mask",
            MASK,
            a_row,
            Aim::AtLeast(15e6),
        ),
        ("`token` of resident ids", TOKEN, a_value, Aim::Below(300.0)),
        ("`pseudonym` of resident ids", PSEUDONYM, a_value, Aim::None),
    ] {
        let set = bundle(1, &grant(0, 0, columns));
        let plan = set.plans().next().expect("one grant");
        let keys = KeyRing::from_master(&[7; 32]);
        let part = part(plan);
        let (turns, rows) = (size.turns.max(3), size.policy_parts * ROWS as u64);
        let release = || {
            let parts = (0..size.policy_parts).map(|_| black_box(plan.release(&part, &keys, 20_000).unwrap()));
            parts.map(|part| part.batch.num_rows() as u64).sum()
        };
        let copied = || {
            (0..size.policy_parts).for_each(|_| drop(black_box(copy(&part))));
            rows
        };
        let (measured, copied) = (
            rows_per_core_second(turns, rows, release),
            rows_per_core_second(turns, rows, copied),
        );
        let in_unit = |spread: Spread| {
            if unit == a_value {
                spread.map(|a_second| 1e9 / a_second)
            } else {
                spread
            }
        };
        table.add(Line {
            what: format!("release: {what}"),
            unit,
            measured: in_unit(measured),
            peer: Some(("memcpy of its columns".into(), in_unit(copied))),
            aim,
        });
    }
}

/// A part with the wanted columns, filled with values of nobody.
fn part(plan: &Plan) -> RecordBatch {
    let columns = plan.wanted().iter().map(|name| {
        let field = plan.target().field(name).unwrap();
        let texts =
            |make: &dyn Fn(usize) -> String| Arc::new(StringArray::from_iter_values((0..ROWS).map(make))) as ArrayRef;
        let column: ArrayRef = match (field.kind.data_type(), field.kind) {
            (DataType::Date32, _) => Arc::new(Date32Array::from_iter_values(
                (0..ROWS).map(|row| row as i32 % 20_000 - 30_000),
            )),
            (DataType::Int64, _) => Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| row as i64))),
            (DataType::Timestamp(..), _) => Arc::new(
                TimestampMicrosecondArray::from_iter_values((0..ROWS).map(|row| row as i64 * 86_400_000_000))
                    .with_timezone("UTC"),
            ),
            (_, FieldType::CitizenId) => texts(&|row| {
                let first = format!("3207061880{:02}{:02}{:03}", row % 12 + 1, row % 28 + 1, row % 1000);
                let check = check_character(first.as_bytes().try_into().unwrap()).unwrap();
                format!("{first}{check}")
            }),
            (_, FieldType::Name) => texts(&|row| {
                ["张三丰", "李四", "阿依古丽", "王五"]
                    .into_iter()
                    .cycle()
                    .nth(row % 4)
                    .unwrap()
                    .to_owned()
            }),
            (_, FieldType::Division(_)) => texts(&|row| format!("320707{:06}", row % 1_000_000)),
            (_, FieldType::Code(_)) => texts(&|row| (row % 2 + 1).to_string()),
            _ => texts(&|row| format!("甲路{row}号")),
        };
        (*name, column, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap()
}

/// Every buffer of a batch copied once.
fn copy(part: &RecordBatch) -> Vec<Vec<u8>> {
    let buffers = part
        .columns()
        .iter()
        .flat_map(|column| column.to_data().buffers().to_vec());
    buffers.map(|buffer| buffer.as_slice().to_vec()).collect()
}
