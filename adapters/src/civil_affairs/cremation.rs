//! 火化: one row a cremation.

use crate::catalogue::Class::C3;
use crate::catalogue::{Agency, Drawn, Field, FieldType, Implied, RecordType, Sampled, Subject, block};

/// `civil-affairs/cremation`.
pub(super) static CREMATION: RecordType = RecordType {
    fields: FIELDS,
    unread: &["RN"],
    own: &[
        "死者",
        "死亡人员",
        "亡故人员",
        "逝者",
        "亡者",
        "火化人员",
        "死亡",
        "火化",
    ],
    keys: &[&["citizen_id", "cremated_on"], &["citizen_id"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["op-8", "op-26"],
    order: &[("citizen_id", "death_date"), ("death_date", "cremated_on")],
    sampled: Sampled::NEW.people(Drawn::every(7, 3)),
    ..RecordType::new(Agency::CivilAffairs, "civil-affairs/cremation", "火化")
};

static FIELDS: &[Field] = &[
    block::CITIZEN_ID.required(),
    block::NAME,
    block::SEX,
    block::DEATH_DATE.known_as(&["DEATH_TIME", "swrq", "死亡时间"]),
    Field::new("cremated_on", "火化日期", FieldType::Date, C3)
        .known_as(&["CREMATION_TIME", "hhrq", "火化时间"])
        .past(),
    Field::new("address", "地址", FieldType::Text(200), C3).telling(&[Implied::Place]),
];
