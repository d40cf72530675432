//! Recalls: a batch that its partner withdrew leaves the registry, a stride of keys a turn.
//!
//! Takes the recalls of the log in their order; every second turn is theirs while there is one. At each start it goes through all of them: what is undone
//! already costs one look, and what a registry that was put back holds again is taken back again. The batch itself is out of the inbox since the
//! leaf of its recall, so no part of it follows. Refuses nothing; a registry that cannot undo one is asked again later, and the batches go on meanwhile.

use std::sync::Arc;

use shuguan_ledger::leaf::RecalledEvent;

use super::pace::Work;
use super::worker::{RelayFault, Worker};
use crate::journal::PendingRecall;
use crate::registry::{Recall, Remedy};

/// How often new recalls are looked for, microseconds.
const LOOK_EVERY_US: u64 = 500_000;

/// Where the relay is in the recalls of the log.
#[derive(Debug, Default)]
pub(super) struct Recalls {
    /// All before this leaf are undone.
    from: u64,
    /// None is looked for before this moment.
    look_at_us: u64,
    /// The last turn was a recall's.
    had_turn: bool,
}

impl Worker {
    /// Takes a recall's turn; false when none is due.
    ///
    /// # Errors
    /// What is not the fault of one recall; the stride is due again.
    pub(super) async fn recall(&mut self) -> Result<bool, RelayFault> {
        let now_us = self.now_us();
        if std::mem::take(&mut self.recalls.had_turn)
            || now_us < self.recalls.look_at_us
            || now_us < self.schedule.rests_until_us()
        {
            return Ok(false);
        }
        let found = self.journal.next_recall(self.recalls.from).await;
        let Some(pending) = found.map_err(RelayFault::Inbox)? else {
            self.recalls.look_at_us = now_us.saturating_add(LOOK_EVERY_US);
            return Ok(false);
        };
        self.forget(pending.push);
        self.recalls.had_turn = true;
        match self.undo(&pending).await {
            Err(fault) if fault.remedy() == Remedy::SetAside => {
                let code = fault.code();
                tracing::error!(error.code = code, exchange.id = %pending.exchange, "a recall cannot be carried out; it is tried again");
                self.status.failed(code);
                let later_us = u64::from(self.settings.retry_max_ms) * 1_000;
                self.recalls.look_at_us = now_us.saturating_add(later_us);
                Ok(true)
            }
            undone => undone.map(|()| true),
        }
    }

    async fn undo(&mut self, pending: &PendingRecall) -> Result<(), RelayFault> {
        let recall = Arc::new(Recall {
            exchange: pending.exchange,
            leaf: pending.leaf,
            push: pending.push,
            push_leaf: pending.event.of.i,
            record: pending.event.rec.clone(),
            partner: pending.event.p.clone(),
            received_us: pending.sealed_us,
        });
        let written = self.timed(self.registry.recall(recall)).await;
        let (undone, took) = self.heeded(Work::Closing, written)?;
        self.worked(took);
        if !undone.done {
            return Ok(());
        }
        // Durable in the registry from here on; a crash before the leaf is sealed repeats only the sealing.
        let event = RecalledEvent {
            x: pending.exchange.to_string(),
            of: pending.reference(),
            del: undone.progress.counts.del,
            opn: undone.progress.counts.ins,
        };
        let sealed = self.journal.recalled(pending.exchange, event).await;
        sealed.map_err(RelayFault::Seal)?;
        self.recalls.from = pending.leaf + 1;
        self.recalls.had_turn = false;
        Ok(())
    }
}
