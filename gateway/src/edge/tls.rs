//! TLS parameters of the listeners; names the crypto provider of the gateway's side (the client's: `client/connect.rs`).
//!
//! Takes paths; gives a complete `ServerConfig` or every fault at once: TLS 1.3 only, client certificates required (the console may ask
//! nicely), revocation lists required and their expiry enforced, no resumption of any kind. Resumption would skip the certificate check
//! (RFC 8446, 2.2): a revoked partner could come back on its ticket.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::revocation::RevocationSet;
use super::signers::Signers;
use crate::signature::MessageKeys;

/// Files of a listener's TLS.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Server certificate chain, PEM.
    pub certificate: PathBuf,
    /// Server key, PEM, readable by its owner only.
    pub key: PathBuf,
    /// Authorities of client certificates, PEM.
    pub client_ca: PathBuf,
    /// One revocation list for each authority, PEM.
    pub crls: Vec<PathBuf>,
    /// Folder of message certificates.
    pub message: PathBuf,
}

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate, no connection: the feed listener.
    Required,
    /// Without one there is a help page and nothing else: the console listener.
    Asked,
}

/// One thing that is wrong with the TLS files, and what to do.
#[derive(Debug)]
pub struct TlsFault {
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub what: String,
    /// The next command.
    pub next: &'static str,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}`: {}\n   next: {}", self.file.display(), self.what, self.next)
    }
}

/// What was read: parameters for both listeners and the set of revoked certificates, from the same files.
#[derive(Clone, Debug)]
pub struct TlsMaterial {
    /// The feed listener's.
    pub feed: Arc<ServerConfig>,
    /// The console listener's.
    pub console: Arc<ServerConfig>,
    /// Who is revoked.
    pub revoked: Arc<RevocationSet>,
    /// Judges those who sign policy bundles.
    pub signers: Arc<Signers>,
    /// Whose message keys are whose.
    pub message_keys: Arc<MessageKeys>,
}

/// The crypto provider: ring.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Parameters of a server that asks nobody for a certificate: a witness. HTTP/1.1 only.
///
/// # Errors
/// Every fault of both files.
pub fn anonymous(certificate: &Path, key: &Path) -> Result<ServerConfig, Vec<TlsFault>> {
    let mut faults = Vec::new();
    let chain = certificates(certificate, &mut faults);
    let (Some(key), true) = (private_key(key, &mut faults), faults.is_empty()) else {
        return Err(faults);
    };
    let fault = |error: rustls::Error| vec![tls_fault(certificate, error)];
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(fault)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(fault)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Parameters for asking a server whose certificate leads to one of these authorities, without a certificate of our own. HTTP/1.1 only.
///
/// # Errors
/// Every fault of the file.
pub fn asking(ca: &Path) -> Result<rustls::ClientConfig, Vec<TlsFault>> {
    let mut faults = Vec::new();
    let authorities = certificates(ca, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let fault = |error: rustls::Error| vec![tls_fault(ca, error)];
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(fault)?;
    }
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(fault)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Reads everything anew; nothing is shared with what was loaded before, so a reload is whole or not at all.
///
/// # Errors
/// Every fault of every file.
pub fn load(settings: &TlsSettings) -> Result<TlsMaterial, Vec<TlsFault>> {
    let mut faults = Vec::new();
    let chain = certificates(&settings.certificate, &mut faults);
    let key = private_key(&settings.key, &mut faults);
    let mut authorities = certificates(&settings.client_ca, &mut faults);
    let ever = authorities.clone();
    let revoked_from = faults.len();
    let lists = revocation_lists(&settings.crls, &mut faults);
    // A list that could not be read is one fault, not two.
    let revoked = if faults.len() == revoked_from {
        trusted(settings, &mut authorities, &lists, &mut faults)
    } else {
        RevocationSet::default()
    };
    let message_keys = message_keys(settings, &ever, &mut faults);
    let (Some(key), true) = (key, faults.is_empty()) else {
        return Err(faults);
    };
    let lists: Vec<_> = lists.into_iter().map(|(_, list)| list).collect();
    let build = |auth| build(settings, auth, &chain, &key, &authorities, &lists);
    let signers = || {
        let current = verifier(settings, ClientAuth::Required, &authorities, &lists)?;
        Ok(Signers::new(
            current,
            verifier(settings, ClientAuth::Required, &ever, &[])?,
        ))
    };
    match (build(ClientAuth::Required), build(ClientAuth::Asked), signers()) {
        (Ok(feed), Ok(console), Ok(signers)) => Ok(TlsMaterial {
            feed: Arc::new(feed),
            console: Arc::new(console),
            revoked: Arc::new(revoked),
            signers: Arc::new(signers),
            message_keys: Arc::new(message_keys),
        }),
        (Err(fault), _, _) | (_, Err(fault), _) | (_, _, Err(fault)) => Err(vec![fault]),
    }
}

/// As [`load`], for a gateway that runs: a list older than the one in force is refused, or a stolen certificate could be let in again.
///
/// # Errors
/// Every fault of every file; what was in force then stays.
pub fn reload(settings: &TlsSettings, in_force: &RevocationSet) -> Result<TlsMaterial, Vec<TlsFault>> {
    let material = load(settings)?;
    match material.revoked.stepped_back(in_force) {
        None => Ok(material),
        Some(issuer) => Err(vec![TlsFault {
            file: settings.crls.first().cloned().unwrap_or_default(),
            what: format!("the list of `{issuer}` has a lower number than the one in force"),
            next: "shuguan crl issue",
        }]),
    }
}

/// Message certificates; an authority that was revoked since is no fault of theirs, each message asks for that.
fn message_keys(
    settings: &TlsSettings,
    authorities: &[CertificateDer<'static>],
    faults: &mut Vec<TlsFault>,
) -> MessageKeys {
    if authorities.is_empty() {
        // Said already, and nobody could judge them.
        return MessageKeys::default();
    }
    MessageKeys::load(&settings.message, authorities).unwrap_or_else(|broken| {
        faults.extend(broken.into_iter().map(|fault| TlsFault {
            file: fault.file,
            what: fault.what,
            next: "move the file out of the folder, or: shuguan cert issue CSR --partner ID --message",
        }));
        MessageKeys::default()
    })
}

/// The set of revoked certificates; leaves out authorities that are revoked themselves.
fn trusted(
    settings: &TlsSettings,
    authorities: &mut Vec<CertificateDer<'static>>,
    lists: &[(PathBuf, CertificateRevocationListDer<'static>)],
    faults: &mut Vec<TlsFault>,
) -> RevocationSet {
    let ders: Vec<_> = lists.iter().map(|(_, list)| list.clone()).collect();
    let mut revoked = match RevocationSet::read(&ders) {
        Ok(revoked) => revoked,
        Err(broken) => {
            faults.extend(broken.into_iter().map(|(place, fault)| TlsFault {
                file: lists.get(place).map(|(path, _)| path.clone()).unwrap_or_default(),
                what: fault.to_string(),
                next: "shuguan crl issue",
            }));
            return RevocationSet::default();
        }
    };
    for authority in authorities.iter() {
        if !revoked.covers(authority) {
            faults.push(TlsFault {
                file: settings.client_ca.clone(),
                what: "an authority in it has no revocation list of its own signing, so nothing it issued could be revoked"
                    .into(),
                next: "shuguan crl issue, and name the list under `tls.crls`",
            });
        }
    }
    // The verifier takes each of them as an end of the chain, and never asks whether the end is revoked.
    authorities.retain(|authority| !revoked.judge_authority(authority));
    if authorities.is_empty() && !revoked.is_empty() {
        faults.push(TlsFault {
            file: settings.client_ca.clone(),
            what: "every authority in it is revoked".into(),
            next: "shuguan init DIR makes a whole set",
        });
    }
    revoked
}

fn build(
    settings: &TlsSettings,
    auth: ClientAuth,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    authorities: &[CertificateDer<'static>],
    crls: &[CertificateRevocationListDer<'static>],
) -> Result<ServerConfig, TlsFault> {
    let fault = |error: rustls::Error| tls_fault(&settings.certificate, error);
    let verifier = verifier(settings, auth, authorities, crls)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(fault)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.to_vec(), key.clone_key())
        .map_err(fault)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.ignore_client_order = true;
    Ok(config)
}

fn tls_fault(file: &Path, error: impl fmt::Display) -> TlsFault {
    TlsFault {
        file: file.to_owned(),
        what: error.to_string(),
        next: "shuguan doctor",
    }
}

/// Who judges signatures of a time that is over by these authorities alone: whether one of them revoked a certificate since is not asked.
///
/// # Errors
/// What is wrong with an authority.
pub(crate) fn signers_of(authorities: &[Vec<u8>]) -> Result<Signers, String> {
    let authorities: Vec<_> = authorities.iter().cloned().map(CertificateDer::from).collect();
    let verifier = client_verifier(ClientAuth::Required, &authorities, &[])?;
    Ok(Signers::new(Arc::clone(&verifier), verifier))
}

fn verifier(
    settings: &TlsSettings,
    auth: ClientAuth,
    authorities: &[CertificateDer<'static>],
    crls: &[CertificateRevocationListDer<'static>],
) -> Result<Arc<dyn ClientCertVerifier>, TlsFault> {
    client_verifier(auth, authorities, crls).map_err(|error| tls_fault(&settings.client_ca, error))
}

/// The verifier of client certificates; without lists it asks nobody whether a certificate is revoked.
fn client_verifier(
    auth: ClientAuth,
    authorities: &[CertificateDer<'static>],
    crls: &[CertificateRevocationListDer<'static>],
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|error| error.to_string())?;
    }
    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    if !crls.is_empty() {
        // An expired list passes in webpki unless its expiry is enforced; unknown status is always denied.
        verifier = verifier.with_crls(crls.iter().cloned()).enforce_revocation_expiration();
    }
    if auth == ClientAuth::Asked {
        verifier = verifier.allow_unauthenticated();
    }
    verifier.build().map_err(|error| error.to_string())
}

fn certificates(path: &Path, faults: &mut Vec<TlsFault>) -> Vec<CertificateDer<'static>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match read {
        Ok(list) if !list.is_empty() => return list,
        Ok(_) => faults.push(TlsFault {
            file: path.to_owned(),
            what: "it holds no certificate".into(),
            next: "shuguan cert inspect FILE",
        }),
        Err(error) => faults.push(TlsFault {
            file: path.to_owned(),
            what: error.to_string(),
            next: "shuguan init DIR makes a whole set",
        }),
    }
    Vec::new()
}

fn private_key(path: &Path, faults: &mut Vec<TlsFault>) -> Option<PrivateKeyDer<'static>> {
    if let Some(what) = key_file_fault(path) {
        faults.push(TlsFault {
            file: path.to_owned(),
            what,
            next: "chmod 0400 FILE, owned by the service's user",
        });
        return None;
    }
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| {
            faults.push(TlsFault {
                file: path.to_owned(),
                what: error.to_string(),
                next: "shuguan init DIR makes a whole set",
            });
        })
        .ok()
}

/// Why a key file must not be used: it is a link, not a file, or others can read it. The key itself is not looked at.
pub fn key_file_fault(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Some(error.to_string()),
    };
    if !metadata.is_file() {
        return Some("it is not a plain file".into());
    }
    let mode = metadata.mode() & 0o777;
    (mode & 0o077 != 0).then(|| format!("its mode is {mode:04o}; others can read or write this key"))
}

fn revocation_lists(
    paths: &[PathBuf],
    faults: &mut Vec<TlsFault>,
) -> Vec<(PathBuf, CertificateRevocationListDer<'static>)> {
    let mut lists = Vec::new();
    if paths.is_empty() {
        faults.push(TlsFault {
            file: PathBuf::from("tls.crls"),
            what: "it names no revocation list; without one nothing would be revoked".into(),
            next: "shuguan crl issue",
        });
    }
    for path in paths {
        let read: Result<Vec<_>, _> = CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect);
        let what = match read {
            Ok(list) if !list.is_empty() => {
                lists.extend(list.into_iter().map(|list| (path.clone(), list)));
                continue;
            }
            Ok(_) => "it holds no revocation list".into(),
            Err(error) => error.to_string(),
        };
        faults.push(TlsFault {
            file: path.clone(),
            what,
            next: "shuguan crl issue",
        });
    }
    lists
}
