//! What the journal itself can fail at. None of these is the caller's doing; details stay inside (5xx, or the process stops).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::store::StoreFault;
use crate::chain::Chain;
use crate::durable;

/// `ENFILE`, `EMFILE`: no descriptor is left.
const NO_DESCRIPTORS: [i32; 2] = [23, 24];

/// A failure of the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalFault {
    /// There is no journal; none is made by guessing.
    #[error(
        "there is no journal at `{0}`: make one with `shuguan init`, or in a PostgreSQL database with `shuguan db migrate`"
    )]
    Absent(String),
    /// There was a journal: its head file says so.
    #[error(
        "there is no journal at `{place}`, and `{}` says that one of {signed} entries was there: it was lost or is elsewhere. \
         Put the newest copy back; from an older one a successor goes on without the entries since, and says so: shuguan db recover --help. Make no new one",
        path.display()
    )]
    Lost {
        /// Where it should be.
        place: String,
        /// The head file.
        path: PathBuf,
        /// Entries that it says.
        signed: u64,
    },
    /// A journal is never overwritten.
    #[error("there already is a journal at `{0}`")]
    Exists(String),
    /// Another process has it open.
    #[error("another process has the journal `{0}` open")]
    Locked(String),
    /// Group or others could read it.
    #[error("`{}` has mode {mode:04o}: only its owner may read it (chmod go= …)", path.display())]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// SQLite 3.7.0 to 3.51.2 can corrupt a database whose write-ahead log is reset.
    #[error("SQLite {0} is too old: at least 3.51.3 is needed")]
    OldSqlite(String),
    /// The file is another program's, or another version's.
    #[error(
        "`{0}` is not a journal of this version: another version's, another program's, or cut off. Put back the copy that this version wrote, or run the program that wrote it"
    )]
    Foreign(String),
    /// What is stored is not what was sealed.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// The head file says more than the journal holds.
    #[error(
        "the journal ends before its head file: it holds {found} entries, `{}` says {signed}; the last {} are missing, as in an older copy that was put back. \
         Put the newest copy back; if there is none, a successor goes on without those entries and says so: shuguan db recover --help",
        path.display(), signed - found
    )]
    RolledBack {
        /// The head file.
        path: PathBuf,
        /// Entries that it says.
        signed: u64,
        /// Entries that are there.
        found: u64,
    },
    /// The head file signs another log of the same key.
    #[error(
        "the journal is not the one that its head file was written for: its first {size} entries have another root than `{}` signs. \
         Put back the copy that has it, or an older one and go on from there: shuguan db recover --help. Keep this one for the auditors, and leave the head file where it is",
        path.display()
    )]
    Forked {
        /// The head file.
        path: PathBuf,
        /// Entries that it signs.
        size: u64,
    },
    /// The head file is not this log's.
    #[error(
        "`{}` is not a checkpoint that this log's key signed. Put back the one that was there; if there is none, tell the auditors and move it away",
        .0.display()
    )]
    ForeignHead(PathBuf),
    /// The log key does not fit the journal, or cannot be one.
    #[error("the log key `{origin}` cannot sign here")]
    LogKey {
        /// Name of the log.
        origin: String,
        /// Why.
        #[source]
        source: shuguan_ledger::note::NoteError,
    },
    /// The journal is another log's.
    #[error(
        "the journal holds the log `{found}`, and the configuration names `{wanted}`: a log keeps its name for ever; the next volume is opened by \
         shuguan log turn, and after a loss a successor by shuguan db recover"
    )]
    OtherLog {
        /// Name of the log that is there.
        found: String,
        /// The one of the configuration.
        wanted: String,
    },
    /// A key signs this log, as the log says, and its file is not there.
    #[error("the key `{0}` signs this log, and its seed is not among the key files")]
    NoSeed(String),
    /// A file operation failed.
    #[error("cannot {what} `{}`", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A statement failed.
    #[error("cannot {what}")]
    Store {
        /// What was tried.
        what: &'static str,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// A sealed text does not open: changed, cut, of another exchange, or under another key.
    #[error("{0} does not open under this key: it was changed, or the key is another")]
    Unopened(&'static str),
    /// A part cannot be written as or read from Arrow IPC.
    #[error("a part cannot be encoded or decoded")]
    Part(#[source] arrow_schema::ArrowError),
    /// A part has other columns than the payload was begun with, or a type that the evidence has no form for.
    #[error("column `{0}` does not fit the payload")]
    Column(String),
    /// There is no such part.
    #[error("there is no part {0} in this payload")]
    NoPart(u32),
    /// The payload was begun for another exchange than the entry's.
    #[error("the payload belongs to another exchange")]
    ForeignPayload,
    /// A leaf cannot be encoded.
    #[error("a leaf cannot be encoded")]
    Leaf(#[from] shuguan_ledger::leaf::LeafError),
    /// The operating system gave no randomness or cryptography failed.
    #[error("no randomness or no cipher")]
    Crypto,
    /// The key of a month or year cannot be made or read.
    #[error("a key file cannot be used")]
    Key(#[source] crate::pki::PkiFault),
    /// A worker ended without an answer.
    #[error("a worker of the journal ended")]
    Worker,
}

impl JournalFault {
    /// Whether nothing is there: no file, no tables, or tables in which no log was begun.
    pub(super) fn is_absence(&self) -> bool {
        let nothing = |source: &StoreFault| matches!(source, StoreFault::NoTables | StoreFault::NoRow);
        matches!(self, Self::Absent(_)) || matches!(self, Self::Store { source, .. } if nothing(source))
    }

    /// Whether something else than the journal that was signed last is there, as the head file shows.
    pub fn is_another_history(&self) -> bool {
        matches!(
            self,
            Self::RolledBack { .. } | Self::Forked { .. } | Self::Lost { .. } | Self::ForeignHead(_)
        )
    }
}

impl JournalFault {
    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }

    pub(super) fn store(what: &'static str) -> impl FnOnce(StoreFault) -> Self {
        move |source| Self::Store { what, source }
    }

    /// Whether a statement failed because of what is stored, and not because of the machine.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Store { source, .. } if source.is_damage())
    }

    /// Whether the machine or the server did not do it: not reached, without room, in time. It can, once they do again.
    pub fn is_of_the_machine(&self) -> bool {
        match self {
            Self::Store { source, .. } => source.is_of_the_machine(),
            Self::File { source, .. } => {
                matches!(
                    source.kind(),
                    ErrorKind::StorageFull
                        | ErrorKind::QuotaExceeded
                        | ErrorKind::ReadOnlyFilesystem
                        | ErrorKind::OutOfMemory
                        | ErrorKind::TimedOut
                ) || source.raw_os_error().is_some_and(|code| NO_DESCRIPTORS.contains(&code))
            }
            _ => false,
        }
    }

    /// Whether a disk had no room for a file.
    pub(super) fn is_for_want_of_room(&self) -> bool {
        matches!(self, Self::File { source, .. } if durable::is_full(source))
    }

    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}

impl From<crate::pki::PkiFault> for JournalFault {
    fn from(fault: crate::pki::PkiFault) -> Self {
        Self::Key(fault)
    }
}

impl From<ring::error::Unspecified> for JournalFault {
    fn from(_: ring::error::Unspecified) -> Self {
        Self::Crypto
    }
}

/// Why nothing was sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The journal cannot commit: full, stopped, or more waits than may. Nothing was accepted; the caller may repeat its key (503).
    #[error("the journal cannot commit")]
    Unavailable,
    /// The entry is not one that can be sealed: our own mistake (500). Holds no value.
    #[error("the entry cannot be sealed: {0}")]
    Unfit(String),
}

impl From<JournalFault> for SealError {
    fn from(fault: JournalFault) -> Self {
        match fault {
            JournalFault::Leaf(_) | JournalFault::Column(_) | JournalFault::Part(_) | JournalFault::ForeignPayload => {
                Self::Unfit(fault.to_string())
            }
            _ => {
                tracing::error!(error = %Chain(&fault), "the journal cannot be read or written");
                Self::Unavailable
            }
        }
    }
}
