#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::{Page, PageFault, Shown, ShownRow};
use crate::catalogue::record_type;
use crate::decode::{DecodeLimits, FileFault, Unreadable};
use crate::layout::Layout;

const XLSX: &[u8] = include_bytes!("../workbook/tests/files/death.xlsx");
const XLS: &[u8] = include_bytes!("../workbook/tests/files/death.xls");
const DBF: &[u8] = include_bytes!("../workbook/tests/files/death.dbf");

/// Heading, column of the name, rows.
fn rows(name: &str, bytes: &[u8]) -> Result<(u64, Option<usize>, Vec<ShownRow>), PageFault> {
    let layout = Layout::detect(name, bytes);
    let mut source = bytes;
    let record = record_type("public-security/death").unwrap();
    let mut page = Page::open(record, &layout, DecodeLimits::default(), &mut source)?;
    let mut rows = Vec::new();
    while let Some(row) = page.next_row()? {
        rows.push(row);
    }
    Ok((page.heading(), page.column("name"), rows))
}

fn texts(row: &ShownRow) -> Vec<String> {
    let text = |(_, shown): &(usize, Shown)| match shown {
        Shown::Text(text) => text.clone(),
        Shown::Number(number) => number.to_string(),
        Shown::Truth(truth) => truth.to_string(),
        Shown::Error => "!".into(),
    };
    row.cells.iter().map(text).collect()
}

#[test]
fn two_programs_workbooks_of_one_table_show_the_same_rows() {
    let (heading, column, xlsx) = rows("a.xlsx", XLSX).unwrap();
    let (_, _, xls) = rows("a.xls", XLS).unwrap();
    let records = |rows: &[ShownRow]| {
        let below = rows.iter().filter(|row| row.line > heading).take(5);
        below.map(|row| (row.line, texts(row))).collect::<Vec<_>>()
    };
    assert_eq!(records(&xlsx), records(&xls));
    let header = xlsx.iter().find(|row| row.line == heading).unwrap();
    let (at, _) = header.cells.iter().find(|(at, _)| Some(*at) == column).unwrap();
    assert_eq!(Some(*at), column);
    // Titles and footers are rows like any other here: five records, and what surrounds them.
    assert!(xlsx.len() > 6, "{}", xlsx.len());
}

#[test]
fn a_table_shows_its_names_first_and_leaves_out_what_is_deleted() {
    let (heading, column, rows) = rows("a.dbf", DBF).unwrap();
    assert_eq!(heading, 0);
    let names = texts(rows.first().unwrap());
    assert!(column.is_some(), "{names:?}");
    assert_eq!(rows.iter().filter(|row| row.line > 0).count(), 5);
    assert!(
        rows.iter().zip(0..).all(|(row, line)| row.line == line),
        "the deleted one is the last"
    );
}

#[test]
fn what_is_no_workbook_or_cut_is_refused() {
    let cut = XLSX.get(..XLSX.len() / 2).unwrap();
    assert!(matches!(rows("a.xlsx", cut), Err(PageFault::File(Unreadable::File(_)))));
    let cut = DBF.get(..DBF.len() - 40).unwrap();
    assert!(matches!(
        rows("a.dbf", cut),
        Err(PageFault::File(Unreadable::File(FileFault::Truncated { .. })))
    ));
    assert!(matches!(
        rows("a.dbf", DBF.get(..20).unwrap()),
        Err(PageFault::File(Unreadable::File(FileFault::Truncated { .. })))
    ));
    assert!(matches!(rows("a.csv", b"name\n"), Err(PageFault::NoPage)));
}
