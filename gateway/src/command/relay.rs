//! `shuguan relay …`: what waits for the registry, asked of the running gateway's health page; and the operator's acts on it.
//!
//! `status` needs the host; the acts go through the console listener with the operator's certificate, and each is a leaf of the log.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::config;
use super::exit::{Exit, Failure};
use super::output::{Columns, Output};
use super::query::flatten;
use super::sure::Sure;
use crate::client::{Client, ClientSettings, Listener};

/// The relay between inbox and registry.
#[derive(Debug, clap::Args)]
pub struct RelayArgs {
    #[command(subcommand)]
    action: RelayAction,
}

#[derive(Debug, clap::Subcommand)]
enum RelayAction {
    /// What waits, how fast it goes, and the checks behind `/readyz`.
    #[command(
        after_help = "EXAMPLES\n  shuguan relay status -c demo/shuguan.toml\n\nEXIT CODES\n  0 shown · 4 the gateway is not running"
    )]
    Status {
        /// The gateway's configuration.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
        config: PathBuf,
    },
    /// The batches that are set aside, the recalls that the registry refuses, and whether the relay is paused.
    #[command(
        after_help = "EXAMPLES\n  shuguan relay list -c officers/operator-li.toml\n\nEXIT CODES\n  0 shown · 3 refused: only operators · 4 not reached"
    )]
    List(Operator),
    /// Stop between two turns, until `resume`; also across a restart.
    #[command(
        after_help = "EXAMPLES\n  shuguan relay pause -c officers/operator-li.toml\n\nEXIT CODES\n  0 paused · 3 refused: only operators · 4 not reached, or no leaf could be sealed"
    )]
    Pause(Operator),
    /// Go on.
    #[command(
        after_help = "EXAMPLES\n  shuguan relay resume -c officers/operator-li.toml\n\nEXIT CODES\n  0 resumed · 3 refused: only operators · 4 not reached, or no leaf could be sealed"
    )]
    Resume(Operator),
    /// Let batches that are set aside wait again; a snapshot that was set aside with SG6304 then closes what it lacks. A recall is tried again.
    #[command(
        after_help = "EXAMPLES\n  shuguan relay release 0199a3c4-… 0199a3c5-… -c officers/operator-li.toml\n\nEXIT CODES\n  0 they wait again · 3 refused: one is not set aside, or only operators · 4 not reached, or no leaf could be sealed"
    )]
    Release {
        /// The exchange ids.
        #[arg(required = true)]
        exchange: Vec<uuid::Uuid>,
        #[command(flatten)]
        operator: Operator,
    },
    /// Let batches wait again that were relayed and that the registry lost, as long as their payloads are held.
    #[command(
        after_help = "EXAMPLES\n  shuguan relay feed-again 0199a3c4-… 0199a3c5-… -c officers/operator-li.toml\n  shuguan db fsck -c shuguan.toml        names them\n\nEXIT CODES\n  0 they wait again · 3 refused: the registry holds it whole, its payload is erased, or only operators · 4 not reached, or no leaf could be sealed"
    )]
    FeedAgain {
        /// The exchange ids, in the order in which they go.
        #[arg(required = true)]
        exchange: Vec<uuid::Uuid>,
        #[command(flatten)]
        operator: Operator,
    },
    /// Give a batch up that is set aside; its payload is erased after the hold. Rows of it that are in the registry stay until its sender recalls it.
    #[command(
        after_help = "EXAMPLES\n  shuguan relay discard 0199a3c4-… --why superseded --yes -c officers/operator-li.toml\n\nREASONS\n  wrong-batch · superseded · unusable\n\nEXIT CODES\n  0 given up · 2 without --yes · 3 refused: it is not set aside, or only operators · 4 not reached, or no leaf could be sealed"
    )]
    Discard {
        /// The exchange id.
        exchange: uuid::Uuid,
        /// Reason: wrong-batch, superseded or unusable.
        #[arg(long, value_name = "CODE")]
        why: String,
        #[command(flatten)]
        sure: Sure,
        #[command(flatten)]
        operator: Operator,
    },
}

/// Whose certificate acts.
#[derive(Debug, clap::Args)]
struct Operator {
    /// The operator's client.toml.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

/// Runs the command.
pub fn run(args: RelayArgs, output: &Output) -> Result<Exit, Failure> {
    match args.action {
        RelayAction::Status { config } => status(&config, output),
        RelayAction::List(operator) => operate(&operator, None, output),
        RelayAction::Pause(operator) => operate(&operator, Some(json!({ "act": "pause" })), output),
        RelayAction::Resume(operator) => operate(&operator, Some(json!({ "act": "resume" })), output),
        RelayAction::Release { exchange, operator } => {
            one_by_one(("release", "released"), &exchange, &operator, output)
        }
        RelayAction::FeedAgain { exchange, operator } => {
            one_by_one(("feed-again", "fed again"), &exchange, &operator, output)
        }
        RelayAction::Discard {
            exchange,
            why,
            sure,
            operator,
        } => {
            sure.of(|| {
                format!(
                    "what of `{exchange}` is not in the registry would never get there, and its sender holds a receipt for it; `shuguan relay list` says how many rows are in"
                )
            })?;
            let order = json!({ "act": "discard", "exchange": exchange, "why": why });
            operate(&operator, Some(order), output)
        }
    }
}

/// One after the other, the oldest first, for their ids rise with time; what is refused is named, and does not keep the rest from going.
fn one_by_one(
    (act, done): (&str, &str),
    exchanges: &[uuid::Uuid],
    operator: &Operator,
    output: &Output,
) -> Result<Exit, Failure> {
    let mut refused = 0_usize;
    let mut exchanges = exchanges.to_vec();
    exchanges.sort_unstable();
    for exchange in &exchanges {
        let order = json!({ "act": act, "exchange": exchange });
        match operate(operator, Some(order), output) {
            Ok(_) => {}
            // One alone is told as any refusal is.
            Err(failure) if failure.exit == Exit::Refused && exchanges.len() > 1 => {
                refused += 1;
                let (code, why) = (failure.code.unwrap_or_default(), failure.why.unwrap_or(failure.what));
                output.note(format!("{exchange} is not {done}: {code} {why}"));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(if refused == 0 { Exit::Done } else { Exit::Refused })
}

/// Sends an act, or asks; shows what is set aside then.
fn operate(operator: &Operator, order: Option<Value>, output: &Output) -> Result<Exit, Failure> {
    let client = Client::open(&ClientSettings::load(&operator.config)?, Listener::Console)?;
    let path = "/console/api/relay";
    let document = super::runtime()?
        .block_on(async {
            match &order {
                None => client.get_json(path).await,
                Some(order) => client.post_json(path, order).await,
            }
        })
        .map_err(|error| error.failure(path))?;
    if output.is_json() {
        output.json("shuguan.relay-acts.v1", &document);
        return Ok(Exit::Done);
    }
    let columns = ["exchange", "record", "partner", "reason", "received"];
    let aside = document.get("set_aside").and_then(Value::as_array);
    let recalls = document.pointer("/relay/recalls_apart").and_then(Value::as_array);
    let rows: Vec<Vec<String>> = aside
        .into_iter()
        .chain(recalls)
        .flatten()
        .map(|one| {
            let cell = |name: &&str| one.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
            let rows_in = one.get("rows_in").and_then(Value::as_u64);
            let rows_in = rows_in.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
            columns.iter().map(cell).chain([rows_in]).collect()
        })
        .collect();
    let header = ["EXCHANGE", "DATA", "PARTNER", "REASON", "RECEIVED", "ROWS IN"];
    output.table(&Columns::of(&header).with_numbers(&["ROWS IN"]), &rows);
    if let Some(discarded) = document.get("discarded").filter(|discarded| discarded.is_object()) {
        output.note(of_discarded(discarded));
    }
    for recall in recalls.into_iter().flatten() {
        let name = |member: &str| recall.get(member).and_then(Value::as_str).unwrap_or("-").to_owned();
        let (exchange, push) = (name("exchange"), name("push"));
        output.note(format!(
            "{exchange} is the recall of {push}; when the registry can do it: shuguan relay release {exchange}"
        ));
    }
    let waiting = document.get("recalls_waiting").and_then(Value::as_u64).unwrap_or(0);
    let waiting = waiting.saturating_sub(recalls.map_or(0, |apart| apart.len() as u64));
    if waiting > 0 {
        output.note(format!(
            "{waiting} recalls wait for their turn: what they take back is still in the registry"
        ));
    }
    if document.get("paused").and_then(Value::as_bool) == Some(true) {
        output.note("the relay is paused: shuguan relay resume");
    }
    if let Some(leaf) = document.get("leaf").and_then(Value::as_u64) {
        output.note(format!("done; leaf {leaf} of the log says so"));
    }
    Ok(Exit::Done)
}

/// What a batch that was given up leaves in the registry.
fn of_discarded(discarded: &Value) -> String {
    let exchange = discarded.get("exchange").and_then(Value::as_str).unwrap_or("-");
    match discarded.get("rows_in").and_then(Value::as_u64) {
        Some(0) => "nothing of it is in the registry".to_owned(),
        Some(rows) => format!(
            "{rows} rows of it are in the registry and stay there until its sender takes them back: shuguan recall {exchange} --why CODE --yes"
        ),
        None => "the registry does not say whether rows of it are in: shuguan db fsck".to_owned(),
    }
}

fn status(config: &Path, output: &Output) -> Result<Exit, Failure> {
    let config = config::load(config).map_err(|fault| match ClientSettings::load(config) {
        Ok(_) => Failure::new(Exit::Usage, format!("`{}` is an officer's file", config.display()))
            .then("shuguan relay status -c shuguan.toml, on the gateway's host; relay list says it to an operator from anywhere"),
        Err(_) => fault,
    })?;
    let address = config.listen.health;
    let text = get(address, "/readyz").map_err(|error| {
        Failure::new(
            Exit::Unreached,
            format!("the gateway's health page at {address} does not answer"),
        )
        .because(error)
        .then("shuguan serve -c FILE")
    })?;
    let document: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Failure::new(Exit::Unreached, "the health page is not JSON").because(error))?;
    if output.is_json() {
        output.json("shuguan.relay.v1", &document);
    } else {
        output.rows(&["CHECK", "VALUE"], &flatten(&document));
    }
    Ok(Exit::Done)
}

/// The body of a page of the loopback listener.
fn get(address: std::net::SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok(body.to_owned())
}
