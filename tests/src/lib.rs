//! What the black-box suites stand on: a whole gateway in a folder of its own, and a client that shares no code with it.
//!
//! A [`Deployment`] is made with the commands that a newcomer uses (`init --demo`, `serve`), on free ports, in a temporary folder. Its
//! client speaks HTTP over mutual TLS with hyper and rustls directly; a [`Browser`] is a real one.

mod badge;
mod browser;
mod cut;
mod deployment;
mod disk;
mod http;
mod postgres;
mod process;
pub mod signed;
mod store;
mod witness;

pub use badge::Badge;
pub use browser::Browser;
pub use cut::Cut;
pub use deployment::{Deployment, Running, binary, eventually};
pub use disk::SmallDisk;
pub use http::{Answer, Call, Connection, Download, Identity, Refused, Unfinished, reset_unfinished};
pub use postgres::Postgres;
pub use process::status_kib;
pub use store::{leaves, registry_count, registry_rows};
pub use witness::{Reply, Witness, Witnessing};

/// A runtime for one test.
pub fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test)
}
