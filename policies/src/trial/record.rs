//! One record as JSON text ⇄ a batch of one row.
//!
//! Members are read in order and each once; values go through the adapters' own validation, so a case cannot hold what a feed could not.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use shuguan_adapters::catalogue::{Field, FieldType};
use shuguan_adapters::value::{self, Scratch};

use crate::filter::day_text;

/// The members of one JSON object, in order, each name once.
#[derive(Debug, PartialEq)]
pub(super) struct Record(pub(super) Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Record;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("one object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut members: Vec<(String, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.iter().any(|(before, _)| *before == name) {
                        return Err(A::Error::custom(format!("`{name}` stands twice")));
                    }
                    members.push((name, value));
                }
                Ok(Record(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Record {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("no JSON object: {error}"))
    }

    fn member(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// Whether the record says anything about a field.
    pub(super) fn says(&self, name: &str) -> bool {
        self.member(name).is_some_and(|value| !value.is_null())
    }

    /// A batch of one row with these fields; a member that is absent is null. `today` is the day of the case.
    pub(super) fn batch(&self, fields: &[&'static Field], today: i32) -> Result<RecordBatch, String> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        let mut schema = Vec::new();
        for field in fields {
            columns.push(self.column(field, today)?);
            schema.push(arrow_schema::Field::new(field.name, field.kind.data_type(), true));
        }
        RecordBatch::try_new(Arc::new(Schema::new(schema)), columns).map_err(|error| error.to_string())
    }

    fn column(&self, field: &Field, today: i32) -> Result<ArrayRef, String> {
        let sent = match self.member(field.name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) if matches!(field.kind, FieldType::Integer(_)) => Some(number.to_string()),
            Some(_) => return Err(format!("`{}` is written as text", field.name)),
        };
        let mut scratch = Scratch::default();
        let refused =
            |code: shuguan_adapters::reject::RejectCode| format!("`{}` would be a reject: {code:?}", field.name);
        // A case is about what the adapter gave: a code of the catalogue, which is none of the source's own.
        let code = match field.kind {
            FieldType::Code(table) => sent.as_deref().and_then(|sent| table.code(sent)),
            _ => None,
        };
        let value = match &sent {
            None => value::Value::Missing,
            Some(_) if code.is_some() => code.map_or(value::Value::Missing, value::Value::Text),
            Some(sent) => value::parse(field, sent, &mut scratch, today).map_err(refused)?,
        };
        let column: ArrayRef = match (field.kind.data_type(), value) {
            (DataType::Date32, value::Value::Date(day)) => Arc::new(Date32Array::from(vec![day])),
            (DataType::Timestamp(..), value::Value::Instant(us)) => {
                Arc::new(TimestampMicrosecondArray::from(vec![us]).with_timezone("UTC"))
            }
            (DataType::Int64, value::Value::Integer(number)) => Arc::new(Int64Array::from(vec![number])),
            (DataType::Utf8, value::Value::Text(text)) => Arc::new(StringArray::from(vec![text])),
            (data_type, _) => arrow_array::new_null_array(&data_type, 1),
        };
        Ok(column)
    }

    /// The first row of a batch.
    pub(super) fn of_row(batch: &RecordBatch) -> Self {
        let schema = batch.schema();
        let members = schema.fields().iter().zip(batch.columns());
        Self(
            members
                .map(|(field, column)| (field.name().clone(), member(column)))
                .collect(),
        )
    }

    /// As it is written in a case.
    pub(super) fn to_text(&self) -> String {
        let members = self
            .0
            .iter()
            .map(|(name, value)| format!("{}:{value}", Value::String(name.clone())));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

fn member(column: &ArrayRef) -> Value {
    if column.is_empty() || column.is_null(0) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => column.as_boolean().value(0).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(0).into(),
        DataType::Date32 => day_text(column.as_primitive::<Date32Type>().value(0)).into(),
        DataType::Timestamp(..) => {
            let us = column.as_primitive::<TimestampMicrosecondType>().value(0);
            let stamp = jiff::Timestamp::from_microsecond(us).map(|stamp| stamp.to_string());
            stamp.unwrap_or_default().into()
        }
        _ => column
            .as_string_opt::<i32>()
            .map_or(Value::Null, |text| text.value(0).into()),
    }
}
