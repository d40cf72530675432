//! A file that is made beside its place and put there whole.
//!
//! Takes a file of the backup and what it must be; gives a copy under a temporary name, synced, and puts it in place by a rename. Refuses a file with other
//! bytes. What was in the place gets another name, or is written over. Dropped before that, the copy is removed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use ring::digest::{Context, SHA256};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::command::exit::{Exit, Failure};
use crate::durable::sync_parent;
use crate::hex::hex;

const CHUNK_BYTES: usize = 1 << 20;
/// What SQLite keeps beside a database; with another database it would be taken for its own.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// A copy that is not in its place yet.
#[derive(Debug)]
pub(super) struct Fresh {
    made: PathBuf,
    place: PathBuf,
    is_placed: bool,
}

impl Fresh {
    /// Copies a file of so many bytes and that digest.
    pub(super) fn copy(
        from: &Path,
        place: &Path,
        (bytes, sha256): (u64, &str),
        bar: &ProgressBar,
    ) -> Result<Self, Failure> {
        let fresh = Self::beside(place);
        if let Some(folder) = place.parent() {
            private_folder(folder).map_err(|error| failed(folder, &error))?;
        }
        let digest = write(from, &fresh.made, bytes, bar).map_err(|error| failed(from, &error))?;
        if digest.as_deref() != Some(sha256) {
            return Err(Failure::new(
                Exit::NotProven,
                format!("`{}` is not the file that the backup had", from.display()),
            )
            .because("its size or SHA-256 is not that of `backup.json`")
            .then("use another backup; nothing was changed"));
        }
        Ok(fresh)
    }

    fn beside(place: &Path) -> Self {
        Self {
            made: named(place, ".", ".restoring"),
            place: place.to_owned(),
            is_placed: false,
        }
    }

    /// Puts it in its place. With a stamp, a database: what was there is kept with that in its name, which is given; without, a file that is written over.
    pub(super) fn into_place(mut self, stamp: Option<&str>) -> Result<Vec<PathBuf>, Failure> {
        let kept = self.put(stamp).map_err(|error| failed(&self.place, &error))?;
        self.is_placed = true;
        Ok(kept)
    }

    fn put(&self, stamp: Option<&str>) -> io::Result<Vec<PathBuf>> {
        let mut kept = Vec::new();
        if let Some(stamp) = stamp {
            // First what would be taken for part of the new one.
            for end in BESIDE.into_iter().chain([""]) {
                let there = named(&self.place, "", end);
                let aside = named(&self.place, "", &format!(".{stamp}{end}"));
                match fs::rename(&there, &aside) {
                    Ok(()) => kept.push(aside),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            sync_parent(&self.place)?;
        }
        fs::rename(&self.made, &self.place)?;
        sync_parent(&self.place)?;
        Ok(kept)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.is_placed {
            // Of what is left the next run writes over.
            let _ = remove(&self.made);
        }
    }
}

/// Nobody has this database open, as long as what is given back is held; one that is not there, or that SQLite cannot read, nobody uses.
pub(super) fn alone(database: &Path) -> Result<Option<Connection>, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(connection) = Connection::open_with_flags(database, flags) else {
        return Ok(None);
    };
    // In this mode SQLite gives the lock to one connection, and none while another has the file open.
    let locked = connection.execute_batch("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;");
    match locked {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            Err(Failure::local(format!("another process has `{}` open", database.display())).then("end it"))
        }
        Ok(()) => Ok(Some(connection)),
        Err(_) => Ok(None),
    }
}

/// Copies at most what the backup had; gives the digest, none when there is less or more.
fn write(from: &Path, to: &Path, bytes: u64, bar: &ProgressBar) -> io::Result<Option<String>> {
    let mut from = File::open(from)?;
    remove(to)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let (mut context, mut chunk, mut copied) = (Context::new(&SHA256), vec![0; CHUNK_BYTES], 0_u64);
    loop {
        let read = from.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        let piece = chunk.get(..read).unwrap_or_default();
        copied = copied.saturating_add(read as u64);
        if copied > bytes {
            return Ok(None);
        }
        context.update(piece);
        file.write_all(piece)?;
        bar.inc(read as u64);
    }
    file.sync_all()?;
    Ok((copied == bytes).then(|| hex(context.finish().as_ref())))
}

fn named(path: &Path, before: &str, behind: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(before);
    name.push(path.file_name().unwrap_or_default());
    name.push(behind);
    path.with_file_name(name)
}

fn private_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::local(format!("`{}` cannot be restored", path.display()))
        .because(error)
        .then("see to the disk, then run the command again")
}
