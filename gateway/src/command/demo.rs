//! (being written)

use super::exit::{Exit, Failure};
use super::output::Output;

/// Review.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {}

/// Runs the command.
pub fn run(_args: DemoArgs, _output: &Output) -> Result<Exit, Failure> {
    Err(Failure::local("not there yet"))
}
