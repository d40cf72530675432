//! `shuguan cert …`: requests, certificates, kits, revocation.
//!
//! Takes a configuration's folder (made by `shuguan init`) or, for `request`, `inspect` and `p12`, files alone. Works beside
//! a running gateway: what was done is spooled and becomes a leaf at its next start or reload.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::exit::{Exit, Failure};
use super::init::subjects_of;
use super::output::Output;
use super::sure::Sure;
use crate::clock::Clock;
use crate::pki::authority::{Authority, Issued, Which};
use crate::pki::crl::Reason;
use crate::pki::kit::{Addresses, Kit};
use crate::pki::p12::{self, Cipher};
use crate::pki::register::{Row, Usage};
use crate::pki::request::{self, Applicant, Csr};
use crate::pki::{PkiFault, Subject, inspect, keyfile};

/// Make requests, issue, renew, revoke and show certificates.
#[derive(Debug, clap::Args)]
pub struct CertArgs {
    #[command(subcommand)]
    action: CertAction,
}

#[derive(Debug, clap::Subcommand)]
enum CertAction {
    /// At the partner: make two keys (mode 0400, they stay here), for TLS and for message signatures, and requests for the gateway.
    #[command(
        after_help = "EXAMPLES\n  shuguan cert request --partner health-city -o kit\n\nEXIT CODES\n  0 made · 1 a key or request is there already, or the folder cannot be written"
    )]
    Request {
        /// Partner id, as the gateway's policy officer gave it.
        #[arg(long)]
        partner: String,
        /// SPIFFE id; only for people, the gateway takes it from its partner table.
        #[arg(long)]
        spiffe: Option<String>,
        /// Name of the organisation; only for people.
        #[arg(long)]
        name: Option<String>,
        /// Folder for client.key, client.csr, message.key and message.csr.
        #[arg(short, long, default_value = ".")]
        output: PathBuf,
    },
    /// At the gateway: certify a request for a partner of the partner table and write its kit.
    #[command(
        after_help = "EXAMPLES\n  shuguan cert issue client.csr --partner health-city -c demo/shuguan.toml\n  shuguan cert issue message.csr --partner health-city --message -c demo/shuguan.toml\n\nThe kit goes to kit/PARTNER beside the configuration. Names in the request are ignored.\n\nEXIT CODES\n  0 issued · 1 not issued: unknown partner, unusable request, key or file"
    )]
    Issue {
        /// The partner's request, PEM.
        csr: PathBuf,
        /// Partner id.
        #[arg(long)]
        partner: String,
        /// Life in days; the profile's if not given, 825 at most.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=825))]
        days: Option<u32>,
        /// Issue a message certificate, for signing requests and for nothing else; takes effect at the gateway's next reload.
        #[arg(long)]
        message: bool,
        /// Folder for the kit.
        #[arg(short, long)]
        output: Option<PathBuf>,
        #[command(flatten)]
        gateway: Gateway,
    },
    /// At the gateway: issue a partner's newest certificate anew for the same key; old and new are valid together.
    #[command(
        after_help = "EXAMPLES\n  shuguan cert renew --partner health-city -c demo/shuguan.toml\n  shuguan cert renew --server -c demo/shuguan.toml\n\nFor a new key use `cert request` and `cert issue`. After `--server`, reload the gateway.\n\nEXIT CODES\n  0 issued · 1 not issued"
    )]
    Renew {
        /// Partner id.
        #[arg(long, required_unless_present = "server", conflicts_with = "server")]
        partner: Option<String>,
        /// The gateway's own certificate.
        #[arg(long)]
        server: bool,
        /// The partner's message certificate.
        #[arg(long, conflicts_with = "server")]
        message: bool,
        /// Folder for the kit.
        #[arg(short, long)]
        output: Option<PathBuf>,
        #[command(flatten)]
        gateway: Gateway,
    },
    /// At the gateway: revoke a certificate, or all of a partner, and publish the list at once.
    #[command(
        after_help = "EXAMPLES\n  shuguan cert revoke --partner health-city --reason key-compromise --yes -c demo/shuguan.toml\n\nA running gateway refuses the certificate after its next reload (SIGHUP).\n\nEXIT CODES\n  0 revoked and published · 2 without --yes · 1 nothing matches, or a file cannot be written"
    )]
    Revoke {
        /// Serial number in hexadecimal, as `cert inspect` shows it.
        #[arg(required_unless_present = "partner", conflicts_with = "partner")]
        serial: Option<String>,
        /// All certificates of this partner.
        #[arg(long)]
        partner: Option<String>,
        /// Why.
        #[arg(long, value_enum, default_value_t)]
        reason: Reason,
        #[command(flatten)]
        sure: Sure,
        #[command(flatten)]
        gateway: Gateway,
    },
    /// List what was issued.
    #[command(
        after_help = "EXAMPLES\n  shuguan cert list -c demo/shuguan.toml\n\nEXIT CODES\n  0 listed · 1 no register"
    )]
    List {
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Show certificates and requests of a PEM file, and in what they deviate from the partner profile.
    #[command(
        after_help = "EXAMPLES\n  shuguan cert inspect demo/partners/health-city/client.pem\n\nEXIT CODES\n  0 shown · 1 unreadable · 6 a certificate deviates from the profile"
    )]
    Inspect {
        /// PEM file.
        file: PathBuf,
    },
    /// Put a certificate, its chain and its key into a PKCS #12 file for a browser; the password is shown once.
    #[command(
        after_help = "EXAMPLES\n  shuguan cert p12 --cert client.pem --key client.key -o client.p12\n\nEXIT CODES\n  0 written · 1 a file is there already or cannot be used"
    )]
    P12 {
        /// Certificate with its chain, PEM.
        #[arg(long)]
        cert: PathBuf,
        /// Private key, PEM, mode 0400.
        #[arg(long)]
        key: PathBuf,
        /// The file to write.
        #[arg(short, long)]
        output: PathBuf,
        /// Triple DES and SHA-1 for old Windows and key tools; weak.
        #[arg(long)]
        legacy: bool,
    },
}

/// Which gateway's folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Gateway {
    /// The gateway's configuration; keys and lists are in its folder.
    #[arg(short, long, env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
    config: PathBuf,
}

impl Gateway {
    /// The folder that `init` made.
    pub(crate) fn folder(&self) -> &Path {
        match self.config.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Its authority.
    pub(crate) fn authority(&self) -> Result<Authority, Failure> {
        Authority::open(self.folder()).map_err(failure)
    }

    fn subject(&self, id: &str) -> Result<Subject, Failure> {
        let bundle = super::config::load(&self.config)?.policies.bundle;
        let subjects =
            subjects_of(&bundle).map_err(|what| Failure::local("the policy bundle is not usable").because(what))?;
        let found = subjects.into_iter().find(|subject| subject.id == id);
        found.ok_or_else(|| failure(PkiFault::UnknownPartner(id.to_owned())))
    }
}

/// Runs the command.
pub fn run(args: CertArgs, output: &Output) -> Result<Exit, Failure> {
    let now_us = Clock::system().now_us();
    match args.action {
        CertAction::Request {
            partner,
            spiffe,
            name,
            output: folder,
        } => {
            let applicant = Applicant {
                id: &partner,
                organization: name.as_deref(),
                spiffe: spiffe.as_deref(),
            };
            request(&folder, applicant, output)
        }
        CertAction::Issue {
            csr,
            partner,
            days,
            message,
            output: folder,
            gateway,
        } => issue(&csr, &partner, (days, message), folder, &gateway, now_us, output),
        CertAction::Renew {
            partner,
            message,
            output: folder,
            gateway,
            ..
        } => renew(partner, message, folder, &gateway, now_us, output),
        CertAction::Revoke {
            serial,
            partner,
            reason,
            sure,
            gateway,
        } => {
            let which = serial.map(Which::Serial).or(partner.map(Which::Partner));
            let which = which.ok_or_else(|| Failure::new(Exit::Usage, "name a serial number or a partner"))?;
            revoke(&which, (reason, sure), &gateway, now_us, output)
        }
        CertAction::List { gateway } => list(&gateway, output),
        CertAction::Inspect { file } => show(&file, now_us, output),
        CertAction::P12 {
            cert,
            key,
            output: file,
            legacy,
        } => write_p12(&cert, &key, &file, legacy, output),
    }
}

fn request(folder: &Path, applicant: Applicant<'_>, output: &Output) -> Result<Exit, Failure> {
    for files in [
        request::create(folder, applicant).map_err(failure)?,
        request::create_message(folder, applicant).map_err(failure)?,
    ] {
        output.note(format!("key      {} (mode 0400; it stays here)", files.key.display()));
        output.note(format!("request  {}", files.csr.display()));
    }
    output.note(format!(
        "next: send the requests to the gateway's operator:  shuguan cert issue client.csr --partner {0}; shuguan cert issue message.csr --partner {0} --message",
        applicant.id
    ));
    Ok(Exit::Done)
}

fn issue(
    csr: &Path,
    partner: &str,
    (days, message): (Option<u32>, bool),
    kit: Option<PathBuf>,
    gateway: &Gateway,
    now_us: i64,
    output: &Output,
) -> Result<Exit, Failure> {
    let text = keyfile::read_public(csr).map_err(failure)?;
    let request = Csr::parse_pem(&text).map_err(failure)?;
    let subject = gateway.subject(partner)?;
    let authority = gateway.authority()?;
    let days = days.unwrap_or(authority.profile().partner_days());
    let issued = if message {
        authority.issue_message(&request, &subject, days, now_us)
    } else {
        authority.issue(&request, &subject, days, now_us)
    };
    let issued = issued.map_err(failure)?;
    deliver(&authority, &subject, &issued, kit, gateway, output)
}

fn renew(
    partner: Option<String>,
    message: bool,
    kit: Option<PathBuf>,
    gateway: &Gateway,
    now_us: i64,
    output: &Output,
) -> Result<Exit, Failure> {
    let authority = gateway.authority()?;
    let Some(partner) = partner else {
        let issued = authority.renew_server(now_us).map_err(failure)?;
        report(&issued, output);
        output.note("next: reload the gateway (SIGHUP), so that it presents the new certificate");
        return Ok(Exit::Done);
    };
    let subject = gateway.subject(&partner)?;
    let days = authority.profile().partner_days();
    let issued = if message {
        authority.renew_message(&subject, days, now_us)
    } else {
        authority.renew(&subject, days, now_us)
    };
    let issued = issued.map_err(failure)?;
    deliver(&authority, &subject, &issued, kit, gateway, output)
}

fn deliver(
    authority: &Authority,
    subject: &Subject,
    issued: &Issued,
    kit: Option<PathBuf>,
    gateway: &Gateway,
    output: &Output,
) -> Result<Exit, Failure> {
    let folder = kit.unwrap_or_else(|| gateway.folder().join("kit").join(&subject.id));
    let trust = keyfile::read_public(&gateway.folder().join("trust/trust.txt")).map_err(failure)?;
    let receipt = keyfile::read_public(&gateway.folder().join("trust/receipt.pem")).map_err(failure)?;
    // What the partner holds now, whichever of the two was just issued.
    let newest = |usage| authority.newest_chain(&subject.id, usage).map_err(failure);
    let (client, message) = (newest(Usage::Tls)?, newest(Usage::Message)?);
    Kit {
        subject,
        addresses: &Addresses::read(authority.folder()).map_err(failure)?,
        ca_pem: &authority.ca_pem().map_err(failure)?,
        root_sha256: &authority.root_fingerprint().map_err(failure)?,
        trust: &trust,
        receipt_pem: &receipt,
        chain_pem: client.as_deref().unwrap_or_default(),
        message_pem: message.as_deref(),
        not_after: &issued.not_after,
    }
    .write(&folder)
    .map_err(failure)?;
    report(issued, output);
    output.note(format!("kit: {}  (no key in it)", folder.display()));
    output.note("next: send the folder to the partner, who puts its files beside client.key and reads 说明.md");
    if message.is_some() {
        output.note("then: reload the gateway (SIGHUP), so that it knows the message key");
    }
    Ok(Exit::Done)
}

fn report(issued: &Issued, output: &Output) {
    if output.is_json() {
        let value =
            serde_json::json!({ "serial": issued.serial, "sha256": issued.sha256, "not_after": issued.not_after });
        output.json("shuguan.certificate.v1", &value);
    } else {
        let row = vec![issued.serial.clone(), issued.not_after.clone(), issued.sha256.clone()];
        output.rows(&["serial", "not_after", "sha256"], &[row]);
    }
}

fn revoke(
    which: &Which,
    (reason, sure): (Reason, Sure),
    gateway: &Gateway,
    now_us: i64,
    output: &Output,
) -> Result<Exit, Failure> {
    let authority = gateway.authority()?;
    let found = authority.select(which, now_us).map_err(|fault| match (which, fault) {
        (Which::Serial(name), PkiFault::NotIssued(_)) => not_a_serial(&authority, name, now_us),
        (_, fault) => failure(fault),
    })?;
    if found.iter().any(|row| row.revoked_at.is_none()) {
        sure.of(|| {
            let serials: Vec<String> = found.iter().map(named).collect();
            format!("the gateway would never again accept {}", serials.join(", "))
        })?;
    }
    let rows = authority.revoke(which, reason, now_us).map_err(failure)?;
    for row in rows {
        let state = row
            .revoked_at
            .map_or_else(|| "revoked".to_owned(), |at| format!("was revoked already at {at}"));
        output.note(format!("{}  {}  {state}", row.issued.serial, row.issued.partner));
    }
    output.note("next: reload the gateway (SIGHUP); it refuses the certificate from then on");
    Ok(Exit::Done)
}

/// A certificate as a person tells it from another.
fn named(row: &Row) -> String {
    let what = match row.issued.usage() {
        Usage::Tls => "TLS",
        Usage::Message => "message",
    };
    format!(
        "{} ({what} certificate of `{}`, until {})",
        row.issued.serial, row.issued.partner, row.issued.not_after
    )
}

/// What is no serial number may be a partner's id: its certificates are named.
fn not_a_serial(authority: &Authority, name: &str, now_us: i64) -> Failure {
    let Ok(rows) = authority.select(&Which::Partner(name.to_owned()), now_us) else {
        return failure(PkiFault::NotIssued(name.to_owned()));
    };
    let serials: Vec<String> = rows.iter().map(named).collect();
    Failure::new(
        Exit::Usage,
        format!(
            "`{name}` is a partner and no serial number, and has {} certificates",
            rows.len()
        ),
    )
    .because(serials.join(", "))
    .then(format!(
        "shuguan cert revoke SERIAL --yes, or --partner {name} --yes for all of them"
    ))
}

fn list(gateway: &Gateway, output: &Output) -> Result<Exit, Failure> {
    let rows = gateway.authority()?.register().rows().map_err(failure)?;
    if output.is_json() {
        output.json("shuguan.certificates.v1", &rows);
        return Ok(Exit::Done);
    }
    let cells: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| {
            let revoked = row
                .revoked_at
                .zip(row.reason)
                .map_or_else(String::new, |(at, why)| format!("{at} {why}"));
            vec![row.issued.partner, row.issued.serial, row.issued.not_after, revoked]
        })
        .collect();
    output.rows(&["partner", "serial", "not_after", "revoked"], &cells);
    Ok(Exit::Done)
}

fn show(file: &Path, now_us: i64, output: &Output) -> Result<Exit, Failure> {
    let views = inspect::read(file, now_us).map_err(failure)?;
    let deviates = views.iter().any(|view| !view.deviations.is_empty());
    if output.is_json() {
        output.json("shuguan.certificates.v1", &views);
    } else {
        let cells: Vec<Vec<String>> = views.iter().flat_map(lines).collect();
        output.rows(&["what", "value"], &cells);
    }
    Ok(if deviates { Exit::NotProven } else { Exit::Done })
}

fn lines(view: &inspect::View) -> Vec<Vec<String>> {
    let usage = view.key_usage.join(", ");
    let life = format!("{} – {}", view.not_before, view.not_after);
    let mut lines = vec![
        ("kind", view.kind.to_owned()),
        ("subject", view.subject.clone()),
        ("issuer", view.issuer.clone()),
        ("serial", view.serial.clone()),
        ("names", view.names.join(", ")),
        ("valid", if view.not_after.is_empty() { String::new() } else { life }),
        ("key", view.key.clone()),
        ("key usage", usage),
        ("extended", view.extended_key_usage.join(", ")),
        ("authority", if view.is_ca { "yes" } else { "" }.to_owned()),
        ("sha256", view.sha256.clone()),
    ];
    lines.extend(view.deviations.iter().map(|what| ("deviates", what.clone())));
    let filled = lines.into_iter().filter(|(_, value)| !value.is_empty());
    filled.map(|(what, value)| vec![what.to_owned(), value]).collect()
}

fn write_p12(cert: &Path, key: &Path, file: &Path, legacy: bool, output: &Output) -> Result<Exit, Failure> {
    let chain = keyfile::read_public(cert).map_err(failure)?;
    let key: Zeroizing<String> = keyfile::read_secret(key).map_err(failure)?;
    let password = p12::random_password().map_err(failure)?;
    let name = cert
        .file_stem()
        .map_or_else(|| "client".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let cipher = if legacy { Cipher::Legacy } else { Cipher::Modern };
    let bytes = p12::encode(&chain, &key, &password, &name, cipher).map_err(failure)?;
    keyfile::create_secret(file, &bytes).map_err(failure)?;
    output.note(format!("wrote {}; its password, shown once:", file.display()));
    output.line(password.as_str());
    Ok(Exit::Done)
}

/// What a person reads when the authority could not.
pub(crate) fn failure(fault: PkiFault) -> Failure {
    let next = match &fault {
        PkiFault::Exists { .. } => {
            "choose another place, or move the old file away; `init` takes `--force`, which moves aside what is there"
        }
        PkiFault::Exposed { .. } => "chmod 0400 FILE, and make a new key if somebody may have read it",
        PkiFault::UnknownPartner(_) => "the policy officer must add it to partners.toml:  shuguan policy check",
        PkiFault::BadRequest(_) => "make a new request at the partner:  shuguan cert request --partner ID",
        PkiFault::NotIssued(_) => "see what was issued:  shuguan cert list",
        PkiFault::File { .. } => "if this is no gateway's folder, make one:  shuguan init DIR",
        PkiFault::Profile(_) => "compare it with certs-example/profile.toml",
        PkiFault::BadSubject { .. } => "the policy officer must correct partners.toml",
        PkiFault::BadFile { .. } | PkiFault::Crypto { .. } => "see the file named above",
    };
    let why = std::error::Error::source(&fault).map(ToString::to_string);
    let failure = Failure::local(fault.to_string()).then(next);
    match why {
        Some(why) => failure.because(why),
        None => failure,
    }
}
