//! What the operational log says of refusals, whoever sends how many of them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::cosignature::CosigningKey;
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::tree::{Edge, leaf_hash};
use shuguan_ledger::witness::{AddCheckpoint, Refused};
use tempfile::TempDir;

use super::{MINUTE_US, Service, TOLD_MAX};
use crate::clock::Clock;
use crate::witness::Store;

const ORIGINS: [&str; 2] = ["log.example", "other.example"];
const FORKED: &str = "a log showed a history that does not continue the one it showed before";

fn key(origin: &str) -> SigningKey {
    SigningKey::from_seed(origin, &[7; 32]).unwrap()
}

/// A question about the log of these leaves, with hashes that prove nothing.
fn asks(origin: &str, leaves: std::ops::Range<u8>, old: u64, junk: usize) -> String {
    let mut edge = Edge::empty();
    for leaf in leaves {
        edge.append(leaf_hash(&[leaf]));
    }
    let (size, root) = (edge.size(), edge.root());
    let origin = origin.to_owned();
    let text = Checkpoint { origin, size, root }.text();
    AddCheckpoint {
        old,
        proof: vec![[9; 32]; junk],
        checkpoint: key(text.split('\n').next().unwrap()).sign(&text).unwrap(),
    }
    .encode()
}

/// What was written to the operational log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A witness that holds three leaves of each log.
struct Bench {
    _folder: TempDir,
    now: Arc<AtomicI64>,
    service: Service,
    lines: Lines,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("witness.db");
        Store::create(&path).unwrap();
        let now = Arc::new(AtomicI64::new(30_000_000 * MINUTE_US));
        let time = Arc::clone(&now);
        let service = Service::new(
            CosigningKey::from_seed("w.example", &[3; 32]).unwrap(),
            BTreeMap::from(ORIGINS.map(|origin| (origin.to_owned(), vec![key(origin).verifying_key().into()]))),
            Store::open(&path).unwrap(),
            Clock::from_fn(move || time.load(Ordering::Relaxed)),
        );
        let bench = Self {
            _folder: folder,
            now,
            service,
            lines: Lines::default(),
        };
        for origin in ORIGINS {
            assert_eq!(bench.sends(&asks(origin, 0..3, 0, 0)), None);
        }
        assert_eq!(bench.told(), []);
        bench
    }

    fn sends(&self, body: &str) -> Option<Refused> {
        let lines = self.lines.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || lines.clone());
        tracing::subscriber::with_default(subscriber.finish(), || self.service.add(body.as_bytes()).unwrap().err())
    }

    /// Level, origin and message of every line since the last call; the count instead of the origin for what was only counted.
    fn told(&self) -> Vec<(String, String, String)> {
        let bytes = std::mem::take(&mut *self.lines.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(of_line).collect()
    }
}

fn of_line(line: &str) -> (String, String, String) {
    let line: Value = serde_json::from_str(line).unwrap();
    let field = |name: &str| line.get("fields").unwrap().get(name);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let whose = match field("count") {
        Some(count) => count.to_string(),
        None => text(field("log.origin")),
    };
    let message = text(field("message"));
    let message = match text(field("cause")) {
        cause if message == "a checkpoint was refused" => cause,
        _ => message,
    };
    (text(line.get("level")), whose, message)
}

fn line(level: &str, whose: &str, message: &str) -> (String, String, String) {
    (level.into(), whose.into(), message.into())
}

#[test]
fn a_fork_is_told_of_as_an_error_however_much_noise_was_sent_before() {
    let bench = Bench::new();
    let most = usize::try_from(TOLD_MAX).unwrap();
    let noise = "malformed: it has no checkpoint";
    for _ in 0..most + 5 {
        assert_eq!(bench.sends("noise"), Some(Refused::Malformed("it has no checkpoint")));
    }
    assert_eq!(bench.told(), vec![line("WARN", "-", noise); most]);
    // Nor does the noise of one who has a genuine checkpoint of the one log or of the other.
    let unproven = "the proof does not lead from the stored checkpoint to this one";
    for origin in ORIGINS {
        for _ in 0..most + 5 {
            assert_eq!(bench.sends(&asks(origin, 0..9, 3, 2)), Some(Refused::Inconsistent));
        }
        assert_eq!(bench.told(), vec![line("WARN", origin, unproven); most]);
    }
    for origin in ORIGINS {
        for junk in [0, 2] {
            assert_eq!(bench.sends(&asks(origin, 1..4, 3, junk)), Some(Refused::Forked));
            assert_eq!(bench.told(), [line("ERROR", origin, FORKED)]);
        }
    }
    for _ in 0..most + 5 {
        assert_eq!(bench.sends(&asks("log.example", 1..4, 3, 0)), Some(Refused::Forked));
    }
    assert_eq!(bench.told(), vec![line("ERROR", "log.example", FORKED); most - 2]);
    // In the next minute each class says how many were only counted.
    bench.now.fetch_add(MINUTE_US, Ordering::Relaxed);
    let counted = "more checkpoints were refused in the minute before";
    bench.sends("noise");
    bench.sends(&asks("log.example", 1..4, 3, 0));
    assert_eq!(
        bench.told(),
        [
            line("WARN", "5", counted),
            line("WARN", "-", noise),
            line("WARN", "7", counted),
            line("ERROR", "log.example", FORKED)
        ]
    );
}

#[test]
fn a_genuine_checkpoint_with_a_proof_that_leads_elsewhere_accuses_nobody() {
    let bench = Bench::new();
    for (leaves, junk) in [(0..9, 0), (0..9, 3), (0..3, 1)] {
        let refused = bench.sends(&asks("log.example", leaves, 3, junk));
        assert_eq!(refused.map(Refused::status), Some(422));
        let [(level, origin, message)] = <[_; 1]>::try_from(bench.told()).unwrap();
        assert_eq!((level.as_str(), origin.as_str()), ("WARN", "log.example"));
        assert_eq!(
            message,
            "the proof does not lead from the stored checkpoint to this one"
        );
    }
}
