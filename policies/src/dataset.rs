//! What can be pulled out of the registry: `population`, one row a person, and `enterprises`, one row a unit.

use shuguan_adapters::catalogue::{Class, Field, FieldType};

/// A dataset of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dataset {
    /// 参保人口: one row a person, by resident id.
    Population,
    /// 参保单位: one row a unit, by unified social credit code.
    Enterprises,
}

impl Dataset {
    /// Every dataset.
    pub const ALL: [Self; 2] = [Self::Population, Self::Enterprises];

    /// `population` or `enterprises`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Population => "population",
            Self::Enterprises => "enterprises",
        }
    }

    /// Chinese name.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Population => "人口",
            Self::Enterprises => "单位",
        }
    }

    /// The dataset of that exact name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dataset| dataset.name() == name)
    }

    /// Grows when fields change meaning; grants name it.
    pub fn schema(self) -> u32 {
        1
    }

    /// Its fields, in the order of the registry's view.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Population => POPULATION,
            Self::Enterprises => ENTERPRISES,
        }
    }
}

const fn field(name: &'static str, zh: &'static str, kind: FieldType, class: Class) -> Field {
    Field {
        name,
        zh,
        kind,
        class,
        required: false,
        aliases: &[],
    }
}

/// Classes follow the record types that the values come from.
static POPULATION: &[Field] = &[
    field("citizen_id", "公民身份号码", FieldType::CitizenId, Class::C3),
    field("name", "姓名", FieldType::Name, Class::C2),
    field("former_name", "曾用名", FieldType::Name, Class::C2),
    field("sex", "性别", FieldType::Text(1), Class::C2),
    field("ethnicity", "民族", FieldType::Text(2), Class::C2),
    field("birth_date", "出生日期", FieldType::Date, Class::C2),
    field("hukou_region", "户籍地区划", FieldType::Region, Class::C2),
    field("town_code", "乡镇街道代码", FieldType::Division(9), Class::C2),
    field("village_code", "居村委代码", FieldType::Division(12), Class::C2),
    field("hukou_address", "户籍地址", FieldType::Text(200), Class::C2),
    field("residence_region", "居住地区划", FieldType::Region, Class::C2),
    field("person_status", "人员状态", FieldType::Text(1), Class::C2),
    field("death_date", "死亡日期", FieldType::Date, Class::C3),
    field("death_certainty", "死亡信息可信度", FieldType::Text(10), Class::C3),
    field("source", "来源数据类", FieldType::Text(60), Class::C1),
    field("updated_at", "更新时间", FieldType::Instant, Class::C1),
];

static ENTERPRISES: &[Field] = &[
    field("uscc", "统一社会信用代码", FieldType::Uscc, Class::C0),
    field("org_code", "组织机构代码", FieldType::OrgCode, Class::C0),
    field("reg_no", "注册号", FieldType::RegNo, Class::C0),
    field("taxpayer_id", "纳税人识别号", FieldType::TaxpayerId, Class::C1),
    field("name", "单位名称", FieldType::Text(200), Class::C0),
    field("unit_kind", "单位类型", FieldType::Text(10), Class::C0),
    field("legal_rep_name", "法定代表人", FieldType::Text(100), Class::C2),
    field("established_on", "成立日期", FieldType::Date, Class::C0),
    field("reg_status", "登记状态", FieldType::Text(10), Class::C0),
    field("taxpayer_status", "纳税人状态", FieldType::Text(10), Class::C1),
    field("region", "所在区划", FieldType::Region, Class::C0),
    field("address", "地址", FieldType::Text(300), Class::C0),
    field("industry_code", "行业代码", FieldType::Text(4), Class::C0),
    field("closed_on", "注销日期", FieldType::Date, Class::C0),
    field("source", "来源数据类", FieldType::Text(60), Class::C1),
    field("updated_at", "更新时间", FieldType::Instant, Class::C1),
];
