//! The machine's clock steps under a real journal: what the leaves say, what is told, and what is not erased.

use shuguan_ledger::leaf::{ClockEvent, Event, Leaf};

use super::{Bench, START_US, exchange, keyed, one_row, proven, relayed, sealed};
use crate::clock::steps::By;
use crate::journal::{Journal, Outcome, Query};
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(
    a_year_ahead_is_not_in_the_log_and_is_gone_when_it_is_put_right,
    what_was_taken_and_was_wrong_is_a_debt_that_leaves_tell_of,
    a_restart_within_a_step_goes_on_by_the_time_and_not_by_the_clock,
    nothing_goes_too_soon_whichever_clock_is_wrong,
    of_a_log_that_was_poisoned_days_are_counted_by_the_right_time,
    a_clock_that_is_put_back_does_not_put_newer_batches_behind_older_ones,
);

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

async fn tick(journal: &Journal) {
    journal.tick(journal.time().now_us()).await.unwrap();
}

async fn sealed_now(journal: &Journal, number: u128) -> Leaf {
    proven(&sealed(journal.seal(one_row(journal, number)).await.unwrap()))
}

/// What the log tells of the clock, oldest first.
async fn told(journal: &Journal) -> Vec<(Leaf, ClockEvent)> {
    let query = Query {
        kind: Some("clock".into()),
        ..Query::default()
    };
    let rows = journal.search(query).await.unwrap();
    let leaves = rows.iter().rev().map(|row| Leaf::decode(&row.bytes).unwrap());
    leaves
        .map(|leaf| match leaf.event.clone() {
            Event::Clock(clock) => (leaf, clock),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn steps(told: &[(Leaf, ClockEvent)]) -> Vec<(&str, &str, &str)> {
    let word = |text: &'static str| text;
    told.iter()
        .map(|(_, clock)| {
            (
                clock.step.as_deref().unwrap_or(word("-")),
                clock.dir.as_str(),
                clock.by.as_deref().unwrap_or(word("-")),
            )
        })
        .collect()
}

async fn a_year_ahead_is_not_in_the_log_and_is_gone_when_it_is_put_right(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    assert_eq!(sealed_now(&journal, 1).await.t, START_US);
    bench.set_off(YEAR);
    bench.turn(SECOND);
    let leaf = sealed_now(&journal, 2).await;
    assert_eq!((leaf.t, leaf.clk), (START_US + SECOND, None));
    tick(&journal).await;
    let standing = journal.time().standing();
    assert_eq!((standing.off_us, standing.debt_us), (Some(YEAR), 0));
    bench.turn(HOUR - SECOND);
    bench.set_off(0);
    tick(&journal).await;
    assert_eq!(journal.time().standing(), crate::journal::ClockStanding::default());
    assert_eq!(sealed_now(&journal, 3).await.t, START_US + HOUR);
    let told = told(&journal).await;
    assert_eq!(steps(&told), [("held", "ahead", "-"), ("gone", "ahead", "-")]);
    let [(leaf, held), _] = told.as_slice() else { panic!() };
    assert_eq!((leaf.t, held.ms), (START_US + SECOND, 365 * 86_400_000));
    assert_eq!(
        (held.who.as_str(), held.wall.as_deref(), held.log.as_deref()),
        (
            "machine",
            Some("2027-11-23T09:00:01.000000Z"),
            Some("2026-11-23T09:00:01.000000Z")
        )
    );
    drop(journal);
    drop(bench.open());
    bench.verify();
}

async fn what_was_taken_and_was_wrong_is_a_debt_that_leaves_tell_of(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    bench.set_off(YEAR);
    journal.time().now_us();
    assert!(journal.time().confirm(By::Operator("operator-li".into())));
    assert_eq!(journal.tell_clock().await.unwrap(), Some(2), "held, and taken");
    let ahead = sealed_now(&journal, 1).await;
    assert_eq!((ahead.t, ahead.clk), (START_US + YEAR, None));
    assert!(!journal.time().confirm(By::Standing), "nothing is held");

    bench.set_off(0);
    bench.turn(HOUR);
    assert_eq!(sealed_now(&journal, 2).await.t, START_US + YEAR + HOUR);
    assert!(journal.time().confirm(By::Witness("w1".into())));
    tick(&journal).await;
    let behind = sealed_now(&journal, 3).await;
    assert_eq!((behind.t, behind.clk), (START_US + YEAR + HOUR, Some(START_US + HOUR)));
    assert_eq!(journal.time().standing().debt_us, YEAR);
    let told = told(&journal).await;
    assert_eq!(
        steps(&told),
        [
            ("held", "ahead", "-"),
            ("taken", "ahead", "operator"),
            ("held", "behind", "-"),
            ("taken", "behind", "witness")
        ]
    );
    assert_eq!(
        told.iter().map(|(_, clock)| clock.who.as_str()).collect::<Vec<_>>(),
        ["machine", "operator-li", "machine", "w1"]
    );
    drop(journal);

    // The debt outlives a restart, and nothing is held for it again.
    bench.turn(HOUR);
    let journal = bench.open();
    let after = sealed_now(&journal, 4).await;
    assert_eq!((after.t, after.clk), (behind.t, Some(START_US + 2 * HOUR)));
    assert_eq!(journal.time().standing().off_us, None);
    // Paid off, leaves are as always.
    bench.turn(YEAR);
    assert_eq!(sealed_now(&journal, 5).await.clk, None);
    drop(journal);
    bench.verify();
}

async fn a_restart_within_a_step_goes_on_by_the_time_and_not_by_the_clock(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    // Ten days would be believed as a rest.
    bench.set_off(10 * DAY);
    bench.turn(SECOND);
    tick(&journal).await;
    drop(journal);
    bench.turn(60 * SECOND);
    let journal = bench.open();
    assert_eq!(sealed_now(&journal, 1).await.t, START_US + 61 * SECOND);
    drop(journal);
    // A battery ran out, and nothing was held before.
    bench.set_off(0);
    drop(bench.open());
    bench.set_off(-50 * YEAR);
    let journal = bench.open();
    let leaf = sealed_now(&journal, 2).await;
    assert_eq!((leaf.t, leaf.clk), (START_US + 61 * SECOND, None));
    tick(&journal).await;
    let told = told(&journal).await;
    assert_eq!(steps(&told).last(), Some(&("held", "behind", "-")));
}

async fn nothing_goes_too_soon_whichever_clock_is_wrong(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let first = keyed(one_row(&journal, 1), 1, 1);
    journal.seal(first).await.unwrap();
    let item = journal.next_inbox(None).await.unwrap().unwrap();
    journal.relayed(exchange(1), relayed(&item)).await.unwrap();
    for off in [YEAR, -YEAR] {
        bench.set_off(off);
        for _ in 0..2 {
            bench.turn(60 * SECOND);
            tick(&journal).await;
            assert_eq!(journal.erase_all_due(72 * HOUR).await.unwrap(), 0, "{off}");
        }
        // As if it had stood: the other of the two is the wrong one now.
        assert!(journal.time().confirm(By::Standing));
        bench.set_off(0);
        bench.turn(60 * SECOND);
        tick(&journal).await;
        assert_eq!(journal.erase_all_due(72 * HOUR).await.unwrap(), 0, "{off}");
        assert!(journal.time().confirm(By::Standing));
    }
    let again = journal.seal(keyed(one_row(&journal, 2), 1, 1)).await.unwrap();
    assert!(matches!(again, Outcome::Repeated(_)), "its key is known");
    bench.turn(72 * HOUR);
    assert_eq!(journal.erase_all_due(72 * HOUR).await.unwrap(), 1, "in its time");
}

async fn of_a_log_that_was_poisoned_days_are_counted_by_the_right_time(store: Store) {
    let bench = Bench::on(store);
    bench.set_off(YEAR);
    let journal = bench.open();
    for number in 1..4 {
        journal
            .seal(keyed(one_row(&journal, number), number as u8, 1))
            .await
            .unwrap();
    }
    drop(journal);
    // Put right while it was down: the log is a year ahead.
    bench.set_off(0);
    let journal = bench.open();
    tick(&journal).await;
    assert!(journal.time().confirm(By::Operator("operator-li".into())));
    tick(&journal).await;
    for day in 0..9_u8 {
        bench.turn(DAY);
        journal
            .seal(keyed(one_row(&journal, (20 + day).into()), 20 + day, 1))
            .await
            .unwrap();
    }
    let today = journal.time().now_us() - HOUR;
    let counted: u64 = journal
        .tally(today)
        .await
        .unwrap()
        .iter()
        .filter(|one| one.kind == "push")
        .map(|one| one.count)
        .sum();
    assert_eq!(counted, 1, "of nine days and those before");
    // Keys are kept for seven days, by the right time.
    tick(&journal).await;
    assert_eq!(bench.count("SELECT count(*) FROM idem"), 8);
    let range = Query {
        from_us: Some(START_US + DAY),
        to_us: Some(START_US + 3 * DAY),
        kind: Some("push".into()),
        ..Query::default()
    };
    assert_eq!(journal.search(range).await.unwrap().len(), 2);
    drop(journal);
    bench.verify();
}

async fn a_clock_that_is_put_back_does_not_put_newer_batches_behind_older_ones(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    bench.set_off(YEAR);
    journal.time().now_us();
    assert!(journal.time().confirm(By::Standing));
    sealed_now(&journal, 1).await;
    bench.set_off(0);
    bench.turn(HOUR);
    journal.time().now_us();
    assert!(journal.time().confirm(By::Standing));
    assert!(sealed_now(&journal, 2).await.clk.is_some());
    // A row without a time of its source goes by this one in the registry.
    let first = journal.next_inbox(None).await.unwrap().unwrap();
    let second = journal.next_inbox(Some(first.leaf_index)).await.unwrap().unwrap();
    assert!(first.received_us <= second.received_us, "{first:?} {second:?}");
}
