//! The files of other people's programs: the same table as CSV, and as openpyxl, xlwt, dbf and `SheetJS` (HTML in GB18030, `SpreadsheetML`; in the time of Shanghai) wrote it (others, made anew at each run: `tests/oracles/tables.py`), gives the
//! same columns. Days before 1900 are text in workbooks, the others serial days; the numbers are numbers.

use super::{DEATH, Told, id, read};
use crate::decode::DecodeLimits;
use crate::layout::Layout;

const WANTED: [&str; 8] = [
    "citizen_id",
    "name",
    "sex",
    "birth_date",
    "death_date",
    "cancel_date",
    "police_station",
    "source_updated_at",
];

fn told(name: &str, bytes: &[u8]) -> Told {
    read(
        DEATH,
        &WANTED,
        &Layout::detect(name, bytes),
        DecodeLimits::default(),
        bytes,
    )
}

#[test]
fn the_same_table_in_six_forms_gives_the_same_columns() {
    let csv = told("death.csv", include_bytes!("files/death.csv"));
    assert_eq!((csv.ended.clone(), csv.counts.accepted), (Ok(()), 5));
    assert_eq!(super::column(&csv, "citizen_id").first(), Some(&Some(id(10))));
    let files: [(&str, &[u8]); 5] = [
        ("death.xlsx", include_bytes!("files/death.xlsx")),
        ("death.xls", include_bytes!("files/death.xls")),
        ("death.dbf", include_bytes!("files/death.dbf")),
        ("death.html.xls", include_bytes!("files/death.html.xls")),
        ("death.xml.xls", include_bytes!("files/death.xml.xls")),
    ];
    for (name, bytes) in files {
        let told = told(name, bytes);
        assert_eq!(told.ended, Ok(()), "{name}");
        assert_eq!(told.rejects, [], "{name}");
        assert_eq!(told.parts, csv.parts, "{name}");
        let is_table = name == "death.dbf";
        assert_eq!(
            (told.passed_over.footers, told.passed_over.deleted),
            if is_table { (0, 1) } else { (1, 0) }
        );
    }
}

#[test]
fn a_file_is_known_by_its_bytes_whatever_it_is_called() {
    let files: [(&str, &[u8], &str); 6] = [
        ("名单.xls", include_bytes!("files/death.xlsx"), "xlsx"),
        ("名单.csv", include_bytes!("files/death.xls"), "xls"),
        ("名单", include_bytes!("files/death.dbf"), "dbf+gb18030"),
        ("名单.xlsx", include_bytes!("files/death.html.xls"), "xls"),
        ("名单.xml", include_bytes!("files/death.xml.xls"), "xls"),
        ("名单.xls", include_bytes!("files/death.csv"), "csv+utf8"),
    ];
    let found = |layout: &Layout, bytes: &[u8]| {
        let record = crate::catalogue::record_type(DEATH).unwrap();
        let mut decoder = crate::decode::Decoder::new(record, &WANTED, layout, DecodeLimits::default(), super::TODAY);
        decoder.feed(bytes).unwrap();
        assert_ne!(decoder.finish(), Err(crate::decode::Unreadable::CharsetUnclear));
        decoder.label(layout)
    };
    for (name, bytes, label) in files {
        let layout = Layout::detect(name, bytes);
        let is = match name {
            "名单.xlsx" => "html+gb18030",
            "名单.xml" => "spreadsheetml+utf8",
            _ => label,
        };
        assert_eq!(found(&layout, bytes), is, "{name}");
        assert_eq!(layout.label(), label, "{name}");
        assert_eq!(
            read(DEATH, &WANTED, &layout, DecodeLimits::default(), bytes)
                .counts
                .accepted,
            5
        );
        // What a sender says by it is what the gateway reads.
        assert_eq!(Layout::from_content_type(&layout.content_type()), Some(layout));
    }
    for (name, bytes) in [
        ("a.xls", &b"<html><table>"[..]),
        ("a.xls", b"<?xml version=\"1.0\"?><Workbook/>"),
        ("a.xlsx", b""),
    ] {
        assert!(Layout::detect(name, bytes).label().starts_with("xls"), "{name}");
    }
}

#[test]
fn the_files_of_real_programs_cut_or_changed_never_end_in_a_panic() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let files: [(&str, &[u8]); 3] = [
        ("death.xlsx", include_bytes!("files/death.xlsx")),
        ("death.xls", include_bytes!("files/death.xls")),
        ("death.dbf", include_bytes!("files/death.dbf")),
    ];
    for (name, bytes) in files {
        let layout = Layout::detect(name, bytes);
        let read = |bytes: &[u8]| read(DEATH, &WANTED, &layout, DecodeLimits::default(), bytes);
        for _ in 0..150 {
            let told = read(&bytes[..next(bytes.len())]);
            // The last byte of a table may be missing.
            assert!(told.ended.is_err() || name == "death.dbf", "{name}");
            let mut changed = bytes.to_vec();
            for _ in 0..=next(4) {
                let at = next(changed.len());
                changed[at] = u8::try_from(next(256)).unwrap();
            }
            read(&changed);
        }
    }
}

#[test]
fn the_sheet_that_a_content_type_names_is_the_sheet_that_is_read() {
    let bytes = include_bytes!("files/death.xlsx");
    let layout = Layout::detect("death.xlsx", bytes);
    let named = |name: &str| layout.clone().of_sheet(name).unwrap();
    let sent = named("名单").content_type();
    assert_eq!(
        sent,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet; sheet*=UTF-8''%E5%90%8D%E5%8D%95"
    );
    let layout = Layout::from_content_type(&sent).unwrap();
    assert_eq!(
        read(DEATH, &WANTED, &layout, DecodeLimits::default(), bytes)
            .counts
            .accepted,
        5
    );
    let other = read(DEATH, &WANTED, &named("另一"), DecodeLimits::default(), bytes);
    assert_eq!(other.ended, Err(crate::decode::FileFault::NoSuchSheet.into()));
    assert_eq!(Layout::from_content_type("text/csv; sheet=A"), None);
    assert_eq!(
        Layout::from_content_type("application/vnd.ms-excel; sheet*=UTF-8''%E5%90"),
        None
    );
}
