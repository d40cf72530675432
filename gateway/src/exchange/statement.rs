//! What a partner states about an exchange that the log holds: an acknowledgement, a recall, an answer to a ticket.
//!
//! Takes the head and body of a statement; gives its document once digest and signature were judged, and then an entry that carries its key, its
//! nonce and the commitment to what was asked. Which exchange it may be about, what the document may say and which leaf follows is for `ack`, `recall` and `ticket`.
//! Refuses a digest that does not fit, a signature that does not hold, a document that is none, and a key that is missing or in flight.

use serde::de::DeserializeOwned;
use shuguan_ledger::leaf::{Commitment, Digest, Event, Reference};
use shuguan_ledger::tree::leaf_hash;
use uuid::Uuid;

use super::admit::idempotency_key;
use super::inflight::InFlight;
use super::signing::{commit_request, nonce};
use super::{Fault, Refused, Stations, Stop};
use crate::edge::Peer;
use crate::journal::{Entry, Evidence, ExchangeView, Idempotency, Outcome, Sealed};
use crate::refusal::Refusal;
use crate::sha256;
use crate::signature::{Message, Profile, Signed, digest};

/// A statement as it came.
#[derive(Clone, Copy, Debug)]
pub struct StatementHead<'a> {
    /// Id of the exchange that it is about, out of the path.
    pub about: &'a str,
    /// Method, target and headers.
    pub message: Message<'a>,
    /// The body.
    pub body: &'a [u8],
}

/// A statement whose digest and signature were judged.
pub(super) struct Statement<'s> {
    stations: &'s Stations,
    peer: &'s Peer,
    head: &'s StatementHead<'s>,
    body: [u8; 32],
    pub(super) signed: Option<Signed>,
}

impl<'s> Statement<'s> {
    /// Judges digest and signature.
    pub(super) fn judged(
        stations: &'s Stations,
        peer: &'s Peer,
        head: &'s StatementHead<'s>,
        profile: &Profile,
    ) -> Result<Self, Stop> {
        let body = sha256::of(head.body);
        if digest::stated(head.message.headers).is_some_and(|stated| stated != Some(body)) {
            return Err(Refusal::BadDigest.into());
        }
        let signed = stations
            .signing
            .judge(profile, &head.message, peer, stations.wall.now_us())?;
        Ok(Self {
            stations,
            peer,
            head,
            body,
            signed,
        })
    }

    /// What it says; `members` tells a sender what a document has.
    pub(super) fn document<T: DeserializeOwned>(&self, members: &str) -> Result<T, Stop> {
        // serde's message would echo what was sent, so it stays here.
        let read = serde_json::from_slice(self.head.body);
        read.map_err(|_| Refused::new(Refusal::BadRequest).detail(members).into())
    }

    /// Takes its key, which nobody else holds at the same time; `kind` keeps the keys of different statements apart.
    pub(super) fn keyed(self, kind: &'static str) -> Result<Keyed<'s>, Stop> {
        let key = idempotency_key(self.head.message.headers).ok_or(Refusal::BadIdempotencyKey)?;
        let tag = self.stations.tags.idempotency(&self.peer.partner().id, key);
        let in_flight = InFlight::begin(&self.stations.in_flight, tag);
        let in_flight = in_flight.ok_or_else(|| Refused::new(Refusal::KeyInFlight).retry_after(1))?;
        let mut evidence = Evidence::fresh().map_err(Fault::from_error("make an evidence record"))?;
        Ok(Keyed {
            req: commit_request(&self.stations.signing, &mut evidence, &self.body, self.signed.as_ref()),
            evidence,
            kind,
            tag,
            in_flight,
            statement: self,
        })
    }
}

/// A statement that holds its key.
pub(super) struct Keyed<'s> {
    statement: Statement<'s>,
    kind: &'static str,
    tag: [u8; 32],
    in_flight: InFlight,
    evidence: Evidence,
    /// Commitment to what was asked, member `req` of its leaf.
    pub(super) req: Commitment,
}

impl Keyed<'_> {
    /// The entry of its leaf, and the key, to be held until that is sealed.
    pub(super) fn entry(self, exchange: Uuid, event: Event) -> (Entry, InFlight) {
        let Statement {
            stations,
            peer,
            head,
            body,
            signed,
        } = self.statement;
        let mut entry = Entry::new(exchange, event);
        entry.partner = Some(peer.partner().id.clone());
        entry.idempotency = Some(Idempotency {
            tag: self.tag,
            content: stations.tags.content(&body, head.about, self.kind, "", ""),
        });
        entry.nonce = signed.map(|signed| nonce(&stations.tags, &signed, &self.tag));
        entry.evidence = Some(self.evidence);
        (entry, self.in_flight)
    }
}

/// Its leaf, the first one when the statement was repeated.
///
/// # Errors
/// A key or nonce that was used for something else.
pub(super) fn sealed(outcome: Outcome) -> Result<Sealed, Stop> {
    match outcome {
        Outcome::Sealed(sealed) | Outcome::Repeated(sealed) => Ok(sealed),
        Outcome::KeyReused => Err(Refusal::KeyReused.into()),
        Outcome::Replayed => Err(Refusal::Replayed.into()),
    }
}

/// The exchange that is written in a path. What is no id and what no exchange has look the same.
pub(super) async fn about(stations: &Stations, head: &StatementHead<'_>) -> Result<ExchangeView, Stop> {
    let id: Uuid = head.about.parse().map_err(|_| Refusal::NotFound)?;
    exchange(stations, id).await
}

/// The exchange of that id.
pub(super) async fn exchange(stations: &Stations, id: Uuid) -> Result<ExchangeView, Stop> {
    let view = stations.journal.exchange(id).await;
    let view = view.map_err(Fault::from_error("read an exchange"))?;
    Ok(view.ok_or(Refusal::NotFound)?)
}

/// The first leaf of an exchange, as later leaves refer to it.
pub(super) fn reference(view: &ExchangeView) -> Result<Reference, Stop> {
    let bytes = view.leaf.encode().map_err(Fault::from_error("write a leaf"))?;
    Ok(Reference {
        i: view.index,
        h: Digest(leaf_hash(&bytes)),
    })
}
