//! Purposes, agreements and grants, compiled into column plans.
//!
//! Takes the texts of a bundle (`purposes.toml`, `partners.toml`, `keys.toml`, `agreements/*.toml`) and the field catalogue of
//! `shuguan-adapters`; gives a [`PolicySet`]: a finite table from (partner, record type or dataset, purpose, direction, mode) to a
//! [`Plan`]. A key without a grant is refused; a bundle with any fault does not load, and every fault is shown with its place.
//!
//! In the order in which a bundle meets them: [`document`] reads TOML, [`purpose`], [`partner`] and [`key`] hold the tables,
//! `agreement` reads grants, `compile` checks a grant against the catalogue, [`plan`] releases columns, [`set`] decides,
//! [`explain`] shows why. [`bundle`] is a folder read once, [`envelope`] what officers sign about it.

mod agreement;
pub mod bundle;
mod canonical;
mod compact;
mod compile;
pub mod dataset;
pub mod document;
pub mod envelope;
pub mod explain;
pub mod filter;
#[cfg(test)]
mod fixture;
pub mod key;
pub mod operator;
pub mod partner;
pub mod plan;
pub mod purpose;
pub mod set;
pub mod target;

pub use bundle::Bundle;
pub use dataset::Dataset;
pub use document::Fault;
pub use explain::{Explanation, Question};
pub use key::KeyRing;
pub use operator::Operator;
pub use partner::{Partner, Role};
pub use plan::{OutputColumn, OutputKind, Plan, ReleaseError, ReleasedPart};
pub use set::{Catalogue, Denial, PolicySet};
pub use target::{Direction, Mode, Target};
