//! Values that are canonical as sent, as nearly all are, told at one look.
//!
//! Takes the text as sent; gives what it says where nothing in it asks for a closer look: no blank or mark around it, no placeholder, no other
//! width, case or spelling. Gives nothing for everything else, what is refused included, and never another value than the closer look would.

use super::fold::{any_byte, is_bare, is_digits, is_placeholder};
use super::{Value, citizen_id, date, name, phone, region, text};
use crate::catalogue::{Field, FieldType};

/// What the text says, when that is beyond doubt.
#[expect(clippy::inline_always, reason = "one call a value is what this saves")]
#[inline(always)]
pub(crate) fn usual<'a>(field: &Field, sent: &'a str, today: i32) -> Option<Value<'a>> {
    let bytes = sent.as_bytes();
    if bytes.is_empty() {
        return (!field.required).then_some(Value::Missing);
    }
    let is_canonical = match field.kind {
        FieldType::Date => {
            let day = date::usual_day(bytes)?;
            return (day <= today || !field.past).then_some(Value::Date(day));
        }
        FieldType::Instant => {
            let (at, day) = date::usual_instant(bytes)?;
            return (day <= today || !field.past).then_some(Value::Instant(at));
        }
        FieldType::Code(table) => return table.exact(sent).map(Value::Text),
        FieldType::CitizenId => citizen_id::check(bytes.try_into().ok()?, today).is_ok(),
        FieldType::Region => bytes.len() == 6 && region::is_in_province(bytes),
        FieldType::Division(digits) => bytes.len() == usize::from(digits) && region::is_in_province(bytes),
        FieldType::DocumentNo(max) => {
            let has_form = matches!(field.name, "birth_cert_no" | "disability_no");
            !has_form && (2..=usize::from(max)).contains(&bytes.len()) && is_digits(bytes)
        }
        FieldType::Phone => phone::is_usual(sent),
        FieldType::Name => name::is_usual(sent) && !is_placeholder(sent),
        FieldType::Text(max) => {
            let is_word = is_bare(bytes) && !is_placeholder(sent) && sent != "0";
            is_word && bytes.len() <= usize::from(max) && !any_byte(bytes, text::is_suspect)
        }
        FieldType::Uscc
        | FieldType::OrgCode
        | FieldType::RegNo
        | FieldType::TaxpayerId
        | FieldType::Month
        | FieldType::Integer(_)
        | FieldType::Decimal(_) => false,
    };
    is_canonical.then_some(Value::Text(sent))
}
