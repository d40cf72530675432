//! `shuguan audit unseal ask | approve | open`: an evidence record is opened by two officers of different units.
//!
//! Takes an exchange and the officer's own key; signs a statement that holds for 24 hours, sends it through the console listener. `open` writes a record: the secret behind the
//! commitments, digests, certificates, versions; no field value is in it. Refuses a key that others can read and one of another role; `approve` signs only the statement whose digest
//! it is given, which it says when it is given none.

use std::path::PathBuf;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::bundle::OfficerKey;
use crate::client::{Client, ClientSettings, Listener};
use crate::clock::{self, Clock};
use crate::command::cert::failure;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::command::query::flatten;
use crate::hex::hex;
use crate::unseal::{self, SignedBy, Statement};

const PATH: &str = "/console/api/unseal";

#[derive(Debug, clap::Args)]
pub(super) struct UnsealArgs {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, clap::Subcommand)]
enum Step {
    /// A security officer asks, with case and reason, and signs that.
    Ask {
        #[command(flatten)]
        who: Who,
        /// Case number.
        #[arg(long, value_name = "NO")]
        case: String,
        /// Reason: routine, complaint, incident, reconciliation or court.
        #[arg(long, value_name = "CODE")]
        why: String,
    },
    /// An auditor of another unit reads what was asked, and signs that statement and no other.
    Approve {
        #[command(flatten)]
        who: Who,
        /// SHA-256 of the statement that was read, as the command says it without this: what was asked since is another one, and is not signed.
        #[arg(long, value_name = "DIGEST")]
        statement: Option<String>,
    },
    /// The security officer who asked reads the record.
    Open {
        #[command(flatten)]
        who: Who,
        /// Where to write the record; `-` is stdout.
        #[arg(short, long, default_value = "-")]
        output: PathBuf,
        /// The entry whose record is written, of those that stand under the exchange: an acknowledgement and each step of an officer has one of its own.
        /// Without it the exchange's own.
        #[arg(long, value_name = "INDEX")]
        entry: Option<u64>,
    },
    /// What was asked within 24 hours.
    List {
        /// The officer's client.toml.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
        config: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Who {
    /// The exchange whose record is opened.
    exchange: Uuid,
    /// The officer's client.toml: names certificate and key.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
    /// Key and certificate in one PKCS #12 file, instead of those of client.toml.
    #[arg(long, value_name = "FILE", requires = "password_file")]
    p12: Option<PathBuf>,
    /// The file that holds the password of the PKCS #12 file, mode 0400.
    #[arg(long, value_name = "FILE", requires = "p12")]
    password_file: Option<PathBuf>,
}

impl Who {
    fn key(&self, settings: &ClientSettings) -> Result<OfficerKey, Failure> {
        let key = match (&self.p12, &self.password_file) {
            (Some(file), Some(password)) => OfficerKey::from_p12_for(file, password, &unseal::SIGNERS),
            _ => OfficerKey::from_pem_for(&settings.key, &settings.certificate, &unseal::SIGNERS),
        };
        key.map_err(failure)
    }
}

/// Runs the command.
pub(super) fn run(args: UnsealArgs, output: &Output) -> Result<Exit, Failure> {
    match args.step {
        Step::Ask { who, case, why } => ask(&who, &case, &why, output),
        Step::Approve { who, statement } => approve(&who, statement.as_deref(), output),
        Step::Open {
            who,
            output: file,
            entry,
        } => open(&who, (&file, entry), output),
        Step::List { config } => {
            let document = list(&client(&ClientSettings::load(&config)?)?)?;
            if output.is_json() {
                output.json("shuguan.unseal-list.v1", &document);
                return Ok(Exit::Done);
            }
            let rows = items(&document).map(|item| {
                ["exchange", "asked_by", "asked_at", "approved_by"]
                    .map(|member| super::cell(item.get(member)))
                    .to_vec()
            });
            output.rows(
                &["EXCHANGE", "ASKED BY", "ASKED AT", "APPROVED BY"],
                &rows.collect::<Vec<_>>(),
            );
            Ok(Exit::Done)
        }
    }
}

fn client(settings: &ClientSettings) -> Result<Client, Failure> {
    Client::open(settings, Listener::Console)
}

fn list(client: &Client) -> Result<Value, Failure> {
    crate::command::runtime()?
        .block_on(client.get_json(PATH))
        .map_err(|error| error.failure(&format!("GET {PATH}")))
}

fn items(document: &Value) -> impl Iterator<Item = &Value> {
    document.get("items").and_then(Value::as_array).into_iter().flatten()
}

fn send(client: &Client, order: &Value) -> Result<Value, Failure> {
    crate::command::runtime()?
        .block_on(client.post_json(PATH, order))
        .map_err(|error| error.failure(&format!("POST {PATH}")))
}

fn order(step: &str, statement: &Statement, signature: Option<SignedBy>) -> Value {
    json!({
        "step": step, "exchange": statement.exchange, "case": statement.case, "why": statement.why,
        "statement": statement.text(), "signature": signature,
    })
}

fn now_s() -> i64 {
    Clock::system().now_us().div_euclid(1_000_000)
}

fn sign(key: &OfficerKey, statement: &Statement) -> Result<SignedBy, Failure> {
    let signature = key.sign_over(&statement.text(), now_s()).map_err(failure)?;
    Ok(SignedBy::of(&signature))
}

fn ask(who: &Who, case: &str, why: &str, output: &Output) -> Result<Exit, Failure> {
    let settings = ClientSettings::load(&who.config)?;
    let key = who.key(&settings)?;
    let statement = Statement {
        exchange: who.exchange,
        case: case.trim().to_owned(),
        why: why.to_owned(),
        asked_by: key.spiffe().to_owned(),
        asked_at_s: now_s(),
        nonce: clock::random().map_err(|_| Failure::local("the operating system has no randomness to give"))?,
    };
    let signature = sign(&key, &statement)?;
    let document = send(&client(&settings)?, &order("ask", &statement, Some(signature)))?;
    show(&document, output);
    output.note(format!(
        "an auditor of another unit approves: shuguan audit unseal approve {} -c HIS.toml",
        who.exchange
    ));
    Ok(Exit::Done)
}

/// The newest of these statements about the exchange that were asked within a day.
fn asked(client: &Client, exchange: Uuid, is_meant: impl Fn(&Statement) -> bool) -> Result<Statement, Failure> {
    let document = list(client)?;
    let of_exchange = items(&document).filter(|item| item.get("exchange") == Some(&json!(exchange)));
    let statements = of_exchange.filter_map(|item| Statement::parse(item.get("statement")?.as_str()?));
    let statements: Vec<Statement> = statements.collect();
    let is_asked = !statements.is_empty();
    statements.into_iter().find(is_meant).ok_or_else(|| {
        if is_asked {
            return Failure::new(
                Exit::Refused,
                "what was asked has another digest than --statement says; nothing was signed",
            )
            .then(format!(
                "read what was asked: shuguan audit unseal approve {exchange} -c HIS.toml"
            ));
        }
        Failure::new(Exit::Refused, "nobody asked to open this record within 24 hours")
            .coded("SG8108")
            .then("a security officer: shuguan audit unseal ask EXCHANGE --case NO --why CODE -c HIS.toml")
    })
}

fn approve(who: &Who, read: Option<&str>, output: &Output) -> Result<Exit, Failure> {
    let settings = ClientSettings::load(&who.config)?;
    let (key, client) = (who.key(&settings)?, client(&settings)?);
    // Anybody of that role may ask anew between reading and signing: what is signed is what was read.
    let is_meant = |statement: &Statement| read.is_none_or(|read| read == hex(&statement.digest()));
    let statement = asked(&client, who.exchange, is_meant)?;
    output.note(format!("this is what you sign:\n{}", statement.text().trim_end()));
    if read.is_none() {
        return Err(Failure::new(Exit::Usage, "nothing was signed").then(format!(
            "read the statement, then repeat with --statement {}",
            hex(&statement.digest())
        )));
    }
    let signature = sign(&key, &statement)?;
    show(&send(&client, &order("approve", &statement, Some(signature)))?, output);
    Ok(Exit::Done)
}

fn open(who: &Who, (file, entry): (&std::path::Path, Option<u64>), output: &Output) -> Result<Exit, Failure> {
    let settings = ClientSettings::load(&who.config)?;
    let (key, client) = (who.key(&settings)?, client(&settings)?);
    let statement = asked(&client, who.exchange, |statement| statement.asked_by == key.spiffe())?;
    let mut order = order("open", &statement, None);
    if let (Some(members), Some(entry)) = (order.as_object_mut(), entry) {
        members.insert("entry".into(), entry.into());
    }
    let document = send(&client, &order)?;
    let record = document.get("record").cloned().unwrap_or_default();
    let text = serde_json::to_string_pretty(&record).unwrap_or_default();
    if file == std::path::Path::new("-") {
        output.line(text);
    } else {
        crate::pki::keyfile::create_secret(file, text.as_bytes()).map_err(failure)?;
        output.note(format!(
            "`{}` written, mode 0400: with it the commitments of entry {} can be opened",
            file.display(),
            document.get("entry").and_then(Value::as_u64).unwrap_or_default()
        ));
    }
    let others = document.get("others").and_then(Value::as_array).map(Vec::as_slice);
    if let Some(others @ [_, ..]) = others {
        output.note(format!(
            "other records of this exchange, by --entry INDEX: {}",
            listed(others)
        ));
    }
    if let Some(leaf) = document.get("leaf").and_then(Value::as_u64) {
        output.note(format!(
            "this opening is leaf {leaf}, sealed before the record was sent"
        ));
    }
    Ok(Exit::Done)
}

/// `39 (receipt-ack), 177 (officer-unseal)`
fn listed(entries: &[Value]) -> String {
    let one = |entry: &Value| {
        let index = entry.get("leaf").and_then(Value::as_u64).unwrap_or_default();
        let kind = entry.get("kind").and_then(Value::as_str).unwrap_or_default();
        format!("{index} ({kind})")
    };
    entries.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn show(document: &Value, output: &Output) {
    if output.is_json() {
        output.json("shuguan.unseal.v1", document);
    } else {
        output.rows(&["MEMBER", "VALUE"], &flatten(document));
    }
}
