//! A copy of the journal while the gateway runs: the database in one snapshot, then the files that its rows name.
//!
//! Takes the journal's paths and an empty folder; gives `journal.db`, `evidence-keys.db` and `payloads/`, private to their owner, all of it synced. A payload
//! that is erased between snapshot and copy is left out: its row in the copy says that it was relayed, and whoever restores it learns from `shuguan db fsck`
//! whether it is missed. No key of the gateway is copied: the copy opens with those and with nobody else's. The wrapped keys of evidence records are in
//! `evidence-keys.db` and nowhere else in the copy, so that they may have a shorter life than the rest: as long as that file is there, what is shredded in the
//! journal can be opened from the copy; once it is not, no record of the copy ever opens again, and everything else of it is as good. A payload in the copy
//! opens as long as `kek.key` does.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::fault::JournalFault;
use super::payload::spill_path;
use super::statements;
use super::subjects::tags_path;
use super::views::Reader;
use crate::durable::{self, sync_folder};

/// The database in the copy.
pub const DATABASE: &str = "journal.db";
/// The wrapped keys of evidence records in the copy.
pub const EVIDENCE_KEYS: &str = "evidence-keys.db";
/// The folder of files in the copy.
pub const PAYLOADS: &str = "payloads";

/// Copies a SQLite database as it stands now, also while another process writes to it.
///
/// # Errors
/// What the disk or the database fails at; a file that is there already.
pub fn snapshot(database: &Path, copy: &Path) -> Result<(), JournalFault> {
    let failed = JournalFault::file("write", copy);
    // Made first, so that it is never readable by others; SQLite takes an empty file.
    durable::create_private(copy).map_err(failed)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags).map_err(sqlite_failed("open the database"))?;
    // Sorting in memory: a temporary file would lie elsewhere.
    let copied = connection
        .execute_batch("PRAGMA temp_store=MEMORY; PRAGMA busy_timeout=5000;")
        .and_then(|()| connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()]));
    copied.map_err(sqlite_failed("copy the database"))?;
    sync_folder(copy).map_err(JournalFault::file("sync", copy))
}

/// Copies the journal into an empty folder; gives the checkpoint of the copy and how many files it names.
///
/// # Errors
/// What the disk or the database fails at. What was written then is no copy.
pub fn backup(database: &Path, payloads: &Path, folder: &Path) -> Result<(String, u64), JournalFault> {
    snapshot(database, &folder.join(DATABASE))?;
    take_keys_out(&folder.join(DATABASE), &folder.join(EVIDENCE_KEYS))?;
    let reader = Reader::open(&folder.join(DATABASE).as_path().into())?;
    let files = folder.join(PAYLOADS);
    let made = DirBuilder::new().mode(0o700).create(&files);
    made.map_err(JournalFault::file("make", &files))?;
    let mut copied = 0;
    for path in reader.named_files(payloads)? {
        let Some(name) = path.file_name() else { continue };
        let copy = files.join(name);
        match copy_file(&path, &copy) {
            Ok(()) => copied += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(JournalFault::file("copy", &path)(error)),
        }
    }
    sync_folder(&files).map_err(JournalFault::file("sync", &files))?;
    Ok((reader.checkpoint()?, copied))
}

/// Nothing is left of the keys where they were: what is deleted is overwritten, and no transaction's journal holds it.
const QUIETLY: &str =
    "PRAGMA journal_mode=MEMORY; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; PRAGMA synchronous=FULL;";
const TAKE_OUT: &str = "BEGIN;
  CREATE TABLE keys.wrapped_key (leaf INTEGER PRIMARY KEY, month TEXT NOT NULL, key BLOB NOT NULL) STRICT;
  INSERT INTO keys.wrapped_key (leaf, month, key) SELECT leaf, month, key FROM main.wrapped_key;
  DELETE FROM main.wrapped_key;
  COMMIT; DETACH keys;";
const PUT_IN: &str = "BEGIN;
  INSERT OR IGNORE INTO main.wrapped_key (leaf, month, key) SELECT leaf, month, key FROM keys.wrapped_key;
  COMMIT; DETACH keys;";

/// Moves the wrapped keys of evidence records from a copy of the database into a file that is not there yet.
fn take_keys_out(copy: &Path, keys: &Path) -> Result<(), JournalFault> {
    // Made first, so that it is never readable by others; SQLite takes an empty file.
    durable::create_private(keys).map_err(JournalFault::file("write", keys))?;
    with_keys(copy, keys, TAKE_OUT)?;
    sync_folder(keys).map_err(JournalFault::file("sync", keys))
}

/// Puts the keys that a backup took out into a copy of its database that nobody has open.
///
/// # Errors
/// What the disk or the database fails at; what is no file of keys.
pub fn put_keys_in(copy: &Path, keys: &Path) -> Result<(), JournalFault> {
    with_keys(copy, keys, PUT_IN)
}

fn with_keys(copy: &Path, keys: &Path, statements: &str) -> Result<(), JournalFault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(copy, flags).map_err(sqlite_failed("open the copy"))?;
    let moved = connection
        .execute_batch(QUIETLY)
        .and_then(|()| connection.execute("ATTACH ?1 AS keys", [keys.to_string_lossy()]))
        .and_then(|_| connection.execute_batch(QUIETLY))
        .and_then(|()| connection.execute_batch(statements));
    moved.map_err(sqlite_failed("move the keys of evidence records"))?;
    drop(connection);
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    sync(copy)
        .and_then(|()| sync(keys))
        .map_err(JournalFault::file("sync", copy))
}

fn sqlite_failed(what: &'static str) -> impl FnOnce(rusqlite::Error) -> JournalFault {
    move |error| JournalFault::store(what)(error.into())
}

fn copy_file(path: &Path, copy: &Path) -> io::Result<()> {
    let mut from = File::open(path)?;
    let mut to = durable::create_private(copy)?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()
}

impl Reader {
    /// The files beside the database that its rows name: payloads and indexes of subjects.
    fn named_files(&self, payloads: &Path) -> Result<Vec<PathBuf>, JournalFault> {
        let mut files = Vec::new();
        for (statement, path) in [
            (statements::PAYLOAD_FILES, spill_path as fn(&Path, Uuid) -> PathBuf),
            (statements::TAG_FILES, tags_path),
        ] {
            let exchanges: Vec<Uuid> = self.column("list the payload files", statement, &[])?;
            files.extend(exchanges.into_iter().map(|exchange| path(payloads, exchange)));
        }
        Ok(files)
    }
}
