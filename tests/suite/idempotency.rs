//! Idempotency: a key has one effect and one answer, byte for byte, whoever repeats it and whenever.

use shuguan_tests::signed::content_digest;
use shuguan_tests::{Answer, Call, Deployment, Identity, Running, eventually, leaves, registry_count, run};
use tokio::task::JoinSet;

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

const TABLE: &str = "public_security_resident";
const KEY: &str = "monday-batch-1";

fn push(body: Vec<u8>) -> Call {
    Call::push(RESIDENT, NDJSON, body).header("idempotency-key", KEY)
}

fn one() -> Vec<u8> {
    resident(&nobody(1), "某某")
}

/// Every record is wrong.
fn hopeless() -> Vec<u8> {
    "{\"citizen_id\":\"1\",\"name\":\"某某\"}\n".repeat(3).into_bytes()
}

async fn send(running: &Running<'_>, call: Call, identity: &Identity) -> Answer {
    running.call(call, identity).await.expect("an answer")
}

fn count(gateway: &Deployment, kind: &str) -> usize {
    leaves(&gateway.journal())
        .iter()
        .filter(|leaf| leaf["k"] == kind)
        .count()
}

/// Status, body and where it is; what a repeat must not change.
fn told(answer: &Answer) -> (u16, &[u8], &str) {
    (answer.status.as_u16(), &answer.body, answer.header("location"))
}

#[test]
fn a_repeat_is_answered_byte_for_byte_also_after_a_stop_and_after_kill_9() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let first = send(&running, push(one()), &police).await;
        assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (202, ""));
        let mut again = vec![send(&running, push(one()), &police).await];
        assert_eq!(running.stop(), Some(0));
        let running = gateway.serve();
        again.push(send(&running, push(one()), &police).await);
        running.kill();
        let running = gateway.serve();
        // Relayed meanwhile, and the log has grown: the receipt in the answer is still the first one.
        again.push(send(&running, push(one()), &police).await);
        for repeat in &again {
            assert_eq!(told(repeat), told(&first));
            assert_eq!(repeat.header("idempotency-replayed"), "true");
        }
        eventually("the row is in the registry", 20, || {
            registry_count(&gateway.registry(), TABLE) == 1
        });
        assert_eq!(count(&gateway, "push"), 1);
    });
}

/// Lines of NDJSON, exactly so many bytes in all, pushed with their digest stated.
fn of_length(bytes: usize, line: &[u8]) -> Call {
    let mut body = line.repeat(bytes / line.len());
    // Blanks before the last end of line.
    body.pop();
    body.resize(bytes - 1, b' ');
    body.push(b'\n');
    let digest = content_digest(&body);
    Call::push(RESIDENT, NDJSON, body).header("content-digest", &digest)
}

#[test]
fn a_repeat_is_told_the_same_whether_its_body_is_decoded_again_or_only_hashed() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        // The last length that is decoded at once, and the first of which the journal is asked before.
        let lengths = [16 * 1024 - 1, 16 * 1024];
        let lines = [(one(), (202, "")), (hopeless(), (422, "SG3105"))];
        for (bytes, (line, expected)) in lengths
            .iter()
            .flat_map(|bytes| lines.iter().map(move |line| (*bytes, line)))
        {
            let key = format!("{bytes}-{}", expected.0);
            let push = |line: &[u8]| of_length(bytes, line).header("idempotency-key", &key);
            let first = send(&running, push(line), &police).await;
            let code = if first.status == 202 {
                String::new()
            } else {
                first.code()
            };
            assert_eq!((first.status.as_u16(), code.as_str()), *expected, "{key}");
            for _ in 0..2 {
                let again = send(&running, push(line), &police).await;
                assert_eq!(told(&again), told(&first), "{key}");
            }
            let other = send(&running, push(&resident(&nobody(2), "某某")), &police).await;
            assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "SG2104"), "{key}");
            let cut = push(line).header("content-digest", &content_digest(b"other"));
            let cut = send(&running, cut, &police).await;
            assert!([400, 422].contains(&cut.status.as_u16()), "{key}");
        }
        assert_eq!(count(&gateway, "push"), 2);
    });
}

#[test]
fn other_content_other_type_or_other_record_under_a_used_key_is_422() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let first = send(&running, push(one()), &police).await;
        assert_eq!(first.status, 202);
        let others = [
            push(resident(&nobody(2), "某某")),
            push(one()).header("content-type", "application/x-ndjson; charset=gb18030"),
            Call::push("public-security/death", NDJSON, one()).header("idempotency-key", KEY),
        ];
        for (nth, other) in others.into_iter().enumerate() {
            let answer = send(&running, other, &police).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (422, "SG2104"),
                "{nth}: {:?}",
                answer.body
            );
        }
        // The first answer still stands.
        assert_eq!(told(&send(&running, push(one()), &police).await), told(&first));
        let log = leaves(&gateway.journal());
        assert_eq!(
            log.iter()
                .filter(|leaf| leaf["code"] == "idempotency-key-reused")
                .count(),
            3
        );
        eventually("the row is in the registry", 20, || {
            registry_count(&gateway.registry(), TABLE) == 1
        });
        assert_eq!(
            (
                count(&gateway, "push"),
                registry_count(&gateway.registry(), "public_security_death")
            ),
            (1, 0)
        );
    });
}

#[test]
fn a_422_about_the_content_sticks_to_its_key_byte_for_byte_also_after_a_restart() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let first = send(&running, push(hopeless()), &police).await;
        assert_eq!((first.status.as_u16(), first.code().as_str()), (422, "SG3105"));
        let again = send(&running, push(hopeless()), &police).await;
        running.kill();
        let running = gateway.serve();
        let later = send(&running, push(hopeless()), &police).await;
        assert_eq!(told(&again), told(&first));
        assert_eq!(told(&later), told(&first));
        // Corrected content is new content: it needs a new key.
        let corrected = send(&running, push(one()), &police).await;
        assert_eq!((corrected.status.as_u16(), corrected.code().as_str()), (422, "SG2104"));
        let log = leaves(&gateway.journal());
        assert_eq!(log.iter().filter(|leaf| leaf["code"] == "too-many-rejects").count(), 1);
        assert_eq!(
            (count(&gateway, "push"), registry_count(&gateway.registry(), TABLE)),
            (0, 0)
        );
    });
}

#[test]
fn what_was_refused_for_its_head_does_not_stick_to_its_key() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        for (call, code) in [
            (push(one()).header("exchange-purpose", "marketing"), "SG4104"),
            (push(one()).header("content-type", "image/png"), "SG3101"),
            (push(one()).header("content-encoding", "br"), "SG3102"),
            (push(one()).header("exchange-mode", "snapshot"), "SG2119"),
            (push(one()).header("content-digest", "sha-256=:AAAA:"), "SG2106"),
        ] {
            assert_eq!(send(&running, call, &police).await.code(), code);
        }
        let answer = send(&running, push(one()), &police).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("idempotency-replayed")),
            (202, "")
        );
    });
}

#[test]
fn two_partners_may_use_the_same_key() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let death = |id: u32| {
            let line = serde_json::json!({ "cert_no": format!("D{id}"), "citizen_id": nobody(id), "name": "某某" });
            Call::push("health/death-certificate", NDJSON, format!("{line}\n")).header("idempotency-key", KEY)
        };
        let city = send(&running, death(1), &gateway.partner("health-city")).await;
        let county = send(&running, death(2), &gateway.partner("health-ganyu")).await;
        assert_eq!(
            (city.status.as_u16(), county.status.as_u16()),
            (202, 202),
            "{:?} {:?}",
            city.body,
            county.body
        );
        assert_ne!(city.json()["exchange"], county.json()["exchange"]);
    });
}

#[test]
fn many_callers_with_one_key_have_one_effect() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let mut calls = JoinSet::new();
        for _ in 0..12 {
            let (port, police) = (gateway.feed, gateway.partner(POLICE));
            calls.spawn(async move { push(one()).send(port, &police).await.expect("an answer") });
        }
        let answers = calls.join_all().await;
        let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == 202).collect();
        assert!(accepted.iter().all(|answer| answer.body == accepted[0].body));
        for answer in answers.iter().filter(|answer| answer.status != 202) {
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (409, "SG2105"),
                "{:?}",
                answer.body
            );
            assert!(!answer.header("retry-after").is_empty());
        }
        assert_eq!(
            accepted
                .iter()
                .filter(|answer| answer.header("idempotency-replayed").is_empty())
                .count(),
            1
        );
        drop(running);
        assert_eq!(count(&gateway, "push"), 1);
    });
}
