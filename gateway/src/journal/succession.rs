//! A journal whose end is lost goes on as another log that says so.
//!
//! Takes an older copy of the journal, the name and key of the new log, and signed checkpoints that show how far the old one had come; closes the old log at
//! the largest of them and opens its successor in one transaction: a `log-open` leaf that names both, and a `log-gap` leaf for each further lost entry, so that
//! an index never means two entries. When the newest volume is lost with its `log-close` leaf, the `log-open` leaf names it and, as `had`, the one that is kept. Then the head file. No seed of the old log is needed: it signs nothing any more. Refuses a journal that lacks nothing, one
//! whose history differs from what was signed, what no key of the log signed, and a name that a log has. A crash before COMMIT leaves the journal as it was,
//! with the old log's last checkpoint beside the head file; after it the head file is written by the next run of the command.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::keys::KeySpan;
use shuguan_ledger::leaf::{Digest, Event, Leaf, LogGapEvent, LogOpenEvent};
use shuguan_ledger::note::{SigningKey, VerifyingKey};
use shuguan_ledger::tree;
use shuguan_ledger::trust::Trust;

use super::fault::JournalFault;
use super::group::{Given, Group};
use super::head::Head;
use super::log_keys::{LogSigner, keys_of, own_keys, seeds};
use super::log_time::Moment;
use super::numbers::Numbers;
use super::settings::JournalSettings;
use super::store::Store;
use super::views::Reader;
use super::{evidence, recovery, statements};
use crate::chain::Chain;
use crate::clock::{self, Clock};
use crate::pki::PkiFault;

/// What is shown of the old log.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Who shows which signed checkpoint; the head file is looked at besides.
    pub notes: &'a [(String, String)],
    /// Keys that are believed to have signed it, beside those of our own seeds: an older copy does not know those that came later, nor where one ended.
    pub keys: &'a [KeySpan],
}

/// Most entries that may be lost: they become leaves of one transaction.
const LOST_MAX: u64 = 1_000_000;

/// How a log was succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// What the `log-open` leaf says.
    pub opened: LogOpenEvent,
    /// The newest checkpoint of the successor.
    pub note: String,
    /// The newest public key of the successor, as a vkey.
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
    /// That name is not free.
    #[error("`{name}` is the name of a log already, as {by} shows")]
    NameTaken {
        /// Who knows it.
        by: String,
        /// The name.
        name: String,
    },
    /// Not an older copy but another history.
    #[error("{by} signs another root over the first {size} entries: this journal is no older copy but another history")]
    Forked {
        /// Who shows it.
        by: String,
        /// Entries under it.
        size: u64,
    },
    /// Something that was shown is not of this log.
    #[error("what {by} shows is no checkpoint that a key of this log signed: {why}")]
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

/// Closes the log of an older journal and opens the one that the settings name. `key` gives the key of the new log; it is asked for when nothing speaks
/// against it any more. Blocking; no gateway may run.
///
/// # Errors
/// See [`NotSucceeded`]; nothing was written then, but perhaps a key and the old log's last checkpoint in files of their own.
pub fn succeed(
    settings: &JournalSettings,
    shown: Shown<'_>,
    why: &str,
    key: impl FnOnce() -> Result<SigningKey, PkiFault>,
    clock: &Clock,
) -> Result<Succession, NotSucceeded> {
    let store = Store::writer(settings)?;
    let reader = Reader::open(&settings.place)?;
    let newest = reader.newest()?;
    if newest.origin == settings.log_origin {
        return again(&reader, settings, shown.notes);
    }
    let old = newest.origin.as_str();
    let is_of = |span: &&KeySpan| span.key().name() == old;
    let (mut others, later): (Vec<KeySpan>, Vec<KeySpan>) = shown.keys.iter().cloned().partition(|span| is_of(&span));
    others.extend(seeds(settings, old)?.iter().map(|seed| seed.verifying_key().into()));
    let candidates: Vec<VerifyingKey> = others.iter().map(|span| span.key().clone()).collect();
    let keys = keys_of(&reader, old, &candidates)?;
    let before = reader.logs_opened()?;
    if before
        .iter()
        .any(|opened| [Some(&opened.of), opened.had.as_ref()].contains(&Some(&settings.log_origin)))
    {
        let (by, name) = ("the journal itself".to_owned(), settings.log_origin.clone());
        return Err(NotSucceeded::NameTaken { by, name });
    }
    // What went on beside another history is no older copy of it: its entries would be stated as kept.
    Head::at(&settings.head).is_no_fork(&reader)?;
    let recovered = recovery::recover(&store, old, &keys)?;
    let found = recovered.edge.size();
    let notes = with_head(settings, shown.notes)?;
    let ours = Ours {
        of_this: own_keys(&keys, others),
        of_later: later_keys(settings, old, later, &notes),
    };
    let (last, note) = last(&reader, settings, notes, &before, &ours)?;
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
        had: (last.origin != old).then(|| old.to_owned()),
    };
    let successor = LogSigner::beginning(Arc::new(key().map_err(JournalFault::from)?));
    // Its first leaf opens a volume, in which each partner is counted anew.
    let numbers = Numbers::default();
    let now_us = clock.now_us();
    let moment = Moment::of(now_us, recovered.last.map_or(0, |last| last.t), now_us);
    let group = Group::begin(&store, recovered.edge.clone(), moment, &successor, &numbers);
    // What was seen of the old log last is kept: the new head takes its place, and whoever runs this once more finds it.
    keep_closed(&settings.head, last.size, &note)?;
    let sealed = seal(&store, group, &opened, &settings.node)?;
    Head::at(&settings.head).keep(sealed.clone())?;
    Ok(Succession {
        opened,
        note: sealed,
        vkey: successor.vkey(),
        last: Some(note),
    })
}

/// A run before this one had sealed it: the head file, perhaps. When more of this very log is shown than is here, its end is lost too, and that takes a
/// successor of its own.
fn again(reader: &Reader, settings: &JournalSettings, notes: &[(String, String)]) -> Result<Succession, NotSucceeded> {
    let signer = LogSigner::recover(reader, settings)?;
    let same_name = || NotSucceeded::SameName(settings.log_origin.clone());
    let opened = reader.logs_opened()?.into_iter().next();
    let opened = opened.filter(|opened| opened.log == settings.log_origin && !opened.is_turn());
    let opened = opened.ok_or_else(same_name)?;
    let (note, found) = (reader.checkpoint()?, reader.size()?);
    let ours = signer.own_trust(settings)?;
    let of_this_log = |note: &str| Checkpoint::unverified(note).is_ok_and(|one| one.origin == settings.log_origin);
    for (by, note) in with_head(settings, notes)?.iter().filter(|(_, note)| of_this_log(note)) {
        if judged(reader, &ours, by, note)?.size > found {
            return Err(same_name());
        }
    }
    match head(settings)?.as_deref().map(Checkpoint::unverified) {
        None => Head::at(&settings.head).keep(note.clone())?,
        Some(Ok(head)) if head.origin == settings.log_origin => {}
        // Nothing was sealed since: the run before this one ended here.
        Some(Ok(head)) if head.origin == opened.of && found == opened.size => {
            Head::at(&settings.head).keep(note.clone())?;
        }
        Some(_) => return Err(JournalFault::ForeignHead(settings.head.clone()).into()),
    }
    Ok(Succession {
        opened,
        note,
        vkey: signer.vkey(),
        last: None,
    })
}

/// What is shown, with the head file.
fn with_head(settings: &JournalSettings, notes: &[(String, String)]) -> Result<Vec<(String, String)>, JournalFault> {
    let by = format!("the head file `{}`", settings.head.display());
    let head = head(settings)?.map(|note| (by, note));
    Ok(notes.iter().cloned().chain(head).collect())
}

fn head(settings: &JournalSettings) -> Result<Option<String>, JournalFault> {
    match std::fs::read_to_string(&settings.head) {
        Ok(note) => Ok(Some(note)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(JournalFault::file("read", &settings.head)(error)),
    }
}

/// What our keys sign.
struct Ours {
    /// Under the name of the log that is here.
    of_this: Trust,
    /// Under other names: of volumes that followed it, which this copy does not know.
    of_later: Trust,
}

/// The keys of later volumes: those that are shown, and what our seeds are under the names of the notes.
fn later_keys(settings: &JournalSettings, old: &str, mut later: Vec<KeySpan>, notes: &[(String, String)]) -> Trust {
    for (_, note) in notes {
        if let Some(other) = Checkpoint::unverified(note).ok().filter(|one| one.origin != old) {
            let keys = seeds(settings, &other.origin);
            // A name that no log can have is nobody's word, and told as such.
            later.extend(keys.into_iter().flatten().map(|seed| seed.verifying_key().into()));
        }
    }
    Trust::in_keys(later.into_iter().map(KeySpan::lenient))
}

/// The largest checkpoint of the old log that anybody shows, or of a volume that followed it, and its note. Each that the journal reaches must be of its own history.
fn last(
    reader: &Reader,
    settings: &JournalSettings,
    notes: Vec<(String, String)>,
    before: &[LogOpenEvent],
    ours: &Ours,
) -> Result<(Checkpoint, String), NotSucceeded> {
    let here = reader.newest()?.origin;
    let mut last: Option<(Checkpoint, String)> = None;
    for (by, note) in notes {
        let origin = Checkpoint::unverified(&note).map_or_else(|_| String::new(), |one| one.origin);
        if origin == settings.log_origin {
            return Err(NotSucceeded::NameTaken { by, name: origin });
        }
        if origin != here && before.iter().any(|opened| opened.of == origin) {
            // Of a log that ended before this one began: it says nothing of this one's end.
            continue;
        }
        let ours = if origin == here { &ours.of_this } else { &ours.of_later };
        let checkpoint = judged(reader, ours, &by, &note)?;
        let size = checkpoint.size;
        match &last {
            Some((largest, _)) if largest.size == size && largest.root != checkpoint.root => {
                return Err(NotSucceeded::Forked { by, size });
            }
            Some((largest, _)) if largest.size >= size => {}
            _ => last = Some((checkpoint, note)),
        }
    }
    let found = reader.size()?;
    last.ok_or(NotSucceeded::NothingLost { found })
}

/// What somebody shows, signed by a key of ours; when the journal reaches it, of its history.
fn judged(reader: &Reader, ours: &Trust, by: &str, note: &str) -> Result<Checkpoint, NotSucceeded> {
    let by = by.to_owned();
    let checkpoint = match ours.open(note) {
        Ok(checkpoint) => checkpoint,
        Err(fault) => {
            let why = Chain(&fault).to_string();
            return Err(NotSucceeded::Foreign { by, why });
        }
    };
    let size = checkpoint.size;
    if size <= reader.size()? && tree::root(reader, size)? != checkpoint.root {
        return Err(NotSucceeded::Forked { by, size });
    }
    Ok(checkpoint)
}

/// The leaves and the first checkpoint of the successor.
fn seal(store: &Store, mut group: Group<'_>, opened: &LogOpenEvent, node: &str) -> Result<String, JournalFault> {
    let boot = evidence::hex(&clock::random::<4>()?);
    let place = (node, boot.as_str());
    let failed = || JournalFault::store("open the successor of the log");
    store.begin().map_err(failed())?;
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
    store.commit().map_err(failed())?;
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
    /// What the `log-open` leaves say, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn logs_opened(&self) -> Result<Vec<LogOpenEvent>, JournalFault> {
        let rows: Vec<Vec<u8>> = self.column("read the log-open leaves", statements::LOG_OPENED, &[])?;
        let mut opened = Vec::with_capacity(rows.len());
        for bytes in rows {
            if let Event::LogOpen(one) = Leaf::decode(&bytes)?.event {
                opened.push(one);
            }
        }
        Ok(opened)
    }
}
