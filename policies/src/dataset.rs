//! What can be pulled out of the registry: `population`, one row a person, and `enterprises`, one row a unit.

mod origins;

use shuguan_adapters::catalogue::{Class, Field, FieldType, Implied, Subject, record_type};
use shuguan_adapters::code::tables;

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
        match self {
            Self::Population => 1,
            // 2: number, name and address of a trader stand in fields of their own.
            Self::Enterprises => 2,
        }
    }

    /// The field that says whom a row is about, and by which a comparison looks it up.
    pub fn subject(self) -> &'static str {
        match self {
            Self::Population => "citizen_id",
            Self::Enterprises => "uscc",
        }
    }

    /// Whom a row is about, as a record type says it.
    pub fn subjects(self) -> &'static [Subject] {
        match self {
            Self::Population => &[Subject::Person("citizen_id")],
            Self::Enterprises => &[
                Subject::Enterprise("uscc"),
                Subject::Enterprise("taxpayer_id"),
                Subject::Person("trader_id"),
            ],
        }
    }

    /// Where a field comes from: record types and their fields, of which any one kept whole supplies it. The registry's views draw on
    /// these and on nothing else; a test of the gateway compares the two.
    pub fn origins(self, field: &str) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Population => origins::population(field),
            Self::Enterprises => origins::enterprises(field),
        }
    }

    /// Whether any field comes from that field of that record type.
    pub(crate) fn draws_on(self, record: &str, field: &str) -> bool {
        self.fields()
            .iter()
            .any(|own| self.origins(own.name).contains(&(record, field)))
    }

    /// Whether a field says of its origins only that they are there: where a row is from, when it changed, how many report a death.
    pub(crate) fn shows_presence(self, field: &str) -> bool {
        matches!(
            (self, field),
            (_, "source" | "updated_at") | (Self::Population, "death_certainty")
        )
    }

    /// The record type, all of it about children, that a field draws on.
    pub(crate) fn of_children(self, field: &str) -> Option<&'static str> {
        let mut records = self.origins(field).iter().map(|(record, _)| *record);
        records.find(|record| record_type(record).is_some_and(|record| record.minors))
    }

    /// Its fields, in the order of the registry's view.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Population => POPULATION,
            Self::Enterprises => ENTERPRISES,
        }
    }
}

/// Classes are the highest of the fields that the values come from: in one column stand the names of adults and of new-born children, of whom everything is
/// sensitive. What no register of births supplies, a place or a status, keeps its own class, so that the classes still tell a list of numbers from a list of
/// villages. Fields that show only that a row is there keep theirs too.
static POPULATION: &[Field] = &[
    Field::new("citizen_id", "公民身份号码", FieldType::CitizenId, Class::C3),
    Field::new("name", "姓名", FieldType::Name, Class::C3),
    Field::new("former_name", "曾用名", FieldType::Name, Class::C2),
    Field::new("sex", "性别", FieldType::Code(&tables::SEX), Class::C3),
    Field::new("ethnicity", "民族", FieldType::Code(&tables::ETHNICITY), Class::C3),
    Field::new("birth_date", "出生日期", FieldType::Date, Class::C3),
    Field::new("hukou_region", "户籍地区划", FieldType::Region, Class::C2),
    Field::new("town_code", "乡镇街道代码", FieldType::Division(9), Class::C2),
    Field::new("village_code", "居村委代码", FieldType::Division(12), Class::C2),
    Field::new("hukou_address", "户籍地址", FieldType::Text(200), Class::C2).telling(&[Implied::Place]),
    Field::new("residence_region", "居住地区划", FieldType::Region, Class::C2),
    Field::new(
        "person_status",
        "人员状态",
        FieldType::Code(&tables::PERSON_STATUS),
        Class::C2,
    ),
    Field::new("death_date", "死亡日期", FieldType::Date, Class::C3),
    Field::new("death_certainty", "死亡信息可信度", FieldType::Text(10), Class::C3),
    Field::new("source", "来源数据类", FieldType::Text(60), Class::C1),
    Field::new("updated_at", "更新时间", FieldType::Instant, Class::C1),
];

/// A taxpayer may be a person who trades under a resident id. Then the tax register's number, name and address are a person's id, name and home: they are not
/// in `taxpayer_id`, `name` and `address` but in the three fields at the end, which have class C3, so that only a grant that states its necessity gives them out.
static ENTERPRISES: &[Field] = &[
    Field::new("uscc", "统一社会信用代码", FieldType::Uscc, Class::C0),
    Field::new("org_code", "组织机构代码", FieldType::OrgCode, Class::C0),
    Field::new("reg_no", "注册号", FieldType::RegNo, Class::C0),
    Field::new("taxpayer_id", "纳税人识别号", FieldType::TaxpayerId, Class::C1).hiding(&[
        Implied::CitizenId,
        Implied::BirthDate,
        Implied::Sex,
    ]),
    Field::new("name", "单位名称", FieldType::Text(200), Class::C0),
    Field::new("unit_kind", "单位类型", FieldType::Text(10), Class::C0),
    Field::new("legal_rep_name", "法定代表人", FieldType::Text(100), Class::C2),
    Field::new("established_on", "成立日期", FieldType::Date, Class::C0),
    Field::new(
        "reg_status",
        "登记状态",
        FieldType::Code(&tables::REG_STATUS),
        Class::C0,
    ),
    Field::new(
        "taxpayer_status",
        "纳税人状态",
        FieldType::Code(&tables::TAXPAYER_STATUS),
        Class::C1,
    ),
    Field::new("region", "所在区划", FieldType::Region, Class::C1),
    Field::new("address", "地址", FieldType::Text(300), Class::C1).telling(&[Implied::Place]),
    Field::new("industry_code", "行业代码", FieldType::DocumentNo(5), Class::C0),
    Field::new("closed_on", "注销日期", FieldType::Date, Class::C0),
    Field::new("source", "来源数据类", FieldType::Text(60), Class::C1),
    Field::new("updated_at", "更新时间", FieldType::Instant, Class::C1),
    Field::new("trader_id", "个人经营者纳税人识别号", FieldType::TaxpayerId, Class::C3),
    Field::new("trader_name", "个人经营者名称", FieldType::Text(200), Class::C3),
    Field::new("trader_address", "个人经营者地址", FieldType::Text(300), Class::C3).telling(&[Implied::Place]),
];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_field_of_a_dataset_is_as_sensitive_as_the_most_sensitive_that_it_comes_from() {
        for dataset in Dataset::ALL {
            let fields = dataset.fields().iter();
            for field in fields.filter(|field| !dataset.shows_presence(field.name)) {
                for (record, origin) in dataset.origins(field.name) {
                    let origin = record_type(record).unwrap().field(origin);
                    let class = origin.map_or(Class::C0, |origin| origin.class);
                    assert!(field.class >= class, "{}.{}: {record}", dataset.name(), field.name);
                }
            }
        }
        let about_children: Vec<&str> = Dataset::Population
            .fields()
            .iter()
            .filter(|field| Dataset::Population.of_children(field.name).is_some())
            .map(|field| field.name)
            .collect();
        let expected = [
            "citizen_id",
            "name",
            "sex",
            "ethnicity",
            "birth_date",
            "source",
            "updated_at",
        ];
        assert_eq!(about_children, expected);
    }
}
