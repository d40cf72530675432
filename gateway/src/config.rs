//! The configuration file, parsed: every fault at once, or a complete [`Config`].
//!
//! Takes the text of `shuguan.toml`; gives typed sections whose paths are absolute. Refuses unknown keys, wrong types and values out
//! of range, all in one go, each with its line. Secrets are never in it, only the paths of 0400 files.

mod relay;
mod sections;
#[cfg(test)]
mod tests;
mod witnessing;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

use shuguan_policies::document::{Document, Fault};

use crate::journal::JournalPlace;
use crate::layouts::{self, Layouts};
use crate::sha256;
pub use relay::RelaySection;
use sections::Sections;
pub use witnessing::{Reaction, WitnessAddress, WitnessSection, WitnessingSection};

use crate::registry::RegistrySettings;

/// Everything that `shuguan serve` needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// SHA-256 of the text, as `sha256sum` tells it; a leaf says which one the gateway started with.
    pub sha256: [u8; 32],
    /// `[gateway]`
    pub gateway: GatewaySection,
    /// `[listen]`
    pub listen: ListenSection,
    /// `[tls]`
    pub tls: TlsSection,
    /// `[journal]`
    pub journal: JournalSection,
    /// `[registry]`
    pub registry: RegistrySection,
    /// `[relay]`
    pub relay: RelaySection,
    /// `[policies]`
    pub policies: PoliciesSection,
    /// `[keys]`
    pub keys: KeysSection,
    /// `[limits]`
    pub limits: LimitsSection,
    /// `[extracts]`
    pub extracts: ExtractsSection,
    /// `[require_signature]`: by partner id; of who is not in it the registry has to sign, and an agency may.
    pub signatures: BTreeMap<String, SignatureMode>,
    /// `[[layout]]`
    pub layouts: Layouts,
    /// `[[witness]]` and `[witnessing]`
    pub witnessing: WitnessingSection,
}

/// Who this gateway is.
#[derive(Clone, Debug)]
pub struct GatewaySection {
    /// Name of this node in leaves, e.g. `gw1`.
    pub node: String,
    /// Origin of the log: its address without scheme, e.g. `gw1.lyg.example/log`.
    pub log_origin: String,
}

/// Addresses and deadlines.
#[derive(Clone, Debug)]
pub struct ListenSection {
    /// Where agencies and the registry connect.
    pub feed: SocketAddr,
    /// Where officers and the operator connect.
    pub console: SocketAddr,
    /// Loopback: `/healthz`, `/readyz`, `/metrics`.
    pub health: SocketAddr,
    /// A TLS handshake that takes longer is closed.
    pub handshake_timeout_ms: NonZeroU32,
    /// A connection that sends no request within this is closed.
    pub first_request_timeout_ms: NonZeroU32,
    /// A request whose header takes longer is closed.
    pub header_read_timeout_ms: NonZeroU32,
    /// A connection without traffic is closed.
    pub idle_timeout_ms: NonZeroU32,
    /// A body that sends nothing for so long is refused as too slow.
    pub body_idle_timeout_ms: NonZeroU32,
    /// A body slower than this over 30 s is refused as too slow, and an answer that is read more slowly breaks off, bytes a second.
    pub body_rate_min_bytes_per_s: u32,
    /// A connection older than this is asked to end after its requests.
    pub connection_age_max_s: NonZeroU32,
    /// Connections at once, all partners.
    pub connections_max: NonZeroU32,
    /// Connections at once of one partner.
    pub connections_per_partner_max: NonZeroU32,
    /// Handshakes at once.
    pub handshakes_max: NonZeroU32,
    /// How long a stopping gateway waits for requests in flight.
    pub drain_timeout_ms: NonZeroU32,
}

/// Files of the server's identity and of the authorities it trusts.
#[derive(Clone, Debug)]
pub struct TlsSection {
    /// Server certificate chain, PEM.
    pub certificate: PathBuf,
    /// Server key, PEM, mode 0400.
    pub key: PathBuf,
    /// Authorities that issue client certificates, PEM, issuing authority and root.
    pub client_ca: PathBuf,
    /// One revocation list for each authority, PEM. Required: without them there is no revocation.
    pub crls: Vec<PathBuf>,
    /// Folder of message certificates, PEM, one a file.
    pub message: PathBuf,
}

/// The journal.
#[derive(Clone, Debug)]
pub struct JournalSection {
    /// `database`, a SQLite file, or `url`, a PostgreSQL server, with what belongs to it.
    pub place: JournalPlace,
    /// Folder of large payloads.
    pub payloads: PathBuf,
    /// The newest signed checkpoint, against an older journal that is put back; beside the database unless it is named.
    pub head: PathBuf,
    /// The inbox takes no more than this; above it pushes are answered 503.
    pub inbox_bytes_max: NonZeroU64,
    /// A batch that waits for longer bars its partner: his pushes are answered 503.
    pub inbox_age_max_hours: NonZeroU32,
    /// How long a payload is held after relay, so that a restored registry can be fed again.
    pub payload_hold_hours: u32,
    /// How long reject reports are kept.
    pub rejects_keep_days: NonZeroU32,
    /// How long a step of the machine's clock must stand before the log takes it.
    pub clock_settle_minutes: NonZeroU32,
}

impl JournalSection {
    /// The folder above that of the journal, where `init` puts the trust file.
    pub fn beside(&self) -> Option<&Path> {
        let inside = self.place.file().unwrap_or(&self.payloads);
        inside.parent().and_then(Path::parent)
    }
}

/// The registration database.
#[derive(Clone, Debug)]
pub struct RegistrySection {
    /// `database`, a SQLite file, or `url`, a PostgreSQL server, with what belongs to it.
    pub store: RegistrySettings,
    /// The relay writes no more than this.
    pub rows_per_s: NonZeroU32,
    /// A snapshot that would close more than this share of the rows that it speaks for is set aside.
    pub snapshot_close_percent_max: u32,
    /// So many rows a snapshot may close whatever their share.
    pub snapshot_close_rows_min: u32,
}

/// The policy bundle.
#[derive(Clone, Debug)]
pub struct PoliciesSection {
    /// Folder of the bundle.
    pub bundle: PathBuf,
}

/// Key files, each 64 hex digits, mode 0400.
#[derive(Clone, Debug)]
pub struct KeysSection {
    /// Seed of the log's Ed25519 key.
    pub log: PathBuf,
    /// Key-encryption key of payloads and evidence.
    pub key_encryption: PathBuf,
    /// Master of the pseudonym keys.
    pub master: PathBuf,
    /// Key of the subject index.
    pub index: PathBuf,
    /// Seed of the Ed25519 key that signs answers.
    pub receipt: PathBuf,
}

/// Whether a partner signs its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureMode {
    /// Unsigned requests are refused.
    Require,
    /// A signature must hold; none is needed.
    Accept,
    /// Signed requests are refused.
    Forbid,
}

impl SignatureMode {
    /// The mode of that name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "require" => Some(Self::Require),
            "accept" => Some(Self::Accept),
            "forbid" => Some(Self::Forbid),
            _ => None,
        }
    }
}

/// What one partner may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartnerLimits {
    /// Requests a second, on average.
    pub requests_per_s: NonZeroU32,
    /// Requests that may come at once before the average counts.
    pub requests_burst: NonZeroU32,
    /// Requests being handled at once.
    pub concurrent_max: NonZeroU32,
    /// Rows a second; above it the reading of the body pauses.
    pub rows_per_s: NonZeroU32,
    /// Bytes of pushed bodies a second, as they come; above it likewise.
    pub bytes_per_s: NonZeroU32,
    /// Batches that are refused as a whole, an hour and at once; beyond it nothing new is taken for a while.
    pub refused_per_h: NonZeroU32,
    /// KiB of reports on records that are kept in full, a day and at once; beyond it only their first records are listed.
    pub report_kib_per_day: NonZeroU32,
}

/// Operational limits.
#[derive(Clone, Debug)]
pub struct LimitsSection {
    /// For a partner that has no entry of its own.
    pub default: PartnerLimits,
    /// By partner id.
    pub partners: BTreeMap<String, PartnerLimits>,
    /// Largest body of a push.
    pub body_bytes_max: NonZeroU64,
    /// A batch with more rejects than this share is refused.
    pub reject_percent_max: u32,
    /// Requests in flight, all partners.
    pub in_flight_max: NonZeroU32,
    /// Bytes of memory in which workbooks are held while they come and are read, all partners; half of them is one partner's share.
    pub workbooks_held_bytes_max: NonZeroU64,
}

impl LimitsSection {
    /// The limits that hold for one partner.
    pub fn of(&self, partner: &str) -> PartnerLimits {
        self.partners.get(partner).copied().unwrap_or(self.default)
    }
}

/// Extracts.
#[derive(Clone, Debug)]
pub struct ExtractsSection {
    /// Folder of prepared extracts, encrypted.
    pub spool: PathBuf,
    /// A prepared extract is deleted after this.
    pub keep_hours: NonZeroU32,
    /// Bytes of all prepared extracts together.
    pub spool_bytes_max: NonZeroU64,
}

/// Why a configuration was not taken.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// Everything that is wrong with it.
    Faults(Vec<Fault>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(out, "cannot read `{}`: {error}", path.display()),
            Self::Faults(faults) => {
                for fault in faults {
                    writeln!(out, "{fault}")?;
                }
                write!(out, "{} fault(s) in the configuration", faults.len())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads and parses the file; relative paths count from its folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable(path.into(), error))?;
        let folder = std::path::absolute(path)
            .ok()
            .and_then(|path| path.parent().map(Path::to_owned))
            .unwrap_or_default();
        Self::parse(&path.display().to_string(), &text, &folder)
    }

    /// Parses a text; `folder` is what relative paths count from.
    pub fn parse(file: &str, text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let (mut document, mut root) = Document::parse(file, text);
        let mut section = Sections {
            document: &mut document,
            root: &mut root,
            folder,
        };
        let parsed = (
            section.gateway(),
            section.listen(),
            section.tls(),
            section.journal(),
            section.registry(),
            section.policies(),
            section.keys(),
            section.limits(),
            section.extracts(),
        );
        let signatures = section.signatures();
        let relay = relay::read(&mut document, &mut root);
        let layouts = Layouts::new(layouts::read(&mut document, &mut root, true));
        let witnessing = witnessing::read(&mut document, &mut root, folder);
        root.finish(&mut document);
        let faults = document.into_faults();
        match parsed {
            (
                Some(gateway),
                Some(listen),
                Some(tls),
                Some(journal),
                Some(registry),
                Some(policies),
                Some(keys),
                Some(limits),
                Some(extracts),
            ) if faults.is_empty() => Ok(Self {
                sha256: sha256::of(text.as_bytes()),
                gateway,
                listen,
                tls,
                journal,
                registry,
                relay,
                policies,
                keys,
                limits,
                extracts,
                signatures,
                layouts,
                witnessing,
            }),
            _ => Err(ConfigError::Faults(faults)),
        }
    }
}

/// The configuration that `init` writes; every key that has a default stands in it as a comment.
pub const EXAMPLE: &str = include_str!("config/example.toml");
