//! How many durable one-record pushes a second the journal seals, at 1 and at 64 waiters.
//!
//! `cargo run --release -p shuguan --example journal_rate -- [FOLDER] [SECONDS] [WAITERS]`: a new journal is made in a temporary folder under FOLDER
//! (default: the system's; it must be on the disk that is to be measured, not on tmpfs), and removed afterwards. Each push has its payload encrypted,
//! its columns committed to, an idempotency key and one subject, as in the gateway; its receipt is written.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use shuguan::clock::{self, Clock};
use shuguan::journal::{Entry, Idempotency, Journal, JournalSettings, Outcome, Secret};
use shuguan_ledger::leaf::{Digest, Event, PushEvent};
use tokio::task::JoinSet;

type Failed = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(5);
    let folder = parent.join(format!("journal-rate-{}", std::process::id()));
    let settings = JournalSettings::at(
        folder.join("journal"),
        "rate.example/log",
        Secret::new(clock::random().map_err(|_| "no randomness")?),
        Secret::new(clock::random().map_err(|_| "no randomness")?),
    );
    Journal::create(&settings)?;
    let journal = Journal::open(&settings, Clock::system())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let only: Option<usize> = arguments.next().and_then(|text| text.parse().ok());
    for waiters in only.map_or(vec![1, 4, 16, 64, 256], |only| vec![only]) {
        runtime.block_on(measure(&journal, waiters, Duration::from_secs(seconds)))?;
    }
    runtime.block_on(journal.close())?;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

async fn measure(journal: &Journal, waiters: usize, time: Duration) -> Result<(), Failed> {
    let part = part()?;
    let begun = Instant::now();
    let mut sealers = JoinSet::new();
    for _ in 0..waiters {
        let (journal, part) = (journal.clone(), part.clone());
        sealers.spawn(async move {
            let mut waits = Vec::new();
            while begun.elapsed() < time {
                let entry = push(&journal, &part)?;
                let asked = Instant::now();
                match journal.seal(entry).await? {
                    Outcome::Sealed(_) => waits.push(asked.elapsed()),
                    other => return Err(format!("not sealed: {other:?}").into()),
                }
            }
            Ok::<_, Failed>(waits)
        });
    }
    let mut waits = Vec::new();
    while let Some(result) = sealers.join_next().await {
        waits.append(&mut result??);
    }
    let elapsed = begun.elapsed();
    waits.sort_unstable();
    let at = |percent: usize| waits.get(waits.len() * percent / 100).copied().unwrap_or_default();
    let rate = u128::try_from(waits.len())? * 1_000_000 / elapsed.as_micros().max(1);
    writeln!(
        std::io::stdout(),
        "{waiters:>4} waiters {rate:>7} seals/s   p50 {:>7.2?}  p99 {:>7.2?}",
        at(50),
        at(99)
    )?;
    Ok(())
}

fn part() -> Result<RecordBatch, Failed> {
    let fields = ["citizen_id", "name", "sex", "hukou_region", "person_status"];
    let schema = Schema::new(fields.map(|name| Field::new(name, DataType::Utf8, true)).to_vec());
    let values = ["320706189001010014", "王小明", "1", "320706", "0"];
    let columns = values.map(|value| Arc::new(StringArray::from(vec![value])) as ArrayRef);
    Ok(RecordBatch::try_new(Arc::new(schema), columns.to_vec())?)
}

fn push(journal: &Journal, part: &RecordBatch) -> Result<Entry, Failed> {
    let exchange = clock::exchange_id(&Clock::system()).map_err(|_| "no randomness")?;
    let mut writer = journal.begin_payload(exchange, part.schema())?;
    writer.push(part)?;
    let mut payload = writer.finish()?;
    let tag: [u8; 32] = clock::random().map_err(|_| "no randomness")?;
    let event = Event::Push(PushEvent {
        x: exchange.to_string(),
        p: "public-security-city".into(),
        cert: Digest([1; 32]),
        rec: "public-security/resident".into(),
        pur: "enrolment.registration".into(),
        agr: "XY-2026-01".into(),
        plan: Digest([2; 32]),
        bun: Digest([3; 32]),
        fmt: "csv+gb18030".into(),
        r#in: 1,
        ok: 1,
        rej: 0,
        fil: 0,
        rep: 0,
        bytes: 300,
        cols: payload.cols(),
        nc: payload.column_count(),
        req: payload.evidence_mut().commit_digest("req", &tag),
        mode: None,
        sco: None,
        cnt: None,
        lay: None,
        con: None,
        qua: None,
        ix: None,
    });
    let mut subjects = journal.begin_subjects(exchange);
    subjects.push(tag.first_chunk::<16>().copied().into_iter().collect())?;
    Ok(Entry {
        payload: Some(payload),
        idempotency: Some(Idempotency { tag, content: tag }),
        subjects: Some(subjects.finish()?),
        ..Entry::new(exchange, event)
    })
}
