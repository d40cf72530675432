use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use super::{Bench, exchange, one_row, part, payload_files, proven, push, sealed, settings, verify};
use crate::clock::Clock;
use crate::journal::{Journal, JournalFault, Reader, SealError, Secret};

#[tokio::test]
async fn a_journal_dropped_without_closing_goes_on_where_it_was() {
    let bench = Bench::new();
    for round in 0..6_u64 {
        let journal = bench.open();
        for number in 0..300 {
            let entry = one_row(&journal, u128::from(round * 1_000 + number) + 1);
            let one = sealed(journal.seal(entry).await.unwrap());
            assert_eq!(one.index, round * 301 + number + 1);
            proven(&one);
        }
    }
    assert_eq!(bench.verify().checkpoint.size, 6 * 301);
    assert_eq!(bench.open().backlog().exchanges, 1_800);
}

#[tokio::test]
async fn what_killed_processes_left_in_the_write_ahead_log_is_copied_back_at_a_start() {
    use rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    let bench = Bench::new();
    drop(bench.open());
    let database = bench.database();
    // So much as the sequencer would have copied, and then it was killed.
    let killed = rusqlite::Connection::open(&database).unwrap();
    killed.set_db_config(SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    killed
        .execute_batch(
            "PRAGMA wal_autocheckpoint=0; CREATE TABLE noise (bytes); INSERT INTO noise VALUES (zeroblob(40000000));",
        )
        .unwrap();
    drop(killed);
    let bytes = |path: &Path| fs::metadata(path).unwrap().len();
    assert!(bytes(&database) < 4_000_000 && bytes(&database.with_file_name("journal.db-wal")) > 40_000_000);
    let journal = bench.open();
    assert!(bytes(&database) > 40_000_000);
    proven(&sealed(journal.seal(one_row(&journal, 1)).await.unwrap()));
}

/// Copies the database and its write-ahead log, the log cut to `keep` bytes when it is longer.
fn copy(from: &Path, to: &Path, keep: usize) {
    let folder = to.parent().unwrap();
    fs::create_dir_all(folder.join("payload")).unwrap();
    for private in [folder.to_owned(), folder.join("payload")] {
        fs::set_permissions(private, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    fs::copy(from, to).unwrap();
    let log = |path: &Path| path.with_file_name("journal.db-wal");
    let mut bytes = fs::read(log(from)).unwrap_or_default();
    bytes.truncate(keep);
    fs::write(log(to), bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_copy_taken_while_writing_holds_what_was_acknowledged_before() {
    let bench = Bench::new();
    let journal = bench.open();
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let mut sealers = JoinSet::new();
    for sealer in 0..8_u128 {
        let (journal, acknowledged) = (journal.clone(), Arc::clone(&acknowledged));
        sealers.spawn(async move {
            for round in 0..60 {
                let one = sealed(journal.seal(one_row(&journal, sealer * 100 + round)).await.unwrap());
                acknowledged.lock().unwrap().push((one.index, one.leaf));
            }
        });
    }
    let mut copies = 0;
    while !sealers.is_empty() {
        while let Some(done) = sealers.try_join_next() {
            done.unwrap();
        }
        let before = acknowledged.lock().unwrap().clone();
        let folder = bench.folder.path().join(format!("copy-{copies}"));
        let database = folder.join("journal.db");
        copy(&bench.database(), &database, usize::MAX);
        drop(Journal::open(&settings(&folder), Clock::from_fn(|| 0)).unwrap());
        let reader = Reader::open(&database.as_path().into()).unwrap();
        for (index, leaf) in before {
            assert_eq!(reader.leaf(index).unwrap().unwrap().bytes, leaf);
        }
        verify(&database.as_path().into());
        copies += 1;
        tokio::task::yield_now().await;
    }
    assert!(copies > 1);
}

#[tokio::test]
async fn a_write_ahead_log_cut_anywhere_opens_as_an_earlier_moment() {
    let bench = Bench::new();
    let journal = bench.open();
    for number in 1..40 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    let length = fs::metadata(bench.database().with_file_name("journal.db-wal"))
        .unwrap()
        .len() as usize;
    let mut sizes = Vec::new();
    for step in 0..60_usize {
        let folder = bench.folder.path().join(format!("cut-{step}"));
        let database = folder.join("journal.db");
        // Uneven steps, so that cuts fall inside frames as well as between them.
        copy(&bench.database(), &database, length * step / 60 + step * 37 % 4_000);
        match Journal::open(&settings(&folder), Clock::from_fn(|| 0)) {
            Ok(journal) => {
                drop(journal);
                sizes.push(verify(&database.as_path().into()).checkpoint.size);
            }
            // So early that the tables are not there yet: creating was not complete.
            Err(JournalFault::Foreign(_)) => assert!(sizes.is_empty()),
            Err(fault) => panic!("{fault}"),
        }
    }
    assert!(sizes.is_sorted() && sizes.len() > 30, "{sizes:?}");
}

#[tokio::test]
async fn every_kind_of_tampering_with_recent_leaves_is_found_at_opening() {
    let drop_triggers =
        "DROP TRIGGER leaf_kept; DROP TRIGGER leaf_fixed; DROP TRIGGER tile_kept; DROP TRIGGER tile_fixed;";
    let recreate = "
        CREATE TRIGGER leaf_kept BEFORE DELETE ON leaf BEGIN SELECT RAISE(ABORT, 'x'); END;
        CREATE TRIGGER leaf_fixed BEFORE UPDATE ON leaf BEGIN SELECT RAISE(ABORT, 'x'); END;
        CREATE TRIGGER tile_kept BEFORE DELETE ON tile BEGIN SELECT RAISE(ABORT, 'x'); END;
        CREATE TRIGGER tile_fixed BEFORE UPDATE ON tile BEGIN SELECT RAISE(ABORT, 'x'); END;";
    let bench = Bench::new();
    let journal = bench.open();
    let entries: Vec<_> = (1..=1_300)
        .map(|number| journal.seal(one_row(&journal, number)))
        .collect();
    for outcome in futures_util::future::join_all(entries).await {
        sealed(outcome.unwrap());
    }
    drop(journal);
    for (what, change) in [
        (
            "a byte of a leaf",
            "UPDATE leaf SET bytes = CAST(replace(CAST(bytes AS TEXT), 'XY-2026-01', 'XY-2026-02') AS BLOB) WHERE idx = 700;",
        ),
        ("a hash", "UPDATE leaf SET hash = zeroblob(32) WHERE idx = 700;"),
        ("a time", "UPDATE leaf SET t = t + 1 WHERE idx = 700;"),
        (
            "two leaves swapped",
            "UPDATE leaf SET bytes = (SELECT bytes FROM leaf WHERE idx = 701), hash = (SELECT hash FROM leaf WHERE idx = 701) WHERE idx = 700;",
        ),
        (
            "the last leaf removed",
            "DELETE FROM inbox WHERE leaf = 1300; DELETE FROM leaf WHERE idx = 1300;",
        ),
        (
            "a leaf removed",
            "DELETE FROM inbox WHERE leaf = 800; DELETE FROM leaf WHERE idx = 800;",
        ),
        (
            "a leaf added",
            "INSERT INTO leaf (idx, hash, t, kind, bytes) VALUES (1301, zeroblob(32), 0, 'push', x'00');",
        ),
        (
            "a tile",
            "UPDATE tile SET hash = zeroblob(32) WHERE level = 1 AND idx = 0;",
        ),
        ("a tile removed", "DELETE FROM tile WHERE level = 1 AND idx = 0;"),
        ("the tree", "UPDATE tree SET size = size - 1;"),
        ("the newest checkpoint", "DELETE FROM checkpoint WHERE size = 1301;"),
        (
            "the checkpoint's text",
            "UPDATE checkpoint SET note = replace(note, '1301', '1300') WHERE size = 1301;",
        ),
    ] {
        let folder = bench.folder.path().join(what.replace(' ', "-"));
        let database = folder.join("journal.db");
        copy(&bench.database(), &database, usize::MAX);
        let changes = format!("PRAGMA foreign_keys = OFF; {drop_triggers} {change} {recreate}");
        rusqlite::Connection::open(&database)
            .unwrap()
            .execute_batch(&changes)
            .unwrap();
        let fault = Journal::open(&settings(&folder), bench.clock()).unwrap_err();
        assert!(
            matches!(fault, JournalFault::Damaged(_) | JournalFault::LogKey { .. }),
            "{what}: {fault}"
        );
    }
}

#[tokio::test]
async fn the_triggers_hold_and_are_missed_when_they_are_gone() {
    let bench = Bench::new();
    drop(bench.open());
    let connection = rusqlite::Connection::open(bench.database()).unwrap();
    for change in ["UPDATE leaf SET t = 0", "DELETE FROM leaf"] {
        let refused = connection.execute(change, []).unwrap_err();
        assert!(refused.to_string().contains("insert-only"), "{refused}");
    }
    drop(connection);
    bench.tamper("DROP TRIGGER leaf_fixed");
    assert!(matches!(bench.fault(), JournalFault::Damaged(_)));
}

#[tokio::test]
async fn when_the_outcome_is_unknown_waiters_are_refused_and_the_process_is_told_to_stop() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.seal(one_row(&journal, 1)).await.unwrap();
    let mut failed = Box::pin(journal.failed());
    assert!(futures_util::poll!(&mut failed).is_pending());
    // A second writer that went past the lock: the tree is not where this process left it.
    bench.tamper("UPDATE tree SET size = size + 1");
    let large = push(&journal, exchange(2), &[part(1, 8_192), part(2, 8_192)]);
    assert_eq!(journal.seal(large).await, Err(SealError::Unavailable));
    failed.await;
    assert_eq!(journal.seal(one_row(&journal, 3)).await, Err(SealError::Unavailable));
    assert_eq!(
        payload_files(&bench),
        1,
        "a payload that may be sealed is left to the next start"
    );
    drop(journal);
    bench.tamper("UPDATE tree SET size = size - 1");
    let journal = bench.open();
    assert_eq!((payload_files(&bench), journal.backlog().exchanges), (0, 1));
}

#[tokio::test]
async fn another_log_key_does_not_open_it() {
    let bench = Bench::new();
    drop(bench.open());
    let mut other = bench.settings();
    other.log_seeds = vec![Secret::new([9; 32])];
    assert!(matches!(
        Journal::open(&other, bench.clock()),
        Err(JournalFault::LogKey { .. })
    ));
}

#[tokio::test]
async fn orphaned_payload_files_go_at_opening_and_sealed_ones_stay() {
    let bench = Bench::new();
    let journal = bench.open();
    let parts = [part(1, 8_192), part(2, 8_192)];
    journal.seal(push(&journal, exchange(1), &parts)).await.unwrap();
    drop(journal);
    let payloads = bench.settings().payloads;
    fs::write(payloads.join(format!("{}.parts", exchange(2))), b"left by a crash").unwrap();
    fs::write(payloads.join("notes.txt"), b"not ours").unwrap();
    let journal = bench.open();
    assert_eq!(payload_files(&bench), 2, "the sealed payload and what is not ours");
    let item = journal.next_inbox(None).await.unwrap().unwrap();
    assert_eq!(journal.read_part(&item, 1).await.unwrap(), parts[1]);
}
