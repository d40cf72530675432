//! PostgreSQL, as journal and registry both use it: where a server is, how it is reached, what it fails at. Knows no table.
//!
//! `settings` server, database, role, timeouts · `link` one connection, with every option stated · `condition` what the server is set to · `fault` what can go wrong, without a value ·
//! `cluster` a server of our own, for trying out and for tests · `stores` the conformance suites' two.

pub mod cluster;
pub(crate) mod condition;
mod fault;
pub(crate) mod link;
mod settings;
#[cfg(test)]
pub(crate) mod stores;

pub use self::fault::{LinkFault, PostgresFault, Refusal};
pub use self::settings::{PostgresAddress, PostgresServer, PostgresSettings};
