//! Arguments to command, command to exit code.

use std::process::ExitCode;

use clap::Parser;
use shuguan::command::{self, Cli};

fn main() -> ExitCode {
    command::main(Cli::parse())
}
