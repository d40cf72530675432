//! The volumes of the log: one tree, cut into ranges of entries that have a name and keys of their own.
//!
//! Takes an operator's order to open the next volume; seals, in one transaction, a `log-close` leaf that names the successor and its key, the last checkpoint
//! of the old volume, signed by its keys, a `log-open` leaf that names the old one, its size and its root, and the first checkpoint of the new one. The tree goes
//! on: an index, by which leaves, registry and idempotency keys refer to each other, means the same entry for ever, and the newest checkpoint proves every
//! volume. Refuses a name that a log had before, and a key of another name. A crash before COMMIT leaves the old volume, after it the new one.
//!
//! Gives, of a journal, which volumes it has, and what its keys signed.

use std::sync::Arc;

use shuguan_ledger::keys::{KeyFault, KeySpan, LogKeys};
use shuguan_ledger::leaf::{Event, Leaf, LogCloseEvent, LogOpenEvent};
use shuguan_ledger::note::{SigningKey, VerifyingKey};

use super::Journal;
use super::cosigned::Cosigned;
use super::entry::Sealed;
use super::fault::{JournalFault, SealError};
use super::log_keys::LogSigner;
use super::sequencer::Work;
use super::statements;
use super::store::{Row, Store, Stored};
use super::views::Reader;
use crate::pki::period;

/// Why a volume ends by plan, member `why` of its `log-close` leaf.
const YEAR: &str = "year";
/// Longest name of a volume, bytes: its leaves name it and its keys several times, within 4 KiB.
pub const NAME_MAX: usize = 255;

/// An operator's order to open the next volume.
#[derive(Clone, Debug)]
pub struct VolumeOrder {
    /// The key that the volume begins with; its name is the volume's.
    pub key: Arc<SigningKey>,
    /// The operator's partner id.
    pub who: String,
}

/// A volume of the log: the entries `from..size` of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub origin: String,
    /// The log's own name: that of its first volume, without the year that it may end with. After a loss the successor has another name, and the log has not.
    pub log: String,
    /// Index of its first entry.
    pub from: u64,
    /// When that was sealed, microseconds UTC; 0 for a log without entries.
    pub since_us: i64,
    /// Entries of the tree under its last checkpoint; none: it goes on.
    pub size: Option<u64>,
    /// Whether it was closed by plan, and not by a loss.
    pub is_whole: bool,
}

impl Volume {
    /// The year that it is for, in Asia/Shanghai: the one that its name ends with, else the one that it began in.
    pub fn year(&self) -> String {
        match stem(&self.origin) {
            (_, Some(year)) => year.to_owned(),
            (_, None) => period::year(self.since_us),
        }
    }

    /// What the volume after it may be called in that year: the log's own name and the year, whatever this one is called.
    pub fn next_name(&self, year: &str) -> String {
        format!("{}/{year}", self.log)
    }
}

/// A name without the year that it ends with, and that year.
fn stem(origin: &str) -> (&str, Option<&str>) {
    match origin.rsplit_once('/') {
        Some((stem, year)) if year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) => (stem, Some(year)),
        _ => (origin, None),
    }
}

/// The log's own name, by that of its first volume.
pub(super) fn log_of(first: &str) -> &str {
    stem(first).0
}

/// The end of a volume that was closed by plan.
#[derive(Clone, Debug)]
pub struct Closing {
    /// Name of the volume.
    pub origin: String,
    /// Its last checkpoint.
    pub last: Cosigned,
    /// Whether a quorum has signed that.
    pub is_witnessed: bool,
}

/// Names and keys of the volumes of a journal, as readers need them.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// Of the volume that is written.
    pub(super) origin: Arc<str>,
    /// Its keys.
    pub(super) keys: Arc<LogKeys>,
    /// The keys of those that were closed by plan, each with its last size.
    pub(super) past: Arc<[KeySpan]>,
}

impl LogSigner {
    /// The leaf of this index that closes the volume, and what signs the next one.
    pub(super) fn succeeded(&self, index: u64, order: &VolumeOrder) -> Result<(LogCloseEvent, Self), KeyFault> {
        let verifying = order.key.verifying_key();
        let by: Vec<String> = self.signers().map(|key| key.verifying_key().vkey()).collect();
        let close = LogCloseEvent {
            log: self.origin().to_owned(),
            by: by.join(" "),
            next: verifying.name().to_owned(),
            key: verifying.vkey(),
            why: YEAR.into(),
            who: order.who.clone(),
        };
        let mut ended = self.keys().clone();
        ended.close(index)?;
        let begun = close.successor(index).ok_or(KeyFault("what it names is no key"))?;
        let past = self.past().iter().chain(ended.spans()).cloned().collect();
        let next = Self::of_volume(Arc::clone(&order.key), LogKeys::of([begun]), past);
        Ok((close, next))
    }
}

/// Whether a log of this journal had that name, or it can be none.
pub(super) fn taken(store: &Store, current: &str, name: &str) -> Stored<Option<&'static str>> {
    if name.len() > NAME_MAX {
        return Ok(Some("the name of the volume is too long"));
    }
    let opened: Vec<Vec<u8>> = store.column(statements::LOG_OPENED, &[])?;
    let mut had = current == name;
    for bytes in opened {
        if let Ok(Event::LogOpen(open)) = Leaf::decode(&bytes).map(|leaf| leaf.event) {
            had |= [Some(open.log), Some(open.of), open.had]
                .iter()
                .flatten()
                .any(|one| one == name);
        }
    }
    Ok(had.then_some("a log of this journal had that name"))
}

/// For volumes.
impl Journal {
    /// Closes the volume that is written and opens the next one; the `log-open` leaf, under the first checkpoint of that. The head file says so when this
    /// returns, if it can be written.
    ///
    /// # Errors
    /// [`SealError::Unfit`]: a log had that name, or can have none such; [`SealError::Unavailable`].
    pub async fn turn_volume(&self, order: VolumeOrder) -> Result<Sealed, SealError> {
        let sealed = self.sealed(Work::TurnVolume(order), None).await?;
        self.keep_head().await;
        sealed.ok_or(SealError::Unavailable)
    }

    /// The volumes of the log, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn volumes(&self) -> Result<Vec<Volume>, JournalFault> {
        self.read(Reader::volumes).await
    }

    /// The volume before the one that is written, when it was closed by plan, with its last checkpoint.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn closing(&self) -> Result<Option<Closing>, JournalFault> {
        self.read(|reader| {
            let before = reader.volumes()?.into_iter().rev().nth(1);
            let Some(volume) = before else { return Ok(None) };
            reader.last_checkpoint(&volume)
        })
        .await
    }

    /// The last checkpoint of a closed volume.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn last_checkpoint(&self, volume: Volume) -> Result<Option<Closing>, JournalFault> {
        self.read(move |reader| reader.last_checkpoint(&volume)).await
    }
}

impl Reader {
    /// The volumes of the log, oldest first; the last one is written.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn volumes(&self) -> Result<Vec<Volume>, JournalFault> {
        let mut opened = self.logs_opened()?;
        opened.reverse();
        let newest = self.newest()?;
        let name = |open: &LogOpenEvent| open.had.clone().unwrap_or_else(|| open.of.clone());
        let first = opened.first().map_or_else(|| newest.origin.clone(), name);
        let log = log_of(&first).to_owned();
        let (mut volumes, mut from): (Vec<Volume>, u64) = (Vec::new(), 0);
        for open in &opened {
            volumes.push(Volume {
                origin: name(open),
                log: log.clone(),
                from,
                since_us: self.moment_of(from)?,
                size: Some(open.kept),
                is_whole: open.is_turn(),
            });
            from = open.kept;
        }
        volumes.push(Volume {
            origin: newest.origin,
            log,
            from,
            since_us: self.moment_of(from)?,
            size: None,
            is_whole: true,
        });
        Ok(volumes)
    }

    fn moment_of(&self, index: u64) -> Result<i64, JournalFault> {
        Ok(self.leaf(index)?.map_or(0, |leaf| leaf.t_us))
    }

    /// The last checkpoint of a closed volume, with the signatures of a quorum when it has them ([`Cosigned::t_us`] is that of its last entry); none of one
    /// whose end is lost: that one lies beside the head file.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn last_checkpoint(&self, volume: &Volume) -> Result<Option<Closing>, JournalFault> {
        let Some(size) = volume.size.filter(|_| volume.is_whole) else {
            return Ok(None);
        };
        let cosigned = self.cosigned_at(size)?;
        let is_witnessed = cosigned.is_some();
        let last = match (cosigned, self.checkpoint_at(size)?) {
            (Some(cosigned), _) => cosigned,
            (None, Some(note)) => Cosigned {
                size,
                t_us: self.moment_of(size.saturating_sub(1))?,
                note: note.into(),
            },
            (None, None) => return Ok(None),
        };
        let origin = volume.origin.clone();
        Ok(Some(Closing {
            origin,
            last,
            is_witnessed,
        }))
    }

    /// The `log-close` leaves, oldest first, with their indices.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn logs_closed(&self) -> Result<Vec<(u64, LogCloseEvent)>, JournalFault> {
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let rows: Vec<(u64, Vec<u8>)> = self.rows("read the log-close leaves", statements::LOG_CLOSED, &[], columns)?;
        let mut closed = Vec::with_capacity(rows.len());
        for (index, bytes) in rows {
            if let Event::LogClose(event) = Leaf::decode(&bytes)?.event {
                closed.push((index, event));
            }
        }
        Ok(closed)
    }

    /// Name of the volume that is written: the configured one, or one that planned turns led to from it.
    ///
    /// # Errors
    /// [`JournalFault::OtherLog`].
    pub fn name_from(&self, configured: &str) -> Result<String, JournalFault> {
        let found = self.newest()?.origin;
        let mut name = configured.to_owned();
        if found != name {
            for (_, close) in self.logs_closed()? {
                if close.log == name {
                    name = close.next;
                }
            }
        }
        if found == name {
            return Ok(found);
        }
        let wanted = configured.to_owned();
        Err(JournalFault::OtherLog { found, wanted })
    }

    /// The key that a volume begins with, as the volume before it says, and the sizes that it signs.
    pub(super) fn begun(&self, origin: &str) -> Result<Option<KeySpan>, JournalFault> {
        let closed = self.logs_closed()?;
        let before = closed.iter().find(|(_, close)| close.next == origin);
        Ok(before.and_then(|(index, close)| close.successor(*index)))
    }

    /// The keys of the volumes that were closed by plan, each with its last size.
    ///
    /// # Errors
    /// When the journal cannot be read, or contradicts itself.
    pub fn past_keys(&self) -> Result<Vec<KeySpan>, JournalFault> {
        let mut past = Vec::new();
        for (index, close) in self.logs_closed()? {
            let changes = self.key_leaves(&close.log)?;
            let named = changes
                .first()
                .map_or(close.by.as_str(), |(_, first)| first.of.as_str());
            let first = match self.begun(&close.log)? {
                Some(begun) => begun,
                None => VerifyingKey::parse(named).map_err(|_| contradiction(index))?.into(),
            };
            let mut keys = LogKeys::of([first]);
            for (at, change) in &changes {
                keys.apply(*at, change).map_err(|_| contradiction(*at))?;
            }
            keys.close(index).map_err(|_| contradiction(index))?;
            past.extend(keys.spans().iter().cloned());
        }
        Ok(past)
    }
}

fn contradiction(index: u64) -> JournalFault {
    JournalFault::damaged(format!("leaf {index} contradicts what the log says of its keys"))
}

#[cfg(test)]
mod tests {
    use super::{Volume, log_of};

    #[test]
    fn a_volume_is_for_the_year_of_its_name_or_of_its_beginning() {
        // Eight in the morning of the first of January 2027 in Asia/Shanghai.
        let since_us = 1_798_761_600_000_000;
        for (first, origin, since_us, year, next) in [
            ("gw1/log", "gw1/log", since_us, "2027", "gw1/log/2028"),
            ("gw1/log", "gw1/log", since_us - 28_800_000_001, "2026", "gw1/log/2028"),
            // Opened in December for the year that comes.
            (
                "gw1/log",
                "gw1/log/2027",
                since_us - 86_400_000_000,
                "2027",
                "gw1/log/2028",
            ),
            // Successors after a loss: the log's own name is that of before.
            ("gw1/log", "gw1/log/2", since_us, "2027", "gw1/log/2028"),
            ("gw1/log/2026", "gw1/log/2026/2", since_us, "2027", "gw1/log/2028"),
            // A log that was called so from its beginning.
            ("gw1/log/2", "gw1/log/2", since_us, "2027", "gw1/log/2/2028"),
            ("2026", "2026", since_us, "2027", "2026/2028"),
        ] {
            let (from, size, is_whole) = (0, None, true);
            let (log, origin) = (log_of(first).to_owned(), origin.to_owned());
            let volume = Volume {
                origin,
                log,
                from,
                since_us,
                size,
                is_whole,
            };
            assert_eq!(
                (volume.year().as_str(), volume.next_name("2028").as_str()),
                (year, next),
                "{}",
                volume.origin
            );
        }
    }
}
