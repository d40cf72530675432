//! `client.toml`: where the gateway is and who we are.
//!
//! Takes the file that came with the partner's kit; gives absolute paths. Refuses unknown keys and wrong types, all at once.

use std::path::{Path, PathBuf};

use shuguan_policies::document::Document;

use crate::command::exit::Failure;

/// Address and identity of a partner's client.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `https://host:port` of the feed listener, for agencies and the registry.
    pub gateway: Option<String>,
    /// `https://host:port` of the console listener, for officers.
    pub console: Option<String>,
    /// Our certificate chain, PEM.
    pub certificate: PathBuf,
    /// Our key, PEM.
    pub key: PathBuf,
    /// Authorities of the gateway's certificate, PEM.
    pub ca: PathBuf,
    /// Trust file for receipts.
    pub trust: PathBuf,
    /// Our message key, PEM; with one, requests are signed.
    pub message_key: Option<PathBuf>,
    /// Public keys that the gateway's answers verify with, PEM; required with a message key.
    pub receipt_key: Option<PathBuf>,
}

impl ClientSettings {
    /// Reads the file; relative paths count from its folder.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::local(format!("cannot read `{}`", path.display()))
                .because(error)
                .then("name the kit's client.toml with `-c FILE` or SHUGUAN_CLIENT")
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let (mut document, mut table) = Document::parse(path.display().to_string(), &text);
        let gateway = table.optional(&mut document, "gateway");
        let console = table.optional(&mut document, "console");
        let mut optional = |key: &str| -> Option<PathBuf> {
            let path = table.optional::<PathBuf>(&mut document, key);
            path.map(|path| folder.join(path))
        };
        let (message_key, receipt_key) = (optional("message_key"), optional("receipt_key"));
        if message_key.is_some() && receipt_key.is_none() {
            let hint =
                "receipt_key = \"receipt.pem\", which came with the kit: answers to signed requests are verified";
            document.fault(
                0..0,
                "`receipt_key` is missing beside `message_key`".into(),
                Some(hint.into()),
            );
        }
        let mut file = |key: &str| -> Option<PathBuf> {
            table
                .required::<PathBuf>(&mut document, key)
                .map(|path| folder.join(path))
        };
        let (certificate, key, ca, trust) = (file("certificate"), file("key"), file("ca"), file("trust"));
        table.finish(&mut document);
        let faults = document.into_faults();
        match (certificate, key, ca, trust) {
            (Some(certificate), Some(key), Some(ca), Some(trust)) if faults.is_empty() => Ok(Self {
                gateway,
                console,
                certificate,
                key,
                ca,
                trust,
                message_key,
                receipt_key,
            }),
            _ => {
                let list: Vec<String> = faults.iter().map(ToString::to_string).collect();
                Err(Failure::local(format!("`{}` is not taken\n{}", path.display(), list.join("\n"))).coded("SG7103"))
            }
        }
    }
}
