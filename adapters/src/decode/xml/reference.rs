//! References of XML: what stands for a letter, in text and in the values of attributes.
//!
//! Takes references and tags; gives letters and values. Knows the five entities that XML itself defines and no other: no document type is read.

use quick_xml::escape::{resolve_xml_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart};

/// What a reference stands for, if anything defines it.
pub(crate) fn letter(reference: &BytesRef<'_>) -> Option<char> {
    match reference.resolve_char_ref().ok()? {
        Some(letter) => Some(letter),
        None => resolve_xml_entity(reference)?.chars().next(),
    }
}

/// The attribute of that name, without regard to its prefix, references resolved.
pub(crate) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = tag.attributes();
    let found = attributes
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == name)?;
    unescape(&found.value).ok().map(std::borrow::Cow::into_owned)
}
