//! How many leaves a second are verified, leaf by leaf and as published files.
//!
//! `cargo run --release -p shuguan-ledger --example verify_rate -- [LEAVES]` (default 500,000: half pushes, half `relayed`). One core; all in memory,
//! nothing is read from a disk.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::time::Instant;

use shuguan_ledger::audit::verify_log;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::{Commitment, Digest, Event, Leaf, PushEvent, Reference, RelayedEvent};
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::tile::{Content, HashTile, OpenTiles, Tile};
use shuguan_ledger::tree::{Edge, leaf_hash};
use shuguan_ledger::trust::Trust;
use shuguan_ledger::{bundle, exported};

type Failed = Box<dyn Error + Send + Sync>;

const ORIGIN: &str = "rate.example/log";

fn main() -> Result<(), Failed> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(500_000), |text| text.parse())?;
    let key = SigningKey::from_seed(ORIGIN, &[1; 32])?;
    let trust = Trust::in_log(key.verifying_key());
    let (leaves, edge, mut files) = log(count)?;
    let checkpoint = Checkpoint {
        origin: ORIGIN.into(),
        size: edge.size(),
        root: edge.root(),
    };
    let note = key.sign(&checkpoint.text())?;
    let bytes: usize = leaves.iter().map(Vec::len).sum();
    let each = u64::try_from(bytes)?.checked_div(count).unwrap_or_default();
    writeln!(std::io::stdout(), "{count} leaves of {each} bytes")?;

    let begun = Instant::now();
    verify_log(&leaves, &note, &trust)?;
    rate("leaf by leaf", count, begun)?;
    drop(leaves);

    files.insert(exported::CHECKPOINT.into(), note.into_bytes());
    let begun = Instant::now();
    let report = exported::verify(&files, &trust)?;
    rate("as published files", report.log.checkpoint.size, begun)
}

fn rate(what: &str, leaves: u64, begun: Instant) -> Result<(), Failed> {
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate is for people")]
    let rate = leaves as f64 / seconds;
    Ok(writeln!(
        std::io::stdout(),
        "{what}: {seconds:.2} s, {rate:.0} leaves/s"
    )?)
}

type Log = (Vec<Vec<u8>>, Edge, BTreeMap<String, Vec<u8>>);

fn log(count: u64) -> Result<Log, Failed> {
    let (mut leaves, mut edge, mut files) = (Vec::new(), Edge::empty(), BTreeMap::new());
    let (mut open, mut last) = (OpenTiles::default(), Digest([0; 32]));
    let mut put = |one: HashTile| drop(files.insert(one.tile.to_string(), one.hashes.as_flattened().to_vec()));
    for index in 0..count {
        let leaf = Leaf::new(i64::try_from(index)?, "gw1", "7f3a0000", event(index, last));
        let bytes = leaf.encode()?;
        last = Digest(leaf_hash(&bytes));
        for entry in edge.append(last.0) {
            open.add(&entry).into_iter().for_each(&mut put);
        }
        leaves.push(bytes);
    }
    open.partial(count).for_each(put);
    for (tile, entries) in Tile::row(Content::Entries, count).zip(leaves.chunks(256)) {
        files.insert(tile.to_string(), bundle::write(entries)?);
    }
    Ok((leaves, edge, files))
}

/// A push, or the `relayed` leaf of the one before.
fn event(index: u64, before: Digest) -> Event {
    let x = format!("01930000-0000-7000-8000-{:012x}", index / 2);
    if !index.is_multiple_of(2) {
        return Event::Relayed(RelayedEvent {
            x,
            of: Reference {
                i: index - 1,
                h: before,
            },
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
