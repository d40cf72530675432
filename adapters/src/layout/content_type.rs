//! `Content-Type` ⇄ layout.

use std::fmt::Write as _;

use super::{Delimited, Delimiter, Encoding, Envelope, Format, HeaderRows, Layout, Sheet, Xml};

impl Layout {
    /// The layout that a `Content-Type` names: `text/csv; charset=gb18030; delimiter="|!|"; quotes=none`, `text/tab-separated-values`,
    /// `application/x-ndjson`, `application/json`, `application/xml`, a workbook of XLSX or XLS with its sheet (`; sheet=A` or
    /// RFC 8187 `; sheet*=UTF-8''%E7%94%B2`, `; sheet-number=2`; what is called XLS may be a page, `text/html`, too, and then has a charset) and where in it the records are (`; title-rows=2; header-rows=1; skip-rows=1;
    /// footer*=UTF-8''%E6%B3%A8`), a table of dBASE (`application/x-dbf`). A charset that is not named is left to the first bytes
    /// ([`Layout::open`]); it is GB18030 in a table of dBASE. `None` for any other type, charset, delimiter or parameter. What a type cannot say (positions, stated columns, a trailer) comes from the deployment.
    pub fn from_content_type(value: &str) -> Option<Self> {
        let (media, parameters) = value.split_once(';').unwrap_or((value, ""));
        let mut delimiter = None;
        let mut quotes = true;
        let mut charset = None;
        let mut sheet = Sheet::new();
        for (name, value) in Parameters(parameters) {
            match (name?.to_ascii_lowercase().as_str(), value) {
                ("charset", value) => charset = Some(Encoding::parse(value)?),
                ("delimiter", value) => delimiter = Some(Delimiter::parse(value)?),
                ("quotes", "none") => quotes = false,
                ("sheet", value) => sheet.sheet = Some(value.into()),
                ("sheet*", value) => sheet.sheet = Some(extended(value)?.into()),
                ("sheet-number", value) => sheet.number = Some(value.parse().ok()?),
                ("title-rows", value) => sheet.title_rows = value.parse().ok()?,
                ("header-rows", value) => sheet.header_rows = Some(HeaderRows::of(value.parse().ok()?)?),
                ("skip-rows", value) => sheet.skip_rows = value.parse().ok()?,
                ("footer", value) => sheet.footer = Some(value.into()),
                ("footer*", value) => sheet.footer = Some(extended(value)?.into()),
                // RFC 4180 and 7111 parameters that change nothing here.
                ("header", value) if value.eq_ignore_ascii_case("present") => {}
                ("profile", _) => {}
                _ => return None,
            }
        }
        let plain = delimiter.is_none() && quotes;
        let media = media.trim().to_ascii_lowercase();
        if plain && matches!(media.as_str(), XLSX | XLS | HTML) {
            let sheet = sheet.checked().ok()?;
            if media == XLSX {
                return Some(Self::new(Format::Xlsx(sheet), Encoding::Utf8));
            }
            let layout = Self::new(Format::Xls(sheet), charset.unwrap_or(Encoding::Utf8));
            let open = charset.is_none();
            return Some(Self { open, ..layout });
        }
        if sheet != Sheet::new() {
            return None;
        }
        let lines = |delimiter| {
            Format::Delimited(Delimited {
                quotes,
                ..Delimited::new(delimiter)
            })
        };
        let format = match media.as_str() {
            "text/csv" | "application/csv" => lines(delimiter.unwrap_or(Delimiter::Comma)),
            "text/tab-separated-values" if delimiter.is_none_or(|other| other == Delimiter::Tab) => {
                lines(Delimiter::Tab)
            }
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" if plain => Format::Ndjson,
            "application/json" if plain => Format::Json(Envelope::new()),
            "application/xml" | "text/xml" if plain => Format::Xml(Xml::new()),
            DBF | "application/dbf" | "application/dbase" if plain => {
                return Some(Self::new(Format::Dbf, charset.unwrap_or(Encoding::Gb18030)));
            }
            _ => return None,
        };
        let layout = Self::new(format, charset.unwrap_or(Encoding::Utf8));
        Some(Self {
            open: charset.is_none(),
            ..layout
        })
    }

    /// The `Content-Type` that names this layout, as far as one can; [`Layout::from_content_type`] reads it back. Byte positions have no
    /// type of their own: `text/plain`.
    pub fn content_type(&self) -> String {
        let charset = self.encoding.name();
        let media = match &self.format {
            Format::Ndjson => "application/x-ndjson",
            Format::Json(_) => "application/json",
            Format::Xml(_) => "application/xml",
            Format::Xlsx(_) => XLSX,
            Format::Xls(_) => XLS,
            Format::Dbf => DBF,
            Format::Fixed(_) => "text/plain",
            Format::Delimited(form) if form.delimiter == Delimiter::Tab => "text/tab-separated-values",
            Format::Delimited(_) => "text/csv",
        };
        match &self.format {
            Format::Xls(sheet) if !self.open => {
                return format!("{media}; charset={charset}{}", sheet_parameters(sheet));
            }
            Format::Xlsx(sheet) | Format::Xls(sheet) => return format!("{media}{}", sheet_parameters(sheet)),
            _ => {}
        }
        let mut value = if self.open {
            media.to_owned()
        } else {
            format!("{media}; charset={charset}")
        };
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

/// What of a sheet is not as it is without a word.
fn sheet_parameters(sheet: &Sheet) -> String {
    let text = |name: &str, text: &Option<_>| {
        let text: Option<&std::sync::Arc<str>> = text.as_ref();
        text.map(|text| format!("; {name}*=UTF-8''{}", percent(text)))
    };
    let number = |name: &str, number: u32| (number > 0).then(|| format!("; {name}={number}"));
    let parameters = [
        text("sheet", &sheet.sheet),
        number("sheet-number", sheet.number.map_or(0, std::num::NonZeroU32::get)),
        number("title-rows", sheet.title_rows),
        number("header-rows", sheet.header_rows.map_or(0, HeaderRows::count)),
        number("skip-rows", sheet.skip_rows),
        text("footer", &sheet.footer),
    ];
    parameters.into_iter().flatten().collect()
}

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const XLS: &str = "application/vnd.ms-excel";
/// A page is read as what Excel takes it for.
const HTML: &str = "text/html";
const DBF: &str = "application/x-dbf";

/// Bytes other than letters and digits as `%E7` (RFC 8187 section 3.2).
fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The text of `UTF-8''%E7%94%B2`.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, text) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let (hex, after) = after.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
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
