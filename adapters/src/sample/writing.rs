//! Texts of a row → bytes of a line in a layout.

use encoding_rs::GB18030;

use crate::catalogue::{Agency, Field, FieldType, RecordType};
use crate::layout::{Encoding, Format, Layout};

/// Makes lines; keeps its buffers.
pub(crate) struct Writing {
    layout: Layout,
    headers: Vec<String>,
    line: String,
}

impl Writing {
    pub(crate) fn new(record: &RecordType, layout: Layout) -> Self {
        Self {
            layout,
            headers: record.fields.iter().map(|field| header(record.agency, field)).collect(),
            line: String::new(),
        }
    }

    /// The header row; nothing in NDJSON.
    pub(crate) fn header(&mut self) -> Vec<u8> {
        self.line.clear();
        if let Format::Delimited { delimiter } = self.layout.format {
            join(&mut self.line, &self.headers, delimiter);
            self.line.push_str("\r\n");
        }
        self.encode()
    }

    /// One row; `broken` gives it a column too many, or in NDJSON no end.
    pub(crate) fn row(&mut self, fields: &[Field], texts: &[String], broken: bool) -> Vec<u8> {
        self.line.clear();
        match self.layout.format {
            Format::Delimited { delimiter } => {
                join(&mut self.line, texts, delimiter);
                if broken {
                    self.line.push(char::from(delimiter));
                }
                self.line.push_str("\r\n");
            }
            Format::Ndjson => {
                self.object(fields, texts);
                if !broken {
                    self.line.push('}');
                }
                self.line.push('\n');
            }
        }
        self.encode()
    }

    fn object(&mut self, fields: &[Field], texts: &[String]) {
        let mut before = '{';
        for ((field, header), text) in fields.iter().zip(&self.headers).zip(texts) {
            if text.is_empty() && !field.required {
                continue;
            }
            self.line.push(before);
            before = ',';
            quote(&mut self.line, header);
            self.line.push(':');
            if matches!(field.kind, FieldType::Integer(_)) && !text.is_empty() {
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

/// The header under which the agency's system sends the field: its first alias, in upper case where that system writes so.
fn header(agency: Agency, field: &Field) -> String {
    let native = field.aliases.first().copied().unwrap_or(field.zh);
    let lower_only = !native.bytes().any(|byte| byte.is_ascii_uppercase());
    match agency {
        Agency::PublicSecurity | Agency::CivilAffairs | Agency::Tax if lower_only => native.to_ascii_uppercase(),
        _ => native.to_owned(),
    }
}

fn join(line: &mut String, texts: &[String], delimiter: u8) {
    let delimiter = char::from(delimiter);
    for (number, text) in texts.iter().enumerate() {
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
