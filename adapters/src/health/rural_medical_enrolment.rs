//! 新农合参合: one row a member and year. What was treated and paid for treatment is class C4.
//!
//! 户口性质 is not in the published list of items, but every table of the scheme has it, in codes that mean the opposite of others'.

use super::{HUKOU_NATURE, ID_TYPE};
use crate::catalogue::Class::{C1, C2, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, RecordType, Sampled, Subject, block};
use crate::code::tables;

/// `health/rural-medical-enrolment`.
pub(super) static RURAL_MEDICAL_ENROLMENT: RecordType = RecordType {
    fields: FIELDS,
    unread: &[
        "最后缴费地址",
        "缴费地址",
        "疾病名称",
        "诊断",
        "入院诊断",
        "出院诊断",
        "疾病编码",
        "住院号",
        "补偿金额",
        "银行账号",
    ],
    own: &["参合人", "参合人员", "参保人", "参保人员", "参合"],
    keys: &[&["citizen_id", "enrol_year"], &["member_no", "enrol_year"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["si-74", "op-9"],
    order: &[("citizen_id", "enrol_date")],
    sampled: Sampled::NEW.people(Drawn::every(2, 0)),
    ..RecordType::new(Agency::Health, "health/rural-medical-enrolment", "新农合参合")
};

static FIELDS: &[Field] = &[
    Field::new("member_no", "参合编号", FieldType::DocumentNo(20), C2).known_as(&["新农合编号"]),
    Field::new("si_person_no", "个人保险编号", FieldType::DocumentNo(20), C2).known_as(&["人口编号"]),
    block::NAME.required(),
    Field::new("id_type", "证件类型", FieldType::Code(&ID_TYPE), C2).known_as(&["zjlx", "证件类别"]),
    block::CITIZEN_ID,
    block::HOUSEHOLD_NO,
    block::TOWN_CODE.known_as(&["乡镇代码"]),
    block::VILLAGE_CODE.known_as(&["村居代码"]),
    Field::new("hukou_nature", "户口性质", FieldType::Code(&HUKOU_NATURE), C2)
        .known_as(&["hkxz"])
        .usually(&["农业"]),
    Field::new("enrol_year", "参合年度", FieldType::DocumentNo(4), C2)
        .known_as(&["年度"])
        .usually(&["2016", "2017"])
        .required(),
    Field::new("enrol_date", "参合日期", FieldType::Date, C2).known_as(&["chrq"]),
    Field::new("status", "参合状态", FieldType::Code(&tables::ENROLMENT_STATUS), C2).known_as(&["状态"]),
    Field::new("pay_amount", "缴费金额", FieldType::Decimal(2), C3).known_as(&["最后缴费金额"]),
    Field::new("pay_unit", "缴费单位", FieldType::Text(200), C1)
        .known_as(&["最后缴费单位"])
        .usually(&["青口镇人民政府", "黄川镇人民政府", "板浦镇人民政府"]),
    Field::new("subsidy_kind", "资助类别", FieldType::Code(&tables::SUBSIDY_KIND), C3).blank_in(9_000),
];
