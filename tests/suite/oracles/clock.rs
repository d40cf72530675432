//! Asia/Shanghai against the IANA time zone database, as jiff carries it.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use shuguan_adapters::value::date;

use crate::random::Random;

#[test]
fn moments_and_days_in_shanghai_are_those_of_the_time_zone_database() {
    let zone = TimeZone::get("Asia/Shanghai").expect("the zone");
    let mut random = Random::printed("moments");
    let moment = |year, month, day| {
        let midnight = jiff::civil::date(year, month, day).at(0, 0, 0, 0);
        zone.to_timestamp(midnight).expect("a moment").as_second()
    };
    let first = moment(1800, 1, 1);
    let span = moment(2199, 12, 31) - first;
    for _ in 0..100_000 {
        let at = first + i64::try_from(random.below(span.unsigned_abs())).expect("seconds");
        let civil = zone.to_datetime(jiff::Timestamp::from_second(at).expect("in range"));
        let day = date::days_from_civil(
            civil.year().unsigned_abs().into(),
            civil.month().unsigned_abs().into(),
            civil.day().unsigned_abs().into(),
        );
        assert_eq!(Some(date::shanghai_day(at * 1_000_000)), day, "{at}");
        let written = written(civil);
        // A reading that the clock showed twice, or never, has two answers.
        if zone.to_ambiguous_timestamp(civil).is_ambiguous() {
            continue;
        }
        assert_eq!(date::instant(&written), Ok(Some(at * 1_000_000)), "{written}");
    }
}

fn written(civil: DateTime) -> String {
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    )
}
