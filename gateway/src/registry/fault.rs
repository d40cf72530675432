//! What the registry can fail at. No message holds a value of a record: statements are static text and values are bound.

use std::path::PathBuf;

use crate::postgres::PostgresFault;

/// How the steps are called at which a writer waits for the writers' lock.
const BEGIN: &str = "begin a";

/// The registry failed, or a bundle does not fit it.
#[derive(Debug, thiserror::Error)]
pub enum RegistryFault {
    /// The file is not there; stores are made by `init`, never by guessing.
    #[error("the registry `{0}` does not exist")]
    Absent(PathBuf),
    /// It is there already.
    #[error("the registry `{0}` exists already")]
    Exists(String),
    /// The file or its folder could not be made.
    #[error("the registry `{path}` cannot be made")]
    Make {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Two plans give one column two types.
    #[error(
        "two plans give `{table}.{column}` different types, {one} and {other}; reduce it the same way in every push grant"
    )]
    PlansDiffer {
        /// Table of the record type.
        table: String,
        /// The column.
        column: String,
        /// One type.
        one: &'static str,
        /// The other type.
        other: &'static str,
    },
    /// A plan gives a column another type than the registry has.
    #[error(
        "the registry has `{table}.{column}` as {registry}, the plans make it {plans}; migration to run: {migration}"
    )]
    ColumnDiffers {
        /// Table of the record type.
        table: String,
        /// The column.
        column: String,
        /// Type in the registry.
        registry: String,
        /// Type that the plans give.
        plans: &'static str,
        /// Statements that keep the old column under another name.
        migration: String,
    },
    /// The plans need tables or columns that the registry lacks.
    #[error("the registry lacks {}; run `shuguan db migrate`; migration to run: {migration}", missing.join(", "))]
    Behind {
        /// What is missing, e.g. `public_security_resident.former_name`.
        missing: Vec<String>,
        /// The statements that add it.
        migration: String,
    },
    /// A record type that has push plans has no natural key among their columns.
    #[error(
        "no natural key of `{record}` is among the columns of its push plans; grant one with `keep` or a pseudonym"
    )]
    NoKey {
        /// The record type.
        record: String,
    },
    /// A part of a record type for which there is no table.
    #[error("the registry has no table for `{record}`")]
    UnknownRecord {
        /// The record type.
        record: String,
    },
    /// A part with a column that the registry lacks or has with another type.
    #[error("the registry cannot take the column `{column}` of a part of `{record}`")]
    UnknownColumn {
        /// The record type.
        record: String,
        /// The column.
        column: String,
    },
    /// A part came before its predecessor.
    #[error("part {got} came where part {due} was due")]
    OutOfOrder {
        /// The part that is due.
        due: u32,
        /// The part that came.
        got: u32,
    },
    /// The linked SQLite is older than the first without the WAL-reset fault.
    #[error("SQLite {0} is too old; 3.51.3 is needed")]
    OldSqlite(&'static str),
    /// The writer has stopped.
    #[error("the registry is closed")]
    Closed,
    /// A stored value is not of its column's type.
    #[error("a stored value of `{column}` is malformed")]
    Malformed {
        /// The dataset's field.
        column: &'static str,
    },
    /// A batch could not be built from what was read.
    #[error("a batch of the dataset cannot be built")]
    Batch(#[source] arrow_schema::ArrowError),
    /// A statement failed.
    #[error("the registry failed to {step}")]
    Sql {
        /// What was being done.
        step: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// PostgreSQL did not do what was asked.
    #[error("the registry failed to {step}")]
    Postgres {
        /// What was being done.
        step: &'static str,
        /// Why.
        #[source]
        source: PostgresFault,
    },
    /// What is configured for PostgreSQL cannot be used.
    #[error("PostgreSQL cannot be used as configured: {0}")]
    Unusable(String),
}

/// What the relay does about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The registry does not answer or is full: wait, then the same part again; the batch is not to blame.
    Wait,
    /// The registry will not take this batch: try again a few times, then set it aside.
    SetAside,
    /// The disk lost a write, or the writer is gone: stop the process, never go on with the same descriptor.
    Stop,
}

impl RegistryFault {
    /// Stable code, e.g. `SG6203`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Absent(_) => "SG6201",
            Self::Exists(_) => "SG6202",
            Self::Make { .. } => "SG6203",
            Self::PlansDiffer { .. } => "SG6204",
            Self::ColumnDiffers { .. } => "SG6205",
            Self::Behind { .. } => "SG6206",
            Self::NoKey { .. } => "SG6207",
            Self::UnknownRecord { .. } => "SG6208",
            Self::UnknownColumn { .. } => "SG6209",
            Self::OutOfOrder { .. } => "SG6210",
            Self::OldSqlite(_) => "SG6211",
            Self::Closed => "SG6212",
            Self::Batch(_) => "SG6213",
            Self::Sql { .. } => "SG6214",
            Self::Malformed { .. } => "SG6215",
            Self::Postgres { .. } => "SG6216",
            Self::Unusable(_) => "SG6217",
        }
    }

    /// Whether the database was asked and did not answer, so that nothing is known of what is in it.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Sql { .. } | Self::Postgres { .. } | Self::Closed) && self.remedy() != Remedy::SetAside
    }

    /// What failed and why, for logs and operators: the step, SQLSTATE or SQLite's code, the constraint's name. No value: neither a server's DETAIL nor a text that SQLite makes.
    pub fn told(&self) -> String {
        match self {
            Self::Postgres { source, .. } => format!("{self}: {source}"),
            Self::Sql { source, .. } => match source.sqlite_error() {
                Some(error) => format!("{self}: SQLite {error}"),
                None => self.to_string(),
            },
            other => other.to_string(),
        }
    }

    /// Whether something else has the table, so that other record types may go on. Where the writers' own lock was not given, all of them wait.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Postgres { step, source } if source.is_state("55P03") && !step.starts_with(BEGIN))
    }

    /// Whether a statement took longer than any may. While others go in, what it was about is to blame.
    pub fn is_slow(&self) -> bool {
        matches!(self, Self::Postgres { step, source } if source.is_state("57014") && !step.starts_with(BEGIN))
    }

    /// Whether waiting, setting aside or stopping is the answer.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Sql { source, .. } => of_sqlite(source),
            Self::Postgres { source, .. } => super::postgres::fault::remedy(source),
            // The writer's thread has ended and nothing brings it back but a start.
            Self::Closed => Remedy::Stop,
            // A database that lacks a table is not a batch's fault: it waits until somebody has migrated it.
            Self::Absent(_)
            | Self::Exists(_)
            | Self::Make { .. }
            | Self::OldSqlite(_)
            | Self::Unusable(_)
            | Self::ColumnDiffers { .. }
            | Self::Behind { .. } => Remedy::Wait,
            Self::PlansDiffer { .. }
            | Self::NoKey { .. }
            | Self::UnknownRecord { .. }
            | Self::UnknownColumn { .. }
            | Self::OutOfOrder { .. }
            | Self::Malformed { .. }
            | Self::Batch(_) => Remedy::SetAside,
        }
    }
}

fn of_sqlite(error: &rusqlite::Error) -> Remedy {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, FileLockingProtocolFailed, NotADatabase,
        OperationInterrupted, OutOfMemory, ReadOnly, SystemIoFailure,
    };
    match error.sqlite_error_code() {
        Some(SystemIoFailure) => Remedy::Stop,
        Some(
            DatabaseBusy
            | DatabaseLocked
            | DiskFull
            | CannotOpen
            | ReadOnly
            | OutOfMemory
            | OperationInterrupted
            | FileLockingProtocolFailed
            | DatabaseCorrupt
            | NotADatabase,
        ) => Remedy::Wait,
        _ => Remedy::SetAside,
    }
}

/// Names the step at which a statement failed.
pub(super) trait Step<T> {
    fn step(self, step: &'static str) -> Result<T, RegistryFault>;
}

impl<T> Step<T> for Result<T, rusqlite::Error> {
    fn step(self, step: &'static str) -> Result<T, RegistryFault> {
        self.map_err(|source| RegistryFault::Sql { step, source })
    }
}
