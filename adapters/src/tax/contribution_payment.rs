//! 社保费征缴: one row a payment of a unit for an insurance and month, or of one person in it (社会保险费征缴暂行条例 10, 11).
//!
//! What single persons earn and pay has class C3; whether they paid is all that a comparison needs.

use super::item;
use crate::catalogue::Class::{C1, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, RecordType, Sampled, Subject, block};
use crate::code::tables;

/// `tax/contribution-payment`.
pub(super) static CONTRIBUTION_PAYMENT: RecordType = RecordType {
    fields: FIELDS,
    own: &["缴费", "征缴"],
    keys: &[
        &["voucher_no", "insurance_kind", "period", "citizen_id"],
        &["voucher_no", "insurance_kind", "period"],
    ],
    subjects: &[Subject::Person("citizen_id"), Subject::Enterprise("uscc")],
    basis: &["lv-10", "lv-11", "si-74"],
    // The employees of the withholding units.
    sampled: Sampled::NEW.people(Drawn::every(2, 1)).units(Drawn {
        times: 1,
        per: 15,
        from: 0,
    }),
    ..RecordType::new(Agency::Tax, "tax/contribution-payment", "社保费征缴")
};

static FIELDS: &[Field] = &[
    item::TAXPAYER_ID,
    block::USCC.known_as(&["SHXYDM", "tyshxydm", "uniscid"]),
    Field::new("si_unit_no", "单位社保编号", FieldType::DocumentNo(20), C1).known_as(&["AAB001"]),
    Field::new("period", "费款所属期", FieldType::Month, C1)
        .known_as(&["AAE003"])
        .required(),
    Field::new("insurance_kind", "险种", FieldType::Code(&tables::INSURANCE_KIND), C1)
        .known_as(&["AAE140"])
        .usually(&["企业养老", "失业", "职工医保", "工伤", "生育"])
        .required(),
    Field::new("payer_count", "缴费人数", FieldType::Integer(99_999_999), C1)
        .known_as(&["JFRS"])
        .usually(&["2", "5", "8", "12", "30", "85"]),
    Field::new("base_total", "缴费基数合计", FieldType::Decimal(2), C1).known_as(&["JFJSHJ"]),
    Field::new("unit_amount", "单位缴费额", FieldType::Decimal(2), C1).known_as(&["DWJFE"]),
    Field::new("personal_amount", "个人缴费额", FieldType::Decimal(2), C1).known_as(&["AAB122"]),
    Field::new("penalty", "滞纳金", FieldType::Decimal(2), C1)
        .known_as(&["ZNJ"])
        .blank_in(9_000),
    Field::new("voucher_no", "税票号", FieldType::DocumentNo(30), C1)
        .known_as(&["AAE063", "征集流水号"])
        .required(),
    Field::new("paid_on", "缴费日期", FieldType::Date, C1)
        .known_as(&["JKRQ"])
        .past(),
    Field::new("channel", "征收渠道", FieldType::DocumentNo(1), C1)
        .known_as(&["AAB033"])
        .usually(&["2"]),
    Field::new("si_agency", "经办机构", FieldType::DocumentNo(12), C1)
        .known_as(&["AAB034"])
        .usually(&["320700", "320706"]),
    block::CITIZEN_ID,
    Field::new("base", "个人缴费基数", FieldType::Decimal(2), C3).known_as(&["GRJFJS"]),
    Field::new("personal", "其中个人缴", FieldType::Decimal(2), C3).known_as(&["GRJFE_MX"]),
    Field::new("unit", "其中单位缴", FieldType::Decimal(2), C3).known_as(&["DWJFE_MX"]),
];
