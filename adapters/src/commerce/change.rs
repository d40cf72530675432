//! 企业变更: one row an item that was changed (市场主体登记管理条例 24).
//!
//! What stands before and after may be anything that the register holds, persons' numbers included, so both have the class of the most
//! sensitive item.

use super::item;
use crate::catalogue::Class::{C0, C1, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, Implied, RecordType, Sampled, Subject, block};

/// `commerce/change`.
pub(super) static CHANGE: RecordType = RecordType {
    fields: FIELDS,
    own: &["企业", "市场主体", "经营主体", "变更"],
    keys: &[&["uscc", "serial"], &["reg_no", "serial"]],
    subjects: &[Subject::Enterprise("uscc")],
    basis: &["op-8", "mr-24"],
    sampled: Sampled::NEW.units(Drawn::every(3, 2)),
    ..RecordType::new(Agency::Commerce, "commerce/change", "企业变更")
};

static FIELDS: &[Field] = &[
    block::USCC,
    block::REG_NO,
    block::ENT_NAME,
    Field::new("item", "变更事项", FieldType::Text(60), C0)
        .known_as(&["altitem", "BGSX"])
        .usually(&["住所变更", "经营范围变更", "名称变更", "注册资本变更"])
        .required(),
    Field::new("before", "变更前内容", FieldType::Text(4000), C3)
        .known_as(&["altbe", "BGQNR"])
        .telling(Implied::OF_A_DOCUMENT)
        .usually(&["100万元", "连云港市海州区海连中路1号", "五金销售"]),
    Field::new("after", "变更后内容", FieldType::Text(4000), C3)
        .known_as(&["altaf", "BGHNR"])
        .telling(Implied::OF_A_DOCUMENT)
        .usually(&["500万元", "连云港市海州区瀛洲路2号", "五金、建材销售"]),
    item::APPROVED_ON.known_as(&["altdate", "HZRQ", "apprdate", "变更日期"]),
    Field::new("serial", "变更序号", FieldType::DocumentNo(36), C1)
        .known_as(&["altid", "BGXH"])
        .required(),
];
