//! The names under which agencies were seen to send things: each is a header that somebody knows.

use crate::catalogue::{RecordType, record_type};
use crate::decode::{DecodeLimits, Decoder};
use crate::layout::{Format, Layout};

/// Record type, field, native names.
const READ: &[(&str, &str, &str)] = &[
    (
        "public-security/resident",
        "citizen_id",
        "gmsfhm sfzh ID_CARD AAC002 AAC147",
    ),
    ("public-security/resident", "name", "xm NAME AAC003"),
    ("public-security/resident", "sex", "xb xbdm SEX AAC004"),
    ("public-security/resident", "ethnicity", "mz mzdm AAC005"),
    ("public-security/resident", "birth_date", "csrq AAC006"),
    ("public-security/resident", "former_name", "cym"),
    ("public-security/resident", "birth_region", "csdssxq"),
    ("public-security/resident", "native_region", "jgssxq"),
    ("public-security/resident", "household_no", "hh hhid hhnbid"),
    ("public-security/resident", "relation_to_head", "yhzgx"),
    ("public-security/resident", "hukou_kind", "hlx hb"),
    ("public-security/resident", "hukou_region", "ssxq"),
    ("public-security/resident", "town_code", "xzjd"),
    ("public-security/resident", "village_code", "jcwh"),
    ("public-security/resident", "police_station", "pcs"),
    ("public-security/resident", "education", "whcd"),
    ("public-security/resident", "marital_status", "hyzk"),
    ("public-security/resident", "military_status", "byzk"),
    ("public-security/resident", "person_status", "ryzt"),
    ("public-security/resident", "record_flag", "jlbz"),
    ("public-security/resident", "valid_from", "qysj"),
    ("public-security/resident", "valid_to", "jssj"),
    ("public-security/resident", "reversed", "cxbz"),
    ("public-security/resident", "idcard_from", "yxqxqsrq"),
    ("public-security/resident", "idcard_to", "yxqxjzrq"),
    ("public-security/resident", "idcard_issuer", "qfjg"),
    ("public-security/resident", "father_name", "fqxm"),
    ("public-security/resident", "father_id", "fqgmsfhm"),
    ("public-security/resident", "mother_name", "mqxm"),
    ("public-security/resident", "mother_id", "mqgmsfhm"),
    ("public-security/resident", "spouse_name", "poxm"),
    ("public-security/resident", "spouse_id", "pogmsfhm posfzh"),
    ("public-security/resident", "phone", "dhhm"),
    ("public-security/resident", "source_updated_at", "gxsj"),
    ("public-security/birth", "birth_region", "csdssxq"),
    ("public-security/birth", "birth_address", "csdxz"),
    ("public-security/birth", "birth_cert_no", "cszmbh"),
    ("public-security/birth", "hukou_kind", "hb"),
    ("public-security/birth", "relation_to_head", "yhzgx"),
    ("public-security/birth", "register_kind", "csdjlb"),
    ("public-security/birth", "guardian1_name", "jhryxm"),
    ("public-security/birth", "guardian1_id", "jhrygmsfhm"),
    ("public-security/birth", "guardian1_relation", "jhryjhgx"),
    ("public-security/birth", "guardian2_name", "jhrexm"),
    ("public-security/birth", "guardian2_id", "jhregmsfhm"),
    ("public-security/birth", "guardian2_relation", "jhrejhgx"),
    ("public-security/birth", "father_name", "fqxm"),
    ("public-security/birth", "mother_id", "mqgmsfhm"),
    ("public-security/birth", "declared_on", "sbrq"),
    ("public-security/birth", "police_station", "pcs"),
    ("public-security/death", "death_date", "swrq"),
    ("public-security/death", "cancel_date", "swzxrq"),
    ("public-security/death", "cancel_kind", "swzxlb"),
    ("public-security/death", "police_station", "pcs"),
    ("public-security/death", "source_updated_at", "gxsj"),
    ("public-security/migration", "move_date", "qcrq hsql"),
    ("public-security/migration", "move_kind", "qczxlb hylbz"),
    ("public-security/migration", "to_region", "qwdssxq"),
    ("public-security/migration", "to_country", "qwdgjdq"),
    ("public-security/migration", "to_address", "qwdxz"),
    ("public-security/floating-resident", "id_type", "CERTIFICATE_TYPE_CODE"),
    ("public-security/floating-resident", "citizen_id", "CERTIFICATE_NUMBER"),
    ("public-security/floating-resident", "hukou_region", "FROM_RESION_CODE"),
    ("public-security/floating-resident", "reside_reason", "FLOWREASON_CODE"),
    ("public-security/floating-resident", "arrive_date", "START_TIME"),
    ("public-security/floating-resident", "leave_date", "END_TIME"),
    ("public-security/floating-resident", "register_status", "IS_REGISTER"),
    ("public-security/floating-resident", "flow_type", "FLOW_TYPE"),
    ("public-security/non-mainland-resident", "name", "zwxm"),
    ("public-security/non-mainland-resident", "name_traditional", "ftzwxm"),
    ("public-security/non-mainland-resident", "surname_latin", "ywx"),
    ("public-security/non-mainland-resident", "given_name_latin", "ywm"),
    ("public-security/non-mainland-resident", "nationality", "gjdq"),
    ("public-security/non-mainland-resident", "id_no", "twsfzh sqssczjhm"),
    ("public-security/non-mainland-resident", "sex", "xb"),
    ("public-security/non-mainland-resident", "birth_date", "csrq"),
    ("public-security/non-mainland-resident", "address", "jzdxxdz"),
    ("public-security/non-mainland-resident", "source_updated_at", "gxsj"),
    ("civil-affairs/marriage", "source_id", "ID"),
    ("civil-affairs/marriage", "op_type", "OP_TYPE"),
    ("civil-affairs/marriage", "op_date", "OP_DATE"),
    ("civil-affairs/marriage", "man_name", "NAME_MAN"),
    ("civil-affairs/marriage", "man_id_type", "CERT_TYPE_MAN"),
    ("civil-affairs/marriage", "man_id", "CERT_NUM_MAN"),
    ("civil-affairs/marriage", "woman_name", "NAME_WOMAN"),
    ("civil-affairs/marriage", "woman_id_type", "CERT_TYPE_WOMAN"),
    ("civil-affairs/marriage", "woman_id", "CERT_NUM_WOMAN"),
    ("civil-affairs/cremation", "name", "NAME"),
    ("civil-affairs/cremation", "citizen_id", "ID_CARD"),
    ("civil-affairs/cremation", "sex", "SEX"),
    ("civil-affairs/cremation", "death_date", "DEATH_TIME"),
    ("civil-affairs/cremation", "address", "ADDRESS"),
    ("civil-affairs/cremation", "cremated_on", "CREMATION_TIME"),
    ("civil-affairs/subsistence-allowance", "dibao_no", "gFamilyInfoID"),
    ("civil-affairs/subsistence-allowance", "citizen_id", "IDENTITYID"),
    ("civil-affairs/subsistence-allowance", "sex", "SEX"),
    ("civil-affairs/subsistence-allowance", "start_month", "sSFNY"),
    ("civil-affairs/subsistence-allowance", "amount", "GRANTFAMT"),
    ("civil-affairs/subsistence-allowance", "village_code", "sVillageCode"),
    ("civil-affairs/subsistence-allowance", "phone", "PHONE"),
    ("civil-affairs/social-organisation", "ent_name", "ORG_NAME"),
    ("civil-affairs/social-organisation", "uscc", "USC_CODE"),
    ("civil-affairs/social-organisation", "legal_rep_name", "LEGAL_NAME"),
    ("civil-affairs/social-organisation", "reg_capital", "REGISTERED_CAPITAL"),
    ("civil-affairs/social-organisation", "manager_dept", "MANAGER_DEPT"),
    ("civil-affairs/social-organisation", "is_charity", "IFCHARITY"),
    (
        "civil-affairs/social-organisation",
        "reg_authority",
        "ISSUE_CERTIFICATE_DEPT",
    ),
    (
        "civil-affairs/social-organisation",
        "established_on",
        "REGISTRATION_DATE",
    ),
    ("civil-affairs/social-organisation", "term_from", "VALID_FROM"),
    ("civil-affairs/social-organisation", "term_to", "VALID_TO"),
    ("civil-affairs/social-organisation", "scope", "BUSINESS_SCOPE"),
    ("civil-affairs/social-organisation", "domicile", "DOMICILE_ADDRES"),
    ("health/birth-certificate", "birth_cert_no", "birthCode cszmbh"),
    ("health/birth-certificate", "child_name", "babyName"),
    ("health/birth-certificate", "child_sex", "babySex babySexCode"),
    ("health/birth-certificate", "born_at", "birthTime"),
    ("health/birth-certificate", "birth_region", "birthArea"),
    ("health/birth-certificate", "mother_name", "momName"),
    ("health/birth-certificate", "mother_id", "momIdCode"),
    ("health/birth-certificate", "father_name", "dadName"),
    ("health/birth-certificate", "father_id", "dadIdCode"),
    ("health/death-certificate", "name", "XM"),
    ("health/death-certificate", "citizen_id", "GMSFHM GMSFZH"),
    ("health/death-certificate", "sex", "XBDM"),
    ("health/death-certificate", "ethnicity", "MZDM"),
    ("health/death-certificate", "death_date", "SWRQ"),
    ("health/rural-medical-enrolment", "member_no", "新农合编号"),
    (
        "health/rural-medical-enrolment",
        "si_person_no",
        "个人保险编号 人口编号",
    ),
    ("health/rural-medical-enrolment", "id_type", "证件类别"),
    ("health/rural-medical-enrolment", "enrol_date", "参合日期"),
    ("health/rural-medical-enrolment", "pay_amount", "最后缴费金额"),
    ("health/rural-medical-enrolment", "pay_unit", "最后缴费单位"),
    ("commerce/establishment", "uscc", "uniscid tyshxydm SHXYDM"),
    ("commerce/establishment", "reg_no", "regno GSZCH"),
    ("commerce/establishment", "org_code", "ZZJGDM"),
    ("commerce/establishment", "ent_name", "entname QYMC gsmc"),
    ("commerce/establishment", "ent_type", "enttype"),
    ("commerce/establishment", "legal_rep_name", "lerep name FDDBRXM"),
    ("commerce/establishment", "legal_rep_id_type", "FRZJMC"),
    ("commerce/establishment", "legal_rep_id", "FRSFZH cerno"),
    ("commerce/establishment", "reg_capital", "regcap ZCZB"),
    ("commerce/establishment", "currency", "regcapcur ZCBZ"),
    ("commerce/establishment", "established_on", "estdate QYCLRQ"),
    ("commerce/establishment", "approved_on", "apprdate HZRQ"),
    ("commerce/establishment", "term_from", "opfrom YYQSRQ"),
    ("commerce/establishment", "term_to", "opto YYJZRQ"),
    ("commerce/establishment", "domicile", "dom"),
    ("commerce/establishment", "premises", "JYCS"),
    ("commerce/establishment", "scope", "opscope JYFW"),
    ("commerce/establishment", "industry_section", "industryphy HYML"),
    ("commerce/establishment", "industry_code", "industryco"),
    ("commerce/establishment", "reg_authority", "regorg regorgCn DJGXJG"),
    ("commerce/establishment", "reg_status", "regstate regstateCn QYZT dmms"),
    ("commerce/establishment", "contact_phone", "tel mobtel DHHM"),
    ("commerce/establishment", "source_entity_id", "pripid SCZTBH"),
    ("commerce/change", "approved_on", "HZRQ"),
    ("commerce/cancellation", "cancel_date", "ZXRQ"),
    ("commerce/member", "member_id", "SFZHM"),
    ("commerce/abnormal-listing", "removed_on", "YCRQ"),
    ("commerce/abnormal-listing", "removed_reason", "ZRSY"),
    ("tax/registration", "tax_reg_seq", "DJXH"),
    ("tax/registration", "taxpayer_id", "NSRSBH"),
    ("tax/registration", "uscc", "SHXYDM"),
    ("tax/registration", "org_code", "ZZJG_DM"),
    ("tax/registration", "taxpayer_name", "NSRMC"),
    ("tax/registration", "subject_kind", "KZZTDJLX_DM"),
    ("tax/registration", "reg_type", "DJZCLX_DM"),
    ("tax/registration", "taxpayer_status", "NSRZT_DM"),
    ("tax/registration", "legal_rep_name", "FDDBRXM"),
    ("tax/registration", "legal_rep_id_type", "FDDBRSFZJLX_DM"),
    ("tax/registration", "legal_rep_id", "FDDBRSFZJHM"),
    ("tax/registration", "op_address", "SCJYDZ"),
    ("tax/registration", "op_region", "SCJYDZXZQHSZ_DM"),
    ("tax/registration", "reg_address", "ZCDZ"),
    ("tax/registration", "reg_region", "ZCDZXZQHSZ_DM"),
    ("tax/registration", "town_code", "JDXZ_DM"),
    ("tax/registration", "industry_code", "HY_DM"),
    ("tax/registration", "affiliation", "DWLSGX_DM"),
    ("tax/registration", "tax_authority_kind", "GDSLX_DM GDGHLX_DM"),
    ("tax/registration", "reg_office", "DJJG_DM"),
    ("tax/registration", "tax_bureau", "ZGSWJ_DM"),
    ("tax/registration", "tax_station", "ZGSWSKFJ_DM"),
    ("tax/registration", "registered_on", "DJRQ"),
    ("tax/registration", "opened_on", "KYSLRQ"),
    ("tax/registration", "source_updated_at", "SJTB_SJ XGRQ"),
    ("tax/irregular-taxpayer", "taxpayer_id", "NSRSBH"),
    ("tax/irregular-taxpayer", "taxpayer_name", "NSRMC"),
    ("tax/irregular-taxpayer", "declared_on", "RDRQ"),
    ("tax/irregular-taxpayer", "lifted_on", "YXQ_Z"),
    ("tax/irregular-taxpayer", "document_no", "WSPZXH"),
    ("tax/cancellation", "cancel_date", "ZXRQ"),
    ("tax/contribution-payment", "taxpayer_id", "NSRSBH"),
    ("tax/contribution-payment", "uscc", "SHXYDM"),
    ("tax/contribution-payment", "si_unit_no", "AAB001"),
    ("tax/contribution-payment", "period", "AAE003"),
    ("tax/contribution-payment", "insurance_kind", "AAE140"),
    ("tax/contribution-payment", "personal_amount", "AAB122"),
    ("tax/contribution-payment", "voucher_no", "AAE063"),
    ("tax/contribution-payment", "channel", "AAB033"),
    ("tax/contribution-payment", "si_agency", "AAB034"),
];

/// What is known and never read.
const UNREAD: &[(&str, &str)] = &[
    ("public-security/resident", "zjxy xx sg zpid"),
    ("public-security/birth", "jgssxq ywlsh"),
    ("public-security/floating-resident", "REMARK CONFIM_STATU"),
    ("public-security/non-mainland-resident", "rjrq"),
    ("health/death-certificate", "SWYY"),
    // Words for a code that stands beside it.
    ("commerce/establishment", "enttypeCn"),
    ("commerce/individual-business", "enttypeCn"),
    ("tax/registration", "LRRQ SJGSDQ"),
];

/// The field that is read under that name alone, and whether the name is unknown.
fn read_under(record: &'static RecordType, header: &str) -> (Option<&'static str>, bool) {
    let wanted: Vec<&'static str> = record.fields.iter().map(|field| field.name).collect();
    let layout = Layout::new(Format::Ndjson, crate::layout::Encoding::Utf8);
    let mut decoder = Decoder::new(record, &wanted, &layout, DecodeLimits::default(), 20_000);
    decoder.feed(format!("{{\"{header}\":\"\"}}\n").as_bytes()).unwrap();
    let _ = decoder.finish().unwrap();
    let field = decoder.recognised().first().map(|(field, _)| *field);
    (field, !decoder.unknown_headers().is_empty())
}

#[test]
fn every_native_name_stands_for_its_field() {
    let mut wrong = Vec::new();
    for (record, field, names) in READ {
        let record = record_type(record).unwrap();
        for name in names.split(' ') {
            let found = read_under(record, name);
            if found != (Some(field), false) {
                wrong.push(format!("{}: {name} is {found:?} and not {field}", record.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_native_name_of_what_is_never_read_is_known_and_read_as_nothing() {
    for (record, names) in UNREAD {
        let record = record_type(record).unwrap();
        for name in names.split(' ') {
            assert_eq!(read_under(record, name), (None, false), "{}: {name}", record.name);
        }
    }
}
