//! Which sheet of a workbook holds the records.
//!
//! Takes the workbook and what is stated of it; gives the sheet that is named or numbered, else the visible one with a known header. Refuses, where none
//! was named, a workbook of which a further visible sheet holds rows under such a header: whoever keeps a sheet for each town would lose every town but
//! the first. Refuses, too, a page of which another table goes on without a header.

mod further;

use self::further::List;
use super::{Book, Rows, Whole};
use crate::decode::header::Names;
use crate::decode::sheet::{Head, Header, SheetRow};
use crate::decode::{DecodeLimits, FileFault};
use crate::layout::Sheet;

/// The workbook and its sheet.
pub(crate) struct Chosen {
    pub(crate) book: Book,
    /// None where no sheet has a known header.
    pub(crate) opened: Option<Opened>,
    /// How many hidden sheets could be read as well.
    pub(crate) hidden: u64,
}

/// A sheet whose top was read.
pub(crate) struct Opened {
    /// Its place in the workbook.
    pub(crate) at: usize,
    pub(crate) rows: Rows,
    pub(crate) head: Head,
    pub(crate) header: Header,
}

/// Opens the workbook and chooses its sheet.
pub(crate) fn choose(whole: Whole, layout: &Sheet, names: &Names, limits: &DecodeLimits) -> Result<Chosen, FileFault> {
    let book = Book::open(whole, limits)?;
    if let Some(at) = named(layout, &book)? {
        let opened = top(layout, names, &book, at, limits)?;
        return Ok(Chosen {
            book,
            opened,
            hidden: 0,
        });
    }
    // Whatever is wrong with a sheet that is not read is no matter.
    let holds_records =
        |at: usize| matches!(top(layout, names, &book, at, limits), Ok(Some(opened)) if opened.holds_records(names));
    let (shown, hidden) = candidates(&book);
    let mut opened = None::<Opened>;
    for at in shown.iter().copied() {
        // Above the table of a page often stands the form by which it was asked for.
        let gives_way = |first: &Opened| book.is_page() && !first.holds_records(names) && holds_records(at);
        if opened.as_ref().is_none_or(gives_way) {
            opened = top(layout, names, &book, at, limits)?;
        }
    }
    let others = match &opened {
        Some(opened) => others(&book, &shown, opened, names, holds_records)?,
        None => 0,
    };
    if others > 0 {
        return Err(FileFault::SeveralSheets { sheets: others + 1 });
    }
    let hidden = hidden.into_iter().filter(|at| holds_records(*at)).count() as u64;
    Ok(Chosen { book, opened, hidden })
}

/// How many of the sheets that are shown hold records as well, or go on with those of the one that is opened.
fn others(
    book: &Book,
    shown: &[usize],
    opened: &Opened,
    names: &Names,
    holds_records: impl Fn(usize) -> bool,
) -> Result<usize, FileFault> {
    let list = List {
        at: opened.at,
        header: &opened.header,
        names,
    };
    let mut others = 0;
    for at in shown.iter().copied().filter(|at| *at != opened.at) {
        // Of those above none does, or it were the one.
        let is_another = at > opened.at && holds_records(at);
        others += usize::from(is_another || list.goes_on(book, at)?);
    }
    Ok(others)
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
