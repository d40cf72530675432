//! 个体工商户: one row a business of one person or family, without capital and term.
//!
//! Only one with employees is a unit to register; without, its operator registers as a person (社会保险法 58).

use super::item;
use crate::catalogue::Class::{C1, C2};
use crate::catalogue::{Agency, Field, FieldType, RecordType, Sampled, Subject, block};
use crate::code::tables;

/// `commerce/individual-business`.
pub(super) static INDIVIDUAL_BUSINESS: RecordType = RecordType {
    fields: FIELDS,
    own: &["个体工商户", "个体户", "市场主体", "经营主体"],
    // Words for what `enttype` says in a code; no field has words for it.
    unread: &["enttypeCn"],
    keys: &[&["uscc"], &["reg_no"]],
    subjects: &[Subject::Enterprise("uscc"), Subject::Person("operator_id")],
    basis: &["si-58", "mr-8"],
    sampled: Sampled::NEW.of_kind("92"),
    ..RecordType::new(Agency::Commerce, "commerce/individual-business", "个体工商户")
};

static FIELDS: &[Field] = &[
    block::USCC,
    block::REG_NO,
    block::ORG_CODE,
    block::ENT_NAME.required(),
    item::ENT_TYPE.usually(&["9500", "9600"]),
    Field::new("operator_name", "经营者姓名", FieldType::Text(100), C2).known_as(&["opername", "JYZXM", "经营者"]),
    item::ID_TYPE_OF_A_PERSON
        .named("operator_id_type", "经营者证件类型")
        .known_as(&["certype"]),
    item::ID_OF_A_PERSON
        .named("operator_id", "经营者证件号码")
        .known_as(&["cerno", "JYZZJHM"]),
    Field::new("family_members", "家庭成员", FieldType::Text(500), C2)
        .known_as(&["JTCY"])
        .blank_in(9_000),
    Field::new("has_employees", "是否雇工", FieldType::Code(&tables::YES_NO), C1).known_as(&["SFGG"]),
    item::ESTABLISHED_ON,
    item::APPROVED_ON,
    item::DOMICILE,
    item::PREMISES,
    item::SCOPE,
    item::INDUSTRY_SECTION,
    item::INDUSTRY_CODE,
    item::REG_AUTHORITY,
    item::REG_STATUS,
    item::HEADCOUNT,
    item::CONTACT_PHONE,
    item::SOURCE_ENTITY_ID,
];
