//! The inbox: sealed batches on their way into the registry.
//!
//! Takes the relay's questions lane by lane; gives exchanges, and their parts decrypted one by one. Every change of state goes through the
//! sequencer. Refuses to move what is not in the state that the move begins from (`state` the list of them).

mod state;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use memchr::memmem;
use shuguan_ledger::leaf::{Digest, Event, Leaf, PushEvent, Reference};
use shuguan_ledger::time;
use shuguan_ledger::tree::Hash;
use uuid::Uuid;

use super::fault::JournalFault;
use super::kek::Kek;
use super::payload::PayloadReader;
use super::statements;
use super::store::{Row, Stored, values};
use super::views::{ROWS_MAX, Reader};
pub use state::InboxState;

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

/// How far one has looked through what may be erased: what was not erased then stands in the way of nothing behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DuePlace {
    changed_us: i64,
    leaf: u64,
}

/// The reason with which a snapshot is set aside that would close more than is allowed; to release it means to let it.
pub const CLOSES_TOO_MUCH: &str = "SG6304";

/// The reason of a batch that its partner withdrew.
pub const RECALLED: &str = "recalled";

const STEP: &str = "read the inbox";

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
    /// Whether it holds what has more than four parts.
    pub bulk: bool,
    /// The oldest leaf of this record type that is not in the registry and stands in another lane, or is set aside.
    pub elsewhere: Option<u64>,
}

/// Opened with the first part that is asked for.
enum Payload {
    Closed {
        opener: Opener,
        wrapped_key: Vec<u8>,
        inline: Option<Vec<u8>>,
    },
    Open(Box<PayloadReader>),
    /// The row says something else than the leaf of the push: nothing of it goes to the registry under a name that nobody signed.
    Contradicted,
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
            Payload::Contradicted => Err(JournalFault::Unopened("a batch whose row contradicts its leaf")),
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
        let mut lanes: Vec<(Lane, u64)> = Vec::new();
        loop {
            let last = lanes.last().map_or("", |(lane, _)| lane.name.as_str());
            let found = self.first(STEP, statements::NEXT_LANE, values![last], |row| {
                let name: String = row.get(0)?;
                let lane = Lane {
                    // The tables name it so.
                    bulk: name.ends_with(" bulk"),
                    name,
                    partner: row.get(1)?,
                    record: row.get(2)?,
                    elsewhere: None,
                };
                Ok((lane, row.get(3)?))
            });
            match found? {
                Some(found) => lanes.push(found),
                None => break,
            }
        }
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let aside: Vec<(String, u64)> = self.rows(STEP, statements::OLDEST_ASIDE, &[], columns)?;
        Ok(with_elsewhere(lanes, &aside))
    }

    /// Whether an exchange of that partner and record type waits that has an earlier leaf.
    pub(super) fn waits_before(&self, partner: &str, record: &str, leaf: u64) -> Result<bool, JournalFault> {
        self.one(STEP, statements::WAITS_BEFORE, values![partner, record, leaf])
    }

    /// Whether an exchange of that partner and record type is set aside that has an earlier leaf.
    pub(super) fn aside_before(&self, partner: &str, record: &str, leaf: u64) -> Result<bool, JournalFault> {
        self.one(STEP, statements::ASIDE_BEFORE, values![partner, record, leaf])
    }

    /// The oldest exchanges that wait in a lane, at most `limit`; of several, those whose payloads are `bytes_max` together.
    pub(super) fn waiting(
        &self,
        lane: &str,
        limit: u32,
        bytes_max: u64,
        opener: &Opener,
    ) -> Result<Vec<InboxItem>, JournalFault> {
        let (mut items, mut bytes) = (Vec::new(), 0_u64);
        self.each(STEP, statements::WAITING, values![lane, limit], |row| {
            let item = inbox_item(row, opener).map_err(JournalFault::store(STEP))?;
            bytes = bytes.saturating_add(item.bytes);
            if bytes > bytes_max && !items.is_empty() {
                return Ok(ControlFlow::Break(()));
            }
            items.push(item);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(items)
    }

    /// Batches set aside, oldest first, after the given leaf.
    pub fn set_aside(&self, after: Option<u64>) -> Result<Vec<SetAside>, JournalFault> {
        let first = after.map_or(0, |leaf| leaf + 1);
        self.rows(STEP, statements::SET_ASIDE, values![first, ROWS_MAX], |row| {
            Ok(SetAside {
                leaf_index: row.get(0)?,
                exchange: row.get(1)?,
                record: row.get(2)?,
                partner: row.get(3)?,
                received_us: row.get(4)?,
                parts: row.get(5)?,
                bytes: row.get(6)?,
                reason: row.get(7)?,
            })
        })
    }

    /// Exchanges whose payload may go, relayed or discarded no later than the moment, from a place on; the last is at the place to go on from.
    pub(super) fn due(
        &self,
        before_us: i64,
        from: DuePlace,
        limit: u32,
    ) -> Result<Vec<(Uuid, DuePlace)>, JournalFault> {
        let values = values![before_us, from.changed_us, from.leaf, limit];
        self.rows(STEP, statements::DUE, values, |row| {
            let place = DuePlace {
                changed_us: row.get(0)?,
                leaf: row.get(1)?,
            };
            // A leaf of no exchange is that of none that could be erased.
            Ok((row.get::<Option<_>>(2)?.unwrap_or_default(), place))
        })
    }

    /// Those of the exchanges whose payload is in no file that the journal knows.
    pub(super) fn without_file(&self, exchanges: Vec<Uuid>) -> Result<Vec<Uuid>, JournalFault> {
        let mut without = Vec::new();
        for exchange in exchanges {
            let held = self.column::<u64>(STEP, statements::HAS_FILE, values![&exchange])?;
            if held.iter().all(|held| *held == 0) {
                without.push(exchange);
            }
        }
        Ok(without)
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

/// Whether the leaf of a push has that text as that member. A quotation mark inside a text is escaped, and no object within a push leaf has these names, so
/// nothing need be parsed.
fn has(leaf: &[u8], member: &str, text: &str) -> bool {
    memmem::find(leaf, format!("\"{member}\":\"{text}\"").as_bytes()).is_some()
}

/// Whether the leaf says what the row does: what is merged is merged under the row's names, and the log has only the leaf.
fn bears_out(leaf: &[u8], exchange: &Uuid, names: [(&str, &str); 2], received_us: i64, parts: u32) -> bool {
    // Members are sorted, and `p` follows.
    let holds_rows = memmem::find(leaf, b"\"ok\":0,").is_none();
    (parts > 0 || !holds_rows)
        && has(leaf, "k", "push")
        && has(leaf, "x", &exchange.to_string())
        && names.iter().all(|(member, text)| has(leaf, member, text))
        && has(leaf, "t", &time::format(received_us))
}

fn inbox_item(row: &Row<'_>, opener: &Opener) -> Stored<InboxItem> {
    let (named, record, partner): (Uuid, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let received_us = row.get(4)?;
    let names = [("rec", record.as_str()), ("p", partner.as_str())];
    let parts = row.get(5)?;
    let borne_out = bears_out(row.blob(10)?, &named, names, received_us, parts);
    // A row may name another's exchange, which is neither held nor set aside for it.
    let exchange = if borne_out {
        named
    } else {
        row.get::<Option<_>>(12)?.unwrap_or_default()
    };
    let payload = if borne_out {
        Payload::Closed {
            opener: opener.clone(),
            // A row without its key cannot be opened, which its first part will say.
            wrapped_key: row.get::<Option<_>>(7)?.unwrap_or_default(),
            inline: row.get(8)?,
        }
    } else {
        Payload::Contradicted
    };
    let (mode, scope) = manner(row.blob(10)?);
    Ok(InboxItem {
        mode,
        scope,
        may_close: row.get(11)?,
        leaf_index: row.get(0)?,
        exchange,
        record,
        partner,
        received_us,
        // Never in already and never at its end, so that its first part is asked for, which says what is wrong.
        parts: if borne_out { parts } else { u32::MAX },
        bytes: row.get(6)?,
        leaf_hash: row.get(9)?,
        payload: Arc::new(Mutex::new(payload)),
    })
}
