//! 企业注销、吊销: one row an end. Grounds: 市场主体登记管理条例 31, 33.

use crate::catalogue::Class::C0;
use crate::catalogue::{Agency, Field, FieldType, RecordType, Subject, block};

/// `commerce/cancellation`.
pub(super) static CANCELLATION: RecordType = RecordType {
    agency: Agency::Commerce,
    name: "commerce/cancellation",
    zh: "企业注销吊销",
    schema: 1,
    fields: FIELDS,
    keys: &[
        &["uscc", "cancel_date"],
        &["uscc", "revoke_date"],
        &["reg_no", "cancel_date"],
        &["reg_no", "revoke_date"],
    ],
    subjects: &[Subject::Enterprise("uscc")],
    basis: &["si-57.3", "op-8", "mr-31", "mr-33"],
    minors: false,
    order: &[],
};

static FIELDS: &[Field] = &[
    block::USCC,
    block::REG_NO,
    block::ENT_NAME,
    Field::new("cancel_date", "注销日期", FieldType::Date, C0).known_as(&["ZXRQ", "candate"]),
    Field::new("cancel_reason", "注销原因", FieldType::Text(200), C0).known_as(&["ZXYY"]),
    Field::new("cancel_authority", "注销机关", FieldType::Text(100), C0),
    Field::new("revoke_date", "吊销日期", FieldType::Date, C0).known_as(&["DXRQ", "revdate"]),
    Field::new("revoke_reason", "吊销原因", FieldType::Text(200), C0).known_as(&["DXYY"]),
    Field::new("revoke_authority", "吊销机关", FieldType::Text(100), C0),
];
