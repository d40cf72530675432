//! One connection after its handshake: who it is, its requests, its deadlines, its end.
//!
//! Takes a TLS stream; gives each request to the router with its [`Caller`]. Closes what is silent, idle, stuck or too old: hyper's own
//! slow-client defaults do nothing without a timer, and its `auto` builder never times out before the first bytes, so the protocol is
//! chosen here by the name that TLS negotiated.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::caller::Caller;
use super::deadline::RateWindow;
use super::framing::{self, WireFault};
use super::listen::{Edge, ListenSettings};
use super::wire::Wire;

/// What a connection's deadlines are judged by.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    spoke: AtomicBool,
    in_flight: AtomicUsize,
    /// Of those, the answers that are being sent.
    sending: AtomicUsize,
    /// Answers that offer more than was taken: their numbers, and milliseconds after `began` since when nobody has asked for the next piece.
    offered: Mutex<HashMap<u64, u64>>,
    /// The number of the next answer.
    answers: AtomicU64,
    /// Milliseconds after `began` when a request last began, ended, or gave a piece of its answer.
    moved_ms: AtomicU64,
    /// Milliseconds after `began` since when a head is unfinished; 0 for none.
    head_since_ms: AtomicU64,
    /// Faults of the heads that hyper has not turned into requests yet, in order.
    heads: Mutex<VecDeque<Option<&'static str>>>,
    /// Set when its caller may no longer pass.
    evicted: AtomicBool,
}

impl Activity {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            spoke: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            offered: Mutex::default(),
            answers: AtomicU64::new(0),
            moved_ms: AtomicU64::new(0),
            head_since_ms: AtomicU64::new(0),
            heads: Mutex::default(),
            evicted: AtomicBool::new(false),
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn moved(&self) {
        self.moved_ms.store(self.millis(), Ordering::Relaxed);
    }

    /// An answer has a piece to give, or none any more.
    fn offers(&self, answer: u64, offered: bool) {
        let mut answers = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        if offered {
            answers.insert(answer, self.millis());
        } else {
            answers.remove(&answer);
        }
    }

    /// Since when the answer waits that waits longest, milliseconds after `began`.
    fn untaken_since(&self) -> Option<u64> {
        let answers = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        answers.values().min().copied()
    }

    /// A head of HTTP/1.1 is complete.
    pub(super) fn head_read(&self, fault: Option<&'static str>) {
        self.heads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(fault);
    }

    /// Whether a head of HTTP/1.1 was begun and is not complete.
    pub(super) fn head_open(&self, open: bool) {
        if !open {
            self.head_since_ms.store(0, Ordering::Relaxed);
        } else if self.head_since_ms.load(Ordering::Relaxed) == 0 {
            self.head_since_ms.store(self.millis().max(1), Ordering::Relaxed);
        }
    }

    /// The fault of the head that hyper just turned into a request.
    fn next_head(&self) -> Option<&'static str> {
        let head = self.heads.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        // A request that was not seen on the wire: the two readers disagree, which is what must not happen.
        head.unwrap_or(Some("the message can be read in two ways"))
    }
}

/// One request in flight.
struct InFlight(Arc<Activity>);

impl InFlight {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.spoke.store(true, Ordering::Relaxed);
        activity.in_flight.fetch_add(1, Ordering::Relaxed);
        activity.moved();
        Self(Arc::clone(activity))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.moved();
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Most bytes of a frame of an answer. What a reader leaves of the last one lies in the buffer of its stream, judged by nobody: no more than this.
const FRAME_BYTES_MAX: usize = 16 * 1024;

/// An answer's body; its request counts as in flight until it has been sent. It breaks off when its reader takes less than the lowest rate: the spool, the
/// place and the descriptor of an answer are held for as long as it takes. The clock runs from a piece to the question for the next; what we take to
/// make one is not the reader's. A stream of HTTP/2 with a window of one byte is asked for a piece and buffers whatever it is given, so a piece is at most
/// [`FRAME_BYTES_MAX`]: then the last of an answer is given only when the others were taken.
struct Sending {
    body: Body,
    /// What is left of the body's last piece.
    rest: Bytes,
    in_flight: InFlight,
    /// Among those of its connection.
    number: u64,
    window: RateWindow,
    /// The last piece: when it was given, and its bytes.
    given: Option<(Instant, usize)>,
}

/// Why an answer breaks off.
#[derive(Debug, thiserror::Error)]
#[error("the answer is read too slowly")]
struct ReadTooSlowly;

impl Sending {
    fn new(body: Body, in_flight: InFlight, rate_min: u32) -> Self {
        in_flight.0.sending.fetch_add(1, Ordering::Relaxed);
        in_flight.0.moved();
        let number = in_flight.0.answers.fetch_add(1, Ordering::Relaxed);
        in_flight.0.offers(number, true);
        Self {
            body,
            rest: Bytes::new(),
            in_flight,
            number,
            window: RateWindow::new(rate_min),
            given: None,
        }
    }

    /// The next piece, of the body's last one while there is some left of it.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(http_body::Body::poll_frame(Pin::new(&mut self.body), cx)?).map(Frame::into_data) {
                None => return Poll::Ready(None),
                Some(Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
                Some(Ok(data)) => self.rest = data,
            }
        }
        let bytes = self.rest.len().min(FRAME_BYTES_MAX);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(bytes)))))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.in_flight.0.sending.fetch_sub(1, Ordering::Relaxed);
        self.in_flight.0.offers(self.number, false);
    }
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some((since, bytes)) = self.given.take()
            && !self.window.moved(since.elapsed(), bytes)
        {
            return Poll::Ready(Some(Err(axum::Error::new(ReadTooSlowly))));
        }
        // What we take to make a piece is not the reader's.
        self.in_flight.0.offers(self.number, false);
        let frame = self.poll_piece(cx);
        if let Poll::Ready(ready) = &frame {
            self.in_flight.0.moved();
            self.in_flight.0.offers(self.number, true);
            let data = ready.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            self.given = data.map(|data| (Instant::now(), data.len()));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (
            u64::try_from(self.rest.len()).unwrap_or(u64::MAX),
            self.body.size_hint(),
        );
        let mut hint = SizeHint::new();
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(body.lower().saturating_add(rest));
        hint
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    edge: &Edge,
    stream: TlsStream<TcpStream>,
    caller: Caller,
    router: Router,
    stop: &CancellationToken,
) {
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let activity = Arc::new(Activity::new());
    let io = TokioIo::new(Wire::new(stream, h2, Arc::clone(&activity)));
    let service = {
        let (gatekeeper, activity) = (Arc::clone(edge.gatekeeper()), Arc::clone(&activity));
        let rate_min = edge.settings.answer_rate_min;
        service_fn(move |request: Request<Incoming>| {
            let in_flight = InFlight::begin(&activity);
            let now = gatekeeper.now(&caller);
            let fallen = matches!((&caller, &now), (Caller::Peer(_), Caller::Refused(..)));
            if fallen {
                activity.evicted.store(true, Ordering::Relaxed);
            }
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(now);
            request.extensions_mut().insert(Arc::clone(&gatekeeper));
            let last = fallen || (!h2 && is_last(&mut request, &activity));
            let router = router.clone();
            async move {
                let mut response = router.oneshot(request).await?;
                if last && !h2 {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<Response, Infallible>(response.map(|body| Body::new(Sending::new(body, in_flight, rate_min))))
            }
        })
    };
    if h2 {
        drive(edge, http2_settings().serve_connection(io, service), &activity, stop).await;
    } else {
        let connection = http1_settings(&edge.settings).serve_connection(io, service);
        drive(edge, connection, &activity, stop).await;
    }
}

/// Tells the request what the wire saw of it. After a message that can be read in two ways nothing more is read (RFC 9112, 11.2).
fn is_last(request: &mut Request<Body>, activity: &Activity) -> bool {
    if let Some(fault) = activity.next_head() {
        request.extensions_mut().insert(WireFault(fault));
        return true;
    }
    let (parts, body) = std::mem::take(request).into_parts();
    let fault = framing::fault(&parts);
    *request = Request::from_parts(parts, body);
    fault.is_some()
}

fn http1_settings(settings: &ListenSettings) -> http1::Builder {
    let mut http1 = http1::Builder::new();
    http1
        .timer(TokioTimer::new())
        // hyper's clock runs through the pause between two requests as well; the head's own deadline is judged below.
        .header_read_timeout(settings.idle_timeout + settings.header_read_timeout)
        .max_buf_size(32 * 1024)
        .max_headers(64)
        .half_close(false);
    http1
}

fn http2_settings() -> http2::Builder<TokioExecutor> {
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        // 64 KiB would hold a partner 30 ms away to 2 MB/s; the connection's window bounds what 64 streams can make us hold.
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_frame_size(16 * 1024)
        .max_header_list_size(16 * 1024)
        .max_send_buf_size(128 * 1024)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(128)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    http2
}

/// Runs a connection until it ends, its deadlines end it, or the gateway stops.
async fn drive<C: GracefulConnection>(edge: &Edge, connection: C, activity: &Activity, stop: &CancellationToken) {
    let mut connection = pin!(connection);
    let mut tick = tokio::time::interval(tick(&edge.settings));
    let mut leaving = false;
    loop {
        let leave = tokio::select! {
            // A peer that breaks off is no fault of ours, and no news.
            _ = connection.as_mut() => return,
            () = stop.cancelled(), if !leaving => true,
            _ = tick.tick() => match judge(&edge.settings, activity) {
                Verdict::Stay => false,
                Verdict::Leave => true,
                Verdict::Close => return,
            },
        };
        if leave && !leaving {
            leaving = true;
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// How often a connection looks at its deadlines: none is missed by more than a second.
fn tick(settings: &ListenSettings) -> Duration {
    let shortest = settings
        .first_request_timeout
        .min(settings.header_read_timeout)
        .min(settings.idle_timeout)
        .min(settings.connection_age_max);
    (shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(1))
}

enum Verdict {
    Stay,
    /// Ask it to end when its requests are done.
    Leave,
    /// End it now.
    Close,
}

fn judge(settings: &ListenSettings, activity: &Activity) -> Verdict {
    let age = activity.began.elapsed();
    let since = |ms: &AtomicU64| age.saturating_sub(Duration::from_millis(ms.load(Ordering::Relaxed)));
    let unfinished = activity.head_since_ms.load(Ordering::Relaxed) != 0
        && since(&activity.head_since_ms) > settings.header_read_timeout;
    let silent = !activity.spoke.load(Ordering::Relaxed) && age > settings.first_request_timeout;
    // Idle, or every request has its answer and the client takes none of it.
    let in_flight = activity.in_flight.load(Ordering::Relaxed);
    let stuck = in_flight == activity.sending.load(Ordering::Relaxed)
        && activity.spoke.load(Ordering::Relaxed)
        && since(&activity.moved_ms) > settings.idle_timeout;
    // A stream of HTTP/2 whose window stays shut, whatever the others do: the body is not asked for more, so its lowest rate would never be judged.
    let untaken = activity
        .untaken_since()
        .is_some_and(|ms| age.saturating_sub(Duration::from_millis(ms)) > settings.idle_timeout);
    if unfinished || silent || stuck || untaken {
        Verdict::Close
    } else if age > settings.connection_age_max || activity.evicted.load(Ordering::Relaxed) {
        Verdict::Leave
    } else {
        Verdict::Stay
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use axum::body::Body;
    use bytes::Bytes;
    use http::HeaderMap;
    use http_body::{Body as _, Frame};
    use http_body_util::{BodyExt, StreamBody};
    use tokio::time::Instant;

    use super::{Activity, FRAME_BYTES_MAX, InFlight, Sending};

    /// An answer of whose last piece so many bytes went so many seconds ago.
    fn sending(activity: &Arc<Activity>, given: Option<(u64, usize)>) -> Sending {
        let mut sending = Sending::new(Body::from("the rest"), InFlight::begin(activity), 100);
        let since = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        sending.given = given.and_then(|(seconds, bytes)| Some((since(seconds)?, bytes)));
        sending
    }

    #[tokio::test]
    async fn an_answer_that_is_read_below_the_lowest_rate_breaks_off_and_others_do_not() {
        let activity = Arc::new(Activity::new());
        for (given, goes_on) in [
            (None, true),
            (Some((59, 5_899)), false),
            (Some((59, 5_900)), true),
            // What is slower for less than the window is not judged yet.
            (Some((29, 1)), true),
        ] {
            let mut answer = sending(&activity, given);
            let next = answer.frame().await;
            assert_eq!(next.is_some_and(|frame| frame.is_ok()), goes_on, "{given:?}");
        }
        assert_eq!(activity.sending.load(Ordering::Relaxed), 0, "each gives its place back");
    }

    #[tokio::test]
    async fn a_window_that_was_fast_enough_excuses_nothing_in_the_next() {
        let activity = Arc::new(Activity::new());
        let mut answer = sending(&activity, Some((31, 1 << 20)));
        assert!(answer.frame().await.is_some_and(|frame| frame.is_ok()));
        answer.given = answer
            .given
            .and_then(|_| Some((Instant::now().checked_sub(Duration::from_secs(31))?, 8)));
        assert!(answer.frame().await.is_some_and(|frame| frame.is_err()));
    }

    #[tokio::test]
    async fn an_answer_of_one_piece_goes_frame_by_frame_and_says_its_length_and_its_end() {
        let activity = Arc::new(Activity::new());
        let whole: Bytes = (0..=255)
            .cycle()
            .take(2 * FRAME_BYTES_MAX + 5)
            .collect::<Vec<u8>>()
            .into();
        let mut answer = Sending::new(whole.clone().into(), InFlight::begin(&activity), 0);
        let (mut sent, mut lengths) = (Vec::new(), Vec::new());
        while !answer.is_end_stream() {
            let left = u64::try_from(whole.len() - sent.len()).ok();
            assert_eq!(answer.size_hint().exact(), left);
            let data = answer.frame().await.and_then(Result::ok).map(Frame::into_data);
            let data = data.and_then(Result::ok).unwrap_or_default();
            lengths.push(data.len());
            sent.extend(data);
        }
        assert_eq!(lengths, [FRAME_BYTES_MAX, FRAME_BYTES_MAX, 5]);
        assert_eq!(sent, whole);
        assert_eq!(answer.size_hint().exact(), Some(0));
        assert!(answer.frame().await.is_none());
    }

    #[tokio::test]
    async fn trailers_and_faults_come_behind_the_whole_of_what_was_before_them() {
        let activity = Arc::new(Activity::new());
        let piece = || Frame::data(Bytes::from(vec![7; FRAME_BYTES_MAX + 1]));
        for last in [Ok(Frame::trailers(HeaderMap::new())), Err("it broke")] {
            let well = last.is_ok();
            let frames = StreamBody::new(futures_util::stream::iter([Ok(piece()), last]));
            let mut answer = Sending::new(Body::new(frames), InFlight::begin(&activity), 0);
            for bytes in [FRAME_BYTES_MAX, 1] {
                assert!(!answer.is_end_stream());
                let frame = answer.frame().await.and_then(Result::ok);
                assert_eq!(
                    frame.and_then(|frame| frame.into_data().ok()).map(|data| data.len()),
                    Some(bytes)
                );
            }
            assert_eq!(answer.frame().await.map(|frame| frame.is_ok()), Some(well));
        }
    }
}
