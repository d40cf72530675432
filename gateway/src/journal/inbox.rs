//! The inbox: sealed batches on their way into the registry.
//!
//! Takes the relay's questions lane by lane; gives exchanges, and their parts decrypted one by one. Every change of state goes through the
//! sequencer. Refuses to move what is not in the state that the move begins from.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use rusqlite::{OptionalExtension, Row, params};
use shuguan_ledger::leaf::{Digest, Event, Leaf, PushEvent, Reference};
use shuguan_ledger::tree::Hash;
use uuid::Uuid;

use super::fault::JournalFault;
use super::kek::Kek;
use super::payload::PayloadReader;
use super::sqlite::{self, sql, unsigned};
use super::views::{ROWS_MAX, Reader, collect};

/// A sealed batch that waits. Cloning it shares the place of reading.
#[derive(Clone)]
pub struct InboxItem {
    /// Its exchange.
    pub exchange: Uuid,
    /// Index of its `push` leaf.
    pub leaf_index: u64,
    /// Hash of that leaf.
    pub leaf_hash: Hash,
    /// Record type.
    pub record: String,
    /// Partner that sent it.
    pub partner: String,
    /// When it was sealed, microseconds UTC.
    pub received_us: i64,
    /// Number of parts.
    pub parts: u32,
    /// Encrypted bytes.
    pub bytes: u64,
    /// What a snapshot speaks for, as its leaf has it; none: it is no snapshot.
    pub scope: Option<String>,
    /// `upsert`, `delta` or `snapshot`.
    pub mode: PushKind,
    /// It was set aside because it would close too much, and an operator let it go on.
    pub may_close: bool,
    payload: Arc<Mutex<Payload>>,
}

/// How a batch is meant, as its leaf has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PushKind {
    /// It closes nothing.
    #[default]
    Upsert,
    /// Its rows say what they are about.
    Delta,
    /// Its end closes what it lacks.
    Snapshot,
}

/// The reason with which a snapshot is set aside that would close more than is allowed; to release it means to let it.
pub const CLOSES_TOO_MUCH: &str = "SG6304";

/// The reason of a batch that its partner withdrew.
pub const RECALLED: &str = "recalled";

/// What opens payloads.
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) kek: Arc<Kek>,
    pub(super) folder: Arc<Path>,
}

/// Exchanges of one partner and record type, which keep their order among themselves; a bulk of more than four parts stands in a lane of
/// its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Its name, unique.
    pub name: String,
    /// The partner.
    pub partner: String,
    /// The record type, `agency/record`.
    pub record: String,
    /// The oldest leaf of this record type that is not in the registry and stands in another lane, or is set aside.
    pub elsewhere: Option<u64>,
}

impl Lane {
    /// Whether it holds what has more than four parts.
    pub fn is_bulk(&self) -> bool {
        self.name.ends_with(" bulk")
    }
}

/// Opened with the first part that is asked for.
enum Payload {
    Closed {
        opener: Opener,
        wrapped_key: Vec<u8>,
        inline: Option<Vec<u8>>,
    },
    Open(Box<PayloadReader>),
}

impl std::fmt::Debug for InboxItem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("InboxItem")
            .field("exchange", &self.exchange)
            .field("leaf_index", &self.leaf_index)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl InboxItem {
    /// The push leaf, as `relayed` refers to it.
    pub fn reference(&self) -> Reference {
        Reference {
            i: self.leaf_index,
            h: Digest(self.leaf_hash),
        }
    }

    /// Part `n`, from 0. Blocking; in order each part costs one read.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when it was changed or cut, [`JournalFault::NoPart`] after the last.
    pub fn part(&self, n: u32) -> Result<RecordBatch, JournalFault> {
        let mut payload = self.payload.lock().unwrap_or_else(PoisonError::into_inner);
        if let Payload::Closed {
            opener,
            wrapped_key,
            inline,
        } = &mut *payload
        {
            let inline = inline.clone();
            let reader = PayloadReader::open(
                &opener.kek,
                self.exchange,
                wrapped_key,
                self.parts,
                inline,
                &opener.folder,
            )?;
            *payload = Payload::Open(Box::new(reader));
        }
        match &mut *payload {
            Payload::Open(reader) => reader.part(n),
            Payload::Closed { .. } => Err(JournalFault::Worker),
        }
    }
}

/// A batch that an operator must look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Its exchange.
    pub exchange: Uuid,
    /// Index of its `push` leaf.
    pub leaf_index: u64,
    /// Record type.
    pub record: String,
    /// Partner that sent it.
    pub partner: String,
    /// When it was sealed, microseconds UTC.
    pub received_us: i64,
    /// Number of parts.
    pub parts: u32,
    /// Encrypted bytes.
    pub bytes: u64,
    /// Reason code.
    pub reason: Option<String>,
}

impl Reader {
    /// The lanes in which something waits, by name: as many index look-ups as there are lanes, however much waits.
    pub(super) fn lanes(&self) -> Result<Vec<Lane>, JournalFault> {
        let mut next = self.prepared(sqlite::NEXT_LANE)?;
        let mut lanes: Vec<(Lane, u64)> = Vec::new();
        loop {
            let last = lanes.last().map_or("", |(lane, _)| lane.name.as_str());
            let found = next.query_row([last], |row| {
                let lane = Lane {
                    name: row.get(0)?,
                    partner: row.get(1)?,
                    record: row.get(2)?,
                    elsewhere: None,
                };
                Ok((lane, unsigned(row.get(3)?)))
            });
            match found.optional().map_err(JournalFault::store("read the inbox"))? {
                Some(found) => lanes.push(found),
                None => break,
            }
        }
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        let mut aside = self.prepared(sqlite::OLDEST_ASIDE)?;
        let aside = aside.query_map([], |row| Ok((row.get(0)?, unsigned(row.get(1)?))));
        let aside: Vec<(String, u64)> = collect(aside, "read the inbox")?;
        Ok(with_elsewhere(lanes, &aside))
    }

    /// Whether an exchange of that partner and record type waits that has an earlier leaf.
    pub(super) fn waits_before(&self, partner: &str, record: &str, leaf: u64) -> Result<bool, JournalFault> {
        let mut find = self.prepared(sqlite::WAITS_BEFORE)?;
        let found = find.query_row(params![partner, record, sql(leaf)], |row| row.get(0));
        found.map_err(JournalFault::store("read the inbox"))
    }

    /// The oldest exchanges that wait in a lane, at most `limit`; of several, those whose payloads are `bytes_max` together.
    pub(super) fn waiting(
        &self,
        lane: &str,
        limit: u32,
        bytes_max: u64,
        opener: &Opener,
    ) -> Result<Vec<InboxItem>, JournalFault> {
        let mut find = self.prepared(sqlite::WAITING)?;
        let mut rows = find
            .query(params![lane, limit])
            .map_err(JournalFault::store("read the inbox"))?;
        let (mut items, mut bytes) = (Vec::new(), 0_u64);
        while let Some(row) = rows.next().map_err(JournalFault::store("read the inbox"))? {
            let item = inbox_item(row, opener).map_err(JournalFault::store("read the inbox"))?;
            bytes = bytes.saturating_add(item.bytes);
            if bytes > bytes_max && !items.is_empty() {
                break;
            }
            items.push(item);
        }
        Ok(items)
    }

    /// Batches set aside, oldest first, after the given leaf.
    pub fn set_aside(&self, after: Option<u64>) -> Result<Vec<SetAside>, JournalFault> {
        let mut find = self.prepared(sqlite::SET_ASIDE)?;
        let rows = find.query_map(params![after.map_or(-1, sql), ROWS_MAX], |row| {
            Ok(SetAside {
                leaf_index: unsigned(row.get(0)?),
                exchange: Uuid::from_bytes(row.get(1)?),
                record: row.get(2)?,
                partner: row.get(3)?,
                received_us: row.get(4)?,
                parts: row.get(5)?,
                bytes: unsigned(row.get(6)?),
                reason: row.get(7)?,
            })
        });
        collect(rows, "read the inbox")
    }

    /// Exchanges whose payload may go: relayed or discarded no later than the moment.
    pub(super) fn due(&self, before_us: i64, limit: u32) -> Result<Vec<Uuid>, JournalFault> {
        let mut find = self.prepared(sqlite::DUE)?;
        let rows = find.query_map(params![before_us, limit], |row| Ok(Uuid::from_bytes(row.get(0)?)));
        collect(rows, "read the inbox")
    }
}

/// The lanes, each with the oldest leaf of its record type that stands elsewhere.
fn with_elsewhere(lanes: Vec<(Lane, u64)>, aside: &[(String, u64)]) -> Vec<Lane> {
    let mut oldest: HashMap<String, Vec<(u64, Option<usize>)>> = HashMap::new();
    for (place, (lane, leaf)) in lanes.iter().enumerate() {
        oldest
            .entry(lane.record.clone())
            .or_default()
            .push((*leaf, Some(place)));
    }
    for (record, leaf) in aside {
        oldest.entry(record.clone()).or_default().push((*leaf, None));
    }
    for leaves in oldest.values_mut() {
        leaves.sort_unstable();
    }
    let filled = lanes.into_iter().enumerate().map(|(own, (mut lane, _))| {
        let leaves = oldest.get(&lane.record).into_iter().flatten();
        lane.elsewhere = leaves
            .filter(|(_, place)| *place != Some(own))
            .map(|(leaf, _)| *leaf)
            .next();
        lane
    });
    filled.collect()
}

/// What a push leaf says that the relay needs; a leaf that cannot be read is damage, which the payload's first part says as well.
///
/// An upsert's leaf has no member `mode`, and a quotation mark inside a text is escaped: where these bytes are not, nothing need be parsed.
fn manner(leaf: &[u8]) -> (PushKind, Option<String>) {
    const MODE: &[u8] = b"\"mode\":";
    if !leaf.windows(MODE.len()).any(|bytes| bytes == MODE) {
        return (PushKind::Upsert, None);
    }
    match Leaf::decode(leaf).map(|leaf| leaf.event) {
        Ok(Event::Push(PushEvent { mode, sco, .. })) => match mode.as_deref() {
            Some("snapshot") => (PushKind::Snapshot, sco),
            Some("delta") => (PushKind::Delta, None),
            _ => (PushKind::Upsert, None),
        },
        _ => (PushKind::Upsert, None),
    }
}

fn inbox_item(row: &Row<'_>, opener: &Opener) -> rusqlite::Result<InboxItem> {
    let payload = Payload::Closed {
        opener: opener.clone(),
        // A row without its key cannot be opened, which its first part will say.
        wrapped_key: row.get::<_, Option<_>>(7)?.unwrap_or_default(),
        inline: row.get(8)?,
    };
    let (mode, scope) = manner(&row.get::<_, Vec<u8>>(10)?);
    Ok(InboxItem {
        mode,
        scope,
        may_close: row.get::<_, Option<String>>(11)?.as_deref() == Some(CLOSES_TOO_MUCH),
        leaf_index: unsigned(row.get(0)?),
        exchange: Uuid::from_bytes(row.get(1)?),
        record: row.get(2)?,
        partner: row.get(3)?,
        received_us: row.get(4)?,
        parts: row.get(5)?,
        bytes: unsigned(row.get(6)?),
        leaf_hash: row.get(9)?,
        payload: Arc::new(Mutex::new(payload)),
    })
}
