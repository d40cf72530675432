//! Opening a journal: is what is stored what was sealed?
//!
//! Takes the writing connection, the log's name and its keys; gives the state from which the sequencer goes on. Refuses to start when the newest
//! checkpoint is not signed by each of them, when the edge or the last 1,000 leaves do not lead to its root, or when a leaf lies beyond it.
//! Older leaves are proved by `shuguan verify log`, which reads all of them.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::keys::LogKeys;
use shuguan_ledger::leaf::Leaf;
use shuguan_ledger::tree::{self, Edge, Hash, TILE_WIDTH, leaf_hash, node_hash};

use super::fault::{Chain, JournalFault};
use super::payload::spilled_exchange;
use super::recent::RecentNodes;
use super::sqlite::{self, sql, unsigned};
use super::subjects::tagged_exchange;

/// Leaves that are recomputed at each start.
const CHECKED_LEAVES: u64 = 1_000;

pub(super) struct Recovered {
    pub(super) edge: Edge,
    pub(super) recent: RecentNodes,
    pub(super) last_t: i64,
    pub(super) note: String,
}

pub(super) fn recover(connection: &Connection, origin: &str, keys: &LogKeys) -> Result<Recovered, JournalFault> {
    let triggers = connection.query_row(sqlite::TRIGGERS, [], |row| row.get::<_, i64>(0));
    if triggers.map_err(JournalFault::store("read the journal's schema"))? != 4 {
        return Err(JournalFault::damaged(
            "the triggers that keep leaves unchanged are not there",
        ));
    }
    let (checkpoint, note) = newest_checkpoint(connection, origin, keys)?;
    let edge = stored_edge(connection, &checkpoint)?;
    let last = connection.query_row(sqlite::LAST_INDEX, [], |row| row.get::<_, Option<i64>>(0));
    let last = last.map_err(JournalFault::store("read the last leaf"))?.map(unsigned);
    if last != checkpoint.size.checked_sub(1) {
        return Err(JournalFault::damaged(format!(
            "the last leaf is {last:?}, the newest checkpoint signs {} leaves",
            checkpoint.size
        )));
    }
    let first = checkpoint.size.saturating_sub(CHECKED_LEAVES) / TILE_WIDTH * TILE_WIDTH;
    let mut recent = RecentNodes::load(first, |height, index| perfect(connection, height, index))?;
    let last_t = append_leaves(connection, &mut recent)?;
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
        last_t,
        note,
    })
}

fn newest_checkpoint(
    connection: &Connection,
    origin: &str,
    keys: &LogKeys,
) -> Result<(Checkpoint, String), JournalFault> {
    let row = connection.query_row(sqlite::NEWEST_CHECKPOINT, [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    });
    let row = row
        .optional()
        .map_err(JournalFault::store("read the newest checkpoint"))?;
    let (size, note) = row.ok_or_else(|| JournalFault::damaged("it has no checkpoint"))?;
    let opened = keys.open(&note);
    let checkpoint = opened
        .map_err(|fault| JournalFault::damaged(format!("its newest checkpoint is not believed: {}", Chain(&fault))))?;
    if checkpoint.size != unsigned(size) || checkpoint.origin != origin {
        return Err(JournalFault::damaged("its newest checkpoint is of another size or log"));
    }
    Ok((checkpoint, note))
}

fn stored_edge(connection: &Connection, checkpoint: &Checkpoint) -> Result<Edge, JournalFault> {
    let row = connection.query_row(sqlite::TREE, [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
    });
    let (size, bytes) = row.map_err(JournalFault::store("read the tree"))?;
    let edge = Edge::decode(&bytes).ok_or_else(|| JournalFault::damaged("its tree cannot be read"))?;
    if unsigned(size) != checkpoint.size || edge.size() != checkpoint.size || edge.root() != checkpoint.root {
        return Err(JournalFault::damaged("its tree does not have the signed root"));
    }
    Ok(edge)
}

/// Root of a perfect subtree of 256 leaves or more, from the stored tile entries.
fn perfect(connection: &Connection, height: u32, index: u64) -> Result<Hash, JournalFault> {
    let (level, inner) = (height / 8, height % 8);
    let start = index << inner;
    let mut find = connection
        .prepare_cached(sqlite::TILE_HASHES)
        .map_err(JournalFault::store("read tiles"))?;
    let rows = find.query_map([i64::from(level), sql(start), sql(start + (1 << inner))], |row| {
        row.get(0)
    });
    let mut row: Vec<Hash> = super::views::collect(rows, "read tiles")?;
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

/// Recomputes each leaf from its bytes; gives the time of the last.
fn append_leaves(connection: &Connection, recent: &mut RecentNodes) -> Result<i64, JournalFault> {
    let failed = || JournalFault::store("read the last leaves");
    let mut find = connection.prepare(sqlite::LEAVES_FROM).map_err(failed())?;
    let mut rows = find.query([sql(recent.size())]).map_err(failed())?;
    let mut last_t = i64::MIN;
    while let Some(row) = rows.next().map_err(failed())? {
        let index = recent.size();
        let fault = |what: &str| JournalFault::damaged(format!("leaf {index} {what}"));
        let (stored, hash): (i64, Hash) = (row.get(0).map_err(failed())?, row.get(1).map_err(failed())?);
        let (t, bytes): (i64, Vec<u8>) = (row.get(2).map_err(failed())?, row.get(3).map_err(failed())?);
        if unsigned(stored) != index {
            return Err(fault("is not there"));
        }
        if leaf_hash(&bytes) != hash {
            return Err(fault("does not have its hash"));
        }
        let leaf = Leaf::decode(&bytes).map_err(|_| fault("is not in canonical form"))?;
        if leaf.t != t || t < last_t {
            return Err(fault("has another time, or one before that of the leaf before it"));
        }
        last_t = t;
        recent.append(hash);
    }
    Ok(last_t.max(0))
}

/// Removes files of payloads and indices that no leaf refers to: what a crash left between writing and sealing, or between erasing and unlinking.
pub(super) fn remove_orphans(connection: &Connection, folder: &Path) -> Result<u64, JournalFault> {
    let failed = || JournalFault::file("read folder", folder);
    let mut removed = 0;
    for entry in std::fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        let (exchange, statement) = match (spilled_exchange(name), tagged_exchange(name)) {
            (Some(exchange), _) => (exchange, sqlite::HAS_FILE),
            (_, Some(exchange)) => (exchange, sqlite::HAS_TAGS),
            (None, None) => continue,
        };
        let held = connection.query_row(statement, [exchange.as_bytes()], |row| row.get::<_, i64>(0));
        if held.map_err(JournalFault::store("look for a payload"))? == 0 {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(JournalFault::file("remove", &path))?;
            removed += 1;
        }
    }
    Ok(removed)
}
