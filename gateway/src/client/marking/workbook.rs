//! A marked copy of a workbook or a table of dBASE: the rejected records under their header, each bad cell red and with a note.
//!
//! Takes the sender's own file, open, and the reject report; gives a workbook of XLSX. The rejected records only, as with text: they are what
//! there is to correct, and the copy holds nobody else. With `all` every row at its own number. Behind the last column stand the marks, and
//! a second sheet, 问题清单, lists each problem with a link to its cell. Nothing is written as a formula, whatever it looks like; only a cell
//! that was an error is one again (`#N/A`), so that it cannot pass for an empty one. Refuses, before it takes much memory, what has more cells
//! than a marked copy may have.

use rust_xlsxwriter::{Color, Format, FormatAlign, Formula, Note, Url, Workbook, Worksheet, XlsxError};
use shuguan_adapters::decode::{Page, PageFault, Shown, ShownRow, cell_name};

use super::{MARKS, Marked, Rejects, RowProblem, marks};

/// The sheet that lists the problems.
const LIST: &str = "问题清单";
/// The sheet with the records of a table that has no sheet.
const RECORDS: &str = "记录";
/// Who the notes are from.
const AUTHOR: &str = "数关";
/// The bad cells.
const RED: Color = Color::RGB(0xFF_99_99);
/// Cells of a copy; each takes about a hundred bytes of memory until the file is written.
const CELLS_MAX: usize = 2_000_000;
/// Bytes of the texts of a copy.
const TEXT_BYTES_MAX: usize = 128 << 20;

/// Why there is no marked copy.
#[derive(Debug, thiserror::Error)]
pub enum Unmarked {
    /// The file cannot be read.
    #[error(transparent)]
    Page(#[from] PageFault),
    /// It holds what no workbook of XLSX can.
    #[error(transparent)]
    Write(#[from] XlsxError),
    /// The copy would take too much memory.
    #[error("it would have more than {CELLS_MAX} cells, or {TEXT_BYTES_MAX} bytes of text")]
    TooLarge,
}

/// Gives the marked copy.
///
/// # Errors
/// Why there is none.
pub fn mark(page: &mut Page<'_>, rejects: Rejects, all: bool) -> Result<(Marked, Vec<u8>), Unmarked> {
    let mut workbook = Workbook::new();
    let mut name = page.name().filter(|name| *name != LIST).unwrap_or(RECORDS).to_owned();
    let mut sheet = Worksheet::new();
    // A table of a page has no name, and SpreadsheetML may have one that no sheet can have.
    if sheet.set_name(&name).is_err() {
        RECORDS.clone_into(&mut name);
        sheet.set_name(&name)?;
    }
    let mut copy = Copy {
        sheet,
        styles: Styles::new(),
        rejects,
        listed: Vec::new(),
        marked_rows: Vec::new(),
        next: 0,
        width: 0,
        cells: 0,
        bytes: 0,
        heading: None,
    };
    copy.merge(page)?;
    while let Some(row) = page.next_row()? {
        if row.line <= page.heading() {
            copy.heading(page, &row)?;
        } else {
            copy.record(page, &row, all)?;
        }
    }
    let absent = copy
        .rejects
        .by_line
        .values()
        .map(|problems| problems.len() as u64)
        .sum();
    let marked = Marked {
        marked: copy.listed.len() as u64,
        absent,
        unplaced: 0,
    };
    copy.finish()?;
    let list = list(&copy, &name)?;
    workbook.push_worksheet(copy.sheet);
    workbook.push_worksheet(list);
    Ok((marked, workbook.save_to_buffer()?))
}

/// The sheet with the records while it is written.
struct Copy {
    sheet: Worksheet,
    styles: Styles,
    /// Those that no row was met for yet.
    rejects: Rejects,
    /// Row and column in the copy, the row's own line, and what is wrong there.
    listed: Vec<(u32, u16, u64, RowProblem)>,
    /// Rows of the copy with their marks.
    marked_rows: Vec<(u32, [String; 5])>,
    /// The row after the last, from 0.
    next: u32,
    width: u16,
    cells: usize,
    bytes: usize,
    /// The row of the header in the copy.
    heading: Option<u32>,
}

struct Styles {
    text: Format,
    bad: Format,
    bad_number: Format,
    head: Format,
    wrapped: Format,
}

impl Styles {
    fn new() -> Self {
        // `@`: so that no program makes a number or a date of it.
        let text = Format::new().set_num_format("@");
        Self {
            bad: text.clone().set_background_color(RED),
            bad_number: Format::new().set_background_color(RED),
            head: Format::new().set_bold().set_background_color(Color::RGB(0xD9_E2_F3)),
            wrapped: text.clone().set_text_wrap().set_align(FormatAlign::Top),
            text,
        }
    }
}

impl Copy {
    /// A row of titles or of the header, where it stands in the file.
    fn heading(&mut self, page: &Page<'_>, row: &ShownRow) -> Result<(), Unmarked> {
        let at = own_row(page, row)?;
        self.row(at, row, &[])?;
        if row.line == page.header() {
            self.heading = Some(at);
        }
        Ok(())
    }

    /// A row below the header.
    fn record(&mut self, page: &Page<'_>, row: &ShownRow, all: bool) -> Result<(), Unmarked> {
        let problems = self.rejects.by_line.remove(&row.line);
        if problems.is_none() && !all {
            return Ok(());
        }
        let at = if all {
            own_row(page, row)?
        } else {
            self.next.max(row_number(page.heading())?)
        };
        let problems = problems.unwrap_or_default();
        let bad: Vec<u16> = problems.iter().map(|problem| column(page, problem)).collect();
        self.row(at, row, &bad)?;
        if !problems.is_empty() {
            self.marked_rows.push((at, marks(&problems)));
        }
        self.notes(at, &bad, &problems)?;
        for (column, problem) in bad.into_iter().zip(problems) {
            self.listed.push((at, column, row.line, problem));
        }
        Ok(())
    }

    /// One note for each bad cell, with everything that is wrong in it.
    fn notes(&mut self, at: u32, bad: &[u16], problems: &[RowProblem]) -> Result<(), XlsxError> {
        for (first, column) in bad.iter().enumerate() {
            if bad.iter().take(first).any(|earlier| earlier == column) {
                continue;
            }
            let of_cell = bad.iter().zip(problems).filter(|(other, _)| *other == column);
            let texts: Vec<String> = of_cell.map(|(_, problem)| explained(problem)).collect();
            let note = Note::new(texts.join("\n")).set_author(AUTHOR).set_width(240);
            self.sheet.insert_note(at, *column, &note)?;
        }
        Ok(())
    }

    fn row(&mut self, at: u32, row: &ShownRow, bad: &[u16]) -> Result<(), Unmarked> {
        self.next = at + 1;
        for column in bad {
            self.width = self.width.max(column + 1);
            self.sheet.write_blank(at, *column, &self.styles.bad)?;
        }
        self.cells += row.cells.len() + bad.len();
        for (column, shown) in &row.cells {
            let column = u16::try_from(*column).map_err(|_| XlsxError::RowColumnLimitError)?;
            self.width = self.width.max(column + 1);
            let style = if bad.contains(&column) {
                &self.styles.bad
            } else {
                &self.styles.text
            };
            match shown {
                Shown::Text(text) => {
                    self.bytes += text.len();
                    self.sheet.write_string_with_format(at, column, text, style)?
                }
                Shown::Number(number) if bad.contains(&column) => {
                    let style = &self.styles.bad_number;
                    self.sheet.write_number_with_format(at, column, *number, style)?
                }
                Shown::Number(number) => self.sheet.write_number(at, column, *number)?,
                Shown::Truth(truth) => self.sheet.write_boolean_with_format(at, column, *truth, style)?,
                Shown::Error => {
                    let error = Formula::new("=NA()").set_result("#N/A");
                    self.sheet.write_formula_with_format(at, column, error, style)?
                }
            };
        }
        self.within()
    }

    /// Merges the cells of the heading as they were, before anything is written: a group over names is part of them.
    fn merge(&mut self, page: &Page<'_>) -> Result<(), Unmarked> {
        for [(top, left), (bottom, right)] in page.merged() {
            let area = (bottom.saturating_sub(*top) as usize + 1) * (right.saturating_sub(*left) + 1);
            let (Ok(left), Ok(right)) = (u16::try_from(*left), u16::try_from(*right)) else {
                continue;
            };
            if area > MERGED_CELLS_MAX {
                continue;
            }
            self.cells += area;
            self.within()?;
            let (top, bottom) = (top.saturating_sub(1), bottom.saturating_sub(1));
            match self.sheet.merge_range(top, left, bottom, right, "", &self.styles.text) {
                // Of two that overlap the first counts, as in spreadsheet programs.
                Ok(_)
                | Err(
                    XlsxError::MergeRangeOverlaps(..)
                    | XlsxError::MergeRangeSingleCell
                    | XlsxError::RowColumnOrderError,
                ) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn within(&self) -> Result<(), Unmarked> {
        if self.cells > CELLS_MAX || self.bytes > TEXT_BYTES_MAX {
            Err(Unmarked::TooLarge)
        } else {
            Ok(())
        }
    }

    /// The marks behind the last column, and what helps to find one's way.
    fn finish(&mut self) -> Result<(), XlsxError> {
        let at = self.width;
        if let Some(heading) = self.heading {
            for (column, name) in (at..).zip(MARKS) {
                self.sheet
                    .write_string_with_format(heading, column, name, &self.styles.head)?;
            }
            let last = self.next.saturating_sub(1).max(heading);
            self.sheet.autofilter(heading, 0, last, at.saturating_add(4))?;
            self.sheet.set_freeze_panes(heading + 1, 0)?;
        }
        for (row, marks) in &self.marked_rows {
            for (column, mark) in (at..).zip(marks) {
                self.sheet
                    .write_string_with_format(*row, column, mark, &self.styles.text)?;
            }
        }
        Ok(())
    }
}

/// The sheet of the problems; no cell of it is just the name of a field, so that it is not taken for a sheet of records.
fn list(copy: &Copy, records: &str) -> Result<Worksheet, XlsxError> {
    let mut sheet = Worksheet::new();
    sheet.set_name(LIST)?.set_freeze_panes(1, 0)?;
    for (at, (title, width)) in (0..).zip(LIST_COLUMNS) {
        sheet.write_string_with_format(0, at, title, &copy.styles.head)?;
        sheet.set_column_width(at, width)?;
    }
    for (at, (row, column, line, problem)) in (1..).zip(&copy.listed) {
        let place = cell_name(usize::from(*column), u64::from(*row) + 1);
        let link = format!("internal:'{}'!{place}", records.replace('\'', "''"));
        sheet.write_url(at, 0, Url::new(link).set_text(&place))?;
        let field = problem.field.as_deref().map(|field| match &problem.field_zh {
            Some(zh) => format!("{zh} ({field})"),
            None => format!("({field})"),
        });
        let sent = problem.cell.clone().unwrap_or_else(|| format!("第 {line} 行"));
        let texts = [
            sent,
            problem.row.to_string(),
            field.unwrap_or_default(),
            problem.code.clone(),
            problem.title.clone(),
            problem.expected.clone().unwrap_or_default(),
            problem.hint.clone().unwrap_or_default(),
        ];
        for (column, text) in (1..).zip(texts) {
            sheet.write_string_with_format(at, column, text, &copy.styles.wrapped)?;
        }
    }
    Ok(sheet)
}

/// The cell that a problem is shown at; the row's first where none is to blame.
fn column(page: &Page<'_>, problem: &RowProblem) -> u16 {
    let named = problem.cell.as_deref().and_then(column_of);
    let of_field = || problem.field.as_deref().and_then(|field| page.column(field));
    let column = named.or_else(of_field).and_then(|column| u16::try_from(column).ok());
    column.unwrap_or(0)
}

/// The column of `C12`, from 0.
fn column_of(cell: &str) -> Option<usize> {
    let letters = cell.bytes().take_while(u8::is_ascii_uppercase);
    let number = letters.fold(0_usize, |sum, letter| {
        sum.saturating_mul(26).saturating_add(usize::from(letter - b'A') + 1)
    });
    number.checked_sub(1)
}

/// What a note says.
fn explained(problem: &RowProblem) -> String {
    let mut text = format!("{} {}", problem.code, problem.title);
    let expected = problem.expected.as_deref().map(|expected| format!("应为：{expected}"));
    for line in [expected, problem.hint.clone()].into_iter().flatten() {
        text.push('\n');
        text.push_str(&line);
    }
    text
}

/// The row from 0 at which it stands in a whole copy: in a sheet its own; the names of a table's columns stand above its first record.
fn own_row(page: &Page<'_>, row: &ShownRow) -> Result<u32, XlsxError> {
    row_number(row.line.saturating_sub(u64::from(page.name().is_some())))
}

fn row_number(line: u64) -> Result<u32, XlsxError> {
    u32::try_from(line).map_err(|_| XlsxError::RowColumnLimitError)
}

/// Titles and widths.
const LIST_COLUMNS: [(&str, f64); 8] = [
    ("本表位置", 12.0),
    ("原位置", 12.0),
    ("第几条", 8.0),
    ("数据项", 32.0),
    ("问题代码", 10.0),
    ("问题", 32.0),
    ("应为", 40.0),
    ("提示", 30.0),
];

/// A larger merged area is no header.
const MERGED_CELLS_MAX: usize = 20_000;

#[cfg(test)]
mod tests;
