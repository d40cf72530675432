//! `shuguan serve`: run the gateway until SIGTERM or Ctrl-C.

use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};

use super::config;
use super::exit::{Exit, Failure};
use super::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::serve::{Gateway, StartFault};

/// Run the gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan serve -c /etc/shuguan/shuguan.toml

SIGNALS
  SIGTERM, Ctrl-C  stop accepting, finish what is in flight, seal the stop leaf, exit 0; a second one ends at once
  SIGHUP           read certificates and revocation lists anew, all or nothing; then the policy bundle, all or nothing;
                   then what `shuguan key` ordered about the log's keys

EXIT CODES
  0 stopped · 1 did not start, or the journal failed · 6 did not start: a witness holds entries that the journal lacks")]
pub struct ServeArgs {
    /// The configuration.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
    config: PathBuf,
}

/// Runs the command.
pub fn run(args: ServeArgs, output: &Output) -> Result<Exit, Failure> {
    let config = config::load(&args.config)?;
    log_to_stdout();
    super::runtime()?.block_on(serve(&args.config, config, output))
}

/// JSON lines on stdout, for journald, a panic among them by its place alone. The log of exchanges is not here: that is the journal.
pub(crate) fn log_to_stdout() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SHUGUAN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A second subscriber in one process is refused, which is as well.
    let _ = tracing_subscriber::fmt().json().with_env_filter(filter).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(
            panic.place = place,
            thread = std::thread::current().name(),
            "a thread panicked; its text is kept back, because it may quote what was being read"
        );
    }));
}

async fn serve(path: &Path, config: Config, output: &Output) -> Result<Exit, Failure> {
    let broken = |error: std::io::Error| Failure::local("cannot listen to signals").because(error);
    let mut term = signal(SignalKind::terminate()).map_err(broken)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(broken)?;
    let listen = config.listen.clone();
    let mut gateway = Gateway::start(config, Clock::system())
        .await
        .map_err(|fault| not_started(path, &fault))?;
    tracing::info!(feed = %listen.feed, console = %listen.console, health = %listen.health, "serving");
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                if let Err(fault) = gateway.reload().await {
                    tracing::error!(error = %fault, "the reload was refused; what was in force stays");
                } else {
                    tracing::info!("reloaded certificates, revocation lists and policies");
                }
            }
            () = gateway.failed() => {
                // Whether the last transaction is on disk nobody knows now; the next start reads what is there.
                return Err(Failure::local("the journal or the registry can no longer be trusted to keep what it is given, or a task of the gateway broke off")
                    .coded("SG9002")
                    .then("look at the disk and the log, then start again: nothing acknowledged is lost"));
            }
        }
    }
    output.note("stopping; a second signal ends at once");
    tokio::select! {
        () = gateway.stop() => {}
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(Exit::Done)
}

/// The step after a start that failed.
fn next(path: &Path, said: &str) -> String {
    let shown = path.display();
    if NO_LOG.iter().any(|words| said.contains(words)) {
        return format!(
            "the journal on PostgreSQL has no log yet: shuguan db migrate -c {shown}, which makes it with its key"
        );
    }
    format!("mend it, then: shuguan doctor -c {shown}")
}

/// What is said of tables of a journal in which no log was begun, and of a database without them.
const NO_LOG: [&str; 2] = ["there is no such row", "there is no journal in this database"];

/// Everything that was wrong at the start.
pub(crate) fn not_started(path: &Path, fault: &StartFault) -> Failure {
    if let StartFault::RolledBack(rolled_back) = fault {
        return Failure::new(
            Exit::NotProven,
            "the gateway does not start: the journal is not the one that was signed last",
        )
        .because(rolled_back)
        .coded("SG7105")
        .at(path.display().to_string())
        .then(rolled_back.next());
    }
    if let StartFault::Journal(fault) = fault
        && fault.is_another_history()
    {
        let what = "the gateway does not start: the journal is not the one that was signed last";
        return Failure::new(Exit::NotProven, what)
            .because(fault)
            .coded("SG7105")
            .at(path.display().to_string())
            .then(format!("what each case means and what to do: OPERATING.md, \"the journal is older than what was signed\"; then: shuguan doctor -c {}", path.display()));
    }
    let said = fault.to_string();
    let shown = path.display();
    Failure::local(format!("the gateway does not start\n{said}"))
        .coded("SG7104")
        .at(shown.to_string())
        .then(next(path, &said))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::next;

    #[test]
    fn a_start_on_tables_without_a_log_names_the_command_that_makes_one() {
        let next = |said| next(Path::new("shuguan.toml"), said);
        assert!(
            next("journal: cannot read the tree: there is no such row").contains("shuguan db migrate -c shuguan.toml")
        );
        assert!(next("journal: there is no journal in this database").contains("db migrate"));
        assert!(next("keys.log_file: there is none").contains("shuguan doctor"));
    }
}
