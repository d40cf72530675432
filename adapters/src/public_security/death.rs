//! 死亡注销: one row a cancelled registration.

use crate::catalogue::Class::{C1, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, RecordType, Sampled, Subject, block};

/// `public-security/death`.
pub(super) static DEATH: RecordType = RecordType {
    fields: FIELDS,
    own: &[
        "死者",
        "死亡人员",
        "亡故人员",
        "逝者",
        "亡者",
        "注销人员",
        "死亡",
        "注销",
    ],
    keys: &[&["citizen_id", "cancel_date"], &["citizen_id"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["si-57.3", "op-8", "op-26", "hk-8"],
    order: &[
        ("citizen_id", "death_date"),
        ("birth_date", "death_date"),
        ("death_date", "cancel_date"),
    ],
    sampled: Sampled::NEW.people(Drawn::every(7, 3)),
    ..RecordType::new(Agency::PublicSecurity, "public-security/death", "死亡注销")
};

static FIELDS: &[Field] = &[
    block::CITIZEN_ID.required(),
    block::NAME,
    block::SEX,
    block::BIRTH_DATE,
    block::DEATH_DATE,
    Field::new("cancel_date", "注销日期", FieldType::Date, C3).known_as(&["swzxrq", "zxrq"]),
    Field::new("cancel_kind", "注销类别", FieldType::Text(20), C1)
        .known_as(&["swzxlb"])
        .usually(&["死亡", "死亡", "宣告死亡"]),
    block::POLICE_STATION,
    block::SOURCE_UPDATED_AT,
];
