//! Resident ids of 15 digits in fields for documents of any type.

use std::sync::Arc;

use super::*;
use crate::catalogue::record_type;
use crate::layout::Mapping;
use crate::operation::Intent;

/// Of somebody born in 1860: order numbers from 996 on were kept for centenarians.
const SHORT: &str = "320706601008998";
const WHOLE: &str = "320706186010089985";

/// The number of each accepted record, or the reject.
fn numbers(
    record: &str,
    wanted: &[&'static str],
    number: &str,
    layout: &Layout,
    text: &str,
    intent: Intent,
) -> Vec<String> {
    let record = record_type(record).unwrap();
    let mut decoder = Decoder::meant(record, wanted, layout, DecodeLimits::default(), TODAY, intent);
    decoder.feed(text.as_bytes()).unwrap();
    let _ = decoder.finish().unwrap();
    let parts: Vec<_> = std::iter::from_fn(|| decoder.next_part()).collect();
    let values = parts.iter().flat_map(|part| {
        let column = part.column_by_name(number).unwrap().as_string::<i32>();
        column
            .iter()
            .map(|value| value.unwrap_or("-").to_owned())
            .collect::<Vec<_>>()
    });
    let rejects = decoder.take_rejects();
    values
        .chain(rejects.iter().map(|reject| reject.code.code().to_owned()))
        .collect()
}

const EMPLOYEE: &str = "tax/withholding-employee";

fn employees(wanted: &[&'static str], layout: &Layout, text: &str) -> Vec<String> {
    numbers(EMPLOYEE, wanted, "id_no", layout, text, Intent::Upsert)
}

#[test]
fn a_resident_card_of_15_digits_is_held_as_the_18_that_name_a_person() {
    for wanted in [["id_type", "id_no"], ["id_no", "id_type"]] {
        for (kind, number, held) in [
            ("201", SHORT, WHOLE),
            ("居民身份证", SHORT, WHOLE),
            ("居民身份证", "３２０７０６６０１００８９９８", WHOLE),
            ("居民身份证", WHOLE, WHOLE),
            // Of another type the same digits are another number.
            ("外国护照", SHORT, SHORT),
            ("居民身份证", "320706601308998", "SG3205"),
        ] {
            let text = format!("id_type,id_no\n{kind},{number}\n");
            assert_eq!(employees(&wanted, &CSV, &text), [held], "{kind} {number} {wanted:?}");
        }
    }
    // A type that is not granted says nothing.
    assert_eq!(
        employees(&["id_no"], &CSV, &format!("id_type,id_no\n居民身份证,{SHORT}\n")),
        [SHORT]
    );
}

#[test]
fn the_senders_own_code_of_a_resident_card_counts_and_the_twin_is_a_repeat() {
    let record = record_type(EMPLOYEE).unwrap();
    let mapping = Mapping::new(record, [], [("id_type", "甲", "居民身份证")]).unwrap();
    let layout = CSV.with_mapping(Arc::new(mapping));
    let text = format!("id_type,id_no\n甲,{SHORT}\n居民身份证,{WHOLE}\n");
    assert_eq!(employees(&["id_type", "id_no"], &layout, &text), [WHOLE]);
}

#[test]
fn fathers_mothers_representatives_and_spouses_are_held_alike() {
    for (record, kind, number) in [
        ("health/birth-certificate", "mother_id_type", "mother_id"),
        ("health/birth-certificate", "father_id_type", "father_id"),
        ("tax/registration", "legal_rep_id_type", "legal_rep_id"),
        ("civil-affairs/marriage", "man_id_type", "man_id"),
        ("civil-affairs/marriage", "woman_id_type", "woman_id"),
    ] {
        let wanted = [kind, number];
        let held = |text: &str| numbers(record, &wanted, number, &CSV, text, Intent::Upsert);
        assert_eq!(
            held(&format!("{kind},{number}\n居民身份证,{SHORT}\n")),
            [WHOLE],
            "{record} {number}"
        );
        // Of no type nobody knows what it is.
        assert_eq!(
            held(&format!("{kind},{number}\n,{SHORT}\n")),
            [SHORT],
            "{record} {number}"
        );
    }
}

#[test]
fn a_delete_names_the_person_under_the_same_number() {
    let keyed = crate::catalogue::record_types().find(|record| {
        record
            .keys
            .iter()
            .any(|key| key.contains(&"id_no") && key.contains(&"id_type"))
    });
    let record = keyed.unwrap();
    let wanted: Vec<&'static str> = record.fields.iter().map(|field| field.name).collect();
    let text = format!("op,id_type,id_no\nD,居民身份证,{SHORT}\n");
    let held = numbers(record.name, &wanted, "id_no", &CSV, &text, Intent::Delta(Vec::new()));
    assert_eq!(held, [WHOLE]);
}
