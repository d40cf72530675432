//! One exchange: who, what, when, why, what was kept and withheld, what became of it, and its proof.
//!
//! `GET` asks for case and reason and seals nothing. `POST` seals the question, then reads; the downloads likewise.

mod facts;

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form};
use http::{HeaderMap, Uri, header};
use shuguan_ledger::leaf::{Event, RelayedEvent};
use shuguan_policies::{PastColumn, PastName};

use self::facts::{Fact, facts};
use super::exchanges::{Choice, Line, answer, reasons, taken};
use super::proof::{Proof, Seen, prove, prove_seen};
use super::question::{self, Act, Asked, Request};
use super::words::{self, Moment, grouped};
use super::{Desk, Frame, shell};
use crate::api::gate::Context;
use crate::bundle::past::{self, Kept as KeptPlan, Known};
use crate::edge::Peer;
use crate::exchange::{Fault, Stop};
use crate::journal::ExchangeView;
use crate::refusal::Refusal;

/// Where an exchange is.
pub(super) const ROUTE: &str = "/console/exchanges/{exchange}";
/// Its receipt as a file.
pub(super) const RECEIPT: &str = "/console/exchanges/{exchange}/receipt";
/// Its first leaf as a file.
pub(super) const LEAF: &str = "/console/exchanges/{exchange}/leaf";

/// Asks for case and reason.
#[derive(Template)]
#[template(path = "ask.html")]
struct AskPage {
    frame: Frame,
    exchange: String,
    reasons: Vec<Choice>,
    token: String,
}

#[derive(Template)]
#[template(path = "exchange.html")]
struct Page {
    frame: Frame,
    request: Request,
    exchange: String,
    query_index: u64,
    head: Line,
    facts: Vec<Fact>,
    counts: Vec<Count>,
    fields: Option<Fields>,
    /// What was kept of the plan was changed past the gateway.
    plan_edited: bool,
    standing: Option<Choice>,
    relayed: Option<Relayed>,
    leaves: Vec<Proved>,
    proof: Proof,
    seen: Seen,
    token_list: String,
    token_receipt: String,
    token_leaf: String,
}

/// One number.
struct Count {
    term: &'static str,
    number: String,
}

/// What the plan of the day kept and withheld.
struct Fields {
    grant: String,
    /// The grant says something else by now, or is gone.
    is_past: bool,
    kept: Vec<Kept>,
    /// None: nobody knows any more which fields there were.
    withheld: Option<Vec<Choice>>,
}

struct Kept {
    name: String,
    zh: String,
    operator: String,
    /// As the agreement writes it; empty when the word says all.
    written: String,
    changed: bool,
}

struct Relayed {
    moment: Moment,
    counts: Vec<Count>,
}

/// A leaf with its own proof.
struct Proved {
    line: Line,
    valid: bool,
}

/// The page that asks first.
pub(super) async fn ask(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
) -> Response {
    let page = ask_page(&desk, &peer, &exchange);
    answer(&context, &peer, page).await
}

fn ask_page(desk: &Desk, peer: &Peer, exchange: &str) -> Result<Response, Stop> {
    if !question::sees_exchanges(peer.partner().role) {
        return Err(Refusal::WrongRole.into());
    }
    // Whether it exists is told after the leaf, not before.
    let exchange: uuid::Uuid = exchange.parse().map_err(|_| Refusal::NotFound)?;
    shell::page(&AskPage {
        frame: Frame::of(peer, "exchanges"),
        exchange: exchange.to_string(),
        reasons: reasons(),
        token: desk.forms.token(peer, ROUTE, desk.console.api.stations.clock.now_us()),
    })
}

/// The exchange.
pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    form: Result<Form<Request>, FormRejection>,
) -> Response {
    let page = async {
        let mut request = taken(&desk, &peer, ROUTE, &uri, &headers, form)?;
        request.exchange = exchange;
        let asked = question::ask(&desk.console.api.stations, &peer, Act::Show, &request).await?;
        let view = asked.exchange(&desk.console.api.stations.journal).await?;
        page(&desk, &peer, request, &asked, &view).await
    };
    answer(&context, &peer, page.await).await
}

/// The receipt as a file.
pub(super) async fn receipt(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    form: Result<Form<Request>, FormRejection>,
) -> Response {
    let file = async {
        let mut request = taken(&desk, &peer, RECEIPT, &uri, &headers, form)?;
        request.exchange = exchange;
        let journal = &desk.console.api.stations.journal;
        let view = exported(&desk, &peer, &request, "receipt").await?;
        let receipt = journal.receipt(view.exchange).await;
        let receipt = receipt.map_err(Fault::from_error("read a receipt"))?;
        let name = format!("{}.tlog-proof", view.exchange);
        Ok(download(
            &name,
            "text/plain; charset=utf-8",
            receipt.ok_or(Refusal::NotFound)?.into_bytes(),
        ))
    };
    answer(&context, &peer, file.await).await
}

/// The first leaf as a file: its canonical bytes.
pub(super) async fn leaf(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    form: Result<Form<Request>, FormRejection>,
) -> Response {
    let file = async {
        let mut request = taken(&desk, &peer, LEAF, &uri, &headers, form)?;
        request.exchange = exchange;
        let view = exported(&desk, &peer, &request, "leaf").await?;
        let leaf = view.leaves.into_iter().next().ok_or(Refusal::NotFound)?;
        Ok(download(
            &format!("{}.leaf.json", view.exchange),
            "application/json",
            leaf.bytes,
        ))
    };
    answer(&context, &peer, file.await).await
}

async fn exported(desk: &Desk, peer: &Peer, request: &Request, what: &'static str) -> Result<ExchangeView, Stop> {
    let stations = &desk.console.api.stations;
    let asked = question::ask(stations, peer, Act::Export(what), request).await?;
    asked.exchange(&stations.journal).await
}

fn download(name: &str, kind: &'static str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, bytes).into_response()
}

async fn page(
    desk: &Desk,
    peer: &Peer,
    request: Request,
    asked: &Asked,
    view: &ExchangeView,
) -> Result<Response, Stop> {
    let stations = &desk.console.api.stations;
    let now_us = stations.clock.now_us();
    let policies = stations.policies.load_full();
    let mut leaves = Vec::with_capacity(view.leaves.len());
    for row in &view.leaves {
        leaves.push(Proved {
            line: Line::of(row, &policies),
            valid: prove(&stations.journal, row).await.valid,
        });
    }
    let head = view.leaves.first().ok_or(Refusal::NotFound)?;
    let proof = prove_seen(stations, view.exchange, head).await;
    let plan = match past::named_by(&view.leaf.event) {
        Some(hash) => past::reported(stations, hash).await,
        None => Ok(KeptPlan::Not),
    };
    let plan = plan.map_err(Fault::from_error("read a past plan"))?;
    shell::page(&Page {
        frame: Frame::of(peer, "exchanges"),
        exchange: view.exchange.to_string(),
        query_index: asked.index(),
        head: Line::of(head, &policies),
        facts: facts(&view.leaf.event, &policies),
        counts: counts(&view.leaf.event),
        fields: plan.known().map(fields),
        plan_edited: plan.is_edited(),
        standing: view.inbox.as_ref().map(|inbox| Choice {
            zh: words::outcome(inbox.state.name()).to_owned(),
            code: inbox.reason.clone().unwrap_or_default(),
        }),
        relayed: relayed(view),
        leaves,
        seen: proof.witnesses.clone().unwrap_or_default(),
        proof,
        token_list: desk.forms.token(peer, super::exchanges::ROUTE, now_us),
        token_receipt: desk.forms.token(peer, RECEIPT, now_us),
        token_leaf: desk.forms.token(peer, LEAF, now_us),
        request,
    })
}

fn count(term: &'static str, number: u64) -> Count {
    Count {
        term,
        number: grouped(number),
    }
}

fn counts(event: &Event) -> Vec<Count> {
    match event {
        Event::Push(push) => vec![
            count("收到", push.r#in),
            count("接受", push.ok),
            count("不合格", push.rej),
            count("授权范围外", push.fil),
            count("重复", push.rep),
            count("字节", push.bytes),
        ],
        Event::Pull(pull) => [
            ("记录", Some(pull.rows)),
            ("授权范围外", pull.fil),
            ("字节", Some(pull.bytes)),
        ]
        .into_iter()
        .filter_map(|(term, number)| Some(count(term, number?)))
        .collect(),
        Event::Compare(compare) => vec![
            count("比对", compare.rows),
            count("查无此人(户)", compare.abs),
            count("字节", compare.bytes),
        ],
        Event::Refusal(refusal) => [
            ("次数", refusal.cnt),
            ("比对", refusal.ask),
            ("查无此人(户)", refusal.abs),
        ]
        .into_iter()
        .filter_map(|(term, number)| Some(count(term, number?)))
        .collect(),
        Event::OfficerResult(result) => vec![count("交换", result.cnt)],
        Event::Full(full) => vec![count("未能写入的批组", full.cnt)],
        Event::Shred(shred) => vec![count("密钥", shred.cnt)],
        Event::Recalled(done) => vec![count("撤回记录", done.del), count("恢复记录", done.opn)],
        Event::Relayed(_)
        | Event::SetAside(_)
        | Event::Aborted(_)
        | Event::Ticket(_)
        | Event::TicketAnswer(_)
        | Event::Recall(_)
        | Event::ReceiptAck(_)
        | Event::OfficerUnseal(_)
        | Event::OfficerQuery(_)
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
        | Event::Erased(_) => Vec::new(),
    }
}

fn fields(known: &Known) -> Fields {
    Fields {
        withheld: known.plan.withheld.as_deref().map(withheld),
        grant: known.plan.grant.clone(),
        is_past: !known.in_force,
        kept: known.plan.columns.iter().map(kept).collect(),
    }
}

fn kept(column: &PastColumn) -> Kept {
    let (word, written) = (column.operator.name(), column.operator.describe());
    Kept {
        name: column.name.clone(),
        zh: column.zh.unwrap_or(past::NAME_UNKNOWN).to_owned(),
        operator: words::operator(word).to_owned(),
        changed: word != "keep",
        written: if written == word { String::new() } else { written },
    }
}

fn withheld(fields: &[PastName]) -> Vec<Choice> {
    let choice = |field: &PastName| Choice {
        code: field.name.to_owned(),
        zh: field.zh.to_owned(),
    };
    fields.iter().map(choice).collect()
}

fn relayed(view: &ExchangeView) -> Option<Relayed> {
    let (_, leaf) = view.relayed.as_ref()?;
    let Event::Relayed(RelayedEvent {
        ins,
        upd,
        same,
        fail,
        batch,
        ms,
        ..
    }) = &leaf.event
    else {
        return None;
    };
    Some(Relayed {
        moment: Moment::of(leaf.when()),
        counts: vec![
            count("新增", *ins),
            count("更新", *upd),
            count("无变化", *same),
            count("失败", *fail),
            count("分段", *batch),
            count("毫秒", *ms),
        ],
    })
}
