//! A charset is stated, or shown by the bytes, or neither: what is not sure is refused and never stored.

use super::*;
use crate::layout::{Fixed, FixedColumn, Span};

const GB18030_CSV: Layout = delimited(Delimiter::Comma, Encoding::Gb18030);

fn gb18030(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

fn open(layout: Layout) -> Layout {
    layout.left_open()
}

fn not_gb18030(by: &'static str) -> Unreadable {
    Unreadable::WrongCharset {
        declared: Some("gb18030"),
        found: "utf-8",
        by,
    }
}

/// Far more ASCII than is looked at at first.
fn plain_rows() -> String {
    "Wang,1,a\n".repeat(2000)
}

fn told_whole(layout: Layout, bytes: &[u8]) -> Told {
    let whole = told(layout.clone(), limits(), &[bytes]);
    let frames: Vec<&[u8]> = bytes.chunks(61).collect();
    assert_eq!(told(layout, limits(), &frames), whole);
    whole
}

#[test]
fn one_short_name_in_utf8_refuses_a_file_that_is_called_gb18030() {
    for row in ["王测,1,\n", "王,1,\n", "王测试,1,a\n", "𬱖,1,a\n", "·,1,\nLi,1,䶮"] {
        let told = told_whole(GB18030_CSV, format!("bt,sl,bz\n{row}").as_bytes());
        assert_eq!(told.ended, Err(not_gb18030("first bytes")), "{row}");
    }
}

#[test]
fn utf16_is_told_as_such_and_as_declared_otherwise_only_where_somebody_declared_it() {
    let text = "bt,sl,bz\n王测,1,\n";
    let bytes: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let said = |layout: Layout| told_whole(layout, &bytes).ended.unwrap_err().to_string();
    assert_eq!(said(open(CSV)), "by its byte order mark it is utf-16");
    assert_eq!(
        said(Layout::detect("a.csv", &bytes)),
        "by its byte order mark it is utf-16"
    );
    assert_eq!(
        said(GB18030_CSV),
        "declared as gb18030, but by its byte order mark it is utf-16"
    );
}

#[test]
fn utf8_far_behind_ascii_refuses_a_file_that_is_called_gb18030() {
    for row in ["王测,1,\n", "王测试名,1,\n"] {
        let told = told_whole(GB18030_CSV, format!("bt,sl,bz\n{}{row}", plain_rows()).as_bytes());
        assert_eq!(told.ended, Err(not_gb18030("bytes so far")), "{row}");
    }
}

#[test]
fn gb18030_is_read_as_declared_however_little_there_is_of_it() {
    for name in ["王测", "孔茂", "联通", "䶮", "路"] {
        for before in [String::new(), plain_rows()] {
            let told = told_whole(GB18030_CSV, &gb18030(&format!("bt,sl,bz\n{before}{name},1,\n")));
            assert_eq!(told.ended, Ok(()), "{name}");
            assert_eq!(titles(&told).last().map(String::as_str), Some(name));
        }
    }
}

#[test]
fn a_table_at_byte_positions_of_another_charset_is_refused() {
    let column = |(name, start, width): (&str, usize, usize)| FixedColumn {
        name: name.to_owned(),
        span: Span { start, width },
    };
    let fixed = Fixed::new([("bt", 0, 12), ("sl", 12, 1)].map(column).to_vec()).unwrap();
    let layout = Layout::new(Format::Fixed(fixed.into()), Encoding::Gb18030);
    let rows = "Wang        1\n".repeat(1000);
    assert_eq!(
        told_whole(layout.clone(), "王测      1\n".as_bytes()).ended,
        Err(not_gb18030("first bytes"))
    );
    for row in ["王测      1\n", "王测试名1\n"] {
        let told = told_whole(layout.clone(), format!("{rows}{row}").as_bytes());
        assert_eq!(told.ended, Err(not_gb18030("bytes so far")), "{row}");
    }
    let told = told_whole(open(layout), &gb18030(&format!("{rows}王测        1\n")));
    assert_eq!((told.ended.clone(), told.counts.rejected), (Ok(()), 0));
    assert_eq!(titles(&told).last().map(String::as_str), Some("王测"));
}

#[test]
fn a_charset_that_nobody_stated_is_that_of_the_first_bytes_that_are_not_ascii() {
    let text = format!("bt,sl,bz\n{}王测,1,新浦\n", plain_rows());
    for layout in [open(CSV), open(GB18030_CSV)] {
        for bytes in [text.as_bytes().to_vec(), gb18030(&text)] {
            let told = told_whole(layout.clone(), &bytes);
            assert_eq!(told.ended, Ok(()));
            assert_eq!(titles(&told).last().map(String::as_str), Some("王测"));
            assert_eq!(told.counts.rejected, 0);
        }
    }
}

#[test]
fn what_is_a_text_in_either_charset_is_refused_until_somebody_states_one() {
    for before in [String::new(), plain_rows()] {
        // `é` of UTF-8 is `茅` of GB18030.
        let text = format!("bt,sl,bz\n{before}Lé,1,\n");
        let told = told_whole(open(CSV), text.as_bytes());
        assert_eq!(told.ended, Err(Unreadable::CharsetUnclear));
        for (layout, name) in [(CSV, "Lé"), (GB18030_CSV, "L茅")] {
            let told = told_whole(layout, text.as_bytes());
            assert_eq!(told.ended, Ok(()));
            assert_eq!(titles(&told).last().map(String::as_str), Some(name));
        }
    }
}

#[test]
fn documents_of_json_and_xml_are_held_against_their_charset_too() {
    let json = Layout::new(Format::JSON, Encoding::Gb18030);
    let xml = Layout::new(Format::XML, Encoding::Gb18030);
    for (layout, text) in [
        (json, r#"[{"bt":"王测","sl":1}]"#),
        (xml, "<a><row><bt>王测</bt><sl>1</sl></row></a>"),
    ] {
        let told = told_whole(layout.clone(), text.as_bytes());
        assert_eq!(told.ended, Err(not_gb18030("first bytes")), "{text}");
        let told = told_whole(open(layout), text.as_bytes());
        assert_eq!((told.ended.clone(), titles(&told)), (Ok(()), vec!["王测".to_owned()]));
    }
}
