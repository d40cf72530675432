//! Files that were taken, by length and time, and files whose answer never came, by content: one that was moved within the folder is no other file.
//!
//! Takes the states that a look found; gives the state of a file that was accepted with this length and this moment of change, or that may have been taken with
//! this digest. Whether it is the same file is for the caller to compare: the content, and what it is sent as. Reads each state once, and again when it changed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::stamp_of;
use crate::client::state::{PushState, Stamp};

/// Bytes and microseconds since 1970 of a file.
type Mark = (u64, i64);

/// What is known of files that were taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// States: how each was when it was read, and the file that it is of.
    read: BTreeMap<PathBuf, (Stamp, Option<Of>)>,
}

/// The file that a state is of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    /// It was accepted as it was then.
    Accepted(Mark),
    /// Its answer never came; the SHA-256 of its content, hex, and where the state goes when it makes way.
    Open(String, PathBuf),
}

impl Taken {
    /// Reads what is new among these states, and forgets those that are gone.
    pub(super) fn refresh(&mut self, states: &[PathBuf]) {
        let mut before = std::mem::take(&mut self.read);
        for path in states {
            let Some(stamp) = stamp_of(path) else {
                continue;
            };
            let known = before.remove(path).filter(|(known, _)| *known == stamp);
            let (_, of) = known.unwrap_or_else(|| (stamp, of(path)));
            self.read.insert(path.clone(), (stamp, of));
        }
    }

    /// The states of accepted files by how those were.
    pub(super) fn accepted(&self) -> HashMap<Mark, &Path> {
        let states = self.read.iter();
        states
            .filter_map(|(path, (_, of))| match of {
                Some(Of::Accepted(mark)) => Some((*mark, path.as_path())),
                _ => None,
            })
            .collect()
    }

    /// The states of files with this content whose answer never came.
    pub(super) fn open(&self, digest: &str) -> Vec<&Path> {
        let states = self.read.iter();
        let places = states.filter_map(|(path, (_, of))| match of {
            // Since the look another file of its name may have been sent.
            Some(Of::Open(open, aside)) if open == digest => Some([path.as_path(), aside.as_path()]),
            _ => None,
        });
        places.flatten().collect()
    }
}

/// One that cannot be read says nothing here; its own file is not sent.
fn of(path: &Path) -> Option<Of> {
    let state = PushState::load(path).ok()??;
    match state.done {
        Some(done) if done.accepted => Some(Of::Accepted((done.stamp.bytes, done.stamp.changed_us))),
        _ if state.is_open() => {
            let aside = state.aside(path);
            Some(Of::Open(state.digest, aside))
        }
        _ => None,
    }
}
