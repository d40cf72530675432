//! `shuguan doctor`: what is not as it should be, each with its remedy.
//!
//! Takes the configuration; looks at files, modes, certificates, lists, stores, policies, layouts and the disk. Changes nothing. Exit 6 when a
//! check fails, with `--strict` also when one warns.

mod inbox;
mod layouts;
mod log_keys;
mod receipt_keys;
mod servers;
mod witnesses;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use shuguan_policies::Bundle;

use super::config;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::verify::{ReadLog, read_log};
use crate::bundle::judge::{Bench, EVEN_OUT};
use crate::bundle::{BundleRefused, History, InForce, judge};
use crate::chain::Chain;
use crate::client::deliver::load_trust;
use crate::clock::Clock;
use crate::config::Config;
use crate::edge::health::Light;
use crate::edge::signers::Signers;
use crate::edge::tls::{self, TlsSettings};
use crate::hex::hex;
use crate::journal::{DeepReport, JournalPlace, Reader, examine};
use crate::pki::{inspect, log_keys as key_files, receipt_keys as receipt_files};
use crate::registry::{Registry, RegistrySettings};
use crate::serve::{Compared, StartFault, compare_keys, journal_settings, tables};

/// Look for what is not as it should be.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan doctor -c demo/shuguan.toml
  shuguan doctor --strict --format json -c /etc/shuguan/shuguan.toml

EXIT CODES
  0 nothing fails · 1 the configuration cannot be read · 6 a check fails (with --strict: or warns)")]
pub struct DoctorArgs {
    /// The configuration.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
    config: PathBuf,
    /// Also whether evidence records and the index of subjects are what the log commits to, and past plans what it names; needs the keys.
    #[arg(long)]
    deep: bool,
    /// A warning counts as a failure.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Finding {
    verdict: Verdict,
    check: &'static str,
    what: String,
    next: String,
}

#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, verdict: Verdict, check: &'static str, what: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding {
            verdict,
            check,
            what: what.into(),
            next: next.into(),
        });
    }

    fn ok(&mut self, check: &'static str, what: impl Into<String>) {
        self.add(Verdict::Ok, check, what, "");
    }
}

/// Warn so long before something runs out.
const WARN_S: i64 = 7 * 86_400;

/// Runs the command.
pub fn run(args: DoctorArgs, output: &Output) -> Result<Exit, Failure> {
    let config = config::load(&args.config)?;
    let now_s = Clock::system().now_us() / 1_000_000;
    let mut findings = Findings::default();
    findings.ok("configuration", "every key is known and of its type");
    let signers = tls_files(&config, now_s, &mut findings);
    keys(&config, &mut findings);
    policies(&config, signers.as_deref(), now_s, &mut findings);
    stores(&config, output, &mut findings);
    servers::look(&config, &mut findings);
    if args.deep {
        deep(&config, &mut findings);
    }
    log_keys::look(&config, &mut findings);
    receipt_keys::look(&config, &mut findings);
    inbox::look(&config, &mut findings);
    witnesses::look(&config, &mut findings);
    sqlite(&mut findings);
    show(&findings, output);
    let worst = findings.0.iter().map(|finding| finding.verdict).max();
    Ok(match worst {
        Some(Verdict::Fail) => Exit::NotProven,
        Some(Verdict::Warn) if args.strict => Exit::NotProven,
        _ => Exit::Done,
    })
}

fn tls_files(config: &Config, now_s: i64, findings: &mut Findings) -> Option<Arc<Signers>> {
    let settings = TlsSettings {
        certificate: config.tls.certificate.clone(),
        key: config.tls.key.clone(),
        client_ca: config.tls.client_ca.clone(),
        crls: config.tls.crls.clone(),
        message: config.tls.message.clone(),
    };
    let mut signers = None;
    match tls::load(&settings) {
        Ok(material) => {
            signers = Some(Arc::clone(&material.signers));
            findings.ok("tls", "certificate, key, authorities and lists fit together");
            let next = material.revoked.next_update_s().unwrap_or(0);
            let until = shuguan_ledger::time::format(next.saturating_mul(1_000_000));
            if next <= now_s {
                let what = format!("a revocation list ran out at {until}: nobody is let in");
                findings.add(Verdict::Fail, "crl", what, "shuguan crl issue");
            } else if next - now_s < WARN_S {
                findings.add(
                    Verdict::Warn,
                    "crl",
                    format!("runs out at {until}"),
                    "shuguan crl issue",
                );
            } else {
                findings.ok("crl", format!("current until {until}"));
            }
        }
        Err(faults) => {
            for fault in faults {
                let what = format!("{}: {}", fault.file.display(), fault.what);
                findings.add(Verdict::Fail, "tls", what, fault.next);
            }
        }
    }
    server_certificate(&config.tls.certificate, now_s, findings);
    signers
}

fn server_certificate(path: &Path, now_s: i64, findings: &mut Findings) {
    let Ok(views) = inspect::read(path, now_s.saturating_mul(1_000_000)) else {
        return;
    };
    let Some(leaf) = views.first() else { return };
    let Ok(until) = leaf.not_after.parse::<jiff::Timestamp>() else {
        return;
    };
    let left = until.as_second() - now_s;
    if left <= 0 {
        findings.add(
            Verdict::Fail,
            "server certificate",
            "it has expired",
            "shuguan cert renew --server",
        );
    } else if left < WARN_S {
        findings.add(
            Verdict::Warn,
            "server certificate",
            format!("expires at {until}"),
            "shuguan cert renew --server",
        );
    } else {
        findings.ok("server certificate", format!("valid until {until}"));
    }
}

/// What is done about a key file that cannot be read, or by others too.
const READABLE: &str = "chmod 0400 FILE, owned by the service's user";

fn keys(config: &Config, findings: &mut Findings) {
    let files = [&config.keys.key_encryption, &config.keys.master, &config.keys.index];
    let read = |path: &PathBuf| crate::pki::keyfile::read_random_key(path).err();
    let mut faults: Vec<_> = files.into_iter().filter_map(read).collect();
    faults.extend(key_files::read(&config.keys.log).err().into_iter().flatten());
    faults.extend(receipt_files::read(&config.keys.receipt).err().into_iter().flatten());
    for fault in &faults {
        findings.add(Verdict::Fail, "keys", fault.to_string(), READABLE);
    }
    if !faults.is_empty() {
        return;
    }
    let compared = match compare_keys(config, Clock::system().now_us()) {
        Ok(compared) => compared,
        Err(StartFault::Keys(faults)) => {
            for fault in &faults {
                findings.add(Verdict::Fail, "keys", fault.to_string(), READABLE);
            }
            return;
        }
        // What is wrong with the journal has findings of its own.
        Err(_) => Compared::default(),
    };
    for fault in &compared.faults {
        let next = "put back the file that was there; `serve` does not start with this one";
        findings.add(Verdict::Fail, "keys", fault.to_string(), next);
    }
    for lost in &compared.needless {
        let what = format!(
            "`{}` is there still: a wrong key would be taken as well",
            lost.display()
        );
        findings.add(Verdict::Warn, "keys", what, "remove it: the journal knows the new key");
    }
    if compared.faults.is_empty() {
        let readable = "every key file is readable by its owner only";
        let what = format!(
            "{readable}{}",
            if compared.proved {
                ", and the one that the journal was written under"
            } else {
                ""
            }
        );
        findings.ok("keys", what);
    }
}

/// The bundle in its folder, judged as `serve` would: serial, hash, signers, and when the first agreement expires.
fn policies(config: &Config, signers: Option<&Signers>, now_s: i64, findings: &mut Findings) {
    let folder = &config.policies.bundle;
    // Without authorities nobody can judge a signature; that finding stands above.
    let Some(signers) = signers else { return };
    let judged = Bundle::read(folder)
        .map_err(|faults| BundleRefused::faulty(&faults))
        .and_then(|bundle| {
            let history = History::read(&config.journal.place).unwrap_or_default();
            let bench = Bench {
                signers,
                history: &history,
                table: None,
                now_s,
            };
            judge(bundle, &bench)
        });
    match judged {
        Ok(vouched) => {
            let (light, text) = InForce::of(&vouched).describe(now_s);
            if light == Light::Green {
                findings.ok("policies", text);
            } else {
                let next = "renew the agreement, then `shuguan policy sign` and `shuguan policy submit`";
                findings.add(Verdict::Warn, "policies", text, next);
            }
            layouts::look(&config.layouts, &vouched.set(), findings);
            for uneven in vouched.uneven(now_s.saturating_mul(1_000_000)) {
                findings.add(Verdict::Warn, "policies", uneven, EVEN_OUT);
            }
        }
        Err(refused) => {
            let what = format!(
                "{} {}: {}",
                refused.refusal.code(),
                refused.refusal.en(),
                refused.detail
            );
            findings.add(Verdict::Fail, "policies", what, refused.refusal.next());
        }
    }
}

/// Whether the gateway's role on PostgreSQL could change what it must only add to. That it cannot be asked is a finding of the journal's own.
fn journal_role(config: &Config, findings: &mut Findings) {
    let may = Reader::open(&config.journal.place).and_then(|reader| reader.may_change_leaves());
    if matches!(may, Ok(true)) {
        let what = "the server lets its role change and delete leaves; only a trigger and the proofs speak against it";
        let next = "shuguan db roles --print --only journal, and log in as shuguan_journal";
        findings.add(Verdict::Warn, "journal role", what, next);
    }
}

fn stores(config: &Config, output: &Output, findings: &mut Findings) {
    registry(config, findings);
    journal_role(config, findings);
    let trust = config.journal.beside().map(|dir| dir.join("trust/trust.txt"));
    let Some(Ok(trust)) = trust.map(|path| load_trust(&path)) else {
        findings.add(
            Verdict::Warn,
            "journal",
            "no trust file beside it, so the log was not verified",
            "shuguan verify log JOURNAL --trust FILE",
        );
        return;
    };
    match read_log(&config.journal.place, &trust, output) {
        Ok(report) => findings.ok(
            "journal",
            format!(
                "{} entries, every one proved against the signed root{}",
                report.checkpoint.size,
                report.witnessed.as_ref().map_or_else(String::new, |(size, _)| format!(
                    "; a quorum of witnesses signed {size}"
                ))
            ),
        ),
        Err(ReadLog::Unreadable(error)) => {
            findings.add(
                Verdict::Fail,
                "journal",
                format!("it cannot be read: {}", Chain(&error)),
                match config.journal.place {
                    JournalPlace::File(_) => "shuguan init DIR makes a whole folder",
                    JournalPlace::Postgres(_) => "look at [journal] and at the server's log",
                },
            );
        }
        Err(ReadLog::Disturbed) => {
            let what = "another program opened it meanwhile, so it was not verified";
            findings.add(Verdict::Warn, "journal", what, "shuguan doctor again");
        }
        Err(ReadLog::Fault(fault)) => {
            findings.add(
                Verdict::Fail,
                "journal",
                fault.to_string(),
                "keep the files as they are; compare with receipts and a backup",
            );
        }
    }
}

/// What an administrator of the database could edit without the log noticing by itself.
fn deep(config: &Config, findings: &mut Findings) {
    let looked = journal_settings(config).map_err(|fault| fault.to_string());
    let looked = looked.and_then(|settings| examine(&settings).map_err(|fault| Chain(&fault).to_string()));
    let report = match looked {
        Ok(report) => report,
        Err(why) => {
            return findings.add(
                Verdict::Fail,
                "evidence",
                why,
                "see the line above; repeat as the gateway's own user",
            );
        }
    };
    plans(&report, findings);
    if report.faulty == 0 {
        let what = format!(
            "{} leaves commit to what lies beside them; {} records were destroyed, as the log says",
            report.examined, report.shredded
        );
        findings.ok("evidence", what);
        return;
    }
    for (leaf, what) in &report.faults {
        let next = "keep the files as they are; compare with a backup";
        findings.add(Verdict::Fail, "evidence", format!("leaf {leaf}: {what}"), next);
    }
}

/// What is kept of past plans, by which reports say which fields an exchange gave.
fn plans(report: &DeepReport, findings: &mut Findings) {
    if report.plans_edited.is_empty() {
        let what = format!("{} are kept, each as its hash says", report.plans);
        findings.ok("plans", what);
    }
    for hash in &report.plans_edited {
        let what = format!(
            "what is kept of plan {} was edited, and reports do not believe it",
            hex(hash)
        );
        let next = "find out who writes to the journal's database; a start or `policy submit` of a bundle that has the plan writes it anew";
        findings.add(Verdict::Fail, "plans", what, next);
    }
}

/// Whether it is there; a server is asked whether it fits the policies.
fn registry(config: &Config, findings: &mut Findings) {
    let store = &config.registry.store;
    if let RegistrySettings::Sqlite(settings) = store {
        if settings.path.is_file() {
            findings.ok("registry", store.whereabouts());
        } else {
            let next = "correct [registry]; shuguan init DIR makes a whole folder";
            let what = format!("there is none at {}", settings.path.display());
            findings.add(Verdict::Fail, "registry", what, next);
        }
        return;
    }
    let tables = shuguan_policies::PolicySet::load(&config.policies.bundle)
        .ok()
        .and_then(|set| tables(&set).ok());
    let Some(tables) = tables else {
        return;
    };
    match Registry::migration(store, &tables) {
        Ok(migration) if migration.is_empty() => {
            findings.ok(
                "registry",
                format!("{} answers and fits the policies", store.whereabouts()),
            );
        }
        Ok(_) => {
            let what = "it lacks what the policies need";
            findings.add(Verdict::Fail, "registry", what, "shuguan db migrate");
        }
        Err(fault) => {
            let next = "look at [registry] and at the server's log";
            findings.add(Verdict::Fail, "registry", Chain(&fault).to_string(), next);
        }
    }
}

/// SQLite 3.7.0 to 3.51.2 can corrupt a database whose write-ahead log is reset.
fn sqlite(findings: &mut Findings) {
    let version = rusqlite::version();
    if rusqlite::version_number() >= 3_051_003 {
        findings.ok("sqlite", format!("{version}, bundled"));
    } else {
        findings.add(
            Verdict::Fail,
            "sqlite",
            format!("{version} is too old"),
            "build with the bundled one",
        );
    }
}

fn show(findings: &Findings, output: &Output) {
    if output.is_json() {
        output.json("shuguan.doctor.v1", &findings.0);
        return;
    }
    let word = |verdict| match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
    };
    let rows: Vec<Vec<String>> = findings
        .0
        .iter()
        .map(|f| vec![word(f.verdict).into(), f.check.into(), f.what.clone(), f.next.clone()])
        .collect();
    output.rows(&["", "CHECK", "FINDING", "NEXT"], &rows);
}
