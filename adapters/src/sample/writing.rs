//! Texts of a row → bytes of a line in a layout.

use encoding_rs::GB18030;

use crate::catalogue::{Agency, Field, FieldType};
use crate::layout::{Encoding, Format, Layout};

/// One column or member of the feed.
pub(crate) struct Column {
    header: String,
    /// Sent as a number in JSON.
    number: bool,
    /// Sent in JSON even when it says nothing.
    always: bool,
}

impl Column {
    /// The field as the agency's system sends it: under its first alias, in upper case where that system writes so.
    pub(crate) fn of(agency: Agency, field: &Field) -> Self {
        Self {
            header: native(agency, field.aliases.first().copied().unwrap_or(field.zh)),
            number: matches!(field.kind, FieldType::Integer(_)),
            always: field.required,
        }
    }

    /// A column of a household's member, under that header.
    pub(crate) fn of_member(header: String) -> Self {
        Self {
            header,
            number: false,
            always: true,
        }
    }
}

/// Makes lines; keeps its buffers.
pub(crate) struct Writing {
    layout: Layout,
    columns: Vec<Column>,
    line: String,
}

impl Writing {
    pub(crate) fn new(layout: Layout, columns: Vec<Column>) -> Self {
        Self {
            layout,
            columns,
            line: String::new(),
        }
    }

    /// The header row; nothing in NDJSON.
    pub(crate) fn header(&mut self) -> Vec<u8> {
        self.line.clear();
        if let Format::Delimited { delimiter } = self.layout.format {
            join(
                &mut self.line,
                self.columns.iter().map(|column| column.header.as_str()),
                delimiter,
            );
            self.line.push_str("\r\n");
        }
        self.encode()
    }

    /// One row; `broken` gives it a column too many, or in NDJSON no end.
    pub(crate) fn row(&mut self, texts: &[String], broken: bool) -> Vec<u8> {
        self.line.clear();
        match self.layout.format {
            Format::Delimited { delimiter } => {
                join(&mut self.line, texts.iter().map(String::as_str), delimiter);
                if broken {
                    self.line.push(char::from(delimiter));
                }
                self.line.push_str("\r\n");
            }
            Format::Ndjson => {
                self.object(texts);
                if !broken {
                    self.line.push('}');
                }
                self.line.push('\n');
            }
        }
        self.encode()
    }

    fn object(&mut self, texts: &[String]) {
        let mut before = '{';
        for (column, text) in self.columns.iter().zip(texts) {
            if text.is_empty() && !column.always {
                continue;
            }
            self.line.push(before);
            before = ',';
            quote(&mut self.line, &column.header);
            self.line.push(':');
            if column.number && !text.is_empty() {
                self.line.push_str(text);
            } else {
                quote(&mut self.line, text);
            }
        }
        if before == '{' {
            self.line.push('{');
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self.layout.encoding {
            Encoding::Utf8 => self.line.as_bytes().to_vec(),
            // Every character has a place in GB18030.
            Encoding::Gb18030 => GB18030.encode(&self.line).0.into_owned(),
        }
    }
}

fn native(agency: Agency, header: &str) -> String {
    let lower_only = !header.bytes().any(|byte| byte.is_ascii_uppercase());
    match agency {
        Agency::PublicSecurity | Agency::CivilAffairs | Agency::Tax if lower_only => header.to_ascii_uppercase(),
        _ => header.to_owned(),
    }
}

fn join<'a>(line: &mut String, texts: impl Iterator<Item = &'a str>, delimiter: u8) {
    let delimiter = char::from(delimiter);
    for (number, text) in texts.enumerate() {
        if number > 0 {
            line.push(delimiter);
        }
        if text.contains([delimiter, '"', '\n', '\r']) {
            line.push('"');
            line.push_str(&text.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(text);
        }
    }
}

fn quote(line: &mut String, text: &str) {
    line.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            line.push('\\');
        }
        line.push(letter);
    }
    line.push('"');
}
