//! The power fails at any moment while parts go into the registry on SQLite: what was answered is in, and fed again from where it says it is, the registry
//! is the one of the run that nothing happened to.
//!
//! A fifth of `SHUGUAN_CRASH_STATES`, and `SHUGUAN_SEED`, choose the run.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;
use tokio::runtime::Runtime;

use super::fixture::{DEATH, RESIDENT, kept, part, whole};
use crate::disk::{FOLDER, Random, said_file, say, seed, states, traced};
use crate::registry::{Missing, Part, Registry, RegistryFault, RegistrySettings};

const WORKLOAD: &str = "registry::tests::power::parts_go_in_one_after_the_other";
const EXCHANGES: u64 = 12;
const PARTS: u32 = 3;

fn settings(root: &Path) -> RegistrySettings {
    RegistrySettings::at(root.join("registry").join("registry.db"))
}

fn open(root: &Path) -> Result<Registry, RegistryFault> {
    Registry::open(&settings(root), kept(&[&RESIDENT, &DEATH]), Missing::Refuse)
}

/// Later exchanges change what earlier ones wrote, leave some of it alone, and contradict some of it.
fn parts(leaf: u64) -> Vec<Part> {
    let resident = |number: u32| {
        let rows: Vec<[String; 5]> = (0..30)
            .map(|row| {
                let born = 1_800 + u64::from(number) * 30 + row;
                let name = format!("某{}", if row % 3 == 0 { leaf } else { 0 });
                let [id, day] = [format!("320706{born}0101000{}", row % 10), format!("{born}-01-01")];
                [id, name, day, "320706".into(), leaf.to_string()]
            })
            .collect();
        let rows: Vec<Vec<&str>> = rows
            .iter()
            .map(|row| row.iter().map(String::as_str).collect())
            .collect();
        let rows: Vec<&[&str]> = rows.iter().map(Vec::as_slice).collect();
        part(&RESIDENT, leaf, number, whole(&RESIDENT, &rows))
    };
    if leaf.is_multiple_of(4) {
        let died = format!("1900-01-{:02}", leaf + 1);
        return vec![part(
            &DEATH,
            leaf,
            0,
            whole(&DEATH, &[&["320706180001010000", &died, &died]]),
        )];
    }
    (0..PARTS).map(resident).collect()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
#[ignore = "the run whose trace is replayed; it is started under strace"]
fn parts_go_in_one_after_the_other() {
    let root = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    std::fs::create_dir_all(root.join("registry")).unwrap();
    runtime().block_on(async {
        Registry::create(&settings(&root), &kept(&[&RESIDENT, &DEATH])).unwrap();
        let mut said = said_file(&root);
        for third in 0..3 {
            let registry = open(&root).unwrap();
            say(&mut said, "opened");
            for leaf in third * EXCHANGES / 3..(third + 1) * EXCHANGES / 3 {
                for part in parts(leaf + 1) {
                    let line = format!("{} {}", leaf + 1, part.number);
                    registry.merge(part).await.unwrap();
                    say(&mut said, &line);
                }
            }
            registry.close().await;
        }
    });
}

/// Every row of every table, sorted; without the marks, which are times.
fn rows(root: &Path) -> Vec<String> {
    let connection = Connection::open(root.join("registry/registry.db")).unwrap();
    let mut find = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap();
    let tables: Vec<String> = find
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut all = Vec::new();
    for table in tables {
        let mut find = connection.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let names = find.column_names();
        let marks = |place: &usize| matches!(names.get(*place), Some(&"changed_us" | &"death_us"));
        let columns: Vec<usize> = (0..names.len()).filter(|place| !marks(place)).collect();
        let row = find.query_map([], |row| {
            let cells: Result<Vec<Value>, _> = columns.iter().map(|place| row.get(*place)).collect();
            Ok(format!("{table} {:?}", cells?))
        });
        all.extend(row.unwrap().map(Result::unwrap));
    }
    all.sort();
    all
}

/// What is wrong with the state in which a disk was left.
async fn fault(root: &Path, promised: &[&str], whole: &[String]) -> Option<String> {
    let registry = match open(root) {
        Ok(registry) => registry,
        Err(fault) => return Some(format!("{fault:?}")),
    };
    for (leaf, number) in promised.iter().filter_map(|line| line.split_once(' ')) {
        let exchange = parts(leaf.parse().unwrap()).remove(0).exchange;
        let progress = match registry.progress(exchange).await {
            Ok(progress) => progress.unwrap_or_default(),
            Err(fault) => return Some(format!("{fault:?}")),
        };
        if progress.parts <= number.parse().unwrap() {
            return Some(format!("part {number} of {leaf} was answered and is not in"));
        }
    }
    for leaf in 1..=EXCHANGES {
        let parts = parts(leaf);
        let progress = match registry.progress(parts[0].exchange).await {
            Ok(progress) => progress.unwrap_or_default(),
            Err(fault) => return Some(format!("{fault:?}")),
        };
        for part in parts.into_iter().skip(progress.parts as usize) {
            // What was lost without the fsyncs may show only now.
            if let Err(fault) = registry.merge(part).await {
                return Some(format!("{fault:?}"));
            }
        }
    }
    registry.close().await;
    (rows(root) != whole).then(|| "fed again it is another registry".to_owned())
}

#[test]
fn what_was_answered_is_in_after_any_crash_of_the_machine_and_would_not_be_without_the_fsyncs() {
    let Some(states) = states(100) else { return };
    let seed = seed();
    let run = tempfile::tempdir().unwrap();
    let root = run.path().join("run");
    std::fs::create_dir(&root).unwrap();
    let trace = traced(WORKLOAD, &root);
    let whole = rows(&root);
    let random = &mut Random::new(seed);
    let runtime = runtime();
    let look = |root: &Path, promised: &[&str]| runtime.block_on(fault(root, promised, &whole));
    let found = trace.faults(states.div_ceil(5), random, look);
    assert_eq!(found, Vec::<String>::new(), "SHUGUAN_SEED={seed}");
    let weak = trace.without_syncs("-wal").faults(30, random, look);
    let lost = weak.iter().filter(|fault| fault.contains("was answered and is not in"));
    assert!(lost.count() > 5, "{weak:?}");
}
