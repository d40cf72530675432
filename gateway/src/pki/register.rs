//! The register `pki/issued.ndjson`: every certificate and list that was signed, every revocation; append-only, fsynced.
//!
//! One JSON object a line, told apart by `event`:
//!
//! | event | members |
//! |---|---|
//! | `issued` | serial, issuer, partner, spiffe, sha256, `not_before`, `not_after`, at; usage `message` for a message certificate |
//! | `revoked` | serial, reason, at |
//! | `crl` | issuer, number, `this_update`, `next_update` |
//!
//! Times are RFC 3339 UTC, serial and sha256 lower-case hexadecimal. A torn last line (crash while appending) was never
//! acknowledged; it is cut off before the next append. Any other line that does not parse is a fault.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{PkiFault, keyfile};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Line {
    /// A certificate was signed.
    Issued(IssuedLine),
    /// A certificate was revoked.
    Revoked(RevokedLine),
    /// A revocation list was signed.
    Crl(CrlLine),
}

/// A certificate that was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedLine {
    /// Serial number, 32 hexadecimal digits.
    pub serial: String,
    /// Who signed: `root` or `issuing`.
    pub issuer: String,
    /// Partner id; `root`, `issuing` and `gateway` for our own.
    pub partner: String,
    /// SPIFFE id; empty for our own.
    pub spiffe: String,
    /// SHA-256 of the DER.
    pub sha256: String,
    /// Start of validity.
    pub not_before: String,
    /// End of validity.
    pub not_after: String,
    /// When it was signed.
    pub at: String,
    /// `message` for a message certificate; none: TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
}

impl IssuedLine {
    /// What the certificate is for.
    pub fn usage(&self) -> Usage {
        match self.usage {
            Some(_) => Usage::Message,
            None => Usage::Tls,
        }
    }
}

/// What a partner's certificate is for; the one kind cannot be used as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Connections.
    Tls,
    /// Message signatures (RFC 9421).
    Message,
}

/// A revocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedLine {
    /// Serial number, 32 hexadecimal digits.
    pub serial: String,
    /// Reason, see [`super::crl::Reason`].
    pub reason: String,
    /// When.
    pub at: String,
}

/// A revocation list that was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrlLine {
    /// Who signed: `root` or `issuing`.
    pub issuer: String,
    /// `CRLNumber` (RFC 5280 5.2.3); only grows.
    pub number: u64,
    /// When it was signed.
    pub this_update: String,
    /// When it expires.
    pub next_update: String,
}

/// A certificate of the register with what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// As it was issued.
    #[serde(flatten)]
    pub issued: IssuedLine,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// The register of one folder.
#[derive(Clone, Debug)]
pub struct Register {
    path: PathBuf,
}

impl Register {
    /// The register at this path; made by the first append.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Every whole line, oldest first.
    pub fn lines(&self) -> Result<Vec<Line>, PkiFault> {
        let text = match keyfile::read_public(&self.path) {
            Err(PkiFault::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        let parse = |(number, line): (usize, &str)| {
            serde_json::from_str(line)
                .map_err(|error| PkiFault::bad_file(&self.path, format_args!("line {}: {error}", number + 1)))
        };
        whole.lines().enumerate().map(parse).collect()
    }

    /// Every certificate, oldest first, with its revocation if there is one.
    pub fn rows(&self) -> Result<Vec<Row>, PkiFault> {
        let mut rows: Vec<Row> = Vec::new();
        for line in self.lines()? {
            match line {
                Line::Issued(issued) => rows.push(Row {
                    issued,
                    revoked_at: None,
                    reason: None,
                }),
                Line::Revoked(revoked) => {
                    if let Some(row) = rows.iter_mut().find(|row| row.issued.serial == revoked.serial) {
                        row.revoked_at.get_or_insert(revoked.at);
                        row.reason.get_or_insert(revoked.reason);
                    }
                }
                Line::Crl(_) => {}
            }
        }
        Ok(rows)
    }

    /// The highest `CRLNumber` that this issuer has signed; 0 when none.
    pub fn crl_number(&self, issuer: &str) -> Result<u64, PkiFault> {
        let lines = self.lines()?;
        let numbers = lines.iter().filter_map(|line| match line {
            Line::Crl(crl) if crl.issuer == issuer => Some(crl.number),
            _ => None,
        });
        Ok(numbers.max().unwrap_or(0))
    }

    /// Appends one line and makes it durable.
    pub fn append(&self, line: &Line) -> Result<(), PkiFault> {
        append_json(&self.path, line)
    }
}

/// Appends one JSON line to a file of mode 0600 and makes it durable; a torn last line is cut off first.
pub(crate) fn append_json(path: &Path, value: &impl Serialize) -> Result<(), PkiFault> {
    let mut line = serde_json::to_vec(value).map_err(|error| PkiFault::bad_file(path, error))?;
    line.push(b'\n');
    let is_new = !path.exists();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(PkiFault::file("open", path))?;
    cut_torn_line(&mut file)
        .and_then(|()| file.write_all(&line))
        .and_then(|()| file.sync_all())
        .map_err(PkiFault::file("append to", path))?;
    match path.parent() {
        Some(parent) if is_new => keyfile::sync_folder(parent),
        _ => Ok(()),
    }
}

fn cut_torn_line(file: &mut File) -> std::io::Result<()> {
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let whole = u64::try_from(whole).unwrap_or(u64::MAX);
    file.set_len(whole)?;
    file.seek(SeekFrom::Start(whole)).map(|_| ())
}

/// Holds off other processes (and other threads) that change the same folder, until dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock lasts as long as the open file")] File);

impl Lock {
    /// Waits for the lock `pki/.lock`.
    pub fn take(folder: &Path) -> Result<Self, PkiFault> {
        let path = folder.join(".lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(PkiFault::file("open", &path))?;
        file.lock().map_err(PkiFault::file("lock", &path))?;
        Ok(Self(file))
    }
}
