#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;

use shuguan_ledger::leaf::{
    Commitment, Digest, ErasedEvent, Event, Leaf, OperatorEvent, PushEvent, Reference, RefusalEvent, RelayedEvent,
};

use super::{Folder, Log, Logged, Own, What, compare, take};
use crate::client::state::PushState;

fn push(x: &str, p: &str) -> Leaf {
    leaf(Event::Push(PushEvent {
        x: x.into(),
        p: p.into(),
        cert: Digest([0; 32]),
        rec: "health/birth-certificate".into(),
        pur: "enrolment.registration".into(),
        agr: "A".into(),
        plan: Digest([0; 32]),
        bun: Digest([0; 32]),
        fmt: "csv+utf8".into(),
        r#in: 0,
        ok: 0,
        rej: 0,
        fil: 0,
        rep: 0,
        bytes: 0,
        cols: Digest([0; 32]),
        nc: 0,
        req: Commitment([0; 32]),
        mode: None,
        sco: None,
        cnt: None,
        lay: None,
        qua: None,
        ix: None,
    }))
}

fn leaf(event: Event) -> Leaf {
    let (n, b) = ("gw1".into(), "b".into());
    Leaf { t: 0, n, b, event }
}

fn own(index: u64, hash: u8, leaf: Leaf) -> Own {
    Own {
        file: format!("{index}.tlog-proof"),
        index,
        hash: [hash; 32],
        leaf,
    }
}

fn log(leaves: Vec<(u64, u8, Leaf)>, size: u64) -> Log {
    let mut exchanges: BTreeMap<String, Logged> = BTreeMap::new();
    for (index, hash, leaf) in leaves {
        take(&mut exchanges, index, [hash; 32], leaf, "ours");
    }
    Log {
        size,
        exchanges,
        whole: true,
    }
}

fn of() -> Reference {
    Reference {
        i: 0,
        h: Digest([0; 32]),
    }
}

fn relayed(x: &str) -> Leaf {
    leaf(Event::Relayed(RelayedEvent {
        x: x.into(),
        of: of(),
        ins: 0,
        upd: 0,
        same: 0,
        fail: 0,
        del: None,
        batch: 1,
        ms: 0,
    }))
}

fn erased(x: &str) -> Leaf {
    leaf(Event::Erased(ErasedEvent { x: x.into(), of: of() }))
}

fn discarded(x: &str) -> Leaf {
    leaf(Event::Operator(OperatorEvent {
        who: "operator-li".into(),
        act: "discarded".into(),
        x: Some(x.into()),
        why: Some("superseded".into()),
    }))
}

fn named(folder: &Folder, log: &Log) -> Vec<(What, String)> {
    let named = compare(folder, log, "ours").into_iter();
    named
        .map(|one| (one.what, one.exchange.or(one.file).unwrap_or_default()))
        .collect()
}

#[test]
fn what_agrees_and_is_settled_is_not_named() {
    let log = log(
        vec![
            (1, 1, push("a", "ours")),
            (2, 2, push("z", "theirs")),
            (3, 3, relayed("a")),
        ],
        4,
    );
    let folder = Folder {
        receipts: vec![own(1, 1, push("a", "ours"))],
        ..Folder::default()
    };
    assert_eq!(named(&folder, &log), []);
}

#[test]
fn each_difference_has_its_name() {
    let refusal = leaf(Event::Refusal(RefusalEvent {
        x: Some("c".into()),
        p: "ours".into(),
        code: "no-grant".into(),
        at: "admit".into(),
        rec: None,
        ds: None,
        pur: None,
        bun: None,
        cnt: None,
        qua: None,
        req: None,
    }));
    let log = log(
        vec![
            (1, 1, push("a", "ours")),
            (2, 2, push("b", "ours")),
            (3, 3, refusal),
            (4, 4, relayed("b")),
        ],
        5,
    );
    let folder = Folder {
        receipts: vec![own(1, 1, push("a", "ours"))],
        ..Folder::default()
    };
    let expected = [(What::MissingHere, "b"), (What::Refused, "c"), (What::NotRelayed, "a")];
    assert_eq!(named(&folder, &log), expected.map(|(what, id)| (what, id.to_owned())));
}

#[test]
fn a_receipt_that_the_log_does_not_bear_out_comes_first_unless_the_copy_ends_before_it() {
    let log = log(vec![(1, 1, push("a", "ours")), (2, 2, relayed("a"))], 3);
    for (index, hash, contradicted) in [(1, 9, true), (2, 1, true), (9, 1, false)] {
        let folder = Folder {
            receipts: vec![own(index, hash, push("a", "ours"))],
            ..Folder::default()
        };
        let found = compare(&folder, &log, "ours");
        assert_eq!(
            found.first().is_some_and(|one| one.what == What::Contradicted),
            contradicted,
            "{index} {hash}"
        );
    }
    let folder = Folder {
        receipts: vec![own(0, 1, push("gone", "ours"))],
        ..Folder::default()
    };
    assert_eq!(compare(&folder, &log, "ours")[0].what, What::Contradicted);
}

#[test]
fn one_file_under_two_exchanges_is_doubled_and_one_without_an_answer_is_unanswered() {
    let state = |digest: &str, exchange: Option<&str>| PushState {
        digest: digest.into(),
        record: "r".into(),
        purpose: "p".into(),
        key: "k".into(),
        manner: String::new(),
        content_type: String::new(),
        exchange: exchange.map(str::to_owned),
        done: None,
    };
    let states = [
        state("1", Some("a")),
        state("1", Some("a")),
        state("1", Some("b")),
        state("2", Some("c")),
        state("3", None),
    ];
    let folder = Folder {
        states: states
            .into_iter()
            .enumerate()
            .map(|(place, state)| (place.to_string(), state))
            .collect(),
        ..Folder::default()
    };
    let expected = [(What::Unanswered, "4"), (What::Doubled, "b")];
    assert_eq!(
        named(&folder, &log(Vec::new(), 1)),
        expected.map(|(what, id)| (what, id.to_owned()))
    );
}

#[test]
fn what_an_operator_gave_up_is_named_also_after_its_payload_was_erased() {
    let log = log(
        vec![
            (1, 1, push("a", "ours")),
            (2, 2, push("b", "ours")),
            (3, 3, discarded("a")),
            (4, 4, erased("a")),
            (5, 5, erased("b")),
        ],
        6,
    );
    let folder = Folder {
        receipts: vec![own(1, 1, push("a", "ours")), own(2, 2, push("b", "ours"))],
        ..Folder::default()
    };
    let expected = [(What::Discarded, "a"), (What::NotRelayed, "b")];
    assert_eq!(named(&folder, &log), expected.map(|(what, id)| (what, id.to_owned())));
}
