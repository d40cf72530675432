//! What cannot be taken back is told before it is done, and done with `--yes` alone.

use shuguan_tests::{Call, Deployment, leaves, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

const SECURITY: &str = "officers/security-qian.toml";
const OPERATOR: &str = "officers/operator-li.toml";

fn asks(gateway: &Deployment, arguments: &[&str], told: &str) {
    let (code, out, error) = gateway.shuguan(arguments);
    assert!(
        code == 2 && error.contains(told) && error.contains("cannot be taken back") && error.contains("--yes"),
        "{arguments:?}: {code} {out}{error}"
    );
}

#[test]
fn acts_that_cannot_be_taken_back_say_so_and_wait_for_a_yes() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let call = Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某"));
        let answer = running.call(call, &gateway.partner(POLICE)).await.unwrap().json();
        let exchange = answer["exchange"].as_str().unwrap();
        let kit = format!("partners/{POLICE}/client.toml");
        for (class, told) in [("evidence", "nobody could open"), ("payload", "fed with it again")] {
            let shred = ["shred", "--class", class, "--exchange", exchange, "--case", "R-1"];
            asks(
                &gateway,
                &[&shred[..], &["--why", "court", "-c", SECURITY]].concat(),
                told,
            );
        }
        let shred = ["shred", "--class", "index", "--before", "2020-01-01", "--case", "R-1"];
        let why = ["--why", "retention", "-c", SECURITY];
        asks(&gateway, &[&shred[..], &why].concat(), "search those years");
        let turn = ["log", "turn", "--open", "gw1.lyg.example/log/2098", "-c", OPERATOR];
        asks(&gateway, &turn, "`gw1.lyg.example/log` would be closed for ever");
        asks(&gateway, &turn, "not over before");
        asks(&gateway, &turn, "the name that is proposed is `gw1.lyg.example/log/20");
        asks(
            &gateway,
            &["log", "clock", "--confirm", "-c", OPERATOR],
            "the time of the log",
        );
        asks(
            &gateway,
            &["recall", exchange, "--why", "superseded", "-c", &kit],
            "withdrawn for ever",
        );
        let discard = ["relay", "discard", exchange, "--why", "superseded", "-c", OPERATOR];
        asks(&gateway, &discard, "never get there");
        let acts = ["shred", "log-close", "clock", "recall", "operator"];
        let done = leaves(&gateway.journal());
        let done: Vec<_> = done
            .iter()
            .filter(|leaf| acts.contains(&leaf["k"].as_str().unwrap()))
            .collect();
        assert!(done.is_empty(), "{done:?}");

        // A turn that is not due is not proposed as the next thing to do.
        let (code, _, error) = gateway.shuguan(&["log", "turn", "-c", OPERATOR]);
        assert!(code == 0 && error.contains("nothing is due before 20"), "{error}");

        // A young record does not go because it was kept long enough; one that is gone is told as gone.
        let shred = [
            "shred",
            "--class",
            "evidence",
            "--exchange",
            exchange,
            "--case",
            "R-1",
            "--yes",
        ];
        let shred = |why: &str| gateway.shuguan(&[&shred[..], &["--why", why, "-c", SECURITY]].concat());
        let (code, _, error) = shred("retention");
        assert!(code == 3 && error.contains("kept for 3 years"), "{error}");
        assert_eq!(shred("court").0, 0);
        let (code, _, error) = shred("court");
        assert!(
            code == 3 && error.contains("SG8103") && error.contains("destroyed already"),
            "{error}"
        );
    });
}

#[test]
fn a_revocation_names_the_certificates_and_a_partners_name_is_no_serial_number() {
    let gateway = Deployment::new();
    let list = || {
        gateway
            .shuguan(&["cert", "list", "-c", "shuguan.toml", "--format", "json"])
            .1
    };
    let before = list();
    let revoke = ["cert", "revoke", "--partner", "health-ganyu", "-c", "shuguan.toml"];
    asks(&gateway, &revoke, "message certificate of `health-ganyu`");
    let revoke = ["cert", "revoke", "health-ganyu", "--yes", "-c", "shuguan.toml"];
    let (code, _, error) = gateway.shuguan(&revoke);
    assert!(
        code == 2 && error.contains("has 2 certificates") && error.contains("(TLS certificate"),
        "{code} {error}"
    );
    assert_eq!(list(), before, "nothing was revoked");
}
