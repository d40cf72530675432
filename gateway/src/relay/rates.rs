//! How many rows a second may go: in total, of an agency, of a feed (record type).
//!
//! Takes what each turn moved, with the time; gives the moment from which a lane may go. A turn is charged when it is over, since only its
//! opened parts say how many rows it has: what it took too much, the next one waits for. So over any time no more goes than the rate allows, and
//! two turns. Refuses nothing. (`governor`, which keeps the limits at admission, can neither be asked without being charged nor go into debt.)

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;

use super::lanes::agency;

/// A turn that began late, for want of a timer's precision or because others had theirs, does not lower the rate: as late as a part takes at the rate, and at least and at
/// most so late, microseconds.
const LATE_US: (u64, u64) = (250_000, 10_000_000);
const PART_ROWS: u64 = 8_192;

/// The limits. What is not named has none of its own.
#[derive(Debug, Default)]
pub(super) struct Rates {
    total: Option<Rate>,
    /// By agency or record type.
    named: HashMap<String, Rate>,
}

impl Rates {
    pub(super) fn new(total: Option<NonZeroU32>, named: &BTreeMap<String, NonZeroU32>) -> Self {
        let named = named.iter().map(|(name, rate)| (name.clone(), Rate::new(*rate)));
        Self {
            total: total.map(Rate::new),
            named: named.collect(),
        }
    }

    /// The moment from which a turn of that record type may go; one that is past says now.
    pub(super) fn free_at_us(&self, record: &str) -> u64 {
        let named = [agency(record), record].map(|name| self.named.get(name));
        let rates = named.into_iter().flatten().chain(&self.total);
        rates.map(|rate| rate.free_at_us).max().unwrap_or(0)
    }

    /// Charges a turn.
    pub(super) fn charge(&mut self, record: &str, rows: u64, now_us: u64) {
        for name in [agency(record), record] {
            if let Some(rate) = self.named.get_mut(name) {
                rate.charge(rows, now_us);
            }
        }
        if let Some(total) = &mut self.total {
            total.charge(rows, now_us);
        }
    }
}

#[derive(Debug)]
struct Rate {
    rows_per_s: u64,
    free_at_us: u64,
}

impl Rate {
    fn new(rows_per_s: NonZeroU32) -> Self {
        Self {
            rows_per_s: rows_per_s.get().into(),
            free_at_us: 0,
        }
    }

    fn charge(&mut self, rows: u64, now_us: u64) {
        let late_us = self.takes_us(PART_ROWS).clamp(LATE_US.0, LATE_US.1);
        let from_us = self.free_at_us.max(now_us.saturating_sub(late_us));
        self.free_at_us = from_us.saturating_add(self.takes_us(rows));
    }

    fn takes_us(&self, rows: u64) -> u64 {
        rows.saturating_mul(1_000_000).div_ceil(self.rows_per_s)
    }
}
