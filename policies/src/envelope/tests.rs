#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;

fn statement() -> Statement {
    Statement {
        serial: 17,
        bundle: [1; 32],
        files: [2; 32],
        replaces: Some([3; 32]),
        goes_back_from: Some(16),
    }
}

fn signed(role: Role, spiffe: &str, certificates: usize) -> Signature {
    Signature {
        by: Signatory {
            role,
            spiffe: spiffe.to_owned(),
            signed_at_s: 1_795_000_000,
            certificates: vec![vec![0x30, 0x82, 7]; certificates],
            algorithm: Algorithm::Ed25519,
        },
        bytes: vec![9; 64],
    }
}

fn envelope() -> Envelope {
    let policy = signed(Role::PolicyOfficer, "spiffe://lyg.example/officer/policy/legal/sun", 2);
    let mut security = signed(
        Role::SecurityOfficer,
        "spiffe://lyg.example/officer/security/is/qian",
        1,
    );
    security.by.algorithm = Algorithm::EcdsaP256;
    Envelope {
        statement: statement(),
        signatures: vec![policy, security],
    }
}

#[test]
fn what_is_written_is_read_again_with_any_number_of_signatures() {
    let mut envelope = envelope();
    loop {
        assert_eq!(Envelope::parse(&envelope.text()).unwrap(), envelope);
        if envelope.signatures.pop().is_none() {
            break;
        }
    }
    let first = Statement {
        replaces: None,
        goes_back_from: None,
        ..statement()
    };
    let text = first.text();
    assert!(text.ends_with("replaces none\n"), "{text}");
    assert_eq!(Envelope::parse(&text).unwrap().statement, first);
}

#[test]
fn a_signature_covers_the_statement_and_everything_that_it_says_of_itself() {
    let envelope = envelope();
    let by = &envelope.signatures[0].by;
    let message = by.message(&envelope.statement);
    let others = [
        by.message(&Statement {
            serial: 18,
            ..statement()
        }),
        by.message(&Statement {
            files: [0; 32],
            ..statement()
        }),
        by.message(&Statement {
            goes_back_from: None,
            ..statement()
        }),
        Signatory {
            signed_at_s: 0,
            ..by.clone()
        }
        .message(&envelope.statement),
        Signatory {
            certificates: vec![vec![1]],
            ..by.clone()
        }
        .message(&envelope.statement),
        Signatory {
            algorithm: Algorithm::EcdsaP256,
            ..by.clone()
        }
        .message(&envelope.statement),
        Signatory {
            role: Role::SecurityOfficer,
            ..by.clone()
        }
        .message(&envelope.statement),
    ];
    for other in others {
        assert_ne!(other, message);
    }
}

#[test]
fn what_another_hand_would_write_is_refused_with_its_line() {
    let text = envelope().text();
    let changed = |from: &str, to: &str| Envelope::parse(&text.replacen(from, to, 1)).unwrap_err();
    let line = |fault: EnvelopeFault| match fault {
        EnvelopeFault::Line { line, .. } => line,
        other => unreachable!("{other}"),
    };
    assert_eq!(line(changed("shuguan-policy/v1", "shuguan-policy/v2")), 1);
    assert_eq!(line(changed("serial 17", "serial 0")), 2);
    assert_eq!(line(changed("serial 17", "serial 9007199254740992")), 2);
    assert_eq!(line(changed("serial 17", "serial -1")), 2);
    assert_eq!(line(changed("bundle sha256:01", "bundle sha256:0g")), 3);
    assert_eq!(line(changed("files sha256:02", "files sha256:2")), 4);
    assert_eq!(line(changed("replaces sha256:", "replaces md5:")), 5);
    assert_eq!(line(changed("policy-officer", "security-officer")), 8);
    assert_eq!(line(changed("/officer/policy/", "/officer/auditor/")), 8);
    assert_eq!(line(changed("signed-at 2", "signed-at x")), 9);
    assert_eq!(line(changed("ed25519", "rsa")), 12);
    for (from, to) in [
        ("serial 17", "serial 017"),
        ("serial 17", "serial +17"),
        ("bundle sha256:0101", "bundle sha256:0101".to_uppercase().as_str()),
        ("files sha256:02", "files sha256:02\r"),
    ] {
        assert!(Envelope::parse(&text.replacen(from, to, 1)).is_err(), "{from} {to}");
    }
    assert_eq!(Envelope::parse(text.trim_end()), Err(EnvelopeFault::Spelling));
    assert_eq!(
        Envelope::parse(&text.replace('\n', "\r\n")),
        Err(EnvelopeFault::Spelling)
    );
    assert!(Envelope::parse(&format!("{text}\n")).is_err());
    assert!(Envelope::parse("").is_err());
    let long = text.clone() + &"x".repeat(ENVELOPE_BYTES_MAX);
    assert_eq!(Envelope::parse(&long), Err(EnvelopeFault::TooLong));
}

#[test]
fn bounds_hold_on_signatures_and_certificates() {
    let policy = |certificates| {
        signed(
            Role::PolicyOfficer,
            "spiffe://lyg.example/officer/policy/legal/sun",
            certificates,
        )
    };
    let with = |signatures| Envelope {
        statement: statement(),
        signatures,
    };
    assert!(Envelope::parse(&with(vec![policy(4); SIGNATURES_MAX]).text()).is_ok());
    let many = with(vec![policy(1); SIGNATURES_MAX + 1]);
    assert_eq!(Envelope::parse(&many.text()), Err(EnvelopeFault::TooMany));
    assert!(Envelope::parse(&with(vec![policy(5)]).text()).is_err());
    assert!(Envelope::parse(&with(vec![policy(0)]).text()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Any mutation is refused, or is another envelope: none reads as the one that was signed.
    #[test]
    fn no_other_text_reads_as_the_same_envelope(
        place in any::<prop::sample::Index>(),
        kind in 0_u8..4,
        byte in any::<u8>(),
        length in 1_usize..40,
    ) {
        let envelope = envelope();
        let text = envelope.text();
        let mut bytes = text.clone().into_bytes();
        let at = place.index(bytes.len());
        let end = (at + length).min(bytes.len());
        match kind {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => drop(bytes.drain(at..end)),
            _ => {
                let piece = bytes[at..end].to_vec();
                bytes.extend_from_slice(&piece);
            }
        }
        if let Ok(mutated) = String::from_utf8(bytes)
            && mutated != text
            && let Ok(read) = Envelope::parse(&mutated)
        {
            prop_assert_ne!(&read, &envelope);
            prop_assert_eq!(read.text(), mutated);
        }
    }

    #[test]
    fn nothing_makes_the_reader_fail_otherwise_than_with_a_fault(text in "(shuguan-policy/v1\n|serial [0-9]{1,30}\n|bundle sha256:[0-9a-f]{64}\n|files sha256:[0-9a-f]{60,66}\n|replaces none\n|\n|certificate [A-Za-z0-9+/=]{0,20}\n|signed-at [-0-9TZ:]{0,30}\n|.{0,30}\n){0,12}") {
        if let Ok(read) = Envelope::parse(&text) {
            prop_assert_eq!(read.text(), text);
        }
    }
}
