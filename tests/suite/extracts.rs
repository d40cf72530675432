//! Extracts: what the registry may pull, in which form, and that no byte of it leaves before its leaf is durable.

mod command;
mod refused;

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shuguan_ledger::leaf::Event;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;
use shuguan_tests::{Answer, Call, Connection, Deployment, Identity, Running, eventually, leaves, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody};

const REGISTRY: &str = "information-centre";

fn request(body: &Value) -> Call {
    Call::new(Method::POST, "/v1/extracts")
        .header("content-type", "application/json")
        .body(body.to_string())
}

fn population() -> Value {
    json!({ "dataset": "population", "purpose": "enrolment.registration", "case": "AJ-2026-001" })
}

fn with(mut body: Value, member: &str, value: Value) -> Value {
    body[member] = value;
    body
}

/// Residents of two counties, three each, in the registry.
async fn six_residents(gateway: &Deployment, running: &Running<'_>) {
    let feed: String = (0..6)
        .map(|n| {
            let region = if n % 2 == 0 { "320706" } else { "320707" };
            let line = json!({
                "citizen_id": nobody(n), "name": "某某", "hukou_region": region, "person_status": "0",
                "hukou_address": "不外传路一号", "former_name": "旧名",
            });
            format!("{line}\n")
        })
        .collect();
    let answer = running
        .call(Call::push(RESIDENT, NDJSON, feed), &gateway.partner(POLICE))
        .await
        .unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.json()["accepted"].as_u64()),
        (202, Some(6))
    );
    eventually("the rows are in the registry", 20, || {
        registry_count(&gateway.registry(), "public_security_resident") == 6
    });
}

/// Waits until it is ready; gives its state.
async fn ready(running: &Running<'_>, identity: &Identity, answer: &Answer) -> Value {
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    let status = answer.header("location").to_owned();
    let state = running
        .call(Call::get(status).header("prefer", "wait=20"), identity)
        .await
        .unwrap();
    assert_eq!(state.json()["state"], "ready", "{:?}", state.body);
    state.json()
}

/// Asks for the population, of which an extract is begun and ends without content; gives the answer.
async fn failed(running: &Running<'_>, identity: &Identity) -> Value {
    let begun = running.call(request(&population()), identity).await.unwrap();
    let wait = Call::get(begun.header("location")).header("prefer", "wait=20");
    let state = running.call(wait, identity).await.unwrap();
    assert_eq!(state.json()["state"], "failed");
    begun.json()
}

async fn content(running: &Running<'_>, identity: &Identity, state: &Value) -> Answer {
    let path = state["links"]["content"].as_str().expect("a link").to_owned();
    running.call(Call::get(path), identity).await.unwrap()
}

async fn pulled(running: &Running<'_>, identity: &Identity, body: &Value) -> (Value, Answer) {
    let begun = running.call(request(body), identity).await.unwrap();
    let state = ready(running, identity, &begun).await;
    let content = content(running, identity, &state).await;
    assert_eq!(content.status, 200);
    (state, content)
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).expect("UTF-8")
}

#[test]
fn the_registry_pulls_the_granted_columns_as_ndjson_and_as_csv() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let registry = gateway.partner(REGISTRY);
        six_residents(&gateway, &running).await;

        let (state, answer) = pulled(&running, &registry, &population()).await;
        assert_eq!(
            (state["rows"].as_u64(), state["bytes"].as_u64()),
            (Some(6), Some(answer.body.len() as u64))
        );
        assert_eq!(answer.header("repr-digest"), state["repr_digest"].as_str().unwrap());
        let digest = ring::digest::digest(&ring::digest::SHA256, &answer.body);
        let digest = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
        assert_eq!(answer.header("repr-digest"), format!("sha-256=:{digest}:"));
        let lines: Vec<Value> = text(&answer)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let ids: std::collections::BTreeSet<_> =
            lines.iter().map(|line| line["citizen_id"].as_str().unwrap()).collect();
        assert_eq!(
            ids,
            (0..6)
                .map(nobody)
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str)
                .collect()
        );
        // Neither what the grant drops nor what it does not name.
        assert!(
            lines
                .iter()
                .all(|line| line.get("hukou_address").is_none() && line.get("former_name").is_none())
        );

        let (_, csv) = pulled(&running, &registry, &with(population(), "form", json!("csv"))).await;
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
        let csv = text(&csv);
        let head = csv.lines().next().unwrap();
        assert!(
            head.starts_with("citizen_id,name,sex,birth_date,hukou_region") && !head.contains("address"),
            "{head}"
        );
        assert_eq!(csv.lines().count(), 7);

        let pulls: Vec<_> = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["k"] == "pull")
            .collect();
        let forms: Vec<_> = pulls.iter().map(|leaf| leaf["fmt"].as_str().unwrap()).collect();
        assert_eq!(forms, ["ndjson", "csv"]);
        assert!(
            pulls
                .iter()
                .all(|leaf| leaf["p"] == REGISTRY && leaf["ds"] == "population" && leaf["rows"] == 6)
        );
        // The case is committed to, not written down.
        assert!(!serde_json::to_string(&pulls).unwrap().contains("AJ-2026-001"));
    });
}

#[test]
fn the_receipt_of_an_extract_verifies_with_the_public_key_alone() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let registry = gateway.partner(REGISTRY);
        let (state, answer) = pulled(&running, &registry, &population()).await;
        let path = state["links"]["receipt"].as_str().unwrap().to_owned();
        let receipt = running.call(Call::get(path), &registry).await.unwrap();
        assert_eq!(receipt.status, 200);
        let trust = Trust::parse(&std::fs::read_to_string(gateway.path("trust/trust.txt")).unwrap()).unwrap();
        let proven = Receipt::parse(&text(&receipt)).unwrap().verify(&trust).unwrap();
        let Event::Pull(pull) = proven.leaf.event else {
            panic!("not a pull")
        };
        assert_eq!(
            (pull.x.as_str(), pull.bytes),
            (state["extract"].as_str().unwrap(), answer.body.len() as u64)
        );
    });
}

#[test]
fn a_region_selects_its_own_rows_only() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let registry = gateway.partner(REGISTRY);
        six_residents(&gateway, &running).await;
        let (state, answer) = pulled(
            &running,
            &registry,
            &with(population(), "select", json!({ "region": "320707" })),
        )
        .await;
        assert_eq!(state["rows"], 3);
        assert!(
            text(&answer)
                .lines()
                .all(|line| line.contains("\"hukou_region\":\"320707\"")),
            "{}",
            text(&answer)
        );
        let (state, _) = pulled(
            &running,
            &registry,
            &with(population(), "select", json!({ "region": "3207" })),
        )
        .await;
        assert_eq!(state["rows"], 6);
    });
}

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let registry = gateway.partner(REGISTRY);
        six_residents(&gateway, &running).await;
        let (state, whole) = pulled(&running, &registry, &population()).await;
        let path = state["links"]["content"].as_str().unwrap();
        for from in [0, 1, whole.body.len() / 2, whole.body.len() - 1] {
            let range = format!("bytes={from}-");
            let part = running
                .call(Call::get(path).header("range", &range), &registry)
                .await
                .unwrap();
            assert_eq!(part.status, 206, "from {from}");
            assert_eq!(part.body, whole.body.slice(from..), "from {from}");
            let expected = format!("bytes {from}-{}/{}", whole.body.len() - 1, whole.body.len());
            assert_eq!(part.header("content-range"), expected);
        }
        let beyond = format!("bytes={}-", whole.body.len());
        let answer = running
            .call(Call::get(path).header("range", &beyond), &registry)
            .await
            .unwrap();
        assert_eq!(answer.status, 416);
    });
}

/// The journal cannot commit while another writer holds it, so the extract cannot be sealed; until then nobody sees a byte of it.
#[test]
fn no_byte_of_an_extract_leaves_before_its_leaf_is_durable() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let registry = gateway.partner(REGISTRY);
        let other = rusqlite::Connection::open(gateway.journal()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut connection = Connection::open(gateway.feed, &registry).await.unwrap();
        let begun = connection.send(request(&population())).await.unwrap();
        assert_eq!(begun.status, 202);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let path = format!("{}/content", begun.header("location"));
        let extract = begun.json()["extract"].as_str().unwrap().to_owned();
        // A refusal is a leaf too and waits for the same writer, so the answer comes after the lock is gone; the verdict is older.
        let early = tokio::spawn(async move { connection.send(Call::get(path)).await.unwrap() });
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(leaves(&gateway.journal()).iter().all(|leaf| leaf["k"] != "pull"));
        other.execute_batch("ROLLBACK").unwrap();
        let early = early.await.unwrap();
        assert_eq!((early.status.as_u16(), early.code().as_str()), (409, "SG6102"));
        assert_eq!(early.header("retry-after"), "1");
        let state = ready(&running, &registry, &begun).await;
        let sealed = leaves(&gateway.journal());
        assert!(
            sealed
                .iter()
                .any(|leaf| leaf["k"] == "pull" && leaf["x"] == extract.as_str())
        );
        assert!(
            sealed
                .iter()
                .any(|leaf| leaf["k"] == "refusal" && leaf["code"] == "extract-not-ready")
        );
        assert_eq!(content(&running, &registry, &state).await.status, 200);
    });
}

#[test]
fn an_extract_is_kept_in_cipher_and_gone_after_a_restart() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let registry = gateway.partner(REGISTRY);
        six_residents(&gateway, &running).await;
        let (state, _) = pulled(&running, &registry, &population()).await;
        let spool = gateway
            .path("extracts")
            .join(format!("{}.spool", state["extract"].as_str().unwrap()));
        let bytes = std::fs::read(&spool).unwrap();
        assert!(!bytes.windows(18).any(|window| window == nobody(0).as_bytes()));
        running.kill();
        let running = gateway.serve();
        assert!(!spool.exists());
        let path = state["links"]["content"].as_str().unwrap();
        let answer = running.call(Call::get(path), &registry).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "SG2114"));
    });
}

#[test]
fn who_asks_since_the_last_pull_gets_whoever_came_into_the_registry_after_it() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        six_residents(&gateway, &running).await;
        let centre = gateway.partner(REGISTRY);
        let (first, _) = pulled(&running, &centre, &population()).await;
        let as_of = first["as_of"].as_str().expect("a moment").to_owned();
        let manifest = Call::get(first["links"]["manifest"].as_str().unwrap());
        let manifest = running.call(manifest, &centre).await.unwrap();
        assert_eq!(manifest.json()["as_of"], first["as_of"]);
        let late = json!({
            "citizen_id": nobody(60), "name": "某某", "hukou_region": "320706", "person_status": "0",
        });
        let push = Call::push(RESIDENT, NDJSON, format!("{late}\n"));
        assert_eq!(running.call(push, &gateway.partner(POLICE)).await.unwrap().status, 202);
        eventually("the row is in the registry", 20, || {
            registry_count(&gateway.registry(), "public_security_resident") == 7
        });
        let since = with(population(), "select", json!({ "since": as_of }));
        let (second, content) = pulled(&running, &centre, &since).await;
        assert!(String::from_utf8_lossy(&content.body).contains(&nobody(60)));
        assert!(second["as_of"].as_str() > Some(as_of.as_str()));
        // Nothing came in between, but marks are inclusive: the last transaction's is told again.
        let again = second["as_of"].clone();
        let since = with(population(), "select", json!({ "since": again }));
        let (third, _) = pulled(&running, &centre, &since).await;
        assert_eq!((&third["rows"], &third["as_of"]), (&json!(1), &again));
    });
}

/// Two characters that stand for a number below 100.
fn numbered(n: u32) -> String {
    let digit = |d: u32| "甲乙丙丁戊己庚辛壬癸".chars().nth(d as usize).unwrap();
    format!("{}{}", digit(n / 10), digit(n % 10))
}

#[test]
fn a_narrower_grant_ends_what_was_prepared_under_the_wider_one_and_rows_without_ids_tell_no_order() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let registry = gateway.partner(REGISTRY);
        let feed: String = (0..90)
            .map(|n| {
                let line = json!({
                    "citizen_id": nobody(n), "name": numbered(n), "hukou_region": "320706", "person_status": "0",
                });
                format!("{line}\n")
            })
            .collect();
        let push = Call::push(RESIDENT, NDJSON, feed);
        assert_eq!(running.call(push, &gateway.partner(POLICE)).await.unwrap().status, 202);
        eventually("the rows are in the registry", 20, || {
            registry_count(&gateway.registry(), "public_security_resident") == 90
        });
        let (wide, content_before) = pulled(&running, &registry, &population()).await;
        assert!(text(&content_before).contains(&nobody(0)));

        crate::policies::next(&gateway, "narrower", "agreements/registry.toml", |text| {
            text.replacen("keep = [\"citizen_id\", \"name\"", "keep = [\"name\"", 1)
        });
        let (code, _, error) = gateway.submit("narrower");
        assert_eq!(code, 0, "{error}");
        let late = content(&running, &registry, &wide).await;
        assert_eq!((late.status.as_u16(), late.code().as_str()), (409, "SG4116"));
        assert_eq!(late.headers.get("retry-after"), None, "no wait brings it back");
        let state = Call::get(wide["links"]["status"].as_str().unwrap_or_default().to_owned());
        let state = running.call(state, &registry).await.unwrap().json();
        assert_eq!(
            (&state["state"], &state["code"]),
            (&json!("changed"), &json!("SG4116")),
            "{state}"
        );
        let kept = crate::policies::kept(&gateway);
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(
            (&kept[0]["x"], &kept[0]["code"]),
            (&wide["extract"], &json!("grant-changed"))
        );
        assert_eq!(std::fs::read_dir(gateway.path("extracts")).unwrap().count(), 0);

        let mut orders = Vec::new();
        for _ in 0..2 {
            let (state, answer) = pulled(&running, &registry, &population()).await;
            assert_eq!(state["rows"], 90);
            let lines = text(&answer);
            let name = |line: &str| {
                serde_json::from_str::<Value>(line).unwrap()["name"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            let names: Vec<String> = lines.lines().map(name).collect();
            assert!(!lines.contains("citizen_id"));
            orders.push(names);
        }
        let mut by_id: Vec<u32> = (0..90).collect();
        by_id.sort_by_key(|n| nobody(*n));
        let by_id: Vec<String> = by_id.into_iter().map(numbered).collect();
        for order in &orders {
            assert_ne!(*order, by_id, "the order of the ids that are withheld");
            let mut sorted = order.clone();
            sorted.sort_by_key(|name| by_id.iter().position(|known| known == name));
            assert_eq!(sorted, by_id, "each once");
        }
        assert_ne!(orders[0], orders[1], "no two extracts have one order");
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}
