//! Record types of 民政, with what 残联 sends through it.
//!
//! Foundlings and people without a home (弃婴、流浪救助) are outside every purpose here: they have no record type.

mod cremation;
mod destitute_support;
mod disability;
mod marriage;
mod social_organisation;
mod subsistence_allowance;

use crate::catalogue::RecordType;
use crate::code::{CodeTable, tables};

/// The record types of this agency.
pub static RECORDS: &[&RecordType] = &[
    &marriage::MARRIAGE,
    &cremation::CREMATION,
    &subsistence_allowance::SUBSISTENCE_ALLOWANCE,
    &destitute_support::DESTITUTE_SUPPORT,
    &disability::DISABILITY,
    &social_organisation::SOCIAL_ORGANISATION,
];

/// 证件类型 as marriage registration codes it: 1 mainland, 2 香港, 3 澳门, 4 台湾.
static ID_TYPE: CodeTable = tables::ID_TYPE.sent_by(
    "id-type-civil-affairs",
    "民政 婚姻登记 证件类型",
    &[("1", "01"), ("2", "04"), ("3", "05"), ("4", "06")],
);
