//! Comparison: what the caller claims beside what the registry holds, answered by `agree`, `differ` or `absent`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;

use super::{Plan, ReleaseError, ReleasedPart, holds};
use crate::key::KeyRing;
use crate::operator::equal::AGREE;
use crate::operator::{Beside, Operator};
use crate::target::Mode;

impl Plan {
    /// Answers a part of claims.
    ///
    /// Takes `held`: exactly the wanted columns, one row a claim, all null where the registry has nobody under the claimed subject;
    /// and `claims`: exactly the columns of [`Plan::require`] with the types of their fields. Gives one row of answers a claim, so that
    /// the number of rows says nothing. A row filter does not apply: a comparison has none. Whether there is a value is told of who
    /// is known: where one of the `equal` fields of the row does not agree, `exists` is false, as it is of nobody, so that a number alone
    /// says nothing of whom it is about.
    ///
    /// # Errors
    /// [`ReleaseError`]; nothing is answered then. A plan of another mode answers nothing.
    pub fn compare(
        &self,
        held: &RecordBatch,
        claims: &RecordBatch,
        keys: &KeyRing,
        today: i32,
    ) -> Result<ReleasedPart, ReleaseError> {
        let target = self.target();
        let types: Vec<DataType> = self
            .require()
            .iter()
            .filter_map(|name| target.field(name))
            .map(|field| field.kind.data_type())
            .collect();
        let fits = self.mode() == Mode::Compare
            && held.num_rows() == claims.num_rows()
            && holds(held, self.wanted.iter().zip(&self.wanted_types))
            && holds(claims, self.require().iter().zip(&types));
        if !fits {
            return Err(ReleaseError::Columns);
        }
        let mut answers: Vec<ArrayRef> = Vec::with_capacity(self.output.len());
        let mut known = BooleanBuffer::new_set(held.num_rows());
        for column in &self.output {
            let source = held.column_by_name(column.name).ok_or(ReleaseError::Columns)?;
            answers.push(match &column.kind.operator {
                Operator::Equal(equal) => {
                    let claimed = claims.column_by_name(column.name).ok_or(ReleaseError::Columns)?;
                    let field = column.name;
                    let words = equal.answer(source, claimed).ok_or(ReleaseError::IllTyped { field })?;
                    known = &known & &agreeing(&words).ok_or(ReleaseError::IllTyped { field })?;
                    words
                }
                other => {
                    let beside = Beside {
                        field: column.name,
                        companion: None,
                        keys,
                        today,
                    };
                    other.apply(source, &beside)?
                }
            });
        }
        for (column, answer) in self.output.iter().zip(&mut answers) {
            if column.kind.operator == Operator::Exists {
                let field = column.name;
                let there = answer.as_boolean_opt().ok_or(ReleaseError::IllTyped { field })?;
                *answer = Arc::new(BooleanArray::new(there.values() & &known, None));
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(held.num_rows()));
        let batch =
            RecordBatch::try_new_with_options(self.schema(), answers, &options).map_err(ReleaseError::Columnar)?;
        Ok(ReleasedPart { batch, filtered: 0 })
    }
}

/// The rows whose answer is `agree`.
fn agreeing(words: &ArrayRef) -> Option<BooleanBuffer> {
    let words = words.as_string_opt::<i32>()?;
    Some(words.iter().map(|word| word == Some(AGREE)).collect())
}
