//! Many rows about one person: compared up to a bound, and beyond it not at all, so that nobody stops the relay by sending thousands about one.

use super::discrepancies::{DEATH, FLOATING, held, merge, nothing, rows, tables};
use super::fixture::{ANNA, BORIS};
use super::store::{Place, Store, on_both_stores};

on_both_stores! {
    a_person_with_more_rows_than_are_compared_is_not_and_others_are,
    thousands_of_rows_about_one_person_cost_no_more_than_about_many,
}

/// Permits of one person, and another's.
async fn permits(registry: &crate::registry::Registry, count: usize) {
    let permits: Vec<String> = (0..count).map(|number| format!("P{number} {ANNA} 甲")).collect();
    let permits: Vec<&str> = permits.iter().map(String::as_str).collect();
    let other = format!("Q {BORIS} 甲");
    let columns = "permit_no citizen_id name";
    merge(
        registry,
        [
            rows(FLOATING, 1, columns, &permits),
            rows(FLOATING, 2, columns, &[&other]),
        ],
    )
    .await;
}

async fn a_person_with_more_rows_than_are_compared_is_not_and_others_are(store: Store) {
    let deaths = [format!("{ANNA} 乙"), format!("{BORIS} 乙")];
    let deaths = deaths.each_ref().map(String::as_str);
    for (count, compared) in [(256, true), (257, false)] {
        let (place, registry) = Place::with(store, &tables(&[FLOATING, DEATH]));
        permits(&registry, count).await;
        assert_eq!(held(&place), nothing());
        merge(&registry, [rows(DEATH, 3, "citizen_id name", &deaths)]).await;
        let about = |person: &str| held(&place).iter().any(|line| line.contains(person));
        assert_eq!((about(ANNA), about(BORIS)), (compared, true), "{count}");
        registry.close().await;
    }
}

/// Eight thousand permits against six thousand deaths would be 48 million pairs; without the bound this takes minutes and gigabytes.
async fn thousands_of_rows_about_one_person_cost_no_more_than_about_many(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[FLOATING, DEATH]));
    permits(&registry, 8_000).await;
    let deaths: Vec<String> = (0..6_000)
        .map(|day| {
            let (year, month, date) = (1810 + day / 336, day / 28 % 12 + 1, day % 28 + 1);
            format!("{ANNA} 乙 {year:04}-{month:02}-{date:02}")
        })
        .collect();
    let deaths: Vec<&str> = deaths.iter().map(String::as_str).collect();
    merge(&registry, [rows(DEATH, 3, "citizen_id name cancel_date", &deaths)]).await;
    assert_eq!(held(&place), nothing());
    assert_eq!(place.query("SELECT count(*) FROM public_security_death"), ["6000"]);
    registry.close().await;
}
