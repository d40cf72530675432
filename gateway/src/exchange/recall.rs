//! A recall: a partner withdraws a batch that it pushed, before or after it is in the registry (design 10.10).
//!
//! Takes a document with the reason; gives the sealed `recall` leaf, with which the batch leaves the inbox. What it did in the registry is undone after
//! the leaf, by the relay. Refuses what is no push of this partner, which looks like what does not exist, and what was recalled before.

use serde::Deserialize;
use shuguan_ledger::leaf::{Digest, Event, RecallEvent, Reference};
use shuguan_ledger::tree::leaf_hash;
use uuid::Uuid;

use super::admit::idempotency_key;
use super::inflight::InFlight;
use super::seal::unavailable;
use super::signing::{commit_request, nonce};
use super::{Fault, Refused, Stations, Stop};
use crate::clock;
use crate::edge::Peer;
use crate::journal::{Entry, Evidence, Idempotency, Outcome, Sealed};
use crate::refusal::Refusal;
use crate::signature::{Message, digest, profile};

/// A recall as it came.
#[derive(Clone, Copy, Debug)]
pub struct RecallHead<'a> {
    /// Id of the exchange that is withdrawn, out of the path.
    pub push: &'a str,
    /// Method, target and headers.
    pub message: Message<'a>,
    /// The body.
    pub body: &'a [u8],
}

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
pub async fn recall(stations: &Stations, peer: &Peer, head: &RecallHead<'_>) -> Result<Sealed, Stop> {
    // Before anything is read: what is asked too often costs no look-up.
    let _permit = stations.admission.admit(&peer.partner().id)?;
    let pushed = pushed(stations, peer, head.push).await?;
    let found = digest::sha256(head.body);
    if digest::stated(head.message.headers).is_some_and(|stated| stated != Some(found)) {
        return Err(Refusal::BadDigest.into());
    }
    let now_us = stations.clock.now_us();
    let signed = stations.signing.judge(&profile::RECALL, &head.message, peer, now_us)?;
    let why = read(head.body)?.why;
    let key = idempotency_key(head.message.headers).ok_or(Refusal::BadIdempotencyKey)?;
    let tag = stations.tags.idempotency(&peer.partner().id, key);
    let _in_flight =
        InFlight::begin(&stations.in_flight, tag).ok_or_else(|| Refused::new(Refusal::KeyInFlight).retry_after(1))?;
    let mut evidence = Evidence::fresh().map_err(Fault::from_error("make an evidence record"))?;
    let exchange = clock::exchange_id(&stations.clock).map_err(|_| Fault::new("make an exchange id"))?;
    let event = RecallEvent {
        x: exchange.to_string(),
        p: peer.partner().id.clone(),
        rec: pushed.record,
        push: pushed.exchange.to_string(),
        of: pushed.leaf,
        why: why.code().into(),
        req: commit_request(&mut evidence, &found, signed.as_ref()),
    };
    let mut entry = Entry::new(exchange, Event::Recall(event));
    entry.partner = Some(peer.partner().id.clone());
    entry.idempotency = Some(Idempotency {
        tag,
        content: stations.tags.content(&found, head.push, "recall", "", ""),
    });
    entry.nonce = signed.as_ref().map(|signed| nonce(&stations.tags, signed, &tag));
    entry.evidence = Some(evidence);
    match stations.journal.recall(entry).await.map_err(unavailable)? {
        Some(Outcome::Sealed(sealed) | Outcome::Repeated(sealed)) => Ok(sealed),
        Some(Outcome::KeyReused) => Err(Refusal::KeyReused.into()),
        Some(Outcome::Replayed) => Err(Refusal::Replayed.into()),
        None => Err(Refusal::AlreadyRecalled.into()),
    }
}

fn read(body: &[u8]) -> Result<Document, Stop> {
    // serde's message would echo what was sent, so it stays here.
    serde_json::from_slice(body).map_err(|_| {
        let members = "the one member is why: wrong-batch, superseded or unusable";
        Refused::new(Refusal::BadRequest).detail(members).into()
    })
}

/// The push of this partner; what another pushed and what nobody did look the same.
async fn pushed(stations: &Stations, peer: &Peer, exchange: &str) -> Result<Pushed, Stop> {
    let exchange: Uuid = exchange.parse().map_err(|_| Refusal::NotFound)?;
    let view = stations.journal.exchange(exchange).await;
    let view = view
        .map_err(Fault::from_error("read an exchange"))?
        .ok_or(Refusal::NotFound)?;
    let Event::Push(push) = &view.leaf.event else {
        return Err(Refusal::NotFound.into());
    };
    if push.p != peer.partner().id {
        return Err(Refusal::NotFound.into());
    }
    let bytes = view.leaf.encode().map_err(Fault::from_error("write a leaf"))?;
    Ok(Pushed {
        exchange,
        record: push.rec.clone(),
        leaf: Reference {
            i: view.index,
            h: Digest(leaf_hash(&bytes)),
        },
    })
}
