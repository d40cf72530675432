//! Quotas held, used, given back, over midnight, and restored.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::sync::Arc;

use shuguan_policies::{Bundle, PolicySet};

use super::*;

/// Noon in Shanghai.
const NOON_US: i64 = 1_795_000_000_000_000 / DAY_US * DAY_US + DAY_US / 6;

/// The pull of the population, 2 a day and 10 rows; the push of births, 10 rows and 1,000 bytes a day.
fn plans() -> [Arc<Plan>; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
    let texts = Bundle::read(&folder).unwrap().texts().to_vec();
    let texts = texts.into_iter().map(|(name, text)| {
        let text = text
            .replace(
                "rows_per_day = 6_000_000, pulls_per_day = 24",
                "rows_per_day = 10, pulls_per_day = 2",
            )
            .replace("rows_per_day = 20_000", "rows_per_day = 10, bytes_per_day = 1_000");
        (name, text)
    });
    let set = PolicySet::from_texts(texts.collect()).unwrap();
    ["population-registration", "health/birth-certificate"]
        .map(|grant| Arc::clone(set.plans().find(|plan| plan.grant_id() == grant).unwrap()))
}

fn rows(rows: u64) -> Amount {
    Amount { rows, bytes: 0 }
}

fn exhausted(hold: Result<Hold, Exhausted>) -> DayQuota {
    hold.unwrap_err().quota
}

#[test]
fn an_exchange_of_which_nobody_hears_whether_it_was_sealed_counts() {
    let [_, births] = plans();
    let quotas = Quotas::default();
    let gone = quotas.hold("health-city", &births, NOON_US).unwrap();
    gone.rows(6).unwrap();
    let sealing = gone.sealing(rows(6));
    // The sender hung up: whatever waited for the journal is dropped.
    drop(sealing);
    drop(gone);
    let refused = quotas.hold("health-city", &births, NOON_US).unwrap();
    refused.rows(4).unwrap();
    refused.sealing(rows(4)).undone();
    drop(refused);
    let next = quotas.hold("health-city", &births, NOON_US).unwrap();
    next.rows(4).unwrap();
    assert!(next.rows(5).is_err(), "6 and 5 are more than 10");
}

#[test]
fn a_clock_that_goes_over_midnight_and_back_leaves_quotas_in_force() {
    let [_, births] = plans();
    let quotas = Quotas::default();
    let tomorrow = quotas.hold("health-city", &births, NOON_US + DAY_US).unwrap();
    tomorrow.rows(6).unwrap();
    tomorrow.settle(rows(6));
    drop(tomorrow);
    let today = quotas.hold("health-city", &births, NOON_US).unwrap();
    assert!(today.rows(5).is_err(), "6 and 5 are more than 10");
    drop(today);
    let left = quotas.hold("health-city", &births, NOON_US + DAY_US).unwrap();
    left.rows(4).unwrap();
}

#[test]
fn a_clock_that_was_a_year_ahead_leaves_a_day_that_ends() {
    let [_, births] = plans();
    let quotas = Quotas::default();
    let ahead = quotas.hold("health-city", &births, NOON_US + 365 * DAY_US).unwrap();
    ahead.rows(10).unwrap();
    ahead.settle(rows(10));
    let today = quotas.hold("health-city", &births, NOON_US).unwrap();
    today.rows(10).unwrap();
    today.settle(rows(10));
    drop((ahead, today));
    assert!(quotas.hold("health-city", &births, NOON_US).is_err(), "it counts today");
    assert!(quotas.hold("health-city", &births, NOON_US + DAY_US).is_ok());
}

#[test]
fn what_is_held_counts_at_once_and_what_is_dropped_not_at_all() {
    let [_, births] = plans();
    let quotas = Quotas::default();
    let first = quotas.hold("health-city", &births, NOON_US).unwrap();
    first.rows(6).unwrap();
    first.rows(8).unwrap();
    let second = quotas.hold("health-city", &births, NOON_US).unwrap();
    assert!(second.rows(3).is_err(), "8 and 3 are more than 10");
    second.rows(2).unwrap();
    let left = exhausted(quotas.hold("health-city", &births, NOON_US));
    assert_eq!((left.name, left.quota, left.remaining), ("rows", 10, 0));
    assert_eq!(left.reset_s, 12 * 3_600 + 1);
    assert!(
        quotas.hold("health-ganyu", &births, NOON_US).is_ok(),
        "each partner has its own"
    );
    drop(first);
    second.settle(rows(2));
    drop(second);
    let third = quotas.hold("health-city", &births, NOON_US).unwrap();
    assert!(third.rows(9).is_err());
    third.rows(8).unwrap();
    assert_eq!(third.standing().first().unwrap().remaining, 8);
}

#[test]
fn what_is_more_than_a_whole_day_may_have_fits_no_day_and_what_is_less_fits_tomorrow() {
    let [_, births] = plans();
    let quotas = Quotas::default();
    let first = quotas.hold("health-city", &births, NOON_US).unwrap();
    first.bytes(600).unwrap();
    let second = quotas.hold("health-city", &births, NOON_US).unwrap();
    let refused = |bytes| second.bytes(bytes).unwrap_err();
    for (bytes, fits_no_day) in [(401, false), (1_000, false), (1_001, true), (u64::MAX, true)] {
        let refused = refused(bytes);
        assert_eq!(refused.fits_no_day, fits_no_day, "{bytes}");
        assert_eq!((refused.quota.name, refused.quota.remaining), ("bytes", 400));
    }
    assert!(second.rows(11).unwrap_err().fits_no_day);
    second.rows(10).unwrap();
    let third = quotas.hold("health-city", &births, NOON_US).unwrap_err();
    assert!(!third.fits_no_day, "tomorrow there are rows again");
}

#[test]
fn pulls_are_counted_and_begin_anew_at_midnight() {
    let [population, _] = plans();
    let quotas = Quotas::default();
    for _ in 0..2 {
        quotas
            .hold("information-centre", &population, NOON_US)
            .unwrap()
            .settle(rows(1));
    }
    let left = exhausted(quotas.hold("information-centre", &population, NOON_US));
    assert_eq!((left.name, left.remaining), ("pulls", 0));
    let last = midnight_us(NOON_US) + DAY_US - 1;
    assert_eq!(
        exhausted(quotas.hold("information-centre", &population, last)).reset_s,
        1
    );
    let late = quotas.hold("information-centre", &population, last + 1).unwrap();
    late.settle(rows(10));
    drop(late);
    assert_eq!(
        exhausted(quotas.hold("information-centre", &population, last + 1)).name,
        "rows"
    );
}

#[test]
fn an_exchange_over_midnight_neither_spends_the_new_day_nor_frees_it() {
    let [_, births] = plans();
    let quotas = Quotas::default();
    let old = quotas.hold("health-city", &births, NOON_US).unwrap();
    old.rows(9).unwrap();
    let new = quotas.hold("health-city", &births, NOON_US + DAY_US).unwrap();
    new.rows(10).unwrap();
    old.settle(rows(9));
    drop(old);
    assert_eq!(
        new.standing().first().unwrap().remaining,
        10,
        "nothing of it is sealed yet"
    );
    assert!(
        quotas.hold("health-city", &births, NOON_US + DAY_US).is_err(),
        "it is held"
    );
}

#[test]
fn what_began_before_midnight_stays_within_the_quota_of_its_day() {
    let [_, births] = plans();
    let quotas = Quotas::default();
    let [first, second] = [0, 1].map(|_| quotas.hold("health-city", &births, NOON_US).unwrap());
    let new = quotas.hold("health-city", &births, NOON_US + DAY_US).unwrap();
    first.rows(10).unwrap();
    assert!(second.rows(1).is_err(), "the day before has 10 in all");
    first.settle(rows(10));
    drop(first);
    assert!(second.rows(1).is_err(), "they are used");
    drop(second);
    drop(new);
    drop(quotas.hold("health-city", &births, NOON_US + DAY_US).unwrap());
    assert_eq!(
        quotas.lock().values().map(BTreeMap::len).sum::<usize>(),
        1,
        "the day before is forgotten"
    );
}

#[test]
fn what_the_log_tells_is_used() {
    let [_, births] = plans();
    let key = QuotaKey {
        partner: "health-city".into(),
        data: "health/birth-certificate".into(),
        purpose: "enrolment.registration".into(),
        direction: Direction::Push,
        mode: Mode::Feed,
    };
    let spent = Spent {
        key,
        amount: Amount { rows: 7, bytes: 900 },
        exchanges: 1,
    };
    let quotas = Quotas::restore(vec![spent], NOON_US);
    let hold = quotas.hold("health-city", &births, NOON_US).unwrap();
    assert!(hold.rows(4).is_err());
    hold.rows(3).unwrap();
    assert!(hold.bytes(101).is_err());
    hold.bytes(100).unwrap();
}

#[test]
fn bytes_are_a_quota_of_their_own_beside_rows() {
    let [_, births] = plans();
    let quotas = Quotas::default();
    let first = quotas.hold("health-city", &births, NOON_US).unwrap();
    first.rows(1).unwrap();
    first.bytes(600).unwrap();
    // What it holds already is among those that it asks for in all.
    first.bytes(900).unwrap();
    let second = quotas.hold("health-city", &births, NOON_US).unwrap();
    let refused = second.bytes(101).unwrap_err().quota;
    assert_eq!((refused.name, refused.quota, refused.remaining), ("bytes", 1_000, 100));
    second.bytes(100).unwrap();
    assert_eq!(exhausted(quotas.hold("health-city", &births, NOON_US)).name, "bytes");
    drop(second);
    first.settle(Amount { rows: 1, bytes: 900 });
    drop(first);
    let third = quotas.hold("health-city", &births, NOON_US).unwrap();
    assert!(third.bytes(101).is_err());
    let left: Vec<_> = third.standing().iter().map(|one| (one.name, one.remaining)).collect();
    assert_eq!(left, [("rows", 9), ("bytes", 100)]);
    let tomorrow = quotas.hold("health-city", &births, NOON_US + DAY_US).unwrap();
    tomorrow.bytes(1_000).unwrap();
}

#[test]
fn a_grant_without_a_limit_of_bytes_counts_none() {
    let [population, _] = plans();
    let quotas = Quotas::default();
    let hold = quotas.hold("information-centre", &population, NOON_US).unwrap();
    hold.bytes(u64::MAX).unwrap();
    hold.bytes(u64::MAX).unwrap();
    assert!(hold.standing().iter().all(|one| one.name != "bytes"));
}
