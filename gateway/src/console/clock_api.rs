//! `GET /console/api/clock`, `POST /console/api/clock`: how the machine's clock stands, and the operator's word that a step of it is the time.
//!
//! Takes JSON, `{"confirm": true}`; gives the time that the log goes on by, the machine's, and the leaf that says who confirmed. Refuses every role but the
//! operator's, and a confirmation where no step is held.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use axum::{Extension, Json};
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use shuguan_ledger::time;

use super::{Desk, guard, json};
use crate::api::gate::Context;
use crate::clock::steps::By;
use crate::edge::Peer;
use crate::exchange::seal::unavailable;
use crate::exchange::{Refused, Stop};
use crate::refusal::Refusal;

/// What an operator says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// The machine's clock is right.
    confirm: bool,
}

/// The route.
pub(super) fn route() -> MethodRouter<Arc<Desk>> {
    get(show).post(confirm)
}

async fn show(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
) -> Response {
    let shown = guard::operators_only(&peer)
        .map(|()| document(&desk, None))
        .map_err(Stop::from);
    json::answer(&context, &peer, "clock", shown).await
}

async fn confirm(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Order>, JsonRejection>,
) -> Response {
    let confirmed = async {
        guard::operators_only(&peer)?;
        let order: Order = json::asked(&headers, &uri, body, "confirm (true)")?;
        confirmed(&desk, &peer, &order).await
    };
    json::answer(&context, &peer, "clock", confirmed.await).await
}

async fn confirmed(desk: &Desk, peer: &Peer, order: &Order) -> Result<Value, Stop> {
    let refused = |detail: &str| Stop::from(Refused::new(Refusal::BadRequest).detail(detail));
    if !order.confirm {
        return Err(refused("`confirm` is true, or nothing is asked"));
    }
    let journal = &desk.console.api.stations.journal;
    if !journal.time().confirm(By::Operator(peer.partner().id.clone())) {
        return Err(refused("no step of the machine's clock is held"));
    }
    // When it cannot be sealed now, it is told with the next second.
    let leaf = journal.tell_clock().await.map_err(unavailable)?;
    Ok(document(desk, leaf))
}

fn document(desk: &Desk, leaf: Option<u64>) -> Value {
    let log = desk.console.api.stations.journal.time();
    let standing = log.standing();
    json!({
        "schema": "shuguan.clock.v1",
        "time": time::format(log.now_us()),
        "machine": time::format(log.machine().now_us()),
        "held_s": standing.off_s(),
        "taken_in_s": standing.settles_in_us.map(|us| us / 1_000_000),
        "log_ahead_s": standing.debt_us / 1_000_000,
        "leaf": leaf,
    })
}
