//! Reading the journal: leaves, receipts, exchanges, searches. Never a payload.
//!
//! Takes ids, indices and filters; gives what was sealed. Refuses nothing: who may see what is decided before.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};
use shuguan_ledger::bundle;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::{Digest, Event, Leaf, PolicyEvent};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::tile::{Content, Tile};
use shuguan_ledger::tree::{Hash, Tiles, inclusion_path, leaf_hash};
use uuid::Uuid;

use super::entry::Sealed;
use super::fault::JournalFault;
use super::sqlite::{self, sql, unsigned};
use super::subjects::Tag;
use super::vault::StoredRecord;
use super::{index, prune};

/// Most rows that one call gives.
pub const ROWS_MAX: u32 = 1_000;

/// One connection that only reads. Blocking: inside the gateway it is used through [`super::Journal`].
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
}

/// One leaf as it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRow {
    /// Its index.
    pub index: u64,
    /// When, microseconds UTC.
    pub t_us: i64,
    /// Kind, as in the leaf.
    pub kind: String,
    /// Its exchange.
    pub exchange: Option<Uuid>,
    /// Partner or officer.
    pub partner: Option<String>,
    /// Record type or dataset.
    pub record: Option<String>,
    /// Purpose.
    pub purpose: Option<String>,
    /// `accepted`, `released`, `relayed`, `erased`, the slug of a refusal, an officer's reason code, a certificate act.
    pub code: Option<String>,
    /// Bytes of the leaf.
    pub bytes: Vec<u8>,
}

/// One exchange with all its leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeView {
    /// Its id.
    pub exchange: Uuid,
    /// Its first leaf, decoded.
    pub leaf: Leaf,
    /// Index of that leaf.
    pub index: u64,
    /// The `relayed` leaf, decoded, with its index.
    pub relayed: Option<(u64, Leaf)>,
    /// Every leaf, oldest first, the first one included.
    pub leaves: Vec<LeafRow>,
    /// Where a push stands; none for any other exchange.
    pub inbox: Option<InboxStanding>,
}

/// Where a push stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxStanding {
    /// `waiting`, `set-aside`, `relayed`, `discarded` or `erased`.
    pub state: String,
    /// Reason code of setting aside or discarding.
    pub reason: Option<String>,
    /// Parts of the payload.
    pub parts: u32,
    /// Encrypted bytes.
    pub bytes: u64,
}

/// What to search for; an empty field matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Partner or officer.
    pub partner: Option<String>,
    /// Record type or dataset.
    pub record: Option<String>,
    /// Purpose.
    pub purpose: Option<String>,
    /// As [`LeafRow::code`].
    pub outcome: Option<String>,
    /// Kind of leaf.
    pub kind: Option<String>,
    /// From this moment, microseconds UTC.
    pub from_us: Option<i64>,
    /// Before this moment, microseconds UTC.
    pub to_us: Option<i64>,
    /// Only leaves before this index: the last one of the page before.
    pub before_index: Option<u64>,
    /// Rows wanted, at most [`ROWS_MAX`]; 0 means that.
    pub limit: u32,
}

/// How many leaves of one kind and partner fall into one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Hours since 1970, UTC.
    pub hour: i64,
    /// Kind of the leaves.
    pub kind: String,
    /// Partner or officer.
    pub partner: Option<String>,
    /// Leaves.
    pub count: u64,
}

/// Most leaves that one tally looks at, the newest ones: a page must not read a busy day's millions.
const TALLY_MAX: u32 = 100_000;

impl Reader {
    /// Opens a journal, or a copy of one with its `-wal` beside it, for reading.
    ///
    /// # Errors
    /// When there is none, or it is not a journal.
    pub fn open(database: &Path) -> Result<Self, JournalFault> {
        let connection = sqlite::open_reader(database)?;
        Ok(Self { connection })
    }

    /// Reads through a connection that was opened elsewhere.
    pub(crate) fn over(connection: Connection) -> Self {
        Self { connection }
    }

    /// Size of the log.
    pub fn size(&self) -> Result<u64, JournalFault> {
        let size = self.connection.query_row(sqlite::TREE, [], |row| row.get(0));
        size.map(unsigned).map_err(JournalFault::store("read the tree"))
    }

    /// The newest signed checkpoint.
    pub fn checkpoint(&self) -> Result<String, JournalFault> {
        let note = self
            .connection
            .query_row(sqlite::NEWEST_CHECKPOINT, [], |row| row.get(1));
        note.map_err(JournalFault::store("read the newest checkpoint"))
    }

    /// What the newest signed checkpoint says.
    pub fn newest(&self) -> Result<Checkpoint, JournalFault> {
        let newest = Checkpoint::unverified(&self.checkpoint()?);
        newest.map_err(|_| JournalFault::damaged("its checkpoint is not one"))
    }

    /// The log's own checkpoint of this size, as long as it is kept.
    pub(super) fn checkpoint_at(&self, size: u64) -> Result<Option<String>, JournalFault> {
        let mut find = self.prepared(sqlite::CHECKPOINT_AT)?;
        let exact = find.query_row([sql(size)], |row| row.get(0)).optional();
        exact.map_err(JournalFault::store("read a checkpoint"))
    }

    /// One leaf.
    pub fn leaf(&self, index: u64) -> Result<Option<LeafRow>, JournalFault> {
        let mut find = self.prepared(sqlite::ONE_LEAF)?;
        let found = find.query_row([sql(index)], leaf_row).optional();
        found.map_err(JournalFault::store("read a leaf"))
    }

    /// Bytes of the leaves from an index on, at most `count` and [`ROWS_MAX`].
    pub fn entries(&self, from: u64, count: u32) -> Result<Vec<Vec<u8>>, JournalFault> {
        let mut find = self.prepared(sqlite::ENTRIES)?;
        let rows = find.query_map(params![sql(from), count.min(ROWS_MAX)], |row| row.get(0));
        collect(rows, "read leaves")
    }

    /// `width` hashes of the row at a tile level, from `start` on; fewer when there are not as many.
    pub fn hashes(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, JournalFault> {
        let end = sql(start.saturating_add(width));
        if level == 0 {
            let mut find = self.prepared(sqlite::HASHES)?;
            let rows = find.query_map(params![sql(start), end], |row| row.get(0));
            return collect(rows, "read leaf hashes");
        }
        let mut find = self.prepared(sqlite::TILE_HASHES)?;
        let rows = find.query_map(params![level, sql(start), end], |row| row.get(0));
        collect(rows, "read tile hashes")
    }

    /// The bytes of a tile or an entry bundle; none when the log is not long enough for it.
    pub fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, JournalFault> {
        if !tile.is_within(self.size()?) {
            return Ok(None);
        }
        let Content::Hashes { level } = tile.content() else {
            let width = u32::try_from(tile.width()).unwrap_or(ROWS_MAX);
            let entries = self.entries(tile.first(), width)?;
            if u64::try_from(entries.len()) != Ok(tile.width()) {
                return Err(JournalFault::damaged(format!("leaves of `{tile}` are not there")));
            }
            let bytes = bundle::write(&entries).map_err(|error| JournalFault::damaged(error.to_string()))?;
            return Ok(Some(bytes));
        };
        let hashes = self.row(level, tile.first(), tile.width())?;
        Ok(Some(hashes.as_flattened().to_vec()))
    }

    /// A leaf with its receipt at the checkpoint of `size` leaves; the same bytes as when it was sealed under that one.
    ///
    /// When that checkpoint was thinned away, the next kept one is used.
    pub fn sealed_at(&self, leaf: u64, size: u64) -> Result<Option<Sealed>, JournalFault> {
        let Some(row) = self.leaf(leaf)? else {
            return Ok(None);
        };
        match self.checkpoint_at(size)? {
            Some(note) => self.prove(row, size, note).map(Some),
            None => self.sealed(leaf),
        }
    }

    /// A leaf with its receipt at the first checkpoint that covers it.
    pub fn sealed(&self, leaf: u64) -> Result<Option<Sealed>, JournalFault> {
        let Some(row) = self.leaf(leaf)? else {
            return Ok(None);
        };
        let mut find = self.prepared(sqlite::CHECKPOINT_AFTER)?;
        let found = find
            .query_row([sql(leaf)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional();
        let found = found.map_err(JournalFault::store("read a checkpoint"))?;
        found
            .map(|(size, note)| self.prove(row, unsigned(size), note))
            .transpose()
    }

    /// A leaf with its receipt under the newest checkpoint.
    pub fn sealed_newest(&self, leaf: u64) -> Result<Option<Sealed>, JournalFault> {
        let newest = self
            .connection
            .query_row(sqlite::NEWEST_CHECKPOINT, [], |row| Ok((row.get(0)?, row.get(1)?)));
        let (size, note) = newest.map_err(JournalFault::store("read the newest checkpoint"))?;
        match self.leaf(leaf)? {
            Some(row) => self.prove(row, unsigned(size), note).map(Some),
            None => Ok(None),
        }
    }

    /// Counts of the leaves since a moment, by hour, kind and partner; of the newest 100,000 leaves at most.
    pub fn tally(&self, since_us: i64) -> Result<Vec<Tally>, JournalFault> {
        let first = prune::first_since(&self.connection, self.size()?, since_us);
        let first = first.map_err(JournalFault::store("count leaves"))?;
        let mut count = self.prepared(sqlite::TALLY)?;
        let rows = count.query_map(params![sql(first), TALLY_MAX], |row| {
            Ok(Tally {
                hour: row.get(0)?,
                kind: row.get(1)?,
                partner: row.get(2)?,
                count: unsigned(row.get(3)?),
            })
        });
        collect(rows, "count leaves")
    }

    pub(super) fn prove(&self, row: LeafRow, size: u64, note: String) -> Result<Sealed, JournalFault> {
        let receipt = Receipt {
            path: inclusion_path(self, row.index, size)?,
            leaf: row.bytes,
            index: row.index,
            checkpoint: note,
        };
        Ok(Sealed {
            exchange: row.exchange,
            index: row.index,
            leaf_hash: leaf_hash(&receipt.leaf),
            t_us: row.t_us,
            receipt: receipt.encode(),
            leaf: receipt.leaf,
            checkpoint_size: size,
        })
    }

    /// Every leaf of an exchange, oldest first.
    pub fn leaves_of(&self, exchange: Uuid) -> Result<Vec<LeafRow>, JournalFault> {
        let mut find = self.prepared(sqlite::EXCHANGE_LEAVES)?;
        let rows = find.query_map([exchange.as_bytes()], leaf_row);
        collect(rows, "read an exchange")
    }

    /// What was asked and approved under one statement about an exchange, newest first, at most [`ROWS_MAX`].
    pub fn unsealing(&self, exchange: Uuid, statement: Digest) -> Result<Vec<LeafRow>, JournalFault> {
        let failed = || JournalFault::store("read the steps of an unsealing");
        let mut find = self.prepared(sqlite::UNSEALING_LEAVES)?;
        let mut rows = find.query([exchange.as_bytes()]).map_err(failed())?;
        let mut steps = Vec::new();
        // Other statements take no place of this one: the rows are counted behind the filter.
        while steps.len() < ROWS_MAX as usize
            && let Some(row) = rows.next().map_err(failed())?
        {
            let row = leaf_row(row).map_err(failed())?;
            if let Event::OfficerUnseal(event) = Leaf::decode(&row.bytes)?.event
                && event.stmt == statement
            {
                steps.push(row);
            }
        }
        Ok(steps)
    }

    /// One exchange.
    pub fn exchange(&self, exchange: Uuid) -> Result<Option<ExchangeView>, JournalFault> {
        let leaves = self.leaves_of(exchange)?;
        let Some(first) = leaves.first() else {
            return Ok(None);
        };
        let relayed = leaves.iter().find(|row| row.kind == "relayed");
        Ok(Some(ExchangeView {
            exchange,
            leaf: Leaf::decode(&first.bytes)?,
            index: first.index,
            relayed: relayed
                .map(|row| Ok::<_, JournalFault>((row.index, Leaf::decode(&row.bytes)?)))
                .transpose()?,
            inbox: self.standing(first.index)?,
            leaves,
        }))
    }

    /// The newest leaf of a kind that each of these exchanges has.
    pub(super) fn newest_of(&self, kind: &str, exchanges: Vec<Uuid>) -> Result<HashMap<Uuid, Leaf>, JournalFault> {
        let mut find = self.prepared(sqlite::NEWEST_OF)?;
        let mut newest = HashMap::with_capacity(exchanges.len());
        for exchange in exchanges {
            let found = find.query_row(params![exchange.as_bytes(), kind], |row| row.get::<_, Vec<u8>>(0));
            let found = found.optional().map_err(JournalFault::store("look for a leaf"))?;
            if let Some(bytes) = found {
                newest.insert(exchange, Leaf::decode(&bytes)?);
            }
        }
        Ok(newest)
    }

    /// The exchanges of a partner from a leaf on, oldest first, at most 200, each with the leaf that settled it.
    pub fn exchanges_of(&self, partner: &str, from: u64) -> Result<Vec<(Sealed, Option<Sealed>)>, JournalFault> {
        let mut find = self.prepared(sqlite::PARTNER_EXCHANGES)?;
        let rows = find.query_map(params![partner, sql(from)], |row| Ok((row.get(0)?, row.get(1)?)));
        let mut listed = Vec::new();
        for (index, settled) in collect::<(i64, Option<i64>)>(rows, "list the exchanges of a partner")? {
            let settled = settled
                .map(|leaf| self.sealed_newest(unsigned(leaf)))
                .transpose()?
                .flatten();
            if let Some(sealed) = self.sealed_newest(unsigned(index))? {
                listed.push((sealed, settled));
            }
        }
        Ok(listed)
    }

    fn standing(&self, leaf: u64) -> Result<Option<InboxStanding>, JournalFault> {
        let mut find = self.prepared(sqlite::INBOX_STATE)?;
        let found = find.query_row([sql(leaf)], |row| {
            Ok(InboxStanding {
                state: row.get(0)?,
                reason: row.get(1)?,
                parts: row.get(2)?,
                bytes: unsigned(row.get(3)?),
            })
        });
        found.optional().map_err(JournalFault::store("read the inbox"))
    }

    /// Leaves that match, newest first.
    pub fn search(&self, query: &Query) -> Result<Vec<LeafRow>, JournalFault> {
        let size = self.size()?;
        let bound = |moment: Option<i64>, otherwise: u64| match moment {
            Some(moment) => prune::first_since(&self.connection, size, moment),
            None => Ok(otherwise),
        };
        let failed = || JournalFault::store("search the log");
        let low = bound(query.from_us, 0).map_err(failed())?;
        let high = bound(query.to_us, size).map_err(failed())?;
        let high = high.min(query.before_index.unwrap_or(u64::MAX));
        let limit = if query.limit == 0 {
            ROWS_MAX
        } else {
            query.limit.min(ROWS_MAX)
        };
        let (low, high) = (sql(low), sql(high));
        let (record, purpose, outcome, kind) = (&query.record, &query.purpose, &query.outcome, &query.kind);
        match &query.partner {
            None => {
                let mut find = self.prepared(sqlite::SEARCH)?;
                let rows = find.query_map(params![low, high, record, purpose, outcome, kind, limit], leaf_row);
                collect(rows, "search the log")
            }
            Some(partner) => {
                let mut find = self.prepared(sqlite::SEARCH_PARTNER)?;
                let values = params![low, high, record, purpose, outcome, kind, limit, partner];
                collect(find.query_map(values, leaf_row), "search the log")
            }
        }
    }

    /// Whether an operator paused the relay and nobody resumed it.
    pub fn relay_paused(&self) -> Result<bool, JournalFault> {
        let mut find = self.prepared(sqlite::LAST_PAUSE)?;
        let found = find.query_row([], |row| row.get::<_, String>(0)).optional();
        let found = found.map_err(JournalFault::store("read the operator's acts"))?;
        Ok(found.as_deref() == Some("paused"))
    }

    /// SHA-256 of the configuration that the gateway last started with, as the log says.
    pub fn last_config(&self) -> Result<Option<Hash>, JournalFault> {
        let mut find = self.prepared(sqlite::LAST_CONFIG)?;
        let found = find.query_row([], |row| row.get::<_, Vec<u8>>(0)).optional();
        let found = found.map_err(JournalFault::store("read the configuration leaves"))?;
        let event = found
            .map(|bytes| Leaf::decode(&bytes))
            .transpose()?
            .map(|leaf| leaf.event);
        Ok(match event {
            Some(Event::Config(config)) => Some(config.cfg.0),
            _ => None,
        })
    }

    /// What the log says was loaded as policies, newest first, at most [`ROWS_MAX`].
    pub fn policy_loads(&self) -> Result<Vec<PolicyEvent>, JournalFault> {
        let mut find = self.prepared(sqlite::POLICY_LOADS)?;
        let rows: Vec<Vec<u8>> = collect(find.query_map([ROWS_MAX], |row| row.get(0)), "read the policy leaves")?;
        let mut loads = Vec::with_capacity(rows.len());
        for bytes in rows {
            if let Event::Policy(event) = Leaf::decode(&bytes)?.event {
                loads.push(event);
            }
        }
        Ok(loads)
    }

    /// Indices of the pushes and pulls that hold a subject, newest first.
    pub fn by_subject(&self, payloads: &Path, tags: &[Tag]) -> Result<Vec<u64>, JournalFault> {
        index::leaves_of(&self.connection, payloads, tags)
    }

    /// A sealed blob that belongs to the first leaf of an exchange.
    pub(super) fn blob_of(&self, exchange: Uuid, statement: &str) -> Result<Option<Vec<u8>>, JournalFault> {
        let Some(first) = self.leaves_of(exchange)?.first().map(|row| row.index) else {
            return Ok(None);
        };
        let found = self
            .prepared(statement)?
            .query_row([sql(first)], |row| row.get(0))
            .optional();
        found.map_err(JournalFault::store("read what belongs to an exchange"))
    }

    /// The evidence record of a leaf; none when there was none or it was shredded.
    pub(super) fn evidence_of(&self, leaf: u64) -> Result<Option<StoredRecord>, JournalFault> {
        let mut find = self.prepared(sqlite::EVIDENCE)?;
        let found = find.query_row([sql(leaf)], |row| {
            let (month, key): (Option<String>, Option<Vec<u8>>) = (row.get(1)?, row.get(2)?);
            Ok(StoredRecord {
                body: row.get(0)?,
                key: month.zip(key),
            })
        });
        found.optional().map_err(JournalFault::store("read an evidence record"))
    }

    /// The months whose keys still wrap something.
    pub(super) fn months_in_use(&self) -> Result<Vec<String>, JournalFault> {
        let mut find = self.prepared(sqlite::MONTHS_IN_USE)?;
        collect(find.query_map([], |row| row.get(0)), "read the wrapped keys")
    }

    /// Index of the first leaf at or after a moment.
    pub(super) fn first_since(&self, moment_us: i64) -> Result<u64, JournalFault> {
        let first = prune::first_since(&self.connection, self.size()?, moment_us);
        first.map_err(JournalFault::store("look for a moment"))
    }

    pub(super) fn prepared(&self, statement: &str) -> Result<rusqlite::CachedStatement<'_>, JournalFault> {
        let prepared = self.connection.prepare_cached(statement);
        prepared.map_err(JournalFault::store("prepare a statement"))
    }
}

impl Tiles for Reader {
    type Error = JournalFault;

    fn row(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, JournalFault> {
        let hashes = self.hashes(level, start, width)?;
        if u64::try_from(hashes.len()) == Ok(width) {
            return Ok(hashes);
        }
        let last = start.saturating_add(width);
        Err(JournalFault::damaged(format!(
            "hashes {start} to {last} of tile level {level} are not all there"
        )))
    }
}

fn leaf_row(row: &Row<'_>) -> rusqlite::Result<LeafRow> {
    Ok(LeafRow {
        index: unsigned(row.get(0)?),
        t_us: row.get(1)?,
        kind: row.get(2)?,
        exchange: row.get::<_, Option<[u8; 16]>>(3)?.map(Uuid::from_bytes),
        partner: row.get(4)?,
        record: row.get(5)?,
        purpose: row.get(6)?,
        code: row.get(7)?,
        bytes: row.get(8)?,
    })
}

pub(super) fn collect<T>(
    rows: rusqlite::Result<impl Iterator<Item = rusqlite::Result<T>>>,
    what: &'static str,
) -> Result<Vec<T>, JournalFault> {
    let rows = rows.map_err(JournalFault::store(what))?;
    rows.collect::<rusqlite::Result<_>>().map_err(JournalFault::store(what))
}
