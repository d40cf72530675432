//! `shuguan verify consistency`: of two signed checkpoints, that the later log is the earlier one and entries after it.
//!
//! Takes the earlier checkpoint, the later one, and a folder of tiles or a saved proof; says how many entries were added, and that none of those before was changed,
//! dropped or reordered. Refuses, with code 6, checkpoints that no trusted key signed, two histories, fewer entries than before, and what proves nothing.
//! A receipt counts as the checkpoint that it stands under: it is what a partner has of earlier days.

use std::path::{Path, PathBuf};

use serde_json::json;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::consistency::{ConsistencyFault, Inconsistent, judge, prove};
use shuguan_ledger::exported::{CHECKPOINT, ExportFault, Folder};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::tree::Hash;
use shuguan_ledger::trust::{Trust, Witnessed};
use shuguan_ledger::witness::AddCheckpoint;

use super::log::folder_fault;
use super::{At, RECEIPT_BYTES_MAX, bounded, exit, headline, not_proven, seen_by, verdict, witnesses_json};
use crate::chain::Chain;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;

/// How a saved proof begins: it is what a witness is asked (C2SP tlog-witness, `add-checkpoint`).
const PROOF: &str = "old ";
/// How a receipt begins.
const RECEIPT: &str = "c2sp.org/tlog-proof";

/// Two checkpoints, and what lies between them.
#[derive(Debug, clap::Args)]
pub(super) struct ConsistencyArgs {
    /// The earlier checkpoint, or a receipt, which has one in it.
    old: PathBuf,
    /// The later one; none: the one of the folder, or of the proof.
    new: Option<PathBuf>,
    /// A folder with the log's hash tiles: `shuguan log export`, of the log or of a volume, or a mirror.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "proof",
        required_unless_present = "proof"
    )]
    tiles: Option<PathBuf>,
    /// A proof, as `shuguan log prove` fetches it.
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// Trust file with the log's public key.
    #[arg(long)]
    pub(super) trust: PathBuf,
    /// Write the proof, for somebody who has no tiles.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Where the path comes from.
enum Between {
    Tiles(Folder),
    Path(AddCheckpoint),
}

/// A checkpoint that is believed.
struct Believed {
    note: String,
    checkpoint: Checkpoint,
    witnessed: Witnessed,
}

/// Proves it, or says why not.
///
/// # Errors
/// When a file cannot be read or is not what it should be.
pub(super) fn run(args: &ConsistencyArgs, trust: &Trust, output: &Output) -> Result<Exit, Failure> {
    let between = match (&args.tiles, &args.proof) {
        (Some(folder), _) => Between::Tiles(Folder(folder.clone())),
        (None, Some(file)) => match proof(file)? {
            Ok(proof) => Between::Path(proof),
            Err(why) => return Ok(not_proven(output, &why, At::file(file))),
        },
        (None, None) => {
            return Err(
                Failure::new(Exit::Usage, "nothing is given that lies between the two checkpoints")
                    .then("--tiles DIR, or --proof FILE"),
            );
        }
    };
    let later = match (&args.new, &between) {
        (Some(file), _) => file.clone(),
        (None, Between::Tiles(folder)) => folder.0.join(CHECKPOINT),
        (None, Between::Path(_)) => args.proof.clone().unwrap_or_default(),
    };
    let old = match signed(&args.old)?.and_then(|note| believed(note, "first", trust)) {
        Ok(old) => old,
        Err(why) => return Ok(not_proven(output, &why, At::file(&args.old))),
    };
    let note = match (&args.new, &between) {
        (None, Between::Path(proof)) => Ok(proof.checkpoint.clone()),
        _ => signed(&later)?,
    };
    let new = match note.and_then(|note| believed(note, "second", trust)) {
        Ok(new) => new,
        Err(why) => return Ok(not_proven(output, &why, At::file(&later))),
    };
    let path = match path(&between, &old, &new) {
        Ok(path) => path,
        Err(fault) => return refused(fault, (&between, &later), (&old, &new), output),
    };
    // What it says of itself is nothing that the path would prove; whoever reads the file reads it.
    if let (Between::Path(proof), Some(file)) = (&between, &args.proof)
        && proof.old != old.checkpoint.size
    {
        let why = format!(
            "the proof is from {} entries on, and the earlier checkpoint has {}",
            proof.old, old.checkpoint.size
        );
        return Ok(not_proven(output, &why, At::file(file)));
    }
    if let Some(file) = &args.output {
        let proof = AddCheckpoint {
            old: old.checkpoint.size,
            proof: path,
            checkpoint: new.note.clone(),
        };
        output.file(file, proof.encode().as_bytes())?;
    }
    show((&old, &new), trust, output);
    Ok(exit(new.witnessed.quorum))
}

fn path(between: &Between, old: &Believed, new: &Believed) -> Result<Vec<Hash>, ConsistencyFault<std::io::Error>> {
    match between {
        Between::Tiles(folder) => prove(folder, &old.checkpoint, &new.checkpoint),
        Between::Path(proof) => {
            judge(&old.checkpoint, &new.checkpoint, &proof.proof)?;
            Ok(proof.proof.clone())
        }
    }
}

/// The signed checkpoint of a file: a note, that of a receipt, or the later one of a proof. What is none of them is left to the signature to refuse.
///
/// # Errors
/// When it cannot be read, or is too long for one.
pub(in crate::command) fn note(file: &Path) -> Result<String, Failure> {
    signed(file)?.map_err(|why| Failure::local(format!("`{}`: {why}", file.display())))
}

/// The same; the inner error: it is too long for one.
fn signed(file: &Path) -> Result<Result<String, String>, Failure> {
    Ok(bounded(file, RECEIPT_BYTES_MAX, "checkpoint")?.map(within))
}

fn within(text: String) -> String {
    let within = if text.starts_with(RECEIPT) {
        Receipt::parse(&text).ok().map(|receipt| receipt.checkpoint)
    } else if text.starts_with(PROOF) {
        let proof = AddCheckpoint::parse(text.as_bytes());
        proof.ok().map(|proof| proof.checkpoint)
    } else {
        None
    };
    within.unwrap_or(text)
}

fn proof(file: &Path) -> Result<Result<AddCheckpoint, String>, Failure> {
    let text = bounded(file, RECEIPT_BYTES_MAX, "proof")?;
    Ok(text.and_then(|text| {
        let read = AddCheckpoint::parse(text.as_bytes());
        read.map_err(|refused| format!("`{}` is no proof: {refused}", file.display()))
    }))
}

fn believed(note: String, which: &str, trust: &Trust) -> Result<Believed, String> {
    match trust.open_witnessed(&note) {
        Ok((checkpoint, witnessed)) => Ok(Believed {
            note,
            checkpoint,
            witnessed,
        }),
        Err(error) => Err(format!("of the {which} checkpoint: {}", Chain(&error))),
    }
}

/// What is said when it is not so.
fn refused(
    fault: ConsistencyFault<std::io::Error>,
    (between, later): (&Between, &Path),
    (old, new): (&Believed, &Believed),
    output: &Output,
) -> Result<Exit, Failure> {
    let next = |text: &str| output.note(format!("next: {text}"));
    let inconsistent = match (fault, between) {
        (ConsistencyFault::Tile(fault), Between::Tiles(folder)) => return tile_fault(fault, &folder.0, output),
        (ConsistencyFault::Tile(fault), Between::Path(_)) => {
            return Ok(not_proven(output, &Chain(&fault).to_string(), At::file(later)));
        }
        (ConsistencyFault::Inconsistent(inconsistent), _) => inconsistent,
    };
    let (what, why) = match inconsistent {
        Inconsistent::Shorter { .. } => ("older-than-known", inconsistent.to_string()),
        Inconsistent::Forked { .. } => ("disproven", format!("{inconsistent}{}", histories(old, new))),
        Inconsistent::Path | Inconsistent::Tiles => ("disproven", inconsistent.to_string()),
    };
    let exit = verdict(output, what, &why, At::file(later));
    match inconsistent {
        Inconsistent::Shorter { .. } => {
            next(
                "give the earlier one first; if it is the log that has fewer entries than before, an older copy was put back: ask its operator",
            );
        }
        Inconsistent::Forked { .. } => {
            next("keep both files and what lies between them: they prove it to anybody, whatever the log shows later");
        }
        Inconsistent::Path => {
            next(
                "that says nothing about the log: a proof serves these two checkpoints alone; fetch it again with the earlier one: shuguan log prove",
            );
        }
        Inconsistent::Tiles => {
            next("that says nothing about the log, or of tiles that were changed: export or fetch them again");
        }
    }
    Ok(exit)
}

fn tile_fault(fault: ExportFault<std::io::Error>, folder: &Path, output: &Output) -> Result<Exit, Failure> {
    if let ExportFault::Absent { path, .. } = &fault
        && !folder.is_dir()
    {
        return Err(Failure::local(format!("cannot read `{}`", folder.display()))
            .because(format!("it is no folder, so there is no `{path}` in it")));
    }
    folder_fault(fault, folder, output)
}

/// How two names read that differ: a volume, or a log after a loss, goes on in the same tree.
fn histories(old: &Believed, new: &Believed) -> String {
    let (old, new) = (&old.checkpoint.origin, &new.checkpoint.origin);
    if old == new {
        return String::new();
    }
    format!(
        "; `{new}` is another log than `{old}`, or one that succeeds it after a loss (`verify log` says what was lost)"
    )
}

fn show((old, new): (&Believed, &Believed), trust: &Trust, output: &Output) {
    let (before, after) = (&old.checkpoint, &new.checkpoint);
    let added = after.size.saturating_sub(before.size);
    let plus = match added {
        0 => "with nothing added".to_owned(),
        1 => "and 1 entry after them".to_owned(),
        added => format!("and {added} entries after them"),
    };
    let which = if before.origin == after.origin {
        format!("the log `{}` of {} entries", after.origin, after.size)
    } else {
        format!(
            "the log `{}` of {} entries goes on where `{}` was: it",
            after.origin, after.size, before.origin
        )
    };
    let sentence = format!(
        "{which} is the {} entries of the earlier checkpoint, {plus}: of those before none was changed, dropped or reordered; {}",
        before.size,
        seen_by(&new.witnessed, trust)
    );
    let one = |believed: &Believed| {
        json!({
            "origin": believed.checkpoint.origin, "size": believed.checkpoint.size, "witnesses": witnesses_json(&believed.witnessed),
        })
    };
    let document = json!({
        "verdict": new.witnessed.verdict(), "sentence": sentence, "old": one(old), "new": one(new), "added": added,
    });
    if output.document("shuguan.verdict.v1", &document) {
        return;
    }
    output.line(headline(new.witnessed.quorum, &sentence));
    output.line(format!(
        "      signed then: {} entries; signed now: {}",
        before.size, after.size
    ));
    output
        .line("      not proved: what the entries say, and that they add up (that takes the log: shuguan verify log)");
    if new.witnessed.by.is_empty() {
        output.line("      not proved: that no other log was shown to somebody else (that takes a witness, or his checkpoint beside ours)");
    }
}
