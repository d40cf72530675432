//! From the sheets to the files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toml::Value;

use super::columns::{AGREEMENTS_NAME, FIELD, FIELDS_NAME, FILE, GRANTS_NAME, NUMBER, OPERATOR};
use super::write::{ENDING, FOLDER};
use super::{AGREEMENTS, CellFault, Column, FIELDS, Form, GRANTS, HEADINGS, Matrix, Sent, Sheet};
use crate::document::nearest;

impl Matrix {
    /// Finds the three sheets among what was sent, and their columns by the second heading; columns may have moved. Rows without any
    /// content are skipped, other sheets are for the reader.
    ///
    /// # Errors
    /// Sheets and columns that are missing, unknown or there twice.
    pub fn found(sent: &[Sent]) -> Result<Self, Vec<CellFault>> {
        let mut faults = Vec::new();
        let mut sheet = |name, columns| match find(sent, name, columns) {
            Ok(sheet) => sheet,
            Err(found) => {
                faults.extend(found);
                Sheet {
                    name,
                    columns,
                    rows: Vec::new(),
                }
            }
        };
        let matrix = Self {
            agreements: sheet(AGREEMENTS_NAME, AGREEMENTS),
            grants: sheet(GRANTS_NAME, GRANTS),
            fields: sheet(FIELDS_NAME, FIELDS),
            comments: 0,
        };
        if faults.is_empty() { Ok(matrix) } else { Err(faults) }
    }

    /// The agreement files, named as in a bundle.
    ///
    /// # Errors
    /// Every cell that cannot be taken, rows that belong to no agreement or grant, fields that are there twice.
    pub fn texts(&self) -> Result<Vec<(String, String)>, Vec<CellFault>> {
        let mut faults = Vec::new();
        let mut files: BTreeMap<String, File> = BTreeMap::new();
        for row in rows(&self.agreements, &mut faults) {
            let file = File {
                head: row.values.clone(),
                grants: BTreeMap::new(),
            };
            if files.insert(row.file.clone(), file).is_some() {
                faults.push(row.fault("this file has an agreement already"));
            }
        }
        for row in rows(&self.grants, &mut faults) {
            let Some(file) = files.get_mut(&row.file) else {
                faults.push(row.fault("no agreement has this file"));
                continue;
            };
            let grant = Grant {
                values: row.values.clone(),
                fields: Vec::new(),
            };
            if file.grants.insert(row.number(), grant).is_some() {
                faults.push(row.fault("this file has a grant of this number already"));
            }
        }
        for row in rows(&self.fields, &mut faults) {
            let grant = files
                .get_mut(&row.file)
                .and_then(|file| file.grants.get_mut(&row.number()));
            match grant {
                None => faults.push(row.fault("no grant has this file and number")),
                Some(grant) => grant.field(&row).unwrap_or_else(|fault| faults.push(fault)),
            }
        }
        if faults.is_empty() {
            Ok(files
                .iter()
                .map(|(name, file)| (format!("{FOLDER}{name}{ENDING}"), file.text()))
                .collect())
        } else {
            Err(faults)
        }
    }
}

fn find(sent: &[Sent], name: &'static str, columns: &'static [Column]) -> Result<Sheet, Vec<CellFault>> {
    let about = |row, column, what: String| CellFault {
        sheet: name.to_owned(),
        row,
        column,
        what,
    };
    let mut named = sent.iter().filter(|(sheet, _)| sheet == name);
    let (Some((_, lines)), None) = (named.next(), named.next()) else {
        return Err(vec![about(0, None, "there must be one sheet of this name".into())]);
    };
    let keys = lines.get(HEADINGS - 1).map_or(&[][..], Vec::as_slice);
    let mut faults = Vec::new();
    for (at, key) in keys.iter().enumerate().filter(|(_, key)| !key.is_empty()) {
        if !columns.iter().any(|column| column.key == key) {
            let known: Vec<String> = columns.iter().map(|column| column.key.to_owned()).collect();
            let near = nearest(key, &known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            faults.push(about(HEADINGS, Some(at), format!("no column is called so{near}")));
        }
    }
    let mut places = Vec::new();
    for column in columns {
        let mut found = keys.iter().enumerate().filter(|(_, key)| *key == column.key);
        match (found.next(), found.next()) {
            (Some((at, _)), None) => places.push(at),
            (None, _) => faults.push(about(
                HEADINGS,
                None,
                format!("column `{}` ({}) is missing", column.key, column.zh),
            )),
            (Some(_), Some((at, _))) => faults.push(about(HEADINGS, Some(at), "this column is there twice".into())),
        }
    }
    // A cell under no heading would be lost.
    for (at, line) in lines.iter().enumerate().skip(HEADINGS) {
        let stray = line
            .iter()
            .enumerate()
            .find(|(column, cell)| !cell.trim().is_empty() && keys.get(*column).is_none_or(String::is_empty));
        if let Some((column, _)) = stray {
            faults.push(about(at + 1, Some(column), "there is no heading over this cell".into()));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    // Empty rows stay, so that a fault names the row that the program shows.
    let cell = |line: &[String], at: usize| line.get(at).map_or(String::new(), |cell| cell.trim().to_owned());
    let rows = lines
        .iter()
        .skip(HEADINGS)
        .map(|line| places.iter().map(|at| cell(line, *at)).collect())
        .collect();
    Ok(Sheet { name, columns, rows })
}

/// A row whose cells were read.
struct Row<'s> {
    sheet: &'s Sheet,
    /// As the program shows it.
    line: usize,
    file: String,
    values: Values,
}

type Values = BTreeMap<&'static str, Value>;

fn rows<'s>(sheet: &'s Sheet, faults: &mut Vec<CellFault>) -> Vec<Row<'s>> {
    let mut rows = Vec::new();
    for (at, cells) in sheet
        .rows
        .iter()
        .enumerate()
        .filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()))
    {
        let line = at + HEADINGS + 1;
        let mut values = Values::new();
        for (place, (column, cell)) in sheet.columns.iter().zip(cells).enumerate() {
            if cell.is_empty() || column.form == Form::Shown {
                continue;
            }
            match column.form.value(cell) {
                Ok(value) => drop(values.insert(column.key, value)),
                Err(what) => faults.push(CellFault {
                    sheet: sheet.name.to_owned(),
                    row: line,
                    column: Some(place),
                    what,
                }),
            }
        }
        let file = match values.remove(FILE) {
            Some(Value::String(file)) => file,
            _ => String::new(),
        };
        rows.push(Row {
            sheet,
            line,
            file,
            values,
        });
    }
    rows
}

impl Row<'_> {
    fn number(&self) -> i64 {
        self.values.get(NUMBER).and_then(Value::as_integer).unwrap_or(0)
    }

    fn fault(&self, what: &str) -> CellFault {
        CellFault {
            sheet: self.sheet.name.to_owned(),
            row: self.line,
            column: None,
            what: what.to_owned(),
        }
    }
}

/// One agreement file.
struct File {
    head: Values,
    /// By number.
    grants: BTreeMap<i64, Grant>,
}

/// One grant.
struct Grant {
    values: Values,
    /// In the order of the sheet.
    fields: Vec<(String, Value)>,
}

impl Grant {
    fn field(&mut self, row: &Row<'_>) -> Result<(), CellFault> {
        let Some(operator) = row.values.get(OPERATOR) else {
            return Ok(());
        };
        let Some(Value::String(field)) = row.values.get(FIELD) else {
            return Err(row.fault("an operator without a field"));
        };
        if self.fields.iter().any(|(name, _)| name == field) {
            return Err(row.fault("this grant has the field already"));
        }
        self.fields.push((field.clone(), operator.clone()));
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = String::from("\n[[grant]]\n");
        lines(&mut text, GRANTS, &self.values);
        // The order of the rows is the order of the output: `keep` holds those that come first, `reduce` all from the first other one on.
        let first = self.fields.iter().position(|(_, operator)| !is_keep(operator));
        let (kept, reduced) = self.fields.split_at(first.unwrap_or(self.fields.len()));
        if !kept.is_empty() {
            let kept: Vec<Value> = kept.iter().map(|(name, _)| name.as_str().into()).collect();
            put(&mut text, "keep", &Value::Array(kept).to_string());
        }
        for (name, operator) in reduced {
            put(&mut text, &format!("reduce.{}", key(name)), &operator.to_string());
        }
        text
    }
}

fn is_keep(operator: &Value) -> bool {
    let operator = operator.as_table();
    operator.is_some_and(|operator| operator.len() == 1 && operator.get("op").and_then(Value::as_str) == Some("keep"))
}

impl File {
    fn text(&self) -> String {
        let mut text = String::new();
        lines(&mut text, AGREEMENTS, &self.head);
        for grant in self.grants.values() {
            text.push_str(&grant.text());
        }
        text
    }
}

/// What the columns name, one key a line; keys with a dot go together into one table.
fn lines(text: &mut String, columns: &[Column], values: &Values) {
    let mut done: Vec<&str> = vec![NUMBER];
    for column in columns {
        let outer = column.key.split_once('.').map_or(column.key, |(outer, _)| outer);
        if done.contains(&outer) {
            continue;
        }
        done.push(outer);
        if let Some(value) = values.get(outer) {
            put(text, outer, &value.to_string());
            continue;
        }
        let inner: Vec<String> = columns
            .iter()
            .filter_map(|column| {
                Some((
                    column.key.strip_prefix(outer)?.strip_prefix('.')?,
                    values.get(column.key)?,
                ))
            })
            .map(|(inner, value)| format!("{inner} = {value}"))
            .collect();
        if !inner.is_empty() {
            put(text, outer, &format!("{{ {} }}", inner.join(", ")));
        }
    }
}

fn put(text: &mut String, key: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{key} = {value}");
}

/// A name as a key: bare where it may be.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}
