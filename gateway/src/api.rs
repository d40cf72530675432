//! HTTP to domain and back: the feed listener's routes.
//!
//! `gate` what every request passes · `feeds` push · `exchanges` list, status, receipt, rejects · `extracts` pull · `compare` claims ·
//! `statements` acknowledgements, recalls and answers to tickets · `tickets` what a source is asked to check · `answers` where an answer's leaf stands, and its signature · `catalog` what a partner may do · `log` checkpoint and tiles ·
//! `places` how many are in at once · `report` rejects in their forms · `problem` the only place that knows status codes. Nothing here decides; it translates.

pub(crate) mod answers;
pub(crate) mod catalog;
pub(crate) mod compare;
pub(crate) mod exchanges;
pub(crate) mod extracts;
pub(crate) mod feeds;
pub(crate) mod gate;
pub(crate) mod log;
pub(crate) mod places;
pub(crate) mod problem;
pub(crate) mod report;
pub(crate) mod statements;
pub(crate) mod tickets;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt, Collected};
use serde::de::DeserializeOwned;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::edge::deadline::{BodyLimits, BodyStop, GuardedBody};
use crate::exchange::{Refused, Stations, Stop};
use crate::refusal::Refusal;
use crate::signature::Asked;
use gate::Gate;

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// The stations of an exchange.
    pub stations: Arc<Stations>,
    /// Limits of a push's body.
    pub body: BodyLimits,
}

/// The routes of the feed listener, behind the gate.
pub(crate) fn router(api: Api, gate: Gate) -> Router {
    let routes = Router::new()
        .route("/v1/feeds/{agency}/{record}", post(feeds::push))
        .route("/v1/exchanges", get(exchanges::list))
        .route("/v1/exchanges/{exchange}", get(exchanges::status))
        .route("/v1/exchanges/{exchange}/receipt", get(exchanges::receipt))
        .route("/v1/exchanges/{exchange}/rejects", get(exchanges::rejects))
        .route("/v1/exchanges/{exchange}/ack", post(statements::acknowledge))
        .route("/v1/exchanges/{exchange}/recall", post(statements::recall))
        .route("/v1/tickets", get(tickets::list))
        .route("/v1/tickets/{ticket}", post(statements::answer))
        .route("/v1/catalog", get(catalog::catalog))
        .route("/v1/compare", post(compare::compare))
        .route("/v1/extracts", post(extracts::request))
        .route("/v1/extracts/{extract}", get(extracts::status))
        .route("/v1/extracts/{extract}/content", get(extracts::content))
        .route("/v1/extracts/{extract}/manifest", get(extracts::manifest))
        .merge(log::routes())
        .with_state(api);
    behind_gate(routes, gate)
}

/// Reads a small document whole, under the deadlines of every body: a caller that says nothing must not keep its place in flight.
///
/// # Errors
/// Too slow, too long for `bytes_max`, or cut short (`malformed`).
async fn document(deadlines: BodyLimits, body: Body, bytes_max: usize, malformed: &str) -> Result<Bytes, Stop> {
    let limits = BodyLimits {
        bytes_max: u64::try_from(bytes_max).unwrap_or(u64::MAX),
        ..deadlines
    };
    let read = GuardedBody::new(body, limits).collect().await;
    read.map(Collected::to_bytes).map_err(|stop| match stop {
        BodyStop::TooSlow => Refusal::BodyTooSlow.into(),
        BodyStop::TooLarge(_) | BodyStop::Incomplete => Refused::new(Refusal::BadRequest).detail(malformed).into(),
    })
}

/// Reads a request that is a JSON document of at most `bytes_max` bytes; gives it with the bytes that it was written in.
///
/// # Errors
/// As [`document`]; another type, or members that are not `members`.
async fn request<T: DeserializeOwned>(
    api: &Api,
    asked: &Asked,
    body: Body,
    bytes_max: usize,
    members: &str,
) -> Result<(T, Bytes), Stop> {
    let malformed = |detail: &str| Stop::from(Refused::new(Refusal::BadRequest).detail(detail));
    let kind = asked
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case("application/json") {
        return Err(malformed("the request is `application/json`"));
    }
    let cut = format!("the request is cut or longer than {} KiB", bytes_max >> 10);
    let bytes = document(api.body, body, bytes_max, &cut).await?;
    // serde's message names the member, and a wrong one would be echoed, so it stays here.
    let request = serde_json::from_slice(&bytes).map_err(|_| malformed(members))?;
    Ok((request, bytes))
}

/// Puts routes behind the gate; outermost first: a panic is caught, then the gate looks at every request, known route or not.
pub(crate) fn behind_gate(routes: Router, gate: Gate) -> Router {
    routes
        .fallback(gate::no_route)
        .method_not_allowed_fallback(gate::no_method)
        .layer(
            ServiceBuilder::new()
                .layer(CatchPanicLayer::custom(gate::panicked))
                .layer(axum::middleware::from_fn_with_state(gate, gate::pass)),
        )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};

    use super::{BodyLimits, document};
    use crate::exchange::Stop;
    use crate::refusal::Refusal;

    async fn read(body: Body) -> Result<Bytes, Option<Refusal>> {
        let deadlines = BodyLimits {
            bytes_max: 1,
            idle: Duration::from_millis(30),
            rate_min: 1,
        };
        document(deadlines, body, 4, "it is cut")
            .await
            .map_err(|stop| match stop {
                Stop::Refused(refused) => Some(refused.refusal),
                Stop::Fault(_) => None,
            })
    }

    #[tokio::test]
    async fn a_document_that_is_silent_too_long_or_cut_ends_with_its_code() {
        assert_eq!(read(Body::from("four")).await, Ok(Bytes::from("four")));
        assert_eq!(read(Body::from("fives")).await, Err(Some(Refusal::BadRequest)));
        let begun = || stream::once(async { Ok::<_, std::io::Error>(Bytes::from("a")) });
        let silent = Body::from_stream(begun().chain(stream::pending()));
        assert_eq!(read(silent).await, Err(Some(Refusal::BodyTooSlow)));
        let cut = Body::from_stream(begun().chain(stream::once(async { Err(std::io::Error::other("reset")) })));
        assert_eq!(read(cut).await, Err(Some(Refusal::BadRequest)));
    }
}
