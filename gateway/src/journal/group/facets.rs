//! What a leaf is found by: the columns beside its bytes.
//!
//! Takes an event; gives the record type, the purpose and the word that says what came of it. Refuses nothing.

use shuguan_ledger::leaf::Event;

/// What a leaf is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facets<'e> {
    /// Record type or dataset.
    pub record: Option<&'e str>,
    /// Purpose.
    pub purpose: Option<&'e str>,
    /// What came of it, or what was done.
    pub code: Option<&'e str>,
}

impl<'e> Facets<'e> {
    /// Those of an event.
    pub fn of(event: &'e Event) -> Self {
        let (record, purpose, code) = match event {
            Event::Push(push) => (Some(push.rec.as_str()), Some(push.pur.as_str()), Some("accepted")),
            Event::Pull(pull) => (Some(pull.ds.as_str()), Some(pull.pur.as_str()), Some("released")),
            Event::Compare(compare) => (Some(compare.ds.as_str()), Some(compare.pur.as_str()), Some("answered")),
            Event::Refusal(refusal) => (
                refusal.rec.as_deref().or(refusal.ds.as_deref()),
                refusal.pur.as_deref(),
                Some(refusal.code.as_str()),
            ),
            Event::Aborted(aborted) => (
                Some(aborted.rec.as_str()),
                Some(aborted.pur.as_str()),
                Some(aborted.code.as_str()),
            ),
            Event::Relayed(_) => (None, None, Some("relayed")),
            Event::SetAside(aside) => (None, None, Some(aside.code.as_str())),
            Event::Recall(recall) => (Some(recall.rec.as_str()), None, Some(recall.why.as_str())),
            Event::Recalled(_) => (None, None, Some("recalled")),
            Event::Ticket(ticket) => (Some(ticket.rec.as_str()), None, Some(ticket.fld.as_str())),
            Event::TicketAnswer(answer) => (None, None, Some(answer.say.as_str())),
            Event::ReceiptAck(ack) => (None, None, Some(ack.verdict.as_str())),
            Event::Erased(_) => (None, None, Some("erased")),
            Event::OfficerQuery(query) => (None, None, Some(query.why.as_str())),
            Event::OfficerResult(_) => (None, None, Some("found")),
            Event::OfficerUnseal(unseal) => (None, None, Some(unseal.step.as_str())),
            Event::Shred(shred) => (None, None, Some(shred.what.as_str())),
            Event::Certificate(certificate) => (None, None, Some(certificate.act.as_str())),
            Event::Operator(act) => (None, None, Some(act.act.as_str())),
            Event::Policy(policy) => (None, None, Some(policy.result.as_str())),
            Event::Key(key) => (None, None, Some(key.act.as_str())),
            Event::LogClose(close) => (None, None, Some(close.why.as_str())),
            Event::LogOpen(open) => (None, None, Some(open.why.as_str())),
            Event::WitnessGap(gap) => (None, None, Some(gap.step.as_str())),
            Event::Clock(clock) => (None, None, Some(clock.step.as_deref().unwrap_or(&clock.dir))),
            Event::Start(_) | Event::Stop(_) | Event::Config(_) | Event::LogGap(_) | Event::Full(_) => {
                (None, None, None)
            }
        };
        Self { record, purpose, code }
    }
}
