//! 扣缴单位从业人员: one row an employment, after the 51 columns of the withholding template.
//!
//! Income, bank accounts, disability and martyrs' families are class C4 and have no field.

use crate::catalogue::Class::{C1, C2, C3};
use crate::catalogue::{Agency, Field, FieldType, RecordType, Subject, block};
use crate::code::{nationality, tables};

/// `tax/withholding-employee`.
pub(super) static WITHHOLDING_EMPLOYEE: RecordType = RecordType {
    agency: Agency::Tax,
    name: "tax/withholding-employee",
    zh: "扣缴单位从业人员",
    schema: 1,
    fields: FIELDS,
    keys: &[
        &["withholder_id", "id_type", "id_no", "employed_on"],
        &["withholder_id", "id_type", "id_no"],
    ],
    subjects: &[Subject::Person("id_no")],
    basis: &["tx-30", "si-74"],
    minors: false,
    order: &[("employed_on", "left_on")],
};

static FIELDS: &[Field] = &[
    Field::new("withholder_id", "扣缴义务人识别号", FieldType::TaxpayerId, C1)
        .known_as(&["KJYWRSBH", "扣缴义务人纳税人识别号"])
        .required(),
    block::NAME.required(),
    Field::new("id_type", "证件类型", FieldType::Code(&tables::ID_TYPE_TAX), C2)
        .known_as(&["ZJLX", "SFZJLX_DM", "证照类型"])
        .required(),
    Field::new("id_no", "证件号码", FieldType::DocumentNo(30), C3)
        .known_as(&["ZJHM", "SFZJHM", "证照号码"])
        .required(),
    Field::new(
        "nationality",
        "国籍(地区)",
        FieldType::Code(&nationality::NATIONALITY),
        C2,
    )
    .known_as(&["国籍（地区）", "国籍", "GJ_DM"]),
    block::SEX,
    block::BIRTH_DATE,
    Field::new(
        "employment_kind",
        "任职受雇从业类型",
        FieldType::Code(&tables::EMPLOYMENT_KIND),
        C2,
    )
    .known_as(&["任职受雇类型"]),
    Field::new("employed_on", "任职受雇从业日期", FieldType::Date, C2).known_as(&["任职受雇日期", "RZSGRQ"]),
    Field::new("left_on", "离职日期", FieldType::Date, C2).known_as(&["LZRQ"]),
    Field::new("person_status", "人员状态", FieldType::Code(&tables::PERSON_STATUS), C2),
    Field::new("phone", "手机号码", FieldType::Phone, C2).known_as(&["SJHM", "联系电话"]),
    Field::new("hukou_region", "户籍所在地区划", FieldType::Region, C2),
];
