//! HTTP to domain and back: the feed listener's routes.
//!
//! `gate` what every request passes · `feeds` push · `exchanges` status, receipt, rejects · `extracts` pull · `acks` what came in was
//! received · `answers` where an answer's leaf stands, and its signature · `catalog` what a partner may do · `log` checkpoint and tiles ·
//! `report` rejects in their forms · `problem` the only place that knows status codes. Nothing here decides; it translates.

pub mod acks;
pub mod answers;
pub mod catalog;
pub mod exchanges;
pub mod extracts;
pub mod feeds;
pub mod gate;
pub mod log;
pub mod problem;
pub mod report;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::edge::deadline::BodyLimits;
use crate::exchange::Stations;
use gate::Gate;

/// What the handlers share.
#[derive(Clone, Debug)]
pub struct Api {
    /// The stations of an exchange.
    pub stations: Arc<Stations>,
    /// Limits of a push's body.
    pub body: BodyLimits,
}

/// The routes of the feed listener, behind the gate.
pub fn router(api: Api, gate: Gate) -> Router {
    let routes = Router::new()
        .route("/v1/feeds/{agency}/{record}", post(feeds::push))
        .route("/v1/exchanges", get(exchanges::list))
        .route("/v1/exchanges/{exchange}", get(exchanges::status))
        .route("/v1/exchanges/{exchange}/receipt", get(exchanges::receipt))
        .route("/v1/exchanges/{exchange}/rejects", get(exchanges::rejects))
        .route("/v1/exchanges/{exchange}/ack", post(acks::acknowledge))
        .route("/v1/catalog", get(catalog::catalog))
        .route("/v1/extracts", post(extracts::request))
        .route("/v1/extracts/{extract}", get(extracts::status))
        .route("/v1/extracts/{extract}/content", get(extracts::content))
        .route("/v1/extracts/{extract}/manifest", get(extracts::manifest))
        .merge(log::routes())
        .with_state(api);
    behind_gate(routes, gate)
}

/// Puts routes behind the gate; outermost first: a panic is caught, then the gate looks at every request, known route or not.
pub fn behind_gate(routes: Router, gate: Gate) -> Router {
    routes
        .fallback(gate::no_route)
        .method_not_allowed_fallback(gate::no_method)
        .layer(
            ServiceBuilder::new()
                .layer(CatchPanicLayer::custom(gate::panicked))
                .layer(axum::middleware::from_fn_with_state(gate, gate::pass)),
        )
}
