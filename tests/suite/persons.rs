//! Finding by person: the number is nowhere, both leaves are there, and who may ask, how often, and for what.

use serde_json::{Value, json};
use shuguan_tests::{Call, Deployment, Running, eventually, leaves, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

const AUDITOR: &str = "auditor-zhao";

fn person(gateway: &Deployment, officer: &str, number: &str, more: &[&str]) -> (i32, Value, String) {
    let settings = format!("officers/{officer}.toml");
    let ground = [
        "audit",
        "person",
        "--case",
        "T-2026-31",
        "--why",
        "complaint",
        "-c",
        &settings,
    ];
    let (code, out, error) = gateway.shuguan_reading(&[&ground[..], more].concat(), &format!("{number}\n"));
    (code, serde_json::from_str(&out).unwrap_or(Value::String(out)), error)
}

/// The exchanges in which the person was found, newest first.
pub(crate) fn found(gateway: &Deployment, number: &str) -> Vec<Value> {
    let (code, document, error) = person(gateway, AUDITOR, number, &["--json"]);
    assert_eq!(code, 0, "{error}");
    document["items"].as_array().unwrap().clone()
}

/// The report for the person.
pub(crate) fn report(gateway: &Deployment, number: &str) -> String {
    let (code, report, error) = person(gateway, AUDITOR, number, &["--report", "-"]);
    assert_eq!(code, 0, "{error}");
    report.as_str().unwrap().to_owned()
}

async fn push(running: &Running<'_>, gateway: &Deployment, people: std::ops::Range<u32>) -> String {
    let feed: Vec<u8> = people.flat_map(|n| resident(&nobody(n), "某某")).collect();
    let answer = running
        .call(Call::push(RESIDENT, NDJSON, feed), &gateway.partner(POLICE))
        .await
        .unwrap();
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    answer.json()["exchange"].as_str().unwrap().to_owned()
}

/// The leaves of that kind.
#[test]
fn an_officer_learns_who_sent_and_who_received_a_person_and_the_number_is_nowhere() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let one = push(&running, &gateway, 1..2).await;
        let many = push(&running, &gateway, 0..400).await;
        eventually("they are in the registry", 20, || {
            registry_count(&gateway.registry(), "person") == 400
        });
        let pull = [
            "pull",
            "population",
            "--purpose",
            "enrolment.registration",
            "--case",
            "D-1",
            "-o",
            "out.ndjson",
        ];
        let (code, _, error) =
            gateway.shuguan(&[&pull[..], &["-c", "partners/information-centre/client.toml"]].concat());
        assert_eq!(code, 0, "{error}");

        let items = found(&gateway, &nobody(1));
        let kinds: Vec<_> = items.iter().map(|item| item["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["pull", "push", "push"], "newest first");
        assert_eq!(
            (&items[1]["exchange"], &items[2]["exchange"]),
            (&json!(many), &json!(one))
        );
        assert_eq!(items[0]["partner"]["id"], "information-centre");
        assert_eq!(items[2]["data"]["id"], RESIDENT);
        let fields = items[2]["fields"].as_array().unwrap();
        assert!(
            fields
                .iter()
                .any(|field| field["name"] == "citizen_id" && field["operator"] == "keep")
        );
        assert_eq!(found(&gateway, &nobody(399)).len(), 2);
        assert_eq!(found(&gateway, &nobody(400)).len(), 0);

        // The report is for the person, and does not repeat the number.
        let report = report(&gateway, &nobody(1));
        assert!(
            report.contains("涉及的交换：3 次") && report.contains("社会保险法第57条第3款"),
            "{report}"
        );
        assert!(!report.contains(&nobody(1)));

        let (queries, results) = (gateway.leaves_of("officer-query"), gateway.leaves_of("officer-result"));
        assert_eq!((queries.len(), results.len()), (4, 4));
        let counts: Vec<_> = results.iter().map(|leaf| leaf["cnt"].as_u64().unwrap()).collect();
        assert_eq!(counts, [3, 2, 0, 3]);
        assert!(
            queries
                .iter()
                .all(|leaf| leaf["q"] == "by-person" && leaf["who"] == AUDITOR)
        );
        assert!(
            gateway
                .leaves_of("push")
                .iter()
                .all(|leaf| leaf["ix"].as_str().unwrap().starts_with("c:"))
        );
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
        for text in [gateway.log(), format!("{:?}", leaves(&gateway.journal()))] {
            assert!(!text.contains(&nobody(1)) && !text.contains("T-2026-31"));
        }
    });
}

#[test]
fn a_gateway_without_the_key_of_the_year_does_not_start_and_a_lost_one_is_named_in_every_answer() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        push(&running, &gateway, 1..2).await;
        eventually("it is in the registry", 20, || {
            registry_count(&gateway.registry(), "person") == 1
        });
        let (_, whole, _) = person(&gateway, AUDITOR, &nobody(1), &["--json"]);
        assert_eq!(
            (whole["complete"].as_bool(), found(&gateway, &nobody(1)).len()),
            (Some(true), 1)
        );
        assert_eq!(running.stop(), Some(0));
        let folder = gateway.path("keys/index");
        let key = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        let year = key.file_stem().unwrap().to_str().unwrap().to_owned();
        let aside = gateway.path("keys/aside.key");
        std::fs::rename(&key, &aside).unwrap();
        let (code, error) = gateway.serve_in_vain();
        assert_eq!(code, 1, "{error}");
        assert!(
            error.contains("it is not there, and exchanges of") && error.contains(".lost"),
            "{error}"
        );
        assert!(!key.exists(), "no second key is made");
        // Another key in its place.
        std::fs::copy(gateway.path("keys/index.key"), &key).unwrap();
        let (code, error) = gateway.serve_in_vain();
        assert_eq!(code, 1, "{error}");
        assert!(error.contains("it is another key than the one"), "{error}");
        std::fs::remove_file(&key).unwrap();
        std::fs::rename(&aside, &key).unwrap();
        let running = gateway.serve();
        assert_eq!(found(&gateway, &nobody(1)).len(), 1);
        assert_eq!(running.stop(), Some(0));

        std::fs::remove_file(&key).unwrap();
        std::fs::write(folder.join(format!("{year}.lost")), "").unwrap();
        let running = gateway.serve();
        let (code, document, error) = person(&gateway, AUDITOR, &nobody(1), &["--json"]);
        assert_eq!(code, 0, "{error}");
        assert_eq!(document["items"].as_array().unwrap().len(), 0);
        assert_eq!(document["complete"], false);
        assert_eq!(document["years"], json!([{ "year": year, "reach": "partly" }]));
        let (_, _, error) = person(&gateway, AUDITOR, &nobody(1), &[]);
        assert!(error.contains("this answer is not complete"), "{error}");
        let (_, report, _) = person(&gateway, AUDITOR, &nobody(1), &["--report", "-"]);
        let report = report.as_str().unwrap();
        assert!(
            report.contains("涉及的交换：0 次（不完整，见未检索或部分检索的年度）"),
            "{report}"
        );
        assert!(report.contains(&format!("部分检索年度：{year}（")), "{report}");
        // What comes from now on is found.
        push(&running, &gateway, 2..3).await;
        assert_eq!(found(&gateway, &nobody(2)).len(), 1);
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

/// Seventeen digits of a resident id may be the number of something else, so they are looked for; nobody shall read the `0` as an answer about the person.
#[test]
fn a_number_that_is_no_id_and_filters_that_nobody_knows_are_told_beside_the_empty_answer() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        push(&running, &gateway, 1..2).await;
        let kind = |number: &str| person(&gateway, AUDITOR, number, &["--json"]).1["number"].clone();
        assert_eq!(kind(&nobody(1)), "resident-id");
        assert_eq!(kind("913207000000000004"), "credit-code");
        let cut = &nobody(1)[..17];
        assert_eq!(kind(cut), "other");
        let (code, _, error) = person(&gateway, AUDITOR, cut, &[]);
        assert!(
            code == 0 && error.contains("neither a resident id nor a credit code"),
            "{error}"
        );
        let (_, report, _) = person(&gateway, AUDITOR, cut, &["--report", "-"]);
        assert!(
            report.as_str().unwrap().contains("该号码既不是公民身份号码"),
            "{report}"
        );

        let settings = format!("officers/{AUDITOR}.toml");
        let search = |filters: &[&str]| {
            let ground = ["audit", "search", "--case", "T-1", "--why", "routine", "-c", &settings];
            gateway.shuguan(&[&ground[..], filters].concat())
        };
        let (code, out, error) = search(&["--partner", "nobody", "--record", RESIDENT, "--kind", "pushes"]);
        assert_eq!(code, 0, "{error}");
        assert!(!out.contains("nobody"), "{out}");
        for (filter, is_told) in [("--partner", true), ("--kind", true), ("--record", false)] {
            assert_eq!(
                error.contains(&format!("{filter} is none that is known today")),
                is_told,
                "{error}"
            );
        }
        let (code, _, error) = search(&["--from", "2026-11-24", "--to", "2026-11-23"]);
        assert!(code == 3 && error.contains("`to` is not after `from`"), "{error}");
        assert_eq!(running.stop(), Some(0));
    });
}

#[test]
fn who_may_not_ask_or_asks_without_ground_is_refused_and_not_told() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        push(&running, &gateway, 1..2).await;
        for officer in ["policy-sun", "operator-li"] {
            let (code, out, error) = person(&gateway, officer, &nobody(1), &["--json"]);
            assert_eq!((code, out), (3, json!("")), "{error}");
            assert!(error.contains("SG1107"), "{error}");
        }
        for number in ["张三", "1234", "32070618010102000?", "无"] {
            let (code, _, error) = person(&gateway, AUDITOR, number, &[]);
            assert_eq!(code, 3, "{number}: {error}");
            assert!(error.contains("SG2101") && !error.contains(number), "{error}");
        }
        let question = |body: Value| {
            let call = Call::new(http::Method::POST, "/console/api/person");
            call.header("content-type", "application/json").body(body.to_string())
        };
        for (body, code) in [
            (json!({ "person": nobody(1), "why": "complaint" }), "SG8101"),
            (json!({ "person": nobody(1), "case": "1", "why": "curious" }), "SG8101"),
            (
                json!({ "person": nobody(1), "case": "1", "why": "court", "partner": "x" }),
                "SG2101",
            ),
        ] {
            let answer = running
                .console(question(body), &gateway.officer(AUDITOR))
                .await
                .unwrap();
            assert_eq!(answer.json()["code"], code);
            assert!(!String::from_utf8_lossy(&answer.body).contains(&nobody(1)));
        }
        assert_eq!(gateway.leaves_of("officer-query").len(), 0);
        assert_eq!(gateway.leaves_of("officer-result").len(), 0);
    });
}

#[test]
fn the_eleventh_search_within_a_minute_waits_also_after_a_restart() {
    run(async {
        let gateway = Deployment::new();
        let mut running = gateway.serve();
        for n in 0..10 {
            if n == 5 {
                assert_eq!(running.stop(), Some(0));
                running = gateway.serve();
            }
            assert_eq!(found(&gateway, &nobody(n)).len(), 0);
        }
        let (code, _, error) = person(&gateway, AUDITOR, &nobody(11), &[]);
        assert_eq!(code, 7, "{error}");
        assert_eq!(gateway.leaves_of("officer-query").len(), 10);
        let refusals = gateway.leaves_of("refusal");
        assert!(
            refusals
                .iter()
                .any(|leaf| leaf["code"] == "rate-limited" && leaf["p"] == AUDITOR)
        );
        // Another officer is not held up.
        let (code, _, error) = person(&gateway, "security-qian", &nobody(11), &["--json"]);
        assert_eq!(code, 0, "{error}");
        drop(running);
    });
}
