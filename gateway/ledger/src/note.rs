//! Signed notes (C2SP signed-note) with Ed25519.
//!
//! Takes a text and a key; gives the text with its signature lines, and opens such notes with the public keys alone: those of logs, and
//! those of witnesses, whose lines are cosignatures. Refuses a note whose line of a known key does not verify, that no known log signed,
//! or whose form deviates. Lines of unknown keys are ignored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::cosignature::{Cosignature, WitnessKey};

/// Signature type of a log: plain Ed25519 over the text.
const ED25519_TYPE: u8 = 0x01;
/// Most signature lines that a note may carry.
const LINES_MAX: usize = 64;
/// Longest note, bytes.
pub(crate) const NOTE_BYTES_MAX: usize = 64 * 1024;

/// Why a note or key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not of the form that the specification demands.
    #[error("the note is not well formed: {0}")]
    Malformed(&'static str),
    /// The line of a known key does not verify.
    #[error("the signature of `{0}` does not verify")]
    BadSignature(String),
    /// No known key signed it.
    #[error("no known key signed the note")]
    NoKnownSignature,
    /// Not a verifier key.
    #[error("`{0}` is not a verifier key")]
    BadKey(String),
    /// A key name may hold neither blanks nor `+`.
    #[error("a key name must be non-empty, without blanks and `+`")]
    BadName,
}

/// First 4 bytes of SHA-256(name ‖ LF ‖ type ‖ public key).
pub(crate) fn key_id(name: &str, kind: u8, public: &[u8]) -> [u8; 4] {
    let mut input = name.as_bytes().to_vec();
    input.extend_from_slice(&[b'\n', kind]);
    input.extend_from_slice(public);
    let hash = digest(&SHA256, &input);
    let mut id = [0; 4];
    id.copy_from_slice(hash.as_ref().first_chunk::<4>().unwrap_or(&[0; 4]));
    id
}

pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c.is_control())
}

/// A named Ed25519 key that signs notes. Its `Debug` shows the name only.
pub struct SigningKey {
    name: String,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SigningKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A key from its 32-byte seed (RFC 8032).
    ///
    /// # Errors
    /// [`NoteError::BadName`] when the name could not stand in a note.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::BadName);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::BadKey(name.to_owned()))?;
        Ok(Self {
            name: name.to_owned(),
            pair,
        })
    }

    /// The key's name; for a log, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut public = [0; 32];
        public.copy_from_slice(self.pair.public_key().as_ref());
        VerifyingKey {
            name: self.name.clone(),
            id: key_id(&self.name, ED25519_TYPE, &public),
            public,
        }
    }

    /// The note of a text, which must end in a line feed.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] for a text that no note may hold.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        sign(text, [self])
    }
}

/// The note of a text under several keys, one line each, in their order.
///
/// # Errors
/// [`NoteError::Malformed`] for a text that no note may hold.
pub fn sign<'k>(text: &str, keys: impl IntoIterator<Item = &'k SigningKey>) -> Result<String, NoteError> {
    check_text(text)?;
    let mut note = format!("{text}\n");
    for key in keys {
        let signature = key.pair.sign(text.as_bytes());
        note.push_str(&line(&key.name, key.verifying_key().id, signature.as_ref()));
    }
    Ok(note)
}

/// A named public key that opens notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl VerifyingKey {
    /// Reads `name+hex8(key id)+base64(type ‖ public key)`.
    ///
    /// # Errors
    /// [`NoteError::BadKey`] for another form, another type, or a key id that does not fit.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, id, public) = read_vkey(text, ED25519_TYPE)?;
        Ok(Self { name, id, public })
    }

    /// The key's name; for a log, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The written form that [`VerifyingKey::parse`] reads.
    pub fn vkey(&self) -> String {
        write_vkey(&self.name, self.id, ED25519_TYPE, &self.public)
    }

    /// The 8 hexadecimal digits of its key id.
    pub fn id(&self) -> String {
        hex(&self.id)
    }

    /// Name and key id, for people: `name+hex8(key id)`.
    pub fn short(&self) -> String {
        format!("{}+{}", self.name, self.id())
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(text.as_bytes(), signature)
            .is_ok()
    }
}

/// Name, key id and public key of `name+hex8(key id)+base64(type ‖ public key)`.
pub(crate) fn read_vkey(text: &str, kind: u8) -> Result<(String, [u8; 4], [u8; 32]), NoteError> {
    let bad = || NoteError::BadKey(text.to_owned());
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(bad());
    };
    let key = BASE64.decode(key).map_err(|_| bad())?;
    let Some((found, public)) = key.split_first() else {
        return Err(bad());
    };
    let public = <[u8; 32]>::try_from(public).map_err(|_| bad())?;
    let known = key_id(name, kind, &public);
    if *found != kind || !is_name(name) || id != hex(&known) {
        return Err(bad());
    }
    Ok((name.to_owned(), known, public))
}

pub(crate) fn write_vkey(name: &str, id: [u8; 4], kind: u8, public: &[u8; 32]) -> String {
    let mut key = vec![kind];
    key.extend_from_slice(public);
    format!("{name}+{}+{}", hex(&id), BASE64.encode(key))
}

/// A signature line with its line feed.
pub(crate) fn line(name: &str, id: [u8; 4], signature: &[u8]) -> String {
    let mut bytes = id.to_vec();
    bytes.extend_from_slice(signature);
    format!("— {name} {}\n", BASE64.encode(bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("the text does not end in a line feed"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(NoteError::Malformed("the text holds a control character"));
    }
    Ok(())
}

/// A signature line that was read and not checked.
pub(crate) struct Line<'n> {
    pub(crate) name: &'n str,
    pub(crate) id: [u8; 4],
    pub(crate) signature: Vec<u8>,
}

impl<'n> Line<'n> {
    /// Reads a line without its line feed.
    pub(crate) fn parse(line: &'n str) -> Result<Self, NoteError> {
        let Some((name, encoded)) = line.strip_prefix("— ").and_then(|line| line.split_once(' ')) else {
            return Err(NoteError::Malformed("a signature line has another form"));
        };
        let bytes = BASE64
            .decode(encoded)
            .map_err(|_| NoteError::Malformed("a signature is not base64"))?;
        let Some((id, signature)) = bytes.split_first_chunk::<4>() else {
            return Err(NoteError::Malformed("a signature is too short"));
        };
        if !is_name(name) || signature.is_empty() {
            return Err(NoteError::Malformed("a signature line has another form"));
        }
        Ok(Self {
            name,
            id: *id,
            signature: signature.to_vec(),
        })
    }
}

/// Text and signature lines of a note; nothing of it is checked but its form.
fn split(note: &str) -> Result<(&str, Vec<Line<'_>>), NoteError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(NoteError::Malformed("it is longer than 64 KiB"));
    }
    let split = note.rfind("\n\n").ok_or(NoteError::Malformed("it has no signatures"))?;
    let (text, lines) = note.split_at(split.saturating_add(1));
    let lines = lines.strip_prefix('\n').unwrap_or(lines);
    check_text(text)?;
    let lines = lines
        .strip_suffix('\n')
        .ok_or(NoteError::Malformed("its last signature line is cut"))?;
    // Not `lines()`, which would forgive a carriage return.
    if lines.split('\n').count() > LINES_MAX {
        return Err(NoteError::Malformed("it has too many signature lines"));
    }
    let lines = lines.split('\n').map(Line::parse).collect::<Result<_, _>>()?;
    Ok((text, lines))
}

/// The text of a note; nothing of it is checked but its form.
pub(crate) fn text(note: &str) -> Result<&str, NoteError> {
    split(note).map(|(text, _)| text)
}

/// A note whose signatures were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened<'n> {
    /// The signed text, with its final line feed.
    pub text: &'n str,
    /// How many of the given log keys signed it, at least 1.
    pub signatures: usize,
    /// The cosignatures of the given witnesses, in the order of the lines.
    pub cosignatures: Vec<Cosignature>,
}

/// Opens a note with the keys of logs. Lines of unknown keys are ignored.
///
/// # Errors
/// See [`NoteError`].
pub fn open<'n>(note: &'n str, keys: &[VerifyingKey]) -> Result<Opened<'n>, NoteError> {
    open_cosigned(note, keys, &[])
}

/// Opens a note with the keys of logs and of witnesses. Lines of unknown keys are ignored; a line of a known key that fails voids the note.
///
/// # Errors
/// See [`NoteError`]; cosignatures alone make no note: [`NoteError::NoKnownSignature`].
pub fn open_cosigned<'n>(
    note: &'n str,
    logs: &[VerifyingKey],
    witnesses: &[WitnessKey],
) -> Result<Opened<'n>, NoteError> {
    let (text, lines) = split(note)?;
    let mut signed: Vec<(&str, [u8; 4])> = Vec::new();
    let mut opened = Opened {
        text,
        signatures: 0,
        cosignatures: Vec::new(),
    };
    for line in &lines {
        let bad = || NoteError::BadSignature(line.name.to_owned());
        let log = logs.iter().find(|key| key.name == line.name && key.id == line.id);
        let witness = witnesses.iter().find(|key| key.is_of(line));
        match (log, witness) {
            (None, None) => continue,
            (Some(key), _) if key.verifies(text, &line.signature) => {
                opened.signatures = opened.signatures.saturating_add(1);
            }
            (Some(_), _) => return Err(bad()),
            (None, Some(key)) => opened
                .cosignatures
                .push(key.verify(text, &line.signature).ok_or_else(bad)?),
        }
        if signed.contains(&(line.name, line.id)) {
            return Err(NoteError::Malformed("a key signed twice"));
        }
        signed.push((line.name, line.id));
    }
    if opened.signatures == 0 {
        return Err(NoteError::NoKnownSignature);
    }
    Ok(opened)
}

/// The note with the lines of these keys only: what strangers added is left behind. Nothing is checked but the form.
///
/// # Errors
/// [`NoteError::Malformed`].
pub fn only(note: &str, keys: &[VerifyingKey]) -> Result<String, NoteError> {
    let (text, lines) = split(note)?;
    let known = |one: &&Line<'_>| keys.iter().any(|key| key.name == one.name && key.id == one.id);
    let lines = lines.iter().filter(known);
    let kept: String = lines.map(|one| line(one.name, one.id, &one.signature)).collect();
    Ok(format!("{text}\n{kept}"))
}

#[cfg(test)]
mod tests;
