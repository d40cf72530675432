//! Record types of 卫计, since 2018 卫健; 新农合 is with 医保 today and keeps its name here.
//!
//! Causes of death, diagnoses and everything else about health are class C4: named where their headers are known, but never read.

mod birth_certificate;
mod death_certificate;
mod rural_medical_enrolment;

use crate::catalogue::RecordType;
use crate::code::{CodeTable, tables};

/// The record types of this agency.
pub static RECORDS: &[&RecordType] = &[
    &birth_certificate::BIRTH_CERTIFICATE,
    &death_certificate::DEATH_CERTIFICATE,
    &rural_medical_enrolment::RURAL_MEDICAL_ENROLMENT,
];

/// 证件类型 as 新农合 codes it.
static ID_TYPE: CodeTable = tables::ID_TYPE.sent_by(
    "id-type-health",
    "卫计 证件类型",
    &[("111", "01"), ("112", "01"), ("113", "01"), ("990", "99")],
);

/// 证件类型 as certificates of birth code it. A passport (`03`) may be of any country, so that it has no code here: a layout can say which.
static ID_TYPE_OF_A_PARENT: CodeTable = tables::ID_TYPE.sent_by(
    "id-type-birth",
    "CV02.01.101 身份证件类别",
    &[
        ("01", "01"),
        // The household register says the same number as the card.
        ("02", "01"),
        ("04", "02"),
        ("05", "99"),
        ("06", "04"),
        ("07", "06"),
        ("99", "99"),
    ],
);

/// 户口性质 as public health codes it: 1 is a farmer, where family planning means a townsman.
static HUKOU_NATURE: CodeTable = tables::HUKOU_NATURE.sent_by(
    "hukou-nature-health",
    "公共卫生 户口性质",
    &[("1", "20"), ("2", "10"), ("3", "10")],
);
