//! 出生医学证明: one row a certificate. Everything in it is about a child.

use crate::catalogue::Class::{C1, C3};
use crate::catalogue::{Agency, Field, FieldType, RecordType, Subject};
use crate::code::tables;

/// `health/birth-certificate`.
pub(super) static BIRTH_CERTIFICATE: RecordType = RecordType {
    agency: Agency::Health,
    name: "health/birth-certificate",
    zh: "出生医学证明",
    schema: 1,
    fields: FIELDS,
    keys: &[&["birth_cert_no"]],
    subjects: &[Subject::Person("mother_id"), Subject::Person("father_id")],
    basis: &["op-8"],
    minors: true,
    order: &[],
};

static FIELDS: &[Field] = &[
    Field::new("birth_cert_no", "出生医学证明编号", FieldType::DocumentNo(10), C3)
        .known_as(&["birthCode", "cszmbh"])
        .required(),
    Field::new("child_name", "新生儿姓名", FieldType::Name, C3).known_as(&["babyName"]),
    Field::new("child_sex", "新生儿性别", FieldType::Code(&tables::SEX), C3).known_as(&["babySex", "babySexCode"]),
    Field::new("born_at", "出生时间", FieldType::Instant, C3).known_as(&["birthTime"]),
    Field::new("birth_region", "出生地", FieldType::Region, C3).known_as(&["birthArea"]),
    Field::new("mother_name", "母亲姓名", FieldType::Name, C3).known_as(&["momName"]),
    Field::new("mother_id_type", "母亲证件类别", FieldType::Code(&tables::ID_TYPE), C3),
    Field::new("mother_id", "母亲证件号码", FieldType::DocumentNo(30), C3).known_as(&["momIdCode"]),
    Field::new("father_name", "父亲姓名", FieldType::Name, C3).known_as(&["dadName"]),
    Field::new("father_id_type", "父亲证件类别", FieldType::Code(&tables::ID_TYPE), C3),
    Field::new("father_id", "父亲证件号码", FieldType::DocumentNo(30), C3).known_as(&["dadIdCode"]),
    Field::new("midwifery_org", "助产机构", FieldType::Text(80), C1),
    Field::new("issuer", "签发机构", FieldType::Text(80), C1),
    Field::new("issue_date", "签发日期", FieldType::Date, C1),
];
