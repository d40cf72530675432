//! How many rows a second come in and are relayed, by the size of a batch and the number of agencies that push at once.
//!
//! Each agency has one connection and sends its next batch when it has the answer to the last, for a fixed time; then the run waits until everything is
//! relayed. Rows of the time until the last answer, and of the time until the last `relayed`. A gateway of its own for each cell.

use std::time::{Duration, Instant};

use bytes::Bytes;
use shuguan_adapters::catalogue::record_type;
use shuguan_tests::{Deployment, Postgres};

use crate::Size;
use crate::client::{Partner, exchange_of, full};
use crate::feed::{CSV_GB18030, FEEDS, Feed, pieces_of};
use crate::gateway::{deployment, deployment_on};
use crate::table::{Aim, Line, Table};
use crate::timing::Spread;

const BATCH_ROWS: [u64; 3] = [1, 100, 10_000];
const AGENCIES: [usize; 3] = [1, 2, 4];
/// Batches that an agency has at hand; used up, they come again and change nothing in the registry.
const BATCHES: u64 = 400;
const ROWS_MAX: u64 = 200_000;

pub fn measure(size: Size, postgres: bool, table: &mut Table) {
    let server = postgres.then(|| Postgres::start("batches", &crate::relay_postgres::SERVER));
    let server = server.flatten();
    for rows in BATCH_ROWS {
        for agencies in AGENCIES {
            let deployment = match &server {
                Some(server) => {
                    server.script("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CHECKPOINT;");
                    deployment_on(server)
                }
                None => deployment(),
            };
            let cell = shuguan_tests::run(cell(&deployment, &FEEDS[..agencies], rows, size.exchange_time));
            table.add(Line {
                what: format!("batches of {rows}, {agencies} agencies at once: until `relayed`"),
                unit: "rows/s",
                measured: Spread::of([cell.rows / cell.relayed_s]),
                peer: Some(("until the last 202".into(), Spread::of([cell.rows / cell.accepted_s]))),
                aim: Aim::None,
            });
        }
    }
}

struct Cell {
    rows: f64,
    accepted_s: f64,
    relayed_s: f64,
}

async fn cell(deployment: &Deployment, feeds: &[Feed], rows: u64, time: Duration) -> Cell {
    let running = deployment.serve();
    let begun = Instant::now();
    let mut agencies = Vec::new();
    for feed in feeds {
        let record = record_type(feed.record).expect("a record type");
        let batches = BATCHES.min(ROWS_MAX / rows);
        let batches = pieces_of(record, rows * batches, batches, 11);
        let batches: Vec<Bytes> = batches.into_iter().map(Bytes::from).collect();
        let partner = Partner::named(deployment, feed.partner);
        agencies.push((partner, feed.record, batches));
    }
    let prepared_s = begun.elapsed().as_secs_f64();
    let until = Instant::now() + time;
    let loops: Vec<_> = agencies
        .into_iter()
        .map(|(partner, record, batches)| tokio::spawn(agency(partner, record, batches, until)))
        .collect();
    let mut ended = Vec::new();
    for one in loops {
        ended.push(one.await.expect("a loop that ends"));
    }
    let accepted_s = begun.elapsed().as_secs_f64() - prepared_s;
    let mut taken = 0;
    for (partner, rows, last) in ended {
        taken += rows;
        partner.relayed(&last).await;
    }
    let relayed_s = begun.elapsed().as_secs_f64() - prepared_s;
    drop(running);
    Cell {
        rows: taken as f64,
        accepted_s,
        relayed_s,
    }
}

/// Pushes until the time is over; gives its rows and its last exchange, which is relayed after all others of its.
async fn agency(partner: Partner, record: &'static str, batches: Vec<Bytes>, until: Instant) -> (Partner, u64, String) {
    let mut connection = partner.connect().await;
    let content_type = CSV_GB18030.content_type();
    let (mut rows, mut last) = (0, String::new());
    for batch in batches.iter().cycle() {
        if Instant::now() >= until && !last.is_empty() {
            break;
        }
        let answer = connection
            .push_as(record, &content_type, &[], full(batch.clone()))
            .await;
        let (exchange, accepted) = exchange_of(&answer);
        (rows, last) = (rows + accepted, exchange);
    }
    (partner, rows, last)
}
