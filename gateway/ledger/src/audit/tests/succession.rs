//! A log that succeeds another after a loss.

use super::*;

#[test]
fn a_log_that_succeeds_another_is_verified_with_what_it_kept_and_names_what_is_lost() {
    for older in [
        None,
        Some((2, "log.example")),
        Some((3, "log.example")),
        Some((5, SECOND)),
        Some((6, SECOND)),
    ] {
        let report = succeeded(&successor(), SECOND, older).unwrap();
        let [lost] = report.succeeded.as_slice() else {
            panic!("{report:?}")
        };
        assert_eq!((lost.of.as_str(), lost.kept, lost.size), ("log.example", 3, 5));
        assert_eq!(
            (report.checkpoint.origin.as_str(), report.kinds["log-gap"]),
            (SECOND, 1)
        );
    }
    assert!(
        verify_log(log(), &sign(&log()), &both_logs())
            .unwrap()
            .succeeded
            .is_empty()
    );
}

#[test]
fn a_log_that_ended_signs_nothing_beyond_what_its_successor_kept_and_the_successor_nothing_before() {
    for older in [
        Some((4, "log.example")),
        Some((5, "log.example")),
        Some((2, SECOND)),
        Some((3, SECOND)),
    ] {
        let fault = succeeded(&successor(), SECOND, older).unwrap_err();
        assert!(
            matches!(
                fault,
                LogFault::Leaf { index: 3, .. }
                    | LogFault::Checkpoint {
                        source: Untrusted::OtherLog(_),
                        ..
                    }
            ),
            "{older:?}: {fault}"
        );
    }
    let fault = succeeded(&successor(), "log.example", None).unwrap_err();
    assert!(
        matches!(
            fault,
            LogFault::Checkpoint {
                source: Untrusted::OtherLog(_),
                ..
            }
        ),
        "{fault}"
    );
    // A successor that the trust file does not name is nobody's word.
    let mut verifier = LogVerifier::new(&signed_as(SECOND, &successor()), &trust());
    assert!(matches!(
        verifier.as_mut().unwrap_err(),
        LogFault::Checkpoint { size: 0, .. }
    ));
}

#[test]
fn a_successor_that_does_not_state_its_gap_whole_is_refused() {
    let with = |from: usize, leaves: &[Vec<u8>]| {
        let mut changed = successor()[..from].to_vec();
        changed.extend_from_slice(leaves);
        changed
    };
    let old = "log.example";
    for (index, leaves) in [
        // Another count of what is here, of what was there, or no other name.
        (3, with(3, &[log_open(SECOND, old, 5, 2)])),
        (3, with(3, &[log_open(SECOND, old, 5, 4)])),
        (3, with(3, &[log_open(SECOND, old, 3, 3)])),
        (3, with(3, &[log_open(SECOND, SECOND, 5, 3)])),
        // The gap ends early, is another's, or begins without a reason.
        (4, with(4, &[start(9, 4)])),
        (4, with(4, &[])),
        (4, with(4, &[gap("other.example")])),
        (5, with(5, &[gap(old)])),
        (3, with(3, &[gap(old)])),
        // Within the gap of one log another one opens.
        (4, with(4, &[log_open("log.example/3", SECOND, 9, 4)])),
        // A name means one log for ever.
        (5, with(5, &[log_open(old, SECOND, 9, 5)])),
        // It succeeds a log that was not here.
        (5, with(5, &[log_open("log.example/3", old, 9, 5)])),
    ] {
        let fault = succeeded(&leaves, SECOND, None).unwrap_err();
        assert!(
            matches!(fault, LogFault::Leaf { index: at, .. } if at == index),
            "{index}: {fault}"
        );
    }
}
