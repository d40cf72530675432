//! The journal as a whole: sealing, repeating, crashing, tampering, relaying, erasing.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod bounds;
mod clock;
mod crash;
mod export;
mod head;
mod index_history;
mod log_keys;
mod nonces;
mod numbers;
mod past_plans;
mod postgres;
mod power;
mod relay;
mod seal;
mod succession;
mod unread;
mod vault;
mod volumes;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use ring::digest::{SHA256, digest};
use shuguan_ledger::audit::{LogReport, LogVerifier};
use shuguan_ledger::leaf::{Digest, Event, OperatorEvent, PushEvent, RelayedEvent};
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    Committing, DuePlace, Entry, Idempotency, InboxItem, Journal, JournalFault, JournalPlace, JournalSettings, Outcome,
    Reader, SealError, Sealed, Secret,
};
use crate::clock::Clock;
use crate::postgres::PostgresSettings;
use crate::postgres::link::run_once;
use crate::postgres::stores::{self, Store};

const ORIGIN: &str = "gw1.lyg.example/log";
/// 2026-11-23T09:00:00Z
const START_US: i64 = 1_795_424_400_000_000;

/// A journal in a temporary folder, with a clock that the test turns.
struct Bench {
    folder: TempDir,
    /// None: a file.
    server: Option<PostgresSettings>,
    now_us: Arc<AtomicI64>,
    /// How far the wall clock is off.
    off_us: Arc<AtomicI64>,
}

/// A copy of the journal's database.
enum Copied {
    File(Vec<u8>),
    Database(PostgresSettings),
}

impl Bench {
    /// In a file.
    fn new() -> Self {
        Self::on(Store::Sqlite)
    }

    fn on(store: Store) -> Self {
        let server = (store == Store::Postgres).then(|| PostgresSettings {
            lock_timeout_ms: 2_000,
            ..stores::database("journal")
        });
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            server,
            now_us: Arc::new(AtomicI64::new(START_US)),
            off_us: Arc::default(),
        };
        Journal::create(&bench.settings()).unwrap();
        bench
    }

    fn settings(&self) -> JournalSettings {
        let mut settings = settings(&self.folder.path().join("journal"));
        if let Some(server) = &self.server {
            settings.place = JournalPlace::Postgres(Box::new(server.clone()));
        }
        settings
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.settings().place).unwrap()
    }

    /// The number that a statement counts.
    fn count(&self, statement: &'static str) -> i64 {
        self.reader().store.one(statement, &[]).unwrap()
    }

    /// Copies the database; nobody may have it open.
    fn copy(&self) -> Copied {
        static COPIES: AtomicI64 = AtomicI64::new(0);
        let Some(server) = &self.server else {
            return Copied::File(std::fs::read(self.database()).unwrap());
        };
        let mut copy = server.clone();
        let number = COPIES.fetch_add(1, Ordering::Relaxed);
        copy.address.database = format!("{}_copy_{number}", server.address.database);
        stores::copy_database(server, &copy);
        Copied::Database(copy)
    }

    /// Puts a copy in the place of the database.
    fn put_back(&self, copy: &Copied) {
        match (copy, &self.server) {
            (Copied::File(bytes), None) => std::fs::write(self.database(), bytes).unwrap(),
            (Copied::Database(copy), Some(server)) => stores::copy_database(copy, server),
            _ => panic!("a copy of another bench"),
        }
    }

    fn clock(&self) -> Clock {
        let (now_us, goes, off_us) = (
            Arc::clone(&self.now_us),
            Arc::clone(&self.now_us),
            Arc::clone(&self.off_us),
        );
        Clock::from_fns(
            move || now_us.load(Ordering::Relaxed) + off_us.load(Ordering::Relaxed),
            move || goes.load(Ordering::Relaxed),
        )
    }

    fn open(&self) -> Journal {
        Journal::open(&self.settings(), self.clock()).unwrap()
    }

    fn fault(&self) -> JournalFault {
        Journal::open(&self.settings(), self.clock()).unwrap_err()
    }

    fn turn(&self, us: i64) {
        self.now_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Sets the wall clock so far off.
    fn set_off(&self, us: i64) {
        self.off_us.store(us, Ordering::Relaxed);
    }

    /// The file of a journal in one.
    fn database(&self) -> PathBuf {
        self.settings().place.file().unwrap().to_owned()
    }

    /// Changes stored rows behind the journal's back, leaves too; blobs are written as on SQLite.
    fn tamper(&self, statements: &str) {
        let Some(server) = &self.server else {
            let connection = rusqlite::Connection::open(self.database()).unwrap();
            return connection.execute_batch(statements).unwrap();
        };
        let statements = statements
            .replace("DROP TRIGGER leaf_fixed", "SET session_replication_role = replica")
            .replace("x'", "'\\x")
            .replace("zeroblob(9)", "decode('000000000000000000', 'hex')")
            .replace("AS BLOB", "AS bytea");
        run_once(server, &statements).unwrap();
    }

    fn verify(&self) -> LogReport {
        verify(&self.settings().place)
    }
}

fn settings(folder: &Path) -> JournalSettings {
    JournalSettings::at(folder, ORIGIN, Secret::new([1; 32]), Secret::new([2; 32]))
}

fn trust() -> Trust {
    Trust::in_log(SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap().verifying_key())
}

/// Reads a whole log with the public key only, and the checkpoints that are stored beside it.
fn verify(place: &JournalPlace) -> LogReport {
    let reader = Reader::open(place).unwrap();
    let notes = reader.checkpoints_between(0, u64::MAX).unwrap();
    let notes: std::collections::BTreeMap<u64, String> = notes.into_iter().collect();
    let mut verifier = LogVerifier::new(&reader.checkpoint().unwrap(), &trust()).unwrap();
    let mut from = 0;
    loop {
        let leaves = reader.entries(from, 1_000).unwrap();
        if leaves.is_empty() {
            return verifier.finish().unwrap();
        }
        for leaf in leaves {
            verifier.leaf(&leaf).unwrap();
            from += 1;
            if let Some(note) = notes.get(&from) {
                verifier.checkpoint(note).unwrap();
            }
        }
    }
}

fn proven(sealed: &Sealed) -> shuguan_ledger::leaf::Leaf {
    let proven = Receipt::parse(&sealed.receipt).unwrap().verify(&trust()).unwrap();
    assert_eq!((proven.index, proven.leaf_hash), (sealed.index, sealed.leaf_hash));
    assert_eq!(proven.checkpoint.size, sealed.checkpoint_size);
    proven.leaf
}

/// What an operator does with a batch that was set aside: lets it wait again, or gives it up for a reason. False: it was not set aside.
async fn decided(journal: &Journal, number: u128, why: Option<&str>) -> bool {
    let exchange = exchange(number);
    let act = if why.is_some() { "discarded" } else { "released-again" };
    let event = OperatorEvent::of_act("op", act, Some(exchange.to_string()), why.map(str::to_owned));
    journal.operate(Some(exchange), event).await.unwrap().is_some()
}

fn exchange(number: u128) -> Uuid {
    Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + number)
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("citizen_id", DataType::Utf8, true),
        Field::new("name", DataType::Utf8, true),
    ]))
}

/// Rows that zstd cannot shrink much.
fn part(seed: u32, rows: u32) -> RecordBatch {
    let text = |row: u32, column: u8| {
        let hash = digest(
            &SHA256,
            &[&seed.to_le_bytes()[..], &row.to_le_bytes(), &[column]].concat(),
        );
        Some(super::evidence::hex(hash.as_ref()))
    };
    let ids: StringArray = (0..rows).map(|row| text(row, 0)).collect();
    let names: StringArray = (0..rows).map(|row| text(row, 1)).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(ids) as ArrayRef, Arc::new(names)]).unwrap()
}

/// A push of these parts.
fn push(journal: &Journal, exchange: Uuid, parts: &[RecordBatch]) -> Entry {
    let mut writer = journal.begin_payload(exchange, schema()).unwrap();
    for part in parts {
        writer.push(part).unwrap();
    }
    let mut payload = writer.finish().unwrap();
    let event = PushEvent {
        x: exchange.to_string(),
        p: "public-security-city".into(),
        cert: Digest([3; 32]),
        rec: "public-security/resident".into(),
        pur: "enrolment.registration".into(),
        agr: "XY-2026-01".into(),
        plan: Digest([4; 32]),
        bun: Digest([5; 32]),
        fmt: "csv+gb18030".into(),
        r#in: payload.rows(),
        ok: payload.rows(),
        rej: 0,
        fil: 0,
        rep: 0,
        bytes: 1_000,
        cols: payload.cols(),
        nc: payload.column_count(),
        req: payload.evidence_mut().commit_digest("request", &[6; 32]),
        mode: None,
        sco: None,
        cnt: None,
        lay: None,
        con: None,
        qua: None,
        ix: None,
    };
    let mut subjects = journal.begin_subjects(exchange);
    subjects.push(vec![[7; 16], [8; 16], [7; 16]]).unwrap();
    Entry {
        payload: Some(payload),
        subjects: Some(subjects.finish().unwrap()),
        ..Entry::new(exchange, Event::Push(event))
    }
}

/// Waits until it has tried by itself, and does.
async fn commits_again(journal: &Journal) {
    for _ in 0..60 {
        if journal.committing() == Committing::Well {
            return;
        }
        journal.prove().await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("it does not commit again: {:?}", journal.committing());
}

fn one_row(journal: &Journal, number: u128) -> Entry {
    push(journal, exchange(number), &[part(number as u32, 1)])
}

fn keyed(entry: Entry, key: u8, content: u8) -> Entry {
    Entry {
        idempotency: Some(Idempotency {
            tag: [key; 32],
            content: [content; 32],
        }),
        ..entry
    }
}

fn sealed(outcome: Outcome) -> Sealed {
    match outcome {
        Outcome::Sealed(sealed) => sealed,
        other => panic!("{other:?}"),
    }
}

/// All its rows are new; of a payload that does not open it is one.
fn relayed(item: &InboxItem) -> RelayedEvent {
    let rows = (0..item.parts).map(|n| item.part(n).map(|part| part.num_rows() as u64));
    RelayedEvent {
        x: item.exchange.to_string(),
        of: item.reference(),
        ins: rows.sum::<Result<u64, _>>().unwrap_or(1),
        upd: 0,
        same: 0,
        fail: 0,
        del: None,
        batch: item.parts.into(),
        ms: 1,
        rnd: None,
    }
}

fn payload_files(bench: &Bench) -> usize {
    std::fs::read_dir(bench.settings().payloads).unwrap().count()
}

impl Journal {
    /// The oldest exchange that waits, after the given leaf, whatever its lane.
    pub(crate) async fn next_inbox(&self, after: Option<u64>) -> Result<Option<InboxItem>, JournalFault> {
        let mut oldest: Option<InboxItem> = None;
        for lane in self.lanes().await? {
            let items = self.waiting(&lane.name, u32::MAX, u64::MAX).await?;
            let next = items
                .into_iter()
                .find(|item| after.is_none_or(|leaf| item.leaf_index > leaf));
            oldest = [oldest, next].into_iter().flatten().min_by_key(|item| item.leaf_index);
        }
        Ok(oldest)
    }

    /// Erases all that is due; gives the number of payloads.
    async fn erase_all_due(&self, hold_us: i64) -> Result<u64, SealError> {
        let (mut payloads, mut from) = (0, DuePlace::default());
        loop {
            let erased = self.erase_due(hold_us, from).await?;
            payloads += erased.payloads;
            let Some(next) = erased.next else { return Ok(payloads) };
            from = next;
        }
    }
}
