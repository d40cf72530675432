//! How fast rows come from a push into PostgreSQL, beside `psql` that copies and merges the same rows into the same tables, part by part
//! as the gateway does; and how much faster the same rows go once more, unchanged (a snapshot of them: `city`).
//!
//! One server, synced, for all turns; each has its tables anew. Gateway and psql take turns, so that both meet the same machine.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use shuguan_tests::{Deployment, Postgres, run};

use crate::Size;
use crate::feed::pieces;
use crate::gateway::deployment_on;
use crate::relay::{Pushed, example, push_to, released};
use crate::table::{Aim, Line, Table};
use crate::timing::Spread;

/// As a registry's server would be: durable, with some memory.
pub const SERVER: [(&str, &str); 5] = [
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "512MB"),
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "15min"),
];
const TABLE: &str = "public_security_resident";

pub fn measure(size: Size, table: &mut Table) {
    let Some(postgres) = Postgres::start("bench", &SERVER) else {
        return;
    };
    let policies = example();
    let feeds = pieces(size.relay_rows, size.relay_pushes, 3);
    let feeds: Vec<Bytes> = feeds.into_iter().map(Bytes::from).collect();
    let parts: Vec<RecordBatch> = feeds.iter().flat_map(|feed| released(&policies, feed)).collect();
    let rows: usize = parts.iter().map(RecordBatch::num_rows).sum();
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let script = script(&parts, folder.path());
    let rate = |seconds: f64| rows as f64 / seconds;
    let (mut pushed, mut copied, mut unchanged) = (Spread::default(), Spread::default(), Spread::default());
    let (mut core, mut accepted) = (Spread::default(), Spread::default());
    for _ in 0..size.turns {
        let deployment = anew(&postgres);
        let begun = Instant::now();
        postgres.script(&script);
        copied.push(rate(begun.elapsed().as_secs_f64()));
        assert_eq!(count(&postgres), rows);
        drop(deployment);
        let deployment = anew(&postgres);
        let (first, again) = run(twice(&deployment, &feeds, rows as u64));
        assert_eq!(count(&postgres), rows);
        pushed.push(rate(first.relayed));
        accepted.push(rate(first.accepted));
        core.push(first.core * 1e6 / rows as f64);
        unchanged.push(rate(again.relayed));
    }
    let what = format!("{rows} residents in {} pushes, GB18030 CSV", size.relay_pushes);
    table.add(Line {
        what: format!("push to PostgreSQL: {what}, until `relayed`"),
        unit: "rows/s",
        measured: pushed.clone(),
        peer: Some(("psql, COPY and merge of the same rows".into(), copied)),
        aim: Aim::RatioAtLeast(0.85),
    });
    table.add(Line {
        what: "the same pushes again, unchanged (bound by the push itself)".into(),
        unit: "rows/s",
        measured: unchanged,
        peer: Some(("the first one".into(), pushed)),
        aim: Aim::RatioAtLeast(3.0),
    });
    table.note("the first, until the last 202", "rows/s", accepted);
    table.note("the first, core time of the gateway", "µs/row", core);
}

/// Empty tables, as `db migrate` makes them.
fn anew(postgres: &Postgres) -> Deployment {
    postgres.script("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CHECKPOINT;");
    deployment_on(postgres)
}

fn count(postgres: &Postgres) -> usize {
    postgres.query(&format!("SELECT count(*) FROM {TABLE}"))[0]
        .parse()
        .expect("a number")
}

async fn twice(deployment: &Deployment, feeds: &[Bytes], rows: u64) -> (Pushed, Pushed) {
    let running = deployment.serve();
    let first = push_to(deployment, &running, feeds, rows).await;
    let again = push_to(deployment, &running, feeds, rows).await;
    (first, again)
}

/// What a database administrator would write by hand: each part in one transaction, COPY into a temporary table, one merge, the index.
fn script(parts: &[RecordBatch], folder: &Path) -> String {
    let mut script = format!("CREATE TEMP TABLE arriving (LIKE {TABLE} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS;\n");
    let mut before = 0;
    for (number, part) in parts.iter().enumerate() {
        let file = folder.join(format!("{number}.csv"));
        std::fs::write(&file, csv(part, before)).expect("a file");
        before += part.num_rows();
        let schema = part.schema();
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let names: Vec<&str> = names.chain(PROVENANCE).collect();
        let list = names.join(",");
        let sets = names
            .iter()
            .filter(|name| **name != "_key")
            .map(|name| format!("{name}=excluded.{name}"));
        let sets = sets.collect::<Vec<_>>().join(",");
        let _ = write!(
            script,
            "BEGIN;\n\\copy arriving ({list}) FROM '{}' (FORMAT csv)\n\
             INSERT INTO {TABLE} ({list}) SELECT {list} FROM arriving ON CONFLICT (_key) DO UPDATE SET {sets};\n\
             INSERT INTO person SELECT citizen_id, _received_us FROM arriving ON CONFLICT DO NOTHING;\nCOMMIT;\n",
            file.display()
        );
    }
    script
}

const PROVENANCE: [&str; 8] = [
    "_key",
    "_exchange",
    "_row",
    "_partner",
    "_leaf",
    "_source_us",
    "_received_us",
    "_hash",
];

fn csv(part: &RecordBatch, before: usize) -> String {
    let mut text = String::new();
    let key = part.schema().index_of("citizen_id").expect("residents have one");
    for row in 0..part.num_rows() {
        for column in 0..part.num_columns() {
            cell(&mut text, part.column(column), row);
            text.push(',');
        }
        cell(&mut text, part.column(key), row);
        let number = before + row + 1;
        let _ = writeln!(
            text,
            ",01900000-0000-7000-8000-000000000001,{number},public-security-city,1,1700000000000000,1700000000000000,\\x{number:032x}"
        );
    }
    text
}

fn cell(text: &mut String, column: &dyn Array, row: usize) {
    if column.is_null(row) {
        return;
    }
    if let Some(strings) = column.as_string_opt::<i32>() {
        let _ = write!(text, "\"{}\"", strings.value(row).replace('"', "\"\""));
    } else if let Some(days) = column.as_primitive_opt::<Date32Type>() {
        let _ = write!(text, "{}", days.value_as_date(row).expect("a day"));
    } else if let Some(micros) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        let moment = jiff::Timestamp::from_microsecond(micros.value(row)).expect("a moment");
        let _ = write!(text, "{moment}");
    } else if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        let _ = write!(text, "{}", numbers.value(row));
    } else {
        let _ = write!(text, "{}", column.as_boolean().value(row));
    }
}
