//! A body that knows whether its sender is still there.
//!
//! Takes the body of a push; gives the same frames. Stops with [`BodyStop::Incomplete`] when its sender has gone and nothing more of it is there to be read: a
//! connection's end need not be an error of the body. Who has gone is paced no more, since whether his batch came whole only the body tells; what he did not wait
//! for he owes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use crate::edge::deadline::BodyStop;
use crate::limits::Permit;

/// A body with its sender.
#[derive(Debug)]
pub struct Attended<B> {
    body: B,
    gone: CancellationToken,
    /// Wakes whoever waits for a frame.
    leaving: Pin<Box<WaitForCancellationFutureOwned>>,
    owed: Unpaced,
}

/// What was read of a sender who was gone, and not waited for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unpaced {
    rows: u64,
    bytes: u64,
}

impl<B> Attended<B> {
    /// The guard stands for the sender: when it is dropped, he has gone.
    pub fn new(body: B) -> (Self, DropGuard) {
        let gone = CancellationToken::new();
        let leaving = Box::pin(gone.clone().cancelled_owned());
        let sender = gone.clone().drop_guard();
        let attended = Self {
            body,
            gone,
            leaving,
            owed: Unpaced::default(),
        };
        (attended, sender)
    }

    /// Waits until so many rows more may come.
    pub(super) async fn pace_rows(&mut self, permit: &Permit, rows: u64) {
        tokio::select! {
            biased;
            () = permit.pace_rows(rows) => {}
            () = self.gone.cancelled() => self.owed.rows += rows,
        }
    }

    /// The same of bytes as they came.
    pub(super) async fn pace_bytes(&mut self, permit: &Permit, bytes: u64) {
        tokio::select! {
            biased;
            () = permit.pace_bytes(bytes) => {}
            () = self.gone.cancelled() => self.owed.bytes += bytes,
        }
    }

    /// What was not waited for.
    pub(super) fn owed(&self) -> Unpaced {
        self.owed
    }
}

impl Unpaced {
    /// Waits for it: nobody is faster for hanging up behind a whole batch.
    pub(super) async fn pay(self, permit: &Permit) {
        permit.pace_bytes(self.bytes).await;
        permit.pace_rows(self.rows).await;
    }
}

impl<B> Body for Attended<B>
where
    B: Body<Data = Bytes, Error = BodyStop> + Unpin,
{
    type Data = Bytes;
    type Error = BodyStop;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyStop>>> {
        // What is there is read, whoever is.
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        self.leaving.as_mut().poll(cx).map(|()| Some(Err(BodyStop::Incomplete)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    fn whole() -> impl Body<Data = Bytes, Error = BodyStop> + Unpin {
        Full::new(Bytes::from_static(b"123")).map_err(|never| match never {})
    }

    #[tokio::test]
    async fn what_came_whole_is_read_though_its_sender_has_gone() {
        let (body, sender) = Attended::new(whole());
        drop(sender);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "123");
    }

    #[tokio::test]
    async fn a_body_that_is_waited_for_ends_when_its_sender_goes() {
        let silent = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BodyStop>>());
        let (mut body, sender) = Attended::new(silent);
        let (stopped, ()) = tokio::join!(body.frame(), async { drop(sender) });
        assert_eq!(stopped.unwrap().unwrap_err(), BodyStop::Incomplete);
        assert_eq!(body.frame().await.unwrap().unwrap_err(), BodyStop::Incomplete);
    }
}
