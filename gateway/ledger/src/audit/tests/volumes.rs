//! Volumes that are closed and opened by leaves that name each other.

use super::*;

/// How a planned turn of the volume is written: changed by a test, then sealed as leaves over what stands before.
struct Turn {
    close: LogCloseEvent,
    open: LogOpenEvent,
}

fn vkey(origin: &str) -> String {
    SigningKey::from_seed(origin, &[7; 32]).unwrap().verifying_key().vkey()
}

fn root(leaves: &[Vec<u8>]) -> Digest {
    let mut edge = Edge::empty();
    for bytes in leaves {
        edge.append(leaf_hash(bytes));
    }
    Digest(edge.root())
}

/// These leaves and the two of a turn after them.
fn turned(mut leaves: Vec<Vec<u8>>, from: &str, to: &str, change: impl FnOnce(&mut Turn)) -> Vec<Vec<u8>> {
    let size = leaves.len() as u64 + 1;
    let mut turn = Turn {
        close: LogCloseEvent {
            log: from.into(),
            by: vkey(from),
            next: to.into(),
            key: vkey(to),
            why: "year".into(),
            who: "operator-li".into(),
        },
        open: LogOpenEvent {
            log: to.into(),
            of: from.into(),
            size,
            root: Digest([0; 32]),
            kept: size,
            why: "year".into(),
            had: None,
        },
    };
    let close = bytes_of(Event::LogClose(turn.close.clone()));
    turn.open.root = root(&[&leaves[..], &[close]].concat());
    change(&mut turn);
    leaves.extend([
        bytes_of(Event::LogClose(turn.close)),
        bytes_of(Event::LogOpen(turn.open)),
    ]);
    leaves
}

const THIRD: &str = "log.example/3";

/// Three volumes: five leaves and the close, the opening and a start and the close, the opening and a start.
fn three_volumes() -> Vec<Vec<u8>> {
    let mut leaves = turned(log(), "log.example", SECOND, |_| {});
    leaves.push(start(9, 7));
    let mut leaves = turned(leaves, SECOND, THIRD, |_| {});
    leaves.push(start(9, 10));
    leaves
}

fn all_three() -> Trust {
    let keys = ["log.example", SECOND, THIRD].map(|origin| SigningKey::from_seed(origin, &[7; 32]).unwrap());
    Trust::in_keys(keys.map(|key| key.verifying_key().into()))
}

/// Verifies under the newest checkpoint of this volume, with older ones on the way.
fn volumes(leaves: &[Vec<u8>], newest: &str, older: &[(u64, &str)], trust: &Trust) -> Result<LogReport, LogFault> {
    let mut verifier = LogVerifier::new(&signed_as(newest, leaves), trust)?;
    for (taken, bytes) in leaves.iter().enumerate() {
        verifier.leaf(bytes)?;
        let size = verifier.edge().size();
        for (_, origin) in older.iter().filter(|(at, _)| *at == size) {
            verifier.checkpoint(&signed_as(origin, &leaves[..=taken]))?;
        }
    }
    verifier.finish()
}

#[test]
fn volumes_that_name_each_other_are_followed_over_any_number_of_turns() {
    let leaves = three_volumes();
    assert_eq!(leaves.len(), 11);
    let every = [(3, "log.example"), (6, "log.example"), (7, SECOND), (9, SECOND)];
    let report = volumes(&leaves, THIRD, &every, &all_three()).unwrap();
    let names: Vec<_> = report
        .succeeded
        .iter()
        .map(|one| (one.of.as_str(), one.kept, one.size))
        .collect();
    assert_eq!(names, [("log.example", 6, 6), (SECOND, 9, 9)]);
    assert_eq!((report.checkpoints, report.closed), (5, None));
    // Each volume by itself, up to its last checkpoint, knows how it ends.
    for (size, origin, next) in [(6, "log.example", SECOND), (9, SECOND, THIRD)] {
        let report = volumes(&leaves[..size], origin, &[], &all_three()).unwrap();
        assert_eq!(report.closed.unwrap().next, next);
    }
    // A volume in the middle needs no line of the trust file: the last checkpoint before it vouches for the key that it begins with.
    let outer = ["log.example", THIRD].map(|origin| SigningKey::from_seed(origin, &[7; 32]).unwrap());
    let outer = Trust::in_keys(outer.map(|key| key.verifying_key().into()));
    assert!(volumes(&leaves, THIRD, &every, &outer).is_ok());
    let unseen = volumes(&leaves, THIRD, &every[2..], &outer).unwrap_err();
    assert!(matches!(unseen, LogFault::Checkpoint { size: 7, .. }), "{unseen}");
}

#[test]
fn a_closed_volume_signs_nothing_more_and_its_successor_nothing_before() {
    let leaves = three_volumes();
    for (size, origin) in [
        (7, "log.example"),
        (8, "log.example"),
        (10, "log.example"),
        (3, SECOND),
        (6, SECOND),
        (10, SECOND),
        (9, THIRD),
    ] {
        let fault = volumes(&leaves, THIRD, &[(size, origin)], &all_three()).unwrap_err();
        let refused = match &fault {
            LogFault::Checkpoint { source, .. } => {
                matches!(source, Untrusted::OtherLog(_) | Untrusted::OutOfSpan { .. })
            }
            // Before any checkpoint or leaf says which log stands here, the leaves contradict it.
            fault => matches!(fault, LogFault::Leaf { index: 5, .. }),
        };
        assert!(refused, "{size} {origin}: {fault}");
    }
    for newest in ["log.example", SECOND] {
        let fault = volumes(&leaves, newest, &[], &all_three()).unwrap_err();
        assert!(matches!(fault, LogFault::Checkpoint { .. }), "{newest}: {fault}");
    }
    // The trust file that states where a volume ended says so of any checkpoint of it.
    let close = Leaf::decode(&leaves[5]).unwrap().event;
    let Event::LogClose(close) = close else {
        panic!("{close:?}")
    };
    let trust = Trust::in_log(key().verifying_key())
        .succeeded("log.example", 5, &close)
        .unwrap();
    assert!(trust.open(&signed_as("log.example", &leaves[..6])).is_ok());
    assert!(trust.open(&signed_as(SECOND, &leaves[..7])).is_ok());
    for (size, origin) in [(7, "log.example"), (10, "log.example"), (6, SECOND)] {
        let fault = trust.open(&signed_as(origin, &leaves[..size])).unwrap_err();
        assert!(matches!(fault, Untrusted::OutOfSpan { .. }), "{size} {origin}: {fault}");
    }
}

#[test]
fn names_that_do_not_name_each_other_are_refused_where_they_differ() {
    type Change = fn(&mut Turn);
    let changes: [(u64, &str, Change); 15] = [
        (5, "another log is closed", |turn| turn.close.log = THIRD.into()),
        (5, "its own successor", |turn| turn.close.next = "log.example".into()),
        (5, "a key of another name", |turn| turn.close.key = vkey(THIRD)),
        (5, "no key", |turn| turn.close.key = "none".into()),
        (5, "another key than the trusted one", |turn| {
            turn.close.key = SigningKey::from_seed(SECOND, &[8; 32]).unwrap().verifying_key().vkey();
        }),
        (6, "the closing names another", |turn| {
            (turn.close.next, turn.close.key) = (THIRD.into(), vkey(THIRD));
        }),
        (6, "the opening names another", |turn| turn.open.log = THIRD.into()),
        (6, "it succeeds another", |turn| turn.open.of = THIRD.into()),
        (6, "another root", |turn| turn.open.root = Digest([9; 32])),
        (6, "a smaller size", |turn| (turn.open.size, turn.open.kept) = (5, 5)),
        (6, "a loss", |turn| turn.open.size = 8),
        (6, "fewer kept", |turn| turn.open.kept = 5),
        (6, "another reason", |turn| turn.open.why = "restored".into()),
        (6, "a log between the two", |turn| turn.open.had = Some(THIRD.into())),
        (6, "a reason of its own", |turn| turn.close.why = "rotation".into()),
    ];
    for (index, what, change) in changes {
        let mut leaves = turned(log(), "log.example", SECOND, change);
        leaves.push(start(9, 7));
        let fault = volumes(&leaves, SECOND, &[(3, "log.example")], &all_three()).unwrap_err();
        assert!(
            matches!(fault, LogFault::Leaf { index: at, .. } if at == index),
            "{what}: {fault}"
        );
    }
}

#[test]
fn an_entry_after_the_close_and_an_opening_without_one_are_refused() {
    let whole = turned(log(), "log.example", SECOND, |_| {});
    let with = |index: usize, leaves: &[Vec<u8>]| [&whole[..index], leaves].concat();
    let again = turned(whole[..6].to_vec(), "log.example", SECOND, |_| {});
    for (index, leaves) in [
        (6, with(6, &[start(9, 6)])),
        (6, with(6, &[start(9, 6), whole[6].clone()])),
        (6, again),
        // The opening alone, and after something else.
        (5, with(5, &[whole[6].clone()])),
        (5, with(5, &[log_open(SECOND, "log.example", 5, 5)])),
        (6, with(6, &[gap("log.example")])),
    ] {
        let fault = volumes(&leaves, SECOND, &[], &all_three()).unwrap_err();
        assert!(
            matches!(fault, LogFault::Leaf { index: at, .. } if at == index),
            "{index}: {fault}"
        );
    }
    // A name means one log for ever.
    let back = turned(whole.clone(), SECOND, "log.example", |_| {});
    let fault = volumes(&back, "log.example", &[], &all_three()).unwrap_err();
    assert!(matches!(fault, LogFault::Leaf { index: 7, .. }), "{fault}");
    // Within a gap nothing is closed.
    let lost = turned(successor()[..4].to_vec(), SECOND, THIRD, |_| {});
    let fault = volumes(&lost, THIRD, &[], &all_three()).unwrap_err();
    assert!(matches!(fault, LogFault::Leaf { index: 4, .. }), "{fault}");
}

#[test]
fn a_loss_within_a_newer_volume_names_the_volume_that_is_kept() {
    // Of the second volume nothing is left, and the third says so.
    let opened = |had: Option<&str>, of: &str| {
        bytes_of(Event::LogOpen(LogOpenEvent {
            log: THIRD.into(),
            of: of.into(),
            size: 5,
            root: Digest([4; 32]),
            kept: 3,
            why: "restored".into(),
            had: had.map(str::to_owned),
        }))
    };
    let with = |had, of| [&log()[..3], &[opened(had, of), gap(of), start(9, 5)]].concat();
    let report = volumes(
        &with(Some("log.example"), SECOND),
        THIRD,
        &[(3, "log.example")],
        &all_three(),
    )
    .unwrap();
    assert_eq!(report.succeeded[0].had.as_deref(), Some("log.example"));
    for (had, of) in [
        (None, SECOND),
        (Some(SECOND), SECOND),
        (Some(THIRD), SECOND),
        (Some("other.example"), SECOND),
    ] {
        let fault = volumes(&with(had, of), THIRD, &[(3, "log.example")], &all_three()).unwrap_err();
        assert!(
            matches!(fault, LogFault::Leaf { index: 3, .. }),
            "{had:?} {of}: {fault}"
        );
    }
}

#[test]
fn a_volume_is_proven_alone_and_the_entries_before_it_by_their_hashes() {
    let mut leaves = log();
    let waiting = push(9, "0199");
    leaves.push(waiting.clone());
    let mut leaves = turned(leaves, "log.example", SECOND, |_| {});
    let of = of(5, &waiting);
    let begun = leaves.len() - 2;
    leaves.extend([relayed(9, "0199", of), erased(9, "0199", of)]);
    let alone = |leaves: &[Vec<u8>], hashed: usize, newest: &str| {
        let mut verifier = LogVerifier::new(&signed_as(newest, leaves), &all_three())?;
        for (index, bytes) in leaves.iter().enumerate() {
            if index < hashed {
                verifier.take_hash(leaf_hash(bytes))?;
            } else {
                verifier.leaf(bytes)?;
            }
        }
        verifier.finish()
    };
    let report = alone(&leaves, begun, SECOND).unwrap();
    assert_eq!((report.hashed, report.kinds.len()), (begun as u64, 4));
    assert_eq!(report.succeeded.len(), 1);
    // What belongs to the volume itself must be there, and what is said of earlier entries is said once.
    let fault = alone(&leaves, begun + 1, SECOND).unwrap_err();
    assert!(matches!(fault, LogFault::Leaf { .. }), "{fault}");
    let fault = alone(&leaves, leaves.len() - 1, SECOND).unwrap_err();
    assert!(matches!(fault, LogFault::Leaf { index: 0, .. }), "{fault}");
    let fault = alone(&log(), 2, "log.example").unwrap_err();
    assert!(matches!(fault, LogFault::Leaf { index: 0, .. }), "{fault}");
    for again in [relayed(9, "0199", of), erased(9, "0199", of)] {
        let twice = [&leaves[..], &[again]].concat();
        let fault = alone(&twice, begun, SECOND).unwrap_err();
        assert!(
            matches!(fault, LogFault::Leaf { index, .. } if index == leaves.len() as u64),
            "{fault}"
        );
    }
    // A hash in the place of a later leaf.
    let mut verifier = LogVerifier::new(&signed_as(SECOND, &leaves), &all_three()).unwrap();
    verifier.leaf(&leaves[0]).unwrap();
    assert!(verifier.take_hash(leaf_hash(&leaves[1])).is_err());
    // Another hash leads to another root: the opening's own word differs before the checkpoint's.
    let mut verifier = LogVerifier::new(&signed_as(SECOND, &leaves), &all_three()).unwrap();
    for _ in 0..begun {
        verifier.take_hash([3; 32]).unwrap();
    }
    verifier.leaf(&leaves[begun]).unwrap();
    assert!(verifier.leaf(&leaves[begun + 1]).is_err());
}

#[test]
fn a_trust_file_learns_where_a_volume_ended_and_which_key_the_next_begins_with() {
    let leaves = three_volumes();
    let close = |index: usize| match Leaf::decode(&leaves[index]).unwrap().event {
        Event::LogClose(close) => close,
        other => panic!("{other:?}"),
    };
    let text = format!(
        "log {} https://log.example\nwitness w {}\nquorum none\n",
        vkey("log.example"),
        witness_vkey()
    );
    let trust = Trust::parse(&text).unwrap();
    let second = trust.succeeded("log.example", 5, &close(5)).unwrap();
    assert_eq!(
        second.text(),
        format!(
            "log {second}\nlog {first} https://log.example\nsizes {second} 7 -\nsizes {first} 0 7\nwitness w {w}\nquorum none\n",
            second = vkey(SECOND),
            first = vkey("log.example"),
            w = witness_vkey(),
        )
    );
    assert_eq!(Trust::parse(&second.text()).unwrap(), second);
    assert_eq!(
        second.succeeded("log.example", 5, &close(5)).unwrap().logs(),
        second.logs(),
        "once more changes nothing"
    );
    let third = second.succeeded(SECOND, 8, &close(8)).unwrap();
    assert_eq!(third.logs().len(), 3);
    assert!(volumes(&leaves, THIRD, &[(6, "log.example"), (7, SECOND)], &third).is_ok());
    // Of another log, at another place, for another key: nothing is learnt.
    let stranger = LogCloseEvent {
        key: SigningKey::from_seed(SECOND, &[8; 32]).unwrap().verifying_key().vkey(),
        ..close(5)
    };
    let itself = LogCloseEvent {
        next: "log.example".into(),
        key: vkey("log.example"),
        ..close(5)
    };
    for (origin, index, event, what) in [
        (SECOND, 5, close(5), "of another log"),
        ("log.example", 5, stranger, "another key"),
        ("log.example", 5, itself, "itself"),
        ("log.example", 3, close(5), "earlier than is known"),
        ("log.example", 9, close(5), "another place"),
    ] {
        let learnt = second.succeeded(origin, index, &event);
        assert!(learnt.is_err(), "{what}: {learnt:?}");
    }
}

/// The keys of these logs, each with the sizes that are known of it.
fn spans(known: &[(&str, u64, Option<u64>)]) -> Trust {
    Trust::in_keys(known.iter().map(|(origin, from, until)| {
        let key = SigningKey::from_seed(origin, &[7; 32]).unwrap().verifying_key();
        match (from, until) {
            (0, None) => key.into(),
            _ => KeySpan::between(key, *from, *until).unwrap(),
        }
    }))
}

#[test]
fn a_stolen_key_of_a_closed_volume_names_no_second_successor() {
    let closing = |next: &str| LogCloseEvent {
        log: "log.example".into(),
        by: vkey("log.example"),
        next: next.into(),
        key: vkey(next),
        why: "year".into(),
        who: "operator-li".into(),
    };
    let learnt = spans(&[("log.example", 0, None)]);
    let learnt = learnt.succeeded("log.example", 5, &closing(SECOND)).unwrap();
    for (trust, index) in [
        (&learnt, 5),
        (&learnt, 3),
        (&learnt, 4),
        // The successor is not known, and yet that the log has ended.
        (&spans(&[("log.example", 0, Some(7))]), 5),
    ] {
        let second = trust.succeeded("log.example", index, &closing(THIRD));
        assert!(second.is_err(), "{index}: {second:?}");
    }
    // That one of two keys has ended says nothing of the log's end.
    let other = SigningKey::from_seed("log.example", &[9; 32]).unwrap();
    let retired = KeySpan::between(key().verifying_key(), 0, Some(4)).unwrap();
    let later = KeySpan::between(other.verifying_key(), 2, None).unwrap();
    let rotated = Trust::in_keys([retired, later]);
    assert!(rotated.succeeded("log.example", 5, &closing(SECOND)).is_ok());
    assert!(rotated.succeeded("log.example", 2, &closing(SECOND)).is_err());

    // A whole log that goes by a second successor to a volume that is trusted.
    let mut leaves = turned(log(), "log.example", THIRD, |_| {});
    leaves = turned(leaves, THIRD, SECOND, |_| {});
    let older = [(6, "log.example")];
    let open = spans(&[("log.example", 0, None), (SECOND, 0, None)]);
    assert!(volumes(&leaves, SECOND, &older, &open).is_ok());
    let ended = spans(&[("log.example", 0, Some(7)), (SECOND, 0, None)]);
    let fault = volumes(&leaves, SECOND, &older, &ended).unwrap_err();
    assert!(matches!(fault, LogFault::Leaf { index: 5, .. }), "{fault}");
}

#[test]
fn a_turn_at_another_place_than_the_trust_file_states_is_refused() {
    let mut longer = log();
    longer.extend([start(9, 5), start(9, 6), start(9, 7)]);
    let leaves = turned(longer, "log.example", SECOND, |_| {});
    let [first, second] = [("log.example", 0, None), (SECOND, 0, None)];
    for (known, fits) in [
        ([first, second], true),
        ([first, (SECOND, 10, None)], true),
        ([("log.example", 0, Some(10)), (SECOND, 10, None)], true),
        ([("log.example", 0, Some(7)), (SECOND, 7, None)], false),
        ([("log.example", 0, Some(7)), second], false),
        ([first, (SECOND, 7, None)], false),
        ([("log.example", 0, Some(12)), (SECOND, 12, None)], false),
    ] {
        match volumes(&leaves, SECOND, &[], &spans(&known)) {
            Ok(_) => assert!(fits, "{known:?}"),
            // At the closing leaf, or because its key signs where it has not begun.
            Err(LogFault::Leaf { index: 8, .. } | LogFault::Checkpoint { .. }) => assert!(!fits, "{known:?}"),
            Err(fault) => panic!("{known:?}: {fault}"),
        }
    }
}

/// Verifies these leaves under the newest checkpoint, so many of them by their hashes alone.
fn alone(leaves: &[Vec<u8>], hashed: usize, newest: &str) -> Result<LogReport, LogFault> {
    let mut verifier = LogVerifier::new(&signed_as(newest, leaves), &all_three())?;
    for (index, bytes) in leaves.iter().enumerate() {
        if index < hashed {
            verifier.take_hash(leaf_hash(bytes))?;
        } else {
            verifier.leaf(bytes)?;
        }
    }
    verifier.finish()
}

#[test]
fn a_volume_that_begins_after_a_gap_whose_opening_stands_among_the_hashes_is_proven() {
    // Five leaves, of which two are lost and three more before the second log goes on and is turned.
    let lost = |of: [&str; 3]| {
        let mut leaves = log()[..3].to_vec();
        leaves.push(log_open(SECOND, "log.example", 7, 3));
        leaves.extend(of.map(gap));
        leaves.push(start(9, 7));
        turned(leaves, SECOND, THIRD, |_| {})
    };
    let leaves = lost(["log.example"; 3]);
    for hashed in [0, 4, 5, 6, 7, 8] {
        let report = alone(&leaves, hashed, THIRD).unwrap();
        assert_eq!(report.hashed, hashed as u64);
    }
    // Of one lost log, at the beginning, and never without hashes before.
    for (leaves, hashed, at) in [
        (lost(["log.example", "other.example", "log.example"]), 4, 5),
        (lost(["log.example", "log.example", "other.example"]), 5, 6),
        ([&lost(["log.example"; 3])[..8], &[gap("log.example")]].concat(), 4, 8),
        (vec![gap("log.example")], 0, 0),
    ] {
        let fault = alone(&leaves, hashed, THIRD).unwrap_err();
        assert!(
            matches!(fault, LogFault::Leaf { index, .. } if index == at),
            "{hashed} {at}: {fault}"
        );
    }
}

#[test]
fn the_name_of_a_log_that_is_lost_whole_or_was_kept_after_it_is_never_free_again() {
    let lost = LogOpenEvent {
        log: THIRD.into(),
        of: SECOND.into(),
        size: 4,
        root: Digest([4; 32]),
        kept: 3,
        why: "restored".into(),
        had: Some("log.example".into()),
    };
    let leaves = [&log()[..3], &[bytes_of(Event::LogOpen(lost))]].concat();
    for name in ["log.example", SECOND, THIRD] {
        let back = turned(leaves.clone(), THIRD, name, |_| {});
        let fault = volumes(&back, name, &[], &all_three()).unwrap_err();
        assert!(matches!(fault, LogFault::Leaf { index: 4, .. }), "{name}: {fault}");
        let again = [&leaves[..], &[log_open(name, THIRD, 6, 4), gap(THIRD)]].concat();
        let fault = volumes(&again, name, &[], &all_three()).unwrap_err();
        assert!(matches!(fault, LogFault::Leaf { index: 4, .. }), "{name}: {fault}");
    }
}

#[test]
fn a_quorum_under_the_new_name_alone_does_not_vouch_for_the_volume_before() {
    let witness = crate::cosignature::CosigningKey::from_seed("w.example", &[3; 32]).unwrap();
    let cosigned = |origin: &str, leaves: &[Vec<u8>]| {
        let note = signed_as(origin, leaves);
        let text = crate::note::text(&note).unwrap().to_owned();
        format!("{note}{}", witness.cosign(&text, 5).unwrap())
    };
    let keys = ["log.example", SECOND].map(|origin| format!("log {}\n", vkey(origin)));
    let asked = format!("{}witness w {}\nquorum w\n", keys.concat(), witness_vkey());
    let leaves = turned(log(), "log.example", SECOND, |_| {});
    let judged = |end: String, trust: &str| {
        let mut verifier = LogVerifier::new(&cosigned(SECOND, &leaves), &Trust::parse(trust).unwrap()).unwrap();
        for (index, bytes) in leaves.iter().enumerate() {
            if index == 6 {
                verifier.checkpoint(&end).unwrap();
            }
            verifier.leaf(bytes).unwrap();
        }
        let report = verifier.finish().unwrap();
        (report.verdict(), report.unwitnessed_ends)
    };
    let (shown, unseen) = (
        cosigned("log.example", &leaves[..6]),
        signed_as("log.example", &leaves[..6]),
    );
    assert_eq!(judged(shown, &asked), ("proven", vec![]));
    assert_eq!(
        judged(unseen.clone(), &asked),
        ("proven", vec![("log.example".to_owned(), 6)])
    );
    assert_eq!(
        judged(unseen, &keys.concat()),
        ("proven", vec![]),
        "nobody asks for a witness"
    );
}

fn witness_vkey() -> String {
    crate::cosignature::CosigningKey::from_seed("w.example", &[3; 32])
        .unwrap()
        .witness_key()
        .vkey()
}
