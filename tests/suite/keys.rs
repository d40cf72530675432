//! The log's key is changed while a witness watches: what was proved stays proved, what the old key signs beyond its end is refused, and the gateway
//! starts between any two steps.

use serde_json::Value;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;
use shuguan_tests::{Deployment, eventually, leaves, run};

use crate::feeds::POLICE;
use crate::witness::{gateway, push, signed_receipt};

/// The keys as `key list` shows them: id, first size, end, state.
pub(crate) fn keys(gateway: &Deployment) -> Vec<(String, u64, Option<u64>, String)> {
    let (code, out, error) = gateway.shuguan(&["key", "list", "--json"]);
    assert_eq!(code, 0, "{error}");
    let document: Value = serde_json::from_str(&out).unwrap();
    let text = |row: &Value, member: &str| row[member].as_str().unwrap().to_owned();
    let rows = document["items"].as_array().unwrap().iter();
    rows.map(|row| {
        let (from, until) = (row["from"].as_u64().unwrap(), row["until"].as_u64());
        (text(row, "id"), from, until, text(row, "state"))
    })
    .collect()
}

/// The leaves about keys that sign the log; those about the keys of answers are of another suite.
fn changed(gateway: &Deployment) -> Vec<Value> {
    let mut leaves = leaves(&gateway.journal());
    leaves.retain(|leaf| leaf["k"] == "key" && leaf["suite"] == "ed25519");
    leaves
}

pub(crate) fn changes(gateway: &Deployment) -> usize {
    changed(gateway).len()
}

fn refused(gateway: &Deployment, arguments: &[&str], code: i32, words: &str) {
    let (found, out, error) = gateway.shuguan(arguments);
    assert!(
        found == code && format!("{out}{error}").contains(words),
        "{arguments:?}: {found} {out}{error}"
    );
}

pub(crate) fn done(gateway: &Deployment, arguments: &[&str]) -> String {
    let (code, out, error) = gateway.shuguan(arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{error}");
    out
}

#[test]
fn a_key_is_changed_under_a_witness_and_a_retired_one_is_refused_beyond_its_end() {
    run(async {
        let (gateway, witness) = gateway("http", "");
        let police = gateway.partner(POLICE);
        let old = std::fs::read_to_string(gateway.path("trust/trust.txt")).unwrap();
        std::fs::write(gateway.path("old.txt"), &old).unwrap();
        let old = Trust::parse(&old).unwrap();
        let watching = witness.serve();
        let running = gateway.serve();
        let receipt = async |running: &_, key: &str, trust: &Trust| {
            let answer = push(running, &police, key).await;
            assert_eq!(answer.status, 202, "{:?}", answer.json());
            let path = format!("{}/receipt", answer.header("location"));
            signed_receipt(running, &police, &path, trust).await
        };
        let first = receipt(&running, "before", &old).await;
        refused(&gateway, &["key", "retire", "--now"], 3, "the only key");
        let vkey = done(&gateway, &["key", "rotate"]);
        refused(&gateway, &["key", "rotate"], 3, "waits already");
        refused(&gateway, &["key", "retire", "--now"], 3, "the only key");
        assert_eq!(
            (keys(&gateway).len(), changes(&gateway)),
            (2, 0),
            "an order is no change"
        );
        // Killed between order and reload: the next start carries it out.
        running.kill();
        let running = gateway.serve();
        assert_eq!(changes(&gateway), 1);
        refused(&gateway, &["key", "rotate"], 3, "two keys sign");
        let second = receipt(&running, "between", &old).await;
        let checkpoint = Receipt::parse(&second).unwrap().checkpoint;
        assert_eq!(checkpoint.matches("— gw1.lyg.example/log ").count(), 2, "{checkpoint}");
        done(&gateway, &["key", "publish"]);
        let begun = keys(&gateway)[1].1;
        let proof = format!("trust/key-{}.tlog-proof", begun - 1);
        done(
            &gateway,
            &["verify", "keys", &proof, "--trust", "old.txt", "-o", "new.txt"],
        );
        let new = Trust::parse(&std::fs::read_to_string(gateway.path("new.txt")).unwrap()).unwrap();
        assert_eq!(new.logs()[1].key().vkey(), vkey.trim());
        refused(&gateway, &["key", "retire"], 3, "for a day");
        refused(&gateway, &["key", "retire", "00000000", "--now"], 3, "no such key");
        done(&gateway, &["key", "retire", "--now", "--yes"]);
        assert_eq!(changes(&gateway), 1, "an order is no change");
        running.signal("HUP");
        eventually("the old key is retired", 20, || changes(&gateway) == 2);
        let (_, _, until, _) = keys(&gateway)[0].clone();
        let until = until.unwrap();
        // The witness was not told of the new key: it refuses, the debt grows, and who knows the old key alone believes nothing new.
        let answer = push(&running, &police, "after").await;
        assert_eq!(answer.status, 202);
        let third = answer.json()["receipt"].as_str().unwrap().to_owned();
        std::fs::write(gateway.path("third.tlog-proof"), &third).unwrap();
        refused(
            &gateway,
            &["verify", "receipt", "third.tlog-proof", "--trust", "old.txt"],
            6,
            "no known key",
        );
        refused(
            &gateway,
            &["verify", "receipt", "third.tlog-proof", "--trust", "new.txt"],
            6,
            "witness",
        );
        drop(watching);
        let file = witness.path("witness.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let (logs, key) = (
            format!("\n[[log]]\nvkey = \"{}\"\nfrom = {begun}\n", vkey.trim()),
            "[[log]]\n",
        );
        std::fs::write(&file, text.replacen(key, &format!("{key}until = {until}\n"), 1) + &logs).unwrap();
        let watching = witness.serve();
        let third = receipt(&running, "after", &new).await;
        // The seed of the key that has ended is not needed any more.
        assert_eq!(running.stop(), Some(0));
        std::fs::remove_file(gateway.path("keys/log.seed")).unwrap_or_default();
        let seed = SigningKey::from_seed("gw1.lyg.example/log", &[9; 32]).unwrap();
        let running = gateway.serve();
        receipt(&running, "last", &new).await;
        assert_eq!(changes(&gateway), 2, "an order is carried out once");
        assert_eq!(running.stop(), Some(0));
        drop(watching);
        done(&gateway, &["key", "publish"]);
        let ended = format!("trust/key-{}.tlog-proof", until - 1);
        done(
            &gateway,
            &[
                "verify",
                "keys",
                &ended,
                &proof,
                "--trust",
                "old.txt",
                "-o",
                "newest.txt",
            ],
        );
        refused(
            &gateway,
            &["verify", "keys", &ended, "--trust", "old.txt"],
            6,
            "no known key",
        );
        refused(
            &gateway,
            &["verify", "keys", "third.tlog-proof", "--trust", "newest.txt"],
            6,
            "another entry",
        );
        let published = std::fs::read_to_string(gateway.path("trust/trust.txt")).unwrap();
        assert_eq!(published, std::fs::read_to_string(gateway.path("newest.txt")).unwrap());
        for (name, receipt) in [("first", first), ("second", second), ("third", third.clone())] {
            std::fs::write(gateway.path(name), receipt).unwrap();
            done(&gateway, &["verify", "receipt", name, "--trust", "trust/trust.txt"]);
        }
        // The whole log, from the first key, and as files.
        let said = done(&gateway, &["verify", "log", "journal/journal.db", "--trust", "old.txt"]);
        assert!(said.contains(&format!("from 0 entries to {}", until - 1)), "{said}");
        done(
            &gateway,
            &["log", "export", "--journal", "journal/journal.db", "-o", "log"],
        );
        done(
            &gateway,
            &[
                "verify",
                "log",
                "log",
                "--trust",
                "trust/trust.txt",
                "--receipt",
                "third",
            ],
        );
        // A stranger's line in place of the key's.
        let mut forged = Receipt::parse(&third).unwrap();
        let text = Checkpoint::unverified(&forged.checkpoint).unwrap().text();
        forged.checkpoint = seed.sign(&text).unwrap();
        std::fs::write(gateway.path("forged"), forged.encode()).unwrap();
        refused(
            &gateway,
            &["verify", "receipt", "forged", "--trust", "trust/trust.txt"],
            6,
            "no known key",
        );
    });
}

#[test]
fn a_stolen_key_ends_at_once_and_what_it_signs_beyond_is_named() {
    let gateway = Deployment::new();
    let digits = std::fs::read_to_string(gateway.path("keys/log.seed")).unwrap();
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    let seed = digits
        .trim()
        .as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) * 16 + digit(pair[1]));
    let stolen = SigningKey::from_seed("gw1.lyg.example/log", &seed.collect::<Vec<u8>>().try_into().unwrap()).unwrap();
    let id = stolen.verifying_key().id();
    done(&gateway, &["key", "rotate"]);
    assert_eq!(gateway.serve().stop(), Some(0));
    refused(
        &gateway,
        &["key", "retire", &id, "--stolen"],
        2,
        "says that it is stolen",
    );
    done(&gateway, &["key", "retire", &id, "--stolen", "--yes"]);
    refused(
        &gateway,
        &["key", "retire", &id, "--stolen", "--yes"],
        1,
        "never overwritten",
    );
    assert_eq!(gateway.serve().stop(), Some(0));
    done(&gateway, &["key", "publish"]);
    let said = changed(&gateway);
    assert_eq!(
        (&said[0]["act"], &said[1]["act"], &said[1]["why"]),
        (&"new".into(), &"retired".into(), &"stolen".into())
    );
    gateway.verified_log();
    // The thief signs the true log's newest checkpoint himself: in the export it is refused, and the reason is named.
    done(
        &gateway,
        &["log", "export", "--journal", "journal/journal.db", "-o", "log"],
    );
    let note = std::fs::read_to_string(gateway.path("log/checkpoint")).unwrap();
    let text = Checkpoint::unverified(&note).unwrap().text();
    std::fs::write(gateway.path("log/checkpoint"), stolen.sign(&text).unwrap()).unwrap();
    let arguments = ["verify", "log", "log", "--trust", "trust/trust.txt"];
    refused(&gateway, &arguments, 6, "it was retired before");
    std::fs::write(gateway.path("log/checkpoint"), &note).unwrap();
    done(&gateway, &arguments);
    // Faulty key files keep it from starting, and are named.
    std::fs::write(gateway.path("keys/log/notes.txt"), "x").unwrap();
    let (code, error) = gateway.serve_in_vain();
    assert!(code == 1 && error.contains("notes.txt"), "{code} {error}");
}
