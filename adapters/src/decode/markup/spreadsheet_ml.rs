//! `SpreadsheetML` 2003 (`urn:schemas-microsoft-com:office:spreadsheet`) → its worksheets.
//!
//! Takes the text; gives each worksheet with the rows that its senders see: `ss:Index` leaves rows and cells out, `ss:MergeAcross` and `ss:MergeDown`
//! merge, a style says how numbers are shown, a cell without one has that of its row, column or table. Names are read without their prefix. Hidden rows
//! and columns are read, a hidden worksheet is a hidden sheet; comments and readings are no part of a cell. Refuses a document type, elements deeper
//! than 32, places that go backwards or beyond a sheet, what is not well-formed or breaks off, and links to other files.

mod styles;
mod walk;

use std::collections::HashMap;

use quick_xml::events::{BytesStart, Event};

use self::walk::Walk;
use super::{COLUMNS_MAX, Declared, Document, ROWS_MAX, Room, Sheet};
use crate::decode::sheet::{Cell, Epoch, Form, Merge, SheetRow};
use crate::decode::xml::reference::attribute;
use crate::decode::{DecodeLimits, FileFault};
use crate::reject::RejectCode;
use crate::value::date::{self, civil_from_days};

/// Reads the document.
pub(super) fn read(text: &str, declared: Declared, limits: &DecodeLimits) -> Result<Document, FileFault> {
    let mut reading = Reading {
        walk: Walk::new(text, declared),
        styles: HashMap::new(),
        epoch: Epoch::Y1900,
        sheets: Vec::new(),
        room: Room::new(limits),
    };
    loop {
        match reading.walk.next()? {
            Event::Start(tag) => match tag.local_name().as_ref() {
                "Style" => reading.style(&tag)?,
                "Worksheet" => reading.worksheet(&tag, limits)?,
                "Date1904" => reading.epoch = Epoch::Y1904,
                // The file that a link goes to.
                "Path" => return Err(FileFault::ExternalLinks),
                _ => {}
            },
            Event::Eof => break,
            _ => {}
        }
    }
    if reading.sheets.is_empty() {
        return Err(FileFault::OtherForm {
            declared: "XLS",
            found: "a document without a worksheet",
        });
    }
    Ok(Document::new(reading.sheets, reading.epoch, None))
}

struct Reading<'t> {
    walk: Walk<'t>,
    /// How a cell of each style shows a number.
    styles: HashMap<String, Form>,
    epoch: Epoch,
    sheets: Vec<Sheet>,
    room: Room,
}

/// The table of a worksheet while it is read.
#[derive(Default)]
struct Table {
    form: Option<Form>,
    /// The form of each column, where it has one.
    columns: Vec<Option<Form>>,
    /// The last row, 0 before the first, and how many rows it stands for besides itself.
    line: u32,
    row: SheetRow,
}

/// What the tag of a cell says.
struct CellTag {
    form: Form,
    has_formula: bool,
}

impl Reading<'_> {
    fn style(&mut self, tag: &BytesStart<'_>) -> Result<(), FileFault> {
        let id = attribute(tag, "ID").unwrap_or_default();
        let mut form = attribute(tag, "Parent").and_then(|parent| self.styles.get(&parent).copied());
        self.walk.each_child(|_, child| {
            if child.local_name().as_ref() == "NumberFormat" {
                form = attribute(child, "Format").map(|code| styles::form(&code)).or(form);
            }
            Ok(false)
        })?;
        if self.styles.len() >= STYLES_MAX {
            return Err(DAMAGED);
        }
        self.room.take(id.len() + STYLE_BYTES)?;
        self.styles.insert(id, form.unwrap_or(Form::Plain));
        Ok(())
    }

    fn worksheet(&mut self, tag: &BytesStart<'_>, limits: &DecodeLimits) -> Result<(), FileFault> {
        if self.sheets.len() >= limits.workbook_sheets_max {
            return Err(FileFault::TooManySheets {
                limit: limits.workbook_sheets_max,
            });
        }
        let mut sheet = Sheet {
            name: attribute(tag, "Name").unwrap_or_default(),
            ..Sheet::default()
        };
        let Self { walk, styles, room, .. } = self;
        let mut tables = 0;
        walk.each_child(|walk, child| match child.local_name().as_ref() {
            "Table" => {
                tables += 1;
                if tables > 1 {
                    return Err(DAMAGED);
                }
                let table = Table {
                    form: style_of(child, styles),
                    ..Table::default()
                };
                table.read(walk, styles, &mut sheet, room)?;
                Ok(true)
            }
            "WorksheetOptions" => {
                sheet.hidden |= is_hidden(walk)?;
                Ok(true)
            }
            _ => Ok(false),
        })?;
        self.sheets.push(sheet);
        Ok(())
    }
}

impl Table {
    /// Its rows, up to its end.
    fn read(
        mut self,
        walk: &mut Walk<'_>,
        styles: &HashMap<String, Form>,
        sheet: &mut Sheet,
        room: &mut Room,
    ) -> Result<(), FileFault> {
        walk.each_child(|walk, child| match child.local_name().as_ref() {
            "Column" => self.column(child, styles).map(|()| false),
            "Row" => {
                let line = walk::place(child, self.line, ROWS_MAX).ok_or(DAMAGED)?;
                self.line = line;
                self.cells(walk, child, styles, sheet, room)?;
                room.row(sheet, line, &self.row)?;
                // Rows without cells that look like this one.
                self.line = line.saturating_add(walk::number(child, "Span").unwrap_or(0));
                Ok(true)
            }
            _ => Ok(false),
        })
    }

    fn column(&mut self, tag: &BytesStart<'_>, styles: &HashMap<String, Form>) -> Result<(), FileFault> {
        let before = u32::try_from(self.columns.len()).unwrap_or(u32::MAX);
        let first = walk::place(tag, before, COLUMNS_MAX).ok_or(DAMAGED)?;
        let last = first.saturating_add(walk::number(tag, "Span").unwrap_or(0));
        if last > COLUMNS_MAX {
            return Err(DAMAGED);
        }
        self.columns.resize(first as usize - 1, None);
        self.columns.resize(last as usize, style_of(tag, styles));
        Ok(())
    }

    /// The cells up to the end of the row.
    fn cells(
        &mut self,
        walk: &mut Walk<'_>,
        tag: &BytesStart<'_>,
        styles: &HashMap<String, Form>,
        sheet: &mut Sheet,
        room: &mut Room,
    ) -> Result<(), FileFault> {
        let Self {
            form,
            columns,
            line,
            row,
            ..
        } = self;
        let of_row = style_of(tag, styles);
        row.clear();
        let mut behind = 0;
        walk.each_child(|walk, child| {
            if child.local_name().as_ref() != "Cell" {
                return Ok(false);
            }
            let column = walk::place(child, behind, COLUMNS_MAX).ok_or(DAMAGED)? - 1;
            let of_column = columns.get(column as usize).copied().flatten();
            let form = style_of(child, styles).or(of_row).or(of_column).or(*form);
            let across = walk::number(child, "MergeAcross").unwrap_or(0);
            let down = walk::number(child, "MergeDown").unwrap_or(0);
            let tag = CellTag {
                form: form.unwrap_or_else(|| styles.get("Default").copied().unwrap_or(Form::Plain)),
                has_formula: attribute(child, "Formula").is_some(),
            };
            behind = column.saturating_add(across).saturating_add(1);
            if behind > COLUMNS_MAX {
                return Err(DAMAGED);
            }
            if across > 0 || down > 0 {
                let merge = Merge {
                    rows: (*line, line.saturating_add(down).min(ROWS_MAX)),
                    columns: (column, behind - 1),
                };
                room.merge(sheet, merge)?;
            }
            if let Some(cell) = cell(walk, &tag, row)? {
                row.push(column, cell);
            }
            if row.is_overfull() {
                return Err(DAMAGED);
            }
            Ok(true)
        })
    }
}

/// What the cell holds, up to its end; `None` for nothing.
fn cell(walk: &mut Walk<'_>, tag: &CellTag, row: &mut SheetRow) -> Result<Option<Cell>, FileFault> {
    let start = row.text_len();
    let mut kind = None;
    walk.each_child(|walk, child| {
        if child.local_name().as_ref() != "Data" || kind.is_some() {
            return Ok(false);
        }
        kind = Some(attribute(child, "Type").unwrap_or_default());
        walk.text_into(row.text_mut())?;
        Ok(true)
    })?;
    let end = row.text_len();
    if tag.has_formula && (kind.is_none() || start == end && kind.as_deref() != Some("String")) {
        return Ok(Some(Cell::Bad(RejectCode::UncomputedFormula)));
    }
    if start == end {
        return Ok(None);
    }
    let cell = match kind.as_deref().unwrap_or_default() {
        "Number" => Cell::Written(start, end, tag.form),
        "String" => Cell::Text(start, end),
        "Boolean" => match row.own(start, end).trim() {
            "1" | "true" | "True" | "TRUE" => Cell::Truth(true),
            "0" | "false" | "False" | "FALSE" => Cell::Truth(false),
            _ => Cell::Bad(RejectCode::ErrorCell),
        },
        "Error" => Cell::Bad(RejectCode::ErrorCell),
        "DateTime" => moment(row, start, tag.form),
        _ => return Err(DAMAGED),
    };
    Ok(Some(cell))
}

/// A moment as the other forms of workbooks give it: `2001-01-01`, `2001-01-01 08:30:00`, `2001-01` where only the month is shown. What stands at the
/// last day of 1899 is a time without a day, or an empty date of a database.
fn moment(row: &mut SheetRow, start: usize, form: Form) -> Cell {
    let written = row.own(start, row.text_len()).trim();
    let (day, time) = if let Some((day, is_midnight)) = in_shanghai(written) {
        (day, if is_midnight { "" } else { written })
    } else {
        let (day, time) = written.split_once('T').unwrap_or((written, ""));
        (day.to_owned(), time.strip_suffix(".000").unwrap_or(time))
    };
    let is_midnight = matches!(time, "" | "00:00:00");
    if day == "1899-12-31" {
        return if is_midnight {
            let end = row.text_len();
            row.text_mut().push('0');
            Cell::Text(end, end + 1)
        } else {
            Cell::Bad(RejectCode::BadDate)
        };
    }
    let shown = match day.rsplit_once('-') {
        Some((month, _)) if form == Form::Month => month.to_owned(),
        _ if is_midnight => day,
        _ if time.ends_with('Z') => time.to_owned(),
        _ => format!("{day} {time}"),
    };
    row.text_mut().truncate(start);
    row.text_mut().push_str(&shown);
    Cell::Text(start, row.text_len())
}

/// The day in Shanghai of a moment that is stated in UTC, and whether the moment is its midnight: programs that run there and know only moments write a day so.
fn in_shanghai(written: &str) -> Option<(String, bool)> {
    if !written.ends_with('Z') {
        return None;
    }
    let (year, month, day) = civil_from_days(date::day(written).ok()??);
    let day = format!("{year:04}-{month:02}-{day:02}");
    let is_midnight = date::instant(&day) == date::instant(written);
    Some((day, is_midnight))
}

/// The form of the style that an element names, if it names one.
fn style_of(tag: &BytesStart<'_>, styles: &HashMap<String, Form>) -> Option<Form> {
    attribute(tag, "StyleID").map(|id| styles.get(&id).copied().unwrap_or(Form::Plain))
}

/// Whether the options of a worksheet hide it, up to their end.
fn is_hidden(walk: &mut Walk<'_>) -> Result<bool, FileFault> {
    let mut visible = String::new();
    walk.each_child(|walk, child| {
        if child.local_name().as_ref() != "Visible" {
            return Ok(false);
        }
        walk.text_into(&mut visible)?;
        Ok(true)
    })?;
    Ok(visible.trim().starts_with("SheetHidden") || visible.trim().starts_with("SheetVeryHidden"))
}

const DAMAGED: FileFault = FileFault::Damaged {
    part: "its SpreadsheetML",
};

/// Excel knows 65,490.
const STYLES_MAX: usize = 65_536;

/// What a style costs beside its name.
const STYLE_BYTES: usize = 48;
