//! Shuguan: the gateway. The modules in the order in which data meets them.

pub mod api;
pub mod bundle;
pub mod chain;
pub mod client;
pub mod clock;
pub mod command;
pub mod config;
pub mod console;
pub mod csv_text;
#[cfg(test)]
mod disk;
pub mod durable;
pub mod edge;
pub mod exchange;
pub mod extract;
pub mod fault_code;
pub mod hex;
pub mod journal;
pub mod layouts;
pub mod limits;
pub mod opening;
pub mod pki;
pub mod postgres;
pub mod refusal;
pub mod registry;
pub mod relay;
pub mod serve;
pub mod sha256;
pub mod signature;
pub mod unseal;
pub mod witness;
pub mod witnessing;
