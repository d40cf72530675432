//! How fast rows may go. Takes a number of rows; gives the moment from which they may; refuses nothing, it only waits.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// A limit on rows a second.
#[derive(Debug)]
pub struct Pace {
    limiter: Option<DefaultDirectRateLimiter>,
    clock: DefaultClock,
    chunk_rows: u32,
}

impl Pace {
    /// At most `rows_per_s`, after a pause `burst_rows` at once; without a rate there is no limit.
    pub fn new(rows_per_s: Option<NonZeroU32>, burst_rows: NonZeroU32) -> Self {
        let limiter = rows_per_s.map(|rate| RateLimiter::direct(Quota::per_second(rate).allow_burst(burst_rows)));
        Self {
            limiter,
            clock: DefaultClock::default(),
            chunk_rows: burst_rows.get(),
        }
    }

    /// Returns when that many rows may go. More rows than the burst are charged piece by piece, so any number passes in the end.
    pub async fn rows(&self, rows: u64) {
        let Some(limiter) = &self.limiter else { return };
        let mut left = rows;
        while left > 0 {
            let chunk = u32::try_from(left).unwrap_or(u32::MAX).min(self.chunk_rows);
            let Some(cells) = NonZeroU32::new(chunk) else { return };
            match limiter.check_n(cells) {
                Ok(Ok(())) => left -= u64::from(chunk),
                Ok(Err(too_early)) => tokio::time::sleep(too_early.wait_time_from(self.clock.now())).await,
                // INVARIANT: a chunk is never above the burst; waiting would not help, so the rows go.
                Err(_above_burst) => return,
            }
        }
    }
}
