//! What an agency's receipts and push states say, and the log, that does not agree.
//!
//! Takes a folder and a log of one partner; gives what to name, the gravest first. Refuses nothing.

use std::collections::HashMap;

use serde::Serialize;
use shuguan_ledger::leaf::{Event, Leaf};
use shuguan_ledger::time;

use super::folder::{Folder, Own};
use super::logged::{Fate, Log};
use super::refusals::Tally;
use crate::client::state::{ENDING, PushState};

/// What is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    Contradicted,
    Withheld,
    OlderThanKnown,
    AnotherLog,
    MissingHere,
    Unanswered,
    Doubled,
    Refused,
    TurnedAway,
    Discarded,
    NotRelayed,
}

impl What {
    pub(super) fn zh(self) -> &'static str {
        match self {
            Self::Contradicted => "与日志矛盾",
            Self::Withheld => "清单缺号",
            Self::OlderThanKnown => "日志早于回执",
            Self::AnotherLog => "属另一日志",
            Self::MissingHere => "本地缺回执",
            Self::Unanswered => "无应答",
            Self::Doubled => "重复报送",
            Self::Refused => "被拒绝",
            Self::TurnedAway => "请求被拒",
            Self::Discarded => "已放弃入库",
            Self::NotRelayed => "未入库",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Contradicted => "contradicted",
            Self::Withheld => "withheld",
            Self::OlderThanKnown => "older-than-known",
            Self::AnotherLog => "another-log",
            Self::MissingHere => "missing-here",
            Self::Unanswered => "unanswered",
            Self::Doubled => "doubled",
            Self::Refused => "refused",
            Self::TurnedAway => "turned-away",
            Self::Discarded => "discarded",
            Self::NotRelayed => "not-relayed",
        }
    }
}

/// One difference.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Named {
    pub(super) what: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exchange: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    /// The log that a receipt is of, where another was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<String>,
    /// Numbers of our exchanges, first and last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) numbers: Option<(u64, u64)>,
    /// By which a batch without a receipt and a file without an answer are told to be one.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) batch: Option<Batch>,
    /// Of refusals that name no exchange.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) tally: Option<Tally>,
}

/// What was pushed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Batch {
    pub(super) record: String,
    /// Its length; none of a file that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<u64>,
    /// When it was sealed, or sent first.
    pub(super) at: String,
}

impl Named {
    pub(super) fn only(what: What) -> Self {
        Self {
            what,
            exchange: None,
            index: None,
            file: None,
            code: None,
            log: None,
            numbers: None,
            batch: None,
            tally: None,
        }
    }
}

impl Batch {
    pub(super) fn logged(leaf: &Leaf) -> Option<Self> {
        let Event::Push(push) = &leaf.event else { return None };
        Some(Self {
            record: push.rec.clone(),
            bytes: Some(push.bytes),
            at: time::format(leaf.clk.unwrap_or(leaf.t)),
        })
    }

    pub(super) fn shown(&self) -> String {
        let bytes = self.bytes.map_or_else(|| "-".into(), |bytes| bytes.to_string());
        format!("{} {bytes} bytes {}", self.record, self.at)
    }

    /// Of a file whose answer never came.
    pub(super) fn open(state_file: &str, state: &PushState) -> Option<Self> {
        let file = state_file.strip_suffix(ENDING).unwrap_or(state_file);
        Some(Self {
            record: state.record.clone(),
            bytes: std::fs::metadata(file).ok().map(|file| file.len()),
            at: time::format(state.open_since()?),
        })
    }
}

/// Everything to name, the gravest first.
pub(super) fn compare(folder: &Folder, log: &Log, partner: &str) -> Vec<Named> {
    let mut named = Vec::new();
    let mut here: HashMap<&str, &Own> = HashMap::new();
    let ours = folder
        .receipts
        .iter()
        .filter(|own| own.leaf.event.partner() == Some(partner));
    for own in ours {
        let Some(exchange) = own.leaf.event.exchange() else {
            continue;
        };
        here.insert(exchange, own);
        let same = log
            .exchanges
            .get(exchange)
            .is_some_and(|logged| logged.hash == own.hash && logged.index == own.index);
        // An older copy of the log ends before the receipt; so does one whose end was cut off, and nothing in it tells the two apart.
        let ends_before = log.whole && own.index >= log.size;
        if !same {
            let what = if log.is_another(own) {
                What::AnotherLog
            } else if ends_before {
                What::OlderThanKnown
            } else {
                What::Contradicted
            };
            named.push(of_receipt(what, own));
        }
    }
    named.extend(newest_beyond(folder, log, partner));
    named.extend(log.numbers.missing().into_iter().map(|missing| Named {
        numbers: Some((*missing.start(), *missing.end())),
        ..Named::only(What::Withheld)
    }));
    named.extend(log.refusals.by_code().map(|(code, tally)| Named {
        code: Some(code.clone()),
        tally: Some(tally.clone()),
        ..Named::only(What::TurnedAway)
    }));
    let states = folder.states.iter();
    let answered: HashMap<&str, &str> = states
        .clone()
        .filter_map(|(file, state)| Some((state.exchange()?, file.as_str())))
        .collect();
    for (exchange, logged) in &log.exchanges {
        let file = here.get(exchange.as_str()).map(|own| own.file.clone());
        let file = file.or_else(|| answered.get(exchange.as_str()).map(|file| (*file).to_owned()));
        let one = |what, code: Option<String>| Named {
            exchange: Some(exchange.clone()),
            index: Some(logged.index),
            file: file.clone(),
            code,
            ..Named::only(what)
        };
        match &logged.leaf.event {
            Event::Refusal(refusal) => named.push(one(What::Refused, Some(refusal.code.clone()))),
            Event::Aborted(aborted) => named.push(one(What::Refused, Some(aborted.code.clone()))),
            _ if !here.contains_key(exchange.as_str()) => named.push(Named {
                batch: Batch::logged(&logged.leaf),
                ..one(What::MissingHere, None)
            }),
            _ => {}
        }
        match logged.fate {
            Fate::Open => named.push(one(What::NotRelayed, None)),
            Fate::Discarded => named.push(one(What::Discarded, None)),
            Fate::Settled => {}
        }
    }
    for (file, state) in states {
        if state.is_open() {
            named.push(Named {
                file: Some(file.clone()),
                batch: Batch::open(file, state),
                ..Named::only(What::Unanswered)
            });
        }
    }
    named.extend(doubled(folder));
    named.sort();
    named.dedup();
    named
}

/// The receipt that was proved under the most entries, when the log itself has fewer: what stands in those it does not say.
fn newest_beyond(folder: &Folder, log: &Log, partner: &str) -> Option<Named> {
    let ours = |own: &&Own| own.leaf.event.partner() == Some(partner);
    // Another log may well have more: only what this one says is compared with it.
    let of_this = |own: &&Own| !log.is_another(own);
    let newest = folder.receipts.iter().filter(ours).filter(of_this);
    let newest = newest.max_by_key(|own| own.size)?;
    (log.whole && newest.size > log.size).then(|| of_receipt(What::OlderThanKnown, newest))
}

pub(super) fn of_receipt(what: What, own: &Own) -> Named {
    Named {
        exchange: own.leaf.event.exchange().map(str::to_owned),
        index: Some(own.index),
        file: Some(own.file.clone()),
        log: (what == What::AnotherLog).then(|| own.origin.clone()),
        ..Named::only(what)
    }
}

/// One content, record type and purpose under two exchanges.
pub(super) fn doubled(folder: &Folder) -> Vec<Named> {
    let mut seen: HashMap<[&str; 3], &str> = HashMap::new();
    let mut named = Vec::new();
    for (file, state) in &folder.states {
        let Some(exchange) = state.exchange() else {
            continue;
        };
        if seen
            .insert(state.batch().meant(), exchange)
            .is_some_and(|before| before != exchange)
        {
            named.push(Named {
                exchange: Some(exchange.to_owned()),
                file: Some(file.clone()),
                ..Named::only(What::Doubled)
            });
        }
    }
    named
}
