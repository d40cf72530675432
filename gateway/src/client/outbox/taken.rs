//! Files that were taken, by length and time: one that was moved within the folder is no other file.
//!
//! Takes the states that a look found; gives the state of a file that was accepted with this length and this moment of change. Whether it is the same file is for
//! the caller to compare: the content, and what it is sent as. Reads each state once, and again when it changed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::stamp_of;
use crate::client::state::{PushState, Stamp};

/// Bytes and microseconds since 1970 of a file.
type Mark = (u64, i64);

/// What is known of files that were taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// States: how each was when it was read, and the file that it says was accepted.
    read: BTreeMap<PathBuf, (Stamp, Option<Mark>)>,
    found: HashMap<Mark, PathBuf>,
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
            let (_, mark) = known.unwrap_or_else(|| (stamp, accepted(path)));
            self.read.insert(path.clone(), (stamp, mark));
        }
        let marks = self.read.iter();
        self.found = marks
            .filter_map(|(path, (_, mark))| Some(((*mark)?, path.clone())))
            .collect();
    }

    pub(super) fn find(&self, stamp: Stamp) -> Option<PathBuf> {
        self.found.get(&(stamp.bytes, stamp.changed_us)).cloned()
    }
}

fn accepted(state: &Path) -> Option<Mark> {
    let done = PushState::load(state)?.done.filter(|done| done.accepted)?;
    Some((done.stamp.bytes, done.stamp.changed_us))
}
