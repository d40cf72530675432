//! What the index of subjects costs: nanoseconds a tag at release, and a search for one person over many exchanges.
//!
//! `cargo run --release -p shuguan --example index_rate -- [FOLDER] [SNAPSHOTS] [SMALL]`: a journal in a temporary folder under FOLDER with SNAPSHOTS large
//! exchanges of 65,536 subjects (files of runs) and SMALL ones of a single subject (rows); removed afterwards. Caches are warm, as they are at the second
//! question of a case.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use shuguan::clock::{self, Clock};
use shuguan::exchange::index_keys::IndexKeys;
use shuguan::exchange::subjects::SubjectColumns;
use shuguan::journal::{Entry, IndexHistory, Journal, JournalSettings, Secret, Tag};
use shuguan::pki::period::PeriodKeys;
use shuguan_ledger::leaf::{Digest, Event, OfficerResultEvent, Reference};
use shuguan_policies::{PolicySet, Target};

type Failed = Box<dyn Error + Send + Sync>;

const ROWS: usize = 8_192;
const ROUNDS: u32 = 64;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let snapshots = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(50);
    let small = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(8_000);
    let folder = parent.join(format!("index-rate-{}", std::process::id()));
    let measured = tags(&folder).and_then(|()| search(&folder, snapshots, small));
    std::fs::remove_dir_all(folder)?;
    measured
}

/// The cost of a tag, on the resident type of the example bundle.
fn tags(folder: &Path) -> Result<(), Failed> {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
    let set = PolicySet::load(&bundle).map_err(|faults| format!("{} faults in the example bundle", faults.len()))?;
    let is_resident = |target: Target| target.name() == "public-security/resident";
    let plan = set.plans().find(|plan| is_resident(plan.target())).ok_or("no plan")?;
    let columns = SubjectColumns::of(plan).ok_or("no subject column")?;
    let values: Vec<String> = (0..ROWS)
        .map(|row| format!("3207061890010{:05}", row % 100_000))
        .collect();
    let schema = plan.schema();
    let arrays = schema.fields().iter().map(|field| match field.name().as_str() {
        "citizen_id" => Arc::new(StringArray::from(values.clone())) as ArrayRef,
        _ => arrow_array::new_null_array(field.data_type(), ROWS),
    });
    let part = RecordBatch::try_new(Arc::clone(&schema), arrays.collect())?;
    std::fs::create_dir_all(folder)?;
    let keys = PeriodKeys::open(folder.join("index"), &[7; 32], IndexKeys::LABEL)?;
    let keys = IndexKeys::open(keys, IndexHistory::default())?;
    let key = keys.current(Clock::system().now_us())?;
    let begun = Instant::now();
    let made: usize = (0..ROUNDS).map(|_| columns.tags(&key, &part).len()).sum();
    let each = begun.elapsed().as_nanos() / u128::try_from(made)?;
    writeln!(std::io::stdout(), "{each:>7} ns a tag")?;
    Ok(())
}

fn search(folder: &Path, snapshots: u64, small: u64) -> Result<(), Failed> {
    let secret = || clock::random().map(Secret::new).map_err(|_| "no randomness");
    let settings = JournalSettings::at(folder.join("journal"), "rate.example/log", secret()?, secret()?);
    Journal::create(&settings)?;
    let journal = Journal::open(&settings, Clock::system())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        for exchange in 0..snapshots {
            seal(
                &journal,
                (0..65_536).map(|person| tag(exchange * 65_536 + person)).collect(),
            )
            .await?;
        }
        let sealing = (0..small).map(|person| seal(&journal, vec![tag(person)]));
        for sealed in futures_util::future::join_all(sealing).await {
            sealed?;
        }
        let mut waits = Vec::new();
        for person in 0..200_u64 {
            let asked = Instant::now();
            journal
                .by_subject(vec![tag(person * 7_919), tag(u64::MAX - person)])
                .await?;
            waits.push(asked.elapsed());
        }
        waits.sort_unstable();
        let at = |percent: usize| waits.get(waits.len() * percent / 100).copied().unwrap_or_default();
        let tags = snapshots * 65_536 + small;
        writeln!(
            std::io::stdout(),
            "{snapshots} snapshots and {small} small exchanges, {tags} tags: a search p50 {:.2?}  p99 {:.2?}",
            at(50),
            at(99)
        )?;
        journal.close().await?;
        Ok::<(), Failed>(())
    })
}

/// Spread as an HMAC spreads them.
fn tag(person: u64) -> Tag {
    let mut tag = [0; 16];
    let digest = ring::digest::digest(&ring::digest::SHA256, &person.to_le_bytes());
    tag.copy_from_slice(digest.as_ref().get(..16).unwrap_or(&[0; 16]));
    tag
}

async fn seal(journal: &Journal, tags: Vec<Tag>) -> Result<(), Failed> {
    let exchange = clock::exchange_id(&Clock::system()).map_err(|_| "no randomness")?;
    let mut subjects = journal.begin_subjects(exchange);
    for part in tags.chunks(ROWS) {
        subjects.push(part.to_vec())?;
    }
    let event = Event::OfficerResult(OfficerResultEvent {
        who: "rate".into(),
        of: Reference {
            i: 0,
            h: Digest([0; 32]),
        },
        cnt: 1,
    });
    let mut entry = Entry::new(exchange, event);
    entry.subjects = Some(subjects.finish()?);
    journal.seal(entry).await?;
    Ok(())
}
