//! Where the journal lies: one seam over the stores, and all that is above it is written once.
//!
//! Takes statements of `statements` with bound values, and a transaction around those of a group; gives rows, cell by cell, without a copy that
//! nobody asked for. Refuses cells of another type than they should have, and tells of a failure whether it left anything undecided.
//!
//! `value` what goes in and comes out · `sqlite` a file of this machine · `postgres` a database of a server.

mod fault;
mod postgres;
mod sqlite;
mod value;

use std::ops::ControlFlow;
use std::path::Path;

pub use self::fault::StoreFault;
pub(super) use self::fault::Stored;
use self::postgres::PostgresStore;
pub use self::sqlite::hold;
pub(super) use self::sqlite::{SqliteStore, copy_back, open_copier};
pub(super) use self::value::{Cell, FromCell, Row, Value, values};
use super::fault::JournalFault;
use super::settings::{JournalPlace, JournalSettings};
use crate::postgres::link::Purpose;

/// A connection to the journal, used by one thread at a time.
#[derive(Debug)]
pub(super) enum Store {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl Store {
    /// Makes an empty journal; tables and `first` rows in one transaction, so that a crash leaves no half of one.
    ///
    /// # Errors
    /// [`JournalFault::Exists`]: a journal is never overwritten.
    pub(super) fn create(
        settings: &JournalSettings,
        first: impl FnOnce(&Self) -> Stored<()>,
    ) -> Result<(), JournalFault> {
        match &settings.place {
            JournalPlace::File(database) => sqlite::create(database, &settings.payloads, first),
            JournalPlace::Postgres(server) => {
                sqlite::private_folder(&settings.payloads)?;
                postgres::create(server, first)
            }
        }
    }

    /// The one connection that writes, which keeps every other writer out as long as it lives.
    ///
    /// # Errors
    /// [`JournalFault::Absent`], [`JournalFault::Locked`], and whatever the store fails at.
    pub(super) fn writer(settings: &JournalSettings) -> Result<Self, JournalFault> {
        match &settings.place {
            JournalPlace::File(database) => sqlite::open_writer(database, &settings.payloads).map(Self::Sqlite),
            JournalPlace::Postgres(server) => {
                sqlite::check_private(&settings.payloads)?;
                PostgresStore::open(server, Purpose::Write).map(Self::Postgres)
            }
        }
    }

    /// A connection that only reads, as long as it takes.
    ///
    /// # Errors
    /// [`JournalFault::Absent`], and whatever the store fails at.
    pub(super) fn reader(place: &JournalPlace) -> Result<Self, JournalFault> {
        Self::reading(place, Purpose::Read)
    }

    /// The same for questions that a request waits for.
    ///
    /// # Errors
    /// As [`Self::reader`].
    pub(super) fn asking(place: &JournalPlace) -> Result<Self, JournalFault> {
        Self::reading(place, Purpose::Ask)
    }

    fn reading(place: &JournalPlace, purpose: Purpose) -> Result<Self, JournalFault> {
        match place {
            JournalPlace::File(database) => sqlite::open_reader(database).map(Self::Sqlite),
            JournalPlace::Postgres(server) => PostgresStore::open(server, purpose).map(Self::Postgres),
        }
    }

    /// Brings the tables to what this program works with, with the `first` rows where there are none.
    ///
    /// # Errors
    /// Whatever the store fails at; [`JournalFault::Absent`] for a file that is not there.
    pub(super) fn migrate(
        settings: &JournalSettings,
        first: impl FnOnce(&Self) -> Stored<()>,
    ) -> Result<bool, JournalFault> {
        match &settings.place {
            // Each opening adds what an earlier version has not.
            JournalPlace::File(_) => Self::reader(&settings.place).map(|_| false),
            JournalPlace::Postgres(server) => {
                sqlite::private_folder(&settings.payloads)?;
                postgres::migrate(server, first)
            }
        }
    }

    /// A file for a program that is not its gateway; one at rest is opened as immutable.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn resting(database: &Path, still: bool) -> Result<Self, JournalFault> {
        sqlite::open_resting(database, still).map(Self::Sqlite)
    }

    /// Each row of a statement until `each` breaks off. `each` must not use the store.
    pub(super) fn each(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
        each: impl FnMut(&Row<'_>) -> Stored<ControlFlow<()>>,
    ) -> Stored<()> {
        match self {
            Self::Sqlite(store) => store.each(statement, values, each),
            Self::Postgres(store) => store.each(statement, values, each),
        }
    }

    /// Runs a statement that has no rows; how many it changed.
    pub(super) fn run(&self, statement: &'static str, values: &[Value<'_>]) -> Stored<usize> {
        match self {
            Self::Sqlite(store) => store.run(statement, values),
            Self::Postgres(store) => store.run(statement, values),
        }
    }

    /// Adds a row. It is there for every statement after this one.
    pub(super) fn add(&self, insert: &'static str, values: &[Value<'_>]) -> Stored<()> {
        match self {
            Self::Sqlite(store) => store.run(insert, values).map(drop),
            Self::Postgres(store) => store.add(insert, values),
        }
    }

    /// Adds rows.
    pub(super) fn add_all<'v, const N: usize>(
        &self,
        insert: &'static str,
        rows: impl Iterator<Item = [Value<'v>; N]>,
    ) -> Stored<()> {
        match self {
            Self::Sqlite(store) => store.run_all(insert, rows),
            Self::Postgres(store) => rows.into_iter().try_for_each(|values| store.add(insert, &values)),
        }
    }

    /// The rows of a statement that finds one by `= ?1`, for each of the keys.
    pub(super) fn among(
        &self,
        statement: &'static str,
        keys: &[[u8; 32]],
        each: impl FnMut(&Row<'_>) -> Stored<()>,
    ) -> Stored<()> {
        match self {
            _ if keys.is_empty() => Ok(()),
            Self::Sqlite(store) => store.among(statement, keys, each),
            Self::Postgres(store) => store.among(statement, keys, each),
        }
    }

    /// Every row.
    pub(super) fn rows<T>(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
        mut row: impl FnMut(&Row<'_>) -> Stored<T>,
    ) -> Stored<Vec<T>> {
        let mut rows = Vec::new();
        self.each(statement, values, |found| {
            rows.push(row(found)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// The first row; none when there is none.
    pub(super) fn first<T>(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
        mut row: impl FnMut(&Row<'_>) -> Stored<T>,
    ) -> Stored<Option<T>> {
        let mut first = None;
        self.each(statement, values, |found| {
            first = Some(row(found)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(first)
    }

    /// The first cell of the first row; none when there is no row.
    pub(super) fn cell<T: FromCell>(&self, statement: &'static str, values: &[Value<'_>]) -> Stored<Option<T>> {
        self.first(statement, values, |row| row.get(0))
    }

    /// The same where there is a row for certain.
    pub(super) fn one<T: FromCell>(&self, statement: &'static str, values: &[Value<'_>]) -> Stored<T> {
        self.cell(statement, values)?.ok_or(StoreFault::NoRow)
    }

    /// The first cell of every row.
    pub(super) fn column<T: FromCell>(&self, statement: &'static str, values: &[Value<'_>]) -> Stored<Vec<T>> {
        self.rows(statement, values, |row| row.get(0))
    }

    /// Runs a statement that must change one row.
    ///
    /// # Errors
    /// [`StoreFault::Changed`].
    pub(super) fn run_one(&self, statement: &'static str, values: &[Value<'_>]) -> Stored<()> {
        match self.run(statement, values)? {
            1 => Ok(()),
            rows => Err(StoreFault::Changed(rows)),
        }
    }

    pub(super) fn begin(&self) -> Stored<()> {
        match self {
            Self::Sqlite(store) => store.run(sqlite::BEGIN, &[]).map(drop),
            Self::Postgres(store) => store.begin(),
        }
    }

    /// When this returns, what was written since [`Self::begin`] is on disk.
    pub(super) fn commit(&self) -> Stored<()> {
        match self {
            Self::Sqlite(store) => store.run(sqlite::COMMIT, &[]).map(drop),
            Self::Postgres(store) => store.commit(),
        }
    }

    /// Empties the write-ahead log of a file, in which stands what was deleted.
    pub(super) fn empty_log(&self) {
        if let Self::Sqlite(store) = self
            && !store.empty_log()
        {
            tracing::warn!("the write-ahead log could not be emptied after shredding; it is at the next checkpoint");
        }
    }

    /// One committed state for every statement, until the store is dropped.
    pub(super) fn snapshot(&self) -> Stored<()> {
        match self {
            Self::Sqlite(store) => store.snapshot(),
            Self::Postgres(store) => store.snapshot(),
        }
    }

    /// Ends a transaction without effect, if one is open.
    pub(super) fn roll_back(&self) -> Stored<()> {
        match self {
            Self::Sqlite(store) => store.roll_back(),
            Self::Postgres(store) => {
                store.roll_back();
                Ok(())
            }
        }
    }

    /// Whether there is a table of checkpoints that witnesses signed.
    pub(super) fn has_cosigned(&self) -> Stored<bool> {
        match self {
            Self::Sqlite(store) => store.has_cosigned(),
            Self::Postgres(_) => Ok(true),
        }
    }

    /// Whether what keeps leaves and tiles as they are is there.
    pub(super) fn keeps_leaves(&self) -> Stored<bool> {
        match self {
            Self::Sqlite(store) => store.keeps_leaves(),
            Self::Postgres(store) => store.keeps_leaves(),
        }
    }

    /// Whether the server would let this role change or remove leaves.
    pub(super) fn may_change_leaves(&self) -> Stored<bool> {
        match self {
            Self::Sqlite(_) => Ok(false),
            Self::Postgres(_) => self.one(postgres::MAY_CHANGE_LEAVES, &[]),
        }
    }

    /// Bytes of a run of tags, from an offset on, as many as the buffer takes.
    pub(super) fn read_run(&self, run: i64, offset: usize, buffer: &mut [u8]) -> Stored<()> {
        match self {
            Self::Sqlite(store) => store.read_run(run, offset, buffer),
            Self::Postgres(store) => store.read_run(run, offset, buffer),
        }
    }
}

/// The statements that bring a journal's tables to what this program works with; empty when nothing is to be done.
///
/// # Errors
/// When the server does not answer.
pub(super) fn migration(place: &JournalPlace) -> Result<String, JournalFault> {
    match place {
        JournalPlace::File(_) => Ok(String::new()),
        JournalPlace::Postgres(server) => postgres::script(server),
    }
}

/// All statements, for a database in which nothing is.
pub(super) fn first_migration(place: &JournalPlace) -> String {
    match place {
        JournalPlace::File(_) => String::new(),
        JournalPlace::Postgres(server) => postgres::script_of_nothing(server),
    }
}

/// The statements that make the role of least privilege; none on SQLite.
pub(super) fn roles(place: &JournalPlace) -> Option<String> {
    match place {
        JournalPlace::File(_) => None,
        JournalPlace::Postgres(server) => Some(postgres::roles::script(server)),
    }
}
