//! What the sequencer publishes to every handle: the newest checkpoint, the backlog, the stop flag.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use super::bounds::Uploads;
use super::commits::Commits;
use super::volumes::Names;

/// How much waits for the relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Exchanges that wait or are set aside.
    pub exchanges: u64,
    /// Their encrypted bytes.
    pub bytes: u64,
    /// Recalls that the registry has not carried out.
    pub recalls: u64,
    /// When the oldest that waits was sealed, microseconds UTC.
    pub oldest_us: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) checkpoint: RwLock<Arc<str>>,
    /// Replaced before the first checkpoint that is signed by its keys, so that who reads them after it can open it.
    pub(super) names: RwLock<Arc<Names>>,
    pub(super) backlog: BacklogCounters,
    /// What lies beside it and is not sealed yet.
    pub(super) uploads: Uploads,
    /// Partners of whom a batch waits for longer than any may.
    pub(super) overdue: RwLock<Vec<String>>,
    /// Whether what is asked of the sequencer goes in.
    pub(super) commits: Commits,
    pub(super) failed: watch::Sender<bool>,
    /// The last look for what is old left some of it.
    pub(super) prune_on: AtomicBool,
}

impl Shared {
    /// The newest signed checkpoint.
    pub(super) fn checkpoint(&self) -> String {
        let newest = self.checkpoint.read().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().to_owned()
    }

    /// Partners of whom a batch waits for longer than any may.
    pub(super) fn overdue(&self) -> RwLockReadGuard<'_, Vec<String>> {
        self.overdue.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_overdue(&self, partners: Vec<String>) {
        *self.overdue.write().unwrap_or_else(PoisonError::into_inner) = partners;
    }

    /// Names and keys of the log and its volumes.
    pub(super) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Written by the sequencer only; read by `admit` for every push.
#[derive(Debug, Default)]
pub(super) struct BacklogCounters {
    exchanges: AtomicU64,
    bytes: AtomicU64,
    recalls: AtomicU64,
    oldest_us: AtomicI64,
    /// How often something moved.
    moves: AtomicU64,
    /// Bytes of each partner that has something there.
    partners: RwLock<HashMap<String, u64>>,
}

/// What a group brought into the inbox and took out of it.
#[derive(Debug, Default)]
pub(super) struct InboxMoves {
    exchanges: i64,
    /// Recalls that came, less those that were carried out.
    recalls: i64,
    /// Partner and bytes, negative for what left.
    bytes: Vec<(String, i64)>,
    /// The oldest that waits may be another one now.
    shifted: bool,
}

impl InboxMoves {
    pub(super) fn entered(&mut self, partner: &str, bytes: u64) {
        self.exchanges += 1;
        self.bytes.push((partner.to_owned(), bytes.cast_signed()));
        self.shifted = true;
    }

    pub(super) fn left(&mut self, partner: &str, bytes: u64) {
        self.exchanges -= 1;
        self.bytes.push((partner.to_owned(), -bytes.cast_signed()));
        self.shifted = true;
    }

    /// A batch is to leave the registry.
    pub(super) fn recalled(&mut self) {
        self.recalls += 1;
        self.shifted = true;
    }

    /// It has.
    pub(super) fn undone(&mut self) {
        self.recalls -= 1;
        self.shifted = true;
    }

    /// Something in the inbox has another state.
    pub(super) fn shifted(&mut self) {
        self.shifted = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.shifted
    }
}

impl BacklogCounters {
    /// Exchanges in all, bytes by partner; recalls that are not carried out.
    pub(super) fn new(exchanges: u64, partners: HashMap<String, u64>, recalls: u64, oldest_us: i64) -> Self {
        Self {
            exchanges: exchanges.into(),
            bytes: partners.values().sum::<u64>().into(),
            recalls: recalls.into(),
            oldest_us: oldest_us.into(),
            moves: AtomicU64::default(),
            partners: partners.into(),
        }
    }

    pub(super) fn add(&self, moves: &InboxMoves) {
        // One writer, so load and store do not race; a reader may see one figure before the other.
        let sum = |counter: &AtomicU64, by: i64| {
            counter.store(
                counter.load(Ordering::Relaxed).saturating_add_signed(by),
                Ordering::Relaxed,
            );
        };
        sum(&self.exchanges, moves.exchanges);
        sum(&self.recalls, moves.recalls);
        sum(&self.moves, 1);
        sum(&self.bytes, moves.bytes.iter().map(|(_, bytes)| bytes).sum());
        let mut partners = self.partners.write().unwrap_or_else(PoisonError::into_inner);
        for (partner, bytes) in &moves.bytes {
            let held = partners.entry(partner.clone()).or_default();
            *held = held.saturating_add_signed(*bytes);
        }
    }

    /// Bytes of one partner that wait or are set aside.
    pub(super) fn of(&self, partner: &str) -> u64 {
        let partners = self.partners.read().unwrap_or_else(PoisonError::into_inner);
        partners.get(partner).copied().unwrap_or(0)
    }

    /// How often something moved in it.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::Relaxed)
    }

    pub(super) fn set_oldest(&self, oldest_us: i64) {
        self.oldest_us.store(oldest_us, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Backlog {
        let oldest_us = self.oldest_us.load(Ordering::Relaxed);
        Backlog {
            exchanges: self.exchanges.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            recalls: self.recalls.load(Ordering::Relaxed),
            oldest_us: (oldest_us > 0).then_some(oldest_us),
        }
    }
}
