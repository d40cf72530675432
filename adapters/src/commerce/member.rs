//! 企业成员: one row a person in a role. Only the responsible person (负责人) is of use here, and a grant says so by its row filter on
//! `role` (市场主体登记管理条例 9). Phones and shares are class C4.

use super::item;
use crate::catalogue::Class::{C0, C2};
use crate::catalogue::{Agency, Field, FieldType, RecordType, Subject, block};
use crate::code::tables;

/// `commerce/member`.
pub(super) static MEMBER: RecordType = RecordType {
    fields: FIELDS,
    unread: &[
        "LXFS",
        "联系方式",
        "联系电话",
        "CZE",
        "出资额",
        "认缴出资额",
        "实缴出资额",
        "出资比例",
        "持股比例",
    ],
    own: &["成员", "企业成员"],
    keys: &[&["uscc", "role", "member_id"]],
    subjects: &[Subject::Person("member_id"), Subject::Enterprise("uscc")],
    basis: &["mr-9"],
    ..RecordType::new(Agency::Commerce, "commerce/member", "企业成员")
};

static FIELDS: &[Field] = &[
    block::USCC.required(),
    block::ENT_NAME,
    Field::new("role", "成员类别", FieldType::Code(&tables::MEMBER_ROLE), C0)
        .known_as(&["RYLB", "人员类别", "职务"])
        .usually(&["负责人"])
        .required(),
    Field::new("member_name", "成员姓名", FieldType::Text(100), C2)
        .known_as(&["XM", "姓名"])
        .required(),
    item::ID_TYPE_OF_A_PERSON
        .named("member_id_type", "成员证件类型")
        .known_as(&["ZJLX"]),
    item::ID_OF_A_PERSON
        .named("member_id", "成员证件号码")
        .known_as(&["SFZHM", "ZJHM"]),
];
