//! The journal (交换台账): what was sealed, what waits for the relay, and the answers to repeated keys.
//!
//! Takes entries, gives receipts. What it says is sealed is on disk, in the log and under a signed checkpoint (C3). Refuses (`Unavailable`)
//! when it cannot commit; when it cannot know whether it did, it raises [`Journal::failed`] and the process must stop.
//!
//! | File | What it does |
//! |---|---|
//! | `settings` | how it is opened |
//! | `entry` → `sequencer` → `group` → `proofread` | what is sealed, in which order, what one transaction writes, and whether that is what was hashed |
//! | `copyback` | the write-ahead log back into the database, beside the sequencer |
//! | `payload`, `columns`, `evidence`, `kek` | released parts, encrypted; the commitments to them |
//! | `vault` | evidence records under keys of their own; shredding |
//! | `subjects`, `index` | whom an exchange is about, as keyed tags; finding them |
//! | `idempotency`, `nonces` | the same answer for the same key; a signed request has its effect once |
//! | `inbox` | what the relay takes |
//! | `refusals`, `prune` | staying within bounds |
//! | `cosigned` | checkpoints that witnesses signed, and receipts under them |
//! | `recovery`, `head` | opening: is what is stored what was sealed, and all of it? |
//! | `views`, `readers` | reading |
//! | `deep` | is what lies beside the log what the log commits to? |
//! | `export` | the log as files |
//! | `sqlite` | all SQL |

mod columns;
mod copyback;
mod cosigned;
mod deep;
mod entry;
mod evidence;
mod export;
mod fault;
mod group;
mod head;
mod idempotency;
mod inbox;
mod index;
mod kek;
mod nonces;
mod payload;
mod proofread;
mod prune;
mod readers;
mod recent;
mod recovery;
mod refusals;
mod sequencer;
mod settings;
mod shared;
mod sqlite;
mod subjects;
#[cfg(test)]
mod tests;
mod vault;
mod views;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use rusqlite::params;
use shuguan_ledger::leaf::{Event, OperatorEvent, RelayedEvent, ShredEvent, StartEvent, StopEvent};
use shuguan_ledger::note::{SigningKey, VerifyingKey};
use shuguan_ledger::tile::Tile;
use shuguan_ledger::tree::{Edge, Hash};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

pub use columns::{ColumnDigests, part_digest};
use copyback::CopyBack;
pub use cosigned::Cosigned;
pub use deep::{DeepReport, examine};
pub use entry::{Entry, EventDraft, Idempotency, Nonce, Outcome, Sealed};
pub use evidence::{Evidence, INDEX, QUALITY, opening_of};
pub use export::{ExportError, Exported, export};
pub use fault::{JournalFault, SealError};
pub use idempotency::Known;
use inbox::Opener;
pub use inbox::{CLOSES_TOO_MUCH, InboxItem, Lane, PushKind, SetAside};
pub use nonces::Seen;
pub use payload::{PayloadWriter, SealedPayload};
pub use refusals::RefusalDraft;
pub use settings::{JournalSettings, Secret};
pub use shared::Backlog;
pub use subjects::{SubjectWriter, Subjects, Tag};
pub use views::{ExchangeView, InboxStanding, LeafRow, Query, ROWS_MAX, Reader, Tally};

use crate::clock::{self, Clock};
use crate::opening::Opening;
use entry::Prepared;
use head::Head;
use kek::{Kek, Kind};
use readers::Readers;
use refusals::Refusals;
use sequencer::{Answer, Job, Sequencer, Target, Work};
use shared::{BacklogCounters, Shared};
use vault::Vault;
use zeroize::Zeroizing;

/// Payloads erased by one call of [`Journal::erase_due`].
const ERASE_BATCH: u32 = 64;
/// How often old idempotency keys, checkpoints and reject reports are looked for.
const PRUNE_EVERY_US: i64 = 60_000_000;

/// A handle to the open journal; cloning it is cheap. When the last one is dropped, the journal closes without a `stop` leaf.
#[derive(Clone, Debug)]
pub struct Journal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// None only while dropping.
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    readers: Readers,
    shared: Arc<Shared>,
    kek: Arc<Kek>,
    vault: Arc<Vault>,
    payloads: Arc<Path>,
    key: VerifyingKey,
    clock: Clock,
    head: Arc<Head>,
    inbox_bytes_max: u64,
    refusals: Mutex<Refusals>,
    pruned_us: Mutex<i64>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The thread ends when the queue is closed and empty; its file and lock are free when this returns.
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Journal {
    /// Makes an empty journal with the checkpoint of the empty tree.
    ///
    /// # Errors
    /// [`JournalFault::Exists`]: a journal is never overwritten.
    pub fn create(settings: &JournalSettings) -> Result<(), JournalFault> {
        let edge = Edge::empty();
        let note = group::checkpoint_note(&log_key(settings)?, &edge).map_err(|source| JournalFault::LogKey {
            origin: settings.log_origin.clone(),
            source,
        })?;
        sqlite::create(&settings.database, &settings.payloads, |connection| {
            connection.execute(sqlite::INSERT_TREE, params![0, edge.encode()])?;
            connection.execute(sqlite::INSERT_CHECKPOINT, params![0, 0, &note])?;
            Ok(())
        })?;
        Head::at(&settings.head).keep(note)?;
        payload::sync_folder(settings.database.parent().unwrap_or(Path::new(".")))
    }

    /// Opens the journal: locks it, proves its newest leaves, removes orphaned payloads, seals the `start` leaf. Blocking.
    ///
    /// # Errors
    /// See [`JournalFault`]; [`JournalFault::Absent`] when there is none, [`JournalFault::Damaged`] when it is not what was sealed,
    /// [`JournalFault::RolledBack`] when it is less than the head file says.
    pub fn open(settings: &JournalSettings, clock: Clock) -> Result<Self, JournalFault> {
        if !settings.database.is_file() {
            return Err(JournalFault::Absent(settings.database.clone()));
        }
        let lock = sqlite::lock(&settings.database)?;
        let connection = sqlite::open_writer(&settings.database, &settings.payloads)?;
        let key = log_key(settings)?;
        let recovered = recovery::recover(&connection, &key)?;
        let head = Arc::new(Head::at(&settings.head));
        head.check(&Reader::open(&settings.database)?, &key.verifying_key())?;
        let orphans = recovery::remove_orphans(&connection, &settings.payloads)?;
        tracing::info!(
            leaf.count = recovered.edge.size(),
            payload.orphans = orphans,
            "journal opened"
        );
        let shared = Arc::new(Shared {
            checkpoint: Arc::<str>::from(recovered.note).into(),
            backlog: backlog(&connection)?,
            failed: watch::Sender::new(false),
        });
        let verifying = key.verifying_key();
        let mut sequencer = Sequencer {
            connection,
            edge: recovered.edge,
            recent: recovered.recent,
            last_t: recovered.last_t,
            key,
            node: settings.node.clone(),
            boot: evidence::hex(&clock::random::<4>()?),
            clock: clock.clone(),
            shared: Arc::clone(&shared),
            rejects_keep_days: settings.rejects_keep_days,
            wal_bytes: 0,
            copier: CopyBack::start(&settings.database, Arc::clone(&shared))?,
            _lock: lock,
        };
        start(&mut sequencer)?;
        let kek = Arc::new(Kek::new(&settings.key_encryption_key)?);
        let vault = Vault::open(
            &settings.key_encryption_key,
            Arc::clone(&kek),
            settings.month_keys.clone(),
            clock.now_us(),
        )?;
        head.keep(shared.checkpoint())?;
        let (queue, jobs) = mpsc::channel(settings.queue_max.max(1));
        let thread = std::thread::Builder::new().name(sequencer::THREAD.into());
        let thread = thread
            .spawn(move || sequencer.run(jobs))
            .map_err(|_| JournalFault::Worker)?;
        Ok(Self {
            inner: Arc::new(Inner {
                queue: Some(queue),
                thread: Some(thread),
                readers: Readers::new(settings.database.clone(), settings.readers_max),
                shared,
                kek,
                vault: Arc::new(vault),
                payloads: settings.payloads.as_path().into(),
                key: verifying,
                clock,
                head,
                inbox_bytes_max: settings.inbox_bytes_max,
                refusals: Mutex::default(),
                pruned_us: Mutex::new(0),
            }),
        })
    }

    /// Seals one entry. When this returns [`Outcome::Sealed`], it is durable and under a signed checkpoint. Cancelling the future does
    /// not undo an entry that is queued; its key finds it.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]: nothing was accepted, or nobody knows; the caller repeats its key.
    pub async fn seal(&self, entry: Entry) -> Result<Outcome, SealError> {
        let exchange = entry.exchange;
        let prepared = entry.prepare(&self.inner.kek, &self.inner.vault, self.inner.clock.now_us())?;
        match self.submit(Work::Seal(Box::new(prepared))).await? {
            // The receipt is written here, not in the sequencer: many waiters, one sequencer.
            Answer::Sealed(leaf) => Ok(Outcome::Sealed(Sealed::of(leaf, Some(exchange)))),
            Answer::Placed { leaf, size } => self.sealed_at(leaf, size).await.map(Outcome::Sealed),
            Answer::Known { leaf, size } => self.sealed_at(leaf, size).await.map(Outcome::Repeated),
            Answer::KeyReused => Ok(Outcome::KeyReused),
            Answer::Replayed => Ok(Outcome::Replayed),
            Answer::Done | Answer::NotSo => Err(SealError::Unfit("no such answer to an entry".into())),
        }
    }

    /// What is known about an idempotency key, before a body is read for it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn idempotent(&self, tag: [u8; 32], content: [u8; 32]) -> Result<Option<Known>, JournalFault> {
        self.read(move |reader| reader.idempotent(tag, content)).await
    }

    /// Whether a nonce was used before, and what is known about the idempotency key that came with it: one look for both.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn before(
        &self,
        tag: [u8; 32],
        content: [u8; 32],
        nonce: Option<Nonce>,
    ) -> Result<(Seen, Option<Known>), JournalFault> {
        self.read(move |reader| {
            let seen = nonce.map_or(Ok(Seen::Here), |nonce| reader.nonce_seen(&nonce))?;
            Ok((seen, reader.idempotent(tag, content)?))
        })
        .await
    }

    /// Remembers the nonce of a repeat that is answered without being sealed; false: it was used by another request.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn remember(&self, nonce: Nonce) -> Result<bool, SealError> {
        let answer = self.submit(Work::Remember { nonce }).await?;
        Ok(!matches!(answer, Answer::Replayed))
    }

    /// Begins the payload of an exchange. Its file, if it needs one, is removed when the payload is not sealed.
    ///
    /// # Errors
    /// [`JournalFault::Column`] for a column type that the evidence has no form for.
    pub fn begin_payload(&self, exchange: Uuid, schema: SchemaRef) -> Result<PayloadWriter, JournalFault> {
        PayloadWriter::begin(exchange, schema, &self.inner.kek, Arc::clone(&self.inner.payloads))
    }

    /// Begins the index of an exchange's subjects. Its file, if it needs one, is removed when the exchange is not sealed.
    pub fn begin_subjects(&self, exchange: Uuid) -> SubjectWriter {
        SubjectWriter::begin(exchange, Arc::clone(&self.inner.payloads))
    }

    /// Seals a refusal, or counts it (design 10.6). None: counted.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; the caller is refused all the same.
    pub async fn refuse(&self, draft: RefusalDraft) -> Result<Option<Sealed>, SealError> {
        let now_us = self.inner.clock.now_us();
        if !self.refusals().admit(&draft, now_us) {
            return Ok(None);
        }
        let prepared = Prepared {
            exchange: draft.exchange,
            ..Prepared::bare(Event::Refusal(draft.event()))
        };
        self.sealed(Work::Seal(Box::new(prepared)), draft.exchange).await
    }

    /// What time demands: the head file, aggregates of refusals of minutes that are over, and old rows away. Call it about once a second.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; the next tick tries again.
    pub async fn tick(&self, now_us: i64) -> Result<(), SealError> {
        self.keep_head().await;
        let due = self.refusals().due(now_us);
        self.seal_aggregates(due).await?;
        let prune = {
            let mut pruned = self.inner.pruned_us.lock().unwrap_or_else(PoisonError::into_inner);
            let due = now_us.saturating_sub(*pruned) >= PRUNE_EVERY_US;
            if due {
                *pruned = now_us;
            }
            due
        };
        if prune {
            self.submit(Work::Prune { now_us }).await?;
        }
        Ok(())
    }

    /// Waits until the journal failed with unknown outcome. The process must end then, with a non-zero code; the next start decides.
    pub async fn failed(&self) {
        let mut failed = self.inner.shared.failed.subscribe();
        // The sender lives as long as this handle.
        let _ = failed.wait_for(|failed| *failed).await;
    }

    /// Seals what was counted and the `stop` leaf, and closes the file. Other handles get [`SealError::Unavailable`] from then on.
    ///
    /// # Errors
    /// [`SealError::Unavailable`] when the leaf could not be sealed.
    pub async fn close(self) -> Result<(), SealError> {
        let counted = self.refusals().all();
        self.seal_aggregates(counted).await?;
        let event = Box::new(Event::Stop(StopEvent {
            reason: "shutdown".into(),
        }));
        self.submit(Work::Close { event }).await?;
        self.keep_head().await;
        Ok(())
    }

    /// Not from the sequencer's thread: an fsync more would hold up every waiter.
    async fn keep_head(&self) {
        let (head, note) = (Arc::clone(&self.inner.head), self.checkpoint());
        // A panic there is one of the disk's; the next second tries again.
        let _ = tokio::task::spawn_blocking(move || head.keep_on(note)).await;
    }

    /// The public half of the log key.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.inner.key
    }

    /// The newest signed checkpoint.
    pub fn checkpoint(&self) -> String {
        self.inner.shared.checkpoint()
    }

    /// What waits for the relay; costs nothing.
    pub fn backlog(&self) -> Backlog {
        self.inner.shared.backlog.read()
    }

    /// Whether the inbox is below its bound.
    pub fn inbox_has_room(&self) -> bool {
        self.backlog().bytes < self.inner.inbox_bytes_max
    }

    fn refusals(&self) -> std::sync::MutexGuard<'_, Refusals> {
        self.inner.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn seal_aggregates(&self, mut events: Vec<shuguan_ledger::leaf::RefusalEvent>) -> Result<(), SealError> {
        while let Some(event) = events.pop() {
            let work = Work::Seal(Box::new(Prepared::bare(Event::Refusal(event.clone()))));
            if let Err(error) = self.submit(work).await {
                events.push(event);
                self.refusals().put_back(events);
                return Err(error);
            }
        }
        Ok(())
    }

    /// A leaf of work that has no key.
    async fn sealed(&self, work: Work, exchange: Option<Uuid>) -> Result<Option<Sealed>, SealError> {
        match self.submit(work).await? {
            Answer::Sealed(leaf) => Ok(Some(Sealed::of(leaf, exchange))),
            Answer::Placed { leaf, size } | Answer::Known { leaf, size } => self.sealed_at(leaf, size).await.map(Some),
            Answer::KeyReused | Answer::Replayed | Answer::Done | Answer::NotSo => Ok(None),
        }
    }

    async fn sealed_at(&self, leaf: u64, size: u64) -> Result<Sealed, SealError> {
        let found = self.read(move |reader| reader.sealed_at(leaf, size)).await?;
        found.ok_or(SealError::Unavailable)
    }

    async fn submit(&self, work: Work) -> Result<Answer, SealError> {
        let bytes = match &work {
            Work::Seal(prepared) => prepared.weight(),
            _ => 1_024,
        };
        let (done, answer) = oneshot::channel();
        let queue = self.inner.queue.as_ref().ok_or(SealError::Unavailable)?;
        // A full queue is an answer, not a place to wait (I4).
        queue
            .try_send(Job { work, bytes, done })
            .map_err(|_| SealError::Unavailable)?;
        answer.await.map_err(|_| SealError::Unavailable)?
    }

    #[cfg(test)]
    async fn limit_pages(&self, more: Option<i64>) {
        let _ = self.submit(Work::LimitPages(more)).await;
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, JournalFault> + Send + 'static,
    ) -> Result<T, JournalFault> {
        self.inner.readers.run(read).await
    }
}

/// For the relay.
impl Journal {
    /// The lanes in which something waits, by name.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn lanes(&self) -> Result<Vec<Lane>, JournalFault> {
        self.read(Reader::lanes).await
    }

    /// The oldest exchanges that wait in a lane: one at least if any does, at most `limit`, and together no more than `bytes_max` bytes. A
    /// payload is opened with its first part, so that a damaged one can be set aside.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn waiting(&self, lane: &str, limit: u32, bytes_max: u64) -> Result<Vec<InboxItem>, JournalFault> {
        let (kek, folder) = (Arc::clone(&self.inner.kek), Arc::clone(&self.inner.payloads));
        let (opener, lane) = (Opener { kek, folder }, lane.to_owned());
        self.read(move |reader| reader.waiting(&lane, limit, bytes_max, &opener))
            .await
    }

    /// Whether an exchange of that partner and record type waits that has an earlier leaf.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn waits_before(&self, item: &InboxItem) -> Result<bool, JournalFault> {
        let (partner, record, leaf) = (item.partner.clone(), item.record.clone(), item.leaf_index);
        self.read(move |reader| reader.waits_before(&partner, &record, leaf))
            .await
    }

    /// The first part of each, in one go.
    ///
    /// # Errors
    /// For each batch on its own, as [`Journal::read_part`]; for all of them when the reading thread is gone.
    pub async fn read_first_parts(
        &self,
        items: &[InboxItem],
    ) -> Result<Vec<Result<RecordBatch, JournalFault>>, JournalFault> {
        let items = items.to_vec();
        let read = move || items.iter().map(|item| item.part(0)).collect();
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| JournalFault::Worker)
    }

    /// Part `n` of a batch, from 0; in order each costs one read. The last one is `item.parts - 1`.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when it was changed or cut.
    pub async fn read_part(&self, item: &InboxItem, n: u32) -> Result<RecordBatch, JournalFault> {
        let item = item.clone();
        let part = tokio::task::spawn_blocking(move || item.part(n)).await;
        part.map_err(|_| JournalFault::Worker)?
    }

    /// Seals the `relayed` leaf and begins the payload's hold. Said twice, the first leaf is the answer.
    ///
    /// # Errors
    /// [`SealError::Unfit`] when the event names another push, or there is none that waits.
    pub async fn relayed(&self, exchange: Uuid, event: RelayedEvent) -> Result<Sealed, SealError> {
        let sealed = self.sealed(Work::Relayed { exchange, event }, Some(exchange)).await?;
        sealed.ok_or_else(|| SealError::Unfit("this exchange does not wait".into()))
    }

    /// Takes a batch out of the relay's way, with a reason code. False: it does not wait.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn set_aside(&self, exchange: Uuid, reason: &str) -> Result<bool, SealError> {
        let reason = reason.to_owned();
        self.done(Work::SetAside { exchange, reason }).await
    }

    /// Lets a batch that was set aside wait again. False: it is not set aside.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn release(&self, exchange: Uuid) -> Result<bool, SealError> {
        self.done(Work::Release { exchange }).await
    }

    /// Gives a batch up, with a reason code; its payload is erased after the hold. False: it neither waits nor is set aside.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn discard(&self, exchange: Uuid, reason: &str) -> Result<bool, SealError> {
        let reason = reason.to_owned();
        self.done(Work::Discard { exchange, reason }).await
    }

    /// Seals an operator's act, and with it lets a batch that is set aside wait again, or gives it up. None: it is not set aside.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn operate(&self, exchange: Option<Uuid>, event: OperatorEvent) -> Result<Option<Sealed>, SealError> {
        self.sealed(Work::Operate { exchange, event }, exchange).await
    }

    /// Batches set aside, oldest first, after the given leaf.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn list_set_aside(&self, after: Option<u64>) -> Result<Vec<SetAside>, JournalFault> {
        self.read(move |reader| reader.set_aside(after)).await
    }

    /// Deletes payload and key of exchanges that were relayed or discarded `hold_us` microseconds ago, each with its `erased` leaf; at
    /// most 64 a call. Gives their number. A crash after the commit leaves a file that nobody can open; the next start removes it.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn erase_due(&self, now_us: i64, hold_us: i64) -> Result<u64, SealError> {
        let before_us = now_us.saturating_sub(hold_us.max(0));
        let due = self.read(move |reader| reader.due(before_us, ERASE_BATCH)).await?;
        let erasing = due
            .iter()
            .map(|exchange| self.sealed(Work::Erase { exchange: *exchange }, Some(*exchange)));
        let mut erased = 0;
        for (result, exchange) in futures_util::future::join_all(erasing).await.into_iter().zip(due) {
            if result?.is_some() {
                erased += 1;
                self.unlink(exchange).await;
            }
        }
        Ok(erased)
    }

    /// Deletes payload and key of an exchange that was relayed or discarded, whatever its hold, with its `erased` leaf. False: there is none, or it
    /// still waits.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn erase(&self, exchange: Uuid) -> Result<bool, SealError> {
        let erased = self.sealed(Work::Erase { exchange }, Some(exchange)).await?;
        if erased.is_some() {
            self.unlink(exchange).await;
        }
        Ok(erased.is_some())
    }

    async fn unlink(&self, exchange: Uuid) {
        let path = sequencer::payload_file(&self.inner.payloads, exchange);
        let removed = tokio::fs::remove_file(&path).await;
        if removed.is_err_and(|error| error.kind() != std::io::ErrorKind::NotFound) {
            tracing::warn!(exchange.id = %exchange, "an erased payload's file cannot be removed; the next start tries again");
        }
    }

    async fn done(&self, work: Work) -> Result<bool, SealError> {
        self.submit(work).await.map(|answer| matches!(answer, Answer::Done))
    }
}

/// For readers.
impl Journal {
    /// The receipt of an exchange's first leaf: for 7 days the same bytes as its answer carried, later perhaps under a newer checkpoint.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn receipt(&self, exchange: Uuid) -> Result<Option<String>, JournalFault> {
        Ok(self.sealed_entry(exchange).await?.map(|sealed| sealed.receipt))
    }

    /// The first leaf of an exchange with its receipt, as it was sealed.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn sealed_entry(&self, exchange: Uuid) -> Result<Option<Sealed>, JournalFault> {
        self.read(move |reader| match reader.leaves_of(exchange)?.first() {
            Some(row) => reader.sealed(row.index),
            None => Ok(None),
        })
        .await
    }

    /// The exchanges of a partner from a leaf on, oldest first, at most 200: each with the leaf that settled a push, both under the newest checkpoint.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn exchanges_of(
        &self,
        partner: String,
        from: u64,
    ) -> Result<Vec<(Sealed, Option<Sealed>)>, JournalFault> {
        self.read(move |reader| reader.exchanges_of(&partner, from)).await
    }

    /// One exchange with all its leaves.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn exchange(&self, exchange: Uuid) -> Result<Option<ExchangeView>, JournalFault> {
        self.read(move |reader| reader.exchange(exchange)).await
    }

    /// The reject report of an exchange, clear NDJSON; none when there were no rejects or they are kept no longer.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when it was changed.
    pub async fn rejects(&self, exchange: Uuid) -> Result<Option<Vec<u8>>, JournalFault> {
        self.unseal(exchange, sqlite::REJECTS, Kind::Rejects).await
    }

    /// The evidence record of an exchange, JSON. For disputes only: with it, commitments can be opened.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when it was changed.
    pub async fn evidence(&self, exchange: Uuid) -> Result<Option<Zeroizing<Vec<u8>>>, JournalFault> {
        let vault = Arc::clone(&self.inner.vault);
        self.read(move |reader| {
            let Some(first) = reader.leaves_of(exchange)?.first().map(|row| row.index) else {
                return Ok(None);
            };
            match reader.evidence_of(first)? {
                Some(stored) => vault.open_record(exchange, &stored),
                None => Ok(None),
            }
        })
        .await
    }

    /// The evidence record of one leaf of an exchange, JSON.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when it was changed.
    pub async fn evidence_at(&self, exchange: Uuid, leaf: u64) -> Result<Option<Zeroizing<Vec<u8>>>, JournalFault> {
        let vault = Arc::clone(&self.inner.vault);
        self.read(move |reader| match reader.evidence_of(leaf)? {
            Some(stored) => vault.open_record(exchange, &stored),
            None => Ok(None),
        })
        .await
    }

    /// Destroys the key of the evidence record of an exchange. None: there is nothing to destroy.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; then nothing was destroyed.
    pub async fn shred_one(&self, exchange: Uuid, event: ShredEvent) -> Result<Option<Sealed>, SealError> {
        let first = self
            .read(move |reader| Ok(reader.leaves_of(exchange)?.first().map(|row| row.index)))
            .await?;
        let Some(leaf) = first else { return Ok(None) };
        let target = Target::Leaf(leaf);
        self.sealed(Work::Shred { target, event }, Some(exchange)).await
    }

    /// Destroys the keys of all evidence records that were sealed before a moment, at most 5,000 a leaf, then the keys of months in which nothing is
    /// left. Gives the leaves.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; what was destroyed before has its leaf.
    pub async fn shred_before(&self, moment_us: i64, event: ShredEvent) -> Result<Vec<Sealed>, SealError> {
        let first_kept = self.read(move |reader| reader.first_since(moment_us)).await?;
        let mut leaves = Vec::new();
        loop {
            let (target, event) = (Target::Before(first_kept), event.clone());
            match self.sealed(Work::Shred { target, event }, None).await? {
                Some(sealed) => leaves.push(sealed),
                None => break,
            }
        }
        let vault = Arc::clone(&self.inner.vault);
        self.read(move |reader| vault.destroy_months(moment_us, &reader.months_in_use()?))
            .await?;
        Ok(leaves)
    }

    /// The quality report of a batch that was read, JSON: counts only. None for any other exchange.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when the evidence record was changed.
    pub async fn quality(&self, exchange: Uuid) -> Result<Option<serde_json::Value>, JournalFault> {
        let evidence = self.evidence(exchange).await?.unwrap_or_default();
        let record: serde_json::Value = serde_json::from_slice(&evidence).unwrap_or_default();
        let report = record.get(QUALITY).and_then(serde_json::Value::as_str);
        Ok(report.and_then(|report| serde_json::from_str(report).ok()))
    }

    /// What opens the columns of a push; none when its evidence record was destroyed, or is of a version that kept no columns.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when the evidence record was changed.
    pub async fn opening(&self, exchange: Uuid) -> Result<Option<Opening>, JournalFault> {
        let record = self.evidence(exchange).await?;
        Ok(record.and_then(|record| opening_of(exchange, &record)))
    }

    async fn unseal(
        &self,
        exchange: Uuid,
        statement: &'static str,
        kind: Kind,
    ) -> Result<Option<Vec<u8>>, JournalFault> {
        let kek = Arc::clone(&self.inner.kek);
        self.read(move |reader| {
            let Some(sealed) = reader.blob_of(exchange, statement)? else {
                return Ok(None);
            };
            Ok(Some(kek.open(kind, exchange, &sealed)?.to_vec()))
        })
        .await
    }

    /// A leaf with its receipt under the newest checkpoint.
    ///
    /// # Errors
    /// When the journal cannot be read, or the hashes on the way to the root are not all there.
    pub async fn sealed_newest(&self, leaf: u64) -> Result<Option<Sealed>, JournalFault> {
        self.read(move |reader| reader.sealed_newest(leaf)).await
    }

    /// Counts of the leaves since a moment, by hour, kind and partner; of the newest 100,000 leaves at most.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn tally(&self, since_us: i64) -> Result<Vec<Tally>, JournalFault> {
        self.read(move |reader| reader.tally(since_us)).await
    }

    /// Leaves that match, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn search(&self, query: Query) -> Result<Vec<LeafRow>, JournalFault> {
        self.read(move |reader| reader.search(&query)).await
    }

    /// One leaf.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn leaf(&self, index: u64) -> Result<Option<LeafRow>, JournalFault> {
        self.read(move |reader| reader.leaf(index)).await
    }

    /// Bytes of the leaves from an index on, at most [`ROWS_MAX`].
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn entries(&self, from: u64, count: u32) -> Result<Vec<Vec<u8>>, JournalFault> {
        self.read(move |reader| reader.entries(from, count)).await
    }

    /// The bytes of a tile or an entry bundle (C2SP tlog-tiles); none while the log is not long enough for it. A partial one is given also when
    /// the full one is there.
    ///
    /// # Errors
    /// When the journal cannot be read, or does not hold what its size says.
    pub async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, JournalFault> {
        self.read(move |reader| reader.tile(tile)).await
    }

    /// Hashes of a tile: `width` of the row at `level`, from `start` on; fewer when there are not as many.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn hashes(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, JournalFault> {
        self.read(move |reader| reader.hashes(level, start, width)).await
    }

    /// Indices of the leaves whose exchange holds a subject, newest first. The caller has sealed an `officer-query` before (C5).
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn by_subject(&self, tags: Vec<Tag>, limit: u32) -> Result<Vec<u64>, JournalFault> {
        let folder = Arc::clone(&self.inner.payloads);
        self.read(move |reader| reader.by_subject(&folder, &tags, limit)).await
    }
}

fn log_key(settings: &JournalSettings) -> Result<SigningKey, JournalFault> {
    let key = SigningKey::from_seed(&settings.log_origin, settings.log_seed.bytes());
    key.map_err(|source| JournalFault::LogKey {
        origin: settings.log_origin.clone(),
        source,
    })
}

fn backlog(connection: &rusqlite::Connection) -> Result<BacklogCounters, JournalFault> {
    let counted = connection.query_row(sqlite::PENDING, [], |row| Ok((row.get(0)?, row.get(1)?)));
    let (exchanges, bytes) = counted.map_err(JournalFault::store("count the inbox"))?;
    let oldest = connection.query_row(sqlite::OLDEST_WAITING, [], |row| row.get(0));
    Ok(BacklogCounters::new(
        sqlite::unsigned(exchanges),
        sqlite::unsigned(bytes),
        oldest.unwrap_or(0),
    ))
}

/// Seals the `start` leaf, on the caller's thread, before the sequencer has its own.
fn start(sequencer: &mut Sequencer) -> Result<(), JournalFault> {
    let event = Event::Start(StartEvent {
        version: env!("CARGO_PKG_VERSION").into(),
        size: sequencer.edge.size(),
    });
    let (done, mut answer) = oneshot::channel();
    let job = Job {
        work: Work::Seal(Box::new(Prepared::bare(event))),
        bytes: 1_024,
        done,
    };
    let committed = sequencer.group(vec![job], false);
    match (committed, answer.try_recv()) {
        (Ok(()), Ok(Ok(Answer::Sealed(_)))) => Ok(()),
        _ => Err(JournalFault::damaged(
            "it cannot be written: no `start` leaf could be sealed",
        )),
    }
}
