//! `bundle.sig`: what the officers sign about a bundle, and their signatures.
//!
//! Takes the text of an envelope; gives a [`Statement`] and its [`Signature`]s. Refuses every byte that the writer would not have written:
//! what was read and written again is the same text, so nothing in it can change and still mean the same. Whether a signature holds, and whether its
//! certificate may sign, is not decided here: this crate knows neither authorities nor the time.
//!
//! ```text
//! shuguan-policy/v1
//! serial 17
//! bundle sha256:<64 hex digits>      the compiled table: what is allowed
//! files sha256:<64 hex digits>       every byte of every file: what was read by people
//! replaces sha256:<64 hex digits>    the bundle that was in force; `none` for the first
//! goes-back-from 16                  only when an older bundle comes back: the serial in force
//!
//! signature policy-officer spiffe://lyg.example/officer/policy/legal/sun
//! signed-at 2026-11-25T07:30:00Z
//! certificate <base64 of its DER>    the signer's first, then its issuers
//! ecdsa-p256-sha256 <base64>         or `ed25519`
//! ```
//!
//! A signature covers the statement, an empty line, and its own lines up to the word of the algorithm: role, moment and certificate cannot be
//! exchanged afterwards.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::hex::hex;
use crate::partner::Role;

/// Longest envelope, bytes.
pub const ENVELOPE_BYTES_MAX: usize = 64 * 1024;
/// Most signatures.
pub const SIGNATURES_MAX: usize = 8;
/// Longest chain of one signature.
const CERTIFICATES_MAX: usize = 4;
/// Largest serial number that every JSON reader keeps exact; it stands in leaves.
const SERIAL_MAX: u64 = (1 << 53) - 1;

const HEAD: &str = "shuguan-policy/v1";

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Grows with every bundle, from 1.
    pub serial: u64,
    /// [`crate::PolicySet::hash`].
    pub bundle: [u8; 32],
    /// [`crate::Bundle::files_hash`].
    pub files: [u8; 32],
    /// Hash of the bundle that this one takes the place of; none for the first.
    pub replaces: Option<[u8; 32]>,
    /// The serial in force that an older bundle comes back from.
    pub goes_back_from: Option<u64>,
}

impl Statement {
    /// Its text, every line with its line feed.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{HEAD}\nserial {}\nbundle sha256:{}\nfiles sha256:{}\nreplaces ",
            self.serial,
            hex(&self.bundle),
            hex(&self.files)
        );
        // Writing to a String cannot fail, here and below.
        let _ = match &self.replaces {
            None => writeln!(text, "none"),
            Some(hash) => writeln!(text, "sha256:{}", hex(hash)),
        };
        if let Some(serial) = self.goes_back_from {
            let _ = writeln!(text, "goes-back-from {serial}");
        }
        text
    }
}

/// How a signature was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 8032; deterministic.
    Ed25519,
    /// ECDSA on P-256 with SHA-256: under envelopes and statements as ASN.1 (RFC 3279, 2.2.3), under HTTP messages as 64 bytes r ‖ s
    /// (RFC 9421, 3.3.4).
    EcdsaP256,
}

impl Algorithm {
    /// The word in an envelope, and the parameter `alg` of a message signature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256-sha256",
        }
    }

    /// The algorithm of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Ed25519, Self::EcdsaP256]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }
}

/// Who signs, with what, and when: what a signature says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatory {
    /// [`Role::PolicyOfficer`] or [`Role::SecurityOfficer`]; the one that the SPIFFE id gives.
    pub role: Role,
    /// The SPIFFE id of the certificate.
    pub spiffe: String,
    /// Seconds since 1970, as the signer says.
    pub signed_at_s: i64,
    /// DER; the signer's first, then its issuers.
    pub certificates: Vec<Vec<u8>>,
    /// How it signs.
    pub algorithm: Algorithm,
}

impl Signatory {
    /// The bytes that are signed.
    pub fn message(&self, statement: &Statement) -> Vec<u8> {
        self.message_over(&statement.text())
    }

    /// The bytes that are signed over another statement of officers. Its first line has to say what it is, or one could stand for the other.
    pub fn message_over(&self, statement: &str) -> Vec<u8> {
        [statement, &self.text(), "\n"].concat().into_bytes()
    }

    /// An empty line and its lines, up to the word of the algorithm.
    fn text(&self) -> String {
        let moment = jiff::Timestamp::from_second(self.signed_at_s).unwrap_or(jiff::Timestamp::MIN);
        let mut text = format!("\nsignature {} {}\nsigned-at {moment}\n", self.role.name(), self.spiffe);
        for certificate in &self.certificates {
            let _ = writeln!(text, "certificate {}", BASE64.encode(certificate));
        }
        text.push_str(self.algorithm.name());
        text
    }
}

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Who signed.
    pub by: Signatory,
    /// The signature over [`Signatory::message`].
    pub bytes: Vec<u8>,
}

/// A statement with its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What is signed.
    pub statement: Statement,
    /// Who signed it, in the order in which they did.
    pub signatures: Vec<Signature>,
}

/// Why a text is no envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeFault {
    /// Longer than [`ENVELOPE_BYTES_MAX`].
    #[error("it is longer than {ENVELOPE_BYTES_MAX} bytes")]
    TooLong,
    /// A line is not what has to stand there.
    #[error("line {line} is not {expected}")]
    Line {
        /// From 1.
        line: usize,
        /// What has to stand there.
        expected: &'static str,
    },
    /// More than [`SIGNATURES_MAX`] signatures.
    #[error("it holds more than {SIGNATURES_MAX} signatures")]
    TooMany,
    /// The same content in another spelling.
    #[error("it is not written as `shuguan policy sign` writes it")]
    Spelling,
}

impl Envelope {
    /// Its text: what stands in `bundle.sig`.
    pub fn text(&self) -> String {
        let mut text = self.statement.text();
        for signature in &self.signatures {
            text.push_str(&signature.by.text());
            let _ = writeln!(text, " {}", BASE64.encode(&signature.bytes));
        }
        text
    }

    /// Reads the text of an envelope; one without signatures is one.
    ///
    /// # Errors
    /// See [`EnvelopeFault`].
    pub fn parse(text: &str) -> Result<Self, EnvelopeFault> {
        if text.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeFault::TooLong);
        }
        let mut lines = Lines {
            rest: text.lines().enumerate().peekable(),
            last: 0,
        };
        let statement = statement(&mut lines)?;
        let mut signatures = Vec::new();
        while lines.rest.peek().is_some() {
            if signatures.len() == SIGNATURES_MAX {
                return Err(EnvelopeFault::TooMany);
            }
            signatures.push(signature(&mut lines)?);
        }
        let envelope = Self { statement, signatures };
        // One spelling only: a leading zero, a lost line feed or a `\r` is another text.
        if envelope.text() == text {
            Ok(envelope)
        } else {
            Err(EnvelopeFault::Spelling)
        }
    }
}

/// The lines that are left.
struct Lines<'t> {
    rest: std::iter::Peekable<std::iter::Enumerate<std::str::Lines<'t>>>,
    last: usize,
}

impl<'t> Lines<'t> {
    /// The next line, read by `read`.
    fn next<T>(&mut self, expected: &'static str, read: impl FnOnce(&'t str) -> Option<T>) -> Result<T, EnvelopeFault> {
        let (place, line) = self.rest.next().unwrap_or((self.last, ""));
        self.last = place + 1;
        read(line).ok_or(EnvelopeFault::Line {
            line: place + 1,
            expected,
        })
    }

    /// The next line, if it begins so.
    fn begins(&mut self, prefix: &str) -> bool {
        self.rest.peek().is_some_and(|(_, line)| line.starts_with(prefix))
    }
}

fn statement(lines: &mut Lines<'_>) -> Result<Statement, EnvelopeFault> {
    lines.next("`shuguan-policy/v1`", |line| (line == HEAD).then_some(()))?;
    let serial = lines.next("`serial N`", |line| number(line.strip_prefix("serial ")?))?;
    let bundle = lines.next("`bundle sha256:…`", |line| hash(line.strip_prefix("bundle ")?))?;
    let files = lines.next("`files sha256:…`", |line| hash(line.strip_prefix("files ")?))?;
    let replaces = lines.next("`replaces sha256:…` or `replaces none`", |line| {
        match line.strip_prefix("replaces ")? {
            "none" => Some(None),
            other => hash(other).map(Some),
        }
    })?;
    let goes_back_from = if lines.begins("goes-back-from ") {
        let serial = lines.next("`goes-back-from N`", |line| {
            number(line.strip_prefix("goes-back-from ")?)
        })?;
        Some(serial)
    } else {
        None
    };
    Ok(Statement {
        serial,
        bundle,
        files,
        replaces,
        goes_back_from,
    })
}

fn signature(lines: &mut Lines<'_>) -> Result<Signature, EnvelopeFault> {
    lines.next("an empty line before a signature", |line| line.is_empty().then_some(()))?;
    let (role, spiffe) = lines.next("`signature ROLE SPIFFE-ID` of a policy or security officer", signer)?;
    let signed_at_s = lines.next("`signed-at` and a moment in UTC", |line| {
        let moment: jiff::Timestamp = line.strip_prefix("signed-at ")?.parse().ok()?;
        (moment.subsec_nanosecond() == 0).then(|| moment.as_second())
    })?;
    let mut certificates = Vec::new();
    while certificates.is_empty() || (certificates.len() < CERTIFICATES_MAX && lines.begins("certificate ")) {
        let certificate = |line: &str| bytes(line.strip_prefix("certificate ")?);
        certificates.push(lines.next("`certificate` and base64", certificate)?);
    }
    let (algorithm, bytes) = lines.next("`ed25519` or `ecdsa-p256-sha256` and base64", |line| {
        let (word, signature) = line.split_once(' ')?;
        Some((Algorithm::named(word)?, bytes(signature)?))
    })?;
    Ok(Signature {
        by: Signatory {
            role,
            spiffe,
            signed_at_s,
            certificates,
            algorithm,
        },
        bytes,
    })
}

/// The role has to be the one that the SPIFFE id gives, and one that signs.
fn signer(line: &str) -> Option<(Role, String)> {
    let (role, spiffe) = line.strip_prefix("signature ")?.split_once(' ')?;
    let given = Role::of_spiffe(spiffe).filter(|given| may_sign(*given) && given.name() == role)?;
    Some((given, spiffe.to_owned()))
}

/// Whether officers of this role sign bundles (design 10.1).
pub fn may_sign(role: Role) -> bool {
    match role {
        Role::PolicyOfficer | Role::SecurityOfficer => true,
        Role::Agency | Role::Registry | Role::Auditor | Role::Operator => false,
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| (1..=SERIAL_MAX).contains(number))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok().filter(|bytes| !bytes.is_empty())
}

fn hash(text: &str) -> Option<[u8; 32]> {
    read_hash(text.strip_prefix("sha256:")?)
}

/// Reads 64 hex digits.
pub fn read_hash(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let mut value = 0;
        for digit in pair {
            value = value * 16 + char::from(*digit).to_digit(16)?;
        }
        *byte = u8::try_from(value).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests;
