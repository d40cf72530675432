//! One row a household becomes one record a member.

#![expect(clippy::panic, reason = "a test may panic")]

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use proptest::prelude::*;

use super::{CSV, NDJSON, TODAY};
use crate::catalogue::record_type;
use crate::decode::{Counts, DecodeLimits, Decoder, HeaderDoubt, TrailerFault, Unreadable};
use crate::layout::{Encoding, Format, Layout};
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
    let mut decoder = Decoder::new(record, wanted, &layout, DecodeLimits::default(), TODAY);
    decoder.feed(text.as_bytes())?;
    let _ = decoder.finish()?;
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
fn a_total_may_be_of_households_or_of_the_persons_in_them() {
    let layout = Layout::new(Format::JSON, Encoding::Utf8);
    let data = format!(
        r#"{{"低保证号":"A1","月份":"201701","户主身份证号":"{HEAD}","姓名1":"王甲","身份证号1":"{HEAD}","姓名2":"李乙","身份证号2":"{WIFE}"}},
        {{"低保证号":"A2","月份":"201701","户主身份证号":"{SON}","姓名1":"王丙","身份证号1":"{SON}"}}"#
    );
    let ended =
        |around: &str| read(layout.clone(), &ALL, &format!("{{{around},\"data\":[{data}]}}")).map(|told| told.counts);
    for around in [r#""total":2"#, r#""total":3"#, r#""total":9,"pageNo":1,"pageSize":2"#] {
        let counts = ended(around).unwrap();
        assert_eq!((counts.rows, counts.received), (2, 3), "{around}");
    }
    let why = TrailerFault::Rows { stated: 4, found: 3 };
    assert_eq!(ended(r#""total":4"#), Err(Unreadable::WrongTrailer { line: 1, why }));
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
fn pairs_that_repeat_are_members_from_left_to_right() {
    let expected = [
        ["A1", "201701", "", "王甲", HEAD],
        ["A1", "201701", "", "李乙", WIFE],
        ["A1", "201701", "", "张丁", SON],
    ];
    let row = format!("A1,201701,王甲,{HEAD},李乙,{WIFE},张丁,{SON}");
    for (first, name, number) in [
        ("成员姓名", "成员姓名", "身份证号码"),
        ("姓名", "成员姓名", "身份证号"),
        ("姓名", "姓名", "公民身份号码"),
    ] {
        let pair = format!("{name},{number}");
        let text = format!("低保证号,月份,{first},{number},{pair},{pair}\n{row}\nA2,201701,王丙,{SON},,,,\n");
        let told = read(CSV, &ALL, &text).unwrap();
        assert_eq!(told.records.get(..3).unwrap(), expected, "{pair}");
        assert_eq!((told.counts.received, told.counts.accepted), (4, 4));
    }
    // The head stands in columns of its own.
    let text = format!(
        "户主姓名,户主身份证号,与户主关系,姓名,身份证号,与户主关系,姓名,身份证号,月份\n王甲,{HEAD},妻,李乙,{WIFE},子,张丁,{SON},201701\n"
    );
    let told = read(CSV, &["name", "citizen_id"], &text).unwrap();
    assert_eq!(told.records, [["李乙", WIFE], ["张丁", SON], ["王甲", HEAD]]);
}

#[test]
fn columns_that_repeat_without_being_pairs_are_refused() {
    for header in [
        "姓名,姓名,身份证号",
        "姓名,身份证号,姓名",
        "姓名,身份证号,身份证号,姓名",
        "姓名,性别,身份证号,姓名,身份证号",
        "身份证号,身份证号",
        "姓名1,身份证号1,姓名,身份证号,姓名,身份证号",
    ] {
        let text = format!("月份,{header}\n");
        assert!(
            matches!(read(CSV, &ALL, &text), Err(Unreadable::BadHeaderRow { twice, .. }) if !twice.is_empty()),
            "{header}"
        );
    }
}

#[test]
fn members_are_numbered_in_digits_or_numerals_and_a_name_may_be_called_the_member() {
    for header in [
        "家庭成员1,身份证号1,家庭成员2,身份证号2",
        "家庭成员一,身份证号一,家庭成员二,身份证号二",
        "成员一姓名,成员一身份证号,成员二姓名,成员二身份证号",
        "成员１,成员１身份证号,成员２,成员２身份证号",
        "姓名11,身份证号11,姓名十二,身份证号十二",
    ] {
        let text = format!("低保证号,月份,{header}\nA1,201701,王甲,{HEAD},李乙,{WIFE}\n");
        let told = read(CSV, &ALL, &text).unwrap();
        let expected = [["A1", "201701", "", "王甲", HEAD], ["A1", "201701", "", "李乙", WIFE]];
        assert_eq!(told.records, expected, "{header}");
    }
}

#[test]
fn a_member_beyond_those_that_a_row_may_have_refuses_the_batch() {
    let beyond = Err(Unreadable::DoubtfulHeader(HeaderDoubt::MemberBeyond { most: 12 }));
    for header in ["姓名13,身份证号13", "成员十三,身份证号", "家庭成员99身份证号,身份证号"] {
        let told = read(CSV, &ALL, &format!("月份,{header}\n201701,王甲,{HEAD}\n"));
        assert_eq!(told.map(drop), beyond.clone(), "{header}");
    }
    let object = format!("{{\"月份\":\"201701\",\"姓名\":\"王甲\",\"身份证号\":\"{HEAD}\",\"姓名13\":\"李乙\"}}\n");
    assert_eq!(read(NDJSON, &ALL, &object).map(drop), beyond.clone());
    let pairs = "姓名,身份证号,".repeat(14);
    assert_eq!(read(CSV, &ALL, &format!("{pairs}月份\n")).map(drop), beyond);
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
    assert_eq!(told.counts.rows, 4, "rows are what the sender counts");
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

/// Ten numbers of nobody: births in 1861 with sequence 000.
fn nobody(which: usize) -> String {
    let body = format!("3207061861010{}000", which % 9 + 1);
    let check = crate::value::citizen_id::check_character(body.as_bytes().try_into().unwrap()).unwrap();
    format!("{body}{check}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against a model of five lines: the pairs that say something, then the head unless a pair is the head.
    #[test]
    fn any_households_give_their_pairs_and_then_their_heads(
        rows in prop::collection::vec((prop::option::of(0_usize..9), prop::collection::vec(prop::option::of(0_usize..9), 6)), 0..12),
        cut in 0_usize..2_000,
    ) {
        let id = |who: &Option<usize>| who.map(nobody).unwrap_or_default();
        let pairs: Vec<String> = (1..=6).map(|number| format!("身份证号{number}")).collect();
        let mut lines = vec![format!("月份,户主身份证号,{}", pairs.join(","))];
        let mut expected = Vec::new();
        for (head, pairs) in &rows {
            let texts: Vec<String> = std::iter::once(head).chain(pairs).map(id).collect();
            lines.push(format!("201701,{}", texts.join(",")));
            let members: Vec<usize> = pairs.iter().flatten().copied().collect();
            let head = head.filter(|head| !members.contains(head));
            expected.push(members.into_iter().chain(head).map(nobody).collect::<Vec<_>>());
        }
        let text = lines.join("\n");
        let record = record_type(RECORD).unwrap();
        let mut decoder = Decoder::new(record, &["citizen_id"], &CSV, DecodeLimits::default(), TODAY);
        let (left, right) = text.as_bytes().split_at(cut.min(text.len()));
        decoder.feed(left).unwrap();
        decoder.feed(right).unwrap();
        let _ = decoder.finish().unwrap();
        // A row without anybody is one record, rejected under its own number.
        let empty: Vec<u64> = expected.iter().zip(1..).filter(|(members, _)| members.is_empty()).map(|(_, row)| row).collect();
        let rejected: Vec<u64> = decoder.take_rejects().iter().map(|reject| reject.row).collect();
        prop_assert_eq!(&rejected, &empty);
        let counts = decoder.counts().clone();
        let all: usize = expected.iter().map(|members| members.len().max(1)).sum();
        prop_assert_eq!(counts.received, all as u64);
        prop_assert_eq!(counts.received, counts.accepted + counts.rejected + counts.repeated);
        let mut first_seen: Vec<String> = Vec::new();
        for id in expected.into_iter().flatten() {
            if !first_seen.contains(&id) {
                first_seen.push(id);
            }
        }
        let read: Vec<String> = decoder
            .next_part()
            .iter()
            .flat_map(|part| part.column(0).as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        prop_assert_eq!(read, first_seen);
    }
}
