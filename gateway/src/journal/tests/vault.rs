//! The evidence vault: a record opens under its own key, and never again once that key is destroyed.

use std::path::Path;
use std::sync::Arc;

use shuguan_ledger::leaf::{
    Commitment, Digest, Event, OfficerUnsealEvent, ReceiptAckEvent, Reference, RefusalEvent, ShredEvent,
};
use shuguan_ledger::receipt::Receipt;

use super::{Bench, START_US, exchange, one_row, part, push, relayed, sealed, trust, verify};
use crate::clock::DAY_US;
use crate::hex::hex;
use crate::journal::{
    Entry, Evidence, INDEX, Journal, JournalFault, JournalPlace, JournalSettings, Kek, QUALITY, Reader, Vault, backup,
    examine, put_keys_in,
};
use crate::pki::period;
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(
    what_was_kept_long_enough_goes_with_the_keys_of_its_months,
    every_record_names_its_suite_and_the_key_that_it_is_sealed_under,
    a_changed_or_swapped_key_opens_nothing,
    a_batch_that_was_let_wait_again_while_payloads_were_listed_keeps_its_file,
    what_was_edited_beside_the_log_is_named_and_what_was_shredded_is_not,
    a_record_that_was_written_anew_with_the_right_keys_is_named,
    a_destroyed_record_that_was_put_back_opens_nothing_is_named_and_is_deleted_again,
    what_officers_signed_about_an_exchange_is_missed_although_its_own_record_was_destroyed,
    more_that_is_gone_than_was_destroyed_is_named,
);

pub(super) fn shred(exchange: Option<&str>) -> ShredEvent {
    ShredEvent {
        who: "security-qian".into(),
        what: "evidence".into(),
        case: Commitment([0; 32]),
        why: "court".into(),
        x: exchange.map(str::to_owned),
        before: None,
        cnt: 0,
    }
}

/// Every byte below a folder.
fn bytes_of(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(bytes_of(&path));
        } else {
            all.extend(std::fs::read(&path).unwrap());
        }
    }
    all
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Wrapped key and sealed record of a leaf, as stored.
fn stored(bench: &Bench, leaf: u64) -> (Vec<u8>, Vec<u8>) {
    const BOTH: &str = "SELECT k.key, e.sealed FROM wrapped_key k JOIN evidence e ON e.leaf = k.leaf WHERE k.leaf = ?1";
    let reader = bench.reader();
    let row = reader
        .store
        .first(BOTH, &[leaf.into()], |row| Ok((row.get(0)?, row.get(1)?)));
    row.unwrap().unwrap()
}

#[tokio::test]
async fn a_shredded_record_is_nowhere_on_disk_and_everything_still_verifies() {
    let bench = Bench::new();
    let journal = bench.open();
    let first = sealed(
        journal
            .seal(push(&journal, exchange(1), &[part(1, 3_000)]))
            .await
            .unwrap(),
    );
    let other = sealed(journal.seal(one_row(&journal, 2)).await.unwrap());
    let (key, record) = stored(&bench, first.index);
    let folder = bench.folder.path().join("journal");
    assert!(holds(&bytes_of(&folder), &key) && holds(&bytes_of(&folder), &record));
    assert!(journal.evidence(exchange(1)).await.unwrap().is_some());

    let x = exchange(1).to_string();
    let shredded = journal.shred_one(exchange(1), shred(Some(&x))).await.unwrap().unwrap();
    assert!(String::from_utf8(shredded.leaf).unwrap().contains(r#""cnt":1"#));
    assert_eq!(journal.evidence(exchange(1)).await.unwrap(), None);
    assert_eq!(journal.opening(exchange(1)).await.unwrap(), None);
    assert_eq!(journal.quality(exchange(1)).await.unwrap(), None);
    assert_eq!(
        journal.shred_one(exchange(1), shred(Some(&x))).await.unwrap(),
        None,
        "once"
    );
    let left = bytes_of(&folder);
    for gone in [&key, &record] {
        // The nonce alone would be enough to find it.
        assert!(!holds(&left, gone) && !holds(&left, &gone[..12]));
    }

    // The payload is relayed and erased; its key and its parts are gone as well.
    let item = journal.next_inbox(None).await.unwrap().unwrap();
    let file = bench.settings().payloads.join(format!("{x}.parts"));
    let cipher = std::fs::read(&file).unwrap();
    let payload = ShredEvent {
        what: "payload".into(),
        ..shred(Some(&x))
    };
    let gone = async || journal.shred_payload(exchange(1), payload.clone()).await.unwrap();
    assert_eq!(gone().await, None, "it waits");
    journal.relayed(exchange(1), relayed(&item)).await.unwrap();
    let erased = gone().await.unwrap();
    assert!(String::from_utf8(erased.leaf).unwrap().contains(r#""cnt":1"#));
    assert_eq!(gone().await, None, "once");
    assert!(!holds(&bytes_of(&folder), &cipher[..64]));

    assert!(
        journal.evidence(exchange(2)).await.unwrap().is_some(),
        "its neighbour stays"
    );
    for receipt in [&first.receipt, &other.receipt] {
        Receipt::parse(receipt).unwrap().verify(&trust()).unwrap();
    }
    journal.close().await.unwrap();
    let kinds = bench.verify().kinds;
    assert_eq!((kinds["shred"], kinds["erased"]), (2, 1));
    drop(bench.open());
}

async fn what_was_kept_long_enough_goes_with_the_keys_of_its_months(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let months = || {
        let names = std::fs::read_dir(bench.settings().month_keys).unwrap();
        names.count()
    };
    journal.seal(one_row(&journal, 1)).await.unwrap();
    bench.turn(31 * DAY_US);
    journal.seal(one_row(&journal, 2)).await.unwrap();
    bench.turn(31 * DAY_US);
    journal.seal(one_row(&journal, 3)).await.unwrap();
    assert_eq!(months(), 3);
    let before = super::START_US + 40 * DAY_US;
    let leaves = journal.shred_before(before, shred(None)).await.unwrap();
    assert_eq!(leaves.len(), 1);
    assert_eq!(journal.shred_before(before, shred(None)).await.unwrap(), Vec::new());
    for (number, kept) in [(1, false), (2, false), (3, true)] {
        assert_eq!(
            journal.evidence(exchange(number)).await.unwrap().is_some(),
            kept,
            "{number}"
        );
    }
    // November and December are over and empty; of January something can still be opened.
    assert_eq!(months(), 1);
    journal.close().await.unwrap();
    let journal = bench.open();
    assert!(journal.evidence(exchange(3)).await.unwrap().is_some());
}

#[tokio::test]
async fn payloads_go_with_the_leaf_that_says_so_or_not_at_all() {
    let bench = Bench::new();
    let journal = bench.open();
    for number in 1..=3 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    for _ in 0..2 {
        let item = journal.next_inbox(None).await.unwrap().unwrap();
        journal.relayed(item.exchange, relayed(&item)).await.unwrap();
    }
    let before = ShredEvent {
        what: "payload".into(),
        before: Some("2026-11-23T09:00:00.000000Z".into()),
        ..shred(None)
    };
    // A leaf that cannot be stored: no payload is gone without it.
    journal.limit_pages(Some(0)).await;
    let large = ShredEvent {
        who: "x".repeat(40_000),
        ..before.clone()
    };
    let full = journal.shred_payloads_before(super::START_US, large).await;
    assert!(full.is_err(), "{full:?}");
    journal.limit_pages(None).await;
    for number in [1, 2] {
        let view = journal.exchange(exchange(number)).await.unwrap().unwrap();
        assert_eq!(view.inbox.unwrap().state.name(), "relayed", "{number}");
    }
    let leaves = journal
        .shred_payloads_before(super::START_US, before.clone())
        .await
        .unwrap();
    assert_eq!(leaves.len(), 1);
    assert!(
        String::from_utf8(leaves[0].leaf.clone())
            .unwrap()
            .contains(r#""cnt":2"#)
    );
    for (number, state) in [(1, "erased"), (2, "erased"), (3, "waiting")] {
        let view = journal.exchange(exchange(number)).await.unwrap().unwrap();
        assert_eq!(view.inbox.unwrap().state.name(), state, "{number}");
    }
    let again = journal.shred_payloads_before(super::START_US, before).await.unwrap();
    assert_eq!(again, Vec::new());
    journal.close().await.unwrap();
    let kinds = bench.verify().kinds;
    assert_eq!((kinds["shred"], kinds["erased"]), (1, 2));
}

async fn a_batch_that_was_let_wait_again_while_payloads_were_listed_keeps_its_file(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in [1, 2] {
        let large = push(&journal, exchange(number), &[part(1, 8_192), part(2, 8_192)]);
        sealed(journal.seal(large).await.unwrap());
        let item = journal.next_inbox(None).await.unwrap().unwrap();
        journal.relayed(item.exchange, relayed(&item)).await.unwrap();
    }
    let due = vec![exchange(1), exchange(2)];
    // Between the list and the group that erases.
    assert!(journal.feed_again(exchange(1), "operator-li").await.unwrap().is_some());
    let event = ShredEvent {
        what: "payload".into(),
        ..shred(None)
    };
    let leaf = journal.shred_due(due.clone(), event.clone()).await.unwrap().unwrap();
    assert!(String::from_utf8(leaf.leaf).unwrap().contains(r#""cnt":1"#));
    let is_there = |number| {
        let name = format!("{}.parts", exchange(number));
        bench.settings().payloads.join(name).exists()
    };
    assert_eq!((is_there(1), is_there(2)), (true, false));
    assert_eq!(journal.shred_due(due, event).await.unwrap(), None);
    assert!(is_there(1));
    let item = journal.next_inbox(None).await.unwrap().unwrap();
    assert_eq!((item.exchange, item.part(1).is_ok()), (exchange(1), true));
    journal.close().await.unwrap();
    assert_eq!(bench.verify().kinds["erased"], 1);
}

async fn a_changed_or_swapped_key_opens_nothing(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    journal.seal(one_row(&journal, 1)).await.unwrap();
    journal.seal(one_row(&journal, 2)).await.unwrap();
    bench.tamper("UPDATE wrapped_key SET key = (SELECT key FROM wrapped_key WHERE leaf = 2) WHERE leaf = 1");
    let fault = journal.evidence(exchange(1)).await.unwrap_err();
    assert!(matches!(fault, JournalFault::Unopened(_)), "{fault}");
    assert!(journal.evidence(exchange(2)).await.unwrap().is_some());
    bench.tamper("UPDATE wrapped_key SET month = '2001-01'");
    assert_eq!(
        journal.evidence(exchange(2)).await.unwrap(),
        None,
        "a month that has no key"
    );
}

/// A refusal, an acknowledgement and a step of unsealing with their records, and a refusal that has none: leaves 7 to 10.
async fn seal_others(journal: &Journal) {
    let mut evidence = Evidence::fresh().unwrap();
    let refusal = RefusalEvent {
        x: Some(exchange(7).to_string()),
        p: "police".into(),
        code: "too-many-rejects".into(),
        at: "decode".into(),
        rec: None,
        ds: None,
        pur: None,
        bun: None,
        cnt: None,
        qua: Some(evidence.commit_text(QUALITY, "{}")),
        req: None,
        ask: None,
        abs: None,
    };
    let bare = RefusalEvent {
        qua: None,
        ..refusal.clone()
    };
    seal(journal, 7, Event::Refusal(refusal), Some(evidence)).await;
    let mut evidence = Evidence::fresh().unwrap();
    let of = Reference {
        i: 1,
        h: Digest([0; 32]),
    };
    let ack = ReceiptAckEvent {
        x: exchange(1).to_string(),
        of,
        verdict: "complete".into(),
        req: evidence.commit_digest("request", &[5; 32]),
    };
    seal(journal, 1, Event::ReceiptAck(ack), Some(evidence)).await;
    let mut evidence = Evidence::fresh().unwrap();
    evidence.note("statement", "what they signed");
    let step = OfficerUnsealEvent {
        who: "security-qian".into(),
        x: exchange(1).to_string(),
        step: "ask".into(),
        case: evidence.commit("case", b"R-1"),
        why: "court".into(),
        stmt: Digest(crate::sha256::of(b"what they signed")),
        of: None,
    };
    seal(journal, 1, Event::OfficerUnseal(step), Some(evidence)).await;
    seal(journal, 10, Event::Refusal(bare), None).await;
}

async fn every_record_names_its_suite_and_the_key_that_it_is_sealed_under(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 1..=6 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    seal_others(&journal).await;
    for (number, kind) in [(1, "push and what followed it"), (2, "push"), (7, "refusal")] {
        let record = journal.evidence(exchange(number)).await.unwrap().unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(record["suite"], "sha256 hmac-sha256 hkdf-sha256", "{kind}");
        assert_eq!(record["vault-key"], period::month(START_US), "{kind}");
    }
}

async fn seal(journal: &Journal, number: u128, event: Event, evidence: Option<Evidence>) {
    let mut entry = Entry::new(exchange(number), event);
    entry.evidence = evidence;
    journal.seal(entry).await.unwrap();
}

async fn what_was_edited_beside_the_log_is_named_and_what_was_shredded_is_not(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 1..=6 {
        let mut entry = one_row(&journal, number);
        // The fixtures' events commit to no index.
        if let (Event::Push(event), Some(payload), Some(subjects)) =
            (&mut entry.event, &mut entry.payload, &entry.subjects)
        {
            event.req = payload.evidence_mut().commit_digest("request", &[6; 32]);
            event.ix = Some(payload.evidence_mut().commit_digest(INDEX, &subjects.digest()));
        }
        journal.seal(entry).await.unwrap();
    }
    seal_others(&journal).await;
    let x = exchange(6).to_string();
    journal.shred_one(exchange(6), shred(Some(&x))).await.unwrap();
    let look = || examine(&bench.settings()).unwrap();
    let clean = look();
    assert_eq!((clean.examined, clean.shredded, clean.faulty), (9, 1, 0), "{clean:?}");
    for (statement, leaf, what) in [
        (
            "DELETE FROM subject WHERE leaf = 1 AND tag = (SELECT tag FROM subject ORDER BY tag LIMIT 1)",
            1,
            "index",
        ),
        (
            "UPDATE evidence SET sealed = (SELECT sealed FROM evidence WHERE leaf = 3) WHERE leaf = 2",
            2,
            "open",
        ),
        (
            "DELETE FROM wrapped_key WHERE leaf = 4; DELETE FROM evidence WHERE leaf = 4",
            4,
            "gone",
        ),
        (
            "INSERT INTO subject VALUES (x'00000000000000000000000000000000', 5)",
            5,
            "index",
        ),
        ("DELETE FROM evidence WHERE leaf = 7", 7, "gone"),
        ("DELETE FROM wrapped_key WHERE leaf = 8", 8, "open"),
        (
            "UPDATE evidence SET sealed = (SELECT sealed FROM evidence WHERE leaf = 8) WHERE leaf = 9",
            9,
            "open",
        ),
    ] {
        bench.tamper(statement);
        let report = look();
        assert!(
            report
                .faults
                .iter()
                .any(|(at, said)| *at == leaf && said.contains(what)),
            "{statement}: {report:?}"
        );
    }
    assert_eq!(look().faulty, 7);
}

/// Who has the keys can seal another record; the leaf says that it is another.
async fn a_record_that_was_written_anew_with_the_right_keys_is_named(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let mut entry = one_row(&journal, 1);
    if let (Event::Push(event), Some(payload), Some(subjects)) = (&mut entry.event, &mut entry.payload, &entry.subjects)
    {
        event.req = payload.evidence_mut().commit_digest("request", &[6; 32]);
        event.ix = Some(payload.evidence_mut().commit_digest(INDEX, &subjects.digest()));
        payload.evidence_mut().note("revocation", "good");
    }
    journal.seal(entry).await.unwrap();
    assert_eq!(examine(&bench.settings()).unwrap().faulty, 0);
    let record = journal.evidence(exchange(1)).await.unwrap().unwrap();
    let record = String::from_utf8(record.to_vec()).unwrap();
    let edited = record.replace(r#""revocation":"good""#, r#""revocation":"unknown""#);
    assert_ne!(edited, record);
    let settings = bench.settings();
    let kek = Arc::new(Kek::new(&settings.key_encryption_key).unwrap());
    let vault = Vault::at(&settings.key_encryption_key, kek, settings.month_keys.clone());
    let sealed = vault.seal(exchange(1), edited.as_bytes(), START_US).unwrap();
    let (body, wrapped) = (hex(&sealed.body), hex(&sealed.wrapped));
    bench.tamper(&format!(
        "UPDATE evidence SET sealed = x'{body}' WHERE leaf = 1; UPDATE wrapped_key SET key = x'{wrapped}' WHERE leaf = 1"
    ));
    let faults = examine(&settings).unwrap().faults;
    assert_eq!(faults, [(1, "its evidence record is not the one that it commits to")]);
}

/// Puts rows of a leaf back that were read before.
fn put_back(bench: &Bench, leaf: u64, (key, record): &(Vec<u8>, Vec<u8>)) {
    let (month, key, record) = (period::month(START_US), hex(key), hex(record));
    bench.tamper(&format!(
        "INSERT INTO evidence (leaf, sealed) VALUES ({leaf}, x'{record}'); \
         INSERT INTO wrapped_key (leaf, month, key) VALUES ({leaf}, '{month}', x'{key}')"
    ));
}

async fn a_destroyed_record_that_was_put_back_opens_nothing_is_named_and_is_deleted_again(store: Store) {
    for whole_days in [false, true] {
        let bench = Bench::on(store);
        let journal = bench.open();
        let leaf = sealed(journal.seal(one_row(&journal, 1)).await.unwrap()).index;
        bench.turn(DAY_US);
        journal.seal(one_row(&journal, 2)).await.unwrap();
        let rows = stored(&bench, leaf);
        if whole_days {
            let event = ShredEvent {
                before: Some(shuguan_ledger::time::format(START_US + 60_000_000)),
                ..shred(None)
            };
            let leaves = journal.shred_before(START_US + 60_000_000, event).await.unwrap();
            assert_eq!(leaves.len(), 1);
        } else {
            let x = exchange(1).to_string();
            assert!(journal.shred_one(exchange(1), shred(Some(&x))).await.unwrap().is_some());
        }
        put_back(&bench, leaf, &rows);
        assert_eq!(journal.evidence(exchange(1)).await.unwrap(), None);
        assert_eq!(journal.evidence_at(exchange(1), leaf).await.unwrap(), None);
        assert_eq!(journal.opening(exchange(1)).await.unwrap(), None);
        let report = examine(&bench.settings()).unwrap();
        let named = "its evidence record is there, although a `shred` leaf says that it was destroyed";
        assert!(report.faults.contains(&(leaf, named)), "{report:?}");
        journal.close().await.unwrap();

        let journal = bench.open();
        for table in ["evidence", "wrapped_key"] {
            let left: Vec<u64> = bench
                .reader()
                .store
                .column(
                    if table == "evidence" {
                        "SELECT leaf FROM evidence ORDER BY leaf"
                    } else {
                        "SELECT leaf FROM wrapped_key ORDER BY leaf"
                    },
                    &[],
                )
                .unwrap();
            assert_eq!(left, [leaf + 1], "{table}");
        }
        assert!(
            journal.evidence(exchange(2)).await.unwrap().is_some(),
            "its neighbour stays"
        );
        let report = examine(&bench.settings()).unwrap();
        assert!(report.faults.iter().all(|(at, _)| *at != leaf), "{report:?}");
        assert_eq!(report.shredded, 1);
        if store == Store::Sqlite {
            let left = bytes_of(&bench.folder.path().join("journal"));
            assert!(!holds(&left, &rows.0) && !holds(&left, &rows.1[..12]));
        }
        journal.close().await.unwrap();
        bench.verify();
    }
}

async fn what_officers_signed_about_an_exchange_is_missed_although_its_own_record_was_destroyed(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 1..=6 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    seal_others(&journal).await;
    let x = exchange(1).to_string();
    journal.shred_one(exchange(1), shred(Some(&x))).await.unwrap().unwrap();
    let missed = |leaf| {
        let faults = examine(&bench.settings()).unwrap().faults;
        faults.contains(&(leaf, "its evidence record is gone, and no `shred` leaf says so"))
    };
    // The acknowledgement and the officers' statement stand under the same exchange.
    for leaf in [8, 9] {
        assert!(!missed(leaf), "{leaf}");
        bench.tamper(&format!(
            "DELETE FROM wrapped_key WHERE leaf = {leaf}; DELETE FROM evidence WHERE leaf = {leaf}"
        ));
        assert!(missed(leaf), "{leaf}");
    }
    assert!(!missed(1));
    assert_eq!(examine(&bench.settings()).unwrap().shredded, 1);
}

async fn more_that_is_gone_than_was_destroyed_is_named(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 1..=3 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    bench.turn(DAY_US);
    let event = ShredEvent {
        before: Some(shuguan_ledger::time::format(START_US + 60_000_000)),
        // As when the act was cut short by a crash: not all that is older was destroyed.
        cnt: 5_000,
        ..shred(None)
    };
    let of_days = sealed(
        journal
            .seal(Entry::new(exchange(20), Event::Shred(event.clone())))
            .await
            .unwrap(),
    );
    assert!(
        examine(&bench.settings())
            .unwrap()
            .faults
            .iter()
            .all(|(at, _)| *at != of_days.index)
    );
    assert!(
        journal.evidence(exchange(1)).await.unwrap().is_some(),
        "it was not destroyed"
    );
    journal.close().await.unwrap();

    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 1..=3 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    bench.turn(DAY_US);
    let event = ShredEvent { cnt: 2, ..event };
    let of_days = sealed(
        journal
            .seal(Entry::new(exchange(20), Event::Shred(event)))
            .await
            .unwrap(),
    );
    for (leaf, is_named) in [(1, false), (2, false), (3, true)] {
        bench.tamper(&format!(
            "DELETE FROM wrapped_key WHERE leaf = {leaf}; DELETE FROM evidence WHERE leaf = {leaf}"
        ));
        let faults = examine(&bench.settings()).unwrap().faults;
        let named = "more evidence records are gone than it and the `shred` leaves before it destroyed";
        assert_eq!(faults.contains(&(of_days.index, named)), is_named, "{leaf}: {faults:?}");
    }
}

#[tokio::test]
async fn a_backup_holds_the_keys_of_evidence_in_a_file_of_their_own_and_is_as_good_without_it() {
    let bench = Bench::new();
    let journal = bench.open();
    let leaf = sealed(journal.seal(one_row(&journal, 1)).await.unwrap()).index;
    let (key, record) = stored(&bench, leaf);
    let copy = bench.folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    let settings = bench.settings();
    backup(&bench.database(), &settings.payloads, &copy).unwrap();
    let read = |name: &str| std::fs::read(copy.join(name)).unwrap();
    let (database, keys) = (read("journal.db"), read("evidence-keys.db"));
    assert!(holds(&database, &record) && holds(&keys, &key));
    assert!(
        !holds(&database, &key) && !holds(&database, &key[..12]),
        "nor is it in a free page"
    );
    assert!(!holds(&keys, &record[..12]));

    let place = JournalPlace::File(copy.join("journal.db"));
    let kek = Arc::new(Kek::new(&settings.key_encryption_key).unwrap());
    let vault = Vault::at(&settings.key_encryption_key, kek, settings.month_keys.clone());
    let opened = || Reader::open(&place).unwrap().opened(&vault, exchange(1), leaf).unwrap();
    let look = || {
        examine(&JournalSettings {
            place: place.clone(),
            ..settings.clone()
        })
        .unwrap()
    };
    verify(&place);
    assert_eq!(opened(), None);
    let faults = look().faults;
    assert!(
        matches!(&faults[..], [(at, what)] if *at == leaf && what.contains("its key is not there")),
        "{faults:?}"
    );

    put_keys_in(&copy.join("journal.db"), &copy.join("evidence-keys.db")).unwrap();
    assert!(opened().is_some());
    assert_eq!(look().faulty, 0);
    std::fs::write(copy.join("other.db"), "no file of keys").unwrap();
    assert!(put_keys_in(&copy.join("journal.db"), &copy.join("other.db")).is_err());
    verify(&place);
}
