//! Signed notes (C2SP signed-note) with Ed25519.
//!
//! Takes a text and a key; gives the text with its signature lines, and opens such notes with the public keys alone. Refuses a note
//! whose line of a known key does not verify, that no known key signed, or whose form deviates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

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

fn key_id(name: &str, public: &[u8]) -> [u8; 4] {
    let mut input = name.as_bytes().to_vec();
    input.extend_from_slice(&[b'\n', ED25519_TYPE]);
    input.extend_from_slice(public);
    let hash = digest(&SHA256, &input);
    let mut id = [0; 4];
    id.copy_from_slice(hash.as_ref().first_chunk::<4>().unwrap_or(&[0; 4]));
    id
}

fn is_name(name: &str) -> bool {
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
            id: key_id(&self.name, &public),
            public,
        }
    }

    /// The note of a text, which must end in a line feed.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] for a text that no note may hold.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        check_text(text)?;
        let key = self.verifying_key();
        let mut signature = key.id.to_vec();
        signature.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        Ok(format!("{text}\n— {} {}\n", self.name, BASE64.encode(signature)))
    }
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
        let bad = || NoteError::BadKey(text.to_owned());
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        let key = BASE64.decode(key).map_err(|_| bad())?;
        let Some((&ED25519_TYPE, public)) = key.split_first() else {
            return Err(bad());
        };
        let public = <[u8; 32]>::try_from(public).map_err(|_| bad())?;
        let known = key_id(name, &public);
        if !is_name(name) || id != hex(&known) {
            return Err(bad());
        }
        Ok(Self {
            name: name.to_owned(),
            id: known,
            public,
        })
    }

    /// The key's name; for a log, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The written form that [`VerifyingKey::parse`] reads.
    pub fn vkey(&self) -> String {
        let mut key = vec![ED25519_TYPE];
        key.extend_from_slice(&self.public);
        format!("{}+{}+{}", self.name, hex(&self.id), BASE64.encode(key))
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(text.as_bytes(), signature)
            .is_ok()
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("the text does not end in a line feed"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(NoteError::Malformed("the text holds a control character"));
    }
    Ok(())
}

/// A note whose signatures were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened<'n> {
    /// The signed text, with its final line feed.
    pub text: &'n str,
    /// How many of the given keys signed it, at least 1.
    pub signatures: usize,
}

/// Opens a note with the keys that are known. Lines of unknown keys are ignored.
///
/// # Errors
/// See [`NoteError`].
pub fn open<'n>(note: &'n str, keys: &[VerifyingKey]) -> Result<Opened<'n>, NoteError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(NoteError::Malformed("it is longer than 64 KiB"));
    }
    let split = note.rfind("\n\n").ok_or(NoteError::Malformed("it has no signatures"))?;
    let (text, lines) = note.split_at(split + 1);
    let lines = lines.strip_prefix('\n').unwrap_or(lines);
    check_text(text)?;
    let lines = lines
        .strip_suffix('\n')
        .ok_or(NoteError::Malformed("its last signature line is cut"))?;
    let mut signed = Vec::new();
    // Not `lines()`, which would forgive a carriage return.
    for (number, line) in lines.split('\n').enumerate() {
        if number == LINES_MAX {
            return Err(NoteError::Malformed("it has too many signature lines"));
        }
        let Some((name, encoded)) = line.strip_prefix("— ").and_then(|line| line.split_once(' ')) else {
            return Err(NoteError::Malformed("a signature line has another form"));
        };
        let bytes = BASE64
            .decode(encoded)
            .map_err(|_| NoteError::Malformed("a signature is not base64"))?;
        let Some((id, signature)) = bytes.split_first_chunk::<4>() else {
            return Err(NoteError::Malformed("a signature is too short"));
        };
        let Some(key) = keys.iter().find(|key| key.name == name && key.id == *id) else {
            continue;
        };
        if signed.contains(&key.id) {
            return Err(NoteError::Malformed("a key signed twice"));
        }
        if !key.verifies(text, signature) {
            return Err(NoteError::BadSignature(name.to_owned()));
        }
        signed.push(key.id);
    }
    if signed.is_empty() {
        return Err(NoteError::NoKnownSignature);
    }
    Ok(Opened {
        text,
        signatures: signed.len(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn key(name: &str, byte: u8) -> SigningKey {
        SigningKey::from_seed(name, &[byte; 32]).unwrap()
    }

    #[test]
    fn the_verifier_key_of_the_specification_is_read_and_written_back() {
        let text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        assert_eq!(VerifyingKey::parse(text).unwrap().vkey(), text);
        assert!(VerifyingKey::parse(&text.replace("530d903a", "530d903b")).is_err());
        assert!(VerifyingKey::parse("example.com/foo+530d903a").is_err());
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
        let pairs = digits.as_chunks::<2>().0.iter();
        pairs
            .map(|[high, low]| u8::try_from(high * 16 + low).unwrap())
            .collect()
    }

    /// RFC 8032, 7.1: secret key, public key, message, signature of TEST 1 to 3.
    #[test]
    fn keys_and_signatures_are_those_of_rfc_8032() {
        let vectors = [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ];
        for (secret, public, message, signature) in vectors {
            let signer = SigningKey::from_seed("a", &bytes(secret).try_into().unwrap()).unwrap();
            assert_eq!(signer.verifying_key().public.as_slice(), bytes(public));
            assert_eq!(signer.pair.sign(&bytes(message)).as_ref(), bytes(signature));
        }
    }

    #[test]
    fn a_carriage_return_or_a_second_line_of_a_key_voids_a_note() {
        let signer = key("log.example", 1);
        let note = signer.sign("log.example\n3\nroot\n").unwrap();
        let line = note.lines().last().unwrap();
        let keys = [signer.verifying_key()];
        assert!(open(&format!("{}\r\n", note.trim_end()), &keys).is_err());
        assert!(open(&format!("{note}{line}\n"), &keys).is_err());
        assert!(open(&format!("{note}\n"), &keys).is_err());
        assert!(open(note.trim_end(), &keys).is_err());
        let witness = key("witness.example", 2).sign("log.example\n3\nroot\n").unwrap();
        let unknown = witness.lines().last().unwrap();
        assert_eq!(open(&format!("{note}{unknown}\n"), &keys).unwrap().signatures, 1);
        let many = format!("{unknown}\n").repeat(LINES_MAX);
        assert!(open(&format!("{note}{many}"), &keys).is_err(), "65 lines");
    }

    #[test]
    fn what_a_key_signed_opens_with_it_and_with_no_other() {
        let signer = key("log.example", 1);
        let note = signer.sign("log.example\n3\nroot\n").unwrap();
        let opened = open(&note, &[signer.verifying_key()]).unwrap();
        assert_eq!(opened.text, "log.example\n3\nroot\n");
        assert_eq!(
            open(&note, &[key("log.example", 2).verifying_key()]),
            Err(NoteError::NoKnownSignature)
        );
        assert_eq!(open(&note, &[]), Err(NoteError::NoKnownSignature));
    }

    #[test]
    fn no_changed_byte_of_a_note_opens() {
        let signer = key("log.example", 1);
        let note = signer.sign("log.example\n3\nroot\n").unwrap();
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1;
            }
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(open(&changed, &[signer.verifying_key()]).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn a_text_with_control_characters_is_not_signed() {
        assert!(key("a", 1).sign("a\tb\n").is_err());
        assert!(key("a", 1).sign("a").is_err());
        assert!(SigningKey::from_seed("a b", &[0; 32]).is_err());
    }
}
