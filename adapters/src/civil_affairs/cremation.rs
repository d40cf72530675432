//! 火化: one row a cremation.

use crate::catalogue::Class::C3;
use crate::catalogue::{Agency, Field, FieldType, RecordType, Subject, block};

/// `civil-affairs/cremation`.
pub(super) static CREMATION: RecordType = RecordType {
    agency: Agency::CivilAffairs,
    name: "civil-affairs/cremation",
    zh: "火化",
    schema: 1,
    fields: FIELDS,
    keys: &[&["citizen_id", "cremated_on"], &["citizen_id"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["op-8", "op-26"],
    minors: false,
    order: &[],
};

static FIELDS: &[Field] = &[
    block::CITIZEN_ID.required(),
    block::NAME,
    block::SEX,
    block::DEATH_DATE.known_as(&["DEATH_TIME", "swrq", "死亡时间"]),
    Field::new("cremated_on", "火化日期", FieldType::Date, C3).known_as(&["CREMATION_TIME", "hhrq", "火化时间"]),
    Field::new("address", "地址", FieldType::Text(200), C3),
];
