//! The light of the clock: takes how it stands; gives a colour and words for people, and the two gauges. Refuses nothing.

use crate::edge::health::Light;
use crate::journal::ClockStanding;

/// A log that is ahead by less is one after a small correction.
const DEBT_TOLD_US: i64 = 2_000_000;

pub(super) fn describe(standing: ClockStanding) -> (Light, String) {
    let off_us = standing.off_us.unwrap_or(0);
    metrics::gauge!("shuguan_clock_step_seconds").set(seconds(off_us));
    metrics::gauge!("shuguan_log_ahead_seconds").set(seconds(standing.debt_us));
    let debt = (standing.debt_us > DEBT_TOLD_US).then(|| {
        format!(
            "the log is {} s ahead of the time: its leaves say in `clk` when they are sealed",
            standing.debt_us / 1_000_000
        )
    });
    let held = standing.off_s().map(|off_s| {
        let side = if off_s < 0 { "behind" } else { "ahead of" };
        format!(
            "the machine's clock stepped and is {} s {side} the time that the log goes on by; put it right, or confirm it: shuguan log clock --confirm --yes; it is taken in {} s",
            off_s.unsigned_abs(),
            standing.settles_in_us.unwrap_or(0) / 1_000_000
        )
    });
    match (held, debt) {
        (None, None) => (Light::Green, "it goes as fast as time goes by".into()),
        (held, debt) => (
            Light::Yellow,
            [held, debt].into_iter().flatten().collect::<Vec<_>>().join("; "),
        ),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is for people")]
fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}
