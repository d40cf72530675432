//! Feeds that Python's standard library wrote are read back exactly. Without Python on the machine there is nothing to compare with.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic and talk")]

use std::path::Path;
use std::process::Command;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use shuguan_adapters::catalogue::record_type;
use shuguan_adapters::decode::{DecodeLimits, Decoder, Ended};
use shuguan_adapters::inflate::{Coding, Inflater};
use shuguan_adapters::layout::{Encoding, Format, Layout, Xml};

const FIELDS: [&str; 4] = ["ent_name", "scope", "domicile", "headcount"];
const TODAY: i32 = 20_500;

#[test]
fn what_python_writes_is_read_back_exactly_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/write_feeds.py");
    let Ok(written) = Command::new("python3").arg(script).arg(folder.path()).output() else {
        eprintln!("no python3 here: nothing is compared");
        return;
    };
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let expected = std::fs::read(folder.path().join("expected.json")).unwrap();
    let expected: Vec<[String; 4]> = serde_json::from_slice(&expected).unwrap();
    let files = String::from_utf8(written.stdout).unwrap();
    let mut seen = 0;
    for line in files.lines() {
        let (name, rest) = line.split_once('\t').unwrap();
        let (content_type, coding) = rest.split_once('\t').unwrap();
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        let layout = match content_type {
            "packed" => Layout::new(
                Format::Xml(Xml {
                    packed: Some("content".into()),
                    ..Xml::new()
                }),
                Encoding::Utf8,
            ),
            named => Layout::from_content_type(named).unwrap(),
        };
        if Coding::parse(coding).is_none() && content_type != "packed" {
            assert_eq!(Layout::detect(name, &bytes).label(), layout.label(), "{name}");
        }
        let found = read(name, &layout, Coding::parse(coding), &bytes);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "{name} row {row}");
        }
        seen += 1;
    }
    assert!(seen >= 14, "{files}");
}

fn read(name: &str, layout: &Layout, coding: Option<Coding>, bytes: &[u8]) -> Vec<[String; 4]> {
    let record = record_type("commerce/establishment").unwrap();
    let mut decoder = Decoder::new(record, &FIELDS, layout, DecodeLimits::default(), TODAY);
    let mut inflater = coding.map(|coding| Inflater::new(coding, 1 << 30).unwrap());
    for frame in bytes.chunks(1000) {
        match &mut inflater {
            None => decoder.feed(frame).unwrap(),
            Some(inflater) => {
                inflater.put(frame);
                while let Some(plain) = inflater.next().unwrap() {
                    decoder.feed(plain).unwrap();
                }
            }
        }
    }
    if let Some(inflater) = &mut inflater {
        inflater.finish().unwrap();
    }
    assert_eq!(decoder.finish(), Ok(Ended::Whole), "{name}");
    let rejects = decoder.take_rejects();
    assert!(rejects.is_empty(), "{name}: {:?}", rejects.first());
    let parts: Vec<RecordBatch> = std::iter::from_fn(|| decoder.next_part()).collect();
    parts.iter().flat_map(rows).collect()
}

fn rows(part: &RecordBatch) -> Vec<[String; 4]> {
    let text = |column: usize, row: usize| part.column(column).as_string::<i32>().value(row).to_owned();
    let counts = part.column(3).as_primitive::<Int64Type>();
    (0..part.num_rows())
        .map(|row| [text(0, row), text(1, row), text(2, row), counts.value(row).to_string()])
        .collect()
}
