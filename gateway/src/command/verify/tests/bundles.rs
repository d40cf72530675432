//! `verify policy`: an entry that loaded a bundle bears it out, one that refused it does not, nor one that names another signed statement.

use shuguan_ledger::leaf::{Digest, PolicyEvent};

use super::columns::receipt_of;
use super::*;

fn judged(result: &str) -> Exit {
    let folder = tempfile::tempdir().unwrap();
    let bundle = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
    let hash = shuguan_policies::Bundle::read(&bundle)
        .unwrap()
        .compile()
        .unwrap()
        .hash();
    let event = PolicyEvent {
        result: result.into(),
        by: "policy-officer-sun".into(),
        serial: Some(2),
        bun: Some(Digest(hash)),
        prev: None,
        stm: None,
        signers: None,
        back: None,
        added: None,
        gone: None,
        code: (result == "refused").then(|| "stale-bundle".into()),
        grant: None,
        p: None,
    };
    verified(&folder, bundle, Event::Policy(event))
}

/// What is said of a bundle and the entry of a receipt.
fn verified(folder: &TempDir, bundle: PathBuf, event: Event) -> Exit {
    let receipt = folder.path().join("r.tlog-proof");
    std::fs::write(&receipt, receipt_of(event).1).unwrap();
    let trust = folder.path().join("trust.txt");
    std::fs::write(&trust, format!("log {}\n", key().verifying_key().vkey())).unwrap();
    let args = super::super::policy::PolicyArgs { bundle, receipt, trust };
    Room::run(What::Policy(args)).unwrap()
}

#[test]
fn a_bundle_that_was_offered_and_refused_was_not_in_force() {
    assert_eq!(judged("refused"), Exit::NotProven);
    assert_eq!(judged("a-later-word"), Exit::NotProven);
    assert_eq!(judged("loaded"), Exit::Done);
    assert_eq!(judged("revoked"), Exit::Done);
}
