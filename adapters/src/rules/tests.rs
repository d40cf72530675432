//! Rules by example, on records of the catalogue.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::catalogue::record_type;
use crate::value;

/// 2026-07-01.
const TODAY: i32 = 20_635;

fn verdict(record: &str, sent: &[(&'static str, &str)]) -> Result<(), (Option<&'static str>, RejectCode)> {
    let record = record_type(record).unwrap();
    let wanted: Vec<_> = sent.iter().map(|(name, _)| *name).collect();
    let mut rules = Rules::new(record, &wanted, TODAY);
    let mut scratch = Scratch::default();
    // A record before it, which must leave no trace.
    for slot in 0..sent.len() {
        rules.note(slot, &Value::Text("1"));
    }
    for (slot, (name, text)) in sent.iter().enumerate() {
        let value = value::parse(record.field(name).unwrap(), text, &mut scratch, TODAY).unwrap();
        rules.note(slot, &value);
    }
    rules
        .verdict()
        .map_err(|breach| (breach.slot.map(|slot| wanted[slot]), breach.code))
}

#[test]
fn sex_and_birth_date_agree_with_the_resident_id() {
    let resident = |sex, birth| {
        verdict(
            "public-security/resident",
            &[
                ("sex", sex),
                ("citizen_id", "320706199001010000"),
                ("birth_date", birth),
            ],
        )
    };
    assert_eq!(resident("2", "19900101"), Ok(()));
    assert_eq!(resident("女", ""), Ok(()));
    assert_eq!(resident("0", "1990-1-1"), Ok(()), "an unknown sex contradicts nothing");
    assert_eq!(
        resident("男", "19900101"),
        Err((Some("sex"), RejectCode::SexContradictsId))
    );
    assert_eq!(
        resident("2", "19900102"),
        Err((Some("birth_date"), RejectCode::BirthContradictsId))
    );
}

#[test]
fn a_rule_is_silent_when_one_of_its_fields_is_not_wanted() {
    assert_eq!(
        verdict("public-security/resident", &[("sex", "1"), ("birth_date", "19900102")]),
        Ok(())
    );
    assert_eq!(
        verdict("public-security/resident", &[("valid_to", "20200101000000")]),
        Ok(())
    );
}

#[test]
fn an_end_does_not_stand_before_its_beginning() {
    let period = |from, to| {
        let id = ("citizen_id", "320706199001010000");
        verdict(
            "public-security/resident",
            &[id, ("valid_from", from), ("valid_to", to)],
        )
    };
    assert_eq!(period("20200101000000", "20200101000000"), Ok(()));
    assert_eq!(period("20200101000000", "99999999999999"), Ok(()));
    assert_eq!(
        period("20200101000001", "20200101000000"),
        Err((Some("valid_to"), RejectCode::OutOfOrderDates))
    );

    let months = |from, to| {
        verdict(
            "civil-affairs/subsistence-allowance",
            &[("start_month", from), ("stop_month", to)],
        )
    };
    assert_eq!(months("202001", "202001"), Ok(()));
    assert_eq!(
        months("202001", "201912"),
        Err((Some("stop_month"), RejectCode::OutOfOrderDates))
    );
}

#[test]
fn a_document_said_to_be_a_resident_card_has_a_resident_id() {
    let employee = |kind, number, sex| {
        verdict(
            "tax/withholding-employee",
            &[("id_type", kind), ("id_no", number), ("sex", sex)],
        )
    };
    assert_eq!(employee("201", "320706199001010000", "女"), Ok(()));
    assert_eq!(
        employee("居民身份证", "320706199001010001", ""),
        Err((Some("id_no"), RejectCode::BadChecksum))
    );
    assert_eq!(
        employee("201", "320706199001010000", "男"),
        Err((Some("sex"), RejectCode::SexContradictsId))
    );
    assert_eq!(employee("中国护照", "E00000000", "男"), Ok(()));
    assert_eq!(
        employee("中国护照", "320706199001010000", "男"),
        Ok(()),
        "a passport number tells no sex"
    );
}

#[test]
fn a_record_needs_one_whole_key_of_those_that_are_wanted() {
    let unit = |uscc, reg_no| verdict("commerce/establishment", &[("uscc", uscc), ("reg_no", reg_no)]);
    assert_eq!(unit("913207000000000004", ""), Ok(()));
    assert_eq!(unit("", "3207061000000"), Ok(()));
    assert_eq!(unit("", "无"), Err((None, RejectCode::NoKey)));
    assert_eq!(
        verdict("commerce/establishment", &[("domicile", "")]),
        Ok(()),
        "no key is wanted"
    );
}
