//! Prepared extracts: the result of a pull, encrypted on disk until it is fetched or expires.
//!
//! `form` columns to NDJSON or CSV · `spool` the encrypted file and the room of all · this file the table of jobs. The keys of the files live in
//! memory only, so a restart makes prepared extracts unreadable; they are removed at the start and requested again. Refuses a partner more extracts than it
//! may keep, and any that finds no room.

pub(crate) mod form;
pub(crate) mod shuffle;
pub(crate) mod spool;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::clock::Clock;
use crate::config::ExtractsSection;
use crate::durable;
use crate::exchange::asked::Granted;
use crate::journal::Sealed;
use crate::refusal::Refusal;
use shuguan_policies::PolicySet;
use spool::{CHUNK_BYTES, Room, SpoolFault, SpoolWriter, Spooled};

/// Extracts of one partner that are prepared or kept at once: one each quarter of an hour, and as many again, for a day.
const KEPT_PER_PARTNER_MAX: usize = 192;
/// Extracts of one partner that have ended and of which it may still hear how; the oldest are forgotten first.
const ENDED_PER_PARTNER_MAX: usize = 1_024;

/// How far an extract is.
#[derive(Clone, Debug)]
pub enum State {
    /// The registry is being read.
    Preparing,
    /// Sealed; the content may be fetched.
    Ready(Arc<Ready>),
    /// It failed or was refused on the way.
    Failed(Failure),
    /// The policies or the day ended it, and the content is gone: [`Refusal::GrantRevoked`], [`Refusal::GrantChanged`], [`Refusal::AgreementExpired`].
    Ended(Refusal),
}

/// Why an extract came to nothing, as its `refusal` leaf says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The code; of a fault of ours [`Refusal::RegistryUnavailable`].
    pub why: Refusal,
    /// It alone is more than a whole day may have.
    pub fits_no_day: bool,
    /// From when on a repeat can succeed, microseconds since the epoch; none: no wait helps.
    pub retry_at_us: Option<i64>,
}

/// A sealed extract.
#[derive(Debug)]
pub struct Ready {
    /// The encrypted content.
    pub content: Spooled,
    /// Rows in it.
    pub rows: u64,
    /// As of when the registry was read, microseconds since the epoch: the next pull `since` then misses nothing.
    pub as_of_us: Option<i64>,
    /// Form of it.
    pub form: form::Form,
    /// The grant that it was made under.
    pub granted: Granted,
    /// Whether its request was signed; then the answers that give it are.
    pub signed: bool,
    /// What travels with the content: under what it was given, and what is owed. Its SHA-256 stands in the leaf.
    pub manifest: String,
    /// Its leaf, without the receipt's text.
    pub sealed: Sealed,
}

impl State {
    /// Whether it takes up room.
    fn is_kept(&self) -> bool {
        matches!(self, Self::Preparing | Self::Ready(_))
    }
}

/// An extract that the policies or the day ended.
#[derive(Clone, Debug)]
pub struct Unheld {
    /// Its exchange.
    pub exchange: Uuid,
    /// The grant that it was made under.
    pub granted: Granted,
    /// Why it ended.
    pub why: Refusal,
    /// It was ready. One that was being prepared comes to its own end.
    pub was_ready: bool,
}

/// Why no extract can be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unplaced {
    /// The partner keeps as many as it may.
    TooMany,
    /// All extracts together fill the spool.
    NoRoom,
}

#[derive(Debug)]
struct Job {
    granted: Granted,
    state: State,
    expires_us: i64,
}

/// The table of extracts.
#[derive(Clone, Debug)]
pub struct Extracts {
    folder: PathBuf,
    keep_us: i64,
    room: Arc<Room>,
    clock: Clock,
    jobs: Arc<Mutex<HashMap<Uuid, Job>>>,
}

impl Extracts {
    /// Opens the folder and removes what an earlier run left: its keys are gone.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(section: &ExtractsSection, clock: Clock) -> std::io::Result<Self> {
        durable::private_folder(&section.spool)?;
        for entry in std::fs::read_dir(&section.spool)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "spool") {
                std::fs::remove_file(path)?;
            }
        }
        Ok(Self {
            folder: section.spool.clone(),
            keep_us: i64::from(section.keep_hours.get()) * 3_600_000_000,
            room: Arc::new(Room::of(section.spool_bytes_max.get())),
            clock,
            jobs: Arc::default(),
        })
    }

    /// A file for the content of an extract.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn spool(&self, exchange: Uuid) -> Result<SpoolWriter, SpoolFault> {
        let path = self.folder.join(format!("{exchange}.spool"));
        SpoolWriter::create(&path, exchange, Arc::clone(&self.room))
    }

    /// Whether the disk takes anything: one piece is written, takes nothing of the room of others, and is gone when this returns.
    ///
    /// # Errors
    /// When it does not.
    pub fn try_disk(&self, exchange: Uuid) -> Result<(), SpoolFault> {
        let path = self.folder.join(format!("{exchange}-try.spool"));
        let mut writer = SpoolWriter::create(&path, exchange, Arc::new(Room::of(u64::MAX)))?;
        writer.write(&vec![0; CHUNK_BYTES])?;
        writer.finish().map(drop)
    }

    /// A file for its rows until they have their order.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn heaps(&self, exchange: Uuid) -> Result<SpoolWriter, SpoolFault> {
        let path = self.folder.join(format!("{exchange}-heaps.spool"));
        SpoolWriter::create(&path, exchange, Arc::clone(&self.room))
    }

    /// Whether a partner may begin one, which costs nothing to ask: before the disk is tried and anything is read for it.
    ///
    /// # Errors
    /// [`Unplaced`].
    pub fn has_place_for(&self, partner: &str) -> Result<(), Unplaced> {
        self.sweep();
        self.place_among(&self.lock(), partner)
    }

    fn place_among(&self, jobs: &HashMap<Uuid, Job>, partner: &str) -> Result<(), Unplaced> {
        if self.room.is_full() {
            return Err(Unplaced::NoRoom);
        }
        let own = jobs.values().filter(|job| job.granted.partner == partner);
        if own.filter(|job| job.state.is_kept()).count() >= KEPT_PER_PARTNER_MAX {
            return Err(Unplaced::TooMany);
        }
        Ok(())
    }

    /// Begins a job.
    ///
    /// # Errors
    /// [`Unplaced`]; nothing was begun then.
    pub fn begin(&self, exchange: Uuid, granted: Granted) -> Result<(), Unplaced> {
        self.sweep();
        let mut jobs = self.lock();
        self.place_among(&jobs, &granted.partner)?;
        let own = jobs.iter().filter(|(_, job)| job.granted.partner == granted.partner);
        let ended = own.filter(|(_, job)| !job.state.is_kept());
        if ended.clone().count() >= ENDED_PER_PARTNER_MAX
            && let Some(oldest) = ended.min_by_key(|(_, job)| job.expires_us).map(|(id, _)| *id)
        {
            jobs.remove(&oldest);
        }
        let job = Job {
            granted,
            state: State::Preparing,
            expires_us: self.clock.now_us() + self.keep_us,
        };
        jobs.insert(exchange, job);
        Ok(())
    }

    /// Removes what has expired: files and their keys. Due each second, so that nothing is kept for longer than was promised.
    pub fn sweep(&self) {
        let now = self.clock.now_us();
        // Dropping a job removes its file; a download that is under way keeps its own handle, and ends with its next piece.
        self.lock().retain(|_, job| job.expires_us > now);
    }

    /// Ends a job; gives why, when the policies or the day ended it before.
    pub fn end(&self, exchange: Uuid, state: State) -> Option<Refusal> {
        let mut jobs = self.lock();
        let job = jobs.get_mut(&exchange)?;
        if let State::Ended(why) = job.state {
            return Some(why);
        }
        job.state = state;
        None
    }

    /// Ends every job whose grant these policies do not hold any more at a moment (µs since 1970), hold otherwise, or whose agreement is over, and removes its
    /// content.
    pub fn end_unheld(&self, policies: &PolicySet, now_us: i64) -> Vec<Unheld> {
        let mut ended = Vec::new();
        for (exchange, job) in self.lock().iter_mut().filter(|(_, job)| job.state.is_kept()) {
            if let Err(why) = job.granted.upheld(policies, now_us) {
                ended.push(Unheld {
                    exchange: *exchange,
                    granted: job.granted.clone(),
                    why,
                    was_ready: matches!(job.state, State::Ready(_)),
                });
                job.state = State::Ended(why);
            }
        }
        ended
    }

    /// The state of a partner's own extract; another's looks as if it were not there.
    pub fn state(&self, exchange: Uuid, partner: &str) -> Option<State> {
        let jobs = self.lock();
        let job = jobs.get(&exchange).filter(|job| job.granted.partner == partner)?;
        (job.expires_us > self.clock.now_us()).then(|| job.state.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
