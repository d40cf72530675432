//! 企业设立: one row an enterprise.

use super::item;
use crate::catalogue::Class::C0;
use crate::catalogue::{Agency, Field, FieldType, RecordType, Subject, block};
use crate::code::tables;

/// `commerce/establishment`.
pub(super) static ESTABLISHMENT: RecordType = RecordType {
    fields: FIELDS,
    own: &["企业", "市场主体", "经营主体"],
    // Words for what `enttype` says in a code; no field has words for it.
    unread: &["enttypeCn"],
    keys: &[&["uscc"], &["reg_no"]],
    subjects: &[Subject::Enterprise("uscc")],
    basis: &["si-57.3", "op-6", "op-8", "mr-8"],
    order: &[("term_from", "term_to")],
    ..RecordType::new(Agency::Commerce, "commerce/establishment", "企业设立")
};

static FIELDS: &[Field] = &[
    block::USCC,
    block::REG_NO,
    block::ORG_CODE,
    block::ENT_NAME.required(),
    item::ENT_TYPE,
    block::LEGAL_REP_NAME.known_as(&["lerep", "name", "FDDBRXM", "法定代表人"]),
    item::ID_TYPE_OF_A_PERSON
        .named("legal_rep_id_type", "法定代表人证件类型")
        .known_as(&["FRZJMC", "certype"]),
    item::ID_OF_A_PERSON
        .named("legal_rep_id", "法定代表人证件号码")
        .known_as(&["FRSFZH", "cerno"]),
    // 万元; the register has 6 places.
    Field::new("reg_capital", "注册资本", FieldType::Decimal(6), C0).known_as(&["regcap", "ZCZB"]),
    Field::new("currency", "币种", FieldType::Code(&tables::CURRENCY), C0)
        .known_as(&["regcapcur", "ZCBZ"])
        .usually(&["人民币"]),
    item::ESTABLISHED_ON,
    item::APPROVED_ON,
    Field::new("term_from", "经营期限起", FieldType::Date, C0).known_as(&["opfrom", "YYQSRQ"]),
    Field::new("term_to", "经营期限止", FieldType::Date, C0)
        .known_as(&["opto", "YYJZRQ"])
        .blank_in(7_000),
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
