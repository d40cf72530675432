//! A journal and a clock that a test drives.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use shuguan_ledger::leaf::{Event, Leaf, StopEvent};
use tempfile::TempDir;

use super::neighbour::{Neighbour, section};
use super::{NOON, ORIGIN, SECOND};
use crate::clock::Clock;
use crate::journal::{Journal, JournalSettings, Outcome, Query, Secret};
use crate::witnessing::Witnessing;

/// A journal and a clock that the test drives.
pub(super) struct Bench {
    pub(super) folder: TempDir,
    pub(super) now: Arc<AtomicI64>,
    pub(super) clock: Clock,
    pub(super) journal: Option<Journal>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let now = Arc::new(AtomicI64::new(NOON));
        let clock = clock_of(&now);
        let mut bench = Self {
            folder,
            now,
            clock,
            journal: None,
        };
        Journal::create(&bench.settings("a")).unwrap();
        bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
        bench
    }

    /// Every journal here has the same key.
    pub(super) fn settings(&self, name: &str) -> JournalSettings {
        let (log, kek) = (Secret::new([1; 32]), Secret::new([2; 32]));
        JournalSettings::at(self.folder.path().join(name), ORIGIN, log, kek)
    }

    pub(super) fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    pub(super) fn wait(&self, seconds: i64) {
        self.now.fetch_add(seconds * SECOND, Ordering::Relaxed);
    }

    pub(super) async fn round(&self, witnessing: &Witnessing) {
        witnessing.round(self.journal(), &self.clock).await;
    }

    pub(super) async fn seal(&self, leaves: usize) {
        for _ in 0..leaves {
            seal(self.journal()).await;
        }
    }

    pub(super) async fn leaves(&self, kind: &str) -> Vec<Event> {
        let query = Query {
            kind: Some(kind.into()),
            ..Query::default()
        };
        let rows = self.journal().search(query).await.unwrap();
        rows.iter()
            .rev()
            .map(|row| Leaf::decode(&row.bytes).unwrap().event)
            .collect()
    }

    pub(super) async fn restored(&self, neighbours: &[&Neighbour], quorum: usize) -> Witnessing {
        let witnessing = Witnessing::open(&section(neighbours, quorum)).unwrap();
        witnessing.restore(self.journal(), self.clock.now_us()).await.unwrap();
        witnessing
    }
}

pub(super) fn clock_of(now: &Arc<AtomicI64>) -> Clock {
    let now = Arc::clone(now);
    Clock::from_fn(move || now.load(Ordering::Relaxed))
}

/// The one key of a log that never changed it.
pub(super) fn vkey(journal: &Journal) -> String {
    journal.log_keys().spans()[0].key().vkey()
}

pub(super) async fn seal(journal: &Journal) {
    let event = Event::Stop(StopEvent { reason: "x".into() });
    assert!(matches!(journal.seal_own(event).await, Ok(Outcome::Sealed(_))));
}
