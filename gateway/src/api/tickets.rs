//! `GET /v1/tickets`, `POST /v1/tickets/{id}`: what a source is asked to check of its own rows, and its answer.
//!
//! Takes a document with the answer; gives 200 once the `ticket-answer` leaf is durable. Shows a partner its own tickets and nobody else's, and none of them names another
//! source. Refuses what is not its own as what does not exist.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;

use super::Api;
use super::answers;
use super::gate::{About, Context};
use crate::edge::Peer;
use crate::exchange::ticket::{self, AnswerHead};
use crate::signature::Asked;

/// Longest answer.
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// Where a page goes on.
#[derive(Debug, Deserialize)]
pub struct Page {
    before: Option<u64>,
}

/// The partner's tickets.
pub async fn list(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Query(page): Query<Page>,
) -> Response {
    match ticket::list(&api.stations, &peer.partner().id, page.before).await {
        Ok(document) => axum::Json(document).into_response(),
        Err(stop) => context.stop(Some(&peer), "tickets", About::default(), stop).await,
    }
}

/// Takes an answer.
pub async fn answer(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(ticket): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(parts);
    let malformed = "the answer is cut or longer than 4 KiB";
    let sealed = match super::document(api.body, body, ANSWER_BYTES_MAX, malformed).await {
        Ok(body) => {
            let head = AnswerHead {
                ticket: &ticket,
                message: asked.message(),
                body: &body,
            };
            ticket::answer(&api.stations, &peer, &head).await
        }
        Err(stop) => Err(stop),
    };
    let response = match sealed {
        Ok(sealed) => {
            let document = serde_json::json!({
                "schema": "shuguan.ticket.v1", "id": ticket, "index": sealed.index, "receipt": sealed.receipt,
            });
            let mut response = (StatusCode::OK, axum::Json(document)).into_response();
            answers::place(&mut response, api.stations.journal.origin(), &sealed);
            response
        }
        Err(stop) => context.stop(Some(&peer), "tickets", About::default(), stop).await,
    };
    answers::signed(&api, &peer, &asked, response).await
}
