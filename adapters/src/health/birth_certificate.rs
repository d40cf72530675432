//! 出生医学证明: one row a certificate. Everything in it is about a child.

use super::ID_TYPE_OF_A_PARENT;
use crate::catalogue::Class::{C1, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, Implied, RecordType, Sampled, Subject};
use crate::code::tables;

/// `health/birth-certificate`.
pub(super) static BIRTH_CERTIFICATE: RecordType = RecordType {
    fields: FIELDS,
    unread: &[
        "母亲国籍",
        "母亲民族",
        "父亲国籍",
        "父亲民族",
        "孕周",
        "出生孕周",
        "身长",
        "出生身长",
        "体重",
        "出生体重",
        "健康状况",
        "地点类别",
        "出生地点类别",
    ],
    own: &["出生证明"],
    keys: &[&["birth_cert_no"]],
    subjects: &[Subject::Person("mother_id"), Subject::Person("father_id")],
    basis: &["op-8"],
    minors: true,
    one_of: &[&["mother_name"], &["mother_id"]],
    sampled: Sampled::NEW.people(Drawn::every(1, 1 << 26)),
    ..RecordType::new(Agency::Health, "health/birth-certificate", "出生医学证明")
};

/// Hospitals that issue certificates.
const HOSPITALS: &[&str] = &[
    "连云港市第一人民医院",
    "连云港市妇幼保健院",
    "东海县人民医院",
    "灌南县第一人民医院",
];

static FIELDS: &[Field] = &[
    Field::new("birth_cert_no", "出生医学证明编号", FieldType::DocumentNo(10), C3)
        .known_as(&["birthCode", "cszmbh"])
        .required(),
    Field::new("child_name", "新生儿姓名", FieldType::Name, C3).known_as(&["babyName"]),
    Field::new("child_sex", "新生儿性别", FieldType::Code(&tables::SEX), C3).known_as(&["babySex", "babySexCode"]),
    Field::new("born_at", "出生时间", FieldType::Instant, C3)
        .known_as(&["birthTime"])
        .past(),
    Field::new("birth_region", "出生地", FieldType::Region, C3).known_as(&["birthArea"]),
    Field::new("mother_name", "母亲姓名", FieldType::Name, C3)
        .known_as(&["momName"])
        .blank_in(0),
    Field::new(
        "mother_id_type",
        "母亲证件类别",
        FieldType::Code(&ID_TYPE_OF_A_PARENT),
        C3,
    ),
    Field::new("mother_id", "母亲证件号码", FieldType::DocumentNo(30), C3)
        .known_as(&["momIdCode"])
        .telling(Implied::OF_A_DOCUMENT),
    Field::new("father_name", "父亲姓名", FieldType::Name, C3).known_as(&["dadName"]),
    Field::new(
        "father_id_type",
        "父亲证件类别",
        FieldType::Code(&ID_TYPE_OF_A_PARENT),
        C3,
    ),
    Field::new("father_id", "父亲证件号码", FieldType::DocumentNo(30), C3)
        .known_as(&["dadIdCode"])
        .telling(Implied::OF_A_DOCUMENT),
    Field::new("midwifery_org", "助产机构", FieldType::Text(80), C1).usually(HOSPITALS),
    Field::new("issuer", "签发机构", FieldType::Text(80), C1).usually(HOSPITALS),
    Field::new("issue_date", "签发日期", FieldType::Date, C1),
];
