//! The accept loop: TLS, ALPN dispatch, deadlines, identity, drain.
//!
//! Takes a listening socket; gives each request to a router with its [`Caller`]. Closes whatever does not speak in time: silent sockets,
//! half headers, h2 connections without a request. hyper's own slow-client defaults do nothing without a timer, and its `auto` builder
//! never times out before the first bytes, so we dispatch on the negotiated protocol ourselves.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustls::{CertificateError, ServerConfig};
use shuguan_policies::{PolicySet, Role};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::caller::Caller;
use super::peer::Peer;
use super::revocation::RevocationSet;
use crate::refusal::Refusal;

/// Deadlines and caps of a listener; defaults and reasons in the configuration's `[listen]`.
#[derive(Clone, Copy, Debug)]
pub struct ListenSettings {
    /// A handshake that takes longer is closed.
    pub handshake_timeout: Duration,
    /// A connection that sends no request within this is closed.
    pub first_request_timeout: Duration,
    /// A request head that takes longer is closed.
    pub header_read_timeout: Duration,
    /// A connection without a request in flight is closed after this.
    pub idle_timeout: Duration,
    /// After this a connection is asked to end when its requests are done.
    pub connection_age_max: Duration,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once of one partner.
    pub connections_per_partner_max: usize,
    /// Handshakes at once.
    pub handshakes_max: usize,
    /// How long a stopping listener waits for requests in flight.
    pub drain_timeout: Duration,
}

/// Connections at once from one address before it has shown who it is.
const HANDSHAKES_PER_ADDRESS_MAX: usize = 64;
/// How often a connection looks at its deadlines.
const TICK: Duration = Duration::from_millis(250);

/// What a listener knows.
#[derive(Debug)]
pub struct Edge {
    /// TLS parameters; swapped whole on reload.
    pub tls: ArcSwap<ServerConfig>,
    /// Who is revoked; swapped with them.
    pub revoked: Arc<ArcSwap<RevocationSet>>,
    /// The partner table.
    pub policies: Arc<ArcSwap<PolicySet>>,
    /// Roles that this listener admits.
    pub roles: &'static [Role],
    /// Deadlines and caps.
    pub settings: ListenSettings,
    /// Told of connections that were refused before an identity was known.
    pub refused: mpsc::Sender<Refusal>,
    connections: Mutex<HashMap<String, usize>>,
    handshakes: Mutex<HashMap<IpAddr, usize>>,
}

impl Edge {
    /// A listener's knowledge; `refused` is told of each connection that never got an identity.
    pub fn new(
        tls: Arc<ServerConfig>,
        revoked: Arc<ArcSwap<RevocationSet>>,
        policies: Arc<ArcSwap<PolicySet>>,
        roles: &'static [Role],
        settings: ListenSettings,
        refused: mpsc::Sender<Refusal>,
    ) -> Self {
        Self {
            tls: ArcSwap::new(tls),
            revoked,
            policies,
            roles,
            settings,
            refused,
            connections: Mutex::default(),
            handshakes: Mutex::default(),
        }
    }

    fn refuse(&self, refusal: Refusal) {
        metrics::counter!("shuguan_connections_refused_total", "code" => refusal.code()).increment(1);
        // When the journal is slow, counting must not hold up the accept loop; the metric has it all the same.
        let _ = self.refused.try_send(refusal);
    }

    /// Who stands behind a connection whose handshake succeeded.
    fn identify(&self, stream: &TlsStream<TcpStream>) -> Caller {
        let Some(leaf) = stream.get_ref().1.peer_certificates().and_then(<[_]>::first) else {
            return Caller::Anonymous;
        };
        match Peer::identify(leaf, &self.policies.load()) {
            Ok(peer) => self.admit(Arc::new(peer)),
            Err(refusal) => Caller::Refused(refusal, None),
        }
    }

    fn admit(&self, peer: Arc<Peer>) -> Caller {
        if self.roles.contains(&peer.partner().role) {
            Caller::Peer(peer)
        } else {
            Caller::Refused(Refusal::WrongRole, Some(peer))
        }
    }

    /// Asks again who the caller is: a list or a partner table may have changed since the handshake.
    fn recheck(&self, caller: &Caller) -> Caller {
        let Caller::Peer(peer) = caller else {
            return caller.clone();
        };
        if self.revoked.load().is_revoked(peer.issuer(), peer.serial()) {
            return Caller::Refused(Refusal::CertificateRevoked, Some(Arc::clone(peer)));
        }
        if self.policies.load().partner_by_spiffe(&peer.partner().spiffe).is_none() {
            return Caller::Refused(Refusal::UnknownPartner, None);
        }
        caller.clone()
    }
}

/// A counted place that is given back when dropped.
struct Place<'e, K: Eq + std::hash::Hash> {
    places: &'e Mutex<HashMap<K, usize>>,
    key: K,
}

impl<'e, K: Eq + std::hash::Hash + Clone> Place<'e, K> {
    fn take(places: &'e Mutex<HashMap<K, usize>>, key: K, max: usize) -> Option<Self> {
        let mut taken = places.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(key.clone()).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Self { places, key })
    }
}

impl<K: Eq + std::hash::Hash> Drop for Place<'_, K> {
    fn drop(&mut self) {
        let mut taken = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

/// Accepts until `stop`, then drains: no new connection, requests in flight end, at most `drain_timeout`.
pub async fn listen(listener: TcpListener, edge: Arc<Edge>, router: Router, stop: CancellationToken) {
    let handshakes = Arc::new(Semaphore::new(edge.settings.handshakes_max));
    let open = Arc::new(Semaphore::new(edge.settings.connections_max));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (tcp, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors: spinning would only take the processor from those who could give some back.
                tracing::warn!(error = %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&open).try_acquire_owned() else {
            edge.refuse(Refusal::Overloaded);
            continue;
        };
        let (edge, router, stop) = (Arc::clone(&edge), router.clone(), stop.clone());
        let handshakes = Arc::clone(&handshakes);
        connections.spawn(async move {
            let stream = handshake(&edge, tcp, address.ip(), &handshakes).await;
            if let Some(stream) = stream {
                serve(&edge, stream, router, &stop).await;
            }
            drop(slot);
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(edge.settings.drain_timeout, drained).await.is_err() {
        tracing::warn!("connections were still open when the drain time was over");
    }
}

/// The handshake under its deadline; a failure is counted and the alert given time to arrive.
async fn handshake(edge: &Edge, tcp: TcpStream, address: IpAddr, slots: &Semaphore) -> Option<TlsStream<TcpStream>> {
    let Some(_place) = Place::take(&edge.handshakes, address, HANDSHAKES_PER_ADDRESS_MAX) else {
        edge.refuse(Refusal::Overloaded);
        return None;
    };
    // Nagle would hold an answer back until the client acknowledges the one before.
    let _ = tcp.set_nodelay(true);
    let shaking = async {
        let _slot = slots.acquire().await.ok()?;
        let acceptor = TlsAcceptor::from(edge.tls.load_full());
        Some(acceptor.accept(tcp).into_fallible().await)
    };
    match timeout(edge.settings.handshake_timeout, shaking).await {
        Ok(Some(Ok(stream))) => Some(stream),
        Ok(Some(Err((error, tcp)))) => {
            edge.refuse(reason(&error));
            say_goodbye(tcp).await;
            None
        }
        Ok(None) | Err(_) => {
            edge.refuse(Refusal::HandshakeFailed);
            None
        }
    }
}

/// A socket that is dropped with unread bytes resets the connection, and the client never reads the alert that says why.
async fn say_goodbye(mut tcp: TcpStream) {
    use tokio::io::AsyncReadExt;
    let _ = tcp.shutdown().await;
    let mut rest = [0; 4096];
    let drain = async { while matches!(tcp.read(&mut rest).await, Ok(read) if read > 0) {} };
    let _ = timeout(Duration::from_millis(500), drain).await;
}

/// Why a handshake failed, from our side of it; the peer sees only an alert.
fn reason(error: &std::io::Error) -> Refusal {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::NoCertificatesPresented) => Refusal::NoCertificate,
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::Revoked => Refusal::CertificateRevoked,
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Refusal::UnknownIssuer,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Refusal::CertificateExpired,
            CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
                Refusal::RevocationListExpired
            }
            _ => Refusal::CertificateProfile,
        },
        _ => Refusal::HandshakeFailed,
    }
}

/// What a connection's deadlines are judged by.
#[derive(Debug)]
struct Activity {
    began: Instant,
    spoke: AtomicBool,
    in_flight: AtomicUsize,
    /// Milliseconds after `began` when the last request ended.
    last_ms: AtomicU64,
}

impl Activity {
    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// One request in flight.
struct InFlight(Arc<Activity>);

impl InFlight {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.spoke.store(true, Ordering::Relaxed);
        activity.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.last_ms.store(self.0.millis(), Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(edge: &Arc<Edge>, stream: TlsStream<TcpStream>, router: Router, stop: &CancellationToken) {
    let caller = edge.identify(&stream);
    let _place = match &caller {
        Caller::Peer(peer) => {
            let max = edge.settings.connections_per_partner_max;
            let place = Place::take(&edge.connections, peer.partner().id.clone(), max);
            if place.is_none() {
                edge.refuse(Refusal::TooManyAtOnce);
                return;
            }
            place
        }
        Caller::Refused(..) | Caller::Anonymous => None,
    };
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let activity = Arc::new(Activity {
        began: Instant::now(),
        spoke: AtomicBool::new(false),
        in_flight: AtomicUsize::new(0),
        last_ms: AtomicU64::new(0),
    });
    let service = {
        let (edge, activity) = (Arc::clone(edge), Arc::clone(&activity));
        service_fn(move |request: Request<Incoming>| {
            let in_flight = InFlight::begin(&activity);
            let caller = edge.recheck(&caller);
            let router = router.clone();
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(caller);
                let response = router.oneshot(request).await;
                hold(response, in_flight)
            }
        })
    };
    let io = TokioIo::new(stream);
    if h2 {
        let connection = http2_settings().serve_connection(io, service);
        drive(edge, connection, &activity, stop).await;
    } else {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(edge.settings.header_read_timeout)
            .max_buf_size(32 * 1024)
            .max_headers(64)
            .half_close(false);
        drive(edge, http1.serve_connection(io, service), &activity, stop).await;
    }
}

/// Keeps the request counted as in flight until its answer's body has been sent.
fn hold(response: Result<Response, Infallible>, in_flight: InFlight) -> Result<Response, Infallible> {
    response.map(|response| {
        response.map(|body| {
            Body::new(HeldBody {
                body,
                _in_flight: in_flight,
            })
        })
    })
}

struct HeldBody {
    body: Body,
    _in_flight: InFlight,
}

impl http_body::Body for HeldBody {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, axum::Error>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

fn http2_settings() -> http2::Builder<TokioExecutor> {
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
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
    let mut tick = tokio::time::interval(TICK.min(edge.settings.first_request_timeout));
    let mut leaving = false;
    loop {
        tokio::select! {
            // A peer that breaks off is no fault of ours, and no news.
            _ = connection.as_mut() => return,
            () = stop.cancelled(), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = tick.tick() => match judge(&edge.settings, activity) {
                Verdict::Stay => {}
                Verdict::Close => return,
                Verdict::Leave if leaving => {}
                Verdict::Leave => {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
            },
        }
    }
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
    if !activity.spoke.load(Ordering::Relaxed) {
        return if age > settings.first_request_timeout {
            Verdict::Close
        } else {
            Verdict::Stay
        };
    }
    let idle_since = Duration::from_millis(activity.last_ms.load(Ordering::Relaxed));
    if activity.in_flight.load(Ordering::Relaxed) == 0 && age.saturating_sub(idle_since) > settings.idle_timeout {
        return Verdict::Close;
    }
    if age > settings.connection_age_max {
        Verdict::Leave
    } else {
        Verdict::Stay
    }
}
