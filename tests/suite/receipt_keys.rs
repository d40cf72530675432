//! The key that signs answers is changed: what was answered once is answered by the same key again, partners hold both meanwhile, and the gateway starts with
//! no key that its log does not know.

use serde_json::Value;
use shuguan_tests::signed::{Manner, Signer, verify_answer};
use shuguan_tests::{Answer, Call, Deployment, Identity, Running, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, clean, nobody, resident};
use crate::keys::done;

const TAG: &str = "shuguan-push-answer-1";

struct Scene {
    gateway: Deployment,
    police: Identity,
    signer: Signer,
}

impl Scene {
    fn new() -> Self {
        let gateway = Deployment::new();
        Self {
            police: gateway.partner(POLICE),
            signer: Signer::of_kit(&gateway.path("partners").join(POLICE)),
            gateway,
        }
    }

    async fn answered(&self, running: &Running<'_>, call: &Call) -> (Call, Answer) {
        let signed = self.signer.sign(call.clone(), self.gateway.feed, &Manner::push());
        let answer = running.call(signed.clone(), &self.police).await.expect("an answer");
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        (signed, answer)
    }

    /// The published keys, each a block of its own.
    fn published(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.gateway.path("trust/receipt.pem")).expect("keys");
        let end = "-----END PUBLIC KEY-----\n";
        text.split_inclusive(end).map(str::to_owned).collect()
    }

    fn said_by(&self, pem: &str, (call, answer): &(Call, Answer)) {
        verify_answer(answer, call, self.gateway.feed, pem, TAG);
    }

    /// Act, why, and whether another key is named, of each leaf about a receipt key.
    fn changes(&self) -> Vec<(String, String, bool)> {
        let text = |leaf: &Value, member: &str| leaf[member].as_str().expect("text").to_owned();
        let mut leaves = self.gateway.leaves_of("key");
        leaves.retain(|leaf| leaf["suite"] == "receipt-ed25519");
        let leaves = leaves.iter();
        leaves
            .map(|leaf| (text(leaf, "act"), text(leaf, "why"), leaf["of"] != "-"))
            .collect()
    }

    fn refused(&self, arguments: &[&str], words: &str) {
        let (code, out, error) = self.gateway.shuguan(arguments);
        assert!(code == 3 && error.contains(words), "{arguments:?}: {code} {out}{error}");
    }

    fn doctor_says(&self, words: &str) {
        let (_, out, error) = self.gateway.shuguan(&["doctor"]);
        assert!(out.contains(words), "{words}: {out}{error}");
    }

    fn push_file(&self, name: &str, seed: u64) {
        std::fs::write(self.gateway.path(name), clean(RESIDENT, NDJSON, 2, seed)).expect("a feed");
        let kit = "partners/public-security-city/client.toml";
        let purpose = "enrolment.registration";
        done(
            &self.gateway,
            &["push", name, "--record", RESIDENT, "--purpose", purpose, "-c", kit],
        );
    }
}

fn of(act: &str, why: &str, names_another: bool) -> (String, String, bool) {
    (act.into(), why.into(), names_another)
}

fn push(n: u32) -> Call {
    Call::push(RESIDENT, NDJSON, resident(&nobody(n), "某某"))
}

#[test]
fn a_receipt_key_is_changed_and_an_answer_that_comes_again_has_its_first_signature() {
    run(async {
        let scene = Scene::new();
        let gateway = &scene.gateway;
        let old = scene.published().concat();
        let running = gateway.serve();
        assert_eq!(scene.changes(), [of("new", "first", false)]);
        let (before, after) = (push(1), push(2));
        let first = scene.answered(&running, &before).await;
        scene.said_by(&old, &first);
        scene.refused(&["key", "retire", "--receipt", "--now"], "the only receipt key");
        let keyid = done(gateway, &["key", "rotate", "--receipt"]);
        scene.refused(&["key", "rotate", "--receipt"], "waits already");
        scene.refused(&["key", "retire", "--receipt", "--now"], "the only receipt key");
        done(gateway, &["key", "publish"]);
        let published = scene.published();
        assert_eq!((published.len(), &published[1]), (2, &old), "both, the newer first");
        let new = published[0].clone();
        // An order changes nothing while the gateway runs, nor does a reload.
        running.signal("HUP");
        scene.said_by(&old, &scene.answered(&running, &push(3)).await);
        running.kill();

        let kit = gateway.path("partners").join(POLICE).join("receipt.pem");
        std::fs::copy(gateway.path("trust/receipt.pem"), kit).expect("a copy");
        let running = gateway.serve();
        assert_eq!(
            scene.changes(),
            [of("new", "first", false), of("new", "rotation", true)]
        );
        let second = scene.answered(&running, &after).await;
        scene.said_by(&new, &second);
        assert!(second.1.header("signature-input").contains(keyid.trim()));
        let again = scene.answered(&running, &before).await;
        for name in ["signature-input", "signature", "exchange-receipt", "content-digest"] {
            assert_eq!(again.1.header(name), first.1.header(name), "{name}");
        }
        assert_eq!(again.1.body, first.1.body);
        scene.push_file("feed.ndjson", 7);
        scene.refused(&["key", "retire", "--receipt"], "7 days");
        scene.refused(&["key", "retire", "00000000", "--receipt", "--now"], "no such");
        done(gateway, &["key", "retire", "--receipt", "--now", "--yes"]);
        drop(running);

        let running = gateway.serve();
        assert_eq!(scene.changes()[2..], [of("retired", "rotation", true)]);
        scene.said_by(&new, &scene.answered(&running, &before).await);
        scene.doctor_says("signs nothing any more");
        scene.doctor_says("does not hold the keys");
        done(gateway, &["key", "publish"]);
        assert_eq!(scene.published(), [new]);
        std::fs::remove_file(gateway.path("keys/receipt.seed")).expect("it is destroyed");
        drop(running);
        let running = gateway.serve();
        assert_eq!(scene.changes().len(), 3);
        drop(running);
        gateway.verified_log();
        for leaf in gateway.leaves_of("key") {
            assert!(
                leaf["key"].as_str().is_some_and(|key| key.starts_with("sha256:")),
                "{leaf}"
            );
        }
    });
}

#[test]
fn each_change_of_the_receipt_key_has_a_receipt_that_proves_it_and_says_nothing_of_who_signs_the_log() {
    let scene = Scene::new();
    let gateway = &scene.gateway;
    drop(gateway.serve());
    done(gateway, &["key", "publish"]);
    let proof = std::fs::read_dir(gateway.path("trust")).expect("a folder");
    let names = proof.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    let name = names
        .into_iter()
        .find(|name| name.starts_with("receipt-key-"))
        .expect("a receipt");
    let path = format!("trust/{name}");
    let out = done(gateway, &["verify", "receipt", &path, "--trust", "trust/trust.txt"]);
    assert!(out.contains("the receipt key `sha256:"), "{out}");
    let (code, out, error) = gateway.shuguan(&["verify", "keys", &path, "--trust", "trust/trust.txt"]);
    assert!(code == 6 && out.contains("another entry"), "{code} {out}{error}");
}

#[test]
fn a_gateway_does_not_start_with_a_receipt_key_that_its_log_does_not_know() {
    let scene = Scene::new();
    let gateway = &scene.gateway;
    drop(gateway.serve());
    let (leaves, seed) = (gateway.leaves().len(), gateway.path("keys/receipt.seed"));
    let kept = gateway.path("kept.seed");
    std::fs::rename(&seed, &kept).expect("a file");
    let (code, error) = gateway.serve_in_vain();
    assert!(code == 1 && error.contains("receipt.seed"), "{code} {error}");
    std::fs::copy(Deployment::new().path("keys/receipt.seed"), &seed).expect("another gateway's");
    let (code, error) = gateway.serve_in_vain();
    assert!(
        code == 1 && error.contains("does not know this receipt key"),
        "{code} {error}"
    );
    assert_eq!(gateway.leaves().len(), leaves, "what does not start seals nothing");
    scene.doctor_says("the gateway will not start");
    std::fs::remove_file(&seed).expect("a file");
    std::fs::rename(&kept, &seed).expect("a file");
    drop(gateway.serve());
    assert_eq!(scene.changes(), [of("new", "first", false)], "known keys begin once");
}
