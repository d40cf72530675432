//! Signed pushes: what is taken, and what is refused by which code.

use shuguan_tests::run;
use shuguan_tests::signed::{Manner, Signer, now_s};

use super::{BAD, FORBIDDEN, MISMATCH, REQUIRED, REVOKED, STALE, Scene, UNKNOWN, push};
use crate::feeds::{NDJSON, nobody, resident};

#[test]
fn every_fault_of_a_signature_has_its_code_and_its_leaf_and_no_effect() {
    run(async {
        let scene = Scene::new();
        let running = scene.gateway.serve();
        let now = now_s();
        let at = |created: i64, life_s: i64| Manner {
            created,
            life_s,
            ..Manner::push()
        };
        let good = || scene.signed(push(), &Manner::push());
        let altered = |name: &str, from: &str, to: &str| {
            let call = good();
            let text = call.header_value(name).expect("a field").to_owned();
            assert!(text.contains(from), "{text}");
            call.header(name, &text.replacen(from, to, 1))
        };
        let wrong_tag = Manner {
            tag: "shuguan-ack-1",
            ..Manner::push()
        };
        let wrong_label = Manner {
            label: "gw",
            ..Manner::push()
        };
        let unordered = [
            "@target-uri",
            "@method",
            "content-type",
            "content-digest",
            "exchange-purpose",
            "idempotency-key",
        ];
        let digested = push().header(
            "content-digest",
            &shuguan_tests::signed::content_digest(push().body_bytes()),
        );
        let sign_over = |covered: &[&str]| {
            let (call, port) = (digested.clone(), scene.gateway.feed);
            scene.signer.sign_over(call, port, &Manner::push(), covered)
        };
        let cases = vec![
            ("without its input", good().without("signature-input"), BAD),
            ("without the signature", good().without("signature"), BAD),
            (
                "other purpose",
                altered("exchange-purpose", "registration", "survey"),
                (403, "SG4103", "no-grant"),
            ),
            ("other key", good().header("idempotency-key", "another"), BAD),
            ("other type", good().header("content-type", "application/x-ndjson"), BAD),
            ("a mode that was not signed", good().header("exchange-count", "1"), BAD),
            ("no digest", good().without("content-digest"), BAD),
            ("other order", sign_over(&unordered), BAD),
            ("component dropped", sign_over(&unordered[..5]), BAD),
            (
                "component more",
                sign_over(&[&unordered[..], &["@authority"]].concat()),
                BAD,
            ),
            (
                "parameter unknown",
                altered("signature-input", ";tag=", ";context=\"x\";tag="),
                BAD,
            ),
            (
                "parameters in another order",
                altered("signature-input", ";alg=\"ed25519\"", ""),
                BAD,
            ),
            (
                "alg swapped",
                altered("signature-input", "\"ed25519\"", "\"ecdsa-p256-sha256\""),
                BAD,
            ),
            ("bit flipped", altered("signature", "agency=:", "agency=:A"), BAD),
            ("other tag", scene.signed(push(), &wrong_tag), BAD),
            ("other label", scene.signed(push(), &wrong_label), BAD),
            ("over", scene.signed(push(), &at(now - 400, 300)), STALE),
            ("too long", scene.signed(push(), &at(now, 301)), STALE),
            ("from the future", scene.signed(push(), &at(now + 120, 300)), STALE),
            (
                "of nobody",
                Signer::of_seed(&[9; 32]).sign(push(), scene.gateway.feed, &Manner::push()),
                UNKNOWN,
            ),
            (
                "of another partner",
                scene
                    .signer("health-city")
                    .sign(push(), scene.gateway.feed, &Manner::push()),
                MISMATCH,
            ),
        ];
        for (what, call, wanted) in cases {
            println!("{what}");
            scene.refused(&running, call, wanted).await;
        }
        // The body is not what was signed: found at its end.
        let other = good().body(resident(&nobody(2), "某某"));
        scene.refused(&running, other, (400, "SG2106", "digest-mismatch")).await;
        let taken = running.call(good(), &scene.police).await.expect("an answer");
        assert_eq!(taken.status, 202, "{:?}", taken.body);
    });
}

#[test]
fn a_signed_push_is_taken_over_h2_and_http_1_1_and_an_unsigned_one_as_before() {
    run(async {
        let scene = Scene::new();
        let running = scene.gateway.serve();
        for protocol in ["h2", "http/1.1"] {
            let identity = scene.police.speaking(protocol);
            let call = scene.signed(push(), &Manner::push());
            let answer = running.call(call, &identity).await.expect("an answer");
            assert_eq!(answer.status, 202, "{protocol}: {:?}", answer.body);
            assert!(!answer.header("signature").is_empty(), "{protocol}");
        }
        let plain = running.call(push(), &scene.police).await.expect("an answer");
        assert_eq!((plain.status.as_u16(), plain.header("signature")), (202, ""));
        assert_eq!(scene.count("push", None), 3);
        drop(running);
        // 3 Receipts and the log verify as before.
        scene.gateway.verified_log();
    });
}

#[test]
fn who_has_to_sign_is_refused_without_and_who_must_not_is_refused_with() {
    run(async {
        let scene = Scene::with("[require_signature]\npublic-security-city = \"require\"\nhealth-city = \"forbid\"");
        let running = scene.gateway.serve();
        let refused = scene.refused(&running, push(), REQUIRED).await;
        assert!(
            !refused.header("signature").is_empty(),
            "who has to sign gets signed answers"
        );
        let call = scene.signed(push(), &Manner::push());
        let taken = running.call(call, &scene.police).await.expect("an answer");
        assert_eq!(taken.status, 202);

        let health = scene.gateway.partner("health-city");
        let death = || {
            let line = serde_json::json!({ "cert_no": "D1", "citizen_id": nobody(3), "name": "某某" });
            shuguan_tests::Call::push("health/death-certificate", NDJSON, format!("{line}\n"))
        };
        let signed = scene
            .signer("health-city")
            .sign(death(), scene.gateway.feed, &Manner::push());
        let answer = running.call(signed, &health).await.expect("an answer");
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (FORBIDDEN.0, FORBIDDEN.1)
        );
        assert_eq!(scene.count("refusal", Some(FORBIDDEN.2)), 1);
        let plain = running.call(death(), &health).await.expect("an answer");
        assert_eq!(plain.status, 202);
    });
}

#[test]
fn a_stolen_message_key_is_of_no_use_once_revoked_while_the_partner_goes_on_with_a_new_one() {
    run(async {
        let scene = Scene::new();
        let running = scene.gateway.serve();
        let folder = scene.gateway.path("pki/message");
        let keyid = scene.signer.keyid();
        let mine = std::fs::read_dir(&folder).expect("a folder").find_map(|entry| {
            let path = entry.expect("an entry").path();
            let (_, out, _) = scene
                .gateway
                .shuguan(&["cert", "inspect", path.to_str()?, "--format", "json"]);
            out.contains("/agency/public-security/city").then_some(path)
        });
        let mine = mine.expect("the message certificate");
        let serial = mine
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a serial")
            .to_owned();
        let revoke = [
            "cert",
            "revoke",
            &serial,
            "--reason",
            "key-compromise",
            "--yes",
            "-c",
            "shuguan.toml",
        ];
        assert_eq!(scene.gateway.shuguan(&revoke).0, 0);
        running.signal("HUP");
        let revocations = || {
            let all = shuguan_tests::leaves(&scene.gateway.journal());
            all.iter().filter(|leaf| leaf["act"] == "revoked").count()
        };
        shuguan_tests::eventually("the revocation is a leaf", 10, || revocations() == 2);
        let call = || scene.signed(push(), &Manner::push());
        scene.refused(&running, call(), REVOKED).await;
        // The certificate of the connection is another one, and still good.
        let plain = running.call(push(), &scene.police).await.expect("an answer");
        assert_eq!(plain.status, 202);

        let request = ["cert", "request", "--partner", "public-security-city", "-o", "fresh"];
        assert_eq!(scene.gateway.shuguan(&request).0, 0);
        let issue = [
            "cert",
            "issue",
            "fresh/message.csr",
            "--partner",
            "public-security-city",
            "--message",
            "-c",
            "shuguan.toml",
            "-o",
            "kit",
        ];
        let (code, _, error) = scene.gateway.shuguan(&issue);
        assert_eq!(code, 0, "{error}");
        let settings = std::fs::read_to_string(scene.gateway.path("kit/client.toml")).expect("a kit");
        assert!(settings.contains("message_key = \"message.key\""), "{settings}");
        running.signal("HUP");
        let fresh = Signer::of_kit(&scene.gateway.path("fresh"));
        assert_ne!(fresh.keyid(), keyid);
        let mut taken = None;
        for _ in 0..50 {
            let call = fresh.sign(push(), scene.gateway.feed, &Manner::push());
            let answer = running.call(call, &scene.police).await.expect("an answer");
            if answer.status == 202 {
                taken = Some(answer);
                break;
            }
            assert_eq!(answer.code(), UNKNOWN.1);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(taken.is_some(), "the reload brings the new key");
    });
}

#[test]
fn neither_kind_of_certificate_serves_as_the_other() {
    run(async {
        let scene = Scene::new();
        let running = scene.gateway.serve();
        let folder = scene.gateway.path("partners/public-security-city");
        // A message certificate opens no connection.
        let (certificate, key) = (folder.join("message.pem"), folder.join("message.key"));
        let posing = shuguan_tests::Identity::of_files(&certificate, &key, &scene.gateway.path("pki/ca.pem"));
        let refused = running.call(push(), &posing).await;
        assert!(refused.is_err(), "{refused:?}");
        // A TLS certificate in the folder of message certificates keeps the old state at a reload, and the gateway from starting.
        std::fs::copy(folder.join("client.pem"), scene.gateway.path("pki/message/tls.pem")).expect("a copy");
        running.signal("HUP");
        shuguan_tests::eventually("the reload is refused", 10, || {
            scene.gateway.log().contains("documentSigning")
        });
        let call = scene.signed(push(), &Manner::push());
        assert_eq!(running.call(call, &scene.police).await.expect("an answer").status, 202);
        assert_eq!(running.stop(), Some(0));
        let (code, error) = scene.gateway.serve_in_vain();
        assert!(code == 1 && error.contains("documentSigning"), "{code}: {error}");
    });
}
