use std::fs;

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::{Digest, Event, Leaf};
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::tree::empty_root;

use super::{Bench, ORIGIN, one_row, sealed, settings, trust};
use crate::journal::{Journal, JournalFault, JournalSettings, SealError};
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(
    the_head_file_follows_the_log_each_second_and_at_the_stop,
    an_older_copy_that_is_put_back_does_not_open_and_the_gap_is_named,
    a_crash_leaves_a_head_that_is_older_and_that_opens,
    without_a_head_file_it_opens_and_has_one_again,
    the_head_of_another_history_of_the_same_key_does_not_open,
    what_this_log_did_not_sign_is_no_head_and_does_not_open,
    a_head_on_a_volume_that_is_not_there_does_not_open,
    a_start_states_the_program_and_what_the_head_file_said,
);

/// Seals so many leaves more.
async fn grow(journal: &Journal, from: u128, count: u128) {
    for number in from..from + count {
        journal.seal(one_row(journal, number)).await.unwrap();
    }
}

fn signed(bench: &Bench) -> Checkpoint {
    let note = fs::read_to_string(bench.settings().head).unwrap();
    trust().open(&note).unwrap()
}

async fn the_head_file_follows_the_log_each_second_and_at_the_stop(store: Store) {
    let bench = Bench::on(store);
    assert_eq!(
        (signed(&bench).size, signed(&bench).root),
        (0, empty_root()),
        "from the beginning"
    );
    let journal = bench.open();
    assert_eq!(signed(&bench).size, 1, "the start leaf");
    grow(&journal, 1, 5).await;
    assert_eq!(signed(&bench).size, 1, "not on the way of an exchange");
    journal.tick(bench.clock().now_us()).await.unwrap();
    assert_eq!(signed(&bench).size, 6);
    journal.close().await.unwrap();
    assert_eq!(signed(&bench).size, 7);
    assert_eq!(signed(&bench), bench.verify().checkpoint);
    let private = fs::read_dir(bench.settings().head.parent().unwrap()).unwrap();
    assert!(
        private
            .map(|file| file.unwrap().file_name())
            .all(|name| !name.to_string_lossy().ends_with(".tmp"))
    );
}

async fn a_start_states_the_program_and_what_the_head_file_said(store: Store) {
    let bench = Bench::on(store);
    let open = |program| {
        let settings = JournalSettings {
            program,
            ..bench.settings()
        };
        Journal::open(&settings, bench.clock()).unwrap()
    };
    let stated = |leaf| {
        let row = bench.reader().leaf(leaf).unwrap().unwrap();
        match Leaf::decode(&row.bytes).unwrap().event {
            Event::Start(event) => (event.size, event.head, event.bin),
            event => panic!("{event:?}"),
        }
    };
    open(Some([7; 32])).close().await.unwrap();
    assert_eq!(stated(0), (0, Some(0), Some(Digest([7; 32]))));
    fs::remove_file(bench.settings().head).unwrap();
    open(None).close().await.unwrap();
    assert_eq!(stated(2), (2, None, None), "there was no head file");
    open(Some([8; 32])).close().await.unwrap();
    assert_eq!(stated(4), (4, Some(4), Some(Digest([8; 32]))));
    let programs = bench.verify().programs;
    let from: Vec<u64> = programs.iter().map(|program| program.from).collect();
    assert_eq!(from, [0, 2, 4]);
}

async fn an_older_copy_that_is_put_back_does_not_open_and_the_gap_is_named(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    grow(&journal, 1, 300).await;
    journal.close().await.unwrap();
    let older = bench.copy();
    let journal = bench.open();
    grow(&journal, 1_000, 20).await;
    journal.close().await.unwrap();
    let newest = bench.copy();
    bench.put_back(&older);
    let fault = bench.fault();
    assert!(
        matches!(
            &fault,
            JournalFault::RolledBack {
                signed: 324,
                found: 302,
                ..
            }
        ),
        "{fault}"
    );
    for told in [
        "holds 302 entries",
        "says 324",
        "the last 22 are missing",
        "newest copy back",
        "journal.head",
    ] {
        assert!(fault.to_string().contains(told), "{told}: {fault}");
    }
    assert_eq!(bench.reader().size().unwrap(), 302, "nothing was sealed");
    bench.put_back(&newest);
    drop(bench.open());
}

async fn a_crash_leaves_a_head_that_is_older_and_that_opens(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    grow(&journal, 1, 300).await;
    drop(journal);
    assert_eq!(signed(&bench).size, 1);
    drop(bench.open());
    assert_eq!(signed(&bench).size, 302);
}

async fn without_a_head_file_it_opens_and_has_one_again(store: Store) {
    let bench = Bench::on(store);
    fs::remove_file(bench.settings().head).unwrap();
    drop(bench.open());
    assert_eq!(signed(&bench).size, 1);
}

async fn the_head_of_another_history_of_the_same_key_does_not_open(store: Store) {
    let bench = Bench::on(store);
    let other = settings(&bench.folder.path().join("other"));
    Journal::create(&other).unwrap();
    let journal = Journal::open(&other, bench.clock()).unwrap();
    grow(&journal, 5_000, 2).await;
    journal.close().await.unwrap();
    let journal = bench.open();
    grow(&journal, 1, 300).await;
    journal.close().await.unwrap();
    fs::copy(other.head, bench.settings().head).unwrap();
    let fault = bench.fault();
    assert!(matches!(&fault, JournalFault::Forked { size: 4, .. }), "{fault}");
}

async fn what_this_log_did_not_sign_is_no_head_and_does_not_open(store: Store) {
    let bench = Bench::on(store);
    let text = fs::read_to_string(bench.settings().head).unwrap();
    let stranger = SigningKey::from_seed(ORIGIN, &[9; 32]).unwrap();
    let foreign = stranger.sign(&signed(&bench).text()).unwrap();
    let no_checkpoint = SigningKey::from_seed(ORIGIN, &[1; 32])
        .unwrap()
        .sign("hello\n")
        .unwrap();
    for head in [&foreign, &no_checkpoint, "", "x", text.trim_end(), &format!("{text}\n")] {
        fs::write(bench.settings().head, head).unwrap();
        let fault = bench.fault();
        assert!(matches!(&fault, JournalFault::ForeignHead(_)), "{head:?}: {fault}");
    }
    fs::write(bench.settings().head, [0xff, 0xfe]).unwrap();
    assert!(matches!(bench.fault(), JournalFault::ForeignHead(_)));
    fs::write(bench.settings().head, text).unwrap();
    drop(bench.open());
}

async fn a_head_on_a_volume_that_is_not_there_does_not_open(store: Store) {
    let bench = Bench::on(store);
    let mut settings = bench.settings();
    settings.head = bench.folder.path().join("not-mounted/journal.head");
    let fault = Journal::open(&settings, bench.clock()).unwrap_err();
    assert!(matches!(&fault, JournalFault::File { .. }), "{fault}");
    fs::create_dir(bench.folder.path().join("not-mounted")).unwrap();
    drop(Journal::open(&settings, bench.clock()).unwrap());
}

/// A trigger plays the bit that flips between hashing a leaf and storing it.
#[tokio::test]
async fn a_leaf_that_is_stored_otherwise_than_it_was_hashed_is_not_signed() {
    let bench = Bench::new();
    let journal = bench.open();
    grow(&journal, 1, 3).await;
    let before = journal.checkpoint();
    bench.tamper(
        "DROP TRIGGER leaf_fixed;
         CREATE TRIGGER flip AFTER INSERT ON leaf BEGIN UPDATE leaf SET bytes = zeroblob(length(bytes)) WHERE idx = NEW.idx; END;",
    );
    let answer = journal.seal(one_row(&journal, 50)).await;
    assert!(matches!(answer, Err(SealError::Unavailable)), "{answer:?}");
    assert_eq!(journal.checkpoint(), before);
    bench.tamper(
        "DROP TRIGGER flip;
         CREATE TRIGGER leaf_fixed BEFORE UPDATE ON leaf BEGIN SELECT RAISE(ABORT, 'x'); END;",
    );
    assert_eq!(sealed(journal.seal(one_row(&journal, 50)).await.unwrap()).index, 4);
    assert_eq!(bench.verify().checkpoint.size, 5);
}
