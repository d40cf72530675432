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
            all_there(&loaded)?;
            let document = serde_json::json!({
                "good": true, "config": config.display().to_string(), "sha256": hex(&loaded.sha256),
            });
            if output.document("shuguan.config.v1", &document) {
                return Ok(Exit::Done);
            }
            output.note(format!(
                "`{}` is good, and what it names is there; `shuguan doctor` looks into the files",
                config.display()
            ));
            output.note(format!(
                "SHA-256 {}, as the gateway's `config` leaf will say",
                hex(&loaded.sha256)
            ));
            Ok(Exit::Done)
        }
        ConfigAction::Example => {
            output.in_its_own_form("the example is printed")?;
            output.line(EXAMPLE.trim_end());
            Ok(Exit::Done)
        }
    }
}

/// That the files are there that no start makes.
fn all_there(config: &Config) -> Result<(), Failure> {
    let (tls, keys) = (&config.tls, &config.keys);
    let named = [
        ("tls.certificate", &tls.certificate),
        ("tls.key_file", &tls.key),
        ("tls.client_ca", &tls.client_ca),
        ("policies.bundle", &config.policies.bundle),
        ("keys.log_file", &keys.log),
        ("keys.key_encryption_file", &keys.key_encryption),
        ("keys.master_file", &keys.master),
        ("keys.index_file", &keys.index),
        ("keys.receipt_file", &keys.receipt),
    ];
    let lists = tls.crls.iter().map(|list| ("tls.crls", list));
    let lacking = named
        .into_iter()
        .chain(lists)
        .filter(|(_, path)| matches!(path.try_exists(), Ok(false)));
    let lacking: Vec<String> = lacking
        .map(|(key, path)| format!("`{key}`: there is no `{}`", path.display()))
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let told = format!("the configuration names what is not there\n{}", lacking.join("\n"));
    Err(Failure::local(told)
        .coded("SG7102")
        .then("correct the paths, or make the files: shuguan init DIR makes a whole folder"))
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
