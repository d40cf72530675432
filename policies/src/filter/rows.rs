//! Row sets: what a filter lets pass, as one set of values a field, so that inclusion can be decided exactly.
//!
//! A filter is a conjunction of atoms on single fields, so it is a product of sets; a product lies in another when it is empty or each
//! of its sets lies in the other's.

use std::collections::BTreeMap;

use shuguan_adapters::catalogue::FieldType;

use super::{Atom, Test};

/// Values of one field that pass.
#[derive(Clone, Debug)]
struct Values {
    null: bool,
    present: Present,
}

/// Values that are not null.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Present {
    All,
    /// Disjoint, ascending, both ends included: numbers, days, digits of a fixed length. Without any: nothing, of whatever type.
    Numbers(Vec<(i64, i64)>),
    /// Whole texts, and beginnings; no beginning begins with another, no text with any of them.
    Texts {
        whole: Vec<String>,
        beginnings: Vec<String>,
    },
}

/// What a filter lets pass: one set for each field that it reads; every other field may be anything.
#[derive(Clone, Debug)]
pub(crate) struct Rows(BTreeMap<&'static str, Values>);

impl Rows {
    pub(crate) fn of(atoms: &[Atom]) -> Self {
        let mut fields: BTreeMap<&'static str, Values> = BTreeMap::new();
        for atom in atoms {
            let values = Values::of(&atom.test, &atom.kind.0);
            let met = match fields.get(atom.field) {
                Some(before) => before.and(&values),
                None => values,
            };
            fields.insert(atom.field, met);
        }
        Self(fields)
    }

    fn is_empty(&self) -> bool {
        self.0.values().any(Values::is_empty)
    }

    /// Whether every row that passes here passes there.
    pub(crate) fn within(&self, other: &Self) -> bool {
        self.is_empty()
            || other.0.iter().all(|(field, there)| match self.0.get(field) {
                Some(here) => here.within(there),
                None => there.null && there.present == Present::All,
            })
    }
}

impl Values {
    fn of(test: &Test, kind: &FieldType) -> Self {
        let present = match test {
            Test::Null => Present::Numbers(Vec::new()),
            Test::Present => Present::All,
            Test::Between(from, to) => Present::Numbers(vec![(*from, *to)]),
            Test::InNumbers(numbers) => Present::Numbers(joined(numbers.iter().map(|n| (*n, *n)).collect())),
            Test::In(texts) => match fixed_digits(kind) {
                Some(length) => Present::Numbers(joined(texts.iter().filter_map(|text| span(text, length)).collect())),
                None => Present::texts(texts.clone(), Vec::new()),
            },
            Test::Prefix(texts) => match (fixed_digits(kind), kind) {
                (Some(length), _) => {
                    Present::Numbers(joined(texts.iter().filter_map(|text| span(text, length)).collect()))
                }
                // A table is finite, so a beginning is a list.
                (None, FieldType::Code(table)) => {
                    let codes = table.rows.iter().map(|row| row.code);
                    let begun = codes.filter(|code| texts.iter().any(|text| code.starts_with(text.as_str())));
                    Present::texts(begun.map(str::to_owned).collect(), Vec::new())
                }
                (None, _) => Present::texts(Vec::new(), texts.clone()),
            },
        };
        Self {
            null: matches!(test, Test::Null),
            present,
        }
    }

    fn is_empty(&self) -> bool {
        !self.null && self.present.is_empty()
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            null: self.null && other.null,
            present: self.present.and(&other.present),
        }
    }

    fn within(&self, other: &Self) -> bool {
        (!self.null || other.null) && self.present.within(&other.present)
    }
}

impl Present {
    fn texts(mut whole: Vec<String>, beginnings: Vec<String>) -> Self {
        let mut shortest: Vec<String> = Vec::new();
        let mut sorted = beginnings;
        sorted.sort();
        for text in sorted {
            if !shortest.iter().any(|begun| text.starts_with(begun.as_str())) {
                shortest.push(text);
            }
        }
        whole.retain(|text| !shortest.iter().any(|begun| text.starts_with(begun.as_str())));
        whole.sort();
        whole.dedup();
        Self::Texts {
            whole,
            beginnings: shortest,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::All => false,
            Self::Numbers(spans) => spans.is_empty(),
            Self::Texts { whole, beginnings } => whole.is_empty() && beginnings.is_empty(),
        }
    }

    fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, one) | (one, Self::All) => one.clone(),
            (Self::Numbers(a), Self::Numbers(b)) => {
                let pairs = a
                    .iter()
                    .flat_map(|(from, to)| b.iter().map(move |(f, t)| (*from.max(f), *to.min(t))));
                Self::Numbers(joined(pairs.filter(|(from, to)| from <= to).collect()))
            }
            (
                Self::Texts {
                    whole: a,
                    beginnings: c,
                },
                Self::Texts {
                    whole: b,
                    beginnings: d,
                },
            ) => {
                let begun = |text: &&String, by: &[String]| by.iter().any(|start| text.starts_with(start.as_str()));
                let mut whole: Vec<String> = a
                    .iter()
                    .filter(|text| b.contains(text) || begun(text, d))
                    .cloned()
                    .collect();
                whole.extend(b.iter().filter(|text| begun(text, c)).cloned());
                let mut beginnings: Vec<String> = c.iter().filter(|text| begun(text, d)).cloned().collect();
                beginnings.extend(d.iter().filter(|text| begun(text, c)).cloned());
                Self::texts(whole, beginnings)
            }
            // One field has one type, so numbers never meet texts.
            _ => Self::Numbers(Vec::new()),
        }
    }

    fn within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::Numbers(a), Self::Numbers(b)) => {
                a.iter().all(|(from, to)| b.iter().any(|(f, t)| f <= from && to <= t))
            }
            (
                Self::Texts {
                    whole: a,
                    beginnings: c,
                },
                Self::Texts {
                    whole: b,
                    beginnings: d,
                },
            ) => {
                let begun = |text: &String| d.iter().any(|start| text.starts_with(start.as_str()));
                a.iter().all(|text| b.contains(text) || begun(text)) && c.iter().all(begun)
            }
            _ => self.is_empty(),
        }
    }
}

/// Digits of a type whose values all have the same number of them.
fn fixed_digits(kind: &FieldType) -> Option<usize> {
    match kind {
        FieldType::Region => Some(6),
        FieldType::Division(digits) => Some(usize::from(*digits)),
        _ => None,
    }
}

/// The values that begin with these digits, as numbers of the whole length.
fn span(text: &str, length: usize) -> Option<(i64, i64)> {
    let rest = u32::try_from(length.checked_sub(text.len())?).ok()?;
    let below = 10_i64.checked_pow(rest)?;
    let first = text.parse::<i64>().ok()?.checked_mul(below)?;
    Some((first, first + below - 1))
}

/// Ascending, and two that touch are one, so that equal sets look equal and inclusion needs one interval only.
fn joined(mut spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    spans.sort_unstable();
    let mut out: Vec<(i64, i64)> = Vec::new();
    for (from, to) in spans {
        match out.last_mut() {
            Some((_, end)) if from <= end.saturating_add(1) => *end = (*end).max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

#[cfg(test)]
mod tests;
