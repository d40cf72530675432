//! Witnesses: what one signs and what it refuses over the wire, and a gateway whose witness is there, away, back, or knows more.

mod foreign;

use std::convert::Infallible;

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::cosignature::WitnessKey;
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::tree::{Edge, Hash, Tiles, consistency_path, leaf_hash};
use shuguan_ledger::trust::{Quorum, Trust};
use shuguan_ledger::witness::{AddCheckpoint, origin_hash};
use shuguan_tests::{Call, Deployment, Identity, Running, Witness, eventually, leaves, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

const ORIGIN: &str = "log.example";

fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

/// A log without a gateway.
#[derive(Default)]
struct Log {
    edge: Edge,
    rows: Vec<Vec<Hash>>,
}

impl Log {
    fn of(leaves: impl IntoIterator<Item = u64>) -> Self {
        let mut log = Self::default();
        for leaf in leaves {
            for entry in log.edge.append(leaf_hash(&leaf.to_le_bytes())) {
                let level = usize::from(entry.level);
                log.rows.resize_with(log.rows.len().max(level + 1), Vec::new);
                log.rows[level].push(entry.hash);
            }
        }
        log
    }

    fn text(&self) -> String {
        let checkpoint = Checkpoint {
            origin: ORIGIN.into(),
            size: self.edge.size(),
            root: self.edge.root(),
        };
        checkpoint.text()
    }

    fn asks(&self, old: u64) -> AddCheckpoint {
        AddCheckpoint {
            old,
            proof: consistency_path(self, old, self.edge.size()).unwrap(),
            checkpoint: key().sign(&self.text()).unwrap(),
        }
    }
}

impl Tiles for Log {
    type Error = Infallible;

    fn row(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, Infallible> {
        let start = usize::try_from(start).unwrap();
        Ok(self.rows[usize::from(level)][start..start + usize::try_from(width).unwrap()].to_vec())
    }
}

fn body(request: &AddCheckpoint) -> Vec<u8> {
    request.encode().into_bytes()
}

#[test]
fn each_answer_of_the_protocol_over_the_wire_and_nothing_is_forgotten_by_a_restart() {
    let witness = Witness::of(&[&key().verifying_key().vkey()]);
    let serving = witness.serve();
    let (three, nine) = (Log::of(0..3), Log::of(0..9));
    let status = |request: &AddCheckpoint| serving.add(&body(request)).unwrap().status;
    let shown = format!("/{}/checkpoint", origin_hash(ORIGIN));
    assert_eq!(serving.get(&shown).unwrap().status, 404, "nothing was signed yet");
    let first = serving.add(&body(&three.asks(0))).unwrap();
    assert_eq!(first.status, 200, "{first:?}");
    let public = WitnessKey::parse(&witness.vkey).unwrap();
    let (cosignature, line) = public.read_answer(&three.text(), &first.body).unwrap();
    assert_eq!((cosignature.name.as_str(), line), ("witness.example/w1", first.body));
    assert_eq!(status(&three.asks(3)), 200, "the same again is signed again");
    // 404: another log; 403: a stranger's key under the name of a known log; 400.
    let other = SigningKey::from_seed("other.example", &[7; 32]).unwrap();
    let unknown = AddCheckpoint {
        checkpoint: other
            .sign("other.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
            .unwrap(),
        ..three.asks(0)
    };
    assert_eq!(status(&unknown), 404);
    let stranger = SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap();
    let unsigned = AddCheckpoint {
        checkpoint: stranger.sign(&nine.text()).unwrap(),
        ..nine.asks(3)
    };
    assert_eq!(status(&unsigned), 403);
    assert_eq!(
        status(&AddCheckpoint {
            old: 10,
            ..nine.asks(3)
        }),
        400
    );
    assert_eq!(serving.add(b"old three\n\nx").unwrap().status, 400);
    // 409 with the stored size; 422 for a fork and for a wrong proof.
    let conflict = serving.add(&body(&nine.asks(0))).unwrap();
    assert_eq!(
        (conflict.status, conflict.kind.as_str(), conflict.body.as_str()),
        (409, "text/x.tlog.size", "3\n")
    );
    assert_eq!(
        status(&Log::of(1..10).asks(3)),
        422,
        "another history under the same key"
    );
    assert_eq!(status(&Log::of(1..4).asks(3)), 422, "of the same size");
    assert_eq!(
        status(&AddCheckpoint {
            proof: vec![],
            ..nine.asks(3)
        }),
        422
    );
    assert_eq!(serving.add(&vec![b'x'; 200_000]).unwrap().status, 413);
    assert_eq!(serving.get("/add-checkpoint").unwrap().status, 405);
    // None of them moved it.
    assert_eq!(status(&nine.asks(3)), 200);
    assert_eq!(witness.serve_in_vain(), Some(1), "two on one store");
    assert_eq!(serving.stop(), Some(0));
    let serving = witness.serve();
    let replayed = serving.add(&body(&nine.asks(3))).unwrap();
    assert_eq!((replayed.status, replayed.body.as_str()), (409, "9\n"));
    let trust = format!(
        "log {}\nwitness w {}\nquorum w\n",
        key().verifying_key().vkey(),
        witness.vkey
    );
    let note = serving.get(&shown).unwrap().body;
    let (checkpoint, witnessed) = Trust::parse(&trust).unwrap().open_witnessed(&note).unwrap();
    assert_eq!((checkpoint.size, witnessed.quorum), (9, Quorum::Met));
    let log = witness.log();
    assert!(log.contains("does not continue the one it showed before"), "{log}");
    assert!(
        !log.contains("old three") && !log.contains("other.example"),
        "a stranger's words are in it: {log}"
    );
}

#[test]
fn a_witness_killed_at_any_moment_signs_no_second_history() {
    let witness = Witness::of(&[&key().verifying_key().vkey()]);
    let mut size = 0;
    for round in 0..6_u64 {
        let serving = witness.serve();
        let pid = serving.pid().to_string();
        // The signal comes while a row of questions is being answered, each round at another one.
        let killer = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(3 + 7 * round));
            std::process::Command::new("kill").args(["-KILL", &pid]).status()
        });
        let mut asked = size;
        while let Some(reply) = serving.add(&body(&Log::of(0..asked + 1).asks(size))) {
            match reply.status {
                200 => size = asked + 1,
                // It had taken what was asked last, and died before it said so.
                409 => size = reply.body.trim().parse().unwrap(),
                other => panic!("{other}"),
            }
            asked = size;
        }
        killer.join().unwrap().unwrap();
        drop(serving);
        let serving = witness.serve();
        // What was answered is there: a history that differs under it is refused.
        let held = serving.add(&body(&Log::of(0..size + 2).asks(size + 1))).unwrap();
        let held: u64 = if held.status == 200 {
            size + 2
        } else {
            held.body.trim().parse().unwrap()
        };
        assert!(
            held == size || held == size + 1 || held == size + 2,
            "{held} after {size}"
        );
        if held > 0 {
            let fork = Log::of((0..held + 1).map(|leaf| if leaf == 0 { 77 } else { leaf }));
            assert_eq!(serving.add(&body(&fork.asks(held))).unwrap().status, 422);
        }
        size = held;
        serving.kill();
    }
    assert!(size > 0, "nothing was ever signed");
}

/// A gateway that asks a witness of its own, and a trust file that asks for it.
pub fn gateway(scheme: &str, settings: &str) -> (Deployment, Witness) {
    let gateway = Deployment::new();
    let vkey = std::fs::read_to_string(gateway.path("trust/log.vkey")).unwrap();
    let witness = Witness::of(&[vkey.trim()]);
    let mut section = witness.section();
    if scheme == "https" {
        // Any server certificate of an authority that the gateway is told of.
        section = section
            .replace("http://", "https://")
            .replace("\n\n", "\nca = \"pki/ca.pem\"\n\n");
        let (certificate, key) = (gateway.path("pki/server.pem"), gateway.path("keys/server.key"));
        let tls = format!("certificate = {certificate:?}\ntls_key_file = {key:?}\n\n[[log]]");
        let file = witness.path("witness.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replacen("[[log]]", &tls, 1)).unwrap();
    }
    let text = std::fs::read_to_string(gateway.config()).unwrap();
    let section = format!("{section}[witnessing]\n{settings}");
    std::fs::write(gateway.config(), text.replace("[witnessing]\n", &section)).unwrap();
    let trust = format!("log {}\nwitness w1 {}\nquorum w1\n", vkey.trim(), witness.vkey);
    std::fs::write(gateway.path("trust/trust.txt"), trust).unwrap();
    (gateway, witness)
}

pub async fn push(running: &Running<'_>, police: &Identity, key: &str) -> shuguan_tests::Answer {
    let call = Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某")).header("idempotency-key", key);
    running.call(call, police).await.expect("an answer")
}

async fn get(running: &Running<'_>, police: &Identity, path: &str) -> shuguan_tests::Answer {
    running.call(Call::get(path), police).await.expect("an answer")
}

/// The receipt once a quorum has signed it.
pub async fn signed_receipt(running: &Running<'_>, police: &Identity, path: &str, trust: &Trust) -> String {
    for _ in 0..200 {
        let answer = get(running, police, path).await;
        let receipt = String::from_utf8(answer.body.to_vec()).unwrap();
        let proven = Receipt::parse(&receipt).unwrap().verify(trust).unwrap();
        if proven.witnessed.quorum == Quorum::Met {
            return receipt;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no witness signed {path}");
}

#[test]
fn receipts_carry_the_witness_and_an_older_journal_does_not_start() {
    run(async {
        let (gateway, witness) = gateway("http", "");
        let trust = Trust::parse(&std::fs::read_to_string(gateway.path("trust/trust.txt")).unwrap()).unwrap();
        let police = gateway.partner(POLICE);
        let serving = witness.serve();
        let running = gateway.serve();
        let first = push(&running, &police, "one").await;
        assert_eq!(first.status, 202);
        let document = first.json();
        let own = document["receipt"].as_str().unwrap();
        std::fs::write(gateway.path("own.tlog-proof"), own).unwrap();
        let path = format!("{}/receipt", first.header("location"));
        let receipt = signed_receipt(&running, &police, &path, &trust).await;
        std::fs::write(gateway.path("seen.tlog-proof"), &receipt).unwrap();
        let verify = |file: &str| gateway.shuguan(&["verify", "receipt", file, "--trust", "trust/trust.txt"]);
        let (code, out, _) = verify("seen.tlog-proof");
        assert!(
            code == 0 && out.starts_with("有效") && out.contains("witness.example/w1"),
            "{code} {out}"
        );
        let (code, out, _) = verify("own.tlog-proof");
        assert!(
            code == 6 && out.starts_with("无效") && out.contains("no independent witness"),
            "{code} {out}"
        );
        // The answer's own receipt is byte for byte what it was.
        let again = push(&running, &police, "one").await;
        assert_eq!(again.body, first.body);
        let checkpoint = get(&running, &police, "/log/checkpoint").await;
        let note = String::from_utf8(checkpoint.body.to_vec()).unwrap();
        assert_eq!(trust.open_witnessed(&note).unwrap().1.quorum, Quorum::Met, "{note}");
        let owed = checkpoint.header("log-unwitnessed");
        assert!(owed.starts_with("seconds=") && owed.contains("entries="), "{owed}");
        let (_, metrics) = running.health("/metrics").unwrap();
        assert!(metrics.contains("shuguan_unwitnessed_seconds") && metrics.contains("shuguan_unwitnessed_leaves"));
        assert_eq!(running.stop(), Some(0));
        assert!(gateway.verified_log().contains("independent witnesses saw its first"));
        // An older copy is put back.
        let (journal, copy) = (gateway.journal(), gateway.path("copy.db"));
        std::fs::copy(&journal, &copy).unwrap();
        let running = gateway.serve();
        let second = push(&running, &police, "two").await;
        let size = leaves(&journal).len();
        let path = format!("{}/receipt", second.header("location"));
        signed_receipt(&running, &police, &path, &trust).await;
        running.kill();
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", journal.display()));
        }
        std::fs::copy(&copy, &journal).unwrap();
        let before = leaves(&journal).len();
        assert!(before < size);
        let (code, error) = gateway.serve_in_vain();
        assert_eq!(code, 6, "{error}");
        assert!(
            error.contains("are missing") && error.contains("newest copy") && error.contains("SG7105"),
            "{error}"
        );
        assert_eq!(leaves(&journal).len(), before, "nothing was written to it");
        let (code, out, _) = gateway.shuguan(&["doctor", "-c", "shuguan.toml"]);
        assert!(code == 6 && out.contains("are missing"), "{out}");
        // While the witness is away and the head file is lost too, it starts; the first contact stops it taking anything.
        serving.kill();
        std::fs::remove_file(gateway.path("journal/journal.head")).unwrap();
        let running = gateway.serve();
        assert_eq!(push(&running, &police, "three").await.status, 202);
        let _serving = witness.serve();
        eventually("it is found", 20, || {
            running
                .health("/readyz")
                .is_some_and(|(status, text)| status == 503 && text.contains("own key"))
        });
        let refused = push(&running, &police, "four").await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "SG5103"));
        assert!(!refused.header("retry-after").is_empty());
    });
}

#[test]
fn a_gateway_that_may_not_go_unwitnessed_waits_for_its_witness_under_tls() {
    run(async {
        let stop = "on_debt = \"stop\"\nstop_after_s = 1\n";
        let (gateway, witness) = gateway("https", stop);
        let police = gateway.partner(POLICE);
        let serving = witness.serve();
        let running = gateway.serve();
        assert_eq!(push(&running, &police, "one").await.status, 202);
        eventually("it is signed", 20, || {
            running
                .health("/readyz")
                .is_some_and(|(_, text)| text.contains("a quorum has signed every entry"))
        });
        serving.kill();
        assert_eq!(push(&running, &police, "two").await.status, 202);
        eventually("it is not ready", 20, || {
            running.health("/readyz").is_some_and(|(status, _)| status == 503)
        });
        let refused = push(&running, &police, "three").await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "SG5102"));
        assert!(!refused.header("retry-after").is_empty());
        let leaf = leaves(&gateway.journal());
        assert!(
            leaf.iter()
                .any(|leaf| leaf["k"] == "refusal" && leaf["code"] == "unwitnessed")
        );
        let _serving = witness.serve();
        eventually("it is ready again", 20, || {
            running.health("/readyz").is_some_and(|(status, _)| status == 200)
        });
        assert_eq!(push(&running, &police, "three").await.status, 202);
    });
}

#[test]
fn for_a_purpose_that_may_not_go_unwitnessed_nothing_goes_out_either_and_other_purposes_go_on() {
    run(async {
        let stop = "[witnessing.purpose.\"enrolment.comparison\"]\non_debt = \"stop\"\nstop_after_s = 1\n\
                    [witnessing.purpose.\"enrolment.registration\"]\non_debt = \"stop\"\nstop_after_s = 1\n";
        let (gateway, witness) = gateway("https", stop);
        let police = gateway.partner(POLICE);
        let centre = gateway.partner("information-centre");
        let serving = witness.serve();
        let running = gateway.serve();
        assert_eq!(push(&running, &police, "one").await.status, 202);
        let asked = |path: &str, body: serde_json::Value| {
            Call::new(http::Method::POST, path)
                .header("content-type", "application/json")
                .header("idempotency-key", &uuid::Uuid::new_v4().to_string())
                .body(body.to_string())
        };
        let pull = || {
            asked(
                "/v1/extracts",
                serde_json::json!({ "dataset": "population", "purpose": "enrolment.registration", "case": "AJ-2026-001" }),
            )
        };
        let first = pull();
        let begun = running.call(first.clone(), &centre).await.unwrap();
        assert_eq!(begun.status, 202, "{:?}", begun.body);
        serving.kill();
        eventually("it is not ready, and says for what", 20, || {
            running.health("/readyz").is_some_and(|(status, text)| {
                status == 503 && text.contains("exchanges for enrolment.comparison, enrolment.registration are refused")
            })
        });
        let rows = serde_json::json!([{ "citizen_id": nobody(1), "name": "某某" }]);
        let compare = serde_json::json!({ "dataset": "population", "purpose": "enrolment.comparison", "case": "AJ-2026-77", "rows": rows });
        for call in [pull(), asked("/v1/compare", compare)] {
            let refused = running.call(call, &centre).await.unwrap();
            assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "SG5102"));
            assert!(!refused.header("retry-after").is_empty());
        }
        // What was begun before is told again.
        let again = running.call(first, &centre).await.unwrap();
        assert_eq!(
            (again.status.as_u16(), &again.json()["exchange"]),
            (202, &begun.json()["exchange"])
        );
        let leaf = leaves(&gateway.journal());
        let refused: Vec<_> = leaf
            .iter()
            .filter(|leaf| leaf["k"] == "refusal" && leaf["code"] == "unwitnessed")
            .map(|leaf| leaf["pur"].as_str().unwrap_or_default())
            .collect();
        assert_eq!(refused.len(), 2, "{refused:?}");
        assert_eq!(leaf.iter().filter(|leaf| leaf["k"] == "pull").count(), 1);
        assert_eq!(leaf.iter().filter(|leaf| leaf["k"] == "compare").count(), 0);
    });
}
