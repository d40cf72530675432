//! `shuguan db`: the tables of registry and journal. Brings the registry's to the columns that the policies release (design 10.8), the journal's on PostgreSQL to this
//! version, describes them, and gives a database administrator what he runs himself.

mod backup;
mod fsck;
mod journal;
mod recover;
mod restore;

use std::path::{Path, PathBuf};

use shuguan_policies::PolicySet;

use super::config;
use super::exit::{Exit, Failure};
use super::output::Output;
use crate::chain::Chain;
use crate::config::Config;
use crate::journal::{Journal, JournalPlace};
use crate::postgres::PostgresAddress;
use crate::registry::schema::{TableSpec, describe};
use crate::registry::{Missing, Registry, RegistryFault, RegistrySettings};
use crate::serve::tables;

/// Registration database and journal: migrate, compare, back up, restore, recover.
#[derive(Debug, clap::Args)]
pub struct DbArgs {
    #[command(subcommand)]
    action: DbAction,
}

#[derive(Debug, clap::Subcommand)]
enum DbAction {
    /// Add the tables and columns that the policies newly need to the registry, and what this version needs to a journal on PostgreSQL. Nothing is removed or changed in type.
    #[command(
        after_help = "EXAMPLES\n  shuguan db migrate -c demo/shuguan.toml\n  shuguan db migrate --print | psql -v ON_ERROR_STOP=1 registry     as the owner of the tables\n  shuguan db migrate --print --empty | psql -v ON_ERROR_STOP=1 registry     the first time; then shuguan db roles --print\n  shuguan db migrate --bundle new-policies -c demo/shuguan.toml     before it is submitted; the gateway may run\n\nEXIT CODES\n  0 the registry fits the policies, and the journal this version · 1 it does not; the statements to run by hand are named"
    )]
    Migrate {
        /// The gateway's configuration.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
        config: PathBuf,
        /// A bundle that is not in force yet, instead of the configured one.
        #[arg(long, value_name = "DIR")]
        bundle: Option<PathBuf>,
        /// Print the statements for a database administrator and change nothing (PostgreSQL).
        #[arg(long)]
        print: bool,
        /// The statements for an empty database, whose server is not asked: the role of the configuration is not there before the tables are.
        #[arg(long, requires = "print", conflicts_with = "bundle")]
        empty: bool,
        /// Only this one of the two.
        #[arg(long, value_enum, value_name = "STORE")]
        only: Option<Which>,
    },
    /// Show the tables and columns with their Chinese names.
    #[command(
        after_help = "EXAMPLES\n  shuguan db schema -c demo/shuguan.toml\n\nEXIT CODES\n  0 shown · 1 the policies do not load"
    )]
    Schema {
        /// The gateway's configuration.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
        config: PathBuf,
    },
    /// Compare journal and registry both ways: what was relayed and is not there, what is there and was never accepted. Changes nothing; the gateway
    /// may run.
    #[command(
        after_help = "EXAMPLES\n  shuguan db fsck -c demo/shuguan.toml\n  shuguan db fsck -c demo/shuguan.toml --json | jq -r '.findings[] | select(.what == \"missing\") | .exchange' |\n    xargs -r shuguan relay feed-again -c officers/operator-li.toml\n\nFINDINGS\n  missing     the registry lacks it and its payload is held: feed it again\n  lost        the registry lacks it and its payload is erased: its sender must push it again\n  differs     the registry counts other rows than its relayed leaf\n  unknown     the registry holds an exchange that the journal does not know: one of them was put back from a backup\n  in-gap      the registry holds what the log says it lost: known, and no finding\n  not-recalled  it was recalled, and a registry of before holds it again: start the gateway\n  recall-waits  its sender took it back, and the registry still holds it: known, and no finding; the gateway carries it out\n  given-up    an operator gave it up when it had written rows: its sender recalls it\n  no-payload  it waits for the registry, and its payload file is not there\n\nFINDINGS OF --deep, with the rows that log and counts state and those that the registry holds\n  open-rows   other rows of a record type are open than its exchanges made: some were removed, added, opened or closed past the relay\n  more        more rows bear its name than it had\n  stray       rows or history bear the name of an exchange that the registry itself does not know\n  provenance  rows or history bear its name with another leaf, partner, record type or time than the log has\n  It does not see a value that was changed in its place, an open row that was removed where another was added, nor that closed rows or history were removed.\n  A finding goes away with a registry that is put back; a snapshot of the sender puts its rows right, and the finding remains.\n\nEXIT CODES\n  0 they agree · 1 one of them cannot be read · 6 findings"
    )]
    Fsck {
        /// Read every row of the registry too: for when somebody may have written to it past the relay.
        #[arg(long)]
        deep: bool,
        /// The gateway's configuration.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
        config: PathBuf,
    },
    /// Copy journal, payloads and a registry on SQLite into an empty folder, while the gateway runs. No key goes with them. What is on PostgreSQL, `pg_dump`
    /// copies.
    #[command(
        after_help = "EXAMPLES\n  shuguan db backup /backup/2026-11-25 -c shuguan.toml\n\nRESTORE\n  shuguan db restore\n\nEXIT CODES\n  0 made, `backup.json` says of what · 1 not made"
    )]
    Backup {
        /// Where to; it is made, or must be empty.
        folder: PathBuf,
        /// The gateway's configuration.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
        config: PathBuf,
    },
    /// Put back what `db backup` made: journal with payloads, a registry on SQLite, or both. Every file is checked first, and what is there is kept under
    /// another name. The gateway must not run. What is on PostgreSQL, `pg_restore` puts back.
    #[command(
        after_help = "EXAMPLES\n  shuguan db restore /backup/2026-11-25 --only registry --replace -c shuguan.toml     the journal is sound\n  shuguan db restore /backup/2026-11-25 -c shuguan.toml                               both are gone\n\nBEFORE\n  shuguan relay pause: what was relayed since the backup must come before what is new. Then stop the gateway.\n\nAFTER\n  A registry: start the gateway, shuguan db fsck, shuguan relay feed-again for what is missing, shuguan relay resume. What is lost, its payload is\n  erased: its sender pushes it again.\n  A journal: a head file, a witness or a receipt that knows more entries keeps the gateway from starting with it. Leave the head file where it is, look for\n  a newer copy, and when the newest is lost: shuguan db recover.\n\nEXIT CODES\n  0 restored · 1 not: a gateway runs, something is there and --replace was not said, the journal there is longer and --lose-newer\n  was not, a file cannot be written\n  6 the backup is not what it says of itself, or of another log; nothing was changed"
    )]
    Restore {
        /// The backup.
        folder: PathBuf,
        /// Only this one of the two.
        #[arg(long, value_enum, value_name = "STORE")]
        only: Option<Which>,
        /// Put it in the place of what is there, which is kept under another name.
        #[arg(long)]
        replace: bool,
        /// Also in the place of a journal that can be read and holds more entries than the backup: receipts are out for them, and the next start removes
        /// their payload files, so that the journal that is kept lacks what was not relayed yet.
        #[arg(long, requires = "replace")]
        lose_newer: bool,
        /// The gateway's configuration.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
        config: PathBuf,
    },
    /// Take an older copy of the journal back into service: the log is closed where witnesses, head file and receipts last saw it, and a successor with
    /// another name goes on, which states what is lost. The gateway must not run.
    #[command(
        after_help = "EXAMPLES\n  shuguan db recover --why disk-lost -c shuguan.toml\n  shuguan db recover --why restored --seen a.tlog-proof --seen b.tlog-proof -c shuguan.toml\n\nBEFORE\n  Put the newest copy of the journal back (of a backup also payloads/), leave the head file where it is, and name the successor in `log_origin`\n  of the configuration, such as gw1.lyg.example/log/2. Receipts and checkpoints that others hold make the gap no larger than it is, and no smaller.\n\nAFTER\n  Old receipts go on verifying under the old log's keys; the successor has one of its own, and the old seeds are of no use any more (doctor).\n  An exchange that is lost is unknown to the gateway: its sender pushes it again. Of the policy bundles that were loaded within the gap, one that\n  was signed on top of what the log knows loads again by itself; for others the gateway says so at its start (SG7208).\n\nEXIT CODES\n  0 the successor is open · 1 a file cannot be read or written, or a gateway runs · 3 nothing is lost, or the successor has no name that is free\n  4 a witness does not answer · 6 what was signed is no continuation of this journal"
    )]
    Recover {
        /// Why the end of the journal is lost; the log says so.
        #[arg(long, value_enum)]
        why: recover::Why,
        /// A receipt or a signed checkpoint of the old log that somebody holds; may be repeated.
        #[arg(long, value_name = "FILE")]
        seen: Vec<PathBuf>,
        /// The gateway's configuration.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
        config: PathBuf,
    },
    /// Print the statements that make the roles of least privilege (PostgreSQL).
    #[command(
        after_help = "EXAMPLES\n  shuguan db roles --print | psql -v ON_ERROR_STOP=1 registry                    as the owner of the tables\n  shuguan db roles --print --only journal | psql -v ON_ERROR_STOP=1 journal      where it has a database of its own\n\nEXIT CODES\n  0 printed · 1 what is meant is not on PostgreSQL"
    )]
    Roles {
        /// The gateway's configuration.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
        config: PathBuf,
        /// Print them; nothing else is offered, because the gateway's own role may not make roles.
        #[arg(long, required = true)]
        print: bool,
        /// Only those of this one of the two, which may lie in a database of its own.
        #[arg(long, value_enum, value_name = "STORE")]
        only: Option<Which>,
    },
}

/// Statements to print, and nothing to do.
#[derive(Clone, Copy, Debug)]
struct Script {
    /// For a database in which nothing is.
    empty: bool,
}

/// One of the two stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    Journal,
    Registry,
}

/// Runs the command.
pub fn run(args: DbArgs, output: &Output) -> Result<Exit, Failure> {
    match args.action {
        DbAction::Migrate {
            config,
            bundle,
            print,
            empty,
            only,
        } => {
            let only = if print {
                output.in_its_own_form("the statements are printed")?;
                of_one_database(&config::load(&config)?, only)?
            } else {
                only
            };
            let script = print.then_some(Script { empty });
            let mut fits = Vec::new();
            if only != Some(Which::Journal) {
                let (store, tables) = registry(&config, bundle.as_deref())?;
                migrate(&store, tables, script, output)?;
                fits.push("registry");
            }
            if only != Some(Which::Registry) && journal::migrate(&config, script, output)? {
                fits.push("journal");
            }
            let fits = serde_json::json!({ "fits": fits });
            // At a terminal it was said in words.
            let _ = !print && output.document("shuguan.migrated.v1", &fits);
        }
        DbAction::Backup { folder, config } => return backup::run(&config, &folder, output),
        DbAction::Restore {
            folder,
            only,
            replace,
            lose_newer,
            config,
        } => return restore::run(&config, &folder, only, (replace, lose_newer), output),
        DbAction::Recover { why, seen, config } => return recover::run(&config, why, &seen, output),
        DbAction::Fsck { deep, config } => return fsck::run(&config, deep, output),
        DbAction::Schema { config } => show(&registry(&config, None)?.1, output),
        DbAction::Roles { config, print: _, only } => {
            output.in_its_own_form("the statements are printed")?;
            roles(&config, only, output)?;
        }
    }
    Ok(Exit::Done)
}

/// Which of the two stores a script for `psql` is about: both only where they lie in one database.
fn of_one_database(config: &Config, only: Option<Which>) -> Result<Option<Which>, Failure> {
    match (only, &config.journal.place, &config.registry.store) {
        (None, JournalPlace::File(_), _) => Ok(Some(Which::Registry)),
        (None, JournalPlace::Postgres(_), RegistrySettings::Sqlite(_)) => Ok(Some(Which::Journal)),
        (None, JournalPlace::Postgres(journal), RegistrySettings::Postgres(registry)) => {
            let place = |at: &PostgresAddress| (at.server.clone(), at.port, at.database.clone());
            if place(&journal.address) == place(&registry.address) {
                return Ok(None);
            }
            Err(
                Failure::local("journal and registry are in two databases, and one script is for one of them")
                    .then("the same with --only registry, and with --only journal"),
            )
        }
        (Some(Which::Journal), JournalPlace::File(_), _) => {
            Err(Failure::local("the journal is in a file, which needs no script"))
        }
        (only, ..) => Ok(only),
    }
}

/// The script of each store that is on PostgreSQL.
fn roles(path: &Path, only: Option<Which>, output: &Output) -> Result<(), Failure> {
    let config = config::load(path)?;
    let only = of_one_database(&config, only)?;
    if only != Some(Which::Journal) {
        let (store, tables) = registry(path, None)?;
        output.line(Registry::roles(&store, &tables).map_err(unfit)?.trim_end());
    }
    if only != Some(Which::Registry) {
        let script = Journal::roles(&config.journal.place).unwrap_or_default();
        output.line(script.trim_end());
    }
    Ok(())
}

fn migrate(
    store: &RegistrySettings,
    tables: Vec<TableSpec>,
    script: Option<Script>,
    output: &Output,
) -> Result<(), Failure> {
    let Some(Script { empty }) = script else {
        Registry::open(store, tables, Missing::Add).map_err(unfit)?;
        output.note("the registry fits the policies");
        return Ok(());
    };
    let statements = if empty {
        Registry::first_migration(store, &tables)
    } else {
        Registry::migration(store, &tables)
    };
    let statements = statements.map_err(unfit)?;
    if statements.is_empty() {
        output.note("the registry fits the policies; nothing to run");
    } else {
        output.line(format!("BEGIN;\n{statements}\nCOMMIT;"));
    }
    Ok(())
}

/// The registry of a configuration, and its tables under the policies.
fn registry(path: &Path, bundle: Option<&Path>) -> Result<(RegistrySettings, Vec<TableSpec>), Failure> {
    let config = config::load(path)?;
    let policies = PolicySet::load(bundle.unwrap_or(&config.policies.bundle)).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Failure::local(format!("the policies do not load\n{}", lines.join("\n"))).then("shuguan policy check DIR")
    })?;
    Ok((config.registry.store, tables(&policies).map_err(unfit)?))
}

fn unfit(fault: RegistryFault) -> Failure {
    // What a server says tells nothing of the policies.
    let what = match &fault {
        RegistryFault::Postgres { .. } => "the registry could not be asked or changed",
        _ => "the registry does not fit the policies",
    };
    let failure = Failure::local(what).coded(fault.code()).because(Chain(&fault));
    match after(&Chain(&fault).to_string()) {
        Some(next) => failure.then(next),
        None => failure,
    }
}

/// The next step after what PostgreSQL said.
fn after(said: &str) -> Option<&'static str> {
    let states = [
        (
            "28000",
            "the first time, as the owner of an empty database: shuguan db migrate --print --empty | psql DATABASE, then shuguan db roles --print | psql DATABASE; later: is the role of `url` there, and does `password_file` hold its password?",
        ),
        (
            "28P01",
            "give `password_file` the password that the role has on the server",
        ),
        (
            "3D000",
            "make the database, empty and in UTF-8; then: shuguan db migrate --print --empty | psql DATABASE",
        ),
        (
            "42501",
            "shuguan db migrate --print     gives the statements to whoever may run them",
        ),
        (
            "42P07",
            "another migration was under way, perhaps one that was interrupted: run it again",
        ),
        (
            "42710",
            "another migration was under way, perhaps one that was interrupted: run it again",
        ),
        (
            "23505",
            "another migration was under way, perhaps one that was interrupted: run it again",
        ),
    ];
    let found = states
        .into_iter()
        .find(|(state, _)| said.contains(&format!("SQLSTATE {state}")));
    found.map(|(_, next)| next).or_else(|| {
        said.contains("not reached")
            .then_some("does the server of `url` run, and does it listen there?")
    })
}

fn show(tables: &[TableSpec], output: &Output) {
    let lines = describe(tables);
    if output.is_json() {
        output.json("shuguan.schema.v1", &lines);
        return;
    }
    let rows: Vec<Vec<String>> = lines
        .into_iter()
        .map(|line| vec![line.table, line.column, line.kind.to_owned(), line.zh])
        .collect();
    output.rows(&["TABLE", "COLUMN", "TYPE", "中文"], &rows);
}

#[cfg(test)]
mod tests {
    use super::after;

    #[test]
    fn what_a_server_refuses_has_a_next_step_that_is_another_one() {
        for (said, next) in [
            ("look: SQLSTATE 28000, the role or its password is refused", "--empty"),
            ("look: SQLSTATE 3D000, there is no such database", "make the database"),
            ("make: SQLSTATE 42P07 (`person`)", "run it again"),
            ("make: SQLSTATE 42501, the role may not do that", "--print"),
            ("look: the server is not reached: refused", "does the server"),
        ] {
            assert!(
                after(said).is_some_and(|told| told.contains(next)),
                "{said}: {:?}",
                after(said)
            );
        }
        assert_eq!(after("SQLSTATE 53100"), None);
    }
}
