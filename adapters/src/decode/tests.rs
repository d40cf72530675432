#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod around;
mod card;
mod charset;
mod delimited;
mod document;
mod fixed;
mod history;
mod operations;
mod spread;
mod stated;
mod whole;
mod whose;
mod xml;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use proptest::prelude::*;

use super::{DecodeLimits, Decoder, Ended, Unreadable};
use crate::catalogue::{Agency, Class, Field, FieldType, RecordType};
use crate::layout::{Delimited, Delimiter, Encoding, Format, Layout};
use crate::reject::{Reject, RejectCode};
use crate::value::{self, Scratch, Value};

static PLAIN: RecordType = RecordType {
    fields: &[
        field("title", "标题", FieldType::Text(200), true, &["BT", "xm"]),
        field("count", "数量", FieldType::Integer(1_000_000), false, &["sl"]),
        field("note", "备注", FieldType::Text(4000), false, &["bz"]),
        field("secret", "机密", FieldType::Text(10), true, &["jm"]),
    ],
    keys: &[&["title"]],
    ..RecordType::new(Agency::Tax, "tax/plain", "简表")
};

const WANTED: [&str; 3] = ["title", "count", "note"];
const TODAY: i32 = 20_000;

const fn field(
    name: &'static str,
    zh: &'static str,
    kind: FieldType,
    required: bool,
    aliases: &'static [&'static str],
) -> Field {
    let field = Field::new(name, zh, kind, Class::C1).known_as(aliases);
    if required { field.required() } else { field }
}

const fn delimited(delimiter: Delimiter, encoding: Encoding) -> Layout {
    Layout::new(Format::Delimited(Delimited::new(delimiter)), encoding)
}

const CSV: Layout = delimited(Delimiter::Comma, Encoding::Utf8);
const NDJSON: Layout = Layout::new(Format::Ndjson, Encoding::Utf8);

fn limits() -> DecodeLimits {
    DecodeLimits {
        part_rows: 2,
        ..DecodeLimits::default()
    }
}

/// Everything that a decoder says about a batch.
#[derive(Debug, PartialEq)]
struct Told {
    parts: Vec<RecordBatch>,
    rejects: Vec<Reject>,
    counts: super::Counts,
    ended: Result<(), Unreadable>,
    unknown: Vec<String>,
}

fn told(layout: Layout, limits: DecodeLimits, frames: &[&[u8]]) -> Told {
    let mut decoder = Decoder::new(&PLAIN, &WANTED, &layout, limits, TODAY);
    let mut parts = Vec::new();
    let mut rejects = Vec::new();
    let mut ended = Ok(());
    for frame in frames {
        ended = ended.and_then(|()| decoder.feed(frame));
        parts.extend(std::iter::from_fn(|| decoder.next_part()));
        rejects.extend(decoder.take_rejects());
    }
    let mut more = ended.is_ok();
    while more {
        let step = decoder.finish();
        parts.extend(std::iter::from_fn(|| decoder.next_part()));
        rejects.extend(decoder.take_rejects());
        more = step == Ok(Ended::More);
        ended = step.map(|_| ());
    }
    let counts = decoder.counts().clone();
    assert_eq!(
        counts.received,
        counts.accepted + counts.rejected + counts.repeated + counts.history
    );
    assert_eq!(counts.rejected, counts.by_code.values().sum::<u64>());
    Told {
        parts,
        rejects,
        counts,
        ended,
        unknown: decoder.unknown_headers().to_vec(),
    }
}

fn read(layout: Layout, text: &str) -> Told {
    told(layout, limits(), &[text.as_bytes()])
}

/// Row, line, field and code of each reject.
fn rejected(told: &Told) -> Vec<(u64, u64, Option<&str>, RejectCode)> {
    told.rejects
        .iter()
        .map(|reject| (reject.row, reject.line, reject.field, reject.code))
        .collect()
}

fn titles(told: &Told) -> Vec<String> {
    told.parts
        .iter()
        .flat_map(|part| {
            part.column(0)
                .as_string::<i32>()
                .iter()
                .map(|title| title.unwrap().to_owned())
        })
        .collect()
}

const FEED: &str = "标题,sl , *BZ,机密,其他\r\n甲,1,\"一\n\"\"二\"\",三\",x,y\r\n\r\n乙,,b,x,y\n丙,3,c,x\n甲,1,\"一\n\"\"二\"\",三\",z,z\n丁,x,,,\n戊,5,,,";

#[test]
fn headers_are_matched_by_any_name_and_rows_become_columns() {
    let told = read(CSV, FEED);
    assert_eq!(told.ended, Ok(()));
    assert_eq!(titles(&told), ["甲", "乙", "甲", "戊"]);
    assert_eq!(told.unknown, ["其他"]);
    let first = &told.parts[0];
    assert_eq!(first.column(2).as_string::<i32>().value(0), "一 \"二\",三");
    assert_eq!(first.column(1).as_primitive::<Int64Type>().value(0), 1);
    assert!(first.column(1).is_null(1));
    let rejects = rejected(&told);
    assert_eq!(rejects[0], (3, 7 - 1, None, RejectCode::ColumnCount));
    assert_eq!((rejects[1].0, rejects[1].1, rejects[1].2), (5, 9, Some("count")));
    assert_eq!(rejects.len(), 2);
}

#[test]
fn every_cut_of_a_feed_gives_the_same_parts() {
    let objects = "\u{feff}{\"bt\":\"甲\",\"sl\":1,\"jm\":[{}]}\r\n\n{\"BT\":\"乙\\n\",\"sl\":\"2\"}\nnull\n{\"bt\":\"丙\",\"xm\":\"丁\"}\n{\"bt\":\"戊\"}";
    for (layout, text) in [(CSV, FEED), (NDJSON, objects)] {
        let whole = read(layout.clone(), text);
        assert!(whole.parts.len() >= 2);
        let gb = encoding_rs::GB18030.encode(text).0.into_owned();
        for (encoding, bytes) in [(Encoding::Utf8, text.as_bytes()), (Encoding::Gb18030, &gb)] {
            let layout = Layout {
                encoding,
                ..layout.clone()
            };
            for at in 0..=bytes.len() {
                let (left, right) = bytes.split_at(at);
                assert_eq!(told(layout.clone(), limits(), &[left, right]), whole, "cut at {at}");
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(told(layout, limits(), &single), whole);
        }
    }
}

#[test]
fn truncation_at_every_byte_is_survived() {
    for encoding in [Encoding::Utf8, Encoding::Gb18030] {
        let bytes = match encoding {
            Encoding::Utf8 => FEED.as_bytes().to_vec(),
            Encoding::Gb18030 => encoding_rs::GB18030.encode(FEED).0.into_owned(),
        };
        for at in 0..bytes.len() {
            told(delimited(Delimiter::Comma, encoding), limits(), &[&bytes[..at]]);
        }
    }
}

#[test]
fn the_same_table_gives_the_same_columns_in_every_form() {
    let rows = [("甲", "1", "a|b"), ("乙", "", "c,d"), ("丙", "77", "\"e\"\n\tf")];
    let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut all = Vec::new();
    for delimiter in [Delimiter::Comma, Delimiter::Tab, Delimiter::Pipe] {
        let layout = delimited(delimiter, Encoding::Utf8);
        let delimiter = delimiter.text();
        let mut text = ["title", "count", "note"].join(delimiter);
        for (title, count, note) in rows {
            text.push('\n');
            text.push_str(&[title, count, &quote(note)].join(delimiter));
        }
        all.push(read(layout, &text));
    }
    let object = |(title, count, note): (&str, &str, &str)| {
        let count = if count.is_empty() { "null" } else { count };
        format!(
            "{{\"note\":{},\"count\":{count},\"title\":\"{title}\"}}",
            serde_json::json!(note)
        )
    };
    all.push(read(NDJSON, &rows.map(object).join("\n")));
    assert_eq!(all[0].counts.accepted, 3);
    for other in &all {
        assert_eq!(other.parts, all[0].parts);
    }
}

#[test]
fn parts_have_exactly_the_rows_that_were_asked_for() {
    let text: String = std::iter::once("title".to_owned())
        .chain((0..7).map(|row| format!("\nr{row}")))
        .collect();
    let rows: Vec<usize> = read(CSV, &text).parts.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [2, 2, 2, 1]);
}

#[test]
fn a_repeat_inside_a_part_is_dropped_and_counted() {
    let told = told(
        CSV,
        DecodeLimits::default(),
        &[b"title,count,jm\na,1,x\nb,1,x\na,1,y\na,2,x\nb,1,x\n"],
    );
    assert_eq!(titles(&told), ["a", "b", "a"]);
    assert_eq!((told.counts.accepted, told.counts.repeated), (3, 2));
}

#[test]
fn a_header_row_that_lacks_or_repeats_a_field_is_refused() {
    let lacking = read(CSV, "sl,bz\n1,2\n").ended.unwrap_err();
    assert!(matches!(&lacking, Unreadable::BadHeaderRow { missing, .. } if missing == &["title"]));
    for headers in ["title,* Title,sl", "xm,BT,sl,XM", "title,sl,SL"] {
        let twice = read(CSV, &format!("{headers}\n")).ended.unwrap_err();
        assert!(
            matches!(&twice, Unreadable::BadHeaderRow { twice, .. } if twice.len() == 1),
            "{headers}"
        );
    }
    // Required, but not wanted: its absence is no business of this batch.
    assert_eq!(read(CSV, "title\na\n").ended, Ok(()));
}

#[test]
fn of_several_names_of_one_field_the_first_in_the_catalogue_is_read_and_the_others_are_told() {
    let xml = Layout::from_content_type("application/xml").unwrap();
    let records = "<r><row><xm>丙</xm><bt>乙</bt><标题>甲</标题><sl>1</sl></row><row 标题=\"丁\"><xm>x</xm></row></r>";
    let objects = "{\"xm\":\"丙\",\"bt\":\"乙\",\"标题\":\"甲\",\"sl\":1}\n{ \"标题\":\"\\u4e01\", \"xm\":\"x\"}\n";
    for (layout, text) in [
        (CSV, "xm,bt,标题,sl\n丙,乙,甲,1\nx,,丁,\n"),
        (NDJSON, objects),
        (xml, records),
    ] {
        let mut decoder = Decoder::new(&PLAIN, &WANTED, &layout, limits(), TODAY);
        decoder.feed(text.as_bytes()).unwrap();
        let _ = decoder.finish().unwrap();
        let part = decoder.next_part().unwrap();
        let titles: Vec<_> = part.column(0).as_string::<i32>().iter().flatten().collect();
        assert_eq!(titles, ["甲", "丁"], "{text}");
        let unread = decoder.unread_headers();
        let told: Vec<_> = unread
            .iter()
            .map(|of| (of.field, of.name, of.read, of.fills_in))
            .collect();
        assert_eq!(
            told,
            [("title", "xm", "标题", true), ("title", "bt", "标题", true)],
            "{text}"
        );
        assert_eq!(decoder.recognised()[0], ("title", "标题"));
        assert_eq!(decoder.unknown_headers(), [""; 0]);
    }
    // What is not wanted is not worth a word; two marks of secrecy are two.
    let mut decoder = Decoder::new(&PLAIN, &["count"], &CSV, limits(), TODAY);
    decoder.feed(b"xm,bt,sl\na,b,1\n").unwrap();
    let _ = decoder.finish().unwrap();
    assert_eq!((decoder.unread_headers(), decoder.counts().accepted), (vec![], 1));
    assert!(matches!(
        read(CSV, "bt,密级,涉密等级\n").ended,
        Err(Unreadable::BadHeaderRow { twice, .. }) if twice.len() == 1
    ));
}

#[test]
fn of_several_names_each_row_is_read_from_the_first_that_says_anything() {
    let xml = Layout::from_content_type("application/xml").unwrap();
    let records = "<r><row><标题/><xm>甲</xm></row><row><xm>x</xm><标题>乙</标题></row><row><标题></标题><bt/><xm>丙</xm></row></r>";
    let objects =
        "{\"标题\":\"\",\"xm\":\"甲\"}\n{\"xm\":\"x\",\"标题\":\"乙\"}\n{\"xm\":\"丙\",\"bt\":null,\"标题\":\"\"}\n";
    for (layout, text) in [
        (CSV, "xm,bt,标题\n甲,,\nx,,乙\n丙,无,-\n"),
        (NDJSON, objects),
        (xml, records),
    ] {
        assert_eq!(titles(&read(layout, text)), ["甲", "乙", "丙"], "{text}");
    }
}

#[test]
fn what_a_layout_names_gives_way_to_no_other_name() {
    let mapping = crate::layout::Mapping::new(&PLAIN, [("名字", "title")], []).unwrap();
    let layout = CSV.with_mapping(std::sync::Arc::new(mapping));
    let told = read(layout, "title,名字\na,\nb,c\n");
    assert_eq!(titles(&told), ["c"]);
    assert_eq!(rejected(&told), [(1, 2, Some("title"), RejectCode::Missing)]);
}

#[test]
fn what_a_layout_names_goes_before_every_name_of_the_catalogue() {
    let mapping = crate::layout::Mapping::new(&PLAIN, [("名字", "title"), ("又名", "title")], []).unwrap();
    let layout = CSV.with_mapping(std::sync::Arc::new(mapping));
    assert_eq!(titles(&read(layout.clone(), "title,名字\na,b\n")), ["b"]);
    let both = read(layout, "又名,名字\na,b\n").ended.unwrap_err();
    assert!(matches!(&both, Unreadable::BadHeaderRow { twice, .. } if twice == &["title"]));
}

#[test]
fn a_decoder_that_failed_repeats_its_error() {
    let mut decoder = Decoder::new(&PLAIN, &WANTED, &CSV, limits(), TODAY);
    // The first bytes are looked at together.
    assert_eq!(decoder.feed(b"sl\n1\n"), Ok(()));
    let error = decoder.finish().unwrap_err();
    assert_eq!(decoder.feed(b"title\n"), Err(error.clone()));
    assert_eq!(decoder.finish(), Err(error));
}

#[test]
fn a_record_that_is_too_long_is_a_reject_while_its_end_is_near() {
    let limits = DecodeLimits {
        record_bytes_max: 40,
        ..limits()
    };
    let long = "x".repeat(60);
    let quoted = format!("title,sl\na,1\n\"{long}\n{long}\",1\n{long},2\nb,2\n");
    let objects = format!("{{\"title\":\"a\"}}\n{{\"title\":\"{long}\"}}\r\n{{\"title\":\"b\"}}\n");
    // The quoted record is of two lines, each too long by itself.
    for (layout, text, lines) in [(CSV, quoted, vec![3, 4, 5]), (NDJSON, objects, vec![2])] {
        for size in [1, 7, 1000] {
            let frames: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let told = told(layout.clone(), limits, &frames);
            assert_eq!(titles(&told), ["a", "b"]);
            let found: Vec<_> = told.rejects.iter().map(|reject| (reject.line, reject.code)).collect();
            let expected: Vec<_> = lines.iter().map(|line| (*line, RejectCode::RecordTooLong)).collect();
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn a_record_without_end_is_given_up() {
    let limits = DecodeLimits {
        record_bytes_max: 40,
        ..limits()
    };
    let endless = format!("title\n\"{}", "x".repeat(1000));
    let frames: Vec<&[u8]> = endless.as_bytes().chunks(50).collect();
    assert_eq!(
        told(CSV, limits, &frames).ended,
        Err(Unreadable::RecordTooLong { line: 2 })
    );
    let endless = format!("\n{{\"title\":\"{}", "x".repeat(1000));
    assert_eq!(
        told(NDJSON, limits, &[endless.as_bytes()]).ended,
        Err(Unreadable::RecordTooLong { line: 2 })
    );
}

#[test]
fn a_wanted_field_that_is_too_long_rejects_and_another_does_not() {
    let limits = DecodeLimits {
        field_bytes_max: 5,
        ..limits()
    };
    let told = told(CSV, limits, &["title,jm\n甲甲,x\n乙,xxxxxxxxxxx\n".as_bytes()]);
    assert_eq!(rejected(&told), [(1, 2, Some("title"), RejectCode::FieldTooLong)]);
    assert_eq!(titles(&told), ["乙"]);
}

#[test]
fn a_nul_rejects_in_a_wanted_field_only() {
    let told = read(CSV, "title,jm\na\0,x\nb,\0\n\"c\0\",x\n");
    let expected = [
        (1, 2, Some("title"), RejectCode::NulCharacter),
        (3, 4, Some("title"), RejectCode::NulCharacter),
    ];
    assert_eq!(rejected(&told), expected);
    assert_eq!(titles(&told), ["b"]);
}

#[test]
fn each_way_to_spoil_a_json_record_is_a_reject_with_its_own_code() {
    let deep = |levels: usize| {
        format!(
            "{{\"title\":\"a\",\"jm\":{}1{}}}",
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    let cases = [
        (
            r#"{"title":"a","TITLE":"b"}"#.to_owned(),
            Some(("title", RejectCode::DuplicateKey)),
        ),
        (
            r#"{"title":"a","t\u0069tle":"b"}"#.into(),
            Some(("title", RejectCode::DuplicateKey)),
        ),
        (
            r#"{"xm":"a","BT":"b","bt":"c"}"#.into(),
            Some(("title", RejectCode::DuplicateKey)),
        ),
        (r#"{"title":"a","jm":1,"jm":2,"z":1,"z":2}"#.into(), None),
        (
            r#"{"title":"a\u0000"}"#.into(),
            Some(("title", RejectCode::NulCharacter)),
        ),
        (r#"{"title":"a","jm":"\u0000"}"#.into(), None),
        (r#"{"title":"\ud800"}"#.into(), Some(("", RejectCode::LoneSurrogate))),
        (
            r#"{"title":"\ud800\u0041"}"#.into(),
            Some(("", RejectCode::LoneSurrogate)),
        ),
        (r#"{"title":"\udc00"}"#.into(), Some(("", RejectCode::LoneSurrogate))),
        (r#"{"title":"a","jm":"\ud800"}"#.into(), None),
        (r#"{"title":["a"]}"#.into(), Some(("title", RejectCode::WrongType))),
        (r#"{"title":{"a":{}}}"#.into(), Some(("title", RejectCode::WrongType))),
        (r#"{"title":true,"jm":false}"#.into(), None),
        (
            r#"{"title":"a","sl":true}"#.into(),
            Some(("count", RejectCode::BadNumber)),
        ),
        (r#"{"title":tru}"#.into(), Some(("", RejectCode::MalformedJson))),
        (r#"{"title":9007199254740991}"#.into(), None),
        (
            r#"{"title":9007199254740992}"#.into(),
            Some(("title", RejectCode::InexactNumber)),
        ),
        (
            r#"{"title":-9007199254740992}"#.into(),
            Some(("title", RejectCode::InexactNumber)),
        ),
        (
            r#"{"title":123456789012345678901234567890}"#.into(),
            Some(("title", RejectCode::InexactNumber)),
        ),
        (
            r#"{"title":3.2071E17}"#.into(),
            Some(("title", RejectCode::InexactNumber)),
        ),
        (r#"{"jm":[1,{"title":3}], "title" : 12.50 }"#.into(), None),
        (r#"{"title":"a"} x"#.into(), Some(("", RejectCode::MalformedJson))),
        (r#"{"title":"a","#.into(), Some(("", RejectCode::MalformedJson))),
        (r#"{"title":01}"#.into(), Some(("", RejectCode::MalformedJson))),
        ("{\"title\":\"a\tb\"}".into(), Some(("", RejectCode::MalformedJson))),
        (r#"["a"]"#.into(), Some(("", RejectCode::NotAnObject))),
        (deep(31), None),
        (deep(32), Some(("", RejectCode::TooDeep))),
        (deep(5000), Some(("", RejectCode::TooDeep))),
        (format!("{{\"title\":\"{}\"}}", "[".repeat(100)), None),
    ];
    for (line, expected) in cases {
        let told = read(
            NDJSON,
            &format!("{{\"title\":\"first\"}}\n{line}\n{{\"title\":\"last\"}}\n"),
        );
        assert_eq!(told.ended, Ok(()));
        match expected {
            None => assert_eq!((told.counts.accepted, told.counts.rejected), (3, 0), "{line}"),
            Some((field, code)) => {
                let field = (!field.is_empty()).then_some(field);
                assert_eq!(rejected(&told), [(2, 2, field, code)], "{line}");
                assert_eq!(titles(&told), ["first", "last"]);
            }
        }
    }
}

#[test]
fn an_exact_fraction_keeps_its_text() {
    let told = read(NDJSON, r#"{"jm":[1,{"title":3.5}],"x:\"y":",", "title" : 12.50 }"#);
    assert_eq!(titles(&told), ["12.50"]);
}

#[test]
fn a_truth_value_of_json_reads_as_it_does_in_a_workbook() {
    let told = read(NDJSON, "{\"title\":true}\n{\"title\" : false, \"x\\ny\":1}\n");
    assert_eq!(titles(&told), ["true", "false"]);
    let resident = crate::catalogue::record_type("public-security/resident").unwrap();
    let mut decoder = Decoder::new(resident, &["reversed"], &NDJSON, limits(), TODAY);
    decoder.feed(b"{\"cxbz\":false}\n{\"cxbz\":\"\"}\n").unwrap();
    let _ = decoder.finish().unwrap();
    let part = decoder.next_part().unwrap();
    let reversed: Vec<_> = part.column(0).as_string::<i32>().iter().collect();
    assert_eq!(reversed, [Some("0"), None]);
}

#[test]
fn who_comes_from_abroad_comes_from_a_place_that_is_no_division() {
    let migration = crate::catalogue::record_type("public-security/migration").unwrap();
    let mut decoder = Decoder::new(migration, &["from_region", "to_region"], &CSV, limits(), TODAY);
    decoder
        .feed("迁出地区划,迁往地区划\n000840,320706\n320706,000840\n0008400,320706\n美国,320706\n".as_bytes())
        .unwrap();
    let _ = decoder.finish().unwrap();
    let part = decoder.next_part().unwrap();
    let from: Vec<_> = part.column(0).as_string::<i32>().iter().flatten().collect();
    assert_eq!(from, ["000840", "320706"]);
    let codes: Vec<_> = decoder
        .take_rejects()
        .iter()
        .map(|reject| (reject.field, reject.code))
        .collect();
    let field = Some("from_region");
    assert_eq!(codes, [(field, RejectCode::TooLong), (field, RejectCode::BadAlphabet)]);
}

#[test]
fn a_file_that_is_no_ndjson_is_refused_as_a_whole() {
    for text in ["[\n{\"title\":\"a\"}]", "title,sl\n", "\n\n\"x\""] {
        let error = read(NDJSON, text).ended.unwrap_err();
        assert!(matches!(error, Unreadable::NotThisFormat { .. }), "{text}");
    }
}

#[test]
fn an_empty_body_holds_no_record() {
    for layout in [CSV, NDJSON] {
        for text in ["", "\n", "\u{feff}"] {
            let told = read(layout.clone(), text);
            assert_eq!((told.ended, told.counts.received), (Ok(()), 0));
        }
    }
}

#[test]
fn kept_rejects_are_bounded_and_counts_are_not() {
    let limits = DecodeLimits {
        rejects_kept_max: 2,
        ..limits()
    };
    let told = told(CSV, limits, &[b"title\na,b\na,b\na,b\nc\n"]);
    assert_eq!(
        (told.rejects.len(), told.counts.rejected, told.counts.accepted),
        (2, 3, 1)
    );
}

#[test]
fn wanted_order_decides_the_column_order() {
    let mut decoder = Decoder::new(&PLAIN, &["note", "title"], &CSV, limits(), TODAY);
    decoder.feed(b"title,bz\na,b\n").unwrap();
    let _ = decoder.finish().unwrap();
    let part = decoder.next_part().unwrap();
    assert_eq!(part.column(0).as_string::<i32>().value(0), "b");
    assert_eq!(part.num_columns(), 2);
}

/// What csv-core alone makes of a text: the oracle for the splitter's quick way.
fn records_of_csv_core(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv_core::Reader::new();
    let (mut records, mut record) = (Vec::new(), Vec::new());
    let mut input = text.as_bytes();
    let mut output = vec![0; text.len() + 1];
    let mut field = Vec::new();
    loop {
        let (result, taken, written) = reader.read_field(input, &mut output);
        input = &input[taken..];
        field.extend_from_slice(&output[..written]);
        match result {
            csv_core::ReadFieldResult::Field { record_end } => {
                record.push(String::from_utf8(std::mem::take(&mut field)).unwrap());
                if record_end {
                    records.push(std::mem::take(&mut record));
                }
            }
            csv_core::ReadFieldResult::End => return records,
            _ => {}
        }
    }
}

/// Rows whose quotes are sound: three fields in which line ends may be quoted, or any number of fields on one line.
fn rows() -> impl Strategy<Value = Vec<String>> {
    let field = |quoted| prop_oneof!["[ab姓]{0,3}", "[ab][ab\"]{0,3}", quoted];
    let several = proptest::collection::vec(field("\"([ab,\r\n姓]|\"\"){0,4}\""), 3);
    let one = proptest::collection::vec(field("\"([ab,姓]|\"\"){0,4}\"[ab]{0,2}"), 1..5);
    let row = prop_oneof![several, one].prop_map(|fields| fields.join(","));
    proptest::collection::vec(row, 0..5)
}

proptest! {
    #[test]
    fn quotes_in_any_order_are_read_alike_wherever_frames_are_cut(body in "[ab\",\r\n姓]{0,60}", cuts in proptest::collection::vec(0usize..90, 0..4)) {
        let text = format!("title,count,note\n{body}");
        let limits = DecodeLimits { record_bytes_max: 20, ..limits() };
        let whole = told(CSV, limits, &[text.as_bytes()]);
        prop_assert_eq!(&whole.ended, &Ok(()));
        let mut at: Vec<usize> = cuts.iter().map(|cut| *cut.min(&text.len())).chain([0, text.len()]).collect();
        at.sort_unstable();
        let frames: Vec<&[u8]> = at.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
        prop_assert_eq!(told(CSV, limits, &frames), whole);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..400) {
        let cut = cut.min(bytes.len());
        for encoding in [Encoding::Utf8, Encoding::Gb18030] {
            for format in [Format::CSV, Format::Ndjson] {
                let layout = Layout::new(format, encoding);
                told(layout.clone(), limits(), &[&bytes[..cut], &bytes[cut..]]);
                let header = [b"title,sl,bz\n", &bytes[..]].concat();
                told(layout, limits(), &[&header]);
            }
        }
    }

    #[test]
    fn the_quick_way_splits_like_csv_core(rows in rows(), cuts in proptest::collection::vec(0usize..90, 0..4)) {
        let text = format!("title,count,note\n{}", rows.join("\n"));
        let mut records = records_of_csv_core(&text);
        // A row of blanks is a blank line.
        records.retain(|record| record.iter().any(|field| !field.trim().is_empty()));
        let mut at: Vec<usize> = cuts.iter().map(|cut| *cut.min(&text.len())).chain([0, text.len()]).collect();
        at.sort_unstable();
        let frames: Vec<&[u8]> = at.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
        let told = told(CSV, limits(), &frames);
        prop_assert_eq!(told.counts.received, records.len() as u64 - 1);
        let wrong = records.iter().skip(1).filter(|record| record.len() != 3).count() as u64;
        prop_assert_eq!(told.counts.by_code.get(&RejectCode::ColumnCount).copied().unwrap_or(0), wrong);
        let mut whole = Decoder::new(&PLAIN, &["title", "note"], &CSV, DecodeLimits { part_rows: 1, ..limits() }, TODAY);
        whole.feed(text.as_bytes()).unwrap();
        let _ = whole.finish().unwrap();
        let found: Vec<_> = std::iter::from_fn(|| whole.next_part())
            .map(|part| part.column(0).as_string::<i32>().value(0).to_owned())
            .collect();
        let expected: Vec<_> = records
            .iter()
            .skip(1)
            .filter(|record| record.len() == 3)
            .filter_map(|record| match value::parse(&PLAIN.fields[0], &record[0], &mut Scratch::default(), TODAY) {
                Ok(Value::Text(text)) => Some(text.to_owned()),
                _ => None,
            })
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn json_lines_of_any_text_never_panic(line in "\\PC{0,80}", key in "(title|note|count|jm)") {
        let text = format!("{{\"{key}\":{line}}}\n{{{line}}}\n{{\"{key}\":\"{line}\"}}\n");
        let told = read(NDJSON, &text);
        prop_assert_eq!(told.ended, Ok(()));
    }
}

mod household;
mod marked;
