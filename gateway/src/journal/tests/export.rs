use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shuguan_ledger::bundle;
use shuguan_ledger::exported::{self, Folder};
use shuguan_ledger::tile::{Content, Tile};

use super::{Bench, one_row, settings, trust};
use crate::journal::{ExportError, Extent, Journal, JournalFault, Reader, export};
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(
    every_tile_is_given_and_none_that_the_log_is_too_short_for,
    an_export_verifies_and_goes_on_where_it_was_wherever_it_was_killed,
    a_folder_with_another_log_or_more_of_it_is_not_touched,
    a_checkpoint_that_is_a_fifo_is_refused_and_not_waited_for,
    a_leaf_that_does_not_have_its_hash_is_not_exported,
);

async fn grow(journal: &Journal, from: u128, count: u128) {
    let sealing = (from..from + count).map(|number| journal.seal(one_row(journal, number)));
    for outcome in futures_util::future::join_all(sealing.collect::<Vec<_>>()).await {
        outcome.unwrap();
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

async fn every_tile_is_given_and_none_that_the_log_is_too_short_for(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    grow(&journal, 1, 519).await;
    for tile in Tile::all(520) {
        let bytes = journal.tile(tile).await.unwrap().unwrap();
        match tile.content() {
            Content::Hashes { .. } => assert_eq!(bytes.len() as u64, 32 * tile.width()),
            Content::Entries => assert!(bundle::read(&bytes, tile.width()).is_ok()),
        }
    }
    for path in [
        "tile/0/000.p/17",
        "tile/0/001.p/255",
        "tile/1/000.p/1",
        "tile/entries/001.p/3",
    ] {
        assert!(
            journal.tile(path.parse().unwrap()).await.unwrap().is_some(),
            "{path}: an earlier width"
        );
    }
    for path in [
        "tile/0/002.p/9",
        "tile/0/002",
        "tile/0/003.p/1",
        "tile/1/000.p/3",
        "tile/1/000",
        "tile/2/000.p/1",
        "tile/7/000.p/1",
        "tile/8/000.p/1",
        "tile/63/000",
        "tile/entries/002.p/9",
        "tile/0/x072/x057/x594/x037/x927/935",
    ] {
        assert!(journal.tile(path.parse().unwrap()).await.unwrap().is_none(), "{path}");
    }
}

/// What a run leaves that was killed after `count` of its files, in the middle of the next one.
fn kill_after(count: usize, folder: &Path, whole: &BTreeMap<String, Vec<u8>>) {
    let new = whole
        .iter()
        .filter(|(path, _)| *path != "checkpoint" && !folder.join(path).exists());
    for (path, bytes) in new.take(count) {
        fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        fs::write(folder.join(path), bytes).unwrap();
    }
    fs::create_dir_all(folder.join("tile/0")).unwrap();
    fs::write(folder.join("tile/0/.002.tmp"), [1, 2, 3]).unwrap();
}

async fn an_export_verifies_and_goes_on_where_it_was_wherever_it_was_killed(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let folder = bench.folder.path().join("log");
    let reader = bench.reader();
    let mut from = 1;
    for (round, more) in [0, 254, 1, 3, 300, 0].into_iter().enumerate() {
        grow(&journal, from, more).await;
        from += more;
        let size = reader.size().unwrap();
        let whole = bench.folder.path().join(format!("whole-{round}"));
        export(&reader, &whole, Extent::default(), |_, _| {}).unwrap();
        for count in 0..3 {
            kill_after(count, &folder, &files(&whole));
            match exported::verify(&Folder(folder.clone()), &trust()) {
                Ok(report) => assert!(round > 0 && report.log.checkpoint.size <= size),
                Err(fault) => assert!(round == 0 && fault.to_string() == "`checkpoint` is missing", "{fault}"),
            }
        }
        let mut told = Vec::new();
        let done = export(&reader, &folder, Extent::default(), |done, all| told.push((done, all))).unwrap();
        let all = Tile::all(size).count() as u64;
        assert_eq!((done.checkpoint.size, done.written + done.kept), (size, all));
        assert_eq!(told, (0..all).map(|done| (done, all)).collect::<Vec<_>>());
        let report = exported::verify(&Folder(folder.clone()), &trust()).unwrap();
        assert_eq!(report.log.checkpoint, done.checkpoint);
        let again = export(&reader, &folder, Extent::default(), |_, _| {}).unwrap();
        assert_eq!((again.written, again.before), (0, Some(size)));
        let mut left = files(&folder);
        left.remove("tile/0/.002.tmp");
        assert_eq!(left, files(&whole), "nothing narrower is left at {size}");
    }
}

async fn a_folder_with_another_log_or_more_of_it_is_not_touched(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    grow(&journal, 1, 20).await;
    let folder = bench.folder.path().join("log");
    let reader = bench.reader();
    export(&reader, &folder, Extent::default(), |_, _| {}).unwrap();
    let other = settings(&bench.folder.path().join("other"));
    Journal::create(&other).unwrap();
    let shorter = Journal::open(&other, bench.clock()).unwrap();
    let before = files(&folder);
    let refused = |told: &str| {
        let reader = Reader::open(&other.place).unwrap();
        let error = export(&reader, &folder, Extent::default(), |_, _| {}).unwrap_err();
        assert!(matches!(error, ExportError::OtherLog(_)), "{error}");
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(files(&folder), before);
    };
    refused("it has 21 entries, the journal 1");
    grow(&shorter, 7_000, 30).await;
    refused("have another root");
}

async fn a_checkpoint_that_is_a_fifo_is_refused_and_not_waited_for(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    grow(&journal, 1, 1).await;
    let folder = bench.folder.path().join("log");
    fs::create_dir(&folder).unwrap();
    let made = Command::new("mkfifo").arg(folder.join("checkpoint")).status();
    assert!(made.unwrap().success());
    let (reader, there) = (bench.reader(), folder.clone());
    let exporting =
        tokio::task::spawn_blocking(move || export(&reader, &there, Extent::default(), |_, _| {}).unwrap_err());
    let error = tokio::time::timeout(Duration::from_secs(20), exporting).await;
    let error = error.unwrap().unwrap();
    assert!(
        matches!(&error, ExportError::Journal(JournalFault::File { path, .. }) if *path == folder.join("checkpoint")),
        "{error}"
    );
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "it is not a regular file");
}

async fn a_leaf_that_does_not_have_its_hash_is_not_exported(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    grow(&journal, 1, 20).await;
    bench.tamper("DROP TRIGGER leaf_fixed; UPDATE leaf SET bytes = zeroblob(9) WHERE idx = 7;");
    let folder = bench.folder.path().join("log");
    let error = export(&bench.reader(), &folder, Extent::default(), |_, _| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the journal is damaged: leaf 7 does not have its hash"
    );
    assert!(!folder.join("checkpoint").exists());
}
