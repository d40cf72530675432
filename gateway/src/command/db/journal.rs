//! The journal's tables on PostgreSQL: made, and brought to this version.
//!
//! Takes the configuration; gives the statements, or runs them and makes the journal where the tables are empty. A journal in a file needs nothing: opening it adds
//! what an earlier version has not.

use std::path::Path;

use crate::chain::Chain;
use crate::command::config;
use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::journal::{Journal, JournalFault};
use crate::serve::journal_settings;

pub(super) fn migrate(path: &Path, print: bool, output: &Output) -> Result<(), Failure> {
    let config = config::load(path)?;
    if config.journal.place.file().is_some() {
        return Ok(());
    }
    if print {
        let statements = Journal::migration(&config.journal.place).map_err(|fault| unfit(&fault))?;
        if statements.is_empty() {
            output.note("the journal fits this version; nothing to run");
        } else {
            output.line(statements);
        }
        return Ok(());
    }
    let settings = journal_settings(&config)
        .map_err(|fault| Failure::local("the keys of the log cannot be read").because(Chain(&fault)))?;
    Journal::migrate(&settings).map_err(|fault| unfit(&fault))?;
    output.note("the journal fits this version");
    Ok(())
}

fn unfit(fault: &JournalFault) -> Failure {
    Failure::local("the journal does not fit this version")
        .because(Chain(fault))
        .then("shuguan db migrate --print     gives the statements to whoever may run them")
}
