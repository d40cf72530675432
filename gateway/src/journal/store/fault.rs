//! What a store fails at. No message holds a value: statements are constant text and values are bound.

use rusqlite::ErrorCode;

use crate::postgres::{LinkFault, PostgresFault};

/// SQLSTATEs of a server that is full, waits, or takes no writes (PostgreSQL, appendix A).
const OF_THE_SERVER: [&str; 6] = ["53100", "53200", "53300", "55P03", "57014", "25006"];

/// What a store gives.
pub(in crate::journal) type Stored<T> = Result<T, StoreFault>;

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL refused a statement; the session goes on.
    #[error(transparent)]
    Refused(PostgresFault),
    /// No session: nothing was done, or what was done is undone.
    #[error("there is no session with the server")]
    Lost(#[source] LinkFault),
    /// The session was lost while it committed.
    #[error("the session was lost while it committed: nobody knows whether it did")]
    Undecided(#[source] LinkFault),
    /// Another session writes to this journal.
    #[error("another gateway has the journal open")]
    Held,
    /// The database holds no journal.
    #[error("there is no journal in this database")]
    NoTables,
    /// The tables are of another version.
    #[error("the journal's tables are of another version: shuguan db migrate")]
    OtherVersion,
    /// There should have been one.
    #[error("there is no such row")]
    NoRow,
    /// One row should have been changed.
    #[error("{0} rows were changed instead of one")]
    Changed(usize),
    /// A cell holds another type than it should.
    #[error("column {0} of a row holds another type than it should")]
    Shape(usize),
    /// What is stored must not be signed, or cannot be.
    #[error(transparent)]
    Unsealed(Box<dyn std::error::Error + Send + Sync>),
}

impl StoreFault {
    /// Whether it is the store's doing and not the entries': smaller groups will not help.
    pub(in crate::journal) fn is_of_the_store(&self) -> bool {
        match self {
            Self::Refused(fault) => OF_THE_SERVER.iter().any(|state| fault.is_state(state)),
            Self::Lost(_) | Self::Held | Self::NoTables | Self::OtherVersion => true,
            _ => self.is_full(),
        }
    }

    /// Whether there is no session any more: the server has rolled back what was open, and the next group begins on a new one.
    pub(in crate::journal) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Held | Self::NoTables | Self::OtherVersion)
    }

    /// Whether nothing that was read or written before can be relied on any more.
    pub(in crate::journal) fn is_broken(&self) -> bool {
        matches!(self, Self::Undecided(_))
            || matches!(
                self.sqlite_code(),
                Some(
                    ErrorCode::SystemIoFailure
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                        | ErrorCode::CannotOpen
                )
            )
    }

    /// Whether what is stored is at fault, and not the machine: a damaged page, a value of another type.
    pub(in crate::journal) fn is_damage(&self) -> bool {
        match self {
            Self::Shape(_) => true,
            Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => failure.code == ErrorCode::DatabaseCorrupt,
            Self::Sqlite(error) => matches!(
                error,
                rusqlite::Error::InvalidColumnType(..)
                    | rusqlite::Error::FromSqlConversionFailure(..)
                    | rusqlite::Error::IntegralValueOutOfRange(..)
                    | rusqlite::Error::Utf8Error(..)
            ),
            _ => false,
        }
    }

    /// Whether the machine or the server did not do it, and what is stored may be as it should: not reached, full, busy, too late.
    pub(in crate::journal) fn is_of_the_machine(&self) -> bool {
        match self {
            Self::Lost(_) | Self::Undecided(_) => true,
            Self::Refused(fault) => OF_THE_SERVER.iter().any(|state| fault.is_state(state)),
            _ => matches!(
                self.sqlite_code(),
                Some(
                    ErrorCode::DiskFull
                        | ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::FileLockingProtocolFailed
                        | ErrorCode::OutOfMemory
                        | ErrorCode::OperationInterrupted
                        | ErrorCode::ReadOnly
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::CannotOpen
                )
            ),
        }
    }

    /// Whether the disk had no room; nothing was lost.
    pub(in crate::journal) fn is_full(&self) -> bool {
        self.sqlite_code() == Some(ErrorCode::DiskFull)
    }

    fn sqlite_code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => Some(failure.code),
            _ => None,
        }
    }
}
