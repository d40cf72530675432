//! One exchange: the straight lines, and how each can stop.
//!
//! `push.rs`, `pull.rs` and `compare.rs` read from top to bottom, one call a station. A station takes the previous station's output by value and
//! gives a type that only it can make, so that none can be skipped.
//!
//! | File | What it is |
//! |---|---|
//! | `push`, `pull`, `compare` | the straight lines |
//! | `admit`, `asked`, `signing`, `inflight`, `mode` | may this come, from whom, how is it meant; one key at a time |
//! | `repeat`, `upload` | a key that is known; an upload that breaks off |
//! | `attended`, `batch`, `quality`, `report`, `last_headers`, `claims` | the body, while its sender is there; read; how good it was, what the sender is told, also beside his last batch; what a comparison claims |
//! | `release`, `subjects`, `index_keys`, `tags` | the gate; whom a part is about, as keyed tags, and under which keys |
//! | `seal`, `answer`, `receipt_keys` | the point after which a crash is safe; the answer, and what signs it |
//! | `statement`, `ack`, `recall`, `ticket` | what is stated about an exchange that the log holds |
//! | `owed` | leaves of what happened, which the journal could not take yet |

pub mod ack;
pub mod admit;
pub mod answer;
pub mod asked;
pub mod attended;
pub mod batch;
pub mod claims;
pub mod compare;
pub mod index_keys;
pub mod inflight;
pub mod last_headers;
pub mod mode;
pub mod owed;
pub mod pull;
pub mod push;
pub mod quality;
pub mod recall;
pub mod receipt_keys;
pub mod release;
pub mod repeat;
pub mod report;
pub mod seal;
pub mod signing;
pub mod stated;
pub mod statement;
pub mod subjects;
pub mod tags;
pub mod ticket;
mod upload;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use shuguan_policies::{KeyRing, PolicySet};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::chain::Chain;
use crate::clock::Clock;
use crate::config::LimitsSection;
use crate::extract::Extracts;
use crate::journal::{Journal, JournalFault, SealError, Sealed};
use crate::layouts::Layouts;
use crate::limits::absences::{Absences, Resting};
use crate::limits::quota::{DayQuota, Exhausted, Quotas};
use crate::limits::subjects::SubjectQuotas;
use crate::limits::{Admission, Allowance, Limited};
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::witnessing::Witnessing;
use index_keys::IndexKeys;
use inflight::KeysInFlight;
use last_headers::LastHeaders;
use owed::Owed;
use signing::Signing;
use tags::Tags;

/// What the stations of an exchange work with; built once, by `serve`.
#[derive(Debug)]
pub struct Stations {
    /// Tells the time that the log goes on by; what is compared with a leaf is compared with this.
    pub clock: Clock,
    /// The machine's clock, for what follows it by design: signatures, certificates, periods of grants.
    pub wall: Clock,
    /// The policies in force; each exchange pins one plan.
    pub policies: Arc<ArcSwap<PolicySet>>,
    /// Keys of pseudonyms.
    pub keys: KeyRing,
    /// Operational limits.
    pub limits: LimitsSection,
    /// How partners write their feeds.
    pub layouts: Layouts,
    /// Rate limits.
    pub admission: Admission,
    /// Quotas of the day.
    pub quotas: Quotas,
    /// Whom grants told about today.
    pub told: SubjectQuotas,
    /// How often comparisons were about nobody.
    pub absences: Absences,
    /// Keyed tags for the journal.
    pub tags: Tags,
    /// Message signatures.
    pub signing: Signing,
    /// Keys of the index of subjects.
    pub index: IndexKeys,
    /// Which columns the last batches had.
    pub last_headers: Arc<LastHeaders>,
    /// Idempotency keys being handled.
    pub in_flight: KeysInFlight,
    /// Where exchanges are sealed.
    pub journal: Journal,
    /// Who signs the log beside us.
    pub witnessing: Arc<Witnessing>,
    /// Where extracts are read from.
    pub registry: Registry,
    /// Prepared extracts.
    pub extracts: Extracts,
    /// Leaves of what happened that the journal could not take yet.
    pub owed: Owed,
    /// Extracts being prepared, acts being carried out, pushes being sealed, leaves of pushes that broke off, of extracts that ended and of what is owed; waited
    /// for when the gateway stops.
    pub tasks: TaskTracker,
}

impl Stations {
    /// Carries an act out to its end, whoever goes on waiting for it. A request is dropped where it stands when its connection breaks: an act
    /// of several steps would then be in the log and not in force. The gateway waits for it when it stops.
    ///
    /// # Errors
    /// Those of the act; a fault when it panicked.
    pub async fn to_the_end<T: Send + 'static>(
        &self,
        act: impl Future<Output = Result<T, Stop>> + Send + 'static,
    ) -> Result<T, Stop> {
        let acting = self.tasks.spawn(act);
        // Not with the panic's own text: it may quote what was being decoded.
        acting.await.map_err(|_| Fault::new("carry an act out"))?
    }
}

/// Why a call ended without its result.
#[derive(Debug)]
pub enum Stop {
    /// The caller may not or cannot: sealed as a leaf, told, counted.
    Refused(Box<Refused>),
    /// We failed: logged once, answered 5xx.
    Fault(Fault),
}

/// A refusal with what the caller is told about it.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The exchange, once it has an id.
    pub exchange: Option<Uuid>,
    /// Names and limits that help, never a value.
    pub detail: Option<String>,
    /// Rows and fields.
    pub errors: Vec<RowError>,
    /// The size that would have been taken.
    pub limit_bytes: Option<u64>,
    /// Seconds after which a repeat can succeed.
    pub retry_after_s: Option<u64>,
    /// It alone is more than a whole day may have: no wait helps.
    pub fits_no_day: bool,
    /// The state of the partner's request limit.
    pub allowance: Option<Allowance>,
    /// The quota of the day of which nothing is left.
    pub quota: Option<DayQuota>,
    /// Whether this answer belongs to the idempotency key from now on (C4).
    pub sticky: bool,
    /// Its leaf.
    pub leaf: RefusalLeaf,
    /// Hash of the bundle that decided it, when one did: another may be in force by the time its leaf is sealed.
    pub bundle: Option<[u8; 32]>,
}

/// The leaf of a refusal, when the caller is told.
#[derive(Debug)]
pub enum RefusalLeaf {
    /// Whoever tells the caller seals it.
    Due,
    /// It stands; with its place, where the answer names it.
    Sealed(Option<Box<Sealed>>),
    /// There is none: what it would say stands in the log, there were too many like it, or it could not be sealed.
    Waived,
}

/// What is wrong with one row.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct RowError {
    /// Data row, from 1; 0 when it is the file as a whole.
    pub row: u64,
    /// Line of the file, from 1.
    pub line: u64,
    /// Cell of a sheet, e.g. `C17`, where the format has cells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cell: Option<String>,
    /// Field, when one is to blame.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<Cow<'static, str>>,
    /// Name of that field as the sender wrote it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub header: Option<String>,
    /// Bytes of the file before the one at fault, when one byte is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub offset: Option<u64>,
    /// Stable code.
    pub code: Cow<'static, str>,
    /// What the code means.
    pub title: Cow<'static, str>,
    /// Names and counts that help; never a value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
    /// The sender's own number of the row, where its layout names one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
}

impl RowError {
    /// A remark on the file as a whole.
    pub fn of_file(refusal: Refusal, line: u64) -> Self {
        Self {
            row: 0,
            line,
            cell: None,
            field: None,
            header: None,
            offset: None,
            code: refusal.code().into(),
            title: refusal.zh().into(),
            hint: None,
            id: None,
        }
    }
}

/// A failure of ours, with the chain of its causes; for the operational log only.
#[derive(Debug, thiserror::Error)]
#[error("{step}")]
pub struct Fault {
    /// What was being done.
    pub step: &'static str,
    /// Why it failed.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Fault {
    /// The step and the chain of its causes, for the operational log only.
    pub fn chain(&self) -> String {
        Chain(self).to_string()
    }

    /// A failure without a cause to show.
    pub fn new(step: &'static str) -> Self {
        Self { step, source: None }
    }

    /// Names the step that failed and keeps the cause.
    pub fn from_error<E: std::error::Error + Send + Sync + 'static>(step: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self {
            step,
            source: Some(Box::new(source)),
        }
    }
}

impl Refused {
    /// A refusal without particulars.
    pub fn new(refusal: Refusal) -> Self {
        Self {
            refusal,
            exchange: None,
            detail: None,
            errors: Vec::new(),
            limit_bytes: None,
            retry_after_s: None,
            fits_no_day: false,
            allowance: None,
            quota: None,
            sticky: false,
            leaf: RefusalLeaf::Due,
            bundle: None,
        }
    }

    /// Names the bundle that decided it.
    #[must_use]
    pub fn under(mut self, bundle: [u8; 32]) -> Self {
        self.bundle = Some(bundle);
        self
    }

    /// Adds names and limits that help; never a value.
    #[must_use]
    pub fn detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    /// Says when a repeat can succeed.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Refused::new(refusal).into()
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

impl From<Fault> for Stop {
    /// A journal that the machine or its server keeps from us is one that is not available, whatever was asked of it.
    fn from(fault: Fault) -> Self {
        let source = fault.source.as_deref();
        let journal = source.and_then(|source| source.downcast_ref::<JournalFault>());
        if !journal.is_some_and(JournalFault::is_of_the_machine) {
            return Self::Fault(fault);
        }
        tracing::error!(cause = %fault.chain(), "the journal is not available");
        seal::unavailable(SealError::Unavailable)
    }
}

impl From<Exhausted> for Stop {
    fn from(Exhausted { quota, fits_no_day }: Exhausted) -> Self {
        let what = match quota.name {
            "per-subject" => "questions about one subject",
            name => name,
        };
        let refused = Refused::new(Refusal::QuotaExceeded);
        let mut refused = if fits_no_day {
            refused.detail(format_args!(
                "the grant allows {} {what} a day, and this alone is more: no day has room for it in one piece",
                quota.quota
            ))
        } else {
            let left = format_args!(
                "the grant allows {} {what} a day, of which {} are left until midnight",
                quota.quota, quota.remaining
            );
            refused.detail(left).retry_after(quota.reset_s)
        };
        refused.fits_no_day = fits_no_day;
        refused.quota = Some(quota);
        refused.into()
    }
}

impl From<Resting> for Refused {
    fn from(resting: Resting) -> Self {
        let share = format_args!(
            "more than {} percent of the last hour's answers were `absent`",
            resting.percent
        );
        Self::new(Refusal::TooManyAbsent)
            .detail(share)
            .retry_after(resting.retry_after_s)
    }
}

impl From<Limited> for Stop {
    fn from(limited: Limited) -> Self {
        let mut refused = Refused::new(limited.refusal).retry_after(limited.retry_after_s);
        refused.allowance = Some(limited.allowance);
        refused.into()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};
    use std::path::PathBuf;

    use super::{Fault, JournalFault, Refusal, Stop};

    fn stop(kind: ErrorKind) -> Stop {
        let fault = JournalFault::File {
            what: "write",
            path: PathBuf::from("payload"),
            source: Error::from(kind),
        };
        Fault::from_error("encrypt a part")(fault).into()
    }

    #[test]
    fn a_journal_without_room_is_not_available_and_a_damaged_one_is_a_fault() {
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::TimedOut] {
            let stop = stop(kind);
            assert!(
                matches!(&stop, Stop::Refused(refused) if refused.refusal == Refusal::JournalUnavailable && refused.retry_after_s.is_some()),
                "{stop:?}"
            );
        }
        assert!(matches!(stop(ErrorKind::NotFound), Stop::Fault(_)));
        let damaged = Fault::from_error("read a leaf")(JournalFault::Damaged("a leaf".into()));
        assert!(matches!(damaged.into(), Stop::Fault(_)));
    }
}
