//! `Content-Digest` and `Repr-Digest` (RFC 9530): `sha-256=:BASE64:` and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName};

/// `Content-Digest`
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// `Repr-Digest`
pub const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The field value.
pub fn write(value: &[u8; 32]) -> String {
    format!("sha-256=:{}:", BASE64.encode(value))
}

/// Reads a field value; another algorithm, a second one or another form is none.
pub fn read(text: &str) -> Option<[u8; 32]> {
    let encoded = text.strip_prefix("sha-256=:")?.strip_suffix(':')?;
    BASE64.decode(encoded).ok()?.try_into().ok()
}

/// The digest that a message states. The outer `None`: it states none.
pub fn stated(headers: &HeaderMap) -> Option<Option<[u8; 32]>> {
    let mut values = headers.get_all(CONTENT_DIGEST).iter();
    let value = values.next()?;
    let once = values.next().is_none();
    Some(value.to_str().ok().filter(|_| once).and_then(read))
}
