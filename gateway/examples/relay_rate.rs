//! Rows a second of the registry's merge, beside the same writing statements fed from memory with the same pragmas.
//!
//! `cargo run --release -p shuguan --example relay_rate [ROWS]`. Only the ratio of one run means something.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that fails may stop"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use adapters::catalogue::{Agency, Class, Field, FieldType, RecordType, Subject};
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field as ArrowField, Schema};
use rusqlite::Connection;
use shuguan::registry::schema::{TableSpec, keep_all};
use shuguan::registry::{Ahead, Counts, Missing, Part, Registry, RegistrySettings};
use shuguan_adapters as adapters;
use uuid::Uuid;

const PART_ROWS: usize = 8_192;
const WRITE_ROWS: usize = 50;
const ROUNDS: usize = 3;

const fn field(name: &'static str, kind: FieldType) -> Field {
    Field::new(name, "字段", kind, Class::C2)
}

/// Twelve columns of a resident, all text.
static RESIDENT: RecordType = RecordType {
    fields: &[
        field("citizen_id", FieldType::CitizenId),
        field("name", FieldType::Name),
        field("former_name", FieldType::Name),
        field("sex", FieldType::Text(1)),
        field("ethnicity", FieldType::Text(2)),
        field("birth_month", FieldType::Month),
        field("household_no", FieldType::Text(12)),
        field("hukou_region", FieldType::Region),
        field("town_code", FieldType::Division(9)),
        field("village_code", FieldType::Division(12)),
        field("hukou_address", FieldType::Text(200)),
        field("person_status", FieldType::Text(1)),
    ],
    keys: &[&["citizen_id"]],
    subjects: &[Subject::Person("citizen_id")],
    ..RecordType::new(Agency::PublicSecurity, "public-security/resident", "户籍人口")
};

type Row = [String; 12];

/// Rows in no order of their keys, as a feed by village would be; `version` changes every row.
fn rows(count: usize, version: usize) -> Vec<Row> {
    (0..count)
        .map(|n| {
            // A permutation: the multiplier is odd and prime to the range.
            let person = n * 7_919 % count;
            let region = 320_700 + person % 7;
            [
                format!(
                    "{region}1880{:02}{:02}{:04}",
                    person % 12 + 1,
                    person / 12 % 28 + 1,
                    person / 336
                ),
                format!("某{}{}", person % 97, version),
                String::new(),
                "1".into(),
                "01".into(),
                format!("1880{:02}", person % 12 + 1),
                format!("{:012}", person / 3),
                region.to_string(),
                format!("{region}001"),
                format!("{region}001002"),
                format!("某某街道第{}社区{}号楼{}室", person % 50, person % 200, version),
                "1".into(),
            ]
        })
        .collect()
}

fn parts(rows: &[Row]) -> Vec<RecordBatch> {
    let fields: Vec<ArrowField> = RESIDENT
        .fields
        .iter()
        .map(|field| ArrowField::new(field.name, DataType::Utf8, true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    rows.chunks(PART_ROWS)
        .map(|chunk| {
            let columns = (0..12).map(|place| {
                let mut column = StringBuilder::new();
                for row in chunk {
                    column.append_option(Some(row[place].as_str()).filter(|text| !text.is_empty()));
                }
                Arc::new(column.finish()) as ArrayRef
            });
            RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
        })
        .collect()
}

/// The registry: parts in, seconds and counts out.
fn merge(registry: &Registry, runtime: &tokio::runtime::Runtime, leaf: u64, batches: &[RecordBatch]) -> (f64, Counts) {
    let began = Instant::now();
    let mut counts = Counts::default();
    for (number, batch) in batches.iter().enumerate() {
        let part = Part {
            snapshot: false,
            confirm: false,
            exchange: Uuid::from_u128(u128::from(leaf)),
            number: u32::try_from(number).unwrap(),
            parts: u32::try_from(batches.len()).unwrap(),
            leaf,
            record: RESIDENT.name.into(),
            partner: "public-security-city".into(),
            received_us: i64::try_from(leaf).unwrap() * 1_000_000,
            batch: batch.clone(),
            ahead: Ahead::default(),
        };
        counts += runtime.block_on(registry.merge(part)).unwrap().counts;
    }
    (began.elapsed().as_secs_f64(), counts)
}

/// The same statements fed from memory: the upsert of fifty rows and the person index, sorted by key, one transaction a part.
fn feed(connection: &mut Connection, table: &TableSpec, leaf: i64, rows: &[Row]) -> f64 {
    let provenance = [
        "_key",
        "_exchange",
        "_row",
        "_partner",
        "_leaf",
        "_source_us",
        "_received_us",
        "_hash",
    ];
    let names: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name)
        .chain(provenance)
        .collect();
    let one = format!("({})", vec!["?"; names.len()].join(","));
    let sets: Vec<String> = names
        .iter()
        .filter(|name| **name != "_key")
        .map(|name| format!("{name}=excluded.{name}"))
        .collect();
    let upsert = |rows: usize| {
        format!(
            "INSERT INTO {} ({}) VALUES {} ON CONFLICT (_key) DO UPDATE SET {}",
            table.name,
            names.join(","),
            vec![one.as_str(); rows].join(","),
            sets.join(",")
        )
    };
    let person = |rows: usize| {
        format!(
            "INSERT INTO person (citizen_id, first_us) VALUES {} ON CONFLICT (citizen_id) DO NOTHING",
            vec!["(?,?)"; rows].join(",")
        )
    };
    let began = Instant::now();
    for chunk in rows.chunks(PART_ROWS) {
        let mut sorted: Vec<(i64, &Row)> = (1..).zip(chunk).collect();
        sorted.sort_unstable_by(|one, other| one.1[0].cmp(&other.1[0]));
        let transaction = connection.transaction().unwrap();
        for group in sorted.chunks(WRITE_ROWS) {
            let mut statement = transaction.prepare_cached(&upsert(group.len())).unwrap();
            let mut place = 0;
            let mut next = || {
                place += 1;
                place
            };
            for (number, row) in group {
                for value in *row {
                    let value = Some(value.as_str()).filter(|text| !text.is_empty());
                    statement.raw_bind_parameter(next(), value).unwrap();
                }
                statement.raw_bind_parameter(next(), row[0].as_str()).unwrap();
                statement.raw_bind_parameter(next(), [0_u8; 16]).unwrap();
                statement.raw_bind_parameter(next(), number).unwrap();
                statement.raw_bind_parameter(next(), "public-security-city").unwrap();
                statement.raw_bind_parameter(next(), leaf).unwrap();
                statement.raw_bind_parameter(next(), leaf).unwrap();
                statement.raw_bind_parameter(next(), leaf).unwrap();
                statement.raw_bind_parameter(next(), [1_u8; 16]).unwrap();
            }
            statement.raw_execute().unwrap();
        }
        for group in sorted.chunks(2 * WRITE_ROWS) {
            let mut statement = transaction.prepare_cached(&person(group.len())).unwrap();
            for (place, (_, row)) in group.iter().enumerate() {
                statement.raw_bind_parameter(2 * place + 1, row[0].as_str()).unwrap();
                statement.raw_bind_parameter(2 * place + 2, leaf).unwrap();
            }
            statement.raw_execute().unwrap();
        }
        transaction.commit().unwrap();
    }
    began.elapsed().as_secs_f64()
}

fn baseline(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=16384; PRAGMA secure_delete=ON; \
             PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; \
             PRAGMA temp_store=MEMORY; PRAGMA cache_size=-65536;",
        )
        .unwrap();
    connection
}

/// Medians of rows a second: new, changed and unchanged rows.
#[derive(Default)]
struct Rates {
    merged: [Vec<f64>; 3],
    fed: [Vec<f64>; 3],
}

fn main() {
    let count: usize = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(300_000);
    let table = keep_all(&RESIDENT).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let versions = [rows(count, 1), rows(count, 2)];
    let batches = [parts(&versions[0]), parts(&versions[1])];
    let mut rates = Rates::default();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = |seconds: f64| count as f64 / seconds;
    for _ in 0..ROUNDS {
        let folder = tempfile::TempDir::new_in(".").unwrap();
        let ours = RegistrySettings::at(folder.path().join("ours.db"));
        let path = folder.path().join("theirs.db");
        let theirs = RegistrySettings::at(&path);
        for settings in [&ours, &theirs] {
            Registry::create(settings, std::slice::from_ref(&table)).unwrap();
        }
        let registry = Registry::open(&ours, vec![table.clone()], Missing::Refuse).unwrap();
        let mut connection = baseline(&path);
        // New, changed, unchanged.
        for (round, version) in [(0, 0), (1, 1), (2, 1)] {
            let leaf = round as u64 + 1;
            let (seconds, counts) = merge(&registry, &runtime, leaf, &batches[version]);
            assert_eq!([counts.ins, counts.upd, counts.same][round], count as u64);
            rates.merged[round].push(rate(seconds));
            let leaf = i64::try_from(leaf).unwrap();
            rates.fed[round].push(rate(feed(&mut connection, &table, leaf, &versions[version])));
        }
        runtime.block_on(registry.close());
    }
    println!("{count} rows of 12 columns, parts of {PART_ROWS}, median of {ROUNDS}");
    println!(
        "{:<10} {:>14} {:>18} {:>7}",
        "rows", "merge rows/s", "from memory rows/s", "ratio"
    );
    for (round, label) in ["new", "changed", "unchanged"].into_iter().enumerate() {
        let (merged, fed) = (median(&mut rates.merged[round]), median(&mut rates.fed[round]));
        println!("{label:<10} {merged:>14.0} {fed:>18.0} {:>7.2}", merged / fed);
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
