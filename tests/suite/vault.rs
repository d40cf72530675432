//! The evidence vault through the commands: two officers open a record, the security officer destroys it, and every proof stays.

use serde_json::Value;
use shuguan_tests::{Call, Deployment, eventually, leaves, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

const SECURITY: &str = "officers/security-qian.toml";
const AUDITOR: &str = "officers/auditor-zhao.toml";

/// The digest that `approve` says of the statement that it shows.
fn shown(error: &str) -> String {
    let (_, digest) = error.split_once("--statement ").expect("a digest");
    digest.trim().to_owned()
}

fn done(gateway: &Deployment, arguments: &[&str]) -> (String, String) {
    let (code, out, error) = gateway.shuguan(arguments);
    assert_eq!(code, 0, "{arguments:?}: {error}");
    (out, error)
}

#[test]
fn a_record_is_opened_by_two_and_destroyed_and_the_receipt_outlives_both() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let feed: Vec<u8> = (0..40).flat_map(|n| resident(&nobody(n), "某某")).collect();
        let answer = running
            .call(Call::push(RESIDENT, NDJSON, feed), &gateway.partner(POLICE))
            .await
            .unwrap();
        let exchange = answer.json()["exchange"].as_str().unwrap().to_owned();
        std::fs::write(gateway.path("r.tlog-proof"), answer.json()["receipt"].as_str().unwrap()).unwrap();

        let unseal = |step: &'static str, officer: &'static str| {
            ["audit", "unseal", step, &exchange, "-c", officer].map(str::to_owned)
        };
        let run_step = |step, officer, more: &[&str]| {
            let base = unseal(step, officer);
            let arguments: Vec<&str> = base.iter().map(String::as_str).chain(more.iter().copied()).collect();
            gateway.shuguan(&arguments)
        };
        let ground = ["--case", "F-2026-9", "--why", "court"];
        assert_eq!(run_step("approve", AUDITOR, &[]).0, 3, "nobody asked");
        assert_eq!(run_step("ask", AUDITOR, &ground).0, 3, "an auditor does not ask");
        assert_eq!(run_step("ask", SECURITY, &ground).0, 0);
        let (code, _, error) = run_step("open", SECURITY, &[]);
        assert_eq!(code, 3);
        assert!(error.contains("SG8108"), "{error}");
        let (code, _, error) = run_step("approve", AUDITOR, &[]);
        assert!(
            code == 2 && error.contains("case F-2026-9"),
            "he reads what he signs: {error}"
        );
        let digest = shown(&error);
        let (code, _, error) = run_step("approve", SECURITY, &["--statement", &digest]);
        assert!(code == 3 && error.contains("SG8104"), "{error}");
        assert_eq!(run_step("approve", AUDITOR, &["--statement", &digest]).0, 0);
        let (code, _, error) = run_step("open", SECURITY, &["-o", "record.json"]);
        assert_eq!(code, 0, "{error}");
        let record = std::fs::read_to_string(gateway.path("record.json")).unwrap();
        let opened: Value = serde_json::from_str(&record).unwrap();
        for member in [
            "certificates",
            "columns",
            "index",
            "operators",
            "parts",
            "quality",
            "request",
            "revocation",
            "secret",
            "version",
            "wanted",
        ] {
            assert!(opened[member].is_string(), "{member}");
        }
        assert!(
            !record.contains(&nobody(1)) && !record.contains("某某"),
            "no field values"
        );
        assert!(record.len() < 12_000, "{} bytes", record.len());
        let steps: Vec<_> = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["k"] == "officer-unseal")
            .collect();
        let steps: Vec<_> = steps.iter().map(|leaf| leaf["step"].as_str().unwrap()).collect();
        assert_eq!(steps, ["ask", "approve", "open"]);

        // Destroyed: neither the partner nor two officers open it again.
        let shred = [
            "shred",
            "--yes",
            "--exchange",
            &exchange,
            "--case",
            "F-2026-9",
            "--why",
            "court",
            "--class",
        ];
        let (code, _, error) = gateway.shuguan(&[&shred[..], &["evidence", "-c", AUDITOR]].concat());
        assert!(code == 3 && error.contains("SG1107"), "{error}");
        done(&gateway, &[&shred[..], &["evidence", "-c", SECURITY]].concat());
        let settings = format!("partners/{POLICE}/client.toml");
        let (code, _, error) = gateway.shuguan(&["receipt", &exchange, "--opening", "-c", &settings]);
        assert!(code == 3 && error.contains("SG8103"), "{error}");
        let (code, _, error) = run_step("open", SECURITY, &[]);
        assert!(code == 3 && error.contains("SG8103"), "{error}");
        let (out, _) = done(&gateway, &["status", &exchange, "-c", &settings, "--json"]);
        assert!(out.contains("\"accepted\": 40") && !out.contains("quality"), "{out}");

        // The payload goes before its hold is over, but not before the registry has it.
        eventually("it is in the registry", 20, || {
            registry_count(&gateway.registry(), "person") == 40
        });
        eventually("the payload may go", 20, || {
            gateway.shuguan(&[&shred[..], &["payload", "-c", SECURITY]].concat()).0 == 0
        });
        let kinds: Vec<_> = leaves(&gateway.journal())
            .into_iter()
            .map(|leaf| leaf["k"].clone())
            .collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == "shred").count(), 2);
        assert_eq!(kinds.iter().filter(|kind| **kind == "erased").count(), 1);
        let verify = ["verify", "receipt", "r.tlog-proof", "--trust", "trust/trust.txt"];
        assert!(done(&gateway, &verify).0.starts_with("有效"));
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn an_auditor_signs_the_statement_that_he_read_and_none_that_was_asked_since() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let call = Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某"));
        let answer = running.call(call, &gateway.partner(POLICE)).await.unwrap().json();
        let exchange = answer["exchange"].as_str().unwrap();
        let step = |step: &str, officer: &str, more: &[&str]| {
            let words = ["audit", "unseal", step, exchange, "-c", officer];
            gateway.shuguan(&[&words[..], more].concat())
        };
        assert_eq!(step("ask", SECURITY, &["--case", "F-1", "--why", "court"]).0, 0);
        let (code, _, read) = step("approve", AUDITOR, &[]);
        assert!(code == 2 && read.contains("case F-1"), "{read}");
        assert_eq!(step("ask", SECURITY, &["--case", "F-2", "--why", "incident"]).0, 0);
        let nobodys = "0".repeat(64);
        let (code, _, error) = step("approve", AUDITOR, &["--statement", &nobodys]);
        assert!(code == 3 && error.contains("another digest"), "{error}");
        let (code, _, error) = step("approve", AUDITOR, &["--statement", &shown(&read)]);
        assert!(
            code == 0 && error.contains("case F-1") && !error.contains("F-2"),
            "{error}"
        );
        let steps = gateway.leaves_of("officer-unseal");
        let [first, second, approved] = steps.as_slice() else {
            unreachable!("two asked, one approved: {steps:?}")
        };
        assert_eq!(
            (&approved["step"], &approved["stmt"]),
            (&"approve".into(), &first["stmt"])
        );
        assert_ne!(approved["stmt"], second["stmt"]);
        drop(running);
    });
}

#[test]
fn an_opened_record_and_the_bundle_are_judged_offline_and_another_is_refused() {
    let gateway = Deployment::new();
    let running = gateway.serve();
    let feed: Vec<u8> = (0..3).flat_map(|n| resident(&nobody(n), "某某")).collect();
    std::fs::write(gateway.path("feed.ndjson"), feed).unwrap();
    let kit = format!("partners/{POLICE}/client.toml");
    let push = [
        "push",
        "feed.ndjson",
        "--record",
        RESIDENT,
        "--purpose",
        "enrolment.registration",
        "-c",
        &kit,
    ];
    done(&gateway, &push);
    let log = leaves(&gateway.journal());
    let exchange = log.iter().find(|leaf| leaf["k"] == "push").unwrap()["x"]
        .as_str()
        .unwrap()
        .to_owned();
    let unseal = |step: &str, officer: &str, more: &[&str]| {
        let base = ["audit", "unseal", step, &exchange, "-c", officer];
        done(&gateway, &[&base[..], more].concat())
    };
    unseal("ask", SECURITY, &["--case", "F-2026-9", "--why", "court"]);
    let (_, _, error) = gateway.shuguan(&["audit", "unseal", "approve", &exchange, "-c", AUDITOR]);
    unseal("approve", AUDITOR, &["--statement", &shown(&error)]);
    unseal("open", SECURITY, &["-o", "record.json"]);
    // What the officers signed has records of its own: who decided can be shown as well.
    let steps = gateway.leaves_of("officer-unseal");
    let asked = leaves(&gateway.journal())
        .iter()
        .position(|leaf| leaf["k"] == "officer-unseal");
    let entry = asked.unwrap().to_string();
    unseal("open", SECURITY, &["-o", "asked.json", "--entry", &entry]);
    let asked: Value = serde_json::from_slice(&std::fs::read(gateway.path("asked.json")).unwrap()).unwrap();
    assert!(
        asked["statement"].as_str().unwrap().contains("case F-2026-9"),
        "{asked}"
    );
    assert_eq!(steps.len(), 3, "ask, approve, open");
    let none = [
        "audit",
        "unseal",
        "open",
        &exchange,
        "-c",
        SECURITY,
        "-o",
        "none.json",
        "--entry",
        "0",
    ];
    let (code, _, said) = gateway.shuguan(&none);
    assert!(code == 3 && said.contains("no such entry"), "{code} {said}");
    assert!(!gateway.path("none.json").exists());
    assert_eq!(
        gateway.leaves_of("officer-unseal").len(),
        4,
        "what is refused leaves no step"
    );
    assert_eq!(running.stop(), Some(0));

    let receipt = format!("feed.ndjson.{exchange}.tlog-proof");
    let proof = ["--receipt", &receipt, "--trust", "trust/trust.txt"];
    let verify = |what: &str, file: &str, more: &[&str]| {
        let (code, out, error) = gateway.shuguan(&[&["verify", what, file], &proof[..], more].concat());
        (code, format!("{out}{error}"))
    };
    let (code, said) = verify("record", "record.json", &[]);
    assert!(code == 0 && said.starts_with("有效"), "{said}");
    assert!(
        said.contains("member for member") && said.contains("give the sender's message certificate"),
        "{said}"
    );
    let theirs = format!("partners/{POLICE}/message.pem");
    let (code, said) = verify("record", "record.json", &["--key", &theirs]);
    assert!(
        code == 0
            && said.contains("was signed by the key sha256:")
            && said.contains(" of spiffe://lyg.example/agency/public-security/city, over:"),
        "{said}"
    );
    assert!(said.contains("\"content-digest\": sha-256="), "{said}");
    let (code, said) = verify("record", "record.json", &["--key", "partners/health-city/message.pem"]);
    assert!(code == 6 && said.contains("signed by another key"), "{said}");
    // What the log alone says is not proven to who asks for a witness.
    let witness = include_str!("../../gateway/ledger/src/cosignature/vkey.txt").trim();
    let alone = std::fs::read_to_string(gateway.path("trust/trust.txt")).unwrap();
    std::fs::write(
        gateway.path("asks.txt"),
        format!("{alone}witness w {witness}\nquorum w\n"),
    )
    .unwrap();
    for (what, file) in [("record", "record.json"), ("policy", "policies")] {
        let (code, said, _) = gateway.shuguan(&["verify", what, file, "--receipt", &receipt, "--trust", "asks.txt"]);
        assert!(code == 6 && said.starts_with("无效"), "{said}");
    }
    // Every member that is changed is told, whether the entry names it or not.
    let record: Value = serde_json::from_slice(&std::fs::read(gateway.path("record.json")).unwrap()).unwrap();
    // It names what it is made with and each key in it: of the sender's signature, of the answer's, and the one that its own is wrapped by.
    let key_id = |pem: &str| {
        let text = std::fs::read_to_string(gateway.path(pem)).unwrap();
        let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        let spki = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
        let hash = ring::digest::digest(&ring::digest::SHA256, &spki);
        let digits: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digits}")
    };
    assert_eq!(record["suite"], "sha256 hmac-sha256 hkdf-sha256");
    assert_eq!(record["receipt-key"], key_id("trust/receipt.pem"));
    assert!(
        record["message-key"].as_str().unwrap().starts_with("sha256:"),
        "{record}"
    );
    // Byte for byte is the record as it is sealed, without the blanks that it was written with.
    std::fs::write(gateway.path("edited.json"), record.to_string()).unwrap();
    let (code, said) = verify("record", "edited.json", &[]);
    assert!(code == 0 && said.contains("byte for byte"), "{said}");
    // Of a member that stands twice a person may read the other one, and the document around a record may speak of another exchange.
    let twice = record.to_string().replacen('{', r#"{"suite":"none","#, 1);
    let around = |exchange: &str| serde_json::json!({ "exchange": exchange, "record": record }).to_string();
    for (text, code, says) in [
        (twice, 6, "the member `suite` stands twice"),
        (
            around("0199a3c4-0000-7000-8000-000000000000"),
            6,
            "names the exchange 0199a3c4",
        ),
        (around(&exchange), 0, "member for member"),
    ] {
        std::fs::write(gateway.path("edited.json"), text).unwrap();
        let (ended, said) = verify("record", "edited.json", &[]);
        assert!(ended == code && said.contains(says), "{said}");
    }
    let month = record["vault-key"].as_str().unwrap();
    assert!(gateway.path(&format!("keys/kek/{month}.key")).is_file(), "{month}");
    for member in record.as_object().unwrap().keys() {
        let mut edited = record.clone();
        edited[member] = format!("{}0", record[member].as_str().unwrap()).into();
        std::fs::write(gateway.path("edited.json"), edited.to_string()).unwrap();
        let (code, said) = verify("record", "edited.json", &[]);
        assert!(code == 6 && said.starts_with("无效"), "{member}: {said}");
    }

    let (code, said) = verify("policy", "policies", &[]);
    assert!(
        code == 0 && said.contains("the entry names this bundle by its hash"),
        "{said}"
    );
    assert!(
        said.contains("its files are those that were signed as number 1 by"),
        "{said}"
    );
    assert!(said.contains("not proved: that it had come into force"), "{said}");
    // Who has the authorities of others learns that they do not know the officers, and nothing against the bundle.
    let foreign = std::fs::read_to_string(Deployment::new().path("trust/trust.txt")).unwrap();
    let authorities = |text: &str, of: bool| {
        let lines = text.lines().filter(|line| line.starts_with("ca ") == of);
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let own = authorities(&alone, false);
    let with = |authorities: &str| {
        std::fs::write(gateway.path("other.txt"), format!("{own}{authorities}")).unwrap();
        gateway.shuguan(&[
            "verify",
            "policy",
            "policies",
            "--receipt",
            &receipt,
            "--trust",
            "other.txt",
        ])
    };
    let (code, said, _) = with(&authorities(&foreign, true));
    let unknown = "not proved: that officers signed it: no authority of the trust file knows the certificate of";
    assert!(code == 0 && said.contains(unknown), "{said}");
    let (code, said, error) = with("ca AAAA\n");
    assert!(code == 1 && error.contains("other.txt"), "{said}{error}");
    // A document's number is nothing that the bundle allows, so the hash does not tell; the officers' signatures do, and where there are none nothing does.
    let path = gateway.path("policies/agreements/public-security.toml");
    let kept = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{kept}# another remark\n")).unwrap();
    let (code, said) = verify("policy", "policies", &[]);
    assert!(
        code == 6 && said.contains("a file was changed, added or removed after signing"),
        "{said}"
    );
    std::fs::rename(gateway.path("policies/bundle.sig"), gateway.path("bundle.sig")).unwrap();
    let (code, said) = verify("policy", "policies", &[]);
    assert!(
        code == 0 && said.contains("not proved: that officers signed it"),
        "{said}"
    );
    std::fs::rename(gateway.path("bundle.sig"), gateway.path("policies/bundle.sig")).unwrap();
    std::fs::write(&path, &kept).unwrap();
    std::fs::write(&path, kept.replacen("rows_per_day = 12_000_000", "rows_per_day = 1", 1)).unwrap();
    let (code, said) = verify("policy", "policies", &[]);
    assert!(code == 6 && said.contains("the entry names the bundle"), "{said}");
}
