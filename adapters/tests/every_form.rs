//! Every record type in every form and charset: the same table gives the same columns, to the byte.
//!
//! Takes a sample of each record type; writes it as text in every delimiter, by byte positions, as JSON in lines and in one document, as XML, as a
//! workbook, as a page of HTML and `SpreadsheetML` under the name of XLS, and as a table of dBASE, in both charsets where a form has two; holds what each
//! gives against the first. Only XLS itself is missing, which nothing here writes: `decode/workbook/tests/written.rs` and `tests/oracles/tables.py` have it from other programs.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::Arc;

use arrow_array::RecordBatch;
use shuguan_adapters::catalogue::{RecordType, record_types};
use shuguan_adapters::decode::{DecodeLimits, Decoder, Ended};
use shuguan_adapters::layout::{Delimited, Delimiter, Encoding, Fixed, FixedColumn, Format, Layout, Mapping, Span};
use shuguan_adapters::sample::{Dirt, write_sample};

/// 2026-07-01.
const TODAY: i32 = 20_635;
const ROWS: u64 = 40;
const BOTH: [Encoding; 2] = [Encoding::Utf8, Encoding::Gb18030];

/// What a file gives, and what its headers stood for.
struct Read {
    parts: Vec<RecordBatch>,
    counts: [u64; 4],
    fields: Vec<&'static str>,
}

#[test]
fn every_record_type_gives_the_same_columns_in_every_form_and_charset() {
    for (seed, record) in (1..).zip(record_types()) {
        let first = table(record, seed);
        let expected = read(record, &first.layout, &first.file);
        assert_eq!(expected.counts[0], ROWS, "{}", record.name);
        assert!(
            expected.counts[1] > ROWS / 2 && expected.counts[2] == 0,
            "{}",
            record.name
        );
        let texts = BOTH.into_iter().flat_map(|encoding| texts(&first, encoding));
        let texts = texts.map(|layout| (sample(record, &layout, seed), layout));
        let mut forms = 0;
        for (file, layout) in texts.chain(files(record, &first, &expected.fields)) {
            let found = read(record, &layout, &file);
            assert_eq!(found.counts, expected.counts, "{} {}", record.name, layout.label());
            assert!(
                found.parts == expected.parts,
                "{} {} gives other columns",
                record.name,
                layout.label()
            );
            forms += 1;
        }
        assert_eq!(forms, 2 * (7 + 2 + 4) + 1 + 2 + 4);
    }
}

/// A sample, as text between delimiters that no value holds, and its lines.
struct Table {
    layout: Layout,
    file: Vec<u8>,
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
}

fn sample(record: &'static RecordType, layout: &Layout, seed: u64) -> Vec<u8> {
    let mut file = Vec::new();
    write_sample(record, layout, ROWS, seed, Dirt::none(), &mut file).unwrap();
    file
}

fn table(record: &'static RecordType, seed: u64) -> Table {
    let layout = Layout::new(Format::Delimited(Delimited::new(Delimiter::PipeBang)), Encoding::Utf8);
    let file = sample(record, &layout, seed);
    let text = String::from_utf8(file.clone()).unwrap();
    let cells = |line: &str| line.split("|!|").map(str::to_owned).collect::<Vec<_>>();
    let mut lines = text.lines().map(cells);
    Table {
        headers: lines.next().unwrap(),
        rows: lines.collect(),
        layout,
        file,
    }
}

/// The layouts that the generator of samples writes.
fn texts(table: &Table, encoding: Encoding) -> Vec<Layout> {
    let mut formats: Vec<Format> = Vec::new();
    for delimiter in Delimiter::ALL {
        formats.push(Format::Delimited(Delimited::new(delimiter)));
    }
    for delimiter in [Delimiter::Escape, Delimiter::AtHash] {
        formats.push(Format::Delimited(Delimited {
            quotes: false,
            ..Delimited::new(delimiter)
        }));
    }
    formats.extend([Format::Ndjson, Format::JSON, Format::XML]);
    formats.push(Format::Fixed(Arc::new(Fixed::new(positions(table, encoding)).unwrap())));
    formats
        .into_iter()
        .map(|format| Layout::new(format, encoding))
        .collect()
}

/// How many bytes each column needs.
fn widths(table: &Table, encoding: Encoding) -> Vec<usize> {
    let width = |column: usize| {
        let texts = table.rows.iter().map(|row| encoded(&row[column], encoding).len());
        texts.max().unwrap_or_default() + 1
    };
    (0..table.headers.len()).map(width).collect()
}

fn positions(table: &Table, encoding: Encoding) -> Vec<FixedColumn> {
    let mut start = 0;
    let columns = table.headers.iter().zip(widths(table, encoding));
    let columns = columns.map(|(name, width)| {
        let span = Span { start, width };
        start += width;
        FixedColumn {
            name: name.clone(),
            span,
        }
    });
    columns.collect()
}

/// The forms that the generator does not write: a workbook of texts, a table of dBASE, whose short column names only a mapping explains.
fn files(record: &'static RecordType, table: &Table, fields: &[&'static str]) -> Vec<(Vec<u8>, Layout)> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (line, texts) in (0..).zip(std::iter::once(&table.headers).chain(&table.rows)) {
        for (column, text) in (0..).zip(texts) {
            sheet.write_string(line, column, text).unwrap();
        }
    }
    let mut files = vec![(
        book.save_to_buffer().unwrap(),
        Layout::new(Format::XLSX, Encoding::Utf8),
    )];
    let names: Vec<String> = (0..fields.len()).map(|number| format!("C{number}")).collect();
    let headers = names.iter().map(String::as_str).zip(fields.iter().copied());
    let mapping = Arc::new(Mapping::new(record, headers, []).unwrap());
    for encoding in BOTH {
        let layout = Layout::new(Format::Dbf, encoding).with_mapping(Arc::clone(&mapping));
        files.push((dbase(table, &names, encoding), layout));
        for text in [page(table), spreadsheet_ml(table)] {
            files.push((encoded(&text, encoding), Layout::new(Format::XLS, encoding).left_open()));
        }
    }
    files
}

/// A page with one table, end tags left out where they may be.
fn page(table: &Table) -> String {
    let lines = std::iter::once(&table.headers).chain(&table.rows).map(|cells| {
        let cells: Vec<String> = cells.iter().map(|text| format!("<td>{}", escaped(text))).collect();
        format!("<tr>{}\n", cells.concat())
    });
    let lines: Vec<String> = lines.collect();
    format!("<html><body><table border=1>{}</table></body></html>", lines.concat())
}

/// One worksheet of texts; empty cells are left out.
fn spreadsheet_ml(table: &Table) -> String {
    let lines = std::iter::once(&table.headers).chain(&table.rows).map(|cells| {
        let filled = (1..).zip(cells).filter(|(_, text)| !text.is_empty());
        let cells: Vec<String> = filled
            .map(|(place, text)| {
                let text = escaped(text);
                format!("<Cell ss:Index=\"{place}\"><Data ss:Type=\"String\">{text}</Data></Cell>")
            })
            .collect();
        format!("<Row>{}</Row>\n", cells.concat())
    });
    let lines: Vec<String> = lines.collect();
    format!(
        "<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\" xmlns:ss=\"urn:schemas-microsoft-com:office:spreadsheet\">\
         <Worksheet ss:Name=\"a\"><Table>{}</Table></Worksheet></Workbook>",
        lines.concat()
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// dBASE III: a head, a line of 32 bytes a column, records of fixed width with a mark before each.
fn dbase(table: &Table, names: &[String], encoding: Encoding) -> Vec<u8> {
    let widths = widths(table, encoding);
    let u16_of = |number: usize| u16::try_from(number).unwrap().to_le_bytes();
    let mut file = vec![3, 124, 1, 1];
    file.extend(u32::try_from(table.rows.len()).unwrap().to_le_bytes());
    file.extend(u16_of(32 + 32 * names.len() + 1));
    file.extend(u16_of(1 + widths.iter().sum::<usize>()));
    file.resize(32, 0);
    for (name, width) in names.iter().zip(&widths) {
        let mut column = name.as_bytes().to_vec();
        column.resize(11, 0);
        column.extend([b'C', 0, 0, 0, 0, u8::try_from(*width).unwrap()]);
        column.resize(32, 0);
        file.extend(column);
    }
    file.push(b'\r');
    for row in &table.rows {
        file.push(b' ');
        for (text, width) in row.iter().zip(&widths) {
            let mut text = encoded(text, encoding);
            text.resize(*width, b' ');
            file.extend(text);
        }
    }
    file.push(0x1a);
    file
}

fn encoded(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Gb18030 => encoding_rs::GB18030.encode(text).0.into_owned(),
    }
}

fn read(record: &'static RecordType, layout: &Layout, file: &[u8]) -> Read {
    let wanted: Vec<&'static str> = record.fields.iter().map(|field| field.name).collect();
    let limits = DecodeLimits {
        part_rows: 16,
        ..DecodeLimits::default()
    };
    let mut decoder = Decoder::new(record, &wanted, layout, limits, TODAY);
    decoder.feed(file).unwrap();
    let mut parts = Vec::new();
    loop {
        let ended = decoder.finish().unwrap();
        parts.extend(std::iter::from_fn(|| decoder.next_part()));
        if ended != Ended::More {
            break;
        }
    }
    let counts = decoder.counts();
    let recognised = decoder.recognised();
    // In the order of the table, whose headers these are.
    let text = String::from_utf8_lossy(file);
    let headers: Vec<&str> = text.lines().next().unwrap_or_default().split("|!|").collect();
    let field = |header: &&str| {
        recognised
            .iter()
            .find(|(_, sent)| sent == header)
            .map(|(field, _)| *field)
    };
    Read {
        parts,
        counts: [counts.received, counts.accepted, counts.rejected, counts.repeated],
        fields: headers.iter().filter_map(field).collect(),
    }
}
