//! Keys of rejected records that nobody has a row of: kept while an older batch may bring one, and no longer.

use super::closing::{acts, ended, ending, merged, put};
use super::fixture::{ANNA, RESIDENT, kept};
use super::store::{Place, Store, on_both_stores};
use crate::registry::{Ending, Part, Registry};

on_both_stores! {
    keys_of_rejected_records_that_nobody_has_go_when_eight_newer_snapshots_have_ended,
    while_an_older_batch_is_set_aside_none_of_them_goes,
    a_key_that_has_a_row_stays_stamped,
}

const STAMPS: &str = "SELECT row_key FROM snapshot_seen ORDER BY row_key";

fn id(number: u64) -> String {
    format!("32070618800101{number:03}0")
}

/// A snapshot of Anna that had to reject one record of somebody whom nobody has.
fn rejecting(leaf: u64) -> Part {
    let stranger = id(leaf);
    let mut part = acts(
        leaf,
        &[
            ("U", [ANNA, "甲", "-", "-", "-"]),
            ("N", [stranger.as_str(), "-", "-", "-", "-"]),
        ],
    );
    part.snapshot = true;
    part
}

async fn snapshots(registry: &Registry, leaves: std::ops::RangeInclusive<u64>, keep: bool) {
    for leaf in leaves {
        merged(registry, rejecting(leaf)).await;
        let ending = Ending {
            keep,
            ..(*ending(leaf, None)).clone()
        };
        ended(registry, &ending.into()).await;
    }
}

async fn keys_of_rejected_records_that_nobody_has_go_when_eight_newer_snapshots_have_ended(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    snapshots(&registry, 2..=9, false).await;
    assert_eq!(place.query(STAMPS), (2..=9).map(id).collect::<Vec<_>>());
    snapshots(&registry, 10..=12, false).await;
    assert_eq!(place.query(STAMPS), (5..=12).map(id).collect::<Vec<_>>());
}

async fn while_an_older_batch_is_set_aside_none_of_them_goes(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    snapshots(&registry, 2..=13, true).await;
    assert_eq!(place.query(STAMPS), (2..=13).map(id).collect::<Vec<_>>());
    snapshots(&registry, 14..=14, false).await;
    assert_eq!(
        place.query(STAMPS),
        [2].into_iter().chain(7..=14).map(id).collect::<Vec<_>>(),
        "four an end"
    );
}

async fn a_key_that_has_a_row_stays_stamped(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    snapshots(&registry, 2..=2, false).await;
    // Closed by the snapshots that did not hold it.
    merged(&registry, put(3, &[[&id(2), "乙", "-", "-", "-"]])).await;
    snapshots(&registry, 4..=12, false).await;
    assert!(place.query(STAMPS).contains(&id(2)));
}
