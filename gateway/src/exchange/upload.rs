//! An upload that breaks off: the sender is gone, nobody is told, and the log says so (C5).
//!
//! Takes an admitted push while its body is read; gives back what came of it. A body that ends before its end, and a connection that is over while the batch
//! is read, become an `aborted` leaf. It stands down before the batch is sealed: from there on the exchange has its own leaf, whoever still listens.

use shuguan_ledger::leaf::{AbortedEvent, Digest};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::admit::Admitted;
use super::{Stations, Stop};
use crate::journal::{Journal, Sealed};
use crate::refusal::Refusal;

/// The body broke off, as the reader saw.
const INCOMPLETE: &str = "body-incomplete";
/// Nobody reads any more: hyper drops what it does for a connection that is over.
const GONE: &str = "sender-gone";

/// An admitted push whose body is being read.
#[derive(Debug)]
pub(super) struct Upload {
    journal: Journal,
    tasks: TaskTracker,
    /// Taken when it ended.
    event: Option<AbortedEvent>,
}

impl Upload {
    /// From here on its end is noted, whatever it is.
    pub(super) fn begins(stations: &Stations, admitted: &Admitted) -> Self {
        let event = AbortedEvent {
            x: admitted.exchange.to_string(),
            p: admitted.peer.partner().id.clone(),
            rec: admitted.record.name.to_owned(),
            pur: admitted.plan.purpose().to_owned(),
            bun: Digest(admitted.bundle),
            code: GONE.into(),
        };
        Self {
            journal: stations.journal.clone(),
            tasks: stations.tasks.clone(),
            event: Some(event),
        }
    }

    /// It was read to its end, or stopped; what broke off is sealed here, every other refusal by the caller.
    pub(super) async fn ends<T>(mut self, read: Result<T, Stop>) -> Result<T, Stop> {
        let event = self.event.take();
        match (read, event) {
            (Err(Stop::Refused(mut refused)), Some(mut event)) if refused.refusal == Refusal::BodyIncomplete => {
                event.code = INCOMPLETE.into();
                // Who half-closed its connection still hears of it; the leaf must not depend on whether hyper waits for us.
                let (journal, exchange) = (self.journal.clone(), event.x.clone());
                let sealing = self.tasks.spawn(async move { seal(&journal, event).await });
                refused.exchange = exchange.parse().ok();
                refused.leaf = sealing.await.ok().flatten().map(Box::new);
                refused.sealed = true;
                Err(Stop::Refused(refused))
            }
            (read, _) => read,
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(event), Ok(runtime)) = (self.event.take(), Handle::try_current()) {
            let journal = self.journal.clone();
            self.tasks
                .spawn_on(async move { drop(seal(&journal, event).await) }, &runtime);
        }
    }
}

async fn seal(journal: &Journal, event: AbortedEvent) -> Option<Sealed> {
    let exchange = event.x.clone();
    journal.abort(event).await.unwrap_or_else(|_| {
        tracing::warn!(exchange.id = %exchange, "that an upload broke off could not be sealed");
        None
    })
}
