//! Sample feeds of any size: what an agency's system would send, about people and units that never were.
//!
//! Takes a record type, a layout, a number of rows, a seed and a share of dirt; writes a feed and says what is in it. The same
//! arguments give the same bytes. Under one seed a person or unit is the same in every record type, so that deaths, allowances and employments
//! are about residents, and cancellations about established units. Refuses nothing; an error is one of writing.

mod day;
mod dirt;
mod fill;
pub mod golden;
mod household;
mod person;
mod place;
mod random;
mod unit;
mod writing;

use std::collections::BTreeMap;
use std::io;

use self::dirt::Spoil;
pub use self::dirt::{Dirt, DirtKind};
use self::fill::Case;
pub use self::household::write_households;
use self::random::Random;
use self::writing::{Column, Writing};
use crate::catalogue::RecordType;
use crate::decode::DecodeLimits;
use crate::layout::{Format, Layout};

/// What a sample consists of; `records = good + rejected() + repeated()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleCounts {
    /// Data rows.
    pub rows: u64,
    /// Records in them: the same, unless a row is a household.
    pub records: u64,
    /// Records that nothing is wrong with.
    pub good: u64,
    /// The others by what is wrong with them.
    pub dirty: BTreeMap<DirtKind, u64>,
    /// Bytes, header included.
    pub bytes: u64,
}

impl SampleCounts {
    /// Rows that a decoder of every field drops as repeats, in parts of the default size.
    pub fn repeated(&self) -> u64 {
        self.dirty.get(&DirtKind::Repeated).copied().unwrap_or_default()
    }

    /// Rows that a decoder of every field rejects.
    pub fn rejected(&self) -> u64 {
        self.dirty.values().sum::<u64>() - self.repeated()
    }
}

/// Writes a feed of that many rows.
pub fn write_sample(
    record: &'static RecordType,
    layout: &Layout,
    rows: u64,
    seed: u64,
    dirt: Dirt,
    out: &mut impl io::Write,
) -> io::Result<SampleCounts> {
    if matches!(layout.format, Format::Xlsx(_) | Format::Xls(_) | Format::Dbf) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "samples are written as text; a spreadsheet program turns them into workbooks",
        ));
    }
    let spoils = dirt.plan(record);
    let part_rows = DecodeLimits::default().part_rows as u64;
    let columns = record.fields.iter().map(|field| Column::of(record.agency, field));
    let mut writing = Writing::new(layout, columns.collect());
    let mut counts = SampleCounts::default();
    let mut put = |bytes: &[u8], counts: &mut SampleCounts| {
        counts.bytes += bytes.len() as u64;
        out.write_all(bytes)
    };
    put(&writing.header(), &mut counts)?;
    let mut last_good = Vec::new();
    for row in 0..rows {
        let mut spoil = choose(&spoils, seed, row);
        // A repeat is found inside a part only: none where a part has just ended.
        if spoil.is_some_and(|spoil| spoil.kind == DirtKind::Repeated) && counts.good % part_rows == 0 {
            spoil = None;
        }
        counts.rows += 1;
        counts.records += 1;
        if let Some(spoil) = spoil {
            *counts.dirty.entry(spoil.kind).or_default() += 1;
            if spoil.kind == DirtKind::Repeated {
                put(&writing.again(&last_good), &mut counts)?;
                continue;
            }
        }
        let mut case = Case::new(record, seed, row);
        let mut texts: Vec<String> = record.fields.iter().map(|field| case.text(field)).collect();
        let broken = spoil.is_some_and(|spoil| spoil.kind == DirtKind::WrongColumns);
        if let Some(spoil) = spoil {
            spoil.apply(record, &mut texts);
        }
        let line = writing.row(&texts, broken);
        put(&line, &mut counts)?;
        if spoil.is_none() {
            counts.good += 1;
            last_good = line;
        }
    }
    put(&writing.footer(), &mut counts)?;
    Ok(counts)
}

/// What is wrong with that row, if anything.
fn choose(spoils: &[Spoil], seed: u64, row: u64) -> Option<Spoil> {
    let mut left = Random::new(seed, row ^ DIRT).below(10_000);
    for spoil in spoils {
        match left.checked_sub(spoil.of_ten_thousand) {
            None => return Some(*spoil),
            Some(rest) => left = rest,
        }
    }
    None
}

/// A place of its own for the choice of dirt.
const DIRT: u64 = 0x4449_5254_0000_0000;

#[cfg(test)]
mod tests;
