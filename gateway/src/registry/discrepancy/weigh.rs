//! What holds now against what was recorded. Takes what a store read of the touched subjects; gives the lines to be written.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::{About, Rules};
use super::touch::Touched;
use super::{Kind, Line, Pair, Read, Recorded, Says, Topic, rival};

/// The lines that change: raised, confirmed, open again, settled. What is settled and stays so is left alone. `gone` are recorded rivals
/// whose row is closed or names another.
pub(in crate::registry) fn lines(
    rules: &Rules,
    about: About,
    touched: &Touched<'_>,
    read: Vec<Read>,
    gone: &BTreeSet<rival::About>,
) -> Vec<Line> {
    let mut holds: BTreeMap<Topic, Pair> = BTreeMap::new();
    if about == About::Person {
        for rival in touched.rivals.values().flatten() {
            let topic = |kind| Topic {
                subject: rival.subject.clone(),
                kind,
                record: touched.record.to_owned(),
                other: touched.record.to_owned(),
            };
            hold(&mut holds, rival.kinds, &rival.pair, topic);
        }
    }
    let mut recorded: Vec<(Topic, Pair, Recorded)> = Vec::new();
    for read in read {
        let topic = |kind| Topic {
            subject: read.subject.clone(),
            kind,
            record: read.record.clone(),
            other: read.other.clone(),
        };
        match read.says {
            Says::Holds(bits) => hold(&mut holds, bits, &read.pair, topic),
            Says::Recorded(line) => {
                if let Some(kind) = Kind::parse(&line.code) {
                    recorded.push((topic(kind), read.pair.clone(), line));
                }
            }
        }
    }
    let mut lines = Vec::new();
    for (topic, pair, line) in recorded {
        let last_us = line.last_us.max(touched.now_us);
        if let Some(now) = holds.remove(&topic) {
            // Of several keys that contradict each other so the first is named, whichever came first.
            let stands = rival::is_of_rivals(&topic)
                && !line.settled
                && pair < now
                && !rival::decides(touched, gone, &topic, &pair);
            lines.push(open(topic, if stands { pair } else { now }, touched.now_us, last_us));
        } else if !line.settled && is_decided(rules, touched, gone, &topic, &pair) {
            lines.push(Line {
                settled: Some((last_us, touched.exchange)),
                ..open(topic, pair, touched.now_us, line.last_us)
            });
        }
    }
    let raised = |(topic, pair)| open(topic, pair, touched.now_us, touched.now_us);
    lines.extend(holds.into_iter().map(raised));
    lines
}

/// Adds a pair under each of the kinds.
fn hold(holds: &mut BTreeMap<Topic, Pair>, kinds: i64, pair: &Pair, topic: impl Fn(Kind) -> Topic) {
    for kind in Kind::ALL.iter().filter(|kind| kinds & kind.bit() != 0) {
        let held = holds.entry(topic(*kind)).or_insert_with(|| pair.clone());
        // Whichever store reads: the same pair stands for all of them.
        if pair < held {
            held.clone_from(pair);
        }
    }
}

fn open(topic: Topic, pair: Pair, first_us: i64, last_us: i64) -> Line {
    Line {
        topic,
        pair,
        first_us,
        last_us,
        settled: None,
    }
}

/// Whether what was just read decides that line: a rule that depends on what came, or none is left, because the plans changed.
fn is_decided(rules: &Rules, touched: &Touched<'_>, gone: &BTreeSet<rival::About>, topic: &Topic, pair: &Pair) -> bool {
    if rival::is_of_rivals(topic) {
        return rival::decides(touched, gone, topic, pair);
    }
    let mut covering = rules
        .all
        .iter()
        .filter(|rule| rule.covers(topic.kind, &topic.record, &topic.other))
        .peekable();
    covering.peek().is_none() || covering.any(|rule| rule.is_due(touched))
}
