//! Row filters: which rows a grant covers. All atoms must hold; a null holds only where an atom asks for it.
//!
//! A filter reads only fields that the grant releases whole, so that it tells nothing new. A row that does not pass is not released
//! and counted as filtered. Atoms compare one field with literals and nothing else, so whether one filter is narrower than another
//! can be decided (see `rows`).

pub(crate) mod rows;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_schema::DataType;
use serde::Deserialize;
use shuguan_adapters::catalogue::{Field, FieldType};
use shuguan_adapters::value::date::{civil_from_days, days_from_civil};
use toml::Spanned;
use toml::value::Datetime;

use crate::canonical::Canonical;
use crate::document::{Document, Table, nearest};

/// One condition on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Atom {
    /// The field it reads.
    pub field: &'static str,
    /// Type of that field.
    pub kind: Kind,
    /// What must hold.
    pub test: Test,
}

/// What an atom needs to know of its field: how texts of it are compared with each other.
#[derive(Clone, Copy, Debug)]
pub struct Kind(pub(crate) FieldType);

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.0.describe() == other.0.describe()
    }
}

impl Eq for Kind {}

/// What an atom asks of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The text is one of these; sorted.
    In(Vec<String>),
    /// The text starts with one of these; sorted.
    Prefix(Vec<String>),
    /// The number is one of these; sorted.
    InNumbers(Vec<i64>),
    /// The number, or the day since 1970-01-01, lies between these, both included.
    Between(i64, i64),
    /// There is none.
    Null,
    /// There is one.
    Present,
}

/// An atom as written, before the field is known.
#[derive(Debug)]
pub(crate) struct AtomText {
    pub(crate) field: Spanned<String>,
    asked: Asked,
    literals: Vec<Spanned<Literal>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Equal,
    Prefix,
    Between,
    Null,
    Present,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Literal {
    Text(String),
    Number(i64),
    Day(Datetime),
}

impl AtomText {
    pub(crate) fn read<'s>(document: &mut Document<'s>, mut table: Table<'s>) -> Option<Self> {
        let field: Option<Spanned<String>> = table.required(document, "field");
        let equal: Option<Spanned<Literal>> = table.optional(document, "eq");
        let within: Option<Vec<Spanned<Literal>>> = table.optional(document, "in");
        let prefix: Option<Vec<Spanned<Literal>>> = table.optional(document, "prefix");
        let between: Option<Vec<Spanned<Literal>>> = table.optional(document, "between");
        let is: Option<Spanned<String>> = table.optional(document, "is");
        let span = table.span();
        table.finish(document);
        let (asked, literals) = match (equal, within, prefix, between, is) {
            (Some(one), None, None, None, None) => (Asked::Equal, vec![one]),
            (None, Some(list), None, None, None) => (Asked::Equal, list),
            (None, None, Some(list), None, None) => (Asked::Prefix, list),
            (None, None, None, Some(list), None) => (Asked::Between, list),
            (None, None, None, None, Some(word)) => return Self::presence(document, field?, &word),
            _ => {
                let message = "a row atom has exactly one of `eq`, `in`, `prefix`, `between`, `is`";
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
            asked,
            literals,
        })
    }

    fn presence(document: &mut Document<'_>, field: Spanned<String>, word: &Spanned<String>) -> Option<Self> {
        let asked = match word.get_ref().as_str() {
            "null" => Asked::Null,
            "present" => Asked::Present,
            other => {
                document.fault(
                    word.span(),
                    format!("`is` cannot be `{other}`"),
                    Some("`null` or `present`".into()),
                );
                return None;
            }
        };
        Some(Self {
            field,
            asked,
            literals: Vec::new(),
        })
    }

    /// The atom over a field of the catalogue; a literal that the field cannot hold is a fault.
    pub(crate) fn resolve(self, document: &mut Document<'_>, field: &'static Field) -> Option<Atom> {
        let test = match (field.kind.data_type(), self.asked) {
            (_, Asked::Null) => Test::Null,
            (_, Asked::Present) => Test::Present,
            (DataType::Utf8, Asked::Equal | Asked::Prefix) => {
                let mut texts = self.texts(document, field)?;
                texts.sort_unstable();
                texts.dedup();
                if self.asked == Asked::Equal {
                    Test::In(texts)
                } else {
                    Test::Prefix(texts)
                }
            }
            (DataType::Int64, Asked::Equal) => {
                let mut numbers = self.numbers(document, field)?;
                numbers.sort_unstable();
                numbers.dedup();
                Test::InNumbers(numbers)
            }
            (DataType::Int64 | DataType::Date32, Asked::Between) => self.between(document, field)?,
            _ => {
                let message = format!("rows cannot be chosen by `{}` like this", field.name);
                let hint = "texts and codes take `eq`, `in` and `prefix`, whole numbers `eq`, `in` and `between`, dates `between`, \
                            everything `is`";
                document.fault(self.field.span(), message, Some(hint.into()));
                return None;
            }
        };
        Some(Atom {
            field: field.name,
            kind: Kind(field.kind),
            test,
        })
    }

    fn between(&self, document: &mut Document<'_>, field: &Field) -> Option<Test> {
        let mut bounds = Vec::new();
        for literal in &self.literals {
            bounds.push(match (literal.get_ref(), field.kind.data_type()) {
                (Literal::Number(number), DataType::Int64) => *number,
                (Literal::Day(day), DataType::Date32) if day.time.is_none() => {
                    let date = day
                        .date
                        .and_then(|d| days_from_civil(d.year.into(), d.month.into(), d.day.into()));
                    i64::from(date?)
                }
                _ => {
                    let message = format!("`{}` is never compared with this", field.name);
                    document.fault(
                        literal.span(),
                        message,
                        Some("whole numbers, or days such as 2026-01-31".into()),
                    );
                    return None;
                }
            });
        }
        match bounds.as_slice() {
            [from, to] if from <= to => Some(Test::Between(*from, *to)),
            _ => {
                let message = "`between` has two values, the smaller one first";
                let span = self.literals.first().map_or(self.field.span(), Spanned::span);
                document.fault(span, message.into(), None);
                None
            }
        }
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
            FieldType::Code(table) if self.asked == Asked::Equal && !table.rows.iter().any(|row| row.code == text) => {
                let codes: Vec<String> = table.rows.iter().map(|row| row.code.to_owned()).collect();
                let near = nearest(text, &codes)
                    .map(|code| format!(", e.g. `{code}`"))
                    .unwrap_or_default();
                Err(format!("it is a code of `{}`{near}", table.name))
            }
            FieldType::Region => digits(text, 6, self.asked == Asked::Equal),
            FieldType::Division(length) => digits(text, usize::from(length), self.asked == Asked::Equal),
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
            Test::Null => (0..column.len()).map(|row| column.is_null(row)).collect(),
            Test::Present => (0..column.len()).map(|row| column.is_valid(row)).collect(),
            Test::Between(from, to) => {
                let holds = |value: i64| (*from..=*to).contains(&value);
                if let Some(days) = column.as_primitive_opt::<Date32Type>() {
                    days.iter()
                        .map(|day| day.is_some_and(|day| holds(day.into())))
                        .collect()
                } else {
                    let numbers = column.as_primitive_opt::<Int64Type>()?;
                    numbers.iter().map(|number| number.is_some_and(holds)).collect()
                }
            }
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
            Test::Between(from, to) => {
                let show = |value: i64| match self.kind.0 {
                    FieldType::Date => i32::try_from(value).map_or_else(|_| value.to_string(), day_text),
                    _ => value.to_string(),
                };
                format!("{field} between {} and {}", show(*from), show(*to))
            }
            Test::Null => format!("{field} is null"),
            Test::Present => format!("{field} is present"),
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
            Test::Between(from, to) => out.text("between").instant(*from).instant(*to),
            Test::Null => out.text("null"),
            Test::Present => out.text("present"),
        };
    }
}

/// `yyyy-MM-dd` of a day since 1970-01-01.
pub(crate) fn day_text(day: i32) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02}")
}
