//! 迁出、迁入: one row a move of the household registration (户口登记条例 10, 13).
//!
//! A file of moves in both directions has a date for each, and a row often both: the one of its direction is the day of the move.
//! The place that somebody moves to or from is no division code where it lies abroad: the police then send a leading zero.

use crate::catalogue::Class::{C1, C2};
use crate::catalogue::{
    Agency, Drawn, Field, FieldType, Gathered, Implied, RecordType, Sampled, Spread, Subject, block,
};
use crate::code::{nationality, tables};

/// `public-security/migration`.
pub(super) static MIGRATION: RecordType = RecordType {
    fields: FIELDS,
    own: &["迁移人", "迁移人员", "迁移"],
    keys: &[&["citizen_id", "direction", "move_date"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["si-57.3", "op-8", "hk-10", "hk-13"],
    order: &[("citizen_id", "move_date")],
    spread: &[Spread {
        field: "move_date",
        columns: &[&["qcrq", "迁出日期"], &["hsql", "qrrq", "迁入日期"]],
        gathered: Gathered::ChosenBy("direction", &["O", "I"]),
    }],
    sampled: Sampled::NEW.people(Drawn::every(17, 2)),
    ..RecordType::new(Agency::PublicSecurity, "public-security/migration", "迁出迁入")
};

static FIELDS: &[Field] = &[
    block::CITIZEN_ID.required(),
    block::NAME,
    Field::new("direction", "迁移方向", FieldType::Code(&tables::MOVE_DIRECTION), C2)
        .known_as(&["qyfx"])
        .required(),
    Field::new("move_date", "迁移日期", FieldType::Date, C2).known_as(&["qyrq"]),
    Field::new("move_kind", "迁移类别", FieldType::Text(20), C2)
        .known_as(&["qczxlb", "hylbz"])
        .usually(&["工作调动", "随迁", "购房", "婚迁"]),
    Field::new("from_region", "迁出地区划", FieldType::DocumentNo(6), C2)
        .known_as(&["qcdssxq"])
        .usually(&["320706", "320102", "310115", "810000"]),
    Field::new("to_region", "迁往地区划", FieldType::DocumentNo(6), C2)
        .known_as(&["qwdssxq"])
        .usually(&["320102", "310115", "320706", "710000"]),
    Field::new(
        "to_country",
        "迁往国家(地区)",
        FieldType::Code(&nationality::NATIONALITY),
        C2,
    )
    .known_as(&["qwdgjdq"])
    .usually(&["中国"]),
    Field::new("from_address", "迁出地址", FieldType::Text(200), C2)
        .telling(&[Implied::Place])
        .known_as(&["qcdxz"]),
    Field::new("to_address", "迁往地址", FieldType::Text(200), C2)
        .telling(&[Implied::Place])
        .known_as(&["qwdxz"]),
    Field::new("reason", "迁移原因", FieldType::Text(20), C2)
        .known_as(&["qyyy"])
        .usually(&["务工", "投靠亲属", "就学"]),
    Field::new("whole_household", "整户迁移标志", FieldType::Code(&tables::YES_NO), C2).known_as(&["zhbz"]),
    Field::new("receipt_no", "跨地区迁移回执编号", FieldType::DocumentNo(30), C1).known_as(&["kdqqy_hzbh"]),
    block::SOURCE_UPDATED_AT,
];
