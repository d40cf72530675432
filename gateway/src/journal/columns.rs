//! Commitments to columns: what makes a batch provable although a column is withheld or erased later.
//!
//! Takes the released parts in order; gives the root `cols` over the commitments of the columns. Refuses a type that has no form here.
//!
//! | Step | Value |
//! |---|---|
//! | part digest | SHA-256(`shuguan.chunk.v1\n` ‖ rows u32 LE ‖ validity, one bit a row, least significant first ‖ values) |
//! | values | `utf8`: lengths u32 LE of all rows (null = 0), then all bytes; `i64`, `ts`, `d32`, `dec` (i128): LE, null = 0; `bool`: a byte a row |
//! | commitment | HMAC-SHA-256(salt `column/<name>`, `shuguan.column.v1\n` name `\n` type `\n` ‖ parts u32 LE ‖ part digests) |
//! | column leaf | SHA-256(0x00 ‖ `shuguan.column.v1\n` name `\n` type `\n` ‖ commitment) |
//! | `cols` | RFC 6962 root over the column leaves in plan order |
//!
//! Memory: 32 bytes for each column and part, because the commitment begins with the number of parts.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray, RecordBatch, StringArray};
use arrow_schema::{DataType, FieldRef, Schema, TimeUnit};
use ring::digest::{Context, SHA256};
use ring::hmac;
use shuguan_ledger::tree::{Edge, Hash, leaf_hash};

use super::evidence::{Evidence, Salts, tag};
use super::fault::JournalFault;

/// Collects the part digests of each column.
#[derive(Debug)]
pub struct ColumnDigests {
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    form: &'static str,
    parts: Vec<Hash>,
}

impl ColumnDigests {
    /// Begins with the schema of the released batch.
    ///
    /// # Errors
    /// [`JournalFault::Column`] for a type without a form.
    pub fn new(schema: &Schema) -> Result<Self, JournalFault> {
        let columns = schema.fields().iter().map(Column::of_field).collect::<Result<_, _>>()?;
        Ok(Self { columns })
    }

    /// Takes the next part.
    ///
    /// # Errors
    /// [`JournalFault::Column`] when its columns are not those of the schema.
    pub fn push(&mut self, part: &RecordBatch) -> Result<(), JournalFault> {
        for (column, values) in self.columns.iter_mut().zip(part.columns()) {
            if form(values.data_type()) != Some(column.form) {
                return Err(JournalFault::Column(column.name.clone()));
            }
            column.parts.push(part_digest(values)?);
        }
        Ok(())
    }

    /// Number of columns.
    pub fn count(&self) -> u64 {
        u64::try_from(self.columns.len()).unwrap_or(u64::MAX)
    }

    /// The root over the columns, under the secret of the exchange.
    pub fn root(&self, evidence: &Evidence) -> Hash {
        let mut edge = Edge::empty();
        let salts = evidence.salts();
        for column in &self.columns {
            let head = format!("shuguan.column.v1\n{}\n{}\n", column.name, column.form);
            let commitment = column.commitment(&salts, &head);
            edge.append(leaf_hash(&[head.as_bytes(), &commitment].concat()));
        }
        edge.root()
    }
}

impl Column {
    fn of_field(field: &FieldRef) -> Result<Self, JournalFault> {
        Ok(Self {
            form: form(field.data_type()).ok_or_else(|| JournalFault::Column(field.name().clone()))?,
            name: field.name().clone(),
            parts: Vec::new(),
        })
    }

    fn commitment(&self, salts: &Salts, head: &str) -> Hash {
        let mut context = hmac::Context::with_key(&salts.of(&format!("column/{}", self.name)));
        context.update(head.as_bytes());
        context.update(&count_u32(self.parts.len()).to_le_bytes());
        for part in &self.parts {
            context.update(part);
        }
        tag(context)
    }
}

fn form(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        DataType::Utf8 => Some("utf8"),
        DataType::Int64 => Some("i64"),
        DataType::Date32 => Some("d32"),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Some("ts"),
        DataType::Decimal128(_, _) => Some("dec"),
        DataType::Boolean => Some("bool"),
        _ => None,
    }
}

fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn part_digest(values: &dyn Array) -> Result<Hash, JournalFault> {
    let mut context = Context::new(&SHA256);
    context.update(b"shuguan.chunk.v1\n");
    context.update(&count_u32(values.len()).to_le_bytes());
    context.update(&validity(values));
    match values.data_type() {
        DataType::Utf8 => strings(&mut context, values.as_string()),
        DataType::Int64 => fixed::<Int64Type, 8>(&mut context, values.as_primitive(), i64::to_le_bytes),
        DataType::Date32 => fixed::<Date32Type, 4>(&mut context, values.as_primitive(), i32::to_le_bytes),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            fixed::<TimestampMicrosecondType, 8>(&mut context, values.as_primitive(), i64::to_le_bytes);
        }
        DataType::Decimal128(_, _) => {
            fixed::<Decimal128Type, 16>(&mut context, values.as_primitive(), i128::to_le_bytes);
        }
        DataType::Boolean => {
            let rows = values.as_boolean().iter();
            context.update(&rows.map(|value| u8::from(value == Some(true))).collect::<Vec<_>>());
        }
        other => return Err(JournalFault::Column(other.to_string())),
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Ok(hash)
}

/// One bit a row, least significant first, the last byte padded with 0. Built anew: a sliced array's own bitmap may begin inside a byte.
fn validity(values: &dyn Array) -> Vec<u8> {
    let mut bits = vec![0xff_u8; values.len().div_ceil(8)];
    let last = values.len() % 8;
    if let Some(byte) = bits.last_mut()
        && last != 0
    {
        *byte = (1_u8 << last) - 1;
    }
    if let Some(nulls) = values.nulls() {
        for (row, valid) in nulls.iter().enumerate() {
            if let (false, Some(byte)) = (valid, bits.get_mut(row / 8)) {
                *byte &= !(1 << (row % 8));
            }
        }
    }
    bits
}

fn strings(context: &mut Context, values: &StringArray) {
    let mut lengths = Vec::with_capacity(values.len() * 4);
    for value in values {
        lengths.extend_from_slice(&count_u32(value.map_or(0, str::len)).to_le_bytes());
    }
    context.update(&lengths);
    if values.null_count() > 0 {
        // A null slot may cover bytes that no row shows.
        values
            .iter()
            .flatten()
            .for_each(|value| context.update(value.as_bytes()));
        return;
    }
    let (first, last) = (values.value_offsets().first(), values.value_offsets().last());
    let place = |offset: Option<&i32>| offset.and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
    if let Some(bytes) = values.value_data().get(place(first)..place(last)) {
        context.update(bytes);
    }
}

fn fixed<T: ArrowPrimitiveType, const N: usize>(
    context: &mut Context,
    values: &PrimitiveArray<T>,
    bytes: impl Fn(T::Native) -> [u8; N],
) {
    let mut all = Vec::with_capacity(values.len() * N);
    for value in values {
        all.extend_from_slice(&value.map_or([0; N], &bytes));
    }
    context.update(&all);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use std::sync::Arc;

    use arrow_array::{ArrayRef, RecordBatch, StringArray};
    use arrow_schema::{DataType, Field, Schema};

    use super::ColumnDigests;
    use crate::journal::evidence::{Evidence, hex};

    fn batch() -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("sex", DataType::Utf8, true),
            Field::new("person_status", DataType::Utf8, true),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("甲"), Some("乙"), None])),
            Arc::new(StringArray::from(vec!["1", "2", "2"])),
            Arc::new(StringArray::from(vec!["0", "0", "1"])),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    fn root(parts: &[RecordBatch]) -> String {
        let secret: [u8; 32] = std::array::from_fn(|place| u8::try_from(place).unwrap());
        let mut digests = ColumnDigests::new(&parts[0].schema()).unwrap();
        for part in parts {
            digests.push(part).unwrap();
        }
        hex(&digests.root(&Evidence::from_secret(secret)))
    }

    #[test]
    fn the_published_vector_comes_out() {
        let mut digests = ColumnDigests::new(&batch().schema()).unwrap();
        digests.push(&batch()).unwrap();
        assert!(hex(&digests.columns[0].parts[0]).starts_with("ff45bb70"));
        let expected = "bad21447e5680e48fca8c14fc50fcd64374eb29f3318f6d3df0876d8f61742e5";
        assert_eq!(root(&[batch()]), expected);
    }

    #[test]
    fn a_slice_commits_to_what_it_shows_and_nothing_else() {
        let (head, tail) = (batch().slice(0, 1), batch().slice(1, 2));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("乙"), None])),
            Arc::new(StringArray::from(vec!["2", "2"])),
            Arc::new(StringArray::from(vec!["0", "1"])),
        ];
        let rebuilt = RecordBatch::try_new(batch().schema(), columns).unwrap();
        assert_eq!(root(&[head.clone(), tail.clone()]), root(&[head.clone(), rebuilt]));
        assert_ne!(
            root(&[batch()]),
            root(&[head, tail]),
            "where parts begin is evidence too"
        );
    }
}
