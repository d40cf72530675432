//! Workbooks that are written as text under the name of XLS: tables of HTML, and `SpreadsheetML` 2003 → sheets and their rows.
//!
//! Takes the whole text in UTF-8; `html` and `spreadsheet_ml` read it once and keep of it what stands in cells, packed (`store`), so that the text itself
//! can go. Each worksheet is a sheet, and each table of a page, one inside a cell of another included. Refuses what of either is no such file, breaks
//! off, is larger than a workbook may be or nested deeper than anybody's, a declaration of a charset that is not read here, and links to other files.

mod html;
mod spreadsheet_ml;
mod store;

pub(crate) use self::store::Rows;
use self::store::Store;
use super::sheet::{Epoch, Merge, Shared, SheetRow, Strings, is_marked};
use super::{DecodeLimits, FileFault};
use crate::layout::{Encoding, Signature};

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Markup {
    Html,
    SpreadsheetMl,
}

/// A sheet of the file: a worksheet, or a table.
#[derive(Default)]
pub(crate) struct Sheet {
    pub(crate) name: String,
    pub(crate) hidden: bool,
    rows: Store,
    merges: Vec<Merge>,
    /// Columns of a table of a page, those of empty cells included.
    pub(crate) width: u32,
}

/// What such a file consists of.
pub(crate) struct Document {
    pub(crate) sheets: Vec<Sheet>,
    pub(crate) shared: Shared,
    /// A page: what stands around its tables bears a secrecy mark, or the page bears none.
    page: Option<bool>,
}

impl Markup {
    /// The form that these first bytes are of, if it is one of the two.
    pub(crate) fn of(signature: Option<Signature>) -> Option<Self> {
        match signature {
            Some(Signature::Html) => Some(Self::Html),
            Some(Signature::SpreadsheetMl) => Some(Self::SpreadsheetMl),
            _ => None,
        }
    }

    /// A short word for leaves and people.
    pub(crate) fn label(self, encoding: Encoding) -> &'static str {
        match (self, encoding) {
            (Self::Html, Encoding::Utf8) => "html+utf8",
            (Self::Html, Encoding::Gb18030) => "html+gb18030",
            (Self::SpreadsheetMl, Encoding::Utf8) => "spreadsheetml+utf8",
            (Self::SpreadsheetMl, Encoding::Gb18030) => "spreadsheetml+gb18030",
        }
    }

    /// Reads the text, which came in that charset.
    pub(crate) fn read(self, text: &str, came_in: Encoding, limits: &DecodeLimits) -> Result<Document, FileFault> {
        // Of pure ASCII, and of what is UTF-8 throughout, another charset's name says nothing.
        let declared = Declared {
            is_certain: came_in == Encoding::Utf8 || text.is_ascii(),
        };
        match self {
            Self::Html => html::read(text, declared, limits),
            Self::SpreadsheetMl => spreadsheet_ml::read(text, declared, limits),
        }
    }
}

impl Document {
    fn new(mut sheets: Vec<Sheet>, epoch: Epoch, page: Option<bool>) -> Self {
        for sheet in &mut sheets {
            sheet.rows.close();
            sheet.merges.shrink_to_fit();
        }
        let strings = Strings::new(0);
        Self {
            sheets,
            shared: Shared { strings, epoch },
            page,
        }
    }

    /// Bytes of memory that its cells take.
    pub(crate) fn held_bytes(&self) -> usize {
        self.sheets.iter().map(Sheet::held_bytes).sum()
    }

    /// Whether its sheets are tables that stand on one page.
    pub(crate) fn is_page(&self) -> bool {
        self.page.is_some()
    }

    /// Whether a page bears a secrecy mark around that table: in its text, or in a row of a table beside it, which is read as one page.
    pub(crate) fn is_marked_beside(&self, at: usize) -> Result<bool, FileFault> {
        let Some(marked) = self.page else {
            return Ok(false);
        };
        let mut row = SheetRow::default();
        for other in (0..self.sheets.len()).filter(|other| *other != at) {
            let mut rows = Rows::of(other);
            while rows.next(self, &mut row)?.is_some() {
                if is_marked(&row, &self.shared) {
                    return Ok(true);
                }
            }
        }
        Ok(marked)
    }

    /// The merged cells of a sheet that may be those of a header.
    pub(crate) fn merges(&self, at: usize) -> Vec<Merge> {
        let in_header = |merge: &&Merge| merge.rows.0 <= MERGE_ROWS;
        self.merges_of(at).filter(in_header).take(MERGES_MAX).copied().collect()
    }

    /// The merged cells of several rows below that line.
    pub(crate) fn merges_below(&self, at: usize, line: u32) -> Vec<Merge> {
        let below = |merge: &&Merge| merge.rows.0 > line && merge.rows.1 > merge.rows.0;
        self.merges_of(at).filter(below).copied().collect()
    }

    fn merges_of(&self, at: usize) -> impl Iterator<Item = &Merge> {
        self.sheets.get(at).into_iter().flat_map(|sheet| &sheet.merges)
    }
}

impl Sheet {
    fn held_bytes(&self) -> usize {
        self.rows.held_bytes() + self.merges.capacity() * size_of::<Merge>()
    }
}

/// What all sheets of a file together may take, counted while they are read.
struct Room {
    used: usize,
    max: usize,
}

impl Room {
    fn new(limits: &DecodeLimits) -> Self {
        Self {
            used: 0,
            max: limits.workbook_text_bytes_max,
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), FileFault> {
        self.used = self.used.saturating_add(bytes);
        if self.used > self.max {
            return Err(FileFault::TooMuchText { limit: self.max });
        }
        Ok(())
    }

    /// Keeps a row that says anything.
    fn row(&mut self, sheet: &mut Sheet, line: u32, row: &SheetRow) -> Result<(), FileFault> {
        if row.cells().is_empty() {
            return Ok(());
        }
        let bytes = sheet.rows.push(line, row);
        self.take(bytes)
    }

    fn merge(&mut self, sheet: &mut Sheet, merge: Merge) -> Result<(), FileFault> {
        sheet.merges.push(merge);
        self.take(size_of::<Merge>())
    }
}

/// What a text declares of its charset.
#[derive(Clone, Copy)]
struct Declared {
    /// Whether the bytes alone leave no doubt.
    is_certain: bool,
}

impl Declared {
    /// Refuses a declaration of a charset that is not read here: the text would have been read as another. What is declared of those that are counts
    /// for nothing, since it is often wrong, and neither does UTF-16, in which no declaration would have come to here, nor a Latin charset, which programs
    /// write unasked, where the bytes leave no doubt.
    fn check(self, named: &str) -> Result<(), FileFault> {
        let named = named.trim().trim_matches(['"', '\'']);
        let is_one_of = |known: &[&str]| known.iter().any(|known| named.eq_ignore_ascii_case(known));
        let says_nothing = is_one_of(&["", "utf-16", "utf-16le", "unicode"]) || self.is_certain && is_one_of(&LATIN);
        if says_nothing || Encoding::parse(named).is_some() {
            return Ok(());
        }
        let known = ["big5", "shift_jis", "euc-kr", "euc-jp"].into_iter().chain(LATIN);
        let known = known.into_iter().find(|known| named.eq_ignore_ascii_case(known));
        Err(FileFault::OtherCharset {
            found: known.unwrap_or("another charset"),
        })
    }
}

/// Charsets of Western Europe, by the names that programs give them.
const LATIN: [&str; 6] = [
    "iso-8859-1",
    "iso8859-1",
    "latin1",
    "iso-8859-15",
    "windows-1252",
    "cp1252",
];

/// Rows of a sheet.
const ROWS_MAX: u32 = 1 << 20;

/// Columns of a sheet.
const COLUMNS_MAX: u32 = 1 << 14;

/// A header stands above this row.
const MERGE_ROWS: u32 = 1000;

const MERGES_MAX: usize = 10_000;
