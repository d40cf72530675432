//! Who sent or received what about one person or unit: found by keyed tags, never by reading a person.
//!
//! Takes a number in the body of a `POST`, case and reason; gives exchanges: who, when, for which purpose, under which agreement, which fields; never
//! a value. The question is a leaf before the index is read, the count a leaf before the result is shown; neither holds the number, nor does the
//! evidence record, which keeps its keyed tags. Says of each year whether it was searched: where the key of a year is destroyed, missing or another one, `0` means
//! nothing. What was edited in the index itself, `doctor --deep` finds beside what the leaves commit to, and a search does not. Refuses what is no number, and more than 10 searches a minute or 100 a day by one officer.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::response::Response;
use axum::{Extension, Form, Json};
use http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shuguan_ledger::leaf::{Digest, Event, Leaf, OfficerResultEvent, Reference};
use shuguan_ledger::time;
use shuguan_policies::{PastColumn, PolicySet};

use super::exchanges::{Choice, Line, answer, partner, purpose, reasons, record};
use super::question::{self, Ground};
use super::{Desk, Frame, guard, json, shell};
use crate::api::gate::Context;
use crate::bundle::past::{self, Kept, Known};
use crate::clock::{self, DAY_US};
use crate::edge::Peer;
use crate::exchange::index_keys::{Reach, Year};
use crate::exchange::seal::unavailable;
use crate::exchange::subjects::Number;
use crate::exchange::{Fault, Refused, Stations, Stop};
use crate::journal::{Entry, LeafRow, Outcome, Query, ROWS_MAX, Sealed};
use crate::refusal::Refusal;

/// Where the form is.
pub(super) const ROUTE: &str = "/console/person";
/// Kind of the question, in its leaf.
const KIND: &str = "by-person";
/// Exchanges that the page lists, the newest ones; `shuguan audit person` lists them all.
const LINES_MAX: usize = 1_000;
const A_MINUTE_US: i64 = 60_000_000;
/// Searches of one officer in a minute and in a day: a case asks about a few people, a person's file is nobody's daily reading.
const LIMITS: [(i64, usize); 2] = [(A_MINUTE_US, 10), (DAY_US, 100)];

/// What an officer sends. The number shows itself nowhere.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Request {
    person: String,
    case: String,
    why: String,
    token: String,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Request")
    }
}

/// One exchange that holds the subject.
struct Held {
    row: LeafRow,
    leaf: Leaf,
    /// The plan that it ran on; where it is not known, nobody but its evidence record knows it any more.
    plan: Arc<Kept>,
}

impl Held {
    fn known(&self) -> Option<&Known> {
        self.plan.known()
    }
}

/// What was found, and the leaves that say that it was asked and found.
struct Found {
    query: u64,
    result: u64,
    held: Vec<Held>,
    years: Vec<Year>,
    /// [`Number::kind`]
    number: &'static str,
}

/// `POST /console/api/person`.
pub(super) async fn search(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Request>, JsonRejection>,
) -> Response {
    let found = async {
        let request: Request = json::asked(&headers, &uri, body, "person, case, why")?;
        let found = find(&desk, &peer, &request).await?;
        let policies = desk.console.api.stations.policies.load();
        Ok(json!({
            "schema": "shuguan.audit.person.v1",
            "query_index": found.query,
            "result_index": found.result,
            "number": found.number,
            "years": found.years,
            "complete": is_complete(&found.years),
            "items": found.held.iter().map(|held| item(held, &policies)).collect::<Vec<_>>(),
        }))
    };
    json::answer(&context, &peer, "console", found.await).await
}

#[derive(Template)]
#[template(path = "person.html")]
struct Page {
    frame: Frame,
    case: String,
    why: String,
    reasons: Vec<Choice>,
    token: String,
    found: Option<Shown>,
}

struct Shown {
    query: u64,
    result: u64,
    /// Neither a resident id nor a credit code was typed.
    is_other: bool,
    /// Years that were searched.
    searched: String,
    /// Years that were not, and why.
    unsearched: Vec<String>,
    /// How many exchanges were found.
    count: usize,
    /// The newest of them.
    lines: Vec<Row>,
}

struct Row {
    line: Line,
    fields: String,
    /// The grant says something else by now, or is gone.
    is_past: bool,
    /// What was kept of the grant was changed past the gateway.
    is_edited: bool,
}

/// The empty form.
pub(super) async fn ask(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
) -> Response {
    let page = if question::sees_exchanges(peer.partner().role) {
        page(&desk, &peer, &Request::default(), None)
    } else {
        Err(Refusal::WrongRole.into())
    };
    answer(&context, &peer, page).await
}

/// The form, sent.
pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    form: Result<Form<Request>, FormRejection>,
) -> Response {
    let page = async {
        guard::from_our_page(&headers, &uri)?;
        let Form(request) = form.map_err(|_| bad("the form cannot be read"))?;
        let now_us = desk.console.api.stations.clock.now_us();
        desk.forms.check(&peer, ROUTE, now_us, &request.token)?;
        let found = find(&desk, &peer, &request).await?;
        let policies = desk.console.api.stations.policies.load();
        let row = |held: &Held| Row {
            line: Line::of(&held.row, &policies),
            fields: fields_zh(held),
            is_past: held.known().is_some_and(|known| !known.in_force),
            is_edited: held.plan.is_edited(),
        };
        let shown = Shown {
            query: found.query,
            result: found.result,
            is_other: found.number == "other",
            searched: searched(&found.years),
            unsearched: unsearched(&found.years),
            count: found.held.len(),
            lines: found.held.iter().take(LINES_MAX).map(row).collect(),
        };
        page(&desk, &peer, &request, Some(shown))
    };
    answer(&context, &peer, page.await).await
}

/// The page never repeats the number.
fn page(desk: &Desk, peer: &Peer, request: &Request, found: Option<Shown>) -> Result<Response, Stop> {
    let now_us = desk.console.api.stations.clock.now_us();
    shell::page(&Page {
        frame: Frame::of(peer, "person"),
        case: request.case.clone(),
        why: request.why.clone(),
        reasons: reasons(),
        token: desk.forms.token(peer, ROUTE, now_us),
        found,
    })
}

fn bad(detail: &str) -> Stop {
    Refused::new(Refusal::BadRequest).detail(detail).into()
}

/// Asks, finds, and says how much was found: leaf, index, leaf. A crash between them leaves a question without a result.
async fn find(desk: &Desk, peer: &Peer, request: &Request) -> Result<Found, Stop> {
    let stations = &desk.console.api.stations;
    if !question::sees_exchanges(peer.partner().role) {
        return Err(Refusal::WrongRole.into());
    }
    let ground = Ground::of(&request.case, &request.why)?;
    let number = Number::read(&request.person)
        .ok_or_else(|| bad("`person` is not the number of a person or a unit, or its check character is wrong"))?;
    let query = {
        // One at a time, so that nobody passes the limit between counting and sealing.
        let _turn = desk.searches.lock().await;
        within_limits(stations, &peer.partner().id).await?;
        let search = stations.index.search(&number);
        let search = search.map_err(Fault::from_error("read the index keys"))?;
        let shown: Vec<String> = search.tags.iter().map(|tag| super::proof::hex(tag)).collect();
        let arguments = json!({ "q": KIND, "tags": shown }).to_string();
        (question::seal(stations, peer, &ground, KIND, arguments).await?, search)
    };
    let (query, search) = query;
    let leaves = stations.journal.by_subject(search.tags).await;
    let leaves = leaves.map_err(Fault::from_error("search the index"))?;
    let held = held(stations, leaves).await?;
    let result = seal_result(stations, peer, &query, held.len()).await?;
    Ok(Found {
        query: query.index,
        result,
        held,
        years: search.years,
        number: number.kind(),
    })
}

/// The leaves with the plans that they name, each of which is looked up once.
async fn held(stations: &Stations, leaves: Vec<u64>) -> Result<Vec<Held>, Fault> {
    let (mut held, mut plans) = (Vec::new(), HashMap::new());
    for index in leaves {
        let row = stations.journal.leaf(index).await;
        if let Some(row) = row.map_err(Fault::from_error("read a leaf"))? {
            let leaf = Leaf::decode(&row.bytes).map_err(Fault::from_error("read a leaf"))?;
            let plan = ran_on(stations, &leaf.event, &mut plans).await?;
            held.push(Held { row, leaf, plan });
        }
    }
    Ok(held)
}

async fn ran_on(
    stations: &Stations,
    event: &Event,
    plans: &mut HashMap<[u8; 32], Arc<Kept>>,
) -> Result<Arc<Kept>, Fault> {
    let Some(hash) = past::named_by(event) else {
        return Ok(Arc::new(Kept::Not));
    };
    if let Some(kept) = plans.get(&hash) {
        return Ok(Arc::clone(kept));
    }
    let found = past::reported(stations, hash).await;
    let kept = Arc::new(found.map_err(Fault::from_error("read a past plan"))?);
    plans.insert(hash, Arc::clone(&kept));
    Ok(kept)
}

fn is_complete(years: &[Year]) -> bool {
    years.iter().all(|year| year.reach == Reach::Searched)
}

fn searched(years: &[Year]) -> String {
    let searched = years.iter().filter(|year| year.reach == Reach::Searched);
    let searched: Vec<&str> = searched.map(|year| year.year.as_str()).collect();
    searched.join("、")
}

fn unsearched(years: &[Year]) -> Vec<String> {
    let line = |year: &Year| Some(format!("{} 年：{}", year.year, why_not(year.reach)?));
    years.iter().filter_map(line).collect()
}

fn why_not(reach: Reach) -> Option<&'static str> {
    match reach {
        Reach::Searched => None,
        Reach::Shredded => Some("索引密钥已按规定销毁，未检索"),
        Reach::Missing => Some("索引密钥缺失，未检索"),
        Reach::Another => Some("索引密钥与存证不符，未检索"),
        Reach::Partly => Some("索引密钥曾丢失并更换，更换前的交换未检索"),
    }
}

/// Counted from the log, so that a restart forgives nothing.
async fn within_limits(stations: &Stations, officer: &str) -> Result<(), Stop> {
    let now_us = stations.clock.now_us();
    let moments = asked_since(stations, officer, now_us - DAY_US).await?;
    for (span_us, most) in LIMITS {
        let within = moments.iter().filter(|moment| **moment > now_us - span_us);
        if within.count() >= most {
            // Newest first: when the one that is `most` back is old enough, the next may come.
            let oldest = moments.get(most - 1).copied().unwrap_or(now_us);
            let wait_us = (oldest + span_us - now_us).max(0);
            let wait_s = u64::try_from(wait_us / 1_000_000).unwrap_or(0) + 1;
            return Err(Refused::new(Refusal::RateLimited).retry_after(wait_s).into());
        }
    }
    Ok(())
}

/// When an officer searched for persons, newest first. Whatever else he asked meanwhile is passed over, and hides none of it.
async fn asked_since(stations: &Stations, officer: &str, from_us: i64) -> Result<Vec<i64>, Stop> {
    let mut query = Query {
        partner: Some(officer.to_owned()),
        kind: Some("officer-query".into()),
        from_us: Some(from_us),
        ..Query::default()
    };
    let mut moments = Vec::new();
    loop {
        let asked = stations.journal.search(query.clone()).await;
        let asked = asked.map_err(Fault::from_error("count searches"))?;
        moments.extend(asked.iter().filter(|row| by_person(row)).map(|row| row.t_us));
        match asked.last() {
            Some(last) if asked.len() == ROWS_MAX as usize => query.before_index = Some(last.index),
            _ => return Ok(moments),
        }
    }
}

fn by_person(row: &LeafRow) -> bool {
    Leaf::decode(&row.bytes).is_ok_and(|leaf| matches!(leaf.event, Event::OfficerQuery(query) if query.q == KIND))
}

async fn seal_result(stations: &Stations, peer: &Peer, query: &Sealed, found: usize) -> Result<u64, Stop> {
    let event = OfficerResultEvent {
        who: peer.partner().id.clone(),
        of: Reference {
            i: query.index,
            h: Digest(query.leaf_hash),
        },
        cnt: u64::try_from(found).unwrap_or(u64::MAX),
    };
    let id = clock::exchange_id(&stations.clock).map_err(|_| Fault::new("make an id"))?;
    let entry = Entry::new(id, Event::OfficerResult(event));
    match stations.journal.seal(entry).await.map_err(unavailable)? {
        Outcome::Sealed(sealed) | Outcome::Repeated(sealed) => Ok(sealed.index),
        Outcome::KeyReused | Outcome::Replayed => Err(Fault::new("a result has no idempotency key").into()),
    }
}

/// A field as it was released.
#[derive(Serialize)]
struct Released<'h> {
    name: &'h str,
    zh: Cow<'h, str>,
    operator: String,
}

/// Empty where the plan is not known.
fn fields(held: &Held) -> Vec<Released<'_>> {
    let columns = held.known().into_iter().flat_map(|known| &known.plan.columns);
    let released = columns.map(|column| Released {
        name: &column.name,
        zh: called(column),
        operator: column.operator.describe(),
    });
    released.collect()
}

/// As it was called then; where nobody knows that any more, its identifier and a word.
fn called(column: &PastColumn) -> Cow<'_, str> {
    let unknown = || format!("{}{}", column.name, past::NAME_UNKNOWN);
    column.zh.map_or_else(|| unknown().into(), Cow::from)
}

fn fields_zh(held: &Held) -> String {
    let fields = fields(held);
    fields
        .iter()
        .map(|field| field.zh.as_ref())
        .collect::<Vec<_>>()
        .join("、")
}

fn item(held: &Held, policies: &PolicySet) -> Value {
    let (row, event) = (&held.row, &held.leaf.event);
    let named = |choice: Choice| json!({ "id": choice.code, "zh": choice.zh });
    let agreement = match event {
        Event::Push(push) => Some(&push.agr),
        Event::Pull(pull) => Some(&pull.agr),
        Event::Compare(compare) => Some(&compare.agr),
        _ => None,
    };
    let plan = held.known().map(|known| &known.plan);
    json!({
        "index": row.index,
        "t": time::format(row.t_us),
        "kind": row.kind,
        "exchange": row.exchange,
        "partner": row.partner.as_deref().map(|id| named(partner(policies, id))),
        "consumer": plan.map(|plan| named(partner(policies, &plan.consumer))),
        "data": row.record.as_deref().map(|name| named(record(policies, name))),
        "purpose": row.purpose.as_deref().map(|code| named(purpose(policies, code))),
        "agreement": agreement,
        "basis": plan.map(|plan| json!({
            "kind": plan.basis.kind, "articles": plan.basis.articles, "document": plan.basis.document,
        })),
        "plan_known": plan.is_some(),
        "plan_edited": held.plan.is_edited(),
        "in_force": held.known().is_some_and(|known| known.in_force),
        "fields": fields(held),
    })
}
