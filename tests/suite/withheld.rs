//! What the registry is told of rows that its grant withholds: nothing, not even how many there are.

use http::Method;
use serde_json::{Value, json};
use shuguan_ledger::leaf::Event;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;
use shuguan_tests::{Call, Deployment, eventually, leaves, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody};

/// Two residents of the county that the grant names, and so many of another one between them in the order of their numbers.
fn residents(others: u32) -> String {
    let lines = (0..2 + others).map(|n| {
        let region = if n == 0 || n == 1 + others { "320707" } else { "320706" };
        let line = json!({ "citizen_id": nobody(n), "name": "某某", "hukou_region": region, "person_status": "0" });
        format!("{line}\n")
    });
    lines.collect()
}

/// A gateway whose registry may have the residents of one county.
fn of_one_county() -> Deployment {
    let gateway = Deployment::new();
    let path = gateway.path("policies/agreements/registry.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let from = "select_by = [\"hukou_region\", \"updated_at\"]";
    assert!(text.contains(from));
    let filter = format!("rows = [{{ field = \"hukou_region\", prefix = [\"320707\"] }}]\n{from}");
    std::fs::write(&path, text.replacen(from, &filter, 1)).unwrap();
    gateway.sign("policies", &[]);
    gateway
}

/// All that the registry is told of an extract but what is its own each time: ids, times, hashes, signatures.
fn told(mut document: Value) -> Value {
    let own = [
        "exchange",
        "extract",
        "index",
        "links",
        "as_of",
        "repr_digest",
        "sealed_at",
        "witnessed",
    ];
    if let Some(members) = document.as_object_mut() {
        members.retain(|name, _| !own.contains(&name.as_str()));
    }
    document
}

#[test]
fn how_many_rows_a_grant_withholds_is_told_neither_by_the_state_nor_by_the_receipt_nor_by_the_opening() {
    run(async {
        let mut worlds = Vec::new();
        // More than the registry reads at once.
        for others in [0, 1_500] {
            let gateway = of_one_county();
            let running = gateway.serve();
            let feed = Call::push(RESIDENT, NDJSON, residents(others));
            assert_eq!(running.call(feed, &gateway.partner(POLICE)).await.unwrap().status, 202);
            eventually("the rows are in the registry", 20, || {
                registry_count(&gateway.registry(), "public_security_resident") == u64::from(2 + others)
            });
            let registry = gateway.partner("information-centre");
            let request = Call::new(Method::POST, "/v1/extracts")
                .header("content-type", "application/json")
                .body(r#"{"dataset":"population","purpose":"enrolment.registration","case":"A-1"}"#);
            let begun = running.call(request, &registry).await.unwrap();
            let wait = Call::get(begun.header("location")).header("prefer", "wait=20");
            let state = running.call(wait, &registry).await.unwrap().json();
            assert_eq!(
                (&state["state"], &state["rows"]),
                (&json!("ready"), &json!(2)),
                "{state}"
            );
            let exchange = state["extract"].as_str().unwrap();
            let status = Call::get(format!("/v1/exchanges/{exchange}"));
            let status = running.call(status, &registry).await.unwrap().json();
            assert!(status.get("filtered").is_none(), "{status}");
            let receipt = Call::get(format!("/v1/exchanges/{exchange}/receipt"));
            let receipt = running.call(receipt, &registry).await.unwrap();
            let trust = Trust::parse(&std::fs::read_to_string(gateway.path("trust/trust.txt")).unwrap()).unwrap();
            let receipt = Receipt::parse(std::str::from_utf8(&receipt.body).unwrap()).unwrap();
            let Event::Pull(pull) = receipt.verify(&trust).unwrap().leaf.event else {
                unreachable!("it is a pull")
            };
            assert_eq!((pull.rows, pull.fil), (2, None));
            let leaf = leaves(&gateway.journal())
                .into_iter()
                .find(|leaf| leaf["k"] == "pull")
                .unwrap();
            assert!(leaf.get("fil").is_none(), "{leaf}");
            let opening = Call::get(format!("/v1/exchanges/{exchange}/receipt"));
            let opening = opening.header("accept", "application/vnd.shuguan.opening+json");
            let opening = running.call(opening, &registry).await.unwrap().json();
            // Where parts end would say how many stood between.
            assert_eq!(opening["parts"], "2", "{opening}");
            worlds.push((told(state), told(status)));
        }
        assert_eq!(worlds[0], worlds[1]);
    });
}
