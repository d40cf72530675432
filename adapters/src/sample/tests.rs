#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashSet;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use super::golden::{self, TODAY};
use super::{Dirt, DirtKind, SampleCounts, write_households, write_sample};
use crate::catalogue::{RecordType, record_type, record_types};
use crate::decode::{Counts, DecodeLimits, Decoder};
use crate::layout::{Encoding, Format, Layout};
use crate::reject::{Reject, RejectCode};

const CSV: Layout = Layout::new(Format::CSV, Encoding::Utf8);

fn sample(record: &'static RecordType, layout: Layout, rows: u64, dirt: Dirt) -> (Vec<u8>, SampleCounts) {
    let mut bytes = Vec::new();
    let counts = write_sample(record, &layout, rows, 42, dirt, &mut bytes).unwrap();
    assert_eq!(counts.bytes, bytes.len() as u64);
    assert_eq!(counts.rows, rows);
    (bytes, counts)
}

fn decode(record: &'static RecordType, layout: Layout, bytes: &[u8]) -> (Vec<RecordBatch>, Vec<Reject>, Counts) {
    let wanted: Vec<_> = record.fields.iter().map(|field| field.name).collect();
    let mut decoder = Decoder::new(record, &wanted, &layout, DecodeLimits::default(), TODAY);
    decoder.feed(bytes).unwrap();
    let _ = decoder.finish().unwrap();
    let parts = std::iter::from_fn(|| decoder.next_part()).collect();
    let counts = decoder.counts().clone();
    assert!(decoder.unknown_headers().is_empty(), "{:?}", decoder.unknown_headers());
    (parts, decoder.take_rejects(), counts)
}

#[test]
fn a_clean_sample_of_every_record_type_is_accepted_whole() {
    for record in record_types() {
        let (bytes, _) = sample(record, CSV, 500, Dirt::none());
        let (_, rejects, counts) = decode(record, CSV, &bytes);
        assert_eq!(
            (counts.accepted, counts.received),
            (500, 500),
            "{}: {rejects:?}",
            record.name
        );
    }
}

#[test]
fn every_form_and_charset_of_a_sample_gives_the_same_columns() {
    for record in record_types() {
        let dirt = || Dirt::spread(30.0);
        let (bytes, _) = sample(record, CSV, 200, dirt());
        let (parts, _, counts) = decode(record, CSV, &bytes);
        for format in [
            Format::CSV,
            Format::TSV,
            Format::PIPE,
            Format::Ndjson,
            Format::JSON,
            Format::XML,
        ] {
            for encoding in [Encoding::Utf8, Encoding::Gb18030] {
                let layout = Layout::new(format.clone(), encoding);
                let (bytes, _) = sample(record, layout.clone(), 200, dirt());
                let (others, _, other_counts) = decode(record, layout.clone(), &bytes);
                assert_eq!(others, parts, "{} {}", record.name, layout.label());
                assert_eq!(other_counts.rejected, counts.rejected);
            }
        }
    }
}

#[test]
fn each_kind_of_dirt_is_found_under_its_code() {
    let codes = |kind| match kind {
        DirtKind::WrongCheck => vec![RejectCode::BadChecksum],
        DirtKind::ImpossibleDate => vec![RejectCode::BadDate],
        DirtKind::MissingName => vec![RejectCode::Missing],
        DirtKind::SexContradictsId => vec![RejectCode::SexContradictsId],
        DirtKind::UnknownCode => vec![RejectCode::UnknownCode],
        DirtKind::WrongColumns => vec![RejectCode::ColumnCount, RejectCode::MalformedJson],
        DirtKind::Repeated => vec![],
    };
    for record in record_types() {
        for kind in DirtKind::ALL {
            for format in [Format::PIPE, Format::Ndjson] {
                let layout = Layout { format, ..CSV };
                let (bytes, made) = sample(record, layout.clone(), 300, Dirt::none().and(kind, 10.0));
                let (_, rejects, counts) = decode(record, layout.clone(), &bytes);
                assert_eq!(counts.accepted, made.good, "{} {kind:?}", record.name);
                assert_eq!((counts.rejected, counts.repeated), (made.rejected(), made.repeated()));
                for reject in rejects {
                    assert!(
                        codes(kind).contains(&reject.code),
                        "{} {kind:?}: {reject:?}",
                        record.name
                    );
                }
            }
        }
    }
}

#[test]
fn a_large_sample_has_the_counts_that_it_states() {
    let record = record_type("public-security/resident").unwrap();
    let (bytes, made) = sample(record, CSV, 30_000, Dirt::spread(5.0));
    let (parts, _, counts) = decode(record, CSV, &bytes);
    assert_eq!(
        (counts.accepted, counts.rejected, counts.repeated),
        (made.good, made.rejected(), made.repeated())
    );
    assert!(made.dirty.len() >= 6, "{made:?}");
    for (kind, rows) in &made.dirty {
        assert!((100..400).contains(rows), "{kind:?}: {rows}");
    }
    assert!(parts.iter().rev().skip(1).all(|part| part.num_rows() == 8192));
}

#[test]
fn the_dead_of_one_source_are_the_dead_of_the_others_and_were_residents() {
    let column = |name: &str, rows: u64, field: &str| -> Vec<String> {
        let record = record_type(name).unwrap();
        let (bytes, _) = sample(record, CSV, rows, Dirt::none());
        let (parts, ..) = decode(record, CSV, &bytes);
        let texts = |part: &RecordBatch| -> Vec<String> {
            let column = part.column_by_name(field).unwrap().as_string::<i32>();
            column.iter().flatten().map(str::to_owned).collect()
        };
        parts.iter().flat_map(texts).collect()
    };
    let residents: HashSet<_> = column("public-security/resident", 1000, "citizen_id")
        .into_iter()
        .collect();
    let dead = column("public-security/death", 100, "citizen_id");
    assert_eq!(dead, column("civil-affairs/cremation", 100, "citizen_id"));
    assert_eq!(dead, column("health/death-certificate", 100, "citizen_id"));
    assert!(dead.iter().all(|id| residents.contains(id)));
    let founded: HashSet<_> = column("commerce/establishment", 1000, "uscc").into_iter().collect();
    assert!(
        column("commerce/cancellation", 100, "uscc")
            .iter()
            .all(|code| founded.contains(code))
    );
    assert!(
        column("tax/registration", 100, "uscc")
            .iter()
            .all(|code| founded.contains(code))
    );
}

#[test]
fn keys_are_unique_across_rows() {
    for record in record_types() {
        let (bytes, _) = sample(record, CSV, 3000, Dirt::none());
        let (parts, ..) = decode(record, CSV, &bytes);
        let Some(key) = record.keys.first() else { continue };
        let mut seen = HashSet::new();
        for part in &parts {
            for row in 0..part.num_rows() {
                let values: Vec<_> = key.iter().map(|name| value(part, name, row)).collect();
                seen.insert(values.join("\u{1f}"));
            }
        }
        assert_eq!(seen.len(), 3000, "{}", record.name);
    }
}

#[test]
fn a_sample_of_households_has_the_records_that_it_states() {
    let record = record_type("civil-affairs/subsistence-allowance").unwrap();
    for format in [CSV.format, Format::Ndjson] {
        let layout = Layout { format, ..CSV };
        for dirt in [0.0, 20.0] {
            let mut bytes = Vec::new();
            let made = write_households(record, &layout, 400, 42, Dirt::spread(dirt), &mut bytes).unwrap();
            assert_eq!(made.rows, 400);
            assert_eq!(made.records, made.good + made.rejected() + made.repeated());
            assert!(made.records > 1000, "{made:?}");
            let (parts, rejects, counts) = decode(record, layout.clone(), &bytes);
            assert_eq!(counts.received, made.records, "{rejects:?}");
            assert_eq!(
                (counts.accepted, counts.rejected, counts.repeated),
                (made.good, made.rejected(), made.repeated()),
                "{made:?}"
            );
            assert_eq!(dirt > 0.0, made.dirty.len() == 3, "{made:?}");
            assert!(rejects.iter().all(|reject| (1..=400).contains(&reject.row)));
            let people: HashSet<String> = parts
                .iter()
                .flat_map(|part| {
                    (0..part.num_rows())
                        .map(|row| value(part, "citizen_id", row))
                        .collect::<Vec<_>>()
                })
                .collect();
            assert_eq!(people.len() as u64, counts.accepted);
        }
    }
    let other = record_type("civil-affairs/cremation").unwrap();
    let mut bytes = Vec::new();
    let made = write_households(other, &CSV, 10, 42, Dirt::none(), &mut bytes).unwrap();
    assert_eq!((made, bytes.len()), (SampleCounts::default(), 0));
}

fn value(part: &RecordBatch, name: &str, row: usize) -> String {
    let column = part.column_by_name(name).unwrap();
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Date32 => column.as_primitive::<Date32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        _ => column.as_primitive::<TimestampMicrosecondType>().value(row).to_string(),
    }
}

#[test]
fn the_golden_feeds_are_what_the_generator_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("feeds");
    let again = "after a change on purpose: cargo run -p shuguan-adapters --example golden_feeds";
    for golden in golden::all() {
        let file = golden.file_name();
        let stored = std::fs::read(folder.join(&file)).unwrap();
        assert!(stored == golden.feed().unwrap().0, "{file} differs; {again}");
    }
    let counts = std::fs::read_to_string(folder.join("counts.tsv")).unwrap();
    assert_eq!(counts, golden::counts().unwrap(), "{again}");
}
