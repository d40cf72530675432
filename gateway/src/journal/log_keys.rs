//! The keys that sign this log, and how they change.
//!
//! Takes the seeds at hand and the `key` leaves of the log; gives what signs the next checkpoint. Refuses to open a journal whose log is signed by a
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
use super::sequencer::Work;
use super::settings::JournalSettings;
use super::sqlite::{self, unsigned};
use super::views::{Reader, collect};

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
}

impl LogSigner {
    /// Of a log that has no leaf yet.
    pub(super) fn first(settings: &JournalSettings) -> Result<Self, JournalFault> {
        let signing: Vec<Arc<SigningKey>> = seeds(settings)?.into_iter().take(1).collect();
        let keys = LogKeys::of(signing.iter().map(|key| key.verifying_key().into()));
        let origin = settings.log_origin.as_str().into();
        Ok(Self { origin, signing, keys })
    }

    /// Of the log of this journal.
    pub(super) fn recover(reader: &Reader, settings: &JournalSettings) -> Result<Self, JournalFault> {
        let (seeds, newest) = (seeds(settings)?, reader.checkpoint()?);
        let keys = keys_of(reader, &settings.log_origin, &seeds, &newest).map_err(|fault| match fault {
            Unknown::Journal(fault) => fault,
            Unknown::Key(source) => JournalFault::LogKey {
                origin: settings.log_origin.clone(),
                source,
            },
        })?;
        let size = Checkpoint::unverified(&newest).map_err(|_| JournalFault::damaged("its checkpoint is not one"))?;
        let mut signing = Vec::new();
        for key in keys.at(size.size) {
            let seed = seeds.iter().find(|seed| seed.verifying_key() == *key);
            signing.push(Arc::clone(seed.ok_or_else(|| JournalFault::NoSeed(key.short()))?));
        }
        let origin = settings.log_origin.as_str().into();
        Ok(Self { origin, signing, keys })
    }

    /// Of a log that succeeds this one: the newest of its keys, under the new name.
    pub(super) fn successor(&self, settings: &JournalSettings) -> Result<Self, JournalFault> {
        let newest = self.signing.last().map(|key| key.verifying_key());
        let old = JournalSettings {
            log_origin: self.origin.as_ref().to_owned(),
            ..settings.clone()
        };
        let place = seeds(&old)?
            .iter()
            .position(|seed| Some(seed.verifying_key()) == newest);
        let key = place.and_then(|place| seeds(settings).ok()?.into_iter().nth(place));
        let key = key.ok_or_else(|| JournalFault::NoSeed(settings.log_origin.clone()))?;
        let origin = settings.log_origin.as_str().into();
        let keys = LogKeys::of([key.verifying_key().into()]);
        let signing = vec![key];
        Ok(Self { origin, signing, keys })
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn keys(&self) -> &LogKeys {
        &self.keys
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

fn seeds(settings: &JournalSettings) -> Result<Vec<Arc<SigningKey>>, JournalFault> {
    let seeds = settings.log_seeds.iter();
    let keys = seeds.map(|seed| SigningKey::from_seed(&settings.log_origin, seed.bytes()).map(Arc::new));
    keys.collect::<Result<_, _>>().map_err(|source| JournalFault::LogKey {
        origin: settings.log_origin.clone(),
        source,
    })
}

/// Why it is not known which keys a log has.
enum Unknown {
    Journal(JournalFault),
    Key(NoteError),
}

impl From<JournalFault> for Unknown {
    fn from(fault: JournalFault) -> Self {
        Self::Journal(fault)
    }
}

/// What the log says of its keys. The first of them is named by the first change; without one it is that of our seeds which signed the newest checkpoint.
fn keys_of(reader: &Reader, origin: &str, seeds: &[Arc<SigningKey>], newest: &str) -> Result<LogKeys, Unknown> {
    let leaves = reader.key_leaves(origin)?;
    let first = if let Some((_, event)) = leaves.first() {
        VerifyingKey::parse(&event.of).map_err(|_| JournalFault::damaged("its first `key` leaf names no key"))?
    } else {
        let mut fault = NoteError::NoKnownSignature;
        let signer = seeds.iter().map(|seed| seed.verifying_key()).find(|key| {
            let opened = note::open(newest, std::slice::from_ref(key));
            opened.map_err(|error| fault = error).is_ok()
        });
        signer.ok_or(Unknown::Key(fault))?
    };
    let mut keys = LogKeys::of([first.into()]);
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
    let reader = Reader::open(&settings.database)?;
    Ok(LogSigner::recover(&reader, settings)?.keys)
}

/// What our own keys ever signed, or may have signed before an older copy of the journal was put back: for judging whether what a witness or the head file
/// holds is ours. The journal need not be open.
///
/// # Errors
/// When the journal cannot be read, or no seed is that of its log.
pub fn own_trust(settings: &JournalSettings) -> Result<Trust, JournalFault> {
    let reader = Reader::open(&settings.database)?;
    let signer = LogSigner::recover(&reader, settings)?;
    Ok(Trust::in_keys(own_spans(&signer, settings)?))
}

/// The keys of the log within their sizes, and those of seeds that this log does not know.
pub(super) fn own_spans(signer: &LogSigner, settings: &JournalSettings) -> Result<Vec<KeySpan>, JournalFault> {
    let known = signer.keys().spans();
    let mut spans: Vec<KeySpan> = known.iter().cloned().map(KeySpan::lenient).collect();
    for seed in seeds(settings)? {
        let key = seed.verifying_key();
        if !known.iter().any(|span| *span.key() == key) {
            spans.push(key.into());
        }
    }
    Ok(spans)
}

/// For the log's keys.
impl Journal {
    /// Name of the log: its address without scheme.
    pub fn origin(&self) -> &str {
        &self.inner.origin
    }

    /// The keys of the log, each with the sizes that it signs. Read it after the checkpoint that is to be opened by it, never before.
    pub fn log_keys(&self) -> Arc<LogKeys> {
        self.inner.shared.log_keys()
    }

    /// The same as what a verifier believes, without witnesses.
    pub fn trust(&self) -> Trust {
        Trust::in_keys(self.log_keys().spans().to_vec())
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
        let mut find = self.prepared(sqlite::KEY_LEAVES)?;
        let rows = find.query_map([], |row| Ok((unsigned(row.get(0)?), row.get(1)?)));
        let rows: Vec<(u64, Vec<u8>)> = collect(rows, "read the key leaves")?;
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
