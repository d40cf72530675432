//! 社会组织: one row an association (51), private non-enterprise unit (52) or foundation (53).

use crate::catalogue::Class::{C0, C2};
use crate::catalogue::{Agency, Drawn, Field, FieldType, Implied, RecordType, Sampled, Subject, block};
use crate::code::tables;

/// `civil-affairs/social-organisation`.
pub(super) static SOCIAL_ORGANISATION: RecordType = RecordType {
    fields: FIELDS,
    own: &["社会组织", "组织"],
    keys: &[&["uscc"]],
    subjects: &[Subject::Enterprise("uscc")],
    basis: &["si-57.3", "op-8"],
    order: &[("term_from", "term_to")],
    sampled: Sampled::NEW.units(Drawn::every(1, 5_000_000)).of_kind("52"),
    ..RecordType::new(Agency::CivilAffairs, "civil-affairs/social-organisation", "社会组织")
};

static FIELDS: &[Field] = &[
    block::USCC
        .known_as(&["USC_CODE", "tyshxydm", "SHXYDM", "社会信用代码"])
        .required(),
    block::ENT_NAME
        .known_as(&["ORG_NAME", "社会组织名称", "名称"])
        .usually(&["连云港市苍梧慈善协会", "海州区朝阳养老服务中心", "灌云县伊山教育基金会"])
        .required(),
    block::LEGAL_REP_NAME.known_as(&["LEGAL_NAME", "法定代表人"]),
    Field::new("reg_capital", "注册资金", FieldType::Decimal(6), C0).known_as(&["REGISTERED_CAPITAL"]),
    Field::new("manager_dept", "业务主管单位", FieldType::Text(100), C2)
        .known_as(&["MANAGER_DEPT"])
        .usually(&["连云港市教育局", "连云港市民政局"]),
    Field::new("is_charity", "是否慈善组织", FieldType::Code(&tables::YES_NO), C0).known_as(&["IFCHARITY"]),
    Field::new("reg_authority", "登记机关", FieldType::Text(100), C0)
        .known_as(&["ISSUE_CERTIFICATE_DEPT", "发证机关"])
        .usually(&["连云港市民政局", "海州区民政局", "灌云县民政局"]),
    Field::new("established_on", "成立日期", FieldType::Date, C0)
        .known_as(&["REGISTRATION_DATE", "成立登记日期"])
        .past(),
    Field::new("term_from", "有效期起", FieldType::Date, C0).known_as(&["VALID_FROM"]),
    Field::new("term_to", "有效期止", FieldType::Date, C0)
        .known_as(&["VALID_TO"])
        .blank_in(5_000),
    Field::new("scope", "业务范围", FieldType::Text(4000), C0)
        .known_as(&["BUSINESS_SCOPE"])
        .usually(&["扶贫济困、助学助老", "学前教育；\"普惠\"托育"]),
    Field::new("domicile", "住所", FieldType::Text(300), C0)
        .telling(&[Implied::Place])
        .known_as(&["DOMICILE_ADDRES"]),
    Field::new("reg_status", "登记状态", FieldType::Code(&tables::REG_STATUS), C0)
        .known_as(&["ORG_STATUS"])
        .usually(&["正常", "正常", "注销", "撤销"]),
];
