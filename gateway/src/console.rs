//! (being written)

use axum::Router;
use axum::response::Response;

use crate::api::Api;
use crate::api::gate::Gate;
use crate::edge::health::Readiness;
use crate::relay::RelayStatus;

/// State.
#[derive(Clone, Debug)]
pub struct Console {
    /// a
    pub api: Api,
    /// b
    pub relay: RelayStatus,
    /// c
    pub readiness: Readiness,
}

/// Routes.
pub fn router(console: Console, gate: Gate) -> Router {
    let _ = console;
    crate::api::behind_gate(Router::new(), gate)
}

/// Help.
pub fn help() -> Option<Response> {
    None
}
