//! JSON in which each member stands once.
//!
//! Takes bytes; gives the value. Refuses an object that names a member twice: readers differ in which of the two they take, so what a person sees in the file need not
//! be what was judged.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

/// Why bytes are no such value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotOnce {
    /// No JSON at all.
    Malformed,
    /// A member stands twice; which, and where.
    Twice(String),
}

/// Reads it.
///
/// # Errors
/// See [`NotOnce`].
pub(super) fn read(bytes: &[u8]) -> Result<Value, NotOnce> {
    let read: Result<Once, serde_json::Error> = serde_json::from_slice(bytes);
    read.map(|Once(value)| value).map_err(|error| match error.classify() {
        // Every type is taken, so the only fault of the data is the one told below; serde's own words could show a value.
        Category::Data => NotOnce::Twice(error.to_string()),
        Category::Io | Category::Syntax | Category::Eof => NotOnce::Malformed,
    })
}

struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reading).map(Once)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(Once(item)) = items.next_element()? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some((name, Once(value))) = members.next_entry::<String, Once>()? {
            if read.contains_key(&name) {
                return Err(A::Error::custom(format!("the member `{name}` stands twice")));
            }
            read.insert(name, value);
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a test may panic")]

    use serde_json::json;

    use super::{NotOnce, read};

    #[test]
    fn a_value_of_every_kind_is_read_as_it_stands() {
        let text = r#"{"a": [1, -2, 0.5, true, null, "x"], "b": {"a": "y"}}"#;
        let expected = json!({ "a": [1, -2, 0.5, true, null, "x"], "b": { "a": "y" } });
        assert_eq!(read(text.as_bytes()), Ok(expected));
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_by_its_name_at_every_depth_and_in_every_spelling() {
        for text in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"b": {"a": "x", "c": 2, "a": "y"}}"#,
            r#"[{"a": 1, "\u0061": 2}]"#,
        ] {
            match read(text.as_bytes()) {
                Err(NotOnce::Twice(what)) => assert!(what.starts_with("the member `a` stands twice"), "{what}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_json_or_more_than_one_value_is_malformed() {
        for text in ["", "{", "{}{}", "{\"a\" 1}", "x", "\u{feff}{}"] {
            assert_eq!(read(text.as_bytes()), Err(NotOnce::Malformed), "{text}");
        }
    }
}
