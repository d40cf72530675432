//! Record types of 工商, since 2018 市场监管.

mod cancellation;
mod establishment;

use crate::catalogue::RecordType;

/// The record types of this agency.
pub static RECORDS: &[&RecordType] = &[&establishment::ESTABLISHMENT, &cancellation::CANCELLATION];
