//! The end of a snapshot: what it lacks is counted, and closed unless that is too much.
//!
//! Takes a snapshot whose parts are all in; gives turns, a stride of the registry's keys each. First, while an older exchange of the same
//! partner and record type waits, it waits too: what that one brings is older than the snapshot and may be lacking in it. Then it counts;
//! killed there, it counts anew. Then it closes where counting found something to do; killed there, the progress in the registry says where to
//! go on, and all from there on is gone through. So it is when a recall, or an older exchange that an operator released, came between counting
//! and closing. Behind all keys it goes through stamps of older snapshots; for a fault of those it is not held back, because it has closed everything.
//! A snapshot that would close too much is set aside, and an operator who releases it lets it.

use std::sync::Arc;

use super::pace::Work;
use super::schedule::Moved;
use super::turn::Underway;
use super::worker::{RelayFault, Worker};
use crate::journal::{CLOSES_TOO_MUCH, InboxItem};
use crate::registry::{Ending, Walk};

/// Keys that are looked at for the cost of one row that is written.
const LOOKED_FOR_A_ROW: u64 = 8;

/// A snapshot that is being counted or closed.
pub(super) struct Weighing {
    ending: Arc<Ending>,
    held: u64,
    due: u64,
    /// The key up to which was counted; none: all was.
    after: Option<String>,
    /// Where something is to be closed, and up to which key it is.
    walk: Walk,
    place: String,
}

impl Weighing {
    /// One that has `begun` to close before this process goes through all. `keep`: an older batch of the same partner and record type is set aside.
    fn of(item: &InboxItem, begun: bool, keep: bool) -> Self {
        let scope = item.scope.as_deref().and_then(|scope| scope.split_once('='));
        let codes = |codes: &str| codes.split(',').map(str::to_owned).collect();
        let ending = Ending {
            exchange: item.exchange,
            leaf: item.leaf_index,
            record: item.record.clone(),
            partner: item.partner.clone(),
            received_us: item.received_us,
            scope: scope.map(|(field, named)| (field.to_owned(), codes(named))),
            keep,
            held: Arc::default(),
        };
        Self {
            ending: Arc::new(ending),
            held: 0,
            due: 0,
            after: Some(String::new()).filter(|_| !begun),
            walk: if begun { Walk::everywhere() } else { Walk::default() },
            place: String::new(),
        }
    }

    fn count_anew(&mut self) {
        (self.held, self.due, self.after) = (0, 0, Some(String::new()));
        self.walk = Walk::default();
    }
}

impl Worker {
    /// The next stride of a snapshot's end.
    ///
    /// # Errors
    /// As a turn; then the stride is due again.
    pub(super) async fn end(&mut self, mut underway: Underway) -> Result<Moved, RelayFault> {
        let mut weighing = match underway.weighing.take() {
            Some(weighing) => weighing,
            None if self.waits_before(&underway.item).await? => {
                self.put_off(&underway.item);
                self.underway.insert(underway.item.exchange, underway);
                return Ok(Moved::default());
            }
            None => self.weighing(&underway).await?,
        };
        let counting = weighing.after.is_some();
        let strode = if counting {
            self.count(&mut weighing).await
        } else {
            self.close(&mut underway, &mut weighing).await
        };
        match strode {
            Ok(_) if counting && weighing.after.is_none() && self.is_too_much(&underway, &weighing) => {
                Ok(self.refuse_to_close(&underway.item, &weighing).await)
            }
            Ok((moved, false)) => {
                self.seal_last(underway).await?;
                Ok(moved)
            }
            Ok((moved, true)) => {
                self.keep(underway, weighing);
                Ok(moved)
            }
            // All is closed, and the snapshot has ended: what is left of stamps the next end takes.
            Err(fault) if underway.progress.closed && fault.is_its_own() => {
                self.leave_stamps(&underway.item, &fault);
                self.seal_last(underway).await?;
                Ok(Moved::default())
            }
            Err(fault) => {
                // Nothing of the stride was done. What was counted before holds while this process is the only one that writes.
                if fault.is_locked() || fault.is_slow() {
                    self.keep(underway, weighing);
                }
                Err(fault)
            }
        }
    }

    async fn waits_before(&self, item: &InboxItem) -> Result<bool, RelayFault> {
        self.journal.waits_before(item).await.map_err(RelayFault::Inbox)
    }

    async fn weighing(&self, underway: &Underway) -> Result<Weighing, RelayFault> {
        let aside = self.journal.aside_before(&underway.item).await;
        let aside = aside.map_err(RelayFault::Inbox)?;
        Ok(Weighing::of(&underway.item, underway.progress.closing, aside))
    }

    fn keep(&mut self, mut underway: Underway, weighing: Weighing) {
        underway.weighing = Some(weighing);
        self.underway.insert(underway.item.exchange, underway);
    }

    /// Counts a stride; true: the snapshot goes on.
    async fn count(&self, weighing: &mut Weighing) -> Result<(Moved, bool), RelayFault> {
        let after = weighing.after.clone().unwrap_or_default();
        let weighed = self.registry.weigh(Arc::clone(&weighing.ending), after.clone()).await;
        let weighed = weighed.map_err(RelayFault::Registry)?;
        weighing.walk.counted(after, &weighed);
        weighing.held += weighed.held;
        weighing.due += weighed.due;
        weighing.after = weighed.after;
        Ok((stride(weighed.looked.div_ceil(LOOKED_FOR_A_ROW), None), true))
    }

    /// Closes what a stride lacks, or goes through stamps; false: it was the last.
    async fn close(&mut self, underway: &mut Underway, weighing: &mut Weighing) -> Result<(Moved, bool), RelayFault> {
        let from = weighing.walk.resume(&weighing.place);
        let written = self.timed(self.registry.end(Arc::clone(&weighing.ending), from)).await;
        let (closed, took) = self.heeded(Work::Closing, written)?;
        let moved = stride(closed.rows + closed.looked.div_ceil(LOOKED_FOR_A_ROW), took);
        underway.progress = closed.progress;
        let goes_on = closed.after.is_some();
        weighing.place = closed.after.unwrap_or_default();
        Ok((moved, goes_on))
    }

    fn leave_stamps(&self, item: &InboxItem, fault: &RelayFault) {
        let (code, told) = (fault.code(), fault.told());
        self.status.failed(code, &told);
        tracing::warn!(error.code = code, error.told = told, exchange.id = %item.exchange, "stamps of older snapshots were not gone through; the next snapshot's end takes them");
    }

    /// What was counted of later snapshots of the record type no longer says where something is to be closed, nor, of those that are still counting, how much.
    pub(super) fn upset(&mut self, record: &str, leaf: u64) {
        for underway in self.underway.values_mut() {
            let weighing = underway.weighing.as_mut();
            if let Some(weighing) = weighing.filter(|weighing| weighing.ending.is_upset_by(record, leaf)) {
                if weighing.after.is_some() {
                    weighing.count_anew();
                } else {
                    weighing.walk = Walk::everywhere();
                }
            }
        }
    }

    /// Rows of the partner that were there before are those that are held now without those that the snapshot brought anew. One of which
    /// nothing was accepted speaks for nothing.
    fn is_too_much(&self, underway: &Underway, weighing: &Weighing) -> bool {
        let before = weighing.held.saturating_sub(underway.progress.counts.ins);
        let share = before.saturating_mul(self.settings.snapshot_close_percent_max.into()) / 100;
        let allowed = share.max(self.settings.snapshot_close_rows_min.into());
        let exceeds = weighing.due > allowed || (underway.progress.rows == 0 && weighing.due > 0);
        exceeds && !underway.item.may_close
    }

    async fn refuse_to_close(&mut self, item: &InboxItem, weighing: &Weighing) -> Moved {
        tracing::warn!(
            exchange.id = %item.exchange,
            rows.lacking = weighing.due,
            rows.held = weighing.held,
            "a snapshot would close too much; an operator must look"
        );
        let told = "it would close more rows than is allowed";
        self.status.failed(CLOSES_TOO_MUCH, told);
        // When the journal does not note it, it is counted again.
        if self.set_aside(item, CLOSES_TOO_MUCH, told).await {
            self.forget(item.exchange);
        }
        Moved::default()
    }
}

/// A stride of a snapshot's end.
fn stride(charged: u64, took: Option<(Work, u64)>) -> Moved {
    Moved {
        charged,
        full: true,
        took,
    }
}
