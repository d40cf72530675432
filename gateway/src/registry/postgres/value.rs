//! Values on PostgreSQL's wire, binary: days and microseconds count from 2000-01-01 there, from 1970-01-01 here.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgRow, PgTypeInfo, PgValueRef};
use sqlx::{Encode, Postgres, Row, Type, ValueRef};
use uuid::Uuid;

use super::super::merge::rows::Value;
use super::super::schema::ColumnType;

/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_US: i64 = 946_684_800_000_000;

/// A `date`.
#[derive(Clone, Copy)]
pub(super) struct Day(pub(super) i32);

/// A `timestamptz`.
#[derive(Clone, Copy)]
pub(super) struct Instant(pub(super) i64);

impl Day {
    pub(super) fn wire(self) -> [u8; 4] {
        self.0.saturating_sub(EPOCH_DAYS).to_be_bytes()
    }
}

impl Instant {
    pub(super) fn wire(self) -> [u8; 8] {
        self.0.saturating_sub(EPOCH_US).to_be_bytes()
    }
}

impl Type<Postgres> for Day {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1_082))
    }
}

impl PgHasArrayType for Day {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1_182))
    }
}

impl Encode<'_, Postgres> for Day {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.wire());
        Ok(IsNull::No)
    }
}

impl Type<Postgres> for Instant {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1_184))
    }
}

impl PgHasArrayType for Instant {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1_185))
    }
}

impl Encode<'_, Postgres> for Instant {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.wire());
        Ok(IsNull::No)
    }
}

/// A `uuid`; sqlx's own would bring the drivers of other databases into the lock file.
#[derive(Clone, Copy)]
pub(super) struct Id(pub(super) Uuid);

impl Type<Postgres> for Id {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(2_950))
    }
}

impl PgHasArrayType for Id {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(2_951))
    }
}

impl Encode<'_, Postgres> for Id {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

/// A value that was read; none when it is not of that type.
pub(super) fn decode(raw: PgValueRef<'_>, kind: ColumnType) -> Option<Value<'_>> {
    if raw.is_null() {
        return Some(Value::Null);
    }
    let bytes = raw.as_bytes().ok()?;
    match kind {
        ColumnType::Text => std::str::from_utf8(bytes).ok().map(Value::Text),
        ColumnType::Date => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            Some(Value::Date(days.checked_add(EPOCH_DAYS)?))
        }
        ColumnType::Instant => Some(Value::Instant(int(bytes)?.checked_add(EPOCH_US)?)),
        ColumnType::Integer => Some(Value::Integer(int(bytes)?)),
        ColumnType::Boolean => Some(Value::Integer(i64::from(*bytes.first()?))),
    }
}

/// What a row has at a place; none where that is null.
pub(super) fn bytes(row: &PgRow, place: usize) -> Option<&[u8]> {
    row.try_get_raw(place).ok()?.as_bytes().ok()
}

/// The same of a `text`.
pub(super) fn text(row: &PgRow, place: usize) -> Option<&str> {
    std::str::from_utf8(bytes(row, place)?).ok()
}

/// The same of a `bigint`.
pub(super) fn number(row: &PgRow, place: usize) -> Option<i64> {
    int(bytes(row, place)?)
}

/// The same of a `boolean`.
pub(super) fn flag(row: &PgRow, place: usize) -> Option<bool> {
    Some(*bytes(row, place)?.first()? != 0)
}

/// The same of a `uuid`.
pub(super) fn id(row: &PgRow, place: usize) -> Option<Uuid> {
    Uuid::from_slice(bytes(row, place)?).ok()
}

/// A `bigint`.
pub(super) fn int(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(bytes.try_into().ok()?))
}
