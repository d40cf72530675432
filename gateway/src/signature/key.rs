//! Keys that sign messages: Ed25519 (RFC 8032) and ECDSA on P-256 with SHA-256 as 64 bytes r ‖ s (RFC 9421, 3.3.4).
//!
//! A key's id is `sha256:` and the hexadecimal SHA-256 of its `SubjectPublicKeyInfo`, so that nobody chooses it.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ED25519};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

pub use shuguan_policies::envelope::Algorithm;

use crate::pki::hex;
use crate::sha256;

/// The first bytes of a `SubjectPublicKeyInfo` of such a key: everything but the key itself (RFC 8410, RFC 5480).
fn spki_head(algorithm: Algorithm) -> &'static [u8] {
    match algorithm {
        Algorithm::Ed25519 => &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00],
        Algorithm::EcdsaP256 => &[
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
            0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ],
    }
}

/// A key that checks signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    /// 32 bytes of Ed25519, or an uncompressed point.
    bytes: Vec<u8>,
    id: String,
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo`; a key of another kind, another curve or another spelling is none.
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        let (_, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
        let algorithm = if info.algorithm.algorithm == OID_SIG_ED25519 {
            Algorithm::Ed25519
        } else if info.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
            (curve == OID_EC_P256).then_some(Algorithm::EcdsaP256)?
        } else {
            return None;
        };
        let key = Self::of(algorithm, &info.subject_public_key.data);
        // One key has one id.
        (key.spki() == der).then_some(key)
    }

    /// Every public key of a PEM text (`PUBLIC KEY` blocks).
    pub fn from_pem(text: &str) -> Option<Vec<Self>> {
        let blocks = SubjectPublicKeyInfoDer::pem_slice_iter(text.as_bytes());
        blocks
            .map(|block| block.ok().and_then(|der| Self::from_spki(&der)))
            .collect()
    }

    fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let spki = [spki_head(algorithm), bytes].concat();
        Self {
            algorithm,
            bytes: bytes.to_vec(),
            id: format!("sha256:{}", hex(&sha256::of(&spki))),
        }
    }

    /// The `SubjectPublicKeyInfo`, DER.
    pub fn spki(&self) -> Vec<u8> {
        [spki_head(self.algorithm), &self.bytes].concat()
    }

    /// The key as PEM, for those who verify with other tools.
    pub fn pem(&self) -> String {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(self.spki());
        let mut text = String::from("-----BEGIN PUBLIC KEY-----\n");
        for line in encoded.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text + "-----END PUBLIC KEY-----\n"
    }

    /// Its id, the parameter `keyid`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether a signature over a base is this key's.
    pub fn verifies(&self, base: &str, signature: &[u8; 64]) -> bool {
        let verified = match self.algorithm {
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.bytes).verify(base.as_bytes(), signature),
            Algorithm::EcdsaP256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.bytes).verify(base.as_bytes(), signature)
            }
        };
        verified.is_ok()
    }
}

/// A key that signs messages: a partner's message key, or the gateway's receipt key.
pub struct MessageKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    EcdsaP256(Box<EcdsaKeyPair>, SystemRandom),
}

impl std::fmt::Debug for MessageKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "MessageKey({})", self.public.id)
    }
}

/// Why a key cannot be used or did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not a PKCS #8 key of Ed25519 or P-256.
    #[error("it is not a PKCS #8 key of Ed25519 or P-256, PEM")]
    Kind,
    /// No randomness.
    #[error("the key did not sign")]
    Signing,
}

impl MessageKey {
    /// The gateway's receipt key. Ed25519 because it signs the same answer the same way: a repeated answer has the same bytes.
    ///
    /// # Errors
    /// [`KeyFault::Kind`] never happens for 32 bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyFault> {
        Ed25519KeyPair::from_seed_unchecked(seed)
            .map(Self::of_ed25519)
            .map_err(|_| KeyFault::Kind)
    }

    /// Reads a `PRIVATE KEY` block (PKCS #8).
    ///
    /// # Errors
    /// [`KeyFault::Kind`].
    pub fn from_pem(text: &str) -> Result<Self, KeyFault> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| KeyFault::Kind)?;
        let der = der.secret_pkcs8_der();
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Self::of_ed25519(pair));
        }
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random);
        let pair = pair.map_err(|_| KeyFault::Kind)?;
        let public = PublicKey::of(Algorithm::EcdsaP256, pair.public_key().as_ref());
        let pair = Pair::EcdsaP256(Box::new(pair), random);
        Ok(Self { pair, public })
    }

    fn of_ed25519(pair: Ed25519KeyPair) -> Self {
        let public = PublicKey::of(Algorithm::Ed25519, pair.public_key().as_ref());
        let pair = Pair::Ed25519(pair);
        Self { pair, public }
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a base.
    ///
    /// # Errors
    /// [`KeyFault::Signing`] when the system has no randomness (P-256 only).
    pub fn sign(&self, base: &str) -> Result<[u8; 64], KeyFault> {
        let signature = match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(base.as_bytes())),
            Pair::EcdsaP256(pair, random) => pair.sign(random, base.as_bytes()),
        };
        let signature = signature.map_err(|_| KeyFault::Signing)?;
        signature.as_ref().try_into().map_err(|_| KeyFault::Signing)
    }
}
