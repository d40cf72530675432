//! `GET /v1/exchanges?from=`, `/v1/exchanges/{id}`, `/receipt`, `/rejects`: what became of an exchange, for its own partner only.
//!
//! An exchange that does not exist and one of another partner look the same. What the relay made of the rows is not told: whether one was new depends on what
//! other sources sent (C1).

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use serde_json::{Value, json};
use shuguan_ledger::leaf::{Event, Leaf, PushEvent, RecalledEvent, RefusalEvent};
use shuguan_ledger::time;
use uuid::Uuid;

use super::Api;
use super::gate::{About, Context};
use super::places;
use super::report::{self, ReportForm};
use crate::bundle::past;
use crate::edge::Peer;
use crate::exchange::{Fault, Refused, Stop};
use crate::journal::{ExchangeView, InboxState, RECALLED, Sealed};
use crate::opening::{self, Opening};
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
pub(crate) async fn status(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
) -> Response {
    match own(&api, &peer, &exchange).await {
        Ok(view) => match described(&api, &view).await {
            Ok(document) => axum::Json(document).into_response(),
            Err(stop) => context.stop(Some(&peer), "exchanges", About::default(), stop).await,
        },
        Err(stop) => context.stop(Some(&peer), "exchanges", About::default(), stop).await,
    }
}

/// Where a list begins.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListFrom {
    #[serde(default)]
    from: u64,
}

/// The partner's own exchanges from an index on, each with its receipt under the newest checkpoint that a quorum of witnesses signed, or under the newest where that does
/// not cover it: what `shuguan reconcile` compares.
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    from: Result<Query<ListFrom>, QueryRejection>,
) -> Response {
    let listed = async {
        let Query(from) =
            from.map_err(|_| Refused::new(Refusal::BadRequest).detail("`from` is an index of the log"))?;
        let _permit = api.stations.admission.admit(&peer.partner().id)?;
        let listed = api
            .stations
            .journal
            .exchanges_of(peer.partner().id.clone(), from.from)
            .await;
        listed.map_err(Fault::from_error("list exchanges")).map_err(Stop::from)
    };
    match listed.await {
        Ok(listed) => {
            let items: Vec<Value> = listed.iter().map(listed_one).collect();
            let next = listed.last().map(|(sealed, _)| sealed.index + 1);
            axum::Json(json!({ "schema": "shuguan.exchanges.v1", "items": items, "next": next })).into_response()
        }
        Err(stop) => context.stop(Some(&peer), "exchanges", About::default(), stop).await,
    }
}

/// An exchange with its receipt, and how it was settled. A leaf that says what became of its rows in the registry is not shown: that depends on rows of
/// other sources (C1).
fn listed_one((sealed, settled): &(Sealed, Option<Sealed>)) -> Value {
    let leaf = settled.as_ref().and_then(|settled| Leaf::decode(&settled.leaf).ok());
    let state = leaf.and_then(|leaf| match leaf.event {
        Event::Relayed(_) => Some("relayed"),
        Event::Recalled(_) => Some("recalled"),
        Event::Operator(_) => Some("discarded"),
        _ => None,
    });
    let shown = settled.as_ref().filter(|_| state == Some("discarded"));
    json!({
        "index": sealed.index, "exchange": sealed.exchange, "receipt": sealed.receipt, "state": state,
        "settled": shown.map(|settled| &settled.receipt),
    })
}

/// For officers: the state of an exchange, what became of its rows in the registry, and whether the plan that it ran on is known or what was kept of it was edited. A partner is not told this (C1): whether a row was inserted, updated, or
/// closed depends on what other sources sent.
pub(crate) async fn described_whole(api: &Api, view: &ExchangeView) -> Result<Value, Stop> {
    let mut document = described(api, view).await?;
    let plan = match past::named_by(&view.leaf.event) {
        Some(hash) => Some(past::reported(&api.stations, hash).await),
        None => None,
    };
    let plan = plan.transpose().map_err(Fault::from_error("read a past plan"))?;
    let relayed = view.relayed.as_ref().map(|(_, leaf)| &leaf.event);
    let Some(members) = document.as_object_mut() else {
        return Ok(document);
    };
    if let Some(Event::Relayed(relayed)) = relayed {
        let counts = json!({
            "inserted": relayed.ins, "updated": relayed.upd, "same": relayed.same, "failed": relayed.fail,
            "closed": relayed.del.unwrap_or(0),
        });
        members.insert("relayed".into(), counts);
    }
    if let Some(plan) = plan {
        members.insert("plan_known".into(), plan.known().is_some().into());
        members.insert("plan_edited".into(), plan.is_edited().into());
    }
    if let Some(done) = recalled(view) {
        let counts = json!({ "withdrawn": done.del, "reopened": done.opn });
        members.insert("recalled".into(), counts);
    }
    Ok(document)
}

/// The state of an exchange as JSON, with the quality report of a batch.
pub(crate) async fn described(api: &Api, view: &ExchangeView) -> Result<Value, Stop> {
    let mut document = document(api, view);
    if let (Some(members), Event::Push(push)) = (document.as_object_mut(), &view.leaf.event) {
        let withheld = withheld(api, push).await?;
        members.extend(withheld.map(|fields| ("withheld".to_owned(), fields.into())));
    }
    let quality = match &view.leaf.event {
        Event::Push(PushEvent { qua: Some(_), .. }) | Event::Refusal(RefusalEvent { qua: Some(_), .. }) => {
            let quality = api.stations.journal.quality(view.exchange).await;
            quality.map_err(Fault::from_error("read a quality report"))?
        }
        _ => None,
    };
    if let (Some(members), Some(quality)) = (document.as_object_mut(), quality) {
        members.insert("quality".into(), quality);
    }
    Ok(document)
}

/// The fields that its plan withheld, also when its grant says something else by now; none: nobody knows any more.
async fn withheld(api: &Api, push: &PushEvent) -> Result<Option<Vec<&'static str>>, Stop> {
    let kept = past::plan_of(&api.stations, push.plan.0).await;
    let kept = kept.map_err(Fault::from_error("read a past plan"))?;
    let fields = kept.known().and_then(|known| known.plan.withheld.as_deref());
    Ok(fields.map(|fields| fields.iter().map(|field| field.name).collect()))
}

fn document(api: &Api, view: &ExchangeView) -> Value {
    let mut document = json!({
        "schema": "shuguan.exchange.v1",
        "exchange": view.exchange,
        "kind": view.leaf.event.kind(),
        "index": view.index,
        "sealed_at": time::format(view.leaf.when()),
        "state": state(view),
        "partner": view.leaf.event.partner(),
    });
    if api.stations.witnessing.is_on()
        && let Some(members) = document.as_object_mut()
    {
        let under = api
            .stations
            .witnessing
            .newest()
            .is_some_and(|newest| view.index < newest.size);
        members.insert("witnessed".into(), under.into());
    }
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
            members.insert("mode".into(), event.mode.as_deref().unwrap_or("upsert").into());
            let asked = [
                ("scope", event.sco.clone().map(Value::from)),
                ("count", event.cnt.map(Value::from)),
                ("layout", event.lay.clone().map(Value::from)),
                ("constants", event.con.clone().map(Value::from)),
            ];
            members.extend(
                asked
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.to_owned(), value?))),
            );
            if !view.recalled_behind.is_empty() {
                members.insert("recalled_behind".into(), json!(view.recalled_behind));
            }
            if let Some(recall) = view.recall {
                let state = if recall.is_done { "done" } else { "waiting" };
                members.insert("recall".into(), json!({ "exchange": recall.exchange, "state": state }));
            }
        }
        Event::Pull(event) => {
            let counts = json!({
                "dataset": event.ds, "purpose": event.pur, "agreement": event.agr, "format": event.fmt,
                "rows": event.rows, "bytes": event.bytes,
            });
            members.extend(counts.as_object().cloned().unwrap_or_default());
        }
        Event::Compare(event) => {
            let counts = json!({
                "dataset": event.ds, "purpose": event.pur, "agreement": event.agr, "rows": event.rows, "absent": event.abs,
            });
            members.extend(counts.as_object().cloned().unwrap_or_default());
        }
        Event::Refusal(event) => {
            members.insert("code".into(), event.code.clone().into());
            members.extend(event.rec.clone().map(|record| ("record".to_owned(), record.into())));
        }
        Event::Aborted(event) => {
            members.insert("code".into(), event.code.clone().into());
        }
        Event::Recall(event) => {
            let what = json!({ "record": event.rec, "recalls": event.push, "reason": event.why });
            members.extend(what.as_object().cloned().unwrap_or_default());
        }
        Event::Ticket(event) => {
            let what = json!({ "record": event.rec, "push": event.push, "row": event.row, "field": event.fld });
            members.extend(what.as_object().cloned().unwrap_or_default());
        }
        Event::Relayed(_)
        | Event::SetAside(_)
        | Event::TicketAnswer(_)
        | Event::Recalled(_)
        | Event::ReceiptAck(_)
        | Event::OfficerQuery(_)
        | Event::OfficerResult(_)
        | Event::OfficerUnseal(_)
        | Event::Shred(_)
        | Event::Start(_)
        | Event::Stop(_)
        | Event::Certificate(_)
        | Event::Config(_)
        | Event::Key(_)
        | Event::LogClose(_)
        | Event::LogOpen(_)
        | Event::LogGap(_)
        | Event::Policy(_)
        | Event::Operator(_)
        | Event::WitnessGap(_)
        | Event::Clock(_)
        | Event::Full(_)
        | Event::Erased(_) => {}
    }
    document
}

/// The record type that a batch was sent as.
fn record(event: &Event) -> Option<&str> {
    match event {
        Event::Push(event) => Some(&event.rec),
        Event::Refusal(event) => event.rec.as_deref(),
        Event::Aborted(event) => Some(&event.rec),
        _ => None,
    }
}

/// What became of a recall.
fn recalled(view: &ExchangeView) -> Option<&RecalledEvent> {
    match &view.recalled.as_ref()?.1.event {
        Event::Recalled(event) => Some(event),
        _ => None,
    }
}

fn state(view: &ExchangeView) -> &'static str {
    match &view.leaf.event {
        Event::Push(_) => state_of_push(view),
        Event::Recall(_) if recalled(view).is_some() => "recalled",
        Event::Refusal(_) => "refused",
        Event::Aborted(_) => "aborted",
        _ => "sealed",
    }
}

fn state_of_push(view: &ExchangeView) -> &'static str {
    let inbox = view.inbox.as_ref();
    match inbox.map(|inbox| inbox.state) {
        _ if inbox.is_some_and(|inbox| inbox.reason.as_deref() == Some(RECALLED)) => "recalled",
        _ if view.relayed.is_some() => InboxState::Relayed.name(),
        Some(InboxState::SetAside) => InboxState::SetAside.name(),
        // Nothing else is erased without a `relayed` leaf.
        Some(InboxState::Discarded | InboxState::Erased) => InboxState::Discarded.name(),
        Some(InboxState::Waiting | InboxState::Relayed) | None => "sealed",
    }
}

/// The receipt, as a tlog-proof: under the newest checkpoint that a quorum of witnesses signed, if that covers it, else as it was sealed.
/// Of a push also what opens its columns, and of an extract what opens its content, when that is asked for.
pub(crate) async fn receipt(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
    headers: HeaderMap,
) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains(opening::MEDIA_TYPE)) {
        return match opened(&api, &peer, &exchange).await {
            Ok(opening) => ([(header::CONTENT_TYPE, opening::MEDIA_TYPE)], axum::Json(opening)).into_response(),
            Err(stop) => context.stop(Some(&peer), "exchanges", About::default(), stop).await,
        };
    }
    let receipt = async {
        let view = own(&api, &peer, &exchange).await?;
        let journal = &api.stations.journal;
        let unreadable = || Fault::from_error("read a receipt");
        if let Some(cosigned) = api.stations.witnessing.newest()
            && let Some(receipt) = journal
                .cosigned_receipt(view.exchange, &cosigned)
                .await
                .map_err(unreadable())?
        {
            return Ok(receipt);
        }
        let receipt = journal.receipt(view.exchange).await;
        Ok(receipt.map_err(unreadable())?.ok_or(Refusal::NotFound)?)
    };
    match receipt.await {
        Ok(receipt) => {
            let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (headers, receipt).into_response()
        }
        Err(stop) => context.stop(Some(&peer), "exchanges", About::default(), stop).await,
    }
}

/// The salts of columns that the partner sent or received itself; of an extract also that of its content.
async fn opened(api: &Api, peer: &Peer, exchange: &str) -> Result<Opening, Stop> {
    let view = own(api, peer, exchange).await?;
    if !matches!(view.leaf.event, Event::Push(_) | Event::Pull(_)) {
        return Err(Refusal::UnacceptableForm.into());
    }
    let opening = api.stations.journal.opening(view.exchange).await;
    Ok(opening
        .map_err(Fault::from_error("read an evidence record"))?
        .ok_or(Refusal::EvidenceGone)?)
}

/// The reject report: row, line, cell, field, header, code, what was expected; NDJSON, CSV or JSON.
pub(crate) async fn rejects(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let rejects = async {
        let form = ReportForm::asked(query.as_deref(), &headers)?;
        // Megabytes, built whole: as many at once as the partner may have pushes.
        let permit = api.stations.admission.admit(&peer.partner().id)?;
        let view = own(&api, &peer, &exchange).await?;
        let rejects = api.stations.journal.rejects(view.exchange).await;
        let stored = rejects.map_err(Fault::from_error("read a reject report"))?;
        Ok((form, view, stored.unwrap_or_default(), permit))
    };
    match rejects.await {
        Ok((form, view, stored, permit)) => {
            let (exchange, record) = (view.exchange.to_string(), record(&view.leaf.event));
            let report = report::answer(form, context.language, &exchange, record, &stored);
            places::until_sent(report, permit)
        }
        Err(stop) => context.stop(Some(&peer), "exchanges", About::default(), stop).await,
    }
}
