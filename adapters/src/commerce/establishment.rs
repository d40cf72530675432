//! 企业设立: one row an enterprise. Items: 市场主体登记管理条例 8, 9.

use crate::catalogue::Class::{C0, C1, C2, C3};
use crate::catalogue::{Agency, Field, FieldType, RecordType, Subject, block};
use crate::code::tables;

/// `commerce/establishment`.
pub(super) static ESTABLISHMENT: RecordType = RecordType {
    agency: Agency::Commerce,
    name: "commerce/establishment",
    zh: "企业设立",
    schema: 1,
    fields: FIELDS,
    keys: &[&["uscc"], &["reg_no"]],
    subjects: &[Subject::Enterprise("uscc")],
    basis: &["si-57.3", "op-6", "op-8", "mr-8"],
    minors: false,
    order: &[("term_from", "term_to")],
};

static FIELDS: &[Field] = &[
    block::USCC,
    block::REG_NO,
    block::ORG_CODE,
    block::ENT_NAME.required(),
    Field::new("ent_type", "企业类型", FieldType::DocumentNo(4), C0).known_as(&["enttype", "QYLX"]),
    block::LEGAL_REP_NAME.known_as(&["lerep", "name", "FDDBRXM", "法定代表人"]),
    Field::new(
        "legal_rep_id_type",
        "法定代表人证件类型",
        FieldType::Code(&tables::ID_TYPE_COMMERCE),
        C3,
    )
    .known_as(&["FRZJMC", "certype"]),
    Field::new("legal_rep_id", "法定代表人证件号码", FieldType::DocumentNo(30), C3).known_as(&["FRSFZH", "cerno"]),
    // 万元; domain has 6 places.
    Field::new("reg_capital", "注册资本", FieldType::Decimal(6), C0).known_as(&["regcap", "ZCZB"]),
    Field::new("currency", "币种", FieldType::Code(&tables::CURRENCY), C0).known_as(&["regcapcur", "ZCBZ"]),
    Field::new("established_on", "成立日期", FieldType::Date, C0).known_as(&["estdate", "QYCLRQ"]),
    Field::new("approved_on", "核准日期", FieldType::Date, C0).known_as(&["apprdate", "HZRQ"]),
    Field::new("term_from", "经营期限起", FieldType::Date, C0).known_as(&["opfrom", "YYQSRQ"]),
    Field::new("term_to", "经营期限止", FieldType::Date, C0).known_as(&["opto", "YYJZRQ"]),
    Field::new("domicile", "住所", FieldType::Text(300), C0).known_as(&["dom"]),
    Field::new("premises", "经营场所", FieldType::Text(300), C0).known_as(&["JYCS"]),
    Field::new("scope", "经营范围", FieldType::Text(4000), C0).known_as(&["opscope", "JYFW"]),
    Field::new(
        "industry_section",
        "行业门类",
        FieldType::Code(&tables::INDUSTRY_SECTION),
        C0,
    )
    .known_as(&["industryphy", "HYML"]),
    Field::new("industry_code", "行业代码", FieldType::DocumentNo(5), C0).known_as(&["industryco"]),
    Field::new("reg_authority", "登记机关", FieldType::Text(100), C0).known_as(&["regorg", "DJGXJG"]),
    Field::new("reg_status", "经营状态", FieldType::Code(&tables::REG_STATUS), C0)
        .known_as(&["regstate", "QYZT", "dmms"]),
    Field::new("headcount", "从业人数", FieldType::Integer(99_999_999), C1),
    Field::new("contact_phone", "联系电话", FieldType::Phone, C2).known_as(&["tel", "DHHM"]),
    Field::new("source_entity_id", "市场主体编号", FieldType::DocumentNo(36), C1).known_as(&["pripid", "SCZTBH"]),
];
