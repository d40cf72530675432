//! The end of a volume is signed before the next one, by whoever knows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::ORIGIN;
use super::bench::Bench;
use super::neighbour::{Neighbour, answer, cosigning};
use crate::journal::{Journal, VolumeOrder};
use crate::witness::{Service, Store, listen, router};

const NEXT: &str = "gw1.lyg.example/log/2028";

pub(super) async fn turn_volume(journal: &Journal) {
    let key = Arc::new(shuguan_ledger::note::SigningKey::from_seed(NEXT, &[1; 32]).unwrap());
    let order = VolumeOrder {
        key,
        who: "operator-li".into(),
    };
    journal.turn_volume(order).await.unwrap();
}

fn held(bench: &Bench, name: &str, log: &str) -> Option<u64> {
    let store = rusqlite::Connection::open(bench.folder.path().join(format!("{name}.db"))).unwrap();
    let size = store.query_row("SELECT size FROM seen WHERE origin = ?1", [log], |row| {
        row.get::<_, i64>(0)
    });
    size.ok().map(i64::cast_unsigned)
}

#[tokio::test]
async fn the_last_checkpoint_of_a_volume_is_shown_before_the_next_one_which_is_owed_until_it_is_known() {
    let mut bench = Bench::new();
    let witness = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let witnessing = bench.restored(&[&witness], 1).await;
    bench.round(&witnessing).await;
    bench.seal(3).await;
    turn_volume(bench.journal()).await;
    bench.seal(2).await;
    let closed = bench.journal().volumes().await.unwrap()[0].size.unwrap();
    bench.wait(1);
    bench.round(&witnessing).await;
    let newest = witnessing.newest().unwrap();
    assert_eq!(
        (newest.size, newest.note.starts_with(&format!("{ORIGIN}\n"))),
        (closed, true)
    );
    let debt = witnessing.debt().unwrap();
    assert_eq!(
        (debt.leaves, witnessing.refuses("any")),
        (3, None),
        "what the closed volume has is owed no more"
    );
    assert_eq!(witnessing.standing()[0].2, "it refused with status 404");
    // A restart remembers both: that the end was signed, and what is owed.
    drop(witnessing);
    bench.journal.take().unwrap().close().await.unwrap();
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    let witnessing = bench.restored(&[&witness], 1).await;
    assert_eq!(witnessing.newest().unwrap().size, closed);
    let port = witness.end().await;
    assert_eq!(
        (held(&bench, "a", ORIGIN), held(&bench, "a", NEXT)),
        (Some(closed), None)
    );
    let told = Neighbour::witness("a", port, &bench, bench.clock.clone()).await;
    bench.wait(10);
    bench.round(&witnessing).await;
    assert_eq!(witnessing.debt().unwrap().leaves, 0);
    assert!(witnessing.newest().unwrap().note.starts_with(NEXT));
    told.end().await;
    assert_eq!(held(&bench, "a", NEXT), Some(bench.journal().head().1.size));
}

#[tokio::test]
async fn two_witnesses_of_which_one_is_late_close_a_volume_together_and_one_that_forgot_it_is_not_waited_for() {
    let bench = Bench::new();
    let one = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let late = Neighbour::witness("bb", 0, &bench, bench.clock.clone()).await;
    let port = late.end().await;
    let (absent, listener) = Neighbour::bound("bb", port).await;
    drop(listener);
    bench.seal(3).await;
    turn_volume(bench.journal()).await;
    let closed = bench.journal().volumes().await.unwrap()[0].size.unwrap();
    let witnessing = bench.restored(&[&one, &absent], 2).await;
    bench.round(&witnessing).await;
    assert!(witnessing.newest().is_none(), "one is no quorum");
    let late = Neighbour::witness("bb", port, &bench, bench.clock.clone()).await;
    bench.wait(10);
    bench.round(&witnessing).await;
    let signed = bench.journal().closing().await.unwrap().unwrap();
    assert!(signed.is_witnessed && signed.last.size == closed, "{signed:?}");
    assert_eq!(signed.last.note.matches("— ").count(), 3, "the log and both witnesses");
    late.end().await;
    one.end().await;
    // A witness that knows only the new volume signs that.
    let bench = Bench::new();
    let journal = bench.journal();
    turn_volume(journal).await;
    let logs = BTreeMap::from([(NEXT.to_owned(), journal.log_keys().spans().to_vec())]);
    let (mut fresh, listener) = Neighbour::bound("ccc", 0).await;
    let path = bench.folder.path().join("ccc.db");
    Store::create(&path).unwrap();
    let service = Service::new(cosigning("ccc"), logs, Store::open(&path).unwrap(), bench.clock.clone());
    let stop = fresh.stop.clone();
    fresh.tasks.spawn(listen(listener, None, router(service), stop));
    let witnessing = bench.restored(&[&fresh], 1).await;
    for _ in 0..3 {
        bench.round(&witnessing).await;
        bench.wait(10);
    }
    assert_eq!(witnessing.debt().unwrap().leaves, 0);
    assert!(witnessing.newest().unwrap().note.starts_with(NEXT));
    fresh.end().await;
}

#[tokio::test]
async fn a_witness_that_fails_for_a_while_is_asked_for_the_end_of_a_volume_again() {
    let bench = Bench::new();
    let failing = answer("500 Internal Server Error", "text/plain", "");
    let broken = Neighbour::liar("a", failing, Duration::ZERO).await;
    let witnessing = bench.restored(&[&broken], 1).await;
    turn_volume(bench.journal()).await;
    for _ in 0..3 {
        bench.wait(10);
        bench.round(&witnessing).await;
    }
    assert!(witnessing.state().declined.is_empty(), "it may sign it yet");
    let unknown = answer("404 Not Found", "text/plain", "");
    let fresh = Neighbour::liar("a", unknown, Duration::ZERO).await;
    let witnessing = bench.restored(&[&fresh], 1).await;
    bench.round(&witnessing).await;
    assert_eq!(witnessing.state().declined.len(), 1);
}
