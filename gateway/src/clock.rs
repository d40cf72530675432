//! The one place that reads the system clock and the system's randomness.
//!
//! Everything else takes a [`Clock`] as a parameter, so that tests decide what time it is.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

/// Tells the time in microseconds since the epoch, UTC.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Arc::new(system_us))
    }

    /// A clock that a test drives.
    pub fn from_fn(now_us: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_us))
    }

    /// Microseconds since the epoch, UTC.
    pub fn now_us(&self) -> i64 {
        (self.0)()
    }

    /// Today in Asia/Shanghai (UTC+8, no daylight saving since 1991) as days since 1970-01-01.
    pub fn today_shanghai(&self) -> i32 {
        let local_us = self.now_us() + 8 * 3_600_000_000;
        i32::try_from(local_us.div_euclid(86_400_000_000)).unwrap_or(i32::MAX)
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Clock")
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn system_us() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Asia/Shanghai is UTC+8 without daylight saving since 1991.
const SHANGHAI: jiff::tz::Offset = jiff::tz::offset(8);

/// A moment that a person wrote, in microseconds UTC: RFC 3339 with a zone, or a date or date-time of Asia/Shanghai.
pub fn read_moment(text: &str) -> Option<i64> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(moment.as_microsecond());
    }
    let local = text.parse::<jiff::civil::DateTime>().ok()?;
    Some(SHANGHAI.to_timestamp(local).ok()?.as_microsecond())
}

/// `N` random bytes from the operating system.
///
/// # Errors
/// When the operating system has no randomness to give; the caller must stop, not go on without.
pub fn random<const N: usize>() -> Result<[u8; N], ring::error::Unspecified> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes)?;
    Ok(bytes)
}

/// A new exchange id: `UUIDv7`, ordered by time.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn exchange_id(clock: &Clock) -> Result<Uuid, ring::error::Unspecified> {
    let millis = u64::try_from(clock.now_us() / 1_000).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random()?).into_uuid())
}
