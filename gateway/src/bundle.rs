//! The policy bundle on its way into force: read once, judged, compiled, fitted to the registry, sealed, swapped whole.
//!
//! Takes a bundle with the officers' envelope (`policies/src/envelope.rs`); gives a [`Vouched`] one, which only [`judge`] makes. Refuses, each with a
//! code of its own, what nobody signed, what one role signed, what was changed after signing, what is older than the log knows. A bad bundle
//! never takes the place of a good one.
//!
//! | File | What it does |
//! |---|---|
//! | `key` | an officer's key and certificate → a signature |
//! | `judge` | signatures and serial → vouched, or refused |
//! | `history` | what the log says was in force |
//! | `folder` | a bundle into its folder, whole or not at all |
//! | `past` | the plans that exchanges ran on, kept and found again |
//! | `keeper` | the bundle in force; submitting, reloading, revoking |

pub(crate) mod folder;
pub(crate) mod history;
pub(crate) mod judge;
pub(crate) mod keeper;
pub(crate) mod key;
pub(crate) mod past;

pub(crate) use history::History;
pub(crate) use judge::{BundleRefused, Signer, Vouched, digest_of, judge, signed};
pub(crate) use keeper::{InForce, Keeper};
pub(crate) use key::{OfficerKey, SigningRoles};
