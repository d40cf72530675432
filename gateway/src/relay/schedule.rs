//! Who goes next, and when: fair shares, rates, the registry's pace and the gathering of small exchanges, together.
//!
//! Takes the lanes in which something waits, what each turn moved and how long the registry took, always with the time in microseconds of a clock that only goes
//! on, so that a test can be the clock. Gives the lane that is due, or the moment at which one will be. A lane that may not go yet holds up no other. Refuses nothing.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::RelaySettings;
use super::lanes::Lanes;
use super::pace::{Pace, Work};
use super::rates::Rates;
use crate::journal::Lane;

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due<'l> {
    /// This lane, now.
    Lane(&'l Lane),
    /// None before that moment.
    At(u64),
    /// Nothing waits.
    Nobody,
}

/// Rows of one part, the most that a turn of a bulk moves.
const TURN_ROWS: u64 = 8_192;

/// What a turn costs its lane's place when the lane's next may follow at once: each turn is a transaction, however little it moves.
const FULL_TURN_ROWS: u64 = 256;

/// What a turn moved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moved {
    /// Rows that count against the lane and its rates.
    pub(super) charged: u64,
    /// As much as a turn can be, so that the lane's next may follow at once; else more may gather.
    pub(super) full: bool,
    /// What the registry did and how long it took, microseconds.
    pub(super) took: Option<(Work, u64)>,
}

impl Moved {
    /// What a turn moved that wrote these rows first, and then this.
    pub(super) fn after(self, rows: u64, took: Option<(Work, u64)>) -> Self {
        Self {
            charged: self.charged.saturating_add(rows),
            full: self.full,
            took: self.took.or(took),
        }
    }
}

/// The state behind it.
#[derive(Debug)]
pub(super) struct Schedule {
    lanes: Lanes,
    rates: Rates,
    pace: Pace,
    /// Lanes whose small exchanges gather, and until when.
    gathering: HashMap<String, u64>,
    gather_us: u64,
}

impl Schedule {
    pub(super) fn new(settings: &RelaySettings) -> Self {
        Self {
            lanes: Lanes::new(settings.weights.clone()),
            rates: Rates::new(settings.rows_per_s, &settings.rates),
            pace: Pace::new(settings.part_target_ms),
            gathering: HashMap::new(),
            gather_us: u64::from(settings.idle_ms) * 1_000,
        }
    }

    /// The lane that is due.
    pub(super) fn due<'l>(&mut self, waiting: &'l [Lane], now_us: u64) -> Due<'l> {
        self.gathering.retain(|_, until_us| *until_us > now_us);
        let gates = Gates {
            rates: &self.rates,
            pace: &self.pace,
            gathering: &self.gathering,
        };
        let soonest_us = waiting.iter().map(|lane| gates.free_at_us(lane)).min();
        let due = self.lanes.due(waiting, |lane| gates.free_at_us(lane) <= now_us);
        match (due, soonest_us) {
            (Some(lane), _) => Due::Lane(lane),
            (None, Some(soonest_us)) => Due::At(soonest_us),
            (None, None) => Due::Nobody,
        }
    }

    /// Charges a turn of a lane that ended now.
    pub(super) fn charge(&mut self, lane: &Lane, waiting: &[Lane], moved: Moved, now_us: u64) {
        let sharing = waiting
            .iter()
            .filter(|other| self.rates.free_at_us(&other.record) <= now_us);
        let least = if moved.full { FULL_TURN_ROWS } else { 0 };
        self.lanes.charge(lane, sharing, moved.charged.max(least));
        self.rates.charge(&lane.record, moved.charged, now_us);
        self.worked(moved.took, now_us);
        if !moved.full {
            self.gathering
                .insert(lane.name.clone(), now_us.saturating_add(self.gather_us));
        }
    }

    /// A turn of a lane that moved nothing, because the registry did not take it. It counts as a whole one for the lane's place alone: what makes
    /// the registry fail comes again behind the others, not before them.
    pub(super) fn yielded(&mut self, lane: &Lane, waiting: &[Lane]) {
        self.lanes.charge(lane, waiting.iter(), TURN_ROWS);
    }

    fn worked(&mut self, took: Option<(Work, u64)>, now_us: u64) {
        if let Some((work, took_us)) = took {
            self.pace.took(work, took_us, now_us);
        }
    }

    /// The moment from which work for a record type that has no lane may go.
    pub(super) fn free_at_us(&self, record: &str) -> u64 {
        self.rates.free_at_us(record).max(self.pace.rest_until_us())
    }

    /// Charges such work, which ended now.
    pub(super) fn charge_apart(&mut self, record: &str, moved: Moved, now_us: u64) {
        self.rates.charge(record, moved.charged, now_us);
        self.worked(moved.took, now_us);
    }

    /// What the registry did failed after so long.
    pub(super) fn failed(&mut self, work: Work, took_us: u64, now_us: u64) {
        self.pace.failed(work, took_us, now_us);
    }

    /// The registry's pace, percent.
    pub(super) fn pace_percent(&self) -> u64 {
        self.pace.percent()
    }
}

/// What a lane may have to wait for.
struct Gates<'s> {
    rates: &'s Rates,
    pace: &'s Pace,
    gathering: &'s HashMap<String, u64>,
}

impl Gates<'_> {
    fn free_at_us(&self, lane: &Lane) -> u64 {
        let gathers_us = self.gathering.get(&lane.name).copied().unwrap_or(0);
        let rates_us = self.rates.free_at_us(&lane.record);
        gathers_us.max(rates_us).max(self.pace.rest_until_us())
    }
}
