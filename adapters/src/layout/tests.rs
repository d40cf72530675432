#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeSet;

use super::{
    Delimited, Delimiter, Encoding, Fixed, FixedColumn, Format, HeaderRows, Layout, LayoutFault, Mapping, MappingFault,
    Sheet, Span, Trailer,
};
use crate::catalogue::{FieldType, record_type};

const BOTH: [Encoding; 2] = [Encoding::Utf8, Encoding::Gb18030];

fn column(name: &str, start: usize, width: usize) -> FixedColumn {
    FixedColumn {
        name: name.to_owned(),
        span: Span { start, width },
    }
}

fn formats() -> Vec<Format> {
    let lines = |delimiter| Format::Delimited(Delimited::new(delimiter));
    let mut all: Vec<Format> = Delimiter::ALL.into_iter().map(lines).collect();
    all.extend([Format::Ndjson, Format::JSON, Format::XML]);
    all.push(Format::Delimited(Delimited {
        quotes: false,
        ..Delimited::new(Delimiter::Comma)
    }));
    all
}

#[test]
fn a_content_type_survives_the_round_trip() {
    for encoding in BOTH {
        for format in formats() {
            let layout = Layout::new(format, encoding);
            let open = Layout {
                open: true,
                ..Layout::new(layout.format.clone(), Encoding::Utf8)
            };
            for layout in [layout, open] {
                assert_eq!(Layout::from_content_type(&layout.content_type()), Some(layout));
            }
        }
    }
}

#[test]
fn labels_are_a_closed_set_of_short_words() {
    let mut labels = BTreeSet::new();
    for encoding in BOTH {
        for format in formats() {
            labels.insert(Layout::new(format, encoding).label());
        }
        let fixed = Fixed::new(vec![column("xm", 0, 4)]).unwrap();
        labels.insert(Layout::new(Format::Fixed(fixed.into()), encoding).label());
    }
    assert_eq!(labels.len(), 22);
    assert!(labels.iter().all(|label| label.len() <= 20 && label.is_ascii()));
}

#[test]
fn gbk_is_read_as_gb18030_and_a_charset_that_is_not_named_is_left_open() {
    let gbk = Layout::from_content_type("Text/CSV; Charset=\"GBK\"").unwrap();
    assert_eq!(gbk.encoding, Encoding::Gb18030);
    let plain = Layout::from_content_type("application/x-ndjson").unwrap();
    assert_eq!((plain.encoding, plain.open, gbk.open), (Encoding::Utf8, true, false));
}

#[test]
fn what_is_not_decoded_here_is_no_layout() {
    for value in [
        "",
        "text/plain",
        "text/csv; charset=utf-16",
        "text/csv; charset",
        "text/csv; charset=\"gbk\" x",
        "text/csv; charset=\"gbk",
        "text/csv; delimiter=\";\"",
        "text/csv; delimiter=\"||\"",
        "text/csv; header=absent",
        "application/x-ndjson; delimiter=\"|\"",
        "application/json; quotes=none",
        "application/xhtml+xml",
    ] {
        assert_eq!(Layout::from_content_type(value), None, "{value}");
    }
}

#[test]
fn a_file_is_recognised_by_name_and_first_bytes() {
    let cases: [(&str, &[u8], &str); 17] = [
        ("a.csv", b"gmsfhm,xm\n", "csv+utf8"),
        ("a.csv", b"gmsfhm|xm\n1|\xd0\xd5\xc3\xfb\n", "pipe+gb18030"),
        ("a.txt", "姓名\t性别\n".as_bytes(), "tsv+utf8"),
        ("a.txt", b"a|!|b|!|c\n", "pipe-bang+utf8"),
        ("a.txt", b"a@#b\n", "at-hash+utf8"),
        ("a.txt", b"a^b\n", "caret+utf8"),
        ("a.dat", b"a\x1bb\n", "esc+utf8"),
        ("a.tsv", b"a", "tsv+utf8"),
        ("a.ndjson", b"", "ndjson+utf8"),
        ("feed", b"\xef\xbb\xbf {\"a\":1}", "ndjson+utf8"),
        ("feed", b"{\"a\":\"\xd0\xd5\"}\n{\"a\":2}", "ndjson+gb18030"),
        ("feed", b"{\"code\":0,\n\"data\":[", "json+utf8"),
        ("a.json", b"{\"code\":0,\"data\":[]}", "json+utf8"),
        ("feed", b"[{\"a\":1}]", "json+utf8"),
        ("feed", b"<?xml version='1.0' encoding='GBK'?><a/>", "xml+gb18030"),
        ("a.xml", b"<?xml version=\"1.0\"?><a>\xd0\xd5</a>", "xml+gb18030"),
        (
            "a.xml",
            "<?xml version=\"1.0\" encoding=\"GBK\"?><a>姓</a>".as_bytes(),
            "xml+utf8",
        ),
    ];
    for (name, head, label) in cases {
        assert_eq!(Layout::detect(name, head).label(), label, "{name}");
    }
    // A workbook as XML is one whatever it is called, a page where it is called one or the other.
    let workbook = b"<?xml version=\"1.0\"?><?mso-application progid=\"Excel.Sheet\"?><Workbook/>";
    for name in ["a.xls", "a.xml"] {
        assert_eq!(Layout::detect(name, workbook).label(), "xls", "{name}");
    }
    for (name, label) in [
        ("a.xls", "xls"),
        ("a.XLSX", "xls"),
        ("a.et", "xls"),
        ("a.htm", "xls"),
        ("a.xml", "xml+utf8"),
        ("feed", "xml+utf8"),
    ] {
        let layout = Layout::detect(name, b"<html><body><table><tr><td>xm</td></tr></table>");
        assert_eq!(layout.label(), label, "{name}");
        assert!(layout.open, "{name}");
    }
}

#[test]
fn a_few_wrong_bytes_do_not_make_another_charset_of_a_file() {
    let text = "姓名,住址\n张三,新浦\n".repeat(9);
    let utf8 = text.as_bytes();
    let gb18030 = encoding_rs::GB18030.encode(&text).0;
    for (bytes, encoding) in [(utf8, Encoding::Utf8), (&*gb18030, Encoding::Gb18030)] {
        for wrong in [&[0xff][..], &[0xff, b',', 0x80, 0xff, b'\n']] {
            let bytes = [bytes, wrong, bytes].concat();
            assert_eq!(Layout::detect("a.csv", &bytes).encoding, encoding);
        }
    }
    assert_eq!(
        Layout::detect("a.csv", b"\xef\xbb\xbfa\n\xd0\xd5\n").encoding,
        Encoding::Utf8
    );
    assert_eq!(
        Layout::detect("a.csv", b"\x84\x31\x95\x33a\n").encoding,
        Encoding::Gb18030
    );
}

#[test]
fn a_character_cut_off_by_the_end_of_the_head_is_still_utf8() {
    let head = "姓名".as_bytes().split_last().unwrap().1;
    assert_eq!(Layout::detect("a.csv", head).encoding, Encoding::Utf8);
}

#[test]
fn a_code_is_mapped_to_that_of_the_catalogue_where_the_source_has_others() {
    for (record, field, code) in [
        ("health/birth-certificate", "mother_id_type", "08"),
        ("commerce/establishment", "legal_rep_id_type", "10"),
        ("commerce/establishment", "reg_status", "SUSPENDED"),
        ("tax/withholding-employee", "person_status", "1"),
    ] {
        let record = record_type(record).unwrap();
        let mapping = Mapping::new(record, [], [(field, "它", code)]).unwrap();
        let FieldType::Code(table) = record.field(field).unwrap().kind else {
            panic!("{field} has no table")
        };
        let sent = mapping.codes(field).unwrap().get("它").unwrap();
        assert_eq!(table.canonical(sent), Some(code), "{field}");
    }
}

#[test]
fn a_head_that_does_not_show_its_charset_leaves_it_open() {
    for (head, open) in [
        (&b"gmsfhm,xm\n1,Wang\n"[..], true),
        (b"<?xml version='1.0' encoding='GBK'?><a/>", true),
        ("xm\nLé\n".as_bytes(), true),
        ("xm\n王\n".as_bytes(), false),
        (b"xm\n\xcd\xf5\n", false),
    ] {
        let layout = Layout::detect("a.csv", head);
        assert_eq!(layout.open, open);
        assert_eq!(layout.content_type().contains("charset"), !open);
    }
}

#[test]
fn only_a_text_can_be_left_open() {
    let forms = [Format::Dbf, Format::XLSX].map(|format| (format, false));
    // What is called XLS may be a page.
    for (format, open) in forms
        .into_iter()
        .chain([(Format::CSV, true), (Format::XML, true), (Format::XLS, true)])
    {
        assert_eq!(Layout::new(format, Encoding::Gb18030).left_open().open, open);
    }
}

#[test]
fn byte_positions_that_cannot_be_followed_are_refused() {
    let cases = [
        (vec![], LayoutFault::NoColumn),
        (vec![column("a", 0, 0)], LayoutFault::NoWidth("a".into())),
        (
            vec![column("b", 3, 4), column("a", 0, 4)],
            LayoutFault::Overlap("a".into(), "b".into()),
        ),
        (vec![column("a", usize::MAX, 4)], LayoutFault::TooWide),
    ];
    for (columns, fault) in cases {
        assert_eq!(Fixed::new(columns), Err(fault));
    }
    let trailer = Trailer {
        mark: String::new(),
        count: 1,
        sums: Vec::new(),
    };
    let lines = Delimited::new(Delimiter::Comma);
    assert_eq!(lines.clone().with_trailer(trailer), Err(LayoutFault::NoMark));
    assert_eq!(lines.with_columns(Vec::new()), Err(LayoutFault::NoColumn));
    let fixed = Fixed::new(vec![column("b", 4, 4), column("a", 0, 4)]).unwrap();
    assert_eq!(
        (fixed.width(), fixed.columns().first().unwrap().name.as_str()),
        (8, "a")
    );
}

#[test]
fn a_mapping_names_all_its_faults_at_once() {
    let record = record_type("public-security/resident").unwrap();
    let headers = [
        ("证件号", "citizen_id"),
        (" *证件号", "name"),
        ("x", "nonsense"),
        ("y", "-"),
    ];
    let codes = [
        ("sex", "M", "1"),
        ("sex", " M", "2"),
        ("sex", "W", "7"),
        ("sexx", "W", "2"),
    ];
    let faults = Mapping::new(record, headers, codes).unwrap_err();
    assert_eq!(
        faults,
        [
            MappingFault::HeaderTwice(" *证件号".into()),
            MappingFault::UnknownField("nonsense".into()),
            MappingFault::CodeTwice("sex", "M".into()),
            MappingFault::UnknownCode("sex", "7".into()),
            MappingFault::UnknownField("sexx".into()),
        ]
    );
}

#[test]
fn a_type_says_where_in_a_workbook_the_records_are_and_is_read_back() {
    let stated = Sheet {
        sheet: Some("名单;a".into()),
        number: None,
        title_rows: 2,
        header_rows: HeaderRows::of(2),
        skip_rows: 1,
        footer: Some("以上".into()),
        columns: None,
    };
    let xls = Layout::new(Format::Xls(stated.clone()), Encoding::Gb18030);
    let xlsx = Layout::new(Format::Xlsx(stated), Encoding::Utf8);
    for layout in [xlsx, xls.clone(), xls.in_charset(Encoding::Utf8).left_open()] {
        let value = layout.content_type();
        assert!(value.is_ascii(), "{value}");
        assert_eq!(Layout::from_content_type(&value), Some(layout));
    }
    let page = Layout::from_content_type("Text/HTML; charset=gbk; sheet-number=2").unwrap();
    assert_eq!(
        (page.label(), page.encoding, page.open),
        ("xls", Encoding::Gb18030, false)
    );
    assert_eq!(Layout::from_content_type("text/html; delimiter=\"|\""), None);
    let xlsx = Layout::new(Format::XLSX, Encoding::Utf8).content_type();
    for more in [
        "; sheet-number=0",
        "; header-rows=3",
        "; title-rows=-1",
        "; title-rows=1001",
        "; skip-rows=x",
        "; footer=\" \"",
    ] {
        assert_eq!(Layout::from_content_type(&format!("{xlsx}{more}")), None, "{more}");
    }
    assert_eq!(Layout::from_content_type("text/csv; title-rows=1"), None);
}

#[test]
fn a_delimiter_is_known_also_below_titles() {
    for (text, delimiter) in [
        ("xm|xb\n甲|1,2,3\n", Delimiter::Pipe),
        ("某市户籍人口表\nxm\txb\tmz\n甲\t1\t01\n", Delimiter::Tab),
        (
            "某市,某区,2026年1月\nxm|xb|mz|dz\n甲|1|01|某路,1号\n乙|2|01|某路\n",
            Delimiter::Pipe,
        ),
        ("某市|某区\n\n制表：甲\nxm,xb,mz\n甲,1,01\n", Delimiter::Comma),
        ("户籍\nxm@#xb\n甲@#1\n", Delimiter::AtHash),
        ("户籍|表\nxm|!|xb|!|mz\n甲|!|1|!|01\n", Delimiter::PipeBang),
        ("xm,dz\n甲,\"a|b|c,d\"\n乙,\"a|b|c\"\n", Delimiter::Comma),
        ("xm,dz,bz\n甲,\"一\n二|三|四\",\n", Delimiter::Comma),
        ("姓名\n甲\n", Delimiter::Comma),
        ("户籍\nxm\t,gmsfhm\t\n甲\t,3\t\n", Delimiter::Comma),
        ("xm|xb", Delimiter::Pipe),
        ("", Delimiter::Comma),
    ] {
        let layout = Layout::detect("a.txt", text.as_bytes());
        let Format::Delimited(form) = layout.format else {
            panic!("{text}")
        };
        assert_eq!(form.delimiter, delimiter, "{text}");
    }
}
