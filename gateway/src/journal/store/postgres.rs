//! The journal in a PostgreSQL database: one session at a time, whose statements stay prepared.
//!
//! Takes statements in SQLite's writing; gives rows as the server sends them. The rows that a group adds are held back until something could miss them, and go
//! as columns, one statement a table: what a group costs is mostly the way to the server and back. The writer's session holds an advisory lock, and COMMIT runs on that very
//! session, so whoever lost it commits nothing. A session that broke, or did not answer in time, is dropped, and with it what it had not committed; the next transaction begins on a new
//! one. Only when that happens at COMMIT does nobody know the outcome.

mod batch;
pub(in crate::journal) mod roles;
mod schema;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Arguments as _, AssertSqlSafe};

use self::batch::Batch;
pub(super) use self::schema::{MAY_CHANGE_LEAVES, create, migrate, script, script_of_nothing};
use super::value::{Row, Value};
use super::{StoreFault, Stored};
use crate::journal::fault::JournalFault;
use crate::postgres::link::{self, Purpose};
use crate::postgres::{LinkFault, PostgresSettings};

/// Bytes of rows that are held back.
const HELD_BYTES_MAX: usize = 4 << 20;
/// The writer's lock, one of each schema, of each database. It is waited for as long as any: the session of a gateway that was killed takes a moment to end.
const LOCK: &str = "SELECT pg_advisory_lock(hashtextextended('shuguan journal ' || current_schema(), 0))";
/// SQLSTATE of a lock that was not given in time.
const NOT_GIVEN: &str = "55P03";

/// A session, and what is not sent yet.
pub(in crate::journal) struct PostgresStore {
    settings: PostgresSettings,
    purpose: Purpose,
    /// None: lost, or not needed yet.
    session: RefCell<Option<Session>>,
    /// A transaction was begun and not ended, whatever became of its session.
    begun: Cell<bool>,
    held: RefCell<Batch>,
    texts: RefCell<HashMap<(&'static str, Form), Arc<str>>>,
}

struct Session {
    connection: PgConnection,
    transaction: Transaction,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    None,
    Open,
    /// A statement of it was refused: a COMMIT would be none.
    Failed,
}

/// How a statement is put for this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    Plain,
    /// Each of its parameters is a column of values.
    Columns,
    /// Its `= ?1` stands for many keys.
    Among,
}

impl Form {
    fn of(self, statement: &str) -> String {
        match self {
            Self::Plain => statement.replace('?', "$"),
            Self::Among => statement.replace("= ?1", "= ANY($1)"),
            Self::Columns => {
                let (head, values) = statement.split_once("VALUES (").unwrap_or((statement, ""));
                let columns = values.replace('?', "$");
                format!("{head}SELECT * FROM unnest({columns}")
            }
        }
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "PostgresStore({}, {:?})", self.settings.address, self.purpose)
    }
}

impl PostgresStore {
    /// Connects, and checks that a journal of this version is there.
    ///
    /// # Errors
    /// [`JournalFault::Absent`], [`JournalFault::Foreign`], [`JournalFault::Locked`] for a second writer.
    pub(super) fn open(settings: &PostgresSettings, purpose: Purpose) -> Result<Self, JournalFault> {
        let store = Self::at(settings, purpose);
        match store.connect() {
            Ok(()) => Ok(store),
            Err(StoreFault::Held) => Err(JournalFault::Locked(settings.address.to_string())),
            Err(StoreFault::NoTables) => Err(JournalFault::Absent(settings.address.to_string())),
            Err(StoreFault::OtherVersion) => Err(JournalFault::Foreign(settings.address.to_string())),
            Err(fault) => Err(JournalFault::store("open the journal")(fault)),
        }
    }

    fn at(settings: &PostgresSettings, purpose: Purpose) -> Self {
        Self {
            settings: settings.clone(),
            purpose,
            session: RefCell::default(),
            begun: Cell::new(false),
            held: RefCell::default(),
            texts: RefCell::default(),
        }
    }

    /// A new session, with the lock if it is to write.
    fn connect(&self) -> Stored<()> {
        let mut connection = link::wait(link::connect(&self.settings, self.purpose)).map_err(StoreFault::Lost)?;
        let patience = self.patience();
        let fit = async {
            if self.purpose == Purpose::Write {
                let taken = sqlx::query(LOCK).execute(&mut connection);
                match link::within("take the journal's lock", patience, taken).await {
                    Ok(_taken) => {}
                    Err(fault) if fault.is_state(NOT_GIVEN) => return Ok(Err(StoreFault::Held)),
                    Err(fault) => return Err(fault),
                }
            }
            let version = schema::version(&mut connection, patience).await?;
            Ok(match version {
                Some(schema::VERSION) => Ok(()),
                Some(_) => Err(StoreFault::OtherVersion),
                None => Err(StoreFault::NoTables),
            })
        };
        link::wait(fit).map_err(StoreFault::Lost)??;
        *self.session.borrow_mut() = Some(Session {
            connection,
            transaction: Transaction::None,
        });
        Ok(())
    }

    fn patience(&self) -> Duration {
        match self.purpose {
            Purpose::Read => self.settings.reading_max(),
            Purpose::Write | Purpose::Ask => self.settings.silence_max(),
        }
    }

    fn text(&self, statement: &'static str, form: Form) -> Arc<str> {
        let mut texts = self.texts.borrow_mut();
        let text = texts
            .entry((statement, form))
            .or_insert_with(|| form.of(statement).into());
        Arc::clone(text)
    }

    /// Runs what needs the session, and drops the session when it is lost.
    fn on<T>(&self, work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Broken>) -> Stored<T> {
        let mut session = self.session.borrow_mut();
        let Some(live) = session.as_mut() else {
            return Err(StoreFault::Lost(LinkFault::broken("use a session")));
        };
        let patience = self.patience();
        let connection = &mut live.connection;
        let done = link::wait(async {
            match tokio::time::timeout(patience, work(connection)).await {
                Ok(done) => Ok(done),
                Err(_elapsed) => Err(LinkFault::silent("run a statement", patience)),
            }
        });
        let fault = match done {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(Broken::Cell(fault))) => return Err(fault),
            Ok(Err(Broken::Server(error))) if link::goes_on(&error) => {
                if live.transaction == Transaction::Open {
                    live.transaction = Transaction::Failed;
                }
                return Err(StoreFault::Refused(error.into()));
            }
            Ok(Err(Broken::Server(error))) => LinkFault::of("run a statement", error),
            Err(fault) => fault,
        };
        *session = None;
        Err(StoreFault::Lost(fault))
    }

    /// A lost session is replaced, but not within a transaction: that is lost with it.
    fn ready(&self) -> Stored<()> {
        let live = self.session.borrow().is_some();
        match (live, self.begun.get()) {
            (true, _) => Ok(()),
            (false, true) => Err(StoreFault::Lost(LinkFault::broken("go on with a transaction"))),
            (false, false) => self.connect(),
        }
    }

    fn query(
        &self,
        text: Arc<str>,
        arguments: PgArguments,
        mut each: impl FnMut(&Row<'_>) -> Stored<ControlFlow<()>>,
    ) -> Stored<()> {
        self.on(async |connection| {
            let query = sqlx::query_with(AssertSqlSafe(text), arguments);
            let mut rows = query.fetch(connection);
            while let Some(row) = rows.try_next().await? {
                if each(&Row::Postgres(&row)).map_err(Broken::Cell)?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    pub(super) fn each(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Stored<ControlFlow<()>>,
    ) -> Stored<()> {
        self.send()?;
        self.ready()?;
        let (text, arguments) = (self.text(statement, Form::Plain), arguments(values)?);
        let mut any = false;
        let read = self.query(Arc::clone(&text), arguments.clone(), |row| {
            any = true;
            each(row)
        });
        match read {
            // A question that was not answered is asked again: the server was started anew since the last one.
            Err(StoreFault::Lost(fault)) if fault.is_break() && !any && !self.writes_or_began() => {
                self.ready()?;
                self.query(text, arguments, each)
            }
            read => read,
        }
    }

    fn writes_or_began(&self) -> bool {
        self.purpose == Purpose::Write || self.begun.get()
    }

    pub(super) fn run(&self, statement: &'static str, values: &[Value<'_>]) -> Stored<usize> {
        self.send()?;
        self.ready()?;
        self.execute(self.text(statement, Form::Plain), arguments(values)?)
    }

    fn execute(&self, text: Arc<str>, arguments: PgArguments) -> Stored<usize> {
        let done = self.on(async |connection| {
            let query = sqlx::query_with(AssertSqlSafe(text), arguments);
            Ok(query.execute(connection).await?.rows_affected())
        });
        Ok(usize::try_from(done?).unwrap_or(usize::MAX))
    }

    /// Holds a row back; it is sent before the next statement.
    pub(super) fn add(&self, insert: &'static str, values: &[Value<'_>]) -> Stored<()> {
        let bytes = self.held.borrow_mut().add(insert, values)?;
        if bytes > HELD_BYTES_MAX { self.send() } else { Ok(()) }
    }

    /// Sends what is held back.
    fn send(&self) -> Stored<()> {
        let held = std::mem::take(&mut *self.held.borrow_mut());
        for (insert, columns) in held.into_statements() {
            self.execute(self.text(insert, Form::Columns), columns.arguments()?)?;
        }
        Ok(())
    }

    pub(super) fn among(
        &self,
        statement: &'static str,
        keys: &[[u8; 32]],
        mut each: impl FnMut(&Row<'_>) -> Stored<()>,
    ) -> Stored<()> {
        self.send()?;
        self.ready()?;
        let keys: Vec<&[u8]> = keys.iter().map(<[u8; 32]>::as_slice).collect();
        let mut arguments = PgArguments::default();
        arguments.add(keys).map_err(unsendable)?;
        self.query(self.text(statement, Form::Among), arguments, |row| {
            each(row).map(ControlFlow::Continue)
        })
    }

    /// Runs a statement that begins or ends a transaction.
    fn turn(&self, text: &'static str, to: Transaction) -> Stored<()> {
        self.on(async |connection| Ok(sqlx::raw_sql(text).execute(connection).await.map(drop)?))?;
        if let Some(live) = self.session.borrow_mut().as_mut() {
            live.transaction = to;
        }
        Ok(())
    }

    fn transaction(&self) -> Transaction {
        let session = self.session.borrow();
        session.as_ref().map_or(Transaction::None, |live| live.transaction)
    }

    pub(super) fn begin(&self) -> Stored<()> {
        self.held.take();
        self.ready()?;
        self.begun.set(true);
        self.turn("BEGIN", Transaction::Open)
    }

    /// One committed state for every statement until the store is dropped.
    pub(super) fn snapshot(&self) -> Stored<()> {
        self.ready()?;
        self.begun.set(true);
        self.turn("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", Transaction::Open)
    }

    /// On the session that began, or not at all.
    pub(super) fn commit(&self) -> Stored<()> {
        self.send()?;
        if self.transaction() != Transaction::Open {
            return Err(StoreFault::Lost(LinkFault::broken("commit")));
        }
        let committed = self.turn("COMMIT", Transaction::None);
        self.begun.set(false);
        committed.map_err(|fault| match fault {
            StoreFault::Lost(fault) => StoreFault::Undecided(fault),
            refused => refused,
        })
    }

    /// A session that cannot say so is dropped: the server rolls back what it leaves open.
    pub(super) fn roll_back(&self) {
        self.held.take();
        self.begun.set(false);
        if self.transaction() != Transaction::None {
            let _ = self.turn("ROLLBACK", Transaction::None);
        }
    }

    pub(super) fn keeps_leaves(&self) -> Stored<bool> {
        let mut triggers = 0;
        self.each(schema::TRIGGERS, &[], |row| {
            triggers = row.get::<u64>(0)?;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(triggers == 2)
    }

    /// Part of a run; the server reads no more of it than that.
    pub(super) fn read_run(&self, run: i64, offset: usize, buffer: &mut [u8]) -> Stored<()> {
        const PART: &str =
            "SELECT substring(tags FROM CAST(?2 AS integer) FOR CAST(?3 AS integer)) FROM subject_run WHERE rowid = ?1";
        let number = |number: usize| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        let mut read = false;
        self.each(PART, &[run.into(), number(offset + 1), number(buffer.len())], |row| {
            let bytes = row.blob(0)?;
            if bytes.len() == buffer.len() {
                buffer.copy_from_slice(bytes);
                read = true;
            }
            Ok(ControlFlow::Break(()))
        })?;
        if read { Ok(()) } else { Err(StoreFault::NoRow) }
    }
}

/// Why work on a session ended early.
enum Broken {
    Server(sqlx::Error),
    /// A row is not what was expected; the session is none the worse for it.
    Cell(StoreFault),
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        Self::Server(error)
    }
}

fn arguments(values: &[Value<'_>]) -> Stored<PgArguments> {
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match *value {
            Value::Integer(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text),
            Value::Blob(bytes) => arguments.add(bytes),
        };
        added.map_err(unsendable)?;
    }
    Ok(arguments)
}

/// What the protocol cannot carry: more than 1 GiB.
fn unsendable(error: Box<dyn std::error::Error + Send + Sync>) -> StoreFault {
    StoreFault::Unsealed(error)
}
