//! Record types of 民政.

mod cremation;
mod subsistence_allowance;

use crate::catalogue::RecordType;

/// The record types of this agency.
pub static RECORDS: &[&RecordType] = &[&cremation::CREMATION, &subsistence_allowance::SUBSISTENCE_ALLOWANCE];
