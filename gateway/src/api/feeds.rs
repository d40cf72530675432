//! `POST /v1/feeds/{agency}/{record}`: push a batch.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use shuguan_adapters::catalogue;

use super::Api;
use super::answers;
use super::gate::{About, Context};
use super::problem::rate_limit_fields;
use crate::edge::Peer;
use crate::edge::deadline::GuardedBody;
use crate::edge::gatekeeper::Gatekeeper;
use crate::exchange::admit::PushHead;
use crate::exchange::answer::Answer;
use crate::exchange::push::push as exchange_push;
use crate::signature::Asked;

/// Takes a batch; answers 202 when it is durable.
pub async fn push(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Extension(gatekeeper): Extension<Arc<Gatekeeper>>,
    Path((agency, record)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let head = PushHead {
        record: format!("{agency}/{record}"),
        asked: Asked::of(parts),
        gatekeeper,
    };
    let body = GuardedBody::new(body, api.body);
    let response = match exchange_push(&api.stations, Arc::clone(&peer), &head, body).await {
        Ok(answer) => {
            metrics::counter!("shuguan_pushes_total", "partner" => peer.partner().id.clone()).increment(1);
            answered(StatusCode::ACCEPTED, answer)
        }
        Err(stop) => {
            let record = catalogue::record_type(&head.record).map(|record| record.name);
            let policies = api.stations.policies.load();
            let asked = head
                .asked
                .headers
                .get("exchange-purpose")
                .and_then(|value| value.to_str().ok());
            let purpose = policies
                .purposes()
                .iter()
                .map(|purpose| purpose.code.as_str())
                .find(|code| Some(*code) == asked);
            let about = About {
                record,
                dataset: None,
                purpose,
                bundle: Some(policies.hash()),
            };
            context.stop(Some(&peer), "push", about, stop).await
        }
    };
    answers::signed(&api, &peer, &head.asked, response).await
}

/// The answer to an exchange that was sealed, under its key; `Location` where it goes on.
pub(super) fn answered(status: StatusCode, answer: Answer) -> Response {
    let mut response = (status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::ACCEPTED
        && let Ok(location) = HeaderValue::from_str(&format!("/v1/exchanges/{}", answer.exchange))
    {
        headers.insert(header::LOCATION, location);
    }
    if answer.replayed {
        headers.insert(
            HeaderName::from_static("idempotency-replayed"),
            HeaderValue::from_static("true"),
        );
    }
    rate_limit_fields(headers, &answer.standing);
    answers::place(&mut response, &answer.sealed);
    response
}
