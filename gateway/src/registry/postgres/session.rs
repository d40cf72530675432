//! The registry's sessions: the writer's, made when it is needed and dropped after a fault, and what is asked once.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::super::fault::RegistryFault;
use super::super::schema::{Missing, TableSpec};
use super::super::{changes, numbers};
use super::fingerprints::Kept;
use super::schema::{self, Plan};
use super::{discrepancy, merge};
use crate::postgres::PostgresSettings;
use crate::postgres::link;
pub(in crate::registry) use crate::postgres::link::Purpose;

/// The writer's connection, made when it is needed.
pub(super) struct Session {
    pub(super) settings: PostgresSettings,
    pub(super) tables: Vec<TableSpec>,
    live: Option<Live>,
    /// While there is no connection.
    fingerprints: Kept,
}

/// A connection to a database that fits.
pub(super) struct Live {
    pub(super) connection: PgConnection,
    /// Tables of ours that have a staging table in this connection.
    pub(super) staged: HashSet<String>,
    /// How long an answer is waited for.
    pub(super) patience: Duration,
    /// What the snapshot that goes in may find unchanged.
    pub(super) fingerprints: Kept,
}

impl Session {
    pub(super) fn new(settings: PostgresSettings, tables: Vec<TableSpec>) -> Self {
        Self {
            settings,
            tables,
            live: None,
            fingerprints: Kept::default(),
        }
    }

    /// Connects anew, and migrates or checks the database.
    pub(super) async fn open(&mut self, missing: Missing) -> Result<(), RegistryFault> {
        self.live = None;
        let mut connection = connect(&self.settings, Purpose::Write).await?;
        schema::fit(&mut connection, &self.tables, missing).await?;
        schema::find_withdrawn(&mut connection, &mut self.tables).await?;
        let mut live = Live {
            connection,
            staged: HashSet::new(),
            patience: self.settings.silence_max(),
            fingerprints: std::mem::take(&mut self.fingerprints),
        };
        // A session that is made anew has nothing to commit: whatever made it necessary may make a COMMIT fail once more.
        if !numbers::to_walk(&mut live, &self.tables).await?.is_empty() {
            while live.walk(&self.tables).await? {}
        }
        self.live = Some(live);
        Ok(())
    }

    /// Works with those tables from now on; batches that were sealed before still have the columns of the old ones.
    pub(super) async fn adopt(&mut self, tables: Vec<TableSpec>) -> Result<(), RegistryFault> {
        let mut live = self.take().await?;
        schema::fit(&mut live.connection, &tables, Missing::Refuse).await?;
        self.tables = super::super::schema::both(&self.tables, tables);
        self.put(live);
        Ok(())
    }

    /// Takes the connection out; who succeeds puts it back, so that none survives a fault.
    pub(super) async fn take(&mut self) -> Result<Live, RegistryFault> {
        if self.live.is_none() {
            self.open(Missing::Refuse).await?;
        }
        self.live.take().ok_or(RegistryFault::Closed)
    }

    pub(super) fn put(&mut self, live: Live) {
        self.live = Some(live);
    }

    /// Keeps, of a connection that a fault ended, what the next one is to know.
    pub(super) fn end(&mut self, live: Live) {
        self.fingerprints = live.fingerprints.after_fault();
    }

    /// Whether the server answers.
    pub(super) async fn try_it(&mut self) -> Result<(), RegistryFault> {
        let mut live = self.take().await?;
        live.simple("ask whether it answers", "SELECT 1").await?;
        self.put(live);
        Ok(())
    }

    pub(super) async fn close(self) {
        if let Some(live) = self.live {
            // Nothing is open in it; the server finds out either way.
            let _ = tokio::time::timeout(Duration::from_secs(1), live.connection.close()).await;
        }
    }
}

impl Live {
    /// Statements without parameters, at once.
    pub(super) async fn simple(&mut self, step: &'static str, text: &'static str) -> Result<(), RegistryFault> {
        within(step, self.patience, sqlx::raw_sql(text).execute(&mut self.connection)).await?;
        Ok(())
    }

    /// Joins the next of the rows that were there before anybody noted their numbers, in a transaction of its own; false when none is left.
    async fn walk(&mut self, tables: &[TableSpec]) -> Result<bool, RegistryFault> {
        self.simple("begin a joining of numbers", merge::BEGIN).await?;
        let next = numbers::walk(self, tables).await?;
        let goes_on = next.is_some();
        if let Some((record, keys)) = next {
            let changed_us = changes::mark(self).await?;
            discrepancy::compare(self, tables, numbers::walked(record, keys, changed_us)).await?;
        }
        self.simple("commit joined numbers", "COMMIT").await?;
        Ok(goes_on)
    }
}

/// Waits for an answer so long and no longer: a server behind a dead line never answers.
pub(super) async fn within<T>(
    step: &'static str,
    patience: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, RegistryFault> {
    Ok(link::within(step, patience, answer).await?)
}

/// A runtime for one thread, and what it gives.
pub(in crate::registry) fn block_on<F: Future>(work: F) -> Result<F::Output, RegistryFault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(no_thread)?.block_on(work))
}

/// On a thread of its own, so that whoever calls may be on a runtime already.
pub(in crate::registry) fn aside<T: Send>(
    work: impl AsyncFnOnce() -> Result<T, RegistryFault> + Send,
) -> Result<T, RegistryFault> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| block_on(work())?);
        thread.join().unwrap_or(Err(RegistryFault::Closed))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
pub(super) fn no_thread(error: std::io::Error) -> RegistryFault {
    RegistryFault::Unusable(format!("no thread: {}", error.kind()))
}

/// Connects.
///
/// # Errors
/// The server is not reached or refuses, or is not one that can be used.
pub(in crate::registry) async fn connect(
    settings: &PostgresSettings,
    purpose: Purpose,
) -> Result<PgConnection, RegistryFault> {
    Ok(link::connect(settings, purpose).await?)
}

/// What a database lacks.
///
/// # Errors
/// When it does not answer, or a column has another type.
pub(in crate::registry) fn plan(settings: &PostgresSettings, tables: &[TableSpec]) -> Result<Plan, RegistryFault> {
    aside(async || {
        let mut connection = connect(settings, Purpose::Write).await?;
        Plan::of(&mut connection, tables).await
    })
}

/// Makes the registry in a database that has none.
///
/// # Errors
/// [`RegistryFault::Exists`], and whatever PostgreSQL fails at.
pub(in crate::registry) fn create(settings: &PostgresSettings, tables: &[TableSpec]) -> Result<(), RegistryFault> {
    aside(async || {
        let mut connection = connect(settings, Purpose::Write).await?;
        if schema::is_there(&mut connection).await? {
            return Err(RegistryFault::Exists(settings.address.to_string()));
        }
        schema::fit(&mut connection, tables, Missing::Add).await
    })
}
