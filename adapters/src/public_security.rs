//! Record types of one agency.

use crate::catalogue::RecordType;

/// The record types of this agency.
pub static RECORDS: &[&RecordType] = &[];
