//! How often a comparison answers that nobody is there: who asks about many people that the registry does not have is fishing.
//!
//! Takes the rows of each comparison and how many of them were about nobody; refuses once the share within an hour is above the grant's
//! `absent_percent`, until it is not. What was asked stands in the log: [`Absences::restore`] counts the leaves of the last hour at a start. Memory: 60
//! minutes for each key of a grant. Fewer than [`ROWS_MIN`] rows within an hour are no share of anything.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::quota::QuotaKey;

/// Below so many rows within the hour nothing is refused: the first question may well be about somebody who has just moved here.
pub(crate) const ROWS_MIN: u64 = 20;
/// Minutes that are looked at, the running one among them.
pub(crate) const MINUTES: i64 = 60;
const MINUTE_US: i64 = 60_000_000;

/// One comparison as the log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Under which grant.
    pub key: QuotaKey,
    /// When, microseconds UTC.
    pub t_us: i64,
    /// Rows of claims.
    pub rows: u64,
    /// Rows about nobody.
    pub absent: u64,
}

/// The grant rests: too many were absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    /// What the grant allows.
    pub percent: u64,
    /// Seconds until the share has fallen, when nobody asks meanwhile.
    pub retry_after_s: u64,
}

/// The hours of all grants. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Absences(Arc<Mutex<HashMap<QuotaKey, Hour>>>);

/// Minute, rows, absent: oldest first.
#[derive(Clone, Debug, Default)]
struct Hour(VecDeque<(i64, u64, u64)>);

impl Absences {
    /// What was asked in the hour before this moment.
    pub fn restore(asked: Vec<Asked>) -> Self {
        let mut hours: HashMap<QuotaKey, Hour> = HashMap::new();
        for one in asked {
            hours.entry(one.key).or_default().add(one.t_us, one.rows, one.absent);
        }
        Self(Arc::new(Mutex::new(hours)))
    }

    /// Whether the grant may answer.
    ///
    /// # Errors
    /// [`Resting`].
    pub fn check(&self, key: &QuotaKey, percent: Option<u64>, now_us: i64) -> Result<(), Resting> {
        self.count(key, percent, (0, 0), now_us)
    }

    /// Counts a comparison whose answers are known and not told yet; it stays counted whether they are told or not.
    ///
    /// # Errors
    /// [`Resting`]: with it the share is too high.
    pub fn count(
        &self,
        key: &QuotaKey,
        percent: Option<u64>,
        (rows, absent): (u64, u64),
        now_us: i64,
    ) -> Result<(), Resting> {
        // Entries are never half written.
        let mut hours = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = hours.entry(key.clone()).or_default();
        hour.add(now_us, rows, absent);
        hour.forget(now_us);
        match percent {
            Some(percent) if hour.is_over(percent) => Err(Resting {
                percent,
                retry_after_s: hour.clone().over_until_s(percent, now_us),
            }),
            _ => Ok(()),
        }
    }
}

impl Hour {
    fn add(&mut self, now_us: i64, rows: u64, absent: u64) {
        if rows == 0 {
            return;
        }
        let minute = now_us.div_euclid(MINUTE_US);
        match self.0.back_mut() {
            // A clock that went back counts into the newest minute.
            Some((last, all, nobody)) if *last >= minute => {
                *all = all.saturating_add(rows);
                *nobody = nobody.saturating_add(absent);
            }
            _ => self.0.push_back((minute, rows, absent)),
        }
    }

    fn forget(&mut self, now_us: i64) {
        let first = now_us.div_euclid(MINUTE_US) - MINUTES + 1;
        while self.0.front().is_some_and(|(minute, ..)| *minute < first) {
            self.0.pop_front();
        }
    }

    fn is_over(&self, percent: u64) -> bool {
        let (mut rows, mut absent) = (0_u64, 0_u64);
        for (_, all, nobody) in &self.0 {
            rows = rows.saturating_add(*all);
            absent = absent.saturating_add(*nobody);
        }
        rows >= ROWS_MIN && u128::from(absent) * 100 > u128::from(rows) * u128::from(percent)
    }

    /// Takes away minute by minute, as time does.
    fn over_until_s(mut self, percent: u64, now_us: i64) -> u64 {
        let mut until_us = now_us;
        while self.is_over(percent) {
            let Some((minute, ..)) = self.0.pop_front() else { break };
            until_us = (minute + MINUTES) * MINUTE_US;
        }
        u64::try_from((until_us - now_us).div_euclid(1_000_000) + 1).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use shuguan_policies::{Direction, Mode};

    use super::*;

    const NOON_US: i64 = 1_795_003_200_000_000 / MINUTE_US * MINUTE_US;

    fn key(partner: &str) -> QuotaKey {
        QuotaKey {
            partner: partner.into(),
            data: "population".into(),
            purpose: "enrolment.comparison".into(),
            direction: Direction::Pull,
            mode: Mode::Compare,
        }
    }

    #[test]
    fn the_share_is_judged_from_the_twentieth_row_on_and_at_the_limit_it_is_not_above() {
        let (absences, own) = (Absences::default(), key("a"));
        assert_eq!(
            absences.count(&own, Some(20), (19, 19), NOON_US),
            Ok(()),
            "19 rows are no share"
        );
        let resting = absences.count(&own, Some(20), (1, 0), NOON_US).unwrap_err();
        assert_eq!((resting.percent, resting.retry_after_s), (20, 3_601));
        assert_eq!(absences.check(&key("b"), Some(20), NOON_US), Ok(()), "each has its own");
        assert_eq!(absences.check(&own, None, NOON_US), Ok(()), "no limit, no rest");
        assert!(absences.check(&own, Some(20), NOON_US).is_err());
        assert_eq!(
            absences.check(&own, Some(95), NOON_US),
            Ok(()),
            "19 of 20 are 95 percent"
        );
        assert!(absences.check(&own, Some(94), NOON_US).is_err());
    }

    #[test]
    fn a_grant_rests_until_the_hour_is_over_and_not_longer() {
        let (absences, own) = (Absences::default(), key("a"));
        absences.count(&own, Some(0), (30, 0), NOON_US).unwrap();
        let later = NOON_US + 10 * MINUTE_US;
        let resting = absences.count(&own, Some(0), (1, 1), later + 30_000_000).unwrap_err();
        // When the first thirty rows are forgotten, one row is left, and it is no share.
        assert_eq!(resting.retry_after_s, 49 * 60 + 30 + 1);
        let free = NOON_US + MINUTES * MINUTE_US;
        assert!(absences.check(&own, Some(0), free - 1).is_err());
        assert_eq!(absences.check(&own, Some(0), free), Ok(()));
    }

    #[test]
    fn what_the_log_tells_of_the_last_hour_counts() {
        let asked = |minutes: i64, rows, absent| Asked {
            key: key("a"),
            t_us: NOON_US - minutes * MINUTE_US,
            rows,
            absent,
        };
        let old = Absences::restore(vec![asked(60, 100, 100), asked(30, 25, 5)]);
        assert_eq!(
            old.check(&key("a"), Some(20), NOON_US),
            Ok(()),
            "an hour ago is forgotten"
        );
        assert!(old.check(&key("a"), Some(19), NOON_US).is_err());
        let new = Absences::restore(vec![asked(59, 100, 100), asked(30, 25, 5)]);
        assert!(new.check(&key("a"), Some(20), NOON_US).is_err());
    }
}
