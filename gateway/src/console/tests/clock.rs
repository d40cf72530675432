//! The machine's clock steps under a gateway: who may say that it is right, and what follows it meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use http::StatusCode;
use serde_json::json;

use super::Office;
use crate::clock::Clock;

const PATH: &str = "/console/api/clock";

#[tokio::test(flavor = "multi_thread")]
async fn only_the_operator_confirms_a_step_and_only_one_that_is_held() {
    let off_us = Arc::new(AtomicI64::new(0));
    let (system, off) = (Clock::system(), Arc::clone(&off_us));
    let goes = Clock::system();
    let clock = Clock::from_fns(
        move || system.now_us() + off.load(Ordering::Relaxed),
        move || goes.reading().elapsed_us,
    );
    let office = Office::open_by(clock).await;
    let order = json!({ "confirm": true });
    for officer in ["auditor-zhao", "security-qian", "policy-sun"] {
        let answer = office.ask(officer, PATH, &order).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{officer}");
        assert_eq!(
            office.get(officer, PATH).await.status,
            StatusCode::FORBIDDEN,
            "{officer}"
        );
    }
    for order in [json!({ "confirm": true }), json!({ "confirm": false }), json!({})] {
        let answer = office.ask("operator-li", PATH, &order).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "SG2101"),
            "{order}"
        );
    }
    assert_eq!(office.leaves("clock").await, 0);

    off_us.store(7_200_000_000, Ordering::Relaxed);
    let stations = office.stations();
    let apart = stations.wall.now_us() - stations.clock.now_us();
    assert!((7_199_000_000..7_201_000_000).contains(&apart), "{apart}");
    let shown = office.get("operator-li", PATH).await.json();
    assert_eq!((&shown["held_s"], &shown["log_ahead_s"]), (&json!(7_200), &json!(0)));
    let confirmed = office.ask("operator-li", PATH, &order).await;
    assert_eq!(confirmed.status, StatusCode::OK, "{}", confirmed.text);
    let document = confirmed.json();
    assert!(document["held_s"].is_null(), "{document}");
    let leaf = document["leaf"].as_u64().unwrap();
    let leaf = stations.journal.leaf(leaf).await.unwrap().unwrap();
    let text = String::from_utf8(leaf.bytes).unwrap();
    assert!(
        text.contains(r#""by":"operator""#)
            && text.contains(r#""step":"taken""#)
            && text.contains(r#""who":"operator-li""#),
        "{text}"
    );
    assert_eq!(office.leaves("clock").await, 2, "held, and taken");
    let again = office.ask("operator-li", PATH, &order).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
}
