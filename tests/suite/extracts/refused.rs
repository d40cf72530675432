//! Extracts that nobody gets: each with its code and its leaf, and absent for everybody else.

use serde_json::{Value, json};
use shuguan_tests::{Call, Deployment, leaves, run};

use super::{REGISTRY, failed, population, pulled, ready, request, six_residents, text, with};
use crate::feeds::POLICE;

/// Who or what, the request, status, code, slug of the leaf.
type Refusal = (&'static str, &'static str, Value, u16, &'static str, &'static str);

fn refusals() -> Vec<Refusal> {
    let select = |value| with(population(), "select", value);
    vec![
        ("an agency", POLICE, population(), 403, "SG1107", "wrong-role"),
        (
            "no such dataset",
            REGISTRY,
            with(population(), "dataset", json!("everything")),
            404,
            "SG4108",
            "unknown-dataset",
        ),
        (
            "no such purpose",
            REGISTRY,
            with(population(), "purpose", json!("marketing")),
            403,
            "SG4104",
            "bad-purpose",
        ),
        (
            "a purpose without grant",
            REGISTRY,
            with(population(), "purpose", json!("enrolment.survey")),
            403,
            "SG4103",
            "no-grant",
        ),
        (
            "no case",
            REGISTRY,
            with(population(), "case", json!(" ")),
            400,
            "SG4111",
            "case-required",
        ),
        (
            "a region that is none",
            REGISTRY,
            select(json!({ "region": "x" })),
            400,
            "SG4109",
            "bad-selection",
        ),
        (
            "a field that is not granted",
            REGISTRY,
            select(json!({ "marital_status": "1" })),
            400,
            "SG2101",
            "bad-request",
        ),
        (
            "an unknown member",
            REGISTRY,
            with(population(), "fields", json!(["phone"])),
            400,
            "SG2101",
            "bad-request",
        ),
        (
            "a form that is not offered",
            REGISTRY,
            with(population(), "form", json!("xlsx")),
            400,
            "SG2101",
            "bad-request",
        ),
    ]
}

#[test]
fn each_refused_extract_has_its_code_and_its_leaf() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        for (what, who, body, status, code, slug) in refusals() {
            let before = leaves(&gateway.journal()).len();
            let answer = running.call(request(&body), &gateway.partner(who)).await.unwrap();
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (status, code),
                "{what}: {:?}",
                answer.body
            );
            assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
            assert!(
                !text(&answer).contains("marital_status"),
                "{what}: what was asked is echoed"
            );
            let fresh = leaves(&gateway.journal()).split_off(before);
            assert_eq!(fresh.len(), 1, "{what}: {fresh:?}");
            assert_eq!(
                (fresh[0]["k"].as_str(), fresh[0]["code"].as_str()),
                (Some("refusal"), Some(slug)),
                "{what}"
            );
            assert_eq!(
                (fresh[0]["p"].as_str(), fresh[0]["at"].as_str()),
                (Some(who), Some("pull")),
                "{what}"
            );
        }
        assert_eq!(
            std::fs::read_dir(gateway.path("extracts")).unwrap().count(),
            0,
            "nothing was prepared"
        );
    });
}

#[test]
fn an_extract_is_absent_for_everybody_else() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let registry = gateway.partner(REGISTRY);
        let begun = running.call(request(&population()), &registry).await.unwrap();
        let state = ready(&running, &registry, &begun).await;
        for link in ["status", "content", "receipt"] {
            let path = state["links"][link].as_str().unwrap();
            let answer = running.call(Call::get(path), &gateway.partner(POLICE)).await.unwrap();
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (404, "SG2114"),
                "{link}"
            );
        }
    });
}

#[test]
fn an_extract_that_the_spool_has_no_room_for_fails_with_its_leaf_and_leaves_no_file() {
    run(async {
        let gateway = Deployment::with(|text| {
            text.replace("spool = \"extracts\"\n", "spool = \"extracts\"\nspool_bytes_max = 16\n")
        });
        let running = gateway.serve();
        six_residents(&gateway, &running).await;
        let centre = gateway.partner(REGISTRY);
        let begun = failed(&running, &centre).await;
        let refused: Vec<Value> = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["code"] == "spool-full")
            .collect();
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0]["x"], begun["extract"]);
        assert_eq!(std::fs::read_dir(gateway.path("extracts")).unwrap().count(), 0);
    });
}

#[test]
fn an_extract_of_more_rows_than_one_may_have_fails_with_a_leaf_that_does_not_say_to_wait() {
    run(async {
        let gateway = Deployment::new();
        let path = gateway.path("policies/agreements/registry.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let small = text.replacen("rows_per_pull = 6_000_000", "rows_per_pull = 5", 1);
        assert_ne!(small, text);
        std::fs::write(&path, small).unwrap();
        gateway.sign("policies", &[]);
        let running = gateway.serve();
        six_residents(&gateway, &running).await;
        let centre = gateway.partner(REGISTRY);
        failed(&running, &centre).await;
        let codes: Vec<Value> = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["k"] == "refusal")
            .map(|leaf| leaf["code"].clone())
            .collect();
        assert_eq!(codes, ["too-many-rows"]);
        // A narrower one goes.
        let county = with(population(), "select", json!({ "region": "320706" }));
        let (state, _) = pulled(&running, &centre, &county).await;
        assert_eq!(state["rows"], 3);
    });
}
