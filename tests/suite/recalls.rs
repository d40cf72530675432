//! A partner takes a batch back: what is left of it nowhere, who may, and kill -9 in the middle of it.

use std::time::Duration;

use http::Method;
use serde_json::Value;
use shuguan_tests::{
    Answer, Call, Deployment, Postgres, Running, eventually, leaves, registry_count, registry_rows, run,
};

use crate::feeds::{NDJSON, POLICE, RESIDENT, clean, nobody, resident};
use crate::load::TABLE;
use crate::random::Random;

const OPEN: &str = "SELECT count(*) FROM public_security_resident WHERE _open <> 0";

fn recall(exchange: &str, key: &str, why: &str) -> Call {
    Call::new(Method::POST, format!("/v1/exchanges/{exchange}/recall"))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(serde_json::json!({ "why": why }).to_string())
}

async fn pushed(running: &Running<'_>, gateway: &Deployment, body: Vec<u8>) -> String {
    let answer = running
        .call(Call::push(RESIDENT, NDJSON, body), &gateway.partner(POLICE))
        .await
        .unwrap();
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    answer.json()["exchange"].as_str().unwrap().to_owned()
}

async fn as_police(running: &Running<'_>, gateway: &Deployment, call: Call) -> Answer {
    running.call(call, &gateway.partner(POLICE)).await.unwrap()
}

/// What the command says, as JSON.
fn told(gateway: &Deployment, arguments: &[&str]) -> (i32, Value, String) {
    let config = format!("partners/{POLICE}/client.toml");
    let (code, out, error) = gateway.shuguan(&[&["--format", "json"], arguments, &["-c", &config]].concat());
    (code, serde_json::from_str(&out).unwrap_or_default(), error)
}

fn count(gateway: &Deployment, kind: &str) -> usize {
    leaves(&gateway.journal())
        .iter()
        .filter(|leaf| leaf["k"] == kind)
        .count()
}

#[test]
fn a_wrong_batch_is_taken_back_by_its_sender_and_the_right_one_follows() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let body = [resident(&nobody(1), "错"), resident(&nobody(2), "误")].concat();
        let wrong = pushed(&running, &gateway, body).await;
        eventually("it is in", 20, || registry_count(&gateway.registry(), TABLE) == 2);
        // Without --yes nothing happens.
        assert_eq!(told(&gateway, &["recall", &wrong, "--why", "wrong-batch"]).0, 2);
        assert_eq!(count(&gateway, "recall"), 0);
        let (code, document, error) = told(&gateway, &["recall", &wrong, "--why", "wrong-batch", "--yes", "--wait"]);
        assert_eq!(code, 0, "{error}");
        assert_eq!(document["recalled"], Value::Null, "that depends on what others sent");
        let done = gateway.leaves_of("recalled").pop().unwrap();
        assert_eq!((&done["del"], &done["opn"]), (&2.into(), &0.into()));
        assert_eq!(
            (document["recalls"].as_str(), document["state"].as_str()),
            (Some(&*wrong), Some("recalled"))
        );
        assert_eq!(told(&gateway, &["status", &wrong]).1["state"], "recalled");
        assert_eq!(registry_rows(&gateway.registry(), OPEN), ["0"]);
        let held = "SELECT count(*) FROM public_security_resident WHERE name IS NOT NULL";
        assert_eq!(
            registry_rows(&gateway.registry(), held),
            ["0"],
            "what it said is not kept"
        );
        // Its receipt says who took what back, offline.
        let receipt = format!("{wrong}.recall.tlog-proof");
        let (code, out, error) = gateway.shuguan(&["verify", "receipt", &receipt, "--trust", "trust/trust.txt"]);
        assert!(code == 0 && out.contains("withdrew its exchange"), "{out}{error}");
        pushed(&running, &gateway, resident(&nobody(1), "某某")).await;
        eventually("the right one is in", 20, || {
            registry_rows(&gateway.registry(), OPEN) == ["1"]
        });
        assert_eq!(running.stop(), Some(0));
        let said = gateway.verified_log();
        assert!(said.contains("recalled"), "{said}");
        let (code, out, error) = gateway.shuguan(&["db", "fsck", "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "{out}{error}");
    });
}

#[test]
fn only_its_sender_takes_a_batch_back_and_only_once() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let exchange = pushed(&running, &gateway, resident(&nobody(1), "某某")).await;
        let nothing = uuid::Uuid::new_v4().to_string();
        // Another partner's looks like one that does not exist.
        let other = gateway.partner("health-city");
        let foreign = running
            .call(recall(&exchange, "a", "wrong-batch"), &other)
            .await
            .unwrap();
        let absent = running
            .call(recall(&nothing, "a", "wrong-batch"), &other)
            .await
            .unwrap();
        for answer in [&foreign, &absent] {
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "SG2114"));
        }
        let nameless = |answer: &Answer| {
            let mut document = answer.json();
            let members = document.as_object_mut().unwrap();
            members.retain(|name, _| !["request_id", "instance"].contains(&name.as_str()));
            document
        };
        assert_eq!(nameless(&foreign), nameless(&absent));
        for (call, status, code) in [
            (recall("not-an-id", "a", "wrong-batch"), 404, "SG2114"),
            (recall(&exchange, "a", "because"), 400, "SG2101"),
            (recall(&exchange, "a", "wrong-batch").body("{}"), 400, "SG2101"),
            (
                recall(&exchange, "a", "wrong-batch").body(vec![b' '; 5_000]),
                400,
                "SG2101",
            ),
            (
                recall(&exchange, "a", "wrong-batch").without("idempotency-key"),
                400,
                "SG2103",
            ),
            (
                recall(&exchange, "a", "wrong-batch").header("content-digest", "sha-256=:AAAA:"),
                400,
                "SG2106",
            ),
        ] {
            let answer = as_police(&running, &gateway, call).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (status, code),
                "{:?}",
                answer.body
            );
        }
        assert_eq!(count(&gateway, "recall"), 0);
        let first = as_police(&running, &gateway, recall(&exchange, "once", "superseded")).await;
        assert_eq!(first.status, 202, "{:?}", first.body);
        let own = first.json()["exchange"].as_str().unwrap().to_owned();
        assert_eq!(first.header("location"), format!("/v1/exchanges/{own}"));
        // The same key is the same answer, byte for byte; with another content it is refused, and so is a second recall.
        let again = as_police(&running, &gateway, recall(&exchange, "once", "superseded")).await;
        assert_eq!((again.status.as_u16(), &again.body), (202, &first.body));
        for (key, why, status, code) in [
            ("once", "unusable", 422, "SG2104"),
            ("twice", "superseded", 409, "SG2161"),
        ] {
            let answer = as_police(&running, &gateway, recall(&exchange, key, why)).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code));
        }
        // A recall is no push.
        let answer = as_police(&running, &gateway, recall(&own, "of-it", "superseded")).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "SG2114"));
        // Neither the push nor its recall is another partner's to see.
        let seen = running
            .call(Call::get(format!("/v1/exchanges/{own}")), &other)
            .await
            .unwrap();
        assert_eq!(seen.status, 404);
        eventually("it is carried out", 20, || count(&gateway, "recalled") == 1);
        assert_eq!(count(&gateway, "recall"), 1);
        assert_eq!(registry_rows(&gateway.registry(), OPEN), ["0"]);
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn who_asks_too_often_is_told_so_before_anything_is_looked_up() {
    run(async {
        let gateway = Deployment::with(|text| {
            text.replace(
                "[limits.default]",
                "[limits.default]\nrequests_per_s = 1\nrequests_burst = 2",
            )
        });
        let running = gateway.serve();
        let nothing = uuid::Uuid::new_v4().to_string();
        let mut codes = Vec::new();
        for n in 0..6 {
            let call = recall(&nothing, &format!("{n}"), "wrong-batch");
            codes.push(as_police(&running, &gateway, call).await.code());
        }
        assert_eq!(codes[0], "SG2114");
        assert!(codes.contains(&"SG2110".to_owned()), "{codes:?}");
        let ack = Call::new(Method::POST, format!("/v1/exchanges/{nothing}/ack")).body("{}");
        let registry = gateway.partner("information-centre");
        let mut codes = Vec::new();
        for _ in 0..6 {
            codes.push(running.call(ack.clone(), &registry).await.unwrap().code());
        }
        assert!(codes.contains(&"SG2110".to_owned()), "{codes:?}");
    });
}

#[test]
fn what_was_recalled_and_is_right_after_all_is_pushed_again_under_a_new_key() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let folder = gateway.path("again");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("feed.ndjson");
        std::fs::write(&file, resident(&nobody(1), "某某")).unwrap();
        let file = file.to_str().unwrap();
        let push = |more: &[&str]| {
            let rest = ["--record", RESIDENT, "--purpose", "enrolment.registration"];
            told(&gateway, &[&["push", file], &rest[..], more].concat())
        };
        let (code, first, error) = push(&[]);
        assert_eq!(code, 0, "{error}");
        let wrong = first["items"][0]["exchange"].as_str().unwrap().to_owned();
        eventually("it is in", 20, || registry_count(&gateway.registry(), TABLE) == 1);
        let (code, _, error) = told(&gateway, &["recall", &wrong, "--why", "wrong-batch", "--yes", "--wait"]);
        assert_eq!(code, 0, "{error}");
        // The same content under the same key is the batch that was recalled, and nothing comes of it.
        let (code, same, _) = push(&[]);
        assert_eq!((code, same["items"][0]["exchange"].as_str()), (3, Some(&*wrong)));
        assert_eq!(
            (&same["items"][0]["replayed"], &same["items"][0]["recalled"]),
            (&true.into(), &true.into())
        );
        assert_eq!(registry_rows(&gateway.registry(), OPEN), ["0"]);
        let config = format!("partners/{POLICE}/client.toml");
        let plain = [
            "push",
            file,
            "--record",
            RESIDENT,
            "--purpose",
            "enrolment.registration",
            "-c",
            &config,
        ];
        let (code, out, error) = gateway.shuguan(&plain);
        assert!(code == 3 && format!("{out}{error}").contains("--again"), "{out}{error}");
        let (code, again, error) = push(&["--again"]);
        assert_eq!(code, 0, "{error}");
        assert_ne!(again["items"][0]["exchange"].as_str(), Some(&*wrong));
        assert_eq!(again["items"][0]["recalled"], false);
        eventually("it is in again", 20, || {
            registry_rows(&gateway.registry(), OPEN) == ["1"]
        });
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn a_recall_that_waits_is_told_and_waited_for() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let operator = |act: &str| {
            let arguments = ["relay", act, "--format", "json", "-c", "officers/operator-li.toml"];
            let (code, out, error) = gateway.shuguan(&arguments);
            assert_eq!(code, 0, "{error}");
            serde_json::from_str::<Value>(&out).unwrap()
        };
        let body = [resident(&nobody(1), "错"), resident(&nobody(2), "误")].concat();
        let wrong = pushed(&running, &gateway, body).await;
        eventually("it is in", 20, || registry_count(&gateway.registry(), TABLE) == 2);
        operator("pause");
        let (code, said, _) = told(&gateway, &["status", &wrong]);
        assert!(code == 0 && said["recall"].is_null(), "{said}");
        let answer = as_police(&running, &gateway, recall(&wrong, "one", "wrong-batch")).await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        let waits = |running: &Running<'_>| {
            let (code, said, _) = told(&gateway, &["status", &wrong]);
            assert_eq!((code, &said["state"]), (0, &"recalled".into()), "{said}");
            assert_eq!(said["recall"]["state"], "waiting", "{said}");
            assert_eq!(said["recall"]["exchange"], answer.json()["exchange"], "{said}");
            let (code, _, error) = told(&gateway, &["status", &wrong, "--wait", "--timeout", "1"]);
            assert!(
                code == 4 && error.contains("the registry still has it"),
                "{code} {error}"
            );
            let says = |path: &str, what: &str| running.health(path).unwrap_or_default().1.contains(what);
            eventually("the light says so", 5, || says("/readyz", "1 recalls wait"));
            eventually("the metric says so", 5, || {
                says("/metrics", "shuguan_recalls_waiting 1")
            });
            assert_eq!(operator("list")["recalls_waiting"], 1);
            assert_eq!(registry_rows(&gateway.registry(), OPEN), ["2"]);
        };
        waits(&running);
        // It is counted from the log, not remembered.
        assert_eq!(running.stop(), Some(0));
        let running = gateway.serve();
        waits(&running);
        operator("resume");
        let (code, said, error) = told(&gateway, &["status", &wrong, "--wait"]);
        assert_eq!((code, &said["recall"]["state"]), (0, &"done".into()), "{said}{error}");
        assert_eq!(registry_rows(&gateway.registry(), OPEN), ["0"]);
        let says = |path: &str, what: &str| running.health(path).unwrap_or_default().1.contains(what);
        eventually("none waits", 5, || says("/metrics", "shuguan_recalls_waiting 0"));
        assert!(!says("/readyz", "recalls wait"));
        assert_eq!(running.stop(), Some(0));
    });
}

#[test]
fn a_recall_is_carried_out_once_whenever_the_gateway_is_killed() {
    let gateway = Deployment::new();
    killed(&gateway, &|| {
        registry_rows(&gateway.registry(), OPEN)[0].parse().unwrap()
    });
}

#[test]
fn a_recall_is_carried_out_once_on_postgresql_too() {
    let Some(postgres) = Postgres::start("recalls", &[]) else {
        return;
    };
    let gateway = Deployment::on(&postgres, |text| text);
    killed(&gateway, &|| postgres.query(OPEN)[0].parse().unwrap());
}

/// Batches of four strides, some in the registry and some on their way, are recalled while the gateway dies again and again.
fn killed(gateway: &Deployment, open: &dyn Fn() -> u64) {
    run(async {
        let mut random = Random::printed("recalls");
        let running = gateway.serve();
        let kept = pushed(&running, gateway, resident(&nobody(7), "某某")).await;
        let first = pushed(&running, gateway, clean(RESIDENT, NDJSON, 30_000, 1)).await;
        eventually("the first is in", 60, || open() > 25_000);
        let second = pushed(&running, gateway, clean(RESIDENT, NDJSON, 30_000, 2)).await;
        for (exchange, key) in [(&first, "first"), (&second, "second")] {
            let answer = as_police(&running, gateway, recall(exchange, key, "wrong-batch")).await;
            assert_eq!(answer.status, 202, "{:?}", answer.body);
        }
        running.kill();
        for _ in 0..8 {
            let running = gateway.launch(&[]);
            tokio::time::sleep(Duration::from_millis(100 + random.below(400))).await;
            running.kill();
        }
        let running = gateway.serve();
        eventually("both are carried out", 60, || count(gateway, "recalled") == 2);
        assert_eq!(open(), 1, "only {kept} is left");
        assert_eq!(running.stop(), Some(0));
        assert_eq!((count(gateway, "recall"), count(gateway, "recalled")), (2, 2));
        gateway.verified_log();
        let (code, out, error) = gateway.shuguan(&["db", "fsck", "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "{out}{error}");
    });
}

/// What a batch had written over does not come back by itself, so whoever asks about the batch that it wrote over is told.
#[test]
fn a_batch_names_the_later_ones_that_were_recalled_and_no_others() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let people = |names: &str| [resident(&nobody(1), names), resident(&nobody(2), names)].concat();
        std::fs::write(gateway.path("right.ndjson"), people("甲某")).unwrap();
        let push = |again: &[&str]| {
            let first = [
                "push",
                "right.ndjson",
                "--record",
                RESIDENT,
                "--purpose",
                "enrolment.registration",
            ];
            told(&gateway, &[&first, again].concat())
        };
        let (code, document, error) = push(&[]);
        assert_eq!(code, 0, "{error}");
        let right = document["items"][0]["exchange"].as_str();
        let right = right.unwrap_or_else(|| panic!("{document}")).to_owned();
        let wrong = pushed(&running, &gateway, people("错某")).await;
        let behind = pushed(&running, &gateway, resident(&nobody(3), "丙某").to_vec()).await;
        eventually("they are in", 20, || gateway.leaves_of("relayed").len() == 3);
        let (code, _, error) = told(&gateway, &["recall", &wrong, "--why", "wrong-batch", "--yes", "--wait"]);
        assert_eq!(code, 0, "{error}");
        for (exchange, named) in [
            (&right, serde_json::json!([wrong])),
            (&wrong, Value::Null),
            (&behind, Value::Null),
        ] {
            let path = format!("/v1/exchanges/{exchange}");
            let document = as_police(&running, &gateway, Call::get(path)).await.json();
            assert_eq!(document["recalled_behind"], named, "{document}");
        }
        // The file that was pushed first is the same batch, and its sender is told what that means.
        let (code, document, error) = push(&[]);
        let told = &document["items"][0];
        assert_eq!((code, &told["replayed"]), (3, &Value::Bool(true)), "{error}");
        assert_eq!(told["recalled_behind"], serde_json::json!([wrong]));
        let (code, _, error) = push(&["--again"]);
        assert_eq!(code, 0, "{error}");
        eventually("it is in again", 20, || {
            registry_rows(&gateway.registry(), OPEN)[0] == "3"
        });
        assert_eq!(running.stop(), Some(0));
    });
}
