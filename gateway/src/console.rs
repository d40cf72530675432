//! (being written)

use axum::Router;
use axum::response::Response;

use crate::api::Api;
use crate::api::gate::Gate;
use crate::edge::health::Readiness;
use crate::relay::RelayStatus;

/// What the pages and the officers' API show.
#[derive(Clone, Debug)]
pub struct Console {
    /// The stations.
    pub api: Api,
    /// The relay.
    pub relay: RelayStatus,
    /// The checks.
    pub readiness: Readiness,
}

/// The routes of the console listener, behind the gate.
pub fn router(console: Console, gate: Gate) -> Router {
    let _ = console;
    crate::api::behind_gate(Router::new(), gate)
}

/// The page for a browser without a certificate.
pub fn help() -> Option<Response> {
    None
}
