//! `shuguan compare FILE`: claims about persons or units, compared with the registry; told is whether they agree, never a value.
//!
//! Takes NDJSON, one object of texts a line; sends at most 1,000 rows a call, keeps and verifies a receipt for each. Gives the answers in the order of the
//! file. What was answered before a call that fails is shown all the same: those questions count.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value};
use shuguan_ledger::leaf::Event;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;
use uuid::Uuid;

use super::exit::{Exit, Failure};
use super::output::Output;
use super::pull::{keep, member, post};
use super::push::WITNESS_PATIENCE;
use crate::client::deliver::{load_trust, wait_before};
use crate::client::witnessed::upgrade;
use crate::client::{Client, ClientSettings, Listener};
use crate::durable::beside;
use crate::exchange::claims::ROWS_MAX;
use crate::signature::profile;

/// Compare claims with the registry: agree, differ or absent, never a value.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "FILE is NDJSON: one object a person or unit, each member a text, with every field that the grant requires:
  {\"citizen_id\":\"320706190001010000\",\"name\":\"某某\"}

EXAMPLES
  shuguan compare claims.ndjson --dataset population --purpose enrolment.comparison --case AJ-2026-001 -c client.toml
  shuguan compare claims.ndjson --dataset population --purpose enrolment.comparison --case AJ-2026-001 --json -c client.toml

EXIT CODES
  0 answered, whatever the answers · 1 local failure · 3 refused · 4 not reached (repeat) · 6 a receipt does not verify · 7 rate limited"
)]
pub struct CompareArgs {
    /// The claims, NDJSON.
    file: PathBuf,
    /// `population` or `enterprises`.
    #[arg(long)]
    dataset: String,
    /// What it may be used for.
    #[arg(long)]
    purpose: String,
    /// The case that it is for.
    #[arg(long)]
    case: String,
    /// Where the receipts go; beside FILE unless given.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// How long to go on trying to reach the gateway, seconds.
    #[arg(long, default_value_t = 60)]
    timeout: u64,
    /// The kit's client.toml.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

/// One call and its proof.
#[derive(Debug, Serialize)]
struct Call {
    exchange: String,
    rows: usize,
    receipt: PathBuf,
}

/// What the gateway answered.
#[derive(Debug, Default, Serialize)]
struct Compared {
    calls: Vec<Call>,
    /// One object a row of the file, in its order.
    answers: Vec<Map<String, Value>>,
}

/// Runs the command.
pub fn run(args: CompareArgs, output: &Output) -> Result<Exit, Failure> {
    let settings = ClientSettings::load(&args.config)?;
    let trust = load_trust(&settings.trust)?;
    let client = Client::open(&settings, Listener::Feed)?;
    let claims = read(&args.file)?;
    let runtime = super::runtime()?;
    let mut compared = Compared::default();
    let ended = runtime.block_on(compare_all(&client, &trust, &args, &claims, &mut compared));
    let receipts = compared.calls.iter();
    let receipts: Vec<_> = receipts
        .map(|call| (call.exchange.as_str(), call.receipt.as_path()))
        .collect();
    let upgraded = runtime.block_on(upgrade(&client, &trust, &receipts, WITNESS_PATIENCE))?;
    if upgraded.is_some_and(|upgraded| upgraded.missing > 0) {
        output.note("a receipt is not signed by a witness yet; later: shuguan receipt EXCHANGE -o FILE");
    }
    show(&compared, output);
    ended.map(|()| Exit::Done)
}

/// The lines of the file; an empty one is none. A value never comes into a message.
fn read(file: &Path) -> Result<Vec<Map<String, Value>>, Failure> {
    let unreadable = |error: std::io::Error| Failure::local(format!("cannot read `{}`", file.display())).because(error);
    let lines = std::io::BufReader::new(std::fs::File::open(file).map_err(unreadable)?).lines();
    let mut claims = Vec::new();
    for (number, line) in (1..).zip(lines) {
        let line = line.map_err(unreadable)?;
        if line.trim().is_empty() {
            continue;
        }
        let claim: Option<Map<String, Value>> = serde_json::from_str(&line).ok();
        let claim = claim.filter(|claim| claim.values().all(Value::is_string));
        let malformed = || {
            Failure::local("a line is no JSON object of texts")
                .at(format!("{}:{number}", file.display()))
                .then("write one object a line, each member a text: {\"citizen_id\":\"…\",\"name\":\"…\"}")
        };
        claims.push(claim.ok_or_else(malformed)?);
    }
    Ok(claims)
}

async fn compare_all(
    client: &Client,
    trust: &Trust,
    args: &CompareArgs,
    claims: &[Map<String, Value>],
    compared: &mut Compared,
) -> Result<(), Failure> {
    if claims.is_empty() {
        return Err(Failure::local("the file holds no claim").at(args.file.display().to_string()));
    }
    for (number, rows) in claims.chunks(ROWS_MAX).enumerate() {
        let answer = ask(client, args, rows).await.map_err(|failure| {
            if claims.len() > ROWS_MAX {
                failure.at(format!(
                    "rows {} to {}",
                    number * ROWS_MAX + 1,
                    number * ROWS_MAX + rows.len()
                ))
            } else {
                failure
            }
        })?;
        let exchange = member(&answer, "exchange")?;
        let receipt = member(&answer, "receipt")?;
        verify(&receipt, trust, &exchange, rows.len())?;
        let path = beside(&args.file, &format!(".{exchange}.tlog-proof"));
        let path = match (&args.state, path.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => path,
        };
        keep(&path, receipt.as_bytes())?;
        let answers = answer.get("answers").and_then(Value::as_array).into_iter().flatten();
        let before = compared.answers.len();
        compared.answers.extend(answers.filter_map(Value::as_object).cloned());
        compared.calls.push(Call {
            exchange,
            rows: rows.len(),
            receipt: path,
        });
        if compared.answers.len() - before != rows.len() {
            return Err(Failure::new(Exit::NotProven, "there are not as many answers as rows"));
        }
    }
    Ok(())
}

/// One call, under one key however often it is tried.
async fn ask(client: &Client, args: &CompareArgs, rows: &[Map<String, Value>]) -> Result<Value, Failure> {
    let request = serde_json::json!({
        "dataset": args.dataset, "purpose": args.purpose, "case": args.case, "rows": rows,
    });
    let (key, began) = (Uuid::new_v4().to_string(), Instant::now());
    let patience = Duration::from_secs(args.timeout);
    for attempt in 0.. {
        match post(
            client,
            &profile::COMPARE,
            "/v1/compare",
            (&args.purpose, &key),
            &request,
        )
        .await
        {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                let wait = error.retry().map(|asked| wait_before(attempt, asked));
                let Some(wait) = wait.filter(|wait| began.elapsed() + *wait <= patience) else {
                    return Err(error.failure("POST /v1/compare"));
                };
                tokio::time::sleep(wait).await;
            }
        }
    }
    Err(Failure::new(Exit::Unreached, "the gateway was not reached"))
}

/// The receipt is about this comparison and no other.
fn verify(receipt: &str, trust: &Trust, exchange: &str, rows: usize) -> Result<(), Failure> {
    let unproven =
        |error| Failure::new(Exit::NotProven, "the receipt of the comparison does not verify").because(error);
    let proven = Receipt::parse(receipt)
        .map_err(unproven)?
        .verify(trust)
        .map_err(unproven)?;
    match &proven.leaf.event {
        Event::Compare(event) if event.x == exchange && usize::try_from(event.rows) == Ok(rows) => Ok(()),
        _ => Err(Failure::new(Exit::NotProven, "the receipt belongs to another exchange")),
    }
}

fn show(compared: &Compared, output: &Output) {
    if output.is_json() {
        output.json("shuguan.compared.v1", compared);
        return;
    }
    if compared.answers.is_empty() {
        return;
    }
    let mut names: Vec<&str> = Vec::new();
    for name in compared.answers.iter().flat_map(Map::keys) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let cell = |answer: &Map<String, Value>, name: &str| match answer.get(name) {
        Some(Value::String(word)) => word.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let rows: Vec<Vec<String>> = (1..)
        .zip(&compared.answers)
        .map(|(row, answer): (u64, _)| {
            let cells = names.iter().map(|name| cell(answer, name));
            std::iter::once(row.to_string()).chain(cells).collect()
        })
        .collect();
    let headers: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
    let headers: Vec<&str> = std::iter::once("ROW")
        .chain(headers.iter().map(String::as_str))
        .collect();
    output.rows(&headers, &rows);
    for call in &compared.calls {
        output.note(format!("receipt verified: {}", call.receipt.display()));
    }
}
