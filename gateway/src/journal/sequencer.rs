//! The sequencer: one thread that owns the writing connection and gives each entry its place in the log.
//!
//! Takes all jobs that wait (at most 4,096 entries and 32 MiB), no linger: a slow disk makes bigger groups by itself. Gives each waiter its
//! answer after the commit and never before (I1). Refuses (`Unavailable`) when it cannot commit; when it cannot know whether it did, it
//! raises the stop flag and ends. Where there had been no room, the first group that goes in again begins with a `full` leaf.
//!
//! | Step | What | A crash after it leaves |
//! |---|---|---|
//! | 1 | take what waits | nothing: the waiters' connections break |
//! | 2 | `BEGIN IMMEDIATE`; on PostgreSQL `BEGIN` on the session that holds the lock | nothing |
//! | 3 | for each entry: its nonce and its idempotency key are new, or it is answered without a leaf | nothing |
//! | 4 | time, canonical bytes; rows bound; leaf hash over the bytes to be bound; a copy of the edge | nothing |
//! | 5 | read back what was written and hash it anew (`proofread`); sign the checkpoint of the new size | a signature that nobody has seen |
//! | 6 | tree, checkpoint, idempotency rows | nothing: the transaction rolls back |
//! | 7 | `COMMIT` (WAL, `synchronous=FULL`; `synchronous_commit=on`) | everything; who repeats its key gets the same answer |
//! | 8 | swap the edge, publish the checkpoint | as 7 |
//! | 9 | wake the waiters with the path of their leaf | as 7 |

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use shuguan_ledger::tree::{Edge, Hash, inclusion_path};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::copyback::CopyBack;
use super::fault::SealError;
use super::group::{Given, Group, Place};
use super::log_keys::{KeyOrder, LogSigner};
use super::log_time::LogTime;
use super::numbers::Numbers;
use super::recent::RecentNodes;
use super::shared::Shared;
use super::store::{Store, StoreFault, Stored};
use super::volumes::VolumeOrder;
use super::{prune, statements};
use crate::chain::Chain;
use crate::durable;
use shuguan_ledger::leaf::{Event, FullEvent, OperatorEvent, RecalledEvent, RelayedEvent, ShredEvent};
use shuguan_ledger::time;

/// Most entries in one transaction.
pub(super) const GROUP_ENTRIES_MAX: usize = 4_096;
/// Most bytes in one transaction; one entry alone may be larger.
const GROUP_BYTES_MAX: usize = 32 << 20;

/// What is asked of the sequencer.
#[derive(Debug)]
pub(super) enum Work {
    Seal(Box<super::entry::Prepared>),
    Relayed {
        exchange: Uuid,
        event: RelayedEvent,
    },
    Recalled {
        exchange: Uuid,
        event: RecalledEvent,
    },
    SetAside {
        exchange: Uuid,
        reason: String,
    },
    Operate {
        exchange: Option<Uuid>,
        event: OperatorEvent,
    },
    /// What the registry lost goes to it again, as long as its payload is held.
    FeedAgain {
        exchange: Uuid,
        who: String,
    },
    Erase {
        exchange: Uuid,
    },
    /// Destroys wrapped keys with their evidence records.
    Shred {
        target: Target,
        event: ShredEvent,
    },
    /// Erases payloads before their hold is over.
    ShredPayloads {
        exchanges: Vec<Uuid>,
        event: ShredEvent,
    },
    Remember {
        nonce: super::entry::Nonce,
    },
    Prune {
        now_us: i64,
    },
    /// Whether the journal is there; writes nothing.
    Look,
    Cosigned(super::cosigned::Cosigned),
    /// What plans of a bundle release, before it decides anything.
    KeepPlans(Vec<super::past_plans::KeptPlan>),
    /// A key of the log begins or ends.
    Key(KeyOrder),
    /// The volume ends and the next one begins; in a group of its own, so that every other entry is under a checkpoint of the volume that it stands in.
    TurnVolume(VolumeOrder),
    /// Limits the database to its size and so many pages more, or lifts that.
    #[cfg(test)]
    LimitPages(Option<i64>),
    Close {
        event: Box<Event>,
    },
}

impl Work {
    /// Whether an officer destroys something by it, so that it must be nowhere on disk when he is answered for the last time.
    fn shreds(&self) -> bool {
        matches!(self, Self::Shred { .. } | Self::ShredPayloads { .. })
    }

    fn stands_alone(&self) -> bool {
        matches!(self, Self::TurnVolume(_))
    }
}

/// Whose evidence records are shredded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// That of one leaf.
    Leaf(u64),
    /// Those of the leaves before this one, a bounded number of them.
    Before(u64),
}

/// One piece of work and who waits for it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) bytes: usize,
    pub(super) done: oneshot::Sender<Result<Answer, SealError>>,
}

/// What a waiter is told.
#[derive(Debug)]
pub(super) enum Answer {
    Sealed(SealedLeaf),
    /// It is sealed, but its path was not in memory: the receipt is read from the database.
    Placed {
        leaf: u64,
        size: u64,
    },
    /// The key was used with the same content: the first answer's leaf and checkpoint size.
    Known {
        leaf: u64,
        size: u64,
    },
    KeyReused,
    /// The nonce was used by another request.
    Replayed,
    Done,
    /// The exchange is not in the state that this needs.
    NotSo,
}

/// A leaf with everything that its receipt needs.
#[derive(Debug)]
pub(super) struct SealedLeaf {
    pub(super) index: u64,
    pub(super) hash: Hash,
    pub(super) t: i64,
    pub(super) bytes: Vec<u8>,
    pub(super) path: Vec<Hash>,
    pub(super) size: u64,
    pub(super) note: Arc<str>,
}

/// State of the sequencer's thread.
pub(super) struct Sequencer {
    /// On SQLite. Its connection ends before that of the store.
    pub(super) copier: Option<CopyBack>,
    pub(super) store: Store,
    pub(super) edge: Edge,
    pub(super) recent: RecentNodes,
    pub(super) signer: LogSigner,
    pub(super) numbers: Numbers,
    pub(super) node: String,
    pub(super) boot: String,
    pub(super) time: Arc<LogTime>,
    pub(super) shared: Arc<Shared>,
    pub(super) rejects_keep_days: u32,
}

/// Why a group was not committed.
enum Failed {
    /// Rolled back for certain.
    Back {
        /// Smaller groups will not help.
        full: bool,
        /// The disk is full.
        no_room: bool,
    },
    /// Nobody knows what is on disk: the process must stop and read it anew.
    Unknown,
}

impl Sequencer {
    /// The thread: works until the last handle is gone, the journal is closed, or the outcome of a commit is unknown.
    pub(super) fn run(mut self, mut queue: Receiver<Job>) {
        let _alarm = PanicAlarm(Arc::clone(&self.shared));
        let mut next = None;
        while let Some(first) = next.take().or_else(|| queue.blocking_recv()) {
            self.shared.commits.begins(Instant::now());
            let (jobs, over) = take_group(first, &mut queue);
            next = over;
            #[cfg(test)]
            let jobs = self.limit_pages(jobs);
            let (jobs, close) = split_close(jobs);
            let shreds = jobs.iter().any(|job| job.work.shreds());
            if self.group(jobs, true).is_err() {
                self.stop(queue);
                return;
            }
            if let Some(job) = close {
                self.close(job, queue);
                return;
            }
            if shreds {
                self.empty_log();
            }
            if self.copy_back_when_due().is_err() {
                self.stop(queue);
                return;
            }
            self.shared.commits.rests(Instant::now());
        }
    }

    /// Commits one group and wakes its waiters; halves it once when it cannot be committed, so that one poisonous entry does not fail
    /// its neighbours.
    ///
    /// # Errors
    /// When the outcome is unknown; the waiters were told.
    pub(super) fn group(&mut self, mut jobs: Vec<Job>, halve: bool) -> Result<(), ()> {
        if jobs.is_empty() {
            return Ok(());
        }
        match self.commit(&jobs) {
            Ok(given) => {
                self.wake(jobs, given);
                Ok(())
            }
            Err(Failed::Back { full, no_room }) => {
                let bytes = jobs.iter().map(|job| job.bytes).sum();
                self.shared.commits.failed(no_room.then_some(bytes), Instant::now());
                if halve && !full && jobs.len() > 1 {
                    let second = jobs.split_off(jobs.len() / 2);
                    self.group(jobs, false)?;
                    return self.group(second, false);
                }
                for job in jobs {
                    refuse(job, false);
                }
                Ok(())
            }
            Err(Failed::Unknown) => {
                for job in jobs {
                    refuse(job, true);
                }
                Err(())
            }
        }
    }

    /// Steps 2 to 8.
    fn commit(&mut self, jobs: &[Job]) -> Result<Committed, Failed> {
        let begun = self.store.begin();
        begun.map_err(|error| self.roll_back(&error))?;
        if jobs.iter().all(|job| matches!(job.work, Work::Look)) {
            return self.look(jobs.len());
        }
        let mut group = Group::begin(
            &self.store,
            self.edge.clone(),
            self.time.moment(),
            &self.signer,
            &self.numbers,
        );
        let place = (self.node.as_str(), self.boot.as_str());
        let mut given = Vec::with_capacity(jobs.len());
        let mut written = group.foresee(jobs.iter().map(|job| &job.work));
        let full = self.full_leaf(jobs);
        if let Some(event) = &full {
            written = written.and_then(|()| group.leaf(event, None, None, place).map(drop));
        }
        for job in jobs {
            if written.is_err() {
                break;
            }
            written = self.take(&mut group, &job.work, place).map(|one| given.push(one));
        }
        let finished = written.and_then(|()| group.finish());
        let finished = finished.map_err(|error| self.roll_back(&error))?;
        let committed = self.store.commit();
        committed.map_err(|error| self.roll_back(&error))?;
        let wrote = finished.note.is_some() || jobs.iter().any(|job| matches!(job.work, Work::Remember { .. }));
        self.shared.commits.went_in(wrote);
        if full.is_some() {
            self.shared.commits.said(Instant::now());
        }
        if let Some(copier) = &mut self.copier {
            copier.wrote(jobs.iter().map(|job| job.bytes).sum());
        }
        // From here on the group is durable, and may be seen (I2).
        for leaf in &finished.hashes {
            self.recent.append(*leaf);
        }
        self.edge = finished.edge;
        self.time.sealed(finished.last_t);
        self.numbers.take(finished.numbers);
        if let Some(turned) = finished.turned {
            let mut names = self.shared.names.write().unwrap_or_else(PoisonError::into_inner);
            *names = turned.names();
            drop(names);
            self.signer = turned;
        }
        if let Some(note) = &finished.note {
            let mut newest = self.shared.checkpoint.write().unwrap_or_else(PoisonError::into_inner);
            *newest = Arc::clone(note);
        }
        if !finished.moves.is_empty() {
            self.shared.backlog.add(&finished.moves);
            // Asked after COMMIT: when the session was lost since then, what was known stands until something moves again.
            if let Ok(oldest) = self.store.cell(statements::OLDEST_WAITING, &[]) {
                self.shared.backlog.set_oldest(oldest.unwrap_or(0));
            }
        }
        Ok(Committed {
            given,
            note: finished.note,
        })
    }

    /// What the first group that goes in says of those that had no room before it; no group in which a volume ends, whose leaves stand alone.
    fn full_leaf(&self, jobs: &[Job]) -> Option<Event> {
        if jobs.iter().any(|job| job.work.stands_alone()) {
            return None;
        }
        let last = jobs.iter().any(|job| matches!(job.work, Work::Close { .. }));
        let now = Instant::now();
        let unsaid = self.shared.commits.to_say(now, last)?;
        let ago_us = now.saturating_duration_since(unsaid.since).as_micros();
        let since_us = self
            .time
            .now_us()
            .saturating_sub(i64::try_from(ago_us).unwrap_or(i64::MAX));
        Some(Event::Full(FullEvent {
            since: time::format(since_us),
            cnt: unsaid.groups,
            free: self.free_bytes(),
        }))
    }

    /// What is free beside the journal's file, as far as a leaf can hold the number.
    fn free_bytes(&self) -> Option<u64> {
        let Store::Sqlite(store) = &self.store else { return None };
        let folder = Path::new(store.connection.path()?).parent()?;
        durable::free_bytes(folder).ok().filter(|free| *free < 1 << 53)
    }

    /// Whether the store answers, and with the log as it was left. Without a COMMIT, of which it could not be known whether it happened.
    fn look(&self, jobs: usize) -> Result<Committed, Failed> {
        let size: Stored<u64> = self.store.one(statements::TREE, &[]);
        let looked = size.and_then(|_| self.store.roll_back());
        looked.map_err(|error| self.roll_back(&error))?;
        self.shared.commits.went_in(false);
        Ok(Committed {
            given: std::iter::repeat_with(|| Given::Done).take(jobs).collect(),
            note: None,
        })
    }

    fn take(&self, group: &mut Group<'_>, work: &Work, place: Place<'_>) -> Stored<Given> {
        let given = group.take(work, place)?;
        if let Work::Prune { now_us } = work {
            let more = prune::run(&self.store, *now_us, self.rejects_keep_days)?;
            self.shared.prune_on.store(more, Ordering::Relaxed);
        }
        Ok(given)
    }

    /// Step 9.
    fn wake(&self, jobs: Vec<Job>, committed: Committed) {
        let size = self.edge.size();
        for (mut job, given) in jobs.into_iter().zip(committed.given) {
            let answer = match given {
                Given::Leaf { index, hash, t, bytes } => {
                    keep_file(&mut job.work);
                    let path = inclusion_path(&self.recent, index, size);
                    match (path, &committed.note) {
                        (Ok(path), Some(note)) => Ok(Answer::Sealed(SealedLeaf {
                            index,
                            hash,
                            t,
                            bytes,
                            path,
                            size,
                            note: Arc::clone(note),
                        })),
                        _ => Ok(Answer::Placed { leaf: index, size }),
                    }
                }
                Given::Known { leaf, size: first } => Ok(Answer::Known {
                    leaf,
                    // A key that another entry of this very group used first.
                    size: first.unwrap_or(size),
                }),
                Given::KeyReused => Ok(Answer::KeyReused),
                Given::Replayed => Ok(Answer::Replayed),
                Given::Done => Ok(Answer::Done),
                Given::NotSo => Ok(Answer::NotSo),
                Given::Unfit(what) => Err(SealError::Unfit(what)),
            };
            // A waiter that went away reads its answer by repeating its key.
            let _ = job.done.send(answer);
        }
    }

    /// Rolls back, and says whether that is certain.
    fn roll_back(&self, error: &StoreFault) -> Failed {
        let full = error.is_of_the_store();
        if self.store.roll_back().is_err() {
            tracing::error!(error = %Chain(error), "the journal could not roll back");
            return Failed::Unknown;
        }
        if error.is_lost() {
            tracing::error!(error = %Chain(error), "the journal is not reached; nothing was accepted");
            return Failed::Back { full, no_room: false };
        }
        // After a failed COMMIT the tree row tells whether it happened after all.
        let unchanged = || {
            let stored = self.store.one::<u64>(statements::TREE, &[]);
            stored.is_ok_and(|size| size == self.edge.size())
        };
        if error.is_broken() || !unchanged() {
            tracing::error!(error = %Chain(error), "the journal failed with unknown outcome");
            return Failed::Unknown;
        }
        tracing::error!(error = %Chain(error), full, "the journal could not commit; nothing was accepted");
        let no_room = error.is_full();
        Failed::Back { full, no_room }
    }

    /// Has the write-ahead log copied back into the database, never inside COMMIT, so that a failed fsync is seen.
    fn copy_back_when_due(&mut self) -> Result<(), ()> {
        let (Some(copier), Store::Sqlite(store)) = (&mut self.copier, &self.store) else {
            return Ok(());
        };
        match copier.when_due(store) {
            Ok(()) => Ok(()),
            Err(error) => match self.roll_back(&error) {
                Failed::Back { .. } => Ok(()),
                Failed::Unknown => Err(()),
            },
        }
    }

    /// What was deleted still stands in the write-ahead log: all of it is copied back and the file emptied, as far as no reader stands in the way.
    fn empty_log(&mut self) {
        let Some(copier) = &mut self.copier else { return };
        copier.urge();
        self.store.empty_log();
    }

    fn close(mut self, job: Job, queue: Receiver<Job>) {
        let Job { work, bytes, done } = job;
        let (inner, answer) = oneshot::channel();
        let closed = self.group(
            vec![Job {
                work,
                bytes,
                done: inner,
            }],
            false,
        );
        if closed.is_err() {
            self.stop(queue);
            let _ = done.send(Err(SealError::Unavailable));
            return;
        }
        if let Store::Sqlite(store) = &self.store {
            let _ = store.empty_log();
        }
        refuse_rest(queue);
        // The file and its lock are free when the caller hears of it.
        drop(self);
        let _ = done.send(answer.blocking_recv().unwrap_or(Err(SealError::Unavailable)));
    }

    /// Plays a full disk.
    #[cfg(test)]
    fn limit_pages(&self, jobs: Vec<Job>) -> Vec<Job> {
        let (limits, rest): (Vec<_>, Vec<_>) = jobs
            .into_iter()
            .partition(|job| matches!(job.work, Work::LimitPages(_)));
        for job in limits {
            if let (Work::LimitPages(more), Store::Sqlite(store)) = (job.work, &self.store) {
                store.limit_pages(more);
            }
            let _ = job.done.send(Ok(Answer::Done));
        }
        rest
    }

    fn stop(&self, queue: Receiver<Job>) {
        self.shared.failed.send_replace(true);
        refuse_rest(queue);
    }
}

/// A sequencer that panics leaves nobody who could answer: that stops the process too.
struct PanicAlarm(Arc<Shared>);

impl Drop for PanicAlarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed.send_replace(true);
        }
    }
}

struct Committed {
    given: Vec<Given>,
    note: Option<Arc<str>>,
}

/// Step 1. Gives back the job that was one too many, or that stands alone.
fn take_group(first: Job, queue: &mut Receiver<Job>) -> (Vec<Job>, Option<Job>) {
    let mut bytes = first.bytes;
    let alone = first.work.stands_alone();
    let mut jobs = vec![first];
    while jobs.len() < GROUP_ENTRIES_MAX && !alone {
        let Ok(job) = queue.try_recv() else { break };
        bytes += job.bytes;
        if bytes > GROUP_BYTES_MAX || job.work.stands_alone() {
            return (jobs, Some(job));
        }
        jobs.push(job);
    }
    (jobs, None)
}

/// Closing comes last in its group.
fn split_close(jobs: Vec<Job>) -> (Vec<Job>, Option<Job>) {
    let (mut close, rest): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| matches!(job.work, Work::Close { .. }));
    (rest, close.pop())
}

/// The journal refers to the payload's file from now on.
fn keep_file(work: &mut Work) {
    if let Work::Seal(prepared) = work {
        prepared.keep_file();
    }
}

fn refuse(mut job: Job, may_be_committed: bool) {
    if may_be_committed {
        keep_file(&mut job.work);
    }
    let _ = job.done.send(Err(SealError::Unavailable));
}

fn refuse_rest(mut queue: Receiver<Job>) {
    queue.close();
    while let Ok(job) = queue.try_recv() {
        refuse(job, false);
    }
}

/// The name of the thread.
pub(super) const THREAD: &str = "journal-sequencer";
