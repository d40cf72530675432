//! `GET /v1/exchanges/{id}`, `/receipt`, `/rejects`: what became of an exchange, for its own partner only.
//!
//! An exchange that does not exist and one of another partner look the same.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Value, json};
use shuguan_ledger::leaf::{Event, Leaf};
use shuguan_ledger::time;
use uuid::Uuid;

use super::Api;
use super::catalog::withheld;
use super::gate::{About, Context};
use crate::edge::Peer;
use crate::exchange::{Fault, Stop};
use crate::journal::ExchangeView;
use crate::refusal::Refusal;

async fn own(api: &Api, peer: &Peer, exchange: &str) -> Result<ExchangeView, Stop> {
    let exchange: Uuid = exchange.parse().map_err(|_| Refusal::NotFound)?;
    let view = api
        .stations
        .journal
        .exchange(exchange)
        .await
        .map_err(Fault::from_error("read an exchange"))?
        .ok_or(Refusal::NotFound)?;
    if view.leaf.event.partner() != Some(peer.partner().id.as_str()) {
        return Err(Refusal::NotFound.into());
    }
    Ok(view)
}

/// The state of an exchange.
pub async fn status(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
) -> Response {
    match own(&api, &peer, &exchange).await {
        Ok(view) => axum::Json(document(&api, &view)).into_response(),
        Err(stop) => context.stop(Some(&peer), "exchanges", About::default(), stop).await,
    }
}

/// The state of an exchange as JSON.
pub fn document(api: &Api, view: &ExchangeView) -> Value {
    let mut document = json!({
        "schema": "shuguan.exchange.v1",
        "exchange": view.exchange,
        "kind": view.leaf.event.kind(),
        "index": view.index,
        "sealed_at": time::format(view.leaf.t),
        "state": state(view),
        "partner": view.leaf.event.partner(),
    });
    let Some(members) = document.as_object_mut() else {
        return document;
    };
    match &view.leaf.event {
        Event::Push(event) => {
            let counts = json!({
                "record": event.rec, "purpose": event.pur, "agreement": event.agr, "format": event.fmt,
                "received": event.r#in, "accepted": event.ok, "rejected": event.rej,
                "filtered": event.fil, "repeated": event.rep, "bytes": event.bytes,
            });
            members.extend(counts.as_object().cloned().unwrap_or_default());
            let policies = api.stations.policies.load();
            if let Some(plan) = policies.plans().find(|plan| plan.hash() == event.plan.0) {
                members.insert("withheld".into(), json!(withheld(plan)));
            }
        }
        Event::Pull(event) => {
            let counts = json!({
                "dataset": event.ds, "purpose": event.pur, "agreement": event.agr, "format": event.fmt,
                "rows": event.rows, "filtered": event.fil, "bytes": event.bytes,
            });
            members.extend(counts.as_object().cloned().unwrap_or_default());
        }
        Event::Refusal(event) => {
            members.insert("code".into(), event.code.clone().into());
        }
        Event::Relayed(_)
        | Event::OfficerQuery(_)
        | Event::Start(_)
        | Event::Stop(_)
        | Event::Certificate(_)
        | Event::Policy(_)
        | Event::Erased(_) => {}
    }
    if let Some((
        _,
        Leaf {
            event: Event::Relayed(relayed),
            ..
        },
    )) = &view.relayed
    {
        members.insert(
            "relayed".into(),
            json!({ "inserted": relayed.ins, "updated": relayed.upd, "same": relayed.same, "failed": relayed.fail }),
        );
    }
    document
}

fn state(view: &ExchangeView) -> &'static str {
    match &view.leaf.event {
        Event::Push(_) if view.relayed.is_some() => "relayed",
        Event::Push(_) if view.inbox.as_ref().is_some_and(|inbox| inbox.state == "set-aside") => "set-aside",
        Event::Refusal(_) => "refused",
        _ => "sealed",
    }
}

/// The receipt, as a tlog-proof.
pub async fn receipt(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
) -> Response {
    let receipt = async {
        let view = own(&api, &peer, &exchange).await?;
        let receipt = api.stations.journal.receipt(view.exchange).await;
        Ok(receipt
            .map_err(Fault::from_error("read a receipt"))?
            .ok_or(Refusal::NotFound)?)
    };
    match receipt.await {
        Ok(receipt) => {
            let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (headers, receipt).into_response()
        }
        Err(stop) => context.stop(Some(&peer), "exchanges", About::default(), stop).await,
    }
}

/// The reject report: NDJSON of row, line, field, code.
pub async fn rejects(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
) -> Response {
    let rejects = async {
        let view = own(&api, &peer, &exchange).await?;
        let rejects = api.stations.journal.rejects(view.exchange).await;
        Ok(rejects
            .map_err(Fault::from_error("read a reject report"))?
            .unwrap_or_default())
    };
    match rejects.await {
        Ok(rejects) => {
            let headers = [(header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8")];
            (headers, rejects).into_response()
        }
        Err(stop) => context.stop(Some(&peer), "exchanges", About::default(), stop).await,
    }
}
