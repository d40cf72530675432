//! Under which keys was this journal written? So that another key file is found before anything is sealed under it, or given a pseudonym.
//!
//! Takes the settings of a journal, which need not be open; gives what the newest push notes of the master key, and whether the key-encryption key opens what is
//! held. The evidence record of each push notes a check value of the master key, and its leaf commits to the record, so nobody edits it unnoticed. Refuses
//! nothing: what a version before this one sealed notes nothing, and where nothing is held and no evidence record is left there is nothing to try.

use std::sync::Arc;

use shuguan_ledger::leaf::{Event, Leaf};
use uuid::Uuid;

use super::committed::is_another;
use super::evidence::{INDEX_KEYS, MASTER_KEY, Record};
use super::fault::JournalFault;
use super::kek::{Kek, Kind};
use super::settings::JournalSettings;
use super::statements;
use super::store::{Row, values};
use super::vault::Vault;
use super::views::Reader;

const STEP: &str = "look for the keys of the journal";
/// Thousands of exchanges that are looked at for one of the kind that is asked for: there may be none.
pub(super) const PAGES_MAX: usize = 20;
/// Records that are looked at until one says something: some may be destroyed.
const LOOKED_MAX: usize = 100;

/// What a journal says of the keys under which it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenUnder {
    /// Check value of the master key, as the newest push notes it; none: of an earlier version, or nothing was accepted yet.
    pub master: Option<String>,
    /// Whether the key-encryption key opens any of the newest payloads that are held and of the newest evidence records; none: there is nothing to try.
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
        let held = opens_held(&reader, &kek)?;
        let vault = Vault::at(&settings.key_encryption_key, kek, settings.month_keys.clone());
        let is_push = |event: &Event| matches!(event, Event::Push(_));
        let noted = newest_note(&reader, &vault, MASTER_KEY, (statements::PUSHES_BACK, is_push))?;
        // The newest records of any kind are tried too: those of pushes may be destroyed.
        let any = newest_note(
            &reader,
            &vault,
            INDEX_KEYS,
            (statements::EXCHANGES_BACK, |_: &Event| true),
        )?;
        Ok(Self {
            // One that opens anywhere proves the key: what is held may be a few damaged batches that nobody discarded yet.
            opens: [held, noted.opens, any.opens]
                .into_iter()
                .flatten()
                .reduce(|one, other| one || other),
            master: noted.text,
        })
    }
}

/// One that opens is enough: any other may have been damaged, which is told when it is relayed.
fn opens_held(reader: &Reader, kek: &Kek) -> Result<Option<bool>, JournalFault> {
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

/// What the newest records say.
#[derive(Default)]
pub(super) struct Noted {
    /// The newest note; none: of an earlier version, or nothing was sealed.
    pub(super) text: Option<String>,
    /// Whether the keys open any record; none: there is none, or its key was destroyed.
    opens: Option<bool>,
}

impl Noted {
    fn look(&mut self, reader: &Reader, vault: &Vault, asked: &Exchange, member: &str) -> Result<(), JournalFault> {
        let record = match reader.opened(vault, asked.id, asked.leaf) {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(()),
            // It was changed, which a deep look says, or the keys are others.
            Err(JournalFault::Unopened(_)) => {
                self.opens.get_or_insert(false);
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        self.opens = Some(true);
        let read = Record::read(&record).filter(|read| !is_another(&asked.decoded, read, &record));
        self.text = read.and_then(|read| read.text(member).map(str::to_owned));
        Ok(())
    }
}

/// What the newest record notes under that name which its leaf commits to, of the exchanges that are asked for among those that the statement gives backwards.
pub(super) fn newest_note(
    reader: &Reader,
    vault: &Vault,
    member: &str,
    (back, is_asked): (&'static str, impl Fn(&Event) -> bool),
) -> Result<Noted, JournalFault> {
    let (mut before, mut looked, mut noted) = (reader.size()?, 0, Noted::default());
    for _ in 0..PAGES_MAX {
        let exchanges = page(reader, back, before)?;
        let Some(last) = exchanges.last() else { break };
        before = last.leaf;
        for asked in exchanges.iter().filter(|one| is_asked(&one.decoded.event)) {
            noted.look(reader, vault, asked, member)?;
            looked += 1;
            if noted.text.is_some() || looked >= LOOKED_MAX {
                return Ok(noted);
            }
        }
    }
    Ok(noted)
}
