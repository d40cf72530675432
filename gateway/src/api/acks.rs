//! `POST /v1/exchanges/{id}/ack`: whoever pulled an extract says that it has it, or that it has deleted it, and signs that.
//!
//! Takes a signed document that names exchange, leaf and digest; gives 200 once the `receipt-ack` leaf is durable. Refuses what is not signed
//! or does not name what was released: an acknowledgement is proof only when both sides mean the same bytes.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::Api;
use super::answers;
use super::gate::{About, Context};
use crate::edge::Peer;
use crate::exchange::ack::{self, AckHead};
use crate::signature::Asked;

/// Longest acknowledgement.
const ACK_BYTES_MAX: usize = 16 << 10;

/// Takes an acknowledgement.
pub async fn acknowledge(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(parts);
    let malformed = "the acknowledgement is cut or longer than 16 KiB";
    let sealed = match super::document(api.body, body, ACK_BYTES_MAX, malformed).await {
        Ok(body) => {
            let head = AckHead {
                exchange: &exchange,
                message: asked.message(),
                body: &body,
            };
            ack::acknowledge(&api.stations, &peer, &head).await
        }
        Err(stop) => Err(stop),
    };
    let response = match sealed {
        Ok(sealed) => {
            let document = serde_json::json!({
                "schema": "shuguan.ack.v1", "exchange": sealed.exchange, "index": sealed.index, "receipt": sealed.receipt,
            });
            let mut response = (StatusCode::OK, axum::Json(document)).into_response();
            answers::place(&mut response, api.stations.journal.origin(), &sealed);
            response
        }
        Err(stop) => context.stop(Some(&peer), "ack", About::default(), stop).await,
    };
    answers::signed(&api, &peer, &asked, response).await
}
