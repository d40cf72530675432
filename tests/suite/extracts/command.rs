//! `shuguan pull`: a verified file, or the exit code that says why there is none.

use serde_json::{Value, json};
use shuguan_tests::{Deployment, leaves, run};

use super::{REGISTRY, six_residents};
use crate::feeds::POLICE;

/// What came with the extract says what is owed, and is found out when one word of it is changed.
fn the_manifest_is_the_sealed_one(gateway: &Deployment) {
    let file = gateway.path("population.ndjson.manifest.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&manifest["purpose"], &manifest["onward"], &manifest["rows"]),
        (&json!("enrolment.registration"), &json!("none"), &json!(6))
    );
    let verify = || {
        let receipt = "population.ndjson.tlog-proof";
        let manifest = "population.ndjson.manifest.json";
        gateway
            .shuguan(&[
                "verify",
                "receipt",
                receipt,
                "--manifest",
                manifest,
                "--trust",
                "trust/trust.txt",
            ])
            .0
    };
    assert_eq!(verify(), 0);
    std::fs::write(&file, text.replace("\"none\"", "\"all\"")).unwrap();
    assert_eq!(verify(), 6);
}

#[test]
fn the_pull_command_writes_a_verified_file_and_an_agency_gets_exit_3() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        six_residents(&gateway, &running).await;
        let command = |partner: &str, file: &str| {
            let config = format!("partners/{partner}/client.toml");
            gateway.shuguan(&[
                "pull",
                "population",
                "--purpose",
                "enrolment.registration",
                "--case",
                "AJ-2026-001",
                "-o",
                file,
                "-c",
                &config,
            ])
        };
        let (code, _, error) = command(REGISTRY, "population.ndjson");
        assert_eq!(code, 0, "{error}");
        let pulled = std::fs::read_to_string(gateway.path("population.ndjson")).unwrap();
        assert_eq!(pulled.lines().count(), 6);
        the_manifest_is_the_sealed_one(&gateway);
        // Where nothing can be put, nothing is released.
        let released = || {
            leaves(&gateway.journal())
                .iter()
                .filter(|leaf| leaf["k"] == "pull")
                .count()
        };
        for (place, ends, told) in [
            ("nowhere/population.ndjson", 1, "nothing was asked for"),
            ("/dev/null", 2, "no regular file"),
            ("-", 2, "no name of a file"),
        ] {
            let (code, _, error) = command(REGISTRY, place);
            assert!(code == ends && error.contains(told), "{place}: {code} {error}");
        }
        assert_eq!(released(), 1);
        let (code, _, error) = command(REGISTRY, "population.ndjson");
        assert!(code == 0 && error.contains("is replaced"), "{error}");
        assert_eq!(command(REGISTRY, "population.csv").0, 0);
        let pulled = std::fs::read_to_string(gateway.path("population.csv")).unwrap();
        assert!(
            pulled.lines().count() == 7 && !pulled.starts_with('{'),
            "a header and six rows"
        );
        let (code, _, error) = command(POLICE, "stolen.ndjson");
        assert_eq!(code, 3, "{error}");
        assert!(error.contains("SG1107"), "{error}");
        assert!(!gateway.path("stolen.ndjson").exists() && !gateway.path("stolen.ndjson.part").exists());
    });
}
