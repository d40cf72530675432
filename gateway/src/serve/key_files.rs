//! Are the key files those under which the journal was written?
//!
//! Takes the paths of the key files, the master key and what the journal was written under, before it is opened; gives what is wrong with which file. A gateway with another master key
//! would give the same people other pseudonyms, and one with another key-encryption key seals payloads that nobody opens once the right file is back: neither
//! starts. Where a key is lost for good, an empty file `<file>.lost` says so.

use std::path::{Path, PathBuf};

use shuguan_policies::KeyRing;

use crate::config::KeysSection;
use crate::journal::WrittenUnder;
use crate::pki::PkiFault;

/// What the journal says of the key files.
#[derive(Debug, Default)]
pub struct Compared {
    /// What is wrong.
    pub faults: Vec<PkiFault>,
    /// Both are those under which it was written.
    pub proved: bool,
    /// Files that say that a key is lost, though the journal knows the one that is there: a wrong one would be taken too.
    pub needless: Vec<PathBuf>,
}

/// Compares them.
pub(super) fn compare(files: &KeysSection, master: &[u8; 32], written: &WrittenUnder) -> Compared {
    let check = KeyRing::from_master(master).check();
    let is_master = written.master.as_ref().map(|noted| *noted == check);
    let mut compared = Compared {
        proved: (is_master, written.opens) == (Some(true), Some(true)),
        ..Compared::default()
    };
    compared.add(&files.master, is_master, OTHER_PSEUDONYMS);
    compared.add(&files.key_encryption, written.opens, OPENS_NOTHING);
    compared
}

impl Compared {
    /// `is_it`: whether the file is the one; none: nothing says so. One that is another is no fault where somebody says that the right one is lost.
    fn add(&mut self, file: &Path, is_it: Option<bool>, what: &str) {
        let lost = lost_path(file);
        match (is_it, lost.is_file()) {
            (Some(false), false) => self.faults.push(another(file, &lost, what)),
            (Some(true), true) => self.needless.push(lost),
            _ => {}
        }
    }
}

const OTHER_PSEUDONYMS: &str = "it is another key than the one that the last pseudonyms were made with: under a second one nobody is the same person as before";
const OPENS_NOTHING: &str = "it is another key than the one that payloads and evidence are sealed under: none of the newest can be opened with it (or the months' files in the folder beside it are others)";

fn another(file: &Path, lost: &Path, what: &str) -> PkiFault {
    let what = format!(
        "{what}. Put back the file that was there; if it is lost for good, make an empty file `{}`, and this one is taken from here on",
        lost.display()
    );
    let path = file.to_owned();
    PkiFault::BadFile { path, what }
}

fn lost_path(file: &Path) -> PathBuf {
    let mut lost = file.as_os_str().to_owned();
    lost.push(".lost");
    lost.into()
}
