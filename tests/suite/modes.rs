//! `Exchange-Mode`, `Exchange-Scope`, `Exchange-Count`: what contradicts itself is refused, what was said is sealed.

use shuguan_tests::{Answer, Call, Deployment, Identity, Running, leaves, run};

use crate::feeds::{CSV_UTF8, NDJSON, POLICE, RESIDENT, clean, nobody, resident};

const KEY: &str = "counted-batch-1";

fn push() -> Call {
    Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某")).header("idempotency-key", KEY)
}

async fn send(running: &Running<'_>, call: Call, identity: &Identity) -> Answer {
    running.call(call, identity).await.expect("an answer")
}

fn of_kind(gateway: &Deployment, kind: &str) -> Vec<serde_json::Value> {
    leaves(&gateway.journal())
        .into_iter()
        .filter(|leaf| leaf["k"] == kind)
        .collect()
}

#[test]
fn a_manner_that_contradicts_itself_is_refused_before_the_body() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let snapshot = || push().header("exchange-mode", "snapshot").header("exchange-count", "1");
        for (call, code) in [
            (push().header("exchange-mode", "snapshot"), "SG2119"),
            (
                push()
                    .header("exchange-mode", "snapshot")
                    .header("exchange-scope", "all"),
                "SG2119",
            ),
            (snapshot(), "SG2119"),
            (snapshot().header("exchange-scope", "hukou_region=everywhere"), "SG2119"),
            (snapshot().header("exchange-scope", "name=x"), "SG2119"),
            (snapshot().header("exchange-scope", "nothing=320706"), "SG2119"),
            (push().header("exchange-scope", "all"), "SG2119"),
            (
                push().header("exchange-mode", "delta").header("exchange-scope", "all"),
                "SG2119",
            ),
            (push().header("exchange-count", "one"), "SG2119"),
            (push().header("exchange-count", "-1"), "SG2119"),
            (push().header("exchange-mode", "replace"), "SG2113"),
        ] {
            let answer = send(&running, call, &police).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (400, code),
                "{:?}",
                answer.body
            );
        }
        // None of them stuck to the key.
        assert_eq!(send(&running, push(), &police).await.status, 202);
        let log = leaves(&gateway.journal());
        assert_eq!(log.iter().filter(|leaf| leaf["code"] == "bad-manner").count(), 10);
        assert!(!log.iter().any(|leaf| leaf.to_string().contains("everywhere")));
    });
}

#[test]
fn a_count_that_does_not_hold_refuses_the_batch_and_one_that_holds_is_sealed() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let feed = clean(RESIDENT, CSV_UTF8, 20, 1);
        let push = |count: &str, key: &str| {
            let call = Call::push(RESIDENT, CSV_UTF8, feed.clone());
            call.header("exchange-count", count).header("idempotency-key", key)
        };
        for count in ["19", "21", "0"] {
            let first = send(&running, push(count, count), &police).await;
            assert_eq!((first.status.as_u16(), first.code().as_str()), (422, "SG3111"));
            let hint = first.json()["errors"][0]["hint"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(hint.contains(&format!("stated {count}, received 20")), "{hint}");
            assert_eq!(send(&running, push(count, count), &police).await.body, first.body);
        }
        let accepted = send(&running, push("20", KEY), &police).await;
        assert_eq!(accepted.status, 202);
        // Another count is other content, and so is none.
        assert_eq!(send(&running, push("21", KEY), &police).await.code(), "SG2104");
        let none = Call::push(RESIDENT, CSV_UTF8, feed.clone()).header("idempotency-key", KEY);
        assert_eq!(send(&running, none, &police).await.code(), "SG2104");
        let again = send(&running, push("20", KEY), &police).await;
        assert_eq!(
            (&again.body, again.header("idempotency-replayed")),
            (&accepted.body, "true")
        );
        let pushes = of_kind(&gateway, "push");
        assert_eq!(pushes.len(), 1);
        assert_eq!((&pushes[0]["cnt"], pushes[0].get("mode")), (&20.into(), None));
    });
}
