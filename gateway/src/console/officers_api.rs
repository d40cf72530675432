//! `POST /console/api/search` and `/show`: the officers' API, for `shuguan audit` and other programs.
//!
//! Takes JSON; gives JSON. The question is sealed before anything is read (C5).

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use axum::{Extension, Json};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use shuguan_ledger::time;

use super::exchanges::Choices;
use super::question::{self, Act, Request};
use super::{Desk, json, proof};
use crate::api::exchanges;
use crate::api::gate::Context;
use crate::edge::Peer;
use crate::exchange::{Fault, Stop};
use crate::journal::LeafRow;
use crate::refusal::Refusal;

type Body = Result<Json<Request>, JsonRejection>;

/// Leaves that match.
pub(super) async fn search(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let found = async {
        let request = taken(&headers, &uri, body)?;
        found(&desk, &peer, &request).await
    };
    json::answer(&context, &peer, "console", found.await).await
}

/// One exchange with its leaves, its proof and its receipt.
pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let shown = async {
        let request = taken(&headers, &uri, body)?;
        shown(&desk, &peer, &request).await
    };
    json::answer(&context, &peer, "console", shown.await).await
}

fn taken(headers: &HeaderMap, uri: &Uri, body: Body) -> Result<Request, Stop> {
    let members = "case, why, exchange, partner, record, purpose, outcome, kind, from, to, limit, before";
    json::asked(headers, uri, body, members)
}

async fn found(desk: &Desk, peer: &Peer, request: &Request) -> Result<Value, Stop> {
    let stations = &desk.console.api.stations;
    let asked = question::ask(stations, peer, Act::Search, request).await?;
    let found = asked.search(&stations.journal).await?;
    Ok(json!({
        "schema": "shuguan.audit.search.v1",
        "query_index": asked.index(),
        "items": found.rows.iter().map(row).collect::<Vec<_>>(),
        "next_before": found.next_before,
        "unknown": Choices::of(&stations.policies.load()).unknown(request),
    }))
}

async fn shown(desk: &Desk, peer: &Peer, request: &Request) -> Result<Value, Stop> {
    let stations = &desk.console.api.stations;
    let asked = question::ask(stations, peer, Act::Show, request).await?;
    let view = asked.exchange(&stations.journal).await?;
    let receipt = stations.journal.receipt(view.exchange).await;
    let receipt = receipt.map_err(Fault::from_error("read a receipt"))?;
    let first = view.leaves.first().ok_or(Refusal::NotFound)?;
    Ok(json!({
        "schema": "shuguan.audit.show.v1",
        "query_index": asked.index(),
        "exchange": exchanges::described_whole(&desk.console.api, &view).await?,
        "leaves": view.leaves.iter().map(row).collect::<Vec<_>>(),
        "proof": proof::prove_seen(stations, view.exchange, first).await,
        "receipt": receipt,
    }))
}

fn row(row: &LeafRow) -> Value {
    json!({
        "index": row.index,
        "t": time::format(row.t_us),
        "kind": row.kind,
        "exchange": row.exchange,
        "partner": row.partner,
        "record": row.record,
        "purpose": row.purpose,
        "outcome": row.code,
    })
}
