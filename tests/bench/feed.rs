//! What is sent: residents who never were.

use shuguan_adapters::catalogue::{RecordType, record_type};
use shuguan_adapters::layout::{Encoding, Format, Layout};
use shuguan_adapters::sample::{Dirt, write_sample};

pub const RECORD: &str = "public-security/resident";
pub const PARTNER: &str = "public-security-city";
pub const PURPOSE: &str = "enrolment.registration";

pub const CSV_GB18030: Layout = Layout::new(Format::CSV, Encoding::Gb18030);
pub const TSV: Layout = Layout::new(Format::TSV, Encoding::Utf8);
pub const XLSX: Layout = Layout::new(Format::XLSX, Encoding::Utf8);
pub const NDJSON: Layout = Layout::new(Format::Ndjson, Encoding::Utf8);

/// The resident of the catalogue, every field.
pub fn resident() -> &'static RecordType {
    record_type(RECORD).expect("the catalogue has residents")
}

/// A feed of good rows in memory.
pub fn sample(record: &'static RecordType, layout: Layout, rows: u64, seed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_sample(record, &layout, rows, seed, Dirt::none(), &mut bytes).expect("memory takes it");
    bytes
}

/// One feed of different people, cut into as many feeds, each with the header.
pub fn pieces(rows: u64, pieces: u64, seed: u64) -> Vec<Vec<u8>> {
    let feed = sample(resident(), CSV_GB18030, rows, seed);
    // No byte of a GB18030 character is a line feed.
    let mut lines = feed.split_inclusive(|byte| *byte == b'\n');
    let header = lines.next().expect("a header");
    let lines: Vec<&[u8]> = lines.collect();
    let each = lines.len().div_ceil(usize::try_from(pieces).expect("a small number"));
    lines
        .chunks(each)
        .map(|chunk| [header, &chunk.concat()].concat())
        .collect()
}
