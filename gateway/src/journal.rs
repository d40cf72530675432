//! The journal (交换台账): what was sealed, what waits for the relay, and the answers to repeated keys.
//!
//! Takes entries, gives receipts. What it says is sealed is on disk, in the log and under a signed checkpoint (C3). Refuses (`Unavailable`)
//! when it cannot commit; when it cannot know whether it did, it raises [`Journal::failed`] and the process must stop.
//!
//! | File | What it does |
//! |---|---|
//! | `settings` | how it is opened |
//! | `entry` → `sequencer` → `group` → `proofread` | what is sealed, in which order, what one transaction writes, and whether that is what was hashed |
//! | `shared` | what the sequencer tells every handle: the newest checkpoint, the backlog, the stop flag |
//! | `commits` | whether it commits, as of this moment |
//! | `log_time` | the time that the log goes on by |
//! | `numbers` | the number of each exchange among its partner's |
//! | `copyback` | the write-ahead log back into the database, beside the sequencer |
//! | `payload`, `columns`, `evidence`, `packing`, `kek` | released parts, packed and encrypted; the commitments to them |
//! | `vault`, `shredding`, `shreds` | evidence records under keys of their own; destroying those; what the log says is destroyed |
//! | `subjects`, `index` | whom an exchange is about, as keyed tags; finding them |
//! | `idempotency`, `nonces` | the same answer for the same key; a signed request has its effect once |
//! | `inbox`, `relaying` | what the relay takes, and what it and the operator say about it |
//! | `recalls` | batches that were withdrawn |
//! | `spent` | what was used of quotas |
//! | `refusals`, `prune` | staying within bounds |
//! | `cosigned` | checkpoints that witnesses signed, and receipts under them |
//! | `log_keys` | what signs the log, and how that changes |
//! | `receipt_keys` | what signs answers, and since when |
//! | `volumes` | one volume of the log ends and the next begins |
//! | `succession` | an older copy goes on as another log, which says what is lost |
//! | `making` | an empty journal, tables of this version; what stands in the way of that |
//! | `recovery`, `head` | opening: is what is stored what was sealed, and all of it? |
//! | `answers`, `views`, `readers`, `recent` | reading; the newest nodes of the tree in memory |
//! | `kept` | what is left of each push, for whoever compares journal and registry |
//! | `committed`, `requested` | is an opened record what its leaf commits to, and did its request ask for that? |
//! | `written_under` | under which keys was it written, and the index of subjects in which years? |
//! | `resting` | reading what is stored as it is stored, for another program than the gateway |
//! | `deep` | is what lies beside the log what the log commits to? |
//! | `export`, `backup` | the log as files; a copy of the journal while the gateway runs |
//! | `fault` | what it can fail at |
//! | `statements` | all SQL |
//! | `store` | the seam: where the journal lies, and how statements run there |

mod answers;
mod backup;
mod bounds;
mod columns;
mod commits;
mod committed;
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
mod kept;
mod log_keys;
mod log_time;
mod making;
mod next_volume;
mod nonces;
mod numbers;
mod packing;
mod past_plans;
mod payload;
mod proofread;
mod prune;
mod readers;
mod recalls;
mod receipt_keys;
mod recent;
mod recovery;
mod refusals;
mod relaying;
mod requested;
mod resting;
mod sequencer;
mod settings;
mod shared;
mod shredding;
mod shreds;
mod spent;
mod statements;
mod store;
mod subjects;
mod succession;
#[cfg(test)]
mod tests;
mod vault;
mod views;
mod volumes;
mod written_under;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arrow_schema::SchemaRef;
use shuguan_ledger::leaf::{AbortedEvent, Digest, Event, StartEvent, StopEvent};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

pub use backup::{
    DATABASE as BACKUP_DATABASE, EVIDENCE_KEYS as BACKUP_EVIDENCE_KEYS, PAYLOADS as BACKUP_PAYLOADS, backup,
    put_keys_in, snapshot,
};
pub use bounds::Uploading;
pub(crate) use columns::run_lengths;
pub use columns::{ColumnDigests, part_digest};
pub use commits::Committing;
pub use committed::{Borne, borne_out};
use copyback::CopyBack;
pub use cosigned::Cosigned;
pub use deep::{DeepReport, examine};
pub use entry::{Entry, Idempotency, Nonce, Outcome, Sealed};
pub(crate) use evidence::{CONTENT, committed_under};
pub use evidence::{Evidence, INDEX, INDEX_KEYS, MASTER_KEY, QUALITY, opening_of};
pub use export::{ExportError, Exported, Extent, export};
pub use fault::{JournalFault, SealError};
pub use group::Facets;
pub use idempotency::Known;
pub use inbox::{CLOSES_TOO_MUCH, DuePlace, InboxItem, InboxState, Lane, PushKind, RECALLED, SetAside};
pub use kept::{KeptPayload, KeptPush};
pub use log_keys::{KeyOrder, check_head, log_keys_of, names_of, own_trust};
pub use log_time::{ClockStanding, LogTime};
pub use next_volume::{due, is_over, may_follow, proposal};
pub use nonces::Seen;
pub use past_plans::{NotKept, PlanRow};
pub use payload::{PayloadWriter, SealedPayload};
pub use recalls::{KeptRecall, RecallStanding};
pub use receipt_keys::{ReceiptKeySpan, receipt_key_in_force};
pub use refusals::RefusalDraft;
pub use relaying::Erased;
pub use resting::{InboxRow, PAGE, Resting, StoredLeaf};
pub use settings::{JournalPlace, JournalSettings, Secret};
pub use shared::Backlog;
pub use subjects::{SubjectWriter, Subjects, Tag};
pub use succession::{NotSucceeded, Shown, Succession, succeed};
pub use views::{ExchangeView, InboxStanding, LeafRow, Query, ROWS_MAX, Reader, Tally};
pub use volumes::{Closing, NAME_MAX, Volume, VolumeOrder};
pub use written_under::{IndexHistory, WrittenUnder};

use crate::clock::{self, Clock};
use crate::refusal::Refusal;
use entry::Prepared;
use head::Head;
use kek::Kek;
use log_keys::LogSigner;
use numbers::Numbers;
use readers::Readers;
use refusals::Refusals;
use sequencer::{Answer, Job, Sequencer, Work};
use shared::{BacklogCounters, Shared};
use shreds::Shreds;
use store::{Row, Store};
pub use store::{StoreFault, hold};
use vault::Vault;

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
    /// The file of a journal in one.
    database: Option<PathBuf>,
    time: Arc<LogTime>,
    head: Arc<Head>,
    inbox_bytes_max: u64,
    inbox_age_max_us: i64,
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
    /// Opens the journal: locks it, proves its newest leaves, removes orphaned payloads, seals the `start` leaf. Blocking.
    ///
    /// # Errors
    /// See [`JournalFault`]; [`JournalFault::Absent`] when there is none, [`JournalFault::Lost`] when there was one, [`JournalFault::Damaged`] when it is not what was sealed,
    /// [`JournalFault::RolledBack`] when it is less than the head file says.
    pub fn open(settings: &JournalSettings, clock: Clock) -> Result<Self, JournalFault> {
        Self::is_there(settings)?;
        let store = Store::writer(settings)?;
        let reader = Reader::open(&settings.place)?;
        let signer = LogSigner::recover(&reader, settings)?;
        let recovered = recovery::recover(&store, signer.origin(), signer.keys())?;
        let head = Arc::new(Head::at(&settings.head));
        let stated = head.check(&reader, &signer.own_trust(settings)?, settings)?;
        let swept = Shreds::read(&reader)?.sweep(&store)?;
        drop(reader);
        if swept > 0 {
            store.empty_log();
            tracing::warn!(
                evidence.count = swept,
                "evidence records that the log says are destroyed were there again, and are deleted: somebody put an older copy of them back"
            );
        }
        let orphans = recovery::remove_orphans(&store, &settings.payloads)?;
        let beside = settings.place.file().and_then(Path::parent);
        beside
            .into_iter()
            .chain([&*settings.payloads])
            .for_each(commits::clear_room);
        tracing::info!(
            leaf.count = recovered.edge.size(),
            payload.orphans = orphans,
            "journal opened"
        );
        let shared = Arc::new(Shared {
            checkpoint: Arc::<str>::from(recovered.note).into(),
            names: signer.names().into(),
            backlog: backlog(&store)?,
            uploads: bounds::Uploads::default(),
            overdue: std::sync::RwLock::default(),
            commits: commits::Commits::default(),
            failed: watch::Sender::new(false),
            prune_on: std::sync::atomic::AtomicBool::new(false),
        });
        let last = log_time::before(&store, recovered.last.as_ref()).map_err(log_time::unread)?;
        let time = Arc::new(LogTime::start(clock, last, settings.clock_settle_us));
        let copier = settings.place.file();
        let copier = copier.map(|database| CopyBack::start(database, Arc::clone(&shared)));
        let mut sequencer = Sequencer {
            copier: copier.transpose()?,
            numbers: Numbers::of(&store).map_err(JournalFault::store("look for the volume's beginning"))?,
            store,
            edge: recovered.edge,
            recent: recovered.recent,
            signer,
            node: settings.node.clone(),
            boot: evidence::hex(&clock::random::<4>()?),
            time: Arc::clone(&time),
            shared: Arc::clone(&shared),
            rejects_keep_days: settings.rejects_keep_days,
        };
        start(&mut sequencer, stated, settings.program)?;
        let kek = Arc::new(Kek::new(&settings.key_encryption_key)?);
        let vault = Vault::open(
            &settings.key_encryption_key,
            Arc::clone(&kek),
            settings.month_keys.clone(),
            time.now_us(),
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
                readers: Readers::new(settings.place.clone(), settings.readers_max),
                shared,
                kek,
                vault: Arc::new(vault),
                payloads: settings.payloads.as_path().into(),
                database: settings.place.file().map(Path::to_owned),
                time,
                head,
                inbox_bytes_max: settings.inbox_bytes_max,
                inbox_age_max_us: settings.inbox_age_max_us,
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
        let prepared = entry.prepare(&self.inner.kek, &self.inner.vault, self.inner.time.now_us())?;
        let answer = self.submit(Work::Seal(Box::new(prepared))).await?;
        self.outcome(answer, exchange).await
    }

    /// Seals one entry of which nobody wants the receipt. Once it is durable no read can fail, so nobody seals it a second time for want of one.
    ///
    /// # Errors
    /// As [`Journal::seal`].
    pub async fn seal_without_receipt(&self, entry: Entry) -> Result<(), SealError> {
        let prepared = entry.prepare(&self.inner.kek, &self.inner.vault, self.inner.time.now_us())?;
        self.submit(Work::Seal(Box::new(prepared))).await.map(drop)
    }

    async fn outcome(&self, answer: Answer, exchange: Uuid) -> Result<Outcome, SealError> {
        match answer {
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
        let folder = Arc::clone(&self.inner.payloads);
        let writer = PayloadWriter::begin(exchange, schema, &self.inner.kek, folder)?;
        Ok(writer.telling(commits::Teller::of(&self.inner.shared)))
    }

    /// Begins the index of an exchange's subjects. Its file, if it needs one, is removed when the exchange is not sealed.
    pub fn begin_subjects(&self, exchange: Uuid) -> SubjectWriter {
        let writer = SubjectWriter::begin(exchange, Arc::clone(&self.inner.payloads));
        writer.telling(commits::Teller::of(&self.inner.shared))
    }

    /// Seals a refusal, or counts it (design 10.6). None: counted.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; the caller is refused all the same.
    pub async fn refuse(&self, draft: RefusalDraft) -> Result<Option<Sealed>, SealError> {
        let now_us = self.inner.time.now_us();
        if !self.refusals().admit(&draft, now_us) {
            return Ok(None);
        }
        let prepared = Prepared {
            exchange: draft.exchange,
            ..Prepared::bare(Event::Refusal(draft.event()))
        };
        self.sealed(Work::Seal(Box::new(prepared)), draft.exchange).await
    }

    /// Seals that a push was broken off, within the bounds of a refusal for the same reason, as which it is counted beyond them. None: counted.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; nothing was accepted all the same.
    pub async fn abort(&self, event: AbortedEvent) -> Result<Option<Sealed>, SealError> {
        let mut like = RefusalDraft::new(Some(event.p.clone()), Refusal::BodyIncomplete, "push");
        like.record = Some(event.rec.clone());
        if !self.refusals().admit(&like, self.inner.time.now_us()) {
            return Ok(None);
        }
        let exchange = Uuid::parse_str(&event.x).ok();
        let prepared = Prepared {
            exchange,
            ..Prepared::bare(Event::Aborted(event))
        };
        self.sealed(Work::Seal(Box::new(prepared)), exchange).await
    }

    /// What time demands: the head file, aggregates of refusals of minutes that are over, what waits for too long, and old rows away. Call it about once a second.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; the next tick tries again.
    pub async fn tick(&self, now_us: i64) -> Result<(), SealError> {
        self.keep_head().await;
        self.tell_clock().await?;
        let due = self.refusals().due(now_us);
        self.seal_aggregates(due).await?;
        self.look_for_overdue(now_us).await;
        let prune = {
            let mut pruned = self.inner.pruned_us.lock().unwrap_or_else(PoisonError::into_inner);
            // Behind what comes in, it goes on with each tick.
            let behind = self.inner.shared.prune_on.load(Ordering::Relaxed);
            // A time that went back is no reason to wait until it is where it was.
            let due = behind || now_us.saturating_sub(*pruned) >= PRUNE_EVERY_US || now_us < *pruned;
            if due {
                *pruned = now_us;
            }
            due
        };
        if prune {
            let now_us = now_us.min(self.inner.time.careful_us());
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

    /// Another holds a checkpoint that one of our keys signed and this journal does not contain: the head file states it from now on, so that no start
    /// forgets it. Put back the journal that contains it, and it starts again.
    pub async fn dispute(&self, note: String) {
        let (head, ours) = (Arc::clone(&self.inner.head), self.checkpoint());
        let _ = tokio::task::spawn_blocking(move || head.dispute(&note, &ours)).await;
    }

    /// The newest signed checkpoint.
    pub fn checkpoint(&self) -> String {
        self.inner.shared.checkpoint()
    }

    /// What waits for the relay; costs nothing.
    pub fn backlog(&self) -> Backlog {
        self.inner.shared.backlog.read()
    }

    /// How often something moved in what waits for the relay; costs nothing.
    pub fn inbox_moves(&self) -> u64 {
        self.inner.shared.backlog.moves()
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
            Work::KeepPlans(plans) => plans.iter().map(|(hash, bytes)| hash.len() + bytes.len()).sum(),
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
    pub(crate) async fn limit_pages(&self, more: Option<i64>) {
        let _ = self.submit(Work::LimitPages(more)).await;
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, JournalFault> + Send + 'static,
    ) -> Result<T, JournalFault> {
        self.inner.readers.run(read).await
    }
}

fn backlog(store: &Store) -> Result<BacklogCounters, JournalFault> {
    let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let counted = store.rows(statements::PENDING, &[], columns);
    let counted: Vec<(String, u64, u64)> = counted.map_err(JournalFault::store("count the inbox"))?;
    let exchanges = counted.iter().map(|(_, exchanges, _)| exchanges).sum();
    let partners = counted
        .into_iter()
        .map(|(partner, _, bytes)| (partner, bytes))
        .collect();
    let recalls = store.one(statements::OPEN_RECALLS, &[]);
    let recalls = recalls.map_err(JournalFault::store("count the recalls"))?;
    let oldest = store.one(statements::OLDEST_WAITING, &[]);
    Ok(BacklogCounters::new(exchanges, partners, recalls, oldest.unwrap_or(0)))
}

/// Seals the `start` leaf, on the caller's thread, before the sequencer has its own.
fn start(sequencer: &mut Sequencer, head: Option<u64>, program: Option<[u8; 32]>) -> Result<(), JournalFault> {
    let event = Event::Start(StartEvent {
        version: env!("CARGO_PKG_VERSION").into(),
        size: sequencer.edge.size(),
        head,
        bin: program.map(Digest),
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
