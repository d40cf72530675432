//! Rows that a group adds, as columns: one INSERT for all rows of a table.

use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;

use super::super::value::Value;
use super::super::{StoreFault, Stored};
use super::unsendable;

/// Rows by the statement that adds them, in the order in which their first came.
#[derive(Debug, Default)]
pub(super) struct Batch {
    inserts: Vec<(&'static str, Columns)>,
    bytes: usize,
}

/// Rows of one statement.
#[derive(Debug, Default)]
pub(super) struct Columns(Vec<Column>);

/// The values of one parameter.
#[derive(Debug)]
enum Column {
    Integer(Vec<i64>),
    Text(Vec<Option<String>>),
    Blob(Vec<Option<Vec<u8>>>),
}

impl Batch {
    /// Takes a row; how many bytes are held by now.
    ///
    /// # Errors
    /// [`StoreFault::Shape`]: a parameter has the same type in every row of its statement.
    pub(super) fn add(&mut self, insert: &'static str, values: &[Value<'_>]) -> Stored<usize> {
        let place = self.inserts.iter().position(|(other, _)| *other == insert);
        let place = place.unwrap_or_else(|| {
            self.inserts.push((insert, Columns::default()));
            self.inserts.len() - 1
        });
        if let Some((_, columns)) = self.inserts.get_mut(place) {
            columns.add(values)?;
        }
        self.bytes += values.iter().map(|value| size(*value)).sum::<usize>();
        Ok(self.bytes)
    }

    pub(super) fn into_statements(self) -> impl Iterator<Item = (&'static str, Columns)> {
        self.inserts.into_iter()
    }
}

impl Columns {
    fn add(&mut self, values: &[Value<'_>]) -> Stored<()> {
        if self.0.is_empty() {
            self.0 = values.iter().map(|value| Column::of(*value)).collect();
        }
        for (place, (column, value)) in self.0.iter_mut().zip(values).enumerate() {
            column.push(*value).ok_or(StoreFault::Shape(place))?;
        }
        Ok(())
    }

    pub(super) fn arguments(self) -> Stored<PgArguments> {
        let mut arguments = PgArguments::default();
        for column in self.0 {
            let added = match column {
                Column::Integer(numbers) => arguments.add(numbers),
                Column::Text(texts) => arguments.add(texts),
                Column::Blob(blobs) => arguments.add(blobs),
            };
            added.map_err(unsendable)?;
        }
        Ok(arguments)
    }
}

impl Column {
    /// For values like this one: what is absent has its type too.
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Integer(_) => Self::Integer(Vec::new()),
            Value::Text(_) => Self::Text(Vec::new()),
            Value::Blob(_) => Self::Blob(Vec::new()),
        }
    }

    /// None: it is of another type.
    fn push(&mut self, value: Value<'_>) -> Option<()> {
        match (self, value) {
            (Self::Integer(numbers), Value::Integer(number)) => numbers.push(number),
            (Self::Text(texts), Value::Text(text)) => texts.push(text.map(str::to_owned)),
            (Self::Blob(blobs), Value::Blob(bytes)) => blobs.push(bytes.map(<[u8]>::to_vec)),
            _ => return None,
        }
        Some(())
    }
}

fn size(value: Value<'_>) -> usize {
    match value {
        Value::Integer(_) => 8,
        Value::Text(text) => text.map_or(1, str::len),
        Value::Blob(bytes) => bytes.map_or(1, <[u8]>::len),
    }
}
