//! Copying the write-ahead log back into the database, beside the sequencer.
//!
//! At a start copies back what a process left that was killed. Takes a hint that much was written; copies back what is committed on a connection and a thread of its own, so that no waiter waits for the
//! disk meanwhile. Gives word when little is left; that little the sequencer copies itself, between two groups, because only while nobody
//! writes can the log begin anew. A failed write or fsync raises the stop flag: what is on disk is then read anew at the next start.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::fault::JournalFault;
use super::shared::Shared;
use super::store::{SqliteStore, Stored, copy_back, open_copier};
use crate::chain::Chain;

/// What one transaction writes beside its entries: about a dozen pages.
const GROUP_WAL_BYTES: usize = 48 << 10;
/// The write-ahead log is copied back when about so much was written to it since the last time.
const WAL_BYTES_MAX: usize = 32 << 20;
/// The name of the thread.
const THREAD: &str = "journal-copyback";
/// The second pass copies what was written during the first.
const PASSES: usize = 2;

/// The sequencer's end. Dropped, it waits until the thread has closed its connection.
pub(super) struct CopyBack {
    hints: Option<SyncSender<()>>,
    /// Most was copied; set by the thread, taken by the sequencer.
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Bytes written since the last hint, about.
    written: usize,
}

impl CopyBack {
    pub(super) fn start(database: &Path, shared: Arc<Shared>) -> Result<Self, JournalFault> {
        let connection = open_copier(database)?;
        left_before(database, &connection)?;
        // One hint waits at most: a second says nothing new.
        let (hints, received) = sync_channel(1);
        let done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&done);
        let thread = std::thread::Builder::new().name(THREAD.into());
        let thread = thread.spawn(move || copy(&connection, &received, &flag, &shared));
        Ok(Self {
            hints: Some(hints),
            done,
            thread: Some(thread.map_err(|_| JournalFault::Worker)?),
            written: 0,
        })
    }

    /// A group with entries of so many bytes was committed.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += GROUP_WAL_BYTES + 2 * bytes;
    }

    /// All of the log is to be copied as soon as may be.
    pub(super) fn urge(&mut self) {
        self.written = WAL_BYTES_MAX;
    }

    /// Between two groups: gives the copier a hint when much was written, and copies what it left.
    ///
    /// # Errors
    /// As a write of a group.
    pub(super) fn when_due(&mut self, store: &SqliteStore) -> Stored<()> {
        if self.written >= WAL_BYTES_MAX {
            self.written = 0;
            self.hint();
        }
        if !self.is_done() {
            return Ok(());
        }
        copy_back(&store.connection)
    }

    fn hint(&self) {
        if let Some(hints) = &self.hints {
            // Full: it is at work already.
            let _ = hints.try_send(());
        }
    }

    /// Whether little is left to copy; true once for each hint.
    fn is_done(&self) -> bool {
        self.done.swap(false, Ordering::Relaxed)
    }
}

impl Drop for CopyBack {
    fn drop(&mut self) {
        self.hints = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Copies back what an earlier process left. One that is killed again and again before it has written much would leave all of it to the next, so that
/// each start read more than the last.
fn left_before(database: &Path, connection: &Connection) -> Result<(), JournalFault> {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let bytes = std::fs::metadata(&log).map_or(0, |log| log.len());
    if usize::try_from(bytes).is_ok_and(|bytes| bytes < WAL_BYTES_MAX) {
        return Ok(());
    }
    match copy_back(connection) {
        Err(error) if error.is_full() => {
            tracing::warn!(error = %Chain(&error), "the disk is full: the journal's write-ahead log waits to be copied back");
            Ok(())
        }
        copied => copied.map_err(JournalFault::store("copy back the write-ahead log")),
    }
}

fn copy(connection: &Connection, hints: &Receiver<()>, done: &AtomicBool, shared: &Shared) {
    while hints.recv().is_ok() {
        for _ in 0..PASSES {
            if let Err(error) = copy_back(connection) {
                // The database could not grow: what is in the log is in it still, and a commit that finds no room says so for itself.
                if error.is_full() {
                    tracing::warn!(error = %Chain(&error), "the disk is full: the journal's write-ahead log waits to be copied back");
                    break;
                }
                tracing::error!(error = %Chain(&error), "the journal's write-ahead log cannot be copied back");
                shared.failed.send_replace(true);
                return;
            }
        }
        done.store(true, Ordering::Relaxed);
    }
}
