//! Signed answers: 202 and refusals, for those who sign, ask, or have to sign.

use shuguan_tests::run;
use shuguan_tests::signed::{Manner, verify_answer};

use super::{Scene, push};
use crate::feeds::{NDJSON, RESIDENT};

const TAG: &str = "shuguan-push-answer-1";

#[test]
fn a_202_is_signed_over_itself_and_the_request_and_names_its_leaf() {
    run(async {
        let scene = Scene::new();
        let running = scene.gateway.serve();
        let call = scene.signed(push(), &Manner::push());
        let answer = running.call(call.clone(), &scene.police).await.expect("an answer");
        assert_eq!(answer.status, 202);
        let covered = verify_answer(&answer, &call, scene.gateway.feed, &scene.receipt_pem(), TAG);
        assert_eq!(
            covered,
            [
                "@status",
                "content-type",
                "content-digest",
                "location",
                "exchange-id",
                "exchange-receipt",
                "@method;req",
                "@target-uri;req",
                "content-digest;req",
                "idempotency-key;req"
            ]
        );
        let document = answer.json();
        assert_eq!(
            answer.header("exchange-id"),
            document["exchange"].as_str().expect("an id")
        );
        let receipt = answer.header("exchange-receipt");
        let index = format!("log=\"gw1.lyg.example/log\", index={}, size=", document["index"]);
        assert!(receipt.starts_with(&index), "{receipt}");
        let leaf = shuguan_tests::leaves(&scene.gateway.journal())
            .into_iter()
            .find(|leaf| leaf["k"] == "push")
            .expect("a leaf");
        // `created` is the time of the checkpoint, and so of the leaf: the answer is a function of the log.
        let created: jiff::Timestamp = leaf["t"].as_str().expect("a time").parse().expect("a time");
        assert!(
            answer
                .header("signature-input")
                .contains(&format!(";created={};", created.as_second()))
        );
        assert!(leaf["req"].as_str().is_some_and(|req| req.starts_with("c:")));
    });
}

#[test]
fn a_refusal_is_signed_over_the_key_and_the_content_that_it_refuses() {
    run(async {
        let scene = Scene::new();
        let running = scene.gateway.serve();
        let call = scene.signed(push().header("exchange-purpose", "enrolment.nothing"), &Manner::push());
        let answer = running.call(call.clone(), &scene.police).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "SG4104"));
        let covered = verify_answer(&answer, &call, scene.gateway.feed, &scene.receipt_pem(), TAG);
        let wanted = [
            "@status",
            "content-type",
            "content-digest",
            "exchange-receipt",
            "@method;req",
            "@target-uri;req",
            "content-digest;req",
            "idempotency-key;req",
        ];
        assert_eq!(covered, wanted);
        // Also the key that is refused for itself.
        let long = "k".repeat(129);
        let long = push()
            .header("idempotency-key", &long)
            .header("accept-signature", "gw=()");
        let answer = running.call(long.clone(), &scene.police).await.expect("an answer");
        assert_eq!(answer.code(), "SG2103", "{:?}", answer.body);
        let covered = verify_answer(&answer, &long, scene.gateway.feed, &scene.receipt_pem(), TAG);
        assert_eq!(covered.last().map(String::as_str), Some("idempotency-key;req"));
        // A bad signature gets a signed answer as well: it says who refused.
        let bad = scene
            .signed(push(), &Manner::push())
            .header("idempotency-key", "another");
        let answer = running.call(bad.clone(), &scene.police).await.expect("an answer");
        assert_eq!(answer.code(), "SG2151");
        verify_answer(&answer, &bad, scene.gateway.feed, &scene.receipt_pem(), TAG);
    });
}

#[test]
fn a_422_that_sticks_to_its_key_has_the_same_signature_each_time() {
    run(async {
        let scene = Scene::new();
        let running = scene.gateway.serve();
        let body = "{\"citizen_id\":\"1\",\"name\":\"某某\"}\n".repeat(3);
        let call = shuguan_tests::Call::push(RESIDENT, NDJSON, body);
        let signed = || scene.signed(call.clone(), &Manner::push());
        let one = signed();
        let first = running.call(one.clone(), &scene.police).await.expect("an answer");
        assert_eq!((first.status.as_u16(), first.code().as_str()), (422, "SG3105"));
        verify_answer(&first, &one, scene.gateway.feed, &scene.receipt_pem(), TAG);
        running.kill();
        let running = scene.gateway.serve();
        let again = running.call(signed(), &scene.police).await.expect("an answer");
        for name in [
            "signature-input",
            "signature",
            "exchange-receipt",
            "exchange-id",
            "content-digest",
        ] {
            assert!(!first.header(name).is_empty(), "{name}");
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
        assert_eq!(again.body, first.body);
        let leaf = shuguan_tests::leaves(&scene.gateway.journal())
            .into_iter()
            .find(|leaf| leaf["code"] == "too-many-rejects")
            .expect("a leaf");
        assert!(leaf["req"].is_string(), "the refusal of a signed push commits to it");
    });
}

#[test]
fn who_asks_for_a_signed_answer_gets_one_and_who_does_not_gets_none() {
    run(async {
        let scene = Scene::new();
        let running = scene.gateway.serve();
        let asking = push().header("accept-signature", "gw=();tag=\"shuguan-push-answer-1\"");
        let answer = running.call(asking.clone(), &scene.police).await.expect("an answer");
        assert_eq!(answer.status, 202);
        let covered = verify_answer(&answer, &asking, scene.gateway.feed, &scene.receipt_pem(), TAG);
        assert!(!covered.contains(&"content-digest;req".to_owned()), "it stated none");
        let plain = running.call(push(), &scene.police).await.expect("an answer");
        assert_eq!((plain.header("signature"), plain.header("content-digest")), ("", ""));
        assert!(!plain.header("exchange-receipt").is_empty());
    });
}
