//! 出生登记: one row a child entered in the household register. Everything in it is about a child (户口登记条例 7).

use crate::catalogue::Class::{C1, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, Implied, RecordType, Sampled, Subject, block};
use crate::code::tables;

/// `public-security/birth`.
pub(super) static BIRTH: RecordType = RecordType {
    fields: FIELDS,
    unread: &[
        "sbrxm",
        "申报人姓名",
        "sbrgmsfhm",
        "申报人公民身份号码",
        "sbrlxdh",
        "申报人联系电话",
        "申报人",
        "jgssxq",
        "籍贯",
        "ywlsh",
        "业务流水号",
    ],
    own: &["新生儿", "婴儿", "出生人员", "出生"],
    keys: &[&["citizen_id"], &["birth_cert_no"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["si-57.3", "op-8", "hk-7"],
    minors: true,
    order: &[("citizen_id", "declared_on"), ("birth_date", "declared_on")],
    one_of: &[&["father_name", "father_id"], &["mother_name", "mother_id"]],
    // The children of the birth certificates, row by row.
    sampled: Sampled::NEW.people(Drawn::every(1, 1 << 26)),
    ..RecordType::new(Agency::PublicSecurity, "public-security/birth", "出生登记")
};

static FIELDS: &[Field] = &[
    block::CITIZEN_ID,
    block::NAME.in_class(C3).required(),
    block::SEX.in_class(C3),
    block::ETHNICITY.in_class(C3),
    block::BIRTH_DATE.in_class(C3),
    Field::new("birth_region", "出生地", FieldType::Region, C3).known_as(&["csdssxq"]),
    Field::new("birth_address", "出生地详址", FieldType::Text(200), C3)
        .telling(&[Implied::Place])
        .known_as(&["csdxz"]),
    Field::new("birth_cert_no", "出生医学证明编号", FieldType::DocumentNo(10), C3).known_as(&["cszmbh"]),
    block::HOUSEHOLD_NO.in_class(C3),
    Field::new("hukou_kind", "户别", FieldType::Code(&tables::HUKOU_KIND), C3).known_as(&["hb", "hlx"]),
    block::RELATION_TO_HEAD
        .in_class(C3)
        .usually(&["子", "长女", "次子", "孙子", "外孙女"]),
    Field::new("register_kind", "出生登记类别", FieldType::Text(20), C3)
        .known_as(&["csdjlb"])
        .usually(&["本地出生", "补报出生"]),
    Field::new("guardian1_name", "监护人一姓名", FieldType::Name, C3).known_as(&["jhryxm"]),
    Field::new("guardian1_id", "监护人一公民身份号码", FieldType::CitizenId, C3).known_as(&["jhrygmsfhm"]),
    Field::new("guardian1_relation", "监护人一监护关系", FieldType::Text(20), C3)
        .known_as(&["jhryjhgx"])
        .usually(&["母亲"]),
    Field::new("guardian2_name", "监护人二姓名", FieldType::Name, C3).known_as(&["jhrexm"]),
    Field::new("guardian2_id", "监护人二公民身份号码", FieldType::CitizenId, C3).known_as(&["jhregmsfhm"]),
    Field::new("guardian2_relation", "监护人二监护关系", FieldType::Text(20), C3)
        .known_as(&["jhrejhgx"])
        .usually(&["父亲"]),
    Field::new("father_name", "父亲姓名", FieldType::Name, C3).known_as(&["fqxm"]),
    Field::new("father_id", "父亲公民身份号码", FieldType::CitizenId, C3).known_as(&["fqgmsfhm"]),
    Field::new("mother_name", "母亲姓名", FieldType::Name, C3)
        .known_as(&["mqxm"])
        .blank_in(0),
    Field::new("mother_id", "母亲公民身份号码", FieldType::CitizenId, C3)
        .known_as(&["mqgmsfhm"])
        .blank_in(0),
    Field::new("declared_on", "申报日期", FieldType::Date, C1).known_as(&["sbrq"]),
    block::POLICE_STATION,
];
