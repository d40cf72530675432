//! 经营异常名录: one row a listing, with its end where it has ended.

use super::item::AUTHORITIES;
use crate::catalogue::Class::C0;
use crate::catalogue::{Agency, Drawn, Field, FieldType, RecordType, Sampled, Subject, block};

/// `commerce/abnormal-listing`.
pub(super) static ABNORMAL_LISTING: RecordType = RecordType {
    fields: FIELDS,
    own: &["企业", "市场主体", "经营主体"],
    keys: &[&["uscc", "listed_on"], &["reg_no", "listed_on"]],
    subjects: &[Subject::Enterprise("uscc")],
    basis: &["op-9"],
    order: &[("listed_on", "removed_on")],
    sampled: Sampled::NEW.units(Drawn::every(8, 3)),
    ..RecordType::new(Agency::Commerce, "commerce/abnormal-listing", "经营异常名录")
};

static FIELDS: &[Field] = &[
    block::USCC,
    block::REG_NO,
    block::ENT_NAME,
    Field::new("listed_on", "列入日期", FieldType::Date, C0)
        .known_as(&["LRRQ"])
        .past(),
    Field::new("listed_reason", "列入原因", FieldType::Text(200), C0)
        .known_as(&["LRSY", "列入事由"])
        .usually(&["未按规定期限公示年度报告", "通过登记的住所无法联系"]),
    Field::new("removed_on", "移出日期", FieldType::Date, C0)
        .known_as(&["YCRQ"])
        .past()
        .blank_in(6_000),
    Field::new("removed_reason", "移出原因", FieldType::Text(200), C0)
        .known_as(&["ZRSY", "移出事由"])
        .usually(&["补报年度报告", "依法变更住所"])
        .blank_in(6_000),
    Field::new("list_authority", "作出决定机关", FieldType::Text(100), C0)
        .known_as(&["ZCJDJG"])
        .usually(AUTHORITIES),
];
