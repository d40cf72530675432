//! An older copy of the journal that was put back is found at the start, and at first contact.

use std::path::{Path, PathBuf};

use super::ORIGIN;
use super::bench::Bench;
use super::neighbour::Neighbour;
use super::volumes::turn_volume;
use crate::edge::health::Light;
use crate::journal::{Journal, JournalFault, own_trust};
use crate::refusal::Refusal;
use crate::witnessing::RolledBack;

/// A copy of the journal as it stands; it goes on.
async fn copied(bench: &mut Bench) -> PathBuf {
    bench.journal.take().unwrap().close().await.unwrap();
    let copy = bench.folder.path().join("copy.db");
    std::fs::copy(bench.settings("a").place.file().unwrap(), &copy).unwrap();
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    copy
}

fn put_back(bench: &mut Bench, copy: &Path) {
    drop(bench.journal.take());
    let place = bench.settings("a").place;
    let database = place.file().unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", database.display()));
    }
    std::fs::copy(copy, database).unwrap();
}

#[tokio::test]
async fn a_journal_put_back_from_an_older_copy_is_found_at_the_start_and_at_first_contact() {
    let mut bench = Bench::new();
    let witness = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let witnessing = bench.restored(&[&witness], 1).await;
    let copy = copied(&mut bench).await;
    bench.seal(5).await;
    bench.round(&witnessing).await;
    let signed = witnessing.newest().unwrap().size;
    let trust = bench.journal().trust();
    assert_eq!(
        witnessing
            .compare(&bench.settings("a").place, ORIGIN, &trust)
            .await
            .unwrap(),
        Ok(())
    );
    put_back(&mut bench, &copy);
    let compared = witnessing
        .compare(&bench.settings("a").place, ORIGIN, &trust)
        .await
        .unwrap()
        .unwrap_err()
        .0;
    let witness_name = "a".to_owned();
    assert_eq!(
        compared,
        RolledBack::Short {
            witness: witness_name,
            signed,
            found: 2
        }
    );
    assert!(
        compared.to_string().contains("entries 2 to 7 are missing"),
        "{compared}"
    );
    // Nobody answered at the start, and the head file was put back too: the first contact finds it.
    std::fs::remove_file(bench.folder.path().join("a/journal.head")).unwrap();
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    let late = bench.restored(&[&witness], 1).await;
    bench.round(&late).await;
    assert_eq!(
        (late.light().0, late.refuses("any")),
        (Light::Red, Some(Refusal::LogDisputed))
    );
    // What was proved is not forgotten by a start at which no witness answers, however long the fork has grown.
    let stated = std::fs::read_to_string(bench.folder.path().join("a/journal.head")).unwrap();
    assert_eq!(
        stated.lines().nth(1),
        Some(signed.to_string().as_str()),
        "what the witness showed"
    );
    bench.journal.take().unwrap().close().await.unwrap();
    let again = Journal::open(&bench.settings("a"), bench.clock.clone());
    assert!(matches!(again, Err(JournalFault::Forked { .. })), "{again:?}");
}

#[tokio::test]
async fn an_older_copy_that_was_turned_is_still_found_at_the_start_and_at_first_contact() {
    let mut bench = Bench::new();
    let witness = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let witnessing = bench.restored(&[&witness], 1).await;
    let copy = copied(&mut bench).await;
    bench.seal(9).await;
    bench.round(&witnessing).await;
    let signed = witnessing.newest().unwrap().size;
    put_back(&mut bench, &copy);
    std::fs::remove_file(bench.folder.path().join("a/journal.head")).unwrap();
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    turn_volume(bench.journal()).await;
    bench.journal.take().unwrap().close().await.unwrap();
    let ours = own_trust(&bench.settings("a")).unwrap();
    let compared = witnessing
        .compare(&bench.settings("a").place, ORIGIN, &ours)
        .await
        .unwrap()
        .unwrap_err()
        .0;
    assert!(
        matches!(compared, RolledBack::Short { signed: at, .. } if at == signed),
        "{compared}"
    );
    // Nobody answered at the start: the first contact finds it, and the new volume is asked for all the same.
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    let late = bench.restored(&[&witness], 1).await;
    bench.round(&late).await;
    assert_eq!(
        (late.light().0, late.refuses("any"), late.is_disputed()),
        (Light::Red, Some(Refusal::LogDisputed), true)
    );
    bench.wait(10);
    bench.round(&late).await;
    assert_eq!(late.standing().len(), 1);
    assert_eq!(
        late.state().links[0].fault.as_deref(),
        Some("it refused with status 404")
    );
}
