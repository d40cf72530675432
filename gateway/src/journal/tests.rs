//! The journal as a whole: sealing, repeating, crashing, tampering, relaying, erasing.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod bounds;
mod crash;
mod export;
mod head;
mod log_keys;
mod nonces;
mod power;
mod relay;
mod seal;
mod succession;
mod vault;
mod volumes;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use ring::digest::{SHA256, digest};
use shuguan_ledger::audit::{LogReport, LogVerifier};
use shuguan_ledger::leaf::{Digest, Event, PushEvent, RelayedEvent};
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Entry, Idempotency, InboxItem, Journal, JournalFault, JournalSettings, Outcome, Reader, Sealed, Secret};
use crate::clock::Clock;

const ORIGIN: &str = "gw1.lyg.example/log";
/// 2026-11-23T09:00:00Z
const START_US: i64 = 1_795_424_400_000_000;

/// A journal in a temporary folder, with a clock that the test turns.
struct Bench {
    folder: TempDir,
    now_us: Arc<AtomicI64>,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            now_us: Arc::new(AtomicI64::new(START_US)),
        };
        Journal::create(&bench.settings()).unwrap();
        bench
    }

    fn settings(&self) -> JournalSettings {
        settings(&self.folder.path().join("journal"))
    }

    fn clock(&self) -> Clock {
        let now_us = Arc::clone(&self.now_us);
        Clock::from_fn(move || now_us.load(Ordering::Relaxed))
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

    fn database(&self) -> PathBuf {
        self.settings().database
    }

    /// Changes stored rows behind the journal's back.
    fn tamper(&self, statements: &str) {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        connection.execute_batch(statements).unwrap();
    }

    fn verify(&self) -> LogReport {
        verify(&self.database())
    }
}

fn settings(folder: &Path) -> JournalSettings {
    JournalSettings::at(folder, ORIGIN, Secret::new([1; 32]), Secret::new([2; 32]))
}

fn trust() -> Trust {
    Trust::in_log(SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap().verifying_key())
}

/// Reads a whole log with the public key only, and the checkpoints that are stored beside it.
fn verify(database: &Path) -> LogReport {
    let reader = Reader::open(database).unwrap();
    let connection = rusqlite::Connection::open(database).unwrap();
    let mut find = connection.prepare("SELECT size, note FROM checkpoint").unwrap();
    let notes = find.query_map([], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)));
    let notes: std::collections::BTreeMap<u64, String> = notes.unwrap().map(Result::unwrap).collect();
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

fn relayed(item: &InboxItem) -> RelayedEvent {
    RelayedEvent {
        x: item.exchange.to_string(),
        of: item.reference(),
        ins: 1,
        upd: 0,
        same: 0,
        fail: 0,
        del: None,
        batch: item.parts.into(),
        ms: 1,
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
}
