//! `shuguan demo`: the whole gateway on one machine, from nothing.
//!
//! Takes a folder; makes authorities, keys, policies, stores and a witness in it, serves, pushes one feed of each agency, waits for the relay,
//! pulls an extract, waits for the witness, verifies every receipt and the log offline, shows that a revoked and an unknown certificate are refused, and goes on serving.
//! Running it again is harmless: the feeds are the same bytes under the same keys, so the gateway gives its first answers.

mod witness;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use shuguan_adapters::catalogue::{RecordType, record_type};
use shuguan_adapters::layout::{Encoding, Format, Layout};
use shuguan_adapters::sample::{Dirt, write_sample};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;

use super::exit::{Exit, Failure};
use super::init::{self, Servers};
use super::output::Output;
use super::pull::{Extract, Pulled, pull};
use super::serve::not_started;
use super::verify::{ReadLog, read_log};
use super::{config, discrepancies};
use crate::chain::Chain;
use crate::client::deliver::{Pushed, load_trust, push_file};
use crate::client::feed::{Asked, Feed};
use crate::client::{CallError, Client, ClientSettings, Listener};
use crate::clock::Clock;
use crate::config::Config;
use crate::postgres::cluster::{Cluster, Keeping};
use crate::registry::Wanted;
use crate::serve::Gateway;

/// Everything on one machine, from nothing: push, relay, pull, verify, refuse.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan demo                    makes ./demo, runs through, goes on serving until Ctrl-C
  shuguan demo --once             ends after the run
  shuguan demo --residents 200000 --dir /tmp/city
  shuguan demo --registry postgres --journal postgres --dir /tmp/pg    with a private PostgreSQL server (apt-get install postgresql)

EXIT CODES
  0 everything was as it should be · 1 local failure, e.g. a port in use · 6 something did not verify")]
pub struct DemoArgs {
    /// The folder.
    #[arg(long, default_value = "demo")]
    dir: PathBuf,
    /// End after the run instead of serving on.
    #[arg(long)]
    once: bool,
    /// Rows of the residents' feed; the other feeds are a tenth of it.
    #[arg(long, default_value_t = 20_000)]
    residents: u64,
    /// Where the registration database is: in a file, or on a PostgreSQL server that the demo starts in its folder.
    #[arg(long, value_enum, default_value_t)]
    registry: DemoStore,
    /// Where the journal is.
    #[arg(long, value_enum, default_value_t)]
    journal: DemoStore,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum DemoStore {
    #[default]
    Sqlite,
    Postgres,
}

/// One feed of the demo.
struct DemoFeed {
    partner: &'static str,
    record: &'static str,
    form: Format,
    encoding: Encoding,
    file: &'static str,
    /// Rows as a part of the residents.
    one_in: u64,
}

const CSV: Format = Format::CSV;

/// One feed of each agency: GB18030 CSV for three, NDJSON for two.
const FEEDS: [DemoFeed; 5] = [
    DemoFeed {
        partner: "public-security-city",
        record: "public-security/resident",
        form: CSV,
        encoding: Encoding::Gb18030,
        file: "residents.csv",
        one_in: 1,
    },
    DemoFeed {
        partner: "civil-affairs-city",
        record: "civil-affairs/subsistence-allowance",
        form: CSV,
        encoding: Encoding::Gb18030,
        file: "subsistence-allowance.csv",
        one_in: 10,
    },
    DemoFeed {
        partner: "health-city",
        record: "health/death-certificate",
        form: Format::Ndjson,
        encoding: Encoding::Utf8,
        file: "death-certificates.ndjson",
        one_in: 100,
    },
    DemoFeed {
        partner: "commerce-city",
        record: "commerce/establishment",
        form: CSV,
        encoding: Encoding::Gb18030,
        file: "establishments.csv",
        one_in: 10,
    },
    DemoFeed {
        partner: "tax-city",
        record: "tax/registration",
        form: Format::Ndjson,
        encoding: Encoding::Utf8,
        file: "tax-registrations.ndjson",
        one_in: 10,
    },
];

/// Share of each kind of dirt in the feeds, percent.
const DIRT_PERCENT: f64 = 0.2;
/// How long the demo waits for each step.
const PATIENCE: Duration = Duration::from_mins(1);
/// The databases of registry and journal in a private cluster.
const DATABASES: [&str; 2] = ["registry", "journal"];
/// The seed: the same feeds every time.
const SEED: u64 = 20_161_130;

/// Runs the command.
pub fn run(args: DemoArgs, output: &Output) -> Result<Exit, Failure> {
    super::runtime()?.block_on(demo(&args, output))
}

async fn demo(args: &DemoArgs, output: &Output) -> Result<Exit, Failure> {
    let began = Instant::now();
    let cluster = cluster(args, output)?;
    let config = folder(args, cluster.as_ref(), output)?;
    log_to_file(&args.dir)?;
    output.note("starting the gateway");
    let path = args.dir.join("shuguan.toml");
    let neighbour = witness::start(&args.dir, output).await?;
    let gateway = Gateway::start(config.clone(), Clock::system()).await.map_err(|fault| {
        not_started(&path, &fault).then("stop what uses the port, or change [listen] and the client.toml files")
    })?;
    let result = walk(args, &gateway, &config, output).await;
    if result.is_ok() {
        output.note(format!("\nthe walk took {:.1} s", began.elapsed().as_secs_f64()));
        whereabouts(args, &config, output);
        if !args.once {
            output.note("serving until Ctrl-C");
            let _ = tokio::signal::ctrl_c().await;
        }
    }
    gateway.stop().await;
    if let Some(neighbour) = neighbour {
        neighbour.stop().await;
    }
    // Last, so that the relay ends in its own time.
    drop(cluster);
    result.map(|()| Exit::Done)
}

/// The server of what is on PostgreSQL, in the demo's folder; it ends with the demo.
fn cluster(args: &DemoArgs, output: &Output) -> Result<Option<Cluster>, Failure> {
    let (folder, config) = (args.dir.join("postgres"), args.dir.join("shuguan.toml"));
    let there = folder.join("data").is_dir();
    if args.registry == DemoStore::Sqlite && args.journal == DemoStore::Sqlite && !there {
        return Ok(None);
    }
    if config.is_file() && !there {
        return Err(
            Failure::local(format!("the demo in `{}` has its stores in files", args.dir.display()))
                .then("choose another folder with --dir"),
        );
    }
    output.note(format!("starting a PostgreSQL server in `{}`", folder.display()));
    let cannot = |why: &dyn std::error::Error| {
        Failure::local("cannot start a PostgreSQL server for the demo")
            .because(Chain(why))
            .then("shuguan demo --registry sqlite --journal sqlite")
    };
    let cluster = Cluster::start(&folder, Keeping::Data, &[]).map_err(|fault| cannot(&fault))?;
    for database in DATABASES {
        cluster.create_database(database).map_err(|fault| cannot(&fault))?;
    }
    Ok(Some(cluster))
}

/// The folder as `init --demo` makes it, unless it is there.
fn folder(args: &DemoArgs, cluster: Option<&Cluster>, output: &Output) -> Result<Config, Failure> {
    let dir = args.dir.as_path();
    let path = dir.join("shuguan.toml");
    if path.is_file() {
        output.note(format!("`{}` is there; using it", dir.display()));
    } else {
        output.note(format!(
            "making authorities, keys, signed policies and stores in `{}` (keys of partners and officers too: for trying out only)",
            dir.display()
        ));
        let [registry, journal] = DATABASES;
        let on = |store: DemoStore, database: &str| {
            let cluster = cluster.filter(|_| store == DemoStore::Postgres);
            cluster.map(|cluster| cluster.address(database))
        };
        init::make_demo(
            dir,
            &Servers {
                registry: on(args.registry, registry),
                journal: on(args.journal, journal),
            },
        )?;
        witness::add(dir)?;
    }
    config::load(&path)
}

fn log_to_file(dir: &Path) -> Result<(), Failure> {
    let path = dir.join("gateway.log");
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|error| Failure::local(format!("cannot write `{}`", path.display())).because(error))?;
    // A second subscriber in one process is refused, which is as well.
    let _ = tracing_subscriber::fmt().json().with_writer(file).try_init();
    Ok(())
}

async fn walk(args: &DemoArgs, gateway: &Gateway, config: &Config, output: &Output) -> Result<(), Failure> {
    let trust = load_trust(&args.dir.join("trust/trust.txt"))?;
    let pushed = push_all(args, &trust, output).await?;
    wait_for_relay(args, &pushed, output).await?;
    let pulled = pull_population(args, &trust, output).await?;
    show_witnessed(args, &trust, &pushed, &pulled, output).await?;
    verify_all(&trust, &pushed, &pulled, config, output)?;
    show_refused(args, output).await?;
    show_registry(gateway, output)?;
    show_discrepancies(config, output)
}

fn settings(args: &DemoArgs, partner: &str) -> Result<ClientSettings, Failure> {
    ClientSettings::load(&args.dir.join("partners").join(partner).join("client.toml"))
}

fn client(args: &DemoArgs, partner: &str) -> Result<Client, Failure> {
    Client::open(&settings(args, partner)?, Listener::Feed)
}

async fn push_all(args: &DemoArgs, trust: &Trust, output: &Output) -> Result<Vec<Pushed>, Failure> {
    output.note("\none feed of each agency over mutual TLS:");
    let mut all = Vec::new();
    for feed in &FEEDS {
        let record =
            record_type(feed.record).ok_or_else(|| Failure::local(format!("no record type `{}`", feed.record)))?;
        let file = write_feed(args, feed, record)?;
        let request = Feed {
            file: &file,
            record: feed.record,
            purpose: "enrolment.registration",
            content_type: None,
            asked: Asked::default(),
            state: None,
            receipt: None,
            tie: None,
            again: false,
            patience: PATIENCE,
        };
        let client = client(args, feed.partner)?;
        let pushed = push_file(&client, trust, &request, &quiet(output)).await;
        all.push(pushed.map_err(|undelivered| undelivered.failure(&client, &request))?);
    }
    show_pushed(&all, output);
    Ok(all)
}

/// The same choices, without the remarks of single steps.
fn quiet(output: &Output) -> Output {
    Output {
        quiet: output.quiet || !output.shows_progress(),
        ..*output
    }
}

fn write_feed(args: &DemoArgs, feed: &DemoFeed, record: &'static RecordType) -> Result<PathBuf, Failure> {
    let folder = args.dir.join("feeds");
    let path = folder.join(feed.file);
    let layout = Layout::new(feed.form.clone(), feed.encoding);
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        let mut file = BufWriter::new(std::fs::File::create(&path)?);
        let rows = (args.residents / feed.one_in).max(1);
        write_sample(record, &layout, rows, SEED, Dirt::spread(DIRT_PERCENT), &mut file)?;
        file.flush()
    };
    write().map_err(|error| Failure::local(format!("cannot write `{}`", path.display())).because(error))?;
    Ok(path)
}

fn show_pushed(all: &[Pushed], output: &Output) {
    let rows: Vec<Vec<String>> = all
        .iter()
        .zip(&FEEDS)
        .map(|(pushed, feed)| {
            vec![
                feed.record.to_owned(),
                pushed.received.to_string(),
                pushed.accepted.to_string(),
                pushed.rejected.to_string(),
                pushed.filtered.to_string(),
                pushed.repeated.to_string(),
                pushed.withheld.len().to_string(),
                if pushed.replayed { "again" } else { "" }.to_owned(),
            ]
        })
        .collect();
    output.rows(
        &[
            "RECORD TYPE",
            "RECEIVED",
            "ACCEPTED",
            "REJECTED",
            "FILTERED",
            "REPEATED",
            "FIELDS WITHHELD",
            "",
        ],
        &rows,
    );
    for (pushed, feed) in all.iter().zip(&FEEDS) {
        output.note(format!(
            "\n{} withheld by policy: {}",
            feed.record,
            pushed.withheld.join(", ")
        ));
        for reject in pushed.rejects.iter().take(3) {
            let field = reject.field.as_deref().unwrap_or("-");
            output.note(format!(
                "  rejected row {}: {field}  {}  {}",
                reject.row, reject.code, reject.title
            ));
        }
        if pushed.rejected > 3 {
            output.note(format!("  … and {} more", pushed.rejected - 3));
        }
    }
}

async fn wait_for_relay(args: &DemoArgs, pushed: &[Pushed], output: &Output) -> Result<(), Failure> {
    output.note("\nwaiting for the relay");
    let began = Instant::now();
    for (pushed, feed) in pushed.iter().zip(&FEEDS) {
        let client = client(args, feed.partner)?;
        let path = format!("/v1/exchanges/{}", pushed.exchange);
        loop {
            let status = client
                .get_json(&path)
                .await
                .map_err(|error| error.failure(&format!("GET {path}")))?;
            match status.get("state").and_then(|state| state.as_str()) {
                Some("relayed") => break,
                Some("sealed") if began.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                other => {
                    return Err(Failure::local(format!("`{}` was not relayed", feed.record))
                        .because(format!("its state is {}", other.unwrap_or("unknown")))
                        .then("see gateway.log in the demo's folder"));
                }
            }
        }
    }
    Ok(())
}

async fn pull_population(args: &DemoArgs, trust: &Trust, output: &Output) -> Result<Pulled, Failure> {
    output.note("\nthe registry pulls an extract of 赣榆区 (320707):");
    let file = args.dir.join("population-320707.ndjson");
    let extract = Extract {
        dataset: "population",
        purpose: "enrolment.registration",
        case: "DEMO-1",
        region: Some("320707"),
        since: None,
        form: "ndjson",
        output: &file,
        patience: PATIENCE,
    };
    let pulled = pull(&client(args, "information-centre")?, trust, &extract, output).await?;
    output.rows(
        &["EXCHANGE", "ROWS", "BYTES", "FILE"],
        &[vec![
            pulled.exchange.clone(),
            pulled.rows.to_string(),
            pulled.bytes.to_string(),
            pulled.file.display().to_string(),
        ]],
    );
    Ok(pulled)
}

async fn show_witnessed(
    args: &DemoArgs,
    trust: &Trust,
    pushed: &[Pushed],
    pulled: &Pulled,
    output: &Output,
) -> Result<(), Failure> {
    let clients: Vec<Client> = FEEDS
        .iter()
        .map(|feed| client(args, feed.partner))
        .collect::<Result<_, _>>()?;
    let registry = client(args, "information-centre")?;
    let mut receipts: Vec<_> = clients
        .iter()
        .zip(pushed)
        .map(|(client, pushed)| witness::of(client, pushed))
        .collect();
    receipts.push((&registry, &pulled.exchange, &pulled.receipt));
    witness::show(trust, &receipts, output).await
}

/// Everything that was proved on line is proved again from files, with the public key only.
fn verify_all(
    trust: &Trust,
    pushed: &[Pushed],
    pulled: &Pulled,
    config: &Config,
    output: &Output,
) -> Result<(), Failure> {
    output.note("\nverifying offline, with the public keys only:");
    let receipts: Vec<&PathBuf> = pushed
        .iter()
        .map(|pushed| &pushed.receipt)
        .chain([&pulled.receipt])
        .collect();
    for path in &receipts {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::local(format!("cannot read `{}`", path.display())).because(error))?;
        Receipt::parse(&text)
            .and_then(|receipt| receipt.verify(trust))
            .map_err(|error| {
                Failure::new(Exit::NotProven, format!("`{}` does not verify", path.display())).because(error)
            })?;
    }
    output.line(format!("有效  {} receipts", receipts.len()));
    let report = read_log(&config.journal.place, trust, output).map_err(|error| match error {
        ReadLog::Unreadable(error) => Failure::local("cannot read the journal").because(Chain(&error)),
        ReadLog::Disturbed => Failure::local("another program opened the journal meanwhile").then("run the demo again"),
        ReadLog::Fault(fault) => Failure::new(Exit::NotProven, "the log does not verify").because(fault),
    })?;
    let seen = match &report.witnessed {
        Some((size, by)) => format!(", of which `{}` has signed {size}", by.names()),
        None => String::new(),
    };
    output.line(format!("有效  the log of {} entries{seen}", report.checkpoint.size));
    Ok(())
}

async fn show_refused(args: &DemoArgs, output: &Output) -> Result<(), Failure> {
    output.note("\ncertificates that must be refused:");
    for (folder, what) in [
        ("_revoked", "a revoked certificate"),
        ("_unknown", "a certificate of an unknown authority"),
    ] {
        match client(args, folder)?.get_json("/v1/catalog").await {
            Err(CallError::Certificate(refusal)) => {
                output.line(format!("refused  {what}: {} {}", refusal.code(), refusal.zh()));
            }
            // The alert can be lost when the connection closes; nothing was served all the same.
            Err(error @ (CallError::Closed | CallError::Network(_))) => {
                output.line(format!("refused  {what}: {error}"));
            }
            Ok(_) | Err(CallError::Problem(_) | CallError::Unproven(_)) => {
                return Err(Failure::new(Exit::NotProven, format!("{what} was let in")));
            }
        }
    }
    Ok(())
}

fn show_registry(gateway: &Gateway, output: &Output) -> Result<(), Failure> {
    output.note("\nrows in the registration database:");
    let registry = &gateway.stations().registry;
    let counts = registry
        .counts()
        .map_err(|fault| Failure::local("cannot count the registry").because(fault))?;
    let rows: Vec<Vec<String>> = counts
        .into_iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(table, rows)| vec![table, rows.to_string()])
        .collect();
    output.rows(&["TABLE", "ROWS"], &rows);
    Ok(())
}

fn show_discrepancies(config: &Config, output: &Output) -> Result<(), Failure> {
    output.note("\nwhere the sources contradict each other:");
    let counts_only = Wanted {
        kind: None,
        settled: false,
        from_us: i64::MIN,
        limit: 0,
    };
    discrepancies::show_counts(&discrepancies::read(&config.registry.store, &counts_only)?, output);
    Ok(())
}

fn whereabouts(args: &DemoArgs, config: &Config, output: &Output) {
    let dir = args.dir.display();
    output.note(format!("\nconsole     https://{}/console/", config.listen.console));
    output.note(format!(
        "officer     {dir}/officers/auditor-zhao.p12, password in auditor-zhao.password beside it"
    ));
    output.note(format!("try         shuguan discrepancies -c {dir}/shuguan.toml"));
    output.note(format!(
        "            shuguan catalog -c {dir}/partners/health-city/client.toml"
    ));
    output.note(format!(
        "            shuguan audit search --case DEMO-1 --why routine -c {dir}/officers/auditor-zhao.toml"
    ));
}
