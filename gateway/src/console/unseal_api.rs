//! `GET`, `POST /console/api/unseal`: an evidence record is opened by two officers of different units (design 10.1).
//!
//! Takes JSON `{"step", "exchange", "entry", "case", "why", "statement", "signature"}`. `ask`: a security officer, with a statement that he signed. `approve`: an auditor of another unit
//! signs the same text within 24 hours. `open`: who asked reads one record of the exchange, once both leaves are proved to stand in the log. Each step is a leaf before
//! anything is read. Refuses a case that is missing, self-approval, one unit, an expired statement, a signature that does not hold.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use axum::{Extension, Json};
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use shuguan_ledger::leaf::{Digest, Event, Leaf, OfficerUnsealEvent, Reference};
use shuguan_ledger::time;
use shuguan_policies::Role;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::question::Ground;
use super::{Desk, json, proof};
use crate::api::gate::Context;
use crate::edge::Peer;
use crate::exchange::seal::unavailable;
use crate::exchange::{Fault, Refused, Stop};
use crate::journal::{Entry, Evidence, LeafRow, Outcome, Query, Sealed};
use crate::refusal::Refusal;
use crate::unseal::{SignedBy, Statement, VALID_S};

const KIND: &str = "officer-unseal";

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Step {
    Ask,
    Approve,
    Open,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Approve => "approve",
            Self::Open => "open",
        }
    }
}

/// What an officer sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    step: Step,
    exchange: Uuid,
    /// Of `open`: the entry whose record it is, where it is not the exchange's own.
    entry: Option<u64>,
    #[serde(default)]
    case: String,
    #[serde(default)]
    why: String,
    #[serde(default)]
    statement: String,
    signature: Option<SignedBy>,
}

/// A step that stands in the log.
struct Taken {
    row: LeafRow,
    event: OfficerUnsealEvent,
}

impl Taken {
    fn of(row: LeafRow) -> Option<Self> {
        match Leaf::decode(&row.bytes).ok()?.event {
            Event::OfficerUnseal(event) => Some(Self { row, event }),
            _ => None,
        }
    }

    fn reference(&self) -> Reference {
        Reference {
            i: self.row.index,
            h: Digest(shuguan_ledger::tree::leaf_hash(&self.row.bytes)),
        }
    }
}

/// The route.
pub(super) fn route() -> MethodRouter<Arc<Desk>> {
    get(pending).post(act)
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
    // A turn that ends before its leaf is in the log would let the same word in twice.
    let act = async move {
        let members = "step (ask, approve, open), exchange, entry, case, why, statement, signature";
        let order: Order = json::asked(&headers, &uri, body, members)?;
        if order.entry.is_some() && order.step != Step::Open {
            return Err(Refused::new(Refusal::BadRequest)
                .detail("`entry` is for `open` alone")
                .into());
        }
        match order.step {
            Step::Ask => ask(&acting, &officer, &order).await,
            Step::Approve => approve(&acting, &officer, &order).await,
            Step::Open => open(&acting, &officer, &order).await,
        }
    };
    json::carried_out(&desk, context, peer, "unseal", act).await
}

fn now_s(desk: &Desk) -> i64 {
    desk.console.api.stations.wall.now_us().div_euclid(1_000_000)
}

/// The statement of an order, which has to hold now and to be about what the order says.
fn statement(desk: &Desk, order: &Order) -> Result<Statement, Stop> {
    let ground = Ground::of(&order.case, &order.why)?;
    let statement = Statement::parse(&order.statement).ok_or(Refusal::BadStatement)?;
    let same = statement.exchange == order.exchange && statement.case == ground.case && statement.why == order.why;
    if !same {
        return Err(Refusal::BadStatement.into());
    }
    if !statement.holds_at(now_s(desk)) {
        return Err(Refusal::UnsealExpired.into());
    }
    Ok(statement)
}

fn signed(desk: &Desk, peer: &Peer, order: &Order) -> Result<(), Stop> {
    let signature = order.signature.as_ref().ok_or(Refusal::BadStatement)?;
    let signers = desk.console.keeper.signers();
    Ok(signature.verify(&order.statement, peer, &signers, now_s(desk))?)
}

/// There is a record to open: the exchange's own, or that of another entry of the exchange, as of an acknowledgement or an officer's step.
async fn record(desk: &Desk, exchange: Uuid, entry: Option<u64>) -> Result<(LeafRow, Zeroizing<Vec<u8>>), Stop> {
    let journal = &desk.console.api.stations.journal;
    let known = journal.exchange(exchange).await;
    let known = known.map_err(Fault::from_error("read an exchange"))?;
    let index = entry.unwrap_or(known.ok_or(Refusal::NotFound)?.index);
    let row = journal.leaf(index).await.map_err(Fault::from_error("read an entry"))?;
    let row = row.filter(|row| row.exchange == Some(exchange));
    let row = row.ok_or_else(|| Refused::new(Refusal::NotFound).detail("no such entry stands under this exchange"))?;
    let record = journal.evidence_at(exchange, row.index).await;
    let record = record.map_err(Fault::from_error("read an evidence record"))?;
    Ok((row, record.ok_or(Refusal::EvidenceGone)?))
}

/// The other entries that have a record of their own, of the first hundred of an exchange: what of them may be opened is said with the first.
async fn others(desk: &Desk, exchange: Uuid, opened: u64) -> Result<Vec<Value>, Stop> {
    let journal = &desk.console.api.stations.journal;
    let known = journal.exchange(exchange).await;
    let known = known.map_err(Fault::from_error("read an exchange"))?;
    let mut others = Vec::new();
    for row in known.into_iter().flat_map(|known| known.leaves) {
        let record = journal.evidence_at(exchange, row.index).await;
        let is_there = record.map_err(Fault::from_error("read an evidence record"))?.is_some();
        if is_there && row.index != opened {
            others.push(json!({ "leaf": row.index, "kind": row.kind }));
        }
    }
    Ok(others)
}

async fn ask(desk: &Desk, peer: &Peer, order: &Order) -> Result<Value, Stop> {
    if peer.partner().role != Role::SecurityOfficer {
        return Err(Refusal::WrongRole.into());
    }
    let statement = statement(desk, order)?;
    if statement.asked_by != peer.partner().spiffe || !statement.is_fresh(now_s(desk)) {
        return Err(Refusal::BadStatement.into());
    }
    signed(desk, peer, order)?;
    record(desk, order.exchange, None).await?;
    let sealed = seal(desk, peer, (order, None), &statement, None).await?;
    Ok(answered(order, sealed.index, &statement))
}

/// What was asked and approved under one statement, newest first.
async fn steps(desk: &Desk, statement: &Statement) -> Result<Vec<Taken>, Stop> {
    let journal = &desk.console.api.stations.journal;
    let known = journal.exchange(statement.exchange).await;
    known
        .map_err(Fault::from_error("read an exchange"))?
        .ok_or(Refusal::NotFound)?;
    let steps = journal.unsealing(statement.exchange, Digest(statement.digest())).await;
    let steps = steps.map_err(Fault::from_error("read the steps of an unsealing"))?;
    Ok(steps.into_iter().filter_map(Taken::of).collect())
}

/// The newest approval, with what it approves: asked or approved again, a statement is as good as before.
fn approval(steps: &[Taken]) -> Option<(&Taken, &Taken)> {
    let approvals = steps.iter().filter(|taken| taken.event.step == Step::Approve.name());
    let mut pairs = approvals.filter_map(|approved| {
        let of = approved.event.of?;
        let asked = steps
            .iter()
            .find(|taken| taken.event.step == Step::Ask.name() && taken.reference() == of)?;
        (approved.event.who != asked.event.who).then_some((asked, approved))
    });
    pairs.next()
}

async fn approve(desk: &Desk, peer: &Peer, order: &Order) -> Result<Value, Stop> {
    let statement = statement(desk, order)?;
    let steps = steps(desk, &statement).await?;
    let asked = steps.iter().find(|taken| taken.event.step == Step::Ask.name());
    let asked = asked.ok_or(Refusal::NotApproved)?;
    if asked.event.who == peer.partner().id || statement.asked_by == peer.partner().spiffe {
        return Err(Refusal::SelfApproval.into());
    }
    if peer.partner().role != Role::Auditor {
        return Err(Refusal::WrongRole.into());
    }
    of_another_unit(desk, &asked.event.who, peer)?;
    signed(desk, peer, order)?;
    record(desk, order.exchange, None).await?;
    // One at a time, and by what stands in the log then: the same word twice is one leaf.
    let _turn = desk.approvals.lock().await;
    let steps = self::steps(desk, &statement).await?;
    if let Some((_, approved)) = approval(&steps)
        && approved.event.who == peer.partner().id
    {
        let mut document = answered(order, approved.row.index, &statement);
        if let Some(members) = document.as_object_mut() {
            members.insert("already".into(), true.into());
        }
        return Ok(document);
    }
    let sealed = seal(desk, peer, (order, None), &statement, Some(asked.reference())).await?;
    Ok(answered(order, sealed.index, &statement))
}

/// An officer whose unit nobody knows any more is of no other unit.
fn of_another_unit(desk: &Desk, asker: &str, peer: &Peer) -> Result<(), Refusal> {
    let policies = desk.console.api.stations.policies.load();
    let theirs = policies.partner(asker).and_then(|partner| partner.unit.as_deref());
    match (theirs, peer.partner().unit.as_deref()) {
        (Some(theirs), Some(ours)) if theirs != ours => Ok(()),
        _ => Err(Refusal::SameUnit),
    }
}

async fn open(desk: &Desk, peer: &Peer, order: &Order) -> Result<Value, Stop> {
    let statement = statement(desk, order)?;
    if peer.partner().role != Role::SecurityOfficer {
        return Err(Refusal::WrongRole.into());
    }
    if statement.asked_by != peer.partner().spiffe {
        let detail = "another security officer asked for this: only he opens it, or ask yourself";
        return Err(Refused::new(Refusal::NotApproved).detail(detail).into());
    }
    let steps = steps(desk, &statement).await?;
    let (asked, approved) = approval(&steps).ok_or(Refusal::NotApproved)?;
    for taken in [asked, approved] {
        // A row that somebody put into the table is in no tree.
        if !proof::prove(&desk.console.api.stations.journal, &taken.row).await.valid {
            return Err(Fault::new("prove a step of an unsealing").into());
        }
    }
    // Read before the leaf, shown after it: a record that is gone leaves no `open` behind.
    let (row, record) = record(desk, order.exchange, order.entry).await?;
    let others = others(desk, order.exchange, row.index).await?;
    let reference = Some(approved.reference());
    let sealed = seal(desk, peer, (order, Some(row.index)), &statement, reference).await?;
    let mut document = answered(order, sealed.index, &statement);
    let record: Value = serde_json::from_slice(&record).map_err(Fault::from_error("read an evidence record"))?;
    if let Some(members) = document.as_object_mut() {
        members.insert("entry".into(), row.index.into());
        members.insert("record".into(), record);
        members.insert("others".into(), others.into());
    }
    Ok(document)
}

async fn seal(
    desk: &Desk,
    peer: &Peer,
    (order, opened): (&Order, Option<u64>),
    statement: &Statement,
    of: Option<Reference>,
) -> Result<Sealed, Stop> {
    let mut evidence = Evidence::fresh().map_err(Fault::from_error("make an evidence record"))?;
    let event = OfficerUnsealEvent {
        who: peer.partner().id.clone(),
        x: order.exchange.to_string(),
        step: order.step.name().into(),
        case: evidence.commit("case", statement.case.as_bytes()),
        why: statement.why.clone(),
        stmt: Digest(statement.digest()),
        of,
    };
    evidence.note("statement", statement.text());
    // Which of the exchange's records was read: the statement names the exchange.
    if let Some(index) = opened {
        evidence.note("entry", index.to_string());
    }
    if let Some(signature) = &order.signature {
        evidence.note("signature", serde_json::to_string(signature).unwrap_or_default());
    }
    let mut entry = Entry::new(order.exchange, Event::OfficerUnseal(event));
    entry.evidence = Some(evidence);
    let journal = &desk.console.api.stations.journal;
    match journal.seal(entry).await.map_err(unavailable)? {
        Outcome::Sealed(sealed) | Outcome::Repeated(sealed) => Ok(sealed),
        Outcome::KeyReused | Outcome::Replayed => Err(Fault::new("a step has no idempotency key").into()),
    }
}

fn answered(order: &Order, leaf: u64, statement: &Statement) -> Value {
    json!({
        "schema": "shuguan.unseal.v1",
        "step": order.step.name(),
        "exchange": order.exchange,
        "leaf": leaf,
        "valid_until": time::format((statement.asked_at_s + VALID_S).saturating_mul(1_000_000)),
    })
}

/// What was asked within a day, for the officer who has to approve it.
async fn pending(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
) -> Response {
    json::answer(&context, &peer, "unseal", listed(&desk, &peer).await).await
}

async fn listed(desk: &Desk, peer: &Peer) -> Result<Value, Stop> {
    if !super::question::sees_exchanges(peer.partner().role) {
        return Err(Refusal::WrongRole.into());
    }
    let journal = &desk.console.api.stations.journal;
    let now_us = desk.console.api.stations.clock.now_us();
    let query = Query {
        kind: Some(KIND.into()),
        from_us: Some(now_us - VALID_S * 1_000_000),
        ..Query::default()
    };
    let rows = journal
        .search(query)
        .await
        .map_err(Fault::from_error("search the log"))?;
    let taken: Vec<Taken> = rows.into_iter().filter_map(Taken::of).collect();
    let mut items = Vec::new();
    for asked in taken.iter().filter(|taken| taken.event.step == Step::Ask.name()) {
        let Some(exchange) = asked.row.exchange else { continue };
        let record = journal.evidence_at(exchange, asked.row.index).await;
        let record = record.map_err(Fault::from_error("read a statement"))?;
        let record: Value = record
            .and_then(|record| serde_json::from_slice(&record).ok())
            .unwrap_or_default();
        let approved = taken.iter().find(|one| one.event.of == Some(asked.reference()));
        items.push(json!({
            "exchange": exchange,
            "asked_by": asked.event.who,
            "asked_at": time::format(asked.row.t_us),
            "leaf": asked.row.index,
            "approved_by": approved.map(|taken| &taken.event.who),
            "statement": record.get("statement"),
        }));
    }
    Ok(json!({ "schema": "shuguan.unseal-list.v1", "items": items }))
}
