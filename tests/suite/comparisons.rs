//! Comparisons: what a caller learns about somebody whose number it holds, every way of not learning it, and that nothing else is told.

mod bounds;

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use shuguan_tests::{Answer, Call, Deployment, Identity, Postgres, Running, eventually, leaves, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

const CENTRE: &str = "information-centre";
const PURPOSE: &str = "enrolment.comparison";
const LIMITS: &str = "limits = { rows_per_day = 500_000, per_subject_per_day = 3, absent_percent = 20 }";

fn claim(n: u32, name: &str) -> Value {
    json!({ "citizen_id": nobody(n), "name": name })
}

fn asking(rows: &[Value]) -> Value {
    json!({ "dataset": "population", "purpose": PURPOSE, "case": "AJ-2026-77", "rows": rows })
}

fn call(body: &Value) -> Call {
    Call::new(Method::POST, "/v1/compare")
        .header("content-type", "application/json")
        .header("idempotency-key", &uuid::Uuid::new_v4().to_string())
        .body(body.to_string())
}

fn said(answer: &Answer) -> (u16, String) {
    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), code)
}

/// The leaves of that kind and code.
fn of_kind(gateway: &Deployment, kind: &str, code: Option<&str>) -> Vec<Value> {
    let like = |leaf: &Value| leaf["k"] == kind && code.is_none_or(|code| leaf["code"] == code);
    leaves(&gateway.journal()).into_iter().filter(like).collect()
}

/// A gateway whose comparison has these limits.
fn limited(limits: &str) -> Deployment {
    let gateway = Deployment::new();
    edit(&gateway, "agreements/registry.toml", LIMITS, limits);
    gateway.sign("policies", &[]);
    gateway
}

fn edit(gateway: &Deployment, file: &str, from: &str, to: &str) {
    let path = gateway.path("policies").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file}: no {from}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

/// Residents 1 to `count` of the name 某某; the second has died.
async fn people(gateway: &Deployment, running: &Running<'_>, count: u32) {
    let feed: Vec<u8> = (1..=count).flat_map(|n| resident(&nobody(n), "某某")).collect();
    let pushed = running
        .call(Call::push(RESIDENT, NDJSON, feed), &gateway.partner(POLICE))
        .await;
    assert_eq!(pushed.unwrap().status, 202);
    let death = json!({ "cert_no": "D00000001", "citizen_id": nobody(2), "name": "某某", "death_date": "1890-01-01" });
    let death = Call::push("health/death-certificate", NDJSON, format!("{death}\n"));
    let pushed = running.call(death, &gateway.partner("health-city")).await.unwrap();
    assert_eq!(pushed.status, 202, "{:?}", pushed.body);
}

async fn in_registry(gateway: &Deployment, count: u64) {
    eventually("they are in the registry", 20, || {
        registry_count(&gateway.registry(), "public_security_resident") == count
            && registry_count(&gateway.registry(), "health_death_certificate") == 1
    });
}

async fn ask(running: &Running<'_>, centre: &Identity, rows: &[Value]) -> Answer {
    running.call(call(&asking(rows)), centre).await.unwrap()
}

#[test]
fn claims_are_answered_in_their_order_and_the_leaf_counts_them_and_names_nobody() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let centre = gateway.partner(CENTRE);
        people(&gateway, &running, 8).await;
        in_registry(&gateway, 8).await;
        let rows = [
            claim(3, "某 某"),
            claim(90, "某某"),
            claim(2, "某某"),
            claim(1, "另一人"),
        ];
        let request = call(&asking(&rows));
        let answer = running.call(request.clone(), &centre).await.unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let document = answer.json();
        let wanted = json!([
            { "name": "agree", "death_date": false }, { "name": "absent", "death_date": false },
            { "name": "agree", "death_date": true }, { "name": "differ", "death_date": false },
        ]);
        assert_eq!(document["answers"], wanted);
        assert_eq!(
            (&document["schema"], &document["rows"]),
            (&json!("shuguan.compare.v1"), &json!(4))
        );
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        for value in [
            nobody(3),
            nobody(90),
            "某某".to_owned(),
            "1890".to_owned(),
            "320706".to_owned(),
        ] {
            assert!(!text.contains(&value), "{value}");
        }
        let all = of_kind(&gateway, "compare", None);
        let [leaf] = all.as_slice() else {
            panic!("{} leaves", all.len())
        };
        assert_eq!(
            (&leaf["rows"], &leaf["abs"], &leaf["nc"]),
            (&json!(4), &json!(1), &json!(2))
        );
        assert_eq!(
            (&leaf["p"], &leaf["ds"], &leaf["pur"]),
            (&json!(CENTRE), &json!("population"), &json!(PURPOSE))
        );
        assert_eq!(leaf["x"], document["exchange"]);
        let committed = ["req", "out", "case", "ix"].map(|member| leaf[member].as_str().unwrap().starts_with("c:"));
        assert_eq!(committed, [true; 4]);

        // The same key again: the same bytes, no second leaf, nothing more is counted.
        let again = running.call(request.clone(), &centre).await.unwrap();
        assert_eq!((again.status.as_u16(), &again.body), (200, &answer.body));
        assert_eq!(again.header("idempotency-replayed"), "true");
        let key = request.header_value("idempotency-key").unwrap().to_owned();
        let other = call(&asking(&rows[..1])).header("idempotency-key", &key);
        let other = running.call(other, &centre).await.unwrap();
        assert_eq!(said(&other), (422, "SG2104".into()));
        assert_eq!(of_kind(&gateway, "compare", None).len(), 1);

        // What is told of it afterwards, to its own partner alone.
        let path = document["links"]["status"].as_str().unwrap().to_owned();
        let status = running.call(Call::get(path.clone()), &centre).await.unwrap().json();
        assert_eq!(
            (&status["kind"], &status["rows"], &status["absent"]),
            (&json!("compare"), &json!(4), &json!(1))
        );
        assert_eq!(
            running
                .call(Call::get(path), &gateway.partner(POLICE))
                .await
                .unwrap()
                .status,
            404
        );

        // After a kill the key is answered as before, and the log with its index is whole.
        running.kill();
        let running = gateway.serve();
        let again = running.call(request, &centre).await.unwrap();
        assert_eq!((again.status.as_u16(), &again.body), (200, &answer.body));
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
        let (code, out, error) = gateway.shuguan(&["doctor", "--deep", "--json", "-c", "shuguan.toml"]);
        assert!(
            !out.contains("was edited") && !out.contains("opens to something else"),
            "{code} {out}{error}"
        );
    });
}

#[test]
fn an_officer_finds_who_asked_about_whom() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let centre = gateway.partner(CENTRE);
        let answer = ask(&running, &centre, &[claim(5, "某某"), claim(6, "某某")]).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let person = |number: &str| {
            let ground = ["audit", "person", "--case", "T-1", "--why", "complaint", "--json"];
            let arguments = [&ground[..], &["-c", "officers/auditor-zhao.toml"]].concat();
            let (code, out, error) = gateway.shuguan_reading(&arguments, &format!("{number}\n"));
            assert_eq!(code, 0, "{error}");
            serde_json::from_str::<Value>(&out).unwrap()["items"]
                .as_array()
                .unwrap()
                .clone()
        };
        let items = person(&nobody(6));
        assert_eq!(items.len(), 1, "{items:?}");
        assert_eq!(
            (&items[0]["kind"], &items[0]["partner"]["id"]),
            (&json!("compare"), &json!(CENTRE))
        );
        assert_eq!(items[0]["exchange"], answer.json()["exchange"]);
        assert!(person(&nobody(7)).is_empty());
        drop(running);
    });
}

#[test]
fn every_answer_to_as_many_rows_has_the_same_length() {
    run(async {
        let gateway = limited("limits = { rows_per_day = 500_000 }");
        let running = gateway.serve();
        let centre = gateway.partner(CENTRE);
        people(&gateway, &running, 2).await;
        in_registry(&gateway, 2).await;
        let mut lengths = std::collections::BTreeSet::new();
        for rows in [
            claim(1, "某某"),
            claim(1, "另一人"),
            claim(2, "某某"),
            claim(80, "某某"),
        ] {
            let answer = ask(&running, &centre, &[rows]).await;
            assert_eq!(answer.status, 200);
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            // What stands before it says where the leaf is, whatever was asked.
            let (_, answers) = text.split_once("\"answers\":").unwrap();
            lengths.insert(answers.len());
        }
        assert_eq!(lengths.len(), 1, "{lengths:?}");
        let bytes: std::collections::BTreeSet<_> = of_kind(&gateway, "compare", None)
            .iter()
            .map(|leaf| leaf["bytes"].as_u64().unwrap())
            .collect();
        assert_eq!(bytes.len(), 1, "nor does the log tell: {bytes:?}");
        drop(running);
    });
}

#[test]
fn what_is_not_granted_or_not_brought_is_refused_whole_with_its_code() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let (centre, police) = (gateway.partner(CENTRE), gateway.partner(POLICE));
        let good = asking(&[claim(1, "某某")]);
        let with = |member: &str, value: Value| {
            let mut body = good.clone();
            body[member] = value;
            call(&body)
        };
        let row = |row: Value| with("rows", json!([claim(1, "某某"), row]));
        let twice = good
            .to_string()
            .replace("\"name\":\"某某\"", "\"name\":\"某某\",\"name\":\"另一人\"");
        let rows: Vec<Value> = (0..1_001).map(|n| claim(n, "某某")).collect();
        for (what, call, wanted) in [
            (
                "no key",
                call(&good).without("idempotency-key"),
                (400, "SG2103", "bad-idempotency-key"),
            ),
            ("no JSON", call(&good).body("{"), (400, "SG2101", "bad-request")),
            (
                "another type",
                call(&good).header("content-type", "text/csv"),
                (400, "SG2101", "bad-request"),
            ),
            (
                "an unknown member",
                with("select", json!({})),
                (400, "SG2101", "bad-request"),
            ),
            (
                "a member twice",
                call(&good).body(twice),
                (400, "SG2101", "bad-request"),
            ),
            (
                "a number",
                row(json!({ "citizen_id": 1, "name": "某某" })),
                (400, "SG2101", "bad-request"),
            ),
            ("no case", with("case", json!(" ")), (400, "SG4111", "case-required")),
            (
                "another purpose",
                with("purpose", json!("enrolment.registration")),
                (403, "SG4103", "no-grant"),
            ),
            (
                "no purpose",
                with("purpose", json!("enrolment")),
                (403, "SG4104", "bad-purpose"),
            ),
            (
                "another dataset",
                with("dataset", json!("enterprises")),
                (403, "SG4103", "no-grant"),
            ),
            (
                "no dataset",
                with("dataset", json!("people")),
                (404, "SG4108", "unknown-dataset"),
            ),
            (
                "two purposes",
                call(&good).header("exchange-purpose", "enrolment.survey"),
                (400, "SG2101", "bad-request"),
            ),
            (
                "another digest",
                call(&good).header("content-digest", "sha-256=:AAAA:"),
                (400, "SG2106", "digest-mismatch"),
            ),
            ("no rows", with("rows", json!([])), (422, "SG3107", "empty-batch")),
            (
                "too many rows",
                with("rows", rows.into()),
                (422, "SG4113", "too-many-rows"),
            ),
            (
                "no name",
                row(json!({ "citizen_id": nobody(2) })),
                (400, "SG4109", "bad-selection"),
            ),
            ("an empty name", row(claim(2, " ")), (400, "SG4109", "bad-selection")),
            ("a broken name", row(claim(2, "a1b2")), (400, "SG4109", "bad-selection")),
            (
                "a broken number",
                row(json!({ "citizen_id": "320706180101020001", "name": "某某" })),
                (400, "SG4109", "bad-selection"),
            ),
            (
                "one person twice",
                row(claim(1, "另一人")),
                (400, "SG4109", "bad-selection"),
            ),
            (
                "a field that is not required",
                row(json!({ "citizen_id": nobody(2), "name": "某某", "death_date": "1890-01-01" })),
                (403, "SG4110", "field-not-granted"),
            ),
        ] {
            let (status, code, slug) = wanted;
            let before = of_kind(&gateway, "refusal", Some(slug)).len();
            let answer = running.call(call, &centre).await.unwrap();
            assert_eq!(said(&answer), (status, code.into()), "{what}: {:?}", answer.body);
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            for value in [
                nobody(1),
                nobody(2),
                "某某".to_owned(),
                "a1b2".to_owned(),
                "320706180101020001".to_owned(),
            ] {
                assert!(!text.contains(&value), "{what}: {text}");
            }
            let after = of_kind(&gateway, "refusal", Some(slug));
            assert_eq!(after.len(), before + 1, "{what}");
            assert_eq!(after.last().unwrap()["at"], "compare");
        }
        let answer = running.call(call(&good), &police).await.unwrap();
        assert_eq!(said(&answer), (403, "SG1107".into()));
        let answer = running.call(row(claim(2, "a1b2")), &centre).await.unwrap().json();
        assert_eq!(
            answer["errors"][0],
            json!({
                "row": 2, "line": 2, "field": "name", "code": "SG3222", "title": "姓名含有数字或乱码",
            })
        );
        assert!(of_kind(&gateway, "compare", None).is_empty());
        drop(running);
    });
}

#[test]
fn a_grant_that_is_gone_answers_no_more() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let centre = gateway.partner(CENTRE);
        assert_eq!(ask(&running, &centre, &[claim(1, "某某")]).await.status, 200);
        let copied = std::process::Command::new("cp")
            .args(["-r", "policies", "new"])
            .current_dir(gateway.root())
            .status();
        assert!(copied.unwrap().success());
        let path = gateway.path("new/agreements/registry.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let at = text.find("# 比对").unwrap();
        std::fs::write(&path, &text[..at]).unwrap();
        std::fs::remove_dir_all(gateway.path("new/tests")).unwrap();
        gateway.sign("new", &[]);
        let (code, _, error) = gateway.submit("new");
        assert_eq!(code, 0, "{error}");
        let answer = ask(&running, &centre, &[claim(1, "某某")]).await;
        assert_eq!(said(&answer), (403, "SG4103".into()));
        assert_eq!(of_kind(&gateway, "compare", None).len(), 1);
        drop(running);
    });
}

#[test]
fn the_command_tells_the_answers_and_keeps_a_receipt_that_verifies() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        people(&gateway, &running, 2).await;
        in_registry(&gateway, 2).await;
        let file = gateway.path("claims.ndjson");
        let lines = format!("{}\n\n{}\n", claim(1, "某某"), claim(2, "另一人"));
        std::fs::write(&file, lines).unwrap();
        let client = ["-c", "partners/information-centre/client.toml"];
        let compare = |file: &str, more: &[&str]| {
            let ask = [
                "compare",
                file,
                "--dataset",
                "population",
                "--purpose",
                PURPOSE,
                "--case",
                "A-1",
            ];
            gateway.shuguan(&[&ask[..], more, &client].concat())
        };
        let (code, out, error) = compare("claims.ndjson", &["--json"]);
        assert_eq!(code, 0, "{error}");
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            document["answers"],
            json!([
                { "name": "agree", "death_date": false }, { "name": "differ", "death_date": false },
            ])
        );
        let receipt = document["calls"][0]["receipt"].as_str().unwrap();
        let (code, said, error) =
            gateway.shuguan(&["verify", "receipt", receipt, "--trust", "trust/trust.txt", "--json"]);
        assert_eq!(code, 0, "{said}{error}");
        assert!(
            said.contains("had 2 rows of claims compared with `population`"),
            "{said}"
        );
        let (code, out, error) = compare("claims.ndjson", &["--format", "tsv"]);
        assert_eq!(code, 0, "{error}");
        assert!(
            out.contains("differ") && !out.contains("某某") && !out.contains(&nobody(1)),
            "{out}"
        );
        // The kit has a message key, so the request was signed, and its leaf commits to that.
        for (text, code, wanted) in [
            ("{\"citizen_id\":1}\n", 1, "claims.ndjson:1"),
            ("", 1, "the file holds no claim"),
            ("{\"citizen_id\":\"x\",\"name\":\"某某\"}\n", 3, "SG4109"),
        ] {
            std::fs::write(&file, text).unwrap();
            let (found, out, error) = compare("claims.ndjson", &[]);
            assert_eq!((found, out.as_str()), (code, ""), "{error}");
            assert!(error.contains(wanted) && !error.contains("某某"), "{error}");
        }
        let (code, _, error) = compare("none.ndjson", &[]);
        assert_eq!(code, 1, "{error}");
        drop(running);
    });
}

#[test]
fn a_postgresql_registry_answers_alike_and_one_that_is_down_answers_nothing() {
    let Some(postgres) = Postgres::start("comparisons", &[]) else {
        return;
    };
    run(async {
        let gateway = Deployment::on(&postgres, |text| text);
        let running = gateway.serve();
        let centre = gateway.partner(CENTRE);
        people(&gateway, &running, 3).await;
        eventually("they are in the registry", 20, || {
            postgres.query("SELECT count(*) FROM public_security_resident") == ["3"]
                && postgres.query("SELECT count(*) FROM health_death_certificate") == ["1"]
        });
        let rows = [claim(2, "某某"), claim(77, "某某"), claim(1, "另一人")];
        let answer = ask(&running, &centre, &rows).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(
            answer.json()["answers"],
            json!([
                { "name": "agree", "death_date": true }, { "name": "absent", "death_date": false },
                { "name": "differ", "death_date": false },
            ])
        );
        drop(postgres);
        let answer = ask(&running, &centre, &rows).await;
        assert_eq!(said(&answer), (503, "SG6101".into()));
        assert_eq!(of_kind(&gateway, "compare", None).len(), 1);
        assert_eq!(of_kind(&gateway, "refusal", Some("registry-unavailable")).len(), 1);
        drop(running);
    });
}

/// The key is held until the answer is sealed, so that whoever asks again has that answer, and the question is charged once.
#[test]
fn a_comparison_whose_asker_hangs_up_is_carried_to_its_end_and_answered_when_he_asks_again() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let centre = gateway.partner(CENTRE);
        people(&gateway, &running, 3).await;
        in_registry(&gateway, 3).await;
        let asked = call(&asking(&[claim(1, "某某")]));
        let key = asked.header_value("idempotency-key").unwrap().to_owned();
        let other = rusqlite::Connection::open(gateway.journal()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(500), running.call(asked, &centre));
        assert!(waited.await.is_err(), "it cannot be sealed now");
        other.execute_batch("ROLLBACK").unwrap();
        eventually("it is in the log", 10, || gateway.leaves_of("compare").len() == 1);
        let again = call(&asking(&[claim(1, "某某")])).header("idempotency-key", &key);
        let answer = running.call(again, &centre).await.unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.header("idempotency-replayed"), "true");
        assert_eq!(gateway.leaves_of("compare").len(), 1);
        assert_eq!(running.stop(), Some(0));
    });
}
