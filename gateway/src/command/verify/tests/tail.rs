//! `verify log` with witnesses: what stands behind the last checkpoint that they signed.

use super::columns::witness;
use super::*;

/// A journal whose first 100 entries a witness saw, or none.
fn room(seen: bool) -> Room {
    let room = Room::new();
    let trust = room.path("trust.txt");
    let log = std::fs::read_to_string(&trust).unwrap();
    let vkey = witness().witness_key().vkey();
    std::fs::write(&trust, format!("{log}witness w {vkey}\nquorum w\n")).unwrap();
    if seen {
        let mut edge = Edge::empty();
        (0..100).for_each(|index| drop(edge.append(leaf_hash(&leaf(index).encode().unwrap()))));
        let (origin, size, root) = ("log.example".into(), edge.size(), edge.root());
        let text = Checkpoint { origin, size, root }.text();
        let note = sign(&edge) + &witness().cosign(&text, 9).unwrap();
        let journal = Connection::open(room.path("journal.db")).unwrap();
        journal
            .execute("UPDATE checkpoint SET note = ?1 WHERE size = 100", [note])
            .unwrap();
    }
    room
}

fn judged(room: &Room, unwitnessed_h: u32) -> Exit {
    let (journal, trust) = (vec![room.path("journal.db")], room.path("trust.txt"));
    Room::run(What::Log {
        journal,
        trust,
        receipt: vec![],
        checkpoint: vec![],
        unwitnessed_h,
    })
    .unwrap()
}

#[test]
fn a_log_whose_end_no_witness_saw_is_not_proven_to_who_asks_for_all_of_it() {
    let seen = room(true);
    assert_eq!(judged(&seen, 24), Exit::Done, "200 entries of 200 microseconds");
    assert_eq!(judged(&seen, 0), Exit::NotProven);
    assert_eq!(judged(&room(false), 24), Exit::NotProven);
}
