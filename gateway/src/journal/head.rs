//! The head file: the newest signed checkpoint, outside the database and better on another volume, so that an older copy of the journal that is
//! put back is noticed.
//!
//! Takes signed checkpoints, about one a second and never from the sequencer's thread; at a start says whether the journal holds at least that. Refuses a
//! journal that ends before it or is another one, and a head that this log did not sign. A crash leaves a head that is older than the journal, never
//! a newer one: only what is committed gets here. When a witness proves another history, the head states that one, and `….disputed` beside it what the journal held. What it cannot see: both restored together. That takes a witness, or a receipt.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::tree;
use shuguan_ledger::trust::Trust;

use super::export::replace;
use super::fault::JournalFault;
use super::log_keys::seeds;
use super::settings::JournalSettings;
use super::views::Reader;
use crate::chain::Chain;

/// The head file of an open journal.
#[derive(Debug)]
pub(super) struct Head {
    path: PathBuf,
    kept: Mutex<Kept>,
}

/// What was written last, and whether it could be.
#[derive(Debug, Default)]
struct Kept {
    note: String,
    failing: bool,
    /// Another holds another history of this log: it is followed no more, until a person has looked.
    disputed: bool,
    /// The file states what the other holds.
    stated: bool,
}

impl Head {
    pub(super) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            kept: Mutex::default(),
        }
    }

    /// Writes the checkpoint unless it stands there. Blocking.
    ///
    /// # Errors
    /// When the file cannot be written; the old one is still there then.
    pub(super) fn keep(&self, note: String) -> Result<(), JournalFault> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.disputed || kept.note == note {
            return Ok(());
        }
        replace(&self.path, note.as_bytes())?;
        kept.failing = false;
        kept.note = note;
        Ok(())
    }

    /// Writes a checkpoint that one of our keys signed and this journal does not contain, and from then on nothing else: the next start refuses
    /// the journal, whoever answers by then. `ours` is what the journal holds instead: it stands beside the head, so that this journal is never taken for an
    /// older copy of the other. What could not be written is tried again with the next proof. Blocking.
    pub(super) fn dispute(&self, note: &str, ours: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.disputed = true;
        if kept.stated {
            return;
        }
        let written = replace(&self.disputed(), ours.as_bytes()).and_then(|()| replace(&self.path, note.as_bytes()));
        match written {
            Ok(()) => kept.stated = true,
            Err(fault) => {
                tracing::error!(error = %Chain(&fault), "the head file cannot be written; the next start will not know that this log is disputed");
            }
        }
    }

    /// Writes a checkpoint that a journal lacks which never ran as it is: it was refused before it was opened.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn replace_with(&self, note: &str) -> Result<(), JournalFault> {
        replace(&self.path, note.as_bytes())
    }

    /// The checkpoint of a journal that went on beside another history stands there.
    fn disputed(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".disputed");
        name.into()
    }

    /// Whether this journal is the one that went on beside another history of the log: a copy from before that is not.
    ///
    /// # Errors
    /// [`JournalFault::Forked`]; when the journal cannot be read.
    pub(super) fn is_no_fork(&self, reader: &Reader) -> Result<(), JournalFault> {
        let note = std::fs::read_to_string(self.disputed()).unwrap_or_default();
        let Ok(fork) = Checkpoint::unverified(&note) else {
            return Ok(());
        };
        if fork.size > reader.size()? || tree::root(reader, fork.size)? != fork.root {
            return Ok(());
        }
        let (path, size) = (self.path.clone(), fork.size);
        Err(JournalFault::Forked { path, size })
    }

    /// The same while the gateway runs: a failure is told once, and exchanges go on.
    pub(super) fn keep_on(&self, note: String) {
        let Err(fault) = self.keep(note) else { return };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.failing {
            tracing::error!(error = %Chain(&fault), "the head file cannot be written; an older copy of the journal might not be noticed");
        }
        kept.failing = true;
    }

    /// What no journal at a place means: none was made yet, or it was lost. What the head file says is enough for that, whoever signed it.
    pub(super) fn without_journal(&self, place: String) -> JournalFault {
        let note = match std::fs::read_to_string(&self.path) {
            Ok(note) => note,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return JournalFault::Absent(place),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return self.foreign(),
            Err(error) => return JournalFault::file("read", &self.path)(error),
        };
        let path = self.path.clone();
        match Checkpoint::unverified(&note).map(|head| head.size) {
            Ok(0) => JournalFault::Absent(place),
            Ok(signed) => JournalFault::Lost { place, path, signed },
            Err(_) => self.foreign(),
        }
    }

    /// Whether the journal holds what the head file says, which one of our keys signed. Gives how many leaves it says, none when there is no head file. Blocking.
    ///
    /// # Errors
    /// [`JournalFault::RolledBack`], [`JournalFault::Forked`], [`JournalFault::ForeignHead`].
    pub(super) fn check(
        &self,
        reader: &Reader,
        ours: &Trust,
        settings: &JournalSettings,
    ) -> Result<Option<u64>, JournalFault> {
        let note = match std::fs::read_to_string(&self.path) {
            Ok(note) => note,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let head = self.path.display();
                tracing::warn!(%head, "there is no head file: whether the journal is an older copy cannot be told at this start");
                return Ok(None);
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Err(self.foreign()),
            Err(error) => return Err(JournalFault::file("read", &self.path)(error)),
        };
        let found = reader.size()?;
        let opened = ours.open(&note);
        let head = opened.map_err(|_| self.later(&note, found, settings).unwrap_or_else(|| self.foreign()))?;
        let path = self.path.clone();
        self.is_no_fork(reader)?;
        if found < head.size {
            let signed = head.size;
            return Err(JournalFault::RolledBack { path, signed, found });
        }
        if tree::root(reader, head.size)? != head.root {
            return Err(JournalFault::Forked { path, size: head.size });
        }
        Ok(Some(head.size))
    }

    /// The head of a volume that followed this copy of the journal, which does not know it: one of our seeds signed it under its name.
    fn later(&self, note: &str, found: u64, settings: &JournalSettings) -> Option<JournalFault> {
        let head = Checkpoint::unverified(note).ok().filter(|head| head.size > found)?;
        let seeds = seeds(settings, &head.origin).ok()?;
        let keys = seeds.iter().map(|seed| seed.verifying_key().into());
        Trust::in_keys(keys).open(note).ok()?;
        let (path, signed) = (self.path.clone(), head.size);
        Some(JournalFault::RolledBack { path, signed, found })
    }

    fn foreign(&self) -> JournalFault {
        JournalFault::ForeignHead(self.path.clone())
    }
}
