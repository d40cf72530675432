//! How the witnesses stand: pure values, without clock, network or store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::journal::{Closing, Cosigned};

/// What no quorum has signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debt {
    /// Age of the oldest entry that is not under a cosigned checkpoint, at most; seconds. 0 without such entries.
    pub seconds: u64,
    /// Entries that are not under it.
    pub leaves: u64,
}

/// Seconds of debt before it is a gap: a leaf says so, and `/readyz` warns.
pub(super) const GAP_S: u64 = 60;
/// Longest pause between two questions to a witness that does not sign.
const PAUSE_MAX_US: i64 = 5_000_000;

/// What a witness holds that is not our log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alarm {
    /// Entries of what it holds, when it said so.
    pub(super) stored: Option<u64>,
    /// Our own key signed what it holds: the journal was rolled back, or the log was forked.
    pub(super) proven: bool,
}

impl Alarm {
    pub(super) fn describe(self) -> String {
        let what = match self.stored {
            Some(stored) => format!("it holds another history of this log, of {stored} entries"),
            None => "it says that this log does not continue what it signed".to_owned(),
        };
        if self.proven {
            format!(
                "{what}, signed by this log's own key: the journal was put back from an older copy, or a second log runs under this key"
            )
        } else {
            format!("{what}; it showed no proof")
        }
    }
}

/// One witness as it is known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Size that it holds, as far as we know.
    pub(super) stored: u64,
    /// Newest size that it signed for us.
    pub(super) signed: u64,
    /// Questions without a signature since the last one that had one.
    pub(super) failures: u32,
    /// Not to be asked before.
    pub(super) next_us: i64,
    /// Why it did not sign, the last time.
    pub(super) fault: Option<String>,
    pub(super) alarm: Option<Alarm>,
    /// When a leaf last said that its clock is off.
    pub(super) clock_leaf_us: Option<i64>,
}

impl Known {
    pub(super) fn signed(&mut self, size: u64) {
        self.stored = size;
        self.signed = self.signed.max(size);
        self.failures = 0;
        self.next_us = 0;
        self.fault = None;
        // What was proved stays until a person has looked: the next start asks again.
        self.alarm = self.alarm.filter(|alarm| alarm.proven);
    }

    /// One second, two, four, at most five.
    pub(super) fn failed(&mut self, fault: String, now_us: i64) {
        let pause = 1_000_000_i64 << self.failures.min(8);
        self.failures = self.failures.saturating_add(1);
        self.next_us = now_us.saturating_add(pause.min(PAUSE_MAX_US));
        self.fault = Some(fault);
    }

    /// Whether it is to be asked about a log of so many entries.
    pub(super) fn is_due(&self, size: u64, now_us: i64) -> bool {
        self.signed < size && now_us >= self.next_us
    }

    pub(super) fn describe(&self) -> String {
        match (&self.alarm, &self.fault) {
            (Some(alarm), _) => alarm.describe(),
            (None, Some(fault)) => fault.clone(),
            (None, None) if self.signed == 0 => "not asked yet".into(),
            (None, None) => format!("signed {} entries", self.signed),
        }
    }
}

/// Everything that a round changes.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) links: Vec<Known>,
    /// Every entry sealed before this moment is under a cosigned checkpoint.
    pub(super) since_us: i64,
    /// Signature lines that are being gathered, by size and place of the witness: of the newest checkpoint, and of one that closes a volume.
    pub(super) lines: BTreeMap<u64, BTreeMap<usize, String>>,
    /// When the gap began that a leaf has told of.
    pub(super) gap_us: Option<i64>,
    /// Name of the volume that was written when it was looked at last.
    pub(super) written: Arc<str>,
    /// The last checkpoint of the volume before, as long as no quorum has signed it: it is shown first, and then the one that grows.
    pub(super) closing: Option<Arc<Cosigned>>,
    /// Witnesses that do not sign it, by their places: they have forgotten that log, never knew it, or hold another history of it; they are asked about what grows.
    pub(super) declined: BTreeSet<usize>,
}

impl State {
    pub(super) fn of(links: usize) -> Self {
        Self {
            links: vec![Known::default(); links],
            ..Self::default()
        }
    }

    /// Adds a line for a size; gives all lines when they are so many.
    pub(super) fn gather(&mut self, size: u64, place: usize, line: String, quorum: usize) -> Option<String> {
        let closing = self.closing.as_ref().map(|closing| closing.size);
        self.lines.retain(|at, _| *at == size || Some(*at) == closing);
        let lines = self.lines.entry(size).or_default();
        lines.insert(place, line);
        (lines.len() >= quorum).then(|| lines.values().map(String::as_str).collect())
    }

    /// The volume before was closed so: unless a quorum has signed that, it is to be shown.
    pub(super) fn closes(&mut self, closing: Option<Closing>) {
        let unsigned = closing.filter(|closing| !closing.is_witnessed);
        self.closing = unsigned.map(|closing| Arc::new(closing.last));
        self.declined.clear();
    }

    /// What is owed by a log of `head` entries of which `covered` are cosigned.
    pub(super) fn debt(&self, head: u64, covered: u64, now_us: i64) -> Debt {
        let leaves = head.saturating_sub(covered);
        let age = now_us.saturating_sub(self.since_us).max(0) / 1_000_000;
        Debt {
            seconds: if leaves == 0 { 0 } else { age.unsigned_abs() },
            leaves,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Alarm, Debt, Known, State};

    #[test]
    fn debt_is_the_age_of_what_is_not_signed() {
        let state = State {
            since_us: 5_000_000,
            ..State::of(1)
        };
        assert_eq!(state.debt(7, 7, 90_000_000), Debt::default());
        let debt = Debt { seconds: 85, leaves: 3 };
        assert_eq!(state.debt(10, 7, 90_999_999), debt);
        assert_eq!(state.debt(10, 7, 0).seconds, 0, "a clock that went back owes nothing");
    }

    #[test]
    fn lines_of_another_size_do_not_count() {
        let mut state = State::of(3);
        assert_eq!(state.gather(5, 0, "a".into(), 2), None);
        assert_eq!(state.gather(5, 0, "a".into(), 2), None, "twice the same");
        assert_eq!(state.gather(6, 1, "b".into(), 2), None);
        assert_eq!(state.gather(6, 0, "a".into(), 2).as_deref(), Some("ab"));
        assert_eq!(state.gather(6, 2, "c".into(), 2).as_deref(), Some("abc"));
    }

    #[test]
    fn a_witness_that_fails_is_asked_less_often_and_one_that_signs_at_once() {
        let mut known = Known::default();
        let mut pauses = Vec::new();
        for _ in 0..5 {
            known.failed("x".into(), 0);
            pauses.push(known.next_us / 1_000_000);
        }
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        assert!(!known.is_due(9, 4_999_999) && known.is_due(9, 5_000_000));
        known.signed(9);
        assert!(!known.is_due(9, 0) && known.is_due(10, 0));
    }

    #[test]
    fn a_proved_alarm_is_not_taken_back_by_a_signature() {
        let alarm = |proven| {
            Some(Alarm {
                stored: Some(9),
                proven,
            })
        };
        let mut known = Known {
            alarm: alarm(false),
            ..Known::default()
        };
        known.signed(3);
        assert_eq!(known.alarm, None);
        known.alarm = alarm(true);
        known.signed(4);
        assert_eq!(known.alarm, alarm(true));
    }
}
