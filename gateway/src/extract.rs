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
}

#[derive(Debug)]
struct Job {
    partner: String,
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
    pub fn begin(&self, exchange: Uuid, partner: &str) -> bool {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now_us();
        // Dropping a job removes its file; a download that is under way keeps its own handle.
        jobs.retain(|_, job| job.expires_us > now);
        if jobs.values().filter(|job| job.partner == partner).count() >= JOBS_PER_PARTNER_MAX {
            return false;
        }
        let job = Job {
            partner: partner.to_owned(),
            state: State::Preparing,
            expires_us: now + self.keep_us,
        };
        jobs.insert(exchange, job);
        true
    }

    /// Ends a job.
    pub fn end(&self, exchange: Uuid, state: State) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = jobs.get_mut(&exchange) {
            job.state = state;
        }
    }

    /// The state of a partner's own extract; another's looks as if it were not there.
    pub fn state(&self, exchange: Uuid, partner: &str) -> Option<State> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = jobs.get(&exchange).filter(|job| job.partner == partner)?;
        (job.expires_us > self.clock.now_us()).then(|| job.state.clone())
    }
}
