//! What a batch brings that comes after a newer snapshot of its partner has ended: it was set aside and let go, or fed again.

use std::sync::Arc;

use uuid::Uuid;

use super::closing::{CLOSED, HISTORY, STATES, acts, counts, deletes, ended, ending, merged, of, put};
use super::fixture::{ANNA, BORIS, RESIDENT, kept, received};
use super::store::{Place, Store, on_both_stores};
use crate::registry::{Ending, Part, Recall, Registry};

on_both_stores! {
    what_only_a_late_batch_brings_is_closed_by_the_first_snapshot_that_lacks_it,
    what_a_snapshot_held_or_does_not_speak_for_stays_open_however_late_it_comes,
    the_content_of_a_late_row_decides_whether_a_scope_covers_it,
    a_late_row_of_another_partner_is_not_closed,
    a_recalled_snapshot_closes_nothing_that_comes_late,
    the_recall_of_the_snapshot_opens_what_came_late_unless_another_lacks_it,
    a_row_that_comes_while_a_snapshot_closes_is_closed_on_both_sides_of_its_place,
    a_late_delete_closes_what_a_newer_snapshot_had_to_reject_and_its_recall_opens_it,
    when_nothing_was_set_aside_what_nobody_has_is_closed_and_what_is_there_waits_for_the_next_snapshot,
    what_snapshots_held_is_kept_while_an_older_batch_is_set_aside_and_of_eight_at_most,
}

fn snapshot(mut part: Part) -> Part {
    part.snapshot = true;
    part
}

/// While an older batch is set aside, rows say again what they are, and what a snapshot held is kept.
fn confirmed(mut part: Part) -> Part {
    part.confirm = true;
    part
}

fn keeping(leaf: u64, scope: Option<&[&str]>) -> Arc<Ending> {
    let mut ending = Arc::unwrap_or_clone(ending(leaf, scope));
    ending.keep = true;
    Arc::new(ending)
}

fn row<'r>(id: &'r str, name: &'r str, region: &'r str) -> [&'r str; 5] {
    [id, name, "-", region, "-"]
}

async fn recalled(registry: &Registry, push: u64, leaf: u64) -> (u64, u64) {
    let recall = Arc::new(Recall {
        exchange: Uuid::from_u128(leaf.into()),
        leaf,
        push: Uuid::from_u128(push.into()),
        push_leaf: push,
        record: RESIDENT.name.into(),
        partner: "public-security-city".into(),
        received_us: received(leaf),
    });
    loop {
        let undone = registry.recall(Arc::clone(&recall)).await.unwrap();
        if undone.done {
            return (undone.progress.counts.del, undone.progress.counts.ins);
        }
    }
}

async fn what_only_a_late_batch_brings_is_closed_by_the_first_snapshot_that_lacks_it(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let anna = row(ANNA, "甲", "320706");
    for leaf in [4, 5] {
        merged(&registry, confirmed(snapshot(put(leaf, &[anna])))).await;
        assert_eq!(ended(&registry, &keeping(leaf, None)).await.0, 0);
    }
    let late = put(2, &[row(ANNA, "旧", "320706"), row(BORIS, "乙", "320706")]);
    assert_eq!(merged(&registry, late).await, counts(0, 0, 2, 0));
    assert_eq!(
        place.query(STATES),
        [format!("{ANNA} 甲 1 5"), format!("{BORIS} 乙 0 2")]
    );
    assert_eq!(place.query("SELECT citizen_id FROM population"), [ANNA]);
    // The line is the one that the snapshot would have written.
    assert_eq!(place.query(HISTORY), [format!("{BORIS} 4 0 close 2 2 1")]);
    let line = "SELECT exchange, at_us FROM history";
    let exchange = Uuid::from_u128(4).simple();
    assert_eq!(place.query(line), [format!("{exchange} {}", received(4))]);
    // What comes after them opens it.
    assert_eq!(
        merged(&registry, put(6, &[row(BORIS, "乙", "320706")])).await,
        counts(1, 0, 0, 0)
    );
}

async fn what_a_snapshot_held_or_does_not_speak_for_stays_open_however_late_it_comes(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    // It had to reject one, so that nobody has a row of it, and speaks for one region.
    let named = acts(4, &[("N", [ANNA, "-", "-", "-", "-"])]);
    merged(&registry, confirmed(snapshot(named))).await;
    ended(&registry, &keeping(4, Some(&["320706"]))).await;
    let late = put(2, &[row(ANNA, "甲", "320706"), row(BORIS, "乙", "320707")]);
    assert_eq!(merged(&registry, late).await, counts(2, 0, 0, 0));
    assert_eq!(place.query(CLOSED), Vec::<String>::new());
    assert_eq!(place.query(HISTORY), Vec::<String>::new());
}

async fn the_content_of_a_late_row_decides_whether_a_scope_covers_it(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let dated = |name, region, source| [[ANNA, name, "-", region, source]];
    merged(&registry, put(1, &dated("甲", "320706", "10"))).await;
    let other = || snapshot(put(4, &[row(BORIS, "乙", "320706")]));
    merged(&registry, confirmed(other())).await;
    assert_eq!(ended(&registry, &keeping(4, Some(&["320706"]))).await.0, 1);
    assert_eq!(place.query(CLOSED), [ANNA]);
    // He had moved before the snapshot that lacks him, and the batch that says so is let go now.
    assert_eq!(
        merged(&registry, put(2, &dated("甲", "320707", "20"))).await,
        counts(1, 0, 0, 0)
    );
    assert_eq!(place.query(CLOSED), Vec::<String>::new());
    // Nor does a delete that is older than this close it, though the snapshot is noted.
    let older = acts(3, &[("D", [ANNA, "-", "-", "-", "15"])]);
    assert_eq!(merged(&registry, older).await, counts(0, 0, 1, 0));
    assert_eq!(place.query(CLOSED), Vec::<String>::new());
}

async fn a_late_row_of_another_partner_is_not_closed(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(&registry, snapshot(put(4, &[row(ANNA, "甲", "320706")]))).await;
    ended(&registry, &ending(4, None)).await;
    let late = of("public-security-ganyu", put(2, &[row(BORIS, "乙", "320706")]));
    assert_eq!(merged(&registry, late).await, counts(1, 0, 0, 0));
    assert_eq!(place.query(CLOSED), Vec::<String>::new());
}

async fn a_recalled_snapshot_closes_nothing_that_comes_late(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(&registry, confirmed(snapshot(put(4, &[row(ANNA, "甲", "320706")])))).await;
    ended(&registry, &keeping(4, None)).await;
    assert_eq!(recalled(&registry, 4, 5).await, (1, 0));
    assert_eq!(
        merged(&registry, put(2, &[row(BORIS, "乙", "320706")])).await,
        counts(1, 0, 0, 0)
    );
    assert_eq!(place.query("SELECT citizen_id FROM population"), [BORIS]);
}

async fn the_recall_of_the_snapshot_opens_what_came_late_unless_another_lacks_it(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    // The first holds Boris, the two behind it do not.
    let anna = row(ANNA, "甲", "320706");
    let named = acts(3, &[("U", anna), ("N", [BORIS, "-", "-", "-", "-"])]);
    merged(&registry, confirmed(snapshot(named))).await;
    ended(&registry, &keeping(3, None)).await;
    for leaf in [4, 5] {
        merged(&registry, confirmed(snapshot(put(leaf, &[anna])))).await;
        ended(&registry, &keeping(leaf, None)).await;
    }
    merged(&registry, put(2, &[row(BORIS, "乙", "320706")])).await;
    // When nothing is set aside any more, what they held is forgotten; what they said of Boris is not.
    merged(&registry, snapshot(put(6, &[row(ANNA, "丁", "320706")]))).await;
    ended(&registry, &ending(6, Some(&["320799"]))).await;
    assert_eq!(place.query("SELECT count(*) FROM snapshot_held"), ["0"]);
    assert_eq!(recalled(&registry, 5, 7).await.1, 0);
    assert_eq!(place.query(CLOSED), [BORIS]);
    assert_eq!(recalled(&registry, 4, 8).await.1, 1);
    assert_eq!(place.query("SELECT name FROM population WHERE name = '乙'"), ["乙"]);
}

async fn a_row_that_comes_while_a_snapshot_closes_is_closed_on_both_sides_of_its_place(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let id = |number: u64| format!("32070618800101{number:03}0");
    let city: Vec<String> = (10..20).map(id).collect();
    let rows: Vec<[&str; 5]> = city.iter().map(|id| row(id, "甲", "320706")).collect();
    merged(&registry, confirmed(snapshot(put(4, &rows)))).await;
    let ending = keeping(4, None);
    let first = registry.end(Arc::clone(&ending), String::new()).await.unwrap();
    assert_eq!(first.after, Some(id(12)));
    let (before, behind) = (id(1), id(30));
    let late = put(2, &[row(&before, "乙", "320706"), row(&behind, "乙", "320706")]);
    merged(&registry, late).await;
    assert_eq!(ended(&registry, &ending).await.0, 0);
    assert_eq!(place.query(CLOSED), [before, behind]);
}

async fn a_late_delete_closes_what_a_newer_snapshot_had_to_reject_and_its_recall_opens_it(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(&registry, put(1, &[row(ANNA, "甲", "320706")])).await;
    let named = acts(4, &[("N", [ANNA, "-", "-", "-", "-"])]);
    merged(&registry, confirmed(snapshot(named))).await;
    assert_eq!(ended(&registry, &keeping(4, None)).await.0, 0);
    assert_eq!(merged(&registry, deletes(2, ANNA)).await, counts(0, 0, 0, 1));
    assert_eq!(place.query(CLOSED), [ANNA]);
    place.execute("DELETE FROM snapshot_held");
    assert_eq!(recalled(&registry, 2, 5).await, (0, 1));
    assert_eq!(place.query(CLOSED), Vec::<String>::new());
}

async fn when_nothing_was_set_aside_what_nobody_has_is_closed_and_what_is_there_waits_for_the_next_snapshot(
    store: Store,
) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let foreign = of("public-security-ganyu", put(1, &[[ANNA, "甲", "-", "320706", "5"]]));
    merged(&registry, foreign).await;
    let rejected = "320706187001010002";
    let named = acts(4, &[("N", [rejected, "-", "-", "-", "-"])]);
    merged(&registry, snapshot(named)).await;
    ended(&registry, &ending(4, None)).await;
    assert_eq!(place.query("SELECT count(*) FROM snapshot_held"), ["0"]);
    // Fed again: of Anna it is not known any more whether the snapshot held her.
    let late = put(
        2,
        &[
            [ANNA, "乙", "-", "320706", "9"],
            row(BORIS, "丙", "320706"),
            row(rejected, "丁", "320706"),
        ],
    );
    assert_eq!(merged(&registry, late).await, counts(1, 1, 1, 0));
    assert_eq!(place.query(CLOSED), [BORIS]);
    merged(&registry, snapshot(put(6, &[row(rejected, "丁", "320706")]))).await;
    ended(&registry, &ending(6, None)).await;
    assert_eq!(place.query("SELECT citizen_id FROM population"), [rejected]);
}

async fn what_snapshots_held_is_kept_while_an_older_batch_is_set_aside_and_of_eight_at_most(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let anna = row(ANNA, "甲", "320706");
    let held = "SELECT count(DISTINCT exchange) FROM snapshot_held";
    for leaf in 4..16 {
        merged(&registry, confirmed(snapshot(put(leaf, &[anna])))).await;
        ended(&registry, &keeping(leaf, None)).await;
    }
    assert_eq!(place.query(held), ["8"]);
    // Of another partner's nothing is forgotten, nor of what has not ended.
    let named = acts(16, &[("N", [ANNA, "-", "-", "-", "-"])]);
    merged(&registry, of("public-security-ganyu", snapshot(named))).await;
    merged(&registry, confirmed(snapshot(put(17, &[anna])))).await;
    ended(&registry, &ending(17, None)).await;
    assert_eq!(place.query(held), ["1"]);
}
