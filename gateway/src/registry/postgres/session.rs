//! One connection to PostgreSQL: made with every option stated, waited for a limited time, dropped after a fault.
//!
//! sqlx takes what it is not told from the environment (`PG*`), and its default is to go on without TLS when the server has none. So
//! everything is told, and the three variables that cannot be overridden are refused. TLS is `verify-full` everywhere but on a unix
//! socket; sqlx 0.9 trusts the public web authorities beside the stated root, so the server's name must be one that no stranger can get.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::super::fault::RegistryFault;
use super::super::schema::TableSpec;
use super::super::settings::{PostgresServer, PostgresSettings};
use super::fault::{PostgresFault, Step};
use super::schema::{self, Plan};
use crate::pki::keyfile;

/// The first server with everything that is used here.
const SERVER_MIN: u32 = 130_000;
/// Statements kept prepared.
const STATEMENTS: usize = 256;
/// Variables that sqlx takes over and that cannot be taken back.
const FOREIGN: [&str; 3] = ["PGOPTIONS", "PGSSLCERT", "PGSSLKEY"];

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry) enum Purpose {
    Write,
    Read,
}

/// The writer's connection, made when it is needed.
pub(super) struct Session {
    pub(super) settings: PostgresSettings,
    pub(super) tables: Vec<TableSpec>,
    live: Option<Live>,
}

/// A connection to a database that fits.
pub(super) struct Live {
    pub(super) connection: PgConnection,
    /// Tables of ours that have a staging table in this connection.
    pub(super) staged: HashSet<String>,
    /// How long an answer is waited for.
    pub(super) patience: Duration,
}

impl Session {
    pub(super) fn new(settings: PostgresSettings, tables: Vec<TableSpec>) -> Self {
        Self {
            settings,
            tables,
            live: None,
        }
    }

    /// Connects anew, and migrates or checks the database.
    pub(super) async fn open(&mut self, migrate: bool) -> Result<(), RegistryFault> {
        self.live = None;
        let mut connection = connect(&self.settings, Purpose::Write).await?;
        schema::fit(&mut connection, &self.tables, migrate).await?;
        self.live = Some(Live {
            connection,
            staged: HashSet::new(),
            patience: self.settings.silence_max(),
        });
        Ok(())
    }

    /// Works with those tables from now on; batches that were sealed before still have the columns of the old ones.
    pub(super) async fn adopt(&mut self, tables: Vec<TableSpec>) -> Result<(), RegistryFault> {
        let mut live = self.take().await?;
        schema::fit(&mut live.connection, &tables, false).await?;
        self.tables = super::super::schema::both(&self.tables, tables);
        self.put(live);
        Ok(())
    }

    /// Takes the connection out; who succeeds puts it back, so that none survives a fault.
    pub(super) async fn take(&mut self) -> Result<Live, RegistryFault> {
        if self.live.is_none() {
            self.open(false).await?;
        }
        self.live.take().ok_or(RegistryFault::Closed)
    }

    pub(super) fn put(&mut self, live: Live) {
        self.live = Some(live);
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
}

/// Waits for an answer so long and no longer: a server behind a dead line never answers.
pub(super) async fn within<T>(
    step: &'static str,
    patience: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, RegistryFault> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer.step(step),
        Err(_elapsed) => Err(RegistryFault::Postgres {
            step,
            source: PostgresFault::Silent(patience.as_millis()),
        }),
    }
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
    let options = options(settings, purpose)?;
    let mut connection = within("connect", settings.connect_timeout(), options.connect()).await?;
    let version = connection.server_version_num().unwrap_or_default();
    if version < SERVER_MIN {
        let told = format!("the server is version {}; 13 is the least", version / 10_000);
        return Err(RegistryFault::Unusable(told));
    }
    let asked = sqlx::query_scalar::<_, String>("SELECT current_setting('server_encoding')").fetch_one(&mut connection);
    let encoding = within("ask for the encoding", settings.connect_timeout(), asked).await?;
    if encoding != "UTF8" {
        let told = format!("the database is encoded in {encoding}; it must be UTF8");
        return Err(RegistryFault::Unusable(told));
    }
    Ok(connection)
}

fn options(settings: &PostgresSettings, purpose: Purpose) -> Result<PgConnectOptions, RegistryFault> {
    if let Some(foreign) = FOREIGN.into_iter().find(|name| std::env::var_os(name).is_some()) {
        let told = format!("the environment has {foreign}, which would change the connection; unset it");
        return Err(RegistryFault::Unusable(told));
    }
    let address = &settings.address;
    let options = PgConnectOptions::new_without_pgpass()
        .username(&address.role)
        .password(&password(settings)?)
        .database(&address.database)
        .port(address.port)
        .application_name("shuguan")
        .extra_float_digits(None)
        .statement_cache_capacity(STATEMENTS)
        .options(server_options(settings, purpose))
        .disable_statement_logging();
    match &address.server {
        PostgresServer::Socket(folder) => Ok(options.host("localhost").socket(folder).ssl_mode(PgSslMode::Disable)),
        PostgresServer::Host(host) => {
            let root = settings.tls_root.as_ref().ok_or_else(|| {
                RegistryFault::Unusable("a server that is reached over the network needs tls_root".into())
            })?;
            let root = keyfile::read_public(root).map_err(|fault| RegistryFault::Unusable(fault.to_string()))?;
            Ok(options
                .host(host)
                .ssl_mode(PgSslMode::VerifyFull)
                .ssl_root_cert_from_pem(root.into_bytes()))
        }
    }
}

/// An empty one is stated too, or sqlx would take `PGPASSWORD`.
fn password(settings: &PostgresSettings) -> Result<String, RegistryFault> {
    let Some(path) = &settings.password_file else {
        return Ok(String::new());
    };
    let text = keyfile::read_secret(path).map_err(|fault| RegistryFault::Unusable(fault.to_string()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn server_options(settings: &PostgresSettings, purpose: Purpose) -> Vec<(&'static str, String)> {
    let timeout_ms = match purpose {
        Purpose::Write => settings.statement_timeout_ms,
        Purpose::Read => settings.read_timeout_ms,
    };
    let mut options = vec![
        ("search_path", settings.schema.clone()),
        ("statement_timeout", timeout_ms.to_string()),
        ("lock_timeout", settings.lock_timeout_ms.to_string()),
        // A gateway that hangs must not keep others from writing.
        ("idle_in_transaction_session_timeout", "60000".to_owned()),
        ("tcp_keepalives_idle", "60".to_owned()),
        ("synchronous_commit", "on".to_owned()),
        // Notices can hold values, and sqlx logs them.
        ("client_min_messages", "error".to_owned()),
        ("jit", "off".to_owned()),
    ];
    if purpose == Purpose::Write {
        // The writer only ever looks up keys; for thousands of them the planner would rather read the whole table.
        options.push(("enable_seqscan", "off".to_owned()));
    }
    options
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
        schema::fit(&mut connection, tables, true).await
    })
}

/// Runs statements that are ours, on a connection that ends with them.
///
/// # Errors
/// When the server does not do it.
pub(in crate::registry) fn run_once(settings: &PostgresSettings, text: &str) -> Result<(), RegistryFault> {
    aside(async || {
        let mut connection = connect(settings, Purpose::Write).await?;
        let run = sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned()));
        within("run statements", settings.silence_max(), run.execute(&mut connection)).await?;
        Ok(())
    })
}
