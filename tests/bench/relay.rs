//! How fast rows come from a push into the SQLite registry, beside the same released parts merged from memory into a registry of the same
//! tables and pragmas, and beside the usual way, row by row.
//!
//! The gateway is pushed several feeds, one after the other on one connection, and is done when the last one is `relayed`. Every turn has
//! a new gateway and a new registry, and the two take turns, so that both meet the same machine.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use bytes::Bytes;
use shuguan::registry::{Ahead, Missing, Part, Registry, RegistrySettings};
use shuguan_adapters::decode::{DecodeLimits, Decoder};
use shuguan_policies::{KeyRing, Plan, PolicySet};
use shuguan_tests::{Deployment, Running};
use uuid::Uuid;

use crate::Size;
use crate::client::{Partner, exchange_of, full};
use crate::feed::{CSV_GB18030, PARTNER, RECORD, pieces, resident};
use crate::gateway::deployment;
use crate::machine::core_seconds;
use crate::row_by_row;
use crate::table::{Aim, Line, Table};
use crate::timing::Spread;

const TODAY: i32 = 20_800;

pub fn measure(size: Size, table: &mut Table) {
    let policies = example();
    let feeds = pieces(size.relay_rows, size.relay_pushes, 3);
    let feeds: Vec<Bytes> = feeds.into_iter().map(Bytes::from).collect();
    let parts: Vec<Vec<RecordBatch>> = feeds.iter().map(|feed| released(&policies, feed)).collect();
    let rows: usize = parts.iter().flatten().map(RecordBatch::num_rows).sum();
    let rate = |seconds: f64| rows as f64 / seconds;
    let [mut pushed, mut accepted, mut merged, mut singly, mut core] = [const { Spread::new() }; 5];
    for _ in 0..size.turns {
        singly.push(rate(one_by_one(&policies, &parts)));
        merged.push(rate(from_memory(&policies, &parts)));
        let push = shuguan_tests::run(push(&feeds, rows as u64));
        pushed.push(rate(push.relayed));
        accepted.push(rate(push.accepted));
        core.push(push.core * 1e6 / rows as f64);
    }
    let what = format!("{rows} residents in {} pushes, GB18030 CSV", size.relay_pushes);
    table.add(Line {
        what: format!("push to registry: {what}, until `relayed`"),
        unit: "rows/s",
        measured: pushed.clone(),
        peer: Some(("the same parts merged from memory".into(), merged)),
        aim: Aim::RatioAtLeast(0.8),
    });
    table.add(Line {
        what: "the same".into(),
        unit: "rows/s",
        measured: pushed,
        peer: Some((
            "rusqlite, one upsert a row, no history and no comparison".into(),
            singly,
        )),
        aim: Aim::None,
    });
    table.note("the same, until the last 202", "rows/s", accepted);
    table.note("the same, core time of the gateway", "µs/row", core);
}

pub fn example() -> PolicySet {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
    PolicySet::load(&folder).expect("the example loads")
}

fn plan(policies: &PolicySet) -> &Arc<Plan> {
    let plan = policies.plans().find(|plan| plan.target().name() == RECORD);
    plan.expect("the example has a plan for residents")
}

/// What the gateway hands to its registry.
pub fn released(policies: &PolicySet, feed: &[u8]) -> Vec<RecordBatch> {
    let plan = plan(policies);
    let keys = KeyRing::from_master(&[7; 32]);
    let limits = DecodeLimits::default();
    let mut decoder = Decoder::new(resident(), plan.wanted(), &CSV_GB18030, limits, TODAY);
    let mut parts = Vec::new();
    let mut drain = |decoder: &mut Decoder| {
        while let Some(part) = decoder.next_part() {
            parts.push(plan.release(&part, &keys, TODAY).expect("the plan fits").batch);
        }
    };
    for frame in feed.chunks(1 << 16) {
        decoder.feed(frame).expect("a readable feed");
        drain(&mut decoder);
    }
    let _ = decoder.finish().expect("a readable feed");
    drain(&mut decoder);
    parts
}

/// Seconds to write the rows of the parts one by one into a new registry.
fn one_by_one(policies: &PolicySet, pushes: &[Vec<RecordBatch>]) -> f64 {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let file = folder.path().join("registry.db");
    let tables = shuguan::serve::tables(policies).expect("tables of the example");
    Registry::create(&RegistrySettings::at(&file), &tables).expect("a registry");
    row_by_row::seconds(&file, &pushes.concat())
}

/// Seconds to merge the parts into a new registry.
fn from_memory(policies: &PolicySet, pushes: &[Vec<RecordBatch>]) -> f64 {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let settings = RegistrySettings::at(folder.path().join("registry.db"));
    let tables = shuguan::serve::tables(policies).expect("tables of the example");
    Registry::create(&settings, &tables).expect("a registry");
    let registry = Registry::open(&settings, tables, Missing::Refuse).expect("a registry");
    shuguan_tests::run(async {
        let begun = Instant::now();
        for (leaf, parts) in (1_u64..).zip(pushes) {
            let exchange = Uuid::new_v4();
            for (number, batch) in (0_u32..).zip(parts) {
                let part = Part {
                    snapshot: false,
                    confirm: false,
                    exchange,
                    number,
                    parts: parts.len() as u32,
                    leaf,
                    record: RECORD.into(),
                    partner: PARTNER.into(),
                    received_us: 1_700_000_000_000_000,
                    batch: batch.clone(),
                    ahead: Ahead::default(),
                };
                let merged = registry.merge(part).await.expect("a merge");
                assert_eq!(merged.counts.rows(), batch.num_rows() as u64);
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        registry.close().await;
        seconds
    })
}

/// Seconds of one turn.
pub struct Pushed {
    pub accepted: f64,
    pub relayed: f64,
    pub core: f64,
}

async fn push(feeds: &[Bytes], rows: u64) -> Pushed {
    let deployment = deployment();
    let running = deployment.serve();
    push_to(&deployment, &running, feeds, rows).await
}

pub async fn push_to(deployment: &Deployment, running: &Running<'_>, feeds: &[Bytes], rows: u64) -> Pushed {
    let partner = Partner::of(deployment);
    let mut connection = partner.connect().await;
    let core = core_seconds(running.pid());
    let begun = Instant::now();
    let (mut last, mut taken) = (String::new(), 0);
    for feed in feeds {
        let answer = connection.push(&CSV_GB18030.content_type(), full(feed.clone())).await;
        let (exchange, accepted) = exchange_of(&answer);
        last = exchange;
        taken += accepted;
    }
    let accepted = begun.elapsed().as_secs_f64();
    assert_eq!(taken, rows, "the gateway took other rows");
    // The relay goes in order of the leaves.
    partner.relayed(&last).await;
    Pushed {
        accepted,
        relayed: begun.elapsed().as_secs_f64(),
        core: core_seconds(running.pid()) - core,
    }
}
