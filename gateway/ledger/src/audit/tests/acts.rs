//! What leaves say of others: each names an entry that is there, of the right kind, by its hash.

use super::*;
use crate::leaf::{
    OfficerQueryEvent, OfficerResultEvent, OfficerUnsealEvent, PullEvent, ReceiptAckEvent, TicketAnswerEvent,
    TicketEvent,
};

/// Makes a leaf that may name those before it.
type Make<'m> = &'m dyn Fn(&[Reference]) -> Vec<u8>;

const NOTHING: Commitment = Commitment([0; 32]);

fn pull(x: &str) -> Vec<u8> {
    bytes_of(Event::Pull(PullEvent {
        x: x.into(),
        p: "registry".into(),
        cert: Digest([1; 32]),
        ds: "population".into(),
        pur: "enrolment.registration".into(),
        agr: "XY-2026-01".into(),
        plan: Digest([2; 32]),
        bun: Digest([3; 32]),
        fmt: "ndjson".into(),
        rows: 1,
        fil: None,
        bytes: 9,
        cols: Digest([4; 32]),
        out: NOTHING,
        nc: 1,
        sel: NOTHING,
        case: NOTHING,
        man: None,
        req: None,
        ix: None,
    }))
}

fn ack(x: &str, of: Reference) -> Vec<u8> {
    bytes_of(Event::ReceiptAck(ReceiptAckEvent {
        x: x.into(),
        of,
        verdict: "complete".into(),
        req: NOTHING,
    }))
}

fn ticket(x: &str, of: Reference) -> Vec<u8> {
    bytes_of(Event::Ticket(TicketEvent {
        x: x.into(),
        p: "health-city".into(),
        who: "operator-li".into(),
        rec: "health/birth-certificate".into(),
        push: "a".into(),
        of,
        row: 1,
        fld: "name".into(),
    }))
}

fn answer(x: &str, of: Reference) -> Vec<u8> {
    bytes_of(Event::TicketAnswer(TicketAnswerEvent {
        x: x.into(),
        p: "health-city".into(),
        of,
        say: "corrected".into(),
        req: NOTHING,
    }))
}

fn question(who: &str) -> Vec<u8> {
    bytes_of(Event::OfficerQuery(OfficerQueryEvent {
        who: who.into(),
        case: NOTHING,
        why: "audit".into(),
        q: "by-person".into(),
        arg: NOTHING,
    }))
}

fn result(who: &str, of: Reference) -> Vec<u8> {
    let (who, cnt) = (who.into(), 1);
    bytes_of(Event::OfficerResult(OfficerResultEvent { who, of, cnt }))
}

fn step(who: &str, step: &str, statement: u8, of: Option<Reference>) -> Vec<u8> {
    bytes_of(Event::OfficerUnseal(OfficerUnsealEvent {
        who: who.into(),
        x: "a".into(),
        step: step.into(),
        case: NOTHING,
        why: "court".into(),
        stmt: Digest([statement; 32]),
        of,
    }))
}

/// A log of a start, a push and these leaves, each made with the references to those before it.
fn said(more: &[Make<'_>]) -> Result<(), String> {
    let mut leaves = vec![start(1, 0), push(1, "a")];
    let mut places: Vec<Reference> = (0..).zip(&leaves).map(|(index, bytes)| of(index, bytes)).collect();
    for make in more {
        let bytes = make(&places);
        places.push(of(places.len() as u64, &bytes));
        leaves.push(bytes);
    }
    verify_log(&leaves, &sign(&leaves), &trust())
        .map(drop)
        .map_err(|fault| fault.to_string())
}

#[test]
fn what_is_said_of_entries_that_are_there_is_taken() {
    let all: &[Make<'_>] = &[
        &|_| pull("e"),
        &|places| ack("e", places[2]),
        &|places| ticket("t", places[1]),
        &|places| answer("t", places[4]),
        &|_| question("officer-wang"),
        &|places| result("officer-wang", places[6]),
        &|_| step("officer-wang", "ask", 1, None),
        &|places| step("auditor-zhao", "approve", 1, Some(places[8])),
        &|places| step("officer-wang", "open", 1, Some(places[9])),
    ];
    assert_eq!(said(all), Ok(()));
}

#[test]
fn nobody_opens_a_record_alone_unnoticed() {
    let wrong = |found: Result<(), String>, what: &str| {
        let found = found.unwrap_err();
        assert!(found.contains(what), "{found}");
    };
    let asked: Make<'_> = &|_| step("officer-wang", "ask", 1, None);
    let approved: Make<'_> = &|places| step("auditor-zhao", "approve", 1, Some(places[2]));
    wrong(
        said(&[&|_| step("officer-wang", "open", 1, None)]),
        "without the one before",
    );
    wrong(
        said(&[asked, &|places| step("officer-wang", "open", 1, Some(places[2]))]),
        "nothing was approved by leaf 2",
    );
    wrong(
        said(&[asked, &|places| step("officer-wang", "approve", 1, Some(places[2]))]),
        "approves what he asked for himself",
    );
    wrong(
        said(&[&|places| step("auditor-zhao", "approve", 1, Some(places[1]))]),
        "nothing was asked by leaf 1",
    );
    wrong(
        said(&[asked, &|places| step("auditor-zhao", "approve", 2, Some(places[2]))]),
        "another hash, exchange or statement",
    );
    wrong(
        said(&[asked, approved, &|places| {
            step("officer-li", "open", 1, Some(places[3]))
        }]),
        "opens what another officer asked for",
    );
    wrong(
        said(&[asked, approved, &|places| {
            step("officer-wang", "open", 3, Some(places[3]))
        }]),
        "another hash, exchange or statement",
    );
    wrong(
        said(&[&|_| step("officer-wang", "look", 1, None)]),
        "without the one before",
    );
}

#[test]
fn an_answer_to_an_entry_that_is_not_there_or_of_another_kind_is_refused() {
    let wrong: &[(Make<'_>, &str)] = &[
        (&|places| ack("a", places[1]), "leaf 1, which is not an extract"),
        (&|places| ticket("t", places[0]), "leaf 0, which is no push"),
        (&|places| answer("t", places[1]), "leaf 1, which is not a ticket"),
        (&|places| result("officer-wang", places[1]), "which is not his question"),
    ];
    for (make, what) in wrong {
        let found = said(&[*make]).unwrap_err();
        assert!(found.contains(what), "{found}");
    }
    let lost = Reference {
        i: 99,
        h: Digest([0; 32]),
    };
    assert!(said(&[&|_| ack("e", lost)]).unwrap_err().contains("leaf 99"));
    let other = said(&[&|_| pull("e"), &|places| ack("f", places[2])]).unwrap_err();
    assert!(other.contains("another hash or name"), "{other}");
    let others = said(&[&|_| question("officer-wang"), &|places| result("officer-li", places[2])]).unwrap_err();
    assert!(others.contains("another hash or name"), "{others}");
}

#[test]
fn a_ticket_asks_the_partner_whose_push_it_is_and_names_it_as_it_is() {
    let about = |change: fn(&mut TicketEvent)| {
        said(&[&|places: &[Reference]| {
            with(&ticket("t", places[1]), |event| {
                if let Event::Ticket(ticket) = event {
                    change(ticket);
                }
            })
        }])
    };
    assert_eq!(about(|_| ()), Ok(()));
    let wrong: [fn(&mut TicketEvent); 3] = [
        |ticket| ticket.p = "tax-city".into(),
        |ticket| ticket.push = "b".into(),
        |ticket| ticket.of.h = Digest([0; 32]),
    ];
    for change in wrong {
        let found = about(change).unwrap_err();
        assert!(found.contains("another hash, exchange or partner"), "{found}");
    }
}

#[test]
fn two_pushes_of_one_exchange_are_refused() {
    let leaves = [start(1, 0), push(2, "a"), push(3, "b"), push(4, "a")];
    let (index, what) = fault(&leaves);
    assert_eq!(index, 3);
    assert!(what.contains("an earlier push has the same exchange"), "{what}");
}
