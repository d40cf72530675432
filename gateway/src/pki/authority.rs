//! The authority: makes root, issuing authority and server certificate; signs partners' certificates; revokes.
//!
//! Takes the folder of a gateway (`DIR`, with `DIR/pki` and `DIR/keys`), subjects of the partner table, the time in µs UTC.
//! Gives certificates that follow edge.md 2.2. Refuses to overwrite, and subjects whose ids are not spelled as the edge compares them.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, Issuer, KeyPair, PublicKeyData};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::acts::{self, Act};
use super::crl::Reason;
use super::profile::Profile;
use super::register::{IssuedLine, Line, Lock, Register, RevokedLine, Row, Usage};
use super::request::Csr;
use super::{PkiFault, Subject, fingerprint, keyfile, rfc3339, template};

/// Which of the two authorities signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Signs the issuing authority and its own list.
    Root,
    /// Signs partners, officers and the gateway.
    Issuing,
}

impl Tier {
    /// Name in files and register.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Issuing => "issuing",
        }
    }
}

/// The authority of one gateway folder. Holds no key: each act reads the one it needs and forgets it.
#[derive(Clone, Debug)]
pub struct Authority {
    folder: PathBuf,
    keys: PathBuf,
    profile: Profile,
}

/// A certificate that was just signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Serial number, 32 hexadecimal digits.
    pub serial: String,
    /// SHA-256 of the DER, hexadecimal.
    pub sha256: String,
    /// The certificate and the issuing authority's, PEM: what a client presents.
    pub chain_pem: String,
    /// End of validity, RFC 3339.
    pub not_after: String,
}

/// Which certificates to revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one with this serial number (hexadecimal; colons and case do not matter).
    Serial(String),
    /// All of this partner that are neither revoked nor expired; if all are revoked, the list is only published again.
    Partner(String),
}

impl Authority {
    /// Makes keys (0400), root, issuing authority, server certificate, `ca.pem`, both revocation lists and the register in
    /// `dir/pki` and `dir/keys`. `name` is a further name or address of the gateway.
    ///
    /// # Errors
    /// [`PkiFault::Exists`] for whatever is there already; what was made before that stays.
    pub fn create(dir: &Path, profile_text: &str, name: Option<&str>, now_us: i64) -> Result<Self, PkiFault> {
        let authority = Self {
            folder: dir.join("pki"),
            keys: dir.join("keys"),
            profile: Profile::parse(profile_text)?,
        };
        keyfile::public_folder(&authority.folder)?;
        keyfile::public_folder(&authority.folder.join("issued"))?;
        keyfile::public_folder(&authority.folder.join("message"))?;
        keyfile::secret_folder(&authority.keys)?;
        let lock = Lock::take(&authority.folder)?;
        keyfile::create_public(&authority.folder.join("profile.toml"), profile_text.as_bytes())?;
        authority.create_root(now_us)?;
        authority.create_issuing(now_us)?;
        authority.create_server(name, now_us)?;
        // The root first: tools that read one certificate of a file then read the one to trust.
        let bundle = [authority.read("root.pem")?, authority.read("issuing.pem")?].concat();
        keyfile::create_public(&authority.folder.join("ca.pem"), bundle.as_bytes())?;
        drop(lock);
        authority.crl(Tier::Root, now_us)?;
        authority.crl(Tier::Issuing, now_us)?;
        Ok(authority)
    }

    /// Opens the authority of a gateway folder.
    ///
    /// # Errors
    /// [`PkiFault::File`] when `dir/pki/profile.toml` is not there: the folder was not made by `shuguan init`.
    pub fn open(dir: &Path) -> Result<Self, PkiFault> {
        let folder = dir.join("pki");
        let profile = Profile::parse(&keyfile::read_public(&folder.join("profile.toml"))?)?;
        Ok(Self {
            folder,
            keys: dir.join("keys"),
            profile,
        })
    }

    /// `DIR/pki`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What certificates say.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The register of this folder.
    pub fn register(&self) -> Register {
        Register::at(self.folder.join("issued.ndjson"))
    }

    /// SHA-256 of the root's DER, hexadecimal: what two people compare by telephone.
    pub fn root_fingerprint(&self) -> Result<String, PkiFault> {
        Ok(fingerprint(&certificate_der(
            &self.folder.join("root.pem"),
            &self.read("root.pem")?,
        )?))
    }

    /// Root and issuing authority, PEM: `ca.pem`.
    pub fn ca_pem(&self) -> Result<String, PkiFault> {
        self.read("ca.pem")
    }

    /// Signs a partner's or officer's certificate for `days` days.
    ///
    /// # Errors
    /// [`PkiFault::BadSubject`]; a signing fault; a register that cannot be written, and then nothing was handed out.
    pub fn issue(&self, csr: &Csr, subject: &Subject, days: u32, now_us: i64) -> Result<Issued, PkiFault> {
        subject.check()?;
        let lock = Lock::take(&self.folder)?;
        let issued = self.sign_partner("issued", csr, subject, days, now_us)?;
        drop(lock);
        Ok(issued)
    }

    /// Signs a partner's message certificate and puts it where the gateway looks for whose keys are whose: `pki/message/SERIAL.pem`.
    ///
    /// # Errors
    /// As [`Authority::issue`]; [`PkiFault::BadRequest`] for a key that messages are not signed with.
    pub fn issue_message(&self, csr: &Csr, subject: &Subject, days: u32, now_us: i64) -> Result<Issued, PkiFault> {
        subject.check()?;
        if !["P-256", "Ed25519"].contains(&csr.key_label()) {
            return Err(PkiFault::BadRequest("messages are signed with Ed25519 or P-256"));
        }
        let lock = Lock::take(&self.folder)?;
        let issued = self.sign_message("issued", csr, subject, days, now_us)?;
        drop(lock);
        Ok(issued)
    }

    /// As [`Authority::renew`], for a message certificate.
    ///
    /// # Errors
    /// [`PkiFault::NotIssued`] when the partner has none.
    pub fn renew_message(&self, subject: &Subject, days: u32, now_us: i64) -> Result<Issued, PkiFault> {
        subject.check()?;
        let lock = Lock::take(&self.folder)?;
        let csr = self.newest_key(&subject.id, Usage::Message)?;
        let issued = self.sign_message("renewed", &csr, subject, days, now_us)?;
        drop(lock);
        Ok(issued)
    }

    /// The newest certificate of a partner that is not revoked, with the issuing authority's, PEM.
    pub fn newest_chain(&self, partner: &str, usage: Usage) -> Result<Option<String>, PkiFault> {
        match self.newest(partner, usage)? {
            Some(row) => {
                let pem = keyfile::read_public(&self.issued_path(&row.issued.serial))?;
                Ok(Some(pem + &self.read("issuing.pem")?))
            }
            None => Ok(None),
        }
    }

    fn newest(&self, partner: &str, usage: Usage) -> Result<Option<Row>, PkiFault> {
        let rows = self.register().rows()?.into_iter().rev();
        let mut own = rows.filter(|row| row.issued.partner == partner && row.issued.usage() == usage);
        Ok(own.find(|row| row.revoked_at.is_none()))
    }

    /// The key of that certificate.
    fn newest_key(&self, partner: &str, usage: Usage) -> Result<Csr, PkiFault> {
        let newest = self.newest(partner, usage)?;
        let row = newest.ok_or_else(|| PkiFault::NotIssued(partner.to_owned()))?;
        let path = self.issued_path(&row.issued.serial);
        Csr::for_key(&public_key_of(&path, &keyfile::read_public(&path)?)?)
    }

    /// Signs the newest certificate of a partner that is not revoked anew: same key, identity of today's partner table.
    /// Old and new are valid together until the old one expires.
    ///
    /// # Errors
    /// [`PkiFault::NotIssued`] when the partner has none.
    pub fn renew(&self, subject: &Subject, days: u32, now_us: i64) -> Result<Issued, PkiFault> {
        subject.check()?;
        let lock = Lock::take(&self.folder)?;
        let csr = self.newest_key(&subject.id, Usage::Tls)?;
        let issued = self.sign_partner("renewed", &csr, subject, days, now_us)?;
        drop(lock);
        Ok(issued)
    }

    /// Signs the gateway's own certificate anew with the key and the names it has; replaces `server.pem`.
    pub fn renew_server(&self, now_us: i64) -> Result<Issued, PkiFault> {
        let lock = Lock::take(&self.folder)?;
        let path = self.folder.join("server.pem");
        let old = certificate_der(&path, &self.read("server.pem")?)?;
        let (_, parsed) = X509Certificate::from_der(&old).map_err(|error| PkiFault::bad_file(&path, error))?;
        let mut params = template::server(&self.profile, &self.profile.server_names(None), now_us)?;
        params.subject_alt_names = template::server_names_of(&path, &parsed)?;
        let key = rcgen::SubjectPublicKeyInfo::from_der(parsed.public_key().raw)
            .map_err(PkiFault::crypto("read the server's key"))?;
        let issued = self.sign("renewed", Tier::Issuing, &params, &key, ("gateway", ""), now_us)?;
        keyfile::replace_public(&path, issued.chain_pem.as_bytes())?;
        drop(lock);
        Ok(issued)
    }

    /// Revokes and issues the lists anew at once. A certificate that is revoked already is no error: the list is signed again.
    ///
    /// # Errors
    /// [`PkiFault::NotIssued`] when nothing matches.
    pub fn revoke(&self, which: &Which, reason: Reason, now_us: i64) -> Result<Vec<Row>, PkiFault> {
        let lock = Lock::take(&self.folder)?;
        let rows = self.select(which, now_us)?;
        let at = rfc3339(now_us);
        for row in rows.iter().filter(|row| row.revoked_at.is_none()) {
            let act = Act {
                act: "revoked".to_owned(),
                partner: row.issued.partner.clone(),
                serial: row.issued.serial.clone(),
                fingerprint: row.issued.sha256.clone(),
                at: at.clone(),
                reason: Some(reason.slug().to_owned()),
            };
            acts::spool(&self.folder, &act)?;
            self.register().append(&Line::Revoked(RevokedLine {
                serial: row.issued.serial.clone(),
                reason: reason.slug().to_owned(),
                at: at.clone(),
            }))?;
        }
        // A crash here leaves a revocation that is recorded but not yet published: repeat the command, or `crl issue`.
        drop(lock);
        for tier in [Tier::Root, Tier::Issuing] {
            if rows.iter().any(|row| row.issued.issuer == tier.name()) {
                self.crl(tier, now_us)?;
            }
        }
        Ok(rows)
    }

    /// The certificates that are meant: of a partner those that are in force, or, when each is revoked, those.
    ///
    /// # Errors
    /// [`PkiFault::NotIssued`] when nothing matches.
    pub fn select(&self, which: &Which, now_us: i64) -> Result<Vec<Row>, PkiFault> {
        let now = rfc3339(now_us);
        let rows = self.register().rows()?.into_iter();
        let (found, wanted): (Vec<Row>, _) = match which {
            Which::Serial(serial) => {
                let wanted = serial.replace(':', "").to_ascii_lowercase();
                (rows.filter(|row| row.issued.serial == wanted).collect(), serial)
            }
            Which::Partner(id) => {
                // RFC 3339 UTC with whole seconds sorts like time.
                let current = |row: &Row| row.issued.partner == *id && row.issued.not_after > now;
                let (live, revoked): (Vec<Row>, Vec<Row>) =
                    rows.filter(current).partition(|row| row.revoked_at.is_none());
                // Only revoked ones: somebody repeats a command that stopped before the list was out.
                (if live.is_empty() { revoked } else { live }, id)
            }
        };
        if found.is_empty() {
            Err(PkiFault::NotIssued(wanted.clone()))
        } else {
            Ok(found)
        }
    }

    fn create_root(&self, now_us: i64) -> Result<(), PkiFault> {
        let pair = self.create_key("root")?;
        let params = template::authority(
            self.profile.root_name()?,
            BasicConstraints::Constrained(1),
            self.profile.root_days(),
            now_us,
        )?;
        let certificate = params.self_signed(&pair).map_err(PkiFault::crypto("sign the root"))?;
        self.record(Tier::Root, &params, certificate.der(), ("root", ""), now_us)?;
        keyfile::create_public(&self.folder.join("root.pem"), certificate.pem().as_bytes())
    }

    fn create_issuing(&self, now_us: i64) -> Result<(), PkiFault> {
        let pair = self.create_key("issuing")?;
        // Path length 0: what it signs cannot sign again.
        let params = template::authority(
            self.profile.issuing_name()?,
            BasicConstraints::Constrained(0),
            self.profile.issuing_days(),
            now_us,
        )?;
        let certificate = params
            .signed_by(&pair, &self.issuer(Tier::Root)?)
            .map_err(PkiFault::crypto("sign the issuing authority"))?;
        self.record(Tier::Root, &params, certificate.der(), ("issuing", ""), now_us)?;
        keyfile::create_public(&self.folder.join("issuing.pem"), certificate.pem().as_bytes())
    }

    fn create_server(&self, name: Option<&str>, now_us: i64) -> Result<(), PkiFault> {
        let pair = self.create_key("server")?;
        let params = template::server(&self.profile, &self.profile.server_names(name), now_us)?;
        let issued = self.sign("issued", Tier::Issuing, &params, &pair, ("gateway", ""), now_us)?;
        keyfile::create_public(&self.folder.join("server.pem"), issued.chain_pem.as_bytes())
    }

    fn create_key(&self, name: &str) -> Result<KeyPair, PkiFault> {
        let pair = KeyPair::generate().map_err(PkiFault::crypto("make a key"))?;
        let pem = Zeroizing::new(pair.serialize_pem());
        keyfile::create_secret(&self.keys.join(format!("{name}.key")), pem.as_bytes())?;
        Ok(pair)
    }

    fn sign_partner(
        &self,
        act: &'static str,
        csr: &Csr,
        subject: &Subject,
        days: u32,
        now_us: i64,
    ) -> Result<Issued, PkiFault> {
        let params = template::partner(&self.profile, subject, days, now_us)?;
        self.sign(
            act,
            Tier::Issuing,
            &params,
            csr.key(),
            (&subject.id, &subject.spiffe),
            now_us,
        )
    }

    fn sign_message(
        &self,
        act: &'static str,
        csr: &Csr,
        subject: &Subject,
        days: u32,
        now_us: i64,
    ) -> Result<Issued, PkiFault> {
        let params = template::message(&self.profile, subject, days, now_us)?;
        let holder = (&*subject.id, &*subject.spiffe);
        let issued = self.sign(act, Tier::Issuing, &params, csr.key(), holder, now_us)?;
        // A crash before this leaves a certificate that the gateway does not know: repeating the command issues another.
        let folder = self.folder.join("message");
        keyfile::public_folder(&folder)?;
        let path = folder.join(format!("{}.pem", issued.serial));
        keyfile::create_public(&path, issued.chain_pem.as_bytes())?;
        Ok(issued)
    }

    /// Signs, spools the act, records it, keeps a copy under `issued/`, and only then gives the certificate away.
    fn sign(
        &self,
        act: &'static str,
        tier: Tier,
        params: &CertificateParams,
        key: &impl PublicKeyData,
        (partner, spiffe): (&str, &str),
        now_us: i64,
    ) -> Result<Issued, PkiFault> {
        let mut params = params.clone();
        self.end_with_issuer(tier, &mut params)?;
        let params = &params;
        let certificate = params
            .signed_by(key, &self.issuer(tier)?)
            .map_err(PkiFault::crypto("sign the certificate"))?;
        let (serial, sha256) = (template::serial_of(params), fingerprint(certificate.der()));
        acts::spool(
            &self.folder,
            &Act {
                act: act.to_owned(),
                partner: partner.to_owned(),
                serial: serial.clone(),
                fingerprint: sha256.clone(),
                at: rfc3339(now_us),
                reason: None,
            },
        )?;
        self.record(tier, params, certificate.der(), (partner, spiffe), now_us)?;
        let pem = certificate.pem();
        keyfile::create_public(&self.issued_path(&serial), pem.as_bytes())?;
        Ok(Issued {
            serial,
            sha256,
            chain_pem: pem + &self.read("issuing.pem")?,
            not_after: rfc3339(params.not_after.unix_timestamp() * 1_000_000),
        })
    }

    /// A certificate that outlived its issuer would only look valid.
    fn end_with_issuer(&self, tier: Tier, params: &mut CertificateParams) -> Result<(), PkiFault> {
        let file = format!("{}.pem", tier.name());
        let path = self.folder.join(&file);
        let der = certificate_der(&path, &self.read(&file)?)?;
        let (_, issuer) = X509Certificate::from_der(&der).map_err(|error| PkiFault::bad_file(&path, error))?;
        params.not_after = params.not_after.min(issuer.validity().not_after.to_datetime());
        if params.not_after <= params.not_before {
            return Err(PkiFault::bad_file(path, "this authority has expired"));
        }
        Ok(())
    }

    fn record(
        &self,
        tier: Tier,
        params: &CertificateParams,
        der: &CertificateDer<'_>,
        (partner, spiffe): (&str, &str),
        now_us: i64,
    ) -> Result<(), PkiFault> {
        self.register().append(&Line::Issued(IssuedLine {
            serial: template::serial_of(params),
            issuer: tier.name().to_owned(),
            partner: partner.to_owned(),
            spiffe: spiffe.to_owned(),
            sha256: fingerprint(der),
            not_before: rfc3339(params.not_before.unix_timestamp() * 1_000_000),
            not_after: rfc3339(params.not_after.unix_timestamp() * 1_000_000),
            at: rfc3339(now_us),
            usage: (params.extended_key_usages == [template::message_usage()]).then(|| "message".to_owned()),
        }))
    }

    fn issued_path(&self, serial: &str) -> PathBuf {
        self.folder.join("issued").join(format!("{serial}.pem"))
    }

    pub(crate) fn read(&self, file: &str) -> Result<String, PkiFault> {
        keyfile::read_public(&self.folder.join(file))
    }

    /// The signing key of one tier with its certificate's name, read from disk.
    ///
    /// # Errors
    /// [`PkiFault::Exposed`]; [`PkiFault::File`] when the root's key is kept elsewhere.
    pub(crate) fn issuer(&self, tier: Tier) -> Result<Issuer<'static, KeyPair>, PkiFault> {
        let key = keyfile::read_secret(&self.keys.join(format!("{}.key", tier.name())))?;
        let pair = KeyPair::from_pem(&key).map_err(PkiFault::crypto("read the authority's key"))?;
        let certificate = self.read(&format!("{}.pem", tier.name()))?;
        Issuer::from_ca_cert_pem(&certificate, pair).map_err(PkiFault::crypto("read the authority's certificate"))
    }
}

/// The first certificate of a PEM text.
pub(crate) fn certificate_der(path: &Path, pem: &str) -> Result<CertificateDer<'static>, PkiFault> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| PkiFault::bad_file(path, error))
}

fn public_key_of(path: &Path, pem: &str) -> Result<Vec<u8>, PkiFault> {
    let der = certificate_der(path, pem)?;
    let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| PkiFault::bad_file(path, error))?;
    Ok(parsed.public_key().raw.to_vec())
}
