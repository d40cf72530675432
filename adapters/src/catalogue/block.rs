//! Fields that several record types share: the person block, the unit block, and what recurs beside them.
//!
//! Takes nothing; gives constants, so that a name means the same thing wherever it stands.

use super::Class::{C0, C1, C2, C3};
use super::{Field, FieldType};
use crate::code::{nationality, tables};

/// 公民身份号码.
pub(crate) const CITIZEN_ID: Field = Field::new("citizen_id", "公民身份号码", FieldType::CitizenId, C3).known_as(&[
    "gmsfhm",
    "gmsfzh",
    "sfzh",
    "sfzhm",
    "ID_CARD",
    "AAC002",
    "AAC147",
    "IDENTITYID",
    "身份证号",
    "身份证号码",
    "居民身份证号码",
]);
/// 姓名.
pub(crate) const NAME: Field = Field::new("name", "姓名", FieldType::Name, C2).known_as(&["xm", "AAC003"]);
/// 性别.
pub(crate) const SEX: Field =
    Field::new("sex", "性别", FieldType::Code(&tables::SEX), C2).known_as(&["xb", "xbdm", "AAC004"]);
/// 民族.
pub(crate) const ETHNICITY: Field = Field::new("ethnicity", "民族", FieldType::Code(&tables::ETHNICITY), C2)
    .known_as(&["mz", "mzdm", "AAC005"])
    .usually(MOSTLY_HAN);
/// 出生日期.
pub(crate) const BIRTH_DATE: Field = Field::new("birth_date", "出生日期", FieldType::Date, C2)
    .known_as(&["csrq", "AAC006"])
    .past();

/// 统一社会信用代码.
pub(crate) const USCC: Field = Field::new("uscc", "统一社会信用代码", FieldType::Uscc, C0).known_as(&[
    "uniscid",
    "tyshxydm",
    "USC_CODE",
    "lgl_credit_no",
    "SHXYDM",
    "社会信用代码",
]);
/// 注册号.
pub(crate) const REG_NO: Field =
    Field::new("reg_no", "注册号", FieldType::RegNo, C0).known_as(&["regno", "GSZCH", "工商注册号"]);
/// 组织机构代码.
pub(crate) const ORG_CODE: Field =
    Field::new("org_code", "组织机构代码", FieldType::OrgCode, C0).known_as(&["ZZJGDM", "ZZJG_DM", "AAB003"]);
/// 单位名称.
pub(crate) const ENT_NAME: Field = Field::new("ent_name", "单位名称", FieldType::Text(200), C0).known_as(&[
    "entname",
    "QYMC",
    "gsmc",
    "ORG_NAME",
    "AAB004",
    "企业名称",
]);
/// 法定代表人.
pub(crate) const LEGAL_REP_NAME: Field = Field::new("legal_rep_name", "法定代表人姓名", FieldType::Text(100), C2);

/// 户号.
pub(crate) const HOUSEHOLD_NO: Field =
    Field::new("household_no", "户号", FieldType::DocumentNo(12), C2).known_as(&["hh", "hhid", "hhnbid"]);
/// 与户主关系.
pub(crate) const RELATION_TO_HEAD: Field =
    Field::new("relation_to_head", "与户主关系", FieldType::Code(&tables::RELATION), C2)
        .known_as(&["yhzgx"])
        .usually(&["本人", "户主", "配偶", "子", "独生子"]);
/// 派出所.
pub(crate) const POLICE_STATION: Field =
    Field::new("police_station", "派出所", FieldType::DocumentNo(12), C1).known_as(&["pcs", "pcsdm"]);
/// 乡镇街道.
pub(crate) const TOWN_CODE: Field = Field::new("town_code", "乡镇街道代码", FieldType::Division(9), C2);
/// 居村委.
pub(crate) const VILLAGE_CODE: Field = Field::new("village_code", "居村委代码", FieldType::Division(12), C2);
/// 联系电话.
pub(crate) const PHONE: Field = Field::new("phone", "联系电话", FieldType::Phone, C2).known_as(&["dhhm", "lxdh"]);
/// 死亡日期.
pub(crate) const DEATH_DATE: Field = Field::new("death_date", "死亡日期", FieldType::Date, C3)
    .known_as(&["swrq"])
    .past();
/// 更新时间.
pub(crate) const SOURCE_UPDATED_AT: Field =
    Field::new("source_updated_at", "更新时间", FieldType::Instant, C1).known_as(&["gxsj"]);
/// 国籍.
pub(crate) const NATIONALITY: Field = Field::new(
    "nationality",
    "国籍(地区)",
    FieldType::Code(&nationality::NATIONALITY),
    C2,
)
.usually(&["中国", "CHN"]);

const MOSTLY_HAN: &[&str] = &[
    "汉族", "汉族", "汉族", "汉族", "汉族", "汉族", "汉族", "汉族", "汉族", "回族",
];
