//! A witness (见证人) of other people's logs: what `shuguan witness serve` runs at another authority.
//!
//! Takes signed checkpoints over HTTP (C2SP tlog-witness); gives its cosignature to those that only grew. Refuses a log that it does not
//! know, a checkpoint that the log did not sign, and every history that is not a continuation of the one it signed last. It holds no data of
//! any exchange: a checkpoint is a size and a root.
//!
//! | File | What it does |
//! |---|---|
//! | `settings` | `witness.toml` |
//! | `store` | the newest checkpoint of each log; check and store in one durable transaction |
//! | `service` | the protocol over HTTP |
//! | `listen` | sockets, TLS, deadlines, caps |

mod listen;
mod service;
mod settings;
mod store;

pub(crate) use listen::listen;
pub(crate) use service::{Service, router};
pub(crate) use settings::WitnessSettings;
pub(crate) use store::{Store, StoreFault};
