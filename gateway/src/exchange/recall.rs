//! A recall: a partner withdraws a batch that it pushed, before or after it is in the registry (design 10.10).
//!
//! Takes a document with the reason; gives the sealed `recall` leaf, with which the batch leaves the inbox. What it did in the registry is undone after
//! the leaf, by the relay. Refuses what is no push of this partner, which looks like what does not exist, and what was recalled before.

use serde::Deserialize;
use shuguan_ledger::leaf::{Event, RecallEvent, Reference};
use uuid::Uuid;

use super::seal::unavailable;
use super::statement::{self, Statement, StatementHead};
use super::{Fault, Stations, Stop};
use crate::clock;
use crate::edge::Peer;
use crate::journal::Sealed;
use crate::refusal::Refusal;
use crate::signature::profile;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    why: Why,
}

/// Why a batch is withdrawn or given up: a closed list, because the log holds no free text (design 10.7).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Its partner sent the wrong one.
    WrongBatch,
    /// A newer one holds what it held.
    Superseded,
    /// Nobody can use it, or the registry will never take it.
    Unusable,
}

impl Why {
    /// As it stands in leaves.
    pub fn code(self) -> &'static str {
        match self {
            Self::WrongBatch => "wrong-batch",
            Self::Superseded => "superseded",
            Self::Unusable => "unusable",
        }
    }
}

/// The push that is withdrawn.
struct Pushed {
    exchange: Uuid,
    record: String,
    leaf: Reference,
}

/// Seals a recall.
///
/// # Errors
/// A refusal, or a journal that cannot commit.
pub async fn recall(stations: &Stations, peer: &Peer, head: &StatementHead<'_>) -> Result<Sealed, Stop> {
    // Before anything is read: what is asked too often costs no look-up.
    let _permit = stations.admission.admit(&peer.partner().id)?;
    let pushed = pushed(stations, peer, head).await?;
    let statement = Statement::judged(stations, peer, head, &profile::RECALL)?;
    let document: Document = statement.document("the one member is why: wrong-batch, superseded or unusable")?;
    let keyed = statement.keyed("recall")?;
    let exchange = clock::exchange_id(&stations.clock).map_err(|_| Fault::new("make an exchange id"))?;
    let event = RecallEvent {
        x: exchange.to_string(),
        p: peer.partner().id.clone(),
        rec: pushed.record,
        push: pushed.exchange.to_string(),
        of: pushed.leaf,
        why: document.why.code().into(),
        req: keyed.req,
    };
    let (entry, _in_flight) = keyed.entry(exchange, Event::Recall(event));
    let outcome = stations.journal.recall(entry).await.map_err(unavailable)?;
    statement::sealed(outcome.ok_or(Refusal::AlreadyRecalled)?)
}

/// The push of this partner; what another pushed and what nobody did look the same.
async fn pushed(stations: &Stations, peer: &Peer, head: &StatementHead<'_>) -> Result<Pushed, Stop> {
    let view = statement::about(stations, head).await?;
    match &view.leaf.event {
        Event::Push(push) if push.p == peer.partner().id => Ok(Pushed {
            exchange: view.exchange,
            leaf: statement::reference(&view)?,
            record: push.rec.clone(),
        }),
        _ => Err(Refusal::NotFound.into()),
    }
}
