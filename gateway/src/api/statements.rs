//! What a partner states about an exchange: `POST /v1/exchanges/{id}/ack`, `/recall`, `POST /v1/tickets/{id}`.
//!
//! Takes a small document, signed where the configuration asks for it and always under an acknowledgement, which is proof only when both sides mean the
//! same bytes; answers once its leaf is durable: 200, or 202 to a recall, whose batch is out of the inbox then, while its rows are taken back by the relay. Refuses what
//! is not its sender's own as what does not exist.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::json;

use super::gate::{About, Context};
use super::{Api, answers};
use crate::edge::Peer;
use crate::exchange::statement::StatementHead;
use crate::exchange::{Stop, ack, recall, ticket};
use crate::journal::Sealed;
use crate::signature::Asked;

/// Longest acknowledgement.
const ACK_BYTES_MAX: usize = 16 << 10;
/// Longest recall, and longest answer to a ticket.
const WORD_BYTES_MAX: usize = 4 << 10;

/// One statement on its way in.
struct Stated {
    api: Api,
    context: Context,
    peer: Arc<Peer>,
    /// The exchange that it is about, as the path has it.
    about: String,
    asked: Asked,
}

impl Stated {
    fn head<'a>(&'a self, body: &'a [u8]) -> StatementHead<'a> {
        StatementHead {
            about: &self.about,
            message: self.asked.message(),
            body,
        }
    }

    /// The answer, or the refusal with its leaf; signed for those who get signed answers.
    async fn answered(
        self,
        at: &'static str,
        sealed: Result<Sealed, Stop>,
        told: impl FnOnce(&Sealed) -> Response,
    ) -> Response {
        let response = match sealed {
            Ok(sealed) => {
                let mut response = told(&sealed);
                answers::place(&mut response, &sealed);
                response
            }
            Err(stop) => self.context.stop(Some(&self.peer), at, About::default(), stop).await,
        };
        answers::signed(&self.api, &self.peer, &self.asked, response).await
    }
}

/// Reads a statement's body apart from its head.
async fn read(
    (api, context, peer, about): (Api, Context, Arc<Peer>, String),
    request: Request,
    (bytes_max, malformed): (usize, &str),
) -> (Stated, Result<Bytes, Stop>) {
    let (parts, body) = request.into_parts();
    let body = super::document(api.body, body, bytes_max, malformed).await;
    let asked = Asked::of(parts);
    let stated = Stated {
        api,
        context,
        peer,
        about,
        asked,
    };
    (stated, body)
}

/// Takes an acknowledgement: whoever pulled an extract says that it has it, or that it has deleted it.
pub(crate) async fn acknowledge(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
    request: Request,
) -> Response {
    let limits = (ACK_BYTES_MAX, "the acknowledgement is cut or longer than 16 KiB");
    let (stated, body) = read((api, context, peer, exchange), request, limits).await;
    let sealed = match body {
        Ok(body) => ack::acknowledge(&stated.api.stations, &stated.peer, &stated.head(&body)).await,
        Err(stop) => Err(stop),
    };
    let told = |sealed: &Sealed| {
        let document = json!({
            "schema": "shuguan.ack.v1", "exchange": sealed.exchange, "index": sealed.index, "receipt": sealed.receipt,
        });
        (StatusCode::OK, Json(document)).into_response()
    };
    stated.answered("ack", sealed, told).await
}

/// Takes a recall: a partner withdraws a batch that it pushed.
pub(crate) async fn recall(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(push): Path<String>,
    request: Request,
) -> Response {
    let limits = (WORD_BYTES_MAX, "the recall is cut or longer than 4 KiB");
    let (stated, body) = read((api, context, peer, push.clone()), request, limits).await;
    let sealed = match body {
        Ok(body) => recall::recall(&stated.api.stations, &stated.peer, &stated.head(&body)).await,
        Err(stop) => Err(stop),
    };
    let told = |sealed: &Sealed| {
        let document = json!({
            "schema": "shuguan.recall.v1", "exchange": sealed.exchange, "recalls": push, "index": sealed.index,
            "receipt": sealed.receipt,
        });
        let location = sealed.exchange.map(|exchange| format!("/v1/exchanges/{exchange}"));
        let headers = [(header::LOCATION, location.unwrap_or_default())];
        (StatusCode::ACCEPTED, headers, Json(document)).into_response()
    };
    stated.answered("recall", sealed, told).await
}

/// Takes the answer to a ticket: a source says what it found about a field of a row of its own.
pub(crate) async fn answer(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(ticket): Path<String>,
    request: Request,
) -> Response {
    let limits = (WORD_BYTES_MAX, "the answer is cut or longer than 4 KiB");
    let (stated, body) = read((api, context, peer, ticket.clone()), request, limits).await;
    let sealed = match body {
        Ok(body) => ticket::answer(&stated.api.stations, &stated.peer, &stated.head(&body)).await,
        Err(stop) => Err(stop),
    };
    let told = |sealed: &Sealed| {
        let document = json!({
            "schema": "shuguan.ticket.v1", "id": ticket, "index": sealed.index, "receipt": sealed.receipt,
        });
        (StatusCode::OK, Json(document)).into_response()
    };
    stated.answered("tickets", sealed, told).await
}
