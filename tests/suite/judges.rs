//! The log, its receipts and its leaves before judges that we did not write: Go's checksum-database packages, `tlog-scales`, `rfc8785`.
//!
//! They accept what a real gateway made. Then it is tampered with in every way of [`forgeries::ALL`], `SHUGUAN_FORGERIES` times each (3 in the gate, 100 in
//! the long lane; `SHUGUAN_SEED` repeats a run): our verifier rejects every case, and so does each judge that looks at what was changed. One
//! process a judge, whatever the number of cases. Without `oracles/install` the judges are not asked and these tests are ignored; our own
//! verifier is asked all the same.

mod changes;
mod continued;
mod forgeries;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use shuguan::client::ClientSettings;
use shuguan::client::tied::Tie;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::exported;
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::tree::{Hash, consistency_path, verify_consistency};
use shuguan_ledger::trust::Trust;

use crate::random::Random;
use crate::stopped::stopped;
use changes::Log;
use forgeries::Forgery;

/// Who judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judge {
    /// `golang.org/x/mod/sumdb/note` and `tlog`.
    Go,
    /// `tlog-scales`.
    Scales,
    /// `rfc8785`: the canonical form of leaves and nothing else.
    Canonical,
    /// `aics-tlog`, where there is a Python for it.
    Aics,
}

impl Judge {
    const ALL: [Self; 3] = [Self::Go, Self::Scales, Self::Canonical];
}

/// What a judge is asked about.
#[derive(Clone)]
pub enum Case {
    /// The log with other files.
    Log(BTreeMap<String, Vec<u8>>),
    /// A tlog-proof.
    Receipt(Vec<u8>),
    /// That one tree is the beginning of another.
    Consistency {
        sizes: (u64, u64),
        roots: (Hash, Hash),
        path: Vec<Hash>,
    },
}

impl Case {
    /// The case as the programs read it; of a log only the files that differ.
    fn line(&self, whole: &Log) -> Value {
        match self {
            Self::Log(files) => {
                let mut changed: BTreeMap<&str, Value> = BTreeMap::new();
                for (path, bytes) in files {
                    if whole.files.get(path) != Some(bytes) {
                        changed.insert(path, BASE64.encode(bytes).into());
                    }
                }
                let gone = whole.files.keys().filter(|path| !files.contains_key(*path));
                changed.extend(gone.map(|path| (path.as_str(), Value::Null)));
                json!({ "kind": "log", "files": changed })
            }
            // What is no text any more is no receipt to anybody; the programs get it with a mark in its place.
            Self::Receipt(bytes) => json!({ "kind": "receipt", "text": String::from_utf8_lossy(bytes) }),
            Self::Consistency { sizes, roots, path } => json!({
                "kind": "consistency", "old": sizes.0, "new": sizes.1,
                "old_root": BASE64.encode(roots.0), "new_root": BASE64.encode(roots.1),
                "path": path.iter().map(|hash| BASE64.encode(hash)).collect::<Vec<_>>(),
            }),
        }
    }

    /// Our own verdict.
    fn ours(&self, trust: &Trust) -> Result<(), String> {
        match self {
            Self::Log(files) => exported::verify(files, trust)
                .map(drop)
                .map_err(|fault| fault.to_string()),
            Self::Receipt(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                let proven = Receipt::parse(&text).and_then(|receipt| receipt.verify(trust));
                proven.map(drop).map_err(|error| error.to_string())
            }
            Self::Consistency { sizes, roots, path } => {
                let holds = verify_consistency(sizes.0, sizes.1, path, &roots.0, &roots.1);
                holds.then_some(()).ok_or_else(|| "not consistent".to_owned())
            }
        }
    }
}

/// The log of the gateway that has stopped, and the key that it was signed with.
fn log() -> Log {
    let one = stopped();
    let seed = std::fs::read_to_string(one.gateway.path("keys/log.seed")).unwrap();
    let seed = seed.trim().as_bytes();
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    let seed: Vec<u8> = seed
        .chunks(2)
        .map(|pair| digit(pair[0]) * 16 + digit(pair[1]))
        .collect();
    let checkpoint = Checkpoint::unverified(std::str::from_utf8(&one.fetched["checkpoint"]).unwrap()).unwrap();
    let key = SigningKey::from_seed(&checkpoint.origin, seed.as_slice().try_into().unwrap()).unwrap();
    Log::of(one.fetched.clone(), one.receipts.clone(), one.notes.clone(), key)
}

fn trust(log: &Log) -> Trust {
    let trust = Trust::in_log(log.key.verifying_key());
    let file = std::fs::read_to_string(stopped().gateway.path("trust/trust.txt")).unwrap();
    assert!(
        file.contains(&log.key.verifying_key().vkey()),
        "the key is the gateway's"
    );
    trust
}

/// A judge's answers, one a case: `ok`, or `no: why`.
fn ask(judge: Judge, log: &Log, cases: &[&Case]) -> Vec<String> {
    // Known to the compiler only when they are installed, and without them no test gets here.
    let at: Option<&str> = match judge {
        Judge::Aics => option_env!("SHUGUAN_WITNESS_AT"),
        Judge::Go | Judge::Scales | Judge::Canonical => option_env!("SHUGUAN_JUDGES_AT"),
    };
    let at = PathBuf::from(at.expect("tests/oracles/install has run"));
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in &log.files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let script = match judge {
        Judge::Aics => "oracles/judge_aics.py",
        Judge::Go | Judge::Scales | Judge::Canonical => "oracles/judge.py",
    };
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(script);
    let mut command = match judge {
        Judge::Go => Command::new(at.join("judge")),
        Judge::Scales | Judge::Canonical | Judge::Aics => Command::new(at.join("venv/bin/python")),
    };
    if judge != Judge::Go {
        command.arg(script);
    }
    command.arg(folder.path()).arg(log.key.verifying_key().vkey());
    match judge {
        Judge::Go | Judge::Aics => {}
        Judge::Scales => drop(command.arg("scales")),
        Judge::Canonical => drop(command.arg("canonical")),
    }
    let mut child = command
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tests/oracles/install has run");
    let mut pipe = child.stdin.take().unwrap();
    let lines: Vec<String> = cases.iter().map(|case| case.line(log).to_string()).collect();
    let writer = std::thread::spawn(move || lines.iter().try_for_each(|line| writeln!(pipe, "{line}")));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{judge:?} failed: see above");
    writer.join().unwrap().unwrap();
    let answers: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(answers.len(), cases.len(), "{judge:?} answers each case");
    answers
}

/// Every receipt, one as a drop folder keeps it, the log as it was fetched, and every older checkpoint against the newest.
fn untouched(log: &Log) -> Vec<Case> {
    let mut cases = vec![Case::Log(log.files.clone())];
    cases.extend(log.receipts.iter().map(|text| Case::Receipt(text.clone().into_bytes())));
    let settings = stopped().gateway.path("partners/health-ganyu/client.toml");
    let tie = Tie::open(&ClientSettings::load(&settings).unwrap()).unwrap();
    let tied = [log.receipts[0].as_str(), &tie.line("x", &[7; 32])].concat();
    cases.push(Case::Receipt(tied.into_bytes()));
    let new = log.checkpoint();
    for note in &log.notes {
        let old = Checkpoint::unverified(note).unwrap();
        let path = consistency_path(log, old.size, new.size).unwrap();
        let (sizes, roots) = ((old.size, new.size), (old.root, new.root));
        cases.push(Case::Consistency { sizes, roots, path });
    }
    cases
}

#[test]
fn what_the_gateway_made_is_accepted_by_us() {
    let log = log();
    let trust = trust(&log);
    assert!(log.checkpoint().size > 512 && log.receipts.len() >= 256 && log.notes.len() >= 10);
    for case in untouched(&log) {
        case.ours(&trust).unwrap();
    }
}

#[test]
#[cfg_attr(not(judges), ignore = "tests/oracles/install has not run")]
fn what_the_gateway_made_is_accepted_by_every_judge() {
    let log = log();
    let cases = untouched(&log);
    for judge in Judge::ALL {
        // About two checkpoints the canonical form has nothing to say.
        let asked: Vec<&Case> = cases
            .iter()
            .filter(|case| judge != Judge::Canonical || !matches!(case, Case::Consistency { .. }))
            .collect();
        for (answer, case) in ask(judge, &log, &asked).iter().zip(&asked) {
            assert_eq!(answer, "ok", "{judge:?}: {}", case.line(&log));
        }
    }
}

/// What both Go's judge and tlog-scales look at, this one does too; what lies behind the end of a partial tile or bundle it passes over, as tlog-scales does.
#[test]
#[cfg_attr(not(foreign_witness), ignore = "tests/oracles/install found no Python 3.12")]
fn a_fourth_judge_accepts_what_the_gateway_made_and_rejects_what_the_others_reject() {
    let log = log();
    let untouched = untouched(&log);
    for (answer, case) in ask(Judge::Aics, &log, &untouched.iter().collect::<Vec<_>>())
        .iter()
        .zip(&untouched)
    {
        assert_eq!(answer, "ok", "{}", case.line(&log));
    }
    let cases = forged(&log, &mut Random::printed("forgeries"));
    let asked: Vec<_> = cases
        .iter()
        .filter(|(forgery, _)| forgery.seen_by.contains(&Judge::Scales))
        .collect();
    let answers = ask(
        Judge::Aics,
        &log,
        &asked.iter().map(|(_, case)| case).collect::<Vec<_>>(),
    );
    for (answer, (forgery, case)) in answers.iter().zip(&asked) {
        assert!(
            answer.starts_with("no: "),
            "{} is accepted: {}",
            forgery.name,
            case.line(&log)
        );
    }
}

/// Every judge accepts another log, and a receipt of it.
pub fn accept(files: BTreeMap<String, Vec<u8>>, receipt: String, key: SigningKey) {
    let log = Log::of(files, vec![receipt], Vec::new(), key);
    let cases = untouched(&log);
    let asked: Vec<&Case> = cases.iter().collect();
    for judge in Judge::ALL {
        for (answer, case) in ask(judge, &log, &asked).iter().zip(&asked) {
            assert_eq!(answer, "ok", "{judge:?}: {}", case.line(&log));
        }
    }
}

/// A log whose key is being changed carries two signatures: who knows either key accepts it, whoever knows neither does not.
#[test]
#[cfg_attr(not(judges), ignore = "tests/oracles/install has not run")]
fn a_checkpoint_with_two_signatures_is_accepted_by_who_knows_one_of_the_keys() {
    let mut log = log();
    let name = log.checkpoint().origin;
    let key = |seed: u8| SigningKey::from_seed(&name, &[seed; 32]).unwrap();
    let both = shuguan_ledger::note::sign(&log.checkpoint().text(), [&log.key, &key(8)]).unwrap();
    let case = [&Case::Log(log.under(both))];
    let first = std::mem::replace(&mut log.key, key(8));
    for judge in [Judge::Go, Judge::Scales] {
        assert_eq!(ask(judge, &log, &case), ["ok"], "{judge:?} by the new key");
    }
    case[0].ours(&Trust::in_log(log.key.verifying_key())).unwrap();
    log.key = first;
    for judge in [Judge::Go, Judge::Scales] {
        assert_eq!(ask(judge, &log, &case), ["ok"], "{judge:?} by the old key");
    }
    case[0].ours(&Trust::in_log(log.key.verifying_key())).unwrap();
    log.key = key(9);
    for judge in [Judge::Go, Judge::Scales] {
        assert!(
            ask(judge, &log, &case)[0].starts_with("no: "),
            "{judge:?} by another key"
        );
    }
    case[0].ours(&Trust::in_log(log.key.verifying_key())).unwrap_err();
}

/// How many cases of each forgery.
fn rounds() -> usize {
    let wanted = std::env::var("SHUGUAN_FORGERIES").ok();
    wanted.map_or(3, |wanted| wanted.parse().expect("SHUGUAN_FORGERIES is a number"))
}

/// Every case of every forgery.
fn forged(log: &Log, random: &mut Random) -> Vec<(&'static Forgery, Case)> {
    let mut cases = Vec::new();
    for forgery in forgeries::ALL {
        for _ in 0..rounds() {
            cases.push((forgery, (forgery.forge)(log, random)));
        }
    }
    cases
}

#[test]
fn every_forgery_is_rejected_by_us() {
    let log = log();
    let trust = trust(&log);
    assert!(forgeries::ALL.len() >= 30);
    for (forgery, case) in forged(&log, &mut Random::printed("forgeries")) {
        let verdict = case.ours(&trust);
        assert!(verdict.is_err(), "{}: {}", forgery.name, case.line(&log));
    }
}

#[test]
#[cfg_attr(not(judges), ignore = "tests/oracles/install has not run")]
fn every_forgery_is_rejected_by_the_judges_that_look_at_it() {
    let log = log();
    let cases = forged(&log, &mut Random::printed("forgeries"));
    for judge in Judge::ALL {
        let asked: Vec<_> = cases
            .iter()
            .filter(|(forgery, _)| forgery.seen_by.contains(&judge))
            .collect();
        assert!(!asked.is_empty());
        let answers = ask(judge, &log, &asked.iter().map(|(_, case)| case).collect::<Vec<_>>());
        for (answer, (forgery, case)) in answers.iter().zip(&asked) {
            assert!(
                answer.starts_with("no: "),
                "{judge:?} accepts {}: {}",
                forgery.name,
                case.line(&log)
            );
        }
    }
}
