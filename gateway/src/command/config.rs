//! `shuguan config check | example`: the configuration before the gateway runs with it.

use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::output::Output;
use crate::config::{Config, ConfigError, EXAMPLE};
use crate::hex::hex;
use crate::journal::JournalPlace;

/// Check a configuration, or print an example.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    action: ConfigAction,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigAction {
    /// Show every fault of a configuration at once, with file, line and column.
    #[command(
        after_help = "EXAMPLES\n  shuguan config check -c demo/shuguan.toml\n\nEXIT CODES\n  0 good · 1 at least one fault"
    )]
    Check {
        /// The configuration.
        #[arg(short, long, env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
        config: PathBuf,
    },
    /// Print the example configuration with every default.
    #[command(after_help = "EXAMPLES\n  shuguan config example > shuguan.toml\n\nEXIT CODES\n  0 printed")]
    Example,
}

/// Runs the command.
pub fn run(args: ConfigArgs, output: &Output) -> Result<Exit, Failure> {
    match args.action {
        ConfigAction::Check { config } => {
            let loaded = load(&config)?;
            output.note(format!("`{}` is good", config.display()));
            output.note(format!(
                "SHA-256 {}, as the gateway's `config` leaf will say",
                hex(&loaded.sha256)
            ));
            Ok(Exit::Done)
        }
        ConfigAction::Example => {
            output.line(EXAMPLE.trim_end());
            Ok(Exit::Done)
        }
    }
}

/// The journal that a path names: a SQLite file, or by a gateway's configuration (`*.toml`) wherever that has it.
pub(crate) fn journal_at(path: &std::path::Path) -> Result<JournalPlace, Failure> {
    match path.extension() {
        Some(ending) if ending == "toml" => Ok(load(path)?.journal.place),
        _ => Ok(path.into()),
    }
}

/// Loads a configuration, or says everything that is wrong with it.
pub(crate) fn load(path: &std::path::Path) -> Result<Config, Failure> {
    Config::load(path).map_err(|error| match error {
        ConfigError::Unreadable(..) => Failure::local(error.to_string())
            .coded("SG7101")
            .then("shuguan init DIR            makes a configuration"),
        ConfigError::Faults(_) => Failure::local(format!("the configuration is not taken\n{error}"))
            .coded("SG7102")
            .then("shuguan config example      shows every key with its default"),
    })
}
