//! Several files in one `push`, and several pushes of one file.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use shuguan::client::place::Place;
use shuguan_tests::{Deployment, run};

use crate::feeds::{POLICE, RESIDENT};
use crate::repeats::{exchange, push, put};

#[test]
fn pushes_of_one_file_at_the_same_time_are_one_batch() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    for round in 1..=3 {
        put(&gateway, "feed.ndjson", round);
        let outcomes: Vec<(i32, Value, String)> = std::thread::scope(|scope| {
            let pushes: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| push(&gateway, &["feed.ndjson"])))
                .collect();
            pushes.into_iter().map(|push| push.join().unwrap()).collect()
        });
        for (code, pushed, error) in &outcomes {
            assert_eq!((*code, exchange(pushed)), (0, exchange(&outcomes[0].1)), "{error}");
        }
        assert_eq!(gateway.leaves_of("push").len(), usize::try_from(round).unwrap());
    }
    assert!(!gateway.path("feed.ndjson.shuguan-push.lock").exists());
}

#[test]
fn a_push_that_has_waited_long_enough_for_another_says_so_and_sends_nothing() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let file = put(&gateway, "feed.ndjson", 1);
    let place = run(Place::take(&file, None, Duration::ZERO));
    let (code, _, error) = push(&gateway, &["feed.ndjson", "--timeout", "0"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("another push of this file runs"), "{error}");
    assert!(gateway.leaves_of("push").is_empty());
    drop(place);
    assert_eq!(push(&gateway, &["feed.ndjson", "--timeout", "0"]).0, 0);
}

#[test]
fn what_is_about_one_file_holds_up_no_other_and_all_outcomes_are_told() {
    let gateway = Deployment::new();
    let running = gateway.serve();
    put(&gateway, "ok.ndjson", 1);
    let bad = "{\"citizen_id\":\"1\",\"name\":\"某某\"}\n".repeat(3);
    fs::write(gateway.path("bad.ndjson"), bad).unwrap();
    put(&gateway, "last.ndjson", 2);
    let files = ["ok.ndjson", "bad.ndjson", "last.ndjson"];
    let (code, told, error) = push(&gateway, &files);
    assert_eq!(code, 3, "{error}");
    let names = |member: &str| -> Vec<String> {
        let items = told[member].as_array().cloned().unwrap_or_default();
        let names = items.iter().map(|item| item["file"].as_str().unwrap().to_owned());
        names.collect()
    };
    assert_eq!(names("items"), ["ok.ndjson", "last.ndjson"]);
    assert_eq!(names("failures"), ["bad.ndjson"]);
    let failed = &told["failures"][0];
    assert_eq!(
        (&failed["exit"], &failed["code"]),
        (&3.into(), &"SG3105".into()),
        "{failed}"
    );
    assert!(error.contains("error[SG3105]"), "{error}");
    let client = format!("partners/{POLICE}/client.toml");
    let words = [
        "--record",
        RESIDENT,
        "--purpose",
        "enrolment.registration",
        "-c",
        &client,
    ];
    let (code, table, _) = gateway.shuguan(&[&["push"], &files[..], &["none.ndjson"], &words].concat());
    assert_eq!((code, table.lines().count()), (1, 3), "a header and two files: {table}");
    // A gateway that is not there holds up all of them.
    running.stop();
    put(&gateway, "ok.ndjson", 3);
    let (code, told, error) = push(&gateway, &["ok.ndjson", "last.ndjson", "--timeout", "0"]);
    assert_eq!(
        (code, &told["untried"]),
        (4, &serde_json::json!(["last.ndjson"])),
        "{error}"
    );
}

#[test]
fn a_file_in_a_folder_that_is_not_there_holds_up_no_other_and_no_witness_is_named_where_nothing_was_delivered() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    put(&gateway, "ok.ndjson", 1);
    let (code, told, error) = push(&gateway, &["gone/a.ndjson", "ok.ndjson"]);
    assert_eq!((code, told["items"].as_array().map(Vec::len)), (1, Some(1)), "{error}");
    assert!(
        error.contains("there is no such folder") && told["untried"].is_null(),
        "{error}"
    );
    let client = format!("partners/{POLICE}/client.toml");
    let words = [
        "push",
        "none.ndjson",
        "--record",
        RESIDENT,
        "--purpose",
        "enrolment.registration",
        "-c",
        &client,
    ];
    let (code, _, error) = gateway.shuguan(&words);
    assert!(code == 1 && !error.contains("witness"), "{error}");
}
