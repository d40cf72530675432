//! The command line: one file a command.

pub mod audit;
pub mod cert;
pub mod check;
pub mod config;
pub mod crl;
pub mod exit;
pub mod explain;
pub mod init;
pub mod output;
pub mod policy;
pub mod pull;
pub mod push;
pub mod query;
pub mod sample;
pub mod verify;

use exit::Failure;

/// The runtime of a command that talks over the network.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::local("cannot start the runtime").because(error))
}
