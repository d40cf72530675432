//! Purposes, agreements and grants, compiled into column plans; their tests, bounds and analysis.
//!
//! Takes the texts of a bundle (`purposes.toml`, `partners.toml`, `keys.toml`, `ceilings.toml`, `agreements/*.toml`, `calendars/*.toml`,
//! `tests/*.toml`) and the field catalogue of `shuguan-adapters`; gives a [`PolicySet`]: a finite table from (partner, record type or
//! dataset, purpose, direction, mode) to a [`Plan`]. A key without a grant is refused; a bundle with any fault does not load, and every
//! fault is shown with its place.
//!
//! In the order in which a bundle meets them: [`document`] reads TOML; [`purpose`], [`partner`], [`key`], [`calendar`] and [`ceiling`]
//! hold the tables; `agreement` reads grants; `compile` checks a grant against the catalogue, [`disclosure`] says what it tells;
//! [`plan`] releases columns; `trial` runs the bundle's own tests; [`set`] decides; [`explain`], [`who_can`] and [`diff`] answer questions.
//! [`bundle`] is a folder read once, [`envelope`] what officers sign about it, [`matrix`] its agreements as sheets for people.

mod agreement;
pub mod bound;
pub mod bundle;
pub mod calendar;
mod canonical;
pub mod ceiling;
mod compact;
mod compile;
pub mod dataset;
pub mod diff;
pub mod disclosure;
pub mod document;
pub mod envelope;
pub mod explain;
mod ff1;
pub mod filter;
#[cfg(test)]
mod fixture;
mod hex;
pub mod key;
mod mac;
pub mod matrix;
pub mod operator;
pub mod partner;
pub mod plan;
pub mod purpose;
pub mod set;
pub mod target;
pub mod terms;
pub mod trial;
pub mod who_can;

pub use bundle::Bundle;
pub use dataset::Dataset;
pub use document::Fault;
pub use explain::{Explanation, Question};
pub use key::KeyRing;
pub use operator::Operator;
pub use partner::{Partner, Role};
pub use plan::{
    Given, Manifest, OutputColumn, OutputKind, PastColumn, PastName, PastPlan, Plan, ReleaseError, ReleasedPart,
};
pub use set::{Catalogue, Denial, PolicySet};
pub use target::{Direction, Mode, Target};
