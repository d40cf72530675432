//! Signing: what a partner's client sends, and what the gateway answers.
//!
//! Takes a message with all its fields; gives the two fields that sign it. An answer's signature is a function of the answer: Ed25519 with
//! `created` from the log, no nonce, so that a repeated answer has the same bytes (C4).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};

use super::base::{self, BaseFault, Message};
use super::input::{self, Once, SIGNATURE, SIGNATURE_INPUT, Statement};
use super::key::{KeyFault, MessageKey};
use super::profile::{LIFE_S_MAX, Profile};

/// Why a message could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignFault {
    /// A component is missing.
    #[error(transparent)]
    Base(#[from] BaseFault),
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeyFault),
}

/// The two fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// `Signature-Input`
    pub input: String,
    /// `Signature`
    pub signature: String,
}

impl Fields {
    /// Puts them into a message's head.
    pub fn put(&self, headers: &mut HeaderMap) {
        for (name, text) in [(SIGNATURE_INPUT, &self.input), (SIGNATURE, &self.signature)] {
            // Both are visible ASCII.
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        }
    }
}

/// Signs a request, for five minutes.
///
/// # Errors
/// See [`SignFault`].
pub fn request(
    profile: &Profile,
    message: &Message<'_>,
    key: &MessageKey,
    now_s: i64,
    nonce: [u8; 16],
) -> Result<Fields, SignFault> {
    let once = Once {
        expires: now_s + LIFE_S_MAX,
        nonce: URL_SAFE_NO_PAD.encode(nonce),
    };
    sign(profile, message, key, now_s, Some(once))
}

/// Signs an answer as of a moment.
///
/// # Errors
/// See [`SignFault`].
pub fn answer(profile: &Profile, message: &Message<'_>, key: &MessageKey, created: i64) -> Result<Fields, SignFault> {
    sign(profile, message, key, created, None)
}

fn sign(
    profile: &Profile,
    message: &Message<'_>,
    key: &MessageKey,
    created: i64,
    once: Option<Once>,
) -> Result<Fields, SignFault> {
    let components = profile.components(message);
    let statement = Statement {
        created,
        once,
        keyid: key.public().id().to_owned(),
        algorithm: key.public().algorithm(),
    };
    let parameters = input::write(&components, &statement, profile);
    let base = base::base(&components, &parameters, message)?;
    let signature = key.sign(&base)?;
    let label = profile.label;
    Ok(Fields {
        input: format!("{label}={parameters}"),
        signature: format!("{label}=:{}:", BASE64.encode(signature)),
    })
}
