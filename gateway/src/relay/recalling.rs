//! Recalls: a batch that its partner withdrew leaves the registry, a stride of keys a turn.
//!
//! Takes the recalls of the log in their order; every second turn is theirs while there is one, and each stride is charged to the rates of its record type. At each
//! start all are looked at, a thousand at a time: one that the log says is carried out and that the registry knows needs nothing, and what a registry that was put
//! back holds again is taken back again. The batch itself is out of the inbox since the leaf of its recall, so no part of it follows. One that the registry
//! refuses is held apart, where an operator sees it and has it tried again; the others go on. A registry that does not answer is waited for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use shuguan_ledger::leaf::RecalledEvent;
use uuid::Uuid;

use super::pace::Work;
use super::schedule::Moved;
use super::status::RecallApart;
use super::turn::unguessable;
use super::worker::{RelayFault, Worker};
use crate::journal::KeptRecall;
use crate::registry::{Recall, Remedy};

/// What a stride costs, rows: it looks at up to eight times as many keys.
const STRIDE_ROWS: u64 = 1_024;
/// How often new recalls are looked for, microseconds.
const LOOK_EVERY_US: u64 = 500_000;
/// No more are looked for while so many can be carried out, or so many are due, also of tables that are locked.
const DUE_MAX: usize = 1_000;
const HELD_MAX: usize = 100_000;

/// Where the relay is in the recalls of the log.
#[derive(Debug, Default)]
pub(super) struct Recalls {
    /// All before this leaf were looked at.
    from: u64,
    /// Those that are to be carried out, by leaf.
    due: BTreeMap<u64, KeptRecall>,
    /// Those that the registry refused, by their exchange.
    apart: BTreeMap<Uuid, KeptRecall>,
    /// None is looked for before this moment.
    pub(super) look_at_us: u64,
    /// The last turn was a recall's.
    had_turn: bool,
    /// By record type: how often in a row its table was locked, and the moment before which none of it is tried.
    resting: HashMap<String, (u32, u64)>,
    /// Those that took too long, by their exchange.
    slow: HashMap<Uuid, Slow>,
}

/// A recall that took too long.
#[derive(Clone, Copy, Debug)]
struct Slow {
    /// How often, once others went in.
    times: u32,
    /// Transactions that the registry had taken when it was so first.
    answered: u64,
    /// It is not tried before this moment.
    until_us: u64,
}

/// What became of a recall's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recalling {
    /// It was taken.
    Turn,
    /// One is due, and had the turn before: this one is a batch's.
    Yields,
    /// None is due.
    Nothing,
}

impl Recalls {
    /// Whether none is to be carried out, as far as they were looked for.
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Whether it is not tried now.
    fn rests(&self, recall: &KeptRecall, now_us: u64) -> bool {
        let locked = self.resting.get(&recall.event.rec);
        let slow = self.slow.get(&recall.exchange);
        locked.is_some_and(|(_, until_us)| now_us < *until_us) || slow.is_some_and(|slow| now_us < slow.until_us)
    }

    /// Whether as many are at hand as are needed. Those of a locked table keep nobody from those of others.
    fn are_enough(&self, now_us: u64) -> bool {
        let free = self.due.values().filter(|recall| !self.rests(recall, now_us));
        self.due.len() >= HELD_MAX || free.take(DUE_MAX).count() == DUE_MAX
    }
}

impl Worker {
    /// Takes a recall's turn, if one is due.
    ///
    /// # Errors
    /// What is not the fault of one recall; the stride is due again.
    pub(super) async fn recall(&mut self) -> Result<Recalling, RelayFault> {
        let had_turn = std::mem::take(&mut self.recalls.had_turn);
        self.try_again();
        self.look_for_recalls().await?;
        let now_us = self.now_us();
        let (schedule, recalls) = (&self.schedule, &self.recalls);
        let free =
            |recall: &&KeptRecall| !recalls.rests(recall, now_us) && schedule.free_at_us(&recall.event.rec) <= now_us;
        let Some(recall) = self.recalls.due.values().find(free).cloned() else {
            return Ok(Recalling::Nothing);
        };
        if had_turn {
            return Ok(Recalling::Yields);
        }
        self.recalls.had_turn = true;
        self.forget(recall.push);
        self.upset(&recall.event.rec, 0);
        match self.undo(&recall).await {
            Ok(done) => {
                self.recalls.resting.remove(&recall.event.rec);
                self.recalls.slow.remove(&recall.exchange);
                if done {
                    self.recalls.due.remove(&recall.leaf);
                }
            }
            Err(fault) if fault.remedy() == Remedy::SetAside => self.hold_apart(recall, &fault),
            // The stride is due again, behind what else waits.
            Err(fault) if fault.is_slow() => self.slowed(recall, &fault),
            Err(fault) if fault.is_locked() => self.rest_recalls(&recall.event.rec, &fault),
            Err(fault) => return Err(fault),
        }
        Ok(Recalling::Turn)
    }

    /// Those an operator has tried again are due.
    fn try_again(&mut self) {
        for exchange in self.status.take_again() {
            if let Some(recall) = self.recalls.apart.remove(&exchange) {
                self.recalls.due.insert(recall.leaf, recall);
            }
        }
    }

    /// A table is locked: batches, and recalls of other record types, go on meanwhile.
    fn rest_recalls(&mut self, record: &str, fault: &RelayFault) {
        let (code, told) = (fault.code(), fault.told());
        self.status.failed(code, &told);
        tracing::warn!(
            error.code = code,
            error.told = told,
            record,
            "a table is locked; its recalls are tried again"
        );
        let times = self.recalls.resting.get(record).map_or(0, |(times, _)| *times);
        let rest = (
            times.saturating_add(1),
            self.now_us().saturating_add(self.rest_us(times, fault)),
        );
        self.recalls.resting.insert(record.to_owned(), rest);
    }

    /// One took too long: it rests, and all others go on. So often since others went in, it is to blame.
    fn slowed(&mut self, recall: KeptRecall, fault: &RelayFault) {
        let before = self.recalls.slow.get(&recall.exchange).copied();
        let answered = before.map_or(self.answered, |slow| slow.answered);
        let times = before.map_or(0, |slow| slow.times) + u32::from(answered < self.answered);
        if times >= fault.attempts_max(&self.settings) {
            return self.hold_apart(recall, fault);
        }
        let (code, told) = (fault.code(), fault.told());
        self.status.failed(code, &told);
        tracing::warn!(error.code = code, error.told = told, exchange.id = %recall.exchange, "a recall takes too long; it is tried again");
        let until_us = self.now_us().saturating_add(self.rest_us(times, fault));
        let slow = Slow {
            times,
            answered,
            until_us,
        };
        self.recalls.slow.insert(recall.exchange, slow);
    }

    fn hold_apart(&mut self, recall: KeptRecall, fault: &RelayFault) {
        let (code, told) = (fault.code(), fault.told());
        tracing::error!(error.code = code, error.told = told, exchange.id = %recall.exchange, "a recall cannot be carried out; an operator must look");
        self.status.failed(code, &told);
        self.status.hold_apart(RecallApart {
            exchange: recall.exchange,
            push: recall.push,
            record: recall.event.rec.clone(),
            partner: recall.event.p.clone(),
            reason: code,
        });
        self.recalls.due.remove(&recall.leaf);
        self.recalls.slow.remove(&recall.exchange);
        self.recalls.apart.insert(recall.exchange, recall);
    }

    /// Looks at the recalls that are new since the last look.
    async fn look_for_recalls(&mut self) -> Result<(), RelayFault> {
        while self.now_us() >= self.recalls.look_at_us && !self.recalls.are_enough(self.now_us()) {
            let found = self.journal.recalls(self.recalls.from).await;
            let found = found.map_err(RelayFault::Inbox)?;
            let Some(last) = found.last() else {
                self.recalls.look_at_us = self.now_us().saturating_add(LOOK_EVERY_US);
                break;
            };
            let from = last.leaf + 1;
            let done = found.iter().filter(|recall| recall.done.is_some());
            let done: Vec<Uuid> = done.map(|recall| recall.exchange).collect();
            let known = if done.is_empty() {
                HashMap::new()
            } else {
                let known = self.registry.progress_of_all(done).await;
                known.map_err(RelayFault::Registry)?
            };
            let is_done = |recall: &KeptRecall| {
                recall.done.is_some() && known.get(&recall.exchange).is_some_and(|progress| progress.parts > 0)
            };
            let due = found.into_iter().filter(|recall| !is_done(recall));
            self.recalls.due.extend(due.map(|recall| (recall.leaf, recall)));
            self.recalls.from = from;
        }
        Ok(())
    }

    /// One stride; true when the recall is carried out and its leaf is there.
    async fn undo(&mut self, recall: &KeptRecall) -> Result<bool, RelayFault> {
        let order = Arc::new(Recall {
            exchange: recall.exchange,
            leaf: recall.leaf,
            push: recall.push,
            push_leaf: recall.event.of.i,
            record: recall.event.rec.clone(),
            partner: recall.event.p.clone(),
            received_us: recall.sealed_us,
        });
        let written = self.timed(self.registry.recall(order)).await;
        let took_us = written.1;
        let (undone, _) = self.heeded(Work::Recalling(0), written)?;
        // What was done already says nothing of how long a stride takes.
        let moved = Moved {
            charged: if undone.walked { STRIDE_ROWS } else { 1 },
            full: true,
            took: undone.walked.then_some((Work::Recalling(undone.rows), took_us)),
        };
        self.charge_apart(&recall.event.rec, moved);
        if !undone.done {
            return Ok(false);
        }
        // Durable in the registry from here on; a crash before the leaf is sealed repeats only the sealing.
        let event = RecalledEvent {
            x: recall.exchange.to_string(),
            of: recall.reference(),
            del: undone.progress.counts.del,
            opn: undone.progress.counts.ins,
            rnd: Some(unguessable()?),
        };
        let sealed = self.journal.recalled(recall.exchange, event).await;
        sealed.map_err(RelayFault::Seal)?;
        self.status.journal_answered();
        Ok(true)
    }
}
