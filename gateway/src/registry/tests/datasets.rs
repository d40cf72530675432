use std::ops::ControlFlow;

use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use policies::dataset::Dataset;
use {shuguan_adapters as adapters, shuguan_policies as policies};

use super::changes::as_of;
use super::fixture::{ANNA, BORIS, CERTIFICATE, DEATH, ESTABLISHMENT, RESIDENT, TAX, kept, part, whole};
use super::store::{Place, Store, dialect, on_both_stores};
use crate::registry::{Registry, Selection, dataset, dataset_schema};

on_both_stores! {
    population_takes_sources_in_order_and_two_reports_of_one_day_make_a_death_certain,
    a_death_report_of_somebody_unknown_makes_no_person_in_the_population,
    enterprises_join_credit_code_and_organisation_code,
    views_have_exactly_the_fields_of_the_datasets_whatever_feeds_them,
    reading_gives_the_asked_fields_in_order_of_the_subject,
    reading_selects_by_division_and_by_time,
    reading_stops_when_told,
    every_column_that_a_dataset_draws_on_is_in_the_catalogue_of_its_record_type,
}

const ALL: &[&str] = &[
    "citizen_id",
    "name",
    "birth_date",
    "death_date",
    "death_certainty",
    "source",
    "updated_at",
];

/// One text per row: the citizen ids that a reading gives.
pub(super) fn ids(registry: &Registry, selection: &Selection) -> Vec<String> {
    ids_with(registry, &["citizen_id"], selection)
}

/// Ids, the first of the fields that are read.
pub(super) fn ids_with(registry: &Registry, fields: &[&str], selection: &Selection) -> Vec<String> {
    let mut ids = Vec::new();
    let read = registry.read(Dataset::Population, fields, selection, &mut |batch| {
        ids.extend(
            batch
                .column(0)
                .as_string::<i32>()
                .iter()
                .map(|id| id.unwrap().to_owned()),
        );
        ControlFlow::Continue(())
    });
    assert_eq!(read.unwrap().rows, ids.len() as u64);
    ids
}

async fn population_takes_sources_in_order_and_two_reports_of_one_day_make_a_death_certain(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT, &DEATH, &CERTIFICATE]));
    let people = whole(
        &RESIDENT,
        &[
            &[ANNA, "甲", "1880-02-29", "320706", "-"],
            &[BORIS, "乙", "1885-03-15", "320707", "-"],
        ],
    );
    registry.merge(part(&RESIDENT, 1, 0, people)).await.unwrap();
    let query = "SELECT citizen_id, death_date, death_certainty, source, hukou_region, residence_region, ethnicity FROM population ORDER BY citizen_id";
    let alive = format!("{ANNA} - - public-security/resident 320706 - -");
    assert_eq!(place.query(query)[0], alive);
    let certificate = whole(&CERTIFICATE, &[&["D1", ANNA, "1950-01-02"]]);
    registry.merge(part(&CERTIFICATE, 2, 0, certificate)).await.unwrap();
    assert!(place.query(query)[0].contains("1950-01-02 suspected"));
    // A cancellation without a date of death, then one with it, older: the date counts.
    let cancelled = whole(
        &DEATH,
        &[&[ANNA, "1950-01-01", "1950-01-03"], &[ANNA, "-", "1950-02-03"]],
    );
    registry.merge(part(&DEATH, 3, 0, cancelled)).await.unwrap();
    // Two days of one death are no agreement.
    assert!(place.query(query)[0].contains("1950-01-01 suspected"));
    let corrected = whole(&CERTIFICATE, &[&["D1", ANNA, "1950-01-01"]]);
    registry.merge(part(&CERTIFICATE, 4, 0, corrected)).await.unwrap();
    assert!(place.query(query)[0].contains("1950-01-01 certain"));
    assert!(place.query(query)[1].contains(" - - public-security/resident"));
    assert_eq!(
        place.query("SELECT citizen_id FROM population ORDER BY updated_at"),
        [BORIS, ANNA]
    );
}

async fn a_death_report_of_somebody_unknown_makes_no_person_in_the_population(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT, &DEATH]));
    let sent = whole(&DEATH, &[&[ANNA, "1950-01-01", "-"]]);
    registry.merge(part(&DEATH, 1, 0, sent)).await.unwrap();
    assert_eq!(place.query("SELECT count(*) FROM population"), ["0"]);
    assert_eq!(place.query("SELECT citizen_id FROM person"), [ANNA]);
}

async fn enterprises_join_credit_code_and_organisation_code(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&ESTABLISHMENT, &TAX]));
    let firm = whole(&ESTABLISHMENT, &[&["91320700MA1000000X", "-", "甲厂", "1999-01-01"]]);
    registry.merge(part(&ESTABLISHMENT, 1, 0, firm)).await.unwrap();
    let taxed = whole(
        &TAX,
        &[
            &["1", "320700MA1000000", "MA1000000", "甲厂有限", "03"],
            &["2", "320700000000099", "-", "乙店", "03"],
        ],
    );
    registry.merge(part(&TAX, 2, 0, taxed)).await.unwrap();
    assert_eq!(
        place.query("SELECT uscc, org_code, taxpayer_id, name, taxpayer_status, established_on, region, source FROM enterprises ORDER BY name"),
        [
            "- - 320700000000099 乙店 03 - - tax/registration",
            "91320700MA1000000X MA1000000 320700MA1000000 甲厂 03 1999-01-01 320700 commerce/establishment",
        ]
    );
}

async fn views_have_exactly_the_fields_of_the_datasets_whatever_feeds_them(store: Store) {
    for tables in [
        kept(&[]),
        kept(&[&RESIDENT]),
        kept(&[&RESIDENT, &DEATH, &CERTIFICATE, &ESTABLISHMENT, &TAX]),
    ] {
        let (place, _registry) = Place::with(store, &tables);
        for dataset in Dataset::ALL {
            let names = place.columns(dataset.name());
            let fields: Vec<&str> = dataset.fields().iter().map(|field| field.name).collect();
            assert_eq!(names, fields);
            assert_eq!(place.query(&format!("SELECT count(*) FROM {}", dataset.name())), ["0"]);
        }
    }
}

async fn reading_gives_the_asked_fields_in_order_of_the_subject(store: Store) {
    let (_place, registry) = Place::with(store, &kept(&[&RESIDENT, &DEATH]));
    let people = whole(
        &RESIDENT,
        &[
            &[BORIS, "乙", "1885-03-15", "320707", "-"],
            &[ANNA, "甲", "1880-02-29", "320706", "-"],
        ],
    );
    registry.merge(part(&RESIDENT, 1, 0, people)).await.unwrap();
    let mut batches = Vec::new();
    let read = registry.read(Dataset::Population, ALL, &Selection::all(), &mut |batch| {
        batches.push(batch);
        ControlFlow::Continue(())
    });
    assert_eq!((read.unwrap().rows, batches.len()), (2, 1));
    assert_eq!(batches[0].schema(), dataset_schema(Dataset::Population, ALL));
    assert_eq!(batches[0].column(1).as_string::<i32>().value(0), "甲");
    let born = batches[0].column(2).as_primitive::<Date32Type>();
    assert_eq!(born.value(1), crate::registry::day::from_text("1885-03-15").unwrap());
    assert_eq!(batches[0].column(3).null_count(), 2);
}

async fn reading_selects_by_division_and_by_time(store: Store) {
    let (_place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let first = whole(&RESIDENT, &[&[ANNA, "甲", "-", "320706", "-"]]);
    registry.merge(part(&RESIDENT, 1, 0, first)).await.unwrap();
    let later = as_of(&registry) + 1;
    let second = whole(&RESIDENT, &[&[BORIS, "乙", "-", "320921", "-"]]);
    registry.merge(part(&RESIDENT, 2, 0, second)).await.unwrap();
    let within = |region: &str| Selection::all().within(region).unwrap();
    assert_eq!(ids(&registry, &within("320700")), [ANNA]);
    assert_eq!(ids(&registry, &within("320000")), [ANNA, BORIS]);
    assert_eq!(ids(&registry, &within("320921")), [BORIS]);
    assert_eq!(ids(&registry, &Selection::all().since(later)), [BORIS]);
    assert_eq!(ids(&registry, &within("3207").since(later)), Vec::<String>::new());
    assert!(Selection::all().within("32'or1").is_none());
}

async fn reading_stops_when_told(store: Store) {
    let tables = kept(&[&RESIDENT, &DEATH, &CERTIFICATE, &ESTABLISHMENT, &TAX]);
    let (_place, registry) = Place::with(store, &tables);
    let rows: Vec<String> = (0..9_000).map(|n| format!("3207061880{n:08}")).collect();
    let rows: Vec<[&str; 5]> = rows.iter().map(|id| [id.as_str(), "甲", "-", "-", "-"]).collect();
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 5]>::as_slice).collect();
    registry
        .merge(part(&RESIDENT, 1, 0, whole(&RESIDENT, &rows)))
        .await
        .unwrap();
    let mut sizes = Vec::new();
    let read = registry.read(Dataset::Population, &["name"], &Selection::all(), &mut |batch| {
        sizes.push(batch.num_rows());
        ControlFlow::Break(())
    });
    assert_eq!((read.unwrap().rows, sizes.as_slice()), (1_024, &[1_024][..]));
    assert_eq!(ids(&registry, &Selection::all()).len(), 9_000);
}

async fn every_column_that_a_dataset_draws_on_is_in_the_catalogue_of_its_record_type(store: Store) {
    let tables: Vec<_> = adapters::catalogue::record_types()
        .map(|record| crate::registry::schema::keep_all(record).unwrap())
        .collect();
    let (place, _registry) = Place::with(store, &tables);
    let views = dataset::views(dialect(store), &tables);
    for (dataset, fields) in [
        (Dataset::Population, &["death_certainty", "source", "updated_at"][..]),
        (
            Dataset::Enterprises,
            &["source", "updated_at", "closed_on", "region"][..],
        ),
    ] {
        assert_eq!(place.query(&format!("SELECT count(*) FROM {}", dataset.name())), ["0"]);
        let (_, sql) = views.iter().find(|(name, _)| *name == dataset.name()).unwrap();
        for field in fields {
            assert!(!nulls(sql).contains(&(*field).to_owned()), "{field}");
        }
    }
    // Every field has a source.
    let nulls: Vec<String> = views.iter().flat_map(|(_, sql)| nulls(sql)).collect();
    assert_eq!(nulls, [""; 0]);
}

/// Fields that are a typed NULL in a view.
fn nulls(sql: &str) -> Vec<String> {
    let behind = sql.split("CAST(NULL AS ").skip(1);
    let named = behind.filter_map(|rest| rest.split_once(" AS ").map(|(_, rest)| rest));
    named
        .map(|rest| rest.split([',', ' ']).next().unwrap().to_owned())
        .collect()
}
