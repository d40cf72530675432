//! `shuguan db migrate`: bring the registry to the columns that the policies release (design 10.8).

use std::path::PathBuf;

use shuguan_policies::PolicySet;

use super::config;
use super::exit::{Exit, Failure};
use super::output::Output;
use crate::registry::{Registry, RegistrySettings};
use crate::serve::tables;

/// The registration database.
#[derive(Debug, clap::Args)]
pub struct DbArgs {
    #[command(subcommand)]
    action: DbAction,
}

#[derive(Debug, clap::Subcommand)]
enum DbAction {
    /// Add the tables and columns that the policies newly need. Nothing is removed or changed in type.
    #[command(
        after_help = "EXAMPLES\n  shuguan db migrate -c demo/shuguan.toml\n  shuguan db migrate --bundle new-policies -c demo/shuguan.toml     before it is submitted; the gateway may run\n\nEXIT CODES\n  0 the registry fits the policies · 1 it does not; the statements to run by hand are named"
    )]
    Migrate {
        /// The gateway's configuration.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
        config: PathBuf,
        /// A bundle that is not in force yet, instead of the configured one.
        #[arg(long, value_name = "DIR")]
        bundle: Option<PathBuf>,
    },
}

/// Runs the command.
pub fn run(args: DbArgs, output: &Output) -> Result<Exit, Failure> {
    let DbAction::Migrate { config, bundle } = args.action;
    let config = config::load(&config)?;
    let policies = PolicySet::load(bundle.as_deref().unwrap_or(&config.policies.bundle)).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Failure::local(format!("the policies do not load\n{}", lines.join("\n"))).then("shuguan policy check DIR")
    })?;
    let unfit = |fault: crate::registry::RegistryFault| {
        Failure::local("the registry does not fit the policies")
            .coded(fault.code())
            .because(fault)
    };
    let tables = tables(&policies).map_err(unfit)?;
    Registry::open(&RegistrySettings::at(&config.registry.database), tables, true).map_err(unfit)?;
    output.note("the registry fits the policies");
    Ok(Exit::Done)
}
