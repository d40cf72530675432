//! Message signatures against PyPI's http-message-signatures: requests, answers, and what somebody changed in their two fields.

use std::collections::BTreeMap;
use std::process::Command;

use http::{HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use shuguan::edge::revocation::RevocationSet;
use shuguan::signature::base::Message;
use shuguan::signature::key::{MessageKey, PublicKey};
use shuguan::signature::verify::{self, Judge};
use shuguan::signature::{MessageKeys, Profile, profile, sign};
use shuguan_tests::signed::{content_digest, now_s};
use shuguan_tests::{Deployment, Running};

use super::{ask_lines, installed};
use crate::random::Random;

const REQUESTS: usize = 1_500;
const ANSWERS: usize = 700;
const TARGET: &str = "https://gw1.lyg.example:8443/v1/feeds/health/birth-certificate";
const SENDER: &str = "spiffe://lyg.example/agency/health/city";

struct Bench {
    keys: MessageKeys,
    own: MessageKey,
    receipt: MessageKey,
    now_s: i64,
}

impl Bench {
    fn new(gateway: &Deployment) -> Self {
        let authorities: Vec<CertificateDer<'_>> = CertificateDer::pem_file_iter(gateway.path("pki/ca.pem"))
            .expect("authorities")
            .map(|der| der.expect("an authority"))
            .collect();
        let keys = MessageKeys::load(&gateway.path("pki/message"), &authorities).expect("message certificates");
        let pem = std::fs::read_to_string(gateway.path("partners/health-city/message.key")).expect("a key");
        Self {
            keys,
            own: MessageKey::from_pem(&pem).expect("a key"),
            receipt: MessageKey::from_seed(&[3; 32]).expect("a key"),
            now_s: now_s(),
        }
    }

    fn request_verdict(&self, headers: &HeaderMap) -> bool {
        let judge = Judge {
            keys: &self.keys,
            revoked: &RevocationSet::default(),
            sender: SENDER,
            now_s: self.now_s,
        };
        let message = Message::request("POST", TARGET, headers);
        verify::request(&profile::PUSH, &message, &judge).is_ok_and(|signed| signed.is_some())
    }

    fn answer_verdict(&self, kind: &Profile, status: u16, headers: &HeaderMap, request: &HeaderMap) -> bool {
        let request = Message::request("POST", TARGET, request);
        let message = Message::response(status, headers, &request);
        verify::answer(kind, &message, &[self.receipt.public().clone()], Some(self.now_s)).is_ok()
    }
}

fn fields(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

fn as_json(headers: &HeaderMap) -> Value {
    let pairs = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().expect("text")));
    json!(pairs.collect::<BTreeMap<_, _>>())
}

fn pems(key: &PublicKey) -> Value {
    json!({ key.id(): key.pem() })
}

/// What somebody does to a text; a class by number.
fn mutate(random: &mut Random, text: &str) -> String {
    let mut pick = |most: usize| usize::try_from(random.below(most.max(1) as u64)).expect("a place");
    let characters: Vec<char> = text.chars().collect();
    let at = pick(characters.len());
    let put = |replacement: String| {
        let mut parts: Vec<String> = characters.iter().map(char::to_string).collect();
        parts[at] = replacement;
        parts.concat()
    };
    let pieces = |separator: char| -> Vec<String> { text.split(separator).map(str::to_owned).collect() };
    match pick(14) {
        0 => text.to_owned(),
        1 => put(char::from(u8::try_from(0x20 + pick(95)).expect("ASCII")).to_string()),
        2 => put(String::new()),
        3 => put(format!("{0}{0}", characters[at])),
        4 => put(format!(" {}", characters[at])),
        5 => put(characters[at].to_ascii_uppercase().to_string()),
        6 => format!("{text}, {text}"),
        7 => format!("{text};x=1"),
        8 => format!("{text}, other=(\"@method\");created=1"),
        separator @ 9..=12 => {
            let mark = if separator % 2 == 1 { ';' } else { ' ' };
            let mut parts = pieces(mark);
            let (one, two) = (pick(parts.len()), pick(parts.len()));
            match separator {
                9 | 10 => parts.swap(one, two),
                _ => drop(parts.remove(one)),
            }
            parts.join(&mark.to_string())
        }
        _ => text.replacen("ed25519", "ecdsa-p256-sha256", 1),
    }
}

/// Asks the library about all of them and compares.
fn compare(cases: &[(Value, bool, String)]) {
    let lines: Vec<String> = cases.iter().map(|(case, _, _)| case.to_string()).collect();
    let verdicts = ask_lines("signatures.py", &lines);
    let mut held = 0;
    for ((_, ours, what), theirs) in cases.iter().zip(verdicts) {
        assert_eq!(*ours, theirs == "ok", "{what}: {theirs}");
        held += usize::from(*ours);
    }
    // Neither judge says no to everything.
    assert!(
        held > cases.len() / 30 && held < cases.len() / 2,
        "{held} of {}",
        cases.len()
    );
}

#[test]
#[cfg_attr(not(oracles), ignore = "tests/oracles/install has not run")]
fn a_foreign_verifier_says_the_same_of_requests_and_of_what_was_changed_in_them() {
    let gateway = Deployment::new();
    let bench = Bench::new(&gateway);
    let mut random = Random::printed("message signatures of requests");
    let digest = content_digest(b"body");
    let cases: Vec<_> = (0..REQUESTS)
        .map(|number| {
            let key = format!("batch-{number}");
            let mut pairs = vec![
                ("content-type", "application/x-ndjson; charset=utf-8"),
                ("content-digest", &*digest),
                ("exchange-purpose", "enrolment.registration"),
                ("idempotency-key", &*key),
            ];
            let more = [("content-encoding", "zstd"), ("exchange-count", "3"), ("exchange-mode", "delta")];
            pairs.extend(more.into_iter().filter(|_| random.below(3) == 0));
            let mut headers = fields(&pairs);
            let message = Message::request("POST", TARGET, &headers);
            let covers: Vec<String> = profile::PUSH.components(&message).iter().map(ToString::to_string).collect();
            let nonce = u128::from(random.below(u64::MAX)).to_le_bytes();
            let made = sign::request(&profile::PUSH, &message, &bench.own, bench.now_s, nonce).expect("a signature");
            made.put(&mut headers);
            let name = ["signature-input", "signature"][usize::from(random.below(4) == 0)];
            let text = mutate(&mut random, headers[name].to_str().expect("text"));
            let text = text.trim().to_owned();
            headers.insert(name, HeaderValue::from_str(&text).expect("ASCII"));
            let case = json!({
                "method": "POST", "url": TARGET, "headers": as_json(&headers), "label": "agency", "tag": "shuguan-push-1",
                "covers": covers, "now": bench.now_s, "keys": pems(bench.own.public()),
            });
            (case, bench.request_verdict(&headers), format!("{name}: {text}"))
        })
        .collect();
    compare(&cases);
}

#[test]
#[cfg_attr(not(oracles), ignore = "tests/oracles/install has not run")]
fn a_foreign_verifier_says_the_same_of_answers_and_of_what_was_changed_in_them() {
    let gateway = Deployment::new();
    let bench = Bench::new(&gateway);
    let mut random = Random::printed("message signatures of answers");
    let request = fields(&[("content-digest", &content_digest(b"body")), ("idempotency-key", "k1")]);
    let cases: Vec<_> = (0..ANSWERS)
        .map(|_| {
            let status = [202_u16, 422, 403][usize::try_from(random.below(3)).expect("a place")];
            let mut headers = fields(&[
                ("content-type", "application/json"),
                ("content-digest", &content_digest(b"answer")),
                ("location", "/v1/exchanges/x"),
                ("exchange-id", "x"),
                ("exchange-receipt", "log=\"gw1.lyg.example/log\", index=1, size=2, leaf=:AAAA:"),
            ]);
            let asked = Message::request("POST", TARGET, &request);
            let message = Message::response(status, &headers, &asked);
            let covers: Vec<String> = profile::ANSWER.components(&message).iter().map(ToString::to_string).collect();
            let made = sign::answer(&profile::ANSWER, &message, &bench.receipt, bench.now_s).expect("a signature");
            made.put(&mut headers);
            let name = ["signature-input", "signature"][usize::from(random.below(4) == 0)];
            let text = mutate(&mut random, headers[name].to_str().expect("text")).trim().to_owned();
            headers.insert(name, HeaderValue::from_str(&text).expect("ASCII"));
            let case = json!({
                "status": status, "headers": as_json(&headers), "label": "gw", "tag": "shuguan-push-answer-1", "covers": covers,
                "now": bench.now_s, "keys": pems(bench.receipt.public()),
                "request": { "method": "POST", "url": TARGET, "headers": as_json(&request) },
            });
            let ours = bench.answer_verdict(&profile::ANSWER, status, &headers, &request);
            (case, ours, format!("{status} {name}: {text}"))
        })
        .collect();
    compare(&cases);
}

/// The Python lines of `gateway/INTERFACE.md`, run in a kit's folder as printed, with the port of this gateway.
fn interface_lines(gateway: &Deployment) -> String {
    let interface = include_str!("../../../gateway/INTERFACE.md");
    let block = interface.split("```python\n").nth(1).expect("a block of Python");
    let block = block.split("```").next().expect("an end");
    assert!(block.contains(":8443") && block.contains("8443, "), "{block}");
    block.replace("8443", &gateway.feed.to_string())
}

#[test]
#[cfg_attr(not(oracles), ignore = "tests/oracles/install has not run")]
fn the_lines_of_the_manual_sign_a_push_that_is_taken_and_verify_its_answer() {
    let gateway = Deployment::with(|text| format!("{text}\n[require_signature]\nhealth-ganyu = \"require\"\n"));
    let running: Running<'_> = gateway.serve();
    let folder = gateway.path("partners/health-ganyu");
    std::fs::write(folder.join("sign.py"), interface_lines(&gateway)).expect("a file");
    let python = installed().join("venv/bin/python");
    let python = std::path::absolute(python).expect("a path");
    let output = Command::new(python)
        .arg("sign.py")
        .current_dir(&folder)
        .output()
        .expect("python runs");
    let (out, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success() && out.contains("202"), "{out}{error}");
    drop(running);
    let pushes = shuguan_tests::leaves(&gateway.journal());
    assert_eq!(pushes.iter().filter(|leaf| leaf["k"] == "push").count(), 1);
}
