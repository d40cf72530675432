//! A file that is made beside its place and put there whole.
//!
//! Takes a file of the backup and what it must be; gives a copy under a temporary name, synced, and puts it in place by one rename. Refuses a file with other
//! bytes, and a name that is taken. A database that was in the place has a second name before that, together with its log where that could not be folded;
//! so at no moment does a database stand there with another's log, or without its own: at worst none does. Any other file is written over. Dropped before
//! it is placed, the copy is removed.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use ring::digest::{Context, SHA256};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::command::exit::{Exit, Failure};
use crate::durable::{self, beside, private_folder, remove, sync_parent};
use crate::hex::hex;

const CHUNK_BYTES: usize = 1 << 20;
/// A database, and what SQLite keeps beside it and is part of it: its write-ahead log, or the journal of a transaction that did not end.
const PARTS: [&str; 3] = ["", "-wal", "-journal"];

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
            made: durable::unfinished(place),
            place: place.to_owned(),
            is_placed: false,
        }
    }

    /// Puts it in its place. With a stamp, a database: what was there is kept with that in its name, which is given; without, a file that is written over.
    pub(super) fn into_place(mut self, stamp: Option<&str>) -> Result<Vec<PathBuf>, Failure> {
        let kept = self.put(stamp).map_err(|error| match stamp {
            Some(stamp) => failed(
                &self.place,
                &format!(
                    "{error}; what was there is as it was, or is `{}`",
                    aside(&self.place, stamp, "").display()
                ),
            ),
            None => failed(&self.place, &error),
        })?;
        self.is_placed = true;
        Ok(kept)
    }

    fn put(&self, stamp: Option<&str>) -> io::Result<Vec<PathBuf>> {
        let kept = stamp.map(|stamp| keep(&self.place, stamp)).transpose()?;
        durable::rename(&self.made, &self.place)?;
        Ok(kept.unwrap_or_default())
    }

    /// Where it is as long as it is not in its place.
    pub(super) fn made(&self) -> &Path {
        &self.made
    }

    pub(super) fn place(&self) -> &Path {
        &self.place
    }
}

/// Gives the database and its log a second name each, and clears the place where a log would be taken for that of the new one.
fn keep(place: &Path, stamp: &str) -> io::Result<Vec<PathBuf>> {
    // Nobody has it open, and SQLite makes it anew.
    remove(&beside(place, "-shm"))?;
    let (mut kept, mut logs) = (Vec::new(), Vec::new());
    for part in PARTS {
        let there = beside(place, part);
        match fs::metadata(&there) {
            // Of a log that was folded.
            Ok(file) if !part.is_empty() && file.len() == 0 => remove(&there)?,
            Ok(_) => {
                let aside = aside(place, stamp, part);
                // Fails where that name is taken.
                fs::hard_link(&there, &aside)?;
                kept.push(aside);
                logs.extend((!part.is_empty()).then_some(there));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    sync_parent(place)?;
    if !logs.is_empty() {
        remove(place)?;
        sync_parent(place)?;
        logs.iter().try_for_each(|log| remove(log))?;
        sync_parent(place)?;
    }
    Ok(kept)
}

/// What comes behind the names of what is kept: that, and a number where something has that name.
pub(super) fn free(stamp: &str, places: &[&Path]) -> String {
    let is_free = |stamp: &String| {
        let taken = |place: &&Path| PARTS.iter().any(|part| aside(place, stamp, part).exists());
        !places.iter().any(taken)
    };
    let numbered = (2_u32..).map(|number| format!("{stamp}-{number}"));
    let mut stamps = std::iter::once(stamp.to_owned()).chain(numbered);
    stamps.find(is_free).unwrap_or_else(|| stamp.to_owned())
}

fn aside(place: &Path, stamp: &str, part: &str) -> PathBuf {
    beside(place, &format!(".{stamp}{part}"))
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.is_placed {
            // Of what is left the next run writes over.
            let _ = remove(&self.made);
        }
    }
}

/// Nobody has this database open, as long as what is given back is held, and its log is folded into it, as far as that can be; one that is not there, or that
/// SQLite cannot read, nobody uses.
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
        Ok(()) => {
            // One that cannot be folded is kept with its database.
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            Ok(Some(connection))
        }
        Err(_) => Ok(None),
    }
}

/// Copies at most what the backup had; gives the digest, none when there is less or more.
fn write(from: &Path, to: &Path, bytes: u64, bar: &ProgressBar) -> io::Result<Option<String>> {
    let mut from = File::open(from)?;
    remove(to)?;
    let mut file = durable::create_private(to)?;
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

pub(super) fn failed(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::local(format!("`{}` cannot be restored", path.display()))
        .because(error)
        .then("see to the disk, then run the command again")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use std::fs;
    use std::path::{Path, PathBuf};

    use indicatif::ProgressBar;
    use ring::digest::{SHA256, digest};
    use rusqlite::Connection;

    use super::{Fresh, alone, free};
    use crate::hex::hex;

    /// A database whose third row is in its log alone, as a killed process leaves it.
    fn killed(folder: &Path) -> PathBuf {
        let (run, place) = (folder.join("run.db"), folder.join("registry.db"));
        let connection = Connection::open(&run).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1), (2);")
            .unwrap();
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        connection.execute_batch("INSERT INTO t VALUES (3)").unwrap();
        for part in ["", "-wal", "-shm"] {
            fs::copy(
                folder.join(format!("run.db{part}")),
                folder.join(format!("registry.db{part}")),
            )
            .unwrap();
        }
        place
    }

    fn fresh(folder: &Path, place: &Path) -> Fresh {
        let (from, bytes) = (folder.join("backup.db"), b"the one of the backup");
        fs::write(&from, bytes).unwrap();
        let digest = hex(digest(&SHA256, bytes).as_ref());
        Fresh::copy(&from, place, (bytes.len() as u64, &digest), &ProgressBar::hidden()).unwrap()
    }

    fn rows(database: &Path) -> i64 {
        let connection = Connection::open(database).unwrap();
        connection
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap()
    }

    fn names(folder: &Path, of: &str) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.contains(of)).collect();
        names.sort();
        names
    }

    #[test]
    fn a_log_is_folded_into_the_database_that_is_kept_which_then_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let place = killed(folder.path());
        let held = alone(&place).unwrap();
        assert!(held.is_some());
        let kept = fresh(folder.path(), &place).into_place(Some("kept")).unwrap();
        drop(held);
        assert_eq!(kept, [folder.path().join("registry.db.kept")]);
        assert_eq!(names(folder.path(), "registry"), ["registry.db", "registry.db.kept"]);
        assert_eq!(rows(&kept[0]), 3);
    }

    #[test]
    fn a_log_that_was_not_folded_is_kept_with_its_database() {
        let folder = tempfile::tempdir().unwrap();
        let place = killed(folder.path());
        let kept = fresh(folder.path(), &place).into_place(Some("kept")).unwrap();
        let named = ["registry.db", "registry.db.kept", "registry.db.kept-wal"];
        assert_eq!(names(folder.path(), "registry"), named);
        assert_eq!(rows(&kept[0]), 3);
    }

    #[test]
    fn what_cannot_be_kept_whole_stays_where_it_is_and_nothing_that_was_kept_is_written_over() {
        for taken in ["registry.db.kept", "registry.db.kept-wal"] {
            let folder = tempfile::tempdir().unwrap();
            let place = killed(folder.path());
            fs::write(folder.path().join(taken), "of an earlier restore").unwrap();
            let failure = fresh(folder.path(), &place).into_place(Some("kept")).unwrap_err();
            assert!(failure.why.unwrap().contains("registry.db.kept`"), "{taken}");
            assert_eq!(rows(&place), 3, "{taken}");
            let kept = fs::read_to_string(folder.path().join(taken)).unwrap();
            assert_eq!(kept, "of an earlier restore");
            assert!(names(folder.path(), "tmp").is_empty(), "{taken}");
        }
    }

    #[test]
    fn what_is_kept_gets_a_name_that_nothing_has() {
        let folder = tempfile::tempdir().unwrap();
        let [journal, registry] = ["journal.db", "registry.db"].map(|name| folder.path().join(name));
        let places: [&Path; 2] = [&journal, &registry];
        assert_eq!(free("at", &places), "at");
        fs::write(folder.path().join("registry.db.at-wal"), "").unwrap();
        assert_eq!(free("at", &places), "at-2");
        fs::write(folder.path().join("journal.db.at-2"), "").unwrap();
        assert_eq!(free("at", &places), "at-3");
    }
}
