//! `shuguan verify policy`: that a bundle is the one under which an exchange was decided.
//!
//! Takes a bundle's folder and the receipt of an exchange; says that the entry names this bundle, and the agreement that it was decided by. Refuses, with code 6, another
//! bundle, one that has no plan with the hash of the entry, and one of which the entry says that it was offered and refused: that one never decided anything.

use std::path::{Path, PathBuf};

use serde_json::json;
use shuguan_ledger::leaf::{Digest, Event};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;
use shuguan_policies::Bundle;

use super::receipt::sentence;
use super::{exit, headline, not_proven, read_receipt, seen_by};
use crate::chain::Chain;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::hex::hex;

/// Results of a `policy` entry after which its bundle is in force.
const IN_FORCE: [&str; 2] = ["loaded", "revoked"];

/// A bundle and what it is compared with.
#[derive(Debug, clap::Args)]
pub(super) struct PolicyArgs {
    /// The folder of the bundle.
    pub(super) bundle: PathBuf,
    /// The receipt of an exchange (tlog-proof).
    #[arg(long, value_name = "FILE")]
    pub(super) receipt: PathBuf,
    /// Trust file with the log's public key.
    #[arg(long)]
    pub(super) trust: PathBuf,
}

/// Compares them.
///
/// # Errors
/// When a file cannot be read or is not what it should be.
pub(super) fn run(args: &PolicyArgs, trust: &Trust, output: &Output) -> Result<Exit, Failure> {
    let receipt = read_receipt(&args.receipt)?;
    let proven = match Receipt::parse(&receipt).and_then(|receipt| receipt.verify(trust)) {
        Ok(proven) => proven,
        Err(error) => return Ok(not_proven(output, &Chain(&error).to_string(), None)),
    };
    let Some((bundle, plan)) = named(&proven.leaf.event) else {
        return Err(Failure::new(Exit::Usage, "this entry names no policy bundle")
            .because(format!("it is of the kind `{}`", proven.leaf.event.kind())));
    };
    let set = compiled(&args.bundle)?;
    if set.hash() != bundle.0 {
        let why = format!(
            "the entry names the bundle {}, and this is {}",
            hex(&bundle.0),
            hex(&set.hash())
        );
        return Ok(not_proven(output, &why, None));
    }
    if let Some(code) = refused(&proven.leaf.event) {
        let why =
            format!("the entry says that this bundle was offered and refused ({code}): it was not in force by it");
        return Ok(not_proven(output, &why, None));
    }
    let decided = match plan {
        None => None,
        Some(plan) => match set.plans().find(|one| one.hash() == plan.0) {
            Some(plan) => Some(format!(
                "the agreement `{}`, for `{}`",
                plan.agreement(),
                plan.purpose()
            )),
            None => {
                return Ok(not_proven(
                    output,
                    "the bundle has no plan with the hash that the entry names",
                    None,
                ));
            }
        },
    };
    let seen_by = seen_by(&proven.witnessed, trust);
    let said = format!("{}; this bundle was in force; {seen_by}", sentence(&proven));
    let document = json!({
        "verdict": proven.witnessed.verdict(), "sentence": said, "index": proven.index, "exchange": proven.leaf.event.exchange(),
        "bundle": hex(&bundle.0), "decided_by": decided,
    });
    if !output.document("shuguan.policy-verdict.v1", &document) {
        output.line(headline(proven.witnessed.quorum, &said));
        output.line(format!("      bundle {}", hex(&bundle.0)));
        if let Some(decided) = decided {
            output.line(format!(
                "      decided by {decided}: shuguan policy explain shows each field"
            ));
        }
    }
    Ok(exit(proven.witnessed.quorum))
}

/// The bundle that an entry names, and the plan.
fn named(event: &Event) -> Option<(Digest, Option<Digest>)> {
    match event {
        Event::Push(event) => Some((event.bun, Some(event.plan))),
        Event::Pull(event) => Some((event.bun, Some(event.plan))),
        Event::Compare(event) => Some((event.bun, Some(event.plan))),
        Event::Refusal(event) => Some((event.bun?, None)),
        Event::Aborted(event) => Some((event.bun, None)),
        Event::Policy(event) => Some((event.bun?, None)),
        _ => None,
    }
}

/// Why the entry's bundle did not come into force. A result that this version does not know is none by which it did.
fn refused(event: &Event) -> Option<&str> {
    match event {
        Event::Policy(event) if !IN_FORCE.contains(&event.result.as_str()) => {
            Some(event.code.as_deref().unwrap_or(&event.result))
        }
        _ => None,
    }
}

fn compiled(folder: &Path) -> Result<shuguan_policies::PolicySet, Failure> {
    let set = Bundle::read(folder).and_then(|bundle| bundle.compile());
    set.map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Failure::local(format!("the bundle cannot be read\n{}", lines.join("\n"))).at(folder.display().to_string())
    })
}
