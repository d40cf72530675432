//! `GET /console/api/relay`, `POST /console/api/relay`: the operator's acts on the relay (design 10.1).
//!
//! Takes JSON, `{"act", "exchange", "why"}`; gives the state of the relay and what is set aside. Refuses every role but the operator's, and an act on
//! a batch that is not set aside. An act and its leaf are one transaction; a pause outlives a restart, because the log says so. Shows no record.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use axum::{Extension, Json};
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use shuguan_ledger::leaf::{Event, OperatorEvent};
use shuguan_ledger::time;
use uuid::Uuid;

use super::{Desk, guard, json};
use crate::api::gate::Context;
use crate::edge::Peer;
use crate::exchange::compare::REGISTRY_RETRY_AFTER_S;
use crate::exchange::recall::Why;
use crate::exchange::seal::unavailable;
use crate::exchange::{Fault, Refused, Stop};
use crate::refusal::Refusal;
use crate::registry::Progress;
use crate::relay::holds_whole;

/// What an operator asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    act: Act,
    exchange: Option<Uuid>,
    why: Option<Why>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Act {
    Pause,
    Resume,
    Release,
    Discard,
    FeedAgain,
}

impl Act {
    /// As it stands in the leaf.
    fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Release => "released-again",
            Self::Discard => "discarded",
            Self::FeedAgain => "fed-again",
        }
    }
}

/// The route.
pub(super) fn route() -> MethodRouter<Arc<Desk>> {
    get(show).post(act)
}

async fn show(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
) -> Response {
    let shown = async {
        guard::operators_only(&peer)?;
        document(&desk, None, None).await
    };
    json::answer(&context, &peer, "relay", shown.await).await
}

async fn act(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Order>, JsonRejection>,
) -> Response {
    let (acting, officer) = (Arc::clone(&desk), Arc::clone(&peer));
    let act = async move {
        guard::operators_only(&officer)?;
        let members =
            "act (pause, resume, release, discard, feed-again), exchange, why (wrong-batch, superseded, unusable)";
        let order: Order = json::asked(&headers, &uri, body, members)?;
        let discarded = order.exchange.filter(|_| order.act == Act::Discard);
        let leaf = acted(&acting, &officer, &order).await?;
        document(&acting, Some(leaf), discarded).await
    };
    json::carried_out(&desk, context, peer, "relay", act).await
}

/// Seals the act; the relay follows it at its next turn.
async fn acted(desk: &Desk, peer: &Peer, order: &Order) -> Result<u64, Stop> {
    let wrong = |detail: &str| Stop::from(Refused::new(Refusal::BadRequest).detail(detail));
    match (order.act, order.exchange, order.why) {
        (Act::FeedAgain, Some(exchange), None) => return feed_again(desk, peer, exchange).await,
        (Act::Release, Some(exchange), None) if desk.console.relay.is_apart(exchange) => {
            return recall_again(desk, peer, exchange).await;
        }
        (Act::Pause | Act::Resume, None, None) | (Act::Release, Some(_), None) | (Act::Discard, Some(_), Some(_)) => {}
        (Act::Pause | Act::Resume, ..) => return Err(wrong("pause and resume name no exchange and no reason")),
        (Act::Release | Act::FeedAgain, ..) => return Err(wrong("this act names an exchange and no reason")),
        (Act::Discard, ..) => return Err(wrong("discard names an exchange and a reason")),
    }
    let exchange = order.exchange.map(|exchange| exchange.to_string());
    let why = order.why.map(|why| why.code().into());
    let event = OperatorEvent::of_act(&*peer.partner().id, order.act.done(), exchange, why);
    let journal = &desk.console.api.stations.journal;
    let sealed = journal.operate(order.exchange, event).await.map_err(unavailable)?;
    // Not set aside, or unknown: both look alike.
    let sealed = sealed.ok_or(Refusal::NotFound)?;
    match order.act {
        Act::Pause => desk.console.relay.pause(true),
        Act::Resume => desk.console.relay.pause(false),
        Act::Release | Act::Discard | Act::FeedAgain => {}
    }
    Ok(sealed.index)
}

/// A recall that the registry refused is tried again: it has no place in the inbox that would change.
async fn recall_again(desk: &Desk, peer: &Peer, exchange: Uuid) -> Result<u64, Stop> {
    let named = Some(exchange.to_string());
    let event = OperatorEvent::of_act(&*peer.partner().id, Act::Release.done(), named, None);
    let journal = &desk.console.api.stations.journal;
    let sealed = journal.operate(None, event).await.map_err(unavailable)?;
    desk.console.relay.again(exchange);
    Ok(sealed.ok_or(Refusal::NotFound)?.index)
}

/// Only what the registry does not hold whole is fed to it again: a `relayed` leaf for nothing would blur the log.
async fn feed_again(desk: &Desk, peer: &Peer, exchange: Uuid) -> Result<u64, Stop> {
    let stations = &desk.console.api.stations;
    let known = stations.journal.sealed_entry(exchange).await;
    known
        .map_err(Fault::from_error("read an exchange"))?
        .ok_or(Refusal::NotFound)?;
    // It may have been fed again before: the newest counts.
    let relayed = stations.journal.newest_of("relayed", vec![exchange]).await;
    let relayed = relayed.map_err(Fault::from_error("read a leaf"))?.remove(&exchange);
    let progress = stations.registry.progress(exchange).await;
    let unanswered = || Refused::new(Refusal::RegistryUnavailable).retry_after(REGISTRY_RETRY_AFTER_S);
    let progress = progress.map_err(|_fault| unanswered())?;
    if matches!(relayed.map(|leaf| leaf.event), Some(Event::Relayed(event)) if holds_whole(progress.as_ref(), &event)) {
        return Err(Refused::new(Refusal::BadRequest)
            .detail("the registry holds it whole")
            .into());
    }
    let sealed = stations.journal.feed_again(exchange, &peer.partner().id).await;
    let sealed = sealed.map_err(unavailable)?;
    let gone = || {
        Refused::new(Refusal::NotFound)
            .detail("it was not relayed, or its payload is erased: its sender must push it again")
    };
    Ok(sealed.ok_or_else(gone)?.index)
}

async fn document(desk: &Desk, leaf: Option<u64>, discarded: Option<Uuid>) -> Result<Value, Stop> {
    let stations = &desk.console.api.stations;
    let aside = stations.journal.list_set_aside(None).await;
    let aside = aside.map_err(Fault::from_error("list what is set aside"))?;
    let snapshot = desk.console.relay.snapshot(stations.clock.now_us());
    let asked = aside.iter().map(|one| one.exchange).chain(discarded).collect();
    let known = written(desk, asked).await;
    let rows = |exchange: &Uuid| known.as_ref().map(|known| known.get(exchange).copied().unwrap_or(0));
    Ok(json!({
        "schema": "shuguan.relay-acts.v1",
        "paused": desk.console.relay.is_paused(),
        "relay": snapshot,
        "recalls_waiting": stations.journal.backlog().recalls,
        "set_aside": aside.iter().map(|one| json!({
            "exchange": one.exchange,
            "record": one.record,
            "partner": one.partner,
            "reason": one.reason,
            "received": time::format(one.received_us),
            "rows_in": rows(&one.exchange),
        })).collect::<Vec<_>>(),
        "discarded": discarded.map(|exchange| json!({ "exchange": exchange, "rows_in": rows(&exchange) })),
        "leaf": leaf,
    }))
}

/// How many rows each of them has written or closed in the registry, one that is unknown there left out; none when the registry does not answer in time.
async fn written(desk: &Desk, exchanges: Vec<Uuid>) -> Option<HashMap<Uuid, u64>> {
    if exchanges.is_empty() {
        return Some(HashMap::new());
    }
    let asked = desk.console.api.stations.registry.progress_of_all(exchanges);
    let known = tokio::time::timeout(REGISTRY_PATIENCE, asked).await.ok()?.ok()?;
    let rows = |(exchange, progress): (Uuid, Progress)| (exchange, progress.written());
    Some(known.into_iter().map(rows).collect())
}

/// An operator who asks what waits is not kept waiting by a registry that hangs.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(3);
