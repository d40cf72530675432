//! 扣缴单位从业人员: one row an employment, after the 51 columns of the withholding template (人员信息采集).
//!
//! The tax bureau puts the withholding unit's number before them. Bank accounts, disability and martyrs' families, investments and
//! places of living are class C4; the registered place comes as names in four columns and is read only where a bureau sends its code.

use super::{ID_TYPE, PERSON_STATUS};
use crate::catalogue::Class::{C1, C2, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, Implied, RecordType, Sampled, Subject, block};
use crate::code::tables;

/// `tax/withholding-employee`.
pub(super) static WITHHOLDING_EMPLOYEE: RecordType = RecordType {
    fields: FIELDS,
    unread: UNREAD,
    own: &["员工", "雇员", "职工", "从业人员"],
    keys: &[
        &["withholder_id", "id_type", "id_no", "employed_on"],
        &["withholder_id", "id_type", "id_no"],
    ],
    subjects: &[Subject::Person("id_no")],
    basis: &["tx-30", "si-74"],
    order: &[("employed_on", "left_on")],
    sampled: Sampled::NEW.people(Drawn::every(2, 1)).units(Drawn {
        times: 1,
        per: 15,
        from: 0,
    }),
    ..RecordType::new(Agency::Tax, "tax/withholding-employee", "扣缴单位从业人员")
};

static FIELDS: &[Field] = &[
    Field::new("withholder_id", "扣缴义务人识别号", FieldType::TaxpayerId, C1)
        .known_as(&["KJYWRSBH", "扣缴义务人纳税人识别号"])
        .required(),
    block::NAME.required(),
    Field::new("id_type", "证件类型", FieldType::Code(&ID_TYPE), C2)
        .known_as(&["ZJLX", "SFZJLX_DM", "证照类型"])
        .required(),
    Field::new("id_no", "证件号码", FieldType::DocumentNo(30), C3)
        .known_as(&["ZJHM", "SFZJHM", "证照号码"])
        .telling(Implied::OF_A_DOCUMENT)
        .required(),
    block::NATIONALITY.known_as(&["国籍（地区）", "国籍", "GJ_DM"]),
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
    Field::new("left_on", "离职日期", FieldType::Date, C2)
        .known_as(&["LZRQ"])
        .blank_in(8_800),
    Field::new("person_status", "人员状态", FieldType::Code(&PERSON_STATUS), C2),
    Field::new("phone", "手机号码", FieldType::Phone, C2).known_as(&["SJHM", "联系电话"]),
    Field::new("hukou_region", "户籍所在地区划", FieldType::Region, C2),
];

/// The other columns of the template.
static UNREAD: &[&str] = &[
    "工号",
    "是否高级专家",
    "其他情况说明",
    "入职年度就业情形",
    "是否离职后补发工资",
    "实际补发工资的月份",
    "补发税款所属月份",
    "是否残疾",
    "是否烈属",
    "是否孤老",
    "残疾证件类型",
    "残疾证号",
    "烈属证号",
    "是否扣除减除费用",
    "个人投资额",
    "个人投资比例(%)",
    "备注",
    "中文名",
    "涉税事由",
    "出生国家(地区)",
    "首次入境时间",
    "预计离境时间",
    "其他证件类型",
    "其他证件号码",
    "户籍所在地（省）",
    "户籍所在地（市）",
    "户籍所在地（区县）",
    "户籍所在地（详细地址）",
    "经常居住地（省）",
    "经常居住地（市）",
    "经常居住地（区县）",
    "经常居住地（详细地址）",
    "联系地址（省）",
    "联系地址（市）",
    "联系地址（区县）",
    "联系地址（详细地址）",
    "电子邮箱",
    "学历",
    "开户银行",
    "银行账号",
    "开户行省份",
    "职务",
];
