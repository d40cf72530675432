//! What only the file promises: its mode, its pragmas, strict tables, plans without sorting.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::Arc;

use policies::dataset::Dataset;
use shuguan_policies as policies;

use crate::registry::dataset::{self, Dialect};
use crate::registry::tests::fixture::{
    ANNA, BORIS, CERTIFICATE, DEATH, ESTABLISHMENT, RESIDENT, TAX, kept, part, whole,
};
use crate::registry::tests::store::{Place, Store};
use crate::registry::{Counts, Ending, Registry, RegistryFault};

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
    let missing = Registry::open(&place.settings, kept(&[&RESIDENT]), true).unwrap_err();
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
    for dataset in Dataset::ALL {
        let text = format!(
            "EXPLAIN QUERY PLAN SELECT * FROM ({}) ORDER BY _subject",
            dataset::select(Dialect::Sqlite, dataset, &tables)
        );
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
