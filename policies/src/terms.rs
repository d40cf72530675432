//! Terms: what a grant says apart from its columns. Ground, validity, hours, limits, obligations, and the words for them.

use std::sync::Arc;

use shuguan_adapters::catalogue::Agency;

use crate::calendar::Calendar;
use crate::canonical::Canonical;
use crate::target::{Direction, Mode, Target};

/// Where something stands in the bundle: file and 1-based line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, relative to the bundle.
    pub file: Arc<str>,
    /// First line is 1.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

/// Whom a grant is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantee {
    /// Every partner of an agency.
    Agency(Agency),
    /// One partner.
    Partner(String),
    /// Several partners, sorted.
    Partners(Vec<String>),
}

impl Grantee {
    fn encode(&self, out: &mut Canonical) {
        match self {
            Self::Agency(agency) => out.text("agency").text(agency.name()),
            Self::Partner(id) => out.text("partner").text(id),
            Self::Partners(ids) => out.text("partners").set(ids),
        };
    }
}

/// Legal ground of an agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// Kind, e.g. `statutory-duty`; the purpose says which kinds it takes.
    pub kind: String,
    /// Article ids, e.g. `si-57.3`.
    pub articles: Vec<String>,
    /// The signed paper.
    pub document: String,
    /// Number of the approved application, for what is shared under conditions (有条件共享).
    pub application: Option<String>,
}

/// When a grant holds: both seconds included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second, since the epoch, UTC.
    pub from_s: i64,
    /// Last second, since the epoch, UTC.
    pub until_s: i64,
}

/// Hours of each day in Asia/Shanghai at which a grant holds, in minutes after midnight: from included, to not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// First minute.
    pub from_minute: u16,
    /// First minute after.
    pub to_minute: u16,
    /// Working days only, by this calendar; every day without one.
    pub calendar: Option<Arc<Calendar>>,
}

const US_PER_MINUTE: i64 = 60_000_000;
const MINUTES_PER_DAY: i64 = 24 * 60;

impl Hours {
    /// Whether they are open at a moment (µs since the epoch, UTC). A calendar that does not have the year is closed.
    pub fn open_at(&self, now_us: i64) -> bool {
        // Asia/Shanghai is UTC+8 all year.
        let local = now_us.div_euclid(US_PER_MINUTE).saturating_add(8 * 60);
        let minute = local.rem_euclid(MINUTES_PER_DAY);
        let day = i32::try_from(local.div_euclid(MINUTES_PER_DAY)).unwrap_or(i32::MAX);
        let works = |calendar: &Arc<Calendar>| calendar.is_working(day).unwrap_or(false);
        (i64::from(self.from_minute)..i64::from(self.to_minute)).contains(&minute)
            && self.calendar.as_ref().is_none_or(works)
    }

    /// For people, e.g. `08:00 to 20:00 on working days of cn`.
    pub fn describe(&self) -> String {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let days = self
            .calendar
            .as_ref()
            .map(|calendar| format!(" on working days of {}", calendar.id))
            .unwrap_or_default();
        format!(
            "{} to {} Asia/Shanghai{days}",
            clock(self.from_minute),
            clock(self.to_minute)
        )
    }
}

/// Most that `subjects_per_day` may be, and most subjects that a grant with `per_subject_per_day` tells about on a day: each of them is
/// remembered by its tag until midnight.
pub const SUBJECTS_PER_DAY_MAX: u64 = 1_000_000;

const BYTES_PER_DAY: &str = "bytes_per_day";

/// Legal quotas of a grant; absent means unlimited by law, not by operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Rows in one push.
    pub rows_per_push: Option<u64>,
    /// Rows in one pull.
    pub rows_per_pull: Option<u64>,
    /// Rows a day, in Asia/Shanghai.
    pub rows_per_day: Option<u64>,
    /// Bytes a day, in Asia/Shanghai: of bodies as they came, of extracts as they are given.
    pub bytes_per_day: Option<u64>,
    /// Pulls a day, in Asia/Shanghai.
    pub pulls_per_day: Option<u64>,
    /// Exchanges of any kind a day, in Asia/Shanghai.
    pub requests_per_day: Option<u64>,
    /// Distinct persons or units that a pull or comparison tells about on a day, counted on blind tags; at most [`SUBJECTS_PER_DAY_MAX`].
    pub subjects_per_day: Option<u64>,
    /// Questions about one person or unit a day, in compare mode.
    pub per_subject_per_day: Option<u64>,
    /// Highest share of rejects in a push, in percent, 0 to 100.
    pub reject_percent: Option<u64>,
    /// Highest share of `absent` answers in an hour, in percent, 0 to 100; above it the grant rests.
    pub absent_percent: Option<u64>,
}

impl Limits {
    /// Each limit with the name that agreements use, in a fixed order.
    pub fn named(&self) -> [(&'static str, Option<u64>); 10] {
        [
            ("rows_per_push", self.rows_per_push),
            ("rows_per_pull", self.rows_per_pull),
            ("rows_per_day", self.rows_per_day),
            (BYTES_PER_DAY, self.bytes_per_day),
            ("pulls_per_day", self.pulls_per_day),
            ("requests_per_day", self.requests_per_day),
            ("subjects_per_day", self.subjects_per_day),
            ("per_subject_per_day", self.per_subject_per_day),
            ("reject_percent", self.reject_percent),
            ("absent_percent", self.absent_percent),
        ]
    }

    fn encode(&self, out: &mut Canonical) {
        // It came later than the others: a plan without it has the hash under which it was signed before.
        let old = |(name, limit): &(&str, Option<u64>)| *name != BYTES_PER_DAY || limit.is_some();
        for (name, limit) in self.named().into_iter().filter(old) {
            out.text(name).option(limit, |out, limit| {
                out.integer(limit);
            });
        }
    }
}

/// To whom data may be passed on. There is one word for it today, so that an unknown one is a fault and not a permission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Onward {
    /// To nobody.
    #[default]
    None,
}

impl Onward {
    /// `none`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
        }
    }
}

/// What whoever receives the data owes; travels in the signed manifest of an extract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Obligations {
    /// Days after which it must be deleted; none: as long as the purpose lasts.
    pub retain_days: Option<u32>,
    /// To whom it may be passed on.
    pub onward: Onward,
    /// Whether the deletion must be attested by a signed statement.
    pub attest_deletion: bool,
}

impl Obligations {
    fn encode(&self, out: &mut Canonical) {
        out.option(self.retain_days, |out, days| {
            out.integer(days.into());
        });
        out.text(self.onward.name()).flag(self.attest_deletion);
    }
}

/// What a grant says apart from its columns.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) id: String,
    pub(crate) agreement: String,
    pub(crate) consumer: String,
    pub(crate) basis: Basis,
    pub(crate) impact_assessment: Option<String>,
    pub(crate) necessity: Option<String>,
    pub(crate) grantee: Grantee,
    pub(crate) partner_ids: Vec<String>,
    pub(crate) target: Target,
    pub(crate) purpose: String,
    pub(crate) direction: Direction,
    pub(crate) mode: Mode,
    pub(crate) valid: Validity,
    pub(crate) hours: Option<Hours>,
    pub(crate) limits: Limits,
    pub(crate) obligations: Obligations,
    pub(crate) select_by: Vec<&'static str>,
    pub(crate) require: Vec<&'static str>,
    pub(crate) place: Place,
}

impl Terms {
    /// Key and ground.
    pub(crate) fn encode_key(&self, out: &mut Canonical) {
        self.grantee.encode(out);
        out.text(self.target.name()).text(&self.purpose);
        out.text(self.direction.name()).text(self.mode.name());
        out.text(&self.id).text(&self.agreement).text(&self.consumer);
        out.text(&self.basis.kind)
            .set(&self.basis.articles)
            .text(&self.basis.document);
        for remark in [&self.basis.application, &self.impact_assessment, &self.necessity] {
            out.option(remark.as_deref(), |out, text| {
                out.text(text);
            });
        }
    }

    /// Selection, limits, obligations, validity, hours.
    pub(crate) fn encode_rest(&self, out: &mut Canonical) {
        out.set(&self.select_by).set(&self.require);
        self.limits.encode(out);
        self.obligations.encode(out);
        out.instant(self.valid.from_s).instant(self.valid.until_s);
        out.option(self.hours.as_ref(), |out, hours| {
            out.integer(hours.from_minute.into()).integer(hours.to_minute.into());
            out.option(hours.calendar.as_ref(), |out, calendar| calendar.encode(out));
        });
    }
}
