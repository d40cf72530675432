//! Stamps that go at a snapshot's end: stride after stride, cut off, and refused or too slow, none of which keeps the snapshot itself.

use super::late::Bench;
use crate::registry::tests::closing::acts;
use crate::registry::tests::fixture::ANNA;
use crate::registry::tests::stamps::{ENDED, KEPT, STRIDE, add_stamps};
use crate::registry::tests::store::{Store, on_both_stores};

on_both_stores! {
    an_end_goes_through_stamps_turn_by_turn_and_a_copy_of_the_registry_holds_it_ended_at_each,
    a_snapshot_whose_end_is_refused_stamps_is_relayed_and_the_next_end_takes_them,
}

/// One that had to reject a record of somebody whom nobody has.
async fn snapshot(bench: &Bench, number: usize) {
    let stranger = format!("32070618800101{number:03}0");
    let rows = [
        ("U", [ANNA, "甲", "-", "-", "-"]),
        ("N", [stranger.as_str(), "-", "-", "-", "-"]),
    ];
    bench.snapshot(acts(1, &rows).batch).await;
}

/// As many as are kept, the oldest with so many more stamps; of the next one the end goes through them.
async fn bench(store: Store, stamps: usize) -> Bench {
    let mut bench = Bench::new(store);
    for number in 0..KEPT {
        snapshot(&bench, number).await;
        bench.until_idle().await;
    }
    let oldest = bench.place.query("SELECT min(leaf) FROM snapshot");
    add_stamps(&bench.place, oldest[0].parse().unwrap(), stamps);
    bench
}

fn count(bench: &Bench, text: &str) -> usize {
    bench.place.query(text)[0].parse().unwrap()
}

fn stamps(bench: &Bench) -> usize {
    count(bench, "SELECT count(*) FROM snapshot_seen")
}

fn ended(bench: &Bench) -> usize {
    count(bench, ENDED)
}

async fn an_end_goes_through_stamps_turn_by_turn_and_a_copy_of_the_registry_holds_it_ended_at_each(store: Store) {
    let mut bench = bench(store, 3 * STRIDE).await;
    snapshot(&bench, KEPT).await;
    let mut strides = 0;
    while bench.inbox.relayed().await.len() == KEPT {
        let left = stamps(&bench);
        bench.turns(1).await;
        if stamps(&bench) < left {
            strides += 1;
            assert_eq!(ended(&bench), KEPT + 1, "after {strides} strides");
        }
    }
    // Of the oldest one, its own among them, the last stride not full.
    assert_eq!((strides, stamps(&bench)), (4, KEPT));
}

/// From here on no stamp goes, as `how` says.
fn refuse(bench: &Bench, store: Store, how: &str) {
    bench.place.execute(&match store {
        Store::Sqlite => format!("CREATE TRIGGER stuck BEFORE DELETE ON snapshot_seen BEGIN SELECT {how}; END"),
        Store::Postgres => format!(
            "CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {how}; RETURN OLD; END $$; \
             CREATE TRIGGER stuck BEFORE DELETE ON snapshot_seen FOR EACH ROW EXECUTE FUNCTION stuck()"
        ),
    });
}

fn let_go(bench: &Bench, store: Store) {
    bench.place.execute(match store {
        Store::Sqlite => "DROP TRIGGER stuck",
        Store::Postgres => "DROP TRIGGER stuck ON snapshot_seen",
    });
}

/// It is relayed at the first refusal, and not one stamp went.
async fn is_relayed_all_the_same(bench: &mut Bench) {
    let before = stamps(bench);
    snapshot(bench, KEPT).await;
    bench.until_idle().await;
    assert_eq!(bench.inbox.relayed().await.len(), KEPT + 1);
    assert!(bench.inbox.journal.list_set_aside(None).await.unwrap().is_empty());
    assert_eq!((stamps(bench), ended(bench)), (before + 1, KEPT + 1));
    assert!(bench.worker.status.snapshot(0).last_told.is_some());
}

async fn a_snapshot_whose_end_is_refused_stamps_is_relayed_and_the_next_end_takes_them(store: Store) {
    let mut bench = bench(store, 3 * STRIDE).await;
    let how = match store {
        Store::Sqlite => "RAISE(ABORT, 'stuck')",
        Store::Postgres => "RAISE EXCEPTION 'stuck'",
    };
    refuse(&bench, store, how);
    is_relayed_all_the_same(&mut bench).await;
    let_go(&bench, store);
    snapshot(&bench, KEPT + 1).await;
    bench.until_idle().await;
    assert_eq!(stamps(&bench), KEPT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_whose_stamps_take_too_long_is_relayed_at_the_first_try() {
    if !Store::has_postgres() {
        return;
    }
    let mut bench = bench(Store::Postgres, 3 * STRIDE).await;
    // As the server says it of a statement that is longer than any may be.
    refuse(
        &bench,
        Store::Postgres,
        "RAISE EXCEPTION 'slow' USING ERRCODE = '57014'",
    );
    is_relayed_all_the_same(&mut bench).await;
}
