//! Requests that are signed as they must be, and every way in which they are not.

use http::HeaderMap;
use proptest::prelude::*;
use rcgen::PublicKeyData as _;

use super::headers;
use crate::edge::revocation::RevocationSet;
use crate::refusal::Refusal;
use crate::signature::base::Message;
use crate::signature::digest;
use crate::signature::directory::{Holder, MessageKeys};
use crate::signature::input::{SIGNATURE, SIGNATURE_INPUT};
use crate::signature::key::{MessageKey, PublicKey};
use crate::signature::verify::{self, Judge};
use crate::signature::{Signed, profile, sign};

type Alter = Box<dyn Fn(&str) -> String>;

const NOW_S: i64 = 1_795_426_970;
const TARGET: &str = "https://gw1.lyg.example:8443/v1/feeds/health/birth-certificate";
const SENDER: &str = "spiffe://lyg.example/agency/health/city";

fn ed25519() -> MessageKey {
    MessageKey::from_seed(&[7; 32]).unwrap()
}

fn p256() -> MessageKey {
    let pair = rcgen::KeyPair::generate().unwrap();
    let key = MessageKey::from_pem(&pair.serialize_pem()).unwrap();
    assert_eq!(key.public().spki(), pair.subject_public_key_info());
    key
}

fn push() -> HeaderMap {
    headers(&[
        ("content-type", "application/x-ndjson; charset=utf-8"),
        ("content-digest", &digest::write(&[9; 32])),
        ("exchange-purpose", "enrolment.registration"),
        ("idempotency-key", "monday-1"),
    ])
}

fn directory(key: &PublicKey) -> MessageKeys {
    MessageKeys::of(vec![Holder {
        key: key.clone(),
        spiffe: SENDER.into(),
        issuer: vec![1],
        serial: vec![2],
        not_before_s: NOW_S - 1_000,
        not_after_s: NOW_S + 1_000,
        sha256: [3; 32],
    }])
}

fn signed(key: &MessageKey, mut fields: HeaderMap, now_s: i64) -> HeaderMap {
    let made = sign::request(&profile::PUSH, &message(&fields), key, now_s, [5; 16]).unwrap();
    made.put(&mut fields);
    fields
}

fn message(fields: &HeaderMap) -> Message<'_> {
    Message::request("POST", TARGET, fields)
}

fn judged(key: &PublicKey, fields: &HeaderMap, now_s: i64) -> Result<Option<Signed>, Refusal> {
    judged_as(key, &message(fields), SENDER, now_s)
}

fn judged_as(key: &PublicKey, message: &Message<'_>, sender: &str, now_s: i64) -> Result<Option<Signed>, Refusal> {
    let (keys, revoked) = (directory(key), RevocationSet::default());
    let judge = Judge {
        keys: &keys,
        revoked: &revoked,
        sender,
        now_s,
    };
    verify::request(&profile::PUSH, message, &judge).map_err(|refused| refused.refusal)
}

/// The request with another text in one of the two fields.
fn altered(fields: &HeaderMap, name: &http::HeaderName, alter: impl FnOnce(&str) -> String) -> HeaderMap {
    let mut fields = fields.clone();
    let text = alter(fields[name].to_str().unwrap());
    fields.insert(name, text.parse().unwrap());
    fields
}

#[test]
fn what_was_signed_with_either_algorithm_verifies_and_tells_who_signed() {
    for key in [ed25519(), p256()] {
        let fields = signed(&key, push(), NOW_S);
        let signed = judged(key.public(), &fields, NOW_S).unwrap().unwrap();
        assert_eq!(signed.keyid(), key.public().id());
        assert_eq!(signed.nonce().len(), 22);
        assert_eq!(signed.remember_until_us(), (NOW_S + 360) * 1_000_000);
        assert!(
            signed
                .base()
                .starts_with("\"@method\": POST\n\"@target-uri\": https://gw1")
        );
    }
    assert!(
        judged(ed25519().public(), &push(), NOW_S).unwrap().is_none(),
        "not signed"
    );
}

#[test]
fn what_changes_the_meaning_of_a_push_is_covered_when_it_is_sent() {
    let key = ed25519();
    for (name, value) in [
        ("content-encoding", "zstd"),
        ("exchange-mode", "snapshot"),
        ("exchange-scope", "all"),
        ("exchange-constants", "month=202511"),
        ("exchange-count", "3"),
        ("exchange-layout", "hukou-2016"),
    ] {
        let mut more = push();
        more.insert(name, value.parse().unwrap());
        let fields = signed(&key, more, NOW_S);
        assert!(judged(key.public(), &fields, NOW_S).unwrap().is_some(), "{name}");
        let mut without = fields.clone();
        without.remove(name);
        assert_eq!(
            judged(key.public(), &without, NOW_S).unwrap_err(),
            Refusal::BadSignature
        );
        let mut added = signed(&key, push(), NOW_S);
        added.insert(name, value.parse().unwrap());
        assert_eq!(
            judged(key.public(), &added, NOW_S).unwrap_err(),
            Refusal::BadSignature,
            "{name}"
        );
    }
}

#[test]
fn a_covered_field_that_is_missing_changed_or_stands_twice_is_a_bad_signature() {
    let key = ed25519();
    let good = signed(&key, push(), NOW_S);
    for name in ["content-type", "content-digest", "exchange-purpose", "idempotency-key"] {
        let (mut missing, mut twice, mut changed) = (good.clone(), good.clone(), good.clone());
        missing.remove(name);
        twice.append(name, good[name].clone());
        changed.insert(name, "other".parse().unwrap());
        for (what, fields) in [("missing", missing), ("twice", twice), ("changed", changed)] {
            assert_eq!(
                judged(key.public(), &fields, NOW_S).unwrap_err(),
                Refusal::BadSignature,
                "{name} {what}"
            );
        }
    }
    for (method, target) in [
        ("PUT", TARGET),
        ("POST", "https://gw1.lyg.example:8443/v1/feeds/health/death-certificate"),
    ] {
        let message = Message::request(method, target, &good);
        let refused = judged_as(key.public(), &message, SENDER, NOW_S).unwrap_err();
        assert_eq!(refused, Refusal::BadSignature, "{method} {target}");
    }
}

#[test]
fn every_other_spelling_order_label_or_parameter_is_a_bad_signature() {
    let key = ed25519();
    let good = signed(&key, push(), NOW_S);
    let other_order = |text: &str| {
        let (components, parameters) = text.split_once(')').unwrap();
        let mut parameters: Vec<&str> = parameters.split(';').skip(1).collect();
        parameters.swap(0, 1);
        format!("{components});{}", parameters.join(";"))
    };
    let inputs: Vec<(&str, Alter)> = vec![
        (
            "component dropped",
            Box::new(|text| text.replacen("\"content-type\" ", "", 1)),
        ),
        (
            "component added",
            Box::new(|text| text.replacen("\"@method\"", "\"@method\" \"host\"", 1)),
        ),
        (
            "component twice",
            Box::new(|text| text.replacen("\"@method\"", "\"@method\" \"@method\"", 1)),
        ),
        (
            "components swapped",
            Box::new(|text| text.replacen("\"@method\" \"@target-uri\"", "\"@target-uri\" \"@method\"", 1)),
        ),
        (
            "component with a parameter",
            Box::new(|text| text.replacen("\"content-type\"", "\"content-type\";sf", 1)),
        ),
        (
            "component of a request",
            Box::new(|text| text.replacen("\"@method\"", "\"@method\";req", 1)),
        ),
        (
            "component as a token",
            Box::new(|text| text.replacen("\"content-type\"", "content-type", 1)),
        ),
        ("parameters swapped", Box::new(other_order)),
        ("parameter unknown", Box::new(|text| format!("{text};context=\"x\""))),
        (
            "parameter twice",
            Box::new(|text| format!("{text};tag=\"shuguan-push-1\"")),
        ),
        (
            "without expires",
            Box::new(|text| text.replacen(&format!(";expires={}", NOW_S + 300), "", 1)),
        ),
        (
            "without a nonce",
            Box::new(|text| text.replacen(";nonce=\"BQUFBQUFBQUFBQUFBQUFBQ\"", "", 1)),
        ),
        (
            "short nonce",
            Box::new(|text| text.replacen("BQUFBQUFBQUFBQUFBQUFBQ", "BQUF", 1)),
        ),
        (
            "nonce with a blank",
            Box::new(|text| text.replacen("BQUFBQUFBQUFBQUFBQUFBQ", "BQUFBQ FBQUFBQUFBQUFBQ", 1)),
        ),
        (
            "created as a string",
            Box::new(|text| text.replacen(&format!("created={NOW_S}"), "created=\"1\"", 1)),
        ),
        (
            "created as a decimal",
            Box::new(|text| text.replacen(&format!("={NOW_S}"), &format!("={NOW_S}.0"), 1)),
        ),
        (
            "other alg",
            Box::new(|text| text.replacen("\"ed25519\"", "\"ecdsa-p256-sha256\"", 1)),
        ),
        (
            "unknown alg",
            Box::new(|text| text.replacen("\"ed25519\"", "\"none\"", 1)),
        ),
        (
            "other tag",
            Box::new(|text| text.replacen("shuguan-push-1", "shuguan-ack-1", 1)),
        ),
        ("other label", Box::new(|text| text.replacen("agency=", "gw=", 1))),
        (
            "label in capitals",
            Box::new(|text| text.replacen("agency=", "Agency=", 1)),
        ),
        (
            "second signature of the label",
            Box::new(|text| format!("{text}, {text}")),
        ),
        (
            "second signature",
            Box::new(|text| format!("{text}, proxy=(\"@method\");created=1")),
        ),
        (
            "blank after a semicolon",
            Box::new(|text| text.replacen(";created", "; created", 1)),
        ),
        ("two blanks", Box::new(|text| text.replacen("\" \"", "\"  \"", 1))),
        ("not a dictionary", Box::new(|text| text.replacen('(', "", 1))),
        ("an item", Box::new(|_| "agency=1".into())),
        ("empty", Box::new(|_| String::new())),
        (
            "very long",
            Box::new(|text| format!("{text};tag=\"{}\"", "x".repeat(4_096))),
        ),
    ];
    for (what, alter) in inputs {
        let fields = altered(&good, &SIGNATURE_INPUT, alter);
        assert_ne!(fields, good, "{what}");
        assert_eq!(
            judged(key.public(), &fields, NOW_S).unwrap_err(),
            Refusal::BadSignature,
            "{what}"
        );
    }
}

#[test]
fn every_other_spelling_of_the_signature_itself_is_a_bad_signature() {
    let key = ed25519();
    let good = signed(&key, push(), NOW_S);
    let signatures: Vec<(&str, Alter)> = vec![
        ("other label", Box::new(|text| text.replacen("agency=", "gw=", 1))),
        ("twice", Box::new(|text| format!("{text}, {text}"))),
        ("with a parameter", Box::new(|text| format!("{text};x"))),
        ("a string", Box::new(|_| "agency=\"x\"".into())),
        ("short", Box::new(|_| "agency=:AAAA:".into())),
        ("no base64", Box::new(|text| text.replacen(':', ":!", 1))),
        ("padding away", Box::new(|text| text.replacen("==:", ":", 1))),
        ("an inner list", Box::new(|_| "agency=()".into())),
    ];
    for (what, alter) in signatures {
        let fields = altered(&good, &SIGNATURE, alter);
        assert_ne!(fields, good, "{what}");
        assert_eq!(
            judged(key.public(), &fields, NOW_S).unwrap_err(),
            Refusal::BadSignature,
            "{what}"
        );
    }
    for name in [SIGNATURE_INPUT, SIGNATURE] {
        let (mut alone, mut twice) = (good.clone(), good.clone());
        alone.remove(&name);
        twice.append(&name, good[&name].clone());
        assert_eq!(judged(key.public(), &alone, NOW_S).unwrap_err(), Refusal::BadSignature);
        assert_eq!(judged(key.public(), &twice, NOW_S).unwrap_err(), Refusal::BadSignature);
    }
}

#[test]
fn what_is_over_lives_too_long_or_comes_from_the_future_is_stale() {
    let key = ed25519();
    let fields = signed(&key, push(), NOW_S);
    for (now_s, held) in [
        (NOW_S - 61, false),
        (NOW_S - 60, true),
        (NOW_S, true),
        (NOW_S + 299, true),
        (NOW_S + 300, false),
        (NOW_S + 1_000_000, false),
    ] {
        match judged(key.public(), &fields, now_s) {
            Ok(signed) => assert!(held && signed.is_some(), "{now_s}"),
            Err(refusal) => assert!(!held && refusal == Refusal::StaleSignature, "{now_s}: {refusal:?}"),
        }
    }
    for expires in [NOW_S + 301, NOW_S, NOW_S - 1] {
        let fields = altered(&fields, &SIGNATURE_INPUT, |text| {
            text.replacen(&format!("expires={}", NOW_S + 300), &format!("expires={expires}"), 1)
        });
        assert_eq!(
            judged(key.public(), &fields, NOW_S).unwrap_err(),
            Refusal::StaleSignature,
            "{expires}"
        );
    }
}

#[test]
fn a_key_of_nobody_of_somebody_else_revoked_or_over_has_its_own_refusal() {
    let (key, other) = (ed25519(), p256());
    let fields = signed(&key, push(), NOW_S);
    assert_eq!(
        judged(other.public(), &fields, NOW_S).unwrap_err(),
        Refusal::UnknownSigner
    );
    let county = "spiffe://lyg.example/agency/health/ganyu";
    let refused = judged_as(key.public(), &message(&fields), county, NOW_S).unwrap_err();
    assert_eq!(refused, Refusal::SignerMismatch);
    let late = signed(&key, push(), NOW_S + 1_001);
    assert_eq!(
        judged(key.public(), &late, NOW_S + 1_001).unwrap_err(),
        Refusal::SignerExpired
    );
}

#[test]
fn a_key_that_is_spelled_in_another_way_is_none() {
    let spki = ed25519().public().spki();
    assert!(PublicKey::from_spki(&spki).is_some());
    assert!(PublicKey::from_spki(&[spki.as_slice(), &[0]].concat()).is_none());
    assert!(PublicKey::from_spki(&spki[..43]).is_none());
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    assert!(PublicKey::from_spki(&p384.subject_public_key_info()).is_none());
    assert!(MessageKey::from_pem(&p384.serialize_pem()).is_err());
    let key = ed25519();
    assert_eq!(
        &PublicKey::from_pem(&key.public().pem()).unwrap(),
        &[key.public().clone()]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any one character of either field changed: refused, or the same text.
    #[test]
    fn no_changed_character_of_the_two_fields_still_verifies(at in 0_usize..1_000, to in 0x20_u8..0x7f, input: bool) {
        let key = ed25519();
        let good = signed(&key, push(), NOW_S);
        let name = if input { SIGNATURE_INPUT } else { SIGNATURE };
        let mut bytes = good[&name].as_bytes().to_vec();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        let mut fields = good.clone();
        fields.insert(&name, http::HeaderValue::from_bytes(&bytes).unwrap());
        prop_assert!(judged(key.public(), &fields, NOW_S).is_err());
    }

    /// Whatever the values are, what is signed verifies and what is changed does not.
    #[test]
    fn any_request_verifies_and_no_other_does(kind in "[a-z/+.-]{1,40}", purpose in "[a-z.]{1,30}", key_text in "[!-~]{1,128}", nonce: [u8; 16]) {
        let key = ed25519();
        let mut fields = headers(&[
            ("content-type", &kind),
            ("content-digest", &digest::write(&[9; 32])),
            ("exchange-purpose", &purpose),
            ("idempotency-key", &key_text),
        ]);
        sign::request(&profile::PUSH, &message(&fields), &key, NOW_S, nonce).unwrap().put(&mut fields);
        prop_assert!(judged(key.public(), &fields, NOW_S).unwrap().is_some());
        fields.insert("idempotency-key", "another".parse().unwrap());
        prop_assert!(judged(key.public(), &fields, NOW_S).is_err());
    }

    /// Hostile fields are refused, never a panic.
    #[test]
    fn any_text_is_refused_without_a_panic(input in "[ -~]{0,200}", signature in "[ -~]{0,120}") {
        let mut fields = push();
        fields.insert(SIGNATURE_INPUT, input.parse().unwrap());
        fields.insert(SIGNATURE, signature.parse().unwrap());
        prop_assert!(judged(ed25519().public(), &fields, NOW_S).is_err());
    }
}
