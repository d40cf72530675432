//! A stream of BIFF records.
//!
//! Takes the stream and a place in it; gives one record after another: type and data, where each begins. Refuses a record that runs past the end.

use crate::decode::FileFault;

/// Types that are read ([MS-XLS] 2.3).
pub(crate) mod kind {
    pub(crate) const FORMULA: u16 = 0x0006;
    pub(crate) const EOF: u16 = 0x000A;
    pub(crate) const DATE_MODE: u16 = 0x0022;
    pub(crate) const FILE_PASS: u16 = 0x002F;
    pub(crate) const CONTINUE: u16 = 0x003C;
    pub(crate) const BOUND_SHEET: u16 = 0x0085;
    pub(crate) const MUL_RK: u16 = 0x00BD;
    pub(crate) const RICH_STRING: u16 = 0x00D6;
    pub(crate) const XF: u16 = 0x00E0;
    pub(crate) const MERGE_CELLS: u16 = 0x00E5;
    pub(crate) const SST: u16 = 0x00FC;
    pub(crate) const LABEL_SST: u16 = 0x00FD;
    pub(crate) const SUP_BOOK: u16 = 0x01AE;
    pub(crate) const NUMBER: u16 = 0x0203;
    pub(crate) const LABEL: u16 = 0x0204;
    pub(crate) const BOOL_ERR: u16 = 0x0205;
    pub(crate) const STRING: u16 = 0x0207;
    pub(crate) const RK: u16 = 0x027E;
    pub(crate) const FORMAT: u16 = 0x041E;
    pub(crate) const BOF: u16 = 0x0809;
}

/// One record.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) kind: u16,
    pub(crate) data: &'a [u8],
    /// Where the next begins.
    pub(crate) next: usize,
}

/// The record at a place of the stream; `None` at its end.
pub(crate) fn record_at(stream: &[u8], at: usize) -> Result<Option<Record<'_>>, FileFault> {
    let rest = stream.get(at..).unwrap_or_default();
    let (Some(kind), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) else {
        return if rest.is_empty() { Ok(None) } else { Err(TRUNCATED) };
    };
    let end = 4 + usize::from(length);
    let data = rest.get(4..end).ok_or(TRUNCATED)?;
    Ok(Some(Record {
        kind,
        data,
        next: at + end,
    }))
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn f64_at(bytes: &[u8], at: usize) -> Option<f64> {
    Some(f64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

const TRUNCATED: FileFault = FileFault::Truncated {
    part: "the stream of the workbook",
};
