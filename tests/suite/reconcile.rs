//! An agency compares its own receipts with the gateway's log: what is missing, doubled, refused, not relayed is named, and a log that was cut is caught.

use std::collections::BTreeMap;

use serde_json::Value;
use shuguan_tests::{Deployment, eventually, registry_count, run};

use crate::feeds::{CSV_UTF8, RESIDENT, clean};

const SETTINGS: &str = "partners/public-security-city/client.toml";

fn push(gateway: &Deployment, file: &str) -> i32 {
    let arguments = [
        "push",
        file,
        "--record",
        RESIDENT,
        "--purpose",
        "enrolment.registration",
        "-c",
        SETTINGS,
    ];
    gateway.shuguan(&arguments).0
}

/// Exit code and how often each thing is named.
fn reconcile(gateway: &Deployment, of: &[&str]) -> (i32, BTreeMap<String, usize>, Value) {
    let base = ["reconcile", "outbox", "--trust", "trust/trust.txt", "--json"];
    let (code, out, error) = gateway.shuguan(&[&base[..], of].concat());
    let document: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{error}"));
    let mut named = BTreeMap::new();
    for item in document["items"].as_array().into_iter().flatten() {
        *named.entry(item["what"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    (code, named, document)
}

fn names(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn each_difference_between_receipts_and_log_is_named() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        std::fs::create_dir(gateway.path("outbox")).unwrap();
        for (file, seed) in [("a.csv", 1), ("b.csv", 2), ("c.csv", 3)] {
            std::fs::write(gateway.path("outbox").join(file), clean(RESIDENT, CSV_UTF8, 20, seed)).unwrap();
            assert_eq!(push(&gateway, &format!("outbox/{file}")), 0);
        }
        let server = ["--server", "-c", SETTINGS];
        let log = ["--log", "journal/journal.db"];
        eventually("everything is settled", 20, || reconcile(&gateway, &log).0 == 0);
        let (code, named, document) = reconcile(&gateway, &server);
        assert_eq!(
            (code, named, document["complete"].as_bool(), &document["verdict"]),
            (0, names(&[]), Some(true), &"proven".into())
        );
        assert_eq!(reconcile(&gateway, &log).2["complete"], true);

        // An exported log has every leaf too; a volume's folder or another one is told from it.
        let export = ["log", "export", "--journal", "journal/journal.db", "-o", "exported"];
        assert_eq!(gateway.shuguan(&export).0, 0);
        let (code, named, document) = reconcile(&gateway, &["--log", "exported"]);
        assert_eq!(
            (code, named, &document["complete"]),
            (0, names(&[]), &true.into()),
            "{document}"
        );
        let (code, _, error) =
            gateway.shuguan(&["reconcile", "outbox", "--trust", "trust/trust.txt", "--log", "outbox"]);
        assert!(code == 1 && error.contains("no exported log"), "{error}");
        // Whose exchanges they are the certificate says, when there is no receipt that does.
        std::fs::create_dir(gateway.path("empty")).unwrap();
        let asked = ["reconcile", "empty", "--trust", "trust/trust.txt", "--json"];
        let (code, out, error) = gateway.shuguan(&[&asked[..], &server[..]].concat());
        let document: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{error}"));
        assert_eq!(
            (code, &document["partner"], &document["logged"]),
            (5, &"public-security-city".into(), &3.into())
        );
        let (code, _, error) = gateway.shuguan(&[&asked[..], &log[..]].concat());
        assert!(code == 2 && error.contains("--partner"), "{error}");
        // A list of somebody else does not choose that his receipts are compared, of which there are none here.
        let theirs = ["--server", "-c", "partners/health-ganyu/client.toml"];
        let (code, named, document) = reconcile(&gateway, &theirs);
        assert_eq!((code, named), (6, names(&[("contradicted", 3)])), "{document}");
        assert_eq!(document["partner"], "public-security-city");
        let here = ["reconcile", "outbox", "--trust", "trust/trust.txt"];
        let (_, _, error) = gateway.shuguan(&[&here[..], &theirs[..]].concat());
        assert!(
            error.contains("list for the certificate of client.toml is empty"),
            "{error}"
        );

        // A refused file, a lost receipt, a copy sent again under a key of its own, a file whose answer never came.
        std::fs::write(gateway.path("outbox/bad.csv"), "nothing\n1\n").unwrap();
        assert_eq!(push(&gateway, "outbox/bad.csv"), 3);
        let receipts = || {
            let entries = std::fs::read_dir(gateway.path("outbox"))
                .unwrap()
                .map(|entry| entry.unwrap().path());
            entries
                .filter(|path| path.extension().is_some_and(|end| end == "tlog-proof"))
                .collect::<Vec<_>>()
        };
        let lost = receipts()
            .into_iter()
            .find(|path| path.to_string_lossy().contains("a.csv"))
            .unwrap();
        let kept = std::fs::read(&lost).unwrap();
        std::fs::remove_file(&lost).unwrap();
        std::fs::create_dir(gateway.path("outbox/again")).unwrap();
        std::fs::copy(gateway.path("outbox/b.csv"), gateway.path("outbox/again/b.csv")).unwrap();
        assert_eq!(push(&gateway, "outbox/again/b.csv"), 0);
        let state = std::fs::read_to_string(gateway.path("outbox/c.csv.shuguan-push")).unwrap();
        let mut state: Value = serde_json::from_str(&state).unwrap();
        state["exchange"] = Value::Null;
        state["open"] = serde_json::json!({ "since": shuguan::clock::Clock::system().now_us() });
        std::fs::write(gateway.path("outbox/d.csv.shuguan-push"), state.to_string()).unwrap();
        let expected = names(&[("missing-here", 1), ("refused", 1), ("doubled", 1), ("unanswered", 1)]);
        for of in [&server[..], &log[..]] {
            eventually("the copy is relayed", 20, || {
                !reconcile(&gateway, of).1.contains_key("not-relayed")
            });
            let (code, named, document) = reconcile(&gateway, of);
            assert_eq!((code, named), (5, expected.clone()), "{document}");
            // By which the two can be told to be one, or not.
            let batch = |what: &str| {
                let items = document["items"].as_array().unwrap();
                let item = items.iter().find(|item| item["what"] == what).unwrap();
                (item["record"].clone(), item["at"].is_string())
            };
            assert_eq!(batch("missing-here"), (RESIDENT.into(), true));
            assert_eq!(batch("unanswered"), (RESIDENT.into(), true));
        }
        std::fs::write(&lost, kept).unwrap();

        // Another partner sees nothing of this.
        let other = [
            "--server",
            "-c",
            "partners/health-ganyu/client.toml",
            "--partner",
            "health-ganyu",
        ];
        assert_eq!(reconcile(&gateway, &other).2["logged"], 0);
        eventually("they are in the registry", 20, || {
            registry_count(&gateway.registry(), "person") > 0
        });
        assert_eq!(running.stop(), Some(0));

        // A log in which one of ours was replaced does not verify; a receipt with one changed byte is none.
        let mut text = std::fs::read_to_string(&lost).unwrap();
        let place = text.find("\nindex ").unwrap() + 7;
        text.replace_range(place..place + 1, if text.as_bytes()[place] == b'9' { "8" } else { "9" });
        std::fs::write(&lost, text).unwrap();
        assert_eq!(reconcile(&gateway, &log).0, 6);
        // Rows for a program stay rows: what a file lacks is said beside them.
        let rows = [
            "reconcile",
            "outbox",
            "--trust",
            "trust/trust.txt",
            "--format",
            "ndjson",
        ];
        let (code, out, error) = gateway.shuguan(&[&rows[..], &log[..]].concat());
        assert!(
            code == 6 && error.contains("无效") && error.contains(".tlog-proof: "),
            "{error}"
        );
        let objects = out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok());
        assert!(objects && !out.is_empty(), "{out}");
    });
}

#[test]
fn the_acks_of_a_drop_folder_are_receipts_and_each_difference_is_named() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = gateway.path("outbox/public-security/resident");
    std::fs::create_dir_all(&folder).unwrap();
    for (file, seed) in [("a.csv", 1), ("b.csv", 2), ("c.csv", 3), ("copy-of-b.csv", 2)] {
        std::fs::write(folder.join(file), clean(RESIDENT, CSV_UTF8, 5, seed)).unwrap();
    }
    std::fs::write(folder.join("refused.csv"), "nothing\n1\n").unwrap();
    // Refused on this side: the log knows nothing of it, and nothing of it is open.
    std::fs::write(folder.join("miscounted.csv"), clean(RESIDENT, CSV_UTF8, 5, 4)).unwrap();
    std::fs::write(folder.join("miscounted.csv.ok"), "sum=1").unwrap();
    let watch = ["push", "--watch", "outbox", "--once", "--settle-s", "0", "-c", SETTINGS];
    let (code, _, error) = gateway.shuguan(&[&watch[..], &["--purpose", "enrolment.registration"]].concat());
    assert_eq!(code, 3, "{error}");
    let (server, log) = (["--server", "-c", SETTINGS], ["--log", "journal/journal.db"]);
    eventually("all are relayed", 20, || {
        !reconcile(&gateway, &server).1.contains_key("not-relayed")
    });
    let both = |code: i32, expected: &[(&str, usize)]| {
        for of in [&server[..], &log[..]] {
            let (ended, named, document) = reconcile(&gateway, of);
            assert_eq!((ended, named), (code, names(expected)), "{document}");
        }
    };
    both(5, &[("doubled", 1), ("refused", 1)]);
    assert_eq!(reconcile(&gateway, &log).2["receipts"], 4);
    let ack = folder.join("c.csv.ack");
    let own = std::fs::read_to_string(&ack).unwrap();
    // Lost, and of another file.
    std::fs::remove_file(&ack).unwrap();
    both(5, &[("doubled", 1), ("missing-here", 1), ("refused", 1)]);
    let items = reconcile(&gateway, &log).2;
    let missing = items["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["what"] == "missing-here");
    let file = missing.unwrap()["file"].as_str().unwrap();
    assert!(file.ends_with("c.csv.shuguan-push"), "{file}");
    std::fs::copy(folder.join("a.csv.ack"), &ack).unwrap();
    both(5, &[("doubled", 1), ("missing-here", 1), ("refused", 1)]);
    // No receipt, one that was cut, and one of which a figure was changed.
    let place = own.find("\nindex ").unwrap() + 7;
    let mut changed = own.clone();
    changed.replace_range(place..place + 1, if own.as_bytes()[place] == b'9' { "8" } else { "9" });
    for text in ["", &own[..own.len() / 2], &changed] {
        std::fs::write(&ack, text).unwrap();
        both(6, &[("doubled", 1), ("missing-here", 1), ("refused", 1)]);
        let unproven = &reconcile(&gateway, &log).2["unproven"];
        assert_eq!(unproven.as_array().map(Vec::len), Some(1));
        assert!(
            unproven[0]["file"].as_str().unwrap().ends_with("c.csv.ack"),
            "{unproven}"
        );
    }
    std::fs::write(&ack, own).unwrap();
    both(5, &[("doubled", 1), ("refused", 1)]);
    // Of a file that was never answered nothing is known but that.
    let state = folder.join("a.csv.shuguan-push");
    let mut unheard: Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    unheard["exchange"] = Value::Null;
    unheard["open"] = serde_json::json!({ "since": 1 });
    std::fs::write(&state, unheard.to_string()).unwrap();
    std::fs::remove_file(folder.join("a.csv.ack")).unwrap();
    both(
        5,
        &[("doubled", 1), ("missing-here", 1), ("refused", 1), ("unanswered", 1)],
    );
}

#[test]
fn a_push_that_no_witness_has_signed_yet_is_waited_for_and_then_told() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    std::fs::create_dir(gateway.path("outbox")).unwrap();
    std::fs::write(gateway.path("outbox/a.csv"), clean(RESIDENT, CSV_UTF8, 5, 1)).unwrap();
    assert_eq!(push(&gateway, "outbox/a.csv"), 0);
    let log = std::fs::read_to_string(gateway.path("trust/log.vkey")).unwrap();
    let witness = include_str!("../../gateway/ledger/src/cosignature/vkey.txt").trim();
    let trust = format!("log {}\nwitness w {witness}\nquorum w\n", log.trim());
    std::fs::write(gateway.path("witnessed.txt"), trust).unwrap();
    let arguments = [
        "reconcile",
        "outbox",
        "--trust",
        "witnessed.txt",
        "--json",
        "--server",
        "-c",
        SETTINGS,
    ];
    let (code, out, error) = gateway.shuguan(&arguments);
    assert_eq!(code, 6, "{error}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_ne!(document["unwitnessed"], 0, "{document}");
    assert_eq!(document["logged"], 1, "{document}");
}

#[test]
fn an_exchange_that_the_gateway_keeps_out_of_its_list_is_missed_by_its_number() {
    let gateway = Deployment::new();
    let running = gateway.serve();
    std::fs::create_dir(gateway.path("outbox")).unwrap();
    for (file, seed) in [("a.csv", 1), ("b.csv", 2), ("c.csv", 3), ("d.csv", 4)] {
        std::fs::write(gateway.path("outbox").join(file), clean(RESIDENT, CSV_UTF8, 5, seed)).unwrap();
        assert_eq!(push(&gateway, &format!("outbox/{file}")), 0);
    }
    let server = ["--server", "-c", SETTINGS];
    eventually("all are relayed", 20, || reconcile(&gateway, &server).0 == 0);
    assert_eq!(running.stop(), Some(0));
    // Whoever has the host pushes in the agency's name, and keeps it from the agency: here it is two of its own, whose receipts it lost.
    let journal = rusqlite::Connection::open(gateway.journal()).unwrap();
    let trigger = "SELECT sql FROM sqlite_schema WHERE name = 'leaf_fixed'";
    let trigger: String = journal.query_row(trigger, [], |row| row.get(0)).unwrap();
    let hidden = journal.execute_batch(&format!(
        "DROP TRIGGER leaf_fixed; UPDATE leaf SET partner = 'nobody' WHERE idx IN \
         (SELECT idx FROM leaf WHERE kind = 'push' ORDER BY idx LIMIT 2 OFFSET 1); {trigger}"
    ));
    hidden.unwrap();
    drop(journal);
    let receipts = std::fs::read_dir(gateway.path("outbox"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for receipt in receipts.filter(|path| path.extension().is_some_and(|end| end == "tlog-proof")) {
        let name = receipt.to_string_lossy().into_owned();
        if name.contains("b.csv") || name.contains("c.csv") {
            std::fs::remove_file(&receipt).unwrap();
        }
    }
    let running = gateway.serve();
    let (code, named, document) = reconcile(&gateway, &server);
    assert_eq!((code, named), (6, names(&[("withheld", 1)])), "{document}");
    assert_eq!(document["items"][0]["numbers"], serde_json::json!([2, 3]));
    assert_eq!(document["complete"], false);
    drop(running);
}
