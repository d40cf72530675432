//! The forms of a feed that need to be described: delimiters, byte positions, envelopes, sheets.
//!
//! Takes what a deployment configured; gives plain descriptions that the decoders follow. Refuses, as [`LayoutFault`], byte positions that
//! overlap or hold nothing, a trailer without a mark or with the sum of no column, and columns without a name.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::decode::fold_header;

/// What stands between two fields of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delimiter {
    /// `,`
    Comma,
    /// Horizontal tab.
    Tab,
    /// `|`
    Pipe,
    /// `^`
    Caret,
    /// `|!|`
    PipeBang,
    /// `@#`
    AtHash,
    /// The escape character, 0x1B.
    Escape,
}

impl Delimiter {
    /// All of them; where two could be meant, the longer comes first.
    pub const ALL: [Self; 7] = [
        Self::PipeBang,
        Self::AtHash,
        Self::Escape,
        Self::Caret,
        Self::Pipe,
        Self::Tab,
        Self::Comma,
    ];

    /// The characters themselves.
    pub fn text(self) -> &'static str {
        match self {
            Self::Comma => ",",
            Self::Tab => "\t",
            Self::Pipe => "|",
            Self::Caret => "^",
            Self::PipeBang => "|!|",
            Self::AtHash => "@#",
            Self::Escape => "\u{1b}",
        }
    }

    /// A word for it: `comma`, `tab`, `pipe`, `caret`, `pipe-bang`, `at-hash`, `esc`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Tab => "tab",
            Self::Pipe => "pipe",
            Self::Caret => "caret",
            Self::PipeBang => "pipe-bang",
            Self::AtHash => "at-hash",
            Self::Escape => "esc",
        }
    }

    /// The delimiter of these characters or this word; `\t` and `\x1b` may be written out.
    pub fn parse(text: &str) -> Option<Self> {
        let text = match text {
            "\\t" => "tab",
            "\\x1b" | "\\x1B" | "0x1B" | "0x1b" => "esc",
            other => other,
        };
        Self::ALL
            .into_iter()
            .find(|delimiter| delimiter.text() == text || delimiter.word().eq_ignore_ascii_case(text))
    }
}

/// Lines of fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delimited {
    /// What stands between two fields.
    pub delimiter: Delimiter,
    /// Whether a field that begins with `"` is quoted (RFC 4180); otherwise `"` is a character like any other. Only delimiters of one
    /// character know quotes.
    pub quotes: bool,
    /// Lines above the header row that hold a title.
    pub title_rows: u32,
    /// The names of the columns, in order, of a file without a header row.
    pub columns: Option<Arc<[String]>>,
    /// The last line, which says what the file holds.
    pub trailer: Option<Arc<Trailer<usize>>>,
}

impl Delimited {
    /// Quoting where a field needs it, a header row first, no trailer.
    pub const fn new(delimiter: Delimiter) -> Self {
        Self {
            delimiter,
            quotes: true,
            title_rows: 0,
            columns: None,
            trailer: None,
        }
    }

    /// The same without a header row: the columns are these.
    pub fn with_columns(self, columns: Vec<String>) -> Result<Self, LayoutFault> {
        if columns.is_empty() {
            return Err(LayoutFault::NoColumn);
        }
        Ok(Self {
            columns: Some(columns.into()),
            ..self
        })
    }

    /// The same with a last line that says what the file holds. Where columns are stated, sums are of these.
    pub fn with_trailer(self, trailer: Trailer<usize>) -> Result<Self, LayoutFault> {
        trailer.check(self.columns.as_deref())?;
        Ok(Self {
            trailer: Some(Arc::new(trailer)),
            ..self
        })
    }
}

/// The last line of a file, which says how many records it holds. A file whose trailer is absent, is not the last line or says otherwise is
/// refused as a whole. `P` is how a place in that line is named: the number of a field from 0, or bytes of the line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trailer<P> {
    /// How the line is known: its whole first field, or, where fields have byte positions, its first characters.
    pub mark: String,
    /// Where the number of records stands.
    pub count: P,
    /// Sums over columns.
    pub sums: Vec<Total<P>>,
}

/// The sum of one column over all records of the file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Total<P> {
    /// The column's name as in the header row, or as stated.
    pub column: String,
    /// Where its sum stands.
    pub at: P,
}

impl<P> Trailer<P> {
    fn check(&self, columns: Option<&[String]>) -> Result<(), LayoutFault> {
        if self.mark.is_empty() {
            return Err(LayoutFault::NoMark);
        }
        let folded: Option<Vec<String>> = columns.map(|columns| columns.iter().map(|name| fold_header(name)).collect());
        let has = |total: &&Total<P>| {
            folded
                .as_ref()
                .is_none_or(|names| names.contains(&fold_header(&total.column)))
        };
        match self.sums.iter().find(|total| !has(total)) {
            Some(total) => Err(LayoutFault::SumOfNoColumn(total.column.clone())),
            None => Ok(()),
        }
    }
}

/// A run of bytes in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first byte, from 0.
    pub start: usize,
    /// How many bytes, at least 1.
    pub width: usize,
}

impl Span {
    /// The byte after the last.
    pub fn end(self) -> usize {
        self.start.saturating_add(self.width)
    }
}

/// Lines of fields at byte positions. Bytes are those of the file as it is encoded, so a Chinese character of GB18030 has two or four.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fixed {
    columns: Vec<FixedColumn>,
    trailer: Option<Trailer<Span>>,
    /// Lines above the first record, not read.
    pub title_rows: u32,
    /// Whether a line may end early because blanks at its end were cut; otherwise a short line is a reject.
    pub cut_blanks: bool,
}

/// One field of a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FixedColumn {
    /// Its name, read as a header would be.
    pub name: String,
    /// Its bytes.
    pub span: Span,
}

impl Fixed {
    /// Fields at these positions, in any order.
    pub fn new(mut columns: Vec<FixedColumn>) -> Result<Self, LayoutFault> {
        columns.sort_by_key(|column| column.span);
        if columns.is_empty() {
            return Err(LayoutFault::NoColumn);
        }
        if let Some(column) = columns.iter().find(|column| column.span.width == 0) {
            return Err(LayoutFault::NoWidth(column.name.clone()));
        }
        let overlap = columns
            .iter()
            .zip(columns.iter().skip(1))
            .find(|(left, right)| left.span.end() > right.span.start);
        if let Some((left, right)) = overlap {
            return Err(LayoutFault::Overlap(left.name.clone(), right.name.clone()));
        }
        if columns.last().is_some_and(|column| column.span.end() > LINE_BYTES_MAX) {
            return Err(LayoutFault::TooWide);
        }
        Ok(Self {
            columns,
            trailer: None,
            title_rows: 0,
            cut_blanks: false,
        })
    }

    /// The same with a last line that says what the file holds.
    pub fn with_trailer(self, trailer: Trailer<Span>) -> Result<Self, LayoutFault> {
        let columns: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        trailer.check(Some(&columns))?;
        Ok(Self {
            trailer: Some(trailer),
            ..self
        })
    }

    /// The fields in the order of their positions.
    pub fn columns(&self) -> &[FixedColumn] {
        &self.columns
    }

    /// The last line.
    pub fn trailer(&self) -> Option<&Trailer<Span>> {
        self.trailer.as_ref()
    }

    /// Bytes of a whole line.
    pub fn width(&self) -> usize {
        self.columns.last().map_or(0, |column| column.span.end())
    }
}

/// Where the records of a JSON document are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// Names of the members that lead to the array of records; `None`: the document itself is the array or the one record, or the array
    /// is the first one under a usual name (`data`, `rows`, `list`, `records`, `DataList`, `resultData` …).
    pub records: Option<Arc<[String]>>,
    /// A member beside or above the array that says how many records it holds; checked when it is named here.
    pub count: Option<Arc<str>>,
}

impl Envelope {
    /// Records wherever they usually are, no count.
    pub const fn new() -> Self {
        Self {
            records: None,
            count: None,
        }
    }
}

/// Where the records of an XML document are. Names are local names, without a prefix, in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Xml {
    /// The element that is one record; `None`: one of the usual names (`record`, `row`, `item`, `rec`), inside an `MDEML` also `data`.
    pub record: Option<Arc<str>>,
    /// The element whose text is another document: plain, escaped or in CDATA, or Base64, perhaps of zlib or gzip; `None`: there is
    /// none, but for `content` in the tax offices' `tiripPackage`.
    pub packed: Option<Arc<str>>,
    /// The element that says how many records there are; checked when it is named here.
    pub count: Option<Arc<str>>,
}

impl Xml {
    /// Record elements of a usual name, nothing packed, no count.
    pub const fn new() -> Self {
        Self {
            record: None,
            packed: None,
            count: None,
        }
    }
}

/// Where the records of a workbook are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sheet {
    /// The sheet's name; `None`: its number, or else the first visible one whose header names a field.
    pub sheet: Option<Arc<str>>,
    /// The sheet's number in the order of the workbook, hidden ones counted; a name goes before it.
    pub number: Option<NonZeroU32>,
    /// Rows at the top in which no header is looked for. Titles are passed over without being counted here.
    pub title_rows: u32,
    /// How many rows below them are the header, one or two; `None`: it is found by the names in it.
    pub header_rows: Option<HeaderRows>,
    /// Rows between the header and the first record that are not read, such as a row of column numbers.
    pub skip_rows: u32,
    /// How the first filled cell of the row begins with which the records end: it and everything below is not read. Sums and who made the
    /// table are recognised without it.
    pub footer: Option<Arc<str>>,
    /// The names of the columns, in order, of a sheet without a header row: its records begin after the titles.
    pub columns: Option<Arc<[String]>>,
}

/// How many rows a header has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeaderRows {
    /// One row of names.
    One,
    /// Names over names, or groups over names.
    Two,
}

impl HeaderRows {
    /// Of a number; none but 1 and 2.
    pub fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }

    /// 1 or 2.
    pub fn count(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

impl Sheet {
    /// The first sheet with a header, wherever near its top that stands.
    pub const fn new() -> Self {
        Self {
            sheet: None,
            number: None,
            title_rows: 0,
            header_rows: None,
            skip_rows: 0,
            footer: None,
            columns: None,
        }
    }

    /// The same, if it can be followed.
    pub fn checked(self) -> Result<Self, LayoutFault> {
        if self.title_rows > SHEET_TOP_ROWS_MAX || self.skip_rows > SHEET_TOP_ROWS_MAX {
            Err(LayoutFault::TooManyRows)
        } else if self.columns.as_ref().is_some_and(|columns| columns.is_empty()) {
            Err(LayoutFault::NoColumn)
        } else if self.columns.is_some() && self.header_rows.is_some() {
            Err(LayoutFault::HeaderTwice)
        } else if self.footer.as_ref().is_some_and(|footer| footer.trim().is_empty()) {
            Err(LayoutFault::NoFooter)
        } else {
            Ok(self)
        }
    }
}

/// Why a description of a form cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutFault {
    /// No column at all.
    #[error("no column is named")]
    NoColumn,
    /// A field of no bytes.
    #[error("column `{0}` has no width")]
    NoWidth(String),
    /// Two fields share bytes.
    #[error("columns `{0}` and `{1}` overlap")]
    Overlap(String, String),
    /// A line longer than a record may be.
    #[error("the columns end beyond byte {LINE_BYTES_MAX}")]
    TooWide,
    /// Titles or rows to skip in a sheet, more than a top can have.
    #[error("more than {SHEET_TOP_ROWS_MAX} rows are to be passed over")]
    TooManyRows,
    /// A sheet with a header row of which the columns are stated as well.
    #[error("the columns are stated, and header rows too")]
    HeaderTwice,
    /// Every row would begin with it.
    #[error("the footer is an empty text")]
    NoFooter,
    /// A trailer's sum of a column that the file does not have.
    #[error("the trailer has a sum of `{0}`, which is no column")]
    SumOfNoColumn(String),
    /// Nothing would tell the trailer from a record.
    #[error("the trailer has no mark")]
    NoMark,
}

/// A wider line is longer than a record may be anyway.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Rows that may be passed over above a header, and below it.
const SHEET_TOP_ROWS_MAX: u32 = 1000;
