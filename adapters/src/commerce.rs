//! Record types of 工商, since 2018 市场监管. Items: 市场主体登记管理条例 8, 9.

mod abnormal_listing;
mod cancellation;
mod change;
mod establishment;
mod individual_business;
mod item;
mod member;

use crate::catalogue::RecordType;
use crate::code::{CodeTable, tables};

/// The record types of this agency.
pub static RECORDS: &[&RecordType] = &[
    &establishment::ESTABLISHMENT,
    &change::CHANGE,
    &cancellation::CANCELLATION,
    &member::MEMBER,
    &abnormal_listing::ABNORMAL_LISTING,
    &individual_business::INDIVIDUAL_BUSINESS,
];

/// 证件类型 as the company register codes it.
static ID_TYPE: CodeTable = tables::ID_TYPE.sent_by(
    "id-type-commerce",
    "GS/T 4 证件类型",
    &[
        ("10", "01"),
        ("1", "01"),
        ("20", "02"),
        ("30", "03"),
        ("40", "08"),
        ("90", "99"),
    ],
);

/// 经营状态 as the company register codes it.
static REG_STATUS: CodeTable = tables::REG_STATUS.sent_by(
    "reg-status-commerce",
    "GS/T 4 经营状态",
    &[
        ("1", "ACTIVE"),
        ("2", "REVOKED"),
        ("3", "CANCELLED"),
        ("4", "CANCELLED"),
        ("5", "CANCELLED"),
        ("6", "MOVED"),
    ],
);
