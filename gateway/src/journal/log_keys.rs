//! The keys that sign this log, and how they change.
//!
//! Takes the seeds at hand and the `key` leaves of the log; gives which keys it has, and what signs the next checkpoint. Refuses to open a journal whose log is signed by a
//! key of which there is no seed, so that nothing is ever signed by fewer keys than the log says. A change is one leaf: the checkpoint over it is the
//! first that the new key signs too, or the first that the old one does not, in the transaction of the leaf. A crash before COMMIT leaves the old
//! keys, after it the new ones; both are what the log says.

use std::sync::Arc;

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::keys::{KeyFault, KeySpan, LogKeys, NEW, RETIRED, SUITE};
use shuguan_ledger::leaf::{Event, KeyEvent, Leaf};
use shuguan_ledger::note::{self, NoteError, SigningKey, VerifyingKey};
use shuguan_ledger::trust::Trust;

use super::Journal;
use super::entry::Sealed;
use super::fault::{JournalFault, SealError};
use super::head::Head;
use super::sequencer::Work;
use super::settings::JournalSettings;
use super::statements;
use super::store::Row;
use super::views::Reader;
use super::volumes::Names;

/// What is ordered about the log's keys.
#[derive(Clone, Debug)]
pub enum KeyOrder {
    /// This key signs from now on, beside those that do.
    Begin(Arc<SigningKey>),
    /// This key signs no more; reason code `rotation` or `stolen`.
    End(VerifyingKey, String),
}

/// What signs the next checkpoint.
#[derive(Clone, Debug)]
pub(super) struct LogSigner {
    origin: Arc<str>,
    /// Those that sign now, oldest first.
    signing: Vec<Arc<SigningKey>>,
    keys: LogKeys,
    /// Those of the volumes before this one, each with its last size.
    past: Vec<KeySpan>,
}

impl LogSigner {
    /// Of a log that has no leaf yet.
    pub(super) fn first(settings: &JournalSettings) -> Result<Self, JournalFault> {
        let first = seeds(settings, &settings.log_origin)?.into_iter().next();
        let first = first.ok_or_else(|| JournalFault::NoSeed(settings.log_origin.clone()))?;
        Ok(Self::beginning(first))
    }

    /// Of a log that this key alone signs from now on, and names.
    pub(super) fn beginning(key: Arc<SigningKey>) -> Self {
        let keys = LogKeys::of([key.verifying_key().into()]);
        Self::of_volume(key, keys, Vec::new())
    }

    /// Of a volume that begins with this key, after others.
    pub(super) fn of_volume(key: Arc<SigningKey>, keys: LogKeys, past: Vec<KeySpan>) -> Self {
        Self {
            origin: key.verifying_key().name().into(),
            signing: vec![key],
            keys,
            past,
        }
    }

    /// Of the log of this journal.
    pub(super) fn recover(reader: &Reader, settings: &JournalSettings) -> Result<Self, JournalFault> {
        let origin = reader.name_from(&settings.log_origin)?;
        let seeds = seeds(settings, &origin)?;
        let ours: Vec<VerifyingKey> = seeds.iter().map(|seed| seed.verifying_key()).collect();
        let keys = keys_of(reader, &origin, &ours)?;
        let mut signing = Vec::new();
        for key in keys.at(reader.size()?) {
            let seed = seeds.iter().find(|seed| seed.verifying_key() == *key);
            signing.push(Arc::clone(seed.ok_or_else(|| JournalFault::NoSeed(key.short()))?));
        }
        Ok(Self {
            origin: origin.into(),
            signing,
            keys,
            past: reader.past_keys()?,
        })
    }

    /// The keys that sign, oldest first.
    pub(super) fn signers(&self) -> impl Iterator<Item = &SigningKey> {
        self.signing.iter().map(Arc::as_ref)
    }

    /// The keys of the volumes before this one, each with its last size.
    pub(super) fn past(&self) -> &[KeySpan] {
        &self.past
    }

    /// What readers need of it.
    pub(super) fn names(&self) -> Arc<Names> {
        Arc::new(Names {
            origin: Arc::clone(&self.origin),
            keys: Arc::new(self.keys.clone()),
            past: self.past.as_slice().into(),
        })
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn keys(&self) -> &LogKeys {
        &self.keys
    }

    /// The newest key that signs, as a vkey.
    pub(super) fn vkey(&self) -> String {
        let newest = self.keys.open_ended().next_back();
        newest.map_or_else(String::new, |span| span.key().vkey())
    }

    /// What its keys ever signed, or those of other seeds under its name.
    pub(super) fn own_trust(&self, settings: &JournalSettings) -> Result<Trust, JournalFault> {
        let seeds = seeds(settings, &self.origin)?;
        let seeds = seeds.iter().map(|seed| seed.verifying_key().into());
        Ok(own_keys(&self.keys, seeds.chain(unended(&self.past))))
    }

    pub(super) fn sign(&self, checkpoint: &Checkpoint) -> Result<String, NoteError> {
        note::sign(&checkpoint.text(), self.signing.iter().map(Arc::as_ref))
    }

    /// The leaf of this index that carries an order out, and what signs from there on.
    pub(super) fn turned(&self, index: u64, order: &KeyOrder) -> Result<(KeyEvent, Self), KeyFault> {
        let (act, key, why) = match order {
            KeyOrder::Begin(key) => (NEW, key.verifying_key(), "rotation"),
            KeyOrder::End(key, why) => (RETIRED, key.clone(), why.as_str()),
        };
        let other = self
            .signing
            .iter()
            .map(|one| one.verifying_key())
            .rfind(|one| *one != key);
        let of = other.ok_or(KeyFault("no other key signs beside it: the log would have none"))?;
        let event = KeyEvent {
            act: act.into(),
            suite: SUITE.into(),
            key: key.vkey(),
            of: of.vkey(),
            from: index.saturating_add(1),
            why: why.into(),
        };
        let mut turned = self.clone();
        turned.keys.apply(index, &event)?;
        match order {
            KeyOrder::Begin(key) => turned.signing.push(Arc::clone(key)),
            KeyOrder::End(key, _) => turned.signing.retain(|one| one.verifying_key() != *key),
        }
        Ok((event, turned))
    }
}

/// The keys that the seeds at hand are under the name of a log.
pub(super) fn seeds(settings: &JournalSettings, origin: &str) -> Result<Vec<Arc<SigningKey>>, JournalFault> {
    let seeds = settings.log_seeds.iter();
    let keys = seeds.map(|seed| SigningKey::from_seed(origin, seed.bytes()).map(Arc::new));
    keys.collect::<Result<_, _>>().map_err(|source| JournalFault::LogKey {
        origin: origin.into(),
        source,
    })
}

/// What the log says of its keys. The first of them is named by the volume before, or by the first change; without one it is that of these which signed the newest checkpoint.
pub(super) fn keys_of(reader: &Reader, origin: &str, candidates: &[VerifyingKey]) -> Result<LogKeys, JournalFault> {
    let leaves = reader.key_leaves(origin)?;
    let first: KeySpan = if let Some(begun) = reader.begun(origin)? {
        begun
    } else if let Some((_, event)) = leaves.first() {
        let first = VerifyingKey::parse(&event.of);
        first
            .map_err(|_| JournalFault::damaged("its first `key` leaf names no key"))?
            .into()
    } else {
        let (newest, mut source) = (reader.checkpoint()?, NoteError::NoKnownSignature);
        let signer = candidates.iter().find(|key| {
            let opened = note::open(&newest, std::slice::from_ref(*key));
            opened.map_err(|error| source = error).is_ok()
        });
        let origin = origin.to_owned();
        signer.cloned().ok_or(JournalFault::LogKey { origin, source })?.into()
    };
    let mut keys = LogKeys::of([first]);
    for (index, event) in &leaves {
        let applied = keys.apply(*index, event);
        applied.map_err(|fault| JournalFault::damaged(format!("leaf {index}: {fault}")))?;
    }
    Ok(keys)
}

/// What the log of a journal says of its keys. The journal need not be open.
///
/// # Errors
/// When the journal cannot be read, or a key that signs is not among the seeds.
pub fn log_keys_of(settings: &JournalSettings) -> Result<LogKeys, JournalFault> {
    let reader = Reader::open(&settings.place)?;
    Ok(LogSigner::recover(&reader, settings)?.keys)
}

/// Whether the journal holds what its head file says, as its opening asks; it need not be open.
///
/// # Errors
/// [`JournalFault::RolledBack`], [`JournalFault::Forked`], [`JournalFault::ForeignHead`]; those of [`own_trust`].
pub fn check_head(settings: &JournalSettings) -> Result<(), JournalFault> {
    let ours = own_trust(settings)?;
    let reader = Reader::open(&settings.place)?;
    Head::at(&settings.head).check(&reader, &ours, settings).map(drop)
}

/// Names under which the log of a journal is known to witnesses: of the volume that is written, and of the one before it. The journal need not be open.
///
/// # Errors
/// When the journal cannot be read, or is another log's.
pub fn names_of(settings: &JournalSettings) -> Result<Vec<String>, JournalFault> {
    let reader = Reader::open(&settings.place)?;
    let name = reader.name_from(&settings.log_origin)?;
    let before = reader.logs_closed()?.pop().filter(|(_, close)| close.next == name);
    Ok([name].into_iter().chain(before.map(|(_, close)| close.log)).collect())
}

/// What our own keys ever signed, or may have signed before an older copy of the journal was put back: for judging whether what a witness or the head file
/// holds is ours. The journal need not be open.
///
/// # Errors
/// When the journal cannot be read, or no seed is that of its log.
pub fn own_trust(settings: &JournalSettings) -> Result<Trust, JournalFault> {
    let reader = Reader::open(&settings.place)?;
    LogSigner::recover(&reader, settings)?.own_trust(settings)
}

/// The keys of the log within their sizes, and others of it that this copy of the log does not know, or of which it does not know that they ended. Of
/// several, one signature is enough.
pub(super) fn own_keys(known: &LogKeys, others: impl IntoIterator<Item = KeySpan>) -> Trust {
    let mut spans = known.spans().to_vec();
    for other in others {
        match spans.iter_mut().find(|span| span.key() == other.key()) {
            None => spans.push(other),
            Some(known) if known.until().is_none() && other.until().is_some() => *known = other,
            Some(_) => {}
        }
    }
    Trust::in_keys(spans.into_iter().map(KeySpan::lenient))
}

/// The keys of closed volumes without the end that the closing set: an older copy of the journal that was turned does not know what they signed beyond it.
/// A key that was retired before has its end.
fn unended(past: &[KeySpan]) -> impl Iterator<Item = KeySpan> {
    past.iter().map(|span| {
        let same = past.iter().filter(|other| other.key().name() == span.key().name());
        let closed = same.filter_map(KeySpan::until).max();
        let unended = KeySpan::between(span.key().clone(), span.from(), None);
        unended
            .filter(|_| span.until() == closed)
            .unwrap_or_else(|| span.clone())
    })
}

/// For the log's keys.
impl Journal {
    /// Name of the log, or of the volume that is written: its address without scheme.
    pub fn origin(&self) -> Arc<str> {
        Arc::clone(&self.inner.shared.names().origin)
    }

    /// The keys of the log, each with the sizes that it signs. Read it after the checkpoint that is to be opened by it, never before.
    pub fn log_keys(&self) -> Arc<LogKeys> {
        Arc::clone(&self.inner.shared.names().keys)
    }

    /// The same as what a verifier believes, without witnesses; with the keys of earlier volumes.
    pub fn trust(&self) -> Trust {
        let names = self.inner.shared.names();
        Trust::in_keys(names.keys.spans().iter().chain(names.past.iter()).cloned())
    }

    /// What any key of the log ever signed: for judging whether what a witness holds is ours. A fork by one of two keys that sign is one.
    pub fn own_trust(&self) -> Trust {
        let names = self.inner.shared.names();
        own_keys(&names.keys, unended(&names.past))
    }

    /// Carries out an order about the log's keys; the leaf that says so, under the first checkpoint that is signed otherwise.
    ///
    /// # Errors
    /// [`SealError::Unfit`]: the log would be left without a key, or that key began or ended before; [`SealError::Unavailable`].
    pub async fn turn_key(&self, order: KeyOrder) -> Result<Sealed, SealError> {
        let sealed = self.sealed(Work::Key(order), None).await?;
        sealed.ok_or(SealError::Unavailable)
    }
}

impl Reader {
    /// The `key` leaves of the log of this name, oldest first, with their indices.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn key_leaves(&self, origin: &str) -> Result<Vec<(u64, KeyEvent)>, JournalFault> {
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let rows: Vec<(u64, Vec<u8>)> = self.rows("read the key leaves", statements::KEY_LEAVES, &[], columns)?;
        let mut leaves = Vec::with_capacity(rows.len());
        for (index, bytes) in rows {
            match Leaf::decode(&bytes)?.event {
                // A log that was succeeded has left its own here.
                Event::Key(event) if event.log() == origin => leaves.push((index, event)),
                _ => {}
            }
        }
        Ok(leaves)
    }

    /// The receipt of a `key` leaf for who knows the keys of the log only up to it: under the first checkpoint over it that witnesses signed, when that
    /// lies below `before`, else under the first of all.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn key_receipt(&self, leaf: u64, before: Option<u64>) -> Result<Option<String>, JournalFault> {
        let cosigned = self.first_cosigned(leaf)?;
        let cosigned = cosigned.filter(|one| before.is_none_or(|before| one.size < before));
        match (cosigned, self.leaf(leaf)?) {
            (Some(cosigned), Some(row)) => {
                let note = cosigned.note.as_ref().to_owned();
                Ok(Some(self.prove(row, cosigned.size, note)?.receipt))
            }
            _ => Ok(self.sealed(leaf)?.map(|sealed| sealed.receipt)),
        }
    }
}
