//! Row filters: which rows a grant covers. All atoms must hold; a null never does.
//!
//! A filter reads only fields that the grant releases whole, so that it tells nothing new. A row that does not pass is not released
//! and counted as filtered.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::DataType;
use serde::Deserialize;
use shuguan_adapters::catalogue::{Field, FieldType};
use toml::Spanned;

use crate::canonical::Canonical;
use crate::document::{Document, Table, nearest};

/// One condition on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Atom {
    /// The field it reads.
    pub field: &'static str,
    /// What must hold.
    pub test: Test,
}

/// What an atom asks of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The text is one of these; sorted.
    In(Vec<String>),
    /// The text starts with one of these; sorted.
    Prefix(Vec<String>),
    /// The number is one of these; sorted.
    InNumbers(Vec<i64>),
}

/// An atom as written, before the field is known.
#[derive(Debug)]
pub(crate) struct AtomText {
    pub(crate) field: Spanned<String>,
    equal: bool,
    literals: Vec<Spanned<Literal>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Literal {
    Text(String),
    Number(i64),
}

impl AtomText {
    pub(crate) fn read<'s>(document: &mut Document<'s>, mut table: Table<'s>) -> Option<Self> {
        let field: Option<Spanned<String>> = table.required(document, "field");
        let equal: Option<Spanned<Literal>> = table.optional(document, "eq");
        let within: Option<Vec<Spanned<Literal>>> = table.optional(document, "in");
        let prefix: Option<Vec<Spanned<Literal>>> = table.optional(document, "prefix");
        let span = table.span();
        table.finish(document);
        let (equal, literals) = match (equal, within, prefix) {
            (Some(one), None, None) => (true, vec![one]),
            (None, Some(list), None) => (true, list),
            (None, None, Some(list)) => (false, list),
            _ => {
                let message = "a row atom has exactly one of `eq`, `in`, `prefix`";
                document.fault(span, message.into(), None);
                return None;
            }
        };
        if literals.is_empty() {
            document.fault(span, "a row atom without values lets no row pass".into(), None);
            return None;
        }
        Some(Self {
            field: field?,
            equal,
            literals,
        })
    }

    /// The atom over a field of the catalogue; a literal that the field cannot hold is a fault.
    pub(crate) fn resolve(self, document: &mut Document<'_>, field: &'static Field) -> Option<Atom> {
        let test = match (field.kind.data_type(), self.equal) {
            (DataType::Utf8, equal) => {
                let mut texts = self.texts(document, field)?;
                texts.sort_unstable();
                texts.dedup();
                if equal { Test::In(texts) } else { Test::Prefix(texts) }
            }
            (DataType::Int64, true) => {
                let mut numbers = self.numbers(document, field)?;
                numbers.sort_unstable();
                numbers.dedup();
                Test::InNumbers(numbers)
            }
            _ => {
                let message = format!("rows cannot be chosen by `{}` like this", field.name);
                let hint = "texts and codes take `eq`, `in` and `prefix`, whole numbers `eq` and `in`, dates none";
                document.fault(self.field.span(), message, Some(hint.into()));
                return None;
            }
        };
        Some(Atom {
            field: field.name,
            test,
        })
    }

    fn texts(&self, document: &mut Document<'_>, field: &Field) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        for literal in &self.literals {
            let Literal::Text(text) = literal.get_ref() else {
                document.fault(literal.span(), format!("`{}` holds text", field.name), None);
                return None;
            };
            if let Err(hint) = self.holds(field, text) {
                document.fault(literal.span(), format!("`{}` never holds this", field.name), Some(hint));
                return None;
            }
            texts.push(text.clone());
        }
        Some(texts)
    }

    fn numbers(&self, document: &mut Document<'_>, field: &Field) -> Option<Vec<i64>> {
        let mut numbers = Vec::new();
        for literal in &self.literals {
            let Literal::Number(number) = literal.get_ref() else {
                document.fault(literal.span(), format!("`{}` holds whole numbers", field.name), None);
                return None;
            };
            numbers.push(*number);
        }
        Some(numbers)
    }

    /// Whether the field can hold the text at all; a filter that nothing passes is a mistake, not a rule.
    fn holds(&self, field: &Field, text: &str) -> Result<(), String> {
        match field.kind {
            FieldType::Code(table) if self.equal && !table.rows.iter().any(|row| row.code == text) => {
                let codes: Vec<String> = table.rows.iter().map(|row| row.code.to_owned()).collect();
                let near = nearest(text, &codes)
                    .map(|code| format!(", e.g. `{code}`"))
                    .unwrap_or_default();
                Err(format!("it is a code of `{}`{near}", table.name))
            }
            FieldType::Region => digits(text, 6, self.equal),
            FieldType::Division(length) => digits(text, usize::from(length), self.equal),
            _ if text.is_empty() => Err("an empty text is a null, which no atom lets pass".into()),
            _ => Ok(()),
        }
    }
}

fn digits(text: &str, length: usize, whole: bool) -> Result<(), String> {
    let fits = if whole {
        text.len() == length
    } else {
        (1..=length).contains(&text.len())
    };
    if fits && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    Err(format!("it has {length} digits"))
}

impl Atom {
    /// Which rows pass; never null. `None` when the column is not of the type that the plan was compiled for.
    pub(crate) fn rows(&self, column: &ArrayRef) -> Option<BooleanArray> {
        let passing: Vec<bool> = match &self.test {
            Test::InNumbers(numbers) => {
                let column = column.as_primitive_opt::<Int64Type>()?;
                let passes = |value: Option<i64>| value.is_some_and(|value| numbers.binary_search(&value).is_ok());
                column.iter().map(passes).collect()
            }
            Test::In(texts) => {
                let holds = |value: &str| texts.binary_search_by(|text| text.as_str().cmp(value)).is_ok();
                let column = column.as_string_opt::<i32>()?;
                column.iter().map(|value| value.is_some_and(holds)).collect()
            }
            Test::Prefix(texts) => {
                let holds = |value: &str| texts.iter().any(|text| value.starts_with(text.as_str()));
                let column = column.as_string_opt::<i32>()?;
                column.iter().map(|value| value.is_some_and(holds)).collect()
            }
        };
        Some(BooleanArray::from(passing))
    }

    /// For people, e.g. `hukou_region starts with 3207`.
    pub fn describe(&self) -> String {
        let field = self.field;
        match &self.test {
            Test::In(texts) => format!("{field} in {}", texts.join(", ")),
            Test::Prefix(texts) => format!("{field} starts with {}", texts.join(", ")),
            Test::InNumbers(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
                format!("{field} in {}", numbers.join(", "))
            }
        }
    }

    pub(crate) fn encode(&self, out: &mut Canonical) {
        out.text(self.field);
        match &self.test {
            Test::In(texts) => out.text("in").set(texts),
            Test::Prefix(texts) => out.text("prefix").set(texts),
            Test::InNumbers(numbers) => {
                out.text("in-numbers").count(numbers.len());
                for number in numbers {
                    out.instant(*number);
                }
                out
            }
        };
    }
}
