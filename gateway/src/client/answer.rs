//! What can come back instead of an answer, and what a person is told about it.

use std::fmt;

use serde::Deserialize;
use shuguan_adapters::catalogue::RecordType;
use shuguan_adapters::reject::Reject;

use crate::command::exit::{Exit, Failure};
use crate::refusal::Refusal;

/// Rows of a problem that a person is shown at once.
const ERRORS_SHOWN: usize = 5;

/// An RFC 9457 problem document, as far as we show it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Problem {
    /// Status of the answer.
    #[serde(default)]
    pub status: u16,
    /// Stable code.
    #[serde(default)]
    pub code: String,
    /// What the code means.
    #[serde(default)]
    pub title: String,
    /// Names and limits.
    pub detail: Option<String>,
    /// Finds the gateway's log line.
    pub request_id: Option<String>,
    /// The exchange.
    pub instance: Option<String>,
    /// Rows and fields.
    #[serde(default)]
    pub errors: Vec<RowProblem>,
    /// There are more than those.
    #[serde(default)]
    pub errors_truncated: bool,
    /// When a repeat can succeed.
    pub retry_after_s: Option<u64>,
    /// It alone is more than the grant allows in a whole day: no midnight makes room for it. Only the gateway's own word says so; a refusal without it and
    /// without a wait is tried again.
    #[serde(default)]
    pub fits_no_day: bool,
    /// What to do.
    pub next: Option<String>,
}

impl Problem {
    /// Whether the refusal is about what was sent, and not about who we are or what we may do now.
    pub fn is_about_the_file(&self) -> bool {
        // Changed under our hands, or a fault of our key or clock: the file is as good as it was.
        let others = [
            Refusal::BadDigest,
            Refusal::BodyIncomplete,
            Refusal::BadSignature,
            Refusal::StaleSignature,
        ];
        let about_us = others.iter().any(|refusal| refusal.code() == self.code);
        matches!(self.status, 400 | 413 | 415 | 422) && !about_us
    }

    /// Whether the refusal says nothing of another file: it is about this one, which may have changed under our hands, or about its key.
    pub fn is_of_one_file(&self) -> bool {
        let changed = [Refusal::BadDigest, Refusal::BodyIncomplete];
        let is_changed = changed.iter().any(|refusal| refusal.code() == self.code);
        self.is_about_the_file() || self.fits_no_day || self.status == 409 || is_changed
    }
}

/// One row of a problem or reject report.
#[derive(Clone, Debug, Deserialize, serde::Serialize, PartialEq, Eq)]
pub struct RowProblem {
    /// Data row, from 1.
    pub row: u64,
    /// Line of the file, from 1.
    pub line: u64,
    /// Cell of a sheet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// Field, when one is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Chinese name of the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_zh: Option<String>,
    /// The field's name as we sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Stable code.
    pub code: String,
    /// What the code means.
    pub title: String,
    /// What would have passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Names and counts that help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Our own number of the row, where the layout names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl RowProblem {
    /// What the gateway would say of a reject that was found here.
    pub fn of(reject: &Reject, cell: Option<String>, header: Option<String>, record: &RecordType) -> Self {
        let field = reject.field.and_then(|name| record.field(name));
        Self {
            row: reject.row,
            line: reject.line,
            cell,
            field: reject.field.map(str::to_owned),
            field_zh: field.map(|field| field.zh.to_owned()),
            header,
            code: reject.code.code().to_owned(),
            title: reject.code.zh().to_owned(),
            expected: Some(reject.code.expected_zh().to_owned()),
            hint: None,
            id: reject.id.as_deref().map(str::to_owned),
        }
    }

    /// Place, field, code and reason on one line.
    pub fn line(&self) -> String {
        let field = self.field.as_deref().unwrap_or("-");
        let mut text = format!(
            "row {} line {}  {field}  {}  {}",
            self.row, self.line, self.code, self.title
        );
        if let Some(hint) = &self.hint {
            text.push_str("  ");
            text.push_str(hint);
        }
        text
    }
}

/// What the gateway says with 503 before it takes anything. A journal that fails is not among them: what it was given may be on its disk.
const NOT_NOW: [Refusal; 8] = [
    Refusal::InboxFull,
    Refusal::InboxOverdue,
    Refusal::SpoolFull,
    Refusal::Draining,
    Refusal::Overloaded,
    Refusal::Unwitnessed,
    Refusal::WitnessSilent,
    Refusal::LogDisputed,
];

/// Why a call has no answer.
#[derive(Debug)]
pub enum CallError {
    /// Our certificate was not accepted.
    Certificate(Refusal),
    /// The gateway answered with a problem.
    Problem(Box<Problem>),
    /// The connection was closed without a word.
    Closed,
    /// Not reached, or cut.
    Network(String),
    /// The answer does not prove what it says.
    Unproven(String),
}

impl CallError {
    /// Whether the same call may succeed later; with how long to wait when the other side said. After a conflict only when it said so: an extract that the policies
    /// ended does not come back.
    pub fn retry(&self) -> Option<Option<u64>> {
        match self {
            Self::Problem(problem) if problem.fits_no_day => None,
            Self::Problem(problem) if matches!(problem.status, 408 | 429 | 500..) => Some(problem.retry_after_s),
            Self::Problem(problem) if problem.status == 409 => problem.retry_after_s.map(Some),
            Self::Closed | Self::Network(_) => Some(None),
            Self::Certificate(_) | Self::Problem(_) | Self::Unproven(_) => None,
        }
    }

    /// Whether nothing can have come of this one request: it was refused by a gateway that said so itself, and neither cut short nor lost in a fault.
    pub fn took_nothing(&self) -> bool {
        match self {
            Self::Certificate(_) => true,
            Self::Problem(problem) if self.is_held() || problem.status == 409 => false,
            Self::Problem(problem) => {
                problem.status < 500 || NOT_NOW.iter().any(|refusal| refusal.code() == problem.code)
            }
            Self::Closed | Self::Network(_) | Self::Unproven(_) => false,
        }
    }

    /// Whether the refusal belongs to the key from now on: the content was read, and the same key gets the same answer.
    pub fn sticks(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.status == 422) && !self.is_held()
    }

    /// Whether the gateway holds something under the key that was declared otherwise.
    fn is_held(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.code == Refusal::KeyReused.code())
    }

    /// Whether the request is refused however often it is repeated, and its key was not asked for the answer that it may have had.
    pub fn hides_the_answer(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.is_about_the_file()) && !self.sticks()
    }

    /// What the person at the keyboard is told.
    pub fn failure(&self, place: &str) -> Failure {
        match self {
            Self::Certificate(refusal) => Failure::new(Exit::Refused, refusal.zh())
                .coded(refusal.code())
                .at(place)
                .because(refusal.en())
                .then(refusal.next()),
            Self::Problem(problem) => problem.failure(place),
            Self::Closed => Failure::new(Exit::Unreached, "the gateway closed the connection without a word")
                .at(place)
                .because("our certificate may have been refused, or the gateway stopped")
                .then("shuguan cert inspect client.pem; then repeat with the same file"),
            Self::Network(why) => Failure::new(Exit::Unreached, "the gateway was not reached")
                .at(place)
                .because(why)
                .then("check the address in client.toml and the network, then repeat with the same file"),
            Self::Unproven(why) => Failure::new(Exit::NotProven, "the gateway's answer does not verify")
                .at(place)
                .because(why)
                .then("compare `receipt_key` in client.toml with the gateway's trust/receipt.pem; do not count it as delivered"),
        }
    }
}

impl Problem {
    fn failure(&self, place: &str) -> Failure {
        let exit = match self.status {
            429 => Exit::RateLimited,
            500.. => Exit::Unreached,
            _ => Exit::Refused,
        };
        let mut place = place.to_owned();
        for (label, text) in [("", &self.instance), ("request ", &self.request_id)] {
            if let Some(text) = text {
                place.push_str(" · ");
                place.push_str(label);
                place.push_str(text);
            }
        }
        let mut failure = Failure::new(exit, &self.title).coded(&self.code).at(place);
        let mut why: Vec<String> = self.detail.iter().cloned().collect();
        why.extend(self.errors.iter().take(ERRORS_SHOWN).map(RowProblem::line));
        if self.errors.len() > ERRORS_SHOWN {
            why.push(format!("… {} in all", self.errors.len()));
        }
        if !why.is_empty() {
            failure = failure.because(why.join("\n         "));
        }
        if let Some(next) = &self.next {
            failure = failure.then(next);
        }
        failure
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(refusal) => out.write_str(refusal.en()),
            Self::Problem(problem) => write!(out, "{} {}", problem.code, problem.title),
            Self::Closed => out.write_str("the connection was closed without a word"),
            Self::Network(why) | Self::Unproven(why) => out.write_str(why),
        }
    }
}

impl std::error::Error for CallError {}

#[cfg(test)]
mod tests {
    use super::{CallError, Problem};
    use crate::refusal::Refusal;

    fn answered(status: u16, code: &str) -> CallError {
        CallError::Problem(Box::new(Problem {
            status,
            code: code.into(),
            ..Problem::default()
        }))
    }

    #[test]
    fn a_conflict_is_repeated_only_when_the_gateway_says_that_a_wait_helps() {
        let conflict = |code: &str, retry_after_s| {
            let problem = Problem {
                status: 409,
                code: code.into(),
                retry_after_s,
                ..Problem::default()
            };
            CallError::Problem(Box::new(problem)).retry()
        };
        assert_eq!(conflict(Refusal::KeyInFlight.code(), Some(1)), Some(Some(1)));
        assert_eq!(conflict(Refusal::GrantChanged.code(), Some(1)), Some(Some(1)));
        assert_eq!(
            conflict(Refusal::GrantChanged.code(), None),
            None,
            "of an extract that is gone"
        );
        assert_eq!(answered(503, Refusal::Draining.code()).retry(), Some(None));
    }

    #[test]
    fn what_fits_no_day_is_not_repeated_and_a_quota_without_a_wait_is() {
        let exhausted = |members: &str| {
            let text = format!(r#"{{"status": 429, "code": "SG4112"{members}}}"#);
            let problem: Option<Problem> = serde_json::from_str(&text).ok();
            problem.map(|problem| CallError::Problem(Box::new(problem)).retry())
        };
        assert_eq!(exhausted(r#", "fits_no_day": true"#), Some(None));
        assert_eq!(exhausted(r#", "retry_after_s": 60"#), Some(Some(Some(60))));
        assert_eq!(exhausted(r#", "fits_no_day": false"#), Some(Some(None)));
        assert_eq!(
            exhausted(""),
            Some(Some(None)),
            "a gateway, or a proxy before it, that says neither"
        );
    }

    #[test]
    fn only_a_refusal_that_the_gateway_itself_spoke_says_that_nothing_was_taken() {
        for (status, code) in [
            (429, Refusal::RateLimited.code()),
            (503, Refusal::InboxFull.code()),
            (503, Refusal::Draining.code()),
        ] {
            assert!(answered(status, code).took_nothing(), "{status} {code}");
        }
        for (status, code) in [
            (503, Refusal::JournalUnavailable.code()),
            (503, ""),
            (502, Refusal::BadDigest.code()),
            (422, Refusal::KeyReused.code()),
            (409, Refusal::KeyInFlight.code()),
            (500, "SG9001"),
        ] {
            assert!(!answered(status, code).took_nothing(), "{status} {code}");
        }
        for (status, code, hides) in [
            (422, Refusal::KeyReused.code(), true),
            (415, Refusal::UnsupportedType.code(), true),
            (422, Refusal::EmptyBatch.code(), false),
            (400, Refusal::StaleSignature.code(), false),
            (403, Refusal::NoGrant.code(), false),
            (503, Refusal::InboxFull.code(), false),
        ] {
            assert_eq!(answered(status, code).hides_the_answer(), hides, "{status} {code}");
        }
        assert!(!CallError::Closed.took_nothing());
        assert!(!CallError::Network(String::new()).took_nothing());
    }
}
