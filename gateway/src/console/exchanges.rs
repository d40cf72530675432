//! The list of exchanges: a form that asks for case and reason, and a table of what was found.
//!
//! `GET` shows the form and seals nothing, wherever it comes from. `POST` seals the question, then reads. Every page of results is a question
//! of its own; the form carries case and reason along.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::Response;
use axum::{Extension, Form};
use http::{HeaderMap, Uri};
use shuguan_policies::PolicySet;
use shuguan_policies::dataset::Dataset;

use super::question::{self, Act, Reason, Request};
use super::words::{self, Moment};
use super::{Desk, Frame, exchange, guard, shell};
use crate::api::gate::{About, Context};
use crate::edge::Peer;
use crate::exchange::{Refused, Stop};
use crate::journal::LeafRow;
use crate::refusal::Refusal;

/// Where the list is.
pub(super) const ROUTE: &str = "/console/exchanges";

/// One choice of a form.
#[derive(Debug)]
pub(super) struct Choice {
    /// What is sent.
    pub code: String,
    /// What is read.
    pub zh: String,
}

impl Choice {
    fn new(code: impl Into<String>, zh: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            zh: zh.into(),
        }
    }
}

/// What the form offers.
#[derive(Debug)]
pub(super) struct Choices {
    partners: Vec<Choice>,
    records: Vec<Choice>,
    purposes: Vec<Choice>,
    kinds: Vec<Choice>,
}

impl Choices {
    pub(super) fn of(policies: &PolicySet) -> Self {
        let mut records: Vec<Choice> = policies
            .plans()
            .map(|plan| Choice::new(plan.target().name(), plan.target().zh()))
            .chain([Dataset::Population, Dataset::Enterprises].map(|set| Choice::new(set.name(), set.zh())))
            .collect();
        records.sort_by(|a, b| a.code.cmp(&b.code));
        records.dedup_by(|a, b| a.code == b.code);
        let purposes = policies.purposes().iter();
        Self {
            partners: policies
                .partners()
                .iter()
                .map(|partner| Choice::new(&partner.id, &partner.zh))
                .collect(),
            records,
            purposes: purposes
                .map(|purpose| Choice::new(&purpose.code, &purpose.zh))
                .collect(),
            kinds: words::KINDS.iter().map(|(code, zh)| Choice::new(*code, *zh)).collect(),
        }
    }

    /// Names of the filters whose value is none of these: of another time, or a slip. That nothing is found then says little.
    pub(super) fn unknown(&self, request: &Request) -> Vec<&'static str> {
        let filters = [
            ("partner", &request.partner, &self.partners),
            ("record", &request.record, &self.records),
            ("purpose", &request.purpose, &self.purposes),
            ("kind", &request.kind, &self.kinds),
        ];
        let is_unknown = |asked: &str, known: &[Choice]| !asked.is_empty() && known.iter().all(|one| one.code != asked);
        let unknown = filters
            .into_iter()
            .filter(|(_, asked, known)| is_unknown(asked.trim(), known));
        unknown.map(|(name, ..)| name).collect()
    }
}

/// Reasons for a form.
pub(super) fn reasons() -> Vec<Choice> {
    Reason::ALL
        .iter()
        .map(|reason| Choice::new(reason.code(), reason.zh()))
        .collect()
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Line {
    /// Index of the leaf.
    pub index: u64,
    /// When.
    pub moment: Moment,
    /// Kind code and word.
    pub kind: Choice,
    /// The exchange, when there is one to show.
    pub exchange: Option<String>,
    /// The exchange's id, its middle left out: its beginning tells the time, its end tells it apart.
    pub short: String,
    /// Partner, its Chinese name where known.
    pub partner: Option<Choice>,
    /// Record type or dataset.
    pub record: Option<Choice>,
    /// Purpose.
    pub purpose: Option<Choice>,
    /// Outcome code and word.
    pub outcome: Option<Choice>,
}

impl Line {
    /// A leaf with its words.
    pub(super) fn of(row: &LeafRow, policies: &PolicySet) -> Self {
        Self {
            index: row.index,
            moment: Moment::of(row.t_us),
            kind: Choice::new(&row.kind, words::kind(&row.kind)),
            exchange: row.exchange.map(|exchange| exchange.to_string()),
            short: row
                .exchange
                .map(|exchange| shortened(&exchange.to_string()))
                .unwrap_or_default(),
            partner: row.partner.as_deref().and_then(|id| whose(policies, id, &row.kind)),
            record: row.record.as_deref().map(|name| record(policies, name)),
            purpose: row.purpose.as_deref().map(|code| purpose(policies, code)),
            outcome: row.code.as_deref().map(|code| Choice::new(code, words::outcome(code))),
        }
    }
}

fn shortened(id: &str) -> String {
    let (head, tail) = (id.get(..8), id.get(24..));
    format!("{}…{}", head.unwrap_or(id), tail.unwrap_or_default())
}

/// What stands in a leaf in the place of a partner: nobody who is known, or nobody's.
pub(super) const NOBODY: &str = "-";

/// Whom a leaf of that kind is about; only a refusal is about somebody unknown.
fn whose(policies: &PolicySet, id: &str, kind: &str) -> Option<Choice> {
    (id != NOBODY || kind == "refusal").then(|| partner(policies, id))
}

/// A partner with its name, or what else acts under a name of its own: the gateway, and its start as who brings a bundle into force.
pub(super) fn partner(policies: &PolicySet, id: &str) -> Choice {
    let zh = match (policies.partner(id), id) {
        (Some(partner), _) => partner.zh.as_str(),
        (None, NOBODY) => "身份未知",
        (None, "gateway") => "本网关",
        (None, "start") => "网关启动",
        (None, "reload") => "网关重载",
        (None, _) => id,
    };
    Choice::new(id, zh)
}

/// A record type or dataset with its name.
pub(super) fn record(policies: &PolicySet, name: &str) -> Choice {
    let known = policies.catalogue().record(name).map(|record| record.zh);
    let zh = known.or_else(|| Dataset::parse(name).map(Dataset::zh)).unwrap_or(name);
    Choice::new(name, zh)
}

/// A purpose with its name.
pub(super) fn purpose(policies: &PolicySet, code: &str) -> Choice {
    let known = policies.purposes().iter().find(|purpose| purpose.code == code);
    Choice::new(code, known.map_or(code, |purpose| &purpose.zh))
}

#[derive(Template)]
#[template(path = "exchanges.html")]
struct Page {
    frame: Frame,
    request: Request,
    choices: Choices,
    reasons: Vec<Choice>,
    /// For this form.
    token: String,
    /// For the buttons that open an exchange.
    token_show: String,
    found: Option<Results>,
}

struct Results {
    query_index: u64,
    lines: Vec<Line>,
    next_before: Option<u64>,
}

/// The empty form.
pub(super) async fn ask(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
) -> Response {
    let page = if question::sees_exchanges(peer.partner().role) {
        page(&desk, &peer, Request::default(), None)
    } else {
        Err(Refusal::WrongRole.into())
    };
    answer(&context, &peer, page).await
}

/// The results.
pub(super) async fn search(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    form: Result<Form<Request>, FormRejection>,
) -> Response {
    let page = async {
        let request = taken(&desk, &peer, ROUTE, &uri, &headers, form)?;
        found(&desk, &peer, request).await
    };
    answer(&context, &peer, page.await).await
}

async fn found(desk: &Desk, peer: &Peer, request: Request) -> Result<Response, Stop> {
    let stations = &desk.console.api.stations;
    let asked = question::ask(stations, peer, Act::Search, &request).await?;
    let found = asked.search(&stations.journal).await?;
    let policies = stations.policies.load();
    let results = Results {
        query_index: asked.index(),
        lines: found.rows.iter().map(|row| Line::of(row, &policies)).collect(),
        next_before: found.next_before,
    };
    page(desk, peer, request, Some(results))
}

fn page(desk: &Desk, peer: &Peer, request: Request, found: Option<Results>) -> Result<Response, Stop> {
    let stations = &desk.console.api.stations;
    let now_us = stations.clock.now_us();
    shell::page(&Page {
        frame: Frame::of(peer, "exchanges"),
        choices: Choices::of(&stations.policies.load()),
        reasons: reasons(),
        token: desk.forms.token(peer, ROUTE, now_us),
        token_show: desk.forms.token(peer, exchange::ROUTE, now_us),
        request,
        found,
    })
}

/// A form that our own page made for this officer.
///
/// # Errors
/// [`Refusal::CrossSite`], [`Refusal::BadRequest`].
pub(super) fn taken(
    desk: &Desk,
    peer: &Peer,
    route: &str,
    uri: &Uri,
    headers: &HeaderMap,
    form: Result<Form<Request>, FormRejection>,
) -> Result<Request, Stop> {
    guard::from_our_page(headers, uri)?;
    let Form(request) = form.map_err(|_| Refused::new(Refusal::BadRequest).detail("the form cannot be read"))?;
    let now_us = desk.console.api.stations.clock.now_us();
    desk.forms.check(peer, route, now_us, &request.token)?;
    Ok(request)
}

/// The page, or why there is none.
pub(super) async fn answer(context: &Context, peer: &Peer, page: Result<Response, Stop>) -> Response {
    match page {
        Ok(page) => page,
        Err(stop) => context.stop(Some(peer), "console", About::default(), stop).await,
    }
}
