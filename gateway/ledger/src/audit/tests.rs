#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod acts;
mod numbers;
mod succession;
mod tail;
mod volumes;

use super::*;
use crate::leaf::{
    Commitment, Digest, ErasedEvent, LogGapEvent, OperatorEvent, PushEvent, RecallEvent, RecalledEvent, Reference,
    RelayedEvent, SetAsideEvent, StartEvent,
};
use crate::note::SigningKey;

fn key() -> SigningKey {
    SigningKey::from_seed("log.example", &[7; 32]).unwrap()
}

fn trust() -> Trust {
    Trust::in_log(key().verifying_key())
}

fn leaf(t: i64, event: Event) -> Vec<u8> {
    Leaf::new(t, "gw1", "7f3a", event).encode().unwrap()
}

fn start(t: i64, size: u64) -> Vec<u8> {
    let version = "0.1.0".into();
    leaf(
        t,
        Event::Start(StartEvent {
            version,
            size,
            head: None,
            bin: None,
        }),
    )
}

fn push(t: i64, x: &str) -> Vec<u8> {
    let event = PushEvent {
        x: x.into(),
        p: "health-city".into(),
        cert: Digest([1; 32]),
        rec: "health/birth-certificate".into(),
        pur: "enrolment.registration".into(),
        agr: "XY-2026-01".into(),
        plan: Digest([2; 32]),
        bun: Digest([3; 32]),
        fmt: "csv+gb18030".into(),
        r#in: 10,
        ok: 6,
        rej: 2,
        fil: 1,
        rep: 1,
        bytes: 900,
        cols: Digest([4; 32]),
        nc: 5,
        req: Commitment([5; 32]),
        mode: None,
        sco: None,
        cnt: None,
        lay: None,
        con: None,
        qua: None,
        ix: None,
    };
    leaf(t, Event::Push(event))
}

fn of(index: u64, bytes: &[u8]) -> Reference {
    Reference {
        i: index,
        h: Digest(leaf_hash(bytes)),
    }
}

fn relayed(t: i64, x: &str, of: Reference) -> Vec<u8> {
    let x = x.into();
    let event = RelayedEvent {
        x,
        of,
        ins: 6,
        upd: 0,
        same: 0,
        fail: 0,
        del: None,
        batch: 1,
        ms: 3,
        rnd: None,
    };
    leaf(t, Event::Relayed(event))
}

fn erased(t: i64, x: &str, of: Reference) -> Vec<u8> {
    leaf(t, Event::Erased(ErasedEvent { x: x.into(), of }))
}

/// start, push a, push b, relayed a, erased a
fn log() -> Vec<Vec<u8>> {
    let (a, b) = (push(2, "a"), push(3, "b"));
    let (done, gone) = (relayed(4, "a", of(1, &a)), erased(4, "a", of(1, &a)));
    vec![start(1, 0), a, b, done, gone]
}

fn sign(leaves: &[Vec<u8>]) -> String {
    let mut edge = Edge::empty();
    for bytes in leaves {
        edge.append(leaf_hash(bytes));
    }
    let origin = "log.example".into();
    let checkpoint = Checkpoint {
        origin,
        size: edge.size(),
        root: edge.root(),
    };
    key().sign(&checkpoint.text()).unwrap()
}

fn fault(leaves: &[Vec<u8>]) -> (u64, String) {
    let fault = verify_log(leaves, &sign(leaves), &trust()).unwrap_err();
    (fault.index(), fault.to_string())
}

const SECOND: &str = "log.example/2";

fn bytes_of(event: Event) -> Vec<u8> {
    Leaf::new(9, "gw1", "boot", event).encode().unwrap()
}

fn log_open(log: &str, of: &str, size: u64, kept: u64) -> Vec<u8> {
    let (log, of, why, root) = (log.into(), of.into(), "restored".into(), Digest([4; 32]));
    bytes_of(Event::LogOpen(LogOpenEvent {
        log,
        of,
        size,
        root,
        kept,
        why,
        had: None,
    }))
}

fn gap(of: &str) -> Vec<u8> {
    bytes_of(Event::LogGap(LogGapEvent { of: of.into() }))
}

/// The log of five leaves, of which the last two are lost; two entries more follow.
fn successor() -> Vec<Vec<u8>> {
    let mut leaves = log()[..3].to_vec();
    leaves.extend([
        log_open(SECOND, "log.example", 5, 3),
        gap("log.example"),
        start(9, 5),
        start(9, 6),
    ]);
    leaves
}

fn signed_as(origin: &str, leaves: &[Vec<u8>]) -> String {
    let mut edge = Edge::empty();
    for bytes in leaves {
        edge.append(leaf_hash(bytes));
    }
    let (size, root) = (edge.size(), edge.root());
    let checkpoint = Checkpoint {
        origin: origin.into(),
        size,
        root,
    };
    let key = SigningKey::from_seed(origin, &[7; 32]).unwrap();
    key.sign(&checkpoint.text()).unwrap()
}

fn both_logs() -> Trust {
    let second = SigningKey::from_seed(SECOND, &[7; 32]).unwrap();
    Trust::in_keys([key().verifying_key().into(), second.verifying_key().into()])
}

/// Verifies under the newest checkpoint of this log, with an older one of that log at a size.
fn succeeded(leaves: &[Vec<u8>], newest: &str, older: Option<(u64, &str)>) -> Result<LogReport, LogFault> {
    let mut verifier = LogVerifier::new(&signed_as(newest, leaves), &both_logs())?;
    for (taken, bytes) in leaves.iter().enumerate() {
        verifier.leaf(bytes)?;
        let size = verifier.edge().size();
        if let Some((_, origin)) = older.filter(|(at, _)| *at == size) {
            verifier.checkpoint(&signed_as(origin, &leaves[..=taken]))?;
        }
    }
    verifier.finish()
}

#[test]
fn programs_are_named_from_their_first_start_on_and_a_head_beyond_the_log_is_refused() {
    let start = |t: i64, size: u64, head: Option<u64>, bin: Option<u8>| {
        let (version, bin) = ("0.1.0".into(), bin.map(|byte| Digest([byte; 32])));
        leaf(
            t,
            Event::Start(StartEvent {
                version,
                size,
                head,
                bin,
            }),
        )
    };
    let leaves = vec![
        start(1, 0, None, None),
        start(2, 1, Some(1), Some(1)),
        start(3, 2, Some(1), Some(1)),
        start(4, 3, Some(3), Some(2)),
    ];
    let report = verify_log(leaves.clone(), &sign(&leaves), &trust()).unwrap();
    let programs: Vec<_> = report.programs.iter().map(|one| (one.from, one.bin)).collect();
    let digest = |byte| Some(Digest([byte; 32]));
    assert_eq!(programs, [(0, None), (1, digest(1)), (3, digest(2))]);
    let leaves = vec![start(1, 0, None, None), start(2, 1, Some(2), None)];
    let fault = verify_log(leaves.clone(), &sign(&leaves), &trust()).unwrap_err();
    assert_eq!(fault.index(), 1);
    assert!(
        format!("{fault:?}").contains("its head file stated 2 leaves"),
        "{fault:?}"
    );
}

#[test]
fn a_whole_log_is_proven_and_counted() {
    let report = verify_log(log(), &sign(&log()), &trust()).unwrap();
    assert_eq!(report.checkpoint.size, 5);
    assert_eq!(report.waiting, 1, "b is not relayed");
    assert_eq!(report.span, Some((1, 4)));
    assert_eq!(report.kinds["push"], 2);
    assert_eq!(
        verify_log(Vec::<Vec<u8>>::new(), &sign(&[]), &trust())
            .unwrap()
            .checkpoint
            .size,
        0
    );
}

#[test]
fn no_changed_byte_of_any_leaf_is_proven() {
    let signed = sign(&log());
    for at in 0..log().len() {
        for byte in 0..log()[at].len() {
            let mut leaves = log();
            leaves[at][byte] ^= 1 << (byte % 8);
            assert!(
                verify_log(&leaves, &signed, &trust()).is_err(),
                "leaf {at}, byte {byte}"
            );
        }
    }
}

#[test]
fn leaves_that_are_removed_inserted_or_swapped_are_found() {
    let signed = sign(&log());
    let mut shorter = log();
    shorter.pop();
    let short = verify_log(&shorter, &signed, &trust()).unwrap_err();
    assert!(matches!(short, LogFault::Short { found: 4, signed: 5 }), "{short}");
    let longer = [log(), vec![start(9, 5)]].concat();
    assert!(verify_log(&longer, &signed, &trust()).is_err());
    let mut swapped = log();
    swapped[1] = push(2, "c");
    assert!(verify_log(&swapped, &signed, &trust()).is_err());
}

#[test]
fn the_range_between_the_last_good_checkpoint_and_the_first_bad_one_is_named() {
    let mut verifier = LogVerifier::new(&sign(&log()), &trust()).unwrap();
    let (mut leaves, good) = (log(), sign(&log()[..2]));
    leaves[2] = push(3, "forged");
    for (index, bytes) in leaves.iter().enumerate() {
        if index == 2 {
            assert_eq!(verifier.checkpoint(&good).unwrap().size, 2);
        }
        verifier.leaf(bytes).unwrap();
    }
    let fault = verifier.checkpoint(&sign(&log())).unwrap_err();
    assert!(matches!(fault, LogFault::Root { from: 2, to: 4 }), "{fault}");
    let fault = verifier.finish().unwrap_err();
    assert!(matches!(fault, LogFault::Root { from: 2, to: 4 }), "{fault}");
}

#[test]
fn a_checkpoint_on_the_way_signs_exactly_the_leaves_before_it() {
    let mut verifier = LogVerifier::new(&sign(&log()), &trust()).unwrap();
    verifier.leaf(&log()[0]).unwrap();
    let early = verifier.checkpoint(&sign(&log()[..2])).unwrap_err();
    assert!(matches!(early, LogFault::Short { found: 1, signed: 2 }), "{early}");
    let late = verifier.checkpoint(&sign(&[])).unwrap_err();
    assert!(matches!(late, LogFault::Root { from: 0, to: 0 }), "{late}");
}

#[test]
fn leaves_after_the_newest_checkpoint_are_not_proven() {
    let fault = verify_log(log(), &sign(&log()[..2]), &trust()).unwrap_err();
    assert!(matches!(fault, LogFault::Unsigned { from: 2 }), "{fault}");
}

#[test]
fn a_checkpoint_of_an_unknown_key_or_another_origin_is_not_believed() {
    let stranger = SigningKey::from_seed("log.example", &[8; 32]).unwrap();
    let other = SigningKey::from_seed("other.example", &[7; 32]).unwrap();
    for signer in [stranger, other] {
        let trust = Trust::in_log(signer.verifying_key());
        let fault = verify_log(log(), &sign(&log()), &trust).unwrap_err();
        assert!(matches!(fault, LogFault::Checkpoint { size: 0, .. }), "{fault}");
    }
}

#[test]
fn time_that_goes_back_is_found() {
    let (index, what) = fault(&[start(5, 0), start(4, 1)]);
    assert_eq!(
        (index, what.as_str()),
        (1, "leaf 1: its time is before that of the leaf before it")
    );
}

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

/// The same leaf with what a test changes of it.
fn with(bytes: &[u8], change: impl FnOnce(&mut Event)) -> Vec<u8> {
    let mut leaf = Leaf::decode(bytes).unwrap();
    change(&mut leaf.event);
    leaf.encode().unwrap()
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

#[test]
fn counts_that_do_not_add_up_and_a_start_that_lost_leaves_are_found() {
    let text = String::from_utf8(push(2, "a"))
        .unwrap()
        .replace("\"in\":10", "\"in\":11");
    assert!(fault(&[text.into_bytes()]).1.contains("do not add up"));
    assert_eq!(fault(&[start(1, 0), start(2, 9)]).0, 1);
}
