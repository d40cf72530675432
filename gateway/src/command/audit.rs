//! `shuguan audit search`, `show`, `person`, `unseal`: an officer's review of the log, through the console listener.
//!
//! Takes case, reason and filters; gives a table or JSON. The gateway seals the question before it answers; a question without case and
//! reason is refused there, not here.

mod person;
mod unseal;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::output::Output;
use super::query::flatten;
use crate::client::{Client, ClientSettings, Listener};

/// Review of exchanges, for officers. Each question is a leaf of the log before its result is shown.
#[derive(Debug, clap::Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    action: AuditAction,
}

#[derive(Debug, clap::Subcommand)]
enum AuditAction {
    /// List leaves of the log, newest first.
    #[command(
        after_help = "EXAMPLES\n  shuguan audit search --case 2026-117 --why routine -c officers/auditor-zhao.toml\n  shuguan audit search --case 2026-117 --why complaint --kind refusal --partner health-ganyu --from 2026-11-01 -c auditor.toml\n\nREASONS\n  routine · complaint · incident · reconciliation · court\n\nEXIT CODES\n  0 shown · 3 refused (no case or reason, a role that sees no exchanges) · 4 not reached, or the question could not be sealed"
    )]
    Search(SearchArgs),
    /// One exchange: facts, counts, leaves, and its proof made anew on the server.
    #[command(
        after_help = "EXAMPLES\n  shuguan audit show 0199a3c4-… --case 2026-117 --why incident -c officers/auditor-zhao.toml\n  shuguan audit show 0199a3c4-… --case 2026-117 --why court --receipt proof.tlog-proof -c auditor.toml\n\nREASONS\n  routine · complaint · incident · reconciliation · court\n\nEXIT CODES\n  0 shown, and its proof is valid · 3 refused or unknown · 4 not reached, or the question could not be sealed · 6 the proof does not verify"
    )]
    Show(ShowArgs),
    /// Who sent or received what about one person or unit; the number is typed at a prompt or comes on stdin.
    #[command(
        after_help = "EXAMPLES\n  shuguan audit person --case 2026-031 --why complaint -c officers/auditor-zhao.toml\n  shuguan audit person --case 2026-031 --why complaint --report report.txt -c auditor.toml < number.txt\n\nThe number is never an argument. At most 10 searches a minute and 100 a day by one officer.\n\nREASONS\n  routine · complaint · incident · reconciliation · court\n\nEXIT CODES\n  0 shown · 3 refused (no case or reason, no number, a role that sees no exchanges) · 4 not reached, or the question could not be sealed · 7 too many searches"
    )]
    Person(person::PersonArgs),
    /// Open the evidence record of an exchange, by two officers of different units.
    #[command(
        after_help = "EXAMPLES\n  shuguan audit unseal ask 0199a3c4-… --case 2026-031 --why court -c officers/security-qian.toml\n  shuguan audit unseal approve 0199a3c4-… -c officers/auditor-zhao.toml                      shows what was asked, and its digest\n  shuguan audit unseal approve 0199a3c4-… --statement DIGEST -c officers/auditor-zhao.toml\n  shuguan audit unseal open 0199a3c4-… -o record.json -c officers/security-qian.toml\n\nEXIT CODES\n  0 done · 3 refused (role, self-approval, one unit, expired, not approved, record destroyed) · 4 not reached, or the step could not be sealed"
    )]
    Unseal(unseal::UnsealArgs),
}

/// For which case and why, and whose certificate asks.
#[derive(Debug, clap::Args)]
struct Ground {
    /// Case number; it is kept beside the log, which holds a commitment to it.
    #[arg(long, value_name = "NO")]
    case: String,
    /// Reason: routine, complaint, incident, reconciliation or court.
    #[arg(long, value_name = "CODE")]
    why: String,
    /// The officer's client.toml.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

#[derive(Debug, clap::Args)]
struct SearchArgs {
    #[command(flatten)]
    ground: Ground,
    /// Partner or officer id.
    #[arg(long)]
    partner: Option<String>,
    /// Record type or dataset, e.g. health/death-certificate.
    #[arg(long)]
    record: Option<String>,
    /// Purpose.
    #[arg(long)]
    purpose: Option<String>,
    /// accepted, released, relayed, or the name of a refusal such as no-grant.
    #[arg(long)]
    outcome: Option<String>,
    /// push, pull, receipt-ack, recall, recalled, refusal, relayed, erased, officer-query and officer-result (for auditors only), officer-unseal, shred,
    /// certificate, config, policy, operator, witness-gap, clock, full, start or stop.
    #[arg(long)]
    kind: Option<String>,
    /// From this moment: 2026-11-23, 2026-11-23T09:42 (Asia/Shanghai), or RFC 3339.
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Before this moment.
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Rows, at most 1000.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Only leaves before this index: the next page.
    #[arg(long, value_name = "INDEX")]
    before: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The exchange id.
    exchange: String,
    #[command(flatten)]
    ground: Ground,
    /// Write its receipt to this file.
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

impl Ground {
    fn ask(&self, path: &str, question: &Value) -> Result<Value, Failure> {
        let client = Client::open(&ClientSettings::load(&self.config)?, Listener::Console)?;
        super::runtime()?
            .block_on(client.post_json(path, question))
            .map_err(|error| error.failure(&format!("POST {path}")))
    }
}

/// Runs the command.
pub fn run(args: AuditArgs, output: &Output) -> Result<Exit, Failure> {
    match args.action {
        AuditAction::Search(args) => search(args, output),
        AuditAction::Show(args) => show(args, output),
        AuditAction::Unseal(args) => unseal::run(args, output),
        AuditAction::Person(args) => person::run(&args, output),
    }
}

fn search(args: SearchArgs, output: &Output) -> Result<Exit, Failure> {
    let mut question = json!({ "case": args.ground.case, "why": args.ground.why, "limit": args.limit });
    let filters = [
        ("partner", args.partner),
        ("record", args.record),
        ("purpose", args.purpose),
        ("outcome", args.outcome),
        ("kind", args.kind),
        ("from", args.from),
        ("to", args.to),
    ];
    if let Some(members) = question.as_object_mut() {
        let given = filters.into_iter().filter_map(|(name, value)| Some((name, value?)));
        members.extend(given.map(|(name, value)| (name.to_owned(), value.into())));
        members.extend(args.before.map(|before| ("before".to_owned(), before.into())));
    }
    let document = args.ground.ask("/console/api/search", &question)?;
    if output.is_json() {
        output.json("shuguan.audit.search.v1", &document);
        return Ok(Exit::Done);
    }
    output.rows(&HEADER, &rows(&document, "items"));
    sealed(&document, output);
    let unknown = document.get("unknown").and_then(Value::as_array).into_iter().flatten();
    for name in unknown.filter_map(Value::as_str) {
        output.note(format!(
            "--{name} is none that is known today: of another time, or a slip"
        ));
    }
    if let Some(before) = document.get("next_before").and_then(Value::as_u64) {
        output.note(format!("there may be more: repeat with --before {before}"));
    }
    Ok(Exit::Done)
}

fn show(args: ShowArgs, output: &Output) -> Result<Exit, Failure> {
    let question = json!({ "case": args.ground.case, "why": args.ground.why, "exchange": args.exchange });
    let document = args.ground.ask("/console/api/show", &question)?;
    let valid = document.pointer("/proof/valid").and_then(Value::as_bool) == Some(true);
    if !output.document("shuguan.audit.show.v1", &document) {
        let mut lines = document.get("exchange").map(flatten).unwrap_or_default();
        lines.extend(
            document
                .get("proof")
                .map(flatten)
                .unwrap_or_default()
                .into_iter()
                .map(|mut line| {
                    if let Some(name) = line.first_mut() {
                        name.insert_str(0, "proof.");
                    }
                    line
                }),
        );
        output.rows(&["MEMBER", "VALUE"], &lines);
        output.line("");
        output.rows(&HEADER, &rows(&document, "leaves"));
        sealed(&document, output);
    }
    if let Some(path) = &args.receipt {
        let receipt = document.get("receipt").and_then(Value::as_str).unwrap_or_default();
        output.file(path, receipt.as_bytes())?;
        output.note(format!(
            "verify it: shuguan verify receipt {} --trust trust.txt",
            path.display()
        ));
    }
    Ok(if valid { Exit::Done } else { Exit::NotProven })
}

const HEADER: [&str; 8] = [
    "INDEX", "TIME", "KIND", "OUTCOME", "PARTNER", "DATA", "PURPOSE", "EXCHANGE",
];

/// Leaves of a member as rows.
fn rows(document: &Value, member: &str) -> Vec<Vec<String>> {
    let columns = [
        "index", "t", "kind", "outcome", "partner", "record", "purpose", "exchange",
    ];
    let items = document.get(member).and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .map(|item| columns.map(|column| cell(item.get(column))).to_vec())
        .collect()
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn sealed(document: &Value, output: &Output) {
    if let Some(index) = document.get("query_index").and_then(Value::as_u64) {
        output.note(format!("this question is leaf {index}, sealed before the answer"));
    }
}
