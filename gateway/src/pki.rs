//! The gateway's own certification authority: a root, an issuing authority, revocation lists, partners' kits.
//!
//! Takes a profile (`certs-example/profile.toml`), a folder and the time; gives keys, certificates, lists and kits in the
//! layout that `init` makes. Refuses to overwrite, to sign for an identity that is not in the partner table, and to read a
//! key that others can read. Every act on a folder is spooled for the log ([`acts`]).
//!
//! Crash order of every act: spool line, register line, then the file that others read. A crash leaves at most an act that
//! is recorded and not yet in effect; repeating the command completes it.

pub mod acts;
pub mod authority;
pub mod crl;
pub mod deviation;
pub mod init;
pub mod inspect;
pub mod keyfile;
pub mod kit;
pub mod log_keys;
pub mod p12;
pub mod period;
pub mod profile;
pub mod receipt_keys;
pub mod register;
pub mod request;
mod template;

pub(crate) use crate::clock::DAY_US;
pub use crate::hex::hex;
use std::io;
use std::path::PathBuf;

/// Who a certificate is for: one row of the partner table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Partner id, e.g. `health-city`: letters, digits, `-`, `_`, `.`; it names folders.
    pub id: String,
    /// Chinese name of the organisation or office.
    pub zh: String,
    /// SPIFFE id, e.g. `spiffe://lyg.example/agency/health/city` (design 10.1).
    pub spiffe: String,
}

impl Subject {
    /// Whether this role uses the console listener: officers and the operator (design 10.1).
    pub fn uses_console(&self) -> bool {
        self.path()
            .is_some_and(|path| path.starts_with("officer/") || path.starts_with("operator/"))
    }

    /// The agency of an agency partner, from the SPIFFE path `/agency/<agency>/<name>`.
    pub fn agency(&self) -> Option<&str> {
        self.path()?.strip_prefix("agency/")?.split('/').next()
    }

    fn path(&self) -> Option<&str> {
        Some(self.spiffe.strip_prefix("spiffe://")?.split_once('/')?.1)
    }

    /// Checks that id and SPIFFE id are spelled as the edge compares them: byte for byte.
    ///
    /// # Errors
    /// [`PkiFault::BadSubject`] for an id that could leave its folder and for a SPIFFE id with upper case in scheme or trust
    /// domain, percent-encoding, port, query, fragment, empty or dot segments (SPIFFE-ID 2.1 to 2.3).
    pub fn check(&self) -> Result<(), PkiFault> {
        let refuse = |what| {
            Err(PkiFault::BadSubject {
                id: self.id.clone(),
                what,
            })
        };
        if !is_plain_name(&self.id) || self.id.starts_with(['.', '_']) {
            return refuse("the id has characters other than letters, digits, `-`, `_` and `.`, or starts with a dot");
        }
        let Some((domain, path)) = self
            .spiffe
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.split_once('/'))
        else {
            return refuse("the SPIFFE id is not of the form `spiffe://domain/path`");
        };
        let plain_domain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        if domain.is_empty() || domain.ends_with('.') || !domain.chars().all(plain_domain) {
            return refuse("the trust domain of the SPIFFE id has other characters than a-z, 0-9, `.`, `-`, `_`");
        }
        if !path.split('/').all(is_plain_name) {
            return refuse(
                "a segment of the SPIFFE path is empty, dots, or has other characters than letters, digits, `.`, `-`, `_`",
            );
        }
        Ok(())
    }
}

fn is_plain_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.len() <= 128 && text != "." && text != ".." && text.chars().all(plain)
}

/// Why the authority could not do what was asked. Nothing here carries key material.
#[derive(Debug, thiserror::Error)]
pub enum PkiFault {
    /// A file or folder could not be read or written.
    #[error("cannot {doing} `{}`", path.display())]
    File {
        /// What was being done: `read`, `create`, …
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Something is there already and `--force` was not given.
    #[error("`{}` exists already and is never overwritten", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A key file that group or others can read.
    #[error("`{}` can be read by others (mode {mode:04o})", path.display())]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The profile cannot be read or says something impossible.
    #[error("the certificate profile is not usable: {0}")]
    Profile(String),
    /// An id or a SPIFFE id that no certificate may carry.
    #[error("partner `{id}` cannot have a certificate: {what}")]
    BadSubject {
        /// The partner's id.
        id: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The partner table does not have this partner.
    #[error("partner `{0}` is not in the partner table")]
    UnknownPartner(String),
    /// A request that cannot be certified.
    #[error("the certificate request is refused: {0}")]
    BadRequest(&'static str),
    /// A file that does not hold what it should.
    #[error("`{}` is not usable: {what}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// No certificate of ours has this serial number, or this partner has none.
    #[error("no certificate for `{0}` in the register")]
    NotIssued(String),
    /// Signing, encoding or randomness failed.
    #[error("cannot {doing}: {why}")]
    Crypto {
        /// What was being made.
        doing: &'static str,
        /// What the library said.
        why: String,
    },
}

impl PkiFault {
    pub(crate) fn crypto(doing: &'static str) -> impl Fn(rcgen::Error) -> Self {
        move |error| Self::Crypto {
            doing,
            why: error.to_string(),
        }
    }

    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            _ => Self::File { doing, path, source },
        }
    }

    pub(crate) fn bad_file(path: impl Into<PathBuf>, what: impl std::fmt::Display) -> Self {
        Self::BadFile {
            path: path.into(),
            what: what.to_string(),
        }
    }
}

/// SHA-256 of a certificate's DER, lower-case hexadecimal.
pub fn fingerprint(der: &[u8]) -> String {
    hex(&crate::sha256::of(der))
}

/// RFC 3339 in UTC, whole seconds, from µs since the epoch.
pub(crate) fn rfc3339(time_us: i64) -> String {
    jiff::Timestamp::from_second(time_us.div_euclid(1_000_000)).map_or_else(|_| String::new(), |time| time.to_string())
}

/// A time as X.509 writes it, whole seconds, from µs since the epoch.
pub(crate) fn x509_time(time_us: i64) -> Result<x509_parser::time::ASN1Time, PkiFault> {
    x509_parser::time::ASN1Time::from_timestamp(time_us.div_euclid(1_000_000)).map_err(|error| PkiFault::Crypto {
        doing: "write a time",
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
