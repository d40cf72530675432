//! Signed policy bundles: what serves and what does not, and another bundle coming into force while exchanges go on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use shuguan_policies::Bundle;
use shuguan_tests::{Call, Cut, Deployment, Postgres, Running, eventually, leaves, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

const POLICE_AGREEMENT: &str = "agreements/public-security.toml";
const REGISTRY_AGREEMENT: &str = "agreements/registry.toml";

/// Copies a bundle's folder below the root.
pub(crate) fn copy(gateway: &Deployment, from: &str, to: &str) {
    fn level(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                level(&path, &target);
            } else {
                std::fs::write(&target, std::fs::read(&path).unwrap()).unwrap();
            }
        }
    }
    level(&gateway.path(from), &gateway.path(to));
}

/// Changes one file of a bundle.
fn edit(gateway: &Deployment, bundle: &str, file: &str, change: impl FnOnce(String) -> String) {
    let path = gateway.path(bundle).join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text, "{file} was not changed");
    std::fs::write(&path, changed).unwrap();
}

/// A copy of the bundle in force with one change, signed by both officers. Its own tests, which would notice, stay behind.
pub(crate) fn next(gateway: &Deployment, name: &str, file: &str, change: impl FnOnce(String) -> String) {
    copy(gateway, "policies", name);
    // The one in force may have come without any, the same way.
    let tests = gateway.path(name).join("tests");
    if tests.is_dir() {
        std::fs::remove_dir_all(tests).unwrap();
    }
    edit(gateway, name, file, change);
    gateway.sign(name, &[]);
}

fn limit(rows: u32) -> impl FnOnce(String) -> String {
    move |text| text.replacen("rows_per_push = ", &format!("rows_per_push = {rows}"), 1)
}

/// The `policy` leaves so far.
pub(crate) fn policy_leaves(gateway: &Deployment) -> Vec<Value> {
    let log = leaves(&gateway.journal());
    log.into_iter().filter(|leaf| leaf["k"] == "policy").collect()
}

/// What `/readyz` says of the policies.
fn check(running: &Running<'_>) -> (String, String) {
    let (_, body) = running.health("/readyz").unwrap();
    let document: Value = serde_json::from_str(&body).unwrap();
    let check = &document["checks"]["policies"];
    let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
    (text("state"), text("detail"))
}

async fn push(running: &Running<'_>, gateway: &Deployment, n: u32) -> u16 {
    let call = Call::push(RESIDENT, NDJSON, resident(&nobody(n), "某某"));
    let answer = running.call(call, &gateway.partner(POLICE)).await.unwrap();
    answer.status.as_u16()
}

fn refuses_to_start(gateway: &Deployment, code: &str, words: &[&str]) {
    let (exit, error) = gateway.serve_in_vain();
    assert_eq!(exit, 1, "{error}");
    for word in [&[code, "next: "], words].concat() {
        assert!(error.contains(word), "`{word}` is not in\n{error}");
    }
    assert!(
        leaves(&gateway.journal()).is_empty(),
        "a gateway that does not start wrote to the log"
    );
}

#[test]
fn it_does_not_serve_a_bundle_that_nobody_or_one_role_signed() {
    let gateway = Deployment::new();
    let signature = gateway.path("policies/bundle.sig");
    std::fs::remove_file(&signature).unwrap();
    refuses_to_start(&gateway, "SG7202", &["shuguan policy sign"]);
    gateway.sign_as("policy-sun", "policies", &[]);
    refuses_to_start(&gateway, "SG7206", &["security officer"]);
    // The same officer does not sign twice.
    let (code, _, error) = gateway.shuguan(&["policy", "sign", "policies", "-c", "officers/policy-sun.toml"]);
    assert_eq!(code, 1, "{error}");
    // Nor does an auditor or the operator at all.
    for officer in ["auditor-zhao", "operator-li"] {
        let settings = format!("officers/{officer}.toml");
        let (code, _, error) = gateway.shuguan(&["policy", "sign", "policies", "-c", &settings]);
        assert_eq!(code, 1, "{error}");
        assert!(
            error.contains("neither a policy officer nor a security officer"),
            "{error}"
        );
    }
    gateway.sign_as("security-qian", "policies", &[]);
    let running = gateway.serve();
    let loaded = policy_leaves(&gateway);
    assert_eq!(loaded.len(), 1);
    assert_eq!(
        (&loaded[0]["result"], &loaded[0]["by"]),
        (&json!("loaded"), &json!("start"))
    );
    assert_eq!(
        (&loaded[0]["serial"], &loaded[0]["signers"]),
        (&json!(1), &json!("policy-sun security-qian"))
    );
    eventually("readyz says so", 5, || check(&running).0 == "green");
    let (_, detail) = check(&running);
    assert!(detail.starts_with("serial 1, sha256:"), "{detail}");
    assert!(detail.contains("policy-sun and security-qian"), "{detail}");
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn two_signatures_of_one_role_are_one_too_few() {
    let gateway = Deployment::new();
    edit(&gateway, "policies", "partners.toml", |text| {
        text + "\n[[partner]]\nid = \"policy-wu\"\nzh = \"策略员 吴\"\nspiffe = \"spiffe://lyg.example/officer/policy/legal/wu\"\n"
    });
    let run = |arguments: &[&str]| {
        let (code, _, error) = gateway.shuguan(arguments);
        assert_eq!(code, 0, "{error}");
    };
    run(&["cert", "request", "--partner", "policy-wu", "-o", "wu"]);
    run(&[
        "cert",
        "issue",
        "wu/client.csr",
        "--partner",
        "policy-wu",
        "-c",
        "shuguan.toml",
    ]);
    gateway.sign_as("policy-sun", "policies", &[]);
    run(&[
        "policy",
        "sign",
        "policies",
        "--key",
        "wu/client.key",
        "--cert",
        "kit/policy-wu/client.pem",
    ]);
    refuses_to_start(&gateway, "SG7206", &["security officer"]);
    // The third one makes it whole; his key comes out of a browser's file.
    run(&[
        "policy",
        "sign",
        "policies",
        "--p12",
        "officers/security-qian.p12",
        "--password-file",
        "officers/security-qian.password",
    ]);
    let running = gateway.serve();
    assert_eq!(
        policy_leaves(&gateway)[0]["signers"],
        "policy-sun policy-wu security-qian"
    );
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn a_changed_byte_in_any_file_keeps_the_old_bundle_in_force_and_the_next_start_away() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        copy(&gateway, "policies", "whole");
        let mut files = vec!["bundle.sig".to_owned()];
        for file in [
            "keys.toml",
            "partners.toml",
            "purposes.toml",
            POLICE_AGREEMENT,
            REGISTRY_AGREEMENT,
        ] {
            files.push(file.to_owned());
        }
        for (at, file) in files.iter().enumerate() {
            let (code, _, error) = {
                let path = gateway.path("policies").join(file);
                let mut bytes = std::fs::read(&path).unwrap();
                // The last line feed of a text, a digit of the envelope's hash.
                let place = if file == "bundle.sig" { 60 } else { bytes.len() - 1 };
                bytes[place] = if bytes[place] == b'1' { b'2' } else { b'1' };
                if file != "bundle.sig" {
                    bytes[place] = b' ';
                }
                std::fs::write(&path, bytes).unwrap();
                running.signal("HUP");
                eventually("the refusal is in the log", 10, || {
                    policy_leaves(&gateway).len() == at + 2
                });
                gateway.shuguan(&["doctor", "-c", "shuguan.toml"])
            };
            assert_eq!(code, 6, "{error}");
            let leaf = policy_leaves(&gateway).pop().unwrap();
            assert_eq!(
                (&leaf["result"], &leaf["by"]),
                (&json!("refused"), &json!("reload")),
                "{file}"
            );
            assert_eq!(leaf["code"], "bundle-tampered", "{file}");
            assert_eq!(
                push(&running, &gateway, u32::try_from(at).unwrap()).await,
                202,
                "{file}"
            );
            eventually("the light is yellow", 5, || check(&running).0 == "yellow");
            std::fs::remove_dir_all(gateway.path("policies")).unwrap();
            copy(&gateway, "whole", "policies");
        }
        running.signal("HUP");
        eventually("the light is green again", 10, || check(&running).0 == "green");
        edit(&gateway, "policies", "keys.toml", |text| text + "# changed\n");
        assert_eq!(running.stop(), Some(0));
        let (exit, error) = gateway.serve_in_vain();
        assert_eq!(exit, 1);
        assert!(error.contains("SG7204"), "{error}");
    });
}

#[test]
fn a_submitted_bundle_is_in_force_at_once_and_after_a_restart_and_its_leaf_has_both_hashes() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let first = policy_leaves(&gateway)[0].clone();
        next(&gateway, "second", "partners.toml", |text| {
            text.replace("赣榆区卫生健康局", "赣榆区卫健局")
        });
        let (code, document, error) = gateway.submit("second");
        assert_eq!(code, 0, "{error}");
        assert_eq!((&document["state"], &document["serial"]), (&json!("loaded"), &json!(2)));
        let second = policy_leaves(&gateway).pop().unwrap();
        assert_eq!(
            (&second["result"], &second["by"]),
            (&json!("loaded"), &json!("policy-sun"))
        );
        assert_eq!(second["prev"], first["bun"]);
        assert_ne!(second["bun"], first["bun"]);
        assert_eq!(push(&running, &gateway, 1).await, 202);
        let push = leaves(&gateway.journal())
            .into_iter()
            .find(|leaf| leaf["k"] == "push")
            .unwrap();
        assert_eq!(push["bun"], second["bun"]);
        // Again: nothing to do, no leaf.
        let (code, document, _) = gateway.submit("second");
        assert_eq!((code, &document["state"]), (0, &json!("unchanged")));
        assert_eq!(policy_leaves(&gateway).len(), 2);
        eventually("readyz says so", 5, || check(&running).1.starts_with("serial 2,"));
        assert_eq!(running.stop(), Some(0));
        let running = gateway.serve();
        assert_eq!(policy_leaves(&gateway).pop().unwrap()["bun"], second["bun"]);
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn only_a_policy_officer_submits_and_every_refusal_of_a_bundle_is_a_leaf() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        next(&gateway, "second", "keys.toml", |text| text + "# second\n");
        for officer in ["security-qian", "auditor-zhao", "operator-li"] {
            let settings = format!("officers/{officer}.toml");
            let (code, _, error) = gateway.shuguan(&["policy", "submit", "second", "-c", &settings]);
            assert_eq!(code, 3, "{error}");
            assert!(error.contains("SG1107"), "{error}");
        }
        let submit = |body: String| {
            Call::new(Method::POST, "/console/api/policy")
                .header("content-type", "application/json")
                .body(body)
        };
        let sun = gateway.officer("policy-sun");
        let other_site = submit("{}".into()).header("origin", "https://evil.example");
        let answer = running.console(other_site, &sun).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "SG8102"));
        for body in [
            "",
            "{}",
            r#"{"files":{},"signature":"x","serial":1}"#,
            r#"{"files":[],"signature":""}"#,
        ] {
            let answer = running.console(submit(body.into()), &sun).await.unwrap();
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (400, "SG2101"),
                "{body}"
            );
        }
        let before = policy_leaves(&gateway).len();
        let out_of_the_folder = json!({ "files": { "../shuguan.toml": "x" }, "signature": "x" }).to_string();
        let answer = running.console(submit(out_of_the_folder), &sun).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "SG7201"));
        let unsigned = json!({ "files": texts(&gateway, "second"), "signature": "x" }).to_string();
        let answer = running.console(submit(unsigned), &sun).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "SG7203"));
        let refused = policy_leaves(&gateway).split_off(before);
        let codes: Vec<_> = refused.iter().map(|leaf| leaf["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["bundle-faulty", "bundle-malformed"]);
        assert!(
            refused
                .iter()
                .all(|leaf| leaf["by"] == "policy-sun" && leaf["prev"].is_string())
        );
        assert_eq!(gateway.submit("second").0, 0);
    });
}

/// The texts of a bundle below the root.
fn texts(gateway: &Deployment, bundle: &str) -> BTreeMap<String, String> {
    let read = Bundle::read(&gateway.path(bundle)).unwrap();
    read.texts().iter().cloned().collect()
}

#[test]
fn an_older_bundle_comes_back_only_by_a_signed_rollback() {
    let gateway = Deployment::new();
    let running = gateway.serve();
    copy(&gateway, "policies", "first");
    next(&gateway, "second", POLICE_AGREEMENT, limit(1));
    assert_eq!(gateway.submit("second").0, 0);
    let refused = |bundle: &str, code: &str| {
        let (exit, _, error) = gateway.submit(bundle);
        assert_eq!(exit, 3, "{error}");
        assert!(error.contains(code), "{code}: {error}");
    };
    refused("first", "SG7207");
    // The same content on top of what is in force, without saying that it goes back.
    copy(&gateway, "first", "quiet");
    gateway.sign("quiet", &["--after", "second"]);
    refused("quiet", "SG7209");
    // On top of another bundle than that in force.
    copy(&gateway, "second", "aside");
    edit(&gateway, "aside", "keys.toml", |text| text + "# aside\n");
    gateway.sign("aside", &["--after", "first"]);
    refused("aside", "SG7207");
    copy(&gateway, "second", "third");
    edit(&gateway, "third", "keys.toml", |text| text + "# third\n");
    gateway.sign("third", &[]);
    copy(&gateway, "third", "fourth");
    edit(&gateway, "fourth", POLICE_AGREEMENT, limit(2));
    gateway.sign("fourth", &[]);
    assert_eq!(gateway.submit("third").0, 0);
    copy(&gateway, "first", "back");
    gateway.sign("back", &["--after", "third", "--rollback"]);
    let (code, document, error) = gateway.submit("back");
    assert_eq!((code, &document["serial"]), (0, &json!(4)), "{error}");
    let leaf = policy_leaves(&gateway).pop().unwrap();
    assert_eq!((&leaf["back"], &leaf["serial"]), (&json!(3), &json!(4)));
    // What was signed on top of the third has the same serial as the rollback.
    refused("fourth", "SG7207");
    refused("third", "SG7207");
    assert_eq!(running.stop(), Some(0));
    // A folder that somebody put back does not serve either.
    std::fs::remove_dir_all(gateway.path("policies")).unwrap();
    copy(&gateway, "second", "policies");
    let (exit, error) = gateway.serve_in_vain();
    assert_eq!(exit, 1);
    assert!(error.contains("SG7207"), "{error}");
}

#[test]
fn a_revoked_officer_brings_nothing_into_force_and_the_bundle_in_force_serves_on() {
    let gateway = Deployment::new();
    let running = gateway.serve();
    next(&gateway, "second", "keys.toml", |text| text + "# second\n");
    let revoke = [
        "cert",
        "revoke",
        "--partner",
        "security-qian",
        "--yes",
        "-c",
        "shuguan.toml",
    ];
    let (code, _, error) = gateway.shuguan(&revoke);
    assert_eq!(code, 0, "{error}");
    running.signal("HUP");
    eventually("the revocation is in force", 10, || {
        let (_, body) = running.health("/readyz").unwrap();
        body.contains("\"reload\"")
    });
    let (exit, _, error) = gateway.submit("second");
    assert_eq!(exit, 3, "{error}");
    assert!(error.contains("SG7205") && error.contains("SG1104"), "{error}");
    assert_eq!(policy_leaves(&gateway).pop().unwrap()["code"], "bundle-signer");
    assert_eq!(running.stop(), Some(0));
    // The log says that the first one was accepted before.
    assert_eq!(gateway.serve().stop(), Some(0));
}

#[test]
fn a_bundle_whose_columns_the_registry_lacks_waits_for_the_migration() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let line = |text: String| {
            let (head, tail) = text.split_once("keep = [").unwrap();
            format!("{head}keep = [\"native_region\", {tail}")
        };
        next(&gateway, "wider", POLICE_AGREEMENT, line);
        let (exit, _, error) = gateway.submit("wider");
        assert_eq!(exit, 3, "{error}");
        for word in [
            "SG7210",
            "public_security_resident.native_region",
            "ADD COLUMN",
            "db migrate",
        ] {
            assert!(error.contains(word), "{word}: {error}");
        }
        let migrate = ["db", "migrate", "--bundle", "wider", "-c", "shuguan.toml"];
        let (code, _, error) = gateway.shuguan(&migrate);
        assert_eq!(code, 0, "{error}");
        assert_eq!(push(&running, &gateway, 1).await, 202);
        assert_eq!(gateway.submit("wider").0, 0);
        assert_eq!(push(&running, &gateway, 2).await, 202);
        let both = "SELECT count(*) FROM public_security_resident";
        eventually("both are in the registry", 20, || {
            shuguan_tests::registry_rows(&gateway.registry(), both) == ["2"]
        });
        assert_eq!(running.stop(), Some(0));
        assert_eq!(gateway.serve().stop(), Some(0));
    });
}

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

/// The leaves of extracts that were ready and ended.
pub(crate) fn kept(gateway: &Deployment) -> Vec<Value> {
    let mut leaves = gateway.leaves_of("refusal");
    leaves.retain(|leaf| leaf["at"] == "kept");
    leaves
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
fn sighup_brings_a_signed_bundle_out_of_the_folder_into_force() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        edit(&gateway, "policies", "agreements/health.toml", |text| {
            text.replace("20_000", "19_000")
        });
        gateway.sign("policies", &[]);
        running.signal("HUP");
        eventually("it is in force", 10, || check(&running).1.starts_with("serial 2,"));
        let leaf = policy_leaves(&gateway).pop().unwrap();
        assert_eq!((&leaf["result"], &leaf["by"]), (&json!("loaded"), &json!("reload")));
        assert_eq!((&leaf["added"], &leaf["gone"]), (&json!(1), &json!(0)));
        assert_eq!(push(&running, &gateway, 1).await, 202);
        assert_eq!(running.stop(), Some(0));
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
