//! An officer's own key and certificate, from PEM files or a `.p12`.
//!
//! Takes paths; gives signatures over a statement. Refuses a key that others can read, one that does not belong to the certificate, kinds of keys other than
//! Ed25519 and P-256, and a certificate whose role does not sign bundles. The key never leaves this type.

use std::fmt;
use std::path::Path;

use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use shuguan_policies::Role;
use shuguan_policies::envelope::{Algorithm, Signatory, Signature, Statement, may_sign};

use crate::edge::peer::Claim;
use crate::pki::{PkiFault, keyfile};

/// Whose signatures count on one kind of statement.
#[derive(Debug)]
pub(crate) struct SigningRoles {
    /// The roles.
    pub may_sign: fn(Role) -> bool,
    /// What is said to everybody else.
    pub others: &'static str,
}

/// Who signs bundles.
const BUNDLE: SigningRoles = SigningRoles {
    may_sign,
    others: "it is the certificate of neither a policy officer nor a security officer",
};

/// What signs.
pub(crate) struct OfficerKey {
    pair: Pair,
    chain: Vec<Vec<u8>>,
    spiffe: String,
    role: Role,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    EcdsaP256(EcdsaKeyPair),
}

impl fmt::Debug for OfficerKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "OfficerKey({})", self.spiffe)
    }
}

impl OfficerKey {
    /// From two PEM files: the key (PKCS #8, mode 0400) and the certificate with its issuers.
    ///
    /// # Errors
    /// [`PkiFault::Exposed`], [`PkiFault::BadFile`], [`PkiFault::File`].
    pub(crate) fn from_pem(key: &Path, certificate: &Path) -> Result<Self, PkiFault> {
        Self::from_pem_for(key, certificate, &BUNDLE)
    }

    /// The same for officers of other roles.
    ///
    /// # Errors
    /// As [`OfficerKey::from_pem`].
    pub(crate) fn from_pem_for(key: &Path, certificate: &Path, roles: &SigningRoles) -> Result<Self, PkiFault> {
        let text = keyfile::read_secret(key)?;
        let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_| PkiFault::bad_file(key, "there is no `PRIVATE KEY` block (PKCS #8) in it"))?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
        let chain = read.map_err(|error| PkiFault::bad_file(certificate, error))?;
        let chain = chain.iter().map(|der| der.as_ref().to_vec()).collect();
        Self::of(pkcs8.secret_pkcs8_der(), chain, certificate, roles)
    }

    /// From a PKCS #12 file and the file that holds its password.
    ///
    /// # Errors
    /// As [`OfficerKey::from_pem`]; a wrong password is [`PkiFault::BadFile`].
    pub(crate) fn from_p12(file: &Path, password: &Path) -> Result<Self, PkiFault> {
        Self::from_p12_for(file, password, &BUNDLE)
    }

    /// The same for officers of other roles.
    ///
    /// # Errors
    /// As [`OfficerKey::from_pem`].
    pub(crate) fn from_p12_for(file: &Path, password: &Path, roles: &SigningRoles) -> Result<Self, PkiFault> {
        let bytes = std::fs::read(file).map_err(PkiFault::file("read", file))?;
        let password = keyfile::read_secret(password)?;
        let store = KeyStore::from_pkcs12(&bytes, password.trim_end(), Pkcs12ImportPolicy::Strict)
            .map_err(|_| PkiFault::bad_file(file, "it does not open with this password"))?;
        let (_, chain) = store
            .private_key_chain()
            .ok_or_else(|| PkiFault::bad_file(file, "it holds no key with its certificate"))?;
        let certificates = chain.certs().iter().map(|certificate| certificate.as_der().to_vec());
        Self::of(chain.key().as_der(), certificates.collect(), file, roles)
    }

    fn of(pkcs8: &[u8], mut chain: Vec<Vec<u8>>, named: &Path, roles: &SigningRoles) -> Result<Self, PkiFault> {
        let bad = |what: &str| PkiFault::bad_file(named, what);
        let first = chain.first().ok_or_else(|| bad("there is no certificate in it"))?;
        let claim = Claim::read(first).map_err(|refusal| bad(refusal.en()))?;
        let role = Role::of_spiffe(&claim.spiffe).filter(|role| (roles.may_sign)(*role));
        let role = role.ok_or_else(|| bad(roles.others))?;
        let (pair, public) = match claim.algorithm {
            Some(Algorithm::Ed25519) => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| bad(FOREIGN))?;
                let public = pair.public_key().as_ref().to_vec();
                (Pair::Ed25519(pair), public)
            }
            Some(Algorithm::EcdsaP256) => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &SystemRandom::new());
                let pair = pair.map_err(|_| bad(FOREIGN))?;
                let public = pair.public_key().as_ref().to_vec();
                (Pair::EcdsaP256(pair), public)
            }
            None => return Err(bad("its key is neither Ed25519 nor P-256, so it signs no bundle")),
        };
        if public != claim.public_key {
            return Err(bad(FOREIGN));
        }
        // The gateway has the authorities of its own; the issuers between are all that it may lack.
        chain.truncate(CHAIN_MAX);
        Ok(Self {
            pair,
            chain,
            spiffe: claim.spiffe,
            role,
        })
    }

    /// Its SPIFFE id.
    pub(crate) fn spiffe(&self) -> &str {
        &self.spiffe
    }

    /// Signs at a moment, seconds since 1970.
    ///
    /// # Errors
    /// [`PkiFault::Crypto`] when the system has no randomness.
    pub(crate) fn sign(&self, statement: &Statement, now_s: i64) -> Result<Signature, PkiFault> {
        self.sign_over(&statement.text(), now_s)
    }

    /// Signs another statement of officers at a moment, seconds since 1970.
    ///
    /// # Errors
    /// [`PkiFault::Crypto`] when the system has no randomness.
    pub(crate) fn sign_over(&self, statement: &str, now_s: i64) -> Result<Signature, PkiFault> {
        let by = Signatory {
            role: self.role,
            spiffe: self.spiffe.clone(),
            signed_at_s: now_s,
            certificates: self.chain.clone(),
            algorithm: match self.pair {
                Pair::Ed25519(_) => Algorithm::Ed25519,
                Pair::EcdsaP256(_) => Algorithm::EcdsaP256,
            },
        };
        let message = by.message_over(statement);
        let bytes = match &self.pair {
            Pair::Ed25519(pair) => pair.sign(&message).as_ref().to_vec(),
            Pair::EcdsaP256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), &message);
                let signed = signed.map_err(|_| PkiFault::Crypto {
                    doing: "sign a statement",
                    why: "the operating system has no randomness to give".into(),
                })?;
                signed.as_ref().to_vec()
            }
        };
        Ok(Signature { by, bytes })
    }
}

/// The signer's certificate and what issued it, as many as an envelope takes.
const CHAIN_MAX: usize = 3;
const FOREIGN: &str = "key and certificate do not belong together";
