//! The golden feeds: one small feed of each record type, in the form in which its agency sends, with a known number of bad rows; one
//! more of each record type that also comes as one row a household.
//!
//! They lie under `adapters/feeds`, are made anew by the example `golden_feeds` and compared with the generator by a test. The demo
//! and the kits of partners use them too.

use std::fmt::Write as _;
use std::io;

use super::{Dirt, SampleCounts, write_households, write_sample};
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

/// One golden feed.
#[derive(Clone, Copy, Debug)]
pub struct Golden {
    /// What its records are.
    pub record: &'static RecordType,
    /// Whether a row is a household.
    pub households: bool,
}

/// All of them, in the order of the catalogue.
pub fn all() -> impl Iterator<Item = Golden> {
    let forms = |record: &'static RecordType| [false, true].into_iter().take(1 + usize::from(record.unfold.is_some()));
    record_types().flat_map(move |record| forms(record).map(move |households| Golden { record, households }))
}

impl Golden {
    /// `<agency>/<record>.csv` or `.ndjson`, `<agency>/<record>.households.csv`.
    pub fn file_name(self) -> String {
        let extension = match layout(self.record.agency).format {
            Format::Ndjson => "ndjson",
            _ => "csv",
        };
        let form = if self.households { ".households" } else { "" };
        format!("{}{form}.{extension}", self.record.name)
    }

    /// The bytes of the feed, and what is in them.
    pub fn feed(self) -> io::Result<(Vec<u8>, SampleCounts)> {
        let mut bytes = Vec::new();
        let (layout, dirt) = (&layout(self.record.agency), Dirt::spread(20.0));
        let counts = if self.households {
            write_households(self.record, layout, ROWS, SEED, dirt, &mut bytes)?
        } else {
            write_sample(self.record, layout, ROWS, SEED, dirt, &mut bytes)?
        };
        Ok((bytes, counts))
    }
}

/// What a decoder of all fields counts in each feed: one line a feed, `code=records` for each kind of reject.
pub fn counts() -> io::Result<String> {
    let mut table = String::from("feed\treceived\taccepted\trejected\trepeated\tby_code\n");
    for golden in all() {
        let record = golden.record;
        let wanted: Vec<_> = record.fields.iter().map(|field| field.name).collect();
        let mut decoder = Decoder::new(record, &wanted, &layout(record.agency), DecodeLimits::default(), TODAY);
        let (bytes, _) = golden.feed()?;
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
            golden.file_name(),
            counts.received,
            counts.accepted,
            counts.rejected,
            counts.repeated,
            by_code.join(" ")
        );
    }
    Ok(table)
}
