//! Under which keys was this journal written? So that another key file is found before anything is sealed under it, or given a pseudonym.
//!
//! Takes the settings of a journal, which need not be open; gives what the newest push notes of the master key, whether the key-encryption key opens what is
//! held, and what is noted of the keys of the subject index. The evidence record of each push notes a check value of the master key, and its leaf commits to the record, so nobody edits it unnoticed. Refuses
//! nothing: what a version before this one sealed notes nothing, and where nothing is held and no evidence record is left there is nothing to try.

mod index;
mod notes;

use shuguan_ledger::leaf::Event;

use super::evidence::{INDEX_KEYS, MASTER_KEY};
use super::fault::JournalFault;
use super::settings::JournalSettings;
use super::statements;
use notes::Notes;

pub use index::IndexHistory;
use index::is_indexed;

/// What a journal says of the keys under which it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenUnder {
    /// Check value of the master key, as the newest push notes it; none: of an earlier version, or nothing was accepted yet.
    pub master: Option<String>,
    /// Whether the key-encryption key opens any of the newest payloads that are held and of the newest evidence records; none: there is nothing to try.
    pub opens: Option<bool>,
    /// The keys of the subject index.
    pub index: IndexHistory,
}

impl WrittenUnder {
    /// Reads a journal, which need not be open.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn read(settings: &JournalSettings) -> Result<Self, JournalFault> {
        let notes = Notes::of(settings)?;
        let is_push = |event: &Event| matches!(event, Event::Push(_));
        let noted = notes.newest(MASTER_KEY, statements::PUSHES_BACK, is_push)?;
        // The newest records of any kind are tried too: those of pushes may be destroyed.
        let indexed = notes.newest(INDEX_KEYS, statements::EXCHANGES_BACK, is_indexed)?;
        // One that opens anywhere proves the key: what is held may be a few damaged batches that nobody discarded yet.
        let tried = [notes.opens_held()?, noted.opens, indexed.opens];
        Ok(Self {
            opens: tried.into_iter().flatten().reduce(|one, other| one || other),
            master: noted.text,
            index: IndexHistory::of(&notes, indexed.text)?,
        })
    }
}
