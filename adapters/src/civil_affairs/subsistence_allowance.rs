//! 最低生活保障: one row a member of a supported household and month.
//!
//! Bank accounts and the cause of need have class C3 and no use here; they are decoded only if an agreement ever names them.

use crate::catalogue::Class::{C2, C3};
use crate::catalogue::{Agency, Field, FieldType, RecordType, Subject, block};
use crate::code::tables;

/// `civil-affairs/subsistence-allowance`.
pub(super) static SUBSISTENCE_ALLOWANCE: RecordType = RecordType {
    agency: Agency::CivilAffairs,
    name: "civil-affairs/subsistence-allowance",
    zh: "最低生活保障",
    schema: 1,
    fields: FIELDS,
    keys: &[&["dibao_no", "citizen_id", "month"], &["citizen_id", "month"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["si-25", "si-74", "as-9"],
    minors: false,
    order: &[("start_month", "stop_month")],
};

static FIELDS: &[Field] = &[
    Field::new("dibao_no", "低保证号", FieldType::DocumentNo(20), C2).known_as(&["gFamilyInfoID", "家庭编号"]),
    Field::new("month", "月份", FieldType::Month, C2).known_as(&["保障月份", "年月"]),
    Field::new("head_name", "户主姓名", FieldType::Name, C2),
    Field::new("head_id", "户主公民身份号码", FieldType::CitizenId, C3).known_as(&["户主身份证号", "户主身份证号码"]),
    block::NAME.known_as(&["xm", "成员姓名"]),
    block::CITIZEN_ID.required(),
    block::SEX,
    block::RELATION_TO_HEAD,
    Field::new("area_kind", "城乡类别", FieldType::Code(&tables::AREA_KIND), C3),
    Field::new("aid_kind", "救助类别", FieldType::Code(&tables::AID_KIND), C3),
    Field::new("start_month", "起始年月", FieldType::Month, C3).known_as(&["sSFNY"]),
    Field::new("stop_month", "停止年月", FieldType::Month, C3),
    Field::new("status", "状态", FieldType::Code(&tables::AID_STATUS), C3),
    Field::new("members_covered", "保障人数", FieldType::Integer(99), C3),
    Field::new("family_size", "家庭人口", FieldType::Integer(99), C3),
    Field::new("amount", "金额", FieldType::Decimal(2), C3).known_as(&["GRANTFAMT", "保障金额"]),
    Field::new("cause", "致贫原因", FieldType::Text(20), C3),
    Field::new("bank_account", "银行账号", FieldType::DocumentNo(30), C3),
    block::VILLAGE_CODE.known_as(&["sVillageCode"]),
    block::PHONE,
];
