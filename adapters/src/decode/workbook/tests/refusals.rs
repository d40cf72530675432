//! What is refused as a whole, what a cut or changed file becomes, and that neither ends in a panic.

use std::fmt::Write as _;

use super::fixture::{Made, Zip, texts};
use super::{DEATH, Told, XLSX, death, id, read};
use crate::decode::{DecodeLimits, FileFault, Unreadable};
use crate::layout::{Encoding, Format, Layout, Sheet};

const XLS: Layout = Layout::new(Format::XLS, Encoding::Utf8);

fn two_rows() -> Made {
    Made::of(&[
        texts(1, &["身份证号", "姓名"]),
        texts(2, &[&id(1), "甲"]),
        texts(3, &[&id(2), "乙"]),
    ])
}

fn told(layout: &Layout, limits: DecodeLimits, bytes: &[u8]) -> Told {
    read(DEATH, &["citizen_id", "name"], layout, limits, bytes)
}

fn fault_of(layout: &Layout, bytes: &[u8]) -> FileFault {
    match told(layout, DecodeLimits::default(), bytes).ended {
        Err(Unreadable::File(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

fn fault(zip: &Zip) -> FileFault {
    fault_of(&XLSX, &zip.build())
}

fn found(fault: &FileFault) -> &'static str {
    match fault {
        FileFault::OtherForm { found, .. } => found,
        other => panic!("{other:?}"),
    }
}

fn compound(streams: &[&str]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
    for stream in streams {
        match stream.strip_suffix('/') {
            Some(storage) => file.create_storage(storage).unwrap(),
            None => drop(file.create_stream(stream).unwrap()),
        }
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}

#[test]
fn a_file_of_another_form_is_refused_by_what_it_is() {
    let cases: [(&Layout, &[u8], &str); 9] = [
        (&XLSX, "身份证号,姓名\n".as_bytes(), "text, e.g. CSV"),
        (
            &XLSX,
            b"<html><table><tr><td>1</td></tr></table></html>",
            "an HTML page, which is read as XLS",
        ),
        (
            &XLSX,
            b"<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\"/>",
            "SpreadsheetML 2003, a workbook as XML, which is read as XLS",
        ),
        (
            &XLS,
            b"<html><body>xm gmsfhm</body></html>",
            "an HTML page without a table",
        ),
        (
            &XLS,
            b"<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\"/>",
            "a document without a worksheet",
        ),
        (
            &XLS,
            b"\x09\x00\x04\x00\x02\x00\x10\x00",
            "a workbook from before Excel 97",
        ),
        (&XLS, b"<?xml version=\"1.0\"?><PACKAGE/>", "XML"),
        (&XLS, &two_rows().build(), "XLSX or another zip archive"),
        (&XLSX, &compound(&["Workbook"]), "XLS or another document of Office 97"),
    ];
    for (layout, bytes, what) in cases {
        assert_eq!(found(&fault_of(layout, bytes)), what);
    }
    assert_eq!(found(&fault_of(&XLSX, b"")), "neither a workbook nor text");
}

#[test]
fn text_under_the_name_of_a_workbook_is_refused_before_it_is_held() {
    let limits = DecodeLimits::default();
    let record = crate::catalogue::record_type(DEATH).unwrap();
    let mut decoder = crate::decode::Decoder::new(record, &["citizen_id"], &XLSX, limits, super::TODAY);
    let refused = decoder.feed(&[b'a'; 4096]).unwrap_err();
    assert!(matches!(
        refused,
        Unreadable::File(FileFault::OtherForm {
            found: "text, e.g. CSV",
            ..
        })
    ));
}

#[test]
fn other_documents_in_a_zip_are_refused_by_what_they_are() {
    let empty = Zip::default().with("a.txt", "a");
    assert_eq!(found(&fault(&empty)), "a zip archive without a workbook");
    let open_document = Zip::default()
        .with("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        .with("content.xml", "<a/>");
    assert_eq!(found(&fault(&open_document)), "an OpenDocument file");
    let relation = |target| {
        format!(r#"<Relationships><Relationship Id="a" Type="x/officeDocument" Target="{target}"/></Relationships>"#)
    };
    let binary = Zip::default()
        .with("_rels/.rels", relation("xl/workbook.bin"))
        .with("xl/workbook.bin", "a");
    assert_eq!(found(&fault(&binary)), "XLSB, the binary form of XLSX");
    let text = Zip::default()
        .with("_rels/.rels", relation("word/document.xml"))
        .with("word/document.xml", "<document/>");
    assert_eq!(found(&fault(&text)), "a document without a worksheet");
    assert_eq!(
        found(&fault_of(&XLS, &compound(&["WordDocument"]))),
        "another kind of document of Office 97"
    );
    assert_eq!(
        found(&fault_of(&XLS, &compound(&["Book"]))),
        "a workbook from before Excel 97"
    );
}

#[test]
fn encryption_macros_and_links_to_other_files_are_refused() {
    assert_eq!(
        fault_of(&XLSX, &compound(&["EncryptionInfo", "EncryptedPackage"])),
        FileFault::Encrypted
    );
    assert_eq!(
        fault_of(&XLS, &compound(&["EncryptionInfo", "EncryptedPackage"])),
        FileFault::Encrypted
    );
    assert_eq!(
        fault_of(&XLS, &compound(&["Workbook", "_VBA_PROJECT_CUR/"])),
        FileFault::Macros
    );
    assert_eq!(
        fault(&two_rows().zip().but(|part| part.flags = 1)),
        FileFault::Encrypted
    );
    assert_eq!(
        fault(&two_rows().zip().with("xl/vbaProject.bin", "a")),
        FileFault::Macros
    );
    let with = |kind: &str| Made {
        relations: format!(r#"<Relationship Id="z" Type="http://x/{kind}" Target="a.xml"/>"#),
        ..two_rows()
    };
    assert_eq!(fault(&with("externalLink").zip()), FileFault::ExternalLinks);
    assert_eq!(fault(&with("xlMacrosheet").zip()), FileFault::Macros);
}

#[test]
fn a_bomb_is_refused_in_bounded_memory() {
    let limits = DecodeLimits::default();
    let expands = FileFault::Expands {
        limit: limits.workbook_unpacked_bytes_max,
        ratio: limits.workbook_ratio_max,
    };
    let megabytes = vec![b' '; 4 << 20];
    // A part that says it is large, and one that says it is small.
    assert_eq!(fault(&two_rows().zip().with("a", &megabytes)), expands);
    let bomb = format!("<sst><si><t>{}</t></si></sst>", "a".repeat(4 << 20));
    let zip = two_rows().zip().without("xl/sharedStrings.xml");
    let liar = zip
        .with("xl/sharedStrings.xml", &bomb)
        .but(|part| part.stated = Some(1000));
    assert_eq!(fault(&liar), expands);
    let small = DecodeLimits {
        workbook_unpacked_bytes_max: 1000,
        ..limits
    };
    let too_much = FileFault::Expands {
        limit: 1000,
        ratio: limits.workbook_ratio_max,
    };
    assert_eq!(told(&XLSX, small, &two_rows().build()).ended, Err(too_much.into()));
}

#[test]
fn limits_hold_for_the_file_its_parts_and_its_texts() {
    let limits = DecodeLimits::default();
    let bytes = two_rows().build();
    let with = |limits| told(&XLSX, limits, &bytes).ended;
    let exact = DecodeLimits {
        workbook_bytes_max: bytes.len(),
        ..limits
    };
    assert_eq!(with(exact), Ok(()));
    let limit = bytes.len() - 1;
    let less = DecodeLimits {
        workbook_bytes_max: limit,
        ..limits
    };
    assert_eq!(with(less), Err(FileFault::TooLarge { limit }.into()));
    let few = DecodeLimits {
        workbook_parts_max: 6,
        ..limits
    };
    assert_eq!(with(few), Err(FileFault::TooManyParts { limit: 6 }.into()));
    let made = Made {
        strings: vec!["<t>aaaaaaaaaa</t>".to_owned(); 10],
        ..two_rows()
    };
    let short = |limit| DecodeLimits {
        workbook_text_bytes_max: limit,
        ..limits
    };
    assert_eq!(told(&XLSX, short(200), &made.build()).ended, Ok(()));
    let refused = told(&XLSX, short(100), &made.build()).ended;
    assert_eq!(refused, Err(FileFault::TooMuchText { limit: 100 }.into()));
    // Texts of nothing cost something too.
    let empty = Made {
        strings: vec![String::new(); 100],
        ..two_rows()
    };
    let refused = told(&XLSX, short(100), &empty.build()).ended;
    assert_eq!(refused, Err(FileFault::TooMuchText { limit: 100 }.into()));
}

/// A workbook with so many sheets in its list: as many as it has parts in turn.
fn listed(sheets: usize) -> Zip {
    let (mut list, mut relations) = (String::new(), String::new());
    for at in 0..sheets {
        let _ = write!(list, r#"<sheet name="{at}" r:id="rId{at}"/>"#);
        let _ = write!(
            relations,
            r#"<Relationship Id="rId{at}" Type="x/worksheet" Target="worksheets/sheet{at}.xml"/>"#
        );
    }
    two_rows()
        .zip()
        .without("xl/workbook.xml")
        .without("xl/_rels/workbook.xml.rels")
        .with(
            "xl/workbook.xml",
            format!("<workbook><sheets>{list}</sheets></workbook>"),
        )
        .with(
            "xl/_rels/workbook.xml.rels",
            format!("<Relationships>{relations}</Relationships>"),
        )
}

#[test]
fn more_sheets_than_anybody_looks_through_are_refused_before_one_is_opened() {
    let limit = DecodeLimits::default().workbook_sheets_max;
    // No part of theirs exists: had one been opened, that would be the fault.
    assert_eq!(fault(&listed(limit + 1)), FileFault::TooManySheets { limit });
    // The list may be far longer than what it refers to.
    let damaged = FileFault::Damaged {
        part: "its relationships",
    };
    assert_eq!(fault(&listed(100_000)), damaged);
    let others = FileFault::Damaged {
        part: "one of its sheets",
    };
    let as_many = listed(limit).without("xl/worksheets/sheet0.xml");
    assert_eq!(fault(&as_many), others);
}

#[test]
fn one_part_that_is_several_sheets_is_damage() {
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet";
    for target in [
        "worksheets/sheet0.xml",
        "/xl/Worksheets/Sheet0.xml",
        "./worksheets/../worksheets/sheet0.xml",
    ] {
        let made = Made {
            relations: format!(r#"<Relationship Id="rId1" Type="{office}" Target="{target}"/>"#),
            ..two_rows()
        };
        let list = r#"<sheet name="a" r:id="rId0"/><sheet name="b" r:id="rId1"/>"#;
        let zip = made.zip().without("xl/workbook.xml");
        let zip = zip.with(
            "xl/workbook.xml",
            format!("<workbook><sheets>{list}</sheets></workbook>"),
        );
        assert_eq!(fault(&zip), FileFault::Damaged { part: "its workbook" }, "{target}");
    }
}

#[test]
fn more_relationships_than_a_workbook_has_are_damage() {
    let with = |count: usize| Made {
        relations: r#"<Relationship Id="z" Type="x/chartsheet" Target="a.xml"/>"#.repeat(count),
        ..two_rows()
    };
    let damaged = FileFault::Damaged {
        part: "its relationships",
    };
    assert_eq!(fault(&with(10_000).zip()), damaged);
    assert_eq!(death(&with(9_000)).ended, Ok(()));
}

#[test]
fn a_header_is_looked_for_in_so_many_rows_of_a_sheet_and_no_further() {
    let blank = |rows: u32| {
        let rows: Vec<String> = (1..=rows).map(|line| format!(r#"<row r="{line}"/>"#)).collect();
        rows.concat()
    };
    let below = |rows: u32| {
        let table = [texts(rows + 1, &["身份证号", "姓名"]), texts(rows + 2, &[&id(1), "甲"])];
        Made::of(&[blank(rows), table.concat()])
    };
    let few = DecodeLimits {
        header_search_rows_max: 4,
        ..DecodeLimits::default()
    };
    assert_eq!(told(&XLSX, few, &below(3).build()).ended, Ok(()));
    let missing = Unreadable::BadHeaderRow {
        missing: vec!["citizen_id"],
        twice: Vec::new(),
    };
    assert_eq!(told(&XLSX, few, &below(4).build()).ended, Err(missing.clone()));
    // What lies below is not even unpacked: the row that goes backwards is never met.
    let backwards = Made::of(&[blank(5), texts(2, &["b"])]);
    assert_eq!(told(&XLSX, few, &backwards.build()).ended, Err(missing));
    // Stated title rows are passed over without being counted.
    let titled = Layout::new(
        Format::Xlsx(Sheet {
            title_rows: 10,
            ..Sheet::new()
        }),
        Encoding::Utf8,
    );
    assert_eq!(told(&titled, few, &below(12).build()).ended, Ok(()));
}

#[test]
fn xml_that_is_hostile_is_damage() {
    let sheet = |content: String| {
        let zip = two_rows().zip().without("xl/worksheets/sheet0.xml");
        fault(&zip.with("xl/worksheets/sheet0.xml", content))
    };
    let damaged = FileFault::Damaged {
        part: "one of its sheets",
    };
    let entity = "<!DOCTYPE a [<!ENTITY b \"c\">]><worksheet><sheetData/></worksheet>";
    assert_eq!(sheet(entity.to_owned()), damaged);
    assert_eq!(sheet("<a>".repeat(100)), damaged);
    let reference = "<worksheet><sheetData><row><c t=\"str\"><v>&b;</v></c></row></sheetData></worksheet>";
    assert_eq!(sheet(reference.to_owned()), damaged);
    let backwards = [texts(3, &["a"]), texts(2, &["b"])].concat();
    assert_eq!(
        sheet(format!("<worksheet><sheetData>{backwards}</sheetData></worksheet>")),
        damaged
    );
    for reference in ["A0", "0", "ZZZZ1"] {
        let row = format!(r#"<row r="1"><c r="{reference}" t="str"><v>1</v></c></row>"#);
        let content = format!("<worksheet><sheetData>{row}</sheetData></worksheet>");
        if reference != "A0" {
            assert_eq!(sheet(content), damaged, "{reference}");
        }
    }
    let cut = "<worksheet><sheetData><row r=\"1\"><c t=\"str\"><v>1</v>";
    assert!(matches!(
        sheet(cut.to_owned()),
        FileFault::Truncated { .. } | FileFault::Damaged { .. }
    ));
    let cells = "<c/>".repeat(20_000);
    let wide = format!("<worksheet><sheetData><row>{cells}</row></sheetData></worksheet>");
    assert_eq!(
        told(
            &XLSX,
            DecodeLimits::default(),
            &two_rows()
                .zip()
                .without("xl/worksheets/sheet0.xml")
                .with("xl/worksheets/sheet0.xml", wide)
                .build()
        )
        .ended,
        Err(Unreadable::BadHeaderRow {
            missing: vec!["citizen_id"],
            twice: Vec::new()
        })
    );
    let values = "<c t=\"str\"><v>1</v></c>".repeat(20_000);
    assert_eq!(
        sheet(format!(
            "<worksheet><sheetData><row>{values}</row></sheetData></worksheet>"
        )),
        damaged
    );
}

#[test]
fn a_sheet_that_is_missing_and_a_header_that_is_missing_say_so() {
    let layout = Layout::new(
        Format::Xlsx(Sheet {
            sheet: Some("丙".into()),
            ..Sheet::new()
        }),
        Encoding::Utf8,
    );
    assert_eq!(fault_of(&layout, &two_rows().build()), FileFault::NoSuchSheet);
    let none = death(&Made::of(&[texts(1, &["甲", "乙"]), texts(2, &["1", "2"])]));
    let missing = Unreadable::BadHeaderRow {
        missing: vec!["citizen_id"],
        twice: Vec::new(),
    };
    assert_eq!(none.ended, Err(missing.clone()));
    assert_eq!(death(&Made::of(&[texts(1, &["姓名", "性别"])])).ended, Err(missing));
    let twice = death(&Made::of(&[texts(1, &["姓名", "身份证号", "* 姓名"])]));
    assert_eq!(
        twice.ended,
        Err(Unreadable::BadHeaderRow {
            missing: Vec::new(),
            twice: vec!["name"]
        })
    );
}

#[test]
fn a_workbook_that_is_cut_anywhere_is_refused() {
    let bytes = two_rows().build();
    for length in 0..bytes.len() {
        let told = told(&XLSX, DecodeLimits::default(), &bytes[..length]);
        assert!(told.ended.is_err(), "{length} of {}", bytes.len());
        assert_eq!(told.counts.received, 0);
    }
}

#[test]
fn a_workbook_with_one_byte_changed_is_refused_or_says_the_same() {
    let bytes = two_rows().build();
    let whole = told(&XLSX, DecodeLimits::default(), &bytes);
    assert_eq!(whole.ended, Ok(()));
    let mut refused = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let told = told(&XLSX, DecodeLimits::default(), &changed);
        if told.ended.is_err() {
            refused += 1;
        } else {
            assert_eq!(told.parts, whole.parts, "byte {at}");
            assert_eq!(told.rejects, whole.rejects, "byte {at}");
        }
    }
    assert!(refused * 2 > bytes.len(), "{refused} of {}", bytes.len());
}

#[test]
fn entries_that_contradict_their_directory_are_damage() {
    let directory = FileFault::Damaged {
        part: "the directory of its zip archive",
    };
    assert_eq!(fault(&two_rows().zip().but(|part| part.method = 12)), directory);
    assert_eq!(fault(&two_rows().zip().with("xl/Workbook.xml", "<a/>")), directory);
    let mut bytes = two_rows().build();
    let end = bytes.len();
    bytes[end - 12] ^= 0x40;
    assert_eq!(fault_of(&XLSX, &bytes), directory);
    bytes.push(b'!');
    let cut = FileFault::Truncated {
        part: "the directory at its end",
    };
    assert_eq!(fault_of(&XLSX, &bytes), cut);
}
