//! `POST /console/api/tickets`: an operator asks a source to check a field of a row (design 10.10).
//!
//! Takes JSON, `{"exchange", "row", "field"}`; gives the ticket's id and leaf. Refuses every role but the operator's. Shows no record.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use axum::{Extension, Json};
use http::{HeaderMap, Uri};
use serde_json::json;

use super::{Desk, guard, json};
use crate::api::gate::Context;
use crate::edge::Peer;
use crate::exchange::ticket::{self, Order};

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
        guard::operators_only(&peer)?;
        let order: Order = json::asked(&headers, &uri, body, "exchange, row, field")?;
        let sealed = ticket::open(&desk.console.api.stations, &peer, &order).await?;
        Ok(json!({
            "schema": "shuguan.ticket.v1", "id": sealed.exchange, "index": sealed.index, "receipt": sealed.receipt,
        }))
    };
    json::answer(&context, &peer, "tickets", opened.await).await
}
