//! What is kept of each push, for whoever compares journal and registry.
//!
//! Takes a leaf index; gives pushes from there on, in the order of the log: where each stands, what its newest `relayed` leaf says, and whether its
//! payload is still held. Opens no payload.

use std::path::Path;

use shuguan_ledger::leaf::{Event, Leaf, RelayedEvent};
use uuid::Uuid;

use super::fault::JournalFault;
use super::inbox::{InboxState, RECALLED};
use super::payload::spill_path;
use super::statements;
use super::store::{Row, Stored, Value};
use super::views::Reader;

/// A push, and what is left of it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptPush {
    /// Index of its leaf.
    pub leaf: u64,
    /// Its id.
    pub exchange: Uuid,
    /// Where it stands.
    pub state: InboxState,
    /// Record type.
    pub record: String,
    /// Who sent it.
    pub partner: String,
    /// When it was sealed, microseconds UTC.
    pub received_us: i64,
    /// What its newest `relayed` leaf says.
    pub relayed: Option<RelayedEvent>,
    /// Where its payload is.
    pub payload: KeptPayload,
    /// Its partner withdrew it: nobody expects it in the registry.
    pub recalled: bool,
    /// Parts that it has.
    pub parts: u32,
    /// A leaf says that an operator gave it up.
    pub given_up: bool,
}

/// Where a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptPayload {
    /// In the database.
    Row,
    /// In a file of its own.
    File,
    /// Erased.
    Gone,
}

impl KeptPush {
    /// Whether its row calls it done with and no leaf does. A row that calls it recalled is believed here: `verify log` asks the recalls too.
    pub fn is_misplaced(&self) -> bool {
        let done_with = self.relayed.is_some() || self.given_up || self.recalled;
        !self.state.is_pending() && !done_with
    }

    /// Whether its payload is where the journal says.
    pub fn is_held(&self, payloads: &Path) -> bool {
        match self.payload {
            KeptPayload::Row => true,
            KeptPayload::File => spill_path(payloads, self.exchange).is_file(),
            KeptPayload::Gone => false,
        }
    }
}

impl Reader {
    /// Pushes from a leaf on, at most 1,000.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn pushes_from(&self, leaf: u64) -> Result<Vec<KeptPush>, JournalFault> {
        self.kept(statements::PUSHES_FROM, leaf.into())
    }

    /// Those that were relayed or given up last, the newest first; of what was erased, none.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn newest_done(&self, count: u32) -> Result<Vec<KeptPush>, JournalFault> {
        self.kept(statements::NEWEST_DONE, count.into())
    }

    fn kept(&self, statement: &'static str, bound: Value<'_>) -> Result<Vec<KeptPush>, JournalFault> {
        let columns = |row: &Row<'_>| Ok((push(row)?, row.get(6)?));
        let rows: Vec<(KeptPush, Option<Vec<u8>>)> = self.rows("list the pushes", statement, &[bound], columns)?;
        let with_leaf = |(push, bytes): (KeptPush, Option<Vec<u8>>)| {
            let leaf = bytes.map(|bytes| Leaf::decode(&bytes)).transpose()?;
            let relayed = leaf.and_then(|leaf| match leaf.event {
                Event::Relayed(event) => Some(event),
                _ => None,
            });
            Ok(KeptPush { relayed, ..push })
        };
        rows.into_iter().map(with_leaf).collect()
    }
}

/// A push without its `relayed` leaf.
fn push(row: &Row<'_>) -> Stored<KeptPush> {
    Ok(KeptPush {
        leaf: row.get(0)?,
        exchange: row.get(1)?,
        state: row.get(2)?,
        record: row.get(3)?,
        partner: row.get(4)?,
        received_us: row.get(5)?,
        relayed: None,
        payload: match row.get::<Option<bool>>(7)? {
            None => KeptPayload::Gone,
            Some(true) => KeptPayload::Row,
            Some(false) => KeptPayload::File,
        },
        recalled: row.get::<Option<String>>(8)?.as_deref() == Some(RECALLED),
        parts: row.get(9)?,
        given_up: row.get(10)?,
    })
}
