//! What the registry promises on both stores: exactly once, newest wins, unchanged is left alone, what is closed stays closed, drift is refused, datasets follow source order.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod changes;
pub(crate) mod closing;
mod contradictions;
mod datasets;
pub(crate) mod discrepancies;
mod examiner;
pub(crate) mod fixture;
mod late;
mod many_rows;
mod merging;
mod model;
mod narrower;
mod persons;
mod power;
mod recalls;
mod rivals;
mod said_again;
pub(crate) mod stamps;
pub(crate) mod store;
mod tables;
mod units;
mod withdrawing;
