//! The operator's acts on the relay: pause and resume, also across a restart; release and discard of what was set aside; each a leaf.

use rusqlite::Connection;
use serde_json::{Value, json};
use shuguan_tests::{Call, Deployment, Running, eventually, leaves, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

fn relay(gateway: &Deployment, arguments: &[&str]) -> (i32, Value, String) {
    let more = ["-c", "officers/operator-li.toml", "--format", "json"];
    let (code, out, error) = gateway.shuguan(&[&["relay"], arguments, &more].concat());
    (code, serde_json::from_str(&out).unwrap_or_default(), error)
}

fn done(gateway: &Deployment, arguments: &[&str]) -> Value {
    let (code, document, error) = relay(gateway, arguments);
    assert_eq!(code, 0, "{arguments:?}: {error}");
    document
}

async fn push(running: &Running<'_>, gateway: &Deployment, n: u32) -> String {
    let call = Call::push(RESIDENT, NDJSON, resident(&nobody(n), "某某"));
    let answer = running.call(call, &gateway.partner(POLICE)).await.unwrap();
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    answer.json()["exchange"].as_str().unwrap().to_owned()
}

fn rows(gateway: &Deployment) -> u64 {
    registry_count(&gateway.registry(), "public_security_resident")
}

fn acts(gateway: &Deployment) -> Vec<(String, Value)> {
    let log = leaves(&gateway.journal());
    let acts = log.into_iter().filter(|leaf| leaf["k"] == "operator");
    acts.map(|leaf| {
        assert_eq!(leaf["who"], "operator-li");
        (leaf["act"].as_str().unwrap().to_owned(), leaf["x"].clone())
    })
    .collect()
}

/// Exchanges that are set aside.
fn aside(gateway: &Deployment) -> Vec<String> {
    let document = done(gateway, &["list"]);
    let list = document["set_aside"].as_array().unwrap().clone();
    list.iter()
        .map(|one| one["exchange"].as_str().unwrap().to_owned())
        .collect()
}

fn state(gateway: &Deployment, exchange: &str) -> String {
    let config = format!("partners/{POLICE}/client.toml");
    let (exit, out, error) = gateway.shuguan(&["--format", "json", "status", exchange, "-c", &config]);
    assert_eq!(exit, 0, "{error}");
    let document: Value = serde_json::from_str(&out).unwrap();
    document["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_paused_relay_moves_nothing_until_it_is_resumed_even_after_a_restart() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        assert_eq!(done(&gateway, &["pause"])["paused"], true);
        push(&running, &gateway, 1).await;
        assert_eq!(running.stop(), Some(0));
        let running = gateway.serve();
        push(&running, &gateway, 2).await;
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        assert_eq!(rows(&gateway), 0, "it was paused");
        let document = done(&gateway, &["resume"]);
        assert_eq!(document["paused"], false);
        assert!(document["leaf"].is_u64());
        eventually("both are in the registry", 20, || rows(&gateway) == 2);
        let names: Vec<_> = acts(&gateway).into_iter().map(|(act, _)| act).collect();
        assert_eq!(names, ["paused", "resumed"]);
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn a_relay_that_an_operator_paused_is_told_wherever_one_looks() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        done(&gateway, &["pause"]);
        push(&running, &gateway, 1).await;
        let says = |path: &str, what: &str| running.health(path).unwrap_or_default().1.contains(what);
        eventually("the light says so", 10, || {
            says("/readyz", "an operator paused the relay")
        });
        assert!(says("/metrics", "shuguan_relay_paused 1"));
        let (code, said, _) = gateway.shuguan(&["doctor", "-c", "shuguan.toml"]);
        assert!(code == 0 && said.contains("an operator paused it"), "{said}");
        assert_eq!(running.stop(), Some(0));
        let running = gateway.serve();
        let says = |path: &str, what: &str| running.health(path).unwrap_or_default().1.contains(what);
        assert!(says("/metrics", "shuguan_relay_paused 1"), "after a restart, too");
        done(&gateway, &["resume"]);
        eventually("the light goes out", 10, || !says("/readyz", "paused"));
        assert!(says("/metrics", "shuguan_relay_paused 0"));
        assert_eq!(running.stop(), Some(0));
    });
}

#[test]
fn what_is_set_aside_is_released_or_discarded_by_the_operator_and_by_nobody_else() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        done(&gateway, &["pause"]);
        let (first, second) = (push(&running, &gateway, 1).await, push(&running, &gateway, 2).await);
        // Both payloads are damaged, so the relay cannot open them.
        let journal = Connection::open(gateway.journal()).unwrap();
        journal.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        journal
            .execute_batch(
                "CREATE TEMP TABLE kept AS SELECT leaf, bytes FROM payload; UPDATE payload SET bytes = x'00'",
            )
            .unwrap();
        done(&gateway, &["resume"]);
        eventually("both are set aside", 30, || aside(&gateway).len() == 2);
        let says = |path: &str, what: &str| running.health(path).unwrap_or_default().1.contains(what);
        eventually("the light says so soon", 4, || {
            says("/readyz", "2 batches wait for an operator")
        });
        assert!(says("/metrics", "shuguan_inbox_set_aside 2"));
        let said: Vec<_> = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["k"] == "set-aside")
            .map(|leaf| (leaf["x"].clone(), leaf["code"].clone()))
            .collect();
        assert_eq!(said.len(), 2, "{said:?}");
        for exchange in [&first, &second] {
            assert!(said.contains(&(exchange.as_str().into(), "SG6302".into())), "{said:?}");
        }
        for (officer, code) in [("policy-sun", 3), ("auditor-zhao", 3), ("security-qian", 3)] {
            let settings = format!("officers/{officer}.toml");
            for act in [vec!["pause"], vec!["release", &first], vec!["list"]] {
                let arguments = [vec!["relay"], act, vec!["-c", &settings]].concat();
                let (exit, _, error) = gateway.shuguan(&arguments);
                assert_eq!(exit, code, "{error}");
                assert!(error.contains("SG1107"), "{error}");
            }
        }
        let nothing = uuid::Uuid::new_v4().to_string();
        for (arguments, expected) in [
            (vec!["release", &nothing], "SG2114"),
            (vec!["discard", &nothing, "--why", "superseded", "--yes"], "SG2114"),
            (vec!["discard", &first, "--why", "because", "--yes"], "SG2101"),
        ] {
            let (exit, _, error) = relay(&gateway, &arguments);
            assert_eq!(exit, 3, "{arguments:?}: {error}");
            assert!(error.contains(expected), "{expected}: {error}");
        }
        let (exit, _, error) = relay(&gateway, &["discard", &first, "--why", "superseded"]);
        assert_eq!(exit, 2, "{error}");
        journal
            .execute_batch("UPDATE payload SET bytes = (SELECT bytes FROM kept WHERE kept.leaf = payload.leaf)")
            .unwrap();
        done(&gateway, &["release", &first]);
        eventually("it is in the registry", 20, || rows(&gateway) == 1);
        done(&gateway, &["discard", &second, "--why", "superseded", "--yes"]);
        assert_eq!(aside(&gateway), Vec::<String>::new());
        assert_eq!(state(&gateway, &second), "discarded");
        let (exit, _, error) = relay(&gateway, &["release", &second]);
        assert_eq!(exit, 3, "{error}");
        let about: Vec<_> = acts(&gateway).split_off(2);
        let expected = [
            ("released-again".to_owned(), json!(first)),
            ("discarded".to_owned(), json!(second)),
        ];
        assert_eq!(about, expected);
    });
}
