//! The cells of one sheet of XLSX, row by row.
//!
//! Takes the sheet's part while it is unpacked; gives rows with the number that the sender sees. Refuses rows that go backwards and cells
//! that refer to nothing. A formula counts by the value that was stored with it; without one its cell is a reject.

use std::io::{self, Read};

use quick_xml::events::{BytesStart, Event};

use super::package::{Package, SheetPart, rich_text, unescape_from};
use super::xml::Xml;
use crate::decode::FileFault;
use crate::decode::sheet::{Cell, Form, Merge, SheetRow};
use crate::decode::xml::reference::attribute;
use crate::reject::RejectCode;

/// A sheet while it is read.
pub(crate) struct Rows {
    xml: Xml,
    /// The last row, 0 before the first.
    line: u32,
    ended: bool,
    escaped: String,
}

/// How a cell says what it holds (ECMA-376-1, 18.18.11).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Shared,
    Inline,
    /// The text that a formula gave, or a date in ISO 8601.
    Text,
    Truth,
    Error,
}

/// The tag of a cell.
struct CellTag {
    column: Option<u32>,
    form: Form,
    kind: Kind,
}

impl Rows {
    pub(crate) fn open(package: &Package, sheet: &SheetPart) -> Result<Self, FileFault> {
        let part = package
            .archive
            .part(&sheet.part)
            .ok_or(FileFault::Damaged { part: PART })?;
        Ok(Self {
            xml: Xml::new(part, PART, package.expands.clone()),
            line: 0,
            ended: false,
            escaped: String::new(),
        })
    }

    /// The next row that has an element of its own; `None` at the end of the cells.
    pub(crate) fn next(&mut self, package: &Package, row: &mut SheetRow) -> Result<Option<u32>, FileFault> {
        while !self.ended {
            let damaged = self.xml.damaged();
            match self.xml.next()? {
                Event::Start(tag) if tag.local_name().as_ref() == "row" => {
                    let line = match attribute(&tag, "r") {
                        Some(number) => number.parse().map_err(|_| damaged.clone())?,
                        None => self.line + 1,
                    };
                    if line <= self.line || line > ROWS_MAX {
                        return Err(damaged);
                    }
                    self.line = line;
                    self.xml.allow();
                    row.clear();
                    self.cells(package, row)?;
                    return Ok(Some(line));
                }
                Event::End(tag) if tag.local_name().as_ref() == "sheetData" => {
                    self.xml.drain()?;
                    self.ended = true;
                }
                Event::Eof => self.ended = true,
                _ => {}
            }
        }
        Ok(None)
    }

    /// The cells up to the end of the row.
    fn cells(&mut self, package: &Package, row: &mut SheetRow) -> Result<(), FileFault> {
        let mut column = 0;
        loop {
            let damaged = self.xml.damaged();
            let tag = match self.xml.next()? {
                Event::Start(tag) if tag.local_name().as_ref() == "c" => cell_tag(&tag, package).ok_or(damaged)?,
                Event::End(tag) if tag.local_name().as_ref() == "row" => return Ok(()),
                Event::Eof => return Err(damaged),
                _ => continue,
            };
            column = tag.column.unwrap_or(column);
            if let Some(cell) = self.cell(&tag, row)? {
                row.push(column, cell);
            }
            if row.is_overfull() {
                return Err(self.xml.damaged());
            }
            column += 1;
        }
    }

    /// What the cell holds, up to its end; `None` for nothing.
    fn cell(&mut self, tag: &CellTag, row: &mut SheetRow) -> Result<Option<Cell>, FileFault> {
        enum Next {
            Value,
            Inline,
            Formula,
            Skip,
            End,
            On,
        }
        let start = row.text_len();
        let (mut has_formula, mut has_value) = (false, false);
        loop {
            let next = match self.xml.next()? {
                Event::Start(child) => match child.local_name().as_ref() {
                    "v" => Next::Value,
                    "is" => Next::Inline,
                    "f" => Next::Formula,
                    _ => Next::Skip,
                },
                Event::End(_) => Next::End,
                _ => Next::On,
            };
            match next {
                Next::Value => {
                    self.xml.text_into(row.text_mut())?;
                    has_value = true;
                }
                Next::Inline => {
                    rich_text(&mut self.xml, row.text_mut())?;
                    has_value = true;
                }
                Next::Formula => {
                    self.xml.skip()?;
                    has_formula = true;
                }
                Next::Skip => self.xml.skip()?,
                Next::End => break,
                Next::On => {}
            }
        }
        let end = row.text_len();
        let is_text = matches!(tag.kind, Kind::Text | Kind::Inline);
        if has_formula && (!has_value || start == end && !is_text) {
            return Ok(Some(Cell::Bad(RejectCode::UncomputedFormula)));
        }
        if start == end {
            return Ok(None);
        }
        self.value(tag, row, start).map(Some)
    }

    fn value(&mut self, tag: &CellTag, row: &mut SheetRow, start: usize) -> Result<Cell, FileFault> {
        let written = row.own(start, row.text_len());
        let cell = match tag.kind {
            Kind::Number => Cell::Written(start, row.text_len(), tag.form),
            Kind::Truth => Cell::Truth(matches!(written.trim_ascii(), "1" | "true")),
            Kind::Error => Cell::Bad(RejectCode::ErrorCell),
            Kind::Shared => Cell::Shared(written.trim_ascii().parse().map_err(|_| self.xml.damaged())?),
            Kind::Text | Kind::Inline => {
                if unescape_from(row.text_mut(), start, &mut self.escaped) {
                    Cell::Bad(RejectCode::BadEncoding)
                } else {
                    Cell::Text(start, row.text_len())
                }
            }
        };
        Ok(cell)
    }
}

fn cell_tag(tag: &BytesStart<'_>, package: &Package) -> Option<CellTag> {
    let mut read = CellTag {
        column: None,
        form: Form::Plain,
        kind: Kind::Number,
    };
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.ok()?;
        let value: &str = &attribute.value;
        match attribute.key.as_ref() {
            "r" => read.column = Some(column_of(value)?),
            "s" => {
                let style: usize = value.parse().ok()?;
                read.form = package.forms.get(style).copied().unwrap_or(Form::Plain);
            }
            "t" => {
                read.kind = match value {
                    "n" => Kind::Number,
                    "s" => Kind::Shared,
                    "inlineStr" => Kind::Inline,
                    "str" | "d" => Kind::Text,
                    "b" => Kind::Truth,
                    "e" => Kind::Error,
                    _ => return None,
                }
            }
            _ => {}
        }
    }
    Some(read)
}

/// The column of `C12`, from 0.
fn column_of(reference: &str) -> Option<u32> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic);
    let column = letters.fold(0_u32, |sum, byte| {
        let letter = u32::from(byte.to_ascii_uppercase() - b'A') + 1;
        sum.saturating_mul(26).saturating_add(letter)
    });
    column.checked_sub(1).filter(|column| *column < COLUMNS_MAX)
}

/// Rows and columns, both from 1, of `B2:C3`; columns from 0.
fn merge_of(reference: &str) -> Option<Merge> {
    let (first, last) = reference.split_once(':')?;
    let row = |cell: &str| {
        cell.trim_start_matches(|letter: char| letter.is_ascii_alphabetic())
            .parse()
            .ok()
    };
    Some(Merge {
        rows: (row(first)?, row(last)?),
        columns: (column_of(first)?, column_of(last)?),
    })
}

/// The merged cells of a sheet that may be those of a header, as many as are looked at. They stand behind its cells: the part is unpacked once
/// more for them.
pub(crate) fn merges(package: &Package, sheet: &SheetPart) -> Result<Vec<Merge>, FileFault> {
    let mut merges = Vec::new();
    each_merge(package, sheet, |merge| {
        // Those of the data say nothing about a header.
        if merge.rows.0 <= MERGE_ROWS && merges.len() < MERGES_MAX {
            merges.push(merge);
        }
        Ok(())
    })?;
    Ok(merges)
}

/// The merged cells of several rows below that line.
pub(crate) fn merges_below(package: &Package, sheet: &SheetPart, line: u32) -> Result<Vec<Merge>, FileFault> {
    let mut merges = Vec::new();
    if !names_merges(package, sheet)? {
        return Ok(merges);
    }
    each_merge(package, sheet, |merge| {
        if merge.rows.0 > line && merge.rows.1 > merge.rows.0 {
            if merges.len() >= DATA_MERGES_MAX {
                return Err(FileFault::Damaged { part: PART });
            }
            merges.push(merge);
        }
        Ok(())
    })?;
    Ok(merges)
}

/// Whether the part has any: most have none, and unpacking costs far less than reading.
fn names_merges(package: &Package, sheet: &SheetPart) -> Result<bool, FileFault> {
    let damaged = FileFault::Damaged { part: PART };
    let mut part = package.archive.part(&sheet.part).ok_or(damaged.clone())?;
    let finder = memchr::memmem::Finder::new(MERGE_CELL);
    let mut room = vec![0; SEARCH_BYTES];
    let mut kept = 0;
    loop {
        let read = part
            .read(room.get_mut(kept..).unwrap_or_default())
            .map_err(|error| match error.kind() {
                io::ErrorKind::FileTooLarge => package.expands.clone(),
                _ => damaged.clone(),
            })?;
        let filled = kept + read;
        if finder.find(room.get(..filled).unwrap_or_default()).is_some() {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // The name may lie across two pieces.
        let from = filled.saturating_sub(MERGE_CELL.len() - 1);
        room.copy_within(from..filled, 0);
        kept = filled - from;
    }
}

fn each_merge(
    package: &Package,
    sheet: &SheetPart,
    mut take: impl FnMut(Merge) -> Result<(), FileFault>,
) -> Result<(), FileFault> {
    let mut xml = Rows::open(package, sheet)?.xml;
    loop {
        match xml.next()? {
            Event::Start(tag) if tag.local_name().as_ref() == "mergeCell" => {
                if let Some(merge) = attribute(&tag, "ref").as_deref().and_then(merge_of) {
                    take(merge)?;
                }
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
        xml.allow();
    }
}

/// The element of a merged range, as it is written.
const MERGE_CELL: &[u8] = b"mergeCell";

/// Searched at once.
const SEARCH_BYTES: usize = 64 << 10;

/// Ranges of several rows: a sheet has no more rows than this.
const DATA_MERGES_MAX: usize = 1 << 20;

const PART: &str = "one of its sheets";

/// Rows of a sheet.
const ROWS_MAX: u32 = 1 << 20;

/// Columns of a sheet.
const COLUMNS_MAX: u32 = 1 << 14;

/// A header stands above this row.
const MERGE_ROWS: u32 = 1000;

const MERGES_MAX: usize = 10_000;
