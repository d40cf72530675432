//! Items that several record types of the tax offices have.

use crate::catalogue::Class::{C0, C1};
use crate::catalogue::{Field, FieldType};

/// 纳税人识别号.
pub(super) const TAXPAYER_ID: Field =
    Field::new("taxpayer_id", "纳税人识别号", FieldType::TaxpayerId, C1).known_as(&["NSRSBH"]);
/// 纳税人名称.
pub(super) const TAXPAYER_NAME: Field =
    Field::new("taxpayer_name", "纳税人名称", FieldType::Text(200), C0).known_as(&["NSRMC"]);
/// 主管税务局.
pub(super) const TAX_BUREAU: Field = Field::new("tax_bureau", "主管税务局", FieldType::DocumentNo(11), C1)
    .known_as(&["ZGSWJ_DM"])
    .usually(BUREAUS);

/// Offices of the city and its counties.
pub(super) const BUREAUS: &[&str] = &["13207060000", "13207030000", "13207220000", "13207070000"];
