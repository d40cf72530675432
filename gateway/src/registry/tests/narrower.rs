//! Batches that were sealed under a bundle that released more than the one that a start knows.

use std::sync::Arc;

use uuid::Uuid;

use super::discrepancies::{DEATH, merge, rows, tables};
use super::fixture::{ANNA, BORIS, received};
use super::store::{Place, Store, on_both_stores};
use crate::registry::schema::TableSpec;
use crate::registry::{Recall, RegistryFault, Remedy};

on_both_stores! {
    what_is_written_or_recalled_after_a_narrower_bundle_and_a_start_keeps_nothing_of_what_was_withdrawn,
    a_batch_sealed_before_a_narrower_bundle_and_a_start_is_merged_with_all_that_it_has,
    a_column_that_the_database_never_had_is_refused_for_its_batch_alone,
    what_is_taken_away_needs_no_answer_of_the_registry_and_what_is_reduced_does,
}

const COLUMNS: &str = "citizen_id name police_station";

fn without(column: &str) -> Vec<TableSpec> {
    let mut narrow = tables(&[DEATH]);
    for table in &mut narrow {
        table.columns.retain(|other| other.name != column);
    }
    narrow
}

async fn a_batch_sealed_before_a_narrower_bundle_and_a_start_is_merged_with_all_that_it_has(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[DEATH]));
    merge(&registry, [rows(DEATH, 1, COLUMNS, &[&format!("{ANNA} 甲 320706")])]).await;
    registry.close().await;
    // The bundle has lost the column since, and the process has started anew.
    let registry = place.open(&without("police_station"));
    merge(&registry, [rows(DEATH, 2, COLUMNS, &[&format!("{BORIS} 乙 320707")])]).await;
    // What comes under the new bundle goes on beside it.
    merge(&registry, [rows(DEATH, 3, "citizen_id name", &[&format!("{ANNA} 丙")])]).await;
    let stations = "SELECT name, police_station FROM public_security_death ORDER BY name";
    assert_eq!(place.query(stations), ["丙 -", "乙 320707"]);
    registry.close().await;
}

async fn what_is_written_or_recalled_after_a_narrower_bundle_and_a_start_keeps_nothing_of_what_was_withdrawn(
    store: Store,
) {
    let (place, registry) = Place::with(store, &tables(&[DEATH]));
    let both = [format!("{ANNA} 甲 320706"), format!("{BORIS} 乙 320707")];
    merge(
        &registry,
        [rows(DEATH, 1, COLUMNS, &both.each_ref().map(String::as_str))],
    )
    .await;
    registry.close().await;
    let registry = place.open(&without("police_station"));
    merge(&registry, [rows(DEATH, 2, "citizen_id name", &[&format!("{ANNA} 丙")])]).await;
    let stations = "SELECT name, police_station, _open FROM public_security_death ORDER BY citizen_id";
    assert_eq!(place.query(stations), ["丙 - 1", "乙 320707 1"]);
    let recall = Arc::new(Recall {
        exchange: Uuid::from_u128(3),
        leaf: 3,
        push: Uuid::from_u128(1),
        push_leaf: 1,
        record: DEATH.into(),
        partner: "public-security-city".into(),
        received_us: received(3),
    });
    while !registry.recall(Arc::clone(&recall)).await.unwrap().done {}
    assert_eq!(place.query(stations), ["丙 - 1", "- - 0"]);
    registry.close().await;
}

async fn a_column_that_the_database_never_had_is_refused_for_its_batch_alone(store: Store) {
    let (place, registry) = Place::with(store, &without("police_station"));
    let wide = rows(DEATH, 1, COLUMNS, &[&format!("{ANNA} 甲 320706")]);
    let fault = registry.merge(wide).await.unwrap_err();
    assert!(matches!(fault, RegistryFault::UnknownColumn { .. }), "{fault}");
    assert_eq!(fault.remedy(), Remedy::SetAside);
    merge(
        &registry,
        [rows(DEATH, 2, "citizen_id name", &[&format!("{BORIS} 乙")])],
    )
    .await;
    assert_eq!(place.query("SELECT count(*) FROM public_security_death"), ["1"]);
    registry.close().await;
}

async fn what_is_taken_away_needs_no_answer_of_the_registry_and_what_is_reduced_does(store: Store) {
    let (_place, registry) = Place::with(store, &tables(&[DEATH]));
    assert!(registry.knows(&tables(&[DEATH])));
    assert!(registry.knows(&without("police_station")), "a column is gone");
    assert!(registry.knows(&[]), "all is gone");
    let mut reduced = tables(&[DEATH]);
    for column in reduced.iter_mut().flat_map(|table| &mut table.columns) {
        column.plain &= column.name != "name";
    }
    // Its rules would compare a masked name with a whole one.
    assert!(!registry.knows(&reduced));
    registry.close().await;
    let (_place, registry) = Place::with(store, &without("police_station"));
    assert!(!registry.knows(&tables(&[DEATH])), "a column comes");
    registry.close().await;
}
