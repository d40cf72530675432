//! What holds for every form: the same table, any cut, any truncation, bounded memory.

use std::io::Write as _;
use std::sync::Arc;

use super::*;
use crate::inflate::{Coding, Inflater};
use crate::layout::{Fixed, FixedColumn, Span, Trailer};

/// A table whose texts are awkward in some form or other, but can be written in all of them.
const ROWS: [[&str; 3]; 5] = [
    ["甲", "1", "a<b>&c;\\"],
    ["乙䶮", "", ""],
    ["㛃𬱖·", "77", "}]{[' x"],
    ["Ａ B", "0", "]]>--?>"],
    ["丁", "1000000", "末"],
];

const HEADERS: [&str; 3] = ["标题", "sl", "bz"];

fn lines(delimiter: Delimiter) -> Delimited {
    Delimited::new(delimiter)
}

fn fixed() -> Fixed {
    let column = |(name, start, width): (&str, usize, usize)| FixedColumn {
        name: name.to_owned(),
        span: Span { start, width },
    };
    let columns = [("标题", 0, 16), ("sl", 16, 8), ("bz", 24, 16)].map(column);
    Fixed::new(columns.to_vec()).unwrap()
}

fn pad(text: &str, width: usize, encoding: Encoding) -> String {
    let len = encode(text, encoding).len();
    format!("{text}{}", " ".repeat(width - len))
}

fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Gb18030 => encoding_rs::GB18030.encode(text).0.into_owned(),
    }
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The table in every form, with the layout that says so.
fn forms(encoding: Encoding) -> Vec<(Layout, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |format: Format, text: String| all.push((Layout::new(format, encoding), encode(&text, encoding)));
    for delimiter in Delimiter::ALL {
        let join = |fields: &[&str; 3]| fields.join(delimiter.text()) + "\r\n";
        let rows: String = ROWS.iter().map(join).collect();
        add(Format::Delimited(lines(delimiter)), join(&HEADERS) + &rows);
        let named = lines(delimiter)
            .with_columns(HEADERS.map(str::to_owned).to_vec())
            .unwrap();
        add(Format::Delimited(named), rows.clone());
        let trailer = Trailer {
            mark: "合计".into(),
            count: 2,
            sums: Vec::new(),
        };
        let form = lines(delimiter).with_trailer(trailer).unwrap();
        add(
            Format::Delimited(form),
            join(&HEADERS) + &rows + &join(&["合计", "", "5"]),
        );
    }
    let quoted = |fields: &[&str; 3]| format!("\"{}\",\"{}\",\"{}\"\n", fields[0], fields[1], fields[2]);
    add(
        Format::CSV,
        quoted(&HEADERS) + &ROWS.iter().map(quoted).collect::<String>(),
    );
    let row = |[title, count, note]: &[&str; 3]| {
        pad(title, 16, encoding) + &pad(count, 8, encoding) + &pad(note, 16, encoding) + "\n"
    };
    add(Format::Fixed(Arc::new(fixed())), ROWS.iter().map(row).collect());
    let object = |[title, count, note]: &[&str; 3]| {
        serde_json::json!({"bt": title, "sl": count, "secret": [{"a": "}"}], "备注": note}).to_string()
    };
    let objects = ROWS.iter().map(object).collect::<Vec<_>>();
    add(Format::Ndjson, objects.join("\n"));
    add(Format::JSON, format!("[{}]", objects.join(",")));
    add(
        Format::JSON,
        format!(
            "{{\"code\":\"00\",\"result\":{{\"n\":5,\"DataList\":[{}]}}}}",
            objects.join(",\n")
        ),
    );
    let element = |[title, count, note]: &[&str; 3]| {
        format!(
            "<row><bt>{}</bt><sl>{count}</sl><备注>{}</备注></row>\n",
            xml(title),
            xml(note)
        )
    };
    let elements: String = ROWS.iter().map(element).collect();
    let prolog = format!("<?xml version=\"1.0\" encoding=\"{}\"?>", encoding.name());
    add(
        Format::XML,
        format!("{prolog}<PACKAGE><PACKAGEHEAD/>{elements}</PACKAGE>"),
    );
    let attributes =
        |[title, count, note]: &[&str; 3]| format!("<item bt=\"{}\" sl='{count}' note=\"{}\"/>", xml(title), xml(note));
    add(
        Format::XML,
        format!("<a>{}</a>", ROWS.iter().map(attributes).collect::<String>()),
    );
    all
}

/// The table as a workbook of texts, and as a table of dBASE.
fn files() -> [(Layout, Vec<u8>); 2] {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    let lines = std::iter::once(HEADERS).chain(ROWS);
    for (line, texts) in (0..).zip(lines) {
        for (column, text) in (0..).zip(texts) {
            sheet.write_string(line, column, text).unwrap();
        }
    }
    let mut table = vec![3, 124, 1, 1];
    table.extend(5_u32.to_le_bytes());
    table.extend([32 + 3 * 32 + 1, 0, 1 + 3 * 40, 0]);
    table.resize(32, 0);
    for header in HEADERS {
        let mut column = encode(header, Encoding::Gb18030);
        column.resize(11, 0);
        column.extend([b'C', 0, 0, 0, 0, 40]);
        column.resize(32, 0);
        table.extend(column);
    }
    table.push(b'\r');
    for texts in ROWS {
        table.push(b' ');
        for text in texts {
            table.extend(encode(&pad(text, 40, Encoding::Gb18030), Encoding::Gb18030));
        }
    }
    table.push(0x1A);
    [
        (
            Layout::new(Format::XLSX, Encoding::Utf8),
            book.save_to_buffer().unwrap(),
        ),
        (Layout::new(Format::Dbf, Encoding::Gb18030), table),
    ]
}

fn wide() -> DecodeLimits {
    DecodeLimits {
        part_rows: 3,
        ..DecodeLimits::default()
    }
}

#[test]
fn the_same_table_gives_the_same_columns_in_every_form_and_charset() {
    let mut first = None;
    // XLS, which nothing here writes: `decode/workbook/tests/written.rs`, and tests/suite/oracles.
    let texts = [Encoding::Utf8, Encoding::Gb18030].into_iter().flat_map(forms);
    for (layout, bytes) in texts.chain(files()) {
        let told = told(layout.clone(), wide(), &[&bytes]);
        assert_eq!(told.ended, Ok(()), "{}", layout.label());
        assert_eq!(
            (told.counts.accepted, told.counts.received),
            (5, 5),
            "{}: {:?}",
            layout.label(),
            told.rejects
        );
        let parts = first.get_or_insert_with(|| told.parts.clone());
        assert_eq!(&told.parts, parts, "{}", layout.label());
    }
}

#[test]
fn a_truncated_file_never_gives_half_a_record() {
    let (layout, bytes) = forms(Encoding::Utf8).swap_remove(0);
    let whole: Vec<String> = told(layout, wide(), &[&bytes]).parts.iter().flat_map(rows).collect();
    for (layout, bytes) in files() {
        for len in 0..bytes.len() {
            let told = told(layout.clone(), wide(), &[&bytes[..len]]);
            // Only the mark of the end of a table may be missing.
            assert!(
                told.ended.is_err() || len + 1 == bytes.len(),
                "{} {len}",
                layout.label()
            );
        }
    }
    for encoding in [Encoding::Utf8, Encoding::Gb18030] {
        for (layout, bytes) in forms(encoding) {
            let lines = matches!(layout.format, Format::Delimited(_));
            for len in 0..bytes.len() {
                let told = told(layout.clone(), wide(), &[&bytes[..len]]);
                if told.ended.is_err() {
                    // The batch is refused: none of its records is taken.
                    continue;
                }
                let found: Vec<String> = told.parts.iter().flat_map(rows).collect();
                let same = found
                    .iter()
                    .zip(&whole)
                    .take_while(|(found, whole)| found == whole)
                    .count();
                // A last line without a line end is a line: only its last field can be short, and only where no trailer is due.
                let spare = usize::from(lines);
                assert!(same + spare >= found.len(), "{} {len}: {found:?}", layout.label());
                if spare == 1 && same < found.len() {
                    let cells = |row: &String| row.split('\u{1}').take(2).map(str::to_owned).collect::<Vec<_>>();
                    assert_eq!(cells(&found[same]), cells(&whole[same]), "{} {len}", layout.label());
                }
            }
        }
    }
}

/// Title, count and note of each row.
fn rows(part: &RecordBatch) -> Vec<String> {
    let (titles, notes) = (part.column(0).as_string::<i32>(), part.column(2).as_string::<i32>());
    let counts = part.column(1).as_primitive::<Int64Type>();
    (0..part.num_rows())
        .map(|row| {
            format!(
                "{}\u{1}{:?}\u{1}{}",
                titles.value(row),
                counts.is_valid(row).then(|| counts.value(row)),
                notes.value(row)
            )
        })
        .collect()
}

#[test]
fn a_file_in_the_other_charset_is_refused_as_such() {
    for (declared, actual) in [(Encoding::Utf8, Encoding::Gb18030), (Encoding::Gb18030, Encoding::Utf8)] {
        for (layout, bytes) in forms(actual) {
            let layout = Layout {
                encoding: declared,
                ..layout
            };
            let told = told(layout.clone(), wide(), &[&bytes]);
            let expected = Unreadable::WrongCharset {
                declared: Some(declared.name()),
                found: actual.name(),
                by: "first bytes",
            };
            assert_eq!(told.ended, Err(expected), "{}", layout.label());
        }
    }
}

#[test]
fn a_gibibyte_without_an_end_is_refused_in_little_memory() {
    let limits = DecodeLimits::default();
    let frame = vec![b'x'; 1 << 20];
    let starts: [(Layout, &str); 7] = [
        (CSV, "title\n"),
        (CSV, "title\n\""),
        (delimited(Delimiter::AtHash, Encoding::Gb18030), "title\n"),
        (NDJSON, "{\"title\":\"a\"}\n{\"title\":\""),
        (Layout::new(Format::JSON, Encoding::Utf8), "[{\"title\":\""),
        (Layout::new(Format::XML, Encoding::Utf8), "<a><row><title>"),
        (Layout::new(Format::Fixed(Arc::new(fixed())), Encoding::Gb18030), ""),
    ];
    for (layout, start) in starts {
        let mut decoder = Decoder::new(&PLAIN, &WANTED, &layout, limits, TODAY);
        decoder.feed(start.as_bytes()).unwrap();
        let fed = (0..1024).find(|_| decoder.feed(&frame).is_err());
        // Sixteen times a record is searched for its end, and no more is kept than a record.
        assert!(fed.is_some_and(|fed| fed <= 17), "{} {fed:?}", layout.label());
        let error = decoder.finish().unwrap_err();
        assert!(
            matches!(error, Unreadable::RecordTooLong { .. }),
            "{} {error:?}",
            layout.label()
        );
    }
}

#[test]
fn a_feed_is_read_through_its_compression() {
    for (layout, bytes) in forms(Encoding::Gb18030) {
        let whole = told(layout.clone(), wide(), &[&bytes]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&bytes).unwrap();
        let packed = [
            (Coding::Gzip, gzip.finish().unwrap()),
            (Coding::Zstd, zstd::encode_all(bytes.as_slice(), 1).unwrap()),
        ];
        for (coding, packed) in packed {
            let mut inflater = Inflater::new(coding, 1 << 20).unwrap();
            let mut frames = Vec::new();
            for frame in packed.chunks(11) {
                inflater.put(frame);
                while let Some(piece) = inflater.next().unwrap() {
                    frames.push(piece.to_vec());
                }
            }
            inflater.finish().unwrap();
            let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            assert_eq!(told(layout.clone(), wide(), &frames), whole);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn cutting_a_file_anywhere_changes_nothing(
        form in 0usize..28,
        gb in any::<bool>(),
        spoilt in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
    ) {
        let encoding = if gb { Encoding::Gb18030 } else { Encoding::Utf8 };
        let mut all = forms(encoding);
        let (layout, mut bytes) = all.swap_remove(form % all.len());
        for (at, byte) in spoilt {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let whole = told(layout.clone(), wide(), &[&bytes]);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
        at.sort_unstable();
        let frames: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let cut = told(layout.clone(), wide(), &frames);
        prop_assert_eq!(cut, whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(told(layout.clone(), wide(), &single), told(layout, wide(), &[&bytes]));
    }
}
