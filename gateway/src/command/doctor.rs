//! (being written)

use super::exit::{Exit, Failure};
use super::output::Output;

/// Review.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {}

/// Runs the command.
pub fn run(_args: DoctorArgs, _output: &Output) -> Result<Exit, Failure> {
    Err(Failure::local("not there yet"))
}
