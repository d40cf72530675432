//! A zip archive in memory → its parts, each unpacked while it is read.
//!
//! Takes the whole file; gives entries by name. The directory at its end is judged before anything is unpacked: number of entries, sizes,
//! ratio, names that occur twice, encryption. An entry that unpacks to more than it states ends in an error. Reads stored and deflated
//! entries (APPNOTE 4.4.5) and the zip64 sizes that streaming writers put there; nothing else occurs in a workbook.

use std::collections::HashSet;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use crate::decode::{DecodeLimits, FileFault};

/// A file whose directory was read.
pub(crate) struct Archive {
    bytes: Arc<Vec<u8>>,
    entries: Vec<Entry>,
}

/// One part.
#[derive(Clone)]
struct Entry {
    /// Without a leading `/`; compared without regard to ASCII case (OPC, ECMA-376-2).
    name: String,
    deflated: bool,
    start: usize,
    end: usize,
    size: u64,
    crc: u32,
}

/// A part while it is unpacked. More than it states is an error of kind `FileTooLarge`; less, or other bytes than its checksum was made
/// of, one of kind `InvalidData` at its end.
pub(crate) struct Part {
    source: Source,
    left: u64,
    crc: u32,
    found: Crc,
}

enum Source {
    Stored(Window),
    Deflated(Box<DeflateDecoder<Window>>),
}

/// A run of the file.
struct Window {
    bytes: Arc<Vec<u8>>,
    at: usize,
    end: usize,
}

impl Archive {
    /// Reads the directory.
    pub(crate) fn open(bytes: Vec<u8>, limits: &DecodeLimits) -> Result<Self, FileFault> {
        let (count, directory) = find_directory(&bytes)?;
        if count > limits.workbook_parts_max {
            return Err(FileFault::TooManyParts {
                limit: limits.workbook_parts_max,
            });
        }
        let mut entries = Vec::with_capacity(count);
        let mut names = HashSet::new();
        let mut sum = 0_u64;
        let mut at = directory;
        for _ in 0..count {
            let (entry, next) = read_entry(&bytes, at, directory)?;
            at = next;
            sum = sum.saturating_add(entry.size);
            let packed = (entry.end - entry.start) as u64;
            let bomb = entry.size > RATIO_FROM_BYTES && entry.size / packed.max(1) > limits.workbook_ratio_max;
            if bomb || sum > limits.workbook_unpacked_bytes_max {
                return Err(expands(limits));
            }
            if !names.insert(entry.name.to_ascii_lowercase()) {
                return Err(DAMAGED);
            }
            entries.push(entry);
        }
        Ok(Self {
            bytes: Arc::new(bytes),
            entries,
        })
    }

    /// Bytes of memory that the file takes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The names of the parts.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The part of that name.
    pub(crate) fn part(&self, name: &str) -> Option<Part> {
        let name = name.trim_start_matches('/');
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.name.eq_ignore_ascii_case(name))?;
        let window = Window {
            bytes: Arc::clone(&self.bytes),
            at: entry.start,
            end: entry.end,
        };
        let source = if entry.deflated {
            Source::Deflated(Box::new(DeflateDecoder::new(window)))
        } else {
            Source::Stored(window)
        };
        Some(Part {
            source,
            left: entry.size,
            crc: entry.crc,
            found: Crc::new(),
        })
    }

    /// The size that the part states, unpacked.
    pub(crate) fn size(&self, name: &str) -> u64 {
        let name = name.trim_start_matches('/');
        let mut sizes = self
            .entries
            .iter()
            .filter(|entry| entry.name.eq_ignore_ascii_case(name));
        sizes.next().map_or(0, |entry| entry.size)
    }
}

/// What an archive that unpacks too far is refused as.
pub(crate) fn expands(limits: &DecodeLimits) -> FileFault {
    FileFault::Expands {
        limit: limits.workbook_unpacked_bytes_max,
        ratio: limits.workbook_ratio_max,
    }
}

/// The number of entries and where the directory begins. The record at the end is the last one that its comment makes end with the file.
fn find_directory(bytes: &[u8]) -> Result<(usize, usize), FileFault> {
    let from = bytes.len().saturating_sub(END_BYTES + usize::from(u16::MAX));
    let tail = bytes.get(from..).unwrap_or_default();
    let mut found = memchr::memmem::rfind_iter(tail, b"PK\x05\x06");
    let at = found
        .find(|at| {
            let comment = u16_at(tail, at + 20).map(usize::from);
            comment.is_some_and(|comment| at + END_BYTES + comment == tail.len())
        })
        .ok_or(FileFault::Truncated {
            part: "the directory at its end",
        })?;
    let field = |offset| u16_at(tail, at + offset).ok_or(DAMAGED);
    let (disk, disks, here, count) = (field(4)?, field(6)?, field(8)?, field(10)?);
    let start = u32_at(tail, at + 16).ok_or(DAMAGED)?;
    if disk != 0 || disks != 0 || here != count || count == u16::MAX || start == u32::MAX {
        return Err(DAMAGED);
    }
    let start = start as usize;
    if start > from + at {
        return Err(DAMAGED);
    }
    Ok((usize::from(count), start))
}

/// One entry of the directory, and where the next begins.
fn read_entry(bytes: &[u8], at: usize, directory: usize) -> Result<(Entry, usize), FileFault> {
    let head = bytes.get(at..at + ENTRY_BYTES).ok_or(DAMAGED)?;
    if !head.starts_with(b"PK\x01\x02") {
        return Err(DAMAGED);
    }
    let short = |offset| u16_at(head, offset).ok_or(DAMAGED);
    let long = |offset| u32_at(head, offset).ok_or(DAMAGED);
    let (flags, method) = (short(8)?, short(10)?);
    if flags & 1 != 0 {
        return Err(FileFault::Encrypted);
    }
    let deflated = match method {
        0 => false,
        8 => true,
        _ => return Err(DAMAGED),
    };
    let (name_len, extra_len, comment_len) = (short(28)?, short(30)?, short(32)?);
    let name_end = at + ENTRY_BYTES + usize::from(name_len);
    let extra_end = name_end + usize::from(extra_len);
    let name = bytes.get(at + ENTRY_BYTES..name_end).ok_or(DAMAGED)?;
    let extra = bytes.get(name_end..extra_end).ok_or(DAMAGED)?;
    let mut sizes = Zip64(zip64_of(extra));
    let size = sizes.or(long(24)?)?;
    let packed = sizes.or(long(20)?)?;
    let local = sizes.or(long(42)?)?;
    let (start, end) = data_of(bytes, local, packed, directory)?;
    if !deflated && size != packed {
        return Err(DAMAGED);
    }
    let entry = Entry {
        name: String::from_utf8_lossy(name)
            .replace('\\', "/")
            .trim_start_matches('/')
            .to_owned(),
        deflated,
        start,
        end,
        size,
        crc: long(16)?,
    };
    Ok((entry, extra_end + usize::from(comment_len)))
}

/// Where the bytes of an entry lie, behind its local header and before the directory.
fn data_of(bytes: &[u8], local: u64, packed: u64, directory: usize) -> Result<(usize, usize), FileFault> {
    let local = usize::try_from(local).map_err(|_| DAMAGED)?;
    let packed = usize::try_from(packed).map_err(|_| DAMAGED)?;
    if local > directory {
        return Err(DAMAGED);
    }
    let head = bytes.get(local..local + LOCAL_BYTES).ok_or(DAMAGED)?;
    if !head.starts_with(b"PK\x03\x04") {
        return Err(DAMAGED);
    }
    let length = |offset| u16_at(head, offset).map(usize::from).ok_or(DAMAGED);
    let start = local + LOCAL_BYTES + length(26)? + length(28)?;
    let end = start
        .checked_add(packed)
        .filter(|end| *end <= directory)
        .ok_or(DAMAGED)?;
    Ok((start, end))
}

/// The numbers of 64 bits that stand in for those of 32, in their order (APPNOTE 4.5.3).
struct Zip64<'a>(&'a [u8]);

impl Zip64<'_> {
    fn or(&mut self, short: u32) -> Result<u64, FileFault> {
        if short != u32::MAX {
            return Ok(u64::from(short));
        }
        let (long, rest) = self.0.split_first_chunk().ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*long))
    }
}

fn zip64_of(extra: &[u8]) -> &[u8] {
    let mut rest = extra;
    while let (Some(id), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let end = 4 + usize::from(length);
        if id == 1 {
            return rest.get(4..end).unwrap_or_default();
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    &[]
}

impl Read for Part {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.source {
            Source::Stored(window) => window.read(out)?,
            Source::Deflated(inflate) => inflate.read(out)?,
        };
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.found.update(out.get(..read).unwrap_or_default());
        if read == 0 && !out.is_empty() && (self.left > 0 || self.found.sum() != self.crc) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(read)
    }
}

impl Read for Window {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Window {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.bytes.get(self.at..self.end).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.end);
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

const DAMAGED: FileFault = FileFault::Damaged {
    part: "the directory of its zip archive",
};

/// A smaller part may have any ratio: a sheet of empty cells packs well.
const RATIO_FROM_BYTES: u64 = 1 << 20;

const END_BYTES: usize = 22;
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
