//! The sections of `shuguan.toml`, read one after the other: each gives its part, or nothing after it has recorded what is wrong with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

use shuguan_policies::document::{Document, Table};

use super::{
    ExtractsSection, GatewaySection, JournalSection, KeysSection, LimitsSection, ListenSection, PartnerLimits,
    PoliciesSection, RegistrySection, SignatureMode, TlsSection,
};
use crate::journal::JournalPlace;
use crate::postgres::{PostgresAddress, PostgresServer, PostgresSettings};
use crate::registry::RegistrySettings;

/// Reads the sections one after the other; each returns `None` after it has recorded what is wrong.
pub(super) struct Sections<'d, 's> {
    pub(super) document: &'d mut Document<'s>,
    pub(super) root: &'d mut Table<'s>,
    pub(super) folder: &'d Path,
}

pub(super) const fn nonzero(value: u32) -> NonZeroU32 {
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

/// A week: what is prepared shows the registry as it was.
const KEEP_HOURS_MAX: NonZeroU32 = nonzero(168);

/// Where a store is.
enum Place {
    File(PathBuf),
    Postgres(Box<PostgresSettings>),
}

/// How long a server may take, where nothing else is stated.
#[derive(Clone, Copy)]
struct Timeouts {
    statement_ms: u32,
    lock_ms: u32,
}

/// The relay writes many rows at once, and waits.
const REGISTRY_TIMEOUTS: Timeouts = Timeouts {
    statement_ms: 60_000,
    lock_ms: 2_000,
};
/// A partner waits for each group.
const JOURNAL_TIMEOUTS: Timeouts = Timeouts {
    statement_ms: 10_000,
    lock_ms: 5_000,
};

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

    pub(super) fn gateway(&mut self) -> Option<GatewaySection> {
        let mut table = self.open("gateway")?;
        let node = table.required(self.document, "node");
        let log_origin = table.required(self.document, "log_origin");
        table.finish(self.document);
        Some(GatewaySection {
            node: node?,
            log_origin: log_origin?,
        })
    }

    pub(super) fn listen(&mut self) -> Option<ListenSection> {
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
        let addresses: [Option<SocketAddr>; 3] = [feed, console, health];
        let is_twice = |(place, address): (usize, &Option<SocketAddr>)| {
            // Port 0 is whatever is free.
            let given = address.filter(|address| address.port() != 0);
            given.is_some() && addresses.iter().skip(place + 1).any(|other| *other == given)
        };
        if addresses.iter().enumerate().any(is_twice) {
            let hint =
                Some("partners, officers and the pages of this machine each have an address of their own".to_owned());
            document.fault(table.span(), "two listeners have the same address".into(), hint);
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

    pub(super) fn tls(&mut self) -> Option<TlsSection> {
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

    pub(super) fn journal(&mut self) -> Option<JournalSection> {
        let mut table = self.open("journal")?;
        let place = self.store(&mut table, "journal", JOURNAL_TIMEOUTS);
        let payloads = self.path(&mut table, "payloads");
        let head: Option<PathBuf> = table.optional(self.document, "head");
        let document = &mut *self.document;
        let inbox_bytes_max = table.or(document, "inbox_bytes_max", nonzero_u64(8 << 30));
        // Under the week for which a sender's key is remembered: a day is left in which he can still repeat what he knows no answer of.
        let inbox_age_max_hours = table.or(document, "inbox_age_max_hours", nonzero(144));
        let payload_hold_hours = table.or(document, "payload_hold_hours", 72);
        let rejects_keep_days = table.or(document, "rejects_keep_days", nonzero(30));
        let clock_settle_minutes = table.or(document, "clock_settle_minutes", nonzero(60));
        if rejects_keep_days.get() < 7 {
            let hint = Some("answers are repeatable for 7 days and show rejects".to_owned());
            document.fault(
                table.span(),
                "`journal.rejects_keep_days` must be at least 7".into(),
                hint,
            );
        }
        table.finish(document);
        let place = match place? {
            Place::File(path) => JournalPlace::File(path),
            Place::Postgres(server) => JournalPlace::Postgres(server),
        };
        let payloads = payloads?;
        let beside = || match place.file() {
            Some(database) => database.with_extension("head"),
            None => payloads.with_file_name("journal.head"),
        };
        Some(JournalSection {
            head: head.map_or_else(beside, |head| self.folder.join(head)),
            place,
            payloads,
            inbox_bytes_max,
            inbox_age_max_hours,
            payload_hold_hours,
            rejects_keep_days,
            clock_settle_minutes,
        })
    }

    pub(super) fn registry(&mut self) -> Option<RegistrySection> {
        let mut table = self.open("registry")?;
        let store = self.store(&mut table, "registry", REGISTRY_TIMEOUTS);
        let document = &mut *self.document;
        let rows_per_s = table.or(document, "rows_per_s", nonzero(100_000));
        let snapshot_close_percent_max: u32 = table.or(document, "snapshot_close_percent_max", 10);
        let snapshot_close_rows_min = table.or(document, "snapshot_close_rows_min", 20);
        if snapshot_close_percent_max > 100 {
            let hint = Some("100 means that a snapshot may close everything".to_owned());
            let message = "`registry.snapshot_close_percent_max` must be at most 100".into();
            document.fault(table.span(), message, hint);
        }
        table.finish(self.document);
        let store = match store? {
            Place::File(path) => RegistrySettings::at(path),
            Place::Postgres(server) => RegistrySettings::Postgres(*server),
        };
        Some(RegistrySection {
            store,
            rows_per_s,
            snapshot_close_percent_max,
            snapshot_close_rows_min,
        })
    }

    /// `database` or `url`, with what belongs to it.
    fn store(&mut self, table: &mut Table<'s>, section: &str, timeouts: Timeouts) -> Option<Place> {
        let database: Option<PathBuf> = table.optional(self.document, "database");
        let url: Option<String> = table.optional(self.document, "url");
        match (database, url) {
            (Some(path), None) => Some(Place::File(self.folder.join(path))),
            (None, Some(url)) => {
                let server = self.postgres(table, &url, section, timeouts)?;
                Some(Place::Postgres(Box::new(server)))
            }
            (database, _) => {
                let what = if database.is_some() { "both" } else { "neither" };
                let hint =
                    Some("`database` is a SQLite file, `url` a PostgreSQL server: exactly one of them".to_owned());
                let message = format!("`{section}` has {what} of `database` and `url`");
                self.document.fault(table.span(), message, hint);
                None
            }
        }
    }

    fn postgres(
        &mut self,
        table: &mut Table<'s>,
        url: &str,
        section: &str,
        timeouts: Timeouts,
    ) -> Option<PostgresSettings> {
        let document = &mut *self.document;
        let password_file: Option<PathBuf> = table.optional(document, "password_file");
        let tls_root: Option<PathBuf> = table.optional(document, "tls_root");
        let schema = table.or(document, "schema", "public".to_owned());
        let connect_timeout_ms = table.or(document, "connect_timeout_ms", nonzero(5_000));
        let statement_timeout_ms = table.or(document, "statement_timeout_ms", nonzero(timeouts.statement_ms));
        let lock_timeout_ms = table.or(document, "lock_timeout_ms", nonzero(timeouts.lock_ms));
        let read_timeout_ms = table.or(document, "read_timeout_ms", nonzero(3_600_000));
        let mut wrong = |message: String, hint: &str| document.fault(table.span(), message, Some(hint.to_owned()));
        if !is_plain_name(&schema) {
            wrong(
                format!("`{section}.schema` is no plain name"),
                "small letters, digits and `_`, e.g. public",
            );
            return None;
        }
        let address = PostgresAddress::parse(url)
            .map_err(|why| {
                wrong(
                    format!("`{section}.url`: {why}"),
                    "url = \"postgres://ROLE@HOST/DATABASE\"",
                );
            })
            .ok()?;
        if matches!(address.server, PostgresServer::Host(_)) && tls_root.is_none() {
            let hint = "the authority that issued the server's certificate, PEM; only a unix socket goes without TLS";
            wrong(format!("`{section}.tls_root` is missing"), hint);
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

    pub(super) fn policies(&mut self) -> Option<PoliciesSection> {
        let mut table = self.open("policies")?;
        let bundle = self.path(&mut table, "bundle");
        table.finish(self.document);
        Some(PoliciesSection { bundle: bundle? })
    }

    pub(super) fn keys(&mut self) -> Option<KeysSection> {
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

    pub(super) fn limits(&mut self) -> Option<LimitsSection> {
        let mut table = self.open("limits")?;
        let document = &mut *self.document;
        let body_bytes_max = table.or(document, "body_bytes_max", nonzero_u64(4 << 30));
        let reject_percent_max = table.or(document, "reject_percent_max", 20);
        if reject_percent_max > 100 {
            document.fault(table.span(), "`limits.reject_percent_max` is above 100".into(), None);
        }
        let in_flight_max = table.or(document, "in_flight_max", nonzero(512));
        let workbooks_held_bytes_max = table.or(document, "workbooks_held_bytes_max", nonzero_u64(256 << 20));
        if workbooks_held_bytes_max.get() < WORKBOOKS_HELD_BYTES_MIN {
            let hint =
                Some("a workbook and its texts take 128 MiB at most, and half is one partner's share".to_owned());
            let message = "`limits.workbooks_held_bytes_max` must be at least 268435456".into();
            document.fault(table.span(), message, hint);
        }
        let standard = PartnerLimits {
            requests_per_s: nonzero(50),
            requests_burst: nonzero(200),
            concurrent_max: nonzero(16),
            rows_per_s: nonzero(200_000),
            // What a line of 1 Gbit/s brings: the pushes of one partner do not take more of the gateway's than that.
            bytes_per_s: nonzero(125_000_000),
            refused_per_h: nonzero(600),
            // Of reports with 10,000 rejected records each, about 170; packed, they take a tenth or less of that.
            report_kib_per_day: nonzero(128 << 10),
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
            workbooks_held_bytes_max,
        })
    }

    pub(super) fn extracts(&mut self) -> Option<ExtractsSection> {
        let mut table = self.open("extracts")?;
        let spool = self.path(&mut table, "spool");
        let keep_hours = table.or(self.document, "keep_hours", nonzero(24));
        let spool_bytes_max = table.or(self.document, "spool_bytes_max", nonzero_u64(16 << 30));
        if keep_hours > KEEP_HOURS_MAX {
            let message = format!("`extracts.keep_hours` must be at most {KEEP_HOURS_MAX}");
            let hint = "an extract that is wanted later is asked for again".into();
            self.document.fault(table.span(), message, Some(hint));
        }
        table.finish(self.document);
        Some(ExtractsSection {
            spool: spool?,
            keep_hours,
            spool_bytes_max,
        })
    }
}

impl Sections<'_, '_> {
    pub(super) fn signatures(&mut self) -> BTreeMap<String, SignatureMode> {
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

/// With less, the largest workbook could never be read.
const WORKBOOKS_HELD_BYTES_MIN: u64 = 256 << 20;

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
        bytes_per_s: table.or(document, "bytes_per_s", default.bytes_per_s),
        refused_per_h: table.or(document, "refused_per_h", default.refused_per_h),
        report_kib_per_day: table.or(document, "report_kib_per_day", default.report_kib_per_day),
    };
    table.finish(document);
    limits
}
