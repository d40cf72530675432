//! Rows of the inbox that say something else than their leaf: only they are held, whatever they name.

use super::{Inbox, Running, one, quick, until_set_aside};
use crate::clock::Clock;
use crate::registry::tests::fixture::{ANNA, BORIS, RESIDENT, kept};
use crate::registry::tests::store::{Place, Store, on_both_stores};

on_both_stores!(
    of_a_row_that_names_anothers_exchange_nothing_gets_in_and_the_other_goes_its_way,
    a_row_beside_a_leaf_that_is_no_push_bars_nobody,
    a_row_set_aside_beside_a_leaf_that_is_no_push_counts_for_nothing,
);

async fn of_a_row_that_names_anothers_exchange_nothing_gets_in_and_the_other_goes_its_way(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let inbox = Inbox::on(store, &place);
    let changed = inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    let named = inbox.put(RESIDENT.name, vec![one(BORIS, "乙")]).await;
    let inbox = inbox
        .tampered("UPDATE inbox SET exchange = (SELECT exchange FROM inbox WHERE leaf = 2) WHERE leaf = 1")
        .await;
    let running = Running::start(&inbox, &registry, quick());
    until_set_aside(&running, 1).await;
    let relayed = inbox.until_relayed(1).await;
    running.stop().await.unwrap();
    assert_eq!(relayed[0].x, named.to_string());
    assert_eq!(place.query("SELECT name FROM public_security_resident"), ["乙"]);
    let aside = inbox.journal.list_set_aside(None).await.unwrap();
    assert_eq!((aside.len(), aside[0].leaf_index, aside[0].exchange), (1, 1, changed));
    // The operator's word reaches it under the exchange that its leaf names.
    assert!(inbox.release(changed).await);
}

async fn a_row_beside_a_leaf_that_is_no_push_bars_nobody(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let mut inbox = Inbox::on(store, &place);
    inbox.settings.inbox_age_max_us = 3_600_000_000;
    inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    inbox.put(RESIDENT.name, vec![one(BORIS, "乙")]).await;
    // Both have waited for too long; the first stands beside the leaf of the start.
    let inbox = inbox
        .tampered("UPDATE inbox SET changed_us = 0; UPDATE inbox SET leaf = 0 WHERE leaf = 1")
        .await;
    inbox.journal.tick(Clock::system().now_us()).await.unwrap();
    let his = "public-security-city";
    assert!(inbox.journal.inbox_is_overdue_for(his));
    let bytes = inbox.journal.backlog().bytes;
    assert_eq!(inbox.journal.backlog().exchanges, 1);
    let running = Running::start(&inbox, &registry, quick());
    let relayed = inbox.until_relayed(1).await;
    running.stop().await.unwrap();
    assert_eq!(relayed.len(), 1);
    assert_eq!(place.query("SELECT name FROM public_security_resident"), ["乙"]);
    inbox.journal.tick(Clock::system().now_us()).await.unwrap();
    let backlog = inbox.journal.backlog();
    assert!(bytes > 0 && !inbox.journal.inbox_is_overdue_for(his));
    assert_eq!((backlog.exchanges, backlog.bytes, backlog.oldest_us), (0, 0, None));
}

async fn a_row_set_aside_beside_a_leaf_that_is_no_push_counts_for_nothing(store: Store) {
    let (place, _registry) = Place::with(store, &kept(&[&RESIDENT]));
    let inbox = Inbox::on(store, &place);
    inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    inbox.put(RESIDENT.name, vec![one(BORIS, "乙")]).await;
    let aside = "UPDATE inbox SET state = 'set-aside', reason = 'SG6303' WHERE leaf = 1";
    let inbox = inbox.tampered(aside).await;
    let counted = inbox.journal.backlog();
    let item = inbox.journal.next_inbox(None).await.unwrap().unwrap();
    let earlier = inbox.journal.lanes().await.unwrap().remove(0).elsewhere;
    assert!(inbox.journal.aside_before(&item).await.unwrap(), "it is set aside");
    assert_eq!((counted.exchanges, earlier), (2, Some(1)));
    let inbox = inbox.tampered("UPDATE inbox SET leaf = 0 WHERE leaf = 1").await;
    let left = inbox.journal.backlog();
    assert_eq!((left.exchanges, left.bytes), (1, item.bytes));
    assert!(!inbox.journal.aside_before(&item).await.unwrap());
    assert_eq!(inbox.journal.lanes().await.unwrap().remove(0).elsewhere, None);
}
