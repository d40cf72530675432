//! kill -9 while upserts, deltas and snapshots are mixed: the registry ends as if each acknowledged batch had been taken once, in order.
//!
//! Each client has a county of its own, which its snapshots state as their scope, and waits for each answer: so its batches have an order, and
//! the simplest model of them is a set. A quarter of `SHUGUAN_KILL_ROUNDS`, and `SHUGUAN_SEED`, as in `crash`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::OpenFlags;
use serde_json::{Value, json};
use shuguan_tests::{Call, Connection, Deployment, Identity, Postgres, eventually, leaves, run};
use tokio::task::JoinSet;

use crate::crash::{rounds, slow_relay};
use crate::feeds::{NDJSON, POLICE, RESIDENT};
use crate::load::TABLE;
use crate::people::citizen;
use crate::random::Random;

const COUNTIES: [&str; 4] = ["320703", "320706", "320707", "320722"];
/// People of one county.
const PEOPLE: u64 = 60;

#[derive(Clone)]
struct Batch {
    key: String,
    mode: &'static str,
    county: usize,
    /// People that it holds, and people that it deletes.
    puts: BTreeSet<u64>,
    deletes: BTreeSet<u64>,
    body: Bytes,
}

impl Batch {
    fn call(&self) -> Call {
        let call = Call::push(RESIDENT, NDJSON, self.body.clone())
            .header("idempotency-key", &self.key)
            .header("exchange-mode", self.mode);
        if self.mode != "snapshot" {
            return call;
        }
        call.header("exchange-scope", &format!("hukou_region={}", COUNTIES[self.county]))
            .header("exchange-count", &self.puts.len().to_string())
    }
}

struct Sender {
    random: Random,
    county: usize,
    open: Option<Batch>,
    acknowledged: Vec<Batch>,
}

impl Sender {
    fn fresh(&mut self) -> Batch {
        let mode = ["upsert", "delta", "delta", "snapshot"][self.random.below(4) as usize];
        let most = if mode == "snapshot" { PEOPLE } else { 6 };
        let mut pick = |most: u64| -> BTreeSet<u64> {
            let count = 1 + self.random.below(most);
            (0..count).map(|_| self.random.below(PEOPLE)).collect()
        };
        let puts = pick(most);
        let mut deletes = if mode == "delta" { pick(6) } else { BTreeSet::new() };
        deletes.retain(|person| !puts.contains(person));
        let mut body = String::new();
        let name = ["某某", "某甲"][self.random.below(2) as usize];
        for person in &puts {
            let mut line = self.line(*person);
            line["name"] = name.into();
            if mode == "delta" {
                line["op"] = "U".into();
            }
            body.push_str(&format!("{line}\n"));
        }
        for person in &deletes {
            let line = json!({ "op": "D", "citizen_id": self.id(*person) });
            body.push_str(&format!("{line}\n"));
        }
        Batch {
            key: format!("{:016x}{:016x}", self.random.next(), self.random.next()),
            mode,
            county: self.county,
            puts,
            deletes,
            body: body.into(),
        }
    }

    fn id(&self, person: u64) -> String {
        citizen(self.county as u64 * PEOPLE + person)
    }

    fn line(&self, person: u64) -> Value {
        json!({ "citizen_id": self.id(person), "name": "某某", "hukou_region": COUNTIES[self.county], "person_status": "0" })
    }

    async fn push_until_cut(&mut self, port: u16, identity: &Identity) {
        let Ok(mut connection) = Connection::open(port, identity).await else {
            return;
        };
        loop {
            let batch = self.open.take().unwrap_or_else(|| self.fresh());
            match connection.send(batch.call()).await {
                Ok(answer) if answer.status == 202 => self.acknowledged.push(batch),
                Ok(answer) if answer.status == 429 || answer.status == 409 => self.open = Some(batch),
                Ok(answer) => panic!("{}: {:?}", answer.status, answer.body),
                Err(_) => {
                    self.open = Some(batch);
                    return;
                }
            }
        }
    }

    async fn settle(&mut self, port: u16, identity: &Identity) {
        if let Some(batch) = self.open.take() {
            let answer = batch.call().send(port, identity).await.unwrap();
            assert_eq!(answer.status, 202, "{:?}", answer.body);
            self.acknowledged.push(batch);
        }
    }

    /// Whose rows are open after all batches, and whose are there at all.
    fn model(&self) -> BTreeMap<String, bool> {
        let mut people: BTreeMap<u64, bool> = BTreeMap::new();
        for batch in &self.acknowledged {
            if batch.mode == "snapshot" {
                people.values_mut().for_each(|open| *open = false);
            }
            // What was deleted before it came has a row that is closed.
            people.extend(batch.deletes.iter().map(|person| (*person, false)));
            people.extend(batch.puts.iter().map(|person| (*person, true)));
        }
        people
            .into_iter()
            .map(|(person, open)| (self.id(person), open))
            .collect()
    }
}

/// Snapshots may close whatever they lack.
fn unlimited(text: String) -> String {
    slow_relay(text).replace("#= snapshot_close_percent_max = 10", "snapshot_close_percent_max = 100")
}

#[test]
fn modes_mixed_end_as_if_each_acknowledged_batch_was_taken_once_and_in_order() {
    let gateway = Deployment::with(unlimited);
    let states = || {
        let path = gateway.registry();
        let registry = rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut statement = registry
            .prepare(&format!("SELECT citizen_id, _open <> 0 FROM {TABLE}"))
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    killed_while_mixed("kill -9, modes mixed", &gateway, rounds().div_ceil(4), &|| {}, &states);
}

#[test]
fn modes_mixed_end_so_on_postgresql_while_its_own_processes_are_killed() {
    let Some(postgres) = Postgres::start("crash-modes", &[]) else {
        return;
    };
    let gateway = Deployment::on(&postgres, unlimited);
    let kill = || {
        for pid in postgres.backends().iter().take(1) {
            // It may be gone by now.
            let _ = Command::new("kill").args(["-9", pid]).status();
        }
    };
    let states = || {
        let rows = postgres.try_query(&format!("SELECT citizen_id, (_open <> 0)::int FROM {TABLE}"));
        let pair = |row: &String| row.split_once('|').map(|(id, open)| (id.to_owned(), open == "1"));
        rows.unwrap_or_default().iter().filter_map(pair).collect()
    };
    killed_while_mixed(
        "kill -9 on PostgreSQL, modes mixed",
        &gateway,
        rounds().div_ceil(8),
        &kill,
        &states,
    );
}

fn killed_while_mixed(
    what: &str,
    gateway: &Deployment,
    rounds: u64,
    disturb: &dyn Fn(),
    states: &dyn Fn() -> BTreeMap<String, bool>,
) {
    run(async {
        let mut random = Random::printed(what);
        let identity = gateway.partner(POLICE);
        let mut senders: Vec<Sender> = (0..COUNTIES.len())
            .map(|county| Sender {
                random: random.fork(),
                county,
                open: None,
                acknowledged: Vec::new(),
            })
            .collect();
        for _ in 0..rounds {
            let running = gateway.serve();
            let mut load = JoinSet::new();
            for mut sender in senders.drain(..) {
                let (port, identity) = (gateway.feed, identity.clone());
                load.spawn(async move {
                    sender.push_until_cut(port, &identity).await;
                    sender
                });
            }
            tokio::time::sleep(Duration::from_millis(20 + random.below(300))).await;
            disturb();
            tokio::time::sleep(Duration::from_millis(random.below(300))).await;
            running.kill();
            senders = load.join_all().await;
        }
        let running = gateway.serve();
        for sender in &mut senders {
            sender.settle(gateway.feed, &identity).await;
        }
        let acknowledged: usize = senders.iter().map(|sender| sender.acknowledged.len()).sum();
        eprintln!("{acknowledged} batches acknowledged");
        assert!(acknowledged as u64 > rounds, "there was no load");
        let of = |kind: &str| {
            leaves(&gateway.journal())
                .into_iter()
                .filter(|leaf| leaf["k"] == kind)
                .collect::<Vec<_>>()
        };
        // A snapshot takes three turns, each with syncs of its own: on a busy disk some dozen a second.
        let patience = 120.max(acknowledged as u64 / 10);
        eventually("every acknowledged batch is relayed", patience, || {
            of("relayed").len() >= acknowledged
        });
        let expected: BTreeMap<String, bool> = senders.iter().flat_map(Sender::model).collect();
        assert_eq!(states(), expected);
        // What the leaves count adds up to what is open: nothing was taken twice.
        let relayed = of("relayed");
        assert_eq!((relayed.len(), of("push").len()), (acknowledged, acknowledged));
        let sum = |name: &str| relayed.iter().map(|leaf| leaf[name].as_u64().unwrap_or(0)).sum::<u64>();
        let open = expected.values().filter(|open| **open).count() as u64;
        assert_eq!(sum("ins") - sum("del"), open);
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}
