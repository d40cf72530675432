//! What holds now against what was recorded. Takes what a store read of the touched subjects; gives the lines to be written.

use std::collections::BTreeMap;

use super::rules::Rules;
use super::touch::Touched;
use super::{Kind, Line, Pair, Read, Recorded, Says, Topic};

/// The lines that change: raised, confirmed, open again, settled. What is settled and stays so is left alone.
pub(in crate::registry) fn lines(rules: &Rules, touched: &Touched<'_>, read: Vec<Read>) -> Vec<Line> {
    let mut holds: BTreeMap<Topic, Pair> = BTreeMap::new();
    let mut recorded: Vec<(Topic, Pair, Recorded)> = Vec::new();
    for read in read {
        let topic = |kind| Topic {
            subject: read.subject.clone(),
            kind,
            record: read.record.clone(),
            other: read.other.clone(),
        };
        match read.says {
            Says::Holds(bits) => {
                for kind in Kind::ALL.iter().filter(|kind| bits & kind.bit() != 0) {
                    let pair = holds.entry(topic(*kind)).or_insert_with(|| read.pair.clone());
                    // Whichever store reads: the same pair stands for all of them.
                    if read.pair < *pair {
                        pair.clone_from(&read.pair);
                    }
                }
            }
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
            lines.push(open(topic, now, touched.now_us, last_us));
        } else if !line.settled && is_decided(rules, touched, &topic) {
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
fn is_decided(rules: &Rules, touched: &Touched<'_>, topic: &Topic) -> bool {
    let mut covering = rules
        .all
        .iter()
        .filter(|rule| rule.covers(topic.kind, &topic.record, &topic.other))
        .peekable();
    covering.peek().is_none() || covering.any(|rule| rule.is_due(touched))
}
