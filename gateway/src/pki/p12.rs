//! PKCS #12 files for browsers and key tools: a PEM pair → one encrypted file with the whole chain, and a random password.

use std::path::Path;

use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::{PkiFault, keyfile};

/// How the file is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cipher {
    /// PBES2 with AES-256 and HMAC-SHA-256: Windows 10 1709 and later, UOS, Kylin, macOS 14, OpenSSL 3, Java 8u301.
    #[default]
    Modern,
    /// Triple DES and SHA-1, for older Windows and `UKey` tools. Weak: the password alone protects little.
    Legacy,
}

/// Iterations of the key derivation: about a tenth of a second to open, ten times what the library sets.
const ITERATIONS: u32 = 100_000;

/// Makes the file: `chain_pem` is the certificate with its issuers, `key_pem` its PKCS #8 key, `name` what the browser shows.
///
/// # Errors
/// [`PkiFault::BadFile`] when either text does not hold what it should; [`PkiFault::Crypto`] when encoding fails.
pub fn encode(chain_pem: &str, key_pem: &str, password: &str, name: &str, cipher: Cipher) -> Result<Vec<u8>, PkiFault> {
    let broken = |error: p12_keystore::error::Error| PkiFault::Crypto {
        doing: "write the PKCS #12 file",
        why: error.to_string(),
    };
    let key = PrivatePkcs8KeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|error| PkiFault::bad_file(Path::new("key"), error))?;
    let certificates = CertificateDer::pem_slice_iter(chain_pem.as_bytes())
        .map(|der| {
            let der = der.map_err(|error| PkiFault::bad_file(Path::new("certificate"), error))?;
            Certificate::from_der(&der).map_err(broken)
        })
        .collect::<Result<Vec<_>, PkiFault>>()?;
    if certificates.is_empty() {
        return Err(PkiFault::bad_file(
            Path::new("certificate"),
            "there is no certificate in it",
        ));
    }
    let key = PrivateKey::from_der(key.secret_pkcs8_der()).map_err(broken)?;
    let mut store = KeyStore::new();
    // The local key id ties key and certificate together; any value that both carry will do.
    let chain = PrivateKeyChain::new(name.as_bytes(), key, certificates);
    store.add_entry(name, KeyStoreEntry::PrivateKeyChain(chain));
    let writer = store
        .writer(password)
        .encryption_iterations(ITERATIONS)
        .mac_iterations(ITERATIONS);
    let writer = match cipher {
        Cipher::Modern => writer,
        Cipher::Legacy => writer
            .encryption_algorithm(EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc)
            .mac_algorithm(MacAlgorithm::HmacSha1),
    };
    writer.write().map_err(broken)
}

/// A password of 20 characters in groups of five, 100 random bits, without characters that look alike.
pub fn random_password() -> Result<Zeroizing<String>, PkiFault> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes = Zeroizing::new(keyfile::random::<20>()?);
    let mut password = Zeroizing::new(String::with_capacity(24));
    for (place, byte) in bytes.iter().enumerate() {
        if place > 0 && place % 5 == 0 {
            password.push('-');
        }
        // 256 is a multiple of 32, so no character is likelier than another.
        let letter = ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'a');
        password.push(char::from(letter));
    }
    Ok(password)
}
