//! Operators: how a granted field is reduced. Column in, column out, one file an operator.
//!
//! Nulls stay nulls, except under `constant` (always the value), `exists` (always a yes or no) and `equal` (`absent`). Outputs are
//! built anew, so they hold no byte of the input that no row shows. Not every operator fits every type: [`Operator::fits`] says so when
//! a bundle loads. Which of two discloses less stands in `disclosure`.

pub mod address;
pub mod age_band;
pub mod birth_of;
pub mod bucket;
pub mod constant;
pub mod date;
pub mod date_shift;
mod decode;
pub mod equal;
pub mod exists;
pub mod map;
pub mod mask;
pub mod pseudonym;
mod read;
pub mod region;
pub mod round;
pub mod sex_of;
pub mod token;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;

use crate::canonical::Canonical;
use crate::compact::compact;
use crate::key::{Key, KeyRing};
use crate::plan::ReleaseError;
use address::Address;
use age_band::AgeBand;
use bucket::Bucket;
use date::DateTo;
use date_shift::DateShift;
use equal::Equal;
use map::Map;
use mask::Mask;
use pseudonym::Pseudonym;
use region::RegionTo;
use round::Round;
use token::Token;

/// How one granted field is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// As it is.
    Keep,
    /// Not at all; written down to show intent.
    Drop,
    /// One text for every row.
    Constant(String),
    /// Whether there is a value.
    Exists,
    /// Whether it is what the caller claims; compare mode only.
    Equal(Equal),
    /// The interval that a number lies in.
    Bucket(Bucket),
    /// A multiple of a step.
    Round(Round),
    /// The band of years that an age lies in.
    AgeBand(AgeBand),
    /// Cut to the day, month, quarter or year.
    Date(DateTo),
    /// Cut to the town, county, city or province.
    Region(RegionTo),
    /// An address cut to a place.
    Address(Address),
    /// The sex that a resident id gives away.
    SexOf,
    /// The birth date that a resident id gives away.
    BirthOf(DateTo),
    /// Some characters covered.
    Mask(Mask),
    /// A keyed pseudonym: only equality is left.
    Pseudonym(Pseudonym),
    /// A date moved by an unknown number of days.
    DateShift(DateShift),
    /// Another number of the same form.
    Token(Token),
    /// Codes put together.
    Map(Map),
}

/// What an operator reads beside its column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside<'b> {
    /// The field, for messages.
    pub(crate) field: &'static str,
    /// The column that [`Operator::companion`] names.
    pub(crate) companion: Option<&'b ArrayRef>,
    /// Derived keys.
    pub(crate) keys: &'b KeyRing,
    /// The day of the exchange in Asia/Shanghai, days since 1970-01-01.
    pub(crate) today: i32,
}

impl Operator {
    /// Names of all operators, as agreements write them.
    pub const NAMES: [&'static str; 18] = [
        "keep",
        "drop",
        "constant",
        "exists",
        "equal",
        "bucket",
        "round",
        "age_band",
        "date",
        "region",
        "address",
        "sex_of",
        "birth_of",
        "mask",
        "pseudonym",
        "date_shift",
        "token",
        "map",
    ];

    /// The word that agreements use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::Constant(_) => "constant",
            Self::Exists => "exists",
            Self::Equal(_) => "equal",
            Self::Bucket(_) => "bucket",
            Self::Round(_) => "round",
            Self::AgeBand(_) => "age_band",
            Self::Date(_) => "date",
            Self::Region(_) => "region",
            Self::Address(_) => "address",
            Self::SexOf => "sex_of",
            Self::BirthOf(_) => "birth_of",
            Self::Mask(_) => "mask",
            Self::Pseudonym(_) => "pseudonym",
            Self::DateShift(_) => "date_shift",
            Self::Token(_) => "token",
            Self::Map(_) => "map",
        }
    }

    /// The operator with its arguments, for people, e.g. `mask first=1 last=0 char=＊`.
    pub fn describe(&self) -> String {
        match self {
            Self::Keep | Self::Drop | Self::Exists | Self::SexOf => self.name().to_owned(),
            Self::Constant(value) => format!("constant {value:?}"),
            Self::Equal(equal) => format!("equal normalise={}", equal.name()),
            Self::Bucket(bucket) => bucket.describe(),
            Self::Round(round) => format!("round step={}", round.step),
            Self::AgeBand(band) => band.describe(),
            Self::Date(to) => format!("date to {}", to.name()),
            Self::Region(to) => format!("region to {}", to.name()),
            Self::Address(address) => address.describe(),
            Self::BirthOf(to) => format!("birth_of to {}", to.name()),
            Self::Mask(mask) => mask.describe(),
            Self::Pseudonym(pseudonym) if pseudonym.bytes == pseudonym::BYTES => {
                format!("pseudonym key {}", pseudonym.key.id)
            }
            Self::Pseudonym(pseudonym) => format!("pseudonym key {} bytes={}", pseudonym.key.id, pseudonym.bytes),
            Self::DateShift(shift) => format!(
                "date_shift days={} subject={} key {}",
                shift.days, shift.subject, shift.key.id
            ),
            Self::Token(token) => format!("token kind={} key {}", token.kind.name(), token.key.id),
            Self::Map(map) => map.describe(),
        }
    }

    /// The column type it makes of a field of this type.
    ///
    /// # Errors
    /// Says why the operator does not fit the type; the bundle does not load.
    pub fn fits(&self, kind: &FieldType) -> Result<DataType, String> {
        match self {
            Self::Keep => Ok(kind.data_type()),
            Self::Drop | Self::Constant(_) => Ok(DataType::Utf8),
            Self::Exists => Ok(DataType::Boolean),
            Self::Equal(equal) => equal::fits(*equal, kind),
            Self::Bucket(_) => bucket::fits(kind),
            Self::Round(round) => round.fits(kind),
            Self::AgeBand(_) => age_band::fits(kind),
            Self::Date(to) => to.fits(kind),
            Self::Region(to) => region::fits(*to, kind),
            Self::Address(_) => address::fits(kind),
            Self::SexOf => sex_of::fits(kind),
            Self::BirthOf(to) => birth_of::fits(*to, kind),
            Self::Mask(_) => mask::fits(kind),
            Self::Pseudonym(_) => pseudonym::fits(kind),
            Self::DateShift(_) => date_shift::fits(kind),
            Self::Token(token) => token.kind.fits(kind),
            Self::Map(map) => map.fits(kind),
        }
    }

    /// Whether it needs the column at all; `constant` and `drop` do not, so the field is not even decoded.
    pub fn reads_source(&self) -> bool {
        !matches!(self, Self::Drop | Self::Constant(_))
    }

    /// The key it uses, if any.
    pub fn key(&self) -> Option<&Arc<Key>> {
        match self {
            Self::Pseudonym(pseudonym) => Some(&pseudonym.key),
            Self::DateShift(shift) => Some(&shift.key),
            Self::Token(token) => Some(&token.key),
            _ => None,
        }
    }

    /// Another field that it reads: the division code of an address, the subject of a shifted date.
    pub fn companion(&self) -> Option<&str> {
        match self {
            Self::Address(address) => Some(&address.code),
            Self::DateShift(shift) => Some(&shift.subject),
            _ => None,
        }
    }

    /// Applies it to one column. The result is compact (see `compact`), as long as the input.
    ///
    /// # Errors
    /// [`ReleaseError::IllTyped`] when a column is not of the type that the plan was compiled for, [`ReleaseError::NoToken`] when a
    /// value has none; no value is named.
    pub(crate) fn apply(&self, column: &ArrayRef, beside: &Beside<'_>) -> Result<ArrayRef, ReleaseError> {
        let field = beside.field;
        let ill_typed = || ReleaseError::IllTyped { field };
        let text = || text_of(column).ok_or_else(ill_typed);
        let days = || column.as_primitive_opt::<Date32Type>().ok_or_else(ill_typed);
        let companion = || beside.companion.and_then(text_of).ok_or_else(ill_typed);
        let hmac = |key: &Key| beside.keys.hmac(key).ok_or(ReleaseError::Key);
        Ok(match self {
            Self::Keep => compact(column).ok_or_else(ill_typed)?,
            // Neither gets here: `drop` is no column, `equal` answers a claim (see `compare`).
            Self::Drop | Self::Equal(_) => return Err(ill_typed()),
            Self::Constant(value) => constant::apply(column.len(), value),
            Self::Exists => exists::apply(column.as_ref()),
            Self::Bucket(bucket) => match column.as_primitive_opt::<Int64Type>() {
                Some(integers) => bucket.apply_integers(integers),
                None => bucket.apply_decimals(text()?).ok_or_else(ill_typed)?,
            },
            Self::Round(round) => match column.as_primitive_opt::<Int64Type>() {
                Some(integers) => round.apply_integers(integers),
                None => round.apply_decimals(text()?).ok_or_else(ill_typed)?,
            },
            Self::AgeBand(band) => band.apply(days()?, beside.today),
            Self::Date(to) => match column.data_type() {
                DataType::Date32 => to.apply_days(days()?),
                DataType::Timestamp(..) => to.apply_instants(
                    column
                        .as_primitive_opt::<TimestampMicrosecondType>()
                        .ok_or_else(ill_typed)?,
                ),
                _ => to.apply_months(text()?),
            },
            Self::Region(to) => to.apply(text()?),
            Self::Address(address) => address.apply(text()?, companion()?),
            Self::SexOf => sex_of::apply(text()?),
            Self::BirthOf(to) => birth_of::apply(*to, text()?),
            Self::Mask(mask) => mask.apply(text()?),
            Self::Pseudonym(pseudonym) => pseudonym.apply(text()?, &hmac(&pseudonym.key)?),
            Self::DateShift(shift) => shift.apply(days()?, companion()?, &hmac(&shift.key)?),
            Self::Token(token) => {
                let machine = token.machine(beside.keys).ok_or(ReleaseError::Key)?;
                Token::apply(text()?, &machine).map_err(|_| ReleaseError::NoToken { field })?
            }
            Self::Map(map) => map.apply(text()?),
        })
    }

    pub(crate) fn encode(&self, out: &mut Canonical) {
        out.text(self.name());
        match self {
            Self::Keep | Self::Drop | Self::Exists | Self::SexOf => {}
            Self::Constant(value) => {
                out.text(value);
            }
            Self::Equal(equal) => {
                out.text(equal.name());
            }
            Self::Bucket(bucket) => {
                out.count(bucket.edges().len());
                for edge in bucket.edges() {
                    out.instant(*edge);
                }
            }
            Self::Round(round) => {
                out.instant(round.step);
            }
            Self::AgeBand(band) => {
                let (width, cap) = band.arguments();
                out.integer(width.into()).integer(cap.into());
            }
            Self::Date(to) | Self::BirthOf(to) => {
                out.text(to.name());
            }
            Self::Region(to) => {
                out.text(to.name());
            }
            Self::Address(address) => {
                out.text(address.to.name()).text(&address.code);
            }
            Self::Mask(mask) => {
                out.integer(mask.first.into()).integer(mask.last.into());
                out.text(mask.cover.encode_utf8(&mut [0; 4])).flag(mask.keep_length);
            }
            Self::Pseudonym(pseudonym) => {
                pseudonym.key.encode(out);
                out.integer(pseudonym.bytes.into());
            }
            Self::DateShift(shift) => {
                shift.key.encode(out);
                out.integer(shift.days.into()).text(&shift.subject);
            }
            Self::Token(token) => {
                out.text(token.kind.name());
                token.key.encode(out);
            }
            Self::Map(map) => {
                out.count(map.list.len());
                for (code, to) in &map.list {
                    out.text(code).text(to);
                }
                out.option(map.default.as_deref(), |out, to| {
                    out.text(to);
                });
            }
        }
    }
}

fn text_of(column: &ArrayRef) -> Option<&StringArray> {
    column.as_string_opt::<i32>()
}

#[cfg(test)]
mod tests;
