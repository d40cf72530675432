//! A snapshot that says most of what stands again, in parts, and what comes between them: a store that takes rows for unchanged without asking for them
//! must not take one for it that is not.

use super::closing::{HISTORY, STATES, counts, deletes, ended, ending, merged, of, put};
use super::fixture::{ANNA, BORIS, RESIDENT, kept};
use super::recalls::{recall, undone};
use super::store::{Place, Store, on_both_stores};
use crate::registry::{Part, Registry};

on_both_stores! {
    a_snapshot_that_says_all_again_changes_nothing_and_its_end_closes_nothing,
    a_row_that_changes_within_a_snapshot_and_changes_back_ends_as_its_last_part_says,
    what_was_written_while_an_older_exchange_could_come_is_looked_up_when_none_can_any_more,
    what_another_partner_took_over_between_two_parts_is_taken_back,
    what_was_deleted_between_two_parts_is_not_there_for_the_next,
    what_was_recalled_between_two_parts_comes_in_again,
    what_an_older_batch_brings_before_the_end_is_closed_as_lacking,
    what_a_snapshot_lacks_is_closed_although_it_says_all_else_again,
    a_row_that_a_delete_holds_closed_is_looked_up,
    two_snapshots_whose_parts_take_turns_end_as_one_after_the_other,
}

const CARLA: &str = "320706188603030003";
const DORA: &str = "320706188704040004";

type Row = [&'static str; 5];

fn row(id: &'static str, name: &'static str) -> Row {
    [id, name, "-", "-", "-"]
}

/// Part `number` of a snapshot.
fn snapshot(leaf: u64, number: u32, rows: &[Row]) -> Part {
    Part {
        snapshot: true,
        number,
        parts: number + 8,
        ..put(leaf, rows)
    }
}

async fn three(store: Store) -> (Place, Registry) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let rows = [row(ANNA, "甲"), row(BORIS, "乙"), row(CARLA, "丙")];
    assert_eq!(merged(&registry, put(1, &rows)).await, counts(3, 0, 0, 0));
    (place, registry)
}

fn states(of: &[(&str, &str, u8, u64)]) -> Vec<String> {
    let line = |(id, name, open, leaf): &(&str, &str, u8, u64)| format!("{id} {name} {open} {leaf}");
    of.iter().map(line).collect()
}

async fn a_snapshot_that_says_all_again_changes_nothing_and_its_end_closes_nothing(store: Store) {
    let (place, registry) = three(store).await;
    let first = snapshot(5, 0, &[row(ANNA, "甲"), row(CARLA, "丙")]);
    assert_eq!(merged(&registry, first).await, counts(0, 0, 2, 0));
    let second = snapshot(5, 1, &[row(BORIS, "乙"), row(ANNA, "甲")]);
    assert_eq!(merged(&registry, second).await, counts(0, 0, 2, 0));
    assert_eq!(ended(&registry, &ending(5, None)).await.0, 0);
    let before = states(&[(ANNA, "甲", 1, 1), (BORIS, "乙", 1, 1), (CARLA, "丙", 1, 1)]);
    assert_eq!(place.query(STATES), before);
    assert_eq!(place.query(HISTORY), [""; 0]);
    assert_eq!(place.query("SELECT count(*) FROM snapshot_held"), ["0"]);
}

async fn a_row_that_changes_within_a_snapshot_and_changes_back_ends_as_its_last_part_says(store: Store) {
    let (place, registry) = three(store).await;
    let said = [
        (0, "甲", counts(0, 0, 1, 0)),
        (1, "改", counts(0, 1, 0, 0)),
        (2, "甲", counts(0, 1, 0, 0)),
    ];
    for (number, name, expected) in said {
        let part = snapshot(5, number, &[row(ANNA, name)]);
        assert_eq!(merged(&registry, part).await, expected, "{number}");
    }
    // Both in one part: the one behind the other.
    let part = snapshot(5, 3, &[row(BORIS, "改"), row(BORIS, "乙")]);
    assert_eq!(merged(&registry, part).await, counts(0, 2, 0, 0));
    let names = ["SELECT name FROM public_security_resident ORDER BY citizen_id", HISTORY].map(|sql| place.query(sql));
    assert_eq!(names[0], ["甲", "乙", "丙"]);
    let of = |id: &str, row: u32, was: &str| format!("{id} 5 {row} update {was} 0");
    let both = format!("{BORIS} 5 5 update 1 2 1");
    assert_eq!(names[1], [of(ANNA, 2, "1 1"), of(ANNA, 3, "5 2"), both]);
}

async fn what_was_written_while_an_older_exchange_could_come_is_looked_up_when_none_can_any_more(store: Store) {
    let (place, registry) = three(store).await;
    let first = snapshot(5, 0, &[row(BORIS, "乙")]);
    assert_eq!(merged(&registry, first).await, counts(0, 0, 1, 0));
    let unsure = Part {
        confirm: true,
        ..snapshot(5, 1, &[row(ANNA, "改")])
    };
    assert_eq!(merged(&registry, unsure).await, counts(0, 1, 0, 0));
    let sure = snapshot(5, 2, &[row(ANNA, "甲"), row(CARLA, "丙")]);
    assert_eq!(merged(&registry, sure).await, counts(0, 1, 1, 0));
    assert_eq!(ended(&registry, &ending(5, None)).await.0, 0);
    assert_eq!(place.query(STATES)[0], format!("{ANNA} 甲 1 5"));
}

async fn what_another_partner_took_over_between_two_parts_is_taken_back(store: Store) {
    let (place, registry) = three(store).await;
    assert_eq!(
        merged(&registry, snapshot(5, 0, &[row(ANNA, "甲")])).await,
        counts(0, 0, 1, 0)
    );
    let other = of("civil-affairs-city", put(3, &[row(CARLA, "丁")]));
    assert_eq!(merged(&registry, other).await, counts(0, 1, 0, 0));
    let second = snapshot(5, 1, &[row(BORIS, "乙"), row(CARLA, "丙")]);
    assert_eq!(merged(&registry, second).await, counts(0, 1, 1, 0));
    assert_eq!(ended(&registry, &ending(5, None)).await.0, 0);
    let after = states(&[(ANNA, "甲", 1, 1), (BORIS, "乙", 1, 1), (CARLA, "丙", 1, 5)]);
    assert_eq!(place.query(STATES), after);
}

async fn what_was_deleted_between_two_parts_is_not_there_for_the_next(store: Store) {
    let (place, registry) = three(store).await;
    assert_eq!(
        merged(&registry, snapshot(5, 0, &[row(ANNA, "甲")])).await,
        counts(0, 0, 1, 0)
    );
    assert_eq!(merged(&registry, deletes(3, CARLA)).await, counts(0, 0, 0, 1));
    let second = snapshot(5, 1, &[row(BORIS, "乙"), row(CARLA, "丙")]);
    assert_eq!(merged(&registry, second).await, counts(1, 0, 1, 0));
    assert_eq!(ended(&registry, &ending(5, None)).await.0, 0);
    assert_eq!(place.query(STATES)[2], format!("{CARLA} 丙 2 5"));
}

async fn what_was_recalled_between_two_parts_comes_in_again(store: Store) {
    let (place, registry) = three(store).await;
    assert_eq!(
        merged(&registry, snapshot(5, 0, &[row(ANNA, "甲")])).await,
        counts(0, 0, 1, 0)
    );
    assert_eq!(undone(&registry, &recall(6, 1)).await.0, 3);
    let second = snapshot(5, 1, &[row(BORIS, "乙"), row(CARLA, "丙"), row(ANNA, "甲")]);
    assert_eq!(merged(&registry, second).await, counts(3, 0, 0, 0));
    assert_eq!(ended(&registry, &ending(5, None)).await.0, 0);
    assert_eq!(
        place.query("SELECT name FROM population ORDER BY citizen_id"),
        ["甲", "乙", "丙"]
    );
}

async fn what_an_older_batch_brings_before_the_end_is_closed_as_lacking(store: Store) {
    let (place, registry) = three(store).await;
    let all = snapshot(5, 0, &[row(ANNA, "甲"), row(BORIS, "乙"), row(CARLA, "丙")]);
    assert_eq!(merged(&registry, all).await, counts(0, 0, 3, 0));
    assert_eq!(merged(&registry, put(4, &[row(DORA, "丁")])).await, counts(1, 0, 0, 0));
    assert_eq!(ended(&registry, &ending(5, None)).await.0, 1);
    assert_eq!(place.query(STATES)[3], format!("{DORA} 丁 0 4"));
}

async fn what_a_snapshot_lacks_is_closed_although_it_says_all_else_again(store: Store) {
    let (place, registry) = three(store).await;
    let two = snapshot(5, 0, &[row(ANNA, "甲"), row(CARLA, "丙")]);
    assert_eq!(merged(&registry, two).await, counts(0, 0, 2, 0));
    assert_eq!(ended(&registry, &ending(5, None)).await.0, 1);
    let after = states(&[(ANNA, "甲", 1, 1), (BORIS, "乙", 0, 1), (CARLA, "丙", 1, 1)]);
    assert_eq!(place.query(STATES), after);
}

async fn a_row_that_a_delete_holds_closed_is_looked_up(store: Store) {
    let (place, registry) = three(store).await;
    // A delete that comes behind the snapshot in the log and before it in the registry.
    assert_eq!(merged(&registry, deletes(6, CARLA)).await, counts(0, 0, 0, 1));
    let all = snapshot(5, 0, &[row(ANNA, "甲"), row(BORIS, "乙"), row(CARLA, "丙")]);
    assert_eq!(merged(&registry, all).await, counts(0, 0, 3, 0));
    assert_eq!(ended(&registry, &ending(5, None)).await.0, 0);
    assert_eq!(place.query(STATES)[2], format!("{CARLA} 丙 0 1"));
    // No recall of what closes the row may take it for lacking.
    assert_eq!(undone(&registry, &recall(7, 6)).await.1, 1);
    assert_eq!(
        place.query("SELECT name FROM population ORDER BY citizen_id"),
        ["甲", "乙", "丙"]
    );
}

async fn two_snapshots_whose_parts_take_turns_end_as_one_after_the_other(store: Store) {
    let (place, registry) = three(store).await;
    let other = |number, rows: &[Row]| of("civil-affairs-city", snapshot(6, number, rows));
    assert_eq!(
        merged(&registry, snapshot(5, 0, &[row(ANNA, "甲")])).await,
        counts(0, 0, 1, 0)
    );
    // The other partner takes the row over with what it says, though that is the same.
    assert_eq!(
        merged(&registry, other(0, &[row(ANNA, "甲")])).await,
        counts(0, 1, 0, 0)
    );
    let second = snapshot(5, 1, &[row(BORIS, "乙"), row(CARLA, "丙")]);
    assert_eq!(merged(&registry, second).await, counts(0, 0, 2, 0));
    assert_eq!(
        merged(&registry, other(1, &[row(CARLA, "己")])).await,
        counts(0, 1, 0, 0)
    );
    assert_eq!(ended(&registry, &ending(5, None)).await.0, 0);
    let after = states(&[(ANNA, "甲", 1, 6), (BORIS, "乙", 1, 1), (CARLA, "己", 1, 6)]);
    assert_eq!(place.query(STATES), after);
}

#[tokio::test]
async fn what_a_second_gateway_writes_between_two_parts_or_before_the_end_is_seen() {
    if !Store::has_postgres() {
        return;
    }
    let (place, first) = three(Store::Postgres).await;
    let second = place.open(&kept(&[&RESIDENT]));
    assert_eq!(
        merged(&first, snapshot(5, 0, &[row(ANNA, "甲")])).await,
        counts(0, 0, 1, 0)
    );
    assert_eq!(merged(&second, put(3, &[row(CARLA, "丁")])).await, counts(0, 1, 0, 0));
    let part = snapshot(5, 1, &[row(BORIS, "乙"), row(CARLA, "丙")]);
    assert_eq!(merged(&first, part).await, counts(0, 1, 1, 0));
    let all = snapshot(7, 0, &[row(ANNA, "甲"), row(BORIS, "乙"), row(CARLA, "丙")]);
    assert_eq!(ended(&first, &ending(5, None)).await.0, 0);
    assert_eq!(merged(&first, all).await, counts(0, 0, 3, 0));
    assert_eq!(merged(&second, put(6, &[row(DORA, "丁")])).await, counts(1, 0, 0, 0));
    assert_eq!(ended(&first, &ending(7, None)).await.0, 1);
    assert_eq!(
        place.query(STATES)[2..],
        states(&[(CARLA, "丙", 1, 5), (DORA, "丁", 0, 6)])
    );
}

#[tokio::test]
async fn on_postgresql_what_stands_is_read_once_and_only_what_differs_is_asked_for() {
    if !Store::has_postgres() {
        return;
    }
    let (place, registry) = three(Store::Postgres).await;
    assert_eq!(
        merged(&registry, snapshot(5, 0, &[row(ANNA, "甲")])).await,
        counts(0, 0, 1, 0)
    );
    // By no transaction of a gateway: who asks would find another row.
    place.execute("UPDATE public_security_resident SET _hash = '0123456789abcdef'");
    let part = snapshot(5, 1, &[row(BORIS, "乙"), row(CARLA, "改")]);
    assert_eq!(merged(&registry, part).await, counts(0, 1, 1, 0));
    assert_eq!(merged(&registry, put(6, &[row(BORIS, "乙")])).await, counts(0, 1, 0, 0));
}
