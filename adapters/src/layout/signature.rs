//! What a file is by its first bytes, whatever it is called.

/// A form that its first bytes give away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// A zip archive: XLSX, or another document of that kind.
    Zip,
    /// A compound file: XLS, or another document of Office 97; also an encrypted XLSX.
    Compound,
    /// An HTML page, as web systems write it under the name of a workbook.
    Html,
    /// A workbook of Excel 2003 as XML.
    SpreadsheetMl,
    /// Other XML.
    Xml,
    /// A record of XLS without its compound file, as old systems write it.
    BareBiff,
    /// A table of dBASE or `FoxPro`.
    Dbf,
    /// Text: lines of fields, or JSON.
    Text,
}

impl Signature {
    /// The form of a file that begins with these bytes (512 are enough); `None` for bytes that are none of these.
    pub fn of(head: &[u8]) -> Option<Self> {
        let head = head.get(..HEAD_BYTES).unwrap_or(head);
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Some(Self::Zip);
        }
        if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
            return Some(Self::Compound);
        }
        if matches!(head, [0x09, 0x00 | 0x02 | 0x04 | 0x08, ..]) && head.get(3) == Some(&0) {
            return Some(Self::BareBiff);
        }
        if is_table(head) {
            return Some(Self::Dbf);
        }
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        let lower = text.to_ascii_lowercase();
        let holds = |tag: &[u8]| memchr::memmem::find(&lower, tag).is_some();
        let is_workbook = [
            &b"progid=\"excel.sheet\""[..],
            b"=\"urn:schemas-microsoft-com:office:spreadsheet\"",
            b"='urn:schemas-microsoft-com:office:spreadsheet'",
        ];
        // Before HTML: it has a `<Table>` as well.
        if lower.starts_with(b"<") && is_workbook.iter().any(|mark| holds(mark)) {
            return Some(Self::SpreadsheetMl);
        }
        if lower.starts_with(b"<")
            && [
                &b"<html"[..],
                b"<!doctype html",
                b"<table",
                b"<head",
                b"<meta",
                b"<style",
                b"<body",
                b"<title",
            ]
            .iter()
            .any(|tag| holds(tag))
        {
            return Some(Self::Html);
        }
        if lower.starts_with(b"<") {
            return Some(Self::Xml);
        }
        let is_text = !text.is_empty() && !head.iter().any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31));
        is_text.then_some(Self::Text)
    }

    /// What it is, for a refusal.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Zip => "XLSX or another zip archive",
            Self::Compound => "XLS or another document of Office 97",
            Self::Html => "an HTML page, which is read as XLS",
            Self::SpreadsheetMl => "SpreadsheetML 2003, a workbook as XML, which is read as XLS",
            Self::Xml => "XML",
            Self::BareBiff => "a workbook from before Excel 97",
            Self::Dbf => "a table of dBASE",
            Self::Text => "text, e.g. CSV",
        }
    }
}

/// A file is known by so many bytes, be there more or not.
const HEAD_BYTES: usize = 512;

/// A version of dBASE, a day, lengths that fit, and the bytes that are always zero.
fn is_table(head: &[u8]) -> bool {
    let length = |at: usize| {
        head.get(at..at + 2)
            .map(|bytes| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    matches!(
        head,
        [
            0x03 | 0x30..=0x32 | 0x43 | 0x63 | 0x83 | 0x8B | 0xCB | 0xF5 | 0xFB,
            _,
            0..=12,
            0..=31,
            ..
        ]
    ) && length(8).is_some_and(|header| header >= 65)
        && length(10).is_some_and(|record| record >= 2)
        && length(12) == Some(0)
}

#[cfg(test)]
mod tests {
    use super::Signature;

    #[test]
    fn a_form_is_known_by_its_first_bytes() {
        let cases: [(&[u8], Option<Signature>); 17] = [
            (b"PK\x03\x04rest", Some(Signature::Zip)),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Some(Signature::Compound)),
            (b"\xd0\xcf\x11\xe0", None),
            (b"<html><body>", Some(Signature::Html)),
            (b"\xef\xbb\xbf\r\n<!DOCTYPE HTML PUBLIC", Some(Signature::Html)),
            (b"<table border=1>", Some(Signature::Html)),
            (
                b"<?xml version=\"1.0\"?>\n<?mso-application progid=\"Excel.Sheet\"?>",
                Some(Signature::SpreadsheetMl),
            ),
            (
                b"<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\"><Worksheet><Table>",
                Some(Signature::SpreadsheetMl),
            ),
            (b"<?xml version=\"1.0\"?><PACKAGE/>", Some(Signature::Xml)),
            (b"<?xml version=\"1.0\"?><html xmlns=\"x\">", Some(Signature::Html)),
            (b"\x09\x08\x10\x00\x00\x06", Some(Signature::BareBiff)),
            (b"gmsfhm,xm\n", Some(Signature::Text)),
            (b"\xd0\xd5\xc3\xfb\t\xd0\xd4\xb1\xf0\n", Some(Signature::Text)),
            (b"{\"xm\":1}", Some(Signature::Text)),
            (b"", None),
            (b"\x03\x7c\x01\x01\x00\x00", None),
            (b"%PDF-1.4\n\x00\x01", None),
        ];
        for (head, signature) in cases {
            assert_eq!(Signature::of(head), signature, "{}", head.escape_ascii());
        }
    }
}
