//! Batches and recalls that come at any moment of a snapshot's end: turn by turn, and at each the registry ends as if they had come in their turn.

use std::time::Duration;

use arrow_array::RecordBatch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::worker::Worker;
use super::super::{RelaySettings, RelayStatus};
use super::{Inbox, quick};
use crate::clock::Clock;
use crate::registry::tests::closing::acts;
use crate::registry::tests::fixture::{RESIDENT, kept, whole};
use crate::registry::tests::store::{Place, Store, on_both_stores};

on_both_stores! {
    a_batch_that_is_let_go_at_any_moment_of_a_snapshots_end_is_closed_by_it,
    what_a_recall_opens_at_any_moment_of_a_snapshots_end_is_closed_by_it,
}

/// More turns than the end of the snapshot takes: three strides of three keys are counted.
const MOMENTS: usize = 7;

fn id(number: usize) -> String {
    format!("32070618800101{number:03}0")
}

fn city(numbers: impl Iterator<Item = usize>) -> RecordBatch {
    let ids: Vec<String> = numbers.map(id).collect();
    let rows: Vec<[&str; 5]> = ids.iter().map(|id| [id.as_str(), "甲", "-", "-", "-"]).collect();
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 5]>::as_slice).collect();
    whole(&RESIDENT, &rows)
}

/// A relay that works when it is told to.
pub(super) struct Bench {
    pub(super) place: Place,
    pub(super) inbox: Inbox,
    pub(super) worker: Worker,
}

impl Bench {
    pub(super) fn new(store: Store) -> Self {
        let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
        let inbox = Inbox::beside(&place);
        let settings = RelaySettings {
            snapshot_close_percent_max: 100,
            ..quick()
        };
        let control = (RelayStatus::default(), CancellationToken::new());
        let worker = Worker::new(inbox.journal.clone(), registry, settings, Clock::system(), control);
        Self { place, inbox, worker }
    }

    pub(super) async fn turns(&mut self, count: usize) {
        for _ in 0..count {
            let rest = self.worker.turn().await.unwrap();
            tokio::time::sleep(rest.min(Duration::from_millis(6))).await;
        }
    }

    /// Until nothing waits.
    pub(super) async fn until_idle(&mut self) {
        for _ in 0..200 {
            self.turns(1).await;
            if self.inbox.journal.lanes().await.unwrap().is_empty() {
                return;
            }
        }
        unreachable!("the relay does not end");
    }

    async fn aside(&self, batch: RecordBatch) -> Uuid {
        let exchange = self.inbox.put(RESIDENT.name, vec![batch]).await;
        assert!(self.inbox.journal.set_aside(exchange, "SG6208").await.unwrap());
        exchange
    }

    pub(super) async fn snapshot(&self, batch: RecordBatch) {
        self.inbox.put_as(RESIDENT.name, vec![batch], Some("snapshot")).await;
    }

    fn closed(&self) -> Vec<String> {
        self.place
            .query("SELECT citizen_id FROM public_security_resident WHERE _open = 0 ORDER BY citizen_id")
    }
}

async fn a_batch_that_is_let_go_at_any_moment_of_a_snapshots_end_is_closed_by_it(store: Store) {
    for moment in 0..MOMENTS {
        let mut bench = Bench::new(store);
        bench.inbox.put(RESIDENT.name, vec![city(10..17)]).await;
        bench.until_idle().await;
        // It brings one that stands before all others, and one behind them.
        let aside = bench.aside(city([1, 11, 30].into_iter())).await;
        bench.snapshot(city(10..17)).await;
        bench.turns(moment).await;
        assert!(bench.inbox.release(aside).await);
        bench.until_idle().await;
        assert_eq!(bench.closed(), [id(1), id(30)], "let go after {moment} turns");
        let relayed = bench.inbox.relayed().await;
        assert_eq!(relayed.len(), 3);
        let snapshot = relayed.iter().find(|event| event.del.is_some()).unwrap();
        // Who was there when it closed was closed by it; who came later came closed.
        assert!(matches!(snapshot.del, Some(0 | 2)), "{:?}", snapshot.del);
    }
}

async fn what_a_recall_opens_at_any_moment_of_a_snapshots_end_is_closed_by_it(store: Store) {
    for moment in 0..MOMENTS {
        let mut bench = Bench::new(store);
        bench.inbox.put(RESIDENT.name, vec![city(10..17)]).await;
        let deletes = acts(2, &[("D", [&id(12), "-", "-", "-", "-"])]).batch;
        let wrong = bench.inbox.put_as(RESIDENT.name, vec![deletes], Some("delta")).await;
        bench.until_idle().await;
        assert_eq!(bench.closed(), [id(12)]);
        bench.snapshot(city((10..17).filter(|number| *number != 12))).await;
        bench.turns(moment).await;
        assert!(bench.inbox.recall(wrong).await);
        bench.worker.recalls.look_at_us = 0;
        bench.until_idle().await;
        while bench.inbox.recalled().is_empty() {
            bench.turns(1).await;
        }
        assert_eq!(bench.closed(), [id(12)], "recalled after {moment} turns");
    }
}
