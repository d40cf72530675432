//! The protocol over HTTP: `POST /add-checkpoint` and `GET /<hex SHA-256 of the origin>/checkpoint`.
//!
//! Takes bodies of bounded length within a bounded time; gives 200 with the cosignature line, or the status that C2SP tlog-witness names.
//! Each refusal is one line of the operational log, at most 20 a minute, the rest counted; what only a log's own key can cause is counted by
//! itself, so that no stranger's noise hides it. Never in it: what a stranger sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{StatusCode, header};
use shuguan_ledger::cosignature::CosigningKey;
use shuguan_ledger::keys::KeySpan;
use shuguan_ledger::witness::{AddCheckpoint, REQUEST_BYTES_MAX, Refused, SIZE_TYPE, size_text};
use tokio_util::sync::CancellationToken;

use super::store::{Store, StoreFault};
use crate::clock::Clock;

/// A body that takes longer is not waited for.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Refusals of one class that are told one by one in a minute.
const TOLD_MAX: u64 = 20;
const MINUTE_US: i64 = 60_000_000;

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    key: CosigningKey,
    logs: BTreeMap<String, Vec<KeySpan>>,
    store: Store,
    clock: Clock,
    told: Mutex<BTreeMap<Class, Telling>>,
    /// Fires when the store can no longer be trusted to keep what it is given.
    broken: CancellationToken,
}

/// Refusals that are bounded together. The origins are those that are known here, so there are few.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// A fork of this log, proved by its own key.
    Forked(String),
    /// A checkpoint of this log with a proof that leads elsewhere: anybody who has the checkpoint can send it.
    Unproven(String),
    /// Whatever anybody can send.
    Any,
}

impl Class {
    fn of(origin: &str, refused: Refused) -> Self {
        match refused {
            Refused::Forked => Self::Forked(origin.to_owned()),
            Refused::Inconsistent => Self::Unproven(origin.to_owned()),
            _ => Self::Any,
        }
    }
}

/// How many refusals of a class were told in this minute, and how many were only counted.
#[derive(Debug, Default)]
struct Telling {
    minute: i64,
    told: u64,
    counted: u64,
}

impl Service {
    /// A witness with this key, these logs and this store.
    pub(crate) fn new(key: CosigningKey, logs: BTreeMap<String, Vec<KeySpan>>, store: Store, clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                key,
                logs,
                store,
                clock,
                told: Mutex::default(),
                broken: CancellationToken::new(),
            }),
        }
    }

    /// Waits until the store failed. The process must end then: after a failed fsync nobody knows what is on disk.
    pub(crate) async fn failed(&self) {
        self.inner.broken.cancelled().await;
    }

    fn add(&self, body: &[u8]) -> Result<Result<String, Refused>, StoreFault> {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(refused) => {
                self.tell("-", refused);
                return Ok(Err(refused));
            }
        };
        let inner = &self.inner;
        let keys = inner.logs.get(request.origin()).map(Vec::as_slice).unwrap_or_default();
        let now_s = u64::try_from(inner.clock.now_us().div_euclid(1_000_000)).unwrap_or(0);
        let answer = inner.store.add(&request, keys, &inner.key, now_s)?;
        if let Err(refused) = answer {
            // A known origin is one of our own words; another is a stranger's.
            let origin = inner
                .logs
                .get_key_value(request.origin())
                .map(|(origin, _)| origin.as_str());
            self.tell(origin.unwrap_or("-"), refused);
        }
        Ok(answer)
    }

    fn tell(&self, origin: &str, refused: Refused) {
        if !self.is_told(Class::of(origin, refused)) {
            return;
        }
        let status = refused.status();
        if refused == Refused::Forked {
            // Two roots of one size, both signed by the log's own key: this is evidence of a fork, and somebody must act.
            tracing::error!(
                log.origin = origin,
                status,
                cause = %refused,
                "a log showed a history that does not continue the one it showed before"
            );
        } else {
            tracing::warn!(log.origin = origin, status, cause = %refused, "a checkpoint was refused");
        }
    }

    /// Counts a refusal; whether it is one of those that are told.
    fn is_told(&self, class: Class) -> bool {
        let minute = self.inner.clock.now_us().div_euclid(MINUTE_US);
        let mut told = self.inner.told.lock().unwrap_or_else(PoisonError::into_inner);
        let telling = told.entry(class).or_default();
        if telling.minute != minute {
            if telling.counted > 0 {
                tracing::warn!(
                    count = telling.counted,
                    "more checkpoints were refused in the minute before"
                );
            }
            *telling = Telling {
                minute,
                ..Telling::default()
            };
        }
        if telling.told == TOLD_MAX {
            telling.counted += 1;
            return false;
        }
        telling.told += 1;
        true
    }

    fn broke(&self, fault: &StoreFault) -> Response {
        let cause = crate::chain::Chain(fault);
        tracing::error!(%cause, "the store of checkpoints failed; nothing was signed");
        self.inner.broken.cancel();
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

/// The two calls.
pub(crate) fn router(service: Service) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add))
        .route("/{origin}/checkpoint", get(newest))
        .with_state(service)
}

async fn add(State(service): State<Service>, body: Body) -> Response {
    let read = axum::body::to_bytes(body, REQUEST_BYTES_MAX);
    let body = match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return (StatusCode::PAYLOAD_TOO_LARGE, "it is too long, or was cut\n").into_response(),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, "it came too slowly\n").into_response(),
    };
    let working = service.clone();
    // Checking and fsync block; the connections' own number bounds the threads.
    let answer = tokio::task::spawn_blocking(move || working.add(&body)).await;
    match answer {
        Ok(Ok(Ok(line))) => (text(), line).into_response(),
        Ok(Ok(Err(refused))) => refusal(refused),
        Ok(Err(fault)) => service.broke(&fault),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn text() -> [(header::HeaderName, &'static str); 1] {
    [(header::CONTENT_TYPE, "text/plain; charset=utf-8")]
}

fn refusal(refused: Refused) -> Response {
    let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
    match refused {
        Refused::Conflict { stored } => {
            (status, [(header::CONTENT_TYPE, SIZE_TYPE)], size_text(stored)).into_response()
        }
        other => (status, text(), format!("{other}\n")).into_response(),
    }
}

async fn newest(State(service): State<Service>, Path(origin): Path<String>) -> Response {
    let working = service.clone();
    let found = tokio::task::spawn_blocking(move || working.inner.store.newest(&origin)).await;
    match found {
        Ok(Ok(Some(note))) => (text(), note).into_response(),
        Ok(Ok(None)) => (StatusCode::NOT_FOUND, text(), "nothing was signed for this log\n").into_response(),
        Ok(Err(fault)) => service.broke(&fault),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests;
