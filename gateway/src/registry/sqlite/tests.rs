//! What only the file promises: its mode, its pragmas, strict tables, plans without sorting.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use adapters::catalogue::{RecordType, record_type};
use policies::dataset::Dataset;
use rusqlite::Connection;
use uuid::Uuid;
use {shuguan_adapters as adapters, shuguan_policies as policies};

use crate::registry::dataset;
use crate::registry::dialect::Dialect;
use crate::registry::discrepancy::touch::Touched;
use crate::registry::numbers::{self, Found, Store as Asked, at_once};
use crate::registry::schema::table_name;
use crate::registry::tests::fixture::{
    ANNA, BORIS, CERTIFICATE, DEATH, ESTABLISHMENT, RESIDENT, TAX, batch, kept, part, whole,
};
use crate::registry::tests::store::{Place, Store};
use crate::registry::{Counts, Ending, Missing, Registry, RegistryFault};

#[test]
fn every_table_is_strict_and_every_column_has_a_chinese_comment() {
    let (place, _registry) = Place::with(Store::Sqlite, &kept(&[&RESIDENT, &DEATH]));
    let bare = "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
                LEFT JOIN column_comment d ON d.table_name = t.name AND d.column_name = c.name \
                WHERE t.type = 'table' AND t.name <> 'column_comment' AND d.zh IS NULL";
    assert_eq!(place.query(bare), Vec::<String>::new());
    let loose = "SELECT name FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND strict = 0";
    assert_eq!(place.query(loose), Vec::<String>::new());
}

#[test]
fn what_is_not_committed_leaves_neither_rows_nor_progress_nor_persons() {
    let tables = kept(&[&RESIDENT]);
    let place = Place::new(Store::Sqlite);
    Registry::create(&place.settings, &tables).unwrap();
    let mut connection = super::open(place.sqlite()).unwrap();
    let sent = part(&RESIDENT, 1, 0, whole(&RESIDENT, &[&[ANNA, "甲", "-", "-", "-"]]));
    let transaction = connection.transaction().unwrap();
    super::merge_in(&transaction, &tables, &sent).unwrap();
    drop(transaction);
    for table in ["public_security_resident", "person", "relay_progress"] {
        assert_eq!(place.query(&format!("SELECT count(*) FROM {table}")), ["0"]);
    }
    let merged = super::merge_parts(&mut connection, &tables, &[sent]).unwrap()[0];
    assert_eq!(
        merged.counts,
        Counts {
            ins: 1,
            ..Counts::default()
        }
    );
}

#[test]
fn a_registry_is_made_once_and_never_by_opening() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new(Store::Sqlite);
    let missing = Registry::open(&place.settings, kept(&[&RESIDENT]), Missing::Add).unwrap_err();
    assert!(matches!(missing, RegistryFault::Absent(_)));
    Registry::create(&place.settings, &kept(&[&RESIDENT])).unwrap();
    assert!(matches!(
        Registry::create(&place.settings, &kept(&[&RESIDENT])),
        Err(RegistryFault::Exists(_))
    ));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.sqlite().path), 0o600);
    assert_eq!(mode(place.sqlite().path.parent().unwrap()), 0o700);
    assert!(place.folder.path().exists());
}

#[test]
fn the_writer_syncs_each_commit_and_readers_cannot_write() {
    let place = Place::new(Store::Sqlite);
    let settings = place.sqlite();
    Registry::create(&place.settings, &kept(&[&RESIDENT])).unwrap();
    let writer = super::open(settings).unwrap();
    let pragma = |name: &str| {
        writer
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .unwrap()
    };
    assert_eq!(pragma("synchronous"), 2.into());
    assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
    assert_eq!(pragma("trusted_schema"), 0.into());
    assert_eq!(pragma("wal_autocheckpoint"), 16_384.into());
    let reader = super::open_reader(settings).unwrap();
    assert!(reader.execute("DELETE FROM person", []).is_err());
}

#[test]
fn reading_a_dataset_never_sorts() {
    let tables = kept(&[&RESIDENT, &DEATH, &CERTIFICATE, &ESTABLISHMENT, &TAX]);
    let (place, _registry) = Place::with(Store::Sqlite, &tables);
    let reader = super::open_reader(place.sqlite()).unwrap();
    let selects = Dataset::ALL.into_iter().flat_map(|dataset| {
        let names: Vec<&str> = dataset.fields().iter().map(|field| field.name).collect();
        [
            dataset::select(Dialect::Sqlite, dataset, &tables, &names),
            dataset::select_changed(Dialect::Sqlite, dataset, &tables, &names, "0"),
        ]
    });
    for select in selects {
        let text = format!("EXPLAIN QUERY PLAN SELECT * FROM ({select}) ORDER BY _subject");
        let mut statement = reader.prepare(&text).unwrap();
        let steps: Vec<String> = statement
            .query_map([], |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let outer = steps.iter().filter(|step| step.contains("TEMP B-TREE")).count();
        // Only the newest row of one subject is ever sorted.
        let inner = steps
            .iter()
            .filter(|step| step.contains("CORRELATED SCALAR SUBQUERY"))
            .count();
        assert!(outer <= inner, "{steps:#?}");
        assert!(steps.iter().any(|step| step.contains("SCAN p")), "{steps:#?}");
    }
}

#[test]
fn an_end_that_is_not_committed_leaves_neither_closings_nor_a_place_and_keeps_the_stamps() {
    let tables = kept(&[&RESIDENT]);
    let place = Place::new(Store::Sqlite);
    Registry::create(&place.settings, &tables).unwrap();
    let mut connection = super::open(place.sqlite()).unwrap();
    let row = |id| whole(&RESIDENT, &[&[id, "甲", "-", "-", "-"]]);
    let mut held = part(&RESIDENT, 3, 0, row(ANNA));
    held.snapshot = true;
    let before = [part(&RESIDENT, 1, 0, row(ANNA)), part(&RESIDENT, 2, 0, row(BORIS))];
    super::merge_parts(&mut connection, &tables, &before).unwrap();
    super::merge_parts(&mut connection, &tables, std::slice::from_ref(&held)).unwrap();
    let ending = Ending {
        exchange: held.exchange,
        leaf: held.leaf,
        record: held.record,
        partner: held.partner,
        received_us: held.received_us,
        scope: None,
        keep: false,
        held: Arc::default(),
    };
    let transaction = connection.transaction().unwrap();
    let closed = super::ending::close_in(&transaction, &tables, &ending, "").unwrap();
    assert_eq!((closed.rows, closed.after.is_none()), (1, true));
    drop(transaction);
    let counts = || {
        let closed = "SELECT count(*) FROM public_security_resident WHERE _open = 0";
        let begun = "SELECT count(*) FROM relay_progress WHERE close_after IS NOT NULL";
        [
            closed,
            "SELECT count(*) FROM history",
            begun,
            "SELECT count(*) FROM snapshot_held",
        ]
        .map(|sql| place.query(sql).concat())
    };
    assert_eq!(counts(), ["0", "0", "0", "1"]);
    assert_eq!(
        super::ending::close(&mut connection, &tables, &ending, "").unwrap(),
        closed
    );
    assert_eq!(counts(), ["1", "1", "1", "0"]);
}

/// Fails where a statement on given rows reads a table from its beginning to its end. Whatever a test asks about numbers and rivals passes by here, so what
/// no test asks is not covered, and nothing else is left out.
pub(super) fn assert_read_by_keys(connection: &Connection, text: &str) {
    thread_local!(static KNOWN: RefCell<BTreeSet<String>> = RefCell::default());
    if !KNOWN.with_borrow_mut(|known| known.insert(text.to_owned())) {
        return;
    }
    let mut explain = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {}", text.replace("?1", "'[]'")))
        .unwrap();
    let steps = explain.query_map([], |row| row.get::<_, String>(3)).unwrap();
    // What is given, and what was found of it. A recall looks once through all lines.
    let few = [
        "SCAN json_each",
        "SCAN g",
        "SCAN given",
        "SCAN s",
        "SCAN step",
        "SCAN CONSTANT",
    ];
    let whole = |step: &String| {
        let scans = step.starts_with("SCAN") && !few.iter().any(|few| step.split(" VIRTUAL").next() == Some(few));
        let recalls = step == "SCAN discrepancy" && text.contains("other_exchange = ");
        scans && !recalls || step.contains("AUTOMATIC")
    };
    let wholes: Vec<String> = steps.map(Result::unwrap).filter(whole).collect();
    assert!(wholes.is_empty(), "{wholes:?}: {text}");
}

/// A store that counts what it was answered.
struct Counting<'c> {
    store: super::numbers::Within<'c>,
    answers: usize,
}

impl Asked for Counting<'_> {
    const DIALECT: Dialect = Dialect::Sqlite;

    async fn ask<const N: usize>(&mut self, text: &str, given: &[[&str; N]]) -> Result<Found, RegistryFault> {
        let found = self.store.ask(text, given).await?;
        self.answers += found.len();
        Ok(found)
    }
}

/// How many rows are read for one row of a placeholder that so many other rows hold.
fn answers_about(record: &'static str, columns: &[&str], others: &[Vec<String>], one: Vec<String>) -> usize {
    let names = ["commerce/establishment", "commerce/change", "public-security/change"];
    let records: Vec<&'static RecordType> = names.iter().map(|name| record_type(name).unwrap()).collect();
    let tables = kept(&records);
    let place = Place::new(Store::Sqlite);
    Registry::create(&place.settings, &tables).unwrap();
    let mut connection = super::open(place.sqlite()).unwrap();
    let record = record_type(record).unwrap();
    let mut send = |leaf, rows: &[Vec<String>]| {
        let cells: Vec<Vec<&str>> = rows
            .iter()
            .map(|row| row.iter().map(String::as_str).collect())
            .collect();
        let cells: Vec<&[&str]> = cells.iter().map(Vec::as_slice).collect();
        let sent = part(record, leaf, 0, batch(record, columns, &cells));
        super::merge_parts(&mut connection, &tables, &[sent]).unwrap();
    };
    send(1, others);
    send(2, &[one]);
    let query = format!("SELECT _key FROM {} WHERE _leaf = 2", table_name(record.name));
    let mut touched = Touched::by(record.name, 0, Uuid::nil());
    touched.keys.extend(place.query(&query));
    let mut store = Counting {
        store: super::numbers::Within(&connection),
        answers: 0,
    };
    at_once(numbers::settle(&mut store, &tables, &mut touched)).unwrap();
    store.answers
}

#[test]
fn a_row_with_a_placeholder_costs_the_same_however_many_rows_hold_it() {
    let zeros = "0000000000000".to_owned();
    let notice = |serial: usize, uscc: String| vec![uscc, zeros.clone(), serial.to_string()];
    let notices = |rows: usize| {
        // Half of them say another organisation code, half none.
        let all = (0..rows).flat_map(|row| [notice(row, format!("91320706{row:09}0")), notice(row, "-".into())]);
        let all: Vec<Vec<String>> = all.collect();
        answers_about(
            "commerce/change",
            &["uscc", "reg_no", "serial"],
            &all,
            notice(rows, "-".into()),
        )
    };
    assert_eq!(notices(30), notices(300));
    let number = |place: usize| {
        let first = format!("3207061{:03}0101000", 800 + place % 100).replacen(
            "320706",
            &format!("{:06}", 320_700 + place / 100),
            1,
        );
        let check = adapters::value::citizen_id::check_character(first.as_bytes().try_into().unwrap());
        format!("{first}{}", check.unwrap())
    };
    let correction = |place: usize| {
        let (wrong, right) = (number(0), number(place));
        vec![right.clone(), "公民身份号码".into(), wrong, right, "1950-01-01".into()]
    };
    let corrections = |rows: usize| {
        let all: Vec<Vec<String>> = (1..=rows).map(correction).collect();
        let columns = ["citizen_id", "item", "before", "after", "change_date"];
        answers_about("public-security/change", &columns, &all, correction(rows + 1))
    };
    assert_eq!(corrections(30), corrections(300));
}
