//! Reading the journal: leaves, receipts, exchanges, searches. Never a payload.
//!
//! Takes ids, indices and filters; gives what was sealed. Refuses nothing: who may see what is decided before.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use shuguan_ledger::bundle;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::{Digest, Event, Leaf, PolicyEvent};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::tile::{Content, Tile};
use shuguan_ledger::tree::{Hash, Tiles, inclusion_path, leaf_hash};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::cosigned::Cosigned;
use super::entry::Sealed;
use super::fault::JournalFault;
use super::inbox::{InboxState, RECALLED};
use super::recalls::RecallStanding;
use super::settings::JournalPlace;
use super::shreds::Shreds;
use super::statements;
use super::store::{FromCell, Row, Store, StoreFault, Stored, Value, values};
use super::subjects::Tag;
use super::vault::{StoredRecord, Vault};
use super::{index, prune};

/// Most rows that one call gives.
pub const ROWS_MAX: u32 = 1_000;

/// One connection that only reads. Blocking: inside the gateway it is used through [`super::Journal`].
#[derive(Debug)]
pub struct Reader {
    pub(super) store: Store,
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

/// One exchange: its first leaves, and what became of it.
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
    /// The `recalled` leaf, decoded, with its index.
    pub recalled: Option<(u64, Leaf)>,
    /// The first 100 leaves, oldest first.
    pub leaves: Vec<LeafRow>,
    /// Where a push stands; none for any other exchange.
    pub inbox: Option<InboxStanding>,
    /// Of a push the later ones of its partner and record type that were recalled.
    pub recalled_behind: Vec<String>,
    /// Of a push that was recalled, what became of that.
    pub recall: Option<RecallStanding>,
}

/// Where a push stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxStanding {
    /// Its state.
    pub state: InboxState,
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
    pub fn open(place: &JournalPlace) -> Result<Self, JournalFault> {
        let store = Store::reader(place)?;
        Ok(Self { store })
    }

    /// The same for questions that a request waits for.
    pub(super) fn asking(place: &JournalPlace) -> Result<Self, JournalFault> {
        let store = Store::asking(place)?;
        Ok(Self { store })
    }

    /// Size of the log.
    pub fn size(&self) -> Result<u64, JournalFault> {
        self.one("read the tree", statements::TREE, &[])
    }

    /// The newest signed checkpoint.
    pub fn checkpoint(&self) -> Result<String, JournalFault> {
        Ok(self.newest_checkpoint()?.1)
    }

    /// What the newest signed checkpoint says.
    pub fn newest(&self) -> Result<Checkpoint, JournalFault> {
        let newest = Checkpoint::unverified(&self.checkpoint()?);
        newest.map_err(|_| JournalFault::damaged("its checkpoint is not one"))
    }

    /// The log's own checkpoint of this size, as long as it is kept.
    pub(super) fn checkpoint_at(&self, size: u64) -> Result<Option<String>, JournalFault> {
        self.cell("read a checkpoint", statements::CHECKPOINT_AT, values![size])
    }

    /// One leaf.
    pub fn leaf(&self, index: u64) -> Result<Option<LeafRow>, JournalFault> {
        self.first("read a leaf", statements::ONE_LEAF, values![index], leaf_row)
    }

    /// Bytes of the leaves from an index on, at most `count` and [`ROWS_MAX`].
    pub fn entries(&self, from: u64, count: u32) -> Result<Vec<Vec<u8>>, JournalFault> {
        self.column("read leaves", statements::ENTRIES, values![from, count.min(ROWS_MAX)])
    }

    /// `width` hashes of the row at a tile level, from `start` on; fewer when there are not as many.
    pub fn hashes(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, JournalFault> {
        let end = start.saturating_add(width);
        if level == 0 {
            return self.column("read leaf hashes", statements::HASHES, values![start, end]);
        }
        let span = values![u32::from(level), start, end];
        self.column("read tile hashes", statements::TILE_HASHES, span)
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
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let found = self.first(
            "read a checkpoint",
            statements::CHECKPOINT_AFTER,
            values![leaf],
            columns,
        )?;
        found.map(|(size, note)| self.prove(row, size, note)).transpose()
    }

    /// A leaf with its receipt under the newest checkpoint.
    pub fn sealed_newest(&self, leaf: u64) -> Result<Option<Sealed>, JournalFault> {
        let (size, note) = self.newest_checkpoint()?;
        match self.leaf(leaf)? {
            Some(row) => self.prove(row, size, note).map(Some),
            None => Ok(None),
        }
    }

    fn newest_checkpoint(&self) -> Result<(u64, String), JournalFault> {
        const STEP: &str = "read the newest checkpoint";
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let newest = self.first(STEP, statements::NEWEST_CHECKPOINT, &[], columns)?;
        newest.ok_or_else(|| JournalFault::store(STEP)(StoreFault::NoRow))
    }

    /// Counts of the leaves since a moment, by hour, kind and partner; of the newest 100,000 leaves at most.
    pub fn tally(&self, since_us: i64) -> Result<Vec<Tally>, JournalFault> {
        let since = values![self.first_since(since_us)?, TALLY_MAX];
        self.rows("count leaves", statements::TALLY, since, |row| {
            Ok(Tally {
                hour: row.get(0)?,
                kind: row.get(1)?,
                partner: row.get(2)?,
                count: row.get(3)?,
            })
        })
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

    /// The first leaf of an exchange.
    pub fn first_leaf(&self, exchange: Uuid) -> Result<Option<LeafRow>, JournalFault> {
        self.first("read an exchange", statements::FIRST_LEAF, values![&exchange], leaf_row)
    }

    /// The first leaf of a kind that an exchange has, decoded, with its index.
    fn first_of(&self, kind: &str, exchange: Uuid) -> Result<Option<(u64, Leaf)>, JournalFault> {
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let found: Option<(u64, Vec<u8>)> = self.first(
            "look for a leaf",
            statements::FIRST_OF,
            values![&exchange, kind],
            columns,
        )?;
        found
            .map(|(index, bytes)| Ok((index, Leaf::decode(&bytes)?)))
            .transpose()
    }

    /// The first 100 leaves of an exchange, oldest first.
    pub fn leaves_of(&self, exchange: Uuid) -> Result<Vec<LeafRow>, JournalFault> {
        self.rows(
            "read an exchange",
            statements::EXCHANGE_LEAVES,
            values![&exchange],
            leaf_row,
        )
    }

    /// What was asked and approved under one statement about an exchange, newest first, at most [`ROWS_MAX`].
    pub fn unsealing(&self, exchange: Uuid, statement: Digest) -> Result<Vec<LeafRow>, JournalFault> {
        const STEP: &str = "read the steps of an unsealing";
        let mut steps = Vec::new();
        // Other statements take no place of this one: the rows are counted behind the filter.
        self.each(STEP, statements::UNSEALING_LEAVES, values![&exchange], |row| {
            let row = leaf_row(row).map_err(JournalFault::store(STEP))?;
            if let Event::OfficerUnseal(event) = Leaf::decode(&row.bytes)?.event
                && event.stmt == statement
            {
                steps.push(row);
            }
            let full = steps.len() >= ROWS_MAX as usize;
            Ok(if full {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        Ok(steps)
    }

    /// One exchange.
    pub fn exchange(&self, exchange: Uuid) -> Result<Option<ExchangeView>, JournalFault> {
        let leaves = self.leaves_of(exchange)?;
        let Some(first) = leaves.first() else {
            return Ok(None);
        };
        let leaf = Leaf::decode(&first.bytes)?;
        let inbox = self.standing(first.index)?;
        let was_recalled = inbox
            .as_ref()
            .is_some_and(|inbox| inbox.reason.as_deref() == Some(RECALLED));
        Ok(Some(ExchangeView {
            exchange,
            recalled_behind: match &leaf.event {
                Event::Push(push) => self.recalled_behind(first.index, push)?,
                _ => Vec::new(),
            },
            recall: match &leaf.event {
                Event::Push(push) if was_recalled => self.recall_of(first.index, push)?,
                _ => None,
            },
            leaf,
            index: first.index,
            relayed: self.first_of("relayed", exchange)?,
            recalled: self.first_of("recalled", exchange)?,
            inbox,
            leaves,
        }))
    }

    /// The newest leaf of a kind that each of these exchanges has.
    pub(super) fn newest_of(&self, kind: &str, exchanges: Vec<Uuid>) -> Result<HashMap<Uuid, Leaf>, JournalFault> {
        let mut newest = HashMap::with_capacity(exchanges.len());
        for exchange in exchanges {
            let found: Option<Vec<u8>> =
                self.cell("look for a leaf", statements::NEWEST_OF, values![&exchange, kind])?;
            if let Some(bytes) = found {
                newest.insert(exchange, Leaf::decode(&bytes)?);
            }
        }
        Ok(newest)
    }

    /// The exchanges of a partner from a leaf on, oldest first, at most 200, each with the leaf that settled it.
    pub fn exchanges_of(&self, partner: &str, from: u64) -> Result<Vec<(Sealed, Option<Sealed>)>, JournalFault> {
        const STEP: &str = "list the exchanges of a partner";
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get::<Option<u64>>(1)?));
        let found = self.rows(STEP, statements::PARTNER_EXCHANGES, values![partner, from], columns)?;
        let seen = self.newest_cosigned()?;
        let mut listed = Vec::new();
        for (index, settled) in found {
            let settled = settled
                .map(|leaf| self.sealed_seen(leaf, seen.as_ref()))
                .transpose()?
                .flatten();
            if let Some(sealed) = self.sealed_seen(index, seen.as_ref())? {
                listed.push((sealed, settled));
            }
        }
        Ok(listed)
    }

    /// A leaf under a checkpoint that witnesses signed, when that covers it, else under the newest.
    fn sealed_seen(&self, leaf: u64, seen: Option<&Cosigned>) -> Result<Option<Sealed>, JournalFault> {
        let Some(seen) = seen.filter(|seen| leaf < seen.size) else {
            return self.sealed_newest(leaf);
        };
        let row = self.leaf(leaf)?;
        row.map(|row| self.prove(row, seen.size, seen.note.as_ref().to_owned()))
            .transpose()
    }

    fn standing(&self, leaf: u64) -> Result<Option<InboxStanding>, JournalFault> {
        self.first("read the inbox", statements::INBOX_STATE, values![leaf], |row| {
            Ok(InboxStanding {
                state: row.get(0)?,
                reason: row.get(1)?,
                parts: row.get(2)?,
                bytes: row.get(3)?,
            })
        })
    }

    /// Leaves that match, newest first.
    pub fn search(&self, query: &Query) -> Result<Vec<LeafRow>, JournalFault> {
        const STEP: &str = "search the log";
        let size = self.size()?;
        let bound = |moment: Option<i64>, otherwise: u64| match moment {
            Some(moment) => prune::first_since(&self.store, size, moment),
            None => Ok(otherwise),
        };
        let failed = || JournalFault::store(STEP);
        let low = bound(query.from_us, 0).map_err(failed())?;
        let high = bound(query.to_us, size).map_err(failed())?;
        let high = high.min(query.before_index.unwrap_or(u64::MAX));
        let limit = if query.limit == 0 {
            ROWS_MAX
        } else {
            query.limit.min(ROWS_MAX)
        };
        let (record, purpose) = (query.record.as_deref(), query.purpose.as_deref());
        let (outcome, kind) = (query.outcome.as_deref(), query.kind.as_deref());
        match query.partner.as_deref() {
            None => {
                let values = values![low, high, record, purpose, outcome, kind, limit];
                self.rows(STEP, statements::SEARCH, values, leaf_row)
            }
            Some(partner) => {
                let values = values![low, high, record, purpose, outcome, kind, limit, partner];
                self.rows(STEP, statements::SEARCH_PARTNER, values, leaf_row)
            }
        }
    }

    /// Whether an operator paused the relay and nobody resumed it.
    pub fn relay_paused(&self) -> Result<bool, JournalFault> {
        let found: Option<String> = self.cell("read the operator's acts", statements::LAST_PAUSE, &[])?;
        Ok(found.as_deref() == Some("paused"))
    }

    /// SHA-256 of the configuration that the gateway last started with, as the log says.
    pub fn last_config(&self) -> Result<Option<Hash>, JournalFault> {
        let found: Option<Vec<u8>> = self.cell("read the configuration leaves", statements::LAST_CONFIG, &[])?;
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
        let newest = values![ROWS_MAX];
        let rows: Vec<Vec<u8>> = self.column("read the policy leaves", statements::POLICY_LOADS, newest)?;
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
        index::leaves_of(self, payloads, tags)
    }

    /// A sealed blob that belongs to the first leaf of an exchange.
    pub(super) fn blob_of(&self, exchange: Uuid, statement: &'static str) -> Result<Option<Vec<u8>>, JournalFault> {
        let Some(first) = self.first_leaf(exchange)? else {
            return Ok(None);
        };
        self.cell("read what belongs to an exchange", statement, values![first.index])
    }

    /// The evidence record of a leaf; none when there was none or it was shredded.
    pub(super) fn evidence_of(&self, leaf: u64) -> Result<Option<StoredRecord>, JournalFault> {
        self.first("read an evidence record", statements::EVIDENCE, values![leaf], |row| {
            let (month, key): (Option<String>, Option<Vec<u8>>) = (row.get(1)?, row.get(2)?);
            Ok(StoredRecord {
                body: row.get(0)?,
                key: month.zip(key),
            })
        })
    }

    /// The evidence record of a leaf of an exchange, opened; none when there was none, or a `shred` leaf says that it is destroyed.
    pub(super) fn opened(
        &self,
        vault: &Vault,
        exchange: Uuid,
        leaf: u64,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, JournalFault> {
        let Some(stored) = self.evidence_of(leaf)? else {
            return Ok(None);
        };
        // A row that somebody put back from an older copy.
        if Shreds::about(self, exchange)?.forbid(leaf) {
            return Ok(None);
        }
        vault.open_record(exchange, &stored)
    }

    /// The months whose keys still wrap something.
    pub(super) fn months_in_use(&self) -> Result<Vec<String>, JournalFault> {
        self.column("read the wrapped keys", statements::MONTHS_IN_USE, &[])
    }

    /// Index of the first leaf at or after a moment.
    pub(super) fn first_since(&self, moment_us: i64) -> Result<u64, JournalFault> {
        let first = prune::first_since(&self.store, self.size()?, moment_us);
        first.map_err(JournalFault::store("look for a moment"))
    }
}

/// What the store gives, with the step at which it failed.
impl Reader {
    pub(super) fn rows<T>(
        &self,
        step: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
        row: impl FnMut(&Row<'_>) -> Stored<T>,
    ) -> Result<Vec<T>, JournalFault> {
        let rows = self.store.rows(statement, values, row);
        rows.map_err(JournalFault::store(step))
    }

    pub(super) fn first<T>(
        &self,
        step: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
        row: impl FnMut(&Row<'_>) -> Stored<T>,
    ) -> Result<Option<T>, JournalFault> {
        let row = self.store.first(statement, values, row);
        row.map_err(JournalFault::store(step))
    }

    pub(super) fn column<T: FromCell>(
        &self,
        step: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, JournalFault> {
        let column = self.store.column(statement, values);
        column.map_err(JournalFault::store(step))
    }

    pub(super) fn cell<T: FromCell>(
        &self,
        step: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<T>, JournalFault> {
        let cell = self.store.cell(statement, values);
        cell.map_err(JournalFault::store(step))
    }

    pub(super) fn one<T: FromCell>(
        &self,
        step: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<T, JournalFault> {
        let one = self.store.one(statement, values);
        one.map_err(JournalFault::store(step))
    }

    /// Each row until `each` breaks off or fails. `each` must not use the reader.
    pub(super) fn each(
        &self,
        step: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, JournalFault>,
    ) -> Result<(), JournalFault> {
        let mut failed = None;
        let read = self.store.each(statement, values, |row| {
            Ok(each(row).unwrap_or_else(|fault| {
                failed = Some(fault);
                ControlFlow::Break(())
            }))
        });
        read.map_err(JournalFault::store(step))?;
        failed.map_or(Ok(()), Err)
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

fn leaf_row(row: &Row<'_>) -> Stored<LeafRow> {
    Ok(LeafRow {
        index: row.get(0)?,
        t_us: row.get(1)?,
        kind: row.get(2)?,
        exchange: row.get(3)?,
        partner: row.get(4)?,
        record: row.get(5)?,
        purpose: row.get(6)?,
        code: row.get(7)?,
        bytes: row.get(8)?,
    })
}
