//! What a recall takes back, what it opens, and what stands.

use std::sync::Arc;

use uuid::Uuid;

use super::closing::{HISTORY, STATES, acts, counts, deletes, ended, ending, merged, of, put};
use super::discrepancies::{rows, tables};
use super::fixture::{ANNA, BORIS, RESIDENT, kept, received};
use super::store::{Place, Store, on_both_stores};
use crate::registry::{Progress, Recall, Registry};

on_both_stores! {
    rows_that_a_batch_brought_are_closed_and_emptied_and_a_corrected_batch_follows,
    a_row_that_something_newer_wrote_stands,
    an_older_batch_that_comes_late_has_its_place_again,
    a_delete_is_undone_and_what_was_closed_before_it_stays_closed,
    what_a_snapshot_closed_is_open_again,
    a_recall_goes_on_where_it_was_interrupted_and_said_again_it_changes_nothing,
    a_batch_that_never_came_in_is_recalled_at_one_look,
    what_another_partner_brought_and_closed_is_not_touched,
    a_contradiction_that_a_batch_brought_is_settled_by_its_recall,
    what_a_newer_snapshot_lacks_too_stays_closed,
    what_two_closings_closed_is_open_when_both_are_recalled_in_either_order,
    a_snapshot_that_named_a_closed_row_or_speaks_of_others_does_not_hold_it_closed,
    the_closing_of_a_recall_is_none_of_its_partner,
    a_delete_that_a_newer_one_took_the_place_of_holds_again,
}

const CARLA: &str = "320706188003030003";

fn row<'r>(id: &'r str, name: &'r str, at: &'r str) -> [&'r str; 5] {
    [id, name, "-", "-", at]
}

/// The recall with that leaf of the push with that one.
pub(super) fn recall(leaf: u64, push: u64) -> Arc<Recall> {
    Arc::new(Recall {
        exchange: Uuid::from_u128(leaf.into()),
        leaf,
        push: Uuid::from_u128(push.into()),
        push_leaf: push,
        record: RESIDENT.name.into(),
        partner: "public-security-city".into(),
        received_us: received(leaf),
    })
}

/// Undoes to the end; gives the rows withdrawn and open again, and the strides.
pub(super) async fn undone(registry: &Registry, recall: &Arc<Recall>) -> (u64, u64, u32) {
    let mut strides = 0;
    loop {
        let undone = registry.recall(Arc::clone(recall)).await.unwrap();
        strides += 1;
        let Progress { counts, parts, .. } = undone.progress;
        assert_eq!(parts, u32::from(undone.done));
        if undone.done {
            return (counts.del, counts.ins, strides);
        }
    }
}

async fn rows_that_a_batch_brought_are_closed_and_emptied_and_a_corrected_batch_follows(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(&registry, put(1, &[row(ANNA, "甲", "100")])).await;
    // It overwrites one, brings one, and leaves one as it is.
    merged(&registry, put(2, &[row(ANNA, "错", "900"), row(BORIS, "误", "900")])).await;
    assert_eq!(undone(&registry, &recall(3, 2)).await.0, 2);
    assert_eq!(place.query("SELECT citizen_id FROM population"), [""; 0]);
    assert_eq!(
        place.query("SELECT count(*) FROM public_security_resident WHERE name IS NOT NULL OR _open <> 0"),
        ["0"]
    );
    assert_eq!(
        place.query("SELECT kind, hash IS NULL FROM history WHERE leaf = 3"),
        ["close 1", "close 1"]
    );
    // The right batch is older by its source time than the wrong one was, and is taken all the same.
    let right = [row(ANNA, "甲", "200"), row(BORIS, "乙", "200")];
    assert_eq!(merged(&registry, put(4, &right)).await, counts(2, 0, 0, 0));
    assert_eq!(
        place.query(STATES),
        [format!("{ANNA} 甲 2 4"), format!("{BORIS} 乙 2 4")]
    );
    // And the recall, said again, takes nothing of it.
    assert_eq!(undone(&registry, &recall(3, 2)).await, (2, 0, 1));
    assert_eq!(place.query("SELECT citizen_id FROM population"), [ANNA, BORIS]);
}

async fn a_row_that_something_newer_wrote_stands(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(&registry, put(1, &[row(ANNA, "错", "100"), row(BORIS, "误", "100")])).await;
    merged(&registry, put(2, &[row(ANNA, "甲", "200")])).await;
    assert_eq!(undone(&registry, &recall(3, 1)).await.0, 1);
    assert_eq!(
        place.query("SELECT citizen_id, name FROM population"),
        [format!("{ANNA} 甲")]
    );
}

async fn an_older_batch_that_comes_late_has_its_place_again(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(&registry, put(5, &[row(ANNA, "错", "900")])).await;
    undone(&registry, &recall(6, 5)).await;
    assert_eq!(
        merged(&registry, put(1, &[row(ANNA, "甲", "100")])).await,
        counts(1, 0, 0, 0)
    );
    assert_eq!(place.query(STATES), [format!("{ANNA} 甲 2 1")]);
}

async fn a_delete_is_undone_and_what_was_closed_before_it_stays_closed(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(&registry, put(1, &[row(ANNA, "甲", "-"), row(BORIS, "乙", "-")])).await;
    merged(&registry, deletes(2, BORIS)).await;
    let wrong = acts(3, &[("D", row(ANNA, "-", "-")), ("D", row(BORIS, "-", "-"))]);
    assert_eq!(merged(&registry, wrong).await, counts(0, 0, 1, 1));
    assert_eq!(undone(&registry, &recall(4, 3)).await, (0, 1, 1));
    assert_eq!(
        place.query(STATES),
        [format!("{ANNA} 甲 2 1"), format!("{BORIS} 乙 0 1")]
    );
    assert_eq!(
        place.query(HISTORY).last().unwrap(),
        &format!("{ANNA} 4 0 reopen 1 1 1")
    );
    // Of a delete that came before its row nothing is left either.
    merged(&registry, deletes(5, CARLA)).await;
    undone(&registry, &recall(6, 5)).await;
    let mut late = put(1, &[row(CARLA, "丙", "-")]);
    late.exchange = Uuid::from_u128(99);
    assert_eq!(merged(&registry, late).await, counts(1, 0, 0, 0));
}

async fn what_a_snapshot_closed_is_open_again(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(&registry, put(1, &[row(ANNA, "甲", "-"), row(BORIS, "乙", "-")])).await;
    let mut half = put(2, &[row(ANNA, "错", "-")]);
    half.snapshot = true;
    merged(&registry, half).await;
    assert_eq!(ended(&registry, &ending(2, None)).await.0, 1);
    assert_eq!(place.query("SELECT citizen_id FROM population"), [ANNA]);
    assert_eq!(undone(&registry, &recall(3, 2)).await, (1, 1, 1));
    assert_eq!(place.query("SELECT citizen_id FROM population"), [BORIS]);
    assert_eq!(place.query("SELECT count(*) FROM snapshot_held"), ["0"]);
    assert_eq!(place.query("SELECT count(*) FROM snapshot_seen"), ["0"]);
}

async fn a_recall_goes_on_where_it_was_interrupted_and_said_again_it_changes_nothing(store: Store) {
    let tables = kept(&[&RESIDENT]);
    let (place, registry) = Place::with(store, &tables);
    let ids: Vec<String> = (1..=8).map(|n| format!("32070618800101{n:03}0")).collect();
    let rows: Vec<[&str; 5]> = ids.iter().map(|id| row(id, "错", "-")).collect();
    merged(&registry, put(1, &rows)).await;
    let recall = recall(2, 1);
    let first = registry.recall(Arc::clone(&recall)).await.unwrap();
    assert!(!first.done && first.progress.counts.del == 3, "{first:?}");
    registry.close().await;
    let registry = place.open(&tables);
    assert_eq!(undone(&registry, &recall).await, (8, 0, 2));
    assert_eq!(undone(&registry, &recall).await, (8, 0, 1));
    assert_eq!(place.query("SELECT count(*) FROM history"), ["8"]);
    assert_eq!(registry.counts().unwrap()[0].1, 0);
}

async fn a_batch_that_never_came_in_is_recalled_at_one_look(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let ids: Vec<String> = (1..=8).map(|n| format!("32070618800101{n:03}0")).collect();
    let rows: Vec<[&str; 5]> = ids.iter().map(|id| row(id, "甲", "-")).collect();
    merged(&registry, put(1, &rows)).await;
    let recall = recall(3, 2);
    let seen = registry.recall(Arc::clone(&recall)).await.unwrap();
    assert_eq!((seen.done, seen.walked, seen.rows), (true, false, 0));
    assert_eq!(undone(&registry, &recall).await, (0, 0, 1));
    assert_eq!(registry.counts().unwrap()[0].1, 8);
    assert_eq!(place.query("SELECT count(*) FROM history"), ["0"]);
}

async fn what_another_partner_brought_and_closed_is_not_touched(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(
        &registry,
        of("county", put(1, &[row(ANNA, "甲", "-"), row(BORIS, "乙", "-")])),
    )
    .await;
    merged(&registry, of("county", deletes(2, BORIS))).await;
    merged(&registry, deletes(3, ANNA)).await;
    assert_eq!(undone(&registry, &recall(4, 3)).await, (0, 0, 1));
    assert_eq!(
        place.query(STATES),
        [format!("{ANNA} 甲 2 1"), format!("{BORIS} 乙 0 1")]
    );
}

async fn a_contradiction_that_a_batch_brought_is_settled_by_its_recall(store: Store) {
    const OPEN: &str = "SELECT count(*) FROM discrepancy WHERE settled_us IS NULL";
    let (living, dead) = ("public-security/resident", "public-security/death");
    let (place, registry) = Place::with(store, &tables(&[living, dead]));
    let named = |record, leaf, name: &str| rows(record, leaf, "citizen_id name", &[&format!("{ANNA} {name}")]);
    merged(&registry, named(living, 1, "甲")).await;
    merged(&registry, named(dead, 2, "乙")).await;
    let before = place.query(OPEN);
    assert_ne!(before, ["0"]);
    let mut back = (*recall(3, 2)).clone();
    back.record = dead.into();
    undone(&registry, &Arc::new(back)).await;
    assert_eq!(place.query(OPEN), ["0"]);
}

/// A snapshot of the partner, whole or of some regions, to its end.
async fn snapshot(registry: &Registry, leaf: u64, rows: &[[&str; 5]], scope: Option<&[&str]>) {
    let mut part = put(leaf, rows);
    part.snapshot = true;
    merged(registry, part).await;
    ended(registry, &ending(leaf, scope)).await;
}

async fn what_a_newer_snapshot_lacks_too_stays_closed(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let both = [row(ANNA, "甲", "-"), row(BORIS, "乙", "-")];
    merged(&registry, put(1, &both)).await;
    snapshot(&registry, 2, &both[..1], None).await;
    snapshot(&registry, 3, &both[..1], None).await;
    assert_eq!(undone(&registry, &recall(4, 2)).await, (0, 0, 1));
    assert_eq!(
        place.query(STATES),
        [format!("{ANNA} 甲 1 1"), format!("{BORIS} 乙 0 1")]
    );
    // What closed it is noted anew, so that its recall is found.
    assert_eq!(
        place.query("SELECT row_key, snapshot_leaf FROM closing"),
        [format!("{BORIS} 3")]
    );
}

async fn what_two_closings_closed_is_open_when_both_are_recalled_in_either_order(store: Store) {
    for (first, second) in [(2, 3), (3, 2)] {
        let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
        let rows = [row(ANNA, "甲", "-"), row(BORIS, "乙", "-"), row(CARLA, "丙", "-")];
        merged(&registry, put(1, &rows)).await;
        snapshot(&registry, 2, &rows[..1], None).await;
        snapshot(&registry, 3, &rows[..1], None).await;
        assert_eq!(undone(&registry, &recall(4, first)).await, (0, 0, 2));
        assert_eq!(undone(&registry, &recall(5, second)).await, (0, 2, 2));
        assert_eq!(
            place.query(STATES),
            [
                format!("{ANNA} 甲 1 1"),
                format!("{CARLA} 丙 2 1"),
                format!("{BORIS} 乙 2 1")
            ]
        );
    }
}

async fn a_snapshot_that_named_a_closed_row_or_speaks_of_others_does_not_hold_it_closed(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let here = |id, name| [id, name, "-", "320706", "-"];
    let rows = [here(ANNA, "甲"), here(BORIS, "乙")];
    merged(&registry, put(1, &rows)).await;
    snapshot(&registry, 2, &[], None).await;
    // The newer one holds Anna, though her row was rejected, and another is of another region.
    let mut named = acts(3, &[("N", row(ANNA, "-", "-"))]);
    named.snapshot = true;
    merged(&registry, named).await;
    ended(&registry, &ending(3, None)).await;
    snapshot(&registry, 4, &[], Some(&["320799"])).await;
    assert_eq!(undone(&registry, &recall(5, 2)).await, (0, 1, 1));
    assert_eq!(
        place.query(STATES),
        [format!("{ANNA} 甲 2 1"), format!("{BORIS} 乙 0 1")]
    );
    assert_eq!(undone(&registry, &recall(6, 3)).await, (0, 1, 1));
    assert_eq!(place.query("SELECT count(*) FROM population"), ["2"]);
    assert_eq!(place.query("SELECT count(*) FROM snapshot_held"), ["0"]);
    assert_eq!(place.query("SELECT count(*) FROM snapshot_seen"), ["0"]);
}

async fn the_closing_of_a_recall_is_none_of_its_partner(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(&registry, put(1, &[row(ANNA, "错", "100")])).await;
    undone(&registry, &recall(2, 1)).await;
    merged(&registry, acts(3, &[("D", row(ANNA, "-", "900"))])).await;
    let late = put(4, &[row(ANNA, "甲", "500")]);
    assert_eq!(merged(&registry, late).await, counts(0, 0, 1, 0));
    assert_eq!(undone(&registry, &recall(5, 3)).await, (0, 1, 1));
    assert_eq!(place.query(STATES), [format!("{ANNA} 甲 2 4")]);
}

async fn a_delete_that_a_newer_one_took_the_place_of_holds_again(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(&registry, put(1, &[row(ANNA, "甲", "100"), row(BORIS, "乙", "100")])).await;
    let delete = |leaf, id, at| acts(leaf, &[("D", row(id, "-", at))]);
    // Of Anna the newer one comes last, of Boris first.
    for (leaf, id, at) in [(2, ANNA, "300"), (3, ANNA, "500"), (4, BORIS, "500"), (5, BORIS, "300")] {
        merged(&registry, delete(leaf, id, at)).await;
    }
    undone(&registry, &recall(6, 3)).await;
    undone(&registry, &recall(7, 4)).await;
    let late = put(8, &[row(ANNA, "旧", "200"), row(BORIS, "旧", "200")]);
    assert_eq!(merged(&registry, late).await, counts(0, 0, 2, 0));
    let newer = put(9, &[row(ANNA, "新", "400"), row(BORIS, "新", "400")]);
    assert_eq!(merged(&registry, newer).await, counts(2, 0, 0, 0));
    for (recalled, leaf) in [(2, 10), (5, 11)] {
        undone(&registry, &recall(leaf, recalled)).await;
    }
    assert_eq!(place.query("SELECT count(*) FROM population"), ["2"]);
}
