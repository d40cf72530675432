//! `POST /console/api/tickets`: an operator asks a source to check a field of a row (design 10.10).
//!
//! Takes JSON, `{"exchange", "row", "field"}`; gives the ticket's id and leaf. Refuses every role but the operator's. Shows no record.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderMap, Uri};
use serde_json::json;

use super::{Desk, guard, relay_api};
use crate::api::gate::{About, Context};
use crate::edge::Peer;
use crate::exchange::Refused;
use crate::exchange::ticket::{self, Order};
use crate::refusal::Refusal;

/// The handler.
pub(super) async fn open(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Order>, JsonRejection>,
) -> Response {
    let opened = async {
        guard::from_no_other_site(&headers, &uri)?;
        relay_api::operators_only(&peer)?;
        let members = "members are exchange, row, field";
        let Json(order) = body.map_err(|_| Refused::new(Refusal::BadRequest).detail(members))?;
        ticket::open(&desk.console.api.stations, &peer, &order).await
    };
    match opened.await {
        Ok(sealed) => Json(json!({
            "schema": "shuguan.ticket.v1", "id": sealed.exchange, "index": sealed.index, "receipt": sealed.receipt,
        }))
        .into_response(),
        Err(stop) => context.stop(Some(&peer), "tickets", About::default(), stop).await,
    }
}
