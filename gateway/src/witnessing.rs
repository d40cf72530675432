//! Showing our log to witnesses, off the path of every exchange.
//!
//! Takes the journal's newest checkpoint about once a second; gives it, with the signatures of a quorum, to readers and receipts. Refuses
//! nothing by itself: while no quorum signs, the debt is shown, a `witness-gap` leaf says so, and pushes, extracts and comparisons of those purposes are refused for
//! which the configuration says `stop`. A witness that holds another history than ours raises an alarm; when our own key signed that
//! history, no push, extract or comparison is taken any more. What was sealed before is still fetched, acknowledged and recalled.
//!
//! | File | What it does |
//! |---|---|
//! | `link` | one question to one witness over HTTP, bounded in time and length |
//! | `ask` | what a question comes to: a signature, a conflict, a fork |
//! | `round` | once a second: ask, publish, back off; lights, metrics, leaves |
//! | `standing` | debt, alarms, reactions: pure |
//! | `start` | before serving: does a witness know more than the journal does |

mod ask;
mod link;
mod round;
mod standing;
mod start;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use shuguan_ledger::trust::Trust;

use link::Link;
pub(crate) use link::LinkFault;
pub(crate) use round::run;
pub(crate) use standing::Debt;
use standing::State;
pub(crate) use start::RolledBack;

use crate::config::WitnessingSection;
use crate::edge::tls::TlsFault;
use crate::journal::{Cosigned, Journal, JournalFault};
use crate::refusal::Refusal;

/// What the gateway knows about its witnesses; without any it says nothing and stops nothing.
#[derive(Debug)]
pub struct Witnessing {
    settings: WitnessingSection,
    links: Vec<Link>,
    state: Mutex<State>,
    newest: ArcSwapOption<Cosigned>,
    /// Age of the oldest entry that no quorum has signed, seconds; what admission reads.
    debt_s: AtomicU64,
    debt_leaves: AtomicU64,
    /// A witness holds another history that our own key signed.
    disputed: AtomicBool,
}

impl Witnessing {
    /// Reads the authorities' files.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn open(settings: &WitnessingSection) -> Result<Self, Vec<TlsFault>> {
        let mut faults = Vec::new();
        let links = settings.witnesses.iter().filter_map(|witness| {
            Link::open(witness, settings.witness_timeout_ms)
                .map_err(|fault| faults.extend(fault))
                .ok()
        });
        let links: Vec<Link> = links.collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let state = State::of(links.len());
        Ok(Self {
            settings: settings.clone(),
            links,
            state: Mutex::new(state),
            newest: ArcSwapOption::empty(),
            debt_s: AtomicU64::new(0),
            debt_leaves: AtomicU64::new(0),
            disputed: AtomicBool::new(false),
        })
    }

    /// Reads from the journal what was signed before; `now_us` is when a log that no quorum ever signed begins to owe.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn restore(&self, journal: &Journal, now_us: i64) -> Result<(), JournalFault> {
        if !self.is_on() {
            return Ok(());
        }
        let newest = journal.newest_cosigned().await?;
        // Of a log that this one succeeds after a loss: it proves what it did, and is not this log's. The volume before this one is in the same tree.
        let closing = journal.closing().await?;
        let before = closing.as_ref().map(|closing| closing.origin.as_str());
        let ours = |one: &Cosigned| [Some(&*journal.origin()), before].contains(&one.note.split('\n').next());
        let newest = newest.filter(ours);
        let gap = journal.open_gap().await?;
        // What is owed is as old as the first entry beyond the signatures, however long nothing happened before it.
        let first = match &newest {
            Some(newest) => journal.leaf(newest.size).await?,
            None => None,
        };
        let mut state = self.state();
        state.since_us = first.map_or(now_us, |first| first.t_us);
        state.gap_us = gap;
        state.written = journal.origin();
        state.closes(closing);
        drop(state);
        self.newest.store(newest.map(Arc::new));
        Ok(())
    }

    /// Whether there are witnesses at all.
    pub fn is_on(&self) -> bool {
        !self.links.is_empty()
    }

    /// The newest checkpoint that a quorum signed.
    pub fn newest(&self) -> Option<Arc<Cosigned>> {
        self.newest.load_full()
    }

    /// What no quorum has signed, as of the last second; none without witnesses.
    pub fn debt(&self) -> Option<Debt> {
        self.is_on().then(|| Debt {
            seconds: self.debt_s.load(Ordering::Relaxed),
            leaves: self.debt_leaves.load(Ordering::Relaxed),
        })
    }

    /// Why no push, extract or comparison is taken for this purpose now. Costs two loads.
    pub fn refuses(&self, purpose: &str) -> Option<Refusal> {
        if !self.is_on() {
            return None;
        }
        if self.is_disputed() {
            return Some(Refusal::LogDisputed);
        }
        let reaction = self.settings.purposes.get(purpose).unwrap_or(&self.settings.reaction);
        let stops = reaction.stops_at(self.debt_s.load(Ordering::Relaxed));
        stops.then_some(Refusal::Unwitnessed)
    }

    /// What is refused with a debt so old, in words; none: nothing.
    fn refused_at(&self, debt_s: u64) -> Option<String> {
        if self.settings.reaction.stops_at(debt_s) {
            return Some("exchanges are refused".into());
        }
        let stopped = self
            .settings
            .purposes
            .iter()
            .filter(|(_, reaction)| reaction.stops_at(debt_s));
        let names: Vec<&str> = stopped.map(|(purpose, _)| purpose.as_str()).collect();
        (!names.is_empty()).then(|| format!("exchanges for {} are refused", names.join(", ")))
    }

    /// Whether a witness holds another history that our own key signed.
    pub fn is_disputed(&self) -> bool {
        self.disputed.load(Ordering::Relaxed)
    }

    /// Every witness with its name, address and how it stands.
    pub fn standing(&self) -> Vec<(String, String, String)> {
        let state = self.state();
        let links = self.links.iter().zip(&state.links);
        links
            .map(|(link, known)| (link.name.clone(), link.address.to_string(), known.describe()))
            .collect()
    }

    /// How many witnesses there are, and how many of them must sign.
    pub(crate) fn asked(&self) -> (usize, usize) {
        let of = self.settings.witnesses.len();
        (of, self.settings.quorum.min(of))
    }

    /// What these witnesses are believed beside the keys of the log.
    ///
    /// # Errors
    /// Never with a configuration that was parsed.
    pub(crate) fn trust_beside(&self, logs: &Trust) -> Result<Trust, shuguan_ledger::trust::BadTrustLine> {
        let lines = witness_lines(&self.settings).join("\n");
        Trust::parse(&format!("{}{lines}", logs.text()))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The trust file of a log with these witnesses: what verifiers should ask for.
///
/// # Errors
/// Never with a configuration that was parsed.
pub(crate) fn trust(
    log_vkey: &str,
    settings: &WitnessingSection,
) -> Result<Trust, shuguan_ledger::trust::BadTrustLine> {
    let witnesses = witness_lines(settings).join("\n");
    Trust::parse(&format!("log {log_vkey}\n{witnesses}"))
}

/// Of a trust file the lines about witnesses.
fn witness_lines(settings: &WitnessingSection) -> Vec<String> {
    let mut lines = Vec::new();
    let names: Vec<&str> = settings.witnesses.iter().map(|witness| witness.name.as_str()).collect();
    for witness in &settings.witnesses {
        lines.push(format!("witness {} {}", witness.name, witness.key.vkey()));
    }
    match names.as_slice() {
        [] => {}
        [one] => lines.push(format!("quorum {one}")),
        many => {
            let (needed, names) = (settings.quorum, many.join(" "));
            lines.push(format!("group quorum-of-witnesses {needed} {names}"));
            lines.push("quorum quorum-of-witnesses".into());
        }
    }
    lines
}

#[cfg(test)]
mod tests;
