//! The two listeners of the gateway and their sockets.
//!
//! Takes the configuration and the parameters of TLS; gives sockets, before anything is written, and edges, once the stations are there. Refuses an address that
//! cannot be listened on. Nothing is accepted before [`super::running`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use shuguan_policies::Role;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::StartFault;
use crate::config::ListenSection;
use crate::edge::listen::{Edge, ListenSettings};
use crate::exchange::Stations;
use crate::refusal::Refusal;

/// Roles that the feed listener admits (design 10.1).
const FEED_ROLES: &[Role] = &[Role::Agency, Role::Registry];
/// Roles that the console listener admits.
const CONSOLE_ROLES: &[Role] = &[
    Role::Auditor,
    Role::SecurityOfficer,
    Role::PolicyOfficer,
    Role::Operator,
];
/// Connection refusals that may wait to be counted.
const REFUSED_QUEUE: usize = 1_024;

/// Listening sockets.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) feed: TcpListener,
    pub(super) console: TcpListener,
    pub(super) health: TcpListener,
}

impl Sockets {
    /// Binds all three.
    ///
    /// # Errors
    /// [`StartFault::Address`].
    pub(super) async fn bind(listen: &ListenSection) -> Result<Self, StartFault> {
        let bind = async |address: SocketAddr| {
            TcpListener::bind(address)
                .await
                .map_err(|error| StartFault::Address(address, error))
        };
        Ok(Self {
            feed: bind(listen.feed).await?,
            console: bind(listen.console).await?,
            health: bind(listen.health).await?,
        })
    }
}

/// What each listener knows.
#[derive(Debug)]
pub(super) struct Edges {
    pub(super) feed: Arc<Edge>,
    pub(super) console: Arc<Edge>,
}

impl Edges {
    /// Edges with these parameters of TLS, for the feed and for the console; and who was refused before an identity was known.
    pub(super) fn new(
        listen: &ListenSection,
        (feed, console): (Arc<ServerConfig>, Arc<ServerConfig>),
        stations: &Stations,
    ) -> (Self, mpsc::Receiver<Refusal>) {
        let (refused, refusals) = mpsc::channel(REFUSED_QUEUE);
        let edge = |tls, roles| {
            Arc::new(Edge::new(
                tls,
                Arc::clone(&stations.signing.revoked),
                Arc::clone(&stations.policies),
                roles,
                listen_settings(listen),
                refused.clone(),
                stations.wall.clone(),
            ))
        };
        let edges = Self {
            feed: edge(feed, FEED_ROLES),
            console: edge(console, CONSOLE_ROLES),
        };
        (edges, refusals)
    }

    /// Handshakes from here on go by these.
    pub(super) fn swap(&self, feed: Arc<ServerConfig>, console: Arc<ServerConfig>) {
        self.feed.tls.store(feed);
        self.console.tls.store(console);
    }
}

fn listen_settings(listen: &ListenSection) -> ListenSettings {
    let ms = |value: std::num::NonZeroU32| Duration::from_millis(value.get().into());
    ListenSettings {
        handshake_timeout: ms(listen.handshake_timeout_ms),
        first_request_timeout: ms(listen.first_request_timeout_ms),
        header_read_timeout: ms(listen.header_read_timeout_ms),
        idle_timeout: ms(listen.idle_timeout_ms),
        answer_rate_min: listen.body_rate_min_bytes_per_s,
        connection_age_max: Duration::from_secs(listen.connection_age_max_s.get().into()),
        connections_max: listen.connections_max.get() as usize,
        connections_per_partner_max: listen.connections_per_partner_max.get() as usize,
        handshakes_max: listen.handshakes_max.get() as usize,
        drain_timeout: ms(listen.drain_timeout_ms),
    }
}
