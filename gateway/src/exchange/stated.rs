//! What a sender states of a whole file: `Exchange-Constants: month=202511`, where the month of a list stands only in its title or its name.
//!
//! Takes the header, a dictionary (RFC 9651) of fields and codes; gives a [`Stated`]. Refuses what is no such dictionary, a field twice, a field that the
//! record type does not have, and a value that is no code of it: what is stated goes into the log. Which fields may be stated a layout says.

use std::fmt;

use sfv::{BareItem, Dictionary, ListEntry, Parser};
use shuguan_adapters::catalogue::RecordType;

use super::mode::is_code;

/// Fields that may be stated of one file.
const FIELDS_MAX: usize = 16;

/// Fields and codes, by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated(Vec<(&'static str, String)>);

impl Stated {
    /// Reads `month=202511, hukou_region="320706"`: a code is a whole number, a token or a string.
    ///
    /// # Errors
    /// What is wrong with it, without a value.
    pub fn parse(record: &'static RecordType, text: &str) -> Result<Self, &'static str> {
        let mut stated: Vec<(&'static str, String)> = Vec::new();
        for member in text.split(',') {
            let (name, code) = member_of(member)?;
            let field = record.field(&name).ok_or("it names no field of the record type")?;
            if !is_code(&field.kind, &code) {
                return Err("it states codes only: a division, a month, or a code of the field's table");
            }
            if stated.iter().any(|(known, _)| *known == field.name) {
                return Err("it states one field twice");
            }
            stated.push((field.name, code));
        }
        if stated.len() > FIELDS_MAX {
            return Err("it states more than 16 fields");
        }
        stated.sort_unstable();
        Ok(Self(stated))
    }

    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each field with its code.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(field, code)| (*field, code.as_str()))
    }
}

impl fmt::Display for Stated {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.pairs().map(|(field, code)| format!("{field}={code}")).collect();
        out.write_str(&pairs.join(","))
    }
}

/// One member of the dictionary. No code holds a comma, so that each is one by itself, and none is lost where a name comes twice.
fn member_of(member: &str) -> Result<(String, String), &'static str> {
    const SHAPE: &str = "it is a dictionary of fields and codes, such as `month=202511`";
    let dictionary: Dictionary = Parser::new(member.trim()).parse().map_err(|_| SHAPE)?;
    let mut members = dictionary.into_iter();
    let (Some((name, ListEntry::Item(item))), None) = (members.next(), members.next()) else {
        return Err(SHAPE);
    };
    if !item.params.is_empty() {
        return Err(SHAPE);
    }
    let code = match &item.bare_item {
        // A code begins with the zeros that it has, which a number does not keep.
        BareItem::Integer(_) => member.split_once('=').map(|(_, digits)| digits.trim().to_owned()),
        BareItem::Token(token) => Some(token.as_str().to_owned()),
        BareItem::String(text) => Some(text.as_str().to_owned()),
        _ => None,
    };
    Ok((name.as_str().to_owned(), code.ok_or(SHAPE)?))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use shuguan_adapters::catalogue::record_type;

    use super::Stated;

    fn stated(text: &str) -> Result<String, &'static str> {
        let record = record_type("civil-affairs/subsistence-allowance").unwrap();
        Stated::parse(record, text).map(|stated| stated.to_string())
    }

    #[test]
    fn fields_and_codes_have_one_spelling() {
        for text in ["month=202511", " month=202511 ", "month=\"202511\""] {
            assert_eq!(stated(text).as_deref(), Ok("month=202511"), "{text}");
        }
    }

    #[test]
    fn what_is_no_dictionary_of_codes_is_refused() {
        for text in [
            "",
            ",",
            "month",
            "month=",
            "month=202511,",
            "month=202511;a=1",
            "month=(202511)",
            "month=?1",
            "month=2025.11",
            "month=-202511",
            "month=20251",
            "month=\"2025年11月\"",
            "Month=202511",
            "nobody=202511",
            "name=\"甲\"",
            "name=jia",
            "citizen_id=320706188002290004",
            "month=202511, month=202510",
            "month=202511, month=202511",
        ] {
            assert!(stated(text).is_err(), "{text}");
        }
    }
}
