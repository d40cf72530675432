#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod acts;
mod numbers;
mod pushes;
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

/// The same leaf with what a test changes of it.
fn with(bytes: &[u8], change: impl FnOnce(&mut Event)) -> Vec<u8> {
    let mut leaf = Leaf::decode(bytes).unwrap();
    change(&mut leaf.event);
    leaf.encode().unwrap()
}

#[test]
fn counts_that_do_not_add_up_and_a_start_that_lost_leaves_are_found() {
    let text = String::from_utf8(push(2, "a"))
        .unwrap()
        .replace("\"in\":10", "\"in\":11");
    assert!(fault(&[text.into_bytes()]).1.contains("do not add up"));
    assert_eq!(fault(&[start(1, 0), start(2, 9)]).0, 1);
}
