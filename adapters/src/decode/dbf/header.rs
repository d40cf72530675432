//! The header of a DBF: how many records, how long, which columns.
//!
//! Takes its bytes; gives the columns with their places. Refuses versions with another header, encryption, and lengths that contradict each other.

use encoding_rs::GB18030;

use crate::decode::header::{Names, fold};
use crate::decode::{FileFault, Unreadable};
use crate::layout::{Encoding, Signature};

/// What the header says of the records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) records: u32,
    pub(crate) record_bytes: usize,
    pub(crate) columns: Vec<Column>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// As it stands there, at most ten bytes.
    pub(crate) name: String,
    /// The type letter.
    pub(crate) kind: u8,
    /// The first byte in a record.
    pub(crate) start: usize,
    pub(crate) width: usize,
}

/// The bytes before those of the columns; enough to know how long the header is.
pub(crate) const FIXED_BYTES: usize = 32;

/// How long the whole header is, from its first 32 bytes.
pub(crate) fn length(head: &[u8]) -> Result<usize, Unreadable> {
    let version = head.first().copied().unwrap_or_default();
    if !VERSIONS.contains(&version) {
        let found = Signature::of(head).map_or("neither a table of dBASE nor text", Signature::describe);
        return Err(FileFault::OtherForm { declared: "DBF", found }.into());
    }
    if head.get(15) == Some(&1) {
        return Err(FileFault::Encrypted.into());
    }
    let length = usize::from(u16_at(head, 8).ok_or(DAMAGED)?);
    if length < FIXED_BYTES + COLUMN_BYTES + 1 {
        return Err(DAMAGED.into());
    }
    Ok(length)
}

/// Reads the whole header. The charset is the declared one: the code page byte is often absent or wrong, but one that names another charset of
/// East Asia contradicts it.
pub(crate) fn read(head: &[u8], encoding: Encoding) -> Result<Header, Unreadable> {
    let found = match head.get(29) {
        Some(0x13 | 0x7B) => Some("shift-jis"),
        Some(0x4F | 0x78) => Some("big5"),
        Some(0x4E | 0x79) => Some("euc-kr"),
        Some(0x50 | 0x7C) => Some("windows-874"),
        _ => None,
    };
    if let Some(found) = found {
        return Err(FileFault::OtherCharset { found }.into());
    }
    let record_bytes = usize::from(u16_at(head, 10).ok_or(DAMAGED)?);
    let records = u32_at(head, 4).ok_or(DAMAGED)?;
    let descriptors = head.get(FIXED_BYTES..).unwrap_or_default();
    let described = || {
        descriptors
            .chunks_exact(COLUMN_BYTES)
            .take_while(|descriptor| descriptor.first() != Some(&END_OF_COLUMNS))
    };
    let after = described().count() * COLUMN_BYTES;
    if descriptors.get(after) != Some(&END_OF_COLUMNS) {
        return Err(DAMAGED.into());
    }
    // Clipper gives texts of more than 255 bytes an upper half where decimals stand.
    for long_texts in [false, true] {
        let columns: Option<Vec<Column>> = laid_out(described(), encoding, long_texts);
        let columns = columns.ok_or(DAMAGED)?;
        let end = columns.last().map_or(1, |column| column.start + column.width);
        if end == record_bytes {
            return Ok(Header {
                records,
                record_bytes,
                columns,
            });
        }
    }
    Err(DAMAGED.into())
}

fn laid_out<'a>(
    descriptors: impl Iterator<Item = &'a [u8]>,
    encoding: Encoding,
    long_texts: bool,
) -> Option<Vec<Column>> {
    // The first byte of a record says whether it is deleted.
    let mut start = 1;
    descriptors
        .map(|descriptor| {
            let kind = *descriptor.get(11)?;
            let mut width = usize::from(*descriptor.get(16)?);
            if long_texts && kind == b'C' {
                width += usize::from(*descriptor.get(17)?) << 8;
            }
            let column = Column {
                name: name_of(descriptor.get(..11)?, encoding),
                kind: kind.to_ascii_uppercase(),
                start,
                width,
            };
            start += width;
            Some(column)
        })
        .collect()
}

/// A name ends at its first NUL; a character that the ten bytes cut in half is left out.
fn name_of(bytes: &[u8], encoding: Encoding) -> String {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
    (0..4)
        .filter_map(|cut| bytes.get(..bytes.len().checked_sub(cut)?))
        .find_map(|bytes| decoded(bytes, encoding))
        .unwrap_or_default()
}

/// Bytes as text, if they are text in the charset.
pub(crate) fn decoded(bytes: &[u8], encoding: Encoding) -> Option<String> {
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Encoding::Gb18030 => GB18030
            .decode_without_bom_handling_and_without_replacement(bytes)
            .map(std::borrow::Cow::into_owned),
    }
}

/// The name by which the catalogue knows a column: its own, or the only field one of whose names begins with its ten bytes.
pub(crate) fn full_name(column: &Column, names: &Names, encoding: Encoding) -> String {
    let sent = fold(&column.name);
    if sent.is_empty() || names.knows(&column.name) {
        return column.name.clone();
    }
    let is_cut = |name: &str| cut(name, encoding).is_some_and(|cut| fold(&cut) == sent);
    let mut fields = names.record().fields.iter().filter(|field| {
        [field.name, field.zh]
            .iter()
            .chain(field.aliases)
            .any(|name| is_cut(name))
    });
    match (fields.next(), fields.next()) {
        (Some(field), None) => field.name.to_owned(),
        _ => column.name.clone(),
    }
}

/// What ten bytes leave of a name; `None` when it fits.
fn cut(name: &str, encoding: Encoding) -> Option<String> {
    let bytes = match encoding {
        Encoding::Utf8 => name.as_bytes().to_vec(),
        Encoding::Gb18030 => GB18030.encode(name).0.into_owned(),
    };
    (bytes.len() > NAME_BYTES).then(|| name_of(bytes.get(..NAME_BYTES).unwrap_or_default(), encoding))
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// dBASE III and IV, with and without memos, `FoxPro` and Visual `FoxPro`. dBASE II and 7 have another header.
const VERSIONS: [u8; 11] = [0x03, 0x30, 0x31, 0x32, 0x43, 0x63, 0x83, 0x8B, 0xCB, 0xF5, 0xFB];

const COLUMN_BYTES: usize = 32;
const NAME_BYTES: usize = 10;
const END_OF_COLUMNS: u8 = 0x0D;

const DAMAGED: FileFault = FileFault::Damaged {
    part: "the header of the table",
};
