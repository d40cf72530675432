//! How hard the registry is worked: back-pressure that follows its latency.
//!
//! Takes how long each transaction took; gives the moment until which the relay rests. The pace is the share of time in which the registry
//! works for us: at the whole the next turn follows at once, at a quarter the relay rests three times as long as the registry worked. It falls by a factor with each
//! transaction that took longer than the target and than three times what is usual for its size, and rises steadily with each that did not
//! (AIMD). What is usual is learned: fast downwards, slowly upwards, so a machine that is always slow is worked fully, and one that has
//! become slow is spared long before a statement times out. Never below a twentieth and never for longer than ten seconds: it is never zero. Refuses nothing.

use std::num::NonZeroU32;

/// The whole pace, parts in a million.
const WHOLE: u64 = 1_000_000;
/// The least pace.
const LEAST: u64 = WHOLE / 20;
/// From nothing to the whole, microseconds.
const RECOVERY_US: u64 = 30_000_000;
/// The longest rest, microseconds.
pub(super) const REST_MAX_US: u64 = 10_000_000;
/// So many times what is usual is slow.
const SLOW_TIMES: u64 = 3;
/// Sizes are told apart by powers of two.
const SIZES: usize = 16;
/// Parts by size, closings, recalls by size.
const CLASSES: usize = 2 * SIZES + 1;

/// What a transaction did; only like is compared with like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// It wrote so many rows.
    Rows(u64),
    /// It closed a stride of what a snapshot lacks.
    Closing,
    /// A stride of a recall, which withdrew or opened so many rows.
    Recalling(u64),
}

impl Work {
    fn class(self) -> usize {
        match self {
            Self::Rows(rows) => size(rows),
            Self::Closing => SIZES,
            Self::Recalling(rows) => SIZES + 1 + size(rows),
        }
    }
}

fn size(rows: u64) -> usize {
    usize::try_from(rows.max(1).ilog2()).unwrap_or(SIZES).min(SIZES - 1)
}

/// The pace at present.
#[derive(Debug)]
pub(super) struct Pace {
    target_us: u64,
    share: u64,
    /// What a transaction of each class usually takes, microseconds; 0: none was seen.
    usual_us: [u64; CLASSES],
    heard_us: u64,
    rest_until_us: u64,
}

impl Pace {
    /// The whole pace; what takes no longer than the target is never slow.
    pub(super) fn new(target_ms: NonZeroU32) -> Self {
        Self {
            target_us: u64::from(target_ms.get()) * 1_000,
            share: WHOLE,
            usual_us: [0; CLASSES],
            heard_us: 0,
            rest_until_us: 0,
        }
    }

    /// A transaction is in; it took so long, and ended now.
    pub(super) fn took(&mut self, work: Work, took_us: u64, now_us: u64) {
        let slow_above_us = self.slow_above_us(work);
        if took_us > slow_above_us {
            self.slow(slow_above_us, took_us);
        } else {
            let gained = WHOLE.saturating_mul(now_us.saturating_sub(self.heard_us)) / RECOVERY_US;
            self.share = self.share.saturating_add(gained).min(WHOLE);
        }
        self.learn(work, took_us);
        self.rest(took_us, now_us);
    }

    /// A transaction failed after so long: one that failed at once says nothing about latency.
    pub(super) fn failed(&mut self, work: Work, took_us: u64, now_us: u64) {
        let slow_above_us = self.slow_above_us(work);
        if took_us > slow_above_us {
            self.slow(slow_above_us, took_us);
            self.rest(took_us, now_us);
        }
    }

    /// The moment until which the relay rests.
    pub(super) fn rest_until_us(&self) -> u64 {
        self.rest_until_us
    }

    /// The pace, percent of the whole, 5 to 100.
    pub(super) fn percent(&self) -> u64 {
        self.share * 100 / WHOLE
    }

    fn slow_above_us(&self, work: Work) -> u64 {
        let usual_us = self.usual_us.get(work.class()).copied().unwrap_or(0);
        // Of the first of its kind nothing is known but the target.
        let usual_us = if usual_us == 0 { self.target_us } else { usual_us };
        self.target_us.max(usual_us.saturating_mul(SLOW_TIMES))
    }

    /// By as much as it was too slow, at least an eighth and at most a half.
    fn slow(&mut self, slow_above_us: u64, took_us: u64) {
        let scaled = self.share.saturating_mul(slow_above_us) / took_us.max(1);
        self.share = scaled.clamp(self.share / 2, self.share * 7 / 8).max(LEAST);
    }

    fn learn(&mut self, work: Work, took_us: u64) {
        if let Some(usual_us) = self.usual_us.get_mut(work.class()) {
            *usual_us = match *usual_us {
                0 => took_us,
                usual if took_us < usual => usual - (usual - took_us).div_ceil(8),
                usual => usual + (took_us - usual) / 256,
            };
        }
    }

    fn rest(&mut self, took_us: u64, now_us: u64) {
        let rest_us = took_us.saturating_mul(WHOLE - self.share) / self.share;
        self.heard_us = now_us;
        self.rest_until_us = now_us.saturating_add(rest_us.min(REST_MAX_US));
    }
}
