//! 居民死亡医学证明: one row a certificate, without its cause.

use crate::catalogue::Class::{C1, C3};
use crate::catalogue::{Agency, Field, FieldType, RecordType, Subject, block};

/// `health/death-certificate`.
pub(super) static DEATH_CERTIFICATE: RecordType = RecordType {
    agency: Agency::Health,
    name: "health/death-certificate",
    zh: "居民死亡医学证明",
    schema: 1,
    fields: FIELDS,
    keys: &[&["cert_no"], &["citizen_id", "death_date"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["op-8", "op-26"],
    minors: false,
    order: &[],
};

static FIELDS: &[Field] = &[
    Field::new("cert_no", "死亡医学证明编号", FieldType::DocumentNo(20), C3).known_as(&["swzmbh"]),
    block::NAME,
    block::CITIZEN_ID,
    block::SEX,
    block::ETHNICITY,
    block::DEATH_DATE,
    Field::new("issuer", "签发机构", FieldType::Text(80), C1),
];
