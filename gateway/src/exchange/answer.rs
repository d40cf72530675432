//! The answer to a push or a comparison: a pure function of what was sealed, so that a repeat gets the same bytes (C4).

use bytes::Bytes;
use serde::Serialize;

use super::compare::Compared;
use super::report::{HeaderNotes, Report};
use super::seal::SealedPush;
use super::{Fault, RowError, Stop};
use crate::journal::Sealed;
use crate::limits::Standing;

/// Rejects that stand in the answer itself.
const REJECTS_SHOWN: usize = 20;

/// A 202 of a push, a 200 of a comparison.
#[derive(Debug)]
pub struct Answer {
    /// The exchange.
    pub exchange: String,
    /// Where its leaf stands.
    pub sealed: Sealed,
    /// JSON, the same bytes for every repeat.
    pub body: Bytes,
    /// The key had been answered before.
    pub replayed: bool,
    /// The partner's limits as they stand.
    pub standing: Standing,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    exchange: &'a str,
    status: &'static str,
    index: u64,
    received: u64,
    accepted: u64,
    rejected: u64,
    filtered: u64,
    repeated: u64,
    rejects: Vec<RowError>,
    #[serde(skip_serializing_if = "HeaderNotes::is_empty")]
    headers: HeaderNotes,
    links: Links,
    receipt: &'a str,
}

#[derive(Serialize)]
struct Links {
    status: String,
    receipt: String,
    rejects: String,
}

/// Builds the 202.
pub fn push(push: SealedPush) -> Result<Answer, Stop> {
    let event = &push.event;
    let path = format!("/v1/exchanges/{}", event.x);
    let report = Report::decode(&push.rejects, REJECTS_SHOWN);
    let document = Document {
        schema: "shuguan.push.v1",
        exchange: &event.x,
        status: "accepted",
        index: push.sealed.index,
        received: event.r#in,
        accepted: event.ok,
        rejected: event.rej,
        filtered: event.fil,
        repeated: event.rep,
        rejects: report.rows,
        headers: report.headers,
        links: Links {
            receipt: format!("{path}/receipt"),
            rejects: format!("{path}/rejects"),
            status: path,
        },
        receipt: &push.sealed.receipt,
    };
    let body = serde_json::to_vec(&document).map_err(Fault::from_error("write the answer"))?;
    Ok(Answer {
        exchange: push.event.x,
        sealed: push.sealed,
        body: body.into(),
        replayed: push.replayed,
        standing: push.standing,
    })
}

#[derive(Serialize)]
struct Answers<'a> {
    schema: &'static str,
    exchange: &'a str,
    index: u64,
    dataset: &'a str,
    purpose: &'a str,
    agreement: &'a str,
    rows: u64,
    links: AnswerLinks,
    receipt: &'a str,
}

#[derive(Serialize)]
struct AnswerLinks {
    status: String,
    receipt: String,
}

/// Builds the 200 of a comparison. Its answers stand last, as the bytes that the leaf commits to.
pub fn compare(compared: Compared) -> Result<Answer, Stop> {
    let event = compared.event;
    let path = format!("/v1/exchanges/{}", event.x);
    let head = Answers {
        schema: "shuguan.compare.v1",
        exchange: &event.x,
        index: compared.sealed.index,
        dataset: &event.ds,
        purpose: &event.pur,
        agreement: &event.agr,
        rows: event.rows,
        links: AnswerLinks {
            receipt: format!("{path}/receipt"),
            status: path,
        },
        receipt: &compared.sealed.receipt,
    };
    let mut body = serde_json::to_vec(&head).map_err(Fault::from_error("write the answer"))?;
    // An object that is not empty: its last byte is the bracket.
    body.pop();
    body.extend_from_slice(b",\"answers\":");
    body.extend_from_slice(&compared.content);
    body.push(b'}');
    Ok(Answer {
        exchange: event.x,
        sealed: compared.sealed,
        body: body.into(),
        replayed: compared.replayed,
        standing: compared.standing,
    })
}
