//! The console: pages and a JSON API for officers, on their own listener.
//!
//! Takes requests whose certificate the edge and the gate have judged; gives pages that work without script, and JSON. The certificate is the
//! login: no cookie, nothing in the browser. An officer's search, view or download is sealed before its result is read (C5).
//!
//! | File | What it does |
//! |---|---|
//! | `shell` | headers of every answer, problems as pages, the page for callers without a certificate |
//! | `guard` | requests from other sites, form tokens |
//! | `json` | what every JSON route does before and after its own work |
//! | `question` | who asks what and why: sealed, then answered |
//! | `officers_api` | `POST /console/api/search`, `/show` |
//! | `person` | who sent or received what about one person: `/console/person`, `POST /console/api/person` |
//! | `policies_api` | `POST /console/api/policy` |
//! | `relay_api` | `GET`, `POST /console/api/relay` |
//! | `clock_api` | `GET`, `POST /console/api/clock`: how the machine's clock stands |
//! | `log_api` | `GET`, `POST /console/api/log`: volumes of the log |
//! | `tickets_api` | `POST /console/api/tickets`: a source is asked to check a field of a row |
//! | `unseal_api`, `shred_api` | evidence records: opened by two officers, destroyed by the security officer |
//! | `overview`, `exchanges`, `exchange` | the pages |
//! | `proof` | what is proved about a leaf |
//! | `words` | Chinese for codes, moments in Shanghai |

mod clock_api;
mod exchange;
mod exchanges;
mod guard;
mod json;
mod log_api;
mod officers_api;
mod overview;
mod person;
mod policies_api;
mod proof;
mod question;
mod relay_api;
mod shell;
mod shred_api;
#[cfg(test)]
mod tests;
mod tickets_api;
mod unseal_api;
mod words;

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use axum::{Router, middleware};
use http::header;

use crate::api::Api;
use crate::api::gate::Gate;
use crate::bundle::Keeper;
use crate::edge::Peer;
use crate::edge::deadline::{BodyLimits, GuardedBody};
use crate::edge::health::Readiness;
use crate::relay::RelayStatus;

pub(crate) use shell::help;

/// A form is small.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// What the pages and the officers' API show.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    /// The stations.
    pub api: Api,
    /// The relay.
    pub relay: RelayStatus,
    /// The checks.
    pub readiness: Readiness,
    /// The policies in force.
    pub keeper: Arc<Keeper>,
    /// File of the log's first key; those of later volumes lie beside it.
    pub log_key: PathBuf,
}

/// What the handlers share.
#[derive(Debug)]
struct Desk {
    console: Console,
    forms: guard::FormKey,
    /// Searches for persons go one at a time: they are counted before they are sealed.
    searches: tokio::sync::Mutex<()>,
    /// So do destructions of index keys.
    shreddings: tokio::sync::Mutex<()>,
    /// So do turns of the log's volume.
    turns: tokio::sync::Mutex<()>,
    /// So do tickets: an equal one that is open is looked for before one is sealed.
    tickets: tokio::sync::Mutex<()>,
    /// So do approvals of one record's opening.
    approvals: tokio::sync::Mutex<()>,
}

/// The frame of every page: whose certificate it is, and where we are.
#[derive(Debug)]
struct Frame {
    officer: String,
    role: &'static str,
    sees_exchanges: bool,
    here: &'static str,
}

impl Frame {
    fn of(peer: &Peer, here: &'static str) -> Self {
        let partner = peer.partner();
        Self {
            officer: partner.zh.clone(),
            role: partner.role.zh(),
            sees_exchanges: question::sees_exchanges(partner.role),
            here,
        }
    }
}

/// The request with its body under the deadlines of every body; how long it may be is for each route to say.
async fn guarded(State(limits): State<BodyLimits>, request: Request) -> Request {
    let bytes_max = u64::MAX;
    request.map(|body| Body::new(GuardedBody::new(body, BodyLimits { bytes_max, ..limits })))
}

/// The routes of the console listener, behind the gate; only the style sheet is before it, since the page for a caller without a
/// certificate needs it.
pub(crate) fn router(console: Console, gate: Gate) -> Router {
    let log = crate::api::log::routes().with_state(console.api.clone());
    let limits = console.api.body;
    let desk = Arc::new(Desk {
        console,
        forms: guard::FormKey::fresh(),
        searches: tokio::sync::Mutex::default(),
        shreddings: tokio::sync::Mutex::default(),
        turns: tokio::sync::Mutex::default(),
        tickets: tokio::sync::Mutex::default(),
        approvals: tokio::sync::Mutex::default(),
    });
    let routes = Router::new()
        .route("/", get(|| async { Redirect::to("/console/") }))
        .route("/console", get(|| async { Redirect::to("/console/") }))
        .route("/console/", get(overview::page))
        .route(exchanges::ROUTE, get(exchanges::ask).post(exchanges::search))
        .route(exchange::ROUTE, get(exchange::ask).post(exchange::show))
        .route(exchange::RECEIPT, post(exchange::receipt))
        .route(exchange::LEAF, post(exchange::leaf))
        .route(person::ROUTE, get(person::ask).post(person::show))
        .route("/console/api/person", post(person::search))
        .route("/console/api/search", post(officers_api::search))
        .route("/console/api/show", post(officers_api::show))
        .route("/console/api/policy", policies_api::route())
        .route("/console/api/unseal", unseal_api::route())
        .route("/console/api/shred", post(shred_api::shred))
        .route("/console/api/relay", relay_api::route())
        .route("/console/api/log", log_api::route())
        .route("/console/api/clock", clock_api::route())
        .route("/console/api/tickets", post(tickets_api::open))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        // A caller that says nothing must not keep its place in flight.
        .layer(middleware::map_request_with_state(limits, guarded))
        .with_state(desk)
        .merge(log);
    Router::new()
        .route("/console/style.css", get(style))
        .route("/console/mark.svg", get(mark))
        .merge(crate::api::behind_gate(routes, gate))
        .layer(axum::middleware::from_fn(shell::dress))
}

async fn style() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("../assets/console.css"))
}

async fn mark() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "image/svg+xml")];
    (kind, include_str!("../assets/mark.svg"))
}
