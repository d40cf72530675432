//! 非正常户: one row a taxpayer declared irregular, with its end where it has ended.
//!
//! A real feed sent no dates at all: the taxpayer's number alone is then the key.

use super::item;
use crate::catalogue::Class::C1;
use crate::catalogue::{Agency, Drawn, Field, FieldType, RecordType, Sampled, Subject};

/// `tax/irregular-taxpayer`.
pub(super) static IRREGULAR_TAXPAYER: RecordType = RecordType {
    fields: FIELDS,
    own: &["纳税人"],
    keys: &[&["taxpayer_id", "declared_on"], &["taxpayer_id"]],
    subjects: &[Subject::Enterprise("taxpayer_id")],
    basis: &["tx-6", "op-9"],
    order: &[("declared_on", "lifted_on")],
    sampled: Sampled::NEW.units(Drawn::every(8, 3)),
    ..RecordType::new(Agency::Tax, "tax/irregular-taxpayer", "非正常户")
};

static FIELDS: &[Field] = &[
    item::TAXPAYER_ID.required(),
    item::TAXPAYER_NAME,
    Field::new("declared_on", "认定日期", FieldType::Date, C1)
        .known_as(&["RDRQ"])
        .past(),
    Field::new("lifted_on", "解除日期", FieldType::Date, C1)
        .known_as(&["YXQ_Z"])
        .blank_in(7_000),
    Field::new("document_no", "文书凭证序号", FieldType::DocumentNo(40), C1).known_as(&["WSPZXH"]),
    item::TAX_BUREAU,
];
