//! Bodies that end: a size limit, a longest silence and a lowest rate.
//!
//! Takes the body as hyper gives it; gives the same frames. Stops with [`BodyStop`] when it grows past its limit, says nothing for too
//! long, or drips. The clock runs only while we wait for the sender; while we pause the reading ourselves (design 10.5) it stands. Answers have
//! the same lowest rate (`connection.rs`).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Version, header};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// Why a body did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyStop {
    /// More bytes than the limit.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// Silent for too long, or below the lowest rate.
    #[error("the body came too slowly")]
    TooSlow,
    /// The connection broke, or the framing did.
    #[error("the body ended early")]
    Incomplete,
}

/// Limits of one body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Most bytes.
    pub bytes_max: u64,
    /// Longest silence.
    pub idle: Duration,
    /// Lowest rate over [`RATE_WINDOW`] of waiting, bytes a second.
    pub rate_min: u32,
}

/// Over so much waiting the rate is judged.
const RATE_WINDOW: Duration = Duration::from_secs(30);

/// The lowest rate of one direction: bytes that came or went, and how long the other side let us wait for them.
#[derive(Debug)]
pub(super) struct RateWindow {
    rate_min: u32,
    waited: Duration,
    bytes: u64,
}

impl RateWindow {
    pub(super) fn new(rate_min: u32) -> Self {
        Self {
            rate_min,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// So many bytes more after so much waiting; whether that is fast enough.
    pub(super) fn moved(&mut self, waited: Duration, bytes: usize) -> bool {
        self.waited += waited;
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.waited < RATE_WINDOW {
            return true;
        }
        let least = u64::from(self.rate_min).saturating_mul(self.waited.as_secs());
        let enough = self.bytes >= least;
        self.waited = Duration::ZERO;
        self.bytes = 0;
        enough
    }
}

/// A body under limits.
#[derive(Debug)]
pub struct GuardedBody<B> {
    inner: B,
    limits: BodyLimits,
    /// Its end is said and not only met.
    ends_aloud: bool,
    seen: u64,
    /// Set while we wait for a frame: since when, and the alarm.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    window: RateWindow,
}

impl<B> GuardedBody<B> {
    /// Puts a body under limits.
    pub fn new(inner: B, limits: BodyLimits) -> Self {
        Self {
            inner,
            limits,
            ends_aloud: false,
            seen: 0,
            waiting: None,
            window: RateWindow::new(limits.rate_min),
        }
    }

    /// The same of a body that came by this version of HTTP. By HTTP/2 it ends with `END_STREAM`: a sender may also reset the stream and call that no error
    /// (RFC 9113, 7), which hyper gives as the end of the body.
    #[must_use]
    pub fn over(self, version: Version) -> Self {
        Self {
            ends_aloud: version == Version::HTTP_2,
            ..self
        }
    }

    fn arrived(&mut self, bytes: usize) -> Result<(), BodyStop> {
        self.seen = self.seen.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.seen > self.limits.bytes_max {
            return Err(BodyStop::TooLarge(self.limits.bytes_max));
        }
        let waited = self.waiting.take().map(|(since, _)| since.elapsed());
        if self.window.moved(waited.unwrap_or_default(), bytes) {
            Ok(())
        } else {
            Err(BodyStop::TooSlow)
        }
    }
}

impl<B> Body for GuardedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = BodyStop;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyStop>>> {
        // A length that was announced needs no reading.
        if self.seen.saturating_add(self.inner.size_hint().lower()) > self.limits.bytes_max {
            return Poll::Ready(Some(Err(BodyStop::TooLarge(self.limits.bytes_max))));
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if frame.trailers_ref().is_some_and(frames_again) {
                    return Poll::Ready(Some(Err(BodyStop::Incomplete)));
                }
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                Poll::Ready(Some(self.arrived(bytes).map(|()| frame)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(BodyStop::Incomplete))),
            Poll::Ready(None) if self.ends_aloud && !self.inner.is_end_stream() => {
                Poll::Ready(Some(Err(BodyStop::Incomplete)))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let idle = self.limits.idle;
                let (_, alarm) = self
                    .waiting
                    .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(idle))));
                match alarm.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(BodyStop::TooSlow))),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Trailers that speak of framing: the message could be read in two ways (RFC 9110, 6.5.1).
fn frames_again(trailers: &HeaderMap) -> bool {
    trailers.contains_key(header::CONTENT_LENGTH) || trailers.contains_key(header::TRANSFER_ENCODING)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    fn limits(bytes_max: u64) -> BodyLimits {
        BodyLimits {
            bytes_max,
            idle: Duration::from_secs(5),
            rate_min: 100,
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    }

    #[test]
    fn a_body_at_its_limit_passes_and_one_byte_more_does_not() {
        runtime().block_on(async {
            let body = GuardedBody::new(Full::new(Bytes::from_static(b"12345")), limits(5));
            assert_eq!(body.collect().await.unwrap().to_bytes().len(), 5);
            let body = GuardedBody::new(Full::new(Bytes::from_static(b"123456")), limits(5));
            assert_eq!(body.collect().await.unwrap_err(), BodyStop::TooLarge(5));
        });
    }

    fn frames(frames: Vec<Frame<Bytes>>) -> impl Body<Data = Bytes, Error = BodyStop> + Unpin {
        StreamBody::new(futures_util::stream::iter(frames.into_iter().map(Ok)))
    }

    #[test]
    fn a_body_that_announced_no_length_is_counted_as_it_comes() {
        let body = || frames(["123", "456"].map(|part| Frame::data(Bytes::from(part))).into());
        runtime().block_on(async {
            assert!(GuardedBody::new(body(), limits(6)).collect().await.is_ok());
            let stopped = GuardedBody::new(body(), limits(5)).collect().await.unwrap_err();
            assert_eq!(stopped, BodyStop::TooLarge(5));
        });
    }

    #[test]
    fn trailers_that_speak_of_framing_end_the_body() {
        let mut trailers = HeaderMap::new();
        trailers.insert(header::CONTENT_LENGTH, 4.into());
        let body = GuardedBody::new(frames(vec![Frame::trailers(trailers)]), limits(5));
        let stopped = runtime().block_on(body.collect()).unwrap_err();
        assert_eq!(stopped, BodyStop::Incomplete);
    }

    #[test]
    fn a_stream_of_http_2_that_was_reset_without_an_error_has_not_ended() {
        let reset = || GuardedBody::new(frames(vec![Frame::data(Bytes::from_static(b"123"))]), limits(5));
        let whole = || GuardedBody::new(Full::new(Bytes::from_static(b"123")), limits(5));
        runtime().block_on(async {
            let stopped = reset().over(Version::HTTP_2).collect().await.unwrap_err();
            assert_eq!(stopped, BodyStop::Incomplete);
            assert!(whole().over(Version::HTTP_2).collect().await.is_ok());
            // In chunks the end is met as often as not.
            assert!(reset().over(Version::HTTP_11).collect().await.is_ok());
        });
    }

    #[test]
    fn a_dripping_body_is_too_slow_and_only_waiting_counts() {
        for (bytes, waited, verdict) in [
            (2_999, RATE_WINDOW, Err(BodyStop::TooSlow)),
            (3_000, RATE_WINDOW, Ok(())),
            (1, RATE_WINDOW / 2, Ok(())),
        ] {
            let mut body = GuardedBody::new(Full::new(Bytes::new()), limits(1 << 20));
            body.window.waited = waited;
            assert_eq!(body.arrived(bytes), verdict, "{bytes} bytes in {waited:?}");
        }
    }

    #[test]
    fn a_silent_body_is_too_slow() {
        runtime().block_on(async {
            let silent = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BodyStop>>());
            let mut limits = limits(5);
            limits.idle = Duration::from_millis(20);
            let body = GuardedBody::new(Box::pin(silent), limits);
            assert_eq!(body.collect().await.unwrap_err(), BodyStop::TooSlow);
        });
    }
}
