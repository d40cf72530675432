//! Refusal leaves within bounds (design 10.6): nobody can grow the log by knocking.
//!
//! Takes every refusal; says which is sealed now and which is only counted. Without an identity all are counted, one leaf a minute for each
//! code; with one, the first 20 a minute for each (partner, code, record type) are sealed, the rest counted.
//! Memory: at most 10,000 counters; what exceeds them is counted without its details.

use std::collections::HashMap;

use shuguan_ledger::leaf::{Digest, RefusalEvent};
use uuid::Uuid;

use crate::refusal::Refusal;

const SEALED_A_MINUTE: u32 = 20;
const COUNTERS_MAX: usize = 10_000;
const MINUTE_US: i64 = 60_000_000;

/// A refusal to be sealed or counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalDraft {
    /// Partner; none before an identity is known.
    pub partner: Option<String>,
    /// Why.
    pub code: Refusal,
    /// Station that refused, a word such as `admit`.
    pub at: &'static str,
    /// Exchange, when there was one.
    pub exchange: Option<Uuid>,
    /// Record type, when it is one that exists.
    pub record: Option<String>,
    /// Dataset, when it is one that exists.
    pub dataset: Option<String>,
    /// Purpose, when it is one that exists.
    pub purpose: Option<String>,
    /// Hash of the policy bundle.
    pub bundle: Option<[u8; 32]>,
}

impl RefusalDraft {
    /// A refusal without details.
    pub fn new(partner: Option<String>, code: Refusal, at: &'static str) -> Self {
        Self {
            partner,
            code,
            at,
            exchange: None,
            record: None,
            dataset: None,
            purpose: None,
            bundle: None,
        }
    }

    /// The event of a leaf.
    pub fn event(&self) -> RefusalEvent {
        RefusalEvent {
            x: self.exchange.map(|exchange| exchange.to_string()),
            p: self.partner.clone().unwrap_or_else(|| "-".into()),
            code: self.code.slug().into(),
            at: self.at.into(),
            rec: self.record.clone(),
            ds: self.dataset.clone(),
            pur: self.purpose.clone(),
            bun: self.bundle.map(Digest),
            cnt: None,
            qua: None,
            req: None,
            ask: None,
            abs: None,
        }
    }

    fn key(&self) -> Key {
        Key {
            partner: self.partner.clone(),
            code: self.code,
            record: self
                .partner
                .is_some()
                .then(|| self.record.clone().or_else(|| self.dataset.clone()))
                .flatten(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    partner: Option<String>,
    code: Refusal,
    record: Option<String>,
}

#[derive(Debug)]
struct Counter {
    sealed: u32,
    counted: u64,
    /// What the aggregate leaf says beside the count.
    like: RefusalEvent,
}

/// Counters of the running minute.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    minute: i64,
    counters: HashMap<Key, Counter>,
    /// Aggregates of minutes that are over, waiting for the next tick.
    over: Vec<RefusalEvent>,
}

impl Refusals {
    /// Whether this refusal gets a leaf of its own; if not, it was counted.
    pub(super) fn admit(&mut self, draft: &RefusalDraft, now_us: i64) -> bool {
        self.turn(now_us);
        let mut key = draft.key();
        if self.counters.len() >= COUNTERS_MAX && !self.counters.contains_key(&key) {
            key = Key {
                partner: None,
                code: draft.code,
                record: None,
            };
        }
        let anonymous = key.partner.is_none();
        let counter = self.counters.entry(key).or_insert_with(|| {
            let like = RefusalEvent {
                x: None,
                p: if anonymous { "-".into() } else { draft.event().p },
                pur: None,
                ..draft.event()
            };
            Counter {
                sealed: 0,
                counted: 0,
                like,
            }
        });
        if !anonymous && counter.sealed < SEALED_A_MINUTE {
            counter.sealed += 1;
            return true;
        }
        counter.counted += 1;
        false
    }

    /// The aggregates of all minutes before this one.
    pub(super) fn due(&mut self, now_us: i64) -> Vec<RefusalEvent> {
        self.turn(now_us);
        std::mem::take(&mut self.over)
    }

    /// Everything counted so far, the running minute too.
    pub(super) fn all(&mut self) -> Vec<RefusalEvent> {
        self.close_minute();
        std::mem::take(&mut self.over)
    }

    /// Aggregates that could not be sealed, to be tried again.
    pub(super) fn put_back(&mut self, events: Vec<RefusalEvent>) {
        if self.over.len() < COUNTERS_MAX {
            self.over.extend(events);
        }
    }

    fn turn(&mut self, now_us: i64) {
        let minute = now_us.div_euclid(MINUTE_US);
        if minute > self.minute {
            self.close_minute();
            self.minute = minute;
        }
    }

    fn close_minute(&mut self) {
        let counters = self.counters.drain().map(|(_, counter)| counter);
        let counted = counters.filter(|counter| counter.counted > 0);
        let mut events: Vec<_> = counted
            .map(|counter| RefusalEvent {
                cnt: Some(counter.counted),
                ..counter.like
            })
            .collect();
        events.sort_by(|one, other| (&one.p, &one.code, &one.rec).cmp(&(&other.p, &other.code, &other.rec)));
        self.over.append(&mut events);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]

    use super::{MINUTE_US, RefusalDraft, Refusals};
    use crate::refusal::Refusal;

    fn known(partner: &str) -> RefusalDraft {
        RefusalDraft::new(Some(partner.into()), Refusal::NoGrant, "admit")
    }

    #[test]
    fn the_first_twenty_of_a_minute_are_sealed_and_the_rest_counted() {
        let mut refusals = Refusals::default();
        let sealed = (0..50).filter(|_| refusals.admit(&known("a"), MINUTE_US)).count();
        assert_eq!(sealed, 20);
        assert!(
            refusals.admit(&known("b"), MINUTE_US),
            "another partner has its own twenty"
        );
        assert!(refusals.due(MINUTE_US + 1).is_empty(), "the minute is not over");
        let due = refusals.due(2 * MINUTE_US);
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].p.as_str(), due[0].cnt), ("a", Some(30)));
        assert!(refusals.admit(&known("a"), 2 * MINUTE_US));
    }

    #[test]
    fn without_an_identity_every_refusal_is_only_counted() {
        let mut refusals = Refusals::default();
        for n in 0..100_000 {
            let code = if n % 4 == 0 {
                Refusal::UnknownIssuer
            } else {
                Refusal::NoCertificate
            };
            assert!(!refusals.admit(&RefusalDraft::new(None, code, "peer"), MINUTE_US));
        }
        let all = refusals.all();
        let counts: Vec<_> = all
            .iter()
            .map(|event| (event.p.as_str(), event.code.as_str(), event.cnt))
            .collect();
        assert_eq!(
            counts,
            [
                ("-", "no-certificate", Some(75_000)),
                ("-", "unknown-issuer", Some(25_000))
            ]
        );
    }

    #[test]
    fn more_names_than_counters_are_still_counted() {
        let mut refusals = Refusals::default();
        for n in 0..10_005 {
            refusals.admit(&known(&n.to_string()), MINUTE_US);
        }
        let all = refusals.all();
        assert_eq!((all.len(), all[0].p.as_str(), all[0].cnt), (1, "-", Some(5)));
    }
}
