//! Administrative divisions: GB/T 2260 county codes at any time since 1980, and the statistical codes below them.
//!
//! Takes 6 digits, or 9 and 12 for towns and villages; gives them. Refuses codes whose province never existed. A county or prefecture
//! that is not in the table is no ground to refuse: statistical codes and revisions newer than the table occur in every feed.

use std::sync::LazyLock;

use super::fold::{digits, identifier};
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
    for (code, _, _) in rows() {
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

/// The years in which a code was in force, each as first and last; the last is `None` while it lasts.
pub fn years(code: u32) -> impl Iterator<Item = (u32, Option<u32>)> {
    rows()
        .filter(move |row| row.0 == code)
        .map(|(_, from, until)| (from, until))
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

fn in_province(code: &str) -> Result<(), RejectCode> {
    if !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RejectCode::BadAlphabet);
    }
    let area = code.as_bytes().get(..6).and_then(digits).ok_or(RejectCode::BadLength)?;
    if level(area) == Level::Unknown {
        Err(RejectCode::UnknownRegion)
    } else {
        Ok(())
    }
}

fn rows() -> impl Iterator<Item = (u32, u32, Option<u32>)> {
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
