//! An upload that breaks off: the sender is gone, nobody is told, and the log says so (C5).
//!
//! Takes an admitted push while its body is read; gives back what came of it. A body that ends before its end, and a connection that is over while the batch
//! is read, become an `aborted` leaf, unless the key was answered before: about what is in the log nothing is said anew. It stands down before the batch is sealed: from there on the exchange has its own leaf, whoever still listens.

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
    /// Tag of its key.
    key: [u8; 32],
    /// Taken when it ended.
    event: Option<AbortedEvent>,
}

/// What the log says of an upload that broke off.
enum Noted {
    Leaf(Box<Sealed>),
    /// Nothing: there were too many like it, or the journal cannot commit.
    Nothing,
    /// What it was the repeat of.
    Repeat,
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
            key: admitted.in_flight.tag(),
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
                let (journal, key, exchange) = (self.journal.clone(), self.key, event.x.clone());
                let sealing = self.tasks.spawn(async move { note(&journal, key, event).await });
                refused.leaf = match sealing.await {
                    Ok(Noted::Repeat) => return Err(Stop::Refused(refused)),
                    Ok(Noted::Leaf(leaf)) => Some(leaf),
                    Ok(Noted::Nothing) | Err(_) => None,
                };
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
            let (journal, key) = (self.journal.clone(), self.key);
            self.tasks
                .spawn_on(async move { drop(note(&journal, key, event).await) }, &runtime);
        }
    }
}

async fn note(journal: &Journal, key: [u8; 32], event: AbortedEvent) -> Noted {
    if matches!(journal.idempotent(key, [0; 32]).await, Ok(Some(_))) {
        return Noted::Repeat;
    }
    let exchange = event.x.clone();
    match journal.abort(event).await {
        Ok(Some(leaf)) => Noted::Leaf(Box::new(leaf)),
        Ok(None) => Noted::Nothing,
        Err(_) => {
            tracing::warn!(exchange.id = %exchange, "that an upload broke off could not be sealed");
            Noted::Nothing
        }
    }
}
