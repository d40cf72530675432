//! What evidence records note of the keys under which they were written.
//!
//! Takes the settings of a journal, which need not be open; gives the newest note of a name, and pages of exchanges. A note counts only where the leaf commits to its
//! record. Refuses nothing: a record that does not open is told as such.

use std::sync::Arc;

use shuguan_ledger::leaf::{Event, Leaf};
use uuid::Uuid;

use crate::journal::committed::is_another;
use crate::journal::evidence::Record;
use crate::journal::fault::JournalFault;
use crate::journal::kek::{Kek, Kind};
use crate::journal::settings::JournalSettings;
use crate::journal::statements;
use crate::journal::store::{Row, values};
use crate::journal::vault::Vault;
use crate::journal::views::Reader;

const STEP: &str = "look for the keys of the journal";
/// Thousands of exchanges that are looked at for one of the kind that is asked for: there may be none.
pub(super) const PAGES_MAX: usize = 20;
/// Records that are looked at until one says something: some may be destroyed.
const LOOKED_MAX: usize = 100;

/// A journal, and the keys that are tried on its records.
pub(super) struct Notes {
    pub(super) reader: Reader,
    kek: Arc<Kek>,
    vault: Vault,
}

/// An exchange of the log.
pub(super) struct Exchange {
    pub(super) leaf: u64,
    id: Uuid,
    pub(super) decoded: Leaf,
}

/// What the newest records say.
#[derive(Default)]
pub(super) struct Noted {
    /// The newest note; none: of an earlier version, or nothing was sealed.
    pub(super) text: Option<String>,
    /// Whether the keys open any record; none: there is none, or its key was destroyed.
    pub(super) opens: Option<bool>,
}

impl Notes {
    pub(super) fn of(settings: &JournalSettings) -> Result<Self, JournalFault> {
        let kek = Arc::new(Kek::new(&settings.key_encryption_key)?);
        let months = settings.month_keys.clone();
        Ok(Self {
            reader: Reader::open(&settings.place)?,
            vault: Vault::at(&settings.key_encryption_key, Arc::clone(&kek), months),
            kek,
        })
    }

    /// What the newest record notes under a name, of the exchanges that are asked for among those that the statement gives backwards. Whether the keys open any
    /// record is tried on the others too, in the same walk: they note nothing of it.
    pub(super) fn newest(
        &self,
        name: &str,
        back: &'static str,
        is_asked: impl Fn(&Event) -> bool,
    ) -> Result<Noted, JournalFault> {
        let (mut before, mut noted) = (self.reader.size()?, Noted::default());
        let (mut asked, mut others) = (0, 0);
        for _ in 0..PAGES_MAX {
            let exchanges = self.page(back, before)?;
            let Some(last) = exchanges.last() else { break };
            before = last.leaf;
            for one in &exchanges {
                if is_asked(&one.decoded.event) {
                    self.look(&mut noted, one, name)?;
                    asked += 1;
                } else if noted.opens != Some(true) && others < LOOKED_MAX {
                    self.look(&mut noted, one, name)?;
                    others += 1;
                }
                if noted.text.is_some() || asked >= LOOKED_MAX {
                    return Ok(noted);
                }
            }
        }
        Ok(noted)
    }

    fn look(&self, noted: &mut Noted, asked: &Exchange, name: &str) -> Result<(), JournalFault> {
        let record = match self.reader.opened(&self.vault, asked.id, asked.leaf) {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(()),
            // It was changed, which a deep look says, or the keys are others.
            Err(JournalFault::Unopened(_)) => {
                noted.opens.get_or_insert(false);
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        noted.opens = Some(true);
        let read = Record::read(&record).filter(|read| !is_another(&asked.decoded, read, &record));
        noted.text = read.and_then(|read| read.text(name).map(str::to_owned));
        Ok(())
    }

    /// At most a thousand exchanges, before a leaf or from it on, as the statement has it.
    pub(super) fn page(&self, statement: &'static str, bound: u64) -> Result<Vec<Exchange>, JournalFault> {
        let columns = |row: &Row<'_>| Ok((row.get::<u64>(0)?, row.get::<Uuid>(1)?, row.get::<Vec<u8>>(2)?));
        let mut exchanges = Vec::new();
        for (leaf, id, bytes) in self.reader.rows(STEP, statement, values![bound], columns)? {
            let decoded = Leaf::decode(&bytes)?;
            exchanges.push(Exchange { leaf, id, decoded });
        }
        Ok(exchanges)
    }

    /// Whether the key-encryption key opens any of the newest payloads that are held. One is enough: any other may have been damaged, which is told when it is
    /// relayed.
    pub(super) fn opens_held(&self) -> Result<Option<bool>, JournalFault> {
        let columns = |row: &Row<'_>| Ok((row.get::<Uuid>(0)?, row.get::<Vec<u8>>(1)?));
        let held = self.reader.rows(STEP, statements::NEWEST_HELD, &[], columns)?;
        let opens = |(exchange, wrapped): &(Uuid, Vec<u8>)| self.kek.open(Kind::DataKey, *exchange, wrapped).is_ok();
        Ok((!held.is_empty()).then(|| held.iter().any(opens)))
    }
}
