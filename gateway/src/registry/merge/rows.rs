//! A part's rows made ready for merging: column views, and what `keyed` makes of them: keys, content hashes, source times and the order by key.
//!
//! Takes a part and its table; gives values by column and row, and groups of rows by key. Refuses a column that the table lacks or has otherwise.

mod keyed;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use shuguan_adapters::operation;

use super::super::day;
use super::super::fault::RegistryFault;
use super::super::schema::{ColumnType, TableSpec};
use super::Part;
pub(crate) use keyed::Keyed;

/// Bytes of SHA-256 that are kept: equal content must not be missed, and 128 bits leave no room for accidents or intent.
pub(crate) const HASH_BYTES: usize = 16;

/// Between the parts of a key; a value that holds it cannot take part in one.
const SEPARATOR: u8 = 0x1f;
/// Starts a key that is not the record type's first natural key.
const OTHER: u8 = 0x1e;

/// How keys begin that are of the natural key of that rank.
pub(crate) fn key_prefix(rank: usize) -> String {
    if rank == 0 {
        return String::new();
    }
    format!("{}{rank}{}", char::from(OTHER), char::from(SEPARATOR))
}

/// One column of a part.
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    values: Values<'a>,
}

/// One value on its way into or out of a store.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Null,
    Text(&'a str),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since the epoch.
    Instant(i64),
    Integer(i64),
    Boolean(bool),
}

enum Values<'a> {
    Text(&'a StringArray),
    Date(&'a Date32Array),
    Instant(&'a TimestampMicrosecondArray),
    Integer(&'a Int64Array),
    Boolean(&'a BooleanArray),
}

impl<'a> Column<'a> {
    fn of(table: &TableSpec, batch: &'a RecordBatch, place: usize) -> Result<Self, RegistryFault> {
        let field = batch.schema_ref().field(place);
        let array = batch.column(place);
        let unknown = || RegistryFault::UnknownColumn {
            record: table.record.name.into(),
            column: field.name().clone(),
        };
        let spec = table.held_column(field.name()).ok_or_else(unknown)?;
        let values = match spec.kind {
            ColumnType::Text => array.as_string_opt::<i32>().map(Values::Text),
            ColumnType::Date => array.as_primitive_opt::<Date32Type>().map(Values::Date),
            ColumnType::Instant => array
                .as_primitive_opt::<TimestampMicrosecondType>()
                .map(Values::Instant),
            ColumnType::Integer => array.as_primitive_opt::<Int64Type>().map(Values::Integer),
            ColumnType::Boolean => array.as_boolean_opt().map(Values::Boolean),
        };
        Ok(Self {
            name: spec.name,
            values: values.ok_or_else(unknown)?,
        })
    }

    /// The text of a row, when this is a text column and the row has one.
    pub(crate) fn text(&self, row: usize) -> Option<&'a str> {
        match self.values {
            Values::Text(array) if array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    fn instant(&self, row: usize) -> Option<i64> {
        match self.values {
            Values::Instant(array) if array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    /// The value of a row; null where it has none.
    pub(crate) fn value(&self, row: usize) -> Value<'a> {
        match self.values {
            Values::Text(array) if array.is_valid(row) => Value::Text(array.value(row)),
            Values::Date(array) if array.is_valid(row) => Value::Date(array.value(row)),
            Values::Instant(array) if array.is_valid(row) => Value::Instant(array.value(row)),
            Values::Integer(array) if array.is_valid(row) => Value::Integer(array.value(row)),
            Values::Boolean(array) if array.is_valid(row) => Value::Boolean(array.value(row)),
            _ => Value::Null,
        }
    }

    /// What its values are.
    pub(crate) fn kind(&self) -> ColumnType {
        match self.values {
            Values::Text(_) => ColumnType::Text,
            Values::Date(_) => ColumnType::Date,
            Values::Instant(_) => ColumnType::Instant,
            Values::Integer(_) => ColumnType::Integer,
            Values::Boolean(_) => ColumnType::Boolean,
        }
    }

    /// Adds the value to what is hashed: unambiguous, and 0xff alone for a null.
    fn hash_into(&self, bytes: &mut Vec<u8>, row: usize) {
        let mut fixed = |value: &[u8]| {
            bytes.push(1);
            bytes.extend_from_slice(value);
        };
        match self.values {
            Values::Text(array) if array.is_valid(row) => {
                let value = array.value(row).as_bytes();
                fixed(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
                bytes.extend_from_slice(value);
            }
            Values::Date(array) if array.is_valid(row) => fixed(&array.value(row).to_le_bytes()),
            Values::Instant(array) if array.is_valid(row) => fixed(&array.value(row).to_le_bytes()),
            Values::Integer(array) if array.is_valid(row) => fixed(&array.value(row).to_le_bytes()),
            Values::Boolean(array) if array.is_valid(row) => fixed(&[u8::from(array.value(row))]),
            _ => bytes.push(0xff),
        }
    }

    /// Adds the value as a part of a key; false when it is null or cannot stand in a key.
    fn key_into(&self, bytes: &mut Vec<u8>, row: usize) -> KeyPart {
        match self.values {
            Values::Text(array) if array.is_valid(row) => {
                let value = array.value(row).as_bytes();
                if value.iter().any(|byte| matches!(*byte, SEPARATOR | OTHER)) {
                    return KeyPart::Unfit;
                }
                bytes.extend_from_slice(value);
                if value.is_empty() {
                    KeyPart::Absent
                } else {
                    KeyPart::Present
                }
            }
            Values::Date(array) if array.is_valid(row) => {
                bytes.extend_from_slice(day::to_text(array.value(row)).as_str().as_bytes());
                KeyPart::Present
            }
            Values::Instant(array) if array.is_valid(row) => {
                bytes.extend_from_slice(array.value(row).to_string().as_bytes());
                KeyPart::Present
            }
            Values::Integer(array) if array.is_valid(row) => {
                bytes.extend_from_slice(array.value(row).to_string().as_bytes());
                KeyPart::Present
            }
            _ => KeyPart::Absent,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyPart {
    Present,
    Absent,
    Unfit,
}

/// The rows of one part.
pub(crate) struct Rows<'a> {
    columns: Vec<Column<'a>>,
    /// What each row is about; none: each is to be put.
    acts: Option<&'a StringArray>,
    keyed: Arc<Keyed>,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Insert or update.
    Put,
    /// Close what the partner has under this key.
    Delete,
    /// The snapshot holds it, and it was rejected: nothing is written, and nothing is closed.
    Name,
}

impl<'a> Rows<'a> {
    /// The rows as they are merged. What was made ready ahead is taken, when it was made for the same keys.
    pub(crate) fn read(table: &TableSpec, part: &'a Part) -> Result<Self, RegistryFault> {
        let mut rows = Self::of(table, part)?;
        rows.keyed = match part.ahead.0.as_ref().filter(|keyed| keyed.is_for(table)) {
            Some(keyed) => Arc::clone(keyed),
            None => Arc::new(Keyed::of(table, part, &rows)?),
        };
        Ok(rows)
    }

    /// What of a part can be made ready before it is due.
    ///
    /// # Errors
    /// The table lacks a column of it, or has no key.
    pub(crate) fn ahead(table: &TableSpec, part: &Part) -> Result<Keyed, RegistryFault> {
        Keyed::of(table, part, &Rows::of(table, part)?)
    }

    /// Views of the columns, without keys.
    fn of(table: &TableSpec, part: &'a Part) -> Result<Self, RegistryFault> {
        let batch = &part.batch;
        let is_act = |place: usize| batch.schema_ref().field(place).name() == operation::COLUMN;
        let acts = (0..batch.num_columns()).find(|place| is_act(*place));
        let acts = acts.map(|place| {
            let unknown = || RegistryFault::UnknownColumn {
                record: table.record.name.into(),
                column: operation::COLUMN.into(),
            };
            batch.column(place).as_string_opt::<i32>().ok_or_else(unknown)
        });
        let columns: Vec<Column<'a>> = (0..batch.num_columns())
            .filter(|place| !is_act(*place))
            .map(|place| Column::of(table, batch, place))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            columns,
            acts: acts.transpose()?,
            keyed: Arc::default(),
        })
    }

    /// What the row is about.
    pub(crate) fn act(&self, row: usize) -> Act {
        match self.acts.filter(|acts| acts.is_valid(row)).map(|acts| acts.value(row)) {
            Some(operation::DELETE) => Act::Delete,
            Some(operation::NAMED) => Act::Name,
            _ => Act::Put,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.keyed.hashes.len()
    }

    pub(crate) fn columns(&self) -> &[Column<'a>] {
        &self.columns
    }

    pub(crate) fn names(&self) -> Vec<&'a str> {
        self.columns.iter().map(|column| column.name).collect()
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column<'a>> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(crate) fn hash(&self, row: usize) -> [u8; HASH_BYTES] {
        self.keyed.hashes.get(row).copied().unwrap_or_default()
    }

    pub(crate) fn source_us(&self, row: usize) -> i64 {
        self.keyed.sources.get(row).copied().unwrap_or_default()
    }

    pub(crate) fn unit(&self, row: usize) -> Option<&str> {
        self.keyed.units.get(row).and_then(Option::as_deref)
    }

    pub(crate) fn key(&self, row: usize) -> &str {
        // INVARIANT: keys are made of strings and ASCII, so this conversion cannot lose anything.
        std::str::from_utf8(self.keyed.key(row)).unwrap_or_default()
    }

    /// The rows by ascending key, those of one key together and in the order in which they were sent.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &[u32]> {
        let keyed = &self.keyed;
        keyed
            .order
            .chunk_by(|one, other| keyed.key(*one as usize) == keyed.key(*other as usize))
    }

    pub(crate) fn key_of(&self, group: &[u32]) -> &[u8] {
        group.first().map_or(&[], |row| self.keyed.key(*row as usize))
    }
}
