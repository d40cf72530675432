//! Clocks that are apart, and whose is right.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use shuguan_ledger::leaf::{Event, Leaf};

use super::bench::{Bench, clock_of, seal};
use super::neighbour::{Neighbour, section};
use super::{NOON, SECOND};
use crate::clock::Clock;
use crate::journal::Journal;
use crate::witnessing::Witnessing;

#[tokio::test]
async fn clocks_that_are_apart_are_told_of_once_an_hour() {
    let bench = Bench::new();
    let ahead = Arc::new(AtomicI64::new(NOON + 3_600 * SECOND));
    let witness = Neighbour::witness("a", 0, &bench, clock_of(&ahead)).await;
    let witnessing = bench.restored(&[&witness], 1).await;
    for _ in 0..3 {
        bench.round(&witnessing).await;
        bench.seal(1).await;
        bench.wait(1);
        ahead.fetch_add(SECOND, Ordering::Relaxed);
    }
    let told = bench.leaves("clock").await;
    let [Event::Clock(clock)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(
        (clock.who.as_str(), clock.dir.as_str(), clock.ms),
        ("a", "ahead", 3_600_000)
    );
    bench.wait(3_600);
    bench.round(&witnessing).await;
    assert_eq!(bench.leaves("clock").await.len(), 1, "now they agree");
    bench.seal(1).await;
    bench.wait(3_600);
    bench.round(&witnessing).await;
    let told = bench.leaves("clock").await;
    assert!(
        matches!(told.as_slice(), [_, Event::Clock(clock)] if clock.dir == "behind"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_step_of_our_clock_is_the_time_when_a_witness_agrees_and_is_held_as_long_as_one_does_not() {
    let bench = Bench::new();
    let (wall, there) = (Arc::new(AtomicI64::new(NOON)), Arc::new(AtomicI64::new(NOON)));
    let (reads, goes) = (Arc::clone(&wall), Arc::new(AtomicI64::new(0)));
    let elapsed = Arc::clone(&goes);
    let clock = Clock::from_fns(
        move || reads.load(Ordering::Relaxed),
        move || elapsed.load(Ordering::Relaxed),
    );
    Journal::create(&bench.settings("b")).unwrap();
    let journal = Journal::open(&bench.settings("b"), clock).unwrap();
    let witness = Neighbour::witness("a", 0, &bench, clock_of(&there)).await;
    let witnessing = Witnessing::open(&section(&[&witness], 1)).unwrap();
    wall.fetch_add(7_200 * SECOND, Ordering::Relaxed);
    for _ in 0..3 {
        for time in [&wall, &there, &goes] {
            time.fetch_add(3_500 * SECOND, Ordering::Relaxed);
        }
        seal(&journal).await;
        witnessing.round(&journal, &journal.time().clock()).await;
        assert!(journal.time().is_held(), "the witness does not agree");
    }
    there.fetch_add(7_200 * SECOND, Ordering::Relaxed);
    seal(&journal).await;
    witnessing.round(&journal, &journal.time().clock()).await;
    assert!(!journal.time().is_held());
    assert_eq!(journal.time().now_us(), wall.load(Ordering::Relaxed));
    let leaf = journal.tell_clock().await.unwrap().unwrap();
    let told = Leaf::decode(&journal.leaf(leaf).await.unwrap().unwrap().bytes).unwrap();
    assert!(
        matches!(&told.event, Event::Clock(clock) if clock.who == "a" && clock.by.as_deref() == Some("witness")),
        "{told:?}"
    );
}
