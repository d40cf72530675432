//! The light of the inbox: takes what waits in it or is set aside; gives a colour, words for people and the gauges. Refuses nothing: who may not push any more, the bounds
//! of the journal say.

use crate::edge::health::Light;
use crate::journal::{Journal, ROWS_MAX, SetAside};

pub(super) fn describe(journal: &Journal, now_us: i64) -> (Light, String) {
    let backlog = journal.backlog();
    let oldest_s = backlog.oldest_us.map_or(0, |sealed_us| seconds(sealed_us, now_us));
    let overdue = journal.inbox_overdue();
    metrics::gauge!("shuguan_inbox_exchanges").set(precise(backlog.exchanges));
    metrics::gauge!("shuguan_inbox_bytes").set(precise(backlog.bytes));
    metrics::gauge!("shuguan_inbox_oldest_seconds").set(precise(oldest_s));
    metrics::gauge!("shuguan_recalls_waiting").set(precise(backlog.recalls));
    metrics::gauge!("shuguan_inbox_overdue_partners").set(precise(overdue as u64));
    let oldest = backlog
        .oldest_us
        .map(|_| format!(", the oldest that waits is {}", age(oldest_s)));
    let waits = format!(
        "{} exchanges wait or are set aside{}",
        backlog.exchanges,
        oldest.unwrap_or_default()
    );
    if !journal.inbox_has_room() {
        (Light::Yellow, format!("it is full; pushes are answered 503; {waits}"))
    } else if overdue > 0 {
        let who = format!("batches of {overdue} partners wait for too long, whose pushes are answered 503");
        (
            Light::Yellow,
            format!("{who}: see `registry`, or shuguan relay resume; {waits}"),
        )
    } else if backlog.exchanges == 0 {
        (Light::Green, "it is empty".into())
    } else {
        (Light::Green, waits)
    }
}

/// What is said of batches that are set aside, oldest first, as far as they are listed at once: they wait for an operator, who may not know.
pub(super) fn of_aside(aside: &[SetAside], now_us: i64) -> (Light, String) {
    metrics::gauge!("shuguan_inbox_set_aside").set(precise(aside.len() as u64));
    match aside.first() {
        None => (Light::Green, "none".into()),
        Some(oldest) => {
            let age = age(seconds(oldest.received_us, now_us));
            let (count, reason) = (aside.len(), oldest.reason.as_deref().unwrap_or("-"));
            let more = if count < ROWS_MAX as usize { "" } else { " or more" };
            let what = format!(
                "{count}{more} batches wait for an operator, the oldest is {age} ({reason}): shuguan relay list"
            );
            (Light::Yellow, what)
        }
    }
}

fn seconds(from_us: i64, now_us: i64) -> u64 {
    (now_us.saturating_sub(from_us) / 1_000_000).max(0).unsigned_abs()
}

/// As whoever looks at it counts.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s old"),
        120..7_200 => format!("{} min old", seconds / 60),
        7_200..172_800 => format!("{} h old", seconds / 3_600),
        _ => format!("{} days old", seconds / 86_400),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is for people")]
fn precise(value: u64) -> f64 {
    value as f64
}
