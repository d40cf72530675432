#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::io::{Cursor, Write};

use proptest::prelude::*;

use super::book::Book;
use super::records::kind;
use crate::catalogue::record_type;
use crate::decode::sheet::Form;
use crate::decode::{Counts, DecodeLimits, Decoder, Ended, FileFault, Unreadable};
use crate::layout::{Encoding, Format, Layout};
use crate::reject::RejectCode;

const XLS: Layout = Layout::new(Format::XLS, Encoding::Utf8);
const FIRST: &str = "320707180001060012";

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&kind.to_le_bytes(), &length.to_le_bytes(), data].concat()
}

fn units(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Row, column and style of a cell, then what it holds.
fn cell(kind: u16, row: u16, column: u16, rest: &[u8]) -> Vec<u8> {
    record(
        kind,
        &[&row.to_le_bytes(), &column.to_le_bytes(), &[0, 0], rest].concat(),
    )
}

fn label(row: u16, column: u16, text: &str) -> Vec<u8> {
    let count = u16::try_from(text.encode_utf16().count()).unwrap();
    cell(
        kind::LABEL,
        row,
        column,
        &[&count.to_le_bytes(), &[1][..], &units(text)].concat(),
    )
}

/// A workbook of one sheet: records of its own before the sheet, and those of the sheet.
fn stream(own: &[u8], cells: &[Vec<u8>]) -> Vec<u8> {
    let bof = record(kind::BOF, &[0, 6, 5, 0, 0, 0, 0, 0]);
    let eof = record(kind::EOF, &[]);
    let sheet_record = |at: u32| {
        record(
            kind::BOUND_SHEET,
            &[&at.to_le_bytes()[..], &[0, 0, 1, 0, b'A']].concat(),
        )
    };
    let at = bof.len() + sheet_record(0).len() + own.len() + eof.len();
    let sheet_record = sheet_record(u32::try_from(at).unwrap());
    [
        bof.clone(),
        sheet_record,
        own.to_vec(),
        eof.clone(),
        bof,
        cells.concat(),
        eof,
    ]
    .concat()
}

fn file(stream: &[u8]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create_with_version(cfb::Version::V3, Cursor::new(Vec::new())).unwrap();
    file.create_stream("/Workbook").unwrap().write_all(stream).unwrap();
    file.flush().unwrap();
    file.into_inner().into_inner()
}

#[derive(Debug, PartialEq)]
struct Told {
    names: Vec<String>,
    rejects: Vec<(u64, Option<&'static str>, RejectCode)>,
    counts: Counts,
    ended: Result<(), Unreadable>,
}

fn told(bytes: &[u8]) -> Told {
    let limits = DecodeLimits::default();
    let record = record_type("public-security/death").unwrap();
    let mut decoder = Decoder::new(record, &["citizen_id", "name", "death_date"], &XLS, limits, 20_500);
    let mut ended = decoder.feed(bytes);
    while ended.is_ok() {
        match decoder.finish() {
            Ok(Ended::Whole) => break,
            Ok(Ended::More) => {}
            Err(unreadable) => ended = Err(unreadable),
        }
    }
    let names = std::iter::from_fn(|| decoder.next_part())
        .flat_map(|part| {
            let names = arrow_array::cast::AsArray::as_string::<i32>(part.column(1)).clone();
            names
                .iter()
                .map(|name| name.unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    Told {
        names,
        rejects: decoder
            .take_rejects()
            .iter()
            .map(|reject| (reject.line, reject.field, reject.code))
            .collect(),
        counts: decoder.counts().clone(),
        ended,
    }
}

fn fault(bytes: &[u8]) -> FileFault {
    match told(bytes).ended {
        Err(Unreadable::File(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

fn header() -> Vec<u8> {
    [label(0, 0, "身份证号"), label(0, 1, "姓名"), label(0, 2, "死亡日期")].concat()
}

#[test]
fn every_kind_of_cell_is_read_as_what_it_is() {
    let number = |value: f64| value.to_le_bytes().to_vec();
    // A whole number and one in hundredths, in 30 bits; then the top half of a float.
    let rk = |value: i32, flags: u32| (value.cast_unsigned() << 2 | flags).to_le_bytes().to_vec();
    let text_follows = [0, 0, 0, 0, 0, 0, 0xFF, 0xFF];
    let error = [2, 0, 42, 0, 0, 0, 0xFF, 0xFF];
    let formula = |value: &[u8]| [value, &[0; 6]].concat();
    let row = |row: u16, cell: Vec<u8>| [label(row, 0, FIRST), cell].concat();
    let told = told(&file(&stream(
        &[],
        &[
            header(),
            row(1, cell(kind::NUMBER, 1, 2, &number(20_240_101.0))),
            row(2, cell(kind::RK, 2, 2, &rk(45_292, 2))),
            row(3, cell(kind::RK, 3, 2, &rk(4_529_200, 3))),
            row(4, cell(kind::BOOL_ERR, 4, 2, &[42, 1])),
            row(5, cell(kind::FORMULA, 5, 2, &formula(&error))),
            row(6, cell(kind::FORMULA, 6, 2, &formula(&number(45_293.0)))),
            [
                row(7, cell(kind::FORMULA, 7, 1, &formula(&text_follows))),
                record(kind::STRING, &[1, 0, 1, 0x32, 0x75]),
            ]
            .concat(),
            [cell(kind::NUMBER, 8, 0, &number(320_707_180_001_060_012.0))].concat(),
            row(
                9,
                record(
                    kind::MUL_RK,
                    &[
                        &9_u16.to_le_bytes()[..],
                        &[1, 0],
                        &[0, 0],
                        &rk(7, 2),
                        &[0, 0],
                        &rk(45_294, 2),
                        &[2, 0],
                    ]
                    .concat(),
                ),
            ),
        ],
    )));
    assert_eq!(told.ended, Ok(()));
    assert_eq!(
        told.rejects,
        [
            (5, Some("death_date"), RejectCode::ErrorCell),
            (6, Some("death_date"), RejectCode::ErrorCell),
            (9, Some("citizen_id"), RejectCode::LostDigits),
            (10, Some("name"), RejectCode::BadName),
        ]
    );
    // Rows 2, 3 and 4 say the same day and no name.
    assert_eq!((told.counts.received, told.counts.repeated), (9, 2));
    assert_eq!(told.names, ["", "", "甲"]);
}

#[test]
fn encryption_macros_links_and_old_forms_are_refused() {
    let with = |own: &[u8]| fault(&file(&stream(own, &[header()])));
    assert_eq!(with(&record(kind::FILE_PASS, &[1, 0])), FileFault::Encrypted);
    assert_eq!(
        with(&record(kind::SUP_BOOK, &[1, 0, 5, 0, 0])),
        FileFault::ExternalLinks
    );
    let inside = record(kind::SUP_BOOK, &[1, 0, 1, 4]);
    assert!(matches!(told(&file(&stream(&inside, &[header()]))).ended, Ok(())));
    let macros = record(kind::BOUND_SHEET, &[0, 0, 0, 0, 0, 1, 1, 0, b'M']);
    assert_eq!(with(&macros), FileFault::Macros);
    let mut old = stream(&[], &[header()]);
    old[5] = 5;
    assert!(matches!(
        fault(&file(&old)),
        FileFault::OtherForm {
            found: "a workbook from before Excel 97",
            ..
        }
    ));
}

#[test]
fn rows_that_go_backwards_and_records_that_run_out_are_damage() {
    let backwards = [header(), label(5, 1, "甲"), label(4, 1, "乙"), label(6, 1, "丙")];
    assert_eq!(
        fault(&file(&stream(&[], &backwards))),
        FileFault::Damaged {
            part: "one of its sheets"
        }
    );
    let mut cut = stream(&[], &[header()]);
    cut.truncate(cut.len() - 4);
    assert!(matches!(fault(&file(&cut)), FileFault::Truncated { .. }));
    let short = stream(&[], &[header(), record(kind::NUMBER, &[1, 0, 0, 0, 0, 0, 1])]);
    assert_eq!(
        fault(&file(&short)),
        FileFault::Damaged {
            part: "one of its sheets"
        }
    );
}

#[test]
fn a_chart_inside_a_sheet_is_passed_over() {
    let chart = [
        record(kind::BOF, &[0, 6, 0x20, 0, 0, 0, 0, 0]),
        label(90, 1, "丁"),
        record(kind::EOF, &[]),
    ];
    let cells = [
        header(),
        chart.concat(),
        [label(1, 0, FIRST), label(1, 1, "甲")].concat(),
    ];
    let told = told(&file(&stream(&[], &cells)));
    assert_eq!((told.ended, told.names), (Ok(()), vec!["甲".to_owned()]));
}

/// A table of shared texts, cut into records after these many bytes each; a cut inside characters repeats their width.
fn shared_table(texts: &[&str], lengths: &[usize]) -> Vec<u8> {
    let count = u32::try_from(texts.len()).unwrap().to_le_bytes();
    let mut pieces = vec![[count, count].concat()];
    let mut lengths = lengths.iter().cycle();
    let mut room = *lengths.next().unwrap();
    for text in texts {
        let wide: Vec<u16> = text.encode_utf16().collect();
        let is_wide = wide.iter().any(|unit| *unit > 0xFF);
        let head = [
            &u16::try_from(wide.len()).unwrap().to_le_bytes()[..],
            &[u8::from(is_wide)],
        ]
        .concat();
        pieces.last_mut().unwrap().extend(head);
        for unit in wide {
            if room == 0 {
                pieces.push(vec![u8::from(is_wide)]);
                room = *lengths.next().unwrap();
            }
            room -= 1;
            let bytes = unit.to_le_bytes();
            pieces.last_mut().unwrap().extend(&bytes[..if is_wide { 2 } else { 1 }]);
        }
    }
    let mut out = record(kind::SST, &pieces[0]);
    for piece in &pieces[1..] {
        out.extend(record(kind::CONTINUE, piece));
    }
    out
}

#[test]
fn a_cell_that_refers_to_no_text_is_a_reject() {
    let own = shared_table(&["身份证号", "姓名"], &[1000]);
    let shared = |row, column, number: u32| cell(kind::LABEL_SST, row, column, &number.to_le_bytes());
    let cells = [shared(0, 0, 0), shared(0, 1, 1), label(1, 0, FIRST), shared(1, 1, 2)];
    let told = told(&file(&stream(&own, &cells)));
    assert_eq!(told.rejects, [(2, Some("name"), RejectCode::ErrorCell)]);
}

#[test]
fn half_a_character_is_a_reject_of_the_cells_that_hold_it() {
    let half = cell(kind::LABEL, 1, 1, &[1, 0, 1, 0x40, 0xD8]);
    let told = told(&file(&stream(&[], &[header(), label(1, 0, FIRST), half])));
    assert_eq!(told.rejects, [(2, Some("name"), RejectCode::BadEncoding)]);
}

#[test]
fn a_workbook_cut_anywhere_never_panics_and_is_never_more_than_the_whole() {
    let bytes = file(&stream(&[], &[header(), label(1, 0, FIRST), label(1, 1, "甲")]));
    let whole = told(&bytes);
    assert_eq!(whole.counts.accepted, 1);
    for length in 0..bytes.len() {
        let cut = told(&bytes[..length]);
        assert!(cut.ended.is_err() || cut == whole, "{length} of {}", bytes.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn texts_cut_by_records_anywhere_are_whole(lengths in prop::collection::vec(1_usize..7, 1..5)) {
        let texts = ["身份证号", "姓名", FIRST, "甲乙丙\u{20000}丁", "abc"];
        let own = shared_table(&texts, &lengths);
        let shared = |row, column, number: u32| cell(kind::LABEL_SST, row, column, &number.to_le_bytes());
        let cells = [shared(0, 0, 0), shared(0, 1, 1), shared(1, 0, 2), shared(1, 1, 3)];
        let told = told(&file(&stream(&own, &cells)));
        prop_assert_eq!(told.ended, Ok(()));
        prop_assert_eq!(told.names, vec!["甲乙丙\u{20000}丁".to_owned()]);
    }

    #[test]
    fn no_change_of_bytes_ends_in_a_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let own = shared_table(&["身份证号", "姓名", "甲"], &[3]);
        let shared = |row, column, number: u32| cell(kind::LABEL_SST, row, column, &number.to_le_bytes());
        let cells = [shared(0, 0, 0), shared(0, 1, 1), label(1, 0, FIRST), shared(1, 1, 2)];
        let bytes = stream(&own, &cells);
        // In the stream, and in the compound file around it.
        let mut changed = bytes.clone();
        for (at, value) in &changes {
            changed[at.index(bytes.len())] = *value;
        }
        let mut around = file(&bytes);
        for (at, value) in &changes {
            let at = at.index(around.len());
            around[at] = *value;
        }
        for bytes in [file(&changed), around] {
            let told = told(&bytes);
            prop_assert_eq!(told.counts.received, told.counts.accepted + told.counts.rejected + told.counts.repeated);
        }
    }
}

/// A workbook whose list names sheets at these places behind its own records.
fn listed(places: &[usize], sheets: &[u8]) -> Vec<u8> {
    let bof = record(kind::BOF, &[0, 6, 5, 0, 0, 0, 0, 0]);
    let eof = record(kind::EOF, &[]);
    let entry = |at: usize| {
        let at = u32::try_from(at).unwrap().to_le_bytes();
        record(kind::BOUND_SHEET, &[&at[..], &[0, 0, 1, 0, b'A']].concat())
    };
    let behind = bof.len() + entry(0).len() * places.len() + eof.len();
    let list = places.iter().flat_map(|at| entry(behind + at)).collect();
    [bof, list, eof, sheets.to_vec()].concat()
}

#[test]
fn sheets_at_one_place_and_too_many_of_them_are_refused() {
    let bof = record(kind::BOF, &[0, 6, 16, 0, 0, 0, 0, 0]);
    let eof = record(kind::EOF, &[]);
    let sheet = [
        bof.clone(),
        header(),
        label(1, 0, FIRST),
        label(1, 1, "甲"),
        eof.clone(),
    ]
    .concat();
    let damaged = FileFault::Damaged {
        part: "the records of the workbook",
    };
    assert_eq!(fault(&file(&listed(&[0, 0], &sheet))), damaged);
    assert_eq!(fault(&file(&listed(&[], &sheet))), damaged);
    let limit = DecodeLimits::default().workbook_sheets_max;
    let many: Vec<usize> = (0..=limit).collect();
    assert_eq!(fault(&file(&listed(&many, &sheet))), FileFault::TooManySheets { limit });
    assert_eq!(told(&file(&listed(&[0], &sheet))).names, ["甲"]);
}

#[test]
fn a_sheet_ends_where_the_next_begins_so_that_none_is_read_as_part_of_another() {
    let bof = record(kind::BOF, &[0, 6, 16, 0, 0, 0, 0, 0]);
    let eof = record(kind::EOF, &[]);
    let table = [header(), label(1, 0, FIRST), label(1, 1, "甲")].concat();
    // The first has no end of its own, and would run through all of the second as a chart in it.
    let nested = [bof.clone(), bof.clone(), table.clone(), eof.clone(), eof.clone()].concat();
    let truncated = fault(&file(&listed(&[0, bof.len()], &nested)));
    assert_eq!(
        truncated,
        FileFault::Truncated {
            part: "one of its sheets"
        }
    );
    let apart = [bof.clone(), eof.clone(), bof.clone(), table, eof.clone()].concat();
    assert_eq!(told(&file(&listed(&[0, bof.len() + eof.len()], &apart))).names, ["甲"]);
}

#[test]
fn of_two_formats_with_one_number_the_first_counts_and_more_styles_than_a_cell_can_name_are_damage() {
    let format = |number: u16, code: &str| {
        let count = u16::try_from(code.len()).unwrap();
        record(
            kind::FORMAT,
            &[&number.to_le_bytes()[..], &count.to_le_bytes(), &[0], code.as_bytes()].concat(),
        )
    };
    let style = |number: u16| record(kind::XF, &[&[0, 0], &number.to_le_bytes()[..], &[0; 16]].concat());
    let read = |own: &[u8]| Book::open(file(&stream(own, &[header()])), &DecodeLimits::default());
    let zeros = [format(164, "00000"), format(164, "0.00"), style(164)].concat();
    assert!(matches!(*read(&zeros).unwrap().forms, [Form::Zeros(5)]));
    let plain = [format(164, "0"), format(164, "00000"), style(164), style(165)].concat();
    assert!(matches!(*read(&plain).unwrap().forms, [Form::Plain, Form::Plain]));
    assert_eq!(read(&style(0).repeat(1 << 16)).unwrap().forms.len(), 1 << 16);
    let many = read(&style(0).repeat((1 << 16) + 1)).err();
    assert!(matches!(many, Some(FileFault::Damaged { .. })), "{many:?}");
}
