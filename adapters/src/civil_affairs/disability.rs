//! 残疾人: one row a disability card, from 残联 through 民政.
//!
//! The card's number is the resident id with kind and grade of the disability behind it, so that it tells all of these.

use crate::catalogue::Class::C3;
use crate::catalogue::{Agency, Drawn, Field, FieldType, Implied, RecordType, Sampled, Subject, block};
use crate::code::tables;

/// `civil-affairs/disability`.
pub(super) static DISABILITY: RecordType = RecordType {
    fields: FIELDS,
    unread: &[
        "残疾原因",
        "致残原因",
        "残疾详情",
        "监护人",
        "监护人姓名",
        "监护人电话",
        "备注",
    ],
    own: &["残疾人", "持证人", "残疾"],
    keys: &[&["disability_no"]],
    subjects: &[Subject::Person("disability_no")],
    basis: &["si-25", "si-74"],
    sampled: Sampled::NEW.people(Drawn::every(29, 4)),
    ..RecordType::new(Agency::CivilAffairs, "civil-affairs/disability", "残疾人")
};

static FIELDS: &[Field] = &[
    block::NAME.required(),
    Field::new("disability_no", "残疾人证号", FieldType::DocumentNo(22), C3)
        .known_as(&["CJZH", "残疾证号", "残疾证号码"])
        .telling(&[
            Implied::CitizenId,
            Implied::BirthDate,
            Implied::Sex,
            Implied::Region,
            Implied::Disability,
        ])
        .required(),
    Field::new("grade", "残疾等级", FieldType::Code(&tables::DISABILITY_GRADE), C3).known_as(&["CJDJ", "级别"]),
    block::TOWN_CODE.known_as(&["乡镇代码"]),
    block::VILLAGE_CODE.known_as(&["村居代码"]),
];
