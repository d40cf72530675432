//! `map`: codes put together into fewer, by a list that the agreement writes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;

/// What each code becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Code → what is released for it.
    pub list: BTreeMap<String, String>,
    /// What every other code becomes.
    pub default: Option<String>,
}

impl Map {
    /// Codes become text. Every code of the table has a place in the list unless there is a default, and the list names no other.
    pub(super) fn fits(&self, kind: &FieldType) -> Result<DataType, String> {
        let FieldType::Code(table) = kind else {
            return Err("only codes can be put together".into());
        };
        if let Some(stranger) = self
            .list
            .keys()
            .find(|code| !table.rows.iter().any(|row| row.code == **code))
        {
            return Err(format!("`{stranger}` is no code of `{}`", table.name));
        }
        match table.rows.iter().find(|row| self.of(row.code).is_none()) {
            Some(row) => Err(format!("`{}` has no place in the list; write `default`", row.code)),
            None => Ok(DataType::Utf8),
        }
    }

    /// What a code becomes.
    pub(crate) fn of(&self, code: &str) -> Option<&str> {
        self.list.get(code).or(self.default.as_ref()).map(String::as_str)
    }

    /// The operator with its arguments.
    pub(super) fn describe(&self) -> String {
        let mut parts: Vec<String> = self.list.iter().map(|(code, to)| format!("{code}→{to}")).collect();
        parts.extend(self.default.iter().map(|to| format!("*→{to}")));
        format!("map {}", parts.join(" "))
    }

    /// Takes codes, gives what the list makes of them. Null in, null out; so does a code that nothing was written for.
    /// Source: policy operator 16.
    pub(super) fn apply(&self, column: &StringArray) -> ArrayRef {
        let mut out = StringBuilder::with_capacity(column.len(), column.len() * 2);
        for code in column {
            out.append_option(code.and_then(|code| self.of(code)));
        }
        Arc::new(out.finish())
    }
}
