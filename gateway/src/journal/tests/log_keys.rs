//! The log's keys: what signs after a change, what opens a journal, and what a failure leaves.

use std::fs;
use std::sync::Arc;

use shuguan_ledger::keys::{NEW, RETIRED};
use shuguan_ledger::leaf::Event;
use shuguan_ledger::note::{self, SigningKey};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;

use super::{Bench, ORIGIN, one_row, sealed, trust};
use crate::journal::{Journal, JournalFault, JournalSettings, KeyOrder, SealError, Secret, log_keys_of, own_trust};
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(
    two_keys_sign_side_by_side_then_the_new_one_alone_over_every_restart,
    a_log_opens_only_with_the_seeds_of_every_key_that_signs_it,
    an_order_that_does_not_fit_leaves_no_leaf_and_no_other_key,
    a_checkpoint_that_a_key_left_out_does_not_open,
    an_older_copy_from_before_a_change_is_known_for_what_it_is,
);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn begin(seed: u8) -> KeyOrder {
    KeyOrder::Begin(Arc::new(key(seed)))
}

fn end(seed: u8) -> KeyOrder {
    KeyOrder::End(key(seed).verifying_key(), "rotation".into())
}

fn seeded(bench: &Bench, seeds: &[u8]) -> JournalSettings {
    let mut settings = bench.settings();
    settings.log_seeds = seeds.iter().map(|seed| Secret::new([*seed; 32])).collect();
    settings
}

fn open(bench: &Bench, seeds: &[u8]) -> Result<Journal, JournalFault> {
    Journal::open(&seeded(bench, seeds), bench.clock())
}

/// Which of these keys signed a checkpoint.
fn signers(note: &str) -> Vec<u8> {
    let signed = |seed: &u8| note::open(note, &[key(*seed).verifying_key()]).is_ok();
    (1..10).filter(signed).collect()
}

async fn two_keys_sign_side_by_side_then_the_new_one_alone_over_every_restart(store: Store) {
    let bench = Bench::on(store);
    let journal = open(&bench, &[1]).unwrap();
    let before = sealed(journal.seal(one_row(&journal, 1)).await.unwrap());
    let begun = journal.turn_key(begin(2)).await.unwrap();
    assert_eq!(
        signers(&journal.checkpoint()),
        [1, 2],
        "the checkpoint over the leaf itself"
    );
    let between = sealed(journal.seal(one_row(&journal, 2)).await.unwrap());
    drop(journal);
    let journal = open(&bench, &[1, 2]).unwrap();
    assert_eq!(signers(&journal.checkpoint()), [1, 2]);
    let ended = journal.turn_key(end(1)).await.unwrap();
    assert_eq!(signers(&journal.checkpoint()), [2]);
    drop(journal);
    let journal = open(&bench, &[2]).unwrap();
    let after = sealed(journal.seal(one_row(&journal, 3)).await.unwrap());
    assert_eq!(signers(&fs::read_to_string(bench.settings().head).unwrap()), [2]);
    let whole = journal.trust();
    for (one, old_trust) in [
        (&before, true),
        (&begun, true),
        (&between, true),
        (&ended, false),
        (&after, false),
    ] {
        let receipt = Receipt::parse(&one.receipt).unwrap();
        assert_eq!(receipt.verify(&trust()).is_ok(), old_trust, "leaf {}", one.index);
        assert!(receipt.verify(&whole).is_ok(), "leaf {}", one.index);
    }
    journal.close().await.unwrap();
    let report = bench.verify();
    let spans: Vec<_> = report.keys.iter().map(|span| (span.from(), span.until())).collect();
    assert_eq!(spans, [(0, Some(ended.index + 1)), (begun.index + 1, None)]);
    assert_eq!(report.kinds["key"], 2);
    // What a holder of the first key needs: each change proved by a key that is known by then.
    let reader = bench.reader();
    let mut learned = trust();
    for (index, event) in reader.key_leaves(ORIGIN).unwrap() {
        let receipt = reader.key_receipt(index, None).unwrap().unwrap();
        let proven = Receipt::parse(&receipt).unwrap().verify(&learned).unwrap();
        assert!(matches!(&proven.leaf.event, Event::Key(said) if *said == event && proven.index == index));
        assert_eq!(event.act, if index == begun.index { NEW } else { RETIRED });
        learned = learned.extended(super::ORIGIN, index, &event).unwrap();
    }
    assert!(Receipt::parse(&after.receipt).unwrap().verify(&learned).is_ok());
}

async fn a_log_opens_only_with_the_seeds_of_every_key_that_signs_it(store: Store) {
    let bench = Bench::on(store);
    let journal = open(&bench, &[1]).unwrap();
    journal.turn_key(begin(2)).await.unwrap();
    drop(journal);
    let missing = |seeds: &[u8], wanted: u8| {
        let fault = open(&bench, seeds).unwrap_err();
        let short = key(wanted).verifying_key().short();
        assert!(
            matches!(&fault, JournalFault::NoSeed(key) if *key == short),
            "{seeds:?}: {fault}"
        );
    };
    missing(&[1], 2);
    missing(&[2], 1);
    missing(&[1, 3], 2);
    let journal = open(&bench, &[3, 2, 1]).unwrap();
    journal.turn_key(end(1)).await.unwrap();
    drop(journal);
    missing(&[1], 2);
    missing(&[1, 3], 2);
    let keys = log_keys_of(&seeded(&bench, &[2])).unwrap();
    assert_eq!(keys.spans().len(), 2);
    assert!(open(&bench, &[2]).is_ok());
}

async fn an_order_that_does_not_fit_leaves_no_leaf_and_no_other_key(store: Store) {
    let bench = Bench::on(store);
    let journal = open(&bench, &[1]).unwrap();
    let unfit = async |order: KeyOrder| {
        let answer = journal.turn_key(order).await;
        assert!(matches!(answer, Err(SealError::Unfit(_))), "{answer:?}");
    };
    unfit(end(1)).await;
    unfit(end(2)).await;
    unfit(begin(1)).await;
    let other = SigningKey::from_seed("other.example/log", &[2; 32]).unwrap();
    unfit(KeyOrder::Begin(Arc::new(other))).await;
    assert_eq!((journal.head().1.size, signers(&journal.checkpoint())), (1, vec![1]));
    journal.turn_key(begin(2)).await.unwrap();
    unfit(begin(2)).await;
    unfit(end(3)).await;
    journal.turn_key(end(1)).await.unwrap();
    unfit(begin(1)).await;
    unfit(end(1)).await;
    unfit(end(2)).await;
    assert_eq!((journal.head().1.size, signers(&journal.checkpoint())), (3, vec![2]));
    drop(journal);
    assert_eq!(bench.verify().kinds["key"], 2);
}

#[tokio::test]
async fn a_change_that_cannot_be_committed_leaves_the_old_key_signing_alone() {
    let bench = Bench::new();
    let journal = open(&bench, &[1]).unwrap();
    // So that the next leaf needs a page more.
    for number in 1..10 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    journal.limit_pages(Some(0)).await;
    let mut refused = 0;
    for seed in 2..9 {
        match journal.turn_key(begin(seed)).await {
            Ok(_) => break,
            Err(error) => assert_eq!(error, SealError::Unavailable),
        }
        refused += 1;
    }
    journal.limit_pages(None).await;
    let open_keys = |journal: &Journal| journal.log_keys().spans().len();
    if refused == 7 {
        assert_eq!((open_keys(&journal), signers(&journal.checkpoint())), (1, vec![1]));
    }
    let known = open_keys(&journal);
    journal.seal(one_row(&journal, 50)).await.unwrap();
    assert_eq!(
        signers(&journal.checkpoint()).len(),
        known,
        "as many sign as the log says"
    );
    drop(journal);
    assert_eq!(bench.verify().keys.len(), known);
}

async fn a_checkpoint_that_a_key_left_out_does_not_open(store: Store) {
    let bench = Bench::on(store);
    let journal = open(&bench, &[1]).unwrap();
    journal.turn_key(begin(2)).await.unwrap();
    let (note, head) = journal.head();
    drop(journal);
    for seed in [1, 2] {
        let alone = key(seed).sign(&head.text()).unwrap();
        bench.tamper(&format!(
            "UPDATE checkpoint SET note = '{alone}' WHERE size = {}",
            head.size
        ));
        let fault = open(&bench, &[1, 2]).unwrap_err();
        assert!(
            matches!(&fault, JournalFault::Damaged(what) if what.contains("did not sign")),
            "{fault}"
        );
    }
    bench.tamper(&format!(
        "UPDATE checkpoint SET note = '{note}' WHERE size = {}",
        head.size
    ));
    assert!(open(&bench, &[1, 2]).is_ok());
}

async fn an_older_copy_from_before_a_change_is_known_for_what_it_is(store: Store) {
    let bench = Bench::on(store);
    let journal = open(&bench, &[1]).unwrap();
    journal.close().await.unwrap();
    let older = bench.copy();
    let journal = open(&bench, &[1]).unwrap();
    journal.turn_key(begin(2)).await.unwrap();
    journal.turn_key(end(1)).await.unwrap();
    journal.close().await.unwrap();
    bench.put_back(&older);
    // The head file is signed by a key that this copy never heard of, and ours all the same.
    let fault = open(&bench, &[1, 2]).unwrap_err();
    assert!(
        matches!(
            fault,
            JournalFault::RolledBack {
                signed: 6,
                found: 2,
                ..
            }
        ),
        "{fault}"
    );
    let ours: Trust = own_trust(&seeded(&bench, &[1, 2])).unwrap();
    assert!(ours.open(&fs::read_to_string(bench.settings().head).unwrap()).is_ok());
    // Without its seed nobody can tell whose it is.
    let fault = open(&bench, &[1]).unwrap_err();
    assert!(matches!(fault, JournalFault::ForeignHead(_)), "{fault}");
}
