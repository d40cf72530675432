//! Whom a grant tells about on a day: how many persons or units, and how often one of them, between two midnights in Asia/Shanghai.
//!
//! Takes keyed tags, never a number; gives a [`SubjectHold`] that counts at once, becomes use when the exchange is sealed, and nothing when it is
//! dropped. What was told stands in the log and the index that its leaves commit to, and is read from there at the first need of a day, so a
//! restart forgets nothing. Memory: 12 bytes and their table for each subject of the day, at most [`TRACKED_MAX`] of them a grant.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shuguan_policies::Plan;
use shuguan_policies::terms::SUBJECTS_PER_DAY_MAX as TRACKED_MAX;
use tokio::sync::OnceCell;

use super::quota::{DayQuota, Exhausted, QuotaKey, left_s};
use crate::clock::{day_of, midnight_us};
use crate::journal::Tag;

/// How often each subject was told about; the first half of a tag tells subjects apart as well as all of it does.
pub(crate) type Times = HashMap<u64, u32>;

/// The first half of a tag.
pub(crate) fn short(tag: &Tag) -> u64 {
    tag.first_chunk().map_or(0, |half| u64::from_be_bytes(*half))
}

/// The subjects of the day of all grants. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct SubjectQuotas(Arc<Mutex<HashMap<QuotaKey, Arc<Day>>>>);

#[derive(Debug)]
struct Day {
    number: i32,
    read: OnceCell<()>,
    times: Mutex<Times>,
}

impl Day {
    fn times(&self) -> MutexGuard<'_, Times> {
        // Entries are never half written.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a grant allows.
#[derive(Clone, Copy, Debug)]
struct Terms {
    subjects_max: u64,
    per_subject_max: Option<u64>,
    reset_s: u64,
}

impl SubjectQuotas {
    /// Begins an exchange under a grant; none when the grant limits no subjects. `read` gives what the log tells since a moment, at most as
    /// many subjects as are tracked.
    ///
    /// # Errors
    /// When `read` fails: without it nothing may be told.
    pub async fn hold<E>(
        &self,
        key: &QuotaKey,
        plan: &Plan,
        now_us: i64,
        read: impl AsyncFnOnce(i64, usize) -> Result<Times, E>,
    ) -> Result<Option<SubjectHold>, E> {
        let limits = plan.limits();
        if limits.subjects_per_day.is_none() && limits.per_subject_per_day.is_none() {
            return Ok(None);
        }
        let day = self.day(key, day_of(now_us));
        let tracked = usize::try_from(TRACKED_MAX).unwrap_or(usize::MAX);
        let fill = async || {
            let told = read(midnight_us(now_us), tracked).await?;
            *day.times() = told;
            Ok(())
        };
        day.read.get_or_try_init(fill).await?;
        Ok(Some(SubjectHold {
            day: Arc::clone(&day),
            own: HashSet::new(),
            sealing: false,
            terms: Terms {
                subjects_max: limits.subjects_per_day.unwrap_or(TRACKED_MAX).min(TRACKED_MAX),
                per_subject_max: limits.per_subject_per_day,
                reset_s: left_s(now_us),
            },
        }))
    }

    fn day(&self, key: &QuotaKey, today: i32) -> Arc<Day> {
        let mut days = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Yesterday's stay as long as an exchange holds them.
        days.retain(|_, day| day.number >= today);
        let day = days.entry(key.clone()).or_insert_with(|| {
            Arc::new(Day {
                number: today,
                read: OnceCell::new(),
                times: Mutex::default(),
            })
        });
        Arc::clone(day)
    }
}

/// One exchange's part; given back when dropped.
#[derive(Debug)]
pub struct SubjectHold {
    day: Arc<Day>,
    own: HashSet<u64>,
    terms: Terms,
    sealing: bool,
}

impl SubjectHold {
    /// Counts subjects; one that this exchange has counted already counts no more.
    ///
    /// # Errors
    /// [`Exhausted`]: `subjects` when there are more than the grant allows, `per-subject` when one of them was told about as often as it
    /// allows. What it held stays held until it is dropped.
    pub fn count(&mut self, tags: &[Tag]) -> Result<(), Exhausted> {
        let mut times = self.day.times();
        for (place, tag) in tags.iter().enumerate() {
            let subject = short(tag);
            if self.own.contains(&subject) {
                continue;
            }
            let known = times.get(&subject).copied().unwrap_or(0);
            let tracked = u64::try_from(times.len()).unwrap_or(u64::MAX);
            if known == 0 && tracked >= self.terms.subjects_max {
                let all = self.with(tags.get(place..).unwrap_or_default());
                return Err(Exhausted {
                    quota: self.terms.standing("subjects", self.terms.subjects_max),
                    fits_no_day: all > self.terms.subjects_max,
                });
            }
            if let Some(max) = self.terms.per_subject_max.filter(|max| u64::from(known) >= *max) {
                return Err(Exhausted {
                    quota: self.terms.standing("per-subject", max),
                    // An exchange counts each subject once.
                    fits_no_day: false,
                });
            }
            times.insert(subject, known.saturating_add(1));
            self.own.insert(subject);
        }
        Ok(())
    }

    /// How many subjects it tells about with these, which are not counted yet: those of a comparison all, those of an extract up to the end of a part.
    fn with(&self, left: &[Tag]) -> u64 {
        let left: HashSet<u64> = left.iter().map(short).collect();
        u64::try_from(self.own.union(&left).count()).unwrap_or(u64::MAX)
    }

    /// The exchange is about to be sealed. Until [`SubjectHold::undone`], what it told counts: whoever waits for it may be gone before the journal has
    /// said so.
    pub fn sealing(&mut self) {
        self.sealing = true;
    }

    /// It was not sealed: it told nobody.
    pub fn undone(&mut self) {
        self.sealing = false;
    }
}

impl Terms {
    /// A quota of which nothing is left.
    fn standing(&self, name: &'static str, quota: u64) -> DayQuota {
        DayQuota {
            name,
            quota,
            remaining: 0,
            reset_s: self.reset_s,
        }
    }
}

impl Drop for SubjectHold {
    fn drop(&mut self) {
        if self.own.is_empty() || self.sealing {
            return;
        }
        let mut times = self.day.times();
        for subject in self.own.drain() {
            match times.get_mut(&subject) {
                Some(known) if *known > 1 => *known -= 1,
                _ => drop(times.remove(&subject)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::convert::Infallible;
    use std::path::Path;

    use shuguan_policies::{Bundle, PolicySet};

    use super::*;
    use crate::clock::DAY_US;

    const NOON_US: i64 = 1_795_003_200_000_000;

    /// The comparison of the example, which tells about 3 subjects a day, each twice.
    fn plan() -> Arc<Plan> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
        let texts = Bundle::read(&folder).unwrap().texts().to_vec();
        let texts = texts.into_iter().map(|(name, text)| {
            let text = text.replace(
                "per_subject_per_day = 3",
                "per_subject_per_day = 2, subjects_per_day = 3",
            );
            (name, text)
        });
        let set = PolicySet::from_texts(texts.collect()).unwrap();
        Arc::clone(
            set.plans()
                .find(|plan| plan.grant_id() == "population-compare")
                .unwrap(),
        )
    }

    fn key(plan: &Plan) -> QuotaKey {
        QuotaKey::of("information-centre", plan)
    }

    fn tag(number: u8) -> Tag {
        [number; 16]
    }

    async fn hold(quotas: &SubjectQuotas, plan: &Plan, now_us: i64, told: &[(u8, u32)]) -> SubjectHold {
        let told: Times = told
            .iter()
            .map(|(number, times)| (short(&tag(*number)), *times))
            .collect();
        let held = quotas
            .hold(&key(plan), plan, now_us, async |_, _| Ok::<_, Infallible>(told))
            .await;
        held.unwrap().unwrap()
    }

    fn refused(counted: Result<(), Exhausted>) -> (&'static str, u64) {
        let Exhausted { quota, .. } = counted.unwrap_err();
        (quota.name, quota.quota)
    }

    #[tokio::test]
    async fn a_fourth_subject_and_a_third_question_about_one_are_refused() {
        let (quotas, plan) = (SubjectQuotas::default(), plan());
        let mut first = hold(&quotas, &plan, NOON_US, &[]).await;
        first.count(&[tag(1), tag(2), tag(1)]).unwrap();
        first.count(&[tag(1)]).unwrap();
        let mut second = hold(&quotas, &plan, NOON_US, &[]).await;
        assert_eq!(refused(second.count(&[tag(1), tag(3), tag(4)])), ("subjects", 3));
        drop(second);
        first.sealing();
        drop(first);
        let mut third = hold(&quotas, &plan, NOON_US, &[]).await;
        third.count(&[tag(1), tag(3)]).unwrap();
        let mut fourth = hold(&quotas, &plan, NOON_US, &[]).await;
        assert_eq!(
            refused(fourth.count(&[tag(1)])),
            ("per-subject", 2),
            "one is held, one is used"
        );
        drop(third);
        fourth.count(&[tag(1), tag(4)]).unwrap();
        assert_eq!(refused(fourth.count(&[tag(5)])), ("subjects", 3));
    }

    #[tokio::test]
    async fn more_subjects_in_one_exchange_than_a_whole_day_may_have_fit_no_day() {
        let (quotas, plan) = (SubjectQuotas::default(), plan());
        let mut alone = hold(&quotas, &plan, NOON_US, &[]).await;
        assert!(alone.count(&[1, 2, 3, 4].map(tag)).unwrap_err().fits_no_day);
        drop(alone);
        let mut first = hold(&quotas, &plan, NOON_US, &[]).await;
        first.count(&[tag(1), tag(2)]).unwrap();
        let mut second = hold(&quotas, &plan, NOON_US, &[]).await;
        let refused = second.count(&[tag(3), tag(4)]).unwrap_err();
        assert!(!refused.fits_no_day, "tomorrow there is room for both");
        drop(second);
        // The first that has no room today says so for all that the exchange is about.
        let mut third = hold(&quotas, &plan, NOON_US, &[]).await;
        assert!(third.count(&[3, 4, 5, 6].map(tag)).unwrap_err().fits_no_day);
        drop(third);
        let mut fourth = hold(&quotas, &plan, NOON_US, &[]).await;
        let refused = fourth.count(&[3, 4, 5, 4, 3].map(tag)).unwrap_err();
        assert!(!refused.fits_no_day, "three, however often");
    }

    #[tokio::test]
    async fn what_the_log_tells_counts_once_and_a_new_day_reads_it_anew() {
        let (quotas, plan) = (SubjectQuotas::default(), plan());
        let mut today = hold(&quotas, &plan, NOON_US, &[(1, 2), (2, 1)]).await;
        assert_eq!(refused(today.count(&[tag(1)])), ("per-subject", 2));
        today.count(&[tag(2), tag(3)]).unwrap();
        let mut again = hold(&quotas, &plan, NOON_US, &[]).await;
        assert_eq!(refused(again.count(&[tag(4)])), ("subjects", 3), "read once a day");
        let mut tomorrow = hold(&quotas, &plan, NOON_US + DAY_US, &[(9, 1)]).await;
        tomorrow.count(&[tag(1), tag(4)]).unwrap();
        assert_eq!(refused(tomorrow.count(&[tag(5)])), ("subjects", 3));
        // What ends over midnight frees nothing of the new day.
        drop(today);
        assert_eq!(refused(tomorrow.count(&[tag(5)])), ("subjects", 3));
    }

    #[tokio::test]
    async fn without_the_log_nothing_is_told_and_the_next_one_asks_it_again() {
        let (quotas, plan) = (SubjectQuotas::default(), plan());
        let failed = quotas.hold(&key(&plan), &plan, NOON_US, async |_, _| Err("gone")).await;
        assert_eq!(failed.unwrap_err(), "gone");
        let mut held = hold(&quotas, &plan, NOON_US, &[(1, 2)]).await;
        assert_eq!(refused(held.count(&[tag(1)])), ("per-subject", 2));
    }

    #[tokio::test]
    async fn a_grant_without_such_limits_holds_nothing() {
        let plan = {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
            let set = PolicySet::load(&folder).unwrap();
            Arc::clone(
                set.plans()
                    .find(|plan| plan.grant_id() == "population-registration")
                    .unwrap(),
            )
        };
        let held = SubjectQuotas::default()
            .hold(&key(&plan), &plan, NOON_US, async |_, _| Err("not asked"))
            .await;
        assert!(held.unwrap().is_none());
    }
}
