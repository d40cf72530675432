//! `POST /v1/exchanges/{id}/recall`: a partner withdraws a batch that it pushed.
//!
//! Takes a document with a reason code; gives 202 once the `recall` leaf is durable: the batch is out of the inbox then, and what it did in the
//! registry is undone soon after. Its own exchange id is the way to see when.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::Api;
use super::answers;
use super::gate::{About, Context};
use crate::edge::Peer;
use crate::exchange::recall::{self, RecallHead};
use crate::signature::Asked;

/// Longest document.
const RECALL_BYTES_MAX: usize = 4 << 10;

/// Takes a recall.
pub async fn recall(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(push): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(parts);
    let malformed = "the recall is cut or longer than 4 KiB";
    let sealed = match super::document(api.body, body, RECALL_BYTES_MAX, malformed).await {
        Ok(body) => {
            let head = RecallHead {
                push: &push,
                message: asked.message(),
                body: &body,
            };
            recall::recall(&api.stations, &peer, &head).await
        }
        Err(stop) => Err(stop),
    };
    let response = match sealed {
        Ok(sealed) => {
            let document = serde_json::json!({
                "schema": "shuguan.recall.v1", "exchange": sealed.exchange, "recalls": push, "index": sealed.index,
                "receipt": sealed.receipt,
            });
            let location = sealed.exchange.map(|exchange| format!("/v1/exchanges/{exchange}"));
            let headers = [(header::LOCATION, location.unwrap_or_default())];
            let mut response = (StatusCode::ACCEPTED, headers, axum::Json(document)).into_response();
            answers::place(&mut response, api.stations.journal.origin(), &sealed);
            response
        }
        Err(stop) => context.stop(Some(&peer), "recall", About::default(), stop).await,
    };
    answers::signed(&api, &peer, &asked, response).await
}
