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
            "--yes",
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
        assert!(names.contains(&"evidence-keys.db"), "{names:?}");
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

/// Exit code, and what is said.
fn restore(gateway: &Deployment, arguments: &[&str]) -> (i32, String) {
    let (code, out, error) = gateway.shuguan(&[&["db", "restore", "backup", "-c", "shuguan.toml"], arguments].concat());
    (code, format!("{out}{error}"))
}

/// What is in the folder of a store, without locks and what SQLite keeps beside a database.
fn folder(gateway: &Deployment, name: &str) -> Vec<String> {
    let entries = std::fs::read_dir(gateway.path(name)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| ![".lock", "-wal", "-shm"].iter().any(|end| name.ends_with(end)))
        .collect();
    names.sort();
    names
}

#[test]
fn yesterdays_registry_is_restored_and_fed_again_what_it_lacks() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        push(&running, &gateway, 1).await;
        relayed(&gateway, 1);
        let (code, _, error) = gateway.shuguan(&["db", "backup", "backup", "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "{error}");
        let second = push(&running, &gateway, 2).await;
        let third = push(&running, &gateway, 3).await;
        relayed(&gateway, 3);
        let registry = ["--only", "registry", "--replace"];
        let (code, said) = restore(&gateway, &registry);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("stop the gateway"), "{said}");
        assert_eq!(running.stop(), Some(0));
        let whole = rows(&gateway);
        // Somebody else, of whom the journal's lock knows nothing.
        let other = rusqlite::Connection::open(gateway.registry()).unwrap();
        let held: i64 = other
            .query_row("SELECT count(*) FROM relay_progress", [], |row| row.get(0))
            .unwrap();
        assert_eq!(held, 3);
        let (code, said) = restore(&gateway, &registry);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("another process has"), "{said}");
        drop(other);
        let (code, said) = restore(&gateway, &["--only", "registry"]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("--replace"), "{said}");
        assert_eq!(rows(&gateway), whole, "nothing was changed");

        let (code, said) = restore(&gateway, &registry);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("shuguan db fsck"), "{said}");
        assert_eq!(rows(&gateway).len(), 1);
        let there = folder(&gateway, "registry");
        let kept: Vec<&String> = there
            .iter()
            .filter(|name| name.starts_with("registry.db.before-restore-"))
            .collect();
        assert!(
            !kept.is_empty() && !there.iter().any(|name| name.ends_with(".tmp")),
            "{there:?}"
        );
        assert_eq!(
            registry_rows(
                &gateway.path("registry").join(kept[0]),
                "SELECT citizen_id || name || _leaf FROM public_security_resident ORDER BY 1",
            ),
            whole,
            "what was there is kept whole"
        );

        let running = gateway.serve();
        let missing = |exchange: &str| ("missing".to_owned(), exchange.to_owned());
        assert_eq!(fsck(&gateway), (6, vec![missing(&second), missing(&third)]));
        eventually("it says so", 10, || {
            let (_, page) = running.health("/readyz").unwrap();
            page.contains("shuguan db fsck")
        });
        let (code, error) = feed_again(&gateway, &[&second, &third]);
        assert_eq!(code, 0, "{error}");
        relayed(&gateway, 5);
        assert_eq!(rows(&gateway), whole);
        assert_eq!(fsck(&gateway), (0, vec![]));
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn a_journal_from_a_backup_does_not_start_before_its_loss_is_stated_and_a_sound_one_is_not_written_over() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let (code, _, error) = gateway.shuguan(&[&["relay", "pause"], &OPERATOR[..]].concat());
        assert_eq!(code, 0, "{error}");
        // Enough that payload and index of subjects are files of their own.
        let many: Vec<u8> = (0..20_000).flat_map(|n| resident(&nobody(n), &name(n))).collect();
        let call = Call::push(RESIDENT, NDJSON, many);
        assert_eq!(running.call(call, &gateway.partner(POLICE)).await.unwrap().status, 202);
        let (code, _, error) = gateway.shuguan(&["db", "backup", "backup", "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "{error}");
        let payloads = folder(&gateway, "journal/payload");
        assert!(payloads.len() >= 2, "{payloads:?}");
        push(&running, &gateway, 20_001).await;
        assert_eq!(running.stop(), Some(0));
        let (code, said) = restore(&gateway, &[]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("journal.db` is there"), "{said}");
        assert_eq!(
            leaves(&gateway.journal())
                .iter()
                .filter(|leaf| leaf["k"] == "push")
                .count(),
            2
        );

        // The disk is lost; the head file lies on another.
        for gone in ["journal/journal.db", "registry/registry.db"] {
            std::fs::remove_file(gateway.path(gone)).unwrap();
        }
        for gone in &payloads {
            std::fs::remove_file(gateway.path("journal/payload").join(gone)).unwrap();
        }
        let (code, said) = restore(&gateway, &[]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("shuguan db recover"), "{said}");
        assert_eq!(folder(&gateway, "journal/payload"), payloads);
        assert_eq!(
            leaves(&gateway.journal())
                .iter()
                .filter(|leaf| leaf["k"] == "push")
                .count(),
            1
        );
        let (code, error) = gateway.serve_in_vain();
        assert_eq!(code, 6, "{error}");
        assert!(error.contains("db recover"), "{error}");
        let text = std::fs::read_to_string(gateway.config()).unwrap();
        let (origin, successor) = ("gw1.lyg.example/log\"", "gw1.lyg.example/log/2\"");
        std::fs::write(gateway.config(), text.replacen(origin, successor, 1)).unwrap();
        let recover = ["db", "recover", "--why", "disk-lost", "-c", "shuguan.toml"];
        let (code, _, error) = gateway.shuguan(&recover);
        assert_eq!(code, 0, "{error}");
        let running = gateway.serve();
        let (code, _, error) = gateway.shuguan(&[&["relay", "resume"], &OPERATOR[..]].concat());
        assert_eq!(code, 0, "{error}");
        relayed(&gateway, 1);
        assert_eq!(registry_count(&gateway.registry(), "public_security_resident"), 20_000);
        assert_eq!(fsck(&gateway), (0, vec![]));
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn a_journal_goes_back_without_the_keys_of_evidence_where_their_file_was_removed() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        push(&running, &gateway, 1).await;
        relayed(&gateway, 1);
        assert_eq!(running.stop(), Some(0));
        let (code, _, error) = gateway.shuguan(&["db", "backup", "backup", "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "{error}");
        let keys = gateway.path("backup/evidence-keys.db");
        let kept = std::fs::read(&keys).unwrap();
        let wrapped = || registry_count(&gateway.journal(), "wrapped_key");
        let before = wrapped();
        assert!(before > 0);

        std::fs::write(&keys, [&kept[..], b"x"].concat()).unwrap();
        let journal = ["--only", "journal", "--replace"];
        let (code, said) = restore(&gateway, &journal);
        assert_eq!(code, 6, "{said}");
        assert_eq!(wrapped(), before, "nothing was changed");

        std::fs::remove_file(&keys).unwrap();
        let (code, said) = restore(&gateway, &journal);
        assert_eq!(code, 0, "{said}");
        assert!(
            said.contains("`evidence-keys.db` is not in the backup any more"),
            "{said}"
        );
        assert_eq!(wrapped(), 0);
        let running = gateway.serve();
        push(&running, &gateway, 2).await;
        relayed(&gateway, 2);
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
        let (code, out, error) = gateway.shuguan(&["doctor", "--deep", "-c", "shuguan.toml"]);
        let said = format!("{out}{error}");
        assert_ne!(code, 0, "{said}");
        assert!(said.contains("its key is not there"), "{said}");

        std::fs::write(&keys, &kept).unwrap();
        let (code, said) = restore(&gateway, &["--only", "journal", "--replace", "--lose-newer"]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("is to be shredded again"), "{said}");
        assert_eq!(wrapped(), before);
        let there = folder(&gateway, "journal");
        assert!(
            !there.iter().any(|name| name.contains("evidence-keys")),
            "the keys are in the journal alone: {there:?}"
        );
    });
}

#[test]
fn what_is_not_as_its_manifest_says_is_no_backup_and_changes_nothing() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        push(&running, &gateway, 1).await;
        relayed(&gateway, 1);
        let (code, _, error) = gateway.shuguan(&["db", "backup", "backup", "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "{error}");
        push(&running, &gateway, 2).await;
        relayed(&gateway, 2);
        assert_eq!(running.stop(), Some(0));
        let (stores, whole) = (["journal", "registry"], rows(&gateway));
        let before = stores.map(|store| folder(&gateway, store));
        let untouched = |what: &str| {
            assert_eq!(stores.map(|store| folder(&gateway, store)), before, "{what}");
            assert_eq!(rows(&gateway), whole, "{what}");
        };
        let manifest = gateway.path("backup/backup.json");
        let (said, database) = (
            std::fs::read_to_string(&manifest).unwrap(),
            gateway.path("backup/registry.db"),
        );
        let bytes = std::fs::read(&database).unwrap();
        let changed: Vec<u8> = bytes.iter().copied().rev().collect();
        for (what, bytes) in [
            ("shorter", &bytes[..bytes.len() - 1]),
            ("longer", &[&bytes[..], b"x"].concat()),
            ("changed", &changed),
        ] {
            std::fs::write(&database, bytes).unwrap();
            let (code, error) = restore(&gateway, &["--replace", "--lose-newer"]);
            assert_eq!(code, 6, "{what}: {error}");
            assert!(error.contains("registry.db` is not the file"), "{what}: {error}");
            untouched(what);
        }
        std::fs::write(&database, &bytes).unwrap();
        for (from, to, code) in [
            ("shuguan.db-backup.v1", "shuguan.db-backup.v9", 6),
            ("\"registry.db\"", "\"../registry/registry.db\"", 6),
            ("\"registry.db\"", "\"/etc/passwd\"", 6),
            ("\"journal.db\"", "\"payloads/../../journal.db\"", 6),
            ("\"size\"", "\"sise\"", 6),
            ("gw1.lyg.example/log", "gw2.lyg.example/log", 6),
            ("gw1.lyg.example/log", "gw1\\u001b[31m", 6),
            ("\"registry.db\"", "\"payload/\\u001b[2J\"", 6),
        ] {
            assert!(said.contains(from), "{said}");
            std::fs::write(&manifest, said.replacen(from, to, 1)).unwrap();
            let (exit, error) = restore(&gateway, &["--replace", "--lose-newer"]);
            assert_eq!(exit, code, "{to}: {error}");
            assert!(!error.contains('\u{1b}'), "{to}: {error:?}");
            untouched(to);
        }
        let mut huge: serde_json::Value = serde_json::from_str(&said).unwrap();
        for file in huge["files"].as_array_mut().unwrap() {
            file["bytes"] = u64::MAX.into();
        }
        std::fs::write(&manifest, huge.to_string()).unwrap();
        let (code, error) = restore(&gateway, &["--replace", "--lose-newer"]);
        assert_eq!(code, 6, "{error}");
        untouched("more bytes than can be counted");
        std::fs::remove_file(&manifest).unwrap();
        let (code, error) = restore(&gateway, &["--replace", "--lose-newer"]);
        assert_eq!(code, 1, "{error}");
        assert!(error.contains("is no backup"), "{error}");
        std::fs::write(&manifest, &said).unwrap();
        std::fs::remove_file(&database).unwrap();
        let (code, error) = restore(&gateway, &["--replace", "--lose-newer"]);
        assert_eq!(code, 1, "{error}");
        untouched("a file is gone");
        std::fs::write(&database, &bytes).unwrap();
        let (code, error) = restore(&gateway, &["--only", "registry", "--replace"]);
        assert_eq!(code, 0, "{error}");
        assert_eq!(rows(&gateway).len(), 1);
    });
}

#[test]
fn what_a_killed_gateway_left_unfolded_stays_with_the_older_store_and_does_not_get_into_the_restored_one() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        push(&running, &gateway, 1).await;
        relayed(&gateway, 1);
        let (code, _, error) = gateway.shuguan(&["db", "backup", "backup", "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "{error}");
        for n in 2..6 {
            push(&running, &gateway, n).await;
        }
        relayed(&gateway, 5);
        running.kill();
        let logs = ["journal/journal.db-wal", "registry/registry.db-wal"];
        for log in logs {
            assert!(std::fs::metadata(gateway.path(log)).unwrap().len() > 0, "{log}");
        }
        // Of a restore that broke off.
        std::fs::write(gateway.path("registry/.registry.db.tmp"), "half of it, or more").unwrap();
        let (code, said) = restore(&gateway, &["--replace"]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("--lose-newer"), "{said}");
        assert_eq!(rows(&gateway).len(), 5, "nothing was changed");
        let (code, said) = restore(&gateway, &["--replace", "--lose-newer"]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("removes the payload files"), "{said}");
        for log in logs {
            assert!(!gateway.path(log).exists(), "{log} would be read as the restored one's");
        }
        assert_eq!(rows(&gateway).len(), 1);
        assert_eq!(
            leaves(&gateway.journal())
                .iter()
                .filter(|leaf| leaf["k"] == "relayed")
                .count(),
            1
        );
        let kept = |store: &str| {
            let names = folder(&gateway, store);
            let name = names.into_iter().find(|name| name.contains(".db.before-restore-"));
            gateway.path(store).join(name.unwrap())
        };
        assert_eq!(registry_count(&kept("registry"), "public_security_resident"), 5);
        let relayed = |journal: &std::path::Path| leaves(journal).iter().filter(|leaf| leaf["k"] == "relayed").count();
        assert_eq!(relayed(&kept("journal")), 5);
        assert!(!folder(&gateway, "registry").iter().any(|name| name.ends_with(".tmp")));
    });
}

#[test]
fn a_backup_of_a_log_goes_back_under_the_name_of_its_predecessor_as_long_as_a_journal_knows_it_for_one() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        push(&running, &gateway, 1).await;
        relayed(&gateway, 1);
        let (code, _, error) = gateway.shuguan(&["db", "backup", "backup", "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "{error}");
        push(&running, &gateway, 2).await;
        relayed(&gateway, 2);
        assert_eq!(running.stop(), Some(0));
        let (code, said) = restore(&gateway, &["--only", "journal", "--replace", "--lose-newer"]);
        assert_eq!(code, 0, "{said}");
        let text = std::fs::read_to_string(gateway.config()).unwrap();
        let (origin, successor) = ("gw1.lyg.example/log\"", "gw1.lyg.example/log/2\"");
        std::fs::write(gateway.config(), text.replacen(origin, successor, 1)).unwrap();
        let registry = ["--only", "registry", "--replace"];
        let (code, said) = restore(&gateway, &registry);
        assert_eq!(code, 6, "nothing says yet that one succeeds the other: {said}");
        assert!(said.contains("`log_origin`"), "{said}");
        assert_eq!(rows(&gateway).len(), 2);
        let recover = ["db", "recover", "--why", "restored", "-c", "shuguan.toml"];
        let (code, _, error) = gateway.shuguan(&recover);
        assert_eq!(code, 0, "{error}");
        let (code, said) = restore(&gateway, &registry);
        assert_eq!(code, 0, "{said}");
        assert_eq!(rows(&gateway).len(), 1);
    });
}

#[test]
fn where_the_second_store_cannot_be_put_back_it_is_said_what_stands_where_and_a_start_removes_what_a_restore_left() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        push(&running, &gateway, 1).await;
        relayed(&gateway, 1);
        assert_eq!(running.stop(), Some(0));
        let (code, _, error) = gateway.shuguan(&["db", "backup", "backup", "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "{error}");
        let (registry, away) = (gateway.registry(), gateway.path("registry/away.db"));
        std::fs::rename(&registry, &away).unwrap();
        // Nothing that could be kept under another name.
        std::fs::create_dir(&registry).unwrap();
        let (code, said) = restore(&gateway, &["--replace"]);
        assert_eq!(code, 1, "{said}");
        let told = [
            "registry.db` cannot be restored",
            "journal.db` is that of the backup already",
            "journal.db.before-restore-",
        ];
        assert!(told.iter().all(|told| said.contains(told)), "{said}");
        let kept = folder(&gateway, "journal");
        assert!(
            kept.iter().any(|name| name.starts_with("journal.db.before-restore-")),
            "{kept:?}"
        );
        std::fs::remove_dir(&registry).unwrap();
        std::fs::rename(&away, &registry).unwrap();
        let left = [
            "registry/.registry.db.tmp",
            "journal/.journal.db.tmp",
            "journal/payload/.x.parts.tmp",
        ];
        for left in left {
            std::fs::write(gateway.path(left), "half of it").unwrap();
        }
        let running = gateway.serve();
        for left in left {
            assert!(!gateway.path(left).exists(), "{left}");
        }
        assert_eq!(running.stop(), Some(0));
    });
}
