//! Record types of 地税, since 2018 税务.

mod registration;
mod withholding_employee;

use crate::catalogue::RecordType;

/// The record types of this agency.
pub static RECORDS: &[&RecordType] = &[&registration::REGISTRATION, &withholding_employee::WITHHOLDING_EMPLOYEE];
