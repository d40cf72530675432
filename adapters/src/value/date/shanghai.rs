//! Civil time in Shanghai: eight hours before UTC, nine in the summers of 1919, 1940–1949 and 1986–1991.
//!
//! Takes moments and wall-clock readings; gives the other. Refuses nothing: a wall-clock reading that never was (the hour skipped in
//! spring) is read as if the clock had not been put forward. Source: IANA tzdb, zone Asia/Shanghai, rules Shang and PRC.

use super::DAY;

/// Seconds by which the clock is ahead of UTC.
const STANDARD: i64 = 28_800;
const SUMMER: i64 = 32_400;
/// Local mean time, in force until 1901-01-01.
const MEAN: i64 = 29_143;
const MEAN_UNTIL: i64 = -2_177_481_943;

/// From and until, in seconds since 1970-01-01T00:00:00Z, when summer time was in force.
const SUMMERS: [(i64, i64); 14] = [
    (-1_600_675_200, -1_585_904_400),
    (-933_667_200, -922_093_200),
    (-908_870_400, -888_829_200),
    (-881_049_600, -767_869_200),
    (-745_833_600, -733_827_600),
    (-716_889_600, -699_613_200),
    (-683_884_800, -670_669_200),
    (-652_348_800, -650_019_600),
    (515_527_200, 527_014_800),
    (545_162_400, 558_464_400),
    (577_216_800, 589_914_000),
    (608_666_400, 621_968_400),
    (640_116_000, 653_418_000),
    (671_565_600, 684_867_600),
];

/// When the last of them ended.
const LAST_SUMMER: i64 = 684_867_600;

/// The day in Shanghai, in days since 1970-01-01, of a moment in microseconds since 1970-01-01T00:00:00Z.
pub fn shanghai_day(micros: i64) -> i32 {
    let seconds = micros.div_euclid(1_000_000);
    let days = (seconds + offset(seconds)).div_euclid(DAY);
    i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX })
}

/// The moment, in seconds, at which the clock in Shanghai shows `wall` (seconds since 1970-01-01 as if it were UTC).
#[inline]
pub(super) fn utc_from_wall(wall: i64) -> i64 {
    if wall >= LAST_SUMMER + DAY {
        return wall - STANDARD;
    }
    utc_from_early_wall(wall)
}

fn utc_from_early_wall(wall: i64) -> i64 {
    [SUMMER, STANDARD, MEAN]
        .into_iter()
        .map(|ahead| (wall - ahead, ahead))
        .find(|(utc, ahead)| offset(*utc) == *ahead)
        .map_or(wall - STANDARD, |(utc, _)| utc)
}

fn offset(seconds: i64) -> i64 {
    // Nearly every moment lies after the last summer.
    if seconds >= LAST_SUMMER {
        return STANDARD;
    }
    if seconds < MEAN_UNTIL {
        return MEAN;
    }
    if SUMMERS.iter().any(|(from, until)| (*from..*until).contains(&seconds)) {
        SUMMER
    } else {
        STANDARD
    }
}
