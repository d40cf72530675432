//! What commands print: data on stdout, everything else on stderr.
//!
//! At a terminal a table, in a pipe TSV without decoration, or JSON when asked. Keys are stable and never translated.

use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::exit::Failure;
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
        let mut document = serde_json::to_value(value).unwrap_or_default();
        match &mut document {
            serde_json::Value::Object(members) => {
                members.insert("schema".into(), schema.into());
            }
            other => document = serde_json::json!({ "schema": schema, "items": other.take() }),
        }
        self.line(serde_json::to_string_pretty(&document).unwrap_or_default());
    }

    /// Rows under a header: aligned at a terminal, TSV otherwise.
    pub fn rows(&self, header: &[&str], rows: &[Vec<String>]) {
        let aligned = match self.form {
            Form::Table => true,
            Form::Tsv | Form::Json | Form::Ndjson | Form::Csv => false,
            Form::Auto => std::io::stdout().is_terminal(),
        };
        match self.form {
            Form::Csv => return self.csv(header, rows),
            Form::Ndjson => return self.ndjson(header, rows),
            Form::Auto | Form::Table | Form::Json | Form::Tsv => {}
        }
        if aligned {
            self.line(align(header, rows));
            return;
        }
        self.line(header.join("\t"));
        for row in rows {
            self.line(row.join("\t"));
        }
    }

    fn csv(&self, header: &[&str], rows: &[Vec<String>]) {
        self.line(csv_text::row(header).trim_end());
        for row in rows {
            self.line(csv_text::row(row).trim_end_matches(['\r', '\n']));
        }
    }

    /// Each row as an object; its members are the columns' names in lower case.
    fn ndjson(&self, header: &[&str], rows: &[Vec<String>]) {
        let names: Vec<String> = header
            .iter()
            .map(|name| name.to_lowercase().replace(' ', "_"))
            .collect();
        for row in rows {
            let members: serde_json::Map<_, _> = names
                .iter()
                .cloned()
                .zip(row.iter().map(|cell| cell.as_str().into()))
                .collect();
            self.line(serde_json::Value::Object(members).to_string());
        }
    }
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
