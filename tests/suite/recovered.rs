//! A journal that was put back from an older copy goes back into service by `db recover` alone: as a log that succeeds the one whose end is lost, before a
//! witness, with what is lost named and everything before it proved as ever.

use std::path::PathBuf;

use serde_json::Value;
use shuguan_tests::{Deployment, eventually, leaves, registry_count, run};

use crate::feeds::POLICE;
use crate::keys::{changes, done, keys};
use crate::policies::{copy, next, policy_leaves};
use crate::witness::{gateway, push};

const SECOND: &str = "gw1.lyg.example/log/2";

fn recover(gateway: &Deployment, more: &[&str]) -> (i32, String) {
    let (code, out, error) = gateway.shuguan(&[&["db", "recover", "--why", "restored"], more].concat());
    (code, out + &error)
}

/// Names the successor.
fn rename(gateway: &Deployment) {
    let config = std::fs::read_to_string(gateway.config()).unwrap();
    let renamed = config.replace("\"gw1.lyg.example/log\"", &format!("\"{SECOND}\""));
    assert_ne!(config, renamed);
    std::fs::write(gateway.config(), renamed).unwrap();
}

fn relayed(gateway: &Deployment, count: usize) {
    eventually("all are relayed", 30, || {
        let relayed = leaves(&gateway.journal())
            .iter()
            .filter(|leaf| leaf["k"] == "relayed")
            .count();
        relayed == count
    });
}

#[test]
fn an_older_journal_goes_on_as_a_successor_that_states_its_gap_and_nothing_proved_before_is_lost() {
    run(async {
        let (gateway, witness) = gateway("http", "");
        let police = gateway.partner(POLICE);
        let watching = witness.serve();
        let running = gateway.serve();
        let kept = push(&running, &police, "kept").await.json();
        relayed(&gateway, 1);
        assert_eq!(running.stop(), Some(0));
        let copy = std::fs::read(gateway.journal()).unwrap();
        assert_eq!(
            recover(&gateway, &[]).0,
            3,
            "nothing is lost, and the successor has no name"
        );
        let running = gateway.serve();
        let lost = push(&running, &police, "lost").await.json();
        relayed(&gateway, 2);
        eventually("the witness has seen all of it", 20, || {
            running
                .health("/readyz")
                .is_some_and(|(_, text)| text.contains("a quorum has signed every entry"))
        });
        let (open, words) = recover(&gateway, &[]);
        assert!(open == 3 || open == 1, "a gateway runs: {words}");
        assert_eq!(running.stop(), Some(0));
        for (name, answer) in [("kept", &kept), ("lost", &lost)] {
            std::fs::write(gateway.path(name), answer["receipt"].as_str().unwrap()).unwrap();
        }
        let size = leaves(&gateway.journal()).len();
        std::fs::write(gateway.journal(), &copy).unwrap();
        let held = leaves(&gateway.journal()).len();
        let (code, error) = gateway.serve_in_vain();
        assert!(code != 0 && error.contains("shuguan db recover"), "{code} {error}");
        let (code, words) = recover(&gateway, &[]);
        assert!(code == 3 && words.contains("a name of its own"), "{code} {words}");
        rename(&gateway);
        // Another name alone does not open it.
        assert_ne!(gateway.serve_in_vain().0, 0);
        drop(watching);
        let (code, words) = recover(&gateway, &[]);
        assert!(code == 4 && words.contains("does not answer"), "{code} {words}");
        let watching = witness.serve();
        let forged = std::fs::read_to_string(gateway.path("lost"))
            .unwrap()
            .replace("index ", "index 1");
        std::fs::write(gateway.path("forged"), forged + "x").unwrap();
        assert_eq!(recover(&gateway, &["--seen", "forged"]).0, 6);
        let (code, words) = recover(&gateway, &["--seen", "lost", "--seen", "kept"]);
        assert_eq!(code, 0, "{words}");
        let exchange = lost["exchange"].as_str().unwrap();
        assert!(words.contains(&format!("push  {exchange}")), "{words}");
        assert!(
            !words.contains(kept["exchange"].as_str().unwrap()),
            "that one is not lost: {words}"
        );
        // The witness learns of the new log as of any other.
        drop(watching);
        let vkey = std::fs::read_to_string(gateway.path("trust/log.vkey")).unwrap();
        let file: PathBuf = witness.path("witness.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}\n[[log]]\nvkey = \"{}\"\n", vkey.trim())).unwrap();
        let watching = witness.serve();
        let running = gateway.serve();
        let (code, out, _) = gateway.shuguan(&["db", "fsck", "--json"]);
        let found: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &found["known"][0]["what"]), (0, &"in-gap".into()), "{found}");
        assert_eq!(
            found["known"][0]["exchange"], lost["exchange"],
            "what the registry holds of it is named"
        );
        assert_eq!(found["found"], 0, "the log says itself that it lost that: {found}");
        // The sender repeats what is lost; what was kept has its first answer.
        let again = push(&running, &police, "kept").await.json();
        assert_eq!(
            (&again["exchange"], &again["receipt"]),
            (&kept["exchange"], &kept["receipt"])
        );
        let anew = push(&running, &police, "lost").await.json();
        assert!(anew["index"].as_u64().unwrap() as usize >= size, "{anew}");
        relayed(&gateway, 2);
        eventually("the witness signs the successor", 20, || {
            running
                .health("/readyz")
                .is_some_and(|(_, text)| text.contains("a quorum has signed every entry"))
        });
        assert_eq!(running.stop(), Some(0));
        drop(watching);
        assert_eq!(registry_count(&gateway.registry(), "public_security_resident"), 1);
        let said = gateway.verified_log();
        let lost = format!("what the entries {held} to {} of `gw1.lyg.example/log` were", size - 1);
        assert!(
            said.contains(&format!("the log `{SECOND}`")) && said.contains(&lost),
            "{said}"
        );
        // The first line says it too: who reads no further must not take the log for whole.
        let first = said.lines().next().unwrap();
        let gone = format!("{} entries were lost at a recovery", size - held);
        assert!(first.starts_with("有效") && first.contains(&gone), "{first}");
        let (code, out, _) = gateway.shuguan(&[
            "verify",
            "log",
            "journal/journal.db",
            "--trust",
            "trust/trust.txt",
            "--json",
        ]);
        let verified: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (code, &verified["verdict"]),
            (0, &"proven-in-part".into()),
            "{verified}"
        );
        assert_eq!(verified["lost"].as_u64(), Some((size - held) as u64), "{verified}");
        let verify = |more: &[&str]| gateway.shuguan(&[&["verify"], more, &["--trust", "trust/trust.txt"]].concat());
        let (code, out, _) = verify(&["log", "journal/journal.db", "--receipt", "lost"]);
        assert!(code == 6 && out.contains("a receipt proves that entry"), "{out}");
        let (code, out, error) = gateway.shuguan(&["log", "export", "--journal", "journal/journal.db", "-o", "log"]);
        assert_eq!(code, 0, "{out}{error}");
        // The exported checkpoint is newer than the witness's last signature.
        let trust = std::fs::read_to_string(gateway.path("trust/trust.txt")).unwrap();
        let logs: Vec<&str> = trust.lines().filter(|line| line.starts_with("log ")).collect();
        std::fs::write(gateway.path("logs.txt"), logs.join("\n")).unwrap();
        let (code, out, error) = gateway.shuguan(&["verify", "log", "log", "--trust", "logs.txt"]);
        assert!(code == 0 && out.contains(&lost), "{out}{error}");
        // The older copy comes back once more, and the head file is lost too: the witness knows a log of the successor's name.
        let watching = witness.serve();
        std::fs::write(gateway.journal(), &copy).unwrap();
        std::fs::remove_file(gateway.path("journal/journal.head")).unwrap();
        let (code, words) = recover(&gateway, &[]);
        assert!(
            code == 3 && words.contains(&format!("`{SECOND}` is the name of a log already")),
            "{code} {words}"
        );
        assert_eq!(leaves(&gateway.journal()).len(), held, "nothing was written");
        drop(watching);
    });
}

#[test]
fn a_stolen_key_signs_no_successor_and_what_it_signed_is_taken_back_without_its_seed() {
    let gateway = Deployment::new();
    assert_eq!(gateway.serve().stop(), Some(0));
    let copy = std::fs::read(gateway.journal()).unwrap();
    let id = keys(&gateway)[0].0.clone();
    done(&gateway, &["key", "rotate"]);
    assert_eq!(gateway.serve().stop(), Some(0));
    done(&gateway, &["key", "retire", &id, "--stolen", "--yes"]);
    assert_eq!(gateway.serve().stop(), Some(0));
    done(&gateway, &["key", "publish"]);
    std::fs::remove_file(gateway.path("keys/log.seed")).unwrap();
    std::fs::write(gateway.journal(), &copy).unwrap();
    rename(&gateway);
    let (code, words) = recover(&gateway, &[]);
    assert_eq!(code, 0, "{words}");
    // Neither the seed that was retired nor the one that followed it is an order to the successor, which has a key of its own.
    assert_eq!(gateway.serve().stop(), Some(0));
    assert_eq!(changes(&gateway), 0);
    let signing = keys(&gateway);
    let vkey = std::fs::read_to_string(gateway.path("trust/log.vkey")).unwrap();
    assert_eq!((signing.len(), signing[0].3.as_str()), (1, "signs"));
    assert!(
        vkey.starts_with(&format!("{SECOND}+{}+", signing[0].0)) && signing[0].0 != id,
        "{vkey}"
    );
    assert!(gateway.path(&format!("keys/log/{}.seed", signing[0].0)).is_file());
    let note = std::fs::read_to_string(gateway.path("journal/journal.head")).unwrap();
    assert_eq!(note.matches(&format!("— {SECOND} ")).count(), 1, "{note}");
    // It changes its key like any other.
    done(&gateway, &["key", "rotate"]);
    assert_eq!(gateway.serve().stop(), Some(0));
    assert_eq!((changes(&gateway), keys(&gateway).len()), (1, 2));
    done(&gateway, &["key", "publish"]);
    gateway.verified_log();
}

#[test]
fn a_bundle_that_was_loaded_within_the_gap_comes_into_force_again_in_its_turn() {
    let gateway = Deployment::new();
    assert_eq!(gateway.serve().stop(), Some(0));
    let older = std::fs::read(gateway.journal()).unwrap();
    let running = gateway.serve();
    for name in ["second", "third"] {
        next(&gateway, name, "keys.toml", |text| text + "# changed\n");
        assert_eq!(gateway.submit(name).0, 0);
    }
    assert_eq!(running.stop(), Some(0));
    std::fs::write(gateway.journal(), &older).unwrap();
    // Of the old log nothing is left but its public key; under its own name nothing takes its place.
    std::fs::remove_file(gateway.path("keys/log.seed")).unwrap();
    let (code, words) = recover(&gateway, &[]);
    assert!(code == 1 && words.contains("log.seed"), "{code} {words}");
    assert!(!gateway.path("keys/log").exists(), "no seed was made for that name");
    rename(&gateway);
    let (code, words) = recover(&gateway, &[]);
    assert_eq!(code, 0, "{words}");
    let first = policy_leaves(&gateway).pop().unwrap();
    let held = leaves(&gateway.journal()).len();
    // The newest replaces one that this log does not know.
    let (code, error) = gateway.serve_in_vain();
    assert!(
        code == 1 && error.contains("SG7208") && error.contains("--after"),
        "{code} {error}"
    );
    assert_eq!(leaves(&gateway.journal()).len(), held, "nothing was written");
    std::fs::remove_dir_all(gateway.path("policies")).unwrap();
    copy(&gateway, "second", "policies");
    let running = gateway.serve();
    let second = policy_leaves(&gateway).pop().unwrap();
    assert_eq!((&second["serial"], &second["prev"]), (&2.into(), &first["bun"]));
    let (code, document, error) = gateway.submit("third");
    assert_eq!((code, &document["serial"]), (0, &3.into()), "{error}");
    assert_eq!(running.stop(), Some(0));
    gateway.verified_log();
}
