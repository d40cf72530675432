//! A registry that was put back from yesterday's backup: what it lost is named, and goes to it again as long as the payloads are held (C7).

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use shuguan_tests::{Call, Deployment, Running, eventually, leaves, registry_count, registry_rows, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

const OPERATOR: [&str; 2] = ["-c", "officers/operator-li.toml"];

async fn push(running: &Running<'_>, gateway: &Deployment, n: u32) -> String {
    let call = Call::push(RESIDENT, NDJSON, resident(&nobody(n), "某某"));
    let answer = running.call(call, &gateway.partner(POLICE)).await.unwrap();
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    answer.json()["exchange"].as_str().unwrap().to_owned()
}

fn relayed(gateway: &Deployment, count: usize) {
    eventually("all are relayed", 30, || {
        leaves(&gateway.journal())
            .iter()
            .filter(|leaf| leaf["k"] == "relayed")
            .count()
            == count
    });
}

/// The files of the registry, with what stands beside them.
fn files(gateway: &Deployment) -> Vec<(PathBuf, Vec<u8>)> {
    let ends = ["", "-wal", "-shm"];
    let path = |end: &str| PathBuf::from(format!("{}{end}", gateway.registry().display()));
    let held = ends.map(path).into_iter().filter(|path| path.is_file());
    held.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn put_back(gateway: &Deployment, backup: &[(PathBuf, Vec<u8>)]) {
    for (path, _) in files(gateway) {
        std::fs::remove_file(path).unwrap();
    }
    for (path, bytes) in backup {
        std::fs::write(path, bytes).unwrap();
    }
}

/// Two characters that do not compress.
fn name(n: u32) -> String {
    let character = |prime: u32| char::from_u32(0x4e00 + n.wrapping_mul(prime) % 5_003).unwrap();
    [character(7_919), character(104_729)].iter().collect()
}

/// Exit code, and each finding with its exchange.
fn fsck(gateway: &Deployment) -> (i32, Vec<(String, String)>) {
    let (code, out, error) = gateway.shuguan(&["db", "fsck", "-c", "shuguan.toml", "--json"]);
    let document: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{error}"));
    let text = |finding: &Value, member: &str| finding[member].as_str().unwrap().to_owned();
    let findings = document["findings"].as_array().unwrap();
    let findings = findings.iter().map(|one| (text(one, "what"), text(one, "exchange")));
    (code, findings.collect())
}

fn feed_again(gateway: &Deployment, exchanges: &[&str]) -> (i32, String) {
    let (code, _, error) = gateway.shuguan(&[&["relay", "feed-again"], exchanges, &OPERATOR].concat());
    (code, error)
}

fn rows(gateway: &Deployment) -> Vec<String> {
    registry_rows(
        &gateway.registry(),
        "SELECT citizen_id || name || _leaf FROM public_security_resident ORDER BY 1",
    )
}

#[test]
fn a_registry_put_back_from_a_backup_is_fed_again_what_it_lost_and_nothing_twice() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let first = push(&running, &gateway, 1).await;
        relayed(&gateway, 1);
        assert_eq!(running.stop(), Some(0));
        let backup = files(&gateway);
        let running = gateway.serve();
        let second = push(&running, &gateway, 2).await;
        let third = push(&running, &gateway, 3).await;
        relayed(&gateway, 3);
        assert_eq!(fsck(&gateway), (0, vec![]));
        assert_eq!(running.stop(), Some(0));
        let whole = rows(&gateway);
        put_back(&gateway, &backup);
        assert_eq!(registry_count(&gateway.registry(), "public_security_resident"), 1);

        let running = gateway.serve();
        let missing = |exchange: &str| ("missing".to_owned(), exchange.to_owned());
        assert_eq!(fsck(&gateway), (6, vec![missing(&second), missing(&third)]));
        eventually("it says so", 10, || {
            let (_, page) = running.health("/readyz").unwrap();
            page.contains("shuguan db fsck")
        });
        for (exchange, said) in [
            (first.as_str(), "holds it whole"),
            ("0199a3c4-0000-7000-8000-000000000000", "SG2114"),
        ] {
            let (code, error) = feed_again(&gateway, &[exchange]);
            assert_eq!(code, 3, "{error}");
            assert!(error.contains(said), "{error}");
        }
        for officer in ["auditor-zhao", "security-qian", "policy-sun"] {
            let settings = format!("officers/{officer}.toml");
            let (code, _, error) = gateway.shuguan(&["relay", "feed-again", &second, "-c", &settings]);
            assert_eq!(code, 3, "{error}");
            assert!(error.contains("SG1107"), "{error}");
        }
        // What is refused among several is named, and the rest goes.
        let (code, error) = feed_again(&gateway, &[&first, &second, &third]);
        assert_eq!(code, 3, "{error}");
        let named = format!("{first} is not fed again: SG2101");
        assert!(error.contains(&named) && !error.contains(&second), "{error}");
        relayed(&gateway, 5);
        assert_eq!(rows(&gateway), whole);
        assert_eq!(fsck(&gateway), (0, vec![]));
        let (code, error) = feed_again(&gateway, &[&second]);
        assert_eq!(code, 3, "{error}");
        let acts: Vec<_> = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["k"] == "operator")
            .collect();
        let told: Vec<_> = acts
            .iter()
            .map(|leaf| (&leaf["act"], &leaf["x"], &leaf["who"]))
            .collect();
        let (act, who) = (json!("fed-again"), json!("operator-li"));
        assert_eq!(told, [(&act, &json!(second), &who), (&act, &json!(third), &who)]);
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn what_a_registry_lost_and_nobody_holds_is_named_and_so_is_what_the_journal_does_not_know() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        push(&running, &gateway, 1).await;
        relayed(&gateway, 1);
        assert_eq!(running.stop(), Some(0));
        let backup = files(&gateway);
        let running = gateway.serve();
        let second = push(&running, &gateway, 2).await;
        relayed(&gateway, 2);
        let shred = [
            "shred",
            "--class",
            "payload",
            "--exchange",
            &second,
            "--case",
            "R-1",
            "--why",
            "court",
        ];
        let (code, _, error) = gateway.shuguan(&[&shred[..], &["-c", "officers/security-qian.toml"]].concat());
        assert_eq!(code, 0, "{error}");
        assert_eq!(fsck(&gateway), (0, vec![]), "the registry has it");
        assert_eq!(running.stop(), Some(0));
        put_back(&gateway, &backup);
        let unknown = "0199a3c4000070008000000000000001";
        let registry = rusqlite::Connection::open(gateway.registry()).unwrap();
        registry
            .execute_batch(&format!(
                "INSERT INTO relay_progress SELECT x'{unknown}', leaf, record, partner, received_us, parts, row_count, \
                 inserted, updated, same, deleted, close_after FROM relay_progress LIMIT 1; \
                 UPDATE relay_progress SET same = same + 1 WHERE exchange <> x'{unknown}'"
            ))
            .unwrap();
        drop(registry);
        let running = gateway.serve();
        let (code, found) = fsck(&gateway);
        let words: Vec<&str> = found.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!((code, words), (6, vec!["differs", "lost", "unknown"]), "{found:?}");
        assert_eq!(found[1].1, second);
        let (code, error) = feed_again(&gateway, &[&second]);
        assert_eq!(code, 3, "{error}");
        assert!(error.contains("must push it again"), "{error}");
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn a_backup_made_while_the_gateway_runs_verifies_and_holds_no_key() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let (code, _, error) = gateway.shuguan(&[&["relay", "pause"], &OPERATOR[..]].concat());
        assert_eq!(code, 0, "{error}");
        // Enough that payload and index of subjects are files of their own.
        let many: Vec<u8> = (0..20_000).flat_map(|n| resident(&nobody(n), &name(n))).collect();
        let call = Call::push(RESIDENT, NDJSON, many);
        assert_eq!(running.call(call, &gateway.partner(POLICE)).await.unwrap().status, 202);
        let backup = ["db", "backup", "backup", "-c", "shuguan.toml", "--json"];
        let (code, out, error) = gateway.shuguan(&backup);
        assert_eq!(code, 0, "{error}");
        let manifest: Value = serde_json::from_str(&out).unwrap();
        let files = manifest["files"].as_array().unwrap();
        let names: Vec<&str> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
        assert_eq!(&names[..2], ["journal.db", "registry.db"]);
        assert!(names.iter().any(|name| name.ends_with(".parts")), "{names:?}");
        assert!(names.iter().any(|name| name.ends_with(".tags")), "{names:?}");
        let keys: Vec<Vec<u8>> = ["kek.key", "log.seed", "index.key", "master.key"]
            .iter()
            .map(|key| std::fs::read(gateway.path("keys").join(key)).unwrap())
            .collect();
        for name in names.iter().chain(&["backup.json"]) {
            let path = gateway.path("backup").join(name);
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
            let bytes = std::fs::read(path).unwrap();
            assert!(
                keys.iter()
                    .all(|key| !bytes.windows(key.len()).any(|window| window == key)),
                "{name}"
            );
        }
        let verify = ["verify", "log", "backup/journal.db", "--trust", "trust/trust.txt"];
        let (code, _, error) = gateway.shuguan(&verify);
        assert_eq!(code, 0, "{error}");
        let (code, _, error) = gateway.shuguan(&backup);
        assert_eq!(code, 1, "{error}");
        assert!(error.contains("is not empty"), "{error}");
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}
