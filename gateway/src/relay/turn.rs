//! One turn: one transaction of the registry, then the leaves of the exchanges that it completed.
//!
//! Takes the next part of a large exchange, or small exchanges together, because what a small one costs is mostly the commit. Gives the
//! rows that went. An exchange that fails by itself is held back; what does not answer ends the turn, to be taken again.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures_util::future::join_all;
use shuguan_ledger::leaf::{Digest, RelayedEvent};

use super::ending::Weighing;
use super::pace::Work;
use super::schedule::Moved;
use super::worker::{RelayFault, TOGETHER_MAX, Worker};
use crate::clock::random;
use crate::journal::{InboxItem, PushKind, SealError};
use crate::registry::{Ahead, Merged, Part, Progress, RegistryFault, Remedy};

/// What is due, and whether an exchange of the record type with an earlier leaf may still come.
pub(super) enum Turn {
    /// The next part of an exchange of several, or of a snapshot.
    Part(InboxItem, Confirm),
    /// Exchanges of one part.
    Together(Vec<InboxItem>, Confirm),
}

/// The oldest leaf of the record type that may come later than its turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Confirm(pub(super) Option<u64>);

impl Confirm {
    fn of(self, item: &InboxItem) -> bool {
        self.0.is_some_and(|leaf| leaf < item.leaf_index)
    }
}

/// A large exchange between two of its turns.
pub(super) struct Underway {
    pub(super) item: InboxItem,
    pub(super) progress: Progress,
    /// Opened while the registry wrote the one before.
    next: Option<Part>,
    began_us: i64,
    /// Of a snapshot whose parts are all in.
    pub(super) weighing: Option<Weighing>,
}

impl Worker {
    /// Takes a turn.
    ///
    /// # Errors
    /// What is not the fault of one exchange; nothing is lost, the turn is due again.
    pub(super) async fn take(&mut self, turn: Turn) -> Result<Moved, RelayFault> {
        match turn {
            Turn::Part(item, confirm) => {
                self.upset(&item.record, item.leaf_index);
                let moved = self.next_part(&item, confirm).await;
                if moved.as_ref().is_ok_and(|moved| moved.charged > 0) {
                    // It goes on: what it failed at before is over.
                    self.held.remove(&item.exchange);
                }
                self.settle(&item, moved).await
            }
            Turn::Together(items, confirm) => {
                for item in &items {
                    self.upset(&item.record, item.leaf_index);
                }
                self.together(items, confirm).await
            }
        }
    }

    /// Holds an exchange back that failed by itself.
    async fn settle(&mut self, item: &InboxItem, moved: Result<Moved, RelayFault>) -> Result<Moved, RelayFault> {
        match moved {
            Err(fault) if fault.is_its_own() => {
                self.hold(item, &fault).await;
                Ok(Moved::default())
            }
            moved => moved,
        }
    }

    async fn next_part(&mut self, item: &InboxItem, confirm: Confirm) -> Result<Moved, RelayFault> {
        let mut underway = match self.underway.remove(&item.exchange) {
            Some(underway) => underway,
            None => self.begin(item).await?,
        };
        let (mut written, mut took) = (0, None);
        if let Some(mut part) = underway.next.take() {
            part.confirm = confirm.of(item);
            let rows = rows_of(&part.batch);
            let following = self.part(&underway.item, underway.progress.parts + 1);
            let (answer, following) = tokio::join!(self.timed(self.registry.merge(part)), following);
            let merged;
            (merged, took) = self.heeded(Work::Rows(rows), answer)?;
            written = rows;
            self.status.merged(merged.counts, self.clock.now_us());
            underway.progress = merged.progress;
            underway.next = following?;
            if underway.next.is_some() {
                self.underway.insert(item.exchange, underway);
                return Ok(Moved {
                    charged: rows,
                    full: true,
                    took,
                });
            }
        }
        if underway.item.mode == PushKind::Snapshot {
            return self.end(underway).await.map(|ended| ended.after(written, took));
        }
        self.seal_last(underway).await?;
        Ok(Moved {
            charged: written.max(1),
            full: true,
            took,
        })
    }

    /// Every row is durable in the registry from here on; a crash before the leaf is sealed repeats only the sealing.
    pub(super) async fn seal_last(&mut self, underway: Underway) -> Result<(), RelayFault> {
        self.seal(&underway.item, underway.progress, underway.began_us).await?;
        self.done(underway.item.exchange);
        Ok(())
    }

    /// A large exchange from wherever it is.
    async fn begin(&self, item: &InboxItem) -> Result<Underway, RelayFault> {
        let began_us = self.clock.now_us();
        let progress = self.registry.progress(item.exchange).await;
        let progress = progress.map_err(RelayFault::Registry)?.unwrap_or_default();
        Ok(Underway {
            item: item.clone(),
            next: self.part(item, progress.parts).await?,
            progress,
            began_us,
            weighing: None,
        })
    }

    /// The part of that number; none after the last.
    async fn part(&self, item: &InboxItem, number: u32) -> Result<Option<Part>, RelayFault> {
        if number >= item.parts {
            return Ok(None);
        }
        let batch = self.journal.read_part(item, number).await.map_err(RelayFault::Inbox)?;
        let prepared = self.registry.prepare(part_of(item, number, batch)).await;
        Ok(Some(prepared.map_err(RelayFault::Registry)?))
    }

    async fn together(&mut self, items: Vec<InboxItem>, confirm: Confirm) -> Result<Moved, RelayFault> {
        let began_us = self.clock.now_us();
        let (items, parts) = self.open(items, confirm).await?;
        if items.is_empty() {
            return Ok(Moved::default());
        }
        let rows = parts.iter().map(|part| rows_of(&part.batch)).sum();
        let mut moved = Moved {
            charged: rows,
            full: items.len() == TOGETHER_MAX as usize,
            took: None,
        };
        let written = self.timed(self.registry.merge_all(parts.clone())).await;
        match self.heeded(Work::Rows(rows), written) {
            Ok((merged, took)) => {
                moved.took = took;
                self.completed(&items, &merged, began_us).await?;
            }
            Err(fault) if fault.is_its_own() => match items.as_slice() {
                [only] => return self.settle(only, Err(fault)).await,
                _ => self.one_by_one(&items, &parts, began_us).await?,
            },
            Err(fault) => return Err(fault),
        }
        Ok(moved)
    }

    /// The exchanges that can be opened, each with its part.
    async fn open(
        &mut self,
        items: Vec<InboxItem>,
        confirm: Confirm,
    ) -> Result<(Vec<InboxItem>, Arc<[Part]>), RelayFault> {
        let read = self.journal.read_first_parts(&items).await.map_err(RelayFault::Inbox)?;
        let (mut opened, mut parts) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
        for (item, batch) in items.into_iter().zip(read) {
            match batch.map_err(RelayFault::Inbox) {
                Ok(batch) => {
                    let mut part = part_of(&item, 0, batch);
                    part.confirm = confirm.of(&item);
                    parts.push(part);
                    opened.push(item);
                }
                Err(fault) if fault.remedy() == Remedy::SetAside => self.unopened(&item, &fault).await?,
                Err(fault) => return Err(fault),
            }
        }
        Ok((opened, parts.into()))
    }

    /// A payload that the registry holds whole is not needed: a journal that was put back from an older copy lets batches wait that were relayed after it
    /// was made, and whose files are erased by now.
    async fn unopened(&mut self, item: &InboxItem, fault: &RelayFault) -> Result<(), RelayFault> {
        let progress = self.registry.progress(item.exchange).await;
        let progress = progress.map_err(RelayFault::Registry)?;
        let Some(progress) = progress.filter(|progress| progress.parts >= item.parts) else {
            self.hold(item, fault).await;
            return Ok(());
        };
        match self.seal(item, progress, self.clock.now_us()).await {
            Ok(()) => self.done(item.exchange),
            Err(unfit) if unfit.remedy() == Remedy::SetAside => self.hold(item, &unfit).await,
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// Together they did not go in: who is to blame is held back, the others go in alone. Behind one that takes too long they are due again, since each may.
    async fn one_by_one(&mut self, items: &[InboxItem], parts: &[Part], began_us: i64) -> Result<(), RelayFault> {
        for (item, part) in items.iter().zip(parts) {
            let merged = self.registry.merge(part.clone()).await.map_err(RelayFault::Registry);
            let is_slow = merged.as_ref().is_err_and(RelayFault::is_slow);
            let outcome = match merged {
                Ok(merged) => {
                    self.answered += 1;
                    self.completed(std::slice::from_ref(item), &[merged], began_us).await
                }
                Err(fault) => Err(fault),
            };
            self.settle(item, outcome.map(|()| Moved::default())).await?;
            if is_slow {
                break;
            }
        }
        Ok(())
    }

    /// Every row is durable in the registry: the leaves, sealed together.
    async fn completed(&mut self, items: &[InboxItem], merged: &[Merged], began_us: i64) -> Result<(), RelayFault> {
        if items.len() != merged.len() {
            return Err(RelayFault::Registry(RegistryFault::Closed));
        }
        let now_us = self.clock.now_us();
        for merged in merged {
            self.status.merged(merged.counts, now_us);
        }
        let sealing = items
            .iter()
            .zip(merged)
            .map(|(item, merged)| self.seal(item, merged.progress, began_us));
        let sealed = join_all(sealing).await;
        for (item, sealed) in items.iter().zip(sealed) {
            match sealed {
                Ok(()) => self.done(item.exchange),
                Err(fault) if fault.remedy() == Remedy::SetAside => self.hold(item, &fault).await,
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    async fn seal(&self, item: &InboxItem, progress: Progress, began_us: i64) -> Result<(), RelayFault> {
        let counts = progress.counts;
        let event = RelayedEvent {
            x: item.exchange.to_string(),
            of: item.reference(),
            ins: counts.ins,
            upd: counts.upd,
            same: counts.same,
            fail: 0,
            // An upsert closes a row when it comes late: a newer snapshot lacks it.
            del: (item.mode != PushKind::Upsert || counts.del > 0).then_some(counts.del),
            batch: progress.parts.into(),
            ms: u64::try_from((self.clock.now_us() - began_us) / 1_000).unwrap_or(0),
            rnd: Some(unguessable()?),
        };
        let sealed = self.journal.relayed(item.exchange, event).await;
        sealed.map(drop).map_err(RelayFault::Seal)
    }
}

/// Random bytes for a leaf that a partner sees the hash of, and not the leaf.
///
/// # Errors
/// The operating system has no randomness: then the leaf waits.
pub(super) fn unguessable() -> Result<Digest, RelayFault> {
    let bytes = random().map_err(|_no_randomness| RelayFault::Seal(SealError::Unavailable))?;
    Ok(Digest(bytes))
}

fn rows_of(batch: &RecordBatch) -> u64 {
    u64::try_from(batch.num_rows()).unwrap_or(u64::MAX)
}

fn part_of(item: &InboxItem, number: u32, batch: RecordBatch) -> Part {
    Part {
        exchange: item.exchange,
        number,
        parts: item.parts,
        leaf: item.leaf_index,
        record: item.record.clone(),
        partner: item.partner.clone(),
        received_us: item.received_us,
        snapshot: item.mode == PushKind::Snapshot,
        confirm: false,
        batch,
        ahead: Ahead::default(),
    }
}
