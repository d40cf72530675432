//! The relay against a real registry: order, exactly once, back-off, setting aside, pace, shutdown.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Backlog, Inbox, InboxFault, InboxItem, Outcome, Pace, RelaySettings, RelayState, RelayStatus, run};
use crate::clock::Clock;
use crate::registry::Registry;
use crate::registry::tests::fixture::{ANNA, BORIS, DEATH, Place, RESIDENT, kept, whole};

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    items: Vec<(InboxItem, Vec<RecordBatch>)>,
    sealed: Vec<(Uuid, Outcome)>,
    aside: Vec<(Uuid, &'static str)>,
    reads: Vec<(Uuid, u32)>,
    lose_leaves: u32,
    fail_reads: u32,
}

impl Fake {
    fn put(&self, leaf: u64, record: &str, parts: Vec<RecordBatch>) {
        let item = InboxItem {
            exchange: Uuid::from_u128(u128::from(leaf)),
            leaf_index: leaf,
            record: record.into(),
            partner: "public-security-city".into(),
            received_us: i64::try_from(leaf).unwrap(),
            parts: u32::try_from(parts.len()).unwrap(),
        };
        self.0.lock().unwrap().items.push((item, parts));
    }

    async fn until(&self, done: impl Fn(&State) -> bool) {
        for _ in 0..2_000 {
            if done(&self.0.lock().unwrap()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        unreachable!("the relay did not get there");
    }
}

impl Inbox for Fake {
    async fn next_inbox(&self) -> Result<Option<InboxItem>, InboxFault> {
        Ok(self.0.lock().unwrap().items.first().map(|(item, _)| item.clone()))
    }

    async fn read_part(&self, item: &InboxItem, number: u32) -> Result<RecordBatch, InboxFault> {
        let mut state = self.0.lock().unwrap();
        if state.fail_reads > 0 {
            state.fail_reads -= 1;
            return Err(InboxFault { of_batch: false });
        }
        state.reads.push((item.exchange, number));
        Ok(state.items[0].1[number as usize].clone())
    }

    async fn relayed(&self, item: &InboxItem, outcome: Outcome) -> Result<(), InboxFault> {
        let mut state = self.0.lock().unwrap();
        if state.lose_leaves > 0 {
            state.lose_leaves -= 1;
            return Err(InboxFault { of_batch: false });
        }
        state.items.remove(0);
        state.sealed.push((item.exchange, outcome));
        Ok(())
    }

    async fn set_aside(&self, exchange: Uuid, code: &'static str) -> Result<(), InboxFault> {
        let mut state = self.0.lock().unwrap();
        state.items.remove(0);
        state.aside.push((exchange, code));
        Ok(())
    }

    async fn erase_due(&self, _now_us: i64, _hold_us: i64) -> Result<(), InboxFault> {
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, InboxFault> {
        let exchanges = self.0.lock().unwrap().items.len() as u64;
        Ok(Backlog {
            exchanges,
            ..Backlog::default()
        })
    }
}

struct Running {
    tasks: JoinSet<Result<(), super::RelayFault>>,
    shutdown: CancellationToken,
    status: RelayStatus,
}

impl Running {
    fn start(inbox: &Fake, registry: &Registry, settings: RelaySettings) -> Self {
        let (shutdown, status) = (CancellationToken::new(), RelayStatus::default());
        let mut tasks = JoinSet::new();
        let worker = run(
            inbox.clone(),
            registry.clone(),
            settings,
            Clock::system(),
            status.clone(),
            shutdown.clone(),
        );
        tasks.spawn(worker);
        Self {
            tasks,
            shutdown,
            status,
        }
    }

    async fn stop(mut self) -> Result<(), super::RelayFault> {
        self.shutdown.cancel();
        self.tasks.join_next().await.unwrap().unwrap()
    }
}

fn quick() -> RelaySettings {
    RelaySettings {
        rows_per_s: None,
        idle_ms: 5,
        retry_first_ms: 1,
        retry_max_ms: 4,
        attempts_max: 3,
        ..RelaySettings::default()
    }
}

fn one(id: &str, name: &str) -> RecordBatch {
    whole(&RESIDENT, &[&[id, name, "-", "-", "-"]])
}

#[tokio::test]
async fn exchanges_are_relayed_oldest_first_and_each_gets_one_leaf_with_its_counts() {
    let (place, registry) = Place::with(&kept(&[&RESIDENT]));
    let inbox = Fake::default();
    inbox.put(1, RESIDENT.name, vec![one(ANNA, "甲"), one(BORIS, "乙")]);
    inbox.put(2, RESIDENT.name, vec![one(ANNA, "丙")]);
    let running = Running::start(&inbox, &registry, quick());
    inbox.until(|state| state.sealed.len() == 2).await;
    let sealed = inbox.0.lock().unwrap().sealed.clone();
    assert_eq!(
        (sealed[0].0, sealed[0].1.counts.ins, sealed[0].1.parts),
        (Uuid::from_u128(1), 2, 2)
    );
    assert_eq!((sealed[1].1.counts.upd, sealed[1].1.counts.rows()), (1, 1));
    let status = running.status.clone();
    running.stop().await.unwrap();
    let snapshot = status.snapshot(Clock::system().now_us());
    assert_eq!(
        (snapshot.rows_total, snapshot.exchanges_total, snapshot.state),
        (3, 2, RelayState::Stopped)
    );
    assert_eq!(
        place.query("SELECT name FROM public_security_resident ORDER BY name"),
        ["丙", "乙"]
    );
}

#[tokio::test]
async fn rows_committed_without_a_leaf_get_the_leaf_and_are_not_written_again() {
    let tables = kept(&[&RESIDENT]);
    let (place, registry) = Place::with(&tables);
    let inbox = Fake::default();
    inbox.put(1, RESIDENT.name, vec![one(ANNA, "甲"), one(BORIS, "乙")]);
    inbox.0.lock().unwrap().lose_leaves = u32::MAX;
    let running = Running::start(&inbox, &registry, quick());
    inbox
        .until(|state| state.reads.len() == 2 && state.lose_leaves < u32::MAX)
        .await;
    running.stop().await.unwrap();
    registry.close().await;
    // A new start: both parts are in.
    inbox.0.lock().unwrap().lose_leaves = 0;
    let registry = place.open(&tables);
    let running = Running::start(&inbox, &registry, quick());
    inbox.until(|state| state.sealed.len() == 1).await;
    running.stop().await.unwrap();
    let state = inbox.0.lock().unwrap();
    assert_eq!((state.sealed[0].1.counts.ins, state.reads.len()), (2, 2));
}

#[tokio::test]
async fn a_start_after_part_k_goes_on_with_the_next_part() {
    let tables = kept(&[&RESIDENT]);
    let (place, registry) = Place::with(&tables);
    let first = crate::registry::tests::fixture::part(&RESIDENT, 1, 0, one(ANNA, "甲"));
    registry.merge(first).await.unwrap();
    drop(registry);
    let registry = place.open(&tables);
    let inbox = Fake::default();
    inbox.put(1, RESIDENT.name, vec![one(ANNA, "甲"), one(BORIS, "乙")]);
    let running = Running::start(&inbox, &registry, quick());
    inbox.until(|state| state.sealed.len() == 1).await;
    running.stop().await.unwrap();
    let state = inbox.0.lock().unwrap();
    assert_eq!(state.reads, [(Uuid::from_u128(1), 1)]);
    assert_eq!((state.sealed[0].1.counts.ins, state.sealed[0].1.parts), (2, 2));
}

#[tokio::test]
async fn a_batch_that_the_registry_refuses_is_set_aside_after_some_tries_and_the_next_goes_on() {
    let (_place, registry) = Place::with(&kept(&[&RESIDENT]));
    let inbox = Fake::default();
    inbox.put(1, DEATH.name, vec![whole(&DEATH, &[&[ANNA, "-", "-"]])]);
    inbox.put(2, RESIDENT.name, vec![one(ANNA, "甲")]);
    let running = Running::start(&inbox, &registry, quick());
    inbox.until(|state| state.sealed.len() == 1).await;
    assert_eq!(running.status.snapshot(0).set_aside_total, 1);
    running.stop().await.unwrap();
    let state = inbox.0.lock().unwrap();
    assert_eq!(state.aside, [(Uuid::from_u128(1), "SG6208")]);
    assert_eq!(
        state
            .reads
            .iter()
            .filter(|(exchange, _)| *exchange == Uuid::from_u128(1))
            .count(),
        3
    );
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_waited_for_and_blames_no_batch() {
    let (_place, registry) = Place::with(&kept(&[&RESIDENT]));
    let inbox = Fake::default();
    inbox.put(1, RESIDENT.name, vec![one(ANNA, "甲")]);
    inbox.0.lock().unwrap().fail_reads = 10;
    let running = Running::start(&inbox, &registry, quick());
    inbox.until(|state| state.sealed.len() == 1).await;
    running.stop().await.unwrap();
    assert!(inbox.0.lock().unwrap().aside.is_empty());
}

#[tokio::test]
async fn a_locked_registry_is_waited_for_and_shutdown_ends_the_wait() {
    let mut place = Place::new();
    place.settings.busy_timeout_ms = 1;
    Registry::create(&place.settings, &kept(&[&RESIDENT])).unwrap();
    let registry = place.open(&kept(&[&RESIDENT]));
    let other = rusqlite::Connection::open(&place.settings.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let inbox = Fake::default();
    inbox.put(1, RESIDENT.name, vec![one(ANNA, "甲")]);
    let mut settings = quick();
    settings.retry_first_ms = 60_000;
    settings.retry_max_ms = 60_000;
    let running = Running::start(&inbox, &registry, settings);
    while running.status.snapshot(0).last_error != Some("SG6214") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(running.status.snapshot(0).state, RelayState::Waiting);
    running.stop().await.unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    let running = Running::start(&inbox, &registry, quick());
    inbox.until(|state| state.sealed.len() == 1).await;
    running.stop().await.unwrap();
    assert!(inbox.0.lock().unwrap().aside.is_empty());
}

#[tokio::test]
async fn a_registry_whose_writer_is_gone_ends_the_relay() {
    let (_place, registry) = Place::with(&kept(&[&RESIDENT]));
    registry.clone().close().await;
    let inbox = Fake::default();
    inbox.put(1, RESIDENT.name, vec![one(ANNA, "甲")]);
    let mut running = Running::start(&inbox, &registry, quick());
    let ended = running.tasks.join_next().await.unwrap().unwrap();
    assert_eq!(ended.unwrap_err().code(), "SG6212");
}

#[tokio::test]
async fn rows_go_no_faster_than_the_rate_even_above_the_burst() {
    let rate = |rows: u32| NonZeroU32::new(rows).unwrap();
    let pace = Pace::new(Some(rate(1_000)), rate(100));
    let began = Instant::now();
    pace.rows(350).await;
    // 100 at once, 250 at 1,000 a second.
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(240), "{took:?}");
    let free = Pace::new(None, rate(1));
    free.rows(u64::MAX).await;
}
