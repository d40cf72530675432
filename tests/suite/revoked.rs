//! A certificate is revoked, or its partner removed, while something of it is under way: a download, an upload, a connection that is idle.

use http::Method;
use serde_json::{Value, json};
use shuguan_tests::{Call, Connection, Deployment, Download, Running, eventually, leaves, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};
use crate::vanished::admitted;

const REGISTRY: &str = "information-centre";
/// Enough that a reader who stands still has not been sent all of it.
const ROWS: u32 = 30_000;

fn revoke(gateway: &Deployment, running: &Running<'_>, partner: &str) {
    let (code, _, error) = gateway.shuguan(&["cert", "revoke", "--partner", partner, "-c", "shuguan.toml"]);
    assert_eq!(code, 0, "{error}");
    running.signal("HUP");
    eventually("the list is in force", 10, || {
        gateway.log().contains("reloaded certificates")
    });
}

/// An extract of many rows: its links and how long its content is.
async fn extract(gateway: &Deployment, running: &Running<'_>) -> (String, u64) {
    let feed: Vec<u8> = (0..ROWS).flat_map(|n| resident(&nobody(n), &"某".repeat(30))).collect();
    let pushed = running
        .call(Call::push(RESIDENT, NDJSON, feed), &gateway.partner(POLICE))
        .await;
    assert_eq!(pushed.unwrap().status, 202);
    eventually("the rows are in the registry", 120, || {
        registry_count(&gateway.registry(), "public_security_resident") == u64::from(ROWS)
    });
    let asked = json!({ "dataset": "population", "purpose": "enrolment.registration", "case": "AJ-2026-001" });
    let call = Call::new(Method::POST, "/v1/extracts")
        .header("content-type", "application/json")
        .body(asked.to_string());
    let registry = gateway.partner(REGISTRY);
    let begun = running.call(call, &registry).await.unwrap();
    let status = begun.header("location").to_owned();
    let wait = Call::get(status.clone()).header("prefer", "wait=30");
    let state = running.call(wait, &registry).await.unwrap().json();
    assert_eq!(state["state"], "ready", "{state}");
    (format!("{status}/content"), state["bytes"].as_u64().unwrap())
}

/// Reads on until it breaks off; gives how much came. A download that ends as a whole one is a failure.
async fn broken_off(mut download: Download) -> u64 {
    let mut read = 0;
    loop {
        match download.next().await {
            Ok(Some(bytes)) => read += bytes.len() as u64,
            Ok(None) => panic!("it ended as if it were whole"),
            Err(_) => return read,
        }
    }
}

fn at_content(gateway: &Deployment) -> Vec<Value> {
    let log = leaves(&gateway.journal());
    log.into_iter().filter(|leaf| leaf["at"] == "content").collect()
}

#[test]
fn a_download_ends_when_its_certificate_is_revoked_and_the_leaf_says_why() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let (content, bytes) = extract(&gateway, &running).await;
        let registry = gateway.partner(REGISTRY);
        let mut downloads = Vec::new();
        for protocol in ["h2", "http/1.1"] {
            let begun = Download::begin(gateway.feed, &registry.speaking(protocol), Call::get(content.clone())).await;
            let mut download = begun.unwrap();
            assert_eq!(download.status, 200);
            assert!(download.next().await.unwrap().is_some());
            downloads.push(download);
        }
        assert!(at_content(&gateway).is_empty());
        revoke(&gateway, &running, REGISTRY);
        for download in downloads {
            let read = broken_off(download).await;
            assert!(read < bytes, "{read} of {bytes}");
        }
        let exchange = content.split('/').nth(3).unwrap();
        eventually("two leaves say it", 10, || at_content(&gateway).len() == 2);
        for leaf in at_content(&gateway) {
            assert_eq!(
                (&leaf["k"], &leaf["code"], &leaf["p"]),
                (&json!("refusal"), &json!("certificate-revoked"), &json!(REGISTRY))
            );
            assert_eq!(
                (&leaf["x"], &leaf["ds"], &leaf["pur"]),
                (&json!(exchange), &json!("population"), &json!("enrolment.registration"))
            );
        }
    });
}

#[test]
fn an_upload_whose_certificate_is_revoked_meanwhile_is_refused_and_sealed_nowhere() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let police = gateway.partner(POLICE);
        let lines: Vec<u8> = (0..20).flat_map(|n| resident(&nobody(n), "某某")).collect();
        let call = Call::push(RESIDENT, NDJSON, lines);
        let upload = admitted(&running, &gateway, &police, call).await;
        revoke(&gateway, &running, POLICE);
        assert!(upload.is_open(), "it is judged at its next part");
        let answer = upload.finish().await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "SG1104"));
        let log = leaves(&gateway.journal());
        assert!(!log.iter().any(|leaf| leaf["k"] == "push" || leaf["k"] == "aborted"));
        let refusal = log.iter().find(|leaf| leaf["code"] == "certificate-revoked").unwrap();
        assert_eq!(
            (&refusal["p"], &refusal["rec"]),
            (&json!(POLICE), &json!("public-security/resident"))
        );
        assert_eq!(registry_count(&gateway.registry(), "public_security_resident"), 0);
    });
}

#[test]
fn an_idle_connection_of_a_revoked_certificate_is_refused_at_its_next_request_and_then_closed() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let police = gateway.partner(POLICE);
        let mut open = Vec::new();
        for protocol in ["h2", "http/1.1"] {
            let mut connection = Connection::open(gateway.feed, &police.speaking(protocol))
                .await
                .unwrap();
            assert_eq!(connection.protocol(), protocol);
            assert_eq!(connection.send(Call::get("/v1/catalog")).await.unwrap().status, 200);
            open.push(connection);
        }
        revoke(&gateway, &running, POLICE);
        for mut connection in open {
            let answer = connection.send(Call::get("/v1/catalog")).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "SG1104"));
            connection
                .closed_within(std::time::Duration::from_secs(5))
                .await
                .expect("closed");
        }
    });
}
