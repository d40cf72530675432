//! The command line: one file a command.

pub mod audit;
pub mod cert;
pub mod check;
pub mod crl;
pub mod exit;
pub mod init;
pub mod output;
pub mod policy;
pub mod pull;
pub mod push;
pub mod query;
pub mod sample;
pub mod verify;
