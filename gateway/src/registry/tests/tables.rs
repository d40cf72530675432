use super::fixture::{ANNA, DEATH, Place, RESIDENT, batch, kept, part, whole};
use crate::registry::schema::{ColumnSpec, ColumnType, TableBuilder, TableSpec, table_name};
use crate::registry::{Registry, RegistryFault, RegistrySettings, sqlite};

fn column(name: &'static str, kind: ColumnType) -> ColumnSpec {
    ColumnSpec {
        name,
        zh: "字段",
        kind,
        identifies: true,
    }
}

fn resident(columns: Vec<ColumnSpec>) -> Vec<TableSpec> {
    vec![TableSpec::new(&RESIDENT, columns).unwrap()]
}

#[test]
fn tables_are_named_after_record_types_and_every_column_has_a_chinese_comment() {
    assert_eq!(table_name("public-security/resident"), "public_security_resident");
    let (place, _registry) = Place::with(&kept(&[&RESIDENT, &DEATH]));
    let bare = "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
                LEFT JOIN column_comment d ON d.table_name = t.name AND d.column_name = c.name \
                WHERE t.type = 'table' AND t.name <> 'column_comment' AND d.zh IS NULL";
    assert_eq!(place.query(bare), Vec::<String>::new());
    let loose = "SELECT name FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND strict = 0";
    assert_eq!(place.query(loose), Vec::<String>::new());
}

#[test]
fn two_plans_that_give_a_column_two_types_are_refused() {
    let mut builder = TableBuilder::default();
    builder.add(&RESIDENT, column("citizen_id", ColumnType::Text)).unwrap();
    builder.add(&RESIDENT, column("birth_date", ColumnType::Date)).unwrap();
    let fault = builder
        .add(&RESIDENT, column("birth_date", ColumnType::Text))
        .unwrap_err();
    assert_eq!(fault.code(), "SG6204");
}

#[test]
fn plans_without_a_natural_key_are_refused() {
    let mut builder = TableBuilder::default();
    builder.add(&RESIDENT, column("name", ColumnType::Text)).unwrap();
    assert!(matches!(builder.finish(), Err(RegistryFault::NoKey { .. })));
    let mut masked = column("citizen_id", ColumnType::Text);
    masked.identifies = false;
    let mut builder = TableBuilder::default();
    builder.add(&RESIDENT, masked).unwrap();
    assert!(matches!(builder.finish(), Err(RegistryFault::NoKey { .. })));
}

#[tokio::test]
async fn a_column_that_drifted_is_refused_with_the_migration_and_the_migration_works() {
    let old = resident(vec![
        column("citizen_id", ColumnType::Text),
        column("birth_date", ColumnType::Date),
    ]);
    let (place, registry) = Place::with(&old);
    let born = batch(&RESIDENT, &["citizen_id", "birth_date"], &[&[ANNA, "1880-02-29"]]);
    registry.merge(part(&RESIDENT, 1, 0, born)).await.unwrap();
    registry.close().await;
    let new = resident(vec![
        column("citizen_id", ColumnType::Text),
        column("birth_date", ColumnType::Text),
    ]);
    let fault = Registry::open(&place.settings, new.clone(), true).unwrap_err();
    let RegistryFault::ColumnDiffers { migration, .. } = &fault else {
        unreachable!("{fault}")
    };
    let (statements, _then) = migration.split_once("; then").unwrap();
    let connection = rusqlite::Connection::open(&place.settings.path).unwrap();
    connection.execute_batch(statements).unwrap();
    drop(connection);
    Registry::open(&place.settings, new, true).unwrap().close().await;
    assert_eq!(
        place.query("SELECT birth_date, birth_date_as_date FROM public_security_resident"),
        ["- 1880-02-29"]
    );
}

#[tokio::test]
async fn new_columns_and_tables_are_refused_until_migrated_and_lose_nothing() {
    let old = resident(vec![column("citizen_id", ColumnType::Text)]);
    let (place, registry) = Place::with(&old);
    let first = batch(&RESIDENT, &["citizen_id"], &[&[ANNA]]);
    registry.merge(part(&RESIDENT, 1, 0, first)).await.unwrap();
    registry.close().await;
    let new = kept(&[&RESIDENT, &DEATH]);
    let fault = Registry::open(&place.settings, new.clone(), false).unwrap_err();
    assert_eq!(fault.code(), "SG6206");
    let text = fault.to_string();
    for word in [
        "public_security_resident.name",
        "public_security_death",
        "`shuguan db migrate`",
        "ADD COLUMN name TEXT",
    ] {
        assert!(text.contains(word), "{text}");
    }
    let registry = Registry::open(&place.settings, new.clone(), true).unwrap();
    let second = whole(&RESIDENT, &[&[ANNA, "甲", "-", "320706", "-"]]);
    assert_eq!(
        registry.merge(part(&RESIDENT, 2, 0, second)).await.unwrap().counts.upd,
        1
    );
    registry.close().await;
    Registry::open(&place.settings, new, false).unwrap().close().await;
    // Fewer columns in the plans take nothing away.
    Registry::open(&place.settings, old, true).unwrap().close().await;
    assert_eq!(place.query("SELECT name FROM public_security_resident"), ["甲"]);
}

#[test]
fn a_registry_is_made_once_and_never_by_opening() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let missing = Registry::open(&place.settings, kept(&[&RESIDENT]), true).unwrap_err();
    assert!(matches!(missing, RegistryFault::Absent(_)));
    Registry::create(&place.settings, &kept(&[&RESIDENT])).unwrap();
    assert!(matches!(
        Registry::create(&place.settings, &kept(&[&RESIDENT])),
        Err(RegistryFault::Exists(_))
    ));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.settings.path), 0o600);
    assert_eq!(mode(place.settings.path.parent().unwrap()), 0o700);
    assert!(place.folder.path().exists());
}

#[test]
fn the_writer_syncs_each_commit_and_readers_cannot_write() {
    let place = Place::new();
    let settings: &RegistrySettings = &place.settings;
    Registry::create(settings, &kept(&[&RESIDENT])).unwrap();
    let writer = sqlite::open(settings).unwrap();
    let pragma = |name: &str| {
        writer
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .unwrap()
    };
    assert_eq!(pragma("synchronous"), 2.into());
    assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
    assert_eq!(pragma("trusted_schema"), 0.into());
    assert_eq!(pragma("wal_autocheckpoint"), 16_384.into());
    let reader = sqlite::open_reader(settings).unwrap();
    assert!(reader.execute("DELETE FROM person", []).is_err());
}

#[test]
fn the_example_bundle_makes_a_registry_with_both_datasets() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
    let policies = shuguan_policies::PolicySet::load(&folder).unwrap();
    let tables = crate::registry::schema::tables(policies.plans()).unwrap();
    let (place, registry) = Place::with(&tables);
    assert!(registry.tables().len() >= 5);
    for dataset in shuguan_policies::Dataset::ALL {
        let sql = place.query(&format!(
            "SELECT sql FROM sqlite_schema WHERE name = '{}'",
            dataset.name()
        ));
        assert!(sql[0].contains("LEFT JOIN"), "{sql:?}");
        assert_eq!(place.query(&format!("SELECT count(*) FROM {}", dataset.name())), ["0"]);
    }
}
