//! Record types of 公安.
//!
//! Sources of native names: provincial household-register tables after GA 214 and GA/T 1218. What those tables hold beyond this
//! (religion, blood group, height, pictures, fingerprints) is class C4 and has no field.

mod death;
mod resident;

use crate::catalogue::RecordType;

/// The record types of this agency.
pub static RECORDS: &[&RecordType] = &[&resident::RESIDENT, &death::DEATH];
