//! Verifying a whole log from its leaves and a signed checkpoint.
//!
//! Takes the leaf bytes in order; gives a report. Refuses at the first leaf that is not canonical, goes back in time, refers to a leaf
//! that is not there, or relays a push twice; and at the end, when the root is not the signed one. Memory: 8 bytes a leaf at most.

use std::collections::{BTreeMap, HashMap};

use crate::checkpoint::Checkpoint;
use crate::leaf::{Event, Leaf, Reference};
use crate::note;
use crate::tree::{Edge, Hash, leaf_hash};
use crate::trust::Trust;

/// What a verified log consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// The checkpoint that signs it.
    pub checkpoint: Checkpoint,
    /// Leaves by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Moment of the first and the last leaf, microseconds UTC.
    pub span: Option<(i64, i64)>,
    /// Pushes that no `relayed` leaf answers yet.
    pub waiting: u64,
    /// Leaves found after the checkpoint, not signed by it.
    pub unsigned: u64,
}

/// Why a log does not verify.
#[derive(Debug, thiserror::Error)]
pub enum LogFault {
    /// The checkpoint is not signed by a trusted log.
    #[error("the checkpoint is not signed by a trusted log")]
    Signature(#[from] note::NoteError),
    /// The signed text is not a checkpoint.
    #[error("the signed text is not a checkpoint")]
    Checkpoint(#[from] crate::checkpoint::NotACheckpoint),
    /// A leaf is wrong.
    #[error("leaf {index}: {what}")]
    Leaf {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        what: String,
    },
    /// There are fewer leaves than the checkpoint signs.
    #[error("the log has {found} leaves, the checkpoint signs {signed}")]
    Short {
        /// Leaves found.
        found: u64,
        /// Leaves signed.
        signed: u64,
    },
    /// The leaves are well formed, but not those that were signed.
    #[error("the root over the leaves is not the signed root: a leaf was changed, swapped, inserted or removed")]
    Root,
}

/// Verifies a log leaf by leaf.
#[derive(Debug)]
pub struct LogVerifier {
    checkpoint: Checkpoint,
    edge: Edge,
    signed_root: Option<Hash>,
    last: Option<i64>,
    first: Option<i64>,
    kinds: BTreeMap<&'static str, u64>,
    waiting: HashMap<u64, Hash>,
}

impl LogVerifier {
    /// Begins with the signed checkpoint.
    ///
    /// # Errors
    /// When it is not signed by a trusted log.
    pub fn new(checkpoint_note: &str, trust: &Trust) -> Result<Self, LogFault> {
        let opened = note::open(checkpoint_note, trust.logs())?;
        let checkpoint = Checkpoint::parse(opened.text)?;
        let edge = Edge::empty();
        let signed_root = (checkpoint.size == 0).then(|| edge.root());
        Ok(Self {
            checkpoint,
            edge,
            signed_root,
            last: None,
            first: None,
            kinds: BTreeMap::new(),
            waiting: HashMap::new(),
        })
    }

    /// Size that the checkpoint signs.
    pub fn signed_size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Takes the next leaf.
    ///
    /// # Errors
    /// [`LogFault::Leaf`] with its index.
    pub fn leaf(&mut self, bytes: &[u8]) -> Result<(), LogFault> {
        let index = self.edge.size();
        let fault = |what: String| LogFault::Leaf { index, what };
        let leaf = Leaf::decode(bytes).map_err(|error| fault(error.to_string()))?;
        if self.last.is_some_and(|last| leaf.t < last) {
            return Err(fault("its time is before that of the leaf before it".into()));
        }
        self.first.get_or_insert(leaf.t);
        self.last = Some(leaf.t);
        let hash = leaf_hash(bytes);
        match &leaf.event {
            Event::Push(_) => {
                self.waiting.insert(index, hash);
            }
            Event::Relayed(event) => self.answered(event.of).map_err(fault)?,
            Event::Pull(_)
            | Event::Refusal(_)
            | Event::OfficerQuery(_)
            | Event::Start(_)
            | Event::Stop(_)
            | Event::Certificate(_)
            | Event::Erased(_) => {}
        }
        *self.kinds.entry(leaf.event.kind()).or_default() += 1;
        self.edge.append(hash);
        if self.edge.size() == self.checkpoint.size {
            self.signed_root = Some(self.edge.root());
        }
        Ok(())
    }

    /// A `relayed` leaf must answer exactly one push that came before it.
    fn answered(&mut self, of: Reference) -> Result<(), String> {
        match self.waiting.remove(&of.i) {
            Some(hash) if hash == of.h.0 => Ok(()),
            Some(_) => Err(format!("it names push {} by another hash", of.i)),
            None => Err(format!(
                "it relays leaf {}, which is no push or was relayed before",
                of.i
            )),
        }
    }

    /// Ends the log.
    ///
    /// # Errors
    /// [`LogFault::Short`], [`LogFault::Root`].
    pub fn finish(self) -> Result<LogReport, LogFault> {
        let found = self.edge.size();
        let signed = self.checkpoint.size;
        let root = self.signed_root.ok_or(LogFault::Short { found, signed })?;
        if root != self.checkpoint.root {
            return Err(LogFault::Root);
        }
        Ok(LogReport {
            waiting: u64::try_from(self.waiting.len()).unwrap_or(u64::MAX),
            unsigned: found.saturating_sub(signed),
            span: self.first.zip(self.last),
            kinds: self.kinds,
            checkpoint: self.checkpoint,
        })
    }
}
