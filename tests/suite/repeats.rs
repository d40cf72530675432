//! `push` run twice sends nothing twice: with states in a folder of their own, with `--again`, and when the gateway forgot the key.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use shuguan_tests::Deployment;

use crate::feeds::{POLICE, RESIDENT, nobody, resident};

fn push(gateway: &Deployment, arguments: &[&str]) -> (i32, Value, String) {
    let client = format!("partners/{POLICE}/client.toml");
    let base = [
        "push",
        "--record",
        RESIDENT,
        "--purpose",
        "enrolment.registration",
        "--json",
    ];
    let (code, out, error) = gateway.shuguan(&[&base[..], &["-c", &client], arguments].concat());
    (code, serde_json::from_str(&out).unwrap_or_default(), error)
}

/// The exchange of a push's only file.
fn exchange(pushed: &Value) -> String {
    pushed["items"][0]["exchange"].as_str().unwrap().to_owned()
}

fn put(gateway: &Deployment, name: &str, n: u32) -> PathBuf {
    let path = gateway.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, resident(&nobody(n), "某某")).unwrap();
    path
}

/// Changes members of the state of `feed.ndjson`.
fn change(gateway: &Deployment, members: &[(&str, Value)]) {
    let path = gateway.path("feed.ndjson.shuguan-push");
    let mut state: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for (name, value) in members {
        state[*name] = value.clone();
    }
    fs::write(&path, state.to_string()).unwrap();
}

#[test]
fn files_of_one_name_in_two_folders_are_two_batches_however_often_they_are_pushed() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "a/june.ndjson", 1);
    put(&gateway, "b/june.ndjson", 2);
    fs::create_dir(gateway.path("states")).unwrap();
    for _ in 0..2 {
        let (code, pushed, error) = push(&gateway, &["a/june.ndjson", "b/june.ndjson", "--state", "states"]);
        assert_eq!((code, pushed["items"].as_array().unwrap().len()), (0, 2), "{error}");
    }
    assert_eq!(gateway.leaves_of("push").len(), 2);
}

#[test]
fn what_was_answered_is_asked_for_and_not_sent_when_the_gateway_forgot_the_key() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "feed.ndjson", 1);
    let bad = "{\"citizen_id\":\"1\",\"name\":\"某某\"}\n";
    let good: Vec<u8> = (1..30).flat_map(|n| resident(&nobody(n), "某某")).collect();
    fs::write(gateway.path("feed.ndjson"), [&good, bad.as_bytes()].concat()).unwrap();
    let (code, first, error) = push(&gateway, &["feed.ndjson"]);
    assert_eq!(code, 5, "{error}");
    // As if it had been pruned: to the gateway this key is new.
    change(&gateway, &[("key", "another-key".into())]);
    let (code, again, error) = push(&gateway, &["feed.ndjson"]);
    assert_eq!((code, exchange(&again)), (5, exchange(&first)), "{error}");
    for member in ["received", "accepted", "rejected", "index", "headers"] {
        assert_eq!(again["items"][0][member], first["items"][0][member], "{member}");
    }
    let rejects = |pushed: &Value| pushed["items"][0]["rejects"].as_array().unwrap().len();
    assert_eq!((rejects(&again), rejects(&first)), (1, 1));
    assert_eq!(again["items"][0]["replayed"], true);
    assert_eq!(gateway.leaves_of("push").len(), 1);
    // An exchange that the gateway never had is no answer.
    let unknown = "0199a3c4-0000-7000-8000-000000000000";
    change(&gateway, &[("exchange", unknown.into())]);
    let (code, sent, error) = push(&gateway, &["feed.ndjson"]);
    assert_eq!((code, gateway.leaves_of("push").len()), (5, 2), "{error}");
    assert_ne!(exchange(&sent), exchange(&first));
}

#[test]
fn again_interrupted_before_its_answer_goes_on_under_its_key_and_answered_is_another_batch() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "feed.ndjson", 1);
    let (code, first, error) = push(&gateway, &["feed.ndjson"]);
    assert_eq!(code, 0, "{error}");
    let (_, second, _) = push(&gateway, &["feed.ndjson", "--again"]);
    assert_ne!(exchange(&first), exchange(&second));
    // Killed after the body went and before the answer was read.
    change(&gateway, &[("exchange", Value::Null)]);
    let (code, same, error) = push(&gateway, &["feed.ndjson", "--again"]);
    assert_eq!((code, exchange(&same)), (0, exchange(&second)), "{error}");
    assert_eq!(gateway.leaves_of("push").len(), 2);
    let (_, third, _) = push(&gateway, &["feed.ndjson", "--again"]);
    assert_ne!(exchange(&third), exchange(&second));
    assert_eq!(gateway.leaves_of("push").len(), 3);
}

#[test]
fn again_after_a_refusal_that_sticks_to_its_key_takes_another_key() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    fs::write(
        gateway.path("feed.ndjson"),
        "{\"citizen_id\":\"1\",\"name\":\"某某\"}\n".repeat(3),
    )
    .unwrap();
    let refused = || gateway.leaves_of("refusal").len();
    assert_eq!(push(&gateway, &["feed.ndjson"]).0, 3);
    assert_eq!(
        (push(&gateway, &["feed.ndjson"]).0, refused()),
        (3, 1),
        "the first answer"
    );
    assert_eq!((push(&gateway, &["feed.ndjson", "--again"]).0, refused()), (3, 2));
}
