#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod cells;
mod fixture;
mod further;
mod groups;
mod hostile;
mod html;
mod merged;
mod refusals;
mod secrecy;
mod sheets;
mod spreadsheet_ml;
mod stated;
mod written;

use std::num::NonZeroU32;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type};

use self::fixture::{Made, cell, number_cell, row, text_cell, texts};
use crate::catalogue::record_type;
use crate::decode::{Counts, DecodeLimits, Decoder, Ended, FileFault, PassedOver, Unreadable};
use crate::layout::{Encoding, Format, HeaderRows, Layout, LayoutFault, Sheet};
use crate::reject::RejectCode;
use crate::value::date::days_from_civil;

pub(super) const TODAY: i32 = 20_500;

/// What a decoder says about a file.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    pub(super) parts: Vec<RecordBatch>,
    pub(super) rejects: Vec<(u64, u64, Option<&'static str>, RejectCode)>,
    pub(super) counts: Counts,
    pub(super) ended: Result<(), Unreadable>,
    pub(super) unknown: Vec<String>,
    pub(super) passed_over: PassedOver,
}

pub(super) const XLSX: Layout = Layout::new(Format::XLSX, Encoding::Utf8);

pub(super) fn read(record: &str, wanted: &[&'static str], layout: &Layout, limits: DecodeLimits, bytes: &[u8]) -> Told {
    let mut decoder = Decoder::new(record_type(record).unwrap(), wanted, layout, limits, TODAY);
    let (mut parts, mut rejects) = (Vec::new(), Vec::new());
    let mut ended = bytes.chunks(1000).try_for_each(|frame| decoder.feed(frame));
    while ended.is_ok() {
        let step = decoder.finish();
        let ready: Vec<_> = std::iter::from_fn(|| decoder.next_part()).collect();
        parts.extend(ready);
        rejects.extend(decoder.take_rejects());
        match step {
            Ok(Ended::More) => {}
            Ok(Ended::Whole) => break,
            Err(unreadable) => ended = Err(unreadable),
        }
    }
    let counts = decoder.counts().clone();
    assert_eq!(counts.received, counts.accepted + counts.rejected + counts.repeated);
    Told {
        parts,
        rejects: rejects
            .iter()
            .map(|reject| (reject.row, reject.line, reject.field, reject.code))
            .collect(),
        counts,
        ended,
        unknown: decoder.unknown_headers().to_vec(),
        passed_over: decoder.passed_over(),
    }
}

const DIBAO: &str = "civil-affairs/subsistence-allowance";
const DEATH: &str = "public-security/death";

fn dibao(made: &Made) -> Told {
    let wanted = ["name", "citizen_id", "head_name", "month", "amount"];
    read(DIBAO, &wanted, &XLSX, DecodeLimits::default(), &made.build())
}

fn death(made: &Made) -> Told {
    let wanted = ["citizen_id", "name", "death_date", "source_updated_at"];
    read(DEATH, &wanted, &XLSX, DecodeLimits::default(), &made.build())
}

/// A resident number of 1800: the check character follows GB 11643.
pub(super) fn id(number: u32) -> String {
    let front = format!("32070718000106{number:03}");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = front
        .bytes()
        .zip(weights)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    format!("{front}{}", char::from(b"10X98765432"[sum as usize % 11]))
}

fn column(told: &Told, name: &str) -> Vec<Option<String>> {
    let part = &told.parts[0];
    let column = part.column_by_name(name).unwrap();
    column
        .as_string::<i32>()
        .iter()
        .map(|text| text.map(str::to_owned))
        .collect()
}

fn dates(told: &Told, name: &str) -> Vec<Option<i32>> {
    let column = told.parts[0].column_by_name(name).unwrap();
    column.as_primitive::<Date32Type>().iter().collect()
}

#[test]
fn titles_blank_rows_and_footers_are_no_records_and_lines_are_those_of_the_sheet() {
    let told = dibao(&Made::of(&[
        texts(1, &["某县最低生活保障名单"]),
        texts(2, &["填报单位：某局", "", "2024年1月"]),
        texts(4, &["序号", "*姓名", "身 份 证 号（必填）", "金额", "月份"]),
        texts(5, &["1", "甲", &id(1), "100.50", "202401"]),
        texts(6, &["", " ", "", ""]),
        texts(7, &["2", "乙", "x", "100", "202401"]),
        texts(8, &["小计", "2人", "", "200.5"]),
        texts(9, &["3", "丙", &id(2), "1", "202401"]),
        row(
            10,
            &[
                text_cell(b'A', 10, "合 计"),
                number_cell(b'B', 10, "3", 0),
                number_cell(b'D', 10, "201.5", 0),
            ],
        ),
        texts(12, &["填表人：丁", "", "审核人：戊"]),
    ]));
    assert_eq!(told.ended, Ok(()));
    assert_eq!((told.counts.received, told.counts.accepted), (3, 2));
    assert_eq!(told.rejects, [(2, 7, Some("citizen_id"), RejectCode::BadLength)]);
    assert_eq!(told.passed_over.footers, 3);
    assert_eq!(told.unknown, ["序号"]);
    assert_eq!(column(&told, "amount"), [Some("100.50".into()), Some("1.00".into())]);
}

#[test]
fn a_row_that_fills_a_required_field_is_a_record_even_when_it_begins_like_a_footer() {
    let told = dibao(&Made::of(&[
        texts(1, &["备注", "姓名", "身份证号", "月份"]),
        texts(2, &["合计", "甲", &id(1), "202401"]),
        texts(3, &["制表人：乙", "", "合计"]),
    ]));
    assert_eq!((told.counts.accepted, told.passed_over.footers), (1, 1));
}

#[test]
fn where_no_required_field_is_read_a_row_of_a_sheet_is_a_record_by_any_field() {
    let made = Made::of(&[
        texts(1, &["职务", "姓名", "性别"]),
        texts(2, &["负责人", "李测", "男"]),
        texts(3, &["经办人", "王测", "女"]),
        texts(4, &["合计", "2人"]),
    ]);
    let told = read(DEATH, &["name", "sex"], &XLSX, DecodeLimits::default(), &made.build());
    assert_eq!(column(&told, "name"), [Some("李测".into()), Some("王测".into())]);
    assert_eq!(told.passed_over.footers, 1);
}

#[test]
fn two_header_rows_with_merged_groups_give_each_column_its_whole_name() {
    let made = Made::default().sheet_with(
        "名单",
        "visible",
        &[
            texts(1, &["低保"]),
            texts(2, &["序号", "户主信息", "", "保障对象", "", "月份"]),
            texts(3, &["", "姓名", "身份证号", "姓名", "身份证号"]),
            texts(4, &["1", "甲", &id(1), "乙", &id(2), "202401"]),
        ],
        r#"<mergeCells><mergeCell ref="A1:F1"/><mergeCell ref="B2:C2"/><mergeCell ref="D2:E2"/><mergeCell ref="A2:A3"/></mergeCells>"#,
    );
    let told = dibao(&made);
    assert_eq!(told.ended, Ok(()));
    assert_eq!(column(&told, "head_name"), [Some("甲".into())]);
    assert_eq!(column(&told, "name"), [Some("乙".into())]);
    assert_eq!(column(&told, "citizen_id"), [Some(id(2))]);
    assert_eq!(column(&told, "month"), [Some("202401".into())]);
}

#[test]
fn english_names_over_chinese_ones_are_one_header() {
    let told = dibao(&Made::of(&[
        texts(1, &["xm", "gmsfhm", "month"]),
        texts(2, &["姓名", "公民身份号码", "月份"]),
        texts(3, &["甲", &id(1), "202401"]),
    ]));
    assert_eq!((told.counts.received, told.counts.accepted), (1, 1));
}

#[test]
fn an_identity_number_that_was_stored_as_a_number_is_a_reject_of_its_own_code() {
    let told = death(&Made::of(&[
        texts(1, &["姓名", "身份证号"]),
        row(
            2,
            &[text_cell(b'A', 2, "甲"), number_cell(b'B', 2, "3.2070718000106E+17", 0)],
        ),
        row(
            3,
            &[
                text_cell(b'A', 3, "乙"),
                number_cell(b'B', 3, &id(1).replace('X', "0"), 0),
            ],
        ),
        row(4, &[text_cell(b'A', 4, "丙"), number_cell(b'B', 4, "3.20707E+17", 3)]),
    ]));
    let lost = |row, line| (row, line, Some("citizen_id"), RejectCode::LostDigits);
    assert_eq!(told.rejects, [lost(1, 2), lost(2, 3), lost(3, 4)]);
}

#[test]
fn numbers_are_exact_and_serial_days_are_days() {
    let day = |column, line, serial: &str, style| {
        row(
            line,
            &[
                text_cell(b'A', line, &id(line)),
                number_cell(column, line, serial, style),
            ],
        )
    };
    let rows = [
        texts(1, &["身份证号", "死亡日期", "更新时间"]),
        day(b'B', 2, "45292", 1),
        day(b'B', 3, "45292", 0),
        day(b'B', 4, "20240101", 0),
        day(b'B', 5, "39845", 2),
        day(b'B', 6, "60", 1),
        day(b'C', 7, "45292.5", 4),
    ];
    let told = death(&Made::of(&rows));
    let new_year = days_from_civil(2024, 1, 1);
    assert_eq!(dates(&told, "death_date"), [new_year, new_year, new_year, None]);
    assert_eq!(
        told.rejects,
        [
            (4, 5, Some("death_date"), RejectCode::ImpreciseDate),
            (5, 6, Some("death_date"), RejectCode::BadDate),
        ]
    );
    let macintosh = death(&Made {
        is_1904: true,
        ..Made::of(&rows[..3])
    });
    let later = days_from_civil(2028, 1, 2);
    assert_eq!(macintosh.rejects.len(), 2, "{later:?} is in the future");
    assert_eq!(macintosh.rejects[0].3, RejectCode::FutureDate);
}

#[test]
fn a_code_keeps_the_zeros_that_its_format_shows() {
    let wanted = ["citizen_id", "police_station"];
    let made = Made::of(&[
        texts(1, &["身份证号", "派出所"]),
        row(2, &[text_cell(b'A', 2, &id(1)), number_cell(b'B', 2, "1234", 3)]),
        row(3, &[text_cell(b'A', 3, &id(2)), number_cell(b'B', 3, "1234", 0)]),
    ]);
    let told = read(DEATH, &wanted, &XLSX, DecodeLimits::default(), &made.build());
    assert_eq!(
        column(&told, "police_station"),
        [Some("001234".into()), Some("1234".into())]
    );
}

#[test]
fn errors_and_formulas_without_a_value_are_rejects() {
    let line = |line: u32, attributes: &str, content: &str| {
        row(
            line,
            &[text_cell(b'A', line, &id(line)), cell(b'B', line, attributes, content)],
        )
    };
    let told = death(&Made::of(&[
        texts(1, &["身份证号", "姓名"]),
        line(2, r#"t="e""#, "<v>#N/A</v>"),
        line(3, "", "<f>A1&amp;A2</f><v></v>"),
        line(4, "", "<f>A1</f>"),
        line(5, r#"t="str""#, "<f>A1</f><v>甲</v>"),
        line(6, r#"t="str""#, "<f>A1</f><v></v>"),
        line(7, r#"t="str""#, "<f>A1</f>"),
        line(8, r#"t="s""#, "<v>9</v>"),
        line(9, "", "<v>abc</v>"),
    ]));
    let name = |row, line, code| (row, line, Some("name"), code);
    assert_eq!(
        told.rejects,
        [
            name(1, 2, RejectCode::ErrorCell),
            name(2, 3, RejectCode::UncomputedFormula),
            name(3, 4, RejectCode::UncomputedFormula),
            name(6, 7, RejectCode::UncomputedFormula),
            name(7, 8, RejectCode::ErrorCell),
            name(8, 9, RejectCode::BadNumber),
        ]
    );
    assert_eq!(column(&told, "name"), [Some("甲".into()), None]);
}

#[test]
fn truth_values_become_the_words_that_json_has_too() {
    let wanted = ["reg_no", "ent_name", "scope"];
    let made = Made::of(&[
        texts(1, &["企业名称", "经营范围", "注册号"]),
        row(
            2,
            &[
                text_cell(b'A', 2, "甲"),
                cell(b'B', 2, r#"t="b""#, "<v>1</v>"),
                text_cell(b'C', 2, "320706000000018"),
            ],
        ),
        row(
            3,
            &[
                text_cell(b'A', 3, "乙"),
                cell(b'B', 3, r#"t="b""#, "<v>0</v>"),
                text_cell(b'C', 3, "320706000000018"),
            ],
        ),
    ]);
    let told = read(
        "commerce/establishment",
        &wanted,
        &XLSX,
        DecodeLimits::default(),
        &made.build(),
    );
    assert_eq!(told.counts.accepted, 2);
    assert_eq!(column(&told, "scope"), [Some("true".into()), Some("false".into())]);
}

#[test]
fn shared_texts_are_joined_runs_without_readings_and_with_every_character() {
    let made = Made {
        strings: [
            "<t>身份证号</t>",
            "<t>姓名</t>",
            &format!("<t>{}</t>", id(1)),
            "<r><rPr><b/></rPr><t>甲</t></r><r><t xml:space=\"preserve\">乙</t></r><rPh sb=\"0\" eb=\"1\"><t>jia</t></rPh>",
            &format!("<t>{}</t>", id(2)),
            "<t>&#x4e19;&#19969;</t>",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..Made::of(&[
            row(1, &[cell(b'A', 1, r#"t="s""#, "<v>0</v>"), cell(b'B', 1, r#"t="s""#, "<v>1</v>")]),
            row(2, &[cell(b'A', 2, r#"t="s""#, "<v>2</v>"), cell(b'B', 2, r#"t="s""#, "<v>3</v>")]),
            row(3, &[cell(b'A', 3, r#"t="s""#, "<v>4</v>"), cell(b'B', 3, r#"t="s""#, "<v>5</v>")]),
        ])
    };
    let told = death(&made);
    assert_eq!(column(&told, "name"), [Some("甲乙".into()), Some("丙丁".into())]);
}

#[test]
fn half_a_character_in_an_escape_is_a_reject_and_whole_ones_are_read() {
    let wanted = ["title_is_no_field", "citizen_id", "name"];
    let made = Made::of(&[
        texts(1, &["身份证号", "姓名"]),
        texts(2, &[&id(1), "甲_xD840__xDC00_"]),
        texts(3, &[&id(2), "甲_xD840_"]),
        texts(4, &[&id(3), "甲_x4e59_"]),
    ]);
    let told = read(DEATH, &wanted, &XLSX, DecodeLimits::default(), &made.build());
    assert_eq!(told.rejects, [(2, 3, Some("name"), RejectCode::BadEncoding)]);
    assert_eq!(column(&told, "name"), [Some("甲\u{20000}".into()), Some("甲乙".into())]);
}

#[test]
fn cells_without_a_reference_follow_each_other_and_prefixed_names_are_the_same() {
    let rows = format!(
        "<x:row><x:c t=\"inlineStr\"><x:is><x:t>身份证号</x:t></x:is></x:c><x:c t=\"inlineStr\"><x:is><x:t>姓名</x:t></x:is></x:c></x:row>\
         <x:row><x:c t=\"str\"><x:v>{}</x:v></x:c><x:c/><x:c/></x:row>",
        id(1)
    );
    let told = death(&Made::of(&[rows]));
    assert_eq!((told.counts.received, told.counts.accepted), (1, 1));
}

#[test]
fn hidden_rows_and_columns_are_read_like_any_other() {
    let hidden = texts(2, &[&id(1), "甲"]).replace("<row ", "<row hidden=\"1\" ");
    let told = death(&Made::of(&[texts(1, &["身份证号", "姓名"]), hidden]));
    assert_eq!(told.counts.accepted, 1);
}

#[test]
fn a_workbook_is_read_part_by_part_and_never_more_than_one_is_held() {
    let rows: Vec<String> = std::iter::once(texts(1, &["身份证号", "姓名"]))
        .chain((2..=101).map(|line| texts(line, &[&id(line), "甲"])))
        .collect();
    let bytes = Made::of(&rows).build();
    let limits = DecodeLimits {
        part_rows: 30,
        ..DecodeLimits::default()
    };
    let mut decoder = Decoder::new(
        record_type(DEATH).unwrap(),
        &["citizen_id", "name"],
        &XLSX,
        limits,
        TODAY,
    );
    decoder.feed(&bytes).unwrap();
    let mut seen = Vec::new();
    loop {
        let ended = decoder.finish().unwrap();
        let ready: Vec<_> = std::iter::from_fn(|| decoder.next_part()).collect();
        assert!(ready.len() <= 1);
        seen.extend(ready.iter().map(RecordBatch::num_rows));
        if ended == Ended::Whole {
            break;
        }
    }
    assert_eq!(seen, [30, 30, 30, 10]);
    assert_eq!(decoder.finish(), Ok(Ended::Whole));
    assert_eq!(decoder.counts().accepted, 100);
}

#[test]
fn a_count_column_of_numbers_is_whole_numbers() {
    let wanted = ["citizen_id", "month", "family_size"];
    let made = Made::of(&[
        texts(1, &["身份证号", "月份", "家庭人口"]),
        row(
            2,
            &[
                text_cell(b'A', 2, &id(1)),
                number_cell(b'B', 2, "202401", 0),
                number_cell(b'C', 2, "3", 0),
            ],
        ),
        row(
            3,
            &[
                text_cell(b'A', 3, &id(2)),
                number_cell(b'B', 3, "45292", 2),
                number_cell(b'C', 3, "3.5", 0),
            ],
        ),
        row(
            4,
            &[
                text_cell(b'A', 4, &id(3)),
                number_cell(b'B', 4, "45292", 2),
                number_cell(b'C', 4, "4", 0),
            ],
        ),
    ]);
    let told = read(DIBAO, &wanted, &XLSX, DecodeLimits::default(), &made.build());
    assert_eq!(told.rejects, [(2, 3, Some("family_size"), RejectCode::BadNumber)]);
    let sizes = told.parts[0]
        .column_by_name("family_size")
        .unwrap()
        .as_primitive::<Int64Type>()
        .clone();
    assert_eq!(sizes.values(), &[3, 4]);
    assert_eq!(column(&told, "month"), [Some("202401".into()), Some("202401".into())]);
}

#[test]
fn what_a_workbook_holds_is_told_while_it_comes_and_while_it_is_read_and_never_above_its_bounds() {
    let lines: Vec<String> = (2..30).map(|line| texts(line, &[&id(line), "甲"])).collect();
    let made = Made {
        strings: vec!["<t>some text of the workbook</t>".to_owned(); 100],
        ..Made::of(&[vec![texts(1, &["身份证号", "姓名"])], lines].concat())
    };
    let bytes = made.build();
    let limits = DecodeLimits {
        workbook_bytes_max: bytes.len(),
        part_rows: 10,
        ..DecodeLimits::default()
    };
    let mut decoder = Decoder::new(record_type(DEATH).unwrap(), &["citizen_id"], &XLSX, limits, TODAY);
    assert_eq!(decoder.held_bytes(), 0);
    let mut fed = 0;
    for frame in bytes.chunks(97) {
        decoder.feed(frame).unwrap();
        fed += frame.len();
        assert!((fed..=bytes.len()).contains(&decoder.held_bytes()));
    }
    assert_eq!(decoder.finish(), Ok(Ended::More));
    let texts = 100 * ("some text of the workbook".len() + 4);
    assert_eq!(decoder.held_bytes(), bytes.len() + texts);
    while decoder.next_part().is_some() || decoder.finish() == Ok(Ended::More) {}
    assert_eq!(decoder.held_bytes(), 0);
    // A file that is no workbook is not held, nor is one that is too large.
    let mut other = Decoder::new(record_type(DEATH).unwrap(), &["citizen_id"], &XLSX, limits, TODAY);
    other.feed(&[bytes.clone(), vec![0]].concat()).unwrap_err();
    assert_eq!(other.held_bytes(), 0);
}
