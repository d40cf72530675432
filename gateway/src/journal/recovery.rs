//! Opening a journal: is what is stored what was sealed?
//!
//! Takes the writing connection, the log's name and its keys; gives the state from which the sequencer goes on. Refuses to start when the newest
//! checkpoint is not signed by each of them, when the edge or the last 1,000 leaves do not lead to its root, or when a leaf lies beyond it.
//! Older leaves are proved by `shuguan verify log`, which reads all of them.

use std::ops::ControlFlow;
use std::path::Path;

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::keys::LogKeys;
use shuguan_ledger::leaf::Leaf;
use shuguan_ledger::tree::{self, Edge, Hash, TILE_WIDTH, leaf_hash, node_hash};
use uuid::Uuid;

use super::fault::JournalFault;
use super::payload::spilled_exchange;
use super::recent::RecentNodes;
use super::statements;
use super::store::{Row, Store, values};
use super::subjects::tagged_exchange;
use crate::chain::Chain;
use crate::durable::is_unfinished;

/// Leaves that are recomputed at each start.
const CHECKED_LEAVES: u64 = 1_000;

pub(super) struct Recovered {
    pub(super) edge: Edge,
    pub(super) recent: RecentNodes,
    /// None: the log is empty.
    pub(super) last: Option<Leaf>,
    pub(super) note: String,
}

pub(super) fn recover(store: &Store, origin: &str, keys: &LogKeys) -> Result<Recovered, JournalFault> {
    let kept = store.keeps_leaves();
    if !kept.map_err(JournalFault::store("read the journal's schema"))? {
        return Err(JournalFault::damaged(
            "the triggers that keep leaves unchanged are not there",
        ));
    }
    let (checkpoint, note) = newest_checkpoint(store, origin, keys)?;
    let edge = stored_edge(store, &checkpoint)?;
    let last = store.one::<Option<u64>>(statements::LAST_INDEX, &[]);
    let last = last.map_err(JournalFault::store("read the last leaf"))?;
    if last != checkpoint.size.checked_sub(1) {
        return Err(JournalFault::damaged(format!(
            "the last leaf is {last:?}, the newest checkpoint signs {} leaves",
            checkpoint.size
        )));
    }
    let first = checkpoint.size.saturating_sub(CHECKED_LEAVES) / TILE_WIDTH * TILE_WIDTH;
    let mut recent = RecentNodes::load(first, |height, index| perfect(store, height, index))?;
    let last = append_leaves(store, &mut recent)?;
    let root = tree::root(&recent, checkpoint.size).map_err(|_| JournalFault::damaged("the tree is incomplete"))?;
    if recent.size() != checkpoint.size || root != checkpoint.root {
        return Err(JournalFault::damaged(format!(
            "leaves {first} to {} do not lead to the signed root: one was changed, swapped or removed",
            checkpoint.size.saturating_sub(1)
        )));
    }
    Ok(Recovered {
        edge,
        recent,
        last,
        note,
    })
}

fn newest_checkpoint(store: &Store, origin: &str, keys: &LogKeys) -> Result<(Checkpoint, String), JournalFault> {
    let columns = |row: &Row<'_>| Ok((row.get::<u64>(0)?, row.get::<String>(1)?));
    let row = store.first(statements::NEWEST_CHECKPOINT, &[], columns);
    let row = row.map_err(JournalFault::store("read the newest checkpoint"))?;
    let (size, note) = row.ok_or_else(|| JournalFault::damaged("it has no checkpoint"))?;
    let opened = keys.open(&note);
    let checkpoint = opened
        .map_err(|fault| JournalFault::damaged(format!("its newest checkpoint is not believed: {}", Chain(&fault))))?;
    if checkpoint.size != size || checkpoint.origin != origin {
        return Err(JournalFault::damaged("its newest checkpoint is of another size or log"));
    }
    Ok((checkpoint, note))
}

fn stored_edge(store: &Store, checkpoint: &Checkpoint) -> Result<Edge, JournalFault> {
    let unreadable = || JournalFault::damaged("its tree cannot be read");
    let columns = |row: &Row<'_>| Ok((row.get::<u64>(0)?, Edge::decode(row.blob(1)?)));
    let row = store.first(statements::TREE, &[], columns);
    let (size, edge) = row
        .map_err(JournalFault::store("read the tree"))?
        .ok_or_else(unreadable)?;
    let edge = edge.ok_or_else(unreadable)?;
    if size != checkpoint.size || edge.size() != checkpoint.size || edge.root() != checkpoint.root {
        return Err(JournalFault::damaged("its tree does not have the signed root"));
    }
    Ok(edge)
}

/// Root of a perfect subtree of 256 leaves or more, from the stored tile entries.
fn perfect(store: &Store, height: u32, index: u64) -> Result<Hash, JournalFault> {
    let (level, inner) = (height / 8, height % 8);
    let start = index << inner;
    let span = values![level, start, start + (1 << inner)];
    let row = store.column(statements::TILE_HASHES, span);
    let mut row: Vec<Hash> = row.map_err(JournalFault::store("read tiles"))?;
    if row.len() != 1 << inner {
        return Err(JournalFault::damaged(format!(
            "hashes of tile level {level} from {start} are not all there"
        )));
    }
    while row.len() > 1 {
        let pairs = row.as_chunks::<2>().0;
        row = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    row.first()
        .copied()
        .ok_or_else(|| JournalFault::damaged("its tree cannot be read"))
}

/// Recomputes each leaf from its bytes; gives the last.
fn append_leaves(store: &Store, recent: &mut RecentNodes) -> Result<Option<Leaf>, JournalFault> {
    let (mut last, mut wrong) = (None::<Leaf>, None);
    let read = store.each(statements::LEAVES_FROM, values![recent.size()], |row| {
        let index = recent.size();
        let (stored, hash, t): (u64, Hash, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let last_t = last.as_ref().map_or(i64::MIN, |last| last.t);
        match check_leaf((index, last_t), (stored, &hash, t), row.blob(3)?) {
            Ok(leaf) => last = Some(leaf),
            Err(what) => {
                wrong = Some(JournalFault::damaged(format!("leaf {index} {what}")));
                return Ok(ControlFlow::Break(()));
            }
        }
        recent.append(hash);
        Ok(ControlFlow::Continue(()))
    });
    read.map_err(JournalFault::store("read the last leaves"))?;
    wrong.map_or(Ok(last), Err)
}

/// Whether a leaf is the next one, and what stands beside it is what it says.
fn check_leaf(
    (index, last_t): (u64, i64),
    (stored, hash, when): (u64, &Hash, i64),
    bytes: &[u8],
) -> Result<Leaf, &'static str> {
    if stored != index {
        return Err("is not there");
    }
    if leaf_hash(bytes) != *hash {
        return Err("does not have its hash");
    }
    let leaf = Leaf::decode(bytes).map_err(|_| "is not in canonical form")?;
    if leaf.when() != when || leaf.t < last_t {
        return Err("has another time, or one before that of the leaf before it");
    }
    Ok(leaf)
}

/// Removes files of payloads and indices that no leaf refers to: what a crash left between writing and sealing, or between erasing and unlinking, and what a
/// restore that was killed never put in its place.
pub(super) fn remove_orphans(store: &Store, folder: &Path) -> Result<u64, JournalFault> {
    let failed = || JournalFault::file("read folder", folder);
    let held = |statement, exchange: &Uuid| {
        let held = store.one::<u64>(statement, values![exchange]);
        held.map_err(JournalFault::store("look for a payload"))
    };
    let mut removed = 0;
    for entry in std::fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        let held = match (spilled_exchange(name), tagged_exchange(name)) {
            (Some(exchange), _) => held(statements::HAS_FILE, &exchange)?,
            (_, Some(exchange)) => held(statements::HAS_TAGS, &exchange)?,
            (None, None) if is_unfinished(name) => 0,
            (None, None) => continue,
        };
        if held == 0 {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(JournalFault::file("remove", &path))?;
            removed += 1;
        }
    }
    Ok(removed)
}
