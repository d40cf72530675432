//! Rate limits for each partner: requests a second, requests at once, rows and bytes a second, workbooks read at once; `quota` the quotas of a day,
//! `subjects` those that count persons, `absences` the share of questions about nobody, `held` the memory of workbooks, `refused` what refused
//! batches leave behind.
//!
//! Takes a partner id that the certificate proved, never anything out of a request, so that a stranger cannot grow the table. Gives a
//! [`Permit`] that is held while the request is handled. The rates refuse with 429 at admission only, a quota of the day also in mid-body; rows
//! and bytes are paced by making the reader of the body wait (design 10.5).

pub(crate) mod absences;
pub(crate) mod held;
pub(crate) mod quota;
pub(crate) mod refused;
pub(crate) mod subjects;

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::config::{LimitsSection, PartnerLimits};
use crate::refusal::Refusal;
use held::{Holding, Memory};
use quota::DayQuota;
use refused::Debt;

type RequestLimiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// The limiters of all partners.
#[derive(Debug)]
pub struct Admission {
    settings: LimitsSection,
    partners: Mutex<HashMap<String, Arc<Limiters>>>,
    /// As many workbooks are read at once as there are processors.
    turns: Arc<Semaphore>,
    memory: Arc<Memory>,
}

struct Limiters {
    limits: PartnerLimits,
    requests: RequestLimiter,
    rows: Pace,
    bytes: Pace,
    refused: Debt,
    reports: Debt,
    slots: Arc<Semaphore>,
    /// One workbook of a partner is read at once, so that whoever sends many waits for himself and not the others for him.
    turn: Semaphore,
    turns: Arc<Semaphore>,
}

impl std::fmt::Debug for Limiters {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.limits.fmt(out)
    }
}

impl Limiters {
    fn new(limits: PartnerLimits, turns: Arc<Semaphore>) -> Self {
        let requests = Quota::per_second(limits.requests_per_s).allow_burst(limits.requests_burst);
        Self {
            limits,
            requests: RateLimiter::direct(requests).with_middleware(),
            rows: Pace::new(limits.rows_per_s),
            bytes: Pace::new(limits.bytes_per_s),
            refused: Debt::new(limits.refused_per_h, Duration::from_hours(1)),
            reports: Debt::new(limits.report_kib_per_day, Duration::from_hours(24)),
            slots: Arc::new(Semaphore::new(limits.concurrent_max.get() as usize)),
            turn: Semaphore::new(1),
            turns,
        }
    }
}

/// One request's right to be handled; gives its slot back when dropped.
#[derive(Debug)]
pub struct Permit {
    limiters: Arc<Limiters>,
    memory: Arc<Memory>,
    _slot: OwnedSemaphorePermit,
    /// What stands in `RateLimit` of the answer.
    pub allowance: Allowance,
}

/// A turn at reading a part of a workbook, which takes a processor for as long as it takes; given back when dropped.
#[derive(Debug)]
#[must_use = "the turn is over when this is dropped"]
pub struct Turn<'a> {
    _own: Option<SemaphorePermit<'a>>,
    _all: Option<SemaphorePermit<'a>>,
}

/// The state of a partner's request limit, for the `RateLimit` fields (draft 10 of ratelimit-headers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Requests a second.
    pub quota: u32,
    /// Requests that may still come at once.
    pub remaining: u32,
    /// Seconds until at least one more may come; 0 when one may come now.
    pub reset_s: u64,
}

/// A partner's limits as they stand after a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The request limit.
    pub requests: Option<Allowance>,
    /// Quotas of the day.
    pub quotas: Vec<DayQuota>,
}

/// Why a request has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// [`Refusal::RateLimited`] or [`Refusal::TooManyAtOnce`].
    pub refusal: Refusal,
    /// Seconds after which a repeat can succeed.
    pub retry_after_s: u64,
    /// The state of the limit.
    pub allowance: Allowance,
}

impl Admission {
    /// Limits out of the configuration.
    pub fn new(settings: LimitsSection) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::on(settings, processors)
    }

    fn on(settings: LimitsSection, processors: usize) -> Self {
        Self {
            memory: Arc::new(Memory::new(settings.workbooks_held_bytes_max)),
            settings,
            partners: Mutex::default(),
            turns: Arc::new(Semaphore::new(processors)),
        }
    }

    /// Charges the batches of the hour before a moment that the log says were refused, each as of when it was: a restart forgives none.
    #[must_use]
    pub fn with_refused(self, refused: &[(String, i64)], now_us: i64) -> Self {
        let now = Instant::now();
        for (partner, at_us) in refused {
            let age = Duration::from_micros(u64::try_from(now_us.saturating_sub(*at_us)).unwrap_or(0));
            // A machine that has not run for so long counts it as of now.
            let at = now.checked_sub(age).unwrap_or(now);
            self.limiters(partner).refused.charge(1, at);
        }
        self
    }

    fn limiters(&self, partner: &str) -> Arc<Limiters> {
        // A poisoned table is still a table: its entries are never half written.
        let mut partners = self.partners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiters) = partners.get(partner) {
            return Arc::clone(limiters);
        }
        let limiters = Arc::new(Limiters::new(self.settings.of(partner), Arc::clone(&self.turns)));
        partners.insert(partner.to_owned(), Arc::clone(&limiters));
        limiters
    }

    /// Charges one request to the partner.
    pub fn admit(&self, partner: &str) -> Result<Permit, Limited> {
        let limiters = self.limiters(partner);
        let quota = limiters.limits.requests_per_s.get();
        let remaining = match limiters.requests.check() {
            Ok(state) => state.remaining_burst_capacity(),
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                let retry_after_s = wait.as_secs() + 1;
                return Err(Limited {
                    refusal: Refusal::RateLimited,
                    retry_after_s,
                    allowance: Allowance {
                        quota,
                        remaining: 0,
                        reset_s: retry_after_s,
                    },
                });
            }
        };
        let allowance = Allowance {
            quota,
            remaining,
            reset_s: u64::from(remaining == 0),
        };
        match Arc::clone(&limiters.slots).try_acquire_owned() {
            Ok(slot) => Ok(Permit {
                limiters,
                memory: Arc::clone(&self.memory),
                _slot: slot,
                allowance,
            }),
            Err(_) => Err(Limited {
                refusal: Refusal::TooManyAtOnce,
                retry_after_s: 1,
                allowance,
            }),
        }
    }
}

impl Permit {
    /// Waits until the partner's rate allows that many more rows. The caller reads no body meanwhile, which slows the sender down.
    pub async fn pace_rows(&self, rows: u64) {
        self.limiters.rows.wait(rows).await;
    }

    /// The same of bytes as they came, compressed or not.
    pub async fn pace_bytes(&self, bytes: u64) {
        self.limiters.bytes.wait(bytes).await;
    }

    /// Seconds until the partner may send a batch again, when more of his were refused than may be.
    pub fn refused_too_often(&self) -> Option<u64> {
        self.limiters
            .refused
            .wait(Instant::now())
            .map(|wait| wait.as_secs() + 1)
    }

    /// A batch of his was refused as a whole, and that is in the log.
    pub fn batch_refused(&self) {
        self.limiters.refused.charge(1, Instant::now());
    }

    /// Whether a report of so many bytes may be kept; if so, it is counted.
    pub fn keeps_report(&self, bytes: usize) -> bool {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        self.limiters.reports.take(kib, Instant::now())
    }

    /// What an upload of that partner will hold in memory; nothing yet.
    pub fn holding(&self, partner: &str) -> Holding {
        self.memory.hold(partner)
    }

    /// Waits for a turn at what takes a processor. First come, first served among the partners, of whom each stands there once.
    pub async fn turn(&self) -> Turn<'_> {
        // Neither is ever closed.
        let own = self.limiters.turn.acquire().await.ok();
        Turn {
            _own: own,
            _all: self.limiters.turns.acquire().await.ok(),
        }
    }
}

/// So many a second, and as many at once.
struct Pace {
    per_s: NonZeroU32,
    limiter: DefaultDirectRateLimiter,
}

impl Pace {
    fn new(per_s: NonZeroU32) -> Self {
        Self {
            per_s,
            limiter: RateLimiter::direct(Quota::per_second(per_s)),
        }
    }

    async fn wait(&self, amount: u64) {
        let mut left = amount;
        while left > 0 {
            // A weight above the burst could never pass, so it goes in pieces.
            let piece = u32::try_from(left).ok().and_then(NonZeroU32::new);
            let piece = piece.map_or(self.per_s, |piece| piece.min(self.per_s));
            if self.limiter.until_n_ready(piece).await.is_err() {
                return;
            }
            left -= u64::from(piece.get());
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

    use std::collections::BTreeMap;
    use std::num::{NonZeroU32, NonZeroU64};

    use super::{Admission, Duration, Permit};
    use crate::config::{LimitsSection, PartnerLimits};
    use crate::refusal::Refusal;

    fn admission(per_s: u32, burst: u32, concurrent: u32) -> Admission {
        let n = |n| NonZeroU32::new(n).expect("not zero");
        Admission::new(LimitsSection {
            default: PartnerLimits {
                requests_per_s: n(per_s),
                requests_burst: n(burst),
                concurrent_max: n(concurrent),
                rows_per_s: n(1_000),
                bytes_per_s: n(1_000),
                refused_per_h: n(2),
                report_kib_per_day: n(8),
            },
            partners: BTreeMap::new(),
            body_bytes_max: NonZeroU64::MIN,
            reject_percent_max: 20,
            in_flight_max: n(1),
            workbooks_held_bytes_max: NonZeroU64::MIN,
        })
    }

    #[test]
    fn a_partner_over_its_rate_waits_and_the_others_do_not() {
        let admission = admission(1, 2, 10);
        let _first = admission.admit("a").unwrap();
        let _second = admission.admit("a").unwrap();
        let limited = admission.admit("a").unwrap_err();
        assert_eq!(limited.refusal, Refusal::RateLimited);
        assert!(limited.retry_after_s >= 1);
        assert!(admission.admit("b").is_ok());
    }

    #[test]
    fn requests_at_once_are_counted_and_given_back() {
        let admission = admission(100, 100, 1);
        let first = admission.admit("a").unwrap();
        assert_eq!(admission.admit("a").unwrap_err().refusal, Refusal::TooManyAtOnce);
        drop(first);
        assert!(admission.admit("a").is_ok());
    }

    #[tokio::test]
    async fn who_reads_one_workbook_waits_with_the_next_and_the_others_do_not_wait_for_him() {
        let admission = Admission::on(admission(100, 100, 10).settings, 2);
        let (first, second) = (admission.admit("a").unwrap(), admission.admit("a").unwrap());
        let (other, third) = (admission.admit("b").unwrap(), admission.admit("c").unwrap());
        let waits = async |permit: &Permit| {
            let turn = tokio::time::timeout(Duration::from_millis(50), permit.turn()).await;
            turn.is_err()
        };
        let turn = first.turn().await;
        assert!(waits(&second).await, "one at a time of a partner");
        assert!(!waits(&other).await, "of another partner at the same time");
        let others = other.turn().await;
        assert!(waits(&third).await, "no more than there are processors");
        drop(turn);
        assert!(!waits(&third).await && !waits(&second).await);
        drop(others);
    }

    #[test]
    fn refused_batches_and_reports_are_counted_by_partner() {
        let admission = admission(100, 100, 10);
        let (his, others) = (admission.admit("a").unwrap(), admission.admit("b").unwrap());
        his.batch_refused();
        assert_eq!(his.refused_too_often(), None);
        his.batch_refused();
        let again = admission.admit("a").unwrap().refused_too_often();
        assert!(
            again.is_some_and(|seconds| (1700..=1801).contains(&seconds)),
            "{again:?}"
        );
        assert_eq!(others.refused_too_often(), None);
        assert!(his.keeps_report(7 << 10) && !his.keeps_report(2 << 10) && others.keeps_report(2 << 10));
    }

    #[test]
    fn a_restart_forgives_no_refused_batch_and_charges_each_as_of_its_time() {
        const NOW_US: i64 = 1_795_000_000_000_000;
        let before = |partner: &str, minutes: i64| (partner.to_owned(), NOW_US - minutes * 60_000_000);
        let waits = |refused: &[(String, i64)], partner: &str| {
            let admission = admission(100, 100, 10).with_refused(refused, NOW_US);
            admission.admit(partner).unwrap().refused_too_often()
        };
        let both = [before("a", 20), before("b", 10), before("a", 10)];
        let wait = waits(&both, "a");
        // Two an hour: the two of twenty and ten minutes ago weigh half an hour each.
        assert!(wait.is_some_and(|seconds| (550..=601).contains(&seconds)), "{wait:?}");
        assert_eq!(waits(&both, "b"), None);
        assert_eq!(waits(&[before("a", 55), before("a", 50)], "a"), None);
        // A clock that went back charges it as of now, not as of a time to come.
        assert_eq!(waits(&[before("a", -10)], "a"), None);
    }

    #[tokio::test]
    async fn bytes_beyond_a_partners_rate_wait_and_those_of_others_do_not() {
        let admission = admission(100, 100, 10);
        let (first, second) = (admission.admit("a").unwrap(), admission.admit("a").unwrap());
        let waits = |permit: Permit, bytes: u64| async move {
            let wait = permit.pace_bytes(bytes);
            tokio::time::timeout(Duration::from_millis(50), wait).await.is_err()
        };
        assert!(!waits(first, 1_000).await, "as many as come in a second");
        assert!(waits(second, 500).await, "of all uploads of the partner together");
        assert!(!waits(admission.admit("b").unwrap(), 1_000).await);
        assert!(
            waits(admission.admit("c").unwrap(), u64::from(u32::MAX) + 7).await,
            "in pieces"
        );
    }
}
