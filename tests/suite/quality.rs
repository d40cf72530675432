//! The quality report of a batch: counts that add up, sealed with it, shown to its own partner, without a value.

use shuguan_adapters::sample::Dirt;
use shuguan_tests::{Answer, Call, Deployment, Running, leaves, run};

use crate::feeds::{CSV_UTF8, NDJSON, POLICE, RESIDENT, clean, dirty, nobody, resident};

async fn status(running: &Running<'_>, gateway: &Deployment, exchange: &str, partner: &str) -> Answer {
    let call = Call::get(format!("/v1/exchanges/{exchange}"));
    running.call(call, &gateway.partner(partner)).await.expect("an answer")
}

fn number(value: &serde_json::Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn the_counts_of_a_quality_report_add_up_and_are_committed_in_the_leaf() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let feed = dirty(RESIDENT, CSV_UTF8, 600, 3, Dirt::spread(8.0));
        let call = Call::push(RESIDENT, CSV_UTF8, feed);
        let answer = running
            .call(call, &gateway.partner(POLICE))
            .await
            .expect("an answer")
            .json();
        let exchange = answer["exchange"].as_str().expect("an exchange");
        let shown = status(&running, &gateway, exchange, POLICE).await;
        let quality = shown.json()["quality"].clone();
        assert_eq!((&quality["received"], &answer["received"]), (&600.into(), &600.into()));
        let rejects = quality["rejects"].as_array().expect("a list");
        let listed: u64 = rejects.iter().map(|of| number(&of["rows"])).sum();
        assert!(listed > 0 && listed == number(&answer["rejected"]), "{quality}");
        assert!(
            rejects
                .iter()
                .all(|of| of["code"].as_str().is_some_and(|code| code.starts_with("SG32")))
        );
        assert_eq!(
            number(&quality["validity"]["failed"]) + number(&quality["consistency"]["failed"]),
            listed
        );
        assert_eq!(number(&quality["uniqueness"]["failed"]), number(&answer["repeated"]));
        // Every record in a part has a citizen id, and nobody has more values than there are records.
        let rows = number(&quality["completeness"]["rows"]);
        let present = quality["completeness"]["present"].as_object().expect("fields");
        assert_eq!(number(&present["citizen_id"]), rows);
        assert!(
            present.len() > 5 && present.values().all(|count| number(count) <= rows),
            "{quality}"
        );
        assert_eq!(rows, number(&answer["accepted"]) + number(&answer["filtered"]));
        let leaf = leaves(&gateway.journal())
            .into_iter()
            .find(|leaf| leaf["k"] == "push")
            .expect("a leaf");
        assert!(
            leaf["qua"].as_str().is_some_and(|text| text.starts_with("c:")),
            "{leaf}"
        );
        assert_eq!(status(&running, &gateway, exchange, "tax-city").await.status, 404);
    });
}

#[test]
fn a_batch_that_is_refused_as_a_whole_has_a_report_too_and_neither_holds_a_value() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let mut feed = "{\"citizen_id\":\"CANARY-77215\",\"name\":\"某某\"}\n"
            .repeat(4)
            .into_bytes();
        feed.extend(resident(&nobody(1), "金丝雀"));
        let call = Call::push(RESIDENT, NDJSON, feed);
        let answer = running.call(call, &gateway.partner(POLICE)).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "SG3105"));
        let instance = answer.json()["instance"].as_str().expect("an exchange").to_owned();
        let exchange = instance.rsplit('/').next().expect("an id");
        let shown = status(&running, &gateway, exchange, POLICE).await;
        let text = String::from_utf8_lossy(&shown.body).into_owned();
        assert_eq!(number(&shown.json()["quality"]["rejects"][0]["rows"]), 4, "{text}");
        assert_eq!(shown.json()["quality"]["rejects"][0]["field"], "citizen_id");
        for value in ["CANARY", "金丝雀", &nobody(1)] {
            assert!(!text.contains(value), "{text}");
        }
    });
}

/// No row of an export that was cut to its first columns is wrong.
#[test]
fn columns_that_the_last_batch_had_and_this_one_has_not_are_named_once() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let police = gateway.partner(POLICE);
        let whole = String::from_utf8(clean(RESIDENT, CSV_UTF8, 30, 5)).unwrap();
        let cut: String = whole
            .lines()
            .map(|line| line.split(',').take(21).collect::<Vec<_>>().join(",") + "\n")
            .collect();
        let lost = |answer: &Answer| {
            let missing = answer.json()["headers"]["missing"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            missing.iter().filter(|of| of["lost"] == true).count()
        };
        for (body, expected) in [(&whole, false), (&cut, true), (&cut, false)] {
            let answer = running
                .call(Call::push(RESIDENT, CSV_UTF8, body.clone()), &police)
                .await
                .unwrap();
            assert_eq!(answer.status, 202, "{:?}", answer.body);
            assert_eq!(lost(&answer) > 0, expected, "{:?}", answer.json()["headers"]);
        }
        assert_eq!(running.stop(), Some(0));
    });
}
