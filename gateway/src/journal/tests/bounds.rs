use shuguan_ledger::leaf::{AbortedEvent, Digest, Event, Leaf};

use super::{Bench, Committing, decided, exchange, keyed, one_row, proven, relayed, sealed};
use crate::clock::DAY_US;
use crate::journal::{Journal, Known, Outcome, Query, RefusalDraft, SealError};
use crate::postgres::stores::{Store, on_both_stores};
use crate::refusal::Refusal;

on_both_stores!(
    refusals_are_sealed_up_to_their_bound_and_counted_above_it,
    a_push_that_breaks_off_is_a_leaf_with_a_number_and_nobody_grows_the_log_by_it,
    a_refusal_about_the_content_sticks_to_its_key,
    who_holds_half_of_the_inbox_is_refused_and_others_are_not,
    whose_batch_waits_for_too_long_is_refused_until_it_is_relayed_and_others_are_not,
    a_batch_that_is_released_waits_from_then_on_and_one_that_is_set_aside_bars_nobody,
    a_full_queue_refuses_at_once,
    keys_checkpoints_and_reports_go_when_their_time_is_over_and_receipts_still_verify,
    more_than_one_look_takes_goes_with_the_next_ticks,
);

const MINUTE_US: i64 = 60_000_000;

pub(super) fn refusal(partner: &str) -> RefusalDraft {
    RefusalDraft::new(Some(partner.into()), Refusal::NoGrant, "admit")
}

async fn refusals_are_sealed_up_to_their_bound_and_counted_above_it(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let mut own = 0;
    for _ in 0..100 {
        own += usize::from(journal.refuse(refusal("health-city")).await.unwrap().is_some());
        journal
            .refuse(RefusalDraft::new(None, Refusal::UnknownIssuer, "peer"))
            .await
            .unwrap();
    }
    assert_eq!(own, 20);
    journal.tick(bench.clock().now_us()).await.unwrap();
    bench.turn(MINUTE_US);
    journal.tick(bench.clock().now_us()).await.unwrap();
    let query = Query {
        kind: Some("refusal".into()),
        limit: 2,
        ..Query::default()
    };
    let counts: Vec<_> = journal
        .search(query)
        .await
        .unwrap()
        .iter()
        .map(|row| count(&row.bytes))
        .collect();
    assert_eq!(
        counts,
        [("-".to_owned(), Some(100)), ("health-city".to_owned(), Some(80))]
    );
    journal
        .refuse(RefusalDraft::new(None, Refusal::UnknownIssuer, "peer"))
        .await
        .unwrap();
    journal.close().await.unwrap();
    assert_eq!(
        bench.verify().kinds["refusal"],
        20 + 2 + 1,
        "closing seals what was counted"
    );
}

fn count(leaf: &[u8]) -> (String, Option<u64>) {
    match Leaf::decode(leaf).unwrap().event {
        Event::Refusal(refusal) => (refusal.p, refusal.cnt),
        other => panic!("{other:?}"),
    }
}

async fn a_push_that_breaks_off_is_a_leaf_with_a_number_and_nobody_grows_the_log_by_it(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let aborted = |number: u128| AbortedEvent {
        x: exchange(number).to_string(),
        p: "health-city".into(),
        rec: "health/birth-certificate".into(),
        pur: "enrolment.registration".into(),
        bun: Digest([2; 32]),
        code: "sender-gone".into(),
    };
    let mut numbers = Vec::new();
    for number in 0..50 {
        let sealed = journal.abort(aborted(number)).await.unwrap();
        numbers.extend(sealed.map(|sealed| proven(&sealed).pn.unwrap()));
    }
    assert_eq!(numbers, (1..=20).collect::<Vec<u64>>());
    bench.turn(MINUTE_US);
    journal.tick(bench.clock().now_us()).await.unwrap();
    journal.close().await.unwrap();
    drop(bench.open());
    // The rest is one leaf, and numbers go on after a start.
    let report = bench.verify();
    assert_eq!((report.kinds["aborted"], report.kinds["refusal"]), (20, 1));
    assert_eq!(report.partners["health-city"], 21);
    let journal = bench.open();
    let next = journal.abort(aborted(99)).await.unwrap().unwrap();
    assert_eq!(proven(&next).pn, Some(22));
}

async fn a_refusal_about_the_content_sticks_to_its_key(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let draft = refusal("health-city").event();
    let entry = |number| {
        keyed(
            crate::journal::Entry::new(exchange(number), Event::Refusal(draft.clone())),
            1,
            1,
        )
    };
    let first = sealed(journal.seal(entry(1)).await.unwrap());
    assert_eq!(journal.seal(entry(2)).await.unwrap(), Outcome::Repeated(first));
}

/// What does not pack.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(bytes).collect()
}

#[tokio::test]
async fn a_full_disk_refuses_and_room_makes_it_go_on() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut entry = one_row(&journal, 1);
    entry.rejects = Some(noise(100_000));
    journal.seal(entry).await.unwrap();
    journal.limit_pages(Some(0)).await;
    let mut refused = 0;
    for number in 2..40 {
        let mut entry = one_row(&journal, number);
        entry.rejects = Some(noise(100_000));
        match journal.seal(entry).await {
            Ok(outcome) => drop(proven(&sealed(outcome))),
            Err(error) => {
                assert_eq!(error, SealError::Unavailable);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 38);
    assert!(matches!(journal.committing(), Committing::Fails { full: true, .. }));
    journal.limit_pages(None).await;
    // By itself, though nobody pushes.
    super::commits_again(&journal).await;
    let after = sealed(journal.seal(one_row(&journal, 50)).await.unwrap());
    assert_eq!(after.index, 3, "nothing of what was refused is in the log");
    // What went in first says what there had been no room for.
    let row = journal.leaf(2).await.unwrap().unwrap();
    let Event::Full(full) = Leaf::decode(&row.bytes).unwrap().event else {
        panic!("{}", row.kind)
    };
    assert!(full.cnt >= 38 && full.free.is_some_and(|free| free > 0), "{full:?}");
    let since_us = shuguan_ledger::time::parse(&full.since).unwrap();
    assert!(since_us < row.t_us, "{full:?}");
    // Within the minute there is no second one, and at the end there is.
    journal.limit_pages(Some(0)).await;
    let mut entry = one_row(&journal, 51);
    entry.rejects = Some(noise(100_000));
    assert!(journal.seal(entry).await.is_err());
    journal.limit_pages(None).await;
    let next = sealed(journal.seal(one_row(&journal, 52)).await.unwrap());
    assert_eq!(next.index, 4);
    journal.close().await.unwrap();
    let kinds = bench.verify().kinds;
    assert_eq!((kinds["push"], kinds["full"], kinds["stop"]), (3, 2, 1));
}

async fn who_holds_half_of_the_inbox_is_refused_and_others_are_not(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    journal.seal(one_row(&journal, 1)).await.unwrap();
    let one = journal.backlog().bytes;
    drop(journal);
    let mut settings = bench.settings();
    // Room for three such batches: two are more than half.
    settings.inbox_bytes_max = one * 3;
    let open = || Journal::open(&settings, bench.clock()).unwrap();
    let (his, others) = ("public-security-city", "health-city");
    let journal = open();
    assert!(journal.inbox_has_room_for(his) && journal.inbox_has_room_for(others));
    journal.seal(one_row(&journal, 2)).await.unwrap();
    let full = |journal: &Journal| {
        assert!(!journal.inbox_has_room_for(his) && journal.inbox_has_room_for(others) && journal.inbox_has_room());
    };
    full(&journal);
    // What was read meanwhile is asked for once more: not more than half, but one batch of any size.
    assert!(!journal.inbox_takes(his, 1) && journal.inbox_takes(others, one * 3));
    drop(journal);
    // Counted anew at the start.
    let journal = open();
    full(&journal);
    let item = journal.next_inbox(None).await.unwrap().unwrap();
    journal.relayed(item.exchange, relayed(&item)).await.unwrap();
    assert!(journal.inbox_has_room_for(his));
    assert!(!journal.inbox_takes(his, one) && journal.inbox_takes(his, one / 2));
}

#[tokio::test]
async fn what_uploads_write_counts_against_the_inbox_and_is_given_back() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.seal(one_row(&journal, 1)).await.unwrap();
    let waits = journal.backlog().bytes;
    drop(journal);
    let mut settings = bench.settings();
    settings.inbox_bytes_max = waits * 10;
    let journal = Journal::open(&settings, bench.clock()).unwrap();
    let (his, others, third) = ("public-security-city", "health-city", "tax-city");
    let mut first = journal.uploading(his);
    assert!(first.wrote(0) && first.wrote(waits * 3) && first.wrote(waits * 4));
    let mut second = journal.uploading(his);
    assert!(!second.wrote(1), "with what waits, half of it is his");
    let mut other = journal.uploading(others);
    assert!(!other.wrote(waits * 5 + 1) && other.wrote(waits * 4));
    // Nine of ten are taken; what was refused does not count.
    let mut last = journal.uploading(third);
    assert!(!last.wrote(waits + 1) && last.wrote(waits));
    assert!(
        !other.wrote(waits * 4 + 1),
        "nor does who came first get more than there is"
    );
    drop(first);
    assert!(second.wrote(waits * 4) && !second.wrote(waits * 4 + 1));
    drop((second, other));
    assert!(journal.uploading(others).wrote(waits * 5));
}

#[tokio::test]
async fn where_nothing_else_is_one_upload_of_any_size_has_room_and_no_second() {
    let bench = Bench::new();
    let mut settings = bench.settings();
    settings.inbox_bytes_max = 1;
    let journal = Journal::open(&settings, bench.clock()).unwrap();
    let mut first = journal.uploading("public-security-city");
    assert!(first.wrote(1 << 30));
    let mut second = journal.uploading("health-city");
    assert!(!second.wrote(1));
    // It goes on all the same.
    assert!(first.wrote(2 << 30));
    drop(first);
    assert!(second.wrote(1));
}

async fn whose_batch_waits_for_too_long_is_refused_until_it_is_relayed_and_others_are_not(store: Store) {
    let bench = Bench::on(store);
    let mut settings = bench.settings();
    settings.inbox_age_max_us = 3 * DAY_US;
    let open = || Journal::open(&settings, bench.clock()).unwrap();
    let (his, others) = ("public-security-city", "health-city");
    let journal = open();
    journal.seal(one_row(&journal, 1)).await.unwrap();
    bench.turn(3 * DAY_US);
    journal.tick(bench.clock().now_us()).await.unwrap();
    assert!(!journal.inbox_is_overdue_for(his), "as long as it may wait");
    bench.turn(1);
    // Accepted in the last moment, it bars nobody.
    journal.seal(one_row(&journal, 2)).await.unwrap();
    journal.tick(bench.clock().now_us()).await.unwrap();
    let barred = |journal: &Journal| {
        assert!(journal.inbox_is_overdue_for(his) && !journal.inbox_is_overdue_for(others));
        assert_eq!(journal.inbox_overdue(), 1);
    };
    barred(&journal);
    drop(journal);
    let journal = open();
    journal.tick(bench.clock().now_us()).await.unwrap();
    barred(&journal);
    let item = journal.next_inbox(None).await.unwrap().unwrap();
    assert_eq!(item.exchange, exchange(1), "it waits on");
    journal.relayed(item.exchange, relayed(&item)).await.unwrap();
    journal.tick(bench.clock().now_us()).await.unwrap();
    assert!(!journal.inbox_is_overdue_for(his) && journal.inbox_overdue() == 0);
    assert_eq!(journal.backlog().exchanges, 1);
}

async fn a_batch_that_is_released_waits_from_then_on_and_one_that_is_set_aside_bars_nobody(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    journal.seal(one_row(&journal, 1)).await.unwrap();
    bench.turn(8 * DAY_US);
    journal.tick(bench.clock().now_us()).await.unwrap();
    assert_eq!(journal.inbox_overdue(), 1);
    assert!(journal.set_aside(exchange(1), "SG6302").await.unwrap());
    journal.tick(bench.clock().now_us()).await.unwrap();
    assert_eq!(journal.inbox_overdue(), 0);
    assert!(decided(&journal, 1, None).await);
    journal.tick(bench.clock().now_us()).await.unwrap();
    assert_eq!(journal.inbox_overdue(), 0, "it waits for a moment only");
    bench.turn(7 * DAY_US + 1);
    journal.tick(bench.clock().now_us()).await.unwrap();
    assert_eq!(journal.inbox_overdue(), 1);
}

async fn a_full_queue_refuses_at_once(store: Store) {
    let bench = Bench::on(store);
    let mut settings = bench.settings();
    settings.queue_max = 4;
    let journal = crate::journal::Journal::open(&settings, bench.clock()).unwrap();
    let entries: Vec<_> = (1..=2_000)
        .map(|number| journal.seal(one_row(&journal, number)))
        .collect();
    let outcomes = futures_util::future::join_all(entries).await;
    let (sealed, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert!(!sealed.is_empty() && !refused.is_empty());
    assert!(
        refused
            .into_iter()
            .all(|outcome| outcome == Err(SealError::Unavailable))
    );
    drop(journal);
    assert_eq!(bench.verify().kinds["push"], sealed.len() as u64);
}

async fn keys_checkpoints_and_reports_go_when_their_time_is_over_and_receipts_still_verify(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let mut entry = keyed(one_row(&journal, 1), 1, 1);
    entry.rejects = Some(b"{}\n".to_vec());
    journal.seal(entry).await.unwrap();
    for number in 2..20 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    bench.turn(6 * DAY_US);
    journal.tick(bench.clock().now_us()).await.unwrap();
    let known = journal.idempotent([1; 32], [1; 32]).await.unwrap();
    assert!(matches!(known, Some(Known::Repeated(first)) if first.checkpoint_size == 2));
    bench.turn(2 * DAY_US);
    journal.seal(one_row(&journal, 30)).await.unwrap();
    journal.tick(bench.clock().now_us()).await.unwrap();
    assert_eq!(journal.idempotent([1; 32], [1; 32]).await.unwrap(), None);
    assert!(journal.rejects(exchange(1)).await.unwrap().is_some());
    let later = journal.sealed_entry(exchange(1)).await.unwrap().unwrap();
    assert_eq!(later.checkpoint_size, 20, "the last checkpoint of its minute");
    proven(&later);
    bench.turn(23 * DAY_US);
    journal.tick(bench.clock().now_us()).await.unwrap();
    assert_eq!(journal.rejects(exchange(1)).await.unwrap(), None);
}

async fn more_than_one_look_takes_goes_with_the_next_ticks(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 1..=150 {
        let mut entry = one_row(&journal, number);
        entry.rejects = Some(b"{}\n".to_vec());
        journal.seal(entry).await.unwrap();
    }
    bench.turn(32 * DAY_US);
    journal.seal(one_row(&journal, 151)).await.unwrap();
    let now_us = bench.clock().now_us();
    let mut left = Vec::new();
    // Within one second, not one minute.
    for _ in 0..3 {
        journal.tick(now_us).await.unwrap();
        let mut reports = 0;
        for number in 1..=150 {
            reports += usize::from(journal.rejects(exchange(number)).await.unwrap().is_some());
        }
        left.push(reports);
    }
    assert_eq!(left, [50, 0, 0]);
}
