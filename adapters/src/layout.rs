//! How a feed is written: format, delimiter and charset.
//!
//! Takes a `Content-Type`, or a file's name and first bytes; gives a [`Layout`]. A type or charset that is not decoded here gives
//! `None`: the caller refuses it, nothing is guessed from what a sender declared wrongly.

/// The form of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One record a line, RFC 4180 quoting where a field needs it, a header row first.
    Delimited {
        /// `,`, tab or `|`.
        delimiter: u8,
    },
    /// One JSON object a line.
    Ndjson,
}

/// The charset of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// GB 18030-2022; what calls itself GBK or GB2312 is read as this, because it is a superset.
    Gb18030,
}

/// Format and charset together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The form of the records.
    pub format: Format,
    /// The charset of the bytes.
    pub encoding: Encoding,
}

impl Layout {
    /// The layout that a `Content-Type` names: `text/csv; charset=gb18030; delimiter="|"`, `text/tab-separated-values`,
    /// `application/x-ndjson`. The charset is UTF-8 when none is named. `None` for any other type, charset or delimiter.
    pub fn from_content_type(value: &str) -> Option<Self> {
        let mut parts = value.split(';');
        let media = parts.next()?.trim();
        let mut delimiter = None;
        let mut encoding = Encoding::Utf8;
        for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            let value = unquote(value.trim());
            match name.trim().to_ascii_lowercase().as_str() {
                "charset" => encoding = Encoding::parse(value)?,
                "delimiter" => delimiter = Some(delimiter_of(value)?),
                // RFC 4180 and 7111 parameters that change nothing here.
                "header" if value.eq_ignore_ascii_case("present") => {}
                "profile" => {}
                _ => return None,
            }
        }
        let format = match media.to_ascii_lowercase().as_str() {
            "text/csv" | "application/csv" => Format::Delimited {
                delimiter: delimiter.unwrap_or(b','),
            },
            "text/tab-separated-values" if delimiter.is_none_or(|byte| byte == b'\t') => {
                Format::Delimited { delimiter: b'\t' }
            }
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" if delimiter.is_none() => {
                Format::Ndjson
            }
            _ => return None,
        };
        Some(Self { format, encoding })
    }

    /// The `Content-Type` that names this layout; [`Layout::from_content_type`] reads it back.
    pub fn content_type(&self) -> String {
        let charset = self.encoding.name();
        match self.format {
            Format::Ndjson => format!("application/x-ndjson; charset={charset}"),
            Format::Delimited { delimiter: b'\t' } => format!("text/tab-separated-values; charset={charset}"),
            Format::Delimited { delimiter: b',' } => format!("text/csv; charset={charset}"),
            Format::Delimited { delimiter } => {
                format!("text/csv; charset={charset}; delimiter=\"{}\"", char::from(delimiter))
            }
        }
    }

    /// The layout of a file on the sender's side, from its name and first bytes (a few KiB are enough).
    ///
    /// The extension decides when it is known; otherwise a leading `{` means NDJSON. In a `.csv` or `.txt` file the delimiter is the
    /// one that occurs most often in the first line. Bytes that are not UTF-8 are taken for GB18030.
    pub fn detect(file_name: &str, head: &[u8]) -> Self {
        let encoding = Encoding::detect(head);
        let body = head.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(head);
        let extension = file_name
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_ascii_lowercase())
            .unwrap_or_default();
        let format = match extension.as_str() {
            "ndjson" | "jsonl" => Format::Ndjson,
            "tsv" | "tab" => Format::Delimited { delimiter: b'\t' },
            _ if body.trim_ascii_start().starts_with(b"{") => Format::Ndjson,
            _ => Format::Delimited {
                delimiter: likely_delimiter(body),
            },
        };
        Self { format, encoding }
    }

    /// A short word for leaves and people: `csv+utf8`, `tsv+gb18030`, `pipe+utf8`, `ndjson+utf8`.
    pub fn label(&self) -> &'static str {
        match (self.format, self.encoding) {
            (Format::Ndjson, Encoding::Utf8) => "ndjson+utf8",
            (Format::Ndjson, Encoding::Gb18030) => "ndjson+gb18030",
            (Format::Delimited { delimiter: b'\t' }, Encoding::Utf8) => "tsv+utf8",
            (Format::Delimited { delimiter: b'\t' }, Encoding::Gb18030) => "tsv+gb18030",
            (Format::Delimited { delimiter: b'|' }, Encoding::Utf8) => "pipe+utf8",
            (Format::Delimited { delimiter: b'|' }, Encoding::Gb18030) => "pipe+gb18030",
            (Format::Delimited { .. }, Encoding::Utf8) => "csv+utf8",
            (Format::Delimited { .. }, Encoding::Gb18030) => "csv+gb18030",
        }
    }
}

impl Encoding {
    /// The charset of that name, in any case: `utf-8`, `utf8`, `us-ascii`, `gb18030`, `gbk`, `gb2312`, `cp936`.
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "us-ascii" => Some(Self::Utf8),
            "gb18030" | "gbk" | "gb2312" | "cp936" => Some(Self::Gb18030),
            _ => None,
        }
    }

    /// `utf-8` or `gb18030`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Gb18030 => "gb18030",
        }
    }

    /// UTF-8 when the bytes are, apart from a character cut off at the end; otherwise GB18030.
    fn detect(head: &[u8]) -> Self {
        match std::str::from_utf8(head) {
            Ok(_) => Self::Utf8,
            Err(error) if error.error_len().is_none() => Self::Utf8,
            Err(_) => Self::Gb18030,
        }
    }
}

fn delimiter_of(value: &str) -> Option<u8> {
    match value {
        "," | "comma" => Some(b','),
        "\t" | "\\t" | "tab" => Some(b'\t'),
        "|" | "pipe" => Some(b'|'),
        _ => None,
    }
}

fn unquote(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|inner| inner.strip_suffix('"'))
        .unwrap_or(value)
}

fn likely_delimiter(head: &[u8]) -> u8 {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| line.iter().filter(|byte| **byte == delimiter).count();
    // In a tie the comma wins: the last of the maxima is taken.
    [b'|', b'\t', b',']
        .into_iter()
        .max_by_key(|delimiter| count(*delimiter))
        .unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{Encoding, Format, Layout};

    #[test]
    fn a_content_type_survives_the_round_trip() {
        for delimiter in [b',', b'\t', b'|'] {
            for encoding in [Encoding::Utf8, Encoding::Gb18030] {
                for format in [Format::Delimited { delimiter }, Format::Ndjson] {
                    let layout = Layout { format, encoding };
                    assert_eq!(Layout::from_content_type(&layout.content_type()), Some(layout));
                }
            }
        }
    }

    #[test]
    fn gbk_is_read_as_gb18030_and_no_charset_means_utf8() {
        let gbk = Layout::from_content_type("Text/CSV; Charset=\"GBK\"").unwrap();
        assert_eq!(gbk.encoding, Encoding::Gb18030);
        let plain = Layout::from_content_type("application/x-ndjson").unwrap();
        assert_eq!(plain.encoding, Encoding::Utf8);
    }

    #[test]
    fn what_is_not_decoded_here_is_no_layout() {
        for value in [
            "",
            "text/plain",
            "text/csv; charset=utf-16",
            "text/csv; charset",
            "text/csv; delimiter=\"^\"",
            "text/csv; header=absent",
            "application/x-ndjson; delimiter=\"|\"",
            "application/xml",
        ] {
            assert_eq!(Layout::from_content_type(value), None, "{value}");
        }
    }

    #[test]
    fn a_file_is_recognised_by_name_and_first_bytes() {
        let cases: [(&str, &[u8], &str); 6] = [
            ("a.csv", b"gmsfhm,xm\n", "csv+utf8"),
            ("a.csv", b"gmsfhm|xm\n1|\xd0\xd5\xc3\xfb\n", "pipe+gb18030"),
            ("a.txt", "姓名\t性别\n".as_bytes(), "tsv+utf8"),
            ("a.tsv", b"a", "tsv+utf8"),
            ("a.ndjson", b"", "ndjson+utf8"),
            ("feed", b"\xef\xbb\xbf {\"a\":1}", "ndjson+utf8"),
        ];
        for (name, head, label) in cases {
            assert_eq!(Layout::detect(name, head).label(), label);
        }
    }

    #[test]
    fn a_character_cut_off_by_the_end_of_the_head_is_still_utf8() {
        let head = "姓名".as_bytes().split_last().unwrap().1;
        assert_eq!(Layout::detect("a.csv", head).encoding, Encoding::Utf8);
    }
}
