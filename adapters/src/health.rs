//! Record types of 卫计.
//!
//! Causes of death, diagnoses and everything else about health are class C4 and have no field.

mod birth_certificate;
mod death_certificate;

use crate::catalogue::RecordType;

/// The record types of this agency.
pub static RECORDS: &[&RecordType] = &[
    &birth_certificate::BIRTH_CERTIFICATE,
    &death_certificate::DEATH_CERTIFICATE,
];
