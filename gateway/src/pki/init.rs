//! `shuguan init`: a gateway's folder, complete, from nothing.
//!
//! Takes a folder, options, the policy bundle and the configuration's text; gives PKI, keys, policies, trust file,
//! `shuguan.toml` and, for a demo, keys and kits of all partners and officers. Refuses a folder that has any of these;
//! with `force` the old ones are moved aside together, never deleted.
//!
//! Crash state: `shuguan.toml` is written last, so a folder without it was not finished; `init --force` starts anew.
//! Journal and registry are made by their own rooms, after this.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use shuguan_ledger::note::SigningKey;
use zeroize::Zeroizing;

use super::authority::{Authority, Issued, Which};
use super::crl::Reason;
use super::deviation::{self, Deviation, Signer};
use super::kit::{Addresses, Kit};
use super::p12::{self, Cipher};
use super::profile::Profile;
use super::request::{Csr, message_key_pem};
use super::{PkiFault, Subject, keyfile};
use crate::signature::MessageKey;

/// Everything below `DIR` that `init` (or the journal and registry after it) makes.
const MADE: &[&str] = &[
    "shuguan.toml",
    "pki",
    "keys",
    "policies",
    "trust",
    "partners",
    "officers",
    "kit",
    "journal",
    "registry",
    "extracts",
];

/// Reads the partner table of the bundle at this path.
pub type ReadSubjects<'a> = &'a dyn Fn(&Path) -> Result<Vec<Subject>, String>;

/// How to make the folder.
pub struct InitOptions<'a> {
    /// Move aside what is there.
    pub force: bool,
    /// Make keys and kits of all partners and officers, too.
    pub demo: bool,
    /// A further name or address of the gateway.
    pub name: Option<&'a str>,
    /// Text of the certificate profile, e.g. [`super::profile::EXAMPLE`].
    pub profile: &'a str,
    /// Name of the log in checkpoints and receipts, as `[gateway] log_origin` of the configuration says.
    pub log_origin: &'a str,
    /// Where partners and officers reach the gateway.
    pub addresses: Addresses,
    /// Reads the partner table, once the bundle is in place; only asked with `demo`.
    pub subjects: ReadSubjects<'a>,
}

impl std::fmt::Debug for InitOptions<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("InitOptions")
            .field("force", &self.force)
            .field("demo", &self.demo)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What was made.
#[derive(Debug)]
pub struct Made {
    /// SHA-256 of the root, hexadecimal.
    pub root_sha256: String,
    /// The log's public key, in its C2SP form `name+hash+key`.
    pub log_vkey: String,
    /// Partners with keys under `DIR/partners` (demo only).
    pub partners: Vec<Subject>,
    /// Officers under `DIR/officers` with the password of their `.p12` (demo only); shown once.
    pub officers: Vec<(Subject, Zeroizing<String>)>,
    /// Where older content was moved to.
    pub set_aside: Option<PathBuf>,
}

/// Makes the folder. `policies` are (path below `policies/`, text); `config` is the text of `shuguan.toml`.
///
/// # Errors
/// [`PkiFault::Exists`] names the first thing that is there already, and then nothing was written.
pub fn init(
    dir: &Path,
    options: &InitOptions<'_>,
    policies: &[(&str, &str)],
    config: &str,
    now_us: i64,
) -> Result<Made, PkiFault> {
    // Before anything is written: a profile with a fault must not leave half a folder.
    Profile::parse(options.profile)?;
    keyfile::public_folder(dir)?;
    let set_aside = make_room(dir, options.force, now_us)?;
    write_policies(&dir.join("policies"), policies)?;
    let authority = Authority::create(dir, options.profile, options.name, now_us)?;
    options.addresses.write(authority.folder())?;
    for name in ["log.seed", "kek.key", "master.key", "index.key", "receipt.seed"] {
        keyfile::create_random_key(&dir.join("keys").join(name))?;
    }
    let log_vkey = log_vkey(options.log_origin, &dir.join("keys/log.seed"))?;
    keyfile::public_folder(&dir.join("trust"))?;
    keyfile::create_public(&dir.join("trust/log.vkey"), format!("{log_vkey}\n").as_bytes())?;
    let trust = trust_text(&log_vkey, &authority.ca_pem()?)?;
    keyfile::create_public(&dir.join("trust/trust.txt"), trust.as_bytes())?;
    let receipt_pem = receipt_pem(&dir.join("keys/receipt.seed"))?;
    keyfile::create_public(&dir.join("trust/receipt.pem"), receipt_pem.as_bytes())?;
    let mut made = Made {
        root_sha256: authority.root_fingerprint()?,
        log_vkey,
        partners: Vec::new(),
        officers: Vec::new(),
        set_aside,
    };
    if options.demo {
        demo(dir, options, &authority, &mut made, now_us)?;
    }
    keyfile::create_public(&dir.join("shuguan.toml"), config.as_bytes())?;
    Ok(made)
}

/// The log's public key in the form of C2SP signed-note.
fn log_vkey(origin: &str, seed: &Path) -> Result<String, PkiFault> {
    let seed = keyfile::read_random_key(seed)?;
    let key = SigningKey::from_seed(origin, &seed).map_err(|error| PkiFault::Crypto {
        doing: "derive the log's public key",
        why: error.to_string(),
    })?;
    Ok(key.verifying_key().vkey())
}

/// The public half of the key that signs answers, PEM.
fn receipt_pem(seed: &Path) -> Result<String, PkiFault> {
    let seed = keyfile::read_random_key(seed)?;
    let key = MessageKey::from_seed(&seed).map_err(|error| PkiFault::Crypto {
        doing: "derive the receipt key's public half",
        why: error.to_string(),
    })?;
    Ok(key.public().pem())
}

fn make_room(dir: &Path, force: bool, now_us: i64) -> Result<Option<PathBuf>, PkiFault> {
    let there: Vec<PathBuf> = MADE
        .iter()
        .map(|name| dir.join(name))
        .filter(|path| path.exists())
        .collect();
    let Some(first) = there.first() else {
        return Ok(None);
    };
    if !force {
        return Err(PkiFault::Exists { path: first.clone() });
    }
    let aside = dir.join(format!("replaced-{now_us}"));
    keyfile::secret_folder(&aside)?;
    for path in &there {
        let to = aside.join(path.file_name().unwrap_or_default());
        fs::rename(path, &to).map_err(PkiFault::file("move aside", path))?;
    }
    keyfile::sync_folder(dir)?;
    Ok(Some(aside))
}

fn write_policies(folder: &Path, policies: &[(&str, &str)]) -> Result<(), PkiFault> {
    keyfile::public_folder(folder)?;
    for (name, text) in policies {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            keyfile::public_folder(parent)?;
        }
        keyfile::create_public(&path, text.as_bytes())?;
    }
    Ok(())
}

/// Keys, certificates and kits of everybody in the partner table; one revoked certificate and one of an unknown authority.
fn demo(
    dir: &Path,
    options: &InitOptions<'_>,
    authority: &Authority,
    made: &mut Made,
    now_us: i64,
) -> Result<(), PkiFault> {
    let bundle = dir.join("policies");
    let subjects = (options.subjects)(&bundle).map_err(|what| PkiFault::bad_file(&bundle, what))?;
    keyfile::secret_folder(&dir.join("partners"))?;
    keyfile::secret_folder(&dir.join("officers"))?;
    let desk = Desk {
        dir,
        options,
        authority,
        ca_pem: authority.ca_pem()?,
        trust: trust_text(&made.log_vkey, &authority.ca_pem()?)?,
        receipt_pem: keyfile::read_public(&dir.join("trust/receipt.pem"))?,
        root_sha256: made.root_sha256.clone(),
        now_us,
    };
    for subject in subjects {
        if subject.uses_console() {
            let password = desk.officer(&subject)?;
            made.officers.push((subject, password));
        } else {
            let folder = dir.join("partners").join(&subject.id);
            let issued = desk.partner(&subject, &folder)?;
            desk.message(&subject, &issued, &folder)?;
            made.partners.push(subject);
        }
    }
    if let Some(subject) = made.partners.first() {
        desk.revoked(subject)?;
        desk.unknown(subject)?;
    }
    for name in ["ca.pem", "trust.txt"] {
        let content = if name == "ca.pem" { &desk.ca_pem } else { &desk.trust };
        keyfile::create_public(&dir.join("officers").join(name), content.as_bytes())?;
    }
    Ok(())
}

/// The trust file of a log without witnesses: its key, and the authorities by which those are known who sign what it holds.
fn trust_text(log_vkey: &str, ca_pem: &str) -> Result<String, PkiFault> {
    let mut text = format!("log {log_vkey}\n");
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        let certificate = certificate.map_err(|_| PkiFault::BadRequest("the authority's own certificate is none"))?;
        text.extend(["ca ", &BASE64.encode(certificate), "\n"]);
    }
    Ok(text)
}

/// What all kits of one `init` share.
struct Desk<'a> {
    dir: &'a Path,
    options: &'a InitOptions<'a>,
    authority: &'a Authority,
    ca_pem: String,
    trust: String,
    receipt_pem: String,
    root_sha256: String,
    now_us: i64,
}

impl Desk<'_> {
    fn kit<'k>(&'k self, subject: &'k Subject, chain_pem: &'k str, not_after: &'k str) -> Kit<'k> {
        Kit {
            subject,
            addresses: &self.options.addresses,
            ca_pem: &self.ca_pem,
            root_sha256: &self.root_sha256,
            trust: &self.trust,
            receipt_pem: &self.receipt_pem,
            chain_pem,
            message_pem: None,
            not_after,
        }
    }

    fn certify(&self, subject: &Subject) -> Result<(Zeroizing<String>, Issued), PkiFault> {
        let pair = KeyPair::generate().map_err(PkiFault::crypto("make a key"))?;
        let csr = Csr::for_key(&pair.subject_public_key_info())?;
        let days = self.authority.profile().partner_days();
        let issued = self.authority.issue(&csr, subject, days, self.now_us)?;
        Ok((Zeroizing::new(pair.serialize_pem()), issued))
    }

    fn partner(&self, subject: &Subject, folder: &Path) -> Result<Issued, PkiFault> {
        let (key, issued) = self.certify(subject)?;
        keyfile::secret_folder(folder)?;
        keyfile::create_secret(&folder.join("client.key"), key.as_bytes())?;
        self.kit(subject, &issued.chain_pem, &issued.not_after).write(folder)?;
        Ok(issued)
    }

    /// A message key of its own, its certificate, and the kit that names both.
    fn message(&self, subject: &Subject, client: &Issued, folder: &Path) -> Result<(), PkiFault> {
        let key = message_key_pem()?;
        let pair = KeyPair::from_pem(&key).map_err(PkiFault::crypto("read a key"))?;
        let csr = Csr::for_key(&pair.subject_public_key_info())?;
        let days = self.authority.profile().partner_days();
        let issued = self.authority.issue_message(&csr, subject, days, self.now_us)?;
        keyfile::create_secret(&folder.join("message.key"), key.as_bytes())?;
        let kit = Kit {
            message_pem: Some(&issued.chain_pem),
            ..self.kit(subject, &client.chain_pem, &client.not_after)
        };
        kit.write(folder)
    }

    fn officer(&self, subject: &Subject) -> Result<Zeroizing<String>, PkiFault> {
        let (key, issued) = self.certify(subject)?;
        let file = |ending: &str| self.dir.join("officers").join(format!("{}.{ending}", subject.id));
        let password = p12::random_password()?;
        // With the root, so that a browser which imports the file can also verify the console.
        let chain = issued.chain_pem.clone() + &self.authority.read("root.pem")?;
        let p12 = p12::encode(&chain, &key, &password, &subject.id, Cipher::Modern)?;
        keyfile::create_secret(&file("key"), key.as_bytes())?;
        keyfile::create_public(&file("pem"), issued.chain_pem.as_bytes())?;
        keyfile::create_secret(&file("p12"), &p12)?;
        keyfile::create_secret(&file("password"), format!("{}\n", password.as_str()).as_bytes())?;
        let kit = self.kit(subject, &issued.chain_pem, &issued.not_after);
        keyfile::create_public(&file("toml"), kit.client_toml(&subject.id).as_bytes())?;
        Ok(password)
    }

    /// A second certificate of a partner, revoked at once: what the demo shows being refused.
    fn revoked(&self, subject: &Subject) -> Result<(), PkiFault> {
        let issued = self.partner(subject, &self.dir.join("partners/_revoked"))?;
        self.authority
            .revoke(&Which::Serial(issued.serial), Reason::KeyCompromise, self.now_us)?;
        Ok(())
    }

    /// The same identity from an authority that the gateway does not know.
    fn unknown(&self, subject: &Subject) -> Result<(), PkiFault> {
        let stranger = deviation::unknown_authority("unknown authority", self.now_us)?;
        let minted = deviation::mint(&Signer::Minted(&stranger), subject, &Deviation::default(), self.now_us)?;
        let folder = self.dir.join("partners/_unknown");
        keyfile::secret_folder(&folder)?;
        keyfile::create_secret(&folder.join("client.key"), minted.key_pem.as_bytes())?;
        self.kit(subject, &minted.chain_pem, "").write(&folder)
    }
}
