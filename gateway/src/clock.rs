//! The one place that reads the system clock and the system's randomness.
//!
//! Everything else takes a [`Clock`] as a parameter, so that tests decide what time it is. `steps` judges whether a clock may be believed.

pub mod steps;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

type Tell = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Two clocks that are read within this are read at once, microseconds.
const TOGETHER_US: i64 = 100;
/// How often they are read again for that.
const READ_AGAIN_MAX: u32 = 3;

/// Tells the time in microseconds since the epoch, UTC, and how much time goes by.
#[derive(Clone)]
pub struct Clock {
    now_us: Tell,
    elapsed_us: Tell,
}

impl Clock {
    /// The system's clocks.
    pub fn system() -> Self {
        Self::from_fns(system_us, system_elapsed_us)
    }

    /// A clock that a test drives: as much time goes by as it says.
    pub fn from_fn(now_us: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        let now_us: Tell = Arc::new(now_us);
        Self {
            elapsed_us: Arc::clone(&now_us),
            now_us,
        }
    }

    /// A clock that can be set, and one that only runs.
    pub fn from_fns(
        now_us: impl Fn() -> i64 + Send + Sync + 'static,
        elapsed_us: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            now_us: Arc::new(now_us),
            elapsed_us: Arc::new(elapsed_us),
        }
    }

    /// Microseconds since the epoch, UTC.
    pub fn now_us(&self) -> i64 {
        (self.now_us)()
    }

    /// Both clocks as of one moment: who was put off the processor between them looks again.
    pub fn reading(&self) -> steps::Reading {
        let mut elapsed_us = (self.elapsed_us)();
        for _ in 0..READ_AGAIN_MAX {
            let wall_us = self.now_us();
            let after_us = (self.elapsed_us)();
            if after_us.saturating_sub(elapsed_us) <= TOGETHER_US {
                return steps::Reading { wall_us, elapsed_us };
            }
            elapsed_us = after_us;
        }
        steps::Reading {
            wall_us: self.now_us(),
            elapsed_us,
        }
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

/// Since the machine started, also while it was suspended; nobody sets it.
fn system_elapsed_us() -> i64 {
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    since
        .tv_sec
        .saturating_mul(1_000_000)
        .saturating_add(since.tv_nsec / 1_000)
}

/// Microseconds of a day.
pub const DAY_US: i64 = 86_400_000_000;
/// The clock on the wall in China. Asia/Shanghai is UTC+8 without summer time since 1991; dates of earlier years, which only records hold,
/// are read by [`shuguan_adapters::value::date`].
pub const SHANGHAI: jiff::tz::Offset = jiff::tz::offset(8);
const SHANGHAI_US: i64 = 8 * 3_600_000_000;

/// The day in Asia/Shanghai of a moment, in days since 1970-01-01.
pub fn day_of(us: i64) -> i32 {
    let day = us.saturating_add(SHANGHAI_US).div_euclid(DAY_US);
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}

/// The day in Asia/Shanghai on which an exchange began, read out of its id. It is the exchange's today from its head to its seal, so that
/// one that goes over midnight has one, and the one that whoever opens it years later finds again.
pub fn day_in(exchange: Uuid) -> i32 {
    let millis = i64::try_from(exchange.as_u128() >> 80).unwrap_or(i64::MAX);
    day_of(millis.saturating_mul(1_000))
}

/// The midnight in Asia/Shanghai with which the day of a moment began.
pub fn midnight_us(us: i64) -> i64 {
    i64::from(day_of(us)) * DAY_US - SHANGHAI_US
}

/// A moment for people: `2026-11-23 17:42:53` in Asia/Shanghai.
pub fn shown(us: i64) -> String {
    let local = shuguan_ledger::time::format(us.saturating_add(SHANGHAI_US));
    local.get(..19).unwrap_or(&local).replace('T', " ")
}

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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn an_exchange_has_the_day_on_which_it_began() {
        for (at, day) in [("2026-11-27T15:59:59.999Z", 20_784), ("2026-11-27T16:00:00Z", 20_785)] {
            let us = read_moment(at).unwrap();
            let exchange = exchange_id(&Clock::from_fn(move || us)).unwrap();
            assert_eq!((day_in(exchange), day_of(us)), (day, day), "{at}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_in_shanghai() {
        let us = read_moment("2026-11-27T23:59:59").unwrap();
        assert_eq!(shown(us), "2026-11-27 23:59:59");
        assert_eq!(shown(midnight_us(us)), "2026-11-27 00:00:00");
        assert_eq!(midnight_us(us + 1_000_000) - midnight_us(us), DAY_US);
    }
}
