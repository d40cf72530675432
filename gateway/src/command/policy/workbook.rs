//! The sheets of a bundle's agreements as a workbook (XLSX).
//!
//! Gives a workbook with two headings, the sheet 说明 (what it is, and from which bundle it was made) and the sheet 总览 (fields by
//! grants, for reading and signing); reads such a workbook back, also one that a spreadsheet program saved. Refuses cells whose content is not
//! plainly there: formulas, errors, dates, numbers that are not whole.

use std::collections::BTreeMap;
use std::io::Cursor;

use calamine::{DataRef, Reader, Xlsx, open_workbook_from_rs};
use rust_xlsxwriter::{Color, Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError};
use shuguan_policies::matrix::{CellFault, Form, Matrix, Sent, Sheet};

/// The sheet that says what the workbook is.
const ABOUT: &str = "说明";
/// Stands before the bundle's hash.
const BUNDLE: &str = "策略包 sha256";
/// The sheet for reading.
const OVERVIEW: &str = "总览";
/// Rows of a sheet that are read.
const ROWS_MAX: usize = 20_000;
/// Columns of a sheet that are read; the widest of ours has 31.
const COLUMNS_MAX: usize = 64;
/// Faults that are listed.
const FAULTS_MAX: usize = 1_000;
/// Numbers above it are not exact in a spreadsheet.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

const ABOUT_LINES: [&str; 7] = [
    "本工作簿列出各协议的授权。修改后用 shuguan policy import 读回,核对差异后由两名人员签名方可生效。",
    "协议:每份协议一行。授权:每条授权一行。数据项:每个字段一行,字段的先后就是输出的先后。",
    "处理方式留空表示不授权:该字段不会进入系统,也不会留下任何痕迹。",
    "处理方式:原样、不给、常数、有无、是否一致、分段、取整、年龄段、日期、区划、地址、取性别、取出生日期、掩码、假名、日期平移、代号、归并。",
    "括号内是参数,例如 掩码(first = 1, char = \"＊\")、日期(to = \"month\")、区划(to = \"county\")。",
    "第二行是字段在文件中的名称,请勿修改;列可以移动。灰色的列和「总览」只供阅读,不读回。",
    "策略文件中的注释不在本工作簿内;读回以后,被替换的文件不再有注释。",
];

/// The workbook of a bundle with this hash.
pub(super) fn write(matrix: &Matrix, bundle: &str) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    about(workbook.add_worksheet(), bundle)?;
    overview(workbook.add_worksheet(), matrix)?;
    for sheet in [&matrix.agreements, &matrix.grants, &matrix.fields] {
        data(workbook.add_worksheet(), sheet)?;
    }
    workbook.save_to_buffer()
}

fn about(page: &mut Worksheet, bundle: &str) -> Result<(), XlsxError> {
    page.set_name(ABOUT)?
        .set_column_width(0, 18)?
        .set_column_width(1, 100)?;
    page.write_string_with_format(0, 0, "数关 授权表", &Format::new().set_bold().set_font_size(16))?;
    page.write_string(1, 0, BUNDLE)?.write_string(1, 1, bundle)?;
    for (row, line) in (3..).zip(ABOUT_LINES) {
        page.write_string_with_format(row, 1, line, &Format::new().set_text_wrap())?;
    }
    Ok(())
}

fn head() -> Format {
    Format::new()
        .set_bold()
        .set_background_color(Color::RGB(0xD9_E2_F3))
        .set_border(FormatBorder::Thin)
}

fn body() -> Format {
    Format::new().set_border(FormatBorder::Thin).set_align(FormatAlign::Top)
}

/// A sheet that is read back. Texts are cells of the format `@`, so that no program makes a number or a date of them.
fn data(page: &mut Worksheet, sheet: &Sheet) -> Result<(), XlsxError> {
    page.set_name(sheet.name)?;
    let key = Format::new()
        .set_font_color(Color::RGB(0x80_80_80))
        .set_font_size(8)
        .set_border(FormatBorder::Thin);
    let text = body().set_num_format("@");
    let shown = body().set_background_color(Color::RGB(0xEE_EE_EE));
    for (at, column) in (0..).zip(sheet.columns) {
        page.write_string_with_format(0, at, column.zh, &head())?
            .write_string_with_format(1, at, column.key, &key)?;
        page.set_column_width(
            at,
            if matches!(column.form, Form::Number | Form::Flag) {
                10
            } else {
                22
            },
        )?;
    }
    let lines = || (2..).zip(&sheet.rows);
    for (line, cells) in lines() {
        for ((at, column), cell) in (0..).zip(sheet.columns).zip(cells) {
            match (column.form, cell.parse::<f64>()) {
                (Form::Number, Ok(number)) if number.abs() <= WHOLE_MAX => {
                    page.write_number_with_format(line, at, number, &body())?
                }
                (Form::Shown, _) => page.write_string_with_format(line, at, cell, &shown)?,
                _ => page.write_string_with_format(line, at, cell, &text)?,
            };
        }
    }
    let last = lines().last().map_or(1, |(line, _)| line);
    let columns = u16::try_from(sheet.columns.len()).unwrap_or(1).saturating_sub(1);
    page.autofilter(1, 0, last, columns)?.set_freeze_panes(2, 2)?;
    Ok(())
}

/// One block for each record type or dataset: fields downwards, grants across, in a cell what becomes of the field.
fn overview(page: &mut Worksheet, matrix: &Matrix) -> Result<(), XlsxError> {
    page.set_name(OVERVIEW)?
        .set_column_width(0, 24)?
        .set_column_width(1, 20)?
        .set_column_range_width(2, 40, 26)?;
    let mut row = 0;
    for (target, grants) in targets(matrix) {
        page.write_string_with_format(row, 0, target, &Format::new().set_bold().set_font_size(13))?;
        row += 1;
        for (title, cells) in [
            ("对方", grants.iter().map(Grant::partner).collect::<Vec<_>>()),
            ("用途", grants.iter().map(Grant::purpose).collect()),
            ("协议与条文", grants.iter().map(Grant::law).collect()),
        ] {
            page.write_string_with_format(row, 0, title, &head())?
                .write_string_with_format(row, 1, "", &head())?;
            for (at, cell) in (2..).zip(cells) {
                page.write_string_with_format(row, at, cell, &head().set_text_wrap())?;
            }
            row += 1;
        }
        for (zh, field) in fields(&grants) {
            page.write_string_with_format(row, 0, zh, &body())?
                .write_string_with_format(row, 1, field, &body())?;
            for (at, grant) in (2..).zip(&grants) {
                page.write_string_with_format(row, at, grant.operator(field), &body())?;
            }
            row += 1;
        }
        row += 1;
    }
    Ok(())
}

/// One grant with what is written about it in the three sheets.
struct Grant<'m> {
    agreement: Option<Named<'m>>,
    row: Named<'m>,
    fields: Vec<Named<'m>>,
}

/// A row by the keys of its columns.
#[derive(Clone, Copy)]
struct Named<'m> {
    sheet: &'m Sheet,
    cells: &'m [String],
}

impl<'m> Named<'m> {
    fn all(sheet: &'m Sheet) -> impl Iterator<Item = Self> {
        sheet.rows.iter().map(move |cells| Self { sheet, cells })
    }

    fn get(&self, key: &str) -> &'m str {
        let at = self.sheet.columns.iter().position(|column| column.key == key);
        at.and_then(|at| self.cells.get(at)).map_or("", String::as_str)
    }

    fn is_of(&self, other: &Self) -> bool {
        self.get("file") == other.get("file") && self.get("number") == other.get("number")
    }

    /// The first of these that is not empty.
    fn first(&self, keys: &[&str]) -> String {
        let mut cells = keys.iter().map(|key| self.get(key));
        cells.find(|cell| !cell.is_empty()).unwrap_or_default().to_owned()
    }
}

impl Grant<'_> {
    fn partner(&self) -> String {
        // A record type says by itself which agency sends it.
        let agency = self.row.get("for.record").split('/').next().unwrap_or_default();
        match self.row.first(&["for.partner", "for.partners", "for.agency"]) {
            named if named.is_empty() => agency.to_owned(),
            named => named,
        }
    }

    fn purpose(&self) -> String {
        match self.row.first(&["for.purpose", "for.purposes"]) {
            named if named.is_empty() => self.of_agreement("defaults.purpose"),
            named => named,
        }
    }

    fn law(&self) -> String {
        format!(
            "{} {}",
            self.of_agreement("agreement"),
            self.of_agreement("basis.articles")
        )
    }

    fn of_agreement(&self, key: &str) -> String {
        self.agreement
            .map_or(String::new(), |agreement| agreement.get(key).to_owned())
    }

    fn operator(&self, field: &str) -> &str {
        self.fields
            .iter()
            .find(|row| row.get("field") == field)
            .map_or("", |row| row.get("operator"))
    }
}

/// Grants by the name of what they are about.
fn targets(matrix: &Matrix) -> BTreeMap<String, Vec<Grant<'_>>> {
    let mut targets: BTreeMap<String, Vec<Grant<'_>>> = BTreeMap::new();
    for row in Named::all(&matrix.grants) {
        let name = format!(
            "{} {}",
            row.get("shown.target"),
            row.first(&["for.record", "for.dataset"])
        );
        targets.entry(name).or_default().push(Grant {
            agreement: Named::all(&matrix.agreements).find(|agreement| agreement.get("file") == row.get("file")),
            row,
            fields: Named::all(&matrix.fields).filter(|field| field.is_of(&row)).collect(),
        });
    }
    targets
}

/// Chinese name and name of every field of these grants, once.
fn fields<'m>(grants: &[Grant<'m>]) -> Vec<(&'m str, &'m str)> {
    let mut fields: Vec<(&str, &str)> = Vec::new();
    for row in grants.iter().flat_map(|grant| &grant.fields) {
        if !fields.iter().any(|(_, name)| *name == row.get("field")) {
            fields.push((row.get("shown.zh"), row.get("field")));
        }
    }
    fields
}

/// What a workbook holds.
pub(super) struct Opened {
    /// Every sheet but 说明 and 总览.
    pub(super) sheets: Vec<Sent>,
    /// The hash of the bundle that it was made from, as it stands in 说明.
    pub(super) bundle: Option<String>,
}

/// Why a workbook was not taken.
pub(super) enum Unreadable {
    /// It is none, or damaged.
    Workbook(calamine::XlsxError),
    /// Cells that are not plainly values.
    Cells(Vec<CellFault>),
}

impl From<calamine::XlsxError> for Unreadable {
    fn from(error: calamine::XlsxError) -> Self {
        Self::Workbook(error)
    }
}

/// Opens a workbook. Its sheets are read cell by cell, since a single cell far out would make a table of all that could lie before it.
///
/// # Errors
/// Why it is none, or every cell that is not plainly a value.
pub(super) fn read(bytes: &[u8]) -> Result<Opened, Unreadable> {
    let mut workbook: Xlsx<_> = open_workbook_from_rs(Cursor::new(bytes))?;
    let mut opened = Opened {
        sheets: Vec::new(),
        bundle: None,
    };
    let mut faults = Vec::new();
    for name in workbook.sheet_names() {
        if name == OVERVIEW {
            continue;
        }
        let lines = lines(&mut workbook, &name, &mut faults)?;
        if name == ABOUT {
            let of_bundle = lines
                .into_iter()
                .find(|line| line.first().is_some_and(|label| label == BUNDLE));
            opened.bundle = of_bundle.and_then(|line| line.into_iter().nth(1));
        } else {
            formulas(&mut workbook, &name, &mut faults)?;
            opened.sheets.push((name, lines));
        }
    }
    if faults.is_empty() {
        Ok(opened)
    } else {
        Err(Unreadable::Cells(faults))
    }
}

type Book<'b> = Xlsx<Cursor<&'b [u8]>>;

/// Rows from the first of the sheet on, each as long as its last cell.
fn lines(workbook: &mut Book<'_>, name: &str, faults: &mut Vec<CellFault>) -> Result<Vec<Vec<String>>, Unreadable> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut cells = workbook.worksheet_cells_reader(name)?;
    while let Some(cell) = cells.next_cell()? {
        let (row, column) = place(cell.get_position());
        let text = match text(cell.get_value()) {
            Ok(text) if text.is_empty() => continue,
            Ok(_) if row >= ROWS_MAX || column >= COLUMNS_MAX => Err("too far out: nothing is read from there"),
            read => read,
        };
        match text {
            Ok(text) => put(&mut lines, row, column, text),
            Err(what) => faults.push(fault(name, row, column, what)),
        }
        if faults.len() >= FAULTS_MAX {
            return Err(Unreadable::Cells(std::mem::take(faults)));
        }
    }
    Ok(lines)
}

fn put(lines: &mut Vec<Vec<String>>, row: usize, column: usize, text: String) {
    if lines.len() <= row {
        lines.resize_with(row + 1, Vec::new);
    }
    if let Some(line) = lines.get_mut(row) {
        line.resize(line.len().max(column + 1), String::new());
        if let Some(cell) = line.get_mut(column) {
            *cell = text;
        }
    }
}

fn formulas(workbook: &mut Book<'_>, name: &str, faults: &mut Vec<CellFault>) -> Result<(), Unreadable> {
    let mut cells = workbook.worksheet_cells_reader(name)?;
    while let Some(cell) = cells.next_formula()? {
        let (row, column) = place(cell.get_position());
        if !cell.get_value().is_empty() && faults.len() < FAULTS_MAX {
            faults.push(fault(name, row, column, "a formula; write the value itself"));
        }
    }
    Ok(())
}

/// Row and column, from 0.
fn place((row, column): (u32, u32)) -> (usize, usize) {
    let wide = |number| usize::try_from(number).unwrap_or(usize::MAX);
    (wide(row), wide(column))
}

fn text(cell: &DataRef<'_>) -> Result<String, &'static str> {
    match cell {
        DataRef::Empty => Ok(String::new()),
        DataRef::String(text) => Ok(text.clone()),
        DataRef::SharedString(text) => Ok((*text).to_owned()),
        DataRef::Int(number) => Ok(number.to_string()),
        DataRef::Float(number) if number.fract() == 0.0 && number.abs() <= WHOLE_MAX => Ok(format!("{number:.0}")),
        DataRef::Float(_) => Err("not a whole number"),
        DataRef::Bool(flag) => Ok(if *flag { "是" } else { "否" }.to_owned()),
        DataRef::DateTime(_) | DataRef::DateTimeIso(_) | DataRef::DurationIso(_) => {
            Err("a date of the program; write it as text, e.g. `2026-01-01T00:00:00+08:00`")
        }
        DataRef::Error(_) => Err("the program shows an error here"),
    }
}

fn fault(sheet: &str, row: usize, column: usize, what: &str) -> CellFault {
    CellFault {
        sheet: sheet.to_owned(),
        row: row + 1,
        column: Some(column),
        what: what.to_owned(),
    }
}
