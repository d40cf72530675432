//! Texts of a row → bytes of a record in a layout, and what a file of that layout begins and ends with.

use encoding_rs::GB18030;

use crate::catalogue::{Agency, Field, FieldType};
use crate::decode::fold_header;
use crate::layout::{Delimited, Encoding, Fixed, Format, Layout, Span};

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

/// Makes records; keeps its buffers.
pub(crate) struct Writing {
    layout: Layout,
    columns: Vec<Column>,
    line: String,
    rows: u64,
}

impl Writing {
    pub(crate) fn new(layout: &Layout, columns: Vec<Column>) -> Self {
        Self {
            layout: layout.clone(),
            columns,
            line: String::new(),
            rows: 0,
        }
    }

    /// What comes before the first record: the header row, an opening bracket, a declaration; nothing in NDJSON.
    pub(crate) fn header(&mut self) -> Vec<u8> {
        self.line.clear();
        match &self.layout.format {
            Format::Delimited(form) if form.columns.is_none() => {
                join(
                    &mut self.line,
                    self.columns.iter().map(|column| column.header.as_str()),
                    form,
                );
                self.line.push_str("\r\n");
            }
            Format::Delimited(_)
            | Format::Fixed(_)
            | Format::Ndjson
            | Format::Xlsx(_)
            | Format::Xls(_)
            | Format::Dbf => {}
            Format::Json(_) => self.line.push('['),
            Format::Xml(_) => {
                let charset = self.layout.encoding.name();
                let texts = ["<?xml version=\"1.0\" encoding=\"", charset, "\"?>\n<records>\n"];
                self.line.extend(texts);
            }
        }
        self.encode()
    }

    /// One record. `broken` spoils its form: a column too many, no end.
    pub(crate) fn row(&mut self, texts: &[String], broken: bool) -> Vec<u8> {
        self.line.clear();
        self.rows += 1;
        let layout = self.layout.clone();
        match &layout.format {
            Format::Delimited(form) => {
                join(&mut self.line, texts.iter().map(String::as_str), form);
                if broken {
                    self.line.push_str(form.delimiter.text());
                }
                self.line.push_str("\r\n");
            }
            Format::Fixed(form) => return self.positions(form, texts, broken),
            Format::Ndjson => {
                self.object(texts);
                if !broken {
                    self.line.push('}');
                }
                self.line.push('\n');
            }
            Format::Json(_) => {
                self.line.push_str(if self.rows == 1 { "\n" } else { ",\n" });
                self.object(texts);
                // A value of its own would break the document: the record alone is to be spoilt.
                self.line.push_str(if broken { ",}" } else { "}" });
            }
            Format::Xml(_) => self.element(texts, broken),
            // Refused before the first row.
            Format::Xlsx(_) | Format::Xls(_) | Format::Dbf => {}
        }
        self.encode()
    }

    /// The same record again, `row` as [`Writing::row`] gave it.
    pub(crate) fn again(&mut self, row: &[u8]) -> Vec<u8> {
        self.rows += 1;
        let first = matches!(self.layout.format, Format::Json(_)) && row.starts_with(b"\n");
        [if first { b",".as_slice() } else { b"" }, row].concat()
    }

    /// What comes after the last record.
    pub(crate) fn footer(&mut self) -> Vec<u8> {
        self.line.clear();
        match &self.layout.format {
            Format::Delimited(form) => {
                if let Some(trailer) = &form.trailer {
                    let mut texts = vec![trailer.mark.clone(); 1];
                    texts.resize(trailer.count.max(1) + 1, String::new());
                    if let Some(place) = texts.get_mut(trailer.count) {
                        *place = self.rows.to_string();
                    }
                    join(&mut self.line, texts.iter().map(String::as_str), form);
                    self.line.push_str("\r\n");
                }
            }
            Format::Json(_) => self.line.push_str("\n]\n"),
            Format::Xml(_) => self.line.push_str("</records>\n"),
            Format::Fixed(_) | Format::Ndjson | Format::Xlsx(_) | Format::Xls(_) | Format::Dbf => {}
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

    fn element(&mut self, texts: &[String], broken: bool) {
        self.line.push_str("<record>");
        let mut twice = broken;
        for (column, text) in self.columns.iter().zip(texts) {
            if text.is_empty() && !column.always {
                continue;
            }
            // A field twice spoils the record and leaves the document whole.
            let times = if std::mem::take(&mut twice) { 2 } else { 1 };
            for _ in 0..times {
                self.line.extend(["<", &column.header, ">"]);
                escape(&mut self.line, text);
                self.line.extend(["</", &column.header, ">"]);
            }
        }
        self.line.push_str("</record>\n");
    }

    /// A line of byte positions; what does not fit is cut off at a character.
    fn positions(&self, form: &Fixed, texts: &[String], broken: bool) -> Vec<u8> {
        let mut line = vec![b' '; form.width()];
        for column in form.columns() {
            let name = fold_header(&column.name);
            let of_field = self.columns.iter().zip(texts);
            let text = of_field
                .filter(|(own, _)| fold_header(&own.header) == name)
                .map(|(_, text)| text);
            for text in text {
                self.place(&mut line, column.span, text);
            }
        }
        if broken {
            line.pop();
        }
        line.extend_from_slice(b"\r\n");
        line
    }

    fn place(&self, line: &mut [u8], span: Span, text: &str) {
        let mut at = span.start;
        for letter in text.chars() {
            let bytes = encode(letter.encode_utf8(&mut [0; 4]), self.layout.encoding);
            let end = at + bytes.len();
            match line.get_mut(at..end) {
                Some(place) if end <= span.end() => place.copy_from_slice(&bytes),
                _ => return,
            }
            at = end;
        }
    }

    fn encode(&self) -> Vec<u8> {
        encode(&self.line, self.layout.encoding)
    }
}

fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        // Every character has a place in GB18030.
        Encoding::Gb18030 => GB18030.encode(text).0.into_owned(),
    }
}

fn native(agency: Agency, header: &str) -> String {
    let lower_only = !header.bytes().any(|byte| byte.is_ascii_uppercase());
    match agency {
        Agency::PublicSecurity | Agency::CivilAffairs | Agency::Tax if lower_only => header.to_ascii_uppercase(),
        _ => header.to_owned(),
    }
}

fn join<'a>(line: &mut String, texts: impl Iterator<Item = &'a str>, form: &Delimited) {
    let delimiter = form.delimiter.text();
    let quotes = form.quotes && delimiter.len() == 1;
    for (number, text) in texts.enumerate() {
        if number > 0 {
            line.push_str(delimiter);
        }
        if quotes && (text.contains(delimiter) || text.contains(['"', '\n', '\r'])) {
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

fn escape(line: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '<' => line.push_str("&lt;"),
            '>' => line.push_str("&gt;"),
            '&' => line.push_str("&amp;"),
            other => line.push(other),
        }
    }
}
