//! The policy engine beside a second one: a naive interpreter of bundles, written from the description of the format and of the
//! operators, row by row, sharing nothing with the compiler.
//!
//! Takes random bundles, records and requests from a seed; both engines must decide alike and release the same cells. `SHUGUAN_POLICY_CASES`
//! sets how many (bundle, record, request) are compared, `SHUGUAN_SEED` from where; a failure names both.

mod agree;
mod cell;
mod example;
mod keyed;
mod make;
mod naive;
mod random;
