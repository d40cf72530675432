//! What a sender states of a whole file: it stands where a row says nothing, and a row that says something else refuses the file.

use arrow_array::cast::AsArray;

use super::{CSV, NDJSON, TODAY};
use crate::catalogue::{FieldType, record_type, record_types};
use crate::decode::{DecodeLimits, Decoder, Unreadable};
use crate::layout::{Layout, Mapping, MappingFault};
use crate::reject::RejectCode;
use crate::value::{self, Scratch, Value};

const DIBAO: &str = "civil-affairs/subsistence-allowance";
const ANNA: &str = "320706188002290004";

fn read(wanted: &[&'static str], layout: &Layout, text: &str) -> Result<(Decoder, Vec<String>), Unreadable> {
    let record = record_type(DIBAO).unwrap();
    let mapping = Mapping::new(record, [("月", "month")], [])
        .and_then(|mapping| mapping.with_constants(record, [("month", "202401")]))
        .and_then(|mapping| mapping.with_stated(record, [("month", " 202511 ")]))
        .unwrap();
    let layout = layout.clone().with_mapping(mapping.into());
    let mut decoder = Decoder::new(record, wanted, &layout, DecodeLimits::default(), TODAY);
    decoder.feed(text.as_bytes())?;
    let _ = decoder.finish()?;
    let months = decoder.next_part().map(|part| {
        let months = part.column_by_name("month").cloned();
        months.map_or_else(Vec::new, |months| {
            months.as_string::<i32>().iter().flatten().map(str::to_owned).collect()
        })
    });
    Ok((decoder, months.unwrap_or_default()))
}

const WANTED: [&str; 3] = ["citizen_id", "name", "month"];

#[test]
fn what_is_stated_stands_in_every_record_and_goes_before_a_constant() {
    for text in [
        format!("身份证号,姓名\n{ANNA},甲\n"),
        format!("身份证号,姓名,月\n{ANNA},甲,\n"),
        format!("身份证号,姓名,月\n{ANNA},甲,无\n"),
        format!("身份证号,姓名,月\n{ANNA},甲,2025年11月\n"),
        format!("身份证号,姓名,月\n{ANNA},甲,2025-11-03\n"),
    ] {
        let (decoder, months) = read(&WANTED, &CSV, &text).unwrap();
        assert_eq!(
            (decoder.counts().accepted, months),
            (1, vec!["202511".to_owned()]),
            "{text}"
        );
    }
}

#[test]
fn a_row_that_says_something_else_refuses_the_file() {
    let contradicted = |line| Some(Unreadable::Contradicted { field: "month", line });
    let csv = format!("身份证号,姓名,月\n{ANNA},甲,\n{ANNA},乙,202510\n{ANNA},丙,202509\n");
    assert_eq!(read(&WANTED, &CSV, &csv).err(), contradicted(3));
    let json = format!("{{\"身份证号\":\"{ANNA}\",\"姓名\":\"甲\",\"月\":\"2024年1月\"}}\n");
    assert_eq!(read(&WANTED, &NDJSON, &json).err(), contradicted(1));
    // A field that is not read contradicts nothing.
    assert!(read(&["citizen_id", "name"], &CSV, &csv).is_ok());
}

#[test]
fn what_cannot_be_read_is_rejected_by_itself() {
    let text = format!("身份证号,姓名,月\n{ANNA},甲,2025年13月\n");
    let (mut decoder, _) = read(&WANTED, &CSV, &text).unwrap();
    let codes: Vec<_> = decoder.take_rejects().iter().map(|reject| reject.code).collect();
    assert_eq!(codes, [RejectCode::BadDate]);
}

#[test]
fn what_no_record_could_say_is_not_stated() {
    let record = record_type(DIBAO).unwrap();
    for (field, value, fault) in [
        ("nobody", "1", MappingFault::UnknownField("nobody".into())),
        ("month", "无", MappingFault::NoValue("month")),
    ] {
        assert_eq!(
            Mapping::default().with_stated(record, [(field, value)]),
            Err(vec![fault])
        );
    }
}

#[test]
fn a_code_that_is_stated_is_stored_as_it_is_stated_whatever_the_source_or_the_sender_writes_for_it() {
    let mut told = 0;
    for record in record_types() {
        let coded = record.fields.iter().filter_map(|field| match field.kind {
            FieldType::Code(table) => Some((field, table)),
            _ => None,
        });
        for (field, code) in coded.flat_map(|(field, table)| table.rows.iter().map(move |row| (field, row.code))) {
            let mapping = Mapping::default().with_stated(record, [(field.name, code)]);
            let Ok(mapping) = mapping else { continue };
            let mut scratch = Scratch::default();
            let stored = value::parse(field, mapping.stated(field.name).unwrap(), &mut scratch, TODAY);
            assert_eq!(stored, Ok(Value::Text(code)), "{} {}", record.name, field.name);
            told += 1;
        }
    }
    assert!(told > 100, "{told}");
}

#[test]
fn what_a_sender_means_by_another_code_is_not_taken_for_the_one_that_is_stated() {
    let record = record_type("health/birth-certificate").unwrap();
    let stated = |own: &[(&str, &str, &str)]| {
        let mapping = Mapping::new(record, [], own.iter().copied()).unwrap();
        mapping.with_stated(record, [("child_sex", "1")])
    };
    assert_eq!(stated(&[]).unwrap().stated("child_sex"), Some("1"));
    // With this sender a man is 2 and a woman 1.
    assert_eq!(
        stated(&[("child_sex", "1", "2"), ("child_sex", "2", "1")])
            .unwrap()
            .stated("child_sex"),
        Some("2")
    );
    // The same, told by what the codes mean.
    assert_eq!(
        stated(&[("child_sex", "1", "女"), ("child_sex", "2", "男")])
            .unwrap()
            .stated("child_sex"),
        Some("2")
    );
    let nobody = stated(&[("child_sex", "1", "2")]);
    assert_eq!(
        nobody.unwrap_err(),
        [MappingFault::UnknownCode("child_sex", "1".into())]
    );
}
