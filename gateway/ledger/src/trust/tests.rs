#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::{BadTrustLine, Quorum, Trust, Untrusted};
use crate::checkpoint::Checkpoint;
use crate::cosignature::CosigningKey;
use crate::keys::{NEW, SUITE};
use crate::leaf::KeyEvent;
use crate::note::{NoteError, SigningKey};
use crate::tree::empty_root;

const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

fn log() -> SigningKey {
    SigningKey::from_seed("log.example", &[9; 32]).unwrap()
}

fn witness(number: u8) -> CosigningKey {
    CosigningKey::from_seed(&format!("w{number}.example"), &[number; 32]).unwrap()
}

/// A log, witnesses `w1` to `w4`, and these lines.
fn trust(lines: &str) -> Result<Trust, BadTrustLine> {
    let witnesses: Vec<String> = (1..=4)
        .map(|n| format!("witness w{n} {}\n", witness(n).witness_key().vkey()))
        .collect();
    Trust::parse(&format!(
        "log {}\n{}{lines}",
        log().verifying_key().vkey(),
        witnesses.concat()
    ))
}

fn empty_log() -> Checkpoint {
    Checkpoint {
        origin: "log.example".into(),
        size: 0,
        root: empty_root(),
    }
}

fn signed_by(witnesses: &[u8]) -> String {
    let text = empty_log().text();
    let lines = witnesses.iter().map(|n| witness(*n).cosign(&text, 7).unwrap());
    log().sign(&text).unwrap() + &lines.collect::<String>()
}

fn quorum(lines: &str, witnesses: &[u8]) -> Quorum {
    let (checkpoint, witnessed) = trust(lines).unwrap().open_witnessed(&signed_by(witnesses)).unwrap();
    assert_eq!(checkpoint, empty_log());
    assert_eq!(witnessed.by.len(), witnesses.len());
    witnessed.quorum
}

#[test]
fn a_trust_file_holds_keys_comments_and_nothing_else() {
    let trust = Trust::parse(&format!("# the city's gateway\n\nlog {VKEY}\n")).unwrap();
    assert_eq!(trust.logs().len(), 1);
    assert_eq!(trust.text(), format!("log {VKEY}\n"));
    assert_eq!(trust.quorum(), None);
    assert_eq!(Trust::parse("log x\n").unwrap_err().line, 1);
    assert_eq!(Trust::parse(&format!("\nlogs {VKEY}")).unwrap_err().line, 2);
}

#[test]
fn a_trusted_log_cannot_speak_for_another_trusted_log() {
    let (a, b) = (
        SigningKey::from_seed("a", &[1; 32]).unwrap(),
        SigningKey::from_seed("b", &[2; 32]).unwrap(),
    );
    let trust = Trust::parse(&format!(
        "log {}\nlog {}\n",
        a.verifying_key().vkey(),
        b.verifying_key().vkey()
    ))
    .unwrap();
    let checkpoint = Checkpoint {
        origin: "b".into(),
        size: 0,
        root: empty_root(),
    };
    assert_eq!(trust.open(&b.sign(&checkpoint.text()).unwrap()), Ok(checkpoint.clone()));
    assert_eq!(
        trust.open(&a.sign(&checkpoint.text()).unwrap()),
        Err(Untrusted::Signature(NoteError::NoKnownSignature))
    );
}

#[test]
fn a_quorum_is_a_witness_a_group_of_groups_or_none() {
    assert_eq!(quorum("quorum none", &[]), Quorum::NotAsked);
    assert_eq!(quorum("quorum w2", &[1, 3]), Quorum::Missing);
    assert_eq!(quorum("quorum w2", &[1, 2]), Quorum::Met);
    let nested = "group a any w1 w2\ngroup b all w3 w4\ngroup both 2 a b\nquorum both\n";
    assert_eq!(quorum(nested, &[1, 3, 4]), Quorum::Met);
    assert_eq!(quorum(nested, &[1, 2, 3]), Quorum::Missing);
    assert_eq!(quorum(nested, &[3, 4]), Quorum::Missing);
    let trust = trust(nested).unwrap();
    assert_eq!((trust.quorum(), trust.witnesses().len()), (Some("both"), 4));
    assert_eq!(Trust::parse(&trust.text()), Ok(trust));
}

#[test]
fn addresses_of_logs_and_witnesses_are_read_over() {
    let text = format!(
        "log {} https://gw1.example\nwitness w {} https://w.example\nquorum w\n",
        log().verifying_key().vkey(),
        witness(1).witness_key().vkey()
    );
    let trust = Trust::parse(&text).unwrap();
    assert_eq!(trust.text(), text);
    assert_eq!(trust.open_witnessed(&signed_by(&[1])).unwrap().1.quorum, Quorum::Met);
}

#[test]
fn what_is_not_a_policy_is_refused_with_its_line() {
    let vkey = witness(5).witness_key().vkey();
    let again = witness(1).witness_key().vkey();
    for (lines, line) in [
        ("", 6),
        ("quorum nobody", 6),
        ("quorum w1\nquorum w1", 7),
        ("group g 1 w1\nquorum h", 7),
        ("group g 0 w1\nquorum g", 6),
        ("group g 3 w1 w2\nquorum g", 6),
        ("group g +1 w1 w2\nquorum g", 6),
        ("group g some w1 w2\nquorum g", 6),
        ("group g all\nquorum g", 6),
        ("group g 1 w1 w1\nquorum g", 6),
        ("group g 1 g\nquorum g", 6),
        ("group w1 1 w2\nquorum w1", 6),
        ("group none 1 w2\nquorum none", 6),
        ("quorum", 6),
        ("quorum w1 w2", 6),
        ("witness w5\nquorum none", 6),
        (&*format!("witness w1 {vkey}\nquorum none"), 6),
        (&*format!("witness w5 {again}\nquorum none"), 6),
        (&*format!("witness w5 {VKEY}\nquorum none"), 6),
        (&*format!("log {vkey}\nquorum none"), 6),
    ] {
        assert_eq!(trust(lines).unwrap_err().line, line, "{lines}");
    }
}

#[test]
fn a_failing_cosignature_of_a_known_witness_voids_the_checkpoint_and_a_strangers_counts_for_nothing() {
    let (trust, text) = (trust("quorum w1").unwrap(), empty_log().text());
    let wrong = witness(1).cosign("log.example\n1\nx\n", 7).unwrap();
    let refused = trust.open(&(log().sign(&text).unwrap() + &wrong));
    let bad = NoteError::BadSignature("w1.example".into());
    assert_eq!(refused, Err(Untrusted::Signature(bad)));
    let stranger = CosigningKey::from_seed("w1.example", &[77; 32]).unwrap();
    let note = log().sign(&text).unwrap() + &stranger.cosign(&text, 7).unwrap();
    let (_, witnessed) = trust.open_witnessed(&note).unwrap();
    assert_eq!((witnessed.quorum, witnessed.by.len()), (Quorum::Missing, 0));
    assert_eq!(witnessed.verdict(), "quorum-missing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn so_many_of_these_is_a_count(needed in 1_usize..5, members in 1_u8..16, signed in 0_u8..16) {
        let bits = |set: u8| (1..=4).filter(move |n| set >> (n - 1) & 1 == 1).collect::<Vec<u8>>();
        let (members, signed) = (bits(members), bits(signed));
        let names: Vec<String> = members.iter().map(|n| format!("w{n}")).collect();
        let lines = format!("group g {needed} {}\nquorum g", names.join(" "));
        if needed > members.len() {
            prop_assert!(trust(&lines).is_err());
        } else {
            let present = members.iter().filter(|n| signed.contains(n)).count();
            let expected = if present >= needed { Quorum::Met } else { Quorum::Missing };
            prop_assert_eq!(quorum(&lines, &signed), expected);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(log|witness|group|quorum|none|any| |\n|[a-z0-9+/=#]{1,8}){0,40}") {
        if let Ok(trust) = Trust::parse(&text) {
            prop_assert_eq!(Trust::parse(&trust.text()), Ok(trust));
        }
    }
}

#[test]
fn who_learns_of_a_key_keeps_every_other_line_and_the_address_of_the_log() {
    let key = |seed: u8| {
        SigningKey::from_seed("log.example", &[seed; 32])
            .unwrap()
            .verifying_key()
    };
    let (old, new) = (key(9), key(8));
    let other = format!("log\t{VKEY} https://example.com/log");
    let (own, seen) = (
        format!("log   {}\thttps://log.example/log", old.vkey()),
        format!("witness\tw1 {}", witness(1).witness_key().vkey()),
    );
    let trust = Trust::parse(&format!("{own}\n{other}\n{seen}\nquorum w1\n")).unwrap();
    let event = KeyEvent {
        act: NEW.into(),
        suite: SUITE.into(),
        key: new.vkey(),
        of: old.vkey(),
        from: 7,
        why: "rotation".into(),
    };
    let learned = trust.extended("log.example", 6, &event).unwrap();
    let begun = format!("log {}\n{other}\nsizes {} 7 -", new.vkey(), new.vkey());
    assert_eq!(learned.text(), format!("{own}\n{begun}\n{seen}\nquorum w1\n"));
    assert_eq!(Trust::parse(&learned.text()).unwrap().text(), learned.text());
    // One more log is added once, whatever its line looks like.
    assert_eq!(learned.with_log(&old), learned);
    let third = SigningKey::from_seed("log.example/2", &[7; 32])
        .unwrap()
        .verifying_key();
    let more = learned.with_log(&third);
    assert_eq!(more.text(), format!("log {}\n{}", third.vkey(), learned.text()));
    assert_eq!(Trust::parse(&more.text()).unwrap().text(), more.text());
    assert_eq!(more.with_log(&third), more);
}
