//! A journal read by a program that is not its gateway: verified, exported, compared.
//!
//! Takes a place; gives one committed state of what is there, as it is there: cells of any type, rows in their order. Leaves nothing behind: a file at rest is opened as
//! immutable, because even a reader would otherwise leave `-wal` and `-shm` files beside it, with its own owner, that the gateway might not be able to
//! open afterwards. Whether another program opened it meanwhile, [`Resting::is_undisturbed`] says.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::fault::JournalFault;
use super::inbox::InboxState;
use super::settings::JournalPlace;
use super::statements;
use super::store::{Cell, FromCell, Row, Store, values};
use super::views::Reader;

/// Leaves that are read at once.
pub const PAGE: u64 = 4_096;

/// A journal and whether it was at rest when it was opened.
#[derive(Debug)]
pub struct Resting {
    /// What reads it.
    pub reader: Reader,
    still: Option<PathBuf>,
}

/// A leaf's row as it is stored; what is of another type than it should be is none.
#[derive(Debug)]
pub struct StoredLeaf<'r> {
    /// Its index.
    pub index: Option<i64>,
    /// The leaf.
    pub bytes: Option<&'r [u8]>,
    /// What stands beside it as its hash.
    pub hash: Option<&'r [u8]>,
    /// Microseconds UTC.
    pub t: Option<i64>,
    /// What it is found by.
    pub kind: Option<&'r str>,
    /// What it is found by.
    pub exchange: Option<&'r [u8]>,
    /// What it is found by.
    pub partner: Option<&'r str>,
    /// What it is found by.
    pub record: Option<&'r str>,
    /// What it is found by.
    pub purpose: Option<&'r str>,
    /// What it is found by, and what of it is acted upon.
    pub code: Option<&'r str>,
    /// What the inbox says of it.
    pub inbox: InboxRow<'r>,
}

/// What the inbox says of a push; nothing of any other leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboxRow<'r> {
    /// Its exchange.
    pub exchange: Option<&'r [u8]>,
    /// Its record type.
    pub record: Option<&'r str>,
    /// Its partner.
    pub partner: Option<&'r str>,
    /// When it was received, microseconds UTC.
    pub received_us: Option<i64>,
    /// How many parts it has.
    pub parts: Option<i64>,
}

impl Resting {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(place: &JournalPlace) -> Result<Self, JournalFault> {
        let still = place.file().filter(|path| is_still(path)).map(Path::to_owned);
        let store = match place.file() {
            Some(path) => Store::resting(path, still.is_some())?,
            None => Store::reader(place)?,
        };
        store.snapshot().map_err(JournalFault::store("open the journal"))?;
        let reader = Reader { store };
        Ok(Self { reader, still })
    }

    /// False: it was at rest, and another program opened it since.
    pub fn is_undisturbed(&self) -> bool {
        self.still.as_ref().is_none_or(|path| is_still(path))
    }
}

/// Whether nobody has it open: there is no `-wal` file, which exists while a program has the journal open, or after one died.
fn is_still(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    !PathBuf::from(name).exists()
}

/// As it is stored.
impl Reader {
    /// The newest checkpoint; none when there is none.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn stored_checkpoint(&self) -> Result<Option<String>, JournalFault> {
        let note = |row: &Row<'_>| row.get(1);
        self.first("read the newest checkpoint", statements::NEWEST_CHECKPOINT, &[], note)
    }

    /// One more than the highest index.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn stored_size(&self) -> Result<u64, JournalFault> {
        let last: Option<u64> = self.one("read the last leaf", statements::LAST_INDEX, &[])?;
        Ok(last.map_or(0, |last| last.saturating_add(1)))
    }

    /// Leaves from an index on, at most [`PAGE`], until `each` breaks off. `each` must not use the reader.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn each_stored(
        &self,
        from: u64,
        mut each: impl FnMut(&StoredLeaf<'_>) -> ControlFlow<()>,
    ) -> Result<(), JournalFault> {
        self.each(
            "read leaves",
            statements::STORED_LEAVES,
            values![lowest(from), PAGE],
            |row| {
                Ok(each(&StoredLeaf {
                    index: integer(row, 0),
                    bytes: blob(row, 1),
                    hash: blob(row, 2),
                    t: integer(row, 3),
                    kind: text(row, 4),
                    exchange: blob(row, 5),
                    partner: text(row, 6),
                    record: text(row, 7),
                    purpose: text(row, 8),
                    code: text(row, 9),
                    inbox: InboxRow {
                        exchange: blob(row, 10),
                        record: text(row, 11),
                        partner: text(row, 12),
                        received_us: integer(row, 13),
                        parts: integer(row, 14),
                    },
                }))
            },
        )
    }

    /// Checkpoints of sizes from one to another, those that witnesses signed too, by size. What is no text is an empty one, which no key signed.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn checkpoints_between(&self, from: u64, to: u64) -> Result<Vec<(u64, String)>, JournalFault> {
        const STEP: &str = "read the checkpoints";
        let cosigned = self.store.has_cosigned().map_err(JournalFault::store(STEP))?;
        let statement = if cosigned {
            statements::ALL_CHECKPOINTS
        } else {
            statements::CHECKPOINTS
        };
        let between = values![lowest(from), to];
        let note = |row: &Row<'_>| text(row, 1).unwrap_or_default().to_owned();
        self.rows(STEP, statement, between, |row| Ok((row.get(0)?, note(row))))
    }

    /// Where the inbox has the pushes from a leaf on, at most [`PAGE`]; what is no state is none.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn stored_states(&self, from: u64) -> Result<Vec<(u64, Option<InboxState>)>, JournalFault> {
        let state = |row: &Row<'_>| text(row, 1).and_then(|text| InboxState::from_cell(Cell::Text(text)));
        let columns = |row: &Row<'_>| Ok((row.get(0)?, state(row)));
        self.rows(
            "read the inbox",
            statements::STORED_STATES,
            values![from, PAGE],
            columns,
        )
    }

    /// Whether the server would let this role change or remove leaves. A file has no roles.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn may_change_leaves(&self) -> Result<bool, JournalFault> {
        let may = self.store.may_change_leaves();
        may.map_err(JournalFault::store("ask what the role may do"))
    }

    /// Whether the right edge that is stored is this one of so many leaves, and how many tile entries are stored.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn stored_edge_is(&self, size: u64, edge: &[u8]) -> Result<(bool, u64), JournalFault> {
        const STEP: &str = "read the tree";
        let size = i64::try_from(size).ok();
        let same = |row: &Row<'_>| Ok(integer(row, 0) == size && blob(row, 1) == Some(edge));
        let same = self.first(STEP, statements::STORED_EDGE, &[], same)?;
        Ok((same == Some(true), self.one(STEP, statements::TILES, &[])?))
    }
}

/// From the beginning means from whatever is there, also what nobody sealed.
fn lowest(from: u64) -> i64 {
    match from {
        0 => i64::MIN,
        from => i64::try_from(from).unwrap_or(i64::MAX),
    }
}

fn integer(row: &Row<'_>, column: usize) -> Option<i64> {
    match row.cell(column) {
        Ok(Cell::Integer(number)) => Some(number),
        _ => None,
    }
}

fn blob<'r>(row: &'r Row<'_>, column: usize) -> Option<&'r [u8]> {
    row.blob(column).ok()
}

fn text<'r>(row: &'r Row<'_>, column: usize) -> Option<&'r str> {
    match row.cell(column) {
        Ok(Cell::Text(text)) => Some(text),
        _ => None,
    }
}
