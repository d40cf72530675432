//! What stands at the end of a log and is not all of it: entries that no witness signed yet, and pushes that nobody will relay.

use super::*;
use crate::cosignature::CosigningKey;

fn witness() -> CosigningKey {
    CosigningKey::from_seed("w.example", &[3; 32]).unwrap()
}

fn cosigned(leaves: &[Vec<u8>]) -> String {
    let note = sign(leaves);
    let (text, _) = note.split_once("\n\n").unwrap();
    format!("{note}{}", witness().cosign(&format!("{text}\n"), 5).unwrap())
}

/// A log whose first entries the witness saw, and whose entries have these times.
fn report(times: &[i64], seen: usize) -> LogReport {
    let leaves: Vec<Vec<u8>> = times.iter().map(|t| start(*t, 0)).collect();
    let trust = format!(
        "log {}\nwitness w {}\nquorum w\n",
        key().verifying_key().vkey(),
        witness().witness_key().vkey()
    );
    let mut verifier = LogVerifier::new(&sign(&leaves), &Trust::parse(&trust).unwrap()).unwrap();
    for (index, bytes) in leaves.iter().enumerate() {
        verifier.leaf(bytes).unwrap();
        if index + 1 == seen {
            verifier.checkpoint(&cosigned(&leaves[..seen])).unwrap();
        }
    }
    verifier.finish().unwrap()
}

#[test]
fn one_old_signature_of_a_witness_does_not_vouch_for_what_came_long_after_it() {
    let old = report(&[1, 2, 50, 149], 2);
    assert_eq!((old.quorum, old.unwitnessed_since), (Quorum::Met, Some(50)));
    assert_eq!(old.witnessed_within(100), Quorum::Met);
    assert_eq!(old.witnessed_within(99), Quorum::Missing);
    assert_eq!(old.witnessed_within(0), Quorum::Missing);
    let newest = report(&[1, 2, 50, 149], 4);
    assert_eq!(
        (newest.unwitnessed_since, newest.witnessed_within(0)),
        (None, Quorum::Met)
    );
    let never = report(&[1, 2], 9);
    assert_eq!(
        (never.unwitnessed_since, never.witnessed_within(100)),
        (Some(1), Quorum::Missing)
    );
}

#[test]
fn without_a_quorum_to_ask_for_nothing_is_missing() {
    let leaves = log();
    let report = verify_log(&leaves, &sign(&leaves), &trust()).unwrap();
    assert_eq!(
        (report.unwitnessed_since, report.witnessed_within(0)),
        (None, Quorum::NotAsked)
    );
}

fn discarded(t: i64, x: &str) -> Vec<u8> {
    let event = OperatorEvent {
        who: "operator-li".into(),
        act: "discarded".into(),
        x: Some(x.into()),
        why: Some("superseded".into()),
        of: None,
    };
    leaf(t, Event::Operator(event))
}

#[test]
fn a_push_that_an_operator_gave_up_waits_no_more_and_is_never_relayed() {
    let (a, b) = (push(2, "a"), push(2, "b"));
    let given_up = [a.clone(), b.clone(), discarded(3, "a")];
    let waiting = |leaves: &[Vec<u8>]| verify_log(leaves, &sign(leaves), &trust()).unwrap().waiting;
    assert_eq!(waiting(&given_up), 1);
    let gone = [&given_up[..], &[erased(4, "a", of(0, &a)), relayed(5, "b", of(1, &b))]].concat();
    assert_eq!(waiting(&gone), 0);
    let (index, what) = fault(&[&given_up[..], &[relayed(4, "a", of(0, &a))]].concat());
    assert!(index == 3 && what.contains("which an operator gave up"), "{what}");
}
