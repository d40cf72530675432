//! Workbooks and a table that `LibreOffice` and `SheetJS` wrote, read back exactly: they give the columns that the same table in CSV gives.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::path::Path;

use arrow_array::RecordBatch;
use shuguan_adapters::catalogue::record_type;
use shuguan_adapters::decode::{DecodeLimits, Decoder, Ended};
use shuguan_adapters::layout::{Format, Layout};

const FIELDS: [&str; 5] = ["citizen_id", "name", "sex", "death_date", "police_station"];
const TODAY: i32 = 20_500;

#[test]
fn what_libreoffice_and_sheetjs_wrote_is_read_back_exactly() {
    let expected = columns("table.csv");
    assert_eq!(expected.iter().map(RecordBatch::num_rows).sum::<usize>(), 40);
    let nulls = |name: &str| -> usize {
        expected
            .iter()
            .map(|part| part.column_by_name(name).unwrap().null_count())
            .sum()
    };
    assert_eq!(
        (nulls("death_date"), nulls("police_station"), nulls("name")),
        (10, 13, 0)
    );
    for name in ["table.xlsx", "table.xls", "table.dbf"] {
        assert!(columns(name) == expected, "{name}");
    }
    // A page and SpreadsheetML under the name of XLS.
    for name in ["../sheetjs/table.html.xls", "../sheetjs/table.xml.xls"] {
        assert!(columns(name) == expected, "{name}");
    }
}

fn columns(name: &str) -> Vec<RecordBatch> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/libreoffice")
        .join(name);
    let bytes = std::fs::read(file).unwrap();
    let record = record_type("public-security/death").unwrap();
    let layout = Layout::detect(name, &bytes);
    let is_what_it_is = match name.rsplit_once('.').unwrap().1 {
        "xlsx" => matches!(layout.format, Format::Xlsx(_)),
        "xls" => matches!(layout.format, Format::Xls(_)),
        "dbf" => matches!(layout.format, Format::Dbf),
        _ => matches!(layout.format, Format::Delimited(_)),
    };
    assert!(is_what_it_is, "{name}: {}", layout.label());
    let mut decoder = Decoder::new(record, &FIELDS, &layout, DecodeLimits::default(), TODAY);
    decoder.feed(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut parts = Vec::new();
    loop {
        let ended = decoder.finish().unwrap_or_else(|error| panic!("{name}: {error}"));
        parts.extend(std::iter::from_fn(|| decoder.next_part()));
        if ended == Ended::Whole {
            break;
        }
    }
    let rejects = decoder.take_rejects();
    assert_eq!(
        (decoder.counts().rejected, decoder.counts().repeated),
        (0, 0),
        "{name}: {rejects:?}"
    );
    parts
}
