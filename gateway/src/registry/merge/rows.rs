//! A part's rows made ready for merging: column views, keys, content hashes, source times and the order by key.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use ring::digest::{Context, SHA256, digest};
use shuguan_adapters::operation;

use super::super::day;
use super::super::enterprise;
use super::super::fault::RegistryFault;
use super::super::schema::{ColumnType, TableSpec};
use super::Part;

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
        let spec = table.column(field.name()).ok_or_else(unknown)?;
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
    key_bytes: Vec<u8>,
    key_ends: Vec<usize>,
    hashes: Vec<[u8; HASH_BYTES]>,
    sources: Vec<i64>,
    units: Vec<Option<String>>,
    order: Vec<u32>,
    /// What each row is about; none: each is to be put.
    acts: Option<&'a StringArray>,
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
    pub(crate) fn read(table: &TableSpec, part: &'a Part) -> Result<Self, RegistryFault> {
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
        let count = batch.num_rows();
        let mut rows = Self {
            columns,
            key_bytes: Vec::new(),
            key_ends: Vec::new(),
            hashes: Vec::with_capacity(count),
            sources: Vec::with_capacity(count),
            units: Vec::new(),
            order: (0..u32::try_from(count).unwrap_or(u32::MAX)).collect(),
            acts: acts.transpose()?,
        };
        rows.hash_all(count);
        rows.key_all(table, count)?;
        rows.time_all(part, count);
        if table.has_unit() {
            rows.units = (0..count).map(|row| enterprise::unit_key(&rows, row)).collect();
        }
        rows.sort();
        Ok(rows)
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
        self.hashes.len()
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
        self.hashes.get(row).copied().unwrap_or_default()
    }

    pub(crate) fn source_us(&self, row: usize) -> i64 {
        self.sources.get(row).copied().unwrap_or_default()
    }

    pub(crate) fn unit(&self, row: usize) -> Option<&str> {
        self.units.get(row).and_then(Option::as_deref)
    }

    pub(crate) fn key(&self, row: usize) -> &str {
        // INVARIANT: keys are made of strings and ASCII, so this conversion cannot lose anything.
        std::str::from_utf8(self.key_bytes_of(row)).unwrap_or_default()
    }

    /// The rows by ascending key, those of one key together and in the order in which they were sent.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &[u32]> {
        self.order
            .chunk_by(|one, other| self.key_bytes_of(*one as usize) == self.key_bytes_of(*other as usize))
    }

    pub(crate) fn key_of(&self, group: &[u32]) -> &[u8] {
        group.first().map_or(&[], |row| self.key_bytes_of(*row as usize))
    }

    fn key_bytes_of(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).and_then(|before| self.key_ends.get(before)).copied();
        let end = self.key_ends.get(row).copied().unwrap_or_default();
        self.key_bytes.get(start.unwrap_or_default()..end).unwrap_or_default()
    }

    /// Each row's content hash begins with the part's column names: two plans may release different columns of one record type.
    fn hash_all(&mut self, count: usize) {
        let mut names = Context::new(&SHA256);
        for column in &self.columns {
            names.update(column.name.as_bytes());
            names.update(&[0]);
        }
        let mut bytes = names.finish().as_ref().get(..8).unwrap_or_default().to_vec();
        let prefix = bytes.len();
        for row in 0..count {
            bytes.truncate(prefix);
            for column in &self.columns {
                column.hash_into(&mut bytes, row);
            }
            let hash = digest(&SHA256, &bytes);
            self.hashes
                .push(hash.as_ref().first_chunk().copied().unwrap_or_default());
        }
    }

    fn key_all(&mut self, table: &TableSpec, count: usize) -> Result<(), RegistryFault> {
        let keys: Vec<(usize, Vec<&Column<'a>>)> = table
            .keys
            .iter()
            .enumerate()
            .filter_map(|(rank, key)| {
                let columns: Option<Vec<_>> = key.iter().map(|name| self.column(name)).collect();
                columns.map(|columns| (rank, columns))
            })
            .collect();
        if keys.is_empty() {
            return Err(RegistryFault::NoKey {
                record: table.record.name.into(),
            });
        }
        let mut bytes = Vec::with_capacity(count * 24);
        let mut ends = Vec::with_capacity(count);
        for row in 0..count {
            key_into(&mut bytes, &keys, row, &self.hash(row));
            ends.push(bytes.len());
        }
        self.key_bytes = bytes;
        self.key_ends = ends;
        Ok(())
    }

    /// The source's own time where it gives one that is not after the receipt: a wrong date in the future would block all later rows.
    fn time_all(&mut self, part: &Part, count: usize) {
        let column = self.column("source_updated_at");
        self.sources = (0..count)
            .map(|row| {
                column
                    .and_then(|column| column.instant(row))
                    .unwrap_or(part.received_us)
            })
            .map(|source_us| source_us.min(part.received_us))
            .collect();
    }

    fn sort(&mut self) {
        let mut order = std::mem::take(&mut self.order);
        // Equal keys must stay in the order of rows, hence the row as the last criterion.
        order.sort_unstable_by(|one, other| {
            (self.key_bytes_of(*one as usize), one).cmp(&(self.key_bytes_of(*other as usize), other))
        });
        self.order = order;
    }
}

/// The first natural key that is complete in the row; else the first of which a part is there, absent parts empty; else the content,
/// so that a record without any key is kept once and never merged with another.
fn key_into(bytes: &mut Vec<u8>, keys: &[(usize, Vec<&Column<'_>>)], row: usize, hash: &[u8; HASH_BYTES]) {
    let start = bytes.len();
    for complete in [true, false] {
        for (rank, columns) in keys {
            if *rank > 0 {
                bytes.extend_from_slice(key_prefix(*rank).as_bytes());
            }
            let mut present = 0;
            let mut unfit = false;
            for (place, column) in columns.iter().enumerate() {
                if place > 0 {
                    bytes.push(SEPARATOR);
                }
                match column.key_into(bytes, row) {
                    KeyPart::Present => present += 1,
                    KeyPart::Absent => {}
                    KeyPart::Unfit => unfit = true,
                }
            }
            if !unfit && (present == columns.len() || (!complete && present > 0)) {
                return;
            }
            bytes.truncate(start);
        }
    }
    bytes.push(OTHER);
    bytes.push(SEPARATOR);
    for byte in hash {
        bytes.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
    }
}

fn hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}
