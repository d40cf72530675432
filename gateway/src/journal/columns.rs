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
use shuguan_ledger::columns::{self, Shown};
use shuguan_ledger::tree::Hash;

use super::evidence::{Evidence, Salts, hex};
use super::fault::JournalFault;
use crate::sha256;

/// Member of the evidence record: the columns.
pub(super) const COLUMNS: &str = "columns";
/// Member of the evidence record: the rows of the parts.
pub(super) const PARTS: &str = "parts";

/// Collects the part digests of each column.
#[derive(Debug)]
pub struct ColumnDigests {
    columns: Vec<Column>,
    /// Rows of each part.
    rows: Vec<u32>,
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
        let rows = Vec::new();
        Ok(Self { columns, rows })
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
        self.rows.push(count_u32(part.num_rows()));
        Ok(())
    }

    /// Number of columns.
    pub fn count(&self) -> u64 {
        u64::try_from(self.columns.len()).unwrap_or(u64::MAX)
    }

    /// The root over the columns, under the secret of the exchange. The evidence record gets what the agency opens them with: name, type and
    /// commitment of each, and the rows of the parts.
    pub fn commit(&self, evidence: &mut Evidence) -> Hash {
        let salts = evidence.salts();
        let committed: Vec<columns::Column> = self.columns.iter().map(|column| column.under(&salts)).collect();
        evidence.note(COLUMNS, listed(&committed));
        evidence.note(PARTS, run_lengths(&self.rows));
        columns::root(&committed)
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

    fn under(&self, salts: &Salts) -> columns::Column {
        let salt = salts.bytes(&salt_label(&self.name));
        columns::Column {
            name: self.name.clone(),
            form: self.form.to_owned(),
            shown: Shown::Commitment(columns::commitment(&self.name, self.form, &salt, &self.parts)),
        }
    }
}

/// Label of a column's salt.
pub(super) fn salt_label(name: &str) -> String {
    format!("column/{name}")
}

/// JSON: name, type and commitment in hexadecimal of each column.
fn listed(committed: &[columns::Column]) -> String {
    let rows = committed.iter().map(|column| {
        let commitment = match &column.shown {
            Shown::Commitment(commitment) => hex(commitment),
            Shown::Parts { .. } => String::new(),
        };
        [column.name.clone(), column.form.clone(), commitment]
    });
    // Texts can always be written.
    serde_json::to_string(&rows.collect::<Vec<_>>()).unwrap_or_default()
}

/// `8192*649 12`: equal neighbours once, so that a month's snapshot takes a line.
pub(crate) fn run_lengths(rows: &[u32]) -> String {
    let runs = rows.chunk_by(|one, next| one == next).map(|run| match run {
        [one] => one.to_string(),
        [one, ..] => format!("{one}*{}", run.len()),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(" ")
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

/// The digest of one part of a column (evidence.md 3.1).
///
/// # Errors
/// [`JournalFault::Column`] for a type without a form.
pub fn part_digest(values: &dyn Array) -> Result<Hash, JournalFault> {
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
    Ok(sha256::finish(context))
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

    use super::{ColumnDigests, Shown};
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
        hex(&digests.commit(&mut Evidence::from_secret(secret)))
    }

    #[test]
    fn the_published_vector_comes_out_step_by_step() {
        let mut digests = ColumnDigests::new(&batch().schema()).unwrap();
        digests.push(&batch()).unwrap();
        let secret: [u8; 32] = std::array::from_fn(|place| u8::try_from(place).unwrap());
        let mut evidence = Evidence::from_secret(secret);
        let is =
            |text: &str, first: &str, last: &str| assert!(text.starts_with(first) && text.ends_with(last), "{text}");
        is(&hex(&digests.columns[0].parts[0]), "ff45bb70", "a9cb");
        is(&hex(evidence.salts().bytes("column/name").as_ref()), "e367599c", "8342");
        let commitments = [("56c88382", "bf47"), ("00e55a46", "8159"), ("20d69b8b", "ca40")];
        for (column, (first, last)) in digests.columns.iter().zip(commitments) {
            let Shown::Commitment(commitment) = column.under(&evidence.salts()).shown else {
                unreachable!("it is sealed")
            };
            is(&hex(&commitment), first, last);
        }
        let expected = "bad21447e5680e48fca8c14fc50fcd64374eb29f3318f6d3df0876d8f61742e5";
        assert_eq!(hex(&digests.commit(&mut evidence)), expected);
    }

    #[test]
    fn the_rows_of_the_parts_take_a_line() {
        assert_eq!(super::run_lengths(&[8_192, 8_192, 8_192, 12]), "8192*3 12");
        assert_eq!(super::run_lengths(&[]), "");
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
