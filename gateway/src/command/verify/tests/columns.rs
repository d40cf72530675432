//! `verify receipt --opening`: a column is proved by a leaf, and a leaf only by what the trust file asks for.

use clap::Parser as _;
use shuguan_ledger::cosignature::CosigningKey;

use super::*;
use crate::command::verify::VerifyArgs;
use crate::opening::sealed_columns;

/// A folder with the receipt of one push, its opening with all values, and trust files without and with a quorum.
struct Asked(TempDir);

impl Asked {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let (event, opening) = sealed_columns();
        let log = format!("log {}\n", key().verifying_key().vkey());
        let vkey = witness().witness_key().vkey();
        folder.write("log.txt", &log);
        folder.write("quorum.txt", &format!("{log}witness w {vkey}\nquorum w\n"));
        folder.write("opening.json", &serde_json::to_string(&opening).unwrap());
        let (text, alone) = receipt_of(Event::Push(event));
        folder.write("r.tlog-proof", &alone);
        folder.write("seen.tlog-proof", &(alone + &witness().cosign(&text, 9).unwrap()));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn verify(&self, receipt: &str, trust: &str, more: &[&str]) -> Exit {
        let (receipt, trust) = (self.path(receipt), self.path(trust));
        let base = ["receipt", receipt.to_str().unwrap(), "--trust", trust.to_str().unwrap()];
        Room::run(parsed(&[&base[..], more].concat()).unwrap().what).unwrap()
    }
}

pub(super) fn witness() -> CosigningKey {
    CosigningKey::from_seed("witness.example", &[9; 32]).unwrap()
}

/// The text of the checkpoint under which a log of this one leaf stands, and the receipt.
pub(super) fn receipt_of(event: Event) -> (String, String) {
    let leaf = Leaf::new(1_700_000_000_000_000, "gw1", "7f3a", event).encode().unwrap();
    let mut edge = Edge::empty();
    edge.append(leaf_hash(&leaf));
    let (origin, size, root) = ("log.example".into(), edge.size(), edge.root());
    let text = Checkpoint { origin, size, root }.text();
    let (index, path, checkpoint) = (0, vec![], sign(&edge));
    let receipt = Receipt {
        leaf,
        index,
        path,
        checkpoint,
    };
    (text, receipt.encode())
}

fn parsed(arguments: &[&str]) -> Result<VerifyArgs, clap::Error> {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        verify: VerifyArgs,
    }
    let arguments = [&["verify"], arguments].concat();
    Line::try_parse_from(arguments).map(|line| line.verify)
}

#[test]
fn columns_under_a_leaf_that_no_witness_saw_are_not_proven_to_who_asks_for_witnesses() {
    let room = Asked::new();
    let opening = room.path("opening.json");
    let opening = ["--opening", opening.to_str().unwrap()];
    assert_eq!(room.verify("r.tlog-proof", "quorum.txt", &[]), Exit::NotProven);
    assert_eq!(room.verify("r.tlog-proof", "quorum.txt", &opening), Exit::NotProven);
    assert_eq!(room.verify("seen.tlog-proof", "quorum.txt", &opening), Exit::Done);
    assert_eq!(room.verify("r.tlog-proof", "log.txt", &opening), Exit::Done);
}

#[test]
fn no_package_is_made_of_columns_that_are_not_proven() {
    let room = Asked::new();
    let (opening, package) = (room.path("opening.json"), room.path("show.json"));
    let names = ["--opening", opening.to_str().unwrap(), "--disclose", "name"];
    let asked = [&names[..], &["--package", package.to_str().unwrap()]].concat();
    assert_eq!(room.verify("r.tlog-proof", "quorum.txt", &asked), Exit::NotProven);
    assert!(!package.exists());
    assert_eq!(room.verify("seen.tlog-proof", "quorum.txt", &asked), Exit::Done);
    assert!(package.exists());
}

#[test]
fn a_manifest_and_an_opening_are_not_asked_about_together() {
    let both = ["receipt", "r", "--trust", "t", "--opening", "o", "--manifest", "m"];
    let refused = parsed(&both).unwrap_err();
    assert_eq!(refused.kind(), clap::error::ErrorKind::ArgumentConflict);
}
