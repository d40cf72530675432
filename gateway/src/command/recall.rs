//! `shuguan recall`: withdraw a batch that we pushed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::exit::{Exit, Failure};
use super::output::Output;
use super::pull::{member, post};
use super::query::flatten;
use super::sure::Sure;
use crate::client::{Client, ClientSettings, Listener};
use crate::signature::profile;

/// Withdraw a wrong batch, before or after it is in the registry.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan recall 0199a3c4-… --why wrong-batch --yes -c client.toml

  Rows that the batch brought are closed and emptied, those that it closed are open again; a row that something newer wrote stays. What it wrote
  over does not come back by itself: push the right batch afterwards. A file that was pushed before, this one or the one that it had
  written over, goes with `shuguan push --again`.

REASONS
  wrong-batch · superseded · unusable

EXIT CODES
  0 recalled, and with --wait undone in the registry · 2 without --yes · 3 refused: not ours, or recalled before · 4 not reached, or not undone within --timeout")]
pub struct RecallArgs {
    /// The exchange id of the push.
    exchange: Uuid,
    /// Reason: wrong-batch, superseded or unusable.
    #[arg(long, value_name = "CODE")]
    why: String,
    #[command(flatten)]
    sure: Sure,
    /// Where its receipt goes; by default EXCHANGE.recall.tlog-proof in this folder.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Wait until the registry holds nothing of it.
    #[arg(long)]
    wait: bool,
    /// How long to wait, seconds.
    #[arg(long, default_value_t = 120)]
    timeout: u64,
    /// The kit's client.toml.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

/// Runs the command.
pub fn run(args: &RecallArgs, output: &Output) -> Result<Exit, Failure> {
    args.sure
        .of(|| format!("`{}` would be withdrawn for ever, and the log says so", args.exchange))?;
    let client = Client::open(&ClientSettings::load(&args.config)?, Listener::Feed)?;
    let document = super::runtime()?.block_on(recall(args, &client, output))?;
    if output.is_json() {
        output.json("shuguan.recall.v1", &document);
    } else {
        output.rows(&["MEMBER", "VALUE"], &flatten(&document));
    }
    Ok(Exit::Done)
}

async fn recall(args: &RecallArgs, client: &Client, output: &Output) -> Result<Value, Failure> {
    let push = get(client, args.exchange).await?;
    // An extract has a purpose too, and is not recalled: the gateway says so.
    let purpose = member(&push, "purpose")?;
    let path = format!("/v1/exchanges/{}/recall", args.exchange);
    // One key for the batch: said twice, it is the same recall.
    let key = format!("recall-{}", args.exchange);
    let sent = post(
        client,
        &profile::RECALL,
        &path,
        (&purpose, &key),
        &json!({ "why": args.why }),
    )
    .await;
    let mut sealed = sent.map_err(|error| error.failure(&format!("POST {path}")))?;
    let file = args.output.clone();
    let file = file.unwrap_or_else(|| format!("{}.recall.tlog-proof", args.exchange).into());
    output.file(&file, member(&sealed, "receipt")?.as_bytes())?;
    output.note(format!("its receipt: {}", file.display()));
    if let Some(members) = sealed.as_object_mut() {
        // It is in its file, and many lines long.
        members.remove("receipt");
    }
    if !args.wait {
        return Ok(sealed);
    }
    let own: Uuid = member(&sealed, "exchange")?
        .parse()
        .map_err(|_| Failure::new(Exit::Unreached, "the gateway's answer has no exchange id"))?;
    let began = Instant::now();
    loop {
        let document = get(client, own).await?;
        if document.get("state").and_then(Value::as_str) == Some("recalled") {
            return Ok(document);
        }
        if began.elapsed() > Duration::from_secs(args.timeout) {
            return Err(Failure::new(Exit::Unreached, "the registry still holds some of it")
                .because("the recall is sealed and waits for the relay; nothing is lost")
                .then(format!("shuguan status {own} --wait")));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn get(client: &Client, exchange: Uuid) -> Result<Value, Failure> {
    let path = format!("/v1/exchanges/{exchange}");
    let document = client.get_json(&path).await;
    document.map_err(|error| error.failure(&format!("GET {path}")))
}
