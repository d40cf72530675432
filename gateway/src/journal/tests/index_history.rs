//! What the journal knows of the keys of its index, whatever rows somebody edited.

use shuguan_ledger::leaf::{Commitment, Event, ShredEvent};

use super::{Bench, START_US, exchange, one_row};
use crate::journal::{Entry, INDEX, INDEX_KEYS, IndexHistory, Journal, MASTER_KEY, WrittenUnder};
use crate::pki::period::next_year_us;
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(
    the_newest_indexed_exchange_whose_record_still_opens_says_which_keys_there_were,
    years_are_those_of_indexed_exchanges_and_what_an_officer_destroyed_is_known,
    the_newest_push_says_which_master_key_there_was_however_many_comparisons_came_since,
    a_record_of_an_exchange_that_is_not_indexed_tries_the_keys_too,
);

/// An exchange that is indexed; of an earlier version it notes nothing of the keys.
async fn indexed(journal: &Journal, number: u128, noted: Option<&str>) {
    let mut entry = one_row(journal, number);
    if let (Event::Push(event), Some(payload), Some(subjects)) = (&mut entry.event, &mut entry.payload, &entry.subjects)
    {
        event.ix = Some(payload.evidence_mut().commit_digest(INDEX, &subjects.digest()));
        if let Some(noted) = noted {
            payload.evidence_mut().note(INDEX_KEYS, noted);
        }
    }
    journal.seal(entry).await.unwrap();
}

fn history(bench: &Bench) -> IndexHistory {
    WrittenUnder::read(&bench.settings()).unwrap().index
}

async fn the_newest_indexed_exchange_whose_record_still_opens_says_which_keys_there_were(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    assert_eq!(history(&bench), IndexHistory::default());
    // Not indexed, and of a version before this one.
    journal.seal(one_row(&journal, 1)).await.unwrap();
    assert_eq!(history(&bench), IndexHistory::default());
    indexed(&journal, 2, None).await;
    let known = history(&bench);
    assert_eq!((known.noted, known.years), (None, ["2026".to_owned()].into()));
    for (number, noted) in [(3, "2026:01"), (4, "2026:02"), (5, "2026:03")] {
        indexed(&journal, number, Some(noted)).await;
        assert_eq!(history(&bench).noted.as_deref(), Some(noted));
    }
    // Who edits the newest one, or swaps records, changes nothing of what the others say.
    bench.tamper("UPDATE evidence SET sealed = (SELECT sealed FROM evidence WHERE leaf = 3) WHERE leaf = 5");
    assert_eq!(history(&bench).noted.as_deref(), Some("2026:02"));
    bench.tamper("DELETE FROM subject; DELETE FROM evidence WHERE leaf > 3; DELETE FROM wrapped_key WHERE leaf > 3");
    let known = history(&bench);
    assert_eq!(known.noted.as_deref(), Some("2026:01"));
    assert_eq!(
        known.years,
        ["2026".to_owned()].into(),
        "the leaves say so, not the index"
    );
}

async fn years_are_those_of_indexed_exchanges_and_what_an_officer_destroyed_is_known(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    indexed(&journal, 1, None).await;
    bench.turn(next_year_us(START_US) - START_US);
    journal.seal(one_row(&journal, 2)).await.unwrap();
    bench.turn(366 * 86_400_000_000);
    indexed(&journal, 3, None).await;
    let known = history(&bench);
    assert_eq!(known.years, ["2026".to_owned(), "2028".to_owned()].into());
    assert_eq!(known.shredded_before, None);
    let event = ShredEvent {
        who: "security-qian".into(),
        what: "index".into(),
        case: Commitment([0; 32]),
        why: "retention".into(),
        x: None,
        before: Some(shuguan_ledger::time::format(next_year_us(START_US))),
        cnt: 1,
    };
    journal
        .seal(Entry::new(exchange(9), Event::Shred(event)))
        .await
        .unwrap();
    assert_eq!(history(&bench).shredded_before.as_deref(), Some("2027"));
}

async fn the_newest_push_says_which_master_key_there_was_however_many_comparisons_came_since(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let mut entry = one_row(&journal, 1);
    if let Some(payload) = &mut entry.payload {
        payload.evidence_mut().note(MASTER_KEY, "2026:01");
    }
    journal.seal(entry).await.unwrap();
    // 21,000 leaves that are no pushes.
    bench.tamper(
        "INSERT INTO leaf (idx, hash, t, kind, exchange, partner, rec, pur, code, bytes) \
         WITH RECURSIVE many (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM many WHERE i < 21100) \
         SELECT i, hash, t, 'compare', exchange, partner, rec, pur, code, bytes FROM many CROSS JOIN leaf \
         WHERE idx = (SELECT max(leaf) FROM inbox)",
    );
    bench.tamper("UPDATE tree SET size = 21101");
    let written = WrittenUnder::read(&bench.settings()).unwrap();
    assert_eq!(written.master.as_deref(), Some("2026:01"));
    assert_eq!(written.opens, Some(true));
    bench.tamper("DELETE FROM payload");
    assert_eq!(WrittenUnder::read(&bench.settings()).unwrap(), written);
}

async fn a_record_of_an_exchange_that_is_not_indexed_tries_the_keys_too(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    indexed(&journal, 1, Some("2026:01")).await;
    journal.seal(one_row(&journal, 2)).await.unwrap();
    // Neither what is held nor a push tells, nor the record of the one that is indexed.
    bench.tamper("DELETE FROM payload; DELETE FROM inbox; DELETE FROM evidence WHERE leaf = 1; DELETE FROM wrapped_key WHERE leaf = 1");
    let written = WrittenUnder::read(&bench.settings()).unwrap();
    assert_eq!((written.opens, written.index.noted), (Some(true), None));
    bench.tamper("DELETE FROM evidence; DELETE FROM wrapped_key");
    assert_eq!(WrittenUnder::read(&bench.settings()).unwrap().opens, None);
}
