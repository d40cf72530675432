//! A journal as evidence: its leaves, tile entries, checkpoints and search columns against each other and against the signatures.
//!
//! Takes the path of the SQLite file; gives what the log proves, or where it stops. Opens it read-only and reads one snapshot, so a running
//! gateway is not held up. Memory does not grow with the log beyond what [`LogVerifier`] states.

use std::collections::BTreeMap;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Rows, Statement};
use shuguan_ledger::audit::{LogFault, LogReport, LogVerifier, Taken};
use shuguan_ledger::exported::Entry;
use shuguan_ledger::leaf::Event;
use shuguan_ledger::receipt::Proven;
use shuguan_ledger::tree::{Hash, TileEntry};
use shuguan_ledger::trust::Trust;
use uuid::Uuid;

use super::journal_file;
use crate::command::output::Output;

const SIZE: &str = "SELECT coalesce(max(idx) + 1, 0) FROM leaf";
const LEAVES: &str = "SELECT idx, bytes, hash, t, kind, exchange, partner, rec, pur FROM leaf ORDER BY idx";
const CHECKPOINTS: &str = "SELECT size, note FROM checkpoint ORDER BY size";
/// The same with those that witnesses signed; a journal of an earlier version has no such table.
const ALL_CHECKPOINTS: &str =
    "SELECT size, note FROM checkpoint UNION ALL SELECT size, note FROM cosigned ORDER BY size";
const HAS_COSIGNED: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'cosigned'";
const TILE: &str = "SELECT hash FROM tile WHERE level = ?1 AND idx = ?2";
const TILES: &str = "SELECT count(*) FROM tile";
const EDGE: &str = "SELECT size, edge FROM tree";

const NEWEST: &str = "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1";

/// Leaves between two movements of the progress bar.
const STEP: u64 = 4_096;

/// What receipts say that the log must contain.
#[derive(Debug, Default)]
pub(super) struct Expected {
    leaves: BTreeMap<u64, Hash>,
    /// By size: the root that each signs, and its note.
    checkpoints: BTreeMap<u64, Vec<(Hash, String)>>,
}

impl Expected {
    /// Adds what one receipt proved.
    pub(super) fn add(&mut self, proven: &Proven, checkpoint: String) {
        self.leaves.insert(proven.index, proven.leaf_hash);
        self.checkpoints
            .entry(proven.checkpoint.size)
            .or_default()
            .push((proven.checkpoint.root, checkpoint));
    }

    /// Whether receipts say the same of the entry just taken, and of as many entries.
    pub(super) fn compare(&self, verifier: &mut LogVerifier, entry: Entry<'_>) -> Result<(), LogFault> {
        let size = verifier.edge().size();
        let index = size.saturating_sub(1);
        if self.leaves.get(&index).is_some_and(|hash| Some(hash) != entry.hash()) {
            let lost =
                matches!(entry, Entry::Leaf(taken) if matches!(taken.leaf.event, Event::LogOpen(_) | Event::LogGap(_)));
            let what = if lost {
                "it says that the entry of the log before it is lost, and a receipt proves that entry"
            } else {
                "a receipt proves another leaf at this index"
            };
            let what = what.into();
            return Err(LogFault::Leaf { index, what });
        }
        for (root, note) in self.checkpoints.get(&size).into_iter().flatten() {
            match entry {
                Entry::Leaf(_) => verifier.checkpoint(note).map(drop)?,
                // Which volume stands here no leaf says; the receipt's own signatures were verified.
                Entry::Hash(_) => verifier.has_root(root)?,
            }
        }
        Ok(())
    }

    /// The size of a checkpoint above this one.
    pub(super) fn beyond(&self, size: u64) -> Option<u64> {
        self.checkpoints.range(size + 1..).next().map(|(size, _)| *size)
    }
}

/// Why a log was not read to its end.
#[derive(Debug)]
pub enum ReadLog {
    /// The journal cannot be read, or is none.
    Unreadable(rusqlite::Error),
    /// Another program opened it while it was read as a file at rest: repeat.
    Disturbed,
    /// It was read, and is wrong.
    Fault(LogFault),
}

impl From<LogFault> for ReadLog {
    fn from(fault: LogFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<rusqlite::Error> for ReadLog {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// Verifies every leaf and checkpoint of a journal, and what the journal stores beside them.
///
/// # Errors
/// See [`ReadLog`].
pub fn read_log(journal: &Path, trust: &Trust, output: &Output) -> Result<LogReport, ReadLog> {
    compare_log(journal, trust, &Expected::default(), output)
}

/// The same, and that it contains what receipts prove.
pub(super) fn compare_log(
    journal: &Path,
    trust: &Trust,
    expected: &Expected,
    output: &Output,
) -> Result<LogReport, ReadLog> {
    let still = journal_file::is_still(journal);
    let connection = journal_file::open(journal, still)?;
    // One snapshot for all statements; it ends with the connection.
    connection.execute_batch("BEGIN")?;
    let result = read(&connection, trust, expected, output);
    if still && !journal_file::is_still(journal) {
        return Err(ReadLog::Disturbed);
    }
    result
}

fn read(connection: &Connection, trust: &Trust, expected: &Expected, output: &Output) -> Result<LogReport, ReadLog> {
    let newest = connection.query_row(NEWEST, [], |row| row.get::<_, String>(0));
    let newest = match newest {
        Ok(note) => note,
        Err(rusqlite::Error::QueryReturnedNoRows) => return Err(LogFault::NoCheckpoint.into()),
        Err(error) if is_damage(&error) => return Err(damage(0, &error).into()),
        Err(error) => return Err(error.into()),
    };
    let size = connection.query_row(SIZE, [], |row| number(row, 0))?;
    let bar = bar(size, output);
    let mut leaves = connection.prepare(LEAVES)?;
    let cosigned = connection.query_row(HAS_COSIGNED, [], |row| number(row, 0))? > 0;
    let mut checkpoints = connection.prepare(if cosigned { ALL_CHECKPOINTS } else { CHECKPOINTS })?;
    let mut reading = Reading {
        verifier: LogVerifier::new(&newest, trust)?,
        checkpoints: Checkpoints::new(checkpoints.query([])?)?,
        tile: connection.prepare(TILE)?,
        tiles: 0,
        expected,
    };
    let mut rows = leaves.query([])?;
    let read = reading.all(&mut rows, &bar).and_then(|()| reading.end(connection));
    bar.finish_and_clear();
    match read {
        Ok(()) => Ok(reading.verifier.finish()?),
        Err(ReadLog::Unreadable(error)) if is_damage(&error) => Err(damage(reading.size(), &error).into()),
        Err(stop) => Err(stop),
    }
}

fn damage(index: u64, error: &rusqlite::Error) -> LogFault {
    let what = format!("the journal is damaged here: {error}");
    LogFault::Leaf { index, what }
}

/// Whether a read failed because of what is stored, and not because of the machine: a damaged page, a value of another type.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => failure.code == rusqlite::ErrorCode::DatabaseCorrupt,
        error => matches!(
            error,
            rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
        ),
    }
}

pub(super) fn bar(size: u64, output: &Output) -> ProgressBar {
    if !output.shows_progress() || size < 16 * STEP {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} leaves {per_sec} {eta}");
    ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The log between two leaves.
struct Reading<'c, 't> {
    verifier: LogVerifier,
    checkpoints: Checkpoints<'c>,
    tile: Statement<'c>,
    tiles: u64,
    expected: &'t Expected,
}

impl Reading<'_, '_> {
    fn size(&self) -> u64 {
        self.verifier.edge().size()
    }

    fn all(&mut self, rows: &mut Rows<'_>, bar: &ProgressBar) -> Result<(), ReadLog> {
        while let Some(row) = rows.next()? {
            self.checkpoints()?;
            self.leaf(row)?;
            if self.size().is_multiple_of(STEP) {
                bar.inc(STEP);
            }
        }
        self.checkpoints()
    }

    /// Every checkpoint of the journal that signs as many leaves as were read.
    fn checkpoints(&mut self) -> Result<(), ReadLog> {
        let size = self.size();
        while let Some(note) = self.checkpoints.take(size)? {
            self.verifier.checkpoint(&note)?;
        }
        Ok(())
    }

    fn leaf(&mut self, row: &Row<'_>) -> Result<(), ReadLog> {
        let index = self.size();
        let wrong = |what: &str| {
            ReadLog::Fault(LogFault::Leaf {
                index,
                what: what.to_owned(),
            })
        };
        if row.get_ref(0)? != ValueRef::Integer(i64::try_from(index).unwrap_or(i64::MAX)) {
            return Err(wrong("it is missing"));
        }
        let bytes = row.get_ref(1)?.as_blob().map_err(|_| wrong("it is not bytes"))?;
        let taken = self.verifier.take(bytes)?;
        let [own, above @ ..] = taken.entries.as_slice() else {
            return Ok(());
        };
        if row.get_ref(2)? != ValueRef::Blob(&own.hash) {
            return Err(wrong("its bytes do not have the hash that is stored beside them"));
        }
        self.expected.compare(&mut self.verifier, Entry::Leaf(&taken))?;
        if let Some(column) = deviation(row, &taken)? {
            return Err(wrong(&format!(
                "the column `{column}` beside it says something else than it does"
            )));
        }
        for entry in above {
            self.entry(index, entry)?;
        }
        Ok(())
    }

    /// A tile entry of level 1 and up, which the journal stores as soon as its last leaf is there.
    fn entry(&mut self, index: u64, entry: &TileEntry) -> Result<(), ReadLog> {
        let position = i64::try_from(entry.position).unwrap_or(i64::MAX);
        let mut rows = self.tile.query((entry.level, position))?;
        let stored = match rows.next()? {
            Some(row) => row.get_ref(0)? == ValueRef::Blob(&entry.hash),
            None => false,
        };
        if !stored {
            let what = format!(
                "the tile entry {} of level {}, which it completes, is another",
                entry.position, entry.level
            );
            return Err(LogFault::Leaf { index, what }.into());
        }
        self.tiles += 1;
        Ok(())
    }

    fn end(&self, connection: &Connection) -> Result<(), ReadLog> {
        let found = self.size();
        let beyond = self.expected.beyond(found);
        if let Some(signed) = self.checkpoints.next_size().or(beyond) {
            return Err(LogFault::Short { found, signed }.into());
        }
        let edge = self.verifier.edge().encode();
        let size = i64::try_from(found).unwrap_or(i64::MAX);
        let same =
            |row: &Row<'_>| Ok(row.get_ref(0)? == ValueRef::Integer(size) && row.get_ref(1)? == ValueRef::Blob(&edge));
        let tiles = connection.query_row(TILES, [], |row| number(row, 0))?;
        let what = match connection.query_row(EDGE, [], same) {
            Ok(true) if tiles == self.tiles => return Ok(()),
            Ok(true) => "the journal holds tile entries that no leaf completes",
            Ok(false) | Err(rusqlite::Error::QueryReturnedNoRows) => {
                "the stored right edge is not that of these leaves"
            }
            Err(error) => return Err(error.into()),
        };
        Err(LogFault::Leaf {
            index: found,
            what: what.to_owned(),
        }
        .into())
    }
}

/// The checkpoints of the journal, one ahead.
struct Checkpoints<'s> {
    rows: Rows<'s>,
    next: Option<(u64, String)>,
}

impl<'s> Checkpoints<'s> {
    fn new(rows: Rows<'s>) -> Result<Self, rusqlite::Error> {
        let mut checkpoints = Self { rows, next: None };
        checkpoints.advance()?;
        Ok(checkpoints)
    }

    fn advance(&mut self) -> Result<(), rusqlite::Error> {
        self.next = match self.rows.next()? {
            Some(row) => Some((number(row, 0)?, row.get(1)?)),
            None => None,
        };
        Ok(())
    }

    fn next_size(&self) -> Option<u64> {
        self.next.as_ref().map(|(size, _)| *size)
    }

    /// The next checkpoint, if it is stored as one of at most `size` leaves.
    fn take(&mut self, size: u64) -> Result<Option<String>, rusqlite::Error> {
        let due = self.next.take_if(|(at, _)| *at <= size);
        if due.is_some() {
            self.advance()?;
        }
        Ok(due.map(|(_, note)| note))
    }
}

/// The first search column that differs from the leaf: whoever edits one hides an exchange from an officer's search.
fn deviation(row: &Row<'_>, taken: &Taken) -> Result<Option<&'static str>, rusqlite::Error> {
    let event = &taken.leaf.event;
    let exchange = event.exchange().and_then(|id| Uuid::parse_str(id).ok());
    let (record, purpose) = match event {
        Event::Push(push) => (Some(push.rec.as_str()), Some(push.pur.as_str())),
        Event::Pull(pull) => (Some(pull.ds.as_str()), Some(pull.pur.as_str())),
        Event::Compare(compare) => (Some(compare.ds.as_str()), Some(compare.pur.as_str())),
        Event::Refusal(refusal) => (refusal.rec.as_deref().or(refusal.ds.as_deref()), refusal.pur.as_deref()),
        Event::Recall(recall) => (Some(recall.rec.as_str()), None),
        Event::Ticket(ticket) => (Some(ticket.rec.as_str()), None),
        Event::Relayed(_)
        | Event::TicketAnswer(_)
        | Event::Recalled(_)
        | Event::ReceiptAck(_)
        | Event::OfficerQuery(_)
        | Event::OfficerResult(_)
        | Event::OfficerUnseal(_)
        | Event::Shred(_)
        | Event::Start(_)
        | Event::Stop(_)
        | Event::Certificate(_)
        | Event::Config(_)
        | Event::Key(_)
        | Event::LogClose(_)
        | Event::LogOpen(_)
        | Event::LogGap(_)
        | Event::Policy(_)
        | Event::Operator(_)
        | Event::WitnessGap(_)
        | Event::Clock(_)
        | Event::Erased(_) => (None, None),
    };
    let text = |value: Option<&str>| value.map(|value| rusqlite::types::Value::Text(value.to_owned()));
    let wanted = [
        (3, "t", Some(rusqlite::types::Value::Integer(taken.leaf.t))),
        (4, "kind", text(Some(event.kind()))),
        (
            5,
            "exchange",
            exchange.map(|id| rusqlite::types::Value::Blob(id.as_bytes().to_vec())),
        ),
        (6, "partner", text(event.partner())),
        (7, "rec", text(record)),
        (8, "pur", text(purpose)),
    ];
    for (column, name, wanted) in wanted {
        // A column may say more than the leaf does (a relay's partner), never something else.
        if let Some(wanted) = wanted
            && row.get_ref(column)? != ValueRef::from(&wanted)
        {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn number(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}
