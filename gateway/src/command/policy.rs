//! `shuguan policy …`: what a bundle says, without a gateway; and how it comes into force.
//!
//! Takes a bundle folder; answers like `grep`: 0 and 1, 3 where a change would widen something, and 2 for wrong usage or an unreadable
//! bundle.

mod catalog;
mod check;
mod diff;
mod explain;
mod format;
mod import;
mod matrix;
mod rehearse;
pub(crate) mod sign;
mod submit;
mod test;
mod who_can;
mod workbook;

use std::path::{Path, PathBuf};

use shuguan_policies::PolicySet;

use super::exit::{Exit, Failure};
use super::output::Output;
use crate::clock::Clock;
use crate::hex::hex;

/// Check, test, explain and compare policy bundles.
#[derive(Debug, clap::Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    action: PolicyAction,
}

#[derive(Debug, clap::Subcommand)]
enum PolicyAction {
    /// Show every fault of a bundle at once, with file, line, column and a caret.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy check policies/example\n\nEXIT CODES\n  0 good · 1 at least one fault"
    )]
    Check {
        /// The bundle: purposes.toml, partners.toml, keys.toml, ceilings.toml, agreements/, calendars/ and tests/.
        dir: PathBuf,
    },
    /// Run the bundle's own cases and `never` lines, and list the cells that no case touches.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy test policies/example\n  shuguan policy test policies/example --sketch tax/registration\n\nEXIT CODES\n  0 all hold · 1 one fails, or with --strict a cell is untouched · 2 the bundle does not load, or wrong usage"
    )]
    Test(test::TestArgs),
    /// Explain one decision step by step: which grant of which file, and what becomes of each field.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy explain policies/example --partner health-city --record health/birth-certificate --purpose enrolment.registration\n  shuguan policy explain policies/example --partner information-centre --dataset population --purpose enrolment.registration --field name\n\nEXIT CODES\n  0 granted · 1 refused · 2 the bundle does not load, or wrong usage"
    )]
    Explain(explain::ExplainArgs),
    /// List everybody who learns anything about a field, and how much: itself, or read out of another one.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy who-can policies/example birth_date\n  shuguan policy who-can policies/example population.name\n\nEXIT CODES\n  0 nobody · 1 those that are listed · 2 the bundle does not load, or wrong usage"
    )]
    WhoCan(who_can::WhoCanArgs),
    /// Show what changes in meaning between two bundles, cell by cell.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy diff policies/example my-bundle\n\nEXIT CODES\n  0 the same or narrower · 3 something widens or cannot be compared · 2 a bundle does not load, or wrong usage"
    )]
    Diff(diff::DiffArgs),
    /// Write the files of a bundle in one form; comments and meaning stay.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy fmt policies/example\n  shuguan policy fmt policies/example --check\n\nEXIT CODES\n  0 done · 1 with --check a file is written otherwise, or a file cannot be read or written"
    )]
    Fmt(format::FmtArgs),
    /// Print the record types and datasets that grants may name: fields, types, classes, and what a field gives away.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy catalog\n  shuguan policy catalog --only population\n\nEXIT CODES\n  0 done · 2 no such record type or dataset"
    )]
    Catalog(catalog::CatalogArgs),
    /// Put an officer's signature under a bundle: a policy officer and a security officer sign, each with his own key.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy sign policies -c officers/policy-sun.toml\n  shuguan policy sign policies --p12 qian.p12 --password-file qian.password\n  shuguan policy sign old-policies --after policies --rollback -c officers/policy-sun.toml\n\nEXIT CODES\n  0 signed · 1 the bundle has a fault, or the key or certificate cannot sign it"
    )]
    Sign(sign::SignArgs),
    /// Bring a signed bundle into force while the gateway serves.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy submit policies -c officers/policy-sun.toml\n\nEXIT CODES\n  0 in force · 1 the bundle cannot be read or is not signed · 3 refused: a signature, the serial, the registry · 4 not reached, or no leaf could be sealed"
    )]
    Submit(submit::SubmitArgs),
    /// Decide the exchanges of the last days again under a bundle that is not in force: who would gain or lose what.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy rehearse --bundle new-policies --since 30d -c demo/shuguan.toml\n\nEXIT CODES\n  0 every exchange would be decided the same · 1 the bundle, the configuration or the journal cannot be read · 3 some would be decided otherwise"
    )]
    Rehearse(rehearse::RehearseArgs),
    /// Show what is granted, field by field, or write it as a workbook in Chinese that people sign and fill in.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy matrix policies/example --only population\n  shuguan policy matrix policies/example --xlsx 授权表.xlsx\n\nEXIT CODES\n  0 done · 1 a sheet cannot hold all of the bundle, or the file cannot be written · 2 the bundle does not load, or wrong usage"
    )]
    Matrix(matrix::MatrixArgs),
    /// Make a bundle out of a workbook that `policy matrix` wrote and people changed; refuse what would lose meaning.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy import 授权表.xlsx --base policies/example -o new-policies\n\nEXIT CODES\n  0 the same or narrower · 1 a cell cannot be taken, or the result is no bundle; nothing was written · 2 --base does not load, or wrong usage\n  3 written, and something widens"
    )]
    Import(import::ImportArgs),
}

/// Runs the command.
pub fn run(args: PolicyArgs, output: &Output) -> Result<Exit, Failure> {
    match args.action {
        PolicyAction::Check { dir } => Ok(check::check(&dir, output)),
        PolicyAction::Test(args) => test::test(&args, Clock::system().now_us(), output),
        PolicyAction::Explain(args) => explain::explain(&args, &Clock::system(), output),
        PolicyAction::WhoCan(args) => who_can::who_can(&args, &Clock::system(), output),
        PolicyAction::Diff(args) => diff::diff(&args, output),
        PolicyAction::Fmt(args) => format::format(&args, output),
        PolicyAction::Catalog(args) => catalog::catalog(&args, output),
        PolicyAction::Sign(args) => sign::run(&args, &Clock::system(), output),
        PolicyAction::Submit(args) => submit::run(&args, output),
        PolicyAction::Rehearse(args) => rehearse::run(&args, &Clock::system(), output),
        PolicyAction::Matrix(args) => matrix::matrix(&args, output),
        PolicyAction::Import(args) => import::import(&args, output),
    }
}

/// A bundle that must load before there is anything to answer.
fn load(dir: &Path) -> Result<PolicySet, Failure> {
    PolicySet::load(dir).map_err(|faults| unloadable(dir, faults.len()))
}

fn unloadable(dir: &Path, faults: usize) -> Failure {
    Failure::new(Exit::Usage, format!("the bundle does not load: faults: {faults}"))
        .at(dir.display().to_string())
        .coded("SG7201")
        .then(format!("shuguan policy check {}", dir.display()))
}

#[cfg(test)]
const QUIET: Output = Output {
    form: super::output::Form::Json,
    quiet: true,
    no_progress: true,
};

#[cfg(test)]
mod tests;
