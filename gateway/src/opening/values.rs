//! Values of columns as JSON and back: what a package shows, hashed as the gateway hashed it.
//!
//! Takes parts of JSON values and a column's type, or released arrays; gives part digests, or JSON. Gives nothing for a value that is not of the type.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use serde_json::Value;
use shuguan_ledger::tree::Hash;

use crate::journal::part_digest;

/// The digests of parts of values; none when one is not of the type.
pub(super) fn digests(form: &str, parts: &[Vec<Value>]) -> Option<Vec<Hash>> {
    let digest = |values: &Vec<Value>| part_digest(&*array(form, values)?).ok();
    parts.iter().map(digest).collect()
}

fn array(form: &str, values: &[Value]) -> Option<ArrayRef> {
    fn read<'v, T>(values: &'v [Value], one: impl Fn(&'v Value) -> Option<T>) -> Option<Vec<Option<T>>> {
        let value = |value: &'v Value| match value {
            Value::Null => Some(None),
            value => one(value).map(Some),
        };
        values.iter().map(value).collect()
    }
    Some(match form {
        "utf8" => Arc::new(StringArray::from(read(values, Value::as_str)?)),
        "i64" => Arc::new(Int64Array::from(read(values, Value::as_i64)?)),
        "ts" => Arc::new(TimestampMicrosecondArray::from(read(values, Value::as_i64)?)),
        "d32" => Arc::new(Date32Array::from(read(values, |value| days(value.as_str()?))?)),
        "dec" => Arc::new(Decimal128Array::from(read(values, |value| {
            value.as_str()?.parse().ok()
        })?)),
        "bool" => Arc::new(BooleanArray::from(read(values, Value::as_bool)?)),
        _ => return None,
    })
}

/// A released column as JSON.
pub(super) fn json(values: &dyn Array) -> Vec<Value> {
    use arrow_schema::DataType;
    fn each<T>(values: impl Iterator<Item = Option<T>>, one: impl Fn(T) -> Value) -> Vec<Value> {
        values.map(|value| value.map_or(Value::Null, &one)).collect()
    }
    match values.data_type() {
        DataType::Utf8 => each(values.as_string::<i32>().iter(), Value::from),
        DataType::Int64 => each(values.as_primitive::<Int64Type>().iter(), Value::from),
        DataType::Timestamp(..) => each(values.as_primitive::<TimestampMicrosecondType>().iter(), Value::from),
        DataType::Date32 => each(values.as_primitive::<Date32Type>().iter(), |day| date(day).into()),
        DataType::Decimal128(..) => each(values.as_primitive::<Decimal128Type>().iter(), |number| {
            number.to_string().into()
        }),
        DataType::Boolean => each(values.as_boolean().iter(), Value::from),
        _ => Vec::new(),
    }
}

const EPOCH: jiff::civil::Date = jiff::civil::date(1970, 1, 1);

/// Days since 1970-01-01 of `1801-02-03`, in that spelling only.
fn days(text: &str) -> Option<i32> {
    let day: jiff::civil::Date = text.parse().ok()?;
    let days = EPOCH.until((jiff::Unit::Day, day)).ok()?.get_days();
    (date(days) == text).then_some(days)
}

fn date(days: i32) -> String {
    let day = EPOCH.checked_add(jiff::Span::new().days(days));
    day.map_or_else(|_| days.to_string(), |day| day.to_string())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::{array, date, days, digests, json};

    #[test]
    fn values_survive_their_json() {
        for (form, values) in [
            ("utf8", vec![json!("甲"), json!(null), json!("")]),
            ("i64", vec![json!(-3), json!(null)]),
            ("ts", vec![json!(1_795_424_400_000_000_i64)]),
            ("d32", vec![json!("1801-02-03"), json!(null), json!("2026-11-23")]),
            ("dec", vec![json!("-12345678901234567890")]),
            ("bool", vec![json!(true), json!(null), json!(false)]),
        ] {
            assert_eq!(json(&*array(form, &values).unwrap()), values, "{form}");
        }
        assert_eq!((days("1970-01-02"), date(-1)), (Some(1), "1969-12-31".to_owned()));
    }

    #[test]
    fn a_value_of_another_type_or_spelling_has_no_digest() {
        for (form, value) in [
            ("utf8", json!(1)),
            ("i64", json!(1.5)),
            ("d32", json!("1801-2-3")),
            ("d32", json!("18010203")),
            ("dec", json!(1)),
            ("bool", json!("true")),
            ("f64", json!(1)),
        ] {
            assert_eq!(digests(form, &[vec![value]]), None, "{form}");
        }
    }
}
