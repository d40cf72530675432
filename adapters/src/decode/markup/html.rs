//! A page of HTML → the tables in it.
//!
//! Takes what `html5gum` makes of the text; gives each table as a sheet, in the order in which they begin, rows counted from the table's first. End tags
//! that HTML lets out may be missing. A table in a cell of another is a sheet of its own, unless no row of it has two cells that say anything; that cell
//! is spoiled (`cell`), as is one in which something is not shown or stands in a field of a form. Only what Excel hides of a text that is too wide for
//! its column, and the table that it puts around a text (`wrapper`), are of the text itself. Scripts, styles and comments are not
//! looked at, but for the names of sheets that Excel writes into one. `<br>` and the blocks of a cell are line breaks, other blanks one blank. A cell counts
//! by what it shows; where that is a number with an exponent or `###`, and the number itself stands in `x:num`, by that; and marks between the thousands of
//! such a number do not count. Hidden rows are
//! read; a hidden cell is none, as in a browser, and a table in it hidden; a table that is hidden by itself is a hidden sheet. A secrecy mark in a spoiled
//! cell, or in a table that is no sheet, is one of the page. Refuses a page that ends within a table, rows outside of one, spans beyond the last column,
//! tables nested deeper than 32, a table within that of a wrapper, and the declaration of a charset that is not read here.

mod around;
mod cell;
mod meta;
mod spans;
mod table;
mod tag;
mod wrapper;

use std::convert::Infallible;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

use self::around::Around;
use self::cell::Manner;
use self::meta::Meta;
use self::spans::Steps;
use self::table::Table;
use self::tag::{Element, Tag};
use self::wrapper::Wrapper;
use super::{Declared, Document, Room, Sheet};
use crate::decode::sheet::Epoch;
use crate::decode::{DecodeLimits, FileFault};

/// Reads the page.
pub(super) fn read(text: &str, declared: Declared, limits: &DecodeLimits) -> Result<Document, FileFault> {
    let mut page = Page::new(declared, limits);
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| page.event(&event).err());
    emitter.naively_switch_states(true);
    // The text gives no fault by itself, and the first of ours ends the reading.
    let first: Option<Result<FileFault, Infallible>> = Tokenizer::new_with_emitter(text, emitter).next();
    match first {
        Some(Ok(fault)) => Err(fault),
        Some(Err(never)) => match never {},
        None => page.finish(),
    }
}

/// The page so far.
struct Page {
    sheets: Vec<Sheet>,
    sheets_max: usize,
    /// Those that are open, the innermost last.
    tables: Vec<Table>,
    tag: Option<Tag>,
    /// Within a script or style.
    ignored: bool,
    /// Within an element of a cell that is not shown: its name, and how many of that name are open.
    unshown: Option<(Vec<u8>, usize)>,
    /// Within a `<select>` or `<textarea>`.
    in_form: bool,
    wrapper: Wrapper,
    meta: Meta,
    around: Around,
    /// A spoiled cell bears a secrecy mark, or a table that is no sheet.
    marked: bool,
    /// Names of sheets as Excel notes them.
    names: Vec<String>,
    room: Room,
    steps: Steps,
}

impl Page {
    fn new(declared: Declared, limits: &DecodeLimits) -> Self {
        Self {
            sheets: Vec::new(),
            sheets_max: limits.workbook_sheets_max,
            tables: Vec::new(),
            tag: None,
            ignored: false,
            unshown: None,
            in_form: false,
            wrapper: Wrapper::None,
            meta: Meta::new(declared),
            around: Around::default(),
            marked: false,
            names: Vec::new(),
            room: Room::new(limits),
            steps: Steps::default(),
        }
    }

    fn event(&mut self, event: &CallbackEvent<'_>) -> Result<(), FileFault> {
        match event {
            CallbackEvent::OpenStartTag { name } => self.tag = Some(Tag::new(name)),
            CallbackEvent::AttributeName { name } => {
                if let Some(tag) = &mut self.tag {
                    tag.name(name);
                }
            }
            CallbackEvent::AttributeValue { value } => {
                if let Some(tag) = &mut self.tag {
                    tag.value(value);
                }
            }
            CallbackEvent::CloseStartTag { .. } => {
                if let Some(tag) = self.tag.take() {
                    self.meta.tell(&tag)?;
                    self.hide(&tag);
                    self.open(&tag)?;
                }
            }
            CallbackEvent::EndTag { name } => {
                self.tag = None;
                self.show(name);
                let element = Element::of(name);
                if self.wrapper.closes(element, name) {
                    self.line_break();
                } else {
                    self.close(element)?;
                }
            }
            CallbackEvent::String { value } => self.text(value)?,
            CallbackEvent::Comment { value } => self.note(value),
            CallbackEvent::Doctype { .. } | CallbackEvent::Error(_) => {}
        }
        Ok(())
    }

    /// Notes an element within a cell that is not shown.
    fn hide(&mut self, tag: &Tag) {
        let is_within = matches!(tag.element, Element::Other | Element::Block);
        match (&mut self.unshown, &tag.name) {
            (Some((open, count)), Some(name)) if open == name => *count += 1,
            (None, Some(name)) if tag.hidden && is_within => self.unshown = Some((name.clone(), 1)),
            _ => {}
        }
    }

    fn show(&mut self, name: &[u8]) {
        let Some((open, count)) = &mut self.unshown else { return };
        if open == name {
            *count -= 1;
        }
        // A cell that ends ends all that is open in it.
        if *count == 0 || matches!(Element::of(name), Element::Cell | Element::Row | Element::Table) {
            self.unshown = None;
        }
    }

    fn open(&mut self, tag: &Tag) -> Result<(), FileFault> {
        if self.wrapper.opens(tag.element)? {
            self.open_wrapped(tag);
            return Ok(());
        }
        match tag.element {
            Element::Table => return self.open_table(tag),
            Element::Ignored => self.ignored = true,
            Element::Section | Element::Row | Element::Cell => {
                self.unshown = None;
                self.in_form = false;
                let Some((table, sheet, room, steps)) = self.at_hand() else {
                    // A row that no table has would be lost.
                    let is_lost = tag.element != Element::Section;
                    return if is_lost { Err(DAMAGED) } else { Ok(()) };
                };
                match tag.element {
                    Element::Cell => table.open_cell(tag, sheet, room, steps)?,
                    Element::Row => table.open_row(sheet, room)?,
                    _ => table.end_section(sheet, room, steps)?,
                }
                self.around.end_block();
            }
            Element::Form => {
                self.in_form = true;
                self.line_break();
            }
            Element::Input => {
                if let Some(value) = tag.shown_value().filter(|_| self.unshown.is_none()) {
                    self.piece(value, Manner::Form)?;
                }
            }
            Element::Break | Element::Block => self.line_break(),
            Element::Other if tag.is_wrapper() && self.tables.last().is_some_and(Table::is_in_cell) => {
                self.wrapper = Wrapper::Span;
            }
            Element::Other => {}
        }
        Ok(())
    }

    /// A tag of the table that Excel puts around the text of a cell.
    fn open_wrapped(&mut self, tag: &Tag) {
        if let Some(cell) = self.tables.last_mut().and_then(Table::cell) {
            cell.tell(&tag.told);
            if tag.hidden {
                cell.spoil();
            }
        }
        self.line_break();
    }

    /// The innermost table that is open, with its sheet.
    fn at_hand(&mut self) -> Option<(&mut Table, &mut Sheet, &mut Room, &mut Steps)> {
        let table = self.tables.last_mut()?;
        let sheet = self.sheets.get_mut(table.sheet)?;
        Some((table, sheet, &mut self.room, &mut self.steps))
    }

    /// Begins a table: in a cell one of its own, elsewhere in a table the next, as browsers take it.
    fn open_table(&mut self, tag: &Tag) -> Result<(), FileFault> {
        self.in_form = false;
        let is_within = |table: &Table| table.is_in_cell() || table.is_in_hidden();
        if self.tables.last().is_some_and(|table| !is_within(table)) {
            self.close(Element::Table)?;
        }
        let in_hidden = self.tables.iter().any(Table::is_in_hidden);
        if let Some(cell) = self.tables.last_mut().and_then(Table::cell) {
            cell.spoil();
        }
        self.around.end_block();
        if self.sheets.len() >= self.sheets_max {
            return Err(FileFault::TooManySheets { limit: self.sheets_max });
        }
        if self.tables.len() >= TABLES_DEEP_MAX {
            return Err(DAMAGED);
        }
        self.tables.push(Table::of(self.sheets.len()));
        self.sheets.push(Sheet {
            hidden: tag.hidden || in_hidden,
            ..Sheet::default()
        });
        Ok(())
    }

    fn close(&mut self, element: Element) -> Result<(), FileFault> {
        match element {
            // Within a script no other end tag comes through.
            Element::Ignored => self.ignored = false,
            Element::Form => {
                self.in_form = false;
                self.line_break();
            }
            Element::Break | Element::Block => self.line_break(),
            Element::Other | Element::Input => {}
            Element::Table | Element::Section | Element::Row | Element::Cell => {
                self.in_form = false;
                let Some((table, sheet, room, steps)) = self.at_hand() else {
                    return Ok(());
                };
                match element {
                    Element::Cell => table.close_cell(),
                    Element::Row => table.close_row(sheet, room)?,
                    _ => table.end_section(sheet, room, steps)?,
                }
                if element == Element::Table {
                    self.end_table();
                }
                self.around.end_block();
            }
        }
        Ok(())
    }

    /// Takes leave of the innermost table. One within a cell in which there can be no records is no sheet: lists have such in every row.
    fn end_table(&mut self) {
        let Some(table) = self.tables.pop() else { return };
        self.marked |= table.is_marked();
        let is_last = table.sheet + 1 == self.sheets.len();
        if !self.tables.is_empty() && is_last && table.is_narrow() {
            self.marked |= table.is_marked_alone();
            self.sheets.pop();
        }
    }

    fn line_break(&mut self) {
        if !self.tables.last_mut().is_some_and(Table::line_break) {
            self.around.end_block();
        }
    }

    fn text(&mut self, value: &[u8]) -> Result<(), FileFault> {
        if self.ignored {
            return Ok(());
        }
        // The text was UTF-8, and what a reference stands for is.
        let text = std::str::from_utf8(value).map_err(|_| DAMAGED)?;
        let manner = match &self.unshown {
            _ if self.in_form => Manner::Form,
            Some((name, _)) if name == b"span" && self.meta.is_of_excel => Manner::Cut,
            Some(_) => Manner::Hidden,
            None => Manner::Shown,
        };
        self.piece(text, manner)
    }

    /// Text of a cell, or of what stands around the tables.
    fn piece(&mut self, text: &str, manner: Manner) -> Result<(), FileFault> {
        match self.tables.last_mut() {
            Some(table) if table.is_in_cell() => table.text(text, manner),
            _ => {
                self.around.text(text);
                Ok(())
            }
        }
    }

    /// A comment: `<x:ExcelWorksheet><x:Name>…</x:Name>` says what the sheet is called.
    fn note(&mut self, comment: &[u8]) {
        let mut rest = comment;
        while self.names.len() < self.sheets_max
            && let Some(at) = memchr::memmem::find(rest, NAME)
        {
            let name = rest.get(at + NAME.len()..).unwrap_or_default();
            let end = memchr::memchr(b'<', name).unwrap_or(name.len());
            let (name, after) = name.split_at(end.min(NAME_BYTES_MAX));
            self.names.push(String::from_utf8_lossy(name).into_owned());
            rest = after;
        }
    }

    fn finish(mut self) -> Result<Document, FileFault> {
        if !self.tables.is_empty() {
            return Err(FileFault::Truncated { part: PART });
        }
        self.around.end_block();
        let mut marked = self.marked || self.around.is_marked();
        let mut names = self.names.into_iter();
        for (sheet, name) in self.sheets.iter_mut().zip(names.by_ref()) {
            sheet.name = name;
        }
        marked |= names.any(|name| crate::decode::secrecy::is_mark(&name));
        if self.sheets.is_empty() {
            return Err(FileFault::OtherForm {
                declared: "XLS",
                found: "an HTML page without a table",
            });
        }
        Ok(Document::new(self.sheets, Epoch::Y1900, Some(marked)))
    }
}

const PART: &str = "a table of its page";

const DAMAGED: FileFault = FileFault::Damaged { part: PART };

/// Tables within each other; pages that are laid out by tables have a handful.
const TABLES_DEEP_MAX: usize = 32;

const NAME: &[u8] = b"<x:Name>";

/// Excel lets a sheet be called by 31 characters.
const NAME_BYTES_MAX: usize = 256;
