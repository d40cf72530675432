use std::sync::Arc;

use super::*;
use crate::decode::TrailerFault;
use crate::layout::{LayoutFault, Mapping, MappingFault, Total, Trailer};

fn lines(form: Delimited) -> Layout {
    Layout::new(Format::Delimited(form), Encoding::Utf8)
}

fn trailer() -> Trailer<usize> {
    Trailer {
        mark: "END".into(),
        count: 1,
        sums: vec![Total {
            column: "sl".into(),
            at: 2,
        }],
    }
}

fn with_trailer() -> Layout {
    lines(Delimited::new(Delimiter::Comma).with_trailer(trailer()).unwrap())
}

#[test]
fn long_delimiters_split_wherever_frames_are_cut() {
    for delimiter in Delimiter::ALL {
        let layout = delimited(delimiter, Encoding::Utf8);
        let text = "title,sl,bz\r\n甲,1,x\n\n乙,2,\r\n丙,3,!@\n".replace(',', delimiter.text());
        let whole = read(layout.clone(), &text);
        assert_eq!(titles(&whole), ["甲", "乙", "丙"], "{delimiter:?}");
        for at in 0..text.len() {
            let (left, right) = text.as_bytes().split_at(at);
            assert_eq!(
                told(layout.clone(), limits(), &[left, right]),
                whole,
                "{delimiter:?} {at}"
            );
        }
    }
}

#[test]
fn without_quoting_a_quote_is_a_character() {
    let layout = lines(Delimited {
        quotes: false,
        ..Delimited::new(Delimiter::Pipe)
    });
    let told = read(layout, "title|sl|bz\n\"甲\"丙|1|a\"b\n\"乙|2|\"\n");
    assert_eq!(titles(&told), ["\"甲\"丙", "\"乙"]);
}

#[test]
fn columns_may_be_stated_instead_of_a_header_row() {
    let form = Delimited::new(Delimiter::Comma);
    let stated = form
        .clone()
        .with_columns(vec!["bt".into(), "x".into(), "sl".into()])
        .unwrap();
    let told = read(lines(stated), "甲,x,1\n乙,y,2\n丙,z\n");
    assert_eq!(titles(&told), ["甲", "乙"]);
    assert_eq!(told.unknown, ["x"]);
    assert_eq!(rejected(&told), [(3, 3, None, RejectCode::ColumnCount)]);
    let lacking = form.clone().with_columns(vec!["sl".into()]).unwrap();
    let error = read(lines(lacking), "1\n").ended.unwrap_err();
    assert!(matches!(error, Unreadable::BadHeaderRow { .. }));
    assert_eq!(form.with_columns(Vec::new()), Err(LayoutFault::NoColumn));
}

#[test]
fn title_rows_are_not_read_and_still_are_lines() {
    let layout = lines(Delimited {
        title_rows: 2,
        ..Delimited::new(Delimiter::Comma)
    });
    let text = "某市\"登记表\n\ntitle,sl\n甲,x\n";
    for at in 0..text.len() {
        let (left, right) = text.as_bytes().split_at(at);
        let told = told(layout.clone(), limits(), &[left, right]);
        assert_eq!(
            (told.rejects[0].line, told.rejects[0].field),
            (4, Some("count")),
            "{at}"
        );
    }
    let limits = DecodeLimits {
        record_bytes_max: 40,
        ..limits()
    };
    let endless = told(layout, limits, &["x".repeat(50).as_bytes()]);
    assert_eq!(endless.ended, Err(Unreadable::RecordTooLong { line: 1 }));
}

#[test]
fn a_trailer_that_holds_is_no_record() {
    let text = "title,sl,bz\n甲,1.50,x\n\"乙\",2,\n甲,x,x\n,-0.25,\nEND,4,3.25\n\n";
    // One count is no number, so no sum can hold.
    let broken = read(with_trailer(), text).ended.unwrap_err();
    assert!(matches!(
        broken,
        Unreadable::WrongTrailer {
            line: 6,
            why: TrailerFault::Sum { .. }
        }
    ));
    let told = read(with_trailer(), &text.replace("甲,x,x", "甲,,x"));
    assert_eq!(told.ended, Ok(()));
    assert_eq!((told.counts.received, told.counts.rejected), (4, 2));
}

#[test]
fn a_trailer_that_does_not_hold_refuses_the_batch() {
    let rows = "title,sl,bz\n甲,1,x\n乙,2,\n";
    let cases = [
        ("", 4, TrailerFault::Absent),
        ("END,3,3\n", 4, TrailerFault::Rows { stated: 3, found: 2 }),
        ("END,x,3\n", 4, TrailerFault::NoCount),
        ("END\n", 4, TrailerFault::NoCount),
        ("END,2,3.01\n", 4, TrailerFault::Sum { column: "sl".into() }),
        ("END,2,3\n丙,1,x\n", 5, TrailerFault::NotLast),
        ("END,2,3\nEND,2,3\n", 5, TrailerFault::NotLast),
    ];
    for (end, line, why) in cases {
        let told = read(with_trailer(), &format!("{rows}{end}"));
        assert_eq!(told.ended, Err(Unreadable::WrongTrailer { line, why }), "{end}");
    }
    assert_eq!(read(with_trailer(), &format!("{rows}END,2,3")).ended, Ok(()));
}

#[test]
fn a_byte_that_is_no_character_rejects_where_the_field_is_wanted() {
    // 0xFF is in neither charset; the secret column is not wanted.
    let text = b"title,bz,jm\na\xff,x,y\nb,\"x\n\xff\",y\nc,x,\xff\xff\n\xff\n\"\xff\",,\nd,,\n";
    let expected = [
        (1, 2, Some("title"), 13),
        (2, 3, Some("note"), 24),
        (4, 6, None, 0),
        (5, 7, Some("title"), 39),
    ];
    for encoding in [Encoding::Utf8, Encoding::Gb18030] {
        for at in 0..text.len() {
            let layout = delimited(Delimiter::Comma, encoding);
            let told = told(layout, limits(), &[&text[..at], &text[at..]]);
            assert_eq!(told.ended, Ok(()));
            assert_eq!(titles(&told), ["c", "d"]);
            let found: Vec<_> = told
                .rejects
                .iter()
                .map(|reject| (reject.row, reject.line, reject.field, reject.offset.unwrap_or(0)))
                .collect();
            assert_eq!(found, expected, "{encoding:?} {at}");
        }
    }
    let bytes = told(
        delimited(Delimiter::PipeBang, Encoding::Utf8),
        limits(),
        &[b"bt|!|jm\na\xff|!|b\nc|!|\xff"],
    );
    assert_eq!(
        (titles(&bytes), bytes.rejects[0].offset),
        (vec!["c".to_owned()], Some(9))
    );
}

#[test]
fn a_byte_that_is_no_character_in_the_header_row_refuses_the_batch() {
    let error = told(CSV, limits(), &[b"title,\xff\na,b\n"]).ended.unwrap_err();
    assert_eq!(error, Unreadable::BadEncoding { offset: 6, line: 1 });
}

#[test]
fn a_character_that_the_end_cuts_off_rejects_the_last_record() {
    for (encoding, text) in [(Encoding::Utf8, "title\n甲\n乙"), (Encoding::Gb18030, "title\n甲\n乙")] {
        let bytes = match encoding {
            Encoding::Utf8 => text.as_bytes().to_vec(),
            Encoding::Gb18030 => encoding_rs::GB18030.encode(text).0.into_owned(),
        };
        let told = told(
            delimited(Delimiter::Comma, encoding),
            limits(),
            &[&bytes[..bytes.len() - 1]],
        );
        assert_eq!(titles(&told), ["甲"]);
        let reject = &told.rejects[0];
        let offset = if encoding == Encoding::Utf8 { 10 } else { 9 };
        assert_eq!((reject.code, reject.offset), (RejectCode::BadEncoding, Some(offset)));
    }
}

#[test]
fn a_mapping_goes_before_the_catalogue() {
    // What this sender calls `xm` is the note; its `title` column is something else.
    let headers = [("XM", "note"), ("名字", "title"), ("title", "-")];
    let mapping = Mapping::new(&PLAIN, headers, [("note", "1", "甲类"), ("count", "一", "1")]).unwrap();
    let layout = CSV.with_mapping(Arc::new(mapping));
    let told = read(layout, "xm,名字,sl,title\n 1 ,甲,一,x\n2,乙,二,y\n");
    assert_eq!(titles(&told), ["甲"]);
    assert_eq!(told.unknown, Vec::<String>::new());
    let part = &told.parts[0];
    assert_eq!(part.column(2).as_string::<i32>().value(0), "甲类");
    assert_eq!(part.column(1).as_primitive::<Int64Type>().value(0), 1);
    assert_eq!((told.rejects[0].row, told.rejects[0].field), (2, Some("count")));
}

#[test]
fn marks_of_spreadsheets_before_numbers_are_no_part_of_them() {
    let told = read(CSV, "title,sl\n'甲,'12\n\t乙,\t7 \n　丙　,　3\n");
    assert_eq!(titles(&told), ["甲", "乙", "丙"]);
}

#[test]
fn a_reject_has_the_senders_own_number_of_the_row_and_no_record_has_it() {
    let mapping = Mapping::new(&PLAIN, [("流水号", "row_id")], []).unwrap();
    let layout = CSV.with_mapping(Arc::new(mapping));
    // Good; bad, with a number; bad, with what could be a person's; of another form, so that nobody knows which column is which.
    let text = "流水号,title,count\nA-1,甲,1\nA-2,乙,x\n320706186001010008,丙,x\nA-4,丁\n";
    let told = read(layout, text);
    assert_eq!(told.ended, Ok(()));
    let ids: Vec<Option<&str>> = told.rejects.iter().map(|reject| reject.id.as_deref()).collect();
    assert_eq!(ids, [Some("A-2"), None, None]);
    assert_eq!(titles(&told), ["甲"]);
    assert_eq!(told.parts[0].num_columns(), WANTED.len());
    assert_eq!(told.unknown, Vec::<String>::new());
}

#[test]
fn without_a_layout_no_column_is_the_number_of_a_row() {
    let told = read(CSV, "row_id,title,count\nA-1,甲,x\n");
    assert_eq!(told.rejects[0].id, None);
    assert_eq!(told.unknown, ["row_id"]);
    let coded = Mapping::new(&PLAIN, [("流水号", "row_id")], [("row_id", "1", "2")]);
    assert_eq!(coded, Err(vec![MappingFault::UnknownField("row_id".into())]));
}
