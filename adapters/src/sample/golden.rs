//! The golden feeds: one small feed of each record type, in the form in which its agency sends, with a known number of bad rows.
//!
//! They lie under `adapters/feeds`, are made anew by the example `golden_feeds` and compared with the generator by a test. The demo
//! and the kits of partners use them too.

use std::fmt::Write as _;
use std::io;

use super::{Dirt, SampleCounts, write_sample};
use crate::catalogue::{Agency, RecordType, record_types};
use crate::decode::{DecodeLimits, Decoder};
use crate::layout::{Encoding, Format, Layout};

/// Data rows of each feed.
pub const ROWS: u64 = 60;

/// The seed of all of them, so that they are about the same people.
pub const SEED: u64 = 20_151_225;

/// The day on which they are judged, 2025-01-01, in days since 1970-01-01.
pub const TODAY: i32 = 20_089;

/// The form in which the agency sends: GB18030 CSV from 公安, 民政 and 工商, NDJSON from 卫计 and 地税.
pub fn layout(agency: Agency) -> Layout {
    match agency {
        Agency::PublicSecurity | Agency::CivilAffairs | Agency::Commerce => Layout::new(Format::CSV, Encoding::Gb18030),
        Agency::Health | Agency::Tax => Layout::new(Format::Ndjson, Encoding::Utf8),
    }
}

/// `<agency>/<record>.csv` or `.ndjson`.
pub fn file_name(record: &RecordType) -> String {
    let extension = match layout(record.agency).format {
        Format::Ndjson => "ndjson",
        _ => "csv",
    };
    format!("{}.{extension}", record.name)
}

/// The bytes of the feed, and what is in them.
pub fn feed(record: &'static RecordType) -> io::Result<(Vec<u8>, SampleCounts)> {
    let mut bytes = Vec::new();
    let counts = write_sample(
        record,
        &layout(record.agency),
        ROWS,
        SEED,
        Dirt::spread(20.0),
        &mut bytes,
    )?;
    Ok((bytes, counts))
}

/// What a decoder of all fields counts in each feed: one line a record type, `code=rows` for each kind of reject.
pub fn counts() -> io::Result<String> {
    let mut table = String::from("record\treceived\taccepted\trejected\trepeated\tby_code\n");
    for record in record_types() {
        let wanted: Vec<_> = record.fields.iter().map(|field| field.name).collect();
        let mut decoder = Decoder::new(record, &wanted, &layout(record.agency), DecodeLimits::default(), TODAY);
        let (bytes, _) = feed(record)?;
        decoder
            .feed(&bytes)
            .and_then(|()| decoder.finish().map(|_| ()))
            .map_err(io::Error::other)?;
        let counts = decoder.counts();
        let by_code: Vec<_> = counts
            .by_code
            .iter()
            .map(|(code, rows)| format!("{}={rows}", code.slug()))
            .collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            table,
            "{}\t{}\t{}\t{}\t{}\t{}",
            record.name,
            counts.received,
            counts.accepted,
            counts.rejected,
            counts.repeated,
            by_code.join(" ")
        );
    }
    Ok(table)
}
