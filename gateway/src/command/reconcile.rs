//! `shuguan reconcile DIR`: an agency's own receipts against the gateway's log.
//!
//! Takes a folder of receipts (`*.tlog-proof`; in a drop folder `*.ack`) and push states, a trust file, and the log: a journal or a copy of one, which is verified whole, or the gateway's
//! list of the partner's own exchanges, in which every entry is proved by itself. Names each exchange that is missing on either side, doubled, refused, not
//! answered, not relayed, and what was refused before there was an exchange. A receipt that the log does not bear out, and a number of the partner's exchanges that the list lacks, are no differences but proofs against
//! the gateway, and a log that ends before a receipt is an older copy or a cut one: code 6.

mod difference;
mod folder;
mod logged;
mod numbers;
mod refusals;
mod verdict;

use std::path::{Path, PathBuf};

use shuguan_ledger::trust::Trust;

use self::difference::{Batch, Named, What, compare};
use self::folder::Folder;
use self::logged::{Log, Unproven, of_journal, of_server};
use self::refusals::Tally;
use self::verdict::Verdict;
use super::exit::{Exit, Failure};
use super::output::Output;
use crate::client::deliver::load_trust;

/// Folders below the first.
const DEPTH_MAX: usize = 8;

/// Compare one's own receipts with the gateway's log.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("log_of").required(true),
    after_help = "EXAMPLES
  shuguan reconcile /data/outbox --trust trust.txt --server -c client.toml
  shuguan reconcile outbox --trust trust.txt --log journal-copy.db --partner health-ganyu --format json

WHAT IT NAMES
  missing-here   the log holds an exchange of ours, and there is no receipt of it here. In a drop folder a later file of the same name takes the place of
                 the .ack before it
  unanswered     a file was sent, and no answer is here: push it again. For 7 days its key makes that harmless; later push refuses it (8), so look
                 whether the log has it, as missing-here with this record type, length and time, and only otherwise send it --again.
                 NAME.(16 digits).shuguan-push is of a file whose name another took since, or that was sent as something else since: remove it when you know
  doubled        one file under two exchanges
  refused        the gateway refused it
  turned-away    requests in our name that were refused before there was an exchange, by code, with how many and from when to when: bad-signature ×16. Of
                 those that we did not send somebody else knows our certificate, or repeats what we sent (replayed). They stay in the log, throttled
                 requests among them, so alone they do not end with 5
  not-relayed    accepted, not in the registry yet
  contradicted   a receipt that the log does not bear out: the log was changed, or cut
  withheld       the exchanges of a partner are numbered 1, 2, 3 …; the list lacks these numbers: something was sealed in our name and is kept from us
  older-than-known
                 a receipt was proved under more entries than the log given has: it is an older copy, or its end was cut off. Get a newer copy and compare
                 again; if the newest there is lacks the receipt too, the log was cut, and the receipt proves it
  another-log    a receipt is of another log than the one given, such as of the one that follows a closed volume: give that log

Each entry of the list of `--server` is proved by itself, and the numbers show that none was left out up to the last one. That one is relayed is the
gateway's word: its leaf says what became of the rows, which no partner is told; an auditor may show it. What is newer than that shows with the
next receipt; the whole log (`--log`) shows it at once.

VERDICTS (--format json)
  proven             every receipt is borne out; `items` has the differences
  proven-in-part     the same, up to where the witnesses signed the log, or where its list has numbers
  quorum-missing     entries of the gateway's list that the witnesses of the trust file have not signed
  older-than-known   the log given ends before a receipt
  disproven          something is contradicted or withheld, or a file or the log is not proven (`unproven`, or `why` and `file`)

EXIT CODES
  0 nothing to name, or turned-away alone · 1 a file cannot be read · 3 refused · 4 not reached · 5 something is named · 6 a receipt or the log is not proven"
)]
pub struct ReconcileArgs {
    /// The folder with receipts (*.tlog-proof, *.ack) and push states; its subfolders too.
    dir: PathBuf,
    /// Trust file with the log's public key.
    #[arg(long)]
    trust: PathBuf,
    /// A journal or a copy of one, the configuration (`*.toml`) of a gateway that has it on PostgreSQL, or a folder that `shuguan log export` wrote; verified whole.
    #[arg(long, value_name = "JOURNAL", group = "log_of")]
    log: Option<PathBuf>,
    /// Ask the gateway.
    #[arg(long, group = "log_of")]
    server: bool,
    /// The partner whose exchanges are compared; needed with `--log` when no receipt says it.
    #[arg(long, value_name = "ID")]
    partner: Option<String>,
    /// The partner's client.toml, for `--server`.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

/// Runs the command.
pub fn run(args: &ReconcileArgs, output: &Output) -> Result<Exit, Failure> {
    let trust = load_trust(&args.trust)?;
    let mut folder = Folder::default();
    folder.read(&args.dir, &trust, DEPTH_MAX)?;
    let found = match &args.log {
        Some(journal) => {
            let partner = partner(args, &folder)?;
            let log = of_journal(journal, &trust, &partner, output)?;
            log.map(|log| (log, partner))
        }
        None => asked(args, &folder, &trust)?,
    };
    let (log, partner) = match found {
        Ok(found) => found,
        Err(why) => return Ok(not_proven(&why, args.log.as_deref(), output)),
    };
    let has_receipts = folder.of(&partner) > 0;
    if let Some(note) = other_list(&log, &partner).filter(|_| args.server && has_receipts) {
        output.note(note);
    }
    let named = compare(&folder, &log, &partner);
    let verdict = Verdict::of(&folder, &log, &named);
    show((&folder, &log), (verdict, &partner), &named, output);
    Ok(verdict.exit(&named))
}

/// What may explain that receipts are not in the gateway's list: it is of whom the client's certificate names.
fn other_list(log: &Log, partner: &str) -> Option<String> {
    let whose = match &log.listed_of {
        None => "empty".to_owned(),
        Some(other) if other != partner => format!("of `{other}`"),
        Some(_) => return None,
    };
    Some(format!(
        "the gateway's list for the certificate of client.toml is {whose}: the exchanges of `{partner}` are in the list for his (-c)"
    ))
}

/// A line of the verdict. A program that reads the rows finds nothing but rows.
fn tell(output: &Output, line: String) {
    if output.is_aligned() {
        output.line(line);
    } else {
        output.note(line);
    }
}

fn not_proven(Unproven { verdict, why }: &Unproven, log: Option<&Path>, output: &Output) -> Exit {
    if output.is_json() {
        let file = log.map(|log| log.display().to_string());
        let document = serde_json::json!({ "verdict": verdict, "why": why, "file": file });
        output.json("shuguan.reconcile.v1", &document);
    } else {
        tell(output, format!("无效  the log is not proven: {why}"));
    }
    Exit::NotProven
}

/// The gateway's list and whose it is. Whoever is compared does not choose with whom: only where there is no receipt does the list say it.
fn asked(args: &ReconcileArgs, folder: &Folder, trust: &Trust) -> Result<Result<(Log, String), Unproven>, Failure> {
    let is_said = args.partner.is_some() || !folder.receipts.is_empty();
    let stated = is_said.then(|| partner(args, folder)).transpose()?;
    let log = match of_server(args, trust, stated.as_deref())? {
        Ok(log) => log,
        Err(why) => return Ok(Err(why)),
    };
    let partner = match stated.or_else(|| log.listed_of.clone()) {
        Some(partner) => partner,
        None => partner(args, folder)?,
    };
    Ok(Ok((log, partner)))
}

/// Whose exchanges: as stated, or as the receipts say.
fn partner(args: &ReconcileArgs, folder: &Folder) -> Result<String, Failure> {
    let mut partners: Vec<&str> = folder
        .receipts
        .iter()
        .filter_map(|own| own.leaf.event.partner())
        .collect();
    partners.sort_unstable();
    partners.dedup();
    match (&args.partner, partners.as_slice()) {
        (Some(stated), _) => Ok(stated.clone()),
        (None, [only]) => Ok((*only).to_owned()),
        (None, found) => Err(Failure::new(Exit::Usage, "whose exchanges are compared?")
            .because(format!("the receipts here are of {} partners", found.len()))
            .then("name it: --partner ID")),
    }
}

fn show((folder, log): (&Folder, &Log), (verdict, partner): (Verdict, &str), named: &[Named], output: &Output) {
    let older = named.iter().any(|one| one.what == What::OlderThanKnown);
    let complete = log.is_complete() && !older;
    let sentence = verdict.sentence(folder, log, (partner, named));
    if output.is_json() {
        let document = serde_json::json!({
            "verdict": verdict.name(), "sentence": sentence, "partner": partner, "receipts": folder.of(partner), "unwitnessed": log.unwitnessed, "states": folder.states.len(),
            "logged": log.exchanges.len(), "size": log.size, "complete": complete,
            "unproven": folder.unproven.iter().map(|(file, why)| serde_json::json!({ "file": file, "why": why })).collect::<Vec<_>>(),
            "items": named,
        });
        output.json("shuguan.reconcile.v1", &document);
        return;
    }
    tell(output, verdict.headline(&sentence));
    for (file, why) in &folder.unproven {
        tell(output, format!("无效  {file}: {why}"));
    }
    let or_dash = |text: Option<&String>| text.cloned().unwrap_or_else(|| "-".into());
    let rows = named.iter().map(|one| {
        vec![
            one.what.name().to_owned(),
            one.what.zh().to_owned(),
            or_dash(one.exchange.as_ref()),
            one.index.map_or_else(|| "-".into(), |index| index.to_string()),
            one.numbers.map_or_else(
                || or_dash(one.code.as_ref().or(one.log.as_ref())),
                |(first, last)| format!("{first}..{last}"),
            ),
            or_dash(one.file.as_ref()),
            one.batch
                .as_ref()
                .map(Batch::shown)
                .or_else(|| one.tally.as_ref().map(Tally::shown))
                .unwrap_or_else(|| "-".into()),
        ]
    });
    output.rows(
        &["WHAT", "说明", "EXCHANGE", "INDEX", "CODE", "FILE", "BATCH"],
        &rows.collect::<Vec<_>>(),
    );
    output.note(format!(
        "{} receipts of `{partner}`, {} exchanges in the log of {} entries, {} to name",
        folder.of(partner),
        log.exchanges.len(),
        log.size,
        named.len()
    ));
    if log.unwitnessed > 0 {
        output.note(format!(
            "not proved: that {} entries stand in the history that everybody is shown: the witnesses have not signed them yet",
            log.unwitnessed
        ));
    }
    for one in named {
        if let (Some(file), Some(log)) = (&one.file, &one.log) {
            output.note(format!("`{file}`: the receipt is of `{log}`; give that log"));
        }
    }
    if older {
        output.note(format!(
            "the log given ends at {} entries, and a receipt proves that it had more: it is an older copy, or its end was cut off",
            log.size
        ));
        output.note("next: get a newer copy and compare again; if the newest there is lacks the receipt too, the log was cut, and the receipt proves it");
    } else if !log.whole && complete {
        output.note("the list has every exchange up to its last one: their numbers have no gap");
    } else if !log.is_complete() {
        output.note("not proved: that the gateway left nothing out of its list (that takes the whole log, --log)");
    }
}

#[cfg(test)]
mod tests;
