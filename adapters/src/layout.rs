//! How a feed is written: form, charset, and what one sender calls things.
//!
//! Takes a `Content-Type`, or a file's name and first bytes, or what a deployment has configured; gives a [`Layout`]. A type or charset
//! that is not decoded here gives `None`: the caller refuses it. A charset that a sender states is held against the bytes and never replaced;
//! where none is stated, the first bytes decide that are not ASCII.

mod content_type;
mod detect;
mod form;
mod mapping;
mod signature;

use std::sync::Arc;

pub(crate) use self::detect::{GB18030_MARK, Sight, UTF8_MARK, is_gb18030};
pub use self::form::{
    Delimited, Delimiter, Envelope, Fixed, FixedColumn, HeaderRows, LayoutFault, Sheet, Span, Total, Trailer, Xml,
};
pub(crate) use self::mapping::Header;
pub use self::mapping::{Mapping, MappingFault};
pub use self::signature::Signature;

/// The form of the records.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One record a line, its fields apart from each other by a delimiter.
    Delimited(Delimited),
    /// One record a line, each field at its byte positions.
    Fixed(Arc<Fixed>),
    /// One JSON object a line.
    Ndjson,
    /// One JSON document: an array of records, bare or in an envelope.
    Json(Envelope),
    /// One XML document: record elements, bare or in an envelope.
    Xml(Xml),
    /// One sheet of a workbook, Office Open XML.
    Xlsx(Sheet),
    /// One sheet of a workbook that is called XLS: BIFF8 (Excel 97 to 2003), a page of HTML or `SpreadsheetML` 2003. Its first bytes say which; the
    /// charset is that of the two that are text.
    Xls(Sheet),
    /// One table of dBASE III or IV, or `FoxPro`.
    Dbf,
}

impl Format {
    /// Comma, RFC 4180 quoting, a header row first.
    pub const CSV: Self = Self::Delimited(Delimited::new(Delimiter::Comma));
    /// Tab, quoting where a field needs it, a header row first.
    pub const TSV: Self = Self::Delimited(Delimited::new(Delimiter::Tab));
    /// `|`, quoting where a field needs it, a header row first.
    pub const PIPE: Self = Self::Delimited(Delimited::new(Delimiter::Pipe));
    /// One JSON document whose array of records is found by its place or name.
    pub const JSON: Self = Self::Json(Envelope::new());
    /// The first visible sheet with a header of the record type.
    pub const XLSX: Self = Self::Xlsx(Sheet::new());
    /// The same of a workbook of Excel 97 to 2003.
    pub const XLS: Self = Self::Xls(Sheet::new());
    /// One XML document whose record elements are found by their name.
    pub const XML: Self = Self::Xml(Xml::new());
}

/// The charset of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// GB 18030-2022; what calls itself GBK or GB2312 is read as this, because it is a superset.
    Gb18030,
}

/// Form, charset and mapping together. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The form of the records.
    pub format: Format,
    /// The charset of the bytes.
    pub encoding: Encoding,
    /// Nobody stated the charset: the first bytes decide that are not ASCII, and `encoding` holds where there are none.
    pub open: bool,
    /// The sender's own names and codes, which go before those of the catalogue.
    pub mapping: Option<Arc<Mapping>>,
}

impl Layout {
    /// A layout without a mapping.
    pub const fn new(format: Format, encoding: Encoding) -> Self {
        Self {
            format,
            encoding,
            open: false,
            mapping: None,
        }
    }

    /// The same layout in a charset that nobody stated. Byte positions, workbooks of XLSX and tables of dBASE have their own, which stands.
    #[must_use]
    pub fn left_open(self) -> Self {
        let is_text = matches!(
            self.format,
            Format::Delimited(_) | Format::Ndjson | Format::Json(_) | Format::Xml(_) | Format::Xls(_)
        );
        Self { open: is_text, ..self }
    }

    /// The same layout in a charset that somebody stated.
    #[must_use]
    pub fn in_charset(self, encoding: Encoding) -> Self {
        Self {
            encoding,
            open: false,
            ..self
        }
    }

    /// The same layout with a sender's own names and codes.
    #[must_use]
    pub fn with_mapping(self, mapping: Arc<Mapping>) -> Self {
        Self {
            mapping: Some(mapping),
            ..self
        }
    }

    /// The same workbook with its records in the sheet of that name; `None` when this is no workbook.
    #[must_use]
    pub fn of_sheet(self, name: &str) -> Option<Self> {
        let sheet = self.sheet()?.clone();
        self.with_sheet(Sheet {
            sheet: Some(name.into()),
            ..sheet
        })
    }

    /// Whether records stand in lines, so that a body holds as much as it shows: no workbook, table or envelope.
    pub fn is_by_line(&self) -> bool {
        matches!(self.format, Format::Delimited(_) | Format::Fixed(_) | Format::Ndjson)
    }

    /// Where the records of a workbook are; `None` when this is no workbook.
    pub fn sheet(&self) -> Option<&Sheet> {
        match &self.format {
            Format::Xlsx(sheet) | Format::Xls(sheet) => Some(sheet),
            _ => None,
        }
    }

    /// The same workbook with its records there; `None` when this is no workbook.
    #[must_use]
    pub fn with_sheet(mut self, of: Sheet) -> Option<Self> {
        match &mut self.format {
            Format::Xlsx(sheet) | Format::Xls(sheet) => {
                *sheet = of;
                Some(self)
            }
            _ => None,
        }
    }

    /// A short word for leaves and people, one of a closed set: `csv+utf8`, `pipe-bang+gb18030`, `fixed+gb18030`, `json+utf8`, `xml+utf8`.
    pub fn label(&self) -> &'static str {
        let [utf8, gb18030] = match &self.format {
            Format::Delimited(form) => match form.delimiter {
                Delimiter::Comma => ["csv+utf8", "csv+gb18030"],
                Delimiter::Tab => ["tsv+utf8", "tsv+gb18030"],
                Delimiter::Pipe => ["pipe+utf8", "pipe+gb18030"],
                Delimiter::Caret => ["caret+utf8", "caret+gb18030"],
                Delimiter::PipeBang => ["pipe-bang+utf8", "pipe-bang+gb18030"],
                Delimiter::AtHash => ["at-hash+utf8", "at-hash+gb18030"],
                Delimiter::Escape => ["esc+utf8", "esc+gb18030"],
            },
            Format::Fixed(_) => ["fixed+utf8", "fixed+gb18030"],
            Format::Ndjson => ["ndjson+utf8", "ndjson+gb18030"],
            Format::Json(_) => ["json+utf8", "json+gb18030"],
            Format::Xml(_) => ["xml+utf8", "xml+gb18030"],
            // Their own charset, whatever is declared.
            Format::Xlsx(_) => ["xlsx"; 2],
            Format::Xls(_) => ["xls"; 2],
            Format::Dbf => ["dbf+utf8", "dbf+gb18030"],
        };
        match self.encoding {
            Encoding::Utf8 => utf8,
            Encoding::Gb18030 => gb18030,
        }
    }
}

impl Encoding {
    /// The charset of that name, in any case: `utf-8`, `utf8`, `us-ascii`, `ascii`, `gb18030`, `gbk`, `x-gbk`, `gb2312`, `gb_2312-80`, `cp936`, `ms936`.
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "us-ascii" | "ascii" => Some(Self::Utf8),
            "gb18030" | "gbk" | "x-gbk" | "gb2312" | "gb_2312-80" | "cp936" | "ms936" => Some(Self::Gb18030),
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
}

#[cfg(test)]
mod tests;
