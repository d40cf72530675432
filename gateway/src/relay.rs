//! The relay: moves sealed exchanges from the inbox into the registry at the permitted rate, oldest first, part by part.
//!
//! Takes inbox items, which only sealing makes; gives `relayed` leaves and a status. A crash between the last commit in the registry
//! and the leaf leaves progress without a leaf: the next start finds every part in, writes nothing and seals the leaf. Recovery is
//! the same function as the daily work. Refuses nothing: what the registry will not take is set aside for an operator.

mod pace;
mod status;
#[cfg(test)]
mod tests;
mod worker;

use std::num::NonZeroU32;

pub use self::pace::Pace;
pub use self::status::{RelaySnapshot, RelayState, RelayStatus};
pub use self::worker::{RelayFault, run};

/// How the relay works; the configuration fills it.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// Rows a second that the registry may be given; none means as fast as it takes them. Default 100,000.
    pub rows_per_s: Option<NonZeroU32>,
    /// Rows that may go at once after a pause; default 8,192, one part.
    pub burst_rows: NonZeroU32,
    /// How often an empty inbox is looked at, milliseconds; default 50.
    pub idle_ms: u32,
    /// First wait after a failure, milliseconds, doubled each time; default 200.
    pub retry_first_ms: u32,
    /// Longest wait after a failure, milliseconds; default 30,000.
    pub retry_max_ms: u32,
    /// How often a batch that the registry refuses is tried before it is set aside; default 5.
    pub attempts_max: u32,
    /// How long payload and key are held after relay, hours; default 72 (C7).
    pub payload_hold_hours: u32,
    /// How often payloads that are due are erased, seconds; default 60.
    pub erase_every_s: u32,
}

impl Default for RelaySettings {
    fn default() -> Self {
        const PART_ROWS: NonZeroU32 = NonZeroU32::new(8_192).unwrap();
        Self {
            rows_per_s: NonZeroU32::new(100_000),
            burst_rows: PART_ROWS,
            idle_ms: 50,
            retry_first_ms: 200,
            retry_max_ms: 30_000,
            attempts_max: 5,
            payload_hold_hours: 72,
            erase_every_s: 60,
        }
    }
}

/// A sealed exchange that waits.
#[derive(Clone, Debug)]
pub struct InboxItem {
    /// The exchange.
    pub exchange: uuid::Uuid,
    /// Index of its leaf.
    pub leaf_index: u64,
    /// Record type.
    pub record: String,
    /// Who sent it.
    pub partner: String,
    /// When it was received, microseconds since the epoch.
    pub received_us: i64,
    /// Parts of its payload.
    pub parts: u32,
}

/// What the `relayed` leaf says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What became of the rows.
    pub counts: crate::registry::Counts,
    /// Parts.
    pub parts: u32,
    /// Milliseconds from the first part to the last commit.
    pub ms: u64,
}

/// What waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backlog {
    /// Exchanges.
    pub exchanges: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// When the oldest was received.
    pub oldest_us: Option<i64>,
}

/// The journal failed.
#[derive(Debug, thiserror::Error)]
#[error("the journal failed")]
pub struct InboxFault {
    /// Whether only this batch is to blame.
    pub of_batch: bool,
}

impl InboxFault {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "SG5102"
    }

    pub(crate) fn remedy(&self) -> crate::registry::Remedy {
        if self.of_batch {
            crate::registry::Remedy::SetAside
        } else {
            crate::registry::Remedy::Wait
        }
    }
}

/// The journal, as the relay sees it.
#[expect(
    async_fn_in_trait,
    reason = "used inside this crate only, until the journal is there"
)]
pub trait Inbox {
    /// The oldest exchange that waits and is not set aside.
    async fn next_inbox(&self) -> Result<Option<InboxItem>, InboxFault>;
    /// A part of its payload.
    async fn read_part(&self, item: &InboxItem, number: u32) -> Result<arrow_array::RecordBatch, InboxFault>;
    /// Seals the `relayed` leaf.
    async fn relayed(&self, item: &InboxItem, outcome: Outcome) -> Result<(), InboxFault>;
    /// Takes it out of the line.
    async fn set_aside(&self, exchange: uuid::Uuid, code: &'static str) -> Result<(), InboxFault>;
    /// Deletes payloads that are due.
    async fn erase_due(&self, now_us: i64, hold_us: i64) -> Result<(), InboxFault>;
    /// What waits.
    async fn backlog(&self) -> Result<Backlog, InboxFault>;
}
