//! `shuguan verify consistency` on the log of a real gateway: what it accepts, what it says of what it does not, and that Go's `tlog` says the same of its proofs.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::cosignature::CosigningKey;
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::witness::AddCheckpoint;

use super::{Case, Judge, Log, ask, log};
use crate::random::Random;

/// A folder with the published log, older checkpoints `0`, `1`, … and the trust file.
struct Desk {
    folder: tempfile::TempDir,
    log: Log,
}

/// What the command said.
#[derive(Debug)]
struct Said {
    code: i32,
    json: Value,
}

impl Said {
    fn verdict(&self) -> &str {
        self.json["verdict"].as_str().unwrap_or_default()
    }

    fn why(&self) -> &str {
        self.json["why"].as_str().unwrap_or_default()
    }
}

impl Desk {
    fn new() -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
            log: log(),
        };
        for (path, bytes) in &desk.log.files {
            desk.put(&format!("log/{path}"), bytes);
        }
        for (number, note) in desk.log.notes.iter().enumerate() {
            desk.put(&number.to_string(), note);
        }
        desk.put("new", desk.log.note());
        desk.put("trust", format!("log {}\n", desk.log.key.verifying_key().vkey()));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A checkpoint that the log's own key, or another of that name, signed.
    fn sign(&self, name: &str, key: &SigningKey, change: impl FnOnce(&mut Checkpoint)) {
        let mut checkpoint = self.old(3);
        change(&mut checkpoint);
        self.put(name, key.sign(&checkpoint.text()).unwrap());
    }

    fn old(&self, number: usize) -> Checkpoint {
        Checkpoint::unverified(&self.log.notes[number]).unwrap()
    }

    fn said(&self, arguments: &[&str]) -> Said {
        let words = [&["verify", "consistency", "--json", "--trust", "trust"], arguments].concat();
        let (code, out, error) = shuguan(self.folder.path(), &words);
        let json = serde_json::from_str(&out).unwrap_or(Value::String(error));
        Said { code, json }
    }

    /// The saved proof from an older checkpoint to the newest.
    fn proof(&self, number: usize) -> AddCheckpoint {
        let file = format!("{number}.proof");
        let said = self.said(&[&number.to_string(), "--tiles", "log", "-o", &file]);
        assert_eq!((said.code, said.verdict()), (0, "proven"), "{said:?}");
        AddCheckpoint::parse(&fs::read(self.path(&file)).unwrap()).unwrap()
    }
}

fn shuguan(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = std::process::Command::new(shuguan_tests::binary());
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_older_checkpoint_and_every_receipts_is_continued_by_the_newest_and_words_say_so() {
    let desk = Desk::new();
    let size = desk.log.checkpoint().size;
    for number in 0..desk.log.notes.len() {
        let old = desk.old(number).size;
        let file = number.to_string();
        let said = desk.said(&[&file, "new", "--tiles", "log"]);
        assert_eq!((said.code, said.verdict()), (0, "proven"), "{said:?}");
        assert_eq!(
            (
                &said.json["old"]["size"],
                &said.json["new"]["size"],
                &said.json["added"]
            ),
            (&old.into(), &size.into(), &(size - old).into())
        );
        // The same from the proof alone, without any tile.
        assert_eq!(desk.proof(number).old, old);
        let said = desk.said(&[&file, "--proof", &format!("{number}.proof")]);
        assert_eq!((said.code, &said.json["added"]), (0, &(size - old).into()), "{said:?}");
    }
    // A checkpoint from the middle, against tiles of a later size; the newest against itself; a receipt.
    let said = desk.said(&["2", "5", "--tiles", "log"]);
    assert_eq!(
        (said.code, &said.json["added"]),
        (0, &(desk.old(5).size - desk.old(2).size).into())
    );
    let said = desk.said(&["new", "--tiles", "log"]);
    assert_eq!((said.code, &said.json["added"]), (0, &0.into()), "{said:?}");
    desk.put("receipt", &desk.log.receipts[100]);
    let said = desk.said(&["receipt", "--tiles", "log"]);
    assert_eq!((said.code, said.verdict()), (0, "proven"), "{said:?}");

    let words = ["verify", "consistency", "3", "--tiles", "log", "--trust", "trust"];
    let (code, out, error) = shuguan(desk.folder.path(), &words);
    let sentence = format!(
        "有效  valid: the log `{}` of {size} entries is the {} entries of the earlier checkpoint, and {} entries after them: of those before none was changed, dropped or reordered",
        desk.log.checkpoint().origin,
        desk.old(3).size,
        size - desk.old(3).size
    );
    assert!(code == 0 && out.starts_with(&sentence), "{out}{error}");
}

#[test]
fn two_histories_a_shorter_log_and_signatures_of_others_are_not_proven() {
    let desk = Desk::new();
    let key = &desk.log.key;
    let other = SigningKey::from_seed(key.name(), &[9; 32]).unwrap();
    desk.sign("fork", key, |one| one.root[7] ^= 1);
    desk.sign("foreign", &other, |_| {});
    desk.sign("swapped", key, |one| one.size -= 1);
    let cases: [(&[&str], &str, &str); 7] = [
        (&["fork", "new"], "disproven", "two histories were signed"),
        // Of the same size: two roots.
        (&["3", "fork"], "disproven", "two histories were signed"),
        (&["swapped", "new"], "disproven", "two histories were signed"),
        (&["5", "2"], "older-than-known", "fewer than"),
        (&["foreign", "new"], "disproven", "of the first checkpoint"),
        (&["3", "foreign"], "disproven", "of the second checkpoint"),
        (&["trust", "new"], "disproven", "of the first checkpoint"),
    ];
    for (files, verdict, why) in cases {
        let said = desk.said(&[files, &["--tiles", "log"]].concat());
        assert_eq!((said.code, said.verdict()), (6, verdict), "{files:?}: {said:?}");
        assert!(said.why().contains(why), "{files:?}: {said:?}");
    }
    let words = ["verify", "consistency", "fork", "--tiles", "log", "--trust", "trust"];
    let (code, out, error) = shuguan(desk.folder.path(), &words);
    assert!(
        code == 6 && out.starts_with("无效  not valid: two histories"),
        "{out}{error}"
    );
    assert!(error.contains("next: keep both files"), "{error}");
}

#[test]
fn tiles_and_proofs_that_prove_nothing_are_told_from_a_log_with_two_histories() {
    let desk = Desk::new();
    let whole = desk.proof(3);
    let mut changed = whole.clone();
    changed.proof[1][4] ^= 1;
    desk.put("bad.proof", changed.encode());
    desk.put("short.proof", &whole.encode().as_bytes()[..40]);
    let other = AddCheckpoint {
        old: whole.old + 1,
        ..whole.clone()
    };
    desk.put("other.proof", other.encode());
    desk.put("crlf.proof", whole.encode().replace('\n', "\r\n"));
    let lead = "the proof does not lead from the first checkpoint to the second";
    for (old, proof, why) in [
        ("3", "bad.proof", lead),
        // The proof of another checkpoint.
        ("4", "3.proof", lead),
        ("3", "short.proof", "is no proof"),
        // The path is right, and the size that it says it is from is not.
        ("3", "other.proof", "entries on, and the earlier checkpoint has"),
        ("3", "crlf.proof", "its line ends were changed to CRLF"),
    ] {
        let said = desk.said(&[old, "--proof", proof]);
        assert_eq!((said.code, said.verdict()), (6, "disproven"), "{said:?}");
        assert!(said.why().contains(why), "{said:?}");
    }
    let name = "log/tile/0/000";
    let mut tile = desk.log.files["tile/0/000"].clone();
    tile[32 * 100] ^= 1;
    desk.put(name, &tile);
    let said = desk.said(&["3", "--tiles", "log"]);
    assert_eq!((said.code, said.verdict()), (6, "disproven"), "{said:?}");
    assert!(said.why().starts_with("the tiles are not those"), "{said:?}");
    fs::remove_file(desk.path(name)).unwrap();
    let said = desk.said(&["3", "--tiles", "log"]);
    assert_eq!(
        (said.code, said.verdict(), said.why()),
        (6, "incomplete", "`tile/0/000` is missing")
    );
    for (arguments, code) in [
        (&["3", "--tiles", "nowhere"][..], 1),
        (&["nobody", "--tiles", "log"], 1),
        (&["3", "--proof", "nowhere"], 1),
        (&["3"], 2),
        (&["3", "--tiles", "log", "--proof", "3.proof"], 2),
    ] {
        assert_eq!(desk.said(arguments).code, code, "{arguments:?}");
    }
}

#[test]
fn who_asks_for_a_witness_is_told_that_the_log_says_so_alone_and_a_later_volume_is_followed_by_name() {
    let desk = Desk::new();
    let witness = CosigningKey::from_seed("witness.example/w1", &[3; 32]).unwrap();
    let vkey = witness.witness_key().vkey();
    let trust = fs::read_to_string(desk.path("trust")).unwrap();
    let asked = format!("{trust}witness w1 {vkey}\nquorum w1\n");
    desk.put("trust", asked);
    let said = desk.said(&["3", "--tiles", "log"]);
    assert_eq!((said.code, said.verdict()), (6, "quorum-missing"), "{said:?}");
    let line = witness.cosign(&desk.log.checkpoint().text(), 1_764_000_000).unwrap();
    desk.put("seen", format!("{}{line}", desk.log.note()));
    let said = desk.said(&["3", "seen", "--tiles", "log"]);
    assert_eq!((said.code, said.verdict()), (0, "proven"), "{said:?}");
    // The earlier one may have been seen by nobody: it is the beginning of what was.
    let said = desk.said(&["seen", "new", "--tiles", "log"]);
    assert_eq!((said.code, said.verdict()), (6, "quorum-missing"), "{said:?}");

    let later = SigningKey::from_seed("gw1.lyg.example/log/next", &[5; 32]).unwrap();
    let newest = desk.log.checkpoint();
    desk.sign("next", &later, |one| {
        (one.origin, one.size, one.root) = (later.name().to_owned(), newest.size, newest.root);
    });
    desk.put("trust", &trust);
    let said = desk.said(&["3", "next", "--tiles", "log"]);
    assert_eq!(
        (said.code, said.verdict()),
        (6, "disproven"),
        "its key is not trusted: {said:?}"
    );
    desk.put("trust", format!("{trust}log {}\n", later.verifying_key().vkey()));
    let said = desk.said(&["3", "next", "--tiles", "log"]);
    assert_eq!((said.code, said.verdict()), (0, "proven"), "{said:?}");
    let sentence = said.json["sentence"].as_str().unwrap();
    assert!(
        sentence.contains(&format!("goes on where `{}` was", newest.origin)),
        "{sentence}"
    );
}

/// What the command saves is what Go's `tlog` calls a proof, and what it refuses Go refuses.
#[test]
#[cfg_attr(not(judges), ignore = "tests/oracles/install has not run")]
fn the_proof_that_is_saved_is_accepted_by_go_and_a_changed_one_by_neither() {
    let desk = Desk::new();
    let mut random = Random::printed("continued");
    let new = desk.log.checkpoint();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for number in 0..desk.log.notes.len() {
        let (old, proof) = (desk.old(number), desk.proof(number).proof);
        let case = |path| Case::Consistency {
            sizes: (old.size, new.size),
            roots: (old.root, new.root),
            path,
        };
        let mut changed = desk.proof(number);
        let mut below = |bound: usize| usize::try_from(random.below(bound as u64)).unwrap();
        changed.proof[below(proof.len())][below(32)] ^= 1;
        desk.put("changed.proof", changed.encode());
        let said = desk.said(&[&number.to_string(), "--proof", "changed.proof"]);
        assert_eq!(said.code, 6, "{said:?}");
        good.push(case(proof));
        bad.push(case(changed.proof));
    }
    for answer in ask(Judge::Go, &desk.log, &good.iter().collect::<Vec<_>>()) {
        assert_eq!(answer, "ok");
    }
    for answer in ask(Judge::Go, &desk.log, &bad.iter().collect::<Vec<_>>()) {
        assert!(answer.starts_with("no: "), "{answer}");
    }
}
