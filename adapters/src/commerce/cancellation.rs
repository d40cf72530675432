//! 企业注销、吊销: one row an end, or what goes before one. Grounds: 市场主体登记管理条例 31, 33; dormancy: 30.
//!
//! A simplified deregistration is announced for 20 days before it is done, and a dormant enterprise is no ended one: such a row has a
//! stage and a beginning, and no date of its end yet.

use super::item::AUTHORITIES;
use crate::catalogue::Class::C0;
use crate::catalogue::{Agency, Drawn, Field, FieldType, RecordType, Sampled, Subject, block};
use crate::code::tables;

/// `commerce/cancellation`.
pub(super) static CANCELLATION: RecordType = RecordType {
    fields: FIELDS,
    own: &["企业", "市场主体", "经营主体", "注销", "吊销"],
    keys: &[
        &["uscc", "cancel_date"],
        &["uscc", "revoke_date"],
        &["reg_no", "cancel_date"],
        &["reg_no", "revoke_date"],
        &["uscc", "notice_from"],
        &["reg_no", "notice_from"],
        &["uscc", "dormant_from"],
        &["reg_no", "dormant_from"],
    ],
    subjects: &[Subject::Enterprise("uscc")],
    basis: &["si-57.3", "op-8", "mr-30", "mr-31", "mr-33"],
    order: &[
        ("notice_from", "notice_to"),
        ("notice_from", "cancel_date"),
        ("dormant_from", "dormant_to"),
    ],
    sampled: Sampled::NEW.units(Drawn::every(6, 1)),
    ..RecordType::new(Agency::Commerce, "commerce/cancellation", "企业注销吊销")
};

static FIELDS: &[Field] = &[
    block::USCC,
    block::REG_NO,
    block::ENT_NAME,
    Field::new("cancel_date", "注销日期", FieldType::Date, C0).known_as(&["ZXRQ", "candate"]),
    Field::new("cancel_reason", "注销原因", FieldType::Text(200), C0)
        .known_as(&["ZXYY", "canrea"])
        .usually(&["决议解散", "经营期限届满", "因合并或者分立解散", "其他原因"]),
    Field::new("cancel_authority", "注销机关", FieldType::Text(100), C0)
        .known_as(&["ZXJG"])
        .usually(AUTHORITIES),
    Field::new("revoke_date", "吊销日期", FieldType::Date, C0)
        .known_as(&["DXRQ", "revdate"])
        .blank_in(9_600),
    Field::new("revoke_reason", "吊销原因", FieldType::Text(200), C0)
        .known_as(&["DXYY", "revrea"])
        .usually(&["连续六个月未经营", "未按规定公示年度报告"])
        .blank_in(9_600),
    Field::new("revoke_authority", "吊销机关", FieldType::Text(100), C0)
        .known_as(&["DXJG"])
        .usually(AUTHORITIES)
        .blank_in(9_600),
    Field::new("end_stage", "注销阶段", FieldType::Code(&tables::END_STAGE), C0)
        .known_as(&["ZXJD"])
        .usually(&["已办结"]),
    Field::new("notice_from", "简易注销公告期起", FieldType::Date, C0)
        .known_as(&["GGQ_Q"])
        .blank_in(8_800),
    Field::new("notice_to", "简易注销公告期止", FieldType::Date, C0)
        .known_as(&["GGQ_Z"])
        .blank_in(8_800),
    Field::new("dormant_from", "歇业起始日期", FieldType::Date, C0)
        .known_as(&["XYRQ_Q"])
        .blank_in(9_800),
    Field::new("dormant_to", "歇业结束日期", FieldType::Date, C0)
        .known_as(&["XYRQ_Z"])
        .blank_in(9_800),
];
