//! Arguments to command, command to exit code.

use std::process::ExitCode;

use shuguan::command::{self, Cli};

/// An exchange is many small pieces, made on one thread and freed on another: glibc's allocator takes a sixth of its time.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    command::main(Cli::from_process())
}
