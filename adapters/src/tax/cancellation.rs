//! 税务注销: one row a taxpayer whose registration ended (税收征收管理法 16). Of several, the newest counts.

use super::item;
use crate::catalogue::Class::C1;
use crate::catalogue::{Agency, Drawn, Field, FieldType, RecordType, Sampled, Subject};

/// `tax/cancellation`.
pub(super) static CANCELLATION: RecordType = RecordType {
    fields: FIELDS,
    own: &["纳税人", "注销"],
    keys: &[&["taxpayer_id"]],
    subjects: &[Subject::Enterprise("taxpayer_id")],
    basis: &["tx-16", "op-9"],
    sampled: Sampled::NEW.units(Drawn::every(6, 1)),
    ..RecordType::new(Agency::Tax, "tax/cancellation", "税务注销")
};

static FIELDS: &[Field] = &[
    item::TAXPAYER_ID.required(),
    item::TAXPAYER_NAME,
    Field::new("cancel_date", "注销日期", FieldType::Date, C1).known_as(&["ZXRQ"]),
    Field::new("cancel_reason", "注销原因", FieldType::Text(200), C1)
        .known_as(&["ZXYY", "ZXYY_MC"])
        .usually(&["解散", "营业执照被吊销", "其他"]),
    item::TAX_BUREAU,
];
