//! The registry: the registration database, on SQLite or on PostgreSQL. Takes released parts and readings; gives counts and Arrow batches.
//!
//! `settings` how it is opened · `schema` a table a record type, from the compiled push plans · `merge` which row of a key stays:
//! exactly once, newest wins · `discrepancy` where sources contradict each other · `person`, `enterprise` the subject indexes · `numbers` which numbers are one subject's · `changes` when anything last changed about a subject · `dataset` the views `population` and `enterprises` · `dialect` where the stores' SQL differs · `read`
//! a dataset as a stream of columns · `sqlite`, `postgres` the stores, each with all of its SQL and one thread that writes · `unanswered` for how long it owes an answer.
//!
//! Refuses plans whose columns contradict each other or the database, naming the migration. Logs nothing; no error holds a value.

mod changes;
mod dataset;
mod day;
mod dialect;
pub mod discrepancy;
mod enterprise;
mod fault;
mod merge;
mod numbers;
mod person;
mod postgres;
mod read;
pub mod schema;
mod settings;
mod speaking;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;
mod traces;
mod unanswered;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use arrow_array::RecordBatch;
use policies::dataset::Dataset;
use shuguan_policies as policies;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

pub use self::discrepancy::listing::{Listing, Origin, Shown, Tally, Wanted};
pub use self::fault::{RegistryFault, Remedy};
pub use self::merge::closing::{Closed, Ending, Walk, Weighed};
pub use self::merge::recall::{Recall, Undone};
use self::merge::rows::Rows;
pub use self::merge::{Ahead, Counts, Part};
use self::postgres::Opening;
use self::read::Reading;
pub use self::read::{BATCH_ROWS, Reached, Selection, schema as dataset_schema};
pub use self::schema::Missing;
use self::schema::TableSpec;
pub use self::settings::{RegistrySettings, SqliteSettings};
pub use self::traces::{OpenRows, Trace, Traces};
use self::unanswered::Unanswered;

/// Orders that may wait for the writer; each holds a part of at most 8,192 rows.
const ORDERS_MAX: usize = 2;

/// How far an exchange is in the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Parts that are in; also the number of the part that is due.
    pub parts: u32,
    /// Rows that they held.
    pub rows: u64,
    /// What became of them, and of the rows that the end of a snapshot closed.
    pub counts: Counts,
    /// The end of a snapshot has begun to close what it lacks.
    pub closing: bool,
    /// It has closed all of it; only stamps of older ones may be left to be gone through.
    pub closed: bool,
}

impl Progress {
    /// Rows that it wrote or closed.
    pub fn written(&self) -> u64 {
        self.counts.ins + self.counts.upd + self.counts.del
    }
}

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Its rows; all zero when it was in already.
    pub counts: Counts,
    /// It was in already, and nothing was written.
    pub repeated: bool,
    /// The exchange after it.
    pub progress: Progress,
}

/// Whether the registry answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Ready,
    /// It has not answered since the start, for the reason with this code.
    Awaited(&'static str),
    /// It did and does not now, for the reason with this code.
    Lost(&'static str),
}

/// What the writer is asked to do.
enum Order {
    Merge(Arc<[Part]>, oneshot::Sender<Result<Vec<Merged>, RegistryFault>>),
    Progress(Uuid, oneshot::Sender<Result<Option<Progress>, RegistryFault>>),
    Weigh(Arc<Ending>, String, oneshot::Sender<Result<Weighed, RegistryFault>>),
    End(Arc<Ending>, String, oneshot::Sender<Result<Closed, RegistryFault>>),
    Recall(Arc<Recall>, oneshot::Sender<Result<Undone, RegistryFault>>),
    Adopt(Vec<TableSpec>, oneshot::Sender<Result<(), RegistryFault>>),
    Close(oneshot::Sender<()>),
}

/// A handle on the registry; clones share one writer.
#[derive(Clone, Debug)]
pub struct Registry {
    settings: Arc<RegistrySettings>,
    /// What the policies in force make; a reload of the policies swaps them whole.
    tables: Arc<ArcSwap<Vec<TableSpec>>>,
    orders: mpsc::Sender<Order>,
    standing: Arc<Mutex<Standing>>,
    unanswered: Unanswered,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Registry {
    /// Makes the registry with its tables, indexes, comments and views: a file, or the tables in a PostgreSQL database that is there.
    ///
    /// # Errors
    /// [`RegistryFault::Exists`] when it is there, and whatever the store fails at.
    pub fn create(settings: &RegistrySettings, tables: &[TableSpec]) -> Result<(), RegistryFault> {
        match settings {
            RegistrySettings::Sqlite(settings) => {
                let mut connection = sqlite::make(settings)?;
                sqlite::fit(&mut connection, tables, Missing::Add)
            }
            RegistrySettings::Postgres(settings) => postgres::session::create(settings, tables),
        }
    }

    /// Opens the database and starts its writer. Tables, columns and views that the plans newly need are added first, or refused.
    ///
    /// # Errors
    /// [`RegistryFault::Absent`]; [`RegistryFault::Behind`] when something is missing that is not to be added;
    /// [`RegistryFault::ColumnDiffers`] when a column has another type.
    pub fn open(settings: &RegistrySettings, tables: Vec<TableSpec>, missing: Missing) -> Result<Self, RegistryFault> {
        let opening = match missing {
            Missing::Add => Opening::Migrate,
            Missing::Refuse => Opening::Strict,
        };
        Self::launch(settings, tables, opening)
    }

    /// The same without migrating, for a gateway that serves: a server that does not answer is waited for ([`Self::standing`]), so that
    /// feeds can be accepted meanwhile.
    ///
    /// # Errors
    /// As [`Self::open`], but for a PostgreSQL server that may answer later.
    pub fn start(settings: &RegistrySettings, tables: Vec<TableSpec>) -> Result<Self, RegistryFault> {
        Self::launch(settings, tables, Opening::Patient)
    }

    fn launch(settings: &RegistrySettings, tables: Vec<TableSpec>, opening: Opening) -> Result<Self, RegistryFault> {
        let standing = Arc::new(Mutex::new(Standing::Ready));
        let (orders, receiver) = mpsc::channel(ORDERS_MAX);
        let writers_tables = tables.clone();
        let writer = match settings {
            RegistrySettings::Sqlite(settings) => {
                sqlite::launch(settings, writers_tables, opening.missing(), receiver)?
            }
            RegistrySettings::Postgres(settings) => {
                let standing = Arc::clone(&standing);
                postgres::launch(settings.clone(), writers_tables, opening, receiver, standing)?
            }
        };
        Ok(Self {
            settings: Arc::new(settings.clone()),
            tables: Arc::new(ArcSwap::from_pointee(tables)),
            orders,
            standing,
            unanswered: Unanswered::default(),
            writer: Arc::new(Mutex::new(Some(writer))),
        })
    }

    /// What a database lacks for those tables, as statements for whoever may run them; empty when it lacks nothing. PostgreSQL only: a
    /// file belongs to the gateway.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn migration(settings: &RegistrySettings, tables: &[TableSpec]) -> Result<String, RegistryFault> {
        match settings {
            RegistrySettings::Sqlite(_) => Err(RegistryFault::Unusable("the registry is on SQLite".into())),
            RegistrySettings::Postgres(settings) => {
                let plan = postgres::session::plan(settings, tables)?;
                Ok(if plan.statements.is_empty() {
                    String::new()
                } else {
                    plan.text()
                })
            }
        }
    }

    /// The same for a database in which nothing is, whose server is not asked: the gateway's role is not there before the tables are.
    ///
    /// # Errors
    /// [`RegistryFault::Unusable`] for SQLite.
    pub fn first_migration(settings: &RegistrySettings, tables: &[TableSpec]) -> Result<String, RegistryFault> {
        match settings {
            RegistrySettings::Sqlite(_) => Err(RegistryFault::Unusable("the registry is on SQLite".into())),
            RegistrySettings::Postgres(_) => Ok(postgres::schema::Plan::of_nothing(tables)?.text()),
        }
    }

    /// Statements that make the roles of least privilege on PostgreSQL: one that relays, one that reads masked views.
    ///
    /// # Errors
    /// [`RegistryFault::Unusable`] for SQLite, which has no roles.
    pub fn roles(settings: &RegistrySettings, tables: &[TableSpec]) -> Result<String, RegistryFault> {
        match settings {
            RegistrySettings::Sqlite(_) => Err(RegistryFault::Unusable("the registry is on SQLite".into())),
            RegistrySettings::Postgres(settings) => Ok(postgres::roles::script(settings, tables)),
        }
    }

    /// Whether it answers, as of the last order or try.
    pub fn standing(&self) -> Standing {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long the oldest order has waited for its answer; none when none is open. One that hangs is not known to have failed.
    pub fn unanswered_for(&self) -> Option<Duration> {
        self.unanswered.oldest()
    }

    /// The longest that one statement may take; none on SQLite.
    pub fn statement_max(&self) -> Option<Duration> {
        match &*self.settings {
            RegistrySettings::Sqlite(_) => None,
            RegistrySettings::Postgres(settings) => Some(Duration::from_millis(settings.statement_timeout_ms.into())),
        }
    }

    /// Whether the database has what those tables need. Blocks.
    ///
    /// # Errors
    /// [`RegistryFault::Behind`] with the migration to run; [`RegistryFault::ColumnDiffers`].
    pub fn fits(&self, tables: &[TableSpec]) -> Result<(), RegistryFault> {
        match &*self.settings {
            RegistrySettings::Sqlite(settings) => sqlite::fits(&sqlite::open_reader(settings)?, tables),
            RegistrySettings::Postgres(settings) => postgres::session::plan(settings, tables)?.refuse(),
        }
    }

    /// Whether it works with those tables already: the same keys, and every column, so that nothing would have to be told to it.
    pub fn knows(&self, tables: &[TableSpec]) -> bool {
        let known = self.tables.load();
        tables.iter().all(|table| known.iter().any(|known| known.covers(table)))
    }

    /// Works with those tables from now on. Batches that were sealed before go on: the writer keeps the columns that it knew.
    ///
    /// # Errors
    /// As [`Registry::fits`]; then nothing changes.
    pub async fn adopt(&self, tables: Vec<TableSpec>) -> Result<(), RegistryFault> {
        let told = tables.clone();
        self.order(|answer| Order::Adopt(told, answer)).await??;
        self.tables.store(Arc::new(tables));
        Ok(())
    }

    /// Merges a part, with the index rows of its subjects and the exchange's progress, in one transaction. A part that is in already
    /// changes nothing. When this returns, the part is durable.
    ///
    /// # Errors
    /// Any fault; then nothing of the part is in. [`RegistryFault::remedy`] says what to do.
    pub async fn merge(&self, part: Part) -> Result<Merged, RegistryFault> {
        let merged = self.merge_all(Arc::new([part])).await?;
        merged.first().copied().ok_or(RegistryFault::Closed)
    }

    /// Merges parts, of one exchange or of many, in their order and in one transaction: what small exchanges cost is mostly the commit.
    /// Gives what became of each.
    ///
    /// # Errors
    /// The first fault of any part; then nothing of any of them is in, and which of them is to blame is found by merging them one by one.
    pub async fn merge_all(&self, parts: Arc<[Part]>) -> Result<Vec<Merged>, RegistryFault> {
        self.order(|answer| Order::Merge(parts, answer)).await?
    }

    /// The part with whatever can be made of it before its turn, on another thread: the writer would make it while the store is idle.
    ///
    /// # Errors
    /// Only when the process ends; a part that does not fit is refused when it is merged.
    pub async fn prepare(&self, mut part: Part) -> Result<Part, RegistryFault> {
        let tables = self.tables.load_full();
        let made = tokio::task::spawn_blocking(move || {
            let table = schema::table_of(&tables, &part.record);
            let ahead = table.and_then(|table| Rows::ahead(table, &part));
            part.ahead = Ahead(ahead.ok().map(Arc::new));
            part
        });
        made.await.map_err(|_gone| RegistryFault::Closed)
    }

    /// How far an exchange is; none when no part of it is in.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn progress(&self, exchange: Uuid) -> Result<Option<Progress>, RegistryFault> {
        self.order(|answer| Order::Progress(exchange, answer)).await?
    }

    /// Counts what a snapshot speaks for and what it lacks, in one stride of keys behind `after`; empty at first. Writes nothing.
    ///
    /// # Errors
    /// When the database does not answer, or the scope goes by a column that it lacks.
    pub async fn weigh(&self, ending: Arc<Ending>, after: String) -> Result<Weighed, RegistryFault> {
        self.order(|answer| Order::Weigh(ending, after, answer)).await?
    }

    /// Closes what a snapshot lacks, in one stride of keys behind the last or behind `from` when that is further, in one transaction with its
    /// progress. When this returns, it is durable; called again after an end, it closes nothing.
    ///
    /// # Errors
    /// As [`Registry::merge`].
    pub async fn end(&self, ending: Arc<Ending>, from: String) -> Result<Closed, RegistryFault> {
        self.order(|answer| Order::End(ending, from, answer)).await?
    }

    /// Takes a batch back in one stride of keys behind the last, in one transaction with its progress. When this returns, it is durable; called
    /// again after the end, it changes nothing.
    ///
    /// # Errors
    /// As [`Registry::merge`].
    pub async fn recall(&self, recall: Arc<Recall>) -> Result<Undone, RegistryFault> {
        self.order(|answer| Order::Recall(recall, answer)).await?
    }

    /// Streams a dataset, one snapshot, ordered by subject, in batches of at most [`BATCH_ROWS`] with exactly those fields in that
    /// order. Blocks: call it on a blocking thread. Gives the number of rows handed to `each`, and as of when they are.
    ///
    /// # Errors
    /// When the database does not answer or a stored value is malformed; batches handed over before then are valid.
    pub fn read(
        &self,
        dataset: Dataset,
        fields: &[&str],
        selection: &Selection,
        each: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
    ) -> Result<Reached, RegistryFault> {
        let reading = Reading {
            dataset,
            fields,
            selection,
        };
        match &*self.settings {
            RegistrySettings::Sqlite(settings) => {
                sqlite::stream(&reading, &mut sqlite::open_reader(settings)?, &self.tables.load(), each)
            }
            RegistrySettings::Postgres(settings) => postgres::stream(settings, &reading, &self.tables.load(), each),
        }
    }

    /// How far each of those exchanges is, one that is unknown left out, past the writer.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn progress_of_all(&self, exchanges: Vec<Uuid>) -> Result<HashMap<Uuid, Progress>, RegistryFault> {
        let settings = Arc::clone(&self.settings);
        let asked = tokio::task::spawn_blocking(move || Self::progress_of(&settings, &exchanges));
        asked.await.map_err(|_gone| RegistryFault::Closed)?
    }

    /// How far each of those exchanges is, one that is unknown left out. Asks the store and no writer, and blocks: for whoever compares.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn progress_of(
        settings: &RegistrySettings,
        exchanges: &[Uuid],
    ) -> Result<HashMap<Uuid, Progress>, RegistryFault> {
        match settings {
            RegistrySettings::Sqlite(settings) => sqlite::progress_of(&sqlite::open_reader(settings)?, exchanges),
            RegistrySettings::Postgres(settings) => postgres::progress_of(settings, exchanges),
        }
    }

    /// The exchanges that the registry knows, by id, behind one, at most 1,000, each with the index of its leaf as it was told. Blocks.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn exchanges_behind(
        settings: &RegistrySettings,
        last: Option<Uuid>,
    ) -> Result<Vec<(Uuid, u64)>, RegistryFault> {
        let last = last.unwrap_or_default();
        match settings {
            RegistrySettings::Sqlite(settings) => sqlite::exchanges_behind(&sqlite::open_reader(settings)?, last),
            RegistrySettings::Postgres(settings) => postgres::exchanges_behind(settings, last),
        }
    }

    /// What rows and history say of where they come from, beside what is said of each exchange; `each` is called for each of them. Blocks, and reads every row.
    ///
    /// # Errors
    /// When the database does not answer, or lacks one of the tables.
    pub fn traces(
        settings: &RegistrySettings,
        tables: &[TableSpec],
        each: &mut (dyn FnMut() + Send),
    ) -> Result<Traces, RegistryFault> {
        let mut traces = Traces::of(tables);
        let mut add = |source, line: &traces::Line<'_>| {
            traces.add(source, line);
            each();
        };
        match settings {
            RegistrySettings::Sqlite(settings) => sqlite::trace(&mut sqlite::open_reader(settings)?, tables, &mut add)?,
            RegistrySettings::Postgres(settings) => postgres::trace(settings, tables, &mut add)?,
        }
        Ok(traces)
    }

    /// Open rows of each table, in order of the tables' names, then `person` and `enterprise`. Blocks, and scans: for people.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn counts(&self) -> Result<Vec<(String, u64)>, RegistryFault> {
        let tables = self.tables();
        let open = tables
            .iter()
            .map(|table| (table.name.clone(), format!("{} WHERE _open <> 0", table.name)));
        let index = ["person", "enterprise"].map(|name| (name.to_owned(), name.to_owned()));
        let sources: Vec<(String, String)> = open.chain(index).collect();
        match &*self.settings {
            RegistrySettings::Sqlite(settings) => {
                let connection = sqlite::open_reader(settings)?;
                let count = |(name, from): (String, String)| sqlite::count(&connection, &from).map(|rows| (name, rows));
                sources.into_iter().map(count).collect()
            }
            RegistrySettings::Postgres(settings) => postgres::counts(settings, &sources),
        }
    }

    /// Discrepancies, without whom they are about: counts by kind, and where both sides came from. Blocks, and scans: for people.
    ///
    /// # Errors
    /// When the database does not answer, or lacks the table because it was not migrated.
    pub fn discrepancies(settings: &RegistrySettings, wanted: &Wanted) -> Result<Listing, RegistryFault> {
        match settings {
            RegistrySettings::Sqlite(settings) => sqlite::list_them(&sqlite::open_reader(settings)?, wanted),
            RegistrySettings::Postgres(settings) => postgres::list_them(settings, wanted),
        }
    }

    /// The tables that the plans make.
    pub fn tables(&self) -> Arc<Vec<TableSpec>> {
        self.tables.load_full()
    }

    /// Lets the writer finish what waits, closes the store and returns when that is done.
    pub async fn close(self) {
        // A writer that is gone already is closed.
        let _closed = self.order(Order::Close).await;
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // It has answered, so this does not wait.
            let _ended = writer.join();
        }
    }

    async fn order<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, RegistryFault> {
        let _open = self.unanswered.open();
        let (answer, wait) = oneshot::channel();
        self.orders
            .send(make(answer))
            .await
            .map_err(|_closed| RegistryFault::Closed)?;
        wait.await.map_err(|_closed| RegistryFault::Closed)
    }
}
