//! The worker: lane after lane, turn after turn.
//!
//! A turn belongs to the lane that is due (`lanes`) and is one transaction of the registry: the next part of a large exchange, or the
//! oldest small exchanges together (`turn`). Killed before its commit: nothing of the turn is in, and it comes again. Killed between
//! commit and leaves: the next turn finds every part in and only seals the leaves. So a turn that failed is repeated and never doubles.
//! An exchange that the registry refuses is held back alone, and set aside after some tries; a registry that does not answer is waited for.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::RelaySettings;
use super::pace::Work;
use super::recalling::{Recalling, Recalls};
use super::schedule::{Due, Moved, Schedule};
use super::status::{RelayState, RelayStatus};
use super::turn::{Confirm, Turn, Underway};
use crate::clock::Clock;
use crate::journal::{DuePlace, InboxItem, Journal, JournalFault, Lane, PushKind, SealError};
use crate::registry::{Registry, RegistryFault, Remedy};

/// Why a turn ended early, or the relay as a whole.
#[derive(Debug, thiserror::Error)]
pub enum RelayFault {
    /// The registry failed.
    #[error("the registry did not take a part")]
    Registry(#[source] RegistryFault),
    /// The journal did not give an exchange or a part of it.
    #[error("the journal did not give a part")]
    Inbox(#[source] JournalFault),
    /// The journal did not seal what became of an exchange.
    #[error("the journal did not seal an outcome")]
    Seal(#[source] SealError),
}

impl RelayFault {
    /// Stable code, e.g. `SG6214`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Registry(fault) => fault.code(),
            Self::Inbox(fault) if spoilt(fault) => "SG6302",
            Self::Inbox(_) => "SG6301",
            Self::Seal(SealError::Unavailable) => "SG5101",
            Self::Seal(SealError::Unfit(_)) => "SG6303",
        }
    }

    /// What failed, with its causes and without a value.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Registry(fault) => format!("{self}: {}", fault.told()),
            Self::Inbox(_) | Self::Seal(_) => self.to_string(),
        }
    }

    /// Whether something else has the table, so that another record type may go although this one does not.
    pub(super) fn is_locked(&self) -> bool {
        matches!(self, Self::Registry(fault) if fault.is_locked())
    }

    /// Whether one statement took too long, for which one exchange may be to blame.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self, Self::Registry(fault) if fault.is_slow())
    }

    /// Whether the exchange is held back, and what else waits goes on.
    pub(super) fn is_its_own(&self) -> bool {
        self.remedy() == Remedy::SetAside || self.is_slow()
    }

    /// How often an exchange is tried that fails so: a payload does not mend, but an operator may mend a database. One that takes too long keeps all others
    /// waiting with each try.
    pub(super) fn attempts_max(&self, settings: &RelaySettings) -> u32 {
        match self {
            Self::Registry(fault) if fault.is_slow() => settings.attempts_max.min(SLOW_ATTEMPTS_MAX),
            Self::Registry(_) => settings.attempts_max,
            Self::Inbox(_) | Self::Seal(_) => settings.attempts_max.min(PAYLOAD_ATTEMPTS_MAX),
        }
    }

    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Registry(fault) => fault.remedy(),
            Self::Inbox(fault) if spoilt(fault) => Remedy::SetAside,
            Self::Inbox(_) | Self::Seal(SealError::Unavailable) => Remedy::Wait,
            Self::Seal(SealError::Unfit(_)) => Remedy::SetAside,
        }
    }
}

/// Whether the payload itself is to blame, so that waiting does not help.
fn spoilt(fault: &JournalFault) -> bool {
    matches!(
        fault,
        JournalFault::Unopened(_) | JournalFault::Part(_) | JournalFault::NoPart(_) | JournalFault::Column(_)
    )
}

/// How often the backlog is counted; the count may be that old.
const OBSERVE_EVERY: Duration = Duration::from_millis(500);
/// How often a batch is tried whose payload or leaf is to blame.
const PAYLOAD_ATTEMPTS_MAX: u32 = 5;
/// How often one that takes too long, once others went in.
const SLOW_ATTEMPTS_MAX: u32 = 5;
/// What takes too long rests so many times the longest that a statement may take, so that others have most of the time.
const SLOW_RESTS: u32 = 4;
/// Small exchanges in one turn, and bytes of their payloads.
pub(super) const TOGETHER_MAX: u32 = 256;
const TOGETHER_BYTES_MAX: u64 = 1 << 20;
/// So many bulks of a lane are looked at for one that may pass, and it has this many times fewer parts than the oldest.
const PASSING_MAX: u32 = 16;
const PASSING_TIMES: u32 = 8;

/// Relays until `shutdown`, which takes effect between two turns.
///
/// # Errors
/// Only when the disk under the registry lost a write or its writer is gone: the process must end; the next start reads what is there.
pub async fn run(
    journal: Journal,
    registry: Registry,
    settings: RelaySettings,
    clock: Clock,
    status: RelayStatus,
    shutdown: CancellationToken,
) -> Result<(), RelayFault> {
    let observed = observe(journal.clone(), status.clone());
    let mut worker = Worker::new(journal, registry, settings, clock, (status.clone(), shutdown));
    worker.status.pace(worker.schedule.pace_percent());
    let ended = tokio::select! {
        ended = worker.work() => ended,
        never = observed => match never {},
    };
    status.state(RelayState::Stopped);
    ended
}

/// Counts the backlog, also while the registry owes an answer.
async fn observe(journal: Journal, status: RelayStatus) -> Infallible {
    loop {
        let backlog = journal.backlog();
        status.backlog(backlog.exchanges, backlog.bytes, backlog.oldest_us);
        tokio::time::sleep(OBSERVE_EVERY).await;
    }
}

pub(super) struct Worker {
    pub(super) journal: Journal,
    pub(super) registry: Registry,
    pub(super) clock: Clock,
    pub(super) status: RelayStatus,
    pub(super) shutdown: CancellationToken,
    pub(super) settings: RelaySettings,
    pub(super) schedule: Schedule,
    /// From here the schedule counts: a clock that is set does not move it.
    began: Instant,
    /// Lanes whose last turn a small bulk had that passed a large one.
    passed: HashSet<String>,
    pub(super) recalls: Recalls,
    /// Large exchanges between two of their turns, at most two a lane.
    pub(super) underway: HashMap<Uuid, Underway>,
    /// Exchanges that the registry refused lately.
    pub(super) held: HashMap<Uuid, Hold>,
    /// Lanes whose table was locked lately: how often in a row, and the moment before which they are not tried.
    resting: HashMap<String, (u32, u64)>,
    /// Transactions that the registry has taken.
    pub(super) answered: u64,
    /// Waits in a row for something that does not answer.
    waits: u32,
    erase_at_us: i64,
}

/// An exchange that is not tried before the moment, by [`Worker::now_us`].
pub(super) struct Hold {
    record: String,
    refused: u32,
    /// Transactions that had been taken when it took too long first.
    answered: Option<u64>,
    until_us: u64,
}

impl Worker {
    /// One that has done nothing yet.
    pub(super) fn new(
        journal: Journal,
        registry: Registry,
        settings: RelaySettings,
        clock: Clock,
        (status, shutdown): (RelayStatus, CancellationToken),
    ) -> Self {
        Self {
            schedule: Schedule::new(&settings),
            began: Instant::now(),
            passed: HashSet::new(),
            recalls: Recalls::default(),
            underway: HashMap::new(),
            held: HashMap::new(),
            resting: HashMap::new(),
            answered: 0,
            waits: 0,
            erase_at_us: clock.now_us(),
            journal,
            registry,
            settings,
            clock,
            status,
            shutdown,
        }
    }

    async fn work(&mut self) -> Result<(), RelayFault> {
        while !self.shutdown.is_cancelled() {
            self.keep_house().await;
            if self.status.is_paused() {
                self.status.state(RelayState::Paused);
                self.pause(Duration::from_millis(self.settings.idle_ms.into())).await;
                continue;
            }
            match self.turn().await {
                Ok(rest) => {
                    self.waits = 0;
                    self.pause(rest).await;
                }
                Err(fault) => self.wait_out(fault).await?,
            }
        }
        Ok(())
    }

    /// The turn that is due. Gives how long nothing will be.
    pub(super) async fn turn(&mut self) -> Result<Duration, RelayFault> {
        let mut idle = Duration::from_millis(self.settings.idle_ms.into());
        match self.recall().await? {
            Recalling::Turn => {
                self.status.state(RelayState::Relaying);
                return Ok(Duration::ZERO);
            }
            // When no batch takes the turn, the next recall does.
            Recalling::Yields => idle = Duration::ZERO,
            Recalling::Nothing => {}
        }
        let mut waiting = self.journal.lanes().await.map_err(RelayFault::Inbox)?;
        if waiting.is_empty() {
            // Who held an exchange back may be gone: an operator discarded it.
            self.held.clear();
            self.underway.clear();
            self.passed.clear();
            self.resting.clear();
        }
        let now_us = self.now_us();
        let rests = |lane: &Lane| {
            self.resting
                .get(&lane.name)
                .is_some_and(|(_, until_us)| *until_us > now_us)
        };
        let before = waiting.len();
        waiting.retain(|lane| !rests(lane));
        let one_rests = waiting.len() < before;
        loop {
            let now_us = self.now_us();
            let lane = match self.schedule.due(&waiting, now_us) {
                Due::Lane(lane) => lane.clone(),
                // Meanwhile another lane may come.
                Due::At(at_us) => return Ok(idle.min(Duration::from_micros(at_us.saturating_sub(now_us)))),
                Due::Nobody => break,
            };
            if let Some(turn) = self.due_in(&lane).await? {
                self.status.state(RelayState::Relaying);
                let moved = match self.take(turn).await {
                    Ok(moved) => moved,
                    Err(fault) if fault.is_locked() => {
                        self.schedule.yielded(&lane, &waiting);
                        self.rest(&lane, &fault);
                        return Ok(Duration::ZERO);
                    }
                    Err(fault) => {
                        self.schedule.yielded(&lane, &waiting);
                        return Err(fault);
                    }
                };
                // What was only held back says nothing of the table.
                if moved.charged > 0 {
                    self.resting.remove(&lane.name);
                }
                self.schedule.charge(&lane, &waiting, moved, self.now_us());
                self.status.pace(self.schedule.pace_percent());
                return Ok(Duration::ZERO);
            }
            // All that waits in it is held back.
            waiting.retain(|other| other.name != lane.name);
        }
        if self.held.is_empty() && !one_rests && !idle.is_zero() {
            self.status.state(RelayState::Idle);
            if self.recalls.is_empty() {
                self.status.journal_answered();
            }
        }
        Ok(idle)
    }

    /// What the registry answered, and what the schedule is to know of it; a transaction that failed for slowness lowers the pace as well.
    pub(super) fn heeded<T>(
        &mut self,
        work: Work,
        (answer, took_us): (Result<T, RegistryFault>, u64),
    ) -> Result<(T, Option<(Work, u64)>), RelayFault> {
        match answer {
            Ok(done) => {
                self.answered += 1;
                self.status.answered();
                Ok((done, Some((work, took_us))))
            }
            Err(fault) => {
                // To wait for a table that somebody has says nothing about the registry's latency.
                if !fault.is_locked() {
                    self.schedule.failed(work, took_us, self.now_us());
                    self.status.pace(self.schedule.pace_percent());
                }
                Err(RelayFault::Registry(fault))
            }
        }
    }

    /// An answer, and how long it took, microseconds.
    pub(super) async fn timed<T>(&self, answer: impl Future<Output = T>) -> (T, u64) {
        let began_us = self.now_us();
        let answer = answer.await;
        (answer, self.now_us().saturating_sub(began_us))
    }

    /// The registry worked for a record type, but for no lane.
    pub(super) fn charge_apart(&mut self, record: &str, moved: Moved) {
        let now_us = self.now_us();
        self.schedule.charge_apart(record, moved, now_us);
        self.status.pace(self.schedule.pace_percent());
    }

    /// A batch is out of the line.
    pub(super) fn forget(&mut self, exchange: Uuid) {
        self.underway.remove(&exchange);
        self.held.remove(&exchange);
    }

    /// Microseconds since the relay began.
    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// What a lane's turn is: its oldest exchange that is not held, with the small ones right behind it.
    async fn due_in(&mut self, lane: &Lane) -> Result<Option<Turn>, RelayFault> {
        let (limit, bytes_max) = if lane.bulk {
            (PASSING_MAX, u64::MAX)
        } else {
            (TOGETHER_MAX, TOGETHER_BYTES_MAX)
        };
        let found = self.journal.waiting(&lane.name, limit, bytes_max).await;
        let now_us = self.now_us();
        let free = |item: &InboxItem| self.held.get(&item.exchange).is_none_or(|hold| hold.until_us <= now_us);
        let mut items = found.map_err(RelayFault::Inbox)?;
        items.retain(free);
        // One that is held back comes later than those behind it.
        let held = self.held.values().any(|hold| hold.record == lane.record);
        let confirm = Confirm(held.then_some(0).or(lane.elsewhere));
        let Some(first) = items.first() else {
            return Ok(None);
        };
        if let Some(small) = self.passing(lane, first, &items) {
            // What it passes comes later, with an earlier leaf.
            return Ok(Some(Turn::Part(small.clone(), Confirm(Some(0)))));
        }
        let is_small = |item: &InboxItem| item.parts == 1 && item.mode != PushKind::Snapshot;
        if !is_small(first) {
            return Ok(Some(Turn::Part(first.clone(), confirm)));
        }
        let together = items.into_iter().take_while(is_small);
        Ok(Some(Turn::Together(together.collect(), confirm)))
    }

    /// In a lane of bulks, every second turn belongs to one that is much smaller than the oldest: a delta of a day does not wait for a snapshot
    /// of millions, and however many come, they do not hold it up by more than half.
    fn passing<'i>(&mut self, lane: &Lane, first: &InboxItem, items: &'i [InboxItem]) -> Option<&'i InboxItem> {
        if self.passed.remove(&lane.name) {
            return None;
        }
        let is_small = |item: &&InboxItem| {
            item.mode != PushKind::Snapshot && item.parts.saturating_mul(PASSING_TIMES) <= first.parts
        };
        let behind = items.iter().skip(1).filter(is_small);
        // One that has begun is ended first, then the smallest, then the oldest.
        let small = behind.min_by_key(|item| (!self.underway.contains_key(&item.exchange), item.parts))?;
        self.passed.insert(lane.name.clone());
        Some(small)
    }

    /// Something has this lane's table: the lane is held back, longer each time, and the others go on.
    fn rest(&mut self, lane: &Lane, fault: &RelayFault) {
        let times = self.resting.get(&lane.name).map_or(0, |(times, _)| *times);
        let wait_us = wait_ms(&self.settings, times).saturating_mul(1_000);
        self.status.failed(fault.code(), &fault.told());
        tracing::warn!(
            error.code = fault.code(),
            error.told = fault.told(),
            lane = lane.name,
            "a table is locked; its lane is tried again"
        );
        let until_us = self.now_us().saturating_add(wait_us);
        self.resting
            .insert(lane.name.clone(), (times.saturating_add(1), until_us));
    }

    /// An exchange failed by itself: it is held back, longer each time, or set aside for an operator. The others go on.
    pub(super) async fn hold(&mut self, item: &InboxItem, fault: &RelayFault) {
        let (code, told) = (fault.code(), fault.told());
        self.status.failed(code, &told);
        if !fault.is_slow() {
            self.underway.remove(&item.exchange);
        }
        let before = self.held.get(&item.exchange);
        // What takes too long may be the registry's own slowness: it is the exchange's once others went in since.
        let answered = before.and_then(|hold| hold.answered);
        let counts = !fault.is_slow() || answered.is_some_and(|answered| answered < self.answered);
        let refused = before.map_or(0, |hold| hold.refused) + u32::from(counts);
        let answered = answered.or(fault.is_slow().then_some(self.answered));
        if refused >= fault.attempts_max(&self.settings) && self.set_aside(item, code, &told).await {
            self.forget(item.exchange);
            return;
        }
        tracing::warn!(error.code = code, error.told = told, exchange.id = %item.exchange, "relaying an exchange failed; it is tried again");
        let wait_us = self.rest_us(refused.saturating_sub(1), fault);
        self.held_for(item, (refused, answered), wait_us);
    }

    /// How long what failed so waits, having failed that often before, microseconds.
    pub(super) fn rest_us(&self, times: u32, fault: &RelayFault) -> u64 {
        let wait_us = wait_ms(&self.settings, times).saturating_mul(1_000);
        let longest = self.registry.statement_max().filter(|_| fault.is_slow());
        let longest_us = longest.map_or(0, |longest| u64::try_from(longest.as_micros()).unwrap_or(u64::MAX));
        wait_us.max(longest_us.saturating_mul(SLOW_RESTS.into()))
    }

    fn held_for(&mut self, item: &InboxItem, (refused, answered): (u32, Option<u64>), wait_us: u64) {
        let hold = Hold {
            record: item.record.clone(),
            refused,
            answered,
            until_us: self.now_us().saturating_add(wait_us),
        };
        self.held.insert(item.exchange, hold);
    }

    /// An exchange has to wait for others, and did nothing wrong.
    pub(super) fn put_off(&mut self, item: &InboxItem) {
        let before = self.held.get(&item.exchange);
        let before = before.map_or((0, None), |hold| (hold.refused, hold.answered));
        self.held_for(item, before, u64::from(self.settings.idle_ms.max(1)) * 1_000);
    }

    /// An exchange is in, with its leaf.
    pub(super) fn done(&mut self, exchange: Uuid) {
        self.forget(exchange);
        self.status.relayed();
    }

    /// Something does not answer, whatever the exchange: waits, longer each time, or ends the relay.
    async fn wait_out(&mut self, fault: RelayFault) -> Result<(), RelayFault> {
        let (code, told) = (fault.code(), fault.told());
        self.status.failed(code, &told);
        if fault.remedy() == Remedy::Stop {
            tracing::error!(
                error.code = code,
                error.told = told,
                "the registry cannot go on; the process must end"
            );
            return Err(fault);
        }
        tracing::warn!(
            error.code = code,
            error.told = told,
            "relaying failed; it is tried again"
        );
        let wait = wait_ms(&self.settings, self.waits);
        self.waits = self.waits.saturating_add(1);
        self.pause(Duration::from_millis(wait)).await;
        Ok(())
    }

    /// Takes an exchange out of the line; false when the journal did not note it, then it is tried once more and set aside again.
    pub(super) async fn set_aside(&self, item: &InboxItem, code: &'static str, told: &str) -> bool {
        match self.journal.set_aside(item.exchange, code).await {
            // False: somebody else took it out of the line.
            Ok(_moved) => {
                self.status.set_aside();
                tracing::error!(error.code = code, error.told = told, exchange.id = %item.exchange, "a batch is set aside; an operator must look");
                true
            }
            Err(fault) => {
                let fault = RelayFault::Seal(fault);
                self.status.failed(fault.code(), &fault.told());
                false
            }
        }
    }

    /// What is due now and then: erasing payloads.
    async fn keep_house(&mut self) {
        let now_us = self.clock.now_us();
        // A clock that was set back does not put off what is due.
        let is_due = |at_us: i64, every_us: i64| now_us >= at_us || at_us - now_us > every_us;
        let erase_every_us = i64::from(self.settings.erase_every_s) * 1_000_000;
        if is_due(self.erase_at_us, erase_every_us) {
            self.erase_at_us = now_us + erase_every_us;
            self.erase().await;
        }
    }

    /// Deletes payloads whose hold is over; what fails now is due again next time.
    async fn erase(&self) {
        let hold_us = i64::from(self.settings.payload_hold_hours) * 3_600_000_000;
        let mut from = DuePlace::default();
        while !self.shutdown.is_cancelled() {
            match self.journal.erase_due(hold_us, from).await {
                Ok(erased) => {
                    metrics::counter!("shuguan_relay_payloads_erased_total").increment(erased.payloads);
                    let Some(next) = erased.next else { return };
                    from = next;
                }
                Err(fault) => {
                    let fault = RelayFault::Seal(fault);
                    let code = fault.code();
                    self.status.failed(code, &fault.told());
                    tracing::warn!(error.code = code, "payloads that are due could not be erased");
                    return;
                }
            }
        }
    }

    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.shutdown.cancelled() => {}
        }
    }
}

/// Doubles from the first wait to the longest.
pub(super) fn wait_ms(settings: &RelaySettings, waits: u32) -> u64 {
    let doubled = u64::from(settings.retry_first_ms) << waits.min(20);
    doubled.min(settings.retry_max_ms.into())
}
