//! A journal beside a registry, and a relay between them, for tests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow_array::RecordBatch;
use shuguan_ledger::leaf::{
    Commitment, Digest, Event, Leaf, OperatorEvent, PushEvent, RecallEvent, Reference, RelayedEvent,
};
use shuguan_ledger::tree::leaf_hash;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::Clock;
use crate::journal::{Entry, Evidence, Journal, JournalPlace, JournalSettings, Outcome, Query, Reader, Secret};
use crate::postgres::link::run_once;
use crate::postgres::stores;
use crate::registry::Registry;
use crate::registry::tests::fixture::{RESIDENT, whole};
use crate::registry::tests::store::{Place, Store};
use crate::relay::{RelayFault, RelaySettings, RelayStatus, run};

/// A journal beside a registry; the exchanges that are put there carry rising ids.
pub(super) struct Inbox {
    pub(super) journal: Journal,
    pub(super) settings: JournalSettings,
    pub(super) put: AtomicU64,
}

impl Inbox {
    pub(super) fn beside(place: &Place) -> Self {
        Self::on(Store::Sqlite, place)
    }

    /// The journal on that store too.
    pub(super) fn on(store: Store, place: &Place) -> Self {
        let folder = place.folder.path().join("journal");
        let mut settings = JournalSettings::at(folder, "gw1.example/log", Secret::new([1; 32]), Secret::new([2; 32]));
        if store == Store::Postgres {
            settings.place = JournalPlace::Postgres(Box::new(stores::database("journal")));
        }
        Journal::create(&settings).unwrap();
        let journal = Journal::open(&settings, Clock::system()).unwrap();
        Self {
            journal,
            settings,
            put: AtomicU64::new(0),
        }
    }

    pub(super) async fn put(&self, record: &str, parts: Vec<RecordBatch>) -> Uuid {
        self.put_as(record, parts, None).await
    }

    /// With a mode that is not the usual one: `delta` or `snapshot`.
    pub(super) async fn put_as(&self, record: &str, parts: Vec<RecordBatch>, mode: Option<&str>) -> Uuid {
        let number = self.put.fetch_add(1, Ordering::Relaxed) + 1;
        let exchange = Uuid::from_u128(number.into());
        let mut payload = self.journal.begin_payload(exchange, parts[0].schema()).unwrap();
        for part in &parts {
            payload.push(part).unwrap();
        }
        let payload = payload.finish().unwrap();
        let mut entry = Entry::new(exchange, push(exchange, record, payload.rows(), mode));
        entry.payload = Some(payload);
        let sealed = self.journal.seal(entry).await.unwrap();
        assert!(matches!(sealed, Outcome::Sealed(_)));
        exchange
    }

    /// Ends the journal, runs statements past it, and opens it again.
    pub(super) async fn tampered(mut self, statements: &str) -> Self {
        self.journal.close().await.unwrap();
        match &self.settings.place {
            JournalPlace::File(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.execute_batch(statements).unwrap();
            }
            JournalPlace::Postgres(server) => run_once(server, statements).unwrap(),
        }
        self.journal = Journal::open(&self.settings, Clock::system()).unwrap();
        self
    }

    /// An operator lets a batch that was set aside wait again. False: it was not.
    pub(super) async fn release(&self, exchange: Uuid) -> bool {
        let event = OperatorEvent::of_act("op", "released-again", Some(exchange.to_string()), None);
        self.journal.operate(Some(exchange), event).await.unwrap().is_some()
    }

    /// The `relayed` leaves, oldest first.
    pub(super) async fn relayed(&self) -> Vec<RelayedEvent> {
        let query = Query {
            kind: Some("relayed".into()),
            ..Query::default()
        };
        let rows = self.journal.search(query).await.unwrap();
        let events = rows
            .into_iter()
            .rev()
            .map(|row| match Leaf::decode(&row.bytes).unwrap().event {
                Event::Relayed(event) => event,
                other => unreachable!("{other:?}"),
            });
        events.collect()
    }

    pub(super) async fn until_relayed(&self, count: usize) -> Vec<RelayedEvent> {
        for _ in 0..2_000 {
            let relayed = self.relayed().await;
            if relayed.len() >= count {
                return relayed;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        unreachable!("the relay did not get there");
    }
}

pub(super) fn push(exchange: Uuid, record: &str, rows: u64, mode: Option<&str>) -> Event {
    let snapshot = mode == Some("snapshot");
    Event::Push(PushEvent {
        x: exchange.to_string(),
        p: "public-security-city".into(),
        cert: Digest([0; 32]),
        rec: record.into(),
        pur: "enrolment.registration".into(),
        agr: "A-1".into(),
        plan: Digest([0; 32]),
        bun: Digest([0; 32]),
        fmt: "csv+utf-8".into(),
        r#in: rows,
        ok: rows,
        rej: 0,
        fil: 0,
        rep: 0,
        bytes: 1,
        cols: Digest([0; 32]),
        nc: 5,
        req: Commitment([0; 32]),
        mode: mode.map(str::to_owned),
        sco: snapshot.then(|| "all".into()),
        cnt: snapshot.then_some(rows),
        lay: None,
        con: None,
        qua: None,
        ix: None,
    })
}

impl Inbox {
    /// Recalls a push of this partner; false when it was recalled before.
    pub(super) async fn recall(&self, push: Uuid) -> bool {
        let view = self.journal.exchange(push).await.unwrap().unwrap();
        let of = Reference {
            i: view.index,
            h: Digest(leaf_hash(&view.leaf.encode().unwrap())),
        };
        let exchange = Uuid::from_u128(u128::from(self.put.fetch_add(1, Ordering::Relaxed)) + 1_000);
        let Event::Push(pushed) = view.leaf.event else {
            unreachable!("it is a push");
        };
        let mut evidence = Evidence::fresh().unwrap();
        let event = RecallEvent {
            x: exchange.to_string(),
            p: "public-security-city".into(),
            rec: pushed.rec,
            push: push.to_string(),
            of,
            why: "wrong-batch".into(),
            req: evidence.commit_digest("request", &[0; 32]),
        };
        let mut entry = Entry::new(exchange, Event::Recall(event));
        entry.evidence = Some(evidence);
        self.journal.recall(entry).await.unwrap().is_some()
    }

    /// What the `recalled` leaves say, oldest first: rows withdrawn and open again.
    pub(super) fn recalled(&self) -> Vec<(u64, u64)> {
        let kept = Reader::open(&self.settings.place).unwrap().recalls_from(0).unwrap();
        kept.into_iter()
            .filter_map(|recall| recall.done)
            .map(|done| (done.del, done.opn))
            .collect()
    }

    pub(super) async fn until_recalled(&self, count: usize) -> Vec<(u64, u64)> {
        for _ in 0..2_000 {
            let recalled = self.recalled();
            if recalled.len() >= count {
                return recalled;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        unreachable!("the relay did not take it back");
    }
}

pub(super) struct Running {
    pub(super) tasks: JoinSet<Result<(), RelayFault>>,
    pub(super) shutdown: CancellationToken,
    pub(super) status: RelayStatus,
}

impl Running {
    pub(super) fn start(inbox: &Inbox, registry: &Registry, settings: RelaySettings) -> Self {
        let (shutdown, status) = (CancellationToken::new(), RelayStatus::default());
        let mut tasks = JoinSet::new();
        let worker = run(
            inbox.journal.clone(),
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

    pub(super) async fn stop(mut self) -> Result<(), RelayFault> {
        self.shutdown.cancel();
        self.tasks.join_next().await.unwrap().unwrap()
    }
}

pub(super) fn quick() -> RelaySettings {
    RelaySettings {
        rows_per_s: None,
        idle_ms: 5,
        retry_first_ms: 1,
        retry_max_ms: 4,
        attempts_max: 3,
        ..RelaySettings::default()
    }
}

pub(super) fn one(id: &str, name: &str) -> RecordBatch {
    whole(&RESIDENT, &[&[id, name, "-", "-", "-"]])
}
