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

#[test]
fn nothing_happens_to_a_person_before_the_birth_in_the_resident_id() {
    // Born on 1861-01-02, with sequence 000.
    let id = ("citizen_id", "320706186101020000");
    for (record, field) in [
        ("public-security/death", "death_date"),
        ("health/death-certificate", "death_date"),
        ("civil-affairs/cremation", "death_date"),
        ("public-security/migration", "move_date"),
        ("public-security/change", "change_date"),
        ("public-security/floating-resident", "arrive_date"),
        ("public-security/birth", "declared_on"),
        ("health/rural-medical-enrolment", "enrol_date"),
    ] {
        assert_eq!(verdict(record, &[id, (field, "18610102")]), Ok(()), "{record}");
        assert_eq!(
            verdict(record, &[id, (field, "18610101")]),
            Err((Some(field), RejectCode::OutOfOrderDates)),
            "{record}"
        );
        assert_eq!(
            verdict(record, &[(field, "18610101")]),
            Ok(()),
            "{record}: no id is wanted"
        );
    }
}

#[test]
fn a_death_does_not_stand_before_its_birth_nor_a_cremation_before_its_death() {
    let death = |birth, death| verdict("public-security/death", &[("birth_date", birth), ("death_date", death)]);
    assert_eq!(death("19900101", "19900101"), Ok(()));
    assert_eq!(
        death("19900102", "19900101"),
        Err((Some("death_date"), RejectCode::OutOfOrderDates))
    );
    let id = ("citizen_id", "320706199001010000");
    let cremation = |death, cremated| {
        verdict(
            "civil-affairs/cremation",
            &[id, ("death_date", death), ("cremated_on", cremated)],
        )
    };
    assert_eq!(cremation("2020-01-02 10:00:00", "20200102"), Ok(()));
    assert_eq!(
        cremation("20200102", "20200101"),
        Err((Some("cremated_on"), RejectCode::OutOfOrderDates))
    );
}

#[test]
fn every_period_of_every_record_type_ends_after_it_begins() {
    let mut pairs = 0;
    for record in crate::catalogue::record_types() {
        for (earlier, later) in record.order {
            if record.field(earlier).unwrap().name == "citizen_id" {
                continue;
            }
            let texts = match record.field(later).unwrap().kind {
                crate::catalogue::FieldType::Month => ["201702", "201701"],
                _ => ["20170102", "20170101"],
            };
            let [late, early] = texts;
            let breach = Err((Some(*later), RejectCode::OutOfOrderDates));
            let sent = |from, to| [(*earlier, from), (*later, to)];
            assert_eq!(verdict(record.name, &sent(early, late)), Ok(()), "{}", record.name);
            assert_eq!(
                verdict(record.name, &sent(late, early)),
                breach,
                "{}: {later}",
                record.name
            );
            pairs += 1;
        }
    }
    assert!(pairs >= 18, "{pairs}");
}

#[test]
fn a_history_row_says_when_it_ended() {
    let row = |flag, to| verdict("public-security/resident", &[("record_flag", flag), ("valid_to", to)]);
    assert_eq!(row("2", "20200101000000"), Ok(()));
    assert_eq!(row("1", "99999999999999"), Ok(()));
    assert_eq!(row("", ""), Ok(()));
    for open in ["", "99999999999999", "长期"] {
        assert_eq!(
            row("历史", open),
            Err((Some("valid_to"), RejectCode::OpenHistory)),
            "{open}"
        );
    }
    assert_eq!(verdict("public-security/resident", &[("record_flag", "2")]), Ok(()));
}

#[test]
fn a_birth_names_one_of_the_parents_whole() {
    let birth = |father, father_id, mother, mother_id| {
        verdict(
            "public-security/birth",
            &[
                ("father_name", father),
                ("father_id", father_id),
                ("mother_name", mother),
                ("mother_id", mother_id),
            ],
        )
    };
    let id = "320706199001010000";
    assert_eq!(birth("", "", "王甲", id), Ok(()));
    assert_eq!(birth("王甲", id, "", ""), Ok(()));
    let breach = Err((Some("father_name"), RejectCode::Missing));
    assert_eq!(birth("王甲", "", "", id), breach);
    assert_eq!(birth("", "", "", ""), breach);
    assert_eq!(
        verdict("public-security/birth", &[("mother_name", ""), ("mother_id", "")]),
        Ok(()),
        "the father is not wanted, and may be there"
    );
}

#[test]
fn permits_of_residents_from_elsewhere_have_their_form() {
    let person = |kind, number| {
        verdict(
            "public-security/non-mainland-resident",
            &[("id_type", kind), ("id_no", number)],
        )
    };
    let bad = |code| Err((Some("id_no"), code));
    assert_eq!(person("港澳台居民居住证", "810000189408230022"), Ok(()));
    assert_eq!(person("港澳台居民居住证", "830000199201300006"), Ok(()));
    assert_eq!(
        person("港澳台居民居住证", "320706199001010000"),
        bad(RejectCode::UnknownRegion)
    );
    assert_eq!(
        person("港澳台居民居住证", "810000189408230023"),
        bad(RejectCode::BadChecksum)
    );
    assert_eq!(person("553", "JPN320706000000"), Ok(()));
    assert_eq!(person("外国人永久居留身份证", "93115619801231000X"), Ok(()));
    assert_eq!(person("553", "931156198012310001"), bad(RejectCode::BadChecksum));
    assert_eq!(person("553", "320706199001010000"), bad(RejectCode::BadAlphabet));
    assert_eq!(person("553", "JP1320706000000"), bad(RejectCode::BadAlphabet));
    assert_eq!(person("553", "JPN3207060000"), bad(RejectCode::BadLength));
    assert_eq!(person("外国人护照", "E00000000"), Ok(()));
    let sexed = |sex| {
        verdict(
            "public-security/non-mainland-resident",
            &[
                ("id_type", "港澳台居民居住证"),
                ("id_no", "810000189408230022"),
                ("sex", sex),
            ],
        )
    };
    assert_eq!(sexed("2"), Ok(()));
    assert_eq!(sexed("1"), Err((Some("sex"), RejectCode::SexContradictsId)));
}

#[test]
fn every_type_of_a_document_goes_with_its_number() {
    for (record, kind, number) in [
        ("commerce/establishment", "legal_rep_id_type", "legal_rep_id"),
        ("commerce/member", "member_id_type", "member_id"),
        ("commerce/individual-business", "operator_id_type", "operator_id"),
        ("civil-affairs/marriage", "woman_id_type", "woman_id"),
        ("health/birth-certificate", "father_id_type", "father_id"),
        ("tax/registration", "legal_rep_id_type", "legal_rep_id"),
    ] {
        let sent = |id| [(number, id), (kind, "居民身份证")];
        assert_eq!(verdict(record, &sent("320706199001010000")), Ok(()), "{record}");
        assert_eq!(
            verdict(record, &sent("320706199001010001")),
            Err((Some(number), RejectCode::BadChecksum)),
            "{record}"
        );
    }
}
