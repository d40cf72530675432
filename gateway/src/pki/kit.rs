//! The kit that goes back to a partner: settings, certificate, CA, trust file, sample feed, one page in Chinese.
//!
//! Takes a subject, its certificate, the gateway's addresses; gives a folder that works as it stands. Contains no key unless
//! the demo made one. The page is `说明.md`; its lines run in the kit's folder as printed.

use std::path::Path;

use serde::{Deserialize, Serialize};

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

/// A feed to try the line with: no record of a real person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// E.g. `sample.csv`.
    pub file_name: String,
    /// E.g. `text/csv; charset=gb18030`.
    pub content_type: String,
    /// E.g. `health/birth-certificate`.
    pub record: String,
    /// E.g. `enrolment.registration`.
    pub purpose: String,
    /// The file.
    pub bytes: Vec<u8>,
}

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
    /// The certificate with its chain, PEM.
    pub chain_pem: &'a str,
    /// End of the certificate's validity, RFC 3339.
    pub not_after: &'a str,
    /// A feed to try the line with.
    pub sample: Option<&'a Sample>,
}

impl Kit<'_> {
    /// Writes the kit into `folder` (0700 if it is made). Public files replace older ones, so that a renewed certificate can go
    /// into the same kit; a key is never touched.
    pub fn write(&self, folder: &Path) -> Result<(), PkiFault> {
        if !folder.exists() {
            keyfile::secret_folder(folder)?;
        }
        let put = |name: &str, content: &[u8]| keyfile::replace_public(&folder.join(name), content);
        put("client.pem", self.chain_pem.as_bytes())?;
        put("ca.pem", self.ca_pem.as_bytes())?;
        put("trust.txt", self.trust.as_bytes())?;
        put("client.toml", self.client_toml("client").as_bytes())?;
        if let Some(sample) = self.sample {
            put(&sample.file_name, &sample.bytes)?;
        }
        if self.subject.agency().is_some() {
            put("Push.java", PUSH_JAVA.as_bytes())?;
        }
        put("说明.md", self.page().as_bytes())
    }

    /// Settings of `shuguan push`, `pull`, `status` …; `stem` names certificate and key. Paths are relative to the file.
    pub fn client_toml(&self, stem: &str) -> String {
        let Subject { id, zh, .. } = self.subject;
        let address = if self.subject.uses_console() {
            format!("console = \"{}\"\n", self.addresses.console)
        } else {
            format!("gateway = \"{}\"\n", self.addresses.gateway)
        };
        format!(
            "# {zh} ({id})\n{address}certificate = \"{stem}.pem\"\nkey = \"{stem}.key\"\nca = \"ca.pem\"\ntrust = \"trust.txt\"\n"
        )
    }

    /// `说明.md`.
    pub fn page(&self) -> String {
        let calls = match (self.subject.agency(), self.subject.uses_console()) {
            (Some(agency), _) => self.push_calls(agency),
            (None, true) => CONSOLE_CALLS.replace("{console}", &self.addresses.console),
            (None, false) => PULL_CALLS.replace("{gateway}", &self.addresses.gateway),
        };
        PAGE.replace("{calls}", &calls)
            .replace("{zh}", &self.subject.zh)
            .replace("{id}", &self.subject.id)
            .replace("{spiffe}", &self.subject.spiffe)
            .replace("{not_after}", self.not_after)
            .replace("{root}", self.root_sha256)
    }

    fn push_calls(&self, agency: &str) -> String {
        let placeholder = placeholder(agency);
        let sample = self.sample.unwrap_or(&placeholder);
        let missing = match self.sample {
            Some(_) => String::new(),
            None => format!(
                "先生成样例文件：`shuguan sample --record {} --rows 20 --seed 1 -o {}`\n\n",
                sample.record, sample.file_name
            ),
        };
        (missing + PUSH_CALLS)
            .replace("{gateway}", &self.addresses.gateway)
            .replace("{file}", &sample.file_name)
            .replace("{type}", &sample.content_type)
            .replace("{record}", &sample.record)
            .replace("{purpose}", &sample.purpose)
    }
}

/// The record type, purpose and form that the page shows when the kit holds no sample.
fn placeholder(agency: &str) -> Sample {
    let record = match agency {
        "public-security" => "public-security/resident",
        "civil-affairs" => "civil-affairs/cremation",
        "commerce" => "commerce/establishment",
        "tax" => "tax/registration",
        _ => "health/birth-certificate",
    };
    Sample {
        file_name: "sample.csv".to_owned(),
        content_type: "text/csv; charset=utf-8".to_owned(),
        record: record.to_owned(),
        purpose: "enrolment.registration".to_owned(),
        bytes: Vec::new(),
    }
}

const PAGE: &str = include_str!("kit/page.md");
const PUSH_CALLS: &str = include_str!("kit/push.md");
const PULL_CALLS: &str = include_str!("kit/pull.md");
const CONSOLE_CALLS: &str = include_str!("kit/console.md");
const PUSH_JAVA: &str = include_str!("kit/Push.java");
