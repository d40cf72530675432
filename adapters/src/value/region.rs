//! Administrative divisions: GB/T 2260 county codes at any time since 1980, and the statistical codes below them.
//!
//! Takes 6 digits, or 9 and 12 for towns and villages; gives them. Refuses codes whose province never existed. A county or prefecture
//! that is not in the table is no ground to refuse: statistical codes and revisions newer than the table occur in every feed.

use std::sync::LazyLock;

use super::fold::{identifier, is_digits};
use super::{RejectCode, Scratch};

/// Lines of `code from-until`, as the generator beside it writes them.
const TABLE: &str = include_str!("../../data/regions.txt");

/// How much of a code the table knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not even the province.
    Unknown,
    /// The first two digits.
    Province,
    /// The first four digits.
    Prefecture,
    /// All six digits, at some time.
    County,
}

/// The lines, in the order of their codes.
static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let mut rows: Vec<Row> = lines().collect();
    rows.sort_unstable();
    rows
});

/// A code with the first and the last year of one span in which it was in force.
type Row = (u32, u32, Option<u32>);

/// One bit for each code that ever was, at each level.
struct Known {
    counties: Box<[u64]>,
    prefectures: Box<[u64]>,
    provinces: Box<[u64]>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut known = Known {
        counties: bits(1_000_000),
        prefectures: bits(10_000),
        provinces: bits(100),
    };
    for (code, _, _) in lines() {
        set(&mut known.counties, code);
        set(&mut known.prefectures, code / 100);
        set(&mut known.provinces, code / 10_000);
    }
    known
});

/// How much of a six-digit code was ever in force.
pub fn level(code: u32) -> Level {
    let known = &*KNOWN;
    if has(&known.counties, code) {
        Level::County
    } else if has(&known.prefectures, code / 100) {
        Level::Prefecture
    } else if has(&known.provinces, code / 10_000) {
        Level::Province
    } else {
        Level::Unknown
    }
}

/// Whether there ever was the province of a code that begins with these digits.
pub(super) fn has_province(digits: [u8; 2]) -> bool {
    let [ten, one] = digits.map(|digit| u32::from(digit.wrapping_sub(b'0')));
    // The table has every province of which it has a county or a prefecture.
    has(&KNOWN.provinces, ten * 10 + one)
}

/// The years in which a code was in force, each as first and last; the last is `None` while it lasts.
pub fn years(code: u32) -> impl Iterator<Item = (u32, Option<u32>)> {
    let from = ROWS.partition_point(|row| row.0 < code);
    let rows = ROWS.iter().skip(from).take_while(move |row| row.0 == code);
    rows.map(|(_, from, until)| (*from, *until))
}

/// Whether a code was in force at some time of a year. A code that was not is no ground to refuse a number: resident ids were issued from
/// the mid-1980s on with the code of that time, whatever the year of birth, and registers keep codes for years after they ended.
pub fn in_force(code: u32, year: u32) -> bool {
    years(code).any(|(first, last)| first <= year && last.is_none_or(|last| year <= last))
}

/// A county code.
pub(super) fn parse<'a>(sent: &'a str, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let code = identifier(sent, &mut scratch.folded);
    // Twelve digits whose last six name no town are the same county in statistical form.
    let county = match code.len() {
        6 => code,
        12 => code.strip_suffix("000000").ok_or(RejectCode::BadLength)?,
        _ => return Err(RejectCode::BadLength),
    };
    in_province(county).map(|()| county)
}

/// A town (9 digits) or a village (12 digits).
pub(super) fn division<'a>(sent: &'a str, length: u8, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let code = identifier(sent, &mut scratch.folded);
    let code = match code.strip_suffix("000") {
        Some(town) if length == 9 && town.len() == 9 => town,
        _ => code,
    };
    if code.len() != usize::from(length) {
        return Err(RejectCode::BadLength);
    }
    in_province(code).map(|()| code)
}

/// Whether it is digits that begin with the code of a province.
pub(super) fn is_in_province(code: &[u8]) -> bool {
    is_digits(code) && code.first_chunk().is_some_and(|first| has_province(*first))
}

fn in_province(code: &str) -> Result<(), RejectCode> {
    if !is_digits(code.as_bytes()) {
        return Err(RejectCode::BadAlphabet);
    }
    let first = code.as_bytes().first_chunk().ok_or(RejectCode::BadLength)?;
    if has_province(*first) {
        Ok(())
    } else {
        Err(RejectCode::UnknownRegion)
    }
}

fn lines() -> impl Iterator<Item = Row> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (code, years) = line.split_once(' ')?;
        let (from, until) = years.split_once('-')?;
        Some((code.parse().ok()?, from.parse().ok()?, until.parse().ok()))
    })
}

fn bits(count: usize) -> Box<[u64]> {
    vec![0; count.div_ceil(64)].into_boxed_slice()
}

fn set(bits: &mut [u64], at: u32) {
    if let Some(word) = usize::try_from(at / 64).ok().and_then(|word| bits.get_mut(word)) {
        *word |= 1 << (at % 64);
    }
}

fn has(bits: &[u64], at: u32) -> bool {
    usize::try_from(at / 64)
        .ok()
        .and_then(|word| bits.get(word))
        .is_some_and(|word| word >> (at % 64) & 1 == 1)
}
