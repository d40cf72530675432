#![expect(clippy::unwrap_used, reason = "a test may panic")]

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::{
    AbortedEvent, Commitment, Digest, ErasedEvent, Event, Leaf, PullEvent, PushEvent, Reference, RefusalEvent,
};
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::tree::{Edge, leaf_hash};
use shuguan_ledger::trust::Trust;

use super::{NotOurs, Received, Sent, extract_of, push_of};
use crate::opening::sealed_columns;

const EXCHANGE: &str = "00000000-0000-0000-0000-000000000007";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed("log.example", &[seed; 32]).unwrap()
}

pub(crate) fn trust() -> Trust {
    Trust::in_log(key(7).verifying_key())
}

/// The receipt of a log's only leaf.
pub(crate) fn receipt(event: Event) -> String {
    signed(event, 7)
}

fn signed(event: Event, seed: u8) -> String {
    let leaf = Leaf::new(1_700_000_000_000_000, "gw1", "7f3a", event).encode().unwrap();
    let mut edge = Edge::empty();
    edge.append(leaf_hash(&leaf));
    let (origin, size, root) = ("log.example".into(), edge.size(), edge.root());
    let checkpoint = key(seed).sign(&Checkpoint { origin, size, root }.text()).unwrap();
    let (index, path) = (0, vec![]);
    Receipt {
        leaf,
        index,
        path,
        checkpoint,
    }
    .encode()
}

/// A batch of 20 rows in 900 bytes.
pub(crate) fn push() -> PushEvent {
    PushEvent {
        x: EXCHANGE.into(),
        rec: "health/birth-certificate".into(),
        pur: "enrolment.registration".into(),
        r#in: 20,
        ok: 17,
        rej: 2,
        rep: 1,
        bytes: 900,
        ..sealed_columns().0
    }
}

fn sent() -> Sent<'static> {
    Sent {
        record: "health/birth-certificate",
        purpose: "enrolment.registration",
        mode: None,
        count: None,
        bytes: 900,
    }
}

fn judged(event: Event, sent: &Sent<'_>) -> Result<u64, NotOurs> {
    push_of(&receipt(event), &trust(), Some(EXCHANGE), sent).map(|(index, _)| index)
}

#[test]
fn a_receipt_of_another_kind_of_leaf_is_no_receipt_of_a_push() {
    let (x, p) = (EXCHANGE.to_owned(), "health-city".to_owned());
    let (rec, pur) = (
        "health/birth-certificate".to_owned(),
        "enrolment.registration".to_owned(),
    );
    let refusal = RefusalEvent {
        x: Some(x.clone()),
        p: p.clone(),
        code: "too-many-rejects".into(),
        at: "push".into(),
        rec: Some(rec.clone()),
        ds: None,
        pur: Some(pur.clone()),
        bun: None,
        cnt: None,
        qua: None,
        req: None,
        ask: None,
        abs: None,
    };
    let aborted = AbortedEvent {
        x: x.clone(),
        p,
        rec,
        pur,
        bun: Digest([0; 32]),
        code: "sender-gone".into(),
    };
    let others = [
        Event::Refusal(refusal),
        Event::Aborted(aborted),
        Event::Erased(ErasedEvent {
            x,
            of: Reference {
                i: 0,
                h: Digest([0; 32]),
            },
        }),
        Event::Pull(pull()),
    ];
    for other in others {
        let kind = other.kind();
        let refused = judged(other, &sent()).unwrap_err();
        assert!(
            matches!(refused, NotOurs::Kind(found, "push") if found == kind),
            "{refused}"
        );
    }
}

#[test]
fn a_push_that_is_not_the_one_that_was_sent_is_named_with_what_differs() {
    assert_eq!(judged(Event::Push(push()), &sent()).unwrap(), 0);
    let cases: [(&str, PushEvent); 5] = [
        (
            "the record type",
            PushEvent {
                rec: "tax/registration".into(),
                ..push()
            },
        ),
        (
            "the purpose",
            PushEvent {
                pur: "enrolment.survey".into(),
                ..push()
            },
        ),
        (
            "the mode",
            PushEvent {
                mode: Some("snapshot".into()),
                ..push()
            },
        ),
        ("the length", PushEvent { bytes: 901, ..push() }),
        (
            "the count",
            PushEvent {
                cnt: Some(21),
                ..push()
            },
        ),
    ];
    for (expected, event) in cases {
        let counted = Sent {
            count: Some(20),
            ..sent()
        };
        let asked = if expected == "the count" { counted } else { sent() };
        let refused = judged(Event::Push(event), &asked).unwrap_err();
        assert!(
            matches!(refused, NotOurs::Differs { member, .. } if member == expected),
            "{refused}"
        );
    }
    let other = PushEvent {
        x: "00000000-0000-0000-0000-000000000008".into(),
        ..push()
    };
    assert!(matches!(judged(Event::Push(other), &sent()), Err(NotOurs::Exchange(_))));
}

#[test]
fn a_receipt_of_a_log_that_is_not_trusted_proves_nothing() {
    let receipt = signed(Event::Push(push()), 8);
    let refused = push_of(&receipt, &trust(), Some(EXCHANGE), &sent());
    assert!(matches!(refused, Err(NotOurs::Unproven(_))));
}

/// An extract of three rows.
pub(crate) fn pull() -> PullEvent {
    let none = Commitment([0; 32]);
    PullEvent {
        x: EXCHANGE.into(),
        p: "information-centre".into(),
        cert: Digest([0; 32]),
        ds: "population".into(),
        pur: "enrolment.registration".into(),
        agr: "g".into(),
        plan: Digest([0; 32]),
        bun: Digest([0; 32]),
        fmt: "csv".into(),
        rows: 3,
        fil: None,
        bytes: 70,
        cols: Digest([0; 32]),
        out: none,
        nc: 1,
        sel: none,
        case: none,
        man: None,
        req: None,
        ix: None,
    }
}

#[test]
fn an_extract_that_is_not_the_one_that_was_asked_for_is_named_with_what_differs() {
    let asked = Received {
        exchange: EXCHANGE,
        dataset: "population",
        purpose: "enrolment.registration",
        form: "csv",
        bytes: 70,
    };
    let judged = |event| extract_of(&receipt(event), &trust(), &asked).map(|(_, event)| event.rows);
    assert_eq!(judged(Event::Pull(pull())).unwrap(), 3);
    let cases: [(&str, PullEvent); 4] = [
        (
            "the dataset",
            PullEvent {
                ds: "enterprises".into(),
                ..pull()
            },
        ),
        (
            "the purpose",
            PullEvent {
                pur: "enrolment.survey".into(),
                ..pull()
            },
        ),
        (
            "the form",
            PullEvent {
                fmt: "ndjson".into(),
                ..pull()
            },
        ),
        ("the length", PullEvent { bytes: 71, ..pull() }),
    ];
    for (expected, event) in cases {
        let refused = judged(Event::Pull(event)).unwrap_err();
        assert!(
            matches!(refused, NotOurs::Differs { member, .. } if member == expected),
            "{refused}"
        );
    }
    assert!(matches!(
        judged(Event::Push(push())),
        Err(NotOurs::Kind("push", "pull"))
    ));
}
