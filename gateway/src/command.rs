//! The command line: one file a command. Data goes to stdout, everything else to stderr.

pub mod audit;
pub mod cert;
pub mod check;
pub mod compare;
pub mod config;
pub mod crl;
pub mod db;
pub mod demo;
pub mod discrepancies;
pub mod doctor;
pub mod exit;
pub mod explain;
mod help;
pub mod init;
pub mod key;
mod layout;
pub mod log;
mod marked;
pub mod output;
pub mod policy;
pub mod pull;
pub mod push;
pub mod query;
pub mod recall;
pub mod reconcile;
pub mod relay;
pub mod sample;
pub mod serve;
mod sheet;
pub mod shred;
mod sure;
pub mod tickets;
pub mod verify;
pub mod watch;
pub mod witness;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Exit, Failure};
use output::{Form, Output};

/// 数关 Shuguan: the checkpoint through which agency data enters the registration database.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    arg_required_else_help = true,
    after_help = "FIRST STEPS
  shuguan demo                 everything on one machine, from nothing
  shuguan init DIR             a gateway's folder: authorities, keys, policies, configuration
  shuguan serve -c DIR/shuguan.toml

EXIT CODES
  0 done · 1 local failure · 2 wrong usage · 3 refused · 4 not reached, repeat · 5 some records rejected
  6 not proven · 7 rate limited · 8 not known whether it was taken · 130 interrupted"
)]
pub struct Cli {
    /// Form of the data on stdout.
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Form,
    /// The same as `--format json`.
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing on stderr but errors.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// No progress bars.
    #[arg(long, global = true)]
    no_progress: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Init(init::InitArgs),
    Serve(serve::ServeArgs),
    Cert(cert::CertArgs),
    Crl(crl::CrlArgs),
    Check(check::CheckArgs),
    Sample(sample::SampleArgs),
    Push(push::PushArgs),
    Pull(pull::PullArgs),
    Compare(compare::CompareArgs),
    Status(query::StatusArgs),
    Rejects(query::RejectsArgs),
    Receipt(query::ReceiptArgs),
    Recall(recall::RecallArgs),
    Tickets(tickets::TicketsArgs),
    Catalog(query::CatalogArgs),
    Log(log::LogArgs),
    Key(key::KeyArgs),
    Verify(verify::VerifyArgs),
    Reconcile(reconcile::ReconcileArgs),
    Witness(witness::WitnessArgs),
    Audit(audit::AuditArgs),
    Shred(shred::ShredArgs),
    Policy(policy::PolicyArgs),
    Relay(relay::RelayArgs),
    Db(db::DbArgs),
    Discrepancies(discrepancies::DiscrepanciesArgs),
    Config(config::ConfigArgs),
    Doctor(doctor::DoctorArgs),
    Explain(explain::ExplainArgs),
}

/// Runs a command; gives the process's exit code.
pub fn main(cli: Cli) -> ExitCode {
    let output = Output {
        form: if cli.json { Form::Json } else { cli.format },
        quiet: cli.quiet,
        no_progress: cli.no_progress,
    };
    let exit = run(cli.command, &output).unwrap_or_else(|failure| {
        // Without a terminal to write to there is still the exit code.
        let _ = writeln!(std::io::stderr(), "{failure}");
        failure.exit
    });
    ExitCode::from(exit as u8)
}

fn run(command: Command, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => demo::run(args, output),
        Command::Init(args) => init::run(args, output),
        Command::Serve(args) => serve::run(args, output),
        Command::Cert(args) => cert::run(args, output),
        Command::Crl(args) => crl::run(args, output),
        Command::Check(args) => check::run(args, output),
        Command::Sample(args) => sample::run(args, output),
        Command::Push(args) => push::run(args, output),
        Command::Pull(args) => pull::run(args, output),
        Command::Compare(args) => compare::run(args, output),
        Command::Status(args) => query::status(args, output),
        Command::Rejects(args) => query::rejects(args, output),
        Command::Receipt(args) => query::receipt(args, output),
        Command::Recall(args) => recall::run(&args, output),
        Command::Tickets(args) => tickets::run(&args, output),
        Command::Catalog(args) => query::catalog(args, output),
        Command::Log(args) => log::run(args, output),
        Command::Key(args) => key::run(args, output),
        Command::Verify(args) => verify::run(args, output),
        Command::Reconcile(args) => reconcile::run(&args, output),
        Command::Witness(args) => witness::run(args, output),
        Command::Audit(args) => audit::run(args, output),
        Command::Shred(args) => shred::run(&args, output),
        Command::Policy(args) => policy::run(args, output),
        Command::Relay(args) => relay::run(args, output),
        Command::Db(args) => db::run(args, output),
        Command::Discrepancies(args) => discrepancies::run(&args, output),
        Command::Config(args) => config::run(args, output),
        Command::Doctor(args) => doctor::run(args, output),
        Command::Explain(args) => explain::run(args, output),
    }
}

/// The runtime of a command that talks over the network.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::local("cannot start the runtime").because(error))
}
