//! Signed policy bundles: what serves and what does not, and another bundle coming into force while exchanges go on.

mod meanwhile;
mod unsigned;

use std::collections::BTreeMap;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use shuguan_policies::Bundle;
use shuguan_tests::{Call, Deployment, Running, eventually, leaves, run};

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
        let (_, metrics) = running.health("/metrics").unwrap();
        for code in ["SG7201", "SG7203"] {
            let once = format!("shuguan_refusals_total{{code=\"{code}\"}} 1");
            assert!(metrics.lines().any(|line| line == once), "{code}: {metrics}");
        }
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

/// The leaves of extracts that were ready and ended.
pub(crate) fn kept(gateway: &Deployment) -> Vec<Value> {
    let mut leaves = gateway.leaves_of("refusal");
    leaves.retain(|leaf| leaf["at"] == "kept");
    leaves
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
