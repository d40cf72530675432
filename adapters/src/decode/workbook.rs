//! A workbook of XLSX or XLS → records.
//!
//! Takes frames and holds them, up to a limit: both forms keep at their end what is needed to read their beginning. With the last frame it opens
//! the workbook, chooses the sheet (by name or number, else the visible one with a known header) and reads its rows, a part at a time. Refuses a
//! file of another form, what [`FileFault`] names, and, where no sheet was named, a workbook of which a further visible sheet holds rows under such
//! a header: whoever keeps a sheet for each town would lose every town but the first.

use super::form::{ByteForm, Ended};
use super::header::Names;
use super::judge::Judge;
use super::sheet::{Head, Header, Merge, Shared, SheetRow, Table};
use super::{DecodeLimits, FileFault, PassedOver, Unreadable, secrecy, xls, xlsx};
use crate::layout::{Sheet, Signature};

/// Which of the two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Xlsx,
    Xls,
}

/// A workbook from its first byte to its last row.
pub(crate) struct Workbook {
    kind: Kind,
    layout: Sheet,
    names: Names,
    limits: DecodeLimits,
    bytes: Vec<u8>,
    /// Whether the workbook was opened.
    opened: bool,
    /// Until its last row.
    reading: Option<Box<Reading>>,
    passed_over: PassedOver,
    /// The column of each wanted field, once the header is known.
    columns: Vec<Option<usize>>,
}

/// The sheet that is read.
struct Reading {
    book: Book,
    rows: Rows,
    table: Table,
    row: SheetRow,
}

/// An open workbook.
pub(super) enum Book {
    Xlsx(Box<xlsx::Package>),
    Xls(Box<xls::Book>),
}

/// The rows of one of its sheets.
pub(super) enum Rows {
    Xlsx(Box<xlsx::Rows>),
    Xls(Box<xls::Rows>),
}

/// A sheet whose top was read.
pub(super) struct Opened {
    /// Its place in the workbook.
    pub(super) at: usize,
    rows: Rows,
    head: Head,
    pub(super) header: Header,
}

impl Workbook {
    pub(crate) fn new(kind: Kind, names: Names, layout: &Sheet, limits: DecodeLimits) -> Self {
        Self {
            kind,
            layout: layout.clone(),
            names,
            limits,
            bytes: Vec::new(),
            opened: false,
            reading: None,
            passed_over: PassedOver::default(),
            columns: Vec::new(),
        }
    }

    /// Room for so many more bytes: doubled as a vector does it, but never beyond what a workbook may have.
    fn make_room(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let doubled = self.bytes.capacity() * 2;
            let target = doubled.min(self.limits.workbook_bytes_max).max(needed);
            self.bytes.reserve_exact(target - self.bytes.len());
        }
    }

    /// Opens the workbook and its sheet, and takes the rows that were read in search of the header.
    fn open(&mut self, judge: &mut Judge) -> Result<Reading, Unreadable> {
        let bytes = std::mem::take(&mut self.bytes);
        let (book, chosen, hidden) = choose(self.kind, bytes, &self.layout, &self.names, &self.limits)?;
        self.passed_over.sheets = hidden;
        if book.sheets().iter().any(|(name, _)| secrecy::is_mark(name)) {
            return Err(Unreadable::SecrecyMark { line: 1 });
        }
        let Some(Opened { at, rows, head, header }) = chosen else {
            // No name is known: says which are missing.
            self.names.columns(std::iter::empty())?;
            return Err(FileFault::NoHeader.into());
        };
        if let Some(line) = head.marked(header.rows, book.shared()) {
            return Err(Unreadable::SecrecyMark { line: line.into() });
        }
        let mut table = Table::open(
            self.limits,
            &mut self.names,
            &header,
            &self.layout,
            book.merges_below(at, header.line)?,
        )?;
        self.columns = table.columns().to_vec();
        table.rest_of_head(&head, header.rows, book.shared(), judge);
        Ok(Reading {
            book,
            rows,
            table,
            row: SheetRow::default(),
        })
    }
}

/// The workbook, the sheet with its records, and how many hidden sheets could be read as well.
pub(super) fn choose(
    kind: Kind,
    bytes: Vec<u8>,
    layout: &Sheet,
    names: &Names,
    limits: &DecodeLimits,
) -> Result<(Book, Option<Opened>, u64), FileFault> {
    kind.check(&bytes)?;
    let book = Book::open(kind, bytes, limits)?;
    if let Some(at) = named(layout, &book)? {
        let chosen = top(layout, names, &book, at, limits)?;
        return Ok((book, chosen, 0));
    }
    // Whatever is wrong with a sheet that is not read is no matter.
    let holds_records =
        |at: usize| matches!(top(layout, names, &book, at, limits), Ok(Some(opened)) if opened.holds_records(names));
    let (shown, hidden) = candidates(&book);
    let (mut chosen, mut others) = (None, 0);
    for at in shown {
        if chosen.is_none() {
            chosen = top(layout, names, &book, at, limits)?;
        } else {
            others += usize::from(holds_records(at));
        }
    }
    if others > 0 {
        return Err(FileFault::SeveralSheets { sheets: others + 1 });
    }
    let hidden = hidden.into_iter().filter(|at| holds_records(*at)).count() as u64;
    Ok((book, chosen, hidden))
}

/// The sheet that is named, or numbered.
fn named(layout: &Sheet, book: &Book) -> Result<Option<usize>, FileFault> {
    let sheets = book.sheets();
    let at = match (&layout.sheet, layout.number) {
        (Some(name), _) => sheets.iter().position(|(other, _)| other.trim() == name.trim()),
        (None, Some(number)) => Some((number.get() as usize).saturating_sub(1)).filter(|at| *at < sheets.len()),
        (None, None) => return Ok(None),
    };
    at.map(Some).ok_or(FileFault::NoSuchSheet)
}

/// The sheets in which to look for the records, and those that are hidden.
fn candidates(book: &Book) -> (Vec<usize>, Vec<usize>) {
    let sheets = book.sheets();
    // All hidden: then hiding says nothing.
    let visible = sheets.iter().any(|(_, hidden)| !hidden);
    let is_hidden = |at: &usize| visible && sheets.get(*at).is_some_and(|(_, hidden)| *hidden);
    let (hidden, shown) = (0..sheets.len()).partition(is_hidden);
    (shown, hidden)
}

impl Opened {
    /// Whether it has rows under a header that is more than a single word which happens to be the name of a field.
    fn holds_records(&self, names: &Names) -> bool {
        let known = self.header.names.iter().filter(|name| names.knows(name)).count();
        known >= 2 && self.head.has_rows_below(self.header.rows)
    }
}

/// Reads the top of a sheet and looks for its header; nothing when it has none.
///
/// Rows that say nothing are counted too: of a sheet that is blank for longer than anybody leaves above a table, no more is unpacked.
fn top(
    layout: &Sheet,
    names: &Names,
    book: &Book,
    at: usize,
    limits: &DecodeLimits,
) -> Result<Option<Opened>, FileFault> {
    let mut rows = book.rows(at)?;
    let mut head = Head::default();
    let mut row = SheetRow::default();
    let mut left = limits.header_search_rows_max;
    while !head.is_full() && left > 0 {
        let Some(line) = rows.next(book, &mut row)? else {
            break;
        };
        if line > layout.title_rows {
            left -= 1;
            head.push(line, &row, book.shared());
        } else {
            head.pass(line, &row, book.shared());
        }
    }
    let merges = || book.merges(at);
    let header = match (&layout.columns, layout.header_rows) {
        (Some(columns), _) => Some(Header::stated(columns, layout.title_rows)),
        (None, Some(rows)) => head.header_of(layout.title_rows, rows, names, book.shared(), merges)?,
        (None, None) => head.header(names, book.shared(), merges)?,
    };
    Ok(header.map(|header| Opened { at, rows, head, header }))
}

impl ByteForm for Workbook {
    fn bytes(&mut self, bytes: &[u8], _: &mut Judge) -> Result<(), Unreadable> {
        if bytes.len() > self.limits.workbook_bytes_max.saturating_sub(self.bytes.len()) {
            self.bytes = Vec::new();
            return Err(FileFault::TooLarge {
                limit: self.limits.workbook_bytes_max,
            }
            .into());
        }
        let had = self.bytes.len();
        self.make_room(bytes.len());
        self.bytes.extend_from_slice(bytes);
        // What is no workbook at all is refused before it is held.
        let can_tell = self.bytes.get(..SIGNATURE_BYTES).filter(|_| had < SIGNATURE_BYTES);
        // By these alone, so that it is called the same however the frames are cut.
        if let Some(first) = can_tell
            && !matches!(Signature::of(first), Some(Signature::Zip | Signature::Compound))
        {
            self.kind.check(first)?;
        }
        Ok(())
    }

    fn finish(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        if !self.opened {
            self.opened = true;
            self.reading = Some(Box::new(self.open(judge)?));
        }
        Ok(())
    }

    fn more(&mut self, judge: &mut Judge) -> Result<Ended, Unreadable> {
        let Some(mut reading) = self.reading.take() else {
            return Ok(Ended::Whole);
        };
        let Reading { book, rows, table, row } = &mut *reading;
        while !judge.has_part() {
            let Some(line) = rows.next(book, row)? else {
                self.passed_over.footers = table.footers();
                return Ok(Ended::Whole);
            };
            table.row(line, row, book.shared(), judge);
        }
        self.reading = Some(reading);
        Ok(Ended::More)
    }

    fn held_bytes(&self) -> usize {
        let book = self.reading.as_ref().map(|reading| &reading.book);
        self.bytes.capacity() + book.map_or(0, Book::held_bytes)
    }

    fn unknown_headers(&self) -> &[String] {
        self.names.unknown()
    }

    fn names(&self) -> Option<&Names> {
        Some(&self.names)
    }

    fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    fn column(&self, slot: usize) -> Option<usize> {
        self.columns.get(slot).copied().flatten()
    }
}

impl Kind {
    /// Whether these are the first bytes of this form.
    fn check(self, bytes: &[u8]) -> Result<(), FileFault> {
        let signature = Signature::of(bytes);
        let declared = match self {
            Self::Xlsx => "XLSX",
            Self::Xls => "XLS",
        };
        match (self, signature) {
            (Self::Xlsx, Some(Signature::Zip)) | (Self::Xls, Some(Signature::Compound)) => Ok(()),
            // Office encrypts a workbook of XLSX by putting it into a compound file.
            (Self::Xlsx, Some(Signature::Compound)) if holds_encrypted_package(bytes) => Err(FileFault::Encrypted),
            (_, found) => Err(FileFault::OtherForm {
                declared,
                found: found.map_or("neither a workbook nor text", Signature::describe),
            }),
        }
    }
}

/// The name of the stream stands in the directory, in UTF-16.
fn holds_encrypted_package(bytes: &[u8]) -> bool {
    let name: Vec<u8> = "EncryptedPackage".bytes().flat_map(|byte| [byte, 0]).collect();
    memchr::memmem::find(bytes, &name).is_some()
}

impl Book {
    fn open(kind: Kind, bytes: Vec<u8>, limits: &DecodeLimits) -> Result<Self, FileFault> {
        Ok(match kind {
            Kind::Xlsx => Self::Xlsx(Box::new(xlsx::Package::open(bytes, limits)?)),
            Kind::Xls => Self::Xls(Box::new(xls::Book::open(bytes, limits)?)),
        })
    }

    pub(super) fn shared(&self) -> &Shared {
        match self {
            Self::Xlsx(package) => &package.shared,
            Self::Xls(book) => &book.shared,
        }
    }

    /// Bytes of memory that the file and its texts take.
    fn held_bytes(&self) -> usize {
        let file = match self {
            Self::Xlsx(package) => package.archive.held_bytes(),
            Self::Xls(book) => book.stream.capacity(),
        };
        file + self.shared().strings.held_bytes()
    }

    /// Name of each sheet, and whether it is hidden.
    pub(super) fn sheets(&self) -> Vec<(&str, bool)> {
        match self {
            Self::Xlsx(package) => {
                let sheets = package.sheets.iter();
                sheets.map(|sheet| (sheet.name.as_str(), sheet.hidden)).collect()
            }
            Self::Xls(book) => {
                let sheets = book.sheets.iter();
                sheets.map(|sheet| (sheet.name.as_str(), sheet.hidden)).collect()
            }
        }
    }

    pub(super) fn rows(&self, at: usize) -> Result<Rows, FileFault> {
        match self {
            Self::Xlsx(package) => {
                let sheet = package.sheets.get(at).ok_or(FileFault::NoSuchSheet)?;
                Ok(Rows::Xlsx(Box::new(xlsx::Rows::open(package, sheet)?)))
            }
            Self::Xls(book) => {
                let sheet = book.sheets.get(at).ok_or(FileFault::NoSuchSheet)?;
                Ok(Rows::Xls(Box::new(xls::Rows::open(book, sheet)?)))
            }
        }
    }

    pub(super) fn merges(&self, at: usize) -> Result<Vec<Merge>, FileFault> {
        match self {
            Self::Xlsx(package) => xlsx::merges(package, package.sheets.get(at).ok_or(FileFault::NoSuchSheet)?),
            Self::Xls(book) => xls::merges(book, book.sheets.get(at).ok_or(FileFault::NoSuchSheet)?),
        }
    }
}

impl Book {
    /// The merged cells of several rows below that line.
    fn merges_below(&self, at: usize, line: u32) -> Result<Vec<Merge>, FileFault> {
        match self {
            Self::Xlsx(package) => {
                xlsx::merges_below(package, package.sheets.get(at).ok_or(FileFault::NoSuchSheet)?, line)
            }
            Self::Xls(book) => xls::merges_below(book, book.sheets.get(at).ok_or(FileFault::NoSuchSheet)?, line),
        }
    }
}

impl Rows {
    pub(super) fn next(&mut self, book: &Book, row: &mut SheetRow) -> Result<Option<u32>, FileFault> {
        match (self, book) {
            (Self::Xlsx(rows), Book::Xlsx(package)) => rows.next(package, row),
            (Self::Xls(rows), Book::Xls(book)) => rows.next(book, row),
            // Rows are made from their own book.
            (Self::Xlsx(_), Book::Xls(_)) | (Self::Xls(_), Book::Xlsx(_)) => Ok(None),
        }
    }
}

/// Enough to know a form by.
const SIGNATURE_BYTES: usize = 512;

#[cfg(test)]
mod tests;
