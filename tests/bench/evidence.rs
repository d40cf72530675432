//! What evidence costs: mutually signed one-record exchanges a second at 128 connections, and durable leaves a second with 1,024 waiting.
//!
//! A signed exchange is a push that its sender signs (Ed25519, RFC 9421, a nonce of its own) to a gateway that requires it, and whose answer the gateway signs; everything else is as
//! in `exchange`, closed loop. It goes over HTTP/1.1, as `shuguan push` and most agencies' programs send, one request at a time on a connection; beside it over HTTP/2. Its limits, of the
//! same run: a bare request over the same kind of connection, and the same push unsigned. The first answer of each connection is verified, of every
//! other the signature has to be there.
//!
//! Leaves are sealed by the journal itself, in this process: bytes, hash, tiles, signed checkpoint, commit, and the receipt of each. Its limit is what SQLite commits in groups of as many
//! rows of as many bytes, with the same settings, on the same disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use shuguan::clock::Clock;
use shuguan::journal::{Entry, Journal, JournalSettings, Outcome, Secret};
use shuguan_ledger::leaf::{Event, Leaf, StopEvent};
use shuguan_ledger::receipt::Receipt;
use shuguan_tests::signed::{self, Manner, Signer};
use shuguan_tests::{Answer, Call, Deployment};

use crate::Size;
use crate::client::{Connection, Partner, Protocol, full};
use crate::feed::{CSV_GB18030, PARTNER, PURPOSE, RECORD, pieces};
use crate::gateway::signing_deployment;
use crate::table::{Aim, Line, Table};
use crate::timing::{Spread, percentile_ms};

const CONNECTIONS: usize = 128;
const WAITING: usize = 1_024;
const BARE: &str = "/log/checkpoint";
/// Rows of the raw loop are as long as the leaves.
const RAW_GROUP: usize = WAITING;

pub fn measure(size: Size, table: &mut Table) {
    exchanges(size, table);
    leaves(size, table);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Bare,
    Unsigned,
    Signed,
    /// The same over HTTP/2.
    SignedTwo,
}

impl What {
    fn protocol(self) -> Protocol {
        match self {
            Self::Bare | Self::Unsigned | Self::Signed => Protocol::One,
            Self::SignedTwo => Protocol::Two,
        }
    }
}

/// Rate and waits of one kind.
#[derive(Default)]
struct Figures {
    rate: Spread,
    p50: Spread,
    p99: Spread,
}

fn exchanges(size: Size, table: &mut Table) {
    let bodies: Arc<[Bytes]> = pieces(20_000, 20_000, 7).into_iter().map(Bytes::from).collect();
    let [mut bare, mut unsigned, mut signed, mut signed_two]: [Figures; 4] = Default::default();
    for _ in 0..size.turns {
        // Who must sign cannot push unsigned, so each kind has a gateway of its own.
        for (required, kinds) in [
            (false, &[What::Bare, What::Unsigned][..]),
            (true, &[What::Signed, What::SignedTwo][..]),
        ] {
            let deployment = signing_deployment(required);
            let _running = deployment.serve();
            for what in kinds {
                let (time, figures) = match what {
                    What::Bare => (size.exchange_time / 4, &mut bare),
                    What::Unsigned => (size.exchange_time, &mut unsigned),
                    What::Signed => (size.exchange_time, &mut signed),
                    What::SignedTwo => (size.exchange_time, &mut signed_two),
                };
                let (mut waits, seconds) = shuguan_tests::run(load(&deployment, *what, time, &bodies));
                waits.sort_unstable();
                figures.rate.push(waits.len() as f64 / seconds);
                figures.p50.push(percentile_ms(&waits, 50));
                figures.p99.push(percentile_ms(&waits, 99));
            }
        }
    }
    let what = format!("mutually signed one-record exchanges, {CONNECTIONS} connections");
    table.add(Line {
        what: what.clone(),
        unit: "per second",
        measured: signed.rate.clone(),
        peer: Some((format!("bare mTLS GET {BARE}"), bare.rate)),
        aim: Aim::AtLeast(3_000.0),
    });
    table.add(Line {
        what: what.clone(),
        unit: "per second",
        measured: signed.rate,
        peer: Some(("the same unsigned".into(), unsigned.rate)),
        aim: Aim::None,
    });
    table.add(Line {
        what: format!("{what}, HTTP/2"),
        unit: "per second",
        measured: signed_two.rate,
        peer: None,
        aim: Aim::None,
    });
    for (name, ours, theirs) in [("p50", signed.p50, unsigned.p50), ("p99", signed.p99, unsigned.p99)] {
        table.add(Line {
            what: format!("{what}: {name}"),
            unit: "ms",
            measured: ours,
            peer: Some(("unsigned".into(), theirs)),
            aim: Aim::None,
        });
    }
}

/// Waits of all requests, and seconds passed.
async fn load(deployment: &Deployment, what: What, time: Duration, bodies: &Arc<[Bytes]>) -> (Vec<Duration>, f64) {
    let partner = Partner::of(deployment).speaking(what.protocol());
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(partner.connect().await);
    }
    let receipt_pem = std::fs::read_to_string(deployment.path("trust/receipt.pem")).expect("the receipt key");
    let begun = Instant::now();
    let loops: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(place, connection)| {
            let sender = Sender {
                connection,
                signer: Signer::of_kit(&deployment.path("partners").join(PARTNER)),
                port: deployment.feed,
                receipt_pem: receipt_pem.clone(),
            };
            let (bodies, until) = (Arc::clone(bodies), begun + time);
            tokio::spawn(async move { sender.closed_loop(what, until, &bodies, place).await })
        })
        .collect();
    let mut waits = Vec::new();
    for one in loops {
        waits.append(&mut one.await.expect("a loop that ends"));
    }
    (waits, begun.elapsed().as_secs_f64())
}

/// One connection of a partner that signs.
struct Sender {
    connection: Connection,
    signer: Signer,
    port: u16,
    receipt_pem: String,
}

impl Sender {
    async fn closed_loop(mut self, what: What, until: Instant, bodies: &[Bytes], from: usize) -> Vec<Duration> {
        let content_type = CSV_GB18030.content_type();
        let mut waits = Vec::new();
        let mut bodies = bodies.iter().cycle().skip(from * 97);
        while Instant::now() < until {
            let asked = Instant::now();
            match what {
                What::Bare => {
                    let (status, _) = self.connection.get(BARE).await;
                    assert!(status.is_success(), "{status}");
                }
                What::Unsigned => {
                    let body = bodies.next().expect("a body");
                    self.connection.push(&content_type, full(body.clone())).await;
                }
                What::Signed | What::SignedTwo => {
                    let body = bodies.next().expect("a body");
                    self.push(&content_type, body, waits.is_empty()).await;
                }
            }
            waits.push(asked.elapsed());
        }
        waits
    }

    async fn push(&mut self, content_type: &str, body: &Bytes, verified: bool) {
        let call = Call::push(RECORD, content_type, body.clone()).header("exchange-purpose", PURPOSE);
        let call = self.signer.sign(call, self.port, &Manner::push());
        let mut request = self.connection.request(Method::POST, call.path());
        for (name, value) in call.headers() {
            request = request.header(name, value);
        }
        let request = request.body(full(body.clone())).expect("a request");
        let (parts, body) = self.connection.answer(request).await;
        assert!(parts.status.is_success(), "{}", String::from_utf8_lossy(&body));
        assert!(parts.headers.contains_key("signature"), "the answer is signed");
        if verified {
            let answer = Answer {
                status: parts.status,
                headers: parts.headers,
                body,
            };
            signed::verify_answer(&answer, &call, self.port, &self.receipt_pem, "shuguan-push-answer-1");
        }
    }
}

fn leaves(size: Size, table: &mut Table) {
    let [mut ours, mut waits, mut raw]: [Spread; 3] = Default::default();
    for _ in 0..size.turns {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("raw.db");
        raw.push(raw_groups(&file, size.exchange_time / 4));
        let (rate, p50) = sealed(&folder.path().join("journal"), size.exchange_time);
        ours.push(rate);
        waits.push(p50);
    }
    table.add(Line {
        what: format!("durable leaves with receipts, {WAITING} waiting"),
        unit: "per second",
        measured: ours,
        peer: Some((format!("SQLite, commits of {RAW_GROUP} rows of as many bytes"), raw)),
        aim: Aim::AtLeast(20_000.0),
    });
    table.note(format!("the same, {WAITING} waiting: p50"), "ms", waits);
}

fn event() -> Event {
    let reason = "bench".into();
    Event::Stop(StopEvent { reason })
}

/// Leaves a second, and their median wait; the last receipt is verified.
fn sealed(folder: &std::path::Path, time: Duration) -> (f64, f64) {
    let settings = JournalSettings::at(folder, "bench.example/log", Secret::new([7; 32]), Secret::new([2; 32]));
    Journal::create(&settings).expect("a journal");
    let journal = Journal::open(&settings, Clock::system()).expect("an open journal");
    let count = Arc::new(AtomicU64::new(0));
    let (mut waits, seconds, receipt) = shuguan_tests::run(async {
        let begun = Instant::now();
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let (journal, count) = (journal.clone(), Arc::clone(&count));
                tokio::spawn(async move { one_waiter(&journal, begun + time, &count).await })
            })
            .collect();
        let (mut waits, mut last) = (Vec::new(), String::new());
        for one in waiting {
            let (own, receipt) = one.await.expect("a waiter that ends");
            waits.extend(own);
            last = receipt;
        }
        let seconds = begun.elapsed().as_secs_f64();
        journal.close().await.expect("a journal that closes");
        (waits, seconds, last)
    });
    let proven = Receipt::parse(&receipt).map(|receipt| receipt.leaf).expect("a receipt");
    assert!(Leaf::decode(&proven).is_ok(), "its leaf is a leaf");
    waits.sort_unstable();
    let rate = count.load(Ordering::Relaxed) as f64 / seconds;
    (rate, percentile_ms(&waits, 50))
}

async fn one_waiter(journal: &Journal, until: Instant, count: &AtomicU64) -> (Vec<Duration>, String) {
    let (mut waits, mut receipt) = (Vec::new(), String::new());
    while receipt.is_empty() || Instant::now() < until {
        let asked = Instant::now();
        match journal.seal(Entry::new(uuid::Uuid::new_v4(), event())).await {
            Ok(Outcome::Sealed(sealed)) => receipt = sealed.receipt,
            other => panic!("{other:?}"),
        }
        count.fetch_add(1, Ordering::Relaxed);
        waits.push(asked.elapsed());
    }
    (waits, receipt)
}

/// Rows a second that SQLite commits in groups, each row as long as a leaf.
fn raw_groups(file: &std::path::Path, time: Duration) -> f64 {
    let mut database = rusqlite::Connection::open(file).expect("a database");
    database
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE leaf (idx INTEGER PRIMARY KEY, bytes BLOB)")
        .expect("a table");
    let leaf = Leaf::new(0, "gw1", "boot", event()).encode().expect("a leaf");
    let (begun, mut rows) = (Instant::now(), 0_u64);
    while rows == 0 || begun.elapsed() < time {
        let transaction = database.transaction().expect("a transaction");
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO leaf (bytes) VALUES (?1)")
                .expect("a statement");
            for _ in 0..RAW_GROUP {
                insert.execute([&leaf]).expect("a row");
            }
        }
        transaction.commit().expect("a commit");
        rows += RAW_GROUP as u64;
    }
    rows as f64 / begun.elapsed().as_secs_f64()
}
