//! `witness.toml`: every fault at once, or a complete [`WitnessSettings`].
//!
//! Refuses plain HTTP beyond loopback, a key of a witness where a log's belongs, a log that is named twice with one key, and a key that ends before it begins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use shuguan_ledger::keys::{KeySpan, lasting};
use shuguan_ledger::note::VerifyingKey;
use shuguan_policies::document::{Document, Table};

use crate::config::ConfigError;

/// What a witness needs to know.
#[derive(Clone, Debug)]
pub(crate) struct WitnessSettings {
    /// Name of its key, for ever: cosignatures carry it.
    pub name: String,
    /// Seed of its key, 64 hex digits, mode 0400.
    pub key_file: PathBuf,
    /// What it signed last.
    pub database: PathBuf,
    /// Where logs ask.
    pub listen: SocketAddr,
    /// Server certificate chain and its key, PEM; without them plain HTTP on loopback.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Keys of the logs it knows, by origin, each with the sizes that it signs.
    pub logs: BTreeMap<String, Vec<KeySpan>>,
}

impl WitnessSettings {
    /// Reads and parses the file; relative paths count from its folder.
    ///
    /// # Errors
    /// Every fault of the file.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable(path.into(), error))?;
        let folder = std::path::absolute(path)
            .ok()
            .and_then(|path| path.parent().map(Path::to_owned))
            .unwrap_or_default();
        Self::parse(&path.display().to_string(), &text, &folder)
    }

    /// Parses a text; `folder` is what relative paths count from.
    ///
    /// # Errors
    /// Every fault of the text.
    pub(crate) fn parse(file: &str, text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let (mut document, mut root) = Document::parse(file, text);
        let settings = read(&mut document, &mut root, folder);
        root.finish(&mut document);
        let faults = document.into_faults();
        match settings {
            Some(settings) if faults.is_empty() => Ok(settings),
            _ => Err(ConfigError::Faults(faults)),
        }
    }
}

fn read<'s>(document: &mut Document<'s>, root: &mut Table<'s>, folder: &Path) -> Option<WitnessSettings> {
    let name = root.required(document, "name");
    let key_file: Option<PathBuf> = root.required(document, "key_file");
    let database: Option<PathBuf> = root.required(document, "database");
    let span = root.span_of("listen").unwrap_or(root.span());
    let listen: Option<SocketAddr> = root.required(document, "listen");
    let certificate: Option<PathBuf> = root.optional(document, "certificate");
    let tls_key: Option<PathBuf> = root.optional(document, "tls_key_file");
    let tls = match (certificate, tls_key) {
        (Some(certificate), Some(key)) => Some((folder.join(certificate), folder.join(key))),
        (None, None) => {
            if listen.is_some_and(|listen| !listen.ip().is_loopback()) {
                let hint = "add `certificate` and `tls_key_file`, or listen on 127.0.0.1 behind a TLS proxy".to_owned();
                document.fault(span, "`listen`: plain HTTP is for loopback only".into(), Some(hint));
            }
            None
        }
        _ => {
            let what = "`certificate` and `tls_key_file` belong together".to_owned();
            document.fault(span, what, None);
            None
        }
    };
    let logs = logs(document, root);
    Some(WitnessSettings {
        name: name?,
        key_file: folder.join(key_file?),
        database: folder.join(database?),
        listen: listen?,
        tls,
        logs,
    })
}

fn logs<'s>(document: &mut Document<'s>, root: &mut Table<'s>) -> BTreeMap<String, Vec<KeySpan>> {
    let mut logs: BTreeMap<String, Vec<KeySpan>> = BTreeMap::new();
    for mut table in root.tables(document, "log") {
        let span = table.span_of("vkey").unwrap_or(table.span());
        let vkey: Option<String> = table.required(document, "vkey");
        let from: Option<u64> = table.optional(document, "from");
        let until: Option<u64> = table.optional(document, "until");
        table.finish(document);
        let Some(vkey) = vkey else { continue };
        if let Ok(key) = VerifyingKey::parse(&vkey) {
            let keys = logs.entry(key.name().to_owned()).or_default();
            if keys.iter().any(|known| *known.key() == key) {
                document.fault(span, "this log is there twice".into(), None);
                continue;
            }
            let stated = from.is_some() || until.is_some();
            let sized = stated.then(|| KeySpan::between(key.clone(), from.unwrap_or(0), until));
            match sized.unwrap_or(Some(key.into())) {
                Some(span) => keys.push(span),
                None => document.fault(span, "`until` is not above `from`: this key signs nothing".into(), None),
            }
        } else {
            let hint = "it stands in the gateway's trust/log.vkey".to_owned();
            document.fault(span, "`log.vkey` is not the key of a log".into(), Some(hint));
        }
    }
    // It learns from its operator that a key ended, some time after the log did it.
    let lasting = |(log, keys): (String, Vec<KeySpan>)| (log, lasting(&keys));
    logs.into_iter().map(lasting).collect()
}
