use shuguan_ledger::leaf::{Event, Leaf, ShredEvent};
use shuguan_ledger::receipt::Receipt;

use super::vault::shred;
use super::{Bench, decided, exchange, one_row, part, payload_files, proven, push, relayed, sealed, trust};
use crate::journal::{Backlog, CLOSES_TOO_MUCH, JournalFault, Query, SealError};
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(
    the_inbox_gives_sealed_batches_oldest_first_and_part_by_part,
    relayed_is_sealed_once_however_often_it_is_said,
    a_batch_set_aside_is_passed_over_until_it_is_released_or_discarded,
    after_the_hold_payload_and_key_are_gone_and_every_proof_still_verifies,
    a_payload_that_was_tampered_with_is_found_when_it_is_read,
    a_row_that_says_something_else_than_its_leaf_brings_nothing_to_the_registry,
    a_batch_that_only_its_row_calls_done_with_is_not_erased_and_the_log_stays_good,
    a_row_alone_consents_to_no_closing,
    rows_that_are_not_erased_stand_in_the_way_of_nothing_behind_them,
    a_row_that_names_anothers_exchange_sets_aside_its_own_batch_and_not_the_others,
    a_row_beside_a_leaf_that_is_no_push_waits_for_nothing,
    a_row_beside_a_leaf_that_is_no_push_is_neither_counted_nor_listed_as_set_aside,
);

const HOUR_US: i64 = 3_600_000_000;

async fn the_inbox_gives_sealed_batches_oldest_first_and_part_by_part(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let small = [part(1, 10), part(2, 5)];
    let large = [part(3, 8_192), part(4, 8_192), part(5, 7)];
    journal.seal(push(&journal, exchange(1), &small)).await.unwrap();
    bench.turn(5);
    journal.seal(push(&journal, exchange(2), &large)).await.unwrap();
    let backlog = journal.backlog();
    assert_eq!((backlog.exchanges, backlog.oldest_us), (2, Some(super::START_US)));

    let first = journal.next_inbox(None).await.unwrap().unwrap();
    assert_eq!((first.exchange, first.parts, first.leaf_index), (exchange(1), 2, 1));
    assert_eq!(
        (first.record.as_str(), first.partner.as_str()),
        ("public-security/resident", "public-security-city")
    );
    let second = journal.next_inbox(Some(first.leaf_index)).await.unwrap().unwrap();
    assert_eq!((second.exchange, second.parts), (exchange(2), 3));
    assert!(journal.next_inbox(Some(second.leaf_index)).await.unwrap().is_none());
    for (item, parts) in [(&first, &small[..]), (&second, &large[..])] {
        for (n, part) in (0..).zip(parts) {
            assert_eq!(&journal.read_part(item, n).await.unwrap(), part);
        }
        assert!(journal.read_part(item, item.parts).await.is_err());
    }
    assert_eq!(backlog.bytes, first.bytes + second.bytes);
}

async fn relayed_is_sealed_once_however_often_it_is_said(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    journal.seal(one_row(&journal, 1)).await.unwrap();
    let item = journal.next_inbox(None).await.unwrap().unwrap();
    let mut foreign = relayed(&item);
    foreign.of.i = 0;
    assert!(matches!(
        journal.relayed(exchange(1), foreign).await,
        Err(SealError::Unfit(_))
    ));
    assert!(matches!(
        journal.relayed(exchange(9), relayed(&item)).await,
        Err(SealError::Unfit(_))
    ));

    let first = journal.relayed(exchange(1), relayed(&item)).await.unwrap();
    proven(&first);
    journal.seal(one_row(&journal, 2)).await.unwrap();
    drop(journal);
    let journal = bench.open();
    assert_eq!(journal.relayed(exchange(1), relayed(&item)).await.unwrap(), first);
    let report = bench.verify();
    assert_eq!((report.kinds["relayed"], report.waiting), (1, 1));
    assert_eq!(journal.backlog().exchanges, 1);
}

async fn a_batch_set_aside_is_passed_over_until_it_is_released_or_discarded(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 1..=2 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    assert!(journal.set_aside(exchange(1), "registry-refused").await.unwrap());
    assert!(!journal.set_aside(exchange(1), "registry-refused").await.unwrap());
    assert_eq!(journal.next_inbox(None).await.unwrap().unwrap().exchange, exchange(2));
    let aside = journal.list_set_aside(None).await.unwrap();
    assert_eq!(
        (aside.len(), aside[0].exchange, aside[0].reason.as_deref()),
        (1, exchange(1), Some("registry-refused"))
    );
    assert_eq!(journal.backlog().exchanges, 2, "it still takes room");
    assert!(decided(&journal, 1, None).await);
    assert_eq!(journal.next_inbox(None).await.unwrap().unwrap().exchange, exchange(1));
    assert!(!decided(&journal, 1, Some("wrong-batch")).await, "it waits");
    assert!(journal.set_aside(exchange(1), "closes-too-much").await.unwrap());
    assert!(decided(&journal, 1, Some("wrong-batch")).await);
    assert!(!decided(&journal, 1, None).await);
    assert_eq!(journal.backlog().exchanges, 1);
    assert_eq!(journal.erase_all_due(0).await.unwrap(), 1);
    // Once in the log, with its reason, whoever said it twice.
    let query = Query {
        kind: Some("set-aside".into()),
        outcome: Some("registry-refused".into()),
        limit: 10,
        ..Query::default()
    };
    let rows = journal.search(query).await.unwrap();
    let said: Vec<_> = rows
        .iter()
        .map(|row| match Leaf::decode(&row.bytes).unwrap().event {
            Event::SetAside(aside) => (aside.x, aside.code, aside.of.i),
            other => unreachable!("{other:?}"),
        })
        .collect();
    assert_eq!(said, [(exchange(1).to_string(), "registry-refused".to_owned(), 1)]);
    journal.close().await.unwrap();
    assert_eq!(bench.verify().kinds["set-aside"], 2);
}

async fn after_the_hold_payload_and_key_are_gone_and_every_proof_still_verifies(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let large = push(&journal, exchange(1), &[part(1, 8_192), part(2, 8_192)]);
    let mut receipts = vec![sealed(journal.seal(large).await.unwrap()).receipt];
    receipts.push(sealed(journal.seal(one_row(&journal, 2)).await.unwrap()).receipt);
    while let Some(item) = journal.next_inbox(None).await.unwrap() {
        receipts.push(journal.relayed(item.exchange, relayed(&item)).await.unwrap().receipt);
    }
    assert_eq!(journal.backlog(), Backlog::default());
    bench.turn(71 * HOUR_US);
    assert_eq!(journal.erase_all_due(72 * HOUR_US).await.unwrap(), 0);
    assert_eq!(payload_files(&bench), 1);
    bench.turn(HOUR_US);
    assert_eq!(journal.erase_all_due(72 * HOUR_US).await.unwrap(), 2);
    assert_eq!(journal.erase_all_due(72 * HOUR_US).await.unwrap(), 0);
    assert_eq!(payload_files(&bench), 0);
    for receipt in receipts {
        Receipt::parse(&receipt).unwrap().verify(&trust()).unwrap();
    }
    let view = journal.exchange(exchange(1)).await.unwrap().unwrap();
    assert_eq!((view.inbox.unwrap().state.name(), view.leaves.len()), ("erased", 3));
    drop(journal);
    assert_eq!(bench.verify().kinds["erased"], 2);
    assert_eq!(bench.count("SELECT count(*) FROM payload"), 0);
}

async fn a_payload_that_was_tampered_with_is_found_when_it_is_read(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    journal.seal(one_row(&journal, 1)).await.unwrap();
    journal
        .seal(push(&journal, exchange(2), &[part(1, 8_192), part(2, 8_192)]))
        .await
        .unwrap();
    journal.seal(one_row(&journal, 3)).await.unwrap();
    drop(journal);
    bench.tamper(
        "UPDATE payload SET bytes = CAST(substr(bytes, 1, 40) || x'0000000000000000' || substr(bytes, 49) AS BLOB) WHERE leaf = 1",
    );
    bench.tamper("DELETE FROM payload WHERE leaf = 3");
    let file = bench.settings().payloads.join(format!("{}.parts", exchange(2)));
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_len(length - 1)
        .unwrap();
    let journal = bench.open();
    let mut after = None;
    for broken in [0, 1, 0] {
        // Each is still given, so that the relay can set it aside by its id.
        let item = journal.next_inbox(after).await.unwrap().unwrap();
        assert!(journal.read_part(&item, broken).await.is_err());
        after = Some(item.leaf_index);
    }
    // A file that is not there does not come by waiting: it is to blame like one that was changed.
    std::fs::remove_file(&file).unwrap();
    let first = journal.next_inbox(None).await.unwrap().unwrap();
    let item = journal.next_inbox(Some(first.leaf_index)).await.unwrap().unwrap();
    assert!(matches!(
        journal.read_part(&item, 0).await,
        Err(JournalFault::Unopened(_))
    ));
}

async fn a_row_that_says_something_else_than_its_leaf_brings_nothing_to_the_registry(store: Store) {
    for change in [
        "partner = 'tax-city'",
        "rec = 'tax/registration'",
        "received_us = received_us + 1",
        "exchange = x'00000000000000000000000000000009'",
        "parts = 0",
    ] {
        let bench = Bench::on(store);
        let journal = bench.open();
        for number in 1..=2 {
            journal.seal(one_row(&journal, number)).await.unwrap();
        }
        drop(journal);
        bench.tamper(&format!("UPDATE inbox SET {change} WHERE leaf = 1"));
        let journal = bench.open();
        let mut fates = Vec::new();
        let mut after = None;
        while let Some(item) = journal.next_inbox(after).await.unwrap() {
            fates.push((item.leaf_index, journal.read_part(&item, 0).await));
            after = Some(item.leaf_index);
        }
        fates.sort_by_key(|(leaf, _)| *leaf);
        assert_eq!(fates.len(), 2, "{change}");
        assert!(
            matches!(fates[0].1, Err(JournalFault::Unopened(_))),
            "{change}: {:?}",
            fates[0].1
        );
        assert!(fates[1].1.is_ok(), "{change}: the other is as it was");
    }
}

async fn a_batch_that_only_its_row_calls_done_with_is_not_erased_and_the_log_stays_good(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let mut exchanges = Vec::new();
    for number in 1..=3 {
        let entry = one_row(&journal, number);
        exchanges.push(entry.exchange);
        journal.seal(entry).await.unwrap();
    }
    let item = journal.next_inbox(None).await.unwrap().unwrap();
    journal.relayed(item.exchange, relayed(&item)).await.unwrap();
    drop(journal);
    bench.tamper("UPDATE inbox SET state = 'discarded', changed_us = 1 WHERE leaf = 2");
    bench.tamper("UPDATE inbox SET state = 'relayed', reason = 'recalled', changed_us = 1 WHERE leaf = 3");
    let journal = bench.open();
    bench.turn(73 * HOUR_US);
    assert_eq!(journal.erase_all_due(72 * HOUR_US).await.unwrap(), 1);
    drop(journal);
    bench.tamper("UPDATE inbox SET state = 'relayed', reason = NULL WHERE leaf IN (2, 3)");
    let journal = bench.open();
    let fed = journal.feed_again(exchanges[2], "operator-li").await.unwrap();
    assert_eq!(fed, None, "no leaf says that it was relayed");
    drop(journal);
    let report = bench.verify();
    assert_eq!((report.kinds["erased"], report.waiting), (1, 2));
    assert_eq!(bench.count("SELECT count(*) FROM payload"), 2);
}

async fn rows_that_are_not_erased_stand_in_the_way_of_nothing_behind_them(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    // More than one look takes in, all called done with by nothing but their rows, and then one that is.
    for number in 1..=301 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    let item = journal.next_inbox(Some(300)).await.unwrap().unwrap();
    journal.relayed(item.exchange, relayed(&item)).await.unwrap();
    drop(journal);
    bench.tamper("UPDATE inbox SET state = 'relayed', changed_us = 1 WHERE leaf <= 300");
    let journal = bench.open();
    bench.turn(73 * HOUR_US);
    assert_eq!(journal.erase_all_due(72 * HOUR_US).await.unwrap(), 1);
    assert_eq!(journal.erase_all_due(72 * HOUR_US).await.unwrap(), 0);
    // An officer's order ends as well.
    let before = super::START_US + 100 * HOUR_US;
    let order = ShredEvent {
        what: "payload".into(),
        ..shred(None)
    };
    assert!(journal.shred_payloads_before(before, order).await.unwrap().is_empty());
    assert_eq!(bench.verify().kinds["erased"], 1);
    assert_eq!(bench.count("SELECT count(*) FROM payload"), 300);
}

async fn a_row_that_names_anothers_exchange_sets_aside_its_own_batch_and_not_the_others(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 1..=2 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    drop(journal);
    bench.tamper(&format!(
        "UPDATE inbox SET exchange = x'{}' WHERE leaf = 1",
        exchange(2).simple()
    ));
    let journal = bench.open();
    let first = journal.next_inbox(None).await.unwrap().unwrap();
    assert_eq!(
        (first.leaf_index, first.exchange),
        (1, exchange(1)),
        "as its leaf names it"
    );
    assert!(journal.read_part(&first, 0).await.is_err());
    assert!(journal.set_aside(first.exchange, "SG6302").await.unwrap());
    let next = journal.next_inbox(None).await.unwrap().unwrap();
    assert_eq!((next.leaf_index, next.exchange), (2, exchange(2)));
    assert!(journal.read_part(&next, 0).await.is_ok());
    assert_eq!(bench.verify().kinds["set-aside"], 1);
}

async fn a_row_beside_a_leaf_that_is_no_push_waits_for_nothing(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 1..=2 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    drop(journal);
    bench.tamper("UPDATE inbox SET leaf = 0 WHERE leaf = 1");
    let journal = bench.open();
    let next = journal.next_inbox(None).await.unwrap().unwrap();
    assert_eq!((next.leaf_index, next.exchange), (2, exchange(2)));
    assert!(journal.next_inbox(Some(2)).await.unwrap().is_none());
}

async fn a_row_beside_a_leaf_that_is_no_push_is_neither_counted_nor_listed_as_set_aside(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 1..=2 {
        journal.seal(one_row(&journal, number)).await.unwrap();
        assert!(journal.set_aside(exchange(number), "SG6302").await.unwrap());
    }
    drop(journal);
    bench.tamper("UPDATE inbox SET leaf = 0 WHERE leaf = 1");
    let journal = bench.open();
    let aside = journal.list_set_aside(None).await.unwrap();
    let aside: Vec<_> = aside.iter().map(|item| item.exchange).collect();
    assert_eq!((aside, journal.backlog().exchanges), (vec![exchange(2)], 1));
}

async fn a_row_alone_consents_to_no_closing(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 1..=2 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    journal.set_aside(exchange(2), CLOSES_TOO_MUCH).await.unwrap();
    assert!(decided(&journal, 2, None).await);
    drop(journal);
    bench.tamper("UPDATE inbox SET reason = 'SG6304' WHERE leaf = 1");
    let journal = bench.open();
    let first = journal.next_inbox(None).await.unwrap().unwrap();
    let second = journal.next_inbox(Some(first.leaf_index)).await.unwrap().unwrap();
    assert_eq!((first.may_close, second.may_close), (false, true));
}
