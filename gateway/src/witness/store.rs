//! What a witness must never forget: the newest checkpoint that it cosigned for each log.
//!
//! Takes a request; checks it against the stored checkpoint, stores the new one and makes the cosignature, all in one transaction that is on
//! disk (`synchronous=FULL`) before the answer leaves. One row a log. A crash before COMMIT leaves the old checkpoint and no signature that
//! anybody saw; after it the new one, and the log learns by a 409 that its question was taken.

use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::cosignature::CosigningKey;
use shuguan_ledger::keys::KeySpan;
use shuguan_ledger::note;
use shuguan_ledger::witness::{AddCheckpoint, Refused, origin_hash};

/// `SGW1`: says whose file this is.
const APPLICATION_ID: i64 = 0x5347_5731;
const SCHEMA: &str = "CREATE TABLE seen (   -- the newest cosigned checkpoint of each log
  origin TEXT PRIMARY KEY,
  hash   TEXT NOT NULL UNIQUE, -- SHA-256 of the origin, hex
  size   INTEGER NOT NULL,
  root   BLOB NOT NULL CHECK (length(root) = 32),
  note   TEXT NOT NULL         -- the checkpoint with the log's signatures and ours
) STRICT;";
const FIND: &str = "SELECT size, root FROM seen WHERE origin = ?1";
const STORE: &str = "INSERT INTO seen (origin, hash, size, root, note) VALUES (?1, ?2, ?3, ?4, ?5)
  ON CONFLICT (origin) DO UPDATE SET size = ?3, root = ?4, note = ?5";
const SHOW: &str = "SELECT note FROM seen WHERE hash = ?1";

/// A failure of the store; nothing was signed that anybody has seen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreFault {
    /// There is no such file, or one where none may be.
    #[error("cannot {0} `{1}`")]
    File(&'static str, PathBuf, #[source] std::io::Error),
    /// It is another program's file.
    #[error("`{0}` is not the store of a witness")]
    Foreign(PathBuf),
    /// Others can read or write it.
    #[error("`{}` has mode {mode:04o}: only its owner may use it (chmod go= …)", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A statement failed.
    #[error("the store of checkpoints cannot be used")]
    Sql(#[from] rusqlite::Error),
    /// The cosignature cannot be made.
    #[error("the cosignature cannot be made")]
    Note(#[from] note::NoteError),
}

/// The store, one connection for all.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Mutex<Connection>,
}

impl Store {
    /// Makes an empty store, mode 0600.
    ///
    /// # Errors
    /// When it is there already: a witness that forgets would sign a fork.
    pub(crate) fn create(path: &Path) -> Result<(), StoreFault> {
        let mut options = OpenOptions::new();
        let made = options.write(true).create_new(true).mode(0o600).open(path);
        made.map_err(|error| StoreFault::File("create", path.to_owned(), error))?;
        let connection = connect(path)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch("COMMIT")?;
        Ok(())
    }

    /// Opens it for this process alone.
    ///
    /// # Errors
    /// When there is none, another process has it, or it is not private.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreFault> {
        let metadata = std::fs::metadata(path).map_err(|error| StoreFault::File("open", path.to_owned(), error))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(StoreFault::Exposed { path, mode });
        }
        let connection = connect(path)?;
        let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        if id != APPLICATION_ID {
            return Err(StoreFault::Foreign(path.to_owned()));
        }
        // Taken now and not at the first request, so that a second witness on this file does not even start.
        connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }

    /// Checks a request against what is stored; when it continues it, stores it and gives the cosignature line. Durable when it returns.
    ///
    /// # Errors
    /// The outer one is ours, the inner one the log's.
    pub(crate) fn add(
        &self,
        request: &AddCheckpoint,
        keys: &[KeySpan],
        key: &CosigningKey,
        now_s: u64,
    ) -> Result<Result<String, Refused>, StoreFault> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = transaction.query_row(FIND, [request.origin()], |row| {
            let size: i64 = row.get(0)?;
            Ok((size, row.get(1)?))
        });
        let stored = found.optional()?.map(|(size, root)| Checkpoint {
            origin: request.origin().to_owned(),
            size: u64::try_from(size).unwrap_or(u64::MAX),
            root,
        });
        let new = match request.judge(keys, stored.as_ref()) {
            Ok(new) => new,
            Err(refused) => return Ok(Err(refused)),
        };
        // SQLite has no larger number; no log comes near it.
        let Ok(size) = i64::try_from(new.size) else {
            return Ok(Err(Refused::Malformed("the size is beyond every log")));
        };
        let line = key.cosign(&new.text(), now_s)?;
        let known: Vec<_> = keys.iter().map(|span| span.key().clone()).collect();
        let note = note::only(&request.checkpoint, &known)? + &line;
        let hash = origin_hash(&new.origin);
        transaction.execute(STORE, params![new.origin, hash, size, new.root, note])?;
        transaction.commit()?;
        Ok(Ok(line))
    }

    /// The newest cosigned checkpoint of the log whose origin has this hash.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn newest(&self, hash: &str) -> Result<Option<String>, StoreFault> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(connection.query_row(SHOW, [hash], |row| row.get(0)).optional()?)
    }
}

fn connect(path: &Path) -> Result<Connection, StoreFault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Asked back, because SQLite ignores what it cannot set.
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if mode != "wal" || synchronous != 2 {
        return Err(StoreFault::Foreign(path.to_owned()));
    }
    Ok(connection)
}
