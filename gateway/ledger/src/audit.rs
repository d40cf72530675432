//! Verifying a whole log from its leaves and its signed checkpoints.
//!
//! Takes the newest checkpoint, then leaf bytes in order, and older checkpoints when as many leaves were taken as they sign; gives a report. Refuses at the first leaf that
//! is not canonical, goes back in time, follows a `log-close` leaf and is not the `log-open` leaf that belongs to it, does not add up, refers to a leaf that is not there or is of another kind, is a step to an opened record without the step before it, or relays, recalls or erases a push twice;
//! at the first checkpoint that another tree than this signed; at the end when two pushes are one exchange; and leaves that nothing signs.
//!
//! A volume is verified alone when the entries before it are taken by their hashes: they are under the same root, and what they say is not looked at; nor is what
//! later entries say of them, beyond that it is said once.
//!
//! Memory: what `pushes` and `acts` keep, a few bits a leaf and some bytes for each exchange.

mod acts;
mod known;
mod numbers;
mod pushes;
mod succession;

use std::collections::BTreeMap;

use self::acts::Acts;
use self::numbers::Numbers;
use self::pushes::Pushes;
pub use self::pushes::Standing;
use crate::checkpoint::Checkpoint;
use crate::keys::{KeySpan, LogKeys};
use crate::leaf::{Digest, Event, Leaf, LogCloseEvent, LogOpenEvent, StartEvent};
use crate::note::NoteError;
use crate::tree::{Edge, Hash, TileEntry, leaf_hash};
use crate::trust::{Quorum, Trust, Untrusted, Witnessed};

/// What a verified log consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// The newest checkpoint; it signs every leaf.
    pub checkpoint: Checkpoint,
    /// How many checkpoints were verified, the newest included.
    pub checkpoints: u64,
    /// The keys that signed it, as the trust file and its own leaves say: each with its sizes.
    pub keys: Vec<KeySpan>,
    /// The logs that this one succeeds, oldest first: what it says of each, at the index of its own first entry or of the first that is lost.
    pub succeeded: Vec<LogOpenEvent>,
    /// Of those that were closed by plan, when witnesses are asked for: which ones' last checkpoint was not met with their signatures, and its size. The witnesses of a
    /// later one, which knows nothing of the name before, vouch for none of its entries.
    pub unwitnessed_ends: Vec<(String, u64)>,
    /// How it ends, when it is a closed volume.
    pub closed: Option<LogCloseEvent>,
    /// How many entries were taken by their hashes alone: those of earlier volumes.
    pub hashed: u64,
    /// Leaves by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Moment of the first and the last leaf, microseconds UTC.
    pub span: Option<(i64, i64)>,
    /// Which programs sealed it, in the order of their first starts.
    pub programs: Vec<Program>,
    /// The number of the last exchange of each partner: with it he can tell whether he knows of all of them.
    pub partners: BTreeMap<String, u64>,
    /// Pushes that no `relayed`, `recall` or `erased` leaf answers yet, and that no operator gave up.
    pub waiting: u64,
    /// Recalls that no `recalled` leaf answers yet.
    pub recalling: u64,
    /// Whether a checkpoint was met that the witnesses signed whom the trust file asks for.
    pub quorum: Quorum,
    /// The newest checkpoint that known witnesses signed, enough of them: its size, and who.
    pub witnessed: Option<(u64, Witnessed)>,
    /// When witnesses are asked for: the moment of the first entry behind that checkpoint, microseconds UTC; none when it is the newest.
    pub unwitnessed_since: Option<i64>,
}

/// A program that sealed entries from a start on, until another one started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its version, as it says itself.
    pub version: String,
    /// SHA-256 of its file; none: it did not say.
    pub bin: Option<Digest>,
    /// The entry of its first start.
    pub from: u64,
}

impl LogReport {
    /// Whether the witnesses' signatures reach far enough: the entries behind them must all be younger than this before the newest, microseconds. 0: there
    /// must be none. A log that runs always has a few.
    pub fn witnessed_within(&self, us: i64) -> Quorum {
        let last = self.span.map_or(0, |(_, last)| last);
        match (self.quorum, self.unwitnessed_since) {
            (Quorum::Met, Some(since)) if last.saturating_sub(since) >= us => Quorum::Missing,
            (quorum, _) => quorum,
        }
    }

    /// How many entries no quorum signed, when one is asked for.
    pub fn unwitnessed(&self) -> Option<u64> {
        let seen = self.witnessed.as_ref().map_or(0, |(size, _)| *size);
        (self.quorum != Quorum::NotAsked).then(|| self.checkpoint.size.saturating_sub(seen))
    }

    /// The verdict: `proven`; `proven-in-part`, of the entries that the witnesses saw and not of those behind them; or `quorum-missing`.
    pub fn verdict(&self) -> &'static str {
        match (self.quorum, self.unwitnessed()) {
            (Quorum::Met, Some(1..)) => "proven-in-part",
            (Quorum::NotAsked | Quorum::Met, _) => "proven",
            (Quorum::Missing, _) => "quorum-missing",
        }
    }
}

/// Why a log does not verify.
#[derive(Debug, thiserror::Error)]
pub enum LogFault {
    /// A checkpoint is not believed.
    #[error("the checkpoint of size {size} is not believed")]
    Checkpoint {
        /// Leaves taken when it was met; of the newest, which all the keys must be known for: those that an older one vouches for.
        size: u64,
        /// Why.
        #[source]
        source: Untrusted,
    },
    /// There is no checkpoint at all.
    #[error("no checkpoint signs this log")]
    NoCheckpoint,
    /// A leaf is wrong.
    #[error("leaf {index}: {what}")]
    Leaf {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The leaves are well formed, but not those that were signed.
    #[error("a leaf from {from} to {to} was changed, swapped, inserted or removed: the root is not the signed one")]
    Root {
        /// First leaf that no earlier checkpoint vouches for.
        from: u64,
        /// Last leaf under the checkpoint.
        to: u64,
    },
    /// There are fewer leaves than a checkpoint signs.
    #[error("the log has {found} leaves, a checkpoint signs {signed}: the end is missing")]
    Short {
        /// Leaves found.
        found: u64,
        /// Leaves signed.
        signed: u64,
    },
    /// There are more leaves than the newest checkpoint signs.
    #[error("no checkpoint signs the leaves from {from} on")]
    Unsigned {
        /// The first of them.
        from: u64,
    },
}

impl LogFault {
    /// Index of the first leaf that is not proven.
    pub fn index(&self) -> u64 {
        match self {
            Self::NoCheckpoint => 0,
            Self::Checkpoint { size, .. } => size.saturating_sub(1),
            Self::Leaf { index, .. } => *index,
            Self::Short { found, .. } => *found,
            Self::Root { from, .. } | Self::Unsigned { from } => *from,
        }
    }
}

/// A leaf that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What it says.
    pub leaf: Leaf,
    /// The tile entries that it completed, its own hash first: what a store must hold.
    pub entries: Vec<TileEntry>,
}

/// Verifies a log leaf by leaf.
#[derive(Debug)]
pub struct LogVerifier {
    trust: Trust,
    /// By the name of the log: one that succeeds another has keys of its own.
    keys: BTreeMap<String, LogKeys>,
    /// Name of the log at this place, once a checkpoint or a leaf said so.
    origin: Option<String>,
    /// Of which log the `key` leaves at this place speak.
    turned: Option<String>,
    succeeded: Vec<LogOpenEvent>,
    unwitnessed_ends: Vec<(String, u64)>,
    /// The leaf before this place, when it closed its log.
    closed: Option<LogCloseEvent>,
    /// Entries that were taken by their hashes alone, all before the first leaf.
    hashed: u64,
    /// The log of which the first leaves after those say that it is lost.
    hashed_gap: Option<String>,
    newest: Checkpoint,
    newest_note: String,
    witnessed: Option<(u64, Witnessed)>,
    /// Time of the first leaf behind that checkpoint.
    unwitnessed_since: Option<i64>,
    edge: Edge,
    /// Root when as many leaves were taken as the newest checkpoint signs.
    root: Option<Hash>,
    /// Leaves that a checkpoint on the way vouches for.
    vouched: u64,
    checkpoints: u64,
    /// Size of the one that was counted last.
    counted: Option<u64>,
    span: Option<(i64, i64)>,
    programs: Vec<Program>,
    kinds: BTreeMap<&'static str, u64>,
    pushes: Pushes,
    acts: Acts,
    numbers: Numbers,
}

/// The leaf at hand, and what is known of those before it.
struct At<'e> {
    index: u64,
    hash: Hash,
    event: &'e Event,
    /// So many entries are known by their hashes alone: what they say is not looked at.
    hashed: u64,
}

impl LogVerifier {
    /// Begins with the newest signed checkpoint, before the first leaf. A key that the log itself introduces may have signed it: that is known at
    /// the end only.
    ///
    /// # Errors
    /// [`LogFault::Checkpoint`] when it is not believed, whatever the leaves say.
    pub fn new(newest_note: &str, trust: &Trust) -> Result<Self, LogFault> {
        let newest = match (trust.open(newest_note), Checkpoint::unverified(newest_note)) {
            (Ok(newest), _) => newest,
            (Err(Untrusted::Signature(NoteError::NoKnownSignature) | Untrusted::OutOfSpan { .. }), Ok(newest))
                if !trust.keys_of(&newest.origin).spans().is_empty() =>
            {
                newest
            }
            (Err(source), _) => return Err(LogFault::Checkpoint { size: 0, source }),
        };
        let edge = Edge::empty();
        Ok(Self {
            trust: trust.clone(),
            keys: BTreeMap::new(),
            origin: None,
            turned: None,
            succeeded: Vec::new(),
            unwitnessed_ends: Vec::new(),
            closed: None,
            hashed: 0,
            hashed_gap: None,
            root: (newest.size == 0).then(|| edge.root()),
            newest,
            newest_note: newest_note.to_owned(),
            witnessed: None,
            unwitnessed_since: None,
            edge,
            vouched: 0,
            checkpoints: 0,
            counted: None,
            span: None,
            programs: Vec::new(),
            kinds: BTreeMap::new(),
            pushes: Pushes::default(),
            acts: Acts::default(),
            numbers: Numbers::default(),
        })
    }

    /// Size that the newest checkpoint signs.
    pub fn signed_size(&self) -> u64 {
        self.newest.size
    }

    /// The right edge over the leaves taken so far.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// Where the push at an index stands, as the leaves taken so far say; none: none of them is a push that stands there. A store that has it elsewhere was edited.
    pub fn standing(&self, index: u64) -> Option<Standing> {
        self.pushes.standing(index)
    }

    /// Takes the next leaf.
    ///
    /// # Errors
    /// [`LogFault::Leaf`] with its index.
    pub fn leaf(&mut self, bytes: &[u8]) -> Result<(), LogFault> {
        self.take(bytes).map(drop)
    }

    /// Takes the next leaf and gives what a store must hold beside it.
    ///
    /// # Errors
    /// [`LogFault::Leaf`] with its index.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Taken, LogFault> {
        let index = self.edge.size();
        self.read(index, bytes).map_err(|what| LogFault::Leaf { index, what })
    }

    fn read(&mut self, index: u64, bytes: &[u8]) -> Result<Taken, String> {
        let leaf = Leaf::decode(bytes).map_err(|error| error.to_string())?;
        let (first, last) = self.span.unwrap_or((leaf.t, leaf.t));
        if leaf.t < last {
            return Err("its time is before that of the leaf before it".into());
        }
        let hash = leaf_hash(bytes);
        self.within_gap(index, &leaf.event)?;
        let closed = self.closed.take();
        if let (Some(closed), false) = (&closed, matches!(leaf.event, Event::LogOpen(_))) {
            return Err(format!("`{}` ended with the leaf before it", closed.log));
        }
        self.numbers.take(&leaf)?;
        let (event, hashed) = (&leaf.event, self.hashed);
        let at = At {
            index,
            hash,
            event,
            hashed,
        };
        self.pushes.take(&at)?;
        self.acts.take(&at, &self.pushes)?;
        match &leaf.event {
            Event::Key(event) => self.key_changed(index, event)?,
            Event::LogClose(event) => self.closes(index, event)?,
            Event::LogOpen(event) => match &closed {
                Some(closed) => self.opens(index, event, closed)?,
                None => self.succeeds(index, event)?,
            },
            Event::Start(event) => self.started(index, event)?,
            // What any of these says of others, `pushes` and `acts` have judged.
            Event::Push(_)
            | Event::Relayed(_)
            | Event::SetAside(_)
            | Event::Erased(_)
            | Event::Recall(_)
            | Event::Recalled(_)
            | Event::Operator(_)
            | Event::ReceiptAck(_)
            | Event::Ticket(_)
            | Event::TicketAnswer(_)
            | Event::OfficerQuery(_)
            | Event::OfficerResult(_)
            | Event::OfficerUnseal(_)
            | Event::Pull(_)
            | Event::Compare(_)
            | Event::Refusal(_)
            | Event::Aborted(_)
            | Event::Shred(_)
            | Event::Stop(_)
            | Event::Certificate(_)
            | Event::Config(_)
            | Event::Policy(_)
            | Event::LogGap(_)
            | Event::WitnessGap(_)
            | Event::Clock(_)
            | Event::Full(_) => {}
        }
        self.span = Some((first, leaf.t));
        self.unwitnessed_since.get_or_insert(leaf.t);
        *self.kinds.entry(leaf.event.kind()).or_default() += 1;
        let entries = self.append(hash);
        Ok(Taken { leaf, entries })
    }

    fn append(&mut self, hash: Hash) -> Vec<TileEntry> {
        let entries = self.edge.append(hash);
        if self.edge.size() == self.newest.size {
            self.root = Some(self.edge.root());
        }
        entries
    }

    /// Takes the hash of an entry of an earlier volume in place of its leaf; gives what [`Taken::entries`] does.
    ///
    /// # Errors
    /// [`LogFault::Leaf`] after a leaf: what is missing between leaves is no earlier volume.
    pub fn take_hash(&mut self, hash: Hash) -> Result<Vec<TileEntry>, LogFault> {
        let index = self.edge.size();
        if self.span.is_some() {
            let what = "only its hash is there".into();
            return Err(LogFault::Leaf { index, what });
        }
        self.hashed = index + 1;
        self.numbers.begin_later();
        Ok(self.append(hash))
    }

    /// Opens a checkpoint by the keys of its log, which must be the one that stands here.
    fn open(&mut self, note: &str) -> Result<(Checkpoint, Witnessed), Untrusted> {
        let origin = note.split('\n').next().unwrap_or_default();
        let spans = self.keys_of(origin).spans().to_vec();
        let opened = self.trust.open_by(&spans, note)?;
        match &self.origin {
            Some(here) if here != origin => return Err(Untrusted::OtherLog(origin.to_owned())),
            _ => self.origin = Some(origin.to_owned()),
        }
        Ok(opened)
    }

    /// A start: the log was no shorter than it says, and it was no shorter than its head file said.
    fn started(&mut self, index: u64, event: &StartEvent) -> Result<(), String> {
        let found = event.size;
        if found > index {
            return Err(format!("it found {found} leaves at a start, {index} are there"));
        }
        if let Some(head) = event.head.filter(|head| *head > found) {
            return Err(format!(
                "its head file stated {head} leaves at a start that found {found}"
            ));
        }
        let is_it = |last: &Program| last.version == event.version && last.bin == event.bin;
        if !self.programs.last().is_some_and(is_it) {
            self.programs.push(Program {
                version: event.version.clone(),
                bin: event.bin,
                from: index,
            });
        }
        Ok(())
    }

    /// Takes an older signed checkpoint over exactly the leaves taken so far; gives what it says.
    ///
    /// # Errors
    /// When it is not believed, signs another number of leaves, or another root.
    pub fn checkpoint(&mut self, note: &str) -> Result<Checkpoint, LogFault> {
        let found = self.edge.size();
        let opened = self.open(note);
        let (checkpoint, witnessed) = opened.map_err(|source| LogFault::Checkpoint { size: found, source })?;
        if checkpoint.size > found {
            let signed = checkpoint.size;
            return Err(LogFault::Short { found, signed });
        }
        if checkpoint.size < found || checkpoint.root != self.edge.root() {
            return Err(self.changed(found));
        }
        // The newest is counted at the end.
        // One that witnesses signed stands beside the log's own.
        if checkpoint != self.newest && self.counted != Some(found) {
            self.checkpoints += 1;
            self.counted = Some(found);
        }
        self.vouched = found;
        self.seen(found, witnessed);
        Ok(checkpoint)
    }

    /// Whether a checkpoint over exactly the entries taken so far, which was believed elsewhere, signs their root. For entries taken by their hashes: of
    /// which volume they are, and so whose checkpoint it must be, no leaf says.
    ///
    /// # Errors
    /// [`LogFault::Root`].
    pub fn has_root(&self, root: &Hash) -> Result<(), LogFault> {
        if *root == self.edge.root() {
            return Ok(());
        }
        Err(self.changed(self.edge.size()))
    }

    /// Keeps the newest checkpoint that enough witnesses signed.
    fn seen(&mut self, size: u64, witnessed: Witnessed) {
        let enough = witnessed.quorum != Quorum::Missing && !witnessed.by.is_empty();
        if enough && self.witnessed.as_ref().is_none_or(|(seen, _)| *seen <= size) {
            self.witnessed = Some((size, witnessed));
            self.unwitnessed_since = None;
        }
    }

    fn changed(&self, size: u64) -> LogFault {
        let to = size.saturating_sub(1);
        let from = self.vouched.min(to);
        LogFault::Root { from, to }
    }

    /// Ends the log.
    ///
    /// # Errors
    /// [`LogFault::Checkpoint`] when no key that signs here signed the newest one, [`LogFault::Short`], [`LogFault::Root`], [`LogFault::Unsigned`].
    pub fn finish(mut self) -> Result<LogReport, LogFault> {
        let newest = self.newest_note.clone();
        let opened = self.open(&newest);
        let (_, by_newest) = opened.map_err(|source| LogFault::Checkpoint {
            size: self.vouched,
            source,
        })?;
        if self.turned.as_ref().is_some_and(|turned| *turned != self.newest.origin) {
            return Err(LogFault::Checkpoint {
                size: self.vouched,
                source: Untrusted::OtherLog(self.newest.origin.clone()),
            });
        }
        let (found, signed) = (self.edge.size(), self.newest.size);
        match self.root {
            None => return Err(LogFault::Short { found, signed }),
            Some(root) if root != self.newest.root => return Err(self.changed(signed)),
            Some(_) if found > signed => return Err(LogFault::Unsigned { from: signed }),
            Some(_) => {}
        }
        if let Some(last) = self.succeeded.last().filter(|last| found < last.size) {
            let what = format!(
                "entries of `{}` up to {} are lost, and no leaf says so",
                last.of, last.size
            );
            return Err(LogFault::Leaf { index: found, what });
        }
        // What was taken by its hash belongs to volumes before this one, which begins where its own leaf says so.
        let alone = self.succeeded.last().is_some_and(|last| last.log == self.newest.origin);
        if self.hashed > 0 && !alone {
            let what = format!(
                "of the entries up to {} only hashes are there, and `{}` does not begin after them",
                self.hashed, self.newest.origin
            );
            return Err(LogFault::Leaf { index: 0, what });
        }
        let (waiting, recalling) = (self.pushes.waiting(), self.pushes.recalling());
        if let Some(index) = std::mem::take(&mut self.pushes).first_repeated() {
            let what = "an earlier push has the same exchange".into();
            return Err(LogFault::Leaf { index, what });
        }
        self.seen(signed, by_newest);
        let quorum = match (self.trust.quorum(), &self.witnessed) {
            (None, _) => Quorum::NotAsked,
            (Some(_), Some(_)) => Quorum::Met,
            (Some(_), None) => Quorum::Missing,
        };
        let origin = self.newest.origin.clone();
        Ok(LogReport {
            keys: self.keys_of(&origin).spans().to_vec(),
            succeeded: self.succeeded,
            unwitnessed_ends: self.unwitnessed_ends,
            closed: self.closed,
            hashed: self.hashed,
            partners: self.numbers.into_last(),
            quorum,
            witnessed: self.witnessed,
            unwitnessed_since: self.unwitnessed_since.filter(|_| quorum != Quorum::NotAsked),
            waiting,
            recalling,
            span: self.span,
            programs: self.programs,
            kinds: self.kinds,
            checkpoints: self.checkpoints + 1,
            checkpoint: self.newest,
        })
    }
}

/// Verifies the leaves of a log under its newest checkpoint.
///
/// # Errors
/// See [`LogFault`].
pub fn verify_log<L: AsRef<[u8]>>(
    leaves: impl IntoIterator<Item = L>,
    checkpoint: &str,
    trust: &Trust,
) -> Result<LogReport, LogFault> {
    let mut verifier = LogVerifier::new(checkpoint, trust)?;
    for leaf in leaves {
        verifier.leaf(leaf.as_ref())?;
    }
    verifier.finish()
}

#[cfg(test)]
mod tests;
