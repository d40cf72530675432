//! The relay: moves sealed exchanges from the inbox into the registry at the permitted rate, in fair shares, part by part.
//!
//! `lanes` whose turn it is · `rates` how many rows a second · `pace` how hard the registry is worked · `schedule` the three together · `turn` one transaction of the registry
//! and the leaves after it · `ending` what a snapshot closes · `recalling` what a partner took back · `worker` the loop, and what becomes of failures · `status` what others see · `kept` whether the registry still holds it.
//!
//! Takes inbox items, which only sealing makes; gives `relayed` leaves and a status. A crash between the last commit in the registry
//! and the leaf leaves progress without a leaf: the next start finds every part in, writes nothing and seals the leaf. Recovery is
//! the same function as the daily work. Refuses nothing: what the registry will not take is set aside for an operator.

mod ending;
mod kept;
mod lanes;
mod pace;
mod rates;
mod recalling;
mod schedule;
mod status;
#[cfg(test)]
mod tests;
mod turn;
mod worker;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

pub use self::kept::holds_whole;
pub use self::lanes::Weights;
pub use self::status::{RecallApart, RelaySnapshot, RelayState, RelayStatus};
pub use self::worker::{RelayFault, run};

/// How the relay works; the configuration fills it.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// Rows a second that the registry may be given; none means as fast as it takes them. Default 100,000.
    pub rows_per_s: Option<NonZeroU32>,
    /// Rows a second of an agency or a record type, beside that; default none.
    pub rates: BTreeMap<String, NonZeroU32>,
    /// Shares of agencies, and of record types within their agency; default equal.
    pub weights: Weights,
    /// A transaction of the registry that takes no longer is never slow, milliseconds; default 500.
    pub part_target_ms: NonZeroU32,
    /// How long small exchanges may gather before they are relayed together, and how often an empty inbox is looked at, milliseconds;
    /// default 50.
    pub idle_ms: u32,
    /// First wait after a failure, milliseconds, doubled each time; default 200.
    pub retry_first_ms: u32,
    /// Longest wait after a failure, milliseconds; default 30,000.
    pub retry_max_ms: u32,
    /// How often a batch that the registry refuses is tried before it is set aside; default 14, which with the waits is over three minutes: long enough
    /// for somebody to mend the database. One whose payload is to blame is tried 5 times.
    pub attempts_max: u32,
    /// How long payload and key are held after relay, hours; default 72 (C7).
    pub payload_hold_hours: u32,
    /// A snapshot that would close more than this share of the rows that it speaks for is set aside, percent; default 10.
    pub snapshot_close_percent_max: u32,
    /// So many rows it may close whatever their share, so that small tables are not in the way; default 20.
    pub snapshot_close_rows_min: u32,
    /// How often payloads that are due are erased, seconds; default 60.
    pub erase_every_s: u32,
}

impl Default for RelaySettings {
    fn default() -> Self {
        const PART_TARGET_MS: NonZeroU32 = NonZeroU32::new(500).unwrap();
        Self {
            rows_per_s: NonZeroU32::new(100_000),
            rates: BTreeMap::new(),
            weights: Weights::default(),
            part_target_ms: PART_TARGET_MS,
            idle_ms: 50,
            retry_first_ms: 200,
            retry_max_ms: 30_000,
            attempts_max: 14,
            payload_hold_hours: 72,
            snapshot_close_percent_max: 10,
            snapshot_close_rows_min: 20,
            erase_every_s: 60,
        }
    }
}
