//! A folder as evidence: a log as `shuguan log export` writes it, or as any mirror of a tlog-tiles log does.
//!
//! Takes the folder; gives what the log proves, or the first file, hash or leaf at fault. Memory does not grow with the log beyond what
//! [`shuguan_ledger::audit::LogVerifier`] states.

use std::path::Path;

use indicatif::ProgressBar;
use shuguan_ledger::exported::{ExportFault, ExportReport, ExportVerifier, Folder};
use shuguan_ledger::trust::Trust;

use super::journal::{Expected, bar};
use crate::command::output::Output;

/// What is wrong with a folder.
pub(super) type FolderFault = ExportFault<std::io::Error>;

/// Verifies every file that the folder's checkpoint calls for, and that the log contains what receipts prove.
pub(super) fn read(
    folder: &Path,
    trust: &Trust,
    expected: &Expected,
    output: &Output,
) -> Result<ExportReport, FolderFault> {
    let files = Folder(folder.to_owned());
    let mut verifier = ExportVerifier::new(&files, trust)?;
    let bar = bar(verifier.size(), output);
    let read = all(&mut verifier, expected, &bar);
    bar.finish_and_clear();
    read?;
    verifier.finish()
}

fn all(verifier: &mut ExportVerifier<'_, Folder>, expected: &Expected, bar: &ProgressBar) -> Result<(), FolderFault> {
    while verifier.bundle(|verifier, entry| expected.compare(verifier, entry))? {
        bar.set_position(verifier.taken());
    }
    Ok(())
}
