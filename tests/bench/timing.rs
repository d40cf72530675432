//! Clocks, medians and percentiles.

use std::fmt;
use std::time::{Duration, Instant};

use crate::table::figure;

/// Figures of several turns.
#[derive(Clone, Debug, Default)]
pub struct Spread(Vec<f64>);

impl Spread {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }

    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
        self.0.sort_by(f64::total_cmp);
    }

    /// Each figure in another unit.
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self::of(self.0.into_iter().map(change))
    }

    pub fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&figure(self.median()))?;
        match (self.0.first(), self.0.last()) {
            (Some(least), Some(most)) if self.0.len() > 1 => {
                write!(out, " ({}–{})", figure(*least), figure(*most))
            }
            _ => Ok(()),
        }
    }
}

/// Rows a second of core time, each turn.
pub fn rows_per_core_second(turns: usize, rows: u64, turn: impl Fn() -> u64) -> Spread {
    Spread::of((0..turns).map(|_| {
        let clock = CoreClock::start();
        let done = std::hint::black_box(turn());
        let seconds = clock.elapsed().as_secs_f64();
        assert_eq!(done, rows, "a turn did something else");
        rows as f64 / seconds
    }))
}

/// Time that this thread had a core, where the kernel tells it, so that other work on the machine counts less; else time passed.
struct CoreClock {
    wall: Instant,
    core: Option<Duration>,
}

impl CoreClock {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            core: on_core(),
        }
    }

    fn elapsed(&self) -> Duration {
        match (self.core, on_core()) {
            (Some(begun), Some(now)) => now.saturating_sub(begun),
            _ => self.wall.elapsed(),
        }
    }
}

fn on_core() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

/// The wait that so many per cent do not exceed, in milliseconds. Takes them sorted.
pub fn percentile_ms(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
}
