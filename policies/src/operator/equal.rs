//! `equal`: whether what the caller claims is what the registry holds. Compare mode only.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::value::{Scratch, citizen_id};

/// What is evened out on both sides before they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Equal {
    /// Nothing: exact bytes.
    None,
    /// A name: blanks removed, every middle dot the same.
    Name,
    /// An identifier: ASCII capitals, 15 digits raised to 18.
    Id,
}

/// What is held is what was claimed.
pub(crate) const AGREE: &str = "agree";
/// The three answers.
pub const ANSWERS: [&str; 3] = [AGREE, "differ", "absent"];

/// Every type; `name` and `id` only what is written.
pub(super) fn fits(equal: Equal, kind: &FieldType) -> Result<DataType, String> {
    match (equal, kind.data_type()) {
        (Equal::None, _) | (_, DataType::Utf8) => Ok(DataType::Utf8),
        _ => Err("only what is written as text can be evened out".into()),
    }
}

impl Equal {
    /// Every way of evening out.
    pub const ALL: [Self; 3] = [Self::None, Self::Name, Self::Id];

    /// `none`, `name` or `id`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Name => "name",
            Self::Id => "id",
        }
    }

    /// Takes what is held and what is claimed, row by row, both of the field's type; gives `agree`, `differ`, or `absent` where
    /// nothing is held. A claim that is missing differs. `None` when the two are not of one known type. Source: policy operator 4.
    pub(crate) fn answer(self, held: &ArrayRef, claimed: &ArrayRef) -> Option<ArrayRef> {
        if held.data_type() != claimed.data_type() || held.len() != claimed.len() {
            return None;
        }
        let same: Vec<bool> = match held.data_type() {
            DataType::Utf8 => self.same_texts(held.as_string_opt::<i32>()?, claimed.as_string_opt::<i32>()?),
            DataType::Date32 => same(held.as_primitive_opt::<Date32Type>()?, claimed.as_primitive_opt()?),
            DataType::Int64 => same(held.as_primitive_opt::<Int64Type>()?, claimed.as_primitive_opt()?),
            DataType::Timestamp(..) => same(
                held.as_primitive_opt::<TimestampMicrosecondType>()?,
                claimed.as_primitive_opt()?,
            ),
            _ => return None,
        };
        let mut out = StringBuilder::with_capacity(held.len(), held.len() * 6);
        let [agree, differ, absent] = ANSWERS;
        for (row, same) in same.into_iter().enumerate() {
            out.append_value(match (held.is_null(row), same) {
                (true, _) => absent,
                (false, true) => agree,
                (false, false) => differ,
            });
        }
        Some(Arc::new(out.finish()))
    }

    fn same_texts(self, held: &StringArray, claimed: &StringArray) -> Vec<bool> {
        let pairs = held.iter().zip(claimed);
        pairs
            .map(|(held, claimed)| match (held, claimed) {
                (Some(held), Some(claimed)) => same_bytes(&self.evened(held), &self.evened(claimed)),
                _ => false,
            })
            .collect()
    }

    fn evened(self, text: &str) -> String {
        match self {
            Self::None => text.to_owned(),
            Self::Name => text.chars().filter(|c| !c.is_whitespace()).map(fold_dot).collect(),
            Self::Id => {
                let mut scratch = Scratch::default();
                match citizen_id::parse(text.trim(), &mut scratch, i32::MAX) {
                    Ok(id) => id.to_owned(),
                    Err(_) => text.trim().to_ascii_uppercase(),
                }
            }
        }
    }
}

/// Looks at every byte, so that the time says nothing of how much agrees.
fn same_bytes(held: &str, claimed: &str) -> bool {
    let differing = held.bytes().zip(claimed.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b));
    held.len() == claimed.len() && differing == 0
}

fn same<T: arrow_array::ArrowPrimitiveType>(
    held: &arrow_array::PrimitiveArray<T>,
    claimed: &arrow_array::PrimitiveArray<T>,
) -> Vec<bool> {
    held.iter()
        .zip(claimed)
        .map(|(held, claimed)| held.is_some() && held == claimed)
        .collect()
}

/// The middle dots that sources write in names of minorities and foreigners become U+00B7 (domain 4.4).
fn fold_dot(c: char) -> char {
    match c {
        '\u{2022}' | '\u{30fb}' | '\u{ff0e}' | '\u{2027}' | '.' => '\u{b7}',
        other => other,
    }
}
