//! One cell: a value of an agreement file as a text that a person may edit, and back.

use toml::Value;

use super::Form;
use super::word;

/// What stands between the texts of a list.
const BETWEEN: char = '、';

impl Form {
    /// The cell of a value.
    ///
    /// # Errors
    /// Why the cell could not be read back as the same value.
    pub(super) fn cell(self, value: &Value) -> Result<String, &'static str> {
        let cell = self.shown(value).ok_or("it is of another type than its column")?;
        match self.value(&cell) {
            Ok(again) if again == *value && !cell.is_empty() => Ok(cell),
            _ => Err("a cell cannot hold it without changing it"),
        }
    }

    fn shown(self, value: &Value) -> Option<String> {
        match (self, value) {
            (Self::Text, Value::String(text)) => Some(text.clone()),
            (Self::Number, Value::Integer(number)) => Some(number.to_string()),
            (Self::Flag, Value::Boolean(flag)) => Some(if *flag { "是" } else { "否" }.to_owned()),
            (Self::List, Value::Array(list)) => {
                let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                Some(texts?.join(&BETWEEN.to_string()))
            }
            (Self::Moment, Value::Datetime(moment)) => Some(moment.to_string()),
            (Self::Value, value) => Some(value.to_string()),
            (Self::Operator, Value::Table(operator)) => word::cell(operator),
            _ => None,
        }
    }

    /// The value of a cell that is not empty.
    ///
    /// # Errors
    /// What is expected.
    pub(super) fn value(self, cell: &str) -> Result<Value, String> {
        let expected = |what: &str| Err(what.to_owned());
        let cell = cell.trim();
        match self {
            Self::Text => Ok(Value::String(cell.to_owned())),
            Self::Number => match cell.replace('_', "").parse() {
                Ok(number) => Ok(Value::Integer(number)),
                Err(_) => expected("a whole number is expected"),
            },
            Self::Flag => match cell {
                "是" => Ok(Value::Boolean(true)),
                "否" => Ok(Value::Boolean(false)),
                _ => expected("`是` or `否` is expected"),
            },
            Self::List => {
                let texts = cell.split([BETWEEN, ',', ',']);
                Ok(Value::Array(texts.map(|text| text.trim().into()).collect()))
            }
            Self::Moment => match cell.parse() {
                Ok(moment) => Ok(Value::Datetime(moment)),
                Err(_) => expected("a moment is expected, e.g. `2026-01-01T00:00:00+08:00`"),
            },
            Self::Value => cell
                .parse()
                .map_err(|_| "a value as in the files is expected".to_owned()),
            Self::Operator => word::read(cell).map(Value::Table),
            Self::Shown => expected("nothing is read from this column"),
        }
    }
}
