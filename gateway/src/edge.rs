//! From bytes to a [`Peer`]: accept, TLS, deadlines, identity.
//!
//! Takes connections; gives each request a [`Caller`]. Refuses before any handler runs: no certificate, an unknown or revoked one, a CRL
//! that is too old, an identity outside the profile, a role on the wrong listener. A connection that says nothing is closed by a deadline.

pub mod caller;
mod connection;
pub mod deadline;
pub mod framing;
pub mod gatekeeper;
pub mod health;
pub mod listen;
pub mod peer;
pub mod revocation;
pub mod signers;
#[cfg(test)]
mod tests;
pub mod tls;
mod verifier;
mod wire;

pub use caller::Caller;
pub use gatekeeper::Gatekeeper;
pub use peer::Peer;
