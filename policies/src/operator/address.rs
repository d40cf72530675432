//! `address`: an address cut behind the county, the town or the village, where its words and its division code agree.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;

/// Finest part of an address that may remain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 区, 县, 旗, 县级市.
    County,
    /// 街道, 镇, 乡.
    Town,
    /// 社区, 居委会, 村.
    Village,
}

/// An address beside the code that says what its parts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Where it is cut.
    pub to: Level,
    /// The field with the division code.
    pub code: String,
}

/// Free text becomes text.
pub(super) fn fits(kind: &FieldType) -> Result<DataType, String> {
    match kind {
        FieldType::Text(_) => Ok(DataType::Utf8),
        _ => Err("only an address in free text can be cut to a place".into()),
    }
}

impl Level {
    /// Every level, coarsest first.
    pub const ALL: [Self; 3] = [Self::County, Self::Town, Self::Village];

    /// `county`, `town` or `village`.
    pub fn name(self) -> &'static str {
        match self {
            Self::County => "county",
            Self::Town => "town",
            Self::Village => "village",
        }
    }

    /// Digits that the code must have for this level.
    pub(crate) fn digits(self) -> usize {
        match self {
            Self::County => 6,
            Self::Town => 9,
            Self::Village => 12,
        }
    }
}

impl Address {
    /// The operator with its arguments.
    pub(super) fn describe(&self) -> String {
        format!("address to {} by {}", self.to.name(), self.code)
    }

    /// Takes addresses and their division codes; gives the address up to the finest part that may remain and whose suffix is the one
    /// that the code stands for (GB/T 2260: 01–20 区, 21–70 县 旗, 81–99 市; GB/T 10114: towns 001–099 街道, 100–199 镇, 200–399 乡;
    /// villages 001–199 社区 居委会, 200–399 村). Null where not even the county can be recognised. A level that is not recognised
    /// leaves the one above it, so a coarser cut is always a function of a finer one. Source: policy operator 10.
    pub(super) fn apply(&self, column: &StringArray, codes: &StringArray) -> ArrayRef {
        let mut out = StringBuilder::with_capacity(column.len(), column.values().len());
        for (address, code) in column.iter().zip(codes) {
            out.append_option(
                address
                    .zip(code)
                    .and_then(|(address, code)| cut(address, code, self.to)),
            );
        }
        Arc::new(out.finish())
    }
}

/// Furthest that a suffix stands behind the part above it, in characters: no name of a place is longer.
const NAME_CHARS_MAX: usize = 12;

fn cut<'a>(address: &'a str, code: &str, to: Level) -> Option<&'a str> {
    let mut end = county_end(address, part(code, 4, 6)?)?;
    for (level, suffixes) in [
        (Level::Town, part(code, 6, 9).map(town_suffixes)),
        (Level::Village, part(code, 9, 12).map(village_suffixes)),
    ] {
        if level > to {
            break;
        }
        let found = suffixes.and_then(|suffixes| suffix_end(address.get(end..)?, suffixes));
        match found {
            Some(length) => end += length,
            // Without a town there is no telling whose village it is.
            None => break,
        }
    }
    address.get(..end)
}

/// Province and prefecture stand before the county and may be left out.
fn county_end(address: &str, number: u32) -> Option<usize> {
    let suffixes: &[&str] = match number {
        1..=20 | 71..=80 => &["区"],
        21..=70 => &["县", "旗"],
        81..=99 => &["市"],
        _ => return None,
    };
    let mut at = 0;
    for above in [&["自治区", "省"][..], &["自治州", "地区", "盟", "市"][..]] {
        let rest = address.get(at..)?;
        let Some(end) = suffix_end(rest, above) else { continue };
        let county = suffix_end(rest, suffixes);
        // A county-level city after a prefecture: the second 市 is the one that is meant. The 区 in which 自治区 and 地区 end is none.
        let skips = match county {
            Some(county) if number < 81 => end <= county,
            _ => suffix_end(rest.get(end..)?, suffixes).is_some(),
        };
        if skips {
            at += end;
        }
    }
    suffix_end(address.get(at..)?, suffixes).map(|length| at + length)
}

fn town_suffixes(number: u32) -> &'static [&'static str] {
    match number {
        1..=99 => &["街道办事处", "街道"],
        100..=199 => &["镇"],
        200..=399 => &["乡"],
        _ => &[],
    }
}

fn village_suffixes(number: u32) -> &'static [&'static str] {
    match number {
        1..=199 => &["社区居委会", "社区", "居民委员会", "居委会"],
        200..=399 => &["村民委员会", "村委会", "村"],
        _ => &[],
    }
}

/// Bytes up to the end of the first suffix that occurs; of two at one place the longer one. A suffix needs a name before it.
fn suffix_end(text: &str, suffixes: &[&str]) -> Option<usize> {
    let starts = text.char_indices().skip(1).take(NAME_CHARS_MAX);
    for (at, _) in starts {
        let rest = text.get(at..)?;
        if let Some(suffix) = suffixes.iter().find(|suffix| rest.starts_with(**suffix)) {
            return Some(at + suffix.len());
        }
    }
    None
}

fn part(code: &str, from: usize, to: usize) -> Option<u32> {
    code.get(from..to)?.parse().ok()
}
