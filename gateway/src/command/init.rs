//! `shuguan init DIR`: a gateway's folder from nothing, complete and ready to serve.

use std::path::{Path, PathBuf};

use shuguan_policies::{PolicySet, Role};

use super::cert::failure;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::policy::sign::sign_as;
use crate::clock::{Clock, DAY_US};
use crate::config::{self, Config};
use crate::journal::Journal;
use crate::pki::init::{InitOptions, Made};
use crate::pki::kit::Addresses;
use crate::pki::{Subject, init, keyfile, profile};
use crate::postgres::PostgresAddress;
use crate::registry::Registry;
use crate::serve::{journal_settings, tables};

/// Make a gateway's folder: authorities, keys, revocation lists, policies, configuration.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  shuguan init /etc/shuguan --name gateway.lyg.example\n  shuguan init --demo demo\n\nNothing is overwritten: with --force, what is there is moved to DIR/replaced-… first.\nOnly --demo makes keys of partners and officers; otherwise each makes its own with `cert request`.\n\nEXIT CODES\n  0 made · 1 something is there already, or cannot be written"
)]
pub struct InitArgs {
    /// The folder.
    dir: PathBuf,
    /// Make keys and kits of all partners and officers of the example bundle, too; for trying out only.
    #[arg(long)]
    demo: bool,
    /// Move aside what is there and begin anew.
    #[arg(long)]
    force: bool,
    /// Name or address under which partners reach the gateway.
    #[arg(long)]
    name: Option<String>,
    /// Certificate profile; see certs-example/profile.toml.
    #[arg(long)]
    profile: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: InitArgs, output: &Output) -> Result<Exit, Failure> {
    let made = make(&args.dir, &args, &Servers::default(), Clock::system().now_us())?;
    report(&args, &made, output);
    Ok(Exit::Done)
}

/// Where a demo's stores are on PostgreSQL; none: in a file.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    pub(crate) registry: Option<PostgresAddress>,
    pub(crate) journal: Option<PostgresAddress>,
}

impl Servers {
    /// The configuration with their addresses.
    fn place(&self, text: String) -> String {
        let place = |text: String, file: &str, server: Option<&PostgresAddress>| match server {
            Some(address) => text.replace(&format!("database = \"{file}\""), &format!("url = \"{address}\"")),
            None => text,
        };
        let text = place(text, "registry/registry.db", self.registry.as_ref());
        place(text, "journal/journal.db", self.journal.as_ref())
    }
}

/// A demo's folder with the defaults, its stores where they are named.
pub(crate) fn make_demo(dir: &Path, servers: &Servers) -> Result<Made, Failure> {
    let args = InitArgs {
        dir: dir.to_owned(),
        demo: true,
        force: false,
        name: None,
        profile: None,
    };
    make(dir, &args, servers, Clock::system().now_us())
}

fn make(dir: &Path, args: &InitArgs, servers: &Servers, now_us: i64) -> Result<Made, Failure> {
    let profile = match &args.profile {
        Some(path) => keyfile::read_public(path).map_err(failure)?,
        None => profile::EXAMPLE.to_owned(),
    };
    let text = servers.place(config_text(args.name.as_deref()));
    let config = Config::parse("shuguan.toml", &text, dir).map_err(|error| {
        Failure::local("the configuration would not be taken")
            .because(error)
            .then("give --name a plain host name")
    })?;
    let host = args.name.as_deref().unwrap_or("127.0.0.1");
    let addresses = Addresses {
        gateway: format!("https://{host}:{}", config.listen.feed.port()),
        console: format!("https://{host}:{}", config.listen.console.port()),
    };
    let options = InitOptions {
        force: args.force,
        demo: args.demo,
        name: args.name.as_deref(),
        profile: &profile,
        log_origin: &config.gateway.log_origin,
        addresses,
        subjects: &subjects_of,
    };
    let bundle = bundle(args.demo, now_us);
    let policies: Vec<(&str, &str)> = bundle.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let made = init::init(dir, &options, &policies, &text, now_us).map_err(failure)?;
    make_stores(dir)?;
    if args.demo {
        sign(dir, &made, now_us)?;
    }
    Ok(made)
}

/// A demo's officers sign their bundle with the keys that were just made for them; without a signature nothing serves.
fn sign(dir: &Path, made: &Made, now_us: i64) -> Result<(), Failure> {
    for officer in signing(made) {
        let file = |ending: &str| dir.join("officers").join(format!("{}.{ending}", officer.id));
        sign_as(&dir.join("policies"), &file("key"), &file("pem"), now_us)?;
    }
    Ok(())
}

/// The first officer of each role that signs.
fn signing(made: &Made) -> impl Iterator<Item = &Subject> {
    [Role::PolicyOfficer, Role::SecurityOfficer]
        .into_iter()
        .filter_map(|role| {
            let officers = made.officers.iter().map(|(officer, _)| officer);
            officers
                .into_iter()
                .find(|officer| Role::of_spiffe(&officer.spiffe) == Some(role))
        })
}

/// The example bundle; a demo's agreements are valid from today for a year (design 10.14), and its cases are of today.
fn bundle(demo: bool, now_us: i64) -> Vec<(&'static str, String)> {
    let day = |us: i64| shuguan_ledger::time::format(us).chars().take(10).collect::<String>();
    let valid = |text: &str| {
        text.replace("from = 2026-01-01T", &format!("from = {}T", day(now_us - DAY_US)))
            .replace(
                "until = 2099-12-31T",
                &format!("until = {}T", day(now_us + 365 * DAY_US)),
            )
            .replace("at = 2026-10-12T", &format!("at = {}T", day(now_us)))
    };
    POLICIES
        .iter()
        .map(|(path, text)| (*path, if demo { valid(text) } else { (*text).to_owned() }))
        .collect()
}

/// The empty journal and the registry under the bundle's plans. A crash before this leaves a folder that `serve` refuses, naming the store.
fn make_stores(dir: &Path) -> Result<(), Failure> {
    let config = super::config::load(&dir.join("shuguan.toml"))?;
    let cannot =
        |what: &str, why: &dyn std::fmt::Display| Failure::local(format!("cannot make the {what}")).because(why);
    let settings = journal_settings(&config).map_err(|fault| cannot("journal", &fault))?;
    Journal::create(&settings).map_err(|fault| cannot("journal", &fault))?;
    let policies = PolicySet::load(&config.policies.bundle).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        cannot("registry", &lines.join("\n"))
    })?;
    let tables = tables(&policies).map_err(|fault| cannot("registry", &fault))?;
    Registry::create(&config.registry.store, &tables).map_err(|fault| cannot("registry", &fault))
}

/// The example configuration under this gateway's name, listening everywhere when it has one.
fn config_text(name: Option<&str>) -> String {
    match name {
        None => config::EXAMPLE.to_owned(),
        Some(name) => config::EXAMPLE
            .replace("gw1.lyg.example", name)
            .replace("feed = \"127.0.0.1:", "feed = \"0.0.0.0:")
            .replace("console = \"127.0.0.1:", "console = \"0.0.0.0:"),
    }
}

fn report(args: &InitArgs, made: &Made, output: &Output) {
    let dir = args.dir.display();
    if let Some(aside) = &made.set_aside {
        output.note(format!("moved what was there to {}", aside.display()));
    }
    if output.is_json() {
        let value = serde_json::json!({ "root_sha256": made.root_sha256, "log_vkey": made.log_vkey });
        output.json("shuguan.init.v1", &value);
    } else {
        output.note("root certificate, SHA-256 (compare it by telephone):");
        output.line(&made.root_sha256);
    }
    if !made.partners.is_empty() {
        output.note(format!(
            "made keys of {} partners in {dir}/partners: for trying out only",
            made.partners.len()
        ));
    }
    for (officer, password) in &made.officers {
        output.note(format!(
            "officer {}: {dir}/officers/{}.p12, password {} (also in {}.password)",
            officer.zh,
            officer.id,
            password.as_str(),
            officer.id
        ));
    }
    if args.demo {
        let signers: Vec<&str> = signing(made).map(|officer| officer.id.as_str()).collect();
        output.note(format!(
            "signed the policies as {}, with the keys that were made for them: for trying out only",
            signers.join(" and ")
        ));
    }
    output.note("next:");
    if !args.demo {
        output.note(format!(
            "  edit {dir}/policies, first of all partners.toml: your own officers and partners"
        ));
        output.note(format!(
            "  shuguan cert issue CSR --partner ID -c {dir}/shuguan.toml     for each officer's request (cert request)"
        ));
        output.note(format!(
            "  shuguan policy sign {dir}/policies -c OFFICER.toml            a policy officer, then a security officer: `serve` takes no unsigned bundle"
        ));
    }
    output.note(format!("  shuguan serve -c {dir}/shuguan.toml"));
    if !args.demo {
        output.note(format!(
            "  shuguan cert issue CSR --partner ID -c {dir}/shuguan.toml     for each partner's request"
        ));
        output.note(format!(
            "  move {dir}/keys/root.key to a safe: it is needed again only for `crl issue --root`"
        ));
    }
}

/// Files of the example bundle as (path below `policies/`, text), compiled in so that the program needs no other file.
macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../policies/example/", $path)))),*]
    };
}

/// The example bundle, which `init` copies, with its own tests: whoever changes what one of them says changes it as well, or nothing loads.
const POLICIES: &[(&str, &str)] = embedded![
    "agreements/civil-affairs.toml",
    "agreements/commerce.toml",
    "agreements/health.toml",
    "agreements/public-security.toml",
    "agreements/registry.toml",
    "agreements/tax.toml",
    "calendars/cn.toml",
    "ceilings.toml",
    "keys.toml",
    "partners.toml",
    "purposes.toml",
    "tests/civil-affairs.toml",
    "tests/commerce.toml",
    "tests/health.toml",
    "tests/never.toml",
    "tests/public-security.toml",
    "tests/registry.toml",
    "tests/tax.toml",
];

/// The partner table of a policy bundle; every fault of the bundle when it does not load.
pub(crate) fn subjects_of(bundle: &Path) -> Result<Vec<Subject>, String> {
    let set = PolicySet::load(bundle).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    let subject = |partner: &shuguan_policies::Partner| Subject {
        id: partner.id.clone(),
        zh: partner.zh.clone(),
        spiffe: partner.spiffe.clone(),
    };
    Ok(set.partners().iter().map(subject).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn bundles(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let below = entries.flat_map(|path| if path.is_dir() { bundles(&path) } else { vec![path] });
        below
            .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
            .collect()
    }

    #[test]
    fn the_whole_example_bundle_is_embedded_and_its_tests_hold_on_every_day() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
        let there: BTreeSet<PathBuf> = bundles(&folder)
            .iter()
            .map(|path| path.strip_prefix(&folder).unwrap().to_owned())
            .collect();
        let embedded: BTreeSet<PathBuf> = POLICIES.iter().map(|(path, _)| PathBuf::from(path)).collect();
        assert_eq!(embedded, there);
        // The last moments of a year and of February, and an evening in UTC that is a morning in Asia/Shanghai.
        for day in ["2026-12-31T23:59:59Z", "2028-02-29T16:00:00Z", "2027-03-01T00:00:00Z"] {
            let now: jiff::Timestamp = day.parse().unwrap();
            let texts = bundle(true, now.as_microsecond());
            let texts = texts.into_iter().map(|(path, text)| (path.to_owned(), text));
            let set = PolicySet::from_texts(texts.collect()).unwrap();
            let report = set.test();
            assert!(
                report.failures.is_empty() && report.untouched.is_empty(),
                "{day}: {report:?}"
            );
        }
    }

    #[test]
    fn a_demo_has_keys_for_everybody_of_the_partner_table() {
        let folder = tempfile::TempDir::new().unwrap();
        let dir = folder.path().join("gw");
        let args = InitArgs {
            dir: dir.clone(),
            demo: true,
            force: false,
            name: None,
            profile: None,
        };
        let made = make(&dir, &args, &Servers::default(), Clock::system().now_us()).unwrap();
        assert!(Config::load(&dir.join("shuguan.toml")).is_ok());
        let agencies: BTreeSet<&str> = made.partners.iter().filter_map(Subject::agency).collect();
        assert_eq!(agencies.len(), 5, "{agencies:?}");
        for partner in &made.partners {
            let kit = dir.join("partners").join(&partner.id);
            let sample = kit.join("sample.csv").exists() || kit.join("sample.ndjson").exists();
            assert_eq!(sample, partner.agency().is_some(), "{}", partner.id);
        }
        let roles = [
            "/officer/auditor/",
            "/officer/security/",
            "/officer/policy/",
            "/operator/",
        ];
        for role in roles {
            assert!(
                made.officers.iter().any(|(officer, _)| officer.spiffe.contains(role)),
                "{role}"
            );
        }
        assert!(
            made.partners
                .iter()
                .any(|partner| partner.spiffe.contains("/registry/"))
        );
    }

    #[test]
    fn a_name_stands_in_configuration_and_certificate() {
        let folder = tempfile::TempDir::new().unwrap();
        let dir = folder.path().join("gw");
        let name = Some("gateway.example.cn".to_owned());
        let args = InitArgs {
            dir: dir.clone(),
            demo: false,
            force: false,
            name,
            profile: None,
        };
        make(&dir, &args, &Servers::default(), Clock::system().now_us()).unwrap();
        let config = Config::load(&dir.join("shuguan.toml")).unwrap();
        assert_eq!(config.gateway.log_origin, "gateway.example.cn/log");
        assert!(config.listen.health.ip().is_loopback() && !config.listen.feed.ip().is_loopback());
        let trust = std::fs::read_to_string(dir.join("trust/trust.txt")).unwrap();
        assert!(trust.starts_with("log gateway.example.cn/log+"));
        let server = crate::pki::inspect::read(&dir.join("pki/server.pem"), Clock::system().now_us()).unwrap();
        assert!(
            server
                .first()
                .unwrap()
                .names
                .contains(&"DNS:gateway.example.cn".to_owned())
        );
        assert!(!dir.join("partners").exists() && !dir.join("officers").exists());
    }
}
