//! Signed comparisons: what must hold, what must not come again, and that the answer is signed.

use http::Method;
use serde_json::json;
use shuguan_tests::signed::{Manner, verify_answer};
use shuguan_tests::{Call, run};

use super::Scene;
use crate::feeds::nobody;

const REGISTRY: &str = "information-centre";

fn request(n: u32) -> Call {
    let body = json!({
        "dataset": "population", "purpose": "enrolment.comparison", "case": "A-1",
        "rows": [{ "citizen_id": nobody(n), "name": "某某" }],
    });
    Call::new(Method::POST, "/v1/compare")
        .header("content-type", "application/json")
        .header("exchange-purpose", "enrolment.comparison")
        .header("idempotency-key", &uuid::Uuid::new_v4().to_string())
        .body(body.to_string())
}

#[test]
fn a_comparison_that_must_be_signed_is_answered_once_and_signed_and_otherwise_not_at_all() {
    run(async {
        // The configuration says nothing of the registry, so it has to.
        let scene = Scene::with("[require_signature]");
        let running = scene.gateway.serve();
        let (centre, signer) = (scene.gateway.partner(REGISTRY), scene.signer(REGISTRY));
        let signed = |call: Call, manner: &Manner| signer.sign(call, scene.gateway.feed, manner);
        let late = Manner {
            created: Manner::compare().created - 400,
            ..Manner::compare()
        };
        let changed = signed(request(1), &Manner::compare()).header("idempotency-key", "other");
        for (what, call, wanted) in [
            ("unsigned", request(1), (403, "SG2154")),
            ("as an extract", signed(request(1), &Manner::extract()), (400, "SG2151")),
            ("as a push", signed(request(1), &Manner::push()), (400, "SG2151")),
            ("another key than was signed", changed, (400, "SG2151")),
            ("over", signed(request(1), &late), (400, "SG2152")),
            (
                "signed by another partner",
                scene.signed(request(1), &Manner::compare()),
                (403, "SG2157"),
            ),
        ] {
            let answer = running.call(call, &centre).await.expect("an answer");
            let found = (answer.status.as_u16(), answer.code());
            assert_eq!((found.0, found.1.as_str()), wanted, "{what}: {:?}", answer.body);
        }
        assert_eq!(scene.count("compare", None), 0);
        let once = Manner::compare().nonce("nonce-of-a-comparison");
        let call = signed(request(1), &once);
        let answer = running.call(call.clone(), &centre).await.expect("an answer");
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let covered = verify_answer(
            &answer,
            &call,
            scene.gateway.feed,
            &scene.receipt_pem(),
            "shuguan-push-answer-1",
        );
        for component in [
            "@status",
            "exchange-id",
            "exchange-receipt",
            "content-digest;req",
            "idempotency-key;req",
        ] {
            assert!(covered.iter().any(|own| own == component), "{component}: {covered:?}");
        }
        let again = running.call(call, &centre).await.expect("an answer");
        assert_eq!((again.status.as_u16(), &again.body), (200, &answer.body));
        assert_eq!(again.header("signature"), answer.header("signature"));
        let replayed = running
            .call(signed(request(2), &once), &centre)
            .await
            .expect("an answer");
        assert_eq!((replayed.status.as_u16(), replayed.code().as_str()), (403, "SG2153"));
        assert_eq!(scene.count("compare", None), 1);
    });
}

#[test]
fn where_signatures_are_forbidden_a_signed_comparison_is_refused() {
    run(async {
        let scene = Scene::with("[require_signature]\ninformation-centre = \"forbid\"");
        let running = scene.gateway.serve();
        let (centre, signer) = (scene.gateway.partner(REGISTRY), scene.signer(REGISTRY));
        let call = signer.sign(request(1), scene.gateway.feed, &Manner::compare());
        let answer = running.call(call, &centre).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "SG2155"));
        let answer = running.call(request(1), &centre).await.expect("an answer");
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(scene.count("compare", None), 1);
    });
}
