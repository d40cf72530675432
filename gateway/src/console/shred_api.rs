//! `POST /console/api/shred`: the security officer destroys keys (design 10.1: keys are his).
//!
//! Takes JSON `{"what", "exchange" | "before", "case", "why"}`; gives the leaves that say so. `evidence`: the keys of evidence records; `payload`: the keys of payloads that
//! the registry has; `index`: the index keys of years that are over. Refuses a payload that still waits, and for `before` what is to be kept for 3 years
//! (网络数据安全管理条例 12). Every receipt and the log go on verifying; what was committed to can no longer be opened.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use axum::{Extension, Json};
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use shuguan_ledger::leaf::{Event, Leaf, ShredEvent};
use shuguan_ledger::time;
use shuguan_policies::Role;
use uuid::Uuid;

use super::question::case_number;
use super::{Desk, json};
use crate::api::gate::Context;
use crate::clock;
use crate::edge::Peer;
use crate::exchange::seal::unavailable;
use crate::exchange::{Fault, Refused, Stop};
use crate::journal::{Entry, Evidence, ExchangeView, Outcome, Sealed};
use crate::refusal::Refusal;

/// What records of provision are kept for, microseconds: 3 years.
const KEPT_US: i64 = 1_096 * 86_400_000_000;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum What {
    Evidence,
    Payload,
    Index,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Payload => "payload",
            Self::Index => "index",
        }
    }
}

/// Why keys are destroyed: a closed list, because the log holds no free text (design 10.7).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Why {
    /// They were kept long enough.
    Retention,
    /// The person concerned asked, and is right.
    SubjectRequest,
    /// A court or another authority ordered it.
    Court,
}

impl Why {
    fn code(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::SubjectRequest => "subject-request",
            Self::Court => "court",
        }
    }
}

/// What a security officer sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    what: What,
    exchange: Option<Uuid>,
    before: Option<String>,
    #[serde(default)]
    case: String,
    why: Why,
}

/// The handler.
pub(super) async fn shred(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Order>, JsonRejection>,
) -> Response {
    let (acting, officer) = (Arc::clone(&desk), Arc::clone(&peer));
    // A leaf that says that keys are gone must be true.
    let act = async move {
        let members =
            "what (evidence, payload, index), exchange or before, case, why (retention, subject-request, court)";
        let order: Order = json::asked(&headers, &uri, body, members)?;
        if officer.partner().role != Role::SecurityOfficer {
            return Err(Refusal::WrongRole.into());
        }
        destroy(&acting, &officer, &order).await
    };
    json::carried_out(&desk, context, peer, "shred", act).await
}

fn bad(detail: &str) -> Stop {
    Refused::new(Refusal::BadRequest).detail(detail).into()
}

async fn destroy(desk: &Desk, peer: &Peer, order: &Order) -> Result<Value, Stop> {
    let case = case_number(&order.case)?;
    let evidence = Evidence::fresh().map_err(Fault::from_error("make an evidence record"))?;
    let event = ShredEvent {
        who: peer.partner().id.clone(),
        what: order.what.name().into(),
        // The secret is thrown away: whoever knows the case number finds it in the officer's own files, nobody finds it here.
        case: evidence.commit("case", case.as_bytes()),
        why: order.why.code().into(),
        x: order.exchange.map(|exchange| exchange.to_string()),
        before: None,
        cnt: 0,
    };
    match (order.exchange, order.before.as_deref()) {
        (Some(exchange), None) => {
            let known = desk.console.api.stations.journal.exchange(exchange).await;
            let known = known
                .map_err(Fault::from_error("read an exchange"))?
                .ok_or(Refusal::NotFound)?;
            kept_long_enough(desk, order, &known)?;
            one(desk, order.what, &known, event).await
        }
        (None, Some(before)) => {
            let moment_us = moment(before)?;
            let now_us = desk.console.api.stations.clock.now_us();
            let kept_us = if order.what == What::Payload { 0 } else { KEPT_US };
            if moment_us > now_us - kept_us {
                return Err(bad(
                    "`before` lies within the time for which these are kept; name one exchange, by whose order it may go",
                ));
            }
            let event = ShredEvent {
                before: Some(time::format(moment_us)),
                ..event
            };
            all(desk, order.what, moment_us, event).await
        }
        _ => Err(bad("name either `exchange` or `before`")),
    }
}

/// A day or moment of Asia/Shanghai, or RFC 3339.
fn moment(text: &str) -> Result<i64, Stop> {
    super::question::moment("before", text)?.ok_or_else(|| bad("`before` is a day such as 2023-01-01"))
}

/// That something was kept long enough is no reason before it was.
fn kept_long_enough(desk: &Desk, order: &Order, known: &ExchangeView) -> Result<(), Stop> {
    let sealed_us = known.leaves.first().map_or(i64::MAX, |first| first.t_us);
    let is_young = sealed_us > desk.console.api.stations.clock.now_us() - KEPT_US;
    if order.what == What::Evidence && order.why == Why::Retention && is_young {
        let detail = format!(
            "`retention` is for what was kept for 3 years, and this is of {}; before that it goes for `court` or `subject-request`",
            clock::shown(sealed_us)
        );
        return Err(bad(&detail));
    }
    Ok(())
}

/// The leaf that says that this of an exchange is destroyed.
fn shredded(what: What, known: &ExchangeView) -> Option<u64> {
    let said = known
        .leaves
        .iter()
        .find(|row| match Leaf::decode(&row.bytes).map(|leaf| leaf.event) {
            Ok(Event::Shred(event)) => event.what == what.name(),
            _ => false,
        });
    said.map(|row| row.index)
}

async fn one(desk: &Desk, what: What, known: &ExchangeView, event: ShredEvent) -> Result<Value, Stop> {
    let (exchange, already) = (known.exchange, shredded(what, known));
    let already = already.map(|leaf| format!("it is destroyed already: leaf {leaf} of the log says so"));
    let journal = &desk.console.api.stations.journal;
    match what {
        What::Evidence => {
            let sealed = journal.shred_one(exchange, event).await.map_err(unavailable)?;
            let sealed = sealed.ok_or_else(|| match already {
                Some(already) => Refused::new(Refusal::EvidenceGone).detail(already),
                None => Refused::new(Refusal::EvidenceGone),
            })?;
            Ok(done(what, &[sealed.index], 1))
        }
        What::Payload => {
            let sealed = journal.shred_payload(exchange, event).await.map_err(unavailable)?;
            let sealed = sealed.ok_or_else(|| {
                let none = || "no payload of it is held, or it still waits for the relay".to_owned();
                Refused::new(Refusal::NotFound).detail(already.unwrap_or_else(none))
            })?;
            Ok(done(what, &[sealed.index], 1))
        }
        What::Index => Err(bad("an index key is that of a year: name `before`")),
    }
}

async fn all(desk: &Desk, what: What, moment_us: i64, event: ShredEvent) -> Result<Value, Stop> {
    let journal = &desk.console.api.stations.journal;
    let leaves = match what {
        What::Evidence => journal.shred_before(moment_us, event).await,
        What::Payload => journal.shred_payloads_before(moment_us, event).await,
        What::Index => return index(desk, moment_us, event).await,
    };
    let leaves = leaves.map_err(unavailable)?;
    if leaves.is_empty() {
        return Err(Refusal::NotFound.into());
    }
    let indices: Vec<u64> = leaves.iter().map(|sealed| sealed.index).collect();
    let keys = match what {
        What::Payload => leaves.iter().map(keys).sum(),
        What::Evidence | What::Index => 0,
    };
    Ok(done(what, &indices, keys))
}

/// How many keys a leaf says are destroyed.
fn keys(sealed: &Sealed) -> u64 {
    match Leaf::decode(&sealed.leaf).map(|leaf| leaf.event) {
        Ok(Event::Shred(event)) => event.cnt,
        _ => 0,
    }
}

/// Files are in no transaction, so the leaf comes first: no key goes without one. A crash after it leaves keys that the leaf says are gone, and perhaps one
/// that is overwritten and not yet removed, with which searches by person fail loudly; nobody was answered. Asked again, whatever is left goes, and
/// the leaf of that says how much it was.
async fn index(desk: &Desk, moment_us: i64, event: ShredEvent) -> Result<Value, Stop> {
    let stations = &desk.console.api.stations;
    // One at a time, so that no two leaves count the same key.
    let _turn = desk.shreddings.lock().await;
    let years = stations.index.ended_before(moment_us);
    let years = years.map_err(Fault::from_error("list the index keys"))?;
    if years.is_empty() {
        return Err(Refusal::NotFound.into());
    }
    let count = u64::try_from(years.len()).unwrap_or(u64::MAX);
    let id = clock::exchange_id(&stations.clock).map_err(|_| Fault::new("make an id"))?;
    let leaf = sealed(desk, ShredEvent { cnt: count, ..event }, id).await?;
    let destroyed = stations.index.destroy(&years);
    destroyed.map_err(Fault::from_error("destroy an index key"))?;
    Ok(done(What::Index, &[leaf], count))
}

async fn sealed(desk: &Desk, event: ShredEvent, exchange: Uuid) -> Result<u64, Stop> {
    let journal = &desk.console.api.stations.journal;
    match journal
        .seal(Entry::new(exchange, Event::Shred(event)))
        .await
        .map_err(unavailable)?
    {
        Outcome::Sealed(sealed) | Outcome::Repeated(sealed) => Ok(sealed.index),
        Outcome::KeyReused | Outcome::Replayed => Err(Fault::new("a shredding has no idempotency key").into()),
    }
}

fn done(what: What, leaves: &[u64], keys: u64) -> Value {
    json!({ "schema": "shuguan.shred.v1", "what": what.name(), "leaves": leaves, "keys": (keys > 0).then_some(keys) })
}
