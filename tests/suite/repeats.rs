//! `push` run twice sends nothing twice: with states in a folder of their own, with `--again`, and when the gateway forgot the key.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use shuguan_tests::Deployment;

use crate::feeds::{POLICE, RESIDENT, nobody, resident};

pub(crate) fn push(gateway: &Deployment, arguments: &[&str]) -> (i32, Value, String) {
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
pub(crate) fn exchange(pushed: &Value) -> String {
    pushed["items"][0]["exchange"].as_str().unwrap().to_owned()
}

pub(crate) fn put(gateway: &Deployment, name: &str, n: u32) -> PathBuf {
    let path = gateway.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, resident(&nobody(n), "某某")).unwrap();
    path
}

/// Sent first so many days ago, and not answered.
fn sent(days: i64) -> [(&'static str, Value); 2] {
    let since = shuguan::clock::Clock::system().now_us() - days * 86_400_000_000;
    [
        ("exchange", Value::Null),
        ("open", serde_json::json!({ "since": since })),
    ]
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

/// As what the file is sent.
fn push_as(gateway: &Deployment, record: &str, purpose: &str, more: &[&str]) -> (i32, Value, String) {
    let client = format!("partners/{POLICE}/client.toml");
    let base = ["push", "feed.ndjson", "--record", record, "--purpose", purpose];
    let (code, out, error) = gateway.shuguan(&[&base[..], &["--json", "-c", &client], more].concat());
    (code, serde_json::from_str(&out).unwrap_or_default(), error)
}

#[test]
fn a_slip_in_the_purpose_or_the_record_type_costs_no_key_of_what_was_taken() {
    const PURPOSE: &str = "enrolment.registration";
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "feed.ndjson", 1);
    fs::create_dir(gateway.path("states")).unwrap();
    for states in [&[][..], &["--state", "states"]] {
        let (code, first, error) = push_as(&gateway, RESIDENT, PURPOSE, states);
        assert_eq!(code, 0, "{error}");
        for (record, purpose) in [
            (RESIDENT, "enrolment.registraton"),
            ("public-security/residnt", PURPOSE),
        ] {
            let (code, _, error) = push_as(&gateway, record, purpose, states);
            assert_eq!(code, 3, "{error}");
            let (code, same, error) = push_as(&gateway, RESIDENT, PURPOSE, states);
            assert_eq!((code, exchange(&same)), (0, exchange(&first)), "{error}");
        }
    }
    // A state of its own in each place is a batch of its own.
    assert_eq!(gateway.leaves_of("push").len(), 2);
}

#[test]
fn a_slip_costs_no_key_of_what_may_have_been_taken_and_again_is_about_what_it_names() {
    const PURPOSE: &str = "enrolment.registration";
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "feed.ndjson", 1);
    let (code, first, error) = push_as(&gateway, RESIDENT, PURPOSE, &[]);
    assert_eq!(code, 0, "{error}");
    change(&gateway, &sent(1));
    assert_eq!(push_as(&gateway, RESIDENT, "enrolment.registraton", &[]).0, 3);
    let (code, same, error) = push_as(&gateway, RESIDENT, PURPOSE, &[]);
    assert_eq!((code, exchange(&same)), (0, exchange(&first)), "{error}");
    assert_eq!(push_as(&gateway, RESIDENT, "enrolment.registraton", &["--again"]).0, 3);
    let (code, same, error) = push_as(&gateway, RESIDENT, PURPOSE, &[]);
    assert_eq!((code, exchange(&same)), (0, exchange(&first)), "{error}");
    let (code, other, error) = push_as(&gateway, RESIDENT, PURPOSE, &["--again"]);
    assert_eq!(code, 0, "{error}");
    assert_ne!(exchange(&other), exchange(&first));
    assert_eq!(gateway.leaves_of("push").len(), 2);
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
    change(&gateway, &sent(0));
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

#[test]
fn what_was_sent_over_a_week_ago_and_never_answered_is_sent_again_only_when_told() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "feed.ndjson", 1);
    let (code, first, error) = push(&gateway, &["feed.ndjson"]);
    assert_eq!(code, 0, "{error}");
    // The gateway still knows the key, with or without a word of the operator's.
    for more in [&[][..], &["--again"]] {
        change(&gateway, &sent(6));
        let (code, again, error) = push(&gateway, &[&["feed.ndjson"], more].concat());
        assert_eq!((code, exchange(&again)), (0, exchange(&first)), "{error}");
    }
    change(&gateway, &sent(7));
    let state = gateway.path("feed.ndjson.shuguan-push");
    let before = fs::read(&state).unwrap();
    for _ in 0..2 {
        let (code, _, error) = push(&gateway, &["feed.ndjson"]);
        assert_eq!(code, 8, "{error}");
        for word in ["7 days", "shuguan reconcile", "push --again", "feed.ndjson"] {
            assert!(error.contains(word), "{error}");
        }
    }
    // Said otherwise it is the same file.
    for more in [&["--count", "1"][..], &["--charset", "utf-8"], &["--delta"]] {
        let (code, _, error) = push(&gateway, &[&["feed.ndjson"], more].concat());
        assert_eq!(code, 8, "{more:?}: {error}");
    }
    // A version that did not note it: as of when it wrote the state.
    let mut older: Value = serde_json::from_slice(&before).unwrap();
    older.as_object_mut().unwrap().remove("open");
    fs::write(&state, older.to_string()).unwrap();
    let written = std::time::SystemTime::now() - std::time::Duration::from_secs(8 * 86_400);
    let file = fs::File::options().write(true).open(&state).unwrap();
    file.set_modified(written).unwrap();
    assert_eq!(push(&gateway, &["feed.ndjson"]).0, 8);
    assert_eq!(gateway.leaves_of("push").len(), 1);
    let (code, again, error) = push(&gateway, &["feed.ndjson", "--again"]);
    assert_eq!(code, 0, "{error}");
    assert_ne!(exchange(&again), exchange(&first));
    assert_eq!(gateway.leaves_of("push").len(), 2);
}

#[test]
fn a_refusal_leaves_nothing_open_and_an_answer_that_never_came_does() {
    let gateway = Deployment::new();
    put(&gateway, "feed.ndjson", 1);
    let open = || {
        let text = fs::read_to_string(gateway.path("feed.ndjson.shuguan-push")).ok()?;
        Some(serde_json::from_str::<Value>(&text).unwrap()["open"].clone())
    };
    assert_eq!(push(&gateway, &["feed.ndjson", "--timeout", "0"]).0, 4);
    assert_eq!(open(), None, "it was never sent");
    let _running = gateway.serve();
    // Refused before it is read, and after.
    fs::write(gateway.path("feed.ndjson"), resident(&nobody(1), "某某")).unwrap();
    let refused = push(&gateway, &["feed.ndjson", "--layout", "nobody-knows-it"]);
    assert_eq!((refused.0, open()), (3, Some("no".into())), "{}", refused.2);
    fs::write(gateway.path("feed.ndjson"), "{\"citizen_id\":\"1\"}\n").unwrap();
    let refused = push(&gateway, &["feed.ndjson"]);
    assert_eq!((refused.0, open()), (3, Some("no".into())), "{}", refused.2);
    assert!(gateway.leaves_of("push").is_empty());
}

#[test]
fn what_may_have_been_taken_goes_as_it_went_first_and_is_not_known_when_the_gateway_holds_it_as_something_else() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "feed.ndjson", 1);
    let (code, first, error) = push(&gateway, &["feed.ndjson"]);
    assert_eq!(code, 0, "{error}");
    for more in [&["--count", "1"][..], &["--charset", "utf-8"]] {
        change(&gateway, &sent(1));
        let (code, again, error) = push(&gateway, &[&["feed.ndjson"], more].concat());
        assert_eq!((code, exchange(&again)), (0, exchange(&first)), "{more:?}: {error}");
    }
    // To the gateway the key stands for another declaration by now.
    change(&gateway, &sent(1));
    change(
        &gateway,
        &[("content_type", "application/x-ndjson; charset=gb18030".into())],
    );
    for _ in 0..2 {
        let (code, _, error) = push(&gateway, &["feed.ndjson"]);
        assert_eq!(code, 8, "{error}");
        assert!(error.contains("as it was declared then"), "{error}");
    }
    assert_eq!(gateway.leaves_of("push").len(), 1);
    let (code, again, error) = push(&gateway, &["feed.ndjson", "--again"]);
    assert_eq!(code, 0, "{error}");
    assert_ne!(exchange(&again), exchange(&first));
}

#[test]
fn what_may_have_been_taken_is_held_to_a_count_that_is_stated_later() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "feed.ndjson", 1);
    let (code, first, error) = push(&gateway, &["feed.ndjson"]);
    assert_eq!(code, 0, "{error}");
    change(&gateway, &sent(1));
    let (code, _, error) = push(&gateway, &["feed.ndjson", "--count", "2"]);
    assert_eq!(code, 3, "{error}");
    assert!(
        error.contains(&format!("shuguan recall {}", exchange(&first))),
        "{error}"
    );
    // The same command again is no other batch, nor is the right count.
    assert_eq!(push(&gateway, &["feed.ndjson", "--count", "2"]).0, 3);
    let (code, again, error) = push(&gateway, &["feed.ndjson", "--count", "1"]);
    assert_eq!((code, exchange(&again)), (0, exchange(&first)), "{error}");
    assert_eq!(gateway.leaves_of("push").len(), 1);
}

#[test]
fn the_right_count_of_rows_is_no_other_than_what_was_taken_where_a_row_is_a_household() {
    const ALLOWANCE: &str = "civil-affairs/subsistence-allowance";
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let header = "gFamilyInfoID,保障月份,sSFNY,状态,户主姓名,户主身份证号,姓名1,身份证号1,姓名2,身份证号2";
    let (one, other) = (nobody(1), nobody(2));
    let row = format!("3207000000001,202002,202002,1,某某,{one},某某,{one},某,{other}");
    fs::write(gateway.path("feed.csv"), format!("{header}\n{row}\n")).unwrap();
    let client = "partners/civil-affairs-city/client.toml";
    let purpose = "enrolment.registration";
    let base = [
        "push",
        "feed.csv",
        "--record",
        ALLOWANCE,
        "--purpose",
        purpose,
        "--json",
        "-c",
        client,
    ];
    let (code, out, error) = gateway.shuguan(&base);
    assert_eq!(code, 0, "{error}");
    let first: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(first["items"][0]["received"], 2, "{out}");
    for (count, expected) in [("1", 0), ("2", 0), ("3", 3)] {
        let (code, _, error) = gateway.shuguan(&[&base[..], &["--count", count]].concat());
        assert_eq!(code, expected, "{count}: {error}");
    }
    assert_eq!(gateway.leaves_of("push").len(), 1);
}

#[test]
fn a_charset_that_is_stated_after_the_file_was_taken_in_another_is_told_and_not_dropped() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "feed.ndjson", 1);
    let (code, first, error) = push(&gateway, &["feed.ndjson"]);
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = push(&gateway, &["feed.ndjson", "--charset", "gb18030"]);
    assert_eq!(code, 3, "{error}");
    let next = format!(
        "shuguan recall {} --why wrong-batch --yes, then push it with --again",
        exchange(&first)
    );
    assert!(
        error.contains("read this file as utf-8, and gb18030 is stated") && error.contains(&next),
        "{error}"
    );
    assert_eq!(push(&gateway, &["feed.ndjson", "--charset", "utf-8"]).0, 0);
    assert_eq!(gateway.leaves_of("push").len(), 1);
}

#[test]
fn what_may_have_been_taken_in_another_form_is_another_batch_and_keeps_its_key() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "feed.ndjson", 1);
    let (code, first, error) = push(&gateway, &["feed.ndjson"]);
    assert_eq!(code, 0, "{error}");
    change(&gateway, &sent(1));
    change(
        &gateway,
        &[("content_type", "text/csv".into()), ("key", "of-the-other-form".into())],
    );
    let (code, again, error) = push(&gateway, &["feed.ndjson", "--charset", "utf-8"]);
    assert_eq!(code, 0, "{error}");
    assert_ne!(exchange(&again), exchange(&first));
    let states = fs::read_dir(gateway.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let states = states.filter(|path| path.extension().is_some_and(|ending| ending == "shuguan-push"));
    let texts: Vec<String> = states.map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(texts.len(), 2);
    assert!(
        texts
            .iter()
            .any(|text| text.contains("of-the-other-form") && text.contains("since"))
    );
}

#[test]
fn a_refusal_that_comes_before_the_key_is_looked_for_is_no_answer_to_what_was_sent_before() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "feed.ndjson", 1);
    let (code, first, error) = push(&gateway, &["feed.ndjson"]);
    assert_eq!(code, 0, "{error}");
    change(&gateway, &sent(1));
    change(&gateway, &[("content_type", "application/x-nothing".into())]);
    for _ in 0..2 {
        let (code, _, error) = push(&gateway, &["feed.ndjson"]);
        assert_eq!(code, 8, "{error}");
    }
    assert_eq!(gateway.leaves_of("push").len(), 1);
    let (code, again, error) = push(&gateway, &["feed.ndjson", "--again"]);
    assert_eq!(code, 0, "{error}");
    assert_ne!(exchange(&again), exchange(&first));
}

#[test]
fn a_state_that_cannot_be_read_is_told_and_nothing_is_sent() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "feed.ndjson", 1);
    fs::write(gateway.path("feed.ndjson.shuguan-push"), "{").unwrap();
    for more in [&[][..], &["--again"]] {
        let (code, _, error) = push(&gateway, &[&["feed.ndjson"], more].concat());
        assert_eq!(code, 1, "{error}");
        assert!(error.contains("feed.ndjson.shuguan-push"), "{error}");
    }
    assert!(gateway.leaves_of("push").is_empty());
}

/// Takes a batch back.
fn recall(gateway: &Deployment, exchange: &str) {
    let client = format!("partners/{POLICE}/client.toml");
    let words = [
        "recall",
        exchange,
        "--why",
        "wrong-batch",
        "--yes",
        "--wait",
        "-c",
        &client,
    ];
    let (code, _, error) = gateway.shuguan(&words);
    assert_eq!(code, 0, "{error}");
}

#[test]
fn again_sends_what_was_recalled_however_often_its_file_was_something_else_between() {
    const PURPOSE: &str = "enrolment.registration";
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let file = put(&gateway, "feed.ndjson", 1);
    let content = fs::read(&file).unwrap();
    let (code, first, error) = push_as(&gateway, RESIDENT, PURPOSE, &[]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(push_as(&gateway, RESIDENT, "enrolment.registraton", &[]).0, 3);
    fs::write(&file, "{\"citizen_id\":\"1\",\"name\":\"某某\"}\n".repeat(3)).unwrap();
    assert_eq!(push_as(&gateway, RESIDENT, PURPOSE, &[]).0, 3);
    fs::write(&file, content).unwrap();
    let (code, second, error) = push_as(&gateway, RESIDENT, PURPOSE, &[]);
    assert_eq!(code, 0, "{error}");
    assert_ne!(exchange(&second), exchange(&first), "other content went between");
    recall(&gateway, &exchange(&first));
    recall(&gateway, &exchange(&second));
    let (code, third, error) = push_as(&gateway, RESIDENT, PURPOSE, &["--again"]);
    assert_eq!((code, &third["items"][0]["replayed"]), (0, &false.into()), "{error}");
    assert!(![exchange(&first), exchange(&second)].contains(&exchange(&third)));
    let (code, same, error) = push_as(&gateway, RESIDENT, PURPOSE, &[]);
    assert_eq!((code, exchange(&same)), (0, exchange(&third)), "{error}");
}
