//! Several pushes of one file.

use std::time::Duration;

use serde_json::Value;
use shuguan::client::place::Place;
use shuguan_tests::{Deployment, run};

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
