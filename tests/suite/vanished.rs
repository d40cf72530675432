//! Senders that are gone in the middle of a push: nothing is accepted, the log says so, and the partner finds it among his exchanges. Officers who hang up in the
//! middle of an act: it is carried to its end, and what is refused has its leaf and its count.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use shuguan_tests::{
    Call, Deployment, Identity, Running, Unfinished, eventually, leaves, registry_count, reset_unfinished, run,
};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

fn aborted(gateway: &Deployment) -> Vec<serde_json::Value> {
    let leaves = leaves(&gateway.journal());
    leaves.into_iter().filter(|leaf| leaf["k"] == "aborted").collect()
}

/// Begins a push, and waits until it was admitted: a second one under its key, which cannot succeed by itself, is told so.
pub(crate) async fn admitted(running: &Running<'_>, gateway: &Deployment, police: &Identity, call: Call) -> Unfinished {
    let key = call.header_value("idempotency-key").unwrap().to_owned();
    let upload = Unfinished::begin(gateway.feed, police, call).await.unwrap();
    for attempt in 0.. {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let nothing = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
        let probe = Call::push(RESIDENT, NDJSON, "{}\n")
            .header("idempotency-key", &key)
            .header("content-digest", nothing);
        let answer = running.call(probe, police).await.unwrap();
        match answer.code().as_str() {
            "SG2105" => break,
            code => assert!(attempt < 100 && code == "SG2106", "{code}"),
        }
    }
    upload
}

/// Begins a push, and is gone some time after it was admitted.
async fn vanish(running: &Running<'_>, gateway: &Deployment, (protocol, after): (&str, Duration), call: Call) {
    let police = gateway.partner(POLICE).speaking(protocol);
    let upload = admitted(running, gateway, &police, call).await;
    tokio::time::sleep(after).await;
    assert!(upload.is_open(), "it waits for the rest of the body");
    upload.vanish().await;
}

fn begun(n: u32) -> Call {
    let mut body = resident(&nobody(n), "某某").to_vec();
    body.extend_from_slice(b"{\"citizen_id\":");
    Call::push(RESIDENT, NDJSON, body)
}

#[test]
fn a_sender_that_is_gone_in_the_middle_leaves_a_leaf_and_nothing_else_and_may_push_again_under_its_key() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let police = gateway.partner(POLICE);
        for (count, protocol) in [(1, "h2"), (2, "http/1.1")] {
            let call = begun(7);
            let key = call.header_value("idempotency-key").unwrap().to_owned();
            vanish(&running, &gateway, (protocol, Duration::ZERO), call).await;
            eventually("it is in the log", 10, || aborted(&gateway).len() == count);
            let leaf = aborted(&gateway).pop().unwrap();
            assert_eq!(
                (&leaf["p"], &leaf["rec"], &leaf["pur"]),
                (&POLICE.into(), &RESIDENT.into(), &"enrolment.registration".into()),
                "{protocol}: {leaf}"
            );
            assert_eq!(leaf["code"], "body-incomplete", "{protocol}: {leaf}");
            // He finds it, by its id and among his exchanges.
            let exchange = leaf["x"].as_str().unwrap();
            let path = format!("/v1/exchanges/{exchange}");
            let document = running.call(Call::get(path), &police).await.unwrap().json();
            assert_eq!(
                (&document["state"], &document["code"]),
                (&"aborted".into(), &"body-incomplete".into()),
                "{document}"
            );
            let list = running
                .call(Call::get("/v1/exchanges?from=0"), &police)
                .await
                .unwrap()
                .json();
            assert!(list["items"].to_string().contains(exchange), "{list}");
            assert_eq!(
                registry_count(&gateway.registry(), "person"),
                (count - 1) as u64,
                "nothing of it is taken"
            );
            // The key is free for the whole batch.
            let whole = resident(&nobody(100 + u32::try_from(count).unwrap()), "某某");
            let again = Call::push(RESIDENT, NDJSON, whole).header("idempotency-key", &key);
            let answer = running.call(again, &police).await.unwrap();
            assert_eq!(answer.status, 202, "{:?}", answer.body);
            eventually("the second is in the registry", 20, || {
                registry_count(&gateway.registry(), "person") == count as u64
            });
        }
        let payloads = std::fs::read_dir(gateway.path("journal/payload")).unwrap().count();
        assert_eq!(payloads, 0, "no part of it stays on the disk");
        assert_eq!(running.stop(), Some(0));
        assert!(gateway.verified_log().contains("aborted"));
    });
}

/// hyper takes such a stream for one that has ended (RFC 9113, 8.1, has that of answers alone).
#[test]
fn a_stream_that_is_reset_without_an_error_before_its_end_is_no_whole_batch() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let police = gateway.partner(POLICE);
        for turn in 0..40 {
            let call = Call::push(RESIDENT, NDJSON, resident(&nobody(turn), "某某"));
            let before = Duration::from_millis(u64::from(turn % 10) * 10);
            reset_unfinished(gateway.feed, &police, call, before).await.unwrap();
            if aborted(&gateway).len() >= 4 {
                break;
            }
        }
        eventually("they are in the log", 10, || aborted(&gateway).len() >= 4);
        assert_eq!(gateway.leaves_of("push").len(), 0);
        assert_eq!(running.stop(), Some(0));
        assert_eq!(registry_count(&gateway.registry(), "person"), 0);
    });
}

/// He had sent all of it, and did not wait for the pace of his rows.
#[test]
fn a_batch_that_came_whole_goes_in_at_its_pace_although_its_sender_has_hung_up() {
    run(async {
        let gateway = Deployment::with(|text| text.replace("#= rows_per_s = 200000", "rows_per_s = 50"));
        let running = gateway.serve();
        for protocol in ["h2", "http/1.1"] {
            let police = gateway.partner(POLICE).speaking(protocol);
            let first = if protocol == "h2" { 0 } else { 300 };
            let rows = (first..first + 300).flat_map(|n| resident(&nobody(n), "某某").to_vec());
            let call = Call::push(RESIDENT, NDJSON, rows.collect::<Vec<u8>>());
            let sent = Instant::now();
            let waited = tokio::time::timeout(Duration::from_millis(700), call.send(gateway.feed, &police));
            assert!(waited.await.is_err(), "{protocol}: it is paced");
            let pushes = usize::from(protocol != "h2") + 1;
            eventually("it is in the log", 30, || gateway.leaves_of("push").len() == pushes);
            assert!(
                sent.elapsed() > Duration::from_secs(3),
                "{protocol}: nobody is faster for hanging up"
            );
        }
        assert_eq!(aborted(&gateway).len(), 0);
        eventually("they are in the registry", 20, || {
            registry_count(&gateway.registry(), "person") == 600
        });
        assert_eq!(running.stop(), Some(0));
    });
}

/// While we do not read, because the partner is over its rate, no body error can tell us: the connection's end must.
#[test]
fn a_sender_that_is_gone_while_its_rows_are_paced_leaves_a_leaf_too() {
    run(async {
        let gateway = Deployment::with(|text| text.replace("#= rows_per_s = 200000", "rows_per_s = 1"));
        let running = gateway.serve();
        let body: Vec<u8> = (0..9_000).flat_map(|n| resident(&nobody(n), "某某").to_vec()).collect();
        let call = Call::push(RESIDENT, NDJSON, body);
        // A part has to be decoded before its rows are paced, for hours.
        vanish(&running, &gateway, ("h2", Duration::from_secs(2)), call).await;
        eventually("it is in the log", 20, || aborted(&gateway).len() == 1);
        assert_eq!(aborted(&gateway).pop().unwrap()["code"], "body-incomplete");
        assert_eq!(running.stop(), Some(0));
    });
}

/// For each route of the console on which officers act one who may, and what is refused for what it names: most of it after a look at the journal.
fn acts() -> [(&'static str, &'static str, Value); 6] {
    let nothing = uuid::Uuid::max();
    [
        ("log", "operator-li", json!({ "open": "gw1.lyg.example/log" })),
        ("policy", "policy-sun", json!({ "files": {}, "signature": "" })),
        (
            "relay",
            "operator-li",
            json!({ "act": "discard", "exchange": nothing, "why": "superseded" }),
        ),
        (
            "shred",
            "security-qian",
            json!({ "what": "evidence", "exchange": nothing, "case": "R-1", "why": "court" }),
        ),
        (
            "tickets",
            "operator-li",
            json!({ "exchange": nothing, "row": 1, "field": "name" }),
        ),
        (
            "unseal",
            "security-qian",
            json!({ "step": "ask", "exchange": nothing, "case": "R-1", "why": "court" }),
        ),
    ]
}

/// Sends all of an act while somebody else holds the journal's file, so that it waits in the middle, and closes the socket before it can go on.
async fn hang_up(gateway: &Deployment, officer: &Identity, (route, body): (&str, &Value)) {
    let call = Call::new(Method::POST, format!("/console/api/{route}"))
        .header("content-type", "application/json")
        .body(body.to_string());
    let journal = rusqlite::Connection::open(gateway.journal()).unwrap();
    journal.execute_batch("BEGIN IMMEDIATE").unwrap();
    let act = Unfinished::begin(gateway.console, officer, call).await.unwrap();
    let answered = act.finish_and_vanish(Duration::from_millis(300)).await;
    // Time for the gateway to see it.
    tokio::time::sleep(Duration::from_millis(200)).await;
    journal.execute_batch("ROLLBACK").unwrap();
    assert!(!answered, "{route}");
}

/// What is refused by now: the route that each leaf names, in order; and how many the metrics count.
fn refused(running: &Running<'_>, gateway: &Deployment) -> (Vec<String>, usize) {
    let leaves = gateway.leaves_of("refusal");
    let mut routes: Vec<String> = leaves.iter().map(|leaf| leaf["at"].as_str().unwrap().into()).collect();
    // A bundle that is refused has a leaf of its own kind.
    let bundles = gateway.leaves_of("policy");
    routes.extend(
        bundles
            .iter()
            .filter(|leaf| leaf["result"] == "refused")
            .map(|_| "policy".into()),
    );
    routes.sort_unstable();
    let (_, page) = running.health("/metrics").unwrap_or_default();
    let lines = page.lines().filter(|line| line.starts_with("shuguan_refusals_total{"));
    let counts = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<usize>().ok());
    (routes, counts.sum())
}

#[test]
fn an_officer_who_hangs_up_leaves_his_act_whole_and_a_refusal_with_its_leaf_and_its_count() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        for (turn, protocol) in ["h2", "http/1.1"].into_iter().enumerate() {
            for (route, officer, order) in acts() {
                let officer = gateway.officer(officer).speaking(protocol);
                hang_up(&gateway, &officer, (route, &order)).await;
            }
            let routes: Vec<&str> = acts().iter().flat_map(|(route, ..)| vec![*route; turn + 1]).collect();
            eventually("every refusal has its leaf and its count", 10, || {
                let (leaves, count) = refused(&running, &gateway);
                leaves == routes && count == routes.len()
            });
            // One that is no refusal: leaf, and what it is about.
            let operator = gateway.officer("operator-li").speaking(protocol);
            let act = json!({ "act": if turn == 0 { "pause" } else { "resume" } });
            hang_up(&gateway, &operator, ("relay", &act)).await;
            eventually("the act is in the log", 10, || {
                gateway.leaves_of("operator").len() == turn + 1
            });
            let asked = Call::get("/console/api/relay");
            let relay = running.console(asked, &operator).await.unwrap().json();
            assert_eq!(relay["paused"], json!(turn == 0), "{protocol}: {relay}");
        }
        assert_eq!(running.stop(), Some(0));
    });
}
