//! What the relay is doing, for `relay status`, the console and `/metrics`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use uuid::Uuid;

use crate::registry::Counts;

/// Seconds over which the current rate is taken.
const WINDOW_S: i64 = 10;
/// What the journal fails at: it cannot commit, it cannot be read.
const OF_THE_JOURNAL: [&str; 2] = ["SG5101", "SG6301"];

/// What the relay is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelayState {
    /// The inbox is empty.
    #[default]
    Idle,
    /// A batch is on its way.
    Relaying,
    /// Something failed; it is tried again.
    Waiting,
    /// An operator paused it.
    Paused,
    /// It has ended.
    Stopped,
}

/// A recall that the registry refuses: the others go on, and an operator has it tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecallApart {
    /// Its exchange.
    pub exchange: Uuid,
    /// The exchange that it withdraws.
    pub push: Uuid,
    /// Record type.
    pub record: String,
    /// Partner, of both.
    pub partner: String,
    /// Code of what the registry says, e.g. `SG6209`.
    pub reason: &'static str,
}

/// The relay at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RelaySnapshot {
    /// What it is doing.
    pub state: RelayState,
    /// Exchanges in the inbox.
    pub backlog_exchanges: u64,
    /// Bytes of their payloads.
    pub backlog_bytes: u64,
    /// Age of the oldest, seconds; 0 when there is none.
    pub lag_s: u64,
    /// Rows a second over the last ten seconds.
    pub rows_per_s: u64,
    /// Share of the time in which the registry may work for the relay, percent; below 100 it has become slow and is spared.
    pub pace_percent: u64,
    /// Rows since the start.
    pub rows_total: u64,
    /// Exchanges relayed since the start.
    pub exchanges_total: u64,
    /// Exchanges set aside since the start.
    pub set_aside_total: u64,
    /// Code of the last failure since the last success, e.g. `SG6214`.
    pub last_error: Option<&'static str>,
    /// What that failure was: the step, SQLSTATE or SQLite's code, the constraint; no value.
    pub last_told: Option<String>,
    /// Recalls that the registry refuses, oldest first.
    pub recalls_apart: Vec<RecallApart>,
}

#[derive(Debug, Default)]
struct Inner {
    snapshot: RelaySnapshot,
    oldest_us: Option<i64>,
    paused: bool,
    /// (second, rows), at most [`WINDOW_S`] + 1 of them.
    recent: VecDeque<(i64, u64)>,
    apart: BTreeMap<Uuid, RecallApart>,
    /// Of those, the ones that an operator has tried again.
    again: BTreeSet<Uuid>,
}

/// A handle on the status; clones show the same.
#[derive(Clone, Debug, Default)]
pub struct RelayStatus(Arc<Mutex<Inner>>);

impl RelayStatus {
    /// The relay now.
    pub fn snapshot(&self, now_us: i64) -> RelaySnapshot {
        let mut inner = self.lock();
        forget(&mut inner.recent, now_us);
        let rows: u64 = inner.recent.iter().map(|(_, rows)| rows).sum();
        let lag_us = inner.oldest_us.map_or(0, |oldest_us| now_us.saturating_sub(oldest_us));
        RelaySnapshot {
            rows_per_s: rows / WINDOW_S.unsigned_abs(),
            lag_s: u64::try_from(lag_us / 1_000_000).unwrap_or(0),
            recalls_apart: inner.apart.values().cloned().collect(),
            ..inner.snapshot.clone()
        }
    }

    /// Pauses the relay, which takes effect between two turns, or lets it go on.
    pub fn pause(&self, paused: bool) {
        self.lock().paused = paused;
        gauge("shuguan_relay_paused", u64::from(paused));
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.lock().paused
    }

    /// Whether that exchange is a recall that the registry refuses.
    pub fn is_apart(&self, exchange: Uuid) -> bool {
        self.lock().apart.contains_key(&exchange)
    }

    /// Has a recall tried again that the registry refused; false when there is none such.
    pub fn again(&self, exchange: Uuid) -> bool {
        let mut inner = self.lock();
        let known = inner.apart.remove(&exchange).is_some();
        if known {
            inner.again.insert(exchange);
        }
        known
    }

    pub(super) fn take_again(&self) -> BTreeSet<Uuid> {
        std::mem::take(&mut self.lock().again)
    }

    pub(super) fn hold_apart(&self, recall: RecallApart) {
        self.lock().apart.insert(recall.exchange, recall);
    }

    pub(super) fn state(&self, state: RelayState) {
        self.lock().snapshot.state = state;
    }

    pub(super) fn pace(&self, percent: u64) {
        self.lock().snapshot.pace_percent = percent;
        gauge("shuguan_relay_pace_percent", percent);
    }

    pub(super) fn backlog(&self, exchanges: u64, bytes: u64, oldest_us: Option<i64>) {
        let mut inner = self.lock();
        inner.snapshot.backlog_exchanges = exchanges;
        inner.snapshot.backlog_bytes = bytes;
        inner.oldest_us = oldest_us;
    }

    /// The registry answered: what failed before is over.
    pub(super) fn answered(&self) {
        let mut inner = self.lock();
        inner.snapshot.last_error = None;
        inner.snapshot.last_told = None;
    }

    /// The journal took a leaf, or has nothing that is due: what it failed at is over. What the registry refused is not.
    pub(super) fn journal_answered(&self) {
        let mut inner = self.lock();
        if inner
            .snapshot
            .last_error
            .is_some_and(|code| OF_THE_JOURNAL.contains(&code))
        {
            inner.snapshot.last_error = None;
            inner.snapshot.last_told = None;
        }
    }

    pub(super) fn merged(&self, counts: Counts, now_us: i64) {
        self.answered();
        let mut inner = self.lock();
        inner.snapshot.rows_total += counts.rows();
        let second = now_us.div_euclid(1_000_000);
        match inner.recent.back_mut().filter(|(last, _)| *last == second) {
            Some((_, rows)) => *rows += counts.rows(),
            None => inner.recent.push_back((second, counts.rows())),
        }
        forget(&mut inner.recent, now_us);
        drop(inner);
        for (outcome, rows) in [("ins", counts.ins), ("upd", counts.upd), ("same", counts.same)] {
            metrics::counter!("shuguan_relay_rows_total", "outcome" => outcome).increment(rows);
        }
    }

    pub(super) fn relayed(&self) {
        self.journal_answered();
        self.lock().snapshot.exchanges_total += 1;
        metrics::counter!("shuguan_relay_exchanges_total", "outcome" => "relayed").increment(1);
    }

    pub(super) fn set_aside(&self) {
        self.lock().snapshot.set_aside_total += 1;
        metrics::counter!("shuguan_relay_exchanges_total", "outcome" => "set-aside").increment(1);
    }

    pub(super) fn failed(&self, code: &'static str, told: &str) {
        let mut inner = self.lock();
        inner.snapshot.state = RelayState::Waiting;
        inner.snapshot.last_error = Some(code);
        inner.snapshot.last_told = Some(told.to_owned());
        drop(inner);
        metrics::counter!("shuguan_relay_failures_total", "code" => code).increment(1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget(recent: &mut VecDeque<(i64, u64)>, now_us: i64) {
    let first = now_us.div_euclid(1_000_000) - WINDOW_S;
    while recent.front().is_some_and(|(second, _)| *second <= first) {
        recent.pop_front();
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; 2^53 is enough")]
fn gauge(name: &'static str, value: u64) {
    metrics::gauge!(name).set(value as f64);
}

#[cfg(test)]
mod tests {
    use super::RelayStatus;

    #[test]
    fn an_answer_or_a_leaf_ends_what_failed_before() {
        let status = RelayStatus::default();
        let last = || status.snapshot(0).last_error;
        status.failed("SG6214", "the registry does not answer");
        for said in [RelayStatus::journal_answered, RelayStatus::relayed] {
            said(&status);
            assert_eq!(last(), Some("SG6214"), "nothing was asked of the registry");
        }
        status.answered();
        assert_eq!((last(), status.snapshot(0).last_told), (None, None));
        for said in [RelayStatus::journal_answered, RelayStatus::relayed] {
            status.failed("SG5101", "the journal cannot commit");
            said(&status);
            assert_eq!((last(), status.snapshot(0).last_told), (None, None));
        }
    }
}
