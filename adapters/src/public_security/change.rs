//! 变更更正: one row an item of somebody's registration that was changed or corrected (户口登记条例 17).
//!
//! A corrected resident id arrives here: before and after are then one person under two numbers. What stands before and after may be
//! anything that the register holds, so both have the class of the most sensitive item.

use crate::catalogue::Class::{C1, C2, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, Implied, RecordType, Sampled, Subject, block};

/// `public-security/change`.
pub(super) static CHANGE: RecordType = RecordType {
    fields: FIELDS,
    own: &["变更人", "变更人员", "被变更人", "变更", "更正"],
    keys: &[&["citizen_id", "item", "change_date"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["si-57.3", "hk-17"],
    order: &[("citizen_id", "change_date")],
    sampled: Sampled::NEW.people(Drawn::every(19, 6)),
    ..RecordType::new(Agency::PublicSecurity, "public-security/change", "变更更正")
};

static FIELDS: &[Field] = &[
    block::CITIZEN_ID.required(),
    block::NAME,
    Field::new("item", "变更项目", FieldType::Text(30), C1)
        .known_as(&["bggzxm", "变更更正项目"])
        .usually(&["姓名", "民族", "文化程度", "户籍地址"])
        .required(),
    Field::new("before", "变更前", FieldType::Text(200), C3)
        .known_as(&["bggzqnr", "变更前内容"])
        .telling(Implied::OF_A_DOCUMENT)
        .usually(&["初中", "海州区新海街道", "汉族"]),
    Field::new("after", "变更后", FieldType::Text(200), C3)
        .known_as(&["bggzhnr", "变更后内容"])
        .telling(Implied::OF_A_DOCUMENT)
        .usually(&["高中", "海州区新浦街道", "回族"]),
    Field::new("change_date", "变更日期", FieldType::Date, C1)
        .known_as(&["bggzrq"])
        .past(),
    Field::new("reason", "变更原因", FieldType::Text(100), C2)
        .known_as(&["bggzyy"])
        .usually(&["本人申请", "登记错误"]),
    block::SOURCE_UPDATED_AT,
];
