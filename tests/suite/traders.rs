//! Persons who trade: their tax number is a resident id, and what the tax register says of them is no business of an extract of units.

use http::Method;
use serde_json::{Value, json};
use shuguan_tests::{Call, Deployment, eventually, registry_count, run};

use crate::feeds::{NDJSON, nobody};

const NAME: &str = "许三某";
const HOME: &str = "不外传路一号";

#[test]
fn an_extract_of_units_has_neither_number_nor_name_nor_home_of_a_person_who_trades_and_a_search_finds_the_push() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let trader = json!({
            "tax_reg_seq": "T1", "taxpayer_id": nobody(1), "taxpayer_name": NAME, "legal_rep_name": NAME,
            "op_address": HOME, "op_region": "320706", "taxpayer_status": "03",
        });
        let unit = json!({
            "tax_reg_seq": "T2", "taxpayer_id": "913207000000000004", "taxpayer_name": "甲厂", "op_address": "某园1号",
            "op_region": "320706", "taxpayer_status": "03",
        });
        let push = Call::push("tax/registration", NDJSON, format!("{trader}\n{unit}\n"));
        let pushed = running.call(push, &gateway.partner("tax-city")).await.unwrap();
        assert_eq!(pushed.status, 202, "{:?}", pushed.body);
        eventually("the rows are in the registry", 20, || {
            registry_count(&gateway.registry(), "tax_registration") == 2
        });
        let centre = gateway.partner("information-centre");
        let asked = json!({ "dataset": "enterprises", "purpose": "enrolment.registration", "case": "AJ-2026-001" });
        let asked = Call::new(Method::POST, "/v1/extracts")
            .header("content-type", "application/json")
            .body(asked.to_string());
        let begun = running.call(asked, &centre).await.unwrap();
        assert_eq!(begun.status, 202, "{:?}", begun.body);
        let state = Call::get(begun.header("location")).header("prefer", "wait=20");
        let state = running.call(state, &centre).await.unwrap().json();
        assert_eq!(state["state"], "ready", "{state}");
        let content = Call::get(state["links"]["content"].as_str().unwrap());
        let content = running.call(content, &centre).await.unwrap();
        let content = String::from_utf8(content.body.to_vec()).unwrap();
        assert_eq!(content.lines().count(), 2);
        for hidden in [nobody(1).as_str(), NAME, HOME, "trader"] {
            assert!(!content.contains(hidden), "{hidden}: {content}");
        }
        let lines: Vec<Value> = content
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let unit = lines.iter().find(|line| line["name"] == "甲厂").unwrap();
        assert_eq!(
            (&unit["taxpayer_id"], &unit["address"]),
            (&json!("913207000000000004"), &json!("某园1号"))
        );
        let arguments = [
            "audit",
            "person",
            "--case",
            "T-1",
            "--why",
            "complaint",
            "--json",
            "-c",
            "officers/auditor-zhao.toml",
        ];
        let (code, out, error) = gateway.shuguan_reading(&arguments, &format!("{}\n", nobody(1)));
        assert_eq!(code, 0, "{error}");
        let found: Value = serde_json::from_str(&out).unwrap();
        let found: Vec<&Value> = found["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["exchange"])
            .collect();
        assert_eq!(found, [&pushed.json()["exchange"]]);
        drop(running);
    });
}
