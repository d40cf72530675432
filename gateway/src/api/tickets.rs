//! `GET /v1/tickets`: what a source is asked to check of its own rows, and what it answered.
//!
//! Shows a partner its own tickets and nobody else's, the newest first, and none of them names another source. Refuses a page that begins nowhere. An answer is a
//! statement (`statements`).

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::Api;
use super::gate::{About, Context};
use crate::edge::Peer;
use crate::exchange::{Refused, Stop, ticket};
use crate::refusal::Refusal;

/// Where a page goes on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    before: Option<u64>,
}

/// The partner's tickets.
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Response {
    let listed = async {
        let malformed = |_| Refused::new(Refusal::BadRequest).detail("`before` is an index of the log");
        let Query(page) = page.map_err(malformed)?;
        ticket::list(&api.stations, &peer.partner().id, page.before).await
    };
    let listed: Result<_, Stop> = listed.await;
    match listed {
        Ok(document) => axum::Json(document).into_response(),
        Err(stop) => context.stop(Some(&peer), "tickets", About::default(), stop).await,
    }
}
