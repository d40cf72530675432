//! What is sent: residents who never were.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

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

/// What an agency sends.
#[derive(Clone, Copy)]
pub struct Feed {
    pub partner: &'static str,
    pub record: &'static str,
}

/// One feed of each of four agencies, in the order in which they join in.
pub const FEEDS: [Feed; 4] = [
    Feed {
        partner: PARTNER,
        record: RECORD,
    },
    Feed {
        partner: "tax-city",
        record: "tax/withholding-employee",
    },
    Feed {
        partner: "health-city",
        record: "health/death-certificate",
    },
    Feed {
        partner: "commerce-city",
        record: "commerce/establishment",
    },
];

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
    pieces_of(resident(), rows, pieces, seed)
}

/// The same of another record type.
pub fn pieces_of(record: &'static RecordType, rows: u64, pieces: u64, seed: u64) -> Vec<Vec<u8>> {
    let feed = sample(record, CSV_GB18030, rows, seed);
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

/// A feed of residents in a file, so many percent of them bad; gives its bytes.
pub fn write_residents(path: &Path, rows: u64, bad_percent: f64) -> u64 {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
    let dirt = if bad_percent > 0.0 {
        Dirt::spread(bad_percent)
    } else {
        Dirt::none()
    };
    let written = write_sample(resident(), &CSV_GB18030, rows, 1, dirt, &mut out).expect("the disk takes it");
    out.flush().expect("the disk takes it");
    written.bytes
}
