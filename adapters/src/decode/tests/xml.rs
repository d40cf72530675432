use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::*;
use crate::decode::TrailerFault;
use crate::inflate::InflateFault;
use crate::layout::Xml;

const XML: Layout = Layout::new(Format::XML, Encoding::Utf8);

fn layout(record: Option<&str>, packed: Option<&str>, count: Option<&str>) -> Layout {
    let shape = Xml {
        record: record.map(Into::into),
        packed: packed.map(Into::into),
        count: count.map(Into::into),
    };
    Layout::new(Format::Xml(shape), Encoding::Utf8)
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn expected(line: u64, expected: &'static str) -> Result<(), Unreadable> {
    Err(Unreadable::NotThisFormat { line, expected })
}

#[test]
fn fields_are_elements_attributes_or_elements_that_name_them() {
    let forms = [
        "<row><title>甲&lt;&#x4e59;</title><sl>1</sl><bz/></row><row><BT>丙</BT></row>",
        "<row title='甲&lt;&#x4e59;' SL=\"1\"/><row bt=\"丙\" note=''></row>",
        "<row><f name=\"title\">甲&lt;<![CDATA[乙]]></f><f NAME='sl' value='1'/></row><row><c name='bt' value='丙'/></row>",
        "<row><a><title>甲<!-- -- -->&#60;乙</title></a><b><sl>1</sl></b></row><row><x><y><bt>丙</bt></y></x></row>",
        "<n:row><n:title>甲<?pi <?>&lt;乙</n:title><n:sl>1</n:sl></n:row><n:row><n:bt>丙</n:bt></n:row>",
    ];
    let mut first = None;
    for form in forms {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PACKAGE><HEAD><x>1</x></HEAD>\n<DATA>{form}</DATA></PACKAGE>\n"
        );
        let whole = read(XML, &text.replace("<!-- -- -->", "<!-- - -->"));
        assert_eq!(whole.ended, Ok(()), "{form}");
        assert_eq!(titles(&whole), ["甲<乙", "丙"], "{form}");
        let parts = first.get_or_insert_with(|| whole.parts.clone());
        assert_eq!(&whole.parts, parts, "{form}");
    }
}

#[test]
fn every_cut_of_a_document_gives_the_same_records() {
    let text = "<?xml version='1.0'?><!-- <row> --><d a='>'><row t=\"/>\"><title>甲&amp;]]</title><bz><![CDATA[a]]]]><![CDATA[>&b<]]></bz></row>\r\n<row><title>乙</title><sl>x</sl></row><?p >?></d>\n";
    let whole = read(XML, text);
    assert_eq!(titles(&whole), ["甲&]]"]);
    assert_eq!(whole.parts[0].column(2).as_string::<i32>().value(0), "a]]>&b<");
    assert_eq!(whole.rejects[0].line, 2);
    let gb = encoding_rs::GB18030.encode(text).0.into_owned();
    for (encoding, bytes) in [(Encoding::Utf8, text.as_bytes()), (Encoding::Gb18030, &gb)] {
        let layout = Layout { encoding, ..XML };
        for at in 0..=bytes.len() {
            let (left, right) = bytes.split_at(at);
            assert_eq!(told(layout.clone(), limits(), &[left, right]), whole, "{at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(told(layout, limits(), &single), whole);
    }
}

#[test]
fn a_record_element_may_be_named_and_its_count_checked() {
    let text = "<a><n> 2 </n><person><title>甲</title></person><row><title>x</title></row><PERSON title='乙'/></a>";
    assert_eq!(
        titles(&read(layout(Some("person"), None, Some("n")), text)),
        ["甲", "乙"]
    );
    let counted = |text: &str| read(layout(Some("person"), None, Some("n")), text).ended;
    let fault = |why| Err(Unreadable::WrongTrailer { line: 1, why });
    assert_eq!(
        counted(&text.replace(" 2 ", "3")),
        fault(TrailerFault::Rows { stated: 3, found: 2 })
    );
    assert_eq!(counted(&text.replace(" 2 ", "x")), fault(TrailerFault::NoCount));
    assert_eq!(counted(&text.replace("n>", "m>")), fault(TrailerFault::Absent));
}

#[test]
fn a_record_that_is_spoilt_is_a_reject_and_the_next_is_read() {
    let text = "<a><row><title>甲</title><Title>乙</Title></row><row><title>&unknown;</title></row>\n<row><title>a</title><secret>&u;</secret></row><row><title>丙</title></row></a>";
    let told = read(XML, text);
    let expected = [
        (1, 1, Some("title"), RejectCode::DuplicateKey),
        (2, 1, None, RejectCode::MalformedXml),
        (3, 2, None, RejectCode::MalformedXml),
    ];
    assert_eq!(rejected(&told), expected);
    assert_eq!(titles(&told), ["丙"]);
    let limits = DecodeLimits {
        record_bytes_max: 60,
        ..limits()
    };
    let long = format!(
        "<a><row><x>{}</x><y>{}</y></row><row><title>丙</title></row></a>",
        "x".repeat(50),
        "y".repeat(50)
    );
    for size in [1, 7, 1000] {
        let frames: Vec<&[u8]> = long.as_bytes().chunks(size).collect();
        let told = super::told(XML, limits, &frames);
        assert_eq!(rejected(&told), [(1, 1, None, RejectCode::RecordTooLong)]);
        assert_eq!(titles(&told), ["丙"]);
    }
}

#[test]
fn what_is_no_document_is_refused() {
    for text in [
        "<a><row><title>x</title></row>",
        "<a><row><title>x</title></row></a",
        "<a></a><a></a>",
        "<a></b>",
        "<a><b></a></b>",
        "</a>",
        "<a x=1></a>",
        "<a x='1' x='2'></a>",
        "<a>&amp</a>",
        "<a></a>x",
        "x<a></a>",
        "<a><?xml version='1.0'?></a>",
        "<a><![CDATA[</a>",
        "<a><!-- </a>",
        "<>",
        "没有数据",
    ] {
        assert_eq!(read(XML, text).ended, expected(1, "well-formed XML"), "{text}");
    }
}

#[test]
fn there_are_no_document_types_and_no_entities_but_the_five() {
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;\"><!ENTITY d \"&c;&c;&c;&c;\">]><a><row><title>&d;</title></row></a>";
    let external = "<?xml version='1.0'?>\n<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>";
    assert_eq!(read(XML, bomb).ended, expected(1, "XML without a document type"));
    assert_eq!(read(XML, external).ended, expected(2, "XML without a document type"));
    let outside = read(XML, "<a>\n&b;</a>").ended;
    assert_eq!(outside, expected(2, "XML without entities of its own"));
}

#[test]
fn a_declaration_that_lies_changes_nothing() {
    let open = Layout { open: true, ..XML };
    let gb18030 = XML.in_charset(Encoding::Gb18030);
    for named in ["GBK", "utf-8", "UTF-16", "gb2312"] {
        let text = format!("<?xml version=\"1.0\" encoding=\"{named}\"?><a><row title='姓名'/><row title='戴'/></a>");
        let bytes = encoding_rs::GB18030.encode(&text).0.into_owned();
        for (layout, bytes, found) in [
            (&XML, text.as_bytes(), Encoding::Utf8),
            (&open, text.as_bytes(), Encoding::Utf8),
            (&gb18030, &*bytes, Encoding::Gb18030),
            (&open, &*bytes, Encoding::Gb18030),
        ] {
            let told = told(layout.clone(), limits(), &[bytes]);
            assert_eq!(told.ended, Ok(()), "{named} {found:?}");
            assert_eq!(titles(&told), ["姓名", "戴"], "{named}");
            let mut decoder = Decoder::new(&PLAIN, &WANTED, layout, limits(), TODAY);
            decoder.feed(bytes).unwrap();
            assert_eq!(decoder.finish(), Ok(Ended::Whole));
            assert_eq!(decoder.encoding(), Some(found), "{named}");
        }
    }
}

#[test]
fn of_ascii_alone_the_declaration_tells_what_comes_later() {
    let filler = " ".repeat(5000);
    let text = format!("<?xml version='1.0' encoding='GBK'?><a>{filler}<row title='姓名'/></a>");
    let bytes = encoding_rs::GB18030.encode(&text).0.into_owned();
    let told = told(Layout { open: true, ..XML }, limits(), &[&bytes]);
    assert_eq!(told.ended, Ok(()));
    assert_eq!(titles(&told), ["姓名"]);
}

#[test]
fn a_declaration_of_a_charset_that_is_not_read_here_is_refused() {
    for named in ["Big5", "ISO-8859-1", "utf-7"] {
        let text = format!("<?xml version='1.0' encoding='{named}'?><a><row title='x'/></a>");
        assert_eq!(
            read(XML, &text).ended,
            expected(1, "XML in UTF-8 or GB18030"),
            "{named}"
        );
    }
}

#[test]
fn elements_beyond_all_depth_are_refused() {
    let deep = "<a>".repeat(200_000);
    assert_eq!(read(XML, &deep).ended, Err(Unreadable::TooDeep { line: 1 }));
}

#[test]
fn a_tag_without_end_is_given_up() {
    let limits = DecodeLimits {
        record_bytes_max: 40,
        ..limits()
    };
    for start in ["<a ", "<a b='", "<!-- ", "<?p ", "<a>&"] {
        let endless = format!("{start}{}", "x".repeat(1000));
        let frames: Vec<&[u8]> = endless.as_bytes().chunks(10).collect();
        let told = told(XML, limits, &frames);
        assert_eq!(told.ended, Err(Unreadable::RecordTooLong { line: 1 }), "{start}");
    }
    let endless = format!("<a><row><title>{}", "x".repeat(1000));
    let frames: Vec<&[u8]> = endless.as_bytes().chunks(10).collect();
    let told = told(XML, limits, &frames);
    assert_eq!(told.ended, Err(Unreadable::RecordTooLong { line: 1 }));
}

const INNER: &str = "<list><row><title>甲</title></row><row><title>乙</title><sl>2</sl></row></list>";

const JSON: &str = r#"{"code":"0","data":[{"title":"甲"},{"title":"乙","sl":2}]}"#;

/// Base64 as mail has it.
fn lines(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(76);
    let lines: Vec<&str> = lines.map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\r\n")
}

#[test]
fn a_document_inside_an_element_is_read_in_every_packing() {
    let gbk = format!("<?xml version=\"1.0\" encoding=\"GBK\"?>{INNER}");
    let gbk = encoding_rs::GB18030.encode(&gbk).0.into_owned();
    let lying = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{INNER}");
    let lying = encoding_rs::GB18030.encode(&lying).0.into_owned();
    let contents = [
        format!("<![CDATA[{INNER}]]>"),
        INNER.replace('&', "&amp;").replace('<', "&lt;"),
        STANDARD.encode(INNER),
        lines(&zlib(INNER.as_bytes())),
        lines(&gzip(INNER.as_bytes())),
        lines(&zlib(&gbk)),
        STANDARD.encode(&gbk),
        STANDARD.encode(&lying),
        format!("<![CDATA[{JSON}]]>"),
        JSON.to_owned(),
        STANDARD.encode(JSON),
        lines(&zlib(JSON.as_bytes())),
        lines(&gzip(format!(" \u{feff}{JSON}").trim_start().as_bytes())),
        lines(&zlib(&encoding_rs::GB18030.encode(JSON).0)),
    ];
    let layout = layout(None, Some("content"), None);
    for content in contents {
        let text = format!(
            "<tiripPackage><row-count>2</row-count>\n<subPackage><Content>\n{content}\n</Content></subPackage></tiripPackage>"
        );
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            let (left, right) = text.as_bytes().split_at(at);
            let told = told(layout.clone(), limits(), &[left, right]);
            assert_eq!(told.ended, Ok(()), "{content} {at}");
            assert_eq!(titles(&told), ["甲", "乙"], "{content} {at}");
        }
    }
}

#[test]
fn several_packed_documents_are_one_batch_with_the_names_of_all() {
    let layout = layout(None, Some("content"), Some("count"));
    let contents = [
        zlib(JSON.as_bytes()),
        zlib(br#"[{"bt":"C","odd":1}]"#),
        zlib(b"<l><row><title>D</title><even>2</even></row></l>"),
    ];
    let contents = contents.map(|content| format!("<content>{}</content>", STANDARD.encode(content)));
    let told = read(layout, &format!("<a><count>4</count>{}</a>", contents.concat()));
    assert_eq!(told.ended, Ok(()));
    assert_eq!(titles(&told), ["甲", "乙", "C", "D"]);
    assert_eq!(told.unknown, ["odd", "even"]);
}

#[test]
fn the_envelope_of_the_tax_offices_is_known_without_a_layout() {
    let content = STANDARD.encode(zlib(JSON.as_bytes()));
    let package = |root: &str| {
        format!(
            "<{root}><identity><row>1</row></identity><contentControl>zip</contentControl><businessContent><subPackage>\
             <content>{content}</content></subPackage></businessContent><returnCode>00000000</returnCode></{root}>"
        )
    };
    let told = read(XML, &package("tiripPackage"));
    assert_eq!(told.ended, Ok(()));
    assert_eq!(titles(&told), ["甲", "乙"]);
    assert_eq!(read(XML, &package("package")).parts.len(), 0);
}

#[test]
fn packed_json_that_is_cut_off_or_nothing_but_json_is_refused() {
    let layout = layout(None, Some("content"), None);
    let packed = |content: &str| read(layout.clone(), &format!("<a><content>{content}</content></a>")).ended;
    for (content, line) in [
        ("{\"data\":[{\"title\":\"a\"}", 1),
        ("[{\"title\":\"a\"}]\n]", 2),
        ("{\"data\"", 1),
    ] {
        let refused = expected(line, "a whole JSON document");
        assert_eq!(packed(&STANDARD.encode(zlib(content.as_bytes()))), refused, "{content}");
        assert_eq!(packed(content), refused, "{content}");
    }
    let twice = r#"{"data":[{"title":"a"}],"rows":[{"title":"b"}]}"#;
    assert_eq!(packed(&STANDARD.encode(twice)), expected(1, "one array of records"));
}

#[test]
fn packed_content_that_cannot_be_read_is_refused() {
    let layout = layout(None, Some("content"), None);
    let packed = |content: &str| read(layout.clone(), &format!("<a><content>{content}</content></a>")).ended;
    assert_eq!(packed("!!!!"), expected(1, "XML, JSON or Base64 in its element"));
    assert_eq!(packed("QUJ"), expected(1, "XML, JSON or Base64 in its element"));
    assert_eq!(packed(&STANDARD.encode("<a>")), expected(1, "well-formed XML"));
    assert_eq!(packed(&STANDARD.encode("abc")), expected(1, "well-formed XML"));
    let whole = zlib(INNER.as_bytes());
    for len in 2..whole.len() {
        let cut = packed(&STANDARD.encode(&whole[..len]));
        assert_eq!(cut, Err(Unreadable::Compressed(InflateFault::Incomplete)), "{len}");
    }
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(
        packed(&STANDARD.encode(&damaged)),
        Err(Unreadable::Compressed(InflateFault::Damaged))
    );
    assert_eq!(packed(" "), Ok(()));
}

#[test]
fn packed_content_that_unpacks_too_far_is_refused() {
    let bomb = STANDARD.encode(zlib(&vec![b' '; 8 << 20]));
    let text = format!("<a><content>{bomb}</content></a>");
    let layout = layout(None, Some("content"), None);
    let dense = read(layout.clone(), &text).ended;
    assert_eq!(dense, Err(Unreadable::Compressed(InflateFault::TooDense)));
    let limits = DecodeLimits {
        unpacked_bytes_max: 1000,
        ..limits()
    };
    let large = told(layout, limits, &[text.as_bytes()]).ended;
    assert_eq!(
        large,
        Err(Unreadable::Compressed(InflateFault::TooLarge { limit: 1000 }))
    );
}

#[test]
fn many_packed_documents_that_each_unpack_a_little_less_than_too_far_are_one_bomb() {
    let blanks = STANDARD.encode(zlib(&vec![b' '; 1 << 20]));
    let package = |times: usize| {
        let content = format!("<content>{blanks}</content>").repeat(times);
        read(XML, &format!("<tiripPackage>{content}</tiripPackage>")).ended
    };
    assert_eq!(package(1), Ok(()));
    assert_eq!(package(2), Err(Unreadable::Compressed(InflateFault::TooDense)));
    let limits = DecodeLimits {
        unpacked_bytes_max: INNER.len() as u64 * 2,
        ..limits()
    };
    let content = format!("<content>{}</content>", STANDARD.encode(zlib(INNER.as_bytes())));
    let told = |times: usize| {
        let text = format!("<tiripPackage>{}</tiripPackage>", content.repeat(times));
        told(XML, limits, &[text.as_bytes()]).ended
    };
    assert_eq!(told(2), Ok(()));
    let limit = limits.unpacked_bytes_max;
    assert_eq!(told(3), Err(Unreadable::Compressed(InflateFault::TooLarge { limit })));
}

#[test]
fn a_long_section_is_read_piece_by_piece() {
    let note = "x".repeat(300_000);
    let inner = format!("<l><row><title>甲</title><secret>{note}]]</secret></row><row><title>乙</title></row></l>");
    let text = format!("<a><content><![CDATA[{inner}]]></content></a>");
    let layout = layout(None, Some("content"), None);
    for size in [1000, 65_536, 1 << 20] {
        let frames: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let told = told(layout.clone(), limits(), &frames);
        assert_eq!(told.ended, Ok(()));
        assert_eq!(titles(&told), ["甲", "乙"], "{size}");
    }
}

#[test]
fn inside_the_envelope_of_the_health_office_a_data_is_a_record_or_holds_them() {
    let bare = "<data><BT>甲</BT><sl>1</sl></data><data><BT>乙</BT></data>";
    let listed = "<data><total>2</total><row><BT>甲</BT><sl>1</sl></row><row><BT>乙</BT></row></data>";
    for inner in [bare, listed] {
        for text in [
            format!("<MDEML><head><code>1</code></head>{inner}</MDEML>"),
            format!("<e:Envelope><e:Body><MdeML>{inner}</MdeML></e:Body></e:Envelope>"),
        ] {
            for at in 0..text.len() {
                let (left, right) = text.as_bytes().split_at(at);
                let told = told(XML, limits(), &[left, right]);
                assert_eq!(
                    (told.ended.clone(), titles(&told)),
                    (Ok(()), vec!["甲".into(), "乙".into()]),
                    "{text} {at}"
                );
                assert_eq!(told.counts.received, 2, "{text}");
            }
        }
        // Elsewhere a `data` is an envelope like any other, and a layout that names the record is followed.
        let other = read(XML, &format!("<PACKAGE>{bare}</PACKAGE>"));
        assert_eq!((other.ended, other.counts.received), (Ok(()), 0));
    }
    let named = read(
        layout(Some("person"), None, None),
        "<MDEML><data><person><BT>甲</BT><row>x</row></person></data></MDEML>",
    );
    assert_eq!((titles(&named), named.counts.received), (vec!["甲".to_owned()], 1));
    let packed = STANDARD.encode(format!("<MDEML>{}</MDEML>", "<data><BT>甲</BT></data>"));
    let told = read(
        layout(None, Some("out"), None),
        &format!("<soap><out>{packed}</out></soap>"),
    );
    assert_eq!(titles(&told), ["甲"]);
}
