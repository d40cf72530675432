//! How many durable one-record exchanges a second, at 1 and at 64 connections, closed loop: each connection sends its next push when it has the
//! answer to the last.
//!
//! Everything is on: policy, encryption, commitments, leaf, receipt, idempotency, and the relay into the registry. Beside it, on the same server and the same
//! kind of connection, the smallest route that does nothing durable, and an append with fdatasync in the same folder. The load comes from
//! this process, on the same cores.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use shuguan_tests::{Deployment, Running};

use crate::Size;
use crate::client::{Connection, Partner, full};
use crate::feed::{CSV_GB18030, pieces};
use crate::gateway::deployment;
use crate::machine::core_seconds;
use crate::table::{Aim, Line, Table};
use crate::timing::{Spread, percentile_ms};

const CONNECTIONS: [usize; 2] = [1, 64];
/// A route behind the gate that answers from memory.
const BARE: &str = "/log/checkpoint";

/// One kind of exchange at one number of connections.
#[derive(Default)]
struct Figures {
    rate: Spread,
    p50: Spread,
    p99: Spread,
    core: Spread,
}

pub fn measure(size: Size, table: &mut Table) {
    let bodies: Arc<[Bytes]> = pieces(20_000, 20_000, 7).into_iter().map(Bytes::from).collect();
    let mut pushes: [Figures; 2] = Default::default();
    let mut bares: [Figures; 2] = Default::default();
    let (mut sync_rate, mut sync_p50) = (Spread::default(), Spread::default());
    for _ in 0..size.turns {
        let deployment = deployment();
        let running = deployment.serve();
        let (rate, p50) = fdatasync_loop(&deployment, size.exchange_time / 4);
        sync_rate.push(rate);
        sync_p50.push(p50);
        for (place, connections) in CONNECTIONS.into_iter().enumerate() {
            let bench = Bench {
                deployment: &deployment,
                running: &running,
                connections,
                bodies: &bodies,
            };
            bench.run(What::Bare, size.exchange_time / 4, &mut bares[place]);
            bench.run(What::Push, size.exchange_time, &mut pushes[place]);
        }
    }
    for (place, connections) in CONNECTIONS.into_iter().enumerate() {
        report(table, connections, &pushes[place], &bares[place]);
    }
    let sum = Spread::of([bares[0].p50.median() + sync_p50.median()]);
    table.add(Line {
        what: "p50 of an exchange at 1 connection".into(),
        unit: "ms",
        measured: pushes[0].p50.clone(),
        peer: Some(("bare request + one fdatasync".into(), sum)),
        aim: Aim::RatioAtMost(1.5),
    });
    table.note(
        "append 200 B + fdatasync in the same folder, one thread",
        "per second",
        sync_rate,
    );
    table.note("the same, p50", "ms", sync_p50);
}

fn report(table: &mut Table, connections: usize, push: &Figures, bare: &Figures) {
    let what = format!("durable one-record exchanges, {connections} connection(s)");
    table.add(Line {
        what: what.clone(),
        unit: "per second",
        measured: push.rate.clone(),
        peer: Some((format!("bare mTLS GET {BARE}"), bare.rate.clone())),
        aim: if connections == 64 {
            Aim::AtLeast(5_000.0)
        } else {
            Aim::None
        },
    });
    for (name, ours, theirs) in [("p50", &push.p50, &bare.p50), ("p99", &push.p99, &bare.p99)] {
        table.add(Line {
            what: format!("{what}: {name}"),
            unit: "ms",
            measured: ours.clone(),
            peer: Some(("bare".into(), theirs.clone())),
            aim: Aim::None,
        });
    }
    table.add(Line {
        what: format!("{what}: core time of the gateway"),
        unit: "µs each",
        measured: push.core.clone(),
        peer: Some(("bare".into(), bare.core.clone())),
        aim: Aim::None,
    });
}

#[derive(Clone, Copy)]
enum What {
    Bare,
    Push,
}

struct Bench<'b> {
    deployment: &'b Deployment,
    running: &'b Running<'b>,
    connections: usize,
    bodies: &'b Arc<[Bytes]>,
}

impl Bench<'_> {
    fn run(&self, what: What, time: Duration, figures: &mut Figures) {
        let (mut waits, seconds, core) = shuguan_tests::run(self.load(what, time));
        waits.sort_unstable();
        figures.rate.push(waits.len() as f64 / seconds);
        figures.p50.push(percentile_ms(&waits, 50));
        figures.p99.push(percentile_ms(&waits, 99));
        figures.core.push(core * 1e6 / waits.len() as f64);
    }

    /// Waits of all requests, seconds passed, core seconds of the gateway.
    async fn load(&self, what: What, time: Duration) -> (Vec<Duration>, f64, f64) {
        let partner = Partner::of(self.deployment);
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(partner.connect().await);
        }
        let next = Arc::new(AtomicUsize::new(0));
        let core = core_seconds(self.running.pid());
        let begun = Instant::now();
        let loops: Vec<_> = connections
            .into_iter()
            .map(|connection| {
                let (bodies, next) = (Arc::clone(self.bodies), Arc::clone(&next));
                tokio::spawn(closed_loop(connection, what, begun + time, bodies, next))
            })
            .collect();
        let mut waits = Vec::new();
        for one in loops {
            waits.append(&mut one.await.expect("a loop that ends"));
        }
        let seconds = begun.elapsed().as_secs_f64();
        (waits, seconds, core_seconds(self.running.pid()) - core)
    }
}

async fn closed_loop(
    mut connection: Connection,
    what: What,
    until: Instant,
    bodies: Arc<[Bytes]>,
    next: Arc<AtomicUsize>,
) -> Vec<Duration> {
    let content_type = CSV_GB18030.content_type();
    let mut waits = Vec::new();
    while Instant::now() < until {
        let asked = Instant::now();
        match what {
            What::Bare => {
                let (status, _) = connection.get(BARE).await;
                assert!(status.is_success(), "{status}");
            }
            What::Push => {
                let place = next.fetch_add(1, Ordering::Relaxed) % bodies.len();
                connection.push(&content_type, full(bodies[place].clone())).await;
            }
        }
        waits.push(asked.elapsed());
    }
    waits
}

/// Appends a second and their median wait.
fn fdatasync_loop(deployment: &Deployment, time: Duration) -> (f64, f64) {
    let mut file = std::fs::File::create(deployment.path("journal/fdatasync")).expect("a file");
    let begun = Instant::now();
    let mut waits = Vec::new();
    while begun.elapsed() < time {
        let asked = Instant::now();
        file.write_all(&[7; 200]).expect("a write");
        file.sync_data().expect("a sync");
        waits.push(asked.elapsed());
    }
    let rate = waits.len() as f64 / begun.elapsed().as_secs_f64();
    waits.sort_unstable();
    (rate, percentile_ms(&waits, 50))
}
