//! `Signature-Input` and `Signature` (RFC 9421, 4), read and written with one spelling.
//!
//! Takes header fields; gives the one signature in them with its parameters. Refuses two fields of a name, two signatures, another label,
//! other components or another order than the profile's, a parameter that is missing, unknown, of another type or in another place. Both
//! fields must be written as RFC 9651, 4.1 serialises them: a label or parameter that stands twice, a blank too many, base64 with stray
//! bits are all another text than the one that is written back, so none of them can be read in two ways.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, FieldType, InnerList, ListEntry, Parser};

use super::base::Component;
use super::key::Algorithm;
use super::profile::{Parameters, Profile};

/// `Signature-Input`
pub const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
/// `Signature`
pub const SIGNATURE: HeaderName = HeaderName::from_static("signature");

/// Longest field that is read.
const FIELD_BYTES_MAX: usize = 2_048;
/// Characters of a nonce.
const NONCE_CHARS: std::ops::RangeInclusive<usize> = 16..=64;

/// What a signature says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// Until when it holds, and what makes it unique; requests only.
    pub once: Option<Once>,
    /// Id of the key.
    pub keyid: String,
    /// Algorithm.
    pub algorithm: Algorithm,
}

/// What keeps a signed request from being sent a second time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// Seconds since 1970.
    pub expires: i64,
    /// 16 to 64 characters, of which the sender never uses the same twice.
    pub nonce: String,
}

/// One signature as the fields have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it says of itself.
    pub statement: Statement,
    /// The value of `@signature-params`.
    pub parameters: String,
    /// 64 bytes, as both algorithms have it.
    pub signature: [u8; 64],
}

/// Why the fields are not the signature that the profile has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputFault {
    /// One of the two fields without the other, or one of them twice.
    #[error("`Signature-Input` and `Signature` stand once each, or neither does")]
    Fields,
    /// Not a dictionary, or not as RFC 9651 writes it.
    #[error("`Signature-Input` or `Signature` is not written as RFC 9651 writes it")]
    Spelling,
    /// Another label, or a second signature.
    #[error("there is not exactly one signature, with the label of its kind")]
    Label,
    /// Other components than the profile's, or in another order.
    #[error("the covered components are not those of its kind, in their order")]
    Components,
    /// A parameter is missing, unknown, of another type, or in another place.
    #[error("the parameters are not those of its kind, in their order")]
    Parameters,
    /// Another tag.
    #[error("the tag is not that of its kind")]
    Tag,
    /// Not 64 bytes.
    #[error("the signature is not 64 bytes")]
    Length,
}

/// Reads the one signature of a message; none: it has neither field.
///
/// # Errors
/// See [`InputFault`].
pub fn read(headers: &HeaderMap, profile: &Profile, components: &[Component]) -> Result<Option<Found>, InputFault> {
    if !headers.contains_key(SIGNATURE_INPUT) && !headers.contains_key(SIGNATURE) {
        return Ok(None);
    }
    let input = only(headers, &SIGNATURE_INPUT)?;
    let signature = only(headers, &SIGNATURE)?;
    let ListEntry::InnerList(input) = member(input, profile)? else {
        return Err(InputFault::Spelling);
    };
    let signature = match member(signature, profile)? {
        ListEntry::Item(item) if item.params.is_empty() => match item.bare_item {
            BareItem::ByteSequence(bytes) => bytes.try_into().map_err(|_| InputFault::Length)?,
            _ => return Err(InputFault::Spelling),
        },
        _ => return Err(InputFault::Spelling),
    };
    if !covers(&input, components) {
        return Err(InputFault::Components);
    }
    let statement = statement(&input, profile)?;
    let parameters = write(components, &statement, profile);
    Ok(Some(Found {
        statement,
        parameters,
        signature,
    }))
}

/// The field, when it stands once and is of a bearable length.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, InputFault> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(InputFault::Fields);
    };
    let text = value.to_str().map_err(|_| InputFault::Spelling)?;
    (text.len() <= FIELD_BYTES_MAX)
        .then_some(text)
        .ok_or(InputFault::Spelling)
}

/// The only member of a dictionary that is written as we would write it.
fn member(text: &str, profile: &Profile) -> Result<ListEntry, InputFault> {
    let parsed: Dictionary = Parser::new(text).parse().map_err(|_| InputFault::Spelling)?;
    if parsed.serialize().as_deref() != Some(text) {
        return Err(InputFault::Spelling);
    }
    let mut members = parsed.into_iter();
    match (members.next(), members.next()) {
        (Some((label, member)), None) if label.as_str() == profile.label => Ok(member),
        _ => Err(InputFault::Label),
    }
}

fn covers(input: &InnerList, components: &[Component]) -> bool {
    let same = |(item, component): (&sfv::Item, &Component)| {
        let name = item
            .bare_item
            .as_string()
            .is_some_and(|name| name.as_str() == component.name);
        let mut params = item.params.iter();
        let req = match (params.next(), params.next()) {
            (None, None) => Some(false),
            (Some((key, value)), None) if key.as_str() == "req" => value.as_boolean(),
            _ => None,
        };
        name && req == Some(component.of_request)
    };
    input.items.len() == components.len() && input.items.iter().zip(components).all(same)
}

fn statement(input: &InnerList, profile: &Profile) -> Result<Statement, InputFault> {
    let mut params = input.params.iter();
    let mut next = |wanted: &str| {
        let (key, value) = params.next().ok_or(InputFault::Parameters)?;
        (key.as_str() == wanted).then_some(value).ok_or(InputFault::Parameters)
    };
    let created = seconds(next("created")?)?;
    let once = match profile.parameters {
        Parameters::Answer => None,
        Parameters::Request => Some(Once {
            expires: seconds(next("expires")?)?,
            nonce: nonce(next("nonce")?)?,
        }),
    };
    let keyid = string(next("keyid")?)?.to_owned();
    let algorithm = Algorithm::named(string(next("alg")?)?).ok_or(InputFault::Parameters)?;
    let tag = string(next("tag")?)?;
    if params.next().is_some() {
        return Err(InputFault::Parameters);
    }
    if tag != profile.tag {
        return Err(InputFault::Tag);
    }
    Ok(Statement {
        created,
        once,
        keyid,
        algorithm,
    })
}

fn seconds(value: &BareItem) -> Result<i64, InputFault> {
    value.as_integer().map(i64::from).ok_or(InputFault::Parameters)
}

fn string(value: &BareItem) -> Result<&str, InputFault> {
    value
        .as_string()
        .map(sfv::StringRef::as_str)
        .ok_or(InputFault::Parameters)
}

/// Letters, digits and what base64 has besides: nothing that would have to be escaped.
fn nonce(value: &BareItem) -> Result<String, InputFault> {
    let text = string(value)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
    (NONCE_CHARS.contains(&text.len()) && text.bytes().all(plain))
        .then(|| text.to_owned())
        .ok_or(InputFault::Parameters)
}

/// The value of `@signature-params`: components and parameters in the order of the profile. Key ids, nonces, names and tags hold neither
/// quotes nor backslashes, so nothing is escaped.
pub fn write(components: &[Component], statement: &Statement, profile: &Profile) -> String {
    let names: Vec<String> = components.iter().map(ToString::to_string).collect();
    let mut text = format!("({});created={}", names.join(" "), statement.created);
    // Writing to a String cannot fail.
    if let Some(Once { expires, nonce }) = &statement.once {
        let _ = write!(text, ";expires={expires};nonce=\"{nonce}\"");
    }
    let (keyid, algorithm) = (&statement.keyid, statement.algorithm.name());
    let _ = write!(text, ";keyid=\"{keyid}\";alg=\"{algorithm}\";tag=\"{}\"", profile.tag);
    text
}
