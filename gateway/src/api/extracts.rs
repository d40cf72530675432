//! `POST /v1/extracts`, `GET /v1/extracts/{id}`, `GET …/content`, `GET …/manifest`: request, wait, download with ranges.
//!
//! A download goes on only as long as its caller and its grant do: before each chunk both are judged anew. One that may not go on breaks off, so that no
//! client takes what it has for the whole, and its `refusal` leaf at `content` says why.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, body};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use shuguan_ledger::time;
use shuguan_policies::PolicySet;
use shuguan_policies::dataset::Dataset;
use uuid::Uuid;

use super::Api;
use super::answers;
use super::gate::{About, Context};
use crate::clock::Clock;
use crate::edge::{Gatekeeper, Peer};
use crate::exchange::asked::RequestHead;
use crate::exchange::pull::{self, ExtractRequest};
use crate::exchange::{Refused, Stop};
use crate::extract::{Extracts, Ready, State as ExtractState};
use crate::refusal::Refusal;
use crate::signature::{Asked, digest};

/// Longest request for an extract.
const REQUEST_BYTES_MAX: usize = 64 << 10;
/// Longest wait that `Prefer: wait=` gets.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Begins an extract.
pub(crate) async fn request(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(parts);
    let mut dataset = None;
    let members = "members are dataset, purpose, case, select {region, since}, form";
    let begun = match super::request::<ExtractRequest>(&api, &asked, body, REQUEST_BYTES_MAX, members).await {
        Ok((request, body)) => {
            dataset = Dataset::parse(&request.dataset).map(Dataset::name);
            let head = RequestHead {
                message: asked.message(),
                body: &body,
            };
            pull::begin(&api.stations, Arc::clone(&peer), request, &head).await
        }
        Err(stop) => Err(stop),
    };
    let response = match begun {
        Ok(exchange) => {
            let path = format!("/v1/extracts/{exchange}");
            let document = json!({
                "schema": "shuguan.extract.v1", "extract": exchange, "state": "preparing", "links": links(exchange),
            });
            (StatusCode::ACCEPTED, [(header::LOCATION, path)], Json(document)).into_response()
        }
        Err(stop) => {
            let about = About {
                dataset,
                bundle: Some(api.stations.policies.load().hash()),
                ..About::default()
            };
            context.stop(Some(&peer), "pull", about, stop).await
        }
    };
    answers::signed(&api, &peer, &asked, response).await
}

fn links(exchange: Uuid) -> Value {
    json!({
        "status": format!("/v1/extracts/{exchange}"),
        "content": format!("/v1/extracts/{exchange}/content"),
        "manifest": format!("/v1/extracts/{exchange}/manifest"),
        "receipt": format!("/v1/exchanges/{exchange}/receipt"),
    })
}

fn own(api: &Api, peer: &Peer, extract: &str) -> Result<(Uuid, ExtractState), Stop> {
    let exchange: Uuid = extract.parse().map_err(|_| Refusal::NotFound)?;
    let state = api.stations.extracts.state(exchange, &peer.partner().id);
    Ok((exchange, state.ok_or(Refusal::NotFound)?))
}

/// The state of an extract; `Prefer: wait=N` waits for a change.
pub(crate) async fn status(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(extract): Path<String>,
    headers: HeaderMap,
) -> Response {
    let deadline = tokio::time::Instant::now() + preferred_wait(&headers);
    loop {
        match own(&api, &peer, &extract) {
            Ok((_, ExtractState::Preparing)) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok((exchange, state)) => {
                let now_us = api.stations.clock.now_us();
                return Json(document(exchange, &state, now_us)).into_response();
            }
            Err(stop) => return context.stop(Some(&peer), "extracts", About::default(), stop).await,
        }
    }
}

/// `Prefer: wait=N` (RFC 7240), seconds.
fn preferred_wait(headers: &HeaderMap) -> Duration {
    headers
        .get("prefer")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.strip_prefix("wait="))
        .and_then(|seconds| seconds.trim().parse().ok())
        .map_or(Duration::ZERO, |seconds| Duration::from_secs(seconds).min(WAIT_MAX))
}

fn document(exchange: Uuid, state: &ExtractState, now_us: i64) -> Value {
    let mut document = json!({ "schema": "shuguan.extract.v1", "extract": exchange, "links": links(exchange) });
    let Some(members) = document.as_object_mut() else {
        return document;
    };
    let word = match state {
        ExtractState::Preparing => "preparing",
        ExtractState::Failed(failure) => {
            members.insert("code".into(), failure.why.code().into());
            if failure.fits_no_day {
                members.insert("fits_no_day".into(), true.into());
            }
            let wait_s = failure.retry_at_us.map(|at_us| seconds_until(at_us, now_us));
            members.extend(wait_s.map(|seconds| ("retry_after_s".to_owned(), seconds.into())));
            "failed"
        }
        ExtractState::Ended(why) => {
            members.insert("code".into(), why.code().into());
            ended(*why)
        }
        ExtractState::Ready(ready) => {
            members.insert("rows".into(), ready.rows.into());
            members.insert("as_of".into(), ready.as_of_us.map(time::format).into());
            members.insert("bytes".into(), ready.content.bytes().into());
            members.insert("repr_digest".into(), digest_text(ready).into());
            "ready"
        }
    };
    members.insert("state".into(), word.into());
    document
}

/// Whole seconds, none where the moment has come.
fn seconds_until(at_us: i64, now_us: i64) -> u64 {
    let left_us = u64::try_from(at_us.saturating_sub(now_us)).unwrap_or(0);
    left_us.div_ceil(1_000_000)
}

/// The word for what ended an extract.
fn ended(why: Refusal) -> &'static str {
    if why == Refusal::GrantChanged {
        "changed"
    } else if why == Refusal::AgreementExpired {
        "agreement-expired"
    } else {
        "revoked"
    }
}

fn digest_text(ready: &Ready) -> String {
    digest::write(&ready.content.digest())
}

fn own_ready(api: &Api, peer: &Peer, extract: &str) -> Result<(Uuid, Arc<Ready>), Stop> {
    let (exchange, state) = own(api, peer, extract)?;
    match state {
        ExtractState::Ready(ready) => {
            let stations = &api.stations;
            ready
                .granted
                .upheld(&stations.policies.load(), stations.wall.now_us())?;
            Ok((exchange, ready))
        }
        ExtractState::Preparing => Err(Refused::new(Refusal::ExtractNotReady).retry_after(1).into()),
        ExtractState::Failed(_) => Err(Refusal::ExtractGone.into()),
        ExtractState::Ended(why) => Err(why.into()),
    }
}

/// What travels with the content: under what it was given, and what is owed. The leaf holds the SHA-256 of exactly these bytes.
pub(crate) async fn manifest(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(extract): Path<String>,
) -> Response {
    match own_ready(&api, &peer, &extract) {
        Ok((_, ready)) => ([(header::CONTENT_TYPE, "application/json")], ready.manifest.clone()).into_response(),
        Err(stop) => context.stop(Some(&peer), "extracts", About::default(), stop).await,
    }
}

/// The content; its leaf has been durable since before the state said `ready`.
pub(crate) async fn content(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Extension(gatekeeper): Extension<Arc<Gatekeeper>>,
    Path(extract): Path<String>,
    request: Request,
) -> Response {
    let asked = Asked::of(request.into_parts().0);
    let headers = &asked.headers;
    let range = range_start(headers);
    let watched = Watched {
        context: context.clone(),
        peer: Arc::clone(&peer),
        gatekeeper,
        policies: Arc::clone(&api.stations.policies),
        wall: api.stations.wall.clone(),
        extracts: api.stations.extracts.clone(),
    };
    let in_range = own_ready(&api, &peer, &extract).and_then(|(exchange, ready)| {
        let bytes = ready.content.bytes();
        if range.is_some_and(|from| from >= bytes) {
            return Err(Refused::new(Refusal::BadRange)
                .detail(format_args!("it has {bytes} bytes"))
                .into());
        }
        Ok((exchange, ready))
    });
    match in_range {
        Ok((exchange, ready)) => {
            let mut response = stream_content(watched, (exchange, Arc::clone(&ready)), range);
            answers::sign_content(&api, &peer, &asked, &ready, exchange, &mut response);
            response
        }
        Err(stop) => context.stop(Some(&peer), "extracts", About::default(), stop).await,
    }
}

fn stream_content(watched: Watched, (exchange, ready): (Uuid, Arc<Ready>), range: Option<u64>) -> Response {
    let bytes = ready.content.bytes();
    let from = range.unwrap_or(0);
    let mut response = body_from(watched, (exchange, Arc::clone(&ready)), from).into_response();
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let stated = digest_text(&ready);
    let fields: [(HeaderName, String); 6] = [
        (header::CONTENT_TYPE, ready.form.content_type().into()),
        (header::CONTENT_LENGTH, (bytes - from).to_string()),
        (header::ACCEPT_RANGES, "bytes".into()),
        (header::ETAG, format!("\"{}\"", BASE64.encode(ready.content.digest()))),
        (digest::REPR_DIGEST, stated),
        (
            header::CONTENT_RANGE,
            format!("bytes {from}-{}/{bytes}", bytes.saturating_sub(1)),
        ),
    ];
    for (name, text) in fields {
        if name == header::CONTENT_RANGE && range.is_none() {
            continue;
        }
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// `Range: bytes=N-`; other forms are ignored, as RFC 9110 (14.2) allows.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(header::RANGE)?.to_str().ok()?;
    let from = text.strip_prefix("bytes=")?.strip_suffix('-')?;
    // A number of Rust may have a sign, one of a range has not (RFC 9110, 14.1.1).
    from.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| from.parse().ok())?
}

/// What a download is judged by between two chunks.
struct Watched {
    context: Context,
    peer: Arc<Peer>,
    gatekeeper: Arc<Gatekeeper>,
    policies: Arc<ArcSwap<PolicySet>>,
    wall: Clock,
    extracts: Extracts,
}

impl Watched {
    /// Whether the caller may still pass, the policies still hold the grant, and the extract has not expired.
    fn goes_on(&self, exchange: Uuid) -> Result<(), Refusal> {
        self.gatekeeper.recheck(&self.peer)?;
        match self.extracts.state(exchange, &self.peer.partner().id) {
            Some(ExtractState::Ready(ready)) => ready.granted.upheld(&self.policies.load(), self.wall.now_us()),
            Some(ExtractState::Ended(why)) => Err(why),
            _ => Err(Refusal::ExtractGone),
        }
    }

    /// Its head was sent long ago, so nobody is answered: the leaf says it, and the body ends in the middle.
    async fn broken_off(&self, exchange: Uuid, ready: &Ready, refusal: Refusal) -> std::io::Error {
        let about = About {
            dataset: Some(ready.granted.dataset()),
            purpose: Some(ready.granted.purpose()),
            bundle: Some(self.policies.load().hash()),
            ..About::default()
        };
        let mut refused = Refused::new(refusal);
        refused.exchange = Some(exchange);
        drop(
            self.context
                .stop(Some(&self.peer), "content", about, refused.into())
                .await,
        );
        std::io::Error::other(refusal.code())
    }
}

/// Chunk by chunk out of the encrypted spool; memory does not grow with the extract.
fn body_from(watched: Watched, (exchange, ready): (Uuid, Arc<Ready>), from: u64) -> Body {
    let watched = Arc::new(watched);
    let chunks = stream::try_unfold(from, move |at| {
        let (ready, watched) = (Arc::clone(&ready), Arc::clone(&watched));
        async move {
            if let Err(refusal) = watched.goes_on(exchange) {
                return Err(watched.broken_off(exchange, &ready, refusal).await);
            }
            let chunk = tokio::task::spawn_blocking(move || ready.content.read_from(at))
                .await
                .map_err(std::io::Error::other)?
                .map_err(std::io::Error::other)?;
            if chunk.is_empty() {
                return Ok::<_, std::io::Error>(None);
            }
            let next = at + u64::try_from(chunk.len()).unwrap_or(0);
            Ok(Some((Bytes::from(chunk), next)))
        }
    });
    body::Body::from_stream(chunks)
}
