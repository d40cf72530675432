//! Under which keys was this journal written? So that another key file is found before anything is sealed under it, or given a pseudonym.
//!
//! Takes the settings of a journal, which need not be open; gives what the newest push notes of the master key, and whether the key-encryption key opens what is
//! held. The evidence record of each push notes a check value of the master key, and its leaf commits to the record, so nobody edits it unnoticed. Refuses
//! nothing: what a version before this one sealed notes nothing, and where nothing is held there is nothing to try.

use std::sync::Arc;

use shuguan_ledger::leaf::{Event, Leaf};
use uuid::Uuid;

use super::committed::is_another;
use super::evidence::{MASTER_KEY, Record};
use super::fault::JournalFault;
use super::kek::{Kek, Kind};
use super::settings::JournalSettings;
use super::statements;
use super::store::{Row, values};
use super::vault::Vault;
use super::views::Reader;

const STEP: &str = "look for the keys of the journal";
/// Thousands of exchanges that are looked at, of each year from its beginning and from the end of the log: where no agreement names subjects, none is indexed.
pub(super) const PAGES_MAX: usize = 20;
/// Records that are opened until one says something: some may be destroyed.
const OPENED_MAX: usize = 100;

/// What a journal says of the keys under which it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenUnder {
    /// Check value of the master key, as the newest push notes it; none: of an earlier version, or nothing was accepted yet.
    pub master: Option<String>,
    /// Whether the key-encryption key opens the keys of the newest payloads; none: none is held.
    pub opens: Option<bool>,
}

impl WrittenUnder {
    /// Reads a journal, which need not be open.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn read(settings: &JournalSettings) -> Result<Self, JournalFault> {
        let reader = Reader::open(&settings.place)?;
        let kek = Arc::new(Kek::new(&settings.key_encryption_key)?);
        let opens = opens(&reader, &kek)?;
        let vault = Vault::at(&settings.key_encryption_key, kek, settings.month_keys.clone());
        let is_push = |event: &Event| matches!(event, Event::Push(_));
        Ok(Self {
            master: newest_note(&reader, &vault, MASTER_KEY, is_push)?,
            opens,
        })
    }
}

/// One that opens is enough: any other may have been damaged, which is told when it is relayed.
fn opens(reader: &Reader, kek: &Kek) -> Result<Option<bool>, JournalFault> {
    let columns = |row: &Row<'_>| Ok((row.get::<Uuid>(0)?, row.get::<Vec<u8>>(1)?));
    let held = reader.rows(STEP, statements::NEWEST_HELD, &[], columns)?;
    let opens = |(exchange, wrapped): &(Uuid, Vec<u8>)| kek.open(Kind::DataKey, *exchange, wrapped).is_ok();
    Ok((!held.is_empty()).then(|| held.iter().any(opens)))
}

/// An exchange of the log.
pub(super) struct Exchange {
    pub(super) leaf: u64,
    id: Uuid,
    pub(super) decoded: Leaf,
}

/// At most a thousand.
pub(super) fn page(reader: &Reader, statement: &'static str, bound: u64) -> Result<Vec<Exchange>, JournalFault> {
    let columns = |row: &Row<'_>| Ok((row.get::<u64>(0)?, row.get::<Uuid>(1)?, row.get::<Vec<u8>>(2)?));
    let mut exchanges = Vec::new();
    for (leaf, id, bytes) in reader.rows(STEP, statement, values![bound], columns)? {
        let decoded = Leaf::decode(&bytes)?;
        exchanges.push(Exchange { leaf, id, decoded });
    }
    Ok(exchanges)
}

/// What the newest record notes under that name which its leaf commits to, of the exchanges that are asked for.
pub(super) fn newest_note(
    reader: &Reader,
    vault: &Vault,
    member: &str,
    is_asked: impl Fn(&Event) -> bool,
) -> Result<Option<String>, JournalFault> {
    let (mut before, mut opened) = (reader.size()?, 0);
    for _ in 0..PAGES_MAX {
        let exchanges = page(reader, statements::EXCHANGES_BACK, before)?;
        let Some(last) = exchanges.last() else { break };
        before = last.leaf;
        for asked in exchanges.iter().filter(|one| is_asked(&one.decoded.event)) {
            if let Some(noted) = noted_by(reader, vault, asked, member)? {
                return Ok(Some(noted));
            }
            opened += 1;
            if opened >= OPENED_MAX {
                return Ok(None);
            }
        }
    }
    Ok(None)
}

fn noted_by(reader: &Reader, vault: &Vault, asked: &Exchange, member: &str) -> Result<Option<String>, JournalFault> {
    let record = match reader.opened(vault, asked.id, asked.leaf) {
        // It was changed: a deep look says so.
        Err(JournalFault::Unopened(_)) | Ok(None) => return Ok(None),
        record => record?.unwrap_or_default(),
    };
    let read = Record::read(&record).filter(|read| !is_another(&asked.decoded, read, &record));
    Ok(read.and_then(|read| read.text(member).map(str::to_owned)))
}
