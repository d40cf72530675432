//! What `push`, `pull`, `status` and the officers' commands use to talk to a gateway.
//!
//! Takes the partner's `client.toml`; gives answers, or a [`CallError`] that says whether the other side refused, failed or was not
//! reached. A refusal that the wire hides (a TLS alert) is turned into the sentence that it means.

mod acknowledged;
pub mod answer;
pub mod batch;
pub mod connect;
pub mod declared;
pub mod deliver;
pub mod feed;
pub mod marking;
pub mod outbox;
pub mod place;
pub mod progress;
pub mod proven;
pub mod settings;
pub mod signed;
pub mod silence;
pub mod state;
pub mod tied;
pub mod undelivered;
pub mod witnessed;

pub use answer::{CallError, Problem};
pub use connect::{Client, Listener};
pub use settings::ClientSettings;
