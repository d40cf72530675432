//! 最低生活保障: one record a member of a supported household and month.
//!
//! Sent as one row a member, or as one row a household with pairs of name and number beside each other, numbered (姓名1, 家庭成员一) or
//! not (姓名, 身份证号, 姓名, 身份证号), which is unfolded. Forms in use have five or six pairs; of a larger household the next row or form tells.
//! Bank accounts and the cause of need have class C3 and no use here; they are decoded only if an agreement ever names them.

use crate::catalogue::Class::{C2, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, RecordType, Sampled, Subject, Unfold, block};
use crate::code::tables;

/// `civil-affairs/subsistence-allowance`.
pub(super) static SUBSISTENCE_ALLOWANCE: RecordType = RecordType {
    fields: FIELDS,
    unread: &["备注", "开户银行"],
    own: &[
        "成员",
        "家庭成员",
        "救助对象",
        "保障对象",
        "低保对象",
        "保障人员",
        "低保人员",
        "救助",
        "保障",
        "低保",
    ],
    keys: &[&["dibao_no", "citizen_id", "month"], &["citizen_id", "month"]],
    subjects: &[Subject::Person("citizen_id")],
    basis: &["si-25", "si-74", "as-9"],
    order: &[("start_month", "stop_month")],
    unfold: Some(&HOUSEHOLD),
    sampled: Sampled::NEW.people(Drawn::every(5, 1)),
    ..RecordType::new(
        Agency::CivilAffairs,
        "civil-affairs/subsistence-allowance",
        "最低生活保障",
    )
};

/// 一户一行.
static HOUSEHOLD: Unfold = Unfold {
    most: 12,
    own: &[
        (
            "name",
            &[
                "姓名{}",
                "成员{}姓名",
                "成员姓名{}",
                "家庭成员{}姓名",
                "家庭成员姓名{}",
                "家庭成员{}",
                "成员{}",
                "xm{}",
            ],
        ),
        (
            "citizen_id",
            &[
                "身份证号{}",
                "身份证号码{}",
                "公民身份号码{}",
                "成员{}身份证号",
                "成员{}身份证号码",
                "成员身份证号{}",
                "成员身份证号码{}",
                "家庭成员{}身份证号",
                "家庭成员{}身份证号码",
                "家庭成员身份证号{}",
                "家庭成员身份证号码{}",
                "sfzh{}",
            ],
        ),
        ("sex", &["性别{}", "成员{}性别", "成员性别{}"]),
        ("relation_to_head", &["与户主关系{}", "成员{}与户主关系", "成员{}关系"]),
    ],
    head: &[("name", "head_name"), ("citizen_id", "head_id")],
    told_by: "citizen_id",
};

static FIELDS: &[Field] = &[
    Field::new("dibao_no", "低保证号", FieldType::DocumentNo(20), C2).known_as(&["gFamilyInfoID", "家庭编号"]),
    Field::new("month", "月份", FieldType::Month, C2).known_as(&["保障月份", "年月"]),
    Field::new("head_name", "户主姓名", FieldType::Name, C2),
    Field::new("head_id", "户主公民身份号码", FieldType::CitizenId, C3).known_as(&["户主身份证号", "户主身份证号码"]),
    block::NAME,
    block::CITIZEN_ID.required(),
    block::SEX,
    block::RELATION_TO_HEAD,
    Field::new("area_kind", "城乡类别", FieldType::Code(&tables::AREA_KIND), C3),
    Field::new("aid_kind", "救助类别", FieldType::Code(&tables::AID_KIND), C3),
    Field::new("start_month", "起始年月", FieldType::Month, C3).known_as(&["sSFNY"]),
    Field::new("stop_month", "停止年月", FieldType::Month, C3).blank_in(8_800),
    Field::new("status", "状态", FieldType::Code(&tables::AID_STATUS), C3),
    Field::new("members_covered", "保障人数", FieldType::Integer(99), C3).usually(&["1", "2", "2", "3", "4"]),
    Field::new("family_size", "家庭人口", FieldType::Integer(99), C3).usually(&["1", "2", "2", "3", "4"]),
    Field::new("amount", "金额", FieldType::Decimal(2), C3).known_as(&["GRANTFAMT", "保障金额"]),
    Field::new("cause", "致贫原因", FieldType::Text(20), C3).usually(&["因病", "因残", "缺乏劳动力", "其他"]),
    Field::new("bank_account", "银行账号", FieldType::DocumentNo(30), C3),
    block::VILLAGE_CODE.known_as(&["sVillageCode"]),
    block::PHONE,
];
