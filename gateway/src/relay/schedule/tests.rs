//! The schedule under a clock that is a number: shares, rates, what is small, the pace.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};

use super::super::pace::{Pace, REST_MAX_US, Work};
use super::super::{RelaySettings, Weights};
use super::{Due, Moved, Schedule};
use crate::journal::Lane;

const PART_ROWS: u64 = 8_192;
/// The registry of the simulation: what a transaction costs, and a row.
const COMMIT_US: u64 = 2_000;
const ROW_NS: u64 = 20_000;
const S: u64 = 1_000_000;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.throw() % end
    }
}

/// One exchange: when it was sealed, and its rows.
#[derive(Clone, Copy)]
struct Sent {
    at_us: u64,
    rows: u64,
}

struct Line {
    lane: Lane,
    coming: VecDeque<Sent>,
    waiting: VecDeque<Sent>,
    /// How long each waited until it was in, microseconds.
    waited: Vec<u64>,
    /// Moments at which rows went in.
    moved: Vec<(u64, u64)>,
}

impl Line {
    fn new(partner: &str, record: &str, bulk: bool, mut coming: Vec<Sent>) -> Self {
        coming.sort_by_key(|sent| sent.at_us);
        let lane = Lane {
            name: format!("{partner} {record}{}", if bulk { " bulk" } else { "" }),
            partner: partner.into(),
            record: record.into(),
            bulk,
            elsewhere: None,
        };
        Self {
            lane,
            coming: coming.into(),
            waiting: VecDeque::new(),
            waited: Vec::new(),
            moved: Vec::new(),
        }
    }

    /// Takes a turn: a part of a bulk, or small ones together. Gives the rows, whether it was full, and what is in then.
    fn take(&mut self) -> (u64, bool, Vec<Sent>) {
        if self.lane.bulk {
            let first = self.waiting.front_mut().unwrap();
            let rows = first.rows.min(PART_ROWS);
            first.rows -= rows;
            let ended = first.rows == 0;
            let ended = if ended { self.waiting.pop_front() } else { None };
            return (rows, true, ended.into_iter().collect());
        }
        let together = self.waiting.len().min(256);
        let ended: Vec<Sent> = self.waiting.drain(..together).collect();
        (ended.iter().map(|sent| sent.rows).sum(), together == 256, ended)
    }
}

/// Lets the schedule work until `end_us`; `slowness` is how many times longer the registry takes at a moment.
fn simulate(
    settings: &RelaySettings,
    lines: &mut [Line],
    end_us: u64,
    slowness: impl Fn(u64) -> u64,
) -> Vec<(u64, u64)> {
    let mut schedule = Schedule::new(settings);
    let (mut now_us, mut paces) = (0, Vec::new());
    while now_us < end_us {
        for line in lines.iter_mut() {
            while line.coming.front().is_some_and(|sent| sent.at_us <= now_us) {
                line.waiting.extend(line.coming.pop_front());
            }
        }
        let next_us = lines
            .iter()
            .filter_map(|line| line.coming.front())
            .map(|sent| sent.at_us)
            .min();
        let waiting: Vec<Lane> = lines
            .iter()
            .filter(|line| !line.waiting.is_empty())
            .map(|line| line.lane.clone())
            .collect();
        let due = match schedule.due(&waiting, now_us) {
            Due::Lane(lane) => lane.clone(),
            Due::At(at_us) => {
                assert!(at_us > now_us, "the schedule stands still");
                now_us = at_us.min(next_us.unwrap_or(u64::MAX));
                continue;
            }
            Due::Nobody => match next_us {
                Some(next_us) => {
                    now_us = next_us;
                    continue;
                }
                None => break,
            },
        };
        let line = lines.iter_mut().find(|line| line.lane == due).unwrap();
        let (rows, full, ended) = line.take();
        let took_us = (COMMIT_US + rows * ROW_NS / 1_000) * slowness(now_us);
        now_us += took_us;
        line.moved.push((now_us, rows));
        line.waited.extend(ended.iter().map(|sent| now_us - sent.at_us));
        let moved = Moved {
            charged: rows,
            full,
            took: Some((Work::Rows(rows), took_us)),
        };
        schedule.charge(&due, &waiting, moved, now_us);
        paces.push((now_us, schedule.pace_percent()));
    }
    paces
}

fn always(_now_us: u64) -> u64 {
    1
}

fn settings() -> RelaySettings {
    RelaySettings {
        rows_per_s: None,
        ..RelaySettings::default()
    }
}

fn rate(rows: u32) -> NonZeroU32 {
    NonZeroU32::new(rows).unwrap()
}

/// Exchanges of `rows` rows on average at `per_s` rows a second, as a Poisson process would bring them.
fn stream(dice: &mut Dice, per_s: u64, rows: u64, seconds: u64) -> Vec<Sent> {
    let count = per_s * seconds / rows;
    let sent = (0..count).map(|_| Sent {
        at_us: dice.below(seconds * S),
        rows: rows / 2 + dice.below(rows),
    });
    sent.collect()
}

fn percentile(waited: &[u64], percent: usize) -> u64 {
    let mut waited = waited.to_vec();
    waited.sort_unstable();
    waited[(waited.len() - 1) * percent / 100]
}

/// What others wait: the small exchanges, and all of them.
struct Others {
    small: Vec<u64>,
    all: Vec<u64>,
}

/// Four agencies at `load` percent of their share, half of it in small exchanges, and a fifth at so many times its share.
fn others_wait(settings: &RelaySettings, load: u64, times: u64) -> Others {
    const SECONDS: u64 = 300;
    let mut dice = Dice(20_261_126);
    let mut lines = Vec::new();
    for (partner, record) in [
        ("police", "public-security/resident"),
        ("civil", "civil-affairs/cremation"),
        ("hospital", "health/death-certificate"),
        ("trade", "commerce/establishment"),
    ] {
        let mut line = |bulk, rows| {
            let sent = stream(&mut dice, SHARE * load / 200, rows, SECONDS);
            lines.push(Line::new(partner, record, bulk, sent));
        };
        line(false, 200);
        line(true, 60_000);
    }
    let others = lines.len();
    for record in ["tax/registration", "tax/levy"] {
        let sent = stream(&mut dice, SHARE * times / 2, 8_192, SECONDS);
        lines.push(Line::new("taxes", record, true, sent));
    }
    simulate(settings, &mut lines, SECONDS * S, always);
    let waited = |bulk: bool| {
        let lines = lines[..others].iter().filter(move |line| bulk || !line.lane.bulk);
        lines.flat_map(|line| line.waited.clone()).collect()
    };
    Others {
        small: waited(false),
        all: waited(true),
    }
}

/// The registry of the simulation takes close to 50,000 rows a second: an agency's share is a fifth.
const SHARE: u64 = 9_500;

#[test]
fn one_agency_at_fifty_times_its_share_changes_the_p99_of_the_others_small_exchanges_by_less_than_a_tenth() {
    for load in [30, 50, 70] {
        let fair = percentile(&others_wait(&settings(), load, 1).small, 99);
        let flooded = percentile(&others_wait(&settings(), load, 50).small, 99);
        assert!(flooded * 10 < fair * 11, "at {load} %: {fair} µs and {flooded} µs");
    }
}

#[test]
fn with_a_limit_of_its_own_the_flood_changes_what_the_others_wait_for_anything_by_less_than_a_tenth() {
    let settings = RelaySettings {
        rates: BTreeMap::from([("tax".to_owned(), rate(9_500))]),
        ..settings()
    };
    for load in [30, 50, 70] {
        let (fair, flooded) = (
            others_wait(&settings, load, 1).all,
            others_wait(&settings, load, 50).all,
        );
        for percent in [50, 99] {
            let (fair, flooded) = (percentile(&fair, percent), percentile(&flooded, percent));
            assert!(
                flooded * 10 < fair * 11,
                "p{percent} at {load} %: {fair} µs and {flooded} µs"
            );
        }
    }
}

#[test]
fn a_small_delta_passes_a_snapshot_of_five_millions() {
    let snapshot = Sent {
        at_us: 0,
        rows: 5_000_000,
    };
    let delta = Sent {
        at_us: 3 * S,
        rows: 500,
    };
    let record = "public-security/resident";
    let mut lines = [
        Line::new("police", record, true, vec![snapshot]),
        Line::new("police", record, false, vec![delta]),
    ];
    simulate(&settings(), &mut lines, 1_000 * S, always);
    let part_us = COMMIT_US + PART_ROWS * ROW_NS / 1_000;
    assert!(lines[1].waited[0] < 2 * part_us, "{:?}", lines[1].waited);
    assert!(lines[0].waited[0] > 100 * S);
}

#[test]
fn rates_of_agency_feed_and_total_hold_within_a_twentieth() {
    let named = [("tax", 6_000), ("tax/levy", 1_000), ("health", 9_000)];
    let settings = RelaySettings {
        rows_per_s: Some(rate(20_000)),
        rates: named.map(|(name, rows)| (name.to_owned(), rate(rows))).into(),
        ..settings()
    };
    let flood = || {
        vec![
            Sent {
                at_us: 0,
                rows: 100_000_000,
            };
            2
        ]
    };
    let mut lines = [
        Line::new("taxes", "tax/levy", true, flood()),
        Line::new("taxes", "tax/registration", true, flood()),
        Line::new("hospital", "health/death-certificate", true, flood()),
        Line::new("trade", "commerce/establishment", true, flood()),
    ];
    simulate(&settings, &mut lines, 600 * S, always);
    let per_s: Vec<u64> = lines
        .iter()
        .map(|line| line.moved.iter().map(|(_, rows)| rows).sum::<u64>() / 600)
        .collect();
    let near = |found: u64, meant: u64| found.abs_diff(meant) * 20 <= meant;
    assert!(near(per_s[0], 1_000), "{per_s:?}");
    assert!(near(per_s[0] + per_s[1], 6_000), "{per_s:?}");
    // The rest of the total is shared alike, and its limit is above what is left.
    assert!(near(per_s[2], 7_000) && near(per_s[3], 7_000), "{per_s:?}");
    assert!(near(per_s.iter().sum(), 20_000), "{per_s:?}");
}

#[test]
fn a_feed_at_its_limit_holds_up_no_other() {
    let settings = RelaySettings {
        rates: BTreeMap::from([("tax/levy".to_owned(), rate(1))]),
        ..settings()
    };
    let mut dice = Dice(7);
    let slow = stream(&mut dice, 1_000, 60_000, 60);
    let quick = stream(&mut dice, 1_000, 200, 60);
    let mut lines = [
        Line::new("taxes", "tax/levy", true, slow),
        Line::new("taxes", "tax/registration", false, quick),
    ];
    simulate(&settings, &mut lines, 60 * S, always);
    assert!(
        percentile(&lines[1].waited, 99) < 500_000,
        "{:?}",
        percentile(&lines[1].waited, 99)
    );
    assert_eq!(lines[0].moved.len(), 1);
}

#[test]
fn shares_divide_what_a_busy_registry_takes() {
    let settings = RelaySettings {
        weights: Weights(BTreeMap::from([("tax".to_owned(), rate(3))])),
        ..settings()
    };
    let flood = vec![Sent {
        at_us: 0,
        rows: 100_000_000,
    }];
    let mut lines = [
        Line::new("taxes", "tax/levy", true, flood.clone()),
        Line::new("hospital", "health/death-certificate", true, flood),
    ];
    simulate(&settings, &mut lines, 100 * S, always);
    let rows: Vec<u64> = lines
        .iter()
        .map(|line| line.moved.iter().map(|(_, rows)| rows).sum())
        .collect();
    assert!(rows[0].abs_diff(3 * rows[1]) <= 4 * PART_ROWS, "{rows:?}");
}

#[test]
fn a_registry_that_becomes_slow_is_spared_and_worked_fully_again_when_it_is_quick() {
    let flood = vec![Sent {
        at_us: 0,
        rows: 100_000_000,
    }];
    let mut lines = [Line::new("taxes", "tax/levy", true, flood)];
    // Slow from the 60th to the 120th second.
    let slowness = |now_us: u64| if (60 * S..120 * S).contains(&now_us) { 10 } else { 1 };
    let paces = simulate(&settings(), &mut lines, 200 * S, slowness);
    let at = |second: u64| {
        paces
            .iter()
            .take_while(|(at_us, _)| *at_us <= second * S)
            .last()
            .unwrap()
            .1
    };
    assert_eq!(at(59), 100);
    assert!(at(70) <= 50, "{}", at(70));
    assert!(at(119) >= 5);
    assert_eq!(at(180), 100);
}

#[test]
fn a_machine_that_is_always_slow_is_worked_fully() {
    let mut pace = Pace::new(rate(500));
    let mut now_us = 0;
    for turn in 0..100 {
        now_us += 900_000;
        pace.took(Work::Rows(PART_ROWS), 900_000, now_us);
        assert!(pace.percent() == 100, "{turn}: {}", pace.percent());
    }
}

#[test]
fn recalls_that_change_little_say_nothing_of_one_that_changes_much() {
    let mut pace = Pace::new(rate(500));
    let mut now_us = 0;
    for _ in 0..50 {
        now_us += 10_000;
        pace.took(Work::Recalling(0), 1_000, now_us);
    }
    now_us += 1_200_000;
    pace.took(Work::Recalling(PART_ROWS), 1_200_000, now_us);
    assert_eq!(pace.percent(), 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_pace_is_never_zero_never_above_the_whole_and_recovers(
        turns in prop::collection::vec((1..=PART_ROWS, 1..60_000_000_u64, any::<bool>()), 1..200),
    ) {
        let mut pace = Pace::new(rate(500));
        let mut now_us = 0;
        for (rows, took_us, failed) in turns {
            now_us += took_us;
            if failed {
                pace.failed(Work::Rows(rows), took_us, now_us);
            } else {
                pace.took(Work::Rows(rows), took_us, now_us);
            }
            prop_assert!((5..=100).contains(&pace.percent()));
            prop_assert!(pace.rest_until_us() <= now_us + REST_MAX_US);
            now_us = now_us.max(pace.rest_until_us());
        }
        let quick_from_us = now_us;
        while pace.percent() < 100 {
            now_us += 100_000;
            pace.took(Work::Rows(PART_ROWS), 100_000, now_us);
            now_us = now_us.max(pace.rest_until_us());
            prop_assert!(now_us <= quick_from_us + 45 * S, "it does not recover");
        }
    }

    #[test]
    fn in_no_stretch_of_time_more_goes_than_the_rate_and_one_turn(
        per_s in 100..50_000_u32, seed in 1..u64::MAX, slow in 1..8_u64,
    ) {
        let settings = RelaySettings { rows_per_s: Some(rate(per_s)), ..settings() };
        let mut dice = Dice(seed);
        let mut lines = [
            Line::new("taxes", "tax/levy", true, stream(&mut dice, 20_000, 60_000, 60)),
            Line::new("hospital", "health/death-certificate", false, stream(&mut dice, 2_000, 200, 60)),
        ];
        simulate(&settings, &mut lines, 60 * S, |now_us| if now_us > 20 * S { slow } else { 1 });
        let mut moved: Vec<(u64, u64)> = lines.iter().flat_map(|line| line.moved.clone()).collect();
        moved.sort_unstable();
        for from in (0..moved.len()).step_by(7) {
            let mut rows = 0;
            for (at_us, more) in &moved[from..] {
                let allowed = u64::from(per_s) * (at_us - moved[from].0) / S + PART_ROWS.max(u64::from(per_s) / 4);
                // The first and the last of the stretch are turns whole.
                rows += more;
                prop_assert!(rows <= allowed + 2 * 256 * 300, "{rows} rows, {allowed} allowed");
            }
        }
    }
}

#[test]
fn a_turn_that_the_registry_did_not_take_comes_again_behind_the_other_lanes() {
    let mut schedule = Schedule::new(&settings());
    let waiting = ["a", "b"].map(|name| Lane {
        name: name.into(),
        partner: name.into(),
        record: format!("{name}/x"),
        bulk: false,
        elsewhere: None,
    });
    let moved = Moved {
        charged: 100,
        full: true,
        took: None,
    };
    let mut served = Vec::new();
    for _ in 0..100 {
        let Due::Lane(lane) = schedule.due(&waiting, 0) else {
            break;
        };
        let lane = lane.clone();
        if lane.name == "a" {
            schedule.yielded(&lane, &waiting);
        } else {
            schedule.charge(&lane, &waiting, moved, 0);
        }
        served.push(lane.name);
    }
    // A turn that is full costs at least 256 rows of a place, one that failed all of a part.
    let failed = served.iter().filter(|name| *name == "a").count();
    assert_eq!((served.len(), failed), (100, 4), "{served:?}");
}
