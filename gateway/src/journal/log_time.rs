//! The time that the log goes on by, and what is told when the machine's clock stepped.
//!
//! Takes the machine's clocks; gives the judged time (`clock::steps`) to the sequencer and to everything that compares with what the log says: erasing,
//! pruning, quotas, counts of the day. Refuses nothing. What destroys takes the earlier of both times, so that nothing goes too soon whichever is wrong.
//!
//! A leaf's `t` never decreases. After a step that was taken and was wrong, the log is ahead of the time: its leaves say in `clk` when they were sealed,
//! rows carry that moment, and the debt is how long `t` will stand still.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shuguan_ledger::leaf::{ClockEvent, Event, Leaf};
use shuguan_ledger::time;

use super::statements;
use super::store::{Row, Store, Stored};
use super::{Journal, JournalFault, Outcome, SealError};
use crate::clock::Clock;
use crate::clock::steps::{Before, By, FOLLOWED_US, News, Steps, Told};

/// Most news that wait to be sealed; a log that cannot commit for so long has the last ones in its journal of faults.
const NEWS_MAX: usize = 64;
/// How a leaf names the machine's own clock.
const MACHINE: &str = "machine";

/// When the leaves of a group are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Their `t`.
    pub(super) t: i64,
    /// Their `clk`.
    pub(super) clk: Option<i64>,
    /// Before this, nothing is over yet.
    pub(super) careful_us: i64,
}

impl Moment {
    /// Now, in a log whose last leaf has that `t`. Time never goes back in the log, whatever the clock does.
    pub(super) fn of(now_us: i64, last_t: i64, careful_us: i64) -> Self {
        let t = now_us.max(last_t);
        Self {
            t,
            // A small correction backwards is over in a moment.
            clk: (t.saturating_sub(now_us) > FOLLOWED_US).then_some(now_us),
            careful_us,
        }
    }

    /// When they are sealed, for the rows beside them.
    pub(super) fn when(self) -> i64 {
        self.clk.unwrap_or(self.t)
    }
}

/// How the clock stands, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockStanding {
    /// How far the machine's clock is ahead of the time (negative: behind), as long as that is not followed; microseconds.
    pub off_us: Option<i64>,
    /// How long it must go on to stand so before it is the time, microseconds.
    pub settles_in_us: Option<i64>,
    /// How far the log's last entry is ahead of the time, microseconds; 0 when it is not.
    pub debt_us: i64,
}

impl ClockStanding {
    /// How far the machine's clock is off, whole seconds: it is known to the millisecond.
    pub fn off_s(&self) -> Option<i64> {
        let rounded = |off_us: i64| off_us.saturating_add(500_000 * off_us.signum()) / 1_000_000;
        self.off_us.map(rounded)
    }
}

/// The judged time. Shared by everything that works with the log.
#[derive(Debug)]
pub struct LogTime {
    machine: Clock,
    state: Mutex<(Steps, VecDeque<Told>)>,
    last_t: AtomicI64,
    /// Held while news are sealed, so that none is sealed twice.
    telling: tokio::sync::Mutex<()>,
}

impl LogTime {
    /// As the process starts; `last` are `t` of the last leaf and what is known of the time before, none for an empty log.
    pub(super) fn start(machine: Clock, last: Option<(i64, Before)>, settle_us: i64) -> Self {
        let (steps, told) = Steps::start(machine.reading(), last.map(|(_, before)| before), settle_us);
        let time = Self {
            machine,
            state: Mutex::new((steps, VecDeque::new())),
            last_t: AtomicI64::new(last.map_or(i64::MIN, |(t, _)| t)),
            telling: tokio::sync::Mutex::default(),
        };
        keep(&mut time.state(), told);
        time
    }

    /// Microseconds since the epoch, UTC.
    pub fn now_us(&self) -> i64 {
        let mut state = self.state();
        // Read under the lock, so that no older reading comes after a newer one.
        let (now_us, told) = state.0.read(self.machine.reading());
        keep(&mut state, told);
        now_us
    }

    /// The earlier of the judged time and the machine's.
    pub fn careful_us(&self) -> i64 {
        self.now_us().min(self.machine.now_us())
    }

    /// The judged time as a clock.
    pub fn clock(self: &Arc<Self>) -> Clock {
        let time = Arc::clone(self);
        Clock::from_fn(move || time.now_us())
    }

    /// The machine's clock, for what follows it by design: certificates, signatures, periods of agreements.
    pub fn machine(&self) -> &Clock {
        &self.machine
    }

    /// How it stands.
    pub fn standing(&self) -> ClockStanding {
        let now_us = self.now_us();
        let state = self.state();
        ClockStanding {
            off_us: state.0.held().map(|held| held.off_us),
            settles_in_us: state.0.settles_in_us(),
            debt_us: self.last_t.load(Ordering::Relaxed).saturating_sub(now_us).max(0),
        }
    }

    /// Whether a step is held.
    pub fn is_held(&self) -> bool {
        self.state().0.held().is_some()
    }

    /// Somebody who knows agrees with the machine's clock. True: a step was held, and is the time now.
    pub fn confirm(&self, by: By) -> bool {
        let mut state = self.state();
        let told = state.0.confirm(self.machine.reading(), by);
        let taken = matches!(&told, Some(told) if matches!(told.news, News::Taken(_)));
        keep(&mut state, told);
        taken
    }

    /// Somebody who knows does not agree with it.
    pub fn contradict(&self) {
        self.state().0.contradict();
    }

    /// For the next group.
    pub(super) fn moment(&self) -> Moment {
        let now_us = self.now_us();
        let careful_us = now_us.min(self.machine.now_us());
        Moment::of(now_us, self.last_t.load(Ordering::Relaxed), careful_us)
    }

    /// The group is durable.
    pub(super) fn sealed(&self, t: i64) {
        self.last_t.fetch_max(t, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, (Steps, VecDeque<Told>)> {
        // Never half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep((_, news): &mut (Steps, VecDeque<Told>), told: Option<Told>) {
    let Some(told) = told else { return };
    let (ahead_ms, news_of) = (told.wall_us.saturating_sub(told.time_us) / 1_000, &told.news);
    match news_of {
        News::Held => tracing::error!(
            ahead_ms,
            "the machine's clock stepped; the log goes on by the time that goes by"
        ),
        News::Gone => tracing::warn!("the machine's clock was put right"),
        News::Taken(by) => tracing::warn!(ahead_ms, ?by, "a step of the machine's clock is the time now"),
    }
    if news.len() < NEWS_MAX {
        news.push_back(told);
    }
}

/// What the log says of the time before this start; none: it has no entry.
pub(super) fn before(store: &Store, last: Option<&Leaf>) -> Stored<Option<(i64, Before)>> {
    let Some(last) = last else { return Ok(None) };
    let newest = store.first(statements::LAST_STEP, &[], |row: &Row<'_>| row.get::<Vec<u8>>(0))?;
    let held = newest.and_then(|bytes| match Leaf::decode(&bytes).ok()?.event {
        Event::Clock(clock) if clock.step.as_deref() == Some("held") => {
            let off_us = i64::try_from(clock.ms).ok()?.saturating_mul(1_000);
            Some(if clock.dir == "behind" { -off_us } else { off_us })
        }
        _ => None,
    });
    let before = Before {
        when_us: last.when(),
        off_us: held,
    };
    Ok(Some((last.t, before)))
}

impl Journal {
    /// The time that the log goes on by.
    pub fn time(&self) -> &Arc<LogTime> {
        &self.inner.time
    }

    /// Seals what is to be told of the clock; gives the last leaf. Called once a second, and by whoever confirmed a step.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; what was not sealed is told the next time.
    pub async fn tell_clock(&self) -> Result<Option<u64>, SealError> {
        let time = Arc::clone(self.time());
        let _telling = time.telling.lock().await;
        let mut leaf = None;
        // What comes meanwhile waits for the next time: a clock that never comes to rest must not keep the caller here.
        let due = time.state().1.len();
        for _ in 0..due {
            let Some(told) = time.state().1.front().cloned() else {
                break;
            };
            if let Outcome::Sealed(sealed) = self.seal_own(Event::Clock(event(&told))).await? {
                leaf = Some(sealed.index);
            }
            time.state().1.pop_front();
        }
        Ok(leaf)
    }
}

fn event(told: &Told) -> ClockEvent {
    let ahead_us = told.wall_us.saturating_sub(told.time_us);
    let (step, who, by) = match &told.news {
        News::Held => ("held", MACHINE, None),
        News::Gone => ("gone", MACHINE, None),
        News::Taken(By::Standing) => ("taken", MACHINE, Some("standing")),
        News::Taken(By::Witness(who)) => ("taken", who.as_str(), Some("witness")),
        News::Taken(By::Operator(who)) => ("taken", who.as_str(), Some("operator")),
    };
    ClockEvent {
        who: who.into(),
        dir: if ahead_us < 0 { "behind" } else { "ahead" }.into(),
        // A leaf holds integers below 2^53.
        ms: (ahead_us.unsigned_abs() / 1_000).min(1 << 52),
        step: Some(step.into()),
        by: by.map(Into::into),
        wall: Some(time::format(told.wall_us)),
        log: Some(time::format(told.time_us)),
    }
}

/// A fault of the store while the log's last entries are read.
pub(super) fn unread(fault: super::StoreFault) -> JournalFault {
    JournalFault::store("read what the log says of the clock")(fault)
}
