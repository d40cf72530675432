//! What is accepted is counted, proved, relayed, and readable by its own partner only.

use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;
use shuguan_tests::{Answer, Call, Deployment, Running, eventually, leaves, registry_count, registry_rows, run};

use crate::feeds::{ALL, NDJSON, POLICE, RESIDENT, clean, dirty, nobody, resident};
use shuguan_adapters::sample::Dirt;

/// The trust file of a deployment.
pub fn trust(deployment: &Deployment) -> Trust {
    let text = std::fs::read_to_string(deployment.path("trust/trust.txt")).expect("a trust file");
    Trust::parse(&text).expect("trust")
}

fn number(answer: &Answer, member: &str) -> u64 {
    answer.json()[member]
        .as_u64()
        .unwrap_or_else(|| panic!("no {member}: {:?}", answer.json()))
}

/// Waits until an exchange is in the registry.
pub async fn relayed(running: &Running<'_>, deployment: &Deployment, partner: &str, exchange: &str) {
    for _ in 0..400 {
        let call = Call::get(format!("/v1/exchanges/{exchange}"));
        let answer = running
            .call(call, &deployment.partner(partner))
            .await
            .expect("an answer");
        if answer.json()["state"] == "relayed" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("not relayed within 10 s");
}

#[test]
fn a_feed_in_every_form_over_both_protocols_is_accepted_proved_and_relayed() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let mut total = 0;
        for (at, content_type) in ALL.into_iter().enumerate() {
            for protocol in ["h2", "http/1.1"] {
                let seed = at as u64 * 2 + u64::from(protocol == "h2");
                let feed = dirty(RESIDENT, content_type, 300, seed, Dirt::spread(6.0));
                let identity = deployment.partner(POLICE).speaking(protocol);
                let answer = running
                    .call(Call::push(RESIDENT, content_type, feed), &identity)
                    .await
                    .expect("an answer");
                assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
                let parts = ["accepted", "rejected", "filtered", "repeated"].map(|part| number(&answer, part));
                assert_eq!(number(&answer, "received"), parts.iter().sum::<u64>());
                assert_eq!(number(&answer, "received"), 300);
                assert!(parts[0] > 200 && parts[1] > 0, "{parts:?}");
                total += parts[0];
                let exchange = answer.json()["exchange"].as_str().expect("an id").to_owned();
                assert_eq!(answer.header("location"), format!("/v1/exchanges/{exchange}"));
                let receipt = Receipt::parse(answer.json()["receipt"].as_str().expect("a receipt")).expect("a receipt");
                let proven = receipt.verify(&trust(&deployment)).expect("it verifies");
                assert_eq!(proven.leaf.event.exchange(), Some(exchange.as_str()));
                relayed(&running, &deployment, POLICE, &exchange).await;
            }
        }
        let rows = registry_count(&deployment.path("registry/registry.db"), "public_security_resident");
        // Samples of different seeds may share persons, so there are at most as many rows as were accepted.
        assert!(rows > 0 && rows <= total, "{rows} of {total}");
    });
}

#[test]
fn rejects_name_row_line_field_and_code_and_never_a_value() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let mut feed = Vec::new();
        for n in 0..9 {
            feed.extend(resident(&nobody(n), "甲"));
        }
        let bad = String::from_utf8(resident(&nobody(9), "乙丙丁"))
            .unwrap()
            .replace("\"birth_date\":\"1801", "\"birth_date\":\"1899");
        feed.extend(bad.into_bytes());
        let identity = deployment.partner(POLICE);
        let answer = running
            .call(Call::push(RESIDENT, NDJSON, feed), &identity)
            .await
            .expect("an answer");
        assert_eq!(answer.status, 202);
        assert_eq!((number(&answer, "accepted"), number(&answer, "rejected")), (9, 1));
        let exchange = answer.json()["exchange"].as_str().unwrap().to_owned();
        let report = running
            .call(Call::get(format!("/v1/exchanges/{exchange}/rejects")), &identity)
            .await
            .unwrap();
        let line: serde_json::Value = serde_json::from_slice(&report.body).expect("one line");
        assert_eq!((line["row"].as_u64(), line["line"].as_u64()), (Some(10), Some(10)));
        assert_eq!(line["field"], "birth_date");
        assert!(line["code"].as_str().unwrap().starts_with("SG32"));
        let text = String::from_utf8_lossy(&report.body).into_owned();
        assert!(!text.contains("1899") && !text.contains("乙丙丁"), "{text}");
    });
}

#[test]
fn one_bad_record_does_not_cost_the_others_and_a_later_row_replaces_an_earlier_one() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let identity = deployment.partner(POLICE);
        for name in ["甲", "乙"] {
            let call = Call::push(RESIDENT, NDJSON, resident(&nobody(1), name));
            let answer = running.call(call, &identity).await.unwrap();
            assert_eq!(answer.status, 202);
            let exchange = answer.json()["exchange"].as_str().unwrap().to_owned();
            relayed(&running, &deployment, POLICE, &exchange).await;
        }
        let names = registry_rows(
            &deployment.path("registry/registry.db"),
            "SELECT name FROM public_security_resident",
        );
        assert_eq!(names, ["乙"]);
    });
}

#[test]
fn an_exchange_of_another_partner_looks_as_if_it_were_not_there() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let call = Call::push(RESIDENT, NDJSON, clean(RESIDENT, NDJSON, 3, 1));
        let answer = running.call(call, &deployment.partner(POLICE)).await.unwrap();
        let exchange = answer.json()["exchange"].as_str().unwrap().to_owned();
        for path in ["", "/receipt", "/rejects"] {
            let foreign = Call::get(format!("/v1/exchanges/{exchange}{path}"))
                .header("request-id", &uuid::Uuid::nil().to_string());
            let absent = Call::get(format!("/v1/exchanges/{}{path}", uuid::Uuid::max()))
                .header("request-id", &uuid::Uuid::nil().to_string());
            let foreign = running.call(foreign, &deployment.partner("health-city")).await.unwrap();
            let absent = running.call(absent, &deployment.partner("health-city")).await.unwrap();
            assert_eq!((foreign.status, &foreign.body), (absent.status, &absent.body));
            assert_eq!((foreign.status.as_u16(), foreign.code().as_str()), (404, "SG2114"));
        }
    });
}

#[test]
fn stopping_drains_and_seals_a_stop_leaf() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let call = Call::push(RESIDENT, NDJSON, clean(RESIDENT, NDJSON, 3, 1));
        running.call(call, &deployment.partner(POLICE)).await.unwrap();
        assert_eq!(running.stop(), Some(0));
        let leaves = leaves(&deployment.path("journal/journal.db"));
        assert_eq!(leaves.last().unwrap()["k"], "stop");
        assert!(leaves.iter().any(|leaf| leaf["k"] == "start"));
        assert!(deployment.verified_log().contains("有效"));
    });
}

#[test]
fn the_health_pages_say_that_it_is_ready_and_count() {
    let deployment = Deployment::new();
    let running = deployment.serve();
    assert_eq!(running.health("/healthz").map(|(status, _)| status), Some(200));
    let (status, body) = running.health("/readyz").unwrap();
    assert_eq!(status, 200);
    eventually("the checks are there", 5, || {
        running
            .health("/readyz")
            .is_some_and(|(_, body)| body.contains("\"crl\"") && body.contains("\"journal\""))
    });
    assert!(body.contains("\"ready\":true"), "{body}");
    assert_eq!(running.health("/metrics").map(|(status, _)| status), Some(200));
}

#[test]
fn a_batch_of_which_no_row_is_released_is_not_missed_in_the_registry() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let elsewhere = String::from_utf8(resident(&nobody(1), "某某")).unwrap();
        let elsewhere = elsewhere.replace(r#""hukou_region":"320706""#, r#""hukou_region":"110101""#);
        let call = Call::push(RESIDENT, NDJSON, elsewhere);
        let answer = running.call(call, &gateway.partner(POLICE)).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.json()["accepted"]), (202, &0.into()));
        eventually("it is relayed", 20, || gateway.leaves_of("relayed").len() == 1);
        let (code, out, error) = gateway.shuguan(&["db", "fsck", "-c", "shuguan.toml", "--json"]);
        assert_eq!(code, 0, "{out}{error}");
        assert_eq!(running.stop(), Some(0));
        // It is looked at behind a start, and each minute.
        let running = gateway.serve();
        let kept = || running.health("/readyz").unwrap_or_default().1;
        eventually("the registry was asked", 20, || {
            kept().contains("it holds what was relayed last")
        });
        assert_eq!(running.stop(), Some(0));
    });
}
