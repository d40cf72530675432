//! What is said of a push after it: as often as that can be, by its own name, and of each of its rows.

use super::*;

fn fed_again(t: i64, x: &str, of: Reference) -> Vec<u8> {
    let event = OperatorEvent {
        who: "operator-li".into(),
        act: "fed-again".into(),
        x: Some(x.into()),
        why: None,
        of: Some(of),
    };
    leaf(t, Event::Operator(event))
}

#[test]
fn a_push_that_was_fed_again_is_relayed_once_more_and_only_after_it_was_relayed() {
    let a = push(2, "a");
    let (done, again, gone) = (
        relayed(3, "a", of(0, &a)),
        fed_again(3, "a", of(0, &a)),
        erased(3, "a", of(0, &a)),
    );
    let good = [&a, &done, &again, &done, &again, &done, &gone].map(Clone::clone);
    assert_eq!(verify_log(&good, &sign(&good), &trust()).unwrap().waiting, 0);
    assert_eq!(verify_log(&good[..3], &sign(&good[..3]), &trust()).unwrap().waiting, 1);
    for (leaves, expected, words) in [
        (vec![a.clone(), again.clone()], 1, "which was not relayed"),
        (
            vec![a.clone(), done.clone(), again.clone(), again.clone()],
            3,
            "or waits",
        ),
        (
            vec![a.clone(), done.clone(), gone.clone(), again.clone()],
            3,
            "was erased before",
        ),
        (
            vec![a.clone(), done.clone(), again.clone(), relayed(3, "b", of(0, &a))],
            3,
            "another hash, exchange or partner",
        ),
        (
            vec![a.clone(), done.clone(), again.clone(), done.clone(), done.clone()],
            4,
            "relayed or erased before",
        ),
        (
            vec![a.clone(), done.clone(), fed_again(3, "a", of(1, &done))],
            2,
            "which was not relayed",
        ),
    ] {
        let (index, what) = fault(&leaves);
        assert_eq!(index, expected, "{what}");
        assert!(what.contains(words), "{what}");
    }
}

#[test]
fn nobody_takes_back_what_another_partner_pushed_whether_it_was_relayed_or_not() {
    let a = push(1, "a");
    let done = relayed(2, "a", of(0, &a));
    let of_another = with(&recall(3, "a", of(0, &a)), |event| {
        if let Event::Recall(recall) = event {
            recall.p = "nobody".into();
        }
    });
    for leaves in [
        vec![a.clone(), of_another.clone()],
        vec![a.clone(), done.clone(), of_another],
    ] {
        let (index, what) = fault(&leaves);
        assert_eq!(index, leaves.len() as u64 - 1);
        assert!(what.contains("another hash, exchange or partner"), "{what}");
    }
}

#[test]
fn where_a_push_stands_is_what_the_leaves_so_far_say() {
    let (a, b) = (push(1, "a"), push(1, "b"));
    let leaves = [
        a.clone(),
        b.clone(),
        relayed(2, "a", of(0, &a)),
        fed_again(3, "a", of(0, &a)),
        relayed(4, "a", of(0, &a)),
        recall(5, "b", of(1, &b)),
        erased(6, "a", of(0, &a)),
        erased(6, "b", of(1, &b)),
    ];
    let mut verifier = LogVerifier::new(&sign(&leaves), &trust()).unwrap();
    let mut seen = Vec::new();
    for bytes in &leaves {
        verifier.leaf(bytes).unwrap();
        seen.push((verifier.standing(0), verifier.standing(1)));
    }
    let [waiting, relayed, given_up, erased] = [
        Some(Standing::Waiting),
        Some(Standing::Relayed),
        Some(Standing::GivenUp),
        Some(Standing::Erased),
    ];
    let expected = [
        (waiting, None),
        (waiting, waiting),
        (relayed, waiting),
        (waiting, waiting),
        (relayed, waiting),
        (relayed, given_up),
        (erased, given_up),
        (erased, erased),
    ];
    assert_eq!(seen, expected);
    assert_eq!(verifier.standing(2), None, "no push stands there");
}

#[test]
fn what_is_said_of_a_push_that_was_relayed_names_it_as_it_was() {
    let (a, b) = (push(1, "a"), push(1, "b"));
    let done = relayed(2, "a", of(0, &a));
    for bad in [
        recall(3, "b", of(0, &a)),
        recall(3, "a", of(0, &b)),
        erased(3, "b", of(0, &a)),
        erased(3, "a", of(0, &b)),
        fed_again(3, "b", of(0, &a)),
        fed_again(3, "a", of(0, &b)),
    ] {
        let (index, what) = fault(&[a.clone(), b.clone(), done.clone(), bad]);
        assert_eq!(index, 3, "{what}");
        assert!(what.contains("another hash, exchange or partner"), "{what}");
    }
}

#[test]
fn a_relayed_leaf_tells_of_each_row_that_was_accepted_and_of_no_other() {
    let counted = |mode: Option<&str>, counts: [u64; 4], del: Option<u64>| {
        let a = with(&push(1, "a"), |event| {
            if let Event::Push(push) = event {
                push.mode = mode.map(str::to_owned);
            }
        });
        let done = with(&relayed(2, "a", of(0, &a)), |event| {
            if let Event::Relayed(relayed) = event {
                [relayed.ins, relayed.upd, relayed.same, relayed.fail] = counts;
                relayed.del = del;
            }
        });
        vec![a, done]
    };
    for (mode, counts, del) in [
        (None, [1, 2, 2, 1], None),
        // It came after a newer snapshot that lacks one of its rows.
        (None, [1, 2, 2, 0], Some(1)),
        (Some("delta"), [1, 1, 1, 0], Some(3)),
        // It closes what it lacks.
        (Some("snapshot"), [0, 0, 6, 0], Some(40)),
        (Some("snapshot"), [0, 0, 5, 0], Some(1)),
    ] {
        let good = counted(mode, counts, del);
        assert!(verify_log(&good, &sign(&good), &trust()).is_ok(), "{mode:?}");
    }
    // Versions before did not say of an upsert what a newer snapshot of its sender closed at once.
    let older = |mode: &str| {
        let mut leaves = counted(None, [4, 0, 0, 0], None);
        let snapshot = with(&push(1, "s"), |event| {
            if let Event::Push(push) = event {
                push.mode = Some(mode.into());
            }
        });
        leaves.insert(1, snapshot);
        leaves
    };
    let good = older("snapshot");
    assert!(verify_log(&good, &sign(&good), &trust()).is_ok());
    assert_eq!(fault(&older("delta")).0, 2);
    for (mode, counts, del) in [
        (None, [3, 0, 0, 0], None),
        (None, [6, 0, 0, 1], None),
        (Some("delta"), [6, 0, 0, 0], Some(1)),
        (Some("snapshot"), [0, 0, 5, 0], Some(0)),
        (Some("snapshot"), [0, 0, 7, 0], Some(0)),
    ] {
        let (index, what) = fault(&counted(mode, counts, del));
        assert_eq!(index, 1, "{what}");
        assert!(what.contains("which brought 6 rows"), "{what}");
    }
}

#[test]
fn only_a_push_that_waits_for_the_relay_is_set_aside() {
    let a = push(2, "a");
    let aside = |x: &str, of: Reference| {
        let (x, code) = (x.into(), "SG6203".into());
        leaf(3, Event::SetAside(SetAsideEvent { x, of, code }))
    };
    let (set, done) = (aside("a", of(0, &a)), relayed(3, "a", of(0, &a)));
    let again = fed_again(3, "a", of(0, &a));
    // Released by an operator and refused anew, it is set aside anew.
    let good = [&a, &set, &set, &done, &again, &set, &done].map(Clone::clone);
    let report = verify_log(&good, &sign(&good), &trust()).unwrap();
    assert_eq!((report.kinds["set-aside"], report.waiting), (3, 0));
    for (leaves, expected, words) in [
        (vec![set.clone()], 0, "no push that waits"),
        (
            vec![a.clone(), aside("b", of(0, &a))],
            1,
            "another hash, exchange or partner",
        ),
        (
            vec![a.clone(), aside("a", of(0, &done))],
            1,
            "another hash, exchange or partner",
        ),
        (vec![a.clone(), done.clone(), set.clone()], 2, "no push that waits"),
        (
            vec![a.clone(), done.clone(), erased(3, "a", of(0, &a)), set.clone()],
            3,
            "no push that waits",
        ),
        (
            vec![a.clone(), recall(3, "a", of(0, &a)), set.clone()],
            2,
            "no push that waits",
        ),
    ] {
        let (index, what) = fault(&leaves);
        assert_eq!(index, expected, "{what}");
        assert!(what.contains(words), "{what}");
    }
}

fn recall(t: i64, push: &str, of: Reference) -> Vec<u8> {
    let event = RecallEvent {
        x: format!("recall of {push}"),
        p: "health-city".into(),
        rec: "health/birth-certificate".into(),
        push: push.into(),
        of,
        why: "wrong-batch".into(),
        req: Commitment([0; 32]),
    };
    leaf(t, Event::Recall(event))
}

fn recalled(t: i64, push: &str, of: Reference) -> Vec<u8> {
    let event = RecalledEvent {
        x: format!("recall of {push}"),
        of,
        del: 3,
        opn: 0,
        rnd: None,
    };
    leaf(t, Event::Recalled(event))
}

#[test]
fn a_push_is_recalled_once_and_its_recall_is_answered_once_and_then_it_is_neither_relayed_nor_fed_again() {
    let (a, b) = (push(1, "a"), push(1, "b"));
    let done = relayed(2, "a", of(0, &a));
    let back = recall(3, "a", of(0, &a));
    let good = [
        a.clone(),
        b.clone(),
        done.clone(),
        back.clone(),
        recall(4, "b", of(1, &b)),
        recalled(5, "a", of(3, &back)),
        erased(6, "a", of(0, &a)),
    ];
    let report = verify_log(&good, &sign(&good), &trust()).unwrap();
    assert_eq!((report.waiting, report.recalling), (0, 1));
    for (bad, index) in [
        // Twice, of no push, by another name or hash.
        (vec![a.clone(), recall(2, "a", of(0, &a)), recall(3, "a", of(0, &a))], 2),
        (vec![a.clone(), done.clone(), recall(3, "a", of(1, &done))], 2),
        (vec![a.clone(), recall(2, "b", of(0, &a))], 1),
        (vec![a.clone(), recall(2, "a", of(0, &b))], 1),
        // Relayed or fed again after it.
        (
            vec![a.clone(), recall(2, "a", of(0, &a)), relayed(3, "a", of(0, &a))],
            2,
        ),
        (
            vec![a.clone(), done.clone(), back.clone(), fed_again(4, "a", of(0, &a))],
            3,
        ),
        // Answered without a recall, twice, under another name.
        (vec![a.clone(), recalled(2, "a", of(0, &a))], 1),
        (
            vec![
                a.clone(),
                done.clone(),
                back.clone(),
                recalled(4, "a", of(2, &back)),
                recalled(5, "a", of(2, &back)),
            ],
            4,
        ),
        (vec![a.clone(), done, back.clone(), recalled(4, "b", of(2, &back))], 3),
    ] {
        assert_eq!(fault(&bad).0, index, "{:?}", fault(&bad));
    }
}

#[test]
fn a_push_is_relayed_and_erased_once_and_by_its_own_name() {
    let a = push(2, "a");
    let done = relayed(3, "a", of(0, &a));
    let gone = erased(3, "a", of(0, &a));
    let cases = [
        (
            vec![a.clone(), done.clone(), done.clone()],
            2,
            "relays leaf 0, which is no push, or was relayed",
        ),
        (
            vec![a.clone(), relayed(3, "b", of(0, &a))],
            1,
            "another hash, exchange or partner",
        ),
        (
            vec![a.clone(), relayed(3, "a", of(0, b"other"))],
            1,
            "another hash, exchange or partner",
        ),
        (vec![a.clone(), relayed(3, "a", of(7, &a))], 1, "relays leaf 7"),
        (vec![a.clone(), gone.clone()], 1, "which waits for the relay"),
        (
            vec![a.clone(), done.clone(), gone.clone(), gone.clone()],
            3,
            "was erased before",
        ),
        (
            vec![a.clone(), done.clone(), gone.clone(), done.clone()],
            3,
            "relayed or erased before",
        ),
        (
            vec![a.clone(), done.clone(), erased(3, "a", of(1, &done))],
            2,
            "erases leaf 1, which is no push",
        ),
    ];
    for (leaves, expected, words) in cases {
        let (index, what) = fault(&leaves);
        assert_eq!(index, expected, "{what}");
        assert!(what.contains(words), "{what}");
    }
}
