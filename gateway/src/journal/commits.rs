//! Whether the journal commits: what the sequencer knows of it, told while it is so.
//!
//! Takes what becomes of each group; gives how it stands at this moment. A group that could not be committed is said at once, and so is an answer that is owed for longer
//! than a few seconds; the next group that is written is the end of both, and where there had been no room it has a leaf that says so. A payload that had no room beside the journal is said as well, until there is room for two such. While it stands so, and on a server that nobody asks anything, [`Journal::prove`] tries by itself. Refuses nothing.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::entry::Nonce;
use super::sequencer::Work;
use super::shared::Shared;
use super::{Journal, JournalFault};
use crate::{clock, durable};

/// So long may an answer be owed before it is said.
const OWED_MAX: Duration = Duration::from_secs(5);
/// How often a journal that cannot commit is tried; one that nobody writes to is asked as often whether it is there.
const TRY_EVERY: Duration = Duration::from_secs(3);
/// Room that there must be at least before it is tried again after a full disk, and the most that is asked for.
const ROOM_BYTES: (usize, usize) = (256 << 10, 32 << 20);
/// So many times as much room as a payload did not find is to be there before that is no longer said: what it wrote and took away again is free at once.
const ROOM_FOR: u64 = 2;
/// How often there is a leaf at most that says that there was no room: on a disk that is nearly full the one group fits and the next one not.
const SAY_EVERY: Duration = Duration::from_mins(1);
/// How long a nonce of a try is remembered, microseconds.
const REMEMBERED_US: i64 = 60_000_000;

/// How the journal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committing {
    /// The last group went in.
    Well,
    /// The last one did not; for so long none has.
    Fails {
        /// Since the first that did not.
        since: Duration,
        /// There was no room.
        full: bool,
    },
    /// A group waits for the store for so long.
    Owes(Duration),
    /// It commits, and the folder of payloads has had no room for so long.
    NoRoom(Duration),
}

#[derive(Debug, Default)]
pub(super) struct Commits {
    state: Mutex<State>,
    /// Wakes whoever tells people.
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Since when the sequencer works on what it took.
    busy: Option<Instant>,
    failing: Option<Failing>,
    payloads: Option<Roomless>,
    unsaid: Option<Unsaid>,
    /// When a leaf last said that there was no room.
    said: Option<Instant>,
    /// When something was tried last, whatever became of it.
    tried: Option<Instant>,
}

/// How it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// It went well: whether it is still there.
    Look,
    /// It failed: a row, once there is room for so many bytes if that was why.
    Write(Option<usize>),
}

#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    /// Bytes of the group that had no room.
    full: Option<usize>,
}

/// Groups that had no room, of which no leaf speaks yet. A process that ends before one does takes it along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsaid {
    /// When the first had none.
    pub(super) since: Instant,
    /// How many.
    pub(super) groups: u64,
}

/// The folder of payloads did not take a file.
#[derive(Clone, Copy, Debug)]
struct Roomless {
    since: Instant,
    /// When it was asked last whether one fits.
    asked: Instant,
    /// Bytes of the largest that did not.
    bytes: u64,
}

/// Told by those who write payloads what became of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Teller(Option<Arc<Shared>>);

impl Teller {
    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        Self(Some(Arc::clone(shared)))
    }

    /// Hears of a write by which a file would have had so many bytes.
    pub(super) fn hears<T>(&self, bytes: u64, outcome: Result<T, JournalFault>) -> Result<T, JournalFault> {
        if let (Some(shared), Err(fault)) = (&self.0, &outcome)
            && fault.is_for_want_of_room()
        {
            shared.commits.payload_had_no_room(bytes, Instant::now());
        }
        outcome
    }
}

impl Commits {
    /// The sequencer takes a group.
    pub(super) fn begins(&self, now: Instant) {
        self.lock().busy = Some(now);
    }

    /// It is done with it and waits for the next.
    pub(super) fn rests(&self, now: Instant) {
        let mut state = self.lock();
        state.busy = None;
        state.tried = Some(now);
    }

    /// A group was rolled back; `full`: its bytes, when there was no room for them.
    pub(super) fn failed(&self, full: Option<usize>, now: Instant) {
        let mut state = self.lock();
        if full.is_some() {
            state.unsaid.get_or_insert(Unsaid { since: now, groups: 0 }).groups += 1;
        }
        let before = state.failing;
        state.failing = Some(Failing {
            since: before.map_or(now, |failing| failing.since),
            full: full.max(before.and_then(|failing| failing.full)),
        });
        drop(state);
        self.news.notify_one();
    }

    /// A group was committed. One that wrote nothing says nothing of room.
    pub(super) fn went_in(&self, wrote: bool) {
        let mut state = self.lock();
        if state.failing.is_none_or(|failing| failing.full.is_some() && !wrote) {
            return;
        }
        state.failing = None;
        drop(state);
        self.news.notify_one();
    }

    /// What the next group is to say of groups that had no room; `last`: there is none after it.
    pub(super) fn to_say(&self, now: Instant, last: bool) -> Option<Unsaid> {
        let state = self.lock();
        let said = state.said.map(|said| now.saturating_duration_since(said));
        state
            .unsaid
            .filter(|_| last || said.is_none_or(|said| said >= SAY_EVERY))
    }

    /// It is in the log.
    pub(super) fn said(&self, now: Instant) {
        let mut state = self.lock();
        state.unsaid = None;
        state.said = Some(now);
    }

    fn payload_had_no_room(&self, bytes: u64, now: Instant) {
        let mut state = self.lock();
        let before = state.payloads;
        state.payloads = Some(Roomless {
            since: before.map_or(now, |before| before.since),
            asked: now,
            bytes: bytes.max(before.map_or(0, |before| before.bytes)),
        });
        drop(state);
        self.news.notify_one();
    }

    /// How many bytes are to be free, when it is time to ask.
    fn payloads_due(&self, now: Instant) -> Option<u64> {
        let roomless = self.lock().payloads?;
        let waited = now.saturating_duration_since(roomless.asked);
        (waited >= TRY_EVERY).then(|| roomless.bytes.saturating_mul(ROOM_FOR))
    }

    fn payloads_asked(&self, has_room: bool, now: Instant) {
        let mut state = self.lock();
        if let Some(roomless) = &mut state.payloads {
            roomless.asked = now;
        }
        if has_room {
            state.payloads = None;
            drop(state);
            self.news.notify_one();
        }
    }

    fn standing(&self, now: Instant) -> Committing {
        let state = self.lock();
        let since = |then| now.saturating_duration_since(then);
        let owed = state.busy.map(since).filter(|owed| *owed >= OWED_MAX);
        match (state.failing, owed) {
            (Some(failing), _) => Committing::Fails {
                since: since(failing.since),
                full: failing.full.is_some(),
            },
            (None, Some(owed)) => Committing::Owes(owed),
            (None, None) => state
                .payloads
                .map_or(Committing::Well, |roomless| Committing::NoRoom(since(roomless.since))),
        }
    }

    /// Whether it is time to try, and how.
    fn due(&self, now: Instant) -> Option<Due> {
        let state = self.lock();
        let tried = state.tried.map(|tried| now.saturating_duration_since(tried));
        let due = state.failing.map_or(Due::Look, |failing| Due::Write(failing.full));
        (state.busy.is_none() && tried.is_none_or(|tried| tried >= TRY_EVERY)).then_some(due)
    }

    fn tried(&self, now: Instant) {
        self.lock().tried = Some(now);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Whether it commits, at this moment; costs nothing.
    pub fn committing(&self) -> Committing {
        self.inner.shared.commits.standing(Instant::now())
    }

    /// Waits until a group fails, or one goes in after that. For one who waits.
    pub async fn committing_changed(&self) {
        self.inner.shared.commits.news.notified().await;
    }

    /// Tries whether it commits, when nobody else has for a few seconds: by a row that goes away again where it could not, else by a question. Call it about once a second.
    pub async fn prove(&self) {
        self.prove_payloads().await;
        let commits = &self.inner.shared.commits;
        let Some(due) = commits.due(Instant::now()) else { return };
        let work = match due {
            Due::Look => Work::Look,
            Due::Write(full) => {
                if let Some(bytes) = full
                    && !self.has_room_for(bytes).await
                {
                    return commits.tried(Instant::now());
                }
                let until_us = self.inner.time.now_us().saturating_add(REMEMBERED_US);
                let Ok(tag) = clock::random::<32>() else { return };
                Work::Remember {
                    nonce: Nonce {
                        tag,
                        bound: tag,
                        until_us,
                    },
                }
            }
        };
        // What became of it, the sequencer has noted.
        let _ = self.submit(work).await;
    }

    /// Whether as much can be written beside the journal as could not be: a row alone often still fits.
    async fn has_room_for(&self, bytes: usize) -> bool {
        let Some(database) = &self.inner.database else {
            return true;
        };
        let folder = database.parent().unwrap_or(Path::new(".")).to_owned();
        let bytes = bytes.clamp(ROOM_BYTES.0, ROOM_BYTES.1);
        let tried = tokio::task::spawn_blocking(move || room_in(&folder, bytes));
        matches!(tried.await, Ok(Ok(())))
    }

    /// Asks whether the folder of payloads has room for what it did not take. Nothing is written: a try that filled the disk would take from the journal, which
    /// may lie on the same one and commits.
    async fn prove_payloads(&self) {
        let commits = &self.inner.shared.commits;
        if let Some(bytes) = commits.payloads_due(Instant::now()) {
            let folder = self.inner.payloads.clone();
            let free = tokio::task::spawn_blocking(move || durable::free_bytes(&folder)).await;
            let has_room = matches!(free, Ok(Ok(free)) if free >= bytes);
            commits.payloads_asked(has_room, Instant::now());
        }
    }
}

/// Takes away what a process that was killed while it looked for room in a folder left: it would fill the disk that was full.
pub(super) fn clear_room(folder: &Path) {
    let _ = std::fs::remove_file(folder.join(ROOM_FILE));
}

/// Writes so many bytes into a folder, and takes them away again.
fn room_in(folder: &Path, bytes: usize) -> Result<(), JournalFault> {
    let path = folder.join(ROOM_FILE);
    let _ = std::fs::remove_file(&path);
    let written = durable::create_private(&path).and_then(|mut file| {
        let block = vec![0_u8; 64 << 10];
        let mut left = bytes;
        while left > 0 {
            let now = left.min(block.len());
            file.write_all(block.get(..now).unwrap_or(&block))?;
            left -= now;
        }
        file.sync_all()
    });
    let _ = std::fs::remove_file(&path);
    written.map_err(JournalFault::file("write", &path))
}

/// What is written to see whether there is room.
const ROOM_FILE: &str = "journal.room";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::time::{Duration, Instant};

    use super::{Commits, Committing, Due, OWED_MAX, SAY_EVERY, TRY_EVERY, Unsaid};

    #[test]
    fn what_fails_or_is_owed_is_said_and_the_next_that_is_written_ends_it() {
        let (commits, began) = (Commits::default(), Instant::now());
        assert_eq!(commits.standing(began), Committing::Well);
        commits.begins(began);
        assert_eq!(commits.standing(began), Committing::Well);
        let late = began + OWED_MAX;
        assert_eq!(commits.standing(late), Committing::Owes(OWED_MAX));
        assert_eq!(commits.due(late), None, "the sequencer is at work");
        commits.failed(None, late);
        commits.rests(late);
        let failing = |since, full| Committing::Fails { since, full };
        assert_eq!(commits.standing(late), failing(Duration::ZERO, false));
        let later = late + TRY_EVERY;
        assert_eq!(commits.standing(later), failing(TRY_EVERY, false));
        assert_eq!(commits.due(later), Some(Due::Write(None)));
        commits.went_in(false);
        assert_eq!(commits.standing(later), Committing::Well);
        // A full disk takes what needs no room.
        commits.failed(Some(7), later);
        commits.failed(Some(3), later);
        commits.went_in(false);
        assert_eq!(commits.standing(later), failing(Duration::ZERO, true));
        assert_eq!(commits.due(later), Some(Due::Write(Some(7))), "as much must fit again");
        commits.went_in(true);
        assert_eq!(commits.standing(later), Committing::Well);
        assert_eq!(commits.due(later), Some(Due::Look));
        commits.tried(later);
        assert_eq!(commits.due(later), None);
    }

    #[test]
    fn groups_without_room_are_said_once_and_those_of_the_next_minute_together() {
        let (commits, began) = (Commits::default(), Instant::now());
        commits.failed(None, began);
        assert_eq!(commits.to_say(began, true), None, "that is no want of room");
        commits.failed(Some(7), began);
        commits.failed(Some(7), began + TRY_EVERY);
        let both = Unsaid {
            since: began,
            groups: 2,
        };
        assert_eq!(commits.to_say(began, false), Some(both));
        commits.said(began);
        assert_eq!(commits.to_say(began, true), None);
        let later = began + TRY_EVERY;
        commits.failed(Some(7), later);
        let one = Unsaid {
            since: later,
            groups: 1,
        };
        assert_eq!(
            (commits.to_say(later, false), commits.to_say(later, true)),
            (None, Some(one))
        );
        assert_eq!(commits.to_say(began + SAY_EVERY, false), Some(one));
    }

    #[test]
    fn a_payload_without_room_is_said_until_two_such_fit_whatever_is_committed_meanwhile() {
        let (commits, began) = (Commits::default(), Instant::now());
        commits.payload_had_no_room(7, began);
        commits.payload_had_no_room(3, began);
        let later = began + TRY_EVERY;
        commits.went_in(true);
        assert_eq!(commits.standing(later), Committing::NoRoom(TRY_EVERY));
        assert_eq!(
            (commits.payloads_due(began), commits.payloads_due(later)),
            (None, Some(14))
        );
        commits.payloads_asked(false, later);
        assert_eq!(commits.payloads_due(later), None);
        assert_eq!(commits.standing(later), Committing::NoRoom(TRY_EVERY));
        // A journal that does not commit takes nothing at all.
        commits.failed(None, later);
        assert!(matches!(commits.standing(later), Committing::Fails { .. }));
        commits.went_in(true);
        commits.payloads_asked(true, later);
        assert_eq!(commits.standing(later), Committing::Well);
    }

    #[test]
    fn what_was_left_of_looking_for_room_goes_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(super::ROOM_FILE), [0; 64]).unwrap();
        super::clear_room(folder.path());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        super::clear_room(folder.path());
    }
}
