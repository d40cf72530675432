//! The key-encryption key: what small secrets of an exchange are sealed with before they reach the database.
//!
//! Takes clear bytes, what they are and whose; gives nonce ‖ ciphertext ‖ tag (AES-256-GCM, NIST SP 800-38D, 96-bit random nonce). Refuses
//! to open what was changed, belongs to another exchange, or is something else (both are additional data).

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::fault::JournalFault;
use super::settings::Secret;
use crate::clock;

/// What is sealed; part of the additional data, so that one cannot stand for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    DataKey,
    Evidence,
    EvidenceKey,
    Rejects,
    Answers,
}

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Self::DataKey => "the payload key",
            Self::Evidence => "the evidence record",
            Self::EvidenceKey => "the key of an evidence record",
            Self::Rejects => "the reject report",
            Self::Answers => "the answers of a comparison",
        }
    }

    fn aad(self, exchange: Uuid) -> Vec<u8> {
        let tag: &[u8] = match self {
            Self::DataKey => b"shuguan.key.v1\n",
            Self::Evidence => b"shuguan.evidence.v1\n",
            Self::EvidenceKey => b"shuguan.evidence-key.v1\n",
            Self::Rejects => b"shuguan.rejects.v1\n",
            Self::Answers => b"shuguan.answers.v1\n",
        };
        [tag, exchange.as_bytes()].concat()
    }
}

/// The key-encryption key.
pub(super) struct Kek(LessSafeKey);

impl std::fmt::Debug for Kek {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Kek")
    }
}

impl Kek {
    pub(super) fn new(secret: &Secret) -> Result<Self, JournalFault> {
        Ok(Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret.bytes())?)))
    }

    /// Seals bytes of an exchange.
    pub(super) fn seal(&self, kind: Kind, exchange: Uuid, clear: &[u8]) -> Result<Vec<u8>, JournalFault> {
        let nonce = clock::random::<NONCE_LEN>()?;
        let mut body = clear.to_vec();
        let aad = Aad::from(kind.aad(exchange));
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body)?;
        Ok([nonce.as_slice(), &body].concat())
    }

    /// Opens what [`Kek::seal`] gave.
    pub(super) fn open(&self, kind: Kind, exchange: Uuid, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, JournalFault> {
        let unopened = || JournalFault::Unopened(kind.label());
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(unopened)?;
        let mut body = Zeroizing::new(body.to_vec());
        let aad = Aad::from(kind.aad(exchange));
        let length = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut body)
            .map_err(|_| unopened())?
            .len();
        body.truncate(length);
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use uuid::Uuid;

    use super::{Kek, Kind};
    use crate::journal::settings::Secret;

    #[test]
    fn what_is_sealed_opens_only_as_itself_for_its_exchange_under_its_key() {
        let kek = Kek::new(&Secret::new([1; 32])).unwrap();
        let (mine, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = kek.seal(Kind::DataKey, mine, b"key").unwrap();
        assert_eq!(kek.open(Kind::DataKey, mine, &sealed).unwrap().as_slice(), b"key");
        assert!(kek.open(Kind::Rejects, mine, &sealed).is_err());
        assert!(kek.open(Kind::DataKey, other, &sealed).is_err());
        let stranger = Kek::new(&Secret::new([2; 32])).unwrap();
        assert!(stranger.open(Kind::DataKey, mine, &sealed).is_err());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(kek.open(Kind::DataKey, mine, &changed).is_err(), "byte {place}");
        }
    }
}
