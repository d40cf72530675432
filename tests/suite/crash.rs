//! kill -9 under load: what was acknowledged is in the registry exactly once, and the log verifies.
//!
//! `SHUGUAN_KILL_ROUNDS` (60 in the gate, 500 in the long lane; on PostgreSQL a quarter) and `SHUGUAN_SEED` choose the run.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rusqlite::OpenFlags;
use shuguan_tests::{Answer, Call, Connection, Deployment, Identity, Postgres, eventually, leaves, run};
use tokio::task::JoinSet;

use crate::feeds::{NDJSON, POLICE, RESIDENT};
use crate::people::citizen;
use crate::random::Random;

const CLIENTS: usize = 6;
pub const TABLE: &str = "public_security_resident";

/// A batch with the key under which it is sent for as long as nobody has answered.
struct Batch {
    key: String,
    body: Bytes,
    rows: u64,
}

impl Batch {
    fn call(&self) -> Call {
        Call::push(RESIDENT, NDJSON, self.body.clone()).header("idempotency-key", &self.key)
    }
}

/// What one client knows of the world; it outlives the gateway.
struct Sender {
    random: Random,
    people: Arc<AtomicU64>,
    /// Sent, perhaps received, not answered.
    open: Option<Batch>,
    /// Answered with 202.
    acknowledged: Vec<(Batch, Answer)>,
}

impl Sender {
    fn new(random: Random, people: &Arc<AtomicU64>) -> Self {
        let (people, acknowledged) = (Arc::clone(people), Vec::new());
        Self {
            random,
            people,
            open: None,
            acknowledged,
        }
    }

    /// Mostly some rows inside the journal; now and then a payload that goes to a file of its own.
    fn fresh(&mut self) -> Batch {
        let large = self.random.below(40) == 0;
        let rows = if large { 200 } else { 1 + self.random.below(5) };
        let first = self.people.fetch_add(rows, Ordering::Relaxed);
        let mut body = String::new();
        for n in first..first + rows {
            let length = if large { 190 } else { 5 };
            let address: String = (0..length)
                .map(|_| char::from_u32(0x4e00 + self.random.below(0x5000) as u32).expect("a character"))
                .collect();
            let line = serde_json::json!({
                "citizen_id": citizen(n), "name": "某某", "hukou_region": "320706", "person_status": "0", "hukou_address": address,
            });
            body.push_str(&format!("{line}\n"));
        }
        let key = format!("{:016x}{:016x}", self.random.next(), self.random.next());
        Batch {
            key,
            body: body.into(),
            rows,
        }
    }

    /// Sends until the connection breaks; an answer other than 202 would be wrong here, or 503 while it stops.
    async fn push_until_cut(&mut self, port: u16, identity: &Identity) {
        let Ok(mut connection) = Connection::open(port, identity).await else {
            return;
        };
        loop {
            let batch = self.open.take().unwrap_or_else(|| self.fresh());
            match connection.send(batch.call()).await {
                Ok(answer) if answer.status == 202 => self.acknowledged.push((batch, answer)),
                Ok(answer) if answer.status == 429 || answer.status == 409 => self.open = Some(batch),
                Ok(answer) => panic!("{}: {:?}", answer.status, answer.body),
                Err(_) => {
                    self.open = Some(batch);
                    return;
                }
            }
        }
    }

    /// Repeats the batch that nobody answered, under its own key.
    async fn settle(&mut self, port: u16, identity: &Identity) {
        if let Some(batch) = self.open.take() {
            let answer = batch.call().send(port, identity).await.unwrap();
            assert_eq!(answer.status, 202, "{:?}", answer.body);
            self.acknowledged.push((batch, answer));
        }
    }
}

pub fn rounds() -> u64 {
    std::env::var("SHUGUAN_KILL_ROUNDS").map_or(12, |rounds| rounds.parse().expect("a number"))
}

/// No limiter in the way, and a relay slow enough to be in the middle of a batch when it dies.
pub fn slow_relay(text: String) -> String {
    let limits = "[limits.default]\nrequests_per_s = 100000\nrequests_burst = 100000\nconcurrent_max = 64\n";
    let text = text.replace("[limits.default]", limits);
    text.replace("#= rows_per_s = 100000\n\n[relay]", "rows_per_s = 3000\n\n[relay]")
}

#[test]
fn every_acknowledged_batch_is_in_the_registry_exactly_once_after_kill_9_at_any_moment() {
    let gateway = Deployment::with(slow_relay);
    killed_at_any_moment("kill -9", &gateway, rounds(), &|| {}, &|| provenance(&gateway));
}

#[test]
fn on_postgresql_too_while_its_own_processes_are_killed() {
    let Some(postgres) = Postgres::start("crash", &[]) else {
        return;
    };
    let gateway = Deployment::on(&postgres, slow_relay);
    // One process of the server that dies makes it end all others and recover.
    let kill = || {
        for pid in postgres.backends().iter().take(1) {
            // It may be gone by now.
            let _ = Command::new("kill").args(["-9", pid]).status();
        }
    };
    let sql = format!("SELECT replace(_exchange::text, '-', ''), count(*) FROM {TABLE} GROUP BY 1");
    let provenance = || {
        let rows = postgres.try_query(&sql).unwrap_or_default();
        let pair = |row: &String| {
            row.split_once('|')
                .map(|(id, rows)| (id.to_owned(), rows.parse().expect("a number")))
        };
        rows.iter().filter_map(pair).collect()
    };
    killed_at_any_moment(
        "kill -9 on PostgreSQL",
        &gateway,
        rounds().div_ceil(4),
        &kill,
        &provenance,
    );
    let doubled = format!("SELECT count(*) - count(DISTINCT citizen_id) FROM {TABLE}");
    assert_eq!(postgres.query(&doubled), ["0"]);
    extract_of_all(&gateway, &postgres);
}

/// What was pushed can be pulled.
fn extract_of_all(gateway: &Deployment, postgres: &Postgres) {
    let running = gateway.serve();
    let arguments = [
        "pull",
        "population",
        "--purpose",
        "enrolment.registration",
        "--case",
        "CRASH-1",
        "--region",
        "320706",
        "-o",
        "people.ndjson",
        "-c",
        "partners/information-centre/client.toml",
    ];
    let (code, out, error) = gateway.shuguan(&arguments);
    assert_eq!(code, 0, "{out}{error}");
    let pulled = std::fs::read_to_string(gateway.path("people.ndjson")).unwrap();
    let there = postgres.query(&format!("SELECT count(*) FROM {TABLE}"));
    assert_eq!(pulled.lines().count().to_string(), there[0]);
    assert_eq!(running.stop(), Some(0));
}

/// `disturb` does harm in the middle of each round; `provenance` tells the rows of each exchange.
fn killed_at_any_moment(
    what: &str,
    gateway: &Deployment,
    rounds: u64,
    disturb: &dyn Fn(),
    provenance: &dyn Fn() -> BTreeMap<String, u64>,
) {
    run(async {
        let mut random = Random::printed(what);
        let identity = gateway.partner(POLICE);
        let people = Arc::new(AtomicU64::new(0));
        let mut senders: Vec<Sender> = (0..CLIENTS).map(|_| Sender::new(random.fork(), &people)).collect();
        for round in 0..rounds {
            if round % 4 == 3 {
                // It dies while it starts and recovers, too.
                let running = gateway.launch(&[]);
                tokio::time::sleep(Duration::from_millis(random.below(120))).await;
                running.kill();
            }
            let running = gateway.serve();
            let mut load = JoinSet::new();
            for mut sender in senders.drain(..) {
                let (port, identity) = (gateway.feed, identity.clone());
                load.spawn(async move {
                    sender.push_until_cut(port, &identity).await;
                    sender
                });
            }
            tokio::time::sleep(Duration::from_millis(20 + random.below(400))).await;
            disturb();
            tokio::time::sleep(Duration::from_millis(random.below(400))).await;
            running.kill();
            senders = load.join_all().await;
            gateway.verified_log();
        }
        let running = gateway.serve();
        for sender in &mut senders {
            sender.settle(gateway.feed, &identity).await;
        }
        let acknowledged: Vec<(Batch, Answer)> = senders.into_iter().flat_map(|sender| sender.acknowledged).collect();
        eprintln!(
            "{} batches acknowledged, {} people",
            acknowledged.len(),
            people.load(Ordering::Relaxed)
        );
        assert!(acknowledged.len() as u64 > rounds, "there was no load");
        in_the_registry_once(provenance, &acknowledged);
        answered_the_same_again(gateway, &identity, &acknowledged, &mut random).await;
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
        sealed_once(gateway, &acknowledged);
    });
}

/// Rows by the exchange that brought them.
fn provenance(gateway: &Deployment) -> BTreeMap<String, u64> {
    let registry = rusqlite::Connection::open_with_flags(gateway.registry(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = format!("SELECT lower(hex(_exchange)), count(*) FROM {TABLE} GROUP BY 1");
    let mut statement = registry.prepare(&sql).unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

fn exchange(answer: &Answer) -> String {
    answer.json()["exchange"].as_str().unwrap().replace('-', "")
}

fn in_the_registry_once(provenance: &dyn Fn() -> BTreeMap<String, u64>, acknowledged: &[(Batch, Answer)]) {
    let expected: BTreeMap<String, u64> = acknowledged
        .iter()
        .map(|(batch, answer)| (exchange(answer), batch.rows))
        .collect();
    assert_eq!(expected.len(), acknowledged.len(), "two batches have one exchange");
    eventually("every acknowledged row is in the registry", 240, || {
        provenance().values().sum::<u64>() >= expected.values().sum()
    });
    // Equal both ways: nothing lost, nothing doubled, and nothing there that nobody was told of.
    assert_eq!(provenance(), expected);
}

async fn answered_the_same_again(
    gateway: &Deployment,
    identity: &Identity,
    acknowledged: &[(Batch, Answer)],
    random: &mut Random,
) {
    for _ in 0..10 {
        let (batch, first) = &acknowledged[random.below(acknowledged.len() as u64) as usize];
        let again = batch.call().send(gateway.feed, identity).await.unwrap();
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("idempotency-replayed"), "true");
    }
}

fn sealed_once(gateway: &Deployment, acknowledged: &[(Batch, Answer)]) {
    let log = leaves(&gateway.journal());
    let of = |kind: &str| {
        let found: Vec<String> = log
            .iter()
            .filter(|leaf| leaf["k"] == kind)
            .map(|leaf| leaf["x"].as_str().unwrap().replace('-', ""))
            .collect();
        let unlike: BTreeSet<String> = found.iter().cloned().collect();
        assert_eq!(found.len(), unlike.len(), "a second `{kind}` leaf");
        unlike
    };
    let told: BTreeSet<String> = acknowledged.iter().map(|(_, answer)| exchange(answer)).collect();
    assert_eq!(of("push"), told);
    assert_eq!(of("relayed"), told);
}
