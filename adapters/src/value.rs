//! Values: what one field of one record says, after validation and normalisation.
//!
//! Takes the text as a source sent it; gives it in its one canonical form, or nothing where the source wrote a placeholder. Refuses
//! with a [`RejectCode`]. Allocates nothing once the [`Scratch`] has grown; a value that is canonical as sent is lent, not copied.

pub mod citizen_id;
pub mod date;
mod document;
mod fold;
pub mod name;
mod number;
mod org_code;
pub mod permanent_residence;
mod phone;
mod private_use;
mod reg_no;
pub mod region;
pub mod taxpayer_id;
mod text;
pub mod uscc;
mod usual;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::catalogue::{Field, FieldType};
use crate::reject::RejectCode;

pub use fold::trimmed;
pub(crate) use usual::usual;

/// What a field says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing, or a placeholder that means nothing.
    Missing,
    /// Text in canonical form; columns of type `Utf8`.
    Text(&'a str),
    /// Days since 1970-01-01; columns of type `Date32`.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z; columns of type `Timestamp(µs, UTC)`.
    Instant(i64),
    /// A whole number; columns of type `Int64`.
    Integer(i64),
}

/// Names the form only: what it says is personal data.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Text(_) => "Text(…)",
            Self::Date(_) => "Date(…)",
            Self::Instant(_) => "Instant(…)",
            Self::Integer(_) => "Integer(…)",
        })
    }
}

/// Room for values that are not canonical as sent; kept from record to record by whoever decodes.
#[derive(Default)]
pub struct Scratch {
    folded: String,
    made: String,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch(…)")
    }
}

/// Whether a source means nothing by it, whatever the field: blank, or a placeholder.
pub fn says_nothing(sent: &str) -> bool {
    let sent = trimmed(sent);
    sent.is_empty() || fold::is_placeholder(sent)
}

/// Reads one value of `field`. `today` is the day of reception in Asia/Shanghai, in days since 1970-01-01.
///
/// A required field that says nothing is refused as [`RejectCode::Missing`]; any other gives [`Value::Missing`].
pub fn parse<'a>(field: &Field, sent: &'a str, scratch: &'a mut Scratch, today: i32) -> Result<Value<'a>, RejectCode> {
    match usual(field, sent, today) {
        Some(value) => Ok(value),
        None => parse_closely(field, sent, scratch, today),
    }
}

/// The same of any text, without the look at what is usual.
pub(crate) fn parse_closely<'a>(
    field: &Field,
    sent: &'a str,
    scratch: &'a mut Scratch,
    today: i32,
) -> Result<Value<'a>, RejectCode> {
    let value = read(field, sent, scratch, today).map_err(|code| {
        // A NUL is worth naming as such whatever the field made of it.
        if sent.contains('\0') {
            RejectCode::NulCharacter
        } else {
            code
        }
    })?;
    match value {
        Value::Missing if field.required => Err(RejectCode::Missing),
        value => Ok(value),
    }
}

fn read<'a>(field: &Field, sent: &'a str, scratch: &'a mut Scratch, today: i32) -> Result<Value<'a>, RejectCode> {
    let sent = trimmed(sent);
    if sent.is_empty() {
        return Ok(Value::Missing);
    }
    // A code table may hold what elsewhere is a placeholder: 0 is a sex, 无 a military status.
    if let FieldType::Code(table) = field.kind {
        let code = table
            .canonical(sent)
            .or_else(|| table.canonical(fold::identifier(sent, &mut scratch.folded)));
        return match code {
            Some(code) => Ok(Value::Text(code)),
            None if fold::is_placeholder(sent) => Ok(Value::Missing),
            None => Err(RejectCode::UnknownCode),
        };
    }
    if fold::is_placeholder(sent) {
        return Ok(Value::Missing);
    }
    if let FieldType::Integer(max) = field.kind {
        return number::integer(sent, max).map(Value::Integer);
    }
    if let FieldType::Decimal(scale) = field.kind {
        return number::decimal(sent, scale, scratch).map(Value::Text);
    }
    if matches!(sent, "0" | "０") {
        return Ok(Value::Missing);
    }
    match field.kind {
        FieldType::CitizenId => citizen_id::parse(sent, scratch, today).map(Value::Text),
        FieldType::Uscc => uscc::parse(sent, scratch).map(Value::Text),
        FieldType::OrgCode => org_code::parse(sent, scratch).map(Value::Text),
        FieldType::RegNo => reg_no::parse(sent, scratch).map(Value::Text),
        FieldType::TaxpayerId => taxpayer_id::parse(sent, scratch).map(Value::Text),
        FieldType::DocumentNo(max) => match document::parse(field.name, sent, max, scratch)? {
            // A placeholder in full width or with blanks in it shows only now.
            number if number == "0" || fold::is_placeholder(number) => Ok(Value::Missing),
            number => Ok(Value::Text(number)),
        },
        FieldType::Name => name::parse(sent, scratch).map(Value::Text),
        FieldType::Text(max) => text::parse(sent, max, scratch).map(Value::Text),
        FieldType::Region => region::parse(sent, scratch).map(Value::Text),
        FieldType::Division(digits) => region::division(sent, digits, scratch).map(Value::Text),
        FieldType::Month => date::month(sent, scratch).map(|month| month.map_or(Value::Missing, Value::Text)),
        FieldType::Phone => phone::parse(sent, scratch).map(|phone| phone.map_or(Value::Missing, Value::Text)),
        FieldType::Date => match date::day(sent)? {
            Some(day) if day > today && field.past => Err(RejectCode::FutureDate),
            day => Ok(day.map_or(Value::Missing, Value::Date)),
        },
        FieldType::Instant => match date::instant(sent)? {
            Some(at) if date::shanghai_day(at) > today && field.past => Err(RejectCode::FutureDate),
            at => Ok(at.map_or(Value::Missing, Value::Instant)),
        },
        // Answered above.
        FieldType::Code(_) | FieldType::Integer(_) | FieldType::Decimal(_) => Ok(Value::Missing),
    }
}
