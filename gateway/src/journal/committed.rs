//! Is an opened evidence record what its leaf commits to?
//!
//! Takes a leaf and a record, as the vault or two officers opened it; says what disagrees. Needs no key: the secret behind the commitments is in the record.

use std::collections::BTreeMap;

use shuguan_ledger::columns::root;
use shuguan_ledger::leaf::{Commitment, Event, Leaf, OfficerUnsealEvent};

use super::evidence::{QUALITY, RECORD, Record, SECRET};
use crate::signature::digest::sha256;

/// Label and member of what a pull asked for.
const SELECTION: &str = "selection";

/// What is said of a record that the leaf's `ev` does not open to.
pub(super) const ANOTHER: &str = "its evidence record is not the one that it commits to";
/// The same of a member.
const OTHERWISE: &str = "a commitment of the leaf opens to something else";

/// A record that was found to be the one of its leaf.
#[derive(Debug)]
pub struct Borne {
    /// The leaf commits to the whole record; otherwise, sealed by an earlier version, only to what its own members are about.
    pub whole: bool,
    /// What it says, without the secret.
    pub members: BTreeMap<String, String>,
}

/// Judges a record that somebody was given, as JSON, whatever its blanks and its order.
///
/// # Errors
/// Why it is not the record of that leaf.
pub fn borne_out(leaf: &Leaf, record: &[u8]) -> Result<Borne, &'static str> {
    let no_record = "it is no evidence record";
    let mut members: BTreeMap<String, String> = serde_json::from_slice(record).map_err(|_| no_record)?;
    let written = serde_json::to_vec(&members).map_err(|_| no_record)?;
    let read = Record::read(&written).ok_or(no_record)?;
    if is_another(leaf, &read, &written) {
        return Err(ANOTHER);
    }
    agrees(&leaf.event, &read)?;
    members.remove(SECRET);
    Ok(Borne {
        whole: leaf.ev.is_some(),
        members,
    })
}

/// Whether the leaf commits to another record than these bytes.
pub(super) fn is_another(leaf: &Leaf, record: &Record<'_>, bytes: &[u8]) -> bool {
    leaf.ev.is_some_and(|ev| record.evidence.commit(RECORD, bytes) != ev)
}

/// Whether the digest that the record has under a label is what was committed to.
pub(super) fn opens(record: &Record<'_>, label: &'static str, committed: Commitment) -> bool {
    record
        .digest(label)
        .is_some_and(|digest| record.evidence.commit(label, &digest) == committed)
}

/// Whether the record holds what the members of the leaf commit to; the index of subjects is not looked at.
pub(super) fn agrees(event: &Event, record: &Record<'_>) -> Result<(), &'static str> {
    let text = |label: &'static str, committed: Commitment| {
        record
            .text(label)
            .is_some_and(|text| record.evidence.commit(label, text.as_bytes()) == committed)
    };
    let asked = |req: Commitment| record.request() == Some(req);
    let (cols, agrees) = match event {
        Event::Push(push) => (
            Some(push.cols.0),
            asked(push.req) && push.qua.is_none_or(|qua| text(QUALITY, qua)),
        ),
        Event::Pull(pull) => (
            Some(pull.cols.0),
            opens(record, "content", pull.out)
                && pull.req.is_none_or(asked)
                // A record of an earlier version does not say what was asked for.
                && (record.text(SELECTION).is_none() || text(SELECTION, pull.sel)),
        ),
        Event::Compare(compare) => (
            Some(compare.cols.0),
            opens(record, "content", compare.out) && asked(compare.req),
        ),
        Event::Refusal(refusal) => (
            None,
            refusal.qua.is_none_or(|qua| text(QUALITY, qua)) && refusal.req.is_none_or(asked),
        ),
        Event::ReceiptAck(ack) => (None, asked(ack.req)),
        Event::Recall(recall) => (None, asked(recall.req)),
        Event::TicketAnswer(answer) => (None, asked(answer.req)),
        Event::OfficerQuery(query) => (None, text("case", query.case) && text("arguments", query.arg)),
        Event::OfficerUnseal(step) => (None, stated(record, step)),
        _ => (None, true),
    };
    if !agrees {
        return Err(OTHERWISE);
    }
    // A record of an earlier version lists no columns.
    match (cols, record.columns()) {
        (Some(cols), Some(columns)) if root(&columns) != cols => {
            Err("the columns of its evidence record are not those of the leaf")
        }
        _ => Ok(()),
    }
}

/// Whether the record of a step holds the statement that its leaf names.
fn stated(record: &Record<'_>, step: &OfficerUnsealEvent) -> bool {
    record
        .text("statement")
        .is_some_and(|text| sha256(text.as_bytes()) == step.stmt.0)
}
