//! Arguments to command, command to exit code.

use std::process::ExitCode;

use clap::Parser;
use shuguan::command::{self, Cli};

/// Measured at 64 connections, glibc's `malloc` took a quarter of the gateway's time: buffers are made on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command::main(Cli::parse())
}
