//! Are the key files those under which the journal was written?
//!
//! Takes the configuration, the master key and how the journal is opened, before it is; gives what is wrong with which file. A gateway with another master key
//! would give the same people other pseudonyms, and one with another key-encryption key seals payloads that nobody opens once the right file is back: neither
//! starts. Where a key is lost for good, an empty file `<file>.lost` says so.

use std::path::{Path, PathBuf};

use shuguan_policies::KeyRing;

use crate::config::KeysSection;
use crate::journal::{JournalFault, JournalSettings, WrittenUnder};
use crate::pki::PkiFault;

/// What is wrong with the key files.
///
/// # Errors
/// When the journal cannot be read.
pub(super) fn faults(
    files: &KeysSection,
    master: &[u8; 32],
    settings: &JournalSettings,
) -> Result<Vec<PkiFault>, JournalFault> {
    let written = WrittenUnder::read(settings)?;
    let is_another = written
        .master
        .is_some_and(|noted| noted != KeyRing::from_master(master).check());
    let of_master = is_another.then(|| another(&files.master, OTHER_PSEUDONYMS));
    let opens_nothing = written.opens == Some(false);
    let of_encryption = opens_nothing.then(|| another(&files.key_encryption, OPENS_NOTHING));
    Ok([of_master, of_encryption].into_iter().flatten().flatten().collect())
}

const OTHER_PSEUDONYMS: &str = "it is another key than the one that the last pseudonyms were made with: under a second one nobody is the same person as before";
const OPENS_NOTHING: &str =
    "it is another key than the one that the held payloads are sealed under: none of the newest can be opened with it";

/// The fault of a file that is another one; none where somebody says that the right one is lost.
fn another(file: &Path, what: &str) -> Option<PkiFault> {
    let lost = lost_path(file);
    if lost.is_file() {
        return None;
    }
    let what = format!(
        "{what}. Put back the file that was there; if it is lost for good, make an empty file `{}`, and this one is taken from here on",
        lost.display()
    );
    let path = file.to_owned();
    Some(PkiFault::BadFile { path, what })
}

fn lost_path(file: &Path) -> PathBuf {
    let mut lost = file.as_os_str().to_owned();
    lost.push(".lost");
    lost.into()
}
