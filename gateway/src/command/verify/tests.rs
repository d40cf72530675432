#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::PathBuf;

use rusqlite::{Connection, params};
use shuguan_ledger::audit::LogFault;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::exported::CHECKPOINT;
use shuguan_ledger::leaf::{Event, Leaf, RefusalEvent, StartEvent};
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::tree::{Edge, Hash, Tiles, inclusion_path, leaf_hash};
use tempfile::TempDir;
use uuid::Uuid;

use super::opening::OpeningArgs;
use super::*;

mod bundles;
mod columns;
mod tail;

const SIZE: u64 = 300;
/// The part of the journal's schema that is evidence.
const SCHEMA: &str =
    "CREATE TABLE leaf (idx INTEGER PRIMARY KEY, hash BLOB, t INTEGER, kind TEXT, exchange BLOB, partner TEXT,
      rec TEXT, pur TEXT, code TEXT, bytes BLOB);
    CREATE TABLE tile (level INTEGER, idx INTEGER, hash BLOB, PRIMARY KEY (level, idx));
    CREATE TABLE tree (id INTEGER, size INTEGER, edge BLOB);
    CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, t INTEGER, note TEXT);
    CREATE TABLE inbox (leaf INTEGER PRIMARY KEY, exchange BLOB, state TEXT, rec TEXT, partner TEXT,
      received_us INTEGER, changed_us INTEGER, parts INTEGER, bytes INTEGER);";

struct Level0(Vec<Hash>);

impl Tiles for Level0 {
    type Error = std::convert::Infallible;

    fn row(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, Self::Error> {
        let leaves = |position: u64| {
            let mut edge = Edge::empty();
            let span = 256_u64.pow(u32::from(level));
            for index in position * span..(position + 1) * span {
                edge.append(self.0[usize::try_from(index).unwrap()]);
            }
            edge.root()
        };
        Ok((start..start + width).map(leaves).collect())
    }
}

/// A folder with `journal.db`, `trust.txt` and `r.tlog-proof`, the receipt of leaf 7 under the newest checkpoint.
struct Room {
    folder: TempDir,
}

fn int(number: u64) -> i64 {
    number.try_into().unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_seed("log.example", &[7; 32]).unwrap()
}

fn leaf(index: u64) -> Leaf {
    let event = if index == 0 {
        let version = "0.1.0".into();
        Event::Start(StartEvent {
            version,
            size: 0,
            head: None,
            bin: None,
        })
    } else {
        Event::Refusal(RefusalEvent {
            x: Some(Uuid::from_u128(index.into()).to_string()),
            p: "health-city".into(),
            code: "no-grant".into(),
            at: "authorise".into(),
            rec: Some("health/birth-certificate".into()),
            ds: None,
            pur: Some("enrolment.survey".into()),
            bun: None,
            cnt: None,
            qua: None,
            req: None,
            ask: None,
            abs: None,
        })
    };
    let t = 1_700_000_000_000_000 + i64::try_from(index).unwrap();
    Leaf::new(t, "gw1", "7f3a", event)
}

fn sign(edge: &Edge) -> String {
    let (origin, size, root) = ("log.example".into(), edge.size(), edge.root());
    key().sign(&Checkpoint { origin, size, root }.text()).unwrap()
}

impl Room {
    fn new() -> Self {
        let room = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(
            room.path("trust.txt"),
            format!("log {}\n", key().verifying_key().vkey()),
        )
        .unwrap();
        let mut journal = Connection::open(room.path("journal.db")).unwrap();
        journal.execute_batch(SCHEMA).unwrap();
        let transaction = journal.transaction().unwrap();
        let (mut edge, mut hashes) = (Edge::empty(), Vec::new());
        for index in 0..SIZE {
            let leaf = leaf(index);
            let bytes = leaf.encode().unwrap();
            let exchange = leaf
                .event
                .exchange()
                .map(|id| Uuid::parse_str(id).unwrap().into_bytes());
            let (rec, pur) = if index == 0 {
                (None, None)
            } else {
                (Some("health/birth-certificate"), Some("enrolment.survey"))
            };
            let row = params![
                int(index),
                leaf_hash(&bytes),
                leaf.t,
                leaf.event.kind(),
                exchange,
                leaf.event.partner(),
                rec,
                pur,
                pur.map(|_| "no-grant"),
                bytes
            ];
            let sql = "INSERT INTO leaf (idx, hash, t, kind, exchange, partner, rec, pur, code, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            transaction.execute(sql, row).unwrap();
            hashes.push(leaf_hash(&bytes));
            for entry in edge.append(leaf_hash(&bytes)).iter().skip(1) {
                let row = params![entry.level, int(entry.position), entry.hash];
                transaction
                    .execute("INSERT INTO tile VALUES (?1, ?2, ?3)", row)
                    .unwrap();
            }
            if edge.size().is_multiple_of(100) {
                transaction
                    .execute(
                        "INSERT INTO checkpoint VALUES (?1, 0, ?2)",
                        params![int(edge.size()), sign(&edge)],
                    )
                    .unwrap();
            }
        }
        transaction
            .execute("INSERT INTO tree VALUES (1, ?1, ?2)", params![int(SIZE), edge.encode()])
            .unwrap();
        transaction.commit().unwrap();
        let path = inclusion_path(&Level0(hashes), 7, SIZE).unwrap();
        let receipt = Receipt {
            leaf: leaf(7).encode().unwrap(),
            index: 7,
            path,
            checkpoint: sign(&edge),
        };
        std::fs::write(room.path("r.tlog-proof"), receipt.encode()).unwrap();
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> Exit {
        Self::run(What::Log {
            journal: vec![self.path("journal.db")],
            trust: self.path("trust.txt"),
            receipt: vec![],
            checkpoint: vec![],
            unwitnessed_h: 24,
        })
        .unwrap()
    }

    fn receipt(&self, text: impl AsRef<[u8]>) -> Exit {
        std::fs::write(self.path("changed.tlog-proof"), text).unwrap();
        Self::run(What::Receipt {
            file: self.path("changed.tlog-proof"),
            manifest: None,
            trust: self.path("trust.txt"),
            columns: OpeningArgs::default(),
        })
        .unwrap()
    }

    fn run(what: What) -> Result<Exit, Failure> {
        run(
            VerifyArgs { what },
            &Output {
                form: super::super::output::Form::Json,
                quiet: true,
                no_progress: true,
            },
        )
    }

    /// What is said of the log and a receipt that it is to contain.
    fn compared(&self, receipt: &str) -> Exit {
        Self::run(What::Log {
            journal: vec![self.path("journal.db")],
            trust: self.path("trust.txt"),
            receipt: vec![self.path(receipt)],
            checkpoint: vec![],
            unwitnessed_h: 24,
        })
        .unwrap()
    }

    /// The fault after a change to the journal.
    fn fault(&self, change: &str) -> LogFault {
        Connection::open(self.path("journal.db"))
            .unwrap()
            .execute_batch(change)
            .unwrap();
        let trust = believed(&self.path("trust.txt")).unwrap();
        match journal::compare_log(
            &self.path("journal.db").as_path().into(),
            &trust,
            &journal::Expected::default(),
            &Output::default(),
        ) {
            Err(ReadLog::Fault(fault)) => fault,
            other => unreachable!("{change}: {other:?}"),
        }
    }
}

#[test]
fn an_untouched_journal_and_its_receipt_are_proven_and_nothing_is_left_beside_it() {
    let room = Room::new();
    assert_eq!(room.log(), Exit::Done);
    let (journal, trust) = (room.path("journal.db"), room.path("trust.txt"));
    let receipt = vec![room.path("r.tlog-proof")];
    assert_eq!(
        Room::run(What::Log {
            journal: vec![journal],
            trust,
            receipt,
            checkpoint: vec![],
            unwitnessed_h: 24,
        })
        .unwrap(),
        Exit::Done
    );
    assert_eq!(
        Room::run(What::Receipt {
            file: room.path("r.tlog-proof"),
            trust: room.path("trust.txt"),
            manifest: None,
            columns: OpeningArgs::default(),
        })
        .unwrap(),
        Exit::Done
    );
    let mut names: Vec<_> = std::fs::read_dir(room.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["journal.db", "r.tlog-proof", "trust.txt"]);
}

#[test]
fn every_kind_of_edit_to_a_journal_is_found_and_its_place_named() {
    let cases = [
        (
            "UPDATE leaf SET bytes = CAST(replace(CAST(bytes AS TEXT), 'gw1', 'gw2') AS BLOB) WHERE idx = 150",
            150,
        ),
        ("UPDATE leaf SET hash = zeroblob(32) WHERE idx = 150", 150),
        ("UPDATE leaf SET partner = 'tax-city' WHERE idx = 150", 150),
        ("UPDATE leaf SET partner = 'tax-city' WHERE idx = 0", 0),
        ("UPDATE leaf SET rec = NULL WHERE idx = 150", 150),
        ("UPDATE leaf SET pur = 'x' WHERE idx = 150", 150),
        ("UPDATE leaf SET kind = 'stop' WHERE idx = 150", 150),
        ("UPDATE leaf SET code = 'refused' WHERE idx = 150", 150),
        ("UPDATE leaf SET code = NULL WHERE idx = 150", 150),
        (
            "INSERT INTO inbox (leaf, exchange, state, rec, partner, received_us, changed_us, parts, bytes) \
             SELECT idx, zeroblob(16), 'waiting', 'tax/registration', 'tax-city', t, t, 1, 1 FROM leaf WHERE idx = 150",
            150,
        ),
        ("UPDATE leaf SET t = t + 1 WHERE idx = 150", 150),
        ("UPDATE leaf SET exchange = NULL WHERE idx = 150", 150),
        ("UPDATE leaf SET bytes = 'text' WHERE idx = 150", 150),
        ("DELETE FROM leaf WHERE idx = 150", 150),
        ("UPDATE leaf SET idx = -1 WHERE idx = 150", 0),
        ("UPDATE tile SET hash = zeroblob(32)", 255),
        ("DELETE FROM tile", 255),
        ("INSERT INTO tile VALUES (1, 1, zeroblob(32))", 300),
        ("UPDATE tree SET size = 299", 300),
        ("DELETE FROM tree", 300),
        ("UPDATE tree SET edge = zeroblob(8)", 300),
        (
            "UPDATE checkpoint SET note = replace(note, 'log.example', 'lag.example') WHERE size = 200",
            199,
        ),
        ("UPDATE checkpoint SET note = x'ff' WHERE size = 200", 199),
        ("DELETE FROM checkpoint WHERE size > 100", 100),
        ("DELETE FROM leaf WHERE idx = 299", 299),
    ];
    for (change, index) in cases {
        let fault = Room::new().fault(change);
        assert_eq!(fault.index(), index, "{change}: {fault}");
    }
}

#[test]
fn a_journal_that_was_rolled_back_as_a_whole_is_older_than_a_newer_receipt_knows() {
    let room = Room::new();
    let mut edge = Edge::empty();
    (0..100).for_each(|index| drop(edge.append(leaf_hash(&leaf(index).encode().unwrap()))));
    let journal = Connection::open(room.path("journal.db")).unwrap();
    let rollback = "DELETE FROM leaf WHERE idx >= 100; DELETE FROM checkpoint WHERE size > 100; DELETE FROM tile;";
    journal.execute_batch(rollback).unwrap();
    journal
        .execute("UPDATE tree SET size = 100, edge = ?1", [edge.encode()])
        .unwrap();
    drop(journal);
    assert_eq!(room.log(), Exit::Done, "without the receipt nothing contradicts it");
    let (text, trust) = (
        read_receipt(&room.path("r.tlog-proof")).unwrap(),
        believed(&room.path("trust.txt")).unwrap(),
    );
    let (receipt, mut expected) = (Receipt::parse(&text).unwrap(), journal::Expected::default());
    expected.add(&receipt.verify(&trust).unwrap(), receipt.checkpoint);
    let place = room.path("journal.db");
    let mut report = journal::read_log(&place.as_path().into(), &trust, &Output::default()).unwrap();
    assert_eq!(
        (report.checkpoint.size, expected.beyond(&report)),
        (100, Some(journal::Beyond::Older(SIZE)))
    );
    // Under another name it is of another log, unless this one says that the log of that name had fewer.
    let origin = std::mem::replace(&mut report.checkpoint.origin, "another.example".into());
    assert_eq!(expected.beyond(&report), Some(journal::Beyond::Another(origin)));
    report.checkpoint.size = SIZE;
    assert_eq!(expected.beyond(&report), None);
    assert_eq!(room.compared("r.tlog-proof"), Exit::NotProven);
}

#[test]
fn what_a_log_is_compared_with_has_to_be_valid_itself_and_that_is_a_verdict() {
    let room = Room::new();
    let text = read_receipt(&room.path("r.tlog-proof")).unwrap();
    std::fs::write(room.path("bad.tlog-proof"), text.replacen("\nindex ", "\nindex 1", 1)).unwrap();
    std::fs::write(room.path("long.tlog-proof"), vec![b'x'; 129 * 1024]).unwrap();
    for (file, exit) in [
        ("r.tlog-proof", Exit::Done),
        ("bad.tlog-proof", Exit::NotProven),
        ("long.tlog-proof", Exit::NotProven),
    ] {
        assert_eq!(room.compared(file), exit, "{file}");
    }
    assert_eq!(room.receipt(vec![b'x'; 129 * 1024]), Exit::NotProven);
}

#[test]
fn a_receipt_with_other_line_ends_is_told_that_and_not_that_it_has_no_checkpoint() {
    let room = Room::new();
    let text = read_receipt(&room.path("r.tlog-proof")).unwrap();
    let file = room.path("crlf.tlog-proof");
    std::fs::write(&file, text.replace('\n', "\r\n")).unwrap();
    let why = parsed(&file).unwrap().unwrap_err();
    assert!(why.starts_with("its line ends were changed to CRLF"), "{why}");
    assert_eq!(room.compared("crlf.tlog-proof"), Exit::NotProven);
}

#[test]
fn the_time_of_a_witness_that_no_clock_shows_is_not_told_as_a_time() {
    assert_eq!(witness_time(1), "at 1970-01-01T00:00:01.000000Z");
    assert_eq!(witness_time(LAST_S), "at 9999-12-31T23:59:59.000000Z");
    for time_s in [0, LAST_S + 1, u64::MAX] {
        let said = witness_time(time_s);
        assert!(
            said.contains("none that a clock shows") && said.contains(&time_s.to_string()),
            "{said}"
        );
    }
}

#[test]
fn a_folder_with_a_fifo_for_a_file_is_a_failure_that_names_it() {
    let room = Room::new();
    let folder = room.path("exported");
    std::fs::create_dir(&folder).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(folder.join(CHECKPOINT))
        .status();
    assert!(made.unwrap().success());
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let trust = room.path("trust.txt");
    std::thread::spawn(move || {
        let log = What::Log {
            journal: vec![folder],
            trust,
            receipt: vec![],
            checkpoint: vec![],
            unwitnessed_h: 24,
        };
        sender.send(Room::run(log).unwrap_err())
    });
    let failure = receiver.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    assert_eq!(failure.exit, Exit::Local);
    assert_eq!(
        failure.why.as_deref(),
        Some("`checkpoint` cannot be read: it is not a regular file")
    );
}

#[test]
fn a_receipt_with_any_changed_byte_is_not_proven() {
    let room = Room::new();
    let receipt = std::fs::read(room.path("r.tlog-proof")).unwrap();
    assert_eq!(room.receipt(&receipt), Exit::Done);
    for at in (0..receipt.len()).step_by(37) {
        let mut changed = receipt.clone();
        changed[at] ^= 1;
        assert_eq!(room.receipt(&changed), Exit::NotProven, "byte {at}");
    }
    assert_eq!(room.receipt([0xff; 9]), Exit::NotProven);
}

#[test]
fn a_journal_that_is_open_elsewhere_is_read_with_what_its_log_of_writes_holds() {
    let room = Room::new();
    let writer = Connection::open(room.path("journal.db")).unwrap();
    let mode: String = writer
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    writer.execute_batch("UPDATE leaf SET t = 0 WHERE idx = 9").unwrap();
    assert_eq!(room.log(), Exit::NotProven, "the edit is in the -wal file only");
}

#[test]
fn files_that_are_absent_or_something_else_are_failures_and_not_verdicts() {
    let room = Room::new();
    let log = |journal: PathBuf, trust: PathBuf| {
        Room::run(What::Log {
            journal: vec![journal],
            trust,
            receipt: vec![],
            checkpoint: vec![],
            unwitnessed_h: 24,
        })
        .unwrap_err()
    };
    let (journal, trust) = (room.path("journal.db"), room.path("trust.txt"));
    assert_eq!(log(room.path("absent.db"), trust.clone()).exit, Exit::Local);
    assert_eq!(log(trust.clone(), trust.clone()).exit, Exit::Local);
    assert_eq!(log(journal.clone(), room.path("absent.txt")).exit, Exit::Local);
    std::fs::write(&trust, "# nobody\n").unwrap();
    assert_eq!(log(journal.clone(), trust.clone()).what, "the trust file names no log");
    std::fs::write(&trust, "log example+00+AA==\n").unwrap();
    assert_eq!(
        log(journal, trust).what,
        "line 1 of the trust file: it is not `log <vkey>`: no key of a log"
    );
}

/// A journal in a folder of this name, whose entries state this reason, turned once; the folder of its second volume, and the receipts of two entries of
/// the first.
async fn turned(room: &Room, name: &str, reason: &str) -> (PathBuf, [PathBuf; 2]) {
    use crate::clock::Clock;
    use crate::journal::{Extent, Journal, JournalSettings, Outcome, Reader, Secret, VolumeOrder, export};
    let (log, kek) = (Secret::new([7; 32]), Secret::new([2; 32]));
    let settings = JournalSettings::at(room.path(name), "log.example", log, kek);
    Journal::create(&settings).unwrap();
    let journal = Journal::open(&settings, Clock::from_fn(|| 5)).unwrap();
    let mut sealing = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let (journal, reason) = (journal.clone(), reason.to_owned());
        let event = Event::Stop(shuguan_ledger::leaf::StopEvent { reason });
        sealing.spawn(async move { journal.seal_own(event).await });
    }
    let mut receipts = Vec::new();
    for outcome in sealing.join_all().await {
        let Ok(Outcome::Sealed(sealed)) = outcome else {
            unreachable!("{outcome:?}")
        };
        receipts.push((sealed.index, sealed.receipt));
    }
    let key = std::sync::Arc::new(SigningKey::from_seed("log.example/2", &[8; 32]).unwrap());
    let who = "operator-li".into();
    journal.turn_volume(VolumeOrder { key, who }).await.unwrap();
    journal.close().await.unwrap();
    receipts.sort_by_key(|(index, _)| *index);
    let kept = [7, 280].map(|place: usize| {
        let path = room.path(&format!("{name}-{place}.tlog-proof"));
        std::fs::write(&path, &receipts[place].1).unwrap();
        path
    });
    let folder = room.path(&format!("{name}-second"));
    let reader = Reader::open(&settings.place).unwrap();
    let extent = Extent {
        volume: Some("log.example/2"),
        newest: false,
    };
    export(&reader, &folder, extent, |_, _| {}).unwrap();
    (folder, kept)
}

#[tokio::test]
async fn a_receipt_of_an_entry_that_a_folder_has_only_as_a_hash_is_compared_with_the_hash() {
    let room = Room::new();
    let second = SigningKey::from_seed("log.example/2", &[8; 32])
        .unwrap()
        .verifying_key();
    let first = key().verifying_key().vkey();
    std::fs::write(room.path("trust.txt"), format!("log {first}\nlog {}\n", second.vkey())).unwrap();
    let (folder, own) = turned(&room, "one", "sigterm").await;
    let (_, others) = turned(&room, "two", "upgrade").await;
    assert!(
        !folder.join("tile/entries/000").exists(),
        "its first bundle is not there"
    );
    let verify = |receipts: &[&PathBuf]| {
        Room::run(What::Log {
            journal: vec![folder.clone()],
            trust: room.path("trust.txt"),
            receipt: receipts.iter().map(|path| (*path).clone()).collect(),
            checkpoint: vec![],
            unwitnessed_h: 24,
        })
        .unwrap()
    };
    assert_eq!(verify(&[&own[0], &own[1]]), Exit::Done);
    for other in &others {
        assert_eq!(verify(&[other]), Exit::NotProven, "{}", other.display());
    }
}
