//! A repeat, recognised before its body is decoded.
//!
//! Takes an admitted push whose `Content-Digest` was stated; gives the first answer's parts when its key was used with this content before. The
//! body is still read and hashed, because a stated digest is only a claim, but nothing is parsed, released or encrypted. Without a stated
//! digest, with a key that is not known, or where so little comes that asking costs more than decoding it, the push goes its usual way, and the sequencer
//! asks the same question in its transaction (C4); only where the inbox has no room left for what it would bring is the rest hashed, and the question asked
//! here.

use std::sync::Arc;

use bytes::Bytes;
use ring::digest::{Context, SHA256};

use super::admit::{self, Admitted, INBOX_RETRY_AFTER_S, PushHead};
use super::attended::Attended;
use super::batch::skim;
use super::seal::{self, SealedPush};
use super::{Fault, RefusalLeaf, Refused, Stations, Stop};
use crate::edge::Peer;
use crate::edge::deadline::BodyStop;
use crate::journal::{Known, Sealed, Seen};
use crate::refusal::Refusal;

/// A body that is announced with fewer bytes is not asked about: a look into the journal is a way to another thread and back, and most pushes are no repeats.
const ASKED_FROM_BYTES: u64 = 16 * 1024;

/// The first answer again, when this is a repeat.
///
/// # Errors
/// A nonce that came with another request; a key that was used with other content; a body that is not the one that its digest states; a 422 that sticks to the key.
pub async fn known<B>(
    stations: &Stations,
    peer: &Arc<Peer>,
    head: &PushHead,
    admitted: &Admitted,
    body: &mut Attended<B>,
) -> Result<Option<SealedPush>, Stop>
where
    B: http_body::Body<Data = Bytes, Error = BodyStop> + Unpin,
{
    let Some(stated) = admitted.digest.filter(|_| !is_small(admitted)) else {
        return Ok(None);
    };
    let Some((seen, sealed)) = first(stations, admitted, &stated).await? else {
        return Ok(None);
    };
    // That it is the stated one is all that is asked of it.
    let read = skim(admitted, body, (Context::new(&SHA256), 0)).await;
    read.map_err(broken_off)?;
    head.gatekeeper.recheck(peer)?;
    again(stations, admitted, seen, *sealed).await.map(Some)
}

/// About what is in the log nothing is said anew: a repeat that broke off has no leaf.
fn broken_off(stop: Stop) -> Stop {
    match stop {
        Stop::Refused(mut refused) if refused.refusal == Refusal::BodyIncomplete => {
            refused.leaf = RefusalLeaf::Waived;
            Stop::Refused(refused)
        }
        stop => stop,
    }
}

/// The first answer again, of a push whose body was read and hashed.
///
/// # Errors
/// As of [`known`]; [`Refusal::InboxFull`] when the key was forgotten meanwhile.
pub async fn hashed(stations: &Stations, admitted: &Admitted, digest: &[u8; 32]) -> Result<SealedPush, Stop> {
    match first(stations, admitted, digest).await? {
        Some((seen, sealed)) => again(stations, admitted, seen, *sealed).await,
        None => Err(Refused::new(Refusal::InboxFull).retry_after(INBOX_RETRY_AFTER_S).into()),
    }
}

/// Whether decoding costs less than asking: what is compressed, or has compressed things in it, may hold anything.
fn is_small(admitted: &Admitted) -> bool {
    let is_short = admitted.content_length.is_some_and(|length| length < ASKED_FROM_BYTES);
    is_short && admitted.coding.is_none() && admitted.layout.is_by_line()
}

/// What was sealed under the key with this content, and whether the nonce was seen.
async fn first(
    stations: &Stations,
    admitted: &Admitted,
    digest: &[u8; 32],
) -> Result<Option<(Seen, Box<Sealed>)>, Stop> {
    let idempotency = seal::idempotency(stations, admitted, digest);
    let before = stations
        .journal
        .before(idempotency.tag, idempotency.content, admitted.nonce);
    let (seen, known) = before.await.map_err(Fault::from_error("look for an idempotency key"))?;
    if seen == Seen::Elsewhere {
        return Err(Refusal::Replayed.into());
    }
    match known {
        None => Ok(None),
        Some(Known::KeyReused) => Err(Refusal::KeyReused.into()),
        Some(Known::Repeated(sealed)) => Ok(Some((seen, sealed))),
    }
}

async fn again(stations: &Stations, admitted: &Admitted, seen: Seen, sealed: Sealed) -> Result<SealedPush, Stop> {
    admit::still_granted(stations, admitted)?;
    // Signed anew: this nonce stands in no sealed entry, and must not serve for another request.
    if let (Some(nonce), Seen::Never) = (admitted.nonce, seen)
        && !stations.journal.remember(nonce).await.map_err(seal::unavailable)?
    {
        return Err(Refusal::Replayed.into());
    }
    seal::told_again(stations, sealed, admitted.standing()).await
}
