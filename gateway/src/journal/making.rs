//! Making a journal, and what stands in the way of that.
//!
//! Takes settings; makes an empty journal with the signed checkpoint of the empty tree, or brings the tables of one to this version. Refuses where one is there, and where the
//! head file knows of one that is not: the empty one's head would be the end of what was known of it. A crash between the tables and the head file leaves a
//! journal without a head, whose first start says so and writes it.

use std::path::Path;

use shuguan_ledger::tree::Edge;

use super::fault::JournalFault;
use super::head::Head;
use super::log_keys::{LogSigner, own_trust};
use super::settings::{JournalPlace, JournalSettings};
use super::store::{self, Store, Stored, values};
use super::views::Reader;
use super::{Journal, group, payload, statements};

impl Journal {
    /// Makes an empty journal with the checkpoint of the empty tree.
    ///
    /// # Errors
    /// [`JournalFault::Exists`]: a journal is never overwritten. [`JournalFault::Lost`] when the head file knows of one: its head would be.
    pub fn create(settings: &JournalSettings) -> Result<(), JournalFault> {
        none_was_lost(settings)?;
        let (edge, note) = empty(settings)?;
        Store::create(settings, |store| first_rows(store, &edge, &note))?;
        Head::at(&settings.head).keep(note)?;
        match settings.place.file() {
            Some(database) => payload::sync_folder(database.parent().unwrap_or(Path::new("."))),
            None => Ok(()),
        }
    }

    /// Brings the tables to what this program works with; where they are empty, the journal is made. A file needs nothing.
    ///
    /// # Errors
    /// Whatever the store fails at; [`JournalFault::Lost`] when nothing is there and the head file knows of a journal.
    pub fn migrate(settings: &JournalSettings) -> Result<(), JournalFault> {
        none_was_lost(settings)?;
        let (edge, note) = empty(settings)?;
        if Store::migrate(settings, |store| first_rows(store, &edge, &note))? {
            Head::at(&settings.head).keep(note)?;
        }
        Ok(())
    }

    /// The statements of [`Self::migrate`] for whoever may make tables; empty when nothing is to be done.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn migration(place: &JournalPlace) -> Result<String, JournalFault> {
        store::migration(place)
    }

    /// The same for a database in which nothing is, whose server is not asked; empty for a file.
    pub fn first_migration(place: &JournalPlace) -> String {
        store::first_migration(place)
    }

    /// The statements that make the gateway's role on PostgreSQL, which adds leaves and can change none; none for a file.
    pub fn roles(place: &JournalPlace) -> Option<String> {
        store::roles(place)
    }

    /// A witness showed before the start that this journal lacks what one of our keys signed: the head file states it, so that no later start forgets it. One
    /// that refuses this journal already stays: it may know of more.
    ///
    /// # Errors
    /// When the journal cannot be read or the file not be written.
    pub fn note_shown(settings: &JournalSettings, note: &str) -> Result<(), JournalFault> {
        let (head, reader) = (Head::at(&settings.head), Reader::open(&settings.place)?);
        match head.check(&reader, &own_trust(settings)?, settings) {
            Ok(_) => head.replace_with(note),
            Err(_) => Ok(()),
        }
    }

    /// Whether there may be a journal to open.
    ///
    /// # Errors
    /// [`JournalFault::Absent`] when none was made yet, [`JournalFault::Lost`] when one was.
    pub fn is_there(settings: &JournalSettings) -> Result<(), JournalFault> {
        if settings.place.may_be_there() {
            return Ok(());
        }
        Err(Head::at(&settings.head).without_journal(settings.place.to_string()))
    }
}

/// Where a head file knows of a journal, none is made: the empty one's head would be the end of what was known of it.
fn none_was_lost(settings: &JournalSettings) -> Result<(), JournalFault> {
    match Reader::open(&settings.place).and_then(|reader| reader.size()) {
        Err(fault) if fault.is_absence() => {
            match Head::at(&settings.head).without_journal(settings.place.to_string()) {
                JournalFault::Absent(_) => Ok(()),
                lost => Err(lost),
            }
        }
        // Whatever else it is, the store says.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The empty tree and its signed checkpoint.
fn empty(settings: &JournalSettings) -> Result<(Edge, String), JournalFault> {
    let edge = Edge::empty();
    let note = group::checkpoint_note(&LogSigner::first(settings)?, &edge);
    let note = note.map_err(|source| JournalFault::LogKey {
        origin: settings.log_origin.clone(),
        source,
    })?;
    Ok((edge, note))
}

fn first_rows(store: &Store, edge: &Edge, note: &str) -> Stored<()> {
    store.add(statements::INSERT_TREE, values![1_u64, 0_u64, &edge.encode(), 0_u64])?;
    store.add(statements::INSERT_CHECKPOINT, values![0_u64, 0_i64, note])
}
