//! How fast feeds become validated columns, beside what bounds it: reading the same CSV raw, the same JSON borrowed, and the cells of the same
//! workbook by calamine.
//!
//! `cargo run --release -p shuguan-adapters --example decode_rate [ROWS [LAYOUT [TURNS]]]`. One core, its time only, medians of five turns; only
//! ratios within one run mean anything. The record is a resident of twelve fields. With a layout, e.g. `csv+gb18030`, only that is decoded,
//! once or in so many turns: for counting instructions and cycles.

use std::io::Write;
use std::time::{Duration, Instant};

use serde::Deserialize;
use shuguan_adapters::catalogue::{Agency, Field, RecordType, record_type};
use shuguan_adapters::decode::{DecodeLimits, Decoder, Ended};
use shuguan_adapters::layout::{Encoding, Format, Layout};
use shuguan_adapters::sample::{Dirt, write_sample};

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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows: u64 = std::env::args().nth(1).map_or(Ok(200_000), |rows| rows.parse())?;
    let record = twelve_fields().ok_or("the catalogue lacks public-security/resident")?;
    let layouts = [
        (Format::CSV, Encoding::Gb18030),
        (Format::CSV, Encoding::Utf8),
        (Format::Ndjson, Encoding::Utf8),
        (Format::Ndjson, Encoding::Gb18030),
    ];
    let layouts = layouts.map(|(format, encoding)| Layout::new(format, encoding));
    if let Some(only) = std::env::args().nth(2) {
        let layout = layouts.iter().find(|layout| layout.label() == only);
        let layout = layout.ok_or("no such layout")?;
        let bytes = sample(record, layout, rows)?;
        let turns: u32 = std::env::args().nth(3).map_or(Ok(1), |turns| turns.parse())?;
        for _ in 0..turns {
            std::hint::black_box(decode(record, layout, &bytes));
        }
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    let mut line = |name: &str, bytes: usize, took: Duration| {
        let seconds = took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let (rate, speed) = (rows as f64 / seconds, bytes as f64 / seconds / 1e6);
        writeln!(out, "{name:<34} {rate:>12.0} rows/s {speed:>8.0} MB/s")
    };
    let utf8 = sample(record, &Layout::new(Format::CSV, Encoding::Utf8), rows)?;
    line("csv-core, raw", utf8.len(), median(|| raw_csv(&utf8)))?;
    let json = sample(record, &Layout::new(Format::Ndjson, Encoding::Utf8), rows)?;
    line("serde_json, borrowed", json.len(), median(|| borrowed_json(&json)))?;
    for layout in &layouts {
        let bytes = sample(record, layout, rows)?;
        let took = median(|| decode(record, layout, &bytes));
        line(&format!("decoded: {}", layout.label()), bytes.len(), took)?;
    }
    let layout = Layout::new(Format::XLSX, Encoding::Utf8);
    let book = workbook(&sample(record, &Layout::new(Format::TSV, Encoding::Utf8), rows)?)?;
    line("calamine, cells", book.len(), median(|| raw_cells(&book)))?;
    let took = median(|| decode(record, &layout, &book));
    line("decoded: xlsx", book.len(), took)?;
    Ok(())
}

/// The same table as a workbook of XLSX, every value a shared text.
fn workbook(tsv: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (row, line) in (0..).zip(std::str::from_utf8(tsv)?.lines()) {
        for (column, text) in (0..).zip(line.split('\t')) {
            sheet.write_string(row, column, text.trim_matches('"'))?;
        }
    }
    Ok(book.save_to_buffer()?)
}

/// Every cell of the first sheet through calamine, one at a time, as it reads them fastest.
fn raw_cells(bytes: &[u8]) -> u64 {
    let read = || -> Result<u64, calamine::XlsxError> {
        let mut book: calamine::Xlsx<_> = calamine::Reader::new(std::io::Cursor::new(bytes))?;
        let mut cells = book.worksheet_cells_reader("Sheet1")?;
        let mut count = 0;
        while cells.next_cell()?.is_some() {
            count += 1;
        }
        Ok(count)
    };
    read().unwrap_or(0)
}

/// The resident with twelve fields, under their English names.
fn twelve_fields() -> Option<&'static RecordType> {
    let resident = record_type("public-security/resident")?;
    let fields: Option<Vec<Field>> = FIELDS
        .into_iter()
        .map(|name| {
            let field = resident.field(name)?;
            Some(Field {
                aliases: Box::leak(Box::new([name])),
                ..*field
            })
        })
        .collect();
    Some(Box::leak(Box::new(RecordType {
        // Its systems write names as they are.
        agency: Agency::Health,
        fields: fields?.leak(),
        order: &[],
        ..*resident
    })))
}

fn sample(record: &'static RecordType, layout: &Layout, rows: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_sample(record, layout, rows, 1, Dirt::none(), &mut bytes)?;
    Ok(bytes)
}

fn median(turn: impl Fn() -> u64) -> Duration {
    let clock = Stopwatch::default();
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            let start = clock.read();
            std::hint::black_box(turn());
            clock.read().saturating_sub(start)
        })
        .collect();
    times.sort_unstable();
    times.get(2).copied().unwrap_or_default()
}

/// Time that this thread had a core, where the kernel tells it, so that other work on the machine counts less; else time passed.
struct Stopwatch(Instant);

impl Default for Stopwatch {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Stopwatch {
    fn read(&self) -> Duration {
        let on_core = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let nanos = on_core.and_then(|text| text.split(' ').next()?.parse().ok());
        nanos.map_or_else(|| self.0.elapsed(), Duration::from_nanos)
    }
}

/// Every record through csv-core, into one buffer.
fn raw_csv(bytes: &[u8]) -> u64 {
    let mut reader = csv_core::Reader::new();
    let mut input = bytes;
    let mut output = vec![0; 1 << 16];
    let mut ends = vec![0; 256];
    let mut records = 0;
    loop {
        let (result, read, _, _) = reader.read_record(input, &mut output, &mut ends);
        input = input.get(read..).unwrap_or_default();
        match result {
            csv_core::ReadRecordResult::Record => records += 1,
            csv_core::ReadRecordResult::End => return records,
            _ => {}
        }
    }
}

/// Every line through `serde_json`, the charset checked once.
fn borrowed_json(bytes: &[u8]) -> u64 {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    text.lines()
        .filter(|line| serde_json::from_str::<Resident<'_>>(line).is_ok())
        .count() as u64
}

/// Everything through the decoder, in frames as HTTP brings them.
fn decode(record: &'static RecordType, layout: &Layout, bytes: &[u8]) -> u64 {
    let mut decoder = Decoder::new(record, &FIELDS, layout, DecodeLimits::default(), 20_500);
    let mut rows = 0;
    for frame in bytes.chunks(64 * 1024) {
        if decoder.feed(frame).is_err() {
            return rows;
        }
        while let Some(part) = decoder.next_part() {
            rows += part.num_rows() as u64;
        }
    }
    loop {
        let ended = decoder.finish();
        while let Some(part) = decoder.next_part() {
            rows += part.num_rows() as u64;
        }
        if ended != Ok(Ended::More) {
            return rows;
        }
    }
}
