//! The kit that goes back to a partner: settings, certificate, CA, trust file, sample feed, one page in Chinese.
//!
//! Takes a subject, its certificate, the gateway's addresses; gives a folder that works as it stands. Contains no key unless
//! the demo made one. The page is `说明.md`; its lines run in the kit's folder as printed.

use std::path::Path;

use serde::{Deserialize, Serialize};
use shuguan_adapters::catalogue::record_type;
use shuguan_adapters::layout::{Encoding, Format, Layout};
use shuguan_adapters::sample::{Dirt, write_sample};

use super::{PkiFault, Subject, keyfile};

/// Where the gateway is reached; kept in `DIR/pki/kit.toml` by `init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// Feed listener, e.g. `https://127.0.0.1:8443`.
    pub gateway: String,
    /// Console listener, e.g. `https://127.0.0.1:8444`.
    pub console: String,
}

impl Addresses {
    /// Reads `DIR/pki/kit.toml`.
    pub fn read(pki: &Path) -> Result<Self, PkiFault> {
        let path = pki.join("kit.toml");
        toml::from_str(&keyfile::read_public(&path)?).map_err(|error| PkiFault::bad_file(&path, error))
    }

    pub(crate) fn write(&self, pki: &Path) -> Result<(), PkiFault> {
        let path = pki.join("kit.toml");
        let text = toml::to_string(self).map_err(|error| PkiFault::bad_file(&path, error))?;
        let head = "# Addresses that `cert issue` writes into partners' kits.\n";
        keyfile::create_public(&path, [head, text.as_str()].concat().as_bytes())
    }
}

/// A feed to try the line with: people and units that never were, one row in ten with a fault, so that a partner sees rejects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// E.g. `sample.csv`.
    pub file_name: &'static str,
    /// E.g. `text/csv; charset=gb18030`.
    pub content_type: String,
    /// E.g. `health/birth-certificate`.
    pub record: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// The purpose that the example bundle grants to every agency's feed.
const PURPOSE: &str = "enrolment.registration";

const SAMPLE_ROWS: u64 = 20;
const SAMPLE_SEED: u64 = 1;

impl Sample {
    /// The sample of an agency in the form that its systems usually write; `None` for a word that is no agency.
    pub fn of_agency(agency: &str) -> Option<Self> {
        let (record, format, encoding) = match agency {
            "public-security" => ("public-security/resident", CSV, Encoding::Gb18030),
            "civil-affairs" => ("civil-affairs/cremation", CSV, Encoding::Gb18030),
            "health" => ("health/birth-certificate", Format::Ndjson, Encoding::Utf8),
            "commerce" => ("commerce/establishment", Format::Ndjson, Encoding::Utf8),
            "tax" => ("tax/registration", CSV, Encoding::Gb18030),
            _ => return None,
        };
        let layout = Layout::new(format, encoding);
        let mut bytes = Vec::new();
        if let Some(kind) = record_type(record) {
            let dirt = Dirt::spread(10.0);
            // Writing into memory does not fail.
            write_sample(kind, &layout, SAMPLE_ROWS, SAMPLE_SEED, dirt, &mut bytes).ok()?;
        }
        Some(Self {
            file_name: if layout.format == Format::Ndjson {
                "sample.ndjson"
            } else {
                "sample.csv"
            },
            content_type: layout.content_type(),
            record,
            bytes,
        })
    }
}

const CSV: Format = Format::CSV;

/// What a kit is made from.
#[derive(Clone, Copy, Debug)]
pub struct Kit<'a> {
    /// Whose it is.
    pub subject: &'a Subject,
    /// Where the gateway is.
    pub addresses: &'a Addresses,
    /// Root and issuing authority, PEM.
    pub ca_pem: &'a str,
    /// SHA-256 of the root, hexadecimal.
    pub root_sha256: &'a str,
    /// The trust file for receipts: lines `log <vkey>`.
    pub trust: &'a str,
    /// The public key that the gateway's signed answers verify with, PEM.
    pub receipt_pem: &'a str,
    /// The certificate with its chain, PEM; empty: not issued yet.
    pub chain_pem: &'a str,
    /// The message certificate with its chain, PEM; then `client.toml` names a message key.
    pub message_pem: Option<&'a str>,
    /// End of the certificate's validity, RFC 3339.
    pub not_after: &'a str,
}

impl Kit<'_> {
    /// Writes the kit into `folder` (0700 if it is made). Public files replace older ones, so that a renewed certificate can go
    /// into the same kit; a key is never touched.
    pub fn write(&self, folder: &Path) -> Result<(), PkiFault> {
        if !folder.exists() {
            keyfile::secret_folder(folder)?;
        }
        let put = |name: &str, content: &[u8]| keyfile::replace_public(&folder.join(name), content);
        if !self.chain_pem.is_empty() {
            put("client.pem", self.chain_pem.as_bytes())?;
        }
        if let Some(chain) = self.message_pem {
            put("message.pem", chain.as_bytes())?;
        }
        if !self.subject.uses_console() {
            put("receipt.pem", self.receipt_pem.as_bytes())?;
        }
        put("ca.pem", self.ca_pem.as_bytes())?;
        put("trust.txt", self.trust.as_bytes())?;
        put("client.toml", self.client_toml("client").as_bytes())?;
        let sample = self.subject.agency().and_then(Sample::of_agency);
        if let Some(sample) = &sample {
            if !sample.bytes.is_empty() {
                put(sample.file_name, &sample.bytes)?;
            }
            put("Push.java", PUSH_JAVA.as_bytes())?;
        }
        put("说明.md", self.page(sample.as_ref()).as_bytes())
    }

    /// Settings of `shuguan push`, `pull`, `status` …; `stem` names certificate and key. Paths are relative to the file.
    pub fn client_toml(&self, stem: &str) -> String {
        let Subject { id, zh, .. } = self.subject;
        let address = if self.subject.uses_console() {
            format!("console = \"{}\"\n", self.addresses.console)
        } else {
            format!("gateway = \"{}\"\n", self.addresses.gateway)
        };
        let mut text = format!(
            "# {zh} ({id})\n{address}certificate = \"{stem}.pem\"\nkey = \"{stem}.key\"\nca = \"ca.pem\"\ntrust = \"trust.txt\"\n"
        );
        if self.message_pem.is_some() {
            text.push_str("# requests are signed with this key, and the gateway's answers must verify with that one\n");
            text.push_str("message_key = \"message.key\"\nreceipt_key = \"receipt.pem\"\n");
        }
        text
    }

    /// `说明.md`; with the lines for a push when there is a sample to push.
    fn page(&self, sample: Option<&Sample>) -> String {
        let Addresses { gateway, console } = self.addresses;
        let calls = match sample {
            Some(sample) => PUSH_CALLS
                .replace("{gateway}", gateway)
                .replace("{file}", sample.file_name)
                .replace("{type}", &sample.content_type)
                .replace("{record}", sample.record)
                .replace("{purpose}", PURPOSE),
            None if self.subject.uses_console() => CONSOLE_CALLS.replace("{console}", console),
            None => PULL_CALLS.replace("{gateway}", gateway),
        };
        PAGE.replace("{calls}", &calls)
            .replace("{zh}", &self.subject.zh)
            .replace("{id}", &self.subject.id)
            .replace("{spiffe}", &self.subject.spiffe)
            .replace("{not_after}", self.not_after)
            .replace("{root}", self.root_sha256)
    }
}

const PAGE: &str = include_str!("kit/page.md");
const PUSH_CALLS: &str = include_str!("kit/push.md");
const PULL_CALLS: &str = include_str!("kit/pull.md");
const CONSOLE_CALLS: &str = include_str!("kit/console.md");
const PUSH_JAVA: &str = include_str!("kit/Push.java");
