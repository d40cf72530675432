use super::fixture::{ANNA, DEATH, RESIDENT, batch, kept, part, whole};
use super::store::{Place, Store, dialect, on_both_stores};
use crate::registry::schema::{ColumnSpec, ColumnType, TableBuilder, TableSpec, describe, table_name};
use crate::registry::{Missing, Registry, RegistryFault};

on_both_stores! {
    a_column_that_drifted_is_refused_with_the_migration_and_the_migration_works,
    new_columns_and_tables_are_refused_until_migrated_and_lose_nothing,
    the_example_bundle_makes_a_registry_with_both_datasets,
    a_registry_is_made_once,
}

#[test]
fn tables_are_named_after_record_types_and_every_line_of_a_description_is_chinese() {
    assert_eq!(table_name("public-security/resident"), "public_security_resident");
    let lines = describe(&kept(&[&RESIDENT, &DEATH]));
    assert!(
        lines.iter().all(|line| !line.zh.is_empty() && !line.zh.is_ascii()),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| (line.table.as_str(), line.column.as_str(), line.kind)
                == ("public_security_death", "_leaf", "integer"))
    );
}

fn column(name: &'static str, kind: ColumnType) -> ColumnSpec {
    ColumnSpec {
        name,
        zh: "字段",
        kind,
        identifies: true,
        plain: true,
    }
}

fn resident(columns: Vec<ColumnSpec>) -> Vec<TableSpec> {
    vec![TableSpec::new(&RESIDENT, columns).unwrap()]
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

async fn a_column_that_drifted_is_refused_with_the_migration_and_the_migration_works(store: Store) {
    let old = resident(vec![
        column("citizen_id", ColumnType::Text),
        column("birth_date", ColumnType::Date),
    ]);
    let (place, registry) = Place::with(store, &old);
    let born = batch(&RESIDENT, &["citizen_id", "birth_date"], &[&[ANNA, "1880-02-29"]]);
    registry.merge(part(&RESIDENT, 1, 0, born)).await.unwrap();
    registry.close().await;
    let new = resident(vec![
        column("citizen_id", ColumnType::Text),
        column("birth_date", ColumnType::Text),
    ]);
    let fault = Registry::open(&place.settings, new.clone(), Missing::Add).unwrap_err();
    let RegistryFault::ColumnDiffers { migration, .. } = &fault else {
        unreachable!("{fault}")
    };
    let (statements, _then) = migration.split_once("; then").unwrap();
    place.execute(statements);
    Registry::open(&place.settings, new, Missing::Add)
        .unwrap()
        .close()
        .await;
    assert_eq!(
        place.query("SELECT birth_date, birth_date_as_date FROM public_security_resident"),
        ["- 1880-02-29"]
    );
}

async fn new_columns_and_tables_are_refused_until_migrated_and_lose_nothing(store: Store) {
    let old = resident(vec![column("citizen_id", ColumnType::Text)]);
    let (place, registry) = Place::with(store, &old);
    let first = batch(&RESIDENT, &["citizen_id"], &[&[ANNA]]);
    registry.merge(part(&RESIDENT, 1, 0, first)).await.unwrap();
    registry.close().await;
    let new = kept(&[&RESIDENT, &DEATH]);
    let fault = Registry::open(&place.settings, new.clone(), Missing::Refuse).unwrap_err();
    assert_eq!(fault.code(), "SG6206");
    let text = fault.to_string().replace("TEXT", "text");
    for word in [
        "public_security_resident.name",
        "public_security_death",
        "`shuguan db migrate`",
        "ADD COLUMN name text",
    ] {
        assert!(text.contains(word), "{text}");
    }
    let registry = Registry::open(&place.settings, new.clone(), Missing::Add).unwrap();
    let second = whole(&RESIDENT, &[&[ANNA, "甲", "-", "320706", "-"]]);
    assert_eq!(
        registry.merge(part(&RESIDENT, 2, 0, second)).await.unwrap().counts.upd,
        1
    );
    registry.close().await;
    Registry::open(&place.settings, new, Missing::Refuse)
        .unwrap()
        .close()
        .await;
    // Fewer columns in the plans take nothing away.
    Registry::open(&place.settings, old, Missing::Add)
        .unwrap()
        .close()
        .await;
    assert_eq!(place.query("SELECT name FROM public_security_resident"), ["甲"]);
}

async fn the_example_bundle_makes_a_registry_with_both_datasets(store: Store) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
    let policies = shuguan_policies::PolicySet::load(&folder).unwrap();
    let tables = crate::registry::schema::tables(policies.plans()).unwrap();
    let (place, registry) = Place::with(store, &tables);
    assert!(registry.tables().len() >= 5);
    for dataset in shuguan_policies::Dataset::ALL {
        let views = crate::registry::dataset::views(dialect(store), &tables);
        let (_, sql) = views.iter().find(|(name, _)| *name == dataset.name()).unwrap();
        assert!(sql.contains("LEFT JOIN"), "{sql}");
        assert_eq!(place.query(&format!("SELECT count(*) FROM {}", dataset.name())), ["0"]);
    }
}

async fn a_registry_is_made_once(store: Store) {
    let place = Place::new(store);
    let missing = Registry::open(&place.settings, kept(&[&RESIDENT]), Missing::Refuse).unwrap_err();
    assert!(matches!(
        missing,
        RegistryFault::Absent(_) | RegistryFault::Behind { .. }
    ));
    Registry::create(&place.settings, &kept(&[&RESIDENT])).unwrap();
    let again = Registry::create(&place.settings, &kept(&[&RESIDENT])).unwrap_err();
    assert_eq!(again.code(), "SG6202");
}
