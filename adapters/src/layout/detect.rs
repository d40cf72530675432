//! A file's name and first bytes → layout, on the sender's side.

use super::{Delimited, Delimiter, Encoding, Format, Layout, Signature};

impl Layout {
    /// The layout of a file on the sender's side, from its name and first bytes (a few KiB are enough).
    ///
    /// Workbooks and tables of dBASE are known by their first bytes, whatever they are called; what is called a workbook and is none, nor
    /// text, stays one, so that its decoder says what it is. Otherwise the extension decides when it is known; otherwise `<` begins XML, `[` JSON, and `{` lines of JSON when its first line is a whole
    /// object. In a `.csv` or `.txt` file the delimiter is the one that occurs most often in the first line. Bytes that are not UTF-8
    /// are taken for GB18030; in XML of ASCII alone the declaration decides.
    pub fn detect(file_name: &str, head: &[u8]) -> Self {
        let mut encoding = Encoding::detect(head);
        let body = head
            .strip_prefix(&[0xef, 0xbb, 0xbf])
            .unwrap_or(head)
            .trim_ascii_start();
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
        if matches!(format, Format::Xml(_)) && head.is_ascii() {
            encoding = prolog_encoding(body).unwrap_or(encoding);
        }
        Self::new(format, encoding)
    }
}

/// The layout of a file that is not text, or is called so.
fn binary(extension: &str, signature: Option<Signature>) -> Option<Layout> {
    let format = match (signature, extension) {
        (Some(Signature::Zip), _) => Format::XLSX,
        (Some(Signature::Dbf), _) | (None, "dbf") => return Some(Layout::new(Format::Dbf, Encoding::Gb18030)),
        // CSV under the name of a workbook is read as what it is.
        (Some(Signature::Text), _) => return None,
        (Some(Signature::Compound | Signature::BareBiff), _) | (_, "xls" | "et") => Format::XLS,
        (_, "xlsx" | "xlsm") => Format::XLSX,
        _ => return None,
    };
    Some(Layout::new(format, Encoding::Utf8))
}

impl Encoding {
    /// UTF-8 when the bytes are, apart from a character cut off at the end; otherwise GB18030.
    pub(super) fn detect(head: &[u8]) -> Self {
        match std::str::from_utf8(head) {
            Ok(_) => Self::Utf8,
            Err(error) if error.error_len().is_none() => Self::Utf8,
            Err(_) => Self::Gb18030,
        }
    }
}

/// Whether the first line is one JSON value by itself; of a document over several lines it is only a piece.
fn first_line_is_whole(body: &[u8]) -> bool {
    let line = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // Bytes of GB18030 beyond ASCII make no difference to brackets that lie outside of strings.
    let text = String::from_utf8_lossy(line);
    serde_json::from_str::<serde::de::IgnoredAny>(text.trim()).is_ok()
}

fn likely_delimiter(head: &[u8]) -> Delimiter {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: Delimiter| memchr::memmem::find_iter(line, delimiter.text()).count();
    let long = [Delimiter::PipeBang, Delimiter::AtHash];
    if let Some(delimiter) = long.into_iter().find(|delimiter| count(*delimiter) > 0) {
        return delimiter;
    }
    // In a tie the comma wins: the last of the maxima is taken.
    let short = Delimiter::ALL.into_iter().filter(|delimiter| !long.contains(delimiter));
    short
        .max_by_key(|delimiter| count(*delimiter))
        .unwrap_or(Delimiter::Comma)
}

/// The charset that an XML declaration names, where it is one that is read here.
pub(crate) fn prolog_encoding(body: &[u8]) -> Option<Encoding> {
    let end = memchr::memmem::find(body, b"?>")?;
    let declaration = std::str::from_utf8(body.get(..end)?).ok()?.strip_prefix("<?xml")?;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?;
    let value = value.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    Encoding::parse(value.get(1..)?.split_once(quote)?.0)
}
