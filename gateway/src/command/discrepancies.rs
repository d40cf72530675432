//! `shuguan discrepancies`: where sources contradict each other in the registry.
//!
//! Reads the registry as the gateway's configuration names it, with or without a running gateway; gives counts by kind, and for each where
//! both sides came from. It shows no number of a person, no key and no value, so looking at it is no leaf: it is a count of the operator's,
//! and whoever has to see the persons asks the registry itself (on PostgreSQL in a role for that, `discrepancy_case`), or for an exchange as an officer
//! (`shuguan audit show`), which is one.

use std::path::PathBuf;

use serde_json::{Value, json};
use shuguan_ledger::time;

use super::config;
use super::exit::{Exit, Failure};
use super::output::{Form, Output};
use crate::chain::Chain;
use crate::clock;
use crate::registry::discrepancy::Kind;
use crate::registry::{Listing, Origin, Registry, RegistryFault, RegistrySettings, Shown, Wanted};

/// Where sources contradict each other: counts by kind, and the exchange and row of both sides; never a person.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan discrepancies -c demo/shuguan.toml
  shuguan discrepancies --kind name-differs --from 2026-11-01 -c shuguan.toml
  shuguan discrepancies --settled --format json -c shuguan.toml
  shuguan explain SG9305                             what a kind means

  A discrepancy is recorded when the row that contradicts another one arrives, and settled, not deleted, when a later row removes the
  contradiction. Only columns that both agreements release unchanged are compared. OTHER ROW is empty where a row is missing.

WHO IS IT ABOUT
  The registry says it, and this command does not. On PostgreSQL: SELECT * FROM discrepancy_case, as shuguan_examiner, whom `shuguan db roles` gives that view
  and nothing else: whom those are about that hold, the keys of both rows, and which partner sent them in which exchange. On SQLite, who may read
  the file: the table `discrepancy`.
  Which partner sent an exchange: shuguan audit show EXCHANGE, as an officer.

EXIT CODES
  0 shown · 1 the registry does not answer, or lacks the table: `shuguan db migrate` · 2 no such kind, or no such moment")]
pub struct DiscrepanciesArgs {
    /// Only of this kind: a code such as SG9301, or its short name such as name-differs.
    #[arg(long, value_name = "CODE")]
    kind: Option<String>,
    /// Those that are settled, instead of those that hold.
    #[arg(long)]
    settled: bool,
    /// First found at or after this moment: 2026-11-23, 2026-11-23T09:42 (Asia/Shanghai), or RFC 3339.
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Lines at most, newest first; the counts are always whole.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// The gateway's configuration.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
    config: PathBuf,
}

/// Runs the command.
pub fn run(args: &DiscrepanciesArgs, output: &Output) -> Result<Exit, Failure> {
    let wanted = wanted(args)?;
    let store = config::load(&args.config)?.registry.store;
    let listing = read(&store, &wanted)?;
    if output.is_json() {
        output.json("shuguan.discrepancies.v1", &document(&listing));
        return Ok(Exit::Done);
    }
    // One table in what a program reads.
    if !matches!(output.form, Form::Csv | Form::Ndjson) {
        show_counts(&listing, output);
        if listing.lines.is_empty() {
            return Ok(Exit::Done);
        }
        output.line("");
    }
    let rows: Vec<Vec<String>> = listing.lines.iter().map(row).collect();
    output.rows(&HEADER, &rows);
    if u32::try_from(rows.len()).is_ok_and(|shown| shown == wanted.limit) {
        output.note("there may be more: --limit, --kind, --from");
    }
    Ok(Exit::Done)
}

fn wanted(args: &DiscrepanciesArgs) -> Result<Wanted, Failure> {
    let kind = args.kind.as_deref().map(|word| {
        Kind::parse(word).ok_or_else(|| {
            let names = Kind::ALL.iter().map(|kind| kind.slug()).collect::<Vec<_>>();
            Failure::new(Exit::Usage, format!("there is no kind `{word}`")).then(format!("one of {}", names.join(", ")))
        })
    });
    let from = args.from.as_deref().map(|text| {
        clock::read_moment(text).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`--from {text}` is no moment"))
                .then("write e.g. `--from 2026-11-23`, or a moment with its offset")
        })
    });
    Ok(Wanted {
        kind: kind.transpose()?,
        settled: args.settled,
        from_us: from.transpose()?.unwrap_or(i64::MIN),
        limit: args.limit,
    })
}

/// What the registry has.
pub(super) fn read(store: &RegistrySettings, wanted: &Wanted) -> Result<Listing, Failure> {
    Registry::discrepancies(store, wanted).map_err(|fault| unread(&fault))
}

fn unread(fault: &RegistryFault) -> Failure {
    Failure::local("the discrepancies cannot be read")
        .coded(fault.code())
        .because(Chain(fault))
        .then("shuguan db migrate     when the registry is older than this program")
}

/// Counts by kind.
pub(super) fn show_counts(listing: &Listing, output: &Output) {
    let rows: Vec<Vec<String>> = listing
        .tallies
        .iter()
        .map(|tally| {
            vec![
                tally.kind.code().to_owned(),
                tally.kind.slug().to_owned(),
                tally.open.to_string(),
                tally.settled.to_string(),
                tally.kind.zh().to_owned(),
            ]
        })
        .collect();
    output.rows(&["CODE", "KIND", "OPEN", "SETTLED", "中文"], &rows);
}

const HEADER: [&str; 9] = [
    "CODE",
    "FIRST FOUND",
    "RECORD TYPE",
    "EXCHANGE",
    "ROW",
    "OTHER RECORD TYPE",
    "OTHER EXCHANGE",
    "OTHER ROW",
    "SETTLED",
];

fn row(line: &Shown) -> Vec<String> {
    let exchange = |origin: &Origin| origin.exchange.to_string();
    vec![
        line.kind.code().to_owned(),
        time::format(line.first_us),
        line.record.clone(),
        exchange(&line.one),
        line.one.row.to_string(),
        line.other_record.clone(),
        line.other.as_ref().map(exchange).unwrap_or_default(),
        line.other.map(|origin| origin.row.to_string()).unwrap_or_default(),
        line.settled.map(|(at_us, _)| time::format(at_us)).unwrap_or_default(),
    ]
}

fn document(listing: &Listing) -> Value {
    let kinds = listing.tallies.iter().map(|tally| {
        json!({
            "code": tally.kind.code(), "kind": tally.kind.slug(), "zh": tally.kind.zh(), "en": tally.kind.en(),
            "open": tally.open, "settled": tally.settled,
        })
    });
    let items = listing.lines.iter().map(|line| {
        json!({
            "code": line.kind.code(), "kind": line.kind.slug(),
            "record": line.record, "exchange": line.one.exchange, "row": line.one.row,
            "other_record": line.other_record, "other_exchange": line.other.map(|origin| origin.exchange),
            "other_row": line.other.map(|origin| origin.row),
            "first_found": time::format(line.first_us), "last_confirmed": time::format(line.last_us),
            "settled": line.settled.map(|(at_us, _)| time::format(at_us)), "settled_by": line.settled.map(|(_, by)| by),
        })
    });
    json!({ "kinds": kinds.collect::<Vec<_>>(), "items": items.collect::<Vec<_>>() })
}
