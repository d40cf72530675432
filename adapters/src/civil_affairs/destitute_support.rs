//! 特困供养: one row a supported person, monthly (社会救助暂行办法 14).

use crate::catalogue::Class::{C2, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, Implied, RecordType, Sampled, Subject, block};
use crate::code::tables;

/// `civil-affairs/destitute-support`.
pub(super) static DESTITUTE_SUPPORT: RecordType = RecordType {
    fields: FIELDS,
    unread: &["银行账号", "开户银行", "金额", "供养金额", "备注"],
    own: &[
        "供养对象",
        "特困人员",
        "特困供养人员",
        "特困对象",
        "救助对象",
        "保障对象",
        "供养",
        "特困",
    ],
    keys: &[&["citizen_id", "start_month"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["si-25", "si-74", "as-14"],
    order: &[("start_month", "stop_month")],
    sampled: Sampled::NEW.people(Drawn::every(23, 9)),
    ..RecordType::new(Agency::CivilAffairs, "civil-affairs/destitute-support", "特困供养")
};

static FIELDS: &[Field] = &[
    block::NAME.required(),
    block::CITIZEN_ID.required(),
    block::TOWN_CODE.known_as(&["乡镇代码"]),
    block::VILLAGE_CODE.known_as(&["sVillageCode", "村居代码"]),
    Field::new("address", "地址", FieldType::Text(200), C2)
        .telling(&[Implied::Place])
        .known_as(&["家庭住址", "居住地址"]),
    Field::new("support_mode", "供养方式", FieldType::Code(&tables::SUPPORT_MODE), C3).known_as(&["供养类别"]),
    Field::new("start_month", "起始年月", FieldType::Month, C3).known_as(&["供养开始年月", "sSFNY"]),
    Field::new("stop_month", "停止年月", FieldType::Month, C3)
        .known_as(&["供养停止年月"])
        .blank_in(8_800),
];
