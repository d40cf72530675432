//! What every request passes before its handler: framing, a place in flight (`places`), an identity, a request id.
//!
//! Takes the [`Caller`] that the connection proved; gives handlers an `Arc<Peer>` and a [`Context`]. Refuses what can be read in two ways,
//! callers whose certificate may not be used here, and work beyond the limit. Each refusal of a known caller is a leaf.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use uuid::Uuid;

use super::answers;
use super::places::{self, Place, Places};
use super::problem::{self, Language};
use crate::edge::{Caller, Peer, framing};
use crate::exchange::{Fault, RefusalLeaf, Refused, Stop};
use crate::journal::{Journal, RefusalDraft, Sealed};
use crate::refusal::Refusal;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// What the gate needs.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    journal: Journal,
    places: Places,
    draining: Arc<AtomicBool>,
    /// Answers a caller without a certificate; the console shows a help page.
    anonymous: fn() -> Option<Response>,
}

impl Gate {
    /// A gate that lets as many requests in at once as there are places.
    pub(crate) fn new(journal: Journal, places: Places, draining: Arc<AtomicBool>) -> Self {
        Self {
            journal,
            places,
            draining,
            anonymous: || None,
        }
    }

    /// The same gate with a page for callers without a certificate.
    #[must_use]
    pub(crate) fn with_help(mut self, help: fn() -> Option<Response>) -> Self {
        self.anonymous = help;
        self
    }
}

/// Who asked and under which id; every handler finds it.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// Finds the operational log line.
    pub request_id: Uuid,
    /// Language of texts.
    pub language: Language,
    journal: Journal,
}

/// What a refusal leaf may say of the request: only names that exist.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About<'a> {
    /// Record type.
    pub record: Option<&'a str>,
    /// Dataset.
    pub dataset: Option<&'a str>,
    /// Purpose.
    pub purpose: Option<&'a str>,
    /// Hash of the bundle that was asked.
    pub bundle: Option<[u8; 32]>,
}

impl Context {
    /// Seals the leaf of a refusal, logs a fault once, and answers.
    pub(crate) async fn stop(&self, peer: Option<&Peer>, at: &'static str, about: About<'_>, stop: Stop) -> Response {
        let leaf = match &stop {
            Stop::Refused(refused) => self.refusal(peer, at, about, refused).await,
            Stop::Fault(fault) => {
                log_fault(self.request_id, fault);
                None
            }
        };
        let mut response = problem::answer(&stop, self.request_id, self.language);
        if let Some(leaf) = leaf {
            answers::place(&mut response, &leaf);
        }
        response
    }

    /// Counts a refusal; gives the place of its leaf, sealed here where it is due.
    async fn refusal(
        &self,
        peer: Option<&Peer>,
        at: &'static str,
        about: About<'_>,
        refused: &Refused,
    ) -> Option<Sealed> {
        metrics::counter!("shuguan_refusals_total", "code" => refused.refusal.code()).increment(1);
        match &refused.leaf {
            // A journal that cannot commit has no leaf for its own refusal (design 10.6).
            RefusalLeaf::Due if refused.refusal == Refusal::JournalUnavailable => None,
            RefusalLeaf::Due => self.seal(peer, at, about, refused).await,
            RefusalLeaf::Sealed(leaf) => leaf.as_deref().cloned(),
            RefusalLeaf::Waived => None,
        }
    }

    async fn seal(&self, peer: Option<&Peer>, at: &'static str, about: About<'_>, refused: &Refused) -> Option<Sealed> {
        let refusal = refused.refusal;
        let draft = RefusalDraft {
            partner: peer.map(|peer| peer.partner().id.clone()),
            code: refusal,
            record: about.record.map(str::to_owned),
            dataset: about.dataset.map(str::to_owned),
            purpose: about.purpose.map(str::to_owned),
            bundle: refused.bundle.or(about.bundle),
            at,
            exchange: refused.exchange,
        };
        // The caller is refused all the same; the metric counted it.
        self.journal.refuse(draft).await.unwrap_or_else(|_| {
            tracing::warn!(code = refusal.code(), "a refusal could not be sealed");
            None
        })
    }
}

/// A fault is logged once, here, with the whole chain of its causes; the caller learns the request id.
fn log_fault(request_id: Uuid, fault: &Fault) {
    tracing::error!(request.id = %request_id, cause = %fault.chain(), "a request failed");
}

/// The gate itself.
pub(crate) async fn pass(
    State(gate): State<Gate>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
    next: Next,
) -> Response {
    let context = Context {
        request_id: request_id(&request),
        language: Language::of(request.headers()),
        journal: gate.journal.clone(),
    };
    let request_id = context.request_id;
    let mut response = match admit(&gate, &caller, &context, &mut request).await {
        Ok(place) => {
            request.extensions_mut().insert(context);
            places::until_sent(next.run(request).await, place)
        }
        Err(response) => response,
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn admit(gate: &Gate, caller: &Caller, context: &Context, request: &mut Request) -> Result<Place, Response> {
    let (refusal, peer) = match caller {
        Caller::Refused(refusal, peer) => (Some(*refusal), peer.clone()),
        Caller::Anonymous => match (gate.anonymous)() {
            Some(page) => return Err(page),
            None => (Some(Refusal::NoCertificate), None),
        },
        Caller::Peer(peer) => (None, Some(Arc::clone(peer))),
    };
    if let Some(refusal) = refusal {
        let stop = refusal.into();
        return Err(context.stop(peer.as_deref(), "peer", About::default(), stop).await);
    }
    let (parts, body) = std::mem::take(request).into_parts();
    let framing = framing::fault(&parts);
    *request = Request::from_parts(parts, body);
    let stop = match framing {
        Some(fault) => Some(Refused::new(Refusal::BadRequest).detail(fault).into()),
        None if gate.draining.load(Ordering::Relaxed) => Some(Refused::new(Refusal::Draining).retry_after(10).into()),
        None => None,
    };
    if let Some(stop) = stop {
        return Err(context.stop(peer.as_deref(), "gate", About::default(), stop).await);
    }
    let caller = peer.as_deref().map_or("", |peer| &peer.partner().id);
    let place = match gate.places.take(caller) {
        Ok(place) => place,
        Err(refused) => {
            return Err(context
                .stop(peer.as_deref(), "gate", About::default(), refused.into())
                .await);
        }
    };
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    Ok(place)
}

/// The caller's own request id when it is a UUID, else a fresh one (design 10.7: no free text).
fn request_id(request: &Request) -> Uuid {
    request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(Uuid::new_v4)
}

/// No such route.
pub(crate) async fn no_route(
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
) -> Response {
    let stop = Refusal::NotFound.into();
    context.stop(Some(&peer), "route", About::default(), stop).await
}

/// A route that does not take this method.
pub(crate) async fn no_method(
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
) -> Response {
    let stop = Refusal::MethodNotAllowed.into();
    context.stop(Some(&peer), "route", About::default(), stop).await
}

/// A panic in a handler: a fault like any other, without its text.
pub(crate) fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    let request_id = Uuid::new_v4();
    tracing::error!(request.id = %request_id, "a handler panicked");
    problem::fault_answer(request_id, Language::Chinese)
}
