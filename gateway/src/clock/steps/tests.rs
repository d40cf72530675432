//! Clocks that step, stand still, sleep, and come back.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Before, By, FOLLOWED_US, News, Reading, Steps};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;
/// 2026-11-23T09:00:00Z
const NOON: i64 = 1_795_424_400_000_000;

/// A machine whose wall clock is so far off.
struct Machine {
    elapsed_us: i64,
    off_us: i64,
    steps: Steps,
}

impl Machine {
    fn new() -> Self {
        let first = Reading {
            wall_us: NOON,
            elapsed_us: 0,
        };
        let (steps, told) = Steps::start(first, None, HOUR);
        assert_eq!(told, None);
        Self {
            elapsed_us: 0,
            off_us: 0,
            steps,
        }
    }

    fn reading(&self) -> Reading {
        Reading {
            wall_us: NOON + self.elapsed_us + self.off_us,
            elapsed_us: self.elapsed_us,
        }
    }

    /// So much later: how far the time is from the true one, and what was told.
    fn after(&mut self, us: i64) -> (i64, Option<News>) {
        self.elapsed_us += us;
        let (now_us, told) = self.steps.read(self.reading());
        (now_us - NOON - self.elapsed_us, told.map(|told| told.news))
    }
}

#[test]
fn a_year_ahead_is_not_followed_and_is_told_of_once() {
    let mut machine = Machine::new();
    machine.off_us = YEAR;
    assert_eq!(machine.after(SECOND), (0, Some(News::Held)));
    assert_eq!(machine.after(HOUR - 2 * SECOND), (0, None));
    machine.off_us = 0;
    assert_eq!(machine.after(SECOND), (0, Some(News::Gone)));
    assert_eq!(machine.after(YEAR), (0, None));
}

#[test]
fn what_stands_for_an_hour_is_the_time_forwards_and_backwards() {
    for step in [3 * SECOND, HOUR, YEAR, -3 * SECOND, -YEAR] {
        let mut machine = Machine::new();
        machine.off_us = step;
        assert_eq!(machine.after(SECOND), (0, Some(News::Held)));
        assert_eq!(machine.after(HOUR - 1), (0, None));
        assert_eq!(machine.steps.settles_in_us(), Some(1));
        assert_eq!(machine.after(1), (step, Some(News::Taken(By::Standing))));
        assert_eq!(machine.after(DAY), (step, None));
    }
}

#[test]
fn a_clock_that_steps_again_begins_to_stand_anew_and_is_told_of_once_an_hour() {
    let mut machine = Machine::new();
    let mut told = 0;
    for minute in 0..180 {
        machine.off_us = YEAR + minute * HOUR;
        let (off, news) = machine.after(60 * SECOND);
        assert_eq!(off, 0);
        told += usize::from(news.is_some());
    }
    assert_eq!(told, 3);
}

#[test]
fn a_clock_that_stands_still_is_never_the_time() {
    let mut machine = Machine::new();
    for _ in 0..2 * 3_600 {
        machine.off_us -= SECOND;
        let (off, news) = machine.after(SECOND);
        assert!((-FOLLOWED_US - 8 * SECOND..=0).contains(&off), "{off}");
        assert!(!matches!(news, Some(News::Taken(_))));
    }
}

#[test]
fn leap_seconds_and_small_corrections_are_followed_at_once() {
    let mut machine = Machine::new();
    for step in [-SECOND, SECOND, FOLLOWED_US, -FOLLOWED_US] {
        machine.off_us += step;
        assert_eq!(machine.after(HOUR), (machine.off_us, None));
    }
}

#[test]
fn small_corrections_one_after_the_other_are_no_way_around() {
    let mut machine = Machine::new();
    let mut furthest = 0;
    for _ in 0..1_000 {
        machine.off_us += SECOND;
        furthest = machine.after(SECOND).0.max(furthest);
    }
    assert!(furthest <= 3 * SECOND, "{furthest}");
}

#[test]
fn clocks_that_are_cut_to_microseconds_add_nothing_up_however_often_they_are_read() {
    let mut machine = Machine::new();
    let mut noise: u64 = 0x5DEE_CE66;
    for _ in 0..3_000_000 {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        machine.off_us = i64::try_from(noise >> 60).unwrap() - 8;
        let (off, told) = machine.after(20);
        assert_eq!((off.abs() <= 8, told), (true, None));
    }
    machine.off_us = YEAR;
    assert_eq!(machine.after(20).1, Some(News::Held), "and a step is a step");
}

#[test]
fn a_clock_that_drifts_is_followed() {
    let mut machine = Machine::new();
    for seconds in 0..DAY / SECOND {
        // 50 parts in a million.
        machine.off_us = seconds * 50;
        let (off, told) = machine.after(SECOND);
        assert!(
            (off - machine.off_us).abs() <= 1_000 && told.is_none(),
            "{seconds}: {off}"
        );
    }
}

#[test]
fn a_machine_that_slept_is_where_its_clock_says() {
    let mut machine = Machine::new();
    assert_eq!(machine.after(3 * DAY), (0, None));
}

#[test]
fn who_knows_confirms_at_once_or_lets_it_stand_anew() {
    let mut machine = Machine::new();
    assert_eq!(machine.steps.confirm(machine.reading(), By::Witness("a".into())), None);
    machine.off_us = 3 * HOUR;
    assert_eq!(machine.after(SECOND), (0, Some(News::Held)));
    for _ in 0..10 {
        assert_eq!(machine.after(HOUR - 1), (0, None));
        machine.steps.contradict();
    }
    let by = By::Operator("operator-li".into());
    let told = machine.steps.confirm(machine.reading(), by.clone()).unwrap();
    assert_eq!((told.news, told.wall_us - told.time_us), (News::Taken(by), 3 * HOUR));
    assert_eq!(machine.after(SECOND), (3 * HOUR, None));
}

/// How far the time is from the last entry at a start so long after it by the wall clock.
fn started(rest: i64, off_us: Option<i64>) -> (i64, Option<News>) {
    let first = Reading {
        wall_us: NOON + rest,
        elapsed_us: 7,
    };
    let before = Before { when_us: NOON, off_us };
    let (mut steps, told) = Steps::start(first, Some(before), HOUR);
    let told = told.map(|told| told.news);
    (steps.read(first).0 - NOON, told)
}

#[test]
fn a_rest_is_believed_and_a_leap_is_not() {
    for rest in [0, SECOND, 5 * HOUR, 30 * DAY, -SECOND, -FOLLOWED_US] {
        assert_eq!(started(rest, None), (rest, None), "{rest}");
    }
    for leap in [31 * DAY, YEAR, 40 * YEAR, -3 * SECOND, -HOUR, -50 * YEAR] {
        assert_eq!(started(leap, None), (0, Some(News::Held)), "{leap}");
    }
}

#[test]
fn a_restart_does_not_make_a_held_step_the_time() {
    // Ten days ahead would be a rest, if the log did not know better.
    assert_eq!(started(10 * DAY + HOUR, Some(10 * DAY)), (HOUR, Some(News::Held)));
    assert_eq!(started(YEAR + HOUR, Some(YEAR)), (HOUR, Some(News::Held)));
    assert_eq!(started(HOUR - YEAR, Some(-YEAR)), (HOUR, Some(News::Held)));
    // It was put right while the gateway was down.
    assert_eq!(started(HOUR, Some(10 * DAY)), (HOUR, Some(News::Gone)));
    assert_eq!(started(HOUR, Some(-2 * HOUR)), (HOUR, Some(News::Gone)));
}

fn anywhere() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(i64::MIN),
        Just(i64::MAX),
        Just(0),
        Just(1 << 31),
        NOON - YEAR..NOON + YEAR,
        any::<i64>()
    ]
}

proptest! {
    #[test]
    fn whatever_the_clocks_say_nothing_panics(first in anywhere(), readings in vec((anywhere(), anywhere()), 0..40), last in anywhere(), off in proptest::option::of(anywhere())) {
        let before = Before { when_us: last, off_us: off };
        let (mut steps, _) = Steps::start(Reading { wall_us: first, elapsed_us: first }, Some(before), HOUR);
        for (wall_us, elapsed_us) in readings {
            let reading = Reading { wall_us, elapsed_us };
            steps.read(reading);
            steps.contradict();
            steps.settles_in_us();
        }
        steps.confirm(Reading { wall_us: first, elapsed_us: last }, By::Standing);
    }

    #[test]
    fn the_time_runs_no_faster_than_time_goes_by_until_a_step_is_taken(steps in vec((0..10 * SECOND, prop_oneof![-5 * SECOND..5 * SECOND, -YEAR..YEAR]), 1..200)) {
        let mut machine = Machine::new();
        let mut before = 0;
        for (us, off_us) in steps {
            machine.off_us = off_us;
            let (off, news) = machine.after(us);
            prop_assert!(!matches!(news, Some(News::Taken(_))), "nothing stands for an hour");
            let follows = FOLLOWED_US + machine.elapsed_us / 1_000;
            prop_assert!(off.abs() <= follows, "{} after {}", off, machine.elapsed_us);
            prop_assert!((off - before).abs() <= FOLLOWED_US);
            before = off;
        }
    }

    #[test]
    fn a_clock_that_is_right_is_followed_to_the_microsecond(pauses in vec(0..DAY, 1..100)) {
        let mut machine = Machine::new();
        for us in pauses {
            prop_assert_eq!(machine.after(us), (0, None));
        }
    }
}
