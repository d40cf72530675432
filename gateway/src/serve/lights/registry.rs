//! The light of the registry: takes how it stands, what the relay does and what of recalls waits; gives a colour and words for people. Refuses nothing: feeds are
//! accepted whatever it says.

use crate::edge::health::Light;
use crate::exchange::Stations;
use crate::registry::{Registry, Standing};
use crate::relay::{RecallApart, RelaySnapshot, RelayStatus};

/// So long may the registry owe an answer before it is said to hang, seconds.
const OWING_S: u64 = 5;

pub(super) fn describe(stations: &Stations, relay: &RelayStatus, now_us: i64) -> (Light, String) {
    let snapshot = relay.snapshot(now_us);
    let (light, standing) = standing(&stations.registry, &snapshot);
    let (light, rests) = if relay.is_paused() {
        (
            light.max(Light::Yellow),
            "an operator paused the relay: shuguan relay resume; ",
        )
    } else {
        (light, "")
    };
    let detail = format!(
        "{standing}{rests}{}{} exchanges wait, the oldest for {} s{}; {} rows/s; pace {} %; last error {}{}",
        apart(&snapshot.recalls_apart),
        snapshot.backlog_exchanges,
        snapshot.lag_s,
        recalls(stations.journal.backlog().recalls, snapshot.recalls_apart.len()),
        snapshot.rows_per_s,
        snapshot.pace_percent,
        snapshot.last_error.unwrap_or("none"),
        snapshot.last_told.map_or_else(String::new, |told| format!(" ({told})"))
    );
    (light, detail)
}

/// Whether it answers, and takes what is relayed.
fn standing(registry: &Registry, snapshot: &RelaySnapshot) -> (Light, String) {
    let owes_s = registry.unanswered_for().map_or(0, |owes| owes.as_secs());
    match registry.standing() {
        Standing::Awaited(code) => (
            Light::Red,
            format!("it has not answered since the start ({code}); feeds are accepted; "),
        ),
        Standing::Lost(code) => (
            Light::Yellow,
            format!("it does not answer ({code}); feeds are accepted; "),
        ),
        Standing::Ready if owes_s >= OWING_S => (
            Light::Yellow,
            format!("it has not answered an order for {owes_s} s; feeds are accepted; "),
        ),
        Standing::Ready if snapshot.last_error.is_some() || !snapshot.recalls_apart.is_empty() => {
            (Light::Yellow, String::new())
        }
        Standing::Ready => (Light::Green, String::new()),
    }
}

/// What is said of recalls that wait, besides those that the registry refuses.
fn recalls(open: u64, apart: usize) -> String {
    match open.saturating_sub(apart as u64) {
        0 => String::new(),
        waiting => format!("; {waiting} recalls wait"),
    }
}

/// What is said of recalls that the registry refuses.
fn apart(recalls: &[RecallApart]) -> String {
    match recalls.first() {
        None => String::new(),
        Some(first) => format!(
            "{} recalls cannot be carried out ({}): shuguan relay list; ",
            recalls.len(),
            first.reason
        ),
    }
}
