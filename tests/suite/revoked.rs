//! A certificate is revoked, or its partner removed, while something of it is under way: a download, an upload, a connection that is idle. And an extract
//! expires while it is fetched.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use http::Method;
use serde_json::{Value, json};
use shuguan::clock::Clock;
use shuguan::config::Config;
use shuguan::serve::Gateway;
use shuguan_tests::{Call, Connection, Deployment, Download, Running, eventually, leaves, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};
use crate::vanished::admitted;

const REGISTRY: &str = "information-centre";
/// Enough that a reader who stands still has not been sent all of it.
const ROWS: u32 = 30_000;

fn revoke(gateway: &Deployment, running: &Running<'_>, partner: &str) {
    let (code, _, error) = gateway.shuguan(&["cert", "revoke", "--partner", partner, "--yes", "-c", "shuguan.toml"]);
    assert_eq!(code, 0, "{error}");
    running.signal("HUP");
    eventually("the list is in force", 10, || {
        gateway.log().contains("reloaded certificates")
    });
}

/// An extract of many rows: its links and how long its content is.
async fn extract(gateway: &Deployment) -> (String, u64) {
    let feed: Vec<u8> = (0..ROWS).flat_map(|n| resident(&nobody(n), &"某".repeat(30))).collect();
    let push = Call::push(RESIDENT, NDJSON, feed);
    let pushed = push.send(gateway.feed, &gateway.partner(POLICE)).await;
    assert_eq!(pushed.unwrap().status, 202);
    eventually("the rows are in the registry", 120, || {
        registry_count(&gateway.registry(), "public_security_resident") == u64::from(ROWS)
    });
    let asked = json!({ "dataset": "population", "purpose": "enrolment.registration", "case": "AJ-2026-001" });
    let call = Call::new(Method::POST, "/v1/extracts")
        .header("content-type", "application/json")
        .body(asked.to_string());
    let registry = gateway.partner(REGISTRY);
    let begun = call.send(gateway.feed, &registry).await.unwrap();
    let status = begun.header("location").to_owned();
    let wait = Call::get(status.clone()).header("prefer", "wait=30");
    let state = wait.send(gateway.feed, &registry).await.unwrap().json();
    assert_eq!(state["state"], "ready", "{state}");
    (format!("{status}/content"), state["bytes"].as_u64().unwrap())
}

/// Downloads of which the first piece was read: over h2 and over HTTP/1.1.
async fn begun(gateway: &Deployment, content: &str) -> Vec<Download> {
    let registry = gateway.partner(REGISTRY);
    let mut downloads = Vec::new();
    for protocol in ["h2", "http/1.1"] {
        let begun = Download::begin(gateway.feed, &registry.speaking(protocol), Call::get(content)).await;
        let mut download = begun.unwrap();
        assert_eq!(download.status, 200);
        assert!(download.next().await.unwrap().is_some());
        downloads.push(download);
    }
    downloads
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
        let (content, bytes) = extract(&gateway).await;
        let downloads = begun(&gateway, &content).await;
        assert!(at_content(&gateway).is_empty());
        revoke(&gateway, &running, REGISTRY);
        for download in downloads {
            let read = broken_off(download).await;
            assert!(read < bytes, "{read} of {bytes}");
        }
        two_leaves_say_it(&gateway, &content, "certificate-revoked");
    });
}

/// Each of the two downloads has its leaf.
fn two_leaves_say_it(gateway: &Deployment, content: &str, code: &str) {
    let exchange = content.split('/').nth(3).unwrap();
    eventually("two leaves say it", 10, || at_content(gateway).len() >= 2);
    let leaves = at_content(gateway);
    assert_eq!(leaves.len(), 2);
    for leaf in leaves {
        assert_eq!(
            (&leaf["k"], &leaf["code"], &leaf["p"]),
            (&json!("refusal"), &json!(code), &json!(REGISTRY))
        );
        assert_eq!(
            (&leaf["x"], &leaf["ds"], &leaf["pur"]),
            (&json!(exchange), &json!("population"), &json!("enrolment.registration"))
        );
    }
}

#[test]
fn a_download_ends_when_its_extract_expires_and_the_leaf_says_why() {
    const KEPT_US: i64 = 3_600_000_000;
    let gateway = Deployment::with(|text| text.replace("#= keep_hours = 24", "keep_hours = 1"));
    let config = Config::load(&gateway.config()).unwrap();
    assert_eq!(i64::from(config.extracts.keep_hours.get()) * 3_600_000_000, KEPT_US);
    // As much time goes by as the wall clock shows: what is tried is that an hour passed, and not that a clock was set.
    let gone_by = Arc::new(AtomicI64::new(0));
    let (wall, ahead) = (Clock::system(), Arc::clone(&gone_by));
    let clock = Clock::from_fn(move || wall.now_us() + ahead.load(Ordering::Relaxed));
    let serving = tokio::runtime::Runtime::new().unwrap();
    let running = serving.block_on(Gateway::start(config, clock)).unwrap();
    run(async {
        let (content, bytes) = extract(&gateway).await;
        let downloads = begun(&gateway, &content).await;
        gone_by.store(KEPT_US - 60_000_000, Ordering::Relaxed);
        let registry = gateway.partner(REGISTRY);
        let status = content.trim_end_matches("/content");
        let before = Call::get(status).send(gateway.feed, &registry).await.unwrap();
        assert_eq!(before.json()["state"], "ready", "a minute is left");
        assert!(at_content(&gateway).is_empty());
        gone_by.store(KEPT_US, Ordering::Relaxed);
        // Over HTTP/1.1 the buffers of the system hold more of what was sent before; over h2 the reader's window bounds it.
        for (download, most) in downloads.into_iter().zip([4 * u64::from(Download::AHEAD), bytes - 1]) {
            let read = broken_off(download).await;
            assert!(read <= most, "{read} of {bytes}");
        }
        two_leaves_say_it(&gateway, &content, "extract-gone");
        for path in [status, &content] {
            let gone = Call::get(path).send(gateway.feed, &registry).await.unwrap();
            assert_eq!((gone.status.as_u16(), gone.code().as_str()), (404, "SG2114"));
        }
        eventually("its file is gone", 10, || {
            std::fs::read_dir(gateway.path("extracts")).unwrap().count() == 0
        });
    });
    serving.block_on(running.stop());
}

#[test]
fn an_upload_whose_grant_releases_less_by_its_end_is_refused_and_sent_again_under_the_narrower_one() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let police = gateway.partner(POLICE);
        let call = Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某"));
        let upload = admitted(&running, &gateway, &police, call.clone()).await;
        crate::policies::next(&gateway, "narrower", "agreements/public-security.toml", |text| {
            text.replacen("\"name\", \"former_name\", ", "\"name\", ", 1)
        });
        let (code, _, error) = gateway.submit("narrower");
        assert_eq!(code, 0, "{error}");
        let answer = upload.finish().await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "SG4116"));
        assert_eq!(answer.header("retry-after"), "1");
        let refused: Vec<Value> = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["code"] == "grant-changed")
            .collect();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!(
            (&refused[0]["p"], &refused[0]["rec"]),
            (&json!(POLICE), &json!(RESIDENT))
        );
        // Nothing was accepted, so that the same key is good for it.
        let again = running.call(call, &police).await.unwrap();
        assert_eq!(
            (again.status.as_u16(), again.json()["accepted"].as_u64()),
            (202, Some(1))
        );
        eventually("the row is in the registry", 20, || {
            registry_count(&gateway.registry(), "public_security_resident") == 1
        });
        let pushes = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["k"] == "push")
            .count();
        assert_eq!(pushes, 1);
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
