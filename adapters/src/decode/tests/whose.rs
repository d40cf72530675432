//! Nobody else's column becomes the record's own.

use arrow_array::Array;
use arrow_array::cast::AsArray;

use super::{CSV, NDJSON, TODAY};
use crate::catalogue::record_type;
use crate::decode::{DecodeLimits, Decoder, HeaderDoubt, Unreadable};
use crate::layout::{Layout, Mapping, MappingFault};

const CREMATION: &str = "civil-affairs/cremation";
const DEAD: &str = "320706188002290004";
const SON: &str = "32070618850315000X";

/// The numbers that were read, and the headers that nobody knows.
fn read(record: &str, layout: &Layout, text: &str) -> Result<(Vec<Option<String>>, Vec<String>), Unreadable> {
    let record = record_type(record).unwrap();
    let wanted = ["citizen_id", "name"];
    let mut decoder = Decoder::new(record, &wanted, layout, DecodeLimits::default(), TODAY);
    decoder.feed(text.as_bytes())?;
    let _ = decoder.finish()?;
    let numbers = decoder.next_part().map(|part| {
        let numbers = part.column(0).as_string::<i32>().clone();
        (0..numbers.len())
            .map(|row| numbers.is_valid(row).then(|| numbers.value(row).to_owned()))
            .collect()
    });
    Ok((numbers.unwrap_or_default(), decoder.unknown_headers().to_vec()))
}

fn doubt(record: &str, layout: &Layout, text: &str) -> Option<HeaderDoubt> {
    match read(record, layout, text) {
        Err(Unreadable::DoubtfulHeader(doubt)) => Some(doubt),
        _ => None,
    }
}

const OTHER: Option<HeaderDoubt> = Some(HeaderDoubt::OtherNumber { field: "citizen_id" });
const BEHIND: Option<HeaderDoubt> = Some(HeaderDoubt::BehindAnother { field: "citizen_id" });

#[test]
fn the_number_that_is_called_the_dead_persons_goes_before_a_bare_one() {
    for (record, of) in [
        (CREMATION, "死者"),
        (CREMATION, "逝者"),
        ("public-security/death", "亡故人员"),
        ("health/death-certificate", "死者"),
    ] {
        for header in [
            format!("{of}姓名,{of}身份证号,身份证号"),
            format!("{of}姓名,{of}公民身份号码,公民身份号码"),
        ] {
            let (numbers, unknown) = read(record, &CSV, &format!("{header}\n甲,{DEAD},{SON}\n")).unwrap();
            assert_eq!(numbers, [Some(DEAD.to_owned())], "{record} {header}");
            assert!(unknown.is_empty(), "{unknown:?}");
        }
        let object = format!("{{\"身份证号\":\"{SON}\",\"{of}身份证号\":\"{DEAD}\"}}\n");
        let (numbers, _) = read(record, &NDJSON, &object).unwrap();
        assert_eq!(numbers, [Some(DEAD.to_owned())], "{record} {of}");
    }
}

#[test]
fn nobody_elses_number_fills_in_for_one_that_is_not_there() {
    let text = format!("死者身份证号,身份证号\n,{SON}\n");
    assert_eq!(read(CREMATION, &CSV, &text).unwrap().0, [None::<String>; 0]);
    let object = format!("{{\"死者身份证号\":\"\",\"身份证号\":\"{SON}\"}}\n");
    assert_eq!(read(CREMATION, &NDJSON, &object).unwrap().0, [None::<String>; 0]);
    let behind = format!("公民身份号码,家属姓名,身份证号\n,乙,{SON}\n");
    assert_eq!(doubt(CREMATION, &CSV, &behind), BEHIND);
}

#[test]
fn the_sender_is_told_whether_a_further_name_is_ever_read() {
    for (header, fills_in) in [("死者身份证号,身份证号", false), ("公民身份号码,身份证号", true)] {
        let record = record_type(CREMATION).unwrap();
        let mut decoder = Decoder::new(record, &["citizen_id"], &CSV, DecodeLimits::default(), TODAY);
        decoder.feed(format!("{header}\n").as_bytes()).unwrap();
        let _ = decoder.finish().unwrap();
        let unread = decoder.unread_headers();
        assert_eq!((unread[0].name, unread[0].fills_in), ("身份证号", fills_in), "{header}");
    }
}

#[test]
fn a_bare_number_beside_one_that_nobody_knows_whose_it_is_refuses_the_batch() {
    for header in [
        "亡人身份证号,身份证号",
        "身份证号,被救助人证件号码",
        "公民身份号码,某某/身份证号码",
    ] {
        let text = format!("{header}\n{SON},{DEAD}\n");
        assert_eq!(doubt(CREMATION, &CSV, &text), OTHER, "{header}");
    }
    let object = format!("{{\"身份证号\":\"{SON}\",\"亡人身份证号\":\"{DEAD}\"}}\n");
    assert_eq!(doubt(CREMATION, &NDJSON, &object), OTHER);
}

#[test]
fn a_bare_number_behind_somebody_elses_name_refuses_the_batch() {
    for header in [
        "姓名,家属姓名,身份证号",
        "死者姓名,经办人,公民身份号码",
        "姓名,家属姓名,家属关系,身份证号",
        "姓名,家属姓名,与死者关系,身份证号",
        "死者姓名,经办人,联系电话,身份证号",
        "死者姓名,报告人,证件类型,身份证号",
        "姓名,经办民警,身份证号",
        "姓名,家属姓名,关系,身份证号",
        "死者姓名,家属姓名,家庭住址,身份证号",
        "死者姓名,家属姓名,性别,身份证号",
        "死者姓名,家属姓名,工作单位,身份证号",
        "姓名,家属姓名,与死者关系,家属电话,身份证号",
    ] {
        assert_eq!(
            doubt(CREMATION, &CSV, &format!("{header}\n甲,乙,{SON}\n")),
            BEHIND,
            "{header}"
        );
    }
    let known = format!("户主姓名,身份证号\n甲,{DEAD}\n");
    assert_eq!(doubt("civil-affairs/subsistence-allowance", &CSV, &known), BEHIND);
}

#[test]
fn a_number_that_is_plainly_another_persons_leaves_the_bare_one_alone() {
    for header in [
        "身份证号,家属身份证号",
        "公民身份号码,户主公民身份号码",
        "身份证号,身份证有效期",
    ] {
        let (numbers, _) = read(CREMATION, &CSV, &format!("{header}\n{DEAD},{SON}\n")).unwrap();
        assert_eq!(numbers, [Some(DEAD.to_owned())], "{header}");
    }
}

#[test]
fn a_bare_number_behind_anothers_number_or_a_relation_to_him_is_the_records_own() {
    for (header, row) in [
        ("家属姓名,家属身份证号,身份证号", format!("乙,{SON},{DEAD}")),
        ("姓名,户主关系,身份证号", format!("甲,父,{DEAD}")),
        ("姓名,联系电话,身份证号", format!("甲,1,{DEAD}")),
        ("户主姓名,性别,身份证号", format!("甲,1,{DEAD}")),
        ("网格名称,姓名,身份证号", format!("一,甲,{DEAD}")),
        ("姓名,网格编号,身份证号", format!("甲,1,{DEAD}")),
        ("姓名,家属关系,公民身份号码", format!("甲,子,{DEAD}")),
    ] {
        let (numbers, _) = read(CREMATION, &CSV, &format!("{header}\n{row}\n")).unwrap();
        assert_eq!(numbers, [Some(DEAD.to_owned())], "{header}");
    }
}

#[test]
fn a_layout_says_whose_a_number_is() {
    let record = record_type(CREMATION).unwrap();
    let text = format!("亡人身份证号,家属姓名,身份证号\n{DEAD},乙,{SON}\n");
    let mapped = |pairs: &[(&str, &str)]| {
        let mapping = Mapping::new(record, pairs.iter().copied(), []).unwrap();
        Layout {
            mapping: Some(mapping.into()),
            ..CSV
        }
    };
    let numbers = |layout| read(CREMATION, &layout, &text).unwrap().0;
    assert_eq!(
        numbers(mapped(&[("亡人身份证号", "citizen_id")])),
        [Some(DEAD.to_owned())]
    );
    let told = mapped(&[("亡人身份证号", "-"), ("身份证号", "citizen_id")]);
    assert_eq!(numbers(told), [Some(SON.to_owned())]);
}

#[test]
fn what_a_layout_says_of_every_record_stands_where_a_row_sends_nothing() {
    let record = record_type(CREMATION).unwrap();
    let mapping = Mapping::new(record, [("号", "citizen_id")], [])
        .and_then(|mapping| mapping.with_constants(record, [("citizen_id", DEAD), ("name", " 某某 ")]))
        .unwrap();
    let layout = |of: &Layout| Layout {
        mapping: Some(mapping.clone().into()),
        ..of.clone()
    };
    for (of, text) in [
        (CSV, format!("死亡日期,号\n18991229,\n18991229,{SON}\n合计,2\n")),
        (CSV, format!("死亡日期,姓名,号\n18991229,甲,\n18991229,,{SON}\n")),
        (
            NDJSON,
            format!("{{\"死亡日期\":null}}\n{{\"号\":\"{SON}\"}}\n{{\"死亡日期\":\"合计\"}}\n"),
        ),
    ] {
        let (numbers, _) = read(CREMATION, &layout(&of), &text).unwrap();
        assert_eq!(numbers, [Some(DEAD.to_owned()), Some(SON.to_owned())], "{text}");
    }
    for (field, value, fault) in [
        ("nobody", "1", MappingFault::UnknownField("nobody".into())),
        ("name", " - ", MappingFault::NoValue("name")),
        ("sex", "7", MappingFault::UnknownCode("sex", "7".into())),
    ] {
        let record = record_type("public-security/resident").unwrap();
        let made = Mapping::default().with_constants(record, [(field, value)]);
        assert_eq!(made, Err(vec![fault]));
    }
}
