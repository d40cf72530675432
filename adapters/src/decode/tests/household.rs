//! One row a household becomes one record a member.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};

use super::{CSV, NDJSON, TODAY};
use crate::catalogue::record_type;
use crate::decode::{Counts, DecodeLimits, Decoder, Unreadable};
use crate::layout::Layout;
use crate::reject::{Reject, RejectCode};

const RECORD: &str = "civil-affairs/subsistence-allowance";
const ALL: [&str; 5] = ["dibao_no", "month", "head_id", "name", "citizen_id"];

/// Ids of nobody: births in 1861 with sequence 000, and of 1990 with sequence 000.
const HEAD: &str = "320706186101010005";
const WIFE: &str = "320706186101020000";
const SON: &str = "320706199001010000";

struct Told {
    records: Vec<Vec<String>>,
    rejects: Vec<(u64, u64, Option<&'static str>, RejectCode)>,
    counts: Counts,
}

fn read(layout: Layout, wanted: &[&'static str], text: &str) -> Result<Told, Unreadable> {
    let record = record_type(RECORD).unwrap();
    let mut decoder = Decoder::new(record, wanted, layout, DecodeLimits::default(), TODAY);
    decoder.feed(text.as_bytes())?;
    decoder.finish()?;
    assert!(decoder.unknown_headers().is_empty(), "{:?}", decoder.unknown_headers());
    let parts: Vec<RecordBatch> = std::iter::from_fn(|| decoder.next_part()).collect();
    let row = |part: &RecordBatch, row: usize| -> Vec<String> {
        let text = |column: &arrow_array::ArrayRef| {
            let column = column.as_string::<i32>();
            if column.is_null(row) {
                String::new()
            } else {
                column.value(row).to_owned()
            }
        };
        part.columns().iter().map(text).collect()
    };
    let told = |reject: Reject| (reject.row, reject.line, reject.field, reject.code);
    let counts = decoder.counts().clone();
    assert_eq!(counts.received, counts.accepted + counts.rejected + counts.repeated);
    Ok(Told {
        records: parts
            .iter()
            .flat_map(|part| (0..part.num_rows()).map(|number| row(part, number)).collect::<Vec<_>>())
            .collect(),
        rejects: decoder.take_rejects().into_iter().map(told).collect(),
        counts,
    })
}

#[test]
fn each_pair_of_a_row_is_a_record_with_what_the_row_says_of_all() {
    let text = format!(
        "低保证号,月份,户主身份证号,姓名1,身份证号1,成员2姓名,成员2身份证号码,姓名3,身份证号3\n\
         A1,201701,{HEAD},王甲,{HEAD},李乙,{WIFE},,\nA2,201701,{SON},王丙,{SON},,,,\n"
    );
    let told = read(CSV, &ALL, &text).unwrap();
    assert_eq!(
        told.records,
        [
            ["A1", "201701", HEAD, "王甲", HEAD],
            ["A1", "201701", HEAD, "李乙", WIFE],
            ["A2", "201701", SON, "王丙", SON],
        ]
    );
    assert_eq!((told.counts.received, told.counts.accepted), (3, 3));
}

#[test]
fn the_head_is_a_member_where_no_pair_has_the_same_number() {
    let header = "低保证号,月份,户主姓名,户主身份证号,姓名1,身份证号1";
    let text = format!("{header}\nA1,201701,王甲,{HEAD},李乙,{WIFE}\nA2,201701,王丙,{SON},,\n");
    let told = read(CSV, &ALL, &text).unwrap();
    assert_eq!(
        told.records,
        [
            ["A1", "201701", HEAD, "李乙", WIFE],
            ["A1", "201701", HEAD, "王甲", HEAD],
            ["A2", "201701", SON, "王丙", SON],
        ]
    );
    // The same without a grant for the head's number: the member's number is granted, and the head is a member.
    let told = read(CSV, &["month", "name", "citizen_id"], &text).unwrap();
    assert_eq!(
        told.records,
        [
            ["201701", "李乙", WIFE],
            ["201701", "王甲", HEAD],
            ["201701", "王丙", SON]
        ]
    );
    // Without the number nobody knows whether the head has a pair: the second row has no member that can be told.
    let told = read(CSV, &["month", "name"], &text).unwrap();
    assert_eq!(told.records, [["201701", "李乙"], ["201701", ""]]);
}

#[test]
fn a_pair_without_a_number_is_a_member_too() {
    let text = format!("低保证号,月份,姓名,身份证号,姓名2,身份证号2\nA1,201701,王甲,{HEAD},李乙,{WIFE}\n");
    let told = read(CSV, &ALL, &text).unwrap();
    assert_eq!(
        told.records,
        [["A1", "201701", "", "王甲", HEAD], ["A1", "201701", "", "李乙", WIFE]]
    );
}

#[test]
fn a_bad_member_is_rejected_under_its_senders_row_and_the_others_go_on() {
    let wrong = "320706199001010001";
    let text = format!(
        "低保证号,月份,姓名1,身份证号1,姓名2,身份证号2,姓名3,身份证号3\n\
         A1,201701,王甲,{HEAD},李乙,{wrong},张丁,{SON}\n\
         A2,201701,,,,,,\n\
         A3,201701,王戊\n\
         A4,201701,只有姓名,,李乙,{WIFE},无,-\n"
    );
    let told = read(CSV, &ALL, &text).unwrap();
    assert_eq!(
        told.rejects,
        [
            (1, 2, Some("citizen_id"), RejectCode::BadChecksum),
            (2, 3, Some("citizen_id"), RejectCode::Missing),
            (3, 4, None, RejectCode::ColumnCount),
            (4, 5, Some("citizen_id"), RejectCode::Missing),
        ]
    );
    assert_eq!(
        (told.counts.received, told.counts.accepted, told.counts.rejected),
        (7, 3, 4)
    );
}

#[test]
fn members_repeated_in_a_row_are_repeats() {
    let text = format!("月份,姓名1,身份证号1,姓名2,身份证号2\n201701,王甲,{HEAD},王甲,{HEAD}\n");
    let told = read(CSV, &["month", "name", "citizen_id"], &text).unwrap();
    assert_eq!(
        (told.counts.received, told.counts.accepted, told.counts.repeated),
        (2, 1, 1)
    );
}

#[test]
fn a_row_of_one_member_is_read_as_before() {
    let text = format!(
        "低保证号,月份,户主姓名,户主身份证号,姓名,身份证号\nA1,201701,王甲,{HEAD},李乙,{WIFE}\nA1,201701,王甲,{HEAD},,\n"
    );
    let told = read(CSV, &ALL, &text).unwrap();
    assert_eq!(told.records, [["A1", "201701", HEAD, "李乙", WIFE]]);
    // The head of a row of the plain form is no member: the number is missing.
    assert_eq!(told.rejects, [(2, 3, Some("citizen_id"), RejectCode::Missing)]);
}

#[test]
fn objects_unfold_as_rows_do() {
    let text = format!(
        "{{\"低保证号\":\"A1\",\"月份\":\"201701\",\"户主身份证号\":\"{HEAD}\",\"姓名1\":\"王甲\",\"身份证号1\":\"{HEAD}\",\
         \"姓名2\":\"李乙\",\"身份证号2\":\"{WIFE}\"}}\n{{\"月份\":\"201701\",\"姓名\":\"王丙\",\"身份证号\":\"{SON}\"}}\n"
    );
    let told = read(NDJSON, &ALL, &text).unwrap();
    assert_eq!(
        told.records,
        [
            ["A1", "201701", HEAD, "王甲", HEAD],
            ["A1", "201701", HEAD, "李乙", WIFE],
            ["", "201701", "", "王丙", SON],
        ]
    );
}

#[test]
fn a_header_row_without_the_number_in_any_form_is_refused_and_so_is_a_pair_named_twice() {
    let refused = |header: &str| match read(CSV, &ALL, &format!("{header}\n")) {
        Err(Unreadable::BadHeaderRow { missing, twice }) => (missing, twice),
        _ => panic!("{header}"),
    };
    assert_eq!(refused("低保证号,月份,姓名1,姓名2"), (vec!["citizen_id"], vec![]));
    assert_eq!(refused("月份,身份证号1,公民身份号码1"), (vec![], vec!["citizen_id"]));
}
