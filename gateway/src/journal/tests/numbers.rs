//! Each exchange of a partner has the next number, whatever happens between two of them.

use shuguan_ledger::leaf::{Event, Leaf};

use super::volumes::{next_volume, settings_with_next};
use super::{Bench, bounds, keyed, one_row, proven, sealed};
use crate::journal::{Entry, Journal, Outcome};
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(
    a_partner_is_counted_without_a_gap_over_groups_restarts_and_volumes,
    what_is_not_sealed_takes_no_number,
    a_refusal_of_a_known_partner_is_counted_and_one_of_a_stranger_is_not,
);

const CITY: &str = "public-security-city";

/// The number that the log gives the next exchange of the city.
async fn number(journal: &Journal, exchange: u128) -> Option<u64> {
    let sealed = sealed(journal.seal(one_row(journal, exchange)).await.unwrap());
    Leaf::decode(&sealed.leaf).unwrap().pn
}

async fn a_partner_is_counted_without_a_gap_over_groups_restarts_and_volumes(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    assert_eq!(number(&journal, 1).await, Some(1));
    assert_eq!(number(&journal, 2).await, Some(2));
    journal.close().await.unwrap();
    // From here on it is read from the leaves.
    let journal = Journal::open(&settings_with_next(&bench), bench.clock()).unwrap();
    let mut pushes = tokio::task::JoinSet::new();
    for exchange in 3..=40 {
        let journal = journal.clone();
        pushes.spawn(async move { number(&journal, exchange).await.unwrap() });
    }
    let mut given = pushes.join_all().await;
    given.sort_unstable();
    assert_eq!(given, (3..=40).collect::<Vec<u64>>());
    journal.turn_volume(next_volume()).await.unwrap();
    assert_eq!(number(&journal, 41).await, Some(41));
    journal.close().await.unwrap();
    let journal = Journal::open(&settings_with_next(&bench), bench.clock()).unwrap();
    assert_eq!(number(&journal, 42).await, Some(42));
}

async fn what_is_not_sealed_takes_no_number(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let first = sealed(journal.seal(keyed(one_row(&journal, 1), 1, 1)).await.unwrap());
    assert_eq!(proven(&first).pn, Some(1));
    let repeated = journal.seal(keyed(one_row(&journal, 2), 1, 1)).await.unwrap();
    assert!(matches!(repeated, Outcome::Repeated(_)), "{repeated:?}");
    let reused = journal.seal(keyed(one_row(&journal, 3), 1, 2)).await.unwrap();
    assert_eq!(reused, Outcome::KeyReused);
    let mut unfit = one_row(&journal, 4);
    if let Event::Push(event) = &mut unfit.event {
        event.fmt = "x".repeat(5_000);
    }
    journal.seal(unfit).await.unwrap_err();
    assert_eq!(number(&journal, 5).await, Some(2));
    journal.close().await.unwrap();
    assert_eq!(bench.verify().partners[CITY], 2);
}

async fn a_refusal_of_a_known_partner_is_counted_and_one_of_a_stranger_is_not(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let refused = journal.refuse(bounds::refusal("health-city")).await.unwrap().unwrap();
    assert_eq!(proven(&refused).pn, Some(1));
    assert_eq!(number(&journal, 1).await, Some(1));
    let mut stranger = proven(&refused).event;
    if let Event::Refusal(event) = &mut stranger {
        event.p = "-".into();
    }
    let stranger = sealed(journal.seal(Entry::new(super::exchange(9), stranger)).await.unwrap());
    assert_eq!(proven(&stranger).pn, None);
    let again = journal.refuse(bounds::refusal("health-city")).await.unwrap().unwrap();
    assert_eq!(proven(&again).pn, Some(2));
}
