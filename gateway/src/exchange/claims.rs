//! Claims: what the caller of a comparison says of each person or unit, row by row.
//!
//! Takes the rows of a request; gives one column for each field that the grant requires, values in their canonical form. Refuses rows that lack one of
//! them, bring another, bring a value that is none of its field, or are about the same subject twice: with place and reason, never with a
//! value. Shows itself nowhere.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field as ArrowField, Schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use shuguan_adapters::catalogue::Field;
use shuguan_adapters::reject::RejectCode;
use shuguan_adapters::value::{self, Scratch, Value};
use shuguan_policies::Plan;
use shuguan_policies::dataset::Dataset;

use super::{Fault, Refused, RowError, Stop};
use crate::refusal::Refusal;

/// Rows of one comparison.
pub const ROWS_MAX: usize = 1_000;
/// Faults that are told.
const FAULTS_MAX: usize = 100;

/// The members of one row, each once, as text.
pub struct Claim(Vec<(String, String)>);

impl fmt::Debug for Claim {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Claim(…)")
    }
}

impl<'de> Deserialize<'de> for Claim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Claim;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claim, A::Error> {
                let mut members: Vec<(String, String)> = Vec::new();
                while let Some((name, claimed)) = map.next_entry::<String, String>()? {
                    if members.iter().any(|(before, _)| *before == name) {
                        return Err(A::Error::custom("a member stands twice"));
                    }
                    members.push((name, claimed));
                }
                Ok(Claim(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Claim {
    fn member(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, claimed)| claimed)
    }
}

/// Claims that a plan can answer. Shows itself nowhere.
pub struct Claims {
    batch: RecordBatch,
    subject: usize,
}

impl fmt::Debug for Claims {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Claims(…)")
    }
}

impl Claims {
    /// Reads the rows of a request; `today` is the day in Asia/Shanghai, in days since 1970-01-01.
    ///
    /// # Errors
    /// [`Refusal::EmptyBatch`], [`Refusal::TooManyRows`], [`Refusal::FieldNotGranted`], [`Refusal::BadSelection`].
    pub(super) fn read(rows: &[Claim], dataset: Dataset, plan: &Plan, today: i32) -> Result<Self, Stop> {
        if rows.is_empty() {
            return Err(Refusal::EmptyBatch.into());
        }
        let allowed = plan.limits().rows_per_pull.and_then(|max| usize::try_from(max).ok());
        let most = allowed.map_or(ROWS_MAX, |max| max.min(ROWS_MAX));
        if rows.len() > most {
            let told = format_args!("{} rows came, {most} may", rows.len());
            return Err(Refused::new(Refusal::TooManyRows).detail(told).into());
        }
        check_members(rows, plan)?;
        let fields: Vec<&'static Field> = plan
            .require()
            .iter()
            .filter_map(|name| plan.target().field(name))
            .collect();
        let mut faults = Vec::new();
        let columns: Vec<ArrayRef> = fields
            .iter()
            .map(|field| column(rows, field, today, &mut faults))
            .collect();
        let subject = fields.iter().position(|field| field.name == dataset.subject());
        let subject = subject.ok_or_else(|| Fault::new("find the subject of a comparison"))?;
        if faults.is_empty() {
            faults.extend(columns.get(subject).and_then(|column| asked_twice(column, dataset)));
        }
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.row);
            let mut refused = Refused::new(Refusal::BadSelection);
            refused.errors = faults;
            return Err(refused.into());
        }
        let schema: Vec<ArrowField> = fields
            .iter()
            .map(|field| ArrowField::new(field.name, field.kind.data_type(), true))
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(schema)), columns);
        Ok(Self {
            batch: batch.map_err(Fault::from_error("put claims together"))?,
            subject,
        })
    }

    /// One column for each field that the grant requires, in its order.
    pub(super) fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// How many there are.
    pub(super) fn rows(&self) -> u64 {
        u64::try_from(self.batch.num_rows()).unwrap_or(u64::MAX)
    }

    /// Whom each row is about.
    pub(super) fn subjects(&self) -> impl Iterator<Item = &str> {
        let column = self.batch.columns().get(self.subject);
        let texts = column.and_then(|column| column.as_string_opt::<i32>());
        texts.into_iter().flat_map(|texts| texts.iter().flatten())
    }
}

/// A field that the grant does not require is none that it could answer about.
fn check_members(rows: &[Claim], plan: &Plan) -> Result<(), Stop> {
    let strange = |(name, _): &(String, String)| !plan.require().contains(&name.as_str());
    let Some(row) = rows.iter().position(|row| row.0.iter().any(strange)) else {
        return Ok(());
    };
    let told = format_args!("row {}: a claim is not among those that the grant requires", row + 1);
    Err(Refused::new(Refusal::FieldNotGranted).detail(told).into())
}

fn column(rows: &[Claim], field: &'static Field, today: i32, faults: &mut Vec<RowError>) -> ArrayRef {
    let (mut texts, mut days, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    let mut scratch = Scratch::default();
    for (row, claim) in (1..).zip(rows) {
        let reason = match value::parse(field, claim.member(field.name), &mut scratch, today) {
            Ok(Value::Text(text)) => {
                texts.push(text.to_owned());
                continue;
            }
            Ok(Value::Date(day)) => {
                days.push(day);
                continue;
            }
            Ok(Value::Instant(number) | Value::Integer(number)) => {
                numbers.push(number);
                continue;
            }
            Ok(Value::Missing) => RejectCode::Missing,
            Err(reason) => reason,
        };
        if faults.len() < FAULTS_MAX {
            faults.push(fault(row, field.name, reason));
        }
    }
    match field.kind.data_type() {
        DataType::Date32 => Arc::new(Date32Array::from(days)),
        DataType::Int64 => Arc::new(Int64Array::from(numbers)),
        DataType::Timestamp(..) => Arc::new(TimestampMicrosecondArray::from(numbers).with_timezone("UTC")),
        _ => Arc::new(StringArray::from(texts)),
    }
}

fn fault(row: u64, field: &'static str, reason: RejectCode) -> RowError {
    RowError {
        row,
        field: Some(field.into()),
        code: reason.code().into(),
        title: reason.zh().into(),
        ..RowError::of_file(Refusal::BadSelection, row)
    }
}

/// Two rows about one subject would be two guesses for the price of one.
fn asked_twice(subjects: &ArrayRef, dataset: Dataset) -> Option<RowError> {
    let texts = subjects.as_string_opt::<i32>()?;
    let mut seen = HashSet::new();
    let place = texts.iter().flatten().position(|subject| !seen.insert(subject))?;
    let row = u64::try_from(place).unwrap_or(u64::MAX).saturating_add(1);
    Some(RowError {
        field: Some(dataset.subject().into()),
        hint: Some("前面已有同一人(户) (an earlier row is about the same subject)".into()),
        ..RowError {
            row,
            ..RowError::of_file(Refusal::BadSelection, row)
        }
    })
}
