//! Once a second: whom to ask, what to publish, what to say.
//!
//! Every witness is asked about the same checkpoint, at the same time, so that their signatures meet under it; it is published as soon as a
//! quorum has signed, and again when more have. A slow witness holds up the next round by its timeout at most, then less and less often.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::{ClockEvent, Event, WitnessGapEvent};

use super::Witnessing;
use super::ask::{AskFault, Signed, ask};
use super::standing::{Debt, GAP_S};
use crate::chain::Chain;
use crate::clock::Clock;
use crate::clock::steps::By;
use crate::edge::health::{Light, Readiness};
use crate::journal::{Cosigned, Journal};

/// Clocks further apart than this are told of.
const SKEW_MAX_MS: u64 = 2_000;
/// One leaf in this time for each witness.
const CLOCK_LEAF_EVERY_US: i64 = 3_600_000_000;

/// Runs until it is dropped.
pub(crate) async fn run(witnessing: Arc<Witnessing>, journal: Journal, clock: Clock, readiness: Readiness) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        witnessing.round(&journal, &clock).await;
        let (light, detail) = witnessing.light();
        readiness.report("witness", light, detail);
    }
}

impl Witnessing {
    /// Asks who is due, publishes what a quorum signed, seals what is to be told.
    pub(super) async fn round(&self, journal: &Journal, clock: &Clock) {
        self.follow(journal).await;
        let closing = self.state().closing.clone();
        if let Some(closing) = closing {
            self.close(&closing, journal, clock).await;
        }
        let began_us = clock.now_us();
        let (note, head) = journal.head();
        self.ask_all((note, head), began_us, (journal, clock), &BTreeSet::new())
            .await;
        self.tell(journal, clock.now_us()).await;
    }

    /// When the volume was turned: its last checkpoint is to be shown before anything newer.
    async fn follow(&self, journal: &Journal) {
        let written = journal.origin();
        if self.state().written == written {
            return;
        }
        match journal.closing().await {
            Ok(closing) => {
                let mut state = self.state();
                state.closes(closing);
                state.written = written;
            }
            // The next second tries again.
            Err(error) => tracing::warn!(error = %error, "the last checkpoint of the volume cannot be read"),
        }
    }

    /// Shows the last checkpoint of the volume before. It proves every entry up to there, so those that have signed it are owed nothing.
    async fn close(&self, closing: &Cosigned, journal: &Journal, clock: &Clock) {
        let Ok(head) = Checkpoint::unverified(&closing.note) else {
            return;
        };
        let declined = self.state().declined.clone();
        // Sealed then: who signs it signs everything before that moment.
        let refused = self
            .ask_all(
                (closing.note.as_ref().to_owned(), head),
                closing.t_us,
                (journal, clock),
                &declined,
            )
            .await;
        self.state().declined.extend(refused);
    }

    /// Asks each witness that is due about one checkpoint; gives the places of those that do not know its log, or hold another history of it.
    async fn ask_all(
        &self,
        (note, head): (String, Checkpoint),
        began_us: i64,
        (journal, clock): (&Journal, &Clock),
        declined: &BTreeSet<usize>,
    ) -> Vec<usize> {
        let now_us = clock.now_us();
        let due: Vec<(usize, u64)> = {
            let state = self.state();
            let due = state.links.iter().enumerate();
            due.filter(|(place, known)| known.is_due(head.size, now_us) && !declined.contains(place))
                .map(|(place, known)| (place, known.stored))
                .collect()
        };
        let mut refused = Vec::new();
        let mut asking: FuturesUnordered<_> = due
            .into_iter()
            .filter_map(|(place, stored)| Some((place, stored, self.links.get(place)?)))
            .map(|(place, stored, link)| {
                let (note, head, wall) = (note.as_str(), &head, journal.time().machine());
                async move { (place, ask(link, journal, wall, (note, head), stored).await) }
            })
            .collect();
        while let Some((place, asked)) = asking.next().await {
            match asked {
                Ok(signed) => self.signed(place, signed, (&note, &head), (began_us, journal)).await,
                Err(fault) => {
                    // Any other status may be another one the next time.
                    if matches!(
                        fault,
                        AskFault::Refused(403 | 404) | AskFault::Alarm(..) | AskFault::Overtaken
                    ) {
                        refused.push(place);
                    }
                    self.not_signed(place, &fault, clock.now_us());
                    if let AskFault::Alarm(_, Some(proof)) = fault {
                        journal.dispute(proof).await;
                    }
                }
            }
        }
        refused
    }

    async fn signed(
        &self,
        place: usize,
        signed: Signed,
        (note, head): (&str, &Checkpoint),
        (began_us, journal): (i64, &Journal),
    ) {
        let (lines, late) = {
            let mut state = self.state();
            let Some(known) = state.links.get_mut(place) else {
                return;
            };
            let late = known.failures > 0;
            known.signed(head.size);
            (state.gather(head.size, place, signed.line, self.settings.quorum), late)
        };
        if late && let Some(link) = self.links.get(place) {
            tracing::info!(witness = link.name, leaf.count = head.size, "a witness signs again");
        }
        self.count(place, "signed");
        self.skew(place, signed.skew_ms, began_us, journal).await;
        if let Some(lines) = lines {
            let cosigned = Cosigned {
                size: head.size,
                t_us: began_us,
                note: format!("{note}{lines}").into(),
            };
            self.publish(cosigned, journal).await;
        }
    }

    /// Durable first, then seen: what a reader has must be there after a restart.
    async fn publish(&self, cosigned: Cosigned, journal: &Journal) {
        if let Err(error) = journal.keep_cosigned(cosigned.clone()).await {
            tracing::error!(error = %error, "a cosigned checkpoint could not be kept; it is asked for again");
            return;
        }
        let mut state = self.state();
        if state
            .closing
            .as_ref()
            .is_some_and(|closing| closing.size == cosigned.size)
        {
            state.closing = None;
        }
        if self.newest().is_some_and(|newest| newest.size > cosigned.size) {
            return;
        }
        state.since_us = cosigned.t_us;
        drop(state);
        self.newest.store(Some(Arc::new(cosigned)));
    }

    fn not_signed(&self, place: usize, fault: &AskFault, now_us: i64) {
        let Some(link) = self.links.get(place) else { return };
        let cause = Chain(fault).to_string();
        let mut state = self.state();
        let Some(known) = state.links.get_mut(place) else {
            return;
        };
        let first = known.failures == 0;
        known.failed(cause.clone(), now_us);
        if let AskFault::Alarm(alarm, _) = fault {
            let news = known.alarm != Some(*alarm) && !known.alarm.is_some_and(|known| known.proven);
            if news {
                known.alarm = Some(*alarm);
            }
            drop(state);
            if alarm.proven {
                self.disputed.store(true, Ordering::Relaxed);
            }
            if news {
                tracing::error!(
                    witness = link.name,
                    what = alarm.describe(),
                    "a witness holds another history of this log"
                );
            }
            self.count(place, "dispute");
            return;
        }
        drop(state);
        // Once for a whole row of failures, not each second.
        if first {
            tracing::warn!(witness = link.name, %cause, "a witness did not sign");
        }
        self.count(place, "failed");
    }

    fn count(&self, place: usize, outcome: &'static str) {
        if let Some(link) = self.links.get(place) {
            metrics::counter!("shuguan_witness_answers_total", "witness" => link.name.clone(), "outcome" => outcome)
                .increment(1);
        }
    }

    async fn skew(&self, place: usize, skew_ms: i64, now_us: i64, journal: &Journal) {
        let Some(link) = self.links.get(place) else { return };
        metrics::gauge!("shuguan_witness_skew_ms", "witness" => link.name.clone()).set(gauge(skew_ms.unsigned_abs()));
        let time = journal.time();
        if skew_ms.unsigned_abs() <= SKEW_MAX_MS {
            // Another machine's clock agrees with ours: a step that is held is the time.
            if time.is_held() {
                time.confirm(By::Witness(link.name.clone()));
            }
            return;
        }
        time.contradict();
        {
            let mut state = self.state();
            let Some(known) = state.links.get_mut(place) else {
                return;
            };
            let told = known.clock_leaf_us;
            if told.is_some_and(|told| now_us.saturating_sub(told) < CLOCK_LEAF_EVERY_US) {
                return;
            }
            known.clock_leaf_us = Some(now_us);
        }
        let dir = if skew_ms > 0 { "ahead" } else { "behind" };
        tracing::error!(witness = link.name, skew_ms, "a witness's clock and ours are apart");
        let event = Event::Clock(ClockEvent {
            who: link.name.clone(),
            dir: dir.into(),
            // A leaf holds integers below 2^53.
            ms: skew_ms.unsigned_abs().min(1 << 52),
            step: None,
            by: None,
            wall: None,
            log: None,
        });
        if let Err(error) = journal.seal_own(event).await {
            tracing::warn!(error = %error, "no leaf could tell of the clocks");
        }
    }

    /// Debt, metrics, and the leaves at the begin and end of a gap.
    async fn tell(&self, journal: &Journal, now_us: i64) {
        let (_, head) = journal.head();
        let covered = self.newest().map_or(0, |newest| newest.size);
        let (debt, gap_us, since_us) = {
            let mut state = self.state();
            if head.size <= covered {
                // Nothing is owed: what comes from now on is not older than this moment.
                state.since_us = now_us;
            }
            (state.debt(head.size, covered, now_us), state.gap_us, state.since_us)
        };
        self.debt_s.store(debt.seconds, Ordering::Relaxed);
        self.debt_leaves.store(debt.leaves, Ordering::Relaxed);
        metrics::gauge!("shuguan_unwitnessed_seconds").set(gauge(debt.seconds));
        metrics::gauge!("shuguan_unwitnessed_leaves").set(gauge(debt.leaves));
        let (step, seconds, after) = match gap_us {
            None if debt.seconds >= GAP_S => ("begin", debt.seconds, Some(since_us)),
            Some(gap_us) if debt.seconds < GAP_S => {
                let lasted = now_us.saturating_sub(gap_us).max(0) / 1_000_000;
                ("end", lasted.unsigned_abs(), None)
            }
            _ => return,
        };
        let event = Event::WitnessGap(WitnessGapEvent {
            step: step.into(),
            size: covered,
            s: seconds,
        });
        match journal.seal_own(event).await {
            Ok(_) => {
                self.state().gap_us = after;
                tracing::warn!(step, seconds, leaf.count = covered, "a gap in witnessing");
            }
            // The next second tries again.
            Err(error) => tracing::warn!(error = %error, "no leaf could tell of the gap"),
        }
    }

    /// The light of `/readyz`.
    pub(super) fn light(&self) -> (Light, String) {
        let state = self.state();
        let alarm = self.links.iter().zip(&state.links).find_map(|(link, known)| {
            let alarm = known.alarm?;
            Some(format!("`{}`: {}", link.name, alarm.describe()))
        });
        if let Some(alarm) = alarm {
            return (Light::Red, alarm);
        }
        let faults = self.links.iter().zip(&state.links).filter_map(|(link, known)| {
            let fault = known.fault.as_ref()?;
            Some(format!("; `{}`: {fault}", link.name))
        });
        let faults: String = faults.collect();
        drop(state);
        let debt = self.debt().unwrap_or_default();
        let Debt { seconds, leaves } = debt;
        if leaves == 0 {
            return (Light::Green, format!("a quorum has signed every entry{faults}"));
        }
        let detail = format!("{leaves} entries wait for a quorum of witnesses, the oldest for {seconds} s");
        match self.refused_at(seconds) {
            Some(refused) => (Light::Red, format!("{detail}; {refused} until it has signed{faults}")),
            None if seconds >= GAP_S => (Light::Yellow, format!("{detail}{faults}")),
            None => (Light::Green, detail + &faults),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is for people")]
fn gauge(value: u64) -> f64 {
    value as f64
}
