//! An acknowledgement: the receiver of an extract says what became of it, and cannot deny it later.
//!
//! Takes a signed document; gives the sealed `receipt-ack` leaf. Refuses an unsigned one, one about another partner's exchange or about
//! none that was released, and one that names another leaf or other bytes than were released. Once the evidence record is destroyed there are no
//! bytes to compare with: `deleted` is still taken, `complete` and `damaged` are refused.

use serde::Deserialize;
use shuguan_ledger::leaf::{Event, ReceiptAckEvent, Reference};
use uuid::Uuid;

use super::seal::unavailable;
use super::statement::{self, Statement, StatementHead};
use super::{Fault, Refused, Stations, Stop};
use crate::edge::Peer;
use crate::journal::Sealed;
use crate::pki::hex;
use crate::refusal::Refusal;
use crate::signature::{digest, profile};

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
pub async fn acknowledge(stations: &Stations, peer: &Peer, head: &StatementHead<'_>) -> Result<Sealed, Stop> {
    // Before anything is read: what is asked too often costs no look-up.
    let _permit = stations.admission.admit(&peer.partner().id)?;
    let released = released(stations, peer, head).await?;
    let statement = Statement::judged(stations, peer, head, &profile::ACK)?;
    if statement.signed.is_none() {
        // Unsigned it would prove nothing, whatever the configuration asks of other requests.
        return Err(Refusal::SignatureRequired.into());
    }
    let members = "members are exchange, leaf, repr_digest, verdict (complete, damaged, deleted)";
    let document: Document = statement.document(members)?;
    released.compare(&document)?;
    let keyed = statement.keyed("ack")?;
    let event = ReceiptAckEvent {
        x: released.exchange.to_string(),
        of: released.leaf,
        verdict: document.verdict.name().into(),
        req: keyed.req,
    };
    let (entry, _in_flight) = keyed.entry(released.exchange, Event::ReceiptAck(event));
    statement::sealed(stations.journal.seal(entry).await.map_err(unavailable)?)
}

/// What the log says was released to this partner.
struct Released {
    exchange: Uuid,
    leaf: Reference,
    /// SHA-256 of the content, hexadecimal, out of the evidence record; none when that was destroyed.
    digest: Option<String>,
}

async fn released(stations: &Stations, peer: &Peer, head: &StatementHead<'_>) -> Result<Released, Stop> {
    let view = statement::about(stations, head).await?;
    let (Event::Pull(_), Some(partner)) = (&view.leaf.event, view.leaf.event.partner()) else {
        return Err(Refusal::NotFound.into());
    };
    if partner != peer.partner().id {
        return Err(Refusal::NotFound.into());
    }
    let record = stations.journal.evidence(view.exchange).await;
    let record = record.map_err(Fault::from_error("read an evidence record"))?;
    let record: serde_json::Value = serde_json::from_slice(&record.unwrap_or_default()).unwrap_or_default();
    Ok(Released {
        exchange: view.exchange,
        leaf: statement::reference(&view)?,
        digest: record
            .get("content")
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned),
    })
}

impl Released {
    fn compare(&self, document: &Document) -> Result<(), Stop> {
        let other = |what: &str| Err(Refused::new(Refusal::AckMismatch).detail(what).into());
        if document.exchange != self.exchange {
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
            exchange: Uuid::nil(),
            leaf: Reference { i: 9, h: Digest(HASH) },
            digest: known.then(|| hex(&CONTENT)),
        };
        let document = Document {
            exchange: Uuid::nil(),
            leaf: hex(&leaf),
            repr_digest: format!("sha-256=:{}:", BASE64.encode(digest)),
            verdict,
        };
        match released.compare(&document) {
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
