//! Whether the journal commits: what the sequencer knows of it, told while it is so.
//!
//! Takes what becomes of each group; gives how it stands at this moment. A group that could not be committed is said at once, and so is an answer that is owed for longer
//! than a few seconds; the next group that is written is the end of both. While it stands so, and on a server that nobody asks anything, [`Journal::prove`] tries by itself. Refuses nothing.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::entry::Nonce;
use super::sequencer::Work;
use super::{Journal, JournalFault};
use crate::{clock, durable};

/// So long may an answer be owed before it is said.
const OWED_MAX: Duration = Duration::from_secs(5);
/// How often a journal that cannot commit is tried; one that nobody writes to is asked as often whether it is there.
const TRY_EVERY: Duration = Duration::from_secs(3);
/// Room that there must be at least before it is tried again after a full disk, and the most that is asked for.
const ROOM_BYTES: (usize, usize) = (256 << 10, 32 << 20);
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
            (None, None) => Committing::Well,
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
        let (folder, bytes) = (database.clone(), bytes.clamp(ROOM_BYTES.0, ROOM_BYTES.1));
        let tried = tokio::task::spawn_blocking(move || room_in(folder.parent().unwrap_or(Path::new(".")), bytes));
        matches!(tried.await, Ok(Ok(())))
    }
}

/// Takes away what a process that was killed while it looked for room left: it would fill the disk that was full.
pub(super) fn clear_room(database: &Path) {
    let _ = std::fs::remove_file(database.with_file_name(ROOM_FILE));
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

    use super::{Commits, Committing, Due, OWED_MAX, TRY_EVERY};

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
    fn what_was_left_of_looking_for_room_goes_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("journal.db");
        std::fs::write(folder.path().join(super::ROOM_FILE), [0; 64]).unwrap();
        super::clear_room(&database);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        super::clear_room(&database);
    }
}
