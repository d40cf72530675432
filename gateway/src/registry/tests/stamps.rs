//! Keys of rejected records that nobody has a row of: kept while an older batch may bring one, and no longer.

use super::closing::{acts, ended, ending, merged, put};
use super::fixture::{ANNA, RESIDENT, kept};
use super::store::{Place, Store, on_both_stores};
use crate::registry::merge::closing::BEHIND_ALL;
use crate::registry::merge::late::KEPT_MAX;
use crate::registry::merge::stamps::{
    GONE_THROUGH, NOTE_PLACE, STAMPS_STRIDE, TO_GO_THROUGH, forget_stamps, last_of_stride,
};
use crate::registry::schema::TableSpec;
use crate::registry::{Ending, Part, Registry};

on_both_stores! {
    keys_of_rejected_records_that_nobody_has_go_when_eight_newer_snapshots_have_ended,
    while_an_older_batch_is_set_aside_none_of_them_goes,
    more_stamps_than_one_stride_takes_go_within_one_end,
    an_end_that_is_cut_off_between_two_strides_of_stamps_goes_on_where_it_was,
    what_a_cut_off_end_left_of_stamps_the_next_end_takes,
    the_stamps_of_a_snapshot_are_gone_through_once,
    an_older_stamp_that_has_a_row_keeps_no_other_from_going,
    a_key_that_has_a_row_stays_stamped,
}

/// Snapshots that have ended.
pub(crate) const ENDED: &str = "SELECT count(*) FROM relay_progress WHERE close_after >= '\u{10FFFF}'";
/// Of so many, the newest, no stamp goes.
pub(crate) const KEPT: usize = KEPT_MAX;
/// So many are looked at in one transaction.
pub(crate) const STRIDE: usize = STAMPS_STRIDE;
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

/// Stamps of a snapshot beside those that it said, of keys that nobody has.
pub(crate) fn add_stamps(place: &Place, leaf: u64, many: usize) {
    place.execute(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many}) \
         INSERT INTO snapshot_seen (exchange, row_key) SELECT s.exchange, 'x' || n.i FROM snapshot s, n WHERE s.leaf = {leaf}"
    ));
}

async fn more_stamps_than_one_stride_takes_go_within_one_end(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    snapshots(&registry, 2..=11, true).await;
    add_stamps(&place, 2, 3 * STAMPS_STRIDE + 1);
    // A whole number of strides.
    add_stamps(&place, 4, 2 * STAMPS_STRIDE - 1);
    merged(&registry, rejecting(12)).await;
    let (closed, strides) = ended(&registry, &ending(12, None)).await;
    // One that closes; of leaf 2 four, the last of them not full; of leaf 3 one; of leaf 4 two and one that finds nothing more.
    assert_eq!((closed, strides), (0, 1 + 4 + 1 + 3));
    assert_eq!(place.query(STAMPS), (5..=12).map(id).collect::<Vec<_>>());
    assert_eq!(place.query("SELECT max(deleted) FROM relay_progress"), ["0"]);
}

async fn an_end_that_is_cut_off_between_two_strides_of_stamps_goes_on_where_it_was(store: Store) {
    let tables = kept(&[&RESIDENT]);
    let (place, mut registry) = Place::with(store, &tables);
    snapshots(&registry, 2..=10, true).await;
    add_stamps(&place, 2, 3 * STAMPS_STRIDE);
    // Somebody whom the last one lacks.
    merged(&registry, put(11, &[[&id(0), "乙", "-", "-", "-"]])).await;
    merged(&registry, rejecting(12)).await;
    let (mut left, mut strides) = (Vec::new(), 0);
    loop {
        // Whoever goes on after a crash knows nothing but what the registry tells.
        let closed = registry.end(ending(12, None), String::new()).await.unwrap();
        strides += 1;
        // All is closed by the first stride: a copy of the registry that is made now holds a snapshot that has ended.
        assert!(closed.progress.closing && closed.progress.closed);
        let stamps = place.query(STAMPS);
        assert!(left.is_empty() || stamps.len() < left.len(), "{stamps:?}");
        left = stamps;
        registry.close().await;
        registry = place.open(&tables);
        if closed.after.is_none() {
            break;
        }
    }
    assert_eq!(left, (4..=10).chain([12]).map(id).collect::<Vec<_>>());
    assert_eq!(strides, 6);
    let state = || {
        let lines = place.query("SELECT row_key, leaf, kind FROM history");
        (
            lines,
            place.query("SELECT exchange, close_after, deleted FROM relay_progress ORDER BY 1"),
        )
    };
    let before = state();
    let again = registry.end(ending(12, None), String::new()).await.unwrap();
    assert_eq!((again.after, again.rows, again.looked), (None, 0, 0));
    assert_eq!(state(), before, "said again");
}

async fn what_a_cut_off_end_left_of_stamps_the_next_end_takes(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    snapshots(&registry, 2..=9, true).await;
    merged(&registry, rejecting(10)).await;
    let first = registry.end(ending(10, None), String::new()).await.unwrap();
    assert_eq!((first.looked, first.after.as_deref()), (1, Some(BEHIND_ALL)));
    assert!(place.query(STAMPS).contains(&id(2)));
    // Nobody goes on with it, and the next end finds it ended.
    snapshots(&registry, 11..=11, false).await;
    assert_eq!(place.query(STAMPS), (4..=11).map(id).collect::<Vec<_>>());
}

async fn the_stamps_of_a_snapshot_are_gone_through_once(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    snapshots(&registry, 2..=2, false).await;
    merged(&registry, put(3, &[[&id(2), "乙", "-", "-", "-"]])).await;
    snapshots(&registry, 4..=12, false).await;
    let through = format!("SELECT leaf FROM relay_progress WHERE close_after = '{GONE_THROUGH}' ORDER BY leaf");
    assert_eq!(place.query(&through), ["2", "4"]);
    // Were they looked at again, what nobody has would go.
    add_stamps(&place, 2, 1);
    snapshots(&registry, 13..=14, false).await;
    assert_eq!(place.query(&through), ["2", "4", "5", "6"]);
    let stamps: Vec<String> = [id(2)]
        .into_iter()
        .chain((7..=14).map(id))
        .chain(["x1".into()])
        .collect();
    assert_eq!(place.query(STAMPS), stamps);
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

/// The statements by which stamps go, with values in the places of their parameters.
fn statements(tables: &[TableSpec], exchange: &str) -> Vec<String> {
    let of = |text: String, values: &[&str]| {
        let numbered = (1..).zip(values);
        numbered.fold(text, |text, (one, value)| text.replace(&format!("${one}"), value))
    };
    let behind = format!("'{BEHIND_ALL}'");
    let through = format!("'{GONE_THROUGH}'");
    let due = ["'x'", "'x1'", "10000", &behind, "8", &through];
    let mut all = vec![
        of(TO_GO_THROUGH.into(), &due),
        of(NOTE_PLACE.into(), &[&behind, exchange]),
        of(last_of_stride(), &[exchange, "'a'"]),
    ];
    let forgets = tables.iter().map(forget_stamps);
    all.extend(forgets.map(|text| of(text, &[exchange, "'a'", "'b'"])));
    all
}

#[test]
fn stamps_that_go_are_found_by_keys_and_indexes_only() {
    let tables = kept(&[&RESIDENT]);
    let (place, _registry) = Place::with(Store::Sqlite, &tables);
    for text in statements(&tables, "x'00'") {
        let plan = place.query(&format!("EXPLAIN QUERY PLAN {text}"));
        let whole = |step: &&String| step.contains("SCAN") || step.contains("AUTOMATIC");
        assert!(!plan.is_empty(), "{text}");
        assert_eq!(plan.iter().find(whole), None, "{plan:?}");
    }
}

/// So many of everything that reading a table from its beginning to its end is dear.
fn fill(place: &Place, table: &TableSpec) {
    place.execute(&format!(
        "INSERT INTO {name} SELECT r.* FROM {name} t, generate_series(1, 20000) i, \
             jsonb_populate_record(t, jsonb_build_object('_key', 'k' || i)) r; \
         INSERT INTO snapshot_seen (exchange, row_key) \
             SELECT gen_random_uuid(), 'k' || i FROM generate_series(1, 20000) i; \
         INSERT INTO relay_progress (exchange, leaf, record, partner, received_us, parts, row_count, inserted, updated, same, deleted) \
             SELECT gen_random_uuid(), 100 + i, 'x', 'x' || i % 100, 0, 1, 0, 0, 0, 0, 0 FROM generate_series(1, 20000) i; \
         INSERT INTO snapshot (record, partner, leaf, exchange) \
             SELECT record, partner, leaf, exchange FROM relay_progress WHERE record = 'x'; \
         ANALYZE",
        name = table.name
    ));
}

#[tokio::test]
async fn on_postgresql_stamps_that_go_are_found_by_keys_and_indexes_only() {
    if !Store::has_postgres() {
        return;
    }
    let tables = kept(&[&RESIDENT]);
    let (place, registry) = Place::with(Store::Postgres, &tables);
    merged(&registry, put(1, &[[ANNA, "甲", "-", "-", "-"]])).await;
    fill(&place, &tables[0]);
    let exchange = "'00000000-0000-0000-0000-000000000001'::uuid";
    for text in statements(&tables, exchange) {
        let plan = place.query(&format!("EXPLAIN {text}"));
        assert!(!plan.is_empty(), "{text}");
        let whole = plan.iter().find(|step| step.contains("Seq Scan"));
        assert_eq!(whole, None, "{plan:#?}");
    }
}
