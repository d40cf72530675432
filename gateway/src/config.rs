//! The configuration file, parsed: every fault at once, or a complete [`Config`].
//!
//! Takes the text of `shuguan.toml`; gives typed sections whose paths are absolute. Refuses unknown keys, wrong types and values out
//! of range, all in one go, each with its line. Secrets are never in it, only the paths of 0400 files.

mod witnessing;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

use shuguan_policies::document::{Document, Fault, Table};

use crate::layouts::{self, Layouts};
pub use witnessing::{Reaction, WitnessAddress, WitnessSection, WitnessingSection};

use crate::registry::{PostgresAddress, PostgresServer, PostgresSettings, RegistrySettings};

/// Everything that `shuguan serve` needs to know.
#[derive(Clone, Debug)]
pub struct Config {
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
    /// `[policies]`
    pub policies: PoliciesSection,
    /// `[keys]`
    pub keys: KeysSection,
    /// `[limits]`
    pub limits: LimitsSection,
    /// `[extracts]`
    pub extracts: ExtractsSection,
    /// `[require_signature]`: by partner id; who is not in it may sign.
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
    /// A body slower than this over 30 s is refused as too slow, bytes a second.
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
    /// SQLite file.
    pub database: PathBuf,
    /// Folder of large payloads.
    pub payloads: PathBuf,
    /// The newest signed checkpoint, against an older journal that is put back; beside the database unless it is named.
    pub head: PathBuf,
    /// The inbox takes no more than this; above it pushes are answered 503.
    pub inbox_bytes_max: NonZeroU64,
    /// How long a payload is held after relay, so that a restored registry can be fed again.
    pub payload_hold_hours: u32,
    /// How long reject reports are kept.
    pub rejects_keep_days: NonZeroU32,
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
                gateway,
                listen,
                tls,
                journal,
                registry,
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

/// Reads the sections one after the other; each returns `None` after it has recorded what is wrong.
struct Sections<'d, 's> {
    document: &'d mut Document<'s>,
    root: &'d mut Table<'s>,
    folder: &'d Path,
}

const fn nonzero(value: u32) -> NonZeroU32 {
    match NonZeroU32::new(value) {
        Some(value) => value,
        None => NonZeroU32::MIN,
    }
}

const fn nonzero_u64(value: u64) -> NonZeroU64 {
    match NonZeroU64::new(value) {
        Some(value) => value,
        None => NonZeroU64::MIN,
    }
}

impl<'s> Sections<'_, 's> {
    fn open(&mut self, name: &str) -> Option<Table<'s>> {
        let table = self.root.table(self.document, name);
        if table.is_none() {
            let hint = format!("add a section `[{name}]`; `shuguan config example` shows one");
            self.document
                .fault(0..0, format!("the section `[{name}]` is missing"), Some(hint));
        }
        table
    }

    fn path(&mut self, table: &mut Table<'s>, key: &str) -> Option<PathBuf> {
        let path: PathBuf = table.required(self.document, key)?;
        Some(self.folder.join(path))
    }

    fn gateway(&mut self) -> Option<GatewaySection> {
        let mut table = self.open("gateway")?;
        let node = table.required(self.document, "node");
        let log_origin = table.required(self.document, "log_origin");
        table.finish(self.document);
        Some(GatewaySection {
            node: node?,
            log_origin: log_origin?,
        })
    }

    fn listen(&mut self) -> Option<ListenSection> {
        let mut table = self.open("listen")?;
        let document = &mut *self.document;
        let feed = table.required(document, "feed");
        let console = table.required(document, "console");
        let health: Option<SocketAddr> = table.required(document, "health");
        if let Some(health) = health
            && !health.ip().is_loopback()
        {
            let hint = Some("use 127.0.0.1: these pages ask nobody who he is".to_owned());
            document.fault(table.span(), "`listen.health` must be a loopback address".into(), hint);
        }
        let mut ms = |key: &str, default: u32| table.or(document, key, nonzero(default));
        let handshake_timeout_ms = ms("handshake_timeout_ms", 5_000);
        let first_request_timeout_ms = ms("first_request_timeout_ms", 10_000);
        let header_read_timeout_ms = ms("header_read_timeout_ms", 5_000);
        let idle_timeout_ms = ms("idle_timeout_ms", 60_000);
        let body_idle_timeout_ms = ms("body_idle_timeout_ms", 30_000);
        let connection_age_max_s = ms("connection_age_max_s", 900);
        let connections_max = ms("connections_max", 1_024);
        let connections_per_partner_max = ms("connections_per_partner_max", 16);
        let handshakes_max = ms("handshakes_max", 64);
        let drain_timeout_ms = ms("drain_timeout_ms", 10_000);
        let body_rate_min_bytes_per_s = table.or(document, "body_rate_min_bytes_per_s", 16_384);
        table.finish(document);
        Some(ListenSection {
            feed: feed?,
            console: console?,
            health: health?,
            handshake_timeout_ms,
            first_request_timeout_ms,
            header_read_timeout_ms,
            idle_timeout_ms,
            body_idle_timeout_ms,
            body_rate_min_bytes_per_s,
            connection_age_max_s,
            connections_max,
            connections_per_partner_max,
            handshakes_max,
            drain_timeout_ms,
        })
    }

    fn tls(&mut self) -> Option<TlsSection> {
        let mut table = self.open("tls")?;
        let certificate = self.path(&mut table, "certificate");
        let key = self.path(&mut table, "key_file");
        let client_ca = self.path(&mut table, "client_ca");
        let crls: Option<Vec<PathBuf>> = table.required(self.document, "crls");
        if crls.as_ref().is_some_and(Vec::is_empty) {
            let hint = Some("`shuguan crl issue` makes one for each authority".to_owned());
            self.document
                .fault(table.span(), "`tls.crls` names no revocation list".into(), hint);
        }
        let message: Option<PathBuf> = table.optional(self.document, "message");
        table.finish(self.document);
        let client_ca = client_ca?;
        let beside = client_ca.with_file_name("message");
        Some(TlsSection {
            certificate: certificate?,
            key: key?,
            message: message.map_or(beside, |path| self.folder.join(path)),
            client_ca,
            crls: crls?.into_iter().map(|path| self.folder.join(path)).collect(),
        })
    }

    fn journal(&mut self) -> Option<JournalSection> {
        let mut table = self.open("journal")?;
        let database = self.path(&mut table, "database");
        let payloads = self.path(&mut table, "payloads");
        let head: Option<PathBuf> = table.optional(self.document, "head");
        let document = &mut *self.document;
        let inbox_bytes_max = table.or(document, "inbox_bytes_max", nonzero_u64(8 << 30));
        let payload_hold_hours = table.or(document, "payload_hold_hours", 72);
        let rejects_keep_days = table.or(document, "rejects_keep_days", nonzero(30));
        if rejects_keep_days.get() < 7 {
            let hint = Some("answers are repeatable for 7 days and show rejects".to_owned());
            document.fault(
                table.span(),
                "`journal.rejects_keep_days` must be at least 7".into(),
                hint,
            );
        }
        table.finish(document);
        let database = database?;
        let head = head.map_or_else(|| database.with_extension("head"), |head| self.folder.join(head));
        Some(JournalSection {
            database,
            payloads: payloads?,
            head,
            inbox_bytes_max,
            payload_hold_hours,
            rejects_keep_days,
        })
    }

    fn registry(&mut self) -> Option<RegistrySection> {
        let mut table = self.open("registry")?;
        let document = &mut *self.document;
        let database: Option<PathBuf> = table.optional(document, "database");
        let url: Option<String> = table.optional(document, "url");
        let rows_per_s = table.or(document, "rows_per_s", nonzero(100_000));
        let snapshot_close_percent_max: u32 = table.or(document, "snapshot_close_percent_max", 10);
        let snapshot_close_rows_min = table.or(document, "snapshot_close_rows_min", 20);
        if snapshot_close_percent_max > 100 {
            let hint = Some("100 means that a snapshot may close everything".to_owned());
            let message = "`registry.snapshot_close_percent_max` must be at most 100".into();
            document.fault(table.span(), message, hint);
        }
        let store = match (database, url) {
            (Some(path), None) => Some(RegistrySettings::at(self.folder.join(path))),
            (None, Some(url)) => self.postgres(&mut table, &url).map(RegistrySettings::Postgres),
            (database, _) => {
                let what = if database.is_some() { "both" } else { "neither" };
                let hint =
                    Some("`database` is a SQLite file, `url` a PostgreSQL server: exactly one of them".to_owned());
                let message = format!("`registry` has {what} of `database` and `url`");
                self.document.fault(table.span(), message, hint);
                None
            }
        };
        table.finish(self.document);
        Some(RegistrySection {
            store: store?,
            rows_per_s,
            snapshot_close_percent_max,
            snapshot_close_rows_min,
        })
    }

    fn postgres(&mut self, table: &mut Table<'s>, url: &str) -> Option<PostgresSettings> {
        let document = &mut *self.document;
        let password_file: Option<PathBuf> = table.optional(document, "password_file");
        let tls_root: Option<PathBuf> = table.optional(document, "tls_root");
        let schema = table.or(document, "schema", "public".to_owned());
        let connect_timeout_ms = table.or(document, "connect_timeout_ms", nonzero(5_000));
        let statement_timeout_ms = table.or(document, "statement_timeout_ms", nonzero(60_000));
        let lock_timeout_ms = table.or(document, "lock_timeout_ms", nonzero(10_000));
        let read_timeout_ms = table.or(document, "read_timeout_ms", nonzero(3_600_000));
        let mut wrong = |message: String, hint: &str| document.fault(table.span(), message, Some(hint.to_owned()));
        if !is_plain_name(&schema) {
            wrong(
                "`registry.schema` is no plain name".into(),
                "small letters, digits and `_`, e.g. public",
            );
            return None;
        }
        let address = PostgresAddress::parse(url)
            .map_err(|why| {
                wrong(
                    format!("`registry.url`: {why}"),
                    "url = \"postgres://ROLE@HOST/DATABASE\"",
                );
            })
            .ok()?;
        if matches!(address.server, PostgresServer::Host(_)) && tls_root.is_none() {
            let hint = "the authority that issued the server's certificate, PEM; only a unix socket goes without TLS";
            wrong("`registry.tls_root` is missing".into(), hint);
        }
        Some(PostgresSettings {
            password_file: password_file.map(|path| self.folder.join(path)),
            tls_root: tls_root.map(|path| self.folder.join(path)),
            schema,
            connect_timeout_ms: connect_timeout_ms.get(),
            statement_timeout_ms: statement_timeout_ms.get(),
            lock_timeout_ms: lock_timeout_ms.get(),
            read_timeout_ms: read_timeout_ms.get(),
            ..PostgresSettings::at(address)
        })
    }

    fn policies(&mut self) -> Option<PoliciesSection> {
        let mut table = self.open("policies")?;
        let bundle = self.path(&mut table, "bundle");
        table.finish(self.document);
        Some(PoliciesSection { bundle: bundle? })
    }

    fn keys(&mut self) -> Option<KeysSection> {
        let mut table = self.open("keys")?;
        let log = self.path(&mut table, "log_file");
        let key_encryption = self.path(&mut table, "key_encryption_file");
        let master = self.path(&mut table, "master_file");
        let index = self.path(&mut table, "index_file");
        let receipt = self.path(&mut table, "receipt_file");
        table.finish(self.document);
        Some(KeysSection {
            log: log?,
            key_encryption: key_encryption?,
            master: master?,
            index: index?,
            receipt: receipt?,
        })
    }

    fn limits(&mut self) -> Option<LimitsSection> {
        let mut table = self.open("limits")?;
        let document = &mut *self.document;
        let body_bytes_max = table.or(document, "body_bytes_max", nonzero_u64(4 << 30));
        let reject_percent_max = table.or(document, "reject_percent_max", 20);
        if reject_percent_max > 100 {
            document.fault(table.span(), "`limits.reject_percent_max` is above 100".into(), None);
        }
        let in_flight_max = table.or(document, "in_flight_max", nonzero(512));
        let standard = PartnerLimits {
            requests_per_s: nonzero(50),
            requests_burst: nonzero(200),
            concurrent_max: nonzero(16),
            rows_per_s: nonzero(200_000),
        };
        let default = match table.table(document, "default") {
            Some(entry) => partner_limits(document, entry, standard),
            None => standard,
        };
        let mut partners = BTreeMap::new();
        if let Some(mut entries) = table.table(document, "partner") {
            for (id, _) in entries.keys() {
                if let Some(entry) = entries.table(document, &id) {
                    partners.insert(id, partner_limits(document, entry, default));
                }
            }
        }
        table.finish(document);
        Some(LimitsSection {
            default,
            partners,
            body_bytes_max,
            reject_percent_max,
            in_flight_max,
        })
    }

    fn extracts(&mut self) -> Option<ExtractsSection> {
        let mut table = self.open("extracts")?;
        let spool = self.path(&mut table, "spool");
        let keep_hours = table.or(self.document, "keep_hours", nonzero(24));
        table.finish(self.document);
        Some(ExtractsSection {
            spool: spool?,
            keep_hours,
        })
    }
}

impl Sections<'_, '_> {
    fn signatures(&mut self) -> BTreeMap<String, SignatureMode> {
        let mut modes = BTreeMap::new();
        let Some(mut table) = self.root.table(self.document, "require_signature") else {
            return modes;
        };
        for (id, _) in table.keys() {
            let Some(name) = table.required::<String>(self.document, &id) else {
                continue;
            };
            match SignatureMode::parse(&name) {
                Some(mode) => drop(modes.insert(id, mode)),
                None => self.document.fault(
                    table.span(),
                    format!("`require_signature.{id}` is `{name}`"),
                    Some("one of \"require\", \"accept\", \"forbid\"".into()),
                ),
            }
        }
        table.finish(self.document);
        modes
    }
}

/// What needs no quotes in SQL.
fn is_plain_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    name.bytes().next().is_some_and(letter) && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

fn partner_limits<'s>(document: &mut Document<'s>, mut table: Table<'s>, default: PartnerLimits) -> PartnerLimits {
    let limits = PartnerLimits {
        requests_per_s: table.or(document, "requests_per_s", default.requests_per_s),
        requests_burst: table.or(document, "requests_burst", default.requests_burst),
        concurrent_max: table.or(document, "concurrent_max", default.concurrent_max),
        rows_per_s: table.or(document, "rows_per_s", default.rows_per_s),
    };
    table.finish(document);
    limits
}

/// The configuration that `init` writes; every key that has a default stands in it as a comment.
pub const EXAMPLE: &str = include_str!("config/example.toml");

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test may panic"
    )]

    use super::{Config, ConfigError, EXAMPLE, RegistrySettings, SignatureMode};
    use std::path::Path;

    #[test]
    fn the_example_is_a_configuration() {
        let config = Config::parse("example.toml", EXAMPLE, Path::new("/etc/shuguan")).unwrap();
        assert_eq!(config.tls.certificate, Path::new("/etc/shuguan/pki/server.pem"));
        assert_eq!(config.limits.of("nobody"), config.limits.default);
    }

    #[test]
    fn every_commented_default_of_the_example_is_a_known_key() {
        let commented: String = EXAMPLE
            .lines()
            .map(|line| line.strip_prefix("#= ").unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n");
        let config = Config::parse("example.toml", &commented, Path::new("/"));
        assert!(config.is_ok(), "{}", config.unwrap_err());
    }

    fn with_registry(section: &str) -> Result<Config, ConfigError> {
        let text = EXAMPLE.replace("database = \"registry/registry.db\"", section);
        Config::parse("c.toml", &text, Path::new("/etc/shuguan"))
    }

    #[test]
    fn a_registry_is_a_file_or_a_server_and_a_server_on_the_network_has_its_authority() {
        let url = "url = \"postgres://shuguan_relay@db.lyg.example/registry\"\n";
        let config = with_registry(&format!(
            "{url}tls_root = \"pki/db.pem\"\npassword_file = \"keys/db\"\n"
        ))
        .unwrap();
        let RegistrySettings::Postgres(settings) = config.registry.store else {
            panic!("it is not PostgreSQL");
        };
        assert_eq!(settings.tls_root.unwrap(), Path::new("/etc/shuguan/pki/db.pem"));
        assert_eq!(settings.password_file.unwrap(), Path::new("/etc/shuguan/keys/db"));
        assert!(with_registry("url = \"postgres://r@/registry?host=/run/postgresql\"").is_ok());
        for (section, told) in [
            ("", "neither of `database` and `url`"),
            (&*format!("database = \"r.db\"\n{url}"), "both of `database` and `url`"),
            (url, "`registry.tls_root` is missing"),
            ("url = \"postgres://r:geheim@db/d\"", "holds a password"),
            ("url = \"postgres://r@/d?host=/run\"\nschema = \"a b\"", "no plain name"),
            (
                "database = \"r.db\"\ntls_root = \"x\"",
                "unknown key `registry.tls_root`",
            ),
        ] {
            let text = with_registry(section).unwrap_err().to_string();
            assert!(text.contains(told) && !text.contains("geheim"), "{section}: {text}");
        }
    }

    #[test]
    fn a_partner_has_to_sign_may_sign_or_must_not() {
        let with = |section: &str| {
            let text = format!("{EXAMPLE}\n[require_signature]\n{section}\n");
            Config::parse("c.toml", &text, Path::new("/"))
        };
        let config = with("health-city = \"require\"\nhealth-ganyu = \"forbid\"").unwrap();
        assert_eq!(config.signatures["health-city"], SignatureMode::Require);
        assert_eq!(config.signatures["health-ganyu"], SignatureMode::Forbid);
        assert_eq!(config.tls.message, Path::new("/pki/message"));
        for wrong in ["health-city = \"maybe\"", "health-city = true"] {
            let text = with(wrong).unwrap_err().to_string();
            assert!(text.contains("require_signature.health-city"), "{text}");
        }
    }

    #[test]
    fn the_layout_of_the_example_is_a_layout() {
        let (head, layout) = EXAMPLE.split_once("# [[layout]]").unwrap();
        let lines: Vec<&str> = layout
            .lines()
            .map(|line| line.strip_prefix("# ").unwrap_or(line))
            .collect();
        let text = format!("{head}[[layout]]{}", lines.join("\n"));
        let config = Config::parse("example.toml", &text, Path::new("/"));
        assert!(config.is_ok(), "{}", config.unwrap_err());
        assert_eq!(config.unwrap().layouts.of_partner("public-security-city").count(), 1);
    }

    #[test]
    fn all_faults_come_at_once_with_their_lines() {
        let text = EXAMPLE.replace("node = ", "nodes = ").replace(
            "health = \"127.0.0.1:8445\"",
            "health = \"0.0.0.0:1\"\nhandshake_timeout_ms = 0",
        );
        let Err(ConfigError::Faults(faults)) = Config::parse("c.toml", &text, Path::new("/")) else {
            panic!("it was taken");
        };
        let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
        for expected in ["`gateway.node` is missing", "unknown key `gateway.nodes`", "loopback"] {
            assert!(
                messages.iter().any(|m| m.contains(expected)),
                "{expected}: {messages:?}"
            );
        }
        assert!(
            messages.iter().any(|m| m.contains("handshake_timeout_ms")),
            "{messages:?}"
        );
        assert!(faults.iter().all(|fault| fault.line > 0));
    }
}
