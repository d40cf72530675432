//! The keys of one log: which of them signs checkpoints of which sizes.
//!
//! Takes the keys that a verifier begins with and the `key` leaves of the log in their order; gives for each key its span of sizes, and opens
//! checkpoints by that. A new key begins with the checkpoint over its own `new` leaf, which it signs beside the old one; the old one ends with the
//! checkpoint over its `retired` leaf, which it does not sign any more; all of them end with the checkpoint over the log's `log-close` leaf. Refuses a checkpoint that a key of a stated span covers and did not sign, one
//! that only a key beyond its span signed, and leaves that contradict what is known.
//!
//! What a stolen key can do: sign another history of sizes that its span covers. It cannot sign anything at or beyond its end, cannot leave out the
//! key that signs beside it, and what a witness has signed contradicts it.

use crate::checkpoint::{Checkpoint, NotACheckpoint};
use crate::cosignature::{Cosignature, WitnessKey};
use crate::leaf::{KeyEvent, LogCloseEvent, LogOpenEvent};
use crate::note::{self, NoteError, VerifyingKey};
use crate::trust::Untrusted;

/// Suite of the keys that sign today, member `suite` of a `key` leaf.
pub const SUITE: &str = "ed25519";
/// Suite of the keys that sign answers (RFC 9421): a leaf about one says nothing of who signs the log.
pub const RECEIPT_SUITE: &str = "receipt-ed25519";
/// A key begins, member `act` of a `key` leaf.
pub const NEW: &str = "new";
/// A key ends.
pub const RETIRED: &str = "retired";

/// A key and the sizes of the checkpoints that it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpan {
    key: VerifyingKey,
    from: u64,
    until: Option<u64>,
    /// Somebody said so: then it signs every checkpoint of these sizes. Not stated: one such key is enough.
    stated: bool,
}

impl From<VerifyingKey> for KeySpan {
    /// A key of which nobody said where it begins or ends.
    fn from(key: VerifyingKey) -> Self {
        Self {
            key,
            from: 0,
            until: None,
            stated: false,
        }
    }
}

impl KeySpan {
    /// A key that signs every checkpoint from this size on and below `until`; none when no size is between them.
    pub fn between(key: VerifyingKey, from: u64, until: Option<u64>) -> Option<Self> {
        let stated = true;
        until.is_none_or(|until| from < until).then_some(Self {
            key,
            from,
            until,
            stated,
        })
    }

    /// The key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The first size that it signs.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The first size that it signs no more.
    pub fn until(&self) -> Option<u64> {
        self.until
    }

    /// Whether somebody said where it begins or ends.
    pub fn is_stated(&self) -> bool {
        self.stated
    }

    /// Whether it signs a checkpoint of this size.
    pub fn covers(&self, size: u64) -> bool {
        self.from <= size && self.until.is_none_or(|until| size < until)
    }

    /// The same key where one signature of any of them is enough: for who looks at his own disk.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.stated = false;
        self
    }
}

/// The spans as they hold for who learns later that a key ended: of those of one log that have no end, the last to begin must sign, and the others
/// may. Not for who reads the log itself: there each end is known when it comes.
pub fn lasting(spans: &[KeySpan]) -> Vec<KeySpan> {
    let followed = |span: &KeySpan| {
        let later =
            |other: &KeySpan| other.until.is_none() && other.key.name() == span.key.name() && other.from > span.from;
        span.until.is_none() && spans.iter().any(later)
    };
    let spans = spans.iter().map(|span| {
        if followed(span) {
            span.clone().lenient()
        } else {
            span.clone()
        }
    });
    spans.collect()
}

impl LogCloseEvent {
    /// The key that the successor begins with, and the sizes that it signs: from the checkpoint over the `log-open` leaf on, which follows the leaf of
    /// this index. None when what it names is not a key of the successor.
    pub fn successor(&self, index: u64) -> Option<KeySpan> {
        let key = VerifyingKey::parse(&self.key).ok()?;
        let named = key.name() == self.next;
        KeySpan::between(key, index.saturating_add(2), None).filter(|_| named)
    }
}

impl LogOpenEvent {
    /// Whether it opens the volume that the leaf before it names: nothing is lost between the two.
    pub fn is_turn(&self) -> bool {
        self.kept == self.size
    }
}

impl KeyEvent {
    /// Name of the log whose keys it is about.
    pub fn log(&self) -> &str {
        self.key.split('+').next().unwrap_or_default()
    }
}

/// A `key` leaf contradicts what is known of the log's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it changes the log's key, and {0}")]
pub struct KeyFault(pub &'static str);

/// The keys of a log, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogKeys {
    spans: Vec<KeySpan>,
    /// Up to this size every key was known before the log was read: whoever knows that a key ended knows what came after it.
    known_until: u64,
}

impl LogKeys {
    /// The keys that are known before the log is read.
    pub fn of(spans: impl IntoIterator<Item = KeySpan>) -> Self {
        let spans: Vec<KeySpan> = spans.into_iter().collect();
        let known_until = spans.iter().filter_map(|span| span.until).max().unwrap_or(0);
        Self { spans, known_until }
    }

    /// The keys.
    pub fn spans(&self) -> &[KeySpan] {
        &self.spans
    }

    /// Those that have not ended, in the order in which they came.
    pub fn open_ended(&self) -> impl DoubleEndedIterator<Item = &KeySpan> {
        self.spans.iter().filter(|span| span.until.is_none())
    }

    /// Whether it is, or was, one of them.
    pub fn knows(&self, key: &VerifyingKey) -> bool {
        self.spans.iter().any(|span| span.key == *key)
    }

    /// Those that sign a checkpoint of this size.
    pub fn at(&self, size: u64) -> impl Iterator<Item = &VerifyingKey> {
        let there = self.spans.iter().filter(move |span| span.covers(size));
        there.map(|span| &span.key)
    }

    /// Takes the `key` leaf of this index.
    ///
    /// # Errors
    /// [`KeyFault`]; the keys are unchanged then.
    pub fn apply(&mut self, index: u64, event: &KeyEvent) -> Result<(), KeyFault> {
        let size = index.saturating_add(1);
        if event.suite != SUITE {
            return Err(KeyFault("its suite is not known here"));
        }
        if event.from != size {
            return Err(KeyFault("it does not begin with the checkpoint over this very leaf"));
        }
        let vkey = |text: &str| VerifyingKey::parse(text).map_err(|_| KeyFault("what it names is not a key"));
        let (key, of) = (vkey(&event.key)?, vkey(&event.of)?);
        if key == of || key.name() != of.name() {
            return Err(KeyFault("the two keys that it names are not two of one log"));
        }
        let place = |key: &VerifyingKey| self.spans.iter().position(|span| span.key == *key);
        let (place, other) = (place(&key), place(&of));
        let other = other.filter(|other| self.spans.get(*other).is_some_and(|span| span.covers(size)));
        let other = other.ok_or(KeyFault("the key beside it does not sign here"))?;
        let span = match event.act.as_str() {
            NEW => self.begun(place, key, size)?,
            RETIRED => self.ended(place, size)?,
            _ => return Err(KeyFault("it neither begins nor ends one")),
        };
        match place.and_then(|place| self.spans.get_mut(place)) {
            Some(known) => *known = span,
            None => self.spans.push(span),
        }
        if let Some(other) = self.spans.get_mut(other) {
            other.stated = true;
        }
        Ok(())
    }

    /// Whether it was known before the log was read that a key ended after the leaf of this index: then what came after the leaf was known too.
    pub fn known_beyond(&self, index: u64) -> bool {
        index.saturating_add(1) <= self.known_until
    }

    /// Takes the `log-close` leaf of this index: the checkpoint over it is the last that these keys sign.
    ///
    /// # Errors
    /// [`KeyFault`] when it is known that one of them ended later or never began, or that all of them ended before; the keys are unchanged then.
    pub fn close(&mut self, index: u64) -> Result<(), KeyFault> {
        let last = index.saturating_add(1);
        let until = last.saturating_add(1);
        let beyond = |span: &KeySpan| span.from > last || span.until.is_some_and(|end| end > until);
        if self.spans.iter().any(beyond) {
            return Err(KeyFault("one of its keys is known to sign more than it has"));
        }
        if !self.spans.is_empty() && self.at(last).next().is_none() {
            return Err(KeyFault("its keys are known to have ended before"));
        }
        // Of several keys of which nobody said where they begin, each may have been the one: none of them is said to have signed to the end.
        let alone = self.spans.len() == 1;
        for span in self.spans.iter_mut().filter(|span| span.until.is_none()) {
            if span.stated || alone {
                (span.until, span.stated) = (Some(until), true);
            }
        }
        Ok(())
    }

    fn begun(&self, place: Option<usize>, key: VerifyingKey, size: u64) -> Result<KeySpan, KeyFault> {
        let known = place.and_then(|place| self.spans.get(place));
        let until = match known {
            Some(span) if span.stated && span.from != size => {
                return Err(KeyFault("that key began elsewhere"));
            }
            Some(span) => span.until,
            None if size <= self.known_until => {
                return Err(KeyFault("that key is none of those that are known to have signed here"));
            }
            None => None,
        };
        KeySpan::between(key, size, until).ok_or(KeyFault("that key ended before"))
    }

    fn ended(&self, place: Option<usize>, size: u64) -> Result<KeySpan, KeyFault> {
        let known = place.and_then(|place| self.spans.get(place));
        let span = known.ok_or(KeyFault("the key that it ends was never one of this log"))?;
        if span.until.is_some_and(|until| until != size) {
            return Err(KeyFault("that key ended elsewhere"));
        }
        let ended = KeySpan::between(span.key.clone(), span.from, Some(size));
        ended.ok_or(KeyFault("that key begins with this leaf or after it"))
    }

    /// Opens a checkpoint by the keys that sign its size.
    ///
    /// # Errors
    /// See [`Untrusted`].
    pub fn open(&self, checkpoint: &str) -> Result<Checkpoint, Untrusted> {
        open_at(checkpoint, &self.spans, &[]).map(|(checkpoint, _)| checkpoint)
    }
}

/// Opens a checkpoint by the keys that sign its size: one of them at least, and all those of which that was stated.
pub(crate) fn open_at(
    checkpoint: &str,
    spans: &[KeySpan],
    witnesses: &[WitnessKey],
) -> Result<(Checkpoint, Vec<Cosignature>), Untrusted> {
    let text = note::text(checkpoint)?;
    let Ok(stated) = Checkpoint::parse(text) else {
        let all: Vec<VerifyingKey> = spans.iter().map(|span| span.key.clone()).collect();
        note::open(checkpoint, &all)?;
        return Err(NotACheckpoint.into());
    };
    let of_this_log = || spans.iter().filter(|span| span.key.name() == stated.origin);
    let keys = |wanted: &dyn Fn(&KeySpan) -> bool| -> Vec<VerifyingKey> {
        let wanted = of_this_log().filter(|span| wanted(span));
        wanted.map(|span| span.key.clone()).collect()
    };
    let here = keys(&|span| span.covers(stated.size));
    let opened = match note::open_cosigned(checkpoint, &here, witnesses) {
        Ok(opened) => opened,
        Err(NoteError::NoKnownSignature) => {
            let elsewhere = keys(&|span| !span.covers(stated.size));
            let signer = elsewhere
                .iter()
                .find(|key| note::open(checkpoint, std::slice::from_ref(key)).is_ok());
            return Err(signer.map_or(Untrusted::Signature(NoteError::NoKnownSignature), |key| {
                Untrusted::OutOfSpan {
                    key: key.short(),
                    size: stated.size,
                }
            }));
        }
        Err(fault) => return Err(fault.into()),
    };
    if opened.signatures < here.len() {
        for key in keys(&|span| span.stated && span.covers(stated.size)) {
            if note::open(checkpoint, std::slice::from_ref(&key)).is_err() {
                return Err(Untrusted::Unsigned { key: key.short() });
            }
        }
    }
    Ok((stated, opened.cosignatures))
}

#[cfg(test)]
mod tests;
