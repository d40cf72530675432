//! Bundles that are not what two officers signed: nobody is served under them.

use serde_json::json;
use shuguan_tests::{Deployment, eventually, leaves, run};

use super::{POLICE_AGREEMENT, REGISTRY_AGREEMENT, check, copy, edit, policy_leaves, push};

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
