//! What a partner was refused before there was an exchange to name: a signature that is not his, a request that was seen before.
//!
//! Takes proved entries; gives by code how often and from when to when. Nothing here is answered by pushing again: who finds requests that he did not send has lost a
//! key, or somebody repeats what he sent.

use std::collections::BTreeMap;

use serde::Serialize;
use shuguan_ledger::leaf::{Event, Leaf};
use shuguan_ledger::time;

/// Refusals of one code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// When the first was sealed.
    first: String,
    /// When the last was.
    last: String,
}

impl Tally {
    pub(super) fn shown(&self) -> String {
        format!("×{} {} .. {}", self.count, self.first, self.last)
    }
}

/// The refusals of one partner that name no exchange, by code.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<String, Tally>);

impl Refusals {
    /// Takes a leaf in the order of the log. One may stand for several of a minute.
    pub(super) fn take(&mut self, leaf: &Leaf, partner: &str) {
        let Event::Refusal(refusal) = &leaf.event else { return };
        if refusal.x.is_some() || refusal.p != partner {
            return;
        }
        let at = time::format(leaf.when());
        let tally = self.0.entry(refusal.code.clone()).or_insert_with(|| Tally {
            count: 0,
            first: at.clone(),
            last: at.clone(),
        });
        tally.count = tally.count.saturating_add(refusal.cnt.unwrap_or(1));
        tally.last = at;
    }

    /// Each code with its count.
    pub(super) fn by_code(&self) -> impl Iterator<Item = (&String, &Tally)> {
        self.0.iter()
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use shuguan_ledger::leaf::{Event, Leaf, RefusalEvent, StopEvent};

    use super::Refusals;

    pub(crate) fn refusal(t: i64, p: &str, x: Option<&str>, cnt: Option<u64>) -> Leaf {
        let event = RefusalEvent {
            x: x.map(str::to_owned),
            p: p.into(),
            code: "replayed".into(),
            at: "admit".into(),
            rec: None,
            ds: None,
            pur: None,
            bun: None,
            cnt,
            qua: None,
            req: None,
            ask: None,
            abs: None,
        };
        Leaf::new(t, "gw1", "b", Event::Refusal(event))
    }

    #[test]
    fn refusals_without_an_exchange_are_counted_by_code_with_their_first_and_last_time() {
        let mut refusals = Refusals::default();
        for leaf in [
            refusal(1_000_000, "ours", None, None),
            refusal(2_000_000, "ours", None, Some(7)),
            refusal(3_000_000, "ours", None, None),
        ] {
            refusals.take(&leaf, "ours");
        }
        let (code, tally) = refusals.by_code().next().unwrap();
        let expected = "×9 1970-01-01T00:00:01.000000Z .. 1970-01-01T00:00:03.000000Z";
        assert_eq!((code.as_str(), tally.shown()), ("replayed", expected.to_owned()));
    }

    #[test]
    fn those_of_an_exchange_of_another_partner_or_of_nobody_and_other_leaves_are_not_counted() {
        let mut refusals = Refusals::default();
        let stop = StopEvent {
            reason: "signal".into(),
        };
        for leaf in [
            refusal(1, "ours", Some("a"), None),
            refusal(1, "theirs", None, None),
            refusal(1, "-", None, Some(9)),
            Leaf::new(1, "gw1", "b", Event::Stop(stop)),
        ] {
            refusals.take(&leaf, "ours");
        }
        assert_eq!(refusals.by_code().count(), 0);
    }
}
