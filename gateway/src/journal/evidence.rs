//! The evidence record of an exchange: the secret behind its commitments, and digests of what was asked.
//!
//! Takes 32 random bytes; gives commitments that are worthless without them (a leaf must not hold a plain digest of content, C6), and the
//! record itself as JSON, which the journal seals under the key-encryption key. Holds no field value. It outlives the payload.

use std::collections::BTreeMap;

use ring::{hkdf, hmac};
use shuguan_ledger::leaf::Commitment;
use zeroize::Zeroizing;

use super::fault::JournalFault;
use crate::clock;

/// Label and member of the quality report.
pub const QUALITY: &str = "quality";

/// Label and member of the digest of the subject index.
pub const INDEX: &str = "index";

/// The secret `S` of one exchange and what its commitments open to.
#[derive(Clone)]
pub struct Evidence {
    secret: Zeroizing<[u8; 32]>,
    members: BTreeMap<&'static str, String>,
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Evidence")
    }
}

impl Evidence {
    /// A record with a fresh secret.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn fresh() -> Result<Self, JournalFault> {
        Ok(Self::from_secret(clock::random()?))
    }

    pub(super) fn from_secret(secret: [u8; 32]) -> Self {
        Self {
            secret: Zeroizing::new(secret),
            members: BTreeMap::new(),
        }
    }

    /// The commitment to a value: HMAC-SHA-256(salt of the label, `shuguan.commit.v1\n` label `\n` ‖ value).
    pub fn commit(&self, label: &str, value: &[u8]) -> Commitment {
        let mut context = hmac::Context::with_key(&self.salts().of(label));
        context.update(b"shuguan.commit.v1\n");
        context.update(label.as_bytes());
        context.update(b"\n");
        context.update(value);
        Commitment(tag(context))
    }

    /// Writes a digest, tag or code into the record. Never a field's value.
    pub fn note(&mut self, member: &'static str, value: impl Into<String>) {
        self.members.insert(member, value.into());
    }

    /// Commits to a digest (as for `req`) and notes it in hexadecimal, so that the record can open the commitment later.
    pub fn commit_digest(&mut self, label: &'static str, digest: &[u8; 32]) -> Commitment {
        self.note(label, hex(digest));
        self.commit(label, digest)
    }

    /// Commits to a text of codes and counts and keeps it in the record, so that it can be shown again with its proof.
    pub fn commit_text(&mut self, label: &'static str, text: &str) -> Commitment {
        self.note(label, text);
        self.commit(label, text.as_bytes())
    }

    /// HKDF-SHA-256 (RFC 5869), first step, with an empty salt: once for all labels that are asked for together.
    pub(super) fn salts(&self) -> Salts {
        Salts(hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(self.secret.as_ref()))
    }

    /// The record as JSON, sorted members; `secret` is S in hexadecimal.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let secret = Zeroizing::new(hex(self.secret.as_ref()));
        let members = self.members.iter().map(|(name, value)| (*name, value.as_str()));
        let mut members: BTreeMap<&str, &str> = members.collect();
        members.insert("secret", secret.as_str());
        members.insert("v", "shuguan.evidence.v1");
        Zeroizing::new(serde_json::to_vec(&members).unwrap_or_default())
    }
}

/// The salts of an exchange.
pub(super) struct Salts(hkdf::Prk);

impl Salts {
    /// HKDF-SHA-256, second step, with info `shuguan.salt.v1/` label.
    pub(super) fn of(&self, label: &str) -> hmac::Key {
        let info = [b"shuguan.salt.v1/".as_slice(), label.as_bytes()];
        let mut salt = Zeroizing::new([0; 32]);
        // A length of one hash is never too long for HKDF, so neither step fails.
        if let Ok(output) = self.0.expand(&info, hkdf::HKDF_SHA256) {
            let _ = output.fill(salt.as_mut());
        }
        hmac::Key::new(hmac::HMAC_SHA256, salt.as_ref())
    }
}

pub(super) fn tag(context: hmac::Context) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
