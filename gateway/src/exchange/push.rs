//! One push, from admission to the answer: a straight line, one call a station.
//!
//! Takes an identified peer, the head of its request and the body as it arrives; gives an [`Answer`] that is durable (C3). Whatever stops
//! it is sealed by the caller of this function, so that no path leaves without a leaf.

use std::sync::Arc;

use bytes::Bytes;

use super::admit::{self, Admitted, PushHead};
use super::answer::{self, Answer};
use super::attended::Attended;
use super::batch::Batch;
use super::release::{Release, Released};
use super::{Stations, Stop, repeat, seal, upload};
use crate::edge::Peer;
use crate::edge::deadline::BodyStop;

/// Takes one batch: `peer → admit → decode → release → seal → answer`; a repeat that is recognised goes from `admit` to `answer`.
///
/// Nothing of the body is held but the part being decoded (at most 8,192 rows) and the one before it; a part leaves for the encrypted payload
/// as soon as the plan was applied to it, on another thread when it is large. A crash before `seal` leaves an orphaned payload file, which the
/// next start removes; a crash after it leaves an exchange whose answer the sender gets by repeating its key. Who hangs up ends what
/// waits for him, the body, and nothing else: what came whole is decoded and sealed, at its pace and with its charges, whoever still waits.
///
/// # Errors
/// A refusal, or a fault of ours. In both cases nothing was accepted.
pub async fn push<B>(
    stations: &Stations,
    peer: Arc<Peer>,
    head: &PushHead,
    mut body: Attended<B>,
) -> Result<Answer, Stop>
where
    B: http_body::Body<Data = Bytes, Error = BodyStop> + Unpin,
{
    let admitted = admit::push(stations, Arc::clone(&peer), head)?;
    if let Some(sealed) = repeat::known(stations, &peer, head, &admitted, &mut body).await? {
        return answer::push(sealed);
    }
    let read = read(stations, &peer, head, &admitted, body).await;
    let sealed = match upload::ended(stations, &admitted, read).await? {
        Read::Released(released) => seal::push(stations, admitted, *released).await?,
        Read::Hashed(digest) => repeat::hashed(stations, &admitted, &digest).await?,
    };
    answer::push(sealed)
}

/// A body that was read to its end.
enum Read {
    /// As a batch that may be sealed.
    Released(Box<Released>),
    /// For its digest alone: its key was answered before, and the inbox has no room for it.
    Hashed([u8; 32]),
}

/// `decode → release`, until the body has ended and everything of it may be sealed. What it writes counts against the inbox as it is written.
async fn read<B>(
    stations: &Stations,
    peer: &Peer,
    head: &PushHead,
    admitted: &Admitted,
    body: Attended<B>,
) -> Result<Read, Stop>
where
    B: http_body::Body<Data = Bytes, Error = BodyStop> + Unpin,
{
    admit::may_enter(stations, admitted).await?;
    let mut batch = Batch::open(stations, admitted, body);
    let mut release = Release::open(stations, admitted)?;
    while let Some(part) = batch.next_part().await? {
        // Of one who may not go on no more is read than the part at hand.
        head.gatekeeper.recheck(peer)?;
        release = release.part(part).await?;
        if !release.has_room() {
            // Gone from the disk before more of it is read.
            drop(release);
            admit::has_no_room(stations, admitted).await?;
            let digest = batch.skim().await?;
            head.gatekeeper.recheck(peer)?;
            return Ok(Read::Hashed(digest));
        }
    }
    let received = batch.close()?;
    received.owed.pay(&admitted.permit).await;
    // An upload can outlive its sender's certificate and its grant.
    head.gatekeeper.recheck(peer)?;
    admit::still_granted(stations, admitted)?;
    Ok(Read::Released(Box::new(release.close(received).await?)))
}
