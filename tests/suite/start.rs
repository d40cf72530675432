//! Starting and stopping: what the gateway refuses to start with, all of it at once, and how it ends.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use shuguan_tests::{Call, Connection, Deployment, leaves, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

/// It ends with 1, says these texts, and has opened no port.
fn refuses_to_start(gateway: &Deployment, what: &str, expected: &[&str]) {
    let (code, error) = gateway.serve_in_vain();
    assert_eq!(code, 1, "{what}: {error}");
    for text in expected {
        assert!(error.contains(text), "{what}: `{text}` is not in\n{error}");
    }
    assert!(error.contains("next"), "{what}: no next step in\n{error}");
    assert!(leaves(&gateway.journal()).is_empty(), "{what}: it wrote to the log");
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn it_does_not_start_without_a_revocation_list() {
    let gateway = Deployment::new();
    let list = gateway.path("pki/issuing.crl.pem");
    let text = std::fs::read(&list).unwrap();
    std::fs::remove_file(&list).unwrap();
    refuses_to_start(&gateway, "no file", &["issuing.crl.pem", "shuguan crl issue"]);
    std::fs::write(&list, "").unwrap();
    refuses_to_start(&gateway, "an empty file", &["issuing.crl.pem", "no revocation list"]);
    std::fs::write(&list, &text[..text.len() / 2]).unwrap();
    refuses_to_start(&gateway, "half a file", &["issuing.crl.pem"]);
    std::fs::write(&list, text).unwrap();
    let configuration = std::fs::read_to_string(gateway.config()).unwrap();
    let without = configuration.replace(r#"crls = ["pki/root.crl.pem", "pki/issuing.crl.pem"]"#, "crls = []");
    std::fs::write(gateway.config(), without).unwrap();
    refuses_to_start(&gateway, "none named", &["tls.crls", "shuguan.toml:"]);
    let one = configuration.replace(r#", "pki/issuing.crl.pem"]"#, "]");
    std::fs::write(gateway.config(), one).unwrap();
    refuses_to_start(
        &gateway,
        "one authority without",
        &["no revocation list", "shuguan crl issue"],
    );
    std::fs::write(gateway.config(), configuration).unwrap();
    assert_eq!(gateway.serve().stop(), Some(0));
}

#[test]
fn it_does_not_start_with_a_key_that_others_can_read() {
    let gateway = Deployment::new();
    for key in ["server.key", "log.seed", "kek.key", "master.key", "index.key"] {
        let path = gateway.path("keys").join(key);
        for open in [0o644, 0o440, 0o404] {
            mode(&path, open);
            refuses_to_start(&gateway, key, &[key, &format!("{open:04o}")]);
        }
        mode(&path, 0o400);
    }
    // All of them at once.
    for key in ["server.key", "log.seed", "kek.key"] {
        mode(&gateway.path("keys").join(key), 0o644);
    }
    refuses_to_start(&gateway, "three keys", &["server.key", "log.seed", "kek.key"]);
}

#[test]
fn it_does_not_start_with_unknown_configuration_keys_and_names_all_of_them_with_their_lines() {
    let gateway = Deployment::with(|text| {
        text.replace("node = \"gw1\"", "node = \"gw1\"\nnodde = 1")
            .replace(
                "#= handshake_timeout_ms = 5000",
                "handshake_timeout = 5\nidle_timeout_ms = \"long\"",
            )
            .replace("[extracts]", "[extract]\nx = 1\n[extracts]")
    });
    let text = std::fs::read_to_string(gateway.config()).unwrap();
    let line = |of: &str| {
        let line = text.lines().position(|line| line.starts_with(of)).unwrap() + 1;
        format!("shuguan.toml:{line}")
    };
    let places = [
        line("nodde"),
        line("handshake_timeout = 5"),
        line("idle_timeout_ms = \"long\""),
    ];
    let texts = [
        "gateway.nodde",
        "listen.handshake_timeout",
        "idle_timeout_ms",
        "extract",
    ];
    let expected: Vec<&str> = places.iter().map(String::as_str).chain(texts).collect();
    refuses_to_start(&gateway, "unknown keys", &expected);
    let (code, _, error) = gateway.shuguan(&["config", "check", "-c", "shuguan.toml"]);
    assert_eq!(code, 1);
    assert!(expected.iter().all(|text| error.contains(text)), "{error}");
}

#[test]
fn a_configuration_that_names_what_is_not_there_or_one_address_twice_is_not_called_good() {
    let gateway = Deployment::new();
    let check = || {
        let (code, _, error) = gateway.shuguan(&["config", "check", "-c", "shuguan.toml"]);
        (code, error)
    };
    assert_eq!(check().0, 0);
    let good = std::fs::read_to_string(gateway.config()).unwrap();
    let misspelt = good
        .replace("pki/server.pem", "pki/sever.pem")
        .replace("keys/master.key", "keys/mister.key");
    std::fs::write(gateway.config(), misspelt).unwrap();
    let (code, error) = check();
    assert_eq!(code, 1, "{error}");
    for text in [
        "tls.certificate",
        "pki/sever.pem",
        "keys.master_file",
        "keys/mister.key",
        "next",
    ] {
        assert!(error.contains(text), "{text}: {error}");
    }
    let line = |key: &str| good.lines().find(|line| line.starts_with(key)).unwrap();
    let feed = line("feed = ").replace("feed", "console");
    std::fs::write(gateway.config(), good.replace(line("console = "), &feed)).unwrap();
    let (code, error) = check();
    assert!(
        code == 1 && error.contains("two listeners have the same address"),
        "{error}"
    );
}

#[test]
fn a_start_with_another_configuration_is_a_leaf_with_both_hashes_and_one_with_the_same_is_none() {
    let gateway = Deployment::new();
    let sha256 = || {
        let (code, _, said) = gateway.shuguan(&["config", "check", "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "{said}");
        let (_, hash) = said.split_once("SHA-256 ").unwrap();
        hash.chars().take_while(char::is_ascii_hexdigit).collect::<String>()
    };
    let sealed = || {
        let leaves = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["k"] == "config");
        leaves
            .map(|leaf| (leaf["cfg"].clone(), leaf["prev"].clone()))
            .collect::<Vec<_>>()
    };
    let member = |hex: &str| {
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        json!(format!("s:{}", URL_SAFE_NO_PAD.encode(bytes)))
    };
    let first = sha256();
    for _ in 0..2 {
        assert_eq!(gateway.serve().stop(), Some(0));
        assert_eq!(sealed(), [(member(&first), Value::Null)]);
    }
    let changed = std::fs::read_to_string(gateway.config()).unwrap() + "# reviewed\n";
    std::fs::write(gateway.config(), changed).unwrap();
    let second = sha256();
    assert_ne!(first, second);
    assert_eq!(gateway.serve().stop(), Some(0));
    assert_eq!(
        sealed(),
        [(member(&first), Value::Null), (member(&second), member(&first))]
    );
    gateway.verified_log();
}

#[test]
fn it_does_not_start_without_its_journal_its_registry_or_its_policies() {
    let gateway = Deployment::new();
    for (what, path, text) in [
        ("no registry", "registry/registry.db", "registry"),
        ("no policies", "policies/partners.toml", "partners.toml"),
    ] {
        let aside = gateway.path("aside");
        std::fs::rename(gateway.path(path), &aside).unwrap();
        refuses_to_start(&gateway, what, &[text]);
        assert!(!gateway.path(path).exists(), "{what}: it was made by guessing");
        std::fs::rename(&aside, gateway.path(path)).unwrap();
    }
    std::fs::remove_file(gateway.journal()).unwrap();
    let (code, error) = gateway.serve_in_vain();
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("journal"), "{error}");
    assert!(!gateway.journal().exists(), "an empty journal was made by guessing");
}

#[test]
fn it_does_not_start_with_a_bundle_that_has_a_fault() {
    let gateway = Deployment::new();
    let path = gateway.path("policies/agreements/tax.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        format!("{text}\n[[grant]]\nfor = {{ record = \"tax/no-such-record\" }}\nkeep = []\n"),
    )
    .unwrap();
    refuses_to_start(
        &gateway,
        "a fault in the bundle",
        &["agreements/tax.toml:", "tax/no-such-record"],
    );
}

#[test]
fn two_gateways_do_not_share_a_journal() {
    let gateway = Deployment::new();
    let running = gateway.serve();
    let text = std::fs::read_to_string(gateway.config()).unwrap();
    let other = Deployment::new();
    let text = text
        .replace(&gateway.feed.to_string(), &other.feed.to_string())
        .replace(&gateway.console.to_string(), &other.console.to_string())
        .replace(&gateway.health.to_string(), &other.health.to_string());
    std::fs::write(gateway.path("second.toml"), text).unwrap();
    let (code, _, error) = gateway.shuguan(&["serve", "-c", "second.toml"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("journal"), "{error}");
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn sigterm_lets_what_is_in_flight_finish_and_takes_no_more() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let police = gateway.partner(POLICE).speaking("h2");
        let mut busy = Connection::open(gateway.feed, &police).await.unwrap();
        assert_eq!(busy.send(Call::get("/v1/catalog")).await.unwrap().status, 200);
        // A push waits for the journal's writer lock when the signal comes.
        let lock = rusqlite::Connection::open(gateway.journal()).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let push = Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某"));
        let in_flight = tokio::spawn(async move { busy.send(push).await });
        tokio::time::sleep(Duration::from_millis(400)).await;
        running.signal("TERM");
        tokio::time::sleep(Duration::from_millis(400)).await;
        let late = Call::push(RESIDENT, NDJSON, resident(&nobody(2), "某某"))
            .send(gateway.feed, &police)
            .await;
        assert!(late.is_err(), "a new connection was taken while it stops");
        lock.execute_batch("ROLLBACK").unwrap();
        let answer = in_flight.await.unwrap().unwrap();
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        assert_eq!(running.ended(), Some(0));
        let log = leaves(&gateway.journal());
        assert_eq!(log.iter().filter(|leaf| leaf["k"] == "push").count(), 1);
        assert_eq!(log.last().unwrap()["k"], "stop");
        // The next start goes on with what was not relayed yet, and says where it begins.
        let running = gateway.serve();
        let start = leaves(&gateway.journal())[log.len()].clone();
        assert_eq!(
            (start["k"].as_str(), start["size"].as_u64()),
            (Some("start"), Some(log.len() as u64))
        );
        assert_eq!(running.stop(), Some(0));
    });
}

#[test]
fn a_certificate_act_that_no_leaf_can_hold_is_set_aside_and_those_behind_it_are_sealed() {
    let gateway = Deployment::new();
    drop(gateway.serve());
    let act = |partner: &str, serial: &str| {
        let (fingerprint, at) = ("ab".repeat(32), "2026-01-31T08:00:00Z");
        format!(
            "{{\"act\":\"revoked\",\"partner\":\"{partner}\",\"serial\":\"{serial}\",\"fingerprint\":\"{fingerprint}\",\"at\":\"{at}\",\"reason\":\"key-compromise\"}}\n"
        )
    };
    let before = gateway.leaves_of("certificate").len();
    let unfit = act("unfit-partner", &"5f".repeat(3_000));
    std::fs::write(
        gateway.path("pki/acts.ndjson"),
        unfit.clone() + &act("behind-it", "5f01"),
    )
    .unwrap();
    let running = gateway.serve();
    let sealed = gateway.leaves_of("certificate");
    assert_eq!(sealed.len(), before + 1);
    assert!(sealed.iter().any(|leaf| leaf["p"] == "behind-it"), "{sealed:?}");
    assert_eq!(
        std::fs::read_to_string(gateway.path("pki/acts.unfit.ndjson")).unwrap(),
        unfit
    );
    let left = |name: &str| std::fs::exists(gateway.path(name)).unwrap();
    assert!(!left("pki/acts.ndjson") && !left("pki/acts.sealing.ndjson"));
    let (_, lights) = running.health("/readyz").unwrap();
    assert!(lights.contains("certificate-acts"), "{lights}");
}
