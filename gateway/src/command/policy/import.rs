//! `shuguan policy import`: a bundle out of a workbook that `policy matrix` made and people changed.
//!
//! Takes the workbook and the bundle that it was made from; writes a new folder: the agreements of the workbook, everything else of the
//! bundle, no signature. Refuses, with the cell, what it cannot take as it stands; a bundle that changed meanwhile; a result with a fault.
//! Says what the new bundle allows more and less.

use std::path::{Path, PathBuf};

use shuguan_policies::Fault;
use shuguan_policies::bundle::Bundle;
use shuguan_policies::matrix::{CellFault, Matrix};

use super::super::exit::{Exit, Failure};
use super::super::output::Output;
use super::workbook::{self, Unreadable};
use super::{diff, hex, unloadable};
use crate::durable;

#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// The workbook.
    pub(super) file: PathBuf,
    /// The bundle that it was made from; purposes, partners, keys, ceilings, calendars and tests come from there.
    #[arg(long, value_name = "DIR")]
    pub(super) base: PathBuf,
    /// The new bundle; the folder must not be there yet.
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: PathBuf,
    /// Also when the bundle is no longer the one that the workbook was made from: what changed in its agreements is lost.
    #[arg(long)]
    pub(super) overwrite_changes: bool,
}

/// Largest workbook, bytes; that of a city with 100 agreements has less than one million. What is packed in it is unpacked in memory.
const WORKBOOK_BYTES_MAX: u64 = 2 << 20;

pub(super) fn import(args: &ImportArgs, output: &Output) -> Result<Exit, Failure> {
    let base = Bundle::read(&args.base).map_err(|faults| unloadable(&args.base, faults.len()))?;
    let old = base.compile().map_err(|faults| unloadable(&args.base, faults.len()))?;
    let opened = open(&args.file)?;
    if opened.bundle.as_deref() != Some(hex(&old.hash()).as_str()) && !args.overwrite_changes {
        return Err(Failure::local(
            "the workbook was made from another bundle than --base, or does not say from which",
        )
        .coded("SG7111")
        .at(args.file.display().to_string())
        .then("give the bundle that it was made from, or --overwrite-changes if its agreements may be replaced"));
    }
    let agreements = Matrix::found(&opened.sheets)
        .and_then(|matrix| matrix.texts())
        .map_err(|faults| untaken(&args.file, &faults))?;
    let bundle = with_agreements(&base, agreements).map_err(|faults| faulty(&args.file, &faults))?;
    // Whether its tests still hold is the officer's next question, not a reason to lose his sheet.
    let new = bundle
        .compile_untested()
        .map_err(|faults| faulty(&args.file, &faults))?;
    write(&args.output, bundle.texts())?;
    output.note(format!("written: {}; not signed yet", args.output.display()));
    output.note(format!(
        "then: shuguan policy test {0} && shuguan policy sign {0} --after {1} -c OFFICER.toml",
        args.output.display(),
        args.base.display()
    ));
    Ok(diff::show(&old, &new, output))
}

fn open(file: &Path) -> Result<workbook::Opened, Failure> {
    let at = || file.display().to_string();
    let cannot = |error: &dyn std::fmt::Display| Failure::local("cannot read the workbook").at(at()).because(error);
    let length = std::fs::metadata(file).map_err(|error| cannot(&error))?.len();
    if length > WORKBOOK_BYTES_MAX {
        return Err(Failure::local(format!("a workbook has at most {WORKBOOK_BYTES_MAX} bytes")).at(at()));
    }
    let bytes = std::fs::read(file).map_err(|error| cannot(&error))?;
    workbook::read(&bytes).map_err(|error| match error {
        Unreadable::Cells(faults) => untaken(file, &faults),
        Unreadable::Workbook(error) => cannot(&error),
    })
}

/// Every cell at once; somebody has to correct them all.
fn untaken(file: &Path, faults: &[CellFault]) -> Failure {
    let list: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Failure::local(format!("cells that cannot be taken: {}", faults.len()))
        .coded("SG7112")
        .at(file.display().to_string())
        .because(list.join("\n         "))
        .then("correct them and import again; nothing was written")
}

fn faulty(file: &Path, faults: &[Fault]) -> Failure {
    let list: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Failure::local(format!(
        "what the workbook grants is no bundle: faults: {}",
        faults.len()
    ))
    .coded("SG7113")
    .at(file.display().to_string())
    .because(list.join("\n"))
    .then("correct the workbook and import again; nothing was written")
}

/// The base with the agreements replaced and without its signatures.
fn with_agreements(base: &Bundle, agreements: Vec<(String, String)>) -> Result<Bundle, Vec<Fault>> {
    let others = base.texts().iter().filter(|(name, _)| !name.starts_with("agreements/"));
    Bundle::of(others.cloned().chain(agreements).collect(), None)
}

fn write(folder: &Path, texts: &[(String, String)]) -> Result<(), Failure> {
    let failed = |path: &Path, error: &std::io::Error| {
        Failure::local("cannot write the bundle")
            .at(path.display().to_string())
            .because(error)
    };
    // Never over a bundle that is there: it may be the one in force.
    std::fs::create_dir(folder).map_err(|error| failed(folder, &error))?;
    for (name, text) in texts {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        }
        durable::write_whole(&path, text.as_bytes()).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
