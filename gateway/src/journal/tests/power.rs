//! The power fails at any moment: whatever the disk then holds of what was never synced, everything acknowledged is there.
//!
//! `SHUGUAN_CRASH_STATES` (500 in the gate, 10,000 in the long lane) and `SHUGUAN_SEED` choose the run.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use shuguan_ledger::tree::Hash;
use tokio::task::JoinSet;

use super::{START_US, exchange, one_row, part, push, relayed, sealed, settings, verify};
use crate::clock::Clock;
use crate::disk::{FOLDER, Random, SAID, on_failing_disk, said_file, say, seed, states, traced};
use crate::journal::{Journal, JournalFault, JournalSettings, Reader, SealError, examine};

const WORKLOAD: &str = "journal::tests::power::batches_are_sealed_relayed_and_erased_by_several_at_once";

/// A journal's folders, as `init` leaves them.
fn folders(root: &Path) -> JournalSettings {
    let folder = root.join("journal");
    for private in [&folder, &folder.join("payload"), &folder.join("kek")] {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(private)
            .unwrap();
        std::fs::set_permissions(private, PermissionsExt::from_mode(0o700)).unwrap();
    }
    settings(&folder)
}

fn clock() -> Clock {
    Clock::from_fn(|| START_US)
}

#[test]
#[ignore = "the run whose trace is replayed; it is started under strace"]
fn batches_are_sealed_relayed_and_erased_by_several_at_once() {
    let root = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let settings = folders(&root);
        Journal::create(&settings).unwrap();
        for cycle in 0..3_u128 {
            let journal = Journal::open(&settings, clock()).unwrap();
            say(&mut said_file(&root), "opened");
            let mut sealers = JoinSet::new();
            for sealer in 0..3 {
                sealers.spawn(seal_some(journal.clone(), root.clone(), cycle * 100 + sealer * 20));
            }
            sealers.join_all().await;
            relay_some(&journal, &root).await;
            // The last one is left as a crash of the process would leave it.
            if cycle < 2 {
                journal.close().await.unwrap();
            }
        }
    });
}

async fn seal_some(journal: Journal, root: PathBuf, first: u128) {
    let mut said = said_file(&root);
    for number in first..first + 8 {
        let entry = if number % 20 == 5 {
            push(&journal, exchange(number), &[part(number as u32, 1_500)])
        } else {
            one_row(&journal, number)
        };
        let one = sealed(journal.seal(entry).await.unwrap());
        say(
            &mut said,
            &format!("sealed {} {}", one.index, crate::hex::hex(&one.leaf_hash)),
        );
    }
}

async fn relay_some(journal: &Journal, root: &Path) {
    let mut said = said_file(root);
    for _ in 0..5 {
        let item = journal.next_inbox(None).await.unwrap().unwrap();
        let one = journal.relayed(item.exchange, relayed(&item)).await.unwrap();
        say(
            &mut said,
            &format!("sealed {} {}", one.index, crate::hex::hex(&one.leaf_hash)),
        );
    }
    journal.erase_all_due(0).await.unwrap();
}

/// The hashes of all leaves.
fn hashes(settings: &JournalSettings) -> Vec<Hash> {
    let reader = Reader::open(&settings.place).unwrap();
    reader.hashes(0, 0, reader.size().unwrap()).unwrap()
}

/// Opens it once nobody has it: a child that another test starts has every file of this process, and its lock, until it runs its own program.
fn opened(settings: &JournalSettings) -> Result<Journal, JournalFault> {
    let opened = Journal::open(settings, clock());
    let (Err(JournalFault::Locked(_)), Some(database)) = (&opened, settings.place.file()) else {
        return opened;
    };
    let held = std::fs::File::open(database.with_extension("db.lock")).unwrap();
    held.lock().unwrap();
    drop(held);
    Journal::open(settings, clock())
}

/// What is wrong with the state in which a disk was left; nothing, when everything promised by then is there and nothing else.
fn fault(settings: &JournalSettings, promised: &[&str], whole: &[Hash]) -> Option<String> {
    let journal = match opened(settings) {
        Ok(journal) => journal,
        Err(fault) => return Some(fault.to_string()),
    };
    drop(journal);
    let mut there = hashes(settings);
    // Opening sealed a leaf of its own.
    there.pop();
    if !whole.starts_with(&there) {
        return Some("it holds leaves that the run did not seal in this order".into());
    }
    for line in promised {
        let Some((index, hash)) = line.strip_prefix("sealed ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let stored = there.get(index.parse::<usize>().unwrap());
        if stored.map(|stored| crate::hex::hex(stored)).as_deref() != Some(hash) {
            return Some(format!("leaf {index} was acknowledged and is not there"));
        }
    }
    verify(&settings.place);
    match examine(settings) {
        Ok(report) => report.faults.first().map(|fault| format!("{fault:?}")),
        Err(fault) => Some(fault.to_string()),
    }
}

#[test]
fn what_was_acknowledged_is_there_after_any_crash_of_the_machine_and_would_not_be_without_the_fsyncs() {
    let Some(states) = states(100) else { return };
    let seed = seed();
    let run = tempfile::tempdir().unwrap();
    let root = run.path().join("run");
    std::fs::create_dir(&root).unwrap();
    let trace = traced(WORKLOAD, &root);
    let whole = hashes(&folders(&root));
    let acknowledged = trace
        .said(trace.moments())
        .filter(|line| line.starts_with("sealed"))
        .count();
    assert_eq!(acknowledged, 3 * (3 * 8 + 5));
    let random = &mut Random::new(seed);
    let look = |root: &Path, promised: &[&str]| fault(&folders(root), promised, &whole);
    assert_eq!(
        trace.faults(states, random, look),
        Vec::<String>::new(),
        "SHUGUAN_SEED={seed}"
    );
    // What `synchronous=NORMAL` leaves out: the write-ahead log's fsync before the answer. The same look finds it.
    let weak = trace.without_syncs("-wal").faults(40, random, look);
    let lost = weak.iter().filter(|fault| {
        let found = |words| fault.contains(words);
        // The head file, whose name and content are synced, says so before anybody looks.
        found("was acknowledged and is not there") || found("ends before its head file")
    });
    assert!(lost.count() > 5, "{weak:?}");
}

/// So many that the last of the points at which the disk fails lies well within the run.
const SEALS: u128 = 120;

/// What a failing disk gets to do: seals one after the other, and says what became of each.
async fn seal_on(root: &Path, journal: &Journal, count: u128) -> u128 {
    let (mut said, mut refused) = (said_file(root), 0);
    for number in 0..count {
        match journal.seal(one_row(journal, number)).await {
            Ok(outcome) => {
                let one = sealed(outcome);
                let hash = crate::hex::hex(&one.leaf_hash);
                say(&mut said, &format!("sealed {} {hash}", one.index));
            }
            Err(SealError::Unavailable) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    refused
}

#[tokio::test]
#[ignore = "it is started under strace, which says at times that the disk is full"]
async fn who_is_refused_while_the_disk_is_full_is_accepted_when_there_is_room_again() {
    let root = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let Ok(journal) = Journal::open(&folders(&root), clock()) else {
        // A start on a full disk ends with its reason; the next one tries again.
        say(&mut said_file(&root), "refused 1");
        return;
    };
    let refused = seal_on(&root, &journal, SEALS).await;
    // The disk has room again by now, and nobody restarted anything.
    assert!(refused < SEALS);
    journal.seal(one_row(&journal, 1_000)).await.unwrap();
    say(&mut said_file(&root), &format!("refused {refused}"));
}

#[tokio::test]
#[ignore = "it is started under strace, which has every fsync fail from one on"]
async fn a_journal_that_lost_an_fsync_stops_within_a_second_and_tries_nothing_again() {
    let root = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let Ok(journal) = Journal::open(&folders(&root), clock()) else {
        say(&mut said_file(&root), "refused 1");
        return;
    };
    let refused = seal_on(&root, &journal, SEALS).await;
    assert!(refused > 0);
    tokio::time::timeout(Duration::from_secs(1), journal.failed())
        .await
        .unwrap();
    assert_eq!(
        journal.seal(one_row(&journal, 1_000)).await,
        Err(SealError::Unavailable)
    );
    say(&mut said_file(&root), &format!("refused {refused}"));
}

/// Runs a test on a journal of its own, on a disk that fails so; gives how often it was refused. Afterwards, on a disk that does not fail, everything
/// acknowledged is there.
fn failing(test: &str, inject: &str) -> u64 {
    let run = tempfile::tempdir().unwrap();
    let settings = folders(run.path());
    Journal::create(&settings).unwrap();
    assert!(on_failing_disk(test, run.path(), inject), "{inject}");
    let said = std::fs::read_to_string(run.path().join(SAID)).unwrap();
    let promised: Vec<&str> = said.lines().collect();
    drop(opened(&settings).unwrap());
    let whole = hashes(&settings);
    assert_eq!(fault(&settings, &promised, &whole), None, "{inject}");
    let refused = said.lines().find_map(|line| line.strip_prefix("refused "));
    refused.unwrap().parse().unwrap()
}

/// Points of the run at which the disk fails: a tenth of the states, at most fifty.
fn points(states: usize) -> impl Iterator<Item = usize> {
    (0..(states / 50).clamp(2, 50)).map(|point| 5 + point * 13)
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_needs_no_restart() {
    let Some(states) = states(100) else { return };
    let test = "journal::tests::power::who_is_refused_while_the_disk_is_full_is_accepted_when_there_is_room_again";
    let refused =
        points(states).map(|from| failing(test, &format!("pwrite64:error=ENOSPC:when={from}..{}", from + 20)));
    assert!(refused.sum::<u64>() > 0);
}

#[test]
fn a_lost_fsync_ends_the_journal_and_the_next_start_has_what_was_acknowledged() {
    let Some(states) = states(100) else { return };
    let test = "journal::tests::power::a_journal_that_lost_an_fsync_stops_within_a_second_and_tries_nothing_again";
    for from in points(states).map(|point| 2 + point / 8) {
        assert!(failing(test, &format!("fsync,fdatasync:error=EIO:when={from}+")) > 0);
    }
}
