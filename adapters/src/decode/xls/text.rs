//! Strings of BIFF8, also those that go on in the next record.
//!
//! Takes record data; gives text. Characters are of one byte (the first 256 of Unicode) or two (UTF-16); where a string goes on in a CONTINUE
//! record, a new flag byte says which. Half a character makes a text broken, it is never replaced.

use super::records::{Record, kind, record_at, u16_at};
use crate::decode::FileFault;
use crate::decode::sheet::Strings;

/// A string in one record: its characters' count of one or two bytes, flags, characters ([MS-XLS] 2.5.293, 2.5.240).
/// Appends the text; `None` when the record is too short, else whether the text is broken.
pub(crate) fn append_string(data: &[u8], count_bytes: usize, out: &mut String) -> Option<bool> {
    let count = match count_bytes {
        1 => usize::from(*data.first()?),
        _ => usize::from(u16_at(data, 0)?),
    };
    let flags = *data.get(count_bytes)?;
    // Runs and phonetic data stand between the flags and the characters only in shared strings.
    let rest = data.get(count_bytes + 1..)?;
    let wide = flags & WIDE != 0;
    let bytes = rest.get(..if wide { count * 2 } else { count })?;
    let mut units = Units::default();
    units.push(bytes, wide, out);
    Some(units.end())
}

/// UTF-16 in pieces → text.
#[derive(Default)]
struct Units {
    high: Option<u16>,
    broken: bool,
}

impl Units {
    fn push(&mut self, bytes: &[u8], wide: bool, out: &mut String) {
        if wide {
            for pair in bytes.chunks_exact(2) {
                self.unit(u16_at(pair, 0).unwrap_or_default(), out);
            }
        } else {
            for byte in bytes {
                self.unit(u16::from(*byte), out);
            }
        }
    }

    fn unit(&mut self, unit: u16, out: &mut String) {
        let high = self.high.take();
        match char::decode_utf16(high.into_iter().chain([unit])).next() {
            Some(Ok(letter)) => out.push(letter),
            _ if high.is_none() && (0xd800..0xdc00).contains(&unit) => self.high = Some(unit),
            _ => self.broken = true,
        }
    }

    fn end(self) -> bool {
        self.broken || self.high.is_some()
    }
}

/// The table of shared strings ([MS-XLS] 2.4.265), from its record and those that continue it. Gives where the next record begins.
pub(crate) fn read_table(stream: &[u8], first: Record<'_>, strings: &mut Strings) -> Result<usize, FileFault> {
    let mut pieces = Pieces {
        stream,
        data: first.data,
        next: first.next,
    };
    pieces.skip(4)?;
    let count = pieces.u32()?;
    for _ in 0..count {
        // A table that states more than it holds ends at what it holds: cells that refer to the rest are rejects.
        if pieces.is_at_end()? {
            break;
        }
        let broken = read_shared(&mut pieces, strings.text_mut())?;
        strings.end(broken)?;
    }
    pieces.next_record()
}

fn read_shared(pieces: &mut Pieces<'_>, out: &mut String) -> Result<bool, FileFault> {
    let mut left = usize::from(pieces.u16()?);
    let flags = pieces.u8()?;
    let runs = if flags & RICH != 0 {
        usize::from(pieces.u16()?)
    } else {
        0
    };
    let phonetic = if flags & PHONETIC != 0 {
        pieces.u32()? as usize
    } else {
        0
    };
    let mut wide = flags & WIDE != 0;
    let mut units = Units::default();
    while left > 0 {
        if pieces.data.is_empty() {
            pieces.advance()?;
            wide = pieces.u8()? & WIDE != 0;
            continue;
        }
        let width = if wide { 2 } else { 1 };
        let here = left.min(pieces.data.len() / width);
        if here == 0 {
            return Err(DAMAGED);
        }
        let (bytes, rest) = pieces.data.split_at(here * width);
        units.push(bytes, wide, out);
        pieces.data = rest;
        left -= here;
    }
    pieces.skip(runs * 4)?;
    pieces.skip(phonetic)?;
    Ok(units.end())
}

/// A record and its continuations, read as one.
struct Pieces<'a> {
    stream: &'a [u8],
    data: &'a [u8],
    next: usize,
}

impl Pieces<'_> {
    /// Goes to the record that continues this one.
    fn advance(&mut self) -> Result<(), FileFault> {
        match record_at(self.stream, self.next)? {
            Some(record) if record.kind == kind::CONTINUE => {
                self.data = record.data;
                self.next = record.next;
                Ok(())
            }
            _ => Err(DAMAGED),
        }
    }

    fn is_at_end(&mut self) -> Result<bool, FileFault> {
        while self.data.is_empty() {
            match record_at(self.stream, self.next)? {
                Some(record) if record.kind == kind::CONTINUE => self.advance()?,
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    fn next_record(mut self) -> Result<usize, FileFault> {
        while let Some(record) = record_at(self.stream, self.next)? {
            if record.kind != kind::CONTINUE {
                break;
            }
            self.next = record.next;
        }
        Ok(self.next)
    }

    fn u8(&mut self) -> Result<u8, FileFault> {
        loop {
            if let Some((byte, rest)) = self.data.split_first() {
                self.data = rest;
                return Ok(*byte);
            }
            self.advance()?;
        }
    }

    fn u16(&mut self) -> Result<u16, FileFault> {
        Ok(u16::from_le_bytes([self.u8()?, self.u8()?]))
    }

    fn u32(&mut self) -> Result<u32, FileFault> {
        Ok(u32::from_le_bytes([self.u8()?, self.u8()?, self.u8()?, self.u8()?]))
    }

    fn skip(&mut self, mut bytes: usize) -> Result<(), FileFault> {
        while bytes > 0 {
            if self.data.is_empty() {
                self.advance()?;
                continue;
            }
            let here = bytes.min(self.data.len());
            self.data = self.data.get(here..).unwrap_or_default();
            bytes -= here;
        }
        Ok(())
    }
}

const WIDE: u8 = 1;
const PHONETIC: u8 = 4;
const RICH: u8 = 8;

const DAMAGED: FileFault = FileFault::Damaged {
    part: "the texts of the workbook",
};
