//! The log over HTTP: what each role may read, how long it may be kept, what is refused and how.

use shuguan_ledger::exported;
use shuguan_ledger::tile::Tile;
use shuguan_ledger::tree::leaf_hash;
use shuguan_ledger::trust::Trust;
use shuguan_tests::{Answer, Call, Deployment, Identity, Running, leaves, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};
use crate::stopped::stopped;

const IMMUTABLE: &str = "private, max-age=31536000, immutable";

fn trust(gateway: &Deployment) -> Trust {
    Trust::parse(&std::fs::read_to_string(gateway.path("trust/trust.txt")).unwrap()).unwrap()
}

async fn feed(running: &Running<'_>, path: &str, who: &Identity) -> Answer {
    running.call(Call::get(path), who).await.unwrap()
}

async fn console(running: &Running<'_>, path: &str, who: &Identity) -> Answer {
    running.console(Call::get(path), who).await.unwrap()
}

#[test]
fn the_log_that_was_fetched_verifies_and_is_the_one_that_was_exported() {
    let one = stopped();
    let report = exported::verify(&one.fetched, &trust(&one.gateway)).unwrap();
    assert!(
        report.log.checkpoint.size > 512 && report.log.kinds["stop"] >= 1,
        "{report:?}"
    );
    let (code, out, error) =
        one.gateway
            .shuguan(&["log", "export", "--journal", "journal/journal.db", "-o", "exported"]);
    assert_eq!(code, 0, "{out}{error}");
    for (path, bytes) in &one.fetched {
        let tile: Option<Tile> = path.parse().ok();
        // The gateway sealed its `stop` afterwards, so what was partial is wider.
        if tile.is_some_and(Tile::is_full) {
            assert_eq!(
                std::fs::read(one.gateway.path("exported").join(path)).unwrap(),
                *bytes,
                "{path}"
            );
        }
    }
    let newest = one.newest.to_str().unwrap();
    let arguments = [
        "verify",
        "log",
        "exported",
        "--trust",
        "trust/trust.txt",
        "--receipt",
        newest,
    ];
    let (code, out, error) = one.gateway.shuguan(&arguments);
    assert_eq!(code, 0, "{out}{error}");
    assert!(out.starts_with("有效"), "{out}");
    let json = one.gateway.shuguan(&[&arguments[..], &["--format", "json"]].concat()).1;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["verdict"], &json["bundles"]),
        (&"proven".into(), &3.into()),
        "{json}"
    );
    assert_eq!(json["size"], leaves(&one.gateway.journal()).len());
    // What it is compared with has to be valid itself; that is a verdict too, and the file is named.
    let text = std::fs::read_to_string(&one.newest).unwrap();
    let bad = one.gateway.path("bad.tlog-proof");
    std::fs::write(&bad, text.replacen("\nindex ", "\nindex 9", 1)).unwrap();
    for option in ["--receipt", "--checkpoint"] {
        let bad = [
            "verify",
            "log",
            "exported",
            "--trust",
            "trust/trust.txt",
            option,
            "bad.tlog-proof",
        ];
        let (code, out, _) = one.gateway.shuguan(&bad);
        assert!(code == 6 && out.starts_with("无效"), "{option}: {out}");
        let (code, out, _) = one.gateway.shuguan(&[&bad[..], &["--json"]].concat());
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        let said = (code, &json["verdict"], &json["file"]);
        assert_eq!(said, (6, &"disproven".into(), &"bad.tlog-proof".into()), "{option}");
    }
}

#[test]
fn an_exported_log_with_a_fault_is_not_proven_and_names_it() {
    let one = stopped();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (path, bytes) in &one.fetched {
        std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), bytes).unwrap();
    }
    let trust = one.gateway.path("trust/trust.txt");
    let verify = || {
        let folder = root.to_str().unwrap();
        let (code, out, error) =
            one.gateway
                .shuguan(&["verify", "log", folder, "--trust", trust.to_str().unwrap(), "--json"]);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap_or_default();
        (
            code,
            json["verdict"].as_str().unwrap_or_default().to_owned(),
            out + &error,
        )
    };
    assert_eq!((verify().0, &*verify().1), (0, "proven"));
    let path = root.join("tile/0/001");
    let mut forged = one.fetched["tile/0/001"].clone();
    forged[32 * 5] ^= 1;
    std::fs::write(&path, forged).unwrap();
    let (code, verdict, said) = verify();
    assert_eq!((code, &*verdict), (6, "disproven"), "{said}");
    assert!(said.contains("`tile/0/001`: hash 261 of level 0"), "{said}");
    assert!(said.contains("/tile/0/001\""), "{said}");
    std::fs::remove_file(&path).unwrap();
    let (code, verdict, said) = verify();
    assert_eq!((code, &*verdict), (6, "incomplete"), "{said}");
    std::fs::remove_file(root.join("checkpoint")).unwrap();
    let (code, _, said) = verify();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no exported log"), "{said}");
}

#[test]
fn tiles_are_for_everybody_and_leaves_for_auditors() {
    let gateway = Deployment::new();
    run(async {
        let running = gateway.serve();
        let police = gateway.partner(POLICE);
        let push = Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某"));
        assert_eq!(running.call(push, &police).await.unwrap().status, 202);
        let [auditor, security, policy] =
            ["auditor-zhao", "security-qian", "policy-sun"].map(|officer| gateway.officer(officer));
        for (answer, who) in [
            (feed(&running, "/log/checkpoint", &police).await, "a partner"),
            (console(&running, "/log/checkpoint", &auditor).await, "an auditor"),
            (console(&running, "/log/checkpoint", &policy).await, "a policy officer"),
        ] {
            assert_eq!(answer.status, 200, "{who}");
            assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
            assert_eq!(answer.header("cache-control"), "private, max-age=2");
            trust(&gateway)
                .open(std::str::from_utf8(&answer.body).unwrap())
                .unwrap();
        }
        let of_partner = feed(&running, "/log/tile/0/000.p/2", &police).await;
        let of_officer = console(&running, "/log/tile/0/000.p/2", &security).await;
        assert_eq!((of_partner.status.as_u16(), of_partner.body.len()), (200, 64));
        assert_eq!(of_partner.body, of_officer.body);
        let bundle = console(&running, "/log/tile/entries/000.p/2", &auditor).await;
        let entry = console(&running, "/log/entries/1", &auditor).await;
        for answer in [&of_partner, &of_officer, &bundle, &entry] {
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("cache-control"), IMMUTABLE);
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
        }
        assert_eq!(bundle.header("content-type"), "application/octet-stream");
        assert_eq!(entry.header("content-type"), "application/json");
        let entries = shuguan_ledger::bundle::read(&bundle.body, 2).unwrap();
        assert_eq!(entries[1], &entry.body[..]);
        assert_eq!(leaf_hash(&entry.body)[..], of_partner.body[32..]);
        assert_eq!(entry.json()["v"], "shuguan.leaf.v1");

        let before = leaves(&gateway.journal()).len();
        let wrong_role = [
            feed(&running, "/log/tile/entries/000.p/2", &police).await,
            feed(&running, "/log/entries/1", &police).await,
            console(&running, "/log/tile/entries/000.p/2", &security).await,
            console(&running, "/log/entries/1", &policy).await,
        ];
        for answer in wrong_role {
            assert_eq!((answer.status.as_u16(), &*answer.code()), (403, "SG1107"));
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        let all = leaves(&gateway.journal());
        let refusals: Vec<_> = all[before..].iter().filter(|leaf| leaf["k"] == "refusal").collect();
        assert_eq!(refusals.len(), 4);
        assert!(
            refusals
                .iter()
                .all(|leaf| leaf["code"] == "wrong-role" && leaf["at"] == "log")
        );
        assert_eq!(running.stop(), Some(0));
    });
}

#[test]
fn what_is_not_there_yet_and_what_is_no_path_are_refused_each_with_its_code() {
    let gateway = Deployment::new();
    run(async {
        let running = gateway.serve();
        let (police, auditor) = (gateway.partner(POLICE), gateway.officer("auditor-zhao"));
        for path in [
            "/log/tile/0/000",
            "/log/tile/0/001.p/1",
            "/log/tile/1/000.p/1",
            "/log/tile/63/000",
            "/log/tile/entries/000",
            "/log/tile/entries/x072/x057/x594/x037/x927/935",
            "/log/entries/4000",
            "/log/entries/18446744073709551615",
        ] {
            let answer = console(&running, path, &auditor).await;
            assert_eq!((answer.status.as_u16(), &*answer.code()), (404, "SG2132"), "{path}");
        }
        for path in [
            "/log/tile/0/0",
            "/log/tile/0/000.p/0",
            "/log/tile/0/000.p/256",
            "/log/tile/0/000.p/01",
            "/log/tile/00/000",
            "/log/tile/64/000",
            "/log/tile/8/0/000",
            "/log/tile/0/%30%30%30.p/1",
            "/log/tile/0/000.p/1?x",
            "/log/tile/0/000.p/1/",
            "/log/tile/data/000",
            "/log/tile/0/../0/000.p/1",
            "/log/entries/01",
            "/log/entries/-1",
            "/log/entries/18446744073709551616",
            "/log/entries/x",
        ] {
            let answer = console(&running, path, &auditor).await;
            assert_eq!((answer.status.as_u16(), &*answer.code()), (400, "SG2131"), "{path}");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        for path in ["/log", "/log/tile", "/log/tile/", "/log/entries/", "/log/checkpoint/"] {
            assert_eq!(feed(&running, path, &police).await.code(), "SG2114", "{path}");
        }
        let post = Call::new(http::Method::POST, "/log/tile/0/000.p/1");
        assert_eq!(running.call(post, &police).await.unwrap().code(), "SG2115");
        let nobody = running
            .console(Call::get("/log/checkpoint"), &gateway.nobody())
            .await
            .unwrap();
        assert_ne!(nobody.status, 200, "a help page, no checkpoint");
        let all = leaves(&gateway.journal());
        let of = |code: &str| {
            all.iter()
                .filter(|leaf| leaf["k"] == "refusal" && leaf["code"] == code)
                .count()
        };
        assert_eq!((of("not-in-log"), of("bad-log-path")), (8, 16));
        assert_eq!(running.stop(), Some(0));
    });
}

#[test]
fn a_partner_fetches_the_proof_that_the_log_only_grew_since_his_checkpoint_and_is_told_when_it_shrank() {
    let gateway = Deployment::new();
    run(async {
        let running = gateway.serve();
        let police = gateway.partner(POLICE);
        for n in 1..4 {
            let push = Call::push(RESIDENT, NDJSON, resident(&nobody(n), "某某"));
            let answer = running.call(push, &police).await.unwrap();
            assert_eq!(answer.status, 202);
            if n == 1 {
                let receipt = answer.json()["receipt"].as_str().unwrap().to_owned();
                std::fs::write(gateway.path("june.tlog-proof"), receipt).unwrap();
                let checkpoint = feed(&running, "/log/checkpoint", &police).await;
                std::fs::write(gateway.path("june"), checkpoint.body).unwrap();
            }
        }
        let client = format!("partners/{POLICE}/client.toml");
        for old in ["june", "june.tlog-proof"] {
            let words = ["log", "prove", old, "-o", "now.proof", "-c", &client];
            let (code, out, error) = gateway.shuguan(&words);
            assert_eq!(code, 0, "{out}{error}");
            let words = [
                "verify",
                "consistency",
                old,
                "--proof",
                "now.proof",
                "--trust",
                "trust/trust.txt",
                "--json",
            ];
            let (code, out, error) = gateway.shuguan(&words);
            assert_eq!(code, 0, "{out}{error}");
            let json: serde_json::Value = serde_json::from_str(&out).unwrap();
            assert!(
                json["verdict"] == "proven" && json["added"].as_u64() >= Some(2),
                "{json}"
            );
        }
        // What he holds is longer than what is shown, or of another history: no file is written.
        let june = std::fs::read_to_string(gateway.path("june")).unwrap();
        let size = june.lines().nth(1).unwrap().to_owned();
        let root = june.lines().nth(2).unwrap().to_owned();
        let other = june.replace(&root, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        let longer = june.replacen(&format!("\n{size}\n"), "\n9000\n", 1);
        for (name, text, why) in [
            ("other", other, "two histories"),
            ("longer", longer, "fewer than the 9000"),
        ] {
            std::fs::write(gateway.path(name), text).unwrap();
            let words = ["log", "prove", name, "-o", "none.proof", "-c", &client];
            let (code, out, error) = gateway.shuguan(&words);
            assert!(code == 6 && error.contains(why), "{name}: {code} {out}{error}");
            assert!(!gateway.path("none.proof").exists(), "{name}");
        }
    });
}
