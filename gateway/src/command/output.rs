//! What commands print: data on stdout, everything else on stderr.
//!
//! At a terminal a table, in a pipe TSV without decoration, or JSON when asked. Keys are stable and never translated.

use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::exit::{Exit, Failure};
use super::query::flatten;
use crate::csv_text;

/// The form of the data on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A table at a terminal, TSV in a pipe.
    #[default]
    Auto,
    /// A table with aligned columns.
    Table,
    /// One JSON document with a `schema` member.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values (RFC 4180) with a header.
    Csv,
    /// Tab-separated values with a header.
    Tsv,
}

/// Global choices about output.
#[derive(Clone, Copy, Debug, Default)]
pub struct Output {
    /// The form of the data.
    pub form: Form,
    /// Say nothing on stderr but errors.
    pub quiet: bool,
    /// No progress bars.
    pub no_progress: bool,
}

impl Output {
    /// Whether data goes out as one JSON document.
    pub fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    /// Whether progress bars may be drawn: stderr is a terminal and nobody said no.
    pub fn shows_progress(&self) -> bool {
        !self.quiet && !self.no_progress && std::io::stderr().is_terminal()
    }

    /// A remark for the person at the keyboard, on stderr.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            // A closed stderr is nobody's problem.
            let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
        }
    }

    /// One line of data on stdout.
    pub fn line(&self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stdout(), "{}", text.as_ref());
    }

    /// Bytes into a file that the user named, `-` for stdout. A new file is private to its owner: most of these hold persons, or what opens
    /// commitments about them.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let failed = |error| Failure::local(format!("cannot write `{}`", path.display())).because(error);
        if path == Path::new("-") {
            return std::io::stdout().write_all(bytes).map_err(failed);
        }
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(bytes)).map_err(failed)?;
        self.note(format!("`{}` written", path.display()));
        Ok(())
    }

    /// One JSON document on stdout: the value's members after its `schema`, e.g. `shuguan.exchange.v1`.
    pub fn json(&self, schema: &str, value: &impl Serialize) {
        let document = with_schema(schema, serde_json::to_value(value).unwrap_or_default());
        self.line(serde_json::to_string_pretty(&document).unwrap_or_default());
    }

    /// Whether what [`Self::document`] gives to programs is said in words.
    pub fn is_told(&self) -> bool {
        matches!(self.form, Form::Auto | Form::Table)
    }

    /// For what has a form of its own, such as SQL or a configuration.
    ///
    /// # Errors
    /// Wrong usage when another form was asked for.
    pub fn in_its_own_form(&self, what: &str) -> Result<(), Failure> {
        if self.is_told() {
            return Ok(());
        }
        let failure = Failure::new(Exit::Usage, format!("{what} in no form but its own"));
        Err(failure.then("leave --format and --json out"))
    }

    /// One document for a program, in the form that was chosen: JSON with a `schema` member, the same on one line, or its members as rows. False where a
    /// person reads: then it is said in words, and nothing is printed here.
    #[must_use]
    pub fn document(&self, schema: &str, value: &impl Serialize) -> bool {
        let value = || serde_json::to_value(value).unwrap_or_default();
        match self.form {
            Form::Auto | Form::Table => return false,
            Form::Json => self.json(schema, &value()),
            Form::Ndjson => self.line(with_schema(schema, value()).to_string()),
            Form::Csv | Form::Tsv => self.rows(&["MEMBER", "VALUE"], &flatten(&value())),
        }
        true
    }

    /// Whether tables are for a person: aligned, with remarks between them. Otherwise a program reads them, and one stream is one table.
    pub fn is_aligned(&self) -> bool {
        match self.form {
            Form::Table => true,
            Form::Tsv | Form::Json | Form::Ndjson | Form::Csv => false,
            Form::Auto => std::io::stdout().is_terminal(),
        }
    }

    /// Rows under a header: aligned at a terminal, TSV otherwise.
    pub fn rows(&self, header: &[&str], rows: &[Vec<String>]) {
        self.table(&Columns::of(header), rows);
    }

    /// Rows of such columns, in the form that was chosen.
    pub fn table(&self, columns: &Columns<'_>, rows: &[Vec<String>]) {
        let header = if columns.continued { &[][..] } else { columns.header };
        match self.form {
            Form::Csv => return self.csv(header, rows),
            Form::Ndjson => return self.ndjson(columns, rows),
            Form::Auto | Form::Table | Form::Json | Form::Tsv => {}
        }
        if self.is_aligned() {
            self.line(align(columns.header, rows));
            return;
        }
        if !header.is_empty() {
            self.line(header.join("\t"));
        }
        for row in rows {
            self.line(tsv(row));
        }
    }

    fn csv(&self, header: &[&str], rows: &[Vec<String>]) {
        if !header.is_empty() {
            self.line(csv_text::row(header).trim_end());
        }
        for row in rows {
            self.line(csv_text::row(row).trim_end_matches(['\r', '\n']));
        }
    }

    /// Each row as an object; its members are the columns' names in lower case.
    fn ndjson(&self, columns: &Columns<'_>, rows: &[Vec<String>]) {
        for row in rows {
            self.line(object(columns, row).to_string());
        }
    }
}

/// The value's members and its `schema`; a list stands in `items`.
fn with_schema(schema: &str, mut document: serde_json::Value) -> serde_json::Value {
    match &mut document {
        serde_json::Value::Object(members) => {
            members.insert("schema".into(), schema.into());
            document
        }
        other => serde_json::json!({ "schema": schema, "items": other.take() }),
    }
}

/// What the columns of a table are.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    header: &'a [&'a str],
    /// Those that hold numbers: in NDJSON they are numbers, as in JSON.
    numbers: &'a [&'a str],
    /// Rows of a table that was begun before: at a terminal it is shown again what they are.
    continued: bool,
}

impl<'a> Columns<'a> {
    /// Columns of texts.
    pub fn of(header: &'a [&'a str]) -> Self {
        Self {
            header,
            numbers: &[],
            continued: false,
        }
    }

    /// Columns of which some hold numbers.
    #[must_use]
    pub fn with_numbers(self, numbers: &'a [&'a str]) -> Self {
        Self { numbers, ..self }
    }

    /// Whether a table of these columns was begun before.
    #[must_use]
    pub fn continued(self, continued: bool) -> Self {
        Self { continued, ..self }
    }
}

/// A row as an object. Where there is no number there is none: `null`.
fn object(columns: &Columns<'_>, row: &[String]) -> serde_json::Value {
    let member = |(name, cell): (&&str, &String)| {
        let value = match cell.parse::<u64>() {
            _ if !columns.numbers.contains(name) => cell.as_str().into(),
            Ok(number) => number.into(),
            Err(_) if cell.is_empty() || cell == "-" => serde_json::Value::Null,
            Err(_) => cell.as_str().into(),
        };
        (name.to_lowercase().replace(' ', "_"), value)
    };
    serde_json::Value::Object(columns.header.iter().zip(row).map(member).collect())
}

/// A row of TSV: a cell with a tab or line end in it, such as a header out of a file, would be two.
fn tsv(row: &[String]) -> String {
    let cells: Vec<String> = row.iter().map(|cell| cell.replace(['\t', '\r', '\n'], " ")).collect();
    cells.join("\t")
}

/// A table whose columns line up; wide characters take two cells.
pub fn align(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let lay = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![lay(&mut header.iter().copied())];
    lines.extend(rows.iter().map(|row| lay(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Columns, Form, Output, object, tsv, with_schema};

    #[test]
    fn numbers_of_a_row_are_numbers_and_what_looks_like_one_elsewhere_is_a_text() {
        let header = ["FILE", "ROWS IN", "CODE", "OF"];
        let columns = Columns::of(&header).with_numbers(&["ROWS IN", "OF"]);
        let row = ["12", "7", "0001", "-"].map(str::to_owned);
        let expected = json!({ "file": "12", "rows_in": 7, "code": "0001", "of": null });
        assert_eq!(object(&columns, &row), expected);
    }

    #[test]
    fn what_is_said_in_words_is_one_document_for_a_program_or_refused() {
        let of = |form| Output {
            form,
            quiet: true,
            no_progress: true,
        };
        for (form, told) in [
            (Form::Auto, true),
            (Form::Table, true),
            (Form::Json, false),
            (Form::Ndjson, false),
            (Form::Csv, false),
            (Form::Tsv, false),
        ] {
            assert_eq!(of(form).is_told(), told, "{form:?}");
            assert_eq!(of(form).in_its_own_form("SQL is printed").is_ok(), told, "{form:?}");
            assert_eq!(of(form).document("x", &json!({ "a": 1 })), !told, "{form:?}");
        }
        assert_eq!(with_schema("x", json!({ "a": 1 })), json!({ "a": 1, "schema": "x" }));
        assert_eq!(with_schema("x", json!([1])), json!({ "items": [1], "schema": "x" }));
    }

    #[test]
    fn a_cell_with_a_tab_in_it_stays_one_cell() {
        assert_eq!(tsv(&["a\tb".to_owned(), "c\n".to_owned()]), "a b\tc ");
    }
}
