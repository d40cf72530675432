//! A signed request: is it signed by this partner, now, and for this?
//!
//! Takes a message, the kind that it must be, who sent it over TLS, and the moment at which its head was read; gives a [`Signed`]. Refuses
//! (`bad-signature`) what is not written or not signed as its kind is, (`stale-signature`) what is over, lives too long or comes from the
//! future, and keys that nobody or somebody else has, or that are revoked or over.
//!
//! A signature says nothing about a body whose digest nobody computed: who calls this must compare `content-digest` with the bytes.

use super::base::{self, Message};
use super::directory::{Holder, MessageKeys};
use super::input::{self, Once};
use super::key::PublicKey;
use super::profile::{KEY_KNOWN_S, LIFE_S_MAX, Profile, SKEW_S};
use crate::edge::revocation::RevocationSet;
use crate::exchange::Refused;
use crate::refusal::Refusal;

/// A signature that holds. Only [`request`] makes one.
///
/// ```compile_fail
/// let _ = |base: String| shuguan::signature::Signed { base };
/// ```
#[derive(Clone, Debug)]
pub struct Signed {
    base: String,
    signature: [u8; 64],
    keyid: String,
    certificate_sha256: [u8; 32],
    once: Once,
}

impl Signed {
    /// The text that was signed.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// 64 bytes.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// Id of the key.
    pub fn keyid(&self) -> &str {
        &self.keyid
    }

    /// SHA-256 of the message certificate.
    pub fn certificate_sha256(&self) -> [u8; 32] {
        self.certificate_sha256
    }

    /// What the sender never uses twice.
    pub fn nonce(&self) -> &str {
        &self.once.nonce
    }

    /// How long its nonce must be remembered, µs since 1970.
    pub fn remember_until_us(&self) -> i64 {
        (self.once.expires + SKEW_S).saturating_mul(1_000_000)
    }
}

/// Whom and when to judge by.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// Keys by id.
    pub keys: &'a MessageKeys,
    /// Who is revoked.
    pub revoked: &'a RevocationSet,
    /// SPIFFE id of whoever sent the request over TLS.
    pub sender: &'a str,
    /// When its head was in, seconds since 1970.
    pub now_s: i64,
}

/// Judges a request; none: it is not signed.
///
/// # Errors
/// [`Refusal::BadSignature`], [`Refusal::StaleSignature`], [`Refusal::UnknownSigner`], [`Refusal::SignerMismatch`],
/// [`Refusal::SignerRevoked`], [`Refusal::SignerExpired`].
pub fn request(profile: &Profile, message: &Message<'_>, judge: &Judge<'_>) -> Result<Option<Signed>, Refused> {
    let components = profile.components(message);
    let found = match input::read(message.headers, profile, &components) {
        Ok(None) => return Ok(None),
        Ok(Some(found)) => found,
        Err(fault) => return Err(bad(fault)),
    };
    let Some(once) = found.statement.once else {
        return Err(bad("it has no end"));
    };
    in_time(found.statement.created, once.expires, judge.now_s)?;
    let holder = holder(&found.statement.keyid, judge).map_err(Refused::new)?;
    if holder.key.algorithm() != found.statement.algorithm {
        return Err(bad("`alg` is not the algorithm of the key"));
    }
    let base = base::base(&components, &found.parameters, message).map_err(bad)?;
    if !holder.key.verifies(&base, &found.signature) {
        return Err(bad("the signature does not hold for this message and key"));
    }
    Ok(Some(Signed {
        base,
        signature: found.signature,
        keyid: found.statement.keyid,
        certificate_sha256: holder.sha256,
        once,
    }))
}

fn bad(why: impl std::fmt::Display) -> Refused {
    Refused::new(Refusal::BadSignature).detail(why)
}

/// Judged when the head is in: a long upload does not outlive its own signature.
fn in_time(created: i64, expires: i64, now_s: i64) -> Result<(), Refused> {
    let life_s = expires.saturating_sub(created);
    let what = if life_s <= 0 || life_s > LIFE_S_MAX {
        "from `created` to `expires` are 1 to 300 seconds"
    } else if created > now_s.saturating_add(SKEW_S) {
        "`created` lies in the future"
    } else if expires <= now_s {
        "`expires` is over"
    } else {
        return Ok(());
    };
    Err(Refused::new(Refusal::StaleSignature).detail(what))
}

/// Whose key it is: the sender's own, neither revoked nor over.
fn holder<'k>(keyid: &str, judge: &Judge<'k>) -> Result<&'k Holder, Refusal> {
    let known = judge.keys.holders(keyid);
    if known.is_empty() {
        return Err(Refusal::UnknownSigner);
    }
    let mut refusal = Refusal::SignerMismatch;
    for holder in known.iter().filter(|holder| holder.spiffe == judge.sender) {
        if judge.revoked.is_revoked(&holder.issuer, &holder.serial) {
            refusal = Refusal::SignerRevoked;
        } else if judge.now_s < holder.not_before_s || judge.now_s > holder.not_after_s {
            refusal = Refusal::SignerExpired;
        } else {
            return Ok(holder);
        }
    }
    Err(refusal)
}

/// Why an answer does not prove what it says.
#[derive(Debug, thiserror::Error)]
pub enum AnswerFault {
    /// Not signed.
    #[error("the answer is not signed")]
    Unsigned,
    /// Not signed as its kind is.
    #[error("the answer's signature: {0}")]
    Input(#[from] input::InputFault),
    /// A component is missing.
    #[error("the answer's signature: {0}")]
    Base(#[from] base::BaseFault),
    /// Signed with a key that is not the gateway's receipt key.
    #[error("the answer is signed with another key than the gateway's receipt key")]
    Key,
    /// It does not hold.
    #[error("the answer's signature does not hold")]
    Broken,
    /// It was signed before there was a request to answer.
    #[error("the answer was signed {0} s before its request: it is an old one, or one of the two clocks is wrong")]
    Old(i64),
}

/// Judges an answer against the gateway's receipt keys. `asked_s`: when its request was signed, where the answer is to be of its time.
///
/// # Errors
/// See [`AnswerFault`].
pub fn answer(
    profile: &Profile,
    message: &Message<'_>,
    receipt_keys: &[PublicKey],
    asked_s: Option<i64>,
) -> Result<(), AnswerFault> {
    let components = profile.components(message);
    let found = input::read(message.headers, profile, &components)?.ok_or(AnswerFault::Unsigned)?;
    let named = receipt_keys.iter().find(|key| key.id() == found.statement.keyid);
    let key = named.filter(|key| key.algorithm() == found.statement.algorithm);
    let base = base::base(&components, &found.parameters, message)?;
    if !key.ok_or(AnswerFault::Key)?.verifies(&base, &found.signature) {
        return Err(AnswerFault::Broken);
    }
    let age_s = asked_s.map_or(0, |asked_s| asked_s.saturating_sub(found.statement.created));
    let too_old = age_max_s(message.status).is_some_and(|most| age_s > most);
    if too_old { Err(AnswerFault::Old(age_s)) } else { Ok(()) }
}

/// How much older than its request an answer may be, seconds. What was taken stays taken, and the answer names key and content; a 422 belongs to its key as
/// long as the gateway knows that (C4); anything else is decided anew each time, so only the clocks may differ.
fn age_max_s(status: Option<u16>) -> Option<i64> {
    match status {
        Some(200..=299) => None,
        Some(422) => Some(KEY_KNOWN_S + SKEW_S),
        _ => Some(SKEW_S),
    }
}
