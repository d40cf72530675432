//! What of a run's files is on disk for certain, and what may be.
//!
//! Takes the events of a run in order; gives one of the states that the disk may be in after the last of them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::Random;
use super::trace::Event;

const SECTOR: usize = 512;

/// The files as they stand, what of them is certain and what is not.
#[derive(Default)]
pub(super) struct Disk {
    files: HashMap<usize, File>,
    /// Names that are certain.
    names: BTreeMap<PathBuf, usize>,
    /// Changes of names that no sync of their folder covers, in their order.
    changes: Vec<(usize, Change)>,
}

#[derive(Default)]
struct File {
    certain: Vec<u8>,
    /// Writes and cuts that no sync covers, with their places in the run.
    open: Vec<(usize, Edit)>,
}

enum Edit {
    Write { at: usize, bytes: Vec<u8> },
    Cut(usize),
}

enum Change {
    Add(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Disk {
    pub(super) fn take(&mut self, place: usize, event: &Event) {
        match event {
            Event::Create { path, file } => self.changes.push((place, Change::Add(path.clone(), *file))),
            Event::Rename { from, to } => self.changes.push((place, Change::Rename(from.clone(), to.clone()))),
            Event::Remove { path } => self.changes.push((place, Change::Remove(path.clone()))),
            Event::Write { file, at, bytes } => {
                let (at, bytes) = (*at, bytes.clone());
                self.edit(*file, place, Edit::Write { at, bytes });
            }
            Event::Cut { file, length } => self.edit(*file, place, Edit::Cut(*length)),
            Event::Sync { file, before } => {
                let file = self.files.entry(*file).or_default();
                let covered = file.open.iter().filter(|(place, _)| place < before).count();
                for (_, edit) in file.open.drain(..covered) {
                    edit.apply(&mut file.certain, None);
                }
            }
            Event::SyncFolder { folder, before } => {
                let (mut covered, mut rest) = (Vec::new(), Vec::new());
                for (place, change) in std::mem::take(&mut self.changes) {
                    let synced = place < *before && change.folder() == Some(folder.as_path());
                    if synced {
                        covered.push(change);
                    } else {
                        rest.push((place, change));
                    }
                }
                self.changes = rest;
                for change in covered {
                    self.rename(change);
                }
            }
            Event::Said(_) => {}
        }
    }

    fn edit(&mut self, file: usize, place: usize, edit: Edit) {
        self.files.entry(file).or_default().open.push((place, edit));
    }

    fn rename(&mut self, change: Change) {
        match change {
            Change::Add(path, file) => drop(self.names.insert(path, file)),
            Change::Rename(from, to) => {
                if let Some(file) = self.names.remove(&from) {
                    self.names.insert(to, file);
                }
            }
            Change::Remove(path) => drop(self.names.remove(&path)),
        }
    }

    /// The power fails: of what is uncertain some is there.
    pub(super) fn fail(mut self, random: &mut Random) -> BTreeMap<PathBuf, Vec<u8>> {
        let changes = std::mem::take(&mut self.changes);
        let kept = random.below(changes.len() + 1);
        for (_, change) in changes.into_iter().take(kept) {
            self.rename(change);
        }
        // All, none, or each by its own luck: a run of lost writes is as likely as single ones.
        let names = std::mem::take(&mut self.names);
        let content = |(path, file): (PathBuf, usize)| {
            let file = self.files.remove(&file).unwrap_or_default();
            let luck = random.below(4);
            let mut content = file.certain;
            for (_, edit) in file.open {
                let there = match luck {
                    0 => true,
                    1 => false,
                    _ => random.below(3) > 0,
                };
                if there {
                    let torn = (luck > 1 && random.below(8) == 0).then(|| random.below(9));
                    edit.apply(&mut content, torn);
                }
            }
            (path, content)
        };
        names.into_iter().map(content).collect()
    }
}

impl Edit {
    /// Applies it; torn, only so many of its first sectors.
    fn apply(self, content: &mut Vec<u8>, torn: Option<usize>) {
        match self {
            Self::Cut(length) => content.resize(length, 0),
            Self::Write { at, mut bytes } => {
                if let Some(sectors) = torn {
                    bytes.truncate(sectors * SECTOR);
                }
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content.get_mut(at..end).unwrap().copy_from_slice(&bytes);
            }
        }
    }
}

impl Change {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Add(path, _) | Self::Remove(path) => path.parent(),
            Self::Rename(_, to) => to.parent(),
        }
    }
}
