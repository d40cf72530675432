//! Keys of rejected records that nobody has a row of: kept while an older batch may bring one, and no longer.

use super::closing::{acts, ended, ending, merged, put};
use super::fixture::{ANNA, RESIDENT, kept};
use super::store::{Place, Store, on_both_stores};
use crate::registry::merge::late::{STAMPS_MAX, forget_stamps};
use crate::registry::{Ending, Part, Registry};

on_both_stores! {
    keys_of_rejected_records_that_nobody_has_go_when_eight_newer_snapshots_have_ended,
    while_an_older_batch_is_set_aside_none_of_them_goes,
    what_was_passed_while_a_batch_was_set_aside_goes_a_bounded_piece_an_end,
    an_older_stamp_that_has_a_row_keeps_no_other_from_going,
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
    snapshots(&registry, 13..=20, false).await;
    assert_eq!(place.query(STAMPS), (13..=20).map(id).collect::<Vec<_>>());
}

async fn while_an_older_batch_is_set_aside_none_of_them_goes(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    snapshots(&registry, 2..=13, true).await;
    assert_eq!(place.query(STAMPS), (2..=13).map(id).collect::<Vec<_>>());
    snapshots(&registry, 14..=14, false).await;
    let kept: Vec<String> = (7..=14).map(id).collect();
    assert_eq!(place.query(STAMPS), kept, "as soon as none is set aside");
    snapshots(&registry, 15..=18, false).await;
    assert_eq!(place.query(STAMPS), (11..=18).map(id).collect::<Vec<_>>());
}

async fn what_was_passed_while_a_batch_was_set_aside_goes_a_bounded_piece_an_end(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    snapshots(&registry, 2..=11, true).await;
    place.execute(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {STAMPS_MAX}) \
         INSERT INTO snapshot_seen (exchange, row_key) SELECT s.exchange, 'x' || n.i FROM snapshot s, n WHERE s.leaf = 2"
    ));
    let old = "SELECT count(*) FROM snapshot_seen k JOIN snapshot s ON s.exchange = k.exchange WHERE s.leaf <= 4";
    assert_eq!(place.query(old), [(STAMPS_MAX + 3).to_string()]);
    snapshots(&registry, 12..=12, false).await;
    // Of leaf 2 all but one; 3 and 4 come later.
    assert_eq!(place.query(old), ["3"]);
    snapshots(&registry, 13..=13, false).await;
    assert_eq!(place.query(STAMPS), (6..=13).map(id).collect::<Vec<_>>());
}

async fn an_older_stamp_that_has_a_row_keeps_no_other_from_going(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    snapshots(&registry, 2..=6, true).await;
    // Five old snapshots of which nothing may go.
    let keys: Vec<String> = (2..=6).map(id).collect();
    let rows: Vec<[&str; 5]> = keys.iter().map(|key| [key.as_str(), "乙", "-", "-", "-"]).collect();
    merged(&registry, put(7, &rows)).await;
    snapshots(&registry, 8..=24, false).await;
    assert_eq!(place.query(STAMPS), (2..=6).chain(17..=24).map(id).collect::<Vec<_>>());
}

async fn a_key_that_has_a_row_stays_stamped(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    snapshots(&registry, 2..=2, false).await;
    // Closed by the snapshots that did not hold it.
    merged(&registry, put(3, &[[&id(2), "乙", "-", "-", "-"]])).await;
    snapshots(&registry, 4..=12, false).await;
    assert!(place.query(STAMPS).contains(&id(2)));
}

#[test]
fn stamps_that_go_are_found_by_keys_and_indexes_only() {
    let tables = kept(&[&RESIDENT]);
    let (place, _registry) = Place::with(Store::Sqlite, &tables);
    for table in &tables {
        let given = (1..=5).fold(forget_stamps(table), |text, one| {
            text.replace(&format!("${one}"), "'1'")
        });
        let plan = place.query(&format!("EXPLAIN QUERY PLAN {given}"));
        let whole = |step: &&String| step.contains("SCAN") || step.contains("AUTOMATIC");
        assert!(plan.len() > 4, "{plan:?}");
        assert_eq!(plan.iter().find(whole), None, "{plan:?}");
    }
}
