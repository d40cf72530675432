//! Reading `reduce.<field> = { op = "…", … }`.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;

use super::Operator;
use super::address::{Address, Level};
use super::age_band::AgeBand;
use super::bucket::Bucket;
use super::date::DateTo;
use super::date_shift::DateShift;
use super::equal::Equal;
use super::map::Map;
use super::mask::Mask;
use super::pseudonym::{self, Pseudonym};
use super::region::RegionTo;
use super::round::Round;
use super::token::{Token, TokenKind};
use crate::document::{Document, Table, nearest};
use crate::key::{Algorithm, Key, Keys};

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
            "equal" => Some(Self::Equal(read_equal(document, &mut table)?)),
            "bucket" => read_bucket(document, &mut table).map(Self::Bucket),
            "round" => read_round(document, &mut table).map(Self::Round),
            "age_band" => read_age_band(document, &mut table).map(Self::AgeBand),
            "date" => read_level(document, &mut table, "to", &DateTo::ALL.map(|to| (to.name(), to))).map(Self::Date),
            "region" => {
                read_level(document, &mut table, "to", &RegionTo::ALL.map(|to| (to.name(), to))).map(Self::Region)
            }
            "address" => read_address(document, &mut table).map(Self::Address),
            "sex_of" => Some(Self::SexOf),
            "birth_of" => {
                read_level(document, &mut table, "to", &DateTo::ALL.map(|to| (to.name(), to))).map(Self::BirthOf)
            }
            "mask" => read_mask(document, &mut table).map(Self::Mask),
            "pseudonym" => read_pseudonym(document, &mut table, keys).map(Self::Pseudonym),
            "date_shift" => read_date_shift(document, &mut table, keys).map(Self::DateShift),
            "token" => read_token(document, &mut table, keys).map(Self::Token),
            "map" => read_map(document, &mut table).map(Self::Map),
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
    let keep_length = table.or(document, "keep_length", true);
    let cover: Option<Spanned<String>> = table.optional(document, "char");
    let mask = |cover| Mask {
        first,
        last,
        cover,
        keep_length,
    };
    let Some(cover) = cover else {
        return Some(mask('＊'));
    };
    let mut chars = cover.get_ref().chars();
    if let (Some(one), None) = (chars.next(), chars.next())
        && !one.is_control()
    {
        return Some(mask(one));
    }
    document.fault(cover.span(), "`char` is exactly one character".into(), None);
    None
}

fn read_level<'s, T: Copy>(
    document: &mut Document<'s>,
    table: &mut Table<'s>,
    key: &str,
    levels: &[(&str, T)],
) -> Option<T> {
    let to: Spanned<String> = table.required(document, key)?;
    let found = levels.iter().find(|(name, _)| name == to.get_ref());
    if found.is_none() {
        let names: Vec<&str> = levels.iter().map(|(name, _)| *name).collect();
        let what = if key == "to" { "level" } else { key };
        let message = format!("{what} `{}` is not known", to.get_ref());
        document.fault(to.span(), message, Some(format!("one of {}", names.join(", "))));
    }
    found.map(|(_, level)| *level)
}

fn read_equal<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<Equal> {
    if !table.has("normalise") {
        return Some(Equal::None);
    }
    read_level(document, table, "normalise", &Equal::ALL.map(|one| (one.name(), one)))
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

fn read_round<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<Round> {
    let step: Spanned<i64> = table.required(document, "step")?;
    if *step.get_ref() < 1 {
        document.fault(step.span(), "`step` is a whole number above 0".into(), None);
        return None;
    }
    Some(Round {
        step: step.into_inner(),
    })
}

fn read_age_band<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<AgeBand> {
    let width: Option<Spanned<u16>> = table.required(document, "width");
    let cap: Option<Spanned<u16>> = table.required(document, "cap");
    let (width, cap) = (width?, cap?);
    let band = AgeBand::new(*width.get_ref(), *cap.get_ref());
    if band.is_none() {
        let message = "`width` is 2 or more and `cap` a multiple of it, at most 150";
        document.fault(cap.span(), message.into(), None);
    }
    band
}

fn read_address<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<Address> {
    let to = read_level(document, table, "to", &Level::ALL.map(|to| (to.name(), to)));
    let code = table.required(document, "code");
    Some(Address { to: to?, code: code? })
}

fn read_key<'s>(
    document: &mut Document<'s>,
    table: &mut Table<'s>,
    keys: &Keys,
    algorithm: Algorithm,
) -> Option<Arc<Key>> {
    let id: Spanned<String> = table.required(document, "key")?;
    let Some(key) = keys.find(id.get_ref()) else {
        let message = format!("key `{}` is not in keys.toml", id.get_ref());
        document.fault(id.span(), message, keys.suggest(id.get_ref()));
        return None;
    };
    if key.algorithm != algorithm {
        let message = format!("key `{}` is declared for `{}`", key.id, key.algorithm.name());
        let hint = format!("declare another with `alg = \"{}\"`", algorithm.name());
        document.fault(id.span(), message, Some(hint));
        return None;
    }
    Some(Arc::new(key.clone()))
}

fn read_pseudonym<'s>(document: &mut Document<'s>, table: &mut Table<'s>, keys: &Keys) -> Option<Pseudonym> {
    let bytes: Option<Spanned<u8>> = table.optional(document, "bytes");
    let key = read_key(document, table, keys, Algorithm::Hmac)?;
    let Some(bytes) = bytes else {
        let bytes = pseudonym::BYTES;
        return Some(Pseudonym { key, bytes });
    };
    if !(pseudonym::BYTES..=32).contains(bytes.get_ref()) {
        document.fault(
            bytes.span(),
            "`bytes` is 16 to 32: fewer would let values meet".into(),
            None,
        );
        return None;
    }
    Some(Pseudonym {
        key,
        bytes: bytes.into_inner(),
    })
}

fn read_date_shift<'s>(document: &mut Document<'s>, table: &mut Table<'s>, keys: &Keys) -> Option<DateShift> {
    let days: Option<Spanned<u16>> = table.required(document, "days");
    let subject = table.required(document, "subject");
    let key = read_key(document, table, keys, Algorithm::Hmac);
    let days = days?;
    if *days.get_ref() == 0 {
        document.fault(
            days.span(),
            "`days` is 1 or more: a shift of none hides nothing".into(),
            None,
        );
        return None;
    }
    Some(DateShift {
        days: days.into_inner(),
        key: key?,
        subject: subject?,
    })
}

fn read_token<'s>(document: &mut Document<'s>, table: &mut Table<'s>, keys: &Keys) -> Option<Token> {
    let kind = read_level(document, table, "kind", &TokenKind::ALL.map(|kind| (kind.name(), kind)))?;
    let key = read_key(document, table, keys, kind.algorithm())?;
    Some(Token { kind, key })
}

fn read_map<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<Map> {
    let list: Spanned<BTreeMap<String, String>> = table.required(document, "list")?;
    let default: Option<String> = table.optional(document, "default");
    let texts = list.get_ref().values().chain(&default);
    if texts.clone().any(String::is_empty) {
        document.fault(list.span(), "an empty text would read as a null".into(), None);
        return None;
    }
    Some(Map {
        list: list.into_inner(),
        default,
    })
}
