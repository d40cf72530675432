#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use shuguan_ledger::leaf::{Event, PushEvent};
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::trust::Trust;

use super::{answered, as_answer};
use crate::client::declared::Declared;
use crate::client::feed::{Asked, Feed};
use crate::client::proven::tests::{push, receipt, trust};
use crate::command::exit::Exit;

fn feed(file: &Path) -> Feed<'_> {
    Feed {
        file,
        record: "health/birth-certificate",
        purpose: "enrolment.registration",
        content_type: None,
        asked: Asked::default(),
        state: None,
        receipt: None,
        tie: None,
        again: false,
        patience: Duration::ZERO,
    }
}

fn answer(event: &PushEvent) -> Value {
    as_answer(event, &receipt(Event::Push(event.clone())), &Value::Null)
}

#[test]
fn an_answer_counts_only_as_far_as_the_leaf_of_its_receipt_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    std::fs::write(&file, [b'x'; 900]).unwrap();
    for member in ["received", "accepted", "rejected", "filtered", "repeated"] {
        let mut told = answer(&push());
        *told.get_mut(member).unwrap() = json!(5);
        let failure = answered(&trust(), &Declared::of(&feed(&file), [0; 32]).unwrap(), &told).unwrap_err();
        assert_eq!(failure.exit, Exit::NotProven, "{member}: {failure}");
        assert!(failure.why.unwrap().contains(member));
    }
    let names = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names(), 1, "no receipt is kept of it");
    let pushed = answered(
        &trust(),
        &Declared::of(&feed(&file), [0; 32]).unwrap(),
        &answer(&push()),
    )
    .unwrap();
    assert_eq!(
        (pushed.index, pushed.accepted, pushed.rejected, pushed.replayed),
        (0, 17, 2, true)
    );
    assert!(pushed.receipt.is_file());
}

#[test]
fn a_receipt_of_a_file_of_another_length_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    std::fs::write(&file, [b'x'; 899]).unwrap();
    let failure = answered(
        &trust(),
        &Declared::of(&feed(&file), [0; 32]).unwrap(),
        &answer(&push()),
    )
    .unwrap_err();
    assert_eq!(failure.exit, Exit::NotProven);
    assert_eq!(
        failure.why.as_deref(),
        Some("its leaf says the length 900, and not 899")
    );
    assert!(!folder.path().join(format!("a.csv.{}.tlog-proof", push().x)).exists());
}

#[test]
fn the_receipt_of_a_log_that_nobody_told_of_says_how_a_volume_and_how_a_successor_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    std::fs::write(&file, [b'x'; 900]).unwrap();
    let other = SigningKey::from_seed("other.example", &[8; 32]).unwrap();
    let declared = Declared::of(&feed(&file), [0; 32]).unwrap();
    let failure = answered(&Trust::in_log(other.verifying_key()), &declared, &answer(&push())).unwrap_err();
    let next = failure.next.unwrap();
    for text in [
        "a volume, its operator gives out volume-*.tlog-proof",
        "no file proves the successor of a log whose end was lost",
        "another trust.txt",
    ] {
        assert!(next.contains(text), "{text}: {next}");
    }
}
