//! Reports of a death against each other and against who says that the person lives.

use uuid::Uuid;

use super::{ALLOWANCE, CERTIFICATE, CREMATION, DEATH, RESIDENT, deletes, held, merge, nothing, rows, settled, tables};
use crate::registry::tests::fixture::{ANNA, received};
use crate::registry::tests::store::{Place, Store, on_both_stores};

on_both_stores! {
    a_death_is_suspected_with_one_source_and_certain_with_two,
    two_days_of_one_death_are_a_discrepancy_and_make_nothing_certain,
    a_day_that_its_source_has_corrected_is_no_second_day,
    who_is_paid_after_the_month_of_death_is_dead_and_active,
}

async fn a_death_is_suspected_with_one_source_and_certain_with_two(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH, CERTIFICATE, CREMATION]));
    let registered = |leaf, status: &str| {
        rows(
            RESIDENT,
            leaf,
            "citizen_id name person_status",
            &[&format!("{ANNA} 甲 {status}")],
        )
    };
    let cremated = rows(CREMATION, 2, "citizen_id cremated_on", &[&format!("{ANNA} 1950-01-02")]);
    merge(&registry, [registered(1, "0"), cremated]).await;
    assert_eq!(held(&place), [format!("suspected-death {ANNA} 1.1 2.1")]);
    let certified = rows(CERTIFICATE, 3, "cert_no citizen_id", &[&format!("C1 {ANNA}")]);
    merge(&registry, [certified.clone()]).await;
    assert_eq!(held(&place), [format!("dead-active {ANNA} 1.1 3.1")]);
    assert_eq!(settled(&place), [format!("suspected-death {ANNA} 1.1 2.1")]);
    let mut withdrawn = deletes(certified);
    (withdrawn.leaf, withdrawn.exchange, withdrawn.received_us) = (4, Uuid::from_u128(4), received(4));
    merge(&registry, [withdrawn]).await;
    assert_eq!(held(&place), [format!("suspected-death {ANNA} 1.1 2.1")]);
    merge(&registry, [registered(5, "1")]).await;
    assert_eq!(held(&place), nothing());
}

async fn two_days_of_one_death_are_a_discrepancy_and_make_nothing_certain(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH, CERTIFICATE, CREMATION]));
    let on = |record: &str, leaf, day: &str| {
        let (columns, key) = match record {
            CERTIFICATE => ("cert_no citizen_id death_date", "C1 "),
            _ => ("citizen_id death_date", ""),
        };
        rows(record, leaf, columns, &[&format!("{key}{ANNA} {day}")])
    };
    let alive = rows(RESIDENT, 1, "citizen_id person_status", &[&format!("{ANNA} 0")]);
    let told = "SELECT death_certainty FROM population";
    merge(
        &registry,
        [alive, on(DEATH, 2, "1950-01-01"), on(CERTIFICATE, 3, "1950-02-01")],
    )
    .await;
    let differs = format!("death-date-differs {ANNA} 2.1 3.1");
    assert_eq!(
        held(&place),
        [format!("suspected-death {ANNA} 1.1 2.1"), differs.clone()]
    );
    assert_eq!(place.query(told), ["suspected"]);
    // A third that agrees with the second makes it certain, and the first still differs, now from both.
    merge(&registry, [on(CREMATION, 4, "1950-02-01")]).await;
    assert_eq!(
        held(&place),
        [
            format!("dead-active {ANNA} 1.1 2.1"),
            differs,
            format!("death-date-differs {ANNA} 2.1 4.1")
        ]
    );
    assert_eq!(place.query(told), ["certain"]);
    merge(&registry, [on(DEATH, 5, "1950-02-01")]).await;
    assert_eq!(held(&place), [format!("dead-active {ANNA} 1.1 5.1")]);
}

async fn a_day_that_its_source_has_corrected_is_no_second_day(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH, CERTIFICATE]));
    let told = "SELECT death_date, death_certainty FROM population";
    let certificate = |leaf, number: &str, day: &str| {
        let row = format!("{number} {ANNA} {day}");
        rows(CERTIFICATE, leaf, "cert_no citizen_id death_date", &[&row])
    };
    let alive = rows(RESIDENT, 1, "citizen_id person_status", &[&format!("{ANNA} 0")]);
    let died = rows(DEATH, 2, "citizen_id death_date", &[&format!("{ANNA} 1950-01-02")]);
    merge(&registry, [alive, died, certificate(3, "C1", "1950-01-01")]).await;
    let differs = |row: &str| format!("death-date-differs {ANNA} 2.1 {row}");
    let suspected = format!("suspected-death {ANNA} 1.1 2.1");
    assert_eq!(held(&place), [suspected.clone(), differs("3.1")]);
    assert_eq!(place.query(told), ["1950-01-02 suspected"]);
    // The hospital writes it out anew, under another number; the first stays where it was.
    merge(&registry, [certificate(4, "C2", "1950-01-02")]).await;
    assert_eq!(held(&place), [format!("dead-active {ANNA} 1.1 2.1")]);
    assert_eq!(place.query(told), ["1950-01-02 certain"]);
    // What agreed before counts no more once its source says otherwise.
    merge(&registry, [certificate(5, "C3", "1950-01-03")]).await;
    assert_eq!(held(&place), [suspected, differs("5.1")]);
    assert_eq!(place.query(told), ["1950-01-02 suspected"]);
}

async fn who_is_paid_after_the_month_of_death_is_dead_and_active(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[ALLOWANCE, DEATH, CERTIFICATE]));
    let paid = |leaf, month: &str, status: &str| {
        let row = format!("D1 {ANNA} {month} {status}");
        rows(ALLOWANCE, leaf, "dibao_no citizen_id month status", &[&row])
    };
    let died = rows(DEATH, 1, "citizen_id death_date", &[&format!("{ANNA} 1950-03-31")]);
    merge(&registry, [died, paid(2, "195003", "1"), paid(3, "195004", "2")]).await;
    assert_eq!(held(&place), nothing());
    merge(&registry, [paid(4, "195004", "1")]).await;
    assert_eq!(held(&place), [format!("suspected-death {ANNA} 4.1 1.1")]);
}
