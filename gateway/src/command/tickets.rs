//! `shuguan tickets …`: rows that a source is asked to check, and its answers.
//!
//! `list` and `answer` are the source's, on the feed listener; `open` is the operator's, on the console listener. No ticket says anything about another source.

use std::path::PathBuf;

use serde_json::{Value, json};
use uuid::Uuid;

use super::exit::{Exit, Failure};
use super::output::Output;
use super::pull::{member, post};
use crate::client::{Client, ClientSettings, Listener};
use crate::signature::profile;

/// Rows that we are asked to check, and our answers.
#[derive(Debug, clap::Args)]
pub struct TicketsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// What we are asked to check: exchange, row and field, and what we answered.
    #[command(
        after_help = "EXAMPLES\n  shuguan tickets list -c client.toml\n\nROW\n  It counts the accepted rows of the exchange, from 1, in the order of the file.\n\nEXIT CODES\n  0 shown · 3 refused · 4 not reached"
    )]
    List(Ours),
    /// Say that the right row was sent, or that it is right as it was.
    #[command(
        after_help = "EXAMPLES\n  shuguan tickets answer 0199a3c4-… --say corrected -c client.toml\n\n  A corrected row is pushed as any other; the answer says that it was. The newest answer counts.\n\nEXIT CODES\n  0 answered · 2 neither corrected nor confirmed · 3 refused: not ours · 4 not reached, or no leaf could be sealed"
    )]
    Answer {
        /// The ticket's id.
        ticket: Uuid,
        /// `corrected` or `confirmed`.
        #[arg(long, value_name = "WORD", value_parser = ["corrected", "confirmed"])]
        say: String,
        #[command(flatten)]
        who: Ours,
    },
    /// Ask the source of a row to check a field of it; of other sources it learns nothing.
    #[command(
        after_help = "EXAMPLES\n  shuguan discrepancies -c shuguan.toml            names exchange and row of both sides\n  shuguan tickets open 0199a3c4-… 17 --field name -c officers/operator-li.toml\n\nEXIT CODES\n  0 asked · 3 refused: no such row or field, asked too often today, or only operators · 4 not reached, or no leaf could be sealed"
    )]
    Open {
        /// The exchange that brought the row.
        exchange: Uuid,
        /// The row, as `discrepancies` shows it.
        row: u64,
        /// The field to check, e.g. `name`.
        #[arg(long, value_name = "NAME")]
        field: String,
        #[command(flatten)]
        who: Ours,
    },
}

/// Whose certificate acts.
#[derive(Debug, clap::Args)]
struct Ours {
    /// The kit's or the operator's client.toml.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

impl Ours {
    fn client(&self, listener: Listener) -> Result<Client, Failure> {
        Client::open(&ClientSettings::load(&self.config)?, listener)
    }
}

/// Runs the command.
pub fn run(args: &TicketsArgs, output: &Output) -> Result<Exit, Failure> {
    let runtime = super::runtime()?;
    match &args.action {
        Action::List(who) => {
            let client = who.client(Listener::Feed)?;
            list(&runtime.block_on(all(&client))?, output);
        }
        Action::Answer { ticket, say, who } => {
            let client = who.client(Listener::Feed)?;
            let document = runtime.block_on(answer(&client, *ticket, say))?;
            told(&document, "ticket answered", output);
        }
        Action::Open {
            exchange,
            row,
            field,
            who,
        } => {
            let client = who.client(Listener::Console)?;
            let order = json!({ "exchange": exchange, "row": row, "field": field });
            let path = "/console/api/tickets";
            let sent = runtime.block_on(client.post_json(path, &order));
            told(&sent.map_err(|error| error.failure(path))?, "ticket opened", output);
        }
    }
    Ok(Exit::Done)
}

async fn get(client: &Client, path: &str) -> Result<Value, Failure> {
    let document = client.get_json(path).await;
    document.map_err(|error| error.failure(&format!("GET {path}")))
}

/// Every ticket, page after page.
async fn all(client: &Client) -> Result<Value, Failure> {
    let mut document = get(client, "/v1/tickets").await?;
    while let Some(before) = document.get("before").and_then(Value::as_u64) {
        let mut page = get(client, &format!("/v1/tickets?before={before}")).await?;
        let more = page
            .get_mut("tickets")
            .and_then(Value::as_array_mut)
            .map(std::mem::take);
        if let (Some(tickets), Some(mut more)) = (document.get_mut("tickets").and_then(Value::as_array_mut), more) {
            tickets.append(&mut more);
        }
        let Some(members) = document.as_object_mut() else { break };
        members.insert("before".to_owned(), page.get("before").cloned().unwrap_or_default());
    }
    Ok(document)
}

async fn answer(client: &Client, ticket: Uuid, say: &str) -> Result<Value, Failure> {
    let asked = get(client, &format!("/v1/exchanges/{ticket}")).await?;
    let push = get(client, &format!("/v1/exchanges/{}", member(&asked, "push")?)).await?;
    let purpose = member(&push, "purpose")?;
    let path = format!("/v1/tickets/{ticket}");
    let key = Uuid::new_v4().to_string();
    let sent = post(
        client,
        &profile::TICKET,
        &path,
        (&purpose, &key),
        &json!({ "say": say }),
    )
    .await;
    sent.map_err(|error| error.failure(&format!("POST {path}")))
}

fn list(document: &Value, output: &Output) {
    if output.is_json() {
        output.json("shuguan.tickets.v1", document);
        return;
    }
    let columns = ["id", "record", "exchange", "row", "field", "zh", "opened", "answer"];
    let cell = |ticket: &Value, name: &str| match ticket.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "-".to_owned(),
    };
    let tickets = document.get("tickets").and_then(Value::as_array);
    let rows: Vec<Vec<String>> = tickets
        .into_iter()
        .flatten()
        .map(|ticket| columns.iter().map(|name| cell(ticket, name)).collect())
        .collect();
    output.rows(
        &["TICKET", "DATA", "EXCHANGE", "ROW", "FIELD", "中文", "OPENED", "ANSWER"],
        &rows,
    );
}

fn told(document: &Value, what: &str, output: &Output) {
    if output.is_json() {
        output.json("shuguan.ticket.v1", document);
        return;
    }
    let id = document.get("id").and_then(Value::as_str).unwrap_or("-");
    let leaf = document.get("index").and_then(Value::as_u64).unwrap_or_default();
    if document.get("already").and_then(Value::as_bool) == Some(true) {
        output.note(format!(
            "asked already and not answered yet: {id}; leaf {leaf} of the log says so"
        ));
        return;
    }
    output.note(format!("{what}: {id}; leaf {leaf} of the log says so"));
}
