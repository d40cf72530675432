//! First bytes → charset; with a file's name, on the sender's side, → layout.

use encoding_rs::{DecoderResult, GB18030};

use super::{Delimited, Delimiter, Encoding, Format, Layout, Signature};
use crate::transcode::{is_han, is_utf16};

impl Layout {
    /// The layout of a file on the sender's side, from its name and first bytes (a few KiB are enough).
    ///
    /// Workbooks and tables of dBASE are known by their first bytes, whatever they are called, and so is a page that is called a workbook or a page;
    /// what is called a workbook and is none, nor text, stays one, so that its decoder says what it is. Otherwise the extension decides when it is known; otherwise `<` begins XML, `[` JSON, and `{` lines of JSON when its first line is a whole
    /// object. In a `.csv` or `.txt` file the delimiter is the one that occurs most often in the first line, if in the second as often, else the one by which most
    /// lines have the same number of fields: the first may be a title. The charset is
    /// that of the first bytes; it is left open ([`Layout::open`]) where they are ASCII alone, or UTF-8 and GB18030 alike.
    pub fn detect(file_name: &str, head: &[u8]) -> Self {
        let body = head.strip_prefix(UTF8_MARK).unwrap_or(head).trim_ascii_start();
        let extension = file_name
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_ascii_lowercase())
            .unwrap_or_default();
        if let Some(binary) = binary(&extension, Signature::of(head)) {
            return binary;
        }
        let format = match (extension.as_str(), body.first()) {
            ("ndjson" | "jsonl", _) => Format::Ndjson,
            ("tsv" | "tab", _) => Format::TSV,
            ("xml", _) | (_, Some(b'<')) => Format::XML,
            ("json", _) | (_, Some(b'[')) => Format::JSON,
            (_, Some(b'{')) if first_line_is_whole(body) => Format::Ndjson,
            (_, Some(b'{')) => Format::JSON,
            _ => Format::Delimited(Delimited::new(likely_delimiter(body))),
        };
        let (encoding, open) = match Sight::of(head) {
            // Neither of those that are read: to declare one would be said to be the mistake.
            _ if is_utf16(head) => (Encoding::Utf8, true),
            Sight::Sure(found) => (found, false),
            Sight::Ascii(declared) => (declared.unwrap_or(Encoding::Utf8), true),
            Sight::Both => (Encoding::Utf8, true),
        };
        Self {
            open,
            ..Self::new(format, encoding)
        }
    }
}

/// The layout of a file that is not text, or is called so.
fn binary(extension: &str, signature: Option<Signature>) -> Option<Layout> {
    let format = match (signature, extension) {
        (Some(Signature::Zip), _) => Format::XLSX,
        (Some(Signature::Dbf), _) | (None, "dbf") => return Some(Layout::new(Format::Dbf, Encoding::Gb18030)),
        // CSV under the name of a workbook is read as what it is.
        (Some(Signature::Text), _) => return None,
        (Some(Signature::Compound | Signature::BareBiff | Signature::SpreadsheetMl), _) | (_, "xls" | "et") => {
            Format::XLS
        }
        (Some(Signature::Html), "html" | "htm" | "xhtml" | "xlsx" | "xlsm") => Format::XLS,
        (_, "xlsx" | "xlsm") => Format::XLSX,
        _ => return None,
    };
    Some(Layout::new(format, Encoding::Utf8).left_open())
}

/// What first bytes show of a charset, whatever the file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Nothing, being ASCII; the declaration of XML names this one.
    Ascii(Option<Encoding>),
    /// This one: GB18030 when far more of them are no UTF-8 than would be Chinese in it.
    Sure(Encoding),
    /// They are UTF-8 without Chinese, and all of them Chinese in GB18030: `é` of the one is `茅` of the other.
    Both,
}

impl Sight {
    pub(crate) fn of(head: &[u8]) -> Self {
        if head.is_ascii() {
            return Self::Ascii(declared(head.trim_ascii_start()));
        }
        if head.starts_with(UTF8_MARK) {
            return Self::Sure(Encoding::Utf8);
        }
        if head.starts_with(GB18030_MARK) {
            return Self::Sure(Encoding::Gb18030);
        }
        match utf8_evidence(head) {
            (0, 0) if is_plain_gb18030(head) => Self::Both,
            (han, broken) if broken > han * 4 => Self::Sure(Encoding::Gb18030),
            _ => Self::Sure(Encoding::Utf8),
        }
    }
}

/// Whether bytes that are declared as UTF-8 are sure to be GB18030: valid there, with Chinese characters, and not a text of UTF-8 with a few bytes
/// gone wrong.
pub(crate) fn is_gb18030(head: &[u8]) -> bool {
    let (han, broken) = utf8_evidence(head);
    broken > han * 4 && gb18030_pairs(head) >= 2
}

/// Whether the first line is one JSON value by itself; of a document over several lines it is only a piece.
fn first_line_is_whole(body: &[u8]) -> bool {
    let line = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // Bytes of GB18030 beyond ASCII make no difference to brackets that lie outside of strings.
    let text = String::from_utf8_lossy(line);
    serde_json::from_str::<serde::de::IgnoredAny>(text.trim()).is_ok()
}

fn likely_delimiter(head: &[u8]) -> Delimiter {
    let mut lines: Vec<Vec<u8>> = head.split(|byte| *byte == b'\n').map(unquoted).collect();
    // The end may cut one off.
    if lines.len() > 2 {
        lines.pop();
    }
    lines.retain(|line| !line.trim_ascii().is_empty());
    lines.truncate(LINES_MAX);
    let first = likeliest(|delimiter| lines.first().map_or(0, |line| count(line, delimiter)));
    let [one, two, ..] = lines.as_slice() else {
        return first;
    };
    if count(one, first) > 0 && count(one, first) == count(two, first) {
        return first;
    }
    likeliest(|delimiter| alike(&lines, delimiter))
}

/// The delimiter of the greatest measure; in a tie the longer before the comma before the others, and where there is none the comma.
fn likeliest<M: Ord + Default>(measure: impl Fn(Delimiter) -> M) -> Delimiter {
    let (long, short): (Vec<_>, Vec<_>) = Delimiter::ALL
        .into_iter()
        .partition(|delimiter| delimiter.text().len() > 1);
    // The last of the maxima is taken.
    let all = short.into_iter().chain(long);
    let met = all.filter(|delimiter| measure(*delimiter) > M::default());
    met.max_by_key(|delimiter| measure(*delimiter))
        .unwrap_or(Delimiter::Comma)
}

/// How many lines have it as often as most lines that have it, and how often that is.
fn alike(lines: &[Vec<u8>], delimiter: Delimiter) -> (usize, usize) {
    let counts: Vec<usize> = lines.iter().map(|line| count(line, delimiter)).collect();
    let of = |often: &usize| (counts.iter().filter(|other| *other == often).count(), *often);
    counts
        .iter()
        .filter(|often| **often > 0)
        .map(of)
        .max()
        .unwrap_or_default()
}

fn count(line: &[u8], delimiter: Delimiter) -> usize {
    let of = |delimiter: Delimiter| memchr::memmem::find_iter(line, delimiter.text()).count();
    match delimiter {
        // Those of the other, `|!|`, are none.
        Delimiter::Pipe => of(Delimiter::Pipe).saturating_sub(2 * of(Delimiter::PipeBang)),
        // Some programs end each cell with a tab, so that a spreadsheet takes numbers for text.
        Delimiter::Tab if line.windows(2).any(|pair| pair == b"\t,") => 0,
        other => of(other),
    }
}

/// A line without what is quoted in it.
fn unquoted(line: &[u8]) -> Vec<u8> {
    line.split(|byte| *byte == b'"').step_by(2).collect::<Vec<_>>().concat()
}

/// Lines by which a delimiter is told: titles are few.
const LINES_MAX: usize = 40;

/// Chinese characters in what is UTF-8, and sequences that are not UTF-8. A character that the end cuts off is neither.
fn utf8_evidence(bytes: &[u8]) -> (usize, usize) {
    let (mut han, mut broken, mut at) = (0, 0, 0);
    for chunk in bytes.utf8_chunks() {
        let (valid, invalid) = (chunk.valid(), chunk.invalid());
        han += valid.chars().filter(|letter| is_han(*letter)).count();
        at += valid.len() + invalid.len();
        let cut = at == bytes.len() && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
        broken += usize::from(!invalid.is_empty() && !cut);
    }
    (han, broken)
}

/// Characters of two or four bytes, when all of it is GB18030; 0 when it is not. A character that the end cuts off does not count.
fn gb18030_pairs(bytes: &[u8]) -> usize {
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(bytes.len() * 2 + ROOM_BYTES);
    match decoder.decode_to_string_without_replacement(bytes, &mut text, false) {
        (DecoderResult::InputEmpty, _) => text.chars().filter(|letter| !letter.is_ascii()).count(),
        _ => 0,
    }
}

/// Whether all that is not ASCII are Chinese characters of GB 2312, which nearly all in a text of GB18030 are. The end may cut one off.
fn is_plain_gb18030(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        rest = match rest {
            [] | [0xB0..=0xF7] => return true,
            [0xB0..=0xF7, 0xA1..=0xFE, after @ ..] => after,
            [byte, after @ ..] if byte.is_ascii() => after,
            _ => return false,
        };
    }
}

/// The charset that an XML declaration names, where it is one that is read here.
fn declared(body: &[u8]) -> Option<Encoding> {
    let end = memchr::memmem::find(body, b"?>")?;
    let declaration = std::str::from_utf8(body.get(..end)?).ok()?.strip_prefix("<?xml")?;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?;
    let value = value.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    Encoding::parse(value.get(1..)?.split_once(quote)?.0)
}

/// U+FEFF as UTF-8 writes it, the byte order mark.
pub(crate) const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// The same as GB18030 writes it.
pub(crate) const GB18030_MARK: &[u8] = &[0x84, 0x31, 0x95, 0x33];

/// What a decoder may want besides what it writes.
const ROOM_BYTES: usize = 64;
