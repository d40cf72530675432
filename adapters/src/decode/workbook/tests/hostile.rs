//! Pages and `SpreadsheetML` that mean harm: each is refused with a code, in bounded time and memory.

use super::html::{XLS, death_of, page};
use super::spreadsheet_ml::{book, row, sheet};
use super::*;

const PAGE: FileFault = FileFault::Damaged {
    part: "a table of its page",
};
const MARKUP: FileFault = FileFault::Damaged {
    part: "its SpreadsheetML",
};

fn table(rows: &str) -> String {
    page(&format!("<table><tr><td>身份证号<td>姓名{rows}</table>"))
}

fn refused(text: &str, fault: &FileFault) {
    let ended = death_of(text.as_bytes()).ended;
    let begin: String = text.chars().take(400).collect();
    assert_eq!(ended, Err(fault.clone().into()), "{begin}");
}

#[test]
fn spans_beyond_a_sheet_are_refused() {
    for cell in [
        "<tr><td colspan=1000000>1",
        "<tr><td colspan=99999999999999999999>1",
        "<tr><td colspan=16384>1<td>2",
        "<tr><td colspan=16384 rowspan=9>1<tr><td>2",
    ] {
        refused(&table(cell), &PAGE);
    }
}

#[test]
fn tall_and_wide_spans_cost_no_more_than_any_table() {
    // Each row would look through all columns; each cell covers many.
    let covered = format!("<tr><td rowspan=0 colspan=16383>1{}", "<tr><td>2".repeat(100_000));
    refused(&table(&covered), &PAGE);
    let covering = "<tr><td rowspan=2 colspan=8000>1".repeat(100_000);
    refused(&table(&covering), &PAGE);
    let sections = "<tbody><tr><td colspan=8000 rowspan=2>1".repeat(100_000);
    refused(&table(&sections), &PAGE);
}

#[test]
fn as_many_rows_as_a_sheet_has_and_no_more() {
    refused(&table(&"<tr>".repeat(1 << 20)), &PAGE);
    let text = table(&"<tr>".repeat((1 << 20) - 1));
    assert_eq!(death_of(text.as_bytes()).ended, Ok(()));
}

#[test]
fn nesting_has_an_end() {
    let many = FileFault::TooManySheets {
        limit: DecodeLimits::default().workbook_sheets_max,
    };
    refused(&page(&"<table>".repeat(200_000)), &many);
    refused(&page(&"<table><tr><td>".repeat(200_000)), &PAGE);
    let deep = format!("{}身份证号{}", "<div><b>".repeat(200_000), "</b></div>".repeat(200_000));
    let told = death_of(table(&format!("<td>{deep}")).as_bytes());
    assert_eq!(told.ended.map_err(|_| ()), Err(()), "one name stands twice");
    refused(&book(&"<a>".repeat(200_000)), &MARKUP);
    let deep = format!("<Cell><Data ss:Type=\"String\">{}</Data></Cell>", "<B>".repeat(200_000));
    refused(&book(&sheet("a", &format!("<Row>{deep}</Row>"))), &MARKUP);
}

#[test]
fn more_tables_or_worksheets_than_anybody_looks_through_are_refused() {
    let limit = DecodeLimits::default().workbook_sheets_max;
    let many = FileFault::TooManySheets { limit };
    refused(&page(&"<table></table>".repeat(limit + 1)), &many);
    refused(&book(&"<Worksheet/>".repeat(limit + 1)), &many);
}

#[test]
fn document_types_and_entities_of_ones_own_are_refused() {
    let bomb = "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>";
    let text = book(&sheet("a", &row(&["&b;"])));
    refused(&text.replace("<Workbook", &format!("{bomb}<Workbook")), &MARKUP);
    refused(&text, &MARKUP);
    // A page has no entities of its own: what it calls one is text.
    let told = death_of(page("<!ENTITY b \"x\"><table><tr><td>身份证号<tr><td>&b;</table>").as_bytes());
    assert_eq!((told.ended, told.counts.rejected), (Ok(()), 1));
}

#[test]
fn floods_of_references_attributes_and_text_are_read_or_refused_in_bounds() {
    let flood = "&nGt;&amp;&#x4E2D;&nosuch;".repeat(100_000);
    let told = death_of(table(&format!("<tr><td>{}<td>{flood}", id(1))).as_bytes());
    assert_eq!((told.ended, told.counts.rejected), (Ok(()), 1));
    let attributes: Vec<String> = (0..200_000).map(|number| format!(" a{number}=1")).collect();
    let attributes = attributes.concat();
    let told = death_of(table(&format!("<tr><td{attributes}>{}<td>甲", id(1))).as_bytes());
    assert_eq!((told.ended, told.counts.accepted), (Ok(()), 1));
    let cell = "中".repeat(6 << 20);
    refused(&table(&format!("<tr><td>{cell}")), &PAGE);
    refused(&book(&sheet("a", &row(&[&cell]))), &MARKUP);
}

#[test]
fn a_row_of_more_cells_than_columns_is_refused() {
    refused(&table(&format!("<tr>{}", "<td>1".repeat(16_385))), &PAGE);
    let cells = "<Cell><Data ss:Type=\"Number\">1</Data></Cell>".repeat(16_385);
    refused(&book(&sheet("a", &format!("<Row>{cells}</Row>"))), &MARKUP);
}

#[test]
fn limits_hold_for_the_file_and_for_what_its_cells_take() {
    let html = table(&format!("<tr><td>{}<td>甲", id(1)));
    let markup = book(&sheet("a", &(row(&["身份证号", "姓名"]) + &row(&[&id(1), "甲"]))));
    for text in [html, markup] {
        let with = |limits| read(DEATH, &["citizen_id"], &XLS, limits, text.as_bytes()).ended;
        let of_bytes = |workbook_bytes_max| DecodeLimits {
            workbook_bytes_max,
            ..DecodeLimits::default()
        };
        assert_eq!(with(of_bytes(text.len())), Ok(()));
        let limit = text.len() - 1;
        assert_eq!(with(of_bytes(limit)), Err(FileFault::TooLarge { limit }.into()));
        let of_text = |workbook_text_bytes_max| DecodeLimits {
            workbook_text_bytes_max,
            ..DecodeLimits::default()
        };
        assert_eq!(with(of_text(1000)), Ok(()));
        assert_eq!(with(of_text(20)), Err(FileFault::TooMuchText { limit: 20 }.into()));
    }
}

#[test]
fn a_file_cut_anywhere_is_refused_or_whole() {
    let html = table(&format!("<tr><td>{}<td>甲<tr><td>{}<td>乙", id(1), id(2)));
    let rows = row(&["身份证号", "姓名"]) + &row(&[&id(1), "甲"]) + &row(&[&id(2), "乙"]);
    let markup = book(&sheet("a", &rows));
    for text in [html, markup] {
        let whole = death_of(text.as_bytes());
        assert_eq!((whole.ended.clone(), whole.counts.accepted), (Ok(()), 2));
        for cut in 0..text.len() {
            let told = death_of(&text.as_bytes()[..cut]);
            let is_whole = told.ended == Ok(()) && told.parts == whole.parts;
            assert!(is_whole || told.ended.is_err(), "{cut}: {:?}", told.ended);
        }
    }
}

#[test]
fn how_the_frames_are_cut_makes_no_difference() {
    let html = table(&format!("<tr><td>{}<td>甲", id(1)));
    let gbk = encoding_rs::GB18030.encode(&html).0.into_owned();
    for bytes in [html.as_bytes(), &gbk] {
        let whole = death_of(bytes);
        let record = record_type(DEATH).unwrap();
        let wanted = ["citizen_id", "name", "death_date", "source_updated_at"];
        for size in [1, 7, 511, 512, 513] {
            let mut decoder = Decoder::new(record, &wanted, &XLS, DecodeLimits::default(), TODAY);
            for frame in bytes.chunks(size) {
                decoder.feed(frame).unwrap();
            }
            assert_eq!(decoder.finish(), Ok(Ended::Whole), "{size}");
            assert_eq!(decoder.next_part().as_ref(), whole.parts.first(), "{size}");
        }
    }
}
