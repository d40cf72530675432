//! `shuguan verify receipt`: what one receipt proves.
//!
//! Takes a receipt, and a manifest or an opening to compare with it; says in one sentence what the log holds. Refuses nothing: what does not hold ends
//! with code 6.

use std::path::Path;

use serde_json::json;
use shuguan_ledger::leaf::Event;
use shuguan_ledger::receipt::Proven;
use shuguan_ledger::time;
use shuguan_ledger::trust::{Quorum, Trust};

use super::super::exit::{Exit, Failure};
use super::super::output::Output;
use super::sentence::sentence;
use super::{At, exit, headline, not_proven, opening, prove, seen_by, witnesses_json};
use crate::sha256;

pub(super) fn run(
    file: &Path,
    trust: &Trust,
    (manifest, columns): (Option<&Path>, &opening::OpeningArgs),
    output: &Output,
) -> Result<Exit, Failure> {
    match prove(file, trust)?.map(|(proven, _)| proven) {
        Ok(proven) if columns.asked() => opening::run(columns, &proven, trust, output),
        Ok(proven) => {
            if let Some(manifest) = manifest
                && !is_sealed_manifest(&proven, manifest)?
            {
                let why = "the manifest is not the one that was sealed with this exchange";
                return Ok(not_proven(output, why, At::file(manifest)));
            }
            let manifest = manifest.map(|_| "this is its manifest");
            show_receipt(&proven, trust, manifest, output);
            Ok(exit(proven.witnessed.quorum))
        }
        Err(why) => Ok(not_proven(output, &why, At::file(file))),
    }
}

/// Whether a file is, byte for byte, the manifest that the leaf of an extract states.
fn is_sealed_manifest(proven: &Proven, file: &Path) -> Result<bool, Failure> {
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::local(format!("cannot read `{}`", file.display())).because(error))?;
    let stated = match &proven.leaf.event {
        Event::Pull(event) => event.man,
        _ => None,
    };
    Ok(stated.is_some_and(|stated| stated.0 == sha256::of(&bytes)))
}

/// The leaf as it stands in the log, member by member.
fn members(proven: &Proven) -> Option<serde_json::Value> {
    serde_json::from_slice(&proven.leaf.encode().ok()?).ok()
}

/// Shows what a receipt proves, and what a file beside it was found to be.
pub(super) fn show_receipt(proven: &Proven, trust: &Trust, besides: Option<&str>, output: &Output) {
    let (event, witnessed) = (&proven.leaf.event, &proven.witnessed);
    let besides = besides.map_or(String::new(), |besides| format!("; {besides}"));
    let sentence = format!("{}{besides}; {}", sentence(proven), seen_by(witnessed, trust));
    let (size, at) = (proven.checkpoint.size, time::format(proven.leaf.when()));
    let document = json!({
        "verdict": witnessed.verdict(), "sentence": sentence, "witnesses": witnesses_json(witnessed), "index": proven.index, "kind": event.kind(), "exchange": event.exchange(),
        "partner": event.partner(), "leaf": members(proven), "at": at, "origin": proven.checkpoint.origin, "size": size,
    });
    if output.document("shuguan.verdict.v1", &document) {
        return;
    }
    output.line(headline(witnessed.quorum, &sentence));
    output.line(format!("      sealed at {at}"));
    if let Some(exchange) = event.exchange() {
        output.line(format!("      exchange {exchange}"));
    }
    output.line(format!("      under the signed checkpoint of {size} entries"));
    match witnessed.quorum {
        Quorum::Met => {}
        Quorum::NotAsked => output.line(
            "      not proved: that no other checkpoint of this size was shown to somebody else (that takes a witness)",
        ),
        Quorum::Missing => output.line(format!(
            "      next: fetch the newer receipt, which the witnesses have signed: shuguan receipt {} -o FILE",
            event.exchange().unwrap_or("EXCHANGE")
        )),
    }
}
