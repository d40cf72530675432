//! The journal in a SQLite file of this machine: how it is made and opened, and how statements run on it.
//!
//! Takes paths; gives connections with the settings that durability and integrity rest on, statements kept prepared. Refuses SQLite before 3.51.3, a file that is not
//! a journal, one that others can read, and a second writer.

mod schema;

use std::fs::{File, OpenOptions, TryLockError};
use std::ops::ControlFlow;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::super::fault::JournalFault;
use super::super::statements::INDEXES;
use super::value::{Row, Value};
use super::{Store, Stored};

/// `SGJ1`: says whose file this is.
const APPLICATION_ID: i64 = 0x5347_4a31;
const SCHEMA_VERSION: i64 = 2;
/// Before it, resetting the write-ahead log could corrupt the database (3.7.0 to 3.51.2).
const SQLITE_MIN: i32 = 3_051_003;
/// Each commit walks through all of it once a page was moved within its tree, so larger is not faster.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const COMMIT: &str = "COMMIT";

/// A connection, and the lock that keeps other writers out.
#[derive(Debug)]
pub(in crate::journal) struct SqliteStore {
    pub(in crate::journal) connection: Connection,
    /// Dropped after the connection.
    _lock: Option<File>,
}

impl From<Connection> for SqliteStore {
    fn from(connection: Connection) -> Self {
        Self {
            connection,
            _lock: None,
        }
    }
}

impl SqliteStore {
    pub(super) fn each(
        &self,
        statement: &str,
        values: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Stored<ControlFlow<()>>,
    ) -> Stored<()> {
        let mut prepared = self.connection.prepare_cached(statement)?;
        let mut rows = prepared.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            if each(&Row::Sqlite(row))?.is_break() {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn run(&self, statement: &str, values: &[Value<'_>]) -> Stored<usize> {
        let mut prepared = self.connection.prepare_cached(statement)?;
        Ok(prepared.execute(params_from_iter(values))?)
    }

    pub(super) fn run_all<'v, const N: usize>(
        &self,
        statement: &str,
        rows: impl Iterator<Item = [Value<'v>; N]>,
    ) -> Stored<()> {
        let mut prepared = self.connection.prepare_cached(statement)?;
        for values in rows {
            prepared.execute(params_from_iter(&values))?;
        }
        Ok(())
    }

    pub(super) fn among(
        &self,
        statement: &str,
        keys: &[[u8; 32]],
        mut each: impl FnMut(&Row<'_>) -> Stored<()>,
    ) -> Stored<()> {
        let mut prepared = self.connection.prepare_cached(statement)?;
        for key in keys {
            let mut rows = prepared.query([key])?;
            while let Some(row) = rows.next()? {
                each(&Row::Sqlite(row))?;
            }
        }
        Ok(())
    }

    pub(super) fn snapshot(&self) -> Stored<()> {
        Ok(self.connection.execute_batch("BEGIN")?)
    }

    pub(super) fn roll_back(&self) -> Stored<()> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }

    pub(super) fn keeps_leaves(&self) -> Stored<bool> {
        let triggers = self
            .connection
            .query_row(schema::TRIGGERS, [], |row| row.get::<_, i64>(0));
        Ok(triggers? == 4)
    }

    pub(super) fn has_cosigned(&self) -> Stored<bool> {
        const FOUND: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'cosigned'";
        let found = self.connection.query_row(FOUND, [], |row| row.get::<_, i64>(0));
        Ok(found? > 0)
    }

    /// Without reading all of a run: tags are looked for where they would stand.
    pub(super) fn read_run(&self, run: i64, offset: usize, buffer: &mut [u8]) -> Stored<()> {
        let blob = self.connection.blob_open("main", "subject_run", "tags", run, true)?;
        Ok(blob.read_at_exact(buffer, offset)?)
    }

    /// Empties the write-ahead log, as far as no reader stands in the way; false: the next checkpoint does the rest.
    pub(in crate::journal) fn empty_log(&self) -> bool {
        let emptied = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        matches!(emptied, Ok(0))
    }

    /// Limits the database to its size and so many pages more, or lifts that.
    #[cfg(test)]
    pub(in crate::journal) fn limit_pages(&self, more: Option<i64>) {
        let count = self
            .connection
            .pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0));
        let most = more.map_or(1 << 30, |more| count.unwrap_or(0) + more);
        let _ = self
            .connection
            .query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()));
    }
}

/// Makes the folders and the database, private to their owner; tables and `first` rows in one transaction, so that a crash leaves no half
/// of a journal.
pub(super) fn create(
    database: &Path,
    payloads: &Path,
    first: impl FnOnce(&Store) -> Stored<()>,
) -> Result<(), JournalFault> {
    check_version()?;
    let folder = folder_of(database);
    private_folder(&folder)?;
    private_folder(payloads)?;
    crate::durable::create_private(database).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => JournalFault::Exists(database.display().to_string()),
        _ => JournalFault::file("create", database)(error),
    })?;
    let connection = connect(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    durable(&connection)?;
    let tables = connection
        .execute_batch(BEGIN)
        .and_then(|()| connection.pragma_update(None, "application_id", APPLICATION_ID))
        .and_then(|()| connection.pragma_update(None, "user_version", SCHEMA_VERSION))
        .and_then(|()| connection.execute_batch(schema::TABLES))
        .and_then(|()| connection.execute_batch(schema::ADDED))
        // While they cost nothing: made over ten million leaves each takes ten seconds.
        .and_then(|()| INDEXES.iter().try_for_each(|index| connection.execute_batch(index)));
    tables.map_err(sqlite_fault("make the journal's tables"))?;
    let store = Store::Sqlite(connection.into());
    let made = first(&store).and_then(|()| store.commit());
    made.map_err(JournalFault::store("make the journal's first rows"))
}

/// Opens the one connection that writes.
pub(super) fn open_writer(database: &Path, payloads: &Path) -> Result<SqliteStore, JournalFault> {
    check_version()?;
    if !database.is_file() {
        return Err(JournalFault::Absent(database.display().to_string()));
    }
    let lock = lock(database)?;
    check_private(&folder_of(database))?;
    check_private(database)?;
    check_private(payloads)?;
    let connection = connect(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check_identity(&connection, database)?;
    durable(&connection)?;
    for added in [schema::ADDED, schema::COSIGNED].iter().chain(INDEXES) {
        let made = connection.execute_batch(added);
        made.map_err(sqlite_fault("add what an earlier version has not"))?;
    }
    // Keys and tags are random, so a group touches many pages: they are held, not read back from the write-ahead log.
    let cached = connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB);
    cached.map_err(sqlite_fault("set the journal's page cache"))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(SqliteStore {
        connection,
        _lock: Some(lock),
    })
}

/// Opens a connection that only copies the write-ahead log back.
pub(in crate::journal) fn open_copier(database: &Path) -> Result<Connection, JournalFault> {
    let connection = connect(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    durable(&connection)?;
    Ok(connection)
}

/// Copies back what is committed and no reader still needs in the log, and syncs the database; waits for nobody.
pub(in crate::journal) fn copy_back(connection: &Connection) -> Stored<()> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(database: &Path) -> Result<SqliteStore, JournalFault> {
    if !database.is_file() {
        return Err(JournalFault::Absent(database.display().to_string()));
    }
    let connection = connect(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let asked = connection.pragma_update(None, "query_only", true);
    asked.map_err(sqlite_fault("open the journal for reading"))?;
    check_identity(&connection, database)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection.into())
}

/// Keeps every gateway from a journal in a file, which need not be there, as long as what is given back is held.
///
/// # Errors
/// [`JournalFault::Locked`]; a folder that others may read, or that cannot be made.
pub fn hold(database: &Path) -> Result<File, JournalFault> {
    private_folder(&folder_of(database))?;
    lock(database)
}

/// Locks `<database>.lock` against a second process; the lock lives as long as the file that is given back.
fn lock(database: &Path) -> Result<File, JournalFault> {
    let path = lock_path(database);
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let file = opened.map_err(JournalFault::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalFault::Locked(database.display().to_string())),
        Err(TryLockError::Error(error)) => Err(JournalFault::file("lock", &path)(error)),
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn folder_of(database: &Path) -> PathBuf {
    match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn check_version() -> Result<(), JournalFault> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(JournalFault::OldSqlite(rusqlite::version().to_owned()));
    }
    Ok(())
}

pub(super) fn private_folder(folder: &Path) -> Result<(), JournalFault> {
    crate::durable::private_folder(folder).map_err(JournalFault::file("make folder", folder))?;
    check_private(folder)
}

pub(super) fn check_private(path: &Path) -> Result<(), JournalFault> {
    let metadata = std::fs::metadata(path).map_err(JournalFault::file("look at", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(JournalFault::Exposed { path, mode });
    }
    Ok(())
}

/// Opens a file that need not be this gateway's, read-only.
pub(super) fn open_resting(database: &Path, still: bool) -> Result<SqliteStore, JournalFault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = if still {
        Connection::open_with_flags(immutable(database), flags | OpenFlags::SQLITE_OPEN_URI)
    } else {
        Connection::open_with_flags(database, flags)
    };
    let connection = opened.map_err(sqlite_fault("open the journal"))?;
    let waiting = connection.busy_timeout(BUSY_TIMEOUT);
    waiting.map_err(sqlite_fault("open the journal"))?;
    Ok(connection.into())
}

fn immutable(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str("?immutable=1");
    uri
}

fn connect(database: &Path, access: OpenFlags) -> Result<Connection, JournalFault> {
    // No URI names, no mutex: a connection is used by one thread at a time.
    let connection = Connection::open_with_flags(database, access | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let connection = connection.map_err(sqlite_fault("open the journal"))?;
    let set = connection
        .busy_timeout(BUSY_TIMEOUT)
        .and_then(|()| connection.pragma_update(None, "foreign_keys", true))
        .and_then(|()| connection.pragma_update(None, "trusted_schema", false))
        .and_then(|()| connection.pragma_update(None, "cell_size_check", true))
        .and_then(|()| connection.pragma_update(None, "mmap_size", 0))
        .and_then(|()| connection.pragma_update(None, "temp_store", "MEMORY"))
        .and_then(|()| connection.pragma_update(None, "secure_delete", true))
        // A plan that may depend on what is bound is made anew for each value.
        .and_then(|()| {
            connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
                .map(drop)
        });
    set.map_err(sqlite_fault("set up the journal's connection"))?;
    Ok(connection)
}

/// What makes COMMIT mean "on disk", asked back because SQLite ignores a mode that it cannot set.
fn durable(connection: &Connection) -> Result<(), JournalFault> {
    let set = connection
        .pragma_update(None, "journal_mode", "WAL")
        .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
        // The writer checkpoints by itself between groups, where it sees the result: SQLite's own would hide a failed fsync.
        .and_then(|()| connection.pragma_update(None, "wal_autocheckpoint", 0))
        .and_then(|()| connection.pragma_update(None, "journal_size_limit", 128 << 20));
    set.map_err(sqlite_fault("set the journal's durability"))?;
    let mode = connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    let synchronous = connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0));
    match (mode, synchronous) {
        (Ok(mode), Ok(2)) if mode == "wal" => Ok(()),
        _ => Err(JournalFault::damaged(
            "it cannot be written with WAL and synchronous=FULL",
        )),
    }
}

fn check_identity(connection: &Connection, database: &Path) -> Result<(), JournalFault> {
    let value = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    match (value("application_id"), value("user_version")) {
        (Ok(APPLICATION_ID), Ok(SCHEMA_VERSION)) => Ok(()),
        (Ok(_), Ok(_)) => Err(JournalFault::Foreign(database.display().to_string())),
        (Err(error), _) | (_, Err(error)) => Err(sqlite_fault("read the journal's identity")(error)),
    }
}

fn sqlite_fault(what: &'static str) -> impl FnOnce(rusqlite::Error) -> JournalFault {
    move |error| JournalFault::store(what)(error.into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

    use rusqlite::Connection;

    use super::schema::{ADDED, COSIGNED, TABLES, TRIGGERS};
    use super::{create, open_reader, open_writer};
    use crate::journal::statements::{
        ALL, INDEXES, MONTHS_IN_USE, NEWEST_CHECKPOINT, PAYLOAD_FILES, STORED_EDGE, SUBJECT_FILES, SUBJECT_RUNS,
        TAG_FILES, TILES,
    };

    #[test]
    fn every_statement_prepares_and_finds_its_rows_by_key_or_index() {
        let connection = Connection::open_in_memory().unwrap();
        for made in [TABLES, ADDED, COSIGNED].iter().chain(INDEXES) {
            connection.execute_batch(made).unwrap();
        }
        for statement in ALL {
            let mut plan = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
            let parameters = plan.parameter_count();
            let steps = plan.query_map(rusqlite::params_from_iter(vec![0; parameters]), |row| row.get(3));
            for step in steps.unwrap() {
                let step: String = step.unwrap();
                let whole = step.starts_with("SCAN") && !step.contains("USING") && !step.contains("CONSTANT");
                // The newest checkpoint is the last row of its table.
                let meant = [
                    SUBJECT_RUNS,
                    SUBJECT_FILES,
                    MONTHS_IN_USE,
                    NEWEST_CHECKPOINT,
                    PAYLOAD_FILES,
                    TAG_FILES,
                    STORED_EDGE,
                    TILES,
                ]
                .contains(statement)
                    || matches!(step.as_str(), "SCAN pending" | "SCAN newest");
                assert!(!whole || meant, "{statement}\n{step}");
            }
        }
        let triggers: i64 = connection.query_row(TRIGGERS, [], |row| row.get(0)).unwrap();
        assert_eq!(triggers, 4);
    }

    #[test]
    fn others_may_not_read_it_and_readers_may_not_write() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (database, payloads) = (folder.path().join("j/journal.db"), folder.path().join("j/payload"));
        create(&database, &payloads, |_| Ok(())).unwrap();
        assert!(create(&database, &payloads, |_| Ok(())).is_err());
        let reader = open_reader(&database).unwrap();
        assert!(reader.run("DELETE FROM tree", &[]).is_err());
        std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = open_writer(&database, &payloads).unwrap_err();
        assert!(refused.to_string().contains("0640"), "{refused}");
    }
}
