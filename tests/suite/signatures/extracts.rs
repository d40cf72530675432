//! Signed extract requests, signed content, acknowledgements.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use shuguan_tests::signed::{Manner, content_digest, verify_answer};
use shuguan_tests::{Answer, Call, Identity, Running, eventually, leaves, registry_count, run};

use super::{REQUIRED, Scene, TABLE, push};

const REGISTRY: &str = "information-centre";
const TAG: &str = "shuguan-content-1";

fn post(path: &str, body: &Value) -> Call {
    Call::new(Method::POST, path)
        .header("content-type", "application/json")
        .header("exchange-purpose", "enrolment.registration")
        .header("idempotency-key", &uuid::Uuid::new_v4().to_string())
        .body(body.to_string())
}

fn request() -> Call {
    let body = json!({ "dataset": "population", "purpose": "enrolment.registration", "case": "AJ-2026-001" });
    post("/v1/extracts", &body)
}

struct Pull {
    scene: Scene,
    centre: Identity,
}

impl Pull {
    fn new() -> Self {
        Self::of(Scene::new())
    }

    fn of(scene: Scene) -> Self {
        Self {
            centre: scene.gateway.partner(REGISTRY),
            scene,
        }
    }

    fn signed(&self, call: Call, manner: &Manner) -> Call {
        self.scene.signer(REGISTRY).sign(call, self.scene.gateway.feed, manner)
    }

    async fn one_resident(&self, running: &Running<'_>) {
        let answer = running.call(push(), &self.scene.police).await.expect("an answer");
        assert_eq!(answer.status, 202);
        eventually("the row is in the registry", 20, || {
            registry_count(&self.scene.gateway.registry(), TABLE) == 1
        });
    }

    async fn send(&self, running: &Running<'_>, call: Call) -> Answer {
        running.call(call, &self.centre).await.expect("an answer")
    }

    async fn ready(&self, running: &Running<'_>, begun: &Answer) -> Value {
        assert_eq!(begun.status, 202, "{:?}", begun.body);
        let status = Call::get(begun.header("location")).header("prefer", "wait=20");
        let state = self.send(running, status).await.json();
        assert_eq!(state["state"], "ready", "{state}");
        state
    }

    fn leaf(&self, kind: &str) -> Option<Value> {
        leaves(&self.scene.gateway.journal())
            .into_iter()
            .find(|leaf| leaf["k"] == kind)
    }
}

/// Hash of the leaf, hexadecimal, out of `Exchange-Receipt`.
fn leaf_hash(answer: &Answer) -> String {
    use base64::Engine as _;
    let field = answer.header("exchange-receipt");
    let encoded = field.split_once("leaf=:").expect("a leaf").1.trim_end_matches(':');
    let hash = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .expect("base64");
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_signed_request_gives_signed_content_whole_and_in_ranges_and_an_acknowledgement_becomes_a_leaf() {
    run(async {
        let pull = Pull::new();
        let running = pull.scene.gateway.serve();
        pull.one_resident(&running).await;
        let call = pull.signed(request(), &Manner::extract());
        let begun = pull.send(&running, call.clone()).await;
        let state = pull.ready(&running, &begun).await;
        assert!(pull.leaf("pull").expect("a leaf")["req"].is_string());
        // The same bytes again: the same extract, none more.
        let again = pull.send(&running, call).await;
        assert_eq!(
            (again.status.as_u16(), &again.json()["extract"]),
            (202, &begun.json()["extract"])
        );

        let path = state["links"]["content"].as_str().expect("a link").to_owned();
        let (port, receipt) = (pull.scene.gateway.feed, pull.scene.receipt_pem());
        let whole_call = Call::get(&*path);
        let whole = pull.send(&running, whole_call.clone()).await;
        let covered = verify_answer(&whole, &whole_call, port, &receipt, TAG);
        assert_eq!(
            covered,
            [
                "@status",
                "content-type",
                "repr-digest",
                "exchange-id",
                "exchange-receipt",
                "@method;req",
                "@target-uri;req"
            ]
        );
        assert_eq!(whole.header("repr-digest"), content_digest(&whole.body));
        let part_call = Call::get(&*path).header("range", "bytes=5-");
        let part = pull.send(&running, part_call.clone()).await;
        assert_eq!(part.status, 206);
        let covered = verify_answer(&part, &part_call, port, &receipt, TAG);
        assert_eq!(covered.last().map(String::as_str), Some("content-range"));
        assert_eq!(
            part.header("repr-digest"),
            whole.header("repr-digest"),
            "one value fits every range"
        );

        let id = begun.json()["extract"].as_str().expect("an id").to_owned();
        let ack_path = format!("/v1/exchanges/{id}/ack");
        let document = json!({
            "exchange": id, "leaf": leaf_hash(&whole), "repr_digest": whole.header("repr-digest"), "verdict": "complete",
        });
        let with = |member: &str, value: Value| {
            let mut other = document.clone();
            other[member] = value;
            pull.signed(post(&ack_path, &other), &Manner::ack())
        };
        let mismatch = (422, "SG2160");
        for (what, call, wanted) in [
            ("unsigned", post(&ack_path, &document), (403, "SG2154")),
            (
                "signed as a push",
                pull.signed(post(&ack_path, &document), &Manner::push()),
                (400, "SG2151"),
            ),
            ("other leaf", with("leaf", json!("00")), mismatch),
            (
                "other digest",
                with("repr_digest", json!(content_digest(b"x"))),
                mismatch,
            ),
            ("damaged, though whole", with("verdict", json!("damaged")), mismatch),
            ("no such verdict", with("verdict", json!("fine")), (400, "SG2101")),
            (
                "other exchange",
                with("exchange", json!(uuid::Uuid::new_v4())),
                mismatch,
            ),
        ] {
            let answer = pull.send(&running, call).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                wanted,
                "{what}: {:?}",
                answer.body
            );
        }
        assert_eq!(pull.scene.count("receipt-ack", None), 0);
        let ack = pull.signed(post(&ack_path, &document), &Manner::ack());
        let strange = running.call(ack.clone(), &pull.scene.police).await.expect("an answer");
        assert_eq!(
            strange.status, 404,
            "another partner's exchange looks as if it were not there"
        );
        let taken = pull.send(&running, ack.clone()).await;
        assert_eq!(taken.status, 200, "{:?}", taken.body);
        verify_answer(&taken, &ack, port, &receipt, "shuguan-push-answer-1");
        let repeated = pull.send(&running, ack).await;
        assert_eq!(repeated.body, taken.body);
        let leaf = pull.leaf("receipt-ack").expect("a leaf");
        assert_eq!((&leaf["verdict"], &leaf["x"]), (&json!("complete"), &json!(id)));
        assert_eq!(pull.scene.count("receipt-ack", None), 1);

        // Said again under another key it is the same word: the first leaf is the answer.
        let again = pull.send(&running, with("verdict", json!("complete"))).await;
        assert_eq!((again.status.as_u16(), &again.body), (200, &taken.body));
        assert_eq!(pull.scene.count("receipt-ack", None), 1);

        // Once its evidence is destroyed there is nothing to compare with: only the deletion that the manifest demands is still attested.
        let shred = [
            "shred",
            "--yes",
            "--class",
            "evidence",
            "--exchange",
            &id,
            "--case",
            "R-1",
            "--why",
            "court",
        ];
        let officer = ["-c", "officers/security-qian.toml"];
        let (code, _, error) = pull.scene.gateway.shuguan(&[&shred[..], &officer].concat());
        assert_eq!(code, 0, "{error}");
        for (what, call, wanted) in [
            ("complete", with("verdict", json!("complete")), (410, "SG8103")),
            ("damaged", with("verdict", json!("damaged")), (410, "SG8103")),
        ] {
            let answer = pull.send(&running, call).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                wanted,
                "{what}: {:?}",
                answer.body
            );
        }
        assert_eq!(pull.scene.count("receipt-ack", None), 1);
        let deleted = pull.send(&running, with("verdict", json!("deleted"))).await;
        assert_eq!(deleted.status, 200, "{:?}", deleted.body);
        let leaf = pull.leaf("receipt-ack").expect("a leaf");
        assert_eq!(leaf["verdict"], "complete", "the first one stands");
        assert_eq!(pull.scene.count("receipt-ack", None), 2);
        drop(running);
        pull.scene.gateway.verified_log();
    });
}

#[test]
fn where_the_configuration_says_nothing_the_registry_has_to_sign_and_an_agency_may() {
    run(async {
        let pull = Pull::of(Scene::with("[require_signature]"));
        let running = pull.scene.gateway.serve();
        pull.one_resident(&running).await;
        let before = pull.scene.count("refusal", None);
        let answer = pull.send(&running, request()).await;
        let found = (answer.status.as_u16(), answer.code());
        assert_eq!(
            (found.0, found.1.as_str()),
            (REQUIRED.0, REQUIRED.1),
            "{:?}",
            answer.body
        );
        let refusal = pull.leaf("refusal").expect("a leaf");
        for (member, value) in [
            ("code", REQUIRED.2),
            ("p", REGISTRY),
            ("ds", "population"),
            ("at", "pull"),
        ] {
            assert_eq!(refusal[member], value, "{refusal}");
        }
        assert_eq!(pull.scene.count("refusal", None), before + 1);
        for kind in ["pull-request", "pull"] {
            assert_eq!(pull.scene.count(kind, None), 0, "{kind}");
        }
        // Having to sign is to be told under signature, also what is refused.
        let call = request();
        let answer = pull.send(&running, call.clone()).await;
        let (port, receipt) = (pull.scene.gateway.feed, pull.scene.receipt_pem());
        verify_answer(&answer, &call, port, &receipt, "shuguan-push-answer-1");
        let begun = pull.send(&running, pull.signed(request(), &Manner::extract())).await;
        pull.ready(&running, &begun).await;
        assert_eq!(pull.scene.count("pull", None), 1);
    });
}

#[test]
fn an_extract_request_without_a_signature_is_taken_only_where_the_configuration_says_so() {
    run(async {
        for (mode, unsigned, signed) in [("accept", 202, 202), ("forbid", 202, 403), ("require", 403, 202)] {
            let pull = Pull::of(Scene::with(&format!("[require_signature]\n{REGISTRY} = \"{mode}\"")));
            let running = pull.scene.gateway.serve();
            let answer = pull.send(&running, request()).await;
            assert_eq!(answer.status, unsigned, "{mode}: {:?}", answer.body);
            let answer = pull.send(&running, pull.signed(request(), &Manner::extract())).await;
            assert_eq!(answer.status, signed, "{mode}: {:?}", answer.body);
        }
    });
}

#[test]
fn a_request_that_does_not_hold_or_comes_again_with_other_bytes_begins_nothing() {
    run(async {
        let pull = Pull::new();
        let running = pull.scene.gateway.serve();
        pull.one_resident(&running).await;
        let nonce = Manner::extract().nonce("nonce-of-the-first");
        for (what, call, wanted) in [
            (
                "other key",
                pull.signed(request(), &Manner::extract())
                    .header("idempotency-key", "x"),
                (400, "SG2151"),
            ),
            (
                "other purpose",
                pull.signed(request().header("exchange-purpose", "enrolment.survey"), &nonce),
                (400, "SG2101"),
            ),
            (
                "other body",
                pull.signed(request(), &Manner::extract())
                    .body("{\"dataset\":\"population\",\"purpose\":\"enrolment.registration\",\"case\":\"B\"}"),
                (400, "SG2106"),
            ),
            ("as a push", pull.signed(request(), &Manner::push()), (400, "SG2151")),
        ] {
            let answer = pull.send(&running, call).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                wanted,
                "{what}: {:?}",
                answer.body
            );
        }
        assert_eq!(pull.scene.count("pull", None), 0);
        let begun = pull.send(&running, pull.signed(request(), &nonce)).await;
        pull.ready(&running, &begun).await;
        let replayed = pull.send(&running, pull.signed(request(), &nonce)).await;
        assert_eq!((replayed.status.as_u16(), replayed.code().as_str()), (403, "SG2153"));
        assert_eq!(pull.scene.count("pull", None), 1);
        assert!(Path::new(&pull.scene.gateway.journal()).exists());
    });
}
