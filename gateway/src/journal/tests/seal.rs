use std::collections::BTreeSet;

use shuguan_ledger::leaf::{
    Commitment, Digest, Event, OfficerQueryEvent, OfficerUnsealEvent, PullEvent, ReceiptAckEvent, Reference,
};
use tokio::task::JoinSet;

use super::{Bench, exchange, keyed, one_row, part, proven, push, sealed, verify};
use crate::client::proven::tests::pull;
use crate::journal::kek::{Kek, Kind};
use crate::journal::{Entry, Evidence, Journal, JournalFault, JournalPlace, Known, Outcome, Query, SealError, Tag};
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(
    what_is_sealed_has_a_receipt_that_verifies_offline,
    sixty_four_sealers_at_once_each_get_their_own_place,
    a_repeated_key_gets_the_first_answer_byte_for_byte_also_after_a_restart,
    two_entries_of_one_group_with_one_key_have_one_effect,
    a_repeated_large_push_leaves_no_second_file,
    a_payload_of_another_exchange_is_not_sealed,
    an_entry_that_cannot_be_encoded_fails_alone,
    time_never_goes_back_in_the_log,
    searches_page_by_index_and_filter,
    a_subject_is_found_whether_its_exchange_is_rows_runs_or_a_file,
    the_digest_of_an_index_is_that_of_its_sorted_tags,
    an_exchange_is_seen_with_all_its_leaves,
    what_became_of_an_exchange_is_seen_behind_any_number_of_asks,
    a_journal_is_opened_once_at_a_time_and_never_made_by_guessing,
    an_exchange_is_acknowledged_once_for_each_verdict_whatever_the_keys,
);

async fn what_is_sealed_has_a_receipt_that_verifies_offline(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let first = sealed(journal.seal(one_row(&journal, 1)).await.unwrap());
    assert_eq!((first.index, first.checkpoint_size), (1, 2), "leaf 0 is `start`");
    let leaf = proven(&first);
    assert!(matches!(&leaf.event, Event::Push(push) if push.x == exchange(1).to_string()));
    assert_eq!(leaf.t, super::START_US);
    assert_eq!(journal.receipt(exchange(1)).await.unwrap().unwrap(), first.receipt);
    assert!(first.receipt.ends_with(&journal.checkpoint()));
    let report = bench.verify();
    assert_eq!((report.kinds["push"], report.kinds["start"], report.waiting), (1, 1, 1));
}

async fn sixty_four_sealers_at_once_each_get_their_own_place(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let mut sealers = JoinSet::new();
    for sealer in 0..64_u128 {
        let journal = journal.clone();
        sealers.spawn(async move {
            let mut seals = Vec::new();
            for round in 0..20 {
                let entry = one_row(&journal, sealer * 100 + round);
                seals.push(sealed(journal.seal(entry).await.unwrap()));
            }
            seals
        });
    }
    let seals: Vec<_> = sealers.join_all().await.into_iter().flatten().collect();
    let places: BTreeSet<_> = seals.iter().map(|sealed| sealed.index).collect();
    assert_eq!(places, (1..=1_280).collect());
    for one in &seals {
        proven(one);
        let again = journal.sealed_entry(one.exchange.unwrap()).await.unwrap().unwrap();
        assert_eq!(&again, one, "read back from tiles it is the same, byte for byte");
    }
    let sizes: BTreeSet<_> = seals.iter().map(|sealed| sealed.checkpoint_size).collect();
    assert!(sizes.len() < seals.len(), "some shared a commit");
    assert_eq!(bench.verify().checkpoint.size, 1_281);
}

async fn a_repeated_key_gets_the_first_answer_byte_for_byte_also_after_a_restart(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let first = sealed(journal.seal(keyed(one_row(&journal, 1), 1, 1)).await.unwrap());
    for number in 2..400 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    let repeated = journal.seal(keyed(one_row(&journal, 900), 1, 1)).await.unwrap();
    assert_eq!(repeated, Outcome::Repeated(first.clone()));
    let other = journal.seal(keyed(one_row(&journal, 901), 1, 2)).await.unwrap();
    assert_eq!(other, Outcome::KeyReused);
    journal.close().await.unwrap();

    let journal = bench.open();
    let known = journal.idempotent([1; 32], [1; 32]).await.unwrap();
    assert_eq!(known, Some(Known::Repeated(Box::new(first.clone()))));
    assert_eq!(
        journal.idempotent([1; 32], [2; 32]).await.unwrap(),
        Some(Known::KeyReused)
    );
    assert_eq!(journal.idempotent([2; 32], [1; 32]).await.unwrap(), None);
    let repeated = journal.seal(keyed(one_row(&journal, 902), 1, 1)).await.unwrap();
    assert_eq!(repeated, Outcome::Repeated(first));
    assert_eq!(bench.verify().kinds["push"], 399);
}

async fn two_entries_of_one_group_with_one_key_have_one_effect(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    // The futures are polled one after the other before the sequencer's answer can wake any, so many share a group.
    let entries: Vec<_> = (0..60_u128)
        .map(|number| {
            let content = if number % 3 == 2 { 9 } else { 1 };
            journal.seal(keyed(one_row(&journal, number + 1), 5, content))
        })
        .collect();
    let outcomes = futures_util::future::join_all(entries).await;
    let first = sealed(outcomes[0].clone().unwrap());
    for (number, outcome) in outcomes.into_iter().enumerate().skip(1) {
        match outcome.unwrap() {
            Outcome::Repeated(again) => assert_eq!((again, number % 3 == 2), (first.clone(), false)),
            Outcome::KeyReused => assert_eq!(number % 3, 2),
            Outcome::Sealed(_) | Outcome::Replayed => panic!("a second effect"),
        }
    }
    assert_eq!(bench.verify().kinds["push"], 1);
    assert_eq!(journal.backlog().exchanges, 1);
}

async fn a_repeated_large_push_leaves_no_second_file(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let large = |number: u128| push(&journal, exchange(number), &[part(1, 8_192), part(2, 8_192)]);
    sealed(journal.seal(keyed(large(1), 1, 1)).await.unwrap());
    assert_eq!(super::payload_files(&bench), 1);
    let repeated = journal.seal(keyed(large(2), 1, 1)).await.unwrap();
    assert!(matches!(repeated, Outcome::Repeated(_)));
    assert_eq!(super::payload_files(&bench), 1);
}

async fn a_payload_of_another_exchange_is_not_sealed(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let entry = Entry {
        exchange: exchange(2),
        ..one_row(&journal, 1)
    };
    assert!(matches!(journal.seal(entry).await, Err(SealError::Unfit(_))));
}

async fn an_entry_that_cannot_be_encoded_fails_alone(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let mut unfit = one_row(&journal, 1);
    if let Event::Push(push) = &mut unfit.event {
        push.bytes = u64::MAX;
    }
    let (unfit, fit) = futures_util::join!(journal.seal(unfit), journal.seal(one_row(&journal, 2)));
    assert!(matches!(unfit, Err(SealError::Unfit(_))));
    proven(&sealed(fit.unwrap()));
}

#[tokio::test]
async fn rejects_and_evidence_are_kept_encrypted() {
    let bench = Bench::new();
    let journal = bench.open();
    let report = b"{\"row\":3,\"field\":\"citizen_id\",\"code\":\"SG3201\"}\n".to_vec();
    let entry = Entry {
        rejects: Some(report.clone()),
        ..keyed(one_row(&journal, 1), 0xab, 1)
    };
    journal.seal(entry).await.unwrap();
    assert_eq!(journal.rejects(exchange(1)).await.unwrap(), Some(report));
    assert_eq!(journal.rejects(exchange(2)).await.unwrap(), None);
    let evidence = String::from_utf8(journal.evidence(exchange(1)).await.unwrap().unwrap().to_vec()).unwrap();
    assert!(
        evidence.contains(&"ab".repeat(32)) && evidence.contains(&"06".repeat(32)),
        "key tag and request digest"
    );
    drop(journal);
    let stored = std::fs::read(bench.database()).unwrap();
    for clear in [
        b"citizen_id".as_slice(),
        b"SG3201",
        "ab".repeat(32).as_bytes(),
        b"\"secret\"",
    ] {
        assert!(!stored.windows(clear.len()).any(|window| window == clear));
    }
}

#[tokio::test]
async fn a_report_is_kept_packed_and_one_of_an_earlier_version_as_it_is() {
    let bench = Bench::new();
    let journal = bench.open();
    let line = |row: u32| format!("{{\"row\":{row},\"line\":{row},\"field\":\"citizen_id\",\"code\":\"SG3201\"}}\n");
    let report: String = (1..=10_000).map(line).collect();
    for number in [1, 2] {
        let entry = Entry {
            rejects: Some(report.clone().into_bytes()),
            ..one_row(&journal, number)
        };
        journal.seal(entry).await.unwrap();
    }
    drop(journal);
    let connection = rusqlite::Connection::open(bench.database()).unwrap();
    let bytes = "SELECT max(length(sealed)) FROM reject";
    let kept: i64 = connection.query_row(bytes, [], |row| row.get(0)).unwrap();
    assert!(
        kept.unsigned_abs() < report.len() as u64 / 8,
        "{kept} of {}",
        report.len()
    );
    // As it was written before reports were packed.
    let kek = Kek::new(&bench.settings().key_encryption_key).unwrap();
    let clear = kek.seal(Kind::Rejects, exchange(2), report.as_bytes()).unwrap();
    let second = "UPDATE reject SET sealed = ?1 WHERE leaf = (SELECT max(leaf) FROM reject)";
    assert_eq!(connection.execute(second, [&clear]).unwrap(), 1);
    drop(connection);
    let journal = bench.open();
    for number in [1, 2] {
        let read = journal.rejects(exchange(number)).await.unwrap().unwrap();
        assert!(read == report.as_bytes(), "of {} bytes", read.len());
    }
    drop(journal);
    let connection = rusqlite::Connection::open(bench.database()).unwrap();
    // A frame that is cut is damage and no report.
    let frame = zstd::bulk::compress(report.as_bytes(), 1).unwrap();
    let cut = kek.seal(Kind::Rejects, exchange(2), &frame[..frame.len() / 2]).unwrap();
    assert_eq!(connection.execute(second, [&cut]).unwrap(), 1);
    drop(connection);
    let read = bench.open().rejects(exchange(2)).await;
    assert!(
        matches!(read, Err(JournalFault::Unopened("a reject report"))),
        "{read:?}"
    );
}

async fn time_never_goes_back_in_the_log(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let first = sealed(journal.seal(one_row(&journal, 1)).await.unwrap());
    bench.turn(-3_600_000_000);
    let second = sealed(journal.seal(one_row(&journal, 2)).await.unwrap());
    assert_eq!(second.t_us, first.t_us);
    drop(journal);
    drop(bench.open());
    assert_eq!(bench.verify().checkpoint.size, 4);
}

async fn searches_page_by_index_and_filter(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for number in 1..=10 {
        bench.turn(1_000_000);
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    let evidence = Evidence::fresh().unwrap();
    let query = Event::OfficerQuery(OfficerQueryEvent {
        who: "auditor-1".into(),
        case: evidence.commit("case", b"AJ-1"),
        why: "complaint".into(),
        q: "search".into(),
        arg: evidence.commit("arg", b"{}"),
    });
    let entry = Entry {
        evidence: Some(evidence),
        ..Entry::new(exchange(99), query)
    };
    journal.seal(entry).await.unwrap();
    let find = async |query: Query| {
        let rows = journal.search(query).await.unwrap();
        rows.into_iter().map(|row| row.index).collect::<Vec<_>>()
    };
    let all = Query::default();
    assert_eq!(find(all.clone()).await, (0..=11).rev().collect::<Vec<_>>());
    assert_eq!(
        find(Query {
            limit: 3,
            ..all.clone()
        })
        .await,
        [11, 10, 9]
    );
    let page = Query {
        limit: 3,
        before_index: Some(9),
        ..all.clone()
    };
    assert_eq!(find(page).await, [8, 7, 6]);
    let by = Query {
        partner: Some("public-security-city".into()),
        limit: 2,
        ..all.clone()
    };
    assert_eq!(find(by).await, [10, 9]);
    let by = Query {
        outcome: Some("complaint".into()),
        ..all.clone()
    };
    assert_eq!(find(by).await, [11]);
    let by = Query {
        record: Some("public-security/resident".into()),
        kind: Some("push".into()),
        limit: 1,
        ..all.clone()
    };
    assert_eq!(find(by).await, [10]);
    let second = 1_000_000;
    let by = Query {
        from_us: Some(super::START_US + 3 * second),
        to_us: Some(super::START_US + 5 * second),
        ..all
    };
    assert_eq!(find(by).await, [4, 3]);
    assert_eq!(journal.by_subject(vec![[7; 16]]).await.unwrap()[..3], [10, 9, 8]);
    assert_eq!(journal.by_subject(vec![[9; 16]]).await.unwrap(), Vec::<u64>::new());
}

fn tag(number: u64) -> Tag {
    let mut tag = [0; 16];
    tag[..8].copy_from_slice(&(number * 2).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    tag
}

/// A push whose index has parts of `width` tags.
fn indexed(journal: &Journal, number: u128, tags: u64, width: usize) -> Entry {
    let mut subjects = journal.begin_subjects(exchange(number));
    for part in (0..tags).collect::<Vec<_>>().chunks(width) {
        subjects.push(part.iter().map(|number| tag(*number)).collect()).unwrap();
    }
    Entry {
        subjects: Some(subjects.finish().unwrap()),
        ..one_row(journal, number)
    }
}

async fn a_subject_is_found_whether_its_exchange_is_rows_runs_or_a_file(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    for (number, tags) in [(1, 256), (2, 257), (3, 4_096), (4, 20_000)] {
        journal.seal(indexed(&journal, number, tags, 3_000)).await.unwrap();
    }
    let files = |end: &str| {
        let names = std::fs::read_dir(bench.settings().payloads).unwrap();
        names
            .filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().ends_with(end))
            .count()
    };
    assert_eq!(files(".tags"), 1, "only what is above 64 KiB is a file");
    let found = async |journal: &Journal, tag: Tag| journal.by_subject(vec![tag]).await.unwrap();
    for (number, leaves) in [
        (0, vec![4, 3, 2, 1]),
        (256, vec![4, 3, 2]),
        (4_000, vec![4, 3]),
        (19_999, vec![4]),
    ] {
        assert_eq!(found(&journal, tag(number)).await, leaves);
        let mut absent = tag(number);
        absent[15] = 1;
        assert_eq!(found(&journal, absent).await, Vec::<u64>::new());
    }
    assert_eq!(
        journal.by_subject(vec![tag(4_000), tag(1)]).await.unwrap(),
        [4, 3, 2, 1]
    );
    // What was not sealed leaves no file, neither now nor after a crash.
    drop(indexed(&journal, 5, 20_000, 3_000));
    assert_eq!(files(".tags"), 1);
    let orphan = bench.settings().payloads.join(format!("{}.tags", exchange(6)));
    std::fs::write(&orphan, b"").unwrap();
    journal.close().await.unwrap();
    let journal = bench.open();
    assert!(!orphan.exists());
    assert_eq!(found(&journal, tag(19_999)).await, [4]);
}

async fn the_digest_of_an_index_is_that_of_its_sorted_tags(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let digest = |parts: &[&[u64]]| {
        let mut subjects = journal.begin_subjects(exchange(9));
        for part in parts {
            subjects.push(part.iter().map(|number| tag(*number)).collect()).unwrap();
        }
        subjects.finish().unwrap().digest()
    };
    assert_eq!(digest(&[&[1, 2, 3]]), digest(&[&[3, 1], &[2, 3]]), "rows are one run");
    assert_ne!(digest(&[&[1, 2]]), digest(&[&[1, 3]]));
    let mut tags = [tag(1), tag(2)];
    tags.sort_unstable();
    let text = [
        b"shuguan.index.v1\n".as_slice(),
        &2_u32.to_le_bytes(),
        tags.as_flattened(),
    ]
    .concat();
    assert_eq!(
        digest(&[&[2, 1]]).as_slice(),
        ring::digest::digest(&ring::digest::SHA256, &text).as_ref()
    );
}

async fn an_exchange_is_seen_with_all_its_leaves(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    journal.seal(one_row(&journal, 1)).await.unwrap();
    let item = journal.next_inbox(None).await.unwrap().unwrap();
    let view = journal.exchange(exchange(1)).await.unwrap().unwrap();
    assert_eq!(
        (view.index, view.inbox.unwrap().state.name(), view.relayed.is_none()),
        (1, "waiting", true)
    );
    journal.relayed(exchange(1), super::relayed(&item)).await.unwrap();
    let view = journal.exchange(exchange(1)).await.unwrap().unwrap();
    assert_eq!(
        (
            view.relayed.unwrap().0,
            view.inbox.unwrap().state.name(),
            view.leaves.len()
        ),
        (2, "relayed", 2)
    );
    assert_eq!(journal.exchange(exchange(2)).await.unwrap(), None);
}

async fn what_became_of_an_exchange_is_seen_behind_any_number_of_asks(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    journal.seal(one_row(&journal, 1)).await.unwrap();
    let asks = (0..120_u8).map(|number| {
        let event = OfficerUnsealEvent {
            who: "security-qian".into(),
            x: exchange(1).to_string(),
            step: "ask".into(),
            case: Commitment([number; 32]),
            why: "court".into(),
            stmt: Digest([number; 32]),
            of: None,
        };
        journal.seal(Entry::new(exchange(1), Event::OfficerUnseal(event)))
    });
    for asked in futures_util::future::join_all(asks.collect::<Vec<_>>()).await {
        sealed(asked.unwrap());
    }
    let item = journal.next_inbox(None).await.unwrap().unwrap();
    journal.relayed(exchange(1), super::relayed(&item)).await.unwrap();
    let view = journal.exchange(exchange(1)).await.unwrap().unwrap();
    assert_eq!((view.index, view.leaves.len()), (1, 100));
    assert_eq!(view.relayed.unwrap().0, 122);
    assert!(view.recalled.is_none());
    assert_eq!(journal.sealed_entry(exchange(1)).await.unwrap().unwrap().index, 1);
}

async fn a_journal_is_opened_once_at_a_time_and_never_made_by_guessing(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    assert!(matches!(bench.fault(), JournalFault::Locked(_)));
    assert!(matches!(
        Journal::create(&bench.settings()),
        Err(JournalFault::Exists(_))
    ));
    let handle = journal.clone();
    journal.close().await.unwrap();
    assert_eq!(
        handle.refuse(super::bounds::refusal("a")).await,
        Err(SealError::Unavailable)
    );
    let mut absent = bench.settings();
    absent.place = JournalPlace::File(bench.folder.path().join("elsewhere.db"));
    // The head file knows of one: no other is made in its place.
    for lost in [
        Journal::open(&absent, bench.clock()).map(drop),
        Journal::create(&absent),
    ] {
        assert!(matches!(lost, Err(JournalFault::Lost { signed: 2, .. })), "{lost:?}");
    }
    absent.head = bench.folder.path().join("elsewhere.head");
    assert!(matches!(
        Journal::open(&absent, bench.clock()),
        Err(JournalFault::Absent(_))
    ));
    drop(bench.open());
    let report = verify(&bench.settings().place);
    assert_eq!((report.kinds["start"], report.kinds["stop"]), (2, 1));
}

/// An extract, and what its acknowledgements refer to.
async fn extracted(journal: &Journal, number: u128) -> Reference {
    let pull = PullEvent {
        x: exchange(number).to_string(),
        ..pull()
    };
    let one = sealed(
        journal
            .seal(Entry::new(exchange(number), Event::Pull(pull)))
            .await
            .unwrap(),
    );
    Reference {
        i: one.index,
        h: Digest(one.leaf_hash),
    }
}

fn acknowledged(of: (u128, Reference), verdict: &str, key: u8) -> Entry {
    let (number, of) = of;
    let event = Event::ReceiptAck(ReceiptAckEvent {
        x: exchange(number).to_string(),
        of,
        verdict: verdict.into(),
        req: Commitment([key; 32]),
    });
    keyed(Entry::new(exchange(number), event), key, key)
}

async fn an_exchange_is_acknowledged_once_for_each_verdict_whatever_the_keys(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let extracts = [extracted(&journal, 1).await, extracted(&journal, 2).await];
    // Polled one after the other, so that several share a group.
    let many = (0..120).map(|key| journal.seal(acknowledged((1, extracts[0]), "complete", key)));
    let outcomes = futures_util::future::join_all(many.collect::<Vec<_>>()).await;
    let mut places = BTreeSet::new();
    let mut first = 0;
    for outcome in outcomes {
        match outcome.unwrap() {
            Outcome::Sealed(sealed) => {
                first += 1;
                places.insert(sealed.index);
            }
            Outcome::Repeated(sealed) => {
                proven(&sealed);
                places.insert(sealed.index);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((first, places.len()), (1, 1));
    for (number, verdict) in [(1, "deleted"), (2, "complete")] {
        let of = (number, extracts[number as usize - 1]);
        let key = 200 + 2 * u8::try_from(number).unwrap();
        sealed(journal.seal(acknowledged(of, verdict, key)).await.unwrap());
        let again = journal.seal(acknowledged(of, verdict, key + 1)).await.unwrap();
        assert!(matches!(again, Outcome::Repeated(_)), "{again:?}");
    }
    journal.close().await.unwrap();
    assert_eq!(bench.verify().kinds["receipt-ack"], 3);
}
