//! Record types of 地税, since 2018 税务. Native names: 金税三期.

mod cancellation;
mod contribution_payment;
mod irregular_taxpayer;
mod item;
mod registration;
mod withholding_employee;

use crate::catalogue::RecordType;
use crate::code::{CodeTable, tables};

/// The record types of this agency.
pub static RECORDS: &[&RecordType] = &[
    &registration::REGISTRATION,
    &irregular_taxpayer::IRREGULAR_TAXPAYER,
    &cancellation::CANCELLATION,
    &withholding_employee::WITHHOLDING_EMPLOYEE,
    &contribution_payment::CONTRIBUTION_PAYMENT,
];

/// 证件类型 as the tax offices code it.
static ID_TYPE: CodeTable = tables::ID_TYPE.sent_by(
    "id-type-tax",
    "金税三期 身份证件类型",
    &[
        ("201", "01"),
        ("202", "02"),
        ("203", "03"),
        ("206", "09"),
        ("208", "08"),
        ("210", "04"),
        ("213", "06"),
        ("227", "16"),
        ("233", "07"),
        ("299", "99"),
    ],
);

/// 人员状态 of the withholding template, which has words for it: the digits of the household register are none of its.
static PERSON_STATUS: CodeTable = tables::PERSON_STATUS.sent_by("person-status-tax", "自然人税收 人员状态", &[]);
