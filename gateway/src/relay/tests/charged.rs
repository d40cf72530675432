//! What turns cost that write little or nothing: looking through keys at the end of a snapshot, and in a recall.

use std::time::Duration;

use super::{ANNA, Inbox, Place, RESIDENT, Running, Store, kept, one, quick, whole};

#[tokio::test]
async fn the_end_of_a_snapshot_is_charged_by_the_keys_that_it_looks_at_and_not_by_those_that_it_might() {
    let (place, registry) = Place::with(Store::Sqlite, &kept(&[&RESIDENT]));
    let inbox = Inbox::beside(&place);
    for name in ["甲", "乙", "丙"] {
        let parts = vec![one(ANNA, name)];
        inbox.put_as(RESIDENT.name, parts, Some("snapshot")).await;
    }
    // Nine turns, each of a row at most.
    let mut settings = quick();
    settings.rates.insert(RESIDENT.name.to_owned(), 20.try_into().unwrap());
    let began = std::time::Instant::now();
    let running = Running::start(&inbox, &registry, settings);
    inbox.until_relayed(3).await;
    let took = began.elapsed();
    running.stop().await.unwrap();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test]
async fn strides_of_a_recall_are_charged_to_the_rate_of_its_record_type() {
    let (place, registry) = Place::with(Store::Sqlite, &kept(&[&RESIDENT]));
    let inbox = Inbox::beside(&place);
    let ids: Vec<String> = (0..9).map(|number| format!("3207061880010100{number:02}")).collect();
    let rows: Vec<[&str; 5]> = ids.iter().map(|id| [id.as_str(), "错", "-", "-", "-"]).collect();
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 5]>::as_slice).collect();
    let wrong = inbox.put(RESIDENT.name, vec![whole(&RESIDENT, &rows)]).await;
    let running = Running::start(&inbox, &registry, quick());
    inbox.until_relayed(1).await;
    running.stop().await.unwrap();
    assert!(inbox.recall(wrong).await);
    // Four strides of three keys, each a quarter of a second at this rate.
    let mut settings = quick();
    settings
        .rates
        .insert(RESIDENT.name.to_owned(), 4_096.try_into().unwrap());
    let began = std::time::Instant::now();
    let running = Running::start(&inbox, &registry, settings);
    assert_eq!(inbox.until_recalled(1).await, [(9, 0)]);
    let took = began.elapsed();
    running.stop().await.unwrap();
    assert!(took >= Duration::from_millis(700), "{took:?}");
    // A start finds it done, and neither walks nor waits.
    let began = std::time::Instant::now();
    let mut settings = quick();
    settings.rates.insert(RESIDENT.name.to_owned(), 1.try_into().unwrap());
    let late = inbox.put(RESIDENT.name, vec![one(ANNA, "误")]).await;
    assert!(inbox.recall(late).await);
    let running = Running::start(&inbox, &registry, settings);
    inbox.until_recalled(2).await;
    running.stop().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
}
