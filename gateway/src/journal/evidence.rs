//! The evidence record of an exchange: the secret behind its commitments, and digests of what was asked.
//!
//! Takes 32 random bytes; gives commitments that are worthless without them (a leaf must not hold a plain digest of content, C6), and the
//! record itself as JSON, which `vault` seals under a key of its own. Holds no field value. It outlives the payload.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{hkdf, hmac};
use shuguan_ledger::columns::{Column, Shown};
use shuguan_ledger::leaf::Commitment;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::columns::{COLUMNS, PARTS, salt_label};
use super::fault::JournalFault;
use crate::clock;
pub(super) use crate::hex::hex;
use crate::hex::{unhex, unhex_into};
use crate::opening::{OpenColumn, Opening, SCHEMA};

/// Member: the secret of the exchange.
pub(super) const SECRET: &str = "secret";
/// Label of the commitment to the record itself.
pub(super) const RECORD: &str = "record";

/// Member: the suite.
pub(super) const SUITE: &str = "suite";
/// What digests, commitments and salts of a record are made with. A record that names another is read by nobody who knows only this one; none is this one,
/// of a version that did not say so.
pub(super) const SUITE_TODAY: &str = "sha256 hmac-sha256 hkdf-sha256";
/// Member: the key of the month by which the record's own key is wrapped, `YYYY-MM`.
pub(super) const VAULT_KEY: &str = "vault-key";

/// Label and member of the quality report.
pub const QUALITY: &str = "quality";

/// Member: the fields that were decoded.
const WANTED: &str = "wanted";
/// Member: the operator of each column.
const OPERATORS: &str = "operators";

/// Label and member of the digest of what was released: the content of an extract, or answers.
pub(crate) const CONTENT: &str = "content";
/// Member: check values of the index keys, `2026:` and 16 bytes in hexadecimal for each year.
pub const INDEX_KEYS: &str = "index-keys";
/// Member: check value of the master key, of which pseudonyms are made.
pub const MASTER_KEY: &str = "master-key";

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

    /// The commitment to a value: [`committed_under`] the salt of the label.
    pub fn commit(&self, label: &str, value: &[u8]) -> Commitment {
        committed_under(&self.salts().bytes(label), label, value)
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

    /// Notes by which plan the columns came about: the fields that were decoded, and the operator of each column.
    pub fn note_plan<'p>(&mut self, wanted: impl Iterator<Item = &'p str>, operators: Vec<String>) {
        self.note(WANTED, wanted.collect::<Vec<_>>().join(" "));
        // Texts can always be written.
        self.note(OPERATORS, serde_json::to_string(&operators).unwrap_or_default());
    }

    /// The record as JSON, sorted members; `secret` is S in hexadecimal.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let secret = Zeroizing::new(hex(self.secret.as_ref()));
        let members = self.members.iter().map(|(name, value)| (*name, value.as_str()));
        let mut members: BTreeMap<&str, &str> = members.collect();
        members.insert(SECRET, secret.as_str());
        members.insert("v", "shuguan.evidence.v1");
        members.insert(SUITE, SUITE_TODAY);
        Zeroizing::new(serde_json::to_vec(&members).unwrap_or_default())
    }
}

/// A record that was read again.
pub(super) struct Record<'r> {
    /// Its secret, for commitments.
    pub(super) evidence: Evidence,
    members: BTreeMap<&'r str, Cow<'r, str>>,
}

impl<'r> Record<'r> {
    /// Reads what [`Evidence::encode`] wrote; none of another suite.
    pub(super) fn read(record: &'r [u8]) -> Option<Self> {
        let members: BTreeMap<&'r str, Cow<'r, str>> = serde_json::from_slice(record).ok()?;
        if members.get(SUITE).is_some_and(|suite| suite != SUITE_TODAY) {
            return None;
        }
        let mut secret = Zeroizing::new([0; 32]);
        unhex_into(members.get(SECRET)?, secret.as_mut_slice())?;
        let evidence = Evidence::from_secret(*secret);
        Some(Self { evidence, members })
    }

    /// A member.
    pub(super) fn text(&self, member: &str) -> Option<&str> {
        self.members.get(member).map(|text| &**text)
    }

    /// A member that is a digest.
    pub(super) fn digest(&self, member: &str) -> Option<[u8; 32]> {
        unhex(self.text(member)?)
    }

    /// The commitment to the request that it holds: the digest of its body, and of a signed one also signature and base.
    pub(super) fn request(&self) -> Option<Commitment> {
        let digest = self.digest("request")?;
        let Some(signature) = self.text("signature") else {
            return Some(self.evidence.commit("request", &digest));
        };
        let signature = BASE64.decode(signature).ok()?;
        let asked = [digest.as_slice(), &signature, self.text("signature-base")?.as_bytes()].concat();
        Some(self.evidence.commit("request", &asked))
    }

    /// The columns with their commitments; none in a record of a version that kept none.
    pub(super) fn columns(&self) -> Option<Vec<Column>> {
        let columns: Vec<[String; 3]> = serde_json::from_str(self.text(COLUMNS)?).ok()?;
        let column = |[name, form, commitment]: [String; 3]| {
            let commitment = unhex(&commitment)?;
            Some(Column {
                name,
                form,
                shown: Shown::Commitment(commitment),
            })
        };
        columns.into_iter().map(column).collect()
    }
}

/// What a partner opens the columns of its exchange with: the salts of what it sent or received itself, nothing of anybody else; of an extract also that of its content.
/// None for a record of another kind or version.
pub fn opening_of(exchange: Uuid, record: &[u8]) -> Option<Opening> {
    let record = Record::read(record)?;
    let salts = record.evidence.salts();
    let operators: Vec<String> = serde_json::from_str(record.text(OPERATORS)?).ok()?;
    let columns: Vec<[String; 3]> = serde_json::from_str(record.text(COLUMNS)?).ok()?;
    let released = record.text(CONTENT).is_some();
    let column = |([name, form, commitment], operator): ([String; 3], String)| OpenColumn {
        salt: Some(hex(salts.bytes(&salt_label(&name)).as_ref())),
        name,
        r#type: form,
        operator,
        commitment,
        values: None,
    };
    Some(Opening {
        schema: SCHEMA.into(),
        exchange,
        parts: record.text(PARTS)?.to_owned(),
        wanted: record.text(WANTED)?.split_whitespace().map(str::to_owned).collect(),
        columns: columns.into_iter().zip(operators).map(column).collect(),
        content: released.then(|| hex(salts.bytes(CONTENT).as_ref())),
    })
}

/// HMAC-SHA-256(salt, `shuguan.commit.v1\n` label `\n` ‖ value).
pub(crate) fn committed_under(salt: &[u8; 32], label: &str, value: &[u8]) -> Commitment {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, salt));
    context.update(b"shuguan.commit.v1\n");
    context.update(label.as_bytes());
    context.update(b"\n");
    context.update(value);
    Commitment(tag(context))
}

/// The salts of an exchange.
pub(super) struct Salts(hkdf::Prk);

impl Salts {
    /// HKDF-SHA-256, second step, with info `shuguan.salt.v1/` label.
    pub(super) fn bytes(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let info = [b"shuguan.salt.v1/".as_slice(), label.as_bytes()];
        let mut salt = Zeroizing::new([0; 32]);
        // A length of one hash is never too long for HKDF, so neither step fails.
        if let Ok(output) = self.0.expand(&info, hkdf::HKDF_SHA256) {
            let _ = output.fill(salt.as_mut());
        }
        salt
    }
}

pub(super) fn tag(context: hmac::Context) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}
