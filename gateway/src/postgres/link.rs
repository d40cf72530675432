//! One connection to PostgreSQL: made with every option stated, waited for a limited time.
//!
//! sqlx takes what it is not told from the environment (`PG*`), and its default is to go on without TLS when the server has none. So
//! everything is told, and the three variables that cannot be overridden are refused. TLS is `verify-full` everywhere but on a unix
//! socket; sqlx 0.9 trusts the public web authorities beside the stated root, so the server's name must be one that no stranger can get.

use std::io;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgSeverity, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use tokio::runtime::{Builder, Runtime};

use super::condition::Condition;
use super::fault::LinkFault;
use super::settings::{PostgresServer, PostgresSettings};
use crate::pki::keyfile;

/// The first server with everything that is used here.
const SERVER_MIN: u32 = 130_000;
/// Statements kept prepared.
const STATEMENTS: usize = 256;
/// Variables that sqlx takes over and that cannot be taken back.
const FOREIGN: [&str; 3] = ["PGOPTIONS", "PGSSLCERT", "PGSSLKEY"];

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// By the one writer.
    Write,
    /// Questions that somebody waits for.
    Ask,
    /// As long as it takes.
    Read,
}

/// Waits for an answer so long and no longer: a server behind a dead line never answers.
pub(crate) async fn within<T>(
    step: &'static str,
    patience: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, LinkFault> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer.map_err(|error| LinkFault::of(step, error)),
        Err(_elapsed) => Err(LinkFault::silent(step, patience)),
    }
}

/// Whether a session survives an error: the server has refused a statement, and nothing more.
pub(crate) fn goes_on(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    let refused = error.try_downcast_ref::<PgDatabaseError>();
    refused.is_some_and(|error| error.severity() == PgSeverity::Error)
}

/// Connects.
///
/// # Errors
/// The server is not reached or refuses, or is not one that can be used; for a writer also one that may lose what it has confirmed.
pub(crate) async fn connect(settings: &PostgresSettings, purpose: Purpose) -> Result<PgConnection, LinkFault> {
    let options = options(settings, purpose)?;
    let mut connection = within("connect", settings.connect_timeout(), options.connect()).await?;
    let version = connection.server_version_num().unwrap_or_default();
    if version < SERVER_MIN {
        let told = format!("the server is version {}; 13 is the least", version / 10_000);
        return Err(LinkFault::Unusable(told));
    }
    let condition = Condition::of(&mut connection, settings).await?;
    if condition.encoding != "UTF8" {
        let told = format!("the database is encoded in {}; it must be UTF8", condition.encoding);
        return Err(LinkFault::Unusable(told));
    }
    // What the writers are told is in, is answered, sealed as such and erased elsewhere.
    let refuses = purpose == Purpose::Write && !condition.is_throwaway();
    if let Some(told) = condition.forgets().filter(|_| refuses) {
        return Err(LinkFault::Unusable(told));
    }
    Ok(connection)
}

fn options(settings: &PostgresSettings, purpose: Purpose) -> Result<PgConnectOptions, LinkFault> {
    if let Some(foreign) = FOREIGN.into_iter().find(|name| std::env::var_os(name).is_some()) {
        let told = format!("the environment has {foreign}, which would change the connection; unset it");
        return Err(LinkFault::Unusable(told));
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
                LinkFault::Unusable("a server that is reached over the network needs tls_root".into())
            })?;
            let root = keyfile::read_public(root).map_err(|fault| LinkFault::Unusable(fault.to_string()))?;
            Ok(options
                .host(host)
                .ssl_mode(PgSslMode::VerifyFull)
                .ssl_root_cert_from_pem(root.into_bytes()))
        }
    }
}

/// An empty one is stated too, or sqlx would take `PGPASSWORD`.
fn password(settings: &PostgresSettings) -> Result<String, LinkFault> {
    let Some(path) = &settings.password_file else {
        return Ok(String::new());
    };
    let text = keyfile::read_secret(path).map_err(|fault| LinkFault::Unusable(fault.to_string()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn server_options(settings: &PostgresSettings, purpose: Purpose) -> Vec<(&'static str, String)> {
    let timeout_ms = match purpose {
        Purpose::Write | Purpose::Ask => settings.statement_timeout_ms,
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

/// Runs statements that are ours, on a connection that ends with them. Blocking.
///
/// # Errors
/// When the server does not do it.
pub(crate) fn run_once(settings: &PostgresSettings, text: &str) -> Result<(), LinkFault> {
    wait(async {
        let mut connection = connect(settings, Purpose::Write).await?;
        let run = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        within("run statements", settings.silence_max(), run.execute(&mut connection)).await?;
        Ok(())
    })
}

/// Watches the sockets of every connection that is waited for with [`wait`].
static WATCH: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    let builder = &mut Builder::new_multi_thread();
    builder.worker_threads(1).thread_name("postgres").enable_all().build()
});

/// Waits for work on a connection on this thread, which may be one of a runtime's: it is blocked, as by a file.
///
/// # Errors
/// Those of the work; [`LinkFault::Unusable`] when there is no thread that watches the sockets.
pub(crate) fn wait<T, E: From<LinkFault>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let watch = WATCH
        .as_ref()
        .map_err(|error| LinkFault::Unusable(format!("no thread: {}", error.kind())))?;
    let _here = watch.enter();
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut work = pin!(work);
    loop {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            // Unparked before this: it returns at once.
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
