//! kill -9 under load: what was acknowledged is in the registry exactly once, and the log verifies.
//!
//! `SHUGUAN_KILL_ROUNDS` (60 in the gate, 500 in the long lane; on PostgreSQL a quarter) and `SHUGUAN_SEED` choose the run.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shuguan_tests::{Deployment, Postgres, run};
use tokio::task::JoinSet;

use crate::feeds::POLICE;
use crate::load::{
    Sender, TABLE, answered_the_same_again, in_the_registry_once, proved_by_the_log, provenance, provenance_on,
    sealed_once, settled,
};
use crate::random::Random;

const CLIENTS: usize = 6;
/// The whole log is verified after each of the first rounds, and then, because it grows with each, only now and then: what a round did to it is still there
/// in the next.
const EACH_ROUND: u64 = 60;
const THEN_EVERY: u64 = 10;

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
    killed_at_any_moment("kill -9 on PostgreSQL", &gateway, rounds().div_ceil(4), &kill, &|| {
        provenance_on(&postgres)
    });
    let doubled = format!("SELECT count(*) - count(DISTINCT citizen_id) FROM {TABLE}");
    assert_eq!(postgres.query(&doubled), ["0"]);
    extract_of_all(&gateway, &postgres);
}

#[test]
fn with_the_journal_on_postgresql_too_every_receipt_verifies_after_kill_9_at_any_moment() {
    let Some(postgres) = Postgres::start("both", &[]) else {
        return;
    };
    let gateway = Deployment::both_on(&postgres, slow_relay);
    let provenance = || provenance_on(&postgres);
    killed_at_any_moment(
        "kill -9, both on PostgreSQL",
        &gateway,
        rounds().div_ceil(4),
        &|| {},
        &provenance,
    );
    let doubled = format!("SELECT count(*) - count(DISTINCT citizen_id) FROM {TABLE}");
    assert_eq!(postgres.query(&doubled), ["0"]);
    let (code, out, error) = gateway.shuguan(&["db", "fsck", "-c", "shuguan.toml"]);
    assert_eq!(code, 0, "{out}{error}");
    assert!(
        !gateway.path("journal/journal.db-wal").exists(),
        "the file that `init` made is not used"
    );
    let (code, _, error) = gateway.shuguan(&["db", "backup", "copy", "-c", "shuguan.toml"]);
    assert!(code == 1 && error.contains("pg_dump"), "{error}");
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
            if round < EACH_ROUND || round % THEN_EVERY == 0 {
                gateway.verified_log();
            }
        }
        let running = gateway.serve();
        let acknowledged = settled(senders, gateway.feed, &identity).await;
        eprintln!(
            "{} batches acknowledged, {} people",
            acknowledged.len(),
            people.load(Ordering::Relaxed)
        );
        assert!(acknowledged.len() as u64 > rounds, "there was no load");
        in_the_registry_once(provenance, &acknowledged);
        proved_by_the_log(gateway, &acknowledged);
        answered_the_same_again(gateway, &identity, &acknowledged, &mut random).await;
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
        sealed_once(gateway, &acknowledged);
    });
}
