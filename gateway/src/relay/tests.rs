//! The relay against a real registry: order, exactly once, back-off, setting aside, pace, shutdown.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod bench;
mod charged;
mod contradicted;
mod late;
mod locked;
mod stamps;

use std::time::Duration;

use arrow_array::RecordBatch;
use uuid::Uuid;

use super::{RelaySettings, RelayState};
use crate::clock::Clock;
use crate::journal::{Journal, Query};
use crate::registry::tests::fixture::{ANNA, BORIS, DEATH, RESIDENT, kept, whole};
use crate::registry::tests::store::{Place, Store, on_both_stores};
use crate::registry::{Ahead, Missing, Part, Registry, RegistrySettings, SqliteSettings};
use bench::{Inbox, Running, one, quick};

on_both_stores! {
    rows_committed_without_a_leaf_get_the_leaf_and_are_not_written_again,
    a_batch_of_one_part_that_the_registry_holds_gets_its_leaf_without_its_payload,
    a_start_after_part_k_goes_on_with_the_next_part,
    a_batch_that_the_registry_refuses_is_set_aside_after_some_tries_and_nothing_waits_behind_it,
    of_many_small_ones_only_the_damaged_is_set_aside_and_each_other_is_in_once,
    exchanges_are_relayed_oldest_first_and_each_gets_one_leaf_with_its_counts,
    a_recall_before_and_after_relay_takes_all_of_it_back_and_a_registry_that_was_put_back_is_emptied_again,
    a_recall_that_the_registry_refuses_is_held_apart_and_the_others_go_on,
}

async fn exchanges_are_relayed_oldest_first_and_each_gets_one_leaf_with_its_counts(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let inbox = Inbox::beside(&place);
    let first = inbox.put(RESIDENT.name, vec![one(ANNA, "甲"), one(BORIS, "乙")]).await;
    inbox.put(RESIDENT.name, vec![one(ANNA, "丙")]).await;
    let running = Running::start(&inbox, &registry, quick());
    let relayed = inbox.until_relayed(2).await;
    assert_eq!(
        (&relayed[0].x, relayed[0].ins, relayed[0].batch),
        (&first.to_string(), 2, 2)
    );
    assert_eq!(
        (relayed[1].ins, relayed[1].upd, relayed[1].same, relayed[1].batch),
        (0, 1, 0, 1)
    );
    let status = running.status.clone();
    running.stop().await.unwrap();
    let snapshot = status.snapshot(Clock::system().now_us());
    assert_eq!(
        (snapshot.rows_total, snapshot.exchanges_total, snapshot.state),
        (3, 2, RelayState::Stopped)
    );
    assert_eq!(
        place.query("SELECT name FROM public_security_resident ORDER BY name"),
        ["丙", "乙"]
    );
    assert_eq!(inbox.journal.backlog().exchanges, 0);
}

async fn rows_committed_without_a_leaf_get_the_leaf_and_are_not_written_again(store: Store) {
    let tables = kept(&[&RESIDENT]);
    let (place, registry) = Place::with(store, &tables);
    let inbox = Inbox::beside(&place);
    inbox.put(RESIDENT.name, vec![one(ANNA, "甲"), one(BORIS, "乙")]).await;
    // Killed after the last commit: both parts are in, the leaf is not.
    merge_parts(&inbox, &registry, 2).await;
    drop(registry);
    let registry = place.open(&tables);
    let running = Running::start(&inbox, &registry, quick());
    let relayed = inbox.until_relayed(1).await;
    assert_eq!((relayed[0].ins, relayed[0].upd, relayed[0].batch), (2, 0, 2));
    assert_eq!(running.status.snapshot(0).rows_total, 0);
    running.stop().await.unwrap();
}

async fn a_batch_of_one_part_that_the_registry_holds_gets_its_leaf_without_its_payload(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let inbox = Inbox::beside(&place);
    // Above 64 KiB a payload has a file of its own. Of both the file is gone, as after the hold; the journal came back from a copy of before.
    let name = |seed: u32| -> String {
        // Xorshift (Marsaglia), because payloads are compressed.
        let step = |x: &u32| {
            let x = x ^ (x << 13);
            let x = x ^ (x >> 17);
            Some(x ^ (x << 5))
        };
        let numbers = std::iter::successors(Some(seed), step).take(60_000);
        numbers.filter_map(|x| char::from_u32(0x4e00 + x % 20_000)).collect()
    };
    let held = inbox.put(RESIDENT.name, vec![one(ANNA, &name(1))]).await;
    merge_parts(&inbox, &registry, 1).await;
    let lost = inbox.put(RESIDENT.name, vec![one(BORIS, &name(2))]).await;
    for exchange in [held, lost] {
        std::fs::remove_file(inbox.settings.payloads.join(format!("{exchange}.parts"))).unwrap();
    }
    let running = Running::start(&inbox, &registry, quick());
    until_set_aside(&running, 1).await;
    let relayed = inbox.until_relayed(1).await;
    assert_eq!(
        (&relayed[0].x, relayed[0].ins, relayed[0].batch),
        (&held.to_string(), 1, 1)
    );
    running.stop().await.unwrap();
    let aside = inbox.journal.list_set_aside(None).await.unwrap();
    assert_eq!(
        (aside.len(), aside[0].exchange, aside[0].reason.as_deref()),
        (1, lost, Some("SG6302"))
    );
}

async fn a_start_after_part_k_goes_on_with_the_next_part(store: Store) {
    let tables = kept(&[&RESIDENT]);
    let (place, registry) = Place::with(store, &tables);
    let inbox = Inbox::beside(&place);
    inbox
        .put(RESIDENT.name, vec![one(ANNA, "甲"), one(BORIS, "乙"), one(ANNA, "丙")])
        .await;
    merge_parts(&inbox, &registry, 1).await;
    drop(registry);
    let registry = place.open(&tables);
    let running = Running::start(&inbox, &registry, quick());
    let relayed = inbox.until_relayed(1).await;
    assert_eq!((relayed[0].ins, relayed[0].upd, relayed[0].batch), (2, 1, 3));
    assert_eq!(running.status.snapshot(0).rows_total, 2);
    running.stop().await.unwrap();
    assert_eq!(
        place.query("SELECT name, _row FROM public_security_resident ORDER BY _row"),
        ["乙 2", "丙 3"]
    );
}

/// What a worker that is killed after `parts` parts leaves.
async fn merge_parts(inbox: &Inbox, registry: &Registry, parts: u32) {
    let item = inbox.journal.next_inbox(None).await.unwrap().unwrap();
    for number in 0..parts {
        let part = Part {
            snapshot: false,
            confirm: false,
            exchange: item.exchange,
            number,
            parts: item.parts,
            leaf: item.leaf_index,
            record: item.record.clone(),
            partner: item.partner.clone(),
            received_us: item.received_us,
            batch: inbox.journal.read_part(&item, number).await.unwrap(),
            ahead: Ahead::default(),
        };
        registry.merge(part).await.unwrap();
    }
}

async fn a_batch_that_the_registry_refuses_is_set_aside_after_some_tries_and_nothing_waits_behind_it(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let inbox = Inbox::beside(&place);
    let bad = inbox.put(DEATH.name, vec![whole(&DEATH, &[&[ANNA, "-", "-"]])]).await;
    inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    let running = Running::start(&inbox, &registry, quick());
    inbox.until_relayed(1).await;
    until_set_aside(&running, 1).await;
    let aside = inbox.journal.list_set_aside(None).await.unwrap();
    assert_eq!(
        (aside.len(), aside[0].exchange, aside[0].reason.as_deref()),
        (1, bad, Some("SG6208"))
    );
    // Released after the bundle was put right, it follows.
    running.stop().await.unwrap();
    registry.close().await;
    let registry = Registry::open(&place.settings, kept(&[&RESIDENT, &DEATH]), Missing::Add).unwrap();
    assert!(inbox.release(bad).await);
    let running = Running::start(&inbox, &registry, quick());
    assert_eq!(inbox.until_relayed(2).await[1].ins, 1);
    running.stop().await.unwrap();
}

async fn until_set_aside(running: &Running, count: u64) {
    for _ in 0..2_000 {
        if running.status.snapshot(0).set_aside_total >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    unreachable!("nothing was set aside");
}

async fn of_many_small_ones_only_the_damaged_is_set_aside_and_each_other_is_in_once(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let mut inbox = Inbox::beside(&place);
    let mut exchanges = Vec::new();
    for turn in 0..40 {
        let name = if turn % 2 == 0 { "甲" } else { "乙" };
        exchanges.push(inbox.put(RESIDENT.name, vec![one(ANNA, name)]).await);
    }
    let settings = inbox.settings.clone();
    inbox.journal.close().await.unwrap();
    let journal = rusqlite::Connection::open(settings.place.file().unwrap()).unwrap();
    let damage =
        "UPDATE payload SET bytes = zeroblob(length(bytes)) WHERE leaf = (SELECT leaf FROM inbox WHERE exchange = ?1)";
    assert_eq!(journal.execute(damage, [exchanges[17].as_bytes()]).unwrap(), 1);
    drop(journal);
    inbox.journal = Journal::open(&settings, Clock::system()).unwrap();
    let running = Running::start(&inbox, &registry, quick());
    let relayed = inbox.until_relayed(39).await;
    until_set_aside(&running, 1).await;
    running.stop().await.unwrap();
    let left_out = inbox.journal.list_set_aside(None).await.unwrap();
    assert_eq!((left_out.len(), left_out[0].exchange), (1, exchanges[17]));
    assert_eq!(relayed.iter().map(|event| event.ins).sum::<u64>(), 1);
    // The damaged one said what its two neighbours do not say: between them the content changes once less.
    assert_eq!(relayed.iter().map(|event| event.upd + event.same).sum::<u64>(), 38);
    assert_eq!(place.query("SELECT count(*) FROM relay_progress"), ["39"]);
}

#[tokio::test]
async fn a_small_exchange_does_not_wait_for_a_large_one_that_came_before_it() {
    let (place, registry) = Place::with(Store::Sqlite, &kept(&[&RESIDENT]));
    let inbox = Inbox::beside(&place);
    let large = inbox.put(RESIDENT.name, vec![one(ANNA, "甲"); 12]).await;
    let small = inbox.put(RESIDENT.name, vec![one(BORIS, "乙")]).await;
    let running = Running::start(&inbox, &registry, quick());
    let relayed = inbox.until_relayed(2).await;
    running.stop().await.unwrap();
    let order: Vec<&str> = relayed.iter().map(|event| event.x.as_str()).collect();
    assert_eq!(order, [small.to_string(), large.to_string()]);
    assert_eq!((relayed[1].ins, relayed[1].same, relayed[1].batch), (1, 11, 12));
}

#[tokio::test]
async fn payloads_are_erased_after_the_hold_and_not_before() {
    let (place, registry) = Place::with(Store::Sqlite, &kept(&[&RESIDENT]));
    let inbox = Inbox::beside(&place);
    inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    let running = Running::start(&inbox, &registry, quick());
    inbox.until_relayed(1).await;
    running.stop().await.unwrap();
    let erased = Query {
        kind: Some("erased".into()),
        ..Query::default()
    };
    let running = Running::start(&inbox, &registry, quick());
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.stop().await.unwrap();
    assert_eq!(inbox.journal.search(erased.clone()).await.unwrap().len(), 0);
    let running = Running::start(
        &inbox,
        &registry,
        RelaySettings {
            payload_hold_hours: 0,
            ..quick()
        },
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.stop().await.unwrap();
    assert_eq!(inbox.journal.search(erased).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_locked_registry_is_waited_for_and_shutdown_ends_the_wait() {
    let mut place = Place::new(Store::Sqlite);
    let settings = SqliteSettings {
        busy_timeout_ms: 1,
        ..place.sqlite().clone()
    };
    let path = settings.path.clone();
    place.settings = RegistrySettings::Sqlite(settings);
    Registry::create(&place.settings, &kept(&[&RESIDENT])).unwrap();
    let registry = place.open(&kept(&[&RESIDENT]));
    let inbox = Inbox::beside(&place);
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    let mut settings = quick();
    settings.retry_first_ms = 60_000;
    settings.retry_max_ms = 60_000;
    let running = Running::start(&inbox, &registry, settings);
    while running.status.snapshot(0).last_error != Some("SG6214") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(running.status.snapshot(0).state, RelayState::Waiting);
    running.stop().await.unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    let running = Running::start(&inbox, &registry, quick());
    inbox.until_relayed(1).await;
    running.stop().await.unwrap();
    assert!(inbox.journal.list_set_aside(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_registry_whose_writer_is_gone_ends_the_relay() {
    let (place, registry) = Place::with(Store::Sqlite, &kept(&[&RESIDENT]));
    registry.clone().close().await;
    let inbox = Inbox::beside(&place);
    inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    let mut running = Running::start(&inbox, &registry, quick());
    let ended = running.tasks.join_next().await.unwrap().unwrap();
    assert_eq!(ended.unwrap_err().code(), "SG6212");
}

#[tokio::test]
async fn a_payload_that_was_changed_is_set_aside_and_nothing_of_it_gets_in() {
    let (place, registry) = Place::with(Store::Sqlite, &kept(&[&RESIDENT]));
    let mut inbox = Inbox::beside(&place);
    inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    let settings = inbox.settings.clone();
    inbox.journal.close().await.unwrap();
    let journal = rusqlite::Connection::open(settings.place.file().unwrap()).unwrap();
    let changed = journal.execute("UPDATE payload SET bytes = zeroblob(length(bytes))", []);
    drop(journal);
    assert_eq!(changed.unwrap(), 1);
    inbox.journal = Journal::open(&settings, Clock::system()).unwrap();
    let running = Running::start(&inbox, &registry, quick());
    until_set_aside(&running, 1).await;
    running.stop().await.unwrap();
    assert_eq!(place.query("SELECT count(*) FROM public_security_resident"), ["0"]);
}

#[tokio::test]
async fn a_delta_of_several_parts_passes_a_snapshot_of_many_that_came_before_it() {
    let (place, registry) = Place::with(Store::Sqlite, &kept(&[&RESIDENT]));
    let inbox = Inbox::beside(&place);
    let large = inbox.put(RESIDENT.name, vec![one(ANNA, "甲"); 60]).await;
    let delta = inbox.put(RESIDENT.name, vec![one(ANNA, "乙"); 6]).await;
    let running = Running::start(&inbox, &registry, quick());
    let relayed = inbox.until_relayed(2).await;
    running.stop().await.unwrap();
    let order: Vec<&str> = relayed.iter().map(|event| event.x.as_str()).collect();
    assert_eq!(order, [delta.to_string(), large.to_string()]);
    // What it passed is older, and takes nothing back.
    assert_eq!(place.query("SELECT name FROM public_security_resident"), ["乙"]);
}

async fn a_recall_before_and_after_relay_takes_all_of_it_back_and_a_registry_that_was_put_back_is_emptied_again(
    store: Store,
) {
    let tables = kept(&[&RESIDENT]);
    let (place, registry) = Place::with(store, &tables);
    let inbox = Inbox::beside(&place);
    let wrong = inbox.put(RESIDENT.name, vec![one(ANNA, "错"), one(BORIS, "误")]).await;
    let running = Running::start(&inbox, &registry, quick());
    inbox.until_relayed(1).await;
    running.stop().await.unwrap();
    let never = inbox.put(RESIDENT.name, vec![one(ANNA, "误")]).await;
    // One part of this one was in when the relay was killed.
    let half = inbox.put(RESIDENT.name, vec![one(BORIS, "半"); 2]).await;
    assert!(inbox.recall(wrong).await && inbox.recall(never).await);
    assert!(!inbox.recall(wrong).await, "a second recall");
    assert!(inbox.journal.feed_again(wrong, "operator-li").await.unwrap().is_none());
    merge_parts(&inbox, &registry, 1).await;
    assert!(inbox.recall(half).await);
    assert_eq!(inbox.journal.backlog().exchanges, 0);
    let right = inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    let running = Running::start(&inbox, &registry, quick());
    assert_eq!(inbox.until_recalled(3).await, [(1, 0), (0, 0), (1, 0)]);
    let relayed = inbox.until_relayed(2).await;
    assert_eq!(relayed[1].x, right.to_string());
    running.stop().await.unwrap();
    let names = "SELECT citizen_id, name FROM population";
    assert_eq!(place.query(names), [format!("{ANNA} 甲")]);
    // A registry of before the recalls knows nothing of them: the next start takes all back once more, without a leaf.
    registry.close().await;
    let (place, registry) = Place::with(store, &tables);
    merge_whole(&registry, wrong, &[one(ANNA, "错"), one(BORIS, "误")]).await;
    assert_eq!(place.query("SELECT count(*) FROM population"), ["2"]);
    let running = Running::start(&inbox, &registry, quick());
    for _ in 0..2_000 {
        if place.query("SELECT count(*) FROM population") == ["0"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.stop().await.unwrap();
    assert_eq!(place.query(names), [""; 0]);
    assert_eq!(inbox.recalled().len(), 3);
}

/// What a registry of before holds of an exchange.
async fn merge_whole(registry: &Registry, exchange: Uuid, parts: &[RecordBatch]) {
    for (number, batch) in (0..).zip(parts) {
        let part = Part {
            snapshot: false,
            confirm: false,
            exchange,
            number,
            parts: u32::try_from(parts.len()).unwrap(),
            leaf: 1,
            record: RESIDENT.name.into(),
            partner: "public-security-city".into(),
            received_us: 1_000_000,
            batch: batch.clone(),
            ahead: Ahead::default(),
        };
        registry.merge(part).await.unwrap();
    }
}

async fn a_recall_that_the_registry_refuses_is_held_apart_and_the_others_go_on(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let inbox = Inbox::beside(&place);
    // Of this record type the registry has no table.
    let bad = inbox.put(DEATH.name, vec![whole(&DEATH, &[&[ANNA, "-", "-"]])]).await;
    let good = inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    assert!(inbox.recall(bad).await && inbox.recall(good).await);
    let running = Running::start(&inbox, &registry, quick());
    assert_eq!(inbox.until_recalled(1).await, [(0, 0)]);
    let apart = until_apart(&running).await;
    assert_eq!(
        (apart.push, apart.record.as_str(), apart.reason),
        (bad, DEATH.name, "SG6208")
    );
    // Tried again it is refused again; of another one nothing is known.
    assert!(!running.status.again(good));
    assert!(running.status.again(apart.exchange) && !running.status.is_apart(apart.exchange));
    assert_eq!(until_apart(&running).await, apart);
    assert_eq!(inbox.recalled().len(), 1);
    running.stop().await.unwrap();
    registry.close().await;
    let registry = Registry::open(&place.settings, kept(&[&RESIDENT, &DEATH]), Missing::Add).unwrap();
    let running = Running::start(&inbox, &registry, quick());
    inbox.until_recalled(2).await;
    assert_eq!(running.status.snapshot(0).recalls_apart, []);
    running.stop().await.unwrap();
}

async fn until_apart(running: &Running) -> super::RecallApart {
    for _ in 0..2_000 {
        if let Some(apart) = running.status.snapshot(0).recalls_apart.first() {
            return apart.clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    unreachable!("no recall is held apart");
}

#[tokio::test]
async fn of_many_recalls_every_second_turn_is_a_batchs() {
    let (place, registry) = Place::with(Store::Sqlite, &kept(&[&RESIDENT]));
    let inbox = Inbox::beside(&place);
    for _ in 0..20 {
        let wrong = inbox.put(RESIDENT.name, vec![one(ANNA, "错")]).await;
        assert!(inbox.recall(wrong).await);
    }
    inbox
        .put(RESIDENT.name, vec![one(ANNA, "甲"), one(BORIS, "乙"), one(ANNA, "丙")])
        .await;
    let running = Running::start(&inbox, &registry, quick());
    inbox.until_recalled(20).await;
    inbox.until_relayed(1).await;
    running.stop().await.unwrap();
    let journal = rusqlite::Connection::open(inbox.settings.place.file().unwrap()).unwrap();
    let before =
        "SELECT count(*) FROM leaf WHERE kind = 'recalled' AND idx < (SELECT idx FROM leaf WHERE kind = 'relayed')";
    let before: u32 = journal.query_row(before, [], |row| row.get(0)).unwrap();
    assert!(
        (1..=6).contains(&before),
        "{before} recalls before the batch of three turns"
    );
}
