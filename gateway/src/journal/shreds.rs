//! What the `shred` leaves say is destroyed: the log decides, whatever rows are there.
//!
//! Takes the log; gives whose evidence records are gone by right, and how many. A leaf about one exchange destroyed the record of its first leaf and of none
//! that followed, such as what officers signed about it; a leaf about a day destroyed what was sealed before that day and before itself. So a row that somebody
//! puts back from an older copy opens nothing, is named by a deep look, and is deleted again by the next start. Refuses nothing.

use std::collections::{BTreeMap, HashSet};

use shuguan_ledger::leaf::{Event, Leaf, ShredEvent};
use shuguan_ledger::time;
use uuid::Uuid;

use super::fault::JournalFault;
use super::store::{Row, Store, Stored, values};
use super::views::Reader;
use super::{prune, statements};

const STEP: &str = "read the shred leaves";
/// Evidence records that go with one leaf: a group holds them all. That of the statements.
const RECORDS_A_LEAF: u64 = 5_000;
/// Numbers of an act that is about one moment.
type Act = (u64, ShredEvent);

/// What is destroyed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shreds {
    /// Leaves whose records went one by one.
    records: HashSet<u64>,
    /// Before this leaf, records went because they were kept long enough.
    end: u64,
    /// Before this leaf, all did: an act that was cut short left some, which the next one takes.
    finished: u64,
    /// The newest leaf that says so.
    newest: Option<u64>,
    /// How many went so.
    count: u64,
}

/// The acts about one moment.
#[derive(Clone, Copy, Default)]
struct Before {
    newest: u64,
    /// How many went with the newest.
    last: u64,
    count: u64,
}

impl Shreds {
    /// Those of the whole log.
    pub(super) fn read(reader: &Reader) -> Result<Self, JournalFault> {
        let acts = reader.rows(STEP, statements::SHRED_LEAVES, &[], act)?;
        Self::of(reader, acts.into_iter().flatten().collect())
    }

    /// Those that can be about an exchange.
    pub(super) fn about(reader: &Reader, exchange: Uuid) -> Result<Self, JournalFault> {
        let acts = reader.rows(STEP, statements::SHREDS_ABOUT, values![&exchange], act)?;
        Self::of(reader, acts.into_iter().flatten().collect())
    }

    fn of(reader: &Reader, acts: Vec<Act>) -> Result<Self, JournalFault> {
        let (mut shreds, mut moments) = (Self::default(), BTreeMap::<i64, Before>::new());
        for (leaf, event) in acts {
            let exchange = event.x.as_deref().and_then(|x| x.parse::<Uuid>().ok());
            if let Some(exchange) = exchange {
                let first: Option<u64> = reader.cell(STEP, statements::FIRST_LEAF_OF, values![&exchange])?;
                shreds.records.extend(first.filter(|first| *first < leaf));
            } else if let Some(moment_us) = event.before.as_deref().and_then(time::parse) {
                let before = moments.entry(moment_us).or_default();
                before.newest = leaf;
                before.last = event.cnt;
                before.count = before.count.saturating_add(event.cnt);
            }
        }
        for (moment_us, before) in moments {
            let end = prune::first_since(&reader.store, before.newest, moment_us);
            let end = end.map_err(JournalFault::store(STEP))?;
            shreds.end = shreds.end.max(end);
            if before.last < RECORDS_A_LEAF {
                shreds.finished = shreds.finished.max(end);
            }
            shreds.newest = shreds.newest.max(Some(before.newest));
            shreds.count = shreds.count.saturating_add(before.count);
        }
        Ok(shreds)
    }

    /// Whether a record that is gone may be.
    pub(super) fn cover(&self, leaf: u64) -> bool {
        self.is_alone(leaf) || leaf < self.end
    }

    /// Whether a record that is there must not be.
    pub(super) fn forbid(&self, leaf: u64) -> bool {
        self.is_alone(leaf) || leaf < self.finished
    }

    /// Whether a leaf about its exchange destroyed it.
    pub(super) fn is_alone(&self, leaf: u64) -> bool {
        self.records.contains(&leaf)
    }

    /// The newest leaf about a day, when more went by such leaves than they say.
    pub(super) fn exceeded_by(&self, gone: u64) -> Option<u64> {
        self.newest.filter(|_| gone > self.count)
    }

    /// Deletes the rows of what is destroyed, should there be any: somebody put them back. A bounded number a transaction; gives how many.
    ///
    /// # Errors
    /// Whatever the store fails at; the next start goes on.
    pub(super) fn sweep(&self, store: &Store) -> Result<u64, JournalFault> {
        let alone = self.records.iter().map(|leaf| (*leaf, leaf.saturating_add(1)));
        let mut swept = 0;
        for span in std::iter::once((0, self.finished)).chain(alone) {
            let gone = sweep_span(store, span).inspect_err(|_| drop(store.roll_back()));
            swept += gone.map_err(JournalFault::store("delete what was shredded before"))?;
        }
        Ok(swept)
    }
}

fn sweep_span(store: &Store, (first, end): (u64, u64)) -> Stored<u64> {
    let mut swept = 0;
    while store.one::<bool>(statements::HOLDS_EVIDENCE, values![first, end])? {
        store.begin()?;
        let keys = store.run(statements::DELETE_LEFT_KEYS, values![first, end])?;
        let records = store.run(statements::DELETE_EVIDENCE, values![first, end])?;
        store.commit()?;
        swept += u64::try_from(keys.max(records)).unwrap_or(u64::MAX);
    }
    Ok(swept)
}

/// An act about evidence records.
fn act(row: &Row<'_>) -> Stored<Option<Act>> {
    let (leaf, bytes): (u64, Vec<u8>) = (row.get(0)?, row.get(1)?);
    // What cannot be read destroyed nothing: `verify log` says that it is no leaf.
    let event = Leaf::decode(&bytes).ok().map(|leaf| leaf.event);
    Ok(match event {
        Some(Event::Shred(event)) if event.what == "evidence" => Some((leaf, event)),
        _ => None,
    })
}
