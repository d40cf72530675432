//! Prepared extracts: the result of a pull, encrypted on disk until it is fetched or expires.
//!
//! `form` columns to NDJSON or CSV · `spool` the encrypted file · this file the table of jobs. The keys of the files live in memory
//! only, so a restart makes prepared extracts unreadable; they are removed at the start and requested again.

pub mod form;
pub mod spool;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::clock::Clock;
use crate::exchange::asked::Granted;
use crate::journal::Sealed;
use shuguan_policies::PolicySet;
use spool::Spooled;

/// Extracts of one partner that are prepared or kept at once.
const JOBS_PER_PARTNER_MAX: usize = 64;

/// How far an extract is.
#[derive(Clone, Debug)]
pub enum State {
    /// The registry is being read.
    Preparing,
    /// Sealed; the content may be fetched.
    Ready(Arc<Ready>),
    /// It failed or was refused on the way.
    Failed,
    /// Its grant is no longer in force; the content is gone.
    Revoked,
}

/// A sealed extract.
#[derive(Debug)]
pub struct Ready {
    /// The encrypted content.
    pub content: Spooled,
    /// Rows in it.
    pub rows: u64,
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
    clock: Clock,
    jobs: Arc<Mutex<HashMap<Uuid, Job>>>,
}

impl Extracts {
    /// Opens the folder and removes what an earlier run left: its keys are gone.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &Path, keep_hours: u32, clock: Clock) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "spool") {
                std::fs::remove_file(path)?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            keep_us: i64::from(keep_hours) * 3_600_000_000,
            clock,
            jobs: Arc::default(),
        })
    }

    /// Where the content of an extract lies.
    pub fn path(&self, exchange: Uuid) -> PathBuf {
        self.folder.join(format!("{exchange}.spool"))
    }

    /// Begins a job; `false` when the partner has as many as it may.
    pub fn begin(&self, exchange: Uuid, granted: Granted) -> bool {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now_us();
        // Dropping a job removes its file; a download that is under way keeps its own handle.
        jobs.retain(|_, job| job.expires_us > now);
        if jobs
            .values()
            .filter(|job| job.granted.partner == granted.partner)
            .count()
            >= JOBS_PER_PARTNER_MAX
        {
            return false;
        }
        let job = Job {
            granted,
            state: State::Preparing,
            expires_us: now + self.keep_us,
        };
        jobs.insert(exchange, job);
        true
    }

    /// Ends a job.
    pub fn end(&self, exchange: Uuid, state: State) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = jobs.get_mut(&exchange)
            && !matches!(job.state, State::Revoked)
        {
            job.state = state;
        }
    }

    /// Ends every job whose grant these policies no longer hold, and removes its content; gives their number.
    pub fn end_revoked(&self, policies: &PolicySet) -> usize {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let revoked = jobs.values_mut().filter(|job| !job.granted.holds(policies));
        revoked.map(|job| job.state = State::Revoked).count()
    }

    /// The state of a partner's own extract; another's looks as if it were not there.
    pub fn state(&self, exchange: Uuid, partner: &str) -> Option<State> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = jobs.get(&exchange).filter(|job| job.granted.partner == partner)?;
        (job.expires_us > self.clock.now_us()).then(|| job.state.clone())
    }
}
