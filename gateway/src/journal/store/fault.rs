//! What a store fails at. No message holds a value: statements are constant text and values are bound.

use rusqlite::ErrorCode;

/// What a store gives.
pub(in crate::journal) type Stored<T> = Result<T, StoreFault>;

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
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
    /// Whether the disk is full: smaller groups will not help.
    pub(in crate::journal) fn is_full(&self) -> bool {
        self.sqlite_code() == Some(ErrorCode::DiskFull)
    }

    /// Whether nothing that was read or written before can be relied on any more.
    pub(in crate::journal) fn is_broken(&self) -> bool {
        matches!(
            self.sqlite_code(),
            Some(
                ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::CannotOpen
            )
        )
    }

    fn sqlite_code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => Some(failure.code),
            _ => None,
        }
    }
}
