//! Who asks what changed since the last time misses nothing, however late it came and whatever became of it.

use std::ops::ControlFlow;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use policies::dataset::Dataset;
use shuguan_policies as policies;

use super::closing::with_acts;
use super::datasets::{ids, ids_with};
use super::fixture::{ALLOWANCE, ANNA, BORIS, DEATH, ESTABLISHMENT, RESIDENT, TAX, kept, part, whole};
use super::store::{Place, Store, on_both_stores};
use crate::registry::{Part, Registry, Selection};

on_both_stores! {
    what_was_received_before_a_pull_and_came_after_it_is_in_the_next,
    whose_death_is_taken_back_is_in_the_next_pull,
    what_nobody_changed_is_in_no_later_pull,
    of_who_changed_a_number_the_one_in_force_is_marked,
    a_unit_is_marked_as_a_person_is,
    marks_never_go_back,
    what_a_log_received_whose_time_was_ahead_is_told_once,
    an_older_registry_goes_by_what_was_received,
    a_time_tells_nothing_of_a_death_to_whom_deaths_are_not_told,
    a_time_tells_nothing_of_a_list_that_the_dataset_does_not_show,
}

/// The newest mark that a reading sees.
pub(super) fn as_of(registry: &Registry) -> i64 {
    let all = Selection::all();
    let read = registry.read(Dataset::Population, &["citizen_id"], &all, &mut |_| {
        ControlFlow::Continue(())
    });
    read.unwrap().as_of_us.unwrap()
}

/// Whom a pull gives that is told about deaths and asks what changed after the last one's mark. Marks are inclusive, so that none is missed; a microsecond later
/// leaves out what was in it.
fn after(registry: &Registry, mark: i64) -> Vec<String> {
    ids_with(
        registry,
        &["citizen_id", "death_date"],
        &Selection::all().since(mark + 1),
    )
}

/// The same of one that is not told about deaths.
fn after_but_deaths(registry: &Registry, mark: i64) -> Vec<String> {
    ids(registry, &Selection::all().since(mark + 1))
}

/// When each person last changed, as somebody sees it who is told those fields as well.
fn updated(registry: &Registry, beside: &[&str]) -> Vec<i64> {
    let mut times = Vec::new();
    let fields = [&["updated_at"], beside].concat();
    let read = registry.read(Dataset::Population, &fields, &Selection::all(), &mut |batch| {
        times.extend(batch.column(0).as_primitive::<TimestampMicrosecondType>().values());
        ControlFlow::Continue(())
    });
    read.unwrap();
    times
}

fn units_after(registry: &Registry, mark: i64) -> u64 {
    let since = Selection::all().since(mark + 1);
    let read = registry.read(Dataset::Enterprises, &["name"], &since, &mut |_| {
        ControlFlow::Continue(())
    });
    read.unwrap().rows
}

fn resident(leaf: u64, id: &str, name: &str) -> Part {
    part(&RESIDENT, leaf, 0, whole(&RESIDENT, &[&[id, name, "-", "320706", "-"]]))
}

async fn what_was_received_before_a_pull_and_came_after_it_is_in_the_next(store: Store) {
    let (_place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    registry.merge(resident(2, ANNA, "甲")).await.unwrap();
    let pulled = as_of(&registry);
    // It lay in the inbox meanwhile.
    registry.merge(resident(1, BORIS, "乙")).await.unwrap();
    assert_eq!(after(&registry, pulled), [BORIS]);
    assert_eq!(ids(&registry, &Selection::all().since(pulled)), [ANNA, BORIS]);
}

async fn whose_death_is_taken_back_is_in_the_next_pull(store: Store) {
    let (_place, registry) = Place::with(store, &kept(&[&RESIDENT, &DEATH]));
    registry.merge(resident(1, ANNA, "甲")).await.unwrap();
    registry.merge(resident(2, BORIS, "乙")).await.unwrap();
    let died = whole(&DEATH, &[&[ANNA, "1890-01-01", "1890-01-02"]]);
    registry.merge(part(&DEATH, 3, 0, died.clone())).await.unwrap();
    let pulled = as_of(&registry);
    let undone = with_acts(&died, std::iter::once("D"));
    registry.merge(part(&DEATH, 4, 0, undone)).await.unwrap();
    assert_eq!(after(&registry, pulled), [ANNA]);
}

async fn what_nobody_changed_is_in_no_later_pull(store: Store) {
    let (_place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    registry.merge(resident(1, ANNA, "甲")).await.unwrap();
    let pulled = as_of(&registry);
    registry.merge(resident(2, ANNA, "甲")).await.unwrap();
    assert_eq!(after(&registry, pulled), [""; 0]);
}

async fn of_who_changed_a_number_the_one_in_force_is_marked(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT, &DEATH]));
    registry.merge(resident(1, ANNA, "甲")).await.unwrap();
    registry.merge(resident(2, BORIS, "甲")).await.unwrap();
    place.execute(&format!(
        "UPDATE person SET subject = '{ANNA}' WHERE citizen_id IN ('{ANNA}', '{BORIS}')"
    ));
    let pulled = as_of(&registry);
    let died = whole(&DEATH, &[&[BORIS, "1890-01-01", "1890-01-02"]]);
    registry.merge(part(&DEATH, 3, 0, died)).await.unwrap();
    assert_eq!(after(&registry, pulled), [ANNA]);
}

async fn a_unit_is_marked_as_a_person_is(store: Store) {
    let (_place, registry) = Place::with(store, &kept(&[&ESTABLISHMENT, &TAX]));
    let established = &["91320700MA1000000X", "-", "甲厂", "1999-01-01"];
    registry
        .merge(part(&ESTABLISHMENT, 1, 0, whole(&ESTABLISHMENT, &[established])))
        .await
        .unwrap();
    let pulled = as_of(&registry);
    assert_eq!(units_after(&registry, pulled), 0);
    let registered = &["1", "-", "MA1000000", "甲厂", "03"];
    registry
        .merge(part(&TAX, 0, 0, whole(&TAX, &[registered])))
        .await
        .unwrap();
    assert_eq!(units_after(&registry, pulled), 1);
}

async fn marks_never_go_back(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    registry.merge(resident(1, ANNA, "甲")).await.unwrap();
    // Once the machine's clock was a century ahead.
    let ahead = as_of(&registry) + 100 * 365 * 86_400_000_000;
    place.execute(&format!("UPDATE registry_mark SET changed_us = {ahead}"));
    registry.merge(resident(2, BORIS, "乙")).await.unwrap();
    assert_eq!(as_of(&registry), ahead + 1);
    assert_eq!(ids(&registry, &Selection::all().since(ahead)), [BORIS]);
    // And who asks since then is not told everything again for a century.
    registry.merge(resident(3, ANNA, "丙")).await.unwrap();
    assert_eq!(ids(&registry, &Selection::all().since(as_of(&registry))), [ANNA]);
}

async fn what_a_log_received_whose_time_was_ahead_is_told_once(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    registry.merge(resident(1, ANNA, "甲")).await.unwrap();
    let pulled = as_of(&registry);
    let ahead = pulled + 365 * 86_400_000_000;
    place.execute(&format!("UPDATE public_security_resident SET _received_us = {ahead}"));
    assert!(after(&registry, pulled).is_empty());
    registry.merge(resident(2, ANNA, "乙")).await.unwrap();
    assert_eq!(after(&registry, pulled), [ANNA]);
}

async fn an_older_registry_goes_by_what_was_received(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    registry.merge(resident(1, ANNA, "甲")).await.unwrap();
    registry.merge(resident(3, BORIS, "乙")).await.unwrap();
    place.execute("UPDATE person SET changed_us = NULL");
    let received = super::fixture::received(2);
    assert_eq!(ids(&registry, &Selection::all().since(received)), [BORIS]);
}

async fn a_time_tells_nothing_of_a_death_to_whom_deaths_are_not_told(store: Store) {
    let (_place, registry) = Place::with(store, &kept(&[&RESIDENT, &DEATH]));
    registry.merge(resident(1, ANNA, "甲")).await.unwrap();
    registry.merge(resident(2, BORIS, "乙")).await.unwrap();
    let (pulled, before) = (as_of(&registry), updated(&registry, &[]));
    let died = whole(&DEATH, &[&[ANNA, "1890-01-01", "1890-01-02"]]);
    registry.merge(part(&DEATH, 3, 0, died)).await.unwrap();
    assert_eq!(after(&registry, pulled), [ANNA]);
    assert_eq!(after_but_deaths(&registry, pulled), [""; 0]);
    assert_eq!(updated(&registry, &["name", "hukou_region"]), before);
    assert_ne!(updated(&registry, &["death_certainty"]), before);
    // Also of whom a death was the first that anybody said.
    let strange = "320706189001010001";
    let died = whole(&DEATH, &[&[strange, "1891-01-01", "1891-01-02"]]);
    registry.merge(part(&DEATH, 4, 0, died)).await.unwrap();
    registry.merge(resident(5, strange, "丙")).await.unwrap();
    let pulled = as_of(&registry);
    let died = whole(&DEATH, &[&[strange, "1891-01-03", "1891-01-02"]]);
    registry.merge(part(&DEATH, 6, 0, died)).await.unwrap();
    assert_eq!(after(&registry, pulled), [strange]);
    assert_eq!(after_but_deaths(&registry, pulled), [""; 0]);
}

async fn a_time_tells_nothing_of_a_list_that_the_dataset_does_not_show(store: Store) {
    let (_place, registry) = Place::with(store, &kept(&[&RESIDENT, &DEATH, &ALLOWANCE]));
    registry.merge(resident(1, ANNA, "甲")).await.unwrap();
    let all: Vec<&str> = Dataset::Population.fields().iter().map(|field| field.name).collect();
    let beside: Vec<&str> = all.into_iter().filter(|name| *name != "updated_at").collect();
    let (pulled, before) = (as_of(&registry), updated(&registry, &beside));
    let listed = whole(&ALLOWANCE, &[&[ANNA, "189001"]]);
    registry.merge(part(&ALLOWANCE, 2, 0, listed)).await.unwrap();
    assert_eq!(after(&registry, pulled), [""; 0]);
    assert_eq!(updated(&registry, &beside), before);
}
