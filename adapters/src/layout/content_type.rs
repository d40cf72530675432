//! `Content-Type` ⇄ layout.

use super::{Delimited, Delimiter, Encoding, Envelope, Format, Layout, Xml};

impl Layout {
    /// The layout that a `Content-Type` names: `text/csv; charset=gb18030; delimiter="|!|"; quotes=none`, `text/tab-separated-values`,
    /// `application/x-ndjson`, `application/json`, `application/xml`. The charset is UTF-8 when none is named. `None` for any other type,
    /// charset, delimiter or parameter. What a type cannot say (positions, stated columns, a trailer) comes from the deployment.
    pub fn from_content_type(value: &str) -> Option<Self> {
        let (media, parameters) = value.split_once(';').unwrap_or((value, ""));
        let mut delimiter = None;
        let mut quotes = true;
        let mut encoding = Encoding::Utf8;
        for (name, value) in Parameters(parameters) {
            match (name?.to_ascii_lowercase().as_str(), value) {
                ("charset", value) => encoding = Encoding::parse(value)?,
                ("delimiter", value) => delimiter = Some(Delimiter::parse(value)?),
                ("quotes", "none") => quotes = false,
                // RFC 4180 and 7111 parameters that change nothing here.
                ("header", value) if value.eq_ignore_ascii_case("present") => {}
                ("profile", _) => {}
                _ => return None,
            }
        }
        let plain = delimiter.is_none() && quotes;
        let lines = |delimiter| {
            Format::Delimited(Delimited {
                quotes,
                ..Delimited::new(delimiter)
            })
        };
        let format = match media.trim().to_ascii_lowercase().as_str() {
            "text/csv" | "application/csv" => lines(delimiter.unwrap_or(Delimiter::Comma)),
            "text/tab-separated-values" if delimiter.is_none_or(|other| other == Delimiter::Tab) => {
                lines(Delimiter::Tab)
            }
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" if plain => Format::Ndjson,
            "application/json" if plain => Format::Json(Envelope::new()),
            "application/xml" | "text/xml" if plain => Format::Xml(Xml::new()),
            _ => return None,
        };
        Some(Self::new(format, encoding))
    }

    /// The `Content-Type` that names this layout, as far as one can; [`Layout::from_content_type`] reads it back. Byte positions have no
    /// type of their own: `text/plain`.
    pub fn content_type(&self) -> String {
        let charset = self.encoding.name();
        let media = match &self.format {
            Format::Ndjson => "application/x-ndjson",
            Format::Json(_) => "application/json",
            Format::Xml(_) => "application/xml",
            Format::Fixed(_) => "text/plain",
            Format::Delimited(form) if form.delimiter == Delimiter::Tab => "text/tab-separated-values",
            Format::Delimited(_) => "text/csv",
        };
        let mut value = format!("{media}; charset={charset}");
        if let Format::Delimited(form) = &self.format {
            match form.delimiter {
                Delimiter::Comma | Delimiter::Tab => {}
                Delimiter::Escape => value.push_str("; delimiter=esc"),
                other => value.extend(["; delimiter=\"", other.text(), "\""]),
            }
            if !form.quotes {
                value.push_str("; quotes=none");
            }
        }
        value
    }
}

/// `name=value` and `name="value"` between semicolons (RFC 9110 section 5.6.6); a name of `None` is no such thing.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = (Option<&'a str>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() {
            return None;
        }
        let Some((name, rest)) = rest.split_once('=') else {
            self.0 = "";
            return Some((None, ""));
        };
        // No value that is taken here holds a quote or a backslash.
        let split = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"'),
            None => Some(rest.split_at(rest.find(';').unwrap_or(rest.len()))),
        };
        let Some((value, rest)) = split else {
            self.0 = "";
            return Some((None, ""));
        };
        self.0 = rest;
        let name = name.trim();
        let ended = rest.trim_start().is_empty() || rest.trim_start().starts_with(';');
        Some((ended.then_some(name), value.trim_matches([' ', '\t'])))
    }
}
