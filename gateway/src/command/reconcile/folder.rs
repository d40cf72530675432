//! What an agency keeps of its pushes: receipts and push states.
//!
//! Takes a folder and those below it; gives receipts that verify, states, and files that are no receipts of a trusted log or no states. Refuses a folder that
//! cannot be read, and more files than fit into memory.

use std::path::{Path, PathBuf};

use shuguan_ledger::leaf::Leaf;
use shuguan_ledger::tree::Hash;
use shuguan_ledger::trust::Trust;

use crate::client::outbox::is_feed;
use crate::client::state::PushState;
use crate::command::exit::Failure;
use crate::command::verify::prove;

/// Most files of a folder that are looked at.
const FILES_MAX: usize = 1_000_000;

/// A receipt of ours.
pub(super) struct Own {
    pub(super) file: String,
    pub(super) index: u64,
    pub(super) hash: Hash,
    pub(super) leaf: Leaf,
    /// Entries of the log under the checkpoint that it was proved by: so many there were.
    pub(super) size: u64,
    /// Which log that is.
    pub(super) origin: String,
}

/// What the folder holds.
#[derive(Default)]
pub(super) struct Folder {
    pub(super) receipts: Vec<Own>,
    pub(super) states: Vec<(String, PushState)>,
    /// Files that are no receipts of a trusted log, and states that cannot be read.
    pub(super) unproven: Vec<(String, String)>,
}

impl Folder {
    pub(super) fn read(&mut self, dir: &Path, trust: &Trust, depth: usize) -> Result<(), Failure> {
        let unreadable =
            |error: std::io::Error| Failure::local(format!("cannot read `{}`", dir.display())).because(error);
        let mut entries: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(unreadable)? {
            entries.push(entry.map_err(unreadable)?.path());
        }
        entries.sort();
        for path in entries {
            if self.receipts.len() + self.states.len() + self.unproven.len() >= FILES_MAX {
                return Err(Failure::local(format!("more than {FILES_MAX} receipts and states")));
            }
            let ending = path.extension().and_then(|ending| ending.to_str());
            if path.is_dir() && depth > 0 {
                self.read(&path, trust, depth - 1)?;
            } else if ending == Some("tlog-proof") || (ending == Some("ack") && is_feed(&path.with_extension(""))) {
                self.receipt(&path, trust)?;
            } else if ending == Some("shuguan-push") {
                let file = path.display().to_string();
                match PushState::load(&path) {
                    Ok(Some(state)) => self.states.push((file, state)),
                    Ok(None) => {}
                    // What is known of the others is not held up by it.
                    Err(failure) => self.unproven.push((file, failure.what)),
                }
            }
        }
        Ok(())
    }

    /// How many receipts are about a partner.
    pub(super) fn of(&self, partner: &str) -> usize {
        let ours = |own: &&Own| own.leaf.event.partner() == Some(partner);
        self.receipts.iter().filter(ours).count()
    }

    fn receipt(&mut self, path: &Path, trust: &Trust) -> Result<(), Failure> {
        let file = path.display().to_string();
        match prove(path, trust)? {
            Ok((proven, _)) => self.receipts.push(Own {
                file,
                index: proven.index,
                hash: proven.leaf_hash,
                leaf: proven.leaf,
                size: proven.checkpoint.size,
                origin: proven.checkpoint.origin,
            }),
            Err(why) => self.unproven.push((file, why)),
        }
        Ok(())
    }
}
