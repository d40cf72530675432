//! Quotas of a day: how many rows a partner may send or fetch under a grant, and how often, between two midnights in Asia/Shanghai.
//!
//! Takes a grant's limits at admission; gives a [`Hold`], which counts against the quota at once, becomes use when the exchange is sealed, and nothing
//! when it is dropped. What was used stands in the log and nowhere else: [`Quotas::restore`] counts the leaves of the day at a start, so a crash
//! neither loses use nor gains quota. Refuses with 429 and the seconds until midnight.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shuguan_policies::{Direction, Mode, Plan};

use crate::clock::{DAY_US, day_of, midnight_us};

/// Whose quota: the key of a grant, so that a changed plan does not begin anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuotaKey {
    /// Partner id.
    pub partner: String,
    /// Record type or dataset.
    pub data: String,
    /// Purpose.
    pub purpose: String,
    /// Push or pull.
    pub direction: Direction,
    /// Feed, extract or compare.
    pub mode: Mode,
}

impl QuotaKey {
    /// The key under which a partner uses a grant.
    pub fn of(partner: &str, plan: &Plan) -> Self {
        Self {
            partner: partner.to_owned(),
            data: plan.target().name().to_owned(),
            purpose: plan.purpose().to_owned(),
            direction: plan.direction(),
            mode: plan.mode(),
        }
    }
}

/// What was used of one quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Whose.
    pub key: QuotaKey,
    /// Rows received or given.
    pub rows: u64,
    /// Exchanges.
    pub exchanges: u64,
}

/// A quota as it stands, for the `RateLimit` fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayQuota {
    /// Its name: `rows`, `pulls`, `exchanges`; `subjects` or `per-subject` of [`super::subjects`].
    pub name: &'static str,
    /// How many a day.
    pub quota: u64,
    /// How many are left.
    pub remaining: u64,
    /// Seconds until midnight.
    pub reset_s: u64,
}

/// Nothing is left of a quota until midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted(pub DayQuota);

/// What was used of a quota, and what is held of it, on one day.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    rows: u64,
    exchanges: u64,
    rows_held: u64,
    exchanges_held: u64,
}

/// The days of one quota that are not over: the newest that has begun, and those before it on which an exchange began that goes on. Days are counted since
/// 1970-01-01 in Asia/Shanghai.
type Days = BTreeMap<i32, Use>;

/// The quotas of all partners. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Quotas(Arc<Mutex<HashMap<QuotaKey, Days>>>);

/// Seconds until the next midnight in Asia/Shanghai.
pub(super) fn left_s(now_us: i64) -> u64 {
    let left_us = midnight_us(now_us) + DAY_US - now_us;
    u64::try_from(left_us.div_euclid(1_000_000) + 1).unwrap_or(1)
}

impl Quotas {
    /// Quotas of which so much was used since the midnight before this moment.
    pub fn restore(spent: Vec<Spent>, now_us: i64) -> Self {
        let day = day_of(now_us);
        let used = spent.into_iter().map(|spent| {
            let used = Use {
                rows: spent.rows,
                exchanges: spent.exchanges,
                ..Use::default()
            };
            (spent.key, Days::from([(day, used)]))
        });
        Self(Arc::new(Mutex::new(used.collect())))
    }

    /// Begins an exchange under a grant.
    ///
    /// # Errors
    /// [`Exhausted`]: no row, no pull or no exchange of any kind is left today.
    pub fn hold(&self, partner: &str, plan: &Plan, now_us: i64) -> Result<Hold, Exhausted> {
        let terms = Terms {
            rows_max: plan.limits().rows_per_day,
            pulls_max: plan
                .limits()
                .pulls_per_day
                .filter(|_| plan.direction() == Direction::Pull),
            exchanges_max: plan.limits().requests_per_day,
            reset_s: left_s(now_us),
        };
        let key = QuotaKey::of(partner, plan);
        let day = day_of(now_us);
        let mut table = self.lock();
        // What is over is of no use; the table stays as long as the list of grants.
        // A day further ahead than tomorrow was begun by a clock that was wrong and was put right since: it would never end.
        let next = day + 1;
        table.retain(|_, days| {
            days.retain(|begun, used| (day..=next).contains(begun) || used.exchanges_held > 0);
            !days.is_empty()
        });
        let days = table.entry(key.clone()).or_default();
        // A clock that went over midnight and back goes on with the day that had begun: nothing would count otherwise.
        let day = days
            .range(..=next)
            .next_back()
            .map_or(day, |(begun, _)| day.max(*begun));
        let used = days.entry(day).or_default();
        terms.check(used, 1)?;
        used.exchanges_held += 1;
        let rows = AtomicU64::new(0);
        drop(table);
        Ok(Hold {
            quotas: self.clone(),
            key,
            day,
            terms,
            rows,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QuotaKey, Days>> {
        // Entries are never half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a grant allows on a day.
#[derive(Clone, Copy, Debug)]
struct Terms {
    rows_max: Option<u64>,
    pulls_max: Option<u64>,
    exchanges_max: Option<u64>,
    reset_s: u64,
}

impl Terms {
    /// Whether another exchange, or so many more rows, are within the quota.
    fn check(&self, used: &Use, more: u64) -> Result<(), Exhausted> {
        for (name, max, taken) in [
            ("pulls", self.pulls_max, used.exchanges + used.exchanges_held),
            ("exchanges", self.exchanges_max, used.exchanges + used.exchanges_held),
            ("rows", self.rows_max, used.rows + used.rows_held),
        ] {
            let Some(max) = max else { continue };
            if taken.saturating_add(more) > max {
                return Err(Exhausted(self.standing(name, max, taken)));
            }
        }
        Ok(())
    }

    fn standing(&self, name: &'static str, quota: u64, taken: u64) -> DayQuota {
        DayQuota {
            name,
            quota,
            remaining: quota.saturating_sub(taken),
            reset_s: self.reset_s,
        }
    }
}

/// One exchange's part of a quota; given back when dropped.
#[derive(Debug)]
pub struct Hold {
    quotas: Quotas,
    key: QuotaKey,
    day: i32,
    terms: Terms,
    /// Rows held so far.
    rows: AtomicU64,
}

impl Hold {
    /// Holds as many rows in all; those that it holds already are among them.
    ///
    /// # Errors
    /// [`Exhausted`]: there are not as many left. What it held stays held until it is dropped.
    pub fn rows(&self, total: u64) -> Result<(), Exhausted> {
        let Some(max) = self.terms.rows_max else { return Ok(()) };
        let more = total.saturating_sub(self.rows.load(Ordering::Relaxed));
        let mut table = self.quotas.lock();
        let Some(used) = self.of_its_day(&mut table) else {
            return Ok(());
        };
        let taken = used.rows + used.rows_held;
        if taken.saturating_add(more) > max {
            return Err(Exhausted(self.terms.standing("rows", max, taken)));
        }
        used.rows_held += more;
        self.rows.fetch_add(more, Ordering::Relaxed);
        drop(table);
        Ok(())
    }

    /// The exchange is sealed with so many rows: they are used, and count in the log from now on.
    pub fn settle(&self, rows: u64) {
        let mut table = self.quotas.lock();
        if let Some(used) = self.of_its_day(&mut table) {
            used.rows += rows;
            used.exchanges += 1;
        }
    }

    /// The exchange is about to be sealed with so many rows. Until it is told otherwise they are used: whoever waits for it may be gone before the
    /// journal has said so, and a sender that hangs up just then must not get them for nothing.
    pub fn sealing(&self, rows: u64) -> Sealing<'_> {
        Sealing {
            hold: self,
            rows,
            counts: true,
        }
    }

    /// How its quotas stand: `rows`, then `pulls`, then `exchanges`; those without a limit are left out.
    pub fn standing(&self) -> Vec<DayQuota> {
        let mut table = self.quotas.lock();
        let used = self.of_its_day(&mut table).map(|used| *used).unwrap_or_default();
        drop(table);
        let rows = self.terms.rows_max.map(|max| ("rows", max, used.rows));
        let pulls = self.terms.pulls_max.map(|max| ("pulls", max, used.exchanges));
        let exchanges = self.terms.exchanges_max.map(|max| ("exchanges", max, used.exchanges));
        let all = rows.into_iter().chain(pulls).chain(exchanges);
        all.map(|(name, max, taken)| self.terms.standing(name, max, taken))
            .collect()
    }

    /// What was used on the day on which it began: it counts against that, also after midnight.
    fn of_its_day<'t>(&self, table: &'t mut HashMap<QuotaKey, Days>) -> Option<&'t mut Use> {
        table.get_mut(&self.key)?.get_mut(&self.day)
    }
}

/// An exchange between the last look and its leaf. Dropped, it counts.
#[derive(Debug)]
pub struct Sealing<'h> {
    hold: &'h Hold,
    rows: u64,
    counts: bool,
}

impl Sealing<'_> {
    /// It was not sealed, or had been before: nothing is used.
    pub fn undone(mut self) {
        self.counts = false;
    }
}

impl Drop for Sealing<'_> {
    fn drop(&mut self) {
        if self.counts {
            self.hold.settle(self.rows);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut table = self.quotas.lock();
        if let Some(used) = self.of_its_day(&mut table) {
            used.rows_held = used.rows_held.saturating_sub(self.rows.load(Ordering::Relaxed));
            used.exchanges_held = used.exchanges_held.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::path::Path;
    use std::sync::Arc;

    use shuguan_policies::{Bundle, PolicySet};

    use super::*;

    /// Noon in Shanghai.
    const NOON_US: i64 = 1_795_000_000_000_000 / DAY_US * DAY_US + DAY_US / 6;

    /// The pull of the population, 2 a day and 10 rows; the push of births, 10 rows a day.
    fn plans() -> [Arc<Plan>; 2] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
        let texts = Bundle::read(&folder).unwrap().texts().to_vec();
        let texts = texts.into_iter().map(|(name, text)| {
            let text = text
                .replace(
                    "rows_per_day = 6_000_000, pulls_per_day = 24",
                    "rows_per_day = 10, pulls_per_day = 2",
                )
                .replace("rows_per_day = 20_000", "rows_per_day = 10");
            (name, text)
        });
        let set = PolicySet::from_texts(texts.collect()).unwrap();
        ["population-registration", "health/birth-certificate"]
            .map(|grant| Arc::clone(set.plans().find(|plan| plan.grant_id() == grant).unwrap()))
    }

    fn exhausted(hold: Result<Hold, Exhausted>) -> DayQuota {
        hold.unwrap_err().0
    }

    #[test]
    fn an_exchange_of_which_nobody_hears_whether_it_was_sealed_counts() {
        let [_, births] = plans();
        let quotas = Quotas::default();
        let gone = quotas.hold("health-city", &births, NOON_US).unwrap();
        gone.rows(6).unwrap();
        let sealing = gone.sealing(6);
        // The sender hung up: whatever waited for the journal is dropped.
        drop(sealing);
        drop(gone);
        let refused = quotas.hold("health-city", &births, NOON_US).unwrap();
        refused.rows(4).unwrap();
        refused.sealing(4).undone();
        drop(refused);
        let next = quotas.hold("health-city", &births, NOON_US).unwrap();
        next.rows(4).unwrap();
        assert!(next.rows(5).is_err(), "6 and 5 are more than 10");
    }

    #[test]
    fn a_clock_that_goes_over_midnight_and_back_leaves_quotas_in_force() {
        let [_, births] = plans();
        let quotas = Quotas::default();
        let tomorrow = quotas.hold("health-city", &births, NOON_US + DAY_US).unwrap();
        tomorrow.rows(6).unwrap();
        tomorrow.settle(6);
        drop(tomorrow);
        let today = quotas.hold("health-city", &births, NOON_US).unwrap();
        assert!(today.rows(5).is_err(), "6 and 5 are more than 10");
        drop(today);
        let left = quotas.hold("health-city", &births, NOON_US + DAY_US).unwrap();
        left.rows(4).unwrap();
    }

    #[test]
    fn a_clock_that_was_a_year_ahead_leaves_a_day_that_ends() {
        let [_, births] = plans();
        let quotas = Quotas::default();
        let ahead = quotas.hold("health-city", &births, NOON_US + 365 * DAY_US).unwrap();
        ahead.rows(10).unwrap();
        ahead.settle(10);
        let today = quotas.hold("health-city", &births, NOON_US).unwrap();
        today.rows(10).unwrap();
        today.settle(10);
        drop((ahead, today));
        assert!(quotas.hold("health-city", &births, NOON_US).is_err(), "it counts today");
        assert!(quotas.hold("health-city", &births, NOON_US + DAY_US).is_ok());
    }

    #[test]
    fn what_is_held_counts_at_once_and_what_is_dropped_not_at_all() {
        let [_, births] = plans();
        let quotas = Quotas::default();
        let first = quotas.hold("health-city", &births, NOON_US).unwrap();
        first.rows(6).unwrap();
        first.rows(8).unwrap();
        let second = quotas.hold("health-city", &births, NOON_US).unwrap();
        assert!(second.rows(3).is_err(), "8 and 3 are more than 10");
        second.rows(2).unwrap();
        let left = exhausted(quotas.hold("health-city", &births, NOON_US));
        assert_eq!((left.name, left.quota, left.remaining), ("rows", 10, 0));
        assert_eq!(left.reset_s, 12 * 3_600 + 1);
        assert!(
            quotas.hold("health-ganyu", &births, NOON_US).is_ok(),
            "each partner has its own"
        );
        drop(first);
        second.settle(2);
        drop(second);
        let third = quotas.hold("health-city", &births, NOON_US).unwrap();
        assert!(third.rows(9).is_err());
        third.rows(8).unwrap();
        assert_eq!(third.standing().first().unwrap().remaining, 8);
    }

    #[test]
    fn pulls_are_counted_and_begin_anew_at_midnight() {
        let [population, _] = plans();
        let quotas = Quotas::default();
        for _ in 0..2 {
            quotas
                .hold("information-centre", &population, NOON_US)
                .unwrap()
                .settle(1);
        }
        let left = exhausted(quotas.hold("information-centre", &population, NOON_US));
        assert_eq!((left.name, left.remaining), ("pulls", 0));
        let last = midnight_us(NOON_US) + DAY_US - 1;
        assert_eq!(
            exhausted(quotas.hold("information-centre", &population, last)).reset_s,
            1
        );
        let late = quotas.hold("information-centre", &population, last + 1).unwrap();
        late.settle(10);
        drop(late);
        assert_eq!(
            exhausted(quotas.hold("information-centre", &population, last + 1)).name,
            "rows"
        );
    }

    #[test]
    fn an_exchange_over_midnight_neither_spends_the_new_day_nor_frees_it() {
        let [_, births] = plans();
        let quotas = Quotas::default();
        let old = quotas.hold("health-city", &births, NOON_US).unwrap();
        old.rows(9).unwrap();
        let new = quotas.hold("health-city", &births, NOON_US + DAY_US).unwrap();
        new.rows(10).unwrap();
        old.settle(9);
        drop(old);
        assert_eq!(
            new.standing().first().unwrap().remaining,
            10,
            "nothing of it is sealed yet"
        );
        assert!(
            quotas.hold("health-city", &births, NOON_US + DAY_US).is_err(),
            "it is held"
        );
    }

    #[test]
    fn what_began_before_midnight_stays_within_the_quota_of_its_day() {
        let [_, births] = plans();
        let quotas = Quotas::default();
        let [first, second] = [0, 1].map(|_| quotas.hold("health-city", &births, NOON_US).unwrap());
        let new = quotas.hold("health-city", &births, NOON_US + DAY_US).unwrap();
        first.rows(10).unwrap();
        assert!(second.rows(1).is_err(), "the day before has 10 in all");
        first.settle(10);
        drop(first);
        assert!(second.rows(1).is_err(), "they are used");
        drop(second);
        drop(new);
        drop(quotas.hold("health-city", &births, NOON_US + DAY_US).unwrap());
        assert_eq!(
            quotas.lock().values().map(BTreeMap::len).sum::<usize>(),
            1,
            "the day before is forgotten"
        );
    }

    #[test]
    fn what_the_log_tells_is_used() {
        let [_, births] = plans();
        let key = QuotaKey {
            partner: "health-city".into(),
            data: "health/birth-certificate".into(),
            purpose: "enrolment.registration".into(),
            direction: Direction::Push,
            mode: Mode::Feed,
        };
        let spent = Spent {
            key,
            rows: 7,
            exchanges: 1,
        };
        let quotas = Quotas::restore(vec![spent], NOON_US);
        let hold = quotas.hold("health-city", &births, NOON_US).unwrap();
        assert!(hold.rows(4).is_err());
        hold.rows(3).unwrap();
    }
}
