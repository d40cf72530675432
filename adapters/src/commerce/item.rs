//! Registered and filed items that several record types of the company register have.

use super::{ID_TYPE, REG_STATUS as REG_STATUS_CODES};
use crate::catalogue::Class::{C0, C1, C2, C3};
use crate::catalogue::{Field, FieldType, Implied};
use crate::code::tables;

/// 企业类型.
pub(super) const ENT_TYPE: Field = Field::new("ent_type", "企业类型", FieldType::DocumentNo(4), C0)
    .known_as(&["enttype", "QYLX"])
    .usually(&["1130", "1151", "1150", "2130"]);
/// 成立日期.
pub(super) const ESTABLISHED_ON: Field = Field::new("established_on", "成立日期", FieldType::Date, C0)
    .known_as(&["estdate", "QYCLRQ"])
    .past();
/// 核准日期.
pub(super) const APPROVED_ON: Field =
    Field::new("approved_on", "核准日期", FieldType::Date, C0).known_as(&["apprdate", "HZRQ"]);
/// 住所.
pub(super) const DOMICILE: Field = Field::new("domicile", "住所", FieldType::Text(300), C0)
    .telling(&[Implied::Place])
    .known_as(&["dom"]);
/// 经营场所.
pub(super) const PREMISES: Field = Field::new("premises", "经营场所", FieldType::Text(300), C0)
    .telling(&[Implied::Place])
    .known_as(&["JYCS"]);
/// 经营范围.
pub(super) const SCOPE: Field = Field::new("scope", "经营范围", FieldType::Text(4000), C0)
    .known_as(&["opscope", "JYFW"])
    .usually(&[
        "水产品加工、销售；普通货运；\"网上\"贸易代理，自营和代理各类商品及技术的进出口业务",
        "建筑工程、市政工程施工；建材、五金销售",
        "计算机软硬件开发、销售；信息系统集成服务",
    ]);
/// 行业门类.
pub(super) const INDUSTRY_SECTION: Field = Field::new(
    "industry_section",
    "行业门类",
    FieldType::Code(&tables::INDUSTRY_SECTION),
    C0,
)
.known_as(&["industryphy", "HYML"])
.usually(&["C", "F", "F", "E", "H"]);
/// 行业代码.
pub(super) const INDUSTRY_CODE: Field = Field::new("industry_code", "行业代码", FieldType::DocumentNo(5), C0)
    .known_as(&["industryco"])
    .usually(&["5221", "4790", "1363", "6210", "3099", "0412"]);
/// 登记机关.
pub(super) const REG_AUTHORITY: Field = Field::new("reg_authority", "登记机关", FieldType::Text(100), C0)
    .known_as(&["regorg", "DJGXJG", "regorgCn"])
    .usually(AUTHORITIES);
/// 经营状态.
pub(super) const REG_STATUS: Field = Field::new("reg_status", "经营状态", FieldType::Code(&REG_STATUS_CODES), C0)
    .known_as(&["regstate", "QYZT", "dmms", "regstateCn"])
    .usually(&["存续", "在业", "存续", "开业", "注销"]);
/// 从业人数.
pub(super) const HEADCOUNT: Field =
    Field::new("headcount", "从业人数", FieldType::Integer(99_999_999), C1).usually(&["2", "5", "8", "12", "30", "85"]);
/// 联系电话.
pub(super) const CONTACT_PHONE: Field =
    Field::new("contact_phone", "联系电话", FieldType::Phone, C2).known_as(&["tel", "DHHM", "mobtel"]);
/// 市场主体编号.
pub(super) const SOURCE_ENTITY_ID: Field =
    Field::new("source_entity_id", "市场主体编号", FieldType::DocumentNo(36), C1).known_as(&["pripid", "SCZTBH"]);
/// 证件类型 of whoever answers for the unit.
pub(super) const ID_TYPE_OF_A_PERSON: Field = Field::new("id_type", "证件类型", FieldType::Code(&ID_TYPE), C3);
/// 证件号码 of whoever answers for the unit.
pub(super) const ID_OF_A_PERSON: Field =
    Field::new("id_no", "证件号码", FieldType::DocumentNo(30), C3).telling(Implied::OF_A_DOCUMENT);

/// Offices that register.
pub(super) const AUTHORITIES: &[&str] = &[
    "连云港市市场监督管理局",
    "海州区市场监督管理局",
    "东海县市场监督管理局",
    "灌云县市场监督管理局",
];
