//! 户籍人口: one row a registered resident, current or historical.

use crate::catalogue::Class::{C1, C2, C3};
use crate::catalogue::{
    Agency, Drawn, Field, FieldType, Gathered, Implied, RecordType, Sampled, Spread, Subject, block,
};
use crate::code::tables;

/// `public-security/resident`.
pub(super) static RESIDENT: RecordType = RecordType {
    fields: FIELDS,
    unread: &[
        "zjxy",
        "宗教信仰",
        "xx",
        "血型",
        "sg",
        "身高",
        "zpid",
        "xp",
        "相片",
        "照片",
        "zwxx",
        "指纹",
        "指纹信息",
    ],
    own: &["居民", "户籍人口", "常住人口", "公民", "户籍"],
    keys: &[&["citizen_id"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["si-57.3", "op-8", "op-9", "hk-6", "id-3"],
    order: &[("valid_from", "valid_to"), ("idcard_from", "idcard_to")],
    history: &[("record_flag", "2"), ("reversed", "1")],
    spread: &[Spread {
        field: "hukou_address",
        columns: &[
            // Beside a name, `jlx` is its code.
            &["jlxmc", "街路巷名称", "街路巷", "jlx"],
            &["mlph", "门楼牌号"],
            &["mlxz", "门楼详址"],
        ],
        gathered: Gathered::Joined,
    }],
    sampled: Sampled::NEW.people(Drawn::every(1, 0)),
    ..RecordType::new(Agency::PublicSecurity, "public-security/resident", "户籍人口")
};

static FIELDS: &[Field] = &[
    block::CITIZEN_ID.required(),
    block::NAME.required(),
    block::SEX,
    block::ETHNICITY,
    block::BIRTH_DATE,
    Field::new("former_name", "曾用名", FieldType::Name, C2)
        .known_as(&["cym"])
        .blank_in(9_600),
    Field::new("birth_region", "出生地", FieldType::Region, C2).known_as(&["csdssxq"]),
    Field::new("native_region", "籍贯", FieldType::Region, C2).known_as(&["jgssxq"]),
    block::HOUSEHOLD_NO,
    block::RELATION_TO_HEAD,
    Field::new("hukou_kind", "户别", FieldType::Code(&tables::HUKOU_KIND), C1).known_as(&["hlx", "hb"]),
    Field::new("hukou_nature", "户口性质", FieldType::Code(&tables::HUKOU_NATURE), C2).known_as(&["hkxz"]),
    Field::new("hukou_region", "户籍地区划", FieldType::Region, C2).known_as(&["ssxq"]),
    block::TOWN_CODE.known_as(&["xzjd"]),
    block::VILLAGE_CODE.known_as(&["jcwh"]),
    Field::new("hukou_address", "户籍地址", FieldType::Text(200), C2)
        .telling(&[Implied::Place])
        .known_as(&["hjdz", "hjdxz"]),
    block::POLICE_STATION,
    Field::new("education", "文化程度", FieldType::Code(&tables::EDUCATION), C2)
        .known_as(&["whcd"])
        .usually(&["初中", "高中", "技工学校", "大学专科", "大学"]),
    Field::new(
        "marital_status",
        "婚姻状况",
        FieldType::Code(&tables::MARITAL_STATUS),
        C3,
    )
    .known_as(&["hyzk"])
    .usually(&["未婚", "已婚", "已婚", "已婚", "离婚"]),
    Field::new(
        "military_status",
        "兵役状况",
        FieldType::Code(&tables::MILITARY_STATUS),
        C3,
    )
    .known_as(&["byzk"]),
    Field::new("person_status", "人员状态", FieldType::Code(&tables::PERSON_STATUS), C2).known_as(&["ryzt"]),
    Field::new("record_flag", "记录标志", FieldType::Code(&tables::RECORD_FLAG), C1)
        .known_as(&["jlbz"])
        .usually(&["当前"]),
    Field::new("valid_from", "启用时间", FieldType::Instant, C1).known_as(&["qysj"]),
    Field::new("valid_to", "结束时间", FieldType::Instant, C1)
        .known_as(&["jssj"])
        .blank_in(8_800),
    Field::new("reversed", "冲销标志", FieldType::Code(&tables::YES_NO), C1)
        .known_as(&["cxbz"])
        .usually(&["否"]),
    Field::new("idcard_from", "证件有效期起始日期", FieldType::Date, C3).known_as(&["yxqxqsrq"]),
    Field::new("idcard_to", "证件有效期截止日期", FieldType::Date, C3).known_as(&["yxqxjzrq"]),
    Field::new("idcard_issuer", "证件签发机关", FieldType::Text(60), C3)
        .known_as(&["qfjg"])
        .usually(&[
            "连云港市公安局海州分局",
            "连云港市公安局赣榆分局",
            "东海县公安局",
            "灌南县公安局",
        ]),
    Field::new("guardian_name", "监护人姓名", FieldType::Name, C3)
        .known_as(&["jhryxm", "jhrxm"])
        .blank_in(7_000),
    Field::new("guardian_id", "监护人公民身份号码", FieldType::CitizenId, C3)
        .known_as(&["jhrygmsfhm", "jhrgmsfhm"])
        .blank_in(7_000),
    Field::new("father_name", "父亲姓名", FieldType::Name, C3)
        .known_as(&["fqxm"])
        .blank_in(7_000),
    Field::new("father_id", "父亲公民身份号码", FieldType::CitizenId, C3)
        .known_as(&["fqgmsfhm"])
        .blank_in(7_000),
    Field::new("mother_name", "母亲姓名", FieldType::Name, C3)
        .known_as(&["mqxm"])
        .blank_in(7_000),
    Field::new("mother_id", "母亲公民身份号码", FieldType::CitizenId, C3)
        .known_as(&["mqgmsfhm"])
        .blank_in(7_000),
    Field::new("spouse_name", "配偶姓名", FieldType::Name, C3)
        .known_as(&["poxm"])
        .blank_in(4_000),
    Field::new("spouse_id", "配偶公民身份号码", FieldType::CitizenId, C3)
        .known_as(&["pogmsfhm", "posfzh"])
        .blank_in(4_000),
    block::PHONE,
    block::SOURCE_UPDATED_AT,
];
