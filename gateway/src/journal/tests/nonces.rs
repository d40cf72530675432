//! Nonces: one effect each, remembered across restarts, forgotten when they are due.

use std::sync::atomic::Ordering;

use super::{Bench, START_US, keyed, one_row, sealed};
use crate::journal::{Entry, Journal, Nonce, Outcome, Seen};
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(
    another_request_with_a_used_nonce_has_no_effect_also_after_a_restart,
    a_repeat_that_is_not_sealed_spends_its_nonce_and_so_does_a_key_with_other_content,
    of_one_group_only_the_first_with_a_nonce_has_an_effect,
    what_is_due_is_forgotten_while_others_are_added,
);

const SECOND_US: i64 = 1_000_000;

fn nonce(tag: u16, bound: u8, life_s: i64) -> Nonce {
    let mut full = [0; 32];
    full[..2].copy_from_slice(&tag.to_le_bytes());
    Nonce {
        tag: full,
        bound: [bound; 32],
        until_us: START_US + life_s * SECOND_US,
    }
}

fn with(entry: Entry, nonce: Nonce) -> Entry {
    Entry {
        nonce: Some(nonce),
        ..entry
    }
}

fn rows(bench: &Bench) -> i64 {
    bench.count("SELECT count(*) FROM nonce")
}

async fn seen(journal: &Journal, nonce: Nonce) -> Seen {
    journal.before([0; 32], [0; 32], Some(nonce)).await.unwrap().0
}

async fn another_request_with_a_used_nonce_has_no_effect_also_after_a_restart(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    assert_eq!(seen(&journal, nonce(1, 1, 300)).await, Seen::Never);
    let entry = with(keyed(one_row(&journal, 1), 1, 1), nonce(1, 1, 300));
    let first = sealed(journal.seal(entry).await.unwrap());
    for restarted in [false, true] {
        let journal = if restarted { bench.open() } else { journal.clone() };
        let other = with(keyed(one_row(&journal, 2), 2, 2), nonce(1, 2, 300));
        assert_eq!(journal.seal(other).await.unwrap(), Outcome::Replayed);
        let same = with(keyed(one_row(&journal, 3), 1, 1), nonce(1, 1, 300));
        assert_eq!(journal.seal(same).await.unwrap(), Outcome::Repeated(first.clone()));
        assert_eq!(seen(&journal, nonce(1, 1, 300)).await, Seen::Here);
        assert_eq!(seen(&journal, nonce(1, 2, 300)).await, Seen::Elsewhere);
        if !restarted {
            journal.close().await.unwrap();
        }
    }
    assert_eq!(bench.verify().kinds["push"], 1);
}

async fn a_repeat_that_is_not_sealed_spends_its_nonce_and_so_does_a_key_with_other_content(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    journal
        .seal(with(keyed(one_row(&journal, 1), 1, 1), nonce(1, 1, 300)))
        .await
        .unwrap();
    assert!(journal.remember(nonce(2, 1, 300)).await.unwrap());
    assert!(journal.remember(nonce(2, 1, 300)).await.unwrap(), "the same once more");
    assert!(!journal.remember(nonce(2, 2, 300)).await.unwrap());
    let reused = with(keyed(one_row(&journal, 2), 1, 9), nonce(3, 1, 300));
    assert_eq!(journal.seal(reused).await.unwrap(), Outcome::KeyReused);
    let later = with(keyed(one_row(&journal, 3), 4, 4), nonce(3, 4, 300));
    assert_eq!(journal.seal(later).await.unwrap(), Outcome::Replayed);
}

async fn of_one_group_only_the_first_with_a_nonce_has_an_effect(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let entries = (0..40_u8).map(|number| {
        let entry = keyed(one_row(&journal, u128::from(number) + 1), number + 1, number + 1);
        journal.seal(with(entry, nonce(7, number, 300)))
    });
    let outcomes = futures_util::future::join_all(entries).await;
    let sealed = |outcome: &Result<Outcome, _>| matches!(outcome, Ok(Outcome::Sealed(_)));
    assert_eq!(outcomes.iter().filter(|outcome| sealed(outcome)).count(), 1);
    assert_eq!(bench.verify().kinds["push"], 1);
}

async fn what_is_due_is_forgotten_while_others_are_added(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 0..60_u8 {
        let entry = keyed(one_row(&journal, u128::from(number) + 1), number, 1);
        journal.seal(with(entry, nonce(number.into(), 1, 60))).await.unwrap();
    }
    assert_eq!(rows(&bench), 60);
    bench.now_us.store(START_US + 61 * SECOND_US, Ordering::Relaxed);
    for number in 100..130_u8 {
        let entry = keyed(one_row(&journal, u128::from(number) + 1), number, 1);
        journal.seal(with(entry, nonce(number.into(), 1, 900))).await.unwrap();
    }
    assert_eq!(rows(&bench), 30, "only those that still count");
    assert_eq!(seen(&journal, nonce(100, 1, 900)).await, Seen::Here);
    assert_eq!(seen(&journal, nonce(0, 1, 60)).await, Seen::Never);
}
