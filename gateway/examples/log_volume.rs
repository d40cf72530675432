//! What a long log costs: opening the journal, the proof of any entry, verifying it, exporting it and verifying that.
//!
//! `cargo run --release -p shuguan --example log_volume -- [FOLDER] [LEAVES]`: a journal of that many leaves (default 10,000,000: half pushes, half
//! `relayed`; about 0.9 kB each with its indices) is written straight into the tables, under FOLDER (default: the system's temporary folder), measured, and
//! removed. Times are of a warm page cache, since it was just written.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rusqlite::{Connection, params};
use shuguan::clock::Clock;
use shuguan::journal::{Extent, Journal, JournalSettings, Reader, Secret, export};
use shuguan_ledger::audit::LogVerifier;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::exported::{self, Folder};
use shuguan_ledger::leaf::{Commitment, Digest, Event, Leaf, PushEvent, Reference, RelayedEvent};
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::tree::{Edge, leaf_hash};
use shuguan_ledger::trust::Trust;

type Failed = Box<dyn Error + Send + Sync>;

const ORIGIN: &str = "volume.example/log";
const SEED: [u8; 32] = [1; 32];
/// 2026-11-23T09:00:00Z
const START_US: i64 = 1_795_424_400_000_000;
const PROOFS: u64 = 2_000;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let leaves: u64 = arguments.next().map_or(Ok(10_000_000), |text| text.parse())?;
    let folder = parent.join(format!("log-volume-{}", std::process::id()));
    let measured = measure(&folder, leaves);
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn say(text: &str) -> Result<(), Failed> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

fn measure(folder: &Path, leaves: u64) -> Result<(), Failed> {
    let settings = JournalSettings::at(folder.join("journal"), ORIGIN, Secret::new(SEED), Secret::new([2; 32]));
    Journal::create(&settings)?;
    let begun = Instant::now();
    let database = settings.place.file().ok_or("it is in a file")?.to_owned();
    fill(&database, leaves)?;
    let bytes = std::fs::metadata(&database)?.len();
    say(&format!(
        "{leaves} leaves, {} bytes a leaf in the database, written in {:.0} s",
        bytes / leaves,
        begun.elapsed().as_secs_f64()
    ))?;
    // The head file is that of the empty log.
    let begun = Instant::now();
    let journal = Journal::open(&settings, Clock::system())?;
    say(&format!("opening: {:.3} s", begun.elapsed().as_secs_f64()))?;
    drop(journal);
    let begun = Instant::now();
    drop(Journal::open(&settings, Clock::system())?);
    say(&format!("opening it again: {:.3} s", begun.elapsed().as_secs_f64()))?;
    let reader = Reader::open(&settings.place)?;
    let trust = Trust::in_log(SigningKey::from_seed(ORIGIN, &SEED)?.verifying_key());
    proofs(&reader, &trust, leaves)?;
    verify(&reader, &trust, leaves)?;
    let log = folder.join("log");
    let begun = Instant::now();
    let done = export(&reader, &log, Extent::default(), |_, _| {})?;
    rate("exporting", leaves, begun)?;
    let begun = Instant::now();
    let report = exported::verify(&Folder(log), &trust)?;
    rate("verifying the exported files", leaves, begun)?;
    say(&format!("{} hash tiles, {} bundles", report.tiles, report.bundles))?;
    (report.log.checkpoint == done.checkpoint)
        .then_some(())
        .ok_or("another log")?;
    Ok(())
}

fn rate(what: &str, leaves: u64, begun: Instant) -> Result<(), Failed> {
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate is for people")]
    let rate = leaves as f64 / seconds;
    say(&format!("{what}: {seconds:.1} s, {rate:.0} leaves/s"))
}

/// Proofs of entries all over the log, each read, proved and verified.
fn proofs(reader: &Reader, trust: &Trust, leaves: u64) -> Result<(), Failed> {
    let mut waits = Vec::new();
    for n in 0..PROOFS {
        // A stride that has no common divisor with the size wanders all over it.
        let index = n * 6_364_136_223_846_793 % leaves;
        let begun = Instant::now();
        let sealed = reader.sealed_newest(index)?.ok_or("no such leaf")?;
        waits.push(begun.elapsed());
        Receipt::parse(&sealed.receipt)?.verify(trust)?;
    }
    waits.sort_unstable();
    let at = |share: usize| waits.get(waits.len() * share / 100).copied().unwrap_or_default();
    say(&format!(
        "proof of one entry: p50 {:?}, p99 {:?}, longest {:?}",
        at(50),
        at(99),
        waits.last().copied().unwrap_or_default()
    ))
}

fn verify(reader: &Reader, trust: &Trust, leaves: u64) -> Result<(), Failed> {
    let begun = Instant::now();
    let mut verifier = LogVerifier::new(&reader.checkpoint()?, trust)?;
    loop {
        let batch = reader.entries(verifier.edge().size(), 1_000)?;
        if batch.is_empty() {
            break;
        }
        for leaf in batch {
            verifier.leaf(&leaf)?;
        }
    }
    verifier.finish()?;
    rate("verifying the leaves", leaves, begun)
}

/// Writes leaves, tile entries, edge and checkpoint as the sequencer would have.
fn fill(database: &Path, leaves: u64) -> Result<(), Failed> {
    let connection = Connection::open(database)?;
    // Written once, so nothing has to be undone.
    connection
        .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; BEGIN")?;
    let mut leaf = connection.prepare(
        "INSERT INTO leaf (idx, hash, t, kind, exchange, partner, rec, pur, code, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let mut tile = connection.prepare("INSERT INTO tile (level, idx, hash) VALUES (?1, ?2, ?3)")?;
    let (mut edge, mut last) = (Edge::empty(), Digest([0; 32]));
    for index in 0..leaves {
        let t = START_US + i64::try_from(index)?;
        let event = event(index, last);
        let push = matches!(event, Event::Push(_));
        let one = Leaf::new(t, "gw1", "7f3a0000", event);
        let bytes = one.encode()?;
        let hash = leaf_hash(&bytes);
        last = Digest(hash);
        let exchange = u128::from(index / 2).to_be_bytes();
        let (rec, pur) = if push {
            (Some("public-security/resident"), Some("enrolment.registration"))
        } else {
            (None, None)
        };
        let code = if push { "accepted" } else { "relayed" };
        let row = params![
            i64::try_from(index)?,
            hash,
            t,
            one.event.kind(),
            exchange,
            "public-security-city",
            rec,
            pur,
            code,
            bytes
        ];
        leaf.execute(row)?;
        for entry in edge.append(hash) {
            if entry.level > 0 {
                tile.execute(params![entry.level, i64::try_from(entry.position)?, entry.hash])?;
            }
        }
    }
    let checkpoint = Checkpoint {
        origin: ORIGIN.into(),
        size: leaves,
        root: edge.root(),
    };
    let note = SigningKey::from_seed(ORIGIN, &SEED)?.sign(&checkpoint.text())?;
    let size = i64::try_from(leaves)?;
    connection.execute("UPDATE tree SET size = ?1, edge = ?2", params![size, edge.encode()])?;
    connection.execute(
        "INSERT INTO checkpoint (size, t, note) VALUES (?1, ?2, ?3)",
        params![size, START_US, note],
    )?;
    connection.execute_batch("COMMIT; PRAGMA journal_mode = WAL")?;
    Ok(())
}

/// A push, or the `relayed` leaf of the one before.
fn event(index: u64, before: Digest) -> Event {
    let x = format!("01930000-0000-7000-8000-{:012x}", index / 2);
    if !index.is_multiple_of(2) {
        let of = Reference {
            i: index - 1,
            h: before,
        };
        return Event::Relayed(RelayedEvent {
            x,
            of,
            ins: 4_012,
            upd: 76,
            same: 900,
            fail: 0,
            del: None,
            batch: 1,
            ms: 61,
            rnd: Some(Digest([7; 32])),
        });
    }
    Event::Push(PushEvent {
        x,
        p: "public-security-city".into(),
        cert: Digest([3; 32]),
        rec: "public-security/resident".into(),
        pur: "enrolment.registration".into(),
        agr: "XY-2026-01".into(),
        plan: Digest([4; 32]),
        bun: Digest([5; 32]),
        fmt: "csv+gb18030".into(),
        r#in: 5_003,
        ok: 4_988,
        rej: 12,
        fil: 3,
        rep: 0,
        bytes: 819_200,
        cols: Digest([6; 32]),
        nc: 17,
        req: Commitment([7; 32]),
        mode: None,
        sco: None,
        cnt: None,
        lay: None,
        con: None,
        qua: Some(Commitment([8; 32])),
        ix: Some(Commitment([9; 32])),
    })
}
