//! Record types of 公安.
//!
//! Sources of native names: provincial household-register tables after GA 214 and GA/T 1218. What those tables hold beyond this
//! (religion, blood group, height, pictures, fingerprints) is class C4: named, but never read.

mod birth;
mod change;
mod death;
mod floating_resident;
mod migration;
mod non_mainland_resident;
mod resident;

use crate::catalogue::RecordType;
use crate::code::{CodeTable, tables};

/// The record types of this agency.
pub static RECORDS: &[&RecordType] = &[
    &resident::RESIDENT,
    &birth::BIRTH,
    &death::DEATH,
    &migration::MIGRATION,
    &change::CHANGE,
    &floating_resident::FLOATING_RESIDENT,
    &non_mainland_resident::NON_MAINLAND_RESIDENT,
];

/// 证件类型 as the police code it.
static ID_TYPE: CodeTable = tables::ID_TYPE.sent_by(
    "id-type-police",
    "GA/T 517 证件类型",
    &[
        ("111", "01"),
        ("114", "02"),
        ("123", "03"),
        ("414", "16"),
        ("511", "06"),
        ("516", "04"),
        ("553", "07"),
        ("990", "99"),
        // Read, not written: the card for the meantime and the household register say the same number as the card.
        ("112", "01"),
        ("113", "01"),
        ("115", "03"),
        ("117", "990201"),
        ("411", "16"),
        ("412", "16"),
        ("413", "16"),
        ("420", "04"),
        ("421", "05"),
    ],
);
