//! 死亡注销: one row a cancelled registration.

use crate::catalogue::Class::{C1, C3};
use crate::catalogue::{Agency, Field, FieldType, RecordType, Subject, block};

/// `public-security/death`.
pub(super) static DEATH: RecordType = RecordType {
    agency: Agency::PublicSecurity,
    name: "public-security/death",
    zh: "死亡注销",
    schema: 1,
    fields: FIELDS,
    keys: &[&["citizen_id", "cancel_date"], &["citizen_id"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["si-57.3", "op-8", "op-26", "hk-8"],
    minors: false,
    order: &[],
};

static FIELDS: &[Field] = &[
    block::CITIZEN_ID.required(),
    block::NAME,
    block::SEX,
    block::BIRTH_DATE,
    block::DEATH_DATE,
    Field::new("cancel_date", "注销日期", FieldType::Date, C3).known_as(&["swzxrq", "zxrq"]),
    Field::new("cancel_kind", "注销类别", FieldType::Text(20), C1).known_as(&["swzxlb"]),
    block::POLICE_STATION,
    block::SOURCE_UPDATED_AT,
];
