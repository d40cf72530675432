//! A journal whose end is lost goes on as another log that says so.
//!
//! Takes an older copy of the journal, the name of the new log, and signed checkpoints that show how far the old one had come; closes the old log at the
//! largest of them and opens its successor in one transaction: a `log-open` leaf that names both, and a `log-gap` leaf for each further lost entry, so that an
//! index never means two entries. Then the head file. Refuses a journal that lacks nothing, one whose history differs from what was signed, and what our own
//! key did not sign. A crash before COMMIT leaves the journal as it was; after it the head file is written by the next run of the command.

use std::path::Path;

use rusqlite::Connection;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::{Digest, Event, LogGapEvent, LogOpenEvent};
use shuguan_ledger::tree;
use shuguan_ledger::trust::Trust;

use super::fault::{Chain, JournalFault};
use super::group::{Given, Group};
use super::head::Head;
use super::log_keys::{LogSigner, own_spans};
use super::settings::JournalSettings;
use super::views::Reader;
use super::{evidence, recovery, sqlite};
use crate::clock::{self, Clock};

/// Most entries that may be lost: they become leaves of one transaction.
const LOST_MAX: u64 = 1_000_000;

/// How a log was succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// What the `log-open` leaf says.
    pub opened: LogOpenEvent,
    /// The newest checkpoint of the successor.
    pub note: String,
    /// The public key of the successor, as a vkey.
    pub vkey: String,
    /// The old log's last checkpoint, for the auditors; none when an earlier run had come so far.
    pub last: Option<String>,
}

/// Why there is no successor.
#[derive(Debug, thiserror::Error)]
pub enum NotSucceeded {
    /// The journal itself.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// Nothing is lost.
    #[error("the journal holds {found} entries, and nothing that was shown signs more: nothing is lost")]
    NothingLost {
        /// Entries that are there.
        found: u64,
    },
    /// The successor needs a name of its own.
    #[error("the successor needs a name of its own, and `{0}` is that of the log that ended")]
    SameName(String),
    /// Not an older copy but another history.
    #[error("{by} signs another root over the first {size} entries: this journal is no older copy but another history")]
    Forked {
        /// Who shows it.
        by: String,
        /// Entries under it.
        size: u64,
    },
    /// Something that was shown is not of this log.
    #[error("{by} is not a checkpoint that this log's key signed: {why}")]
    Foreign {
        /// Who shows it.
        by: String,
        /// Why.
        why: String,
    },
    /// More than any backup should lack.
    #[error("{0} entries are lost, more than one transaction takes")]
    TooMany(u64),
}

/// Closes the log of an older journal and opens the one that the settings name. `seen`: who shows which signed checkpoint; the head file is looked at besides.
/// Blocking; no gateway may run.
///
/// # Errors
/// See [`NotSucceeded`].
pub fn succeed(
    settings: &JournalSettings,
    seen: &[(String, String)],
    why: &str,
    clock: &Clock,
) -> Result<Succession, NotSucceeded> {
    let _lock = sqlite::lock(&settings.database)?;
    let connection = sqlite::open_writer(&settings.database, &settings.payloads)?;
    let reader = Reader::open(&settings.database)?;
    let newest = reader.checkpoint()?;
    let newest = Checkpoint::unverified(&newest).map_err(|_| JournalFault::damaged("its checkpoint is not one"))?;
    if newest.origin == settings.log_origin {
        return again(&reader, settings);
    }
    let old = JournalSettings {
        log_origin: newest.origin.clone(),
        ..settings.clone()
    };
    let signer = LogSigner::recover(&reader, &old)?;
    let recovered = recovery::recover(&connection, &signer)?;
    let ours = Trust::in_keys(own_spans(&signer, &old)?);
    let found = recovered.edge.size();
    let (last, note) = last(&reader, settings, seen, &ours)?;
    if last.size <= found {
        return Err(NotSucceeded::NothingLost { found });
    }
    if last.size - found > LOST_MAX {
        return Err(NotSucceeded::TooMany(last.size - found));
    }
    let opened = LogOpenEvent {
        log: settings.log_origin.clone(),
        of: last.origin.clone(),
        size: last.size,
        root: Digest(last.root),
        kept: found,
        why: why.to_owned(),
    };
    let successor = signer.successor(settings)?;
    let group = Group::begin(
        &connection,
        recovered.edge.clone(),
        recovered.last_t,
        clock.now_us(),
        &successor,
    );
    let sealed = seal(&connection, group, &opened, &settings.node)?;
    // What was seen of the old log last is kept: the new head takes its place.
    keep_closed(&settings.head, last.size, &note)?;
    Head::at(&settings.head).keep(sealed.clone())?;
    let vkey = successor
        .keys()
        .spans()
        .first()
        .map_or_else(String::new, |span| span.key().vkey());
    Ok(Succession {
        opened,
        note: sealed,
        vkey,
        last: Some(note),
    })
}

/// A run before this one had sealed it: the head file, perhaps.
fn again(reader: &Reader, settings: &JournalSettings) -> Result<Succession, NotSucceeded> {
    let signer = LogSigner::recover(reader, settings)?;
    let opened = reader.log_opened()?.filter(|opened| opened.log == settings.log_origin);
    let opened = opened.ok_or_else(|| NotSucceeded::SameName(settings.log_origin.clone()))?;
    let note = reader.checkpoint()?;
    let head = Checkpoint::unverified(&std::fs::read_to_string(&settings.head).unwrap_or_default());
    if head.map_or(true, |head| head.origin == opened.of) {
        Head::at(&settings.head).keep(note.clone())?;
    }
    let vkey = signer
        .keys()
        .spans()
        .first()
        .map_or_else(String::new, |span| span.key().vkey());
    Ok(Succession {
        opened,
        note,
        vkey,
        last: None,
    })
}

/// The largest checkpoint of the old log that anybody shows, and its note. Each that the journal reaches must be of its own history.
fn last(
    reader: &Reader,
    settings: &JournalSettings,
    seen: &[(String, String)],
    ours: &Trust,
) -> Result<(Checkpoint, String), NotSucceeded> {
    let found = reader.size()?;
    let mut seen = seen.to_vec();
    match std::fs::read_to_string(&settings.head) {
        Ok(note) => seen.push((format!("the head file `{}`", settings.head.display()), note)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(JournalFault::file("read", &settings.head)(error).into()),
    }
    let mut last: Option<(Checkpoint, String)> = None;
    for (by, note) in seen {
        let checkpoint = ours.open(&note).map_err(|fault| {
            let (by, why) = (by.clone(), Chain(&fault).to_string());
            NotSucceeded::Foreign { by, why }
        })?;
        let size = checkpoint.size;
        if size <= found && tree::root(reader, size)? != checkpoint.root {
            return Err(NotSucceeded::Forked { by, size });
        }
        match &last {
            Some((largest, _)) if largest.size == size && largest.root != checkpoint.root => {
                return Err(NotSucceeded::Forked { by, size });
            }
            Some((largest, _)) if largest.size >= size => {}
            _ => last = Some((checkpoint, note)),
        }
    }
    last.ok_or(NotSucceeded::NothingLost { found })
}

/// The leaves and the first checkpoint of the successor.
fn seal(
    connection: &Connection,
    mut group: Group<'_>,
    opened: &LogOpenEvent,
    node: &str,
) -> Result<String, JournalFault> {
    let boot = evidence::hex(&clock::random::<4>()?);
    let place = (node, boot.as_str());
    let failed = || JournalFault::store("open the successor of the log");
    connection.execute_batch(sqlite::BEGIN).map_err(failed())?;
    let gap = Event::LogGap(LogGapEvent { of: opened.of.clone() });
    let open = Event::LogOpen(opened.clone());
    for index in opened.kept..opened.size {
        let event = if index == opened.kept { &open } else { &gap };
        let given = group.leaf(event, None, None, place).map_err(failed())?;
        if !matches!(given, Given::Leaf { .. }) {
            return Err(JournalFault::damaged("a leaf of the successor cannot be written"));
        }
    }
    let finished = group.finish().map_err(failed())?;
    connection.execute_batch(sqlite::COMMIT).map_err(failed())?;
    let note = finished
        .note
        .ok_or_else(|| JournalFault::damaged("the successor was not signed"))?;
    Ok(note.as_ref().to_owned())
}

/// Where the old log's last checkpoint is kept: beside the head file.
fn keep_closed(head: &Path, size: u64, note: &str) -> Result<(), JournalFault> {
    let mut name = head.as_os_str().to_owned();
    name.push(format!(".closed-{size}"));
    super::export::replace(Path::new(&name), note.as_bytes())
}

impl Reader {
    /// What the newest `log-open` leaf says.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn log_opened(&self) -> Result<Option<LogOpenEvent>, JournalFault> {
        let mut find = self.prepared(sqlite::LOG_OPENED)?;
        let rows: Vec<Vec<u8>> =
            super::views::collect(find.query_map([], |row| row.get(0)), "read the log-open leaves")?;
        let Some(bytes) = rows.first() else { return Ok(None) };
        Ok(match shuguan_ledger::leaf::Leaf::decode(bytes)?.event {
            Event::LogOpen(opened) => Some(opened),
            _ => None,
        })
    }
}
