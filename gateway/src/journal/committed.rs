//! Is an opened evidence record what its leaf commits to?
//!
//! Takes a leaf and a record, as the vault or two officers opened it; says what disagrees. Needs no key: the secret behind the commitments is in the record.

use std::collections::BTreeMap;

use shuguan_ledger::columns::root;
use shuguan_ledger::leaf::{Commitment, Event, Leaf, OfficerUnsealEvent};

use super::evidence::{CONTENT, QUALITY, RECORD, Record, SECRET, SUITE, SUITE_TODAY};
use super::requested;
use crate::sha256;

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
    /// When the request was signed, seconds since 1970, if that is another day than the entry's.
    pub another_day: Option<i64>,
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
    if members.get(SUITE).is_some_and(|suite| suite != SUITE_TODAY) {
        return Err("it is of a suite that this version does not know");
    }
    let read = Record::read(&written).ok_or(no_record)?;
    if !commits(leaf) {
        return Err("the entry commits to no evidence record");
    }
    if is_another(leaf, &read, &written) {
        return Err(ANOTHER);
    }
    agrees(leaf, &read)?;
    let base = members.get("signature-base");
    let another_day = base.and_then(|base| requested::another_day(leaf, base));
    members.remove(SECRET);
    Ok(Borne {
        whole: leaf.ev.is_some(),
        another_day,
        members,
    })
}

/// Whether the leaf commits to a record at all. What was refused before it was read does not.
pub(super) fn commits(leaf: &Leaf) -> bool {
    let event = match &leaf.event {
        Event::Push(_)
        | Event::Pull(_)
        | Event::Compare(_)
        | Event::ReceiptAck(_)
        | Event::Recall(_)
        | Event::TicketAnswer(_)
        | Event::OfficerQuery(_)
        | Event::OfficerUnseal(_) => true,
        Event::Refusal(refusal) => refusal.qua.is_some() || refusal.req.is_some(),
        _ => false,
    };
    event || leaf.ev.is_some()
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

/// Whether the record holds what the members of the leaf commit to, and a signed request asks for what the leaf says; the index of subjects is not looked at.
pub(super) fn agrees(leaf: &Leaf, record: &Record<'_>) -> Result<(), &'static str> {
    let event = &leaf.event;
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
            opens(record, CONTENT, pull.out)
                && pull.req.is_none_or(asked)
                // A record of an earlier version does not say what was asked for.
                && (record.text(SELECTION).is_none() || text(SELECTION, pull.sel)),
        ),
        Event::Compare(compare) => (
            Some(compare.cols.0),
            opens(record, CONTENT, compare.out) && asked(compare.req),
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
    if let Some(base) = record.text("signature-base") {
        let request = record.digest("request").ok_or(OTHERWISE)?;
        requested::bears_out(leaf, base, request, record.text("message-key"))?;
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
        .is_some_and(|text| sha256::of(text.as_bytes()) == step.stmt.0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use shuguan_ledger::leaf::{Event, Leaf, RefusalEvent, StopEvent};

    use super::{ANOTHER, OTHERWISE, borne_out};
    use crate::journal::evidence::{Evidence, QUALITY, RECORD, Record};

    fn refusal(evidence: Option<&mut Evidence>) -> Leaf {
        let event = RefusalEvent {
            x: None,
            p: "health-city".into(),
            code: "too-many-rejects".into(),
            at: "decode".into(),
            rec: None,
            ds: None,
            pur: None,
            bun: None,
            cnt: None,
            qua: evidence.map(|evidence| evidence.commit_text(QUALITY, "{}")),
            req: None,
            ask: None,
            abs: None,
        };
        Leaf::new(1, "gw1", "b", Event::Refusal(event))
    }

    #[test]
    fn a_record_is_borne_out_by_its_own_entry_whatever_its_blanks() {
        let mut evidence = Evidence::fresh().unwrap();
        evidence.note("revocation", "good");
        let mut leaf = refusal(Some(&mut evidence));
        let record = evidence.encode();
        for whole in [false, true] {
            leaf.ev = whole.then(|| evidence.commit(RECORD, &record));
            let document: serde_json::Value = serde_json::from_slice(&record).unwrap();
            let pretty = serde_json::to_vec_pretty(&document).unwrap();
            let borne = borne_out(&leaf, &pretty).unwrap();
            assert_eq!(borne.whole, whole);
            assert_eq!(borne.members.get("revocation").map(String::as_str), Some("good"));
            assert!(!borne.members.contains_key("secret"), "it opens every other commitment");
        }
    }

    #[test]
    fn another_record_is_refused_and_so_is_any_record_of_an_entry_that_has_none() {
        let mut evidence = Evidence::fresh().unwrap();
        let mut leaf = refusal(Some(&mut evidence));
        let record = evidence.encode();
        let mut other = Evidence::fresh().unwrap();
        refusal(Some(&mut other));
        assert_eq!(borne_out(&leaf, &other.encode()).unwrap_err(), OTHERWISE);
        leaf.ev = Some(evidence.commit(RECORD, b"another"));
        assert_eq!(borne_out(&leaf, &record).unwrap_err(), ANOTHER);
        let stop = Event::Stop(StopEvent { reason: "test".into() });
        for bare in [refusal(None), Leaf::new(1, "gw1", "b", stop)] {
            let why = borne_out(&bare, &record).unwrap_err();
            assert_eq!(why, "the entry commits to no evidence record");
        }
        // Nobody opens commitments of another suite with this one.
        let other = String::from_utf8(record.to_vec())
            .unwrap()
            .replace("hmac-sha256", "hmac-sm3");
        let why = borne_out(&leaf, other.as_bytes()).unwrap_err();
        assert_eq!(why, "it is of a suite that this version does not know");
        assert!(Record::read(other.as_bytes()).is_none() && Record::read(&record).is_some());
        for no_record in [b"[]".as_slice(), b"{}", b"{\"secret\":1}", b"", b"{\"secret\":\"00\"}"] {
            assert_eq!(borne_out(&leaf, no_record).unwrap_err(), "it is no evidence record");
        }
    }
}
