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

/// The same told of every cut of the text into two frames, and of frames of one byte.
fn told_however_cut(layout: &Layout, limits: DecodeLimits, text: &str) -> Told {
    let whole = told(layout.clone(), limits, &[text.as_bytes()]);
    for at in 0..text.len() {
        let (left, right) = text.as_bytes().split_at(at);
        assert_eq!(told(layout.clone(), limits, &[left, right]), whole, "cut at {at}");
    }
    let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(told(layout.clone(), limits, &single), whole);
    whole
}

#[test]
fn a_quote_that_never_closes_costs_no_other_row() {
    let rows: Vec<String> = (3..=40).map(|row| format!("r{row},{row},x\n")).collect();
    let rows = rows.concat();
    for end in ["\n", "\r\n", "\r"] {
        let text = format!("title,sl,bz\na,1,x\nb,2,\"乐园小区\n{rows}").replace('\n', end);
        let told = told_however_cut(&CSV, limits(), &text);
        assert_eq!((told.ended, told.counts.received), (Ok(()), 40), "{end:?}");
        assert_eq!((told.counts.accepted, told.rejects.len()), (40, 0), "{end:?}");
        let second = &told.parts[0].column(2).as_string::<i32>();
        assert_eq!(second.value(1), "\"乐园小区");
    }
}

#[test]
fn a_quote_that_closes_rows_later_rejects_what_is_wrong_and_nothing_else() {
    // The field of line 3 closes on line 6, at the beginning of a field that goes on to line 7.
    let text = "title,sl,bz\na,1,x\nb,\"x,2,x\nc,3,\"\"\nd,x,4\ne,5,\"one\ntwo\"\nf,6,x\n";
    let told = told_however_cut(&CSV, limits(), text);
    assert_eq!(titles(&told), ["a", "c", "e", "f"]);
    let expected = [
        (2, 3, None, RejectCode::ColumnCount),
        (4, 5, Some("count"), RejectCode::BadNumber),
    ];
    assert_eq!(rejected(&told), expected);
    assert_eq!(told.parts[1].column(2).as_string::<i32>().value(0), "one two");
}

#[test]
fn the_line_that_ends_a_record_of_another_width_begins_no_other() {
    // Its quotes are paired. Read as the beginning of a field, the last one would take the rows up to the next quote.
    let told = told_however_cut(&CSV, limits(), "title,sl,bz\na,\"x\n\",1,2,3\nb,2,x\nc,3,\"y\"\n");
    assert_eq!(titles(&told), ["b", "c"]);
    let expected = [
        (1, 2, None, RejectCode::ColumnCount),
        (2, 3, None, RejectCode::ColumnCount),
    ];
    assert_eq!(rejected(&told), expected);
}

#[test]
fn a_quote_that_swallows_rows_and_leaves_the_right_number_of_columns_is_seen_through() {
    // As quoted, lines 2 to 4 are one record of two columns: what follows the closing quote tells that it is none.
    let told = told_however_cut(&CSV, limits(), "title,bz\na,\"x\nb,y\nc,\"z\"\nd,\"1\n2\" \n");
    assert_eq!(titles(&told), ["a", "b", "c", "d"]);
    assert_eq!(told.counts.received, 4);
}

#[test]
fn a_byte_that_is_no_character_is_found_again_on_the_line_that_it_spoils() {
    let text = b"title,sl,bz\na,1,\"x\nb,2,\xff\nc\xff,3,y\nd,4,\"z\"\xff\ne,5,x\n";
    for at in 0..text.len() {
        let told = told(CSV, limits(), &[&text[..at], &text[at..]]);
        assert_eq!(titles(&told), ["a", "e"], "{at}");
        let found: Vec<_> = told
            .rejects
            .iter()
            .map(|reject| (reject.line, reject.field, reject.offset))
            .collect();
        assert_eq!(
            found,
            [
                (3, Some("note"), Some(23)),
                (4, Some("title"), Some(26)),
                (5, Some("note"), Some(39))
            ],
            "{at}"
        );
    }
}

#[test]
fn a_trailer_behind_a_quote_that_never_closes_still_counts() {
    let told = told_however_cut(&with_trailer(), limits(), "title,sl,bz\na,1,\"x\nb,2,\nEND,2,3\n");
    assert_eq!((told.ended, told.counts.accepted), (Ok(()), 2));
    let short = read(with_trailer(), "title,sl,bz\na,1,\"x\nb,2,\nEND,1,3\n").ended;
    let why = TrailerFault::Rows { stated: 1, found: 2 };
    assert_eq!(short, Err(Unreadable::WrongTrailer { line: 4, why }));
}

#[test]
fn a_record_of_many_lines_is_read_line_by_line_beyond_the_longest_record() {
    let limits = DecodeLimits {
        record_bytes_max: 40,
        ..limits()
    };
    let long = "y".repeat(50);
    let text = format!(
        "title,bz\na,\"x\n{}b,\"{long}\nc,z\n\"d\",\"1\n2\"\n",
        "r,x\ns,y\n".repeat(9)
    );
    let told = told_however_cut(&CSV, limits, &text);
    assert_eq!(told.ended, Ok(()));
    assert_eq!(rejected(&told), [(20, 21, None, RejectCode::RecordTooLong)]);
    assert_eq!(
        (told.counts.received, told.counts.accepted + told.counts.repeated),
        (22, 21)
    );
}

#[test]
fn lines_that_all_open_a_quote_and_close_another_take_no_more_than_their_length() {
    // As quoted, no record of these ends: without a bound every line would be read with all that follow.
    let text = format!("title,bz\n{}", "a\"b,\"c\n".repeat(200_000));
    let told = told(CSV, DecodeLimits::default(), &[text.as_bytes()]);
    assert_eq!(
        (told.ended, told.counts.received, told.counts.rejected),
        (Ok(()), 200_000, 0)
    );
}

#[test]
fn a_row_of_nothing_but_delimiters_is_a_blank_line() {
    let told = told_however_cut(&CSV, limits(), "title,bz,sl\na,,\n,,\n\"\", ,\n,\nb,,x\n,,");
    assert_eq!(titles(&told), ["a"]);
    assert_eq!(told.rejects.len(), 1);
    assert_eq!(
        (told.counts.received, told.rejects[0].row, told.rejects[0].line),
        (2, 2, 6)
    );
}

/// The line at which each record begins, as the lines are told apart.
fn begun_at(form: &Delimited, limits: DecodeLimits, text: &str) -> Vec<u64> {
    let mut lines = crate::decode::RecordLines::new(form, limits).of(&PLAIN, None);
    let mut together = Vec::new();
    for line in text.split_inclusive('\n') {
        lines.push(line, &mut together);
    }
    lines.finish(&mut together);
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let (mut at, mut begun) = (0, Vec::new());
    for group in together {
        let (count, is_record) = match group {
            crate::decode::Together::Beside => (1, false),
            crate::decode::Together::Header(lines) => (lines, false),
            crate::decode::Together::Record(lines) => (lines, true),
        };
        // A blank line inside of what was taken for a field is no record.
        if is_record && !all[at].trim_end_matches(['\r', '\n']).is_empty() {
            begun.push(at as u64 + 1);
        }
        at += count;
    }
    assert_eq!(at, all.len(), "{text}");
    begun
}

proptest! {
    #[test]
    fn lines_are_told_apart_as_the_decoder_reads_them(body in "[ab\",\n姓]{0,60}", titles in 0_u32..2, above in "([甲\",]{0,6}\n){0,2}", stated in any::<bool>()) {
        // Nothing of these columns is ever accepted, so that each record has its reject and with it its line.
        let mut form = Delimited { title_rows: titles, ..Delimited::new(Delimiter::Comma) };
        let mut text = "t\"\n".repeat(titles as usize);
        if stated {
            form = form.with_columns(vec!["title".into(), "x".into(), "sl".into()]).unwrap();
        } else {
            text.push_str(&above);
            text.push_str("title,x,sl\n");
        }
        text.push_str(&body);
        let limits = DecodeLimits { record_bytes_max: 20, part_rows: 1, field_bytes_max: 0, ..limits() };
        let mut decoder = Decoder::new(&PLAIN, &["title", "count"], &lines(form.clone()), limits, TODAY);
        let ended = decoder.feed(text.as_bytes()).and_then(|()| decoder.finish());
        // A quote in a title may reach over the header row; the file is then refused.
        prop_assume!(ended.is_ok());
        let rejects: Vec<u64> = decoder.take_rejects().iter().map(|reject| reject.line).collect();
        prop_assert_eq!(decoder.counts().accepted, 0);
        // A record of blank fields is no record, and says so of no line.
        let all: Vec<&str> = text.split('\n').collect();
        let says = |line: &u64| !all[usize::try_from(*line).unwrap() - 1].chars().all(|letter| matches!(letter, ',' | '"'));
        let [begun, rejects] = [begun_at(&form, limits, &text), rejects].map(|lines| lines.into_iter().filter(says).collect::<Vec<_>>());
        prop_assert_eq!(begun, rejects);
    }
}
