//! The accept loop: caps, TLS handshakes, drain.
//!
//! Takes a listening socket; gives each connection to `connection.rs` with the [`Caller`] that its certificate proved. Refuses connections
//! beyond the caps and handshakes that fail or take too long, and reports why.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use shuguan_policies::{PolicySet, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::connection;
use super::gatekeeper::Gatekeeper;
use super::revocation::RevocationSet;
use super::verifier::reason;
use crate::clock::Clock;
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
    /// An answer that is read more slowly than this over 30 s breaks off, bytes a second.
    pub answer_rate_min: u32,
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

/// Connections at once from one address that has not shown a partner's certificate.
const STRANGERS_PER_ADDRESS_MAX: usize = 64;
/// So many addresses together can take all handshakes.
const HANDSHAKE_SHARES: usize = 8;
/// The network's half of an IPv6 address (RFC 4291, 2.5.4).
const NETWORK: u128 = !0 << 64;

/// What a listener knows.
#[derive(Debug)]
pub struct Edge {
    /// TLS parameters; swapped whole on reload, after the set of revoked certificates.
    pub tls: ArcSwap<ServerConfig>,
    /// Deadlines and caps.
    pub settings: ListenSettings,
    gatekeeper: Arc<Gatekeeper>,
    refused: mpsc::Sender<Refusal>,
    partners: Mutex<HashMap<String, usize>>,
    strangers: Mutex<HashMap<IpAddr, usize>>,
}

impl Edge {
    /// A listener's knowledge; `refused` is told of each connection that never got an identity; `wall` is the machine's clock.
    pub fn new(
        tls: Arc<ServerConfig>,
        revoked: Arc<ArcSwap<RevocationSet>>,
        policies: Arc<ArcSwap<PolicySet>>,
        roles: &'static [Role],
        settings: ListenSettings,
        refused: mpsc::Sender<Refusal>,
        wall: Clock,
    ) -> Self {
        Self {
            tls: ArcSwap::new(tls),
            settings,
            gatekeeper: Arc::new(Gatekeeper::new(revoked, policies, roles, wall)),
            refused,
            partners: Mutex::default(),
            strangers: Mutex::default(),
        }
    }

    /// Who decides who may pass.
    pub fn gatekeeper(&self) -> &Arc<Gatekeeper> {
        &self.gatekeeper
    }

    fn refuse(&self, refusal: Refusal, address: IpAddr) {
        metrics::counter!("shuguan_connections_refused_total", "code" => refusal.code()).increment(1);
        // Not `info`: a stranger who knocks all night must not fill the disk.
        tracing::debug!(refusal.code = refusal.code(), address = %address, "a connection was refused");
        // When the journal is slow, counting must not hold up the accept loop; the metric has it all the same.
        let _ = self.refused.try_send(refusal);
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

/// Handshakes at once: in all, and from one address.
struct Handshakes {
    slots: Semaphore,
    shares: Shares,
}

impl Handshakes {
    fn new(max: usize) -> Self {
        Self {
            slots: Semaphore::new(max),
            shares: Shares::new((max / HANDSHAKE_SHARES).max(1)),
        }
    }
}

/// What each address may have of something at once.
#[derive(Debug)]
pub(crate) struct Shares {
    share: usize,
    addresses: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
}

impl Shares {
    pub(crate) fn new(share: usize) -> Self {
        Self {
            share,
            addresses: Mutex::default(),
        }
    }

    /// What this address may have; it is gone with the last permit from there.
    pub(crate) fn of(&self, address: IpAddr) -> Arc<Semaphore> {
        let address = source(address);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = addresses.get(&address).and_then(Weak::upgrade) {
            return share;
        }
        addresses.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.share));
        addresses.insert(address, Arc::downgrade(&share));
        share
    }
}

/// What counts as one address: of IPv6 the network, because one host has all of it.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
        address @ IpAddr::V4(_) => address,
    }
}

/// Accepts until `stop`, then drains: no new connection, requests in flight end, at most `drain_timeout`.
pub async fn listen(listener: TcpListener, edge: Arc<Edge>, router: Router, stop: CancellationToken) {
    let handshakes = Arc::new(Handshakes::new(edge.settings.handshakes_max));
    let open = Arc::new(Semaphore::new(edge.settings.connections_max));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (tcp, address) = match accepted {
            Ok((tcp, address)) => (tcp, address.ip()),
            Err(error) => {
                back_off(&error).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&open).try_acquire_owned() else {
            edge.refuse(Refusal::Overloaded, address);
            continue;
        };
        let (edge, router, stop) = (Arc::clone(&edge), router.clone(), stop.clone());
        let handshakes = Arc::clone(&handshakes);
        connections.spawn(async move {
            one(&edge, tcp, address, &handshakes, router, &stop).await;
            drop(slot);
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(edge.settings.drain_timeout, drained).await.is_err() {
        tracing::warn!("connections were still open when the drain time was over");
    }
}

/// Out of descriptors: spinning would only take the processor from those who could give some back.
async fn back_off(error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    ) {
        return;
    }
    tracing::warn!(error = %error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// One connection, from its first byte to its last.
async fn one(
    edge: &Edge,
    tcp: TcpStream,
    address: IpAddr,
    handshakes: &Handshakes,
    router: Router,
    stop: &CancellationToken,
) {
    let Some(stranger) = Place::take(&edge.strangers, source(address), STRANGERS_PER_ADDRESS_MAX) else {
        edge.refuse(Refusal::Overloaded, address);
        return;
    };
    let Some(stream) = handshake(edge, tcp, address, handshakes).await else {
        return;
    };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let caller = edge.gatekeeper.identify(chain);
    let Caller::Peer(peer) = &caller else {
        // Whoever has no right here keeps counting by address, or he could take every place.
        connection::serve(edge, stream, caller, router, stop).await;
        return;
    };
    drop(stranger);
    let max = edge.settings.connections_per_partner_max;
    let Some(_place) = Place::take(&edge.partners, peer.partner().id.clone(), max) else {
        edge.refuse(Refusal::TooManyAtOnce, address);
        return;
    };
    connection::serve(edge, stream, caller, router, stop).await;
}

/// The handshake under its deadline; a failure is counted and the alert given time to arrive.
async fn handshake(
    edge: &Edge,
    tcp: TcpStream,
    address: IpAddr,
    handshakes: &Handshakes,
) -> Option<TlsStream<TcpStream>> {
    // Nagle would hold an answer back until the client acknowledges the one before.
    let _ = tcp.set_nodelay(true);
    let shaking = shake(edge, tcp, address, handshakes);
    let Ok(result) = timeout(edge.settings.handshake_timeout, shaking).await else {
        edge.refuse(Refusal::HandshakeFailed, address);
        return None;
    };
    match result {
        Ok(stream) => Some(stream),
        Err((error, tcp)) => {
            edge.refuse(reason(&error), address);
            if let Some(tcp) = tcp {
                say_goodbye(tcp).await;
            }
            None
        }
    }
}

/// A slot is taken only when the client has said hello, so that silent sockets take none from those who speak; and only of the address's share, so that
/// those who say hello and nothing more take none from others.
async fn shake(
    edge: &Edge,
    tcp: TcpStream,
    address: IpAddr,
    handshakes: &Handshakes,
) -> Result<TlsStream<TcpStream>, (io::Error, Option<TcpStream>)> {
    let mut hello = pin!(LazyConfigAcceptor::new(Acceptor::default(), tcp));
    let start = match hello.as_mut().await {
        Ok(start) => start,
        Err(error) => return Err((error, hello.take_io())),
    };
    let share = handshakes.shares.of(address);
    let closed = |error| (io::Error::other(error), None);
    let _own = share.acquire().await.map_err(closed)?;
    let _slot = handshakes.slots.acquire().await.map_err(closed)?;
    let accept = start.into_stream(edge.tls.load_full()).into_fallible();
    accept.await.map_err(|(error, tcp)| (error, Some(tcp)))
}

/// A socket that is dropped with unread bytes resets the connection, and the client never reads the alert that says why.
async fn say_goodbye(mut tcp: TcpStream) {
    let _ = tcp.shutdown().await;
    let mut rest = [0; 4096];
    let drain = async { while matches!(tcp.read(&mut rest).await, Ok(read) if read > 0) {} };
    let _ = timeout(Duration::from_millis(500), drain).await;
}
