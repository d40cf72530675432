//! 税务登记: one row a taxpayer's registration.

use super::{ID_TYPE, item};
use crate::catalogue::Class::{C0, C1, C3};
use crate::catalogue::{Agency, Field, FieldType, Implied, RecordType, Subject, block};
use crate::code::tables;

/// `tax/registration`.
pub(super) static REGISTRATION: RecordType = RecordType {
    fields: FIELDS,
    unread: &[
        "LRRQ",
        "录入日期",
        "LRR_DM",
        "录入人",
        "XGR_DM",
        "修改人",
        "SJGSDQ",
        "数据归属地区",
        "SJGSRQ",
    ],
    own: &["纳税人", "税务"],
    keys: &[&["tax_reg_seq"]],
    subjects: &[Subject::Enterprise("uscc")],
    basis: &["tx-6", "tx-15", "si-74"],
    ..RecordType::new(Agency::Tax, "tax/registration", "税务登记")
};

static FIELDS: &[Field] = &[
    Field::new("tax_reg_seq", "登记序号", FieldType::DocumentNo(20), C1)
        .known_as(&["DJXH"])
        .required(),
    item::TAXPAYER_ID,
    block::USCC,
    block::ORG_CODE,
    item::TAXPAYER_NAME,
    Field::new("subject_kind", "课征主体登记类型", FieldType::DocumentNo(4), C1)
        .known_as(&["KZZTDJLX_DM"])
        .usually(&["1110", "1120"]),
    Field::new("reg_type", "登记注册类型", FieldType::DocumentNo(3), C0)
        .known_as(&["DJZCLX_DM"])
        .usually(&["159", "171", "173", "150"]),
    Field::new(
        "taxpayer_status",
        "纳税人状态",
        FieldType::Code(&tables::TAXPAYER_STATUS),
        C1,
    )
    .known_as(&["NSRZT_DM"])
    .usually(&["03", "03", "03", "03", "07"]),
    block::LEGAL_REP_NAME.known_as(&["FDDBRXM", "法定代表人"]),
    Field::new("legal_rep_id_type", "法定代表人证件类型", FieldType::Code(&ID_TYPE), C3).known_as(&["FDDBRSFZJLX_DM"]),
    Field::new("legal_rep_id", "法定代表人证件号码", FieldType::DocumentNo(30), C3)
        .known_as(&["FDDBRSFZJHM"])
        .telling(Implied::OF_A_DOCUMENT),
    Field::new("op_address", "生产经营地址", FieldType::Text(300), C1)
        .telling(&[Implied::Place])
        .known_as(&["SCJYDZ"]),
    Field::new("op_region", "生产经营地区划", FieldType::Region, C1).known_as(&["SCJYDZXZQHSZ_DM"]),
    Field::new("reg_address", "注册地址", FieldType::Text(300), C1)
        .telling(&[Implied::Place])
        .known_as(&["ZCDZ"]),
    Field::new("reg_region", "注册地区划", FieldType::Region, C1).known_as(&["ZCDZXZQHSZ_DM"]),
    block::TOWN_CODE.known_as(&["JDXZ_DM"]),
    Field::new("industry_code", "行业代码", FieldType::DocumentNo(5), C0)
        .known_as(&["HY_DM"])
        .usually(&["5221", "4790", "1363", "6210", "3099", "0412"]),
    Field::new("affiliation", "隶属关系", FieldType::DocumentNo(2), C1)
        .known_as(&["DWLSGX_DM"])
        .usually(&["40", "50", "90"]),
    Field::new(
        "tax_authority_kind",
        "国地税类型",
        FieldType::Code(&tables::TAX_AUTHORITY_KIND),
        C1,
    )
    .known_as(&["GDSLX_DM", "GDGHLX_DM"]),
    Field::new("reg_office", "登记机关", FieldType::DocumentNo(11), C1)
        .known_as(&["DJJG_DM"])
        .usually(item::BUREAUS),
    item::TAX_BUREAU,
    Field::new("tax_station", "主管税务科所", FieldType::DocumentNo(11), C1)
        .known_as(&["ZGSWSKFJ_DM"])
        .usually(&["13207060100", "13207030100", "13207220200"]),
    Field::new("registered_on", "登记日期", FieldType::Date, C0)
        .known_as(&["DJRQ"])
        .past(),
    Field::new("opened_on", "开业日期", FieldType::Date, C0).known_as(&["KYSLRQ"]),
    block::SOURCE_UPDATED_AT.known_as(&["SJTB_SJ", "XGRQ"]),
];
