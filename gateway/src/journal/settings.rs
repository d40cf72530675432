//! How a journal is opened: parsed values, no file is read here. Refuses nothing; `Debug` shows no key.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::postgres::PostgresSettings;

/// 32 secret bytes. Wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// Takes the bytes of a key file.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<Zeroizing<[u8; 32]>> for Secret {
    fn from(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }
}

impl From<Secret> for Vec<Secret> {
    /// A log that never changed its key has one.
    fn from(seed: Secret) -> Self {
        vec![seed]
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

/// Where a journal lies.
#[derive(Clone, Debug)]
pub enum JournalPlace {
    /// In a SQLite file; made with mode 0600 in a folder with mode 0700. Beside it lie its log, its index and `<name>.lock`.
    File(PathBuf),
    /// In the tables of a PostgreSQL database.
    Postgres(Box<PostgresSettings>),
}

impl JournalPlace {
    /// Its file; none when it lies in a database server.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// False: there is none for certain. What a server holds is not known before it is asked.
    pub fn may_be_there(&self) -> bool {
        self.file().is_none_or(Path::is_file)
    }
}

impl From<&Path> for JournalPlace {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl fmt::Display for JournalPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Postgres(settings) => write!(out, "{}", settings.address),
        }
    }
}

/// Where the journal lies, which keys it uses, and its bounds.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// The database.
    pub place: JournalPlace,
    /// Folder of payloads above 64 KiB, mode 0700; on the same machine, not shared with another journal.
    pub payloads: PathBuf,
    /// The newest signed checkpoint, written about once a second; better on another volume than the database. Its folder must be there.
    pub head: PathBuf,
    /// SHA-256 of the program's file, which the `start` leaf states; none: it is not known.
    pub program: Option<[u8; 32]>,
    /// Name of this node, member `n` of each leaf.
    pub node: String,
    /// Name of the log and of its key: the log's address without scheme, e.g. `gw1.lyg.example/log`. No blank, no `+`.
    pub log_origin: String,
    /// Ed25519 seeds of the log's keys (RFC 8032): of all that sign, and perhaps others. A journal is made with the first.
    pub log_seeds: Vec<Secret>,
    /// Key that wraps payload keys and reject reports (AES-256-GCM); the months' keys are derived from it and their files.
    pub key_encryption_key: Secret,
    /// Folder of the key-encryption keys of the months, which wrap the keys of evidence records; in no backup of the database.
    pub month_keys: PathBuf,
    /// Most bytes of payload in the inbox before [`super::Journal::inbox_has_room`] says no; default 8 GiB.
    pub inbox_bytes_max: u64,
    /// How long a batch may wait for the registry before [`super::Journal::inbox_is_overdue_for`] bars its partner, microseconds; default 6 days.
    pub inbox_age_max_us: i64,
    /// How long reject reports are kept, days; default 30, at least 7 (answers are repeatable for 7 days).
    pub rejects_keep_days: u32,
    /// How long a step of the machine's clock must stand before the log takes it, microseconds; default one hour.
    pub clock_settle_us: i64,
    /// Entries that may wait for the sequencer; default 8,192. A full queue answers 503.
    pub queue_max: usize,
    /// Connections for reading; default 4.
    pub readers_max: usize,
}

impl JournalSettings {
    /// A journal in `folder` with the defaults for the rest.
    pub fn at(
        folder: impl Into<PathBuf>,
        log_origin: &str,
        log_seeds: impl Into<Vec<Secret>>,
        key_encryption_key: Secret,
    ) -> Self {
        let folder = folder.into();
        Self {
            place: JournalPlace::File(folder.join("journal.db")),
            payloads: folder.join("payload"),
            head: folder.join("journal.head"),
            program: None,
            node: "gw1".into(),
            log_origin: log_origin.into(),
            log_seeds: log_seeds.into(),
            key_encryption_key,
            month_keys: folder.join("kek"),
            inbox_bytes_max: 8 << 30,
            inbox_age_max_us: 6 * 86_400_000_000,
            rejects_keep_days: 30,
            clock_settle_us: 3_600_000_000,
            queue_max: 8_192,
            readers_max: 4,
        }
    }
}
