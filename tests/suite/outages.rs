//! A registry that is away: its server gone, standing still, or cut off in the middle of a COMMIT. Feeds go on being accepted, and afterwards each row
//! is there once.
//!
//! `SHUGUAN_CUTS` (30 in the gate, 200 in the long lane), `SHUGUAN_OUTAGE_S` (8 and 300 seconds; standing still a fifth of it, at most 30) and
//! `SHUGUAN_SEED` choose the run.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use shuguan_tests::signed::content_digest;
use shuguan_tests::{Call, Cut, Deployment, Identity, Postgres, Running, eventually, run, status_kib};
use tokio::task::JoinSet;

use crate::crash::slow_relay;
use crate::feeds::{NDJSON, POLICE, RESIDENT, clean};
use crate::load::{Sender, TABLE, in_the_registry_once, provenance_on, sealed_once, settled};
use crate::random::Random;

const CLIENTS: usize = 4;
/// Exchanges a second of all clients.
const RATE: u64 = 200;
/// What `slow_relay` allows the relay, rows a second, and the most that one turn moves beyond it.
const RELAY_RATE: f64 = 3_000.0;
const TURN_ROWS: f64 = 8_192.0;
/// What the gateway's memory may grow by meanwhile.
const GROWTH_KIB: u64 = 64 << 10;

fn setting(name: &str, standard: u64) -> u64 {
    std::env::var(name).map_or(standard, |value| value.parse().expect("a number"))
}

fn outage() -> Duration {
    Duration::from_secs(setting("SHUGUAN_OUTAGE_S", 8))
}

fn senders(random: &mut Random) -> Vec<Sender> {
    let people = Arc::new(AtomicU64::new(0));
    (0..CLIENTS).map(|_| Sender::new(random.fork(), &people)).collect()
}

/// `RATE` exchanges a second for so long; whoever is not answered with 202 fails the test.
async fn load(senders: Vec<Sender>, gateway: &Deployment, identity: &Identity, time: Duration) -> Vec<Sender> {
    let every = Duration::from_secs(CLIENTS as u64) / RATE as u32;
    let mut load = JoinSet::new();
    for mut sender in senders {
        let (port, identity) = (gateway.feed, identity.clone());
        load.spawn(async move {
            sender.push_steadily(port, &identity, every, time).await;
            sender
        });
    }
    load.join_all().await
}

/// What must hold when everybody has been told and the server is back.
async fn nothing_lost_nothing_doubled(
    gateway: &Deployment,
    (running, postgres): (Running<'_>, &Postgres),
    senders: Vec<Sender>,
    identity: &Identity,
) {
    let acknowledged = settled(senders, gateway.feed, identity).await;
    in_the_registry_once(&|| provenance_on(postgres), &acknowledged);
    let all_relayed = || {
        running
            .health("/metrics")
            .is_some_and(|(_, text)| text.contains("shuguan_inbox_exchanges 0"))
    };
    eventually("every batch has its leaf", 60, all_relayed);
    assert_eq!(running.stop(), Some(0));
    gateway.verified_log();
    sealed_once(gateway, &acknowledged);
    let doubled = format!("SELECT count(*) - count(DISTINCT citizen_id) FROM {TABLE}");
    assert_eq!(postgres.query(&doubled), ["0"]);
}

#[test]
fn a_commit_whose_answer_is_lost_neither_loses_nor_doubles_a_row() {
    let Some(postgres) = Postgres::start("cut", &[]) else {
        return;
    };
    let cut = Cut::to(&postgres.address());
    let gateway = Deployment::at(&cut.address(&postgres.address()), slow_relay);
    run(async {
        let mut random = Random::printed("cuts at COMMIT");
        let identity = gateway.partner(POLICE);
        let running = gateway.serve();
        let (cuts, mut senders) = (setting("SHUGUAN_CUTS", 30), senders(&mut random));
        cut.arm(cuts);
        let patience = Instant::now() + Duration::from_secs(30 + 3 * cuts);
        while cut.cuts() < cuts {
            assert!(Instant::now() < patience, "{} of {cuts} cuts", cut.cuts());
            senders = load(senders, &gateway, &identity, Duration::from_millis(500)).await;
        }
        nothing_lost_nothing_doubled(&gateway, (running, &postgres), senders, &identity).await;
    });
    assert!(
        gateway.log().contains("relaying failed; it is tried again"),
        "the relay noticed nothing"
    );
}

/// The outcome of such a COMMIT is unknown to the gateway: it ends, and the next start reads what is there.
#[test]
fn a_commit_of_the_journal_whose_answer_is_lost_ends_the_gateway_and_loses_and_doubles_nothing() {
    let Some(postgres) = Postgres::start("cut-journal", &[]) else {
        return;
    };
    let cut = Cut::to(&postgres.address());
    let gateway = Deployment::both_at(&postgres, &cut, slow_relay);
    run(async {
        let mut random = Random::printed("cuts at COMMIT of the journal");
        let identity = gateway.partner(POLICE);
        let mut senders = senders(&mut random);
        for _ in 0..setting("SHUGUAN_CUTS", 30).div_ceil(5) {
            let running = gateway.serve();
            cut.arm(1);
            let mut load = JoinSet::new();
            for mut sender in senders.drain(..) {
                let (port, identity) = (gateway.feed, identity.clone());
                load.spawn(async move {
                    sender.push_until_stopped(port, &identity).await;
                    sender
                });
            }
            assert_ne!(
                running.ended(),
                Some(0),
                "it went on with a journal that it knows nothing of"
            );
            senders = load.join_all().await;
            gateway.verified_log();
        }
        let running = gateway.serve();
        nothing_lost_nothing_doubled(&gateway, (running, &postgres), senders, &identity).await;
    });
}

#[test]
fn feeds_are_accepted_while_the_registry_is_down_and_it_has_each_row_once_when_it_is_back() {
    let Some(postgres) = Postgres::start("down", &[]) else {
        return;
    };
    let way = Cut::to(&postgres.address());
    let gateway = Deployment::at(&way.address(&postgres.address()), slow_relay);
    run(async {
        let mut random = Random::printed("registry down");
        let identity = gateway.partner(POLICE);
        let running = gateway.serve();
        // Caches fill, pools grow.
        let senders = load(senders(&mut random), &gateway, &identity, Duration::from_secs(2)).await;
        let before_kib = status_kib(running.pid(), "VmRSS:").expect("a process");
        way.close(true);
        let there = provenance_on(&postgres).values().sum::<u64>();
        let senders = load(senders, &gateway, &identity, outage()).await;
        assert_eq!(provenance_on(&postgres).values().sum::<u64>(), there, "it is not down");
        let (_, metrics) = running.health("/metrics").expect("an answer");
        assert!(metrics.contains("shuguan_relay_failures_total"), "{metrics}");
        way.close(false);
        let back = Instant::now();
        let sent: u64 = senders
            .iter()
            .flat_map(|sender| &sender.acknowledged)
            .map(|(batch, _)| batch.rows)
            .sum();
        let all_in = || provenance_on(&postgres).values().sum::<u64>() >= sent;
        eventually("all is in", 60 + 2 * outage().as_secs(), all_in);
        let (rows, seconds) = ((sent - there) as f64, back.elapsed().as_secs_f64());
        let grown_kib = status_kib(running.pid(), "VmRSS:")
            .expect("a process")
            .saturating_sub(before_kib);
        eprintln!(
            "{rows} rows waited; then {:.0} rows/s; memory grew by {grown_kib} KiB",
            rows / seconds
        );
        assert!(
            rows - TURN_ROWS <= RELAY_RATE * 1.05 * seconds,
            "{rows} rows in {seconds} s: over the limit"
        );
        assert!(grown_kib < GROWTH_KIB, "{grown_kib} KiB");
        nothing_lost_nothing_doubled(&gateway, (running, &postgres), senders, &identity).await;
    });
}

#[test]
fn a_server_that_stands_still_holds_up_no_sender_and_nothing_is_doubled_when_it_goes_on() {
    let Some(postgres) = Postgres::start("still", &[]) else {
        return;
    };
    let gateway = Deployment::on(&postgres, slow_relay);
    run(async {
        let mut random = Random::printed("registry stands still");
        let identity = gateway.partner(POLICE);
        let running = gateway.serve();
        let senders = load(senders(&mut random), &gateway, &identity, Duration::from_secs(1)).await;
        let processes = postgres.processes();
        let signal = |name: &str| {
            // One that comes and goes, as an autovacuum worker, may have ended since.
            let done = Command::new("kill").arg(format!("-{name}")).args(&processes).output();
            done.expect("kill runs");
        };
        signal("STOP");
        let still = (outage() / 5).clamp(Duration::from_secs(2), Duration::from_secs(30));
        let senders = load(senders, &gateway, &identity, still).await;
        signal("CONT");
        nothing_lost_nothing_doubled(&gateway, (running, &postgres), senders, &identity).await;
    });
}

/// What the gateway says of its journal is so at each look, also while nobody pushes.
#[test]
fn a_journal_that_is_not_reached_or_stands_still_is_told_at_once_and_no_longer_than_it_is_so() {
    let Some(postgres) = Postgres::start("journal-light", &[]) else {
        return;
    };
    let cut = Cut::to(&postgres.address());
    let gateway = Deployment::both_at(&postgres, &cut, |text| text);
    run(async {
        let identity = gateway.partner(POLICE);
        let running = gateway.serve();
        let ready = || running.health("/readyz").is_some_and(|(status, _)| status == 200);
        let metric = |value: u8| {
            let told = format!("shuguan_journal_commits {value}");
            running.health("/metrics").is_some_and(|(_, text)| text.contains(&told))
        };
        eventually("it is ready", 20, ready);
        cut.close(true);
        eventually("one that is not reached is told", 12, || !ready());
        assert!(metric(0));
        // So large that its key is looked for before anything is decoded.
        let body = clean(RESIDENT, NDJSON, 300, 1);
        let digest = content_digest(&body);
        let call = Call::push(RESIDENT, NDJSON, body).header("content-digest", &digest);
        let answer = running.call(call, &identity).await.expect("an answer");
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (503, &"SG5101".into())
        );
        assert!(answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
        cut.close(false);
        eventually("it goes on by itself", 20, ready);
        assert!(metric(1));
        let processes = postgres.processes();
        let signal = |name: &str| {
            let done = Command::new("kill").arg(format!("-{name}")).args(&processes).output();
            done.expect("kill runs");
        };
        signal("STOP");
        eventually("one that stands still is told", 15, || !ready());
        signal("CONT");
        eventually("it goes on once more", 30, ready);
        assert_eq!(running.stop(), Some(0));
    });
}
