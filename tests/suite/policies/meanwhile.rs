//! Another bundle comes into force while batches are pushed, extracts run and partners are connected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shuguan_policies::Bundle;
use shuguan_tests::{Call, Cut, Deployment, Postgres, eventually, leaves, run};

use super::{POLICE_AGREEMENT, REGISTRY_AGREEMENT, kept, limit, next, policy_leaves, push};
use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

#[test]
fn bundles_change_under_load_and_each_push_is_taken_at_once_or_when_it_comes_again_and_decided_by_one_of_them() {
    run(async {
        let gateway = Arc::new(Deployment::new());
        let running = gateway.serve();
        let stop = Arc::new(AtomicBool::new(false));
        let mut senders = tokio::task::JoinSet::new();
        for sender in 0..4_u32 {
            let (stop, police, feed) = (Arc::clone(&stop), gateway.partner(POLICE), gateway.feed);
            senders.spawn(async move {
                let (mut sent, mut n) = (0_u32, sender * 5_000);
                while !stop.load(Ordering::Relaxed) {
                    let call = Call::push(RESIDENT, NDJSON, resident(&nobody(n), "某某"));
                    let answer = call.send(feed, &police).await.expect("an answer");
                    if (answer.status.as_u16(), answer.header("retry-after")) == (409, "1") {
                        // What is released changed while it was read: it comes again at once.
                        assert_eq!(answer.code(), "SG4116");
                        continue;
                    }
                    assert_eq!(answer.status, 202, "{:?}", answer.body);
                    (sent, n) = (sent + 1, n + 1);
                }
                sent
            });
        }
        for round in 0..6_u32 {
            let name = format!("round-{round}");
            // Each is another bundle; every second one withholds a column.
            next(&gateway, &name, POLICE_AGREEMENT, |text| {
                let text = limit(round + 1)(text);
                match round % 2 {
                    0 => text.replacen("\"former_name\", ", "", 1),
                    _ => text.replacen("\"name\", ", "\"name\", \"former_name\", ", 1),
                }
            });
            let (code, _, error) = gateway.submit(&name);
            assert_eq!(code, 0, "{error}");
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        stop.store(true, Ordering::Relaxed);
        let sent: u32 = senders.join_all().await.into_iter().sum();
        let log = leaves(&gateway.journal());
        let refused = log.iter().filter(|leaf| leaf["k"] == "refusal");
        assert!(refused.clone().all(|leaf| leaf["code"] == "grant-changed"));
        // At most one of each sender meets a change.
        assert!(refused.count() <= 6 * 4);
        let pushes: Vec<&Value> = log.iter().filter(|leaf| leaf["k"] == "push").collect();
        assert_eq!(pushes.len(), sent as usize);
        // Bundle, plan and number of columns belong together.
        let mut decided: BTreeMap<&str, BTreeSet<(&str, u64)>> = BTreeMap::new();
        for push in &pushes {
            let plan = (push["plan"].as_str().unwrap(), push["nc"].as_u64().unwrap());
            decided.entry(push["bun"].as_str().unwrap()).or_default().insert(plan);
        }
        assert!(decided.len() >= 4, "only {} bundles decided anything", decided.len());
        assert!(decided.values().all(|plans| plans.len() == 1), "{decided:?}");
        let plans: BTreeSet<_> = decided.values().flatten().collect();
        assert_eq!(plans.len(), decided.len(), "each bundle has a plan of its own");
        assert_eq!(running.stop(), Some(0));
    });
}

#[test]
fn a_revoked_grant_ends_extracts_that_run_and_that_are_ready_and_each_is_in_the_log() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        assert_eq!(push(&running, &gateway, 1).await, 202);
        let registry = gateway.partner("information-centre");
        let request = || {
            Call::new(Method::POST, "/v1/extracts")
                .header("content-type", "application/json")
                .body(r#"{"dataset":"population","purpose":"enrolment.registration","case":"A-1"}"#)
        };
        let begun = running.call(request(), &registry).await.unwrap();
        let status = begun.header("location").to_owned();
        let wait = Call::get(status.clone()).header("prefer", "wait=20");
        let state = running.call(wait, &registry).await.unwrap().json();
        assert_eq!(state["state"], "ready", "{state}");
        next(&gateway, "without", REGISTRY_AGREEMENT, |text| {
            let (head, rest) = text.split_once("# 人口").unwrap();
            let (_, enterprises) = rest.split_once("# 单位").unwrap();
            format!("{head}{enterprises}")
        });
        let (code, _, error) = gateway.submit("without");
        assert_eq!(code, 0, "{error}");
        let state = running.call(Call::get(status.clone()), &registry).await.unwrap().json();
        assert_eq!(
            (&state["state"], &state["code"]),
            (&json!("revoked"), &json!("SG4114")),
            "{state}"
        );
        let kept = kept(&gateway);
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(
            (&kept[0]["x"], &kept[0]["code"]),
            (&state["extract"], &json!("revoked"))
        );
        assert_eq!(
            (&kept[0]["ds"], &kept[0]["p"]),
            (&json!("population"), &json!("information-centre"))
        );
        let content = running
            .call(Call::get(format!("{status}/content")), &registry)
            .await
            .unwrap();
        assert_eq!((content.status.as_u16(), content.code().as_str()), (403, "SG4114"));
        let again = running.call(request(), &registry).await.unwrap();
        assert_eq!((again.status.as_u16(), again.code().as_str()), (403, "SG4103"));
        let spools = std::fs::read_dir(gateway.path("extracts")).unwrap().count();
        assert_eq!(spools, 0, "the content is gone");
        let policy = policy_leaves(&gateway);
        let loaded = policy.iter().rfind(|leaf| leaf["result"] == "loaded").unwrap();
        assert_eq!(loaded["gone"], 1);
        let revoked: Vec<_> = policy.iter().filter(|leaf| leaf["result"] == "revoked").collect();
        assert_eq!(revoked.len(), 1);
        assert_eq!(revoked[0]["grant"], "population-registration");
        assert_eq!(
            (&revoked[0]["bun"], &revoked[0]["prev"]),
            (&loaded["bun"], &loaded["prev"])
        );
    });
}

#[test]
fn a_partner_that_the_new_bundle_lacks_is_out_at_its_next_request() {
    run(async {
        let gateway = Deployment::new();
        let _running = gateway.serve();
        let ganyu = gateway.partner("health-ganyu");
        let mut open = shuguan_tests::Connection::open(gateway.feed, &ganyu).await.unwrap();
        assert_eq!(open.send(Call::get("/v1/catalog")).await.unwrap().status, 200);
        next(&gateway, "without", "partners.toml", |text| {
            let (head, rest) = text.split_once("[[partner]]\nid = \"health-ganyu\"").unwrap();
            let (_, tail) = rest.split_once("[[partner]]").unwrap();
            format!("{head}[[partner]]{tail}")
        });
        let (code, _, error) = gateway.submit("without");
        assert_eq!(code, 0, "{error}");
        let answer = open.send(Call::get("/v1/catalog")).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "SG1108"));
        let revoked = policy_leaves(&gateway).pop().unwrap();
        assert_eq!(
            (&revoked["result"], &revoked["p"]),
            (&json!("revoked"), &json!("health-ganyu"))
        );
    });
}

#[test]
fn a_grant_is_taken_away_while_the_registry_does_not_answer_and_a_column_is_not_brought() {
    let Some(postgres) = Postgres::start("revoked", &[]) else {
        return;
    };
    let way = Cut::to(&postgres.address());
    let gateway = Deployment::at(&way.address(&postgres.address()), |text| text);
    run(async {
        let running = gateway.serve();
        assert_eq!(push(&running, &gateway, 1).await, 202);
        way.close(true);
        let police = "agreements/public-security.toml";
        // A column that the registry has not: it has to be asked, and cannot be.
        next(&gateway, "wider", police, |text| {
            text.replacen(
                "\"death_date\", \"cancel_date\"",
                "\"death_date\", \"police_station\", \"cancel_date\"",
                1,
            )
        });
        let (_, _, error) = gateway.submit("wider");
        assert!(error.contains("SG6101"), "{error}");
        let sun = gateway.officer("policy-sun");
        let again = running.console(submission(&gateway, "wider"), &sun).await.unwrap();
        assert_eq!((again.status.as_u16(), again.code().as_str()), (503, "SG6101"));
        assert!(again.header("retry-after").parse::<u64>().unwrap() >= 1);
        let refused = policy_leaves(&gateway).pop().unwrap();
        assert_eq!(
            (&refused["result"], &refused["code"]),
            (&json!("refused"), &json!("registry-unavailable"))
        );
        next(&gateway, "narrower", police, |text| {
            without_grant(&text, "public-security/birth")
        });
        let (code, _, error) = gateway.submit("narrower");
        assert_eq!(code, 0, "{error}");
        let last = policy_leaves(&gateway).pop().unwrap();
        assert_eq!(last["result"], "revoked", "{last}");
        let birth = Call::push("public-security/birth", NDJSON, "{}\n");
        let answer = running.call(birth, &gateway.partner(POLICE)).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "SG4103"));
        way.close(false);
        // What was accepted under the old grants still comes in.
        eventually("the first batch is relayed", 30, || {
            postgres.query("SELECT count(*) FROM public_security_resident") == ["1"]
        });
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

/// A bundle's folder as `policy submit` sends it.
fn submission(gateway: &Deployment, bundle: &str) -> Call {
    let bundle = Bundle::read(&gateway.path(bundle)).unwrap();
    let files: serde_json::Map<String, Value> = bundle
        .texts()
        .iter()
        .map(|(name, text)| (name.clone(), text.as_str().into()))
        .collect();
    Call::new(Method::POST, "/console/api/policy")
        .header("content-type", "application/json")
        .body(json!({ "files": files, "signature": bundle.envelope() }).to_string())
}

/// The agreement without its grant for that record type.
fn without_grant(text: &str, record: &str) -> String {
    let of = format!("for = {{ record = \"{record}\" }}");
    let grants: Vec<&str> = text.split("[[grant]]").filter(|grant| !grant.contains(&of)).collect();
    grants.join("[[grant]]")
}
