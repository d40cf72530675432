//! HTTP message signatures (RFC 9421) over content digests (RFC 9530): who said what, provable after the connection is gone.
//!
//! TLS proves a partner to the gateway while the connection lasts; nothing of it can be shown to a third party. A signature over method,
//! target, digest, purpose and key can. Takes messages as `http` has them; gives signatures, or the claim that one makes and whether it
//! holds. Refuses everything that the profile of its tag does not have: one spelling, one order, one signature.
//!
//! | File | What it does |
//! |---|---|
//! | `base` | the text that is signed (RFC 9421, 2.5) |
//! | `profile` | which components each message of ours covers, in which order |
//! | `input` | `Signature-Input` and `Signature`, read and written |
//! | `key` | keys, their ids, the two algorithms |
//! | `directory` | message certificates: which key belongs to which partner |
//! | `verify` | a signed request → [`Signed`], or a refusal |
//! | `said` | what a base says, read again |
//! | `sign` | requests and answers that we sign |
//! | `digest` | `Content-Digest` and `Repr-Digest` |

pub mod base;
pub mod digest;
pub mod directory;
pub mod input;
pub mod key;
pub mod profile;
pub mod said;
pub mod sign;
#[cfg(test)]
mod tests;
pub mod verify;

pub use base::{Asked, Message};
pub use directory::MessageKeys;
pub use key::{Algorithm, MessageKey, PublicKey};
pub use profile::Profile;
pub use said::Said;
pub use verify::Signed;
