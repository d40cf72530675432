//! How fast feeds become validated columns on one core, beside what bounds it: reading the same CSV raw and as records of the `csv` crate, the
//! same JSON borrowed, the cells of the same workbook by calamine.
//!
//! Twelve fields are what the goals speak of; the plan is that of `policies/example`, which grants some of the fields that are sent.
//! In this process, on one thread, its core time only.

use std::path::Path;

use serde::Deserialize;
use shuguan_adapters::catalogue::{Agency, Field, RecordType};
use shuguan_adapters::decode::{DecodeLimits, Decoder, Ended};
use shuguan_adapters::layout::Layout;
use shuguan_policies::PolicySet;

use crate::Size;
use crate::feed::{CSV_GB18030, NDJSON, RECORD, TSV, XLSX, resident, sample};
use crate::table::{Aim, Line, Table};
use crate::timing::rows_per_core_second;

const FIELDS: [&str; 12] = [
    "citizen_id",
    "name",
    "sex",
    "ethnicity",
    "birth_date",
    "hukou_region",
    "town_code",
    "hukou_address",
    "household_no",
    "person_status",
    "phone",
    "source_updated_at",
];

/// What the decoder builds too, without a check.
#[derive(Deserialize)]
#[expect(dead_code, reason = "reading is what is measured")]
struct Resident<'a> {
    citizen_id: &'a str,
    name: &'a str,
    sex: Option<&'a str>,
    ethnicity: Option<&'a str>,
    birth_date: Option<&'a str>,
    hukou_region: Option<&'a str>,
    town_code: Option<&'a str>,
    hukou_address: Option<&'a str>,
    household_no: Option<&'a str>,
    person_status: Option<&'a str>,
    phone: Option<&'a str>,
    source_updated_at: Option<&'a str>,
}

/// Rows of the workbook at most; its writer holds them in memory.
const SHEET_ROWS_MAX: u64 = 50_000;

/// Any day after the samples' own.
const TODAY: i32 = 20_800;

pub fn measure(size: Size, table: &mut Table) {
    let (rows, turns) = (size.decode_rows, size.turns.max(3));
    let twelve = twelve_fields();
    let csv = sample(twelve, CSV_GB18030, rows, 1);
    let ndjson = sample(twelve, NDJSON, rows, 1);
    table.add(Line {
        what: "decoded and validated: GB18030 CSV, 12 fields".into(),
        unit: "rows/s/core",
        measured: rows_per_core_second(turns, rows, || decode(twelve, &FIELDS, &CSV_GB18030, &csv)),
        peer: Some((
            "csv-core, raw".into(),
            rows_per_core_second(turns, rows, || raw_csv(&csv)),
        )),
        aim: Aim::AtLeast(1_000_000.0),
    });
    let decoded = rows_per_core_second(turns, rows, || decode(twelve, &FIELDS, &CSV_GB18030, &csv));
    table.add(Line {
        what: "the same beside records of bytes".into(),
        unit: "rows/s/core",
        measured: decoded,
        peer: Some((
            "csv, ByteRecord".into(),
            rows_per_core_second(turns, rows, || byte_records(&csv)),
        )),
        aim: Aim::RatioAtLeast(0.30),
    });
    table.add(Line {
        what: "decoded and validated: NDJSON, 12 fields".into(),
        unit: "rows/s/core",
        measured: rows_per_core_second(turns, rows, || decode(twelve, &FIELDS, &NDJSON, &ndjson)),
        peer: Some((
            "serde_json, borrowed".into(),
            rows_per_core_second(turns, rows, || borrowed_json(&ndjson)),
        )),
        aim: Aim::RatioAtLeast(0.6),
    });
    drop((csv, ndjson));
    // A sheet holds about a million rows, and a writer of it holds them all.
    let sheet_rows = rows.min(SHEET_ROWS_MAX);
    let book = workbook(&sample(twelve, TSV, sheet_rows, 1));
    table.add(Line {
        what: "decoded and validated: XLSX, 12 fields".into(),
        unit: "rows/s/core",
        measured: rows_per_core_second(turns, sheet_rows, || decode(twelve, &FIELDS, &XLSX, &book)),
        peer: Some((
            "calamine, cells alone".into(),
            rows_per_core_second(turns, sheet_rows, || cells(&book)),
        )),
        aim: Aim::RatioAtLeast(0.7),
    });
    drop(book);
    let wanted = wanted();
    let sent = resident().fields.len();
    for (name, layout) in [("GB18030 CSV", CSV_GB18030), ("NDJSON", NDJSON)] {
        let bytes = sample(resident(), layout.clone(), rows, 1);
        let measured = rows_per_core_second(turns, rows, || decode(resident(), &wanted, &layout, &bytes));
        let peer = (layout == CSV_GB18030).then(|| {
            let raw = rows_per_core_second(turns, rows, || raw_csv(&bytes));
            ("csv-core, raw".into(), raw)
        });
        table.add(Line {
            what: format!(
                "decoded and validated: {name}, {} granted of {sent} sent, {} bytes a row",
                wanted.len(),
                bytes.len() as u64 / rows
            ),
            unit: "rows/s/core",
            measured,
            peer,
            aim: Aim::None,
        });
    }
}

/// The columns that the example plan wants of a resident.
fn wanted() -> Vec<&'static str> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
    let policies = PolicySet::load(&folder).expect("the example loads");
    let plan = policies
        .plans()
        .find(|plan| plan.target().name() == RECORD)
        .expect("the example has a plan for residents");
    plan.wanted().to_vec()
}

/// The resident with twelve fields, under their English names.
fn twelve_fields() -> &'static RecordType {
    let fields: Vec<Field> = FIELDS
        .into_iter()
        .map(|name| Field {
            aliases: Box::leak(Box::new([name])),
            ..*resident().field(name).expect("residents have it")
        })
        .collect();
    Box::leak(Box::new(RecordType {
        // Its systems write names as they are.
        agency: Agency::Health,
        fields: fields.leak(),
        order: &[],
        ..*resident()
    }))
}

/// Every record through csv-core, into one buffer; the header row does not count.
fn raw_csv(bytes: &[u8]) -> u64 {
    let mut reader = csv_core::Reader::new();
    let mut input = bytes;
    let mut output = vec![0; 1 << 16];
    let mut ends = vec![0; 256];
    let mut records = 0_u64;
    loop {
        let (result, read, _, _) = reader.read_record(input, &mut output, &mut ends);
        input = &input[read..];
        match result {
            csv_core::ReadRecordResult::Record => records += 1,
            csv_core::ReadRecordResult::End => return records - 1,
            _ => {}
        }
    }
}

/// Every record through the `csv` crate, into one record that is used again; the header row does not count.
fn byte_records(bytes: &[u8]) -> u64 {
    let mut reader = csv::Reader::from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let mut records = 0;
    while reader.read_byte_record(&mut record).expect("CSV") {
        records += 1;
    }
    records
}

/// Lines of tabs as a workbook of texts.
fn workbook(lines: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(lines).expect("UTF-8");
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (row, line) in (0..).zip(text.lines()) {
        for (column, cell) in (0..).zip(line.split('\t')) {
            let cell = cell.trim_matches('"');
            sheet.write_string(row, column, cell).expect("a cell");
        }
    }
    book.save_to_buffer().expect("a workbook")
}

/// Every cell of the first sheet through calamine, as it comes; the header row does not count.
fn cells(bytes: &[u8]) -> u64 {
    use calamine::Reader as _;
    let mut book: calamine::Xlsx<_> = calamine::open_workbook_from_rs(std::io::Cursor::new(bytes)).expect("a workbook");
    let name = book.sheet_names().remove(0);
    let mut cells = book.worksheet_cells_reader(&name).expect("a sheet");
    let mut last = 0;
    while let Some(cell) = cells.next_cell().expect("a cell") {
        last = cell.get_position().0;
    }
    u64::from(last)
}

/// Every line through `serde_json`, the charset checked once.
fn borrowed_json(bytes: &[u8]) -> u64 {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    text.lines()
        .filter(|line| serde_json::from_str::<Resident<'_>>(line).is_ok())
        .count() as u64
}

/// Everything through the decoder, in frames as HTTP brings them.
fn decode(record: &'static RecordType, wanted: &[&'static str], layout: &Layout, bytes: &[u8]) -> u64 {
    let mut decoder = Decoder::new(record, wanted, layout, DecodeLimits::default(), TODAY);
    let mut rows = 0;
    for frame in bytes.chunks(16 * 1024) {
        decoder.feed(frame).expect("a readable feed");
        while let Some(part) = decoder.next_part() {
            rows += part.num_rows() as u64;
        }
    }
    loop {
        let ended = decoder.finish().expect("a readable feed");
        while let Some(part) = decoder.next_part() {
            rows += part.num_rows() as u64;
        }
        if ended == Ended::Whole {
            return rows;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::measure;
    use crate::table::Table;
    use crate::{QUICK, Size};

    /// A turn that read another number of rows than there are would panic.
    #[test]
    fn we_and_every_peer_read_every_row() {
        let size = Size {
            decode_rows: 300,
            ..QUICK
        };
        let mut table = Table::default();
        measure(size, &mut table);
        let text = table.to_string();
        for peer in ["csv, ByteRecord", "serde_json, borrowed", "calamine, cells alone"] {
            assert!(text.contains(peer), "{text}");
        }
    }
}
