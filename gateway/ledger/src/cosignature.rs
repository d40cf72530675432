//! Cosignatures (C2SP tlog-cosignature, `cosignature/v1` with Ed25519): what a witness signs when it saw that a log only grew.
//!
//! Takes the text of a checkpoint and a moment; gives the signature line that goes under the log's own. The signed bytes are
//! `cosignature/v1\ntime <seconds>\n` ‖ text, the signature 8 bytes of big-endian Unix time ‖ 64 bytes. Refuses keys of another type:
//! what a log signs and what a witness signs can never be taken for one another.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::note::{Line, NoteError, check_text, is_name, key_id, line, read_vkey, write_vkey};

/// Signature type of an Ed25519 cosignature.
const COSIGNATURE_TYPE: u8 = 0x04;

/// That a witness signed a checkpoint, and when by its own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// Name of the witness's key.
    pub name: String,
    /// Seconds since 1970, UTC.
    pub time_s: u64,
}

fn signed_bytes(text: &str, time_s: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes()
}

/// A witness's own key. Its `Debug` shows the name only.
pub struct CosigningKey {
    name: String,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for CosigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("CosigningKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl CosigningKey {
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

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half.
    pub fn witness_key(&self) -> WitnessKey {
        let mut public = [0; 32];
        public.copy_from_slice(self.pair.public_key().as_ref());
        WitnessKey {
            name: self.name.clone(),
            id: key_id(&self.name, COSIGNATURE_TYPE, &public),
            public,
        }
    }

    /// The signature line over a checkpoint's text, with its line feed.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] for a text that no note may hold.
    pub fn cosign(&self, text: &str, time_s: u64) -> Result<String, NoteError> {
        check_text(text)?;
        let mut signature = time_s.to_be_bytes().to_vec();
        signature.extend_from_slice(self.pair.sign(&signed_bytes(text, time_s)).as_ref());
        Ok(line(&self.name, self.witness_key().id, &signature))
    }
}

/// A witness's public key, under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl WitnessKey {
    /// Reads `name+hex8(key id)+base64(0x04 ‖ public key)`.
    ///
    /// # Errors
    /// [`NoteError::BadKey`] for another form, a key of another type (a log's), or a key id that does not fit.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, id, public) = read_vkey(text, COSIGNATURE_TYPE)?;
        Ok(Self { name, id, public })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The written form that [`WitnessKey::parse`] reads.
    pub fn vkey(&self) -> String {
        write_vkey(&self.name, self.id, COSIGNATURE_TYPE, &self.public)
    }

    /// Reads a witness's answer: among its signature lines, that of this key over this text. Lines of other keys are passed over.
    ///
    /// # Errors
    /// [`NoteError::Malformed`], [`NoteError::BadSignature`], or [`NoteError::NoKnownSignature`] when this key signed none of them.
    pub fn read_answer(&self, text: &str, answer: &str) -> Result<(Cosignature, String), NoteError> {
        let lines = answer
            .strip_suffix('\n')
            .ok_or(NoteError::Malformed("its last signature line is cut"))?;
        let mut found = None;
        for line in lines.split('\n') {
            let parsed = Line::parse(line)?;
            if self.is_of(&parsed) {
                let verified = self.verify(text, &parsed.signature);
                let cosignature = verified.ok_or_else(|| NoteError::BadSignature(self.name.clone()))?;
                found = Some((cosignature, format!("{line}\n")));
            }
        }
        found.ok_or(NoteError::NoKnownSignature)
    }

    pub(crate) fn is_of(&self, line: &Line<'_>) -> bool {
        self.name == line.name && self.id == line.id
    }

    /// `signature` without the key id: time ‖ 64 bytes.
    pub(crate) fn verify(&self, text: &str, signature: &[u8]) -> Option<Cosignature> {
        let (time, signature) = signature.split_first_chunk::<8>()?;
        let time_s = u64::from_be_bytes(*time);
        let verified = UnparsedPublicKey::new(&ED25519, &self.public).verify(&signed_bytes(text, time_s), signature);
        verified.ok()?;
        Some(Cosignature {
            name: self.name.clone(),
            time_s,
        })
    }
}

#[cfg(test)]
mod tests;
