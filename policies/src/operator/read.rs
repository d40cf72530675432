//! Reading `reduce.<field> = { op = "…", … }`.

use std::sync::Arc;

use toml::Spanned;

use super::Operator;
use super::bucket::Bucket;
use super::date::DateTo;
use super::mask::Mask;
use super::pseudonym::Pseudonym;
use super::region::RegionTo;
use crate::document::{Document, Table, nearest};
use crate::key::Keys;

impl Operator {
    /// The operator that a table describes; `None` means that a fault was recorded.
    pub(crate) fn read<'s>(document: &mut Document<'s>, mut table: Table<'s>, keys: &Keys) -> Option<Self> {
        let name: Spanned<String> = table.required(document, "op")?;
        let operator = match name.get_ref().as_str() {
            "keep" => Some(Self::Keep),
            "drop" => {
                // The reason is for the reader of the agreement; it changes nothing.
                let _: Option<String> = table.optional(document, "why");
                Some(Self::Drop)
            }
            "constant" => read_constant(document, &mut table).map(Self::Constant),
            "exists" => Some(Self::Exists),
            "mask" => read_mask(document, &mut table).map(Self::Mask),
            "date" => read_level(document, &mut table, &DateTo::ALL.map(|to| (to.name(), to))).map(Self::Date),
            "region" => read_level(document, &mut table, &RegionTo::ALL.map(|to| (to.name(), to))).map(Self::Region),
            "bucket" => read_bucket(document, &mut table).map(Self::Bucket),
            "pseudonym" => read_pseudonym(document, &mut table, keys).map(Self::Pseudonym),
            unknown => {
                let known = Self::NAMES.map(str::to_owned);
                let hint = nearest(unknown, &known).map_or_else(
                    || format!("one of {}", Self::NAMES.join(", ")),
                    |name| format!("did you mean `{name}`?"),
                );
                document.fault(name.span(), format!("operator `{unknown}` is not known"), Some(hint));
                return None;
            }
        };
        table.finish(document);
        operator
    }
}

/// The value is repeated in every row, so its length is bounded; an empty text would read as a null.
fn read_constant<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<String> {
    let value: Spanned<String> = table.required(document, "value")?;
    let length = value.get_ref().chars().count();
    if (1..=CONSTANT_CHARS_MAX).contains(&length) {
        return Some(value.into_inner());
    }
    let message = format!("`value` has 1 to {CONSTANT_CHARS_MAX} characters, not {length}");
    document.fault(value.span(), message, None);
    None
}

/// Longest constant, in characters.
const CONSTANT_CHARS_MAX: usize = 100;

fn read_mask<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<Mask> {
    let first = table.or(document, "first", 0);
    let last = table.or(document, "last", 0);
    let cover: Option<Spanned<String>> = table.optional(document, "char");
    let Some(cover) = cover else {
        return Some(Mask {
            first,
            last,
            cover: '＊',
        });
    };
    let mut chars = cover.get_ref().chars();
    if let (Some(one), None) = (chars.next(), chars.next())
        && !one.is_control()
    {
        return Some(Mask {
            first,
            last,
            cover: one,
        });
    }
    document.fault(cover.span(), "`char` is exactly one character".into(), None);
    None
}

fn read_level<'s, T: Copy>(document: &mut Document<'s>, table: &mut Table<'s>, levels: &[(&str, T)]) -> Option<T> {
    let to: Spanned<String> = table.required(document, "to")?;
    let found = levels.iter().find(|(name, _)| name == to.get_ref());
    if found.is_none() {
        let names: Vec<&str> = levels.iter().map(|(name, _)| *name).collect();
        let message = format!("level `{}` is not known", to.get_ref());
        document.fault(to.span(), message, Some(format!("one of {}", names.join(", "))));
    }
    found.map(|(_, level)| *level)
}

fn read_bucket<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<Bucket> {
    let edges: Spanned<Vec<i64>> = table.required(document, "edges")?;
    let span = edges.span();
    let bucket = Bucket::new(edges.into_inner());
    if bucket.is_none() {
        let message = "`edges` are whole numbers in strictly ascending order, at least one";
        document.fault(span, message.into(), None);
    }
    bucket
}

fn read_pseudonym<'s>(document: &mut Document<'s>, table: &mut Table<'s>, keys: &Keys) -> Option<Pseudonym> {
    let id: Spanned<String> = table.required(document, "key")?;
    let Some(key) = keys.find(id.get_ref()) else {
        let message = format!("key `{}` is not in keys.toml", id.get_ref());
        document.fault(id.span(), message, keys.suggest(id.get_ref()));
        return None;
    };
    Some(Pseudonym {
        key: Arc::new(key.clone()),
    })
}
