//! What goes into a statement and what comes out of a row: integers, texts, blobs, and nothing.
//!
//! Nothing is copied on the way in; on the way out only what is asked for as an owned type. Refuses a cell of another type.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use sqlx::postgres::PgRow;
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};
use uuid::Uuid;

use super::{StoreFault, Stored};

/// A value that is bound. What is absent has a type all the same, which PostgreSQL wants to know.
#[derive(Clone, Copy, Debug)]
pub(in crate::journal) enum Value<'v> {
    Integer(i64),
    Text(Option<&'v str>),
    Blob(Option<&'v [u8]>),
}

/// Values in the order of a statement's parameters.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::journal::store::Value::from($value)),*]
    };
}
pub(in crate::journal) use values;

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u64> for Value<'_> {
    /// Nothing here comes near 2^63.
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Self::Blob(Some(bytes))
    }
}

impl<'v> From<Option<&'v [u8]>> for Value<'v> {
    fn from(bytes: Option<&'v [u8]>) -> Self {
        Self::Blob(bytes)
    }
}

impl<'v> From<&'v Vec<u8>> for Value<'v> {
    fn from(bytes: &'v Vec<u8>) -> Self {
        Self::Blob(Some(bytes))
    }
}

impl<'v, const N: usize> From<&'v [u8; N]> for Value<'v> {
    fn from(bytes: &'v [u8; N]) -> Self {
        Self::Blob(Some(bytes))
    }
}

impl<'v> From<&'v Uuid> for Value<'v> {
    fn from(id: &'v Uuid) -> Self {
        Self::Blob(Some(id.as_bytes()))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Blob(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Text(None) | Self::Blob(None) => ValueRef::Null,
        }))
    }
}

/// A row as it lies in the store's own memory.
pub(in crate::journal) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r PgRow),
}

impl Row<'_> {
    /// What stands in a column, from 0.
    ///
    /// # Errors
    /// [`StoreFault::Shape`].
    pub(in crate::journal) fn get<T: FromCell>(&self, column: usize) -> Stored<T> {
        T::from_cell(self.cell(column)?).ok_or(StoreFault::Shape(column))
    }

    /// Bytes where they lie.
    ///
    /// # Errors
    /// [`StoreFault::Shape`].
    pub(in crate::journal) fn blob(&self, column: usize) -> Stored<&[u8]> {
        match self.cell(column)? {
            Cell::Blob(bytes) => Ok(bytes),
            _ => Err(StoreFault::Shape(column)),
        }
    }

    /// What stands there, whatever it is.
    ///
    /// # Errors
    /// [`StoreFault::Shape`] for what no column of a journal holds.
    pub(in crate::journal) fn cell(&self, column: usize) -> Stored<Cell<'_>> {
        match self {
            Self::Sqlite(row) => match row.get_ref(column)? {
                ValueRef::Null => Ok(Cell::Null),
                ValueRef::Integer(number) => Ok(Cell::Integer(number)),
                ValueRef::Text(text) => std::str::from_utf8(text)
                    .map(Cell::Text)
                    .map_err(|_| StoreFault::Shape(column)),
                ValueRef::Blob(bytes) => Ok(Cell::Blob(bytes)),
                ValueRef::Real(_) => Err(StoreFault::Shape(column)),
            },
            Self::Postgres(row) => of_postgres(row, column).ok_or(StoreFault::Shape(column)),
        }
    }
}

/// What stands in a column of a row, binary as PostgreSQL sends it.
fn of_postgres(row: &PgRow, column: usize) -> Option<Cell<'_>> {
    let raw = row.try_get_raw(column).ok()?;
    if raw.is_null() {
        return Some(Cell::Null);
    }
    let bytes = raw.as_bytes().ok()?;
    match raw.type_info().name() {
        "INT8" => bytes
            .try_into()
            .ok()
            .map(|bytes| Cell::Integer(i64::from_be_bytes(bytes))),
        "INT4" => bytes
            .try_into()
            .ok()
            .map(|bytes| Cell::Integer(i32::from_be_bytes(bytes).into())),
        "BOOL" => Some(Cell::Integer(i64::from(bytes != [0]))),
        "TEXT" => std::str::from_utf8(bytes).ok().map(Cell::Text),
        "BYTEA" => Some(Cell::Blob(bytes)),
        _ => None,
    }
}

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Cell<'r> {
    Null,
    Integer(i64),
    Text(&'r str),
    Blob(&'r [u8]),
}

/// What a cell is read as.
pub(in crate::journal) trait FromCell: Sized {
    /// None: it holds another type.
    fn from_cell(cell: Cell<'_>) -> Option<Self>;
}

impl FromCell for i64 {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Integer(number) => Some(number),
            _ => None,
        }
    }
}

impl FromCell for u64 {
    /// A negative number is damage and becomes 0, which no check accepts.
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        i64::from_cell(cell).map(|number| Self::try_from(number).unwrap_or(0))
    }
}

impl FromCell for u32 {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        i64::from_cell(cell).and_then(|number| Self::try_from(number).ok())
    }
}

impl FromCell for bool {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        i64::from_cell(cell).map(|number| number != 0)
    }
}

impl FromCell for String {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}

impl FromCell for Vec<u8> {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Blob(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

impl<const N: usize> FromCell for [u8; N] {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Blob(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

impl FromCell for Uuid {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        <[u8; 16]>::from_cell(cell).map(Self::from_bytes)
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}
