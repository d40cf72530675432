//! `shuguan shred`: keys are destroyed, so that what they opened is gone and what was proved stays proved.
//!
//! Takes what, one exchange or everything before a day, case and reason; the security officer's certificate asks, through the console listener. Each act is a leaf.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;

use super::exit::{Exit, Failure};
use super::output::Output;
use super::query::flatten;
use super::sure::Sure;
use crate::client::{Client, ClientSettings, Listener};

/// Destroy keys: of evidence records, of payloads, of the index of past years.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("which").required(true),
    after_help = "EXAMPLES
  shuguan shred --class evidence --exchange 0199a3c4-… --case 2026-031 --why court --yes -c officers/security-qian.toml
  shuguan shred --class evidence --before 2023-01-01 --case R-2026 --why retention --yes -c officers/security-qian.toml
  shuguan shred --class index --before 2023-01-01 --case R-2026 --why retention --yes -c officers/security-qian.toml

Receipts and the log go on verifying. Evidence and index keys of the last 3 years go one exchange at a time only, and not for `retention`.

EXIT CODES
  0 destroyed · 2 without --yes · 3 refused (no security officer, no case, nothing to destroy, destroyed already, within the time of keeping) · 4 not reached"
)]
pub struct ShredArgs {
    /// What the keys open.
    #[arg(long, value_enum)]
    class: Class,
    /// One exchange.
    #[arg(long, value_name = "ID", group = "which")]
    exchange: Option<String>,
    /// Everything sealed before this day.
    #[arg(long, value_name = "DATE", group = "which")]
    before: Option<String>,
    /// Case number.
    #[arg(long, value_name = "NO")]
    case: String,
    /// Reason.
    #[arg(long, value_enum)]
    why: Why,
    #[command(flatten)]
    sure: Sure,
    /// The security officer's client.toml.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Class {
    /// The evidence record of an exchange: its commitments can no longer be opened.
    Evidence,
    /// A payload that the registry has.
    Payload,
    /// The index key of a year: searching for persons in it ends.
    Index,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Why {
    /// Kept long enough: evidence and index keys 3 years.
    Retention,
    /// The person concerned asked.
    SubjectRequest,
    /// A court or another authority ordered it.
    Court,
}

/// Runs the command.
pub fn run(args: &ShredArgs, output: &Output) -> Result<Exit, Failure> {
    args.sure.of(|| would(args))?;
    let word = |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
    let order = json!({
        "what": word(args.class.to_possible_value()), "why": word(args.why.to_possible_value()),
        "case": args.case, "exchange": args.exchange, "before": args.before,
    });
    let client = Client::open(&ClientSettings::load(&args.config)?, Listener::Console)?;
    let path = "/console/api/shred";
    let document = super::runtime()?
        .block_on(client.post_json(path, &order))
        .map_err(|error| error.failure(&format!("POST {path}")))?;
    if output.is_json() {
        output.json("shuguan.shred.v1", &document);
    } else {
        output.rows(&["MEMBER", "VALUE"], &flatten(&document));
    }
    Ok(Exit::Done)
}

/// What nobody can do any more.
fn would(args: &ShredArgs) -> String {
    let which = match (&args.exchange, &args.before) {
        (Some(exchange), _) => format!("of `{exchange}`"),
        (None, before) => format!("of everything before {}", before.as_deref().unwrap_or("-")),
    };
    match args.class {
        Class::Evidence => format!(
            "the evidence record {which} would be destroyed: nobody could open what its receipt commits to, neither partner nor officer nor court"
        ),
        Class::Payload => format!(
            "the payload {which} would be destroyed: a registry that loses its rows could not be fed with it again"
        ),
        Class::Index => {
            format!("the index key {which} would be destroyed: nobody could search those years for a person")
        }
    }
}
