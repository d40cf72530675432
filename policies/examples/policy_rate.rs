//! How fast policy is: decisions, plans and single operators, beside a memcpy of the same columns in the same run.
//!
//! `cargo run --release -p shuguan-policies --example policy_rate`. Prints one line a measurement: the median of five rounds with least
//! and most. Absolute times mean little on a shared machine; the ratio to the memcpy is what can be compared.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "row numbers and times are far from any limit"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{Array, ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::value::citizen_id::check_character;
use shuguan_policies::{Direction, KeyRing, Mode, Plan, PolicySet, Target};

/// Rows of a part, as the gateway has them.
const ROWS: usize = 8_192;
const ROUNDS: usize = 5;

fn main() {
    println!("{:<58} {:>14} {:>22}", "MEASURED", "MEDIAN", "LEAST … MOST");
    decisions();
    releases();
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

fn decisions() {
    for partners in [1, 200] {
        let grants: String = (0..partners)
            .flat_map(|partner| (0..6).map(move |purpose| grant(partner, purpose, "keep = [\"citizen_id\", \"name\"]")))
            .collect();
        let built = Instant::now();
        let set = bundle(partners, &grants);
        let build_ms = built.elapsed().as_secs_f64() * 1e3;
        let target: Target = set.target("public-security/resident").unwrap();
        let callers: Vec<_> = set.partners().iter().filter(|one| one.id != "centre").collect();
        let times = 200_000;
        let ns = measure(|| {
            for at in 0..times {
                let caller = callers.get(at * 7 % callers.len()).unwrap();
                let decided = set.decide(caller, target, "p3", Direction::Push, Mode::Feed, 1_800_000_000_000_000);
                black_box(decided.is_ok());
            }
        });
        let ns = ns.map(|seconds| seconds / times as f64 * 1e9);
        show(
            &format!("decision with {} grants (built in {build_ms:.0} ms)", partners * 6),
            ns,
            "ns",
        );
    }
}

fn releases() {
    let ten = "keep = [\"citizen_id\", \"sex\", \"birth_date\", \"household_no\", \"person_status\"]\nreduce.name = { op = \"mask\", first = 1 }\nreduce.mother_id = { op = \"pseudonym\", key = \"k\" }\nreduce.village_code = { op = \"region\", to = \"town\" }\nreduce.valid_from = { op = \"date\", to = \"month\" }\nreduce.hukou_address = { op = \"exists\" }";
    let masks = "keep = [\"citizen_id\", \"sex\", \"birth_date\", \"household_no\", \"person_status\", \"village_code\", \"hukou_address\"]\nreduce.name = { op = \"mask\", first = 1 }";
    let tokens = "keep = [\"citizen_id\"]\nreduce.mother_id = { op = \"token\", kind = \"id18\", key = \"t\" }";
    let hmacs = "keep = [\"citizen_id\"]\nreduce.mother_id = { op = \"pseudonym\", key = \"k\" }";
    for (name, columns, per) in [
        ("ten columns, five operators, one HMAC", ten, "row"),
        ("projection to eight columns and a name mask", masks, "row"),
        ("token id18", tokens, "value"),
        ("pseudonym", hmacs, "value"),
    ] {
        let set = bundle(1, &grant(0, 0, columns));
        let plan = set.plans().next().unwrap();
        let keys = KeyRing::from_master(&[7; 32]);
        let part = part(plan);
        let times = 60;
        let seconds = measure(|| {
            for _ in 0..times {
                black_box(plan.release(&part, &keys, 20_000).unwrap());
            }
        });
        let copied = measure(|| {
            for _ in 0..times {
                black_box(copy(&part));
            }
        });
        let rows = (ROWS * times) as f64;
        let ratio = seconds.map(|one| one / copied.at(0.5));
        show(
            &format!("release, {name}"),
            seconds.map(|one| rows / one / 1e6),
            &format!("M {per}s/s"),
        );
        show("    time as a multiple of a memcpy of its columns", ratio, "×");
        if per == "value" {
            show("    a value", seconds.map(|one| one / rows * 1e9), "ns");
        }
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

/// Seconds of each round, sorted.
#[derive(Clone)]
struct Spread(Vec<f64>);

impl Spread {
    fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        let mut all: Vec<f64> = self.0.iter().map(|one| change(*one)).collect();
        all.sort_by(f64::total_cmp);
        Self(all)
    }

    fn at(&self, share: f64) -> f64 {
        let last = self.0.len() - 1;
        self.0
            .get((last as f64 * share).round() as usize)
            .copied()
            .unwrap_or_default()
    }
}

fn measure(mut run: impl FnMut()) -> Spread {
    run();
    let seconds = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        run();
        began.elapsed().as_secs_f64()
    });
    Spread(seconds.collect()).map(|one| one)
}

fn show(name: &str, spread: Spread, unit: &str) {
    println!(
        "{name:<58} {:>8.2} {unit:<9} {:>8.2} … {:.2}",
        spread.at(0.5),
        spread.at(0.0),
        spread.at(1.0)
    );
}
