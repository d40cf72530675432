//! Comparison: what the caller claims beside what the registry holds, answered by `agree`, `differ` or `absent`.

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::DataType;

use super::{Plan, ReleaseError, ReleasedPart, holds};
use crate::key::KeyRing;
use crate::operator::{Beside, Operator};
use crate::target::Mode;

impl Plan {
    /// Answers a part of claims.
    ///
    /// Takes `held`: exactly the wanted columns, one row a claim, all null where the registry has nobody under the claimed subject;
    /// and `claims`: exactly the columns of [`Plan::require`] with the types of their fields. Gives one row of answers a claim, so that
    /// the number of rows says nothing. A row filter does not apply: a comparison has none.
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
        for column in &self.output {
            let source = held.column_by_name(column.name).ok_or(ReleaseError::Columns)?;
            answers.push(match &column.kind.operator {
                Operator::Equal(equal) => {
                    let claimed = claims.column_by_name(column.name).ok_or(ReleaseError::Columns)?;
                    let field = column.name;
                    equal.answer(source, claimed).ok_or(ReleaseError::IllTyped { field })?
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
        let options = RecordBatchOptions::new().with_row_count(Some(held.num_rows()));
        let batch =
            RecordBatch::try_new_with_options(self.schema(), answers, &options).map_err(ReleaseError::Columnar)?;
        Ok(ReleasedPart { batch, filtered: 0 })
    }
}
