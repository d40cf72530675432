//! One exchange: the two straight lines, and how either can stop.
//!
//! `push.rs` and `pull.rs` read from top to bottom, one call a station. A station takes the previous station's output by value and
//! gives a type that only it can make, so that none can be skipped.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::limits::{Allowance, Limited};
use crate::refusal::Refusal;

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
    /// The state of the partner's request limit.
    pub allowance: Option<Allowance>,
    /// Whether this answer belongs to the idempotency key from now on (C4).
    pub sticky: bool,
}

/// What is wrong with one row.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct RowError {
    /// Data row, from 1.
    pub row: u64,
    /// Line of the file, from 1.
    pub line: u64,
    /// Field, when one is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// Stable code.
    pub code: &'static str,
    /// What the code means.
    pub title: &'static str,
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
    /// Names the step that failed.
    pub fn at(step: &'static str) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> Self {
        move |source| Self {
            step,
            source: Some(source),
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
            allowance: None,
            sticky: false,
        }
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
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Limited> for Stop {
    fn from(limited: Limited) -> Self {
        let mut refused = Refused::new(limited.refusal).retry_after(limited.retry_after_s);
        refused.allowance = Some(limited.allowance);
        refused.into()
    }
}
