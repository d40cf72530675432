//! A copy of the journal while the gateway runs: the database in one snapshot, then the files that its rows name.
//!
//! Takes the journal's paths and an empty folder; gives `journal.db` and `payloads/`, private to their owner, all of it synced. A payload that is erased
//! between snapshot and copy is left out: its row in the copy says that it was relayed, and whoever restores it learns from `shuguan db fsck` whether it is
//! missed. No key is copied: the copy opens with the keys of the gateway and nobody else's, and not at all once a key is shredded.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::fault::JournalFault;
use super::payload::spill_path;
use super::statements;
use super::subjects::tags_path;
use super::views::Reader;
use crate::durable::sync_folder;

/// The database in the copy.
pub const DATABASE: &str = "journal.db";
/// The folder of files in the copy.
pub const PAYLOADS: &str = "payloads";

/// Copies a SQLite database as it stands now, also while another process writes to it.
///
/// # Errors
/// What the disk or the database fails at; a file that is there already.
pub fn snapshot(database: &Path, copy: &Path) -> Result<(), JournalFault> {
    let failed = JournalFault::file("write", copy);
    // Made first, so that it is never readable by others; SQLite takes an empty file.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(copy);
    made.map_err(failed)?;
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

fn sqlite_failed(what: &'static str) -> impl FnOnce(rusqlite::Error) -> JournalFault {
    move |error| JournalFault::store(what)(error.into())
}

fn copy_file(path: &Path, copy: &Path) -> io::Result<()> {
    let mut from = File::open(path)?;
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(copy)?;
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
