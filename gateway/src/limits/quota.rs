//! Quotas of a day: how many rows and bytes a partner may send or fetch under a grant, and how often, between two midnights in Asia/Shanghai.
//!
//! Bytes are those of a leaf: of a push the body as it came, compressed or not; of a pull the content.
//!
//! Takes a grant's limits at admission; gives a [`Hold`], which counts against the quota at once, becomes use when the exchange is sealed, and nothing
//! when it is dropped. What was used stands in the log and nowhere else: [`Quotas::restore`] counts the leaves of the day at a start, so a crash
//! neither loses use nor gains quota. Refuses with 429 and the seconds until midnight, or with the word that it is more than a whole day may have.

use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;
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

/// Rows and bytes, received or given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, more: Self) {
        self.rows = self.rows.saturating_add(more.rows);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

/// What was used of one quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Whose.
    pub key: QuotaKey,
    /// Rows and bytes of them.
    pub amount: Amount,
    /// Exchanges.
    pub exchanges: u64,
}

/// A quota as it stands, for the `RateLimit` fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayQuota {
    /// Its name: `rows`, `bytes`, `pulls`, `exchanges`; `subjects` or `per-subject` of [`super::subjects`].
    pub name: &'static str,
    /// How many a day.
    pub quota: u64,
    /// How many are left.
    pub remaining: u64,
    /// Seconds until midnight.
    pub reset_s: u64,
}

/// Not so much is left of a quota until midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Which, and how it stands.
    pub quota: DayQuota,
    /// The exchange alone is more than a whole day may have: no midnight makes room for it.
    pub fits_no_day: bool,
}

/// What was used of a quota, and what is held of it, on one day.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    used: Amount,
    held: Amount,
    exchanges: u64,
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
                used: spent.amount,
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
    /// [`Exhausted`]: no row, no byte, no pull or no exchange of any kind is left today.
    pub fn hold(&self, partner: &str, plan: &Plan, now_us: i64) -> Result<Hold, Exhausted> {
        let terms = Terms {
            rows_max: plan.limits().rows_per_day,
            bytes_max: plan.limits().bytes_per_day,
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
        terms.check(used)?;
        used.exchanges_held += 1;
        drop(table);
        Ok(Hold {
            quotas: self.clone(),
            key,
            day,
            terms,
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
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
    bytes_max: Option<u64>,
    pulls_max: Option<u64>,
    exchanges_max: Option<u64>,
    reset_s: u64,
}

impl Terms {
    /// Whether another exchange of one row and one byte is within the quota.
    fn check(&self, used: &Use) -> Result<(), Exhausted> {
        for (name, max, taken) in [
            ("pulls", self.pulls_max, used.exchanges + used.exchanges_held),
            ("exchanges", self.exchanges_max, used.exchanges + used.exchanges_held),
            ("rows", self.rows_max, used.used.rows + used.held.rows),
            ("bytes", self.bytes_max, used.used.bytes + used.held.bytes),
        ] {
            let Some(max) = max else { continue };
            if taken >= max {
                return Err(Exhausted {
                    quota: self.standing(name, max, taken),
                    // Tomorrow nothing of it is taken.
                    fits_no_day: false,
                });
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
    /// Bytes held so far.
    bytes: AtomicU64,
}

impl Hold {
    /// Holds as many rows in all; those that it holds already are among them.
    ///
    /// # Errors
    /// [`Exhausted`]: there are not as many left. What it held stays held until it is dropped.
    pub fn rows(&self, total: u64) -> Result<(), Exhausted> {
        self.reach(("rows", self.terms.rows_max), (&self.rows, total), |amount| {
            &mut amount.rows
        })
    }

    /// The same of bytes.
    ///
    /// # Errors
    /// [`Exhausted`].
    pub fn bytes(&self, total: u64) -> Result<(), Exhausted> {
        self.reach(("bytes", self.terms.bytes_max), (&self.bytes, total), |amount| {
            &mut amount.bytes
        })
    }

    fn reach(
        &self,
        (name, max): (&'static str, Option<u64>),
        (own, total): (&AtomicU64, u64),
        of: fn(&mut Amount) -> &mut u64,
    ) -> Result<(), Exhausted> {
        let Some(max) = max else { return Ok(()) };
        let more = total.saturating_sub(own.load(Ordering::Relaxed));
        let mut table = self.quotas.lock();
        let Some(used) = self.of_its_day(&mut table) else {
            return Ok(());
        };
        let taken = *of(&mut used.used) + *of(&mut used.held);
        if taken.saturating_add(more) > max {
            return Err(Exhausted {
                quota: self.terms.standing(name, max, taken),
                fits_no_day: total > max,
            });
        }
        *of(&mut used.held) += more;
        own.fetch_add(more, Ordering::Relaxed);
        drop(table);
        Ok(())
    }

    /// The exchange is sealed with so much: it is used, and counts in the log from now on.
    pub fn settle(&self, amount: Amount) {
        let mut table = self.quotas.lock();
        if let Some(used) = self.of_its_day(&mut table) {
            used.used += amount;
            used.exchanges += 1;
        }
    }

    /// The exchange is about to be sealed with so much. Until it is told otherwise that is used: whoever waits for it may be gone before the
    /// journal has said so, and a sender that hangs up just then must not get it for nothing.
    pub fn sealing(&self, amount: Amount) -> Sealing<'_> {
        Sealing {
            hold: self,
            amount,
            counts: true,
        }
    }

    /// How its quotas stand: `rows`, then `bytes`, `pulls`, `exchanges`; those without a limit are left out.
    pub fn standing(&self) -> Vec<DayQuota> {
        let mut table = self.quotas.lock();
        let used = self.of_its_day(&mut table).map(|used| *used).unwrap_or_default();
        drop(table);
        let rows = self.terms.rows_max.map(|max| ("rows", max, used.used.rows));
        let bytes = self.terms.bytes_max.map(|max| ("bytes", max, used.used.bytes));
        let pulls = self.terms.pulls_max.map(|max| ("pulls", max, used.exchanges));
        let exchanges = self.terms.exchanges_max.map(|max| ("exchanges", max, used.exchanges));
        let all = rows.into_iter().chain(bytes).chain(pulls).chain(exchanges);
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
    amount: Amount,
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
            self.hold.settle(self.amount);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut table = self.quotas.lock();
        if let Some(used) = self.of_its_day(&mut table) {
            let held = &mut used.held;
            held.rows = held.rows.saturating_sub(self.rows.load(Ordering::Relaxed));
            held.bytes = held.bytes.saturating_sub(self.bytes.load(Ordering::Relaxed));
            used.exchanges_held = used.exchanges_held.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
