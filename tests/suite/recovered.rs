//! A journal that was put back from an older copy goes back into service by `db recover` alone: as a log that succeeds the one whose end is lost, before a
//! witness, with what is lost named and everything before it proved as ever.

use std::path::PathBuf;

use serde_json::Value;
use shuguan_tests::{Deployment, eventually, leaves, registry_count, run};

use crate::feeds::POLICE;
use crate::witness::{gateway, push};

const SECOND: &str = "gw1.lyg.example/log/2";

fn recover(gateway: &Deployment, more: &[&str]) -> (i32, String) {
    let (code, out, error) = gateway.shuguan(&[&["db", "recover", "--why", "restored"], more].concat());
    (code, out + &error)
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
        let config = std::fs::read_to_string(gateway.config()).unwrap();
        let config = config.replace("\"gw1.lyg.example/log\"", &format!("\"{SECOND}\""));
        std::fs::write(gateway.config(), config).unwrap();
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
        assert_eq!((code, &found["findings"][0]["what"]), (6, &"unknown".into()), "{found}");
        assert_eq!(
            found["findings"][0]["exchange"], lost["exchange"],
            "what the registry holds of it is named"
        );
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
    });
}
