//! `/healthz`, `/readyz`, `/metrics` on a loopback listener, for the operator and his monitoring.
//!
//! Takes states that other rooms report; gives JSON that names each check, its state and since when. Tells nothing about partners.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// Connections at once.
const CONNECTIONS_MAX: usize = 64;

/// How a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Light {
    /// As it should be.
    Green,
    /// Works, but somebody should look.
    Yellow,
    /// The gateway is not ready.
    Red,
}

#[derive(Clone, Debug, Serialize)]
struct Check {
    state: Light,
    detail: String,
    since: String,
}

/// The checks behind `/readyz`.
#[derive(Clone, Debug)]
pub struct Readiness {
    clock: Clock,
    checks: Arc<Mutex<BTreeMap<&'static str, Check>>>,
}

impl Readiness {
    /// No checks yet; without any red one the gateway counts as ready.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            checks: Arc::default(),
        }
    }

    /// Reports a check; `since` changes only with its state.
    pub fn report(&self, name: &'static str, state: Light, detail: impl Into<String>) {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match checks.get(name) {
            Some(known) if known.state == state => known.since.clone(),
            _ => shuguan_ledger::time::format(self.clock.now_us()),
        };
        let detail = detail.into();
        checks.insert(name, Check { state, detail, since });
    }

    /// Every check as JSON, and whether the gateway is ready.
    pub fn snapshot(&self) -> (bool, serde_json::Value) {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = checks.values().all(|check| check.state != Light::Red);
        let document = serde_json::json!({ "ready": ready, "checks": &*checks });
        (ready, document)
    }
}

/// The three pages.
pub fn router(readiness: Readiness, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(readiness)
        .route("/metrics", get(move || std::future::ready(render(&metrics))))
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let (ready, document) = readiness.snapshot();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        document.to_string(),
    )
        .into_response()
}

fn render(metrics: &PrometheusHandle) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()).into_response()
}

/// Serves the pages until `stop`.
pub async fn listen(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((tcp, _)) = accepted else {
            // Out of descriptors; trying again at once would only take the processor from those who have some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // Whoever is on this machine and opens more than that is not monitoring.
        if connections.len() >= CONNECTIONS_MAX {
            continue;
        }
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let mut http1 = http1::Builder::new();
            http1
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(5));
            // Whoever asks on loopback and hangs up is no fault.
            let _ = http1.serve_connection(TokioIo::new(tcp), service).await;
        });
    }
}
