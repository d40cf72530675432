//! What every JSON route of the console does before and after its own work.
//!
//! Takes headers, address and body of a request; gives what was asked, and the answer to what came of it. Refuses what another site made a browser send, and a
//! body with other members than the route has: which ones it has is said, never what was sent.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use serde_json::Value;

use super::{Desk, guard};
use crate::api::gate::{About, Context};
use crate::edge::Peer;
use crate::exchange::{Refused, Stop};
use crate::refusal::Refusal;

/// What was asked; `members` tells which members the route has.
///
/// # Errors
/// [`Refusal::CrossSite`], [`Refusal::BadRequest`].
pub(super) fn asked<T>(
    headers: &HeaderMap,
    uri: &Uri,
    body: Result<Json<T>, JsonRejection>,
    members: &str,
) -> Result<T, Stop> {
    guard::from_no_other_site(headers, uri)?;
    // serde's message would repeat what was sent.
    let Json(asked) = body.map_err(|_| Refused::new(Refusal::BadRequest).detail(format!("members are {members}")))?;
    Ok(asked)
}

/// Carries an act out and answers it, whoever goes on waiting: one who hangs up leaves an act whole, and a refusal with its leaf and its count.
pub(super) fn carried_out(
    desk: &Desk,
    context: Context,
    peer: Arc<Peer>,
    at: &'static str,
    act: impl Future<Output = Result<Value, Stop>> + Send + 'static,
) -> impl Future<Output = Response> + Send {
    let (answering, officer) = (context.clone(), Arc::clone(&peer));
    // Boxed before anybody waits: some acts are large.
    let answered = Box::pin(async move { Ok(answer(&answering, &officer, at, act.await).await) });
    async move {
        match desk.console.api.stations.to_the_end(answered).await {
            Ok(response) => response,
            Err(stop) => context.stop(Some(&peer), at, About::default(), stop).await,
        }
    }
}

/// The document, or why there is none; `at` names the route in the leaf of a refusal.
pub(super) async fn answer(
    context: &Context,
    peer: &Peer,
    at: &'static str,
    document: Result<Value, Stop>,
) -> Response {
    match document {
        Ok(document) => Json(document).into_response(),
        Err(stop) => context.stop(Some(peer), at, About::default(), stop).await,
    }
}
