//! Shuguan: the gateway.
//!
//! The life of an exchange, in the order in which its data meets the rooms:
//!
//! 1. [`command`] reads arguments and [`config`], and [`serve`] builds every station once; [`pki`] holds certificates and keys.
//! 2. [`edge`] accepts a connection, shakes hands and gives a peer whom the partner table knows, or nobody.
//! 3. [`api`] takes the request of a partner, [`console`] that of an officer; both translate and decide nothing.
//! 4. [`exchange`] carries it through: admitted under a grant and within [`limits`], its [`signature`] judged, decoded as its
//!    [`layouts`] say, released through the plan of its grant, sealed. Each station takes what the one before made.
//! 5. [`journal`] seals: leaf, payload, evidence and the answer to the key are one transaction under one signed checkpoint. From there
//!    on a crash loses nothing.
//! 6. [`witnessing`] has others sign the checkpoint ([`witness`] is such another), so that the log has one history.
//! 7. [`relay`] takes what is sealed from the journal's inbox to the [`registry`], as fast as that bears, and seals what became of it.
//! 8. A pull or a comparison goes the other way: registry, plan, [`extract`], seal, answer.
//! 9. Whoever doubts opens what was committed to ([`opening`], and [`unseal`] for what two officers must open) and verifies offline.
//!
//! What may pass at all is a signed [`bundle`] of policies. The other side of the wire is [`client`]. A partner's fault is a
//! [`refusal`], ours a [`fault_code`] with its [`chain`] of causes. [`clock`] alone asks the machine for time and randomness;
//! [`durable`] makes files outlive a crash; [`postgres`] is what journal and registry share of that database; [`csv_text`], [`hex`]
//! and [`sha256`] are forms of bytes.
//!
//! Public is what the binary, the black-box tests and the benches take.

mod api;
mod bundle;
mod chain;
pub mod client;
pub mod clock;
pub mod command;
pub mod config;
mod console;
mod csv_text;
#[cfg(test)]
mod disk;
mod durable;
pub mod edge;
pub mod exchange;
mod extract;
mod fault_code;
mod hex;
pub mod journal;
mod layouts;
mod limits;
mod opening;
pub mod pki;
pub mod postgres;
pub mod refusal;
pub mod registry;
pub mod relay;
pub mod serve;
mod sha256;
pub mod signature;
mod unseal;
mod witness;
mod witnessing;
