//! How many refused batches a partner may send, and how much may be kept of what he is told about records.
//!
//! Takes what a refused push, or a report, weighs; says whether there is room, and when there is again. A push that is refused is charged to no quota of
//! a grant, yet its leaf stays for ever and its report for a month: a few bytes, sent again and again under fresh keys, would otherwise fill the disk. What
//! was refused within the hour is counted from the leaves at a start; the weight of reports begins anew, since no partner can make a gateway start.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So much in a period, and as much at once. What is charged beyond that has to be waited for.
#[derive(Debug)]
pub(crate) struct Debt {
    /// The time that one unit weighs.
    unit: Duration,
    period: Duration,
    /// When all that was charged will have been worked off; none before the first.
    until: Mutex<Option<Instant>>,
}

impl Debt {
    /// Nothing yet.
    pub(crate) fn new(most: NonZeroU32, period: Duration) -> Self {
        Self {
            unit: period / most.get(),
            period,
            until: Mutex::default(),
        }
    }

    /// Charges that much, whether there is room or not: it is done already.
    pub(crate) fn charge(&self, units: u32, now: Instant) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(self.with(*until, units, now));
    }

    /// Charges that much if there is room for it.
    pub(crate) fn take(&self, units: u32, now: Instant) -> bool {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let later = self.with(*until, units, now);
        let fits = later.saturating_duration_since(now) <= self.period;
        if fits {
            *until = Some(later);
        }
        fits
    }

    /// How long one has to wait until there is room for one unit; none when there is.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.with(until, 1, now).saturating_duration_since(now);
        wait.checked_sub(self.period).filter(|wait| !wait.is_zero())
    }

    /// Time in which nothing came is not saved up.
    fn with(&self, until: Option<Instant>, units: u32, now: Instant) -> Instant {
        until.map_or(now, |until| until.max(now)) + self.unit.saturating_mul(units)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::num::NonZeroU32;
    use std::time::{Duration, Instant};

    use super::Debt;

    /// Six a minute, and a clock from its making.
    fn debt() -> (Debt, impl Fn(u64) -> Instant) {
        let began = Instant::now();
        let debt = Debt::new(NonZeroU32::new(6).unwrap(), Duration::from_mins(1));
        (debt, move |seconds| began + Duration::from_secs(seconds))
    }

    #[test]
    fn as_many_as_a_period_has_come_at_once_and_then_one_at_a_time() {
        let (debt, at) = debt();
        for _ in 0..6 {
            assert_eq!(debt.wait(at(0)), None);
            debt.charge(1, at(0));
        }
        assert_eq!(debt.wait(at(0)), Some(Duration::from_secs(10)));
        assert_eq!(debt.wait(at(9)), Some(Duration::from_secs(1)));
        assert_eq!(debt.wait(at(10)), None);
        debt.charge(1, at(10));
        assert_eq!(debt.wait(at(10)), Some(Duration::from_secs(10)));
    }

    #[test]
    fn what_was_done_at_once_beyond_it_is_waited_for_as_well_and_rest_is_not_saved_up() {
        let (debt, at) = debt();
        debt.charge(9, at(0));
        assert_eq!(debt.wait(at(0)), Some(Duration::from_secs(40)));
        debt.charge(6, at(600));
        assert_eq!(debt.wait(at(600)), Some(Duration::from_secs(10)));
    }

    #[test]
    fn what_does_not_fit_is_not_taken_and_not_charged() {
        let (debt, at) = debt();
        assert!(!debt.take(7, at(0)));
        assert!(debt.take(5, at(0)));
        assert!(!debt.take(2, at(0)));
        assert!(debt.take(1, at(0)));
        assert!(!debt.take(1, at(9)));
        assert!(debt.take(1, at(10)));
    }
}
