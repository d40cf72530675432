//! The spool `pki/acts.ndjson`: what was done to certificates, waiting to become leaves.
//!
//! The commands `cert` and `crl` work on files and may run beside a gateway or without one, so they cannot seal by
//! themselves. Each appends one line here, fsynced, before the act takes effect; `serve` takes the lines at start and at
//! every reload, seals a `certificate` leaf for each, and then drops them:
//!
//! ```text
//! {"act":"revoked","partner":"health-city","serial":"5f…","fingerprint":"ab…","at":"2026-01-31T08:00:00Z","reason":"key-compromise"}
//! ```
//!
//! `act` is `issued`, `renewed`, `revoked` or `crl`, as in the leaf; for `crl`, `partner` is the issuer (`root`, `issuing`),
//! `serial` the CRL number in decimal and `fingerprint` the SHA-256 of the list. Crash states: a line whose act never took effect (harmless: the register and
//! the list say so); after a crash between sealing and [`Taken::sealed`], the same lines come again and are sealed twice.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shuguan_ledger::leaf::CertificateEvent;

use super::register::{Lock, append_json};
use super::{PkiFault, keyfile};

/// One act on the folder's certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// `issued`, `renewed`, `revoked` or `crl`.
    pub act: String,
    /// Partner id; `gateway`, `root`, `issuing` for our own.
    pub partner: String,
    /// Serial number in hexadecimal, or the `CRLNumber` in decimal.
    pub serial: String,
    /// SHA-256 of the DER, lower-case hexadecimal.
    pub fingerprint: String,
    /// RFC 3339 UTC.
    pub at: String,
    /// Reason of a revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<&Act> for CertificateEvent {
    /// The leaf of an act. A list is named by issuer and number, e.g. `issuing-3`.
    fn from(act: &Act) -> Self {
        let is_list = act.act == "crl";
        Self {
            act: act.act.clone(),
            p: if is_list { "-".to_owned() } else { act.partner.clone() },
            serial: if is_list {
                format!("{}-{}", act.partner, act.serial)
            } else {
                act.serial.clone()
            },
            at: act.at.clone(),
        }
    }
}

/// Lines taken from the spool; still on disk until [`Taken::sealed`].
#[derive(Debug)]
pub struct Taken {
    /// The acts, oldest first.
    pub acts: Vec<Act>,
    path: PathBuf,
}

/// Appends one act. The caller holds the folder's [`Lock`].
pub(crate) fn spool(folder: &Path, act: &Act) -> Result<(), PkiFault> {
    append_json(&folder.join("acts.ndjson"), act)
}

/// Takes what waits, for sealing; `None` when nothing does. What an earlier crash left unsealed comes first, alone.
///
/// # Errors
/// [`PkiFault::BadFile`] names the line that does not parse; nothing is lost then.
pub fn take(folder: &Path) -> Result<Option<Taken>, PkiFault> {
    let _lock = Lock::take(folder)?;
    let (spool, taken) = (folder.join("acts.ndjson"), folder.join("acts.sealing.ndjson"));
    if !taken.exists() {
        match fs::rename(&spool, &taken) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(PkiFault::file("take", &spool))?,
        }
        keyfile::sync_folder(folder)?;
    }
    let text = keyfile::read_public(&taken)?;
    // A torn last line was never acknowledged: its act did not take effect.
    let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line)
            .map_err(|error| PkiFault::bad_file(&taken, format_args!("line {}: {error}", number + 1)))
    };
    let acts = whole.lines().enumerate().map(parse).collect::<Result<_, _>>()?;
    Ok(Some(Taken { acts, path: taken }))
}

/// Where acts lie that no leaf can hold.
pub fn set_aside_in(folder: &Path) -> PathBuf {
    folder.join("acts.unfit.ndjson")
}

impl Taken {
    /// Puts an act that no leaf can hold where a person finds it, so that it does not hold up what comes after it. A crash before
    /// [`Taken::sealed`] puts it there twice.
    ///
    /// # Errors
    /// [`PkiFault::File`]; it stays in the spool then.
    pub fn set_aside(&self, act: &Act) -> Result<(), PkiFault> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        append_json(&set_aside_in(folder), act)
    }

    /// Drops the lines; call it once their leaves are durable.
    pub fn sealed(self) -> Result<(), PkiFault> {
        fs::remove_file(&self.path).map_err(PkiFault::file("remove", &self.path))?;
        self.path.parent().map_or(Ok(()), keyfile::sync_folder)
    }
}
