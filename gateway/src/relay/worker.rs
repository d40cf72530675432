//! The worker: one exchange after the other, part by part.
//!
//! One pass over an exchange: ask the registry how far it is, read the due part, pay for its rows, merge it, and after the last part
//! seal the `relayed` leaf. Killed before a commit: nothing of the part is in, and it comes again. Killed between commit and leaf:
//! the next pass finds every part in and only seals the leaf. So a pass that failed is repeated from the start and never doubles.

use std::time::Duration;

use shuguan_ledger::leaf::RelayedEvent;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::RelaySettings;
use super::pace::Pace;
use super::status::{RelayState, RelayStatus};
use crate::clock::Clock;
use crate::journal::{InboxItem, Journal, JournalFault, SealError};
use crate::registry::{Part, Progress, Registry, RegistryFault, Remedy};

/// Why a pass over an exchange ended early, or the relay as a whole.
#[derive(Debug, thiserror::Error)]
pub enum RelayFault {
    /// The registry failed.
    #[error("the registry did not take a part")]
    Registry(#[source] RegistryFault),
    /// The journal did not give an exchange or a part of it.
    #[error("the journal did not give a part")]
    Inbox(#[source] JournalFault),
    /// The journal did not seal what became of an exchange.
    #[error("the journal did not seal an outcome")]
    Seal(#[source] SealError),
}

impl RelayFault {
    /// Stable code, e.g. `SG6214`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Registry(fault) => fault.code(),
            Self::Inbox(fault) if spoilt(fault) => "SG6302",
            Self::Inbox(_) => "SG6301",
            Self::Seal(SealError::Unavailable) => "SG5101",
            Self::Seal(SealError::Unfit(_)) => "SG6303",
        }
    }

    fn remedy(&self) -> Remedy {
        match self {
            Self::Registry(fault) => fault.remedy(),
            Self::Inbox(fault) if spoilt(fault) => Remedy::SetAside,
            Self::Inbox(_) | Self::Seal(SealError::Unavailable) => Remedy::Wait,
            Self::Seal(SealError::Unfit(_)) => Remedy::SetAside,
        }
    }
}

/// Whether the payload itself is to blame, so that waiting does not help.
fn spoilt(fault: &JournalFault) -> bool {
    matches!(
        fault,
        JournalFault::Unopened(_) | JournalFault::Part(_) | JournalFault::NoPart(_) | JournalFault::Column(_)
    )
}

/// How often the backlog is counted; the count may be that old.
const OBSERVE_EVERY_US: i64 = 500_000;

/// Relays until `shutdown`, which takes effect between two parts.
///
/// # Errors
/// Only when the disk under the registry lost a write or its writer is gone: the process must end; the next start reads what is there.
pub async fn run(
    journal: Journal,
    registry: Registry,
    settings: RelaySettings,
    clock: Clock,
    status: RelayStatus,
    shutdown: CancellationToken,
) -> Result<(), RelayFault> {
    let worker = Worker {
        pace: Pace::new(settings.rows_per_s, settings.burst_rows),
        journal,
        registry,
        settings,
        clock,
        status,
        shutdown,
    };
    let ended = worker.work().await;
    worker.status.state(RelayState::Stopped);
    ended
}

struct Worker {
    journal: Journal,
    registry: Registry,
    settings: RelaySettings,
    pace: Pace,
    clock: Clock,
    status: RelayStatus,
    shutdown: CancellationToken,
}

/// How a pass ended.
enum Pass {
    Relayed,
    ShutDown,
}

/// Failures in a row, of one exchange or of the journal itself.
#[derive(Default)]
struct Trouble {
    exchange: Option<Uuid>,
    refused: u32,
    waits: u32,
}

impl Worker {
    async fn work(&self) -> Result<(), RelayFault> {
        let mut trouble = Trouble::default();
        let (mut erase_at_us, mut observe_at_us) = (self.clock.now_us(), self.clock.now_us());
        while !self.shutdown.is_cancelled() {
            let now_us = self.clock.now_us();
            if now_us >= erase_at_us {
                erase_at_us = now_us + i64::from(self.settings.erase_every_s) * 1_000_000;
                self.erase().await;
            }
            if now_us >= observe_at_us {
                observe_at_us = now_us + OBSERVE_EVERY_US;
                self.observe();
            }
            let item = match self.journal.next_inbox(None).await {
                Ok(Some(item)) => item,
                Ok(None) => {
                    self.status.state(RelayState::Idle);
                    self.pause(Duration::from_millis(self.settings.idle_ms.into())).await;
                    continue;
                }
                Err(fault) => {
                    self.struggle(&mut trouble, None, RelayFault::Inbox(fault)).await?;
                    continue;
                }
            };
            self.status.state(RelayState::Relaying);
            match self.pass(&item).await {
                Ok(Pass::Relayed) => {
                    trouble = Trouble::default();
                    self.status.relayed();
                }
                Ok(Pass::ShutDown) => return Ok(()),
                Err(fault) => self.struggle(&mut trouble, Some(&item), fault).await?,
            }
        }
        Ok(())
    }

    /// Brings one exchange in from wherever it is.
    async fn pass(&self, item: &InboxItem) -> Result<Pass, RelayFault> {
        let began_us = self.clock.now_us();
        let known = self.registry.progress(item.exchange).await;
        let mut progress = known.map_err(RelayFault::Registry)?.unwrap_or_default();
        let mut next = self.part(item, progress.parts).await?;
        while let Some(part) = next {
            tokio::select! {
                () = self.pace.rows(part.batch.num_rows() as u64) => {}
                () = self.shutdown.cancelled() => return Ok(Pass::ShutDown),
            }
            // The next part is opened while the registry writes this one.
            let (merged, following) = tokio::join!(self.registry.merge(part), self.part(item, progress.parts + 1));
            let merged = merged.map_err(RelayFault::Registry)?;
            progress = merged.progress;
            self.status.merged(merged.counts, self.clock.now_us());
            next = following?;
        }
        // Every row is durable in the registry from here on; a crash before the leaf is sealed repeats only the sealing.
        self.seal(item, progress, began_us).await?;
        Ok(Pass::Relayed)
    }

    /// The part of that number; none after the last.
    async fn part(&self, item: &InboxItem, number: u32) -> Result<Option<Part>, RelayFault> {
        if number >= item.parts {
            return Ok(None);
        }
        let batch = self.journal.read_part(item, number).await.map_err(RelayFault::Inbox)?;
        Ok(Some(Part {
            exchange: item.exchange,
            number,
            leaf: item.leaf_index,
            record: item.record.clone(),
            partner: item.partner.clone(),
            received_us: item.received_us,
            batch,
        }))
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
            del: None,
            batch: progress.parts.into(),
            ms: u64::try_from((self.clock.now_us() - began_us) / 1_000).unwrap_or(0),
        };
        let sealed = self.journal.relayed(item.exchange, event).await;
        sealed.map(drop).map_err(RelayFault::Seal)
    }

    /// After a failure: waits, or sets the exchange aside, or ends the relay.
    async fn struggle(
        &self,
        trouble: &mut Trouble,
        item: Option<&InboxItem>,
        fault: RelayFault,
    ) -> Result<(), RelayFault> {
        let code = fault.code();
        self.status.failed(code);
        let exchange = item.map(|item| item.exchange);
        if trouble.exchange != exchange {
            *trouble = Trouble {
                exchange,
                ..Trouble::default()
            };
        }
        match (fault.remedy(), item) {
            (Remedy::Stop, _) => {
                tracing::error!(error.code = code, "the registry cannot go on; the process must end");
                return Err(fault);
            }
            (Remedy::SetAside, Some(item)) => {
                trouble.refused += 1;
                if trouble.refused >= self.settings.attempts_max && self.set_aside(item, code).await {
                    *trouble = Trouble::default();
                    return Ok(());
                }
            }
            (Remedy::SetAside | Remedy::Wait, _) => {}
        }
        tracing::warn!(error.code = code, exchange.id = ?exchange, "relaying failed; it is tried again");
        let wait = wait_ms(&self.settings, trouble.waits);
        trouble.waits = trouble.waits.saturating_add(1);
        self.pause(Duration::from_millis(wait)).await;
        Ok(())
    }

    /// Takes an exchange out of the line; false when the journal did not note it, then it is tried once more and set aside again.
    async fn set_aside(&self, item: &InboxItem, code: &'static str) -> bool {
        match self.journal.set_aside(item.exchange, code).await {
            // False: somebody else took it out of the line.
            Ok(_moved) => {
                self.status.set_aside();
                tracing::error!(error.code = code, exchange.id = %item.exchange, "a batch is set aside; an operator must look");
                true
            }
            Err(fault) => {
                self.status.failed(RelayFault::Seal(fault).code());
                false
            }
        }
    }

    /// Deletes payloads whose hold is over; what fails now is due again next time.
    async fn erase(&self) {
        let hold_us = i64::from(self.settings.payload_hold_hours) * 3_600_000_000;
        while !self.shutdown.is_cancelled() {
            match self.journal.erase_due(self.clock.now_us(), hold_us).await {
                Ok(0) => return,
                Ok(erased) => metrics::counter!("shuguan_relay_payloads_erased_total").increment(erased),
                Err(fault) => {
                    let code = RelayFault::Seal(fault).code();
                    self.status.failed(code);
                    tracing::warn!(error.code = code, "payloads that are due could not be erased");
                    return;
                }
            }
        }
    }

    fn observe(&self) {
        let backlog = self.journal.backlog();
        let now_us = self.clock.now_us();
        self.status
            .backlog(backlog.exchanges, backlog.bytes, backlog.oldest_us, now_us);
    }

    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.shutdown.cancelled() => {}
        }
    }
}

/// Doubles from the first wait to the longest.
fn wait_ms(settings: &RelaySettings, waits: u32) -> u64 {
    let doubled = u64::from(settings.retry_first_ms) << waits.min(20);
    doubled.min(settings.retry_max_ms.into())
}
