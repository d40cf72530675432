//! A nonce has its effect once: the matrix of nonce, key and body, before and after a restart.

use shuguan_tests::signed::Manner;
use shuguan_tests::{Call, run};

use super::{REPLAYED, Scene};
use crate::feeds::{NDJSON, RESIDENT, nobody, resident};

const NONCES: [&str; 2] = ["nonce-of-the-first", "nonce-of-the-second"];

fn push(key: &str, body: u32) -> Call {
    Call::push(RESIDENT, NDJSON, resident(&nobody(body), "某某")).header("idempotency-key", key)
}

#[test]
fn a_nonce_with_another_key_or_body_is_replayed_and_with_the_same_bytes_a_retry() {
    run(async {
        let scene = Scene::new();
        let running = scene.gateway.serve();
        let signed = |key: &str, body: u32, nonce: &str| scene.signed(push(key, body), &Manner::push().nonce(nonce));
        let first_call = signed("k1", 1, NONCES[0]);
        let first = running
            .call(first_call.clone(), &scene.police)
            .await
            .expect("an answer");
        assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (202, ""));
        let matrix = || {
            vec![
                ("other key", signed("k2", 1, NONCES[0])),
                ("other body", signed("k1", 2, NONCES[0])),
                ("other key and body", signed("k2", 2, NONCES[0])),
            ]
        };
        let told = |answer: &shuguan_tests::Answer| {
            let field = |name| answer.header(name).to_owned();
            let covered = [
                "location",
                "content-digest",
                "exchange-id",
                "exchange-receipt",
                "signature-input",
                "signature",
            ];
            (answer.status, answer.body.clone(), covered.map(field))
        };
        for (what, call) in matrix() {
            let answer = running.call(call, &scene.police).await.expect("an answer");
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (REPLAYED.0, REPLAYED.1),
                "{what}"
            );
        }
        let retry = running
            .call(first_call.clone(), &scene.police)
            .await
            .expect("an answer");
        assert_eq!(
            told(&retry),
            told(&first),
            "the same bytes get the first answer, signature included"
        );
        running.kill();

        let running = scene.gateway.serve();
        for (what, call) in matrix() {
            let answer = running.call(call, &scene.police).await.expect("an answer");
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (REPLAYED.0, REPLAYED.1),
                "restarted, {what}"
            );
        }
        let retry = running.call(first_call, &scene.police).await.expect("an answer");
        assert_eq!(told(&retry), told(&first));
        assert_eq!(retry.header("idempotency-replayed"), "true");
        // Signed anew under the same key: the same answer, and this nonce is spent too.
        let anew = running
            .call(signed("k1", 1, NONCES[1]), &scene.police)
            .await
            .expect("an answer");
        assert_eq!(told(&anew), told(&first));
        let spent = running
            .call(signed("k3", 3, NONCES[1]), &scene.police)
            .await
            .expect("an answer");
        assert_eq!(spent.code(), REPLAYED.1);
        // A fresh nonce with other content under the key: that is another fault.
        let other = running
            .call(signed("k1", 2, "nonce-of-the-third"), &scene.police)
            .await
            .expect("an answer");
        assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "SG2104"));
        assert_eq!(scene.count("push", None), 1);
        assert_eq!(scene.count("refusal", Some("replayed")), 7);
    });
}

#[test]
fn many_callers_with_one_nonce_and_different_keys_have_one_effect() {
    run(async {
        let scene = Scene::new();
        let running = scene.gateway.serve();
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..12_u32 {
            let call = scene.signed(push(&format!("key-{number}"), number), &Manner::push().nonce(NONCES[0]));
            let (port, police) = (scene.gateway.feed, scene.police.clone());
            calls.spawn(async move { call.send(port, &police).await.expect("an answer") });
        }
        let answers = calls.join_all().await;
        let taken = answers.iter().filter(|answer| answer.status == 202).count();
        let replayed = answers
            .iter()
            .filter(|answer| answer.status == 403 && answer.code() == REPLAYED.1)
            .count();
        assert_eq!((taken, replayed), (1, 11));
        drop(running);
        assert_eq!(scene.count("push", None), 1);
    });
}
