//! `status`, `rejects`, `receipt`, `catalog`: what became of an exchange, and what this certificate may do.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::exit::{Exit, Failure};
use super::output::Output;
use super::push::strings;
use crate::client::connect;
use crate::client::{Client, ClientSettings, Listener};

/// Whose certificate asks.
#[derive(Debug, clap::Args)]
pub struct As {
    /// The kit's client.toml.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

impl As {
    fn client(&self) -> Result<Client, Failure> {
        Client::open(&ClientSettings::load(&self.config)?, Listener::Feed)
    }
}

/// What became of an exchange.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  shuguan status 0199a3c4-… --wait -c client.toml\n\nEXIT CODES\n  0 shown · 3 refused or unknown · 4 not reached, or not relayed within --timeout"
)]
pub struct StatusArgs {
    /// The exchange id.
    exchange: String,
    /// Wait until the registry has it.
    #[arg(long)]
    wait: bool,
    /// How long to wait, seconds.
    #[arg(long, default_value_t = 120)]
    timeout: u64,
    #[command(flatten)]
    who: As,
}

/// The reject report of an exchange: row, line, field, code; never a value.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  shuguan rejects 0199a3c4-… -c client.toml > rejects.tsv\n\nEXIT CODES\n  0 shown · 3 refused or unknown · 4 not reached"
)]
pub struct RejectsArgs {
    /// The exchange id.
    exchange: String,
    #[command(flatten)]
    who: As,
}

/// The receipt of an exchange, as a tlog-proof file.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  shuguan receipt 0199a3c4-… -o proof.tlog-proof -c client.toml\n\nEXIT CODES\n  0 written · 3 refused or unknown · 4 not reached"
)]
pub struct ReceiptArgs {
    /// The exchange id.
    exchange: String,
    /// Where to write it; `-` is stdout.
    #[arg(short, long, default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    who: As,
}

/// What this certificate may push and pull: fields, operators, limits.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  shuguan catalog -c client.toml\n  shuguan catalog --format json -c client.toml\n\nEXIT CODES\n  0 shown · 3 refused · 4 not reached"
)]
pub struct CatalogArgs {
    #[command(flatten)]
    who: As,
}

/// Runs `status`.
pub fn status(args: StatusArgs, output: &Output) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let path = format!("/v1/exchanges/{}", args.exchange);
    let document = super::runtime()?.block_on(async {
        let began = Instant::now();
        loop {
            let document = client
                .get_json(&path)
                .await
                .map_err(|error| error.failure(&format!("GET {path}")))?;
            let waiting = document.get("state").and_then(|state| state.as_str()) == Some("sealed");
            if !args.wait || !waiting {
                return Ok(document);
            }
            if began.elapsed() > Duration::from_secs(args.timeout) {
                return Err(Failure::new(Exit::Unreached, "the registry does not have it yet")
                    .because("it is sealed and waits for the relay; nothing is lost")
                    .then("shuguan status EXCHANGE --wait"));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    })?;
    if output.is_json() {
        output.json("shuguan.exchange.v1", &document);
        return Ok(Exit::Done);
    }
    output.rows(&["MEMBER", "VALUE"], &flatten(&document));
    Ok(Exit::Done)
}

/// Members of a document as rows; nested ones with a dot.
pub(crate) fn flatten(document: &serde_json::Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let Some(members) = document.as_object() else {
        return rows;
    };
    for (name, value) in members {
        match value {
            serde_json::Value::Object(_) => {
                for row in flatten(value) {
                    let mut cells = row.into_iter();
                    let inner = cells.next().unwrap_or_default();
                    rows.push(vec![format!("{name}.{inner}"), cells.next().unwrap_or_default()]);
                }
            }
            serde_json::Value::Array(_) => rows.push(vec![name.clone(), strings(document, name).join(", ")]),
            serde_json::Value::String(text) => rows.push(vec![name.clone(), text.clone()]),
            other => rows.push(vec![name.clone(), other.to_string()]),
        }
    }
    rows
}

/// The body at a path.
fn fetch(client: &Client, path: &str) -> Result<bytes::Bytes, Failure> {
    let place = format!("GET {path}");
    super::runtime()?.block_on(async {
        let response = client.get(path, &[]).await.map_err(|error| error.failure(&place))?;
        connect::read(response).await.map_err(|error| error.failure(&place))
    })
}

/// Runs `rejects`.
pub fn rejects(args: RejectsArgs, output: &Output) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let path = format!("/v1/exchanges/{}/rejects", args.exchange);
    let text = fetch(&client, &path)?;
    let rejects: Vec<crate::client::answer::RowProblem> = text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    if output.is_json() {
        output.json("shuguan.rejects.v1", &rejects);
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = rejects
        .into_iter()
        .map(|r| {
            vec![
                r.row.to_string(),
                r.line.to_string(),
                r.field.unwrap_or_else(|| "-".into()),
                r.code,
                r.title,
            ]
        })
        .collect();
    output.rows(&["ROW", "LINE", "FIELD", "CODE", "TITLE"], &rows);
    Ok(Exit::Done)
}

/// Runs `receipt`.
pub fn receipt(args: ReceiptArgs, output: &Output) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let path = format!("/v1/exchanges/{}/receipt", args.exchange);
    let text = fetch(&client, &path)?;
    if args.output == std::path::Path::new("-") {
        output.line(String::from_utf8_lossy(&text).trim_end());
        return Ok(Exit::Done);
    }
    std::fs::write(&args.output, &text)
        .map_err(|error| Failure::local(format!("cannot write `{}`", args.output.display())).because(error))?;
    output.note(format!(
        "`{}` written; verify it: shuguan verify receipt {0} --trust trust.txt",
        args.output.display()
    ));
    Ok(Exit::Done)
}

/// Runs `catalog`.
pub fn catalog(args: CatalogArgs, output: &Output) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let document = super::runtime()?
        .block_on(client.get_json("/v1/catalog"))
        .map_err(|error| error.failure("GET /v1/catalog"))?;
    if output.is_json() {
        output.json("shuguan.catalog.v1", &document);
        return Ok(Exit::Done);
    }
    let text = |value: &serde_json::Value, name: &str| {
        value
            .get(name)
            .and_then(|text| text.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let mut rows = Vec::new();
    for grant in document
        .get("grants")
        .and_then(|grants| grants.as_array())
        .into_iter()
        .flatten()
    {
        let target = text(grant, "target");
        for field in grant
            .get("fields")
            .and_then(|fields| fields.as_array())
            .into_iter()
            .flatten()
        {
            rows.push(vec![
                text(grant, "direction"),
                target.clone(),
                text(grant, "purpose"),
                text(field, "name"),
                text(field, "zh"),
                text(field, "type"),
                text(field, "operator"),
            ]);
        }
        for field in strings(grant, "withheld") {
            rows.push(vec![
                text(grant, "direction"),
                target.clone(),
                text(grant, "purpose"),
                field,
                String::new(),
                String::new(),
                "withheld".into(),
            ]);
        }
    }
    output.rows(
        &["DIRECTION", "DATA", "PURPOSE", "FIELD", "中文", "TYPE", "OPERATOR"],
        &rows,
    );
    Ok(Exit::Done)
}
