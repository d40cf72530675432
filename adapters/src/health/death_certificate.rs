//! 居民死亡医学证明: one row a certificate, without its cause.

use crate::catalogue::Class::{C1, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, RecordType, Sampled, Subject, block};

/// `health/death-certificate`.
pub(super) static DEATH_CERTIFICATE: RecordType = RecordType {
    fields: FIELDS,
    unread: &[
        "SWYY",
        "死亡原因",
        "直接死因",
        "根本死因",
        "根本死亡原因",
        "ICD10",
        "ICD编码",
        "死亡地点",
        "家属姓名",
        "家属电话",
    ],
    own: &["死者", "死亡人员", "亡故人员", "逝者", "亡者", "死亡"],
    keys: &[&["cert_no"], &["citizen_id", "death_date"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["op-8", "op-26"],
    order: &[("citizen_id", "death_date")],
    sampled: Sampled::NEW.people(Drawn::every(7, 3)),
    ..RecordType::new(Agency::Health, "health/death-certificate", "居民死亡医学证明")
};

static FIELDS: &[Field] = &[
    Field::new("cert_no", "死亡医学证明编号", FieldType::DocumentNo(20), C3).known_as(&["swzmbh"]),
    block::NAME,
    block::CITIZEN_ID,
    block::SEX,
    block::ETHNICITY,
    block::DEATH_DATE,
    Field::new("issuer", "签发机构", FieldType::Text(80), C1).usually(&[
        "连云港市第一人民医院",
        "连云港市第二人民医院",
        "东海县人民医院",
        "灌南县第一人民医院",
    ]),
];
