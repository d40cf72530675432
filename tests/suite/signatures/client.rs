//! The command line: signs by itself when the kit has a message key, and believes no unsigned answer then.

use shuguan_tests::{Deployment, eventually, leaves, registry_count, run};

use super::{Scene, TABLE};
use crate::feeds::{NDJSON, POLICE, RESIDENT, clean};

fn push_file(gateway: &Deployment) -> (i32, String, String) {
    gateway.shuguan(&[
        "push",
        "feed.ndjson",
        "--record",
        RESIDENT,
        "--purpose",
        "enrolment.registration",
        "--timeout",
        "5",
        "-c",
        "partners/public-security-city/client.toml",
    ])
}

#[test]
fn push_signs_and_verifies_and_pull_acknowledges() {
    run(async {
        let scene = Scene::with("[require_signature]\npublic-security-city = \"require\"");
        let gateway = &scene.gateway;
        std::fs::write(gateway.path("feed.ndjson"), clean(RESIDENT, NDJSON, 5, 7)).expect("a feed");
        let running = gateway.serve();
        let (code, out, error) = push_file(gateway);
        assert_eq!(code, 0, "{out}{error}");
        // Again: the same key, signed anew, the first answer.
        let (code, out, error) = push_file(gateway);
        assert_eq!(code, 0, "{out}{error}");
        assert_eq!(scene.count("push", None), 1);
        eventually("the rows are in the registry", 20, || {
            registry_count(&gateway.registry(), TABLE) > 0
        });
        let (code, out, error) = gateway.shuguan(&[
            "pull",
            "population",
            "--purpose",
            "enrolment.registration",
            "--case",
            "AJ-1",
            "-o",
            "p.ndjson",
            "--format",
            "json",
            "-c",
            "partners/information-centre/client.toml",
        ]);
        assert_eq!(code, 0, "{out}{error}");
        assert!(
            out.contains("\"acknowledged\":true") || out.contains("\"acknowledged\": true"),
            "{out}"
        );
        let acks = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["k"] == "receipt-ack");
        assert_eq!(
            acks.map(|leaf| leaf["verdict"].clone()).collect::<Vec<_>>(),
            ["complete"]
        );
        let log = leaves(&gateway.journal());
        let push = log.iter().find(|leaf| leaf["k"] == "push").expect("a push");
        let push = push["x"].as_str().expect("an id").to_owned();
        let own = "partners/public-security-city/client.toml";
        let recall = ["recall", &push, "--why", "unusable", "--yes", "--wait", "-c", own];
        let (code, out, error) = gateway.shuguan(&recall);
        assert_eq!(code, 0, "{out}{error}");
        // Said again, it is the same recall.
        assert_eq!(gateway.shuguan(&recall).0, 0);
        assert_eq!((scene.count("recall", None), scene.count("recalled", None)), (1, 1));
        drop(running);
        gateway.verified_log();
    });
}

#[test]
fn a_drop_folder_is_sent_signed_too() {
    let scene = Scene::with("[require_signature]\npublic-security-city = \"require\"");
    let gateway = &scene.gateway;
    let folder = gateway.path("outbox").join(RESIDENT);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("feed.ndjson"), clean(RESIDENT, NDJSON, 3, 7)).expect("a feed");
    std::fs::write(folder.join("feed.ndjson.ok"), "").expect("a companion");
    let running = gateway.serve();
    let (code, out, error) = gateway.shuguan(&[
        "push",
        "--watch",
        "outbox",
        "--once",
        "--purpose",
        "enrolment.registration",
        "-c",
        "partners/public-security-city/client.toml",
    ]);
    assert_eq!(code, 0, "{out}{error}");
    assert!(folder.join("feed.ndjson.ack").is_file(), "{out}{error}");
    assert_eq!((scene.count("push", None), scene.count("refusal", None)), (1, 0));
    drop(running);
}

#[test]
fn an_answer_under_another_receipt_key_is_not_believed() {
    let gateway = Deployment::new();
    std::fs::write(gateway.path("feed.ndjson"), clean(RESIDENT, NDJSON, 2, 7)).expect("a feed");
    // The key of another gateway.
    let other = Deployment::new();
    let kit = gateway.path("partners").join(POLICE).join("receipt.pem");
    std::fs::copy(other.path("trust/receipt.pem"), kit).expect("a copy");
    let running = gateway.serve();
    let (code, _, error) = push_file(&gateway);
    assert_eq!(code, 6, "{error}");
    assert!(error.contains("receipt_key"), "{error}");
    drop(running);
}

#[test]
fn a_message_key_without_the_gateways_receipt_key_is_told() {
    let gateway = Deployment::new();
    let path = gateway.path("partners/public-security-city/client.toml");
    let text = std::fs::read_to_string(&path).expect("settings");
    std::fs::write(&path, text.replace("receipt_key = \"receipt.pem\"\n", "")).expect("settings");
    std::fs::write(gateway.path("feed.ndjson"), "{}\n").expect("a feed");
    let (code, _, error) = push_file(&gateway);
    assert!(code == 1 && error.contains("receipt_key"), "{code} {error}");
}
