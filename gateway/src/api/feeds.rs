//! `POST /v1/feeds/{agency}/{record}`: push a batch.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use shuguan_adapters::catalogue;
use shuguan_policies::PolicySet;

use super::Api;
use super::answers;
use super::gate::{About, Context};
use super::problem::rate_limit_fields;
use crate::edge::Peer;
use crate::edge::deadline::GuardedBody;
use crate::edge::gatekeeper::Gatekeeper;
use crate::exchange::admit::PushHead;
use crate::exchange::answer::Answer;
use crate::exchange::attended::Attended;
use crate::exchange::push::push as exchange_push;
use crate::signature::Asked;

/// A body under limits, with its sender.
type Uploaded = Attended<GuardedBody<Body>>;

/// Takes a batch; answers 202 when it is durable. A sender that hangs up loses the answer and nothing else: what became of his batch is in the log, counted
/// and charged as if he had waited.
pub(crate) async fn push(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Extension(gatekeeper): Extension<Arc<Gatekeeper>>,
    Path((agency, record)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let (body, _sender) = Attended::new(GuardedBody::new(body, api.body).over(parts.version));
    let head = PushHead {
        record: format!("{agency}/{record}"),
        asked: Asked::of(parts),
        gatekeeper,
    };
    let stations = Arc::clone(&api.stations);
    let taker = context.clone();
    let taken = async move { Ok(take(&api, &taker, &peer, &head, body).await) };
    match stations.to_the_end(taken).await {
        Ok(response) => response,
        Err(stop) => context.stop(None, "push", About::default(), stop).await,
    }
}

async fn take(api: &Api, context: &Context, peer: &Arc<Peer>, head: &PushHead, body: Uploaded) -> Response {
    let response = match exchange_push(&api.stations, Arc::clone(peer), head, body).await {
        Ok(answer) => {
            metrics::counter!("shuguan_pushes_total", "partner" => peer.partner().id.clone()).increment(1);
            answered(StatusCode::ACCEPTED, answer)
        }
        Err(stop) => {
            let policies = api.stations.policies.load();
            context.stop(Some(peer), "push", about(head, &policies), stop).await
        }
    };
    answers::signed(api, peer, &head.asked, response).await
}

/// What a push is about, by names that exist.
fn about<'p>(head: &PushHead, policies: &'p PolicySet) -> About<'p> {
    let asked = head.asked.headers.get("exchange-purpose");
    let asked = asked.and_then(|value| value.to_str().ok());
    let mut known = policies.purposes().iter().map(|purpose| purpose.code.as_str());
    About {
        record: catalogue::record_type(&head.record).map(|record| record.name),
        dataset: None,
        purpose: known.find(|code| Some(*code) == asked),
        bundle: Some(policies.hash()),
    }
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
