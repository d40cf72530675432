//! What the sequencer publishes to every handle: the newest checkpoint, the backlog, the stop flag.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use shuguan_ledger::keys::LogKeys;
use tokio::sync::watch;

/// How much waits for the relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Exchanges that wait or are set aside.
    pub exchanges: u64,
    /// Their encrypted bytes.
    pub bytes: u64,
    /// When the oldest that waits was sealed, microseconds UTC.
    pub oldest_us: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) checkpoint: RwLock<Arc<str>>,
    /// Replaced before the first checkpoint that is signed by them, so that who reads them after it can open it.
    pub(super) keys: RwLock<Arc<LogKeys>>,
    pub(super) backlog: BacklogCounters,
    pub(super) failed: watch::Sender<bool>,
}

impl Shared {
    /// The newest signed checkpoint.
    pub(super) fn checkpoint(&self) -> String {
        let newest = self.checkpoint.read().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().to_owned()
    }

    /// The keys of the log.
    pub(super) fn log_keys(&self) -> Arc<LogKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Written by the sequencer only; read by `admit` for every push.
#[derive(Debug, Default)]
pub(super) struct BacklogCounters {
    exchanges: AtomicU64,
    bytes: AtomicU64,
    oldest_us: AtomicI64,
}

impl BacklogCounters {
    pub(super) fn new(exchanges: u64, bytes: u64, oldest_us: i64) -> Self {
        Self {
            exchanges: exchanges.into(),
            bytes: bytes.into(),
            oldest_us: oldest_us.into(),
        }
    }

    pub(super) fn add(&self, exchanges: i64, bytes: i64) {
        // One writer, so load and store do not race; a reader may see one figure before the other.
        let sum = |counter: &AtomicU64, by: i64| {
            counter.store(
                counter.load(Ordering::Relaxed).saturating_add_signed(by),
                Ordering::Relaxed,
            );
        };
        sum(&self.exchanges, exchanges);
        sum(&self.bytes, bytes);
    }

    pub(super) fn set_oldest(&self, oldest_us: i64) {
        self.oldest_us.store(oldest_us, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Backlog {
        let oldest_us = self.oldest_us.load(Ordering::Relaxed);
        Backlog {
            exchanges: self.exchanges.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            oldest_us: (oldest_us > 0).then_some(oldest_us),
        }
    }
}
