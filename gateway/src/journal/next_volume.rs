//! What the volume after the one that is written is called, and when it is due.
//!
//! Takes the volumes of a journal and the time; gives a name that none of them has. Refuses, as no name of a next volume, what is not the log's own with a year
//! that is none before.

use super::volumes::Volume;
use crate::pki::period;

/// Whether a volume may have that name: the log's own with a year that is none before.
pub fn may_follow(volume: &Volume, name: &str) -> bool {
    let own = volume.next_name("");
    name.strip_prefix(own.as_str()).is_some_and(|year| {
        let is_year = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
        is_year && (volume.since_us == 0 || year >= volume.year().as_str())
    })
}

/// What the next volume is to be called: the log's own name with this year or the next, or the first year after it of which no volume has the name.
pub fn proposal(volumes: &[Volume], now_us: i64) -> Option<String> {
    let newest = volumes.last()?;
    let mut year = next_year(&year_of(newest, now_us), &period::year(now_us));
    // Each name is one volume's, so this ends.
    loop {
        let name = newest.next_name(&year);
        if volumes.iter().all(|volume| volume.origin != name) {
            return Some(name);
        }
        year = next_year(&year, &year);
    }
}

/// Whether the year of a volume has passed; one without entries has not begun.
pub fn is_over(volume: &Volume, now_us: i64) -> bool {
    volume.since_us > 0 && volume.year() < period::year(now_us)
}

/// The year that a volume is for; one without entries has not begun, and is for this one.
fn year_of(volume: &Volume, now_us: i64) -> String {
    if volume.since_us > 0 {
        volume.year()
    } else {
        period::year(now_us)
    }
}

/// The first day of the year after that of the volume.
pub fn due(newest: &Volume, now_us: i64) -> String {
    let year = year_of(newest, now_us);
    format!("{}-01-01", next_year(&year, &year))
}

/// This year, unless the volume is that of this year already.
fn next_year(volume: &str, now: &str) -> String {
    let after = volume
        .parse::<u32>()
        .map_or_else(|_| now.to_owned(), |year| format!("{:04}", year + 1));
    after.max(now.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::volumes::{Volume, log_of};
    use super::{due, may_follow, next_year, proposal};

    fn volume(origin: &str, since_us: i64) -> Volume {
        Volume {
            origin: origin.into(),
            log: log_of(origin).into(),
            from: 0,
            since_us,
            size: None,
            is_whole: true,
        }
    }

    /// 2026-11-28.
    const NOW_US: i64 = 1_795_824_000_000_000;

    #[test]
    fn the_next_volume_has_the_name_of_the_log_and_a_year_that_is_not_before() {
        for origin in ["gw1.lyg.example/log", "gw1.lyg.example/log/2026"] {
            let written = volume(origin, NOW_US);
            for name in ["gw1.lyg.example/log/2026", "gw1.lyg.example/log/2027"] {
                assert!(may_follow(&written, name), "{origin} {name}");
            }
            for name in [
                "2027",
                "gw1.lyg.example/2027",
                "gw1.lyg.example/log2027",
                "gw1.lyg.example/log/",
                "gw1.lyg.example/log/2025",
                "gw1.lyg.example/log/02027",
                "gw1.lyg.example/log/next",
                "gw1.lyg.example/log/2026/2027",
                "https://gw1.lyg.example/log/2027",
            ] {
                assert!(!may_follow(&written, name), "{origin} {name}");
            }
        }
    }

    #[test]
    fn the_next_volume_is_due_when_the_year_of_the_one_that_is_written_is_over() {
        assert_eq!(due(&volume("log", NOW_US), NOW_US), "2027-01-01");
        assert_eq!(due(&volume("log/2027", NOW_US), NOW_US), "2028-01-01");
        assert_eq!(due(&volume("log", 0), NOW_US), "2027-01-01");
    }

    #[test]
    fn the_name_that_is_proposed_is_the_logs_own_with_a_year_that_no_volume_has() {
        let first = "gw1.lyg.example/log";
        let proposed = |origins: &[(&str, i64)]| {
            let named = origins.iter().map(|(origin, since_us)| Volume {
                log: first.into(),
                ..volume(origin, *since_us)
            });
            proposal(&named.collect::<Vec<_>>(), NOW_US).unwrap_or_default()
        };
        let next = "gw1.lyg.example/log/2027";
        assert_eq!(proposed(&[(first, NOW_US)]), next);
        assert_eq!(proposed(&[(first, 0)]), next, "it is due in 2027");
        assert_eq!(proposed(&[("gw1.lyg.example/log/2026", NOW_US)]), next);
        // After a loss, and after one of a volume that was opened for the year that comes.
        assert_eq!(proposed(&[(first, NOW_US), ("gw1.lyg.example/log/2", NOW_US)]), next);
        let lost = [(first, NOW_US), (next, NOW_US), ("gw1.lyg.example/log/2", NOW_US)];
        assert_eq!(proposed(&lost), "gw1.lyg.example/log/2028");
        assert_eq!(proposal(&[], NOW_US), None);
    }

    #[test]
    fn the_next_volume_is_that_of_this_year_or_of_the_next() {
        assert_eq!(next_year("2026", "2027"), "2027");
        assert_eq!(next_year("2026", "2029"), "2029");
        assert_eq!(next_year("2026", "2026"), "2027");
        assert_eq!(next_year("2027", "2026"), "2028");
    }
}
