//! 婚姻登记: one row an act of registration.
//!
//! No article names marriage for a purpose of this gateway: the record type has no legal basis, so that nothing can be granted and every
//! push is refused. It stands here so that such a feed is known for what it is. Feeds of one person a row (POXM, POGMSFHM) are not
//! read: they do not say who is the man.

use super::ID_TYPE;
use crate::catalogue::Class::C3;
use crate::catalogue::{Agency, Drawn, Field, FieldType, Implied, RecordType, Sampled, Subject, block};
use crate::code::tables;

/// `civil-affairs/marriage`.
pub(super) static MARRIAGE: RecordType = RecordType {
    fields: FIELDS,
    unread: &["OPERATOR", "经办人"],
    keys: &[&["source_id", "op_type"]],
    subjects: &[Subject::Person("man_id"), Subject::Person("woman_id")],
    sampled: Sampled::NEW.people(Drawn::every(6, 0)),
    ..RecordType::new(Agency::CivilAffairs, "civil-affairs/marriage", "婚姻登记")
};

static FIELDS: &[Field] = &[
    Field::new("source_id", "登记业务编号", FieldType::DocumentNo(36), C3)
        .known_as(&["ID"])
        .required(),
    Field::new("op_type", "业务类型", FieldType::Code(&tables::MARRIAGE_OPERATION), C3)
        .known_as(&["OP_TYPE"])
        .required(),
    Field::new("op_date", "登记日期", FieldType::Date, C3)
        .known_as(&["OP_DATE", "DJRQ"])
        .past(),
    Field::new("dept_code", "登记机关代码", FieldType::DocumentNo(20), C3).known_as(&["DEPT_CODE"]),
    block::NAME
        .named("man_name", "男方姓名")
        .in_class(C3)
        .known_as(&["NAME_MAN"])
        .required(),
    Field::new("man_id_type", "男方证件类型", FieldType::Code(&ID_TYPE), C3).known_as(&["CERT_TYPE_MAN"]),
    Field::new("man_id", "男方证件号码", FieldType::DocumentNo(30), C3)
        .known_as(&["CERT_NUM_MAN"])
        .telling(Implied::OF_A_DOCUMENT),
    Field::new("man_marital_status", "男方婚姻状况", FieldType::Text(20), C3)
        .known_as(&["MARRY_STATUS_MAN"])
        .usually(&["未婚", "离婚"]),
    Field::new("man_print_no", "男方证书印制号", FieldType::DocumentNo(30), C3).known_as(&["PRINT_NUM_MAN"]),
    block::NAME
        .named("woman_name", "女方姓名")
        .in_class(C3)
        .known_as(&["NAME_WOMAN"])
        .required(),
    Field::new("woman_id_type", "女方证件类型", FieldType::Code(&ID_TYPE), C3).known_as(&["CERT_TYPE_WOMAN"]),
    Field::new("woman_id", "女方证件号码", FieldType::DocumentNo(30), C3)
        .known_as(&["CERT_NUM_WOMAN"])
        .telling(Implied::OF_A_DOCUMENT),
    Field::new("woman_marital_status", "女方婚姻状况", FieldType::Text(20), C3)
        .known_as(&["MARRY_STATUS_WOMAN"])
        .usually(&["未婚", "离婚"]),
    Field::new("woman_print_no", "女方证书印制号", FieldType::DocumentNo(30), C3).known_as(&["PRINT_NUM_WOMAN"]),
    Field::new("marry_type", "婚姻类型", FieldType::Text(20), C3)
        .known_as(&["MARRY_TYPE"])
        .usually(&["GUONEI", "SHEWAI"]),
];
