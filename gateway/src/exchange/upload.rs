//! An upload that breaks off: the sender is gone, nobody is told, and the log says so (C5).
//!
//! Takes an admitted push while its body is read; gives back what came of it. A body that ends before its end, and a connection that is over while the batch
//! is read, become an `aborted` leaf, unless it states itself to be the repeat of what is in the log: about that nothing is said anew. It stands down before the batch is sealed: from there on the exchange has its own leaf, whoever still listens.

use shuguan_ledger::leaf::{AbortedEvent, Digest};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::admit::Admitted;
use super::{Stations, Stop, seal};
use crate::journal::{Idempotency, Journal, Known, Sealed};
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
    /// Its key with the content that it states.
    stated: Option<Idempotency>,
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
            stated: admitted
                .digest
                .map(|digest| seal::idempotency(stations, admitted, &digest)),
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
                let (journal, stated, exchange) = (self.journal.clone(), self.stated, event.x.clone());
                let noting = self.tasks.spawn(async move { note(&journal, stated, event).await });
                refused.leaf = noting.await.ok().flatten().map(Box::new);
                refused.exchange = exchange.parse().ok();
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
            let (journal, stated) = (self.journal.clone(), self.stated);
            self.tasks
                .spawn_on(async move { drop(note(&journal, stated, event).await) }, &runtime);
        }
    }
}

/// The leaf of an upload that broke off; none of a repeat, where there were too many like it, and when the journal cannot commit.
async fn note(journal: &Journal, stated: Option<Idempotency>, event: AbortedEvent) -> Option<Sealed> {
    if let Some(Idempotency { tag, content }) = stated
        && matches!(journal.idempotent(tag, content).await, Ok(Some(Known::Repeated(_))))
    {
        return None;
    }
    let exchange = event.x.clone();
    journal.abort(event).await.unwrap_or_else(|_| {
        tracing::warn!(exchange.id = %exchange, "that an upload broke off could not be sealed");
        None
    })
}
