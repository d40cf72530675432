//! An acknowledgement: the receiver of an extract says what became of it, and cannot deny it later.
//!
//! Takes a signed document; gives the sealed `receipt-ack` leaf. Refuses an unsigned one, one about another partner's exchange or about
//! none that was released, and one that names another leaf or other bytes than were released. Once the evidence record is destroyed there are no
//! bytes to compare with: `deleted` is still taken, `complete` and `damaged` are refused.

use serde::Deserialize;
use shuguan_ledger::leaf::{Digest, Event, ReceiptAckEvent, Reference};
use shuguan_ledger::tree::leaf_hash;
use uuid::Uuid;

use super::admit::idempotency_key;
use super::inflight::InFlight;
use super::seal::unavailable;
use super::signing::{commit_request, nonce};
use super::{Fault, Refused, Stations, Stop};
use crate::edge::Peer;
use crate::journal::{Entry, Evidence, Idempotency, Outcome, Sealed};
use crate::pki::hex;
use crate::refusal::Refusal;
use crate::signature::{Message, digest, profile};

/// An acknowledgement as it came.
#[derive(Clone, Copy, Debug)]
pub struct AckHead<'a> {
    /// Exchange id out of the path.
    pub exchange: &'a str,
    /// Method, target and headers.
    pub message: Message<'a>,
    /// The body.
    pub body: &'a [u8],
}

/// What the receiver says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    exchange: Uuid,
    /// Leaf hash, hexadecimal.
    leaf: String,
    /// `sha-256=:…:` of what was received.
    repr_digest: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// All of it is there and has its digest.
    Complete,
    /// It is not what was released; the digest is of what came.
    Damaged,
    /// It was deleted, as the agreement asks.
    Deleted,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Damaged => "damaged",
            Self::Deleted => "deleted",
        }
    }
}

/// Seals an acknowledgement.
///
/// # Errors
/// A refusal, or a journal that cannot commit.
pub async fn acknowledge(stations: &Stations, peer: &Peer, head: &AckHead<'_>) -> Result<Sealed, Stop> {
    let exchange: Uuid = head.exchange.parse().map_err(|_| Refusal::NotFound)?;
    // Before anything is read: what is asked too often costs no look-up.
    let _permit = stations.admission.admit(&peer.partner().id)?;
    let released = released(stations, peer, exchange).await?;
    let found = digest::sha256(head.body);
    if digest::stated(head.message.headers).is_some_and(|stated| stated != Some(found)) {
        return Err(Refusal::BadDigest.into());
    }
    let now_us = stations.clock.now_us();
    let signed = stations.signing.judge(&profile::ACK, &head.message, peer, now_us)?;
    // Unsigned it would prove nothing, whatever the configuration asks of other requests.
    let signed = signed.ok_or(Refusal::SignatureRequired)?;
    let document = read(head.body)?;
    released.compare(&document, exchange)?;
    let key = idempotency_key(head.message.headers).ok_or(Refusal::BadIdempotencyKey)?;
    let tag = stations.tags.idempotency(&peer.partner().id, key);
    let _in_flight =
        InFlight::begin(&stations.in_flight, tag).ok_or_else(|| Refused::new(Refusal::KeyInFlight).retry_after(1))?;
    let mut evidence = Evidence::fresh().map_err(Fault::from_error("make an evidence record"))?;
    let event = ReceiptAckEvent {
        x: exchange.to_string(),
        of: released.leaf,
        verdict: document.verdict.name().into(),
        req: commit_request(&mut evidence, &found, Some(&signed)),
    };
    let mut entry = Entry::new(exchange, Event::ReceiptAck(event));
    entry.partner = Some(peer.partner().id.clone());
    entry.idempotency = Some(Idempotency {
        tag,
        content: stations.tags.content(&found, head.exchange, "ack", "", ""),
    });
    entry.nonce = Some(nonce(&stations.tags, &signed, &tag));
    entry.evidence = Some(evidence);
    match stations.journal.seal(entry).await.map_err(unavailable)? {
        Outcome::Sealed(sealed) | Outcome::Repeated(sealed) => Ok(sealed),
        Outcome::KeyReused => Err(Refusal::KeyReused.into()),
        Outcome::Replayed => Err(Refusal::Replayed.into()),
    }
}

fn read(body: &[u8]) -> Result<Document, Stop> {
    // serde's message would echo what was sent, so it stays here.
    serde_json::from_slice(body).map_err(|_| {
        let members = "members are exchange, leaf, repr_digest, verdict (complete, damaged, deleted)";
        Refused::new(Refusal::BadRequest).detail(members).into()
    })
}

/// What the log says was released to this partner.
struct Released {
    leaf: Reference,
    /// SHA-256 of the content, hexadecimal, out of the evidence record; none when that was destroyed.
    digest: Option<String>,
}

async fn released(stations: &Stations, peer: &Peer, exchange: Uuid) -> Result<Released, Stop> {
    let view = stations.journal.exchange(exchange).await;
    let view = view
        .map_err(Fault::from_error("read an exchange"))?
        .ok_or(Refusal::NotFound)?;
    let (Event::Pull(_), Some(partner)) = (&view.leaf.event, view.leaf.event.partner()) else {
        return Err(Refusal::NotFound.into());
    };
    if partner != peer.partner().id {
        return Err(Refusal::NotFound.into());
    }
    let bytes = view.leaf.encode().map_err(Fault::from_error("write a leaf"))?;
    let record = stations.journal.evidence(exchange).await;
    let record = record.map_err(Fault::from_error("read an evidence record"))?;
    let record: serde_json::Value = serde_json::from_slice(&record.unwrap_or_default()).unwrap_or_default();
    Ok(Released {
        leaf: Reference {
            i: view.index,
            h: Digest(leaf_hash(&bytes)),
        },
        digest: record
            .get("content")
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned),
    })
}

impl Released {
    fn compare(&self, document: &Document, exchange: Uuid) -> Result<(), Stop> {
        let other = |what: &str| Err(Refused::new(Refusal::AckMismatch).detail(what).into());
        if document.exchange != exchange {
            return other("`exchange` is not the exchange of the address");
        }
        if document.leaf != hex(&self.leaf.h.0) {
            return other("`leaf` is not the hash of the leaf that this extract has");
        }
        let Some(stated) = digest::read(&document.repr_digest) else {
            return other("`repr_digest` is not `sha-256=:BASE64:`");
        };
        let same = self.digest.as_ref().map(|released| *released == hex(&stated));
        match (document.verdict, same) {
            // Of a deletion exchange and leaf say which extract it was, as its manifest demands, also when what was released is known no more.
            (Verdict::Complete, Some(true))
            | (Verdict::Deleted, Some(true) | None)
            | (Verdict::Damaged, Some(false)) => Ok(()),
            (Verdict::Complete | Verdict::Deleted, Some(false)) | (Verdict::Damaged, Some(true)) => {
                other("`repr_digest` and `verdict` do not fit what was released")
            }
            // Either would be sealed unproved.
            (Verdict::Complete | Verdict::Damaged, None) => Err(Refusal::EvidenceGone.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use shuguan_ledger::leaf::{Digest, Reference};
    use uuid::Uuid;

    use super::{Document, Released, Verdict};
    use crate::exchange::Stop;
    use crate::pki::hex;
    use crate::refusal::Refusal;

    const HASH: [u8; 32] = [1; 32];
    const CONTENT: [u8; 32] = [2; 32];

    fn judged(known: bool, verdict: Verdict, digest: [u8; 32], leaf: [u8; 32]) -> Option<Refusal> {
        let released = Released {
            leaf: Reference { i: 9, h: Digest(HASH) },
            digest: known.then(|| hex(&CONTENT)),
        };
        let document = Document {
            exchange: Uuid::nil(),
            leaf: hex(&leaf),
            repr_digest: format!("sha-256=:{}:", BASE64.encode(digest)),
            verdict,
        };
        match released.compare(&document, Uuid::nil()) {
            Ok(()) => None,
            Err(Stop::Refused(refused)) => Some(refused.refusal),
            Err(Stop::Fault(_)) => Some(Refusal::JournalUnavailable),
        }
    }

    #[test]
    fn without_a_digest_to_compare_with_only_a_deletion_is_attested() {
        let mismatch = Some(Refusal::AckMismatch);
        let gone = Some(Refusal::EvidenceGone);
        for (verdict, same, other, destroyed) in [
            (Verdict::Complete, None, mismatch, gone),
            (Verdict::Deleted, None, mismatch, None),
            (Verdict::Damaged, mismatch, None, gone),
        ] {
            assert_eq!(judged(true, verdict, CONTENT, HASH), same, "{verdict:?}");
            assert_eq!(judged(true, verdict, [3; 32], HASH), other, "{verdict:?}");
            for digest in [CONTENT, [3; 32]] {
                assert_eq!(judged(false, verdict, digest, HASH), destroyed, "{verdict:?}");
                // Whatever is destroyed, another leaf is another extract.
                assert_eq!(judged(false, verdict, digest, [4; 32]), mismatch, "{verdict:?}");
            }
        }
    }
}
