//! The journal's tables on PostgreSQL: made, and brought to this version.
//!
//! Takes the configuration; gives the statements, or runs them and makes the journal where the tables are empty. A journal in a file needs nothing: opening it adds
//! what an earlier version has not.

use std::path::Path;

use super::{Script, after};
use crate::chain::Chain;
use crate::command::config;
use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::journal::{Journal, JournalFault};
use crate::serve::journal_settings;

/// Whether there is one on PostgreSQL, which fits then.
pub(super) fn migrate(path: &Path, script: Option<Script>, output: &Output) -> Result<bool, Failure> {
    let config = config::load(path)?;
    if config.journal.place.file().is_some() {
        return Ok(false);
    }
    if let Some(Script { empty }) = script {
        let place = &config.journal.place;
        let statements = if empty {
            Journal::first_migration(place)
        } else {
            Journal::migration(place).map_err(|fault| unfit(&fault))?
        };
        if statements.is_empty() {
            output.note("the journal fits this version; nothing to run");
        } else {
            output.line(statements);
        }
        return Ok(true);
    }
    let settings = journal_settings(&config)
        .map_err(|fault| Failure::local("the keys of the log cannot be read").because(Chain(&fault)))?;
    Journal::migrate(&settings).map_err(|fault| unfit(&fault))?;
    output.note("the journal fits this version");
    Ok(true)
}

fn unfit(fault: &JournalFault) -> Failure {
    let said = Chain(fault).to_string();
    let next = after(&said).unwrap_or("shuguan db migrate --print     gives the statements to whoever may run them");
    Failure::local("the journal could not be asked or brought to this version")
        .because(said)
        .then(next)
}
