#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::{Cosignature, CosigningKey, WitnessKey};
use crate::note::{self, NoteError, SigningKey, VerifyingKey};

const TEXT: &str = "log.example\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

fn log() -> SigningKey {
    SigningKey::from_seed("log.example", &[1; 32]).unwrap()
}

fn witness() -> CosigningKey {
    CosigningKey::from_seed("witness.example/w1", &[2; 32]).unwrap()
}

fn cosigned(time_s: u64) -> String {
    log().sign(TEXT).unwrap() + &witness().cosign(TEXT, time_s).unwrap()
}

/// Made with Python's `cryptography` from the text of the specification: seed 02…02, time 1679315147.
#[test]
fn the_line_is_the_one_that_another_implementation_writes() {
    let line = witness().cosign(TEXT, 1_679_315_147).unwrap();
    assert_eq!(line, include_str!("line.txt"));
    assert_eq!(
        format!("{}\n", witness().witness_key().vkey()),
        include_str!("vkey.txt")
    );
}

#[test]
fn a_cosigned_note_opens_with_both_keys_and_says_when() {
    let (note, keys) = (cosigned(77), [witness().witness_key()]);
    let opened = note::open_cosigned(&note, &[log().verifying_key()], &keys).unwrap();
    let expected = Cosignature {
        name: "witness.example/w1".into(),
        time_s: 77,
    };
    assert_eq!((opened.signatures, opened.cosignatures), (1, vec![expected]));
    // Who does not know the witness reads the log's signature and passes over the rest.
    assert_eq!(note::open(&note, &[log().verifying_key()]).unwrap().cosignatures, []);
}

#[test]
fn a_cosignature_alone_makes_no_note() {
    let note = format!("{TEXT}\n{}", witness().cosign(TEXT, 1).unwrap());
    let opened = note::open_cosigned(&note, &[log().verifying_key()], &[witness().witness_key()]);
    assert_eq!(opened, Err(NoteError::NoKnownSignature));
}

#[test]
fn a_failing_or_repeated_line_of_a_known_witness_voids_the_note() {
    let (logs, keys) = ([log().verifying_key()], [witness().witness_key()]);
    let other = witness().cosign("log.example\n4\nx\n", 1).unwrap();
    let note = log().sign(TEXT).unwrap() + &other;
    let refused = note::open_cosigned(&note, &logs, &keys);
    assert_eq!(refused, Err(NoteError::BadSignature("witness.example/w1".into())));
    let twice = cosigned(1) + &witness().cosign(TEXT, 2).unwrap();
    let refused = note::open_cosigned(&twice, &logs, &keys);
    assert_eq!(refused, Err(NoteError::Malformed("a key signed twice")));
    // The same name with another key is a stranger.
    let stranger = CosigningKey::from_seed("witness.example/w1", &[9; 32]).unwrap();
    let note = log().sign(TEXT).unwrap() + &stranger.cosign(TEXT, 1).unwrap();
    assert_eq!(note::open_cosigned(&note, &logs, &keys).unwrap().cosignatures, []);
}

#[test]
fn keys_of_logs_and_of_witnesses_are_not_taken_for_one_another() {
    let (log, witness) = (log().verifying_key().vkey(), witness().witness_key().vkey());
    assert_eq!(WitnessKey::parse(&witness).unwrap().vkey(), witness);
    assert_eq!(WitnessKey::parse(&log), Err(NoteError::BadKey(log.clone())));
    assert!(VerifyingKey::parse(&witness).is_err());
    for broken in ["", "w", "w+00000000", "w+00000000+BA==", &witness.replace("w1+", "w2+")] {
        assert!(WitnessKey::parse(broken).is_err(), "{broken}");
    }
    // One seed, one name, both types: a plain signature is no cosignature.
    let key = SigningKey::from_seed("witness.example/w1", &[2; 32]).unwrap();
    let plain = key.sign(TEXT).unwrap();
    let line = plain.lines().last().unwrap();
    let answer = self::witness().witness_key().read_answer(TEXT, &format!("{line}\n"));
    assert_eq!(answer, Err(NoteError::NoKnownSignature));
}

#[test]
fn an_answer_is_read_among_other_lines_and_garbage_is_refused() {
    let key = witness().witness_key();
    let (own, foreign) = (
        witness().cosign(TEXT, 5).unwrap(),
        CosigningKey::from_seed("other", &[3; 32])
            .unwrap()
            .cosign(TEXT, 6)
            .unwrap(),
    );
    let (cosignature, line) = key.read_answer(TEXT, &format!("{foreign}{own}")).unwrap();
    assert_eq!((cosignature.time_s, line), (5, own.clone()));
    assert_eq!(key.read_answer(TEXT, &foreign), Err(NoteError::NoKnownSignature));
    for garbage in [
        "",
        "\n",
        "garbage\n",
        own.trim_end(),
        &format!("{own}\n"),
        "— witness.example/w1 AAAA\n",
    ] {
        let refused = key.read_answer(TEXT, garbage);
        assert!(
            matches!(refused, Err(NoteError::Malformed(_))),
            "{garbage:?} {refused:?}"
        );
    }
    let other_text = key.read_answer("log.example\n4\nx\n", &own);
    assert_eq!(other_text, Err(NoteError::BadSignature("witness.example/w1".into())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_bit_of_a_cosigned_note_opens_as_cosigned(at in 0_usize..400, bit in 0_u8..8, time_s: u64) {
        let note = cosigned(time_s);
        let mut bytes = note.clone().into_bytes();
        let at = at % bytes.len();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
        }
        if let Ok(changed) = String::from_utf8(bytes) {
            let opened = note::open_cosigned(&changed, &[log().verifying_key()], &[witness().witness_key()]);
            // A change in name or key id makes the line a stranger's; everything else voids the note.
            prop_assert!(opened.is_err() || opened.unwrap().cosignatures.is_empty(), "byte {}", at);
        }
    }

    #[test]
    fn hostile_notes_are_refused_without_panic(garbage in ".{0,200}", lines in "[— a-z=+/\n]{0,200}") {
        let keys = [witness().witness_key()];
        prop_assert!(note::open_cosigned(&garbage, &[log().verifying_key()], &keys).is_err());
        let note = format!("{TEXT}\n{lines}");
        prop_assert!(note::open_cosigned(&note, &[log().verifying_key()], &keys).is_err());
        prop_assert!(witness().witness_key().read_answer(TEXT, &lines).is_err());
    }
}
