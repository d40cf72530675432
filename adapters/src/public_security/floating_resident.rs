//! 流动人口、居住证: one row somebody who lives elsewhere than registered (居住证暂行条例 4, 7, 10).
//!
//! The permit's number is often the resident id. Its end is `permit_to`, because `valid_to` is a moment elsewhere.

use super::ID_TYPE;
use crate::catalogue::Class::{C1, C2, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, Implied, RecordType, Sampled, Subject, block};

/// `public-security/floating-resident`.
pub(super) static FLOATING_RESIDENT: RecordType = RecordType {
    fields: FIELDS,
    unread: &["REMARK", "备注", "CONFIM_STATU"],
    own: &[
        "流动人口",
        "流动人员",
        "暂住人",
        "暂住人员",
        "居住人",
        "持证人",
        "居住",
        "居住证",
    ],
    keys: &[&["permit_no"], &["citizen_id", "residence_region", "arrive_date"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["si-74", "rp-4", "rp-7", "rp-10"],
    order: &[
        ("citizen_id", "arrive_date"),
        ("arrive_date", "leave_date"),
        ("issue_date", "last_endorse_date"),
        ("issue_date", "permit_to"),
    ],
    sampled: Sampled::NEW.people(Drawn::every(13, 5)),
    ..RecordType::new(Agency::PublicSecurity, "public-security/floating-resident", "流动人口")
};

static FIELDS: &[Field] = &[
    Field::new("id_type", "证件类型", FieldType::Code(&ID_TYPE), C2).known_as(&["CERTIFICATE_TYPE_CODE"]),
    block::CITIZEN_ID
        .known_as(&[
            "CERTIFICATE_NUMBER",
            "gmsfhm",
            "sfzh",
            "sfzhm",
            "身份证号",
            "身份证号码",
            "证件号码",
        ])
        .required(),
    block::NAME.required(),
    block::SEX,
    block::ETHNICITY,
    block::BIRTH_DATE,
    Field::new("hukou_address", "户籍地址", FieldType::Text(200), C2)
        .telling(&[Implied::Place])
        .known_as(&["hjdz", "hjdxz"]),
    Field::new("hukou_region", "户籍地区划", FieldType::Region, C2).known_as(&["FROM_RESION_CODE"]),
    Field::new("residence_region", "居住地区划", FieldType::Region, C2)
        .known_as(&["jzdssxq"])
        .blank_in(0),
    block::TOWN_CODE.known_as(&["xzjd"]),
    block::VILLAGE_CODE.known_as(&["jcwh"]),
    Field::new("residence_address", "居住地址", FieldType::Text(200), C3)
        .telling(&[Implied::Place])
        .known_as(&["jzdz", "jzdxz"]),
    Field::new("permit_no", "居住证号", FieldType::DocumentNo(18), C3)
        .known_as(&["jzzh"])
        .telling(Implied::OF_A_DOCUMENT),
    Field::new("issue_date", "签发日期", FieldType::Date, C3).known_as(&["qfrq"]),
    Field::new("last_endorse_date", "最近签注日期", FieldType::Date, C3).known_as(&["qzrq"]),
    Field::new("permit_to", "居住证有效期止", FieldType::Date, C3).known_as(&["yxqz"]),
    Field::new("reside_reason", "居住事由", FieldType::DocumentNo(2), C2)
        .known_as(&["FLOWREASON_CODE"])
        .usually(&["10", "30", "60", "91"]),
    Field::new("arrive_date", "来本地日期", FieldType::Date, C2)
        .known_as(&["START_TIME"])
        .blank_in(0),
    Field::new("leave_date", "离开日期", FieldType::Date, C2)
        .known_as(&["END_TIME"])
        .blank_in(8_800),
    Field::new("employer_name", "工作单位", FieldType::Text(200), C2).known_as(&["gzdw"]),
    Field::new("register_status", "登记状态", FieldType::DocumentNo(2), C1)
        .known_as(&["IS_REGISTER"])
        .usually(&["1"]),
    Field::new("flow_type", "流动类型", FieldType::DocumentNo(2), C1)
        .known_as(&["FLOW_TYPE"])
        .usually(&["1", "2"]),
    block::SOURCE_UPDATED_AT,
];
